/* SPDX-License-Identifier: MIT */
/** @file actor.h  How to write an actor: a component is a table of callbacks, an actor one instance.
 *
 *  The runtime calls the callbacks of one actor from one thread at a time, so its state needs no
 *  lock. A callback must not block: it holds a worker of the pool. The functions that take an
 *  rf_context may be called only inside a callback of that actor, on the thread that runs it.
 */
#ifndef REFLOW_ACTOR_H
#define REFLOW_ACTOR_H

#include <reflow/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An actor seen from inside its callbacks. */
typedef struct rf_context rf_context;

/** Who waits for the answer to a request. */
typedef struct rf_reply rf_reply;

/** One declared port. Its place in the table is its number. */
typedef struct rf_port_def {
    const char *name;
    const char *alias;   /**< a second spelling that graphs may use, or NULL */
    const char *summary; /**< one line for `reflowctl components` */
} rf_port_def;

/** One declared configuration key (documentation and checks; unknown keys are allowed). */
typedef struct rf_key_def {
    const char *name;
    const char *type;          /**< "string", "integer", "number", "boolean", "json" */
    const char *default_value; /**< as JSON text; NULL: none */
    bool is_required;
    const char *summary;
} rf_key_def;

/** When a component fires. */
typedef enum rf_firing {
    RF_FIRE_ANY,   /**< each message alone, in the order of arrival: on_message */
    RF_FIRE_ALL,   /**< once every in-port has a message: on_packet */
    RF_FIRE_SUBSET /**< once the ports named in `await` have one; others ride along: on_packet */
} rf_firing;

/** A component. Everything it points to must live until the network is freed. */
typedef struct rf_component {
    size_t struct_size; /**< sizeof(rf_component) */
    const char *name;
    const char *summary;
    const rf_port_def *inports;
    size_t inport_count;
    const rf_port_def *outports;
    size_t outport_count;
    const rf_key_def *keys;
    size_t key_count;
    rf_firing firing;
    const char *const *await; /**< names of in-ports, for RF_FIRE_SUBSET */
    size_t await_count;
    void *user; /**< see rf_context_user */

    /** Make the state of one actor. NULL: the state is NULL. Runs before the first message, on a
     *  worker; a failure is reported and handled like a failure of on_message. */
    rf_err (*create)(rf_context *ctx, void **out_state);
    /** One message; `msg` is borrowed until return. */
    rf_err (*on_message)(rf_context *ctx, void *state, size_t inport, rf_message *msg);
    /** RF_FIRE_ALL and RF_FIRE_SUBSET: the newest message of each in-port by number, NULL where none
     *  came; borrowed until return. */
    rf_err (*on_packet)(rf_context *ctx, void *state, rf_message *const *inputs);
    /** A timer of rf_timer_start is due. */
    rf_err (*on_timer)(rf_context *ctx, void *state, uint64_t tag);
    /** The actor asked with rf_resume to go on, and the targets of its out-ports have room. */
    rf_err (*on_resume)(rf_context *ctx, void *state);
    /** Free the state. Runs once for each successful create. */
    void (*destroy)(void *state);
} rf_component;

/** Send `msg` from an out-port to every connector of that port.
 *  The mailbox bound is soft: the message is always taken by the targets, and when one is over its
 *  limit then this actor is not run again until there is room. An actor that emits many messages
 *  for one input asks rf_is_pressed now and then, and goes on in on_resume.
 *
 *  Owns:    takes `msg` always (NULL gives RF_ENOMEM, so that a constructor can be passed straight).
 *  Errors:  RF_ENOMEM; RF_ENOPORT: no such out-port number; RF_EFULL: the target is in a loop with
 *           this actor and far over its limit, the message went nowhere.
 */
RF_API rf_err rf_emit(rf_context *ctx, size_t outport, rf_message *msg);

/** Is a target of this actor over its mailbox limit? Then return soon.
 *
 *  Errors:  none.
 */
RF_API bool rf_is_pressed(const rf_context *ctx);

/** Ask for on_resume after this callback, before the next message, once there is room downstream.
 *
 *  Errors:  none.
 */
RF_API void rf_resume(rf_context *ctx);

/** Answer the request that is being handled. Without an explicit answer the first message that the
 *  callback emits is the answer; a callback that emits nothing gives RF_ENOREPLY.
 *
 *  Owns:    takes `msg` always.
 *  Errors:  RF_ESTATE: the message at hand is no request, or it was answered already. RF_ENOMEM.
 */
RF_API rf_err rf_answer(rf_context *ctx, rf_message *msg);

/** Take the request at hand away, to answer it later with rf_reply_send.
 *
 *  Owns:    returns owned; NULL when the message at hand is no request.
 *  Errors:  none.
 */
RF_API rf_reply *rf_take_reply(rf_context *ctx);

/** Answer a request that was taken with rf_take_reply. A late answer is dropped.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes both. `msg` NULL: the requester gets RF_ENOREPLY.
 *  Errors:  none.
 */
RF_API void rf_reply_send(rf_reply *reply, rf_message *msg);

/** Call on_timer with `tag` after `delay_ms`, then every `period_ms` (0: once). A second start with
 *  the same tag replaces the first.
 *
 *  Errors:  RF_ENOMEM; RF_ELIMIT: over the limit of timers of one actor (1024).
 */
RF_API RF_NODISCARD rf_err rf_timer_start(rf_context *ctx, uint64_t tag, uint64_t delay_ms,
                                          uint64_t period_ms);

/** Cancel a timer. No on_timer with that tag comes afterwards. Nothing happens when there is none.
 *
 *  Errors:  none.
 */
RF_API void rf_timer_cancel(rf_context *ctx, uint64_t tag);

/** Send to another actor of the network by its id, or "actor@network", without a connector.
 *
 *  Owns:    takes `msg` always.
 *  Errors:  RF_ENOACTOR, RF_ENOPORT, RF_EFULL, RF_ECLOSED, RF_ENOMEM.
 */
RF_API rf_err rf_send_to(rf_context *ctx, const char *actor, const char *port, rf_message *msg);

/** Report a failure: `return rf_fail(ctx, "no field %s", name);`
 *
 *  Errors:  always RF_EACTOR.
 */
RF_API rf_err rf_fail(rf_context *ctx, const char *format, ...) RF_PRINTF(2, 3);

/** The id of the node, the name of its component, and the component's `user` pointer.
 *
 *  Owns:    returns borrowed until the actor goes.
 *  Errors:  none.
 */
RF_API const char *rf_context_id(const rf_context *ctx);
RF_API const char *rf_context_component(const rf_context *ctx);
RF_API void *rf_context_user(const rf_context *ctx);

/** Read the actor's configuration: a key of metadata.propertyValues, else of metadata, else an
 *  environment variable named in metadata.env_vars; else `fallback`. A value of another type that
 *  converts without loss is converted.
 *
 *  Owns:    returned texts are borrowed until the actor goes.
 *  Errors:  none: what cannot be converted gives `fallback`, and rf_config_has tells them apart.
 */
RF_API bool rf_config_has(const rf_context *ctx, const char *key);
RF_API const char *rf_config_string(const rf_context *ctx, const char *key, const char *fallback);
RF_API int64_t rf_config_integer(const rf_context *ctx, const char *key, int64_t fallback);
RF_API double rf_config_number(const rf_context *ctx, const char *key, double fallback);
RF_API bool rf_config_boolean(const rf_context *ctx, const char *key, bool fallback);
/** The value as JSON text, or NULL when the key is absent. */
RF_API const char *rf_config_json(const rf_context *ctx, const char *key);

#ifdef __cplusplus
}
#endif
#endif
