/* SPDX-License-Identifier: MIT */
/* The ring of a worker and the inject queue.
 *
 * Ring: `tail` is written by the owner alone, `head` is moved by compare-and-swap by whoever takes. A slot is
 * read before head is moved; if the owner has meanwhile used it again, then head has moved and the
 * compare-and-swap fails.
 *
 * Inject queue: a stack by compare-and-swap for the many who push; one worker at a time (a try-lock, nobody
 * waits for it) turns it round into `inject_list` and hands out from there in order. A long list is
 * turned once, so a million actors that are made ready at once cost no more than a million steps. */
#include "core/actor/run_queue.h"
#include "core/actor/actor.h"

enum { RING_MASK = RFI_RING_SIZE - 1, INJECT_SHARE = 32 };

bool rfi_ring_push(struct rfi_ring *ring, struct rfi_actor *actor)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* ours */
    /* [RQ2] acquire: the slot was read by who took it; pairs with the exchanges of head */
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (tail - head >= RFI_RING_SIZE)
        return false;
    atomic_store_explicit(&ring->slots[tail & RING_MASK], actor, memory_order_relaxed); /* [RQ1] */
    /* [RQ1] release: publishes the slot; pairs with the acquire of tail in rfi_ring_steal
     * [SL1] seq_cst: (a) of NOTE sleep */
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_seq_cst);
    return true;
}

struct rfi_actor *rfi_ring_pop(struct rfi_ring *ring)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* ours */
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* [RQ2] decides */
    while (head != tail) {
        struct rfi_actor *actor =
            atomic_load_explicit(&ring->slots[head & RING_MASK], memory_order_relaxed); /* ours */
        /* [RQ2] acq_rel: one taker for each place */
        if (atomic_compare_exchange_weak_explicit(&ring->head, &head, head + 1,
                                                  memory_order_acq_rel, memory_order_relaxed))
            return actor;
    }
    return NULL;
}

struct rfi_actor *rfi_ring_steal(struct rfi_ring *victim, struct rfi_ring *own)
{
    struct rfi_actor *loot[RFI_RING_SIZE / 2];
    /* [RQ2] acquire: head before tail, so that the difference is never negative for long */
    uint32_t head = atomic_load_explicit(&victim->head, memory_order_acquire);
    for (;;) {
        /* [RQ1] acquire: pairs with the release in rfi_ring_push */
        uint32_t count = atomic_load_explicit(&victim->tail, memory_order_acquire) - head;
        if (count == 0)
            return NULL;
        if (count > RFI_RING_SIZE) { /* head moved on between the two loads */
            head = atomic_load_explicit(&victim->head, memory_order_acquire);
            continue;
        }
        uint32_t take = count - count / 2;
        struct rfi_actor *first = atomic_load_explicit(&victim->slots[head & RING_MASK],
                                                       memory_order_relaxed); /* [RQ1] */
        for (uint32_t i = 1; i < take; i++)
            loot[i] = atomic_load_explicit(&victim->slots[(head + i) & RING_MASK],
                                           memory_order_relaxed); /* [RQ1] */
        /* [RQ2] acq_rel: all of them are ours, or none */
        if (!atomic_compare_exchange_weak_explicit(&victim->head, &head, head + take,
                                                   memory_order_acq_rel, memory_order_acquire))
            continue;
        for (uint32_t i = 1; i < take; i++)
            (void)rfi_ring_push(own, loot[i]); /* fits: a thief's ring is empty */
        return first;
    }
}

bool rfi_ring_is_empty(const struct rfi_ring *ring)
{
    /* [SL1] seq_cst: (d) of NOTE sleep */
    return atomic_load_explicit(&ring->head, memory_order_seq_cst) ==
           atomic_load_explicit(&ring->tail, memory_order_seq_cst);
}

void rfi_inject_push(struct rfi_runtime *runtime, struct rfi_actor *newest,
                     struct rfi_actor *oldest)
{
    struct rfi_actor *top = atomic_load_explicit(&runtime->inject, memory_order_relaxed);
    do {
        oldest->run_next = top;
        /* [RQ3] release: publishes the chain; pairs with the acquire in rfi_inject_take
         * [SL1] seq_cst: (a) of NOTE sleep */
    } while (!atomic_compare_exchange_weak_explicit(&runtime->inject, &top, newest,
                                                    memory_order_seq_cst, memory_order_relaxed));
}

static struct rfi_actor *turn_round(struct rfi_actor *newest)
{
    struct rfi_actor *list = NULL;
    while (newest != NULL) {
        struct rfi_actor *next = newest->run_next;
        newest->run_next = list;
        list = newest;
        newest = next;
    }
    return list;
}

struct rfi_actor *rfi_inject_take(struct rfi_runtime *runtime, struct rfi_ring *own)
{
    if (!rfi_inject_has(runtime))
        return NULL;
    /* [RQ4] seq_cst: one worker at a time; pairs with the store below */
    if (atomic_exchange_explicit(&runtime->is_inject_taken, true, memory_order_seq_cst))
        return NULL;
    struct rfi_actor *list = atomic_load_explicit(&runtime->inject_list, memory_order_relaxed);
    if (list == NULL)
        /* [RQ3] acquire: pairs with the push */
        list = turn_round(atomic_exchange_explicit(&runtime->inject, NULL, memory_order_seq_cst));
    struct rfi_actor *taken = list;
    if (list != NULL)
        list = list->run_next;
    for (int i = 1; i < INJECT_SHARE && list != NULL; i++) {
        struct rfi_actor *next = list->run_next; /* before a thief can have it */
        if (!rfi_ring_push(own, list))
            break;
        list = next;
    }
    atomic_store_explicit(&runtime->inject_list, list, memory_order_seq_cst); /* [SL1] (a) */
    /* [RQ4] seq_cst: who failed to get the lock before this has its work seen by the caller, who looks
     * again when it ends its search */
    atomic_store_explicit(&runtime->is_inject_taken, false, memory_order_seq_cst);
    return taken;
}

bool rfi_inject_has(struct rfi_runtime *runtime)
{
    /* [SL1] seq_cst: (d) of NOTE sleep */
    return atomic_load_explicit(&runtime->inject, memory_order_seq_cst) != NULL ||
           atomic_load_explicit(&runtime->inject_list, memory_order_seq_cst) != NULL;
}
