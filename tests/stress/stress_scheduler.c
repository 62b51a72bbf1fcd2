/* SPDX-License-Identifier: MIT */
/* Sleeping and waking of the workers: bursts from outside with pauses around the length of a worker's search, so that
 * makers and sleepers meet at every step. A lost wake-up shows as a drain that times out.
 * Arguments: [seconds] [seed]. */
#include <pthread.h>
#include <reflow/network.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ACTORS = 40, SENDERS = 2, BURSTS = 1200, DRAIN_MS = 20000 };

static _Atomic(uint64_t) received, sent;
static unsigned seed;

static void check(bool is_true, const char *text)
{
    if (is_true)
        return;
    (void)fprintf(stderr, "stress_scheduler: %s (seed %u)\n", text, seed);
    abort();
}

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

/* The value is the number of hops that are left. */
static rf_err hop(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    int64_t left = rf_message_as_integer(msg);
    atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
    if (left == 0)
        return RF_OK;
    /* fan out at first, then a chain: work appears in one worker and is to be stolen */
    return rf_emit(ctx, left % 5 == 0 ? 1 : 0, rf_message_integer(left - 1));
}

static const rf_port_def in_ports[] = {{.name = "in"}};
static const rf_port_def out_ports[] = {{.name = "next"}, {.name = "far"}};
static const rf_component hopper = {.struct_size = sizeof hopper,
                                    .name = "Hop",
                                    .inports = in_ports,
                                    .inport_count = 1,
                                    .outports = out_ports,
                                    .outport_count = 2,
                                    .on_message = hop};

static void name_actor(char out[16], unsigned number)
{
    (void)snprintf(out, 16, "h%u", number % ACTORS);
}

static rf_network *make(uint32_t workers)
{
    rf_network_options options = {.struct_size = sizeof options, .workers = workers};
    rf_network *net = NULL;
    char from[16];
    char to[16];
    check(rf_network_new(&options, &net) == RF_OK, "new");
    check(rf_network_register(net, &hopper) == RF_OK, "register");
    for (unsigned i = 0; i < ACTORS; i++) {
        name_actor(from, i);
        check(rf_network_add_node(net, from, "Hop", NULL, NULL) == RF_OK, "add");
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        name_actor(from, i);
        name_actor(to, i + 1);
        check(rf_network_add_connection(net, from, "next", to, "in", NULL) == RF_OK, "connect");
        name_actor(to, i + 7);
        check(rf_network_add_connection(net, from, "far", to, "in", NULL) == RF_OK, "connect");
    }
    check(rf_network_start(net) == RF_OK, "start");
    return net;
}

static void *send_bursts(void *arg)
{
    rf_network *net = arg;
    uint32_t random = seed + (uint32_t)(uintptr_t)pthread_self();
    char to[16];
    for (int bursts = 0; bursts < BURSTS; bursts++) {
        random = random * 1664525U + 1013904223U;
        unsigned burst = 1 + (random >> 8) % 12;
        for (unsigned i = 0; i < burst; i++) {
            int64_t hops = (random >> (i % 16)) % 20;
            rf_message *msg = rf_message_integer(hops);
            name_actor(to, random + i);
            if (rf_network_send(net, to, "in", msg) == RF_OK)
                atomic_fetch_add_explicit(&sent, (uint64_t)hops + 1, memory_order_relaxed);
            else
                rf_message_unref(msg);
        }
        /* about as long as a worker searches before it sleeps, shorter and longer */
        uint64_t until = now_ns() + (random >> 10) % 40000;
        while (now_ns() < until)
            ;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)time(NULL);
    unsigned rounds = 0;
    for (uint64_t end = now_ns() + (uint64_t)(seconds * 1e9); now_ns() < end; rounds++) {
        rf_network *net = make(1 + rounds % 4);
        pthread_t senders[SENDERS];
        atomic_store(&received, 0);
        atomic_store(&sent, 0);
        for (int i = 0; i < SENDERS; i++)
            check(pthread_create(&senders[i], NULL, send_bursts, net) == 0, "no thread");
        for (int i = 0; i < SENDERS; i++)
            (void)pthread_join(senders[i], NULL);
        check(rf_network_drain(net, DRAIN_MS) == RF_OK, "a wake-up was lost");
        check(atomic_load(&received) == atomic_load(&sent), "sent and received differ");
        rf_network_free(net);
    }
    printf("stress_scheduler: %u rounds, seed %u\n", rounds, seed);
    return 0;
}
