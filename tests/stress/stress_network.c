/* SPDX-License-Identifier: MIT */
/* Topology under load: nodes and connectors come and go while messages flow, and at the end every message
 * is accounted for: sent from outside + emitted to a connector = received + dropped.
 * Arguments: [seconds] [seed]. */
#include <pthread.h>
#include <reflow/network.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NODES = 12, SENDERS = 2, DRAIN_MS = 20000, TRIES_MAX = 100000 };
enum { ROUND_SENDS = 4000, ROUND_TRIES_MAX = 50000000 }; /* of one sender */

static _Atomic(uint64_t) sent, received, created, destroyed;
static _Atomic(bool) is_over;
static unsigned seed;

static void check(bool is_true, const char *text)
{
    if (is_true)
        return;
    (void)fprintf(stderr, "stress_network: %s (seed %u)\n", text, seed);
    abort();
}

static rf_err make_state(rf_context *ctx, void **state)
{
    (void)ctx;
    *state = malloc(1);
    atomic_fetch_add(&created, 1);
    return *state == NULL ? RF_ENOMEM : RF_OK;
}

static void free_state(void *state)
{
    free(state);
    atomic_fetch_add(&destroyed, 1);
}

/* A relay passes on what came, one step nearer to its end. */
static rf_err relay(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
    int64_t left = rf_message_as_integer(msg);
    if (left <= 0)
        return RF_OK;
    rf_err err = rf_emit(ctx, 0, rf_message_integer(left - 1));
    return err == RF_EFULL ? RF_OK : err; /* a loop at its limit: gone, and never counted */
}

static const rf_port_def in_ports[] = {{.name = "in"}};
static const rf_port_def out_ports[] = {{.name = "out"}};
static const rf_component relay_component = {.struct_size = sizeof relay_component,
                                             .name = "Relay",
                                             .inports = in_ports,
                                             .inport_count = 1,
                                             .outports = out_ports,
                                             .outport_count = 1,
                                             .create = make_state,
                                             .on_message = relay,
                                             .destroy = free_state};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static void name_node(char out[16], uint32_t random)
{
    (void)snprintf(out, 16, "n%u", random % NODES);
}

static bool send_one(rf_network *net, uint32_t *random)
{
    char to[16];
    rf_message *msg = rf_message_integer(next_random(random) % 6);
    name_node(to, next_random(random));
    if (rf_network_send(net, to, "in", msg) != RF_OK) {
        rf_message_unref(msg);
        return false;
    }
    atomic_fetch_add_explicit(&sent, 1, memory_order_relaxed);
    return true;
}

/* Its share of a round, whoever is there to take it. */
static void *send_share(void *arg)
{
    uint32_t random = seed * 7 + (uint32_t)(uintptr_t)pthread_self();
    uint32_t done = 0;
    for (uint32_t tries = 0; done < ROUND_SENDS; tries++) {
        check(tries < ROUND_TRIES_MAX, "nobody takes a message");
        done += send_one(arg, &random);
    }
    return NULL;
}

static void *send_messages(void *arg)
{
    uint32_t random = seed * 7 + (uint32_t)(uintptr_t)pthread_self();
    while (!atomic_load(&is_over))
        (void)send_one(arg, &random);
    return NULL;
}

/* Every result is right: two threads of this kind work against each other. */
static void *change_topology(void *arg)
{
    rf_network *net = arg;
    uint32_t random = seed + (uint32_t)(uintptr_t)pthread_self();
    char one[16];
    char two[16];
    uint64_t changes = 0;
    uint32_t tries = 0;
    /* At least one change, also by a thread that did not get its turn before the end. */
    while (!atomic_load(&is_over) || (changes == 0 && tries < TRIES_MAX)) {
        tries++;
        name_node(one, next_random(&random));
        name_node(two, next_random(&random));
        switch (next_random(&random) % 6) {
        case 0:
            changes += rf_network_remove_node(net, one) == RF_OK;
            break;
        case 1:
            changes += rf_network_remove_connection(net, one, "out", two, "in") == RF_OK;
            break;
        case 2:
            changes += rf_network_add_node(net, one, "Relay", NULL, NULL) == RF_OK;
            break;
        default:
            changes += rf_network_add_connection(net, one, "out", two, "in", NULL) == RF_OK;
            break;
        }
    }
    check(changes > 0, "nothing changed");
    return NULL;
}

static void run_round(uint32_t workers, uint32_t capacity)
{
    rf_network_options options = {
        .struct_size = sizeof options, .workers = workers, .mailbox_capacity = capacity};
    rf_network *net = NULL;
    pthread_t threads[SENDERS + 2];
    rf_network_stats stats;
    check(rf_network_new(&options, &net) == RF_OK, "new");
    check(rf_network_register(net, &relay_component) == RF_OK, "register");
    check(rf_network_start(net) == RF_OK, "start");
    atomic_store(&is_over, false);
    for (int i = 0; i < SENDERS + 2; i++)
        check(pthread_create(&threads[i], NULL, i < SENDERS ? send_share : change_topology, net) ==
                  0,
              "no thread");
    for (int i = 0; i < SENDERS; i++)
        (void)pthread_join(threads[i], NULL);
    atomic_store(&is_over, true);
    for (int i = SENDERS; i < SENDERS + 2; i++)
        (void)pthread_join(threads[i], NULL);
    check(rf_network_drain(net, DRAIN_MS) == RF_OK, "not drained");
    rf_network_get_stats(net, &stats);
    check(stats.received_count == atomic_load(&received), "the numbers of received differ");
    check(stats.queued_count == 0 && stats.active_count == 0, "something is left");
    rf_network_free(net);
}

/* Fan-out 1 and no loops: emitted = delivered, so the sums must meet exactly. */
static void run_exact(void)
{
    rf_network_options options = {.struct_size = sizeof options, .workers = 3};
    rf_network *net = NULL;
    rf_network_stats stats;
    pthread_t senders[SENDERS];
    atomic_store(&sent, 0);
    atomic_store(&received, 0);
    check(rf_network_new(&options, &net) == RF_OK, "new");
    check(rf_network_register(net, &relay_component) == RF_OK, "register");
    check(rf_network_start(net) == RF_OK, "start");
    for (uint32_t i = 0; i < NODES; i++) {
        char id[16];
        name_node(id, i);
        check(rf_network_add_node(net, id, "Relay", NULL, NULL) == RF_OK, "add");
    }
    atomic_store(&is_over, false);
    for (int i = 0; i < SENDERS; i++)
        check(pthread_create(&senders[i], NULL, send_messages, net) == 0, "no thread");
    uint32_t random = seed;
    for (int i = 0; i < 200; i++) {
        char id[16];
        name_node(id, next_random(&random));
        check(rf_network_remove_node(net, id) == RF_OK, "remove");
        check(rf_network_add_node(net, id, "Relay", NULL, NULL) == RF_OK, "add again");
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < SENDERS; i++)
        (void)pthread_join(senders[i], NULL);
    check(rf_network_drain(net, DRAIN_MS) == RF_OK, "not drained");
    rf_network_get_stats(net, &stats);
    check(stats.received_count + stats.dropped_count == atomic_load(&sent),
          "sent is not received + dropped");
    check(stats.received_count == atomic_load(&received), "the numbers of received differ");
    rf_network_free(net);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)time(NULL);
    unsigned rounds = 0;
    time_t end = time(NULL) + (time_t)seconds;
    do {
        atomic_store(&received, 0);
        run_round(1 + rounds % 4, rounds % 2 == 0 ? 8 : 1024);
        run_exact();
        check(atomic_load(&created) == atomic_load(&destroyed), "a state was not destroyed");
        rounds++;
        seed++;
    } while (time(NULL) < end);
    printf("stress_network: %u rounds, seed %u\n", rounds, seed - rounds);
    return 0;
}
