/* SPDX-License-Identifier: MIT */
/* Filling an rf_diag, and the rule for names. A diagnosis often quotes what a peer or a file sent, so
 * control bytes are replaced and a text that does not fit is cut between two characters: one
 * diagnosis stays one printable line. The caller owns the rf_diag; no thread is involved. */
#include "core/base/diag.h"

#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE_MAX = 128 };

static void clean_text(char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            text[i] = '?';
    }
    /* Only the cut at the end can have made a whole text invalid. */
    size_t valid = rfi_utf8_valid_prefix(text, size);
    if (size - valid < 4)
        text[valid] = '\0';
}

static void fill(rf_diag *diag, const char *file, unsigned line, unsigned column)
{
    (void)snprintf(diag->file, sizeof diag->file, "%s", file != NULL ? file : "");
    diag->line = line;
    diag->column = column;
}

rf_err rfi_diag_set(rf_diag *diag, rf_err err, const char *format, ...)
{
    if (diag == NULL)
        return err;
    fill(diag, NULL, 0, 0);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
    clean_text(diag->text);
    return err;
}

rf_err rfi_diag_at(rf_diag *diag, rf_err err, const char *file, unsigned line, unsigned column,
                   const char *format, ...)
{
    if (diag == NULL)
        return err;
    fill(diag, file, line, column);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
    clean_text(diag->text);
    return err;
}

bool rfi_name_is_valid(const char *name, size_t size)
{
    if (name == NULL || size == 0 || size > NAME_SIZE_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool is_digit = c >= '0' && c <= '9';
        bool is_mark = c == '.' || c == '_' || c == ':' || c == '/' || c == '-';
        if (!is_letter && !is_digit && !is_mark)
            return false;
    }
    return true;
}

const char *rfi_name_or_mark(const char *name)
{
    return name != NULL && rfi_name_is_valid(name, strlen(name)) ? name : "?";
}
