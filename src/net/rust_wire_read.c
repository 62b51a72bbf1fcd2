/* SPDX-License-Identifier: MIT */
/* Reading the JSON frames of the Rust Reflow.
 *
 * bridge.rs parses a text four times, as RemoteMessage, heartbeat, actors request and actors
 * response; the first success wins. Here the text is scanned once: every member that one of the four
 * structs knows is taken as strictly as that struct would take it, and where it does not fit it is
 * skipped as leniently as the other structs skip what they do not know. Afterwards the four are asked
 * in the same order whether they have all that they need, each member once.
 *
 * The texts go to the caller's scratch buffer, the payload becomes a message; nothing else is
 * allocated. The same four structs written as arrays in field order are accepted too (a rare form, so
 * it may scan twice). */
#include "core/base/clock.h"
#include "core/message/message_parts.h"
#include "net/rust_wire.h"

#include <stdio.h>
#include <string.h>

enum field { /* in the order in which Rust writes them, so that the next one is the best guess */
             MESSAGE_ID,
             SOURCE_NETWORK,
             SOURCE_ACTOR,
             TARGET_NETWORK,
             TARGET_ACTOR,
             TARGET_PORT,
             PAYLOAD,
             TIMESTAMP,
             REQUEST_ID,
             REQUESTING_NETWORK,
             NETWORK_ID,
             ACTORS,
             FIELD_COUNT
};

enum { ARRAY_ELEMENTS_MAX = 8, TIMESTAMP_TEXT_MAX = 128 };

struct members {
    struct rfi_scan_text texts[FIELD_COUNT];
    bool is_good[FIELD_COUNT];   /* there, once, and of the right type */
    uint8_t counts[FIELD_COUNT]; /* how often, up to 2 */
    rf_message *payload;
    bool has_stream_name;
    const char *actors_at;
    const char *payload_error;
};

struct actor_walk {
    size_t count, bytes;       /* actors, and bytes of their ids with terminators */
    struct rfi_rust_text *out; /* NULL: count only */
    char *to;
};

static bool scan_object(struct rfi_scan *scan, struct members *m);
static bool scan_array(struct rfi_scan *scan, struct members *m);
static bool take_text(struct rfi_scan *scan, struct members *m, enum field field);
static bool take_payload(struct rfi_scan *scan, struct members *m);
static bool walk_actors(struct rfi_scan *scan, struct actor_walk *walk);
static enum rfi_rust_frame_type classify(const struct members *m);
static rf_err fill(const struct members *m, const char *end, struct rfi_buf *scratch,
                   struct rfi_rust_frame *out);
static void explain(const struct members *m, char *why, size_t size);

/* The timestamp is read as a text and then as a time. */
static void check_timestamp(struct members *m)
{
    const struct rfi_scan_text *text = &m->texts[TIMESTAMP];
    char decoded[TIMESTAMP_TEXT_MAX];
    const char *at = text->raw;
    uint64_t wall_ns = 0;
    if (!m->is_good[TIMESTAMP])
        return;
    if (text->raw_size != text->size && text->size <= sizeof decoded) {
        rfi_scan_decode(text, decoded);
        at = decoded;
    }
    m->is_good[TIMESTAMP] = rfi_timestamp_parse(at, text->size, &wall_ns);
}

rf_err rfi_rust_read(const char *text, size_t size, struct rfi_buf *scratch,
                     struct rfi_rust_frame *out)
{
    struct rfi_scan scan;
    struct members m;
    memset(&m, 0, sizeof m);
    rfi_buf_clear(scratch);
    *out = (struct rfi_rust_frame){.type = RFI_RUST_IGNORED};
    rfi_scan_init(&scan, text, size);
    bool is_array = rfi_scan_peek(&scan) == '[';
    bool is_good = is_array ? scan_array(&scan, &m) : scan_object(&scan, &m);
    if (is_good && !rfi_scan_is_done(&scan))
        is_good = rfi_scan_fail(&scan, "text behind the value");
    rf_err err = RF_OK;
    if (scan.is_out_of_memory) {
        err = RF_ENOMEM;
    } else if (!is_good) {
        (void)snprintf(out->why, sizeof out->why, "%s at byte %zu", scan.error,
                       (size_t)(scan.error_at - text));
    } else {
        check_timestamp(&m);
        out->type = classify(&m);
        if (out->type == RFI_RUST_IGNORED)
            explain(&m, out->why, sizeof out->why);
        else
            err = fill(&m, scan.end, scratch, out);
    }
    if (err == RF_OK && out->type == RFI_RUST_MESSAGE) {
        out->payload = m.payload;
        out->has_stream_name = m.has_stream_name;
    } else {
        rf_message_unref(m.payload);
    }
    return err;
}

/* ---- objects ---- */

struct field_name {
    const char *text;
    size_t size;
};

#define NAME(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }
static const struct field_name names[FIELD_COUNT] = {
    [MESSAGE_ID] = NAME("message_id"),     [SOURCE_NETWORK] = NAME("source_network"),
    [SOURCE_ACTOR] = NAME("source_actor"), [TARGET_NETWORK] = NAME("target_network"),
    [TARGET_ACTOR] = NAME("target_actor"), [TARGET_PORT] = NAME("target_port"),
    [PAYLOAD] = NAME("payload"),           [TIMESTAMP] = NAME("timestamp"),
    [REQUEST_ID] = NAME("request_id"),     [REQUESTING_NETWORK] = NAME("requesting_network"),
    [NETWORK_ID] = NAME("network_id"),     [ACTORS] = NAME("actors"),
};

static bool is_field(const struct rfi_scan_text *key, size_t field)
{
    if (key->size != names[field].size)
        return false;
    if (key->raw_size == key->size)
        return memcmp(key->raw, names[field].text, key->size) == 0;
    return rfi_scan_text_is(key, names[field].text);
}

static size_t find_field(const struct rfi_scan_text *key, size_t guess)
{
    if (guess < FIELD_COUNT && is_field(key, guess))
        return guess;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (is_field(key, i))
            return i;
    }
    return FIELD_COUNT;
}

static bool take_actors(struct rfi_scan *scan, struct members *m)
{
    struct actor_walk walk = {0};
    (void)rfi_scan_peek(scan);
    m->actors_at = scan->at;
    return walk_actors(scan, &walk);
}

/* The value of a known member. False: it is not what the struct wants. */
static bool take_member(struct rfi_scan *scan, struct members *m, enum field field)
{
    if (field == PAYLOAD)
        return take_payload(scan, m);
    if (field == ACTORS)
        return take_actors(scan, m);
    return take_text(scan, m, field);
}

static bool scan_object(struct rfi_scan *scan, struct members *m)
{
    size_t count = 0;
    size_t guess = MESSAGE_ID;
    if (!rfi_scan_open(scan, '{'))
        return false;
    for (;;) {
        struct rfi_scan_text key;
        bool is_more = false;
        if (!rfi_scan_next_key(scan, &count, &key, &is_more))
            return false;
        if (!is_more)
            return true;
        size_t field = find_field(&key, guess);
        const char *value = scan->at;
        if (field < FIELD_COUNT) {
            guess = field + 1;
            if (m->counts[field]++ == 0) {
                m->is_good[field] = take_member(scan, m, (enum field)field);
                if (m->is_good[field])
                    continue;
                if (scan->is_out_of_memory)
                    return false;
                rfi_scan_rewind(scan, value);
            } else {
                m->counts[field] = 2; /* a struct that knows this member fails of its double */
                m->is_good[field] = false;
            }
        }
        if (!rfi_scan_skip(scan, RFI_SCAN_IGNORED, 0))
            return false;
    }
}

static bool take_text(struct rfi_scan *scan, struct members *m, enum field field)
{
    return rfi_scan_string(scan, &m->texts[field]);
}

static bool take_payload(struct rfi_scan *scan, struct members *m)
{
    if (rfi_message_scan_tagged(scan, &m->payload, &m->has_stream_name))
        return true;
    m->payload_error = scan->error;
    return false;
}

/* ---- arrays in field order ---- */

static bool take_fields(struct rfi_scan *scan, struct members *m, const char *const *starts,
                        const enum field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rfi_scan_rewind(scan, starts[i]);
        m->counts[fields[i]] = 1;
        m->is_good[fields[i]] = take_member(scan, m, fields[i]);
        if (scan->is_out_of_memory)
            return false;
    }
    return true;
}

static bool scan_array(struct rfi_scan *scan, struct members *m)
{
    static const enum field message[] = {MESSAGE_ID,   SOURCE_NETWORK, SOURCE_ACTOR, TARGET_NETWORK,
                                         TARGET_ACTOR, TARGET_PORT,    PAYLOAD,      TIMESTAMP};
    static const enum field heartbeat[] = {NETWORK_ID, TIMESTAMP};
    static const enum field request[] = {REQUEST_ID, REQUESTING_NETWORK};
    static const enum field response[] = {REQUEST_ID, NETWORK_ID, ACTORS};
    const char *starts[ARRAY_ELEMENTS_MAX] = {NULL};
    size_t count = 0;
    if (!rfi_scan_open(scan, '['))
        return false;
    for (;;) {
        bool is_more = false;
        if (!rfi_scan_next_item(scan, &count, &is_more))
            return false;
        if (!is_more)
            break;
        if (count > ARRAY_ELEMENTS_MAX)
            return rfi_scan_fail(scan, "array with too many elements");
        (void)rfi_scan_peek(scan);
        starts[count - 1] = scan->at;
        if (!rfi_scan_skip(scan, RFI_SCAN_IGNORED, 0))
            return false;
    }
    const char *after = scan->at;
    bool is_good = true;
    if (count == 8)
        is_good = take_fields(scan, m, starts, message, 8);
    else if (count == 3)
        is_good = take_fields(scan, m, starts, response, 3);
    else if (count == 2)
        is_good =
            take_fields(scan, m, starts, heartbeat, 2) && take_fields(scan, m, starts, request, 2);
    if (is_good)
        rfi_scan_rewind(scan, after);
    return is_good;
}

/* ---- actors ---- */

static bool take_strings(struct rfi_scan *scan)
{
    struct rfi_scan_text text;
    size_t count = 0;
    if (!rfi_scan_open(scan, '['))
        return false;
    for (;;) {
        bool is_more = false;
        if (!rfi_scan_next_item(scan, &count, &is_more))
            return false;
        if (!is_more)
            return true;
        if (!rfi_scan_string(scan, &text))
            return false;
    }
}

static bool take_description(struct rfi_scan *scan)
{
    struct rfi_scan_text text;
    if (rfi_scan_peek(scan) == 'n')
        return rfi_scan_word(scan, "null");
    return rfi_scan_string(scan, &text);
}

static bool take_actor_member(struct rfi_scan *scan, const struct rfi_scan_text *key,
                              unsigned *seen, struct rfi_scan_text *out_id)
{
    unsigned bit = rfi_scan_text_is(key, "actor_id")       ? 1
                   : rfi_scan_text_is(key, "capabilities") ? 2
                   : rfi_scan_text_is(key, "description")  ? 4
                                                           : 0;
    if ((*seen & bit) != 0)
        return rfi_scan_fail(scan, "duplicate member");
    *seen |= bit;
    switch (bit) {
    case 1:
        return rfi_scan_string(scan, out_id);
    case 2:
        return take_strings(scan);
    case 4:
        return take_description(scan);
    default:
        return rfi_scan_skip(scan, RFI_SCAN_IGNORED, 0);
    }
}

/* {"actor_id":"a","capabilities":[…],"description":null} or its members in an array */
static bool take_actor(struct rfi_scan *scan, struct rfi_scan_text *out_id)
{
    size_t count = 0;
    if (rfi_scan_peek(scan) == '[')
        return rfi_scan_open(scan, '[') && rfi_scan_need_item(scan, &count) &&
               rfi_scan_string(scan, out_id) && rfi_scan_need_item(scan, &count) &&
               take_strings(scan) && rfi_scan_need_item(scan, &count) && take_description(scan) &&
               rfi_scan_need_end(scan, &count);
    unsigned seen = 0;
    if (!rfi_scan_open(scan, '{'))
        return false;
    for (;;) {
        struct rfi_scan_text key;
        bool is_more = false;
        if (!rfi_scan_next_key(scan, &count, &key, &is_more))
            return false;
        if (!is_more)
            return (seen & 3) == 3 || rfi_scan_fail(scan, "missing member");
        if (!take_actor_member(scan, &key, &seen, out_id))
            return false;
    }
}

static char *copy_text(const struct rfi_scan_text *from, char *to, struct rfi_rust_text *out)
{
    rfi_scan_decode(from, to);
    to[from->size] = '\0';
    *out = (struct rfi_rust_text){.text = to, .size = from->size};
    return to + from->size + 1;
}

static bool walk_actors(struct rfi_scan *scan, struct actor_walk *walk)
{
    size_t count = 0;
    if (!rfi_scan_open(scan, '['))
        return false;
    for (;;) {
        struct rfi_scan_text id = {0};
        bool is_more = false;
        if (!rfi_scan_next_item(scan, &count, &is_more))
            return false;
        if (!is_more)
            break;
        if (!take_actor(scan, &id))
            return false;
        if (walk->out != NULL)
            walk->to = copy_text(&id, walk->to, &walk->out[count - 1]);
        walk->bytes += id.size + 1;
    }
    walk->count = count;
    return true;
}

/* ---- what it is ---- */

static enum rfi_rust_frame_type classify(const struct members *m)
{
    bool is_message = true;
    for (size_t i = MESSAGE_ID; i <= TIMESTAMP; i++)
        is_message = is_message && m->is_good[i];
    if (is_message)
        return RFI_RUST_MESSAGE;
    if (m->is_good[NETWORK_ID] && m->is_good[TIMESTAMP])
        return RFI_RUST_HEARTBEAT;
    if (m->is_good[REQUEST_ID] && m->is_good[REQUESTING_NETWORK])
        return RFI_RUST_ACTORS_REQUEST;
    if (m->is_good[REQUEST_ID] && m->is_good[NETWORK_ID] && m->is_good[ACTORS])
        return RFI_RUST_ACTORS_RESPONSE;
    return RFI_RUST_IGNORED;
}

/* The ids of the actors, behind the texts; `to` has room for walk->bytes. */
static void fill_actors(const struct members *m, const char *end, struct rfi_rust_frame *out,
                        struct actor_walk *walk)
{
    struct rfi_scan scan;
    rfi_scan_init(&scan, m->actors_at, (size_t)(end - m->actors_at));
    walk->bytes = 0;
    if (!walk_actors(&scan, walk))
        return; /* cannot be: it was walked before */
    out->actor_count = walk->count;
    out->actors = walk->out;
}

static rf_err fill(const struct members *m, const char *end, struct rfi_buf *scratch,
                   struct rfi_rust_frame *out)
{
    static const enum field message[] = {MESSAGE_ID,     SOURCE_NETWORK, SOURCE_ACTOR,
                                         TARGET_NETWORK, TARGET_ACTOR,   TARGET_PORT};
    struct rfi_rust_text *const message_texts[] = {&out->message_id,   &out->source_network,
                                                   &out->source_actor, &out->target_network,
                                                   &out->target_actor, &out->target_port};
    static const enum field other[] = {NETWORK_ID, REQUEST_ID, REQUESTING_NETWORK};
    struct rfi_rust_text *const other_texts[] = {&out->network_id, &out->request_id,
                                                 &out->requesting_network};
    bool is_message = out->type == RFI_RUST_MESSAGE;
    const enum field *fields = is_message ? message : other;
    struct rfi_rust_text *const *texts = is_message ? message_texts : other_texts;
    size_t count = is_message ? 6 : 3;
    struct actor_walk walk = {0};
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += m->is_good[fields[i]] ? m->texts[fields[i]].size + 1 : 0;
    if (out->type == RFI_RUST_ACTORS_RESPONSE) {
        struct rfi_scan scan;
        rfi_scan_init(&scan, m->actors_at, (size_t)(end - m->actors_at));
        (void)walk_actors(&scan, &walk);
        total += walk.bytes + walk.count * sizeof(struct rfi_rust_text);
    }
    uint8_t *room = rfi_buf_reserve(scratch, total);
    if (room == NULL)
        return RF_ENOMEM;
    scratch->size += total;
    /* the table of actors comes first, where the buffer is aligned */
    char *to = (char *)room + walk.count * sizeof(struct rfi_rust_text);
    for (size_t i = 0; i < count; i++) {
        if (m->is_good[fields[i]])
            to = copy_text(&m->texts[fields[i]], to, texts[i]);
    }
    if (out->type == RFI_RUST_ACTORS_RESPONSE) {
        walk.out = (struct rfi_rust_text *)(void *)room;
        walk.to = to;
        fill_actors(m, end, out, &walk);
    }
    return RF_OK;
}

/* Why is it none of the four? For the debug log. */
static void explain(const struct members *m, char *why, size_t size)
{
    if (m->counts[PAYLOAD] == 0 && m->counts[MESSAGE_ID] == 0) {
        (void)snprintf(why, size, "no frame that this wire knows");
        return;
    }
    for (size_t i = MESSAGE_ID; i <= TIMESTAMP; i++) {
        if (m->is_good[i])
            continue;
        const char *what = m->counts[i] == 0  ? "missing"
                           : m->counts[i] > 1 ? "there twice"
                                              : "wrong";
        bool has_reason = i == PAYLOAD && m->counts[i] == 1 && m->payload_error != NULL;
        (void)snprintf(why, size, "RemoteMessage whose `%s` is %s%s%s", names[i].text, what,
                       has_reason ? ": " : "", has_reason ? m->payload_error : "");
        return;
    }
}
