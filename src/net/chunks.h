/* SPDX-License-Identifier: MIT */
/* Idle buffers of one size, for what is read and for what is written in batches: they pass from thread to thread, and
 * malloc would give each one's pages back to the system and fault them in again. */
#ifndef RFI_CHUNKS_H
#define RFI_CHUNKS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RFI_CHUNK_BYTES = 128 << 10,
    RFI_CHUNKS_MAX = 8 /* kept; what comes above is freed */
};

struct rfi_chunks {
    pthread_mutex_t mutex; /* a leaf: nothing is called with it held */
    uint8_t *idle[RFI_CHUNKS_MAX];
    size_t count;
};

void rfi_chunks_init(struct rfi_chunks *chunks);
void rfi_chunks_fini(struct rfi_chunks *chunks);
/* RFI_CHUNK_BYTES, which free() takes too; NULL: no memory. Any thread. */
uint8_t *rfi_chunks_take(struct rfi_chunks *chunks);
/* Takes it. Any thread. */
void rfi_chunks_put(struct rfi_chunks *chunks, uint8_t *chunk);

#endif
