/* SPDX-License-Identifier: MIT */
/* Byte strings to pointers over uthash, which has its only home here. One owner, or the owner's lock.
 * The hash is SipHash-1-3 under a key that this process draws once, since peers choose the names
 * (without it they could choose names that all fall into one bucket). uthash keeps the order of
 * insertion in a list, which is what the cursor walks. An entry that was removed last stays until
 * the next removal, so that a walk may remove what it stands on. Values are never touched. */
#include "core/base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static unsigned hash_bytes(const void *data, size_t size);

#define HASH_FUNCTION(key, key_size, out_hash) ((out_hash) = hash_bytes((key), (key_size)))
#define HASH_NONFATAL_OOM                      1
#include <uthash.h>

struct rfi_map_entry {
    UT_hash_handle hh;
    void *value;
    size_t key_size;
    char key[]; /* terminated */
};

struct rfi_map {
    struct rfi_map_entry *entries;
    struct rfi_map_entry *removed; /* the last one, still valid as a cursor */
};

static uint64_t process_key[2];
static bool is_key_drawn;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    is_key_drawn = getrandom(process_key, sizeof process_key, 0) == (ssize_t)sizeof process_key;
}

struct rfi_map *rfi_map_new(void)
{
    if (pthread_once(&key_once, draw_key) != 0 || !is_key_drawn)
        return NULL; /* no randomness: refuse rather than be predictable */
    return calloc(1, sizeof(struct rfi_map));
}

void rfi_map_free(struct rfi_map *map)
{
    if (map == NULL)
        return;
    struct rfi_map_entry *entry = map->entries;
    HASH_CLEAR(hh, map->entries); /* frees the table alone; the list's links stay readable */
    while (entry != NULL) {
        struct rfi_map_entry *next = entry->hh.next;
        free(entry);
        entry = next;
    }
    free(map->removed);
    free(map);
}

size_t rfi_map_count(const struct rfi_map *map)
{
    return HASH_COUNT(map->entries);
}

static struct rfi_map_entry *find(const struct rfi_map *map, const void *key, size_t size)
{
    struct rfi_map_entry *entry = NULL;
    HASH_FIND(hh, map->entries, key, size, entry);
    return entry;
}

void *rfi_map_get(const struct rfi_map *map, const char *key)
{
    return rfi_map_get_bytes(map, key, strlen(key));
}

void *rfi_map_get_bytes(const struct rfi_map *map, const void *key, size_t size)
{
    const struct rfi_map_entry *entry = find(map, key, size);
    return entry != NULL ? entry->value : NULL;
}

rf_err rfi_map_add(struct rfi_map *map, const char *key, void *value)
{
    return rfi_map_add_bytes(map, key, strlen(key), value);
}

static rf_err insert(struct rfi_map *map, const void *key, size_t size, void *value)
{
    size_t entry_size;
    if (__builtin_add_overflow(sizeof(struct rfi_map_entry) + 1, size, &entry_size) ||
        size > UINT32_MAX) /* uthash counts in unsigned */
        return RF_ENOMEM;
    struct rfi_map_entry *entry = malloc(entry_size);
    if (entry == NULL)
        return RF_ENOMEM;
    entry->value = value;
    entry->key_size = size;
    if (size > 0)
        memcpy(entry->key, key, size);
    entry->key[size] = '\0';
    HASH_ADD_KEYPTR(hh, map->entries, entry->key, size, entry);
    if (entry->hh.tbl == NULL) { /* uthash's sign that it ran out of memory and took it back */
        free(entry);
        return RF_ENOMEM;
    }
    return RF_OK;
}

rf_err rfi_map_add_bytes(struct rfi_map *map, const void *key, size_t size, void *value)
{
    if (find(map, key, size) != NULL)
        return RF_EEXISTS;
    return insert(map, key, size, value);
}

rf_err rfi_map_set(struct rfi_map *map, const char *key, void *value)
{
    struct rfi_map_entry *entry = find(map, key, strlen(key));
    if (entry == NULL)
        return insert(map, key, strlen(key), value);
    entry->value = value;
    return RF_OK;
}

void *rfi_map_remove(struct rfi_map *map, const char *key)
{
    return rfi_map_remove_bytes(map, key, strlen(key));
}

void *rfi_map_remove_bytes(struct rfi_map *map, const void *key, size_t size)
{
    struct rfi_map_entry *entry = find(map, key, size);
    if (entry == NULL)
        return NULL;
    void *value = entry->value;
    HASH_DELETE(hh, map->entries, entry);
    free(map->removed);
    map->removed = entry;
    return value;
}

struct rfi_map_entry *rfi_map_next(const struct rfi_map *map, struct rfi_map_entry *cursor)
{
    return cursor == NULL ? map->entries : cursor->hh.next;
}

const char *rfi_map_key(const struct rfi_map_entry *entry)
{
    return entry->key;
}

size_t rfi_map_key_size(const struct rfi_map_entry *entry)
{
    return entry->key_size;
}

void *rfi_map_value(const struct rfi_map_entry *entry)
{
    return entry->value;
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein 2012, with one and three rounds), folded to 32 bits. */
static unsigned hash_bytes(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t v[4] = {process_key[0] ^ UINT64_C(0x736f6d6570736575),
                     process_key[1] ^ UINT64_C(0x646f72616e646f6d),
                     process_key[0] ^ UINT64_C(0x6c7967656e657261),
                     process_key[1] ^ UINT64_C(0x7465646279746573)};
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)size << 56;
    for (unsigned i = 0; at + i < size; i++)
        last |= (uint64_t)bytes[at + i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 3; i++)
        sip_round(v);
    uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (unsigned)(hash ^ hash >> 32);
}
