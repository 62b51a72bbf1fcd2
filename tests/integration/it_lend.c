/* SPDX-License-Identifier: MIT */
/* Threads that stand in for others, and callbacks that hang meanwhile: nothing but the actor that hangs may wait for it. */
#include "core/base/errand.h"
#include "integration/it_node.h"
#include "net/bridge_internal.h"
#include "support/rf_test.h"

struct pair {
    struct it_node a, b;
};

static void start_pair(struct pair *pair)
{
    it_node_init(&pair->a, "alpha");
    it_node_init(&pair->b, "beta");
    /* No heartbeat comes to the help of what was forgotten. */
    pair->a.config.heartbeat_interval_ms = pair->b.config.heartbeat_interval_ms = 3600000;
    it_node_start(&pair->a);
    it_node_start(&pair->b);
}

static void stop_pair(struct pair *pair)
{
    it_node_stop(&pair->a);
    it_node_stop(&pair->b);
    it_node_fini(&pair->a);
    it_node_fini(&pair->b);
}

/* Nothing is under way that would wake the shards by itself. */
static bool rest(struct rfi_bridge *bridge)
{
    uint64_t deadline_ns = it_deadline_ns();
    if (rfi_bridge_drain(bridge, IT_DEADLINE_MS) != RF_OK)
        return false;
    for (uint32_t i = 0; i < bridge->shard_count; i++)
        while (!rfi_shard_is_resting(bridge->shards[i]))
            if (it_is_over(deadline_ns))
                return false;
    return true;
}

/* ---- an actor that hangs in its callback until it sees something happen ---- */

struct hanger {
    rf_component component;
    struct it_node *own, *other;
    struct it_log
        *first; /* two messages there are what it waits for before it sends; NULL: nothing */
    struct it_log gate; /* its sink is nobody: shut and opened by the test */
    _Atomic(int) begun, ended;
    _Atomic(bool) came; /* what it sent arrived while it hung */
};

static rf_err send_and_hang(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    (void)msg;
    struct hanger *hanger = rf_context_user(ctx);
    (void)atomic_fetch_add(&hanger->begun, 1);
    bool is_good = hanger->first == NULL || it_log_wait(hanger->first, 2);
    if (hanger->first !=
        NULL) /* so that the shard sleeps, and the send is left to this thread's pause */
        is_good = is_good && rest(hanger->own->bridge);
    it_send(hanger->own, hanger->other->id, "sink", 7);
    is_good = is_good && it_log_wait(&hanger->other->log, 2);
    atomic_store(&hanger->came, is_good);
    (void)atomic_fetch_add(&hanger->ended, 1);
    return RF_OK;
}

/* Stands at the gate. */
static rf_err hang(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    (void)msg;
    struct hanger *hanger = rf_context_user(ctx);
    (void)atomic_fetch_add(&hanger->begun, 1);
    (void)pthread_mutex_lock(&hanger->gate.mutex);
    while (hanger->gate.is_shut)
        (void)pthread_cond_wait(&hanger->gate.cond, &hanger->gate.mutex);
    (void)pthread_mutex_unlock(&hanger->gate.mutex);
    (void)atomic_fetch_add(&hanger->ended, 1);
    return RF_OK;
}

static const rf_port_def hanger_in[] = {{.name = "in"}};

static void add_hanger(struct hanger *hanger, struct it_node *own, struct it_node *other,
                       rf_err (*on_message)(rf_context *, void *, size_t, rf_message *))
{
    memset(hanger, 0, sizeof *hanger);
    it_log_init(&hanger->gate);
    hanger->component = (rf_component){.struct_size = sizeof(rf_component),
                                       .name = "hanger",
                                       .inports = hanger_in,
                                       .inport_count = 1,
                                       .user = hanger,
                                       .on_message = on_message};
    hanger->own = own;
    hanger->other = other;
    cr_assert_eq(rf_network_register(own->net, &hanger->component), RF_OK);
    it_add(own, "hanger", "hanger");
}

static bool wait_for(_Atomic(int) *counter, int value)
{
    uint64_t deadline_ns = it_deadline_ns();
    while (atomic_load(counter) < value)
        if (it_is_over(deadline_ns))
            return false;
    return true;
}

Test(it_lend, a_worker_that_hangs_after_a_send_does_not_hold_what_it_sent, .timeout = 60)
{
    struct pair pair;
    struct hanger hanger;
    start_pair(&pair);
    it_add(&pair.b, "sink", "sink");
    add_hanger(&hanger, &pair.a, &pair.b, send_and_hang);
    it_connect(&pair.a, &pair.b, "tcp");
    it_send(&pair.a, "beta", "sink", 0); /* the first one makes the feed */
    cr_assert(it_log_wait(&pair.b.log, 1));
    cr_assert(rest(pair.b.bridge));
    cr_assert(rest(pair.a.bridge));
    cr_assert_eq(rf_network_send(pair.a.net, "hanger", "in", rf_message_integer(0)), RF_OK);
    cr_assert(wait_for(&hanger.ended, 1));
    cr_assert(atomic_load(&hanger.came));
    stop_pair(&pair);
    it_log_fini(&hanger.gate);
}

/* The message comes over the link, so that an I/O loop runs the actor, hangs, and is replaced; then it sends. */
Test(it_lend, a_thread_that_lost_its_loop_does_not_hold_what_it_sends, .timeout = 60)
{
    struct pair pair;
    struct hanger hanger;
    start_pair(&pair);
    it_add(&pair.a, "sink", "sink");
    it_add(&pair.b, "sink", "sink");
    add_hanger(&hanger, &pair.b, &pair.a, send_and_hang);
    hanger.first = &pair.b.log;
    it_connect(&pair.a, &pair.b, "tcp");
    it_send(&pair.a, "beta", "sink", 0);
    cr_assert(it_log_wait(&pair.b.log, 1));
    cr_assert(it_wait_link(&pair.b, "alpha", true));
    it_send(&pair.b, "alpha", "sink", 0);
    cr_assert(it_log_wait(&pair.a.log, 1));
    cr_assert(rest(pair.a.bridge));
    cr_assert(rest(pair.b.bridge));
    it_send(&pair.a, "beta", "hanger", 0);
    cr_assert(wait_for(&hanger.begun, 1));
    it_send(&pair.a, "beta", "sink", 1); /* goes by a loop that is somebody else's by then */
    cr_assert(wait_for(&hanger.ended, 1));
    cr_assert(atomic_load(&hanger.came));
    stop_pair(&pair);
    it_log_fini(&hanger.gate);
}

Test(it_lend, callbacks_that_hang_one_after_the_other_hold_nothing_else, .timeout = 120)
{
    enum { ROUNDS = 6 };
    struct pair pair;
    struct hanger hanger;
    start_pair(&pair);
    it_add(&pair.b, "sink", "sink");
    add_hanger(&hanger, &pair.b, &pair.a, hang);
    it_connect(&pair.a, &pair.b, "ws");
    for (int i = 0; i < ROUNDS; i++) {
        it_log_shut(&hanger.gate, true);
        it_send(&pair.a, "beta", "hanger", i);
        cr_assert(wait_for(&hanger.begun, i + 1));
        it_send(&pair.a, "beta", "sink", i);
        cr_assert(it_log_wait(&pair.b.log, (size_t)i + 1));
        cr_assert_eq(atomic_load(&hanger.ended), i);
        it_log_shut(&hanger.gate, false);
        cr_assert(wait_for(&hanger.ended, i + 1));
        /* An actor that took its time is left to the workers, so a new one comes in its place. */
        cr_assert_eq(rf_network_remove_node(pair.b.net, "hanger"), RF_OK);
        it_add(&pair.b, "hanger", "hanger");
    }
    cr_assert(it_log_is_sequence(&pair.b.log, 0, ROUNDS));
    stop_pair(&pair);
    it_log_fini(&hanger.gate);
}

static void *stop_bridge(void *bridge)
{
    rfi_bridge_stop(bridge);
    return NULL;
}

Test(it_lend, a_callback_that_hangs_does_not_keep_links_from_closing_at_the_stop, .timeout = 60)
{
    struct pair pair;
    struct hanger hanger;
    pthread_t thread;
    start_pair(&pair);
    add_hanger(&hanger, &pair.b, &pair.a, hang);
    it_connect(&pair.a, &pair.b, "tcp");
    cr_assert(it_wait_link(&pair.b, "alpha", true));
    it_log_shut(&hanger.gate, true);
    it_send(&pair.a, "beta", "hanger", 0);
    cr_assert(wait_for(&hanger.begun, 1));
    cr_assert_eq(pthread_create(&thread, NULL, stop_bridge, pair.b.bridge), 0);
    cr_assert(it_wait_link(&pair.a, "beta", false));
    cr_assert_eq(atomic_load(&hanger.ended), 0);
    it_log_shut(&hanger.gate, false);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    stop_pair(&pair);
    it_log_fini(&hanger.gate);
}

/* Several loops and shards, callbacks that call the shards of their own node and of the other one, and both ways at
 * once: whoever waits for a shard that is lent to somebody who waits gets it in the end. */
static rf_err churn(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    struct hanger *hanger = rf_context_user(ctx);
    char id[32];
    (void)snprintf(id, sizeof id, "proxy%d", atomic_fetch_add(&hanger->begun, 1));
    char far[80];
    (void)snprintf(far, sizeof far, "sink@%s", hanger->other->id);
    rf_err err = rf_network_add_node(hanger->own->net, id, far, NULL, NULL);
    if (err == RF_OK)
        err = rf_network_remove_node(hanger->own->net, id);
    /* and one of a third network, whose shard may be another one */
    if (err == RF_OK)
        err = rf_network_add_node(hanger->own->net, id, "sink@gamma", NULL, NULL);
    if (err == RF_OK)
        err = rf_network_remove_node(hanger->own->net, id);
    free(it_status(hanger->other)); /* asks all shards of the other node */
    it_send(hanger->own, hanger->other->id, "sink", rf_message_as_integer(msg));
    (void)atomic_fetch_add(&hanger->ended, 1);
    return err;
}

static void check_churn(uint32_t actor_threads, uint32_t io_threads, uint32_t routing_threads)
{
    enum { ROUNDS = 200 };
    struct pair pair;
    struct hanger hangers[2];
    it_node_init(&pair.a, "alpha");
    it_node_init(&pair.b, "beta");
    pair.a.config.actor_threads = pair.b.config.actor_threads = actor_threads;
    pair.a.config.io_threads = pair.b.config.io_threads = io_threads;
    pair.a.config.routing_threads = pair.b.config.routing_threads = routing_threads;
    it_node_start(&pair.a);
    it_node_start(&pair.b);
    it_add(&pair.a, "sink", "sink");
    it_add(&pair.b, "sink", "sink");
    add_hanger(&hangers[0], &pair.a, &pair.b, churn);
    add_hanger(&hangers[1], &pair.b, &pair.a, churn);
    it_connect(&pair.a, &pair.b, "ws");
    cr_assert(it_wait_link(&pair.b, "alpha", true));
    for (int i = 0; i < ROUNDS; i++) {
        it_send(&pair.a, "beta", "hanger", i);
        it_send(&pair.b, "alpha", "hanger", i);
    }
    cr_assert(wait_for(&hangers[0].ended, ROUNDS));
    cr_assert(wait_for(&hangers[1].ended, ROUNDS));
    cr_assert(it_log_wait(&pair.a.log, ROUNDS));
    cr_assert(it_log_wait(&pair.b.log, ROUNDS));
    cr_assert(it_log_is_sequence(&pair.a.log, 0, ROUNDS));
    cr_assert(it_log_is_sequence(&pair.b.log, 0, ROUNDS));
    stop_pair(&pair);
    it_log_fini(&hangers[0].gate);
    it_log_fini(&hangers[1].gate);
}

Test(it_lend, callbacks_that_call_shards_of_both_nodes_do_not_lock_each_other_up, .timeout = 120)
{
    check_churn(2, 2, 3);
    check_churn(1, 1, 1);
    check_churn(1, 3, 2);
    check_churn(4, 1, 4);
}

/* ---- single steps, with this thread in the place of a loop ---- */

static void be_loop(struct rfi_watch *watch, const void *home)
{
    rfi_errands.is_open = true;
    rfi_errands.watch = watch;
    rfi_errands.home = home;
}

static void be_nobody(void)
{
    cr_assert_eq(rfi_errands.count, 0U);
    memset(&rfi_errands, 0, sizeof rfi_errands);
}

/* A loop of another node in this process would lend itself to our shard, and hang in a callback of an actor of ours:
 * its watcher knows nothing of our shards. */
Test(it_lend, a_loop_runs_errands_for_its_own_node_alone, .timeout = 60)
{
    struct pair pair;
    struct rfi_watch watch = {.word = 0};
    start_pair(&pair);
    it_add(&pair.b, "sink", "sink");
    it_connect(&pair.a, &pair.b, "tcp");
    it_send(&pair.a, "beta", "sink", 0);
    cr_assert(it_log_wait(&pair.b.log, 1));
    be_loop(&watch, pair.b.bridge);
    cr_assert(rest(pair.a.bridge));
    it_send(&pair.a, "beta", "sink", 1);
    cr_assert_eq(rfi_errands.count, 0U);
    cr_assert(it_log_wait(&pair.b.log, 2));
    be_loop(&watch, pair.a.bridge);
    cr_assert(rest(pair.a.bridge));
    it_send(&pair.a, "beta", "sink", 2);
    rfi_errands_run();
    cr_assert(it_log_wait(&pair.b.log, 3));
    be_nobody();
    stop_pair(&pair);
}

/* Nobody comes to run the errand: the watcher finds it. */
Test(it_lend, a_promise_that_is_not_kept_is_seen_to, .timeout = 60)
{
    struct pair pair;
    struct rfi_watch watch = {.word = 0};
    start_pair(&pair);
    it_add(&pair.b, "sink", "sink");
    it_connect(&pair.a, &pair.b, "tcp");
    be_loop(&watch, pair.a.bridge);
    for (int64_t i = 0; i < 3; i++) {
        cr_assert(rest(pair.a.bridge));
        it_send(&pair.a, "beta", "sink", i);
        cr_assert(it_log_wait(&pair.b.log, (size_t)i + 1));
    }
    rfi_errands_run();
    be_nobody();
    stop_pair(&pair);
}

static void look_from_outside(struct rfi_shard *shard, void *arg)
{
    struct rfi_watch *watch = arg;
    (void)shard;
    cr_assert_not(rfi_watch_revoke(watch, rfi_watch_look(watch)));
}

static void count_call(struct rfi_shard *shard, void *arg)
{
    (void)shard;
    ++*(int *)arg;
}

/* A callback calls the shard that its thread stands in for: nobody may take the shard away in the middle of that. */
Test(it_lend, what_a_callback_does_to_its_shard_is_not_cut_short, .timeout = 60)
{
    struct it_node node;
    struct rfi_watch watch = {.word = 0};
    int calls = 0;
    it_node_init(&node, "alpha");
    it_node_start(&node);
    struct rfi_shard *shard = node.bridge->shards[0];
    be_loop(&watch, node.bridge);
    cr_assert(rest(node.bridge));
    cr_assert(rfi_inbox_borrow(&shard->inbox));
    atomic_store(&shard->borrower, &rfi_errands);

    rfi_shard_call(shard, count_call, &calls); /* outside of callbacks: as the shard itself */
    cr_assert_eq(calls, 1);
    rfi_watch_enter();
    rfi_shard_call(shard, look_from_outside, &watch);
    cr_assert_not(rfi_errands.is_revoked);
    cr_assert(rfi_watch_is_inside());
    /* Revoked before it comes to the call: the shard's own thread runs it. */
    cr_assert(rfi_watch_revoke(&watch, rfi_watch_look(&watch)));
    rfi_shard_revoke(shard, &rfi_errands);
    rfi_shard_call(shard, count_call, &calls);
    cr_assert_eq(calls, 2);
    cr_assert_not(rfi_watch_leave());
    cr_assert(rfi_errands.is_revoked);
    be_nobody();
    it_node_stop(&node);
    it_node_fini(&node);
}
