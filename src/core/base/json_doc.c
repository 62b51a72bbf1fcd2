/* SPDX-License-Identifier: MIT */
/* JSON text to a tree whose values know their places. One document owns everything: a copy of the
 * text, one block for all decoded strings (a decoded string and its end are never longer than the
 * quoted one), and chunks of nodes. Freeing the document frees all.
 *
 * The parser is a loop with a pointer to the open container, so depth costs nodes and not stack.
 * Limits (depth, nodes) are checked before a node is made. Duplicate keys are looked for when an
 * object closes: pairwise in small ones, by map in large ones, so the cost stays linear.
 * After parsing the tree is read only. Lookups and numbers are in json_value.c. */
#include "core/base/json_doc.h"

#include "core/base/diag.h"
#include "core/base/json_scan.h"
#include "core/base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 128,
    NODES_MAX = 262144,
    CHUNK_NODES_MIN = 16,
    CHUNK_NODES_MAX = 1024,
    PAIRWISE_MAX = 16 /* members up to which comparing all pairs beats a map */
};

struct node {
    struct rfi_json json; /* first: the tree's pointers are pointers to nodes */
    struct node *parent, *last_child, *next;
};

struct chunk {
    struct chunk *next;
    size_t used, capacity;
    struct node nodes[];
};

struct rfi_json_doc {
    char *text;
    size_t size;
    char *strings; /* decoded texts */
    char *name;    /* NULL: none */
    struct chunk *chunks;
    const struct rfi_json *root;
};

struct parser {
    struct rfi_json_doc *doc;
    unsigned flags;
    size_t at;
    size_t depth, depth_max;
    size_t nodes, nodes_max;
    size_t strings_used;
    struct node *open; /* innermost open container, NULL at the root */
    const char *key;   /* of the value to come */
    size_t key_size, key_start;
    rf_diag *diag;
};

static rf_err parse_values(struct parser *p);

static struct rfi_json_doc *doc_new(const char *text, size_t size, const char *name)
{
    struct rfi_json_doc *doc = calloc(1, sizeof *doc);
    if (doc == NULL)
        return NULL;
    size_t room;
    if (__builtin_add_overflow(size, (size_t)2, &room))
        goto failed;
    doc->text = malloc(room);
    doc->strings = malloc(room);
    doc->name = name != NULL ? strdup(name) : NULL;
    if (doc->text == NULL || doc->strings == NULL || (name != NULL && doc->name == NULL))
        goto failed;
    if (size > 0)
        memcpy(doc->text, text, size);
    doc->text[size] = '\0';
    doc->size = size;
    return doc;
failed:
    rfi_json_doc_free(doc);
    return NULL;
}

rf_err rfi_json_doc_parse(const char *text, size_t size, unsigned flags,
                          const struct rfi_json_limits *limits, const char *name,
                          struct rfi_json_doc **out, rf_diag *out_diag)
{
    struct rfi_json_doc *doc = doc_new(text, size, name);
    if (doc == NULL)
        return rfi_diag_at(out_diag, RF_ENOMEM, name, 0, 0, "out of memory");
    struct parser p = {.doc = doc, .flags = flags, .diag = out_diag};
    p.depth_max = limits != NULL && limits->depth_max > 0 ? limits->depth_max : DEPTH_MAX;
    p.nodes_max = limits != NULL && limits->nodes_max > 0 ? limits->nodes_max : NODES_MAX;
    rf_err err = parse_values(&p);
    if (err != RF_OK) {
        rfi_json_doc_free(doc);
        return err;
    }
    *out = doc;
    return RF_OK;
}

void rfi_json_doc_free(struct rfi_json_doc *doc)
{
    if (doc == NULL)
        return;
    struct chunk *chunk = doc->chunks;
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(doc->text);
    free(doc->strings);
    free(doc->name);
    free(doc);
}

const struct rfi_json *rfi_json_root(const struct rfi_json_doc *doc)
{
    return doc->root;
}

const char *rfi_json_doc_text(const struct rfi_json_doc *doc)
{
    return doc->text;
}

const char *rfi_json_doc_name(const struct rfi_json_doc *doc)
{
    return doc->name;
}

void rfi_json_where(const struct rfi_json_doc *doc, size_t offset, unsigned *out_line,
                    unsigned *out_column)
{
    if (offset > doc->size)
        offset = doc->size;
    unsigned line = 1;
    size_t line_start = 0;
    const char *newline;
    while ((newline = memchr(doc->text + line_start, '\n', offset - line_start)) != NULL) {
        line++;
        line_start = (size_t)(newline - doc->text) + 1;
    }
    *out_line = line;
    *out_column = (unsigned)(offset - line_start) + 1;
}

static rf_err fail(const struct parser *p, rf_err err, size_t at, const char *why)
{
    unsigned line, column;
    rfi_json_where(p->doc, at, &line, &column);
    (void)rfi_diag_at(p->diag, err, p->doc->name, line, column, "%s", why);
    return err;
}

static rf_err fail_memory(const struct parser *p)
{
    (void)rfi_diag_at(p->diag, RF_ENOMEM, p->doc->name, 0, 0, "out of memory");
    return RF_ENOMEM;
}

static char peek(const struct parser *p)
{
    return p->at < p->doc->size ? p->doc->text[p->at] : '\0';
}

static bool is_at_end(const struct parser *p)
{
    return p->at >= p->doc->size;
}

/* Blanks, and comments where they are allowed. */
static rf_err skip_blanks(struct parser *p)
{
    const char *text = p->doc->text;
    size_t size = p->doc->size;
    for (;;) {
        while (p->at < size && (text[p->at] == ' ' || text[p->at] == '\t' || text[p->at] == '\n' ||
                                text[p->at] == '\r'))
            p->at++;
        if (peek(p) != '/')
            return RF_OK;
        if ((p->flags & RFI_JSON_COMMENTS) == 0)
            return fail(p, RF_EFORMAT, p->at, "comments are not allowed here");
        size_t start = p->at;
        char second = text[start + 1]; /* the terminator at worst */
        if (second == '/') {
            const char *newline = memchr(text + start, '\n', size - start);
            p->at = newline != NULL ? (size_t)(newline - text) : size;
        } else if (second == '*') {
            const char *close = memmem(text + start + 2, size - start - 2, "*/", 2);
            if (close == NULL)
                return fail(p, RF_EFORMAT, start, "a comment without its end");
            p->at = (size_t)(close - text) + 2;
        } else {
            return fail(p, RF_EFORMAT, start, "a lone / (comments begin with // or /*)");
        }
    }
}

static struct node *node_new(struct parser *p)
{
    struct chunk *chunk = p->doc->chunks;
    if (chunk == NULL || chunk->used == chunk->capacity) {
        size_t capacity = chunk == NULL ? CHUNK_NODES_MIN : chunk->capacity * 4;
        if (capacity > CHUNK_NODES_MAX)
            capacity = CHUNK_NODES_MAX;
        chunk = malloc(sizeof *chunk + capacity * sizeof chunk->nodes[0]);
        if (chunk == NULL)
            return NULL;
        chunk->next = p->doc->chunks;
        chunk->used = 0;
        chunk->capacity = capacity;
        p->doc->chunks = chunk;
    }
    struct node *node = &chunk->nodes[chunk->used++];
    *node = (struct node){0};
    return node;
}

/* Make the node of a value that starts here and hang it under the open container. */
static rf_err add_node(struct parser *p, enum rfi_json_type type, struct node **out)
{
    if (p->nodes >= p->nodes_max)
        return fail(p, RF_ELIMIT, p->at, "too many values in one text");
    struct node *node = node_new(p);
    if (node == NULL)
        return fail_memory(p);
    p->nodes++;
    node->json.type = type;
    node->json.start = p->at;
    node->json.key = p->key;
    node->json.key_size = p->key_size;
    node->json.key_start = p->key_start;
    p->key = NULL;
    p->key_size = p->key_start = 0;
    node->parent = p->open;
    if (p->open == NULL) {
        p->doc->root = &node->json;
    } else {
        struct node *last = p->open->last_child;
        if (last == NULL) {
            p->open->json.first = &node->json;
        } else {
            last->json.next = &node->json;
            last->next = node;
        }
        p->open->last_child = node;
        p->open->json.count++;
    }
    *out = node;
    return RF_OK;
}

/* Copy [start, end) of the text, without its escapes, to the block of strings. */
static const char *keep_string(struct parser *p, size_t start, size_t end, bool has_escapes,
                               size_t *out_size)
{
    char *to = p->doc->strings + p->strings_used;
    size_t size = end - start;
    if (has_escapes)
        size = rfi_json_scan_decode(p->doc->text, start, end, to);
    else
        memcpy(to, p->doc->text + start, size);
    to[size] = '\0';
    p->strings_used += size + 1;
    *out_size = size;
    return to;
}

static rf_err parse_string(struct parser *p, const char **out_text, size_t *out_size)
{
    size_t start = p->at;
    struct rfi_json_scan scan = rfi_json_scan_string(p->doc->text, p->doc->size, start);
    if (scan.why != NULL)
        return fail(p, RF_EFORMAT, scan.at, scan.why);
    *out_text = keep_string(p, start + 1, scan.at - 1, scan.has_escapes, out_size);
    p->at = scan.at;
    return RF_OK;
}

static rf_err parse_key(struct parser *p)
{
    if (peek(p) != '"')
        return fail(p, RF_EFORMAT, p->at,
                    is_at_end(p) ? "the text ends inside an object"
                                 : "expected a key in double quotes");
    p->key_start = p->at;
    rf_err err = parse_string(p, &p->key, &p->key_size);
    if (err == RF_OK)
        err = skip_blanks(p);
    if (err != RF_OK)
        return err;
    if (peek(p) != ':')
        return fail(p, RF_EFORMAT, p->at, "expected a colon after the key");
    p->at++;
    return skip_blanks(p);
}

static rf_err parse_word(struct parser *p, const char *word, enum rfi_json_type type, bool boolean)
{
    size_t end = p->at + strlen(word);
    char after = end < p->doc->size ? p->doc->text[end] : '\0';
    bool is_longer = (after >= 'a' && after <= 'z') || (after >= 'A' && after <= 'Z') ||
                     (after >= '0' && after <= '9') || after == '_';
    if (!rfi_json_scan_word(p->doc->text, p->doc->size, p->at, word) || is_longer)
        return fail(p, RF_EFORMAT, p->at, "not a value (a text needs double quotes)");
    struct node *node;
    rf_err err = add_node(p, type, &node);
    if (err != RF_OK)
        return err;
    node->json.boolean = boolean;
    p->at = node->json.end = end;
    return RF_OK;
}

static rf_err parse_number(struct parser *p)
{
    struct rfi_json_scan scan = rfi_json_scan_number(p->doc->text, p->doc->size, p->at);
    if (scan.why != NULL)
        return fail(p, RF_EFORMAT, scan.at, scan.why);
    struct node *node;
    rf_err err = add_node(p, RFI_JSON_NUMBER, &node);
    if (err != RF_OK)
        return err;
    node->json.text = keep_string(p, p->at, scan.at, false, &node->json.text_size);
    p->at = node->json.end = scan.at;
    return RF_OK;
}

static rf_err parse_string_value(struct parser *p)
{
    struct node *node;
    rf_err err = add_node(p, RFI_JSON_STRING, &node);
    if (err == RF_OK)
        err = parse_string(p, &node->json.text, &node->json.text_size);
    if (err == RF_OK)
        node->json.end = p->at;
    return err;
}

static rf_err open_container(struct parser *p, enum rfi_json_type type)
{
    if (p->depth >= p->depth_max)
        return fail(p, RF_ELIMIT, p->at, "brackets are nested too deeply");
    struct node *node;
    rf_err err = add_node(p, type, &node);
    if (err != RF_OK)
        return err;
    p->depth++;
    p->open = node;
    p->at++;
    return RF_OK;
}

static bool has_key(const struct rfi_json *node, const struct rfi_json *other)
{
    return node->key_size == other->key_size && memcmp(node->key, other->key, node->key_size) == 0;
}

static rf_err fail_duplicate(const struct parser *p, const struct rfi_json *node, size_t first_at)
{
    unsigned line, column;
    rfi_json_where(p->doc, first_at, &line, &column);
    return rfi_json_error(p->doc, node, true, RF_EFORMAT, p->diag,
                          "the key \"%.100s\" stands here twice (first at %u:%u)", node->key, line,
                          column);
}

static rf_err check_keys_by_map(const struct parser *p, const struct rfi_json *object)
{
    struct rfi_map *seen = rfi_map_new();
    if (seen == NULL)
        return fail_memory(p);
    rf_err err = RF_OK;
    for (const struct rfi_json *node = object->first; node != NULL && err == RF_OK;
         node = node->next) {
        err = rfi_map_add_bytes(seen, node->key, node->key_size, p->doc->text + node->key_start);
        if (err == RF_ENOMEM)
            err = fail_memory(p);
        if (err == RF_EEXISTS) {
            const char *first = rfi_map_get_bytes(seen, node->key, node->key_size);
            err = fail_duplicate(p, node, (size_t)(first - p->doc->text));
        }
    }
    rfi_map_free(seen);
    return err;
}

static rf_err check_keys(const struct parser *p, const struct rfi_json *object)
{
    if (object->count > PAIRWISE_MAX)
        return check_keys_by_map(p, object);
    for (const struct rfi_json *node = object->first; node != NULL; node = node->next)
        for (const struct rfi_json *other = object->first; other != node; other = other->next)
            if (has_key(node, other))
                return fail_duplicate(p, node, other->key_start);
    return RF_OK;
}

/* The bracket stands here. */
static rf_err close_container(struct parser *p)
{
    struct node *node = p->open;
    p->at++;
    node->json.end = p->at;
    p->open = node->parent;
    p->depth--;
    return node->json.type == RFI_JSON_OBJECT ? check_keys(p, &node->json) : RF_OK;
}

static rf_err parse_value(struct parser *p)
{
    char c = peek(p);
    if (is_at_end(p))
        return fail(p, RF_EFORMAT, p->at,
                    p->open == NULL ? "the text is empty" : "the text ends where a value belongs");
    switch (c) {
    case '"':
        return parse_string_value(p);
    case '{':
        return open_container(p, RFI_JSON_OBJECT);
    case '[':
        return open_container(p, RFI_JSON_ARRAY);
    case 't':
        return parse_word(p, "true", RFI_JSON_BOOL, true);
    case 'f':
        return parse_word(p, "false", RFI_JSON_BOOL, false);
    case 'n':
        return parse_word(p, "null", RFI_JSON_NULL, false);
    case ',':
    case ']':
    case '}':
    case ':':
        return fail(p, RF_EFORMAT, p->at, "a value is missing here");
    default:
        if (c == '-' || (c >= '0' && c <= '9'))
            return parse_number(p);
        return fail(p, RF_EFORMAT, p->at, "not a value (a text needs double quotes)");
    }
}

static rf_err fail_unclosed(const struct parser *p, bool is_object)
{
    const struct rfi_json *open = &p->open->json;
    unsigned line, column;
    rfi_json_where(p->doc, open->start, &line, &column);
    char why[96];
    (void)snprintf(why, sizeof why, "the text ends, but the %c of %u:%u is still open",
                   is_object ? '{' : '[', line, column);
    return fail(p, RF_EFORMAT, p->at, why);
}

/* In an open container, after its bracket or after a value: read up to the next value (true), or one
 * closing bracket (false). */
static rf_err parse_separator(struct parser *p, bool *out_has_value)
{
    bool is_object = p->open->json.type == RFI_JSON_OBJECT;
    char closing = is_object ? '}' : ']';
    bool is_first = p->open->last_child == NULL;
    *out_has_value = false;
    rf_err err = skip_blanks(p);
    if (err != RF_OK)
        return err;
    if (is_at_end(p))
        return fail_unclosed(p, is_object);
    if (peek(p) == closing)
        return close_container(p);
    if (!is_first) {
        if (peek(p) != ',')
            return fail(p, RF_EFORMAT, p->at,
                        is_object ? "expected a comma or } after a member"
                                  : "expected a comma or ] after an element");
        size_t comma = p->at;
        p->at++;
        err = skip_blanks(p);
        if (err != RF_OK)
            return err;
        if (peek(p) == closing && (p->flags & RFI_JSON_COMMENTS) != 0)
            return close_container(p);
        if (peek(p) == closing)
            return fail(p, RF_EFORMAT, comma, "a comma before the closing bracket");
    }
    *out_has_value = true;
    return is_object ? parse_key(p) : RF_OK;
}

static rf_err parse_values(struct parser *p)
{
    rf_err err = skip_blanks(p);
    bool has_value = true;
    while (err == RF_OK) {
        if (has_value)
            err = parse_value(p);
        if (err != RF_OK || p->open == NULL)
            break;
        err = parse_separator(p, &has_value);
        if (p->open == NULL)
            break;
    }
    if (err == RF_OK)
        err = skip_blanks(p);
    if (err == RF_OK && !is_at_end(p))
        err = fail(p, RF_EFORMAT, p->at, "there is more text after the value");
    return err;
}
