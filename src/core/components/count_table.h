/* SPDX-License-Identifier: MIT */
/* Counts by key, for millions of keys: keys are bytes (any, NUL too), copied once into large blocks;
 * hashed under a seed of this table, since the text that is counted may come from anybody. One
 * owner. Entries never move, and are numbered in the order of their first sight. */
#ifndef RFI_COUNT_TABLE_H
#define RFI_COUNT_TABLE_H

#include <reflow/error.h>

struct rfi_count {
    const uint8_t *key; /* not terminated */
    uint64_t count;
    uint32_t size;
    uint32_t hash;
};

struct rfi_count_table {
    uint64_t seed[2];
    uint32_t *slots; /* entry number + 1; 0: free */
    size_t slot_mask;
    struct rfi_count **blocks; /* of entries, COUNT_BLOCK each */
    size_t block_count, block_capacity;
    size_t count;   /* keys */
    uint64_t total; /* sum of all counts */
    struct rfi_count_arena *arena;
};

void rfi_count_table_init(struct rfi_count_table *table);
void rfi_count_table_fini(struct rfi_count_table *table);
/* Forget all keys, and free their memory. */
void rfi_count_table_clear(struct rfi_count_table *table);
/* Errors: RF_ENOMEM; RF_ELIMIT: a key of 4 GiB, or 2^32 - 2 keys. Nothing was added then. */
RF_NODISCARD rf_err rfi_count_table_add(struct rfi_count_table *table, const void *key, size_t size,
                                        uint64_t count);
/* Entry `index` < table->count. */
const struct rfi_count *rfi_count_table_at(const struct rfi_count_table *table, size_t index);

/* Byte order of the keys; a shorter key goes before a longer one that begins with it. */
int rfi_count_compare_keys(const struct rfi_count *a, const struct rfi_count *b);

#endif
