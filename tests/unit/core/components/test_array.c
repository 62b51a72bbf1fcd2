/* SPDX-License-Identifier: MIT */
/* tpl_map, tpl_filter, tpl_reduce, tpl_merge, tpl_collect, tpl_split, tpl_gate, tpl_loop. */
#include "unit/core/components/rig.h"

/* One input, one expected output, in a fresh network. */
static void check(const char *component, const char *metadata, const char *inport,
                  const char *input, const char *outport, rf_kind kind, const char *expected)
{
    struct rig *rig = rig_open(component, metadata);
    rig_send_json(rig, inport, input);
    rig_expect(rig, outport, kind, expected);
    rig_close(rig);
}

#define MAP(metadata, input, kind, expected)                                                       \
    check("tpl_map", "{\"propertyValues\":" metadata "}", "input", input, "output", kind, expected)

Test(map, changes_each_value, .timeout = 60)
{
    MAP("{}", "[1,\"a\"]", RF_KIND_ARRAY, "[1,\"a\"]");
    MAP("{\"operation\":\"to_string\"}", "[1,\"a\",{\"b\":[]},null]", RF_KIND_ARRAY,
        "[\"1\",\"a\",\"{\\\"b\\\":[]}\",\"null\"]");
    MAP("{\"operation\":\"to_number\"}", "[\"1.5\",2,true,\"x\",\"\"]", RF_KIND_ARRAY,
        "[1.5,2,1,null,null]");
    MAP("{\"operation\":\"extract_field\",\"field\":\"a.1\"}", "[{\"a\":[1,2]},{\"a\":3},5]",
        RF_KIND_ARRAY, "[2,null,null]");
    MAP("{\"operation\":\"extract_field\",\"field\":\"a\"}", "{\"a\":\"one\"}", RF_KIND_STRING,
        "\"one\"");
    MAP("{\"operation\":\"to_string\"}", "[]", RF_KIND_ARRAY, "[]");
}

Test(map, keeps_numbers_that_no_double_holds, .timeout = 60)
{
    MAP("{\"operation\":\"extract_field\",\"field\":\"n\"}",
        "[{\"n\":123456789012345678901234567890}]", RF_KIND_ARRAY,
        "[123456789012345678901234567890]");
}

#define FILTER(metadata, input, port, expected)                                                    \
    check("tpl_filter", "{\"propertyValues\":" metadata "}", "input", input, port, RF_KIND_ARRAY,  \
          expected)

Test(filter, keeps_and_rejects_in_order, .timeout = 60)
{
    FILTER("{}", "[0,1,\"\",\"a\",null,[],{\"a\":1},false]", "output", "[1,\"a\",{\"a\":1}]");
    FILTER("{}", "[0,1,\"\",\"a\",null,[]]", "rejected", "[0,\"\",null,[]]");
    FILTER("{\"condition\":\"not_null\"}", "[null,0]", "output", "[0]");
    FILTER("{\"condition\":\"greater_than\",\"value\":2}", "[1,2,3,\"4\",\"x\"]", "output",
           "[3,\"4\"]");
    FILTER(
        "{\"condition\":\"less_than\",\"field\":\"n\",\"value\":{\"type\":\"Integer\",\"data\":2}}",
        "[{\"n\":1},{\"n\":2},{}]", "output", "[{\"n\":1}]");
    FILTER("{\"condition\":\"contains\",\"value\":\"b\"}", "[\"abc\",\"a\",[\"b\"],{\"b\":1},1]",
           "output", "[\"abc\",[\"b\"],{\"b\":1}]");
    FILTER("{\"condition\":\"equals\",\"value\":{\"a\":[1]}}",
           "[{\"a\":[1.0]},{\"a\":[2]},{\"a\":[1],\"b\":1}]", "output", "[{\"a\":[1.0]}]");
}

Test(filter, takes_one_value_as_well, .timeout = 60)
{
    check("tpl_filter", NULL, "input", "{\"a\":1}", "output", RF_KIND_OBJECT, "{\"a\":1}");
    check("tpl_filter", NULL, "input", "{}", "rejected", RF_KIND_OBJECT, "{}");
}

#define REDUCE(operation, input, kind, expected)                                                   \
    check("tpl_reduce", "{\"propertyValues\":{\"operation\":\"" operation "\"}}", "input", input,  \
          "output", kind, expected)

Test(reduce, makes_one_value, .timeout = 60)
{
    REDUCE("sum", "[1,2.5,\"3\"]", RF_KIND_FLOAT, "6.5");
    REDUCE("product", "[2,3]", RF_KIND_FLOAT, "6.0");
    REDUCE("min", "[2,-1,3]", RF_KIND_FLOAT, "-1.0");
    REDUCE("max", "[2,-1,3]", RF_KIND_FLOAT, "3.0");
    REDUCE("count", "[1,null]", RF_KIND_INTEGER, "2");
    REDUCE("concat", "[\"a\",1,[2]]", RF_KIND_STRING, "\"a1[2]\"");
    REDUCE("first", "[{\"a\":1},2]", RF_KIND_OBJECT, "{\"a\":1}");
    REDUCE("last", "[1,null]", RF_KIND_OPTIONAL, "null");
    REDUCE("sum", "[]", RF_KIND_FLOAT, "0.0");
    check("tpl_reduce", NULL, "input", "[1,\"x\"]", "error", RF_KIND_ERROR,
          "\"value 1 is no number\"");
    check("tpl_reduce", NULL, "input", "5", "error", RF_KIND_ERROR,
          "\"this takes an Array, not Integer\"");
}

Test(merge, waits_for_its_inputs_and_takes_the_newest, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_merge", NULL);

    rig_send_json(rig, "a", "1");
    rig_send_json(rig, "a", "2");
    rig_send_json(rig, "d", "[4]");
    rig_send_json(rig, "b", "\"x\"");
    rig_send_json(rig, "a", "3");
    rig_send_json(rig, "b", "null");

    rig_expect(rig, "output", RF_KIND_OBJECT, "{\"a\":2,\"b\":\"x\",\"d\":[4]}");
    rig_expect(rig, "output", RF_KIND_OBJECT, "{\"a\":3,\"b\":null}");
    rig_close(rig);
}

Test(merge, makes_arrays_and_tagged_values, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_merge", "{\"propertyValues\":{\"mode\":\"array\",\"values\":"
                                            "\"tagged\",\"inputs\":[\"b\",\"c\"]}}");

    rig_send_json(rig, "c", "1");
    rig_send_json(rig, "b", "\"x\"");

    rig_expect(rig, "output", RF_KIND_ARRAY,
               "[{\"type\":\"String\",\"data\":\"x\"},{\"type\":\"Integer\",\"data\":1}]");
    rig_close(rig);
}

Test(collect, gives_arrays_of_so_many_and_the_rest_at_a_flow, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_collect", "{\"propertyValues\":{\"count\":2}}");

    rig_send_json(rig, "input", "1");
    rig_send_json(rig, "input", "{\"a\":[]}");
    rig_send_json(rig, "input", "\"x\"");
    rig_send_flow(rig, "input");
    rig_send_flow(rig, "input");

    rig_expect(rig, "output", RF_KIND_ARRAY, "[1,{\"a\":[]}]");
    rig_expect(rig, "count", RF_KIND_INTEGER, "2");
    rig_expect(rig, "output", RF_KIND_ARRAY, "[\"x\"]");
    rig_expect(rig, "count", RF_KIND_INTEGER, "1");
    rig_expect_flow(rig, "output");
    rig_expect_flow(rig, "output");
    rig_close(rig);
}

Test(split, gives_head_tail_and_count, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split", NULL);

    rig_send_json(rig, "input", "[{\"a\":1},2,3]");
    rig_send_json(rig, "input", "[]");
    rig_send_json(rig, "input", "5");

    rig_expect(rig, "head", RF_KIND_OBJECT, "{\"a\":1}");
    rig_expect(rig, "tail", RF_KIND_ARRAY, "[2,3]");
    rig_expect(rig, "count", RF_KIND_INTEGER, "3");
    rig_expect(rig, "tail", RF_KIND_ARRAY, "[]");
    rig_expect(rig, "count", RF_KIND_INTEGER, "0");
    rig_expect_holds(rig, "error", "Array");
    rig_expect_none(rig, "head");
    rig_close(rig);
}

Test(gate, waits_for_both_and_lets_through_or_not, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_gate", NULL);

    rig_send_text(rig, "input", "one");
    rig_expect_none(rig, "output");
    rig_send_json(rig, "control", "true");
    rig_expect(rig, "output", RF_KIND_STRING, "\"one\"");
    rig_send_text(rig, "input", "two");
    rig_send_json(rig, "control", "0");
    rig_expect(rig, "blocked", RF_KIND_STRING, "\"two\"");
    rig_close(rig);

    rig = rig_open("tpl_gate", "{\"propertyValues\":{\"invert\":true}}");
    rig_send_text(rig, "input", "three");
    rig_send_json(rig, "control", "false");
    rig_expect(rig, "output", RF_KIND_STRING, "\"three\"");
    rig_close(rig);
}

Test(loop, sends_each_value_with_its_index_then_completes, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_loop", NULL);

    rig_send_json(rig, "initial_value", "\"i\"");
    rig_send_json(rig, "collection", "[\"a\",{\"b\":1}]");
    rig_send_json(rig, "collection", "[]");
    rig_send_json(rig, "collection", "{}");

    rig_expect(rig, "item", RF_KIND_OBJECT, "{\"value\":\"a\",\"index\":0}");
    rig_expect(rig, "item", RF_KIND_OBJECT, "{\"value\":{\"b\":1},\"index\":1}");
    rig_expect(rig, "completed", RF_KIND_OBJECT, "{\"count\":2,\"initial_value\":\"i\"}");
    rig_expect(rig, "completed", RF_KIND_OBJECT, "{\"count\":0,\"initial_value\":\"i\"}");
    rig_expect_holds(rig, "error", "Array");
    rig_close(rig);
}

Test(loop, a_long_collection_goes_on_when_there_is_room, .timeout = 60)
{
    struct rig *rig = rig_open_with("tpl_loop", NULL, "{\"mailbox_capacity\":8}");
    enum { COUNT = 5000 };
    rf_span *items = calloc(COUNT, sizeof *items);
    cr_assert_not_null(items);
    for (size_t i = 0; i < COUNT; i++)
        items[i] = (rf_span){"1", 1};

    rig_send(rig, "collection", rf_message_array(items, COUNT));

    rig_expect(rig, "completed", RF_KIND_OBJECT, "{\"count\":5000}");
    cr_assert_eq(rf_network_drain(rig->net, RIG_WAIT_MS), RF_OK);
    cr_assert_eq(rig->taken_count, COUNT + 1);
    free(items);
    rig_close(rig);
}
