/* SPDX-License-Identifier: MIT */
/* Level fast: messages that are not kept once they were sent (link.h).
 *
 * An entry of the outbox that was sent at this level is spent: its message is gone, and what remains says of which flow
 * and size how many were sent. When a connection is lost, nobody knows how far they came. The first frame of the next
 * session tells: it has the peer's cursor as it is in this session, whereas that of the handshake may be older, when
 * another session was up meanwhile. What is spent and not behind that cursor did not arrive and never will: it is
 * counted, its flow gets the credit back, and its numbers become a gap, which the peer is told to skip.
 *
 * Small messages need no place in the outbox at all: they are written into the next frame at once (the stage), unless
 * older ones wait. One spent entry stands for a whole row of them.
 *
 * While a gap is not acknowledged, messages of level fast are kept like all others. So what is spent is of one session,
 * within the windows of its flows, and a peer can tell a skip that is too large. */
#include "net/link_internal.h"

#include <string.h>

bool rfi_link_may_go_fast(const struct rfi_link *link)
{
    return link->peer_takes_fast && (link->gap_messages == 0 || RFI_PLANTED(17));
}

/* ---- the stage ---- */

size_t rfi_link_stage_room(struct rfi_link *link, const struct rfi_outflow *flow)
{
    struct rfi_stage *stage = &link->stage;
    size_t used = stage->messages > 0 ? stage->bytes.size : RFI_FRAME_HEAD_SIZE;
    size_t heads = RFI_RUN_HEAD_MAX + (flow->is_announced ? 0 : RFI_OPEN_RECORD_MAX);
    if (!flow->is_fast || link->sent_count < link->ring_count || !rfi_link_may_go_fast(link) ||
        used + heads >= link->options.batch_bytes_max)
        return 0;
    return link->options.batch_bytes_max - used - heads;
}

static void end_run(struct rfi_stage *stage)
{
    if (stage->flow != NULL)
        rfi_frame_set_run_count(&stage->bytes, stage->count_at, stage->count);
    stage->flow = NULL;
}

static void begin_run(struct rfi_stage *stage, struct rfi_outflow *flow, uint8_t kind)
{
    end_run(stage);
    if (stage->messages == 0 &&
        rfi_buf_reserve(&stage->bytes, RFI_FRAME_HEAD_SIZE + stage->likely) != NULL)
        stage->bytes.size = RFI_FRAME_HEAD_SIZE;
    if (!flow->is_announced)
        rfi_frame_put_open(&stage->bytes, flow->id, (uint8_t)flow->kind, flow->source_actor,
                           flow->actor, flow->port);
    flow->is_announced = true;
    stage->count_at = rfi_frame_begin_run(&stage->bytes, flow->id, kind, RFI_RUN_FAST);
    stage->flow = flow;
    stage->kind = kind;
    stage->count = 0;
}

/* In the last entry, when it is one of these; or in a new one. */
static void count_spent(struct rfi_link *link, struct rfi_outflow *flow, uint32_t size,
                        size_t count)
{
    if (link->ring_count > 0) {
        struct rfi_entry *last = rfi_link_entry(link, link->ring_count - 1);
        if (last->is_spent && last->flow == flow && last->size == size) {
            last->count += count;
            return;
        }
    }
    link->ring_count++;
    link->sent_count++;
    link->ever_count++;
    link->spent_count++;
    flow->entries++;
    struct rfi_entry *entry = rfi_link_entry(link, link->ring_count - 1);
    entry->flow = flow;
    entry->count = count;
    entry->size = size;
    entry->is_spent = true;
}

/* Takes those at the front that are alike; how many. */
static size_t stage_row(struct rfi_link *link, struct rfi_outflow *flow,
                        rf_message *const *messages, size_t most)
{
    struct rfi_stage *stage = &link->stage;
    uint8_t kind = messages[0]->kind;
    uint32_t size = messages[0]->size;
    if (stage->flow != flow || stage->kind != kind || stage->count == RFI_RUN_MAX)
        begin_run(stage, flow, kind);
    if (most > RFI_RUN_MAX - stage->count)
        most = RFI_RUN_MAX - stage->count;
    uint8_t *at = rfi_buf_reserve(&stage->bytes, most * ((size_t)size + RFI_LOG_HEAD_MAX));
    if (at == NULL)
        link->failed = RF_ENOMEM; /* what is staged is lost with the session, and counted */
    size_t count = 0;
    for (; count < most; count++) {
        rf_message *msg = messages[count];
        if (msg->kind != kind || msg->size != size)
            break;
        if (at != NULL)
            at = rfi_put_small(at, msg->body, size);
        rf_message_unref(msg);
    }
    if (at != NULL)
        stage->bytes.size = (size_t)(at - stage->bytes.data);
    stage->count += (uint32_t)count;
    stage->messages += count;
    count_spent(link, flow, size, count);
    flow->sent_bytes += count * size;
    link->stats.sent_bytes += count * size;
    return count;
}

void rfi_link_stage(struct rfi_link *link, struct rfi_outflow *flow, rf_message *const *messages,
                    size_t count)
{
    for (size_t i = 0; i < count;)
        i += stage_row(link, flow, messages + i, count - i);
    link->next_seq += count;
    link->fresh_seq += count;
    link->stats.sent_messages += count;
    flow->sent += count;
}

void rfi_link_clear_stage(struct rfi_link *link)
{
    struct rfi_buf bytes = link->stage.bytes;
    rfi_buf_clear(&bytes);
    link->stage = (struct rfi_stage){.bytes = bytes, .likely = link->stage.likely};
}

void rfi_link_put_stage(struct rfi_link *link, struct rfi_buf *out, size_t start)
{
    struct rfi_stage *stage = &link->stage;
    bool is_close_due = stage->is_close_due;
    end_run(stage);
    stage->likely = stage->bytes.size;
    if (start == 0 && out->size == RFI_FRAME_HEAD_SIZE && !out->is_failed) {
        /* The frame has nothing but its head yet: it takes the place that was left for it. */
        struct rfi_buf head = *out;
        memcpy(stage->bytes.data, head.data, RFI_FRAME_HEAD_SIZE);
        *out = stage->bytes;
        stage->bytes = head;
    } else {
        rfi_buf_append(out, stage->bytes.data + RFI_FRAME_HEAD_SIZE,
                       stage->bytes.size - RFI_FRAME_HEAD_SIZE);
    }
    rfi_link_clear_stage(link);
    for (struct rfi_outflow *flow = link->flows_first; is_close_due && flow != NULL;
         flow = flow->next)
        if (flow->is_closed)
            rfi_link_finish_flow(link, flow);
}

/* ---- what was sent ---- */

void rfi_link_spend(struct rfi_link *link, struct rfi_entry *entry)
{
    rfi_link_release_entry(link, entry);
    link->ring_bytes -= entry->size;
    link->spent_count++;
    entry->is_spent = true;
    entry->count = 1;
    /* There is room in the outbox, and no acknowledgement need come to say so. */
    link->is_wake_due = link->is_wake_due || link->waiters_first != NULL;
}

void rfi_link_find_losses(struct rfi_link *link)
{
    for (size_t i = 0; i < link->ever_count; i++) {
        struct rfi_entry *entry = rfi_link_entry(link, i);
        struct rfi_outflow *flow = entry->flow;
        if (!entry->is_spent || flow == NULL)
            continue;
        if (!RFI_PLANTED(15)) {
            flow->sent -= entry->count;
            flow->sent_bytes -= entry->count * entry->size;
        }
        flow->lost += RFI_PLANTED(20) ? 1 : entry->count;
        flow->entries--;
        flow->to_send--;
        link->stats.lost_messages += entry->count;
        link->gap_messages += entry->count;
        entry->flow = NULL;
    }
}

void rfi_link_put_skip(struct rfi_link *link, struct rfi_buf *out)
{
    uint64_t messages = 0;
    while (link->sent_count < link->ever_count) {
        const struct rfi_entry *entry = rfi_link_entry(link, link->sent_count);
        if (entry->flow != NULL)
            break;
        messages += entry->count;
        link->sent_count++;
    }
    if (!RFI_PLANTED(13))
        rfi_frame_put_skip(out, messages + RFI_PLANTED(14));
    link->next_seq += messages;
}
