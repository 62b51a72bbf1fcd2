/* SPDX-License-Identifier: MIT */
/* Conditions on the decoded JSON of a message, shared by tpl_filter and tpl_if_branch.
 *
 * A condition names a test, a path to the field that it looks at (none: the value itself), and an
 * operand. A field that is not there counts as null. Editors of graphs write operands as text, so a
 * number equals a string that reads as that number, and true equals "true". What cannot be ordered
 * (a list and a number, say) is neither greater nor less. Nothing here is kept between calls. */
#include "core/base/suggest.h"
#include "core/components/component.h"
#include <stdlib.h>
#include <string.h>

struct test_name {
    const char *name;
    enum rfi_test test;
};

static const struct test_name test_names[] = {
    {"truthy", RFI_TEST_TRUTHY},
    {"not_null", RFI_TEST_NOT_NULL},
    {"equals", RFI_TEST_EQUALS},
    {"is", RFI_TEST_EQUALS},
    {"not_equals", RFI_TEST_NOT_EQUALS},
    {"is_not", RFI_TEST_NOT_EQUALS},
    {"contains", RFI_TEST_CONTAINS},
    {"not_contains", RFI_TEST_NOT_CONTAINS},
    {"greater_than", RFI_TEST_GREATER},
    {"less_than", RFI_TEST_LESS},
    {"greater_equal", RFI_TEST_GREATER_EQUAL},
    {"less_equal", RFI_TEST_LESS_EQUAL},
    {"empty", RFI_TEST_EMPTY},
    {"is_empty", RFI_TEST_EMPTY},
    {"not_empty", RFI_TEST_NOT_EMPTY},
};

rf_err rfi_condition_init(struct rfi_condition *condition, const char *test, const char *field,
                          const char *operand_json, char *out_hint, size_t hint_bytes)
{
    struct rfi_suggest suggest;
    rfi_suggest_init(&suggest, test);
    struct rfi_condition made = {0};
    bool is_found = false;
    for (size_t i = 0; i < sizeof test_names / sizeof test_names[0]; i++) {
        rfi_suggest_offer(&suggest, test_names[i].name);
        if (strcmp(test_names[i].name, test) == 0) {
            made.test = test_names[i].test;
            is_found = true;
        }
    }
    rfi_suggest_text(&suggest, out_hint, hint_bytes);
    if (!is_found)
        return RF_ENOENT;
    rf_err err = rfi_operand_init(&made.operand, operand_json != NULL ? operand_json : "null");
    if (err != RF_OK)
        return err;
    if (field != NULL && *field != '\0') {
        made.field = strdup(field);
        if (made.field == NULL) {
            rfi_operand_fini(&made.operand);
            return RF_ENOMEM;
        }
    }
    *condition = made;
    return RF_OK;
}

void rfi_condition_fini(struct rfi_condition *condition)
{
    free(condition->field);
    condition->field = NULL;
    rfi_operand_fini(&condition->operand);
}

/* Equal, or of two types but with the same text in an editor: 5 and "5", true and "true". */
static bool loosely_equal(const struct rfi_json *a, const struct rfi_json *b)
{
    if (a->type == b->type)
        return rfi_value_equal(a, b);
    if (a->type == RFI_JSON_STRING)
        return b->type != RFI_JSON_STRING && loosely_equal(b, a);
    if (b->type != RFI_JSON_STRING)
        return false;
    if (a->type == RFI_JSON_BOOL)
        return strcmp(b->text, a->boolean ? "true" : "false") == 0;
    double left = 0.0;
    double right = 0.0;
    return a->type == RFI_JSON_NUMBER && rfi_value_number(a, &left) &&
           rfi_value_number(b, &right) && left == right;
}

static bool equals_operand(const struct rfi_condition *condition, const struct rfi_json *value)
{
    return rfi_operand_equal(&condition->operand, value) ||
           loosely_equal(value, rfi_operand_value(&condition->operand));
}

/* -1, 0 or 1; 2 when the two cannot be ordered. */
static int compare(const struct rfi_json *a, const struct rfi_json *b)
{
    double left = 0.0;
    double right = 0.0;
    if ((a->type == RFI_JSON_NUMBER || b->type == RFI_JSON_NUMBER) && rfi_value_number(a, &left) &&
        rfi_value_number(b, &right))
        return (left > right) - (left < right);
    if (a->type != RFI_JSON_STRING || b->type != RFI_JSON_STRING)
        return 2;
    size_t size = a->text_size < b->text_size ? a->text_size : b->text_size;
    int order = memcmp(a->text, b->text, size);
    if (order == 0)
        return (a->text_size > b->text_size) - (a->text_size < b->text_size);
    return order > 0 ? 1 : -1;
}

static bool contains(const struct rfi_condition *condition, const struct rfi_json *value)
{
    const struct rfi_json *wanted = rfi_operand_value(&condition->operand);
    if (value->type == RFI_JSON_STRING) {
        rf_span text = {wanted->text, wanted->text_size};
        if (wanted->type != RFI_JSON_STRING && wanted->type != RFI_JSON_NUMBER)
            return false;
        return text.size == 0 ||
               memmem(value->text, value->text_size, text.data, text.size) != NULL;
    }
    if (value->type != RFI_JSON_ARRAY && value->type != RFI_JSON_OBJECT)
        return false;
    for (const struct rfi_json *item = value->first; item != NULL; item = item->next) {
        if (value->type == RFI_JSON_ARRAY && loosely_equal(item, wanted))
            return true;
        if (value->type == RFI_JSON_OBJECT && wanted->type == RFI_JSON_STRING &&
            item->key_size == wanted->text_size &&
            memcmp(item->key, wanted->text, item->key_size) == 0)
            return true;
    }
    return false;
}

static bool is_empty(const struct rfi_json *value)
{
    switch (value->type) {
    case RFI_JSON_NULL:
        return true;
    case RFI_JSON_STRING:
        return value->text_size == 0;
    case RFI_JSON_ARRAY:
    case RFI_JSON_OBJECT:
        return value->count == 0;
    case RFI_JSON_BOOL:
    case RFI_JSON_NUMBER:
        return false;
    }
    return false;
}

bool rfi_condition_holds(const struct rfi_condition *condition, const struct rfi_json *value)
{
    static const struct rfi_json absent = {.type = RFI_JSON_NULL};
    value = rfi_value_at(value, condition->field);
    if (value == NULL)
        value = &absent;
    const struct rfi_json *operand = rfi_operand_value(&condition->operand);
    int order = compare(value, operand);
    switch (condition->test) {
    case RFI_TEST_TRUTHY:
        return rfi_value_is_truthy(value);
    case RFI_TEST_NOT_NULL:
        return value->type != RFI_JSON_NULL;
    case RFI_TEST_EQUALS:
        return equals_operand(condition, value);
    case RFI_TEST_NOT_EQUALS:
        return !equals_operand(condition, value);
    case RFI_TEST_CONTAINS:
        return contains(condition, value);
    case RFI_TEST_NOT_CONTAINS:
        return !contains(condition, value);
    case RFI_TEST_GREATER:
        return order == 1;
    case RFI_TEST_LESS:
        return order == -1;
    case RFI_TEST_GREATER_EQUAL:
        return order == 1 || order == 0;
    case RFI_TEST_LESS_EQUAL:
        return order == -1 || order == 0;
    case RFI_TEST_EMPTY:
        return is_empty(value);
    case RFI_TEST_NOT_EMPTY:
        return !is_empty(value);
    }
    return false;
}
