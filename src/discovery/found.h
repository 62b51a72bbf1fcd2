/* SPDX-License-Identifier: MIT */
/* What the registries said: the table of the discovery client, without threads or sockets. One owner, or the
 * owner's lock. Keyed by (network_id, instance_id); the newest last_seen wins. */
#ifndef RFI_FOUND_H
#define RFI_FOUND_H

#include "discovery/hostport.h"
#include <reflow/error.h>

enum {
    RFI_FOUND_NAME_SIZE = 129,
    RFI_FOUND_CAPABILITIES_SIZE = 512,
    RFI_FOUND_MAX = 10000,
    RFI_FOUND_MISSED_MAX = 3
};

struct rfi_found_entry {
    char network_id[RFI_FOUND_NAME_SIZE], instance_id[RFI_FOUND_NAME_SIZE];
    char endpoint[RFI_ENDPOINT_TEXT_SIZE];
    char capabilities[RFI_FOUND_CAPABILITIES_SIZE]; /* JSON array; "[]" when it would not fit */
    uint64_t seen_wall_ns;                          /* last_seen, by the registry's clock */
    size_t source;                                  /* which registry listed it last */
    uint32_t missed;                                /* lists of that registry since, without it */
    uint64_t listed_round;
};

struct rfi_map;
struct rfi_found {
    struct rfi_map *entries;
    char own_network_id[RFI_FOUND_NAME_SIZE], own_instance_id[RFI_FOUND_NAME_SIZE];
    uint64_t round;
};

RF_NODISCARD rf_err rfi_found_init(struct rfi_found *found, const char *own_network_id,
                                   const char *own_instance_id);
void rfi_found_fini(struct rfi_found *found);
/* Take in one registry's list: an array in the Rust shape. Entries that are wrong are left out; ourselves too. An entry
 * that its registry has not listed RFI_FOUND_MISSED_MAX times is dropped. RF_EFORMAT: no such list, nothing is
 * changed. *out_is_changed: an entry came, went, or has another endpoint. */
RF_NODISCARD rf_err rfi_found_merge(struct rfi_found *found, size_t source, const char *body,
                                    size_t size, bool *out_is_changed, rf_diag *out_diag);
/* A copy of all entries in the order of their coming; NULL with *out_count 0 when there is none or no memory. */
struct rfi_found_entry *rfi_found_copy(const struct rfi_found *found, size_t *out_count);

#endif
