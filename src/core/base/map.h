/* SPDX-License-Identifier: MIT */
/* A map from byte strings to pointers, for the control plane: one owner or one lock, hashed with
 * SipHash under a key of this process, since peers choose the names. Keys are copied. */
#ifndef RFI_MAP_H
#define RFI_MAP_H

#include <reflow/error.h>

struct rfi_map;
struct rfi_map_entry; /* opaque cursor */

struct rfi_map *rfi_map_new(void); /* NULL: out of memory */
/* Frees the map, not the values. NULL is allowed. */
void rfi_map_free(struct rfi_map *map);
size_t rfi_map_count(const struct rfi_map *map);
void *rfi_map_get(const struct rfi_map *map, const char *key);
void *rfi_map_get_bytes(const struct rfi_map *map, const void *key, size_t size);
/* RF_EEXISTS when the key is there, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_map_add(struct rfi_map *map, const char *key, void *value);
RF_NODISCARD rf_err rfi_map_add_bytes(struct rfi_map *map, const void *key, size_t size,
                                      void *value);
/* Replaces; RF_ENOMEM only. */
RF_NODISCARD rf_err rfi_map_set(struct rfi_map *map, const char *key, void *value);
/* Returns the value that was there, or NULL. */
void *rfi_map_remove(struct rfi_map *map, const char *key);
void *rfi_map_remove_bytes(struct rfi_map *map, const void *key, size_t size);
/* Iterate in the order of insertion: cursor NULL starts; returns NULL at the end. The entry that was
 * returned last may be removed, nothing else. */
struct rfi_map_entry *rfi_map_next(const struct rfi_map *map, struct rfi_map_entry *cursor);
const char *rfi_map_key(const struct rfi_map_entry *entry); /* terminated */
size_t rfi_map_key_size(const struct rfi_map_entry *entry);
void *rfi_map_value(const struct rfi_map_entry *entry);

#endif
