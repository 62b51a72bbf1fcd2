/* SPDX-License-Identifier: MIT */
/* Muting and unmuting: many producers, few slow consumers, tiny mailboxes, connectors that are cut and made
 * again. A waiter that is never woken shows as a drain that times out; a bound that does not hold aborts.
 * Arguments: [seconds] [seed]. */
#include <pthread.h>
#include <reflow/network.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PRODUCERS = 8, CONSUMERS = 2, CAPACITY = 4, BURST = 6, DRAIN_MS = 30000, MESSAGES = 3000 };

static _Atomic(uint64_t) received;
static _Atomic(bool) is_over;
static unsigned seed;

static void check(bool is_true, const char *text)
{
    if (is_true)
        return;
    (void)fprintf(stderr, "stress_backpressure: %s (seed %u)\n", text, seed);
    abort();
}

static rf_err make_counter(rf_context *ctx, void **state)
{
    (void)ctx;
    *state = calloc(1, sizeof(int64_t));
    return *state == NULL ? RF_ENOMEM : RF_OK;
}

static rf_err go_on(rf_context *ctx, void *state)
{
    int64_t *left = state;
    for (int i = 0; i<BURST && * left> 0; i++) {
        rf_err err = rf_emit(ctx, 0, rf_message_integer((*left)--));
        if (err != RF_OK)
            return err;
        if (rf_is_pressed(ctx))
            break;
    }
    if (*left > 0)
        rf_resume(ctx);
    return RF_OK;
}

static rf_err begin(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)port;
    *(int64_t *)state += rf_message_as_integer(msg);
    return go_on(ctx, state);
}

static rf_err consume(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx;
    (void)state;
    (void)port;
    (void)msg;
    atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
    return RF_OK;
}

static const rf_port_def in_ports[] = {{.name = "in"}};
static const rf_port_def out_ports[] = {{.name = "out"}};
static const rf_component producer = {.struct_size = sizeof producer,
                                      .name = "Producer",
                                      .inports = in_ports,
                                      .inport_count = 1,
                                      .outports = out_ports,
                                      .outport_count = 1,
                                      .create = make_counter,
                                      .on_message = begin,
                                      .on_resume = go_on,
                                      .destroy = free};
static const rf_component consumer = {.struct_size = sizeof consumer,
                                      .name = "Consumer",
                                      .inports = in_ports,
                                      .inport_count = 1,
                                      .on_message = consume};

static bool check_bound(void *user, const rf_actor_info *info)
{
    /* Soft: the capacity, once more while a run is taken off the stack and stands in neither number, and one callback of
     * each producer; and whoever looks at that moment from outside may be told of the run twice (MB-6). */
    enum { BOX = 2 * CAPACITY + PRODUCERS * BURST, SEEN = 2 * BOX };
    (void)user;
    if (strcmp(info->component, "Consumer") == 0)
        check(info->queue_length <= SEEN, "the bound does not hold");
    return true;
}

static void *cut_and_mend(void *arg)
{
    rf_network *net = arg;
    uint32_t random = seed;
    char from[16];
    char to[16];
    while (!atomic_load(&is_over)) {
        random = random * 1664525U + 1013904223U;
        (void)snprintf(from, sizeof from, "p%u", (random >> 8) % PRODUCERS);
        (void)snprintf(to, sizeof to, "c%u", (random >> 20) % CONSUMERS);
        if (rf_network_remove_connection(net, from, "out", to, "in") == RF_OK)
            check(rf_network_add_connection(net, from, "out", to, "in", NULL) == RF_OK, "mend");
        rf_network_each_actor(net, check_bound, NULL);
    }
    return NULL;
}

static void run_round(uint32_t workers, bool with_changes)
{
    rf_network_options options = {
        .struct_size = sizeof options, .workers = workers, .mailbox_capacity = CAPACITY};
    rf_network *net = NULL;
    pthread_t changer;
    char from[16];
    char to[16];
    atomic_store(&received, 0);
    atomic_store(&is_over, false);
    check(rf_network_new(&options, &net) == RF_OK, "new");
    check(rf_network_register(net, &producer) == RF_OK, "register");
    check(rf_network_register(net, &consumer) == RF_OK, "register");
    for (unsigned i = 0; i < CONSUMERS; i++) {
        (void)snprintf(to, sizeof to, "c%u", i);
        check(rf_network_add_node(net, to, "Consumer", NULL, NULL) == RF_OK, "add");
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        (void)snprintf(from, sizeof from, "p%u", i);
        check(rf_network_add_node(net, from, "Producer", NULL, NULL) == RF_OK, "add");
        for (unsigned k = 0; k < CONSUMERS; k++) {
            (void)snprintf(to, sizeof to, "c%u", k);
            check(rf_network_add_connection(net, from, "out", to, "in", NULL) == RF_OK, "connect");
        }
        check(rf_network_add_initial(net, from, "in", rf_message_integer(MESSAGES)) == RF_OK,
              "initial");
    }
    if (with_changes)
        check(pthread_create(&changer, NULL, cut_and_mend, net) == 0, "no thread");
    check(rf_network_start(net) == RF_OK, "start");
    check(rf_network_drain(net, DRAIN_MS) == RF_OK, "a muted actor was not woken");
    if (with_changes) {
        atomic_store(&is_over, true);
        (void)pthread_join(changer, NULL);
    } else {
        check(atomic_load(&received) == (uint64_t)PRODUCERS * CONSUMERS * MESSAGES,
              "messages were lost");
    }
    rf_network_free(net);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)time(NULL);
    unsigned rounds = 0;
    time_t end = time(NULL) + (time_t)seconds;
    do {
        run_round(1 + rounds % 4, rounds % 2 == 1);
        rounds++;
        seed++;
    } while (time(NULL) < end);
    printf("stress_backpressure: %u rounds, seed %u\n", rounds, seed - rounds);
    return 0;
}
