/* SPDX-License-Identifier: MIT */
/* Writing: what other threads queued -> frames -> one sendmsg for as much as fits.
 *
 * Loop's thread only. An item is a message, a control frame, or raw bytes. Its frame header is made when its turn
 * comes; a WebSocket message over RFI_WS_FRAME_OUT_MAX goes out in pieces. As a client we mask in
 * place, in a buffer that rfi_conn_send took from its caller, and only as far as the next system
 * call reaches, so that the kernel copies bytes that are still in the cache.
 *
 *   item->data:  [ sent | masked, not sent | not masked | ... ]     frame_at <= sent <= frame_end
 *
 * A tail is not ours to change: it is masked on the way to a buffer of the batch, as much as that holds for each system
 * call. What the socket did not take is masked again.
 *
 * Order: items of one sender stay in order. Control frames go ahead of what has not begun. */
#include "net/conn.h"

#include "core/base/pool.h"
#include "net/io_loop.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum {
    IOV_COUNT = 256,
    BATCH_BYTES = 512 << 10,
    FLUSH_ROUNDS = 8,
    SMALL_BATCH_BYTES = 512,
    PACE_ASK_NS = 1000000
};

struct batch {
    struct iovec iov[IOV_COUNT];
    size_t count, bytes;
    uint8_t *masked; /* a chunk for masked bytes of tails; NULL: not needed yet */
    size_t masked_size;
    bool is_failed; /* no memory for it */
};

/* ---- items ---- */

static struct rfi_out_item *new_item(size_t inline_size)
{
    uint16_t pool_class = 0;
    struct rfi_out_item *item = rfi_pool_alloc(sizeof *item + inline_size, &pool_class);
    if (item == NULL)
        return NULL;
    memset(item, 0, sizeof *item);
    item->pool_class = pool_class;
    item->data = (uint8_t *)(item + 1);
    return item;
}

static void free_item(struct rfi_conn *conn, struct rfi_out_item *item)
{
    if (item->is_counted && item->sent < item->size)
        /* relaxed: a number to steer by */
        (void)atomic_fetch_sub_explicit(&conn->unsent, item->size - item->sent,
                                        memory_order_relaxed);
    if (conn->pong == item)
        conn->pong = NULL;
    rfi_tail_release(&item->tail);
    if (item->is_chunk)
        rfi_chunks_put(&conn->transport->chunks, item->data);
    else if (item->is_data_own)
        free(item->data);
    rfi_pool_free(item, item->pool_class);
}

static bool has_begun(const struct rfi_out_item *item)
{
    return item->is_raw || item->header_sent > 0 || item->sent > 0;
}

static void append_item(struct rfi_conn *conn, struct rfi_out_item *item)
{
    item->next = NULL;
    if (conn->out_last != NULL)
        conn->out_last->next = item;
    else
        conn->out_first = item;
    conn->out_last = item;
}

/* Behind what has begun, before all else. */
static void insert_item(struct rfi_conn *conn, struct rfi_out_item *item)
{
    struct rfi_out_item *before = NULL;
    for (struct rfi_out_item *at = conn->out_first; at != NULL && has_begun(at); at = at->next)
        before = at;
    item->next = before != NULL ? before->next : conn->out_first;
    if (before != NULL)
        before->next = item;
    else
        conn->out_first = item;
    if (item->next == NULL)
        conn->out_last = item;
}

void rfi_conn_take_queue(struct rfi_conn *conn)
{
    struct rfi_mpsc_node *node = NULL;
    while ((node = rfi_mpsc_pop(&conn->out_queue)) != NULL)
        append_item(conn, (struct rfi_out_item *)node); /* node is its first */
}

void rfi_conn_drop_out(struct rfi_conn *conn)
{
    struct rfi_out_item *item = conn->out_first;
    conn->out_first = conn->out_last = NULL;
    while (item != NULL) {
        struct rfi_out_item *next = item->next;
        free_item(conn, item);
        item = next;
    }
}

void rfi_conn_queue_raw(struct rfi_conn *conn, struct rfi_buf *bytes)
{
    struct rfi_out_item *item = bytes->is_failed ? NULL : new_item(0);
    if (item == NULL) {
        rfi_buf_fini(bytes);
        rfi_conn_break(conn, RF_ENOMEM, "out of memory");
        return;
    }
    item->data = bytes->data;
    item->size = bytes->size;
    item->is_data_own = true;
    item->is_raw = true;
    rfi_buf_init(bytes);
    append_item(conn, item);
}

void rfi_conn_queue_control(struct rfi_conn *conn, uint8_t opcode, const void *data, size_t size)
{
    bool is_pong = opcode == RFI_WS_PONG;
    struct rfi_out_item *item = NULL;
    if (is_pong && conn->pong != NULL && !conn->pong->has_frame)
        item = conn->pong; /* only the latest ping needs an answer (RFC 6455, 5.5.3) */
    bool is_new = item == NULL;
    if (is_new)
        item = new_item(RFI_WS_CONTROL_MAX);
    if (item == NULL)
        return; /* a control frame less: the peer's deadlines decide */
    item->opcode = opcode;
    item->size = size;
    if (size > 0)
        memcpy(item->data, data, size);
    if (!is_new)
        return;
    if (opcode == RFI_WS_CLOSE)
        append_item(conn, item);
    else
        insert_item(conn, item);
    if (is_pong)
        conn->pong = item;
}

/* ---- frames ---- */

/* The next frame of the item: its end and its header. */
static void prepare_frame(struct rfi_conn *conn, struct rfi_out_item *item)
{
    size_t left = item->size - item->sent;
    bool is_first = item->sent == 0;
    item->has_frame = true;
    item->header_sent = item->header_size = 0;
    item->frame_at = item->sent;
    item->frame_end = item->size;
    if (item->is_raw)
        return;
    if (conn->wire == RFI_WIRE_TCP) {
        item->header_size =
            (uint8_t)rfi_tcp_write_header(item->header, item->opcode, (uint32_t)item->size);
        return;
    }
    if (item->size > RFI_WS_FRAME_OUT_MAX && left > RFI_WS_PIECE_OUT)
        item->frame_end = item->sent + RFI_WS_PIECE_OUT;
    if (conn->is_dialled)
        rfi_loop_random(conn->loop, item->mask, sizeof item->mask);
    item->header_size = (uint8_t)rfi_ws_write_header(
        item->header, is_first ? item->opcode : RFI_WS_CONTINUATION, item->frame_end == item->size,
        item->frame_end - item->frame_at, conn->is_dialled ? item->mask : NULL);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void add_iov(struct batch *batch, void *data, size_t size)
{
    batch->iov[batch->count++] = (struct iovec){.iov_base = data, .iov_len = size};
    batch->bytes += size;
}

/* Bytes of a tail, masked on their way. */
static void add_masked(struct batch *batch, const struct rfi_out_item *item, size_t from,
                       size_t size)
{
    size_t data_size = item->size - item->tail.size;
    uint8_t *to = batch->masked + batch->masked_size;
    rfi_ws_mask_copy(to, item->tail.data + (from - data_size), size, item->mask,
                     from - item->frame_at);
    batch->masked_size += size;
    add_iov(batch, to, size);
}

/* What lies between item->sent and `end`: of the data, of the tail, or of both. */
static void add_piece(struct batch *batch, const struct rfi_out_item *item, size_t end,
                      bool is_masked)
{
    size_t data_size = item->size - item->tail.size;
    if (item->sent < data_size)
        add_iov(batch, item->data + item->sent, smaller(end, data_size) - item->sent);
    size_t from = item->sent > data_size ? item->sent : data_size;
    if (end <= from)
        return;
    if (is_masked)
        add_masked(batch, item, from, end - from);
    else
        add_iov(batch, item->tail.data + (from - data_size), end - from);
}

/* Masked bytes of a tail need room in the batch: it may have to end before `end`. False: no memory. */
static bool fit_masked(struct rfi_conn *conn, struct batch *batch, const struct rfi_out_item *item,
                       size_t *end)
{
    size_t data_size = item->size - item->tail.size;
    size_t from = item->sent > data_size ? item->sent : data_size;
    if (*end <= from)
        return true;
    if (batch->masked == NULL)
        batch->masked = rfi_loop_take_buffer(conn->loop);
    *end = smaller(*end, from + (RFI_READ_CHUNK_BYTES - batch->masked_size));
    return batch->masked != NULL;
}

/* Mask in place what is ours, up to `end`. */
static void mask_data(struct rfi_out_item *item, size_t end)
{
    end = smaller(end, item->size - item->tail.size);
    if (end <= item->masked)
        return;
    (void)rfi_ws_mask(item->data + item->masked, end - item->masked, item->mask,
                      item->masked - item->frame_at);
    item->masked = end;
}

/* False: the item goes on in the next batch, or (batch->is_failed) never. */
static bool add_item(struct rfi_conn *conn, struct batch *batch, struct rfi_out_item *item)
{
    if (!item->has_frame)
        prepare_frame(conn, item);
    size_t room = batch->bytes < BATCH_BYTES ? BATCH_BYTES - batch->bytes : 0;
    size_t end = item->sent + smaller(item->frame_end - item->sent, room);
    bool is_masked = rfi_conn_masks(conn) && !item->is_raw;
    if (is_masked) {
        batch->is_failed = !fit_masked(conn, batch, item, &end);
        if (batch->is_failed)
            return false;
        mask_data(item, end);
    }
    if (item->header_sent < item->header_size)
        add_iov(batch, item->header + item->header_sent,
                (size_t)item->header_size - item->header_sent);
    add_piece(batch, item, end, is_masked);
    return end == item->size;
}

/* `count` bytes are in the kernel: free what is done. Returns how many were of messages. */
static size_t advance(struct rfi_conn *conn, size_t count)
{
    size_t message_bytes = 0;
    while (count > 0 && conn->out_first != NULL) {
        struct rfi_out_item *item = conn->out_first;
        size_t of_header = smaller(count, (size_t)item->header_size - item->header_sent);
        item->header_sent = (uint8_t)(item->header_sent + of_header);
        count -= of_header;
        size_t of_data = smaller(count, item->frame_end - item->sent);
        item->sent += of_data;
        count -= of_data;
        if (item->is_counted)
            message_bytes += of_data;
        if (item->header_sent < item->header_size || item->sent < item->frame_end)
            break;
        if (item->sent < item->size) {
            item->has_frame = false; /* its next frame begins the next batch */
            break;
        }
        conn->out_first = item->next;
        if (conn->out_first == NULL)
            conn->out_last = NULL;
        free_item(conn, item);
    }
    return message_bytes;
}

static void count_sent(struct rfi_conn *conn, size_t size)
{
    size_t low = conn->transport->options.write_low_bytes;
    /* relaxed: only this thread takes off, so exactly one look sees each crossing downwards */
    size_t before = atomic_fetch_sub_explicit(&conn->unsent, size, memory_order_relaxed);
    if (before >= low && before - size < low && conn->state == RFI_CONN_OPEN)
        conn->transport->ops.on_drain(conn->transport->user, conn);
}

/* One small frame is put together here: cheaper than to have the kernel gather its pieces. */
static ssize_t send_batch(const struct rfi_conn *conn, struct batch *batch)
{
    uint8_t small[SMALL_BATCH_BYTES];
    struct msghdr message = {.msg_iov = batch->iov, .msg_iovlen = batch->count};
    size_t at = 0;
    if (batch->bytes > sizeof small)
        return sendmsg(conn->fd, &message, MSG_NOSIGNAL);
    for (size_t i = 0; i < batch->count; i++) {
        memcpy(small + at, batch->iov[i].iov_base, batch->iov[i].iov_len);
        at += batch->iov[i].iov_len;
    }
    return send(conn->fd, small, at, MSG_NOSIGNAL);
}

/* Write one batch. False: there is nothing more, the socket takes no more for now, or the connection is gone. */
static bool write_batch(struct rfi_conn *conn, struct batch *batch)
{
    batch->count = batch->bytes = batch->masked_size = 0;
    struct rfi_out_item *item = conn->out_first;
    while (item != NULL && batch->count + 3 <= IOV_COUNT && batch->bytes < BATCH_BYTES &&
           add_item(conn, batch, item))
        item = item->next;
    if (batch->is_failed) {
        rfi_conn_break(conn, RF_ENOMEM, "out of memory for what goes out");
        return false;
    }
    ssize_t sent = send_batch(conn, batch);
    if (sent < 0 && errno == EINTR)
        return true;
    if (sent < 0 && errno != EAGAIN) {
        rfi_conn_break(conn, RF_ECLOSED, strerrordesc_np(errno));
        return false;
    }
    if (sent > 0) {
        conn->has_progress = true;
        size_t message_bytes = advance(conn, (size_t)sent);
        if (message_bytes > 0)
            count_sent(conn, message_bytes);
    }
    return sent == (ssize_t)batch->bytes && conn->out_first != NULL;
}

/* The socket was blocked before this flush, or is now: see how it does. */
static void note_pace(struct rfi_conn *conn, bool is_blocked)
{
    struct rfi_pace *pace = &conn->pace;
    uint64_t now_ns = conn->loop->now_ns;
    if (now_ns - conn->pace_asked_ns >= PACE_ASK_NS) {
        uint64_t bytes_per_s = 0;
        bool was_idle = false;
        conn->pace_asked_ns = now_ns;
        rfi_pace_ask(conn->fd, &bytes_per_s, &was_idle);
        rfi_pace_add(pace, bytes_per_s, was_idle);
    }
    pace->is_stuck = is_blocked;
    pace->stuck_at_ns = now_ns;
    /* relaxed, all: numbers to steer by, each of use without the others */
    atomic_store_explicit(&conn->is_stuck, is_blocked, memory_order_relaxed);
    atomic_store_explicit(&conn->stuck_at_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&conn->ns_per_mib, pace->ns_per_mib, memory_order_relaxed);
}

void rfi_conn_flush(struct rfi_conn *conn)
{
    struct batch batch;
    batch.masked = NULL;
    batch.is_failed = false;
    for (int round = 0; round < FLUSH_ROUNDS && conn->out_first != NULL; round++)
        if (!write_batch(conn, &batch))
            break;
    if (batch.masked != NULL)
        rfi_loop_put_buffer(conn->loop, batch.masked);
    if (conn->state == RFI_CONN_CLOSED)
        return;
    /* Blocked, or over its share of this round: epoll says when to go on. */
    bool is_blocked = conn->out_first != NULL;
    if (conn->is_paced && (is_blocked || conn->pace.is_stuck))
        note_pace(conn, is_blocked);
    conn->is_blocked = is_blocked;
}
