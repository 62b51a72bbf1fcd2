/* SPDX-License-Identifier: MIT */
/* A growable byte buffer with one owner. Failure to grow is sticky: the writer appends without
 * checking each step and asks `is_failed` once at the end. */
#ifndef RFI_BUF_H
#define RFI_BUF_H

#include <reflow/error.h>
#include <stdarg.h>

struct rfi_buf {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
    bool is_failed;  /* memory ran out; nothing was appended since */
};

void rfi_buf_init(struct rfi_buf *buf);
void rfi_buf_fini(struct rfi_buf *buf);
void rfi_buf_clear(struct rfi_buf *buf); /* keeps the memory */
/* Make room for `size` more bytes and return where they go, or NULL; does not change buf->size. */
uint8_t *rfi_buf_reserve(struct rfi_buf *buf, size_t size);
void rfi_buf_append(struct rfi_buf *buf, const void *data, size_t size);
void rfi_buf_append_text(struct rfi_buf *buf, const char *text);
void rfi_buf_append_byte(struct rfi_buf *buf, uint8_t byte);
void rfi_buf_printf(struct rfi_buf *buf, const char *format, ...) RF_PRINTF(2, 3);
/* Little-endian integers, as the native wire has them. */
void rfi_buf_append_u16(struct rfi_buf *buf, uint16_t value);
void rfi_buf_append_u32(struct rfi_buf *buf, uint32_t value);
void rfi_buf_append_u64(struct rfi_buf *buf, uint64_t value);
/* Drop `size` bytes at the front (moves the rest down). */
void rfi_buf_consume(struct rfi_buf *buf, size_t size);
/* Terminate and give the memory away (free() it); NULL when memory ran out. The buffer is empty after. */
char *rfi_buf_take_text(struct rfi_buf *buf, size_t *out_size);

/* Is this UTF-8 (RFC 3629: no surrogates, no overlong forms)? */
bool rfi_utf8_is_valid(const void *data, size_t size);
/* Bytes of the longest prefix that is whole, valid UTF-8. */
size_t rfi_utf8_valid_prefix(const void *data, size_t size);
/* Bytes of the character at `at` (1 to 4), or 0 when none is whole and valid in the `left` bytes. */
size_t rfi_utf8_sequence(const uint8_t *at, size_t left);

/* Read a little-endian integer from unaligned memory. */
uint16_t rfi_load_u16(const uint8_t *at);
uint32_t rfi_load_u32(const uint8_t *at);
uint64_t rfi_load_u64(const uint8_t *at);

#endif
