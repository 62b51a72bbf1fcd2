/* SPDX-License-Identifier: MIT */
/* The thread of an I/O loop.
 *
 * Each round: take the inbox (connections that other threads want something of), fire deadlines,
 * wait in epoll (or only look, while poll_us after the last activity has not passed), handle the
 * events. What callbacks send goes through the same inbox and is written at the top of the next
 * round, so that all answers to one read leave with one system call. A loop sleeps only after
 * rfi_inbox_sleep_begin has said that nothing came meanwhile; until then posts cost no system call.
 *
 * A connection that closes inside a round stays in memory until its end, because later events of
 * the same epoll answer may still point to it. After the thread has ended, rfi_loop_post itself
 * takes what comes late, so that nothing keeps a connection for ever. */
#include "net/io_loop.h"
#include "net/watcher.h"

#include "core/base/clock.h"
#include "core/base/errand.h"
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    EVENTS_PER_ROUND = 128,
    POKES_PER_ROUND = 4096,
    LIVELY_LOOKS = 8,
    LIVELY_IN_ROW = 3,
    YIELD_EVERY = 8,
    LOOK_NS_MAX = 4000
};

static struct rfi_conn *conn_of_poke(struct rfi_mpsc_node *node)
{
    return (struct rfi_conn *)(void *)((char *)node - offsetof(struct rfi_conn, poke_node));
}

rf_err rfi_loop_init(struct rfi_loop *loop, struct rfi_transport *transport)
{
    memset(loop, 0, sizeof *loop);
    loop->transport = transport;
    loop->inbox_source = RFI_SOURCE_INBOX;
    loop->inbox.event_fd = -1;
    loop->next_deadline_ns = UINT64_MAX;
    loop->watch.rouse = rfi_watcher_rouse;
    loop->watch.watcher = &transport->watcher;
    loop->events_max = EVENTS_PER_ROUND;
    atomic_init(&loop->is_finished, false);
    (void)pthread_mutex_init(&loop->finish_mutex, NULL);
    (void)pthread_cond_init(&loop->finished, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return RF_ESYS;
    rf_err err = rfi_inbox_init(&loop->inbox, true);
    if (err != RF_OK)
        return err;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->inbox_source};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->inbox.event_fd, &event) != 0)
        return RF_ESYS;
    return RF_OK;
}

void rfi_loop_fini(struct rfi_loop *loop)
{
    while (loop->listeners != NULL) {
        struct rfi_listener *listener = loop->listeners;
        loop->listeners = listener->next;
        rfi_listener_close(listener);
    }
    rfi_inbox_fini(&loop->inbox);
    if (loop->epoll_fd >= 0)
        (void)close(loop->epoll_fd);
    (void)pthread_cond_destroy(&loop->finished);
    (void)pthread_mutex_destroy(&loop->finish_mutex);
    free(loop->spare);
    free(loop->spans);
}

/* ---- memory and chance ---- */

uint8_t *rfi_loop_take_buffer(struct rfi_loop *loop)
{
    uint8_t *buffer = loop->spare;
    loop->spare = NULL;
    return buffer != NULL ? buffer : rfi_chunks_take(&loop->transport->chunks);
}

void rfi_loop_put_buffer(struct rfi_loop *loop, uint8_t *buffer)
{
    if (loop->spare == NULL)
        loop->spare = buffer;
    else
        rfi_chunks_put(&loop->transport->chunks, buffer);
}

void rfi_loop_random(struct rfi_loop *loop, uint8_t *out, size_t size)
{
    while (size > loop->random_left) {
        ssize_t got = getrandom(loop->random, sizeof loop->random, 0);
        /* Only a signal interrupts it, and this thread takes none. */
        loop->random_left = got > 0 ? (size_t)got : 0;
    }
    loop->random_left -= size;
    memcpy(out, loop->random + loop->random_left, size);
}

/* ---- deadlines ---- */

void rfi_loop_add_deadline(struct rfi_loop *loop, uint64_t at_ns)
{
    if (at_ns < loop->next_deadline_ns)
        loop->next_deadline_ns = at_ns;
}

static void fire_deadlines(struct rfi_loop *loop)
{
    if (loop->now_ns < loop->next_deadline_ns)
        return;
    loop->next_deadline_ns = UINT64_MAX;
    struct rfi_heap_node *node = NULL;
    while ((node = rfi_heap_take(&loop->timed, loop->now_ns)) != NULL)
        rfi_conn_handle_deadline(
            (struct rfi_conn *)(void *)((char *)node - offsetof(struct rfi_conn, timed)));
    rfi_loop_add_deadline(loop, rfi_heap_next(&loop->timed));
    if (loop != &loop->transport->loops[0])
        return;
    (void)pthread_mutex_lock(&loop->transport->mutex);
    struct rfi_listener *listener = loop->listeners;
    (void)pthread_mutex_unlock(&loop->transport->mutex);
    for (; listener != NULL; listener = listener->next)
        rfi_listener_tick(loop, listener);
}

/* ---- the inbox ---- */

static void take_inbox(struct rfi_loop *loop)
{
    for (unsigned i = 0; i < POKES_PER_ROUND; i++) {
        struct rfi_mpsc_node *node = rfi_inbox_take(&loop->inbox);
        if (node == NULL)
            break;
        rfi_conn_handle_poke(conn_of_poke(node));
    }
}

static void bury_dead(struct rfi_loop *loop)
{
    while (loop->dead != NULL) {
        struct rfi_conn *conn = loop->dead;
        loop->dead = conn->dead_next;
        rfi_conn_unref(conn);
    }
}

/* What came after the thread's end; under finish_mutex, as the loop has no owner any more. */
static void drain_finished(struct rfi_loop *loop)
{
    (void)pthread_mutex_lock(&loop->finish_mutex);
    struct rfi_mpsc_node *node = NULL;
    while ((node = rfi_inbox_take(&loop->inbox)) != NULL)
        rfi_conn_handle_poke(conn_of_poke(node));
    struct rfi_conn *dead = loop->dead;
    loop->dead = NULL;
    (void)pthread_mutex_unlock(&loop->finish_mutex);
    while (dead != NULL) {
        struct rfi_conn *conn = dead;
        dead = conn->dead_next;
        rfi_conn_unref(conn);
    }
}

void rfi_loop_post(struct rfi_loop *loop, struct rfi_mpsc_node *node)
{
    rfi_inbox_post(&loop->inbox, node);
    /* [IO1] seq_cst: in one order with the push (seq_cst too) and the store in rfi_loop_join:
     * either that one's drain sees the node, or we see the end and drain. */
    if (atomic_load_explicit(&loop->is_finished, memory_order_seq_cst))
        drain_finished(loop);
}

/* ---- stopping ---- */

static void close_listeners(struct rfi_loop *loop)
{
    loop->is_deaf = true;
    (void)pthread_mutex_lock(&loop->transport->mutex);
    struct rfi_listener *listener = loop->listeners;
    loop->listeners = NULL;
    (void)pthread_mutex_unlock(&loop->transport->mutex);
    while (listener != NULL) {
        struct rfi_listener *next = listener->next;
        rfi_listener_close(listener);
        listener = next;
    }
}

static void begin_stop(struct rfi_loop *loop)
{
    loop->is_stopping = true;
    close_listeners(loop);
    take_inbox(loop); /* messages that were sent before go out */
    struct rfi_conn *next = NULL;
    for (struct rfi_conn *conn = loop->conns; conn != NULL; conn = next) {
        next = conn->next;
        rfi_conn_set_reason(conn, RFI_CLOSE_GOING_AWAY, RF_ECLOSED, "shutting down");
        rfi_conn_begin_close(conn, RFI_CLOSING_OURS);
    }
}

/* Is the loop at its end? */
static bool advance_stop(struct rfi_loop *loop)
{
    struct rfi_transport *transport = loop->transport;
    /* [IO2] acquire: pairs with the release in rfi_transport_stop; the deadline is there */
    if (!atomic_load_explicit(&transport->is_stopping, memory_order_acquire))
        return false;
    if (!loop->is_stopping)
        begin_stop(loop);
    uint64_t deadline_ns = atomic_load_explicit(&transport->stop_deadline_ns, memory_order_relaxed);
    rfi_loop_add_deadline(loop, deadline_ns);
    if (loop->now_ns >= deadline_ns)
        while (loop->conns != NULL)
            rfi_conn_finish(loop->conns);
    return loop->conns == NULL;
}

/* ---- the thread ---- */

static int wait_timeout_ms(const struct rfi_loop *loop)
{
    if (loop->next_deadline_ns == UINT64_MAX)
        return -1;
    if (loop->next_deadline_ns <= loop->now_ns)
        return 0;
    uint64_t ms = (loop->next_deadline_ns - loop->now_ns + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static int wait_for_events(struct rfi_loop *loop, struct epoll_event *events, bool is_polling)
{
    int timeout_ms = wait_timeout_ms(loop);
    int limit = (int)loop->events_max;
    if (is_polling || timeout_ms == 0 || !rfi_inbox_sleep_begin(&loop->inbox))
        return epoll_wait(loop->epoll_fd, events, limit, 0);
    int count = epoll_wait(loop->epoll_fd, events, limit, timeout_ms);
    rfi_inbox_sleep_end(&loop->inbox);
    return count;
}

/* A loop that polls and has heard of one connection alone asks that one for more: a system call less for each message.
 * Now and then it looks at all. False: it is time to. */
static bool look_at_lively(struct rfi_loop *loop)
{
    struct rfi_conn *conn = loop->lively;
    if (conn == NULL || loop->lively_looks++ == LIVELY_LOOKS || conn->state != RFI_CONN_OPEN ||
        !rfi_conn_can_read(conn)) {
        loop->lively_looks = 0;
        return false;
    }
    rfi_conn_handle_events(conn, EPOLLIN);
    return true;
}

static void note_lively(struct rfi_loop *loop, const struct epoll_event *events, int count)
{
    if (count == 0)
        return;
    bool is_conn = *(enum rfi_source_kind *)events[0].data.ptr == RFI_SOURCE_CONN;
    struct rfi_conn *conn =
        count == 1 && is_conn && (events[0].events & EPOLLIN) != 0 ? events[0].data.ptr : NULL;
    loop->alone_in_row = conn != NULL && conn == loop->alone ? loop->alone_in_row + 1 : 0;
    loop->alone = conn;
    loop->lively = loop->alone_in_row >= LIVELY_IN_ROW ? conn : NULL;
    loop->lively_looks = 0;
}

static void handle_event(struct rfi_loop *loop, const struct epoll_event *event)
{
    switch (*(enum rfi_source_kind *)event->data.ptr) {
    case RFI_SOURCE_INBOX:
        break; /* the top of the next round takes it */
    case RFI_SOURCE_LISTENER:
        rfi_listener_accept(loop, event->data.ptr);
        break;
    case RFI_SOURCE_CONN:
        rfi_conn_handle_events(event->data.ptr, event->events);
        break;
    }
}

/* A round begins. What it took since the last one began counts as polling, but not the time that others had this
 * core: then the peer waits for us, and is not late. */
static void begin_round(struct rfi_loop *loop)
{
    uint64_t now_ns = rfi_clock_ns();
    uint64_t took_ns = now_ns - loop->now_ns;
    loop->polled_ns += took_ns < LOOK_NS_MAX ? took_ns : LOOK_NS_MAX;
    loop->now_ns = now_ns;
}

static bool may_poll(const struct rfi_loop *loop)
{
    const struct rfi_transport *transport = loop->transport;
    uint64_t poll_ns = (uint64_t)transport->options.poll_us * 1000;
    return poll_ns > 0 && loop->polled_ns < poll_ns &&
           (transport->ops.is_resting == NULL || transport->ops.is_resting(transport->user));
}

/* What a round reads is worked on before the next one, and should still be in the cache then. The kernel gives sockets
 * their turns, so fewer in a round harm none. */
static void fit_round(struct rfi_loop *loop)
{
    if (loop->round_bytes > RFI_ROUND_BYTES && loop->events_max > 1)
        loop->events_max /= 2;
    else if (loop->round_bytes < RFI_ROUND_BYTES / 2 && loop->events_max < EVENTS_PER_ROUND)
        loop->events_max *= 2;
    loop->round_bytes = 0;
}

/* What came in is worked on here if nobody else is awake for it. False: that took so long that this thread has lost
 * its place; nothing of the loop may be touched. */
static bool run_errands(void)
{
    rfi_errands_run();
    /* What the callback left behind it is for the threads that it concerns: run, a revoked errand wakes them. */
    while (rfi_errands.is_revoked && rfi_errands.count > 0)
        rfi_errands_run();
    return !rfi_errands.is_revoked;
}

static void *loop_main(void *argument)
{
    struct rfi_loop *loop = argument;
    struct epoll_event events[EVENTS_PER_ROUND];
    loop->polled_ns = UINT64_MAX / 2; /* nothing came yet */
    rfi_errands.is_open = true;
    rfi_errands.may_linger = true;
    rfi_errands.watch = &loop->watch;
    rfi_errands.home = loop->transport->user;
    /* relaxed: read by who has revoked us, which orders it ([WT1]) */
    atomic_store_explicit(&loop->errands, &rfi_errands, memory_order_relaxed);
    for (;;) {
        begin_round(loop);
        take_inbox(loop);
        fire_deadlines(loop);
        if (advance_stop(loop))
            break;
        /* [IO3] acquire: pairs with the release in rfi_transport_close_listeners */
        if (!loop->is_deaf && atomic_load_explicit(&loop->transport->is_deaf, memory_order_acquire))
            close_listeners(loop);
        bury_dead(loop);
        /* Flushing may have made room that a shard waits for; a thread that sleeps keeps no promise. */
        if (rfi_errands.count > 0 && !run_errands())
            return NULL;
        bool is_awake = rfi_errands.count > 0 || may_poll(loop);
        int count = 0;
        loop->has_read = false;
        if (!is_awake || !look_at_lively(loop))
            count = wait_for_events(loop, events, is_awake);
        if (count > 0)
            loop->now_ns = rfi_clock_ns(); /* the wait may have been long */
        if (count > 0 || loop->has_read) {
            loop->polled_ns = 0;
            loop->idle_looks = 0;
        } else if (is_awake && ++loop->idle_looks % YIELD_EVERY == 0) {
            (void)
                sched_yield(); /* what we wait for may be made by a thread that waits for our core */
        }
        note_lively(loop, events, count);
        for (int i = 0; i < count; i++)
            handle_event(loop, &events[i]);
        fit_round(loop);
        if (rfi_errands.count > 0 && !run_errands())
            return NULL; /* another thread is the loop's by now */
        bury_dead(loop);
    }
    rfi_errands.may_linger = false;
    while (rfi_errands.count > 0)
        if (!run_errands())
            return NULL;
    rfi_errands.is_open = false;
    bury_dead(loop);
    (void)pthread_mutex_lock(&loop->finish_mutex);
    loop->is_over = true;
    (void)pthread_cond_signal(&loop->finished);
    (void)pthread_mutex_unlock(&loop->finish_mutex);
    return NULL;
}

static rf_err start_thread(struct rfi_loop *loop, pthread_t *out)
{
    sigset_t all;
    sigset_t before;
    char name[16];
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(out, NULL, loop_main, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0)
        return RF_ESYS;
    (void)snprintf(name, sizeof name, "rf-io-%u", loop->index);
    (void)pthread_setname_np(*out, name);
    return RF_OK;
}

rf_err rfi_loop_start(struct rfi_loop *loop, unsigned index)
{
    loop->index = index;
    return start_thread(loop, &loop->thread);
}

rf_err rfi_loop_replace(struct rfi_loop *loop)
{
    pthread_t fresh;
    struct rfi_retired *retired = malloc(sizeof *retired);
    if (retired == NULL)
        return RF_ENOMEM;
    rf_err err = start_thread(loop, &fresh);
    if (err != RF_OK) {
        free(retired);
        return err;
    }
    retired->thread = loop->thread;
    retired->next = loop->retired;
    loop->retired = retired;
    loop->thread = fresh;
    return RF_OK;
}

void rfi_loop_reap(struct rfi_loop *loop)
{
    struct rfi_retired **at = &loop->retired;
    while (*at != NULL) {
        struct rfi_retired *retired = *at;
        if (pthread_tryjoin_np(retired->thread, NULL) != 0) {
            at = &retired->next;
            continue;
        }
        *at = retired->next;
        free(retired);
    }
}

void rfi_loop_await(struct rfi_loop *loop)
{
    (void)pthread_mutex_lock(&loop->finish_mutex);
    while (!loop->is_over)
        (void)pthread_cond_wait(&loop->finished, &loop->finish_mutex);
    (void)pthread_mutex_unlock(&loop->finish_mutex);
}

void rfi_loop_join(struct rfi_loop *loop)
{
    (void)pthread_join(loop->thread, NULL);
    while (loop->retired != NULL) {
        struct rfi_retired *retired = loop->retired;
        loop->retired = retired->next;
        (void)pthread_join(retired->thread, NULL);
        free(retired);
    }
    /* [IO1] seq_cst: see rfi_loop_post */
    atomic_store_explicit(&loop->is_finished, true, memory_order_seq_cst);
    drain_finished(loop);
}
