/* SPDX-License-Identifier: MIT */
/* One peer over the native wire: a pure state machine (no socket, no clock, no thread of its own; the owner
 * is one routing shard). At level `reliable`, while both processes live, each message comes into the peer's mailbox
 * exactly once and in order, over any number of connections. At level `fast` a message is let go of when it was sent: it
 * comes at most once and in order, and what a lost connection took with it is counted.
 *
 * How: one sequence for the whole link and direction, taken when a message first goes out; the messages that
 * are not acknowledged are kept; the receiver takes only cursor + 1; after a lost connection both
 * sides tell their cursors in the handshake and the sender goes on behind it. Credits per flow bound
 * what the receiver must hold, so a message that has a sequence number always fits and a stuck flow
 * never stands before another one. Both levels share the sequence: the numbers of fast messages that were lost are
 * skipped by a record. docs/protocol.md draws the frames. */
#ifndef RFI_LINK_H
#define RFI_LINK_H

#include "core/base/buf.h"
#include "net/handshake.h"
#include "net/tail.h"
#include <reflow/message.h>

struct rfi_link;
struct
    rfi_outflow; /* we send: (source actor, target actor, port) of the peer, or an emission of ours */

enum rfi_flow_kind {
    RFI_FLOW_SEND = 1, /* to the in-port `port` of the receiver's actor `actor` */
    RFI_FLOW_EMIT =
        2 /* what the sender's actor `actor` emitted on out-port `port`, for a subscriber */
};

/* A frame has at most max(batch_bytes_max, size of the largest message, answer or text) bytes and these. */
enum { RFI_LINK_FRAME_OVERHEAD = 1024 };

struct rfi_link_options {
    uint32_t flow_credit_messages, flow_credit_bytes; /* that we grant for each inbound flow */
    uint32_t link_credit_bytes;   /* unacknowledged bytes that we keep in flight */
    uint32_t outbox_messages_max; /* unacknowledged messages that we keep */
    uint32_t flows_max;           /* inbound flows that a peer may open */
    uint32_t message_bytes_max;   /* that we take */
    uint32_t batch_bytes_max;     /* of one frame that we send */
    uint32_t heartbeat_interval_ms;
    /* The owner calls rfi_link_consumed after on_flow_closed and while the link is down, too. Then credit and
     * inflow numbers outlive a session, and a mailbox holds one window of a flow at most, however often
     * its peer reconnects. False: on_flow_closed ends a number, what comes for it later is ignored, and
     * a session starts with full windows; each may add one to what a stuck actor has waiting. */
    bool is_credit_kept;
    /* Messages of flows that we send go at level fast to a peer that takes it, requests excepted. */
    bool is_fast;
};

enum rfi_loss {
    RFI_LOST_WITH_PEER, /* the peer restarted: they may or may not have arrived, and are given up */
    RFI_LOST_FAST       /* level fast: they did not arrive */
};

/* What the machine tells its owner, inside rfi_link_input, _up, _down and _tick. A callback may call everything
 * but these four and _free. */
struct rfi_link_sink {
    /* The peer opened a flow. `out_user` comes back with its messages. An error refuses the flow: its messages
     * are answered with a reject of that reason, and the flow stays usable (e.g. RF_ENOACTOR); no
     * on_flow_closed follows. A flow is told anew in each session. */
    rf_err (*on_flow)(void *owner, uint32_t inflow, enum rfi_flow_kind kind,
                      const char *source_actor, const char *actor, const char *port,
                      void **out_user);
    void (*on_flow_closed)(void *owner, uint32_t inflow, void *user);
    /* Takes `msg` on RF_OK. An error rejects the message: the peer is told, its credit is given back at once,
     * and a request is answered with that error. On RF_OK the owner calls rfi_link_consumed later,
     * exactly once. request_id 0: no answer is wanted. */
    rf_err (*on_message)(void *owner, uint32_t inflow, void *user, rf_message *msg,
                         uint64_t request_id);
    /* Many messages of a flow of kind RFI_FLOW_SEND that nobody else has, none of them a request. Takes the first ones and
     * returns how many; when not all, the next one is rejected with `*out_err`, and those behind it come again. NULL: each
     * comes by on_message. */
    size_t (*on_messages)(void *owner, uint32_t inflow, void *user, rf_message *const *messages,
                          size_t count, rf_err *out_err);
    void (*on_answer)(void *owner, uint64_t request_id, rf_err err,
                      rf_message *msg); /* takes msg */
    void (*on_subscribe)(void *owner, const char *actor, const char *port, bool is_wanted);
    /* The peer rejected messages of a flow of ours. */
    void (*on_reject)(void *owner, struct rfi_outflow *flow, void *user, rf_err reason,
                      uint64_t count);
    /* A flow that had no room has room again. */
    void (*on_room)(void *owner, struct rfi_outflow *flow, void *user);
    /* This many messages of this flow were sent and are lost. `user` NULL: of a flow that was closed. */
    void (*on_lost)(void *owner, struct rfi_outflow *flow, void *user, uint64_t count,
                    enum rfi_loss why);
    /* A text message of the Rust wire that travelled in a native frame (actor discovery). */
    void (*on_json)(void *owner, const char *text, size_t size);
};

/* `incarnation` is ours. NULL: out of memory. */
struct rfi_link *rfi_link_new(const struct rfi_link_options *options,
                              const uint8_t incarnation[RFI_INCARNATION_SIZE],
                              const struct rfi_link_sink *sink, void *owner);
void rfi_link_free(struct rfi_link *link); /* unrefs what is kept; tells nobody */

/* ---- sessions ---- */
/* Fill in incarnation, cursor, cursor_of, message_bytes_max and takes_fast for the handshake with a peer of that
 * incarnation; NULL: not known yet (dialler), then the last one is meant. Take it when the old session is down. */
void rfi_link_hello(const struct rfi_link *link,
                    const uint8_t peer_incarnation[RFI_INCARNATION_SIZE],
                    struct rfi_native_hello *out);
/* A session starts; `peer` is what the peer's handshake said. Unacknowledged messages go out again, flows and
 * subscriptions are announced again, credits start anew. RF_EPROTO: the peer's cursor is impossible, or the
 * same life of the peer has another mind about level fast. */
RF_NODISCARD rf_err rfi_link_up(struct rfi_link *link, const struct rfi_native_hello *peer,
                                uint64_t now_ns);
/* Messages that wait are kept; requests under way fail with RF_ENOTCONNECTED (on_answer). */
void rfi_link_down(struct rfi_link *link);
bool rfi_link_is_up(const struct rfi_link *link);
/* Do messages go at level fast in this session? */
bool rfi_link_goes_fast(const struct rfi_link *link);
/* The node stops: from now on messages of the peer are left where they are, in the peer's outbox. They are neither
 * handed over nor acknowledged, so the peer knows what did not arrive; its requests fail with RF_ECLOSED. All else goes
 * on, so that what we sent can be acknowledged. For good: this life of ours takes nothing more. */
void rfi_link_stop_taking(struct rfi_link *link);

/* ---- sending ---- */
/* NULL: out of memory. Texts are copied. */
struct rfi_outflow *rfi_link_open_flow(struct rfi_link *link, enum rfi_flow_kind kind,
                                       const char *source_actor, const char *actor,
                                       const char *port, void *user);
/* Messages under way stay under way; of the flow nothing more is told but its losses, without `user`. */
void rfi_link_close_flow(struct rfi_link *link, struct rfi_outflow *flow);
/* May a message of `size` bytes go out on this flow now? When not, on_room follows once it may. Down: no. */
bool rfi_link_has_room(struct rfi_link *link, struct rfi_outflow *flow, size_t size);
/* Send; the caller asked rfi_link_has_room. Takes `msg` on RF_OK. RF_ELIMIT: larger than the peer takes.
 * RF_EINVAL: the flow has a name that cannot go over the wire. RF_EFULL: no room, or outbox_messages_max
 * requests are under way. RF_ENOTCONNECTED, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_link_send(struct rfi_link *link, struct rfi_outflow *flow, rf_message *msg,
                                  uint64_t request_id);
/* has_room and send in one. RF_EAGAIN: there is no room, on_room follows; the message is still the caller's. */
RF_NODISCARD rf_err rfi_link_send_when_room(struct rfi_link *link, struct rfi_outflow *flow,
                                            rf_message *msg);
/* May messages go out on this flow as a run, without a question for each? Of so many, no larger than
 * `*out_size_max` and with no more than `*out_bytes` together; 0: ask rfi_link_has_room. */
size_t rfi_link_run_room(struct rfi_link *link, const struct rfi_outflow *flow, size_t most,
                         size_t *out_bytes, size_t *out_size_max);
/* Send a run as rfi_link_run_room has allowed it a moment ago, at least one message. Takes them all. */
void rfi_link_send_run(struct rfi_link *link, struct rfi_outflow *flow, rf_message *const *messages,
                       size_t count);
/* Answer a request of the peer (takes msg, NULL with an error). Not sequenced: lost with the session. */
void rfi_link_answer(struct rfi_link *link, uint64_t request_id, rf_err err, rf_message *msg);
/* Want or no longer want what the peer's actor emits on a port. Kept over sessions. */
RF_NODISCARD rf_err rfi_link_subscribe(struct rfi_link *link, const char *actor, const char *port,
                                       bool is_wanted);
void rfi_link_send_json(struct rfi_link *link, const void *text, size_t size);
/* Messages of this inbound flow left the mailbox: their credit can be granted again. A number of a flow that
 * is gone is ignored (see is_credit_kept). */
void rfi_link_consumed(struct rfi_link *link, uint32_t inflow, uint32_t messages, size_t bytes);
/* A message that on_message had taken could not be handed over after all. */
void rfi_link_refused(struct rfi_link *link, uint32_t inflow, size_t size, rf_err reason);
/* Append the next native frame to `out`; false when there is nothing to send now. Acks and credits ride along. */
bool rfi_link_poll(struct rfi_link *link, struct rfi_buf *out, uint64_t now_ns);
/* The same, but the body of a large message, or small messages behind each other, at the end of the frame are left out of
 * `out` and told in `out_tail`, which is the caller's to release; it may outlive the link. */
bool rfi_link_poll_tail(struct rfi_link *link, struct rfi_buf *out, struct rfi_tail *out_tail,
                        uint64_t now_ns);

/* ---- receiving ---- */
/* One whole native frame. RF_EPROTO, RF_ELIMIT, RF_ENOMEM: end the session with the reason in out_diag. */
RF_NODISCARD rf_err rfi_link_input(struct rfi_link *link, const uint8_t *frame, size_t size,
                                   uint64_t now_ns, rf_diag *out_diag);

/* The same for a frame of which `frame` is the beginning, and `body` the rest, in a block behind
 * RFI_MESSAGE_HEADROOM bytes (rfi_frame_find_body said where it begins). A message takes the block, and it is NULL then. */
RF_NODISCARD rf_err rfi_link_input_body(struct rfi_link *link, const uint8_t *frame, size_t size,
                                        struct rfi_body *body, uint64_t now_ns, rf_diag *out_diag);

/* ---- time ---- */
/* Heartbeats and late acknowledgements. RF_ETIMEOUT: nothing came for three intervals, end the session. */
RF_NODISCARD rf_err rfi_link_tick(struct rfi_link *link, uint64_t now_ns);
/* When to call tick and poll again (monotonic); UINT64_MAX: never. */
uint64_t rfi_link_next_ns(const struct rfi_link *link);

struct rfi_link_stats {
    uint64_t sent_messages, sent_bytes, received_messages, received_bytes;
    uint64_t resent_messages, rejected_messages, lost_messages;
    uint64_t unacknowledged_messages; /* sent or waiting, and not known to be lost */
    uint64_t unacknowledged_bytes;    /* of those that are kept */
    uint64_t sent_frames, received_frames;
    uint64_t cursor_in, cursor_out; /* highest taken; highest acknowledged by the peer */
};
void rfi_link_get_stats(const struct rfi_link *link, struct rfi_link_stats *out);

#endif
