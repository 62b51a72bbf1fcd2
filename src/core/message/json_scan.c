/* SPDX-License-Identifier: MIT */
/* The JSON cursor of the message path.
 *
 * It borrows the text and owns nothing. What it accepts is what serde_json accepts, quirks included:
 * `-0` is a float, a lone surrogate escape passes where the value is ignored and fails where it is
 * kept, numbers above the range of a double fail only where they are kept.
 *
 * Invariants: start <= at <= end; no byte at or behind `end` is read; depth lives in a bit stack of
 * fixed size, so nesting costs no C stack.
 *
 * It reports byte offsets only; lines and columns are worked out when a mistake is reported. */
#include "core/message/json_scan.h"

#include "core/base/diag.h"
#include "core/base/text_scan.h"
#include <string.h>

static bool scan_unicode(struct rfi_scan *scan);
static bool scan_escape(struct rfi_scan *scan, enum rfi_scan_mode mode, size_t *size);

void rfi_scan_init(struct rfi_scan *scan, const void *text, size_t size)
{
    *scan = (struct rfi_scan){.start = text, .at = text};
    scan->end = size > 0 ? scan->at + size : scan->at;
}

bool rfi_scan_fail(struct rfi_scan *scan, const char *error)
{
    if (scan->error == NULL) {
        scan->error = error;
        scan->error_at = scan->at;
    }
    return false;
}

void rfi_scan_rewind(struct rfi_scan *scan, const char *at)
{
    scan->at = at;
    scan->error = NULL;
    scan->error_at = NULL;
}

char rfi_scan_peek(struct rfi_scan *scan)
{
    const char *at = scan->at;
    while (at < scan->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    scan->at = at;
    return at < scan->end ? *at : '\0';
}

bool rfi_scan_is_done(struct rfi_scan *scan)
{
    (void)rfi_scan_peek(scan);
    return scan->at == scan->end;
}

/* Takes a string; out->size is that of the decoded text. */
static bool scan_text(struct rfi_scan *scan, enum rfi_scan_mode mode, struct rfi_scan_text *out)
{
    if (rfi_scan_peek(scan) != '"')
        return rfi_scan_fail(scan, "expected a string");
    scan->at++;
    const char *raw = scan->at;
    size_t saved = 0; /* bytes by which the decoded text is shorter */
    for (;;) {
        scan->at += rfi_text_plain(scan->at, (size_t)(scan->end - scan->at));
        if (scan->at == scan->end)
            return rfi_scan_fail(scan, "end of input inside a string");
        uint8_t byte = (uint8_t)*scan->at;
        if (byte == '"')
            break;
        if (byte == '\\') {
            const char *before = scan->at;
            size_t size = 0;
            if (!scan_escape(scan, mode, &size))
                return false;
            saved += (size_t)(scan->at - before) - size;
        } else if (byte < 0x20) {
            return rfi_scan_fail(scan, "control character inside a string");
        } else if (!scan_unicode(scan)) {
            return false;
        }
    }
    size_t raw_size = (size_t)(scan->at - raw);
    *out = (struct rfi_scan_text){.raw = raw, .raw_size = raw_size, .size = raw_size - saved};
    scan->at++;
    return true;
}

bool rfi_scan_string(struct rfi_scan *scan, struct rfi_scan_text *out)
{
    return scan_text(scan, RFI_SCAN_KEPT, out);
}

/* Takes one UTF-8 sequence of two to four bytes (RFC 3629). */
static bool scan_unicode(struct rfi_scan *scan)
{
    const uint8_t *at = (const uint8_t *)scan->at;
    size_t left = (size_t)(scan->end - scan->at);
    uint8_t lead = at[0];
    size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || left < size)
        return rfi_scan_fail(scan, "text is not UTF-8");
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return rfi_scan_fail(scan, "text is not UTF-8");
    }
    if ((lead == 0xE0 && at[1] < 0xA0) || (lead == 0xED && at[1] > 0x9F) ||
        (lead == 0xF0 && at[1] < 0x90) || (lead == 0xF4 && at[1] > 0x8F))
        return rfi_scan_fail(scan, "text is not UTF-8");
    scan->at += size;
    return true;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* The four digits of \uXXXX at `at`, or -1. */
static int32_t hex_quad(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t utf8_size(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* Takes \x or \uXXXX or a surrogate pair; adds the size of what it stands for. */
static bool scan_escape(struct rfi_scan *scan, enum rfi_scan_mode mode, size_t *size)
{
    if (scan->end - scan->at < 2)
        return rfi_scan_fail(scan, "end of input inside a string");
    char letter = scan->at[1];
    if (letter != 'u') {
        if (letter == '\0' || strchr("\"\\/bfnrt", letter) == NULL)
            return rfi_scan_fail(scan, "invalid escape");
        scan->at += 2;
        *size += 1;
        return true;
    }
    int32_t code = hex_quad(scan->at + 2, scan->end);
    if (code < 0)
        return rfi_scan_fail(scan, "invalid escape");
    if (mode == RFI_SCAN_KEPT && code >= 0xD800 && code <= 0xDFFF) {
        if (code >= 0xDC00 || scan->end - scan->at < 12 || scan->at[6] != '\\' ||
            scan->at[7] != 'u')
            return rfi_scan_fail(scan, "lone surrogate escape");
        int32_t low = hex_quad(scan->at + 8, scan->end);
        if (low < 0xDC00 || low > 0xDFFF)
            return rfi_scan_fail(scan, "lone surrogate escape");
        scan->at += 12;
        *size += 4;
        return true;
    }
    scan->at += 6;
    *size += utf8_size((uint32_t)code);
    return true;
}

bool rfi_scan_number(struct rfi_scan *scan, struct rfi_scan_number *out)
{
    (void)rfi_scan_peek(scan);
    const char *at = scan->at;
    const char *end = scan->end;
    bool is_negative = at < end && *at == '-';
    if (is_negative)
        at++;
    if (at == end || *at < '0' || *at > '9')
        return rfi_scan_fail(scan, "expected a number");
    uint64_t magnitude = 0;
    bool is_wide = false; /* does not fit uint64_t */
    if (*at == '0') {
        at++;
        if (at < end && *at >= '0' && *at <= '9')
            return rfi_scan_fail(scan, "number with a leading zero");
    }
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(magnitude, UINT64_C(10), &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)(*at - '0'), &magnitude))
            is_wide = true;
    }
    bool is_float = is_wide;
    if (at < end && *at == '.') {
        const char *digits = ++at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        if (at == digits)
            return rfi_scan_fail(scan, "number without digits after the point");
        is_float = true;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const char *digits = at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        if (at == digits)
            return rfi_scan_fail(scan, "number without digits in the exponent");
        is_float = true;
    }
    *out = (struct rfi_scan_number){
        .type = RFI_SCAN_FLOAT, .text = scan->at, .size = (size_t)(at - scan->at)};
    if (!is_float && !is_negative) {
        out->magnitude = magnitude;
        out->type = magnitude <= INT64_MAX ? RFI_SCAN_INTEGER : RFI_SCAN_UNSIGNED;
        out->integer = magnitude <= INT64_MAX ? (int64_t)magnitude : 0;
    } else if (!is_float && magnitude != 0 && magnitude <= (uint64_t)INT64_MAX + 1) {
        out->type = RFI_SCAN_INTEGER;
        out->integer = -(int64_t)(magnitude - 1) - 1;
    }
    scan->at = at;
    return true;
}

bool rfi_scan_word(struct rfi_scan *scan, const char *word)
{
    (void)rfi_scan_peek(scan);
    size_t size = strlen(word);
    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0)
        return rfi_scan_fail(scan, "expected a value");
    scan->at += size;
    return true;
}

bool rfi_scan_boolean(struct rfi_scan *scan, bool *out)
{
    char first = rfi_scan_peek(scan);
    if (first != 't' && first != 'f')
        return rfi_scan_fail(scan, "expected a boolean");
    if (!rfi_scan_word(scan, first == 't' ? "true" : "false"))
        return false;
    *out = first == 't';
    return true;
}

static bool skip_scalar(struct rfi_scan *scan, enum rfi_scan_mode mode)
{
    struct rfi_scan_text text;
    struct rfi_scan_number number;
    double value;
    switch (rfi_scan_peek(scan)) {
    case '"':
        return scan_text(scan, mode, &text);
    case 't':
        return rfi_scan_word(scan, "true");
    case 'f':
        return rfi_scan_word(scan, "false");
    case 'n':
        return rfi_scan_word(scan, "null");
    case '\0':
        return rfi_scan_fail(scan, scan->at == scan->end ? "end of input inside a value"
                                                         : "expected a value");
    default:
        if (!rfi_scan_number(scan, &number))
            return false;
        if (mode == RFI_SCAN_KEPT && !rfi_scan_to_double(&number, &value))
            return rfi_scan_fail(scan, "number out of range");
        return true;
    }
}

/* Takes a key and its colon. */
static bool skip_key(struct rfi_scan *scan, enum rfi_scan_mode mode)
{
    struct rfi_scan_text key;
    if (rfi_scan_peek(scan) != '"')
        return rfi_scan_fail(scan, "expected a key");
    if (!scan_text(scan, mode, &key))
        return false;
    if (rfi_scan_peek(scan) != ':')
        return rfi_scan_fail(scan, "expected a colon");
    scan->at++;
    return true;
}

bool rfi_scan_skip(struct rfi_scan *scan, enum rfi_scan_mode mode, size_t depth_max)
{
    uint64_t is_object[RFI_SCAN_DEPTH_MAX / 64] = {0};
    size_t depth = 0;
    if (depth_max == 0 || depth_max > RFI_SCAN_DEPTH_MAX)
        depth_max = RFI_SCAN_DEPTH_MAX;
    for (;;) {
        char first = rfi_scan_peek(scan);
        if (first == '{' || first == '[') {
            if (depth == depth_max)
                return rfi_scan_fail(scan, "nested too deep");
            uint64_t bit = UINT64_C(1) << (depth % 64);
            if (first == '{')
                is_object[depth / 64] |= bit;
            else
                is_object[depth / 64] &= ~bit;
            depth++;
            scan->at++;
            if (rfi_scan_peek(scan) != (first == '{' ? '}' : ']')) {
                if (first == '{' && !skip_key(scan, mode))
                    return false;
                continue;
            }
            scan->at++;
            depth--;
        } else if (!skip_scalar(scan, mode)) {
            return false;
        }
        /* a value has ended: close what ends with it, then go on behind a comma */
        for (;;) {
            if (depth == 0)
                return true;
            bool in_object = (is_object[(depth - 1) / 64] >> ((depth - 1) % 64) & 1) != 0;
            char next = rfi_scan_peek(scan);
            if (next == ',') {
                scan->at++;
                if (in_object && !skip_key(scan, mode))
                    return false;
                break;
            }
            if (next != (in_object ? '}' : ']'))
                return rfi_scan_fail(scan, "expected a comma or the closing bracket");
            scan->at++;
            depth--;
        }
    }
}

bool rfi_scan_open(struct rfi_scan *scan, char bracket)
{
    if (rfi_scan_peek(scan) != bracket)
        return rfi_scan_fail(scan, bracket == '{' ? "expected an object" : "expected an array");
    scan->at++;
    return true;
}

/* The comma before a member but the first, or the closing bracket. */
static bool next_member(struct rfi_scan *scan, size_t *count, char closing, bool *out_more)
{
    char next = rfi_scan_peek(scan);
    if (next == closing) {
        scan->at++;
        *out_more = false;
        return true;
    }
    if (*count > 0) {
        if (next != ',')
            return rfi_scan_fail(scan, "expected a comma or the closing bracket");
        scan->at++;
        if (rfi_scan_peek(scan) == closing)
            return rfi_scan_fail(scan, "comma before the closing bracket");
    }
    (*count)++;
    *out_more = true;
    return true;
}

bool rfi_scan_next_key(struct rfi_scan *scan, size_t *count, struct rfi_scan_text *out_key,
                       bool *out_more)
{
    if (!next_member(scan, count, '}', out_more))
        return false;
    if (!*out_more)
        return true;
    if (!rfi_scan_string(scan, out_key))
        return false;
    if (rfi_scan_peek(scan) != ':')
        return rfi_scan_fail(scan, "expected a colon");
    scan->at++;
    return true;
}

bool rfi_scan_next_item(struct rfi_scan *scan, size_t *count, bool *out_more)
{
    return next_member(scan, count, ']', out_more);
}

bool rfi_scan_need_item(struct rfi_scan *scan, size_t *count)
{
    bool is_more = false;
    if (!next_member(scan, count, ']', &is_more))
        return false;
    return is_more || rfi_scan_fail(scan, "array with too few elements");
}

bool rfi_scan_need_end(struct rfi_scan *scan, size_t *count)
{
    bool is_more = false;
    if (!next_member(scan, count, ']', &is_more))
        return false;
    return !is_more || rfi_scan_fail(scan, "array with too many elements");
}

bool rfi_scan_variant(struct rfi_scan *scan, struct rfi_scan_text *out)
{
    if (rfi_scan_peek(scan) != '{')
        return rfi_scan_string(scan, out);
    struct rfi_scan_text second;
    size_t count = 0;
    bool is_more = false;
    if (!rfi_scan_open(scan, '{') || !rfi_scan_next_key(scan, &count, out, &is_more))
        return false;
    if (!is_more)
        return rfi_scan_fail(scan, "expected a name");
    if (!rfi_scan_word(scan, "null") || !rfi_scan_next_key(scan, &count, &second, &is_more))
        return false;
    return !is_more || rfi_scan_fail(scan, "expected one name");
}

rf_err rfi_scan_report(const struct rfi_scan *scan, rf_diag *out_diag)
{
    if (scan->is_out_of_memory)
        return rfi_diag_set(out_diag, RF_ENOMEM, "out of memory");
    unsigned line = 1;
    const char *line_start = scan->start;
    const char *at = scan->error_at != NULL ? scan->error_at : scan->at;
    for (const char *i = scan->start; i < at; i++) {
        if (*i == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    size_t column = (size_t)(at - line_start) + 1;
    return rfi_diag_at(out_diag, RF_EFORMAT, NULL, line,
                       column < UINT32_MAX ? (unsigned)column : UINT32_MAX, "%s",
                       scan->error != NULL ? scan->error : "malformed JSON");
}
