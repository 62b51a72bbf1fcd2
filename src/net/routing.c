/* SPDX-License-Identifier: MIT */
/* The routing pool. One turn of a shard: handle what its inbox holds, then pump each peer that was touched once
 * (so that many small inputs become one frame out), then look at the clock, then sleep.
 *
 * A shard outlives its thread: messages in mailboxes still have receipts that point to it, so it is counted, and
 * posting to a dead shard answers false instead.
 *
 * NOTE shard-death [RT1]. A poster counts itself in, then looks at is_dead; the stopper sets is_dead, then waits until
 * nobody is counted in. All four are seq_cst: either the poster sees is_dead, or the stopper waits for it and finds its
 * item in the last look at the inbox. */
#include "net/bridge_internal.h"

#include "core/base/clock.h"
#include <assert.h>
#include <sched.h>
#include <stdlib.h>

enum {
    ITEMS_PER_TURN = 1024,
    STAND_IN_NS = 100000, /* another thread looks after the shard for about so long at a time */
    STAND_IN_WORKER_NS = 1000000, /* a worker's other work can be taken by others */
    STAND_IN_ROUNDS = 8           /* and comes back so often for what was posted meanwhile */
};

static_assert(offsetof(struct rfi_item, tag) == offsetof(struct rfi_run, tag),
              "items and runs share an inbox and are told apart by their tag");

rf_err rfi_shard_new(struct rfi_bridge *bridge, uint32_t index, struct rfi_shard **out)
{
    struct rfi_shard *shard = aligned_alloc(64, (sizeof *shard + 63) & ~(size_t)63);
    if (shard == NULL)
        return RF_ENOMEM;
    *shard = (struct rfi_shard){.bridge = bridge, .index = index};
    rf_err err = rfi_inbox_init(&shard->inbox, false);
    if (err == RF_OK && pthread_mutex_init(&shard->run_mutex, NULL) != 0) {
        rfi_inbox_fini(&shard->inbox);
        err = RF_ESYS;
    }
    if (err != RF_OK) {
        free(shard);
        return err;
    }
    rfi_buf_init(&shard->scratch);
    rfi_buf_init(&shard->frame);
    rfi_zstd_init(&shard->zstd);
    rfi_buf_init(&shard->packed);
    rfi_buf_init(&shard->unpacked);
    atomic_init(&shard->refs, 1);
    atomic_init(&shard->posters, 0);
    atomic_init(&shard->is_dead, false);
    atomic_init(&shard->is_stopping, false);
    atomic_init(&shard->borrower, NULL);
    *out = shard;
    return RF_OK;
}

struct rfi_shard *rfi_shard_ref(struct rfi_shard *shard)
{
    (void)atomic_fetch_add_explicit(&shard->refs, 1, memory_order_relaxed);
    return shard;
}

void rfi_shard_unref(struct rfi_shard *shard)
{
    /* [RT2] acq_rel: what each holder did is before the free. */
    if (shard == NULL || atomic_fetch_sub_explicit(&shard->refs, 1, memory_order_acq_rel) != 1)
        return;
    rfi_inbox_fini(&shard->inbox);
    (void)pthread_mutex_destroy(&shard->run_mutex);
    rfi_buf_fini(&shard->scratch);
    rfi_buf_fini(&shard->frame);
    rfi_zstd_fini(&shard->zstd);
    rfi_buf_fini(&shard->packed);
    rfi_buf_fini(&shard->unpacked);
    free(shard);
}

static void run_errand(void *arg);

/* Shall this thread look after the shard at its next pause? The errand holds a reference. Not a loop of another node in
 * this process: when it hung in a callback, its watcher would know nothing of our shard. */
static bool take_errand(struct rfi_shard *shard)
{
    if (!rfi_inbox_is_asleep(&shard->inbox) ||
        (rfi_errands.watch != NULL && rfi_errands.home != shard->bridge))
        return false;
    enum rfi_errand_added added = rfi_errands_add(run_errand, shard);
    if (added == RFI_ERRAND_ADDED)
        (void)rfi_shard_ref(shard);
    return added != RFI_ERRAND_REFUSED;
}

bool rfi_shard_post(struct rfi_shard *shard, struct rfi_mpsc_node *node)
{
    bool is_posted = false;
    /* [RT1] seq_cst, both: see the note above. */
    (void)atomic_fetch_add_explicit(&shard->posters, 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&shard->is_dead, memory_order_seq_cst)) {
        if (take_errand(shard)) {
            rfi_inbox_post_quietly(&shard->inbox, node);
            rfi_transport_note_promise(shard->bridge->transport);
        } else {
            rfi_inbox_post(&shard->inbox, node);
        }
        is_posted = true;
    }
    /* [RT1] release: the post is done when the stopper reads 0. */
    (void)atomic_fetch_sub_explicit(&shard->posters, 1, memory_order_release);
    return is_posted;
}

/* Returns how many were handled. */
static size_t handle_inbox(struct rfi_shard *shard, size_t limit)
{
    size_t count = 0;
    while (count < limit) {
        struct rfi_mpsc_node *node = rfi_inbox_take(&shard->inbox);
        if (node == NULL)
            break;
        struct rfi_item *item = (struct rfi_item *)node;
        if (item->tag == RFI_RUN_TAG)
            rfi_session_handle_run(shard, (struct rfi_run *)node);
        else
            item->handle(shard, item);
        count++;
    }
    return count;
}

static void pump_dirty(struct rfi_shard *shard)
{
    struct rfi_peer *peer = shard->dirty;
    shard->dirty = NULL;
    while (peer != NULL) {
        struct rfi_peer *next = peer->next_dirty;
        peer->next_dirty = NULL;
        peer->is_dirty = false;
        rfi_peer_pump(peer);
        peer = next;
    }
}

static void tick_due(struct rfi_shard *shard)
{
    /* First all of them, then their ticks, which may set the next time to now. */
    struct rfi_peer *due = NULL;
    struct rfi_heap_node *node = NULL;
    while ((node = rfi_heap_take(&shard->due, shard->now_ns)) != NULL) {
        struct rfi_peer *peer =
            (struct rfi_peer *)(void *)((char *)node - offsetof(struct rfi_peer, due));
        peer->next_due = due;
        due = peer;
    }
    while (due != NULL) {
        struct rfi_peer *peer = due;
        due = peer->next_due;
        rfi_peer_tick(peer);
    }
}

/* What is queued, then each peer that it touched, then the clock. False: there is more to do. */
static bool take_turn(struct rfi_shard *shard)
{
    shard->now_ns = rfi_clock_ns();
    size_t handled = handle_inbox(shard, ITEMS_PER_TURN);
    pump_dirty(shard);
    tick_due(shard);
    rfi_peers_sweep(shard);
    return shard->dirty == NULL && handled < ITEMS_PER_TURN;
}

enum stay { STAY_DONE, STAY_LONGER, STAY_REVOKED };

/* In the place of the shard's thread, on a thread that brought work for it: an I/O loop, which then also runs the
 * actors that the messages are for, or an actor worker. What comes of it (a frame with the answer)
 * is pumped once, after the actors. */
static enum stay stand_in(struct rfi_shard *shard)
{
    rf_network *net = shard->bridge->net;
    bool is_guest = rfi_network_guest_begin(net);
    shard->now_ns = rfi_clock_ns(); /* take_turn looks again */
    uint64_t until_ns = shard->now_ns + (is_guest ? STAND_IN_NS : STAND_IN_WORKER_NS);
    enum rfi_guest_stop stop = RFI_GUEST_DONE;
    bool is_done = false;
    do {
        size_t handled = handle_inbox(shard, ITEMS_PER_TURN);
        if (is_guest)
            stop = rfi_network_guest_run(net, until_ns);
        if (stop == RFI_GUEST_REVOKED || stop == RFI_GUEST_LEAVE) {
            rfi_network_guest_end(net);
            is_guest = false;
        }
        if (stop == RFI_GUEST_REVOKED)
            return STAY_REVOKED; /* the shard is no longer ours, see rfi_shard_revoke */
        is_done = take_turn(shard) && handled < ITEMS_PER_TURN && stop != RFI_GUEST_MORE &&
                  !(is_guest && rfi_network_guest_has_work(net)) && !rfi_inbox_has(&shard->inbox);
    } while (!is_done && shard->now_ns < until_ns);
    if (is_guest && is_done)
        rfi_network_guest_end(net);
    return is_done ? STAY_DONE : STAY_LONGER;
}

static void set_borrower(struct rfi_shard *shard, const void *borrower)
{
    /* relaxed: a thread compares it with its own, or is ordered by a revocation */
    atomic_store_explicit(&shard->borrower, borrower, memory_order_relaxed);
}

static bool is_borrower(const struct rfi_shard *shard)
{
    return atomic_load_explicit(&shard->borrower, memory_order_relaxed) == &rfi_errands; /* ours */
}

/* Stand in until there is nothing to do, or for a while: then the errand comes back after what else this thread has to
 * do. A loop stays the borrower meanwhile, since it does not leave for long (watcher.h); an actor worker may, so it
 * gives the place back, and what others post wakes the owner. False: the errand is on the list again. */
static bool look_after(struct rfi_shard *shard)
{
    for (int i = 0;; i++) {
        set_borrower(shard, &rfi_errands);
        enum stay stay = stand_in(shard);
        if (stay == STAY_REVOKED)
            return true;
        bool comes_back =
            stay == STAY_LONGER && rfi_errands_add(run_errand, shard) == RFI_ERRAND_ADDED;
        if (comes_back && rfi_errands.may_linger)
            return false;
        if (stay == STAY_LONGER)
            rfi_network_guest_end(shard->bridge->net);
        set_borrower(shard, NULL);
        bool must_wake = shard->dirty != NULL || rfi_heap_next(&shard->due) < shard->wake_ns;
        if (comes_back && !must_wake) {
            rfi_inbox_leave(&shard->inbox);
            return false;
        }
        must_wake = must_wake || stay == STAY_LONGER || i + 1 == STAND_IN_ROUNDS;
        if (rfi_inbox_give_back(&shard->inbox, must_wake))
            return !comes_back;
    }
}

static void run_errand(void *arg)
{
    struct rfi_shard *shard = arg;
    if (rfi_errands.is_revoked)
        rfi_inbox_wake(&shard->inbox);
    /* When the thread is awake, or another one stands in, then that one sees what we posted. */
    else if ((is_borrower(shard) ||
              (rfi_inbox_has(&shard->inbox) && rfi_inbox_borrow(&shard->inbox))) &&
             !look_after(shard))
        return; /* the errand keeps its reference */
    rfi_shard_unref(shard);
}

void rfi_shard_revoke(struct rfi_shard *shard, const void *borrower)
{
    /* relaxed: the revocation ordered us behind the one who wrote it */
    if (atomic_load_explicit(&shard->borrower, memory_order_relaxed) != borrower)
        return;
    atomic_store_explicit(&shard->borrower, NULL, memory_order_relaxed);
    (void)rfi_inbox_give_back(&shard->inbox, true);
}

bool rfi_shard_has_promise(struct rfi_shard *shard)
{
    bool was_late = shard->is_late;
    shard->is_late = rfi_inbox_is_late(&shard->inbox);
    if (was_late && shard->is_late)
        rfi_inbox_wake(&shard->inbox);
    return shard->is_late;
}

bool rfi_shard_is_resting(const struct rfi_shard *shard)
{
    return rfi_inbox_is_asleep(&shard->inbox);
}

static void *run_shard(void *arg)
{
    struct rfi_shard *shard = arg;
    for (;;) {
        if (!take_turn(shard))
            continue;
        /* [RT3] acquire: pairs with the release in rfi_shard_stop, who wakes once: an end that is seen must
         * not be slept over. What is posted meanwhile, the stopper handles. */
        if (atomic_load_explicit(&shard->is_stopping, memory_order_acquire))
            break;
        shard->wake_ns = rfi_heap_next(&shard->due);
        rfi_inbox_wait(&shard->inbox, shard->wake_ns);
    }
    return NULL;
}

rf_err rfi_shard_start(struct rfi_shard *shard)
{
    rf_err err = RF_OK;
    (void)pthread_mutex_lock(&shard->run_mutex);
    if (pthread_create(&shard->thread, NULL, run_shard, shard) != 0)
        err = RF_ESYS;
    else
        shard->is_running = true;
    (void)pthread_mutex_unlock(&shard->run_mutex);
    return err;
}

static void shut_peers(struct rfi_shard *shard)
{
    shard->now_ns = rfi_clock_ns();
    while (handle_inbox(shard, ITEMS_PER_TURN) > 0)
        continue;
    struct rfi_peer *next = NULL;
    for (struct rfi_peer *peer = shard->peers; peer != NULL; peer = next) {
        next = peer->next;
        rfi_peer_shut(peer);
    }
}

void rfi_shard_stop(struct rfi_shard *shard)
{
    if (atomic_load_explicit(&shard->is_dead, memory_order_relaxed))
        return;
    (void)pthread_mutex_lock(&shard->run_mutex);
    if (shard->is_running) {
        /* [RT3] release: pairs with the acquire in run_shard. */
        atomic_store_explicit(&shard->is_stopping, true, memory_order_release);
        rfi_inbox_wake(&shard->inbox);
        (void)pthread_join(shard->thread, NULL);
        shard->is_running = false;
    }
    shut_peers(shard);
    /* [RT1] seq_cst, both: see the note at the top. */
    atomic_store_explicit(&shard->is_dead, true, memory_order_seq_cst);
    while (atomic_load_explicit(&shard->posters, memory_order_seq_cst) > 0)
        (void)sched_yield();
    while (handle_inbox(shard, ITEMS_PER_TURN) > 0)
        continue;
    struct rfi_intake *next = NULL;
    for (struct rfi_intake *intake = shard->intakes; intake != NULL; intake = next) {
        next = intake->next;
        rfi_intake_orphan(intake);
    }
    shard->intakes = NULL;
    (void)pthread_mutex_unlock(&shard->run_mutex);
}

/* ---- calls ---- */

struct call {
    struct rfi_item item;
    void (*fn)(struct rfi_shard *shard, void *arg);
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool is_done;
};

static void handle_call(struct rfi_shard *shard, struct rfi_item *item)
{
    struct call *call = (struct call *)item;
    call->fn(shard, call->arg);
    (void)pthread_mutex_lock(&call->mutex);
    call->is_done = true;
    (void)pthread_cond_signal(&call->cond);
    (void)pthread_mutex_unlock(&call->mutex);
}

void rfi_shard_call(struct rfi_shard *shard, void (*fn)(struct rfi_shard *shard, void *arg),
                    void *arg)
{
    /* relaxed: an actor that runs on the thread that stands in for the shard finds its own thread here. What it does
     * to the shard now is no part of its callback: nobody may take the shard away meanwhile. */
    if (atomic_load_explicit(&shard->borrower, memory_order_relaxed) == &rfi_errands) {
        bool is_inside = rfi_watch_is_inside();
        if (!is_inside || rfi_watch_leave()) {
            fn(shard, arg);
            if (is_inside)
                rfi_watch_enter();
            return;
        }
    }
    (void)pthread_mutex_lock(&shard->run_mutex);
    if (!shard->is_running) {
        shard->now_ns = rfi_clock_ns();
        while (handle_inbox(shard, ITEMS_PER_TURN) > 0)
            continue;
        fn(shard, arg);
        (void)pthread_mutex_unlock(&shard->run_mutex);
        return;
    }
    struct call call = {.item = {.handle = handle_call}, .fn = fn, .arg = arg};
    (void)pthread_mutex_init(&call.mutex, NULL);
    (void)pthread_cond_init(&call.cond, NULL);
    /* Posted under the lock: a stop that comes later finds it in the inbox. */
    rfi_inbox_post(&shard->inbox, &call.item.node);
    (void)pthread_mutex_unlock(&shard->run_mutex);
    (void)pthread_mutex_lock(&call.mutex);
    while (!call.is_done)
        (void)pthread_cond_wait(&call.cond, &call.mutex);
    (void)pthread_mutex_unlock(&call.mutex);
    (void)pthread_cond_destroy(&call.cond);
    (void)pthread_mutex_destroy(&call.mutex);
}
