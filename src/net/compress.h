/* SPDX-License-Identifier: MIT */
/* One part of a compressed frame: how it is written and read. docs/protocol.md draws it.
 *
 *   part = u8 0x81, u8 flags, varint size, one zstd frame that gives `size` bytes
 *
 * Each part stands for itself: nothing is remembered from one to the next, so one pair of contexts does for all links of
 * a thread, and a lost connection loses no state. Pure code but for the memory of the contexts. */
#ifndef RFI_COMPRESS_H
#define RFI_COMPRESS_H

#include "core/base/buf.h"

enum {
    RFI_PACKED_FRAME = 0x81, /* the type: a reader that does not know it must not go on */
    RFI_PACKED_MORE = 0x01,  /* flag: the next part belongs to the same frame */
    RFI_PACKED_PART_MAX = 128 << 10,
    RFI_PACKED_HEAD_MAX = 5
};

/* The contexts of one thread at a time, made when they are first needed. */
struct rfi_zstd {
    void *writer, *reader;
};

void rfi_zstd_init(struct rfi_zstd *zstd);
void rfi_zstd_fini(struct rfi_zstd *zstd);
/* Append a part of 1 to RFI_PACKED_PART_MAX bytes to `out`. RF_ENOMEM. */
RF_NODISCARD rf_err rfi_zstd_pack(struct rfi_zstd *zstd, int level, const uint8_t *bytes,
                                  size_t size, bool has_more, struct rfi_buf *out);
/* Append what a part holds to `out`, at most `room` bytes. RF_ELIMIT: it would be more, and no memory was taken for
 * it. RF_EPROTO: it is no part. RF_ENOMEM. */
RF_NODISCARD rf_err rfi_zstd_unpack(struct rfi_zstd *zstd, const uint8_t *part, size_t size,
                                    size_t room, struct rfi_buf *out, bool *out_has_more,
                                    rf_diag *out_diag);

#endif
