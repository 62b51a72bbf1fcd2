/* SPDX-License-Identifier: MIT */
/* Work on each value of an Array: tpl_map, tpl_filter, tpl_reduce. A message that is no Array is
 * treated as one value by map and filter, and is an error to reduce.
 *
 * Values are looked into one at a time and passed on as the JSON text that they stand in. The states
 * hold the configuration only. */
#include "core/components/component.h"
#include <stdlib.h>
#include <string.h>

enum { MAP_OUTPUT, MAP_ERROR };

enum map_operation { MAP_IDENTITY, MAP_TO_STRING, MAP_TO_NUMBER, MAP_EXTRACT_FIELD };

struct map {
    enum map_operation operation;
    const char *field; /* of the configuration, which outlives the state */
};

/* Is `name` in the list? Then its place is in `out`. */
static bool find_name(const char *const *names, size_t count, const char *name, size_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static rf_err map_create(rf_context *ctx, void **out_state)
{
    static const char *const names[] = {"identity", "to_string", "to_number", "extract_field"};
    const char *name = rf_config_string(ctx, "operation", "identity");
    size_t operation = 0;
    if (!find_name(names, 4, name, &operation))
        return rf_fail(ctx,
                       "there is no operation \"%s\" (identity, to_string, to_number, "
                       "extract_field)",
                       name);
    struct map *map = calloc(1, sizeof *map);
    if (map == NULL)
        return RF_ENOMEM;
    map->operation = (enum map_operation)operation;
    map->field = rf_config_string(ctx, "field", "");
    *out_state = map;
    return RF_OK;
}

static void map_to_number(struct rfi_buf *out, const struct rfi_value *value, rf_span text)
{
    double number = 0.0;
    if (value->root->type == RFI_JSON_NUMBER)
        rfi_buf_append(out, text.data, text.size);
    else if (value->root->type == RFI_JSON_BOOL)
        rfi_buf_append_byte(out, value->root->boolean ? '1' : '0');
    else if (rfi_value_number(value->root, &number))
        rfi_json_write_double(out, number);
    else
        rfi_buf_append_text(out, "null");
}

/* The mapped value as JSON, appended to `out`. */
static rf_err map_value(const struct map *map, rf_span text, struct rfi_buf *out)
{
    struct rfi_value value = {0};
    rf_err err = rfi_value_of_json(text.data, text.size, &value, NULL);
    if (err != RF_OK)
        return err;
    const struct rfi_json *found = NULL;
    switch (map->operation) {
    case MAP_IDENTITY:
        rfi_buf_append(out, text.data, text.size);
        break;
    case MAP_TO_STRING:
        if (value.root->type == RFI_JSON_STRING)
            rfi_buf_append(out, text.data, text.size);
        else
            rfi_json_write_string(out, text.data, text.size);
        break;
    case MAP_TO_NUMBER:
        map_to_number(out, &value, text);
        break;
    case MAP_EXTRACT_FIELD:
        found = rfi_value_at(value.root, map->field);
        if (found != NULL)
            text = rfi_value_text(&value, found);
        else
            text = (rf_span){"null", 4};
        rfi_buf_append(out, text.data, text.size);
        break;
    }
    rfi_value_fini(&value);
    return out->is_failed ? RF_ENOMEM : RF_OK;
}

/* An Array of the texts that lie one behind the other in `json`. */
static rf_err emit_array(rf_context *ctx, size_t outport, const struct rfi_buf *json,
                         const size_t *ends, size_t count)
{
    rf_span *items = calloc(count + 1, sizeof *items);
    if (items == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        size_t begin = i == 0 ? 0 : ends[i - 1];
        items[i] = (rf_span){json->data + begin, ends[i] - begin};
    }
    rf_err err = rf_emit(ctx, outport, rf_message_array(items, count));
    free(items);
    return err;
}

/* The message as a list of values: those of an Array, or itself. */
struct values {
    rf_span *spans;
    size_t count;
    bool is_array;
    struct rfi_items items;
    char *json; /* of a message that is no Array */
    rf_span single;
};

static rf_err values_of(const rf_message *msg, struct values *out)
{
    struct values values = {0};
    rf_err err = rfi_items_of_message(msg, &values.items);
    if (err == RF_OK) {
        values.is_array = true;
        values.count = values.items.count;
    } else if (err == RF_EINVAL) {
        size_t size = 0;
        err = rf_message_to_value(msg, &values.json, &size);
        values.single = (rf_span){values.json, size};
        values.count = 1;
    }
    if (err != RF_OK)
        return err;
    *out = values;
    out->spans = out->is_array ? out->items.spans : &out->single;
    return RF_OK;
}

static void values_fini(struct values *values)
{
    rfi_items_fini(&values->items);
    free(values->json);
}

static rf_err map_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    const struct map *map = state;
    if (map->operation == MAP_IDENTITY || rf_message_kind(msg) == RF_KIND_FLOW)
        return rf_emit(ctx, MAP_OUTPUT, rf_message_ref(msg));
    struct values values = {0};
    struct rfi_buf json;
    rfi_buf_init(&json);
    size_t *ends = NULL;
    rf_err err = values_of(msg, &values);
    if (err == RF_OK) {
        ends = calloc(values.count + 1, sizeof *ends);
        err = ends != NULL ? RF_OK : RF_ENOMEM;
    }
    for (size_t i = 0; err == RF_OK && i < values.count; i++) {
        err = map_value(map, values.spans[i], &json);
        ends[i] = json.size;
    }
    if (err == RF_OK && values.is_array)
        err = emit_array(ctx, MAP_OUTPUT, &json, ends, values.count);
    else if (err == RF_OK)
        err = rfi_component_emit_json(ctx, MAP_OUTPUT, (rf_span){json.data, json.size});
    if (err == RF_EFORMAT || err == RF_ELIMIT)
        err = rfi_component_emit_error(ctx, MAP_ERROR, "the message holds a value that is no JSON");
    free(ends);
    rfi_buf_fini(&json);
    values_fini(&values);
    return err;
}

static const rf_port_def map_inports[] = {{"input", NULL, "Array, or one value"}};
static const rf_port_def map_outports[] = {
    {"output", NULL, "the Array of the mapped values, or the one"},
    {"error", NULL, "Error: a value that is no JSON"},
};
static const rf_key_def map_keys[] = {
    {"operation", "string", "\"identity\"", false,
     "identity, to_string, to_number (null where there is none) or extract_field"},
    {"field", "string", NULL, false, "extract_field: path such as \"a.b\"; null where it is not"},
};

const rf_component rfi_component_map = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_map",
    .summary = "Changes each value of an Array",
    RFI_INPORTS(map_inports),
    RFI_OUTPORTS(map_outports),
    RFI_KEYS(map_keys),
    .create = map_create,
    .on_message = map_on_message,
    .destroy = free,
};

/* ---- tpl_filter ---- */

enum { FILTER_OUTPUT, FILTER_REJECTED, FILTER_ERROR };

static rf_err filter_create(rf_context *ctx, void **out_state)
{
    char hint[160];
    const char *name = rf_config_string(ctx, "condition", "truthy");
    struct rfi_condition *condition = calloc(1, sizeof *condition);
    if (condition == NULL)
        return RF_ENOMEM;
    rf_err err = rfi_condition_init(condition, name, rf_config_string(ctx, "field", ""),
                                    rf_config_json(ctx, "value"), hint, sizeof hint);
    if (err == RF_OK) {
        *out_state = condition;
        return RF_OK;
    }
    free(condition);
    if (err == RF_ENOENT)
        return rf_fail(ctx, "there is no condition \"%s\"%s", name, hint);
    return err == RF_EFORMAT ? rf_fail(ctx, "the value to compare with is no JSON") : err;
}

static void filter_destroy(void *state)
{
    rfi_condition_fini(state);
    free(state);
}

/* Sort the values into two lists that share one block: kept ones from its begin, others from its end. */
static rf_err filter_values(rf_context *ctx, const struct rfi_condition *condition,
                            const struct values *values, rf_message *msg)
{
    rf_span *sorted = calloc(values->count + 1, sizeof *sorted);
    if (sorted == NULL)
        return RF_ENOMEM;
    size_t kept = 0;
    size_t rejected = 0;
    rf_err err = RF_OK;
    for (size_t i = 0; err == RF_OK && i < values->count; i++) {
        struct rfi_value value = {0};
        err = rfi_value_of_json(values->spans[i].data, values->spans[i].size, &value, NULL);
        if (err == RF_OK && rfi_condition_holds(condition, value.root))
            sorted[kept++] = values->spans[i];
        else
            sorted[values->count - ++rejected] = values->spans[i];
        rfi_value_fini(&value);
    }
    for (size_t i = 0; i < rejected / 2; i++) { /* back into their order */
        rf_span *left = &sorted[kept + i];
        rf_span *right = &sorted[values->count - 1 - i];
        rf_span swapped = *left;
        *left = *right;
        *right = swapped;
    }
    if (err == RF_OK && !values->is_array) {
        err = rf_emit(ctx, kept > 0 ? FILTER_OUTPUT : FILTER_REJECTED, rf_message_ref(msg));
    } else if (err == RF_OK) {
        err = rf_emit(ctx, FILTER_OUTPUT, rf_message_array(sorted, kept));
        if (err == RF_OK)
            err = rf_emit(ctx, FILTER_REJECTED, rf_message_array(sorted + kept, rejected));
    }
    free(sorted);
    return err;
}

static rf_err filter_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    if (rf_message_kind(msg) == RF_KIND_FLOW)
        return rf_emit(ctx, FILTER_OUTPUT, rf_message_ref(msg));
    struct values values = {0};
    rf_err err = values_of(msg, &values);
    if (err == RF_OK)
        err = filter_values(ctx, state, &values, msg);
    values_fini(&values);
    if (err == RF_EFORMAT || err == RF_ELIMIT)
        err = rfi_component_emit_error(ctx, FILTER_ERROR,
                                       "the message holds a value that is no JSON");
    return err;
}

static const rf_port_def filter_inports[] = {{"input", NULL, "Array, or one value"}};
static const rf_port_def filter_outports[] = {
    {"output", NULL, "the values that meet the condition"},
    {"rejected", NULL, "the other values"},
    {"error", NULL, "Error: a value that is no JSON"},
};
static const rf_key_def filter_keys[] = {
    {"condition", "string", "\"truthy\"", false,
     "truthy, not_null, equals, greater_than, less_than, contains, or an operator of "
     "tpl_if_branch"},
    {"field", "string", NULL, false, "path of the field to look at; without it the value itself"},
    {"value", "json", "null", false, "what to compare with (plain, or tagged)"},
};

const rf_component rfi_component_filter = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_filter",
    .summary = "Keeps the values of an Array that meet a condition",
    RFI_INPORTS(filter_inports),
    RFI_OUTPORTS(filter_outports),
    RFI_KEYS(filter_keys),
    .create = filter_create,
    .on_message = filter_on_message,
    .destroy = filter_destroy,
};

/* ---- tpl_reduce ---- */

enum { REDUCE_OUTPUT, REDUCE_ERROR };

enum reduce_operation {
    REDUCE_SUM,
    REDUCE_PRODUCT,
    REDUCE_MIN,
    REDUCE_MAX,
    REDUCE_COUNT,
    REDUCE_CONCAT,
    REDUCE_FIRST,
    REDUCE_LAST
};

struct reduce {
    enum reduce_operation operation;
};

static rf_err reduce_create(rf_context *ctx, void **out_state)
{
    static const char *const names[] = {"sum",   "product", "min",   "max",
                                        "count", "concat",  "first", "last"};
    const char *name = rf_config_string(ctx, "operation", "sum");
    size_t operation = 0;
    if (!find_name(names, 8, name, &operation))
        return rf_fail(ctx,
                       "there is no operation \"%s\" (sum, product, min, max, count, concat, "
                       "first, last)",
                       name);
    struct reduce *reduce = calloc(1, sizeof *reduce);
    if (reduce == NULL)
        return RF_ENOMEM;
    reduce->operation = (enum reduce_operation)operation;
    *out_state = reduce;
    return RF_OK;
}

static double reduce_step(enum reduce_operation operation, double so_far, double number, bool first)
{
    if (first)
        return number;
    if (operation == REDUCE_SUM)
        return so_far + number;
    if (operation == REDUCE_PRODUCT)
        return so_far * number;
    if (operation == REDUCE_MIN)
        return number < so_far ? number : so_far;
    return number > so_far ? number : so_far;
}

static rf_err reduce_numbers(rf_context *ctx, const struct reduce *reduce,
                             const struct rfi_items *items)
{
    double result = 0.0;
    for (size_t i = 0; i < items->count; i++) {
        struct rfi_value value = {0};
        rf_err err = rfi_value_of_json(items->spans[i].data, items->spans[i].size, &value, NULL);
        if (err == RF_ENOMEM)
            return err;
        double number = 0.0;
        bool is_number = err == RF_OK && rfi_value_number(value.root, &number);
        rfi_value_fini(&value);
        if (!is_number)
            return rfi_component_emit_error(ctx, REDUCE_ERROR, "value %zu is no number", i);
        result = reduce_step(reduce->operation, result, number, i == 0);
    }
    return rf_emit(ctx, REDUCE_OUTPUT, rf_message_float(result));
}

static rf_err reduce_concat(rf_context *ctx, const struct rfi_items *items)
{
    struct rfi_buf text;
    rfi_buf_init(&text);
    rf_err err = RF_OK;
    for (size_t i = 0; err == RF_OK && i < items->count; i++) {
        struct rfi_value value = {0};
        err = rfi_value_of_json(items->spans[i].data, items->spans[i].size, &value, NULL);
        if (err == RF_OK && value.root->type == RFI_JSON_STRING)
            rfi_buf_append(&text, value.root->text, value.root->text_size);
        else
            rfi_buf_append(&text, items->spans[i].data, items->spans[i].size);
        rfi_value_fini(&value);
        if (err != RF_ENOMEM)
            err = RF_OK;
    }
    if (err == RF_OK)
        err = rfi_component_emit_string(ctx, REDUCE_OUTPUT, &text);
    rfi_buf_fini(&text);
    return err;
}

static rf_err reduce_items(rf_context *ctx, const struct reduce *reduce,
                           const struct rfi_items *items)
{
    if (reduce->operation == REDUCE_COUNT)
        return rf_emit(ctx, REDUCE_OUTPUT, rf_message_integer((int64_t)items->count));
    if (items->count == 0)
        return rf_emit(ctx, REDUCE_OUTPUT, rf_message_float(0.0));
    if (reduce->operation == REDUCE_CONCAT)
        return reduce_concat(ctx, items);
    if (reduce->operation == REDUCE_FIRST || reduce->operation == REDUCE_LAST)
        return rfi_component_emit_json(
            ctx, REDUCE_OUTPUT,
            items->spans[reduce->operation == REDUCE_FIRST ? 0 : items->count - 1]);
    return reduce_numbers(ctx, reduce, items);
}

static rf_err reduce_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    if (rf_message_kind(msg) == RF_KIND_FLOW)
        return rf_emit(ctx, REDUCE_OUTPUT, rf_message_ref(msg));
    struct rfi_items items = {0};
    rf_err err = rfi_items_of_message(msg, &items);
    if (err != RF_OK && err != RF_ENOMEM)
        return rfi_component_emit_error(ctx, REDUCE_ERROR, "this takes an Array, not %s",
                                        rf_kind_name(rf_message_kind(msg)));
    if (err == RF_OK)
        err = reduce_items(ctx, state, &items);
    rfi_items_fini(&items);
    return err;
}

static const rf_port_def reduce_inports[] = {{"input", NULL, "Array"}};
static const rf_port_def reduce_outports[] = {
    {"output", NULL, "Float (sum, product, min, max), Integer (count), String (concat) or a value"},
    {"error", NULL, "Error: the message was no Array, or a value no number"},
};
static const rf_key_def reduce_keys[] = {
    {"operation", "string", "\"sum\"", false,
     "sum, product, min, max, count, concat, first or last; of nothing: Float 0 (count: Integer)"},
};

const rf_component rfi_component_reduce = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_reduce",
    .summary = "Makes one value of an Array",
    RFI_INPORTS(reduce_inports),
    RFI_OUTPORTS(reduce_outports),
    RFI_KEYS(reduce_keys),
    .create = reduce_create,
    .on_message = reduce_on_message,
    .destroy = free,
};
