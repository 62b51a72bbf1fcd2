/* SPDX-License-Identifier: MIT */
/* Filling an rf_diag. All accept NULL and then do nothing. */
#ifndef RFI_DIAG_H
#define RFI_DIAG_H

#include <reflow/error.h>

/* Set the text only; the place stays empty. Returns `err`, for `return rfi_diag_set(...)`. */
rf_err rfi_diag_set(rf_diag *diag, rf_err err, const char *format, ...) RF_PRINTF(3, 4);
/* Set place and text. */
rf_err rfi_diag_at(rf_diag *diag, rf_err err, const char *file, unsigned line, unsigned column,
                   const char *format, ...) RF_PRINTF(6, 7);

/* Is this a name that may go over the wire: 1 to 128 bytes of [A-Za-z0-9._:/-], not starting with a
 * dot? (networks, actors, ports; `@` separates actor from network and is in neither) */
bool rfi_name_is_valid(const char *name, size_t size);
/* For the log, where a blank or a quote of a stranger would begin another field: the name, or "?" when it is none. */
const char *rfi_name_or_mark(const char *name);

#endif
