/* SPDX-License-Identifier: MIT */
/* The Rust wire (Reflow JSON in WebSocket text messages) between two nodes in two processes.
 *
 * The work is that of bench/peers/reflow-rust: messages of kind String that begin with their number in 12 digits; the
 * receiver adds the numbers up and answers behind the last one, so a message that is lost or comes twice has
 * no result. Both nodes are told `wire` = "json", or they would speak the native wire. */
#include "json.h"

#include "pair.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TURN = 64, NUMBER_SIZE = 12 };

/* What both processes know: set before the fork. */
static struct {
    long messages;
    size_t size; /* of a message, bytes */
    int64_t sum; /* that the counter must find */
} job;

static struct bench_gate gate = BENCH_GATE_INIT;

/* ---- actors ---- */

struct counter {
    long left;
    int64_t sum;
    char *text; /* producer: the message to copy */
};

static rf_err create_counter(rf_context *ctx, void **out_state)
{
    (void)ctx;
    struct counter *counter = calloc(1, sizeof *counter);
    if (counter == NULL)
        return RF_ENOMEM;
    counter->text = malloc(job.size);
    if (counter->text == NULL) {
        free(counter);
        return RF_ENOMEM;
    }
    memset(counter->text, 'x', job.size);
    *out_state = counter;
    return RF_OK;
}

static void destroy_counter(void *state)
{
    free(((struct counter *)state)->text);
    free(state);
}

static rf_message *numbered(struct counter *counter, long number)
{
    for (int i = NUMBER_SIZE; i-- > 0; number /= 10)
        counter->text[i] = (char)('0' + number % 10);
    return rf_message_string(counter->text, job.size);
}

static rf_err produce(rf_context *ctx, void *state)
{
    struct counter *counter = state;
    for (int i = 0; i < TURN && counter->left > 0 && !rf_is_pressed(ctx); i++) {
        rf_err err = rf_emit(ctx, 0, numbered(counter, --counter->left));
        if (err != RF_OK)
            return err;
    }
    if (counter->left > 0)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err on_start(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port, (void)msg;
    ((struct counter *)state)->left = job.messages;
    return produce(ctx, state);
}

static rf_err on_count(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    struct counter *counter = state;
    rf_span text = rf_message_data(msg);
    const char *digits = (const char *)text.data;
    int64_t number = 0;
    if (rf_message_kind(msg) != RF_KIND_STRING || text.size != job.size)
        bench_die("not the message that was sent");
    for (int i = 0; i < NUMBER_SIZE; i++)
        number = number * 10 + (digits[i] - '0');
    if (counter->left == 0) {
        counter->left = job.messages;
        counter->sum = 0;
    }
    counter->sum += number;
    return --counter->left > 0 ? RF_OK : rf_emit(ctx, 0, rf_message_integer(counter->sum));
}

static rf_err on_sum(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port;
    if (rf_message_as_integer(msg) != job.sum)
        bench_die("the sum is %" PRId64 " instead of %" PRId64, rf_message_as_integer(msg),
                  job.sum);
    bench_gate_open(&gate);
    return RF_OK;
}

static rf_err on_echo(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    return rf_emit(ctx, 0, rf_message_ref(msg));
}

static const rf_port_def port_in = {.name = "in"};
static const rf_port_def port_out = {.name = "out"};

#define COMPONENT(NAME, ...)                                                                       \
    {                                                                                              \
        .struct_size = sizeof(rf_component), .name = (NAME), .inports = &port_in,                  \
        .inport_count = 1, .outports = &port_out, .outport_count = 1, __VA_ARGS__                  \
    }

static const rf_component producer =
    COMPONENT("producer", .on_message = on_start, .on_resume = produce, .create = create_counter,
              .destroy = destroy_counter);
static const rf_component counter = COMPONENT("counter", .on_message = on_count,
                                              .create = create_counter, .destroy = destroy_counter);
static const rf_component sink = COMPONENT("sink", .on_message = on_sum);
static const rf_component echo = COMPONENT("echo", .on_message = on_echo);

/* ---- nodes ---- */

static void add(rf_distributed *node, const rf_component *component)
{
    rf_diag diag;
    bench_check(rf_distributed_register_local_actor(node, component->name, component, NULL, &diag),
                component->name);
}

/* A local actor feeds an actor of the other node. */
static void wire(rf_distributed *node, const char *from, const char *actor, const char *network)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s@%s", actor, network);
    bench_check(rf_distributed_register_remote_actor(node, actor, network), name);
    bench_check(
        rf_network_add_connection(rf_distributed_network(node), from, "out", name, "in", NULL),
        name);
}

static const struct bench_pair_setting settings[] = {{"wire", "json"}};

static void start(rf_distributed *node, const char *actor)
{
    bench_check(rf_network_send(rf_distributed_network(node), actor, "in", rf_message_flow()),
                actor);
}

/* ---- streams ---- */

static void fill_stream_server(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &counter);
    wire(node, "counter", "sink", "client");
}

static void fill_stream_client(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &producer);
    add(node, &sink);
    wire(node, "producer", "counter", "server");
}

static const struct bench_pair_setup stream_setup = {.settings = settings,
                                                     .setting_count =
                                                         sizeof settings / sizeof settings[0],
                                                     .fill_server = fill_stream_server,
                                                     .fill_client = fill_stream_client};

static uint64_t run_stream(void *arg)
{
    const struct bench_pair *pair = arg;
    uint64_t begin = bench_now_ns();
    start(pair->node, "producer");
    bench_gate_wait(&gate);
    return bench_now_ns() - begin;
}

static double stream(struct bench *bench, long messages, size_t size)
{
    struct bench_options options = *bench->options;
    struct bench inner = *bench;
    struct bench_pair pair;
    options.transport = "ws"; /* the only one that carries this wire */
    inner.options = &options;
    job.messages = messages;
    job.size = size;
    job.sum = (int64_t)messages * (messages - 1) / 2;
    bench_pair_start(&pair, &inner, &stream_setup);
    double ns = bench_median_ns(bench, run_stream, &pair);
    bench_pair_stop(&pair);
    return ns;
}

void bench_json_stream(struct bench *bench)
{
    long count = bench_scaled(bench, BENCH_REMOTE_MESSAGES);
    double ns = stream(bench, count, BENCH_SMALL_BYTES);
    bench_result(bench, "json_stream", (double)count * 1e9 / ns, "msgs/s");
}

void bench_json_stream_1k(struct bench *bench)
{
    long count = bench_scaled(bench, BENCH_REMOTE_MESSAGES);
    double ns = stream(bench, count, BENCH_KIB_BYTES);
    bench_result(bench, "json_stream_1k", (double)count * 1e9 / ns, "msgs/s");
}

/* A tenth of remote_large: a round is repeated until the time is up. */
void bench_json_large(struct bench *bench)
{
    long count = bench_scaled(bench, BENCH_LARGE_MESSAGES / 10);
    double ns = stream(bench, count, BENCH_MIB_BYTES);
    bench_result(bench, "json_large", (double)count * BENCH_MIB_BYTES * 1e3 / ns, "MB/s");
}

/* ---- a Rust node at the other end ---- */

enum { RUST_PORT = 9751 /* of the server, in bench/peers/reflow-rust */, RUST_SHARE = 10 };

struct rust_child {
    pid_t pid;
    int fd; /* its stdout */
    int go; /* it starts when this is closed */
};

/* The child waits for `go`, so that it can be forked before there are threads. NULL arguments end the list. */
static void rust_start(struct rust_child *child, const char *program, const char *const *arguments)
{
    int out[2];
    int go[2];
    pid_t parent = getpid();
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0)
        bench_die("no pipe");
    (void)alarm(BENCH_PROCESS_SECONDS);
    child->pid = fork();
    if (child->pid < 0)
        bench_die("no child process");
    if (child->pid == 0) {
        char byte = 0;
        (void)close(go[1]);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || dup2(out[1], STDOUT_FILENO) < 0)
            _exit(1);
        (void)!read(go[0], &byte, 1);
        (void)execl(program, program, arguments[0], arguments[1], (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    (void)close(go[0]);
    child->fd = out[0];
    child->go = go[1];
}

static void rust_read_line(struct rust_child *child, char *out, size_t size)
{
    size_t length = 0;
    while (length + 1 < size && read(child->fd, out + length, 1) == 1 && out[length] != '\n')
        length++;
    out[length] = '\0';
}

static void rust_stop(struct rust_child *child)
{
    int status = 0;
    (void)kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, &status, 0);
    (void)close(child->fd);
    (void)alarm(0);
}

/* The program `bench` of bench/peers/reflow-rust, or NULL. */
static const char *rust_program(const char *workload)
{
    const char *program = getenv("BENCH_REFLOW_RUST");
    if (program == NULL)
        (void)fprintf(
            stderr,
            "reflow-bench: left out: %s, since BENCH_REFLOW_RUST does not name the program "
            "`bench` of bench/peers/reflow-rust\n",
            workload);
    return program;
}

static void set_rust_job(struct bench *bench)
{
    long messages = bench_scaled(bench, BENCH_REMOTE_MESSAGES) / RUST_SHARE;
    job.messages = messages > 0 ? messages : 1;
    job.size = BENCH_SMALL_BYTES;
    job.sum = (int64_t)job.messages * (job.messages - 1) / 2;
}

static void fill_rust_client(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &producer);
    add(node, &sink);
    wire(node, "producer", "count", "server");
}

static void fill_rust_server(struct bench *bench, rf_distributed *node)
{
    rf_diag diag;
    (void)bench;
    bench_check(rf_distributed_register_local_actor(node, "count", &counter, NULL, &diag), "count");
    wire(node, "count", "sink", "client");
}

/* We send, a Rust node counts. One round: its counter takes no second one. */
void bench_json_to_rust(struct bench *bench)
{
    static const struct bench_pair_setup setup = {.settings = NULL};
    char goal[24];
    char line[64];
    const char *program = rust_program("json_to_rust");
    struct rust_child child;
    if (program == NULL)
        return;
    set_rust_job(bench);
    (void)snprintf(goal, sizeof goal, "%ld", job.messages);
    rust_start(&child, program, (const char *const[]){"serve", goal});
    (void)close(child.go);
    rust_read_line(&child, line, sizeof line);
    if (strcmp(line, "ready") != 0)
        bench_die("%s: no server", program);
    struct bench_pair pair = {.node = bench_pair_node(bench, "client", &setup, fill_rust_client)};
    (void)snprintf(line, sizeof line, "ws://127.0.0.1:%d", RUST_PORT);
    bench_pair_link(pair.node, line);
    uint64_t ns = run_stream(&pair);
    rf_distributed_free(pair.node);
    rust_stop(&child);
    bench_result(bench, "json_to_rust", (double)job.messages * 1e9 / (double)ns, "msgs/s");
}

/* A Rust node sends and measures, we count. */
void bench_json_from_rust(struct bench *bench)
{
    char port[16];
    char line[128];
    char scale[16];
    const char *program = rust_program("json_from_rust");
    struct rust_child child;
    if (program == NULL)
        return;
    set_rust_job(bench);
    (void)snprintf(port, sizeof port, "%d", RUST_PORT);
    (void)snprintf(scale, sizeof scale, "%u", bench->options->scale);
    (void)setenv("BENCH_FOREIGN_SERVER", "1", 1);
    (void)setenv("BENCH_SCALE", scale, 1);
    rust_start(&child, program, (const char *const[]){"reflow-rust", "remote_stream"});
    const struct bench_pair_setting setting = {"bind_port", port};
    const struct bench_pair_setup setup = {.settings = &setting, .setting_count = 1};
    rf_distributed *node = bench_pair_node(bench, "server", &setup, fill_rust_server);
    (void)close(child.go);
    rust_read_line(&child, line, sizeof line);
    const char *value = strstr(line, "remote_stream ");
    if (value == NULL)
        bench_die("%s: no result", program);
    bench_result(bench, "json_from_rust", strtod(value + strlen("remote_stream "), NULL), "msgs/s");
    rf_distributed_free(node);
    rust_stop(&child);
}

/* ---- round trips ---- */

static uint32_t *trips_ns; /* of the trips after the warm-up */
static long trip_count;

struct ping {
    long done;
    uint64_t begin_ns;
};

static rf_err create_ping(rf_context *ctx, void **out_state)
{
    (void)ctx;
    struct ping *ping = calloc(1, sizeof *ping);
    *out_state = ping;
    return ping != NULL ? RF_OK : RF_ENOMEM;
}

/* The first message is the start; each further one ends a trip. */
static rf_err on_pong(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    struct ping *ping = state;
    uint64_t now_ns = bench_now_ns();
    bool is_start = rf_message_kind(msg) == RF_KIND_FLOW;
    if (!is_start) {
        long trip = ping->done++ - BENCH_RTT_WARMUP;
        uint64_t ns = now_ns - ping->begin_ns;
        if (trip >= 0)
            trips_ns[trip] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
        if (trip == trip_count - 1) {
            bench_gate_open(&gate);
            return RF_OK;
        }
    }
    char text[BENCH_SMALL_BYTES];
    memset(text, 'x', sizeof text);
    ping->begin_ns = bench_now_ns();
    return rf_emit(ctx, 0, rf_message_string(text, sizeof text));
}

static const rf_component ping =
    COMPONENT("ping", .on_message = on_pong, .create = create_ping, .destroy = free);

static void fill_rtt_server(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &echo);
    wire(node, "echo", "ping", "client");
}

static void fill_rtt_client(struct bench *bench, rf_distributed *node)
{
    (void)bench;
    add(node, &ping);
    wire(node, "ping", "echo", "server");
}

static int by_ns(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

void bench_json_rtt(struct bench *bench)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"json_rtt_p50", 0.5}, {"json_rtt_p99", 0.99}, {"json_rtt_p99.9", 0.999}};
    static const struct bench_pair_setup setup = {.settings = settings,
                                                  .setting_count =
                                                      sizeof settings / sizeof settings[0],
                                                  .fill_server = fill_rtt_server,
                                                  .fill_client = fill_rtt_client};
    struct bench_options options = *bench->options;
    struct bench inner = *bench;
    struct bench_pair pair;
    options.transport = "ws";
    inner.options = &options;
    trip_count = bench_scaled(bench, BENCH_RTT_TRIPS);
    trips_ns = calloc((size_t)trip_count, sizeof *trips_ns);
    if (trips_ns == NULL)
        bench_die("out of memory");
    bench_pair_start(&pair, &inner, &setup);
    start(pair.node, "ping");
    bench_gate_wait(&gate);
    bench_pair_stop(&pair);
    qsort(trips_ns, (size_t)trip_count, sizeof *trips_ns, by_ns);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        bench_result(bench, points[i].name,
                     trips_ns[(size_t)((double)(trip_count - 1) * points[i].share)] / 1e3, "us");
    free(trips_ns);
}
