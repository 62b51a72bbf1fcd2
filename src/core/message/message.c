/* SPDX-License-Identifier: MIT */
/* A message: making it, counting it, and reading the kinds that hold one value.
 *
 * The body has one form in memory and on the native wire (drawn in message_internal.h); the memory
 * comes from the pool in one block with the first delivery. A message belongs to its maker until it
 * is shared, and never changes afterwards; only the counter and the two memo words of an array are
 * written by any thread.
 *
 * Compound kinds are in message_parts.c, JSON in the other files of this folder. */
#include "core/base/copy.h"
#include "core/base/pool.h"
#include "core/message/message_parts.h"

#include <string.h>

static inline uint64_t little_endian(uint64_t bits)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? bits : __builtin_bswap64(bits);
}

static rf_message *make_of_bytes(rf_kind kind, const void *data, size_t size);
static inline rf_message *make_of_u64(rf_kind kind, uint64_t bits);
static uint64_t load_word(const rf_message *msg);

/* ---- life ---- */

/* As rfi_message_alloc, to be inlined where kind and size are known. */
static inline rf_message *alloc(rf_kind kind, size_t size)
{
    if (size > UINT32_MAX)
        return NULL;
    size_t total = offsetof(struct rf_message, body) + size;
    if (kind == RF_KIND_ARRAY)
        total = ((total + 7) & ~(size_t)7) + sizeof(struct rfi_array_memo);
    uint16_t size_class = 0;
    rf_message *msg = rfi_pool_alloc(total < sizeof *msg ? sizeof *msg : total, &size_class);
    if (msg == NULL)
        return NULL;
    /* `first` is filled when it is taken */
    atomic_init(&msg->refs, 1);
    atomic_init(&msg->is_first_taken, 0);
    msg->kind = (uint8_t)kind;
    msg->size_class = size_class;
    msg->size = (uint32_t)size;
    if (kind == RF_KIND_ARRAY)
        memset((uint8_t *)msg + total - sizeof(struct rfi_array_memo), 0,
               sizeof(struct rfi_array_memo));
    return msg;
}

rf_message *rfi_message_alloc(rf_kind kind, size_t size)
{
    return alloc(kind, size);
}

rf_err rfi_message_adopt(rf_kind kind, void *block, size_t size, rf_message **out)
{
    rf_message *msg = block;
    if (kind == RF_KIND_ARRAY || size > UINT32_MAX ||
        !rfi_message_body_is_valid(kind, msg->body, size))
        return RF_EFORMAT;
    atomic_init(&msg->refs, 1);
    atomic_init(&msg->is_first_taken, 0);
    msg->kind = (uint8_t)kind;
    msg->size_class = RFI_POOL_LARGE;
    msg->size = (uint32_t)size;
    *out = msg;
    return RF_OK;
}

_Thread_local struct rfi_lease rfi_lease __attribute__((tls_model("initial-exec")));

rf_message *rf_message_ref(rf_message *msg)
{
    if (rfi_lease.msg == msg) {
        /* [MSG1] acquire: as in rf_message_unref */
        if (!rfi_lease.is_open && atomic_load_explicit(&msg->refs, memory_order_acquire) == 1) {
            /* relaxed: nobody else sees the counter */
            atomic_store_explicit(&msg->refs, RFI_LEASE, memory_order_relaxed);
            rfi_lease.is_open = true;
        }
        if (rfi_lease.is_open) {
            rfi_lease.taken++;
            return msg;
        }
    }
    /* relaxed: the caller has a reference already, so nothing is published here */
    (void)atomic_fetch_add_explicit(&msg->refs, 1, memory_order_relaxed);
    return msg;
}

void rf_message_unref(rf_message *msg)
{
    if (msg == NULL)
        return;
    if (rfi_lease_has(msg)) {
        rfi_lease.taken--;
        return;
    }
    /* [MSG1] acquire: sees all that other holders did before they let go; pairs with the release
     * below. A sole holder needs no exchange. */
    if (atomic_load_explicit(&msg->refs, memory_order_acquire) != 1) {
        /* [MSG1] acq_rel: releases our reads to the last holder; the last holder acquires them */
        if (atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel) != 1)
            return;
    }
    rfi_message_free(msg);
}

void rfi_message_free(rf_message *msg)
{
    rfi_pool_free(msg, msg->size_class);
}

/* The end of an open lease: see NOTE lease. */
void rfi_lease_settle(rf_message *msg)
{
    uint32_t ours = RFI_LEASE - (uint32_t)rfi_lease.taken;
    int32_t others = rfi_lease_others(msg);
    uint32_t parked = rfi_lease.parked;
    rfi_lease.taken = 0;
    rfi_lease.parked = 0;
    rfi_lease.is_open = false;
    if (others != 0 && others == (int32_t)parked) {
        /* relaxed: published with the deliveries that hold them */
        atomic_store_explicit(&msg->refs, parked, memory_order_relaxed);
        return;
    }
    /* [MSG1] acq_rel: as in rf_message_unref */
    if (others == 0 || atomic_fetch_sub_explicit(&msg->refs, ours, memory_order_acq_rel) == ours)
        rfi_message_free(msg);
}

rf_err rfi_message_from_body(rf_kind kind, const void *body, size_t size, rf_message **out)
{
    if (size > UINT32_MAX || !rfi_message_body_is_valid(kind, body, size))
        return RF_EFORMAT;
    rf_message *msg = make_of_bytes(kind, body, size);
    if (msg == NULL)
        return RF_ENOMEM;
    *out = msg;
    return RF_OK;
}

/* ---- constructors ---- */

rf_message *rf_message_flow(void)
{
    return rfi_message_alloc(RF_KIND_FLOW, 0);
}

rf_message *rf_message_boolean(bool value)
{
    rf_message *msg = rfi_message_alloc(RF_KIND_BOOLEAN, 1);
    if (msg != NULL)
        msg->body[0] = value ? 1 : 0;
    return msg;
}

rf_message *rf_message_integer(int64_t value)
{
    return make_of_u64(RF_KIND_INTEGER, (uint64_t)value);
}

rf_message *rf_message_float(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return make_of_u64(RF_KIND_FLOAT, bits);
}

rf_message *rf_message_string(const void *text, size_t size)
{
    return make_of_bytes(RF_KIND_STRING, text, size);
}

rf_message *rf_message_error(const void *text, size_t size)
{
    return make_of_bytes(RF_KIND_ERROR, text, size);
}

rf_message *rf_message_bytes(const void *data, size_t size)
{
    return make_of_bytes(RF_KIND_BYTES, data, size);
}

rf_message *rf_message_bytes_new(size_t size, void **out_data)
{
    rf_message *msg = rfi_message_alloc(RF_KIND_BYTES, size);
    if (msg != NULL)
        *out_data = msg->body;
    return msg;
}

rf_message *rf_message_encoded(const void *data, size_t size)
{
    return make_of_bytes(RF_KIND_ENCODED, data, size);
}

rf_message *rf_message_event(const void *json, size_t size)
{
    return make_of_bytes(RF_KIND_EVENT, json, size);
}

rf_message *rf_message_object(const void *json, size_t size)
{
    return make_of_bytes(RF_KIND_OBJECT, json, size);
}

rf_message *rf_message_any(const void *json, size_t size)
{
    return make_of_bytes(RF_KIND_ANY, json, size);
}

rf_message *rf_message_optional(const void *json, size_t size)
{
    if (json == NULL)
        return rfi_message_alloc(RF_KIND_OPTIONAL, 0);
    if (size >= UINT32_MAX)
        return NULL;
    rf_message *msg = rfi_message_alloc(RF_KIND_OPTIONAL, size + 1);
    if (msg == NULL)
        return NULL;
    msg->body[0] = 1;
    if (size > 0)
        memcpy(msg->body + 1, json, size);
    return msg;
}

static rf_message *make_of_bytes(rf_kind kind, const void *data, size_t size)
{
    rf_message *msg = alloc(kind, size);
    if (msg != NULL)
        rfi_copy(msg->body, data, size);
    return msg;
}

static inline rf_message *make_of_u64(rf_kind kind, uint64_t bits)
{
    rf_message *msg = alloc(kind, sizeof bits);
    if (msg == NULL)
        return NULL;
    bits = little_endian(bits);
    memcpy(msg->body, &bits, sizeof bits);
    return msg;
}

/* ---- accessors ---- */

rf_kind rf_message_kind(const rf_message *msg)
{
    return (rf_kind)msg->kind;
}

const char *rf_kind_name(rf_kind kind)
{
    static const char *const names[RF_KIND_COUNT] = {
        [RF_KIND_FLOW] = "Flow",
        [RF_KIND_EVENT] = "Event",
        [RF_KIND_BOOLEAN] = "Boolean",
        [RF_KIND_INTEGER] = "Integer",
        [RF_KIND_FLOAT] = "Float",
        [RF_KIND_STRING] = "String",
        [RF_KIND_OBJECT] = "Object",
        [RF_KIND_ARRAY] = "Array",
        [RF_KIND_BYTES] = "Bytes",
        [RF_KIND_STREAM_HANDLE] = "StreamHandle",
        [RF_KIND_ENCODED] = "Encoded",
        [RF_KIND_OPTIONAL] = "Optional",
        [RF_KIND_ANY] = "Any",
        [RF_KIND_ERROR] = "Error",
        [RF_KIND_REMOTE_REFERENCE] = "RemoteReference",
        [RF_KIND_NETWORK_EVENT] = "NetworkEvent",
    };
    return (unsigned)kind < RF_KIND_COUNT ? names[kind] : NULL;
}

bool rf_message_as_boolean(const rf_message *msg)
{
    return msg->kind == RF_KIND_BOOLEAN && msg->body[0] != 0;
}

int64_t rf_message_as_integer(const rf_message *msg)
{
    return msg->kind == RF_KIND_INTEGER ? (int64_t)load_word(msg) : 0;
}

double rf_message_as_float(const rf_message *msg)
{
    if (msg->kind == RF_KIND_INTEGER)
        return (double)(int64_t)load_word(msg);
    if (msg->kind != RF_KIND_FLOAT)
        return 0.0;
    uint64_t bits = load_word(msg);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t load_word(const rf_message *msg)
{
    uint64_t bits;
    memcpy(&bits, msg->body, sizeof bits);
    return little_endian(bits);
}

rf_span rf_message_data(const rf_message *msg)
{
    switch ((rf_kind)msg->kind) {
    case RF_KIND_STRING:
    case RF_KIND_ERROR:
    case RF_KIND_BYTES:
    case RF_KIND_ENCODED:
    case RF_KIND_EVENT:
    case RF_KIND_OBJECT:
    case RF_KIND_ANY:
        return (rf_span){msg->body, msg->size};
    case RF_KIND_OPTIONAL:
        if (msg->size > 0)
            return (rf_span){msg->body + 1, msg->size - 1};
        break;
    case RF_KIND_FLOW:
    case RF_KIND_BOOLEAN:
    case RF_KIND_INTEGER:
    case RF_KIND_FLOAT:
    case RF_KIND_ARRAY:
    case RF_KIND_STREAM_HANDLE:
    case RF_KIND_REMOTE_REFERENCE:
    case RF_KIND_NETWORK_EVENT:
    case RF_KIND_COUNT:
        break;
    }
    return (rf_span){NULL, 0};
}

size_t rf_message_size(const rf_message *msg)
{
    return msg->size;
}

bool rf_message_equal(const rf_message *a, const rf_message *b)
{
    if (a == b)
        return true;
    return a->kind == b->kind && a->size == b->size && memcmp(a->body, b->body, a->size) == 0;
}
