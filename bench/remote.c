/* SPDX-License-Identifier: MIT */
/* The workloads between two processes, each with a node: `client` here, `server` in a child.
 *
 * The client's graph is producer -> sink@server -> done: the sink's answer comes back as an emission of the proxy's
 * out-port, so the clock stops when the client has what the server counted. The child is made before
 * this process has any thread, tells its port through a pipe, and ends with its parent. */
#include "remote.h"
#include "open.h"
#include "pair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TURN = 64 };

static struct bench_gate gate = BENCH_GATE_INIT;

/* What a round is about; set before the fork, so that both processes know it. */
static struct {
    long messages; /* of one producer */
    long producers;
    size_t size;
} job;

/* ---- the server's actors ---- */

struct sink {
    long left;
    int64_t sum;
};

static rf_err create_sink(rf_context *ctx, void **out_state)
{
    (void)ctx;
    *out_state = calloc(1, sizeof(struct sink));
    return *out_state != NULL ? RF_OK : RF_ENOMEM;
}

static void destroy_sink(void *state)
{
    free(state);
}

/* The first 8 bytes of each payload are its number. */
static int64_t number_of(const rf_message *msg)
{
    rf_span span = rf_message_data(msg);
    int64_t number;
    if (span.size != job.size)
        bench_die("a payload has %zu bytes instead of %zu", span.size, job.size);
    memcpy(&number, span.data, sizeof number);
    return number;
}

static rf_err on_sink(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    struct sink *sink = state;
    if (sink->left == 0) {
        sink->left = job.messages * job.producers;
        sink->sum = 0;
    }
    sink->sum += number_of(msg);
    if (--sink->left > 0)
        return RF_OK;
    if (sink->sum != (int64_t)job.producers * ((int64_t)job.messages * (job.messages - 1) / 2))
        bench_die("the sum of what arrived is wrong: %" PRId64, sink->sum);
    return rf_emit(ctx, 0, rf_message_integer(job.messages * job.producers));
}

static rf_err on_echo(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    return rf_emit(ctx, 0, rf_message_ref(msg));
}

/* ---- the client's actors ---- */

static rf_message *make_payload(int64_t number)
{
    static uint8_t payload[BENCH_KIB_BYTES];
    if (job.size <= sizeof payload) {
        memcpy(payload, &number, sizeof number);
        return rf_message_bytes(payload, job.size);
    }
    void *data = NULL;
    rf_message *msg = rf_message_bytes_new(job.size, &data);
    if (msg != NULL)
        memcpy(data, &number, sizeof number);
    return msg;
}

static rf_err produce(rf_context *ctx, void *state)
{
    struct sink *producer = state;
    for (int i = 0; i < TURN && producer->left > 0 && !rf_is_pressed(ctx); i++) {
        rf_err err = rf_emit(ctx, 0, make_payload(--producer->left));
        if (err != RF_OK)
            return err;
    }
    if (producer->left > 0)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err on_start(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port, (void)msg;
    ((struct sink *)state)->left = job.messages;
    return produce(ctx, state);
}

static rf_err on_done(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port;
    if (rf_message_as_integer(msg) != job.messages * job.producers)
        bench_die("the server counted %" PRId64, rf_message_as_integer(msg));
    bench_gate_open(&gate);
    return RF_OK;
}

/* One message in flight: `ns` gets the time of each trip. */
static struct {
    uint64_t sent_ns;
    uint32_t *ns;
    long trip; /* from -warm-up */
} rtt;

static rf_err on_ping(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port, (void)msg;
    uint64_t now = bench_now_ns();
    if (rtt.sent_ns != 0) {
        if (rtt.trip >= 0)
            rtt.ns[rtt.trip] = (uint32_t)(now - rtt.sent_ns);
        if (++rtt.trip == job.messages) {
            bench_gate_open(&gate);
            return RF_OK;
        }
    }
    rtt.sent_ns = bench_now_ns();
    return rf_emit(ctx, 0, make_payload(rtt.trip));
}

/* Open loop: the payload carries the moment that its send was planned for. */
static struct bench_open *planned;

static rf_err on_plan(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    return rf_emit(ctx, 0, make_payload(rf_message_as_integer(msg)));
}

static rf_err on_arrival(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port;
    if (bench_open_arrive(planned, (uint64_t)number_of(msg)))
        bench_gate_open(&gate);
    return RF_OK;
}

/* In the server: the client is told of the last one. */
static rf_err on_open_sink(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    if (!bench_open_arrive(planned, (uint64_t)number_of(msg)))
        return RF_OK;
    return rf_emit(ctx, 0, rf_message_integer(job.messages * job.producers));
}

static const rf_port_def port_in = {.name = "in"};
static const rf_port_def port_out = {.name = "out"};

#define COMPONENT(NAME, ...)                                                                       \
    {                                                                                              \
        .struct_size = sizeof(rf_component), .name = (NAME), .inports = &port_in,                  \
        .inport_count = 1, .outports = &port_out, .outport_count = 1, __VA_ARGS__                  \
    }

static const rf_component sink_component =
    COMPONENT("sink", .on_message = on_sink, .create = create_sink, .destroy = destroy_sink);
static const rf_component echo_component = COMPONENT("echo", .on_message = on_echo);
static const rf_component open_sink_component = COMPONENT("open_sink", .on_message = on_open_sink);
static const rf_component producer_component =
    COMPONENT("producer", .on_message = on_start, .on_resume = produce, .create = create_sink,
              .destroy = destroy_sink);
static const rf_component done_component = COMPONENT("done", .on_message = on_done);
static const rf_component ping_component = COMPONENT("ping", .on_message = on_ping);
static const rf_component plan_component = COMPONENT("plan", .on_message = on_plan);
static const rf_component arrival_component = COMPONENT("arrival", .on_message = on_arrival);

/* ---- the nodes ---- */

static void add(rf_distributed *node, const rf_component *component)
{
    bench_check(rf_distributed_register_local_actor(node, component->name, component, NULL, NULL),
                component->name);
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
    add(node, &open_sink_component);
    add(node, &echo_component);
}

static void fill_producer(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &producer_component);
    add(node, &done_component);
    bench_check(rf_distributed_register_remote_actor(node, "sink", "server"), "sink");
    wire(node, "producer", "sink@server");
    wire(node, "sink@server", "done");
}

static void fill_ping(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &ping_component);
    bench_check(rf_distributed_register_remote_actor(node, "echo", "server"), "echo");
    wire(node, "ping", "echo@server");
    wire(node, "echo@server", "ping");
}

static void fill_plan(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &plan_component);
    add(node, &arrival_component);
    bench_check(rf_distributed_register_remote_actor(node, "echo", "server"), "echo");
    wire(node, "plan", "echo@server");
    wire(node, "echo@server", "arrival");
}

static void fill_open_stream(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &plan_component);
    add(node, &done_component);
    bench_check(rf_distributed_register_remote_actor(node, "open_sink", "server"), "open_sink");
    wire(node, "plan", "open_sink@server");
    wire(node, "open_sink@server", "done");
}

/* ---- workloads ---- */

static void start(rf_distributed *node, const char *actor)
{
    bench_check(rf_network_send(rf_distributed_network(node), actor, "in", rf_message_flow()),
                actor);
}

static uint64_t run_round(void *arg)
{
    uint64_t begin = bench_now_ns();
    start(arg, "producer");
    bench_gate_wait(&gate);
    return bench_now_ns() - begin;
}

/* What happens at a fixed rate, until the last message is there. */
static void run_open(struct bench *bench, unsigned rate, const char *name,
                     void (*fill_client)(struct bench *bench, rf_distributed *node), size_t size)
{
    struct bench_pair pair;
    const struct bench_pair_setup setup = {.fill_server = fill_server, .fill_client = fill_client};
    planned = bench_open_new(bench, rate);
    job.messages = planned->count;
    job.producers = 1;
    job.size = size;
    bench_pair_start(&pair, bench, &setup);
    rf_network *net = rf_distributed_network(pair.node);
    bench_open_send(planned, &net, 1, "plan", 0, 1);
    bench_gate_wait(&gate);
    bench_pair_stop(&pair);
    bench_open_result(bench, planned, name);
    bench_open_free(planned);
}

static double stream(struct bench *bench, long messages, size_t size)
{
    struct bench_pair pair;
    /* One message of 1 MiB fills the default window: bulk wants several on their way (docs/config.md). */
    static const struct bench_pair_setting bulk[] = {{"flow_credit_bytes", "8388608"},
                                                     {"link_credit_bytes", "33554432"}};
    const struct bench_pair_setup setup = {.settings = bulk,
                                           .setting_count = size >= BENCH_MIB_BYTES ? 2 : 0,
                                           .fill_server = fill_server,
                                           .fill_client = fill_producer};
    job.messages = bench_scaled(bench, messages);
    job.producers = 1;
    job.size = size;
    bench_pair_start(&pair, bench, &setup);
    double ns = bench_median_ns(bench, run_round, pair.node);
    bench_pair_stop(&pair);
    return ns;
}

static void stream_of_small(struct bench *bench, const char *name, size_t size)
{
    unsigned rate = bench_rate(bench);
    if (rate > 0) {
        run_open(bench, rate, name, fill_open_stream, size);
        return;
    }
    double ns = stream(bench, BENCH_REMOTE_MESSAGES, size);
    bench_result(bench, name, (double)job.messages * 1e9 / ns, "msgs/s");
}

void bench_remote_stream(struct bench *bench)
{
    stream_of_small(bench, "remote_stream", BENCH_SMALL_BYTES);
}

void bench_remote_stream_1k(struct bench *bench)
{
    stream_of_small(bench, "remote_stream_1k", BENCH_KIB_BYTES);
}

void bench_remote_large(struct bench *bench)
{
    double ns = stream(bench, BENCH_LARGE_MESSAGES, BENCH_MIB_BYTES);
    bench_result(bench, "remote_large", (double)job.messages * (double)job.size * 1e3 / ns, "MB/s");
}

static int by_value(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static double trip_us(size_t rank)
{
    return rtt.ns[rank] / 1e3;
}

void bench_remote_rtt(struct bench *bench)
{
    unsigned rate = bench_rate(bench);
    if (rate > 0) {
        run_open(bench, rate, "remote_rtt", fill_plan, BENCH_SMALL_BYTES);
        return;
    }
    struct bench_pair pair;
    const struct bench_pair_setup setup = {.fill_server = fill_server, .fill_client = fill_ping};
    job.messages = bench_scaled(bench, BENCH_RTT_TRIPS);
    job.size = BENCH_SMALL_BYTES;
    size_t count = (size_t)job.messages;
    rtt.ns = calloc(count, sizeof *rtt.ns);
    rtt.trip = -BENCH_RTT_WARMUP;
    if (rtt.ns == NULL)
        bench_die("out of memory");
    bench_pair_start(&pair, bench, &setup);
    start(pair.node, "ping");
    bench_gate_wait(&gate);
    bench_pair_stop(&pair);
    qsort(rtt.ns, count, sizeof *rtt.ns, by_value);
    bench_result(bench, "remote_rtt_p50", trip_us(count / 2), "us");
    bench_result(bench, "remote_rtt_p99", trip_us(count * 99 / 100), "us");
    bench_result(bench, "remote_rtt_p99.9", trip_us(count * 999 / 1000), "us");
    free(rtt.ns);
}
