/* SPDX-License-Identifier: MIT */
/* The depot behind the thread caches of pool.h, and the life of a cache.
 *
 * A cache belongs to its thread. It registers with a pthread key at its first step off the fast path
 * (until then its limit is 0, so that the first free comes here too) and is emptied by the key's
 * destructor. Destructors of other keys may still free messages after that: the cache is then marked
 * as ended, its limit is 0 for good, and each block goes straight to malloc and free.
 *
 * Invariants: a spare is a whole batch; a bin's active list holds active_count <= RFI_POOL_BATCH
 * blocks; memory is allocated and freed outside of the depot's lock.
 *
 * It does not balance caches between threads and does not zero memory. */
#include "core/base/pool.h"

#ifndef RFI_POOL_PLAIN

#include "core/base/blocks.h"
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

void *rfi_pool_alloc_slow(size_t size, uint16_t size_class)
{
    if (size_class >= RFI_POOL_LARGE)
        return rfi_block_take(size);
    if (!register_thread())
        return malloc(block_size(size_class));

    struct rfi_pool_bin *bin = &rfi_pool_cache.bins[size_class];
    size_t count = RFI_POOL_BATCH;
    struct rfi_pool_block *list = bin->spare;
    bin->spare = NULL;
    if (list == NULL)
        list = depot_take(&depots[size_class], &count);
    if (list == NULL) {
        for (count = 0; count < FRESH_BLOCKS; count++) {
            struct rfi_pool_block *block = malloc(block_size(size_class));
            if (block == NULL)
                break;
            block->next = list;
            list = block;
        }
        if (list == NULL)
            return NULL;
    }
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
    if (block == NULL || !register_thread()) {
        free(block);
        return;
    }
    struct rfi_pool_bin *bin = &rfi_pool_cache.bins[size_class];
    if (bin->active_count >= RFI_POOL_BATCH) {
        if (bin->spare != NULL)
            depot_put(size_class, bin->spare, RFI_POOL_BATCH);
        bin->spare = bin->active;
        bin->active = NULL;
        bin->active_count = 0;
    }
    struct rfi_pool_block *free_block = block;
    free_block->next = bin->active;
    bin->active = free_block;
    bin->active_count++;
}

static void free_list(struct rfi_pool_block *list)
{
    while (list != NULL) {
        struct rfi_pool_block *next = list->next;
        free(list);
        list = next;
    }
}

void rfi_pool_trim(void)
{
    for (size_t i = 0; i < RFI_POOL_CLASS_COUNT; i++) {
        struct rfi_pool_bin *bin = &rfi_pool_cache.bins[i];
        free_list(bin->active);
        free_list(bin->spare);
        bin->active = NULL;
        bin->spare = NULL;
        bin->active_count = 0;
        for (;;) {
            size_t count = 0;
            struct rfi_pool_block *batch = depot_take(&depots[i], &count);
            if (batch == NULL)
                break;
            free_list(batch);
        }
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
        free_list(batch);
}

static void on_thread_end(void *value)
{
    (void)value;
    is_ended = true;
    for (size_t i = 0; i < RFI_POOL_CLASS_COUNT; i++) {
        struct rfi_pool_bin *bin = &rfi_pool_cache.bins[i];
        if (bin->active != NULL)
            depot_put(i, bin->active, bin->active_count);
        if (bin->spare != NULL)
            depot_put(i, bin->spare, RFI_POOL_BATCH);
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
