/* SPDX-License-Identifier: MIT */
/* Deadlines of the local network: one heap, one thread that sleeps until the next of them.
 *
 * A timer is a part of some object of its user, who keeps the object alive until the timer has fired or
 * was removed. `fire` is called on the timer thread with no lock held, and must not block; is_cancelled:
 * the timers are being stopped, time is not up. */
#ifndef RFI_TIMERS_H
#define RFI_TIMERS_H

#include <pthread.h>
#include <reflow/error.h>

struct rfi_timer {
    uint64_t due_ns; /* monotonic */
    size_t place;    /* in the heap, from 1; 0: not armed */
    void (*fire)(struct rfi_timer *timer, bool is_cancelled);
};

struct rfi_timers {
    pthread_mutex_t lock; /* over all below; held for a few steps of the heap only */
    pthread_cond_t changed;
    pthread_t thread;
    struct rfi_timer **heap; /* heap[1..count] */
    size_t count, capacity;
    bool has_thread, is_stopping;
};

RF_NODISCARD rf_err rfi_timers_init(struct rfi_timers *timers);
/* Ends the thread and fires what is left with is_cancelled. Later arming is refused. Idempotent. */
void rfi_timers_stop(struct rfi_timers *timers);
void rfi_timers_fini(struct rfi_timers *timers);
void rfi_timer_init(struct rfi_timer *timer, void (*fire)(struct rfi_timer *, bool is_cancelled));
/* Arm a timer that is not armed. Starts the thread at the first use. RF_ENOMEM, RF_ECLOSED, RF_ESYS. Any
 * thread. */
RF_NODISCARD rf_err rfi_timers_arm(struct rfi_timers *timers, struct rfi_timer *timer,
                                   uint64_t due_ns);
/* True: it was armed and will not fire. False: it was not armed, or fires now. Any thread. */
bool rfi_timers_remove(struct rfi_timers *timers, struct rfi_timer *timer);

#endif
