/* SPDX-License-Identifier: MIT */
/* The idle buffers of a transport, newest first: its pages are the warmest. Any thread, under the mutex; a chunk that
 * is taken belongs to the taker alone. Under a sanitizer none is kept, so that use after free is seen. */
#include "net/chunks.h"

#include "core/base/pool.h"

void rfi_chunks_init(struct rfi_chunks *chunks)
{
    (void)pthread_mutex_init(&chunks->mutex, NULL);
    chunks->count = 0;
}

void rfi_chunks_fini(struct rfi_chunks *chunks)
{
    while (chunks->count > 0)
        free(chunks->idle[--chunks->count]);
    (void)pthread_mutex_destroy(&chunks->mutex);
}

uint8_t *rfi_chunks_take(struct rfi_chunks *chunks)
{
    uint8_t *chunk = NULL;
    (void)pthread_mutex_lock(&chunks->mutex);
    if (chunks->count > 0)
        chunk = chunks->idle[--chunks->count];
    (void)pthread_mutex_unlock(&chunks->mutex);
    return chunk != NULL ? chunk : malloc(RFI_CHUNK_BYTES);
}

void rfi_chunks_put(struct rfi_chunks *chunks, uint8_t *chunk)
{
#ifndef RFI_POOL_PLAIN
    (void)pthread_mutex_lock(&chunks->mutex);
    if (chunks->count < RFI_CHUNKS_MAX) {
        chunks->idle[chunks->count++] = chunk;
        chunk = NULL;
    }
    (void)pthread_mutex_unlock(&chunks->mutex);
#else
    (void)chunks;
#endif
    free(chunk);
}
