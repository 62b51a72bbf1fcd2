/* SPDX-License-Identifier: MIT */
/* The watcher's thread (watcher.h). It looks every LOOK_MS while loops run actors, and sleeps without a deadline
 * once nothing has changed for a while.
 *
 * What a loop's thread is doing is told by one word (struct rfi_watch). A word that stands INSIDE at two looks is of a
 * callback that takes at least LOOK_MS. The exchange that revokes it makes everything that the thread owned the
 * watcher's, who gives it away at once: shards to their own threads, the loop to a new thread. */
#include "net/watcher.h"

#include "core/base/clock.h"
#include "net/io_loop.h"
#include <reflow/log.h>
#include <signal.h>

enum { LOOK_MS = 10, QUIET_LOOKS = 100 };

static void rescue(struct rfi_transport *transport, struct rfi_loop *loop)
{
    if (rfi_loop_replace(loop) == RF_OK) {
        loop->is_deserted = false;
        return;
    }
    if (!loop->is_deserted)
        rf_log(RF_LOG_ERROR, "NET-LOOP-DESERTED",
               "loop=%u reason=\"no thread for it; trying again\"", loop->index);
    loop->is_deserted = true;
    (void)transport;
}

/* True: something has changed since the last look. */
static bool look(struct rfi_transport *transport, struct rfi_loop *loop, uint64_t *seen)
{
    uint64_t word = rfi_watch_look(&loop->watch);
    bool is_new = word != *seen;
    if (loop->is_deserted)
        rescue(transport, loop);
    if (!is_new && word % RFI_WATCH_STATES == RFI_WATCH_INSIDE) {
        /* relaxed: of the thread that revoke orders us behind; its successor does not exist yet */
        const void *errands = atomic_load_explicit(&loop->errands, memory_order_relaxed);
        if (rfi_watch_revoke(&loop->watch, word)) {
            rf_log(
                RF_LOG_WARN, "NET-CALLBACK-SLOW",
                "loop=%u reason=\"a callback of an actor does not return; the loop goes on without "
                "its thread\"",
                loop->index);
            if (transport->ops.on_revoked != NULL)
                transport->ops.on_revoked(transport->user, errands);
            rescue(transport, loop);
        }
        is_new = true;
    }
    *seen = word;
    return is_new || loop->is_deserted;
}

static void rest(struct rfi_watcher *watcher)
{
    atomic_store_explicit(&watcher->is_resting, true, memory_order_relaxed); /* see the note */
    rfi_inbox_wait(&watcher->inbox, UINT64_MAX);
    atomic_store_explicit(&watcher->is_resting, false, memory_order_relaxed);
}

static void *watch(void *argument)
{
    struct rfi_transport *transport = argument;
    struct rfi_watcher *watcher = &transport->watcher;
    uint64_t seen[RFI_IO_THREADS_MAX] = {0};
    unsigned quiet = QUIET_LOOKS;
    /* [WA1] acquire: pairs with the release in stop */
    while (!atomic_load_explicit(&watcher->is_stopping, memory_order_acquire)) {
        if (quiet >= QUIET_LOOKS) {
            rest(watcher);
            quiet = 0;
            continue;
        }
        rfi_inbox_wait(&watcher->inbox, rfi_clock_ns() + LOOK_MS * UINT64_C(1000000));
        quiet++;
        for (uint32_t i = 0; i < transport->options.io_threads; i++)
            if (look(transport, &transport->loops[i], &seen[i]))
                quiet = 0;
    }
    return NULL;
}

rf_err rfi_watcher_start(struct rfi_transport *transport)
{
    struct rfi_watcher *watcher = &transport->watcher;
    sigset_t all;
    sigset_t before;
    atomic_init(&watcher->is_resting, false);
    atomic_init(&watcher->is_stopping, false);
    rf_err err = rfi_inbox_init(&watcher->inbox, false);
    if (err != RF_OK)
        return err;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    watcher->is_running = pthread_create(&watcher->thread, NULL, watch, transport) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!watcher->is_running)
        return RF_ESYS;
    (void)pthread_setname_np(watcher->thread, "rf-watch");
    return RF_OK;
}

void rfi_watcher_wake(struct rfi_watcher *watcher)
{
    rfi_inbox_wake(&watcher->inbox);
}

void rfi_watcher_stop(struct rfi_watcher *watcher)
{
    if (!watcher->is_running)
        return;
    watcher->is_running = false;
    /* [WA1] release: pairs with the acquire in watch */
    atomic_store_explicit(&watcher->is_stopping, true, memory_order_release);
    rfi_inbox_wake(&watcher->inbox);
    (void)pthread_join(watcher->thread, NULL);
    rfi_inbox_fini(&watcher->inbox);
}
