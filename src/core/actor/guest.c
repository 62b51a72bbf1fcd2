/* SPDX-License-Identifier: MIT */
/* Guests: a thread that is no worker runs actors in the place of a worker that sleeps.
 *
 * An I/O loop that has read a message for an idle actor would wake a worker, and the worker's answer would wake the
 * loop: two wake-ups, each dearer than all the rest. So the loop stands in for the worker: it takes the worker's
 * bit out of `sleepers`, as a waker does, and then is that worker (its ring, its slot, its counters) until it puts the
 * bit back. The worker itself stays in the kernel, as nobody has set its signal.
 *
 * NOTE guest. Who clears a bit of `sleepers` has the worker: it either wakes it, or is it. So a worker struct has one
 * user at a time, and each change of hands is a read-modify-write of `sleepers` or the signal [SL3].
 * A stop wakes every worker whatever its bit says; therefore it first waits until no guest is counted, and a
 * guest counts itself before it looks at is_stopping [GU1].
 *
 * A callback that takes long would hold up the guest's own work. One that did is left to the workers for the next
 * GUEST_SKIPS times; and while it lasts, whoever watches the guest may give its place to another thread (errand.h).
 * Then nothing is left to the guest but the worker that it is, which it gives back. */
#include "core/actor/actor.h"
#include "core/actor/run_queue.h"
#include "core/base/clock.h"
#include "core/base/errand.h"

enum {
    GUEST_SKIPS = 255,
    GUEST_SLOW_NS = 300000,      /* an activation ends after RFI_BATCH_NS or one callback */
    GUEST_TOO_SLOW_NS = 5000000, /* no processor that somebody else had for a while explains this */
    GUEST_STRIKES = 3
};

static _Thread_local struct rfi_worker *guest;

bool rfi_runtime_is_resting(const struct rfi_runtime *runtime)
{
    uint64_t all = runtime->worker_count == RFI_WORKERS_MAX
                       ? UINT64_MAX
                       : (UINT64_C(1) << runtime->worker_count) - 1;
    return atomic_load_explicit(&runtime->sleepers, memory_order_relaxed) == all; /* a hint */
}

/* relaxed: the guest's own, and a hint for thieves */
static void set_lent(struct rfi_worker *worker, bool is_lent)
{
    atomic_store_explicit(&worker->is_lent, is_lent, memory_order_relaxed);
}

void rfi_runtime_guest_hangs(struct rfi_runtime *runtime)
{
    atomic_store_explicit(&runtime->has_hung_guest, true,
                          memory_order_relaxed); /* before the wake-up */
    rfi_runtime_notify(runtime);
}

static struct rfi_worker *take_sleeper(struct rfi_runtime *runtime)
{
    uint64_t sleepers = atomic_load_explicit(&runtime->sleepers, memory_order_relaxed);
    while (sleepers != 0) {
        uint64_t bit = sleepers & (~sleepers + 1);
        /* [SL1] seq_cst: NOTE guest; what its last user did is seen */
        sleepers = atomic_fetch_and_explicit(&runtime->sleepers, ~bit, memory_order_seq_cst);
        if ((sleepers & bit) != 0)
            return &runtime->workers[__builtin_ctzll(bit)];
    }
    return NULL;
}

bool rfi_runtime_guest_begin(struct rfi_runtime *runtime)
{
    if (guest != NULL || rfi_worker_current() != NULL)
        return guest != NULL && guest->runtime == runtime;
    /* The look at the stop is for its sake: it waits for a moment without a guest, which must come though many ask. */
    if (rfi_runtime_is_stopping(runtime))
        return false;
    /* [GU1] seq_cst, both: NOTE guest */
    (void)atomic_fetch_add_explicit(&runtime->guests, 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&runtime->is_stopping, memory_order_seq_cst))
        guest = take_sleeper(runtime);
    if (guest == NULL) {
        (void)atomic_fetch_sub_explicit(&runtime->guests, 1, memory_order_seq_cst);
        return false;
    }
    set_lent(guest, true);
    guest->last_ns = 0;
    rfi_worker_enter(guest);
    return true;
}

/* relaxed, all: a habit, not a state. A thread that lost its processor in between looks slow, too, but not always. */
static void judge(struct rfi_actor *actor, uint64_t took_ns)
{
    uint8_t strikes = atomic_load_explicit(&actor->guest_strikes, memory_order_relaxed);
    if (took_ns <= GUEST_SLOW_NS) {
        if (strikes != 0)
            atomic_store_explicit(&actor->guest_strikes, 0, memory_order_relaxed);
        return;
    }
    if (took_ns < GUEST_TOO_SLOW_NS && strikes + 1 < GUEST_STRIKES) {
        atomic_store_explicit(&actor->guest_strikes, strikes + 1, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(&actor->guest_skips, GUEST_SKIPS, memory_order_relaxed);
}

/* One activation. False: this thread was revoked meanwhile. */
static bool run_watched(struct rfi_actor *actor, uint64_t *now_ns)
{
    uint64_t begin_ns = *now_ns;
    rfi_mailbox_ref(&actor->box); /* the run may end it */
    rfi_watch_enter();
    rfi_actor_run(guest, actor);
    bool is_ours = rfi_watch_leave();
    *now_ns = rfi_clock_ns();
    judge(actor, *now_ns - begin_ns);
    rfi_mailbox_unref(&actor->box);
    return is_ours;
}

enum rfi_guest_stop rfi_runtime_guest_run(struct rfi_runtime *runtime, uint64_t until_ns)
{
    uint64_t now_ns = rfi_clock_ns();
    while (!rfi_runtime_is_stopping(runtime)) {
        struct rfi_actor *actor = rfi_worker_find(guest);
        if (actor == NULL)
            return RFI_GUEST_DONE;
        /* relaxed: as above; the token makes us the only one */
        uint8_t skips = atomic_load_explicit(&actor->guest_skips, memory_order_relaxed);
        if (skips > 0) {
            atomic_store_explicit(&actor->guest_skips, skips - 1, memory_order_relaxed);
            rfi_inject_push(runtime, actor);
            return RFI_GUEST_LEAVE;
        }
        if (!run_watched(actor, &now_ns))
            return RFI_GUEST_REVOKED;
        if (guest->yields)
            return RFI_GUEST_MORE; /* the caller serves the outlet, and comes back */
        if (now_ns < until_ns)
            continue;
        uint32_t queue = rfi_ring_length(&guest->ring) + (guest->next != NULL);
        if (queue < 2)
            return queue > 0 ? RFI_GUEST_MORE : RFI_GUEST_DONE;
        /* Others may find that it pays to help. */
        set_lent(guest, false);
        rfi_runtime_notify(runtime);
        set_lent(guest, true);
        return RFI_GUEST_MORE;
    }
    return RFI_GUEST_LEAVE;
}

bool rfi_runtime_guest_has_work(const struct rfi_runtime *runtime)
{
    return guest != NULL && guest->runtime == runtime &&
           (guest->next != NULL || rfi_ring_length(&guest->ring) > 0);
}

void rfi_runtime_guest_end(struct rfi_runtime *runtime)
{
    struct rfi_worker *worker = guest;
    if (worker == NULL || worker->runtime != runtime)
        return;
    guest = NULL;
    if (worker->next != NULL)
        rfi_worker_requeue(worker, worker->next);
    worker->next = NULL;
    worker->next_in_row = 0;
    bool has_more = !rfi_ring_is_empty(&worker->ring);
    set_lent(worker, false);
    atomic_store_explicit(&runtime->has_hung_guest, false, memory_order_relaxed); /* if it was us */
    worker->leaves = false;                                                       /* it does */
    rfi_worker_enter(NULL);
    if (has_more)
        rfi_worker_rouse(worker); /* its bit is off: it is ours to wake */
    else
        rfi_worker_lie_down(worker);
    (void)atomic_fetch_sub_explicit(&runtime->guests, 1, memory_order_seq_cst); /* [GU1] */
}
