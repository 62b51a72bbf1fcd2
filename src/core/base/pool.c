/* SPDX-License-Identifier: MIT */
/* The depot behind the thread caches of pool.h, and the life of a cache.
 *
 * A cache belongs to its thread. It registers with a pthread key at its first step off the fast path
 * (until then its limit is 0, so that the first free comes here too) and is emptied by the key's
 * destructor. Destructors of other keys may still free messages after that: the cache is then marked
 * as ended, its limit is 0 for good, and each block goes straight to the slabs.
 *
 * Invariants: a spare is a whole batch; a bin's active list holds active_count <= RFI_POOL_BATCH
 * blocks; slabs are asked outside of the depot's lock.
 *
 * It does not balance caches between threads and does not zero memory. */
#include "core/base/pool.h"

#ifndef RFI_POOL_PLAIN

#include "core/base/blocks.h"
#include "core/base/slab.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Blocks that are made at once when cache and depot are empty: few, since the working set of most
 * threads is small, and enough that the depot is looked at seldom. */
enum { FRESH_BLOCKS = 16 };

struct depot {
    _Alignas(64) pthread_mutex_t mutex;
    struct rfi_pool_block *batches; /* under mutex; newest first, their memory is warm */
    _Atomic(size_t) block_count;    /* written under mutex; read without it as a hint */
};

static struct depot depots[RFI_POOL_CLASS_COUNT] = {
    {.mutex = PTHREAD_MUTEX_INITIALIZER}, {.mutex = PTHREAD_MUTEX_INITIALIZER},
    {.mutex = PTHREAD_MUTEX_INITIALIZER}, {.mutex = PTHREAD_MUTEX_INITIALIZER},
    {.mutex = PTHREAD_MUTEX_INITIALIZER}, {.mutex = PTHREAD_MUTEX_INITIALIZER},
};

static struct rfi_slabs slabs[RFI_POOL_CLASS_COUNT] = {
    RFI_SLABS_INIT(64),  RFI_SLABS_INIT(128),  RFI_SLABS_INIT(256),
    RFI_SLABS_INIT(512), RFI_SLABS_INIT(1024), RFI_SLABS_INIT(2048),
};

_Thread_local struct rfi_pool_cache rfi_pool_cache __attribute__((tls_model("initial-exec")));
static _Thread_local bool is_registered;
static _Thread_local bool is_ended;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key; /* set once under key_once */

static size_t block_size(size_t size_class)
{
    return (size_t)RFI_POOL_BLOCK_MIN << size_class;
}

static bool register_thread(void);
static struct rfi_pool_block *depot_take(struct depot *depot, size_t *out_count);
static void depot_put(size_t size_class, struct rfi_pool_block *batch, size_t count);

/* How many batches a thread keeps beside the one in use. */
static uint32_t spare_limit(size_t size_class)
{
    size_t limit = RFI_POOL_SPARE_BYTES / (RFI_POOL_BATCH * block_size(size_class));
    return limit > 0 ? (uint32_t)limit : 1;
}

static struct rfi_pool_block *take_spare(struct rfi_pool_bin *bin)
{
    struct rfi_pool_block *batch = bin->spares;
    if (batch != NULL) {
        bin->spares = batch->next_batch;
        bin->spare_count--;
    }
    return batch;
}

void *rfi_pool_alloc_slow(size_t size, uint16_t size_class)
{
    if (size_class >= RFI_POOL_LARGE)
        return rfi_block_take(size);
    struct rfi_pool_bin *bin = &rfi_pool_cache.bins[size_class];
    size_t count = RFI_POOL_BATCH;
    if (!register_thread())
        return rfi_slabs_take(&slabs[size_class], 1, &count);
    struct rfi_pool_block *list = take_spare(bin);
    if (list == NULL)
        list = depot_take(&depots[size_class], &count);
    if (list == NULL)
        list = rfi_slabs_take(&slabs[size_class], FRESH_BLOCKS, &count);
    if (list == NULL)
        return NULL;
    bin->active = list->next;
    bin->active_count = (uint32_t)(count - 1);
    return list;
}

void rfi_pool_free_slow(void *block, uint16_t size_class)
{
    if (size_class >= RFI_POOL_LARGE) {
        rfi_block_put(block);
        return;
    }
    if (block == NULL)
        return;
    struct rfi_pool_block *free_block = block;
    if (!register_thread()) {
        free_block->next = NULL;
        rfi_slabs_give(&slabs[size_class], free_block);
        return;
    }
    struct rfi_pool_bin *bin = &rfi_pool_cache.bins[size_class];
    if (bin->active_count >= RFI_POOL_BATCH) {
        if (bin->spare_count < spare_limit(size_class)) {
            bin->active->next_batch = bin->spares;
            bin->spares = bin->active;
            bin->spare_count++;
        } else {
            depot_put(size_class, bin->active, RFI_POOL_BATCH);
        }
        bin->active = NULL;
        bin->active_count = 0;
    }
    free_block->next = bin->active;
    bin->active = free_block;
    bin->active_count++;
}

void rfi_pool_trim(void)
{
    for (size_t i = 0; i < RFI_POOL_CLASS_COUNT; i++) {
        struct rfi_pool_bin *bin = &rfi_pool_cache.bins[i];
        rfi_slabs_give(&slabs[i], bin->active);
        bin->active = NULL;
        bin->active_count = 0;
        struct rfi_pool_block *batch;
        while ((batch = take_spare(bin)) != NULL)
            rfi_slabs_give(&slabs[i], batch);
        size_t count;
        while ((batch = depot_take(&depots[i], &count)) != NULL)
            rfi_slabs_give(&slabs[i], batch);
    }
}

size_t rfi_pool_depot_bytes(void)
{
    size_t total = 0;
    for (size_t i = 0; i < RFI_POOL_CLASS_COUNT; i++) {
        /* relaxed: a counter for people, nothing depends on its order */
        total += atomic_load_explicit(&depots[i].block_count, memory_order_relaxed) * block_size(i);
    }
    return total;
}

/* Returns NULL when there is none. */
static struct rfi_pool_block *depot_take(struct depot *depot, size_t *out_count)
{
    /* relaxed: only saves the lock when there is nothing; the lock orders the rest */
    if (atomic_load_explicit(&depot->block_count, memory_order_relaxed) == 0)
        return NULL;
    (void)pthread_mutex_lock(&depot->mutex);
    struct rfi_pool_block *batch = depot->batches;
    if (batch != NULL) {
        depot->batches = batch->next_batch;
        *out_count = batch->count;
        size_t left =
            atomic_load_explicit(&depot->block_count, memory_order_relaxed) - batch->count;
        atomic_store_explicit(&depot->block_count, left, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&depot->mutex);
    return batch;
}

/* Takes the batch, which is not empty. */
static void depot_put(size_t size_class, struct rfi_pool_block *batch, size_t count)
{
    struct depot *depot = &depots[size_class];
    batch->count = count;
    (void)pthread_mutex_lock(&depot->mutex);
    size_t kept = atomic_load_explicit(&depot->block_count, memory_order_relaxed) + count;
    bool has_room = kept * block_size(size_class) <= RFI_POOL_DEPOT_BYTES;
    if (has_room) {
        batch->next_batch = depot->batches;
        depot->batches = batch;
        atomic_store_explicit(&depot->block_count, kept, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&depot->mutex);
    if (!has_room)
        rfi_slabs_give(&slabs[size_class], batch);
}

static void on_thread_end(void *value)
{
    (void)value;
    is_ended = true;
    for (size_t i = 0; i < RFI_POOL_CLASS_COUNT; i++) {
        struct rfi_pool_bin *bin = &rfi_pool_cache.bins[i];
        if (bin->active != NULL)
            depot_put(i, bin->active, bin->active_count);
        for (struct rfi_pool_block *batch; (batch = take_spare(bin)) != NULL;)
            depot_put(i, batch, RFI_POOL_BATCH);
        *bin = (struct rfi_pool_bin){0};
    }
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, on_thread_end) == 0;
}

/* Make sure that the end of this thread empties its cache. False: no cache, use malloc and free. */
static bool register_thread(void)
{
    if (is_registered)
        return !is_ended;
    (void)pthread_once(&key_once, make_key);
    /* any value but NULL makes the destructor run */
    if (!has_key || pthread_setspecific(key, &rfi_pool_cache) != 0)
        return false;
    is_registered = true;
    for (size_t i = 0; i < RFI_POOL_CLASS_COUNT; i++)
        rfi_pool_cache.bins[i].limit = RFI_POOL_BATCH;
    return true;
}

#else

void *rfi_pool_alloc_slow(size_t size, uint16_t size_class)
{
    (void)size_class;
    return malloc(size);
}

void rfi_pool_free_slow(void *block, uint16_t size_class)
{
    (void)size_class;
    free(block);
}

void rfi_pool_trim(void)
{
}

size_t rfi_pool_depot_bytes(void)
{
    return 0;
}

#endif
