/* SPDX-License-Identifier: MIT */
/* The idle large blocks: reuse, what fits, the bound on what is kept. What depends on keeping is skipped where blocks are
 * plain malloc (sanitizers). */
#include "core/base/blocks.h"
#include "core/base/pool.h"
#include "support/rf_test.h"

enum { MIB = 1 << 20 };

Test(blocks, any_size_can_be_taken_and_put)
{
    static const size_t sizes[] = {1, 4096, RFI_BLOCK_MIN, MIB + 80, RFI_BLOCK_MAX, 8 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *block = rfi_block_take(sizes[i]);
        cr_assert_not_null(block);
        block[0] = block[sizes[i] - 1] = 1;
        rfi_block_put(block);
    }
    rfi_block_put(NULL);
    rfi_blocks_trim();
    cr_assert_eq(rfi_blocks_idle_bytes(), 0U);
}

Test(blocks, what_realloc_gave_can_be_put)
{
    void *block = rfi_block_take(MIB);
    cr_assert_not_null(block);
    void *bigger = realloc(block, 2 * (size_t)MIB);
    cr_assert_not_null(bigger);
    rfi_block_put(bigger);
    rfi_blocks_trim();
}

#ifndef RFI_POOL_PLAIN

Test(blocks, the_newest_that_fits_comes_back)
{
    rfi_blocks_trim();
    void *first = rfi_block_take(MIB);
    void *second = rfi_block_take(MIB);
    void *other = rfi_block_take(3 * (size_t)MIB);
    rfi_block_put(first);
    rfi_block_put(second);
    rfi_block_put(other);

    cr_assert_eq(rfi_block_take(MIB), second, "the newest one of the size");
    cr_assert_eq(rfi_block_take(MIB - 1000), first, "a little larger than asked for");
    cr_assert_geq(rfi_blocks_idle_bytes(), 3 * (size_t)MIB);

    rfi_block_put(first);
    rfi_block_put(second);
    rfi_blocks_trim();
}

Test(blocks, a_block_that_is_much_too_large_stays)
{
    rfi_blocks_trim();
    void *large = rfi_block_take(3 * (size_t)MIB);
    rfi_block_put(large);
    size_t idle = rfi_blocks_idle_bytes();
    void *small = rfi_block_take(MIB);
    cr_assert_neq(small, large);
    cr_assert_eq(rfi_blocks_idle_bytes(), idle);
    rfi_block_put(small);
    rfi_blocks_trim();
}

Test(blocks, what_is_kept_is_bounded_and_the_oldest_go_first)
{
    enum { COUNT = 20 };
    rfi_blocks_trim();
    void *taken[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        taken[i] = rfi_block_take(MIB);
        cr_assert_not_null(taken[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        rfi_block_put(taken[i]);
    cr_assert_leq(rfi_blocks_idle_bytes(), (size_t)RFI_BLOCKS_BYTES);
    cr_assert_gt(rfi_blocks_idle_bytes(), (size_t)RFI_BLOCKS_BYTES / 2);
    cr_assert_eq(rfi_block_take(MIB), taken[COUNT - 1], "the newest is there");

    rfi_block_put(taken[COUNT - 1]);
    void *largest = rfi_block_take(RFI_BLOCK_MAX);
    rfi_block_put(largest);
    cr_assert_leq(rfi_blocks_idle_bytes(), (size_t)RFI_BLOCKS_BYTES);
    rfi_blocks_trim();
    cr_assert_eq(rfi_blocks_idle_bytes(), 0U);
}

Test(blocks, many_small_ones_are_bounded_by_their_number)
{
    static void *taken[RFI_BLOCKS_MAX + 10];
    enum { COUNT = sizeof taken / sizeof taken[0] };
    rfi_blocks_trim();
    for (size_t i = 0; i < COUNT; i++)
        taken[i] = rfi_block_take(RFI_BLOCK_MIN);
    for (size_t i = 0; i < COUNT; i++)
        rfi_block_put(taken[i]);
    cr_assert_lt(rfi_blocks_idle_bytes(), (size_t)(RFI_BLOCKS_MAX + 1) * (RFI_BLOCK_MIN + 64));
    rfi_blocks_trim();
}

Test(blocks, memory_of_a_large_message_is_used_again)
{
    uint16_t size_class = 0;
    rfi_blocks_trim();
    void *first = rfi_pool_alloc(MIB, &size_class);
    cr_assert_eq(size_class, RFI_POOL_LARGE);
    rfi_pool_free(first, size_class);
    void *second = rfi_pool_alloc(MIB, &size_class);
    cr_assert_eq(first, second);
    rfi_pool_free(second, size_class);
    rfi_blocks_trim();
}

#endif
