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

#include <assert.h>
#include <stdlib.h>

enum { TAIL_BYTES_MIN = 2 << 10 }; /* fewer bytes are copied */

bool rfi_link_may_go_fast(const struct rfi_link *link)
{
    return link->peer_takes_fast && (link->gap_messages == 0 || RFI_PLANTED(17));
}

/* ---- the stage ---- */

static void unref_block(void *pointer)
{
    struct rfi_stage_block *block = pointer;
    /* [LG2] acq_rel: what was read of the bytes is over before they are written anew, or freed */
    if (block != NULL && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1)
        free(block);
}

/* One that nobody reads; NULL: out of memory. */
static struct rfi_stage_block *take_block(struct rfi_stage *stage)
{
    for (size_t i = 0; i < RFI_STAGE_BLOCKS; i++) {
        struct rfi_stage_block *block = stage->others[i];
        /* [LG2] acquire: pairs with the one in unref_block */
        if (block == NULL || atomic_load_explicit(&block->refs, memory_order_acquire) > 1)
            continue;
        stage->others[i] = NULL;
        block->used = 0;
        return block;
    }
    struct rfi_stage_block *block = malloc(sizeof *block);
    if (block == NULL)
        return NULL;
    atomic_init(&block->refs, 1);
    block->used = 0;
    return block;
}

/* A connection reads it now. */
static void leave_block(struct rfi_stage *stage)
{
    struct rfi_stage_block *block = stage->block;
    stage->block = NULL;
    for (size_t i = 0; i < RFI_STAGE_BLOCKS; i++)
        if (stage->others[i] == NULL) {
            stage->others[i] = block;
            return;
        }
    unref_block(block);
}

static struct rfi_buf view(struct rfi_stage_block *block)
{
    return (struct rfi_buf){
        .data = block->bytes, .size = block->used, .capacity = sizeof block->bytes};
}

size_t rfi_link_stage_room(struct rfi_link *link, const struct rfi_outflow *flow)
{
    struct rfi_stage *stage = &link->stage;
    if (!flow->is_fast || link->sent_count < link->ring_count || !rfi_link_may_go_fast(link))
        return 0;
    if (stage->block == NULL)
        stage->block = take_block(stage);
    if (stage->block == NULL)
        return 0; /* without memory it goes the long way */
    size_t heads = RFI_RUN_HEAD_MAX + (flow->is_announced ? 0 : RFI_OPEN_RECORD_MAX);
    size_t used = RFI_FRAME_HEAD_SIZE + stage->block->used + heads;
    size_t most = link->options.batch_bytes_max;
    most = most < RFI_STAGE_BYTES ? most : RFI_STAGE_BYTES;
    return used < most ? most - used : 0;
}

static void end_run(struct rfi_stage *stage)
{
    if (stage->flow != NULL) {
        struct rfi_buf bytes = view(stage->block);
        rfi_frame_set_run_count(&bytes, stage->count_at, stage->count);
    }
    stage->flow = NULL;
}

static void begin_run(struct rfi_stage *stage, struct rfi_outflow *flow, uint8_t kind)
{
    end_run(stage);
    struct rfi_buf bytes = view(stage->block);
    if (!flow->is_announced)
        rfi_frame_put_open(&bytes, flow->id, (uint8_t)flow->kind, flow->source_actor, flow->actor,
                           flow->port);
    flow->is_announced = true;
    stage->count_at = rfi_frame_begin_run(&bytes, flow->id, kind, RFI_RUN_FAST);
    assert(bytes.data == stage->block->bytes); /* RFI_STAGE_SPARE is enough for both */
    stage->block->used = (uint32_t)bytes.size;
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

/* Takes those at the front that have one size; how many. */
static size_t stage_row(struct rfi_link *link, struct rfi_outflow *flow,
                        rf_message *const *messages, size_t most)
{
    struct rfi_stage_block *block = link->stage.block;
    uint32_t size = messages[0]->size;
    uint8_t *at = block->bytes + block->used;
    size_t count = 0;
    for (; count < most && messages[count]->size == size; count++) {
        at = rfi_put_small(at, messages[count]->body, size);
        rf_message_unref(messages[count]);
    }
    block->used = (uint32_t)(at - block->bytes);
    count_spent(link, flow, size, count);
    flow->sent_bytes += count * size;
    link->stats.sent_bytes += count * size;
    return count;
}

void rfi_link_stage(struct rfi_link *link, struct rfi_outflow *flow, rf_message *const *messages,
                    size_t count)
{
    struct rfi_stage *stage = &link->stage;
    if (count == 0)
        return;
    if (stage->flow != flow || stage->kind != messages[0]->kind)
        begin_run(stage, flow, messages[0]->kind);
    for (size_t i = 0; i < count;)
        i += stage_row(link, flow, messages + i, count - i);
    stage->count += (uint32_t)count; /* fewer than the block has bytes */
    stage->messages += count;
    link->next_seq += count;
    link->fresh_seq += count;
    link->stats.sent_messages += count;
    flow->sent += count;
}

void rfi_link_clear_stage(struct rfi_link *link)
{
    struct rfi_stage *stage = &link->stage;
    stage->messages = 0;
    stage->flow = NULL;
    stage->is_close_due = false;
    if (stage->block != NULL)
        stage->block->used = 0;
}

void rfi_link_trim_stage(struct rfi_link *link)
{
    struct rfi_stage *stage = &link->stage;
    unref_block(stage->block);
    stage->block = NULL;
    for (size_t i = 0; i < RFI_STAGE_BLOCKS; i++) {
        unref_block(stage->others[i]);
        stage->others[i] = NULL;
    }
}

bool rfi_link_put_stage(struct rfi_link *link, struct rfi_buf *out, struct rfi_tail *out_tail)
{
    struct rfi_stage *stage = &link->stage;
    struct rfi_stage_block *block = stage->block;
    bool is_close_due = stage->is_close_due;
    bool is_tail = out_tail != NULL && block->used >= TAIL_BYTES_MIN;
    end_run(stage);
    if (is_tail) {
        /* relaxed: the stage has one */
        (void)atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
        *out_tail = (struct rfi_tail){
            .data = block->bytes, .size = block->used, .release = unref_block, .owner = block};
        leave_block(stage);
    } else {
        rfi_buf_append(out, block->bytes, block->used);
    }
    rfi_link_clear_stage(link);
    for (struct rfi_outflow *flow = link->flows_first; is_close_due && flow != NULL;
         flow = flow->next)
        if (flow->is_closed)
            rfi_link_finish_flow(link, flow);
    return is_tail;
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
