/* SPDX-License-Identifier: MIT */
/* A window of message ids, kept as 64-bit hashes under a key of this process: a ring gives the order, an open
 * table beside it the look-up. It grows with what comes, to 65,536 ids and 1.5 MiB, and then forgets the oldest id for
 * each new one. Two ids of one window share a hash with a probability of about 10^-10; a peer that
 * picks ids for that harms only its own messages. */
#include "net/dedup.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void rfi_dedup_init(struct rfi_dedup *dedup, uint64_t key)
{
    *dedup = (struct rfi_dedup){.key = key};
}

void rfi_dedup_fini(struct rfi_dedup *dedup)
{
    free(dedup->ring);
    free(dedup->slots);
    dedup->ring = dedup->slots = NULL;
    dedup->capacity = dedup->count = 0;
}

static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_id(const struct rfi_dedup *dedup, const uint8_t *id, size_t size)
{
    const uint64_t secret = dedup->key ^ UINT64_C(0xD6E8FEB86659FD93);
    uint64_t hash = dedup->key + size;
    uint64_t first = 0;
    uint64_t last = 0;
    for (; size > 16; id += 16, size -= 16)
        hash = fold(load(id) ^ secret, load(id + 8) ^ hash);
    if (size >= 8) {
        first = load(id);
        last = load(id + size - 8);
    } else if (size > 0) {
        memcpy(&first, id, size);
    }
    hash = fold(first ^ secret, last ^ hash ^ UINT64_C(0xA0761D6478BD642F));
    hash = fold(hash ^ secret, UINT64_C(0xE7037ED1A0B428DB));
    return hash != 0 ? hash : 1; /* 0 marks a free slot */
}

static size_t slot_of(const struct rfi_dedup *dedup, uint64_t hash)
{
    size_t mask = 2 * dedup->capacity - 1;
    size_t at = (size_t)hash & mask;
    while (dedup->slots[at] != 0 && dedup->slots[at] != hash)
        at = (at + 1) & mask;
    return at;
}

/* Linear probing without tombstones: entries behind the hole move up when their home allows it. */
static void forget(struct rfi_dedup *dedup, uint64_t hash)
{
    size_t mask = 2 * dedup->capacity - 1;
    size_t hole = slot_of(dedup, hash);
    dedup->slots[hole] = 0;
    for (size_t at = (hole + 1) & mask; dedup->slots[at] != 0; at = (at + 1) & mask) {
        size_t home = (size_t)dedup->slots[at] & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            dedup->slots[hole] = dedup->slots[at];
            dedup->slots[at] = 0;
            hole = at;
        }
    }
}

static bool grow(struct rfi_dedup *dedup)
{
    size_t capacity = dedup->capacity > 0 ? 2 * dedup->capacity : FIRST_CAPACITY;
    uint64_t *ring = calloc(capacity, sizeof *ring);
    uint64_t *slots = calloc(2 * capacity, sizeof *slots);
    if (ring == NULL || slots == NULL) {
        free(ring);
        free(slots);
        return false;
    }
    struct rfi_dedup old = *dedup;
    dedup->ring = ring;
    dedup->slots = slots;
    dedup->capacity = capacity;
    dedup->head = 0;
    for (size_t i = 0; i < old.count; i++) {
        uint64_t hash = old.ring[(old.head + i) & (old.capacity - 1)];
        ring[i] = hash;
        slots[slot_of(dedup, hash)] = hash;
    }
    free(old.ring);
    free(old.slots);
    return true;
}

void rfi_dedup_expect(const struct rfi_dedup *dedup, const void *id, size_t size)
{
    if (dedup->capacity > 0)
        __builtin_prefetch(
            &dedup->slots[(size_t)hash_id(dedup, id, size) & (2 * dedup->capacity - 1)], 1);
}

bool rfi_dedup_seen(struct rfi_dedup *dedup, const void *id, size_t size)
{
    uint64_t hash = hash_id(dedup, id, size);
    if (dedup->capacity > 0 && dedup->slots[slot_of(dedup, hash)] == hash)
        return true;
    if (dedup->count == dedup->capacity && dedup->capacity < RFI_DEDUP_WINDOW && !grow(dedup) &&
        dedup->capacity == 0)
        return false;
    if (dedup->count == dedup->capacity) {
        forget(dedup, dedup->ring[dedup->head]);
        dedup->head = (dedup->head + 1) & (dedup->capacity - 1);
        dedup->count--;
    }
    dedup->ring[(dedup->head + dedup->count) & (dedup->capacity - 1)] = hash;
    dedup->count++;
    dedup->slots[slot_of(dedup, hash)] = hash;
    /* The table is larger than the nearest cache: the id to forget with the next but one is fetched now. */
    uint64_t due = dedup->ring[(dedup->head + 1) & (dedup->capacity - 1)];
    __builtin_prefetch(&dedup->slots[(size_t)due & (2 * dedup->capacity - 1)], 1);
    return false;
}
