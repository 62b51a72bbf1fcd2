/* SPDX-License-Identifier: MIT */
/* See it_node.h. The components keep no secrets: a sink logs integers, plus adds one, a source counts up under back
 * pressure, a silent one takes messages and answers nothing. */
#include "integration/it_node.h"

#include "core/base/clock.h"
#include "support/rf_test.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t it_deadline_ns(void)
{
    return rfi_clock_ns() + (uint64_t)IT_DEADLINE_MS * 1000000;
}

bool it_is_over(uint64_t deadline_ns)
{
    (void)sched_yield();
    return rfi_clock_ns() >= deadline_ns;
}

/* ---- log ---- */

void it_log_init(struct it_log *log)
{
    memset(log, 0, sizeof *log);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&log->cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&log->mutex, NULL);
}

void it_log_fini(struct it_log *log)
{
    free(log->values);
    (void)pthread_cond_destroy(&log->cond);
    (void)pthread_mutex_destroy(&log->mutex);
}

bool it_log_wait(struct it_log *log, size_t count)
{
    uint64_t deadline_ns = it_deadline_ns();
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                             .tv_nsec = (long)(deadline_ns % 1000000000)};
    int code = 0;
    (void)pthread_mutex_lock(&log->mutex);
    while (log->count < count && code == 0)
        code = pthread_cond_timedwait(&log->cond, &log->mutex, &until);
    bool is_there = log->count >= count;
    (void)pthread_mutex_unlock(&log->mutex);
    return is_there;
}

size_t it_log_count(struct it_log *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    size_t count = log->count;
    (void)pthread_mutex_unlock(&log->mutex);
    return count;
}

void it_log_shut(struct it_log *log, bool is_shut)
{
    (void)pthread_mutex_lock(&log->mutex);
    log->is_shut = is_shut;
    (void)pthread_cond_broadcast(&log->cond);
    (void)pthread_mutex_unlock(&log->mutex);
}

bool it_log_is_sequence(struct it_log *log, int64_t first, size_t count)
{
    bool is_right = true;
    (void)pthread_mutex_lock(&log->mutex);
    if (log->count != count) {
        fprintf(stderr, "%zu values instead of %zu\n", log->count, count);
        is_right = false;
    }
    for (size_t i = 0; i < log->count && is_right; i++)
        if (log->values[i] != first + (int64_t)i) {
            fprintf(stderr, "value %zu is %lld\n", i, (long long)log->values[i]);
            is_right = false;
        }
    (void)pthread_mutex_unlock(&log->mutex);
    return is_right;
}

/* ---- components ---- */

static rf_err sink_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    struct it_log *log = rf_context_user(ctx);
    rf_err err = RF_OK;
    (void)pthread_mutex_lock(&log->mutex);
    while (log->is_shut)
        (void)pthread_cond_wait(&log->cond, &log->mutex);
    if (log->count == log->capacity) {
        size_t capacity = log->capacity > 0 ? 2 * log->capacity : 1024;
        int64_t *values = realloc(log->values, capacity * sizeof *values);
        if (values != NULL) {
            log->values = values;
            log->capacity = capacity;
        } else {
            err = RF_ENOMEM;
        }
    }
    if (err == RF_OK)
        log->values[log->count++] = rf_message_as_integer(msg);
    log->bytes += rf_message_size(msg);
    (void)pthread_cond_broadcast(&log->cond);
    (void)pthread_mutex_unlock(&log->mutex);
    return err;
}

static rf_err plus_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    if (rf_message_kind(msg) != RF_KIND_INTEGER)
        return rf_emit(ctx, 0, rf_message_ref(msg));
    return rf_emit(ctx, 0, rf_message_integer(rf_message_as_integer(msg) + 1));
}

struct source_state {
    int64_t next, end;
};

static rf_err source_create(rf_context *ctx, void **out_state)
{
    (void)ctx;
    *out_state = calloc(1, sizeof(struct source_state));
    return *out_state != NULL ? RF_OK : RF_ENOMEM;
}

static rf_err source_on_resume(rf_context *ctx, void *state)
{
    struct source_state *source = state;
    for (int i = 0; i < 256 && source->next < source->end; i++) {
        rf_err err = rf_emit(ctx, 0, rf_message_integer(source->next++));
        if (err != RF_OK)
            return err;
        if (rf_is_pressed(ctx))
            break;
    }
    if (source->next < source->end)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err source_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    struct source_state *source = state;
    source->end += rf_message_as_integer(msg);
    return source_on_resume(ctx, state);
}

static rf_err silent_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    (void)msg;
    rf_reply *reply = rf_take_reply(ctx);
    if (reply != NULL)
        rf_reply_send(reply, NULL);
    return RF_OK;
}

static const rf_port_def in_ports[] = {{.name = "in", .summary = "in"}};
static const rf_port_def out_ports[] = {{.name = "out", .summary = "out"}};

static void make_components(struct it_node *node)
{
    const rf_component base = {.struct_size = sizeof(rf_component),
                               .summary = "test",
                               .inports = in_ports,
                               .inport_count = 1,
                               .outports = out_ports,
                               .outport_count = 1};
    node->sink = node->plus = node->source = node->silent = base;
    node->sink.name = "sink";
    node->sink.user = &node->log;
    node->sink.on_message = sink_on_message;
    node->plus.name = "plus";
    node->plus.on_message = plus_on_message;
    node->source.name = "source";
    node->source.create = source_create;
    node->source.on_message = source_on_message;
    node->source.on_resume = source_on_resume;
    node->source.destroy = free;
    node->silent.name = "silent";
    node->silent.on_message = silent_on_message;
}

/* ---- nodes ---- */

static char empty[] = "";
static char loopback[] = "127.0.0.1";
static char transport[] = "ws";
static char wire[] = "auto";
static char delivery[] = "reliable";

void it_node_init(struct it_node *node, const char *id)
{
    memset(node, 0, sizeof *node);
    it_log_init(&node->log);
    (void)snprintf(node->id, sizeof node->id, "%s", id);
    node->config = (rf_config){.network_id = node->id,
                               .instance_id = empty,
                               .bind_address = loopback,
                               .auth_token = empty,
                               .max_connections = 100,
                               .heartbeat_interval_ms = 1000,
                               .transport = transport,
                               .wire = wire,
                               .delivery = delivery,
                               .actor_threads = 2,
                               .io_threads = 1,
                               .routing_threads = 2,
                               .mailbox_capacity = 256,
                               .flow_credit_messages = 256,
                               .flow_credit_bytes = 1 << 20,
                               .link_credit_bytes = 8 << 20,
                               .outbox_messages_max = 65536,
                               .flows_max = 65536,
                               .message_bytes_max = 16 << 20,
                               .websocket_frame_bytes_max = 16 << 20,
                               .batch_bytes_max = 64 << 10,
                               .compression = "auto",
                               .compression_level = 1,
                               .compression_bytes_min = 4096,
                               .reconnect_min_ms = 20,
                               .reconnect_max_ms = 500,
                               .handshake_timeout_ms = 5000,
                               .pending_connections_max = 64,
                               .pending_per_address_max = 64};
}

static size_t find_endpoints(void *user, const char *network_id, char (*out)[320], size_t max)
{
    const struct it_node *node = user;
    (void)network_id;
    if (node->known_endpoint[0] == '\0' || max == 0)
        return 0;
    (void)snprintf(out[0], sizeof out[0], "%s", node->known_endpoint);
    return 1;
}

void it_node_make(struct it_node *node)
{
    static const struct rfi_bridge_hooks hooks = {.find_endpoints = find_endpoints};
    rf_network_options options = {.struct_size = sizeof options,
                                  .network_id = node->id,
                                  .workers = node->config.actor_threads,
                                  .mailbox_capacity = node->config.mailbox_capacity};
    make_components(node);
    cr_assert_eq(rf_network_new(&options, &node->net), RF_OK);
    cr_assert_eq(rf_network_register(node->net, &node->sink), RF_OK);
    cr_assert_eq(rf_network_register(node->net, &node->plus), RF_OK);
    cr_assert_eq(rf_network_register(node->net, &node->source), RF_OK);
    cr_assert_eq(rf_network_register(node->net, &node->silent), RF_OK);
    cr_assert_eq(rfi_bridge_new(&node->config, node->net, &hooks, node, &node->bridge), RF_OK);
}

void it_node_run(struct it_node *node)
{
    rf_diag diag = {.text = ""};
    cr_assert_eq(rf_network_start(node->net), RF_OK);
    rf_err err = rfi_bridge_start(node->bridge, &diag);
    if (err != RF_OK)
        fprintf(stderr, "start: %s\n", diag.text);
    cr_assert_eq(err, RF_OK);
    const char *colon = strrchr(rfi_bridge_address(node->bridge), ':');
    cr_assert_not_null(colon);
    node->port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

void it_node_start(struct it_node *node)
{
    it_node_make(node);
    it_node_run(node);
}

void it_node_stop(struct it_node *node)
{
    it_log_shut(&node->log, false);
    rfi_bridge_stop(node->bridge);
    rf_network_stop(node->net);
    rf_network_free(node->net);
    rfi_bridge_free(node->bridge);
    node->net = NULL;
    node->bridge = NULL;
}

void it_node_fini(struct it_node *node)
{
    it_log_fini(&node->log);
}

void it_add(struct it_node *node, const char *id, const char *component)
{
    rf_diag diag = {.text = ""};
    rf_err err = rf_network_add_node(node->net, id, component, NULL, &diag);
    if (err != RF_OK)
        fprintf(stderr, "add %s: %s: %s\n", id, rf_err_name(err), diag.text);
    cr_assert_eq(err, RF_OK);
}

void it_wire(struct it_node *node, const char *from, const char *from_port, const char *to,
             const char *to_port)
{
    rf_diag diag = {.text = ""};
    rf_err err = rf_network_add_connection(node->net, from, from_port, to, to_port, &diag);
    if (err != RF_OK)
        fprintf(stderr, "wire %s: %s: %s\n", from, rf_err_name(err), diag.text);
    cr_assert_eq(err, RF_OK);
}

void it_connect(struct it_node *from, const struct it_node *to, const char *scheme)
{
    char endpoint[96];
    rf_diag diag = {.text = ""};
    (void)snprintf(endpoint, sizeof endpoint, "%s://127.0.0.1:%u", scheme, to->port);
    rf_err err = rfi_bridge_connect(from->bridge, endpoint, IT_DEADLINE_MS, &diag);
    if (err != RF_OK)
        fprintf(stderr, "connect: %s: %s\n", rf_err_name(err), diag.text);
    cr_assert_eq(err, RF_OK);
}

bool it_wait_link(struct it_node *node, const char *network, bool is_up)
{
    uint64_t deadline_ns = it_deadline_ns();
    while (rfi_bridge_is_connected(node->bridge, network) != is_up)
        if (it_is_over(deadline_ns))
            return false;
    return true;
}

void it_send(struct it_node *node, const char *network, const char *actor, int64_t value)
{
    uint64_t deadline_ns = it_deadline_ns();
    rf_message *msg = rf_message_integer(value);
    rf_err err;
    while ((err = rfi_bridge_send(node->bridge, network, actor, "in", msg, NULL)) == RF_EFULL)
        cr_assert_not(it_is_over(deadline_ns));
    cr_assert_eq(err, RF_OK);
}

void it_go(struct it_node *node, const char *actor, int64_t count)
{
    cr_assert_eq(rf_network_send(node->net, actor, "in", rf_message_integer(count)), RF_OK);
}

char *it_status(struct it_node *node)
{
    struct rfi_buf buf;
    struct rfi_json_writer w;
    rfi_buf_init(&buf);
    rfi_jsonw_init(&w, &buf);
    rfi_jsonw_begin_object(&w);
    rfi_bridge_write_status(node->bridge, &w);
    rfi_jsonw_end_object(&w);
    char *text = rfi_buf_take_text(&buf, NULL);
    cr_assert_not_null(text);
    return text;
}

/* ---- relay ---- */

enum { RELAY_PAIRS = 16, RELAY_CHUNK = 16384 };

struct pair {
    int ends[2]; /* -1: free */
};

static void reset(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    (void)close(fd);
}

static void drop(struct pair *pair)
{
    reset(pair->ends[0]);
    reset(pair->ends[1]);
    pair->ends[0] = pair->ends[1] = -1;
}

static void take(struct it_relay *relay, struct pair *pairs)
{
    int from = accept(relay->listener, NULL, NULL);
    int to = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(relay->target)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < RELAY_PAIRS && from >= 0; i++) {
        if (pairs[i].ends[0] >= 0)
            continue;
        if (connect(to, (struct sockaddr *)&address, sizeof address) != 0)
            break;
        const int on = 1; /* no waiting of its own */
        (void)setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        pairs[i] = (struct pair){.ends = {from, to}};
        (void)atomic_fetch_add_explicit(&relay->connections, 1, memory_order_relaxed);
        return;
    }
    reset(from);
    reset(to);
}

/* False: that end is closed. */
static bool carry(struct it_relay *relay, const struct pair *pair, int side)
{
    char chunk[RELAY_CHUNK];
    ssize_t size = recv(pair->ends[side], chunk, sizeof chunk, MSG_DONTWAIT);
    if (size < 0)
        return errno == EAGAIN;
    if (size == 0)
        return false;
    (void)atomic_fetch_add_explicit(&relay->carried_bytes, (uint64_t)size, memory_order_relaxed);
    for (ssize_t at = 0; at < size;) {
        ssize_t sent =
            send(pair->ends[!side], chunk + at, (size_t)(size - at), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            at += sent;
            continue;
        }
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (atomic_load_explicit(&relay->is_over, memory_order_relaxed))
            return false;
        struct pollfd room = {.fd = pair->ends[!side], .events = POLLOUT};
        (void)poll(&room, 1, 10);
        if (atomic_load_explicit(&relay->cut_asked, memory_order_relaxed) !=
            atomic_load_explicit(&relay->cut_done, memory_order_relaxed))
            return true; /* the cut takes the rest with it */
    }
    return true;
}

static void *run_relay(void *arg)
{
    struct it_relay *relay = arg;
    struct pair pairs[RELAY_PAIRS];
    for (int i = 0; i < RELAY_PAIRS; i++)
        pairs[i] = (struct pair){.ends = {-1, -1}};
    while (!atomic_load_explicit(&relay->is_over, memory_order_relaxed)) {
        struct pollfd polled[1 + 2 * RELAY_PAIRS] = {{.fd = relay->listener, .events = POLLIN}};
        bool is_stalled = atomic_load_explicit(&relay->is_stall_asked, memory_order_relaxed);
        atomic_store_explicit(&relay->is_stalled, is_stalled, memory_order_release);
        for (int i = 0; i < RELAY_PAIRS; i++)
            for (int side = 0; side < 2; side++)
                polled[1 + 2 * i + side] =
                    (struct pollfd){.fd = is_stalled ? -1 : pairs[i].ends[side], .events = POLLIN};
        (void)poll(polled, 1 + 2 * RELAY_PAIRS, 5);
        uint64_t asked = atomic_load_explicit(&relay->cut_asked, memory_order_acquire);
        if (asked != atomic_load_explicit(&relay->cut_done, memory_order_relaxed)) {
            for (int i = 0; i < RELAY_PAIRS; i++)
                if (pairs[i].ends[0] >= 0)
                    drop(&pairs[i]);
            atomic_store_explicit(&relay->cut_done, asked, memory_order_release);
            continue;
        }
        if (polled[0].revents != 0)
            take(relay, pairs);
        for (int i = 0; i < RELAY_PAIRS; i++)
            for (int side = 0; side < 2; side++)
                if (pairs[i].ends[0] >= 0 && polled[1 + 2 * i + side].revents != 0 &&
                    !carry(relay, &pairs[i], side))
                    drop(&pairs[i]);
    }
    for (int i = 0; i < RELAY_PAIRS; i++)
        if (pairs[i].ends[0] >= 0)
            drop(&pairs[i]);
    return NULL;
}

void it_relay_start(struct it_relay *relay, uint16_t target)
{
    memset(relay, 0, sizeof *relay);
    relay->target = target;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    relay->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_geq(relay->listener, 0);
    cr_assert_eq(bind(relay->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(relay->listener, 16), 0);
    cr_assert_eq(getsockname(relay->listener, (struct sockaddr *)&address, &size), 0);
    relay->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&relay->thread, NULL, run_relay, relay), 0);
}

void it_relay_cut(struct it_relay *relay)
{
    uint64_t number = atomic_fetch_add_explicit(&relay->cut_asked, 1, memory_order_acq_rel) + 1;
    uint64_t deadline_ns = it_deadline_ns();
    while (atomic_load_explicit(&relay->cut_done, memory_order_acquire) < number)
        cr_assert_not(it_is_over(deadline_ns));
}

void it_relay_stall(struct it_relay *relay, bool is_stalled)
{
    uint64_t deadline_ns = it_deadline_ns();
    atomic_store_explicit(&relay->is_stall_asked, is_stalled, memory_order_relaxed);
    while (atomic_load_explicit(&relay->is_stalled, memory_order_acquire) != is_stalled)
        cr_assert_not(it_is_over(deadline_ns));
}

void it_relay_stop(struct it_relay *relay)
{
    atomic_store_explicit(&relay->is_over, true, memory_order_relaxed);
    (void)pthread_join(relay->thread, NULL);
    (void)close(relay->listener);
}
