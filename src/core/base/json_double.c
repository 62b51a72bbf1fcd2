/* SPDX-License-Identifier: MIT */
/* A double as the shortest decimal that reads back as the same double, laid out as serde_json (ryu)
 * lays it out: 1.0, 0.1, 123456789.0, 1e16, 1e-7, 1.5e300. The digits come from snprintf with rising
 * precision until strtod agrees; the layout is made here, so the locale's decimal point never shows.
 * 15 digits always survive a double and back for normal numbers, hence the search starts there and
 * trailing zeros are cut. Nothing is kept; any thread. */
#include "core/base/json_writer.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 17, SCIENTIFIC_SIZE = 64 };

/* value = 0.d1d2d3... * 10^point */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int count;
    int point;
};

/* Reads `d.ddde+XX` with any radix character. */
static void split(const char *text, struct decimal *out)
{
    out->count = 0;
    const char *at = text;
    for (; *at != 'e' && *at != '\0'; at++)
        if (*at >= '0' && *at <= '9' && out->count < DIGITS_MAX)
            out->digits[out->count++] = *at;
    while (out->count > 1 && out->digits[out->count - 1] == '0')
        out->count--;
    out->point = *at == 'e' ? (int)strtol(at + 1, NULL, 10) + 1 : 1;
}

/* The text is one of ours; raise its last digit by one. False when that would carry over all. */
static bool raise_last_digit(char *text)
{
    char *at = strchr(text, 'e');
    while (at != NULL && at > text) {
        at--;
        if (*at == '9') {
            *at = '0';
        } else if (*at >= '0' && *at < '9') {
            (*at)++;
            return true;
        }
    }
    return false;
}

/* At a power of two the gap above is twice the gap below, so the nearest decimal of a length may lie
 * below and miss, while the next one above still reads back. */
static bool is_power_of_two(double value)
{
    int exponent;
    return frexp(value, &exponent) == 0.5; /* exact by definition */
}

static void find_shortest(double value, struct decimal *out)
{
    char text[SCIENTIFIC_SIZE];
    for (int digits = value < DBL_MIN ? 1 : 15; digits <= DIGITS_MAX; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            break;
        if (!is_power_of_two(value))
            continue;
        char above[SCIENTIFIC_SIZE];
        memcpy(above, text, sizeof above);
        if (raise_last_digit(above) && strtod(above, NULL) == value) {
            memcpy(text, above, sizeof text);
            break;
        }
    }
    split(text, out);
}

static void append_zeros(struct rfi_buf *buf, int count)
{
    for (int i = 0; i < count; i++)
        rfi_buf_append_byte(buf, '0');
}

void rfi_json_write_double(struct rfi_buf *buf, double value)
{
    if (!isfinite(value)) {
        rfi_buf_append_text(buf, "null");
        return;
    }
    if (signbit(value))
        rfi_buf_append_byte(buf, '-');
    value = fabs(value);
    if (value == 0) {
        rfi_buf_append_text(buf, "0.0");
        return;
    }
    struct decimal d;
    find_shortest(value, &d);
    size_t count = (size_t)d.count;
    if (d.point > 0 && d.point <= 16 && d.count <= d.point) { /* 1234.0, 1200000.0 */
        rfi_buf_append(buf, d.digits, count);
        append_zeros(buf, d.point - d.count);
        rfi_buf_append_text(buf, ".0");
    } else if (d.point > 0 && d.point <= 16) { /* 12.34 */
        rfi_buf_append(buf, d.digits, (size_t)d.point);
        rfi_buf_append_byte(buf, '.');
        rfi_buf_append(buf, d.digits + d.point, count - (size_t)d.point);
    } else if (d.point > -5 && d.point <= 0) { /* 0.001234 */
        rfi_buf_append_text(buf, "0.");
        append_zeros(buf, -d.point);
        rfi_buf_append(buf, d.digits, count);
    } else { /* 1e30, 1.234e33 */
        rfi_buf_append(buf, d.digits, 1);
        if (count > 1) {
            rfi_buf_append_byte(buf, '.');
            rfi_buf_append(buf, d.digits + 1, count - 1);
        }
        rfi_buf_printf(buf, "e%d", d.point - 1);
    }
}
