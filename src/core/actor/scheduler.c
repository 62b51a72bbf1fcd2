/* SPDX-License-Identifier: MIT */
/* The workers: choosing the next actor, searching, sleeping and waking.
 *
 * A run queue holds tokens (mailbox.h): an actor is in one queue at most, so `run_next` needs no
 * protection. The owner of a ring appends; everybody takes from its front by one
 * compare-and-swap. The queues proper are in run_queue.c; here is who looks where, and who sleeps.
 *
 * NOTE sleep. Who makes work (a) puts it in a ring or in the inject queue by a seq_cst operation and then
 * (b) reads `sleepers` and `searchers`, seq_cst. Who goes to sleep (c) sets its bit and leaves the
 * searchers by seq_cst operations and then (d) looks into all queues once more, seq_cst. In the one order of
 * seq_cst operations either (c) is before (b), and the maker sees the sleeper, or (a) is before (d), and
 * the sleeper sees the work. A maker that finds a searcher relies on it: a searcher that finds something
 * and is the last one wakes the next, one that finds nothing does (c) and (d).
 *
 * NOTE quiescence. Every thread counts the tokens that it made and those that it ended. The ended ones are
 * read first, then the made ones. If both sums are equal, no token was out between the two
 * readings: a token that was made by a run is counted before that run's own end is counted, so
 * whoever sees the end sees what it made ([QU1]). */
#include "core/actor/scheduler.h"
#include "core/actor/actor.h"
#include "core/actor/run_queue.h"
#include "core/actor/sharing.h"
#include "core/base/clock.h"
#include "core/base/errand.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { GUEST_YIELDS = 1000 }; /* of a stop that waits for a guest, before it sleeps in between */

static _Thread_local struct rfi_worker *current_worker;

static void *run_worker(void *arg);
static struct rfi_actor *find_local(struct rfi_worker *worker);
static void hand_over(struct rfi_worker *worker);
static bool watch(struct rfi_worker *worker);
static struct rfi_actor *search(struct rfi_worker *worker);
static void end_search(struct rfi_worker *worker);
static void sleep_worker(struct rfi_worker *worker);
static bool has_work(struct rfi_runtime *runtime);
static void tell_idle(struct rfi_runtime *runtime);

/* ---- life ---- */

static rf_err init_locks(struct rfi_runtime *runtime)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return RF_ENOMEM;
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a clock that always exists */
    int failed = pthread_cond_init(&runtime->drained, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (failed != 0)
        return RF_ENOMEM;
    (void)pthread_mutex_init(&runtime->drain_lock, NULL); /* cannot fail with default attributes */
    return RF_OK;
}

static rf_err init_workers(struct rfi_runtime *runtime, uint32_t count)
{
    size_t size = count * sizeof(struct rfi_worker);
    runtime->workers = aligned_alloc(64, size);
    if (runtime->workers == NULL)
        return RF_ENOMEM;
    runtime->worker_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct rfi_worker *worker = &runtime->workers[i];
        *worker = (struct rfi_worker){.runtime = runtime,
                                      .index = i,
                                      .batch_max = RFI_BATCH_MAX,
                                      .until_share = RFI_SHARE_EVERY,
                                      .share_hold_ns = RFI_SHARE_HOLD_NS,
                                      .clock_every = RFI_CLOCK_EVERY,
                                      .until_clock = RFI_CLOCK_EVERY,
                                      .random = 2654435761U * (i + 1)};
        worker->context = calloc(1, sizeof *worker->context);
        if (worker->context == NULL)
            return RF_ENOMEM;
        worker->context->worker = worker;
        worker->context->runtime = runtime;
    }
    return RF_OK;
}

rf_err rfi_runtime_init(struct rfi_runtime *runtime, uint32_t workers, uint32_t capacity,
                        const struct rfi_runtime_hooks *hooks, void *user)
{
    *runtime = (struct rfi_runtime){.hooks = hooks, .user = user, .capacity = capacity};
    long cores = workers > 0 ? (long)workers : sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t count = cores < 1 ? 1 : cores > RFI_WORKERS_MAX ? RFI_WORKERS_MAX : (uint32_t)cores;
    rf_err err = init_locks(runtime);
    if (err != RF_OK)
        return err;
    err = rfi_timers_init(&runtime->timers);
    if (err != RF_OK) {
        (void)pthread_cond_destroy(&runtime->drained);
        return err;
    }
    err = init_workers(runtime, count);
    if (err == RF_OK && !rfi_inject_init(&runtime->inject))
        err = RF_ENOMEM;
    if (err != RF_OK)
        rfi_runtime_fini(runtime);
    return err;
}

rf_err rfi_runtime_start(struct rfi_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->worker_count; i++) {
        struct rfi_worker *worker = &runtime->workers[i];
        if (pthread_create(&worker->thread, NULL, run_worker, worker) == 0)
            continue;
        /* All or nothing, so that a second start can be tried. */
        uint32_t all = runtime->worker_count;
        runtime->worker_count = i;
        rfi_runtime_stop(runtime);
        runtime->worker_count = all;
        atomic_store_explicit(&runtime->is_stopping, false, memory_order_relaxed);
        return RF_ESYS;
    }
    return RF_OK;
}

static void wake_worker(struct rfi_worker *worker)
{
    /* [SL3] release: pairs with the acquire in sleep_worker */
    atomic_store_explicit(&worker->signal, 1, memory_order_release);
    (void)syscall(SYS_futex, &worker->signal, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void rfi_runtime_stop(struct rfi_runtime *runtime)
{
    /* [SL1] seq_cst: set before the sleepers look once more */
    atomic_store_explicit(&runtime->is_stopping, true, memory_order_seq_cst);
    /* [GU1] seq_cst: a guest that is not counted yet sees is_stopping and goes away */
    for (unsigned n = 0; atomic_load_explicit(&runtime->guests, memory_order_seq_cst) > 0; n++) {
        const struct timespec pause = {.tv_nsec = 1000000};
        if (n < GUEST_YIELDS)
            (void)sched_yield();
        else
            (void)nanosleep(
                &pause,
                NULL); /* it is in a callback that takes its time, like one that is joined */
    }
    for (uint32_t i = 0; i < runtime->worker_count; i++)
        wake_worker(&runtime->workers[i]);
    for (uint32_t i = 0; i < runtime->worker_count; i++)
        (void)pthread_join(runtime->workers[i].thread, NULL);
}

void rfi_runtime_fini(struct rfi_runtime *runtime)
{
    rfi_timers_stop(&runtime->timers);
    rfi_timers_fini(&runtime->timers);
    for (uint32_t i = 0; i < runtime->worker_count; i++)
        free(runtime->workers[i].context);
    free(runtime->workers);
    rfi_inject_fini(&runtime->inject);
    (void)pthread_cond_destroy(&runtime->drained);
    (void)pthread_mutex_destroy(&runtime->drain_lock);
}

struct rfi_worker *rfi_worker_current(void)
{
    return current_worker;
}

struct rfi_worker *rfi_worker_self(const struct rfi_runtime *runtime)
{
    struct rfi_worker *worker = current_worker;
    return worker != NULL && worker->runtime == runtime ? worker : NULL;
}

/* ---- making work ---- */

/* Somebody works, and somebody else looks every now and then whether help would help. */
static inline bool is_watched(const struct rfi_runtime *runtime, uint64_t asleep)
{
    /* [SL1] seq_cst: (b) of NOTE sleep; what is left to the watcher is found by its next look */
    return atomic_load_explicit(&runtime->watcher, memory_order_seq_cst) != 0 &&
           (uint32_t)__builtin_popcountll(asleep) + 1 < runtime->worker_count;
}

/* Wake one sleeper, unless somebody searches or watches already. */
static void notify(struct rfi_runtime *runtime)
{
    /* A guest looks after what it makes ready: rfi_runtime_guest_end comes soon. */
    if (current_worker != NULL && rfi_worker_is_lent(current_worker) &&
        current_worker->runtime == runtime)
        return;
    for (;;) {
        /* [SL1] seq_cst: (b) of NOTE sleep */
        uint64_t asleep = atomic_load_explicit(&runtime->sleepers, memory_order_seq_cst);
        if (asleep == 0 || is_watched(runtime, asleep))
            return;
        uint32_t none = 0;
        /* [SL2] seq_cst: the searcher that will be woken is counted already */
        if (!atomic_compare_exchange_strong_explicit(&runtime->searchers, &none, 1,
                                                     memory_order_seq_cst, memory_order_seq_cst))
            return;
        uint64_t sleepers = atomic_load_explicit(&runtime->sleepers, memory_order_seq_cst);
        while (sleepers != 0) {
            uint64_t bit = sleepers & (~sleepers + 1);
            /* [SL1] seq_cst: who clears the bit wakes the worker */
            sleepers = atomic_fetch_and_explicit(&runtime->sleepers, ~bit, memory_order_seq_cst);
            if ((sleepers & bit) != 0) {
                wake_worker(&runtime->workers[__builtin_ctzll(bit)]);
                return;
            }
        }
        /* All woke up by themselves. Another maker may have relied on the searcher that we counted, so
         * look again after taking it back ([SL2] seq_cst). */
        (void)atomic_fetch_sub_explicit(&runtime->searchers, 1, memory_order_seq_cst);
    }
}

void rfi_runtime_schedule(struct rfi_runtime *runtime, struct rfi_actor *actor)
{
    struct rfi_worker *worker = rfi_worker_self(runtime);
    if (worker == NULL || !rfi_ring_push(&worker->ring, actor))
        rfi_inject_push(runtime, actor);
    notify(runtime);
}

void rfi_worker_requeue(struct rfi_worker *worker, struct rfi_actor *actor)
{
    if (!rfi_ring_push(&worker->ring, actor))
        rfi_inject_push(worker->runtime, actor);
    notify(worker->runtime);
}

/* ---- the worker ---- */

static void *run_worker(void *arg)
{
    struct rfi_worker *worker = arg;
    current_worker = worker;
    rfi_errands.is_open = true;
    while (!rfi_runtime_is_stopping(worker->runtime)) {
        struct rfi_actor *actor = find_local(worker);
        if (actor == NULL)
            actor = search(worker);
        if (actor == NULL && rfi_errands.count > 0) {
            rfi_errands_run(); /* they may make work */
            continue;
        }
        if (actor == NULL) {
            rfi_share_end(worker);
            if (!rfi_share_is_watchable(worker) || !watch(worker))
                sleep_worker(worker);
            continue;
        }
        if (worker->is_searching)
            end_search(worker);
        /* relaxed: a habit. Who waits for what a slow callback sends is woken at once. */
        rfi_errands.is_open = atomic_load_explicit(&actor->guest_skips, memory_order_relaxed) == 0;
        rfi_actor_run(worker, actor);
        rfi_errands.is_open = true;
        rfi_errands_run();
        if (__builtin_expect(worker->leaves, 0)) {
            worker->leaves = false;
            hand_over(worker);
            (void)watch(worker);
        }
    }
    while (rfi_errands.count > 0)
        rfi_errands_run();
    rfi_errands.is_open = false;
    rfi_share_end(worker);
    /* What waits in the slot is as good as any queued actor to whoever cleans up. */
    if (worker->next != NULL)
        rfi_inject_push(worker->runtime, worker->next);
    worker->next = NULL;
    current_worker = NULL;
    return NULL;
}

/* All that waits for this worker goes to where others take it. */
static void hand_over(struct rfi_worker *worker)
{
    struct rfi_actor *actor = worker->next;
    worker->next = NULL;
    if (actor == NULL)
        actor = rfi_ring_pop(&worker->ring);
    for (; actor != NULL; actor = rfi_ring_pop(&worker->ring))
        rfi_inject_push(worker->runtime, actor);
}

static bool watch(struct rfi_worker *worker)
{
    if (worker->is_searching) {
        worker->is_searching = false;
        /* [SL2] seq_cst: before the looks of the watch, as in sleep_worker */
        (void)atomic_fetch_sub_explicit(&worker->runtime->searchers, 1, memory_order_seq_cst);
    }
    return rfi_share_watch(worker);
}

/* What was in our hands for a moment was in no queue: somebody may have gone to sleep over it. */
static struct rfi_actor *take_injected(struct rfi_worker *worker)
{
    struct rfi_actor *actor = rfi_inject_take(worker->runtime, &worker->ring);
    if (actor != NULL && (!rfi_ring_is_empty(&worker->ring) || rfi_inject_has(worker->runtime)))
        notify(worker->runtime);
    return actor;
}

static struct rfi_actor *find_local(struct rfi_worker *worker)
{
    struct rfi_actor *actor = NULL;
    /* relaxed: ours, to look at for the watcher */
    uint32_t tick = atomic_load_explicit(&worker->tick, memory_order_relaxed) + 1;
    atomic_store_explicit(&worker->tick, tick, memory_order_relaxed);
    if (tick % RFI_INJECT_EVERY == 0) {
        actor = take_injected(worker);
        if (actor != NULL)
            return actor;
    }
    if (worker->next != NULL) {
        actor = worker->next;
        worker->next = NULL;
        if (++worker->next_in_row <= RFI_NEXT_IN_ROW || rfi_ring_looks_empty(&worker->ring))
            return actor;
        /* Two actors that wake each other must not starve the ring. */
        rfi_worker_requeue(worker, actor);
    }
    worker->next_in_row = 0;
    actor = rfi_ring_pop(&worker->ring);
    return actor != NULL ? actor : take_injected(worker);
}

static void relax(void)
{
    for (int i = 0; i < 32; i++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#else
        atomic_signal_fence(memory_order_seq_cst);
#endif
    }
}

static struct rfi_actor *search(struct rfi_worker *worker)
{
    struct rfi_runtime *runtime = worker->runtime;
    if (!worker->is_searching) {
        /* [SL2] seq_cst: makers see the searcher */
        (void)atomic_fetch_add_explicit(&runtime->searchers, 1, memory_order_seq_cst);
        worker->is_searching = true;
    }
    for (int round = 0; round < RFI_SEARCH_ROUNDS; round++) {
        struct rfi_actor *actor = rfi_inject_take(runtime, &worker->ring);
        if (actor != NULL)
            return actor;
        worker->random = worker->random * 1664525U + 1013904223U;
        uint32_t start = worker->random >> 8;
        for (uint32_t i = 0; i < runtime->worker_count; i++) {
            struct rfi_worker *victim = &runtime->workers[(start + i) % runtime->worker_count];
            if (victim == worker || !rfi_share_may_steal(worker, victim))
                continue;
            actor = rfi_ring_steal(&victim->ring, &worker->ring);
            if (actor == NULL)
                continue;
            worker->rescues = false;
            return actor;
        }
        relax();
    }
    return NULL;
}

static void end_search(struct rfi_worker *worker)
{
    worker->is_searching = false;
    /* [SL2] seq_cst: the last searcher that found something wakes the next, as there may be more */
    if (atomic_fetch_sub_explicit(&worker->runtime->searchers, 1, memory_order_seq_cst) == 1 &&
        has_work(worker->runtime))
        notify(worker->runtime);
}

static bool has_work(struct rfi_runtime *runtime)
{
    if (rfi_inject_has(runtime))
        return true;
    for (uint32_t i = 0; i < runtime->worker_count; i++)
        if (!rfi_ring_is_empty(&runtime->workers[i].ring))
            return true;
    return false;
}

static void sleep_worker(struct rfi_worker *worker)
{
    struct rfi_runtime *runtime = worker->runtime;
    uint64_t bit = UINT64_C(1) << worker->index;
    /* [SL1] seq_cst: (c) of NOTE sleep */
    (void)atomic_fetch_or_explicit(&runtime->sleepers, bit, memory_order_seq_cst);
    if (worker->is_searching) {
        worker->is_searching = false;
        (void)atomic_fetch_sub_explicit(&runtime->searchers, 1, memory_order_seq_cst); /* [SL2] */
    }
    tell_idle(runtime);
    /* [SL1] seq_cst: (d) of NOTE sleep */
    if (atomic_load_explicit(&runtime->is_stopping, memory_order_seq_cst) ||
        rfi_inject_has(runtime) ||
        (atomic_load_explicit(&runtime->watcher, memory_order_seq_cst) == 0 && has_work(runtime))) {
        if ((atomic_fetch_and_explicit(&runtime->sleepers, ~bit, memory_order_seq_cst) & bit) !=
            0) {
            (void)sched_yield(); /* what we saw may be in the hands of a worker without a core */
            return;
        }
        /* Somebody cleared the bit: the signal is on its way, and must not stay for the next sleep. */
    }
    /* [SL3] acquire: pairs with the release in wake_worker */
    while (atomic_load_explicit(&worker->signal, memory_order_acquire) == 0)
        (void)syscall(SYS_futex, &worker->signal, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    atomic_store_explicit(&worker->signal, 0,
                          memory_order_relaxed); /* no waker before our next bit */
    worker->is_searching = true;                 /* the waker counted us */
    worker->last_ns = 0;                         /* the sleep was no work */
}

/* ---- for guest.c ---- */

void rfi_runtime_notify(struct rfi_runtime *runtime)
{
    notify(runtime);
}

void rfi_worker_enter(struct rfi_worker *worker)
{
    current_worker = worker;
}

struct rfi_actor *rfi_worker_find(struct rfi_worker *worker)
{
    return find_local(worker);
}

void rfi_worker_rouse(struct rfi_worker *worker)
{
    /* [SL2] seq_cst: who is woken searches, and is counted by its waker */
    (void)atomic_fetch_add_explicit(&worker->runtime->searchers, 1, memory_order_seq_cst);
    wake_worker(worker);
}

void rfi_worker_lie_down(struct rfi_worker *worker)
{
    struct rfi_runtime *runtime = worker->runtime;
    uint64_t bit = UINT64_C(1) << worker->index;
    /* [SL1] seq_cst: (c) of NOTE sleep; from here on others may stand in for the worker, or wake it */
    (void)atomic_fetch_or_explicit(&runtime->sleepers, bit, memory_order_seq_cst);
    tell_idle(runtime);
    /* [SL1] seq_cst: (d) of NOTE sleep */
    bool has_some =
        rfi_inject_has(runtime) ||
        (atomic_load_explicit(&runtime->watcher, memory_order_seq_cst) == 0 && has_work(runtime));
    if (has_some &&
        (atomic_fetch_and_explicit(&runtime->sleepers, ~bit, memory_order_seq_cst) & bit) != 0)
        rfi_worker_rouse(worker);
}

/* ---- counting tokens, waiting for the last ---- */

static uint64_t sum_activated(struct rfi_runtime *runtime)
{
    uint64_t sum =
        atomic_load_explicit(&runtime->activated_count, memory_order_acquire); /* [QU1] */
    for (uint32_t i = 0; i < runtime->worker_count; i++)
        sum += atomic_load_explicit(&runtime->workers[i].activated_count, memory_order_acquire);
    return sum;
}

static uint64_t sum_idled(struct rfi_runtime *runtime)
{
    uint64_t sum = atomic_load_explicit(&runtime->idled_count, memory_order_acquire); /* [QU1] */
    for (uint32_t i = 0; i < runtime->worker_count; i++)
        sum += atomic_load_explicit(&runtime->workers[i].idled_count, memory_order_acquire);
    return sum;
}

bool rfi_runtime_is_quiescent(struct rfi_runtime *runtime, uint64_t *out_activated)
{
    uint64_t idled = sum_idled(runtime);
    *out_activated = sum_activated(runtime);
    return idled == *out_activated;
}

uint64_t rfi_runtime_active_count(struct rfi_runtime *runtime)
{
    uint64_t idled = sum_idled(runtime);
    uint64_t activated = sum_activated(runtime);
    return activated > idled ? activated - idled : 0;
}

/* A worker goes to sleep: perhaps that was the last work. */
static void tell_idle(struct rfi_runtime *runtime)
{
    /* [QU2] relaxed: ordered by the read-modify-writes of `sleepers` here and in rfi_runtime_drain */
    if (atomic_load_explicit(&runtime->drainers, memory_order_relaxed) > 0)
        rfi_runtime_notify_drain(runtime);
    uint64_t activated;
    if (!rfi_runtime_wants(runtime, RF_EVENT_NETWORK_IDLE) ||
        !rfi_runtime_is_quiescent(runtime, &activated))
        return;
    pthread_mutex_lock(&runtime->drain_lock);
    bool is_new = runtime->idle_event_at != activated;
    runtime->idle_event_at = activated;
    pthread_mutex_unlock(&runtime->drain_lock);
    if (is_new)
        runtime->hooks->on_event(runtime->user, &(rf_event){.type = RF_EVENT_NETWORK_IDLE});
}

void rfi_runtime_notify_drain(struct rfi_runtime *runtime)
{
    pthread_mutex_lock(&runtime->drain_lock);
    pthread_cond_broadcast(&runtime->drained);
    pthread_mutex_unlock(&runtime->drain_lock);
}

rf_err rfi_runtime_drain(struct rfi_runtime *runtime, uint64_t timeout_ms)
{
    uint64_t now = rfi_clock_ns();
    uint64_t due = timeout_ms > (UINT64_MAX / 2 - now) / 1000000U ? UINT64_MAX / 2
                                                                  : now + timeout_ms * 1000000U;
    struct timespec until = {.tv_sec = (time_t)(due / 1000000000U),
                             .tv_nsec = (long)(due % 1000000000U)};
    rf_err err = RF_OK;
    uint64_t activated;
    (void)atomic_fetch_add_explicit(&runtime->drainers, 1, memory_order_relaxed);
    /* [QU2] acq_rel: a worker whose read-modify-write of `sleepers` comes later sees drainers; one whose
     * came earlier has its counts seen here */
    (void)atomic_fetch_or_explicit(&runtime->sleepers, 0, memory_order_acq_rel);
    pthread_mutex_lock(&runtime->drain_lock);
    while (err == RF_OK && !rfi_runtime_is_quiescent(runtime, &activated))
        if (pthread_cond_timedwait(&runtime->drained, &runtime->drain_lock, &until) == ETIMEDOUT &&
            !rfi_runtime_is_quiescent(runtime, &activated))
            err = RF_ETIMEOUT;
    pthread_mutex_unlock(&runtime->drain_lock);
    (void)atomic_fetch_sub_explicit(&runtime->drainers, 1, memory_order_relaxed);
    return err;
}

void rfi_runtime_count_dropped(struct rfi_runtime *runtime, uint64_t count)
{
    struct rfi_worker *worker = rfi_worker_self(runtime);
    if (worker != NULL)
        rfi_count(&worker->dropped_count, count);
    else
        (void)atomic_fetch_add_explicit(&runtime->dropped_count, count,
                                        memory_order_relaxed); /* a number to look at */
}

uint64_t rfi_runtime_dropped_count(const struct rfi_runtime *runtime)
{
    /* relaxed: numbers to look at */
    uint64_t sum = atomic_load_explicit(&runtime->dropped_count, memory_order_relaxed);
    for (uint32_t i = 0; i < runtime->worker_count; i++)
        sum += atomic_load_explicit(&runtime->workers[i].dropped_count, memory_order_relaxed);
    return sum;
}
