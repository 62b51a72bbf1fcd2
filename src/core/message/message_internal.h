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
#include <stdbool.h>

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
/* Make a message of a block (base/blocks.h) with a body of `size` bytes behind RFI_MESSAGE_HEADROOM bytes. Takes the block
 * on RF_OK. The body is checked (RF_EFORMAT); no arrays (RF_EFORMAT). */
enum { RFI_MESSAGE_HEADROOM = offsetof(struct rf_message, body) };
RF_NODISCARD rf_err rfi_message_adopt(rf_kind kind, void *block, size_t size, rf_message **out);

/* Append the tagged JSON form to a buffer; `bytes_name` is "Bytes" or "Stream". RF_EINVAL: a float
 * that is not finite. */
RF_NODISCARD rf_err rfi_message_write_tagged(const rf_message *msg, const char *bytes_name,
                                             struct rfi_buf *out);
/* Append the plain JSON value. */
void rfi_message_write_value(const rf_message *msg, struct rfi_buf *out);

/* Memory of messages and deliveries: per-thread caches over a shared depot (core/base/pool.h). */

/* ---- leases ----
 *
 * NOTE lease. The message that a callback is given is mostly held by nobody else, and mostly it is referenced to be
 * sent on, and unreferenced when the callback is over: two locked operations on a counter that no other thread looks
 * at. So its thread takes out a lease of it: the first rf_message_ref raises the counter by RFI_LEASE - 1 at once,
 * and as long as the lease is open this thread's references come from that stock. The counter is never
 * smaller than the references there are, so whatever other threads do meanwhile with those that they were given is
 * right; the message only cannot be freed before the lease has ended. At the end the
 * rest of the stock goes back, without a locked operation when nobody else can have touched the counter:
 *
 *   references of others = taken + refs - RFI_LEASE      (all that is not our stock, nor the borrowed one)
 *
 * and if these are none, or all in deliveries that this thread has not published yet, they stay so. */
enum { RFI_LEASE = 1 << 30 };

struct rfi_lease {
    rf_message *msg; /* that of the callback at hand; NULL: none */
    int32_t taken;   /* references given out of the stock */
    uint32_t parked; /* of them, in deliveries that wait for publication in this thread */
    bool is_open;    /* the stock was taken */
};

/* owner: the calling thread */
extern _Thread_local struct rfi_lease rfi_lease __attribute__((tls_model("initial-exec")));

static inline int32_t rfi_lease_others(const rf_message *msg)
{
    /* [MSG1] acquire: what those did who have let go */
    return rfi_lease.taken +
           (int32_t)(atomic_load_explicit(&msg->refs, memory_order_acquire) - RFI_LEASE);
}

static inline bool rfi_lease_has(const rf_message *msg)
{
    return rfi_lease.msg == msg && rfi_lease.is_open;
}

/* The caller has a reference: is it the only one, but for the one borrowed by the callback of a lease? */
static inline bool rfi_message_is_exclusive(const rf_message *msg)
{
    /* [DL1] acquire: what the last other holder did with the message is over; pairs with the release in
     * rf_message_unref */
    return atomic_load_explicit(&msg->refs, memory_order_acquire) == 1 ||
           (rfi_lease_has(msg) && rfi_lease_others(msg) == 1);
}

/* `count` references more, for a caller that has one. */
static inline void rfi_message_ref_more(rf_message *msg, uint32_t count)
{
    if (rfi_lease_has(msg))
        rfi_lease.taken += (int32_t)count;
    else if (rfi_message_is_exclusive(msg))
        /* relaxed: nobody else sees the counter */
        atomic_store_explicit(&msg->refs, count + 1, memory_order_relaxed);
    else
        /* relaxed: copies of a reference that the caller holds */
        (void)atomic_fetch_add_explicit(&msg->refs, count, memory_order_relaxed);
}

/* A callback begins, for which `msg` is borrowed. */
static inline void rfi_lease_begin(rf_message *msg)
{
    rfi_lease.msg = msg;
}

void rfi_lease_settle(rf_message *msg);
void rfi_message_free(rf_message *msg);

/* The callback is over: also gives back the reference that it had borrowed. */
static inline void rfi_lease_end(rf_message *msg)
{
    rfi_lease.msg = NULL;
    /* [MSG1] acquire: as in rf_message_unref */
    if (__builtin_expect(rfi_lease.is_open, 0))
        rfi_lease_settle(msg);
    else if (__builtin_expect(atomic_load_explicit(&msg->refs, memory_order_acquire) == 1, 1))
        rfi_message_free(msg);
    else
        rf_message_unref(msg);
}

#endif
