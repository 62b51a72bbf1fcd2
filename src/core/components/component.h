/* SPDX-License-Identifier: MIT */
/* What the built-in components share: their definitions, and the small things that each of them
 * would otherwise write again. */
#ifndef RFI_COMPONENT_H
#define RFI_COMPONENT_H

#include "core/base/buf.h"
#include "core/base/json_doc.h"
#include <reflow/actor.h>

/* Tables and their lengths, as initialisers of rf_component. */
#define RFI_INPORTS(table)  .inports = (table), .inport_count = sizeof(table) / sizeof((table)[0])
#define RFI_OUTPORTS(table) .outports = (table), .outport_count = sizeof(table) / sizeof((table)[0])
#define RFI_KEYS(table)     .keys = (table), .key_count = sizeof(table) / sizeof((table)[0])

extern const rf_component rfi_component_file_reader;
extern const rf_component rfi_component_file_writer;
extern const rf_component rfi_component_split_words;
extern const rf_component rfi_component_count_by_key;
extern const rf_component rfi_component_count_report;
extern const rf_component rfi_component_passthrough;
extern const rf_component rfi_component_echo;
extern const rf_component rfi_component_log;
extern const rf_component rfi_component_recorder;
extern const rf_component rfi_component_delay;
extern const rf_component rfi_component_interval_trigger;
extern const rf_component rfi_component_merge;
extern const rf_component rfi_component_collect;
extern const rf_component rfi_component_split;
extern const rf_component rfi_component_gate;
extern const rf_component rfi_component_loop;
extern const rf_component rfi_component_map;
extern const rf_component rfi_component_filter;
extern const rf_component rfi_component_reduce;
extern const rf_component rfi_component_switch;
extern const rf_component rfi_component_if_branch;
extern const rf_component rfi_component_data_transformer;
extern const rf_component rfi_component_json_parse;
extern const rf_component rfi_component_json_print;
extern const rf_component rfi_component_http_request;

/* Send an Error message from `outport`, and log it, since the port may lead nowhere. For wrong data:
 * the actor itself is well and goes on. */
rf_err rfi_component_emit_error(rf_context *ctx, size_t outport, const char *format, ...)
    RF_PRINTF(3, 4);
/* Send a buffer as a String or an Object, and leave it empty; its memory is kept. */
rf_err rfi_component_emit_string(rf_context *ctx, size_t outport, struct rfi_buf *text);
rf_err rfi_component_emit_object(rf_context *ctx, size_t outport, struct rfi_buf *json);
/* Send a plain JSON value as the message that it makes. */
rf_err rfi_component_emit_json(rf_context *ctx, size_t outport, rf_span json);
/* An integer of the configuration, moved into [min, max]. */
int64_t rfi_component_integer(const rf_context *ctx, const char *key, int64_t fallback, int64_t min,
                              int64_t max);
/* The first of two keys that is set (NULL: none), for keys with two spellings. */
const char *rfi_component_key(const rf_context *ctx, const char *key, const char *other);
/* The text of a String, Bytes, Error … message, or the JSON of any other kind, appended to `out`. */
rf_err rfi_component_append_text(struct rfi_buf *out, const rf_message *msg);
/* Append bytes as UTF-8: each byte that belongs to no character becomes U+FFFD. Returns how many. */
size_t rfi_component_append_utf8(struct rfi_buf *out, const void *data, size_t size);

/* The JSON value of a message, to look into. Values are borrowed from `doc`. */
struct rfi_value {
    struct rfi_json_doc *doc;
    const struct rfi_json *root;
};

/* Errors: RF_EFORMAT (the payload is no JSON), RF_ELIMIT, RF_ENOMEM; `out_diag` may be NULL. */
RF_NODISCARD rf_err rfi_value_of_message(const rf_message *msg, struct rfi_value *out,
                                         rf_diag *out_diag);
RF_NODISCARD rf_err rfi_value_of_json(const char *json, size_t size, struct rfi_value *out,
                                      rf_diag *out_diag);
void rfi_value_fini(struct rfi_value *value);
/* The value as it stands in the text. */
rf_span rfi_value_text(const struct rfi_value *value, const struct rfi_json *node);
/* Follow a path such as "a.b.0"; an empty path is the value itself. NULL: nothing there. */
const struct rfi_json *rfi_value_at(const struct rfi_json *node, const char *path);
/* Equal as JSON: numbers by value, objects whatever the order of their members. */
bool rfi_value_equal(const struct rfi_json *a, const struct rfi_json *b);
/* The elements of an Array message, or of any other one whose value is a JSON array. */
struct rfi_items {
    rf_span *spans;
    size_t count;
    struct rfi_value value; /* what the spans point into, unless it is the message */
};
/* Errors: RF_EINVAL (the value is no array), and those of rfi_value_of_message. */
RF_NODISCARD rf_err rfi_items_of_message(const rf_message *msg, struct rfi_items *out);
void rfi_items_fini(struct rfi_items *items);
/* Neither null, false, 0, "", [] nor {}. */
bool rfi_value_is_truthy(const struct rfi_json *node);
/* Number of a number, or of a string that reads as one. */
bool rfi_value_number(const struct rfi_json *node, double *out);

/* A value of the configuration to compare with: plain JSON, or the tagged form of a message, which
 * then matches both by its value and as it stands. */
struct rfi_operand {
    struct rfi_value plain;
    struct rfi_value untagged; /* doc NULL: it is not in tagged form */
};
RF_NODISCARD rf_err rfi_operand_init(struct rfi_operand *operand, const char *json);
void rfi_operand_fini(struct rfi_operand *operand);
bool rfi_operand_equal(const struct rfi_operand *operand, const struct rfi_json *node);
/* The value to order and search by: untagged where there is one. */
const struct rfi_json *rfi_operand_value(const struct rfi_operand *operand);

/* A test of one value, as filters and branches are configured with. */
enum rfi_test {
    RFI_TEST_TRUTHY,
    RFI_TEST_NOT_NULL,
    RFI_TEST_EQUALS,
    RFI_TEST_NOT_EQUALS,
    RFI_TEST_CONTAINS,
    RFI_TEST_NOT_CONTAINS,
    RFI_TEST_GREATER,
    RFI_TEST_LESS,
    RFI_TEST_GREATER_EQUAL,
    RFI_TEST_LESS_EQUAL,
    RFI_TEST_EMPTY,
    RFI_TEST_NOT_EMPTY
};
struct rfi_condition {
    enum rfi_test test;
    char *field; /* path into the value; NULL: the value itself */
    struct rfi_operand operand;
};
/* `operand_json` may be NULL: null. On failure `out_hint` tells the nearest name of a test.
 * Errors: RF_ENOENT (no such test), RF_EFORMAT, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_condition_init(struct rfi_condition *condition, const char *test,
                                       const char *field, const char *operand_json, char *out_hint,
                                       size_t hint_bytes);
void rfi_condition_fini(struct rfi_condition *condition);
bool rfi_condition_holds(const struct rfi_condition *condition, const struct rfi_json *value);

#endif
