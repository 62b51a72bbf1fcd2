/* SPDX-License-Identifier: MIT */
/* tpl_file_reader: a regular file as a stream of lines or chunks, with a Flow behind the last piece.
 *
 * The actor's state owns the open file and one buffer: a chunk, or the line at hand. A file is read
 * one chunk an activation while a target is over its limit, and a few chunks otherwise, so memory
 * stays flat and other actors get their turn; the rest goes on in on_resume. Since that comes before
 * the next message, paths that arrive meanwhile wait, and files are read one after another.
 * Only regular files are read: a pipe or a terminal would hold a worker of the pool. */
#include "core/base/file.h"
#include "core/components/component.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUT_OUTPUT, OUT_DONE, OUT_ERROR };

enum {
    CHUNK_BYTES_DEFAULT = 65536,
    CHUNK_BYTES_MAX = 8 << 20,
    LINE_BYTES_DEFAULT = 16 << 20,
    LINE_BYTES_MAX = 1 << 30,
    LINE_KEPT_BYTES = 1 << 20, /* of the buffer of a line that is cut */
    LINES_PER_LOOK = 64,       /* lines between two questions whether a target is over its limit */
    LINES_PER_ACTIVATION = 4096,
    CHUNKS_PER_ACTIVATION = 8
};

struct reader {
    int fd; /* -1: no file is being read */
    char *path;
    bool is_lines;
    bool is_line_dropped; /* the line at hand was over the limit: skip to its end */
    size_t chunk_bytes;
    size_t line_bytes_max;
    uint8_t *chunk;
    size_t chunk_size, chunk_at; /* lines: what of the chunk is used up */
    struct rfi_buf line;         /* the begin of a line that goes on in the next chunk */
    uint64_t bytes_read;
};

static void close_file(struct reader *reader)
{
    if (reader->fd >= 0)
        (void)close(reader->fd);
    reader->fd = -1;
    free(reader->path);
    reader->path = NULL;
    reader->chunk_size = 0;
    reader->chunk_at = 0;
    reader->is_line_dropped = false;
    rfi_buf_clear(&reader->line);
}

static rf_err open_file(rf_context *ctx, struct reader *reader, const void *path, size_t size)
{
    char *copy = strndup(path, size);
    if (copy == NULL)
        return RF_ENOMEM;
    rf_diag diag = {0};
    rf_err err = rfi_file_open(copy, &reader->fd, &diag);
    if (err != RF_OK) {
        free(copy);
        return rfi_component_emit_error(ctx, OUT_ERROR, "%s", diag.text);
    }
    reader->path = copy;
    reader->bytes_read = 0;
    rf_resume(ctx);
    return RF_OK;
}

static rf_err reader_create(rf_context *ctx, void **out_state)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return RF_ENOMEM;
    reader->fd = -1;
    rfi_buf_init(&reader->line);
    reader->chunk_bytes =
        (size_t)rfi_component_integer(ctx, "chunk_bytes", CHUNK_BYTES_DEFAULT, 1, CHUNK_BYTES_MAX);
    reader->line_bytes_max =
        (size_t)rfi_component_integer(ctx, "line_bytes_max", LINE_BYTES_DEFAULT, 1, LINE_BYTES_MAX);
    const char *mode = rf_config_string(ctx, "mode", "lines");
    reader->is_lines = strcmp(mode, "lines") == 0;
    rf_err err = RF_OK;
    if (!reader->is_lines && strcmp(mode, "chunks") != 0)
        err = rf_fail(ctx, "mode is \"%s\", and must be \"lines\" or \"chunks\"", mode);
    reader->chunk = malloc(reader->chunk_bytes);
    if (reader->chunk == NULL)
        err = RF_ENOMEM;
    const char *path = rf_config_string(ctx, "path", "");
    if (err == RF_OK && *path != '\0')
        err = open_file(ctx, reader, path, strlen(path));
    if (err != RF_OK) {
        close_file(reader);
        free(reader->chunk);
        rfi_buf_fini(&reader->line);
        free(reader);
        return err;
    }
    *out_state = reader;
    return RF_OK;
}

static void reader_destroy(void *state)
{
    struct reader *reader = state;
    close_file(reader);
    free(reader->chunk);
    rfi_buf_fini(&reader->line);
    free(reader);
}

static rf_err reader_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    if (rf_message_kind(msg) != RF_KIND_STRING)
        return rfi_component_emit_error(ctx, OUT_ERROR, "a path must be a String, not %s",
                                        rf_kind_name(rf_message_kind(msg)));
    rf_span path = rf_message_data(msg);
    if (path.size == 0 || memchr(path.data, '\0', path.size) != NULL)
        return rfi_component_emit_error(ctx, OUT_ERROR,
                                        "a path must not be empty or hold a NUL byte");
    return open_file(ctx, state, path.data, path.size);
}

static rf_err emit_line(rf_context *ctx, const void *data, size_t size)
{
    if (rfi_utf8_is_valid(data, size))
        return rf_emit(ctx, OUT_OUTPUT, rf_message_string(data, size));
    struct rfi_buf text;
    rfi_buf_init(&text);
    (void)rfi_component_append_utf8(&text, data, size);
    rf_err err = rfi_component_emit_string(ctx, OUT_OUTPUT, &text);
    rfi_buf_fini(&text);
    return err;
}

/* Put `size` bytes of the line at hand aside; a line over the limit is dropped with one error. */
static rf_err keep_line(rf_context *ctx, struct reader *reader, const uint8_t *data, size_t size)
{
    if (reader->is_line_dropped)
        return RF_OK;
    if (size > reader->line_bytes_max - reader->line.size) {
        reader->is_line_dropped = true;
        rfi_buf_clear(&reader->line);
        return rfi_component_emit_error(ctx, OUT_ERROR,
                                        "\"%s\": a line is longer than %zu bytes and was left out",
                                        reader->path, reader->line_bytes_max);
    }
    rfi_buf_append(&reader->line, data, size);
    return reader->line.is_failed ? RF_ENOMEM : RF_OK;
}

/* The line at hand ends with these bytes. */
static rf_err end_line(rf_context *ctx, struct reader *reader, const uint8_t *data, size_t size)
{
    if (reader->line.size == 0 && !reader->is_line_dropped && size <= reader->line_bytes_max)
        return emit_line(ctx, data, size);
    rf_err err = keep_line(ctx, reader, data, size);
    if (err == RF_OK && !reader->is_line_dropped)
        err = emit_line(ctx, reader->line.data, reader->line.size);
    reader->is_line_dropped = false;
    if (reader->line.capacity > LINE_KEPT_BYTES)
        rfi_buf_fini(&reader->line); /* one huge line must not stay in memory */
    rfi_buf_clear(&reader->line);
    return err;
}

/* Send lines of the chunk at hand until it is used up, a target is over its limit, or others should
 * have their turn (`budget`). */
static rf_err send_lines(rf_context *ctx, struct reader *reader, size_t *budget)
{
    while (reader->chunk_at < reader->chunk_size) {
        if (*budget == 0 || (*budget % LINES_PER_LOOK == 0 && rf_is_pressed(ctx)))
            return RF_OK;
        const uint8_t *from = reader->chunk + reader->chunk_at;
        size_t left = reader->chunk_size - reader->chunk_at;
        const uint8_t *newline = memchr(from, '\n', left);
        rf_err err = RF_OK;
        if (newline == NULL) {
            reader->chunk_at = reader->chunk_size;
            err = keep_line(ctx, reader, from, left);
        } else {
            size_t size = (size_t)(newline - from);
            reader->chunk_at += size + 1;
            err = end_line(ctx, reader, from, size);
            (*budget)--;
        }
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

static rf_err finish(rf_context *ctx, struct reader *reader)
{
    rf_err err = RF_OK;
    if (reader->is_lines && (reader->line.size > 0 || reader->is_line_dropped))
        err = end_line(ctx, reader, NULL, 0);
    close_file(reader);
    if (err == RF_OK)
        err = rf_emit(ctx, OUT_OUTPUT, rf_message_flow());
    if (err == RF_OK)
        err = rf_emit(ctx, OUT_DONE, rf_message_flow());
    return err;
}

/* Read one chunk. A file that cannot be read on ends with an error and no Flow, so that nobody takes
 * a part for the whole. */
static rf_err read_chunk(rf_context *ctx, struct reader *reader)
{
    ssize_t count = 0;
    do
        count = read(reader->fd, reader->chunk, reader->chunk_bytes);
    while (count < 0 && errno == EINTR);
    if (count < 0) {
        char reason[128];
        rf_err err = rfi_component_emit_error(
            ctx, OUT_ERROR, "cannot read \"%s\" beyond byte %llu: %s", reader->path,
            (unsigned long long)reader->bytes_read, strerror_r(errno, reason, sizeof reason));
        close_file(reader);
        return err;
    }
    if (count == 0)
        return finish(ctx, reader);
    reader->bytes_read += (uint64_t)count;
    if (!reader->is_lines)
        return rf_emit(ctx, OUT_OUTPUT, rf_message_bytes(reader->chunk, (size_t)count));
    reader->chunk_size = (size_t)count;
    reader->chunk_at = 0;
    return RF_OK;
}

static rf_err reader_on_resume(rf_context *ctx, void *state)
{
    struct reader *reader = state;
    size_t lines_left = LINES_PER_ACTIVATION;
    for (int chunks = 0; chunks < CHUNKS_PER_ACTIVATION && reader->fd >= 0; chunks++) {
        rf_err err = reader->chunk_at < reader->chunk_size ? send_lines(ctx, reader, &lines_left)
                                                           : read_chunk(ctx, reader);
        if (err != RF_OK) {
            close_file(reader);
            return err;
        }
        if (lines_left == 0 || rf_is_pressed(ctx))
            break;
    }
    if (reader->fd >= 0)
        rf_resume(ctx);
    return RF_OK;
}

static const rf_port_def reader_inports[] = {
    {"path", NULL, "String: the file to read; files are read one after another"},
};
static const rf_port_def reader_outports[] = {
    {"output", NULL, "each line (String) or chunk (Bytes), then a Flow: the end of the file"},
    {"done", NULL, "a Flow after the last piece"},
    {"error", NULL, "Error: the file cannot be read, with path and reason"},
};
static const rf_key_def reader_keys[] = {
    {"path", "string", NULL, false, "file to read as soon as the actor is made"},
    {"mode", "string", "\"lines\"", false,
     "\"lines\" (String, UTF-8 repaired) or \"chunks\" (Bytes)"},
    {"chunk_bytes", "integer", "65536", false, "bytes read at a time"},
    {"line_bytes_max", "integer", "16777216", false, "a longer line is left out with an error"},
};

const rf_component rfi_component_file_reader = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_file_reader",
    .summary = "Reads a file as a stream of lines or chunks",
    RFI_INPORTS(reader_inports),
    RFI_OUTPORTS(reader_outports),
    RFI_KEYS(reader_keys),
    .create = reader_create,
    .on_message = reader_on_message,
    .on_resume = reader_on_resume,
    .destroy = reader_destroy,
};
