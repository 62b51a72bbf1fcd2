/* SPDX-License-Identifier: MIT */
/* tpl_count_by_key: counts equal keys, and tells the counts when the stream ends.
 *
 * The state owns the table. A Flow (or anything on `flush`) starts telling: Objects of at most
 * `batch_keys` keys or about 64 KiB each, then a Flow, with a look at the targets between two
 * Objects; what is left goes on in on_resume, before the next key is counted. Afterwards the table is
 * empty. A key appears in one Object only. Counts are exact up to 2^64 - 1. */
#include "core/components/component.h"
#include "core/components/count_table.h"
#include <stdlib.h>
#include <string.h>

enum { IN_INPUT, IN_FLUSH };
enum { OUT_COUNTS };

enum { BATCH_KEYS_DEFAULT = 1000, BATCH_KEYS_MAX = 100000, BATCH_BYTES = 65536 };

struct counter {
    struct rfi_count_table table;
    struct rfi_buf json; /* scratch: the Object at hand, or a key that is no text */
    bool is_telling;
    size_t next; /* first entry that is not told yet */
    size_t batch_keys;
};

static rf_err counter_create(rf_context *ctx, void **out_state)
{
    struct counter *counter = calloc(1, sizeof *counter);
    if (counter == NULL)
        return RF_ENOMEM;
    rfi_count_table_init(&counter->table);
    rfi_buf_init(&counter->json);
    counter->batch_keys =
        (size_t)rfi_component_integer(ctx, "batch_keys", BATCH_KEYS_DEFAULT, 1, BATCH_KEYS_MAX);
    *out_state = counter;
    return RF_OK;
}

static void counter_destroy(void *state)
{
    struct counter *counter = state;
    rfi_count_table_fini(&counter->table);
    rfi_buf_fini(&counter->json);
    free(counter);
}

/* One Object of the entries from counter->next on. */
static rf_err tell_batch(rf_context *ctx, struct counter *counter)
{
    struct rfi_buf *json = &counter->json;
    rfi_buf_append_byte(json, '{');
    size_t end = counter->next + counter->batch_keys;
    for (; counter->next < counter->table.count && counter->next < end; counter->next++) {
        const struct rfi_count *entry = rfi_count_table_at(&counter->table, counter->next);
        if (json->size > 1) {
            if (json->size + entry->size > BATCH_BYTES)
                break;
            rfi_buf_append_byte(json, ',');
        }
        rfi_json_write_string(json, entry->key, entry->size);
        rfi_buf_printf(json, ":%llu", (unsigned long long)entry->count);
    }
    rfi_buf_append_byte(json, '}');
    return rfi_component_emit_object(ctx, OUT_COUNTS, json);
}

static rf_err tell(rf_context *ctx, struct counter *counter)
{
    rf_err err = RF_OK;
    while (err == RF_OK && counter->next < counter->table.count) {
        err = tell_batch(ctx, counter);
        if (err == RF_OK && rf_is_pressed(ctx)) {
            rf_resume(ctx);
            return RF_OK;
        }
    }
    counter->is_telling = false;
    rfi_count_table_clear(&counter->table);
    rfi_buf_fini(&counter->json);
    rfi_buf_init(&counter->json);
    return err == RF_OK ? rf_emit(ctx, OUT_COUNTS, rf_message_flow()) : err;
}

static rf_err count_key(struct counter *counter, const rf_message *msg)
{
    rf_kind kind = rf_message_kind(msg);
    rf_span key = rf_message_data(msg);
    if (kind == RF_KIND_STRING && rfi_utf8_is_valid(key.data, key.size))
        return rfi_count_table_add(&counter->table, key.data, key.size, 1);

    /* Told keys are JSON strings: what they would be written as must be one key here as well. */
    struct rfi_buf text;
    rfi_buf_init(&text);
    rf_err err = rfi_component_append_text(&text, msg);
    if (err == RF_OK)
        (void)rfi_component_append_utf8(&counter->json, text.data, text.size);
    if (err == RF_OK && counter->json.is_failed)
        err = RF_ENOMEM;
    if (err == RF_OK)
        err = rfi_count_table_add(&counter->table,
                                  counter->json.size > 0 ? (const void *)counter->json.data : "",
                                  counter->json.size, 1);
    rfi_buf_clear(&counter->json);
    rfi_buf_fini(&text);
    return err;
}

static rf_err counter_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    struct counter *counter = state;
    if (inport == IN_INPUT && rf_message_kind(msg) != RF_KIND_FLOW)
        return count_key(counter, msg);
    counter->is_telling = true;
    counter->next = 0;
    return tell(ctx, counter);
}

static rf_err counter_on_resume(rf_context *ctx, void *state)
{
    struct counter *counter = state;
    return counter->is_telling ? tell(ctx, counter) : RF_OK;
}

static const rf_port_def counter_inports[] = {
    {"input", NULL, "a key (String; the JSON text of other kinds); a Flow tells the counts"},
    {"flush", NULL, "any message: tell the counts now"},
};
static const rf_port_def counter_outports[] = {
    {"counts", NULL, "Objects {key: count}, each key once, then a Flow"},
};
static const rf_key_def counter_keys[] = {
    {"batch_keys", "integer", "1000", false, "keys in one Object at most"},
};

const rf_component rfi_component_count_by_key = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_count_by_key",
    .summary = "Counts equal keys until the stream ends",
    RFI_INPORTS(counter_inports),
    RFI_OUTPORTS(counter_outports),
    RFI_KEYS(counter_keys),
    .create = counter_create,
    .on_message = counter_on_message,
    .on_resume = counter_on_resume,
    .destroy = counter_destroy,
};
