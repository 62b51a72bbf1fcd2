/* SPDX-License-Identifier: MIT */
/* The JSON inside a message, for components that look into it.
 *
 * A value is parsed once, read, and freed by the callback that made it. What is passed on is the
 * text as it stood, so that numbers and keys of any size come through unchanged. Comparing walks two
 * values together; its depth is bounded by that of the parser (VALUE_DEPTH_MAX), not by the input. */
#include "core/components/component.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_DEPTH_MAX = 64, VALUE_NODES_MAX = 4 << 20 };

rf_err rfi_value_of_json(const char *json, size_t size, struct rfi_value *out, rf_diag *out_diag)
{
    static const struct rfi_json_limits limits = {VALUE_DEPTH_MAX, VALUE_NODES_MAX};
    struct rfi_json_doc *doc = NULL;
    rf_err err = rfi_json_doc_parse(json, size, RFI_JSON_STRICT, &limits, NULL, &doc, out_diag);
    if (err != RF_OK)
        return err;
    out->doc = doc;
    out->root = rfi_json_root(doc);
    return RF_OK;
}

rf_err rfi_value_of_message(const rf_message *msg, struct rfi_value *out, rf_diag *out_diag)
{
    switch (rf_message_kind(msg)) {
    case RF_KIND_OBJECT:
    case RF_KIND_EVENT:
    case RF_KIND_ANY: {
        rf_span json = rf_message_data(msg);
        return rfi_value_of_json(json.data, json.size, out, out_diag);
    }
    case RF_KIND_FLOW:
    case RF_KIND_BOOLEAN:
    case RF_KIND_INTEGER:
    case RF_KIND_FLOAT:
    case RF_KIND_STRING:
    case RF_KIND_ARRAY:
    case RF_KIND_BYTES:
    case RF_KIND_STREAM_HANDLE:
    case RF_KIND_ENCODED:
    case RF_KIND_OPTIONAL:
    case RF_KIND_ERROR:
    case RF_KIND_REMOTE_REFERENCE:
    case RF_KIND_NETWORK_EVENT:
    case RF_KIND_COUNT:
        break;
    }
    char *json = NULL;
    size_t size = 0;
    rf_err err = rf_message_to_value(msg, &json, &size);
    if (err != RF_OK)
        return err;
    err = rfi_value_of_json(json, size, out, out_diag);
    free(json);
    return err;
}

void rfi_value_fini(struct rfi_value *value)
{
    rfi_json_doc_free(value->doc);
    value->doc = NULL;
    value->root = NULL;
}

rf_span rfi_value_text(const struct rfi_value *value, const struct rfi_json *node)
{
    return (rf_span){rfi_json_doc_text(value->doc) + node->start, node->end - node->start};
}

/* The child that a step of a path names: a member by key, an element by number. */
static const struct rfi_json *child_named(const struct rfi_json *node, const char *name,
                                          size_t name_size)
{
    if (node->type == RFI_JSON_OBJECT) {
        for (const struct rfi_json *child = node->first; child != NULL; child = child->next)
            if (child->key_size == name_size && memcmp(child->key, name, name_size) == 0)
                return child;
        return NULL;
    }
    if (node->type != RFI_JSON_ARRAY || name_size == 0 || name_size > 9)
        return NULL;
    size_t index = 0;
    for (size_t i = 0; i < name_size; i++) {
        if (name[i] < '0' || name[i] > '9')
            return NULL;
        index = index * 10 + (size_t)(name[i] - '0');
    }
    const struct rfi_json *child = node->first;
    while (child != NULL && index-- > 0)
        child = child->next;
    return child;
}

const struct rfi_json *rfi_value_at(const struct rfi_json *node, const char *path)
{
    if (path == NULL || *path == '\0')
        return node;
    /* A key may hold dots itself: the whole path as one key goes first. */
    const struct rfi_json *whole = child_named(node, path, strlen(path));
    if (whole != NULL)
        return whole;
    while (node != NULL) {
        size_t size = strcspn(path, ".");
        node = child_named(node, path, size);
        if (path[size] == '\0')
            return node;
        path += size + 1;
    }
    return NULL;
}

static bool numbers_equal(const struct rfi_json *a, const struct rfi_json *b)
{
    int64_t int_a = 0;
    int64_t int_b = 0;
    if (rfi_json_as_int(a, &int_a) && rfi_json_as_int(b, &int_b))
        return int_a == int_b;
    double double_a = 0.0;
    double double_b = 0.0;
    if (rfi_json_as_double(a, &double_a) && rfi_json_as_double(b, &double_b))
        return double_a == double_b;
    return a->text_size == b->text_size && memcmp(a->text, b->text, a->text_size) == 0;
}

static bool arrays_equal(const struct rfi_json *a, const struct rfi_json *b)
{
    const struct rfi_json *other = b->first;
    for (const struct rfi_json *item = a->first; item != NULL; item = item->next) {
        if (!rfi_value_equal(item, other))
            return false;
        other = other->next;
    }
    return true;
}

static bool objects_equal(const struct rfi_json *a, const struct rfi_json *b)
{
    for (const struct rfi_json *item = a->first; item != NULL; item = item->next) {
        const struct rfi_json *other = child_named(b, item->key, item->key_size);
        if (other == NULL || !rfi_value_equal(item, other))
            return false;
    }
    return true;
}

bool rfi_value_equal(const struct rfi_json *a, const struct rfi_json *b)
{
    if (a->type != b->type || a->count != b->count)
        return false;
    switch (a->type) {
    case RFI_JSON_NULL:
        return true;
    case RFI_JSON_BOOL:
        return a->boolean == b->boolean;
    case RFI_JSON_NUMBER:
        return numbers_equal(a, b);
    case RFI_JSON_STRING:
        return a->text_size == b->text_size && memcmp(a->text, b->text, a->text_size) == 0;
    case RFI_JSON_ARRAY:
        return arrays_equal(a, b);
    case RFI_JSON_OBJECT:
        return objects_equal(a, b);
    }
    return false;
}

bool rfi_value_is_truthy(const struct rfi_json *node)
{
    double number = 0.0;
    switch (node->type) {
    case RFI_JSON_NULL:
        return false;
    case RFI_JSON_BOOL:
        return node->boolean;
    case RFI_JSON_NUMBER:
        return !rfi_json_as_double(node, &number) || number != 0.0;
    case RFI_JSON_STRING:
        return node->text_size > 0;
    case RFI_JSON_ARRAY:
    case RFI_JSON_OBJECT:
        return node->count > 0;
    }
    return false;
}

bool rfi_value_number(const struct rfi_json *node, double *out)
{
    if (node->type == RFI_JSON_NUMBER)
        return rfi_json_as_double(node, out);
    if (node->type != RFI_JSON_STRING || node->text_size == 0 ||
        strspn(node->text, "+-.0123456789eE") != node->text_size)
        return false;
    char *end = NULL;
    double value = strtod(node->text, &end);
    if (end != node->text + node->text_size || !isfinite(value))
        return false;
    *out = value;
    return true;
}

rf_err rfi_operand_init(struct rfi_operand *operand, const char *json)
{
    memset(operand, 0, sizeof *operand);
    rf_err err = rfi_value_of_json(json, strlen(json), &operand->plain, NULL);
    if (err != RF_OK)
        return err;
    const struct rfi_json *root = operand->plain.root;
    if (root->type != RFI_JSON_OBJECT || rfi_json_get(root, "type") == NULL ||
        root->count > (rfi_json_get(root, "data") != NULL ? 2U : 1U))
        return RF_OK;
    rf_message *msg = NULL;
    if (rf_message_from_tagged(json, strlen(json), &msg, NULL) == RF_OK) {
        err = rfi_value_of_message(msg, &operand->untagged, NULL);
        rf_message_unref(msg);
        if (err == RF_ENOMEM) {
            rfi_operand_fini(operand);
            return err;
        }
    }
    return RF_OK;
}

void rfi_operand_fini(struct rfi_operand *operand)
{
    rfi_value_fini(&operand->plain);
    rfi_value_fini(&operand->untagged);
}

bool rfi_operand_equal(const struct rfi_operand *operand, const struct rfi_json *node)
{
    if (operand->untagged.root != NULL && rfi_value_equal(operand->untagged.root, node))
        return true;
    return operand->plain.root != NULL && rfi_value_equal(operand->plain.root, node);
}

const struct rfi_json *rfi_operand_value(const struct rfi_operand *operand)
{
    return operand->untagged.root != NULL ? operand->untagged.root : operand->plain.root;
}

rf_err rfi_items_of_message(const rf_message *msg, struct rfi_items *out)
{
    struct rfi_items items = {0};
    if (rf_message_kind(msg) == RF_KIND_ARRAY) {
        items.count = rf_message_array_count(msg);
    } else {
        rf_err err = rfi_value_of_message(msg, &items.value, NULL);
        if (err != RF_OK)
            return err;
        if (items.value.root->type != RFI_JSON_ARRAY) {
            rfi_value_fini(&items.value);
            return RF_EINVAL;
        }
        items.count = items.value.root->count;
    }
    items.spans = calloc(items.count + 1, sizeof *items.spans);
    if (items.spans == NULL) {
        rfi_value_fini(&items.value);
        return RF_ENOMEM;
    }
    const struct rfi_json *item = items.value.root != NULL ? items.value.root->first : NULL;
    for (size_t i = 0; i < items.count; i++) {
        if (items.value.root == NULL) {
            items.spans[i] = rf_message_array_item(msg, i);
        } else {
            items.spans[i] = rfi_value_text(&items.value, item);
            item = item->next;
        }
    }
    *out = items;
    return RF_OK;
}

void rfi_items_fini(struct rfi_items *items)
{
    free(items->spans);
    items->spans = NULL;
    rfi_value_fini(&items->value);
}
