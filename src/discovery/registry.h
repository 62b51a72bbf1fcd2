/* SPDX-License-Identifier: MIT */
/* Who is there: the table behind POST /register and GET /networks. Several instances of one network stand side
 * by side, keyed by (network_id, instance_id). Entries end after their time to live. Thread-safe (one mutex, no
 * callback under it); the clock is the caller's. */
#ifndef RFI_REGISTRY_H
#define RFI_REGISTRY_H

#include "core/base/json_writer.h"

struct rfi_map;
struct rfi_registry;

struct rfi_registry_options {
    uint32_t ttl_ms;
    uint32_t entries_max, entries_per_address_max;
};

struct rfi_registry *rfi_registry_new(const struct rfi_registry_options *options);
void rfi_registry_free(struct rfi_registry *registry);
uint32_t rfi_registry_ttl_ms(const struct rfi_registry *registry);
/* Body of POST /register (Rust shape, extra members are kept and served). `caller_host` is the address the request
 * came from (no port): it replaces 0.0.0.0, [::] and an empty host in `endpoint`. RF_EFORMAT, RF_ELIMIT, RF_EEXISTS (the key
 * belongs to another address that is still alive). */
RF_NODISCARD rf_err rfi_registry_register(struct rfi_registry *registry, const char *body,
                                          size_t size, const char *caller_host, uint64_t now_ms,
                                          uint64_t wall_ns, rf_diag *out_diag);
/* instance_id NULL: all instances. Only entries registered from caller_host, unless it is NULL. RF_ENONETWORK;
 * RF_EAUTH: registered from elsewhere. */
RF_NODISCARD rf_err rfi_registry_remove(struct rfi_registry *registry, const char *network_id,
                                        const char *instance_id, const char *caller_host,
                                        uint64_t now_ms);
/* The array that GET /networks answers (entries past their TTL left out). */
void rfi_registry_write(struct rfi_registry *registry, uint64_t now_ms, struct rfi_json_writer *w);
/* The same with a member "connected" in each entry: is its network_id a key of `connected`? */
void rfi_registry_write_connected(struct rfi_registry *registry, uint64_t now_ms,
                                  const struct rfi_map *connected, struct rfi_json_writer *w);
size_t rfi_registry_count(struct rfi_registry *registry, uint64_t now_ms);

#endif
