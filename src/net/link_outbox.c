/* SPDX-License-Identifier: MIT */
/* The outbox of a link: messages that wait to be sent, or to be acknowledged.
 *
 * A ring of entries in the order of their sequence numbers; an entry leaves it when the
 * peer's cursor passes it, or when the peer has lost its memory. It holds one reference of each message, or a copy of
 * a small one (link_log.c); nothing is made per message once the ring has grown. Flows and their
 * credit are in link_flows.c, what is special to level fast in link_fast.c. */
#include "net/link_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

/* Room for `more` entries. */
static rf_err grow_ring(struct rfi_link *link, size_t more)
{
    size_t capacity = link->ring_capacity == 0 ? FIRST_CAPACITY : link->ring_capacity * 2;
    while (capacity - link->ring_count < more)
        capacity *= 2;
    struct rfi_entry *ring = calloc(capacity, sizeof *ring);
    if (ring == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < link->ring_count; i++)
        ring[i] = *rfi_link_entry(link, i);
    free(link->ring);
    link->ring = ring;
    link->ring_capacity = capacity;
    link->ring_head = 0;
    return RF_OK;
}

/* Takes the message. Member by member: a struct made aside and copied would wait for its own stores. */
static void fill_entry(struct rfi_link *link, struct rfi_entry *entry, struct rfi_outflow *flow,
                       rf_message *msg, uint64_t request_id)
{
    entry->flow = flow;
    entry->request_id = request_id;
    entry->size = msg->size;
    entry->kind = msg->kind;
    entry->is_copied = false;
    entry->is_spent = false;
    entry->is_fast = flow->is_fast && (request_id == 0 || RFI_PLANTED(18));
    if (msg->size <= RFI_LOG_BODY_MAX) {
        entry->body = rfi_log_put(&link->log, msg->body, msg->size, &entry->owner.chunk);
        if (entry->body != NULL) {
            entry->is_copied = true;
            rf_message_unref(msg);
            return;
        }
    }
    entry->owner.msg = msg; /* large, or out of memory: the message itself does as well */
    entry->body = msg->body;
}

void rfi_link_release_entry(struct rfi_link *link, const struct rfi_entry *entry)
{
    if (entry->is_spent)
        return;
    if (entry->is_copied)
        rfi_log_drop(&link->log, entry->owner.chunk, 1);
    else
        rf_message_unref(entry->owner.msg);
}

/* There is room. Takes the message on RF_OK. */
static rf_err accept(struct rfi_link *link, struct rfi_outflow *flow, rf_message *msg,
                     uint64_t request_id)
{
    uint32_t size = msg->size;
    rf_err err = RF_OK;
    if (link->ring_count == link->ring_capacity)
        err = grow_ring(link, 1);
    if (err == RF_OK && flow->id == RFI_NO_FLOW)
        err = rfi_link_assign_id(link, flow);
    if (err == RF_OK && request_id != 0)
        err = rfi_id_set_add(&link->requests, request_id);
    if (err != RF_OK)
        return err;
    if (flow->is_fast && request_id == 0 && size <= RFI_LOG_BODY_MAX &&
        rfi_link_stage_room(link, flow) >= size + RFI_LOG_HEAD_MAX) {
        rfi_link_stage(link, flow, &msg, 1);
        return RF_OK;
    }
    link->ring_count++;
    fill_entry(link, rfi_link_entry(link, link->ring_count - 1), flow, msg, request_id);
    link->ring_bytes += size;
    flow->entries++;
    flow->to_send++;
    flow->waiting++;
    flow->waiting_bytes += size;
    return RF_OK;
}

rf_err rfi_link_send(struct rfi_link *link, struct rfi_outflow *flow, rf_message *msg,
                     uint64_t request_id)
{
    size_t size = rf_message_size(msg);
    if (!flow->is_named_well || flow->is_closed)
        return RF_EINVAL;
    if (!link->is_up)
        return RF_ENOTCONNECTED;
    if (size > link->peer_message_bytes_max)
        return RF_ELIMIT;
    enum rfi_wait obstacle = rfi_link_find_obstacle(link, flow, size);
    if (obstacle != RFI_WAIT_NONE)
        return obstacle == RFI_WAIT_SESSION ? RF_ENOTCONNECTED : RF_EFULL;
    if (request_id != 0 && link->requests.count >= link->options.outbox_messages_max)
        return RF_EFULL;
    return accept(link, flow, msg, request_id);
}

rf_err rfi_link_send_when_room(struct rfi_link *link, struct rfi_outflow *flow, rf_message *msg)
{
    if (!flow->is_named_well || flow->is_closed || !link->is_up ||
        msg->size > link->peer_message_bytes_max)
        return rfi_link_send(link, flow, msg, 0); /* says why it can never go, or not now */
    return rfi_link_has_room(link, flow, msg->size) ? accept(link, flow, msg, 0) : RF_EAGAIN;
}

size_t rfi_link_run_room(struct rfi_link *link, const struct rfi_outflow *flow, size_t most,
                         size_t *out_bytes, size_t *out_size_max)
{
    bool is_plain = link->is_up && link->has_settings && link->failed == RF_OK &&
                    link->waiters_first == NULL && flow->id != RFI_NO_FLOW &&
                    flow->wait == RFI_WAIT_NONE && flow->is_named_well && !flow->is_closed &&
                    link->peer_message_bytes_max >= RFI_LOG_BODY_MAX;
    if (!is_plain)
        return 0;
    uint64_t under_way = flow->sent - flow->consumed + flow->waiting;
    uint64_t bytes = flow->sent_bytes - flow->consumed_bytes + flow->waiting_bytes;
    if (under_way >= link->window || bytes >= link->window_bytes ||
        link->ring_count >= link->options.outbox_messages_max ||
        link->ring_bytes >= link->options.link_credit_bytes)
        return 0;
    most = rfi_smaller(most, (size_t)(link->window - under_way));
    most = rfi_smaller(most, link->options.outbox_messages_max - link->ring_count);
    if (link->ring_capacity - link->ring_count < most && grow_ring(link, most) != RF_OK)
        return 0;
    *out_bytes = rfi_smaller((size_t)(link->window_bytes - bytes),
                             (size_t)(link->options.link_credit_bytes - link->ring_bytes));
    *out_size_max = RFI_LOG_BODY_MAX;
    return most;
}

/* As many from the front as the next frame has room for. */
static size_t stage_run(struct rfi_link *link, struct rfi_outflow *flow,
                        rf_message *const *messages, size_t count)
{
    size_t room = rfi_link_stage_room(link, flow);
    size_t fitting = 0;
    for (; fitting < count; fitting++) {
        size_t size = (size_t)messages[fitting]->size + RFI_LOG_HEAD_MAX;
        if (size > room || messages[fitting]->kind != messages[0]->kind)
            break;
        room -= size;
    }
    rfi_link_stage(link, flow, messages, fitting);
    return fitting;
}

void rfi_link_send_run(struct rfi_link *link, struct rfi_outflow *flow, rf_message *const *messages,
                       size_t count)
{
    size_t staged = flow->is_fast ? stage_run(link, flow, messages, count) : 0;
    messages += staged;
    count -= staged;
    uint64_t bytes = 0;
    size_t mask = link->ring_capacity - 1;
    size_t end = link->ring_head + link->ring_count;
    for (size_t i = 0; i < count; i++) {
        bytes += messages[i]->size;
        fill_entry(link, &link->ring[(end + i) & mask], flow, messages[i], 0);
    }
    link->ring_count += count;
    link->ring_bytes += bytes;
    flow->entries += (uint32_t)count;
    flow->to_send += (uint32_t)count;
    flow->waiting += (uint32_t)count;
    flow->waiting_bytes += bytes;
}

/* Let go of up to `most` entries from the head, those of one flow that follow each other; adds up their bytes. */
static size_t release_row(struct rfi_link *link, size_t most, uint64_t *bytes)
{
    const struct rfi_outflow *flow = rfi_link_entry(link, 0)->flow;
    struct rfi_log_chunk *chunk = NULL;
    uint32_t chunk_count = 0;
    size_t count = 0;
    for (; count < most; count++) {
        const struct rfi_entry *entry = rfi_link_entry(link, count);
        if (entry->flow != flow || entry->is_spent)
            break;
        *bytes += entry->size;
        if (!entry->is_copied) {
            rf_message_unref(entry->owner.msg);
        } else if (entry->owner.chunk == chunk) {
            chunk_count++;
        } else {
            rfi_log_drop(&link->log, chunk, chunk_count);
            chunk = entry->owner.chunk;
            chunk_count = 1;
        }
    }
    rfi_log_drop(&link->log, chunk, chunk_count);
    return count;
}

/* `row` entries at the head are acknowledged or lost. */
static void drop_row(struct rfi_link *link, size_t row)
{
    struct rfi_outflow *flow = rfi_link_entry(link, 0)->flow;
    bool is_sent = link->sent_count > 0; /* or acknowledged before it was sent again */
    link->ring_head = (link->ring_head + row) & (link->ring_capacity - 1);
    link->ring_count -= row;
    link->ever_count -= row;
    link->inherited_count -= rfi_smaller(row, link->inherited_count);
    if (is_sent)
        link->sent_count -= row;
    if (flow == NULL)
        return;
    flow->entries -= (uint32_t)row;
    if (!is_sent)
        flow->to_send -= (uint32_t)row;
    if (flow->is_closed)
        rfi_link_finish_flow(link, flow);
}

/* Up to `most` messages of the spent entry at the head; returns how many. */
static uint64_t drop_spent(struct rfi_link *link, struct rfi_entry *entry, uint64_t most)
{
    uint64_t count = entry->count < most ? entry->count : most;
    if (entry->flow == NULL)
        link->gap_messages -= count;
    if (count < entry->count) {
        entry->count -= RFI_PLANTED(19) ? 0 : count;
        return count;
    }
    link->spent_count--;
    drop_row(link, 1);
    return count;
}

void rfi_link_drop_before(struct rfi_link *link, uint64_t seq)
{
    if (seq <= link->base_seq)
        return;
    while (link->base_seq < seq) {
        struct rfi_entry *entry = rfi_link_entry(link, 0);
        uint64_t left = seq - link->base_seq;
        if (entry->is_spent) {
            link->base_seq += drop_spent(link, entry, left);
            continue;
        }
        uint64_t bytes = 0;
        size_t most = link->sent_count > 0 ? link->sent_count : link->ring_count;
        size_t row = release_row(link, rfi_smaller(most, left), &bytes);
        link->ring_bytes -= bytes;
        link->base_seq += row;
        drop_row(link, row);
    }
    if (link->next_seq < seq)
        link->next_seq = seq;
    link->is_wake_due = true;
}

/* This life of the peer has seen nothing of the ring yet: take out what it cannot take. */
static void give_up_unfit(struct rfi_link *link)
{
    size_t kept = 0;
    size_t count = link->ring_count;
    for (size_t i = 0; i < count; i++) {
        struct rfi_entry entry = *rfi_link_entry(link, i);
        struct rfi_outflow *flow = entry.flow;
        if (flow->id != RFI_NO_FLOW && entry.size <= link->peer_message_bytes_max) {
            *rfi_link_entry(link, kept++) = entry;
            continue;
        }
        flow->entries--;
        flow->to_send--;
        flow->waiting--;
        flow->waiting_bytes -= entry.size;
        link->ring_bytes -= entry.size;
        rfi_link_release_entry(link, &entry);
        link->stats.rejected_messages++;
        if (!flow->is_closed)
            link->sink->on_reject(link->owner, flow, flow->user, RF_ELIMIT, 1);
    }
    link->ring_count = kept;
    link->inherited_count = kept;
}

void rfi_link_start_sending(struct rfi_link *link)
{
    if (link->ever_count == 0) {
        for (struct rfi_outflow *flow = link->flows_first; flow != NULL; flow = flow->next)
            if (flow->to_send > 0 && flow->id == RFI_NO_FLOW && rfi_link_has_free_id(link) &&
                rfi_link_assign_id(link, flow) != RF_OK)
                link->failed = RF_ENOMEM;
        if (link->failed == RF_OK)
            give_up_unfit(link);
    }
    link->has_settings = true;
    rfi_link_find_losses(link);
    for (struct rfi_outflow *flow = link->flows_first; flow != NULL; flow = flow->next)
        if (flow->is_closed)
            rfi_link_finish_flow(link, flow);
    rfi_link_unpark_waiters(link);
    rfi_link_tell_losses(link, RFI_LOST_FAST);
}
