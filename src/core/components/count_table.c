/* SPDX-License-Identifier: MIT */
/* An open-addressing hash table of counts.
 *
 *   slots  [ 0 | 7 | 0 | 1 | … ]   numbers of entries, at most 3/4 used, linear probing
 *   blocks [ entries 0..4095 ] [ entries 4096..8191 ] …   never moved, so growth copies only slots
 *   arena  [ 64 KiB of keys ] [ … ]   a key over 16 KiB has a block of its own
 *
 * A slot holds four bytes, an entry 24, so a million keys of eight bytes take about 40 MB with the
 * largest slack. The hash is SipHash-1-3 (Aumasson, Bernstein) under a random key: nobody who only
 * chooses the words can make them collide. Keys are not removed one by one. */
#include "core/components/count_table.h"
#include "core/base/buf.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    SLOTS_MIN = 1024,
    COUNT_BLOCK_BITS = 12,
    COUNT_BLOCK = 1 << COUNT_BLOCK_BITS,
    ARENA_BYTES = 65536,
    ARENA_KEY_MAX = 16384
};

struct rfi_count_arena {
    struct rfi_count_arena *next;
    size_t used, capacity;
    uint8_t bytes[];
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static uint32_t hash_key(const uint64_t seed[2], const uint8_t *key, size_t size)
{
    struct sip s = {seed[0] ^ 0x736f6d6570736575U, seed[1] ^ 0x646f72616e646f6dU,
                    seed[0] ^ 0x6c7967656e657261U, seed[1] ^ 0x7465646279746573U};
    size_t whole = size & ~(size_t)7;
    for (size_t at = 0; at < whole; at += 8) {
        uint64_t word = rfi_load_u64(key + at);
        s.v3 ^= word;
        sip_round(&s);
        s.v0 ^= word;
    }
    uint64_t last = (uint64_t)size << 56;
    for (size_t at = whole; at < size; at++)
        last |= (uint64_t)key[at] << (8 * (at - whole));
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    uint64_t hash = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return (uint32_t)(hash ^ hash >> 32);
}

void rfi_count_table_init(struct rfi_count_table *table)
{
    memset(table, 0, sizeof *table);
    /* Without entropy (a kernel before its first seed) the table still counts right. */
    (void)!getrandom(table->seed, sizeof table->seed, GRND_NONBLOCK);
}

void rfi_count_table_clear(struct rfi_count_table *table)
{
    for (size_t i = 0; i < table->block_count; i++)
        free(table->blocks[i]);
    for (struct rfi_count_arena *arena = table->arena; arena != NULL;) {
        struct rfi_count_arena *next = arena->next;
        free(arena);
        arena = next;
    }
    free(table->blocks);
    free(table->slots);
    table->blocks = NULL;
    table->slots = NULL;
    table->arena = NULL;
    table->slot_mask = 0;
    table->block_count = 0;
    table->block_capacity = 0;
    table->count = 0;
    table->total = 0;
}

void rfi_count_table_fini(struct rfi_count_table *table)
{
    rfi_count_table_clear(table);
}

static struct rfi_count *entry_at(const struct rfi_count_table *table, size_t index)
{
    return &table->blocks[index >> COUNT_BLOCK_BITS][index & (COUNT_BLOCK - 1)];
}

const struct rfi_count *rfi_count_table_at(const struct rfi_count_table *table, size_t index)
{
    return entry_at(table, index);
}

static rf_err grow_slots(struct rfi_count_table *table)
{
    size_t slot_count = table->slots == NULL ? SLOTS_MIN : (table->slot_mask + 1) * 2;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < table->count; i++) {
        size_t slot = entry_at(table, i)->hash & (slot_count - 1);
        while (slots[slot] != 0)
            slot = (slot + 1) & (slot_count - 1);
        slots[slot] = (uint32_t)i + 1;
    }
    free(table->slots);
    table->slots = slots;
    table->slot_mask = slot_count - 1;
    return RF_OK;
}

static rf_err grow_entries(struct rfi_count_table *table)
{
    if (table->block_count == table->block_capacity) {
        size_t capacity = table->block_capacity == 0 ? 16 : table->block_capacity * 2;
        struct rfi_count **blocks = realloc(table->blocks, capacity * sizeof(struct rfi_count *));
        if (blocks == NULL)
            return RF_ENOMEM;
        table->blocks = blocks;
        table->block_capacity = capacity;
    }
    struct rfi_count *block = malloc(COUNT_BLOCK * sizeof *block);
    if (block == NULL)
        return RF_ENOMEM;
    table->blocks[table->block_count++] = block;
    return RF_OK;
}

static const uint8_t *copy_key(struct rfi_count_table *table, const uint8_t *key, size_t size)
{
    struct rfi_count_arena *arena = table->arena;
    bool is_large = size > ARENA_KEY_MAX;
    if (arena == NULL || is_large || arena->capacity - arena->used < size) {
        size_t capacity = is_large ? size : ARENA_BYTES;
        struct rfi_count_arena *made = malloc(sizeof *made + capacity);
        if (made == NULL)
            return NULL;
        made->used = 0;
        made->capacity = capacity;
        if (is_large && arena != NULL) { /* behind the first, which goes on being filled */
            made->next = arena->next;
            arena->next = made;
        } else {
            made->next = arena;
            table->arena = made;
        }
        arena = made;
    }
    uint8_t *at = arena->bytes + arena->used;
    memcpy(at, key, size);
    arena->used += size;
    return at;
}

rf_err rfi_count_table_add(struct rfi_count_table *table, const void *key, size_t size,
                           uint64_t count)
{
    if (size > UINT32_MAX || table->count >= UINT32_MAX - 1)
        return RF_ELIMIT;
    if (table->slots == NULL || table->count + 1 > (table->slot_mask + 1) / 4 * 3) {
        rf_err err = grow_slots(table);
        if (err != RF_OK)
            return err;
    }
    uint32_t hash = hash_key(table->seed, key, size);
    size_t slot = hash & table->slot_mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->slot_mask) {
        struct rfi_count *entry = entry_at(table, table->slots[slot] - 1);
        if (entry->hash == hash && entry->size == size && memcmp(entry->key, key, size) == 0) {
            entry->count += count;
            table->total += count;
            return RF_OK;
        }
    }
    if (table->count == table->block_count << COUNT_BLOCK_BITS) {
        rf_err err = grow_entries(table);
        if (err != RF_OK)
            return err;
    }
    const uint8_t *copy = copy_key(table, key, size);
    if (copy == NULL)
        return RF_ENOMEM;
    *entry_at(table, table->count) = (struct rfi_count){copy, count, (uint32_t)size, hash};
    table->slots[slot] = (uint32_t)table->count + 1;
    table->count++;
    table->total += count;
    return RF_OK;
}

int rfi_count_compare_keys(const struct rfi_count *a, const struct rfi_count *b)
{
    size_t size = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->key, b->key, size);
    if (order != 0)
        return order;
    return (a->size > b->size) - (a->size < b->size);
}
