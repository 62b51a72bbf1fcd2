/* SPDX-License-Identifier: MIT */
/* When to compress, and frames in parts.
 *
 * Compression takes time that a message should not wait for, so a frame is compressed only while the socket is behind:
 * it would have waited anyhow (a large one waits for itself, on a socket that was slow before). And it must pay: the bytes that are saved, at the pace that the socket has, take longer
 * than compressing and decompressing them does. A try that did not pay is followed by a pause, counted in
 * bytes, which doubles from try to try; so random bytes cost a try in 16 MiB, and a network that is as fast as the
 * processor stays as fast.
 *
 * A large frame is cut into parts, so that its shard is not held for longer than one of them takes. Its plain bytes are
 * where they were: only where head and tail meet, one part is put together.
 *
 * Owned by the shard of the peer; ends with the session. */
#include "net/packing.h"

#include "core/base/diag.h"

#include <string.h>

#define MIB UINT64_C(1048576)
#define MS  UINT64_C(1000000)

enum {
    PACE_HOLDS_MS = 30000,
    STUCK_RECENTLY_MS = 20, /* between two looks a socket that is behind may have caught up */
    GAIN_MIN = 8,           /* an eighth of the bytes must go */
    READING_SHARE = 2,      /* unpacking costs about half of packing */
    PAUSE_BYTES = 256 << 10,
    PAUSE_DOUBLINGS = 6,
    IN_KEPT_BYTES = 256 << 10
};

void rfi_packing_init(struct rfi_packing *packing, int level, size_t bytes_min, size_t bytes_max,
                      struct rfi_packing_stats *stats)
{
    *packing = (struct rfi_packing){
        .level = level, .bytes_min = bytes_min, .bytes_max = bytes_max, .stats = stats};
}

static void drop_rest(struct rfi_packing *packing)
{
    rfi_tail_release(&packing->tail);
    packing->tail = (struct rfi_tail){.data = NULL};
    rfi_buf_fini(&packing->rest);
    packing->at = 0;
}

void rfi_packing_fini(struct rfi_packing *packing)
{
    drop_rest(packing);
    rfi_buf_fini(&packing->part);
    rfi_buf_fini(&packing->in);
}

/* ---- is it worth it? ---- */

/* The frame would wait: the socket is behind, or will be as soon as it has the front of this frame. */
static bool would_wait(const struct rfi_packing *packing, size_t size, uint64_t now_ns)
{
    const struct rfi_pace *pace = &packing->pace;
    if (pace->ns_per_mib == 0)
        return false;
    if (pace->is_stuck || now_ns <= pace->stuck_at_ns)
        return true;
    uint64_t since_ns = now_ns - pace->stuck_at_ns;
    return since_ns <= STUCK_RECENTLY_MS * MS ||
           (size > RFI_PACE_KERNEL_BYTES && since_ns <= PACE_HOLDS_MS * MS);
}

bool rfi_packing_wants(struct rfi_packing *packing, size_t size, uint64_t now_ns)
{
    if (size < packing->bytes_min || !would_wait(packing, size, now_ns))
        return false;
    if (packing->pause_bytes == 0)
        return true;
    packing->pause_bytes -= size < packing->pause_bytes ? size : packing->pause_bytes;
    return false;
}

static bool has_gain(size_t plain, size_t packed)
{
    return packed < plain && plain - packed >= plain / GAIN_MIN;
}

void rfi_packing_judge(struct rfi_packing *packing, size_t plain, size_t packed, uint64_t cost_ns)
{
    /* No overflow: a part has 18 bits, and RFI_PACE_SLOWEST 40. */
    uint64_t saved = plain > packed ? plain - packed : 0;
    uint64_t saved_ns = saved * packing->pace.ns_per_mib / (1 << 20);
    bool pays = has_gain(plain, packed) && saved_ns > cost_ns + cost_ns / READING_SHARE;
    if (pays) {
        packing->pause_bytes = 0;
        packing->misses = 0;
        return;
    }
    packing->pause_bytes = (size_t)PAUSE_BYTES << packing->misses;
    if (packing->misses < PAUSE_DOUBLINGS)
        packing->misses++;
}

/* ---- out ---- */

/* Of what is left: parts of about the same size, so that the last one is worth it, too. */
static size_t next_part_size(size_t left)
{
    size_t parts = (left + RFI_PACKED_PART_MAX - 1) / RFI_PACKED_PART_MAX;
    return (left + parts - 1) / parts;
}

/* The `size` bytes of head and tail from `at` on, in one piece. NULL: out of memory. */
static const uint8_t *gather(struct rfi_packing *packing, const struct rfi_buf *head,
                             const struct rfi_tail *tail, size_t at, size_t size)
{
    if (at + size <= head->size)
        return head->data + at;
    if (at >= head->size)
        return tail->data + (at - head->size);
    size_t of_head = head->size - at;
    rfi_buf_clear(&packing->part);
    rfi_buf_append(&packing->part, head->data + at, of_head);
    rfi_buf_append(&packing->part, tail->data, size - of_head);
    return packing->part.is_failed ? NULL : packing->part.data;
}

static void count_out(struct rfi_packing *packing, size_t plain, size_t packed)
{
    packing->stats->sent_plain += plain;
    packing->stats->sent_packed += packed;
}

rf_err rfi_packing_begin(struct rfi_packing *packing, struct rfi_zstd *zstd, struct rfi_buf *frame,
                         const struct rfi_tail *tail, struct rfi_buf *out, size_t *out_plain)
{
    size_t all = frame->size + tail->size;
    size_t size = next_part_size(all);
    const uint8_t *bytes = gather(packing, frame, tail, 0, size);
    if (bytes == NULL)
        return RF_ENOMEM;
    rf_err err = rfi_zstd_pack(zstd, packing->level, bytes, size, size < all, out);
    if (err != RF_OK)
        return err;
    *out_plain = size;
    if (!has_gain(size, out->size))
        return RF_EAGAIN;
    count_out(packing, size, out->size);
    if (size == all) {
        rfi_tail_release(tail);
        rfi_buf_clear(frame);
        return RF_OK;
    }
    packing->rest = *frame;
    packing->tail = *tail;
    packing->at = size;
    rfi_buf_init(frame);
    return RF_OK;
}

bool rfi_packing_has_next(const struct rfi_packing *packing)
{
    return packing->rest.size > 0;
}

rf_err rfi_packing_next(struct rfi_packing *packing, struct rfi_zstd *zstd, struct rfi_buf *out)
{
    size_t left = packing->rest.size + packing->tail.size - packing->at;
    size_t size = next_part_size(left);
    const uint8_t *bytes = gather(packing, &packing->rest, &packing->tail, packing->at, size);
    if (bytes == NULL)
        return RF_ENOMEM;
    rf_err err = rfi_zstd_pack(zstd, packing->level, bytes, size, size < left, out);
    if (err != RF_OK)
        return err;
    count_out(packing, size, out->size);
    packing->at += size;
    if (size == left)
        drop_rest(packing);
    return RF_OK;
}

/* ---- in ---- */

rf_err rfi_packing_input(struct rfi_packing *packing, struct rfi_zstd *zstd, const uint8_t *bytes,
                         size_t size, struct rfi_buf *scratch, const uint8_t **out_frame,
                         size_t *out_size, rf_diag *out_diag)
{
    if (!packing->has_begun && packing->in.capacity > IN_KEPT_BYTES)
        rfi_buf_fini(&packing->in);
    bool is_packed = size > 0 && bytes[0] == RFI_PACKED_FRAME;
    if (!is_packed && packing->has_begun)
        return rfi_diag_set(out_diag, RF_EPROTO, "compressed frame: a part is missing");
    if (!is_packed) {
        *out_frame = bytes;
        *out_size = size;
        return RF_OK;
    }
    if (!packing->has_begun)
        rfi_buf_clear(&packing->in);
    rfi_buf_clear(scratch);
    /* A frame of one part needs no memory of the session's own. */
    bool will_go_on = size > 1 && (bytes[1] & RFI_PACKED_MORE) != 0;
    struct rfi_buf *to = packing->has_begun || will_go_on ? &packing->in : scratch;
    bool has_more = false;
    rf_err err =
        rfi_zstd_unpack(zstd, bytes, size, packing->bytes_max - to->size, to, &has_more, out_diag);
    if (err != RF_OK)
        return err;
    packing->stats->received_packed += size;
    packing->has_begun = has_more;
    *out_frame = has_more ? NULL : to->data;
    *out_size = has_more ? 0 : to->size;
    if (!has_more)
        packing->stats->received_plain += to->size;
    return RF_OK;
}
