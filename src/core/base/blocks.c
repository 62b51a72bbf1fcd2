/* SPDX-License-Identifier: MIT */
/* The idle large blocks of the process, under one mutex: who handles so many bytes does not feel it. Memory is
 * allocated and freed outside of it.
 *
 * A block fits when at most a quarter of it would be left over, so that what is held is never much more than what is
 * used. It knows its size from malloc. It does not zero memory, and it gives nothing back by time. */
#include "core/base/blocks.h"

#include "core/base/pool.h"
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#ifndef RFI_POOL_PLAIN

static struct {
    pthread_mutex_t mutex; /* a leaf */
    void *idle[RFI_BLOCKS_MAX];
    size_t count, bytes;
} blocks = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *remove_locked(size_t at)
{
    void *block = blocks.idle[at];
    blocks.count--;
    memmove(&blocks.idle[at], &blocks.idle[at + 1], (blocks.count - at) * sizeof blocks.idle[0]);
    blocks.bytes -= malloc_usable_size(block);
    return block;
}

void *rfi_block_take(size_t size)
{
    void *found = NULL;
    if (size >= RFI_BLOCK_MIN && size <= RFI_BLOCK_MAX) {
        (void)pthread_mutex_lock(&blocks.mutex);
        for (size_t at = blocks.count; at > 0 && found == NULL; at--) {
            size_t here = malloc_usable_size(blocks.idle[at - 1]);
            if (here >= size && here - size <= here / 4)
                found = remove_locked(at - 1);
        }
        (void)pthread_mutex_unlock(&blocks.mutex);
    }
    return found != NULL ? found : malloc(size);
}

void rfi_block_put(void *block)
{
    void *gone[RFI_BLOCKS_MAX];
    size_t gone_count = 0;
    size_t size = block != NULL ? malloc_usable_size(block) : 0;
    if (size < RFI_BLOCK_MIN || size > RFI_BLOCK_MAX) {
        free(block);
        return;
    }
    (void)pthread_mutex_lock(&blocks.mutex);
    while (blocks.count == RFI_BLOCKS_MAX ||
           (blocks.count > 0 && blocks.bytes + size > RFI_BLOCKS_BYTES))
        gone[gone_count++] = remove_locked(0);
    blocks.idle[blocks.count++] = block;
    blocks.bytes += size;
    (void)pthread_mutex_unlock(&blocks.mutex);
    while (gone_count > 0)
        free(gone[--gone_count]);
}

void rfi_blocks_trim(void)
{
    for (;;) {
        void *block = NULL;
        (void)pthread_mutex_lock(&blocks.mutex);
        if (blocks.count > 0)
            block = remove_locked(blocks.count - 1);
        (void)pthread_mutex_unlock(&blocks.mutex);
        if (block == NULL)
            return;
        free(block);
    }
}

size_t rfi_blocks_idle_bytes(void)
{
    (void)pthread_mutex_lock(&blocks.mutex);
    size_t bytes = blocks.bytes;
    (void)pthread_mutex_unlock(&blocks.mutex);
    return bytes;
}

#else

void *rfi_block_take(size_t size)
{
    return malloc(size);
}

void rfi_block_put(void *block)
{
    free(block);
}

void rfi_blocks_trim(void)
{
}

size_t rfi_blocks_idle_bytes(void)
{
    return 0;
}

#endif
