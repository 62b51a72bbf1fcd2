/* SPDX-License-Identifier: MIT */
/* The parsed document and the check without a document agree on what is JSON, but for duplicate keys
 * and the limits of the document; every node stands inside its parent and in the text; and the walk
 * gives as many children as were counted. */
#include "core/base/json_doc.h"

#include <stdlib.h>
#include <string.h>

enum { STACK = 256 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_node(const struct rfi_json *node, size_t size)
{
    require(node->start < node->end && node->end <= size);
    size_t count = 0;
    size_t at = node->start;
    for (const struct rfi_json *child = node->first; child != NULL; child = child->next) {
        require(child->start >= at && child->end <= node->end);
        require((child->key != NULL) == (node->type == RFI_JSON_OBJECT));
        if (child->key != NULL)
            require(child->key[child->key_size] == '\0');
        at = child->end;
        count++;
    }
    require(count == node->count);
    if (node->type == RFI_JSON_STRING || node->type == RFI_JSON_NUMBER)
        require(node->text != NULL && node->text[node->text_size] == '\0');
    int64_t integer = 0;
    double real = 0.0;
    if (rfi_json_as_int(node, &integer))
        require(rfi_json_as_double(node, &real) || integer > (INT64_C(1) << 53) ||
                integer < -(INT64_C(1) << 53));
}

/* All nodes; the depth is bounded by the limit given to the parser. */
static void check_tree(const struct rfi_json *root, size_t size)
{
    const struct rfi_json *stack[STACK];
    size_t depth = 0;
    stack[depth++] = root;
    while (depth > 0) {
        const struct rfi_json *node = stack[--depth];
        check_node(node, size);
        if (node->next != NULL && node != root)
            stack[depth++] = node->next;
        if (node->first != NULL) {
            require(depth < STACK);
            stack[depth++] = node->first;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rfi_json_limits limits = {.depth_max = 64, .nodes_max = 10000};
    const char *text = (const char *)data;
    struct rfi_json_doc *doc = NULL;
    rf_diag diag;
    size_t offset = 0;
    memset(&diag, 0, sizeof diag);
    rf_err parsed = rfi_json_doc_parse(text, size, RFI_JSON_STRICT, &limits, "fuzz", &doc, &diag);
    rf_err checked = rfi_json_check(text, size, 64, &offset);
    if (parsed == RF_OK) {
        require(checked == RF_OK);
        check_tree(rfi_json_root(doc), size);
    } else {
        require(diag.text[0] != '\0');
        if (checked == RF_OK)
            require(parsed == RF_ELIMIT || strstr(diag.text, "uplicate") != NULL ||
                    strstr(diag.text, "twice") != NULL);
    }
    if (checked != RF_OK)
        require(offset <= size);
    rfi_json_doc_free(doc);
    doc = NULL;
    if (rfi_json_doc_parse(text, size, RFI_JSON_COMMENTS, &limits, NULL, &doc, NULL) == RF_OK)
        check_tree(rfi_json_root(doc), size);
    rfi_json_doc_free(doc);
    return 0;
}
