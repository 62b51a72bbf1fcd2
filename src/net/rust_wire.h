/* SPDX-License-Identifier: MIT */
/* The JSON frames of the Rust Reflow after the handshake (protocol note, 1.3): one text message each.
 * Pure code on bytes; a RemoteMessage is scanned once, and only its payload becomes a message. */
#ifndef RFI_RUST_WIRE_H
#define RFI_RUST_WIRE_H

#include "core/message/message_internal.h"

enum rfi_rust_frame_type {
    RFI_RUST_IGNORED, /* nothing that we know: the connection stays up */
    RFI_RUST_MESSAGE,
    RFI_RUST_HEARTBEAT,
    RFI_RUST_ACTORS_REQUEST,
    RFI_RUST_ACTORS_RESPONSE
};

struct rfi_rust_text { /* decoded text in the scratch buffer */
    const char *text;  /* terminated */
    size_t size;
};

struct rfi_rust_frame {
    enum rfi_rust_frame_type type;
    /* RFI_RUST_MESSAGE */
    struct rfi_rust_text message_id, source_network, source_actor, target_network, target_actor,
        target_port;
    rf_message *payload;  /* owned by the caller */
    bool has_stream_name; /* the payload used `Stream`: an old peer */
    /* heartbeat, requests, responses */
    struct rfi_rust_text network_id, request_id, requesting_network;
    size_t actor_count;
    struct rfi_rust_text *actors; /* ids, in the scratch buffer */
    /* RFI_RUST_IGNORED: why, for the debug log */
    char why[128];
};

/* Classify and read one text message exactly as bridge.rs does (first of the four parses that succeeds).
 * Never fails: what cannot be read is RFI_RUST_IGNORED. `scratch` is cleared first and holds the texts until
 * the next call. RF_ENOMEM only. */
RF_NODISCARD rf_err rfi_rust_read(const char *text, size_t size, struct rfi_buf *scratch,
                                  struct rfi_rust_frame *out);

/* Most messages look as serde_json writes them: members in order, no blanks, names without escapes. Their texts are taken
 * where they stand, and when the names are those of the message before, they are only compared. */
struct rfi_rust_plain {
    struct rfi_rust_text message_id; /* not terminated, in the text that was read; so is: */
    struct rfi_rust_text names;      /* all from behind the id to the payload, as it stands */
    bool has_new_names;              /* they are not those of the memo: */
    struct rfi_rust_text target_actor, target_port;
    rf_message *payload; /* owned by the caller */
    bool has_stream_name;
};

enum { RFI_RUST_NAMES_MAX = 512, RFI_RUST_SECOND_SIZE = 19 };

struct rfi_rust_memo { /* of the messages before; zeros at first */
    size_t names_size; /* 0: none */
    char names[RFI_RUST_NAMES_MAX];
    bool has_second;
    char second[RFI_RUST_SECOND_SIZE]; /* "2026-11-30T07:16:08", known to be a time */
};

/* False: it does not look like that, or is no message, or memory is out: rfi_rust_read says what it is. */
bool rfi_rust_read_plain(const char *text, size_t size, struct rfi_rust_memo *memo,
                         struct rfi_rust_plain *out);
/* From now on these names are known. */
void rfi_rust_remember(struct rfi_rust_memo *memo, const struct rfi_rust_plain *plain);

struct rfi_rust_header { /* of a RemoteMessage to write; all terminated texts */
    const char *message_id;
    const char *source_network, *source_actor, *target_network, *target_actor, *target_port;
    uint64_t wall_ns;
};
/* Append the JSON text. RF_EINVAL: a float that is not finite, or another payload that Rust would choke on
 * (Encoded is refused unless allow_encoded). */
RF_NODISCARD rf_err rfi_rust_write_message(const struct rfi_rust_header *header,
                                           const rf_message *msg, const char *bytes_name,
                                           bool allow_encoded, struct rfi_buf *out);

/* The same in parts, for many messages: all that two messages of one sender to one in-port do not share is the id and the
 * payload, and those that are written together have one time.
 *
 *   {"message_id":"…" ,"source_network": … ,"payload": {…} ,"timestamp":"…"}
 *                     '------------ names ----------'      '------ tail ----'   */
void rfi_rust_write_names(const struct rfi_rust_header *header, struct rfi_buf *out);
void rfi_rust_write_tail(uint64_t wall_ns, struct rfi_buf *out);
/* A message with an id of its own. */
RF_NODISCARD rf_err rfi_rust_write_next(const struct rfi_buf *names, const struct rfi_buf *tail,
                                        const rf_message *msg, const char *bytes_name,
                                        struct rfi_buf *out);

void rfi_rust_write_heartbeat(const char *network_id, uint64_t wall_ns, struct rfi_buf *out);
void rfi_rust_write_actors_request(const char *request_id, const char *network_id,
                                   struct rfi_buf *out);
/* One actor after the other: begin, each, end. */
void rfi_rust_begin_actors_response(const char *request_id, const char *network_id,
                                    struct rfi_buf *out);
void rfi_rust_add_actor(const char *actor_id, bool is_first, struct rfi_buf *out);
void rfi_rust_end_actors_response(struct rfi_buf *out);
/* A random UUID (version 4) in its text form: unique, but no secret. */
void rfi_uuid4(char out[37]);

#endif
