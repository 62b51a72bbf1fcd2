/* SPDX-License-Identifier: MIT */
/* The block pool: sizes, reuse, blocks freed on other threads, threads that end, the bound on idle
 * memory. What depends on the cache is skipped where the pool is plain malloc (sanitizers). */
#include "core/base/pool.h"
#include "support/rf_test.h"

#include <pthread.h>

enum { MANY = 1000 };

Test(pool, sizes_map_to_classes)
{
    cr_assert_eq(rfi_pool_class(0), 0);
    cr_assert_eq(rfi_pool_class(64), 0);
    cr_assert_eq(rfi_pool_class(65), 1);
    cr_assert_eq(rfi_pool_class(128), 1);
    cr_assert_eq(rfi_pool_class(129), 2);
    cr_assert_eq(rfi_pool_class(256), 2);
    cr_assert_eq(rfi_pool_class(257), 3);
    cr_assert_eq(rfi_pool_class(512), 3);
    cr_assert_eq(rfi_pool_class(513), 4);
    cr_assert_eq(rfi_pool_class(1024), 4);
    cr_assert_eq(rfi_pool_class(1025), 5U);
    cr_assert_eq(rfi_pool_class(2048), 5U);
    cr_assert_eq(rfi_pool_class(2049), RFI_POOL_LARGE);
    cr_assert_eq(rfi_pool_class(SIZE_MAX), RFI_POOL_LARGE);
}

Test(pool, every_block_holds_its_size_and_its_own_bytes)
{
    static const size_t sizes[] = {1, 64, 65, 200, 512, 1000, 1024, 1025, 70000};
    void *blocks[9][64];
    uint16_t classes[9][64];
    for (size_t s = 0; s < 9; s++) {
        for (size_t i = 0; i < 64; i++) {
            blocks[s][i] = rfi_pool_alloc(sizes[s], &classes[s][i]);
            cr_assert_not_null(blocks[s][i]);
            cr_assert_eq((uintptr_t)blocks[s][i] % 16, 0U);
            memset(blocks[s][i], (int)(s * 16 + i), sizes[s]);
        }
    }
    for (size_t s = 0; s < 9; s++) {
        for (size_t i = 0; i < 64; i++) {
            const uint8_t *bytes = blocks[s][i];
            for (size_t b = 0; b < sizes[s]; b++)
                cr_assert_eq(bytes[b], (uint8_t)(s * 16 + i));
            rfi_pool_free(blocks[s][i], classes[s][i]);
        }
    }
    rfi_pool_trim();
}

Test(pool, null_is_freed_without_harm)
{
    rfi_pool_free(NULL, 0);
    rfi_pool_free(NULL, RFI_POOL_LARGE);
}

#ifndef RFI_POOL_PLAIN

Test(pool, a_freed_block_comes_back_first)
{
    uint16_t size_class = 0;
    void *first = rfi_pool_alloc(100, &size_class);
    rfi_pool_free(first, size_class);
    void *second = rfi_pool_alloc(120, &size_class);
    cr_assert_eq(first, second);
    rfi_pool_free(second, size_class);
    rfi_pool_trim();
}

struct hand_over {
    void *blocks[MANY];
    uint16_t classes[MANY];
};

static void *free_all(void *arg)
{
    struct hand_over *over = arg;
    for (size_t i = 0; i < MANY; i++)
        rfi_pool_free(over->blocks[i], over->classes[i]);
    return NULL;
}

Test(pool, a_thread_that_ends_gives_its_cache_back, .timeout = 30)
{
    static struct hand_over over;
    rfi_pool_trim();
    cr_assert_eq(rfi_pool_depot_bytes(), 0U);
    for (size_t i = 0; i < MANY; i++)
        over.blocks[i] = rfi_pool_alloc(64, &over.classes[i]);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, free_all, &over), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    /* all that the thread freed is in the depot, part batches included */
    cr_assert_eq(rfi_pool_depot_bytes(), (size_t)MANY * 64);
    /* and serves this thread again */
    uint16_t size_class = 0;
    rfi_pool_trim();
    cr_assert_eq(rfi_pool_depot_bytes(), 0U);
    void *block = rfi_pool_alloc(64, &size_class);
    cr_assert_not_null(block);
    rfi_pool_free(block, size_class);
    rfi_pool_trim();
}

Test(pool, the_depot_is_bounded, .timeout = 30)
{
    enum { BLOCKS = 2 * RFI_POOL_DEPOT_BYTES / 1024 };
    static void *blocks[BLOCKS];
    static uint16_t classes[BLOCKS];
    rfi_pool_trim();
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = rfi_pool_alloc(1024, &classes[i]);
    for (size_t i = 0; i < BLOCKS; i++)
        rfi_pool_free(blocks[i], classes[i]);
    cr_assert_leq(rfi_pool_depot_bytes(), (size_t)RFI_POOL_DEPOT_BYTES);
    cr_assert_gt(rfi_pool_depot_bytes(), (size_t)RFI_POOL_DEPOT_BYTES / 2);
    rfi_pool_trim();
    cr_assert_eq(rfi_pool_depot_bytes(), 0U);
}

static pthread_key_t late_key;

static void free_late(void *block)
{
    rfi_pool_free(block, 0);
}

static void *end_with_block(void *arg)
{
    uint16_t size_class = 0;
    (void)arg;
    /* the destructor of this key may run after the pool's: freeing must work then too */
    (void)pthread_setspecific(late_key, rfi_pool_alloc(64, &size_class));
    return NULL;
}

Test(pool, blocks_may_be_freed_while_the_thread_ends, .timeout = 30)
{
    uint16_t size_class = 0;
    rfi_pool_free(rfi_pool_alloc(64, &size_class), size_class); /* makes the pool's key first */
    cr_assert_eq(pthread_key_create(&late_key, free_late), 0);
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, end_with_block, NULL), 0);
        cr_assert_eq(pthread_join(thread, NULL), 0);
    }
    cr_assert_eq(pthread_key_delete(late_key), 0);
    rfi_pool_trim();
}

#endif
