/* SPDX-License-Identifier: MIT */
/** @file message.h  What actors send each other: an immutable, counted value of one of 16 kinds.
 *
 *  A message never changes once it is made, so any number of threads may read it. Every reference
 *  is counted; who "takes" a message takes one reference.
 */
#ifndef REFLOW_MESSAGE_H
#define REFLOW_MESSAGE_H

#include <reflow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The kinds of the Rust Reflow. The numbers are part of the native wire: never renumber. */
typedef enum rf_kind {
    RF_KIND_FLOW = 0,  /**< no value */
    RF_KIND_EVENT = 1, /**< JSON text */
    RF_KIND_BOOLEAN = 2,
    RF_KIND_INTEGER = 3, /**< int64_t */
    RF_KIND_FLOAT = 4,   /**< double */
    RF_KIND_STRING = 5,  /**< UTF-8 text, may hold NUL */
    RF_KIND_OBJECT = 6,  /**< JSON text */
    RF_KIND_ARRAY = 7,   /**< elements, each a JSON text of its own */
    RF_KIND_BYTES = 8,   /**< `Bytes`, called `Stream` by old peers */
    RF_KIND_STREAM_HANDLE = 9,
    RF_KIND_ENCODED = 10,  /**< bytes that only the Rust Reflow understands */
    RF_KIND_OPTIONAL = 11, /**< none, or a JSON text */
    RF_KIND_ANY = 12,      /**< JSON text */
    RF_KIND_ERROR = 13,    /**< UTF-8 text */
    RF_KIND_REMOTE_REFERENCE = 14,
    RF_KIND_NETWORK_EVENT = 15,
    RF_KIND_COUNT
} rf_kind;

typedef struct rf_message rf_message;

/** Bytes that somebody else owns. */
typedef struct rf_span {
    const void *data;
    size_t size; /**< bytes */
} rf_span;

/** The parts of a stream handle (meaningful inside the process that made it). */
typedef struct rf_stream_handle {
    uint64_t stream_id;
    rf_span origin_actor, origin_port;
    rf_span content_type; /**< data NULL: none */
    bool has_size_hint;
    uint64_t size_hint;
} rf_stream_handle;

/** The parts of a reference to an actor's port on some network. */
typedef struct rf_remote_reference {
    rf_span network_id, actor_id, port;
} rf_remote_reference;

/** The parts of a notice about the network; `data` is normally JSON text. */
typedef struct rf_network_notice {
    rf_span event_type; /**< ActorRegistered, ActorUnregistered, NetworkConnected,
                             NetworkDisconnected or HeartbeatMissed */
    rf_span data;
} rf_network_notice;

/** Make a message. Each copies what it is given and returns NULL when memory is out.
 *  String, error: `size` bytes of UTF-8 are copied (not checked here; see rf_message_check).
 *  Event, object, any, optional: JSON text, kept to the byte and parsed by nobody until it is asked.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns owned; borrows the arguments.
 *  Errors:  NULL: out of memory, or a size over 4 GiB - 1.
 */
RF_API rf_message *rf_message_flow(void);
RF_API rf_message *rf_message_boolean(bool value);
RF_API rf_message *rf_message_integer(int64_t value);
RF_API rf_message *rf_message_float(double value);
RF_API rf_message *rf_message_string(const void *text, size_t size);
RF_API rf_message *rf_message_error(const void *text, size_t size);
RF_API rf_message *rf_message_bytes(const void *data, size_t size);
RF_API rf_message *rf_message_encoded(const void *data, size_t size);
RF_API rf_message *rf_message_event(const void *json, size_t size);
RF_API rf_message *rf_message_object(const void *json, size_t size);
RF_API rf_message *rf_message_any(const void *json, size_t size);
RF_API rf_message *rf_message_optional(const void *json, size_t size); /* json NULL: none */
RF_API rf_message *rf_message_array(const rf_span *items, size_t count);
RF_API rf_message *rf_message_stream_handle(const rf_stream_handle *parts);
RF_API rf_message *rf_message_remote_reference(const rf_remote_reference *parts);
RF_API rf_message *rf_message_network_event(const rf_network_notice *parts);

/** Make a bytes message of `size` bytes to be filled in place, so that what is read or computed needs no
 *  copy of its own. `*out_data` may be written until the message is sent or shared.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns owned; `*out_data` is borrowed from the message, its bytes are not set.
 *  Errors:  NULL: out of memory, or a size over 4 GiB - 1; `*out_data` is not written.
 */
RF_API rf_message *rf_message_bytes_new(size_t size, void **out_data);

/** Count one reference more.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns owned: the same pointer.
 *  Errors:  none.
 */
RF_API rf_message *rf_message_ref(rf_message *msg);

/** Give a reference back; the last one frees the message. NULL is allowed.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes `msg`.
 *  Errors:  none.
 */
RF_API void rf_message_unref(rf_message *msg);

/** The kind of a message.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `msg`.
 *  Errors:  none.
 */
RF_API rf_kind rf_message_kind(const rf_message *msg);

/** The name of a kind as on the Rust wire, such as "Integer"; NULL for no kind.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns borrowed for ever.
 *  Errors:  none.
 */
RF_API const char *rf_kind_name(rf_kind kind);

/** The value of a boolean, integer or float message; false, 0 and 0.0 for other kinds, except that
 *  rf_message_as_float widens an integer.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `msg`.
 *  Errors:  none.
 */
RF_API bool rf_message_as_boolean(const rf_message *msg);
RF_API int64_t rf_message_as_integer(const rf_message *msg);
RF_API double rf_message_as_float(const rf_message *msg);

/** The bytes of a string, error, bytes, encoded, event, object, any or optional message. No NUL is
 *  promised behind them. Other kinds, and the none of optional, give {NULL, 0}; an empty text gives
 *  a pointer that is not NULL.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns borrowed until the message goes.
 *  Errors:  none.
 */
RF_API rf_span rf_message_data(const rf_message *msg);

/** The number of elements of an array message (0 for other kinds), and one of them as JSON text
 *  ({NULL, 0} when `index` is out of range). Walking all elements in order costs O(n).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns borrowed until the message goes.
 *  Errors:  none.
 */
RF_API size_t rf_message_array_count(const rf_message *msg);
RF_API rf_span rf_message_array_item(const rf_message *msg, size_t index);

/** The parts of a stream handle, a remote reference or a network event.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    the spans are borrowed until the message goes.
 *  Errors:  RF_EINVAL: a message of another kind.
 */
RF_API RF_NODISCARD rf_err rf_message_as_stream_handle(const rf_message *msg,
                                                       rf_stream_handle *out);
RF_API RF_NODISCARD rf_err rf_message_as_remote_reference(const rf_message *msg,
                                                          rf_remote_reference *out);
RF_API RF_NODISCARD rf_err rf_message_as_network_event(const rf_message *msg,
                                                       rf_network_notice *out);

/** Bytes that the message's payload takes (what limits and credits count).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `msg`.
 *  Errors:  none.
 */
RF_API size_t rf_message_size(const rf_message *msg);

/** Check that texts are UTF-8 and that JSON payloads are JSON (RFC 8259).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `msg`.
 *  Errors:  RF_EFORMAT, with the place in `out_diag` (may be NULL).
 */
RF_API RF_NODISCARD rf_err rf_message_check(const rf_message *msg, rf_diag *out_diag);

/** Same kind and same payload?
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows both.
 *  Errors:  none.
 */
RF_API bool rf_message_equal(const rf_message *a, const rf_message *b);

/** Make a message of a plain JSON value, as the Rust Reflow does: null gives Optional(none), a
 *  number that fits int64 Integer, another number Float, a string String, an array Array, an object
 *  Object.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `json`; returns owned in `out_msg`.
 *  Errors:  RF_EFORMAT (place in `out_diag`, may be NULL), RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_message_from_value(const char *json, size_t size,
                                                 rf_message **out_msg, rf_diag *out_diag);

/** Write the plain JSON value of a message: Flow gives "flow"; Event, Object and Any their JSON
 *  (null when the payload is not JSON); bytes an array of numbers; Optional(none) null.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns owned, terminated text in `out_json`; free it with free().
 *  Errors:  RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_message_to_value(const rf_message *msg, char **out_json,
                                               size_t *out_size);

/** Read the tagged form of the Rust wire, {"type":"Integer","data":5}, with all that serde accepts
 *  (either order of the members, ["Integer",5], `Stream` for `Bytes`).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `json`; returns owned in `out_msg`.
 *  Errors:  RF_EFORMAT (place in `out_diag`, may be NULL), RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_message_from_tagged(const char *json, size_t size,
                                                  rf_message **out_msg, rf_diag *out_diag);

/** Write the tagged form, exactly as the Rust Reflow writes it (bytes under the name `Bytes`).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns owned, terminated text in `out_json`; free it with free().
 *  Errors:  RF_EINVAL: a float that is not finite, which this form cannot carry. RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_message_to_tagged(const rf_message *msg, char **out_json,
                                                size_t *out_size);

#ifdef __cplusplus
}
#endif
#endif
