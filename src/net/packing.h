/* SPDX-License-Identifier: MIT */
/* The compression of one native session: which frames are worth it, the frame that goes out in parts, and the one that
 * comes in so. A layer between the link, which knows nothing of it, and the connection. Pure: the socket's pace, the
 * time and the cost come in as arguments. docs/protocol.md has the rules. */
#ifndef RFI_PACKING_H
#define RFI_PACKING_H

#include "net/compress.h"
#include "net/pace.h"
#include "net/tail.h"

struct rfi_packing_stats { /* frames that went or came compressed: bytes without and with it */
    uint64_t sent_plain, sent_packed, received_plain, received_packed;
};

struct rfi_packing {
    /* set once */
    int level;
    size_t bytes_min; /* smaller frames go as they are */
    size_t bytes_max; /* the largest frame that we take */
    struct rfi_packing_stats *stats;
    /* is it worth it? */
    struct rfi_pace pace; /* of the socket, as last seen */
    uint64_t pause_bytes; /* so much more goes out before the next try */
    unsigned misses;      /* tries in a row that did not pay */
    /* the frame that goes out in parts; rest is empty when there is none */
    struct rfi_buf rest;
    struct rfi_tail tail; /* behind rest */
    size_t at;            /* what is out, of both */
    struct rfi_buf part;  /* of rest and tail together */
    /* the frame that comes in in parts */
    struct rfi_buf in;
    bool has_begun;
};

void rfi_packing_init(struct rfi_packing *packing, int level, size_t bytes_min, size_t bytes_max,
                      struct rfi_packing_stats *stats);
void rfi_packing_fini(struct rfi_packing *packing);

/* ---- is it worth it? ---- */
/* Shall a frame of `size` bytes be compressed: would it wait, is it large enough, no pause? */
bool rfi_packing_wants(struct rfi_packing *packing, size_t size, uint64_t now_ns);
/* `plain` bytes became `packed` in `cost_ns`. When that is no gain, what follows goes out as it is for a while. */
void rfi_packing_judge(struct rfi_packing *packing, size_t plain, size_t packed, uint64_t cost_ns);

/* ---- out ---- */
/* Compress the front of a frame into `out`, which is empty. RF_OK: send `out`; frame and tail are taken, `frame` is
 * empty. RF_EAGAIN: it hardly shrinks, all is as before; RF_ENOMEM: the same. `out_plain`: how much was tried. */
RF_NODISCARD rf_err rfi_packing_begin(struct rfi_packing *packing, struct rfi_zstd *zstd,
                                      struct rfi_buf *frame, const struct rfi_tail *tail,
                                      struct rfi_buf *out, size_t *out_plain);
/* Must rfi_packing_next come before anything else is sent? */
bool rfi_packing_has_next(const struct rfi_packing *packing);
/* The next part. RF_ENOMEM: the session must end. */
RF_NODISCARD rf_err rfi_packing_next(struct rfi_packing *packing, struct rfi_zstd *zstd,
                                     struct rfi_buf *out);

/* ---- in ---- */
/* What came, compressed or not: RF_OK gives the whole plain frame, which lies in `bytes`, in `scratch` (cleared first)
 * or in the packing and is good until the next call; NULL: it goes on with the next part. An error ends the session. */
RF_NODISCARD rf_err rfi_packing_input(struct rfi_packing *packing, struct rfi_zstd *zstd,
                                      const uint8_t *bytes, size_t size, struct rfi_buf *scratch,
                                      const uint8_t **out_frame, size_t *out_size,
                                      rf_diag *out_diag);

#endif
