/* SPDX-License-Identifier: MIT */
/* The slower half of the mailbox: taking a run, closing, counting, and the list of muted producers.
 *
 * The private list belongs to whoever has the token. The word, `waiters`, `overflow` and `refs` belong to
 * nobody; every change of them is one atomic operation.
 *
 * Invariants (docs/concurrency.md): MB-1 one token; MB-2 nothing accepted is lost; MB-3 order of one
 * sender; MB-4 a waiter is woken exactly once; MB-5 after close nothing is accepted.
 *
 * It does not know what an actor is, but for the link `run_next` by which waiters are chained. */
#include "core/actor/mailbox.h"
#include "core/actor/actor.h"

void rfi_mailbox_init(struct rfi_mailbox *box, const struct rfi_mailbox_ops *ops, uint32_t capacity,
                      bool is_busy, uint32_t refs)
{
    box->ops = ops;
    box->capacity = capacity;
    atomic_init(&box->word, is_busy ? RFI_BOX_BUSY : 0);
    atomic_init(&box->waiters, NULL);
    atomic_init(&box->overflow, 0);
    atomic_init(&box->system_count, 0);
    atomic_init(&box->large, 0);
    box->first = box->last = NULL;
    atomic_init(&box->held, 0);
    /* [DR2] release: who gets a reference (rfi_mailbox_try_ref) sees all this and what its maker did before */
    atomic_store_explicit(&box->refs, refs, memory_order_release);
}

void rfi_mailbox_unref(struct rfi_mailbox *box)
{
    if (box == NULL)
        return;
    /* [MB4] acq_rel: the last holder sees what all the others did */
    if (atomic_fetch_sub_explicit(&box->refs, 1, memory_order_acq_rel) == 1)
        box->ops->destroy(box);
}

/* The count is at its end: note the deliveries in `overflow` first, so that the depth is never told too
 * small, and take the note of those back that the count can show after all. */
enum rfi_push rfi_mailbox_push_overflow(struct rfi_mailbox *box, struct rfi_mpsc_node *newest,
                                        struct rfi_mpsc_node *oldest, uint32_t length)
{
    uint64_t top = (uint64_t)(uintptr_t)newest >> 3;
    atomic_fetch_add_explicit(&box->overflow, length, memory_order_relaxed); /* to look at */
    uint64_t old = atomic_load_explicit(&box->word, memory_order_relaxed);
    uint64_t next;
    uint32_t counted;
    do {
        uint32_t room = RFI_BOX_COUNT_MAX - rfi_box_count(old);
        counted = length < room ? length : room;
        if ((old & RFI_BOX_CLOSED) != 0) {
            atomic_fetch_sub_explicit(&box->overflow, length, memory_order_relaxed); /* as above */
            return RFI_PUSH_REFUSED;
        }
        atomic_store_explicit(&oldest->next, rfi_box_node(old), memory_order_relaxed);
        next = (old & RFI_BOX_WAITS) | RFI_BOX_BUSY |
               ((uint64_t)(rfi_box_count(old) + counted) << RFI_BOX_COUNT_SHIFT) | top;
        /* [MB1] release: as in rfi_mailbox_push_run */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (counted > 0)
        atomic_fetch_sub_explicit(&box->overflow, counted, memory_order_relaxed); /* as above */
    return (old & RFI_BOX_BUSY) != 0 ? RFI_PUSH_QUEUED : RFI_PUSH_FIRST;
}

bool rfi_mailbox_take(struct rfi_mailbox *box)
{
    uint64_t old = atomic_load_explicit(&box->word, memory_order_relaxed);
    do {
        if ((old & RFI_BOX_NODE) == 0)
            return false;
        /* [MB1] acquire: pairs with the release of every push of this run; they form one release
         * sequence because each push is a read-modify-write of the same word */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, old & RFI_BOX_FLAGS,
                                                    memory_order_acq_rel, memory_order_relaxed));
    struct rfi_mpsc_node *node = rfi_box_node(old);
    struct rfi_mpsc_node *list = NULL;
    uint32_t count = 0;
    box->last = node;
    while (node != NULL) {
        struct rfi_mpsc_node *next = atomic_load_explicit(&node->next, memory_order_relaxed);
        atomic_store_explicit(&node->next, list, memory_order_relaxed); /* ours by [MB1] */
        list = node;
        node = next;
        count++;
    }
    box->first = list;
    atomic_store_explicit(&box->held, count, memory_order_relaxed); /* a number to look at */
    if (count > RFI_BOX_COUNT_MAX)
        atomic_fetch_sub_explicit(&box->overflow, count - RFI_BOX_COUNT_MAX, memory_order_relaxed);
    return true;
}

bool rfi_mailbox_close(struct rfi_mailbox *box, bool *out_was_closed)
{
    /* [MB3] release: the closer's writes before are seen by who sees the bit */
    uint64_t old =
        atomic_fetch_or_explicit(&box->word, RFI_BOX_CLOSED | RFI_BOX_BUSY, memory_order_acq_rel);
    if (out_was_closed != NULL)
        *out_was_closed = (old & RFI_BOX_CLOSED) != 0;
    return (old & RFI_BOX_BUSY) == 0;
}

size_t rfi_mailbox_depth(const struct rfi_mailbox *box)
{
    return rfi_mailbox_depth_at(box, rfi_mailbox_word(box));
}

size_t rfi_mailbox_length(const struct rfi_mailbox *box)
{
    size_t depth = rfi_mailbox_depth(box);
    size_t system = atomic_load_explicit(&box->system_count, memory_order_relaxed); /* likewise */
    return depth > system ? depth - system : 0;
}

bool rfi_mailbox_has_room(const struct rfi_mailbox *box)
{
    return rfi_mailbox_is_closed(box) || (rfi_mailbox_length(box) <= box->capacity / 2 &&
                                          !rfi_mailbox_is_heavy(box, box->capacity / 2));
}

/* NOTE muting. The producer enters the list, then sets `waits`, then looks whether there is room. The consumer
 * cannot give its token back while `waits` is set (release expects the bare busy word), and looks at
 * the bit after every batch; so either it finds the bit, or the producer, whose fetch_or came later
 * than the release, finds the box without a consumer and wakes the list itself. A list is taken as a
 * whole by one exchange, so each waiter is scheduled once. */
void rfi_mailbox_wait(struct rfi_mailbox *box, struct rfi_actor *producer)
{
    struct rfi_actor *top = atomic_load_explicit(&box->waiters, memory_order_relaxed);
    do {
        producer->run_next = top;
        /* [MB5] release: publishes the producer at rest; pairs with the acquire of the exchange in
         * rfi_mailbox_wake_waiters. acquire: sees what a closer or a topology change did before its
         * own exchange of the list */
    } while (!atomic_compare_exchange_weak_explicit(&box->waiters, &top, producer,
                                                    memory_order_acq_rel, memory_order_relaxed));
    /* [MB6] acq_rel: ordered with the consumer's release of its token by the one word */
    uint64_t old = atomic_fetch_or_explicit(&box->word, RFI_BOX_WAITS, memory_order_acq_rel);
    if ((old & RFI_BOX_BUSY) == 0 || rfi_mailbox_has_room(box))
        rfi_mailbox_wake_waiters(box);
}

void rfi_mailbox_wake_waiters(struct rfi_mailbox *box)
{
    /* [MB6] the bit first: a producer that comes after it sets it again */
    atomic_fetch_and_explicit(&box->word, ~RFI_BOX_WAITS, memory_order_acq_rel);
    /* [MB5] acq_rel: pairs with the release in rfi_mailbox_wait */
    struct rfi_actor *actor = atomic_exchange_explicit(&box->waiters, NULL, memory_order_acq_rel);
    while (actor != NULL) {
        struct rfi_actor *next = actor->run_next;
        rfi_runtime_schedule(actor->runtime, actor); /* its token is as old as its mute */
        actor = next;
    }
}
