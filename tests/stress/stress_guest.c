/* SPDX-License-Identifier: MIT */
/* Guests beside workers: threads that stand in for sleeping workers, run what they pushed, and lose their place to a
 * watcher in slow callbacks, while nodes come and go, others send, somebody drains, and at last the network stops
 * under load. No actor runs twice at once, and every message ends once: taken = received + dropped.
 * Arguments: [seconds] [seed]. */
#include "core/base/clock.h"
#include "core/base/errand.h"
#include "core/flow/router.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 8, GUESTS = 2, WATCHDOG_S = 100, DRAIN_MS = 20000 };
enum { ROUND_MESSAGES = 10000, TRIES_MAX = 100000 };

static _Atomic(uint64_t) taken, received, consumed, runs, losses;
static _Atomic(bool) is_over;
static sem_t loaded; /* posted when a round has had its load */
static unsigned seed;

static void check(bool is_true, const char *text)
{
    if (is_true)
        return;
    (void)fprintf(stderr, "stress_guest: %s (seed %u)\n", text, seed);
    abort();
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    static const char text[] = "stress_guest: FAILED, it stands still\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}

struct state {
    _Atomic(bool) is_running;
};

static rf_err make_state(rf_context *ctx, void **out_state)
{
    (void)ctx;
    struct state *state = calloc(1, sizeof *state);
    *out_state = state;
    return state == NULL ? RF_ENOMEM : RF_OK;
}

/* One step nearer to the end of the message; now and then slowly. */
static rf_err step(rf_context *ctx, void *user, size_t port, rf_message *msg)
{
    (void)port;
    struct state *state = user;
    int64_t left = rf_message_as_integer(msg);
    check(!atomic_exchange_explicit(&state->is_running, true, memory_order_relaxed),
          "an actor runs twice at once");
    uint64_t count = atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
    if (count + 1 == ROUND_MESSAGES)
        (void)sem_post(&loaded);
    if (count % 997 == 0) {
        uint64_t until_ns = rfi_clock_ns() + 400000; /* long enough to be left to the workers */
        while (rfi_clock_ns() < until_ns)
            continue;
    }
    rf_err err = RF_OK;
    if (left > 0)
        err = rf_emit(ctx, 0, rf_message_integer(left - 1));
    atomic_store_explicit(&state->is_running, false, memory_order_relaxed);
    return err == RF_EFULL ? RF_OK : err;
}

static const rf_port_def in_ports[] = {{.name = "in"}};
static const rf_port_def out_ports[] = {{.name = "out"}};
static const rf_component component = {.struct_size = sizeof component,
                                       .name = "Step",
                                       .inports = in_ports,
                                       .inport_count = 1,
                                       .outports = out_ports,
                                       .outport_count = 1,
                                       .create = make_state,
                                       .on_message = step,
                                       .destroy = free};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static void name_node(char out[16], uint32_t random)
{
    (void)snprintf(out, 16, "n%u", random % NODES);
}

static void count_consumed(struct rfi_receipt *receipt, uint32_t count, size_t size)
{
    (void)receipt;
    (void)size;
    atomic_fetch_add_explicit(&consumed, count, memory_order_relaxed);
}

static struct rfi_receipt receipt = {.consumed = count_consumed};

static void push(rf_network *net, uint32_t *random)
{
    struct rfi_target *target = NULL;
    char id[16];
    name_node(id, next_random(random));
    if (rfi_target_find(net, id, "in", &target) != RF_OK)
        return;
    rf_message *msg = rf_message_integer(next_random(random) % 5);
    if (rfi_target_push(target, msg, &receipt, NULL) == RF_OK)
        atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
    else
        rf_message_unref(msg);
    rfi_target_unref(target);
}

/* ---- the parts ---- */

struct guest {
    rf_network *net;
    struct rfi_watch watch;
    uint32_t random;
    pthread_t thread;
};

static void be_guest(struct guest *guest)
{
    bool has_lost = false;
    if (!rfi_network_guest_begin(guest->net)) {
        (void)sched_yield();
        return;
    }
    for (uint32_t i = next_random(&guest->random) % 4; i > 0; i--)
        push(guest->net, &guest->random);
    if (next_random(&guest->random) % 8 != 0) /* else all is left to the workers */
        has_lost =
            rfi_network_guest_run(guest->net, rfi_clock_ns() + 100000) && rfi_errands.is_revoked;
    rfi_network_guest_end(guest->net);
    atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
    if (!has_lost)
        return;
    /* Where a thread of a loop would end, its successor begins. */
    atomic_fetch_add_explicit(&losses, 1, memory_order_relaxed);
    rfi_errands.is_revoked = false;
    rfi_errands.watch = &guest->watch;
}

static void *run_guest(void *arg)
{
    struct guest *guest = arg;
    rfi_errands.watch = &guest->watch;
    while (!atomic_load(&is_over))
        be_guest(guest);
    rfi_errands.watch = NULL;
    return NULL;
}

static struct guest guests[GUESTS];

static void *revoke_guests(void *arg)
{
    rf_network *net = arg;
    uint64_t seen[GUESTS] = {0};
    while (!atomic_load(&is_over)) {
        for (int i = 0; i < GUESTS; i++) {
            uint64_t word = rfi_watch_look(&guests[i].watch);
            if (word == seen[i] && rfi_watch_revoke(&guests[i].watch, word))
                rfi_network_guest_hangs(net);
            seen[i] = word;
        }
        (void)sched_yield();
    }
    return NULL;
}

/* Every result is right. */
static void *change_topology(void *arg)
{
    rf_network *net = arg;
    uint32_t random = seed * 3;
    uint64_t changes = 0;
    uint32_t tries = 0;
    char one[16];
    char two[16];
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
            changes += rf_network_add_connection(net, one, "out", two, "in", NULL) == RF_OK;
            break;
        default:
            changes += rf_network_add_node(net, one, "Step", NULL, NULL) == RF_OK;
            break;
        }
        (void)sched_yield();
    }
    check(changes > 0, "nothing changed");
    return NULL;
}

static void *send_messages(void *arg)
{
    uint32_t random = seed * 7;
    while (!atomic_load(&is_over)) {
        push(arg, &random);
        for (int i = 0; i < 50; i++) /* so that workers sleep now and then */
            (void)sched_yield();
    }
    return NULL;
}

static void run_round(uint32_t workers, bool is_drained)
{
    rf_network_options options = {
        .struct_size = sizeof options, .workers = workers, .mailbox_capacity = 16};
    rf_network *net = NULL;
    rf_network_stats stats;
    pthread_t threads[3];
    static void *(*const parts[3])(void *) = {revoke_guests, change_topology, send_messages};
    atomic_store(&taken, 0);
    atomic_store(&received, 0);
    atomic_store(&consumed, 0);
    check(rf_network_new(&options, &net) == RF_OK, "new");
    check(rf_network_register(net, &component) == RF_OK, "register");
    check(rf_network_start(net) == RF_OK, "start");
    atomic_store(&is_over, false);
    check(sem_init(&loaded, 0, 0) == 0, "no semaphore");
    for (uint32_t i = 0; i < GUESTS; i++) {
        guests[i] = (struct guest){.net = net, .random = seed + i};
        check(pthread_create(&guests[i].thread, NULL, run_guest, &guests[i]) == 0, "no thread");
    }
    for (int i = 0; i < 3; i++)
        check(pthread_create(&threads[i], NULL, parts[i], net) == 0, "no thread");
    while (sem_wait(&loaded) != 0) /* and it goes on until is_over */
        continue;
    if (!is_drained)
        rf_network_stop(net);
    atomic_store(&is_over, true);
    for (uint32_t i = 0; i < GUESTS; i++)
        (void)pthread_join(guests[i].thread, NULL);
    for (int i = 0; i < 3; i++)
        (void)pthread_join(threads[i], NULL);
    (void)sem_destroy(&loaded);
    if (is_drained)
        check(rf_network_drain(net, DRAIN_MS) == RF_OK, "not drained");
    rf_network_get_stats(net, &stats);
    check(stats.queued_count == 0 && stats.active_count == 0, "something is left");
    check(stats.received_count == atomic_load(&received), "the numbers of received differ");
    check(atomic_load(&consumed) == atomic_load(&taken), "a receipt is missing, or came twice");
    rf_network_free(net);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)time(NULL);
    unsigned rounds = 0;
    time_t end = time(NULL) + (time_t)seconds;
    (void)signal(SIGALRM, on_alarm);
    do {
        (void)alarm(WATCHDOG_S);
        run_round(1 + rounds % 3, rounds % 2 == 0);
        rounds++;
        seed++;
    } while (time(NULL) < end);
    printf("stress_guest: %u rounds, %llu guests, %llu lost their place: ok\n", rounds,
           (unsigned long long)atomic_load(&runs), (unsigned long long)atomic_load(&losses));
    return 0;
}
