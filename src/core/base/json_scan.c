/* SPDX-License-Identifier: MIT */
/* Strings, numbers and words of JSON (RFC 8259), and the check of a whole text. Nothing is allocated
 * and nothing recurses: the check keeps one bit for each open bracket, so that depth from a peer
 * costs neither stack nor heap. What is accepted here equals what json_doc.c accepts without flags,
 * duplicate keys apart, which only a tree can see. Any thread. */
#include "core/base/json_scan.h"

#include "core/base/buf.h"
#include "core/base/json_doc.h"
#include "core/base/text_scan.h"

#include <string.h>

enum { CHECK_DEPTH = 1024, CHECK_DEPTH_MAX = 8192 };

static struct rfi_json_scan fault(size_t at, const char *why)
{
    return (struct rfi_json_scan){.why = why, .at = at};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Four hex digits, or -1. */
static int32_t hex4(const char *text, size_t size, size_t at)
{
    if (at > size || size - at < 4)
        return -1;
    int32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = text[i];
        int32_t digit;
        if (is_digit(c))
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        else
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high_surrogate(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* An escape from its backslash; `at` of the answer is after it. */
static struct rfi_json_scan scan_escape(const char *text, size_t size, size_t at)
{
    if (size - at < 2)
        return fault(size, "the text ends inside a string");
    char c = text[at + 1];
    if (c != 'u') {
        if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
            return fault(at, "not an escape of JSON (write \\\\ for a backslash)");
        return (struct rfi_json_scan){.at = at + 2};
    }
    int32_t unit = hex4(text, size, at + 2);
    if (unit < 0)
        return fault(at, "\\u needs four hexadecimal digits");
    if (is_low_surrogate(unit))
        return fault(at, "a low surrogate without a high one before it");
    if (!is_high_surrogate(unit))
        return (struct rfi_json_scan){.at = at + 6};
    if (size - at < 12 || text[at + 6] != '\\' || text[at + 7] != 'u' ||
        !is_low_surrogate(hex4(text, size, at + 8)))
        return fault(at, "a high surrogate without a low one after it");
    return (struct rfi_json_scan){.at = at + 12};
}

struct rfi_json_scan rfi_json_scan_string(const char *text, size_t size, size_t at)
{
    bool has_escapes = false;
    at++;
    for (;;) {
        at += rfi_text_plain(text + at, size - at);
        if (at >= size)
            return fault(size, "the text ends inside a string");
        unsigned char c = (unsigned char)text[at];
        if (c == '"')
            return (struct rfi_json_scan){.at = at + 1, .has_escapes = has_escapes};
        if (c == '\\') {
            struct rfi_json_scan escape = scan_escape(text, size, at);
            if (escape.why != NULL)
                return escape;
            has_escapes = true;
            at = escape.at;
        } else if (c == '\n') {
            return fault(at, "a line ends inside a string (a quote is missing, or write \\n)");
        } else if (c < 0x20) {
            return fault(at, "a control byte in a string (write it as \\u00XX)");
        } else {
            size_t step = rfi_utf8_sequence((const uint8_t *)text + at, size - at);
            if (step == 0)
                return fault(at, "bytes that are not UTF-8");
            at += step;
        }
    }
}

static size_t skip_digits(const char *text, size_t size, size_t at)
{
    while (at < size && is_digit(text[at]))
        at++;
    return at;
}

struct rfi_json_scan rfi_json_scan_number(const char *text, size_t size, size_t at)
{
    struct rfi_json_scan scan = {0};
    if (text[at] == '-')
        at++;
    if (at >= size || !is_digit(text[at]))
        return fault(at, "a number needs a digit here");
    if (text[at] == '0' && at + 1 < size && is_digit(text[at + 1]))
        return fault(at, "a number may not begin with 0");
    at = skip_digits(text, size, at);
    if (at < size && text[at] == '.') {
        scan.has_fraction = true;
        at++;
        if (at >= size || !is_digit(text[at]))
            return fault(at, "a number needs a digit after its dot");
        at = skip_digits(text, size, at);
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        scan.has_fraction = true;
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-'))
            at++;
        if (at >= size || !is_digit(text[at]))
            return fault(at, "a number needs a digit in its exponent");
        at = skip_digits(text, size, at);
    }
    scan.at = at;
    return scan;
}

bool rfi_json_scan_word(const char *text, size_t size, size_t at, const char *word)
{
    size_t length = strlen(word);
    return size - at >= length && memcmp(text + at, word, length) == 0;
}

static size_t encode_utf8(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static char decode_short_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

size_t rfi_json_scan_decode(const char *text, size_t start, size_t end, char *out)
{
    size_t size = 0;
    size_t at = start;
    while (at < end) {
        if (text[at] != '\\') {
            out[size++] = text[at++];
        } else if (text[at + 1] != 'u') {
            out[size++] = decode_short_escape(text[at + 1]);
            at += 2;
        } else {
            uint32_t code = (uint32_t)hex4(text, end, at + 2);
            at += 6;
            if (is_high_surrogate((int32_t)code)) {
                uint32_t low = (uint32_t)hex4(text, end, at + 2);
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                at += 6;
            }
            size += encode_utf8(code, out + size);
        }
    }
    return size;
}

struct checker {
    const char *text;
    size_t size;
    size_t at;
    size_t depth, depth_max;
    uint8_t is_object[CHECK_DEPTH_MAX / 8]; /* one bit for each open bracket */
};

static void skip_blanks(struct checker *in)
{
    while (in->at < in->size) {
        char c = in->text[in->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        in->at++;
    }
}

static char peek(const struct checker *in)
{
    return in->at < in->size ? in->text[in->at] : '\0';
}

static bool take_scan(struct checker *in, struct rfi_json_scan scan)
{
    in->at = scan.at;
    return scan.why == NULL;
}

static bool take_word(struct checker *in, const char *word)
{
    if (!rfi_json_scan_word(in->text, in->size, in->at, word))
        return false;
    in->at += strlen(word);
    return true;
}

static bool open_bracket(struct checker *in, bool is_object)
{
    if (in->depth >= in->depth_max)
        return false;
    uint8_t bit = (uint8_t)(1U << (in->depth % 8));
    uint8_t *byte = &in->is_object[in->depth / 8];
    *byte = (uint8_t)(is_object ? *byte | bit : *byte & (uint8_t)~bit);
    in->depth++;
    in->at++;
    return true;
}

static bool is_in_object(const struct checker *in)
{
    size_t top = in->depth - 1;
    return (in->is_object[top / 8] >> (top % 8) & 1) != 0;
}

static bool take_key(struct checker *in)
{
    skip_blanks(in);
    if (peek(in) != '"' || !take_scan(in, rfi_json_scan_string(in->text, in->size, in->at)))
        return false;
    skip_blanks(in);
    if (peek(in) != ':')
        return false;
    in->at++;
    return true;
}

/* What follows a value: closing brackets, then a comma (and a key), or the end of the text at depth
 * 0. Leaves the place of the next value. */
static bool take_end_of_value(struct checker *in)
{
    while (in->depth > 0) {
        skip_blanks(in);
        char c = peek(in);
        bool is_object = is_in_object(in);
        if (c == ',') {
            in->at++;
            return !is_object || take_key(in);
        }
        if (c != (is_object ? '}' : ']'))
            return false;
        in->at++;
        in->depth--;
    }
    return true;
}

/* One scalar, or the opening of a container. `out_is_open`: a value must follow inside it. */
static bool take_value(struct checker *in, bool *out_is_open)
{
    *out_is_open = false;
    skip_blanks(in);
    char c = peek(in);
    switch (c) {
    case '"':
        return take_scan(in, rfi_json_scan_string(in->text, in->size, in->at));
    case '{':
    case '[':
        if (!open_bracket(in, c == '{'))
            return false;
        skip_blanks(in);
        if (peek(in) == (c == '{' ? '}' : ']')) {
            in->at++;
            in->depth--;
            return true;
        }
        *out_is_open = true;
        return c == '[' || take_key(in);
    case 't':
        return take_word(in, "true");
    case 'f':
        return take_word(in, "false");
    case 'n':
        return take_word(in, "null");
    default:
        if (c != '-' && !is_digit(c))
            return false;
        return take_scan(in, rfi_json_scan_number(in->text, in->size, in->at));
    }
}

rf_err rfi_json_check(const char *text, size_t size, size_t depth_max, size_t *out_offset)
{
    struct checker in = {.text = text, .size = size};
    in.depth_max = depth_max == 0 ? CHECK_DEPTH : depth_max;
    if (in.depth_max > CHECK_DEPTH_MAX)
        in.depth_max = CHECK_DEPTH_MAX;
    do {
        bool is_open;
        bool is_good = take_value(&in, &is_open);
        if (is_good && !is_open)
            is_good = take_end_of_value(&in);
        if (!is_good)
            goto mistake;
    } while (in.depth > 0);
    skip_blanks(&in);
    if (in.at == in.size)
        return RF_OK;
mistake:
    if (out_offset != NULL)
        *out_offset = in.at;
    return RF_EFORMAT;
}
