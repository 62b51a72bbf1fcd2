/* SPDX-License-Identifier: MIT */
/* What the tests of the local network share: a probe that actors write to and tests wait on, components that
 * use it, and a gate that holds a callback until the test lets it go. */
#ifndef NET_FIXTURE_H
#define NET_FIXTURE_H

#include "support/rf_test.h"
#include <pthread.h>
#include <reflow/log.h>
#include <reflow/network.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

enum { PROBE_MAX = 4096, WAIT_MS = 20000 };

struct probe {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count;
    int64_t values[PROBE_MAX];
    size_t ports[PROBE_MAX];
    size_t created, destroyed;
    bool is_shut; /* callbacks wait while it is set */
    size_t waiting;
};

static struct probe probe = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER};

static inline void probe_reset(void)
{
    pthread_mutex_lock(&probe.lock);
    probe.count = probe.created = probe.destroyed = probe.waiting = 0;
    probe.is_shut = false;
    pthread_mutex_unlock(&probe.lock);
    rf_log_set_level(RF_LOG_ERROR);
}

static inline void probe_note(size_t port, int64_t value)
{
    pthread_mutex_lock(&probe.lock);
    if (probe.count < PROBE_MAX) {
        probe.values[probe.count] = value;
        probe.ports[probe.count] = port;
    }
    probe.count++;
    pthread_cond_broadcast(&probe.changed);
    pthread_mutex_unlock(&probe.lock);
}

static inline struct timespec probe_deadline(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    return until;
}

/* Wait until `count` notes were made; returns how many there are. */
static inline size_t probe_wait(size_t count)
{
    struct timespec until = probe_deadline();
    pthread_mutex_lock(&probe.lock);
    while (probe.count < count)
        if (pthread_cond_timedwait(&probe.changed, &probe.lock, &until) != 0)
            break;
    size_t now = probe.count;
    pthread_mutex_unlock(&probe.lock);
    return now;
}

static inline void gate_shut(void)
{
    pthread_mutex_lock(&probe.lock);
    probe.is_shut = true;
    pthread_mutex_unlock(&probe.lock);
}

static inline void gate_open(void)
{
    pthread_mutex_lock(&probe.lock);
    probe.is_shut = false;
    pthread_cond_broadcast(&probe.changed);
    pthread_mutex_unlock(&probe.lock);
}

/* In a callback: stand at the gate while it is shut. */
static inline void gate_pass(void)
{
    pthread_mutex_lock(&probe.lock);
    probe.waiting++;
    pthread_cond_broadcast(&probe.changed);
    while (probe.is_shut)
        pthread_cond_wait(&probe.changed, &probe.lock);
    probe.waiting--;
    pthread_mutex_unlock(&probe.lock);
}

/* Wait until `count` callbacks stand at the gate. */
static inline bool gate_wait(size_t count)
{
    struct timespec until = probe_deadline();
    pthread_mutex_lock(&probe.lock);
    while (probe.waiting < count)
        if (pthread_cond_timedwait(&probe.changed, &probe.lock, &until) != 0)
            break;
    bool is_there = probe.waiting >= count;
    pthread_mutex_unlock(&probe.lock);
    return is_there;
}

/* Poll a condition with a deadline; for states that nobody announces. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        struct timespec wait_until = probe_deadline();                                             \
        struct timespec wait_now = {0};                                                            \
        bool wait_is_over = false;                                                                 \
        while (!(wait_is_over = (condition)) && wait_now.tv_sec <= wait_until.tv_sec) {            \
            (void)sched_yield();                                                                   \
            clock_gettime(CLOCK_REALTIME, &wait_now);                                              \
        }                                                                                          \
        cr_assert(wait_is_over);                                                                   \
    } while (0)

#define OK(call) cr_assert_eq((call), RF_OK)

/* ---- components ---- */

static inline rf_err sink_message(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx;
    (void)state;
    probe_note(port, rf_message_as_integer(msg));
    return RF_OK;
}

static inline rf_err gated_message(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx;
    (void)state;
    gate_pass();
    probe_note(port, rf_message_as_integer(msg));
    return RF_OK;
}

static inline rf_err pass_message(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    return rf_emit(ctx, port, rf_message_ref(msg));
}

static inline rf_err count_create(rf_context *ctx, void **state)
{
    (void)ctx;
    pthread_mutex_lock(&probe.lock);
    probe.created++;
    pthread_cond_broadcast(&probe.changed);
    pthread_mutex_unlock(&probe.lock);
    *state = &probe;
    return RF_OK;
}

static inline void count_destroy(void *state)
{
    (void)state;
    pthread_mutex_lock(&probe.lock);
    probe.destroyed++;
    pthread_cond_broadcast(&probe.changed);
    pthread_mutex_unlock(&probe.lock);
}

static const rf_port_def two_in[] = {{.name = "in", .alias = "input"}, {.name = "other"}};
static const rf_port_def two_out[] = {{.name = "out", .alias = "output"}, {.name = "side"}};

#define COMPONENT(variable, text, ...)                                                             \
    static const rf_component variable = {.struct_size = sizeof(rf_component),                     \
                                          .name = text,                                            \
                                          .inports = two_in,                                       \
                                          .inport_count = 2,                                       \
                                          .outports = two_out,                                     \
                                          .outport_count = 2,                                      \
                                          __VA_ARGS__}

COMPONENT(sink_component, "Sink", .on_message = sink_message, .create = count_create,
          .destroy = count_destroy);
COMPONENT(gated_component, "Gated", .on_message = gated_message, .create = count_create,
          .destroy = count_destroy);
COMPONENT(pass_component, "Pass", .on_message = pass_message);

/* A network with the three components above. */
static inline rf_network *make_network(uint32_t workers, uint32_t capacity)
{
    rf_network_options options = {
        .struct_size = sizeof options, .workers = workers, .mailbox_capacity = capacity};
    rf_network *net = NULL;
    probe_reset();
    OK(rf_network_new(&options, &net));
    OK(rf_network_register(net, &sink_component));
    OK(rf_network_register(net, &gated_component));
    OK(rf_network_register(net, &pass_component));
    return net;
}

static inline void add_node(rf_network *net, const char *id, const char *component)
{
    OK(rf_network_add_node(net, id, component, NULL, NULL));
}

static inline void connect_ports(rf_network *net, const char *from, const char *out, const char *to,
                                 const char *in)
{
    OK(rf_network_add_connection(net, from, out, to, in, NULL));
}

static inline void send_integer(rf_network *net, const char *actor, const char *port, int64_t value)
{
    OK(rf_network_send(net, actor, port, rf_message_integer(value)));
}

struct info_query {
    const char *id;
    rf_actor_info info;
    bool is_found;
};

static inline bool copy_info(void *user, const rf_actor_info *info)
{
    struct info_query *query = user;
    if (strcmp(info->id, query->id) != 0)
        return true;
    query->info = *info; /* the state is a constant text; other texts are not used */
    query->is_found = true;
    return false;
}

static inline rf_actor_info info_of(rf_network *net, const char *id)
{
    struct info_query query = {.id = id};
    rf_network_each_actor(net, copy_info, &query);
    cr_assert(query.is_found);
    return query.info;
}

#endif
