/* SPDX-License-Identifier: MIT */
/* Writing the JSON frames of the Rust Reflow, byte for byte as serde_json does, and random ids.
 *
 * Pure code on the caller's buffer; reading is in rust_wire_read.c. The thread keeps a few random
 * bytes in advance, since every message to a Rust peer needs an id.
 *
 * A frame that Rust could not read is refused here and not sent: the peer would drop it without a
 * word, or its reader would die of it (Encoded). */
#include "net/rust_wire.h"

#include "core/base/clock.h"
#include "core/base/json_writer.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { UUID_BYTES = 16, UUIDS_IN_ADVANCE = 16 };

#define APPEND_LITERAL(buf, text) rfi_buf_append((buf), (text), sizeof(text) - 1)

static void append_string(struct rfi_buf *out, const char *text);
static void append_timestamp(struct rfi_buf *out, uint64_t wall_ns);
static bool is_readable(const rf_message *msg, bool allow_encoded);

rf_err rfi_rust_write_message(const struct rfi_rust_header *header, const rf_message *msg,
                              const char *bytes_name, bool allow_encoded, struct rfi_buf *out)
{
    if (!is_readable(msg, allow_encoded))
        return RF_EINVAL;
    size_t before = out->size;
    APPEND_LITERAL(out, "{\"message_id\":");
    append_string(out, header->message_id);
    APPEND_LITERAL(out, ",\"source_network\":");
    append_string(out, header->source_network);
    APPEND_LITERAL(out, ",\"source_actor\":");
    append_string(out, header->source_actor);
    APPEND_LITERAL(out, ",\"target_network\":");
    append_string(out, header->target_network);
    APPEND_LITERAL(out, ",\"target_actor\":");
    append_string(out, header->target_actor);
    APPEND_LITERAL(out, ",\"target_port\":");
    append_string(out, header->target_port);
    APPEND_LITERAL(out, ",\"payload\":");
    rf_err err = rfi_message_write_tagged(msg, bytes_name, out);
    if (err != RF_OK) {
        out->size = before;
        return err;
    }
    APPEND_LITERAL(out, ",\"timestamp\":");
    append_timestamp(out, header->wall_ns);
    rfi_buf_append_byte(out, '}');
    return RF_OK;
}

void rfi_rust_write_heartbeat(const char *network_id, uint64_t wall_ns, struct rfi_buf *out)
{
    APPEND_LITERAL(out, "{\"network_id\":");
    append_string(out, network_id);
    APPEND_LITERAL(out, ",\"timestamp\":");
    append_timestamp(out, wall_ns);
    rfi_buf_append_byte(out, '}');
}

void rfi_rust_write_actors_request(const char *request_id, const char *network_id,
                                   struct rfi_buf *out)
{
    APPEND_LITERAL(out, "{\"request_id\":");
    append_string(out, request_id);
    APPEND_LITERAL(out, ",\"requesting_network\":");
    append_string(out, network_id);
    rfi_buf_append_byte(out, '}');
}

void rfi_rust_begin_actors_response(const char *request_id, const char *network_id,
                                    struct rfi_buf *out)
{
    APPEND_LITERAL(out, "{\"request_id\":");
    append_string(out, request_id);
    APPEND_LITERAL(out, ",\"network_id\":");
    append_string(out, network_id);
    APPEND_LITERAL(out, ",\"actors\":[");
}

void rfi_rust_add_actor(const char *actor_id, bool is_first, struct rfi_buf *out)
{
    if (!is_first)
        rfi_buf_append_byte(out, ',');
    APPEND_LITERAL(out, "{\"actor_id\":");
    append_string(out, actor_id);
    APPEND_LITERAL(out, ",\"capabilities\":[\"actor_messaging\"],\"description\":null}");
}

void rfi_rust_end_actors_response(struct rfi_buf *out)
{
    APPEND_LITERAL(out, "]}");
}

static void append_string(struct rfi_buf *out, const char *text)
{
    rfi_json_write_string(out, text, strlen(text));
}

static void append_timestamp(struct rfi_buf *out, uint64_t wall_ns)
{
    char text[RFI_TIMESTAMP_SIZE];
    rfi_timestamp_format(wall_ns, text);
    rfi_buf_append_byte(out, '"');
    rfi_buf_append_text(out, text);
    rfi_buf_append_byte(out, '"');
}

/* Would the Rust side read this kind? (A float that is not finite fails while it is written.) */
static bool is_readable(const rf_message *msg, bool allow_encoded)
{
    static const char *const types[] = {"ActorRegistered", "ActorUnregistered", "NetworkConnected",
                                        "NetworkDisconnected", "HeartbeatMissed"};
    if (rf_message_kind(msg) == RF_KIND_ENCODED)
        return allow_encoded;
    rf_network_notice notice;
    if (rf_message_as_network_event(msg, &notice) != RF_OK)
        return true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (notice.event_type.size == strlen(types[i]) &&
            memcmp(notice.event_type.data, types[i], notice.event_type.size) == 0)
            return true;
    }
    return false;
}

/* ---- ids ---- */

static bool fill_random(uint8_t *out, size_t size)
{
    while (size > 0) {
        ssize_t got = getrandom(out, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        size -= (size_t)got;
    }
    return true;
}

/* Where the system gives no random bytes: an id need not be secret, only its own. */
static void fill_unique(uint8_t *out)
{
    static _Atomic(uint64_t) counter;
    uint64_t now = rfi_clock_wall_ns();
    /* relaxed: only the values must differ */
    uint64_t number = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    memcpy(out, &now, sizeof now);
    memcpy(out + sizeof now, &number, sizeof number);
}

void rfi_uuid4(char out[37])
{
    static _Thread_local uint8_t store[UUID_BYTES * UUIDS_IN_ADVANCE];
    static _Thread_local size_t left;
    static const char digits[] = "0123456789abcdef";
    uint8_t id[UUID_BYTES];
    if (left == 0 && fill_random(store, sizeof store))
        left = UUIDS_IN_ADVANCE;
    if (left > 0)
        memcpy(id, store + UUID_BYTES * --left, sizeof id);
    else
        fill_unique(id);
    id[6] = (uint8_t)((id[6] & 0x0F) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[id[i] >> 4];
        *out++ = digits[id[i] & 15];
    }
    *out = '\0';
}
