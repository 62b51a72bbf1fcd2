/* SPDX-License-Identifier: MIT */
/* One actor at work: its mailbox, its state, where its out-ports lead.
 *
 * The token of the mailbox (mailbox.h) says who may touch the parts marked "owner": the worker that runs
 * the actor now. A token is at one place at a time: nowhere (idle), in a run queue, with a worker, in the
 * list of waiters of a target (muted), or with the timer of a restart (backoff).
 *
 * Life: two references are there from the beginning, one of the directory (until the node is removed) and one
 * of the token (until the actor is closed and drained). Wires and targets have one each. */
#ifndef RFI_ACTOR_H
#define RFI_ACTOR_H

#include "core/actor/config.h"
#include "core/actor/mailbox.h"
#include "core/actor/reply.h"
#include "core/actor/scheduler.h"
#include <reflow/network.h>

/* Where one connector or tap leads. */
struct rfi_wire {
    struct rfi_mailbox *target; /* one reference */
    uint32_t port;              /* in the words of the target */
    bool is_loop; /* leads back to the actor: never mutes, RF_EFULL far beyond the limit */
    /* owner: the token of the actor. The chain: deliveries that were emitted and not pushed yet, in their order */
    uint32_t chain_length, chain_limit;
    struct rfi_mpsc_node *oldest, *newest;
    struct rfi_wire *next_chained; /* of the list in the context */
};

/* A chain is pushed when the activation ends, when it has so many deliveries, or as many as the target had room
 * for when it began (a quarter of the capacity at most), or a large one; and when the actor has chains for so
 * many targets all of them are. */
enum { RFI_CHAIN_MAX = 64, RFI_CHAINS_MAX = 16 };

struct rfi_out_range {
    uint32_t first, count; /* in wires */
};

/* The wires of all out-ports of one actor; immutable once published, but for the chains.
 *
 * The control thread makes a whole new table at each change and leaves it in `pending_outs`; the worker that
 * runs the actor takes it up before it takes messages from its mailbox. So the table in use has one owner
 * and needs no lock, a change needs no memory on the worker, cannot fail there, does not wake an idle actor, and reaches
 * a muted one. (System deliveries through the mailbox were considered: they order a change after all
 * waiting messages, but can neither be preallocated for ever nor pass a mute.) */
struct rfi_outs {
    struct rfi_wire *wires; /* behind the ranges, same block */
    uint32_t port_count, wire_count;
    struct rfi_out_range ports[];
};

struct rfi_outs *rfi_outs_new(uint32_t port_count, uint32_t wire_count); /* NULL: no memory */
void rfi_outs_free(struct rfi_outs *outs);                               /* NULL is allowed */

/* An in-port's newest message, for components that wait for several. */
struct rfi_input {
    rf_message *msg;
    struct rfi_receipt *receipt;
};

struct rfi_inputs {
    rf_reply *replies;        /* of the requests among them, a chain */
    struct rfi_input slots[]; /* one for each in-port; then the array that on_packet is given */
};

enum rfi_status {
    RFI_STATUS_READY, /* idle, queued: told from the mailbox */
    RFI_STATUS_RUNNING,
    RFI_STATUS_MUTED,
    RFI_STATUS_BACKOFF,
    RFI_STATUS_STOPPED,
    RFI_STATUS_FAILED
};

enum rfi_policy { RFI_POLICY_RESUME, RFI_POLICY_RESTART, RFI_POLICY_STOP };

enum { RFI_BACKOFF_MS = 100, RFI_BACKOFF_MAX_MS = 30000, RFI_RESTARTS_MAX = 5 };
enum { RFI_ACTOR_TIMERS_MAX = 1024 };
enum { RFI_LOOP_FACTOR = 64 }; /* times the capacity, in loops */

/* What few actors need. Made when the node is added, if its metadata ask for it, or at first use. */
struct rfi_side {
    struct rfi_config config;
    struct rfi_timer backoff; /* holds the token while it is armed */
    struct rfi_actor *actor;
    enum rfi_policy policy;
    uint32_t restarts_max, backoff_ms;
    _Atomic(uint32_t) restarts; /* written by the token's owner, read by all when `can_restart` */
    /* owner: the token */
    struct rfi_inputs *inputs; /* of an actor that waits for several */
    uint32_t restarts_in_row;
    struct rfi_actor_timer **timers;
    size_t timer_count, timer_capacity;
};

enum { RFI_ACTOR_REFS = 2 };

/* In lines of 64 bytes: whoever sends touches the first; an activation that emits nothing the second as well; the third is
 * shared with the node of the graph and the name (flow/network_internal.h). */
struct rfi_actor {
    struct rfi_mailbox box;     /* first */
    struct rfi_actor *run_next; /* of the list that has the token: run queue or waiters */
    /* set once, then read by all */
    struct rfi_runtime *runtime;
    const rf_component *component;
    /* owner: the token */
    void *state;
    struct rfi_outs *outs;
    /* any thread */
    _Atomic(struct rfi_outs *) pending_outs;
    _Atomic(uint64_t) received;     /* written by the token's owner */
    _Atomic(uint8_t) status;        /* enum rfi_status; written by the token's owner */
    _Atomic(uint8_t) gone;          /* enum rfi_gone */
    _Atomic(uint8_t) guest_skips;   /* so often it is left to the workers, guest.c */
    _Atomic(uint8_t) guest_strikes; /* so often in a row it took its time with a guest */
    /* owner: the token */
    bool is_created;
    bool wants_resume;
    bool is_finished : 1; /* closed and drained */
    bool is_retired : 1;  /* and its token gave its reference back */
    bool
        can_restart; /* set once: `side` is there from the beginning, with a backoff timer in use */
    struct rfi_side *side;
    /* written by the token's owner, read by all */
    _Atomic(uint64_t) emitted;
    _Atomic(uint32_t) dropped, failed;
};

/* Set up an actor in memory that is zero but for the counter of references, which is atomic and 0, with RFI_ACTOR_REFS of
 * them, for the directory and the token, and `refs` more.
 * `side` (may be NULL) is taken. is_resting: its token is not out, and its state counts as made (see
 * rfi_actor_can_rest). Else the caller has the token, publishes the actor, and gives the token to rfi_runtime_schedule.
 * The counter is written last, so that whoever gets a reference finds a whole actor ([DR2]). */
void rfi_actor_init(struct rfi_actor *actor, struct rfi_runtime *runtime,
                    const rf_component *component, uint32_t capacity, struct rfi_side *side,
                    bool is_resting, uint32_t refs);
/* A new actor of that component has nothing to do before its first message, and nobody asks for the event of its start. */
bool rfi_actor_can_rest(const struct rfi_runtime *runtime, const rf_component *component);
/* NULL: out of memory. */
struct rfi_side *rfi_side_new(void);
void rfi_side_free(struct rfi_side *side);
/* Make the side that an actor does not have yet; its token's owner. */
RF_NODISCARD rf_err rfi_actor_need_side(struct rfi_actor *actor);

extern const struct rfi_mailbox_ops rfi_actor_mailbox_ops;

static inline const char *rfi_actor_id(const struct rfi_actor *actor)
{
    return actor->runtime->hooks->id_of(actor);
}

static inline struct rfi_actor *rfi_actor_of(struct rfi_mailbox *box)
{
    return (struct rfi_actor *)(void *)box; /* its first member */
}

/* Run one activation; the caller has the token, and has not afterwards. Worker threads. */
void rfi_actor_run(struct rfi_worker *worker, struct rfi_actor *actor);
/* Close: refuse messages, and see to it that a worker drains and frees the rest. Any thread with a
 * reference; drops none. */
void rfi_actor_close(struct rfi_actor *actor);
/* Drain a closed actor whose token the caller has, when no worker runs: before the start, after the stop. */
void rfi_actor_finish(struct rfi_actor *actor, enum rfi_status status);
/* Once finished and once removed from the directory: the second adds the actor's numbers to the sums of the past. */
enum rfi_gone { RFI_GONE_FINISHED = 1, RFI_GONE_REMOVED = 2 };
void rfi_actor_note_gone(struct rfi_actor *actor, enum rfi_gone how);
/* Replace the wires, any thread (one at a time for an actor). Takes `outs`. */
void rfi_actor_publish_outs(struct rfi_actor *actor, struct rfi_outs *outs);

/* ---- inside the actor layer: context and callbacks ---- */

struct rf_context {
    struct rfi_worker *worker;
    struct rfi_runtime *runtime;
    struct rfi_actor *actor;
    struct rfi_receipt *receipt; /* of messages that were consumed and not yet told */
    uint32_t receipt_count;
    size_t receipt_bytes;
    rf_reply *reply;           /* of the message at hand, until answered or taken */
    rf_message *first_emitted; /* the answer if no other comes; only when there is a reply */
    struct rfi_mailbox
        *pressed;             /* a target that is over its limit; of a wire in the table in use */
    struct rfi_wire *chained; /* wires of the actor whose chains are not empty */
    uint32_t chained_count;
    uint32_t looks; /* calls of rf_is_pressed since something was pushed */
    bool has_fail_text;
    char fail_text[512];
};

/* What comes after a callback. */
enum rfi_verdict {
    RFI_GO_ON,
    RFI_TOKEN_GONE /* the actor is parked or finished: touch nothing of it */
};

/* Report a failed callback and do what the policy says. */
enum rfi_verdict rfi_supervise(rf_context *ctx, rf_err err);
void rfi_backoff_fire(struct rfi_timer *timer, bool is_cancelled);
/* Free the component's state, if there is one. */
void rfi_actor_destroy_state(struct rfi_actor *actor);
void rfi_actor_drop_inputs(struct rfi_actor *actor, rf_err err);
/* Push all chains of the actor at hand. Before its token or its wires change, and before anything by which others
 * could learn that it has emitted. */
void rfi_context_push_chains(rf_context *ctx);
static inline void rfi_context_flush(rf_context *ctx)
{
    if (ctx->chained != NULL)
        rfi_context_push_chains(ctx);
}
/* The same for the actor, if any, that the calling thread runs. */
void rfi_emit_flush(void);
/* Any of the actor's targets that is over its limit, or NULL. */
struct rfi_mailbox *rfi_actor_find_pressed(const struct rfi_actor *actor);

/* Close and drain on the worker that has the token, which ends here. */
void rfi_actor_retire(struct rfi_worker *worker, struct rfi_actor *actor, enum rfi_status status);

/* timers of actors */
struct rfi_actor_timer;
/* Run on_timer for a delivery of kind RFI_DELIVERY_TIMER, unless the timer was cancelled. */
rf_err rfi_actor_timer_run(rf_context *ctx, struct rfi_delivery *delivery);
void rfi_actor_timer_drop(struct rfi_delivery *delivery);
void rfi_actor_timers_clear(struct rfi_actor *actor);

static inline void rfi_count(_Atomic(uint64_t) *counter, uint64_t add)
{
    /* relaxed: one writer, and readers only look at the number */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add,
                          memory_order_relaxed);
}

/* The same for numbers that are small in most lives. */
static inline void rfi_count_few(_Atomic(uint32_t) *counter, uint64_t add)
{
    /* relaxed: as above */
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + (uint32_t)add,
                          memory_order_relaxed);
}

static inline void rfi_actor_set_status(struct rfi_actor *actor, enum rfi_status status)
{
    atomic_store_explicit(&actor->status, (uint8_t)status, memory_order_relaxed); /* to look at */
}

#endif
