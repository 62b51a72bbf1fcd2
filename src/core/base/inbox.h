/* SPDX-License-Identifier: MIT */
/* The inbox of a thread that sleeps when it has nothing to do: an MPSC queue and a waker. Used by
 * every thread that is not an actor worker: I/O loops (by eventfd), routing shards, control. */
#ifndef RFI_INBOX_H
#define RFI_INBOX_H

#include "core/base/mpsc.h"
#include <reflow/error.h>
#include <stdint.h>

struct rfi_inbox {
    struct rfi_mpsc queue;
    _Atomic(uint32_t) state; /* awake, asleep, lent, or a wake-up is on its way */
    int event_fd;            /* -1: sleeps on a futex over `state` */
    /* owner only */
    bool is_asleep;       /* between sleep_begin that said true and sleep_end */
    uint64_t signals_due; /* writes to event_fd that were promised and not yet read */
};

/* with_event_fd: the owner waits in epoll on inbox->event_fd instead of in rfi_inbox_wait. */
RF_NODISCARD rf_err rfi_inbox_init(struct rfi_inbox *inbox, bool with_event_fd);
void rfi_inbox_fini(struct rfi_inbox *inbox);
/* Any thread. Wakes the owner only if it sleeps. */
void rfi_inbox_post(struct rfi_inbox *inbox, struct rfi_mpsc_node *item);
/* Any thread: make the owner look up although there is no item (a flag was set elsewhere). */
void rfi_inbox_wake(struct rfi_inbox *inbox);
/* Any thread: post, and leave the wake-up to an errand of this thread, which calls rfi_inbox_borrow soon. */
void rfi_inbox_post_quietly(struct rfi_inbox *inbox, struct rfi_mpsc_node *item);
/* Any thread, futex mode: become the owner in place of one that sleeps. True: this thread is the owner until
 * rfi_inbox_give_back has said true; the other one does not wake up before that. */
bool rfi_inbox_borrow(struct rfi_inbox *inbox);
/* The borrower: be no longer the owner. False: something was posted meanwhile, and the caller is the owner still.
 * must_wake: the sleeping owner shall look (there is work left, or its deadline has changed); then
 * always true. */
bool rfi_inbox_give_back(struct rfi_inbox *inbox, bool must_wake);
/* The borrower: the same, but what is in the queue is left to an errand of this thread, which will borrow again; it is
 * seen earlier when somebody else posts, or when the owner's deadline comes. */
void rfi_inbox_leave(struct rfi_inbox *inbox);
/* Any thread: has the owner something to take? */
bool rfi_inbox_has(struct rfi_inbox *inbox);
/* Any thread: does the owner sleep over something that was posted quietly? Who posted it is about to borrow, or hangs. */
bool rfi_inbox_is_late(const struct rfi_inbox *inbox);
/* Any thread: does the owner sleep now? A hint. */
bool rfi_inbox_is_asleep(const struct rfi_inbox *inbox);
/* Owner only. */
struct rfi_mpsc_node *rfi_inbox_take(struct rfi_inbox *inbox);
/* Owner only: sleep until something is posted, woken, or `deadline_ns` (monotonic; UINT64_MAX: none).
 * Returns at once when the queue is not empty. */
void rfi_inbox_wait(struct rfi_inbox *inbox, uint64_t deadline_ns);
/* Owner only, event_fd mode: announce sleep (returns false when there is work: do not block), and
 * after epoll returned, announce being awake (drains the eventfd if it was signalled). */
bool rfi_inbox_sleep_begin(struct rfi_inbox *inbox);
void rfi_inbox_sleep_end(struct rfi_inbox *inbox);

#endif
