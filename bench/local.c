/* SPDX-License-Identifier: MIT */
/* The workloads inside one process: actors of a local network, wired by connectors.
 *
 * Each makes one network and repeats its round in it; a round begins with a message to the first actor
 * and ends when the last one opens the gate. */
#include "local.h"

#include "open.h"

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { TURN = 256 }; /* messages that a producer sends before others have their turn */

static struct bench_gate gate = BENCH_GATE_INIT;

/* ---- actors ---- */

struct counter {
    long left;
    int64_t sum;
};

/* What the rounds tell the actors; written while they rest. */
static struct {
    long messages;  /* that one producer sends, or trips, or hops */
    long producers; /* whose messages the counter takes */
    int64_t sum;    /* that the counter must find */
} job;

/* Actors without state of their own memory: `state` is NULL unless they need one. */
static rf_err create_counter(rf_context *ctx, void **out_state)
{
    (void)ctx;
    struct counter *counter = calloc(1, sizeof *counter);
    *out_state = counter;
    return counter != NULL ? RF_OK : RF_ENOMEM;
}

static void destroy_counter(void *state)
{
    free(state);
}

/* Adds up and opens the gate behind the last one. */
static rf_err on_count(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)port;
    struct counter *counter = state;
    if (counter->left == 0) {
        counter->left = job.messages * job.producers;
        counter->sum = 0;
    }
    counter->sum += rf_message_as_integer(msg);
    if (--counter->left > 0)
        return RF_OK;
    if (counter->sum != job.sum)
        bench_die("the sum is %" PRId64 " instead of %" PRId64, counter->sum, job.sum);
    bench_gate_open(&gate);
    return RF_OK;
}

/* Sends job.messages in turns, yielding to others and to back pressure. */
static rf_err produce(rf_context *ctx, void *state)
{
    struct counter *counter = state;
    for (int i = 0; i < TURN && counter->left > 0; i++) {
        if (rf_is_pressed(ctx))
            break;
        rf_err err = rf_emit(ctx, 0, rf_message_integer(--counter->left));
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

static rf_err on_forward(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    return rf_emit(ctx, 0, rf_message_ref(msg));
}

/* Takes the token job.messages times, then stops it. */
static rf_err on_token(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    struct counter *counter = state;
    if (counter->left == 0)
        counter->left = job.messages + 1; /* the first time is the start */
    if (--counter->left > 0)
        return rf_emit(ctx, 0, rf_message_ref(msg));
    bench_gate_open(&gate);
    return RF_OK;
}

/* Open loop: the message is the moment that it was planned for. */
static struct bench_open *planned;

static rf_err on_arrival(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port;
    if (bench_open_arrive(planned, (uint64_t)rf_message_as_integer(msg)))
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

static const rf_component components[] = {
    COMPONENT("counter", .on_message = on_count, .create = create_counter,
              .destroy = destroy_counter),
    COMPONENT("producer", .on_message = on_start, .on_resume = produce, .create = create_counter,
              .destroy = destroy_counter),
    COMPONENT("forwarder", .on_message = on_forward),
    COMPONENT("arrival", .on_message = on_arrival),
    COMPONENT("token", .on_message = on_token, .create = create_counter,
              .destroy = destroy_counter),
};

/* ---- networks ---- */

static rf_network *new_network(struct bench *bench)
{
    rf_network *net = NULL;
    rf_network_options options = {.struct_size = sizeof options,
                                  .workers = bench->options->workers};
    bench_check(rf_network_new(&options, &net), "network");
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++)
        bench_check(rf_network_register(net, &components[i]), "component");
    return net;
}

static void add(rf_network *net, const char *id, const char *component)
{
    bench_check(rf_network_add_node(net, id, component, NULL, NULL), id);
}

static void wire(rf_network *net, const char *from, const char *to)
{
    bench_check(rf_network_add_connection(net, from, "out", to, "in", NULL), from);
}

static void start(rf_network *net, const char *actor)
{
    rf_message *msg = rf_message_flow();
    bench_check(rf_network_send(net, actor, "in", msg), actor);
}

/* A round that one actor, or many of the same name with a number, are started for. */
struct round {
    rf_network *net;
    const char *first;
    long count; /* 0: `first` is the name; else "first0" … */
};

static uint64_t run_round(void *arg)
{
    const struct round *round = arg;
    uint64_t begin = bench_now_ns();
    if (round->count == 0)
        start(round->net, round->first);
    for (long i = 0; i < round->count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s%ld", round->first, i);
        start(round->net, name);
    }
    bench_gate_wait(&gate);
    return bench_now_ns() - begin;
}

static void expect(long messages, long producers)
{
    job.messages = messages;
    job.producers = producers;
    job.sum = (int64_t)producers * ((int64_t)messages * (messages - 1) / 2);
}

/* ---- at a fixed rate ---- */

/* From the sender's thread through "stage0", and so on, to one more actor that takes the time. */
static void run_open(struct bench *bench, unsigned rate, const char *name, int stages)
{
    rf_network *net = new_network(bench);
    char from[32] = "stage0";
    add(net, from, "forwarder");
    for (int i = 1; i <= stages; i++) {
        char to[32];
        (void)snprintf(to, sizeof to, "stage%d", i);
        add(net, to, i < stages ? "forwarder" : "arrival");
        wire(net, from, to);
        (void)snprintf(from, sizeof from, "%s", to);
    }
    bench_check(rf_network_start(net), "start");
    planned = bench_open_new(bench, rate);
    bench_open_send(planned, &net, 1, "stage0", 0, 1);
    bench_gate_wait(&gate);
    rf_network_free(net);
    bench_open_result(bench, planned, name);
    bench_open_free(planned);
}

/* ---- workloads ---- */

void bench_local_pingpong(struct bench *bench)
{
    unsigned rate = bench_rate(bench);
    if (rate > 0) {
        run_open(bench, rate, "local_pingpong", 2); /* there and back */
        return;
    }
    rf_network *net = new_network(bench);
    struct round round = {net, "ping", 0};
    add(net, "ping", "token");
    add(net, "pong", "forwarder");
    wire(net, "ping", "pong");
    wire(net, "pong", "ping");
    bench_check(rf_network_start(net), "start");
    expect(bench_scaled(bench, BENCH_PINGPONG_TRIPS), 1);
    double ns = bench_median_ns(bench, run_round, &round);
    bench_result(bench, "local_pingpong", ns / (double)job.messages, "ns");
    rf_network_free(net);
}

void bench_local_stream(struct bench *bench)
{
    unsigned rate = bench_rate(bench);
    if (rate > 0) {
        run_open(bench, rate, "local_stream", 1);
        return;
    }
    rf_network *net = new_network(bench);
    struct round round = {net, "producer", 0};
    add(net, "producer", "producer");
    add(net, "counter", "counter");
    wire(net, "producer", "counter");
    bench_check(rf_network_start(net), "start");
    expect(bench_scaled(bench, BENCH_STREAM_MESSAGES), 1);
    double ns = bench_median_ns(bench, run_round, &round);
    bench_result(bench, "local_stream", (double)job.messages * 1e9 / ns, "msgs/s");
    rf_network_free(net);
}

void bench_local_pipeline(struct bench *bench)
{
    unsigned rate = bench_rate(bench);
    if (rate > 0) {
        run_open(bench, rate, "local_pipeline", BENCH_PIPE_STAGES);
        return;
    }
    rf_network *net = new_network(bench);
    struct round round = {net, "producer", 0};
    char from[32] = "producer";
    add(net, from, "producer");
    for (int i = 1; i <= BENCH_PIPE_STAGES; i++) {
        char to[32];
        (void)snprintf(to, sizeof to, "stage%d", i);
        add(net, to, i < BENCH_PIPE_STAGES ? "forwarder" : "counter");
        wire(net, from, to);
        (void)snprintf(from, sizeof from, "%s", to);
    }
    bench_check(rf_network_start(net), "start");
    expect(bench_scaled(bench, BENCH_PIPE_MESSAGES), 1);
    double ns = bench_median_ns(bench, run_round, &round);
    bench_result(bench, "local_pipeline", (double)job.messages * BENCH_PIPE_STAGES * 1e9 / ns,
                 "hop-msgs/s");
    rf_network_free(net);
}

void bench_local_fanin(struct bench *bench)
{
    rf_network *net = new_network(bench);
    struct round round = {net, "producer", BENCH_FANIN_ACTORS};
    add(net, "counter", "counter");
    for (int i = 0; i < BENCH_FANIN_ACTORS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "producer%d", i);
        add(net, name, "producer");
        wire(net, name, "counter");
    }
    bench_check(rf_network_start(net), "start");
    expect(bench_scaled(bench, BENCH_FANIN_MESSAGES) / BENCH_FANIN_ACTORS, BENCH_FANIN_ACTORS);
    double ns = bench_median_ns(bench, run_round, &round);
    bench_result(bench, "local_fanin", (double)job.messages * (double)job.producers * 1e9 / ns,
                 "msgs/s");
    rf_network_free(net);
}

void bench_local_ring(struct bench *bench)
{
    rf_network *net = new_network(bench);
    struct round round = {net, "ring0", 0};
    for (int i = 0; i < BENCH_RING_ACTORS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "ring%d", i);
        add(net, name, i == 0 ? "token" : "forwarder");
    }
    for (int i = 0; i < BENCH_RING_ACTORS; i++) {
        char from[32];
        char to[32];
        (void)snprintf(from, sizeof from, "ring%d", i);
        (void)snprintf(to, sizeof to, "ring%d", (i + 1) % BENCH_RING_ACTORS);
        wire(net, from, to);
    }
    bench_check(rf_network_start(net), "start");
    long laps = bench_scaled(bench, BENCH_RING_HOPS) / BENCH_RING_ACTORS;
    expect(laps, 1);
    double ns = bench_median_ns(bench, run_round, &round);
    bench_result(bench, "local_ring", (double)laps * BENCH_RING_ACTORS * 1e9 / ns, "hops/s");
    rf_network_free(net);
}

/* ---- how it grows ---- */

enum { SMALL_RING = 10, SCALE_HOPS = 2000000, SCALE_SENDS = 500000, PIPELINES = 8 };

/* A ring of `length` actors among `count`; ns a hop. */
static double hop_ns(struct bench *bench, long count, long length)
{
    rf_network *net = new_network(bench);
    struct round round = {net, "ring0", 0};
    for (long i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "ring%ld", i);
        add(net, name, i == 0 ? "token" : "forwarder");
    }
    for (long i = 0; i < length; i++) {
        char from[32];
        char to[32];
        (void)snprintf(from, sizeof from, "ring%ld", i);
        (void)snprintf(to, sizeof to, "ring%ld", (i + 1) % length);
        wire(net, from, to);
    }
    bench_check(rf_network_start(net), "start");
    long laps = bench_scaled(bench, SCALE_HOPS) / length;
    expect(laps < 1 ? 1 : laps, 1);
    double ns = bench_median_ns(bench, run_round, &round);
    rf_network_free(net);
    return ns / (double)(job.messages * length);
}

void bench_scale_actors(struct bench *bench)
{
    for (long count = 10; count <= 1000000; count *= 10) {
        char name[48];
        (void)snprintf(name, sizeof name, "local_scale_actors_%ld", count);
        bench_result(bench, name, hop_ns(bench, count, SMALL_RING), "ns");
        (void)snprintf(name, sizeof name, "local_scale_actors_all_%ld", count);
        bench_result(bench, name, hop_ns(bench, count, count), "ns");
    }
}

/* How the sends of a round find their actors. */
enum lookup {
    BY_NAME,     /* all names in turn */
    BY_NAME_FEW, /* ten of the names in turn: the look-up alone meets the size of the directory */
    BY_ADDRESS,  /* all in turn, without a look-up: the actors alone are cold */
    LOOKUP_COUNT
};

struct name_round {
    rf_network *net;
    char (*names)[16];
    rf_address *addresses;
    long count, sends;
    enum lookup lookup;
};

static rf_err send_one(const struct name_round *round, long i, rf_message *msg)
{
    enum { STEP = 7919 }; /* meets all names, and no two neighbours after each other */
    long at = i * STEP % round->count;
    if (round->lookup == BY_ADDRESS)
        return rf_address_send(round->addresses[at], msg);
    if (round->lookup == BY_NAME_FEW)
        at = i % SMALL_RING * (round->count / SMALL_RING);
    return rf_network_send(round->net, round->names[at], "in", msg);
}

static uint64_t send_round(void *arg)
{
    const struct name_round *round = arg;
    uint64_t begin = bench_now_ns();
    for (long i = 0; i < round->sends; i++) {
        rf_message *msg = rf_message_integer(i);
        rf_err err;
        while ((err = send_one(round, i, msg)) == RF_EFULL)
            (void)sched_yield();
        bench_check(err, "send");
    }
    bench_check(rf_network_drain(round->net, 60000), "drain");
    return bench_now_ns() - begin;
}

void bench_scale_names(struct bench *bench)
{
    static const char *const rows[LOOKUP_COUNT] = {"local_scale_names", "local_scale_names_few",
                                                   "local_scale_names_address"};
    for (long count = 10; count <= 100000; count *= 10) {
        struct name_round round = {.net = new_network(bench),
                                   .names = calloc((size_t)count, sizeof *round.names),
                                   .addresses = calloc((size_t)count, sizeof *round.addresses),
                                   .count = count,
                                   .sends = bench_scaled(bench, SCALE_SENDS)};
        if (round.names == NULL || round.addresses == NULL)
            bench_die("no memory");
        for (long i = 0; i < count; i++) {
            (void)snprintf(round.names[i], sizeof round.names[i], "name%ld", i);
            bench_check(rf_network_spawn(round.net, round.names[i], "forwarder", NULL, "in",
                                         &round.addresses[i], NULL),
                        round.names[i]); /* its out-port leads to nowhere */
        }
        bench_check(rf_network_start(round.net), "start");
        for (int lookup = 0; lookup < LOOKUP_COUNT; lookup++) {
            char name[48];
            round.lookup = (enum lookup)lookup;
            double ns = bench_median_ns(bench, send_round, &round);
            (void)snprintf(name, sizeof name, "%s_%ld", rows[lookup], count);
            bench_result(bench, name, ns / (double)round.sends, "ns");
        }
        for (long i = 0; i < count; i++)
            rf_address_unref(round.addresses[i]);
        rf_network_free(round.net);
        free(round.addresses);
        free(round.names);
    }
}

/* One gate opening for each pipeline. */
static uint64_t run_pipelines(void *arg)
{
    struct round round = *(const struct round *)arg;
    uint64_t begin = bench_now_ns();
    for (long i = 0; i < round.count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s%ld", round.first, i);
        start(round.net, name);
    }
    for (long i = 0; i < round.count; i++)
        bench_gate_wait(&gate);
    return bench_now_ns() - begin;
}

void bench_scale_workers(struct bench *bench)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct bench_options options = *bench->options;
        struct bench scaled = {.options = &options};
        options.workers = workers;
        rf_network *net = new_network(&scaled);
        struct round round = {net, "source", PIPELINES};
        for (int k = 0; k < PIPELINES; k++) {
            char from[32];
            (void)snprintf(from, sizeof from, "source%d", k);
            add(net, from, "producer");
            for (int i = 1; i <= BENCH_PIPE_STAGES; i++) {
                char to[32];
                (void)snprintf(to, sizeof to, "stage%d_%d", k, i);
                add(net, to, i < BENCH_PIPE_STAGES ? "forwarder" : "counter");
                wire(net, from, to);
                (void)snprintf(from, sizeof from, "%s", to);
            }
        }
        bench_check(rf_network_start(net), "start");
        expect(bench_scaled(bench, BENCH_PIPE_MESSAGES), 1);
        double ns = bench_median_ns(bench, run_pipelines, &round);
        char name[48];
        (void)snprintf(name, sizeof name, "local_scale_workers_%u", workers);
        bench_result(bench, name, (double)job.messages * PIPELINES * BENCH_PIPE_STAGES * 1e9 / ns,
                     "hop-msgs/s");
        rf_network_free(net);
    }
}

/* ---- spawn ---- */

static _Atomic(long) spawned_left;

static rf_err on_once(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port, (void)msg;
    if (atomic_fetch_sub_explicit(&spawned_left, 1, memory_order_relaxed) == 1)
        bench_gate_open(&gate);
    return RF_OK;
}

static const rf_component once = COMPONENT("once", .on_message = on_once);

struct spawning {
    rf_address *addresses;
    long count;
    uint64_t ns;
    size_t grown_bytes; /* of what is resident, while all live */
};

/* One network a round: a million living actors are the work, not a state to begin from. */
static void spawn_round(struct bench *bench, struct spawning *spawning)
{
    rf_network *net = new_network(bench);
    bench_check(rf_network_register(net, &once), "component");
    bench_check(rf_network_start(net), "start");
    atomic_store_explicit(&spawned_left, spawning->count, memory_order_relaxed);
    size_t before = bench_rss_bytes();
    uint64_t begin = bench_now_ns();
    for (long i = 0; i < spawning->count; i++)
        bench_check(rf_network_spawn(net, NULL, "once", NULL, "in", &spawning->addresses[i], NULL),
                    "spawn");
    uint64_t pause = bench_now_ns();
    spawning->grown_bytes = bench_rss_bytes() - before;
    pause = bench_now_ns() - pause;
    for (long i = 0; i < spawning->count; i++)
        bench_check(rf_address_send(spawning->addresses[i], rf_message_flow()), "send");
    bench_gate_wait(&gate);
    spawning->ns = bench_now_ns() - begin - pause;
    for (long i = 0; i < spawning->count; i++)
        rf_address_unref(spawning->addresses[i]);
    rf_network_free(net);
}

/* The first round tells the memory, with that of the table, which no process has touched yet; on a virtual machine such memory may
 * have to come from its host. The second one tells the time. */
void bench_spawn(struct bench *bench)
{
    struct spawning spawning = {.count = bench_scaled(bench, BENCH_SPAWN_ACTORS)};
    spawning.addresses = calloc((size_t)spawning.count, sizeof *spawning.addresses);
    if (spawning.addresses == NULL)
        bench_die("no memory");
    spawn_round(bench, &spawning);
    size_t grown_bytes = spawning.grown_bytes;
    spawn_round(bench, &spawning);
    bench_result(bench, "spawn", (double)spawning.count * 1e9 / (double)spawning.ns, "actors/s");
    bench_result(bench, "spawn_rss", (double)grown_bytes / (double)spawning.count, "bytes/actor");
    free(spawning.addresses);
}
