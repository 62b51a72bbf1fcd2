/* SPDX-License-Identifier: MIT */
/* The link: its life, its sessions and its timers. What it sends is in link_outbox.c and link_send.c, what it receives in
 * link_receive.c; docs/protocol.md has the rules.
 *
 * Everything belongs to one owner thread. Time comes in as an argument; nothing here looks at a clock, a
 * socket or a random number, so the same calls give the same bytes.
 *
 * L1  base_seq - 1 is the peer's cursor as we know it; the ring holds what comes after it, in order.
 * L2  sent_count <= count: transmitted in this session, up to next_seq; ever_count: at least once, up to fresh_seq.
 * L3  cursor_in is the highest number handed to the sink, and what we acknowledge is never higher.
 * L4  what a flow has sent and not consumed is within its window, over all sessions with one life of the
 *     peer: both sides count totals since the flow began and tell them again when a session starts.
 * L5  the sink is called inside rfi_link_enter … rfi_link_leave only; it may call everything but
 *     _input, _up, _down, _tick and _free. */
#include "net/link_internal.h"

#include <stdlib.h>
#include <string.h>

static uint32_t at_least_one(uint32_t value)
{
    return value > 0 ? value : 1;
}

struct rfi_link *rfi_link_new(const struct rfi_link_options *options,
                              const uint8_t incarnation[RFI_INCARNATION_SIZE],
                              const struct rfi_link_sink *sink, void *owner)
{
    struct rfi_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    link->options = *options;
    struct rfi_link_options *own = &link->options;
    own->flow_credit_messages = at_least_one(own->flow_credit_messages);
    own->flow_credit_bytes = at_least_one(own->flow_credit_bytes);
    own->outbox_messages_max = at_least_one(own->outbox_messages_max);
    own->flows_max = at_least_one(own->flows_max);
    if (own->flows_max > RFI_FLOWS_CAP)
        own->flows_max = RFI_FLOWS_CAP;
    link->sink = sink;
    link->owner = owner;
    memcpy(link->incarnation, incarnation, sizeof link->incarnation);
    link->base_seq = link->next_seq = link->fresh_seq = 1;
    link->ack_due_ns = UINT64_MAX;
    link->lazy_due_ns = UINT64_MAX;
    rfi_buf_init(&link->control);
    rfi_buf_init(&link->json);
    return link;
}

void rfi_link_free(struct rfi_link *link)
{
    if (link == NULL)
        return;
    rfi_link_clear_unsequenced(link);
    rfi_link_free_inflows(link);
    rfi_link_free_outflows(link);
    rfi_id_set_fini(&link->requests);
    while (link->subscriptions != NULL) {
        struct rfi_subscription *first = link->subscriptions;
        link->subscriptions = first->next;
        free(first);
    }
    rfi_buf_fini(&link->control);
    rfi_buf_fini(&link->json);
    rfi_link_trim_stage(link);
    free(link->answers);
    free(link);
}

/* ---- sessions ---- */

static bool is_known_peer(const struct rfi_link *link, const uint8_t *incarnation)
{
    return link->has_peer &&
           memcmp(link->peer_incarnation, incarnation, sizeof link->peer_incarnation) == 0;
}

void rfi_link_hello(const struct rfi_link *link,
                    const uint8_t peer_incarnation[RFI_INCARNATION_SIZE],
                    struct rfi_native_hello *out)
{
    memcpy(out->incarnation, link->incarnation, sizeof out->incarnation);
    out->message_bytes_max = link->options.message_bytes_max;
    out->takes_fast = true;
    out->cursor = 0;
    memset(out->cursor_of, 0, sizeof out->cursor_of);
    /* A dialler does not know who will answer: it tells what it has of the last one. */
    if (link->has_peer && (peer_incarnation == NULL || is_known_peer(link, peer_incarnation))) {
        out->cursor = link->cursor_in;
        memcpy(out->cursor_of, link->peer_incarnation, sizeof out->cursor_of);
    }
}

/* The peer is new, or has lost its memory: what may have reached the old one is given up, never guessed;
 * what was not transmitted gets numbers from 1. Both cursors start anew. */
static void meet_peer(struct rfi_link *link, const struct rfi_native_hello *peer)
{
    while (RFI_PLANTED(12) && link->ever_count > 0 &&
           !rfi_link_entry(link, link->ever_count - 1)->is_spent) {
        link->ever_count--;
        link->fresh_seq--;
    }
    for (size_t i = 0; i < link->ever_count; i++) {
        const struct rfi_entry *entry = rfi_link_entry(link, i);
        if (entry->flow == NULL)
            continue; /* counted before */
        entry->flow->lost += entry->is_spent ? entry->count : 1;
        link->stats.lost_messages += entry->is_spent ? entry->count : 1;
    }
    rfi_link_drop_before(link, link->fresh_seq);
    link->base_seq = link->next_seq = link->fresh_seq = 1;
    if (!RFI_PLANTED(6))
        link->cursor_in = 0;
    rfi_link_forget_ids(link);
    rfi_link_free_inflows(link);
    link->has_peer = true;
    memcpy(link->peer_incarnation, peer->incarnation, sizeof link->peer_incarnation);
}

static void begin_session(struct rfi_link *link, uint64_t now_ns)
{
    link->is_up = true;
    link->inherited_count = link->ring_count;
    link->has_settings = false;
    link->failed = RF_OK;
    link->now_ns = now_ns;
    link->last_send_ns = now_ns;
    link->last_receive_ns = now_ns;
    link->frames_out = 0;
    link->frames_in = 0;
    link->ack_due_ns = UINT64_MAX;
    link->unacked_weight = 0;
    link->unacked_bytes = 0;
    link->heartbeat_sent = 0;
    link->heartbeat_received = 0;
    link->unanswered_number = 0;
    link->is_echo_due = false;
    link->skipped = 0;
    rfi_frame_put_settings(&link->control, link->options.flow_credit_messages,
                           link->options.flow_credit_bytes, link->options.flows_max);
    rfi_link_announce_subscriptions(link);
    if (!RFI_PLANTED(3))
        rfi_link_announce_credits(link);
}

void rfi_link_tell_losses(struct rfi_link *link, enum rfi_loss why)
{
    for (struct rfi_outflow *flow = link->flows_first; flow != NULL; flow = flow->next) {
        uint64_t lost = flow->lost;
        flow->lost = 0;
        if (lost > 0)
            link->sink->on_lost(link->owner, flow, flow->is_closed ? NULL : flow->user, lost, why);
    }
}

rf_err rfi_link_up(struct rfi_link *link, const struct rfi_native_hello *peer, uint64_t now_ns)
{
    rfi_link_down(link);
    bool is_known = is_known_peer(link, peer->incarnation);
    bool is_ours = memcmp(peer->cursor_of, link->incarnation, sizeof link->incarnation) == 0;
    uint64_t cursor = is_ours ? peer->cursor : 0;
    uint64_t acked = link->base_seq - 1;
    uint64_t lowest = is_known ? acked : 0;
    uint64_t highest = is_known ? link->fresh_seq - 1 : 0;
    if (RFI_PLANTED(2) && cursor < highest)
        cursor++;
    if (cursor < lowest || cursor > highest ||
        (is_known && peer->takes_fast != link->peer_takes_fast))
        return RF_EPROTO;

    rfi_link_enter(link);
    if (is_known)
        rfi_link_drop_before(link, cursor + 1);
    else
        meet_peer(link, peer);
    link->peer_message_bytes_max = peer->message_bytes_max;
    link->peer_takes_fast = peer->takes_fast;
    if (RFI_PLANTED(16))
        rfi_link_find_losses(link);
    begin_session(link, now_ns);
    rfi_link_tell_losses(link, RFI_LOST_WITH_PEER);
    rfi_link_leave(link);
    return RF_OK;
}

static void fail_requests(struct rfi_link *link)
{
    /* Their answers are lost with the session; what was not received yet goes on as a plain message. */
    for (size_t i = 0; i < link->ring_count; i++)
        if (!rfi_link_entry(link, i)->is_spent)
            rfi_link_entry(link, i)->request_id = 0;
    struct rfi_id_set requests = link->requests;
    link->requests = (struct rfi_id_set){0};
    for (size_t i = 0; i < requests.capacity; i++)
        if (requests.slots[i] != 0)
            link->sink->on_answer(link->owner, requests.slots[i], RF_ENOTCONNECTED, NULL);
    rfi_id_set_fini(&requests);
}

void rfi_link_down(struct rfi_link *link)
{
    if (!link->is_up)
        return;
    rfi_link_enter(link);
    link->is_up = false;
    link->has_settings = false;
    link->sent_count = 0;
    link->next_seq = link->base_seq;
    for (struct rfi_outflow *flow = link->flows_first; flow != NULL; flow = flow->next) {
        flow->to_send = flow->entries;
        flow->is_announced = false;
        flow->is_close_sent = false;
    }
    rfi_link_park_waiters(link);
    rfi_link_clear_stage(link);
    rfi_link_clear_unsequenced(link);
    rfi_link_close_inflows(link);
    fail_requests(link);
    rfi_link_leave(link);
}

void rfi_link_stop_taking(struct rfi_link *link)
{
    link->is_deaf = true;
}

bool rfi_link_is_up(const struct rfi_link *link)
{
    return link->is_up;
}

bool rfi_link_goes_fast(const struct rfi_link *link)
{
    return link->is_up && link->options.is_fast && link->peer_takes_fast;
}

/* ---- time ---- */

static uint64_t after(uint64_t from_ns, uint64_t delay_ns)
{
    uint64_t sum;
    return __builtin_add_overflow(from_ns, delay_ns, &sum) ? UINT64_MAX : sum;
}

static uint64_t interval_ns(const struct rfi_link *link)
{
    return (uint64_t)link->options.heartbeat_interval_ms * 1000000u;
}

/* When the peer counts as gone if nothing more comes. */
static uint64_t silence_ns(const struct rfi_link *link)
{
    uint64_t interval = interval_ns(link);
    if (interval == 0)
        return UINT64_MAX;
    uint64_t at = after(link->last_receive_ns, RFI_LINK_SILENT_INTERVALS * interval);
    if (link->unanswered_number != 0) {
        uint64_t echo_at = after(link->unanswered_ns, RFI_LINK_SILENT_INTERVALS * interval);
        at = echo_at < at ? echo_at : at;
    }
    return at;
}

rf_err rfi_link_tick(struct rfi_link *link, uint64_t now_ns)
{
    if (!link->is_up)
        return RF_OK;
    link->now_ns = now_ns;
    if (link->failed != RF_OK)
        return link->failed;
    if (now_ns >= silence_ns(link))
        return RF_ETIMEOUT;
    if (link->ring_count == 0) {
        rfi_log_trim(&link->log);
        rfi_link_trim_stage(link); /* what was staged has entries */
    }
    rfi_link_enter(link);
    rfi_link_leave(link);
    return RF_OK;
}

uint64_t rfi_link_next_ns(const struct rfi_link *link)
{
    if (!link->is_up)
        return UINT64_MAX;
    if (link->failed != RF_OK || rfi_link_is_urgent(link) ||
        (link->is_wake_due && link->has_settings))
        return link->now_ns;
    uint64_t next = silence_ns(link);
    if (link->options.heartbeat_interval_ms > 0) {
        uint64_t idle_at = after(link->last_send_ns, interval_ns(link));
        next = idle_at < next ? idle_at : next;
    }
    next = link->ack_due_ns < next ? link->ack_due_ns : next;
    return link->lazy_due_ns < next ? link->lazy_due_ns : next;
}

void rfi_link_get_stats(const struct rfi_link *link, struct rfi_link_stats *out)
{
    *out = link->stats;
    out->unacknowledged_messages = link->fresh_seq - link->base_seq - link->gap_messages +
                                   (link->ring_count - link->ever_count);
    out->unacknowledged_bytes = link->ring_bytes;
    out->cursor_in = link->cursor_in;
    out->cursor_out = link->base_seq - 1;
}
