/* SPDX-License-Identifier: MIT */
/* Slabs of blocks of one size.
 *
 * A block that comes back is linked into a stack by its word behind the bytes that may be looked at; one exchange takes the
 * whole stack, so nothing is popped by compare-and-swap and an address that comes again does no harm.
 *
 * A bit says that a block was put back and is free; blocks from `cut` on were never given out since the slab was last
 * empty. A slab is in the list of open ones while it has room; one that gave its memory back is the last there. */
#include "core/base/stable.h"

#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

enum {
    HEAD_BYTES = 2176, /* 34 lines */
    PAGE_BYTES = 4096,
    LINE_BYTES = 64,
    AHEAD = 4 /* blocks */,
    WORDS = RFI_STABLE_BYTES / RFI_STABLE_BLOCK_MIN / 64,
};

struct stable_slab {
    struct rfi_stable *stable;
    struct stable_slab *next;
    struct stable_slab *open_prev, *open_next;
    uint32_t cut;  /* blocks that were given out at least once */
    uint32_t out;  /* blocks that are */
    uint32_t hint; /* no word of `free` before this one has a bit */
    uint64_t free[WORDS];
};

_Static_assert(sizeof(struct stable_slab) <= HEAD_BYTES, "the head has its room");

static uint32_t block_count(const struct rfi_stable *stable)
{
    return (uint32_t)((RFI_STABLE_BYTES - HEAD_BYTES) / stable->block_bytes);
}

static char *block_at(struct stable_slab *slab, uint32_t index)
{
    return (char *)slab + HEAD_BYTES + index * slab->stable->block_bytes;
}

static struct stable_slab *slab_of(void *block)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): slabs are aligned to their size */
    return (struct stable_slab *)((uintptr_t)block & ~(uintptr_t)(RFI_STABLE_BYTES - 1));
}

/* The link of a block that came back. */
static void **link_of(void *block)
{
    return (void **)(void *)((char *)block + RFI_STABLE_LOOK);
}

void rfi_stable_init(struct rfi_stable *stable, size_t block_bytes)
{
    *stable = (struct rfi_stable){.block_bytes = block_bytes};
}

size_t rfi_stable_fini(struct rfi_stable *stable)
{
    size_t out = 0;
    while (stable->first != NULL) {
        struct stable_slab *slab = stable->first;
        stable->first = slab->next;
        out += slab->out;
        ASAN_UNPOISON_MEMORY_REGION(slab, RFI_STABLE_BYTES);
        (void)munmap(slab, RFI_STABLE_BYTES);
    }
    return out - atomic_load_explicit(&stable->returned_count, memory_order_relaxed); /* alone */
}

/* ---- the list of open slabs ---- */

static void close_slab(struct rfi_stable *stable, struct stable_slab *slab)
{
    if (slab->open_prev != NULL)
        slab->open_prev->open_next = slab->open_next;
    else
        stable->open_first = slab->open_next;
    if (slab->open_next != NULL)
        slab->open_next->open_prev = slab->open_prev;
    else
        stable->open_last = slab->open_prev;
}

static void open_first(struct rfi_stable *stable, struct stable_slab *slab)
{
    slab->open_prev = NULL;
    slab->open_next = stable->open_first;
    if (stable->open_first != NULL)
        stable->open_first->open_prev = slab;
    else
        stable->open_last = slab;
    stable->open_first = slab;
}

static void open_last(struct rfi_stable *stable, struct stable_slab *slab)
{
    slab->open_next = NULL;
    slab->open_prev = stable->open_last;
    if (stable->open_last != NULL)
        stable->open_last->open_next = slab;
    else
        stable->open_first = slab;
    stable->open_last = slab;
}

/* ---- slabs ---- */

/* An aligned piece of address space: twice as much, and what is before and behind goes back. */
static void *map_aligned(void)
{
    size_t twice = (size_t)2 * RFI_STABLE_BYTES;
    char *at = mmap(NULL, twice, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)at & (RFI_STABLE_BYTES - 1);
    if (before > 0)
        (void)munmap(at, before);
    (void)munmap(at + before + RFI_STABLE_BYTES, RFI_STABLE_BYTES - before);
    return at + before;
}

static struct stable_slab *make_slab(struct rfi_stable *stable)
{
    struct stable_slab *slab = map_aligned();
    if (slab == NULL)
        return NULL;
    /* The first is for the many sets that stay small. Without huge pages it is slower, no more. */
    (void)madvise(slab, RFI_STABLE_BYTES, stable->first == NULL ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    slab->stable = stable;
    if (stable->last != NULL)
        stable->last->next = slab;
    else
        stable->first = slab;
    stable->last = slab;
    open_first(stable, slab);
    return slab;
}

/* Nobody has a block of it. */
static void give_memory_back(struct rfi_stable *stable, struct stable_slab *slab)
{
    /* the rest of the head's page stays */
    if (madvise((char *)slab + PAGE_BYTES, RFI_STABLE_BYTES - PAGE_BYTES, MADV_DONTNEED) != 0)
        return; /* it goes on as a slab full of free blocks */
    memset(slab->free, 0, sizeof slab->free);
    slab->cut = slab->hint = 0;
    close_slab(stable, slab);
    open_last(stable, slab);
}

/* ---- blocks ---- */

/* Blocks are written as soon as they are taken. */
static void fetch_ahead(const char *block, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += LINE_BYTES)
        __builtin_prefetch(block + at, 1);
}

static uint32_t take_index(struct stable_slab *slab)
{
    if (slab->cut == slab->out) {
        if (slab->cut + AHEAD < block_count(slab->stable))
            fetch_ahead(block_at(slab, slab->cut + AHEAD), slab->stable->block_bytes);
        return slab->cut++;
    }
    while (slab->free[slab->hint] == 0)
        slab->hint++;
    uint32_t bit = (uint32_t)__builtin_ctzll(slab->free[slab->hint]);
    slab->free[slab->hint] &= slab->free[slab->hint] - 1;
    return slab->hint * 64 + bit;
}

void *rfi_stable_take(struct rfi_stable *stable)
{
    /* relaxed: a hint; the exchange decides */
    if (atomic_load_explicit(&stable->returned, memory_order_relaxed) != NULL)
        rfi_stable_collect(stable);
    struct stable_slab *slab = stable->open_first != NULL ? stable->open_first : make_slab(stable);
    if (slab == NULL)
        return NULL;
    char *block = block_at(slab, take_index(slab));
    if (++slab->out == block_count(stable))
        close_slab(stable, slab);
    ASAN_UNPOISON_MEMORY_REGION(block, stable->block_bytes);
    return block;
}

void rfi_stable_put(void *block)
{
    struct rfi_stable *stable = slab_of(block)->stable;
    const size_t kept = RFI_STABLE_LOOK + sizeof(void *);
    void *top = atomic_load_explicit(&stable->returned, memory_order_relaxed); /* decided below */
    ASAN_POISON_MEMORY_REGION((char *)block + kept, stable->block_bytes - kept);
    atomic_fetch_add_explicit(&stable->returned_count, 1, memory_order_relaxed); /* a number */
    do {
        *link_of(block) = top;
        /* [ST1] release: the link, and that its user is done; pairs with the acquire in rfi_stable_collect */
    } while (!atomic_compare_exchange_weak_explicit(&stable->returned, &top, block,
                                                    memory_order_release, memory_order_relaxed));
}

static uint32_t index_of(const struct stable_slab *slab, const void *block)
{
    size_t offset = (size_t)((const char *)block - (const char *)slab) - HEAD_BYTES;
    return (uint32_t)(offset / slab->stable->block_bytes);
}

static void make_free(struct rfi_stable *stable, void *block)
{
    struct stable_slab *slab = slab_of(block);
    uint32_t index = index_of(slab, block);
    slab->free[index / 64] |= UINT64_C(1) << (index % 64);
    if (index / 64 < slab->hint)
        slab->hint = index / 64;
    if (slab->out-- == block_count(stable))
        open_first(stable, slab);
    if (slab->out == 0 && stable->open_first != stable->open_last)
        give_memory_back(stable, slab);
}

void rfi_stable_collect(struct rfi_stable *stable)
{
    /* [ST1] acquire: pairs with the release in rfi_stable_put */
    void *block = atomic_exchange_explicit(&stable->returned, NULL, memory_order_acquire);
    size_t count = 0;
    for (; block != NULL; count++) {
        void *next = *link_of(block);
        make_free(stable, block);
        block = next;
    }
    atomic_fetch_sub_explicit(&stable->returned_count, count, memory_order_relaxed); /* a number */
}

void *rfi_stable_next(struct rfi_stable *stable, void *cursor, bool (*keep)(void *block))
{
    struct stable_slab *slab = cursor == NULL ? stable->first : slab_of(cursor);
    uint32_t index = cursor == NULL ? 0 : index_of(slab, cursor) + 1;
    for (; slab != NULL; slab = slab->next, index = 0)
        for (; index < slab->cut; index++)
            if ((slab->free[index / 64] >> (index % 64) & 1) == 0 && keep(block_at(slab, index)))
                return block_at(slab, index);
    return NULL;
}
