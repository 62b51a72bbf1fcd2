/* SPDX-License-Identifier: MIT */
/* Requests and answers, events. */
#include "unit/core/flow/net_fixture.h"

/* What the answering component does, by the value of the request. */
enum { EMIT = 1, ANSWER, EMIT_THEN_ANSWER, NOTHING, FAIL, TAKE, ANSWER_TWICE, TAKE_AND_DROP };

static _Atomic(rf_reply *) taken;

static rf_err serve(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    switch (rf_message_as_integer(msg)) {
    case EMIT:
        OK(rf_emit(ctx, 1, rf_message_integer(100)));
        return rf_emit(ctx, 0, rf_message_integer(101));
    case ANSWER:
        return rf_answer(ctx, rf_message_integer(102));
    case EMIT_THEN_ANSWER:
        OK(rf_emit(ctx, 0, rf_message_integer(103)));
        return rf_answer(ctx, rf_message_integer(104));
    case FAIL:
        OK(rf_emit(ctx, 0, rf_message_integer(105)));
        return rf_fail(ctx, "asked for");
    case TAKE:
        atomic_store(&taken, rf_take_reply(ctx));
        probe_note(0, 1);
        break;
    case ANSWER_TWICE:
        OK(rf_answer(ctx, rf_message_integer(106)));
        cr_assert_eq(rf_answer(ctx, rf_message_integer(107)), RF_ESTATE);
        cr_assert_null(rf_take_reply(ctx));
        break;
    default:
        break;
    }
    return RF_OK;
}

COMPONENT(server_component, "Server", .on_message = serve);

static rf_network *make_server(void)
{
    rf_network *net = make_network(2, 0);
    OK(rf_network_register(net, &server_component));
    add_node(net, "s", "Server");
    OK(rf_network_start(net));
    return net;
}

static rf_err ask(rf_network *net, int64_t what, uint64_t timeout_ms, int64_t *out)
{
    rf_message *answer = NULL;
    rf_err err =
        rf_network_request_wait(net, "s", "in", rf_message_integer(what), timeout_ms, &answer);
    if (err == RF_OK)
        *out = rf_message_as_integer(answer);
    rf_message_unref(answer);
    return err;
}

Test(request, the_first_emitted_message_is_the_answer, .timeout = 60)
{
    rf_network *net = make_server();
    int64_t value = 0;
    add_node(net, "z", "Sink");
    connect_ports(net, "s", "side", "z", "in");

    OK(ask(net, EMIT, WAIT_MS, &value));
    cr_assert_eq(value, 100);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 1); /* and it went where it goes anyway */
    rf_network_free(net);
}

Test(request, an_explicit_answer_comes_before_emitted_messages, .timeout = 60)
{
    rf_network *net = make_server();
    int64_t value = 0;

    OK(ask(net, ANSWER, WAIT_MS, &value));
    cr_assert_eq(value, 102);
    OK(ask(net, EMIT_THEN_ANSWER, WAIT_MS, &value));
    cr_assert_eq(value, 104);
    OK(ask(net, ANSWER_TWICE, WAIT_MS, &value));
    cr_assert_eq(value, 106);
    rf_network_free(net);
}

Test(request, no_answer_and_failure_are_told_apart, .timeout = 60)
{
    rf_network *net = make_server();
    int64_t value = 0;

    cr_assert_eq(ask(net, NOTHING, WAIT_MS, &value), RF_ENOREPLY);
    cr_assert_eq(ask(net, FAIL, WAIT_MS, &value), RF_EACTOR);
    rf_message *msg = rf_message_integer(1);
    cr_assert_eq(rf_network_request_wait(net, "nobody", "in", msg, 5, &msg), RF_ENOACTOR);
    cr_assert_eq(rf_network_request_wait(net, "s", "nowhere", msg, 5, &msg), RF_ENOPORT);
    rf_message_unref(msg);
    rf_network_free(net);
}

Test(request, a_request_has_a_deadline, .timeout = 60)
{
    rf_network *net = make_server();
    int64_t value = 0;

    cr_assert_eq(ask(net, TAKE, 20, &value), RF_ETIMEOUT);

    cr_assert_eq(probe_wait(1), 1);
    rf_reply_send(atomic_load(&taken), rf_message_integer(1)); /* too late: dropped */
    rf_network_free(net);
}

static void note_reply(void *user, rf_err err, rf_message *answer)
{
    (void)user;
    probe_note((size_t)err, answer == NULL ? -1 : rf_message_as_integer(answer));
    rf_message_unref(answer);
}

Test(request, a_request_can_be_answered_later_from_any_thread, .timeout = 60)
{
    rf_network *net = make_server();
    OK(rf_network_request(net, "s", "in", rf_message_integer(TAKE), WAIT_MS, note_reply, NULL));
    cr_assert_eq(probe_wait(1), 1);

    rf_reply_send(atomic_load(&taken), rf_message_integer(55));

    cr_assert_eq(probe_wait(2), 2);
    cr_assert_eq(probe.values[1], 55);
    rf_network_free(net);
    cr_assert_eq(probe.count, 2);
}

Test(request, removing_the_actor_fails_what_waits, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    add_node(net, "g", "Gated");
    gate_shut();
    OK(rf_network_start(net));
    send_integer(net, "g", "in", 1);
    cr_assert(gate_wait(1));
    OK(rf_network_request(net, "g", "in", rf_message_integer(2), WAIT_MS, note_reply, NULL));

    OK(rf_network_remove_node(net, "g"));
    gate_open();
    cr_assert_eq(probe_wait(2), 2);

    cr_assert_eq(probe.ports[0] + probe.ports[1], (size_t)RF_ECLOSED);
    rf_network_free(net);
}

Test(request, stopping_completes_every_request, .timeout = 60)
{
    rf_network *net = make_server();
    OK(rf_network_request(net, "s", "in", rf_message_integer(TAKE), WAIT_MS, note_reply, NULL));
    cr_assert_eq(probe_wait(1), 1);

    rf_network_free(net);

    cr_assert_eq(probe.count, 2);
    cr_assert_eq(probe.ports[1], (size_t)RF_ECLOSED);
    rf_reply_send(atomic_load(&taken), NULL);
    cr_assert_eq(probe.count, 2);
}

static rf_err forward_direct(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    cr_assert_eq(rf_send_to(ctx, "nobody", "in", rf_message_ref(msg)), RF_ENOACTOR);
    return rf_send_to(ctx, "z", "other", rf_message_ref(msg));
}

COMPONENT(direct_component, "Direct", .on_message = forward_direct);

Test(request, an_actor_can_send_without_a_connector, .timeout = 60)
{
    rf_network *net = make_network(2, 0);
    OK(rf_network_register(net, &direct_component));
    add_node(net, "d", "Direct");
    add_node(net, "z", "Sink");
    OK(rf_network_start(net));

    send_integer(net, "d", "in", 3);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.ports[0], 1);
    rf_network_free(net);
}

/* ---- events ---- */

static void expect_event(rf_subscription *sub, rf_event_type type, const char *json_start)
{
    rf_event *event = NULL;
    char *json = NULL;
    OK(rf_subscription_next(sub, WAIT_MS, &event));
    cr_assert_eq(event->type, type);
    cr_assert_gt(event->timestamp_ms, 1500000000000U);
    OK(rf_event_to_json(event, &json));
    cr_assert_eq(strncmp(json, json_start, strlen(json_start)), 0);
    free(json);
    rf_event_free(event);
}

Test(event, a_subscriber_hears_in_the_words_of_the_rust_reflow, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    rf_subscription *sub = NULL;
    add_node(net, "a", "Pass");
    add_node(net, "z", "Sink");
    connect_ports(net, "a", "out", "z", "in");
    OK(rf_network_subscribe(net, (1U << RF_EVENT_TYPE_COUNT) - 1, 0, &sub));
    OK(rf_network_start(net));
    /* NetworkStarted and two ActorStarted race; take them in any order. */
    for (int i = 0; i < 3; i++) {
        rf_event *event = NULL;
        do {
            rf_event_free(event);
            OK(rf_subscription_next(sub, WAIT_MS, &event));
        } while (event->type == RF_EVENT_NETWORK_IDLE);
        cr_assert(event->type == RF_EVENT_NETWORK_STARTED || event->type == RF_EVENT_ACTOR_STARTED);
        rf_event_free(event);
    }
    rf_subscription_free(sub);
    OK(rf_network_subscribe(net,
                            1U << RF_EVENT_ACTOR_EMIT | 1U << RF_EVENT_MESSAGE_SENT |
                                1U << RF_EVENT_ACTOR_COMPLETED,
                            0, &sub));

    send_integer(net, "a", "in", 7);

    expect_event(sub, RF_EVENT_ACTOR_EMIT,
                 "{\"_type\":\"ActorEmit\",\"actorId\":\"a\",\"message\":{\"data\":[55]}}");
    expect_event(sub, RF_EVENT_MESSAGE_SENT,
                 "{\"_type\":\"MessageSent\",\"fromActor\":\"a\",\"fromPort\":\"out\","
                 "\"toActor\":\"z\",\"toPort\":\"in\",\"message\":{\"data\":[55]},\"timestamp\":");
    expect_event(sub, RF_EVENT_ACTOR_COMPLETED,
                 "{\"_type\":\"ActorCompleted\",\"actorId\":\"a\",\"component\":\"Pass\","
                 "\"outputs\":{},\"timestamp\":");
    expect_event(sub, RF_EVENT_ACTOR_COMPLETED,
                 "{\"_type\":\"ActorCompleted\",\"actorId\":\"z\",\"component\":\"Sink\",");
    rf_subscription_free(sub);
    rf_network_free(net);
}

Test(event, messages_from_outside_failures_idleness_and_the_end_are_told, .timeout = 60)
{
    rf_network *net = make_server();
    rf_subscription *sub = NULL;
    rf_event *event = NULL;
    OK(rf_network_drain(net, WAIT_MS));
    OK(rf_network_subscribe(net,
                            1U << RF_EVENT_MESSAGE_RECEIVED | 1U << RF_EVENT_ACTOR_FAILED |
                                1U << RF_EVENT_NETWORK_SHUTDOWN,
                            0, &sub));

    send_integer(net, "s", "in", FAIL);
    OK(rf_network_drain(net, WAIT_MS));

    bool has_failed = false;
    bool has_received = false;
    for (int i = 0; i < 2; i++) {
        OK(rf_subscription_next(sub, WAIT_MS, &event));
        has_failed |= event->type == RF_EVENT_ACTOR_FAILED &&
                      strcmp(event->error, "asked for") == 0 && strcmp(event->actor, "s") == 0;
        has_received |= event->type == RF_EVENT_MESSAGE_RECEIVED && strcmp(event->port, "in") == 0;
        rf_event_free(event);
    }
    cr_assert(has_failed && has_received);
    cr_assert_eq(rf_subscription_next(sub, 5, &event), RF_ETIMEOUT);
    rf_network_stop(net);
    expect_event(sub, RF_EVENT_NETWORK_SHUTDOWN, "{\"_type\":\"NetworkShutdown\",\"timestamp\":");
    cr_assert_eq(rf_subscription_next(sub, WAIT_MS, &event), RF_ECLOSED);
    rf_subscription_free(sub);
    rf_network_free(net);
}

Test(event, idleness_is_told_once_each_time, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    rf_subscription *sub = NULL;
    rf_event *event = NULL;
    add_node(net, "z", "Sink");
    OK(rf_network_subscribe(net, 1U << RF_EVENT_NETWORK_IDLE, 0, &sub));
    OK(rf_network_start(net));

    expect_event(sub, RF_EVENT_NETWORK_IDLE, "{\"_type\":\"NetworkIdle\",\"timestamp\":");
    send_integer(net, "z", "in", 1);
    expect_event(sub, RF_EVENT_NETWORK_IDLE, "{\"_type\":\"NetworkIdle\",");
    cr_assert_eq(rf_subscription_next(sub, 5, &event), RF_ETIMEOUT);
    rf_subscription_free(sub);
    rf_network_free(net);
}

Test(event, a_full_subscription_loses_events_and_counts_them, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    rf_subscription *sub = NULL;
    rf_event *event = NULL;
    add_node(net, "z", "Sink");
    OK(rf_network_start(net));
    OK(rf_network_drain(net, WAIT_MS));
    OK(rf_network_subscribe(net, 1U << RF_EVENT_ACTOR_COMPLETED, 3, &sub));
    cr_assert_eq(rf_network_subscribe(net, 0, 3, &sub), RF_EINVAL);

    for (int i = 0; i < 10; i++)
        send_integer(net, "z", "in", i);
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(rf_subscription_dropped(sub), 7);
    for (int i = 0; i < 3; i++) {
        OK(rf_subscription_next(sub, WAIT_MS, &event));
        rf_event_free(event);
    }
    cr_assert_eq(rf_subscription_next(sub, 1, &event), RF_ETIMEOUT);
    cr_assert_str_eq(rf_event_type_name(RF_EVENT_MESSAGE_SENT), "MessageSent");
    rf_subscription_free(sub);
    rf_network_free(net);
}
