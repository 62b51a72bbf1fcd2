/* SPDX-License-Identifier: MIT */
/* The pure checks of what an HTTP client writes. */
#include "http/head.h"
#include "support/rf_test.h"

static unsigned check(const char *bytes, size_t size)
{
    const char *why = NULL;
    unsigned status = rfi_http_head_check(bytes, size, &why);
    if (status != 0)
        cr_assert_not_null(why);
    return status;
}

#define CHECK(text) check((text), sizeof(text) - 1)

Test(http_head, a_plain_request_passes_whole_and_in_every_part)
{
    static const char head[] = "POST /actors/a%20b/send?x=1 HTTP/1.1\r\nHost: "
                               "a:1\r\nX-Empty:\r\nX-Tab: a\tb\r\n\r\nbody\n";
    for (size_t size = 0; size < sizeof head; size++)
        cr_assert_eq(check(head, size), 0);
}

Test(http_head, a_malformed_request_line_is_refused)
{
    cr_assert_eq(CHECK("GET /\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET  / HTTP/1.1\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/1.1 \r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/2.0\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / http/1.1\r\n\r\n"), 400);
    cr_assert_eq(CHECK("G(T / HTTP/1.1\r\n\r\n"), 400);
    cr_assert_eq(CHECK(" GET / HTTP/1.1\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET /\xff HTTP/1.1\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET /a\0b HTTP/1.1\r\n\r\n"), 400);
    cr_assert_eq(CHECK("\r\n\r\n"), 400);
}

Test(http_head, a_malformed_header_line_is_refused)
{
    cr_assert_eq(CHECK("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/1.1\r\nHost\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/1.1\r\n: a\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), 400);
    cr_assert_eq(CHECK("GET / HTTP/1.1\nHost: a\n\n"), 400);
}

#define POST_WITH(headers) "POST / HTTP/1.1\r\nHost: a\r\n" headers "\r\n\r\n"

Test(http_head, the_length_of_the_body_is_told_once_and_as_a_number)
{
    cr_assert_eq(CHECK(POST_WITH("Content-Length: 12 ")), 0);
    cr_assert_eq(CHECK(POST_WITH("transfer-encoding: chunked")), 0);
    cr_assert_eq(CHECK(POST_WITH("Content-Length:")), 400);
    cr_assert_eq(CHECK(POST_WITH("content-length: -1")), 400);
    cr_assert_eq(CHECK(POST_WITH("Content-Length: 0x1")), 400);
    cr_assert_eq(CHECK(POST_WITH("Content-Length: 1, 1")), 400);
    cr_assert_eq(CHECK(POST_WITH("Content-Length: 1\r\nCONTENT-LENGTH: 1")), 400);
    cr_assert_eq(CHECK(POST_WITH("Content-Length: 1\r\nTransfer-Encoding: chunked")), 400);
    cr_assert_eq(CHECK(POST_WITH("Transfer-Encoding: a\r\nTransfer-Encoding: b")), 400);
    cr_assert_eq(CHECK(POST_WITH("Content-Length: 12345678901234567890")), 413);
}

Test(http_head, the_number_of_headers_is_bounded)
{
    char head[8192];
    for (int count = RFI_HTTP_HEADERS_MAX; count <= RFI_HTTP_HEADERS_MAX + 1; count++) {
        size_t size = (size_t)snprintf(head, sizeof head, "GET / HTTP/1.1\r\n");
        for (int i = 0; i < count; i++)
            size += (size_t)snprintf(head + size, sizeof head - size, "X: 1\r\n");
        size += (size_t)snprintf(head + size, sizeof head - size, "\r\n");
        cr_assert_eq(check(head, size), count > RFI_HTTP_HEADERS_MAX ? 431u : 0u);
    }
}

static unsigned parse(const char *uri, struct rfi_http_target *out)
{
    const char *why = NULL;
    return rfi_http_target_parse(uri, out, &why);
}

Test(http_head, a_target_is_decoded_once)
{
    struct rfi_http_target target;
    cr_assert_eq(parse("/actors/a%20b%2Fc/%2541?k=%C3%A4&empty&x=", &target), 0);
    cr_assert_eq(target.segment_count, 3);
    cr_assert_str_eq(target.segments[1], "a b/c");
    cr_assert_str_eq(target.segments[2], "%41");
    cr_assert_eq(target.query_count, 3);
    cr_assert_str_eq(target.query[0].value, "\xc3\xa4");
    cr_assert_str_eq(target.query[1].key, "empty");
    cr_assert_str_eq(target.query[2].value, "");
    rfi_http_target_fini(&target);
}

Test(http_head, a_target_that_is_not_canonical_is_refused)
{
    static const char *const bad[] = {
        "",          "x",    "//",         "/a//b",  "/a/",     "/./a", "/a/..",
        "/%2e%2E/a", "/%",   "/%4",        "/%zz",   "/%00",    "/%0a", "/%ff",
        "/a b",      "/a#b", "/a?k=1&k=2", "/a?k=%", "/%c0%af", "*",    "http://h/a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rfi_http_target target;
        cr_assert_eq(parse(bad[i], &target), 400, "%s", bad[i]);
        rfi_http_target_fini(&target);
    }
}

static bool matches(const char *uri, const char *pattern)
{
    struct rfi_http_target target;
    size_t indexes[RFI_HTTP_SEGMENTS_MAX];
    size_t count = 0;
    cr_assert_eq(parse(uri, &target), 0);
    bool is_match = rfi_http_target_matches(&target, pattern, indexes, &count);
    rfi_http_target_fini(&target);
    return is_match;
}

Test(http_head, literal_segments_have_one_spelling)
{
    cr_assert(matches("/", "/"));
    cr_assert(matches("/health", "/health"));
    cr_assert(matches("/actors/x%2Fy/send", "/actors/{}/send"));
    cr_assert_not(matches("/%68ealth", "/health"));
    cr_assert_not(matches("/Health", "/health"));
    cr_assert_not(matches("/health/x", "/health"));
    cr_assert_not(matches("/actors/x", "/actors/{}/send"));
    cr_assert_not(matches("/", "/health"));
    cr_assert_not(matches("/health", "/"));
}

Test(http_head, host_is_told_apart)
{
    cr_assert(rfi_http_host_is_valid("example.org:80"));
    cr_assert(rfi_http_host_is_valid("[::1]:7070"));
    cr_assert_not(rfi_http_host_is_valid(""));
    cr_assert_not(rfi_http_host_is_valid("a b"));
    cr_assert_not(rfi_http_host_is_valid("a@b"));
    cr_assert_not(rfi_http_host_is_valid("a:x"));
    cr_assert_not(rfi_http_host_is_valid("[::1"));
    cr_assert(rfi_http_host_is_local("localhost:1"));
    cr_assert(rfi_http_host_is_local("LocalHost"));
    cr_assert(rfi_http_host_is_local("192.0.2.7:7070"));
    cr_assert(rfi_http_host_is_local("[2001:db8::1]"));
    cr_assert_not(rfi_http_host_is_local("evil.example"));
    cr_assert_not(rfi_http_host_is_local("localhost.evil.example"));
    cr_assert_not(rfi_http_host_is_local("127.0.0.1.evil.example"));
}

Test(http_head, secrets_are_compared_whole)
{
    char long_text[RFI_HTTP_TOKEN_BYTES_MAX + 2];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    cr_assert(rfi_http_secret_equal("token", "token"));
    cr_assert_not(rfi_http_secret_equal("token", "tokeN"));
    cr_assert_not(rfi_http_secret_equal("token", "token "));
    cr_assert_not(rfi_http_secret_equal("", "token"));
    cr_assert_not(rfi_http_secret_equal(long_text, long_text));
}
