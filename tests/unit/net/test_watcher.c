/* SPDX-License-Identifier: MIT */
/* The watcher of a transport, with callbacks that hang: errands of the test stand for actors. */
#include "core/base/errand.h"
#include "net/io_loop.h"
#include "support/transport_node.h"

struct watched {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_shut;
    unsigned opened, messages, hung, ended, revoked, revoked_who, promises, kept;
    const void *who;
};

static void tell(struct watched *watched, unsigned *number)
{
    (void)pthread_mutex_lock(&watched->mutex);
    ++*number;
    (void)pthread_cond_broadcast(&watched->changed);
    (void)pthread_mutex_unlock(&watched->mutex);
}

static void watched_open(void *user, struct rfi_conn *conn)
{
    struct watched *watched = user;
    rfi_conn_approve(conn);
    tell(watched, &watched->opened);
}

/* The callback of an actor that stands at the gate. */
static void hang(void *arg)
{
    struct watched *watched = arg;
    rfi_watch_enter();
    (void)pthread_mutex_lock(&watched->mutex);
    watched->hung++;
    watched->who = &rfi_errands;
    (void)pthread_cond_broadcast(&watched->changed);
    while (watched->is_shut)
        (void)pthread_cond_wait(&watched->changed, &watched->mutex);
    (void)pthread_mutex_unlock(&watched->mutex);
    (void)rfi_watch_leave();
    tell(watched, &watched->ended);
}

/* One byte: hang; more: count. */
static void watched_run(void *user, struct rfi_conn *conn, struct rfi_run *run)
{
    struct watched *watched = user;
    (void)conn;
    for (size_t i = 0; i < run->frame_count; i++) {
        if (run->frames[i].size == 1)
            (void)rfi_errands_add(hang, watched);
        else
            tell(watched, &watched->messages);
    }
    rfi_run_free(run);
}

static void watched_drain(void *user, struct rfi_conn *conn)
{
    (void)user;
    (void)conn;
}

static void watched_closed(void *user, struct rfi_conn *conn, rf_err err, const char *reason)
{
    (void)user;
    (void)conn;
    (void)err;
    (void)reason;
}

static void watched_revoked(void *user, const void *borrower)
{
    struct watched *watched = user;
    (void)pthread_mutex_lock(&watched->mutex);
    watched->revoked++;
    watched->revoked_who += borrower == watched->who;
    (void)pthread_cond_broadcast(&watched->changed);
    (void)pthread_mutex_unlock(&watched->mutex);
}

static bool watched_promise(void *user)
{
    struct watched *watched = user;
    (void)pthread_mutex_lock(&watched->mutex);
    bool has_some = watched->promises > watched->kept;
    if (has_some)
        watched->kept++; /* seen to */
    (void)pthread_cond_broadcast(&watched->changed);
    (void)pthread_mutex_unlock(&watched->mutex);
    return has_some;
}

static const struct rfi_transport_ops watched_ops = {.on_open = watched_open,
                                                     .on_run = watched_run,
                                                     .on_drain = watched_drain,
                                                     .on_closed = watched_closed,
                                                     .on_revoked = watched_revoked,
                                                     .has_promise = watched_promise};

struct scene {
    struct node client;
    struct watched watched;
    struct rfi_transport *transport;
    struct rfi_conn *conn;
};

static void open_scene(struct scene *scene)
{
    struct rfi_transport_options options = small_options();
    struct rfi_endpoint endpoint;
    char address[96];
    char url[128];
    memset(scene, 0, sizeof *scene);
    (void)pthread_mutex_init(&scene->watched.mutex, NULL);
    (void)pthread_cond_init(&scene->watched.changed, NULL);
    scene->client.approves = true;
    node_start(&scene->client, &options);
    options.io_threads = 1;
    cr_assert_eq(rfi_transport_new(&options, &watched_ops, &scene->watched, &scene->transport),
                 RF_OK);
    cr_assert_eq(rfi_transport_start(scene->transport), RF_OK);
    cr_assert_eq(
        rfi_transport_listen(scene->transport, "127.0.0.1", 0, address, sizeof address, NULL),
        RF_OK);
    (void)snprintf(url, sizeof url, "tcp://%s", address);
    cr_assert_eq(rfi_endpoint_parse(url, RFI_WIRE_WEBSOCKET, &endpoint, NULL), RF_OK);
    cr_assert_eq(rfi_transport_dial(scene->client.transport, &endpoint, NULL, &scene->conn), RF_OK);
    WAIT(&scene->watched, scene->watched.opened == 1);
}

static void close_scene(struct scene *scene)
{
    rfi_transport_stop(scene->transport, 1000);
    cr_assert_null(scene->transport->loops[0].retired);
    rfi_transport_free(scene->transport);
    rfi_conn_unref(scene->conn);
    node_stop(&scene->client);
    (void)pthread_mutex_destroy(&scene->watched.mutex);
    (void)pthread_cond_destroy(&scene->watched.changed);
}

static void shut(struct watched *watched, bool is_shut)
{
    (void)pthread_mutex_lock(&watched->mutex);
    watched->is_shut = is_shut;
    (void)pthread_cond_broadcast(&watched->changed);
    (void)pthread_mutex_unlock(&watched->mutex);
}

Test(watcher, a_loop_goes_on_when_its_thread_hangs_and_again, .timeout = 60)
{
    static struct scene scene;
    struct watched *watched = &scene.watched;
    open_scene(&scene);
    for (unsigned i = 1; i <= 5; i++) {
        shut(watched, true);
        send_bytes(scene.conn, RFI_BINARY, "h", 1);
        WAIT(watched, watched->hung == i);
        send_bytes(scene.conn, RFI_BINARY, "more", 4);
        WAIT(watched, watched->messages == i); /* by another thread */
        WAIT(watched, watched->revoked == i && watched->revoked_who == i);
        shut(watched, false);
        WAIT(watched, watched->ended == i);
    }
    close_scene(&scene);
}

static void *stop_transport(void *transport)
{
    rfi_transport_stop(transport, 1000);
    return NULL;
}

Test(watcher, a_stop_ends_the_loop_though_its_thread_hangs, .timeout = 60)
{
    static struct scene scene;
    struct watched *watched = &scene.watched;
    open_scene(&scene);
    shut(watched, true);
    send_bytes(scene.conn, RFI_BINARY, "h", 1);
    WAIT(watched, watched->hung == 1);
    pthread_t thread;
    struct rfi_transport *transport = scene.transport;
    cr_assert_eq(pthread_create(&thread, NULL, stop_transport, transport), 0);
    WAIT(&scene.client, scene.client.closed_count == 1);
    shut(watched, false);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(watched->ended, 1U);
    close_scene(&scene);
}

/* It says so itself; the deadline is the test's. */
#define WAIT_REST(watcher)                                                                         \
    while (!atomic_load(&(watcher)->is_resting))                                                   \
    (void)sched_yield()

/* Long after the last callback the watcher rests; a promise and a callback each bring it back. */
Test(watcher, it_comes_back_from_its_rest, .timeout = 60)
{
    static struct scene scene;
    struct watched *watched = &scene.watched;
    open_scene(&scene);
    struct rfi_watcher *watcher = &scene.transport->watcher;
    for (unsigned i = 1; i <= 2; i++) {
        WAIT_REST(watcher);
        (void)pthread_mutex_lock(&watched->mutex);
        watched->promises++;
        (void)pthread_mutex_unlock(&watched->mutex);
        rfi_transport_note_promise(scene.transport);
        WAIT(watched, watched->kept == i);
        WAIT_REST(watcher);
        shut(watched, true);
        send_bytes(scene.conn, RFI_BINARY, "h", 1);
        WAIT(watched, watched->revoked == i);
        shut(watched, false);
    }
    close_scene(&scene);
}

static void *nothing(void *arg)
{
    return arg;
}

Test(watcher, threads_that_have_ended_are_given_back)
{
    struct rfi_loop loop = {.retired = NULL};
    for (int i = 0; i < 3; i++) {
        struct rfi_retired *retired = malloc(sizeof *retired);
        cr_assert_not_null(retired);
        cr_assert_eq(pthread_create(&retired->thread, NULL, nothing, NULL), 0);
        retired->next = loop.retired;
        loop.retired = retired;
    }
    while (loop.retired != NULL) {
        (void)sched_yield();
        rfi_loop_reap(&loop);
    }
    rfi_loop_reap(&loop);
}
