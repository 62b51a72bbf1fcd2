/* SPDX-License-Identifier: MIT */
/* The intrusive many-producers, one-consumer queue.
 *
 *      tail -> n1 -> n2 -> ... -> nk <- head        (links run from old to new)
 *
 * Nodes belong to the queue from push until pop hands them back; `tail` and the stub's turns belong
 * to the consumer. Invariants: following `next` from `tail` leads to `head`, save where a producer
 * stands between its exchange and its link; the queue is empty exactly when tail and head are both
 * the stub. A producer never reads a node that it did not just replace as head, and it writes the
 * link of that node only, so a node whose `next` is set is out of every producer's reach.
 * It does not wake anyone: see inbox.c and the mailbox. */
#include "core/base/mpsc.h"

void rfi_mpsc_init(struct rfi_mpsc *queue)
{
    atomic_init(&queue->stub.next, NULL);
    atomic_init(&queue->head, &queue->stub);
    queue->tail = &queue->stub;
}

bool rfi_mpsc_push(struct rfi_mpsc *queue, struct rfi_mpsc_node *node)
{
    return rfi_mpsc_push_chain(queue, node, node);
}

bool rfi_mpsc_push_chain(struct rfi_mpsc *queue, struct rfi_mpsc_node *first,
                         struct rfi_mpsc_node *last)
{
    /* relaxed: the exchange below publishes it to the next producer, the link to the consumer */
    atomic_store_explicit(&last->next, NULL, memory_order_relaxed);
    /* [MQ1] seq_cst: hands `last` to the next producer, pairs with itself; and stands before the
     * producer's look at the sleep state in the one order that [IB2] argues with */
    struct rfi_mpsc_node *before =
        atomic_exchange_explicit(&queue->head, last, memory_order_seq_cst);
    /* [MQ2] release: publishes the nodes and what they carry; pairs with the acquires in pop */
    atomic_store_explicit(&before->next, first, memory_order_release);
    return before == &queue->stub;
}

static struct rfi_mpsc_node *load_next(struct rfi_mpsc_node *node)
{
    /* [MQ2] acquire: pairs with the release in push_chain */
    return atomic_load_explicit(&node->next, memory_order_acquire);
}

struct rfi_mpsc_node *rfi_mpsc_pop(struct rfi_mpsc *queue)
{
    struct rfi_mpsc_node *tail = queue->tail;
    struct rfi_mpsc_node *next = load_next(tail);
    if (tail == &queue->stub) {
        if (next == NULL)
            return NULL;
        queue->tail = next;
        tail = next;
        next = load_next(tail);
    }
    if (next == NULL) {
        /* `tail` is the newest node, or a producer has yet to link its successor.
         * relaxed: only equality counts; a stale answer means that a link is due, and we say NULL */
        if (tail != atomic_load_explicit(&queue->head, memory_order_relaxed))
            return NULL;
        /* Put the stub behind the last node, so that the node can leave. */
        (void)rfi_mpsc_push(queue, &queue->stub);
        next = load_next(tail);
        if (next == NULL)
            return NULL; /* somebody got in before the stub and has yet to link */
    }
    queue->tail = next;
    return tail;
}

bool rfi_mpsc_is_empty(const struct rfi_mpsc *queue)
{
    if (queue->tail != &queue->stub)
        return false;
    /* [MQ1] seq_cst: a push that comes earlier in the one order is seen here, see [IB2] */
    return atomic_load_explicit(&queue->head, memory_order_seq_cst) == &queue->stub;
}

bool rfi_mpsc_has_news(const struct rfi_mpsc *queue)
{
    /* [MQ1] seq_cst: as above; only an owner makes the stub the head again */
    return atomic_load_explicit(&queue->head, memory_order_seq_cst) != &queue->stub;
}
