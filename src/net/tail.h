/* SPDX-License-Identifier: MIT */
/* The end of a frame that is not copied: the body of a large message, written to the socket from where it lies, and read
 * from it to where it stays. */
#ifndef RFI_TAIL_H
#define RFI_TAIL_H

#include <stddef.h>
#include <stdint.h>

struct rfi_tail {
    uint8_t *data; /* only read; NULL: there is none */
    size_t size;
    void (*release)(void *owner); /* once, on any thread, when the bytes are not needed any more */
    void *owner;
};

static inline void rfi_tail_release(const struct rfi_tail *tail)
{
    if (tail->data != NULL)
        tail->release(tail->owner);
}

/* The end of a large message, received into a block of its own (find_body of transport.h). */
struct rfi_body {
    uint8_t *block; /* of base/blocks.h; NULL: there is none */
    size_t size;    /* it lies at block + body_headroom */
};

#endif
