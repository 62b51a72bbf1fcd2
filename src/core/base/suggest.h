/* SPDX-License-Identifier: MIT */
/* The nearest right name for a wrong one, for error messages. */
#ifndef RFI_SUGGEST_H
#define RFI_SUGGEST_H

#include <stddef.h>

struct rfi_suggest {
    const char *wanted;
    const char *best; /* borrowed from the caller, NULL while nothing is near */
    size_t best_distance;
};

void rfi_suggest_init(struct rfi_suggest *suggest, const char *wanted);
/* Offer a candidate (Damerau-Levenshtein, case folded; kept if within a third of its length). */
void rfi_suggest_offer(struct rfi_suggest *suggest, const char *candidate);
/* ` (did you mean "x"?)`, or an empty text. */
void rfi_suggest_text(const struct rfi_suggest *suggest, char *out, size_t out_size);

#endif
