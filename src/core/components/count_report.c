/* SPDX-License-Identifier: MIT */
/* tpl_count_report: takes counts by key, and at the end shows the largest and writes them all.
 *
 * The state owns the merged table and the requests that came on `wait`; they are answered when the
 * end has come, or at once when it was there before. A new Object behind the end begins a new run;
 * so does `reset`. The file is written as one JSON object in byte order of the keys, beside the old
 * one first and then renamed over it. Objects are read with their keys' sizes, so a key may hold a
 * NUL. Requests that still wait when the actor goes get no answer but RF_ENOREPLY. */
#include "core/base/clock.h"
#include "core/base/diag.h"
#include "core/base/file.h"
#include "core/components/component.h"
#include "core/components/count_table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN_COUNTS, IN_OUTPUT_PATH, IN_WAIT, IN_RESET, IN_FAILURE };
enum { OUT_DONE, OUT_ERROR };

enum {
    TOP_DEFAULT = 10,
    TOP_MAX = 1000,
    WAITING_MAX = 64,
    WRITE_BYTES = 65536,
    SHOWN_BYTES_MAX = 60 /* of one word in the table */
};

struct report {
    struct rfi_count_table table;
    uint64_t message_count;
    uint64_t begin_ns;
    bool is_ended;
    char *output_path; /* NULL: write no file */
    size_t top;
    rf_message *summary; /* of the last end: an Object, or an Error; NULL before */
    rf_reply *waiting[WAITING_MAX];
    size_t waiting_count;
};

static rf_err report_create(rf_context *ctx, void **out_state)
{
    struct report *report = calloc(1, sizeof *report);
    if (report == NULL)
        return RF_ENOMEM;
    rfi_count_table_init(&report->table);
    report->begin_ns = rfi_clock_ns();
    report->top = (size_t)rfi_component_integer(ctx, "top", TOP_DEFAULT, 0, TOP_MAX);
    const char *path = rf_config_string(ctx, "output_path", "");
    if (*path != '\0') {
        report->output_path = strdup(path);
        if (report->output_path == NULL) {
            free(report);
            return RF_ENOMEM;
        }
    }
    *out_state = report;
    return RF_OK;
}

static void report_destroy(void *state)
{
    struct report *report = state;
    for (size_t i = 0; i < report->waiting_count; i++)
        rf_reply_send(report->waiting[i], NULL);
    rfi_count_table_fini(&report->table);
    rf_message_unref(report->summary);
    free(report->output_path);
    free(report);
}

static void begin_run(struct report *report)
{
    rfi_count_table_clear(&report->table);
    rf_message_unref(report->summary);
    report->summary = NULL;
    report->is_ended = false;
    report->message_count = 0;
    report->begin_ns = rfi_clock_ns();
}

static rf_err merge_counts(rf_context *ctx, struct report *report, const rf_message *msg)
{
    if (report->is_ended)
        begin_run(report);
    report->message_count++;
    struct rfi_value value = {0};
    rf_diag diag = {0};
    rf_err err = rfi_value_of_message(msg, &value, &diag);
    if (err == RF_EFORMAT || err == RF_ELIMIT)
        return rfi_component_emit_error(ctx, OUT_ERROR, "counts are no JSON object: %s", diag.text);
    if (err != RF_OK)
        return err;
    const char *mistake = value.root->type == RFI_JSON_OBJECT ? NULL : "are no object";
    for (const struct rfi_json *item = value.root->first;
         mistake == NULL && err == RF_OK && item != NULL; item = item->next) {
        int64_t count = 0;
        if (!rfi_json_as_int(item, &count) || count < 0)
            mistake = "hold a value that is no count";
        else
            err = rfi_count_table_add(&report->table, item->key, item->key_size, (uint64_t)count);
    }
    rfi_value_fini(&value);
    if (mistake != NULL)
        return rfi_component_emit_error(ctx, OUT_ERROR, "counts %s", mistake);
    return err;
}

/* Does `a` stand before `b` in the table of the largest? */
static bool is_before(const struct rfi_count *a, const struct rfi_count *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return rfi_count_compare_keys(a, b) < 0;
}

static size_t find_top(const struct report *report, const struct rfi_count **top)
{
    size_t found = 0;
    for (size_t i = 0; i < report->table.count; i++) {
        const struct rfi_count *entry = rfi_count_table_at(&report->table, i);
        if (found == report->top && (found == 0 || !is_before(entry, top[found - 1])))
            continue;
        size_t at = found < report->top ? found++ : found - 1;
        for (; at > 0 && is_before(entry, top[at - 1]); at--)
            top[at] = top[at - 1];
        top[at] = entry;
    }
    return found;
}

/* A word as it can be shown: control bytes (C1 too) and the backslash escaped, cut with an ellipsis. */
static void append_shown(struct rfi_buf *out, const struct rfi_count *entry)
{
    size_t begin = out->size;
    for (size_t at = 0; at < entry->size;) {
        if (out->size - begin >= SHOWN_BYTES_MAX) {
            rfi_buf_append_text(out, "\xE2\x80\xA6");
            return;
        }
        const uint8_t *byte = entry->key + at;
        size_t step = 1;
        if (*byte < 0x20 || *byte == 0x7f) {
            rfi_buf_printf(out, "\\x%02x", *byte);
        } else if (*byte == 0xC2 && at + 1 < entry->size && byte[1] < 0xA0) {
            rfi_buf_printf(out, "\\u00%02x", byte[1]);
            step = 2;
        } else {
            while (at + step < entry->size && (entry->key[at + step] & 0xC0) == 0x80)
                step++;
            rfi_buf_append(out, byte, step);
        }
        at += step;
    }
}

static rf_err print_top(const struct report *report)
{
    const struct rfi_count **top = calloc(report->top + 1, sizeof(struct rfi_count *));
    if (top == NULL)
        return RF_ENOMEM;
    size_t found = find_top(report, top);
    struct rfi_buf text;
    rfi_buf_init(&text);
    if (report->top > 0)
        rfi_buf_append_text(&text, "     count  word\n");
    for (size_t i = 0; i < found; i++) {
        rfi_buf_printf(&text, "%10llu  ", (unsigned long long)top[i]->count);
        append_shown(&text, top[i]);
        rfi_buf_append_byte(&text, '\n');
    }
    if (report->top > 0 && found == 0)
        rfi_buf_append_text(&text, "         0  (no words)\n");
    rf_err err = text.is_failed ? RF_ENOMEM : RF_OK;
    if (err == RF_OK && text.size > 0) {
        (void)fwrite(text.data, 1, text.size, stdout);
        (void)fflush(stdout);
    }
    rfi_buf_fini(&text);
    free(top);
    return err;
}

static int compare_pointers(const void *a, const void *b)
{
    const struct rfi_count *const *left = a;
    const struct rfi_count *const *right = b;
    return rfi_count_compare_keys(*left, *right);
}

/* All entries in byte order of their keys; free() the result. NULL: out of memory. */
static const struct rfi_count **sorted_entries(const struct rfi_count_table *table)
{
    const struct rfi_count **entries = calloc(table->count + 1, sizeof(struct rfi_count *));
    if (entries == NULL)
        return NULL;
    for (size_t i = 0; i < table->count; i++)
        entries[i] = rfi_count_table_at(table, i);
    qsort(entries, table->count, sizeof(struct rfi_count *), compare_pointers);
    return entries;
}

static rf_err write_counts(const struct report *report, rf_diag *out_diag)
{
    const struct rfi_count **entries = sorted_entries(&report->table);
    if (entries == NULL)
        return rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
    struct rfi_buf json;
    rfi_buf_init(&json);
    struct rfi_new_file file = {-1, NULL, NULL};
    rf_err err = rfi_new_file_open(&file, report->output_path, out_diag);
    rfi_buf_append_byte(&json, '{');
    for (size_t i = 0; err == RF_OK && i < report->table.count; i++) {
        rfi_buf_append_text(&json, i == 0 ? "\n  " : ",\n  ");
        rfi_json_write_string(&json, entries[i]->key, entries[i]->size);
        rfi_buf_printf(&json, ": %llu", (unsigned long long)entries[i]->count);
        if (json.size >= WRITE_BYTES && !json.is_failed) {
            err = rfi_new_file_write(&file, json.data, json.size, out_diag);
            rfi_buf_clear(&json);
        }
    }
    rfi_buf_append_text(&json, report->table.count > 0 ? "\n}\n" : "}\n");
    if (err == RF_OK && json.is_failed)
        err = rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
    if (err == RF_OK)
        err = rfi_new_file_write(&file, json.data, json.size, out_diag);
    if (err == RF_OK)
        err = rfi_new_file_commit(&file, out_diag);
    else
        rfi_new_file_discard(&file);
    rfi_buf_fini(&json);
    free(entries);
    return err;
}

static rf_message *make_summary(const struct report *report)
{
    struct rfi_buf json;
    rfi_buf_init(&json);
    struct rfi_json_writer writer;
    rfi_jsonw_init(&writer, &json);
    rfi_jsonw_begin_object(&writer);
    rfi_jsonw_kv_uint(&writer, "words", report->table.total);
    rfi_jsonw_kv_uint(&writer, "unique", report->table.count);
    rfi_jsonw_kv_string(&writer, "path", report->output_path);
    rfi_jsonw_kv_uint(&writer, "messages", report->message_count);
    rfi_jsonw_kv_double(&writer, "seconds", (double)(rfi_clock_ns() - report->begin_ns) / 1e9);
    rfi_jsonw_end_object(&writer);
    rf_message *msg = json.is_failed ? NULL : rf_message_object(json.data, json.size);
    rfi_buf_fini(&json);
    return msg;
}

/* The run has ended with report->summary: tell everybody who waits. */
static rf_err end_run(rf_context *ctx, struct report *report)
{
    report->is_ended = true;
    if (report->summary == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < report->waiting_count; i++)
        rf_reply_send(report->waiting[i], rf_message_ref(report->summary));
    report->waiting_count = 0;
    size_t outport = rf_message_kind(report->summary) == RF_KIND_ERROR ? OUT_ERROR : OUT_DONE;
    return rf_emit(ctx, outport, rf_message_ref(report->summary));
}

static rf_err finish(rf_context *ctx, struct report *report)
{
    if (report->is_ended) /* an end without anything before it: an empty stream */
        begin_run(report);
    rf_err err = print_top(report);
    if (err != RF_OK)
        return err;
    rf_diag diag = {0};
    if (report->output_path != NULL)
        err = write_counts(report, &diag);
    rf_message_unref(report->summary);
    report->summary =
        err == RF_OK ? make_summary(report) : rf_message_error(diag.text, strlen(diag.text));
    return end_run(ctx, report);
}

static rf_err set_output_path(rf_context *ctx, struct report *report, const rf_message *msg)
{
    rf_span text = rf_message_data(msg);
    if (rf_message_kind(msg) != RF_KIND_STRING ||
        (text.size > 0 && memchr(text.data, '\0', text.size) != NULL))
        return rfi_component_emit_error(ctx, OUT_ERROR, "output_path must be a String");
    char *path = NULL;
    if (text.size > 0) {
        path = strndup(text.data, text.size);
        if (path == NULL)
            return RF_ENOMEM;
    }
    free(report->output_path);
    report->output_path = path;
    return RF_OK;
}

static rf_err wait_for_end(rf_context *ctx, struct report *report)
{
    if (!report->is_ended && report->waiting_count == WAITING_MAX)
        return rf_fail(ctx, "%d requests are waiting already", WAITING_MAX);
    rf_reply *reply = rf_take_reply(ctx);
    if (reply == NULL) /* a plain message waits for nothing */
        return RF_OK;
    if (report->is_ended)
        rf_reply_send(reply, report->summary == NULL ? NULL : rf_message_ref(report->summary));
    else
        report->waiting[report->waiting_count++] = reply;
    return RF_OK;
}

/* What comes before failed: there will be no end. */
static rf_err take_failure(rf_context *ctx, struct report *report, const rf_message *msg)
{
    struct rfi_buf text;
    rfi_buf_init(&text);
    rf_err err = rfi_component_append_text(&text, msg);
    if (err == RF_OK) {
        rf_message_unref(report->summary);
        report->summary = rf_message_error(text.size > 0 ? (const void *)text.data : "", text.size);
        err = end_run(ctx, report);
    }
    rfi_buf_fini(&text);
    return err;
}

static rf_err report_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    struct report *report = state;
    switch (inport) {
    case IN_COUNTS:
        return rf_message_kind(msg) == RF_KIND_FLOW ? finish(ctx, report)
                                                    : merge_counts(ctx, report, msg);
    case IN_OUTPUT_PATH:
        return set_output_path(ctx, report, msg);
    case IN_WAIT:
        return wait_for_end(ctx, report);
    case IN_FAILURE:
        return take_failure(ctx, report, msg);
    default:
        begin_run(report);
        return RF_OK;
    }
}

static const rf_port_def report_inports[] = {
    {"counts", NULL, "Objects {key: count}, added up; a Flow ends the run"},
    {"output_path", NULL, "String: the file to write at the end; empty: none"},
    {"wait", NULL, "a request: answered with the summary when the run has ended"},
    {"reset", NULL, "any message: forget everything and begin a run"},
    {"failure", NULL, "an Error of what comes before: ends the run, and is the answer to `wait`"},
};
static const rf_port_def report_outports[] = {
    {"done", NULL, "Object: words, unique, path, messages, seconds"},
    {"error", NULL, "Error: the file cannot be written, or a message that holds no counts"},
};
static const rf_key_def report_keys[] = {
    {"top", "integer", "10", false, "keys in the table on stdout; 0: no table"},
    {"output_path", "string", NULL, false, "file for all counts, as one JSON object"},
};

const rf_component rfi_component_count_report = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_count_report",
    .summary = "Prints the largest counts and writes them all to a file",
    RFI_INPORTS(report_inports),
    RFI_OUTPORTS(report_outports),
    RFI_KEYS(report_keys),
    .create = report_create,
    .on_message = report_on_message,
    .destroy = report_destroy,
};
