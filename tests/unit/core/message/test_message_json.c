/* SPDX-License-Identifier: MIT */
/* Messages and JSON: the tagged form beyond the golden lines, the plain value, and what a hostile text
 * must not do. */
#include "core/message/message_internal.h"
#include "support/rf_test.h"

#include <math.h>

static rf_message *tagged(const char *json)
{
    rf_message *msg = NULL;
    rf_err err = rf_message_from_tagged(json, strlen(json), &msg, NULL);
    return err == RF_OK ? msg : NULL;
}

static bool is_rejected(const char *json)
{
    rf_message *msg = tagged(json);
    rf_message_unref(msg);
    return msg == NULL;
}

/* Read and write again; the result is a text of its own. */
static char *rewritten(const char *json)
{
    rf_message *msg = tagged(json);
    cr_assert_not_null(msg, "%s", json);
    char *text = NULL;
    size_t size = 0;
    cr_assert_eq(rf_message_to_tagged(msg, &text, &size), RF_OK);
    cr_assert_eq(strlen(text), size);
    rf_message_unref(msg);
    return text;
}

static void check_rewritten(const char *json, const char *expected)
{
    char *text = rewritten(json);
    cr_assert_str_eq(text, expected);
    free(text);
}

Test(message_json, members_come_in_any_order)
{
    check_rewritten("{\"data\":[1,2],\"type\":\"Stream\"}", "{\"type\":\"Bytes\",\"data\":[1,2]}");
    check_rewritten(
        "{\"x\":{\"type\":1},\"data\":{\"y\":[[]],\"data\":[49]},\"type\":\"Any\",\"z\":0}",
        "{\"type\":\"Any\",\"data\":{\"data\":[49]}}");
    check_rewritten(" { \"d\\u0061ta\" : null , \"typ\\u0065\" : \"Fl\\u006fw\" } ",
                    "{\"type\":\"Flow\"}");
    check_rewritten(
        "{\"data\":{\"port\":\"p\",\"x\":1,\"actor_id\":\"a\",\"network_id\":\"n\"},"
        "\"type\":\"RemoteReference\"}",
        "{\"type\":\"RemoteReference\",\"data\":{\"network_id\":\"n\",\"actor_id\":\"a\","
        "\"port\":\"p\"}}");
}

Test(message_json, pairs_are_read)
{
    check_rewritten("[\"Flow\",null]", "{\"type\":\"Flow\"}");
    check_rewritten("[\"Array\",[[[49]],{\"data\":[]}]]",
                    "{\"type\":\"Array\",\"data\":[{\"data\":[49]},{\"data\":[]}]}");
    check_rewritten("[\"StreamHandle\",[7,\"a\",\"o\",null,9]]",
                    "{\"type\":\"StreamHandle\",\"data\":{\"stream_id\":7,\"origin_actor\":\"a\","
                    "\"origin_port\":\"o\",\"content_type\":null,\"size_hint\":9}}");
    cr_assert(is_rejected("[\"Flow\"]"));
    cr_assert(is_rejected("[]"));
    cr_assert(is_rejected("[\"Integer\",5,6]"));
    cr_assert(is_rejected("[\"Integer\",5,]"));
}

Test(message_json, duplicates_and_wrong_types_are_rejected)
{
    static const char *const texts[] = {
        "",
        " ",
        "null",
        "{}",
        "{\"data\":1}",
        "{\"type\":\"Integer\"}",
        "{\"type\":\"Integer\",\"data\":1,\"data\":1}",
        "{\"data\":1,\"data\":1,\"type\":\"Integer\"}",
        "{\"data\":1,\"type\":\"Integer\",\"type\":\"Integer\"}",
        "{\"type\":\"Object\",\"data\":{\"data\":[],\"data\":[]}}",
        "{\"type\":\"Object\",\"data\":[[],[]]}",
        "{\"type\":\"Object\",\"data\":[]}",
        "{\"type\":\"Object\",\"data\":{\"data\":null}}",
        "{\"type\":\"Integer\",\"data\":-0}",
        "{\"type\":\"Integer\",\"data\":1e2}",
        "{\"type\":\"Integer\",\"data\":-9223372036854775809}",
        "{\"type\":\"Integer\",\"data\":01}",
        "{\"type\":\"Float\",\"data\":1e999}",
        "{\"type\":\"Float\",\"data\":.5}",
        "{\"type\":\"Float\",\"data\":1.}",
        "{\"type\":\"Float\",\"data\":+1}",
        "{\"type\":\"Boolean\",\"data\":1}",
        "{\"type\":\"Boolean\",\"data\":truE}",
        "{\"type\":\"Bytes\",\"data\":[1,]}",
        "{\"type\":\"Bytes\",\"data\":[,1]}",
        "{\"type\":\"Bytes\",\"data\":[1 2]}",
        "{\"type\":\"Bytes\",\"data\":[01]}",
        "{\"type\":\"Bytes\",\"data\":[1.0]}",
        "{\"type\":\"Bytes\",\"data\":[-1]}",
        "{\"type\":\"Bytes\",\"data\":[-0]}",
        "{\"type\":\"Bytes\",\"data\":[1000]}",
        "{\"type\":\"Bytes\",\"data\":[1",
        "{\"type\":\"Bytes\",\"data\":[[1]]}",
        "{\"type\":\"Bytes\",\"data\":[1,2}",
        "{\"type\":\"Bytes\",\"data\":[\"]\"]}",
        "{\"type\":\"String\",\"data\":\"\xC3\"}",
        "{\"type\":\"String\",\"data\":\"\xED\xA0\x80\"}",
        "{\"type\":\"String\",\"data\":\"\\x\"}",
        "{\"type\":\"String\",\"data\":\"\\u12G4\"}",
        "{\"type\":\"String\",\"data\":\"\\udc00\\ud800\"}",
        "{\"type\":\"String\",\"data\":\"a",
        "[\"StreamHandle\",{\"stream_id\":-1,\"origin_actor\":\"\",\"origin_port\":\"\"}]",
        "{\"type\":\"StreamHandle\",\"data\":{\"origin_actor\":\"\",\"origin_port\":\"\"}}",
        "{\"type\":\"NetworkEvent\",\"data\":{\"event_type\":\"Nope\",\"data\":{\"data\":[]}}}",
        "{\"type\":\"NetworkEvent\",\"data\":{\"event_type\":\"HeartbeatMissed\"}}",
        "{\"type\":\"Flow\"}x",
        "{\"type\":\"Flow\",}",
        "{\"type\":\"Flow\"",
        "{\"type\" \"Flow\"}",
        "{type:\"Flow\"}",
        "\xEF\xBB\xBF{\"type\":\"Flow\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_assert(is_rejected(texts[i]), "%s", texts[i]);
}

Test(message_json, every_prefix_of_a_text_is_rejected)
{
    static const char json[] = "{\"type\":\"Array\",\"data\":[{\"data\":[123,34,0]},{\"x\":[{"
                               "\"a\\n\":1.5e-3}],\"data\":[255]}]}";
    size_t size = strlen(json);
    for (size_t i = 0; i < size; i++) {
        char *part = malloc(i + 1); /* of its exact size, so that reading behind it is seen */
        cr_assert_not_null(part);
        memcpy(part, json, i);
        rf_message *msg = NULL;
        cr_assert_eq(rf_message_from_tagged(part, i, &msg, NULL), RF_EFORMAT);
        free(part);
    }
    char *text = rewritten(json);
    free(text);
}

Test(message_json, escapes_are_decoded)
{
    rf_message *msg = tagged("{\"type\":\"String\",\"data\":\"\\\"\\\\\\/"
                             "\\b\\f\\n\\r\\t\\u0000\\u00e9\\u20AC\\ud83d\\ude00x\"}");
    static const char expected[] = "\"\\/\b\f\n\r\t\0\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80x";
    cr_assert_not_null(msg);
    rf_span data = rf_message_data(msg);
    cr_assert_eq(data.size, sizeof expected - 1);
    cr_assert_arr_eq(data.data, expected, sizeof expected - 1);
    rf_message_unref(msg);
}

Test(message_json, every_byte_value_survives)
{
    uint8_t bytes[40000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    rf_message *msg = rf_message_bytes(bytes, sizeof bytes);
    char *json = NULL;
    size_t size = 0;
    cr_assert_eq(rf_message_to_tagged(msg, &json, &size), RF_OK);
    rf_message *again = tagged(json);
    cr_assert(again != NULL && rf_message_equal(msg, again));
    rf_message_unref(again);
    /* blanks between the numbers are rare and allowed */
    rf_message_unref(tagged("{\"type\":\"Bytes\",\"data\":[ 1 ,\n2\t,3 ] }"));
    check_rewritten("{\"type\":\"Bytes\",\"data\":[ 0 ,\n20\t,255 ] }",
                    "{\"type\":\"Bytes\",\"data\":[0,20,255]}");
    check_rewritten("{\"type\":\"Bytes\",\"data\":[ \n ]}", "{\"type\":\"Bytes\",\"data\":[]}");
    free(json);
    rf_message_unref(msg);
}

Test(message_json, unknown_members_may_nest_deep_but_not_for_ever)
{
    enum { DEPTH = 100000 };
    static char json[2 * DEPTH + 100];
    static const size_t depths[] = {1024, 1025, DEPTH};
    for (size_t d = 0; d < 3; d++) {
        size_t at = (size_t)snprintf(json, sizeof json, "{\"type\":\"Flow\",\"x\":");
        memset(json + at, '[', depths[d]);
        memset(json + at + depths[d], ']', depths[d]);
        (void)snprintf(json + at + 2 * depths[d], sizeof json - at - 2 * depths[d], "}");
        cr_assert_eq(is_rejected(json), depths[d] > 1024);
    }
    memset(json, '{', DEPTH);
    json[DEPTH] = '\0';
    cr_assert(is_rejected(json));
}

Test(message_json, ignored_members_are_read_leniently_and_kept_ones_strictly)
{
    cr_assert_not(is_rejected("{\"type\":\"Flow\",\"x\":\"\\ud800\",\"y\":1e999}"));
    cr_assert(is_rejected("{\"type\":\"Flow\",\"\\ud800\":1}"));
    cr_assert(is_rejected("{\"type\":\"Flow\",\"x\":\"\x01\"}"));
    cr_assert(is_rejected("{\"type\":\"Flow\",\"x\":\"\\u12\"}"));
    cr_assert(is_rejected("{\"data\":{\"x\":\"\\ud800\",\"data\":[]},\"type\":\"Any\"}"));
    cr_assert_not(is_rejected("{\"type\":\"Any\",\"data\":{\"x\":\"\\ud800\",\"data\":[]}}"));
}

Test(message_json, floats_are_read_exactly)
{
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"0.1", 0.1},
                 {"-0", -0.0},
                 {"1e22", 1e22},
                 {"1e23", 1e23},
                 {"123456789012345678", 123456789012345678.0},
                 {"5e-324", 5e-324},
                 {"2.2250738585072014e-308", 2.2250738585072014e-308},
                 {"1.7976931348623157e308", 1.7976931348623157e308},
                 {"9007199254740993.0", 9007199254740992.0},
                 {"1e-400", 0.0},
                 {"0e999", 0.0},
                 {"18446744073709551615", 18446744073709551615.0},
                 {"18446744073709551616", 18446744073709551616.0},
                 {"3.141592653589793", 3.141592653589793}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[128];
        (void)snprintf(json, sizeof json, "{\"type\":\"Float\",\"data\":%s}", cases[i].text);
        rf_message *msg = tagged(json);
        cr_assert_not_null(msg, "%s", json);
        double got = rf_message_as_float(msg);
        cr_assert(got == cases[i].value && signbit(got) == signbit(cases[i].value), "%s", json);
        rf_message_unref(msg);
    }
}

Test(message_json, a_mistake_is_reported_with_its_place)
{
    rf_message *msg = NULL;
    rf_diag diag;
    static const char json[] = "{\"type\":\"Integer\",\n \"data\": x}";
    cr_assert_eq(rf_message_from_tagged(json, strlen(json), &msg, &diag), RF_EFORMAT);
    cr_assert(diag.line == 2 && diag.column == 10 && diag.text[0] != '\0');
    cr_assert_eq(rf_message_from_tagged(json, strlen(json), &msg, NULL), RF_EFORMAT);
    cr_assert_null(msg);
}

/* ---- plain values ---- */

static rf_message *from_value(const char *json)
{
    rf_message *msg = NULL;
    rf_err err = rf_message_from_value(json, strlen(json), &msg, NULL);
    return err == RF_OK ? msg : NULL;
}

static void check_value(const char *json, rf_kind kind, const char *expected)
{
    rf_message *msg = from_value(json);
    cr_assert_not_null(msg, "%s", json);
    cr_assert_eq(rf_message_kind(msg), kind, "%s", json);
    char *text = NULL;
    size_t size = 0;
    cr_assert_eq(rf_message_to_value(msg, &text, &size), RF_OK);
    cr_assert_str_eq(text, expected);
    cr_assert_eq(size, strlen(expected));
    free(text);
    rf_message_unref(msg);
}

Test(message_json, values_become_the_kinds_that_rust_makes_of_them)
{
    check_value("null", RF_KIND_OPTIONAL, "null");
    check_value(" true ", RF_KIND_BOOLEAN, "true");
    check_value("-9223372036854775808", RF_KIND_INTEGER, "-9223372036854775808");
    check_value("9223372036854775807", RF_KIND_INTEGER, "9223372036854775807");
    check_value("9223372036854775808", RF_KIND_FLOAT, "9.223372036854776e18");
    check_value("1.0", RF_KIND_FLOAT, "1.0");
    check_value("\"a\\n\"", RF_KIND_STRING, "\"a\\n\"");
    check_value("[1, {\"a\" : \"b c\\\" d\"}, [ ], null]", RF_KIND_ARRAY,
                "[1,{\"a\":\"b c\\\" d\"},[],null]");
    check_value("[]", RF_KIND_ARRAY, "[]");
    check_value("{ \"k\" : [1,\t2] }", RF_KIND_OBJECT, "{\"k\":[1,2]}");
    cr_assert_null(from_value(""));
    cr_assert_null(from_value("1 2"));
    cr_assert_null(from_value("[1,]"));
    cr_assert_null(from_value("{\"a\":}"));
    cr_assert_null(from_value("1e999"));
    cr_assert_null(from_value("\"\\ud800\""));
}

static void check_plain(rf_message *msg, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    cr_assert_eq(rf_message_to_value(msg, &text, &size), RF_OK);
    cr_assert_str_eq(text, expected);
    free(text);
    rf_message_unref(msg);
}

Test(message_json, every_kind_has_a_plain_value)
{
    rf_stream_handle handle = {.stream_id = 7, .origin_actor = {"a", 1}, .origin_port = {"o", 1}};
    rf_remote_reference reference = {{"n", 1}, {"a", 1}, {"p", 1}};
    rf_network_notice notice = {{"HeartbeatMissed", 15}, {"[1]", 3}};
    check_plain(rf_message_flow(), "\"flow\"");
    check_plain(rf_message_event("{\"a\":1}", 7), "{\"a\":1}");
    check_plain(rf_message_event("{\"a\":", 5), "null");
    check_plain(rf_message_any("\x80\x01", 2), "null");
    check_plain(rf_message_optional("", 0), "null");
    check_plain(rf_message_error("bad", 3), "\"bad\"");
    check_plain(rf_message_bytes("\x00\xFF", 2), "[0,255]");
    check_plain(rf_message_encoded("\x01", 1), "[1]");
    check_plain(rf_message_float((double)NAN), "null");
    check_plain(
        rf_message_stream_handle(&handle),
        "{\"stream_id\":7,\"origin_actor\":\"a\",\"origin_port\":\"o\",\"content_type\":null,"
        "\"size_hint\":null}");
    check_plain(rf_message_remote_reference(&reference),
                "{\"network_id\":\"n\",\"actor_id\":\"a\",\"port\":\"p\"}");
    check_plain(rf_message_network_event(&notice),
                "{\"event_type\":\"HeartbeatMissed\",\"data\":[1]}");
    rf_span items[] = {{"1", 1}, {"x", 1}};
    check_plain(rf_message_array(items, 2), "[1,null]");
}

Test(message_json, a_failed_write_leaves_the_buffer_as_it_was)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_buf_append_text(&buf, "kept");
    rf_message *msg = rf_message_float((double)INFINITY);
    cr_assert_eq(rfi_message_write_tagged(msg, "Bytes", &buf), RF_EINVAL);
    cr_assert(buf.size == 4 && memcmp(buf.data, "kept", 4) == 0);
    rf_message_unref(msg);
    rfi_buf_fini(&buf);
}
