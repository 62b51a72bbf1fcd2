/* SPDX-License-Identifier: MIT */
/* Writing JSON straight into a buffer. The writer keeps, for each open container, whether an item
 * was written, and puts the commas. A container deeper than RFI_JSON_WRITER_DEPTH marks the buffer
 * as failed instead of writing a broken text. Numbers come out in the form of serde_json, whatever
 * the locale. The writer owns nothing; it lives on the stack of whoever owns the buffer. */
#include "core/base/json_writer.h"

#include "core/base/text_scan.h"

#include <string.h>

void rfi_jsonw_init(struct rfi_json_writer *w, struct rfi_buf *buf)
{
    *w = (struct rfi_json_writer){.buf = buf};
}

static void begin_item(struct rfi_json_writer *w)
{
    if (w->is_after_key) {
        w->is_after_key = false;
        return;
    }
    if (w->depth == 0 || w->depth > RFI_JSON_WRITER_DEPTH)
        return;
    bool *has_item = &w->has_item[w->depth - 1];
    if (*has_item)
        rfi_buf_append_byte(w->buf, ',');
    *has_item = true;
}

static void begin_container(struct rfi_json_writer *w, char bracket)
{
    begin_item(w);
    if (w->depth >= RFI_JSON_WRITER_DEPTH)
        w->buf->is_failed = true;
    else
        w->has_item[w->depth] = false;
    w->depth++;
    rfi_buf_append_byte(w->buf, (uint8_t)bracket);
}

static void end_container(struct rfi_json_writer *w, char bracket)
{
    if (w->depth == 0 || w->is_after_key) {
        w->buf->is_failed = true; /* no container to close, or a key without its value */
        return;
    }
    w->depth--;
    rfi_buf_append_byte(w->buf, (uint8_t)bracket);
}

void rfi_jsonw_begin_object(struct rfi_json_writer *w)
{
    begin_container(w, '{');
}

void rfi_jsonw_end_object(struct rfi_json_writer *w)
{
    end_container(w, '}');
}

void rfi_jsonw_begin_array(struct rfi_json_writer *w)
{
    begin_container(w, '[');
}

void rfi_jsonw_end_array(struct rfi_json_writer *w)
{
    end_container(w, ']');
}

void rfi_jsonw_key(struct rfi_json_writer *w, const char *key)
{
    rfi_jsonw_key_bytes(w, key, strlen(key));
}

void rfi_jsonw_key_bytes(struct rfi_json_writer *w, const void *key, size_t size)
{
    begin_item(w);
    rfi_json_write_string(w->buf, key, size);
    rfi_buf_append_byte(w->buf, ':');
    w->is_after_key = true;
}

void rfi_jsonw_string(struct rfi_json_writer *w, const char *text)
{
    if (text == NULL)
        rfi_jsonw_null(w);
    else
        rfi_jsonw_string_bytes(w, text, strlen(text));
}

void rfi_jsonw_string_bytes(struct rfi_json_writer *w, const void *text, size_t size)
{
    begin_item(w);
    rfi_json_write_string(w->buf, text, size);
}

static void write_unsigned(struct rfi_buf *buf, uint64_t value, bool is_negative)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (is_negative)
        digits[--at] = '-';
    rfi_buf_append(buf, digits + at, sizeof digits - at);
}

void rfi_jsonw_int(struct rfi_json_writer *w, int64_t value)
{
    begin_item(w);
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    write_unsigned(w->buf, magnitude, value < 0);
}

void rfi_jsonw_uint(struct rfi_json_writer *w, uint64_t value)
{
    begin_item(w);
    write_unsigned(w->buf, value, false);
}

void rfi_jsonw_double(struct rfi_json_writer *w, double value)
{
    begin_item(w);
    rfi_json_write_double(w->buf, value);
}

void rfi_jsonw_bool(struct rfi_json_writer *w, bool value)
{
    begin_item(w);
    rfi_buf_append_text(w->buf, value ? "true" : "false");
}

void rfi_jsonw_null(struct rfi_json_writer *w)
{
    begin_item(w);
    rfi_buf_append_text(w->buf, "null");
}

void rfi_jsonw_raw(struct rfi_json_writer *w, const void *json, size_t size)
{
    begin_item(w);
    rfi_buf_append(w->buf, json, size);
}

void rfi_jsonw_kv_string(struct rfi_json_writer *w, const char *key, const char *text)
{
    rfi_jsonw_key(w, key);
    rfi_jsonw_string(w, text);
}

void rfi_jsonw_kv_int(struct rfi_json_writer *w, const char *key, int64_t value)
{
    rfi_jsonw_key(w, key);
    rfi_jsonw_int(w, value);
}

void rfi_jsonw_kv_uint(struct rfi_json_writer *w, const char *key, uint64_t value)
{
    rfi_jsonw_key(w, key);
    rfi_jsonw_uint(w, value);
}

void rfi_jsonw_kv_double(struct rfi_json_writer *w, const char *key, double value)
{
    rfi_jsonw_key(w, key);
    rfi_jsonw_double(w, value);
}

void rfi_jsonw_kv_bool(struct rfi_json_writer *w, const char *key, bool value)
{
    rfi_jsonw_key(w, key);
    rfi_jsonw_bool(w, value);
}

static void write_escape(struct rfi_buf *buf, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 0, '0', '0', 0, 0};
    switch (byte) {
    case '\b':
        text[1] = 'b';
        break;
    case '\f':
        text[1] = 'f';
        break;
    case '\n':
        text[1] = 'n';
        break;
    case '\r':
        text[1] = 'r';
        break;
    case '\t':
        text[1] = 't';
        break;
    case '"':
    case '\\':
        text[1] = (char)byte;
        break;
    default:
        text[1] = 'u';
        text[4] = hex[byte >> 4];
        text[5] = hex[byte & 15];
        rfi_buf_append(buf, text, 6);
        return;
    }
    rfi_buf_append(buf, text, 2);
}

/* `to` has room for `size` bytes. Returns how many of `from` could be copied as they are: up to a control byte, a quote, a
 * backslash or what is no UTF-8. */
static size_t copy_plain(uint8_t *to, const uint8_t *from, size_t size)
{
    size_t at = 0;
    for (;;) {
        at += rfi_text_copy_plain(to + at, from + at, size - at);
        if (at == size || from[at] < 0x80)
            return at;
        size_t step = rfi_utf8_sequence(from + at, size - at);
        if (step == 0)
            return at;
        memcpy(to + at, from + at, step);
        at += step;
    }
}

void rfi_json_write_string(struct rfi_buf *buf, const void *text, size_t size)
{
    const uint8_t *bytes = text;
    size_t at = 0;
    (void)rfi_buf_reserve(buf, size < SIZE_MAX - 2 ? size + 2 : size);
    rfi_buf_append_byte(buf, '"');
    for (;;) {
        uint8_t *to = rfi_buf_reserve(buf, size - at);
        if (to == NULL)
            return;
        size_t plain = size > at ? copy_plain(to, bytes + at, size - at) : 0;
        buf->size += plain;
        at += plain;
        if (at == size)
            break;
        if (bytes[at] < 0x80)
            write_escape(buf, bytes[at]);
        else
            rfi_buf_append_text(buf, "\xef\xbf\xbd"); /* U+FFFD */
        at++;
    }
    rfi_buf_append_byte(buf, '"');
}
