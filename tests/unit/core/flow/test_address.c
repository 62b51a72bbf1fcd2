/* SPDX-License-Identifier: MIT */
/* Addresses of nodes: what is found, what happens to them when their node goes, and requests by them. */
#include "unit/core/flow/net_fixture.h"
#include <reflow/address.h>

static rf_err echo(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    return rf_answer(ctx, rf_message_ref(msg));
}

COMPONENT(echo_component, "Echo", .on_message = echo);

static rf_err send_by_address(rf_address address, int64_t value)
{
    rf_message *msg = rf_message_integer(value);
    rf_err err = rf_address_send(address, msg);
    if (err != RF_OK)
        rf_message_unref(msg);
    return err;
}

Test(address, a_message_goes_to_the_port_that_was_looked_up, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    rf_address in;
    rf_address other;
    add_node(net, "z", "Sink");
    OK(rf_address_find(net, "z", "input", &in)); /* an alias */
    OK(rf_address_find(net, "z", "other", &other));
    OK(rf_network_start(net));

    OK(send_by_address(in, 7));
    OK(send_by_address(other, 8));

    cr_assert_eq(probe_wait(2), 2U);
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(probe.values[i], probe.ports[i] == 0 ? 7 : 8);
    rf_address_unref(in);
    rf_address_unref(other);
    rf_network_free(net);
}

Test(address, what_is_not_there_is_not_found)
{
    rf_network *net = make_network(1, 0);
    rf_address address = {0};
    add_node(net, "z", "Sink");

    cr_assert_eq(rf_address_find(net, "y", "in", &address), RF_ENOACTOR);
    cr_assert_eq(rf_address_find(net, "z", "nowhere", &address), RF_ENOPORT);
    cr_assert_eq(rf_address_find(net, "z@far", "in", &address), RF_ENOACTOR);

    cr_assert_eq(address.bits, 0U);
    rf_address_unref(address); /* none */
    rf_network_free(net);
}

Test(address, a_node_is_added_with_its_address, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    rf_address address;
    rf_diag diag;
    OK(rf_network_start(net));

    cr_assert_eq(rf_network_spawn(net, "z", "Sink", NULL, "nowhere", &address, &diag), RF_ENOPORT);
    cr_assert_not_null(strstr(diag.text, "nowhere"));
    cr_assert(!rf_network_has_actor(net, "z"));
    cr_assert_eq(rf_network_spawn(net, "z", "Sunk", NULL, "in", &address, &diag), RF_ENOCOMPONENT);
    OK(rf_network_spawn(net, "z", "Sink", "{\"mailbox_capacity\": 3}", "in", &address, &diag));
    rf_address again = address;
    cr_assert_eq(rf_network_spawn(net, "z", "Sink", NULL, "in", &again, &diag), RF_EEXISTS);

    OK(send_by_address(address, 5));
    cr_assert_eq(probe_wait(1), 1U);
    rf_address_unref(address);
    rf_network_free(net);
    cr_assert_eq(probe.created, 1U);
    cr_assert_eq(probe.destroyed, 1U);
}

struct listing {
    size_t count;
    char ids[100][16];
};

static bool note_id(void *user, const rf_actor_info *info)
{
    struct listing *listing = user;
    (void)snprintf(listing->ids[listing->count++], 16, "%s", info->id);
    return true;
}

Test(address, a_node_without_a_name_has_one_that_nobody_else_has, .timeout = 60)
{
    enum { COUNT = 100 };
    rf_network *net = make_network(2, 0);
    rf_address addresses[COUNT];
    struct listing listing = {.count = 0};
    OK(rf_network_start(net));
    cr_assert_eq(rf_network_add_node(net, NULL, "Sink", NULL, NULL), RF_EINVAL);
    cr_assert_eq(rf_network_add_node(net, "#0", "Sink", NULL, NULL), RF_EINVAL);
    for (size_t i = 0; i < COUNT; i++)
        OK(rf_network_spawn(net, NULL, "Sink", NULL, "in", &addresses[i], NULL));

    rf_network_each_actor(net, note_id, &listing);
    cr_assert_eq(listing.count, (size_t)COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        cr_assert_eq(listing.ids[i][0], '#');
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(listing.ids[i], listing.ids[k]);
        send_integer(net, listing.ids[i], "in", (int64_t)i);
        OK(send_by_address(addresses[i], (int64_t)i));
    }
    cr_assert_eq(probe_wait((size_t)2 * COUNT), (size_t)2 * COUNT);

    OK(rf_network_remove_node(net, listing.ids[COUNT - 1]));
    cr_assert_eq(send_by_address(addresses[COUNT - 1], 0), RF_ECLOSED);
    cr_assert(!rf_network_has_actor(net, listing.ids[COUNT - 1]));
    for (size_t i = 0; i < COUNT; i++)
        rf_address_unref(addresses[i]);
    rf_network_free(net);
}

Test(address, that_of_a_removed_node_is_closed_whoever_has_its_name, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    rf_address old;
    rf_address new;
    OK(rf_network_start(net));
    OK(rf_network_spawn(net, "z", "Sink", NULL, "in", &old, NULL));
    OK(rf_network_remove_node(net, "z"));
    cr_assert_eq(send_by_address(old, 1), RF_ECLOSED);
    OK(rf_network_spawn(net, "z", "Sink", NULL, "in", &new, NULL));

    cr_assert_eq(send_by_address(old, 2), RF_ECLOSED);
    OK(send_by_address(new, 3));
    send_integer(net, "z", "in", 4);

    cr_assert_eq(probe_wait(2), 2U);
    cr_assert_eq(probe.values[0], 3);
    cr_assert_eq(probe.values[1], 4);
    rf_address_unref(old);
    rf_address_unref(new);
    rf_network_free(net);
}

Test(address, a_copy_is_a_reference_of_its_own, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    rf_address address;
    OK(rf_network_start(net));
    OK(rf_network_spawn(net, "z", "Sink", NULL, "in", &address, NULL));
    rf_address copy = rf_address_ref(address);
    rf_address_unref(address);
    OK(rf_network_remove_node(net, "z"));
    cr_assert_eq(send_by_address(copy, 1), RF_ECLOSED);
    rf_address_unref(copy);
    rf_network_free(net);
}

Test(address, a_full_mailbox_refuses_and_a_stopped_network_is_closed, .timeout = 60)
{
    rf_network *net = make_network(1, 4);
    rf_address address;
    OK(rf_network_spawn(net, "z", "Sink", NULL, "in", &address, NULL));
    for (int i = 0; i < 4; i++)
        OK(send_by_address(address, i)); /* it is not started yet */
    cr_assert_eq(send_by_address(address, 4), RF_EFULL);
    rf_network_stop(net);
    cr_assert_eq(send_by_address(address, 5), RF_ECLOSED);
    rf_address_unref(address);
    rf_network_free(net);
}

static _Atomic(int) replies[2]; /* ok, failed */

static void note_reply(void *user, rf_err err, rf_message *answer)
{
    cr_assert_eq(user, replies);
    atomic_fetch_add(&replies[err != RF_OK], 1);
    probe_note(0, err == RF_OK ? rf_message_as_integer(answer) : -1);
    rf_message_unref(answer);
}

Test(address, a_request_is_answered_or_fails_once, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    rf_address address;
    OK(rf_network_register(net, &echo_component));
    OK(rf_network_start(net));
    OK(rf_network_spawn(net, "e", "Echo", NULL, "in", &address, NULL));

    OK(rf_address_request(address, rf_message_integer(42), WAIT_MS, note_reply, replies));
    cr_assert_eq(probe_wait(1), 1U);
    cr_assert_eq(probe.values[0], 42);

    OK(rf_network_remove_node(net, "e"));
    rf_message *msg = rf_message_integer(43);
    cr_assert_eq(rf_address_request(address, msg, WAIT_MS, note_reply, replies), RF_ECLOSED);
    rf_message_unref(msg);
    cr_assert_eq(atomic_load(&replies[0]), 1);
    cr_assert_eq(atomic_load(&replies[1]), 0);
    rf_address_unref(address);
    rf_network_free(net);
}

static rf_err emit_then_send(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    (void)msg;
    const rf_address *to = rf_context_user(ctx);
    OK(rf_emit(ctx, 0, rf_message_integer(1)));
    return send_by_address(*to, 2);
}

static rf_address sink_address;

COMPONENT(both_component, "Both", .on_message = emit_then_send, .user = &sink_address);

Test(address, what_a_callback_sends_comes_after_what_it_emitted, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    OK(rf_network_register(net, &both_component));
    OK(rf_network_start(net));
    OK(rf_network_spawn(net, "z", "Sink", NULL, "in", &sink_address, NULL));
    add_node(net, "b", "Both");
    connect_ports(net, "b", "out", "z", "in");
    send_integer(net, "b", "in", 0);
    cr_assert_eq(probe_wait(2), 2U);
    cr_assert_eq(probe.values[0], 1);
    cr_assert_eq(probe.values[1], 2);
    rf_address_unref(sink_address);
    rf_network_free(net);
}
