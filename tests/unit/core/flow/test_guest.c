/* SPDX-License-Identifier: MIT */
/* Guests: this thread runs actors in the place of a worker that sleeps. */
#include "core/base/clock.h"
#include "core/base/errand.h"
#include "core/flow/router.h"
#include "unit/core/flow/net_fixture.h"

static uint64_t soon(void)
{
    return rfi_clock_ns() + UINT64_C(10000000000);
}

/* As an I/O loop that gets it from a peer. */
static void push(rf_network *net, const char *actor, int64_t value)
{
    struct rfi_target *target = NULL;
    rf_message *msg = rf_message_integer(value);
    OK(rfi_target_find(net, actor, "in", &target));
    OK(rfi_target_push(target, msg, NULL, NULL));
    rfi_target_unref(target);
}

static size_t locked(const size_t *number)
{
    pthread_mutex_lock(&probe.lock);
    size_t now = *number;
    pthread_mutex_unlock(&probe.lock);
    return now;
}

static pthread_t runner;

static rf_err note_thread(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx;
    (void)state;
    pthread_mutex_lock(&probe.lock);
    runner = pthread_self();
    pthread_mutex_unlock(&probe.lock);
    probe_note(port, rf_message_as_integer(msg));
    return RF_OK;
}

COMPONENT(runner_component, "Runner", .on_message = note_thread);

static bool was_here(void)
{
    pthread_mutex_lock(&probe.lock);
    bool is_here = pthread_equal(runner, pthread_self()) != 0;
    pthread_mutex_unlock(&probe.lock);
    return is_here;
}

/* Once is enough, unless this thread lost its core in the middle: then the actor is taken for a slow one. */
static void run_until(rf_network *net, size_t count)
{
    uint64_t until_ns = rfi_clock_ns() + (uint64_t)WAIT_MS * 1000000;
    do
        (void)rfi_network_guest_run(net, soon());
    while (locked(&probe.count) < count && rfi_clock_ns() < until_ns);
    cr_assert_eq(locked(&probe.count), count);
}

static rf_network *start_resting(uint32_t workers)
{
    rf_network *net = make_network(workers, 16);
    OK(rf_network_register(net, &runner_component));
    OK(rf_network_start(net));
    add_node(net, "r", "Runner");
    WAIT_UNTIL(rfi_network_is_resting(net));
    return net;
}

Test(guest, there_is_none_where_no_worker_sleeps, .timeout = 60)
{
    rf_network *net = make_network(1, 16);
    cr_assert_not(rfi_network_guest_begin(net)); /* nothing runs yet */
    add_node(net, "g", "Gated");
    OK(rf_network_start(net));
    gate_shut();
    send_integer(net, "g", "in", 1);
    cr_assert(gate_wait(1));
    cr_assert_not(rfi_network_guest_begin(net));
    cr_assert_not(rfi_network_is_resting(net));
    gate_open();
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_stop(net);
    cr_assert_not(rfi_network_guest_begin(net));
    rf_network_free(net);
}

Test(guest, it_runs_what_it_made_ready_and_all_that_comes_of_it, .timeout = 60)
{
    rf_network *net = start_resting(2);
    add_node(net, "p", "Pass");
    connect_ports(net, "p", "out", "r", "in");
    WAIT_UNTIL(rfi_network_is_resting(net));
    cr_assert(rfi_network_guest_begin(net));
    cr_assert_not(rfi_network_is_resting(net));
    for (int i = 0; i < 3; i++) {
        push(net, "p", i);
        cr_assert_eq(locked(&probe.count), (size_t)i); /* nobody was woken, nothing has run */
        run_until(net, (size_t)i + 1);
        cr_assert(was_here());
    }
    rfi_network_guest_end(net);
    WAIT_UNTIL(rfi_network_is_resting(net));
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(guest, what_it_leaves_is_for_the_workers, .timeout = 60)
{
    rf_network *net = start_resting(1);
    cr_assert(rfi_network_guest_begin(net));
    push(net, "r", 5); /* ready, and not run */
    rfi_network_guest_end(net);
    cr_assert_eq(probe_wait(1), 1);
    cr_assert_not(was_here());
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

static void *send_three(void *arg)
{
    send_integer(arg, "r", "in", 3);
    return NULL;
}

Test(guest, what_others_make_ready_meanwhile_is_not_forgotten, .timeout = 60)
{
    rf_network *net = start_resting(1);
    cr_assert(rfi_network_guest_begin(net)); /* the only worker: nobody else can be woken */
    cr_assert(rfi_network_guest_begin(net)); /* it is one already */
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, send_three, net), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    rfi_network_guest_end(net);
    cr_assert_eq(probe_wait(1), 1);
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(guest, it_ends_in_time_with_an_actor_that_always_goes_on, .timeout = 60)
{
    rf_network *net = start_resting(2);
    add_node(net, "p", "Pass");
    connect_ports(net, "p", "out", "p", "in"); /* a loop: one message goes round for ever */
    WAIT_UNTIL(rfi_network_is_resting(net));
    cr_assert(rfi_network_guest_begin(net));
    push(net, "p", 1);
    cr_assert(rfi_network_guest_run(net, rfi_clock_ns()));
    rfi_network_guest_end(net);
    OK(rf_network_remove_node(net, "p"));
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(guest, an_actor_that_was_removed_ends_here, .timeout = 60)
{
    rf_network *net = start_resting(2);
    add_node(net, "s", "Sink");
    WAIT_UNTIL(rfi_network_is_resting(net));
    cr_assert_eq(locked(&probe.created), 1U);
    cr_assert(rfi_network_guest_begin(net));
    push(net, "s", 1);
    OK(rf_network_remove_node(net, "s"));
    (void)rfi_network_guest_run(net, soon());
    rfi_network_guest_end(net);
    WAIT_UNTIL(locked(&probe.destroyed) == 1);
    cr_assert_eq(locked(&probe.count), 0U);
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

static rf_err take_time(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    uint64_t until_ns = rfi_clock_ns() + 6000000;
    while (rfi_clock_ns() < until_ns)
        continue;
    return note_thread(ctx, state, port, msg);
}

COMPONENT(slow_component, "Slow", .on_message = take_time);

static _Atomic(bool) had_errands;

static rf_err take_time_and_look(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    atomic_store(&had_errands, rfi_errands.is_open);
    return rf_message_as_integer(msg) == 0 ? take_time(ctx, state, port, msg)
                                           : note_thread(ctx, state, port, msg);
}

COMPONENT(looking_component, "Looking", .on_message = take_time_and_look);

Test(guest, a_worker_promises_nothing_while_it_runs_an_actor_that_takes_its_time, .timeout = 60)
{
    rf_network *net = start_resting(2);
    OK(rf_network_register(net, &looking_component));
    add_node(net, "quick", "Looking");
    add_node(net, "slow", "Looking");
    send_integer(net, "quick", "in", 1);
    cr_assert_eq(probe_wait(1), 1U);
    cr_assert(atomic_load(&had_errands));

    WAIT_UNTIL(rfi_network_is_resting(net));
    cr_assert(rfi_network_guest_begin(net));
    push(net, "slow", 0); /* now it is known as slow */
    (void)rfi_network_guest_run(net, soon());
    rfi_network_guest_end(net);
    cr_assert_eq(probe_wait(2), 2U);
    send_integer(net, "slow", "in", 1);
    cr_assert_eq(probe_wait(3), 3U);
    cr_assert_not(was_here());
    cr_assert_not(atomic_load(&had_errands), "who waits for its answer would wait for its end");
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(guest, an_actor_that_takes_its_time_is_left_to_the_workers, .timeout = 60)
{
    rf_network *net = start_resting(2);
    OK(rf_network_register(net, &slow_component));
    add_node(net, "slow", "Slow");
    for (size_t i = 0; i < 3; i++) {
        WAIT_UNTIL(rfi_network_is_resting(net));
        cr_assert(rfi_network_guest_begin(net));
        push(net, "slow", (int64_t)i);
        (void)rfi_network_guest_run(net, soon());
        rfi_network_guest_end(net);
        cr_assert_eq(probe_wait(i + 1), i + 1);
        cr_assert_eq(was_here(), i == 0);
    }
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

static struct rfi_watch watch;

static rf_err lose_place(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    cr_assert(rfi_watch_revoke(&watch, rfi_watch_look(&watch)));
    return note_thread(ctx, state, port, msg);
}

COMPONENT(loser_component, "Loser", .on_message = lose_place);

static void *tell_that_it_hangs(void *net)
{
    rfi_network_guest_hangs(net);
    return NULL;
}

/* `count` messages before make the worker a cheap one, from whom nobody steals as a matter of course. */
static void check_loss(size_t count)
{
    rf_network *net = start_resting(2);
    OK(rf_network_register(net, &loser_component));
    add_node(net, "l", "Loser");
    WAIT_UNTIL(rfi_network_is_resting(net));
    memset(&watch, 0, sizeof watch);
    rfi_errands.watch = &watch;
    cr_assert(rfi_network_guest_begin(net));
    for (size_t i = 0; i < count; i++) {
        push(net, "r", 0);
        run_until(net, i + 1);
    }
    push(net, "l", 1);
    push(net, "r", 2); /* behind it: not for us any more */
    cr_assert(rfi_network_guest_run(net, soon()));
    cr_assert(rfi_errands.is_revoked);
    cr_assert_eq(locked(&probe.count), count + 1);
    pthread_t thread; /* the watcher's */
    cr_assert_eq(pthread_create(&thread, NULL, tell_that_it_hangs, net), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(probe_wait(count + 2), count + 2);
    cr_assert_not(was_here());
    rfi_network_guest_end(net);
    memset(&rfi_errands, 0, sizeof rfi_errands);
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(guest, who_loses_its_place_in_a_callback_finds_out, .timeout = 60)
{
    check_loss(0);
    check_loss(2000);
}

static _Atomic(bool) has_ended;

static void *stop_network(void *arg)
{
    rf_network_stop(arg);
    cr_assert(atomic_load(&has_ended));
    return NULL;
}

Test(guest, a_stop_waits_for_it_and_lets_no_other_in, .timeout = 60)
{
    rf_network *net = start_resting(2);
    pthread_t thread;
    atomic_store(&has_ended, false);
    cr_assert(rfi_network_guest_begin(net));
    push(net, "r", 1);
    cr_assert_eq(pthread_create(&thread, NULL, stop_network, net), 0);
    while (rfi_network_guest_run(net, soon()) ==
           RFI_GUEST_MORE) /* until it sees the stop, or nothing is left */
        continue;
    atomic_store(&has_ended, true);
    rfi_network_guest_end(net);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_not(rfi_network_guest_begin(net));
    rf_network_free(net);
}
