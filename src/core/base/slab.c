/* SPDX-License-Identifier: MIT */
/* Slabs: carving, giving back, and the list of those that have blocks to give.
 *
 * Invariants: a slab is in `partial` exactly when it has a free block or room to carve; free_count counts the list
 * `free`; a slab with free_count == carved_count has no block outside and is freed. */
#include "core/base/slab.h"
#include "core/base/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct rfi_slab {
    struct rfi_slab *prev, *next; /* of `partial` */
    struct rfi_pool_block *free;
    uint32_t free_count, carved_count, block_count;
};

/* Head and end are kept clear: blocks of two lines and more begin on an even line, and what the C library writes
 * before the next aligned allocation fits behind the last block, so that slabs lie side by side. */
enum { HEAD_BYTES = 2 * RFI_SLAB_LINE, USED_BYTES = RFI_SLAB_BYTES - RFI_SLAB_LINE };

static void link_slab(struct rfi_slabs *slabs, struct rfi_slab *slab)
{
    slab->prev = NULL;
    slab->next = slabs->partial;
    if (slab->next != NULL)
        slab->next->prev = slab;
    slabs->partial = slab;
}

static void unlink_slab(struct rfi_slabs *slabs, struct rfi_slab *slab)
{
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        slabs->partial = slab->next;
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
}

static bool has_some(const struct rfi_slab *slab)
{
    return slab->free_count > 0 || slab->carved_count < slab->block_count;
}

static struct rfi_slab *new_slab(size_t block_size)
{
    void *memory = NULL;
    if (posix_memalign(&memory, RFI_SLAB_BYTES, USED_BYTES) != 0)
        return NULL;
    struct rfi_slab *slab = memory;
    *slab = (struct rfi_slab){.block_count = (uint32_t)((USED_BYTES - HEAD_BYTES) / block_size)};
    return slab;
}

static struct rfi_pool_block *take_one(struct rfi_slab *slab, size_t block_size)
{
    struct rfi_pool_block *block = slab->free;
    if (block != NULL) {
        slab->free = block->next;
        slab->free_count--;
        return block;
    }
    return (struct rfi_pool_block *)(void *)((char *)slab + HEAD_BYTES +
                                             slab->carved_count++ * block_size);
}

struct rfi_pool_block *rfi_slabs_take(struct rfi_slabs *slabs, size_t count, size_t *out_count)
{
    struct rfi_pool_block *list = NULL;
    size_t taken = 0;
    (void)pthread_mutex_lock(&slabs->mutex);
    if (slabs->partial == NULL) {
        (void)pthread_mutex_unlock(&slabs->mutex);
        struct rfi_slab *fresh = new_slab(slabs->block_size);
        (void)pthread_mutex_lock(&slabs->mutex);
        if (fresh != NULL)
            link_slab(slabs, fresh);
    }
    while (taken < count && slabs->partial != NULL) {
        struct rfi_slab *slab = slabs->partial;
        struct rfi_pool_block *block = take_one(slab, slabs->block_size);
        block->next = list;
        list = block;
        taken++;
        if (!has_some(slab))
            unlink_slab(slabs, slab);
    }
    (void)pthread_mutex_unlock(&slabs->mutex);
    *out_count = taken;
    return list;
}

static struct rfi_slab *slab_of(struct rfi_pool_block *block)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the picture in slab.h */
    return (struct rfi_slab *)((uintptr_t)block & ~(uintptr_t)(RFI_SLAB_BYTES - 1));
}

void rfi_slabs_give(struct rfi_slabs *slabs, struct rfi_pool_block *list)
{
    struct rfi_slab *empty = NULL;
    (void)pthread_mutex_lock(&slabs->mutex);
    while (list != NULL) {
        struct rfi_pool_block *block = list;
        list = block->next;
        struct rfi_slab *slab = slab_of(block);
        bool was_linked = has_some(slab);
        block->next = slab->free;
        slab->free = block;
        slab->free_count++;
        if (slab->free_count == slab->carved_count) {
            if (was_linked)
                unlink_slab(slabs, slab);
            slab->next = empty;
            empty = slab;
        } else if (!was_linked) {
            link_slab(slabs, slab);
        }
    }
    (void)pthread_mutex_unlock(&slabs->mutex);
    while (empty != NULL) {
        struct rfi_slab *next = empty->next;
        free(empty);
        empty = next;
    }
}
