/* SPDX-License-Identifier: MIT */
/* An MPSC queue whose owner sleeps when there is nothing to do, without a lost wake-up and without a
 * system call for an owner that is awake.
 *
 *      AWAKE --sleep_begin--> ASLEEP --post, wake--> NOTIFIED --sleep_end--> AWAKE
 *      AWAKE --wake--> NOTIFIED --sleep_begin (says false)--> AWAKE
 *
 * NOTE no-lost-wake-up [IB2]. Four operations are seq_cst and so stand in one order S: the push's
 * exchange of head (P1), the producer's load of the state (P2), the owner's CAS to ASLEEP (O1), the
 * owner's look at head (O2). P1 is before P2 and O1 before O2. If O2 is after P1, the owner sees the
 * item (the queue is not empty from the exchange on, linked or not) and does not sleep. Else P2 is
 * after O1, the producer sees ASLEEP and wakes. A wake without an item needs no pair: it is an
 * exchange of the state itself, and O1 fails on NOTIFIED.
 *
 *      ASLEEP --borrow--> LENT --give_back--> ASLEEP            LENT --wake, deadline--> RECALLED
 *      LENT, RECALLED --give_back that must wake--> NOTIFIED
 *
 * NOTE lending. A thread may stand in for an owner that sleeps on a futex: borrow takes its place in one step, which
 * only one thread can do and only while it is ASLEEP. Posts do not wake anybody then; the borrower
 * looks after the queue, and give_back is O1 and O2 of the note above on its behalf. Who posts quietly has its P2 in
 * borrow. The real owner stays in the kernel, or is on its way there: between its O1 and O2 it may be LENT already. So
 * its O2 looks at head only (the rest of the queue is looked at before O1), and it takes its place back only where it is
 * ASLEEP still. When its deadline passes while it is LENT it turns that into RECALLED, and the borrower wakes it in the
 * end. So there is one owner at a time, and each hand-over of the place is an acquire that meets a release on the same
 * word ([IB3]).
 *
 * Whoever turns ASLEEP into NOTIFIED owes exactly one futex wake or one eventfd write; nobody else
 * makes a system call. Posting after fini, or a post that may still be on its way at fini, is a
 * mistake of the caller: producers are joined first. */
#include "core/base/inbox.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { AWAKE, ASLEEP, NOTIFIED, LENT, RECALLED };

rf_err rfi_inbox_init(struct rfi_inbox *inbox, bool with_event_fd)
{
    int event_fd = -1;
    if (with_event_fd) {
        event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (event_fd < 0)
            return RF_ESYS;
    }
    rfi_mpsc_init(&inbox->queue);
    atomic_init(&inbox->state, AWAKE);
    inbox->event_fd = event_fd;
    inbox->is_asleep = false;
    inbox->signals_due = 0;
    return RF_OK;
}

void rfi_inbox_fini(struct rfi_inbox *inbox)
{
    if (inbox->event_fd >= 0)
        (void)close(inbox->event_fd);
    inbox->event_fd = -1;
}

static long futex_call(_Atomic(uint32_t) *word, int operation, uint32_t value,
                       const struct timespec *deadline)
{
    /* The bit set form takes an absolute time on the monotonic clock. */
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, deadline, NULL,
                   FUTEX_BITSET_MATCH_ANY);
}

/* The state was ASLEEP and is NOTIFIED by our doing: pay the one wake-up. */
static void signal_owner(struct rfi_inbox *inbox)
{
    if (inbox->event_fd < 0) {
        (void)futex_call(&inbox->state, FUTEX_WAKE_BITSET, 1, NULL);
        return;
    }
    const uint64_t one = 1;
    /* The counter cannot be full, as at most one write is due a sleep; only a signal interrupts. */
    while (write(inbox->event_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void rfi_inbox_post(struct rfi_inbox *inbox, struct rfi_mpsc_node *item)
{
    (void)rfi_mpsc_push(&inbox->queue, item);
    /* [IB2] seq_cst: P2 of the note above */
    if (atomic_load_explicit(&inbox->state, memory_order_seq_cst) != ASLEEP)
        return;
    uint32_t expected = ASLEEP;
    /* [IB3] acq_rel: one of many producers wins; pairs with the exchange in sleep_end.
     * relaxed on failure: another one has notified, or the owner is awake and will look */
    if (atomic_compare_exchange_strong_explicit(&inbox->state, &expected, NOTIFIED,
                                                memory_order_acq_rel, memory_order_relaxed))
        signal_owner(inbox);
}

void rfi_inbox_leave(struct rfi_inbox *inbox)
{
    uint32_t expected = LENT;
    /* [IB3] release: what we did as the owner */
    if (!atomic_compare_exchange_strong_explicit(&inbox->state, &expected, ASLEEP,
                                                 memory_order_acq_rel, memory_order_relaxed))
        (void)rfi_inbox_give_back(inbox, true);
}

void rfi_inbox_post_quietly(struct rfi_inbox *inbox, struct rfi_mpsc_node *item)
{
    (void)rfi_mpsc_push(&inbox->queue, item);
}

void rfi_inbox_wake(struct rfi_inbox *inbox)
{
    uint32_t state = atomic_load_explicit(&inbox->state, memory_order_relaxed); /* CAS decides */
    uint32_t next;
    do
        next = state == LENT || state == RECALLED ? RECALLED : NOTIFIED;
    /* [IB3] acq_rel: publishes what the caller set before; pairs with the owner's exchange to AWAKE
     * in sleep_begin and sleep_end. Exchanges by others keep it published (release sequence). */
    while (!atomic_compare_exchange_weak_explicit(&inbox->state, &state, next, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if (state == ASLEEP)
        signal_owner(inbox);
}

bool rfi_inbox_has(struct rfi_inbox *inbox)
{
    return rfi_mpsc_has_news(&inbox->queue);
}

bool rfi_inbox_is_late(const struct rfi_inbox *inbox)
{
    /* [IB2] seq_cst: an owner that fell asleep over what has_news sees is seen asleep, or awake again */
    return rfi_mpsc_has_news(&inbox->queue) &&
           atomic_load_explicit(&inbox->state, memory_order_seq_cst) == ASLEEP;
}

bool rfi_inbox_is_asleep(const struct rfi_inbox *inbox)
{
    return atomic_load_explicit(&inbox->state, memory_order_relaxed) == ASLEEP; /* a hint */
}

bool rfi_inbox_borrow(struct rfi_inbox *inbox)
{
    uint32_t expected = ASLEEP;
    /* [IB3] acquire: what the owner, or the borrower before, did; pairs with their releases. release:
     * keeps what posters published. [IB2] seq_cst, and on failure too: who posted quietly has its P2 here, and relies
     * on it that one who is not ASLEEP will look */
    return atomic_compare_exchange_strong_explicit(&inbox->state, &expected, LENT,
                                                   memory_order_seq_cst, memory_order_seq_cst);
}

bool rfi_inbox_give_back(struct rfi_inbox *inbox, bool must_wake)
{
    uint32_t expected = LENT;
    if (!must_wake && !rfi_mpsc_is_empty(&inbox->queue))
        return false;
    /* [IB2] seq_cst: O1 on the owner's behalf; [IB3] release: what we did as the owner */
    if (!must_wake &&
        atomic_compare_exchange_strong_explicit(&inbox->state, &expected, ASLEEP,
                                                memory_order_seq_cst, memory_order_relaxed)) {
        if (!rfi_mpsc_has_news(&inbox->queue)) /* O2, by who is no owner any more */
            return true;
        return !rfi_inbox_borrow(inbox); /* or somebody has woken the owner, or stands in for it */
    }
    /* [IB3] acq_rel: as above */
    (void)atomic_exchange_explicit(&inbox->state, NOTIFIED, memory_order_acq_rel);
    signal_owner(inbox);
    return true;
}

struct rfi_mpsc_node *rfi_inbox_take(struct rfi_inbox *inbox)
{
    struct rfi_mpsc_node *item = rfi_mpsc_pop(&inbox->queue);
    if (item == NULL && !rfi_mpsc_is_empty(&inbox->queue)) {
        /* A producer stands between its two steps: let it run rather than spin against it. */
        (void)sched_yield();
        item = rfi_mpsc_pop(&inbox->queue);
    }
    return item;
}

bool rfi_inbox_sleep_begin(struct rfi_inbox *inbox)
{
    uint32_t expected = AWAKE;
    if (!rfi_mpsc_is_empty(&inbox->queue))
        return false; /* while it is ours to look at */
    /* [IB2] seq_cst: O1 of the note above. acquire on failure: see [IB3], what the waker set is ours
     * to see */
    if (!atomic_compare_exchange_strong_explicit(&inbox->state, &expected, ASLEEP,
                                                 memory_order_seq_cst, memory_order_acquire)) {
        /* NOTIFIED while awake: no signal was sent. [IB3] acq_rel: takes in later wakes too */
        (void)atomic_exchange_explicit(&inbox->state, AWAKE, memory_order_acq_rel);
        return false;
    }
    inbox->is_asleep = true;
    if (!rfi_mpsc_has_news(&inbox->queue)) /* O2, by who may be no owner any more */
        return true;
    expected = ASLEEP;
    /* [IB3] acq_rel: as the deadline in rfi_inbox_wait */
    if (atomic_compare_exchange_strong_explicit(&inbox->state, &expected, AWAKE,
                                                memory_order_acq_rel, memory_order_relaxed)) {
        inbox->is_asleep = false;
        return false;
    }
    if (expected != NOTIFIED)
        return true; /* LENT: who stands in for us sees the item; the owner of an event_fd lends nothing */
    rfi_inbox_sleep_end(inbox);
    return false;
}

void rfi_inbox_sleep_end(struct rfi_inbox *inbox)
{
    if (!inbox->is_asleep)
        return;
    inbox->is_asleep = false;
    /* [IB3] acq_rel: sees what a waker published before it notified */
    uint32_t before = atomic_exchange_explicit(&inbox->state, AWAKE, memory_order_acq_rel);
    if (inbox->event_fd < 0)
        return;
    if (before == NOTIFIED)
        inbox->signals_due++;
    /* The write may still be on its way, then the next sleep ends at once and reads it. An owner that
     * was woken by a socket has nothing due and makes no call. */
    uint64_t signals;
    if (inbox->signals_due > 0 && read(inbox->event_fd, &signals, sizeof signals) > 0)
        inbox->signals_due -= signals < inbox->signals_due ? signals : inbox->signals_due;
}

void rfi_inbox_wait(struct rfi_inbox *inbox, uint64_t deadline_ns)
{
    if (!rfi_inbox_sleep_begin(inbox))
        return;
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / UINT64_C(1000000000)),
                                .tv_nsec = (long)(deadline_ns % UINT64_C(1000000000))};
    const struct timespec *until = deadline_ns == UINT64_MAX ? NULL : &deadline;
    for (;;) {
        /* relaxed: what turns it to AWAKE orders; the kernel compares again before it sleeps */
        uint32_t state = atomic_load_explicit(&inbox->state, memory_order_relaxed);
        if (state == NOTIFIED)
            break;
        /* Once recalled, the borrower's word is all that is waited for. */
        const struct timespec *limit = state == RECALLED ? NULL : until;
        if (futex_call(&inbox->state, FUTEX_WAIT_BITSET, state, limit) == 0 || errno == EAGAIN ||
            errno == EINTR)
            continue;
        /* The deadline. [IB3] acquire: what a borrower did before it gave the place back */
        uint32_t expected = ASLEEP;
        if (atomic_compare_exchange_strong_explicit(&inbox->state, &expected, AWAKE,
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            inbox->is_asleep = false;
            return;
        }
        if (expected == LENT) /* relaxed: the borrower's release comes with its answer */
            (void)atomic_compare_exchange_strong_explicit(
                &inbox->state, &expected, RECALLED, memory_order_relaxed, memory_order_relaxed);
    }
    rfi_inbox_sleep_end(inbox);
}
