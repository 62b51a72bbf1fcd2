/* SPDX-License-Identifier: MIT */
/* The watcher of a transport: sees to it that an actor's callback which hangs does not hold an I/O loop.
 *
 * Loops run quick actors themselves (errand.h). When one is still in the same callback after two looks of the watcher, the
 * watcher takes the loop away from its thread and gives it to a new one; the old thread ends with its callback.
 *
 * It also sees to promises: a thread that brings work for one that sleeps may have promised to do it at its next pause
 * (errand.h), and then hang in a callback. What is still there at the second look is taken out of its hands. */
#ifndef RFI_WATCHER_H
#define RFI_WATCHER_H

#include "core/base/inbox.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct rfi_transport;

struct rfi_watcher {
    /* any thread */
    _Atomic(bool) is_resting, is_stopping; /* [WA2], [WA1] */
    struct rfi_inbox inbox;                /* carries nothing; is woken */
    /* owner: who starts and stops */
    pthread_t thread;
    bool is_running;
};

RF_NODISCARD rf_err rfi_watcher_start(struct rfi_transport *transport);
void rfi_watcher_stop(struct rfi_watcher *watcher);
void rfi_watcher_wake(struct rfi_watcher *watcher);
void rfi_watcher_rouse(void *watcher); /* the same, for struct rfi_watch */

/* Any thread: it has promised something (ops.has_promise says true from now on). */
static inline void rfi_watcher_note(struct rfi_watcher *watcher)
{
    /* [WA2] seq_cst: the promise before it stands in the same order; see NOTE rest */
    if (__builtin_expect(atomic_load_explicit(&watcher->is_resting, memory_order_seq_cst), 0))
        rfi_watcher_wake(watcher);
}

#endif
