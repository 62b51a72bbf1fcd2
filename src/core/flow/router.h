/* SPDX-License-Identifier: MIT */
/* What core and net are to each other. Core declares it; net implements the bridge and uses the rest.
 *
 * Three things cross this line:
 *   target   a local actor's in-port, found once by name, then pushed to by a routing shard;
 *   outlet   a mailbox that a routing shard serves instead of an actor: what local actors emit to a
 *            proxy node, or what a peer has subscribed of a local actor's out-port (a tap);
 *   proxy    a node "actor@network": its in-ports feed an outlet, and what comes back from the
 *            remote actor's out-ports is emitted from it as if it were local.
 *
 * Back pressure: a full outlet mutes the local producers exactly as a full mailbox does. A target
 * never refuses for fullness; the credits of the link bound what it can be given, and a receipt tells
 * the link when a message is consumed. */
#ifndef RFI_ROUTER_H
#define RFI_ROUTER_H

#include "core/actor/receipt.h"
#include "core/base/errand.h"
#include "core/message/message_internal.h"
#include <reflow/network.h>

/* ---- receipts ---- */

/* struct rfi_receipt, and rfi_reply_fail for requests: core/actor/receipt.h. */

/* ---- targets: net -> local actor ---- */

struct rfi_target; /* counted */

/* Find a local in-port. RF_ENOACTOR, RF_ENOPORT. Any thread; takes the directory's lock, so look up
 * once and keep the target. Returns owned. */
RF_NODISCARD rf_err rfi_target_find(rf_network *net, const char *actor, const char *port,
                                    struct rfi_target **out);
struct rfi_target *rfi_target_ref(struct rfi_target *target);
void rfi_target_unref(struct rfi_target *target);
/* Push a message; any thread. Takes `msg` on RF_OK, and `reply` too (may be NULL). RF_ECLOSED: the node
 * is gone (find it again, it may have been added anew); RF_ENOMEM. */
RF_NODISCARD rf_err rfi_target_push(struct rfi_target *target, rf_message *msg,
                                    struct rfi_receipt *receipt, rf_reply *reply);

/* Messages for one target that their owner gathers, to be pushed in one step. Zeros: empty. */
struct rfi_target_run {
    struct rfi_mpsc_node *oldest, *newest;
    uint32_t length;
    int32_t weight;
};
/* Put a message behind the run. Takes `msg` on RF_OK. RF_ENOMEM. */
RF_NODISCARD rf_err rfi_target_run_add(struct rfi_target_run *run, struct rfi_target *target,
                                       rf_message *msg, struct rfi_receipt *receipt);
/* The same for messages that nobody else has, at least one. Takes them all; returns the bytes that they have. */
size_t rfi_target_run_add_many(struct rfi_target_run *run, struct rfi_target *target,
                               rf_message *const *messages, size_t count,
                               struct rfi_receipt *receipt);
/* Push all of it, in order; the run is empty afterwards. RF_ECLOSED: the node is gone; what is in the run still
 * belongs to its owner. */
RF_NODISCARD rf_err rfi_target_push_run(struct rfi_target *target, struct rfi_target_run *run);
/* Take the oldest message back; NULL: the run is empty. Returns owned. */
rf_message *rfi_target_run_take(struct rfi_target_run *run);
/* Messages waiting in that actor's mailbox. */
size_t rfi_target_depth(const struct rfi_target *target);

/* ---- outlets: local actors -> net ---- */

struct rfi_outlet; /* counted */

struct rfi_outlet_ops {
    /* The outlet was empty and has a message now: pop it on the thread that owns it. Any thread, must
     * not block. After this, no further wake until rfi_outlet_pop has answered false. */
    void (*wake)(void *user);
};

/* An outlet that belongs to no node, for direct sends. `capacity` messages; 0: the network's. */
RF_NODISCARD rf_err rfi_outlet_new(rf_network *net, const struct rfi_outlet_ops *ops, void *user,
                                   uint32_t capacity, struct rfi_outlet **out);
/* A tap: what the local actor `actor` emits on `outport` from now on is also queued here (port 0).
 * RF_ENOACTOR, RF_ENOPORT. */
RF_NODISCARD rf_err rfi_outlet_tap(rf_network *net, const char *actor, const char *outport,
                                   const struct rfi_outlet_ops *ops, void *user, uint32_t capacity,
                                   struct rfi_outlet **out);
/* Is the actor of this tap still there? Once its node was removed the tap gets nothing more, also when another
 * node takes the name. Any thread; takes the directory's lock. */
bool rfi_outlet_has_actor(struct rfi_outlet *outlet);
struct rfi_outlet *rfi_outlet_ref(struct rfi_outlet *outlet);
void rfi_outlet_unref(struct rfi_outlet *outlet);
/* Refuse new messages, cut the tap if it is one, wake muted producers. No wake comes once this has
 * returned and the owner's pop has answered false. Any thread. */
void rfi_outlet_close(struct rfi_outlet *outlet);
/* The number of a port name in this outlet, made at first use. UINT32_MAX: out of memory. */
uint32_t rfi_outlet_port(struct rfi_outlet *outlet, const char *port);
const char *rfi_outlet_port_name(struct rfi_outlet *outlet, uint32_t port);
/* Any thread. Takes `msg` on RF_OK (and `reply`). RF_EFULL, RF_ECLOSED, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_outlet_push(struct rfi_outlet *outlet, uint32_t port, rf_message *msg,
                                    rf_reply *reply);
struct rfi_outlet_item {
    rf_message *msg; /* owned by the popper */
    rf_reply *reply; /* owned by the popper: answer with rf_reply_send or rfi_reply_fail */
    uint32_t port;
    uint32_t route; /* what rfi_outlet_pop_run calls this port and source */
    /* id of the emitting node, borrowed until the outlet goes; NULL: unknown */
    const char *source_actor;
};
/* Owner thread only. False: empty, and the next push will call wake. */
bool rfi_outlet_pop(struct rfi_outlet *outlet, struct rfi_outlet_item *out);
/* Owner thread only: further messages of the same route as one before, as many as come next, without a reply and of at
 * most `size_max` bytes each and `*bytes` together, and what they have. 0: look with rfi_outlet_pop. Returns owned. */
size_t rfi_outlet_pop_run(struct rfi_outlet *outlet, uint32_t route, size_t size_max,
                          rf_message **out, size_t most, size_t *bytes);
/* Owner thread only: the size of the next message without taking it; false when empty (this does not
 * arm the wake-up). */
bool rfi_outlet_peek(struct rfi_outlet *outlet, size_t *out_size);
size_t rfi_outlet_depth(const struct rfi_outlet *outlet);

/* ---- guests: a thread of net that runs actors itself ---- */

/* Stand in for an actor worker that sleeps: what this thread makes ready from now on waits for
 * rfi_network_guest_run, and wakes nobody. False: no worker sleeps, or this thread is a worker. True also when this
 * thread stands in already. */
bool rfi_network_guest_begin(rf_network *net);
/* Run what is ready, until the clock says `until_ns`. An actor that was seen to take its time is left to the workers for
 * a while: then LEAVE. */
enum rfi_guest_stop rfi_network_guest_run(rf_network *net, uint64_t until_ns);
/* Is something ready for this guest (a producer that got room, say)? */
bool rfi_network_guest_has_work(rf_network *net);
/* What is left goes to the workers. Nothing happens when this thread is no guest. */
void rfi_network_guest_end(rf_network *net);
/* A guest hangs in a callback: what else it made ready is for the workers. Any other thread. */
void rfi_network_guest_hangs(rf_network *net);
/* Do all workers sleep? A hint. */
bool rfi_network_is_resting(rf_network *net);

/* ---- replies ---- */

/* A reply that calls `on_reply` once, at the deadline at the latest (timeout_ms 0: the pusher has its own
 * deadline and none is kept here). For requests that come from a peer. */
RF_NODISCARD rf_err rfi_reply_new(rf_network *net, uint64_t timeout_ms, rf_reply_fn on_reply,
                                  void *user, rf_reply **out);

/* ---- the bridge: what net does for core ---- */

struct rfi_proxy; /* core's side of a node "actor@network" */

struct rfi_bridge_ops {
    /* A node "actor@network" was added. The bridge serves `outlet` from now on by way of the outlet ops
     * that it returns, until `close`. Called with no lock held; from any thread. */
    rf_err (*open)(void *bridge, struct rfi_proxy *proxy, struct rfi_outlet *outlet,
                   const char *actor, const char *network, void **out_handle);
    /* Connectors from out-port `port` of the proxy came to be (is_wanted) or are all gone. */
    void (*subscribe)(void *bridge, void *handle, const char *port, bool is_wanted);
    /* The node was removed. The bridge drops what it still has of the outlet. */
    void (*close)(void *bridge, void *handle);
    /* The outlet has a message (rfi_outlet_ops.wake for proxies). Any thread. */
    void (*wake)(void *bridge, void *handle);
    /* Send to "actor@network" without a node (rf_network_send and rf_send_to by that name). Takes `msg` on
     * RF_OK, and `reply` (may be NULL). */
    rf_err (*send)(void *bridge, const char *actor, const char *network, const char *port,
                   rf_message *msg, rf_reply *reply);
};

/* Before any remote node is added. `bridge` is borrowed until rf_network_free or another call. */
void rfi_network_set_bridge(rf_network *net, const struct rfi_bridge_ops *ops, void *bridge);

/* Emit from a proxy what the remote actor's out-port `port` gave. Takes `msg` always. Each connector that takes the
 * message counts on `receipt` (may be NULL) once; returns how many did. Owner thread of the proxy's
 * outlet only, so that order is kept. */
size_t rfi_proxy_emit(struct rfi_proxy *proxy, const char *port, rf_message *msg,
                      struct rfi_receipt *receipt);

/* Ids of the local, non-proxy nodes that peers may see ("the true list"), in the order of their making; without those whose
 * ids were made up. */
void rfi_network_each_local(rf_network *net,
                            bool (*visit)(void *user, const char *id,
                                          const rf_component *component),
                            void *user);
/* Count messages that net could not deliver (rf_network_stats.dropped_count). */
void rfi_network_count_dropped(rf_network *net, uint64_t count);

#endif
