/* SPDX-License-Identifier: MIT */
/* The NetworkBridge: ties peers to the local network. Owns the transport, the table of peers (links), the
 * dialler and the routing pool. Implements rfi_bridge_ops for the local network. */
#ifndef RFI_BRIDGE_H
#define RFI_BRIDGE_H

#include "config.h"
#include "core/base/json_writer.h"
#include "core/flow/router.h"
#include <sys/socket.h>

struct rfi_bridge;

struct rfi_bridge_hooks {
    /* Where can this network be dialled? Write up to `max` endpoints ("host:port", best first) of
     * RFI_BRIDGE_ENDPOINT_SIZE bytes each; returns how many. From the bridge's control thread; must not block. */
    size_t (*find_endpoints)(void *user, const char *network_id, char (*out)[320], size_t max);
    /* An HTTP client on the bind port: takes the socket. I/O thread. */
    void (*on_http)(void *user, int fd, const struct sockaddr *address, socklen_t address_size);
};

/* `config` is borrowed until free (reload: rfi_bridge_reload). Registers itself with `net`. */
RF_NODISCARD rf_err rfi_bridge_new(const rf_config *config, rf_network *net,
                                   const struct rfi_bridge_hooks *hooks, void *user,
                                   struct rfi_bridge **out);
/* Listen and start all threads; dials config->connect. */
RF_NODISCARD rf_err rfi_bridge_start(struct rfi_bridge *bridge, rf_diag *out_diag);
const char *rfi_bridge_address(const struct rfi_bridge *bridge); /* "address:port" */
void rfi_bridge_close(struct rfi_bridge *bridge); /* refuse new connections, stop dialling */
/* Wait until outlets and links have nothing unsent or unacknowledged. RF_ETIMEOUT. */
RF_NODISCARD rf_err rfi_bridge_drain(struct rfi_bridge *bridge, uint64_t timeout_ms);
void rfi_bridge_stop(struct rfi_bridge *bridge); /* close links, join all threads */
void rfi_bridge_free(struct rfi_bridge *bridge);
/* auth_token, max_connections and reconnect times are taken from the new values. */
void rfi_bridge_reload(struct rfi_bridge *bridge, const rf_config *config);

/* See distributed.h; same semantics. */
RF_NODISCARD rf_err rfi_bridge_connect(struct rfi_bridge *bridge, const char *endpoint,
                                       uint64_t timeout_ms, rf_diag *out_diag);
RF_NODISCARD rf_err rfi_bridge_disconnect(struct rfi_bridge *bridge, const char *network_id);
RF_NODISCARD rf_err rfi_bridge_send(struct rfi_bridge *bridge, const char *network_id,
                                    const char *actor_id, const char *port, rf_message *msg,
                                    rf_reply *reply);
RF_NODISCARD rf_err rfi_bridge_discover_actors(struct rfi_bridge *bridge, const char *network_id,
                                               uint64_t timeout_ms,
                                               void (*visit)(void *user, const char *actor_id),
                                               void *user);
bool rfi_bridge_is_connected(struct rfi_bridge *bridge, const char *network_id);
/* Endpoints of this network may have changed: dial at once if a link is wanted. Any thread. */
void rfi_bridge_endpoints_changed(struct rfi_bridge *bridge);
/* The members "links" (array: network_id, instance_id, state, wire, direction, address, counters, last error) and
 * "dead_letters" (counts per reason) of GET /status. Any thread; w is inside an object. */
void rfi_bridge_write_status(struct rfi_bridge *bridge, struct rfi_json_writer *w);
size_t rfi_bridge_connected_count(struct rfi_bridge *bridge);

#endif
