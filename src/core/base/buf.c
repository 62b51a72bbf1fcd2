/* SPDX-License-Identifier: MIT */
/* A growable byte buffer and the UTF-8 checks that go with it. The owner alone touches a buffer.
 * Invariants: size <= capacity; once is_failed is set nothing is appended until init or clear, so a
 * writer may check once at its end and never sends half of a text. Growth doubles, so appending is
 * linear over all. It does not limit sizes: whoever appends what a peer sent compares first. */
#include "core/base/buf.h"

#include "core/base/blocks.h"
#include "core/base/text_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 64 };

void rfi_buf_init(struct rfi_buf *buf)
{
    *buf = (struct rfi_buf){0};
}

void rfi_buf_fini(struct rfi_buf *buf)
{
    rfi_block_put(buf->data);
    rfi_buf_init(buf);
}

void rfi_buf_clear(struct rfi_buf *buf)
{
    buf->size = 0;
    buf->is_failed = false;
}

/* NULL: no memory, and nothing has changed. */
static uint8_t *grow(const struct rfi_buf *buf, size_t capacity)
{
    if (capacity < RFI_BLOCK_MIN || capacity > RFI_BLOCK_MAX)
        return realloc(buf->data, capacity);
    uint8_t *bigger = rfi_block_take(capacity);
    if (bigger == NULL)
        return NULL;
    if (buf->data != NULL)
        memcpy(bigger, buf->data, buf->size);
    rfi_block_put(buf->data);
    return bigger;
}

uint8_t *rfi_buf_reserve(struct rfi_buf *buf, size_t size)
{
    if (buf->is_failed)
        return NULL;
    size_t wanted;
    if (__builtin_add_overflow(buf->size, size, &wanted))
        goto failed;
    if (wanted <= buf->capacity && buf->data != NULL)
        return buf->data + buf->size;
    size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
    while (capacity < wanted) {
        if (__builtin_mul_overflow(capacity, (size_t)2, &capacity)) {
            capacity = wanted;
            break;
        }
    }
    uint8_t *data = grow(buf, capacity);
    if (data == NULL)
        goto failed;
    buf->data = data;
    buf->capacity = capacity;
    return data + buf->size;
failed:
    buf->is_failed = true;
    return NULL;
}

void rfi_buf_append(struct rfi_buf *buf, const void *data, size_t size)
{
    if (size == 0)
        return;
    uint8_t *to = rfi_buf_reserve(buf, size);
    if (to == NULL)
        return;
    memcpy(to, data, size);
    buf->size += size;
}

void rfi_buf_append_text(struct rfi_buf *buf, const char *text)
{
    rfi_buf_append(buf, text, strlen(text));
}

void rfi_buf_append_byte(struct rfi_buf *buf, uint8_t byte)
{
    rfi_buf_append(buf, &byte, 1);
}

void rfi_buf_printf(struct rfi_buf *buf, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (length < 0) {
        buf->is_failed = true;
    } else if ((size_t)length < sizeof small) {
        rfi_buf_append(buf, small, (size_t)length);
    } else {
        uint8_t *to = rfi_buf_reserve(buf, (size_t)length + 1);
        if (to != NULL) {
            (void)vsnprintf((char *)to, (size_t)length + 1, format, again);
            buf->size += (size_t)length;
        }
    }
    va_end(again);
}

void rfi_buf_append_u16(struct rfi_buf *buf, uint16_t value)
{
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    rfi_buf_append(buf, bytes, sizeof bytes);
}

void rfi_buf_append_u32(struct rfi_buf *buf, uint32_t value)
{
    uint8_t bytes[4];
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    rfi_buf_append(buf, bytes, sizeof bytes);
}

void rfi_buf_append_u64(struct rfi_buf *buf, uint64_t value)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    rfi_buf_append(buf, bytes, sizeof bytes);
}

void rfi_buf_consume(struct rfi_buf *buf, size_t size)
{
    if (size >= buf->size) {
        buf->size = 0;
        return;
    }
    if (size == 0)
        return;
    memmove(buf->data, buf->data + size, buf->size - size);
    buf->size -= size;
}

char *rfi_buf_take_text(struct rfi_buf *buf, size_t *out_size)
{
    size_t size = buf->size;
    rfi_buf_append_byte(buf, 0);
    if (buf->is_failed) {
        rfi_buf_fini(buf);
        return NULL;
    }
    char *text = (char *)buf->data;
    rfi_buf_init(buf);
    if (out_size != NULL)
        *out_size = size;
    return text;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Table 3-7 of the Unicode standard: the second byte alone rules out overlong forms, surrogates and
 * what lies beyond U+10FFFF. */
size_t rfi_utf8_sequence(const uint8_t *at, size_t left)
{
    if (left == 0)
        return 0;
    uint8_t lead = at[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    if (lead < 0xe0)
        return left >= 2 && is_continuation(at[1]) ? 2 : 0;
    uint8_t low = 0x80, high = 0xbf;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    size_t size = lead < 0xf0 ? 3 : 4;
    if (left < size || at[1] < low || at[1] > high || !is_continuation(at[2]))
        return 0;
    if (size == 4 && !is_continuation(at[3]))
        return 0;
    return size;
}

size_t rfi_utf8_valid_prefix(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t at = 0;
    while (at < size) {
        at += rfi_text_ascii(bytes + at, size - at); /* most text is */
        if (at == size)
            break;
        size_t step = rfi_utf8_sequence(bytes + at, size - at);
        if (step == 0)
            break;
        at += step;
    }
    return at;
}

bool rfi_utf8_is_valid(const void *data, size_t size)
{
    return rfi_utf8_valid_prefix(data, size) == size;
}

uint16_t rfi_load_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t rfi_load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint64_t rfi_load_u64(const uint8_t *at)
{
    return (uint64_t)rfi_load_u32(at) | (uint64_t)rfi_load_u32(at + 4) << 32;
}
