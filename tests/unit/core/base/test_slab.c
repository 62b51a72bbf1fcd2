/* SPDX-License-Identifier: MIT */
/* Slabs: blocks on cache lines of their own, reuse of what came back, and the end of a slab. */
#include "core/base/pool.h"
#include "core/base/slab.h"
#include "support/rf_test.h"

static struct rfi_pool_block *take(struct rfi_slabs *slabs, size_t want)
{
    size_t count = 0;
    struct rfi_pool_block *list = rfi_slabs_take(slabs, want, &count);
    cr_assert_not_null(list);
    cr_assert_eq(count, want);
    return list;
}

Test(slab, blocks_begin_on_a_line_and_hold_their_size)
{
    for (size_t size = 64; size <= 2048; size *= 2) {
        struct rfi_slabs slabs = RFI_SLABS_INIT(size);
        enum { COUNT = 1200 }; /* more than one slab has */
        static uint8_t *blocks[COUNT];
        struct rfi_pool_block *list = NULL;
        for (size_t i = 0; i < COUNT; i++) {
            blocks[i] = (uint8_t *)take(&slabs, 1);
            cr_assert_eq((uintptr_t)blocks[i] % RFI_SLAB_LINE, 0);
            memset(blocks[i], (int)(i % 251), size);
        }
        for (size_t i = 0; i < COUNT; i++) {
            cr_assert_eq(blocks[i][0], i % 251);
            cr_assert_eq(blocks[i][size - 1], i % 251);
        }
        for (size_t i = 0; i < COUNT; i++) {
            struct rfi_pool_block *block = (struct rfi_pool_block *)(void *)blocks[i];
            block->next = list;
            list = block;
        }
        rfi_slabs_give(&slabs, list);
        cr_assert_null(slabs.partial, "a slab is kept that has no block outside");
    }
}

Test(slab, what_came_back_is_given_again_before_new_memory_is)
{
    struct rfi_slabs slabs = RFI_SLABS_INIT(2048);
    struct rfi_pool_block *list = take(&slabs, 15); /* a whole slab */
    cr_assert_null(slabs.partial);
    struct rfi_pool_block *rest = list->next;
    list->next = NULL;
    rfi_slabs_give(&slabs, list);
    cr_assert_not_null(slabs.partial);
    struct rfi_pool_block *again = take(&slabs, 1);
    cr_assert_eq(again, list);
    cr_assert_null(slabs.partial);
    again->next = rest;
    rfi_slabs_give(&slabs, again);
    cr_assert_null(slabs.partial);
}

Test(slab, who_asks_for_more_than_there_is_gets_what_there_is)
{
    struct rfi_slabs slabs = RFI_SLABS_INIT(2048);
    size_t count = 0;
    struct rfi_pool_block *list = rfi_slabs_take(&slabs, 64, &count);
    cr_assert_not_null(list);
    cr_assert_eq(count, 15);
    size_t length = 0;
    for (struct rfi_pool_block *block = list; block != NULL; block = block->next)
        length++;
    cr_assert_eq(length, count);
    rfi_slabs_give(&slabs, list);
}
