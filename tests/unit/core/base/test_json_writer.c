/* SPDX-License-Identifier: MIT */
#include "core/base/json_writer.h"
#include "support/rf_test.h"

#include <locale.h>
#include <math.h>

Test(json_writer, commas_stand_where_they_belong)
{
    struct rfi_buf buf;
    struct rfi_json_writer w;
    rfi_buf_init(&buf);
    rfi_jsonw_init(&w, &buf);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_string(&w, "a", "b");
    rfi_jsonw_kv_int(&w, "i", INT64_MIN);
    rfi_jsonw_kv_uint(&w, "u", UINT64_MAX);
    rfi_jsonw_kv_double(&w, "d", 1);
    rfi_jsonw_kv_bool(&w, "t", true);
    rfi_jsonw_key(&w, "list");
    rfi_jsonw_begin_array(&w);
    rfi_jsonw_null(&w);
    rfi_jsonw_begin_array(&w);
    rfi_jsonw_end_array(&w);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_end_object(&w);
    rfi_jsonw_raw(&w, "[1]", 3);
    rfi_jsonw_end_array(&w);
    rfi_jsonw_key_bytes(&w, "k\0", 2);
    rfi_jsonw_string(&w, NULL);
    rfi_jsonw_end_object(&w);
    char *text = rfi_buf_take_text(&buf, NULL);
    cr_assert_str_eq(text, "{\"a\":\"b\",\"i\":-9223372036854775808,\"u\":18446744073709551615,"
                           "\"d\":1.0,\"t\":true,\"list\":[null,[],{},[1]],\"k\\u0000\":null}");
    free(text);
}

Test(json_writer, too_deep_or_unbalanced_is_a_failure_not_a_broken_text)
{
    struct rfi_buf buf;
    struct rfi_json_writer w;
    rfi_buf_init(&buf);
    rfi_jsonw_init(&w, &buf);
    for (int i = 0; i < RFI_JSON_WRITER_DEPTH; i++)
        rfi_jsonw_begin_array(&w);
    cr_assert_not(buf.is_failed);
    for (int i = 0; i < 10; i++) {
        rfi_jsonw_begin_array(&w);
        rfi_jsonw_int(&w, 1);
    }
    cr_assert(buf.is_failed);
    rfi_buf_fini(&buf);
    rfi_jsonw_init(&w, &buf);
    rfi_jsonw_end_array(&w);
    cr_assert(buf.is_failed);
    rfi_buf_fini(&buf);
}

static const char *string_of(const char *text, size_t size)
{
    static char kept[256];
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_json_write_string(&buf, text, size);
    (void)snprintf(kept, sizeof kept, "%.*s", (int)buf.size, (const char *)buf.data);
    rfi_buf_fini(&buf);
    return kept;
}

Test(json_writer, strings_are_escaped_as_serde_json_does)
{
    cr_assert_str_eq(string_of("", 0), "\"\"");
    cr_assert_str_eq(string_of("a/b'<>&", 7), "\"a/b'<>&\"");
    cr_assert_str_eq(string_of("\b\f\n\r\t\"\\", 7), "\"\\b\\f\\n\\r\\t\\\"\\\\\"");
    cr_assert_str_eq(string_of("\0\x1f\x7f", 3), "\"\\u0000\\u001f\x7f\"");
    cr_assert_str_eq(string_of("\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80", 9),
                     "\"\xc3\xa4\xe2\x80\xa8\xf0\x9f\x98\x80\"");
    cr_assert_str_eq(string_of("a\xff\xe2\x82", 4), "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static const char *double_of(double value)
{
    static char kept[64];
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_json_write_double(&buf, value);
    (void)snprintf(kept, sizeof kept, "%.*s", (int)buf.size, (const char *)buf.data);
    rfi_buf_fini(&buf);
    return kept;
}

static const struct {
    double value;
    const char *text;
} doubles[] = {
    {0.0, "0.0"},
    {-0.0, "-0.0"},
    {1, "1.0"},
    {-1.5, "-1.5"},
    {0.1, "0.1"},
    {0.3, "0.3"},
    {0.1 + 0.2, "0.30000000000000004"},
    {1.0 / 3.0, "0.3333333333333333"},
    {2.0 / 3.0, "0.6666666666666666"},
    {100, "100.0"},
    {123456789, "123456789.0"},
    {1e15, "1000000000000000.0"},
    {1e16, "1e16"},
    {1234567890123456.7, "1234567890123456.8"},
    {12345678901234567.0, "1.2345678901234568e16"},
    {1e-5, "0.00001"},
    {1.5e-5, "0.000015"},
    {1e-6, "1e-6"},
    {1e-7, "1e-7"},
    {1.25e-7, "1.25e-7"},
    {1e21, "1e21"},
    {1e300, "1e300"},
    {1.5e300, "1.5e300"},
    {5e-324, "5e-324"},
    {2.2250738585072014e-308, "2.2250738585072014e-308"},
    {2.225073858507201e-308, "2.225073858507201e-308"},
    {1.7976931348623157e308, "1.7976931348623157e308"},
    {9007199254740993.0, "9007199254740992.0"},
    {18014398509481984.0, "1.8014398509481984e16"},
    {5.684341886080802e-14, "5.684341886080802e-14"},
    {9.5367431640625e-7, "9.5367431640625e-7"},
    {1e22, "1e22"},
    {1e23, "1e23"},
    {4.35, "4.35"},
    {299792458, "299792458.0"},
};

Test(json_writer, doubles_have_the_shortest_form_of_serde_json)
{
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++)
        cr_assert_str_eq(double_of(doubles[i].value), doubles[i].text);
    cr_assert_str_eq(double_of(NAN), "null");
    cr_assert_str_eq(double_of(INFINITY), "null");
    cr_assert_str_eq(double_of(-INFINITY), "null");
}

Test(json_writer, doubles_read_back_as_themselves)
{
    uint64_t state = 88172645463325252U; /* xorshift, a fixed seed */
    for (int i = 0; i < 50000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        double value;
        memcpy(&value, &state, sizeof value);
        if (!isfinite(value))
            continue;
        const char *text = double_of(value);
        cr_assert_eq(strtod(text, NULL), value);
        cr_assert_leq(strlen(text), 25U);
    }
    for (int exponent = -1074; exponent < 1024; exponent++) {
        double value = ldexp(1, exponent);
        cr_assert_eq(strtod(double_of(value), NULL), value);
    }
}

Test(json_writer, the_locale_does_not_show)
{
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (setlocale(LC_NUMERIC, names[i]) != NULL)
            break; /* whichever this system has; a comma locale if it has one */
    cr_assert_str_eq(double_of(1234.5), "1234.5");
    cr_assert_str_eq(double_of(1.5e300), "1.5e300");
    (void)setlocale(LC_NUMERIC, "C");
}
