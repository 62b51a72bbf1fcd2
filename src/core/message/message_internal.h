/* SPDX-License-Identifier: MIT */
/* The inside of a message and of a delivery.
 *
 * A message is a kind and a body of bytes in one form, the same in memory and on the native wire:
 *   Flow                     nothing
 *   Boolean                  1 byte, 0 or 1
 *   Integer, Float           8 bytes, little-endian (two's complement; IEEE 754)
 *   String, Error, Bytes, Encoded, Event, Object, Any     the bytes themselves
 *   Array                    for each element: u32 size, then its JSON text
 *   Optional                 nothing (none), or byte 1 and the JSON text
 *   StreamHandle             u64 stream_id; u8 flags (1: content_type, 2: size_hint); u64 size_hint;
 *                            then origin_actor, origin_port, content_type, each u32 size and bytes
 *   RemoteReference          network_id, actor_id, port, each u32 size and bytes
 *   NetworkEvent             event_type, data, each u32 size and bytes
 * so that encoding for the native wire is a copy of the body.
 *
 * A delivery is what a mailbox queues: it names the message and the in-port. The first delivery of a
 * message is embedded in it; fan-out takes further ones from a pool (delivery.h of the actor layer). */
#ifndef RFI_MESSAGE_INTERNAL_H
#define RFI_MESSAGE_INTERNAL_H

#include "core/base/buf.h"
#include "core/base/mpsc.h"
#include <reflow/actor.h>
#include <reflow/message.h>
#include <stdatomic.h>

struct rfi_receipt;

struct rfi_delivery {
    struct rfi_mpsc_node node;   /* first: a node is its delivery */
    rf_message *msg;             /* one reference; NULL for system deliveries */
    struct rfi_receipt *receipt; /* told when the message is consumed; NULL: nobody asks */
    rf_reply *reply;             /* who waits for an answer; NULL: nobody */
    uint32_t port;
    uint16_t kind;        /* 0: a message; others belong to the actor layer */
    uint16_t is_embedded; /* part of its message, not of the pool */
};

struct rf_message {
    struct rfi_delivery first;
    _Atomic(uint32_t) refs;
    _Atomic(uint8_t) is_first_taken; /* the embedded delivery is in a queue */
    uint8_t kind;
    uint16_t size_class; /* of the pool */
    uint32_t size;       /* of the body, bytes */
    _Alignas(8) uint8_t body[];
};

/* Make a message of a body in the form above. The body is checked (RF_EFORMAT): for bytes that come
 * from a peer. UTF-8 and JSON are not checked here. */
RF_NODISCARD rf_err rfi_message_from_body(rf_kind kind, const void *body, size_t size,
                                          rf_message **out);
/* Make a message with room for `size` bytes of body, to be filled by the caller before it is shared.
 * NULL: out of memory. */
rf_message *rfi_message_alloc(rf_kind kind, size_t size);

/* Append the tagged JSON form to a buffer; `bytes_name` is "Bytes" or "Stream". RF_EINVAL: a float
 * that is not finite. */
RF_NODISCARD rf_err rfi_message_write_tagged(const rf_message *msg, const char *bytes_name,
                                             struct rfi_buf *out);
/* Append the plain JSON value. */
void rfi_message_write_value(const rf_message *msg, struct rfi_buf *out);

/* Memory of messages and deliveries: per-thread caches over a shared depot (core/base/pool.h). */

#endif
