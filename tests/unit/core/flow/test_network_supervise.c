/* SPDX-License-Identifier: MIT */
/* What happens when callbacks fail; timers; configuration. */
#include "unit/core/flow/net_fixture.h"

/* Fails for negative values, else notes them. */
static rf_err choosy(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    int64_t value = rf_message_as_integer(msg);
    if (value < 0)
        return rf_fail(ctx, "no good: %lld", (long long)value);
    probe_note(port, value);
    return RF_OK;
}

static _Atomic(int) creates_to_fail;

static rf_err create_or_fail(rf_context *ctx, void **state)
{
    if (atomic_fetch_sub(&creates_to_fail, 1) > 0)
        return rf_fail(ctx, "not yet");
    return count_create(ctx, state);
}

static const rf_port_def error_out[] = {{.name = "out"}, {.name = "error"}};
static const rf_component choosy_component = {.struct_size = sizeof(rf_component),
                                              .name = "Choosy",
                                              .inports = two_in,
                                              .inport_count = 2,
                                              .outports = error_out,
                                              .outport_count = 2,
                                              .create = create_or_fail,
                                              .on_message = choosy,
                                              .destroy = count_destroy};

/* Notes the length of error texts. */
static rf_err note_error(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx;
    (void)state;
    (void)port;
    cr_assert_eq(rf_message_kind(msg), RF_KIND_ERROR);
    probe_note(9, (int64_t)rf_message_data(msg).size);
    return RF_OK;
}

COMPONENT(note_error_component, "NoteError", .on_message = note_error);

static rf_network *make_choosy(const char *metadata)
{
    rf_network *net = make_network(1, 0);
    atomic_store(&creates_to_fail, 0);
    OK(rf_network_register(net, &choosy_component));
    OK(rf_network_register(net, &note_error_component));
    OK(rf_network_add_node(net, "c", "Choosy", metadata, NULL));
    OK(rf_network_start(net));
    return net;
}

Test(supervise, an_actor_goes_on_after_a_failure_by_default, .timeout = 60)
{
    rf_network *net = make_choosy(NULL);

    send_integer(net, "c", "in", -1);
    send_integer(net, "c", "in", 2);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.created, 1);
    cr_assert_eq(info_of(net, "c").failed_count, 1);
    rf_network_free(net);
}

Test(supervise, a_failure_goes_to_the_error_port, .timeout = 60)
{
    rf_network *net = make_choosy(NULL);
    add_node(net, "e", "NoteError");
    connect_ports(net, "c", "error", "e", "in");

    send_integer(net, "c", "in", -12);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.values[0], (int64_t)strlen("no good: -12"));
    rf_network_free(net);
}

Test(supervise, an_actor_is_made_anew_and_keeps_its_mailbox, .timeout = 60)
{
    rf_network *net = make_choosy(
        "{\"supervision\":{\"policy\":\"restart\",\"backoff_ms\":30,\"max_restarts\":3}}");

    send_integer(net, "c", "in", -1);
    send_integer(net, "c", "in", 2);
    send_integer(net, "c", "in", 3);
    WAIT_UNTIL(strcmp(info_of(net, "c").state, "backoff") == 0 || probe_wait(0) > 0);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.count, 2);
    cr_assert_eq(probe.created, 2);
    cr_assert_eq(probe.destroyed, 1);
    cr_assert_eq(info_of(net, "c").restart_count, 1);
    rf_network_free(net);
    cr_assert_eq(probe.destroyed, 2);
}

Test(supervise, restarts_are_limited, .timeout = 60)
{
    rf_network *net = make_choosy(
        "{\"supervision\":{\"policy\":\"restart\",\"backoff_ms\":1,\"max_restarts\":2}}");

    for (int i = 0; i < 5; i++)
        send_integer(net, "c", "in", -1 - i);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_str_eq(info_of(net, "c").state, "failed");
    cr_assert_eq(info_of(net, "c").failed_count, 3);
    cr_assert_eq(info_of(net, "c").restart_count, 2);
    cr_assert_eq(info_of(net, "c").dropped_count, 2);
    cr_assert_eq(probe.created, 3);
    cr_assert_eq(probe.destroyed, 3);
    rf_network_free(net);
}

Test(supervise, a_stopped_actor_refuses_and_stays_in_the_list, .timeout = 60)
{
    rf_network *net = make_choosy("{\"supervision\":{\"policy\":\"stop\"}}");
    rf_message *msg = rf_message_integer(1);

    send_integer(net, "c", "in", -1);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_str_eq(info_of(net, "c").state, "failed");
    cr_assert_eq(probe.destroyed, 1);
    cr_assert_eq(rf_network_send(net, "c", "in", msg), RF_ECLOSED);
    rf_message_unref(msg);
    OK(rf_network_remove_node(net, "c"));
    add_node(net, "c", "Choosy");
    send_integer(net, "c", "in", 4);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 1);
    rf_network_stats stats;
    rf_network_get_stats(net, &stats);
    cr_assert_eq(stats.received_count, 2);
    cr_assert_eq(stats.failed_count, 1);
    rf_network_free(net);
}

Test(supervise, a_failed_create_is_tried_again, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    atomic_store(&creates_to_fail, 2);
    OK(rf_network_register(net, &choosy_component));
    add_node(net, "c", "Choosy");
    OK(rf_network_start(net));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(info_of(net, "c").failed_count, 1);

    send_integer(net, "c", "in", 1); /* the second attempt fails too: this one is lost */
    OK(rf_network_drain(net, WAIT_MS));
    send_integer(net, "c", "in", 2);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(info_of(net, "c").failed_count, 2);
    cr_assert_eq(info_of(net, "c").dropped_count, 1);
    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.values[0], 2);
    rf_network_free(net);
}

Test(supervise, the_first_failed_create_is_told_on_the_error_port, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    atomic_store(&creates_to_fail, 1);
    OK(rf_network_register(net, &choosy_component));
    OK(rf_network_register(net, &note_error_component));
    add_node(net, "c", "Choosy");
    add_node(net, "e", "NoteError");
    OK(rf_network_add_connection(net, "c", "error", "e", "in", NULL));
    OK(rf_network_start(net));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(info_of(net, "c").failed_count, 1);
    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.values[0], (int64_t)strlen("not yet"));
    rf_network_free(net);
}

static rf_err create_and_emit(rf_context *ctx, void **state)
{
    *state = NULL;
    return rf_emit(ctx, 0, rf_message_integer(7));
}

COMPONENT(herald_component, "Herald", .create = create_and_emit, .on_message = sink_message);

Test(supervise, what_create_emits_takes_the_connectors_made_before_the_start, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    OK(rf_network_register(net, &herald_component));
    add_node(net, "h", "Herald");
    add_node(net, "s", "Sink");
    OK(rf_network_add_connection(net, "h", "out", "s", "in", NULL));
    OK(rf_network_start(net));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.values[0], 7);
    rf_network_free(net);
}

Test(supervise, an_actor_in_backoff_can_be_removed_at_once, .timeout = 60)
{
    rf_network *net =
        make_choosy("{\"supervision\":{\"policy\":\"restart\",\"backoff_ms\":3600000}}");
    send_integer(net, "c", "in", -1);
    WAIT_UNTIL(strcmp(info_of(net, "c").state, "backoff") == 0);
    send_integer(net, "c", "in", 1);

    OK(rf_network_remove_node(net, "c"));

    OK(rf_network_drain(net, WAIT_MS));
    rf_network_stats stats;
    rf_network_get_stats(net, &stats);
    cr_assert_eq(stats.dropped_count, 1);
    rf_network_free(net);
}

Test(supervise, stopping_during_a_backoff_ends, .timeout = 60)
{
    rf_network *net =
        make_choosy("{\"supervision\":{\"policy\":\"restart\",\"backoff_ms\":3600000}}");
    send_integer(net, "c", "in", -1);
    WAIT_UNTIL(strcmp(info_of(net, "c").state, "backoff") == 0);

    rf_network_free(net);

    cr_assert_eq(probe.created, probe.destroyed);
}

/* ---- timers ---- */

/* Value v > 0 starts timer 1 with period v; 0 cancels it; -v starts it once; the tag is noted. */
static rf_err set_timer(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    int64_t value = rf_message_as_integer(msg);
    if (value == 0) {
        rf_timer_cancel(ctx, 1);
        probe_note(7, 0);
        return RF_OK;
    }
    if (value < 0)
        return rf_timer_start(ctx, 1, (uint64_t)-value, 0);
    return rf_timer_start(ctx, 1, (uint64_t)value, (uint64_t)value);
}

static rf_err note_timer(rf_context *ctx, void *state, uint64_t tag)
{
    (void)ctx;
    (void)state;
    probe_note(5, (int64_t)tag);
    return RF_OK;
}

COMPONENT(timer_component, "Timer", .on_message = set_timer, .on_timer = note_timer,
          .create = count_create, .destroy = count_destroy);

static rf_network *make_timer(void)
{
    rf_network *net = make_network(1, 0);
    OK(rf_network_register(net, &timer_component));
    add_node(net, "t", "Timer");
    OK(rf_network_start(net));
    return net;
}

Test(timer, a_timer_fires_once, .timeout = 60)
{
    rf_network *net = make_timer();

    send_integer(net, "t", "in", -3600000);
    send_integer(net, "t", "in", -5); /* replaces the first */
    cr_assert_eq(probe_wait(1), 1);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.values[0], 1);
    cr_assert_eq(info_of(net, "t").queue_length, 0);
    cr_assert_eq(info_of(net, "t").received_count, 2);
    rf_network_free(net);
}

Test(timer, a_periodic_timer_fires_until_it_is_cancelled, .timeout = 60)
{
    rf_network *net = make_timer();
    send_integer(net, "t", "in", 2);
    cr_assert_geq(probe_wait(3), 3);

    send_integer(net, "t", "in", 0);
    WAIT_UNTIL(info_of(net, "t").received_count == 2);
    OK(rf_network_drain(net, WAIT_MS));

    size_t cancelled_at = 0;
    pthread_mutex_lock(&probe.lock);
    while (cancelled_at < probe.count && probe.ports[cancelled_at] != 7)
        cancelled_at++;
    cr_assert_eq(cancelled_at + 1, probe.count); /* nothing came after the cancel */
    pthread_mutex_unlock(&probe.lock);
    rf_network_free(net);
}

Test(timer, removing_an_actor_ends_its_timers, .timeout = 60)
{
    rf_network *net = make_timer();
    send_integer(net, "t", "in", 1);
    cr_assert_geq(probe_wait(2), 2);

    OK(rf_network_remove_node(net, "t"));
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.destroyed, 1);
    rf_network_free(net);
}

/* ---- configuration ---- */

static rf_err read_config(rf_context *ctx, void **state)
{
    *state = NULL;
    cr_assert_str_eq(rf_context_id(ctx), "c");
    cr_assert_str_eq(rf_context_component(ctx), "Config");
    cr_assert_eq(rf_context_user(ctx), &probe);
    cr_assert_str_eq(rf_config_string(ctx, "word", "-"), "inner");
    cr_assert_str_eq(rf_config_string(ctx, "only_outer", "-"), "outer");
    cr_assert_str_eq(rf_config_string(ctx, "number", "-"), "12");
    cr_assert_str_eq(rf_config_string(ctx, "flag", "-"), "true");
    cr_assert_str_eq(rf_config_string(ctx, "list", "-"), "-");
    cr_assert(rf_config_has(ctx, "list"));
    cr_assert_not(rf_config_has(ctx, "nothing"));
    cr_assert_eq(rf_config_integer(ctx, "number", 0), 12);
    cr_assert_eq(rf_config_integer(ctx, "text_number", 0), -7);
    cr_assert_eq(rf_config_integer(ctx, "half", 3), 3);
    cr_assert_float_eq(rf_config_number(ctx, "half", 0), 0.5, 1e-9);
    cr_assert_float_eq(rf_config_number(ctx, "number", 0), 12.0, 1e-9);
    cr_assert(rf_config_boolean(ctx, "flag", false));
    cr_assert(rf_config_boolean(ctx, "text_flag", false));
    cr_assert(rf_config_boolean(ctx, "word", true));
    cr_assert_str_eq(rf_config_json(ctx, "list"), "[1, {\"a\": 2}]");
    cr_assert_eq(rf_config_json(ctx, "list"), rf_config_json(ctx, "list"));
    cr_assert_null(rf_config_json(ctx, "nothing"));
    cr_assert_str_eq(rf_config_string(ctx, "RF_TEST_SET", "-"), "from \"env\"");
    cr_assert_str_eq(rf_config_string(ctx, "RF_TEST_DEFAULT", "-"), "99");
    cr_assert_eq(rf_config_integer(ctx, "RF_TEST_DEFAULT", 0), 99);
    cr_assert_str_eq(rf_config_json(ctx, "RF_TEST_SET"), "\"from \\\"env\\\"\"");
    cr_assert_not(rf_config_has(ctx, "RF_TEST_UNSET"));
    probe_note(0, 1);
    return RF_OK;
}

COMPONENT(config_component, "Config", .on_message = sink_message, .create = read_config,
          .user = &probe);

Test(config, values_come_from_properties_metadata_and_environment, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    OK(rf_network_register(net, &config_component));
    cr_assert_eq(setenv("RF_TEST_SET", "from \"env\"", 1), 0);
    OK(rf_network_add_node(net, "c", "Config",
                           "{\"word\":\"outer\",\"only_outer\":\"outer\",\"propertyValues\":{"
                           "\"word\":\"inner\",\"number\":12,\"flag\":true,\"half\":0.5,"
                           "\"text_number\":\"-7\",\"text_flag\":\"true\","
                           "\"list\":[1, {\"a\": 2}]},\"env_vars\":{"
                           "\"RF_TEST_SET\":\"required: yes\",\"RF_TEST_DEFAULT\":\"optional:99\","
                           "\"RF_TEST_UNSET\":\"optional\"}}",
                           NULL));
    OK(rf_network_start(net));

    cr_assert_eq(probe_wait(1), 1);
    rf_network_free(net);
}

Test(config, mistakes_in_metadata_are_told)
{
    rf_network *net = make_network(1, 0);
    rf_diag diag;

    cr_assert_eq(rf_network_add_node(net, "z", "Sink", "{\"a\":", &diag), RF_EFORMAT);
    cr_assert_eq(rf_network_add_node(net, "z", "Sink", "[1]", &diag), RF_EFORMAT);
    cr_assert_eq(
        rf_network_add_node(net, "z", "Sink", "{\"supervision\":{\"policy\":\"restrat\"}}", &diag),
        RF_EFORMAT);
    cr_assert_not_null(strstr(diag.text, "\"restart\""));
    cr_assert_eq(rf_network_add_node(net, "z", "Sink", "{\"mailbox_capacity\":0}", &diag),
                 RF_EFORMAT);
    cr_assert_eq(rf_network_add_node(net, "z", "Sink",
                                     "{\"env_vars\":{\"RF_TEST_MISSING\":\"required\"}}", &diag),
                 RF_ENOENT);
    cr_assert_not_null(strstr(diag.text, "RF_TEST_MISSING"));
    cr_assert_not(rf_network_has_actor(net, "z"));
    rf_network_free(net);
}

Test(config, a_node_has_the_capacity_of_its_metadata)
{
    rf_network *net = make_network(1, 0);
    OK(rf_network_add_node(net, "z", "Sink", "{\"mailbox_capacity\":2}", NULL));
    rf_message *msg = rf_message_integer(3);
    send_integer(net, "z", "in", 1);
    send_integer(net, "z", "in", 2);

    cr_assert_eq(rf_network_send(net, "z", "in", msg), RF_EFULL);

    rf_message_unref(msg);
    rf_network_free(net);
}
