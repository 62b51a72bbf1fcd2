/* SPDX-License-Identifier: MIT */
/* The receiving side of a link: takes one frame apart and acts on each record, in order.
 *
 * The frame is borrowed for the call, but for a body that comes in a block of its own: its message takes that.
 * Whatever it says is checked before it is believed: lengths against the frame, numbers against the limits,
 * totals against what was sent, and all of that before memory is taken. A record that cannot be right ends the session with its offset and the reason; what stood
 * before it has been done, and resume goes on from there.
 *
 * The cursor moves only after the sink has the message (or has refused it, which the peer is told). */
#include "core/base/diag.h"
#include "net/link_internal.h"

#include <string.h>

enum { TAKE_MANY_MAX = 64, SMALL_HEAD = 2 };

/* One frame on its way through. */
struct intake {
    struct rfi_link *link;
    struct rfi_frame_reader reader;
    struct rfi_body *body; /* what follows the reader's bytes; NULL: nothing */
    bool is_body_met;
    uint64_t seq; /* of the next message */
    rf_diag *diag;
    size_t record_at;
};

static rf_err refuse(const struct intake *in, rf_err err, size_t at, const char *reason)
{
    size_t size = in->reader.size + (in->body != NULL ? in->body->size : 0);
    return rfi_diag_set(in->diag, err, "native frame of %zu bytes, record at %zu, offset %zu: %s",
                        size, in->record_at, at, reason);
}

static rf_err check_reader(const struct intake *in, const struct rfi_frame_reader *reader)
{
    return reader->reason == NULL ? RF_OK : refuse(in, RF_EPROTO, reader->at, reader->reason);
}

/* ---- messages ---- */

/* `body` NULL: it is the one that follows the frame. */
static rf_err make_message(struct intake *in, uint8_t kind, const uint8_t *body, uint32_t size,
                           rf_message **out)
{
    if (body != NULL)
        return rfi_message_from_body((rf_kind)kind, body, size, out);
    rf_err err = rfi_message_adopt((rf_kind)kind, in->body->block, size, out);
    if (err == RF_OK)
        in->body->block = NULL;
    return err;
}

/* Hand one message over; the cursor is the caller's. */
static rf_err take_message(struct intake *in, struct rfi_inflow *flow, uint8_t kind,
                           uint64_t request_id, const uint8_t *body, uint32_t size)
{
    struct rfi_link *link = in->link;
    if (!rfi_link_is_granted(link, flow, size))
        return refuse(in, RF_EPROTO, in->reader.at, "the message is beyond its flow's credit");
    rf_err reason = flow->refused;
    rf_message *msg = NULL;
    if (reason == RF_OK) {
        rf_err err = make_message(in, kind, body, size, &msg);
        if (err == RF_ENOMEM)
            return refuse(in, RF_ENOMEM, in->reader.at, "no memory for a message");
        if (err != RF_OK)
            return refuse(in, RF_EPROTO, in->reader.at, "the body of a message is malformed");
    }
    flow->received++;
    flow->received_bytes += size;
    link->stats.received_messages++;
    link->stats.received_bytes += size;
    if (reason == RF_OK)
        reason = link->sink->on_message(link->owner, flow->number, flow->user, msg, request_id);
    if (reason != RF_OK) {
        rf_message_unref(msg);
        rfi_link_reject(link, flow, size, reason);
        if (request_id != 0)
            rfi_link_answer(link, request_id, reason, NULL);
    }
    return RF_OK;
}

/* Of what the peer does not keep it wants to know more seldom. */
static void want_ack(struct rfi_link *link, uint32_t messages, uint64_t bytes, bool is_fast)
{
    link->unacked_weight += messages * (is_fast ? 1 : RFI_LINK_ACK_WEIGHT);
    link->unacked_bytes += bytes;
    if (link->ack_due_ns == UINT64_MAX)
        link->ack_due_ns = link->now_ns + RFI_LINK_ACK_DELAY_NS;
}

static rf_err take_one(struct intake *in, struct rfi_inflow *flow, uint8_t kind, uint8_t flags)
{
    struct rfi_link *link = in->link;
    struct rfi_frame_reader *reader = &in->reader;
    uint64_t request_id = 0;
    if ((flags & RFI_RUN_REQUESTS) != 0) {
        request_id = rfi_frame_get_u64(reader);
        if (request_id == 0 && reader->reason == NULL)
            return refuse(in, RF_EPROTO, reader->at, "a request has the number 0");
    }
    uint64_t size = rfi_frame_get_varint(reader);
    if (size > link->options.message_bytes_max)
        return refuse(in, RF_ELIMIT, reader->at, "a message is larger than we take");
    const uint8_t *body = NULL;
    if (in->body != NULL && reader->at == reader->size && size == in->body->size)
        in->is_body_met = true;
    else
        body = rfi_frame_get_bytes(reader, (size_t)size);
    rf_err err = check_reader(in, reader);
    if (RFI_PLANTED(5) && err != RF_OK && in->seq > link->cursor_in)
        link->cursor_in = in->seq;
    if (err != RF_OK)
        return err;
    uint64_t seq = in->seq++;
    if (link->is_deaf) {
        if (request_id != 0 && seq > link->cursor_in)
            rfi_link_answer(link, request_id, RF_ECLOSED, NULL);
        return RF_OK;
    }
    want_ack(link, 1, size, (flags & RFI_RUN_FAST) != 0);
    if (seq <= link->cursor_in && !RFI_PLANTED(1))
        return RF_OK; /* we have it: the peer resumed from an older cursor of ours */
    err = take_message(in, flow, kind, request_id, body, (uint32_t)size);
    if (err == RF_OK && seq > link->cursor_in)
        link->cursor_in = seq;
    return err;
}

/* The size of the message at hand, whose body `*out_body` is; -1: larger than messages that come in numbers, or not
 * right. Does not move on. */
static int peek_small(const struct rfi_frame_reader *reader, const uint8_t **out_body)
{
    const uint8_t *at = reader->bytes + reader->at;
    size_t left = reader->size - reader->at;
    if (left < SMALL_HEAD)
        return -1;
    unsigned size = *at++;
    if (size >= 0x80) {
        if (*at >= 0x80)
            return -1;
        size = (size & 0x7f) | (unsigned)*at++ << 7;
    }
    if (size > (size_t)(reader->bytes + reader->size - at))
        return -1;
    *out_body = at;
    return (int)size;
}

/* Make messages of what comes next, as far as all is well; then what is not is found by take_one. */
static size_t make_messages(struct intake *in, struct rfi_inflow *flow, uint8_t kind, uint8_t flags,
                            size_t most, rf_message **out)
{
    struct rfi_link *link = in->link;
    struct rfi_frame_reader *reader = &in->reader;
    size_t count = 0;
    uint64_t bytes = 0;
    for (const uint8_t *body = NULL; count < most; count++) {
        int size = peek_small(reader, &body);
        if (size < 0 || (uint32_t)size > link->options.message_bytes_max ||
            !rfi_link_is_granted(link, flow, (size_t)size) ||
            rfi_message_from_body((rf_kind)kind, body, (size_t)size, &out[count]) != RF_OK)
            break;
        reader->at = (size_t)(body - reader->bytes) + (size_t)size;
        flow->received++;
        flow->received_bytes += (uint64_t)size;
        bytes += (uint64_t)size;
    }
    if (count == 0)
        return 0;
    in->seq += count;
    link->stats.received_messages += count;
    link->stats.received_bytes += bytes;
    want_ack(link, (uint32_t)count, bytes, (flags & RFI_RUN_FAST) != 0);
    return count;
}

/* Small messages that are no requests and come for the first time: many at a time. Returns how many were taken. */
static size_t take_many(struct intake *in, struct rfi_inflow *flow, uint8_t kind, uint8_t flags,
                        size_t most)
{
    struct rfi_link *link = in->link;
    rf_message *messages[TAKE_MANY_MAX];
    if (link->sink->on_messages == NULL || link->is_deaf || in->seq <= link->cursor_in ||
        flow->refused != RF_OK || flow->kind != RFI_FLOW_SEND)
        return 0;
    size_t count =
        make_messages(in, flow, kind, flags, most < TAKE_MANY_MAX ? most : TAKE_MANY_MAX, messages);
    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        rf_err reason = RF_OK;
        i += link->sink->on_messages(link->owner, flow->number, flow->user, messages + i, count - i,
                                     &reason);
        if (i == count)
            break;
        rfi_link_reject(link, flow, messages[i]->size, reason);
        rf_message_unref(messages[i]);
    }
    link->cursor_in = in->seq - 1;
    return count;
}

static rf_err check_flags(const struct intake *in, uint8_t flags)
{
    size_t at = in->reader.at;
    if ((flags & ~(RFI_RUN_REQUESTS | RFI_RUN_FAST)) != 0)
        return refuse(in, RF_EPROTO, at, "unknown flags of a run");
    if (flags == (RFI_RUN_REQUESTS | RFI_RUN_FAST))
        return refuse(in, RF_EPROTO, at, "requests at level fast");
    if ((flags & RFI_RUN_FAST) != 0 && !in->link->peer_takes_fast)
        return refuse(in, RF_EPROTO, at, "level fast was not agreed on");
    return RF_OK;
}

static rf_err take_run(struct intake *in)
{
    struct rfi_link *link = in->link;
    struct rfi_frame_reader *reader = &in->reader;
    uint64_t id = rfi_frame_get_varint(reader);
    uint8_t kind = rfi_frame_get_u8(reader);
    uint8_t flags = rfi_frame_get_u8(reader);
    uint16_t count = rfi_frame_get_u16(reader);
    rf_err err = check_reader(in, reader);
    if (err != RF_OK)
        return err;
    struct rfi_inflow *flow = rfi_link_find_inflow(link, id);
    if (flow == NULL || !flow->is_open)
        return refuse(in, RF_EPROTO, reader->at, "messages of a flow that is not open");
    if (kind >= RF_KIND_COUNT)
        return refuse(in, RF_EPROTO, reader->at, "a message of an unknown kind");
    err = check_flags(in, flags);
    if (err != RF_OK)
        return err;
    if (count == 0)
        return refuse(in, RF_EPROTO, reader->at, "a run without messages");
    for (size_t left = count; left > 0 && err == RF_OK;) {
        size_t taken = (flags & RFI_RUN_REQUESTS) == 0 ? take_many(in, flow, kind, flags, left) : 0;
        if (taken == 0) {
            err = take_one(in, flow, kind, flags);
            taken = 1;
        }
        left -= taken;
    }
    return err;
}

/* The peer goes on behind messages of level fast that were lost with a connection. It has our cursor from this session,
 * so the gap begins right behind it. */
static rf_err take_skip(struct intake *in, struct rfi_frame_reader *record)
{
    struct rfi_link *link = in->link;
    uint64_t messages = rfi_frame_get_varint(record);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    if (!link->peer_takes_fast)
        return refuse(in, RF_EPROTO, in->record_at, "a skip, but level fast was not agreed on");
    /* More cannot have been on their way: each flow keeps to its window, and nothing goes at level fast before the
     * skip of an earlier session has been acknowledged. */
    uint64_t most =
        (uint64_t)link->options.flows_max * link->options.flow_credit_messages - link->skipped;
    if (messages == 0 || messages > most)
        return refuse(in, messages == 0 ? RF_EPROTO : RF_ELIMIT, record->at,
                      "a skip of nothing, or of more messages than the flows' credit allows");
    if (in->seq != link->cursor_in + 1 && !link->is_deaf)
        return refuse(in, RF_EPROTO, record->at, "a skip of messages that we have");
    link->skipped += messages;
    in->seq += messages;
    if (link->is_deaf)
        return RF_OK;
    link->cursor_in = in->seq - 1;
    link->unacked_weight = RFI_LINK_ACK_AT; /* at once: the peer keeps all until then */
    return RF_OK;
}

/* ---- control ---- */

static rf_err take_settings(struct intake *in, struct rfi_frame_reader *record)
{
    struct rfi_link *link = in->link;
    uint32_t messages = rfi_frame_get_varint_max(record, UINT32_MAX);
    uint32_t bytes = rfi_frame_get_varint_max(record, UINT32_MAX);
    uint32_t flows = rfi_frame_get_varint_max(record, UINT32_MAX);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    if (link->has_settings)
        return refuse(in, RF_EPROTO, record->at, "settings come once");
    if (messages == 0 || bytes == 0 || flows == 0)
        return refuse(in, RF_EPROTO, record->at, "settings that allow nothing");
    link->window = messages;
    link->window_bytes = bytes;
    link->peer_flows_max = flows;
    rfi_link_start_sending(link);
    return RF_OK;
}

static rf_err take_open(struct intake *in, struct rfi_frame_reader *record)
{
    struct rfi_link *link = in->link;
    char source[RFI_SOURCE_SIZE], actor[RFI_NAME_SIZE], port[RFI_NAME_SIZE];
    uint64_t id = rfi_frame_get_varint(record);
    uint8_t kind = rfi_frame_get_u8(record);
    rfi_frame_get_text(record, source, sizeof source);
    rfi_frame_get_text(record, actor, sizeof actor);
    rfi_frame_get_text(record, port, sizeof port);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    if (id >= link->options.flows_max)
        return refuse(in, RF_ELIMIT, record->at, "a flow number is over the limit");
    if (kind != RFI_FLOW_SEND && kind != RFI_FLOW_EMIT)
        return refuse(in, RF_EPROTO, record->at, "a flow of an unknown kind");
    if (!rfi_source_is_valid(source) || !rfi_name_is_valid(actor, strlen(actor)) ||
        !rfi_name_is_valid(port, strlen(port)))
        return refuse(in, RF_EPROTO, record->at, "a name that is not allowed");
    struct rfi_inflow *flow = NULL;
    err = rfi_link_open_inflow(link, (uint32_t)id, kind, source, actor, port, &flow);
    if (err != RF_OK)
        return refuse(in, err, record->at, "the flow number cannot be opened");
    flow->refused = link->sink->on_flow(link->owner, flow->number, (enum rfi_flow_kind)kind,
                                        flow->source_actor, flow->actor, flow->port, &flow->user);
    return RF_OK;
}

static rf_err take_close(struct intake *in, struct rfi_frame_reader *record)
{
    uint64_t id = rfi_frame_get_varint(record);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    if (id >= in->link->options.flows_max)
        return refuse(in, RF_ELIMIT, record->at, "a flow number is over the limit");
    err = rfi_link_close_inflow(in->link, (uint32_t)id);
    return err == RF_OK ? RF_OK : refuse(in, err, record->at, "the flow cannot be closed");
}

static rf_err take_closed(struct intake *in, struct rfi_frame_reader *record)
{
    uint64_t id = rfi_frame_get_varint(record);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    struct rfi_outflow *flow = rfi_link_find_outflow(in->link, id);
    if (flow == NULL || !flow->is_close_sent || flow->entries > 0)
        return refuse(in, RF_EPROTO, record->at, "closed: a flow that was not closed");
    rfi_link_release_id(in->link, flow);
    return RF_OK;
}

static rf_err take_credit(struct intake *in, struct rfi_frame_reader *record)
{
    uint64_t id = rfi_frame_get_varint(record);
    uint64_t messages = rfi_frame_get_varint(record);
    uint64_t bytes = rfi_frame_get_varint(record);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    struct rfi_outflow *flow = rfi_link_find_outflow(in->link, id);
    if (flow == NULL || messages < flow->consumed || messages > flow->sent ||
        bytes < flow->consumed_bytes || bytes > flow->sent_bytes)
        return refuse(in, RF_EPROTO, record->at, "credit for what was not sent");
    flow->consumed = messages;
    flow->consumed_bytes = bytes;
    rfi_link_flow_credited(in->link, flow);
    return RF_OK;
}

static rf_err take_reject(struct intake *in, struct rfi_frame_reader *record)
{
    struct rfi_link *link = in->link;
    uint64_t id = rfi_frame_get_varint(record);
    rf_err reason = rfi_frame_error_from_wire(rfi_frame_get_u16(record));
    uint64_t total = rfi_frame_get_varint(record);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    struct rfi_outflow *flow = rfi_link_find_outflow(link, id);
    if (flow == NULL || total < flow->rejected || total > flow->sent)
        return refuse(in, RF_EPROTO, record->at, "a reject of what was not sent");
    uint64_t count = total - flow->rejected;
    flow->rejected = total;
    link->stats.rejected_messages += count;
    if (count > 0 && !flow->is_closed)
        link->sink->on_reject(link->owner, flow, flow->user, reason, count);
    return RF_OK;
}

static rf_err take_subscribe(struct intake *in, struct rfi_frame_reader *record)
{
    char actor[RFI_NAME_SIZE], port[RFI_NAME_SIZE];
    uint8_t is_wanted = rfi_frame_get_u8(record);
    rfi_frame_get_text(record, actor, sizeof actor);
    rfi_frame_get_text(record, port, sizeof port);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    if (is_wanted > 1 || !rfi_name_is_valid(actor, strlen(actor)) ||
        !rfi_name_is_valid(port, strlen(port)))
        return refuse(in, RF_EPROTO, record->at, "a name that is not allowed");
    in->link->sink->on_subscribe(in->link->owner, actor, port, is_wanted == 1);
    return RF_OK;
}

static rf_err take_answer(struct intake *in, struct rfi_frame_reader *record)
{
    struct rfi_link *link = in->link;
    uint64_t request_id = rfi_frame_get_u64(record);
    rf_err answer = rfi_frame_error_from_wire(rfi_frame_get_u16(record));
    uint8_t kind = answer == RF_OK ? rfi_frame_get_u8(record) : 0;
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    size_t size = record->size - record->at;
    if (kind >= RF_KIND_COUNT)
        return refuse(in, RF_EPROTO, record->at, "a message of an unknown kind");
    if (answer == RF_OK && size > link->options.message_bytes_max)
        return refuse(in, RF_ELIMIT, record->at, "an answer is larger than we take");
    if (!rfi_id_set_has(&link->requests, request_id))
        return RF_OK; /* of a session that is gone */
    rf_message *msg = NULL;
    if (answer == RF_OK) {
        err = rfi_message_from_body((rf_kind)kind, record->bytes + record->at, size, &msg);
        if (err == RF_ENOMEM)
            return refuse(in, RF_ENOMEM, record->at, "no memory for an answer");
        if (err != RF_OK)
            return refuse(in, RF_EPROTO, record->at, "the body of an answer is malformed");
    }
    (void)rfi_id_set_remove(&link->requests, request_id);
    link->sink->on_answer(link->owner, request_id, answer, msg);
    return RF_OK;
}

static rf_err take_heartbeat(struct intake *in, struct rfi_frame_reader *record)
{
    struct rfi_link *link = in->link;
    uint64_t number = rfi_frame_get_varint(record);
    uint64_t echo = rfi_frame_get_varint(record);
    rf_err err = check_reader(in, record);
    if (err != RF_OK)
        return err;
    if (echo > link->heartbeat_sent)
        return refuse(in, RF_EPROTO, record->at, "an echo of a heartbeat that was not sent");
    if (number > link->heartbeat_received) {
        link->heartbeat_received = number;
        link->is_echo_due = true;
    }
    if (link->unanswered_number != 0 && echo >= link->unanswered_number) {
        /* Those between are on their way; the time of the next one is not kept, so it counts from now. */
        link->unanswered_number = echo == link->heartbeat_sent ? 0 : echo + 1;
        link->unanswered_ns = link->now_ns;
    }
    return RF_OK;
}

static rf_err take_json(struct intake *in, struct rfi_frame_reader *record)
{
    size_t size = record->size - record->at;
    if (size > in->link->options.message_bytes_max)
        return refuse(in, RF_ELIMIT, record->at, "a text is larger than we take");
    in->link->sink->on_json(in->link->owner, (const char *)record->bytes + record->at, size);
    return RF_OK;
}

/* ---- frames ---- */

static rf_err take_record(struct intake *in, uint8_t type)
{
    if (type == RFI_RECORD_RUN)
        return take_run(in);
    struct rfi_frame_reader record;
    rfi_frame_get_record(&in->reader, &record);
    rf_err err = check_reader(in, &in->reader);
    if (err != RF_OK)
        return err;
    switch (type) {
    case RFI_RECORD_SETTINGS:
        return take_settings(in, &record);
    case RFI_RECORD_OPEN:
        return take_open(in, &record);
    case RFI_RECORD_CLOSE:
        return take_close(in, &record);
    case RFI_RECORD_CLOSED:
        return take_closed(in, &record);
    case RFI_RECORD_CREDIT:
        return take_credit(in, &record);
    case RFI_RECORD_REJECT:
        return take_reject(in, &record);
    case RFI_RECORD_SUBSCRIBE:
        return take_subscribe(in, &record);
    case RFI_RECORD_ANSWER:
        return take_answer(in, &record);
    case RFI_RECORD_HEARTBEAT:
        return take_heartbeat(in, &record);
    case RFI_RECORD_JSON:
        return take_json(in, &record);
    case RFI_RECORD_SKIP:
        return take_skip(in, &record);
    default:
        return type < RFI_FRAME_FATAL
                   ? RF_OK
                   : refuse(in, RF_EPROTO, in->record_at, "a record of an unknown, required type");
    }
}

static rf_err take_head(struct intake *in)
{
    struct rfi_link *link = in->link;
    uint32_t number = rfi_frame_get_u32(&in->reader);
    in->seq = rfi_frame_get_u64(&in->reader);
    uint64_t ack = rfi_frame_get_u64(&in->reader);
    rf_err err = check_reader(in, &in->reader);
    if (err != RF_OK)
        return err;
    bool is_next = number == ++link->frames_in || RFI_PLANTED(1);
    if (!is_next && !RFI_PLANTED(7))
        return refuse(in, RF_EPROTO, 1, "a frame was lost or came twice");
    bool is_hole = in->seq - 1 > link->cursor_in && !link->is_deaf;
    if (in->seq == 0 || (is_hole && !RFI_PLANTED(7)))
        return refuse(in, RF_EPROTO, 5, "messages are missing before this frame");
    if (ack < link->base_seq - 1 || ack >= link->fresh_seq)
        return refuse(in, RF_EPROTO, 13, "an acknowledgement of what was not sent");
    rfi_link_drop_before(link, ack + 1);
    return RF_OK;
}

static rf_err take_frame(struct intake *in)
{
    uint8_t type = rfi_frame_get_u8(&in->reader);
    rf_err err = check_reader(in, &in->reader);
    if (err != RF_OK)
        return err;
    if (type != RFI_FRAME_BATCH)
        return type < RFI_FRAME_FATAL
                   ? RF_OK
                   : refuse(in, RF_EPROTO, 0, "a frame of an unknown, required type");
    err = take_head(in);
    while (err == RF_OK && in->reader.at < in->reader.size) {
        in->record_at = in->reader.at;
        uint8_t record_type = rfi_frame_get_u8(&in->reader);
        if (!in->link->has_settings && record_type != RFI_RECORD_SETTINGS)
            return refuse(in, RF_EPROTO, in->record_at, "settings must come first");
        err = take_record(in, record_type);
        if (err == RF_OK)
            err = in->link->failed;
    }
    return err;
}

rf_err rfi_link_input(struct rfi_link *link, const uint8_t *frame, size_t size, uint64_t now_ns,
                      rf_diag *out_diag)
{
    return rfi_link_input_body(link, frame, size, NULL, now_ns, out_diag);
}

rf_err rfi_link_input_body(struct rfi_link *link, const uint8_t *frame, size_t size,
                           struct rfi_body *body, uint64_t now_ns, rf_diag *out_diag)
{
    if (!link->is_up)
        return rfi_diag_set(out_diag, RF_ESTATE, "the link has no session");
    if (link->failed != RF_OK)
        return rfi_diag_set(out_diag, link->failed, "the session has failed before");
    link->now_ns = now_ns;
    link->last_receive_ns = now_ns;
    link->stats.received_frames++;
    struct intake in = {.link = link, .diag = out_diag, .body = body};
    rfi_frame_reader_init(&in.reader, frame, size);
    rfi_link_enter(link);
    rf_err err = take_frame(&in);
    if (err == RF_OK && body != NULL && !in.is_body_met)
        err = refuse(&in, RF_EPROTO, size, "the end of the frame belongs to no message");
    if (err != RF_OK)
        link->failed = err;
    rfi_link_leave(link);
    return err;
}
