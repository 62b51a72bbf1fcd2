/* SPDX-License-Identifier: MIT */
/* Several messages into one, and one into several: tpl_merge, tpl_collect, tpl_split, tpl_gate,
 * tpl_loop.
 *
 * States own references to the messages that they wait with. Values are passed on as the JSON text
 * that they stand in, so nothing is lost on the way. A collection that gives many messages is walked
 * with a look at the targets now and then, and goes on in on_resume before the next message. */
#include "core/components/component.h"
#include <stdlib.h>
#include <string.h>

/* The plain JSON of a message, or its tagged form, appended to `out`. */
static rf_err append_value(struct rfi_buf *out, const rf_message *msg, bool is_tagged)
{
    char *json = NULL;
    size_t size = 0;
    rf_err err = is_tagged ? rf_message_to_tagged(msg, &json, &size)
                           : rf_message_to_value(msg, &json, &size);
    if (err == RF_EINVAL) /* a float without a text in the tagged form */
        err = rf_message_to_value(msg, &json, &size);
    if (err != RF_OK)
        return err;
    rfi_buf_append(out, json, size);
    free(json);
    return out->is_failed ? RF_ENOMEM : RF_OK;
}

/* ---- tpl_merge ---- */

enum { MERGE_PORTS = 4, OUT_OUTPUT = 0 };

static const rf_port_def merge_inports[MERGE_PORTS] = {
    {"a", NULL, "any message; the newest counts"},
    {"b", NULL, "any message; the newest counts"},
    {"c", NULL, "any message; the newest counts"},
    {"d", NULL, "any message; the newest counts"},
};

struct merge {
    rf_message *newest[MERGE_PORTS];
    bool is_wanted[MERGE_PORTS];
    bool is_array, is_tagged;
};

static bool merge_read_inputs(const char *text, bool wanted[MERGE_PORTS])
{
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr(" ,\"[]", *at) != NULL)
            continue;
        if (*at < 'a' || *at >= 'a' + MERGE_PORTS)
            return false;
        wanted[*at - 'a'] = true;
        count++;
    }
    return count > 0;
}

static rf_err merge_create(rf_context *ctx, void **out_state)
{
    const char *mode = rf_config_string(ctx, "mode", "object");
    if (strcmp(mode, "object") != 0 && strcmp(mode, "array") != 0)
        return rf_fail(ctx, "mode is \"%s\", and must be \"object\" or \"array\"", mode);
    const char *values = rf_config_string(ctx, "values", "plain");
    if (strcmp(values, "plain") != 0 && strcmp(values, "tagged") != 0)
        return rf_fail(ctx, "values is \"%s\", and must be \"plain\" or \"tagged\"", values);
    struct merge *merge = calloc(1, sizeof *merge);
    if (merge == NULL)
        return RF_ENOMEM;
    merge->is_array = strcmp(mode, "array") == 0;
    merge->is_tagged = strcmp(values, "tagged") == 0;
    const char *inputs = rf_config_json(ctx, "inputs");
    if (!merge_read_inputs(inputs != NULL ? inputs : "a,b", merge->is_wanted)) {
        free(merge);
        return rf_fail(ctx, "inputs must name some of the ports a, b, c, d");
    }
    *out_state = merge;
    return RF_OK;
}

static void merge_destroy(void *state)
{
    struct merge *merge = state;
    for (size_t i = 0; i < MERGE_PORTS; i++)
        rf_message_unref(merge->newest[i]);
    free(merge);
}

static rf_err merge_emit_object(rf_context *ctx, const struct merge *merge)
{
    struct rfi_buf json;
    rfi_buf_init(&json);
    rf_err err = RF_OK;
    for (size_t i = 0; err == RF_OK && i < MERGE_PORTS; i++) {
        if (merge->newest[i] == NULL)
            continue;
        rfi_buf_append_byte(&json, json.size == 0 ? '{' : ',');
        rfi_buf_printf(&json, "\"%s\":", merge_inports[i].name);
        err = append_value(&json, merge->newest[i], merge->is_tagged);
    }
    rfi_buf_append_byte(&json, '}');
    if (err == RF_OK)
        err = rfi_component_emit_object(ctx, OUT_OUTPUT, &json);
    rfi_buf_fini(&json);
    return err;
}

static rf_err merge_emit_array(rf_context *ctx, const struct merge *merge)
{
    struct rfi_buf json;
    rfi_buf_init(&json);
    size_t ends[MERGE_PORTS];
    size_t count = 0;
    rf_err err = RF_OK;
    for (size_t i = 0; err == RF_OK && i < MERGE_PORTS; i++) {
        if (merge->newest[i] == NULL)
            continue;
        err = append_value(&json, merge->newest[i], merge->is_tagged);
        ends[count++] = json.size;
    }
    rf_span items[MERGE_PORTS];
    for (size_t i = 0; err == RF_OK && i < count; i++) {
        size_t begin = i == 0 ? 0 : ends[i - 1];
        items[i] = (rf_span){json.data + begin, ends[i] - begin};
    }
    if (err == RF_OK)
        err = rf_emit(ctx, OUT_OUTPUT, rf_message_array(items, count));
    rfi_buf_fini(&json);
    return err;
}

static rf_err merge_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    struct merge *merge = state;
    rf_message_unref(merge->newest[inport]);
    merge->newest[inport] = rf_message_ref(msg);
    for (size_t i = 0; i < MERGE_PORTS; i++)
        if (merge->is_wanted[i] && merge->newest[i] == NULL)
            return RF_OK;
    rf_err err = merge->is_array ? merge_emit_array(ctx, merge) : merge_emit_object(ctx, merge);
    for (size_t i = 0; i < MERGE_PORTS; i++) {
        rf_message_unref(merge->newest[i]);
        merge->newest[i] = NULL;
    }
    return err;
}

static const rf_port_def merge_outports[] = {
    {"output", NULL, "Object {a, b, …} or Array of the values"},
};
static const rf_key_def merge_keys[] = {
    {"mode", "string", "\"object\"", false, "\"object\" or \"array\""},
    {"inputs", "json", "[\"a\",\"b\"]", false, "in-ports that must have a message before it fires"},
    {"values", "string", "\"plain\"", false,
     "\"plain\" JSON, or \"tagged\" as the Rust Reflow has it"},
};

const rf_component rfi_component_merge = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_merge",
    .summary = "Joins one message of each in-port into one",
    RFI_INPORTS(merge_inports),
    RFI_OUTPORTS(merge_outports),
    RFI_KEYS(merge_keys),
    .create = merge_create,
    .on_message = merge_on_message,
    .destroy = merge_destroy,
};

/* ---- tpl_collect ---- */

enum { OUT_COUNT = 1, COLLECT_MAX = 1000000 };

struct collect {
    struct rfi_buf json; /* the values, one behind the other */
    size_t *ends;        /* of each value in json */
    size_t count, wanted;
};

static rf_err collect_create(rf_context *ctx, void **out_state)
{
    struct collect *collect = calloc(1, sizeof *collect);
    if (collect == NULL)
        return RF_ENOMEM;
    rfi_buf_init(&collect->json);
    collect->wanted = (size_t)rfi_component_integer(ctx, "count", 10, 1, COLLECT_MAX);
    collect->ends = calloc(collect->wanted, sizeof *collect->ends);
    if (collect->ends == NULL) {
        free(collect);
        return RF_ENOMEM;
    }
    *out_state = collect;
    return RF_OK;
}

static void collect_destroy(void *state)
{
    struct collect *collect = state;
    rfi_buf_fini(&collect->json);
    free(collect->ends);
    free(collect);
}

static rf_err collect_emit(rf_context *ctx, struct collect *collect)
{
    size_t count = collect->count;
    rf_span *items = calloc(count + 1, sizeof *items);
    if (items == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        size_t begin = i == 0 ? 0 : collect->ends[i - 1];
        items[i] = (rf_span){collect->json.data + begin, collect->ends[i] - begin};
    }
    rf_err err = rf_emit(ctx, OUT_OUTPUT, rf_message_array(items, count));
    free(items);
    rfi_buf_clear(&collect->json);
    collect->count = 0;
    if (err == RF_OK)
        err = rf_emit(ctx, OUT_COUNT, rf_message_integer((int64_t)count));
    return err;
}

static rf_err collect_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    struct collect *collect = state;
    if (rf_message_kind(msg) == RF_KIND_FLOW) {
        rf_err err = collect->count > 0 ? collect_emit(ctx, collect) : RF_OK;
        return err == RF_OK ? rf_emit(ctx, OUT_OUTPUT, rf_message_ref(msg)) : err;
    }
    rf_err err = append_value(&collect->json, msg, false);
    if (err != RF_OK)
        return err;
    collect->ends[collect->count++] = collect->json.size;
    return collect->count == collect->wanted ? collect_emit(ctx, collect) : RF_OK;
}

static const rf_port_def collect_inports[] = {
    {"input", NULL, "any message; a Flow gives what there is and is passed on"},
};
static const rf_port_def collect_outports[] = {
    {"output", NULL, "Array of the values"},
    {"count", NULL, "Integer: how many are in it"},
};
static const rf_key_def collect_keys[] = {
    {"count", "integer", "10", false, "values in one Array"},
};

const rf_component rfi_component_collect = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_collect",
    .summary = "Collects messages into Arrays",
    RFI_INPORTS(collect_inports),
    RFI_OUTPORTS(collect_outports),
    RFI_KEYS(collect_keys),
    .create = collect_create,
    .on_message = collect_on_message,
    .destroy = collect_destroy,
};

/* ---- tpl_split ---- */

enum { SPLIT_HEAD, SPLIT_TAIL, SPLIT_COUNT, SPLIT_ERROR };

/* Tell on `outport` why a message that should be an array is none. */
static rf_err not_an_array(rf_context *ctx, size_t outport, rf_err err, const rf_message *msg)
{
    if (err == RF_ENOMEM)
        return err;
    return rfi_component_emit_error(ctx, outport, "this takes an Array, not %s",
                                    rf_kind_name(rf_message_kind(msg)));
}

static rf_err split_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    struct rfi_items items = {0};
    rf_err err = rfi_items_of_message(msg, &items);
    if (err != RF_OK)
        return not_an_array(ctx, SPLIT_ERROR, err, msg);
    if (items.count > 0)
        err = rfi_component_emit_json(ctx, SPLIT_HEAD, items.spans[0]);
    if (err == RF_OK)
        err = rf_emit(ctx, SPLIT_TAIL,
                      rf_message_array(items.spans + 1, items.count > 0 ? items.count - 1 : 0));
    if (err == RF_OK)
        err = rf_emit(ctx, SPLIT_COUNT, rf_message_integer((int64_t)items.count));
    rfi_items_fini(&items);
    return err;
}

static const rf_port_def split_inports[] = {{"input", NULL, "Array"}};
static const rf_port_def split_outports[] = {
    {"head", NULL, "the first value; nothing for an empty Array"},
    {"tail", NULL, "Array of the others"},
    {"count", NULL, "Integer: how many there were"},
    {"error", NULL, "Error: the message was no Array"},
};

const rf_component rfi_component_split = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_split",
    .summary = "Splits an Array into its first value and the others",
    RFI_INPORTS(split_inports),
    RFI_OUTPORTS(split_outports),
    .on_message = split_on_message,
};

/* ---- tpl_gate ---- */

enum { GATE_INPUT, GATE_CONTROL };
enum { GATE_OUTPUT, GATE_BLOCKED };

static rf_err gate_on_packet(rf_context *ctx, void *state, rf_message *const *inputs)
{
    (void)state;
    struct rfi_value control = {0};
    rf_err err = rfi_value_of_message(inputs[GATE_CONTROL], &control, NULL);
    if (err == RF_ENOMEM)
        return err;
    bool is_open = err == RF_OK && rfi_value_is_truthy(control.root);
    rfi_value_fini(&control);
    if (rf_config_boolean(ctx, "invert", false))
        is_open = !is_open;
    return rf_emit(ctx, is_open ? GATE_OUTPUT : GATE_BLOCKED, rf_message_ref(inputs[GATE_INPUT]));
}

static const rf_port_def gate_inports[] = {
    {"input", NULL, "any message"},
    {"control", NULL, "is the gate open? (not null, false, 0, \"\", [] or {})"},
};
static const rf_port_def gate_outports[] = {
    {"output", NULL, "the input, when the gate is open"},
    {"blocked", NULL, "the input, when it is not"},
};
static const rf_key_def gate_keys[] = {
    {"invert", "boolean", "false", false, "open when the control is false"},
};

const rf_component rfi_component_gate = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_gate",
    .summary = "Lets a message through if the control message says so",
    RFI_INPORTS(gate_inports),
    RFI_OUTPORTS(gate_outports),
    RFI_KEYS(gate_keys),
    .firing = RF_FIRE_ALL,
    .on_packet = gate_on_packet,
};

/* ---- tpl_loop ---- */

enum { LOOP_COLLECTION, LOOP_INITIAL };
enum { LOOP_ITEM, LOOP_COMPLETED, LOOP_ERROR };
enum { ITEMS_PER_LOOK = 64 };

struct loop {
    rf_message *initial;
    rf_message *collection; /* NULL: nothing is at hand */
    struct rfi_items items;
    size_t next;
};

static rf_err loop_create(rf_context *ctx, void **out_state)
{
    (void)ctx;
    *out_state = calloc(1, sizeof(struct loop));
    return *out_state != NULL ? RF_OK : RF_ENOMEM;
}

static void loop_drop_collection(struct loop *loop)
{
    rfi_items_fini(&loop->items);
    rf_message_unref(loop->collection);
    loop->collection = NULL;
}

static void loop_destroy(void *state)
{
    struct loop *loop = state;
    loop_drop_collection(loop);
    rf_message_unref(loop->initial);
    free(loop);
}

static rf_err loop_complete(rf_context *ctx, struct loop *loop)
{
    struct rfi_buf json;
    rfi_buf_init(&json);
    rf_err err = RF_OK;
    rfi_buf_printf(&json, "{\"count\":%zu", loop->items.count);
    if (loop->initial != NULL) {
        rfi_buf_append_text(&json, ",\"initial_value\":");
        err = append_value(&json, loop->initial, false);
    }
    rfi_buf_append_byte(&json, '}');
    loop_drop_collection(loop);
    if (err == RF_OK)
        err = rfi_component_emit_object(ctx, LOOP_COMPLETED, &json);
    rfi_buf_fini(&json);
    return err;
}

static rf_err loop_emit_items(rf_context *ctx, struct loop *loop)
{
    struct rfi_buf json;
    rfi_buf_init(&json);
    rf_err err = RF_OK;
    while (err == RF_OK && loop->next < loop->items.count) {
        rf_span item = loop->items.spans[loop->next];
        rfi_buf_append_text(&json, "{\"value\":");
        rfi_buf_append(&json, item.data, item.size);
        rfi_buf_printf(&json, ",\"index\":%zu}", loop->next++);
        err = rfi_component_emit_object(ctx, LOOP_ITEM, &json);
        if (err == RF_OK && loop->next % ITEMS_PER_LOOK == 0 && rf_is_pressed(ctx)) {
            rf_resume(ctx);
            break;
        }
    }
    rfi_buf_fini(&json);
    if (err != RF_OK)
        loop_drop_collection(loop);
    else if (loop->next == loop->items.count)
        err = loop_complete(ctx, loop);
    return err;
}

static rf_err loop_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    struct loop *loop = state;
    if (inport == LOOP_INITIAL) {
        rf_message_unref(loop->initial);
        loop->initial = rf_message_ref(msg);
        return RF_OK;
    }
    rf_err err = rfi_items_of_message(msg, &loop->items);
    if (err != RF_OK)
        return not_an_array(ctx, LOOP_ERROR, err, msg);
    loop->collection = rf_message_ref(msg);
    loop->next = 0;
    return loop_emit_items(ctx, loop);
}

static rf_err loop_on_resume(rf_context *ctx, void *state)
{
    struct loop *loop = state;
    return loop->collection != NULL ? loop_emit_items(ctx, loop) : RF_OK;
}

static const rf_port_def loop_inports[] = {
    {"collection", NULL, "Array"},
    {"initial_value", NULL, "any message: handed on with `completed`"},
};
static const rf_port_def loop_outports[] = {
    {"item", NULL, "Object {value, index} for each value"},
    {"completed", NULL, "Object {count, initial_value} after the last"},
    {"error", NULL, "Error: the message was no Array"},
};

const rf_component rfi_component_loop = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_loop",
    .summary = "Sends each value of an Array by itself",
    RFI_INPORTS(loop_inports),
    RFI_OUTPORTS(loop_outports),
    .create = loop_create,
    .on_message = loop_on_message,
    .on_resume = loop_on_resume,
    .destroy = loop_destroy,
};
