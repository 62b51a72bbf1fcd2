/* SPDX-License-Identifier: MIT */
/* Reading a parsed JSON tree: members, numbers, and mistakes reported at a value. The tree belongs to
 * its document (json_doc.c) and is only read here. Numbers are read in the C locale, whatever the
 * program has set. Looking up a member walks the object: fine for the small objects that people and
 * handshakes write; who reads many members walks `first` and `next` instead. */
#include "core/base/diag.h"
#include "core/base/json_doc.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct rfi_json *rfi_json_get(const struct rfi_json *node, const char *key)
{
    if (node == NULL || node->type != RFI_JSON_OBJECT)
        return NULL;
    size_t size = strlen(key);
    for (const struct rfi_json *child = node->first; child != NULL; child = child->next)
        if (child->key_size == size && memcmp(child->key, key, size) == 0)
            return child;
    return NULL;
}

const char *rfi_json_get_string(const struct rfi_json *node, const char *key, const char *fallback)
{
    const struct rfi_json *child = rfi_json_get(node, key);
    return child != NULL && child->type == RFI_JSON_STRING ? child->text : fallback;
}

/* strtod with a dot for a radix character in any locale. */
static bool read_double(const char *text, double *out)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0)
        return false;
    *out = strtod_l(text, NULL, plain);
    freelocale(plain);
    return isfinite(*out);
}

bool rfi_json_as_int(const struct rfi_json *node, int64_t *out)
{
    if (node == NULL || node->type != RFI_JSON_NUMBER)
        return false;
    if (strpbrk(node->text, ".eE") == NULL) {
        errno = 0;
        long long value = strtoll(node->text, NULL, 10);
        if (errno == ERANGE)
            return false;
        *out = value;
        return true;
    }
    /* 1.0 and 1e3 are whole numbers too, as far as doubles tell all of them apart. */
    double value;
    if (!read_double(node->text, &value) || trunc(value) != value ||
        fabs(value) > 9007199254740992.0)
        return false;
    *out = (int64_t)value;
    return true;
}

bool rfi_json_as_double(const struct rfi_json *node, double *out)
{
    double value;
    if (node == NULL || node->type != RFI_JSON_NUMBER || !read_double(node->text, &value))
        return false;
    *out = value;
    return true;
}

const char *rfi_json_type_name(enum rfi_json_type type)
{
    switch (type) {
    case RFI_JSON_NULL:
        return "null";
    case RFI_JSON_BOOL:
        return "a boolean";
    case RFI_JSON_NUMBER:
        return "a number";
    case RFI_JSON_STRING:
        return "a string";
    case RFI_JSON_ARRAY:
        return "an array";
    case RFI_JSON_OBJECT:
        return "an object";
    }
    return "a value";
}

rf_err rfi_json_error(const struct rfi_json_doc *doc, const struct rfi_json *node, bool at_key,
                      rf_err err, rf_diag *out_diag, const char *format, ...)
{
    if (out_diag == NULL)
        return err;
    unsigned line = 0, column = 0;
    if (node != NULL)
        rfi_json_where(doc, at_key && node->key != NULL ? node->key_start : node->start, &line,
                       &column);
    char text[sizeof out_diag->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return rfi_diag_at(out_diag, err, rfi_json_doc_name(doc), line, column, "%s", text);
}
