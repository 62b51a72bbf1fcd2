/* SPDX-License-Identifier: MIT */
/* The kinds that hold several parts: array, stream handle, remote reference, network event.
 *
 * Parts stand in the body as u32 size and bytes. A body is checked once, when it comes from outside
 * (rfi_message_body_is_valid); accessors rely on that and still never read behind the body.
 *
 * An array is walked from its start; the place of the element that was asked for last is kept in a
 * memo behind the body, so that walking in order costs O(n). The memo is a hint that any thread may
 * overwrite: index and offset are one word, and any pair ever written is true for ever. */
#include "core/message/message_parts.h"

#include <string.h>

static struct rfi_array_memo *memo_of(const rf_message *msg);
static bool add_part(size_t *total, size_t size);

uint8_t *rfi_message_put_part(uint8_t *at, const void *data, size_t size)
{
    for (int i = 0; i < 4; i++)
        *at++ = (uint8_t)(size >> (8 * i));
    if (size > 0)
        memcpy(at, data, size);
    return at + size;
}

bool rfi_message_get_part(const uint8_t **at, const uint8_t *end, rf_span *out)
{
    if (end - *at < 4)
        return false;
    size_t size = rfi_load_u32(*at);
    if ((size_t)(end - *at) - 4 < size)
        return false;
    *out = (rf_span){*at + 4, size};
    *at += 4 + size;
    return true;
}

/* ---- bodies from outside ---- */

static bool parts_are_valid(const uint8_t *at, const uint8_t *end, size_t count)
{
    rf_span part;
    for (size_t i = 0; i < count; i++) {
        if (!rfi_message_get_part(&at, end, &part))
            return false;
    }
    return at == end;
}

static bool array_is_valid(const uint8_t *at, const uint8_t *end)
{
    rf_span part;
    while (at < end) {
        if (!rfi_message_get_part(&at, end, &part))
            return false;
    }
    return true;
}

static bool stream_is_valid(const uint8_t *body, size_t size)
{
    if (size < RFI_STREAM_HEAD_SIZE)
        return false;
    uint8_t flags = body[8];
    if (flags > (RFI_STREAM_HAS_TYPE | RFI_STREAM_HAS_HINT))
        return false;
    if ((flags & RFI_STREAM_HAS_HINT) == 0 && rfi_load_u64(body + 9) != 0)
        return false;
    const uint8_t *at = body + RFI_STREAM_HEAD_SIZE;
    const uint8_t *end = body + size;
    rf_span part;
    for (int i = 0; i < 3; i++) {
        if (!rfi_message_get_part(&at, end, &part))
            return false;
    }
    return at == end && ((flags & RFI_STREAM_HAS_TYPE) != 0 || part.size == 0);
}

bool rfi_message_body_is_valid(rf_kind kind, const uint8_t *body, size_t size)
{
    static const uint8_t none[1] = {0};
    if (size == 0)
        body = none;
    switch (kind) {
    case RF_KIND_FLOW:
        return size == 0;
    case RF_KIND_BOOLEAN:
        return size == 1 && body[0] <= 1;
    case RF_KIND_INTEGER:
    case RF_KIND_FLOAT:
        return size == 8;
    case RF_KIND_STRING:
    case RF_KIND_ERROR:
    case RF_KIND_BYTES:
    case RF_KIND_ENCODED:
    case RF_KIND_EVENT:
    case RF_KIND_OBJECT:
    case RF_KIND_ANY:
        return true;
    case RF_KIND_OPTIONAL:
        return size == 0 || body[0] == 1;
    case RF_KIND_ARRAY:
        return array_is_valid(body, body + size);
    case RF_KIND_STREAM_HANDLE:
        return stream_is_valid(body, size);
    case RF_KIND_REMOTE_REFERENCE:
        return parts_are_valid(body, body + size, 3);
    case RF_KIND_NETWORK_EVENT:
        return parts_are_valid(body, body + size, 2);
    case RF_KIND_COUNT:
        break;
    }
    return false;
}

/* ---- constructors ---- */

rf_message *rf_message_array(const rf_span *items, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!add_part(&total, items[i].size))
            return NULL;
    }
    rf_message *msg = rfi_message_alloc(RF_KIND_ARRAY, total);
    if (msg == NULL)
        return NULL;
    uint8_t *at = msg->body;
    for (size_t i = 0; i < count; i++)
        at = rfi_message_put_part(at, items[i].data, items[i].size);
    return msg;
}

rf_message *rf_message_stream_handle(const rf_stream_handle *parts)
{
    bool has_type = parts->content_type.data != NULL;
    size_t type_size = has_type ? parts->content_type.size : 0;
    size_t total = RFI_STREAM_HEAD_SIZE;
    if (!add_part(&total, parts->origin_actor.size) || !add_part(&total, parts->origin_port.size) ||
        !add_part(&total, type_size))
        return NULL;
    rf_message *msg = rfi_message_alloc(RF_KIND_STREAM_HANDLE, total);
    if (msg == NULL)
        return NULL;
    uint64_t hint = parts->has_size_hint ? parts->size_hint : 0;
    uint8_t *at = msg->body;
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(parts->stream_id >> (8 * i));
        at[9 + i] = (uint8_t)(hint >> (8 * i));
    }
    at[8] = (uint8_t)((has_type ? RFI_STREAM_HAS_TYPE : 0) |
                      (parts->has_size_hint ? RFI_STREAM_HAS_HINT : 0));
    at += RFI_STREAM_HEAD_SIZE;
    at = rfi_message_put_part(at, parts->origin_actor.data, parts->origin_actor.size);
    at = rfi_message_put_part(at, parts->origin_port.data, parts->origin_port.size);
    (void)rfi_message_put_part(at, parts->content_type.data, type_size);
    return msg;
}

rf_message *rf_message_remote_reference(const rf_remote_reference *parts)
{
    size_t total = 0;
    if (!add_part(&total, parts->network_id.size) || !add_part(&total, parts->actor_id.size) ||
        !add_part(&total, parts->port.size))
        return NULL;
    rf_message *msg = rfi_message_alloc(RF_KIND_REMOTE_REFERENCE, total);
    if (msg == NULL)
        return NULL;
    uint8_t *at = rfi_message_put_part(msg->body, parts->network_id.data, parts->network_id.size);
    at = rfi_message_put_part(at, parts->actor_id.data, parts->actor_id.size);
    (void)rfi_message_put_part(at, parts->port.data, parts->port.size);
    return msg;
}

rf_message *rf_message_network_event(const rf_network_notice *parts)
{
    size_t total = 0;
    if (!add_part(&total, parts->event_type.size) || !add_part(&total, parts->data.size))
        return NULL;
    rf_message *msg = rfi_message_alloc(RF_KIND_NETWORK_EVENT, total);
    if (msg == NULL)
        return NULL;
    uint8_t *at = rfi_message_put_part(msg->body, parts->event_type.data, parts->event_type.size);
    (void)rfi_message_put_part(at, parts->data.data, parts->data.size);
    return msg;
}

/* False: a part or the sum is over 4 GiB - 1. */
static bool add_part(size_t *total, size_t size)
{
    if (size > UINT32_MAX)
        return false;
    *total += 4 + size; /* cannot overflow: both are below 2^33 */
    return *total <= UINT32_MAX;
}

/* ---- accessors ---- */

static struct rfi_array_memo *memo_of(const rf_message *msg)
{
    size_t offset = (offsetof(struct rf_message, body) + msg->size + 7) & ~(size_t)7;
    /* The memo is the one part of a shared message that changes: this takes its const away.
     * NOLINTNEXTLINE(performance-no-int-to-ptr) */
    return (struct rfi_array_memo *)((uintptr_t)msg + offset);
}

size_t rf_message_array_count(const rf_message *msg)
{
    if (msg->kind != RF_KIND_ARRAY)
        return 0;
    struct rfi_array_memo *memo = memo_of(msg);
    /* relaxed: the word is right on its own */
    uint64_t known = atomic_load_explicit(&memo->count_plus_one, memory_order_relaxed);
    if (known != 0)
        return (size_t)(known - 1);
    size_t count = 0;
    const uint8_t *at = msg->body;
    rf_span part;
    while (rfi_message_get_part(&at, msg->body + msg->size, &part))
        count++;
    atomic_store_explicit(&memo->count_plus_one, (uint64_t)count + 1, memory_order_relaxed);
    return count;
}

rf_span rf_message_array_item(const rf_message *msg, size_t index)
{
    rf_span part = {NULL, 0};
    if (msg->kind != RF_KIND_ARRAY)
        return part;
    struct rfi_array_memo *memo = memo_of(msg);
    /* relaxed: index and offset are one word, true for ever */
    uint64_t cursor = atomic_load_explicit(&memo->cursor, memory_order_relaxed);
    size_t i = (size_t)(cursor >> 32);
    const uint8_t *at = msg->body + (uint32_t)cursor;
    if (index < i) {
        i = 0;
        at = msg->body;
    }
    const uint8_t *end = msg->body + msg->size;
    for (;; i++) {
        const uint8_t *start = at;
        if (!rfi_message_get_part(&at, end, &part))
            return (rf_span){NULL, 0};
        if (i == index) {
            cursor = (uint64_t)i << 32 | (uint64_t)(start - msg->body);
            atomic_store_explicit(&memo->cursor, cursor, memory_order_relaxed);
            return part;
        }
    }
}

rf_err rf_message_as_stream_handle(const rf_message *msg, rf_stream_handle *out)
{
    if (msg->kind != RF_KIND_STREAM_HANDLE)
        return RF_EINVAL;
    const uint8_t *at = msg->body + RFI_STREAM_HEAD_SIZE;
    const uint8_t *end = msg->body + msg->size;
    rf_stream_handle parts = {.stream_id = rfi_load_u64(msg->body),
                              .has_size_hint = (msg->body[8] & RFI_STREAM_HAS_HINT) != 0,
                              .size_hint = rfi_load_u64(msg->body + 9)};
    if (!rfi_message_get_part(&at, end, &parts.origin_actor) ||
        !rfi_message_get_part(&at, end, &parts.origin_port) ||
        !rfi_message_get_part(&at, end, &parts.content_type))
        return RF_EINVAL;
    if ((msg->body[8] & RFI_STREAM_HAS_TYPE) == 0)
        parts.content_type = (rf_span){NULL, 0};
    *out = parts;
    return RF_OK;
}

rf_err rf_message_as_remote_reference(const rf_message *msg, rf_remote_reference *out)
{
    if (msg->kind != RF_KIND_REMOTE_REFERENCE)
        return RF_EINVAL;
    const uint8_t *at = msg->body;
    const uint8_t *end = at + msg->size;
    rf_remote_reference parts;
    if (!rfi_message_get_part(&at, end, &parts.network_id) ||
        !rfi_message_get_part(&at, end, &parts.actor_id) ||
        !rfi_message_get_part(&at, end, &parts.port))
        return RF_EINVAL;
    *out = parts;
    return RF_OK;
}

rf_err rf_message_as_network_event(const rf_message *msg, rf_network_notice *out)
{
    if (msg->kind != RF_KIND_NETWORK_EVENT)
        return RF_EINVAL;
    const uint8_t *at = msg->body;
    const uint8_t *end = at + msg->size;
    rf_network_notice parts;
    if (!rfi_message_get_part(&at, end, &parts.event_type) ||
        !rfi_message_get_part(&at, end, &parts.data))
        return RF_EINVAL;
    *out = parts;
    return RF_OK;
}
