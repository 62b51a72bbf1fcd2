/* SPDX-License-Identifier: MIT */
/** @file network.h  The local network: actors, wired as a graph, run by a pool of workers. */
#ifndef REFLOW_NETWORK_H
#define REFLOW_NETWORK_H

#include <reflow/actor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rf_network rf_network;
typedef struct rf_subscription rf_subscription;

/** Options of a network. Zero takes the default everywhere. */
typedef struct rf_network_options {
    size_t struct_size;     /**< sizeof(rf_network_options) */
    const char *network_id; /**< name in events and logs; default "local" */
    uint32_t workers;       /**< threads of the actor pool; default: cores, at most 64 */
    uint32_t
        mailbox_capacity; /**< messages; those of 1 KiB and more also fill it by their bytes, at
                                    1 KiB for each message of it; default 1024 */
    uint32_t actors_max;  /**< default 4,194,304 */
} rf_network_options;

/** Make a network; it runs nothing before rf_network_start.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns owned in `out`; `options` may be NULL.
 *  Errors:  RF_EINVAL, RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_network_new(const rf_network_options *options, rf_network **out);

/** Stop if running, and free everything. NULL is allowed.
 *
 *  Thread:  any but a callback.   Blocks: until the workers have ended.
 *  Owns:    takes `net`.
 *  Errors:  none.
 */
RF_API void rf_network_free(rf_network *net);

/** Start the workers. Nodes, connectors and packets may be added before and afterwards alike.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows `net`.
 *  Errors:  RF_ESTATE: started already. RF_ESYS: a thread could not be made.
 */
RF_API RF_NODISCARD rf_err rf_network_start(rf_network *net);

/** Wait until no actor has work: all mailboxes are empty, nobody runs and nobody asked to resume.
 *  Timers do not count as work.
 *
 *  Thread:  any but a callback.   Blocks: up to `timeout_ms`.
 *  Owns:    borrows `net`.
 *  Errors:  RF_ETIMEOUT.
 */
RF_API RF_NODISCARD rf_err rf_network_drain(rf_network *net, uint64_t timeout_ms);

/** Stop the workers after the callbacks at hand; queued messages are dropped and counted.
 *
 *  Thread:  any but a callback.   Blocks: until the workers have ended.
 *  Owns:    borrows `net`.
 *  Errors:  none; stopping twice does nothing.
 */
RF_API void rf_network_stop(rf_network *net);

/** Make a component known under its name; the definition is borrowed until the network is freed.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows `component` until the network is freed.
 *  Errors:  RF_EEXISTS; RF_EINVAL: no name, no callback, a port twice, more than 65,535 in- or out-ports.
 */
RF_API RF_NODISCARD rf_err rf_network_register(rf_network *net, const rf_component *component);

/** Register all components that the library brings.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows `net`.
 *  Errors:  RF_EEXISTS, RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_network_register_builtins(rf_network *net);

/** Add a node. `component` is a registered name, or "actor@network" for an actor of another
 *  network. `metadata_json` is a JSON object or NULL. The keys `supervision` {"policy":
 *  "resume"|"restart"|"stop", "max_restarts", "backoff_ms"}, `mailbox_capacity`, `env_vars` and
 *  `propertyValues` mean something to the network; all are the actor's configuration.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  RF_ENOCOMPONENT (the diag names the nearest), RF_EEXISTS, RF_EINVAL (a bad id), RF_ELIMIT,
 *           RF_EFORMAT (metadata), RF_ENOENT (a required environment variable), RF_EUNSUPPORTED
 *           (a remote component in a network without a bridge). `out_diag` may be NULL.
 */
RF_API RF_NODISCARD rf_err rf_network_add_node(rf_network *net, const char *id,
                                               const char *component, const char *metadata_json,
                                               rf_diag *out_diag);

/** Remove a node: its connectors are cut, messages in its mailbox are dropped and counted.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  RF_ENOACTOR.
 */
RF_API rf_err rf_network_remove_node(rf_network *net, const char *id);

/** Connect an out-port to an in-port. Messages emitted after this returns, for inputs sent after it
 *  returns, take the connector.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  RF_ENOACTOR, RF_ENOPORT (the diag names the nearest), RF_EEXISTS. `out_diag` may be NULL.
 */
RF_API RF_NODISCARD rf_err rf_network_add_connection(rf_network *net, const char *from_actor,
                                                     const char *from_port, const char *to_actor,
                                                     const char *to_port, rf_diag *out_diag);

/** Cut a connector.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  RF_ENOENT.
 */
RF_API RF_NODISCARD rf_err rf_network_remove_connection(rf_network *net, const char *from_actor,
                                                        const char *from_port, const char *to_actor,
                                                        const char *to_port);

/** Give an in-port its initial packet: before the start it waits for it, afterwards it is sent.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes `msg` on RF_OK.
 *  Errors:  RF_ENOACTOR, RF_ENOPORT, RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_network_add_initial(rf_network *net, const char *actor,
                                                  const char *port, rf_message *msg);

/** Send a message to a node ("actor", or "actor@network" when a bridge is there).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes `msg` on RF_OK; on any error the caller still owns it.
 *  Errors:  RF_ENOACTOR, RF_ENOPORT, RF_EFULL (mailbox at its limit), RF_ECLOSED, RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_network_send(rf_network *net, const char *actor, const char *port,
                                           rf_message *msg);

/** Receives the answer to a request: RF_OK and a message (taken by the callback), or an error and
 *  NULL. Called once, from any thread; must not block. */
typedef void (*rf_reply_fn)(void *user, rf_err err, rf_message *answer);

/** Send a message and get one answer or an error before the deadline.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes `msg` on RF_OK; then `on_reply` comes exactly once. `user` is borrowed until then.
 *  Errors:  as rf_network_send. The callback's: RF_ETIMEOUT, RF_ENOREPLY, RF_EACTOR, RF_ECLOSED,
 *           RF_ENOTCONNECTED, RF_EUNSUPPORTED (a peer of the Rust wire).
 */
RF_API RF_NODISCARD rf_err rf_network_request(rf_network *net, const char *actor, const char *port,
                                              rf_message *msg, uint64_t timeout_ms,
                                              rf_reply_fn on_reply, void *user);

/** The same, waiting for the answer.
 *
 *  Thread:  any but a callback.   Blocks: up to `timeout_ms`.
 *  Owns:    takes `msg` on RF_OK and when the error came after sending; returns owned in `out_answer`.
 *  Errors:  as rf_network_request and its callback.
 */
RF_API RF_NODISCARD rf_err rf_network_request_wait(rf_network *net, const char *actor,
                                                   const char *port, rf_message *msg,
                                                   uint64_t timeout_ms, rf_message **out_answer);

/** Does a node of that id exist?
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  none.
 */
RF_API bool rf_network_has_actor(rf_network *net, const char *id);

/** One node, as it was at the time of the call. */
typedef struct rf_actor_info {
    const char *id;
    const char *component;
    const char *state; /**< "idle", "queued", "running", "muted", "backoff", "stopped", "failed" */
    bool is_remote;    /**< a proxy of an actor of another network */
    uint64_t queue_length;   /**< messages in its mailbox */
    uint64_t received_count; /**< messages taken from its mailbox */
    uint64_t emitted_count;
    uint64_t failed_count; /**< callbacks that returned an error */
    uint64_t restart_count;
    uint64_t dropped_count; /**< messages that it could not be given */
} rf_actor_info;

/** Call `visit` for each node (texts are borrowed for the call) until it returns false.
 *
 *  Thread:  any.            Blocks: shortly; `visit` must not call the network.
 *  Owns:    borrows all.
 *  Errors:  none.
 */
RF_API void rf_network_each_actor(rf_network *net, bool (*visit)(void *user, const rf_actor_info *),
                                  void *user);

/** Call `visit` for each registered component until it returns false.
 *
 *  Thread:  any.            Blocks: shortly; `visit` must not call the network.
 *  Owns:    borrows all.
 *  Errors:  none.
 */
RF_API void rf_network_each_component(rf_network *net,
                                      bool (*visit)(void *user, const rf_component *), void *user);

/** One connector. */
typedef struct rf_connection_info {
    const char *from_actor, *from_port, *to_actor, *to_port;
} rf_connection_info;

/** Call `visit` for each connector until it returns false.
 *
 *  Thread:  any.            Blocks: shortly; `visit` must not call the network.
 *  Owns:    borrows all.
 *  Errors:  none.
 */
RF_API void rf_network_each_connection(rf_network *net,
                                       bool (*visit)(void *user, const rf_connection_info *),
                                       void *user);

/** Sums over the whole network. */
typedef struct rf_network_stats {
    uint64_t actor_count, connection_count;
    uint64_t received_count; /**< messages that actors were given */
    uint64_t emitted_count;
    uint64_t failed_count;
    uint64_t dropped_count; /**< messages to nodes that were gone or stopped */
    uint64_t queued_count;  /**< messages in mailboxes now */
    uint64_t active_count;  /**< actors with work now */
} rf_network_stats;

/** Read the sums.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  none.
 */
RF_API void rf_network_get_stats(rf_network *net, rf_network_stats *out);

/** What can happen in a network; the names are those of the Rust NetworkEvent. */
typedef enum rf_event_type {
    RF_EVENT_ACTOR_EMIT,       /**< ActorEmit */
    RF_EVENT_ACTOR_STARTED,    /**< ActorStarted */
    RF_EVENT_ACTOR_COMPLETED,  /**< ActorCompleted: a callback returned RF_OK */
    RF_EVENT_ACTOR_FAILED,     /**< ActorFailed */
    RF_EVENT_MESSAGE_SENT,     /**< MessageSent */
    RF_EVENT_MESSAGE_RECEIVED, /**< MessageReceived: from outside, by rf_network_send or a peer */
    RF_EVENT_NETWORK_STARTED,  /**< NetworkStarted */
    RF_EVENT_NETWORK_IDLE,     /**< NetworkIdle */
    RF_EVENT_NETWORK_SHUTDOWN, /**< NetworkShutdown */
    RF_EVENT_TYPE_COUNT
} rf_event_type;

/** One event. Texts and the message live until the event is given back with rf_event_free. */
typedef struct rf_event {
    rf_event_type type;
    uint64_t timestamp_ms; /**< since the Unix epoch */
    const char *actor;     /**< actorId, or fromActor; NULL where it has no meaning */
    const char *component;
    const char *port; /**< port, or fromPort */
    const char *to_actor;
    const char *to_port;
    const char *error;
    rf_message *message; /**< borrowed from the event */
} rf_event;

/** Subscribe to the event types whose bits (1u << type) are in `type_mask`. At most `capacity`
 *  events wait (0: 1024); further ones are dropped and counted, and never slow an actor. While
 *  nobody subscribes, events cost one load each.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    returns owned in `out`; end it with rf_subscription_free before the network is freed.
 *  Errors:  RF_ENOMEM, RF_EINVAL.
 */
RF_API RF_NODISCARD rf_err rf_network_subscribe(rf_network *net, uint32_t type_mask,
                                                uint32_t capacity, rf_subscription **out);

/** Wait for the next event.
 *
 *  Thread:  one at a time.  Blocks: up to `timeout_ms`.
 *  Owns:    returns owned in `out_event`; give it back with rf_event_free.
 *  Errors:  RF_ETIMEOUT; RF_ECLOSED: the network has stopped and no event is left.
 */
RF_API RF_NODISCARD rf_err rf_subscription_next(rf_subscription *sub, uint64_t timeout_ms,
                                                rf_event **out_event);

/** How many events this subscription lost because it was full.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `sub`.
 *  Errors:  none.
 */
RF_API uint64_t rf_subscription_dropped(const rf_subscription *sub);

/** End a subscription; free an event; write an event as JSON in the Rust form ({"_type":...}).
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    the frees take their argument (NULL is allowed); `out_json` is owned, use free().
 *  Errors:  RF_ENOMEM.
 */
RF_API void rf_subscription_free(rf_subscription *sub);
RF_API void rf_event_free(rf_event *event);
RF_API RF_NODISCARD rf_err rf_event_to_json(const rf_event *event, char **out_json);
RF_API const char *rf_event_type_name(rf_event_type type);

#ifdef __cplusplus
}
#endif
#endif
