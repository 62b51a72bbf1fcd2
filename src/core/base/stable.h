/* SPDX-License-Identifier: MIT */
/* Memory for many blocks of one size: cut from slabs of 2 MiB, in huge pages where the system has any.
 *
 *   slab  [ head, one bit a block ][ block ][ block ] … [ not cut yet ]      aligned to its size
 *
 * The set has one owner, or its owner's lock; blocks come back from any thread, on a stack that the owner empties.
 *
 * The first slab is touched as far as it is used, so that a few blocks take a few pages. A slab that gets empty while
 * another has room gives its memory back, but its addresses stay mapped (as zeroes) until the end of the set.
 * So the first RFI_STABLE_LOOK bytes of a block may be looked at, by atomic operations, after it was put back: they
 * are what its last user left, zero, or the next user's. Under AddressSanitizer the rest of a free block is poisoned. */
#ifndef RFI_STABLE_H
#define RFI_STABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RFI_STABLE_BYTES = 2 << 20, RFI_STABLE_LOOK = 24, RFI_STABLE_BLOCK_MIN = 128 };

struct stable_slab;

struct rfi_stable {
    /* any thread: a stack, and its length, which is counted before */
    _Atomic(void *) returned;
    _Atomic(size_t) returned_count;
    /* owner, with the heads of the slabs */
    size_t block_bytes;
    struct stable_slab *first, *last;           /* in the order of their making */
    struct stable_slab *open_first, *open_last; /* those that have room */
};

/* block_bytes: a multiple of 16, RFI_STABLE_BLOCK_MIN at least. */
void rfi_stable_init(struct rfi_stable *stable, size_t block_bytes);
/* Unmaps everything. Returns how many blocks were still out. */
size_t rfi_stable_fini(struct rfi_stable *stable);
/* A block, not zeroed; NULL: out of memory. */
void *rfi_stable_take(struct rfi_stable *stable);
/* Back to the set that it came from. Any thread. */
void rfi_stable_put(void *block);
/* Make blocks that came back free, and give the memory of empty slabs back. rfi_stable_take does it, too. */
void rfi_stable_collect(struct rfi_stable *stable);
/* The next block that is out, by address within a slab, in the order of the stable; NULL begins, and ends. Blocks may be
 * put back at any time, but that `keep` sees to it; one for which it says false is passed over. */
void *rfi_stable_next(struct rfi_stable *stable, void *cursor, bool (*keep)(void *block));

#endif
