/* SPDX-License-Identifier: MIT */
/* What the built-in components share: errors as messages, texts, and configuration.
 *
 * Wrong data is not a failure of the actor: it gives an Error message on the component's error port
 * and a line in the log, and the actor goes on. Only what keeps the actor itself from working (no memory, a configuration
 * that makes no sense) is returned as an error and left to supervision. Nothing here keeps state. */
#include "core/components/component.h"
#include <reflow/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rf_err rfi_component_emit_error(rf_context *ctx, size_t outport, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rf_log(RF_LOG_WARN, "ACTOR-ERROR", "actor=%s component=%s text=%s", rf_context_id(ctx),
           rf_context_component(ctx), text);

    struct rfi_buf buf;
    rfi_buf_init(&buf);
    (void)rfi_component_append_utf8(&buf, text, strlen(text));
    rf_err err = RF_ENOMEM;
    if (!buf.is_failed)
        err = rf_emit(ctx, outport,
                      rf_message_error(buf.size > 0 ? (const void *)buf.data : "", buf.size));
    rfi_buf_fini(&buf);
    return err;
}

rf_err rfi_component_emit_string(rf_context *ctx, size_t outport, struct rfi_buf *text)
{
    rf_err err = RF_ENOMEM;
    if (!text->is_failed)
        err =
            rf_emit(ctx, outport,
                    rf_message_string(text->size > 0 ? (const void *)text->data : "", text->size));
    rfi_buf_clear(text);
    return err;
}

rf_err rfi_component_emit_object(rf_context *ctx, size_t outport, struct rfi_buf *json)
{
    rf_err err = RF_ENOMEM;
    if (!json->is_failed)
        err = rf_emit(ctx, outport, rf_message_object(json->data, json->size));
    rfi_buf_clear(json);
    return err;
}

int64_t rfi_component_integer(const rf_context *ctx, const char *key, int64_t fallback, int64_t min,
                              int64_t max)
{
    int64_t value = rf_config_integer(ctx, key, fallback);
    if (value < min)
        return min;
    return value > max ? max : value;
}

const char *rfi_component_key(const rf_context *ctx, const char *key, const char *other)
{
    if (rf_config_has(ctx, key))
        return key;
    return rf_config_has(ctx, other) ? other : NULL;
}

rf_err rfi_component_append_text(struct rfi_buf *out, const rf_message *msg)
{
    switch (rf_message_kind(msg)) {
    case RF_KIND_STRING:
    case RF_KIND_BYTES:
    case RF_KIND_ERROR:
    case RF_KIND_ENCODED: {
        rf_span span = rf_message_data(msg);
        rfi_buf_append(out, span.data, span.size);
        break;
    }
    case RF_KIND_FLOW:
    case RF_KIND_EVENT:
    case RF_KIND_BOOLEAN:
    case RF_KIND_INTEGER:
    case RF_KIND_FLOAT:
    case RF_KIND_OBJECT:
    case RF_KIND_ARRAY:
    case RF_KIND_STREAM_HANDLE:
    case RF_KIND_OPTIONAL:
    case RF_KIND_ANY:
    case RF_KIND_REMOTE_REFERENCE:
    case RF_KIND_NETWORK_EVENT:
    case RF_KIND_COUNT: {
        char *json = NULL;
        size_t size = 0;
        rf_err err = rf_message_to_value(msg, &json, &size);
        if (err != RF_OK)
            return err;
        rfi_buf_append(out, json, size);
        free(json);
        break;
    }
    }
    return out->is_failed ? RF_ENOMEM : RF_OK;
}

size_t rfi_component_append_utf8(struct rfi_buf *out, const void *data, size_t size)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    const uint8_t *bytes = data;
    size_t replaced_count = 0;
    for (size_t at = 0; at < size;) {
        size_t valid = rfi_utf8_valid_prefix(bytes + at, size - at);
        rfi_buf_append(out, bytes + at, valid);
        at += valid;
        if (at < size) {
            rfi_buf_append(out, replacement, sizeof replacement - 1);
            replaced_count++;
            at++;
        }
    }
    return replaced_count;
}

rf_err rfi_component_emit_json(rf_context *ctx, size_t outport, rf_span json)
{
    rf_message *msg = NULL;
    rf_err err = rf_message_from_value(json.data, json.size, &msg, NULL);
    return err == RF_OK ? rf_emit(ctx, outport, msg) : err;
}
