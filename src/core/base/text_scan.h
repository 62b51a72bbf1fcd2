/* SPDX-License-Identifier: MIT */
/* How far a text is plain: 16 bytes at a time where the processor has SSE2, else 8. Reads nothing behind
 * `size`. Inline, since it stands in the innermost loops of everything that reads or writes JSON. */
#ifndef RFI_TEXT_SCAN_H
#define RFI_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* May the byte stand in a JSON string as it is, and is it ASCII? */
static inline bool rfi_text_is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

#ifdef __SSE2__

static inline __m128i rfi_text_load(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* A bit for each byte that is a quote, a backslash, a control character or not ASCII. */
static inline unsigned rfi_text_specials(__m128i bytes)
{
    /* signed: bytes over 127 are below 0x20 too */
    __m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(odd);
}

#else

/* Of eight bytes: may one of them be a quote, a backslash, a control character or not ASCII? The classic test for a zero
 * byte, which may report one too many, never one too few. */
static inline bool rfi_text_may_be_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ (ones * '"');
    uint64_t slash = word ^ (ones * '\\');
    uint64_t found = (word - ones * 0x20) | (quote - ones) | (slash - ones) | word;
    return (found & UINT64_C(0x8080808080808080)) != 0;
}

#endif

/* The bytes before the first one that is not plain. */
static inline size_t rfi_text_plain(const void *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t at = 0;
#ifdef __SSE2__
    for (; size - at >= 16; at += 16) {
        unsigned specials = rfi_text_specials(rfi_text_load(bytes + at));
        if (specials != 0)
            return at + (size_t)__builtin_ctz(specials);
    }
#else
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        if (rfi_text_may_be_special(word))
            break;
    }
#endif
    while (at < size && rfi_text_is_plain(bytes[at]))
        at++;
    return at;
}

/* The same, and copy them. `to` has room for `size` bytes; what is behind the plain ones is undefined. */
static inline size_t rfi_text_copy_plain(void *to, const void *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t *out = (uint8_t *)to;
    size_t at = 0;
#ifdef __SSE2__
    for (; size - at >= 16; at += 16) {
        __m128i part = rfi_text_load(bytes + at);
        unsigned specials = rfi_text_specials(part);
        _mm_storeu_si128((__m128i *)(void *)(out + at), part);
        if (specials != 0)
            return at + (size_t)__builtin_ctz(specials);
    }
#else
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        if (rfi_text_may_be_special(word))
            break;
        memcpy(out + at, &word, sizeof word);
    }
#endif
    for (; at < size && rfi_text_is_plain(bytes[at]); at++)
        out[at] = bytes[at];
    return at;
}

/* The bytes before the first one over 127. */
static inline size_t rfi_text_ascii(const void *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t at = 0;
#ifdef __SSE2__
    for (; size - at >= 64; at += 64) {
        __m128i left = _mm_or_si128(rfi_text_load(bytes + at), rfi_text_load(bytes + at + 16));
        __m128i right =
            _mm_or_si128(rfi_text_load(bytes + at + 32), rfi_text_load(bytes + at + 48));
        if (_mm_movemask_epi8(_mm_or_si128(left, right)) != 0)
            break;
    }
#endif
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (at < size && bytes[at] < 0x80)
        at++;
    return at;
}

#endif
