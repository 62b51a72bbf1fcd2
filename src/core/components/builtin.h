/* SPDX-License-Identifier: MIT */
/* The components that the library brings. */
#ifndef RFI_BUILTIN_H
#define RFI_BUILTIN_H

#include <reflow/actor.h>

/* All of them; constant, alive for ever. */
const rf_component *const *rfi_builtin_components(size_t *count);

#endif
