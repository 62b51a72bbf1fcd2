/* SPDX-License-Identifier: MIT */
/* How a node grows: the cost of a message over 1 to 1,000 links, and a graph of a thousand nodes under load. */
#include "crowd.h"
#include "pair.h"
#include "scale.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RUNS = 16384, /* of 64 messages, over all links together */
    CHAINS = 37,
    CHAIN_NODES = 27, /* with the counter: 1,000 nodes */
    CHAIN_MESSAGES = 10000,
    TURN = 64
};

static struct bench_gate gate = BENCH_GATE_INIT;
static long chain_messages;

/* ---- actors ---- */

static rf_err create_left(rf_context *ctx, void **out_state)
{
    (void)ctx;
    *out_state = calloc(1, sizeof(long));
    return *out_state != NULL ? RF_OK : RF_ENOMEM;
}

static rf_err on_sink(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port, (void)msg;
    return RF_OK;
}

static rf_err produce(rf_context *ctx, void *state)
{
    long *left = state;
    for (int i = 0; i<TURN && * left> 0 && !rf_is_pressed(ctx); i++, --*left) {
        rf_err err = rf_emit(ctx, 0, rf_message_integer(*left));
        if (err != RF_OK)
            return err;
    }
    if (*left > 0)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err on_start(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port, (void)msg;
    *(long *)state = chain_messages;
    return produce(ctx, state);
}

static rf_err on_forward(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    return rf_emit(ctx, 0, rf_message_ref(msg));
}

static rf_err on_count(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)port, (void)msg;
    long *left = state;
    if (*left == 0)
        *left = chain_messages * CHAINS;
    if (--*left == 0)
        bench_gate_open(&gate);
    return RF_OK;
}

static const rf_port_def port_in = {.name = "in"};
static const rf_port_def port_out = {.name = "out"};

#define COMPONENT(NAME, ...)                                                                       \
    {                                                                                              \
        .struct_size = sizeof(rf_component), .name = (NAME), .inports = &port_in,                  \
        .inport_count = 1, .outports = &port_out, .outport_count = 1, __VA_ARGS__                  \
    }
#define WITH_LEFT .create = create_left, .destroy = free

static const rf_component sink = COMPONENT("sink", .on_message = on_sink);
static const rf_component components[] = {
    COMPONENT("source", .on_message = on_start, .on_resume = produce, WITH_LEFT),
    COMPONENT("forwarder", .on_message = on_forward),
    COMPONENT("counter", .on_message = on_count, WITH_LEFT),
};

/* ---- remote_scale_links ---- */

static void fill_server(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    bench_check(rf_distributed_register_local_actor(node, "sink", &sink, NULL, NULL), "sink");
}

static double cpu_ns_of(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        bench_die("cannot read the processor time of the server");
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

/* The server's processor time a message, since one sender cannot be as fast over a thousand sockets as over one. */
void bench_remote_scale_links(struct bench *bench)
{
    static const struct bench_pair_setting settings[] = {{"max_connections", "65536"},
                                                         {"pending_connections_max", "65536"},
                                                         {"pending_per_address_max", "65536"}};
    struct bench_pair pair;
    const struct bench_pair_setup setup = {
        .settings = settings, .setting_count = 3, .fill_server = fill_server};
    static const long counts[] = {1, 10, 100, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        char name[64];
        struct bench_crowd crowd;
        long runs = bench_scaled(bench, RUNS);
        bench_pair_start(&pair, bench, &setup);
        bench_crowd_open(&crowd, (uint16_t)strtoul(strrchr(pair.endpoint, ':') + 1, NULL, 10),
                         counts[i]);
        (void)bench_crowd_send(&crowd, runs);
        double cpu = cpu_ns_of(pair.server);
        uint64_t begin = bench_now_ns();
        long messages = bench_crowd_send(&crowd, runs);
        double ns = (double)(bench_now_ns() - begin);
        cpu = cpu_ns_of(pair.server) - cpu;
        (void)snprintf(name, sizeof name, "remote_scale_links_%ld", counts[i]);
        bench_result(bench, name, cpu / (double)messages, "ns");
        (void)snprintf(name, sizeof name, "remote_scale_links_%ld_rate", counts[i]);
        bench_result(bench, name, (double)messages * 1e9 / ns, "msgs/s");
        bench_crowd_close(&crowd);
        bench_pair_stop(&pair);
    }
}

/* ---- graph_1k ---- */

static void put_graph(FILE *file)
{
    fputs("{\"processes\":{\"counter\":{\"component\":\"counter\"}", file);
    for (int c = 0; c < CHAINS; c++)
        for (int n = 0; n < CHAIN_NODES; n++)
            fprintf(file, ",\"c%dn%d\":{\"component\":\"%s\"}", c, n,
                    n == 0 ? "source" : "forwarder");
    fputs("},\"connections\":[", file);
    for (int c = 0; c < CHAINS; c++)
        for (int n = 0; n < CHAIN_NODES; n++) {
            fprintf(file, "%s{\"src\":{\"process\":\"c%dn%d\",\"port\":\"out\"},\"tgt\":",
                    c + n > 0 ? "," : "", c, n);
            if (n + 1 < CHAIN_NODES)
                fprintf(file, "{\"process\":\"c%dn%d\",\"port\":\"in\"}}", c, n + 1);
            else
                fputs("{\"process\":\"counter\",\"port\":\"in\"}}", file);
        }
    fputs("]}", file);
}

static void load_graph(struct bench *bench, rf_network *net)
{
    char *text = NULL;
    size_t size = 0;
    rf_diag diag;
    rf_graph *graph = NULL;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL)
        bench_die("out of memory");
    put_graph(file);
    if (fclose(file) != 0)
        bench_die("out of memory");
    uint64_t begin = bench_now_ns();
    if (rf_graph_parse(text, size, "graph_1k", &graph, &diag) != RF_OK ||
        rf_graph_apply(graph, net, NULL, &diag) != RF_OK)
        bench_die("%s", diag.text);
    bench_result(bench, "graph_1k_load", (double)(bench_now_ns() - begin) / 1e6, "ms");
    rf_graph_free(graph);
    free(text);
}

static uint64_t run_graph(void *arg)
{
    uint64_t begin = bench_now_ns();
    for (int c = 0; c < CHAINS; c++) {
        char name[32];
        (void)snprintf(name, sizeof name, "c%dn0", c);
        bench_check(rf_network_send(arg, name, "in", rf_message_flow()), name);
    }
    bench_gate_wait(&gate);
    return bench_now_ns() - begin;
}

void bench_graph_1k(struct bench *bench)
{
    rf_network *net = NULL;
    rf_network_options options = {.struct_size = sizeof options,
                                  .workers = bench->options->workers};
    bench_check(rf_network_new(&options, &net), "network");
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++)
        bench_check(rf_network_register(net, &components[i]), "component");
    bench_check(rf_network_start(net), "start");
    size_t before = bench_rss_bytes();
    load_graph(bench, net);
    bench_result(bench, "graph_1k_rss", (double)(bench_rss_bytes() - before) / 1e3, "KB");
    chain_messages = bench_scaled(bench, CHAIN_MESSAGES);
    double ns = bench_median_ns(bench, run_graph, net);
    bench_result(bench, "graph_1k", (double)chain_messages * CHAINS * CHAIN_NODES * 1e9 / ns,
                 "hop-msgs/s");
    rf_network_free(net);
}
