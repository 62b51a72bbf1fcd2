/* SPDX-License-Identifier: MIT */
/* The inside of the local network: the directory of nodes and the connectors between them.
 *
 * Everything here is under `rf_network.lock`, but where it says otherwise. No message that travels between actors
 * takes this lock: actors have tables of wires of their own (core/actor/actor.h), proxies likewise. No callback
 * is called and nothing is waited for while it is held. */
#ifndef RFI_NETWORK_INTERNAL_H
#define RFI_NETWORK_INTERNAL_H

#include "core/actor/actor.h"
#include "core/base/map.h"
#include "core/base/stable.h"
#include "core/flow/directory.h"
#include "core/flow/router.h"

struct rfi_edge;

#define RFI_LOOP_ID_MAX (UINT32_MAX >> 1) /* of rfi_node.loop_id */

/* A node of the connector graph: an actor or a proxy. */
struct rfi_node {
    struct rfi_edge *out_first; /* its out_prev is the last one */
    struct rfi_edge *in_first;
    struct rfi_node *walk_next; /* of the list that a walk makes */
    uint32_t walk_mark;         /* of the walk that was here last; in cycles.c also an index */
    uint32_t loop_id : 31;      /* nodes in one loop have the same; 0: in none */
    uint32_t is_proxy : 1;
};

/* An actor with its node: three lines of 64 bytes with an id of up to 7. */
struct rfi_local {
    struct rfi_actor actor; /* first */
    struct rfi_node node;
    char id[];
};

/* The actor of a node that is not a proxy's. Reads nothing. */
static inline struct rfi_actor *rfi_node_actor_of(const struct rfi_node *node)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): nodes are const to who only looks at them, their actors never */
    char *at = (char *)(uintptr_t)node;
    return (struct rfi_actor *)(void *)(at - offsetof(struct rfi_local, node));
}

/* NULL: a proxy. */
static inline struct rfi_actor *rfi_node_actor(const struct rfi_node *node)
{
    return node->is_proxy ? NULL : rfi_node_actor_of(node);
}

/* A connector, or a tap (then `to` is NULL). */
struct rfi_edge {
    struct rfi_node *from, *to;
    struct rfi_mailbox *target;      /* of the node, its outlet or the tap; one reference */
    struct rfi_outlet *tap;          /* the outlet when this is a tap */
    const char *from_port, *to_port; /* names: of the component, or `names` */
    uint32_t from_number;            /* out-port, or the place in the proxy's ports */
    uint32_t to_number;              /* what the target's deliveries carry */
    struct rfi_edge *out_prev, *out_next, *in_prev, *in_next;
    char names[]; /* names of proxy ports */
};

/* What out-ports of a proxy lead to; immutable once published. */
struct rfi_proxy_port {
    char *name;
    struct rfi_out_range range;
};

struct rfi_proxy_table {
    struct rfi_outs *outs; /* wires only */
    uint32_t port_count;
    struct rfi_proxy_port ports[];
};

/* Something to tell the bridge, in the order in which it came to be. */
struct rfi_notice {
    struct rfi_notice *next;
    enum { RFI_NOTICE_SUBSCRIBE, RFI_NOTICE_UNSUBSCRIBE, RFI_NOTICE_CLOSE } what;
    char port[];
};

struct rfi_proxy {
    struct rfi_node node; /* first */
    /* set once */
    char *id;
    struct rf_network *net;
    struct rfi_outlet *outlet; /* one reference */
    char *actor, *network;
    /* under the lock */
    struct rfi_notice *notices, **notices_end;
    bool is_pumping; /* one thread at a time calls the bridge for this proxy */
    bool is_noticed; /* in the network's list of proxies with notices */
    struct rfi_proxy *next_noticed;
    struct rfi_proxy *next_removed;
    /* set by open, before is_ready */
    void *handle;
    /* any thread */
    _Atomic(bool) is_ready, is_wake_missed;
    _Atomic(struct rfi_proxy_table *) pending;
    _Atomic(uint64_t) emitted; /* written by the outlet's owner thread */
    /* owner: the outlet's owner thread */
    struct rfi_proxy_table *table;
};

enum { RFI_STABLE_SETS = 4 };

enum rfi_life { RFI_LIFE_NEW, RFI_LIFE_RUNNING, RFI_LIFE_STOPPED };

struct rf_network {
    struct rfi_runtime runtime;
    char *id;
    uint32_t actors_max;
    /* serialises start, stop and removals while no worker runs; taken before `lock` */
    pthread_mutex_t life_lock;
    enum rfi_life life; /* written under both locks */
    pthread_mutex_t lock;
    struct rfi_map *components;
    const rf_component *last_component; /* that a node was made of: most are of the same */
    struct rfi_directory nodes;
    struct rfi_stable memory[RFI_STABLE_SETS]; /* of actors, by the size of their ids */
    uint64_t edge_count, removed_count;
    uint32_t walk_mark, loop_id;
    struct rfi_node *dirty;    /* nodes whose wires are to be made anew, by walk_next */
    struct rfi_proxy *noticed; /* have something to tell the bridge */
    struct rfi_proxy
        *removed_proxies; /* freed with the network: the bridge may be slow to let go */
    /* set under the lock before any remote node; producers read them to wake the bridge */
    _Atomic(const struct rfi_bridge_ops *) bridge_ops;
    _Atomic(void *) bridge;
    pthread_rwlock_t subs_lock; /* over subs; leaf */
    struct rf_subscription *subs;
};

static inline struct rfi_proxy *rfi_proxy_of(struct rfi_node *node)
{
    return rfi_node_actor(node) != NULL ? NULL
                                        : (struct rfi_proxy *)(void *)node; /* its first member */
}

static inline const char *rfi_node_id(const struct rfi_node *node)
{
    return node->is_proxy
               ? ((const struct rfi_proxy *)(const void *)node)->id /* its first member */
               : ((const struct rfi_local *)(const void *)rfi_node_actor_of(node))->id;
}

/* ---- nodes that wait for their connectors (network.c) ---- */

/* A mailbox and a port of it. */
struct rfi_place {
    struct rfi_mailbox *box; /* one reference */
    uint32_t port;
};

/* As rf_network_add_node. What more is wanted; may be NULL. */
struct rfi_added {
    bool is_held; /* give the actor, and do not let it run before rfi_network_release */
    const char *
        port; /* give the place of this in-port; NULL: do not. Then the id may be NULL: make one up */
    struct rfi_actor *actor; /* out: with a reference; NULL for a proxy */
    struct rfi_place place;  /* out */
};
RF_NODISCARD rf_err rfi_network_add(rf_network *net, const char *id, const char *component,
                                    const char *metadata_json, struct rfi_added *added,
                                    rf_diag *out_diag);
/* As rf_network_add_node, but the actor does not run before rfi_network_release. *out_held: owned; NULL for a
 * proxy, which does nothing by itself. */
RF_NODISCARD rf_err rfi_network_add_held(rf_network *net, const char *id, const char *component,
                                         const char *metadata_json, struct rfi_actor **out_held,
                                         rf_diag *out_diag);
/* May a node of that name be entered into the directory? The reasons why not have a text each. */
RF_NODISCARD rf_err rfi_node_admit_locked(rf_network *net, struct rfi_name name, rf_diag *out_diag);
static inline bool rfi_name_is_made_up(const char *id)
{
    return id[0] == RFI_MADE_UP_MARK;
}
static inline struct rfi_node *rfi_node_find_locked(rf_network *net, const char *id)
{
    return rfi_directory_get_locked(&net->nodes, rfi_name_of(id));
}
/* Let them run; those that were removed meanwhile end. Takes each of `held` (NULL is allowed). */
void rfi_network_release(rf_network *net, struct rfi_actor **held, size_t count);

/* ---- names ---- */

/* The number of a port by name or alias; SIZE_MAX: none. */
size_t rfi_port_find(const rf_port_def *ports, size_t count, const char *name);
/* Errors with the nearest right name. */
rf_err rfi_port_unknown(const char *what, const char *node, const rf_port_def *ports, size_t count,
                        const char *name, rf_diag *out_diag);
rf_err rfi_node_unknown_locked(rf_network *net, const char *id, rf_diag *out_diag);
/* actor and network of "actor@network", owned; RF_EINVAL, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_split_remote(const char *name, char **out_actor, char **out_network);

/* ---- connectors (connect.c) and loops (cycles.c) ---- */

/* Make and link an edge of an actor's out-port to a tap. */
RF_NODISCARD rf_err rfi_edge_tap_locked(rf_network *net, struct rfi_node *from, uint32_t outport,
                                        struct rfi_outlet *outlet);
/* Unlink, publish, wake and free; the target's waiters look again. */
void rfi_edge_remove_locked(rf_network *net, struct rfi_edge *edge);
void rfi_node_cut_locked(rf_network *net, struct rfi_node *node);
/* Free all edges without telling anybody: the network goes. */
void rfi_node_free_edges(struct rfi_node *node);

/* An edge from -> to was linked: find the loops that it closes and mark their nodes dirty. */
void rfi_cycles_edge_added(rf_network *net, struct rfi_node *from, struct rfi_node *to);
/* Edges were unlinked inside the loop `loop_id`; whoever is left in it is reachable from `starts`, a list by
 * walk_next. */
void rfi_cycles_edges_removed(rf_network *net, struct rfi_node *starts, uint32_t loop_id);
static inline bool rfi_edge_is_loop(const struct rfi_edge *edge)
{
    return edge->to != NULL && edge->from->loop_id != 0 && edge->from->loop_id == edge->to->loop_id;
}

/* ---- outlets and proxies ---- */

/* The bridge as it is now; NULL: none. */
static inline const struct rfi_bridge_ops *rfi_network_bridge(rf_network *net, void **out_bridge)
{
    /* [BR1] acquire: pairs with the release in rfi_network_set_bridge; the ops are written last */
    const struct rfi_bridge_ops *ops = atomic_load_explicit(&net->bridge_ops, memory_order_acquire);
    *out_bridge = atomic_load_explicit(&net->bridge, memory_order_relaxed);
    return ops;
}

struct rfi_outlet {
    struct rfi_mailbox box; /* first */
    /* set once */
    struct rf_network *net;
    const struct rfi_outlet_ops *ops; /* NULL: a proxy's, woken through the bridge */
    void *user;
    struct rfi_proxy *proxy;
    /* under the lock of the network */
    struct rfi_edge *tap;
    struct rfi_map *port_map, *route_map;
    uint32_t port_count, route_count;
    /* written under the lock, read by all: chunk k has 16 << k items and never moves */
    _Atomic(struct rfi_outlet_route *) routes[24];
    _Atomic(struct rfi_outlet_port *) ports[24];
    /* any thread */
    _Atomic(uint64_t) wakes_done;
    /* owner: the thread that pops */
    uint64_t idle_count;
    _Atomic(uint64_t) popped_count; /* others look at it */
};

struct rfi_outlet_port {
    char *name; /* owned */
    uint32_t number;
};

struct rfi_outlet_route {
    uint32_t port, number;
    char *source; /* owned; NULL: unknown */
};

extern const struct rfi_mailbox_ops rfi_outlet_mailbox_ops;

RF_NODISCARD rf_err rfi_outlet_make(rf_network *net, const struct rfi_outlet_ops *ops, void *user,
                                    uint32_t capacity, struct rfi_outlet **out);
/* What deliveries of `source` (NULL: unknown) to `port` carry as their port. UINT32_MAX: no memory. */
uint32_t rfi_outlet_route_locked(struct rfi_outlet *outlet, const char *source, const char *port);

/* Add the node "actor@network" under `id`. */
RF_NODISCARD rf_err rfi_proxy_add(rf_network *net, const char *id, const char *component,
                                  rf_diag *out_diag);
/* Make the proxy's table anew and publish it. RF_ENOMEM. */
RF_NODISCARD rf_err rfi_proxy_publish_locked(struct rfi_proxy *proxy);
/* Queue a notice; rfi_network_pump sends what is queued, without the lock. */
void rfi_proxy_notify_locked(struct rfi_proxy *proxy, struct rfi_notice *notice);
struct rfi_notice *rfi_notice_new(const char *port);
void rfi_network_pump(rf_network *net);
void rfi_proxy_wake(struct rfi_proxy *proxy);
/* The node is out of the directory already. */
void rfi_proxy_close(struct rfi_proxy *proxy);
void rfi_proxy_free(struct rfi_proxy *proxy);

/* ---- sending ---- */

/* Push to a mailbox. is_bounded: RF_EFULL at the limit. Takes msg and reply on RF_OK. */
RF_NODISCARD rf_err rfi_box_push(struct rfi_mailbox *box, uint32_t port, rf_message *msg,
                                 struct rfi_receipt *receipt, rf_reply *reply, bool is_bounded);

/* The same to where a node's messages go, with the event. */
RF_NODISCARD rf_err rfi_place_push(struct rfi_mailbox *box, uint32_t port, rf_message *msg,
                                   struct rfi_receipt *receipt, rf_reply *reply, bool is_bounded);
/* The place of a node's in-port; RF_ENOACTOR, RF_ENOPORT, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_place_find(rf_network *net, const char *actor, const char *port,
                                   struct rfi_place *out);
struct rfi_timers *rfi_place_timers(struct rfi_mailbox *box);
/* A request was pushed, or was not (err): arm its deadline, or take it back. The caller's reference to `reply`, beside
 * the pushed one, is taken. Returns what the request returns. */
RF_NODISCARD rf_err rfi_request_sent(rf_reply *reply, rf_err err, uint64_t timeout_ms);

/* ---- events ---- */

void rfi_events_post(void *user, const rf_event *event);
void rfi_events_close(rf_network *net);

#endif
