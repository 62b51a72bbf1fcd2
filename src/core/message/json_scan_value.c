/* SPDX-License-Identifier: MIT */
/* Taking values out of what the JSON cursor has validated: texts, doubles, arrays of decimal bytes,
 * and JSON without blanks.
 *
 * Byte arrays are the bulk of the Rust wire (every object pays about 3.6 characters for a byte), so
 * they have a digit loop of their own. Doubles go the exact short way (a mantissa below 2^53 and a
 * power of ten up to 22 give a correctly rounded product) and otherwise through strtod in the C
 * locale, whatever the locale of the program is. */
#include "core/message/json_scan.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale; /* set once under locale_once, then read by all; kept for ever */
static pthread_once_t locale_once = PTHREAD_ONCE_INIT;

static uint8_t *decode_escape(const char **at, uint8_t *out);
static bool parse_bytes(struct rfi_scan *scan, uint8_t *out, size_t count);

void rfi_scan_decode(const struct rfi_scan_text *text, void *out)
{
    if (text->size == text->raw_size) {
        if (text->size > 0)
            memcpy(out, text->raw, text->size);
        return;
    }
    const char *at = text->raw;
    const char *end = at + text->raw_size;
    uint8_t *to = out;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((slash != NULL ? slash : end) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (slash != NULL)
            to = decode_escape(&at, to);
    }
}

static uint32_t decode_quad(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = (uint8_t)at[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* `*at` stands on the backslash of a valid escape. */
static uint8_t *decode_escape(const char **at, uint8_t *out)
{
    static const char letters[] = "bfnrt";
    static const char values[] = "\b\f\n\r\t";
    char letter = (*at)[1];
    if (letter != 'u') {
        const char *found = strchr(letters, letter);
        *out++ = (uint8_t)(found != NULL ? values[found - letters] : letter);
        *at += 2;
        return out;
    }
    uint32_t code = decode_quad(*at + 2);
    *at += 6;
    if (code >= 0xD800 && code <= 0xDBFF) {
        code = 0x10000 + ((code - 0xD800) << 10) + (decode_quad(*at + 2) - 0xDC00);
        *at += 6;
    }
    if (code < 0x80) {
        *out++ = (uint8_t)code;
    } else if (code < 0x800) {
        *out++ = (uint8_t)(0xC0 | code >> 6);
        *out++ = (uint8_t)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *out++ = (uint8_t)(0xE0 | code >> 12);
        *out++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        *out++ = (uint8_t)(0x80 | (code & 0x3F));
    } else {
        *out++ = (uint8_t)(0xF0 | code >> 18);
        *out++ = (uint8_t)(0x80 | (code >> 12 & 0x3F));
        *out++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        *out++ = (uint8_t)(0x80 | (code & 0x3F));
    }
    return out;
}

bool rfi_scan_text_is(const struct rfi_scan_text *text, const char *word)
{
    size_t size = strlen(word);
    if (text->size != size)
        return false;
    if (text->raw_size == size)
        return memcmp(text->raw, word, size) == 0;
    char decoded[RFI_SCAN_KEY_SIZE];
    if (size > sizeof decoded)
        return false;
    rfi_scan_decode(text, decoded);
    return memcmp(decoded, word, size) == 0;
}

/* ---- doubles ---- */

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The exact short way; false when it does not apply. */
static bool short_double(const char *at, const char *end, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool is_negative = *at == '-';
    if (is_negative)
        at++;
    uint64_t mantissa = 0;
    int exponent = 0;
    bool is_fraction = false;
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            is_fraction = true;
            continue;
        }
        mantissa = mantissa * 10 + (uint64_t)(*at - '0');
        if (mantissa >= UINT64_C(1) << 53)
            return false;
        exponent -= is_fraction ? 1 : 0;
        if (exponent < -22)
            return false;
    }
    if (at < end) {
        at++;
        bool is_down = *at == '-';
        if (*at == '-' || *at == '+')
            at++;
        int written = 0;
        for (; at < end; at++) {
            written = written * 10 + (*at - '0');
            if (written > 100)
                return false;
        }
        exponent += is_down ? -written : written;
    }
    if (exponent < -22 || exponent > 22)
        return false;
    double value = (double)mantissa;
    value = exponent < 0 ? value / tens[-exponent] : value * tens[exponent];
    *out = is_negative ? -value : value;
    return true;
}

bool rfi_scan_to_double(const struct rfi_scan_number *number, double *out)
{
    if (number->type == RFI_SCAN_INTEGER) {
        *out = (double)number->integer;
        return true;
    }
    if (number->type == RFI_SCAN_UNSIGNED) {
        *out = (double)number->magnitude;
        return true;
    }
    if (short_double(number->text, number->text + number->size, out))
        return true;
    (void)pthread_once(&locale_once, make_locale);
    char small[128];
    char *copy = number->size < sizeof small ? small : malloc(number->size + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, number->text, number->size);
    copy[number->size] = '\0';
    double value = c_locale != (locale_t)0 ? strtod_l(copy, NULL, c_locale) : strtod(copy, NULL);
    if (copy != small)
        free(copy);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

/* ---- arrays of bytes ---- */

/* Commas in [at, end), eight bytes at a time: each word adds 0 or 1 to each of eight counters, which are
 * summed before one could run over. */
static size_t count_commas(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t lows = UINT64_C(0x7F7F7F7F7F7F7F7F);
    size_t count = 0;
    while (end - at >= 8) {
        uint64_t sums = 0;
        for (int i = 0; i < 31 && end - at >= 8; i++, at += 8) {
            uint64_t word;
            memcpy(&word, at, sizeof word);
            word ^= ones * ',';
            sums += (~(((word & lows) + lows) | word) >> 7) & ones;
        }
        count += (size_t)(sums * ones >> 56);
    }
    for (; at < end; at++)
        count += *at == ',';
    return count;
}

bool rfi_scan_count_bytes(struct rfi_scan *scan, size_t *out_count)
{
    if (rfi_scan_peek(scan) != '[')
        return rfi_scan_fail(scan, "expected an array of bytes");
    const char *first = scan->at + 1;
    const char *end = memchr(first, ']', (size_t)(scan->end - first));
    if (end == NULL)
        return rfi_scan_fail(scan, "end of input inside an array of bytes");
    const char *at = first;
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    size_t count = at < end ? 1 : 0;
    *out_count = count + count_commas(at, end);
    return true;
}

bool rfi_scan_bytes(struct rfi_scan *scan, uint8_t *out, size_t count)
{
    if (!rfi_scan_open(scan, '['))
        return false;
    if (count > 0)
        return parse_bytes(scan, out, count);
    if (rfi_scan_peek(scan) != ']')
        return rfi_scan_fail(scan, "expected the closing bracket");
    scan->at++;
    return true;
}

/* The bytes of a word that are no decimal digits, as a bit 7 in each; `digits` is the word ^ "00000000". */
static inline uint64_t other_bytes(uint64_t digits)
{
    return (((digits & UINT64_C(0x7F7F7F7F7F7F7F7F)) + UINT64_C(0x7676767676767676)) | digits) &
           UINT64_C(0x8080808080808080);
}

/* The value of the `bits` / 8 digits at the low end, at most three. */
static inline unsigned digits_value(uint64_t digits, unsigned bits)
{
    /* hundreds, tens and ones go to the bytes 0, 1 and 2 */
    unsigned three = (unsigned)(digits << 24 >> bits) & 0xFFFFFF;
    return (three & 0xFF) * 100 + (three >> 8 & 0xFF) * 10 + (three >> 16);
}

/* Two numbers and the commas behind them, from the eight bytes at `at`: "255,255," is the longest.
 * Returns the bytes taken, or 0 for anything unusual, which take_byte looks at. All is in one branch,
 * so that numbers of mixed lengths cost no mispredictions. */
static inline size_t take_two(const char *at, uint8_t *out)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    uint64_t others = other_bytes(digits);
    uint64_t second = others & (others - 1);
    if (second == 0)
        return 0;
    unsigned end_1 = (unsigned)__builtin_ctzll(others) - 7; /* bits before the first comma */
    unsigned end_2 = (unsigned)__builtin_ctzll(second) - 7;
    unsigned bits_2 = end_2 - end_1 - 8;
    uint64_t rest = digits >> (end_1 + 8);
    unsigned value_1 = digits_value(digits, end_1);
    unsigned value_2 = digits_value(rest, bits_2);
    bool is_unusual = (end_1 - 8 > 16) | (bits_2 - 8 > 16) | ((word >> end_1 & 0xFF) != ',') |
                      ((word >> end_2 & 0xFF) != ',') | (value_1 > 255) | (value_2 > 255) |
                      ((end_1 > 8) & ((digits & 0xFF) == 0)) |
                      ((bits_2 > 8) & ((rest & 0xFF) == 0));
    if (__builtin_expect(is_unusual, 0))
        return 0;
    out[0] = (uint8_t)value_1;
    out[1] = (uint8_t)value_2;
    return end_2 / 8 + 1;
}

/* One number and the `wanted` byte behind it, with blanks around them. The closing bracket is known to
 * stand before scan->end, so it ends every run of digits. */
static bool take_byte(struct rfi_scan *scan, char wanted, uint8_t *out)
{
    (void)rfi_scan_peek(scan);
    const char *at = scan->at;
    unsigned value = 0;
    size_t count = 0;
    for (; count < 3 && *at >= '0' && *at <= '9'; count++)
        value = value * 10 + (unsigned)(*at++ - '0');
    bool has_leading_zero = count > 1 && *scan->at == '0';
    if (count == 0 || has_leading_zero || value > 255)
        return rfi_scan_fail(scan, "expected a byte, 0 to 255");
    scan->at = at;
    if (rfi_scan_peek(scan) != wanted)
        return rfi_scan_fail(scan, "expected a byte, 0 to 255");
    scan->at++;
    *out = (uint8_t)value;
    return true;
}

static bool parse_bytes(struct rfi_scan *scan, uint8_t *out, size_t count)
{
    const uint8_t *last = out + count - 1;
    while (out < last) {
        bool has_two = last - out >= 2 && scan->end - scan->at >= 8;
        size_t taken = has_two ? take_two(scan->at, out) : 0;
        if (taken > 0) {
            scan->at += taken;
            out += 2;
        } else if (take_byte(scan, ',', out)) {
            out++;
        } else {
            return false;
        }
    }
    return take_byte(scan, ']', out);
}

/* ---- JSON without blanks ---- */

size_t rfi_scan_compact(const char *json, size_t size, char *out)
{
    const char *end = json + size;
    char *to = out;
    bool in_string = false;
    for (const char *at = json; at < end; at++) {
        if (in_string) {
            if (*at == '\\')
                *to++ = *at++;
            else if (*at == '"')
                in_string = false;
            *to++ = *at;
            continue;
        }
        if (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
            continue;
        in_string = *at == '"';
        *to++ = *at;
    }
    return (size_t)(to - out);
}
