/* SPDX-License-Identifier: MIT */
/* Reading: socket -> buffer -> whole messages -> a run.
 *
 * A connection has a read buffer only while it holds a piece of a message; between messages it
 * borrows the loop's. All whole messages of one read go up as one run. When they fill a good part
 * of the buffer the run takes the buffer itself and only the tail (a message under way) is copied;
 * a small run is copied into memory of its own size, so that what waits upstairs never holds much
 * more than it needs.
 *
 * The end of a large message is read to where it will stay, when the layer above sees from the beginning that one body
 * fills it: into a block that grows with what has come, by a factor of four from BODY_FIRST on.
 *
 *   in:    [ frame head, record heads ]   block: [ headroom | body, as it comes ... ]   in, behind: [ next frames ]
 *
 * Runs are charged to the connection's budget until they are freed, by whatever thread; over the
 * budget the loop stops reading and TCP holds the peer back. The buffer grows by what has arrived
 * (doubling, never beyond what the frame under way needs), not by what a header promises. */
#include "net/conn.h"

#include "core/base/blocks.h"
#include "core/base/pool.h"
#include "net/io_loop.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum {
    READ_ROUNDS = 1, /* per event: other connections want their turn */
    READ_ONCE_MAX = 64 << 10,
    ROOM_MIN = RFI_READ_CHUNK_BYTES / 4, /* less than this is not worth a system call */
    BODY_REST_MIN = RFI_BLOCK_MIN,       /* what must be missing of a body to read it elsewhere */
    BODY_ONCE_MAX = 256 << 10,
    BODY_FIRST = 1 << 20,
    BODY_GROWTH = 4,
    BEHIND_BODY = 4 << 10 /* the head of the next message, most likely; more would be copied */
};

struct run_box { /* a run and what freeing it needs */
    struct rfi_run run;
    size_t charge; /* to the budget */
    void *buffer;  /* a read buffer that was given away, or NULL */
    bool is_chunk; /* of the transport */
    uint16_t pool_class;
    /* then the frame array, then (copied runs) the bytes */
};

/* ---- the budget ---- */

bool rfi_conn_can_read(const struct rfi_conn *conn)
{
    /* relaxed: whoever changes them pokes the loop */
    return !atomic_load_explicit(&conn->is_paused, memory_order_relaxed) &&
           atomic_load_explicit(&conn->unfreed, memory_order_relaxed) <=
               conn->transport->options.read_budget_bytes;
}

void rfi_run_free(struct rfi_run *run)
{
    if (run == NULL)
        return;
    struct run_box *box = (struct run_box *)run; /* run is its first */
    struct rfi_conn *conn = run->conn;
    size_t budget = conn->transport->options.read_budget_bytes;
    /* relaxed: of all who give back, the one that crosses the budget pokes */
    size_t before = atomic_fetch_sub_explicit(&conn->unfreed, box->charge, memory_order_relaxed);
    if (before > budget && before - box->charge <= budget)
        rfi_conn_poke(conn, RFI_WANT_LOOK);
    if (box->is_chunk)
        rfi_chunks_put(&conn->transport->chunks, box->buffer);
    else
        rfi_block_put(box->buffer);
    rfi_block_put(run->body.block);
    rfi_pool_free(box, box->pool_class);
    rfi_conn_unref(conn);
}

/* ---- the buffer ---- */

void rfi_conn_drop_in(struct rfi_conn *conn)
{
    if (conn->in != NULL && conn->in_capacity == RFI_READ_CHUNK_BYTES)
        rfi_loop_put_buffer(conn->loop, conn->in);
    else
        rfi_block_put(conn->in);
    conn->in = NULL;
    conn->in_size = conn->in_capacity = 0;
}

bool rfi_conn_reserve_in(struct rfi_conn *conn)
{
    if (conn->in == NULL) {
        conn->in = rfi_loop_take_buffer(conn->loop);
        conn->in_capacity = conn->in != NULL ? RFI_READ_CHUNK_BYTES : 0;
        return conn->in != NULL;
    }
    if (conn->in_capacity - conn->in_size >= ROOM_MIN)
        return true;
    size_t needed = conn->in_size + RFI_READ_CHUNK_BYTES / 2;
    size_t capacity = conn->in_capacity * 2;
    if (conn->parser.payload_left < capacity - needed)
        capacity = needed + (size_t)conn->parser.payload_left;
    uint8_t *bigger = rfi_block_take(capacity);
    if (bigger == NULL)
        return false;
    size_t size = conn->in_size;
    memcpy(bigger, conn->in, size);
    rfi_conn_drop_in(conn);
    conn->in = bigger;
    conn->in_size = size;
    conn->in_capacity = capacity;
    return true;
}

/* Keep the tail in the buffer. */
static void keep_tail(struct rfi_conn *conn)
{
    conn->in_size = rfi_frame_move_tail(&conn->parser, conn->in, conn->in, conn->in_size);
    if (conn->in_size == 0)
        rfi_conn_drop_in(conn);
}

/* The buffer goes to a run: take another one for the tail. False: no memory, all is as before. */
static bool replace_buffer(struct rfi_conn *conn)
{
    size_t tail_size = rfi_frame_tail_size(&conn->parser, conn->in_size);
    uint8_t *fresh = NULL;
    size_t capacity = 0;
    if (tail_size > 0) {
        bool is_small = tail_size <= RFI_READ_CHUNK_BYTES - ROOM_MIN;
        capacity = is_small ? RFI_READ_CHUNK_BYTES : tail_size + RFI_READ_CHUNK_BYTES / 2;
        fresh = is_small ? rfi_loop_take_buffer(conn->loop) : rfi_block_take(capacity);
        if (fresh == NULL)
            return false;
    }
    conn->in_size = rfi_frame_move_tail(&conn->parser, fresh, conn->in, conn->in_size);
    conn->in = fresh;
    conn->in_capacity = capacity;
    return true;
}

/* ---- the body of a large message ---- */

void rfi_conn_drop_body(struct rfi_conn *conn)
{
    rfi_block_put(conn->body.block);
    conn->body.block = NULL;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The message under way begins the buffer: is the rest of it one body? Then that goes on in a block. False: no memory. */
static bool find_body(struct rfi_conn *conn)
{
    const struct rfi_transport *transport = conn->transport;
    size_t frame_size = 0;
    /* relaxed: a message more or less that is read the ordinary way */
    if (transport->ops.find_body == NULL || conn->body.block != NULL ||
        !rfi_frame_is_under_way(&conn->parser, BODY_REST_MIN, &frame_size) ||
        !atomic_load_explicit(&conn->is_approved, memory_order_relaxed))
        return true;
    size_t at = transport->ops.find_body(conn->in, conn->in_size, frame_size);
    if (at == 0)
        return true;
    size_t size = frame_size - at;
    size_t here = conn->in_size - at;
    size_t capacity = smaller(size, here > BODY_FIRST ? here : BODY_FIRST);
    conn->body.block = rfi_block_take(transport->options.body_headroom + capacity);
    if (conn->body.block == NULL)
        return false;
    memcpy(conn->body.block + transport->options.body_headroom, conn->in + at, here);
    conn->body.size = size;
    conn->body_here = here;
    conn->body_capacity = capacity;
    rfi_frame_cut(&conn->parser, at);
    conn->in_size = at;
    return true;
}

static bool reserve_body(struct rfi_conn *conn)
{
    if (conn->body_here < conn->body_capacity || conn->body_here == conn->body.size)
        return true;
    size_t headroom = conn->transport->options.body_headroom;
    size_t capacity = conn->body.size;
    if (capacity / BODY_GROWTH > conn->body_here)
        capacity = conn->body_here * BODY_GROWTH;
    uint8_t *bigger = realloc(conn->body.block, headroom + capacity);
    if (bigger == NULL)
        return false;
    conn->body.block = bigger;
    conn->body_capacity = capacity;
    return true;
}

/* Read on; what follows the body goes into the buffer. */
static ssize_t receive_body(struct rfi_conn *conn, size_t *out_room)
{
    uint8_t *at = conn->body.block + conn->transport->options.body_headroom + conn->body_here;
    size_t left = conn->body.size - conn->body_here;
    size_t size = smaller(smaller(left, conn->body_capacity - conn->body_here), BODY_ONCE_MAX);
    struct iovec iov[2] = {{.iov_base = at, .iov_len = size},
                           {.iov_base = conn->in + conn->in_size, .iov_len = BEHIND_BODY}};
    bool is_last = size == left;
    *out_room = size + (is_last ? (size_t)BEHIND_BODY : 0);
    ssize_t got = readv(conn->fd, iov, is_last ? 2 : 1);
    if (got <= 0)
        return got;
    size_t of_body = smaller((size_t)got, size);
    rfi_frame_take_elsewhere(&conn->parser, at, of_body);
    conn->body_here += of_body;
    conn->in_size += (size_t)got - of_body;
    conn->loop->round_bytes += of_body;
    return got;
}

/* ---- runs ---- */

static struct run_box *new_box(struct rfi_conn *conn, size_t bytes_size)
{
    struct rfi_loop *loop = conn->loop;
    size_t spans_size = loop->span_count * sizeof *loop->spans;
    uint16_t pool_class = 0;
    /* No overflow: the spans exist in memory, and bytes_size is at most a buffer. */
    size_t size = sizeof(struct run_box) + spans_size + bytes_size;
    struct run_box *box = rfi_pool_alloc(size, &pool_class);
    if (box == NULL)
        return NULL;
    memset(box, 0, sizeof *box);
    box->pool_class = pool_class;
    box->charge = size;
    box->run.conn = conn;
    box->run.frames = (struct rfi_frame_span *)(box + 1);
    box->run.frame_count = loop->span_count;
    memcpy(box->run.frames, loop->spans, spans_size);
    return box;
}

/* Hand the messages of loop->spans up. False: no memory. Leaves the tail in the buffer. */
static bool deliver(struct rfi_conn *conn)
{
    struct rfi_loop *loop = conn->loop;
    const struct rfi_frame_span *last = &loop->spans[loop->span_count - 1];
    size_t start = loop->spans[0].offset;
    size_t size = last->offset + last->size - start;
    bool is_copied = size < conn->in_capacity / 4;
    struct run_box *box = new_box(conn, is_copied ? size : 0);
    if (box == NULL)
        return false;
    if (is_copied) {
        box->run.bytes = (uint8_t *)(box->run.frames + loop->span_count);
        box->run.size = size;
        memcpy(box->run.bytes, conn->in + start, size);
        for (size_t i = 0; i < loop->span_count; i++)
            box->run.frames[i].offset -= (uint32_t)start;
        keep_tail(conn);
    } else {
        box->run.bytes = box->buffer = conn->in;
        box->run.size = start + size;
        box->charge += conn->in_capacity;
        box->is_chunk = conn->in_capacity == RFI_READ_CHUNK_BYTES;
        if (!replace_buffer(conn)) {
            rfi_pool_free(box, box->pool_class);
            return false;
        }
    }
    loop->round_bytes += size;
    if (conn->body.block != NULL) {
        box->charge += conn->body_capacity;
        box->run.body = conn->body;
        conn->body.block = NULL;
    }
    (void)rfi_conn_ref(conn); /* the run's */
    /* relaxed: see rfi_run_free */
    (void)atomic_fetch_add_explicit(&conn->unfreed, box->charge, memory_order_relaxed);
    conn->transport->ops.on_run(conn->transport->user, conn, &box->run);
    return true;
}

static bool add_span(struct rfi_loop *loop, const struct rfi_frame_span *span)
{
    if (loop->span_count == loop->span_capacity) {
        size_t capacity = loop->span_capacity > 0 ? loop->span_capacity * 2 : 256;
        struct rfi_frame_span *bigger = realloc(loop->spans, capacity * sizeof *bigger);
        if (bigger == NULL)
            return false;
        loop->spans = bigger;
        loop->span_capacity = capacity;
    }
    loop->spans[loop->span_count++] = *span;
    return true;
}

/* ---- control frames ---- */

/* One more ping or pong. False: the peer sends too many. */
static bool count_control(struct rfi_conn *conn)
{
    uint64_t now_ns = conn->loop->now_ns;
    if (now_ns - conn->control_window_ns >= UINT64_C(1000000000)) {
        conn->control_window_ns = now_ns;
        conn->control_count = 0;
    }
    return ++conn->control_count <= conn->transport->options.control_frames_per_second_max;
}

static void handle_peer_close(struct rfi_conn *conn)
{
    const struct rfi_frame_parser *parser = &conn->parser;
    char reason[RFI_WS_CONTROL_MAX + 64];
    if (conn->state == RFI_CONN_CLOSING) {
        conn->has_peer_close = true;
        rfi_conn_drop_in(conn);
        rfi_conn_advance_close(conn);
        return;
    }
    if (parser->close_code == 0)
        (void)snprintf(reason, sizeof reason, "closed by the peer");
    else
        (void)snprintf(reason, sizeof reason, "closed by the peer (%u%s%.*s)",
                       (unsigned)parser->close_code, parser->control_size > 0 ? ": " : "",
                       (int)parser->control_size, (const char *)parser->control);
    conn->has_peer_close = true;
    rfi_conn_set_reason(conn, parser->close_code, RF_ECLOSED, reason);
    rfi_conn_begin_close(conn, RFI_CLOSING_REPLY);
}

/* ---- reading ---- */

/* Parse all that is here; messages go to loop->spans. Returns what stopped it. */
static enum rfi_frame_event collect(struct rfi_conn *conn)
{
    struct rfi_frame_parser *parser = &conn->parser;
    const struct rfi_transport_ops *ops = &conn->transport->ops;
    for (;;) {
        enum rfi_frame_event event = rfi_frame_parse(parser, conn->in, conn->in_size);
        if (event == RFI_FRAME_MESSAGE) {
            if (add_span(conn->loop, &parser->message))
                continue;
            parser->close_code = RFI_CLOSE_INTERNAL;
            parser->fail_err = RF_ENOMEM;
            parser->fail_reason = "out of memory for what came in";
            return RFI_FRAME_FAIL;
        }
        if (event != RFI_FRAME_PING && event != RFI_FRAME_PONG)
            return event;
        if (!count_control(conn)) {
            parser->close_code = RFI_CLOSE_POLICY;
            parser->fail_err = RF_ELIMIT;
            parser->fail_reason = "too many control frames in a second";
            return RFI_FRAME_FAIL;
        }
        if (event == RFI_FRAME_PING && conn->state == RFI_CONN_OPEN)
            rfi_conn_queue_control(conn, RFI_WS_PONG, parser->control, parser->control_size);
        else if (event == RFI_FRAME_PONG && ops->on_pong != NULL)
            ops->on_pong(conn->transport->user, conn);
    }
}

void rfi_conn_parse(struct rfi_conn *conn)
{
    struct rfi_loop *loop = conn->loop;
    loop->span_count = 0;
    enum rfi_frame_event stop = collect(conn);
    /* relaxed: a close from another thread may come a moment later anyhow; from a callback of ours
     * it is seen */
    bool is_wanted = conn->state == RFI_CONN_OPEN &&
                     !atomic_load_explicit(&conn->is_close_claimed, memory_order_relaxed);
    if (loop->span_count > 0 && is_wanted) {
        if (!deliver(conn)) {
            rfi_conn_fail(conn, RFI_CLOSE_INTERNAL, RF_ENOMEM, "out of memory for what came in");
            return;
        }
    } else if (conn->in != NULL) {
        keep_tail(conn);
    }
    rfi_conn_drop_body(conn); /* of a message that nobody wanted */
    if (stop == RFI_FRAME_CLOSE)
        handle_peer_close(conn);
    else if (stop == RFI_FRAME_FAIL)
        rfi_conn_fail(conn, conn->parser.close_code, conn->parser.fail_err,
                      conn->parser.fail_reason);
}

static void handle_no_bytes(struct rfi_conn *conn, ssize_t got, int error)
{
    if (got < 0 && (error == EAGAIN || error == EINTR)) {
        if (conn->in_size == 0)
            rfi_conn_drop_in(conn);
        return;
    }
    if (got == 0)
        rfi_conn_break(conn, RF_ECLOSED, "the peer closed the connection");
    else
        rfi_conn_break(conn, RF_ECLOSED, strerrordesc_np(error));
}

static ssize_t receive(struct rfi_conn *conn, size_t *out_room)
{
    *out_room = smaller(conn->in_capacity - conn->in_size, READ_ONCE_MAX);
    ssize_t got = recv(conn->fd, conn->in + conn->in_size, *out_room, 0);
    if (got > 0)
        conn->in_size += (size_t)got;
    return got;
}

/* Bytes came: false when this connection's turn is over. */
static bool take_read(struct rfi_conn *conn, bool is_full)
{
    if (conn->body.block == NULL || conn->parser.payload_left == 0)
        rfi_conn_parse(conn);
    if (conn->state == RFI_CONN_OPEN && !find_body(conn))
        rfi_conn_fail(conn, RFI_CLOSE_INTERNAL, RF_ENOMEM, "out of memory for a large message");
    if (conn->state == RFI_CONN_CLOSED || !is_full)
        return false;
    if (conn->state == RFI_CONN_OPEN && !rfi_conn_can_read(conn))
        return false;
    return conn->state != RFI_CONN_CLOSING ||
           (conn->closing == RFI_CLOSING_OURS && !conn->has_peer_close);
}

void rfi_conn_read(struct rfi_conn *conn)
{
    for (int round = 0; round < READ_ROUNDS; round++) {
        if (!rfi_conn_reserve_in(conn) || !reserve_body(conn)) {
            rfi_conn_fail(conn, RFI_CLOSE_INTERNAL, RF_ENOMEM, "out of memory for reading");
            return;
        }
        size_t room = 0;
        ssize_t got = conn->body.block != NULL ? receive_body(conn, &room) : receive(conn, &room);
        conn->loop->has_read |= got >= 0 || errno != EAGAIN;
        if (got <= 0) {
            handle_no_bytes(conn, got, errno);
            return;
        }
        if (!take_read(conn, (size_t)got == room))
            break;
    }
    if (conn->state == RFI_CONN_OPEN && conn->out_first != NULL && !conn->is_blocked)
        rfi_conn_flush(conn); /* pongs */
}
