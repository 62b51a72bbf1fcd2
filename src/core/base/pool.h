/* SPDX-License-Identifier: MIT */
/* Memory for messages and deliveries: blocks of six fixed sizes, from a cache of the calling thread
 * over a depot that all threads share.
 *
 *   thread: [active 0..64] [spares of 64 each]  --a batch of 64, one lock-->  depot: batch, batch, …
 *
 * Any thread may free what another one took: the blocks gather in the cache of the thread that frees
 * and go back by way of the depot. Its lock is taken once for a batch, never for a block. What a thread
 * frees and takes in waves stays in its spares: a batch out of the depot is in another core's cache.
 * Blocks come from slabs (slab.h). The depot keeps at most RFI_POOL_DEPOT_BYTES of each class and
 * gives what comes above back to the slabs.
 *
 * Bound on idle memory: 6 x RFI_POOL_DEPOT_BYTES, and for each thread that used the pool
 * 64 blocks of each class and RFI_POOL_SPARE_BYTES of spares, or one spare if that is more (604 KiB).
 * A thread that ends gives its cache back.
 *
 * Under a sanitizer (RFI_POOL_PLAIN) every block is a plain malloc and free, so that use after free
 * and leaks are seen. */
#ifndef RFI_POOL_H
#define RFI_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RFI_POOL_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define RFI_POOL_PLAIN 1
#endif
#endif

enum {
    RFI_POOL_CLASS_COUNT = 6,        /* 64, 128, 256, 512, 1024, 2048 bytes */
    RFI_POOL_LARGE = 6,              /* the class of what comes from rfi_block_take (blocks.h) */
    RFI_POOL_BLOCK_MIN = 64,         /* bytes of class 0; each class doubles */
    RFI_POOL_BATCH = 64,             /* blocks */
    RFI_POOL_SPARE_BYTES = 32 << 10, /* kept by each thread, per class */
    RFI_POOL_DEPOT_BYTES = 2 << 20   /* kept idle, per class */
};

struct rfi_pool_block { /* how a free block is used */
    struct rfi_pool_block *next;
    struct rfi_pool_block *next_batch; /* in the first block of a batch */
    size_t count;                      /* in that of a batch in the depot: its blocks */
};

struct rfi_pool_bin {
    struct rfi_pool_block *active;
    struct rfi_pool_block *spares; /* whole batches, linked by next_batch */
    uint32_t active_count, spare_count;
    uint32_t limit; /* RFI_POOL_BATCH; 0 until the thread has registered, and after its end */
};

struct rfi_pool_cache {
    struct rfi_pool_bin bins[RFI_POOL_CLASS_COUNT];
};

#ifndef RFI_POOL_PLAIN
/* owner: the calling thread */
extern _Thread_local struct rfi_pool_cache rfi_pool_cache
    __attribute__((tls_model("initial-exec")));
#endif

/* The paths that leave the cache; call them by way of the inline functions only. */
void *rfi_pool_alloc_slow(size_t size, uint16_t size_class);
void rfi_pool_free_slow(void *block, uint16_t size_class);

/* Give the cache of this thread and all of the depot back to malloc. Any thread. */
void rfi_pool_trim(void);
/* Idle bytes in the depot, over all classes (for tests and counters). Any thread. */
size_t rfi_pool_depot_bytes(void);

static inline uint16_t rfi_pool_class(size_t size)
{
    if (size <= RFI_POOL_BLOCK_MIN)
        return 0;
    if (size > (size_t)RFI_POOL_BLOCK_MIN << (RFI_POOL_CLASS_COUNT - 1))
        return RFI_POOL_LARGE;
    return (uint16_t)(58 - __builtin_clzll((unsigned long long)size - 1));
}

/* At least `size` bytes, aligned as malloc aligns; NULL when memory is out. Any thread; never blocks
 * but for the depot's short lock. */
static inline void *rfi_pool_alloc(size_t size, uint16_t *out_class)
{
    uint16_t size_class = rfi_pool_class(size);
    *out_class = size_class;
#ifndef RFI_POOL_PLAIN
    if (__builtin_expect(size_class != RFI_POOL_LARGE, 1)) {
        struct rfi_pool_bin *bin = &rfi_pool_cache.bins[size_class];
        struct rfi_pool_block *block = bin->active;
        if (__builtin_expect(block != NULL, 1)) {
            bin->active = block->next;
            bin->active_count--;
            __builtin_prefetch(block->next, 1);
            return block;
        }
    }
    return rfi_pool_alloc_slow(size, size_class);
#else
    return malloc(size);
#endif
}

/* `size_class` is what rfi_pool_alloc gave. NULL is allowed. Any thread. */
static inline void rfi_pool_free(void *block, uint16_t size_class)
{
#ifndef RFI_POOL_PLAIN
    if (__builtin_expect(size_class < RFI_POOL_LARGE && block != NULL, 1)) {
        struct rfi_pool_bin *bin = &rfi_pool_cache.bins[size_class];
        if (__builtin_expect(bin->active_count < bin->limit, 1)) {
            struct rfi_pool_block *free_block = block;
            free_block->next = bin->active;
            bin->active = free_block;
            bin->active_count++;
            return;
        }
    }
    rfi_pool_free_slow(block, size_class);
#else
    (void)size_class;
    free(block);
#endif
}

#endif
