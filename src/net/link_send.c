/* SPDX-License-Identifier: MIT */
/* What a link sends: what is due unsequenced, and the frames that carry it and the messages of the outbox
 * (link_outbox.c).
 *
 * A frame carries the control records first, then answers and texts, then messages: what the peer needs
 * to go on never waits behind data for longer than one frame. */
#include "core/base/diag.h"
#include "net/link_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY = 64,
    JSON_WAITING_MAX = 4 * 1024 * 1024,
    ANSWER_HEAD_MAX = 24,
    LIKELY_HEAD = 2,
    FRAME_SPARE = 256,
    TAIL_BYTES_MIN = 32 << 10,
    ROW_TAIL_BYTES_MIN = 2 << 10
};

/* ---- unsequenced ---- */

void rfi_link_answer(struct rfi_link *link, uint64_t request_id, rf_err err, rf_message *msg)
{
    struct rfi_answer answer = {.request_id = request_id, .err = err, .msg = msg};
    if (err == RF_OK && msg == NULL)
        answer.err = RF_ENOREPLY;
    /* How many can wait is bounded by the peer's credit (see rfi_link_poll); how much, here. */
    if (answer.err == RF_OK && rf_message_size(msg) > link->peer_message_bytes_max)
        answer.err = RF_ELIMIT;
    else if (answer.err == RF_OK && link->answer_count > 0 &&
             link->answer_bytes + rf_message_size(msg) > link->options.link_credit_bytes)
        answer.err = RF_EFULL;
    if (answer.err != RF_OK) {
        rf_message_unref(msg);
        answer.msg = NULL;
    }
    if (!link->is_up)
        goto drop;
    if (link->answer_count == link->answer_capacity) {
        size_t capacity = link->answer_capacity == 0 ? FIRST_CAPACITY : link->answer_capacity * 2;
        struct rfi_answer *answers = calloc(capacity, sizeof *answers);
        if (answers == NULL) {
            link->failed = RF_ENOMEM;
            goto drop;
        }
        for (size_t i = 0; i < link->answer_count; i++)
            answers[i] = link->answers[(link->answer_head + i) & (link->answer_capacity - 1)];
        free(link->answers);
        link->answers = answers;
        link->answer_capacity = capacity;
        link->answer_head = 0;
    }
    link->answers[(link->answer_head + link->answer_count) & (link->answer_capacity - 1)] = answer;
    link->answer_count++;
    link->answer_bytes += answer.msg != NULL ? answer.msg->size : 0;
    return;
drop:
    rf_message_unref(answer.msg);
}

void rfi_link_send_json(struct rfi_link *link, const void *text, size_t size)
{
    if (!link->is_up || size > link->peer_message_bytes_max ||
        link->json.size - link->json_at > JSON_WAITING_MAX)
        return;
    rfi_buf_append_u32(&link->json, (uint32_t)size);
    rfi_buf_append(&link->json, text, size);
}

void rfi_link_clear_unsequenced(struct rfi_link *link)
{
    while (link->answer_count > 0) {
        rf_message_unref(link->answers[link->answer_head].msg);
        link->answer_head = (link->answer_head + 1) & (link->answer_capacity - 1);
        link->answer_count--;
    }
    link->answer_bytes = 0;
    /* fini, not clear: it also heals a buffer for which memory ran out. */
    rfi_buf_fini(&link->control);
    rfi_buf_init(&link->control);
    link->control_at = 0;
    rfi_buf_fini(&link->json);
    rfi_buf_init(&link->json);
    link->json_at = 0;
}

static rf_err add_subscription(struct rfi_link *link, const char *actor, const char *port)
{
    size_t actor_size = strlen(actor) + 1;
    size_t port_size = strlen(port) + 1;
    struct rfi_subscription *added = calloc(1, sizeof *added + actor_size + port_size);
    if (added == NULL)
        return RF_ENOMEM;
    char *text = (char *)(added + 1);
    memcpy(text, actor, actor_size);
    memcpy(text + actor_size, port, port_size);
    added->actor = text;
    added->port = text + actor_size;
    added->next = link->subscriptions;
    link->subscriptions = added;
    return RF_OK;
}

rf_err rfi_link_subscribe(struct rfi_link *link, const char *actor, const char *port,
                          bool is_wanted)
{
    if (!rfi_name_is_valid(actor, strlen(actor)) || !rfi_name_is_valid(port, strlen(port)))
        return RF_EINVAL;
    struct rfi_subscription **at = &link->subscriptions;
    while (*at != NULL && (strcmp((*at)->actor, actor) != 0 || strcmp((*at)->port, port) != 0))
        at = &(*at)->next;
    if (is_wanted == (*at != NULL))
        return RF_OK;
    if (is_wanted) {
        rf_err err = add_subscription(link, actor, port);
        if (err != RF_OK)
            return err;
    }
    if (link->is_up)
        rfi_frame_put_subscribe(&link->control, is_wanted, actor, port);
    if (!is_wanted) {
        struct rfi_subscription *gone = *at;
        *at = gone->next;
        free(gone);
    }
    return RF_OK;
}

void rfi_link_announce_subscriptions(struct rfi_link *link)
{
    for (const struct rfi_subscription *at = link->subscriptions; at != NULL; at = at->next)
        rfi_frame_put_subscribe(&link->control, true, at->actor, at->port);
}

/* ---- frames ---- */

/* A frame under construction. */
struct draft {
    struct rfi_buf *out;
    size_t start, limit;   /* of out->size; more than the limit only for a record that is alone */
    struct rfi_tail *tail; /* NULL: bodies are copied */
};

static bool has_room_for(const struct draft *draft, size_t size)
{
    bool is_empty = draft->out->size == draft->start + RFI_FRAME_HEAD_SIZE;
    return is_empty ||
           (draft->out->size <= draft->limit && size <= draft->limit - draft->out->size);
}

static void put_control(struct rfi_link *link, struct draft *draft)
{
    struct rfi_buf *control = &link->control;
    while (link->control_at < control->size) {
        const uint8_t *record = control->data + link->control_at;
        size_t size = rfi_frame_record_size(record, control->size - link->control_at);
        if (!has_room_for(draft, size))
            return;
        rfi_buf_append(draft->out, record, size);
        link->control_at += size;
    }
    rfi_buf_clear(control);
    link->control_at = 0;
}

static bool is_heartbeat_due(const struct rfi_link *link, uint64_t now_ns)
{
    uint64_t interval = (uint64_t)link->options.heartbeat_interval_ms * 1000000u;
    return interval > 0 && now_ns >= link->last_send_ns && now_ns - link->last_send_ns >= interval;
}

static void put_heartbeat(struct rfi_link *link, struct draft *draft, uint64_t now_ns)
{
    bool is_own_due = is_heartbeat_due(link, now_ns);
    if (!is_own_due && !link->is_echo_due)
        return;
    if (is_own_due) {
        link->heartbeat_sent++;
        if (link->unanswered_number == 0) {
            link->unanswered_number = link->heartbeat_sent;
            link->unanswered_ns = now_ns;
        }
    }
    rfi_frame_put_heartbeat(draft->out, link->heartbeat_sent, link->heartbeat_received);
    link->is_echo_due = false;
}

static void put_answers(struct rfi_link *link, struct draft *draft)
{
    while (link->answer_count > 0) {
        struct rfi_answer *answer = &link->answers[link->answer_head];
        rf_message *msg = answer->msg;
        size_t size = msg != NULL ? msg->size : 0;
        if (!has_room_for(draft, ANSWER_HEAD_MAX + size))
            return;
        rfi_frame_put_answer(draft->out, answer->request_id, answer->err,
                             msg != NULL ? msg->kind : 0, msg != NULL ? msg->body : NULL, size);
        rf_message_unref(msg);
        link->answer_bytes -= size;
        link->answer_head = (link->answer_head + 1) & (link->answer_capacity - 1);
        link->answer_count--;
    }
}

static void put_json(struct rfi_link *link, struct draft *draft)
{
    struct rfi_buf *json = &link->json;
    while (link->json_at < json->size) {
        size_t size = rfi_load_u32(json->data + link->json_at);
        if (!has_room_for(draft, ANSWER_HEAD_MAX + size))
            return;
        rfi_frame_put_json(draft->out, json->data + link->json_at + 4, size);
        link->json_at += 4 + size;
    }
    rfi_buf_clear(json);
    link->json_at = 0;
}

/* May the next entry go out? One that went out before is within its credit, since credit outlives a
 * session, and one that was taken in this session had it then. Another one may have been taken for a former, more
 * generous life of the peer. */
static bool can_send_next(const struct rfi_link *link)
{
    if (!link->has_settings || link->sent_count >= link->ring_count)
        return false;
    if (link->sent_count < link->ever_count || link->sent_count >= link->inherited_count ||
        RFI_PLANTED(8))
        return true;
    size_t at = (link->ring_head + link->sent_count) & (link->ring_capacity - 1);
    const struct rfi_entry *entry = &link->ring[at];
    return rfi_link_has_credit(link, entry->flow, 0, 0, entry->size);
}

/* `count` entries of one flow and kind, none of them sent before, that lie behind each other in the log from `first` on
 * and have together no more than `room` bytes there: how many, and how many bytes. */
static size_t find_row(struct rfi_link *link, const struct rfi_entry *first, size_t most,
                       size_t room, size_t *out_bytes, uint64_t *out_bodies)
{
    const uint8_t *begin = first->body - rfi_log_head_size(first->size);
    const uint8_t *end = begin;
    uint64_t bodies = 0;
    size_t count = 0;
    for (; count < most; count++) {
        const struct rfi_entry *entry = rfi_link_entry(link, link->sent_count + count);
        size_t head = rfi_log_head_size(entry->size);
        bool is_next = entry->is_copied && entry->owner.chunk == first->owner.chunk &&
                       entry->body == end + head && entry->flow == first->flow &&
                       entry->kind == first->kind && entry->request_id == 0;
        const uint8_t *next_end = entry->body + entry->size;
        if (!is_next || (size_t)(next_end - begin) > room)
            break;
        end = next_end;
        bodies += entry->size;
    }
    *out_bytes = (size_t)(end - begin);
    *out_bodies = bodies;
    return count;
}

static void count_sent(struct rfi_link *link, struct rfi_entry *entry, bool is_fast)
{
    struct rfi_outflow *flow = entry->flow;
    uint32_t size = entry->size;
    if (link->sent_count < link->ever_count) {
        link->stats.resent_messages++;
    } else {
        link->ever_count++;
        link->fresh_seq++;
        flow->waiting--;
        flow->waiting_bytes -= size;
        flow->sent++;
        flow->sent_bytes += size;
        link->stats.sent_messages++;
        link->stats.sent_bytes += size;
    }
    link->sent_count++;
    link->next_seq++;
    if (is_fast)
        rfi_link_spend(link, entry);
    flow->to_send--;
    if (flow->is_closed)
        rfi_link_finish_flow(link, flow);
}

struct run {
    const struct rfi_outflow *flow; /* NULL: none is begun */
    size_t count_at;
    uint32_t count;
    uint8_t kind, flags;
};

static bool fits_run(const struct run *run, const struct rfi_entry *entry, uint8_t flags)
{
    return run->flow != NULL && run->flow == entry->flow && run->kind == entry->kind &&
           run->flags == flags && run->count < RFI_RUN_MAX && entry->flow->is_announced;
}

static bool is_tail_worth_it(const struct draft *draft, const struct rfi_entry *entry)
{
    return draft->tail != NULL && entry->size >= TAIL_BYTES_MIN && !entry->is_copied;
}

static void release_message(void *owner)
{
    rf_message_unref(owner);
}

static void put_tail(struct draft *draft, const struct rfi_entry *entry)
{
    *draft->tail = (struct rfi_tail){.data = entry->owner.msg->body,
                                     .size = entry->size,
                                     .release = release_message,
                                     .owner = rf_message_ref(entry->owner.msg)};
}

static void end_run(struct draft *draft, struct run *run)
{
    if (run->flow != NULL)
        rfi_frame_set_run_count(draft->out, run->count_at, run->count);
    run->flow = NULL;
}

static void begin_run(struct draft *draft, struct run *run, const struct rfi_entry *entry,
                      uint8_t flags)
{
    struct rfi_outflow *flow = entry->flow;
    end_run(draft, run);
    if (!flow->is_announced)
        rfi_frame_put_open(draft->out, flow->id, (uint8_t)flow->kind, flow->source_actor,
                           flow->actor, flow->port);
    flow->is_announced = true;
    *run = (struct run){.flow = flow, .kind = entry->kind, .flags = flags};
    run->count_at = rfi_frame_begin_run(draft->out, flow->id, entry->kind, flags);
}

/* Many small messages behind each other in the log go into the run in one piece, or stay where they are and end the
 * frame: then true. Those that never went out and were taken in this session alone: they are within their credit. */
static bool put_row(struct rfi_link *link, struct draft *draft, struct run *run)
{
    if (link->sent_count < link->ever_count || link->sent_count < link->inherited_count)
        return false;
    const struct rfi_entry *first = rfi_link_entry(link, link->sent_count);
    struct rfi_outflow *flow = first->flow;
    size_t most = rfi_smaller(link->ring_count - link->sent_count, RFI_RUN_MAX - run->count);
    size_t bytes = 0;
    uint64_t bodies = 0;
    if (!first->is_copied || draft->out->size > draft->limit || flow != run->flow ||
        first->kind != run->kind || run->flags != 0)
        return false;
    size_t count = find_row(link, first, most, draft->limit - draft->out->size, &bytes, &bodies);
    if (count == 0)
        return false;
    const uint8_t *at = first->body - rfi_log_head_size(first->size);
    bool is_tail = draft->tail != NULL && bytes >= ROW_TAIL_BYTES_MIN;
    if (is_tail) {
        struct rfi_log_chunk *chunk = first->owner.chunk;
        rfi_log_ref_chunk(chunk);
        link->leaves_rows = true;
        *draft->tail = (struct rfi_tail){.data = chunk->bytes + (at - chunk->bytes),
                                         .size = bytes,
                                         .release = rfi_log_unref_chunk,
                                         .owner = chunk};
    } else {
        rfi_buf_append(draft->out, at, bytes);
        if (draft->out->is_failed)
            return false;
    }
    run->count += (uint32_t)count;
    link->sent_count += count;
    link->ever_count += count;
    link->next_seq += count;
    link->fresh_seq += count;
    link->stats.sent_messages += count;
    link->stats.sent_bytes += bodies;
    flow->waiting -= (uint32_t)count;
    flow->waiting_bytes -= bodies;
    flow->sent += count;
    flow->sent_bytes += bodies;
    flow->to_send -= (uint32_t)count;
    if (flow->is_closed)
        rfi_link_finish_flow(link, flow);
    return is_tail;
}

static void put_messages(struct rfi_link *link, struct draft *draft)
{
    struct run run = {0};
    link->leaves_rows = false;
    while (can_send_next(link)) {
        struct rfi_entry *entry = rfi_link_entry(link, link->sent_count);
        struct rfi_outflow *flow = entry->flow;
        if (flow == NULL) {
            end_run(draft, &run);
            if (!has_room_for(draft, RFI_SKIP_RECORD_MAX))
                break;
            rfi_link_put_skip(link, draft->out);
            continue;
        }
        bool is_fast = entry->is_fast && rfi_link_may_go_fast(link);
        uint8_t flags = is_fast ? RFI_RUN_FAST : entry->request_id != 0 ? RFI_RUN_REQUESTS : 0;
        bool is_same_run = fits_run(&run, entry, flags);
        size_t size = RFI_RUN_MESSAGE_HEAD_MAX + (size_t)entry->size;
        size += is_same_run ? 0 : RFI_RUN_HEAD_MAX;
        size += flow->is_announced ? 0 : RFI_OPEN_RECORD_MAX;
        if (!has_room_for(draft, size))
            break;
        if (!is_same_run)
            begin_run(draft, &run, entry, flags);
        bool is_tail = is_tail_worth_it(draft, entry);
        rfi_frame_put_message(draft->out, flags, entry->request_id, is_tail ? NULL : entry->body,
                              entry->size);
        if (draft->out->is_failed)
            break;
        if (is_tail)
            put_tail(draft, entry);
        run.count++;
        count_sent(link, entry, is_fast);
        if (is_tail)
            break;
        if (link->sent_count < link->ring_count && put_row(link, draft, &run))
            break;
    }
    end_run(draft, &run);
}

bool rfi_link_is_urgent(const struct rfi_link *link)
{
    return link->control_at < link->control.size || link->is_due_urgent || link->is_echo_due ||
           link->answer_count > 0 || link->json_at < link->json.size || link->stage.messages > 0 ||
           can_send_next(link) || link->unacked_weight >= RFI_LINK_ACK_AT ||
           link->unacked_bytes >= RFI_LINK_ACK_BYTES;
}

/* Room for the messages that will most likely go into the frame, so that the buffer is not grown under way. */
static void reserve_frame(const struct rfi_link *link, struct rfi_buf *out)
{
    size_t waiting = link->ring_count - link->sent_count;
    size_t kept = link->ring_count - link->spent_count; /* all that waits, and more */
    (void)rfi_buf_reserve(out, FRAME_SPARE);
    if (waiting < 2 || kept == 0 || link->ring_bytes / kept >= TAIL_BYTES_MIN || link->leaves_rows)
        return;
    size_t likely = waiting * (link->ring_bytes / kept + LIKELY_HEAD);
    size_t most = link->options.batch_bytes_max;
    (void)rfi_buf_reserve(out,
                          (likely < most ? likely : most) + FRAME_SPARE); /* or it grows later */
}

bool rfi_link_poll(struct rfi_link *link, struct rfi_buf *out, uint64_t now_ns)
{
    return rfi_link_poll_tail(link, out, NULL, now_ns);
}

bool rfi_link_poll_tail(struct rfi_link *link, struct rfi_buf *out, struct rfi_tail *out_tail,
                        uint64_t now_ns)
{
    if (!link->is_up)
        return false;
    link->now_ns = now_ns;
    if (link->control.is_failed || link->json.is_failed)
        link->failed = RF_ENOMEM;
    if (link->failed != RF_OK)
        return false;
    if (!rfi_link_is_urgent(link) && now_ns < link->ack_due_ns && now_ns < link->lazy_due_ns &&
        !is_heartbeat_due(link, now_ns))
        return false;

    reserve_frame(link, out);
    struct draft draft = {.out = out, .start = out->size};
    draft.tail = out_tail;
    draft.limit = draft.start + link->options.batch_bytes_max;
    rfi_frame_put_head(out, ++link->frames_out, link->next_seq - link->stage.messages,
                       link->cursor_in);
    put_control(link, &draft);
    put_heartbeat(link, &draft, now_ns);
    put_answers(link, &draft);
    /* Behind all control records, which may hold an older total of the same flow; and behind all answers, so
     * that a peer gets no credit for new requests before it has taken the answers to the old ones. */
    if (link->control.size == 0 && link->answer_count == 0)
        rfi_link_put_due(link, out, draft.limit);
    put_json(link, &draft);
    bool has_tail = false;
    if (link->stage.messages > 0 && has_room_for(&draft, link->stage.block->used))
        has_tail = rfi_link_put_stage(link, out, out_tail);
    if (link->stage.messages == 0 && !has_tail)
        put_messages(link, &draft);
    if (out->is_failed) {
        /* What the frame had is lost with the session; the outbox still has its messages. */
        link->failed = RF_ENOMEM;
        out->size = draft.start;
        if (out_tail != NULL)
            rfi_tail_release(out_tail);
        return false;
    }
    link->unacked_weight = 0;
    link->unacked_bytes = 0;
    link->ack_due_ns = UINT64_MAX;
    link->last_send_ns = now_ns;
    link->stats.sent_frames++;
    if (RFI_PLANTED(4))
        rfi_link_drop_before(link, link->next_seq);
    return true;
}
