/* SPDX-License-Identifier: MIT */
/* The flows that a link receives: what was taken of each, what was consumed, and what the peer must be told.
 *
 * A flow belongs to the link and keeps its number and its totals over sessions with the same life of the
 * peer, for what it has in mailboxes outlives a session too. (An owner that does not report what is
 * consumed after on_flow_closed has it counted as consumed there.) It ends when the peer has closed it and all
 * of it was consumed; only then CLOSED gives the number back, so flows_max bounds what a peer can have in
 * our mailboxes, however often it opens and closes.
 *
 * Credit is told when half a window was consumed, or, a little later, when nothing of the flow is left
 * in the mailbox: then even a peer that waits to send one message larger than the window can go on. */
#include "net/link_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16, ID_BITS = 20 };

struct rfi_inflow *rfi_link_find_inflow(struct rfi_link *link, uint64_t id)
{
    return id < link->inflow_capacity ? link->inflows[id] : NULL;
}

static rf_err reserve_id(struct rfi_link *link, uint32_t id)
{
    if (id < link->inflow_capacity)
        return RF_OK;
    uint32_t capacity = link->inflow_capacity == 0 ? FIRST_CAPACITY : link->inflow_capacity;
    while (capacity <= id)
        capacity *= 2; /* id < RFI_FLOWS_CAP */
    struct rfi_inflow **inflows = realloc(link->inflows, capacity * sizeof(struct rfi_inflow *));
    if (inflows == NULL)
        return RF_ENOMEM;
    for (uint32_t i = link->inflow_capacity; i < capacity; i++)
        inflows[i] = NULL;
    link->inflows = inflows;
    link->inflow_capacity = capacity;
    return RF_OK;
}

static struct rfi_inflow *make_inflow(const char *source_actor, const char *actor, const char *port)
{
    size_t source_size = strlen(source_actor) + 1;
    size_t actor_size = strlen(actor) + 1;
    size_t port_size = strlen(port) + 1;
    struct rfi_inflow *flow = calloc(1, sizeof *flow + source_size + actor_size + port_size);
    if (flow == NULL)
        return NULL;
    flow->source_actor = (char *)(flow + 1);
    flow->actor = flow->source_actor + source_size;
    flow->port = flow->actor + actor_size;
    memcpy(flow->source_actor, source_actor, source_size);
    memcpy(flow->actor, actor, actor_size);
    memcpy(flow->port, port, port_size);
    return flow;
}

rf_err rfi_link_open_inflow(struct rfi_link *link, uint32_t id, uint8_t kind,
                            const char *source_actor, const char *actor, const char *port,
                            struct rfi_inflow **out)
{
    rf_err err = reserve_id(link, id);
    if (err != RF_OK)
        return err;
    struct rfi_inflow *flow = link->inflows[id];
    bool is_new = flow == NULL;
    if (is_new) {
        flow = make_inflow(source_actor, actor, port);
        if (flow == NULL)
            return RF_ENOMEM;
        flow->id = id;
        flow->kind = kind;
        link->inflows[id] = flow;
    } else if (flow->is_open || flow->is_close_asked || flow->kind != kind ||
               strcmp(flow->source_actor, source_actor) != 0 || strcmp(flow->actor, actor) != 0 ||
               strcmp(flow->port, port) != 0) {
        return RF_EPROTO;
    }
    if (is_new || !link->options.is_credit_kept)
        flow->number = ++link->inflow_serial << ID_BITS | id;
    flow->is_open = true;
    flow->is_closing = false; /* the peer resumed from before its CLOSE */
    flow->refused = RF_OK;
    flow->user = NULL;
    *out = flow;
    return RF_OK;
}

/* ---- what is due ---- */

static void make_due(struct rfi_link *link, struct rfi_inflow *flow, bool is_urgent)
{
    if (!link->is_up)
        return; /* told when the next session starts */
    if (is_urgent)
        link->is_due_urgent = true;
    else if (link->lazy_due_ns == UINT64_MAX)
        link->lazy_due_ns = link->now_ns + RFI_LINK_ACK_DELAY_NS;
    if (flow->is_due)
        return;
    flow->is_due = true;
    flow->due_prev = link->due_last;
    flow->due_next = NULL;
    if (flow->due_prev != NULL)
        flow->due_prev->due_next = flow;
    else
        link->due_first = flow;
    link->due_last = flow;
}

static void unlink_due(struct rfi_link *link, struct rfi_inflow *flow)
{
    flow->is_due = false;
    if (flow->due_prev != NULL)
        flow->due_prev->due_next = flow->due_next;
    else
        link->due_first = flow->due_next;
    if (flow->due_next != NULL)
        flow->due_next->due_prev = flow->due_prev;
    else
        link->due_last = flow->due_prev;
}

static bool wants_closed(const struct rfi_inflow *flow)
{
    return flow->is_closing && flow->is_close_asked &&
           (flow->received == flow->consumed || RFI_PLANTED(9));
}

/* The flow is freed when its CLOSED was written. */
static void put_due_of(struct rfi_link *link, struct rfi_buf *out, struct rfi_inflow *flow)
{
    if (flow->is_credit_due) {
        rfi_frame_put_credit(out, flow->id, flow->consumed, flow->consumed_bytes);
        flow->announced = flow->consumed;
        flow->announced_bytes = flow->consumed_bytes;
        flow->is_credit_due = false;
    }
    if (flow->is_reject_due)
        rfi_frame_put_reject(out, flow->id, flow->reject_reason, flow->rejected);
    flow->is_reject_due = false;
    if (wants_closed(flow)) {
        rfi_frame_put_flow(out, RFI_RECORD_CLOSED, flow->id);
        link->inflows[flow->id] = NULL;
        free(flow);
    }
}

void rfi_link_put_due(struct rfi_link *link, struct rfi_buf *out, size_t limit)
{
    while (link->due_first != NULL) {
        struct rfi_inflow *flow = link->due_first;
        link->due_first = flow->due_next;
        if (link->due_first != NULL)
            link->due_first->due_prev = NULL;
        else
            link->due_last = NULL;
        flow->is_due = false;
        put_due_of(link, out, flow);
        if (out->size > limit)
            break;
    }
    if (link->due_first == NULL) {
        link->is_due_urgent = false;
        link->lazy_due_ns = UINT64_MAX;
    } else {
        link->is_due_urgent = true;
    }
}

/* ---- counting ---- */

bool rfi_link_is_granted(const struct rfi_link *link, const struct rfi_inflow *flow, size_t size)
{
    uint64_t outstanding = flow->received - flow->announced;
    if (outstanding >= link->options.flow_credit_messages)
        return false;
    uint64_t bytes = flow->received_bytes - flow->announced_bytes;
    return outstanding == 0 || bytes + size <= link->options.flow_credit_bytes;
}

void rfi_link_count_consumed(struct rfi_link *link, struct rfi_inflow *flow, uint64_t messages,
                             uint64_t bytes)
{
    uint64_t held = flow->received - flow->consumed;
    uint64_t held_bytes = flow->received_bytes - flow->consumed_bytes;
    flow->consumed += messages < held ? messages : held;
    flow->consumed_bytes += bytes < held_bytes ? bytes : held_bytes;
    bool is_empty = flow->consumed == flow->received;
    if (is_empty)
        flow->consumed_bytes = flow->received_bytes;
    if (flow->is_closing) {
        if (wants_closed(flow))
            make_due(link, flow, true);
        return;
    }
    uint64_t untold = flow->consumed - flow->announced;
    uint64_t untold_bytes = flow->consumed_bytes - flow->announced_bytes;
    if (untold == 0)
        return;
    bool is_half = untold >= (link->options.flow_credit_messages + 1u) / 2 ||
                   untold_bytes >= link->options.flow_credit_bytes / 2 + 1u;
    bool is_last = is_empty && !RFI_PLANTED(10);
    if (!is_half && !is_last)
        return;
    flow->is_credit_due = true;
    make_due(link, flow, is_half);
}

void rfi_link_consumed(struct rfi_link *link, uint32_t inflow, uint32_t messages, size_t bytes)
{
    struct rfi_inflow *flow = rfi_link_find_inflow(link, inflow & (RFI_FLOWS_CAP - 1));
    if (flow != NULL && flow->number == inflow)
        rfi_link_count_consumed(link, flow, messages, bytes);
}

void rfi_link_reject(struct rfi_link *link, struct rfi_inflow *flow, size_t size, rf_err reason)
{
    if (flow->is_reject_due && flow->reject_reason != reason)
        rfi_frame_put_reject(&link->control, flow->id, flow->reject_reason, flow->rejected);
    flow->rejected++;
    flow->reject_reason = reason;
    flow->is_reject_due = true;
    rfi_link_count_consumed(link, flow, 1, size);
    flow->is_credit_due = true;
    make_due(link, flow, true);
}

void rfi_link_refused(struct rfi_link *link, uint32_t inflow, size_t size, rf_err reason)
{
    struct rfi_inflow *flow = rfi_link_find_inflow(link, inflow & (RFI_FLOWS_CAP - 1));
    if (flow != NULL && flow->number == inflow)
        rfi_link_reject(link, flow, size, reason);
}

/* ---- ends ---- */

static void tell_closed(struct rfi_link *link, struct rfi_inflow *flow)
{
    bool was_open = flow->is_open;
    flow->is_open = false;
    if (was_open && flow->refused == RF_OK)
        link->sink->on_flow_closed(link->owner, flow->number, flow->user);
    flow->user = NULL;
    if (!link->options.is_credit_kept) { /* nobody will report it */
        flow->consumed = flow->received;
        flow->consumed_bytes = flow->received_bytes;
    }
}

rf_err rfi_link_close_inflow(struct rfi_link *link, uint32_t id)
{
    rf_err err = reserve_id(link, id);
    if (err != RF_OK)
        return err;
    /* A flow that we do not know: its CLOSED, or its OPEN, was lost with a session. */
    if (link->inflows[id] == NULL) {
        struct rfi_inflow *unknown = make_inflow("", "", "");
        if (unknown == NULL)
            return RF_ENOMEM;
        unknown->id = id;
        link->inflows[id] = unknown;
    }
    struct rfi_inflow *flow = link->inflows[id];
    if (flow->is_close_asked)
        return RF_EPROTO;
    flow->is_closing = true;
    flow->is_close_asked = true;
    tell_closed(link, flow);
    if (wants_closed(flow))
        make_due(link, flow, true);
    return RF_OK;
}

void rfi_link_announce_credits(struct rfi_link *link)
{
    for (uint32_t i = 0; i < link->inflow_capacity; i++) {
        struct rfi_inflow *flow = link->inflows[i];
        if (flow == NULL || flow->is_closing)
            continue;
        flow->is_credit_due = flow->consumed > 0;
        flow->is_reject_due = flow->rejected > 0;
        if (flow->is_credit_due || flow->is_reject_due)
            make_due(link, flow, true);
    }
}

void rfi_link_close_inflows(struct rfi_link *link)
{
    for (uint32_t i = 0; i < link->inflow_capacity; i++) {
        struct rfi_inflow *flow = link->inflows[i];
        if (flow == NULL)
            continue;
        if (flow->is_due)
            unlink_due(link, flow);
        flow->is_credit_due = false;
        flow->is_reject_due = false;
        flow->is_close_asked = false;
        tell_closed(link, flow);
    }
    link->is_due_urgent = false;
    link->lazy_due_ns = UINT64_MAX;
}

void rfi_link_free_inflows(struct rfi_link *link)
{
    for (uint32_t i = 0; i < link->inflow_capacity; i++)
        free(link->inflows[i]);
    free(link->inflows);
    link->inflows = NULL;
    link->inflow_capacity = 0;
    link->due_first = NULL;
    link->due_last = NULL;
}
