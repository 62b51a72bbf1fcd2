/* SPDX-License-Identifier: MIT */
/* Stable memory: blocks are apart and aligned, come again after they were put back, are walked in order, and the memory of an
 * empty slab goes back to the system. */
#include "core/base/stable.h"
#include "support/rf_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BLOCK = 192, MANY = 25000 }; /* of a slab: 10,911 */

static void **take_many(struct rfi_stable *stable)
{
    void **blocks = calloc(MANY, sizeof *blocks);
    cr_assert_not_null(blocks);
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = rfi_stable_take(stable);
        cr_assert_not_null(blocks[i]);
        memset(blocks[i], (int)(i % 251), BLOCK);
    }
    return blocks;
}

Test(stable, every_block_has_its_own_bytes)
{
    struct rfi_stable stable;
    rfi_stable_init(&stable, BLOCK);
    void **blocks = take_many(&stable);
    for (size_t i = 0; i < MANY; i++) {
        const unsigned char *bytes = blocks[i];
        cr_assert_eq((uintptr_t)blocks[i] % 64, 0U);
        cr_assert_eq(bytes[0], i % 251);
        cr_assert_eq(bytes[BLOCK - 1], i % 251);
    }
    cr_assert_eq(rfi_stable_fini(&stable), (size_t)MANY);
    free(blocks);
}

Test(stable, a_block_that_was_put_back_comes_again)
{
    struct rfi_stable stable;
    rfi_stable_init(&stable, BLOCK);
    void *first = rfi_stable_take(&stable);
    void *second = rfi_stable_take(&stable);
    rfi_stable_put(first);
    cr_assert_eq(rfi_stable_take(&stable), first);
    rfi_stable_put(second);
    rfi_stable_put(first);
    cr_assert_eq(rfi_stable_take(&stable),
                 first); /* the lowest first, so that the others get empty */
    cr_assert_eq(rfi_stable_take(&stable), second);
    cr_assert_eq(rfi_stable_fini(&stable), 2U);
}

static bool is_even(void *block)
{
    return *(unsigned char *)block % 2 == 0;
}

Test(stable, a_walk_meets_every_block_that_is_out_and_kept)
{
    struct rfi_stable stable;
    rfi_stable_init(&stable, BLOCK);
    void **blocks = take_many(&stable);
    size_t expected = 0;
    for (size_t i = 0; i < MANY; i++) {
        if (i % 3 == 0)
            rfi_stable_put(blocks[i]);
        else
            expected += i % 251 % 2 == 0;
    }
    rfi_stable_collect(&stable);
    size_t met = 0;
    for (void *at = NULL; (at = rfi_stable_next(&stable, at, is_even)) != NULL; met++)
        cr_assert(is_even(at));
    cr_assert_eq(met, expected);
    (void)rfi_stable_fini(&stable);
    free(blocks);
}

/* How many pages of the slab that the block is in are in memory. */
static size_t resident_pages(void *block)
{
    unsigned char pages[RFI_STABLE_BYTES / 4096];
    uintptr_t slab = (uintptr_t)block & ~(uintptr_t)(RFI_STABLE_BYTES - 1);
    size_t count = 0;
    cr_assert_eq(mincore((void *)slab, RFI_STABLE_BYTES, pages), 0);
    for (size_t i = 0; i < sizeof pages; i++)
        count += pages[i] & 1;
    return count;
}

Test(stable, the_memory_of_an_empty_slab_goes_back)
{
    struct rfi_stable stable;
    rfi_stable_init(&stable, BLOCK);
    void **blocks = take_many(&stable);
    void *probe = blocks[15000]; /* in the second slab */
    cr_assert_eq(resident_pages(probe), sizeof(char[RFI_STABLE_BYTES / 4096]));
    for (size_t i = 0; i < MANY; i++)
        rfi_stable_put(blocks[i]);
    rfi_stable_collect(&stable);
    cr_assert_eq(resident_pages(probe), 1U);      /* its head */
    cr_assert_eq(((unsigned char *)probe)[0], 0); /* may still be looked at */
    free(blocks);
    blocks = take_many(&stable); /* and is used again */
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(*(unsigned char *)blocks[i], i % 251);
    cr_assert_eq(rfi_stable_fini(&stable), (size_t)MANY);
    free(blocks);
}
