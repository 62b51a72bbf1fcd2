/* SPDX-License-Identifier: MIT */
/* tpl_file_writer: what comes in goes into a file.
 *
 * The state owns the open file. It is opened at the first message: emptied, unless `append` is set.
 * A Flow ends the file: it is closed, and `done` says what was written; the next message opens it
 * again. Each message is one write, so that a reader who follows the file sees whole messages; the
 * file is not synced. A pipe is opened without waiting for its reader. */
#include "core/components/component.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUT_DONE, OUT_ERROR };

struct writer {
    int fd;           /* -1: not open */
    const char *path; /* of the configuration, which outlives the state */
    bool is_append, has_newline;
    uint64_t byte_count, message_count;
    struct rfi_buf text; /* scratch */
};

static rf_err writer_create(rf_context *ctx, void **out_state)
{
    const char *path = rf_config_string(ctx, "path", "");
    if (*path == '\0')
        return rf_fail(ctx, "the key \"path\" is missing: the file to write");
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return RF_ENOMEM;
    writer->fd = -1;
    writer->path = path;
    writer->is_append = rf_config_boolean(ctx, "append", false);
    writer->has_newline = rf_config_boolean(ctx, "newline", true);
    rfi_buf_init(&writer->text);
    *out_state = writer;
    return RF_OK;
}

static void writer_destroy(void *state)
{
    struct writer *writer = state;
    if (writer->fd >= 0)
        (void)close(writer->fd);
    rfi_buf_fini(&writer->text);
    free(writer);
}

static rf_err emit_failure(rf_context *ctx, const struct writer *writer, int error)
{
    char reason[128];
    return rfi_component_emit_error(ctx, OUT_ERROR, "cannot write \"%s\": %s", writer->path,
                                    strerror_r(error, reason, sizeof reason));
}

/* 0, or the errno of what failed. */
static int open_file(struct writer *writer)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    writer->fd = open(writer->path, flags | (writer->is_append ? O_APPEND : O_TRUNC), 0666);
    if (writer->fd < 0)
        return errno;
    (void)fcntl(writer->fd, F_SETFL, writer->is_append ? O_APPEND : 0);
    writer->byte_count = 0;
    writer->message_count = 0;
    return 0;
}

static int write_text(struct writer *writer)
{
    const uint8_t *at = writer->text.data;
    size_t left = writer->text.size;
    while (left > 0) {
        ssize_t written = write(writer->fd, at, left);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return errno;
        }
        at += written;
        left -= (size_t)written;
        writer->byte_count += (uint64_t)written;
    }
    writer->message_count++;
    return 0;
}

static rf_err end_file(rf_context *ctx, struct writer *writer)
{
    int error = writer->fd < 0 ? open_file(writer) : 0; /* an empty stream is an empty file */
    if (writer->fd >= 0 && close(writer->fd) != 0)
        error = errno;
    writer->fd = -1;
    if (error != 0)
        return emit_failure(ctx, writer, error);
    struct rfi_buf json;
    struct rfi_json_writer out;
    rfi_buf_init(&json);
    rfi_jsonw_init(&out, &json);
    rfi_jsonw_begin_object(&out);
    rfi_jsonw_kv_string(&out, "path", writer->path);
    rfi_jsonw_kv_uint(&out, "bytes", writer->byte_count);
    rfi_jsonw_kv_uint(&out, "messages", writer->message_count);
    rfi_jsonw_end_object(&out);
    rf_err err = rfi_component_emit_object(ctx, OUT_DONE, &json);
    rfi_buf_fini(&json);
    return err;
}

static rf_err writer_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    struct writer *writer = state;
    if (rf_message_kind(msg) == RF_KIND_FLOW)
        return end_file(ctx, writer);
    int error = writer->fd < 0 ? open_file(writer) : 0;
    if (error != 0)
        return emit_failure(ctx, writer, error);
    rfi_buf_clear(&writer->text);
    rf_err err = rfi_component_append_text(&writer->text, msg);
    if (writer->has_newline && rf_message_kind(msg) != RF_KIND_BYTES)
        rfi_buf_append_byte(&writer->text, '\n');
    if (err == RF_OK && writer->text.is_failed)
        err = RF_ENOMEM;
    if (err != RF_OK) {
        rfi_buf_fini(&writer->text);
        rfi_buf_init(&writer->text);
        return err;
    }
    error = write_text(writer);
    return error == 0 ? RF_OK : emit_failure(ctx, writer, error);
}

static const rf_port_def writer_inports[] = {
    {"input", NULL, "String and Bytes as they are, other kinds as JSON; a Flow ends the file"},
};
static const rf_port_def writer_outports[] = {
    {"done", NULL, "Object {path, bytes, messages} when the file is ended"},
    {"error", NULL, "Error: the file cannot be written, with path and reason"},
};
static const rf_key_def writer_keys[] = {
    {"path", "string", NULL, true, "the file to write"},
    {"append", "boolean", "false", false, "write behind what is there, instead of over it"},
    {"newline", "boolean", "true", false, "end each message with a line feed (Bytes never)"},
};

const rf_component rfi_component_file_writer = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_file_writer",
    .summary = "Writes messages to a file",
    RFI_INPORTS(writer_inports),
    RFI_OUTPORTS(writer_outports),
    RFI_KEYS(writer_keys),
    .create = writer_create,
    .on_message = writer_on_message,
    .destroy = writer_destroy,
};
