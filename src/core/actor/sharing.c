/* SPDX-License-Identifier: MIT */
/* When a second worker pays.
 *
 * A message that crosses to another core costs some cache misses, 50 to 100 ns each, and the waking of an idle core
 * tens of microseconds. Where a message costs less than that, two workers are slower than one, unless the work falls
 * into parts that have little to say to each other. That cannot be told from the graph, so it is tried.
 *
 * A worker whose messages take less than RFI_BATCH_NS / RFI_BATCH_CHEAP is cheap. Nobody steals from a cheap worker as a
 * matter of course. A worker without work that finds a cheap one at work becomes the watcher (one at a time): it
 * looks at the others every RFI_WATCH_NS and
 *
 *   takes what it can get when somebody with a queue has not ended an activation since the last look: a callback that
 *   takes its time must not hold up others;
 *   begins a trial when there is a queue most of the time: it takes a half of it, and works for RFI_SHARE_TRIAL_NS. If
 *   all together then did a fifth more than before, it goes on so for RFI_SHARE_HOLD_NS before it asks again, and for
 *   twice as long when the answer is the same; if not, it hands its actors back, watches again, and waits twice as
 *   long before the next trial. What was just taken is cold: the trial counts from RFI_SHARE_SETTLE_NS on.
 *
 * A cheap worker that finds more cheap ones at work than trials have allowed (messages from outside wake several)
 * leaves in the same way. So the number of workers at cheap work grows by one where it paid.
 *
 * Who watches is in `watcher`, not in `sleepers`: who makes work wakes nobody as long as somebody works and somebody
 * watches. NOTE sleep (scheduler.c) holds with one addition: what was left to the watcher is found by its next look.
 *
 * The numbers of a trial belong to nobody: one trial is under way at a time (`is_trial`), and a number that is a
 * moment old does no harm. */
#include "core/actor/sharing.h"
#include "core/actor/actor.h"
#include "core/actor/run_queue.h"
#include "core/base/clock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t sum_done(const struct rfi_runtime *runtime)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < runtime->worker_count; i++)
        /* relaxed: a number to look at */
        sum += atomic_load_explicit(&runtime->workers[i].done_count, memory_order_relaxed);
    return sum;
}

static bool is_cheap(const struct rfi_worker *worker)
{
    return atomic_load_explicit(&worker->is_cheap, memory_order_relaxed); /* to look at */
}

/* Neither asleep nor watching. */
static bool is_at_work(const struct rfi_worker *worker)
{
    struct rfi_runtime *runtime = worker->runtime;
    /* relaxed: to look at; where it matters the caller looks again after a seq_cst operation */
    return (atomic_load_explicit(&runtime->sleepers, memory_order_relaxed) >> worker->index & 1) ==
               0 &&
           atomic_load_explicit(&runtime->watcher, memory_order_relaxed) != worker->index + 1;
}

bool rfi_share_may_steal(const struct rfi_worker *worker, const struct rfi_worker *victim)
{
    /* What a guest makes ready it runs itself, with what it has in its cache. */
    if (rfi_worker_is_lent(victim) && !worker->rescues &&
        !atomic_load_explicit(&worker->runtime->has_hung_guest, memory_order_relaxed)) /* to look */
        return false;
    return !is_cheap(victim) || worker->rescues ||
           (worker->is_sharing && rfi_ring_length(&victim->ring) > 1);
}

bool rfi_share_is_watchable(const struct rfi_worker *worker)
{
    const struct rfi_runtime *runtime = worker->runtime;
    for (uint32_t i = 0; i < runtime->worker_count; i++) {
        const struct rfi_worker *other = &runtime->workers[i];
        if (other != worker && is_cheap(other) && is_at_work(other))
            return true;
    }
    return false;
}

/* ---- the watch ---- */

struct watch {
    uint32_t runs[RFI_WORKERS_MAX]; /* activations of each worker at the last look */
    uint64_t from_ns, from_done;
    uint32_t looks, queues; /* looks, and looks that found a queue */
    bool had_injected;
};

static void begin_watch(struct watch *watch, const struct rfi_runtime *runtime)
{
    watch->from_ns = rfi_clock_ns();
    watch->from_done = sum_done(runtime);
    watch->looks = watch->queues = 0;
}

/* True: somebody with a queue does not get on. */
static bool look(struct watch *watch, const struct rfi_worker *watcher)
{
    struct rfi_runtime *runtime = watcher->runtime;
    bool is_stuck = false;
    bool has_queue = false;
    for (uint32_t i = 0; i < runtime->worker_count; i++) {
        const struct rfi_worker *worker = &runtime->workers[i];
        uint32_t runs = atomic_load_explicit(&worker->tick, memory_order_relaxed); /* to look at */
        uint32_t length = rfi_ring_length(&worker->ring);
        if (worker != watcher && length > 0) {
            is_stuck = is_stuck || runs == watch->runs[i] || !is_cheap(worker);
            has_queue = has_queue || length > 1;
        }
        watch->runs[i] = runs;
    }
    bool has_injected = rfi_inject_has(runtime);
    is_stuck = is_stuck || (has_injected && watch->had_injected);
    watch->had_injected = has_injected;
    watch->looks++;
    watch->queues += has_queue;
    return is_stuck;
}

/* Begin a trial if it is time for one. */
static bool try_sharing(struct watch *watch, struct rfi_worker *worker)
{
    struct rfi_runtime *runtime = worker->runtime;
    uint64_t now = rfi_clock_ns();
    if (now - watch->from_ns < RFI_SHARE_BASE_NS)
        return false;
    uint64_t done = sum_done(runtime);
    /* relaxed, all: see the picture above */
    bool is_due = watch->queues * 2 >= watch->looks &&
                  now >= atomic_load_explicit(&runtime->trial_at_ns, memory_order_relaxed);
    if (is_due && !atomic_exchange_explicit(&runtime->is_trial, true, memory_order_relaxed)) {
        worker->speed_before = (double)(done - watch->from_done) / (double)(now - watch->from_ns);
        worker->share_from_ns = 0;
        worker->share_until_ns = now + RFI_SHARE_SETTLE_NS;
        worker->is_sharing = true;
        worker->is_trying = true;
        (void)atomic_fetch_add_explicit(&runtime->sharers, 1, memory_order_relaxed);
        return true;
    }
    if (now - watch->from_ns >= (uint64_t)4 * RFI_SHARE_BASE_NS)
        begin_watch(watch, runtime);
    return false;
}

bool rfi_share_watch(struct rfi_worker *worker)
{
    struct rfi_runtime *runtime = worker->runtime;
    const struct timespec pause = {.tv_nsec = RFI_WATCH_NS};
    struct watch watch = {.looks = 0};
    uint32_t none = 0;
    /* [SL1] seq_cst: makers see the watcher, or we see their work in the looks below */
    if (!atomic_compare_exchange_strong_explicit(&runtime->watcher, &none, worker->index + 1,
                                                 memory_order_seq_cst, memory_order_relaxed))
        return false;
    begin_watch(&watch, runtime);
    while (!rfi_runtime_is_stopping(runtime) && rfi_share_is_watchable(worker)) {
        /* Only a stop signals a watcher; a time-out, that and a spurious return lead to another look. */
        (void)syscall(SYS_futex, &worker->signal, FUTEX_WAIT_PRIVATE, 0, &pause, NULL, 0);
        if (look(&watch, worker)) {
            worker->rescues = true;
            break;
        }
        if (try_sharing(&watch, worker))
            break;
    }
    /* [SL1] seq_cst: the caller looks into all queues after this, before it sleeps */
    atomic_store_explicit(&runtime->watcher, 0, memory_order_seq_cst);
    worker->last_ns = 0; /* the watch was no work */
    return true;
}

/* ---- at work ---- */

static void set_trial_pause(struct rfi_runtime *runtime, uint64_t now, bool is_longer)
{
    /* relaxed: see the picture above */
    uint64_t pause = atomic_load_explicit(&runtime->trial_pause_ns, memory_order_relaxed);
    pause = !is_longer || pause == 0             ? RFI_SHARE_PAUSE_NS
            : pause * 2 > RFI_SHARE_PAUSE_MAX_NS ? RFI_SHARE_PAUSE_MAX_NS
                                                 : pause * 2;
    atomic_store_explicit(&runtime->trial_pause_ns, pause, memory_order_relaxed);
    atomic_store_explicit(&runtime->trial_at_ns, now + pause, memory_order_relaxed);
}

void rfi_share_end(struct rfi_worker *worker)
{
    struct rfi_runtime *runtime = worker->runtime;
    worker->rescues = false;
    if (!worker->is_sharing)
        return;
    if (worker->is_trying) {
        set_trial_pause(runtime, rfi_clock_ns(), true);
        atomic_store_explicit(&runtime->is_trial, false, memory_order_relaxed); /* see above */
    }
    worker->is_sharing = worker->is_trying = false;
    (void)atomic_fetch_sub_explicit(&runtime->sharers, 1, memory_order_relaxed); /* likewise */
}

static bool is_worth_it(const struct rfi_worker *worker, uint64_t now)
{
    double speed = (double)(sum_done(worker->runtime) - worker->share_from_done) /
                   (double)(now - worker->share_from_ns);
    return speed >= worker->speed_before * 1.2;
}

/* More cheap workers than trials have allowed, and nobody watches. */
static bool is_one_too_many(const struct rfi_worker *worker)
{
    struct rfi_runtime *runtime = worker->runtime;
    uint32_t others = 0;
    for (uint32_t i = 0; i < runtime->worker_count; i++) {
        const struct rfi_worker *other = &runtime->workers[i];
        others += other != worker && is_cheap(other) && is_at_work(other);
    }
    /* relaxed: see the picture above */
    return is_cheap(worker) &&
           others > atomic_load_explicit(&runtime->sharers, memory_order_relaxed) &&
           atomic_load_explicit(&runtime->watcher, memory_order_relaxed) == 0;
}

void rfi_share_look(struct rfi_worker *worker, uint64_t now)
{
    struct rfi_runtime *runtime = worker->runtime;
    if (!worker->is_sharing) {
        worker->leaves = is_one_too_many(worker);
        return;
    }
    if (now < worker->share_until_ns)
        return;
    if (worker->is_trying && worker->share_from_ns == 0) {
        worker->share_from_ns = now;
        worker->share_from_done = sum_done(runtime);
        worker->share_until_ns = now + RFI_SHARE_TRIAL_NS;
        return;
    }
    if (worker->is_trying && is_worth_it(worker, now)) {
        worker->is_trying = false;
        worker->share_until_ns = now + worker->share_hold_ns;
        worker->share_hold_ns = worker->share_hold_ns * 2 > RFI_SHARE_HOLD_MAX_NS
                                    ? RFI_SHARE_HOLD_MAX_NS
                                    : worker->share_hold_ns * 2;
        set_trial_pause(runtime, 0, false); /* the next one may begin at once */
        atomic_store_explicit(&runtime->is_trial, false, memory_order_relaxed); /* see above */
        return;
    }
    if (worker->is_trying)
        worker->share_hold_ns = RFI_SHARE_HOLD_NS;
    rfi_share_end(worker);
    worker->leaves = true;
}
