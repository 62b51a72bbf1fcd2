/* SPDX-License-Identifier: MIT */
/* The inside of a link, shared by link.c (life, sessions, time), link_outbox.c (what waits), link_send.c (frames out),
 * link_flows.c (flows that we send), link_receive.c (frames in) and link_inflows.c (flows that we
 * receive). */
#ifndef RFI_LINK_INTERNAL_H
#define RFI_LINK_INTERNAL_H

#include "core/base/copy.h"
#include "core/message/message_internal.h"
#include "net/frame.h"
#include "net/link.h"

#include <string.h>

/* tests/sim/bug_zoo.sh builds the link with one planted bug at a time, to prove that the simulation
 * finds it. In all other builds this is the constant 0. */
#ifdef RFI_LINK_PLANT
#define RFI_PLANTED(number) (RFI_LINK_PLANT == (number))
#else
#define RFI_PLANTED(number) 0
#endif

enum {
    RFI_LINK_ACK_WEIGHT = 16, /* of a message that its sender keeps; of level fast: 1 */
    RFI_LINK_ACK_AT = 64 * RFI_LINK_ACK_WEIGHT,
    RFI_LINK_ACK_BYTES = 256 * 1024,
    RFI_LINK_ACK_DELAY_NS = 5 * 1000 * 1000,
    RFI_LINK_SILENT_INTERVALS = 3,
    RFI_FLOWS_CAP = 1 << 20 /* an inflow number has 20 bits for the flow and 12 for a serial */
};
#define RFI_NO_FLOW UINT32_MAX

/* Why a flow has no room. */
enum rfi_wait {
    RFI_WAIT_NONE,
    RFI_WAIT_SESSION, /* down, or the peer's settings did not come yet */
    RFI_WAIT_NUMBER,  /* all flow numbers that the peer allows are in use */
    RFI_WAIT_CREDIT,  /* the flow's own credit */
    RFI_WAIT_LINK     /* the outbox; the flow is in the list of waiters */
};

struct rfi_outflow {
    struct rfi_outflow *prev, *next;           /* all flows of the link */
    struct rfi_outflow *wait_prev, *wait_next; /* RFI_WAIT_LINK */
    void *user;
    uint32_t id; /* of this life of the peer; RFI_NO_FLOW */
    enum rfi_wait wait;
    size_t wait_size;
    uint64_t wait_round; /* of waking, in which it joined the queue */
    bool is_closed;      /* by the owner, who is told nothing more */
    bool is_close_sent;  /* in this session */
    bool is_announced;   /* OPEN was sent in this session */
    bool is_named_well;  /* the peer would take the names */
    bool is_fast;        /* level of its messages, requests excepted */
    enum rfi_flow_kind kind;
    uint32_t entries; /* in the outbox */
    uint32_t to_send; /* of them, not transmitted in this session */
    uint32_t waiting; /* of them, never transmitted */
    uint64_t waiting_bytes;
    /* Since the flow got its number. Credit = window + consumed - sent: totals, so nothing can leak. */
    uint64_t sent, sent_bytes, consumed, consumed_bytes, rejected;
    uint64_t lost;                           /* to be told */
    const char *source_actor, *actor, *port; /* behind this struct */
};

struct rfi_inflow {
    struct rfi_inflow *due_prev, *due_next; /* due for a CREDIT, REJECT or CLOSED */
    void *user;
    uint32_t id;
    uint32_t number;     /* what the owner calls it */
    rf_err refused;      /* by on_flow: every message is rejected with it */
    bool is_open;        /* OPEN came in this session and CLOSE did not */
    bool is_closing;     /* CLOSE came; the number is in use until all is consumed */
    bool is_close_asked; /* CLOSE came in this session and wants its CLOSED */
    bool is_due;
    bool is_credit_due, is_reject_due;
    /* Since the flow began. */
    uint64_t received, received_bytes;
    uint64_t consumed, consumed_bytes;
    uint64_t announced, announced_bytes; /* of consumed: told to the peer */
    uint64_t rejected;
    rf_err reject_reason; /* of the last one */
    uint8_t kind;
    char *source_actor, *actor, *port; /* behind this struct */
};

/* Of the outbox. One message; or, spent, any number of messages of level fast that were sent and let go of: of one flow
 * and one size, so that any part of them can be acknowledged or lost. Once they are known to be lost they are a gap. */
struct rfi_entry {
    struct rfi_outflow *flow; /* NULL: a gap */
    union {
        rf_message *msg;             /* one reference */
        struct rfi_log_chunk *chunk; /* is_copied: that the body is in */
    } owner;
    const uint8_t *body;
    union {
        uint64_t request_id;
        uint64_t count; /* is_spent: messages */
    };
    uint32_t size; /* of each */
    uint8_t kind;
    bool is_copied, is_fast, is_spent;
};

/* Small messages as a frame has them (size and body), one behind the other, until they are acknowledged. A message that
 * is copied here is free again at once, so that its maker finds it in the cache for the next one; the copies are read in
 * the order in which they were written, many at once. */
enum {
    RFI_LOG_CHUNK_BYTES = 16 << 10,
    RFI_LOG_BODY_MAX = 512,
    RFI_LOG_HEAD_MAX = 2,
    RFI_LOG_SPARES_MAX = 16
};
struct rfi_log_chunk {
    _Atomic(uint32_t) refs;     /* the log's, and one for each tail of a frame that lies here */
    uint32_t used, live;        /* bytes; entries that point here */
    struct rfi_log_chunk *next; /* of the spares */
    uint8_t bytes[RFI_LOG_CHUNK_BYTES];
};
struct rfi_log {
    struct rfi_log_chunk *current, *spares; /* may be NULL */
    uint32_t spare_count;
};

/* Small messages of level fast are written at once, as records of the next frame. In the outbox they are spent. The frame
 * points to the block, which is written anew when no connection reads it any more. */
enum { RFI_STAGE_BYTES = 64 << 10, RFI_STAGE_SPARE = 1024, RFI_STAGE_BLOCKS = 4 };
struct rfi_stage_block {
    _Atomic(uint32_t) refs; /* the stage's, and one for the tail of a frame that lies here */
    uint32_t used;
    uint8_t bytes[RFI_STAGE_BYTES + RFI_STAGE_SPARE];
};
struct rfi_stage {
    struct rfi_stage_block *block;                    /* that is written; NULL: none */
    struct rfi_stage_block *others[RFI_STAGE_BLOCKS]; /* NULL: none */
    uint64_t messages;                                /* in `block` */
    /* the run at the end; NULL: none */
    const struct rfi_outflow *flow;
    size_t count_at;
    uint32_t count;
    uint8_t kind;
    bool is_close_due; /* a flow of these messages was closed */
};

struct rfi_answer {
    uint64_t request_id;
    rf_message *msg;
    rf_err err;
};

struct rfi_subscription {
    struct rfi_subscription *next;
    const char *actor, *port; /* behind this struct */
};

/* A set of u64 that are not 0: open addressing, linear probing. */
struct rfi_id_set {
    uint64_t *slots;
    size_t capacity, count; /* capacity: a power of two, or 0 */
};

/* One for each peer, so the order tells its parts rather than saves a few bytes.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct rfi_link {
    struct rfi_link_options options;
    const struct rfi_link_sink *sink;
    void *owner;
    uint8_t incarnation[RFI_INCARNATION_SIZE];

    /* the peer; kept over sessions */
    bool has_peer;
    uint8_t peer_incarnation[RFI_INCARNATION_SIZE];
    uint32_t inflow_serial; /* of inflow numbers */
    uint32_t peer_message_bytes_max;
    bool peer_takes_fast;
    uint64_t cursor_in; /* highest sequence number handed over */
    bool is_deaf;       /* messages are not taken any more */

    /* session */
    bool is_up;
    bool has_settings; /* the peer's came */
    rf_err failed;     /* the session must end */
    unsigned depth;    /* of entry points that call the sink: flows are freed at depth 0 */
    uint32_t window, window_bytes, peer_flows_max;
    uint64_t now_ns; /* last told */
    uint64_t last_send_ns, last_receive_ns;
    uint32_t frames_out, frames_in; /* frame numbers, from 1 */
    uint64_t ack_due_ns;            /* UINT64_MAX: none */
    uint64_t lazy_due_ns;           /* credits that can wait a little; UINT64_MAX: none */
    uint32_t unacked_weight;        /* of messages */
    uint64_t unacked_bytes;
    uint64_t heartbeat_sent, heartbeat_received;
    uint64_t unanswered_ns, unanswered_number; /* oldest heartbeat without echo; number 0: none */
    bool is_echo_due;
    uint64_t skipped; /* messages, by the peer */

    /* outbox: a ring of entries; the first begins with the sequence number base_seq */
    struct rfi_entry *ring;
    size_t ring_capacity, ring_head, ring_count; /* capacity: a power of two, or 0 */
    uint64_t base_seq;
    size_t sent_count;      /* from the head, transmitted in this session */
    size_t ever_count;      /* from the head, transmitted at least once */
    size_t inherited_count; /* from the head, taken before this session */
    uint64_t next_seq;      /* of the first message that was not transmitted in this session */
    uint64_t fresh_seq;     /* of the first message that was never transmitted */
    size_t spent_count;     /* entries, gaps too */
    uint64_t gap_messages;
    uint64_t ring_bytes; /* that are kept */
    struct rfi_log log;
    struct rfi_stage stage;
    bool leaves_rows; /* the frame before left its messages in the log */

    /* flows that we send */
    struct rfi_outflow *flows_first, *flows_last;
    struct rfi_outflow *waiters_first, *waiters_last;
    struct rfi_outflow *waking; /* whose on_room is running */
    uint64_t wake_round;
    struct rfi_outflow **by_id;
    uint32_t *free_ids;
    uint32_t ids_used, free_id_count, id_capacity;
    size_t number_waiting; /* flows that wait for RFI_WAIT_NUMBER */
    bool is_sweep_due;     /* closed flows can be freed */
    bool is_wake_due;      /* room may have come */

    /* flows that we receive */
    struct rfi_inflow **inflows; /* by id */
    uint32_t inflow_capacity;
    struct rfi_inflow *due_first, *due_last;
    bool is_due_urgent; /* not all of them can wait for lazy_due_ns */

    /* what goes out unsequenced */
    struct rfi_buf control; /* whole records */
    size_t control_at;
    struct rfi_answer *answers;
    size_t answer_capacity, answer_head, answer_count;
    uint64_t answer_bytes;
    struct rfi_buf json; /* u32 size and text, repeated */
    size_t json_at;
    struct rfi_id_set requests;
    struct rfi_subscription *subscriptions;

    struct rfi_link_stats stats;
};

/* ---- link_log.c ---- */
/* The chunk that has room for a body of `size` bytes, at most RFI_LOG_BODY_MAX, and its head. NULL: out of memory. */
struct rfi_log_chunk *rfi_log_next_chunk(struct rfi_log *log, uint32_t size);

static inline uint32_t rfi_log_head_size(uint32_t body_size)
{
    return body_size < 0x80 ? 1 : RFI_LOG_HEAD_MAX;
}

/* Write a small message as a frame has it; returns the place behind it. */
static inline uint8_t *rfi_put_small(uint8_t *at, const uint8_t *body, uint32_t size)
{
    if (size < 0x80) {
        *at++ = (uint8_t)size;
    } else {
        *at++ = (uint8_t)(size | 0x80);
        *at++ = (uint8_t)(size >> 7);
    }
    rfi_copy(at, body, size);
    return at + size;
}

/* Copy a body of at most RFI_LOG_BODY_MAX bytes, and its size before it; where the body is. NULL: out of memory. */
static inline const uint8_t *rfi_log_put(struct rfi_log *log, const uint8_t *body, uint32_t size,
                                         struct rfi_log_chunk **out_chunk)
{
    struct rfi_log_chunk *chunk = log->current;
    if (chunk == NULL || RFI_LOG_CHUNK_BYTES - chunk->used < size + RFI_LOG_HEAD_MAX)
        chunk = rfi_log_next_chunk(log, size);
    if (chunk == NULL)
        return NULL;
    const uint8_t *end = rfi_put_small(chunk->bytes + chunk->used, body, size);
    chunk->used = (uint32_t)(end - chunk->bytes);
    chunk->live++;
    *out_chunk = chunk;
    return end - size;
}

/* So many entries less point to the chunk; none when `count` is 0. */
void rfi_log_drop(struct rfi_log *log, struct rfi_log_chunk *chunk, uint32_t count);
/* The bytes of a chunk are read until the reference is given back, by whatever thread. */
void rfi_log_ref_chunk(struct rfi_log_chunk *chunk);
void rfi_log_unref_chunk(void *chunk);
/* Give memory back that no entry points to. */
void rfi_log_trim(struct rfi_log *log);

/* ---- link_fast.c ---- */
/* May a message go out at level fast now? */
bool rfi_link_may_go_fast(const struct rfi_link *link);
/* How many bytes of messages of one kind, their heads included, can be written for the next frame; 0: none. The caller
 * found no obstacle. */
size_t rfi_link_stage_room(struct rfi_link *link, const struct rfi_outflow *flow);
/* Takes the messages, all of one kind. They have room, and the ring has room for an entry of each; the flow has its
 * number. */
void rfi_link_stage(struct rfi_link *link, struct rfi_outflow *flow, rf_message *const *messages,
                    size_t count);
/* Move the records into a frame, or let it end in a tail that points to them: then true. `out_tail` may be NULL. */
bool rfi_link_put_stage(struct rfi_link *link, struct rfi_buf *out, struct rfi_tail *out_tail);
void rfi_link_trim_stage(struct rfi_link *link); /* when there is nothing in it */
void rfi_link_clear_stage(struct rfi_link *link);
/* An entry was sent at level fast: let go of the message. */
void rfi_link_spend(struct rfi_link *link, struct rfi_entry *entry);
/* The peer's settings told its cursor: what is spent and not behind it did not arrive. */
void rfi_link_find_losses(struct rfi_link *link);
/* The next entry to be sent is a gap. */
void rfi_link_put_skip(struct rfi_link *link, struct rfi_buf *out);

/* ---- link.c ---- */
void rfi_link_tell_losses(struct rfi_link *link, enum rfi_loss why);

/* ---- link_outbox.c ---- */
/* Let go of what the entry holds. */
void rfi_link_release_entry(struct rfi_link *link, const struct rfi_entry *entry);
/* Entry `index` from the head. */
static inline struct rfi_entry *rfi_link_entry(struct rfi_link *link, size_t index)
{
    return &link->ring[(link->ring_head + index) & (link->ring_capacity - 1)];
}
/* Take the messages before the sequence number `seq` out: acknowledged, or lost. */
void rfi_link_drop_before(struct rfi_link *link, uint64_t seq);
/* The peer's settings came: number the flows that wait, give up what this peer cannot take. */
void rfi_link_start_sending(struct rfi_link *link);

/* ---- link_send.c ---- */
/* The session's end: what is unsequenced is forgotten. */
void rfi_link_clear_unsequenced(struct rfi_link *link);
/* Is there something to send that does not wait for a time? */
bool rfi_link_is_urgent(const struct rfi_link *link);
void rfi_link_announce_subscriptions(struct rfi_link *link);

static inline size_t rfi_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- link_flows.c ---- */
/* Around every entry point that calls the sink; leave tells flows that have room, and frees closed ones. */
void rfi_link_enter(struct rfi_link *link);
void rfi_link_leave(struct rfi_link *link);
bool rfi_link_has_free_id(const struct rfi_link *link);
RF_NODISCARD rf_err rfi_link_assign_id(struct rfi_link *link, struct rfi_outflow *flow);
/* A flow by its number; NULL: no such flow. */
struct rfi_outflow *rfi_link_find_outflow(struct rfi_link *link, uint64_t id);
/* The peer forgot the flow: its number can be used again. */
void rfi_link_release_id(struct rfi_link *link, struct rfi_outflow *flow);
/* The peer is another one now: no flow has a number, nothing was consumed. */
void rfi_link_forget_ids(struct rfi_link *link);
/* A closed flow made progress: send its CLOSE once all is out, or have it swept. */
void rfi_link_finish_flow(struct rfi_link *link, struct rfi_outflow *flow);
/* May `size` bytes follow `more` messages of `more_bytes` that wait? */
bool rfi_link_has_credit(const struct rfi_link *link, const struct rfi_outflow *flow, uint64_t more,
                         uint64_t more_bytes, size_t size);
enum rfi_wait rfi_link_find_obstacle(const struct rfi_link *link, const struct rfi_outflow *flow,
                                     size_t size);
void rfi_link_flow_credited(struct rfi_link *link, struct rfi_outflow *flow);
void rfi_link_park_waiters(struct rfi_link *link);   /* the session ended */
void rfi_link_unpark_waiters(struct rfi_link *link); /* a session can send */
void rfi_link_free_outflows(struct rfi_link *link);

/* ---- link_inflows.c ---- */
struct rfi_inflow *rfi_link_find_inflow(struct rfi_link *link, uint64_t id);
/* A new flow, or the one of that number from an earlier session. RF_EPROTO: the number is taken. */
RF_NODISCARD rf_err rfi_link_open_inflow(struct rfi_link *link, uint32_t id, uint8_t kind,
                                         const char *source_actor, const char *actor,
                                         const char *port, struct rfi_inflow **out);
/* CLOSE came. */
RF_NODISCARD rf_err rfi_link_close_inflow(struct rfi_link *link, uint32_t id);
/* Is a message of `size` bytes within what was granted? */
bool rfi_link_is_granted(const struct rfi_link *link, const struct rfi_inflow *flow, size_t size);
/* Messages left the mailbox, or never went there. */
void rfi_link_count_consumed(struct rfi_link *link, struct rfi_inflow *flow, uint64_t messages,
                             uint64_t bytes);
/* A message that was received is refused: tell the peer and give its credit back at once. */
void rfi_link_reject(struct rfi_link *link, struct rfi_inflow *flow, size_t size, rf_err reason);
/* Tell the peer again how much of its flows was consumed and rejected. At the start of a session. */
void rfi_link_announce_credits(struct rfi_link *link);
/* on_flow_closed for all flows that are open. */
void rfi_link_close_inflows(struct rfi_link *link);
void rfi_link_free_inflows(struct rfi_link *link);
/* Write the CREDIT, REJECT and CLOSED records that are due: at least one flow's, then as far as `limit`. */
void rfi_link_put_due(struct rfi_link *link, struct rfi_buf *out, size_t limit);

/* ---- link_ids.c ---- */
RF_NODISCARD rf_err rfi_id_set_add(struct rfi_id_set *set, uint64_t id);
bool rfi_id_set_remove(struct rfi_id_set *set, uint64_t id);
bool rfi_id_set_has(const struct rfi_id_set *set, uint64_t id);
void rfi_id_set_fini(struct rfi_id_set *set);
/* "name" or "name@network", or empty. */
bool rfi_source_is_valid(const char *source);

#endif
