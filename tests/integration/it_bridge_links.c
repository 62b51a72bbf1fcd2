/* SPDX-License-Identifier: MIT */
/* What happens to links: lost and resumed, dialled from both sides, refused, restarted, stopped under load. */
#include "core/base/clock.h"
#include "integration/it_node.h"
#include "support/rf_test.h"

static void start(struct it_node *node, const char *id)
{
    it_node_init(node, id);
    it_node_start(node);
}

static void end(struct it_node *node)
{
    it_node_stop(node);
    it_node_fini(node);
}

/* Wait until the status has `text`. */
static bool status_shows(struct it_node *node, const char *text)
{
    uint64_t deadline_ns = it_deadline_ns();
    for (;;) {
        char *status = it_status(node);
        bool is_there = strstr(status, text) != NULL;
        if (!is_there && rfi_clock_ns() >= deadline_ns)
            fprintf(stderr, "no %s in %s\n", text, status);
        free(status);
        if (is_there || it_is_over(deadline_ns))
            return is_there;
    }
}

static bool status_has(struct it_node *node, const char *text)
{
    char *status = it_status(node);
    bool is_there = strstr(status, text) != NULL;
    free(status);
    return is_there;
}

static rf_err connect_to(struct it_node *node, const char *scheme, uint16_t port,
                         uint64_t timeout_ms)
{
    char endpoint[64];
    rf_diag diag = {.text = ""};
    (void)snprintf(endpoint, sizeof endpoint, "%s://127.0.0.1:%u", scheme, port);
    rf_err err = rfi_bridge_connect(node->bridge, endpoint, timeout_ms, &diag);
    if (err != RF_OK)
        fprintf(stderr, "%s: %s\n", rf_err_name(err), diag.text);
    return err;
}

/* ---- lost and resumed ---- */

/* alpha: source -> plus@beta -> sink, with all bytes through a relay that is cut again and again. */
static void check_cuts(const char *scheme)
{
    enum { COUNT = 100000, CUTS = 12 };
    struct it_node a, b;
    struct it_relay relay;
    it_node_init(&a, "alpha");
    it_node_init(&b, "beta");
    /* However slow the machine: a subscriber must not be given up between two connections. */
    a.config.heartbeat_interval_ms = b.config.heartbeat_interval_ms = 20000;
    it_node_start(&a);
    it_node_start(&b);
    it_relay_start(&relay, b.port);
    it_add(&b, "plus", "plus");
    it_add(&a, "source", "source");
    it_add(&a, "far", "plus@beta");
    it_add(&a, "sink", "sink");
    it_wire(&a, "source", "out", "far", "in");
    it_wire(&a, "far", "out", "sink", "in");
    cr_assert_eq(connect_to(&a, scheme, relay.port, IT_DEADLINE_MS), RF_OK);
    it_go(&a, "source", COUNT);
    for (size_t i = 1; i <= CUTS; i++) {
        cr_assert(it_log_wait(&a.log, i * COUNT / (CUTS + 2)));
        it_relay_cut(&relay);
    }
    cr_assert(it_log_wait(&a.log, COUNT));
    cr_assert(it_log_is_sequence(&a.log, 1, COUNT));
    cr_assert_geq(atomic_load(&relay.connections), 2);
    cr_assert(status_has(&a, "\"lost_messages\":0"));
    cr_assert(status_has(&a, "\"total\":0"));
    cr_assert(status_has(&b, "\"total\":0"));
    end(&a);
    end(&b);
    it_relay_stop(&relay);
}

Test(it_bridge_links, a_cut_link_resumes_without_loss_or_repetition_over_websocket, .timeout = 120)
{
    check_cuts("ws");
}

Test(it_bridge_links, a_cut_link_resumes_without_loss_or_repetition_over_tcp, .timeout = 120)
{
    check_cuts("tcp");
}

/* The first number behind `key` in the status; of a link, as each node here has one. */
static uint64_t status_number(struct it_node *node, const char *key)
{
    char *status = it_status(node);
    const char *at = strstr(status, key);
    cr_assert_not_null(at, "no %s in %s", key, status);
    uint64_t number = strtoull(at + strlen(key), NULL, 10);
    free(status);
    return number;
}

/* The same at level fast: what comes is in order, and what does not come is counted. */
static void check_fast_cuts(const char *scheme)
{
    enum { COUNT = 100000, CUTS = 12 };
    static char fast[] = "fast";
    struct it_node a, b;
    struct it_relay relay;
    it_node_init(&a, "alpha");
    it_node_init(&b, "beta");
    a.config.heartbeat_interval_ms = b.config.heartbeat_interval_ms = 20000;
    a.config.delivery = b.config.delivery = fast;
    it_node_start(&a);
    it_node_start(&b);
    it_relay_start(&relay, b.port);
    it_add(&b, "plus", "plus");
    it_add(&a, "source", "source");
    it_add(&a, "far", "plus@beta");
    it_add(&a, "sink", "sink");
    it_wire(&a, "source", "out", "far", "in");
    it_wire(&a, "far", "out", "sink", "in");
    cr_assert_eq(connect_to(&a, scheme, relay.port, IT_DEADLINE_MS), RF_OK);
    cr_assert(status_shows(&a, "\"delivery\":\"fast\""));
    it_go(&a, "source", COUNT);
    uint64_t deadline_ns = it_deadline_ns();
    uint64_t lost = 0;
    for (size_t i = 1; it_log_count(&a.log) + lost < COUNT && !it_is_over(deadline_ns);) {
        size_t arrived = it_log_count(&a.log);
        lost = status_number(&a, "\"lost_messages\":") + status_number(&b, "\"lost_messages\":");
        if (i <= CUTS && arrived + lost >= i * COUNT / (CUTS + 2)) {
            it_relay_cut(&relay);
            i++;
        }
    }
    cr_assert_eq(it_log_count(&a.log) + lost, COUNT);
    for (size_t i = 1; i < a.log.count; i++)
        cr_assert_gt(a.log.values[i], a.log.values[i - 1]);
    cr_assert_eq(status_number(&a, "\"level_fast\":") + status_number(&b, "\"level_fast\":"), lost);
    cr_assert_geq(atomic_load(&relay.connections), 2);
    end(&a);
    end(&b);
    it_relay_stop(&relay);
}

Test(it_bridge_links, a_cut_link_of_level_fast_counts_what_it_lost_over_websocket, .timeout = 120)
{
    check_fast_cuts("ws");
}

Test(it_bridge_links, a_cut_link_of_level_fast_counts_what_it_lost_over_tcp, .timeout = 120)
{
    check_fast_cuts("tcp");
}

/* What was given to a connection that never carried it. */
static void check_swallowed(bool is_fast)
{
    enum { COUNT = 50 };
    static char fast[] = "fast";
    struct it_node a, b;
    struct it_relay relay;
    it_node_init(&a, "alpha");
    it_node_init(&b, "beta");
    a.config.heartbeat_interval_ms = b.config.heartbeat_interval_ms = 20000;
    if (is_fast)
        a.config.delivery = fast;
    it_node_start(&a);
    it_node_start(&b);
    it_relay_start(&relay, b.port);
    it_add(&b, "sink", "sink");
    cr_assert_eq(connect_to(&a, "tcp", relay.port, IT_DEADLINE_MS), RF_OK);
    cr_assert(it_wait_link(&b, "alpha", true));
    cr_assert(status_shows(&b, "\"delivery\":\"reliable\"")); /* each side has its own */
    it_relay_stall(&relay, true);
    for (int64_t i = 0; i < COUNT; i++)
        it_send(&a, "beta", "sink", i);
    cr_assert(status_shows(&a, "\"sent_messages\":50"));
    it_relay_cut(&relay);
    it_relay_stall(&relay, false);
    cr_assert(status_shows(&a, "\"sessions\":2"));
    for (int64_t i = COUNT; i < 2 * COUNT; i++)
        it_send(&a, "beta", "sink", i);
    size_t arriving = is_fast ? COUNT : 2 * COUNT;
    cr_assert(it_log_wait(&b.log, arriving));
    cr_assert(it_log_is_sequence(&b.log, is_fast ? COUNT : 0, arriving));
    cr_assert_eq(status_number(&a, "\"lost_messages\":"), is_fast ? COUNT : 0);
    cr_assert_eq(status_number(&a, "\"level_fast\":"), is_fast ? COUNT : 0);
    cr_assert_eq(status_number(&a, "\"peer_restarted\":"), 0);
    cr_assert(status_shows(&a, "\"unacknowledged_messages\":0"));
    end(&a);
    end(&b);
    it_relay_stop(&relay);
}

Test(it_bridge_links, what_a_connection_swallowed_is_lost_and_counted_at_level_fast, .timeout = 60)
{
    check_swallowed(true);
}

Test(it_bridge_links, what_a_connection_swallowed_comes_again_at_level_reliable, .timeout = 60)
{
    check_swallowed(false);
}

Test(it_bridge_links, a_link_that_falls_silent_is_taken_down_and_resumed, .timeout = 120)
{
    struct it_node a, b;
    struct it_relay relay;
    it_node_init(&a, "alpha");
    it_node_init(&b, "beta");
    a.config.heartbeat_interval_ms = b.config.heartbeat_interval_ms = 100;
    it_node_start(&a);
    it_node_start(&b);
    it_relay_start(&relay, b.port);
    it_add(&b, "sink", "sink");
    cr_assert_eq(connect_to(&a, "tcp", relay.port, IT_DEADLINE_MS), RF_OK);
    cr_assert(it_wait_link(&b, "alpha", true));
    it_relay_stall(&relay, true);
    it_send(&a, "beta", "sink", 0);
    cr_assert(it_wait_link(&a, "beta", false));
    cr_assert(it_wait_link(&b, "alpha", false));
    it_relay_stall(&relay, false);
    for (int64_t i = 1; i < 10; i++)
        it_send(&a, "beta", "sink", i);
    cr_assert(it_log_wait(&b.log, 10));
    cr_assert(it_log_is_sequence(&b.log, 0, 10));
    end(&a);
    end(&b);
    it_relay_stop(&relay);
}

Test(it_bridge_links, a_restarted_node_goes_on_and_the_loss_is_counted, .timeout = 120)
{
    enum { COUNT = 20000 };
    struct it_node a, b;
    start(&a, "alpha");
    start(&b, "beta");
    it_add(&b, "sink", "sink");
    it_add(&a, "source", "source");
    it_add(&a, "far", "sink@beta");
    it_wire(&a, "source", "out", "far", "in");
    it_connect(&a, &b, "tcp");
    it_go(&a, "source", COUNT);
    cr_assert(it_log_wait(&b.log, COUNT / 4));
    uint16_t port = b.port;
    it_node_stop(&b);
    size_t before = it_log_count(&b.log);
    b.config.bind_port = port;
    it_node_make(&b);
    it_add(&b, "sink", "sink");
    it_node_run(&b);
    cr_assert(it_wait_link(&a, "beta", true));
    cr_assert(it_log_wait(&b.log, before + 1000));
    /* Whatever comes is in order, and the end comes: the workflow went on. */
    uint64_t deadline_ns = it_deadline_ns();
    int64_t last = 0;
    while (last != COUNT - 1 && !it_is_over(deadline_ns)) {
        (void)pthread_mutex_lock(&b.log.mutex);
        last = b.log.count > 0 ? b.log.values[b.log.count - 1] : 0;
        (void)pthread_mutex_unlock(&b.log.mutex);
    }
    cr_assert_eq(last, COUNT - 1);
    for (size_t i = before + 1; i < b.log.count; i++)
        cr_assert_gt(b.log.values[i], b.log.values[i - 1]);
    cr_assert(status_shows(&a, "\"sessions\":2"));
    end(&a);
    end(&b);
}

Test(it_bridge_links, subscriptions_are_renewed_when_the_subscriber_restarts, .timeout = 120)
{
    struct it_node a, b;
    start(&a, "alpha");
    start(&b, "beta");
    it_add(&b, "source", "source");
    for (int round = 0; round < 2; round++) {
        it_add(&a, "far", "source@beta");
        it_add(&a, "sink", "sink");
        it_wire(&a, "far", "out", "sink", "in");
        it_connect(&a, &b, "ws");
        cr_assert(status_shows(&b, "\"kind\":\"subscription\""));
        size_t before = it_log_count(&a.log);
        it_go(&b, "source", 100);
        cr_assert(it_log_wait(&a.log, before + 100));
        if (round == 0) {
            it_node_stop(&a);
            it_node_make(&a);
            it_node_run(&a);
        }
    }
    end(&a);
    end(&b);
}

Test(it_bridge_links, a_subscription_of_an_actor_that_does_not_exist_yet_waits_for_it,
     .timeout = 60)
{
    struct it_node a, b;
    start(&a, "alpha");
    start(&b, "beta");
    it_add(&a, "far", "source@beta");
    it_add(&a, "sink", "sink");
    it_wire(&a, "far", "out", "sink", "in");
    it_connect(&a, &b, "ws");
    cr_assert(status_shows(&b, "\"is_waiting_for_actor\":true"));
    it_add(&b, "source", "source");
    cr_assert(status_shows(&b, "\"is_waiting_for_actor\":false"));
    it_go(&b, "source", 100);
    cr_assert(it_log_wait(&a.log, 100));
    cr_assert(it_log_is_sequence(&a.log, 0, 100));
    /* And for one that takes its place. */
    cr_assert_eq(rf_network_remove_node(b.net, "source"), RF_OK);
    cr_assert(status_shows(&b, "\"is_waiting_for_actor\":true"));
    it_add(&b, "source", "source");
    cr_assert(status_shows(&b, "\"is_waiting_for_actor\":false"));
    it_go(&b, "source", 100);
    cr_assert(it_log_wait(&a.log, 200));
    end(&a);
    end(&b);
}

Test(it_bridge_links, a_subscriber_that_stays_away_does_not_stop_the_actor_for_ever, .timeout = 60)
{
    struct it_node a, b;
    it_node_init(&b, "beta");
    b.config.heartbeat_interval_ms = 200;
    it_node_start(&b);
    start(&a, "alpha");
    it_add(&b, "source", "source");
    it_add(&b, "sink", "sink");
    it_wire(&b, "source", "out", "sink", "in");
    it_add(&a, "far", "source@beta");
    it_add(&a, "sink", "sink");
    it_wire(&a, "far", "out", "sink", "in");
    it_connect(&a, &b, "ws");
    cr_assert(status_shows(&b, "\"kind\":\"subscription\""));
    end(&a);
    cr_assert(it_wait_link(&b, "alpha", false));
    it_go(&b, "source", 5000);
    cr_assert(it_log_wait(&b.log, 5000)); /* once the tap is cut */
    cr_assert_not(status_has(&b, "\"kind\":\"subscription\""));
    cr_assert_not(status_has(&b, "\"peer_forgotten\":0,"));
    end(&b);
}

/* ---- who may link ---- */

Test(it_bridge_links, both_sides_dialling_at_once_end_in_one_link, .timeout = 120)
{
    for (int round = 0; round < 8; round++) {
        struct it_node a, b;
        start(&a, "alpha");
        start(&b, "beta");
        const char *scheme = round % 2 == 0 ? "ws" : "tcp";
        cr_assert_eq(connect_to(&a, scheme, b.port, 0), RF_OK);
        cr_assert_eq(connect_to(&b, scheme, a.port, 0), RF_OK);
        it_add(&a, "plus", "plus");
        it_add(&b, "plus", "plus");
        /* Traffic both ways until the link has been the same for a while. */
        uint64_t deadline_ns = it_deadline_ns();
        uint64_t until_ns = rfi_clock_ns() + 300 * UINT64_C(1000000);
        int answers = 0;
        while (rfi_clock_ns() < until_ns || answers < 20) {
            rf_message *answer = NULL;
            struct it_node *from = answers % 2 == 0 ? &a : &b;
            rf_message *msg = rf_message_integer(answers);
            if (rf_network_request_wait(from->net, from == &a ? "plus@beta" : "plus@alpha", "in",
                                        msg, 2000, &answer) == RF_OK) {
                cr_assert_eq(rf_message_as_integer(answer), answers + 1);
                rf_message_unref(answer);
                answers++;
            }
            cr_assert_not(it_is_over(deadline_ns));
        }
        cr_assert_eq(rfi_bridge_connected_count(a.bridge), 1);
        cr_assert_eq(rfi_bridge_connected_count(b.bridge), 1);
        cr_assert_eq(status_has(&a, "\"direction\":\"dialled\""),
                     status_has(&b, "\"direction\":\"accepted\""));
        cr_assert(status_has(&a, "\"lost_messages\":0"));
        end(&a);
        end(&b);
    }
}

Test(it_bridge_links, two_endpoints_of_one_node_are_one_link, .timeout = 60)
{
    struct it_node a, b;
    struct it_relay relay;
    start(&a, "alpha");
    start(&b, "beta");
    it_relay_start(&relay, b.port);
    cr_assert_eq(connect_to(&a, "ws", b.port, IT_DEADLINE_MS), RF_OK);
    cr_assert_eq(connect_to(&a, "ws", relay.port, IT_DEADLINE_MS), RF_OK);
    cr_assert_eq(rfi_bridge_connected_count(a.bridge), 1);
    it_add(&b, "sink", "sink");
    for (int64_t i = 0; i < 100; i++)
        it_send(&a, "beta", "sink", i);
    cr_assert(it_log_wait(&b.log, 100));
    cr_assert(it_log_is_sequence(&b.log, 0, 100));
    cr_assert_eq(rfi_bridge_connected_count(b.bridge), 1);
    end(&a);
    end(&b);
    it_relay_stop(&relay);
}

Test(it_bridge_links, a_second_claimant_of_a_live_name_is_refused, .timeout = 60)
{
    struct it_node a, b, impostor;
    start(&a, "alpha");
    start(&b, "beta");
    start(&impostor, "alpha");
    it_add(&b, "sink", "sink");
    it_connect(&a, &b, "ws");
    cr_assert_eq(connect_to(&impostor, "ws", b.port, IT_DEADLINE_MS), RF_EDUPLICATE);
    cr_assert_eq(connect_to(&impostor, "tcp", b.port, IT_DEADLINE_MS), RF_EDUPLICATE);
    cr_assert(rfi_bridge_is_connected(a.bridge, "beta"));
    it_send(&a, "beta", "sink", 5);
    cr_assert(it_log_wait(&b.log, 1));
    cr_assert(status_has(&b, "\"sessions\":1"));
    end(&a);
    /* The name is free now. */
    cr_assert(it_wait_link(&b, "alpha", false));
    cr_assert_eq(connect_to(&impostor, "ws", b.port, IT_DEADLINE_MS), RF_OK);
    end(&impostor);
    end(&b);
}

Test(it_bridge_links, a_dead_holder_of_a_name_makes_way, .timeout = 60)
{
    struct it_node a, b, other;
    struct it_relay relay;
    it_node_init(&b, "beta");
    b.config.heartbeat_interval_ms = 60000; /* only the probe can find out */
    it_node_start(&b);
    start(&a, "alpha");
    start(&other, "alpha");
    it_relay_start(&relay, b.port);
    cr_assert_eq(connect_to(&a, "tcp", relay.port, IT_DEADLINE_MS), RF_OK);
    cr_assert(it_wait_link(&b, "alpha", true));
    it_relay_stall(&relay, true);
    cr_assert_eq(connect_to(&other, "ws", b.port, IT_DEADLINE_MS), RF_OK);
    cr_assert(status_has(&b, "\"sessions\":2"));
    end(&other);
    end(&a);
    end(&b);
    it_relay_stop(&relay);
}

Test(it_bridge_links, nobody_links_to_itself, .timeout = 60)
{
    struct it_node a;
    start(&a, "alpha");
    rf_err err = connect_to(&a, "ws", a.port, IT_DEADLINE_MS);
    cr_assert_eq(err, RF_EREFUSED);
    cr_assert_eq(rfi_bridge_connected_count(a.bridge), 0);
    end(&a);
}

Test(it_bridge_links, a_wrong_token_is_refused_and_counted, .timeout = 60)
{
    static char right[] = "a-right-token-of-some-length", wrong[] = "a-wrong-token-of-some-length";
    struct it_node a, b;
    it_node_init(&a, "alpha");
    it_node_init(&b, "beta");
    b.config.auth_token = right;
    it_node_start(&a);
    it_node_start(&b);
    cr_assert_eq(connect_to(&a, "ws", b.port, IT_DEADLINE_MS), RF_EAUTH);
    a.config.auth_token = wrong;
    rfi_bridge_reload(a.bridge, &a.config);
    cr_assert_eq(connect_to(&a, "tcp", b.port, IT_DEADLINE_MS), RF_EAUTH);
    cr_assert(status_has(&b, "\"auth_failed\":2"));
    a.config.auth_token = right;
    rfi_bridge_reload(a.bridge, &a.config);
    cr_assert_eq(connect_to(&a, "ws", b.port, IT_DEADLINE_MS), RF_OK);
    /* The dialler asks no token of the acceptor. */
    cr_assert(it_wait_link(&b, "alpha", true));
    end(&a);
    end(&b);
}

Test(it_bridge_links, connections_over_the_limit_are_refused, .timeout = 60)
{
    struct it_node a, b, c;
    it_node_init(&b, "beta");
    b.config.max_connections = 1;
    it_node_start(&b);
    start(&a, "alpha");
    start(&c, "gamma");
    it_connect(&a, &b, "ws");
    cr_assert(it_wait_link(&b, "alpha", true));
    cr_assert_eq(connect_to(&c, "ws", b.port, IT_DEADLINE_MS), RF_ELIMIT);
    b.config.max_connections = 2;
    rfi_bridge_reload(b.bridge, &b.config);
    cr_assert_eq(connect_to(&c, "ws", b.port, IT_DEADLINE_MS), RF_OK);
    end(&a);
    end(&b);
    end(&c);
}

Test(it_bridge_links, names_without_traffic_leave_nothing_behind, .timeout = 120)
{
    struct it_node b;
    start(&b, "beta");
    for (int i = 0; i < 20; i++) {
        struct it_node a;
        char id[16];
        (void)snprintf(id, sizeof id, "name%d", i);
        start(&a, id);
        it_connect(&a, &b, "tcp");
        end(&a);
        cr_assert(it_wait_link(&b, id, false));
    }
    cr_assert(status_shows(&b, "\"links\":[]"));
    end(&b);
}

/* ---- dialling ---- */

Test(it_bridge_links, a_peer_that_starts_late_is_dialled_until_it_is_there, .timeout = 60)
{
    struct it_node a, b;
    start(&b, "beta");
    uint16_t port = b.port;
    end(&b);
    it_node_init(&a, "alpha");
    (void)snprintf(a.connect, sizeof a.connect, "127.0.0.1:%u", port);
    a.connects[0] = a.connect;
    a.config.connect = (struct rfi_strings){.items = a.connects, .count = 1};
    it_node_start(&a);
    cr_assert(status_shows(&a, "\"attempts\":3"));
    it_node_init(&b, "beta");
    b.config.bind_port = port;
    it_node_start(&b);
    cr_assert(it_wait_link(&a, "beta", true));
    cr_assert_eq(connect_to(&a, "ws", port, IT_DEADLINE_MS), RF_OK); /* the same entry */
    end(&a);
    end(&b);
}

Test(it_bridge_links, disconnect_ends_the_link_and_the_dialling, .timeout = 60)
{
    struct it_node a, b;
    start(&a, "alpha");
    start(&b, "beta");
    it_connect(&a, &b, "ws");
    cr_assert_eq(rfi_bridge_disconnect(a.bridge, "beta"), RF_OK);
    cr_assert(it_wait_link(&a, "beta", false));
    cr_assert(it_wait_link(&b, "alpha", false));
    uint64_t until_ns = rfi_clock_ns() + 200 * UINT64_C(1000000);
    while (rfi_clock_ns() < until_ns)
        cr_assert_not(rfi_bridge_is_connected(a.bridge, "beta"));
    it_connect(&a, &b, "ws");
    end(&a);
    end(&b);
}

Test(it_bridge_links, an_endpoint_that_nobody_answers_times_out, .timeout = 60)
{
    struct it_node a, b;
    start(&a, "alpha");
    start(&b, "beta");
    uint16_t port = b.port;
    end(&b);
    rf_err err = connect_to(&a, "ws", port, 300);
    cr_assert(err == RF_ESYS || err == RF_ETIMEOUT);
    end(&a);
}

Test(it_bridge_links, discovery_is_asked_when_a_network_is_wanted, .timeout = 60)
{
    struct it_node a, b;
    start(&a, "alpha");
    start(&b, "beta");
    it_add(&b, "sink", "sink");
    it_send(&a, "beta", "sink", 0); /* waits: nobody knows where beta is */
    cr_assert(status_shows(&a, "no endpoint of this network is known"));
    (void)snprintf(a.known_endpoint, sizeof a.known_endpoint, "tcp://127.0.0.1:%u", b.port);
    rfi_bridge_endpoints_changed(a.bridge);
    cr_assert(it_log_wait(&b.log, 1));
    end(&a);
    end(&b);
}

/* ---- the end ---- */

Test(it_bridge_links, stops_cleanly_under_load, .timeout = 120)
{
    for (int round = 0; round < 6; round++) {
        struct it_node a, b;
        start(&a, "alpha");
        start(&b, "beta");
        it_add(&b, "plus", "plus");
        it_add(&a, "source", "source");
        it_add(&a, "far", "plus@beta");
        it_add(&a, "sink", "sink");
        it_wire(&a, "source", "out", "far", "in");
        it_wire(&a, "far", "out", "sink", "in");
        it_connect(&a, &b, round % 2 == 0 ? "ws" : "tcp");
        it_go(&a, "source", 10000000);
        cr_assert(it_log_wait(&a.log, 1000));
        if (round % 3 == 0)
            it_log_shut(&a.log, true);
        if (round < 3) {
            end(&a);
            end(&b);
        } else {
            end(&b);
            end(&a);
        }
    }
}

Test(it_bridge_links, drain_waits_until_the_peer_has_everything, .timeout = 60)
{
    struct it_node a, b;
    start(&a, "alpha");
    start(&b, "beta");
    it_add(&b, "sink", "sink");
    it_connect(&a, &b, "ws");
    it_log_shut(&b.log, true);
    for (int64_t i = 0; i < 400; i++) /* more than the window of the flow */
        it_send(&a, "beta", "sink", i);
    cr_assert_eq(rfi_bridge_drain(a.bridge, 50), RF_ETIMEOUT);
    it_log_shut(&b.log, false);
    cr_assert_eq(rfi_bridge_drain(a.bridge, IT_DEADLINE_MS), RF_OK);
    end(&a);
    cr_assert(it_log_wait(&b.log, 400));
    cr_assert(it_log_is_sequence(&b.log, 0, 400));
    end(&b);
}

Test(it_bridge_links, three_networks_link_in_a_ring, .timeout = 60)
{
    enum { COUNT = 10000 };
    struct it_node a, b, c;
    start(&a, "alpha");
    start(&b, "beta");
    start(&c, "gamma");
    it_connect(&a, &b, "ws");
    it_connect(&b, &c, "tcp");
    it_connect(&c, &a, "ws");
    it_add(&b, "plus", "plus");
    it_add(&b, "next", "plus@gamma");
    it_wire(&b, "plus", "out", "next", "in");
    it_add(&c, "plus", "plus");
    it_add(&c, "next", "sink@alpha");
    it_wire(&c, "plus", "out", "next", "in");
    it_add(&a, "sink", "sink");
    it_add(&a, "source", "source");
    it_add(&a, "next", "plus@beta");
    it_wire(&a, "source", "out", "next", "in");
    it_go(&a, "source", COUNT);
    cr_assert(it_log_wait(&a.log, COUNT));
    cr_assert(it_log_is_sequence(&a.log, 2, COUNT));
    end(&a);
    end(&b);
    end(&c);
}
