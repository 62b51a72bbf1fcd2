/* SPDX-License-Identifier: MIT */
/* Two bridges with real local networks in one process: messages, proxies and requests on both native wires. */
#include "integration/it_node.h"
#include "support/rf_test.h"

struct pair {
    struct it_node a, b;
};

static void start_pair(struct pair *pair)
{
    it_node_init(&pair->a, "alpha");
    it_node_init(&pair->b, "beta");
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

static void check_send(const char *scheme, const char *wire_name)
{
    struct pair pair;
    start_pair(&pair);
    it_add(&pair.b, "sink", "sink");
    it_connect(&pair.a, &pair.b, scheme);
    cr_assert(it_wait_link(&pair.b, "alpha", true));
    for (int64_t i = 0; i < 1000; i++)
        it_send(&pair.a, "beta", "sink", i);
    cr_assert(it_log_wait(&pair.b.log, 1000));
    cr_assert(it_log_is_sequence(&pair.b.log, 0, 1000));
    cr_assert_eq(rfi_bridge_drain(pair.a.bridge, IT_DEADLINE_MS), RF_OK);
    char *status = it_status(&pair.a);
    cr_assert_not_null(strstr(status, wire_name));
    cr_assert_not_null(strstr(status, "\"delivery\":\"reliable\""));
    cr_assert_not_null(strstr(status, "\"sent_messages\":1000"));
    cr_assert_not_null(strstr(status, "\"state\":\"up\""));
    free(status);
    stop_pair(&pair);
}

Test(it_bridge, sends_reach_the_other_network_over_websocket, .timeout = 60)
{
    check_send("ws", "\"wire\":\"native-ws\"");
}

Test(it_bridge, sends_reach_the_other_network_over_tcp, .timeout = 60)
{
    check_send("tcp", "\"wire\":\"native-tcp\"");
}

/* alpha: source -> plus@beta -> sink */
static void check_proxy(const char *scheme)
{
    struct pair pair;
    start_pair(&pair);
    it_add(&pair.b, "plus", "plus");
    it_add(&pair.a, "source", "source");
    it_add(&pair.a, "far", "plus@beta");
    it_add(&pair.a, "sink", "sink");
    it_wire(&pair.a, "source", "out", "far", "in");
    it_wire(&pair.a, "far", "out", "sink", "in");
    it_connect(&pair.a, &pair.b, scheme);
    it_go(&pair.a, "source", 20000);
    cr_assert(it_log_wait(&pair.a.log, 20000));
    cr_assert(it_log_is_sequence(&pair.a.log, 1, 20000));
    stop_pair(&pair);
}

Test(it_bridge, proxy_brings_results_back_over_websocket, .timeout = 60)
{
    check_proxy("ws");
}

Test(it_bridge, proxy_brings_results_back_over_tcp, .timeout = 60)
{
    check_proxy("tcp");
}

Test(it_bridge, proxy_made_before_the_link_waits_for_it, .timeout = 60)
{
    struct pair pair;
    start_pair(&pair);
    it_add(&pair.a, "source", "source");
    it_add(&pair.a, "far", "plus@beta");
    it_add(&pair.a, "sink", "sink");
    it_wire(&pair.a, "source", "out", "far", "in");
    it_wire(&pair.a, "far", "out", "sink", "in");
    it_go(&pair.a, "source", 5000);
    /* The source stops at the bound of the outlet, long before its end. */
    cr_assert_eq(rf_network_drain(pair.a.net, 200), RF_ETIMEOUT);
    cr_assert_eq(it_log_count(&pair.a.log), 0);
    it_add(&pair.b, "plus", "plus");
    it_connect(&pair.a, &pair.b, "ws");
    cr_assert(it_log_wait(&pair.a.log, 5000));
    cr_assert(it_log_is_sequence(&pair.a.log, 1, 5000));
    stop_pair(&pair);
}

Test(it_bridge, proxies_made_before_the_start_are_served, .timeout = 60)
{
    struct pair pair;
    it_node_init(&pair.a, "alpha");
    it_node_init(&pair.b, "beta");
    it_node_start(&pair.b);
    it_add(&pair.b, "plus", "plus");
    it_node_make(&pair.a);
    (void)snprintf(pair.a.known_endpoint, sizeof pair.a.known_endpoint, "127.0.0.1:%u",
                   pair.b.port);
    it_add(&pair.a, "source", "source");
    it_add(&pair.a, "far", "plus@beta");
    it_add(&pair.a, "sink", "sink");
    it_wire(&pair.a, "source", "out", "far", "in");
    it_wire(&pair.a, "far", "out", "sink", "in");
    it_node_run(&pair.a); /* discovery knows the network: nobody has to connect by hand */
    it_go(&pair.a, "source", 100);
    cr_assert(it_log_wait(&pair.a.log, 100));
    cr_assert(it_log_is_sequence(&pair.a.log, 1, 100));
    stop_pair(&pair);
}

Test(it_bridge, an_actor_that_comes_late_gets_what_comes_after_it, .timeout = 60)
{
    struct pair pair;
    start_pair(&pair);
    it_connect(&pair.a, &pair.b, "tcp");
    it_send(&pair.a, "beta", "sink", 1);
    uint64_t deadline_ns = it_deadline_ns();
    for (;;) {
        char *status = it_status(&pair.a);
        bool is_counted = strstr(status, "\"unknown_actor\":1") != NULL;
        free(status);
        if (is_counted)
            break;
        cr_assert_not(it_is_over(deadline_ns));
    }
    it_add(&pair.b, "sink", "sink");
    it_send(&pair.a, "beta", "sink", 2);
    cr_assert(it_log_wait(&pair.b.log, 1));
    cr_assert(it_log_is_sequence(&pair.b.log, 2, 1));
    stop_pair(&pair);
}

/* ---- requests ---- */

Test(it_bridge, requests_are_answered_over_the_link, .timeout = 60)
{
    struct pair pair;
    rf_message *answer = NULL;
    start_pair(&pair);
    it_add(&pair.b, "plus", "plus");
    it_add(&pair.b, "silent", "silent");
    it_add(&pair.b, "sink", "sink");
    it_connect(&pair.a, &pair.b, "ws");
    for (int64_t i = 0; i < 50; i++) {
        cr_assert_eq(rf_network_request_wait(pair.a.net, "plus@beta", "in", rf_message_integer(i),
                                             IT_DEADLINE_MS, &answer),
                     RF_OK);
        cr_assert_eq(rf_message_as_integer(answer), i + 1);
        rf_message_unref(answer);
    }
    cr_assert_eq(rf_network_request_wait(pair.a.net, "nobody@beta", "in", rf_message_integer(1),
                                         IT_DEADLINE_MS, &answer),
                 RF_ENOACTOR);
    cr_assert_eq(rf_network_request_wait(pair.a.net, "plus@beta", "nowhere", rf_message_integer(1),
                                         IT_DEADLINE_MS, &answer),
                 RF_ENOPORT);
    cr_assert_eq(rf_network_request_wait(pair.a.net, "silent@beta", "in", rf_message_integer(1),
                                         IT_DEADLINE_MS, &answer),
                 RF_ENOREPLY);
    it_log_shut(&pair.b.log, true); /* a sink that does not come to an end in time */
    cr_assert_eq(
        rf_network_request_wait(pair.a.net, "sink@beta", "in", rf_message_integer(1), 100, &answer),
        RF_ETIMEOUT);
    it_log_shut(&pair.b.log, false);
    stop_pair(&pair);
}

static void *disconnect_when_received(void *arg)
{
    struct it_node *node = arg;
    uint64_t deadline_ns = it_deadline_ns();
    bool is_received = false;
    while (!is_received && !it_is_over(deadline_ns)) {
        char *status = it_status(node);
        is_received = strstr(status, "\"received_messages\":1") != NULL;
        free(status);
    }
    return rfi_bridge_disconnect(node->bridge, "alpha") == RF_OK ? arg : NULL;
}

Test(it_bridge, a_request_fails_when_the_link_goes, .timeout = 60)
{
    struct pair pair;
    rf_message *answer = NULL;
    start_pair(&pair);
    it_add(&pair.b, "sink", "sink");
    it_connect(&pair.a, &pair.b, "ws");
    it_log_shut(&pair.b.log, true);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, disconnect_when_received, &pair.b), 0);
    cr_assert_eq(rf_network_request_wait(pair.a.net, "sink@beta", "in", rf_message_integer(1),
                                         IT_DEADLINE_MS, &answer),
                 RF_ENOTCONNECTED);
    void *is_done = NULL;
    (void)pthread_join(thread, &is_done);
    cr_assert_not_null(is_done);
    it_log_shut(&pair.b.log, false);
    stop_pair(&pair);
}

/* ---- lists ---- */

struct names {
    char text[256];
};

static void add_name(void *user, const char *actor_id)
{
    struct names *names = user;
    size_t at = strlen(names->text);
    (void)snprintf(names->text + at, sizeof names->text - at, "%s,", actor_id);
}

Test(it_bridge, each_side_lists_the_actors_of_the_other, .timeout = 60)
{
    struct pair pair;
    struct names names = {.text = ""};
    start_pair(&pair);
    it_add(&pair.b, "one", "plus");
    it_add(&pair.b, "two", "sink");
    it_add(&pair.b, "far", "x@alpha");
    it_add(&pair.a, "three", "sink");
    cr_assert_eq(rfi_bridge_discover_actors(pair.a.bridge, "beta", 1000, add_name, &names),
                 RF_ENOTCONNECTED);
    it_connect(&pair.a, &pair.b, "tcp");
    cr_assert(it_wait_link(&pair.b, "alpha", true));
    cr_assert_eq(
        rfi_bridge_discover_actors(pair.a.bridge, "beta", IT_DEADLINE_MS, add_name, &names), RF_OK);
    cr_assert_str_eq(names.text, "one,two,");
    names.text[0] = '\0';
    cr_assert_eq(
        rfi_bridge_discover_actors(pair.b.bridge, "alpha", IT_DEADLINE_MS, add_name, &names),
        RF_OK);
    cr_assert_str_eq(names.text, "three,");
    stop_pair(&pair);
}

/* ---- pressure ---- */

static uint64_t emitted(struct it_node *node)
{
    rf_network_stats stats;
    rf_network_get_stats(node->net, &stats);
    return stats.emitted_count;
}

Test(it_bridge, a_slow_actor_there_stops_the_producer_here, .timeout = 120)
{
    struct pair pair;
    start_pair(&pair);
    it_add(&pair.b, "sink", "sink");
    it_add(&pair.a, "source", "source");
    it_add(&pair.a, "far", "sink@beta");
    it_wire(&pair.a, "source", "out", "far", "in");
    it_connect(&pair.a, &pair.b, "ws");
    it_log_shut(&pair.b.log, true);
    it_go(&pair.a, "source", 100000);
    /* The window of the flow, the outlet, and what one callback emits: then it must stand still. */
    const uint64_t bound = 256 + 256 + 256 + 64;
    uint64_t deadline_ns = it_deadline_ns(), before = 0;
    while (emitted(&pair.a) <
           256 + 128) /* a muted producer sleeps until its outlet is half empty */
        cr_assert_not(it_is_over(deadline_ns));
    for (int i = 0; i < 20000; i++) {
        before = emitted(&pair.a);
        cr_assert_leq(before, bound);
        (void)it_is_over(deadline_ns);
    }
    it_log_shut(&pair.b.log, false);
    cr_assert(it_log_wait(&pair.b.log, 100000));
    cr_assert(it_log_is_sequence(&pair.b.log, 0, 100000));
    stop_pair(&pair);
}

Test(it_bridge, a_stuck_flow_holds_no_other, .timeout = 60)
{
    struct pair pair;
    start_pair(&pair);
    it_add(&pair.b, "stuck", "sink");
    it_add(&pair.b, "plus", "plus");
    it_add(&pair.a, "source", "source");
    it_add(&pair.a, "far", "stuck@beta");
    it_add(&pair.a, "fine", "plus@beta");
    it_add(&pair.a, "sink", "sink");
    it_add(&pair.a, "source2", "source");
    it_wire(&pair.a, "source", "out", "far", "in");
    it_wire(&pair.a, "source2", "out", "fine", "in");
    it_wire(&pair.a, "fine", "out", "sink", "in");
    it_connect(&pair.a, &pair.b, "ws");
    it_log_shut(&pair.b.log, true);
    it_go(&pair.a, "source", 100000);
    it_go(&pair.a, "source2", 10000);
    cr_assert(it_log_wait(&pair.a.log, 10000));
    cr_assert(it_log_is_sequence(&pair.a.log, 1, 10000));
    it_log_shut(&pair.b.log, false);
    stop_pair(&pair); /* under load, too: the stuck flow has plenty left */
}

Test(it_bridge, large_and_empty_messages_pass, .timeout = 60)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 1 << 20, (1 << 20) + 1, 8 << 20};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    struct pair pair;
    size_t total = 0;
    start_pair(&pair);
    it_add(&pair.b, "sink", "sink");
    it_connect(&pair.a, &pair.b, "ws");
    for (size_t i = 0; i < SIZES; i++) {
        uint8_t *data = calloc(1, sizes[i] + 1);
        cr_assert_eq(rfi_bridge_send(pair.a.bridge, "beta", "sink", "in",
                                     rf_message_bytes(data, sizes[i]), NULL),
                     RF_OK);
        free(data);
        total += sizes[i];
        cr_assert(it_log_wait(&pair.b.log, i + 1)); /* a second large one may find no room */
    }
    cr_assert_eq(pair.b.log.bytes, total);
    /* One byte more than the peer takes is a dead letter, and nothing else suffers. */
    uint8_t *data = calloc(1, (16 << 20) + 1);
    cr_assert_eq(rfi_bridge_send(pair.a.bridge, "beta", "sink", "in",
                                 rf_message_bytes(data, (16 << 20) + 1), NULL),
                 RF_OK);
    free(data);
    it_send(&pair.a, "beta", "sink", 1);
    cr_assert(it_log_wait(&pair.b.log, SIZES + 1));
    char *status = it_status(&pair.a);
    cr_assert_not_null(strstr(status, "\"too_large\":1"));
    free(status);
    stop_pair(&pair);
}

Test(it_bridge, wrong_calls_are_refused, .timeout = 60)
{
    struct pair pair;
    rf_diag diag;
    start_pair(&pair);
    rf_message *msg = rf_message_integer(1);
    cr_assert_eq(rfi_bridge_send(pair.a.bridge, "alpha", "x", "in", msg, NULL), RF_EINVAL);
    cr_assert_eq(rfi_bridge_send(pair.a.bridge, "be ta", "x", "in", msg, NULL), RF_EINVAL);
    cr_assert_eq(rfi_bridge_send(pair.a.bridge, "beta", "", "in", msg, NULL), RF_EINVAL);
    rf_message_unref(msg);
    cr_assert_eq(rf_network_add_node(pair.a.net, "self", "x@alpha", NULL, &diag), RF_EINVAL);
    cr_assert_eq(rfi_bridge_connect(pair.a.bridge, "not an endpoint", 0, &diag), RF_EINVAL);
    cr_assert_eq(rfi_bridge_disconnect(pair.a.bridge, "nobody"), RF_ENONETWORK);
    cr_assert_not(rfi_bridge_is_connected(pair.a.bridge, "nobody"));
    cr_assert_eq(rfi_bridge_connected_count(pair.a.bridge), 0);
    stop_pair(&pair);
}

Test(it_bridge, a_send_to_a_network_that_never_comes_is_bounded, .timeout = 60)
{
    struct pair pair;
    start_pair(&pair);
    rf_err err = RF_OK;
    int taken = 0;
    for (; taken < 100000 && err == RF_OK; taken++) {
        rf_message *msg = rf_message_integer(taken);
        err = rfi_bridge_send(pair.a.bridge, "nowhere", "x", "in", msg, NULL);
        if (err != RF_OK)
            rf_message_unref(msg);
    }
    cr_assert_eq(err, RF_EFULL);
    cr_assert_leq(taken, 1024);
    stop_pair(&pair);
}
