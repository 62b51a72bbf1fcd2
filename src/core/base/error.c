/* SPDX-License-Identifier: MIT */
/* Names and texts of errors, and the printed form of a diagnosis. The tables grow out of RF_ERRORS,
 * so that an error cannot lack a name. Nothing here allocates; the texts are static and may be kept
 * for ever. This file does not fill diagnoses: see diag.c. */
#include <reflow/error.h>

#include <stdio.h>

const char *rf_err_name(rf_err err)
{
    static const char *const names[] = {
#define RF_ERROR_NAME(name, text) "RF_" #name,
        RF_ERRORS(RF_ERROR_NAME)
#undef RF_ERROR_NAME
    };
    if ((unsigned)err >= (unsigned)RF_ERR_COUNT)
        return "RF_E?";
    return names[err];
}

const char *rf_err_text(rf_err err)
{
    static const char *const texts[] = {
#define RF_ERROR_TEXT(name, text) text,
        RF_ERRORS(RF_ERROR_TEXT)
#undef RF_ERROR_TEXT
    };
    if ((unsigned)err >= (unsigned)RF_ERR_COUNT)
        return "unknown error";
    return texts[err];
}

void rf_diag_format(const rf_diag *diag, char *out, size_t out_size)
{
    if (out_size == 0)
        return;
    const char *file = diag->file;
    const char *separator = file[0] != '\0' ? ":" : "";
    if (diag->line > 0 && diag->column > 0)
        (void)snprintf(out, out_size, "%s%s%u:%u: %s", file, separator, diag->line, diag->column,
                       diag->text);
    else if (diag->line > 0)
        (void)snprintf(out, out_size, "%s%s%u: %s", file, separator, diag->line, diag->text);
    else if (file[0] != '\0')
        (void)snprintf(out, out_size, "%s: %s", file, diag->text);
    else
        (void)snprintf(out, out_size, "%s", diag->text);
}
