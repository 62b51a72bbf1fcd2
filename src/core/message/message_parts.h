/* SPDX-License-Identifier: MIT */
/* Shared by the files of a message only. */
#ifndef RFI_MESSAGE_PARTS_H
#define RFI_MESSAGE_PARTS_H

#include "core/message/json_scan.h"
#include "core/message/message_internal.h"

enum { RFI_STREAM_HAS_TYPE = 1, RFI_STREAM_HAS_HINT = 2, RFI_STREAM_HEAD_SIZE = 17 };

/* Behind the body of an array message (at the next multiple of 8): what was learnt while walking it.
 * Any thread reads and writes it; each value is whole in one word and right on its own. */
struct rfi_array_memo {
    _Atomic(uint64_t) cursor;         /* index << 32 | offset of its element in the body */
    _Atomic(uint64_t) count_plus_one; /* 0: not counted yet */
};

/* Write u32 size and bytes; returns where the next part goes. */
uint8_t *rfi_message_put_part(uint8_t *at, const void *data, size_t size);
/* Read u32 size and bytes; false when they do not fit before `end`. */
bool rfi_message_get_part(const uint8_t **at, const uint8_t *end, rf_span *out);
/* Is this body of this kind in the form that message_internal.h draws? */
bool rfi_message_body_is_valid(rf_kind kind, const uint8_t *body, size_t size);

/* Read one tagged message at the cursor. False: scan->error, or scan->is_out_of_memory. */
bool rfi_message_scan_tagged(struct rfi_scan *scan, rf_message **out, bool *out_has_stream_name);

/* Is this text one JSON value that serde_json would read into a value? */
bool rfi_message_is_json(const void *text, size_t size);

#endif
