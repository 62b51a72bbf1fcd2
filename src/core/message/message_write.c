/* SPDX-License-Identifier: MIT */
/* Messages to JSON: the tagged form of the Rust wire, byte for byte as serde_json writes it, and the
 * plain value.
 *
 * Pure code on a message and the caller's buffer. Bytes are written as decimal numbers from a table
 * of their 256 texts, four bytes at a time, in chunks so that the buffer is reserved seldom and grows
 * by its own rule.
 *
 * A payload that claims to be JSON and is not becomes null in the plain value, as in the Rust Reflow;
 * the tagged form carries it unchanged. */
#include "core/base/json_writer.h"
#include "core/message/message_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_CHUNK = 16384, LITERAL_DIGITS_MAX = 20 };

struct byte_text { /* "7,": the decimal text and a comma */
    char text[4];
    uint8_t size;
};

/* clang-format off */
#define BYTE_TEXT(n)                                                                               \
    {{(char)((n) >= 100 ? '0' + (n) / 100 : (n) >= 10 ? '0' + (n) / 10 : '0' + (n)),               \
      (char)((n) >= 100 ? '0' + (n) / 10 % 10 : (n) >= 10 ? '0' + (n) % 10 : ','),                 \
      (char)((n) >= 100 ? '0' + (n) % 10 : ','), ','},                                             \
     (n) >= 100 ? 4 : (n) >= 10 ? 3 : 2}
#define BYTE_TEXT_4(n)  BYTE_TEXT(n), BYTE_TEXT((n) + 1), BYTE_TEXT((n) + 2), BYTE_TEXT((n) + 3)
#define BYTE_TEXT_16(n) BYTE_TEXT_4(n), BYTE_TEXT_4((n) + 4), BYTE_TEXT_4((n) + 8), BYTE_TEXT_4((n) + 12)
#define BYTE_TEXT_64(n) BYTE_TEXT_16(n), BYTE_TEXT_16((n) + 16), BYTE_TEXT_16((n) + 32), BYTE_TEXT_16((n) + 48)
static const struct byte_text byte_texts[256] = {BYTE_TEXT_64(0), BYTE_TEXT_64(64),
                                                 BYTE_TEXT_64(128), BYTE_TEXT_64(192)};
/* clang-format on */

#define APPEND_LITERAL(buf, text) rfi_buf_append((buf), (text), sizeof(text) - 1)

static void write_bytes(const void *data, size_t size, struct rfi_buf *out);
static void write_encodable(rf_span json, struct rfi_buf *out);
static void write_integer(int64_t value, struct rfi_buf *out);
static void write_unsigned(uint64_t value, struct rfi_buf *out);
static void write_array(const rf_message *msg, bool is_tagged, struct rfi_buf *out);
static void write_stream_handle(const rf_message *msg, struct rfi_buf *out);
static void write_reference(const rf_message *msg, struct rfi_buf *out);
static void write_notice(const rf_message *msg, bool is_tagged, struct rfi_buf *out);

/* The `data` member; the kind is not Flow. */
static rf_err write_data(const rf_message *msg, struct rfi_buf *out)
{
    rf_span data = rf_message_data(msg);
    switch (rf_message_kind(msg)) {
    case RF_KIND_BOOLEAN:
        rfi_buf_append_text(out, rf_message_as_boolean(msg) ? "true" : "false");
        break;
    case RF_KIND_INTEGER:
        write_integer(rf_message_as_integer(msg), out);
        break;
    case RF_KIND_FLOAT:
        if (!isfinite(rf_message_as_float(msg)))
            return RF_EINVAL;
        rfi_json_write_double(out, rf_message_as_float(msg));
        break;
    case RF_KIND_STRING:
    case RF_KIND_ERROR:
        rfi_json_write_string(out, data.data, data.size);
        break;
    case RF_KIND_BYTES:
    case RF_KIND_ENCODED:
        write_bytes(data.data, data.size, out);
        break;
    case RF_KIND_EVENT:
    case RF_KIND_OBJECT:
    case RF_KIND_ANY:
    case RF_KIND_OPTIONAL:
        write_encodable(data, out);
        break;
    case RF_KIND_ARRAY:
        write_array(msg, true, out);
        break;
    case RF_KIND_STREAM_HANDLE:
        write_stream_handle(msg, out);
        break;
    case RF_KIND_REMOTE_REFERENCE:
        write_reference(msg, out);
        break;
    case RF_KIND_NETWORK_EVENT:
        write_notice(msg, true, out);
        break;
    case RF_KIND_FLOW:
    case RF_KIND_COUNT:
        break;
    }
    return RF_OK;
}

#define HEAD(name)                                                                                 \
    {                                                                                              \
        "{\"type\":\"" name "\",\"data\":", sizeof("{\"type\":\"" name "\",\"data\":") - 1         \
    }
static const struct
{ /* what stands before the value; not of Flow, which has none, and Bytes, which has two names */
    const char *text;
    size_t size;
} heads[RF_KIND_COUNT] = {
    [RF_KIND_EVENT] = HEAD("Event"),
    [RF_KIND_BOOLEAN] = HEAD("Boolean"),
    [RF_KIND_INTEGER] = HEAD("Integer"),
    [RF_KIND_FLOAT] = HEAD("Float"),
    [RF_KIND_STRING] = HEAD("String"),
    [RF_KIND_OBJECT] = HEAD("Object"),
    [RF_KIND_ARRAY] = HEAD("Array"),
    [RF_KIND_STREAM_HANDLE] = HEAD("StreamHandle"),
    [RF_KIND_ENCODED] = HEAD("Encoded"),
    [RF_KIND_OPTIONAL] = HEAD("Optional"),
    [RF_KIND_ANY] = HEAD("Any"),
    [RF_KIND_ERROR] = HEAD("Error"),
    [RF_KIND_REMOTE_REFERENCE] = HEAD("RemoteReference"),
    [RF_KIND_NETWORK_EVENT] = HEAD("NetworkEvent"),
};

rf_err rfi_message_write_tagged(const rf_message *msg, const char *bytes_name, struct rfi_buf *out)
{
    size_t before = out->size;
    rf_kind kind = rf_message_kind(msg);
    if (kind == RF_KIND_FLOW) {
        APPEND_LITERAL(out, "{\"type\":\"Flow\"}");
        return RF_OK;
    }
    if (kind == RF_KIND_BYTES) {
        APPEND_LITERAL(out, "{\"type\":\"");
        rfi_buf_append_text(out, bytes_name);
        APPEND_LITERAL(out, "\",\"data\":");
    } else {
        rfi_buf_append(out, heads[kind].text, heads[kind].size);
    }
    rf_err err = write_data(msg, out);
    if (err != RF_OK) {
        out->size = before; /* leave nothing half written behind */
        return err;
    }
    rfi_buf_append_byte(out, '}');
    return RF_OK;
}

rf_err rf_message_to_tagged(const rf_message *msg, char **out_json, size_t *out_size)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rf_err err = rfi_message_write_tagged(msg, "Bytes", &buf);
    if (err != RF_OK) {
        rfi_buf_fini(&buf);
        return err;
    }
    size_t size = 0;
    char *json = rfi_buf_take_text(&buf, &size);
    rfi_buf_fini(&buf);
    if (json == NULL)
        return RF_ENOMEM;
    *out_json = json;
    *out_size = size;
    return RF_OK;
}

/* ---- plain values ---- */

static void write_json_or_null(rf_span json, struct rfi_buf *out)
{
    if (rfi_message_is_json(json.data, json.size))
        rfi_buf_append(out, json.data, json.size);
    else
        APPEND_LITERAL(out, "null");
}

void rfi_message_write_value(const rf_message *msg, struct rfi_buf *out)
{
    switch (rf_message_kind(msg)) {
    case RF_KIND_FLOW:
        APPEND_LITERAL(out, "\"flow\"");
        break;
    case RF_KIND_FLOAT:
        if (isfinite(rf_message_as_float(msg)))
            rfi_json_write_double(out, rf_message_as_float(msg));
        else
            APPEND_LITERAL(out, "null");
        break;
    case RF_KIND_EVENT:
    case RF_KIND_OBJECT:
    case RF_KIND_ANY:
    case RF_KIND_OPTIONAL:
        write_json_or_null(rf_message_data(msg), out);
        break;
    case RF_KIND_ARRAY:
        write_array(msg, false, out);
        break;
    case RF_KIND_NETWORK_EVENT:
        write_notice(msg, false, out);
        break;
    case RF_KIND_BOOLEAN:
    case RF_KIND_INTEGER:
    case RF_KIND_STRING:
    case RF_KIND_ERROR:
    case RF_KIND_BYTES:
    case RF_KIND_ENCODED:
    case RF_KIND_STREAM_HANDLE:
    case RF_KIND_REMOTE_REFERENCE:
        (void)write_data(msg, out); /* fails for floats only */
        break;
    case RF_KIND_COUNT:
        break;
    }
}

rf_err rf_message_to_value(const rf_message *msg, char **out_json, size_t *out_size)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_message_write_value(msg, &buf);
    size_t size = 0;
    char *json = rfi_buf_take_text(&buf, &size);
    rfi_buf_fini(&buf);
    if (json == NULL)
        return RF_ENOMEM;
    *out_json = json;
    *out_size = size;
    return RF_OK;
}

/* ---- pieces ---- */

/* [1,2,255] */
static void write_bytes(const void *data, size_t size, struct rfi_buf *out)
{
    rfi_buf_append_byte(out, '[');
    const uint8_t *from = data;
    for (size_t left = size; left > 0;) {
        size_t chunk = left < BYTES_CHUNK ? left : BYTES_CHUNK;
        uint8_t *start = rfi_buf_reserve(out, chunk * 4);
        if (start == NULL)
            return;
        uint8_t *to = start;
        for (size_t i = 0; i < chunk; i++) {
            const struct byte_text *text = &byte_texts[from[i]];
            memcpy(to, text->text, 4);
            to += text->size;
        }
        out->size += (size_t)(to - start);
        from += chunk;
        left -= chunk;
    }
    if (size > 0 && !out->is_failed)
        out->size--; /* the last comma */
    rfi_buf_append_byte(out, ']');
}

/* {"data":[…]}, or null for none */
static void write_encodable(rf_span json, struct rfi_buf *out)
{
    if (json.data == NULL) {
        APPEND_LITERAL(out, "null");
        return;
    }
    APPEND_LITERAL(out, "{\"data\":");
    write_bytes(json.data, json.size, out);
    rfi_buf_append_byte(out, '}');
}

static void write_unsigned(uint64_t value, struct rfi_buf *out)
{
    char digits[LITERAL_DIGITS_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    rfi_buf_append(out, digits + at, sizeof digits - at);
}

static void write_integer(int64_t value, struct rfi_buf *out)
{
    if (value < 0)
        rfi_buf_append_byte(out, '-');
    write_unsigned(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, out);
}

static void write_array(const rf_message *msg, bool is_tagged, struct rfi_buf *out)
{
    const uint8_t *at = msg->body;
    const uint8_t *end = at + msg->size;
    rf_span item;
    rfi_buf_append_byte(out, '[');
    for (size_t i = 0; rfi_message_get_part(&at, end, &item); i++) {
        if (i > 0)
            rfi_buf_append_byte(out, ',');
        if (is_tagged)
            write_encodable(item, out);
        else
            write_json_or_null(item, out);
    }
    rfi_buf_append_byte(out, ']');
}

static void write_stream_handle(const rf_message *msg, struct rfi_buf *out)
{
    rf_stream_handle parts;
    if (rf_message_as_stream_handle(msg, &parts) != RF_OK)
        return;
    APPEND_LITERAL(out, "{\"stream_id\":");
    write_unsigned(parts.stream_id, out);
    APPEND_LITERAL(out, ",\"origin_actor\":");
    rfi_json_write_string(out, parts.origin_actor.data, parts.origin_actor.size);
    APPEND_LITERAL(out, ",\"origin_port\":");
    rfi_json_write_string(out, parts.origin_port.data, parts.origin_port.size);
    APPEND_LITERAL(out, ",\"content_type\":");
    if (parts.content_type.data != NULL)
        rfi_json_write_string(out, parts.content_type.data, parts.content_type.size);
    else
        APPEND_LITERAL(out, "null");
    APPEND_LITERAL(out, ",\"size_hint\":");
    if (parts.has_size_hint)
        write_unsigned(parts.size_hint, out);
    else
        APPEND_LITERAL(out, "null");
    rfi_buf_append_byte(out, '}');
}

static void write_reference(const rf_message *msg, struct rfi_buf *out)
{
    rf_remote_reference parts;
    if (rf_message_as_remote_reference(msg, &parts) != RF_OK)
        return;
    APPEND_LITERAL(out, "{\"network_id\":");
    rfi_json_write_string(out, parts.network_id.data, parts.network_id.size);
    APPEND_LITERAL(out, ",\"actor_id\":");
    rfi_json_write_string(out, parts.actor_id.data, parts.actor_id.size);
    APPEND_LITERAL(out, ",\"port\":");
    rfi_json_write_string(out, parts.port.data, parts.port.size);
    rfi_buf_append_byte(out, '}');
}

static void write_notice(const rf_message *msg, bool is_tagged, struct rfi_buf *out)
{
    rf_network_notice parts;
    if (rf_message_as_network_event(msg, &parts) != RF_OK)
        return;
    APPEND_LITERAL(out, "{\"event_type\":");
    rfi_json_write_string(out, parts.event_type.data, parts.event_type.size);
    APPEND_LITERAL(out, ",\"data\":");
    if (is_tagged)
        write_encodable(parts.data, out);
    else
        write_json_or_null(parts.data, out);
    rfi_buf_append_byte(out, '}');
}
