/* SPDX-License-Identifier: MIT */
/* Pure checks of what an HTTP client wrote: the bytes of a head, the target, Host, tokens. No socket, no
 * library. Every function that returns a status answers 0 when all is well. */
#ifndef RFI_HTTP_HEAD_H
#define RFI_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RFI_HTTP_HEAD_BYTES_MAX = 16384,
    RFI_HTTP_HEADERS_MAX = 64,
    RFI_HTTP_TARGET_BYTES_MAX = 4096,
    RFI_HTTP_SEGMENTS_MAX = 8,
    RFI_HTTP_QUERY_MAX = 16,
    RFI_HTTP_TOKEN_BYTES_MAX = 1024
};

/* Look at the head of a request, of which `size` bytes are known; it may not be whole yet. Answers 400 or
 * 431 and the reason for: bytes that are no token where one must be, a blank before a colon, a folded line, a line
 * that ends in a bare LF, NUL and other control bytes, too many or too long headers, and a length of the body that
 * is no number or told twice (also 413). */
unsigned rfi_http_head_check(const char *bytes, size_t size, const char **out_why);

struct rfi_http_target {
    char *storage;                               /* owns all texts below */
    const char *raw[RFI_HTTP_SEGMENTS_MAX];      /* as sent */
    const char *segments[RFI_HTTP_SEGMENTS_MAX]; /* decoded once */
    size_t segment_count;                        /* "/" has none */
    struct {
        const char *key, *value;
    } query[RFI_HTTP_QUERY_MAX];
    size_t query_count;
};

/* Take a request target apart. Answers 400 (not in the one canonical form, bad escapes, control bytes, not
 * UTF-8, a query key twice), 414, or 500 when memory is out. Fini also after a failure. */
unsigned rfi_http_target_parse(const char *uri, struct rfi_http_target *out, const char **out_why);
void rfi_http_target_fini(struct rfi_http_target *target);
/* Does the path match "/actors/{}/send"? Literal segments are compared as sent, so that each path has one
 * spelling. Writes the index of each {} segment. */
bool rfi_http_target_matches(const struct rfi_http_target *target, const char *pattern,
                             size_t out_indexes[RFI_HTTP_SEGMENTS_MAX], size_t *out_count);

bool rfi_http_token_is_valid(const char *text, size_t size); /* RFC 9110 token */
bool rfi_http_host_is_valid(const char *host);
/* "localhost" or an IP literal, with a port or without. */
bool rfi_http_host_is_local(const char *host);
/* Same text? The time depends on neither. Longer than RFI_HTTP_TOKEN_BYTES_MAX is never the same. */
bool rfi_http_secret_equal(const char *a, const char *b);

#endif
