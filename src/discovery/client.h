/* SPDX-License-Identifier: MIT */
/* The DiscoveryService: one thread with libcurl that registers this node with every endpoint, refreshes, reads who else
 * is there, and unregisters at the end. An endpoint that is down delays nobody else (multi interface). What it found is
 * a table under a mutex, read by others. */
#ifndef RFI_DISCOVERY_CLIENT_H
#define RFI_DISCOVERY_CLIENT_H

#include "core/base/json_writer.h"
#include <reflow/distributed.h>

struct rfi_discovery;

struct rfi_discovery_options {
    const char *network_id, *instance_id;
    const char *endpoint;    /* what we say of ourselves: host:port */
    const char *const *urls; /* discovery_endpoints; a trailing slash is cut */
    size_t url_count;
    uint32_t refresh_ms, timeout_ms;
    void (*on_changed)(void *user); /* the table changed (not last_seen alone); discovery thread */
    void *user;
};

/* Copies the options. */
RF_NODISCARD rf_err rfi_discovery_new(const struct rfi_discovery_options *options,
                                      struct rfi_discovery **out);
RF_NODISCARD rf_err rfi_discovery_start(struct rfi_discovery *discovery);
/* Unregister everywhere (within timeout_ms in all) and join. */
void rfi_discovery_stop(struct rfi_discovery *discovery);
void rfi_discovery_free(struct rfi_discovery *discovery);
/* Ask all endpoints again now (a link is wanted and its network is unknown). At most one round a second. Any thread. */
void rfi_discovery_refresh(struct rfi_discovery *discovery);
/* Endpoints of a network, newest last_seen first, each terminated in 320 bytes. Not ourselves. */
size_t rfi_discovery_find(struct rfi_discovery *discovery, const char *network_id, char (*out)[320],
                          size_t max);
void rfi_discovery_each(struct rfi_discovery *discovery,
                        bool (*visit)(void *user, const rf_network_info *info), void *user);
/* The member "discovery" of GET /status: each endpoint's url, state, last error, times; w is inside an object. */
void rfi_discovery_write_status(struct rfi_discovery *discovery, struct rfi_json_writer *w);

#endif
