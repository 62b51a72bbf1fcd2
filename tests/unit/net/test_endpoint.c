/* SPDX-License-Identifier: MIT */
#include "net/endpoint.h"
#include "support/rf_test.h"

static struct rfi_endpoint read_good(const char *text, enum rfi_wire wire)
{
    struct rfi_endpoint endpoint = {0};
    rf_diag diag = {0};
    cr_assert_eq(rfi_endpoint_parse(text, wire, &endpoint, &diag), RF_OK, "%s: %s", text,
                 diag.text);
    return endpoint;
}

static void assert_form(const char *text, enum rfi_wire wire, const char *expected)
{
    struct rfi_endpoint endpoint = read_good(text, wire);
    char formatted[600];
    rfi_endpoint_format(&endpoint, formatted, sizeof formatted);
    cr_assert_str_eq(formatted, expected);
}

Test(endpoint, each_form_is_read)
{
    struct rfi_endpoint endpoint = read_good("ws://Host-1.example_x:9100/a/b?c=d", RFI_WIRE_TCP);
    cr_assert_eq(endpoint.wire, RFI_WIRE_WEBSOCKET);
    cr_assert_str_eq(endpoint.host, "Host-1.example_x");
    cr_assert_eq(endpoint.port, 9100);
    cr_assert_str_eq(endpoint.path, "/a/b?c=d");
    endpoint = read_good("127.0.0.1:1", RFI_WIRE_TCP);
    cr_assert_eq(endpoint.wire, RFI_WIRE_TCP);
    cr_assert_str_eq(endpoint.path, "/");
    endpoint = read_good("TCP://[fe80::1%eth0]:65535", RFI_WIRE_WEBSOCKET);
    cr_assert_eq(endpoint.wire, RFI_WIRE_TCP);
    cr_assert_str_eq(endpoint.host, "fe80::1%eth0");
    cr_assert_eq(endpoint.port, 65535);
    (void)read_good("tcp://a:1/", RFI_WIRE_TCP);
}

Test(endpoint, what_is_written_reads_back)
{
    assert_form("h:80", RFI_WIRE_WEBSOCKET, "ws://h:80");
    assert_form("h:80", RFI_WIRE_TCP, "tcp://h:80");
    assert_form("ws://h:80/", RFI_WIRE_TCP, "ws://h:80");
    assert_form("ws://h:80/x", RFI_WIRE_TCP, "ws://h:80/x");
    assert_form("[::1]:80", RFI_WIRE_WEBSOCKET, "ws://[::1]:80");
    assert_form("tcp://[::ffff:10.0.0.1]:80", RFI_WIRE_WEBSOCKET, "tcp://[::ffff:10.0.0.1]:80");
}

Test(endpoint, other_texts_are_refused_with_the_reason)
{
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"", "host is missing"},
        {"host", "port is missing"},
        {"ws://host", "port is missing"},
        {"ws://host/path", "port is missing"},
        {":80", "host is missing"},
        {"host:", "1 to 65535"},
        {"host:0", "1 to 65535"},
        {"host:65536", "1 to 65535"},
        {"host:123456", "1 to 65535"},
        {"host:-1", "1 to 65535"},
        {"host:80x", "1 to 65535"},
        {"wss://host:80", "TLS is not supported"},
        {"http://host:80", "ws:// or tcp://"},
        {"://host:80", "ws:// or tcp://"},
        {"host:80/path", "needs a scheme"},
        {"tcp://host:80/path", "no path"},
        {"ws://user@host:80", "no host name has"},
        {"ws://ho st:80", "no host name has"},
        {"::1:80", "host is missing"},
        {"fe80::1:80", "needs brackets"},
        {"[::1:80", "] is missing"},
        {"[::1]80", "no host name has"},
        {"[]:80", "no IPv6"},
        {"[host]:80", "no IPv6"},
        {"[%eth0]:80", "no IPv6"},
        {"[1234]:80", "no IPv6"},
        {"ws://h:80/a b", "no path has"},
        {"ws://h:80/a#b", "no path has"},
        {"ws://h:80/\r\nX: y", "no path has"},
        {"ws://h\xc3\xa4:80", "no host name has"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rfi_endpoint endpoint = {.port = 7};
        rf_diag diag = {0};
        cr_assert_eq(rfi_endpoint_parse(wrong[i].text, RFI_WIRE_WEBSOCKET, &endpoint, &diag),
                     RF_EINVAL, "%s", wrong[i].text);
        cr_assert(strstr(diag.text, wrong[i].why) != NULL, "%s: %s", wrong[i].text, diag.text);
        cr_assert_eq(endpoint.port, 7);
    }
    struct rfi_endpoint endpoint;
    cr_assert_eq(rfi_endpoint_parse("", RFI_WIRE_TCP, &endpoint, NULL), RF_EINVAL);
}

Test(endpoint, long_parts_are_refused_not_cut)
{
    char text[700];
    struct rfi_endpoint endpoint;
    memset(text, 'a', sizeof text);
    memcpy(text + 255, ":80", 4);
    cr_assert_eq(rfi_endpoint_parse(text, RFI_WIRE_TCP, &endpoint, NULL), RF_OK);
    memset(text, 'a', sizeof text);
    memcpy(text + 256, ":80", 4);
    cr_assert_eq(rfi_endpoint_parse(text, RFI_WIRE_TCP, &endpoint, NULL), RF_EINVAL);
    memset(text, 'a', sizeof text);
    memcpy(text, "ws://h:80/", 10);
    text[9 + 255] = '\0';
    cr_assert_eq(rfi_endpoint_parse(text, RFI_WIRE_TCP, &endpoint, NULL), RF_OK);
    cr_assert_eq(strlen(endpoint.path), 255U);
    text[9 + 255] = 'a';
    text[9 + 256] = '\0';
    cr_assert_eq(rfi_endpoint_parse(text, RFI_WIRE_TCP, &endpoint, NULL), RF_EINVAL);
}
