/* SPDX-License-Identifier: MIT */
/* The flows that a link sends: their numbers, their credit, and who waits for room.
 *
 * A flow belongs to its link and lives until its owner has closed it, its last entry has left the outbox, and
 * the peer has given its number back. It gets a number of the peer's table with its first message and
 * keeps it over sessions with the same life of the peer; OPEN is told anew in each session.
 *
 * Whoever finds no room is remembered by what it lacks. Those that lack room in the outbox stand in a
 * queue, and nobody passes the queue, so that a large message is not starved by small ones. The queue
 * cannot stand still: nobody joins it while the outbox is empty, and an outbox that holds something gets
 * an acknowledgement or loses its session. */
#include "core/base/diag.h"
#include "net/link_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_IDS = 16 };

/* ---- life ---- */

struct rfi_outflow *rfi_link_open_flow(struct rfi_link *link, enum rfi_flow_kind kind,
                                       const char *source_actor, const char *actor,
                                       const char *port, void *user)
{
    const char *source = source_actor != NULL ? source_actor : "";
    size_t source_size = strlen(source) + 1;
    size_t actor_size = strlen(actor) + 1;
    size_t port_size = strlen(port) + 1;
    struct rfi_outflow *flow = calloc(1, sizeof *flow + source_size + actor_size + port_size);
    if (flow == NULL)
        return NULL;
    char *text = (char *)(flow + 1);
    memcpy(text, source, source_size);
    memcpy(text + source_size, actor, actor_size);
    memcpy(text + source_size + actor_size, port, port_size);
    flow->source_actor = text;
    flow->actor = text + source_size;
    flow->port = text + source_size + actor_size;
    flow->is_named_well = rfi_source_is_valid(source) && rfi_name_is_valid(actor, actor_size - 1) &&
                          rfi_name_is_valid(port, port_size - 1);
    flow->kind = kind;
    flow->is_fast = link->options.is_fast;
    flow->user = user;
    flow->id = RFI_NO_FLOW;
    flow->prev = link->flows_last;
    if (flow->prev != NULL)
        flow->prev->next = flow;
    else
        link->flows_first = flow;
    link->flows_last = flow;
    return flow;
}

static void free_flow(struct rfi_link *link, struct rfi_outflow *flow)
{
    if (flow->prev != NULL)
        flow->prev->next = flow->next;
    else
        link->flows_first = flow->next;
    if (flow->next != NULL)
        flow->next->prev = flow->prev;
    else
        link->flows_last = flow->prev;
    free(flow);
}

/* Free the closed flows that nothing names any more; only when no entry point walks over flows. */
static void sweep(struct rfi_link *link)
{
    link->is_sweep_due = false;
    struct rfi_outflow *next;
    for (struct rfi_outflow *flow = link->flows_first; flow != NULL; flow = next) {
        next = flow->next;
        if (flow->is_closed && flow->entries == 0 && flow->id == RFI_NO_FLOW)
            free_flow(link, flow);
    }
}

void rfi_link_finish_flow(struct rfi_link *link, struct rfi_outflow *flow)
{
    if (flow->id == RFI_NO_FLOW) {
        link->is_sweep_due = link->is_sweep_due || flow->entries == 0;
    } else if (link->stage.messages > 0 && !RFI_PLANTED(21)) {
        link->stage.is_close_due = true; /* control records go first in a frame */
    } else if (flow->to_send == 0 && link->has_settings && !flow->is_close_sent) {
        rfi_frame_put_flow(&link->control, RFI_RECORD_CLOSE, flow->id);
        flow->is_close_sent = true;
    }
}

static void set_wait(struct rfi_link *link, struct rfi_outflow *flow, enum rfi_wait wait)
{
    if (flow->wait == wait)
        return;
    if (flow->wait == RFI_WAIT_NUMBER)
        link->number_waiting--;
    if (flow->wait == RFI_WAIT_LINK) {
        if (flow->wait_prev != NULL)
            flow->wait_prev->wait_next = flow->wait_next;
        else
            link->waiters_first = flow->wait_next;
        if (flow->wait_next != NULL)
            flow->wait_next->wait_prev = flow->wait_prev;
        else
            link->waiters_last = flow->wait_prev;
        flow->wait_prev = NULL;
        flow->wait_next = NULL;
    }
    flow->wait = wait;
    if (wait == RFI_WAIT_NUMBER)
        link->number_waiting++;
    if (wait == RFI_WAIT_LINK) {
        flow->wait_round = link->wake_round;
        flow->wait_prev = link->waiters_last;
        if (flow->wait_prev != NULL)
            flow->wait_prev->wait_next = flow;
        else
            link->waiters_first = flow;
        link->waiters_last = flow;
    }
}

void rfi_link_close_flow(struct rfi_link *link, struct rfi_outflow *flow)
{
    if (flow == NULL || flow->is_closed)
        return;
    flow->is_closed = true;
    set_wait(link, flow, RFI_WAIT_NONE);
    if (link->waking == flow)
        link->waking = NULL;
    rfi_link_finish_flow(link, flow);
    if (link->depth == 0 && link->is_sweep_due)
        sweep(link);
}

void rfi_link_free_outflows(struct rfi_link *link)
{
    for (size_t i = 0; i < link->ring_count; i++)
        rfi_link_release_entry(link, rfi_link_entry(link, i));
    rfi_log_trim(&link->log);
    free(link->ring);
    struct rfi_outflow *next;
    for (struct rfi_outflow *flow = link->flows_first; flow != NULL; flow = next) {
        next = flow->next;
        free(flow);
    }
    free(link->by_id);
    free(link->free_ids);
}

/* ---- numbers ---- */

static uint32_t ids_max(const struct rfi_link *link)
{
    return link->peer_flows_max < RFI_FLOWS_CAP ? link->peer_flows_max : RFI_FLOWS_CAP;
}

bool rfi_link_has_free_id(const struct rfi_link *link)
{
    return link->free_id_count > 0 || link->ids_used < ids_max(link);
}

rf_err rfi_link_assign_id(struct rfi_link *link, struct rfi_outflow *flow)
{
    if (link->free_id_count == 0 && link->ids_used == link->id_capacity) {
        uint32_t capacity = link->id_capacity == 0 ? FIRST_IDS : link->id_capacity * 2;
        struct rfi_outflow **by_id = realloc(link->by_id, capacity * sizeof(struct rfi_outflow *));
        if (by_id == NULL)
            return RF_ENOMEM;
        link->by_id = by_id;
        uint32_t *free_ids = realloc(link->free_ids, capacity * sizeof *free_ids);
        if (free_ids == NULL)
            return RF_ENOMEM;
        link->free_ids = free_ids;
        link->id_capacity = capacity;
    }
    flow->id = link->free_id_count > 0 ? link->free_ids[--link->free_id_count] : link->ids_used++;
    link->by_id[flow->id] = flow;
    return RF_OK;
}

struct rfi_outflow *rfi_link_find_outflow(struct rfi_link *link, uint64_t id)
{
    return id < link->ids_used ? link->by_id[id] : NULL;
}

static void forget_id(struct rfi_outflow *flow)
{
    flow->id = RFI_NO_FLOW;
    flow->is_close_sent = false;
    flow->sent = 0;
    flow->sent_bytes = 0;
    flow->consumed = 0;
    flow->consumed_bytes = 0;
    flow->rejected = 0;
}

void rfi_link_release_id(struct rfi_link *link, struct rfi_outflow *flow)
{
    link->by_id[flow->id] = NULL;
    link->free_ids[link->free_id_count++] = flow->id;
    forget_id(flow);
    link->is_sweep_due = true;
    if (link->number_waiting == 0)
        return;
    for (struct rfi_outflow *at = link->flows_first; at != NULL; at = at->next)
        if (at->wait == RFI_WAIT_NUMBER)
            set_wait(link, at, RFI_WAIT_LINK);
    link->is_wake_due = true;
}

void rfi_link_forget_ids(struct rfi_link *link)
{
    for (struct rfi_outflow *flow = link->flows_first; flow != NULL; flow = flow->next)
        forget_id(flow);
    link->ids_used = 0;
    link->free_id_count = 0;
    link->is_sweep_due = true;
}

/* ---- room ---- */

bool rfi_link_has_credit(const struct rfi_link *link, const struct rfi_outflow *flow, uint64_t more,
                         uint64_t more_bytes, size_t size)
{
    uint64_t outstanding = flow->sent - flow->consumed + more;
    uint64_t bytes = flow->sent_bytes - flow->consumed_bytes + more_bytes;
    if (outstanding >= link->window)
        return false;
    /* One that is larger than the window goes alone. */
    return outstanding == 0 || bytes + size <= link->window_bytes;
}

enum rfi_wait rfi_link_find_obstacle(const struct rfi_link *link, const struct rfi_outflow *flow,
                                     size_t size)
{
    if (!link->has_settings || link->failed != RF_OK)
        return RFI_WAIT_SESSION;
    if (flow->id == RFI_NO_FLOW && !rfi_link_has_free_id(link))
        return RFI_WAIT_NUMBER;
    uint64_t waiting = RFI_PLANTED(8) ? 0 : flow->waiting;
    uint64_t waiting_bytes = RFI_PLANTED(8) ? 0 : flow->waiting_bytes;
    if (!rfi_link_has_credit(link, flow, waiting, waiting_bytes, size))
        return RFI_WAIT_CREDIT;
    if (link->ring_count >= link->options.outbox_messages_max)
        return RFI_WAIT_LINK;
    if (link->ring_count > 0 && link->ring_bytes + size > link->options.link_credit_bytes)
        return RFI_WAIT_LINK;
    return RFI_WAIT_NONE;
}

bool rfi_link_has_room(struct rfi_link *link, struct rfi_outflow *flow, size_t size)
{
    if (!flow->is_named_well || (link->is_up && size > link->peer_message_bytes_max))
        return true; /* it can never go: rfi_link_send tells why */
    enum rfi_wait obstacle = rfi_link_find_obstacle(link, flow, size);
    bool has_queue = link->waiters_first != NULL && link->waiters_first != flow;
    /* With an empty outbox no acknowledgement would come to wake whoever joins the queue. */
    if (obstacle == RFI_WAIT_NONE && has_queue && link->waking != flow && link->ring_count > 0)
        obstacle = RFI_WAIT_LINK;
    flow->wait_size = size;
    set_wait(link, flow, obstacle);
    return obstacle == RFI_WAIT_NONE;
}

void rfi_link_park_waiters(struct rfi_link *link)
{
    while (link->waiters_first != NULL)
        set_wait(link, link->waiters_first, RFI_WAIT_SESSION);
}

void rfi_link_unpark_waiters(struct rfi_link *link)
{
    for (struct rfi_outflow *flow = link->flows_first; flow != NULL; flow = flow->next)
        if (flow->wait != RFI_WAIT_NONE)
            set_wait(link, flow, RFI_WAIT_LINK);
    link->is_wake_due = true;
}

void rfi_link_flow_credited(struct rfi_link *link, struct rfi_outflow *flow)
{
    if (flow->wait != RFI_WAIT_CREDIT || RFI_PLANTED(11))
        return;
    set_wait(link, flow, RFI_WAIT_LINK);
    link->is_wake_due = true;
}

/* One round over those who wait now; who asks again in its on_room belongs to the next round. */
static void wake(struct rfi_link *link)
{
    link->is_wake_due = false;
    link->wake_round++;
    while (link->waiters_first != NULL && link->waiters_first->wait_round != link->wake_round) {
        struct rfi_outflow *flow = link->waiters_first;
        enum rfi_wait obstacle = rfi_link_find_obstacle(link, flow, flow->wait_size);
        if (obstacle == RFI_WAIT_LINK)
            return;
        set_wait(link, flow, obstacle);
        if (obstacle != RFI_WAIT_NONE)
            continue;
        link->waking = flow;
        link->sink->on_room(link->owner, flow, flow->user);
        link->waking = NULL;
    }
}

void rfi_link_enter(struct rfi_link *link)
{
    link->depth++;
}

void rfi_link_leave(struct rfi_link *link)
{
    if (link->depth == 1 && link->is_wake_due && link->has_settings)
        wake(link);
    link->depth--;
    if (link->depth == 0 && link->is_sweep_due)
        sweep(link);
}
