/* SPDX-License-Identifier: MIT */
/* A cursor over JSON text for the message path: it validates and takes values out in one pass, builds
 * nothing and never recurses. It accepts what serde_json accepts.
 *
 * Functions return false at the first mistake and leave its place and reason in the scan. The text is
 * borrowed; a scan belongs to one thread. */
#ifndef RFI_MESSAGE_JSON_SCAN_H
#define RFI_MESSAGE_JSON_SCAN_H

#include <reflow/message.h>

enum {
    RFI_SCAN_DEPTH_MAX = 1024, /* brackets open at once */
    /* serde_json stops at 127 levels where it keeps a value; two of them are around a payload */
    RFI_SCAN_KEPT_DEPTH_MAX = 125,
    RFI_SCAN_KEY_SIZE = 32 /* longest decoded key that rfi_scan_key_is can match */
};

struct rfi_scan {
    const char *start, *at, *end;
    const char *error; /* why; NULL: no mistake so far */
    const char *error_at;
    bool is_out_of_memory; /* set by those who allocate while they scan */
};

struct rfi_scan_text { /* a string as it stands between its quotes, already validated */
    const char *raw;
    size_t raw_size;
    size_t size; /* of the decoded text, bytes */
};

enum rfi_scan_number_type {
    RFI_SCAN_INTEGER,  /* fits int64_t */
    RFI_SCAN_UNSIGNED, /* above int64_t, fits uint64_t */
    RFI_SCAN_FLOAT     /* with fraction or exponent, -0, or too large for the others */
};

struct rfi_scan_number {
    enum rfi_scan_number_type type;
    int64_t integer;
    uint64_t magnitude; /* RFI_SCAN_INTEGER not below 0, and RFI_SCAN_UNSIGNED */
    const char *text;
    size_t size;
};

/* How a value is skipped. */
enum rfi_scan_mode {
    RFI_SCAN_IGNORED, /* nobody wants it: lone surrogate escapes and numbers out of range pass */
    RFI_SCAN_KEPT     /* somebody will read it: they do not pass */
};

void rfi_scan_init(struct rfi_scan *scan, const void *text, size_t size);
/* Note a mistake at the cursor; returns false. The first one stays. */
bool rfi_scan_fail(struct rfi_scan *scan, const char *error);
/* Forget the mistake and go back to `at`. */
void rfi_scan_rewind(struct rfi_scan *scan, const char *at);
/* The next byte that is no blank, not taken; 0 at the end of the text (which is no JSON byte). */
char rfi_scan_peek(struct rfi_scan *scan);
/* Is there nothing but blanks left? */
bool rfi_scan_is_done(struct rfi_scan *scan);

/* Each takes one value of its type, blanks before it included. */
bool rfi_scan_string(struct rfi_scan *scan, struct rfi_scan_text *out);
bool rfi_scan_number(struct rfi_scan *scan, struct rfi_scan_number *out);
/* The word must be true, false or null. */
bool rfi_scan_word(struct rfi_scan *scan, const char *word);
bool rfi_scan_boolean(struct rfi_scan *scan, bool *out);
/* Any value; `depth_max` 0 means RFI_SCAN_DEPTH_MAX. */
bool rfi_scan_skip(struct rfi_scan *scan, enum rfi_scan_mode mode, size_t depth_max);

/* Walking objects: rfi_scan_open takes the bracket; then each rfi_scan_next_key (with the colon) or
 * rfi_scan_next_item says whether a member follows, the caller takes its value, and so on until *out_more
 * is false (the closing bracket is then taken). `count` starts at 0 and is counted up. */
bool rfi_scan_open(struct rfi_scan *scan, char bracket);
bool rfi_scan_next_key(struct rfi_scan *scan, size_t *count, struct rfi_scan_text *out_key,
                       bool *out_more);
bool rfi_scan_next_item(struct rfi_scan *scan, size_t *count, bool *out_more);
/* The same for arrays of a known length: there must be another element; there must be none. */
bool rfi_scan_need_item(struct rfi_scan *scan, size_t *count);
bool rfi_scan_need_end(struct rfi_scan *scan, size_t *count);
/* A variant without values, as serde reads it: "Name", or {"Name":null}. */
bool rfi_scan_variant(struct rfi_scan *scan, struct rfi_scan_text *out);

/* Write the decoded text, text->size bytes. */
void rfi_scan_decode(const struct rfi_scan_text *text, void *out);
/* Is the decoded text this word of at most RFI_SCAN_KEY_SIZE bytes? */
bool rfi_scan_text_is(const struct rfi_scan_text *text, const char *word);
/* The value of a number; false when it is out of the range of a double. */
bool rfi_scan_to_double(const struct rfi_scan_number *number, double *out);

/* An array of decimal bytes, [1,2,255]: the first finds its end and the number of elements without
 * looking at them (the cursor stays), the second takes it into `out`, which has room for that many. */
bool rfi_scan_count_bytes(struct rfi_scan *scan, size_t *out_count);
bool rfi_scan_bytes(struct rfi_scan *scan, uint8_t *out, size_t count);

/* Write the text between blanks stripped and without blanks between tokens. `out` has room for `size`;
 * returns the bytes written. The text must be valid JSON. */
size_t rfi_scan_compact(const char *json, size_t size, char *out);

/* Fill `out_diag` (may be NULL) with the mistake; returns RF_ENOMEM or RF_EFORMAT. */
rf_err rfi_scan_report(const struct rfi_scan *scan, rf_diag *out_diag);

#endif
