/* SPDX-License-Identifier: MIT */
/* The ways in which a connection ends. Loop's thread only.
 *
 *   OURS    flush, Close frame, wait for the peer's Close frame (native TCP: half-close, wait for
 *           its end)
 *   REPLY   the peer's Close frame came: flush, Close frame, done
 *   FAILED  flush, Close frame or refusal, half-close, then read into nothing until the peer ends:
 *           a close with unread bytes would make the kernel reset, and the peer lose our reason
 *   finish  at once
 *
 * Each wait has a deadline, so a peer cannot hold a closing connection: flushing may take FLUSH_MS
 * without progress and FLUSH_ALL_MS in all, the peer's end PEER_MS. The first reason wins;
 * on_closed tells it. */
#include "net/conn.h"

#include "net/io_loop.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_MS = 5000, FLUSH_ALL_MS = 30000, PEER_MS = 2000, DISCARD_ROUNDS = 8 };

void rfi_conn_set_reason(struct rfi_conn *conn, uint16_t code, rf_err err, const char *reason)
{
    /* relaxed: senders may see it late; what they send then is freed unsent */
    atomic_store_explicit(&conn->is_close_claimed, true, memory_order_relaxed);
    if (conn->has_reason)
        return;
    conn->has_reason = true;
    conn->close_code = code;
    conn->close_err = err;
    conn->close_reason = strdup(reason);
}

static void queue_close_frame(struct rfi_conn *conn)
{
    uint8_t body[2] = {(uint8_t)(conn->close_code >> 8), (uint8_t)conn->close_code};
    rfi_conn_queue_control(conn, RFI_WS_CLOSE, body, conn->close_code != 0 ? sizeof body : 0);
}

void rfi_conn_begin_close(struct rfi_conn *conn, enum rfi_closing closing)
{
    bool is_refusal = conn->state == RFI_CONN_LOOKING && conn->out_first != NULL;
    if (conn->state == RFI_CONN_CLOSED || conn->state == RFI_CONN_CLOSING)
        return;
    if (conn->state != RFI_CONN_OPEN && !is_refusal) {
        rfi_conn_finish(conn);
        return;
    }
    rfi_conn_take_queue(conn);
    conn->state = RFI_CONN_CLOSING;
    conn->closing = closing;
    conn->parser.is_discarding = true;
    rfi_conn_drop_body(conn);
    if (conn->has_opened && conn->wire == RFI_WIRE_WEBSOCKET)
        queue_close_frame(conn);
    conn->close_cap_ns = conn->loop->now_ns + FLUSH_ALL_MS * UINT64_C(1000000);
    rfi_conn_set_deadline_in(conn, FLUSH_MS);
    if (!conn->is_blocked)
        rfi_conn_flush(conn);
    rfi_conn_advance_close(conn);
}

void rfi_conn_fail(struct rfi_conn *conn, uint16_t code, rf_err err, const char *reason)
{
    if (conn->state == RFI_CONN_CLOSING) {
        rfi_conn_finish(conn); /* bad bytes while we only wait for its Close: no more of it */
        return;
    }
    rfi_conn_set_reason(conn, code, err, reason);
    rfi_conn_begin_close(conn, RFI_CLOSING_FAILED);
}

void rfi_conn_advance_close(struct rfi_conn *conn)
{
    if (conn->state != RFI_CONN_CLOSING)
        return;
    if (conn->out_first != NULL) {
        uint64_t at_ns = conn->loop->now_ns + FLUSH_MS * UINT64_C(1000000);
        if (conn->has_progress)
            rfi_conn_set_deadline(conn, at_ns < conn->close_cap_ns ? at_ns : conn->close_cap_ns);
        conn->has_progress = false;
        rfi_conn_update_events(conn);
        return;
    }
    if (conn->closing == RFI_CLOSING_REPLY || (conn->has_peer_close && conn->has_opened)) {
        rfi_conn_finish(conn);
        return;
    }
    if (!conn->is_drained_closing) {
        conn->is_drained_closing = true;
        conn->is_blocked = false;
        if (conn->closing == RFI_CLOSING_FAILED || conn->wire == RFI_WIRE_TCP)
            (void)shutdown(conn->fd, SHUT_WR); /* fails only when the peer is gone: seen below */
        rfi_conn_set_deadline_in(conn, PEER_MS);
    }
    rfi_conn_update_events(conn);
}

void rfi_conn_discard(struct rfi_conn *conn)
{
    rfi_conn_drop_in(conn);
    uint8_t *buffer = rfi_loop_take_buffer(conn->loop);
    ssize_t got = buffer != NULL ? 1 : 0;
    for (int i = 0; i < DISCARD_ROUNDS && got > 0; i++)
        got = recv(conn->fd, buffer, RFI_READ_CHUNK_BYTES, 0);
    bool is_gone = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (buffer != NULL)
        rfi_loop_put_buffer(conn->loop, buffer);
    if (is_gone)
        rfi_conn_finish(conn);
}

static void unlink_conn(struct rfi_conn *conn)
{
    rfi_conn_set_deadline(conn, 0);
    if (!conn->is_adopted)
        return;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        conn->loop->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    conn->prev = conn->next = NULL;
}

void rfi_conn_finish(struct rfi_conn *conn)
{
    if (conn->state == RFI_CONN_CLOSED)
        return;
    rfi_conn_set_reason(conn, 0, RF_ECLOSED, "closed");
    conn->state = RFI_CONN_CLOSED;
    if (conn->loop->alone == conn)
        conn->loop->alone = conn->loop->lively = NULL;
    unlink_conn(conn);
    if (conn->fd >= 0)
        (void)close(conn->fd);
    conn->fd = -1;
    rfi_conn_release_pending(conn);
    rfi_conn_drop_in(conn);
    rfi_conn_drop_body(conn);
    rfi_conn_take_queue(conn);
    rfi_conn_drop_out(conn);
    if (conn->has_opened || conn->is_dialled)
        conn->transport->ops.on_closed(conn->transport->user, conn, conn->close_err,
                                       conn->close_reason != NULL ? conn->close_reason : "closed");
    conn->dead_next = conn->loop->dead;
    conn->loop->dead = conn;
}

void rfi_conn_break(struct rfi_conn *conn, rf_err err, const char *reason)
{
    rfi_conn_set_reason(conn, 0, err, reason);
    rfi_conn_finish(conn);
}
