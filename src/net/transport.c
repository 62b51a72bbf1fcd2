/* SPDX-License-Identifier: MIT */
/* The transport: owns the loops, the resolver and the count of pending connections; starts and
 * stops them.
 *
 * Counted: the owner holds one reference and each connection one, so that a connection which
 * somebody still holds (or a look-up that hangs in a name server) may outlive rfi_transport_free.
 * The mutex orders dials and new listeners against stop; no message passes it. Life: new, start,
 * (listen | dial)*, stop, free. */
#include "net/transport.h"

#include "core/base/clock.h"
#include "core/base/diag.h"
#include "net/io_loop.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    MESSAGE_BYTES_CAP = 1 << 30, /* offsets in a run are 32 bits wide */
    ADDRESS_SIZE_MIN = 80
};

static uint32_t value_or(uint32_t value, uint32_t fallback)
{
    return value != 0 ? value : fallback;
}

static void set_options(struct rfi_transport *transport,
                        const struct rfi_transport_options *options)
{
    struct rfi_transport_options *own = &transport->options;
    *own = *options;
    own->io_threads = value_or(options->io_threads, 1);
    if (own->io_threads > RFI_IO_THREADS_MAX)
        own->io_threads = RFI_IO_THREADS_MAX;
    own->message_bytes_max = value_or(options->message_bytes_max, 64 << 20);
    if (own->message_bytes_max > MESSAGE_BYTES_CAP)
        own->message_bytes_max = MESSAGE_BYTES_CAP;
    own->websocket_frame_bytes_max =
        value_or(options->websocket_frame_bytes_max, own->message_bytes_max);
    own->fragments_max = value_or(options->fragments_max, 1024);
    own->handshake_timeout_ms = value_or(options->handshake_timeout_ms, 5000);
    own->control_frames_per_second_max = value_or(options->control_frames_per_second_max, 50);
    own->read_budget_bytes = value_or(options->read_budget_bytes, 4 << 20);
    own->write_low_bytes = value_or(options->write_low_bytes, 256 << 10);
    transport->limits = (struct rfi_frame_limits){
        .message_bytes_max = own->message_bytes_max,
        .frame_bytes_max = own->websocket_frame_bytes_max,
        .fragments_max = own->fragments_max,
    };
}

rf_err rfi_transport_new(const struct rfi_transport_options *options,
                         const struct rfi_transport_ops *ops, void *user,
                         struct rfi_transport **out)
{
    struct rfi_transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL)
        return RF_ENOMEM;
    set_options(transport, options);
    transport->ops = *ops;
    transport->user = user;
    atomic_init(&transport->refs, 1);
    atomic_init(&transport->next_conn_id, 1);
    (void)pthread_mutex_init(&transport->mutex, NULL);
    rfi_chunks_init(&transport->chunks);
    rf_err err = rfi_pending_init(&transport->pending, options->pending_connections_max,
                                  options->pending_per_address_max);
    size_t loop_count = transport->options.io_threads;
    size_t size = loop_count * sizeof *transport->loops; /* io_threads is far below an overflow */
    if (err == RF_OK) {
        transport->loops = aligned_alloc(_Alignof(struct rfi_loop), size);
        if (transport->loops == NULL)
            err = RF_ENOMEM;
    }
    size_t ready_count = 0;
    while (err == RF_OK && ready_count < loop_count) {
        err = rfi_loop_init(&transport->loops[ready_count], transport);
        ready_count++; /* a loop that failed half-way is finished too */
    }
    if (err == RF_OK) {
        *out = transport;
        return RF_OK;
    }
    transport->options.io_threads = (uint32_t)ready_count;
    rfi_transport_unref(transport);
    return err;
}

struct rfi_transport *rfi_transport_ref(struct rfi_transport *transport)
{
    /* relaxed: whoever has a reference may make another */
    (void)atomic_fetch_add_explicit(&transport->refs, 1, memory_order_relaxed);
    return transport;
}

void rfi_transport_unref(struct rfi_transport *transport)
{
    /* [TR1] acq_rel: the last one sees what all others did */
    if (atomic_fetch_sub_explicit(&transport->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; transport->loops != NULL && i < transport->options.io_threads; i++)
        rfi_loop_fini(&transport->loops[i]);
    free(transport->loops);
    rfi_pending_fini(&transport->pending);
    rfi_chunks_fini(&transport->chunks);
    (void)pthread_mutex_destroy(&transport->mutex);
    free(transport);
}

rf_err rfi_transport_start(struct rfi_transport *transport)
{
    rf_err err = RF_OK;
    (void)pthread_mutex_lock(&transport->mutex);
    if (transport->is_started)
        err = RF_ESTATE;
    if (err == RF_OK)
        err = rfi_resolver_start(&transport->resolver);
    if (err == RF_OK)
        err = rfi_watcher_start(transport);
    for (uint32_t i = 0; err == RF_OK && i < transport->options.io_threads; i++) {
        err = rfi_loop_start(&transport->loops[i], i);
        if (err == RF_OK)
            transport->running_count = i + 1;
    }
    bool is_half = err != RF_OK && !transport->is_started;
    transport->is_started = transport->is_started || err == RF_OK;
    (void)pthread_mutex_unlock(&transport->mutex);
    if (is_half)
        rfi_transport_stop(transport, 0);
    return err;
}

rf_err rfi_transport_listen(struct rfi_transport *transport, const char *address, uint16_t port,
                            char *out_address, size_t out_size, rf_diag *out_diag)
{
    if (out_size < ADDRESS_SIZE_MIN)
        return rfi_diag_set(out_diag, RF_EINVAL, "no room for the bound address");
    struct rfi_listener *listener = NULL;
    struct rfi_loop *loop = &transport->loops[0];
    rf_err err = rfi_listener_open(address, port, &listener, out_address, out_size, out_diag);
    if (err != RF_OK)
        return err;
    (void)pthread_mutex_lock(&transport->mutex);
    /* relaxed: both are set under the mutex */
    if (!transport->is_started || transport->is_stopped ||
        atomic_load_explicit(&transport->is_deaf, memory_order_relaxed)) {
        err = rfi_diag_set(out_diag, RF_ESTATE, "the transport does not run or listens no more");
    } else {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
        listener->next = loop->listeners;
        loop->listeners = listener;
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) != 0) {
            loop->listeners = listener->next;
            err = rfi_diag_set(out_diag, RF_ESYS, "epoll: %s", strerrordesc_np(errno));
        }
    }
    (void)pthread_mutex_unlock(&transport->mutex);
    if (err != RF_OK)
        rfi_listener_close(listener);
    return err;
}

void rfi_transport_close_listeners(struct rfi_transport *transport)
{
    (void)pthread_mutex_lock(&transport->mutex);
    /* [IO3] release: pairs with the acquire in the loop */
    atomic_store_explicit(&transport->is_deaf, true, memory_order_release);
    (void)pthread_mutex_unlock(&transport->mutex);
    rfi_inbox_wake(&transport->loops[0].inbox);
}

void rfi_transport_stop(struct rfi_transport *transport, uint32_t linger_ms)
{
    (void)pthread_mutex_lock(&transport->mutex);
    bool is_first = !transport->is_stopped;
    uint64_t deadline_ns = rfi_clock_ns() + (uint64_t)linger_ms * 1000000;
    transport->is_stopped = true;
    /* relaxed: the release below publishes it */
    if (is_first) {
        atomic_store_explicit(&transport->stop_deadline_ns, deadline_ns, memory_order_relaxed);
        /* [IO2] release: pairs with the acquire in advance_stop */
        atomic_store_explicit(&transport->is_stopping, true, memory_order_release);
    }
    (void)pthread_mutex_unlock(&transport->mutex);
    if (!is_first)
        return;
    for (uint32_t i = 0; i < transport->running_count; i++)
        rfi_inbox_wake(&transport->loops[i].inbox);
    for (uint32_t i = 0; i < transport->running_count; i++)
        rfi_loop_await(&transport->loops[i]);
    rfi_watcher_stop(&transport->watcher); /* until here a loop may need another thread */
    for (uint32_t i = 0; i < transport->running_count; i++)
        rfi_loop_join(&transport->loops[i]);
    rfi_resolver_stop(transport->resolver, linger_ms);
    transport->resolver = NULL;
}

void rfi_transport_free(struct rfi_transport *transport)
{
    if (transport == NULL)
        return;
    rfi_transport_stop(transport, 0);
    rfi_transport_unref(transport);
}

void rfi_transport_note_promise(struct rfi_transport *transport)
{
    rfi_watcher_note(&transport->watcher);
}

size_t rfi_transport_pending_count(const struct rfi_transport *transport)
{
    return atomic_load_explicit(&transport->pending.count, memory_order_relaxed); /* a number */
}

struct rfi_loop *rfi_transport_pick_loop(struct rfi_transport *transport)
{
    /* relaxed: any order is round enough */
    uint32_t turn = atomic_fetch_add_explicit(&transport->next_loop, 1, memory_order_relaxed);
    return &transport->loops[turn % transport->options.io_threads];
}

static struct rfi_conn *new_dialled(struct rfi_transport *transport,
                                    const struct rfi_endpoint *endpoint, void *conn_user)
{
    struct rfi_conn_dial *dial = calloc(1, sizeof *dial);
    char peer[sizeof endpoint->host + 16];
    bool is_v6 = strchr(endpoint->host, ':') != NULL;
    (void)snprintf(peer, sizeof peer, "%s%s%s:%u", is_v6 ? "[" : "", endpoint->host,
                   is_v6 ? "]" : "", (unsigned)endpoint->port);
    struct rfi_conn *conn = dial != NULL ? rfi_conn_new(transport, true, peer) : NULL;
    if (conn == NULL) {
        free(dial);
        return NULL;
    }
    conn->dial = dial;
    conn->wire = endpoint->wire;
    rfi_conn_set_user(conn, conn_user);
    dial->conn = conn;
    dial->endpoint = *endpoint;
    memcpy(dial->job.host, endpoint->host, sizeof dial->job.host);
    dial->job.port = endpoint->port;
    dial->job.on_done = rfi_conn_resolved;
    return conn;
}

rf_err rfi_transport_dial(struct rfi_transport *transport, const struct rfi_endpoint *endpoint,
                          void *conn_user, struct rfi_conn **out)
{
    rf_err err = RF_OK;
    (void)pthread_mutex_lock(&transport->mutex);
    if (!transport->is_started || transport->is_stopped) {
        err = transport->is_stopped ? RF_ECLOSED : RF_ESTATE;
        goto out;
    }
    struct rfi_conn *conn = new_dialled(transport, endpoint, conn_user);
    if (conn == NULL) {
        err = RF_ENOMEM;
        goto out;
    }
    /* The reference of birth is the loop's; the caller's is here before on_closed may run. */
    *out = rfi_conn_ref(conn);
    (void)rfi_conn_ref(conn); /* the job's */
    rfi_conn_poke(conn, RFI_WANT_ADOPTION);
    rfi_resolver_ask(transport->resolver, &conn->dial->job);
out:
    (void)pthread_mutex_unlock(&transport->mutex);
    return err;
}
