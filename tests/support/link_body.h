/* SPDX-License-Identifier: MIT */
/* Hands a native frame to a link as the transport does when its end was read elsewhere: for tests that have whole frames. */
#ifndef LINK_BODY_H
#define LINK_BODY_H

#include "core/base/blocks.h"
#include "core/message/message_internal.h"
#include "net/frame.h"
#include "net/link.h"

#include <stdlib.h>
#include <string.h>

/* A frame of which no body is the end goes as it is. Head and body have memory of just their size each, so that a
 * sanitizer sees one read too far. */
static inline rf_err input_in_two(struct rfi_link *link, const uint8_t *frame, size_t size,
                                  uint64_t now_ns, rf_diag *out_diag)
{
    size_t at = rfi_frame_find_body(frame, size, size);
    if (at == 0)
        return rfi_link_input(link, frame, size, now_ns, out_diag);
    struct rfi_body body = {.block = malloc(RFI_MESSAGE_HEADROOM + size - at), .size = size - at};
    uint8_t *head = malloc(at);
    rf_err err = RF_ENOMEM;
    if (head != NULL && body.block != NULL) {
        memcpy(head, frame, at);
        memcpy(body.block + RFI_MESSAGE_HEADROOM, frame + at, size - at);
        err = rfi_link_input_body(link, head, at, &body, now_ns, out_diag);
    }
    free(head);
    rfi_block_put(body.block);
    return err;
}

#endif
