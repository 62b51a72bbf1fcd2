/* SPDX-License-Identifier: MIT */
/* The routes of a node. They see the node through this table of calls, which distributed.c fills in. */
#ifndef RFI_HTTP_ROUTES_H
#define RFI_HTTP_ROUTES_H

#include "core/base/json_writer.h"
#include "discovery/registry.h"
#include "http/server.h"
#include <pthread.h>
#include <reflow/distributed.h>

/* Questions to peers that are under way, each on a thread of its own. */
struct rfi_peer_questions {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    unsigned count;
    bool is_closed;
};

struct rfi_node_view {
    void *node;
    rf_network *network;
    struct rfi_registry *registry; /* NULL: this node is no registry */
    uint32_t request_timeout_ms;
    bool (*is_ready)(void *node, const char **out_why_not);      /* borrowed for ever */
    void (*write_status)(void *node, struct rfi_json_writer *w); /* one whole object */
    void (*each_network)(void *node, bool (*visit)(void *user, const rf_network_info *),
                         void *user);
    size_t (*connected_count)(void *node);
    const char *(*network_id)(void *node);
    const char *(*instance_id)(void *node);
    uint64_t (*uptime_ms)(void *node);
    rf_err (*discover_actors)(void *node, const char *network_id, uint64_t timeout_ms,
                              void (*visit)(void *user, const char *actor_id), void *user);
    struct rfi_peer_questions *questions;
};

/* Refuse further questions and wait for those under way. Before the links are stopped. */
void rfi_http_wait_peers(struct rfi_peer_questions *questions);

/* Ended by method NULL. `user` of the server must be the struct rfi_node_view. */
const struct rfi_http_route *rfi_http_routes(void);

#endif
