/* SPDX-License-Identifier: MIT */
/* A parsed JSON text (RFC 8259) whose every value knows its place: for configuration, graphs,
 * handshakes and HTTP bodies, where a mistake is reported by line and column. Not for the message
 * path. Duplicate keys are errors. Strict, but for RFI_JSON_COMMENTS. One owner; read by one thread
 * at a time. */
#ifndef RFI_JSON_DOC_H
#define RFI_JSON_DOC_H

#include "core/base/json_writer.h"
#include <reflow/error.h>

enum rfi_json_type {
    RFI_JSON_NULL,
    RFI_JSON_BOOL,
    RFI_JSON_NUMBER,
    RFI_JSON_STRING,
    RFI_JSON_ARRAY,
    RFI_JSON_OBJECT
};

enum {
    RFI_JSON_STRICT = 0,
    RFI_JSON_COMMENTS = 1 /* // and block comments, and a comma before a closing bracket */
};

struct rfi_json_doc;

struct rfi_json {
    enum rfi_json_type type;
    size_t start, end; /* bytes of the value in the text, [start, end) */
    const char *key;   /* decoded, terminated; NULL for array elements and the root */
    size_t key_size, key_start;
    const struct rfi_json *next;  /* next sibling, NULL at the end */
    const struct rfi_json *first; /* first child, NULL when empty or scalar */
    size_t count;                 /* children */
    const char *text; /* RFI_JSON_STRING: decoded, terminated; NUMBER: as written, terminated */
    size_t text_size;
    bool boolean;
};

struct rfi_json_limits {
    size_t depth_max; /* 0: 128 */
    size_t nodes_max; /* 0: 262,144 */
};

/* The text is copied. `name` stands for the file in messages (may be NULL). `limits` may be NULL. */
RF_NODISCARD rf_err rfi_json_doc_parse(const char *text, size_t size, unsigned flags,
                                       const struct rfi_json_limits *limits, const char *name,
                                       struct rfi_json_doc **out, rf_diag *out_diag);
void rfi_json_doc_free(struct rfi_json_doc *doc);
const struct rfi_json *rfi_json_root(const struct rfi_json_doc *doc);
/* The text as parsed: doc text + node->start is where the value stands. */
const char *rfi_json_doc_text(const struct rfi_json_doc *doc);
const char *rfi_json_doc_name(const struct rfi_json_doc *doc);

/* Member of an object by key; NULL when `node` is NULL, no object, or has no such key. */
const struct rfi_json *rfi_json_get(const struct rfi_json *node, const char *key);
/* The text of a string member, or `fallback`. */
const char *rfi_json_get_string(const struct rfi_json *node, const char *key, const char *fallback);
/* Numbers: false when the node is NULL, no number, or does not fit without loss. */
bool rfi_json_as_int(const struct rfi_json *node, int64_t *out);
bool rfi_json_as_double(const struct rfi_json *node, double *out);
const char *rfi_json_type_name(enum rfi_json_type type); /* "a string", "an object", … */

/* Line and column (from 1, columns in bytes) of a byte of the text. */
void rfi_json_where(const struct rfi_json_doc *doc, size_t offset, unsigned *out_line,
                    unsigned *out_column);
/* Report a mistake at `node` (at its key when at_key and it has one). Returns `err`. */
rf_err rfi_json_error(const struct rfi_json_doc *doc, const struct rfi_json *node, bool at_key,
                      rf_err err, rf_diag *out_diag, const char *format, ...) RF_PRINTF(6, 7);

/* Check that a whole text is one JSON value, without building anything and without recursion.
 * Returns RF_OK or RF_EFORMAT with the byte offset of the mistake. depth_max 0: 1024. */
RF_NODISCARD rf_err rfi_json_check(const char *text, size_t size, size_t depth_max,
                                   size_t *out_offset);

#endif
