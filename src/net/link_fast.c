/* SPDX-License-Identifier: MIT */
/* Level fast: messages that are not kept once they were sent (link.h).
 *
 * An entry of the outbox that was sent at this level is spent: its message is gone, and what remains says of which flow
 * and size how many were sent. When a connection is lost, nobody knows how far they came. The first frame of the next
 * session tells: it has the peer's cursor as it is in this session, whereas that of the handshake may be older, when
 * another session was up meanwhile. What is spent and not behind that cursor did not arrive and never will: it is
 * counted, its flow gets the credit back, and its numbers become a gap, which the peer is told to skip.
 *
 * While a gap is not acknowledged, messages of level fast are kept like all others. So what is spent is of one session,
 * within the windows of its flows, and a peer can tell a skip that is too large. */
#include "net/link_internal.h"

bool rfi_link_may_go_fast(const struct rfi_link *link)
{
    return link->peer_takes_fast && (link->gap_messages == 0 || RFI_PLANTED(17));
}

void rfi_link_spend(struct rfi_link *link, struct rfi_entry *entry)
{
    rfi_link_release_entry(link, entry);
    link->ring_bytes -= entry->size;
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
        flow->lost += entry->count;
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
