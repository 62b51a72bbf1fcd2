/* SPDX-License-Identifier: MIT */
/* From text to values and back: tpl_data_transformer, tpl_json_parse, tpl_json_print.
 *
 * Objects are taken apart and put together as text: what is not touched comes out byte for byte as
 * it went in. Upper and lower case mean ASCII letters; other characters stay as they are. The states
 * hold the configuration only. */
#include "core/components/component.h"
#include <stdlib.h>
#include <string.h>

enum { OUT_OUTPUT, OUT_ERROR };

enum operation {
    OP_PASS,
    OP_UPPER,
    OP_LOWER,
    OP_TO_JSON,
    OP_FROM_JSON,
    OP_EXTRACT,
    OP_SET,
    OP_TEMPLATE
};

struct transformer {
    enum operation operation;
    const char *field;       /* of the configuration, as are these: it outlives the state */
    const char *field_value; /* JSON text */
    const char *template_text;
};

static rf_err transformer_create(rf_context *ctx, void **out_state)
{
    static const char *const names[] = {"pass",      "to_uppercase",  "to_lowercase", "to_json",
                                        "from_json", "extract_field", "set_field",    "template"};
    struct transformer *transformer = calloc(1, sizeof *transformer);
    if (transformer == NULL)
        return RF_ENOMEM;
    const char *key = rfi_component_key(ctx, "transform_type", "operation");
    const char *name = key != NULL ? rf_config_string(ctx, key, "") : "pass";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            transformer->operation = (enum operation)i; /* any other name passes */
    key = rfi_component_key(ctx, "field_name", "field");
    transformer->field = key != NULL ? rf_config_string(ctx, key, "") : "";
    key = rfi_component_key(ctx, "field_value", "value");
    transformer->field_value = key != NULL ? rf_config_json(ctx, key) : "null";
    transformer->template_text = rf_config_string(ctx, "template", "${value}");
    if (transformer->operation == OP_SET && *transformer->field == '\0') {
        free(transformer);
        return rf_fail(ctx, "set_field needs field_name");
    }
    *out_state = transformer;
    return RF_OK;
}

static rf_err emit_value(rf_context *ctx, const void *json, size_t size)
{
    rf_message *msg = NULL;
    rf_diag diag = {0};
    rf_err err = rf_message_from_value(json, size, &msg, &diag);
    if (err == RF_OK)
        return rf_emit(ctx, OUT_OUTPUT, msg);
    if (err == RF_ENOMEM)
        return err;
    if (diag.line > 0)
        return rfi_component_emit_error(ctx, OUT_ERROR, "no JSON: line %u, column %u: %s",
                                        diag.line, diag.column, diag.text);
    return rfi_component_emit_error(ctx, OUT_ERROR, "no JSON: %s", diag.text);
}

static rf_err change_case(rf_context *ctx, rf_message *msg, uint8_t first, int shift)
{
    struct rfi_buf text;
    rfi_buf_init(&text);
    rf_err err = rfi_component_append_text(&text, msg);
    for (size_t i = 0; err == RF_OK && i < text.size; i++)
        if (text.data[i] >= first && text.data[i] < first + 26)
            text.data[i] = (uint8_t)(text.data[i] + shift);
    if (err == RF_OK)
        err = rfi_component_emit_string(ctx, OUT_OUTPUT, &text);
    rfi_buf_fini(&text);
    return err;
}

static rf_err emit_json_text(rf_context *ctx, const rf_message *msg)
{
    char *json = NULL;
    size_t size = 0;
    rf_err err = rf_message_to_value(msg, &json, &size);
    if (err == RF_OK)
        err = rf_emit(ctx, OUT_OUTPUT, rf_message_string(json, size));
    free(json);
    return err;
}

static rf_err extract_field(rf_context *ctx, const struct transformer *transformer,
                            const struct rfi_value *value)
{
    const struct rfi_json *found = rfi_value_at(value->root, transformer->field);
    if (found == NULL)
        return rf_emit(ctx, OUT_OUTPUT, rf_message_optional(NULL, 0));
    return rfi_component_emit_json(ctx, OUT_OUTPUT, rfi_value_text(value, found));
}

static rf_err set_field(rf_context *ctx, const struct transformer *transformer,
                        const struct rfi_value *value)
{
    if (value->root->type != RFI_JSON_OBJECT)
        return rfi_component_emit_error(ctx, OUT_ERROR, "set_field takes an Object");
    struct rfi_buf json;
    struct rfi_json_writer writer;
    rfi_buf_init(&json);
    rfi_jsonw_init(&writer, &json);
    rfi_jsonw_begin_object(&writer);
    for (const struct rfi_json *item = value->root->first; item != NULL; item = item->next) {
        if (strlen(transformer->field) == item->key_size &&
            memcmp(transformer->field, item->key, item->key_size) == 0)
            continue;
        rf_span text = rfi_value_text(value, item);
        rfi_jsonw_key_bytes(&writer, item->key, item->key_size);
        rfi_jsonw_raw(&writer, text.data, text.size);
    }
    rfi_jsonw_key(&writer, transformer->field);
    rfi_jsonw_raw(&writer, transformer->field_value, strlen(transformer->field_value));
    rfi_jsonw_end_object(&writer);
    rf_err err = rfi_component_emit_object(ctx, OUT_OUTPUT, &json);
    rfi_buf_fini(&json);
    return err;
}

/* `${value}` is the message as text, `${a.b}` a field of it as text. */
static rf_err fill_template(rf_context *ctx, const struct transformer *transformer,
                            const rf_message *msg, const struct rfi_value *value)
{
    struct rfi_buf text;
    rfi_buf_init(&text);
    rf_err err = RF_OK;
    const char *at = transformer->template_text;
    for (const char *next = strstr(at, "${"); err == RF_OK && next != NULL;
         next = strstr(at, "${")) {
        const char *end = strchr(next, '}');
        if (end == NULL)
            break;
        rfi_buf_append(&text, at, (size_t)(next - at));
        at = end + 1;
        char *path = strndup(next + 2, (size_t)(end - next) - 2);
        if (path == NULL) {
            err = RF_ENOMEM;
            break;
        }
        const struct rfi_json *found = value->root != NULL ? rfi_value_at(value->root, path) : NULL;
        if (strcmp(path, "value") == 0)
            err = rfi_component_append_text(&text, msg);
        else if (found != NULL && found->type == RFI_JSON_STRING)
            rfi_buf_append(&text, found->text, found->text_size);
        else if (found != NULL)
            rfi_buf_append(&text, rfi_value_text(value, found).data, found->end - found->start);
        free(path);
    }
    rfi_buf_append_text(&text, at);
    if (err == RF_OK)
        err = rfi_component_emit_string(ctx, OUT_OUTPUT, &text);
    rfi_buf_fini(&text);
    return err;
}

static rf_err parse_text(rf_context *ctx, const rf_message *msg)
{
    rf_kind kind = rf_message_kind(msg);
    rf_span text = rf_message_data(msg);
    if (kind != RF_KIND_STRING && kind != RF_KIND_BYTES)
        return rfi_component_emit_error(ctx, OUT_ERROR, "JSON comes as String or Bytes, not %s",
                                        rf_kind_name(kind));
    return emit_value(ctx, text.data, text.size);
}

static rf_err transformer_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    const struct transformer *transformer = state;
    struct rfi_value value = {0};
    rf_err err = RF_OK;
    switch (transformer->operation) {
    case OP_PASS:
        return rf_emit(ctx, OUT_OUTPUT, rf_message_ref(msg));
    case OP_UPPER:
        return change_case(ctx, msg, 'a', 'A' - 'a');
    case OP_LOWER:
        return change_case(ctx, msg, 'A', 'a' - 'A');
    case OP_TO_JSON:
        return emit_json_text(ctx, msg);
    case OP_FROM_JSON:
        return parse_text(ctx, msg);
    case OP_EXTRACT:
    case OP_SET:
    case OP_TEMPLATE:
        break;
    }
    err = rfi_value_of_message(msg, &value, NULL);
    if (err == RF_ENOMEM)
        return err;
    if (transformer->operation == OP_TEMPLATE)
        err = fill_template(ctx, transformer, msg, &value);
    else if (err != RF_OK)
        err = rfi_component_emit_error(ctx, OUT_ERROR, "the message holds no JSON");
    else if (transformer->operation == OP_SET)
        err = set_field(ctx, transformer, &value);
    else
        err = extract_field(ctx, transformer, &value);
    rfi_value_fini(&value);
    return err;
}

static const rf_port_def transformer_inports[] = {{"input", NULL, "any message"}};
static const rf_port_def transformer_outports[] = {
    {"output", NULL, "the changed message"},
    {"error", NULL, "Error: the message cannot be changed like that"},
};
static const rf_key_def transformer_keys[] = {
    {"transform_type", "string", "\"pass\"", false,
     "to_uppercase, to_lowercase, to_json, from_json, extract_field, set_field, template, else "
     "pass (operation is read as well)"},
    {"field_name", "string", NULL, false,
     "extract_field: path; set_field: key (field is read as well)"},
    {"field_value", "json", "null", false, "set_field: the value (value is read as well)"},
    {"template", "string", "\"${value}\"", false, "text with ${value} or ${path.of.field}"},
};

const rf_component rfi_component_data_transformer = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_data_transformer",
    .summary = "Changes each message by one of a few simple rules",
    RFI_INPORTS(transformer_inports),
    RFI_OUTPORTS(transformer_outports),
    RFI_KEYS(transformer_keys),
    .create = transformer_create,
    .on_message = transformer_on_message,
    .destroy = free,
};

/* ---- tpl_json_parse ---- */

static rf_err parse_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    if (rf_message_kind(msg) == RF_KIND_FLOW)
        return rf_emit(ctx, OUT_OUTPUT, rf_message_ref(msg));
    return parse_text(ctx, msg);
}

static const rf_port_def parse_inports[] = {{"input", NULL, "String or Bytes: one JSON text"}};
static const rf_port_def parse_outports[] = {
    {"output", NULL,
     "its value: Object, Array, String, Integer, Float, Boolean or Optional (null)"},
    {"error", NULL, "Error: no JSON, with line and column"},
};

const rf_component rfi_component_json_parse = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_json_parse",
    .summary = "Reads JSON text",
    RFI_INPORTS(parse_inports),
    RFI_OUTPORTS(parse_outports),
    .on_message = parse_on_message,
};

/* ---- tpl_json_print ---- */

static void begin_line(struct rfi_buf *out, size_t depth)
{
    rfi_buf_append_byte(out, '\n');
    for (size_t i = 0; i < depth; i++)
        rfi_buf_append_text(out, "  ");
}

/* Valid JSON again, with two blanks a level; strings are copied as they stand. */
static void print_pretty(struct rfi_buf *out, const char *json, size_t size)
{
    size_t depth = 0;
    for (size_t at = 0; at < size; at++) {
        char c = json[at];
        if (c == '"') {
            size_t end = at + 1;
            while (end < size && json[end] != '"')
                end += json[end] == '\\' ? 2 : 1;
            end = end < size ? end : size - 1;
            rfi_buf_append(out, json + at, end - at + 1);
            at = end;
        } else if (c == '{' || c == '[') {
            rfi_buf_append_byte(out, (uint8_t)c);
            while (at + 1 < size && strchr(" \t\r\n", json[at + 1]) != NULL && json[at + 1] != '\0')
                at++;
            bool is_empty = at + 1 < size && (json[at + 1] == '}' || json[at + 1] == ']');
            if (is_empty)
                rfi_buf_append_byte(out, (uint8_t)json[++at]);
            else
                begin_line(out, ++depth);
        } else if (c == '}' || c == ']') {
            begin_line(out, depth > 0 ? --depth : 0);
            rfi_buf_append_byte(out, (uint8_t)c);
        } else if (c == ',') {
            rfi_buf_append_byte(out, ',');
            begin_line(out, depth);
        } else if (c == ':') {
            rfi_buf_append_text(out, ": ");
        } else if (strchr(" \t\r\n", c) == NULL) {
            rfi_buf_append_byte(out, (uint8_t)c);
        }
    }
}

static rf_err print_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    if (rf_message_kind(msg) == RF_KIND_FLOW)
        return rf_emit(ctx, OUT_OUTPUT, rf_message_ref(msg));
    if (!rf_config_boolean(ctx, "pretty", false))
        return emit_json_text(ctx, msg);
    char *json = NULL;
    size_t size = 0;
    rf_err err = rf_message_to_value(msg, &json, &size);
    if (err != RF_OK)
        return err;
    struct rfi_buf text;
    rfi_buf_init(&text);
    print_pretty(&text, json, size);
    free(json);
    err = rfi_component_emit_string(ctx, OUT_OUTPUT, &text);
    rfi_buf_fini(&text);
    return err;
}

static const rf_port_def print_inports[] = {{"input", NULL, "any message"}};
static const rf_port_def print_outports[] = {{"output", NULL, "String: its value as JSON"}};
static const rf_key_def print_keys[] = {
    {"pretty", "boolean", "false", false, "with line breaks and indentation"},
};

const rf_component rfi_component_json_print = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_json_print",
    .summary = "Writes each message as JSON text",
    RFI_INPORTS(print_inports),
    RFI_OUTPORTS(print_outports),
    RFI_KEYS(print_keys),
    .on_message = print_on_message,
};
