/* SPDX-License-Identifier: MIT */
/* The ring of a worker and the inject queue.
 *
 * Ring: `tail` is written by the owner alone, `head` is moved by compare-and-swap by whoever takes. A slot is
 * read before head is moved; if the owner has meanwhile used it again, then head has moved and the
 * compare-and-swap fails.
 *
 * Inject queue: chunks of pointers, linked, with one thread at a time at each end. Both ends have a try-lock for which nobody
 * waits: who finds the front locked goes away, who finds the back locked puts its token on a stack by
 * compare-and-swap, which is taken as a whole and turned round into `list`. Takers hand out from the chunks and the list in
 * turn. A chunk is read without touching the actors, so those that come next are fetched from memory while others
 * run: a million actors that are made ready at once are all cold. */
#include "core/actor/run_queue.h"
#include "core/actor/actor.h"
#include "core/base/pool.h"

enum { RING_MASK = RFI_RING_SIZE - 1, INJECT_SHARE = 32 };
_Static_assert(sizeof(struct rfi_inject_chunk) == 512, "a block of the pool");

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

/* ---- the inject queue ---- */

static struct rfi_inject_chunk *take_chunk(void)
{
    uint16_t size_class;
    struct rfi_inject_chunk *chunk = rfi_pool_alloc(sizeof *chunk, &size_class);
    if (chunk != NULL)
        chunk->next = NULL;
    return chunk;
}

static void put_chunk(struct rfi_inject_chunk *chunk)
{
    rfi_pool_free(chunk, rfi_pool_class(sizeof *chunk));
}

bool rfi_inject_init(struct rfi_inject *inject)
{
    inject->first = inject->last = take_chunk();
    return inject->first != NULL;
}

void rfi_inject_fini(struct rfi_inject *inject)
{
    while (inject->first != NULL) {
        struct rfi_inject_chunk *next = inject->first->next;
        put_chunk(inject->first);
        inject->first = next;
    }
}

static void push_on_stack(struct rfi_inject *inject, struct rfi_actor *actor)
{
    struct rfi_actor *top = atomic_load_explicit(&inject->stack, memory_order_relaxed);
    do {
        actor->run_next = top;
        /* [RQ3] release: publishes the actor; pairs with the acquire in refill_list
         * [SL1] seq_cst: (a) of NOTE sleep */
    } while (!atomic_compare_exchange_weak_explicit(&inject->stack, &top, actor,
                                                    memory_order_seq_cst, memory_order_relaxed));
}

/* A chunk that is full has its successor, so that takers find it. False: out of memory. */
static bool push_on_chunk(struct rfi_inject *inject, struct rfi_actor *actor)
{
    struct rfi_inject_chunk *chunk = inject->last;
    if (inject->last_count == RFI_INJECT_CHUNK - 1) {
        chunk->next = take_chunk();
        if (chunk->next == NULL)
            return false;
        inject->last = chunk->next;
    }
    chunk->actors[inject->last_count] = actor;
    inject->last_count = (inject->last_count + 1) % RFI_INJECT_CHUNK;
    uint64_t pushed = atomic_load_explicit(&inject->pushed, memory_order_relaxed); /* ours */
    /* [RQ3] release: publishes the place; pairs with the acquire in take_from_chunks
     * [SL1] seq_cst: (a) of NOTE sleep */
    atomic_store_explicit(&inject->pushed, pushed + 1, memory_order_seq_cst);
    return true;
}

void rfi_inject_push(struct rfi_runtime *runtime, struct rfi_actor *actor)
{
    struct rfi_inject *inject = &runtime->inject;
    /* [RQ4] acquire: what the last one did with the chunk; a look first, as the exchange takes the line away */
    if (atomic_load_explicit(&inject->is_pushing, memory_order_relaxed) ||
        atomic_exchange_explicit(&inject->is_pushing, true, memory_order_acquire)) {
        push_on_stack(inject, actor);
        return;
    }
    bool is_pushed = push_on_chunk(inject, actor);
    /* [RQ4] release: pairs with the acquire above */
    atomic_store_explicit(&inject->is_pushing, false, memory_order_release);
    if (!is_pushed)
        push_on_stack(inject, actor);
}

/* The stack, turned round. */
static struct rfi_actor *take_stack(struct rfi_inject *inject)
{
    /* [RQ3] acquire: pairs with the push */
    struct rfi_actor *newest = atomic_exchange_explicit(&inject->stack, NULL, memory_order_seq_cst);
    struct rfi_actor *list = NULL;
    while (newest != NULL) {
        struct rfi_actor *next = newest->run_next;
        newest->run_next = list;
        list = newest;
        newest = next;
    }
    return list;
}

static uint32_t take_from_list(struct rfi_inject *inject, struct rfi_actor **out, uint32_t max)
{
    struct rfi_actor *list = atomic_load_explicit(&inject->list, memory_order_relaxed); /* ours */
    if (list == NULL &&
        atomic_load_explicit(&inject->stack, memory_order_relaxed) != NULL) /* decided there */
        list = take_stack(inject);
    uint32_t count = 0;
    for (; count < max && list != NULL; count++) {
        out[count] = list;
        list = list->run_next;
    }
    atomic_store_explicit(&inject->list, list, memory_order_seq_cst); /* [SL1] (a) */
    return count;
}

static uint32_t take_from_chunks(struct rfi_inject *inject, struct rfi_actor **out, uint32_t max,
                                 uint64_t taken)
{
    /* [RQ3] acquire: pairs with the push */
    uint64_t there = atomic_load_explicit(&inject->pushed, memory_order_acquire) - taken;
    uint32_t count = there < max ? (uint32_t)there : max;
    for (uint32_t i = 0; i < count; i++) {
        struct rfi_inject_chunk *chunk = inject->first;
        out[i] = chunk->actors[inject->first_count];
        __builtin_prefetch(&out[i]->box, 1);
        __builtin_prefetch(&out[i]->run_next, 1); /* the second line */
        if (++inject->first_count < RFI_INJECT_CHUNK)
            continue;
        inject->first = chunk->next;
        inject->first_count = 0;
        put_chunk(chunk);
    }
    return count;
}

struct rfi_actor *rfi_inject_take(struct rfi_runtime *runtime, struct rfi_ring *own)
{
    struct rfi_inject *inject = &runtime->inject;
    struct rfi_actor *actors[INJECT_SHARE];
    if (!rfi_inject_has(runtime))
        return NULL;
    /* [RQ4] seq_cst: one worker at a time; pairs with the store below */
    if (atomic_exchange_explicit(&inject->is_taking, true, memory_order_seq_cst))
        return NULL;
    uint64_t taken = atomic_load_explicit(&inject->taken, memory_order_relaxed); /* ours */
    uint32_t room = RFI_RING_SIZE - rfi_ring_length(own) + 1; /* the first needs none */
    uint32_t max = room < INJECT_SHARE ? room : INJECT_SHARE;
    uint32_t listed = take_from_list(inject, actors, (max + 1) / 2);
    uint32_t count = listed + take_from_chunks(inject, actors + listed, max - listed, taken);
    for (uint32_t i = 1; i < count; i++)
        (void)rfi_ring_push(own, actors[i]); /* fits: nobody else pushes there */
    /* [SL1] seq_cst: (a) of NOTE sleep; they are in the ring before they are not here */
    atomic_store_explicit(&inject->taken, taken + (count - listed), memory_order_seq_cst);
    /* [RQ4] seq_cst: who failed to get the lock before this has its work seen by the caller, who looks
     * again when it ends its search */
    atomic_store_explicit(&inject->is_taking, false, memory_order_seq_cst);
    return count > 0 ? actors[0] : NULL;
}

bool rfi_inject_has(struct rfi_runtime *runtime)
{
    struct rfi_inject *inject = &runtime->inject;
    /* [SL1] seq_cst: (d) of NOTE sleep; taken first, so that it is never ahead */
    uint64_t taken = atomic_load_explicit(&inject->taken, memory_order_seq_cst);
    return atomic_load_explicit(&inject->pushed, memory_order_seq_cst) != taken ||
           atomic_load_explicit(&inject->stack, memory_order_seq_cst) != NULL ||
           atomic_load_explicit(&inject->list, memory_order_seq_cst) != NULL;
}
