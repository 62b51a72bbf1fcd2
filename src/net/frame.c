/* SPDX-License-Identifier: MIT */
/* The codec of native frames.
 *
 * Owns nothing: writers append to the caller's buffer, readers look into the caller's bytes. Pure code, any
 * thread. Every length that is read is compared with what is left before it is used, so a reader never
 * leaves its bytes; the first failure is kept with the place where it was found.
 *
 * What a record means, and in which state it is allowed, is the link's business (link_receive.c). */
#include "net/frame.h"

#include <assert.h>
#include <reflow/message.h>
#include <string.h>

enum { VARINT_MAX = 10, SMALL_RECORD_MAX = 64, BODY_HEAD_MAX = 1024 };

/* A varint at `at`; returns the place behind it. */
static uint8_t *write_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *write_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    return at + 2;
}

static uint8_t *write_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + 4;
}

static uint8_t *write_u64(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + 8;
}

static uint8_t *write_text(uint8_t *at, const char *text)
{
    at = write_varint(at, strlen(text));
    while (*text != '\0')
        *at++ = (uint8_t)*text++;
    return at;
}

/* Type, size and bytes of a record whose bytes are at hand. */
static void put_record(struct rfi_buf *out, enum rfi_record_type type, const uint8_t *bytes,
                       const uint8_t *end)
{
    size_t size = (size_t)(end - bytes);
    uint8_t *room = rfi_buf_reserve(out, 1 + VARINT_MAX + size);
    if (room == NULL)
        return;
    uint8_t *at = room;
    *at++ = (uint8_t)type;
    at = write_varint(at, size);
    memcpy(at, bytes, size);
    out->size += (size_t)(at - room) + size;
}

void rfi_frame_put_head(struct rfi_buf *out, uint32_t number, uint64_t seq, uint64_t ack)
{
    uint8_t *at = rfi_buf_reserve(out, RFI_FRAME_HEAD_SIZE);
    if (at == NULL)
        return;
    *at++ = RFI_FRAME_BATCH;
    at = write_u32(at, number);
    at = write_u64(at, seq);
    (void)write_u64(at, ack);
    out->size += RFI_FRAME_HEAD_SIZE;
}

void rfi_frame_put_settings(struct rfi_buf *out, uint32_t messages, uint32_t bytes, uint32_t flows)
{
    uint8_t body[SMALL_RECORD_MAX];
    uint8_t *at = write_varint(body, messages);
    at = write_varint(at, bytes);
    at = write_varint(at, flows);
    put_record(out, RFI_RECORD_SETTINGS, body, at);
}

void rfi_frame_put_open(struct rfi_buf *out, uint32_t flow, uint8_t kind, const char *source,
                        const char *actor, const char *port)
{
    uint8_t body[RFI_OPEN_RECORD_MAX];
    uint8_t *at = write_varint(body, flow);
    *at++ = kind;
    at = write_text(at, source);
    at = write_text(at, actor);
    at = write_text(at, port);
    put_record(out, RFI_RECORD_OPEN, body, at);
}

void rfi_frame_put_flow(struct rfi_buf *out, enum rfi_record_type type, uint32_t flow)
{
    uint8_t body[SMALL_RECORD_MAX];
    put_record(out, type, body, write_varint(body, flow));
}

void rfi_frame_put_credit(struct rfi_buf *out, uint32_t flow, uint64_t messages, uint64_t bytes)
{
    uint8_t body[SMALL_RECORD_MAX];
    uint8_t *at = write_varint(body, flow);
    at = write_varint(at, messages);
    at = write_varint(at, bytes);
    put_record(out, RFI_RECORD_CREDIT, body, at);
}

void rfi_frame_put_reject(struct rfi_buf *out, uint32_t flow, rf_err reason, uint64_t total)
{
    uint8_t body[SMALL_RECORD_MAX];
    uint8_t *at = write_varint(body, flow);
    at = write_u16(at, rfi_frame_error_to_wire(reason));
    at = write_varint(at, total);
    put_record(out, RFI_RECORD_REJECT, body, at);
}

void rfi_frame_put_subscribe(struct rfi_buf *out, bool is_wanted, const char *actor,
                             const char *port)
{
    uint8_t body[RFI_OPEN_RECORD_MAX];
    uint8_t *at = body;
    *at++ = is_wanted ? 1 : 0;
    at = write_text(at, actor);
    at = write_text(at, port);
    put_record(out, RFI_RECORD_SUBSCRIBE, body, at);
}

void rfi_frame_put_answer(struct rfi_buf *out, uint64_t request_id, rf_err err, uint8_t kind,
                          const void *body, size_t size)
{
    bool has_body = err == RF_OK;
    size_t record_size = 8 + 2 + (has_body ? 1 + size : 0);
    uint8_t *room = rfi_buf_reserve(out, 1 + VARINT_MAX + record_size);
    if (room == NULL)
        return;
    uint8_t *at = room;
    *at++ = RFI_RECORD_ANSWER;
    at = write_varint(at, record_size);
    at = write_u64(at, request_id);
    at = write_u16(at, rfi_frame_error_to_wire(err));
    if (has_body) {
        *at++ = kind;
        if (size > 0)
            memcpy(at, body, size);
        at += size;
    }
    out->size += (size_t)(at - room);
}

void rfi_frame_put_heartbeat(struct rfi_buf *out, uint64_t number, uint64_t received)
{
    uint8_t body[SMALL_RECORD_MAX];
    uint8_t *at = write_varint(body, number);
    at = write_varint(at, received);
    put_record(out, RFI_RECORD_HEARTBEAT, body, at);
}

void rfi_frame_put_skip(struct rfi_buf *out, uint64_t messages)
{
    uint8_t body[SMALL_RECORD_MAX];
    put_record(out, RFI_RECORD_SKIP, body, write_varint(body, messages));
}

void rfi_frame_put_json(struct rfi_buf *out, const void *text, size_t size)
{
    uint8_t *room = rfi_buf_reserve(out, 1 + VARINT_MAX + size);
    if (room == NULL)
        return;
    uint8_t *at = room;
    *at++ = RFI_RECORD_JSON;
    at = write_varint(at, size);
    if (size > 0)
        memcpy(at, text, size);
    out->size += (size_t)(at - room) + size;
}

size_t rfi_frame_begin_run(struct rfi_buf *out, uint32_t flow, uint8_t kind, uint8_t flags)
{
    uint8_t *room = rfi_buf_reserve(out, RFI_RUN_HEAD_MAX);
    if (room == NULL)
        return 0;
    uint8_t *at = room;
    *at++ = RFI_RECORD_RUN;
    at = write_varint(at, flow);
    *at++ = kind;
    *at++ = flags;
    size_t count_at = out->size + (size_t)(at - room);
    at = write_u16(at, 0);
    out->size += (size_t)(at - room);
    return count_at;
}

void rfi_frame_set_run_count(struct rfi_buf *out, size_t count_at, uint32_t count)
{
    if (!out->is_failed)
        (void)write_u16(out->data + count_at, (uint16_t)count);
}

void rfi_frame_put_message(struct rfi_buf *out, uint8_t flags, uint64_t request_id,
                           const void *body, size_t size)
{
    size_t here = body != NULL ? size : 0;
    uint8_t *room = rfi_buf_reserve(out, RFI_RUN_MESSAGE_HEAD_MAX + here);
    if (room == NULL)
        return;
    uint8_t *at = room;
    if ((flags & RFI_RUN_REQUESTS) != 0)
        at = write_u64(at, request_id);
    at = write_varint(at, size);
    if (here > 0)
        memcpy(at, body, here);
    out->size += (size_t)(at - room) + here;
}

size_t rfi_frame_record_size(const uint8_t *bytes, size_t size)
{
    struct rfi_frame_reader reader, record;
    rfi_frame_reader_init(&reader, bytes, size);
    (void)rfi_frame_get_u8(&reader);
    rfi_frame_get_record(&reader, &record);
    return reader.at;
}

/* ---- reading ---- */

void rfi_frame_reader_init(struct rfi_frame_reader *reader, const void *bytes, size_t size)
{
    *reader = (struct rfi_frame_reader){.bytes = bytes, .size = size};
}

static void fail(struct rfi_frame_reader *reader, const char *reason)
{
    if (reader->reason == NULL)
        reader->reason = reason;
}

const uint8_t *rfi_frame_get_bytes(struct rfi_frame_reader *reader, size_t size)
{
    if (reader->reason != NULL)
        return NULL;
    if (size > reader->size - reader->at) {
        fail(reader, "the frame ends too early");
        return NULL;
    }
    const uint8_t *at = reader->bytes + reader->at;
    reader->at += size;
    return at;
}

uint8_t rfi_frame_get_u8(struct rfi_frame_reader *reader)
{
    const uint8_t *at = rfi_frame_get_bytes(reader, 1);
    return at != NULL ? *at : 0;
}

uint16_t rfi_frame_get_u16(struct rfi_frame_reader *reader)
{
    const uint8_t *at = rfi_frame_get_bytes(reader, 2);
    return at != NULL ? rfi_load_u16(at) : 0;
}

uint32_t rfi_frame_get_u32(struct rfi_frame_reader *reader)
{
    const uint8_t *at = rfi_frame_get_bytes(reader, 4);
    return at != NULL ? rfi_load_u32(at) : 0;
}

uint64_t rfi_frame_get_u64(struct rfi_frame_reader *reader)
{
    const uint8_t *at = rfi_frame_get_bytes(reader, 8);
    return at != NULL ? rfi_load_u64(at) : 0;
}

uint64_t rfi_frame_get_varint(struct rfi_frame_reader *reader)
{
    if (reader->reason != NULL)
        return 0;
    uint64_t value = 0;
    size_t at = reader->at;
    for (unsigned shift = 0; at < reader->size; shift += 7) {
        uint8_t byte = reader->bytes[at++];
        if (shift == 63 && byte > 1) {
            fail(reader, "a number has more than 64 bits");
            return 0;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            reader->at = at;
            return value;
        }
    }
    fail(reader, "the frame ends too early");
    return 0;
}

uint32_t rfi_frame_get_varint_max(struct rfi_frame_reader *reader, uint32_t max)
{
    size_t at = reader->at;
    uint64_t value = rfi_frame_get_varint(reader);
    if (value > max) {
        reader->at = at;
        fail(reader, "a number is over its limit");
        return 0;
    }
    return (uint32_t)value;
}

void rfi_frame_get_text(struct rfi_frame_reader *reader, char *out, size_t out_size)
{
    out[0] = '\0';
    size_t at = reader->at;
    uint64_t size = rfi_frame_get_varint(reader);
    if (size >= out_size) {
        reader->at = at;
        fail(reader, "a name is too long");
        return;
    }
    const uint8_t *bytes = rfi_frame_get_bytes(reader, (size_t)size);
    if (bytes == NULL)
        return;
    if (memchr(bytes, 0, (size_t)size) != NULL) {
        fail(reader, "a name holds a NUL");
        return;
    }
    memcpy(out, bytes, (size_t)size);
    out[size] = '\0';
}

void rfi_frame_get_record(struct rfi_frame_reader *reader, struct rfi_frame_reader *out)
{
    rfi_frame_reader_init(out, reader->bytes, 0);
    uint64_t size = rfi_frame_get_varint(reader);
    if (reader->reason == NULL && size > reader->size - reader->at)
        fail(reader, "a record is longer than its frame");
    if (reader->reason != NULL) {
        fail(out, reader->reason);
        return;
    }
    /* The same origin, so that a failure inside the record is named by its offset in the frame. */
    out->at = reader->at;
    reader->at += (size_t)size;
    out->size = reader->at;
}

size_t rfi_frame_find_body(const uint8_t *head, size_t size, size_t frame_size)
{
    struct rfi_frame_reader reader, record;
    rfi_frame_reader_init(&reader, head, size < BODY_HEAD_MAX ? size : BODY_HEAD_MAX);
    if (rfi_frame_get_u8(&reader) != RFI_FRAME_BATCH)
        return 0;
    (void)rfi_frame_get_bytes(&reader, RFI_FRAME_HEAD_SIZE - 1);
    uint8_t type = rfi_frame_get_u8(&reader);
    while (type != RFI_RECORD_RUN && reader.reason == NULL) {
        rfi_frame_get_record(&reader, &record);
        type = rfi_frame_get_u8(&reader);
    }
    (void)rfi_frame_get_varint(&reader);
    uint8_t kind = rfi_frame_get_u8(&reader);
    uint8_t flags = rfi_frame_get_u8(&reader);
    uint16_t count = rfi_frame_get_u16(&reader);
    if ((flags & RFI_RUN_REQUESTS) != 0)
        (void)rfi_frame_get_u64(&reader);
    uint64_t body_size = rfi_frame_get_varint(&reader);
    /* An array has something behind its body in memory. */
    if (reader.reason != NULL || count != 1 || kind == RF_KIND_ARRAY ||
        body_size != frame_size - reader.at)
        return 0;
    return reader.at;
}

/* ---- errors ---- */

static const uint16_t wire_errors[] = {
    [RF_OK] = 0,
    [RF_ENOMEM] = 1,
    [RF_EINVAL] = 2,
    [RF_EFORMAT] = 3,
    [RF_ELIMIT] = 4,
    [RF_EFULL] = 5,
    [RF_EAGAIN] = 6,
    [RF_ECLOSED] = 7,
    [RF_ESTATE] = 8,
    [RF_EEXISTS] = 9,
    [RF_ENOACTOR] = 10,
    [RF_ENOPORT] = 11,
    [RF_ENOCOMPONENT] = 12,
    [RF_ENONETWORK] = 13,
    [RF_ENOTCONNECTED] = 14,
    [RF_ENOENT] = 15,
    [RF_ETIMEOUT] = 16,
    [RF_EAUTH] = 17,
    [RF_EREFUSED] = 18,
    [RF_EDUPLICATE] = 19,
    [RF_EPROTO] = 20,
    [RF_EUNSUPPORTED] = 21,
    [RF_ENOREPLY] = 22,
    [RF_EACTOR] = 23,
    [RF_ERESTARTED] = 24,
    [RF_ESYS] = 25,
};
static_assert(sizeof wire_errors / sizeof wire_errors[0] == RF_ERR_COUNT,
              "give a new error the next free number");

uint16_t rfi_frame_error_to_wire(rf_err err)
{
    return (unsigned)err < RF_ERR_COUNT ? wire_errors[err] : wire_errors[RF_EREFUSED];
}

rf_err rfi_frame_error_from_wire(uint16_t number)
{
    for (unsigned i = 0; i < RF_ERR_COUNT; i++)
        if (wire_errors[i] == number)
            return (rf_err)i;
    return RF_EREFUSED;
}
