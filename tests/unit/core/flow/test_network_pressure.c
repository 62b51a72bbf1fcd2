/* SPDX-License-Identifier: MIT */
/* Back pressure: full mailboxes stop the producer, not the node; loops do not stop at all. */
#include "core/flow/router.h"
#include "unit/core/flow/net_fixture.h"

enum { CAPACITY = 16 };

/* Emits `left` messages, as many at a time as its targets have room for. */
static _Atomic(int64_t) generator_left, generator_calls, generator_next;

static rf_err generate(rf_context *ctx, void *state)
{
    (void)state;
    atomic_fetch_add(&generator_calls, 1);
    while (atomic_load(&generator_left) > 0 && !rf_is_pressed(ctx)) {
        atomic_fetch_sub(&generator_left, 1);
        rf_err err = rf_emit(ctx, 0, rf_message_integer(atomic_fetch_add(&generator_next, 1)));
        if (err != RF_OK)
            return err;
    }
    if (atomic_load(&generator_left) > 0)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err start_generator(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    atomic_store(&generator_left, rf_message_as_integer(msg));
    atomic_store(&generator_next, 0);
    return generate(ctx, state);
}

COMPONENT(generator_component, "Generator", .on_message = start_generator, .on_resume = generate);

/* Emits four for each message. */
static rf_err multiply(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    for (int i = 0; i < 4; i++) {
        rf_err err = rf_emit(ctx, 0, rf_message_ref(msg));
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

COMPONENT(multiply_component, "Multiply", .on_message = multiply);

static rf_network *make_pressed(void)
{
    rf_network *net = make_network(2, CAPACITY);
    OK(rf_network_register(net, &generator_component));
    OK(rf_network_register(net, &multiply_component));
    return net;
}

Test(pressure, a_full_target_mutes_its_producer_and_nobody_else, .timeout = 60)
{
    rf_network *net = make_pressed();
    add_node(net, "m", "Multiply");
    add_node(net, "slow", "Gated");
    add_node(net, "a", "Pass");
    add_node(net, "z", "Sink");
    connect_ports(net, "m", "out", "slow", "in");
    connect_ports(net, "a", "out", "z", "in");
    gate_shut();
    OK(rf_network_start(net));

    for (int i = 0; i < CAPACITY; i++)
        send_integer(net, "m", "in", i);
    WAIT_UNTIL(strcmp(info_of(net, "m").state, "muted") == 0);
    cr_assert(gate_wait(1));
    /* What a callback emits beyond the capacity, and once more the capacity: while the target takes a run off its stack
     * the run is in neither of the two numbers that the producer adds up (MB-6 in docs/concurrency.md). */
    cr_assert_leq(info_of(net, "slow").queue_length, 2 * CAPACITY + 4);
    cr_assert_gt(info_of(net, "m").queue_length, 0);

    send_integer(net, "a", "in", 77);
    cr_assert_eq(probe_wait(1), 1);
    cr_assert_eq(probe.values[0], 77);

    gate_open();
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 1 + 4 * CAPACITY);
    for (size_t i = 0; i < (size_t)4 * CAPACITY; i++)
        cr_assert_eq(probe.values[1 + i], (int64_t)(i / 4));
    rf_network_free(net);
}

Test(pressure, a_generator_goes_on_when_there_is_room, .timeout = 60)
{
    rf_network *net = make_pressed();
    atomic_store(&generator_calls, 0);
    add_node(net, "g", "Generator");
    add_node(net, "z", "Sink");
    connect_ports(net, "g", "out", "z", "in");
    OK(rf_network_start(net));

    send_integer(net, "g", "in", 4000);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.count, 4000);
    for (int64_t i = 0; i < 4000; i++)
        cr_assert_eq(probe.values[i], i);
    cr_assert_gt(atomic_load(&generator_calls), 10);
    rf_network_free(net);
}

static _Atomic(int) ticking;

static rf_err tick(rf_context *ctx, void *state)
{
    (void)state;
    if (atomic_load(&ticking) != 0)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err start_ticking(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    (void)msg;
    return tick(ctx, state);
}

COMPONENT(ticker_component, "Ticker", .on_message = start_ticking, .on_resume = tick);

Test(pressure, endless_resuming_starves_nobody_and_is_work, .timeout = 60)
{
    rf_network *net = make_network(1, CAPACITY);
    OK(rf_network_register(net, &ticker_component));
    atomic_store(&ticking, 1);
    add_node(net, "t", "Ticker");
    add_node(net, "z", "Sink");
    OK(rf_network_start(net));
    send_integer(net, "t", "in", 1);

    send_integer(net, "z", "in", 2);
    cr_assert_eq(probe_wait(1), 1);
    cr_assert_eq(rf_network_drain(net, 20), RF_ETIMEOUT);

    atomic_store(&ticking, 0);
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(pressure, a_loop_of_actors_does_not_stand_still, .timeout = 60)
{
    rf_network *net = make_pressed();
    add_node(net, "a", "Pass");
    add_node(net, "b", "Pass");
    add_node(net, "c", "Pass");
    add_node(net, "z", "Sink");
    connect_ports(net, "a", "out", "b", "in");
    connect_ports(net, "b", "out", "c", "in");
    connect_ports(net, "c", "out", "a", "in");
    connect_ports(net, "c", "out", "z", "in");
    for (int i = 0; i < 4 * CAPACITY; i++)
        OK(rf_network_add_initial(net, "a", "in", rf_message_integer(i)));
    OK(rf_network_start(net));

    cr_assert_geq(probe_wait(3000), 3000);
    OK(rf_network_remove_connection(net, "c", "out", "a", "in"));
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(pressure, a_loop_that_grows_is_refused_far_beyond_the_limit, .timeout = 60)
{
    rf_network *net = make_pressed();
    rf_network_stats stats;
    add_node(net, "m", "Multiply");
    connect_ports(net, "m", "out", "m", "in");
    OK(rf_network_add_initial(net, "m", "in", rf_message_integer(1)));
    OK(rf_network_start(net));

    WAIT_UNTIL(info_of(net, "m").failed_count > 100);
    cr_assert_leq(info_of(net, "m").queue_length, 64 * CAPACITY + 4);
    OK(rf_network_remove_node(net, "m"));
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_get_stats(net, &stats);
    cr_assert_gt(stats.dropped_count, 0);
    rf_network_free(net);
}

Test(pressure, a_loop_that_was_opened_mutes_again, .timeout = 60)
{
    rf_network *net = make_pressed();
    add_node(net, "m", "Multiply");
    add_node(net, "slow", "Gated");
    add_node(net, "back", "Pass");
    connect_ports(net, "m", "out", "slow", "in");
    connect_ports(net, "slow", "out", "back", "in");
    connect_ports(net, "back", "out", "m", "in");
    OK(rf_network_remove_connection(net, "slow", "out", "back", "in"));
    gate_shut();
    OK(rf_network_start(net));

    for (int i = 0; i < CAPACITY; i++)
        send_integer(net, "m", "in", i);
    WAIT_UNTIL(strcmp(info_of(net, "m").state, "muted") == 0);
    /* As in a_full_target_mutes_its_producer_and_nobody_else. */
    cr_assert_leq(info_of(net, "slow").queue_length, 2 * CAPACITY + 4);
    gate_open();
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(pressure, cutting_the_connector_frees_a_muted_producer, .timeout = 60)
{
    rf_network *net = make_pressed();
    add_node(net, "m", "Multiply");
    add_node(net, "slow", "Gated");
    connect_ports(net, "m", "out", "slow", "in");
    gate_shut();
    OK(rf_network_start(net));
    for (int i = 0; i < CAPACITY; i++)
        send_integer(net, "m", "in", i);
    WAIT_UNTIL(strcmp(info_of(net, "m").state, "muted") == 0);

    OK(rf_network_remove_connection(net, "m", "out", "slow", "in"));

    WAIT_UNTIL(info_of(net, "m").received_count == CAPACITY);
    gate_open();
    rf_network_free(net);
}

Test(pressure, a_muted_producer_can_be_removed, .timeout = 60)
{
    rf_network *net = make_pressed();
    rf_network_stats stats;
    add_node(net, "m", "Multiply");
    add_node(net, "slow", "Gated");
    connect_ports(net, "m", "out", "slow", "in");
    gate_shut();
    OK(rf_network_start(net));
    for (int i = 0; i < CAPACITY; i++)
        send_integer(net, "m", "in", i);
    WAIT_UNTIL(strcmp(info_of(net, "m").state, "muted") == 0);

    OK(rf_network_remove_node(net, "m"));

    WAIT_UNTIL((rf_network_get_stats(net, &stats), stats.dropped_count > 0));
    gate_open();
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}

Test(pressure, removing_the_full_target_frees_its_producers, .timeout = 60)
{
    rf_network *net = make_pressed();
    add_node(net, "m", "Multiply");
    add_node(net, "slow", "Gated");
    connect_ports(net, "m", "out", "slow", "in");
    gate_shut();
    OK(rf_network_start(net));
    for (int i = 0; i < CAPACITY; i++)
        send_integer(net, "m", "in", i);
    WAIT_UNTIL(strcmp(info_of(net, "m").state, "muted") == 0);

    OK(rf_network_remove_node(net, "slow"));
    gate_open();

    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(info_of(net, "m").received_count, CAPACITY);
    rf_network_free(net);
}

Test(pressure, stopping_with_muted_actors_ends, .timeout = 60)
{
    rf_network *net = make_pressed();
    add_node(net, "g", "Generator");
    add_node(net, "slow", "Gated");
    connect_ports(net, "g", "out", "slow", "in");
    gate_shut();
    OK(rf_network_start(net));
    send_integer(net, "g", "in", 100000);
    WAIT_UNTIL(strcmp(info_of(net, "g").state, "muted") == 0);
    cr_assert_leq(info_of(net, "slow").queue_length, 2 * CAPACITY + 4);

    gate_open();
    rf_network_stop(net);

    cr_assert_eq(probe.created, probe.destroyed);
    rf_network_free(net);
}

/* Emits pieces of 4 KiB until its target has no room. */
static _Atomic(int) pieces_emitted;

static rf_err pour(rf_context *ctx, void *state)
{
    (void)state;
    static const char piece[4096];
    while (!rf_is_pressed(ctx)) {
        atomic_fetch_add(&pieces_emitted, 1);
        rf_err err = rf_emit(ctx, 0, rf_message_bytes(piece, sizeof piece));
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

static rf_err start_pouring(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    (void)msg;
    return pour(ctx, state);
}

COMPONENT(pour_component, "Pour", .on_message = start_pouring);

Test(pressure, large_messages_fill_a_mailbox_by_their_bytes, .timeout = 60)
{
    rf_network *net = make_network(2, 64); /* room for 64 KiB of large messages */
    OK(rf_network_register(net, &pour_component));
    atomic_store(&pieces_emitted, 0);
    add_node(net, "p", "Pour");
    add_node(net, "slow", "Gated");
    connect_ports(net, "p", "out", "slow", "in");
    gate_shut();
    OK(rf_network_start(net));

    send_integer(net, "p", "in", 1);
    WAIT_UNTIL(atomic_load(&pieces_emitted) >= 17);
    cr_assert(gate_wait(1));
    /* 16 pieces fill it, one more is over it, and one may be with the gated actor. */
    cr_assert_leq(atomic_load(&pieces_emitted), 18);

    /* From outside, too, large messages find no room before the mailbox is empty. */
    static const char piece[4096];
    rf_message *msg = rf_message_bytes(piece, sizeof piece);
    rf_err err = RF_OK;
    for (int i = 0; i < 3 && err == RF_OK; i++)
        err = rf_network_send(net, "slow", "in", rf_message_ref(msg));
    cr_assert_eq(err, RF_EFULL);
    rf_message_unref(msg);
    gate_open();
    OK(rf_network_drain(net, WAIT_MS));
    OK(rf_network_send(net, "slow", "in", msg));
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_free(net);
}
