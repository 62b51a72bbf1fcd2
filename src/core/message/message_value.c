/* SPDX-License-Identifier: MIT */
/* Plain JSON values to messages, and the check of what a message holds.
 *
 * The kind follows the type of the value as in the Rust Reflow. Objects and the elements of arrays
 * become JSON text without blanks, which is how the Rust side writes them.
 *
 * Pure code; it owns nothing after it returns but the message that it gives away. */
#include "core/base/diag.h"
#include "core/message/message_parts.h"

#include <stdlib.h>
#include <string.h>

static rf_message *make_object(const char *json, size_t size);
static bool take_array(struct rfi_scan *scan, rf_message **out);

static bool out_of_memory(struct rfi_scan *scan)
{
    scan->is_out_of_memory = true;
    return rfi_scan_fail(scan, "out of memory");
}

static bool take_value(struct rfi_scan *scan, rf_message **out)
{
    struct rfi_scan_text text;
    struct rfi_scan_number number;
    const char *start;
    bool value = false;
    double real = 0.0;
    char first = rfi_scan_peek(scan);
    switch (first) {
    case 'n':
        if (!rfi_scan_word(scan, "null"))
            return false;
        *out = rf_message_optional(NULL, 0);
        break;
    case 't':
    case 'f':
        if (!rfi_scan_boolean(scan, &value))
            return false;
        *out = rf_message_boolean(value);
        break;
    case '"':
        if (!rfi_scan_string(scan, &text))
            return false;
        *out = rfi_message_alloc(RF_KIND_STRING, text.size);
        if (*out != NULL)
            rfi_scan_decode(&text, (*out)->body);
        break;
    case '{':
        start = scan->at;
        if (!rfi_scan_skip(scan, RFI_SCAN_KEPT, 0))
            return false;
        *out = make_object(start, (size_t)(scan->at - start));
        break;
    case '[':
        return take_array(scan, out);
    default:
        if (!rfi_scan_number(scan, &number))
            return false;
        if (number.type == RFI_SCAN_INTEGER) {
            *out = rf_message_integer(number.integer);
            break;
        }
        if (!rfi_scan_to_double(&number, &real))
            return rfi_scan_fail(scan, "number out of range");
        *out = rf_message_float(real);
    }
    return *out != NULL || out_of_memory(scan);
}

rf_err rf_message_from_value(const char *json, size_t size, rf_message **out_msg, rf_diag *out_diag)
{
    struct rfi_scan scan;
    rf_message *msg = NULL;
    rfi_scan_init(&scan, json, size);
    if (!take_value(&scan, &msg))
        return rfi_scan_report(&scan, out_diag);
    if (!rfi_scan_is_done(&scan)) {
        rf_message_unref(msg);
        (void)rfi_scan_fail(&scan, "text behind the value");
        return rfi_scan_report(&scan, out_diag);
    }
    *out_msg = msg;
    return RF_OK;
}

/* The text is valid JSON. */
static rf_message *make_object(const char *json, size_t size)
{
    char *compact = malloc(size);
    if (compact == NULL)
        return NULL;
    rf_message *msg = rf_message_object(compact, rfi_scan_compact(json, size, compact));
    free(compact);
    return msg;
}

/* Append one element: u32 size and its text without blanks. */
static bool append_item(struct rfi_buf *buf, const char *json, size_t size)
{
    uint8_t *at = size <= UINT32_MAX ? rfi_buf_reserve(buf, 4 + size) : NULL;
    if (at == NULL)
        return false;
    size_t written = rfi_scan_compact(json, size, (char *)at + 4);
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(written >> (8 * i));
    buf->size += 4 + written;
    return true;
}

static bool take_array(struct rfi_scan *scan, rf_message **out)
{
    struct rfi_buf buf;
    size_t count = 0;
    bool is_good = false;
    rfi_buf_init(&buf);
    if (!rfi_scan_open(scan, '['))
        goto out;
    for (;;) {
        bool is_more = false;
        if (!rfi_scan_next_item(scan, &count, &is_more))
            goto out;
        if (!is_more)
            break;
        (void)rfi_scan_peek(scan);
        const char *start = scan->at;
        if (!rfi_scan_skip(scan, RFI_SCAN_KEPT, RFI_SCAN_DEPTH_MAX - 1))
            goto out;
        if (!append_item(&buf, start, (size_t)(scan->at - start))) {
            (void)out_of_memory(scan);
            goto out;
        }
    }
    *out = rfi_message_alloc(RF_KIND_ARRAY, buf.size);
    if (*out == NULL) {
        (void)out_of_memory(scan);
        goto out;
    }
    if (buf.size > 0)
        memcpy((*out)->body, buf.data, buf.size);
    is_good = true;
out:
    rfi_buf_fini(&buf);
    return is_good;
}

/* ---- checks ---- */

bool rfi_message_is_json(const void *text, size_t size)
{
    struct rfi_scan scan;
    if (text == NULL)
        return false;
    rfi_scan_init(&scan, text, size);
    return rfi_scan_skip(&scan, RFI_SCAN_KEPT, 0) && rfi_scan_is_done(&scan);
}

static rf_err check_json(rf_span json, rf_diag *out_diag)
{
    struct rfi_scan scan;
    rfi_scan_init(&scan, json.data, json.size);
    if (rfi_scan_skip(&scan, RFI_SCAN_KEPT, 0)) {
        if (rfi_scan_is_done(&scan))
            return RF_OK;
        (void)rfi_scan_fail(&scan, "text behind the value");
    }
    return rfi_scan_report(&scan, out_diag);
}

static rf_err check_text(rf_span text, rf_diag *out_diag)
{
    if (text.size == 0)
        return RF_OK;
    size_t valid = rfi_utf8_valid_prefix(text.data, text.size);
    if (valid == text.size)
        return RF_OK;
    return rfi_diag_at(out_diag, RF_EFORMAT, NULL, 1,
                       valid < UINT32_MAX ? (unsigned)valid + 1 : UINT32_MAX, "text is not UTF-8");
}

static rf_err check_texts(const rf_span *texts, size_t count, rf_diag *out_diag)
{
    rf_err err = RF_OK;
    for (size_t i = 0; i < count && err == RF_OK; i++)
        err = check_text(texts[i], out_diag);
    return err;
}

static rf_err check_array(const rf_message *msg, rf_diag *out_diag)
{
    const uint8_t *at = msg->body;
    rf_span item;
    while (rfi_message_get_part(&at, msg->body + msg->size, &item)) {
        rf_err err = check_json(item, out_diag);
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

static rf_err check_parts(const rf_message *msg, rf_diag *out_diag)
{
    rf_stream_handle handle;
    rf_remote_reference reference;
    rf_network_notice notice;
    if (rf_message_as_stream_handle(msg, &handle) == RF_OK) {
        rf_span texts[] = {handle.origin_actor, handle.origin_port, handle.content_type};
        return check_texts(texts, 3, out_diag);
    }
    if (rf_message_as_remote_reference(msg, &reference) == RF_OK) {
        rf_span texts[] = {reference.network_id, reference.actor_id, reference.port};
        return check_texts(texts, 3, out_diag);
    }
    if (rf_message_as_network_event(msg, &notice) == RF_OK) {
        rf_err err = check_text(notice.event_type, out_diag);
        return err == RF_OK ? check_json(notice.data, out_diag) : err;
    }
    return rfi_diag_set(out_diag, RF_EFORMAT, "malformed body");
}

rf_err rf_message_check(const rf_message *msg, rf_diag *out_diag)
{
    switch (rf_message_kind(msg)) {
    case RF_KIND_STRING:
    case RF_KIND_ERROR:
        return check_text(rf_message_data(msg), out_diag);
    case RF_KIND_EVENT:
    case RF_KIND_OBJECT:
    case RF_KIND_ANY:
        return check_json(rf_message_data(msg), out_diag);
    case RF_KIND_OPTIONAL:
        return msg->size > 0 ? check_json(rf_message_data(msg), out_diag) : RF_OK;
    case RF_KIND_ARRAY:
        return check_array(msg, out_diag);
    case RF_KIND_STREAM_HANDLE:
    case RF_KIND_REMOTE_REFERENCE:
    case RF_KIND_NETWORK_EVENT:
        return check_parts(msg, out_diag);
    case RF_KIND_FLOW:
    case RF_KIND_BOOLEAN:
    case RF_KIND_INTEGER:
    case RF_KIND_FLOAT:
    case RF_KIND_BYTES:
    case RF_KIND_ENCODED:
    case RF_KIND_COUNT:
        break;
    }
    return RF_OK;
}
