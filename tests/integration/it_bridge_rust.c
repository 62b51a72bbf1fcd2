/* SPDX-License-Identifier: MIT */
/* A peer of the Rust wire, played by the test over a WebSocket: the bytes of the handshake, heartbeats, actor lists, and
 * messages both ways. */
#include "core/base/clock.h"
#include "integration/it_node.h"
#include "net/transport.h"
#include "support/rf_test.h"
#include <time.h>

enum { TEXTS_MAX = 65536 };

/* One WebSocket of the test's own transport; what comes is kept as texts. */
struct peer {
    struct rfi_transport *transport;
    struct rfi_conn *conn;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool is_open, is_closed;
    char *texts[TEXTS_MAX];
    size_t count, taken;
    char address[96];
};

static void on_open(void *user, struct rfi_conn *conn)
{
    struct peer *peer = user;
    (void)pthread_mutex_lock(&peer->mutex);
    if (peer->conn == NULL)
        peer->conn = rfi_conn_ref(conn);
    rfi_conn_approve(conn);
    peer->is_open = true;
    (void)pthread_cond_broadcast(&peer->cond);
    (void)pthread_mutex_unlock(&peer->mutex);
}

static void on_run(void *user, struct rfi_conn *conn, struct rfi_run *run)
{
    (void)conn;
    struct peer *peer = user;
    (void)pthread_mutex_lock(&peer->mutex);
    for (size_t i = 0; i < run->frame_count && peer->count < TEXTS_MAX; i++) {
        const char *text = (const char *)run->bytes + run->frames[i].offset;
        peer->texts[peer->count++] = strndup(text, run->frames[i].size);
    }
    (void)pthread_cond_broadcast(&peer->cond);
    (void)pthread_mutex_unlock(&peer->mutex);
    rfi_run_free(run);
}

static void on_closed(void *user, struct rfi_conn *conn, rf_err err, const char *reason)
{
    (void)conn;
    (void)err;
    (void)reason;
    struct peer *peer = user;
    (void)pthread_mutex_lock(&peer->mutex);
    peer->is_closed = true;
    (void)pthread_cond_broadcast(&peer->cond);
    (void)pthread_mutex_unlock(&peer->mutex);
}

static void on_drain(void *user, struct rfi_conn *conn)
{
    (void)user;
    (void)conn;
}

static const struct rfi_transport_ops peer_ops = {
    .on_open = on_open, .on_run = on_run, .on_drain = on_drain, .on_closed = on_closed};

static struct peer *peer_start(void)
{
    struct peer *peer = calloc(1, sizeof *peer);
    cr_assert_not_null(peer);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&peer->cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&peer->mutex, NULL);
    struct rfi_transport_options options = {.io_threads = 1,
                                            .message_bytes_max = 64 << 20,
                                            .websocket_frame_bytes_max = 16 << 20,
                                            .fragments_max = 1024,
                                            .handshake_timeout_ms = 5000,
                                            .pending_connections_max = 8,
                                            .pending_per_address_max = 8,
                                            .control_frames_per_second_max = 1000};
    cr_assert_eq(rfi_transport_new(&options, &peer_ops, peer, &peer->transport), RF_OK);
    cr_assert_eq(rfi_transport_start(peer->transport), RF_OK);
    return peer;
}

static bool wait_until(struct peer *peer, const bool *flag)
{
    uint64_t at_ns = it_deadline_ns();
    struct timespec until = {.tv_sec = (time_t)(at_ns / 1000000000),
                             .tv_nsec = (long)(at_ns % 1000000000)};
    int code = 0;
    (void)pthread_mutex_lock(&peer->mutex);
    while (!*flag && code == 0)
        code = pthread_cond_timedwait(&peer->cond, &peer->mutex, &until);
    bool is_set = *flag;
    (void)pthread_mutex_unlock(&peer->mutex);
    return is_set;
}

static struct peer *peer_dial(uint16_t port)
{
    struct peer *peer = peer_start();
    struct rfi_endpoint endpoint;
    char text[64];
    struct rfi_conn *conn = NULL;
    (void)snprintf(text, sizeof text, "ws://127.0.0.1:%u", port);
    cr_assert_eq(rfi_endpoint_parse(text, RFI_WIRE_WEBSOCKET, &endpoint, NULL), RF_OK);
    cr_assert_eq(rfi_transport_dial(peer->transport, &endpoint, NULL, &conn), RF_OK);
    rfi_conn_unref(conn);
    cr_assert(wait_until(peer, &peer->is_open));
    return peer;
}

static void peer_end(struct peer *peer)
{
    rfi_transport_stop(peer->transport, 100);
    if (peer->conn != NULL)
        rfi_conn_unref(peer->conn);
    rfi_transport_free(peer->transport);
    for (size_t i = 0; i < peer->count; i++)
        free(peer->texts[i]);
    (void)pthread_cond_destroy(&peer->cond);
    (void)pthread_mutex_destroy(&peer->mutex);
    free(peer);
}

static void tell(struct peer *peer, const char *text)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_buf_append_text(&buf, text);
    rfi_conn_send(peer->conn, RFI_TEXT, &buf);
    rfi_buf_fini(&buf);
}

/* The next text that has `part`, others passed over; NULL: none came. Lives as long as the peer. */
static const char *hear(struct peer *peer, const char *part)
{
    uint64_t at_ns = it_deadline_ns();
    struct timespec until = {.tv_sec = (time_t)(at_ns / 1000000000),
                             .tv_nsec = (long)(at_ns % 1000000000)};
    const char *found = NULL;
    int code = 0;
    (void)pthread_mutex_lock(&peer->mutex);
    while (found == NULL && code == 0) {
        while (found == NULL && peer->taken < peer->count) {
            const char *text = peer->texts[peer->taken++];
            if (strstr(text, part) != NULL)
                found = text;
        }
        if (found == NULL)
            code = pthread_cond_timedwait(&peer->cond, &peer->mutex, &until);
    }
    (void)pthread_mutex_unlock(&peer->mutex);
    if (found == NULL)
        fprintf(stderr, "heard nothing with %s\n", part);
    return found;
}

static const char handshake[] =
    "{\"network_id\":\"rust\",\"instance_id\":\"rust-1\",\"protocol_version\":\"1.0\","
    "\"auth_token\":null,\"capabilities\":[\"actor_messaging\"]}";

static char beta_instance[] = "beta-1";

static void start_beta(struct it_node *b)
{
    it_node_init(b, "beta");
    b->config.instance_id = beta_instance;
    it_node_start(b);
}

static void end(struct it_node *node)
{
    it_node_stop(node);
    it_node_fini(node);
}

static void tell_integer(struct peer *peer, unsigned id, const char *actor, long value)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"message_id\":\"00000000-0000-4000-8000-%012x\",\"source_network\":\"rust\","
                   "\"source_actor\":\"\",\"target_network\":\"beta\",\"target_actor\":\"%s\","
                   "\"target_port\":\"in\",\"payload\":{\"type\":\"Integer\",\"data\":%ld},"
                   "\"timestamp\":\"2026-01-02T03:04:05.123456789Z\"}",
                   id, actor, value);
    tell(peer, text);
}

static const char beat[] =
    "{\"network_id\":\"local\",\"timestamp\":\"2026-01-02T03:04:05.123456789Z\"}";

Test(it_bridge_rust, the_response_has_the_bytes_of_a_rust_node, .timeout = 60)
{
    struct it_node b;
    start_beta(&b);
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    const char *response = hear(peer, "");
    cr_assert_not_null(response);
    cr_assert_str_eq(response, "{\"success\":true,\"network_id\":\"beta\",\"instance_id\":"
                               "\"beta-1\",\"error\":null}");
    cr_assert(it_wait_link(&b, "rust", true));
    char *status = it_status(&b);
    cr_assert_not_null(strstr(status, "\"wire\":\"rust-json\""));
    cr_assert_not_null(strstr(status, "\"delivery\":\"v1-best-effort\""));
    free(status);
    peer_end(peer);
    cr_assert(it_wait_link(&b, "rust", false));
    end(&b);
}

Test(it_bridge_rust, a_refusal_has_the_bytes_of_a_rust_node, .timeout = 60)
{
    static char token[] = "a-token-of-sufficient-length";
    struct it_node b;
    it_node_init(&b, "beta");
    b.config.instance_id = beta_instance;
    b.config.auth_token = token;
    it_node_start(&b);
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    const char *response = hear(peer, "");
    cr_assert_not_null(response);
    cr_assert_str_eq(response, "{\"success\":false,\"network_id\":\"beta\",\"instance_id\":"
                               "\"beta-1\",\"error\":\"auth_token mismatch\"}");
    cr_assert(wait_until(peer, &peer->is_closed));
    peer_end(peer);
    end(&b);
}

Test(it_bridge_rust, what_is_no_handshake_is_dropped, .timeout = 60)
{
    static const char bad_name[] = "{\"network_id\":\"a b\",\"instance_id\":\"i\","
                                   "\"protocol_version\":\"1.0\",\"capabilities\":[]}";
    const char *const texts[] = {"{\"StartTrace\":{}}", "", "hello", bad_name};
    struct it_node b;
    start_beta(&b);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct peer *peer = peer_dial(b.port);
        tell(peer, texts[i]);
        cr_assert(wait_until(peer, &peer->is_closed));
        peer_end(peer);
    }
    cr_assert_eq(rfi_bridge_connected_count(b.bridge), 0);
    end(&b);
}

Test(it_bridge_rust, messages_go_both_ways, .timeout = 60)
{
    struct it_node b;
    start_beta(&b);
    it_add(&b, "sink", "sink");
    it_add(&b, "source", "source");
    it_add(&b, "far", "recorder@rust");
    it_wire(&b, "source", "out", "far", "in");
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    cr_assert_not_null(hear(peer, "\"success\":true"));
    for (unsigned i = 0; i < 100; i++)
        tell_integer(peer, i, "sink", i);
    tell_integer(peer, 50, "sink", 1234); /* twice the same message_id: dropped */
    tell_integer(peer, 100, "sink", 100);
    cr_assert(it_log_wait(&b.log, 101));
    cr_assert(it_log_is_sequence(&b.log, 0, 101));

    it_go(&b, "source", 50);
    for (int i = 0; i < 50; i++) {
        char payload[64];
        (void)snprintf(payload, sizeof payload, "\"payload\":{\"type\":\"Integer\",\"data\":%d}",
                       i);
        const char *text = hear(peer, "\"message_id\"");
        cr_assert_not_null(text);
        cr_assert_not_null(strstr(text, payload));
        cr_assert_not_null(strstr(text, "\"source_network\":\"beta\",\"source_actor\":\"source\","
                                        "\"target_network\":\"rust\",\"target_actor\":\"recorder\","
                                        "\"target_port\":\"in\""));
    }
    cr_assert_eq(
        rfi_bridge_send(b.bridge, "rust", "other", "p", rf_message_bytes("\0\377", 2), NULL),
        RF_OK);
    const char *text = hear(peer, "\"target_actor\":\"other\"");
    cr_assert_not_null(text);
    cr_assert_not_null(strstr(text, "{\"type\":\"Bytes\",\"data\":[0,255]}"));
    cr_assert_not_null(strstr(text, "\"source_actor\":\"unknown\""));
    /* A peer that says Stream is told Stream. */
    tell(peer, "{\"message_id\":\"x\",\"source_network\":\"rust\",\"source_actor\":\"\","
               "\"target_network\":\"beta\",\"target_actor\":\"sink\",\"target_port\":\"in\","
               "\"payload\":{\"type\":\"Stream\",\"data\":[1]},"
               "\"timestamp\":\"2026-01-02T03:04:05Z\"}");
    cr_assert(it_log_wait(&b.log, 102));
    cr_assert_eq(rfi_bridge_send(b.bridge, "rust", "other", "p", rf_message_bytes("\1", 1), NULL),
                 RF_OK);
    text = hear(peer, "\"target_actor\":\"other\"");
    cr_assert_not_null(text);
    cr_assert_not_null(strstr(text, "{\"type\":\"Stream\",\"data\":[1]}"));
    peer_end(peer);
    end(&b);
}

Test(it_bridge_rust, what_the_wire_cannot_carry_is_counted, .timeout = 60)
{
    struct it_node b;
    rf_message *answer = NULL;
    start_beta(&b);
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    cr_assert_not_null(hear(peer, "\"success\":true"));
    tell_integer(peer, 1, "nobody", 1);
    cr_assert_eq(rfi_bridge_send(b.bridge, "rust", "x", "in", rf_message_encoded("\1", 1), NULL),
                 RF_OK);
    cr_assert_eq(rf_network_request_wait(b.net, "x@rust", "in", rf_message_integer(1),
                                         IT_DEADLINE_MS, &answer),
                 RF_EUNSUPPORTED);
    uint64_t deadline_ns = it_deadline_ns();
    for (bool is_there = false; !is_there;) {
        char *status = it_status(&b);
        is_there = strstr(status, "\"unknown_actor\":1") != NULL &&
                   strstr(status, "\"unsupported\":2") != NULL;
        free(status);
        cr_assert_not(it_is_over(deadline_ns));
    }
    cr_assert(rfi_bridge_is_connected(b.bridge, "rust"));
    peer_end(peer);
    end(&b);
}

static size_t count_beats(struct peer *peer)
{
    size_t beats = 0;
    (void)pthread_mutex_lock(&peer->mutex);
    for (size_t i = 0; i < peer->count; i++)
        beats += strncmp(peer->texts[i], "{\"network_id\":\"beta\",\"timestamp\":", 33) == 0;
    (void)pthread_mutex_unlock(&peer->mutex);
    return beats;
}

Test(it_bridge_rust, heartbeats_come_and_are_answered_without_a_storm, .timeout = 60)
{
    struct it_node b;
    start_beta(&b);
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    cr_assert_not_null(hear(peer, "{\"network_id\":\"beta\",\"timestamp\":"));
    uint64_t start_ns = rfi_clock_ns();
    for (int i = 0; i < 200; i++)
        tell(peer, beat);
    cr_assert_not_null(hear(peer, "{\"network_id\":\"beta\",\"timestamp\":"));
    cr_assert_not_null(hear(peer, "{\"network_id\":\"beta\",\"timestamp\":"));
    uint64_t passed_ms = (rfi_clock_ns() - start_ns) / 1000000;
    cr_assert_leq(count_beats(peer), 4 + passed_ms / 100);
    cr_assert(rfi_bridge_is_connected(b.bridge, "rust"));
    peer_end(peer);
    end(&b);
}

Test(it_bridge_rust, a_peer_whose_heartbeats_stop_is_evicted_and_one_that_beats_is_not,
     .timeout = 60)
{
    struct it_node b;
    it_node_init(&b, "beta");
    b.config.heartbeat_interval_ms = 100;
    it_node_start(&b);
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    cr_assert_not_null(hear(peer, "\"success\":true"));
    /* Ten intervals of a cadence of its own, then silence. */
    for (int i = 0; i < 10; i++) {
        tell(peer, beat);
        uint64_t until_ns = rfi_clock_ns() + 150 * UINT64_C(1000000);
        while (rfi_clock_ns() < until_ns)
            (void)it_is_over(0);
        cr_assert(rfi_bridge_is_connected(b.bridge, "rust"));
    }
    uint64_t silent_ns = rfi_clock_ns();
    cr_assert(it_wait_link(&b, "rust", false));
    cr_assert_geq((rfi_clock_ns() - silent_ns) / 1000000, 100);
    peer_end(peer);
    end(&b);
}

Test(it_bridge_rust, actors_are_listed_truly_and_asked_for, .timeout = 60)
{
    struct it_node b;
    start_beta(&b);
    it_add(&b, "one", "sink");
    it_add(&b, "far", "x@rust");
    it_add(&b, "two", "plus");
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    cr_assert_not_null(hear(peer, "\"success\":true"));
    tell(peer, "{\"request_id\":\"r-1\",\"requesting_network\":\"rust\"}");
    const char *text = hear(peer, "\"request_id\":\"r-1\"");
    cr_assert_not_null(text);
    cr_assert_str_eq(text, "{\"request_id\":\"r-1\",\"network_id\":\"beta\",\"actors\":["
                           "{\"actor_id\":\"one\",\"capabilities\":[\"actor_messaging\"],"
                           "\"description\":null},"
                           "{\"actor_id\":\"two\",\"capabilities\":[\"actor_messaging\"],"
                           "\"description\":null}]}");
    peer_end(peer);
    end(&b);
}

struct answerer {
    struct peer *peer;
    bool is_answered;
};

/* Answer one request for the list of actors. */
static void *answer_list(void *arg)
{
    struct answerer *answerer = arg;
    const char *text = hear(answerer->peer, "\"requesting_network\":\"beta\"");
    const char *id = text != NULL ? strstr(text, "\"request_id\":\"") : NULL;
    if (id == NULL)
        return NULL;
    char answer[512];
    (void)snprintf(answer, sizeof answer,
                   "{\"request_id\":\"%.36s\",\"network_id\":\"rust\",\"actors\":["
                   "{\"actor_id\":\"recorder\",\"capabilities\":[\"actor_messaging\"]},"
                   "{\"actor_id\":\"x\",\"capabilities\":[],\"description\":\"d\"}]}",
                   id + strlen("\"request_id\":\""));
    tell(answerer->peer, answer);
    answerer->is_answered = true;
    return NULL;
}

static void add_name(void *user, const char *actor_id)
{
    char *names = user;
    (void)snprintf(names + strlen(names), 64 - strlen(names), "%s,", actor_id);
}

Test(it_bridge_rust, its_actors_can_be_asked_for, .timeout = 60)
{
    struct it_node b;
    char names[64] = "";
    pthread_t thread;
    start_beta(&b);
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    cr_assert_not_null(hear(peer, "\"success\":true"));
    cr_assert(it_wait_link(&b, "rust", true));
    struct answerer answerer = {.peer = peer};
    cr_assert_eq(pthread_create(&thread, NULL, answer_list, &answerer), 0);
    rf_err err = rfi_bridge_discover_actors(b.bridge, "rust", IT_DEADLINE_MS, add_name, names);
    (void)pthread_join(thread, NULL);
    cr_assert(answerer.is_answered);
    cr_assert_eq(err, RF_OK);
    cr_assert_str_eq(names, "recorder,x,");
    /* Nobody answers the second time. */
    cr_assert_eq(rfi_bridge_discover_actors(b.bridge, "rust", 50, add_name, names), RF_ETIMEOUT);
    peer_end(peer);
    end(&b);
}

Test(it_bridge_rust, strange_frames_change_nothing, .timeout = 60)
{
    struct it_node b;
    start_beta(&b);
    it_add(&b, "sink", "sink");
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    cr_assert_not_null(hear(peer, "\"success\":true"));
    tell(peer, handshake); /* a second one */
    tell(peer, "{}");
    tell(peer, "[1,2");
    tell(peer, "{\"actors\":[]}");
    tell(peer, "{\"request_id\":\"nobody-asked\",\"network_id\":\"rust\",\"actors\":[]}");
    struct rfi_buf binary;
    rfi_buf_init(&binary);
    rfi_buf_append(&binary, "\0\1\2\3", 4);
    rfi_conn_send(peer->conn, RFI_BINARY, &binary);
    rfi_buf_fini(&binary);
    tell_integer(peer, 1, "sink", 7);
    cr_assert(it_log_wait(&b.log, 1));
    cr_assert(it_log_is_sequence(&b.log, 7, 1));
    peer_end(peer);
    end(&b);
}

Test(it_bridge_rust, a_slow_actor_stops_the_socket_and_not_the_link, .timeout = 60)
{
    enum { COUNT = 20000 };
    struct it_node b;
    it_node_init(&b, "beta");
    b.config.heartbeat_interval_ms = 100;
    it_node_start(&b);
    it_add(&b, "sink", "sink");
    struct peer *peer = peer_dial(b.port);
    tell(peer, handshake);
    cr_assert_not_null(hear(peer, "\"success\":true"));
    it_log_shut(&b.log, true);
    for (unsigned i = 0; i < COUNT; i++)
        tell_integer(peer, i, "sink", (long)i);
    uint64_t deadline_ns = it_deadline_ns();
    for (bool is_paused = false; !is_paused;) {
        char *status = it_status(&b);
        is_paused = strstr(status, "\"is_paused\":true") != NULL;
        free(status);
        cr_assert_not(it_is_over(deadline_ns));
    }
    /* Longer than it would be allowed to be silent. */
    uint64_t until_ns = rfi_clock_ns() + 500 * UINT64_C(1000000);
    while (rfi_clock_ns() < until_ns)
        cr_assert(rfi_bridge_is_connected(b.bridge, "rust"));
    rf_network_stats stats;
    rf_network_get_stats(b.net, &stats);
    cr_assert_lt(stats.queued_count, COUNT);
    it_log_shut(&b.log, false);
    cr_assert(it_log_wait(&b.log, COUNT));
    cr_assert(it_log_is_sequence(&b.log, 0, COUNT));
    peer_end(peer);
    end(&b);
}

Test(it_bridge_rust, a_peer_that_lost_its_socket_gets_in_again, .timeout = 60)
{
    struct it_node b;
    start_beta(&b);
    it_add(&b, "sink", "sink");
    struct peer *first = peer_dial(b.port);
    tell(first, handshake);
    cr_assert_not_null(hear(first, "\"success\":true"));
    /* Alive: it answers the ping, so another one is refused. */
    struct peer *second = peer_dial(b.port);
    tell(second, handshake);
    const char *text = hear(second, "\"success\":");
    cr_assert_not_null(text);
    cr_assert_not_null(strstr(text, "\"error\":\"duplicate_network_id\""));
    peer_end(second);
    rfi_conn_pause(first->conn, true); /* deaf: it sees no ping */
    struct peer *third = peer_dial(b.port);
    tell(third, handshake);
    cr_assert_not_null(hear(third, "\"success\":true"));
    tell_integer(third, 1, "sink", 3);
    cr_assert(it_log_wait(&b.log, 1));
    peer_end(first);
    cr_assert(rfi_bridge_is_connected(b.bridge, "rust"));
    peer_end(third);
    end(&b);
}

Test(it_bridge_rust, a_rust_node_is_dialled_and_dialled_again, .timeout = 60)
{
    struct it_node b;
    char endpoint[128];
    start_beta(&b);
    it_add(&b, "far", "recorder@rust");
    for (int round = 0; round < 2; round++) {
        struct peer *peer = peer_start();
        uint16_t port = 0;
        if (round == 1)
            port = (uint16_t)strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
        uint64_t deadline_ns = it_deadline_ns();
        while (rfi_transport_listen(peer->transport, "127.0.0.1", port, peer->address,
                                    sizeof peer->address, NULL) != RF_OK)
            cr_assert_not(it_is_over(deadline_ns));
        if (round == 0) {
            (void)snprintf(endpoint, sizeof endpoint, "ws://%s", peer->address);
            cr_assert_eq(rfi_bridge_connect(b.bridge, endpoint, 0, NULL), RF_OK);
        }
        const char *request = hear(peer, "\"protocol_version\":\"1.0\"");
        cr_assert_not_null(request);
        cr_assert_eq(strncmp(request,
                             "{\"network_id\":\"beta\",\"instance_id\":\"beta-1\","
                             "\"protocol_version\":\"1.0\",\"auth_token\":null,"
                             "\"capabilities\":[\"actor_messaging\",",
                             strlen("{\"network_id\":\"beta\",\"instance_id\":\"beta-1\","
                                    "\"protocol_version\":\"1.0\",\"auth_token\":null,"
                                    "\"capabilities\":[\"actor_messaging\",")),
                     0);
        tell(peer, "{\"success\":true,\"network_id\":\"rust\",\"instance_id\":\"rust-1\","
                   "\"error\":null}");
        cr_assert(it_wait_link(&b, "rust", true));
        cr_assert_eq(rf_network_send(b.net, "far", "in", rf_message_integer(round)), RF_OK);
        const char *text = hear(peer, "\"target_actor\":\"recorder\"");
        cr_assert_not_null(text);
        peer_end(peer);
        cr_assert(it_wait_link(&b, "rust", false));
    }
    end(&b);
}

/* Two nodes on this wire, where no acknowledgement helps on what was forgotten; the single step is
 * transport/what_a_flush_leaves_to_the_loop_is_done_before_it_sleeps. */
Test(it_bridge_rust, a_stream_needs_no_heartbeat, .timeout = 120)
{
    enum { COUNT = 20000, SIZE = 1024, BEFORE = 8192 };
    static char json[] = "json";
    struct it_node from, to;
    char text[SIZE];
    memset(text, 'x', sizeof text);
    it_node_init(&from, "alpha");
    it_node_init(&to, "beta");
    from.config.wire = to.config.wire = json;
    from.config.heartbeat_interval_ms = to.config.heartbeat_interval_ms = 3600000;
    from.config.mailbox_capacity = BEFORE;
    it_node_start(&from);
    it_node_start(&to);
    it_add(&to, "sink", "sink");
    uint64_t deadline_ns = it_deadline_ns();
    for (int i = 0; i < COUNT; i++) {
        if (i ==
            BEFORE) /* so much waits that the shard is ahead of the loop, and stops at the mark */
            it_connect(&from, &to, "ws");
        rf_message *msg = rf_message_string(text, sizeof text);
        rf_err err;
        while ((err = rfi_bridge_send(from.bridge, "beta", "sink", "in", msg, NULL)) == RF_EFULL)
            cr_assert_not(it_is_over(deadline_ns));
        cr_assert_eq(err, RF_OK);
    }
    cr_assert(it_log_wait(&to.log, COUNT));
    it_node_stop(&from);
    it_node_stop(&to);
    it_node_fini(&from);
    it_node_fini(&to);
}
