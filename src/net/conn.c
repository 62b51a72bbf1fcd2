/* SPDX-License-Identifier: MIT */
/* A connection's life, and the functions that any thread may call.
 *
 * Counted: one reference for the loop from birth to the end of the round in which it closes, one
 * for each user, run, look-up and post under way. All socket work is done by the loop; other
 * threads leave bits in `wants` and post the connection once (RFI_WANT_POSTED) until the loop has
 * looked:
 *
 *   sender: push to out_queue; wants |= LOOK | POSTED; was not POSTED? -> ref, post
 *   loop:   wants = 0 in one exchange; then takes the queue
 *
 * so what was pushed before a bit was set is seen by the loop that sees the bit [CN1], and a burst
 * of sends costs one post. Closing is claimed by one caller; what is sent after that is dropped. */
#include "net/conn.h"

#include "core/base/pool.h"
#include "net/io_loop.h"
#include <netinet/tcp.h>
#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- any thread: rfi_conn of transport.h ---- */

struct rfi_conn *rfi_conn_ref(struct rfi_conn *conn)
{
    /* relaxed: whoever has a reference may make another */
    (void)atomic_fetch_add_explicit(&conn->refs, 1, memory_order_relaxed);
    return conn;
}

void rfi_conn_forget_dial(struct rfi_conn *conn)
{
    if (conn->dial == NULL)
        return;
    if (conn->dial->found != NULL)
        freeaddrinfo(conn->dial->found);
    free(conn->dial);
    conn->dial = NULL;
}

static void free_conn(struct rfi_conn *conn)
{
    struct rfi_transport *transport = conn->transport;
    rfi_conn_take_queue(conn);
    rfi_conn_drop_out(conn);
    rfi_conn_forget_dial(conn);
    free(conn->asked_reason);
    free(conn->close_reason);
    free(conn);
    rfi_transport_unref(transport);
}

void rfi_conn_unref(struct rfi_conn *conn)
{
    /* [CN2] acq_rel: the last one sees what all others did before they let go */
    if (conn != NULL && atomic_fetch_sub_explicit(&conn->refs, 1, memory_order_acq_rel) == 1)
        free_conn(conn);
}

void rfi_conn_set_user(struct rfi_conn *conn, void *user)
{
    /* [CN3] release: what `user` points to is whole; pairs with the acquire in rfi_conn_user */
    atomic_store_explicit(&conn->user, user, memory_order_release);
}

void *rfi_conn_user(const struct rfi_conn *conn)
{
    return atomic_load_explicit(&conn->user, memory_order_acquire); /* [CN3] acquire */
}

bool rfi_conn_is_dialled(const struct rfi_conn *conn)
{
    return conn->is_dialled;
}

bool rfi_conn_is_same_host(const struct rfi_conn *conn)
{
    return conn->is_same_host;
}

enum rfi_wire rfi_conn_wire(const struct rfi_conn *conn)
{
    return conn->wire;
}

const char *rfi_conn_peer(const struct rfi_conn *conn)
{
    return conn->peer;
}

uint64_t rfi_conn_id(const struct rfi_conn *conn)
{
    return conn->id;
}

void rfi_conn_poke(struct rfi_conn *conn, uint32_t wants)
{
    /* [CN1] acq_rel: publishes what the caller left for the loop; pairs with the loop's exchange */
    uint32_t before =
        atomic_fetch_or_explicit(&conn->wants, wants | RFI_WANT_POSTED, memory_order_acq_rel);
    if ((before & RFI_WANT_POSTED) == 0)
        rfi_loop_post(conn->loop, &rfi_conn_ref(conn)->poke_node);
}

void rfi_conn_release_pending(struct rfi_conn *conn)
{
    /* [CN4] acq_rel: exactly one of approve and finish gives the place back */
    if (!atomic_exchange_explicit(&conn->is_pending, false, memory_order_acq_rel))
        return;
    char key[RFI_PENDING_KEY_SIZE];
    rfi_pending_key(&conn->address.any, key);
    rfi_pending_remove(&conn->transport->pending, key);
}

void rfi_conn_approve(struct rfi_conn *conn)
{
    /* relaxed: the loop only compares it when a deadline fires */
    atomic_store_explicit(&conn->is_approved, true, memory_order_relaxed);
    rfi_conn_release_pending(conn);
}

/* No more messages: the end was asked for, or came. */
bool rfi_conn_is_ending(struct rfi_conn *conn)
{
    /* relaxed: a send that races with the close may fall on either side */
    return atomic_load_explicit(&conn->is_close_claimed, memory_order_relaxed);
}

void rfi_conn_post_item(struct rfi_conn *conn, struct rfi_out_item *item)
{
    item->is_counted = true;
    /* relaxed: a number to steer by; the queue carries the order */
    (void)atomic_fetch_add_explicit(&conn->unsent, item->size, memory_order_relaxed);
    (void)rfi_mpsc_push(&conn->out_queue, &item->node);
    rfi_conn_poke(conn, RFI_WANT_LOOK);
}

void rfi_conn_send(struct rfi_conn *conn, enum rfi_opcode opcode, struct rfi_buf *message)
{
    const struct rfi_tail none = {.data = NULL};
    rfi_conn_send_tail(conn, opcode, message, &none);
}

bool rfi_conn_masks(const struct rfi_conn *conn)
{
    return conn->is_dialled && conn->wire == RFI_WIRE_WEBSOCKET;
}

void rfi_conn_send_tail(struct rfi_conn *conn, enum rfi_opcode opcode, struct rfi_buf *message,
                        const struct rfi_tail *tail)
{
    if (rfi_conn_is_ending(conn)) {
        rfi_buf_fini(message);
        rfi_buf_init(message);
        rfi_tail_release(tail);
        return;
    }
    uint16_t pool_class = 0;
    struct rfi_out_item *item = NULL;
    if (!message->is_failed && message->size + tail->size < UINT32_MAX)
        item = rfi_pool_alloc(sizeof *item, &pool_class);
    if (item == NULL) {
        rfi_buf_fini(message);
        rfi_buf_init(message);
        rfi_tail_release(tail);
        rfi_conn_poke(conn, RFI_WANT_NO_MEMORY);
        return;
    }
    memset(item, 0, sizeof *item);
    item->pool_class = pool_class;
    item->data = message->data;
    item->tail = *tail;
    item->size = message->size + tail->size;
    item->opcode = (uint8_t)opcode;
    item->is_data_own = true;
    rfi_buf_init(message);
    rfi_conn_post_item(conn, item);
}

size_t rfi_conn_unsent(const struct rfi_conn *conn)
{
    return atomic_load_explicit(&conn->unsent, memory_order_relaxed); /* relaxed: see send */
}

void rfi_conn_watch_pace(struct rfi_conn *conn)
{
    rfi_conn_poke(conn, RFI_WANT_PACE);
}

void rfi_conn_get_pace(const struct rfi_conn *conn, struct rfi_pace *out)
{
    /* relaxed, all: numbers to steer by */
    out->is_stuck = atomic_load_explicit(&conn->is_stuck, memory_order_relaxed);
    out->stuck_at_ns = atomic_load_explicit(&conn->stuck_at_ns, memory_order_relaxed);
    out->ns_per_mib = atomic_load_explicit(&conn->ns_per_mib, memory_order_relaxed);
}

void rfi_conn_pause(struct rfi_conn *conn, bool is_paused)
{
    /* relaxed: the poke orders it for the loop */
    atomic_store_explicit(&conn->is_paused, is_paused, memory_order_relaxed);
    rfi_conn_poke(conn, RFI_WANT_LOOK);
}

void rfi_conn_ping(struct rfi_conn *conn)
{
    if (!rfi_conn_is_ending(conn))
        rfi_conn_poke(conn, RFI_WANT_PING);
}

void rfi_conn_close(struct rfi_conn *conn, uint16_t code, rf_err err, const char *reason)
{
    /* relaxed: it only picks one winner; [CN1] publishes what it writes */
    if (atomic_exchange_explicit(&conn->is_close_claimed, true, memory_order_relaxed))
        return;
    conn->asked_code = code;
    conn->asked_err = err;
    conn->asked_reason = reason != NULL ? strdup(reason) : NULL;
    rfi_conn_poke(conn, RFI_WANT_CLOSE);
}

/* ---- birth ---- */

struct rfi_conn *rfi_conn_new(struct rfi_transport *transport, bool is_dialled, const char *peer)
{
    size_t peer_size = strlen(peer) + 1;
    size_t size = offsetof(struct rfi_conn, peer) + peer_size;
    size = size < sizeof(struct rfi_conn) ? sizeof(struct rfi_conn) : size;
    size = (size + _Alignof(struct rfi_conn) - 1) / _Alignof(struct rfi_conn) *
           _Alignof(struct rfi_conn); /* as aligned_alloc wants it */
    struct rfi_conn *conn = aligned_alloc(_Alignof(struct rfi_conn), size);
    if (conn == NULL)
        return NULL;
    memset(conn, 0, size);
    memcpy(conn->peer, peer, peer_size);
    conn->source = RFI_SOURCE_CONN;
    conn->transport = rfi_transport_ref(transport);
    conn->loop = rfi_transport_pick_loop(transport);
    /* relaxed: only uniqueness counts */
    conn->id = atomic_fetch_add_explicit(&transport->next_conn_id, 1, memory_order_relaxed);
    conn->is_dialled = is_dialled;
    conn->state = is_dialled ? RFI_CONN_RESOLVING : RFI_CONN_LOOKING;
    conn->fd = -1;
    atomic_init(&conn->refs, 1);
    rfi_mpsc_init(&conn->out_queue);
    return conn;
}

void rfi_conn_accept(struct rfi_transport *transport, int fd, const struct sockaddr *address,
                     socklen_t address_size)
{
    char peer[80];
    char key[RFI_PENDING_KEY_SIZE];
    rfi_format_address(address, peer, sizeof peer);
    rfi_pending_key(address, key);
    rf_err err = rfi_pending_add(&transport->pending, key);
    if (err != RF_OK) {
        rf_log(RF_LOG_WARN, "NET-PENDING-LIMIT", "peer=%s reason=\"%s\"", peer,
               err == RF_ELIMIT ? "too many connections wait for their handshake"
                                : rf_err_text(err));
        (void)close(fd);
        return;
    }
    struct rfi_conn *conn = rfi_conn_new(transport, false, peer);
    if (conn == NULL) {
        rfi_pending_remove(&transport->pending, key);
        (void)close(fd);
        return;
    }
    conn->fd = fd;
    if (address_size > sizeof conn->address)
        address_size = sizeof conn->address; /* of no family that we listen on */
    memcpy(&conn->address, address, address_size);
    conn->address_size = address_size;
    atomic_store_explicit(&conn->is_pending, true, memory_order_relaxed); /* not shared yet */
    rfi_conn_poke(conn, RFI_WANT_ADOPTION);
    /* The reference of birth is the loop's now. */
}

static void adopt(struct rfi_conn *conn)
{
    struct rfi_loop *loop = conn->loop;
    conn->is_adopted = true;
    conn->next = loop->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    loop->conns = conn;
    if (loop->is_stopping) {
        rfi_conn_break(conn, RF_ECLOSED, "shutting down");
        return;
    }
    rfi_conn_set_deadline_in(conn, conn->transport->options.handshake_timeout_ms);
    if (!conn->is_dialled)
        rfi_conn_update_events(conn);
}

/* ---- the loop's side ---- */

static void look(struct rfi_conn *conn)
{
    rfi_conn_take_queue(conn);
    if (conn->state != RFI_CONN_OPEN && conn->state != RFI_CONN_CLOSING)
        return;
    if (conn->out_first != NULL && !conn->is_blocked)
        rfi_conn_flush(conn);
    if (conn->state == RFI_CONN_CLOSING)
        rfi_conn_advance_close(conn);
    else
        rfi_conn_update_events(conn);
}

static void handle_close(struct rfi_conn *conn)
{
    rfi_conn_take_queue(conn);
    if (!rfi_mpsc_is_empty(&conn->out_queue)) {
        /* A sender stands between the two steps of its push: what is behind must go out too. */
        rfi_conn_poke(conn, RFI_WANT_CLOSE);
        return;
    }
    rfi_conn_set_reason(conn, conn->asked_code, conn->asked_err,
                        conn->asked_reason != NULL ? conn->asked_reason : "closed");
    rfi_conn_begin_close(conn, RFI_CLOSING_OURS);
}

void rfi_conn_handle_poke(struct rfi_conn *conn)
{
    /* [CN1] acq_rel: sees what was left before any of these bits was set */
    uint32_t wants = atomic_exchange_explicit(&conn->wants, 0, memory_order_acq_rel);
    if ((wants & RFI_WANT_ADOPTION) != 0) {
        /* relaxed: set by rfi_loop_join before it drains, under the same mutex */
        if (atomic_load_explicit(&conn->loop->is_finished, memory_order_relaxed))
            rfi_conn_finish(conn);
        else
            adopt(conn);
    }
    if ((wants & RFI_WANT_CONNECT) != 0 && conn->state == RFI_CONN_RESOLVING) {
        conn->dial->at = conn->dial->found;
        rfi_conn_connect_next(conn);
    }
    if ((wants & RFI_WANT_PACE) != 0 && conn->state == RFI_CONN_OPEN) {
        conn->is_paced = true;
        rfi_pace_limit_kernel(conn->fd);
    }
    if ((wants & RFI_WANT_NO_MEMORY) != 0 && conn->state != RFI_CONN_CLOSED)
        rfi_conn_fail(conn, RFI_CLOSE_INTERNAL, RF_ENOMEM, "out of memory for a message to send");
    if ((wants & RFI_WANT_PING) != 0 && conn->state == RFI_CONN_OPEN &&
        conn->wire == RFI_WIRE_WEBSOCKET)
        rfi_conn_queue_control(conn, RFI_WS_PING, NULL, 0);
    if ((wants & RFI_WANT_CLOSE) != 0 && conn->state != RFI_CONN_CLOSED)
        handle_close(conn);
    look(conn);
    if (conn->state == RFI_CONN_CLOSED)
        rfi_conn_drop_out(conn);
    rfi_conn_unref(conn);
}

static void handle_open_events(struct rfi_conn *conn, uint32_t events)
{
    if ((events & EPOLLOUT) != 0) {
        conn->is_blocked = false;
        rfi_conn_flush(conn);
    }
    if (conn->state == RFI_CONN_OPEN && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        if (rfi_conn_can_read(conn))
            rfi_conn_read(conn);
        else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            rfi_conn_break(conn, RF_ECLOSED, "connection lost");
    }
    if (conn->state == RFI_CONN_OPEN)
        rfi_conn_update_events(conn);
}

static void handle_closing_events(struct rfi_conn *conn, uint32_t events)
{
    if ((events & EPOLLOUT) != 0) {
        conn->is_blocked = false;
        rfi_conn_flush(conn);
    }
    if (conn->state == RFI_CONN_CLOSING && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        if (conn->closing == RFI_CLOSING_OURS && conn->wire == RFI_WIRE_WEBSOCKET &&
            !conn->has_peer_close)
            rfi_conn_read(conn);
        else
            rfi_conn_discard(conn);
    }
    rfi_conn_advance_close(conn);
}

void rfi_conn_handle_events(struct rfi_conn *conn, uint32_t events)
{
    switch (conn->state) {
    case RFI_CONN_RESOLVING:
    case RFI_CONN_CLOSED: /* earlier in this round */
        break;
    case RFI_CONN_CONNECTING:
        rfi_conn_handle_connected(conn);
        break;
    case RFI_CONN_UPGRADING:
        if ((events & EPOLLOUT) != 0) {
            conn->is_blocked = false;
            rfi_conn_flush(conn);
        }
        if (conn->state == RFI_CONN_UPGRADING && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
            rfi_conn_read_upgrade(conn);
        break;
    case RFI_CONN_LOOKING:
        rfi_conn_look(conn, events);
        break;
    case RFI_CONN_OPEN:
        handle_open_events(conn, events);
        break;
    case RFI_CONN_CLOSING:
        handle_closing_events(conn, events);
        break;
    }
}

void rfi_conn_update_events(struct rfi_conn *conn)
{
    uint32_t events = conn->is_blocked ? EPOLLOUT : 0;
    switch (conn->state) {
    case RFI_CONN_RESOLVING:
    case RFI_CONN_CLOSED:
        return;
    case RFI_CONN_CONNECTING:
        events = EPOLLOUT;
        break;
    case RFI_CONN_LOOKING:
        /* Edges: bytes that were only looked at must not wake us again. */
        events = EPOLLIN | EPOLLRDHUP | EPOLLET;
        break;
    case RFI_CONN_UPGRADING:
    case RFI_CONN_CLOSING:
        events |= EPOLLIN;
        break;
    case RFI_CONN_OPEN:
        if (rfi_conn_can_read(conn))
            events |= EPOLLIN;
        break;
    }
    if (conn->is_in_epoll && events == conn->epoll_events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = conn};
    int operation = conn->is_in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(conn->loop->epoll_fd, operation, conn->fd, &event) != 0) {
        rfi_conn_break(conn, RF_ESYS, "epoll has no room");
        return;
    }
    conn->is_in_epoll = true;
    conn->epoll_events = events;
}

void rfi_conn_set_deadline(struct rfi_conn *conn, uint64_t at_ns)
{
    struct rfi_loop *loop = conn->loop;
    if (at_ns == 0) {
        rfi_heap_remove(&loop->timed, &conn->timed);
        return;
    }
    rfi_heap_set(&loop->timed, &conn->timed, at_ns);
    rfi_loop_add_deadline(loop, at_ns);
}

void rfi_conn_set_deadline_in(struct rfi_conn *conn, uint64_t ms)
{
    rfi_conn_set_deadline(conn, conn->loop->now_ns + ms * 1000000);
}

void rfi_conn_handle_deadline(struct rfi_conn *conn)
{
    switch (conn->state) {
    case RFI_CONN_RESOLVING:
        rfi_conn_break(conn, RF_ETIMEOUT, "the name was not resolved in time");
        break;
    case RFI_CONN_CONNECTING:
        (void)snprintf(conn->dial->last_error, sizeof conn->dial->last_error,
                       "not connected in time");
        conn->dial->last_err = RF_ETIMEOUT;
        conn->dial->at = conn->dial->at->ai_next;
        rfi_conn_connect_next(conn);
        break;
    case RFI_CONN_UPGRADING:
        rfi_conn_break(conn, RF_ETIMEOUT, "no answer to the WebSocket upgrade in time");
        break;
    case RFI_CONN_LOOKING:
        rf_log(RF_LOG_WARN, "NET-CONN-REFUSED", "peer=%s reason=\"no whole head in time\"",
               conn->peer);
        rfi_conn_finish(conn);
        break;
    case RFI_CONN_OPEN:
        /* relaxed: see rfi_conn_approve */
        if (!atomic_load_explicit(&conn->is_approved, memory_order_relaxed))
            rfi_conn_fail(conn, RFI_CLOSE_POLICY, RF_ETIMEOUT, "handshake not done in time");
        break;
    case RFI_CONN_CLOSING:
        rfi_conn_finish(conn);
        break;
    case RFI_CONN_CLOSED:
        break;
    }
}
