/* SPDX-License-Identifier: MIT */
/* The plain ones: tpl_passthrough, tpl_echo, tpl_log, tpl_recorder. Each takes a message and passes it
 * on unchanged.
 *
 * The log gets one line a message, cut at LOG_TEXT_BYTES; the recorder writes whole messages as JSON
 * lines, one write a line, so that several recorders may share a file and a reader sees whole lines.
 * The recorder's state owns its file; stdout is the process's. */
#include "core/components/component.h"
#include <errno.h>
#include <fcntl.h>
#include <reflow/log.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUT_OUTPUT, OUT_ERROR };
enum { LOG_TEXT_BYTES = 2048 };

static rf_err pass_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    return rf_emit(ctx, OUT_OUTPUT, rf_message_ref(msg));
}

static const rf_port_def passthrough_inports[] = {{"input", NULL, "any message"}};
static const rf_port_def passthrough_outports[] = {{"output", NULL, "the same message"}};

const rf_component rfi_component_passthrough = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_passthrough",
    .summary = "Passes each message on",
    RFI_INPORTS(passthrough_inports),
    RFI_OUTPORTS(passthrough_outports),
    .on_message = pass_message,
};

static rf_err echo_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)rf_answer(ctx, rf_message_ref(msg)); /* RF_ESTATE: it was no request */
    return pass_message(ctx, state, inport, msg);
}

static const rf_port_def echo_inports[] = {{"in", "input", "any message, or a request"}};
static const rf_port_def echo_outports[] = {{"out", "output", "the same message"}};

const rf_component rfi_component_echo = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_echo",
    .summary = "Passes each message on, and answers a request with what it holds",
    RFI_INPORTS(echo_inports),
    RFI_OUTPORTS(echo_outports),
    .on_message = echo_on_message,
};

/* ---- tpl_log ---- */

struct logger {
    rf_log_level level;
    const char *prefix; /* of the configuration, which outlives the state */
};

static rf_err logger_create(rf_context *ctx, void **out_state)
{
    rf_log_level level = RF_LOG_INFO;
    const char *name = rf_config_string(ctx, "level", "info");
    if (rf_log_level_parse(name, &level) != RF_OK)
        return rf_fail(ctx, "there is no log level \"%s\" (error, warn, info, debug, trace)", name);
    struct logger *logger = calloc(1, sizeof *logger);
    if (logger == NULL)
        return RF_ENOMEM;
    logger->level = level;
    logger->prefix = rf_config_string(ctx, "prefix", "");
    *out_state = logger;
    return RF_OK;
}

static rf_err logger_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    const struct logger *logger = state;
    struct rfi_buf text;
    rfi_buf_init(&text);
    rf_err err = rfi_component_append_text(&text, msg);
    bool is_cut = text.size > LOG_TEXT_BYTES;
    int size = (int)(is_cut ? LOG_TEXT_BYTES : text.size);
    if (err == RF_OK)
        rf_log(logger->level, "ACTOR-LOG", "actor=%s kind=%s text=%s%.*s%s", rf_context_id(ctx),
               rf_kind_name(rf_message_kind(msg)), logger->prefix, size,
               text.data != NULL ? (const char *)text.data : "", is_cut ? "..." : "");
    rfi_buf_fini(&text);
    return err == RF_OK ? pass_message(ctx, state, inport, msg) : err;
}

static const rf_port_def logger_inports[] = {{"input", NULL, "any message"}};
static const rf_port_def logger_outports[] = {{"output", NULL, "the same message"}};
static const rf_key_def logger_keys[] = {
    {"level", "string", "\"info\"", false, "error, warn, info, debug or trace"},
    {"prefix", "string", "\"\"", false, "text in front of each message"},
};

const rf_component rfi_component_log = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_log",
    .summary = "Writes each message to the log (at most 10 lines a second), and passes it on",
    RFI_INPORTS(logger_inports),
    RFI_OUTPORTS(logger_outports),
    RFI_KEYS(logger_keys),
    .create = logger_create,
    .on_message = logger_on_message,
    .destroy = free,
};

/* ---- tpl_recorder ---- */

struct recorder {
    int fd;
    bool is_owned; /* false: stdout */
};

static rf_err recorder_create(rf_context *ctx, void **out_state)
{
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL)
        return RF_ENOMEM;
    recorder->fd = STDOUT_FILENO;
    const char *path = rf_config_string(ctx, "path", "");
    if (*path != '\0') {
        recorder->is_owned = true;
        recorder->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
        if (recorder->fd < 0) {
            char reason[128];
            const char *text = strerror_r(errno, reason, sizeof reason);
            free(recorder);
            return rf_fail(ctx, "cannot write \"%s\": %s", path, text);
        }
    }
    *out_state = recorder;
    return RF_OK;
}

static void recorder_destroy(void *state)
{
    struct recorder *recorder = state;
    if (recorder->is_owned)
        (void)close(recorder->fd);
    free(recorder);
}

static rf_err write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return RF_ESYS;
        data += written;
        size -= (size_t)written;
    }
    return RF_OK;
}

static rf_err recorder_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    const struct recorder *recorder = state;
    char *tagged = NULL;
    size_t size = 0;
    rf_err err = rf_message_to_tagged(msg, &tagged, &size);
    if (err == RF_ENOMEM)
        return err;
    struct rfi_buf line;
    rfi_buf_init(&line);
    rfi_buf_append_text(&line, "{\"port\":\"in\",\"message\":");
    if (err == RF_OK)
        rfi_buf_append(&line, tagged, size);
    else /* a float that the tagged form has no text for */
        rfi_buf_append_text(&line, "{\"type\":\"Float\",\"data\":null}");
    rfi_buf_append_text(&line, "}\n");
    free(tagged);
    err = line.is_failed ? RF_ENOMEM : write_all(recorder->fd, line.data, line.size);
    int error = errno;
    rfi_buf_fini(&line);
    if (err == RF_ESYS) {
        char reason[128];
        err = rfi_component_emit_error(ctx, OUT_ERROR, "cannot record: %s",
                                       strerror_r(error, reason, sizeof reason));
    }
    return err == RF_OK ? pass_message(ctx, state, inport, msg) : err;
}

static const rf_port_def recorder_inports[] = {{"in", "input", "any message"}};
static const rf_port_def recorder_outports[] = {
    {"out", "output", "the same message"},
    {"error", NULL, "Error: the line could not be written"},
};
static const rf_key_def recorder_keys[] = {
    {"path", "string", NULL, false, "file to append to; without it stdout"},
};

const rf_component rfi_component_recorder = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_recorder",
    .summary = "Writes each message as a JSON line {\"port\", \"message\"}, and passes it on",
    RFI_INPORTS(recorder_inports),
    RFI_OUTPORTS(recorder_outports),
    RFI_KEYS(recorder_keys),
    .create = recorder_create,
    .on_message = recorder_on_message,
    .destroy = recorder_destroy,
};
