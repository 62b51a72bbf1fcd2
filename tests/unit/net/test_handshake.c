/* SPDX-License-Identifier: MIT */
/* The first text message each way: Rust's bytes, ours with the native offer, the limits, tokens. */
#include "net/handshake.h"
#include "support/rf_test.h"

static struct rfi_hello make_hello(void)
{
    struct rfi_hello hello;
    memset(&hello, 0, sizeof hello);
    (void)snprintf(hello.network_id, sizeof hello.network_id, "client_network");
    (void)snprintf(hello.instance_id, sizeof hello.instance_id, "client_001");
    for (size_t i = 0; i < RFI_INCARNATION_SIZE; i++) {
        hello.native.incarnation[i] = (uint8_t)(i * 17);
        hello.native.cursor_of[i] = (uint8_t)(255 - i);
    }
    hello.native.boot = 3;
    hello.native.cursor = UINT64_MAX;
    hello.native.message_bytes_max = 1 << 26;
    return hello;
}

static rf_err read_request(const char *json, struct rfi_hello *out, rf_diag *diag)
{
    return rfi_handshake_read_request(json, strlen(json), out, diag);
}

static bool accepts(const char *json)
{
    struct rfi_hello hello;
    return read_request(json, &hello, NULL) == RF_OK;
}

static bool same_native(const struct rfi_native_hello *a, const struct rfi_native_hello *b)
{
    return memcmp(a->incarnation, b->incarnation, RFI_INCARNATION_SIZE) == 0 &&
           memcmp(a->cursor_of, b->cursor_of, RFI_INCARNATION_SIZE) == 0 && a->boot == b->boot &&
           a->cursor == b->cursor && a->message_bytes_max == b->message_bytes_max;
}

Test(handshake, a_plain_request_is_what_rust_writes)
{
    static const char expected[] =
        "{\"network_id\":\"client_network\",\"instance_id\":\"client_001\",\"protocol_version\":"
        "\"1.0\","
        "\"auth_token\":\"secret\",\"capabilities\":[\"actor_messaging\"]}";
    struct rfi_hello hello = make_hello();
    struct rfi_hello got;
    struct rfi_buf out;
    hello.has_token = true;
    (void)snprintf(hello.token, sizeof hello.token, "secret");
    rfi_buf_init(&out);
    rfi_handshake_write_request(&hello, false, &out);
    cr_assert_eq(out.size, strlen(expected));
    cr_assert_arr_eq(out.data, expected, out.size);
    cr_assert_eq(rfi_handshake_read_request(out.data, out.size, &got, NULL), RF_OK);
    cr_assert_str_eq(got.network_id, "client_network");
    cr_assert_str_eq(got.instance_id, "client_001");
    cr_assert(got.has_token && strcmp(got.token, "secret") == 0);
    cr_assert(got.has_actors && !got.is_native);
    rfi_buf_fini(&out);
}

Test(handshake, a_native_offer_comes_through)
{
    struct rfi_hello hello = make_hello();
    struct rfi_hello got;
    struct rfi_buf out;
    rfi_buf_init(&out);
    rfi_handshake_write_request(&hello, true, &out);
    cr_assert_eq(rfi_handshake_read_request(out.data, out.size, &got, NULL), RF_OK);
    cr_assert(got.is_native && got.has_actors && !got.has_token);
    cr_assert(same_native(&got.native, &hello.native));

    rfi_buf_clear(&out);
    hello.is_success = true;
    rfi_handshake_write_response(&hello, true, &out);
    cr_assert_eq(rfi_handshake_read_response(out.data, out.size, &got, NULL), RF_OK);
    cr_assert(got.is_native && got.is_success && got.error[0] == '\0');
    cr_assert(same_native(&got.native, &hello.native));
    cr_assert(!got.has_zstd);

    rfi_buf_clear(&out);
    hello.has_zstd = true;
    rfi_handshake_write_response(&hello, true, &out);
    cr_assert_eq(rfi_handshake_read_response(out.data, out.size, &got, NULL), RF_OK);
    cr_assert(got.is_native && got.has_zstd);
    rfi_buf_clear(&out);
    rfi_handshake_write_request(&hello, false, &out);
    cr_assert_eq(rfi_handshake_read_request(out.data, out.size, &got, NULL), RF_OK);
    cr_assert(!got.has_zstd, "the Rust wire has no compression");
    rfi_buf_fini(&out);
}

Test(handshake, a_refusal_carries_its_reason)
{
    static const char expected[] =
        "{\"success\":false,\"network_id\":\"client_network\","
        "\"instance_id\":\"client_001\",\"error\":\"auth_token mismatch\"}";
    struct rfi_hello hello = make_hello();
    struct rfi_hello got;
    struct rfi_buf out;
    (void)snprintf(hello.error, sizeof hello.error, "auth_token mismatch");
    rfi_buf_init(&out);
    rfi_handshake_write_response(&hello, false, &out);
    cr_assert_eq(out.size, strlen(expected));
    cr_assert_arr_eq(out.data, expected, out.size);
    cr_assert_eq(rfi_handshake_read_response(out.data, out.size, &got, NULL), RF_OK);
    cr_assert(!got.is_success && strcmp(got.error, "auth_token mismatch") == 0);
    rfi_buf_fini(&out);
}

Test(handshake, a_long_reason_is_cut_at_a_character)
{
    char json[1024];
    struct rfi_hello got;
    size_t at = (size_t)snprintf(json, sizeof json, "[false,\"n\",\"i\",\"x");
    for (int i = 0; i < 200; i++)
        at += (size_t)snprintf(json + at, sizeof json - at, "\xC3\xA9");
    (void)snprintf(json + at, sizeof json - at, "\"]");
    cr_assert_eq(rfi_handshake_read_response(json, strlen(json), &got, NULL), RF_OK);
    cr_assert_eq(strlen(got.error), 255U);
    cr_assert(rfi_utf8_is_valid(got.error, strlen(got.error)));
}

Test(handshake, reading_is_as_liberal_as_serde)
{
    cr_assert(accepts(" {\"x\":{\"y\":[1]},\"capabilities\":[],\"protocol_version\":\"9\","
                      "\"instance_id\":\"i\",\"network_\\u0069d\":\"n\"}\n"));
    cr_assert(accepts("[\"n\",\"i\",\"1.0\",\"t\",[\"a\",\"b\"]]"));
    cr_assert_not(accepts("[\"n\",\"i\",\"1.0\",null]"));
    cr_assert_not(accepts("[\"n\",\"i\",\"1.0\",null,[],1]"));
    cr_assert_not(accepts("{\"network_id\":\"n\",\"network_id\":\"n\",\"instance_id\":\"i\","
                          "\"protocol_version\":\"1.0\",\"capabilities\":[]}"));
    cr_assert_not(accepts("{\"network_id\":\"n\",\"instance_id\":\"i\",\"protocol_version\":1,"
                          "\"capabilities\":[]}"));
    cr_assert_not(accepts("{\"network_id\":\"n\",\"instance_id\":\"i\",\"protocol_version\":\"1\","
                          "\"capabilities\":[1]}"));
    cr_assert_not(accepts("{\"network_id\":\"n\",\"instance_id\":\"i\",\"protocol_version\":\"1\","
                          "\"capabilities\":[]}x"));
    cr_assert_not(accepts("{\"network_id\":\"a\\u0000b\",\"instance_id\":\"i\","
                          "\"protocol_version\":\"1\",\"capabilities\":[]}"));
    cr_assert_not(accepts(""));
    cr_assert_not(accepts("{\"StartTrace\":{}}"));
    struct rfi_hello got;
    cr_assert_eq(rfi_handshake_read_response("{\"success\":true}", 16, &got, NULL), RF_EFORMAT);
    static const char wrong[] = "{\"success\":1,\"network_id\":\"n\",\"instance_id\":\"i\"}";
    cr_assert_eq(rfi_handshake_read_response(wrong, strlen(wrong), &got, NULL), RF_EFORMAT);
    /* what a request knows is unknown in a response */
    static const char response[] =
        "{\"success\":true,\"network_id\":\"n\",\"instance_id\":\"i\",\"auth_token\":5}";
    cr_assert_eq(rfi_handshake_read_response(response, strlen(response), &got, NULL), RF_OK);
}

Test(handshake, the_reason_of_a_failure_names_the_member)
{
    struct rfi_hello got;
    rf_diag diag;
    memset(&diag, 0, sizeof diag);
    cr_assert_eq(
        read_request("{\"network_id\":\"n\",\"instance_id\":\"i\",\"protocol_version\":\"1.0\"}",
                     &got, &diag),
        RF_EFORMAT);
    cr_assert_not_null(strstr(diag.text, "capabilities"));
}

/* A request whose parts have these sizes. */
static bool accepts_sizes(size_t name, size_t token, size_t capabilities, size_t capability)
{
    struct rfi_buf json;
    struct rfi_hello got;
    rfi_buf_init(&json);
    rfi_buf_append_text(&json, "[\"");
    for (size_t i = 0; i < name; i++)
        rfi_buf_append_byte(&json, 'n');
    rfi_buf_append_text(&json, "\",\"i\",\"1.0\",\"");
    for (size_t i = 0; i < token; i++)
        rfi_buf_append_byte(&json, 't');
    rfi_buf_append_text(&json, "\",[");
    for (size_t c = 0; c < capabilities; c++) {
        rfi_buf_append_text(&json, c > 0 ? ",\"" : "\"");
        for (size_t i = 0; i < capability; i++)
            rfi_buf_append_byte(&json, 'c');
        rfi_buf_append_byte(&json, '"');
    }
    rfi_buf_append_text(&json, "]]");
    rf_err err = rfi_handshake_read_request(json.data, json.size, &got, NULL);
    rfi_buf_fini(&json);
    return err == RF_OK;
}

Test(handshake, the_limits_hold)
{
    cr_assert(accepts_sizes(128, 1024, 2, 64));
    cr_assert_not(accepts_sizes(129, 1, 1, 1));
    cr_assert_not(accepts_sizes(1, 1025, 1, 1));
    cr_assert_not(accepts_sizes(1, 1, 1, 65));
    cr_assert(accepts_sizes(1, 1, 64, 8));
    cr_assert_not(accepts_sizes(1, 1, 65, 8));
    cr_assert_not(accepts_sizes(128, 1024, 64, 64)); /* over 4 KiB */
    static const char head[] =
        "{\"network_id\":\"n\",\"instance_id\":\"i\",\"protocol_version\":\"1\","
        "\"capabilities\":[],\"x\":";
    char json[256];
    (void)snprintf(json, sizeof json, "%s[[[]]]}", head);
    cr_assert(accepts(json));
    (void)snprintf(json, sizeof json, "%s[[[[]]]]}", head);
    cr_assert_not(accepts(json));
}

/* The request of make_hello with `from` replaced by `to`. */
static rf_err read_changed(const char *from, const char *to, struct rfi_hello *out)
{
    struct rfi_hello hello = make_hello();
    struct rfi_buf json;
    struct rfi_buf changed;
    rfi_buf_init(&json);
    rfi_buf_init(&changed);
    rfi_handshake_write_request(&hello, true, &json);
    rfi_buf_append_byte(&json, 0);
    const char *text = (const char *)json.data;
    const char *found = strstr(text, from);
    cr_assert_not_null(found, "%s", from);
    rfi_buf_append(&changed, text, (size_t)(found - text));
    rfi_buf_append_text(&changed, to);
    rfi_buf_append_text(&changed, found + strlen(from));
    rf_err err = rfi_handshake_read_request(changed.data, changed.size, out, NULL);
    rfi_buf_fini(&json);
    rfi_buf_fini(&changed);
    return err;
}

Test(handshake, a_native_offer_must_be_whole_and_of_our_version)
{
    struct rfi_hello got;
    cr_assert_eq(read_changed(",\"reflow.native.1\"", "", &got), RF_OK);
    cr_assert_not(got.is_native);
    cr_assert_eq(read_changed("\"reflow_native\"", "\"reflow_other\"", &got), RF_OK);
    cr_assert_not(got.is_native);
    cr_assert_eq(read_changed("\"version\":1", "\"version\":2", &got), RF_OK);
    cr_assert_not(got.is_native);
    cr_assert_eq(read_changed("\"version\":1", "\"future\":{\"a\":[]},\"version\":1", &got), RF_OK);
    cr_assert(got.is_native);
    cr_assert_eq(read_changed("\"boot\":3,", "", &got), RF_EFORMAT);
    cr_assert_eq(read_changed("\"boot\":3", "\"boot\":-3", &got), RF_EFORMAT);
    cr_assert_eq(read_changed("\"boot\":3", "\"boot\":3,\"boot\":3", &got), RF_EFORMAT);
    cr_assert_eq(read_changed("00112233", "0011223", &got), RF_EFORMAT);
    cr_assert_eq(read_changed("00112233", "0011223G", &got), RF_EFORMAT);
    cr_assert_eq(read_changed("67108864", "99999999999", &got), RF_OK);
    cr_assert_eq(got.native.message_bytes_max, UINT32_MAX);
}

Test(handshake, level_fast_is_offered_beside_the_native_wire_only)
{
    static const char capabilities[] =
        "\"capabilities\":[\"actor_messaging\",\"reflow.native.1\",\"reflow.native.fast\"]";
    struct rfi_hello hello = make_hello();
    struct rfi_hello got;
    struct rfi_buf out;
    rfi_buf_init(&out);
    hello.native.takes_fast = true;
    rfi_handshake_write_request(&hello, true, &out);
    rfi_buf_append_byte(&out, 0);
    cr_assert_not_null(strstr((const char *)out.data, capabilities));
    cr_assert_eq(rfi_handshake_read_request(out.data, out.size - 1, &got, NULL), RF_OK);
    cr_assert(got.is_native && got.native.takes_fast);

    rfi_buf_clear(&out);
    hello.native.takes_fast = false; /* as a node of the first version has it */
    rfi_handshake_write_request(&hello, true, &out);
    cr_assert_eq(rfi_handshake_read_request(out.data, out.size, &got, NULL), RF_OK);
    cr_assert(got.is_native && !got.native.takes_fast);

    rfi_buf_clear(&out);
    hello.native.takes_fast = true;
    rfi_handshake_write_request(&hello, false, &out);
    rfi_buf_append_byte(&out, 0);
    cr_assert_null(strstr((const char *)out.data, "reflow."));
    rfi_buf_fini(&out);
    cr_assert_eq(read_changed("\"reflow.native.1\"", "\"reflow.native.fast\"", &got), RF_OK);
    cr_assert_not(got.native.takes_fast);
}

Test(handshake, nothing_is_written_on_failure)
{
    struct rfi_hello got;
    uint8_t before[sizeof got];
    memset(&got, 0x5A, sizeof got);
    memset(before, 0x5A, sizeof before);
    cr_assert_eq(read_request("{\"network_id\":\"n\"}", &got, NULL), RF_EFORMAT);
    cr_assert_arr_eq((const void *)&got, before, sizeof before);
}

Test(handshake, tokens_are_compared_whole)
{
    cr_assert(rfi_token_equal("", ""));
    cr_assert(rfi_token_equal("secret", "secret"));
    cr_assert_not(rfi_token_equal("secret", "secre"));
    cr_assert_not(rfi_token_equal("secret", "secret "));
    cr_assert_not(rfi_token_equal("", "x"));
}
