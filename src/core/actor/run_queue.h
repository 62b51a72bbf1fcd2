/* SPDX-License-Identifier: MIT */
/* The queues of tokens: one ring for each worker, and the inject queue for all. */
#ifndef RFI_RUN_QUEUE_H
#define RFI_RUN_QUEUE_H

#include "core/actor/scheduler.h"

/* Owner only. False: full. */
bool rfi_ring_push(struct rfi_ring *ring, struct rfi_actor *actor);
/* Owner only; NULL: empty. */
struct rfi_actor *rfi_ring_pop(struct rfi_ring *ring);
/* Take half of another worker's ring: one is returned, the rest goes to `own`, which is the caller's. */
struct rfi_actor *rfi_ring_steal(struct rfi_ring *victim, struct rfi_ring *own);
bool rfi_ring_is_empty(const struct rfi_ring *ring);
/* How many are in it, for who only wants to know. */
static inline uint32_t rfi_ring_length(const struct rfi_ring *ring)
{
    /* relaxed: to look at; head first, so that the difference is not negative for long */
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t length = atomic_load_explicit(&ring->tail, memory_order_relaxed) - head;
    return length > RFI_RING_SIZE ? 0 : length;
}
/* Owner only: is nobody waiting there? */
static inline bool rfi_ring_looks_empty(const struct rfi_ring *ring)
{
    /* relaxed: tail is ours; head may have moved on, which makes no difference for fairness */
    return atomic_load_explicit(&ring->head, memory_order_relaxed) ==
           atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

bool rfi_inject_init(struct rfi_inject *inject); /* false: out of memory */
void rfi_inject_fini(struct rfi_inject *inject); /* what is still in it is forgotten */
/* Any thread. */
void rfi_inject_push(struct rfi_runtime *runtime, struct rfi_actor *actor);
/* A worker: the oldest is returned, some more go to its ring. NULL: empty, or another worker is at it, who
 * wakes somebody if more is left. */
struct rfi_actor *rfi_inject_take(struct rfi_runtime *runtime, struct rfi_ring *own);
bool rfi_inject_has(struct rfi_runtime *runtime);

#endif
