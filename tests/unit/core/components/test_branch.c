/* SPDX-License-Identifier: MIT */
/* tpl_switch, tpl_if_branch, tpl_data_transformer, tpl_json_parse, tpl_json_print, tpl_file_writer. */
#include "unit/core/components/rig.h"
#include <unistd.h>

Test(switch_case, matches_plain_and_tagged_values, .timeout = 60)
{
    struct rig *rig = rig_open(
        "tpl_switch", "{\"propertyValues\":{\"case1_value\":{\"type\":\"String\",\"data\":\"GO\"},"
                      "\"case2_value\":\"stop\",\"case3_value\":5,\"case4_value\":{\"a\":1}}}");

    rig_send_text(rig, "data", "GO");
    rig_send_text(rig, "data", "stop");
    rig_send(rig, "data", rf_message_float(5.0));
    rig_send_json(rig, "data", "{ \"a\" : 1 }");
    rig_send_text(rig, "data", "else");
    rig_send_json(rig, "data", "{\"type\":\"String\",\"data\":\"GO\"}");

    rig_expect(rig, "case1", RF_KIND_STRING, "\"GO\"");
    rig_expect(rig, "case2", RF_KIND_STRING, "\"stop\"");
    rig_expect(rig, "case3", RF_KIND_FLOAT, "5.0");
    rig_expect(rig, "case4", RF_KIND_OBJECT, "{\"a\":1}");
    rig_expect(rig, "default", RF_KIND_STRING, "\"else\"");
    rig_expect(rig, "case1", RF_KIND_OBJECT, "{\"type\":\"String\",\"data\":\"GO\"}");
    rig_close(rig);
}

Test(switch_case, looks_into_fields_of_objects, .timeout = 60)
{
    struct rig *rig = rig_open(
        "tpl_switch",
        "{\"propertyValues\":{\"switch_field\":\"order.state\",\"case1_value\":\"paid\"}}");

    rig_send_json(rig, "data", "{\"order\":{\"state\":\"paid\"}}");
    rig_send_json(rig, "data", "{\"order\":{}}");

    rig_expect(rig, "case1", RF_KIND_OBJECT, "{\"order\":{\"state\":\"paid\"}}");
    rig_expect(rig, "default", RF_KIND_OBJECT, "{\"order\":{}}");
    rig_close(rig);
}

static void check_branch(const char *metadata, const char *input, bool expected)
{
    struct rig *rig = rig_open("tpl_if_branch", metadata);
    rig_send_json(rig, "data", input);
    rf_message *msg = rig_next(rig, expected ? "true_output" : "false_output");
    rf_message_unref(msg);
    rig_close(rig);
}

Test(if_branch, single_conditions, .timeout = 120)
{
    check_branch(NULL, "1", true);
    check_branch(NULL, "null", false);
    check_branch("{\"condition_type\":\"equals\",\"condition_value\":\"5\"}", "5", true);
    check_branch("{\"condition_type\":\"equals\",\"value\":true}", "\"true\"", true);
    check_branch("{\"condition_type\":\"equals\",\"condition_field\":\"a\",\"value\":{\"type\":"
                 "\"String\",\"data\":\"x\"}}",
                 "{\"a\":\"x\"}", true);
    check_branch("{\"condition_type\":\"greater_than\",\"field\":\"n\",\"value\":10}", "{\"n\":9}",
                 false);
    check_branch("{\"condition_type\":\"greater_than\",\"field\":\"n\",\"value\":10}", "{\"n\":11}",
                 true);
    check_branch("{\"condition_type\":\"less_than\",\"value\":\"b\"}", "\"a\"", true);
    check_branch("{\"condition_type\":\"less_than\",\"value\":5}", "[]", false);
    check_branch("{\"condition_type\":\"is_empty\",\"field\":\"missing\"}", "{\"a\":1}", true);
    check_branch("{\"condition_type\":\"contains\",\"value\":\"lo\"}", "\"hello\"", true);
}

Test(if_branch, rules_in_groups, .timeout = 120)
{
    static const char all[] =
        "{\"propertyValues\":{\"decisionRules\":{\"type\":\"IF\",\"groups\":["
        "{\"connector\":\"AND\",\"rules\":[{\"field\":\"age\",\"operator\":\"greater_equal\","
        "\"value\":\"18\"},{\"field\":\"name\",\"operator\":\"not_empty\"}]},"
        "{\"connector\":\"OR\",\"rules\":[{\"field\":\"role\",\"operator\":\"is\",\"value\":"
        "\"admin\"},{\"field\":\"role\",\"operator\":\"is\",\"value\":\"owner\"}]}]}}}";
    check_branch(all, "{\"age\":18,\"name\":\"A\",\"role\":\"owner\"}", true);
    check_branch(all, "{\"age\":17,\"name\":\"A\",\"role\":\"owner\"}", false);
    check_branch(all, "{\"age\":18,\"name\":\"A\",\"role\":\"guest\"}", false);
    static const char any[] =
        "{\"decisionRules\":{\"type\":\"OR\",\"groups\":["
        "{\"rules\":[{\"field\":\"a\",\"operator\":\"is_not\",\"value\":1}]},"
        "{\"rules\":[{\"field\":\"b\",\"operator\":\"not_contains\",\"value\":\"x\"}]}]}}";
    check_branch(any, "{\"a\":1,\"b\":\"xyz\"}", false);
    check_branch(any, "{\"a\":2,\"b\":\"xyz\"}", true);
    check_branch(any, "{\"a\":1,\"b\":\"abc\"}", true);
}

Test(if_branch, both_spellings_of_its_ports_can_be_wired, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_if_branch", NULL);

    cr_assert_eq(rf_network_add_connection(rig->net, "x", "true-out", "probe", "p7", NULL), RF_OK);
    cr_assert_eq(rf_network_add_connection(rig->net, "x", "false-out", "probe", "p7", NULL), RF_OK);

    rig_close(rig);
}

static void transform(const char *metadata, rf_message *input, const char *port, rf_kind kind,
                      const char *expected)
{
    struct rig *rig = rig_open("tpl_data_transformer", metadata);
    rig_send(rig, "input", input);
    if (expected != NULL)
        rig_expect(rig, port, kind, expected);
    else
        rf_message_unref(rig_next(rig, port));
    rig_close(rig);
}

static rf_message *text(const char *value)
{
    return rf_message_string(value, strlen(value));
}

static rf_message *object(const char *json)
{
    return rf_message_object(json, strlen(json));
}

Test(transformer, each_rule, .timeout = 120)
{
    transform(NULL, text("a"), "output", RF_KIND_STRING, "\"a\"");
    transform("{\"transform_type\":\"to_uppercase\"}", text("az\xc3\xa9"), "output", RF_KIND_STRING,
              "\"AZ\xc3\xa9\"");
    transform("{\"operation\":\"to_lowercase\"}", text("AZ[@"), "output", RF_KIND_STRING,
              "\"az[@\"");
    transform("{\"operation\":\"to_json\"}", object("{\"a\":1}"), "output", RF_KIND_STRING,
              "\"{\\\"a\\\":1}\"");
    transform("{\"operation\":\"from_json\"}", text("[1]"), "output", RF_KIND_ARRAY, "[1]");
    transform("{\"operation\":\"from_json\"}", text("[1"), "error", RF_KIND_ERROR, NULL);
}

Test(transformer, fields_of_objects, .timeout = 120)
{
    transform("{\"operation\":\"extract_field\",\"field\":\"a.b\"}", object("{\"a\":{\"b\":5}}"),
              "output", RF_KIND_INTEGER, "5");
    transform("{\"operation\":\"extract_field\",\"field\":\"x\"}", object("{\"a\":1}"), "output",
              RF_KIND_OPTIONAL, "null");
    transform("{\"operation\":\"set_field\",\"field_name\":\"b\",\"field_value\":[1]}",
              object("{\"a\":1.50,\"b\":2}"), "output", RF_KIND_OBJECT, "{\"a\":1.50,\"b\":[1]}");
    transform("{\"operation\":\"set_field\",\"field_name\":\"b\",\"field_value\":\"x\"}", text("s"),
              "error", RF_KIND_ERROR, "\"set_field takes an Object\"");
    transform("{\"operation\":\"template\",\"template\":\"<${value}|${a}|${no}|$>\"}",
              object("{\"a\":\"x\"}"), "output", RF_KIND_STRING,
              "\"<{\\\"a\\\":\\\"x\\\"}|x||$>\"");
}

Test(json, parse_gives_every_kind_and_says_where_it_is_wrong, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_json_parse", NULL);

    rig_send_text(rig, "input", "{\"a\":1}");
    rig_send(rig, "input", rf_message_bytes("5", 1));
    rig_send_text(rig, "input", "5.0");
    rig_send_text(rig, "input", "null");
    rig_send_text(rig, "input", "{\"a\":\n x}");
    rig_send(rig, "input", rf_message_integer(5));

    rig_expect(rig, "output", RF_KIND_OBJECT, "{\"a\":1}");
    rig_expect(rig, "output", RF_KIND_INTEGER, "5");
    rig_expect(rig, "output", RF_KIND_FLOAT, "5.0");
    rig_expect(rig, "output", RF_KIND_OPTIONAL, "null");
    rig_expect_holds(rig, "error", "no JSON: ");
    rig_expect_holds(rig, "error", "not Integer");
    rig_close(rig);
}

Test(json, print_is_compact_or_pretty, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_json_print", NULL);
    rig_send_json(rig, "input", "{\"a\":[1,{}]}");
    rig_expect(rig, "output", RF_KIND_STRING, "\"{\\\"a\\\":[1,{}]}\"");
    rig_close(rig);

    rig = rig_open("tpl_json_print", "{\"propertyValues\":{\"pretty\":true}}");
    rig_send_json(rig, "input", "{\"a\":[1, { } ,\"x{,\\\"\"],\"b\":[ ]}");
    rf_message *msg = rig_next(rig, "output");
    rf_span pretty = rf_message_data(msg);
    static const char expected[] = "{\n  \"a\": [\n    1,\n    {},\n    \"x{,\\\"\"\n  ],\n"
                                   "  \"b\": []\n}";
    cr_assert_eq(pretty.size, sizeof expected - 1, "%.*s", (int)pretty.size,
                 (const char *)pretty.data);
    cr_assert_arr_eq(pretty.data, expected, pretty.size);
    rf_message_unref(msg);
    rig_close(rig);
}

static void expect_file(const char *path, const char *expected)
{
    char content[256] = "";
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    (void)!fread(content, 1, sizeof content - 1, file);
    (void)fclose(file);
    cr_assert_str_eq(content, expected);
}

static struct rig *open_writer(const char *path, const char *more)
{
    char metadata[512];
    (void)snprintf(metadata, sizeof metadata, "{\"propertyValues\":{\"path\":\"%s\"%s}}", path,
                   more);
    return rig_open("tpl_file_writer", metadata);
}

Test(file_writer, writes_texts_as_lines_and_bytes_as_they_are, .timeout = 60)
{
    char *path = rig_file("old content", 11);
    struct rig *rig = open_writer(path, "");

    rig_send_text(rig, "input", "one");
    rig_send(rig, "input", rf_message_bytes("two", 3));
    rig_send_json(rig, "input", "{\"a\":1}");
    rig_send_flow(rig, "input");

    rig_expect_holds(rig, "done", "\"bytes\":15,\"messages\":3}");
    expect_file(path, "one\ntwo{\"a\":1}\n");
    rig_send_flow(rig, "input");
    rig_expect_holds(rig, "done", "\"bytes\":0,\"messages\":0}");
    expect_file(path, "");
    rig_close(rig);
    (void)unlink(path);
    free(path);
}

Test(file_writer, appends_when_told, .timeout = 60)
{
    char *path = rig_file("old\n", 4);
    struct rig *rig = open_writer(path, ",\"append\":true,\"newline\":false");

    rig_send_text(rig, "input", "new");
    rig_send_flow(rig, "input");

    rig_expect_holds(rig, "done", "\"bytes\":3");
    expect_file(path, "old\nnew");
    rig_close(rig);
    (void)unlink(path);
    free(path);
}

Test(file_writer, tells_path_and_reason_when_it_cannot_write, .timeout = 60)
{
    struct rig *rig = open_writer("/no/such/folder/file", "");
    rig_send_text(rig, "input", "x");
    rig_expect_holds(rig, "error", "cannot write \"/no/such/folder/file\": No such file");
    rig_close(rig);

    rig = open_writer("/tmp", "");
    rig_send_text(rig, "input", "x");
    rig_expect_holds(rig, "error", "cannot write \"/tmp\": Is a directory");
    rig_close(rig);
}
