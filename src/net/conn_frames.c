/* SPDX-License-Identifier: MIT */
/* Frames of many small text messages, made by the thread that writes the texts: so they cost one item, one buffer and
 * one look of the loop together, and are masked while they are in the cache.
 *
 * Owns nothing but a store of random masks for each thread. Whoever has the buffer decides when it goes. It is one of the
 * transport's chunks, unless it had to grow. */
#include "net/conn.h"

#include "core/base/blocks.h"
#include "core/base/pool.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { MASK_SIZE = 4, MASKS_IN_ADVANCE = 256, SMALL_BYTES = RFI_CHUNK_BYTES / 4 };

/* RFC 6455, 10.3: nobody may guess a mask. */
static void take_mask(uint8_t out[MASK_SIZE])
{
    static _Thread_local uint8_t store[MASK_SIZE * MASKS_IN_ADVANCE];
    static _Thread_local size_t left;
    while (left == 0) {
        ssize_t got = getrandom(store, sizeof store, 0);
        left = got > 0 ? (size_t)got / MASK_SIZE : 0; /* only a signal interrupts it */
    }
    memcpy(out, store + MASK_SIZE * --left, MASK_SIZE);
}

/* The header of texts of 126 to 65,535 bytes, as most are. */
static size_t usual_header_size(const struct rfi_conn *conn)
{
    return conn->is_dialled ? 4 + MASK_SIZE : 4;
}

size_t rfi_frames_begin(struct rfi_conn *conn, struct rfi_buf *frames)
{
    size_t begin = frames->size;
    size_t gap = usual_header_size(conn);
    if (frames->data == NULL && !frames->is_failed) {
        frames->data = rfi_chunks_take(&conn->transport->chunks);
        frames->capacity = frames->data != NULL ? RFI_CHUNK_BYTES : 0;
    }
    if (rfi_buf_reserve(frames, gap) != NULL)
        frames->size += gap;
    return begin;
}

void rfi_frames_end(const struct rfi_conn *conn, struct rfi_buf *frames, size_t begin)
{
    uint8_t header[RFI_WS_HEADER_MAX];
    uint8_t mask[MASK_SIZE];
    if (frames->is_failed)
        return;
    size_t gap = usual_header_size(conn);
    size_t size = frames->size - begin - gap;
    if (conn->is_dialled)
        take_mask(mask);
    size_t header_size =
        rfi_ws_write_header(header, RFI_TEXT, true, size, conn->is_dialled ? mask : NULL);
    if (header_size > gap && rfi_buf_reserve(frames, header_size - gap) == NULL)
        return;
    uint8_t *at = frames->data + begin;
    if (header_size != gap)
        memmove(at + header_size, at + gap, size);
    memcpy(at, header, header_size);
    if (conn->is_dialled)
        (void)rfi_ws_mask(at + header_size, size, mask, 0);
    frames->size = begin + header_size + size;
}

/* A chunk goes back to the others; a buffer that has grown is no chunk any more. */
static void drop_frames(struct rfi_conn *conn, struct rfi_buf *frames)
{
    if (frames->data != NULL && frames->capacity == RFI_CHUNK_BYTES)
        rfi_chunks_put(&conn->transport->chunks, frames->data);
    else
        rfi_block_put(frames->data);
    rfi_buf_init(frames);
}

void rfi_conn_send_frames(struct rfi_conn *conn, struct rfi_buf *frames)
{
    if (frames->size == 0 || rfi_conn_is_ending(conn)) {
        drop_frames(conn, frames);
        return;
    }
    /* What waits for the socket is bounded by its size: it must not hold much more memory than that. */
    bool is_copied = frames->size <= SMALL_BYTES;
    uint16_t pool_class = 0;
    struct rfi_out_item *item = NULL;
    if (frames->size < UINT32_MAX)
        item = rfi_pool_alloc(sizeof *item + (is_copied ? frames->size : 0), &pool_class);
    if (item == NULL) {
        drop_frames(conn, frames);
        rfi_conn_poke(conn, RFI_WANT_NO_MEMORY);
        return;
    }
    memset(item, 0, sizeof *item);
    item->pool_class = pool_class;
    item->is_raw = true;
    item->size = frames->size;
    if (is_copied) {
        item->data = (uint8_t *)(item + 1);
        memcpy(item->data, frames->data, frames->size);
        drop_frames(conn, frames);
    } else {
        item->data = frames->data;
        item->is_data_own = true;
        item->is_chunk = frames->capacity == RFI_CHUNK_BYTES;
        rfi_buf_init(frames);
    }
    rfi_conn_post_item(conn, item);
}
