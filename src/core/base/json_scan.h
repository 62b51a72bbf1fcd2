/* SPDX-License-Identifier: MIT */
/* The lexical level of JSON, shared by the tree (json_doc.c) and the check (json_scan.c). */
#ifndef RFI_JSON_SCAN_H
#define RFI_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rfi_json_scan {
    const char *why;   /* NULL: fine; else what is wrong, borrowed for ever */
    size_t at;         /* where it is wrong, or the byte after what was read */
    bool has_escapes;  /* strings: there is a backslash in it */
    bool has_fraction; /* numbers: there is a dot or an exponent in it */
};

/* A string from its opening quote at `at`. */
struct rfi_json_scan rfi_json_scan_string(const char *text, size_t size, size_t at);
/* A number from its minus or first digit at `at`. */
struct rfi_json_scan rfi_json_scan_number(const char *text, size_t size, size_t at);
/* Exactly `word` at `at`? */
bool rfi_json_scan_word(const char *text, size_t size, size_t at, const char *word);
/* Write the characters between the quotes [start, end) of a good string, without its escapes, and
 * return their size, which is never more than end - start. */
size_t rfi_json_scan_decode(const char *text, size_t start, size_t end, char *out);

#endif
