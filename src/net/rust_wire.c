/* SPDX-License-Identifier: MIT */
/* Writing the JSON frames of the Rust Reflow, byte for byte as serde_json does, and random ids.
 *
 * Pure code on the caller's buffer; reading is in rust_wire_read.c. The thread has a source of ids that is seeded by the
 * system once, since every message to a Rust peer needs an id.
 *
 * A frame that Rust could not read is refused here and not sent: the peer would drop it without a
 * word, or its reader would die of it (Encoded). */
#include "net/rust_wire.h"

#include "core/base/clock.h"
#include "core/base/json_writer.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { UUID_TEXT_SIZE = 36 };

#define APPEND_LITERAL(buf, text) rfi_buf_append((buf), (text), sizeof(text) - 1)

static void append_string(struct rfi_buf *out, const char *text);
static void append_timestamp(struct rfi_buf *out, uint64_t wall_ns);
static bool is_readable(const rf_message *msg, bool allow_encoded);
static void write_uuid4(char *out);

/* From behind the id on. */
static rf_err write_rest(const struct rfi_buf *names, const struct rfi_buf *tail,
                         const rf_message *msg, const char *bytes_name, struct rfi_buf *out)
{
    rfi_buf_append(out, names->data, names->size);
    rf_err err = rfi_message_write_tagged(msg, bytes_name, out);
    if (err == RF_OK)
        rfi_buf_append(out, tail->data, tail->size);
    return err;
}

rf_err rfi_rust_write_message(const struct rfi_rust_header *header, const rf_message *msg,
                              const char *bytes_name, bool allow_encoded, struct rfi_buf *out)
{
    if (!is_readable(msg, allow_encoded))
        return RF_EINVAL;
    struct rfi_buf names;
    struct rfi_buf tail;
    size_t before = out->size;
    rfi_buf_init(&names);
    rfi_buf_init(&tail);
    rfi_rust_write_names(header, &names);
    rfi_rust_write_tail(header->wall_ns, &tail);
    APPEND_LITERAL(out, "{\"message_id\":");
    append_string(out, header->message_id);
    rf_err err = write_rest(&names, &tail, msg, bytes_name, out);
    if (err != RF_OK)
        out->size = before;
    else if (names.is_failed || tail.is_failed)
        out->is_failed = true;
    rfi_buf_fini(&names);
    rfi_buf_fini(&tail);
    return err;
}

void rfi_rust_write_names(const struct rfi_rust_header *header, struct rfi_buf *out)
{
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
}

void rfi_rust_write_tail(uint64_t wall_ns, struct rfi_buf *out)
{
    APPEND_LITERAL(out, ",\"timestamp\":");
    append_timestamp(out, wall_ns);
    rfi_buf_append_byte(out, '}');
}

rf_err rfi_rust_write_next(const struct rfi_buf *names, const struct rfi_buf *tail,
                           const rf_message *msg, const char *bytes_name, struct rfi_buf *out)
{
    static const char start[] = "{\"message_id\":\"";
    enum { START_SIZE = sizeof start - 1, HEAD_SIZE = START_SIZE + UUID_TEXT_SIZE + 1 };
    if (!is_readable(msg, false))
        return RF_EINVAL;
    size_t before = out->size;
    char *to = (char *)rfi_buf_reserve(out, HEAD_SIZE);
    if (to != NULL) {
        memcpy(to, start, START_SIZE);
        write_uuid4(to + START_SIZE);
        to[HEAD_SIZE - 1] = '"';
        out->size += HEAD_SIZE;
    }
    rf_err err = write_rest(names, tail, msg, bytes_name, out);
    if (err != RF_OK)
        out->size = before;
    return err;
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
    size_t size = rfi_timestamp_format(wall_ns, text);
    rfi_buf_append_byte(out, '"');
    rfi_buf_append(out, text, size);
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

/* Two counters that start anywhere: mixed, they are the 128 bits of an id. */
struct id_source {
    uint64_t counts[2];
    bool is_seeded;
};

static void seed(struct id_source *source)
{
    ssize_t got = 0;
    do
        got = getrandom(source->counts, sizeof source->counts, 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof source->counts) {
        /* The system gives no random bytes: an id need not be secret, only its own. */
        source->counts[0] = rfi_clock_wall_ns();
        source->counts[1] = (uint64_t)(uintptr_t)source;
    }
    source->is_seeded = true;
}

/* splitmix64: every count gives another value, and they look random. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* Eight lower-case hexadecimal digits, in whatever order. */
static void put_hex(char *out, uint32_t value)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x = value;
    x = (x | x << 16) & UINT64_C(0x0000FFFF0000FFFF);
    x = (x | x << 8) & UINT64_C(0x00FF00FF00FF00FF);
    x = (x | x << 4) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    uint64_t is_letter = (x + ones * 6) >> 4 & ones;
    x += ones * '0' + is_letter * ('a' - '0' - 10);
    memcpy(out, &x, sizeof x);
}

/* xxxxxxxx-xxxx-4xxx-Yxxx-xxxxxxxxxxxx, not terminated. */
static void write_uuid4(char *out)
{
    static _Thread_local struct id_source source;
    if (!source.is_seeded)
        seed(&source);
    uint64_t low = mix(source.counts[0] += UINT64_C(0x9E3779B97F4A7C15));
    uint64_t high = mix(source.counts[1] += UINT64_C(0x9E3779B97F4A7C15));
    char digits[32];
    put_hex(digits, (uint32_t)low);
    put_hex(digits + 8, (uint32_t)(low >> 32));
    put_hex(digits + 16, (uint32_t)high);
    put_hex(digits + 24, (uint32_t)(high >> 32));
    memcpy(out, digits, 8);
    out[8] = '-';
    memcpy(out + 9, digits + 8, 4);
    out[13] = '-';
    memcpy(out + 14, digits + 12, 4);
    out[14] = '4';
    out[18] = '-';
    memcpy(out + 19, digits + 16, 4);
    out[19] = "89ab"[high & 3];
    out[23] = '-';
    memcpy(out + 24, digits + 20, 12);
}

void rfi_uuid4(char out[37])
{
    write_uuid4(out);
    out[UUID_TEXT_SIZE] = '\0';
}
