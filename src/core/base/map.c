/* SPDX-License-Identifier: MIT */
/* Byte strings to pointers. One owner, or the owner's lock.
 *
 *   index   [ 2, hash ][   ][ 1, hash ][   ][   ][   ]   places in `entries`, from 1; a power of two, half full at most
 *   entries [ hash, item ][ hash, item ]                 in the order of insertion, which is what the cursor walks
 *
 * The index is searched linearly from the place that the hash gives, and only entries of the same hash are looked
 * into, so a look-up costs one line of each whatever the size. A removed entry leaves a hole that a later growth closes,
 * and a mark in the index.
 *
 * What a key was copied into stays after a removal until the next one, and holes are closed by an addition only, so that
 * a walk may remove what it stands on. Values are never touched. */
#include "core/base/map.h"
#include "core/base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 8 };
#define INDEX_GONE  UINT32_MAX /* as a number: something was here, search on */
#define ENTRIES_MAX ((uint32_t)1 << 30)

struct item {
    void *value;
    size_t key_size;
    char key[]; /* terminated */
};

struct rfi_map_entry {
    struct item *item; /* NULL: a hole */
    uint32_t hash;
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
    struct item *removed; /* the last one, still valid for a cursor */
};

struct rfi_map *rfi_map_new(void)
{
    if (!rfi_hash_init())
        return NULL; /* no randomness: refuse rather than be predictable */
    return calloc(1, sizeof(struct rfi_map));
}

/* ---- entries ---- */

static bool is_hole(const struct rfi_map_entry *entry)
{
    return entry->item == NULL;
}

const char *rfi_map_key(const struct rfi_map_entry *entry)
{
    return entry->item->key;
}

size_t rfi_map_key_size(const struct rfi_map_entry *entry)
{
    return entry->item->key_size;
}

void *rfi_map_value(const struct rfi_map_entry *entry)
{
    return entry->item->value;
}

static bool has_key(const struct rfi_map_entry *entry, const void *key, size_t size)
{
    const struct item *item = entry->item;
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

/* Make room for one more: close the holes, and double the index when it would stay more than a quarter full. */
static bool grow(struct rfi_map *map)
{
    if (map->count >= ENTRIES_MAX / 2)
        return false;
    uint32_t size = map->index_size == 0                ? FIRST_SIZE
                    : map->count >= map->index_size / 4 ? map->index_size * 2
                                                        : map->index_size;
    struct place *index = calloc(size, sizeof *index);
    if (index == NULL)
        return false;
    uint32_t used = 0;
    for (uint32_t i = 0; map->entries != NULL && i < map->used; i++)
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
    for (uint32_t i = 0; map->entries != NULL && i < map->used; i++)
        free(map->entries[i].item); /* NULL for a hole */
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
    const struct rfi_map_entry *entry = find(map, rfi_hash_bytes(key, size), key, size);
    return entry != NULL ? rfi_map_value(entry) : NULL;
}

static bool insert(struct rfi_map *map, uint32_t hash, struct item *item)
{
    if ((map->used >= map->index_size / 2 || map->marked >= map->index_size / 4 * 3) && !grow(map))
        return false;
    if (map->entries == NULL)
        return false; /* never after grow; for the analyser */
    map->entries[map->used] = (struct rfi_map_entry){item, hash};
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
    uint32_t hash = rfi_hash_bytes(key, size);
    if (find(map, hash, key, size) != NULL)
        return RF_EEXISTS;
    return insert_copy(map, hash, key, size, value);
}

rf_err rfi_map_set(struct rfi_map *map, const char *key, void *value)
{
    size_t size = strlen(key);
    uint32_t hash = rfi_hash_bytes(key, size);
    struct rfi_map_entry *entry = find(map, hash, key, size);
    if (entry == NULL)
        return insert_copy(map, hash, key, size, value);
    entry->item->value = value;
    return RF_OK;
}

void *rfi_map_remove(struct rfi_map *map, const char *key)
{
    return rfi_map_remove_bytes(map, key, strlen(key));
}

void *rfi_map_remove_bytes(struct rfi_map *map, const void *key, size_t size)
{
    uint32_t place = find_place(map, rfi_hash_bytes(key, size), key, size);
    if (place == UINT32_MAX)
        return NULL;
    struct rfi_map_entry *entry = &map->entries[map->index[place].number - 1];
    void *value = rfi_map_value(entry);
    free(map->removed);
    map->removed = entry->item;
    map->index[place].number = INDEX_GONE;
    entry->item = NULL;
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
