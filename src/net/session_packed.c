/* SPDX-License-Identifier: MIT */
/* Compression of a session: between the link, which makes and takes plain frames, and the connection. What is worth it
 * and what the bytes are is in packing.c and compress.c; here the socket's pace, the clock and the shard's buffers come in.
 *
 * On the shard of the peer. A turn compresses one part at most, or as much in small frames, so that the other
 * peers of the shard wait no longer than that. */
#include "net/bridge_internal.h"

#include "core/base/clock.h"

#include <stdlib.h>
#include <string.h>

uint32_t rfi_frame_bytes_max(const rf_config *config)
{
    uint32_t bytes = config->message_bytes_max > config->batch_bytes_max ? config->message_bytes_max
                                                                         : config->batch_bytes_max;
    if (bytes > UINT32_MAX - RFI_LINK_FRAME_OVERHEAD)
        bytes = UINT32_MAX - RFI_LINK_FRAME_OVERHEAD;
    return bytes + RFI_LINK_FRAME_OVERHEAD;
}

bool rfi_packed_is_offered(const struct rfi_session *session)
{
    const char *wanted = session->bridge->config->compression;
    return strcmp(wanted, "on") == 0 ||
           (strcmp(wanted, "auto") == 0 && !rfi_conn_is_same_host(session->conn));
}

rf_err rfi_packed_start(struct rfi_session *session)
{
    const rf_config *config = session->bridge->config;
    if (!session->greeting->hello.has_zstd || !rfi_packed_is_offered(session))
        return RF_OK;
    session->packing = malloc(sizeof *session->packing);
    if (session->packing == NULL)
        return RF_ENOMEM;
    rfi_packing_init(session->packing, (int)config->compression_level,
                     config->compression_bytes_min, rfi_frame_bytes_max(config),
                     &session->peer->packing_stats);
    rfi_conn_watch_pace(session->conn);
    return RF_OK;
}

void rfi_packed_stop(struct rfi_session *session)
{
    if (session->packing == NULL)
        return;
    rfi_packing_fini(session->packing);
    free(session->packing);
    session->packing = NULL;
}

void rfi_packed_begin_turn(struct rfi_session *session)
{
    rfi_conn_get_pace(session->conn, &session->packing->pace);
    session->packed_left = RFI_PACKED_PART_MAX;
}

static void count_turn(struct rfi_session *session, size_t plain)
{
    session->packed_left -= plain < session->packed_left ? plain : session->packed_left;
}

/* A copy of the right size: the worst case was made room for. False: out of memory. */
static bool send_part(struct rfi_session *session, const struct rfi_buf *part)
{
    struct rfi_buf exact = {.data = malloc(part->size), .capacity = part->size};
    if (exact.data == NULL)
        return false;
    memcpy(exact.data, part->data, part->size);
    exact.size = part->size;
    rfi_conn_send(session->conn, RFI_BINARY, &exact);
    return true;
}

bool rfi_packed_go_on(struct rfi_session *session)
{
    struct rfi_packing *packing = session->packing;
    struct rfi_shard *shard = session->peer->shard;
    if (!rfi_packing_has_next(packing))
        return false;
    uint64_t before = session->peer->packing_stats.sent_plain;
    uint64_t from_ns = rfi_clock_ns();
    rfi_buf_clear(&shard->packed);
    rf_err err = rfi_packing_next(packing, &shard->zstd, &shard->packed);
    if (err != RF_OK || !send_part(session, &shard->packed)) {
        rfi_session_end(session, 1013, RF_ENOMEM, "out of memory");
        return true;
    }
    size_t plain = (size_t)(session->peer->packing_stats.sent_plain - before);
    rfi_packing_judge(packing, plain, shard->packed.size, rfi_clock_ns() - from_ns);
    count_turn(session, plain);
    return true;
}

bool rfi_packed_send(struct rfi_session *session, struct rfi_buf *frame,
                     const struct rfi_tail *tail)
{
    struct rfi_packing *packing = session->packing;
    struct rfi_shard *shard = session->peer->shard;
    if (!rfi_packing_wants(packing, frame->size + tail->size, shard->now_ns))
        return false;
    size_t plain = 0;
    uint64_t from_ns = rfi_clock_ns();
    rfi_buf_clear(&shard->packed);
    rf_err err = rfi_packing_begin(packing, &shard->zstd, frame, tail, &shard->packed, &plain);
    if (err != RF_OK && err != RF_EAGAIN)
        return false; /* no memory for it: it goes as it is */
    rfi_packing_judge(packing, plain, shard->packed.size, rfi_clock_ns() - from_ns);
    count_turn(session, plain);
    if (err != RF_OK)
        return false;
    if (!send_part(session, &shard->packed))
        rfi_session_end(session, 1013, RF_ENOMEM, "out of memory");
    return true;
}
