/* SPDX-License-Identifier: MIT */
/* Where the blocks of the pool (pool.h) come from: slabs of RFI_SLAB_BYTES, aligned to that size, so that the slab
 * of a block is found by its address.
 *
 *   slab: [ head | block | block | … | not carved yet ]
 *
 * Blocks begin on a cache line and share none with each other: two threads that work on neighbouring blocks do not
 * take the line from each other, and a small message is one line. A slab whose blocks have all come back is freed;
 * one with some that came back serves the next who ask. Memory that was never carved is never touched. */
#ifndef RFI_SLAB_H
#define RFI_SLAB_H

#include <pthread.h>
#include <stddef.h>

enum { RFI_SLAB_BYTES = 32 << 10, RFI_SLAB_LINE = 64 };

struct rfi_slab;
struct rfi_pool_block; /* free blocks, linked by next; in pool.h */

/* The slabs of one block size. Statically initialised: RFI_SLABS_INIT. */
struct rfi_slabs {
    pthread_mutex_t mutex;    /* leaf; no memory is allocated or freed under it */
    struct rfi_slab *partial; /* under mutex: slabs that have blocks to give */
    size_t block_size; /* set once; a multiple of RFI_SLAB_LINE, at most RFI_SLAB_BYTES / 8 */
};

#define RFI_SLABS_INIT(size)                                                                       \
    {                                                                                              \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .block_size = (size)                                   \
    }

/* Take up to `count` blocks as a list; `*out_count` tells how many. NULL: out of memory. Any thread. */
struct rfi_pool_block *rfi_slabs_take(struct rfi_slabs *slabs, size_t count, size_t *out_count);
/* Give a list back. Any thread. */
void rfi_slabs_give(struct rfi_slabs *slabs, struct rfi_pool_block *list);

#endif
