/* SPDX-License-Identifier: MIT */
#include "core/base/json_doc.h"
#include "support/rf_test.h"

static struct rfi_json_doc *parse(const char *text, unsigned flags)
{
    struct rfi_json_doc *doc = NULL;
    rf_diag diag = {0};
    rf_err err = rfi_json_doc_parse(text, strlen(text), flags, NULL, "t.json", &doc, &diag);
    cr_assert_eq(err, RF_OK, "%s: %s", text, diag.text);
    return doc;
}

/* Parse what is wrong; returns the formatted diagnosis. */
static const char *mistake_in(const char *text, size_t size, unsigned flags)
{
    static char formatted[800];
    struct rfi_json_doc *doc = NULL;
    rf_diag diag = {0};
    rf_err err = rfi_json_doc_parse(text, size, flags, NULL, "t", &doc, &diag);
    cr_assert_neq(err, RF_OK, "%s", text);
    cr_assert_null(doc);
    rf_diag_format(&diag, formatted, sizeof formatted);
    return formatted;
}

static const char *mistake(const char *text)
{
    return mistake_in(text, strlen(text), RFI_JSON_STRICT);
}

static void assert_mistake(const char *text, const char *expected)
{
    const char *found = mistake(text);
    cr_assert(strstr(found, expected) != NULL, "%s gave %s", text, found);
}

Test(json_doc, a_tree_knows_values_and_places)
{
    const char *text = "{\n \"a\": [1, \"x\\u00e4\", null],\n \"b\": {\"c\": true}, \"d\": \"\"\n}";
    struct rfi_json_doc *doc = parse(text, RFI_JSON_STRICT);
    const struct rfi_json *root = rfi_json_root(doc);
    cr_assert_eq(root->type, RFI_JSON_OBJECT);
    cr_assert_eq(root->count, 3U);
    cr_assert_eq(root->start, 0U);
    cr_assert_eq(root->end, strlen(text));
    const struct rfi_json *list = rfi_json_get(root, "a");
    cr_assert_eq(list->count, 3U);
    cr_assert_eq(text[list->start], '[');
    cr_assert_eq(text[list->end - 1], ']');
    cr_assert_eq(text[list->key_start], '"');
    cr_assert_str_eq(list->first->text, "1");
    const struct rfi_json *string = list->first->next;
    cr_assert_str_eq(string->text, "x\xc3\xa4");
    cr_assert_eq(string->text_size, 3U);
    cr_assert_null(string->key);
    cr_assert_eq(string->next->type, RFI_JSON_NULL);
    cr_assert_null(string->next->next);
    cr_assert(rfi_json_get(rfi_json_get(root, "b"), "c")->boolean);
    cr_assert_str_eq(rfi_json_get_string(root, "d", "x"), "");
    cr_assert_str_eq(rfi_json_get_string(root, "e", "x"), "x");
    cr_assert_str_eq(rfi_json_get_string(root, "a", "x"), "x");
    cr_assert_null(rfi_json_get(NULL, "a"));
    cr_assert_null(rfi_json_get(list, "a"));
    unsigned line = 0, column = 0;
    rfi_json_where(doc, rfi_json_get(root, "b")->key_start, &line, &column);
    cr_assert_eq(line, 3U);
    cr_assert_eq(column, 2U);
    cr_assert_str_eq(rfi_json_doc_name(doc), "t.json");
    cr_assert_str_eq(rfi_json_doc_text(doc), text);
    rfi_json_doc_free(doc);
    rfi_json_doc_free(NULL);
}

Test(json_doc, scalars_may_stand_alone)
{
    static const char *const texts[] = {"1",      "-0.5e+10", "\"\"", "true",   " false ",
                                        "null\n", "[]",       "{}",   "[[],{}]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        rfi_json_doc_free(parse(texts[i], RFI_JSON_STRICT));
}

Test(json_doc, escapes_are_decoded)
{
    struct rfi_json_doc *doc =
        parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u20ac\\ud83d\\ude00\\u0000z\"", 0);
    const struct rfi_json *root = rfi_json_root(doc);
    cr_assert_eq(root->text_size, 18U);
    cr_assert(memcmp(root->text, "\"\\/\b\f\n\r\tA\xe2\x82\xac\xf0\x9f\x98\x80\0z", 19) == 0);
    rfi_json_doc_free(doc);
}

Test(json_doc, numbers_fit_or_do_not)
{
    struct rfi_json_doc *doc = parse("[9223372036854775807,-9223372036854775808,"
                                     "9223372036854775808,1.0,1e3,1.5,1e400,-0,0.1,\"1\",1e30]",
                                     0);
    const struct rfi_json *node = rfi_json_root(doc)->first;
    int64_t integer = 0;
    double number = 0;
    cr_assert(rfi_json_as_int(node, &integer));
    cr_assert_eq(integer, INT64_MAX);
    node = node->next;
    cr_assert(rfi_json_as_int(node, &integer));
    cr_assert_eq(integer, INT64_MIN);
    node = node->next;
    cr_assert_not(rfi_json_as_int(node, &integer));
    cr_assert(rfi_json_as_double(node, &number));
    node = node->next;
    cr_assert(rfi_json_as_int(node, &integer));
    cr_assert_eq(integer, 1);
    node = node->next;
    cr_assert(rfi_json_as_int(node, &integer));
    cr_assert_eq(integer, 1000);
    node = node->next;
    cr_assert_not(rfi_json_as_int(node, &integer));
    cr_assert(rfi_json_as_double(node, &number));
    cr_assert_float_eq(number, 1.5, 0);
    node = node->next;
    cr_assert_not(rfi_json_as_double(node, &number));
    node = node->next;
    cr_assert(rfi_json_as_int(node, &integer));
    cr_assert_eq(integer, 0);
    node = node->next;
    cr_assert(rfi_json_as_double(node, &number));
    cr_assert_float_eq(number, 0.1, 0);
    node = node->next;
    cr_assert_not(rfi_json_as_int(node, &integer));
    cr_assert_not(rfi_json_as_double(node, &number));
    cr_assert_not(rfi_json_as_int(node->next, &integer));
    cr_assert_not(rfi_json_as_double(NULL, &number));
    rfi_json_doc_free(doc);
}

Test(json_doc, mistakes_are_told_with_their_place)
{
    assert_mistake("", "t:1:1: the text is empty");
    assert_mistake("{\"a\":1 \"b\":2}", "t:1:8: expected a comma or } after a member");
    assert_mistake("[1 2]", "t:1:4: expected a comma or ] after an element");
    assert_mistake("[1,\n 2}", "t:2:3: expected a comma or ]");
    assert_mistake("{\"a\" 1}", "t:1:6: expected a colon");
    assert_mistake("{a:1}", "t:1:2: expected a key in double quotes");
    assert_mistake("{\"a\":}", "t:1:6: a value is missing");
    assert_mistake("[,1]", "t:1:2: a value is missing");
    assert_mistake("[1,]", "t:1:3: a comma before the closing bracket");
    assert_mistake("[1,,2]", "t:1:4: a value is missing");
    assert_mistake("{\"a\":1,}", "t:1:7: a comma before the closing bracket");
    assert_mistake("[1", "t:1:3: the text ends, but the [ of 1:1 is still open");
    assert_mistake("{\"a\":{", "the { of 1:6 is still open");
    assert_mistake("1 2", "t:1:3: there is more text");
    assert_mistake("]", "t:1:1: a value is missing");
    assert_mistake("hello", "t:1:1: not a value (a text needs double quotes)");
    assert_mistake("tru", "t:1:1: not a value");
    assert_mistake("trueish", "t:1:1: not a value");
    assert_mistake("'a'", "not a value");
    assert_mistake("NaN", "not a value");
    assert_mistake("// x\n1", "comments are not allowed");
}

Test(json_doc, numbers_are_strict)
{
    assert_mistake("01", "may not begin with 0");
    assert_mistake("-", "needs a digit");
    assert_mistake("1.", "needs a digit after its dot");
    assert_mistake(".5", "not a value");
    assert_mistake("1e", "needs a digit in its exponent");
    assert_mistake("+1", "not a value");
    assert_mistake("0x10", "there is more text");
}

Test(json_doc, strings_are_strict)
{
    assert_mistake("\"abc", "t:1:5: the text ends inside a string");
    assert_mistake("\"a\nb\"", "t:1:3: a line ends inside a string");
    assert_mistake("\"a\tb\"", "t:1:3: a control byte");
    assert_mistake("\"\\x41\"", "not an escape");
    assert_mistake("\"\\u12g4\"", "four hexadecimal digits");
    assert_mistake("\"\\ud800\"", "high surrogate without");
    assert_mistake("\"\\ud800\\u0041\"", "high surrogate without");
    assert_mistake("\"\\udc00\"", "low surrogate without");
    assert_mistake("\"\xff\"", "not UTF-8");
    assert_mistake("\"\xed\xa0\x80\"", "not UTF-8");
    assert_mistake("\"\\", "the text ends inside a string");
}

Test(json_doc, a_zero_byte_is_no_end)
{
    cr_assert(strstr(mistake_in("1\0", 2, 0), "more text") != NULL);
    cr_assert(strstr(mistake_in("\0", 1, 0), "not a value") != NULL);
    cr_assert(strstr(mistake_in("[\0]", 3, 0), "not a value") != NULL);
}

Test(json_doc, duplicate_keys_are_refused_in_small_and_large_objects)
{
    assert_mistake("{\"a\":1,\n\"b\":2, \"\\u0061\":3}",
                   "t:2:8: the key \"a\" stands here twice (first at 1:2)");
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_buf_append_text(&buf, "{");
    for (int i = 0; i < 5000; i++)
        rfi_buf_printf(&buf, "\"k%d\":%d,", i, i);
    rfi_buf_append_text(&buf, "\"k77\":0}");
    cr_assert(strstr(mistake_in((const char *)buf.data, buf.size, 0),
                     "\"k77\" stands here twice") != NULL);
    /* the same key in different objects is fine */
    rfi_json_doc_free(parse("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}", 0));
    rfi_buf_fini(&buf);
}

Test(json_doc, comments_and_spare_commas_where_allowed)
{
    struct rfi_json_doc *doc =
        parse("// head\n{ /* a */ \"a\": /**/ [1, 2,], // b\n \"c\": \"//\",}\n// end",
              RFI_JSON_COMMENTS);
    cr_assert_eq(rfi_json_get(rfi_json_root(doc), "a")->count, 2U);
    cr_assert_str_eq(rfi_json_get_string(rfi_json_root(doc), "c", ""), "//");
    rfi_json_doc_free(doc);
    static const char *const wrong[] = {"/* 1", "1 /", "[,]", "{,}", "[1,,]", "/*/ 1", "1 / 2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        (void)mistake_in(wrong[i], strlen(wrong[i]), RFI_JSON_COMMENTS);
}

Test(json_doc, depth_and_nodes_are_limited)
{
    char deep[400];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    struct rfi_json_doc *doc = NULL;
    rf_diag diag = {0};
    cr_assert_eq(rfi_json_doc_parse(deep, sizeof deep, 0, NULL, NULL, &doc, &diag), RF_ELIMIT);
    cr_assert_eq(diag.column, 129U);
    struct rfi_json_limits limits = {.depth_max = 200};
    cr_assert_eq(rfi_json_doc_parse(deep, sizeof deep, 0, &limits, NULL, &doc, &diag), RF_OK);
    rfi_json_doc_free(doc);
    limits = (struct rfi_json_limits){.depth_max = 199};
    cr_assert_eq(rfi_json_doc_parse(deep, sizeof deep, 0, &limits, NULL, &doc, &diag), RF_ELIMIT);
    limits = (struct rfi_json_limits){.nodes_max = 4};
    cr_assert_eq(rfi_json_doc_parse("[1,2,3]", 7, 0, &limits, NULL, &doc, &diag), RF_OK);
    rfi_json_doc_free(doc);
    cr_assert_eq(rfi_json_doc_parse("[1,2,3,4]", 9, 0, &limits, NULL, &doc, &diag), RF_ELIMIT);
    cr_assert_eq(rfi_json_doc_parse("[1,2,3,4]", 9, 0, &limits, NULL, &doc, NULL), RF_ELIMIT);
}

Test(json_doc, mistakes_can_be_reported_at_values_and_keys)
{
    struct rfi_json_doc *doc = parse("{\"key\": 1}", 0);
    const struct rfi_json *node = rfi_json_get(rfi_json_root(doc), "key");
    rf_diag diag;
    cr_assert_eq(rfi_json_error(doc, node, false, RF_ELIMIT, &diag, "over %d", 3), RF_ELIMIT);
    cr_assert_eq(diag.column, 9U);
    cr_assert_str_eq(diag.text, "over 3");
    cr_assert_str_eq(diag.file, "t.json");
    (void)rfi_json_error(doc, node, true, RF_ELIMIT, &diag, "x");
    cr_assert_eq(diag.column, 2U);
    cr_assert_str_eq(rfi_json_type_name(RFI_JSON_OBJECT), "an object");
    rfi_json_doc_free(doc);
}

static bool is_good(const char *text, size_t size, size_t *offset)
{
    return rfi_json_check(text, size, 0, offset) == RF_OK;
}

Test(json_check, agrees_with_the_parser)
{
    static const char *const texts[] = {
        "1",
        "[]",
        "{}",
        "[1,2]",
        "{\"a\":[{}, {\"b\":null}],\"c\":\"\\ud83d\\ude00 long enough text\"}",
        " [ 1 , -2.5e-3 , true , false , null , \"\" ] ",
        "",
        " ",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{1:2}",
        "{\"a\":1]",
        "[1}",
        "1 2",
        "01",
        "1.",
        "1e",
        "-",
        "+1",
        "tru",
        "truex",
        "nul",
        "\"",
        "\"\\",
        "\"\\u12",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\xff\"",
        "\"a\nb\"",
        "\"\x01\"",
        "// c\n1",
        "[[]]]",
        "{}{}",
        "\"12345678\xc3\xa4\"",
        "\"1234567\xc3\"",
        "[1]x",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t size = strlen(texts[i]), offset = 12345;
        struct rfi_json_doc *doc = NULL;
        rf_err err = rfi_json_doc_parse(texts[i], size, 0, NULL, NULL, &doc, NULL);
        cr_assert_eq(is_good(texts[i], size, &offset), err == RF_OK, "%s", texts[i]);
        if (err != RF_OK)
            cr_assert_leq(offset, size);
        rfi_json_doc_free(doc);
    }
}

Test(json_check, tells_where_and_how_deep)
{
    size_t offset = 0;
    cr_assert_not(is_good("[1,2 3]", 7, &offset));
    cr_assert_eq(offset, 5U);
    cr_assert_not(is_good("1\0", 2, &offset));
    cr_assert_eq(offset, 1U);
    cr_assert_eq(rfi_json_check("[[1]]", 5, 2, &offset), RF_OK);
    cr_assert_eq(rfi_json_check("[[1]]", 5, 1, &offset), RF_EFORMAT);
    cr_assert_eq(offset, 1U);
    static char deep[40000];
    memset(deep, '[', 20000);
    memset(deep + 20000, ']', 20000);
    cr_assert_eq(rfi_json_check(deep, sizeof deep, SIZE_MAX, NULL), RF_EFORMAT);
    memset(deep + 1024, ']', 1024);
    cr_assert_eq(rfi_json_check(deep, 2048, 0, NULL), RF_OK);
}

/* Every prefix and every one-byte change of a text ends in an answer, the same from both. */
Test(json_check, agrees_with_the_parser_on_damaged_texts)
{
    const char *good =
        "{\"a\":[1,-2.5e3,\"x\\n\\u00e4\\ud83d\\ude00\"],\"b\":{\"c\":true,\"d\":null}}";
    char text[128];
    size_t size = strlen(good);
    for (size_t at = 0; at < size; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, good, size + 1);
            text[at] = (char)byte;
            struct rfi_json_doc *doc = NULL;
            rf_diag diag = {0};
            rf_err err = rfi_json_doc_parse(text, size, 0, NULL, NULL, &doc, &diag);
            bool is_duplicate = strstr(diag.text, "stands here twice") != NULL;
            cr_assert_eq(rfi_json_check(text, size, 0, NULL) == RF_OK,
                         err == RF_OK || is_duplicate);
            rfi_json_doc_free(doc);
        }
        struct rfi_json_doc *doc = NULL;
        cr_assert_neq(rfi_json_doc_parse(good, at, 0, NULL, NULL, &doc, NULL), RF_OK);
        cr_assert_neq(rfi_json_check(good, at, 0, NULL), RF_OK);
    }
}
