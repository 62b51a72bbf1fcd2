/* SPDX-License-Identifier: MIT */
/* Names under load: threads send to nodes by their names, and by addresses that they keep, while others add and remove
 * thousands of them, so that the directory grows, is made anew, and memory is used again by nodes of other names. Each
 * message carries the number of the name it was sent to, and must reach a node of that name; at the end, sent =
 * received + dropped. Arguments: [seconds] [seed]. */
#include <pthread.h>
#include <reflow/address.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHARE = 50000 };
enum { NAMES = 6000, SENDERS = 2, CHANGERS = 2, KEPT = 16, DRAIN_MS = 20000 };

static _Atomic(uint64_t) sent, received;
static _Atomic(bool) is_over;
static unsigned seed;

static void check(bool is_true, const char *text)
{
    if (is_true)
        return;
    (void)fprintf(stderr, "stress_names: %s (seed %u)\n", text, seed);
    abort();
}

static rf_err take(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    const char *id = rf_context_id(ctx);
    if (id[0] == '#')
        check(rf_message_as_integer(msg) == NAMES, "a message came to a node without a name");
    else
        check(strtoll(id + (id[0] == 'n' ? 1 : 20), NULL, 10) == rf_message_as_integer(msg),
              "a message came to a node of another name");
    atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
    return RF_OK;
}

static const rf_port_def in_port = {.name = "in"};
static const rf_component taker = {.struct_size = sizeof taker,
                                   .name = "Taker",
                                   .inports = &in_port,
                                   .inport_count = 1,
                                   .on_message = take};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Short and long ones, so that they are in blocks of two sizes. */
static uint32_t choose_name(char out[32], uint32_t *random)
{
    uint32_t number = next_random(random) % NAMES;
    (void)snprintf(out, 32, number % 3 == 0 ? "a-name-that-is-long-%u" : "n%u", number);
    return number;
}

static void count(rf_err err, rf_message *msg)
{
    if (err == RF_OK)
        atomic_fetch_add_explicit(&sent, 1, memory_order_relaxed);
    else
        rf_message_unref(msg);
    check(err == RF_OK || err == RF_ENOACTOR || err == RF_ECLOSED || err == RF_EFULL, "an error");
}

static void *send_messages(void *arg)
{
    rf_network *net = arg;
    uint32_t random = seed * 7 + (uint32_t)(uintptr_t)pthread_self();
    rf_address kept[KEPT] = {{0}};
    int64_t numbers[KEPT];
    char name[32];
    for (int i = 0; i < SHARE; i++) {
        uint32_t number = choose_name(name, &random);
        rf_message *msg = rf_message_integer(number);
        count(rf_network_send(net, name, "in", msg), msg);
        uint32_t slot = next_random(&random) % KEPT;
        if (kept[slot].bits != 0) {
            msg = rf_message_integer(numbers[slot]);
            count(rf_address_send(kept[slot], msg), msg);
        }
        if (next_random(&random) % 8 != 0)
            continue;
        rf_address_unref(kept[slot]);
        kept[slot] = (rf_address){0};
        numbers[slot] = choose_name(name, &random);
        rf_err err = rf_address_find(net, name, "in", &kept[slot]);
        check(err == RF_OK || err == RF_ENOACTOR, "find");
    }
    for (size_t i = 0; i < KEPT; i++)
        rf_address_unref(kept[i]);
    return NULL;
}

/* More come than go for a while, then more go. */
static void *change_names(void *arg)
{
    rf_network *net = arg;
    uint32_t random = seed + (uint32_t)(uintptr_t)pthread_self();
    char name[32];
    for (uint32_t i = 0; !atomic_load(&is_over); i++) {
        uint32_t number = choose_name(name, &random);
        bool grows = i / (2 * NAMES) % 2 == 0;
        if ((next_random(&random) % 4 == 0) == grows) {
            rf_err err = rf_network_remove_node(net, name);
            check(err == RF_OK || err == RF_ENOACTOR, "remove");
            continue;
        }
        rf_address address;
        bool has_name = next_random(&random) % 8 != 0;
        rf_err err =
            rf_network_spawn(net, has_name ? name : NULL, "Taker", NULL, "in", &address, NULL);
        check(err == RF_OK || err == RF_EEXISTS, "spawn");
        if (err != RF_OK)
            continue;
        rf_message *msg = rf_message_integer(has_name ? number : NAMES);
        count(rf_address_send(address, msg), msg);
        rf_address_unref(address);
    }
    return NULL;
}

static void run_round(uint32_t workers)
{
    rf_network_options options = {.struct_size = sizeof options, .workers = workers};
    rf_network *net = NULL;
    rf_network_stats stats;
    pthread_t threads[SENDERS + CHANGERS];
    atomic_store(&sent, 0);
    atomic_store(&received, 0);
    atomic_store(&is_over, false);
    check(rf_network_new(&options, &net) == RF_OK, "new");
    check(rf_network_register(net, &taker) == RF_OK, "register");
    check(rf_network_start(net) == RF_OK, "start");
    for (int i = 0; i < SENDERS + CHANGERS; i++)
        check(pthread_create(&threads[i], NULL, i < SENDERS ? send_messages : change_names, net) ==
                  0,
              "no thread");
    for (int i = 0; i < SENDERS; i++)
        (void)pthread_join(threads[i], NULL);
    atomic_store(&is_over, true);
    for (int i = SENDERS; i < SENDERS + CHANGERS; i++)
        (void)pthread_join(threads[i], NULL);
    check(rf_network_drain(net, DRAIN_MS) == RF_OK, "not drained");
    rf_network_get_stats(net, &stats);
    check(stats.received_count == atomic_load(&received), "the numbers of received differ");
    check(stats.received_count + stats.dropped_count == atomic_load(&sent),
          "sent is not received + dropped");
    rf_network_free(net);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)time(NULL);
    unsigned rounds = 0;
    time_t end = time(NULL) + (time_t)seconds;
    do {
        run_round(1 + rounds % 3);
        rounds++;
        seed++;
    } while (time(NULL) < end);
    printf("stress_names: %u rounds, seed %u\n", rounds, seed - rounds);
    return 0;
}
