/* SPDX-License-Identifier: MIT */
/* The tagged form of the Rust wire to a message, in one scan and without a document in between.
 *
 * It accepts what serde derives for an adjacently tagged enum: {"type":T,"data":D} with the members in
 * any order and others beside them, or [T,D]; a duplicate `type` or `data` fails. Where `data` comes
 * first its place is remembered and it is read once the type is known. Payload bytes are decoded
 * straight into the message.
 *
 * Every function takes its value at the cursor of the scan, which belongs to the caller; a message
 * made half way is given back on failure. */
#include "core/message/message_parts.h"

#include <string.h>

struct sink { /* where the bytes of an EncodableValue go: a new message, or a part in a buffer */
    rf_kind kind;
    size_t prefix_size; /* room to leave before them in the message */
    rf_message *msg;    /* made by take_bytes; owned by whoever made the sink */
    struct rfi_buf *buf;
};

struct fields { /* of a StreamHandle, a RemoteReference */
    struct rfi_scan_text texts[3];
    uint64_t numbers[2];
    unsigned seen; /* a bit per field, in the order of the struct */
    bool has_text_3, has_hint;
};

static bool scan_pair(struct rfi_scan *scan, rf_message **out, bool *out_has_stream_name);
static bool read_kind(struct rfi_scan *scan, rf_kind *out, bool *out_is_stream_name);
static bool take_usual_head(struct rfi_scan *scan, rf_kind *out, bool *out_is_stream_name);
static bool read_data(struct rfi_scan *scan, rf_kind kind, rf_message **out);
static bool read_number(struct rfi_scan *scan, rf_kind kind, rf_message **out);
static bool read_text(struct rfi_scan *scan, rf_kind kind, rf_message **out);
static bool take_bytes(struct rfi_scan *scan, struct sink *sink);
static bool take_encodable(struct rfi_scan *scan, struct sink *sink);
static bool read_array(struct rfi_scan *scan, rf_message **out);
static bool read_stream_handle(struct rfi_scan *scan, rf_message **out);
static bool read_reference(struct rfi_scan *scan, rf_message **out);
static bool read_notice(struct rfi_scan *scan, rf_message **out);

/* The result of an allocation goes through here. */
static bool give(struct rfi_scan *scan, rf_message *msg, rf_message **out)
{
    if (msg == NULL) {
        scan->is_out_of_memory = true;
        return rfi_scan_fail(scan, "out of memory");
    }
    *out = msg;
    return true;
}

rf_err rf_message_from_tagged(const char *json, size_t size, rf_message **out_msg,
                              rf_diag *out_diag)
{
    struct rfi_scan scan;
    rf_message *msg = NULL;
    bool has_stream_name = false;
    rfi_scan_init(&scan, json, size);
    if (!rfi_message_scan_tagged(&scan, &msg, &has_stream_name))
        return rfi_scan_report(&scan, out_diag);
    if (!rfi_scan_is_done(&scan)) {
        rf_message_unref(msg);
        (void)rfi_scan_fail(&scan, "text behind the value");
        return rfi_scan_report(&scan, out_diag);
    }
    *out_msg = msg;
    return RF_OK;
}

struct tagged { /* the members of the object so far */
    bool has_kind, has_data;
    rf_kind kind;
    const char *data_at; /* data came before the type: read it later; else NULL */
    rf_message *msg;
};

static bool take_member(struct rfi_scan *scan, const struct rfi_scan_text *key, struct tagged *t,
                        bool *is_stream_name)
{
    if (rfi_scan_text_is(key, "type")) {
        if (t->has_kind)
            return rfi_scan_fail(scan, "duplicate member `type`");
        t->has_kind = true;
        return read_kind(scan, &t->kind, is_stream_name);
    }
    if (!rfi_scan_text_is(key, "data"))
        return rfi_scan_skip(scan, RFI_SCAN_IGNORED, 0);
    if (t->has_data)
        return rfi_scan_fail(scan, "duplicate member `data`");
    t->has_data = true;
    if (t->has_kind)
        return read_data(scan, t->kind, &t->msg);
    t->data_at = scan->at;
    return rfi_scan_skip(scan, RFI_SCAN_KEPT, RFI_SCAN_KEPT_DEPTH_MAX);
}

static bool finish_tagged(struct rfi_scan *scan, struct tagged *t)
{
    if (!t->has_kind)
        return rfi_scan_fail(scan, "missing member `type`");
    if (!t->has_data) {
        if (t->kind == RF_KIND_FLOW)
            return give(scan, rf_message_flow(), &t->msg);
        if (t->kind == RF_KIND_OPTIONAL)
            return give(scan, rf_message_optional(NULL, 0), &t->msg);
        return rfi_scan_fail(scan, "missing member `data`");
    }
    if (t->data_at == NULL)
        return true;
    const char *after = scan->at;
    scan->at = t->data_at;
    if (!read_data(scan, t->kind, &t->msg))
        return false;
    scan->at = after;
    return true;
}

bool rfi_message_scan_tagged(struct rfi_scan *scan, rf_message **out, bool *out_has_stream_name)
{
    if (rfi_scan_peek(scan) == '[')
        return scan_pair(scan, out, out_has_stream_name);
    struct tagged t = {.kind = RF_KIND_FLOW};
    bool is_stream_name = false;
    size_t count = 0;
    if (take_usual_head(scan, &t.kind, &is_stream_name)) {
        t.has_kind = t.has_data = true;
        count = 2;
        if (!read_data(scan, t.kind, &t.msg))
            goto fail;
    } else if (!rfi_scan_open(scan, '{')) {
        return false;
    }
    for (;;) {
        struct rfi_scan_text key;
        bool is_more = false;
        if (!rfi_scan_next_key(scan, &count, &key, &is_more))
            goto fail;
        if (!is_more)
            break;
        if (!take_member(scan, &key, &t, &is_stream_name))
            goto fail;
    }
    if (!finish_tagged(scan, &t))
        goto fail;
    *out = t.msg;
    *out_has_stream_name = is_stream_name;
    return true;
fail:
    rf_message_unref(t.msg);
    return false;
}

/* ["Integer",5] */
static bool scan_pair(struct rfi_scan *scan, rf_message **out, bool *out_has_stream_name)
{
    rf_kind kind = RF_KIND_FLOW;
    bool is_stream_name = false;
    rf_message *msg = NULL;
    size_t count = 0;
    if (!rfi_scan_open(scan, '[') || !rfi_scan_need_item(scan, &count) ||
        !read_kind(scan, &kind, &is_stream_name) || !rfi_scan_need_item(scan, &count) ||
        !read_data(scan, kind, &msg) || !rfi_scan_need_end(scan, &count)) {
        rf_message_unref(msg);
        return false;
    }
    *out = msg;
    *out_has_stream_name = is_stream_name;
    return true;
}

struct kind_name {
    const char *text;
    size_t size;
};

#define NAME(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }
static const struct kind_name kind_names[RF_KIND_COUNT + 1] = {
    [RF_KIND_FLOW] = NAME("Flow"),
    [RF_KIND_EVENT] = NAME("Event"),
    [RF_KIND_BOOLEAN] = NAME("Boolean"),
    [RF_KIND_INTEGER] = NAME("Integer"),
    [RF_KIND_FLOAT] = NAME("Float"),
    [RF_KIND_STRING] = NAME("String"),
    [RF_KIND_OBJECT] = NAME("Object"),
    [RF_KIND_ARRAY] = NAME("Array"),
    [RF_KIND_BYTES] = NAME("Bytes"),
    [RF_KIND_STREAM_HANDLE] = NAME("StreamHandle"),
    [RF_KIND_ENCODED] = NAME("Encoded"),
    [RF_KIND_OPTIONAL] = NAME("Optional"),
    [RF_KIND_ANY] = NAME("Any"),
    [RF_KIND_ERROR] = NAME("Error"),
    [RF_KIND_REMOTE_REFERENCE] = NAME("RemoteReference"),
    [RF_KIND_NETWORK_EVENT] = NAME("NetworkEvent"),
    [RF_KIND_COUNT] = NAME("Stream"), /* the other name of Bytes */
};

/* The kind of a name; false: there is none. */
static bool find_kind(const struct rfi_scan_text *name, rf_kind *out, bool *out_is_stream_name)
{
    bool is_raw = name->raw_size == name->size;
    for (size_t kind = 0; kind <= RF_KIND_COUNT; kind++) {
        const struct kind_name *known = &kind_names[kind];
        if (name->size != known->size || !(is_raw ? memcmp(name->raw, known->text, known->size) == 0
                                                  : rfi_scan_text_is(name, known->text)))
            continue;
        *out_is_stream_name = kind == RF_KIND_COUNT;
        *out = kind == RF_KIND_COUNT ? RF_KIND_BYTES : (rf_kind)kind;
        return true;
    }
    return false;
}

static bool read_kind(struct rfi_scan *scan, rf_kind *out, bool *out_is_stream_name)
{
    struct rfi_scan_text name;
    if (!rfi_scan_variant(scan, &name))
        return false;
    return find_kind(&name, out, out_is_stream_name) || rfi_scan_fail(scan, "unknown message type");
}

/* {"type":"Name","data":  as serde_json writes it. False: it looks otherwise, and nothing was taken. */
static bool take_usual_head(struct rfi_scan *scan, rf_kind *out, bool *out_is_stream_name)
{
    static const char head[] = "{\"type\":\"";
    static const char rest[] = "\",\"data\":";
    enum { HEAD_SIZE = sizeof head - 1, REST_SIZE = sizeof rest - 1 };
    size_t left = (size_t)(scan->end - scan->at);
    if (left < HEAD_SIZE || memcmp(scan->at, head, HEAD_SIZE) != 0)
        return false;
    const char *name = scan->at + HEAD_SIZE;
    left -= HEAD_SIZE;
    struct rfi_scan_text text = {.raw = name};
    while (text.size < left && text.size < RFI_SCAN_KEY_SIZE && name[text.size] != '"')
        text.size++;
    text.raw_size = text.size;
    if (left - text.size < REST_SIZE || memcmp(name + text.size, rest, REST_SIZE) != 0 ||
        !find_kind(&text, out, out_is_stream_name))
        return false;
    scan->at = name + text.size + REST_SIZE;
    return true;
}

/* On failure *out may hold a message; the caller gives it back. */
static bool read_data(struct rfi_scan *scan, rf_kind kind, rf_message **out)
{
    struct sink sink = {.kind = kind};
    bool value = false;
    bool is_good = false;
    switch (kind) {
    case RF_KIND_FLOW:
        return rfi_scan_word(scan, "null") && give(scan, rf_message_flow(), out);
    case RF_KIND_BOOLEAN:
        return rfi_scan_boolean(scan, &value) && give(scan, rf_message_boolean(value), out);
    case RF_KIND_INTEGER:
    case RF_KIND_FLOAT:
        return read_number(scan, kind, out);
    case RF_KIND_STRING:
    case RF_KIND_ERROR:
        return read_text(scan, kind, out);
    case RF_KIND_OPTIONAL:
        if (rfi_scan_peek(scan) == 'n')
            return rfi_scan_word(scan, "null") && give(scan, rf_message_optional(NULL, 0), out);
        sink.prefix_size = 1;
        is_good = take_encodable(scan, &sink);
        *out = sink.msg;
        return is_good;
    case RF_KIND_EVENT:
    case RF_KIND_OBJECT:
    case RF_KIND_ANY:
        is_good = take_encodable(scan, &sink);
        *out = sink.msg;
        return is_good;
    case RF_KIND_BYTES:
    case RF_KIND_ENCODED:
        is_good = take_bytes(scan, &sink);
        *out = sink.msg;
        return is_good;
    case RF_KIND_ARRAY:
        return read_array(scan, out);
    case RF_KIND_STREAM_HANDLE:
        return read_stream_handle(scan, out);
    case RF_KIND_REMOTE_REFERENCE:
        return read_reference(scan, out);
    case RF_KIND_NETWORK_EVENT:
        return read_notice(scan, out);
    case RF_KIND_COUNT:
        break;
    }
    return rfi_scan_fail(scan, "unknown message type");
}

static bool read_number(struct rfi_scan *scan, rf_kind kind, rf_message **out)
{
    struct rfi_scan_number number;
    if (!rfi_scan_number(scan, &number))
        return false;
    if (kind == RF_KIND_INTEGER) {
        if (number.type != RFI_SCAN_INTEGER)
            return rfi_scan_fail(scan, "expected an integer of 64 bits");
        return give(scan, rf_message_integer(number.integer), out);
    }
    double value = 0.0;
    if (!rfi_scan_to_double(&number, &value))
        return rfi_scan_fail(scan, "number out of range");
    return give(scan, rf_message_float(value), out);
}

static bool read_text(struct rfi_scan *scan, rf_kind kind, rf_message **out)
{
    struct rfi_scan_text text;
    if (!rfi_scan_string(scan, &text) || !give(scan, rfi_message_alloc(kind, text.size), out))
        return false;
    rfi_scan_decode(&text, (*out)->body);
    return true;
}

/* ---- bytes ---- */

/* An array of bytes into the sink. */
static bool take_bytes(struct rfi_scan *scan, struct sink *sink)
{
    size_t count = 0;
    if (!rfi_scan_count_bytes(scan, &count))
        return false;
    if (sink->buf == NULL) {
        rf_message *msg = rfi_message_alloc(sink->kind, sink->prefix_size + count);
        if (!give(scan, msg, &sink->msg) || msg == NULL)
            return false;
        memset(msg->body, 1, sink->prefix_size); /* the mark of an optional that is there */
        return rfi_scan_bytes(scan, msg->body + sink->prefix_size, count);
    }
    uint8_t *at = count <= UINT32_MAX ? rfi_buf_reserve(sink->buf, 4 + count) : NULL;
    if (at == NULL) {
        scan->is_out_of_memory = true;
        return rfi_scan_fail(scan, "out of memory");
    }
    at = rfi_message_put_part(at, NULL, 0);
    for (int i = 0; i < 4; i++)
        at[i - 4] = (uint8_t)(count >> (8 * i));
    if (!rfi_scan_bytes(scan, at, count))
        return false;
    sink->buf->size += 4 + count;
    return true;
}

/* {"data":[…]} or [[…]] into the sink. */
static bool take_encodable(struct rfi_scan *scan, struct sink *sink)
{
    size_t count = 0;
    if (rfi_scan_peek(scan) == '[')
        return rfi_scan_open(scan, '[') && rfi_scan_need_item(scan, &count) &&
               take_bytes(scan, sink) && rfi_scan_need_end(scan, &count);
    if (!rfi_scan_open(scan, '{'))
        return false;
    bool has_data = false;
    for (;;) {
        struct rfi_scan_text key;
        bool is_more = false;
        if (!rfi_scan_next_key(scan, &count, &key, &is_more))
            return false;
        if (!is_more)
            return has_data || rfi_scan_fail(scan, "missing member `data`");
        if (!rfi_scan_text_is(&key, "data")) {
            if (!rfi_scan_skip(scan, RFI_SCAN_IGNORED, 0))
                return false;
            continue;
        }
        if (has_data)
            return rfi_scan_fail(scan, "duplicate member `data`");
        has_data = true;
        if (!take_bytes(scan, sink))
            return false;
    }
}

static bool read_array(struct rfi_scan *scan, rf_message **out)
{
    struct rfi_buf buf;
    struct sink sink = {.kind = RF_KIND_ARRAY, .buf = &buf};
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
        if (!take_encodable(scan, &sink))
            goto out;
    }
    if (!give(scan, rfi_message_alloc(RF_KIND_ARRAY, buf.size), out))
        goto out;
    if (buf.size > 0)
        memcpy((*out)->body, buf.data, buf.size);
    is_good = true;
out:
    rfi_buf_fini(&buf);
    return is_good;
}

/* ---- structs ---- */

static uint8_t *put_text(uint8_t *at, const struct rfi_scan_text *text)
{
    at = rfi_message_put_part(at, NULL, 0);
    for (int i = 0; i < 4; i++)
        at[i - 4] = (uint8_t)(text->size >> (8 * i));
    rfi_scan_decode(text, at);
    return at + text->size;
}

static bool take_u64(struct rfi_scan *scan, uint64_t *out)
{
    struct rfi_scan_number number;
    if (!rfi_scan_number(scan, &number))
        return false;
    if (number.type == RFI_SCAN_FLOAT || (number.type == RFI_SCAN_INTEGER && number.integer < 0))
        return rfi_scan_fail(scan, "expected an unsigned integer of 64 bits");
    *out = number.magnitude;
    return true;
}

/* Field `i` of a StreamHandle. */
static bool take_stream_field(struct rfi_scan *scan, size_t i, struct fields *f)
{
    bool is_null = rfi_scan_peek(scan) == 'n';
    f->seen |= 1U << i;
    switch (i) {
    case 0:
        return take_u64(scan, &f->numbers[0]);
    case 1:
    case 2:
        return rfi_scan_string(scan, &f->texts[i - 1]);
    case 3:
        f->has_text_3 = !is_null;
        return is_null ? rfi_scan_word(scan, "null") : rfi_scan_string(scan, &f->texts[2]);
    default:
        f->has_hint = !is_null;
        return is_null ? rfi_scan_word(scan, "null") : take_u64(scan, &f->numbers[1]);
    }
}

/* Field `i` of a RemoteReference. */
static bool take_reference_field(struct rfi_scan *scan, size_t i, struct fields *f)
{
    f->seen |= 1U << i;
    return rfi_scan_string(scan, &f->texts[i]);
}

/* The members of a struct, in any order, each at most once; `needed` has a bit for each that must be
 * there. */
static bool take_fields(struct rfi_scan *scan, const char *const *names, size_t name_count,
                        unsigned needed, bool (*take)(struct rfi_scan *, size_t, struct fields *),
                        struct fields *f)
{
    size_t count = 0;
    if (!rfi_scan_open(scan, '{'))
        return false;
    for (;;) {
        struct rfi_scan_text key;
        bool is_more = false;
        if (!rfi_scan_next_key(scan, &count, &key, &is_more))
            return false;
        if (!is_more)
            break;
        size_t i = 0;
        while (i < name_count && !rfi_scan_text_is(&key, names[i]))
            i++;
        if (i == name_count) {
            if (!rfi_scan_skip(scan, RFI_SCAN_IGNORED, 0))
                return false;
            continue;
        }
        if ((f->seen >> i & 1) != 0)
            return rfi_scan_fail(scan, "duplicate member");
        if (!take(scan, i, f))
            return false;
    }
    return (f->seen & needed) == needed || rfi_scan_fail(scan, "missing member");
}

static bool read_stream_handle(struct rfi_scan *scan, rf_message **out)
{
    static const char *const names[] = {"stream_id", "origin_actor", "origin_port", "content_type",
                                        "size_hint"};
    struct fields f = {.seen = 0};
    if (rfi_scan_peek(scan) == '[') {
        size_t count = 0;
        if (!rfi_scan_open(scan, '['))
            return false;
        for (size_t i = 0; i < 5; i++) {
            if (!rfi_scan_need_item(scan, &count) || !take_stream_field(scan, i, &f))
                return false;
        }
        if (!rfi_scan_need_end(scan, &count))
            return false;
    } else if (!take_fields(scan, names, 5, 7, take_stream_field, &f)) {
        return false;
    }
    size_t size = RFI_STREAM_HEAD_SIZE + 12;
    for (int i = 0; i < 3; i++)
        size += f.texts[i].size;
    if (!give(scan, rfi_message_alloc(RF_KIND_STREAM_HANDLE, size), out))
        return false;
    uint8_t *at = (*out)->body;
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(f.numbers[0] >> (8 * i));
        at[9 + i] = (uint8_t)(f.numbers[1] >> (8 * i));
    }
    at[8] = (uint8_t)((f.has_text_3 ? RFI_STREAM_HAS_TYPE : 0) |
                      (f.has_hint ? RFI_STREAM_HAS_HINT : 0));
    at += RFI_STREAM_HEAD_SIZE;
    for (int i = 0; i < 3; i++)
        at = put_text(at, &f.texts[i]);
    return true;
}

static bool read_reference(struct rfi_scan *scan, rf_message **out)
{
    static const char *const names[] = {"network_id", "actor_id", "port"};
    struct fields f = {.seen = 0};
    if (!take_fields(scan, names, 3, 7, take_reference_field, &f))
        return false;
    size_t size = 12 + f.texts[0].size + f.texts[1].size + f.texts[2].size;
    if (!give(scan, rfi_message_alloc(RF_KIND_REMOTE_REFERENCE, size), out))
        return false;
    uint8_t *at = (*out)->body;
    for (int i = 0; i < 3; i++)
        at = put_text(at, &f.texts[i]);
    return true;
}

static bool take_event_type(struct rfi_scan *scan, struct rfi_scan_text *out)
{
    static const char *const names[] = {"ActorRegistered", "ActorUnregistered", "NetworkConnected",
                                        "NetworkDisconnected", "HeartbeatMissed"};
    if (!rfi_scan_variant(scan, out))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (rfi_scan_text_is(out, names[i]))
            return true;
    }
    return rfi_scan_fail(scan, "unknown event type");
}

static bool take_notice_members(struct rfi_scan *scan, struct rfi_scan_text *type,
                                struct sink *sink)
{
    size_t count = 0;
    bool has_type = false;
    bool has_data = false;
    for (;;) {
        struct rfi_scan_text key;
        bool is_more = false;
        bool is_good = false;
        if (!rfi_scan_next_key(scan, &count, &key, &is_more))
            return false;
        if (!is_more)
            return (has_type && has_data) || rfi_scan_fail(scan, "missing member");
        if (rfi_scan_text_is(&key, "event_type")) {
            is_good =
                !has_type ? take_event_type(scan, type) : rfi_scan_fail(scan, "duplicate member");
            has_type = true;
        } else if (rfi_scan_text_is(&key, "data")) {
            is_good =
                !has_data ? take_encodable(scan, sink) : rfi_scan_fail(scan, "duplicate member");
            has_data = true;
        } else {
            is_good = rfi_scan_skip(scan, RFI_SCAN_IGNORED, 0);
        }
        if (!is_good)
            return false;
    }
}

static bool read_notice(struct rfi_scan *scan, rf_message **out)
{
    struct rfi_buf buf; /* the data part: u32 size and bytes */
    struct rfi_scan_text type = {.raw = NULL};
    struct sink sink = {.kind = RF_KIND_NETWORK_EVENT, .buf = &buf};
    bool is_good = false;
    rfi_buf_init(&buf);
    if (!rfi_scan_open(scan, '{') || !take_notice_members(scan, &type, &sink) ||
        !give(scan, rfi_message_alloc(RF_KIND_NETWORK_EVENT, 4 + type.size + buf.size), out))
        goto out;
    memcpy(put_text((*out)->body, &type), buf.data, buf.size);
    is_good = true;
out:
    rfi_buf_fini(&buf);
    return is_good;
}
