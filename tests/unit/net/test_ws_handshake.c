/* SPDX-License-Identifier: MIT */
/* The first bytes of a connection and the WebSocket upgrade. */
#include "net/ws_handshake.h"
#include "support/rf_test.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455, 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define UPGRADE                                                                                    \
    "Host: a:1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"                       \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"

static enum rfi_first_kind look(const char *text, struct rfi_first *out)
{
    /* A copy of exact size: a sanitizer sees one read too far. */
    size_t size = strnlen(text, 100000);
    uint8_t *copy = malloc(size + 1);
    cr_assert_not_null(copy);
    memcpy(copy, text, size);
    enum rfi_first_kind kind = rfi_first_look(copy, size, out);
    free(copy);
    return kind;
}

static void expect_refusal(const char *text, int status)
{
    struct rfi_first first;
    cr_assert_eq(look(text, &first), RFI_FIRST_REFUSED, "%s", text);
    cr_assert_eq(first.status, status, "%s: %d %s", text, first.status, first.reason);
    cr_assert_not_null(first.reason);
}

Test(ws_handshake, a_good_upgrade_gets_the_accept_value_of_the_rfc)
{
    struct rfi_first first;
    const char *text = "GET /any/path?x=1 HTTP/1.1\r\n" UPGRADE "\r\nframes";

    cr_assert_eq(look(text, &first), RFI_FIRST_WEBSOCKET);
    cr_assert_str_eq(first.accept, ACCEPT);
    cr_assert_eq(first.head_size, strlen(text) - 6);
}

Test(ws_handshake, every_prefix_of_an_upgrade_waits_for_more)
{
    const char *text = "GET / HTTP/1.1\r\n" UPGRADE "\r\n";
    struct rfi_first first;
    for (size_t size = 0; size < strlen(text); size++)
        cr_assert_eq(rfi_first_look((const uint8_t *)text, size, &first), RFI_FIRST_MORE);
    for (size_t size = 0; size < RFI_TCP_PREFACE_SIZE; size++)
        cr_assert_eq(rfi_first_look((const uint8_t *)RFI_TCP_PREFACE, size, &first),
                     RFI_FIRST_MORE);
}

Test(ws_handshake, protocols_are_told_apart)
{
    struct rfi_first first;
    cr_assert_eq(look("RFLOW/1\n\5\0\0\0", &first), RFI_FIRST_TCP);
    cr_assert_eq(look("GET /health HTTP/1.1\r\nHost: a\r\n\r\n", &first), RFI_FIRST_HTTP);
    cr_assert_eq(look("GET /health HTTP/1.0\r\n\r\n", &first), RFI_FIRST_HTTP);
    cr_assert_eq(look("POST /register HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", &first),
                 RFI_FIRST_HTTP);
    cr_assert_eq(look("DELETE /networks/x HTTP/1.1\r\nHost: a\r\n\r\n", &first), RFI_FIRST_HTTP);
    cr_assert_eq(look("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &first), RFI_FIRST_HTTP);
    cr_assert_eq(look("\x16\x03\x01\x02", &first), RFI_FIRST_TLS);
    cr_assert_eq(look("RFLOW/2\n", &first), RFI_FIRST_GARBAGE);
    cr_assert_eq(look("SSH-2.0-OpenSSH", &first), RFI_FIRST_GARBAGE);
    cr_assert_eq(look("get / HTTP/1.1\r\n", &first), RFI_FIRST_GARBAGE);
    cr_assert_eq(look("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &first), RFI_FIRST_GARBAGE);
    cr_assert_eq(look("\xff", &first), RFI_FIRST_GARBAGE);
}

Test(ws_handshake, upgrades_that_break_a_rule_are_refused)
{
#define HOST  "GET / HTTP/1.1\r\nHost: a\r\n"
#define WANTS HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    expect_refusal(WANTS "Sec-WebSocket-Key: " KEY "\r\n\r\n", 426);
    expect_refusal(WANTS "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n", 426);
    expect_refusal(WANTS "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n"
                         "Sec-WebSocket-Key: " KEY "\r\n\r\n",
                   426);
    expect_refusal(WANTS "Sec-WebSocket-Version: 13\r\n\r\n", 400);
    expect_refusal(WANTS "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abc\r\n\r\n", 400);
    expect_refusal(
        WANTS "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n\r\n",
        400);
    expect_refusal(WANTS "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY
                         "\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
                   400);
    expect_refusal(HOST "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: " KEY "\r\n\r\n",
                   400);
    expect_refusal("GET / HTTP/1.0\r\n" UPGRADE "\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\n" UPGRADE "Content-Length: 3\r\n\r\nabc", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: b\r\n" UPGRADE "\r\n", 400);
}

Test(ws_handshake, heads_that_can_be_read_in_two_ways_are_refused)
{
    expect_refusal("GET / HTTP/1.1\r\n\r\n", 400); /* no Host */
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\nHost: a\n\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\nX: b\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\nX\x01Y: b\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400);
    expect_refusal("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400);
    expect_refusal("GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect_refusal("GET /\r\nHost: a\r\n\r\n", 400);
    expect_refusal("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                   "Content-Length: 2\r\n\r\n",
                   400);
    expect_refusal("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n",
                   400);
    struct rfi_first first;
    cr_assert_eq(rfi_first_look((const uint8_t *)"GET / HTTP/1.1\r\nHost: a\0b", 25, &first),
                 RFI_FIRST_REFUSED);
}

/* "GET / …" with a header of `value_size` bytes, `count` times. */
static void make_head(struct rfi_buf *out, unsigned count, size_t value_size)
{
    rfi_buf_clear(out);
    rfi_buf_append_text(out, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (unsigned i = 0; i < count; i++) {
        rfi_buf_append_text(out, "X:");
        for (size_t j = 0; j < value_size; j++)
            rfi_buf_append_byte(out, 'v');
        rfi_buf_append_text(out, "\r\n");
    }
    rfi_buf_append_text(out, "\r\n");
}

Test(ws_handshake, limits_of_the_head_hold)
{
    struct rfi_buf head;
    struct rfi_first first;
    rfi_buf_init(&head);

    make_head(&head, RFI_HTTP_HEADERS_MAX - 1, 1);
    cr_assert_eq(rfi_first_look(head.data, head.size, &first), RFI_FIRST_HTTP);
    make_head(&head, RFI_HTTP_HEADERS_MAX, 1);
    cr_assert_eq(rfi_first_look(head.data, head.size, &first), RFI_FIRST_REFUSED);
    cr_assert_eq(first.status, 431);
    make_head(&head, 1, RFI_HTTP_LINE_MAX - 2);
    cr_assert_eq(rfi_first_look(head.data, head.size, &first), RFI_FIRST_HTTP);
    make_head(&head, 1, RFI_HTTP_LINE_MAX - 1);
    cr_assert_eq(rfi_first_look(head.data, head.size, &first), RFI_FIRST_REFUSED);
    make_head(&head, 4, 2100);
    cr_assert_eq(rfi_first_look(head.data, RFI_HTTP_HEAD_MAX - 1, &first), RFI_FIRST_MORE);
    cr_assert_eq(rfi_first_look(head.data, RFI_HTTP_HEAD_MAX, &first), RFI_FIRST_REFUSED);
    cr_assert_eq(first.status, 431);
    rfi_buf_fini(&head);
}

Test(ws_handshake, the_101_answer_has_lower_case_names_and_nothing_more)
{
    struct rfi_buf out;
    rfi_buf_init(&out);
    rfi_ws_write_accept(ACCEPT, &out);
    const char *expected = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n"
                           "upgrade: websocket\r\nsec-websocket-accept: " ACCEPT "\r\n\r\n";
    cr_assert_eq(out.size, strlen(expected));
    cr_assert_arr_eq(out.data, expected, out.size);
    rfi_buf_fini(&out);
}

Test(ws_handshake, our_request_is_one_that_we_accept)
{
    struct rfi_endpoint endpoint = {
        .wire = RFI_WIRE_WEBSOCKET, .host = "fe80::1", .port = 81, .path = "/p"};
    static const uint8_t random[16] = {1, 2, 3};
    char key[RFI_WS_KEY_SIZE];
    char accept[RFI_WS_ACCEPT_SIZE];
    struct rfi_first first;
    struct rfi_buf out;
    rfi_buf_init(&out);

    rfi_ws_make_key(random, key);
    rfi_ws_write_request(&endpoint, key, &out);

    cr_assert_eq(rfi_first_look(out.data, out.size, &first), RFI_FIRST_WEBSOCKET);
    cr_assert_eq(rfi_ws_accept_key(key, accept), RF_OK);
    cr_assert_str_eq(first.accept, accept);
    rfi_buf_append_byte(&out, 0);
    cr_assert_not_null(strstr((char *)out.data, "GET /p HTTP/1.1\r\nHost: [fe80::1]:81\r\n"));
    rfi_buf_fini(&out);
}

/* ---- the client's side ---- */

static rf_err read_response(const char *text, size_t *out_head_size)
{
    rf_diag diag = {.text = ""};
    return rfi_ws_read_response((const uint8_t *)text, strlen(text), KEY, out_head_size, &diag);
}

#define SWITCHING                                                                                  \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"

Test(ws_handshake, a_good_answer_is_taken_and_frames_behind_it_are_left)
{
    const char *text = SWITCHING "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n\x81\x00";
    size_t head_size = 0;
    cr_assert_eq(read_response(text, &head_size), RF_OK);
    cr_assert_eq(text[head_size], '\x81');
    for (size_t size = 0; size < head_size; size++) {
        rf_diag diag;
        size_t unused = 0;
        cr_assert_eq(rfi_ws_read_response((const uint8_t *)text, size, KEY, &unused, &diag),
                     RF_EAGAIN);
    }
}

Test(ws_handshake, bad_answers_are_refused)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 1010 X\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/2.0 101 X\r\n\r\n",
        "RFLOW/1\n",
        "\x16\x03\x01",
        SWITCHING "\r\n",
        SWITCHING "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n",
        SWITCHING "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        SWITCHING "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: x\r\n\r\n",
        SWITCHING "Sec-WebSocket-Accept: " ACCEPT
                  "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        "HTTP/1.1 101 X\r\nConnection: upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        SWITCHING "Sec-WebSocket-Accept: " ACCEPT "\n\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        size_t head_size = 0;
        cr_assert_eq(read_response(answers[i], &head_size), RF_EPROTO, "%s", answers[i]);
    }
}
