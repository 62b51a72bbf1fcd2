/* SPDX-License-Identifier: MIT */
/* The bytes of a native frame: how each record is written and read, and nothing about what it means.
 * docs/protocol.md draws them. Pure code.
 *
 *   frame  = u8 type, u32 number, u64 seq, u64 ack, record*    integers little-endian
 *   record = u8 type, varint size, bytes                       every type but RFI_RECORD_RUN
 *   run    = u8 1, varint flow, u8 kind, u8 flags, u16 count, message*
 *   message = [u64 request id], varint size, bytes     the id when flags has RFI_RUN_REQUESTS;
 *             RFI_RUN_FAST: the sender does not keep them
 *   varint = 7 bits a byte, low ones first, bit 7: more follow; at most 10 bytes
 *   text   = varint size, bytes
 */
#ifndef RFI_FRAME_H
#define RFI_FRAME_H

#include "core/base/buf.h"
#include "net/handshake.h"

enum {
    RFI_FRAME_BATCH = 0x01,
    RFI_FRAME_HEAD_SIZE = 21,
    RFI_FRAME_FATAL = 0x80, /* unknown types from here on end the session, lower ones are skipped */
    RFI_RUN_REQUESTS = 0x01,
    RFI_RUN_FAST = 0x02,
    RFI_RUN_MAX = UINT16_MAX,
    RFI_RUN_COUNT_SIZE = 2,
    RFI_RUN_HEAD_MAX = 10,
    RFI_RUN_MESSAGE_HEAD_MAX = 13,
    RFI_SOURCE_SIZE = 2 * RFI_NAME_SIZE, /* "actor@network" and its end */
    RFI_OPEN_RECORD_MAX = 544,           /* of an OPEN record with the longest names */
    RFI_SKIP_RECORD_MAX = 12
};

enum rfi_record_type {
    RFI_RECORD_RUN = 0x01,
    RFI_RECORD_SETTINGS = 0x02,  /* varint flow credit messages, flow credit bytes, flows max */
    RFI_RECORD_OPEN = 0x03,      /* varint flow, u8 kind, text source actor, actor, port */
    RFI_RECORD_CLOSE = 0x04,     /* varint flow: nothing more comes */
    RFI_RECORD_CLOSED = 0x05,    /* varint flow: all of it is consumed, the number is free */
    RFI_RECORD_CREDIT = 0x06,    /* varint flow, messages, bytes: consumed since the flow began */
    RFI_RECORD_REJECT = 0x07,    /* varint flow, u16 error, varint rejected since the flow began */
    RFI_RECORD_SUBSCRIBE = 0x08, /* u8 wanted, text actor, port */
    RFI_RECORD_ANSWER = 0x09,    /* u64 request id, u16 error, and when that is 0: u8 kind, body */
    RFI_RECORD_HEARTBEAT = 0x0a, /* varint number, highest number received */
    RFI_RECORD_JSON = 0x0b,      /* text of the Rust wire, to the end of the record */
    RFI_RECORD_SKIP = 0x80       /* varint messages: their numbers will never come */
};

/* ---- writing; failure is the buffer's ---- */
void rfi_frame_put_head(struct rfi_buf *out, uint32_t number, uint64_t seq, uint64_t ack);
void rfi_frame_put_settings(struct rfi_buf *out, uint32_t messages, uint32_t bytes, uint32_t flows);
void rfi_frame_put_open(struct rfi_buf *out, uint32_t flow, uint8_t kind, const char *source,
                        const char *actor, const char *port);
/* CLOSE or CLOSED. */
void rfi_frame_put_flow(struct rfi_buf *out, enum rfi_record_type type, uint32_t flow);
void rfi_frame_put_credit(struct rfi_buf *out, uint32_t flow, uint64_t messages, uint64_t bytes);
void rfi_frame_put_reject(struct rfi_buf *out, uint32_t flow, rf_err reason, uint64_t total);
void rfi_frame_put_subscribe(struct rfi_buf *out, bool is_wanted, const char *actor,
                             const char *port);
void rfi_frame_put_answer(struct rfi_buf *out, uint64_t request_id, rf_err err, uint8_t kind,
                          const void *body, size_t size);
void rfi_frame_put_heartbeat(struct rfi_buf *out, uint64_t number, uint64_t received);
void rfi_frame_put_skip(struct rfi_buf *out, uint64_t messages);
void rfi_frame_put_json(struct rfi_buf *out, const void *text, size_t size);
/* Begin a run with count 0; returns where its count is (relative to out->data), for set_count. */
size_t rfi_frame_begin_run(struct rfi_buf *out, uint32_t flow, uint8_t kind, uint8_t flags);
void rfi_frame_set_run_count(struct rfi_buf *out, size_t count_at, uint32_t count);
/* One message of a run; request_id is written when `flags` says so. `body` NULL: it follows outside of `out`. */
void rfi_frame_put_message(struct rfi_buf *out, uint8_t flags, uint64_t request_id,
                           const void *body, size_t size);
/* Bytes of the record at the front of `bytes`, all of it known to be well formed and no run. */
size_t rfi_frame_record_size(const uint8_t *bytes, size_t size);

/* ---- reading: the first failure sticks, later reads give 0 ---- */
struct rfi_frame_reader {
    const uint8_t *bytes;
    size_t size, at;
    const char *reason; /* NULL: all well */
};

void rfi_frame_reader_init(struct rfi_frame_reader *reader, const void *bytes, size_t size);
uint8_t rfi_frame_get_u8(struct rfi_frame_reader *reader);
uint16_t rfi_frame_get_u16(struct rfi_frame_reader *reader);
uint32_t rfi_frame_get_u32(struct rfi_frame_reader *reader);
uint64_t rfi_frame_get_u64(struct rfi_frame_reader *reader);
uint64_t rfi_frame_get_varint(struct rfi_frame_reader *reader);
/* A varint that must not be over `max`. */
uint32_t rfi_frame_get_varint_max(struct rfi_frame_reader *reader, uint32_t max);
/* `size` bytes; NULL on failure. */
const uint8_t *rfi_frame_get_bytes(struct rfi_frame_reader *reader, size_t size);
/* A text into `out` (terminated), which has room for `out_size` bytes with the end. */
void rfi_frame_get_text(struct rfi_frame_reader *reader, char *out, size_t out_size);
/* Enter the record whose type byte was just read: `out` reads its bytes, `reader` goes behind it. */
void rfi_frame_get_record(struct rfi_frame_reader *reader, struct rfi_frame_reader *out);

/* Does one body end a frame of `frame_size` bytes, of which `head` is the beginning? Then where it starts in
 * `head`. 0: no, or not known yet. Only for the form in which a large message is sent: few records, then a run of one
 * message. Believes nothing but the sizes. */
size_t rfi_frame_find_body(const uint8_t *head, size_t size, size_t frame_size);

/* ---- errors on the wire: numbers of their own, that never change ---- */
uint16_t rfi_frame_error_to_wire(rf_err err);
/* A number from a newer peer gives RF_EREFUSED. */
rf_err rfi_frame_error_from_wire(uint16_t number);

#endif
