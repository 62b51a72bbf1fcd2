/* SPDX-License-Identifier: MIT */
/* mixed: 64-byte requests on one edge while 1 GiB passes another one of the same link: their times, and what the
 * transfer loses. slow_consumer: what an edge loses, on the same link and on another one, to an edge whose consumer
 * takes 20 ms for a message, so that the edge is full all the time.
 *
 *   client: bulk -> sink@server -> done     ping -> echo@server -> ping     feeder -> slow@server
 *   other:  bulk -> sink2@server -> done
 *
 * http_under_load: GET /health and GET /status, one at a time on one connection, while the same stream runs.
 *
 * The first round of each kind is a warm-up. The slow actor sleeps, so the server has one worker more than cores, in all
 * rounds. */
#include "histogram.h"
#include "pair.h"
#include "scale.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    TRANSFER_MESSAGES = 1024, /* of 1 MiB */
    ALONE_PINGS = 20000,
    PING_BYTES = 64,
    STREAM_MESSAGES = 1000000,
    TURN = 64,
    SLOW_NS = 20000000, /* that the slow actor takes for a message */
    FEED_BYTES = 1024,
    FEED_MESSAGES = 100000 /* far more than fits between the feeder and the slow actor */
};

static struct bench_gate gate = BENCH_GATE_INIT;

/* What a round is about; set before the fork or while nothing runs. */
static struct {
    long messages;
    size_t size;
} job;

static _Atomic(bool) is_pinging;
static bool is_endless;           /* pings: until is_pinging is false */
static _Atomic(bool) is_released; /* of the server */
static struct bench_histogram trips;
static uint64_t ping_ns;

/* ---- actors ---- */

struct left {
    long count;
};

static rf_err create_left(rf_context *ctx, void **out_state)
{
    (void)ctx;
    *out_state = calloc(1, sizeof(struct left));
    return *out_state != NULL ? RF_OK : RF_ENOMEM;
}

/* The last message of a round has one byte. */
static rf_err on_sink(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    return rf_message_size(msg) == 1 ? rf_emit(ctx, 0, rf_message_ref(msg)) : RF_OK;
}

static rf_err on_echo(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    return rf_emit(ctx, 0, rf_message_ref(msg));
}

static rf_err on_slow(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port, (void)msg;
    const struct timespec pause = {.tv_nsec = SLOW_NS};
    if (!atomic_load_explicit(&is_released, memory_order_relaxed))
        (void)nanosleep(&pause, NULL);
    return RF_OK;
}

static rf_err on_release(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port, (void)msg;
    atomic_store_explicit(&is_released, true, memory_order_relaxed);
    return RF_OK;
}

static rf_message *new_payload(size_t size)
{
    void *data = NULL;
    rf_message *msg = rf_message_bytes_new(size, &data);
    if (msg != NULL)
        memset(data, 'x', size < PING_BYTES ? size : PING_BYTES);
    return msg;
}

static rf_err produce(rf_context *ctx, void *state)
{
    struct left *left = state;
    for (int i = 0; i < TURN && left->count > 0 && !rf_is_pressed(ctx); i++) {
        rf_err err = rf_emit(ctx, 0, new_payload(--left->count > 0 ? job.size : 1));
        if (err != RF_OK)
            return err;
    }
    if (left->count > 0)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err on_bulk(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port, (void)msg;
    ((struct left *)state)->count = job.messages;
    return produce(ctx, state);
}

static rf_err feed(rf_context *ctx, void *state)
{
    struct left *left = state;
    for (int i = 0; i < TURN && left->count > 0 && !rf_is_pressed(ctx); i++, left->count--) {
        rf_err err = rf_emit(ctx, 0, new_payload(FEED_BYTES));
        if (err != RF_OK)
            return err;
    }
    if (left->count > 0)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err on_feeder(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port, (void)msg;
    ((struct left *)state)->count = FEED_MESSAGES;
    return feed(ctx, state);
}

static rf_err on_done(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port, (void)msg;
    bench_gate_open(&gate);
    return RF_OK;
}

/* One request in flight: told to begin by a flow message, told to end by is_pinging. */
static rf_err on_ping(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    struct left *left = state;
    if (rf_message_kind(msg) == RF_KIND_FLOW)
        left->count = job.messages;
    else
        bench_histogram_record(&trips, bench_now_ns() - ping_ns);
    bool is_over = (left->count-- <= 0 && !is_endless) ||
                   !atomic_load_explicit(&is_pinging, memory_order_relaxed);
    if (is_over) {
        bench_gate_open(&gate);
        return RF_OK;
    }
    ping_ns = bench_now_ns();
    return rf_emit(ctx, 0, new_payload(PING_BYTES));
}

static const rf_port_def port_in = {.name = "in"};
static const rf_port_def port_out = {.name = "out"};

#define COMPONENT(NAME, ...)                                                                       \
    {                                                                                              \
        .struct_size = sizeof(rf_component), .name = (NAME), .inports = &port_in,                  \
        .inport_count = 1, .outports = &port_out, .outport_count = 1, __VA_ARGS__                  \
    }
#define WITH_LEFT .create = create_left, .destroy = free

static const rf_component sink_component = COMPONENT("sink", .on_message = on_sink);
static const rf_component sink2_component = COMPONENT("sink2", .on_message = on_sink);
static const rf_component echo_component = COMPONENT("echo", .on_message = on_echo);
static const rf_component slow_component = COMPONENT("slow", .on_message = on_slow);
static const rf_component release_component = COMPONENT("release", .on_message = on_release);
static const rf_component bulk_component =
    COMPONENT("bulk", .on_message = on_bulk, .on_resume = produce, WITH_LEFT);
static const rf_component feeder_component =
    COMPONENT("feeder", .on_message = on_feeder, .on_resume = feed, WITH_LEFT);
static const rf_component done_component = COMPONENT("done", .on_message = on_done);
static const rf_component ping_component = COMPONENT("ping", .on_message = on_ping, WITH_LEFT);

/* ---- nodes ---- */

static void add(rf_distributed *node, const rf_component *component)
{
    bench_check(rf_distributed_register_local_actor(node, component->name, component, NULL, NULL),
                component->name);
}

static void add_remote(rf_distributed *node, const char *actor)
{
    bench_check(rf_distributed_register_remote_actor(node, actor, "server"), actor);
}

static void wire(rf_distributed *node, const char *from, const char *to)
{
    rf_network *net = rf_distributed_network(node);
    bench_check(rf_network_add_connection(net, from, "out", to, "in", NULL), from);
}

static void fill_server(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &sink_component);
    add(node, &sink2_component);
    add(node, &echo_component);
    add(node, &slow_component);
    add(node, &release_component);
}

static void fill_client(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &bulk_component);
    add(node, &feeder_component);
    add(node, &done_component);
    add(node, &ping_component);
    add_remote(node, "sink");
    add_remote(node, "echo");
    add_remote(node, "slow");
    wire(node, "bulk", "sink@server");
    wire(node, "sink@server", "done");
    wire(node, "ping", "echo@server");
    wire(node, "echo@server", "ping");
    wire(node, "feeder", "slow@server");
}

static void fill_other(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &bulk_component);
    add(node, &done_component);
    add_remote(node, "sink2");
    wire(node, "bulk", "sink2@server");
    wire(node, "sink2@server", "done");
}

static void tell(rf_distributed *node, const char *actor)
{
    bench_check(rf_network_send(rf_distributed_network(node), actor, "in", rf_message_flow()),
                actor);
}

static uint64_t run_transfer(void *arg)
{
    uint64_t begin = bench_now_ns();
    tell(arg, "bulk");
    bench_gate_wait(&gate);
    return bench_now_ns() - begin;
}

/* ---- mixed ---- */

static void report_trips(struct bench *bench, const char *p50, const char *p99)
{
    bench_result(bench, p50, (double)bench_histogram_percentile(&trips, 50) / 1e3, "us");
    bench_result(bench, p99, (double)bench_histogram_percentile(&trips, 99) / 1e3, "us");
}

static void ping_alone(struct bench *bench, rf_distributed *node)
{
    job.messages = bench_scaled(bench, ALONE_PINGS);
    atomic_store_explicit(&is_pinging, true, memory_order_relaxed);
    for (int i = 0; i < 2; i++) {
        bench_histogram_reset(&trips);
        tell(node, "ping");
        bench_gate_wait(&gate);
    }
    report_trips(bench, "mixed_alone_p50", "mixed_alone_p99");
}

void bench_mixed(struct bench *bench)
{
    struct bench_pair pair;
    const struct bench_pair_setup setup = {.fill_server = fill_server, .fill_client = fill_client};
    bench_pair_start(&pair, bench, &setup);
    ping_alone(bench, pair.node);
    job.messages = bench_scaled(bench, TRANSFER_MESSAGES);
    job.size = BENCH_MIB_BYTES;
    double bytes = (double)job.messages * BENCH_MIB_BYTES;
    double alone = bench_median_ns(bench, run_transfer, pair.node);
    bench_histogram_reset(&trips);
    is_endless = true;
    tell(pair.node, "ping");
    double mixed = bench_median_ns(bench, run_transfer, pair.node);
    atomic_store_explicit(&is_pinging, false, memory_order_relaxed);
    bench_gate_wait(&gate);
    /* Before and after, since a node grows faster while it warms up. */
    alone = (alone + bench_median_ns(bench, run_transfer, pair.node)) / 2;

    report_trips(bench, "mixed_p50", "mixed_p99");
    bench_result(bench, "mixed_transfer_alone", bytes / alone * 1e3, "MB/s");
    bench_result(bench, "mixed_transfer", bytes / mixed * 1e3, "MB/s");
    bench_result(bench, "mixed_transfer_kept", alone / mixed, "x");
    bench_pair_stop(&pair);
}

/* ---- slow_consumer ---- */

void bench_slow_consumer(struct bench *bench)
{
    static const struct bench_pair_setting settings[] = {{"actor_threads", "3"}};
    struct bench_pair pair;
    const struct bench_pair_setup setup = {.settings = settings,
                                           .setting_count = 1,
                                           .fill_server = fill_server,
                                           .fill_client = fill_client};
    bench_pair_start(&pair, bench, &setup);
    rf_distributed *other = bench_pair_node(bench, "other", &setup, fill_other);
    bench_pair_link(other, pair.endpoint);
    job.messages = bench_scaled(bench, STREAM_MESSAGES);
    job.size = PING_BYTES;
    double same_link = bench_median_ns(bench, run_transfer, pair.node);
    double other_link = bench_median_ns(bench, run_transfer, other);
    tell(pair.node, "feeder");
    double same_link_slowed = bench_median_ns(bench, run_transfer, pair.node);
    double other_link_slowed = bench_median_ns(bench, run_transfer, other);
    bench_result(bench, "slow_consumer_alone", (double)job.messages * 1e9 / same_link, "msgs/s");
    bench_result(bench, "slow_consumer_same_link", same_link / same_link_slowed, "x");
    bench_result(bench, "slow_consumer_other_link", other_link / other_link_slowed, "x");
    bench_check(rf_distributed_send(pair.node, "server", "release", "in", rf_message_flow()),
                "release");
    rf_distributed_free(other);
    bench_pair_stop(&pair);
}

/* ---- http_under_load ---- */

static struct {
    pthread_t thread;
    const char *path;
    uint16_t port;
    _Atomic(bool) is_over;
    uint64_t ns; /* that it ran */
    struct bench_histogram times;
} http;

static int connect_http(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_die("no HTTP connection");
    return fd;
}

/* One request and its whole answer. */
static void ask_http(int fd)
{
    static char answer[1 << 20];
    char request[128];
    size_t size = 0;
    size_t whole = 0;
    int length =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", http.path);
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        bench_die("GET %s: not sent", http.path);
    while (whole == 0 || size < whole) {
        ssize_t got = recv(fd, answer + size, sizeof answer - 1 - size, 0);
        if (got <= 0)
            bench_die("GET %s: no answer", http.path);
        size += (size_t)got;
        answer[size] = '\0';
        const char *end = strstr(answer, "\r\n\r\n");
        const char *field = strcasestr(answer, "\r\ncontent-length:");
        if (end != NULL && field != NULL)
            whole = (size_t)(end + 4 - answer) + strtoul(field + 17, NULL, 10);
    }
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
        bench_die("GET %s: %.60s", http.path, answer);
}

static void *run_http(void *arg)
{
    (void)arg;
    int fd = connect_http();
    uint64_t begin = bench_now_ns();
    uint64_t before = begin;
    while (!atomic_load_explicit(&http.is_over, memory_order_relaxed)) {
        ask_http(fd);
        uint64_t now = bench_now_ns();
        bench_histogram_record(&http.times, now - before);
        before = now;
    }
    http.ns = before - begin;
    (void)close(fd);
    return NULL;
}

static void ask_under_load(struct bench *bench, rf_distributed *node, const char *path)
{
    char name[64];
    double alone = bench_median_ns(bench, run_transfer, node);
    http.path = path;
    atomic_store_explicit(&http.is_over, false, memory_order_relaxed);
    bench_histogram_reset(&http.times);
    if (pthread_create(&http.thread, NULL, run_http, NULL) != 0)
        bench_die("no thread");
    double loaded = bench_median_ns(bench, run_transfer, node);
    atomic_store_explicit(&http.is_over, true, memory_order_relaxed);
    (void)pthread_join(http.thread, NULL);
    const struct bench_histogram *times = &http.times;
    (void)snprintf(name, sizeof name, "http_under_load_%s", path + 1);
    bench_result(bench, name, (double)bench_histogram_count(times) * 1e9 / (double)http.ns,
                 "requests/s");
    (void)snprintf(name, sizeof name, "http_under_load_%s_p50", path + 1);
    bench_result(bench, name, (double)bench_histogram_percentile(times, 50) / 1e3, "us");
    (void)snprintf(name, sizeof name, "http_under_load_%s_p99", path + 1);
    bench_result(bench, name, (double)bench_histogram_percentile(times, 99) / 1e3, "us");
    (void)snprintf(name, sizeof name, "http_under_load_%s_kept", path + 1);
    bench_result(bench, name, alone / loaded, "x");
}

void bench_http_under_load(struct bench *bench)
{
    struct bench_pair pair;
    const struct bench_pair_setup setup = {.fill_server = fill_server, .fill_client = fill_client};
    bench_pair_start(&pair, bench, &setup);
    http.port = (uint16_t)strtoul(strrchr(pair.endpoint, ':') + 1, NULL, 10);
    job.messages = bench_scaled(bench, STREAM_MESSAGES);
    job.size = PING_BYTES;
    ask_under_load(bench, pair.node, "/health");
    ask_under_load(bench, pair.node, "/status");
    bench_pair_stop(&pair);
}
