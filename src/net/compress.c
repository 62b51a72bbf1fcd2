/* SPDX-License-Identifier: MIT */
/* Compressed parts, by libzstd, whose only home this is.
 *
 * Owns the two contexts. What a peer can make us spend is bounded before zstd sees a byte: a part tells its size, which
 * is compared with its limit and with what its frame may still have; and the result is written straight into that
 * room, so the window that a zstd frame asks for costs nothing, and a frame that would give more than its part says is
 * stopped at the end of the room. */
#include "net/compress.h"

#include "core/base/diag.h"
#include "net/frame.h"

#include <zstd.h>

void rfi_zstd_init(struct rfi_zstd *zstd)
{
    *zstd = (struct rfi_zstd){0};
}

void rfi_zstd_fini(struct rfi_zstd *zstd)
{
    (void)ZSTD_freeCCtx(zstd->writer);
    (void)ZSTD_freeDCtx(zstd->reader);
    rfi_zstd_init(zstd);
}

static size_t write_head(uint8_t *at, size_t size, bool has_more)
{
    uint8_t *from = at;
    *at++ = RFI_PACKED_FRAME;
    *at++ = has_more ? RFI_PACKED_MORE : 0;
    for (; size >= 0x80; size >>= 7)
        *at++ = (uint8_t)(size | 0x80);
    *at++ = (uint8_t)size;
    return (size_t)(at - from);
}

rf_err rfi_zstd_pack(struct rfi_zstd *zstd, int level, const uint8_t *bytes, size_t size,
                     bool has_more, struct rfi_buf *out)
{
    size_t bound = ZSTD_compressBound(size);
    uint8_t *at = rfi_buf_reserve(out, RFI_PACKED_HEAD_MAX + bound);
    if (zstd->writer == NULL)
        zstd->writer = ZSTD_createCCtx();
    if (at == NULL || zstd->writer == NULL)
        return RF_ENOMEM;
    size_t head_size = write_head(at, size, has_more);
    size_t packed = ZSTD_compressCCtx(zstd->writer, at + head_size, bound, bytes, size, level);
    if (ZSTD_isError(packed))
        return RF_ENOMEM; /* there is room for the worst case: nothing else can fail */
    out->size += head_size + packed;
    return RF_OK;
}

static rf_err refuse(rf_diag *diag, rf_err err, const char *reason)
{
    return rfi_diag_set(diag, err, "compressed frame: %s", reason);
}

rf_err rfi_zstd_unpack(struct rfi_zstd *zstd, const uint8_t *part, size_t size, size_t room,
                       struct rfi_buf *out, bool *out_has_more, rf_diag *out_diag)
{
    struct rfi_frame_reader reader;
    rfi_frame_reader_init(&reader, part, size);
    uint8_t type = rfi_frame_get_u8(&reader);
    uint8_t flags = rfi_frame_get_u8(&reader);
    uint64_t plain = rfi_frame_get_varint(&reader);
    if (reader.reason != NULL)
        return refuse(out_diag, RF_EPROTO, reader.reason);
    if (type != RFI_PACKED_FRAME || (flags & ~RFI_PACKED_MORE) != 0)
        return refuse(out_diag, RF_EPROTO, "unknown flags");
    if (plain == 0)
        return refuse(out_diag, RF_EPROTO, "a part without bytes");
    if (plain > RFI_PACKED_PART_MAX)
        return refuse(out_diag, RF_ELIMIT, "a part is larger than parts may be");
    if (plain > room)
        return refuse(out_diag, RF_ELIMIT, "its parts are more than a frame may have");
    const uint8_t *from = part + reader.at;
    size_t left = size - reader.at;
    if (ZSTD_findFrameCompressedSize(from, left) != left)
        return refuse(out_diag, RF_EPROTO, "a part is not one whole zstd frame");
    uint8_t *at = rfi_buf_reserve(out, (size_t)plain);
    if (zstd->reader == NULL)
        zstd->reader = ZSTD_createDCtx();
    if (at == NULL || zstd->reader == NULL)
        return refuse(out_diag, RF_ENOMEM, "out of memory");
    size_t got = ZSTD_decompressDCtx(zstd->reader, at, (size_t)plain, from, left);
    if (ZSTD_isError(got) || got != plain)
        return refuse(out_diag, RF_EPROTO,
                      ZSTD_isError(got) ? ZSTD_getErrorName(got) : "a part has less than it says");
    out->size += got;
    *out_has_more = (flags & RFI_PACKED_MORE) != 0;
    return RF_OK;
}
