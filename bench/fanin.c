/* SPDX-License-Identifier: MIT */
/* remote_fanin: many connections into one node.
 *
 * This process is the server. Each client is a child with BENCH_REMOTE_FANIN_CONNECTIONS / _PROCESSES nodes,
 * since a network has one link to another; each node has a producer, wired to the server's sink. The children are
 * made before this process has threads, and do a round for each byte of their socket: the sum of the numbers that
 * came is right when the last of them is in, so nobody can be ahead of the others by a round. They end with this
 * process, when their socket is closed, or after BENCH_PROCESS_SECONDS. */
#include "open.h"
#include "pair.h"
#include "remote.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PROCESSES = BENCH_REMOTE_FANIN_PROCESSES,
    NODES = BENCH_REMOTE_FANIN_CONNECTIONS / PROCESSES, /* of one client */
    ENDPOINT_SIZE = 336,
    DRAIN_MS = 2000
};

static struct bench_gate gate = BENCH_GATE_INIT;
static long messages; /* of one connection; set before the fork */

/* ---- actors ---- */

struct counter {
    long left;
    int64_t sum;
};

static rf_err create_counter(rf_context *ctx, void **out_state)
{
    (void)ctx;
    *out_state = calloc(1, sizeof(struct counter));
    return *out_state != NULL ? RF_OK : RF_ENOMEM;
}

static rf_err on_sink(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)port;
    struct counter *sink = state;
    rf_span span = rf_message_data(msg);
    int64_t number;
    if (span.size != BENCH_SMALL_BYTES)
        bench_die("a payload has %zu bytes", span.size);
    if (sink->left == 0) {
        sink->left = messages * BENCH_REMOTE_FANIN_CONNECTIONS;
        sink->sum = 0;
    }
    memcpy(&number, span.data, sizeof number);
    sink->sum += number;
    if (--sink->left > 0)
        return RF_OK;
    if (sink->sum != BENCH_REMOTE_FANIN_CONNECTIONS * (messages * (messages - 1) / 2))
        bench_die("the sum of what arrived is wrong: %" PRId64, sink->sum);
    bench_gate_open(&gate);
    return RF_OK;
}

/* Open loop: made before the fork, too. NULL: there is none. */
static struct bench_open *planned;

static rf_err on_open_sink(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port;
    rf_span span = rf_message_data(msg);
    int64_t planned_ns;
    if (span.size != BENCH_SMALL_BYTES)
        bench_die("a payload has %zu bytes", span.size);
    memcpy(&planned_ns, span.data, sizeof planned_ns);
    if (bench_open_arrive(planned, (uint64_t)planned_ns))
        bench_gate_open(&gate);
    return RF_OK;
}

static rf_err on_plan(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    uint8_t payload[BENCH_SMALL_BYTES] = {0};
    int64_t planned_ns = rf_message_as_integer(msg);
    memcpy(payload, &planned_ns, sizeof planned_ns);
    return rf_emit(ctx, 0, rf_message_bytes(payload, sizeof payload));
}

/* One burst. */
static rf_err produce(rf_context *ctx, void *state)
{
    struct counter *producer = state;
    uint8_t payload[BENCH_SMALL_BYTES] = {0};
    for (int i = 0; i < BENCH_REMOTE_FANIN_BURST && producer->left > 0 && !rf_is_pressed(ctx);
         i++) {
        int64_t number = --producer->left;
        memcpy(payload, &number, sizeof number);
        rf_err err = rf_emit(ctx, 0, rf_message_bytes(payload, sizeof payload));
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
    ((struct counter *)state)->left = messages;
    return produce(ctx, state);
}

static const rf_port_def port_in = {.name = "in"};
static const rf_port_def port_out = {.name = "out"};

#define COMPONENT(NAME, ...)                                                                       \
    {                                                                                              \
        .struct_size = sizeof(rf_component), .name = (NAME), .inports = &port_in,                  \
        .inport_count = 1, .outports = &port_out, .outport_count = 1, .create = create_counter,    \
        .destroy = free, __VA_ARGS__                                                               \
    }

static const rf_component sink_component = COMPONENT("sink", .on_message = on_sink);
static const rf_component open_sink_component = COMPONENT("sink", .on_message = on_open_sink);
static const rf_component producer_component =
    COMPONENT("producer", .on_message = on_start, .on_resume = produce);
static const rf_component plan_component = COMPONENT("producer", .on_message = on_plan);

/* ---- the server ---- */

static void fill_server(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    const rf_component *sink = planned != NULL ? &open_sink_component : &sink_component;
    bench_check(rf_distributed_register_local_actor(node, "sink", sink, NULL, NULL), "sink");
}

/* What a hundred peers may have under way to one actor together should fit into a cache. */
static const struct bench_pair_setting server_settings[] = {{"max_connections", "65536"},
                                                            {"pending_connections_max", "65536"},
                                                            {"pending_per_address_max", "65536"},
                                                            {"flow_credit_messages", "512"}};
static const struct bench_pair_setup server_setup = {
    .settings = server_settings, .setting_count = 4, .fill_server = fill_server};

/* ---- the clients ---- */

static void fill_client(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    const rf_component *producer = planned != NULL ? &plan_component : &producer_component;
    bench_check(rf_distributed_register_local_actor(node, "producer", producer, NULL, NULL),
                "producer");
    bench_check(rf_distributed_register_remote_actor(node, "sink", "server"), "sink");
    bench_check(rf_network_add_connection(rf_distributed_network(node), "producer", "out",
                                          "sink@server", "in", NULL),
                "producer");
}

/* So many nodes have no core each: one worker, no threads that poll, and short queues, for the reason above. */
static const struct bench_pair_setting client_settings[] = {
    {"actor_threads", "1"}, {"poll_us", "0"}, {"mailbox_capacity", "128"}};
static const struct bench_pair_setup client_setup = {.settings = client_settings,
                                                     .setting_count = 3};

static void read_endpoint(int fd, char endpoint[ENDPOINT_SIZE])
{
    ssize_t size = recv(fd, endpoint, ENDPOINT_SIZE - 1, 0); /* packets: it comes whole */
    if (size <= 0)
        bench_die("the server did not start");
    endpoint[size] = '\0';
}

static void do_round(rf_distributed *const nodes[NODES], int index)
{
    rf_network *nets[NODES];
    for (int i = 0; i < NODES; i++)
        nets[i] = rf_distributed_network(nodes[i]);
    if (planned != NULL) {
        bench_open_send(planned, nets, NODES, "producer", (unsigned)index, PROCESSES);
        return;
    }
    for (int i = 0; i < NODES; i++)
        bench_check(rf_network_send(nets[i], "producer", "in", rf_message_flow()), "producer");
}

static _Noreturn void run_client(struct bench *bench, int index, int fd)
{
    char endpoint[ENDPOINT_SIZE];
    rf_distributed *nodes[NODES];
    char byte = 'r';
    read_endpoint(fd, endpoint);
    for (int i = 0; i < NODES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "client-%d-%d", index, i);
        nodes[i] = bench_pair_node(bench, name, &client_setup, fill_client);
        bench_pair_link(nodes[i], endpoint);
    }
    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
        bench_die("the server went away");
    while (recv(fd, &byte, 1, 0) == 1)
        do_round(nodes, index);
    for (int i = 0; i < NODES; i++) {
        (void)rf_distributed_stop(nodes[i], DRAIN_MS);
        rf_distributed_free(nodes[i]);
    }
    _exit(0);
}

/* ---- the workload ---- */

struct clients {
    pid_t pids[PROCESSES];
    int ours[PROCESSES], theirs[PROCESSES];
};

static void start_clients(struct clients *clients, struct bench *bench)
{
    pid_t parent = getpid();
    for (int i = 0; i < PROCESSES; i++) {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
            bench_die("no socket pair");
        clients->ours[i] = fds[0];
        clients->theirs[i] = fds[1];
    }
    for (int i = 0; i < PROCESSES; i++) {
        clients->pids[i] = fork();
        if (clients->pids[i] < 0)
            bench_die("no child process");
        if (clients->pids[i] > 0)
            continue;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        (void)alarm(BENCH_PROCESS_SECONDS); /* a child inherits none */
        for (int j = 0; j < PROCESSES; j++) /* or nobody would see the end of the others' */
            (void)close(clients->ours[j]);
        run_client(bench, i, clients->theirs[i]);
    }
    for (int i = 0; i < PROCESSES; i++)
        (void)close(clients->theirs[i]);
}

static void tell_clients(const struct clients *clients, const char *text)
{
    for (int i = 0; i < PROCESSES; i++)
        if (send(clients->ours[i], text, strlen(text), MSG_NOSIGNAL) < 0)
            bench_die("a client went away");
}

static void wait_for_links(const struct clients *clients)
{
    char byte;
    for (int i = 0; i < PROCESSES; i++)
        if (recv(clients->ours[i], &byte, 1, 0) != 1)
            bench_die("a client did not link its nodes");
}

static void stop_clients(const struct clients *clients)
{
    for (int i = 0; i < PROCESSES; i++)
        (void)close(clients->ours[i]);
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        if (waitpid(clients->pids[i], &status, 0) != clients->pids[i] || status != 0)
            bench_die("a client did not end well");
    }
}

static uint64_t run_round(void *arg)
{
    uint64_t begin = bench_now_ns();
    tell_clients(arg, "g");
    bench_gate_wait(&gate);
    return bench_now_ns() - begin;
}

/* A node has some ten descriptors. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_die("no limit of descriptors");
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void bench_remote_fanin(struct bench *bench)
{
    struct clients clients;
    char endpoint[ENDPOINT_SIZE];
    messages = bench_scaled(bench, BENCH_REMOTE_MESSAGES) / BENCH_REMOTE_FANIN_CONNECTIONS;
    if (messages == 0)
        messages = 1;
    unsigned rate = bench_rate(bench);
    planned = rate > 0 ? bench_open_new(bench, rate) : NULL;
    allow_descriptors();
    (void)alarm(BENCH_PROCESS_SECONDS);
    start_clients(&clients, bench);
    rf_distributed *server = bench_pair_node(bench, "server", &server_setup, fill_server);
    (void)snprintf(endpoint, sizeof endpoint, "%s://%s", bench->options->transport,
                   rf_distributed_address(server));
    tell_clients(&clients, endpoint);
    wait_for_links(&clients);
    double ns =
        planned != NULL ? (double)run_round(&clients) : bench_median_ns(bench, run_round, &clients);
    stop_clients(&clients);
    (void)rf_distributed_stop(server, DRAIN_MS);
    rf_distributed_free(server);
    (void)alarm(0);
    if (planned != NULL) {
        bench_open_result(bench, planned, "remote_fanin");
        bench_open_free(planned);
        return;
    }
    bench_result(bench, "remote_fanin",
                 (double)messages * BENCH_REMOTE_FANIN_CONNECTIONS * 1e9 / ns, "msgs/s");
}
