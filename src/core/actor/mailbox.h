/* SPDX-License-Identifier: MIT */
/* A mailbox: a lock-free, intrusive queue of deliveries with many producers and one consumer, which
 * also says whether its consumer has to be scheduled. Actors, outlets and event subscriptions have one.
 *
 * Everything that producers and the consumer must agree on is in one word, so that each step is one
 * compare-and-swap and no pair of words has to be kept in step:
 *
 *   bit 63       62     61        60..45   44..0
 *   [ closed ] [ busy ] [ waits ] [ count ] [ address of the newest delivery, divided by 8 ]
 *
 *   busy    somebody has the token: the consumer runs, or is queued, or is parked. The producer that
 *           turns busy on has the duty to schedule the consumer (RFI_PUSH_FIRST).
 *   closed  nothing more is taken. Never cleared. The token is never given back.
 *   waits   a muted producer stands in `waiters` and is to be woken when there is room.
 *   count   deliveries on the stack, saturating; beyond it, `overflow` counts exactly.
 *
 * Producers push on a stack; the consumer takes the whole stack at once, turns it round into its private
 * list (`first`, `held` long) and works on that. Order is that of the pushes. Unlike Vyukov's queue
 * (core/base/mpsc.h) a push is visible in one step: the consumer never meets a node that is counted
 * but not yet linked, needs no stub, and takes a run of messages with one atomic operation.
 * A push after close is refused exactly: whatever was accepted before is seen by the consumer.
 *
 * A producer that has several deliveries for the box pushes them as a run, chained from the newest to the oldest,
 * in the same one step. A worker that finds the box idle takes the token instead (rfi_mailbox_enter) and puts
 * its run straight into the private list: it is the consumer now, or the one who schedules it.
 *
 * The bound is soft: a push is never refused for fullness here. Who pushes looks at the depth.
 *
 * Messages of RFI_BOX_LARGE bytes and more are weighed as well as counted: the box is also full when they
 * hold more than RFI_BOX_LARGE bytes for each message of its capacity. So a mailbox of 64 KiB chunks is
 * bounded in memory too, and small messages pay nothing for it. */
#ifndef RFI_MAILBOX_H
#define RFI_MAILBOX_H

#include "core/message/message_internal.h"
#include <stdint.h>

struct rfi_mailbox;
struct rfi_actor;

/* What the owner of a mailbox is. */
struct rfi_mailbox_ops {
    /* A producer turned busy on: get the consumer to run. Any thread; must not block. */
    void (*schedule)(struct rfi_mailbox *box);
    /* The last reference is gone. */
    void (*destroy)(struct rfi_mailbox *box);
    /* Names for events: the owner's id and the name of its in-port. */
    void (*describe)(const struct rfi_mailbox *box, uint32_t port, const char **out_id,
                     const char **out_port);
};

struct rfi_mailbox {
    /* set once, then read by all */
    const struct rfi_mailbox_ops *ops;
    uint32_t capacity;
    /* any thread */
    _Atomic(uint32_t) refs;
    _Atomic(uint64_t) word;
    _Atomic(struct rfi_actor *) waiters; /* muted producers, linked by run_next */
    _Atomic(uint32_t) overflow;          /* deliveries on the stack that `count` cannot show */
    _Atomic(uint32_t) system_count;      /* deliveries in here that are no messages */
    /* owner: the consumer (others may read `held`) */
    _Atomic(int32_t) large;      /* weight of the large messages in here; any thread */
    _Atomic(uint32_t) held;      /* length of the private list */
    struct rfi_mpsc_node *first; /* oldest of the private list; NULL: it is empty */
    struct rfi_mpsc_node *last;  /* newest, when it is not empty */
};

#define RFI_BOX_CLOSED (UINT64_C(1) << 63)
#define RFI_BOX_BUSY   (UINT64_C(1) << 62)
#define RFI_BOX_WAITS  (UINT64_C(1) << 61)
#define RFI_BOX_FLAGS  (RFI_BOX_CLOSED | RFI_BOX_BUSY | RFI_BOX_WAITS)
#define RFI_BOX_NODE   ((UINT64_C(1) << 45) - 1)
enum { RFI_BOX_COUNT_SHIFT = 45, RFI_BOX_COUNT_MAX = 0xffff };
enum { RFI_BOX_LARGE = 1024, RFI_BOX_UNIT = 64 }; /* bytes */

enum rfi_push {
    RFI_PUSH_REFUSED, /* closed; the node is still the caller's */
    RFI_PUSH_QUEUED,
    RFI_PUSH_FIRST /* the caller must schedule the consumer */
};

static inline uint32_t rfi_box_count(uint64_t word)
{
    return (uint32_t)(word >> RFI_BOX_COUNT_SHIFT) & RFI_BOX_COUNT_MAX;
}

static inline struct rfi_mpsc_node *rfi_box_node(uint64_t word)
{
    /* Addresses of user space have 48 bits at most, deliveries are aligned to 8.
     * NOLINTNEXTLINE(performance-no-int-to-ptr): see the picture above */
    return (struct rfi_mpsc_node *)(uintptr_t)((word & RFI_BOX_NODE) << 3);
}

/* What a delivery counts for in `large`: mostly nothing. */
static inline int32_t rfi_box_weight(const struct rfi_mpsc_node *node)
{
    const rf_message *msg = ((const struct rfi_delivery *)(const void *)node)->msg;
    return msg != NULL && msg->size >= RFI_BOX_LARGE ? (int32_t)(msg->size / RFI_BOX_UNIT) : 0;
}

static inline void rfi_mailbox_weigh(struct rfi_mailbox *box, int32_t weight)
{
    /* relaxed: a bound that may be told a moment late */
    if (__builtin_expect(weight != 0, 0))
        atomic_fetch_add_explicit(&box->large, weight, memory_order_relaxed);
}

/* Large messages hold more than `share` of what the capacity stands for. */
static inline bool rfi_mailbox_is_heavy(const struct rfi_mailbox *box, uint32_t share)
{
    return atomic_load_explicit(&box->large, memory_order_relaxed) > /* as above */
           (int64_t)share * (RFI_BOX_LARGE / RFI_BOX_UNIT);
}

/* busy: is the token out from the beginning (the creator then schedules the consumer)? `refs` are written last. */
void rfi_mailbox_init(struct rfi_mailbox *box, const struct rfi_mailbox_ops *ops, uint32_t capacity,
                      bool is_busy, uint32_t refs);

static inline void rfi_mailbox_ref(struct rfi_mailbox *box)
{
    /* relaxed: who copies a reference has one already */
    atomic_fetch_add_explicit(&box->refs, 1, memory_order_relaxed);
}

/* Take a reference without having one, of memory that is, was, or will be a mailbox's. False: nobody has one. */
static inline bool rfi_mailbox_try_ref(struct rfi_mailbox *box)
{
    uint32_t refs = atomic_load_explicit(&box->refs, memory_order_relaxed); /* decided below */
    while (refs != 0)
        /* [DR2] acquire: the box is complete; pairs with the release in rfi_mailbox_init */
        if (atomic_compare_exchange_weak_explicit(&box->refs, &refs, refs + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

void rfi_mailbox_unref(struct rfi_mailbox *box);

/* Saturated stack: the slow part of rfi_mailbox_push_run. */
enum rfi_push rfi_mailbox_push_overflow(struct rfi_mailbox *box, struct rfi_mpsc_node *newest,
                                        struct rfi_mpsc_node *oldest, uint32_t length);

/* Any thread: push `length` deliveries, linked by next from `newest` to `oldest`, as one step; all are taken or
 * none. The caller has weighed them (rfi_mailbox_weigh), and takes that back when they are refused.
 * `*out_count` is the length of the stack (not of the private list) after the push. */
static inline enum rfi_push rfi_mailbox_push_run(struct rfi_mailbox *box,
                                                 struct rfi_mpsc_node *newest,
                                                 struct rfi_mpsc_node *oldest, uint32_t length,
                                                 uint32_t *out_count)
{
    /* relaxed: the compare-and-swap decides */
    uint64_t old = atomic_load_explicit(&box->word, memory_order_relaxed);
    uint64_t top = (uint64_t)(uintptr_t)newest >> 3;
    uint64_t next;
    do {
        uint64_t count = (uint64_t)rfi_box_count(old) + length;
        if (__builtin_expect((old & RFI_BOX_CLOSED) != 0, 0))
            return RFI_PUSH_REFUSED;
        if (__builtin_expect(count > RFI_BOX_COUNT_MAX, 0))
            return *out_count = RFI_BOX_COUNT_MAX,
                   rfi_mailbox_push_overflow(box, newest, oldest, length);
        /* relaxed: published by the exchange below */
        atomic_store_explicit(&oldest->next, rfi_box_node(old), memory_order_relaxed);
        next = (old & RFI_BOX_WAITS) | RFI_BOX_BUSY | (count << RFI_BOX_COUNT_SHIFT) | top;
        /* [MB1] release: publishes the deliveries and what their sender did before; pairs with the
         * acquire in rfi_mailbox_take and rfi_mailbox_release. [MB2] acquire: who gets the token
         * passes on what the last run did */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    *out_count = rfi_box_count(next);
    return (old & RFI_BOX_BUSY) != 0 ? RFI_PUSH_QUEUED : RFI_PUSH_FIRST;
}

/* Any thread: push one delivery. `*out_count` as above. */
static inline enum rfi_push rfi_mailbox_push(struct rfi_mailbox *box, struct rfi_mpsc_node *node,
                                             uint32_t *out_count)
{
    int32_t weight = rfi_box_weight(node);
    rfi_mailbox_weigh(box, weight); /* before the consumer can see it */
    enum rfi_push pushed = rfi_mailbox_push_run(box, node, node, 1, out_count);
    if (__builtin_expect(pushed == RFI_PUSH_REFUSED, 0))
        rfi_mailbox_weigh(box, -weight);
    return pushed;
}

/* Become the consumer of a box that is idle, open and empty. False: it is not, push instead. */
static inline bool rfi_mailbox_enter(struct rfi_mailbox *box)
{
    /* relaxed: a look that saves the exchange; a stale one fails there */
    uint64_t idle = atomic_load_explicit(&box->word, memory_order_relaxed);
    /* [MB2] acquire: what the last run did, as in a push that turns busy on */
    return idle == 0 &&
           atomic_compare_exchange_strong_explicit(&box->word, &idle, RFI_BOX_BUSY,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* Consumer whose stack was empty a moment ago: put a run behind the private list, which is read before the stack.
 * The run is linked from `oldest` to `newest` and weighed already. */
static inline void rfi_mailbox_append_run(struct rfi_mailbox *box, struct rfi_mpsc_node *oldest,
                                          struct rfi_mpsc_node *newest, uint32_t length)
{
    atomic_store_explicit(&newest->next, NULL, memory_order_relaxed); /* ours */
    if (box->first == NULL)
        box->first = oldest;
    else
        atomic_store_explicit(&box->last->next, oldest, memory_order_relaxed); /* ours */
    box->last = newest;
    uint32_t held = atomic_load_explicit(&box->held, memory_order_relaxed);
    atomic_store_explicit(&box->held, held + length, memory_order_relaxed); /* to look at */
}

/* A run in the order of its making, linked the other way round for a push. Returns the newest. */
static inline struct rfi_mpsc_node *rfi_run_turn(struct rfi_mpsc_node *oldest, uint32_t length)
{
    struct rfi_mpsc_node *list = NULL;
    for (struct rfi_mpsc_node *node = oldest; length > 0; length--) {
        struct rfi_mpsc_node *next =
            length == 1 ? NULL : atomic_load_explicit(&node->next, memory_order_relaxed);
        atomic_store_explicit(&node->next, list, memory_order_relaxed); /* ours, all */
        list = node;
        node = next;
    }
    return list;
}

/* Consumer: move the stack to the private list, which must be empty. False: nothing came. */
bool rfi_mailbox_take(struct rfi_mailbox *box);

/* Consumer: the next delivery, NULL when there is none now. */
static inline struct rfi_delivery *rfi_mailbox_pop(struct rfi_mailbox *box)
{
    if (box->first == NULL && !rfi_mailbox_take(box))
        return NULL;
    struct rfi_mpsc_node *node = box->first;
    box->first = atomic_load_explicit(&node->next, memory_order_relaxed); /* our own list */
    __builtin_prefetch(box->first);
    uint32_t held = atomic_load_explicit(&box->held, memory_order_relaxed);
    /* relaxed: a number for others to look at */
    atomic_store_explicit(&box->held, held - 1, memory_order_relaxed);
    rfi_mailbox_weigh(box, -rfi_box_weight(node));
    return (struct rfi_delivery *)(void *)node; /* a node is its delivery */
}

/* Consumer with an empty private list: give the token back. False: something came, or the box is closed, or
 * waits is set: look again. After true the consumer must not touch the box, unless it has a
 * reference of its own. */
static inline bool rfi_mailbox_release(struct rfi_mailbox *box)
{
    uint64_t busy = RFI_BOX_BUSY;
    /* [MB2] release: what the consumer did is seen by its next run; pairs with the acquire of the push
     * that turns busy on. acquire: [MB1] */
    return atomic_compare_exchange_strong_explicit(&box->word, &busy, 0, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/* Any thread: refuse pushes from now on. True: the box was idle, the caller now has the token and must
 * schedule the consumer, or be it. `*out_was_closed` (may be NULL): somebody closed it before. */
bool rfi_mailbox_close(struct rfi_mailbox *box, bool *out_was_closed);

static inline uint64_t rfi_mailbox_word(const struct rfi_mailbox *box)
{
    /* [MB3] acquire: pairs with the release of close, so that the closer's writes are seen */
    return atomic_load_explicit(&box->word, memory_order_acquire);
}

static inline bool rfi_mailbox_is_closed(const struct rfi_mailbox *box)
{
    return (rfi_mailbox_word(box) & RFI_BOX_CLOSED) != 0;
}

/* The word to look at, where an old one does no harm. */
static inline uint64_t rfi_mailbox_glance(const struct rfi_mailbox *box)
{
    return atomic_load_explicit(&box->word, memory_order_relaxed); /* as the comment says */
}

/* Consumer: has everything that was pushed been taken from the stack, and is the box open? */
static inline bool rfi_mailbox_is_taken(const struct rfi_mailbox *box)
{
    return (rfi_mailbox_glance(box) & (RFI_BOX_NODE | RFI_BOX_CLOSED)) == 0;
}

/* Deliveries waiting when the word was `word`, system deliveries included. Any thread. */
static inline size_t rfi_mailbox_depth_at(const struct rfi_mailbox *box, uint64_t word)
{
    size_t count = rfi_box_count(word);
    if (__builtin_expect(count == RFI_BOX_COUNT_MAX, 0))
        count += atomic_load_explicit(&box->overflow, memory_order_relaxed); /* to look at */
    return count + atomic_load_explicit(&box->held, memory_order_relaxed);   /* likewise */
}

/* Deliveries waiting, system deliveries included. Any thread. */
size_t rfi_mailbox_depth(const struct rfi_mailbox *box);
/* Messages waiting. Any thread. */
size_t rfi_mailbox_length(const struct rfi_mailbox *box);

/* Is the box over its capacity? */
static inline bool rfi_mailbox_is_over(const struct rfi_mailbox *box)
{
    if (__builtin_expect(rfi_mailbox_is_heavy(box, box->capacity), 0))
        return true;
    if (__builtin_expect(rfi_mailbox_depth_at(box, rfi_mailbox_glance(box)) <= box->capacity, 1))
        return false;
    return rfi_mailbox_length(box) > box->capacity;
}

/* Has the box more than an eighth of its capacity? */
static inline bool rfi_mailbox_is_long(const struct rfi_mailbox *box)
{
    return rfi_mailbox_depth_at(box, rfi_mailbox_glance(box)) > box->capacity / 8;
}

/* Has the box room for the waiters (half of its capacity, or closed)? */
bool rfi_mailbox_has_room(const struct rfi_mailbox *box);

/* ---- muting ---- */

/* Park a producer that has its own token: it will be scheduled when the box has room, perhaps at once.
 * After this the producer's token is gone: touch nothing of it that needs the token. */
void rfi_mailbox_wait(struct rfi_mailbox *box, struct rfi_actor *producer);
/* Schedule all producers that wait. Any thread with a reference; needless calls do no harm. */
void rfi_mailbox_wake_waiters(struct rfi_mailbox *box);
/* Consumer: wake the waiters if somebody waits and there is room. */
static inline void rfi_mailbox_check_waiters(struct rfi_mailbox *box)
{
    if (__builtin_expect((rfi_mailbox_word(box) & RFI_BOX_WAITS) != 0, 0) &&
        rfi_mailbox_has_room(box))
        rfi_mailbox_wake_waiters(box);
}

#endif
