/* SPDX-License-Identifier: MIT */
/* The local network from outside: nodes, connectors, sending, looking, stopping. */
#include "unit/core/flow/net_fixture.h"

Test(network, messages_of_one_sender_arrive_in_their_order, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    add_node(net, "a", "Pass");
    add_node(net, "b", "Pass");
    add_node(net, "z", "Sink");
    connect_ports(net, "a", "out", "b", "in");
    connect_ports(net, "b", "out", "z", "in");
    OK(rf_network_start(net));

    for (int64_t i = 0; i < 3000; i++) {
        rf_message *msg = rf_message_integer(i);
        rf_err err;
        while ((err = rf_network_send(net, "a", "in", msg)) == RF_EFULL)
            (void)sched_yield();
        OK(err);
    }
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.count, 3000);
    for (int64_t i = 0; i < 3000; i++)
        cr_assert_eq(probe.values[i], i);
    rf_network_free(net);
}

Test(network, fan_out_serves_the_named_port_only, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    add_node(net, "a", "Pass");
    add_node(net, "x", "Sink");
    add_node(net, "y", "Sink");
    add_node(net, "z", "Sink");
    connect_ports(net, "a", "out", "x", "in");
    connect_ports(net, "a", "out", "y", "in");
    connect_ports(net, "a", "side", "z", "other");
    OK(rf_network_start(net));

    send_integer(net, "a", "in", 1);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 2);
    cr_assert_eq(info_of(net, "x").received_count, 1);
    cr_assert_eq(info_of(net, "y").received_count, 1);
    cr_assert_eq(info_of(net, "z").received_count, 0);

    send_integer(net, "a", "other", 2);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(info_of(net, "z").received_count, 1);
    cr_assert_eq(probe.ports[2], 1);
    cr_assert_eq(info_of(net, "a").emitted_count, 2);
    rf_network_free(net);
}

Test(network, what_is_added_before_the_start_waits_for_it, .timeout = 60)
{
    rf_network *net = make_network(1, 4);
    add_node(net, "z", "Sink");
    for (int i = 0; i < 10; i++)
        OK(rf_network_add_initial(net, "z", "in", rf_message_integer(i)));

    cr_assert_eq(info_of(net, "z").queue_length, 10);
    cr_assert_str_eq(info_of(net, "z").state, "queued");
    cr_assert_eq(rf_network_drain(net, 10), RF_ETIMEOUT);
    cr_assert_eq(probe.created, 0);

    OK(rf_network_start(net));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 10);
    cr_assert_str_eq(info_of(net, "z").state, "idle");
    rf_network_free(net);
}

Test(network, nodes_and_connectors_may_come_while_it_runs, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    OK(rf_network_start(net));
    add_node(net, "a", "Pass");
    send_integer(net, "a", "in", 1);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 0);

    add_node(net, "z", "Sink");
    connect_ports(net, "a", "out", "z", "in");
    send_integer(net, "a", "in", 2);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.values[0], 2);

    OK(rf_network_remove_connection(net, "a", "out", "z", "in"));
    cr_assert_eq(rf_network_remove_connection(net, "a", "out", "z", "in"), RF_ENOENT);
    send_integer(net, "a", "in", 3);
    OK(rf_network_add_initial(net, "z", "in", rf_message_integer(4)));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 2);
    cr_assert_eq(probe.values[1], 4);
    rf_network_free(net);
}

Test(network, wrong_names_are_told_with_the_nearest_right_one)
{
    rf_network *net = make_network(1, 0);
    rf_diag diag;
    add_node(net, "reader", "Pass");
    add_node(net, "z", "Sink");

    cr_assert_eq(rf_network_add_node(net, "q", "Sinc", NULL, &diag), RF_ENOCOMPONENT);
    cr_assert_not_null(strstr(diag.text, "\"Sink\""));
    cr_assert_eq(rf_network_add_connection(net, "raeder", "out", "z", "in", &diag), RF_ENOACTOR);
    cr_assert_not_null(strstr(diag.text, "\"reader\""));
    cr_assert_eq(rf_network_add_connection(net, "reader", "outt", "z", "in", &diag), RF_ENOPORT);
    cr_assert_not_null(strstr(diag.text, "\"out\""));
    cr_assert_eq(rf_network_add_connection(net, "reader", "out", "z", "othr", &diag), RF_ENOPORT);
    cr_assert_not_null(strstr(diag.text, "\"other\""));
    cr_assert_eq(rf_network_add_node(net, "z", "Sink", NULL, &diag), RF_EEXISTS);
    cr_assert_eq(rf_network_add_node(net, "", "Sink", NULL, &diag), RF_EINVAL);
    cr_assert_eq(rf_network_add_node(net, "a b", "Sink", NULL, &diag), RF_EINVAL);
    cr_assert_eq(rf_network_add_node(net, "r", "x@far", NULL, &diag), RF_EUNSUPPORTED);
    cr_assert_eq(rf_network_remove_node(net, "nobody"), RF_ENOACTOR);
    rf_network_free(net);
}

Test(network, both_spellings_of_a_port_are_the_same_port)
{
    rf_network *net = make_network(1, 0);
    rf_diag diag;
    add_node(net, "a", "Pass");
    add_node(net, "z", "Sink");

    connect_ports(net, "a", "output", "z", "input");

    cr_assert_eq(rf_network_add_connection(net, "a", "out", "z", "in", &diag), RF_EEXISTS);
    OK(rf_network_remove_connection(net, "a", "out", "z", "input"));
    rf_network_free(net);
}

Test(network, a_sender_keeps_the_message_that_was_refused, .timeout = 60)
{
    rf_network *net = make_network(1, 4);
    rf_message *msg = rf_message_integer(9);
    add_node(net, "z", "Sink");
    for (int i = 0; i < 4; i++)
        send_integer(net, "z", "in", i);

    cr_assert_eq(rf_network_send(net, "z", "in", msg), RF_EFULL);
    cr_assert_eq(rf_network_send(net, "z", "nowhere", msg), RF_ENOPORT);
    cr_assert_eq(rf_network_send(net, "y", "in", msg), RF_ENOACTOR);
    cr_assert_eq(rf_network_send(net, "y@far", "in", msg), RF_EUNSUPPORTED);
    cr_assert_eq(rf_message_as_integer(msg), 9);

    OK(rf_network_start(net));
    OK(rf_network_drain(net, WAIT_MS));
    OK(rf_network_send(net, "z", "in", msg));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 5);
    rf_network_free(net);
}

Test(network, bad_components_are_refused)
{
    rf_network *net = make_network(1, 0);
    static const rf_port_def twice[] = {{.name = "x"}, {.name = "x"}};
    static const char *const await[] = {"nothing"};
    rf_component component = sink_component;

    cr_assert_eq(rf_network_register(net, &component), RF_EEXISTS);
    component.name = "";
    cr_assert_eq(rf_network_register(net, &component), RF_EINVAL);
    component.name = "Other";
    component.inports = twice;
    cr_assert_eq(rf_network_register(net, &component), RF_EINVAL);
    component.inports = two_in;
    component.on_message = NULL;
    cr_assert_eq(rf_network_register(net, &component), RF_EINVAL);
    component.on_message = sink_message;
    component.await = await;
    component.await_count = 1;
    cr_assert_eq(rf_network_register(net, &component), RF_EINVAL);
    rf_network_free(net);
}

Test(network, a_removed_node_is_gone_and_its_messages_are_counted, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    rf_network_stats stats;
    add_node(net, "a", "Pass");
    add_node(net, "g", "Gated");
    connect_ports(net, "a", "out", "g", "in");
    gate_shut();
    OK(rf_network_start(net));
    for (int i = 0; i < 5; i++)
        send_integer(net, "g", "in", i);
    cr_assert(gate_wait(1));
    cr_assert_eq(info_of(net, "g").queue_length, 4);
    cr_assert_str_eq(info_of(net, "g").state, "running");

    OK(rf_network_remove_node(net, "g"));
    cr_assert_not(rf_network_has_actor(net, "g"));
    cr_assert_eq(probe.destroyed, 0);
    gate_open();
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.destroyed, 1);
    cr_assert_eq(probe.count, 1);
    send_integer(net, "a", "in", 7);
    OK(rf_network_drain(net, WAIT_MS));
    rf_network_get_stats(net, &stats);
    cr_assert_eq(stats.dropped_count, 4);
    cr_assert_eq(stats.received_count, 2);
    cr_assert_eq(stats.connection_count, 0);
    cr_assert_eq(stats.active_count, 0);

    add_node(net, "g", "Sink");
    send_integer(net, "g", "in", 8);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 2);
    rf_network_free(net);
}

Test(network, a_node_that_is_removed_before_the_start_was_never_made)
{
    rf_network *net = make_network(1, 0);
    rf_network_stats stats;
    add_node(net, "z", "Sink");
    OK(rf_network_add_initial(net, "z", "in", rf_message_integer(1)));

    OK(rf_network_remove_node(net, "z"));
    rf_network_get_stats(net, &stats);
    cr_assert_eq(stats.dropped_count, 1);
    cr_assert_eq(stats.actor_count, 0);

    OK(rf_network_start(net));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.created, 0);
    rf_network_free(net);
}

/* The leak check of the build with AddressSanitizer is what fails. */
Test(network, connectors_of_a_stopped_network_go_with_it)
{
    rf_network *net = make_network(1, 0);
    add_node(net, "a", "Pass");
    add_node(net, "b", "Pass");
    OK(rf_network_start(net));
    rf_network_stop(net);
    connect_ports(net, "a", "out", "b", "in");
    connect_ports(net, "b", "out", "a", "in");
    rf_network_free(net);
}

Test(network, stopping_drops_what_waits_and_destroys_each_state_once, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    rf_network_stats stats;
    add_node(net, "g", "Gated");
    add_node(net, "z", "Sink");
    gate_shut();
    OK(rf_network_start(net));
    cr_assert_eq(rf_network_start(net), RF_ESTATE);
    for (int i = 0; i < 6; i++)
        send_integer(net, "g", "in", i);
    cr_assert(gate_wait(1));
    gate_open();

    rf_network_stop(net);
    rf_network_stop(net);

    rf_network_get_stats(net, &stats);
    cr_assert_eq(stats.received_count + stats.dropped_count, 6);
    cr_assert_eq(probe.created, probe.destroyed);
    cr_assert_str_eq(info_of(net, "g").state, "stopped");
    rf_message *msg = rf_message_integer(1);
    cr_assert_eq(rf_network_send(net, "g", "in", msg), RF_ECLOSED);
    rf_message_unref(msg);
    rf_network_free(net);
}

/* ---- packets ---- */

static rf_err note_packet(rf_context *ctx, void *state, rf_message *const *inputs)
{
    (void)ctx;
    (void)state;
    int64_t sum = 0;
    for (size_t i = 0; i < 3; i++)
        sum = sum * 100 + (inputs[i] == NULL ? 99 : rf_message_as_integer(inputs[i]));
    probe_note(0, sum);
    return RF_OK;
}

static const rf_port_def three_in[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
static const char *const await_ac[] = {"a", "c"};
static const rf_component all_component = {.struct_size = sizeof(rf_component),
                                           .name = "All",
                                           .inports = three_in,
                                           .inport_count = 3,
                                           .firing = RF_FIRE_ALL,
                                           .on_packet = note_packet};
static const rf_component subset_component = {.struct_size = sizeof(rf_component),
                                              .name = "Subset",
                                              .inports = three_in,
                                              .inport_count = 3,
                                              .firing = RF_FIRE_SUBSET,
                                              .await = await_ac,
                                              .await_count = 2,
                                              .on_packet = note_packet};

Test(network, an_actor_that_awaits_all_fires_on_the_newest_of_each, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    OK(rf_network_register(net, &all_component));
    add_node(net, "all", "All");
    OK(rf_network_start(net));

    send_integer(net, "all", "a", 1);
    send_integer(net, "all", "a", 2);
    send_integer(net, "all", "b", 3);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 0);
    send_integer(net, "all", "c", 4);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.values[0], 20304);
    send_integer(net, "all", "c", 5);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 1);
    rf_network_free(net);
}

Test(network, an_actor_that_awaits_some_takes_the_others_along, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    OK(rf_network_register(net, &subset_component));
    add_node(net, "some", "Subset");
    OK(rf_network_start(net));

    send_integer(net, "some", "a", 1);
    send_integer(net, "some", "c", 2);
    send_integer(net, "some", "b", 3);
    send_integer(net, "some", "c", 4);
    send_integer(net, "some", "a", 5);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.count, 2);
    cr_assert_eq(probe.values[0], 19902);
    cr_assert_eq(probe.values[1], 50304);
    rf_network_free(net);
}

/* ---- lists ---- */

static bool count_connection(void *user, const rf_connection_info *info)
{
    size_t *count = user;
    (*count)++;
    cr_assert_str_eq(info->from_port, "out");
    return true;
}

static bool count_component(void *user, const rf_component *component)
{
    size_t *count = user;
    (*count)++;
    return component->name[0] != '\0';
}

Test(network, lists_tell_what_is_there)
{
    rf_network *net = make_network(1, 0);
    size_t connections = 0;
    size_t components = 0;
    rf_network_stats stats;
    add_node(net, "a", "Pass");
    add_node(net, "z", "Sink");
    connect_ports(net, "a", "output", "z", "in");
    connect_ports(net, "a", "out", "z", "other");
    connect_ports(net, "a", "out", "a", "in");

    rf_network_each_connection(net, count_connection, &connections);
    rf_network_each_component(net, count_component, &components);
    rf_network_get_stats(net, &stats);

    cr_assert_eq(connections, 3);
    cr_assert_eq(components, 3);
    cr_assert_eq(stats.actor_count, 2);
    cr_assert_eq(stats.connection_count, 3);
    cr_assert(rf_network_has_actor(net, "a"));
    OK(rf_network_remove_node(net, "a"));
    rf_network_get_stats(net, &stats);
    cr_assert_eq(stats.connection_count, 0);
    rf_network_free(net);
}

Test(network, the_number_of_nodes_is_limited)
{
    rf_network_options options = {.struct_size = sizeof options, .workers = 1, .actors_max = 2};
    rf_network *net = NULL;
    OK(rf_network_new(&options, &net));
    OK(rf_network_register(net, &sink_component));
    add_node(net, "a", "Sink");
    add_node(net, "b", "Sink");

    cr_assert_eq(rf_network_add_node(net, "c", "Sink", NULL, NULL), RF_ELIMIT);
    OK(rf_network_remove_node(net, "a"));
    add_node(net, "c", "Sink");
    rf_network_free(net);
    options.struct_size = 0;
    cr_assert_eq(rf_network_new(&options, &net), RF_EINVAL);
}

/* A leak is told by the sanitizers' builds, which end here then. */
Test(network, a_wire_to_itself_after_the_stop_does_not_keep_a_removed_node, .timeout = 60)
{
    rf_network *net = make_network(1, 16);
    add_node(net, "p", "Pass");
    OK(rf_network_start(net));
    rf_network_stop(net);
    connect_ports(net, "p", "out", "p", "in");
    OK(rf_network_remove_node(net, "p"));
    rf_network_free(net);
}

Test(network, a_component_has_a_bounded_number_of_ports)
{
    enum { PORTS = 65536 };
    rf_port_def *ports = calloc(PORTS, sizeof *ports);
    char(*names)[8] = calloc(PORTS, sizeof *names);
    cr_assert_not_null(ports);
    cr_assert_not_null(names);
    for (size_t i = 0; i < PORTS; i++) {
        (void)snprintf(names[i], sizeof names[i], "p%zu", i);
        ports[i].name = names[i];
    }
    rf_component wide = {.struct_size = sizeof wide,
                         .name = "Wide",
                         .inports = ports,
                         .inport_count = PORTS,
                         .on_message = pass_message};
    rf_network *net = make_network(1, 0);
    cr_assert_eq(rf_network_register(net, &wide), RF_EINVAL);
    rf_network_free(net);
    free(names);
    free(ports);
}
