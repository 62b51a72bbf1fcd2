/* SPDX-License-Identifier: MIT */
/* The watcher's thread (watcher.h). It looks every LOOK_MS while loops run actors, and sleeps without a deadline
 * once nothing has changed for a while.
 *
 * What a loop's thread is doing is told by one word (struct rfi_watch). A word that stands INSIDE at two looks is of a
 * callback that takes at least LOOK_MS. The exchange that revokes it makes everything that the thread owned the
 * watcher's, who gives it away at once: shards to their own threads, the loop to a new thread.
 *
 * NOTE rest. Before it sleeps, the watcher (a) says so to every loop by the word, and in is_resting, and then (b) looks
 * once more. Who makes a promise (c) posts it and then (d) reads is_resting; all four are seq_cst ([WA2]; the post is
 * [MQ1]). Either (d) sees (a) and wakes the watcher, or (b) sees the promise. A loop's thread is inside already,
 * and keeps the watcher from its rest, or finds the watcher's mark when it goes in ([WT2]). */
#include "net/watcher.h"

#include "core/base/clock.h"
#include "net/io_loop.h"
#include <reflow/log.h>
#include <signal.h>

enum { LOOK_MS = 10, QUIET_LOOKS = 10 };

static void rescue(struct rfi_loop *loop)
{
    if (rfi_loop_replace(loop) == RF_OK) {
        loop->is_deserted = false;
        return;
    }
    if (!loop->is_deserted)
        rf_log(RF_LOG_ERROR, "NET-LOOP-DESERTED",
               "loop=%u reason=\"no thread for it; trying again\"", loop->index);
    loop->is_deserted = true;
}

/* True: something has changed since the last look. */
static bool look(struct rfi_transport *transport, struct rfi_loop *loop, uint64_t *seen)
{
    uint64_t word = rfi_watch_look(&loop->watch);
    bool is_new = word != *seen;
    rfi_loop_reap(loop);
    if (loop->is_deserted)
        rescue(loop);
    if (!is_new && word % RFI_WATCH_STATES == RFI_WATCH_INSIDE) {
        if (rfi_watch_revoke(&loop->watch, word)) {
            /* relaxed: of the thread that revoke orders us behind; its successor does not exist yet */
            const void *errands = atomic_load_explicit(&loop->errands, memory_order_relaxed);
            rf_log(
                RF_LOG_WARN, "NET-CALLBACK-SLOW",
                "loop=%u reason=\"a callback of an actor does not return; the loop goes on without "
                "its thread\"",
                loop->index);
            if (transport->ops.on_revoked != NULL)
                transport->ops.on_revoked(transport->user, errands);
            rescue(loop);
        }
        is_new = true;
    }
    *seen = word;
    return is_new || loop->is_deserted;
}

static bool has_promise(struct rfi_transport *transport)
{
    return transport->ops.has_promise != NULL && transport->ops.has_promise(transport->user);
}

/* Sleep until there is something to watch; false: there is already. See NOTE rest. */
static bool rest(struct rfi_transport *transport)
{
    struct rfi_watcher *watcher = &transport->watcher;
    bool may_rest = true;
    /* [WA2] seq_cst: (a) */
    atomic_store_explicit(&watcher->is_resting, true, memory_order_seq_cst);
    for (uint32_t i = 0; i < transport->options.io_threads && may_rest; i++)
        may_rest = !transport->loops[i].is_deserted && rfi_watch_rest(&transport->loops[i].watch);
    may_rest = may_rest && !has_promise(transport);
    if (may_rest)
        rfi_inbox_wait(&watcher->inbox, UINT64_MAX);
    /* relaxed: who sees it too late wakes us for nothing */
    atomic_store_explicit(&watcher->is_resting, false, memory_order_relaxed);
    return may_rest;
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
            quiet = 0;
            if (rest(transport))
                continue;
        }
        rfi_inbox_wait(&watcher->inbox, rfi_clock_ns() + LOOK_MS * UINT64_C(1000000));
        quiet++;
        for (uint32_t i = 0; i < transport->options.io_threads; i++)
            if (look(transport, &transport->loops[i], &seen[i]))
                quiet = 0;
        if (has_promise(transport))
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

void rfi_watcher_rouse(void *watcher)
{
    rfi_watcher_wake(watcher);
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
