/* SPDX-License-Identifier: MIT */
/* One component under test in a real network: a node "x", and a probe behind all of its out-ports
 * that keeps what comes. Waiting has a deadline, and a miss fails the test. */
#ifndef COMPONENT_RIG_H
#define COMPONENT_RIG_H

#include "core/components/builtin.h"
#include "support/rf_test.h"
#include <pthread.h>
#include <reflow/network.h>
#include <time.h>

enum { RIG_PORTS = 8, RIG_WAIT_MS = 20000 };

struct rig_item {
    struct rig_item *next;
    size_t port;
    rf_message *msg;
};

struct rig {
    rf_network *net;
    const rf_component *component;
    rf_component probe;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct rig_item *first, *last;
    size_t taken_count; /* messages that the probe was given */
    bool is_held;       /* the probe waits in its callback */
};

static const rf_port_def rig_ports[RIG_PORTS] = {
    {"p0", NULL, ""}, {"p1", NULL, ""}, {"p2", NULL, ""}, {"p3", NULL, ""},
    {"p4", NULL, ""}, {"p5", NULL, ""}, {"p6", NULL, ""}, {"p7", NULL, ""}};

static inline void rig_deadline(struct timespec *out)
{
    (void)clock_gettime(CLOCK_REALTIME, out);
    out->tv_sec += RIG_WAIT_MS / 1000;
}

static inline rf_err rig_take(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    struct rig *rig = rf_context_user(ctx);
    struct rig_item *item = malloc(sizeof *item);
    if (item == NULL)
        return RF_ENOMEM;
    *item = (struct rig_item){NULL, port, rf_message_ref(msg)};
    (void)pthread_mutex_lock(&rig->lock);
    if (rig->last != NULL)
        rig->last->next = item;
    else
        rig->first = item;
    rig->last = item;
    rig->taken_count++;
    (void)pthread_cond_broadcast(&rig->changed);
    while (rig->is_held)
        (void)pthread_cond_wait(&rig->changed, &rig->lock);
    (void)pthread_mutex_unlock(&rig->lock);
    return RF_OK;
}

static inline void rig_hold(struct rig *rig, bool is_held)
{
    (void)pthread_mutex_lock(&rig->lock);
    rig->is_held = is_held;
    (void)pthread_cond_broadcast(&rig->changed);
    (void)pthread_mutex_unlock(&rig->lock);
}

static inline const rf_component *rig_find(const char *name)
{
    size_t count = 0;
    const rf_component *const *all = rfi_builtin_components(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    cr_assert_fail("no such component");
    return NULL;
}

/* A started network with node "x". probe_metadata may bound the probe's mailbox. */
static inline struct rig *rig_open_with(const char *component, const char *metadata,
                                        const char *probe_metadata)
{
    struct rig *rig = calloc(1, sizeof *rig);
    cr_assert_not_null(rig);
    (void)pthread_mutex_init(&rig->lock, NULL);
    (void)pthread_cond_init(&rig->changed, NULL);
    rig->component = rig_find(component);
    rig->probe = (rf_component){.struct_size = sizeof(rf_component),
                                .name = "probe",
                                .summary = "keeps messages",
                                .inports = rig_ports,
                                .inport_count = RIG_PORTS,
                                .user = rig,
                                .on_message = rig_take};
    rf_network_options options = {.struct_size = sizeof options, .workers = 2};
    cr_assert_eq(rf_network_new(&options, &rig->net), RF_OK);
    cr_assert_eq(rf_network_register_builtins(rig->net), RF_OK);
    cr_assert_eq(rf_network_register(rig->net, &rig->probe), RF_OK);
    rf_diag diag = {0};
    rf_err err = rf_network_add_node(rig->net, "x", component, metadata, &diag);
    cr_assert_eq(err, RF_OK, "%s", diag.text);
    cr_assert_eq(rf_network_add_node(rig->net, "probe", "probe", probe_metadata, NULL), RF_OK);
    for (size_t i = 0; i < rig->component->outport_count; i++)
        cr_assert_eq(rf_network_add_connection(rig->net, "x", rig->component->outports[i].name,
                                               "probe", rig_ports[i].name, NULL),
                     RF_OK);
    cr_assert_eq(rf_network_start(rig->net), RF_OK);
    return rig;
}

static inline struct rig *rig_open(const char *component, const char *metadata)
{
    return rig_open_with(component, metadata, NULL);
}

static inline void rig_close(struct rig *rig)
{
    rig_hold(rig, false);
    rf_network_free(rig->net);
    for (struct rig_item *item = rig->first; item != NULL;) {
        struct rig_item *next = item->next;
        rf_message_unref(item->msg);
        free(item);
        item = next;
    }
    (void)pthread_mutex_destroy(&rig->lock);
    (void)pthread_cond_destroy(&rig->changed);
    free(rig);
}

/* Send to node "x"; takes the message. */
static inline void rig_send(struct rig *rig, const char *port, rf_message *msg)
{
    cr_assert_not_null(msg);
    rf_err err = RF_EFULL;
    struct timespec until;
    struct timespec now;
    rig_deadline(&until);
    do {
        err = rf_network_send(rig->net, "x", port, msg);
        (void)clock_gettime(CLOCK_REALTIME, &now);
        if (err == RF_EFULL)
            sched_yield();
    } while (err == RF_EFULL && now.tv_sec < until.tv_sec);
    cr_assert_eq(err, RF_OK, "%s", rf_err_name(err));
}

static inline void rig_send_text(struct rig *rig, const char *port, const char *text)
{
    rig_send(rig, port, rf_message_string(text, strlen(text)));
}

static inline void rig_send_json(struct rig *rig, const char *port, const char *json)
{
    rf_message *msg = NULL;
    cr_assert_eq(rf_message_from_value(json, strlen(json), &msg, NULL), RF_OK);
    rig_send(rig, port, msg);
}

static inline void rig_send_flow(struct rig *rig, const char *port)
{
    rig_send(rig, port, rf_message_flow());
}

static inline size_t rig_port_index(const struct rig *rig, const char *port)
{
    for (size_t i = 0; i < rig->component->outport_count; i++)
        if (strcmp(rig->component->outports[i].name, port) == 0)
            return i;
    cr_assert_fail("no such out-port");
    return 0;
}

/* The next message of an out-port, owned by the caller; NULL when none comes in time. */
static inline rf_message *rig_next_or_null(struct rig *rig, const char *port)
{
    size_t index = rig_port_index(rig, port);
    struct timespec until;
    rig_deadline(&until);
    rf_message *msg = NULL;
    (void)pthread_mutex_lock(&rig->lock);
    for (int late = 0; msg == NULL && late == 0;) {
        struct rig_item *previous = NULL;
        struct rig_item *item = rig->first;
        while (item != NULL && item->port != index) {
            previous = item;
            item = item->next;
        }
        if (item == NULL) {
            late = pthread_cond_timedwait(&rig->changed, &rig->lock, &until);
            continue;
        }
        if (previous != NULL)
            previous->next = item->next;
        else
            rig->first = item->next;
        if (rig->last == item)
            rig->last = previous;
        msg = item->msg;
        free(item);
    }
    (void)pthread_mutex_unlock(&rig->lock);
    return msg;
}

static inline rf_message *rig_next(struct rig *rig, const char *port)
{
    rf_message *msg = rig_next_or_null(rig, port);
    cr_assert_not_null(msg, "nothing came on %s", port);
    return msg;
}

/* The next message of the port must be of the kind and have the JSON value. */
static inline void rig_expect(struct rig *rig, const char *port, rf_kind kind, const char *value)
{
    rf_message *msg = rig_next(rig, port);
    char *json = NULL;
    size_t size = 0;
    cr_assert_eq(rf_message_to_value(msg, &json, &size), RF_OK);
    if (rf_message_kind(msg) != kind || strcmp(json, value) != 0)
        fprintf(stderr, "%s: expected %s %s, got %s %s\n", port, rf_kind_name(kind), value,
                rf_kind_name(rf_message_kind(msg)), json);
    cr_assert_eq(rf_message_kind(msg), kind, "%s", json);
    cr_assert_str_eq(json, value);
    free(json);
    rf_message_unref(msg);
}

static inline void rig_expect_flow(struct rig *rig, const char *port)
{
    rig_expect(rig, port, RF_KIND_FLOW, "\"flow\"");
}

/* The next message of the port must hold this text in its bytes. */
static inline void rig_expect_holds(struct rig *rig, const char *port, const char *part)
{
    rf_message *msg = rig_next(rig, port);
    rf_span text = rf_message_data(msg);
    bool holds = text.data != NULL && memmem(text.data, text.size, part, strlen(part)) != NULL;
    if (!holds)
        fprintf(stderr, "%s: expected \"%s\" in \"%.*s\"\n", port, part, (int)text.size,
                text.data != NULL ? (const char *)text.data : "");
    cr_assert(holds);
    rf_message_unref(msg);
}

/* Nothing of this port is left once the network is at rest. */
static inline void rig_expect_none(struct rig *rig, const char *port)
{
    cr_assert_eq(rf_network_drain(rig->net, RIG_WAIT_MS), RF_OK);
    size_t index = rig_port_index(rig, port);
    (void)pthread_mutex_lock(&rig->lock);
    size_t count = 0;
    for (struct rig_item *item = rig->first; item != NULL; item = item->next)
        count += item->port == index;
    (void)pthread_mutex_unlock(&rig->lock);
    cr_assert_eq(count, 0);
}

/* A file of its own below TMPDIR with this content; free() the path, unlink the file. */
static inline char *rig_file(const void *data, size_t size)
{
    const char *folder = getenv("TMPDIR");
    char *path = NULL;
    cr_assert_geq(asprintf(&path, "%s/rf_componentXXXXXX", folder != NULL ? folder : "/tmp"), 0);
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    FILE *file = fdopen(fd, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
    return path;
}

#endif
