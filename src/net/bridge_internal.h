/* SPDX-License-Identifier: MIT */
/* The inside of the bridge, shared by its files:
 *
 *   bridge.c          life, public calls, transport callbacks of an open connection
 *   peers.c           the table of peers
 *   admission.c       handshakes, on the I/O threads
 *   control.c         the dialling thread
 *   routing.c         shards: the threads that own peers
 *   session.c         sessions on their shard: claims, probes, up, end, time
 *   session_packed.c  compression between a link and its connection
 *   session_native.c  the sink of a link;   session_rust.c  the JSON wire
 *   intake.c          inbound flows and the receipts of what they pushed
 *   feed.c            feeds: outlets that a shard serves;   tap.c  those of subscriptions
 *   proxy.c           proxies and direct sends: what core asks
 *   discover.c        actor lists asked and given
 *   bridge_status.c   GET /status
 *
 * Zones of each struct name the thread that may touch what follows. Ranks of locks, never nested but as said:
 * shard.run_mutex, then peers_mutex; dial_mutex, then
 * peers_mutex; secret_mutex alone. */
#ifndef RFI_BRIDGE_INTERNAL_H
#define RFI_BRIDGE_INTERNAL_H

#include "core/base/map.h"
#include "net/bridge.h"
#include "net/dead_letters.h"
#include "net/dedup.h"
#include "net/dialer.h"
#include "net/handshake.h"
#include "net/link.h"
#include "net/packing.h"
#include "net/routing.h"
#include "net/rust_wire.h"
#include "net/transport.h"

#define RFI_NS_PER_MS UINT64_C(1000000)
#define RFI_NS_PER_S  UINT64_C(1000000000)

enum {
    RFI_UNSENT_HIGH_BYTES = 1024 * 1024, /* no more is given to a connection above this */
    RFI_UNSENT_PACKED_BYTES =
        256 * 1024, /* the same where what is not given yet may be compressed */
    RFI_HANDSHAKE_BYTES_MAX = 4096,
    RFI_DIRECT_FEEDS_MAX = 4096,
    RFI_REPLIES_MAX = 65536, /* requests under way, per peer */
    RFI_PROBE_MS = 1000,
    RFI_RUST_PAUSE_MESSAGES = 4096,
    RFI_RUST_PAUSE_BYTES = 2 * 1024 * 1024,
    RFI_RUST_TARGETS_MAX = 1024
};

struct rfi_discovery_wait;
struct rfi_feed;
struct rfi_session;

/* ---- the bridge ---- */

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of who may touch what */
struct rfi_bridge {
    /* set once, then read by all */
    const rf_config *config;
    rf_network *net;
    struct rfi_bridge_hooks hooks;
    void *user;
    uint8_t incarnation[RFI_INCARNATION_SIZE];
    uint64_t boot;
    char instance_id[RFI_NAME_SIZE];
    struct rfi_transport *transport;
    struct rfi_shard **shards;
    uint32_t shard_count;
    char address[96]; /* written by start */
    /* any thread */
    struct rfi_dead_letters dead_letters;
    _Atomic(uint32_t) connections_max;
    _Atomic(uint32_t) live_count; /* sessions that are up */
    _Atomic(uint64_t) refused_count, auth_failed_count;
    _Atomic(bool) is_closing, is_stopped;
    pthread_mutex_t peers_mutex;
    struct rfi_map *peers;          /* network_id -> struct rfi_peer; peers_mutex */
    size_t peers_max, direct_count; /* peers_mutex */
    pthread_mutex_t dial_mutex;
    pthread_cond_t dial_cond; /* control waits for work, connect for an outcome */
    struct rfi_dialer dialer; /* dial_mutex */
    bool is_dialling_over;    /* dial_mutex */
    pthread_mutex_t secret_mutex;
    char token[RFI_TOKEN_SIZE]; /* secret_mutex */
    /* owner: who starts and stops */
    pthread_t control_thread;
    bool has_control_thread, is_started;
};

/* ---- peers ---- */

struct rfi_reply_wait { /* a request of ours under way */
    uint64_t id;
    rf_reply *reply;
};

struct rfi_peer {
    /* set once, then read by all */
    struct rfi_bridge *bridge;
    struct rfi_shard *shard;
    /* any thread */
    _Atomic(bool) is_up;
    /* peers_mutex */
    uint32_t holds;          /* sessions, feeds and calls that use the peer */
    uint32_t wants;          /* proxies and direct feeds */
    struct rfi_map *directs; /* actor -> struct rfi_feed; NULL until the first */
    /* owner: the shard */
    bool is_listed, is_dirty;
    struct rfi_peer *prev, *next, *next_dirty;
    bool is_unneeded; /* in shard->unneeded */
    struct rfi_peer *next_unneeded;
    struct rfi_heap_node due;  /* in shard->due */
    struct rfi_peer *next_due; /* of those whose time has come */
    struct rfi_link *link;
    struct rfi_session *session, *claim; /* the live one; one that waits for a probe of it */
    bool is_probe_answered;
    uint8_t incarnation[RFI_INCARNATION_SIZE];
    bool has_incarnation;
    char *instance_id;                   /* owned; NULL: never up, or no memory for it */
    struct rfi_feed *feeds;              /* all attached */
    struct rfi_feed *ready, **ready_end; /* those with messages that may have room */
    struct rfi_map *replies;             /* id bytes -> struct rfi_reply_wait */
    uint64_t next_request_id;
    struct rfi_discovery_wait *discoveries;
    uint64_t tap_look_ns;
    uint64_t down_ns, up_count;
    uint32_t pending_count; /* intakes and inquiries that still point here */
    bool has_taps;
    struct rfi_dedup dedup; /* Rust wire */
    bool uses_stream_name;
    bool is_tap_refusal_logged;
    uint64_t duplicates, lost, rejected;
    uint64_t rust_sent, rust_received;
    struct rfi_packing_stats packing_stats;
    rf_err last_err;
    char *last_error; /* owned; NULL: none, or no memory for it */

    char id[]; /* set once, then read by all */
};

RF_NODISCARD rf_err rfi_peers_init(struct rfi_bridge *bridge);
void rfi_peers_fini(struct rfi_bridge *bridge);
/* Find or make the peer and hold it. RF_ELIMIT, RF_ENOMEM. Any thread. */
RF_NODISCARD rf_err rfi_peer_acquire(struct rfi_bridge *bridge, const char *network_id,
                                     struct rfi_peer **out);
/* Replace a text of the peer's own; NULL without memory, or for an empty one. */
void rfi_peer_set_text(char **text, const char *value);
struct rfi_peer *rfi_peer_find(struct rfi_bridge *bridge,
                               const char *network_id); /* held; or NULL */
/* Give a hold back. Its shard. */
void rfi_peer_release(struct rfi_peer *peer);
/* At the end of a turn: free the peers that nobody holds and that have nothing to remember. */
void rfi_peers_sweep(struct rfi_shard *shard);
/* A proxy or a direct feed needs (no longer needs) this network to be linked. Any thread. */
void rfi_peer_want(struct rfi_peer *peer, bool is_wanted);
void rfi_peer_list(struct rfi_peer *peer);  /* its shard, at first sight */
void rfi_peer_touch(struct rfi_peer *peer); /* pump it in this turn */
/* Tick it at that time, or earlier. */
void rfi_peer_due_at(struct rfi_peer *peer, uint64_t at_ns);
/* Look at the end of this turn whether it can be forgotten. */
void rfi_peer_check(struct rfi_peer *peer);

/* ---- sessions ---- */

enum rfi_session_io {                  /* on the I/O thread */
                      RFI_IO_REQUEST,  /* accepted: the dialler's handshake is next */
                      RFI_IO_RESPONSE, /* dialled: the acceptor's answer is next */
                      RFI_IO_PASS,     /* runs go to the shard */
                      RFI_IO_DEAD      /* refused: nothing is read any more */
};

enum rfi_session_phase { RFI_SESSION_NEW, RFI_SESSION_PROBING, RFI_SESSION_UP, RFI_SESSION_ENDED };

struct rfi_rust_in { /* what the messages of a connection of the Rust wire have in common */
    struct rfi_rust_memo memo;
    /* where the last one went; borrowed from the table of targets, NULL: look it up */
    struct rfi_target *target;
    char actor[RFI_NAME_SIZE], port[RFI_NAME_SIZE];
};

struct rfi_rust_out {     /* messages on their way to a connection of the Rust wire */
    struct rfi_buf batch; /* whole frames */
    struct rfi_buf names; /* of the message before; empty: none */
    const struct rfi_feed *feed;
    const char *source;
    uint32_t port;
    struct rfi_buf tail; /* the time of this turn */
};

struct rfi_greeting {             /* what a session needs until it is up */
    char expected[RFI_NAME_SIZE]; /* whom we dial; empty: not known */
    char probe_id[37];            /* of the question that probes the session in our place */
    struct rfi_hello hello;
    struct rfi_native_hello sent; /* what our own handshake said */
};

struct rfi_session {
    /* set once, then read by all */
    struct rfi_bridge *bridge;
    struct rfi_conn *conn; /* one reference, from on_open on */
    bool is_dialled;
    uint64_t dial_id;
    /* any thread */
    _Atomic(uint32_t) refs;
    _Atomic(bool) is_dial_reported, is_drain_posted, is_pong_posted;
    /* the I/O thread, until the claim is posted; then the shard */
    enum rfi_session_io io;
    struct rfi_peer *peer;         /* held */
    struct rfi_greeting *greeting; /* owned; NULL once the session was up */
    /* owner: the shard of the peer */
    struct rfi_item hello_item, claim_item, drain_item, pong_item, closed_item;
    struct rfi_peer *hello_peer; /* held, for hello_item */
    rf_err closed_err;
    const char *closed_reason; /* of the connection */
    enum rfi_session_phase phase;
    bool is_native;
    struct rfi_run *kept, *kept_last; /* runs that came while PROBING, linked by their tags */
    uint64_t probe_until_ns, probed_ns, last_input_ns;
    uint64_t up_ns;
    uint64_t up_wall_ns;         /* for people */
    struct rfi_packing *packing; /* native, where both sides want it; NULL: nothing is compressed */
    size_t packed_left;          /* that may be compressed in this turn */
    /* Rust wire */
    uint64_t beat_sent_ns, beat_received_ns, beat_cadence_ns;
    uint64_t beat_count;
    struct rfi_map *targets; /* "actor\0port" -> struct rfi_target */
    struct rfi_intake *gauge;
    struct rfi_rust_in *rust_in;
    struct rfi_rust_out *rust_out;
    bool is_paused;
};

struct rfi_session *rfi_session_new(struct rfi_bridge *bridge);
void rfi_session_unref(struct rfi_session *session);
void rfi_session_handle_hello(struct rfi_shard *shard, struct rfi_item *item);
void rfi_session_handle_claim(struct rfi_shard *shard, struct rfi_item *item);
void rfi_session_handle_drain(struct rfi_shard *shard, struct rfi_item *item);
void rfi_session_handle_pong(struct rfi_shard *shard, struct rfi_item *item);
void rfi_session_handle_closed(struct rfi_shard *shard, struct rfi_item *item);
void rfi_session_handle_run(struct rfi_shard *shard, struct rfi_run *run);
/* Leave the peer and close the connection. Its shard. `code`: of the WebSocket close. */
void rfi_session_end(struct rfi_session *session, uint16_t code, rf_err err, const char *reason);
/* Write what there is and work out when to look again. */
void rfi_peer_pump(struct rfi_peer *peer);
void rfi_peer_tick(struct rfi_peer *peer);
/* The shard stops: end the session, close the feeds, answer who waits. */
void rfi_peer_shut(struct rfi_peer *peer);
/* Fill in what our handshake says of ourselves; `link` and `peer_incarnation` may be NULL. */
void rfi_session_fill_hello(struct rfi_bridge *bridge, const struct rfi_link *link,
                            const uint8_t *peer_incarnation, struct rfi_hello *out);
/* Send our side of the handshake. */
void rfi_session_send_request(struct rfi_session *session, struct rfi_hello *hello);
void rfi_session_refuse(struct rfi_session *session, rf_err err, const char *reason);
/* The fate of a dialled connection that made no link; once per session. Any thread. */
void rfi_session_report_dial(struct rfi_session *session, rf_err err, const char *error,
                             bool is_final);

/* ---- session_native.c ---- */
extern const struct rfi_link_sink rfi_bridge_link_sink;
/* The largest message that we take on the native wire: a peer sends each in one frame. */
uint32_t rfi_native_message_bytes_max(const rf_config *config);
struct rfi_link *rfi_native_link_new(struct rfi_peer *peer);
void rfi_native_input(struct rfi_session *session, struct rfi_run *run);
void rfi_native_fail_replies(struct rfi_peer *peer, rf_err err);
/* Remember who waits; 0: out of memory, the reply is the caller's. */
uint64_t rfi_native_add_reply(struct rfi_peer *peer, rf_reply *reply);
rf_reply *rfi_native_take_reply(struct rfi_peer *peer, uint64_t id);

/* ---- session_packed.c ---- */
/* The largest frame that a peer may send. */
uint32_t rfi_frame_bytes_max(const rf_config *config);
/* Do we take compressed frames on this connection, as far as we know it? */
bool rfi_packed_is_offered(const struct rfi_session *session);
/* The session comes up: both sides have told what they take. */
RF_NODISCARD rf_err rfi_packed_start(struct rfi_session *session);
void rfi_packed_stop(struct rfi_session *session);
/* A turn begins: look how the socket does, and count anew. */
void rfi_packed_begin_turn(struct rfi_session *session);
/* Send the next part of the frame under way. False: there is none. May end the session. */
bool rfi_packed_go_on(struct rfi_session *session);
/* Send a frame compressed; takes both. False: it goes as it is. */
bool rfi_packed_send(struct rfi_session *session, struct rfi_buf *frame,
                     const struct rfi_tail *tail);

/* ---- session_rust.c ---- */
RF_NODISCARD rf_err rfi_rust_up(struct rfi_session *session);
void rfi_rust_down(struct rfi_session *session);
void rfi_rust_input(struct rfi_session *session, const struct rfi_run *run);
/* Heartbeats. RF_ETIMEOUT: the peer is silent for too long. */
RF_NODISCARD rf_err rfi_rust_tick(struct rfi_session *session, uint64_t now_ns);
uint64_t rfi_rust_next_ns(const struct rfi_session *session);
/* Send up to `turn` messages of a feed. True: it may have more. rfi_rust_flush gives them to the connection. */
bool rfi_rust_serve(struct rfi_session *session, struct rfi_feed *feed, int turn);
void rfi_rust_flush(struct rfi_session *session);
void rfi_rust_forget(struct rfi_session *session, const struct rfi_feed *feed); /* it closes */
/* The gauge changed: read on when there is room again. */
void rfi_rust_consumed(struct rfi_session *session);

/* ---- intake.c: what peers push here ---- */

enum rfi_intake_kind { RFI_INTAKE_SEND, RFI_INTAKE_EMIT, RFI_INTAKE_RUST };

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): each zone has cache lines of its own */
struct rfi_intake {
    struct rfi_item item; /* posted when `credit` leaves 0 */
    struct rfi_receipt receipt;
    struct rfi_shard *shard; /* one reference */
    /* any thread */
    _Alignas(64) _Atomic(uint64_t) credit; /* consumed and not yet seen: messages << 40 | bytes */
    _Atomic(int64_t) remaining;            /* once the shard is dead: messages that are still out */
    /* owner: the shard */
    _Alignas(64) enum rfi_intake_kind kind;
    struct rfi_intake *prev, *next;
    struct rfi_peer *peer;       /* not once the shard is dead */
    struct rfi_session *session; /* RUST: the one whose gauge this is */
    uint32_t flow;               /* of the link */
    bool is_closed;
    uint64_t out_messages, out_bytes; /* pushed and not known to be consumed */
    struct rfi_target *target;
    struct rfi_target_run run; /* SEND: came with the frames at hand, not pushed yet */
    size_t run_bytes;
    struct rfi_intake *next_gathered; /* of the shard, when `run` is not empty */
    struct rfi_fan {                  /* EMIT: connectors that took a message, oldest first */
        uint32_t takers;
        uint32_t bytes;
    } * fans;
    size_t fan_head, fan_count, fan_capacity;
    uint64_t fan_credit; /* receipts not yet matched to a fan */
    char source[2 * RFI_NAME_SIZE], actor[RFI_NAME_SIZE], port[RFI_NAME_SIZE];
};

RF_NODISCARD rf_err rfi_intake_new(struct rfi_peer *peer, enum rfi_intake_kind kind, uint32_t flow,
                                   const char *source, const char *actor, const char *port,
                                   struct rfi_intake **out);
/* The flow ended; freed when nothing is out any more. */
void rfi_intake_close(struct rfi_intake *intake);
/* Push to a local in-port; looks it up when needed. Takes `msg` and `reply` on RF_OK. */
RF_NODISCARD rf_err rfi_intake_push(struct rfi_intake *intake, rf_message *msg, rf_reply *reply);
/* Push with a target of the caller's. */
RF_NODISCARD rf_err rfi_intake_push_to(struct rfi_intake *intake, struct rfi_target *target,
                                       rf_message *msg);
/* The same without a reply, when rfi_intakes_push_gathered is called. Errors that come later are told to the link. */
RF_NODISCARD rf_err rfi_intake_gather(struct rfi_intake *intake, rf_message *msg);
/* The same for messages that nobody else has; all of them are taken, or none. */
RF_NODISCARD rf_err rfi_intake_gather_many(struct rfi_intake *intake, rf_message *const *messages,
                                           size_t count);
void rfi_intakes_push_gathered(struct rfi_shard *shard);
/* Emit from every proxy of (peer, actor). Takes `msg` on RF_OK. */
RF_NODISCARD rf_err rfi_intake_emit(struct rfi_intake *intake, rf_message *msg);
/* The shard is dead and its inbox empty: from now on the last receipt frees. */
void rfi_intake_orphan(struct rfi_intake *intake);

/* ---- feed.c, tap.c, proxy.c: what goes to peers ---- */

enum rfi_feed_kind { RFI_FEED_PROXY, RFI_FEED_DIRECT, RFI_FEED_TAP };

struct rfi_feed_flow {
    struct rfi_feed *feed;
    struct rfi_outflow *outflow;
    const char *source; /* as the outlet lent it */
    uint32_t port;
};

struct rfi_feed_port { /* of a proxy: an out-port that has connectors */
    struct rfi_feed_port *next;
    char name[RFI_NAME_SIZE];
};

struct rfi_feed {
    struct rfi_item wake_item, attach_item, free_item;
    /* set once, then read by all */
    struct rfi_peer *peer; /* held */
    enum rfi_feed_kind kind;
    char actor[RFI_NAME_SIZE]; /* of the peer; TAP: of ours */
    char port[RFI_NAME_SIZE];  /* TAP */
    struct rfi_proxy *proxy;   /* PROXY */
    struct rfi_outlet *outlet; /* one reference; TAP: NULL while the actor does not exist */
    /* any thread */
    _Atomic(bool) is_wake_posted;
    /* owner: the shard */
    struct rfi_feed *prev, *next, *next_ready;
    bool is_attached, is_ready, is_closed;
    bool has_held;
    struct rfi_outlet_item held; /* popped; waits for room */
    struct rfi_map *flows;       /* (source, port) -> struct rfi_feed_flow; NULL until the first */
    struct rfi_feed_flow *last_flow; /* of the message before */
    uint32_t last_route;             /* likewise */
    struct rfi_feed_port *wanted;
    uint64_t sent;
};

extern const struct rfi_bridge_ops rfi_bridge_core_ops;
rf_err rfi_feed_direct_push(struct rfi_bridge *bridge, const char *actor, const char *network,
                            const char *port, rf_message *msg, rf_reply *reply);
/* Move messages of this peer's feeds to its session, as far as there is room. True: write them, and call again; so what
 * stands before a message that comes next is bounded by the connection, not by the credit of large flows. */
bool rfi_feeds_serve(struct rfi_peer *peer);
void rfi_feed_set_ready(struct rfi_feed *feed);
/* `peer` is held by the caller, whose hold the feed takes over. NULL: out of memory. */
struct rfi_feed *rfi_feed_new(struct rfi_peer *peer, enum rfi_feed_kind kind, const char *actor,
                              const char *port);
void rfi_feed_attach(struct rfi_feed *feed);
/* Close, count what is left under `reason`, free a little later. */
void rfi_feed_end(struct rfi_feed *feed, enum rfi_dead_reason reason);
/* The actor of a tap went: let go of the outlet, once it is empty. */
void rfi_feed_lose_outlet(struct rfi_feed *feed);
void rfi_feed_wake(void *feed); /* any thread */
extern const struct rfi_outlet_ops rfi_feed_outlet_ops;
void rfi_feeds_set_all_ready(struct rfi_peer *peer); /* a session came up */
/* The peer wants, or no longer wants, an out-port of ours. */
void rfi_feed_tap(struct rfi_peer *peer, const char *actor, const char *port);
void rfi_feed_untap(struct rfi_peer *peer, const char *actor, const char *port);
/* Open the taps whose actor is there now. */
void rfi_feeds_look_at_taps(struct rfi_peer *peer);
/* Close all taps and count what they held. */
void rfi_feeds_drop_taps(struct rfi_peer *peer, enum rfi_dead_reason reason);
void rfi_feeds_shut(struct rfi_peer *peer);
void rfi_feed_free(struct rfi_feed *feed);
bool rfi_feeds_are_idle(const struct rfi_peer *peer);
void rfi_feeds_warn_rust(struct rfi_peer *peer);

/* ---- discover.c ---- */
void rfi_discovery_answer(struct rfi_session *session, const char *request_id);
void rfi_discovery_response(struct rfi_peer *peer, const struct rfi_rust_frame *frame);
void rfi_discovery_fail(struct rfi_peer *peer, rf_err err);
void rfi_discovery_json(struct rfi_peer *peer, const char *text, size_t size); /* native */

/* ---- control.c ---- */
RF_NODISCARD rf_err rfi_control_start(struct rfi_bridge *bridge);
void rfi_control_stop(struct rfi_bridge *bridge);
/* Any thread. */
void rfi_control_want(struct rfi_bridge *bridge, const char *network_id, bool is_wanted);
/* False: the entry that led here was removed meanwhile. */
bool rfi_control_linked(struct rfi_bridge *bridge, uint64_t dial_id, const char *network_id);
void rfi_control_unlinked(struct rfi_bridge *bridge, const char *network_id);
void rfi_control_failed(struct rfi_bridge *bridge, uint64_t dial_id, rf_err err, const char *error,
                        bool is_final);
/* The endpoint leads to `network_id`: dial again soon. */
void rfi_control_again(struct rfi_bridge *bridge, uint64_t dial_id, const char *network_id);
uint32_t rfi_random_u32(void);

/* ---- bridge.c ---- */
void rfi_bridge_copy_token(struct rfi_bridge *bridge, char out[RFI_TOKEN_SIZE]);

/* ---- admission.c ---- */
void rfi_admit_open(void *user, struct rfi_conn *conn);
void rfi_admit_run(void *user, struct rfi_conn *conn, struct rfi_run *run);
void rfi_admit_closed(void *user, struct rfi_conn *conn, rf_err err, const char *reason);

#endif
