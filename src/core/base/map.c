/* SPDX-License-Identifier: MIT */
/* Byte strings to pointers. One owner, or the owner's lock.
 *
 *   index   [ 2, hash ][   ][ 1, hash ][   ][   ][   ]   places in `entries`, from 1; a power of two, half full at most
 *   entries [ hash, item ][ hash, item ]                 in the order of insertion, which is what the cursor walks
 *
 * The index is searched linearly from the place that the hash gives, and only entries of the same hash are looked
 * into, so a look-up costs one line of each whatever the size. An entry takes 12 bytes and its part of the
 * index 16 to 32; a large index is in huge pages, if the system has any. A removed entry leaves a hole that a later growth closes, and a mark in the index.
 *
 * The hash is SipHash-1-3 under a key that this process draws once, since peers choose the names (without it they
 * could choose names that all fall into one place). What a key was copied into stays after a removal until
 * the next one, and holes are closed by an addition only, so that a walk may remove what it stands on. Values are
 * never touched, but that those of a keyed map are read for their keys. */
#include "core/base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

static uint32_t hash_bytes(const void *data, size_t size);

enum { FIRST_SIZE = 8 };
#define INDEX_GONE  UINT32_MAX /* as a number: something was here, search on */
#define ENTRIES_MAX ((uint32_t)1 << 30)

/* What an entry leads to, unless the map is keyed: then it is the value itself. */
struct item {
    void *value;
    size_t key_size;
    char key[]; /* terminated */
};

/* Three halves of words, so that it takes 12 bytes. The lowest bit of `low`, free in addresses: it is a value that begins
 * with its key. */
struct rfi_map_entry {
    uint32_t hash, low, high;
};

struct place {
    uint32_t number; /* place in `entries`, from 1; 0: free */
    uint32_t hash;
};

struct rfi_map {
    struct place *index;
    struct rfi_map_entry *entries;
    uint32_t index_size; /* 0: nothing was added yet */
    uint32_t marked;     /* places of the index that are not free */
    uint32_t used;       /* entries, holes included; never more than index_size / 2 */
    uint32_t count;
    bool is_keyed;
    struct item *removed; /* the last one, still valid for a cursor */
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

struct rfi_map *rfi_map_new_keyed(void)
{
    struct rfi_map *map = rfi_map_new();
    if (map != NULL)
        map->is_keyed = true;
    return map;
}

/* ---- entries ---- */

static void *target_of(const struct rfi_map_entry *entry)
{
    uint64_t address = (uint64_t)entry->high << 32 | (entry->low & ~UINT32_C(1));
    return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr): see the entry */
}

static bool is_hole(const struct rfi_map_entry *entry)
{
    return (entry->low | entry->high) == 0;
}

static bool is_keyed(const struct rfi_map_entry *entry)
{
    return (entry->low & 1) != 0;
}

const char *rfi_map_key(const struct rfi_map_entry *entry)
{
    return is_keyed(entry) ? *(char *const *)target_of(entry)
                           : ((const struct item *)target_of(entry))->key;
}

size_t rfi_map_key_size(const struct rfi_map_entry *entry)
{
    return is_keyed(entry) ? strlen(rfi_map_key(entry))
                           : ((const struct item *)target_of(entry))->key_size;
}

void *rfi_map_value(const struct rfi_map_entry *entry)
{
    return is_keyed(entry) ? target_of(entry) : ((const struct item *)target_of(entry))->value;
}

static bool has_key(const struct rfi_map_entry *entry, const void *key, size_t size)
{
    if (is_keyed(entry)) {
        const char *own = rfi_map_key(entry);
        return strncmp(own, key, size) == 0 && own[size] == '\0';
    }
    const struct item *item = target_of(entry);
    return item->key_size == size && (size == 0 || memcmp(item->key, key, size) == 0);
}

/* ---- the index ---- */

/* The place of the key in the index; UINT32_MAX: it is not there. */
static uint32_t find_place(const struct rfi_map *map, uint32_t hash, const void *key, size_t size)
{
    if (map->index_size == 0)
        return UINT32_MAX;
    uint32_t mask = map->index_size - 1;
    for (uint32_t place = hash & mask;; place = (place + 1) & mask) {
        struct place at = map->index[place];
        if (at.number == 0)
            return UINT32_MAX;
        if (at.hash == hash && at.number != INDEX_GONE &&
            has_key(&map->entries[at.number - 1], key, size))
            return place;
    }
}

static struct rfi_map_entry *find(const struct rfi_map *map, uint32_t hash, const void *key,
                                  size_t size)
{
    uint32_t place = find_place(map, hash, key, size);
    return place == UINT32_MAX ? NULL : &map->entries[map->index[place].number - 1];
}

static void enter(struct rfi_map *map, uint32_t number)
{
    uint32_t mask = map->index_size - 1;
    uint32_t place = map->entries[number].hash & mask;
    while (map->index[place].number != 0)
        place = (place + 1) & mask;
    map->index[place] = (struct place){number + 1, map->entries[number].hash};
    map->marked++;
}

static struct place *make_index(uint32_t size)
{
    enum { HUGE_PAGE = 2 << 20 };
    size_t bytes = size * sizeof(struct place);
    if (bytes < HUGE_PAGE)
        return calloc(size, sizeof(struct place));
    struct place *index = aligned_alloc(HUGE_PAGE, bytes); /* both are powers of two */
    if (index == NULL)
        return NULL;
    (void)madvise(index, bytes, MADV_HUGEPAGE); /* without them it is slower, no more */
    return memset(index, 0, bytes);
}

/* Make room for one more: close the holes, and double the index when it would stay more than a quarter full. */
static bool grow(struct rfi_map *map)
{
    if (map->count >= ENTRIES_MAX / 2)
        return false;
    uint32_t size = map->index_size == 0                ? FIRST_SIZE
                    : map->count >= map->index_size / 4 ? map->index_size * 2
                                                        : map->index_size;
    struct place *index = make_index(size);
    if (index == NULL)
        return false;
    uint32_t used = 0;
    for (uint32_t i = 0; i < map->used; i++)
        if (!is_hole(&map->entries[i]))
            map->entries[used++] = map->entries[i];
    map->used = used;
    struct rfi_map_entry *entries = realloc(map->entries, (size_t)size / 2 * sizeof *entries);
    if (entries != NULL)
        map->entries = entries;
    if (entries == NULL) { /* the holes are closed: enter what is left into the old index */
        free(index);
        index = map->index;
        size = map->index_size;
        if (index == NULL)
            return false;
        memset(index, 0, size * sizeof *index);
    }
    if (index != map->index)
        free(map->index);
    map->index = index;
    map->index_size = size;
    map->marked = 0;
    for (uint32_t i = 0; i < used; i++)
        enter(map, i);
    return entries != NULL;
}

/* ---- the map ---- */

void rfi_map_free(struct rfi_map *map)
{
    if (map == NULL)
        return;
    for (uint32_t i = 0; i < map->used && !map->is_keyed; i++)
        free(target_of(&map->entries[i])); /* NULL for a hole */
    free(map->removed);
    free(map->entries);
    free(map->index);
    free(map);
}

size_t rfi_map_count(const struct rfi_map *map)
{
    return map->count;
}

void *rfi_map_get(const struct rfi_map *map, const char *key)
{
    return rfi_map_get_bytes(map, key, strlen(key));
}

void *rfi_map_get_bytes(const struct rfi_map *map, const void *key, size_t size)
{
    const struct rfi_map_entry *entry = find(map, hash_bytes(key, size), key, size);
    return entry != NULL ? rfi_map_value(entry) : NULL;
}

static bool insert(struct rfi_map *map, uint32_t hash, void *target)
{
    if ((map->used >= map->index_size / 2 || map->marked >= map->index_size / 4 * 3) && !grow(map))
        return false;
    uint64_t address = (uint64_t)(uintptr_t)target;
    map->entries[map->used] = (struct rfi_map_entry){
        hash, (uint32_t)address | (map->is_keyed ? 1U : 0U), (uint32_t)(address >> 32)};
    enter(map, map->used++);
    map->count++;
    return true;
}

static rf_err insert_copy(struct rfi_map *map, uint32_t hash, const void *key, size_t size,
                          void *value)
{
    size_t item_size;
    if (__builtin_add_overflow(sizeof(struct item) + 1, size, &item_size))
        return RF_ENOMEM;
    struct item *item = malloc(item_size);
    if (item == NULL)
        return RF_ENOMEM;
    item->value = value;
    item->key_size = size;
    if (size > 0)
        memcpy(item->key, key, size);
    item->key[size] = '\0';
    if (insert(map, hash, item))
        return RF_OK;
    free(item);
    return RF_ENOMEM;
}

rf_err rfi_map_add(struct rfi_map *map, const char *key, void *value)
{
    return rfi_map_add_bytes(map, key, strlen(key), value);
}

rf_err rfi_map_add_bytes(struct rfi_map *map, const void *key, size_t size, void *value)
{
    uint32_t hash = hash_bytes(key, size);
    if (find(map, hash, key, size) != NULL)
        return RF_EEXISTS;
    return insert_copy(map, hash, key, size, value);
}

rf_err rfi_map_add_keyed(struct rfi_map *map, void *value)
{
    const char *key = *(char *const *)value;
    size_t size = strlen(key);
    uint32_t hash = hash_bytes(key, size);
    if (find(map, hash, key, size) != NULL)
        return RF_EEXISTS;
    return insert(map, hash, value) ? RF_OK : RF_ENOMEM;
}

rf_err rfi_map_set(struct rfi_map *map, const char *key, void *value)
{
    size_t size = strlen(key);
    uint32_t hash = hash_bytes(key, size);
    struct rfi_map_entry *entry = find(map, hash, key, size);
    if (entry == NULL)
        return insert_copy(map, hash, key, size, value);
    ((struct item *)target_of(entry))->value = value;
    return RF_OK;
}

void *rfi_map_remove(struct rfi_map *map, const char *key)
{
    return rfi_map_remove_bytes(map, key, strlen(key));
}

void *rfi_map_remove_bytes(struct rfi_map *map, const void *key, size_t size)
{
    uint32_t place = find_place(map, hash_bytes(key, size), key, size);
    if (place == UINT32_MAX)
        return NULL;
    struct rfi_map_entry *entry = &map->entries[map->index[place].number - 1];
    void *value = rfi_map_value(entry);
    if (!map->is_keyed) {
        free(map->removed);
        map->removed = target_of(entry);
    }
    map->index[place].number = INDEX_GONE;
    entry->low = entry->high = 0;
    map->count--;
    while (map->used > 0 && is_hole(&map->entries[map->used - 1]))
        map->used--; /* a cursor that stands there sees that it is behind the end */
    return value;
}

struct rfi_map_entry *rfi_map_next(const struct rfi_map *map, struct rfi_map_entry *cursor)
{
    uint32_t at = cursor == NULL ? 0 : (uint32_t)(cursor - map->entries) + 1;
    while (at < map->used && is_hole(&map->entries[at]))
        at++;
    return at < map->used ? &map->entries[at] : NULL;
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
static uint32_t hash_bytes(const void *data, size_t size)
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
    return (uint32_t)(hash ^ hash >> 32);
}
