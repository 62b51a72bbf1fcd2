/* SPDX-License-Identifier: MIT */
/* An intrusive, unbounded, lock-free queue: many producers, one consumer (after D. Vyukov).
 *
 * push: any thread, wait-free, one exchange. pop: the owner only. FIFO per producer, and over
 * producers in the order of their exchanges. A popped node belongs to the caller at once.
 * `pop` may answer NULL for a moment while a producer is between its two steps; `is_empty` tells
 * that case (false) from an empty queue (true), so that a consumer never sleeps over a node. */
#ifndef RFI_MPSC_H
#define RFI_MPSC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct rfi_mpsc_node {
    _Atomic(struct rfi_mpsc_node *) next;
};

struct rfi_mpsc {
    /* any thread */
    _Alignas(64) _Atomic(struct rfi_mpsc_node *) head; /* newest */
    /* owner: consumer */
    _Alignas(64) struct rfi_mpsc_node *tail; /* oldest */
    struct rfi_mpsc_node stub;
};

void rfi_mpsc_init(struct rfi_mpsc *queue);
/* Returns true when the queue was empty before (a hint: the consumer may need a wake-up). */
bool rfi_mpsc_push(struct rfi_mpsc *queue, struct rfi_mpsc_node *node);
/* Push a chain first..last, linked by `next`, with one exchange. */
bool rfi_mpsc_push_chain(struct rfi_mpsc *queue, struct rfi_mpsc_node *first,
                         struct rfi_mpsc_node *last);
struct rfi_mpsc_node *rfi_mpsc_pop(struct rfi_mpsc *queue);
bool rfi_mpsc_is_empty(const struct rfi_mpsc *queue); /* owner only */
/* Any thread: was something pushed since the owner found the queue empty, and nobody took it yet? */
bool rfi_mpsc_has_news(const struct rfi_mpsc *queue);

#endif
