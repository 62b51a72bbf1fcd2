/* SPDX-License-Identifier: MIT */
/* Frames of many small text messages, made by the thread that writes the texts: so they cost one item, one buffer and
 * one look of the loop together, and are masked while they are in the cache.
 *
 * Owns nothing but a store of random masks for each thread. Whoever has the buffer decides when it goes. */
#include "net/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { MASK_SIZE = 4, MASKS_IN_ADVANCE = 256 };

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

size_t rfi_frames_begin(const struct rfi_conn *conn, struct rfi_buf *frames)
{
    size_t begin = frames->size;
    size_t gap = usual_header_size(conn);
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
        rfi_ws_mask(at + header_size, size, mask, 0);
    frames->size = begin + header_size + size;
}
