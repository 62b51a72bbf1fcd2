/* SPDX-License-Identifier: MIT */
/** @file distributed.h  A node: a local network that other nodes can reach, and that reaches them.
 *
 *  The names are those of the Rust DistributedNetwork. A node listens on one port for WebSocket,
 *  native TCP and HTTP, registers with its discovery endpoints, and shows actors of other networks
 *  as local nodes named "actor@network".
 */
#ifndef REFLOW_DISTRIBUTED_H
#define REFLOW_DISTRIBUTED_H

#include <reflow/config.h>
#include <reflow/graph.h>
#include <reflow/network.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rf_distributed rf_distributed;

/** Make a node from a configuration (copied). Its local network can be filled at once.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `config`; returns owned in `out`.
 *  Errors:  RF_EINVAL (`out_diag` says which key), RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_distributed_new(const rf_config *config, rf_distributed **out,
                                              rf_diag *out_diag);

/** Load the configured graphs, start the local network, listen, register with discovery.
 *
 *  Thread:  any.            Blocks: shortly; discovery endpoints that are down do not delay it.
 *  Owns:    borrows `node`.
 *  Errors:  RF_ESYS ("Address already in use"), those of rf_graph_load and rf_graph_apply.
 */
RF_API RF_NODISCARD rf_err rf_distributed_start(rf_distributed *node, rf_diag *out_diag);

/** Refuse new work, unregister, finish what was accepted within `drain_ms`, close links, stop.
 *
 *  Thread:  any but a callback.   Blocks: up to `drain_ms` and a little.
 *  Owns:    borrows `node`.
 *  Errors:  RF_ETIMEOUT: work was left and dropped; the log says how much.
 */
RF_API rf_err rf_distributed_stop(rf_distributed *node, uint64_t drain_ms);

/** Stop at once if running, and free. NULL is allowed.
 *
 *  Thread:  any but a callback.   Blocks: until all threads have ended.
 *  Owns:    takes `node`.
 *  Errors:  none.
 */
RF_API void rf_distributed_free(rf_distributed *node);

/** Take over the reloadable keys of `config`; the others must be unchanged, or nothing is taken.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  RF_ESTATE: a key changed that needs a restart; `out_diag` names it.
 */
RF_API RF_NODISCARD rf_err rf_distributed_reload(rf_distributed *node, const rf_config *config,
                                                 rf_diag *out_diag);

/** The local network, and "ADDRESS:PORT" where the node listens ("" before the start).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns borrowed until the node is freed.
 *  Errors:  none.
 */
RF_API rf_network *rf_distributed_network(rf_distributed *node);
RF_API const char *rf_distributed_address(const rf_distributed *node);

/** Register `component` under `id` and add a node of the same id: an actor that peers can reach.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows `component` until the node is freed.
 *  Errors:  those of rf_network_register and rf_network_add_node.
 */
RF_API RF_NODISCARD rf_err rf_distributed_register_local_actor(rf_distributed *node, const char *id,
                                                               const rf_component *component,
                                                               const char *metadata_json,
                                                               rf_diag *out_diag);

/** Connect to the node at "host:port", "ws://host:port" or "tcp://host:port" and stay connected:
 *  after a loss it is dialled again for ever, until rf_distributed_disconnect.
 *
 *  Thread:  any but a callback.   Blocks: up to `timeout_ms`; 0: does not wait.
 *  Owns:    borrows all.
 *  Errors:  RF_EINVAL, RF_ETIMEOUT, RF_EAUTH, RF_EREFUSED, RF_EDUPLICATE, RF_ELIMIT, RF_ESYS; dialling
 *           goes on after RF_ETIMEOUT and RF_ESYS, not after the others. `out_diag` may be NULL.
 */
RF_API RF_NODISCARD rf_err rf_distributed_connect(rf_distributed *node, const char *endpoint,
                                                  uint64_t timeout_ms, rf_diag *out_diag);

/** Close the link to a network and stop dialling it.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  RF_ENONETWORK.
 */
RF_API RF_NODISCARD rf_err rf_distributed_disconnect(rf_distributed *node, const char *network_id);

/** Show an actor of another network as local node "actor@network", before its network is connected too.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  RF_EEXISTS, RF_EINVAL.
 */
RF_API RF_NODISCARD rf_err rf_distributed_register_remote_actor(rf_distributed *node,
                                                                const char *actor_id,
                                                                const char *network_id);

/** Send to an actor of another network without a proxy node. While the network is not connected the
 *  message waits, within the limits of the configuration.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes `msg` on RF_OK.
 *  Errors:  RF_EFULL, RF_EINVAL, RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_distributed_send(rf_distributed *node, const char *network_id,
                                               const char *actor_id, const char *port,
                                               rf_message *msg);

/** Ask a connected network for the list of its actors. `visit` gets each id.
 *
 *  Thread:  any but a callback.   Blocks: up to `timeout_ms`.
 *  Owns:    borrows all; texts are borrowed for the call.
 *  Errors:  RF_ENOTCONNECTED, RF_ETIMEOUT.
 */
RF_API RF_NODISCARD rf_err
rf_distributed_discover_actors(rf_distributed *node, const char *network_id, uint64_t timeout_ms,
                               void (*visit)(void *user, const char *actor_id), void *user);

/** One entry of the discovery registries. */
typedef struct rf_network_info {
    const char *network_id, *instance_id;
    const char *endpoint;     /**< host:port */
    const char *last_seen;    /**< RFC 3339 */
    const char *capabilities; /**< a JSON array of strings */
    bool is_connected;
} rf_network_info;

/** Call `visit` for each network that discovery knows, from memory.
 *
 *  Thread:  any.            Blocks: shortly; `visit` must not call the node.
 *  Owns:    borrows all; texts are borrowed for the call.
 *  Errors:  none.
 */
RF_API void rf_distributed_each_network(rf_distributed *node,
                                        bool (*visit)(void *user, const rf_network_info *),
                                        void *user);

/** Is there a live link to that network?
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  none.
 */
RF_API bool rf_distributed_is_connected(rf_distributed *node, const char *network_id);

/** What GET /status answers.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    returns owned, terminated text in `out_json`; free it with free().
 *  Errors:  RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_distributed_status(rf_distributed *node, char **out_json);

#ifdef __cplusplus
}
#endif
#endif
