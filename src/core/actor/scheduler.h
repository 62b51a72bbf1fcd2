/* SPDX-License-Identifier: MIT */
/* The actor pool: workers that run actors whose mailboxes have something.
 *
 * Each worker has a slot for the actor that it woke last (so that a message is worked on by the core
 * that has it in its cache), a ring that others may steal from, and there is one inject queue for actors that
 * other threads made ready and for what does not fit a ring. A worker that finds nothing searches for a
 * moment and then sleeps on a futex; who makes work wakes one sleeper, if there is one and
 * nobody is searching already. Rows and invariants: docs/concurrency.md. */
#ifndef RFI_SCHEDULER_H
#define RFI_SCHEDULER_H

#include "core/actor/timers.h"
#include "core/base/errand.h"
#include "core/base/mpsc.h"
#include <pthread.h>
#include <reflow/network.h>
#include <stdatomic.h>
#include <stdint.h>

struct rfi_actor;
struct rfi_runtime;

enum {
    RFI_WORKERS_MAX = 64,     /* one bit each in `sleepers` */
    RFI_RING_SIZE = 256,      /* actors; a power of two */
    RFI_BATCH_MAX = 2048,     /* messages of one activation: a full mailbox is emptied at once */
    RFI_BATCH_CHEAP = 256,    /* so many take less than that: see sharing.c */
    RFI_BATCH_NS = 100000,    /* and about this long */
    RFI_CLOCK_EVERY = 8,      /* messages between two looks at the clock, */
    RFI_CLOCK_EVERY_MAX = 32, /* and when they take no time to speak of */
    RFI_NEXT_IN_ROW = 48,     /* activations from the slot before the ring has its turn */
    RFI_INJECT_EVERY = 61,    /* activations before the inject queue has its turn */
    RFI_INJECT_CHUNK = 63,    /* tokens; with its link a block of 512 bytes */
    RFI_SHARE_EVERY = 64,     /* looks at the clock between two thoughts about sharing */
    RFI_SEARCH_ROUNDS = 12    /* before a worker sleeps: about as long as waking it takes */
};

/* The ring of one worker: the owner appends, the owner and thieves take at the front. */
struct rfi_ring {
    _Alignas(64) _Atomic(uint32_t) head;
    _Alignas(64) _Atomic(uint32_t) tail;
    _Atomic(struct rfi_actor *) slots[RFI_RING_SIZE];
};

struct rfi_inject_chunk {
    struct rfi_inject_chunk *next; /* set when this one is full */
    struct rfi_actor *actors[RFI_INJECT_CHUNK];
};

/* Tokens of threads that are no workers, and what does not fit a ring: run_queue.c. */
struct rfi_inject {
    _Alignas(64) _Atomic(bool) is_pushing; /* try-lock over `last` and `last_count` */
    uint32_t last_count;
    struct rfi_inject_chunk *last;
    _Atomic(uint64_t) pushed;             /* into chunks; written under the try-lock */
    _Atomic(struct rfi_actor *) stack;    /* of those who found it locked; newest first */
    _Alignas(64) _Atomic(bool) is_taking; /* try-lock over all below */
    uint32_t first_count;                 /* taken from `first` */
    struct rfi_inject_chunk *first;
    _Atomic(uint64_t) taken;          /* from chunks */
    _Atomic(struct rfi_actor *) list; /* what was on the stack; oldest first */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): each zone has cache lines of its own */
struct rfi_worker {
    struct rfi_ring ring;
    /* owner: the worker */
    _Alignas(64) struct rfi_runtime *runtime;
    struct rf_context *context;
    struct rfi_actor *next;
    uint32_t index;
    uint32_t next_in_row;
    _Atomic(uint32_t) tick;            /* activations; the watcher looks at it */
    uint32_t batch_max;                /* messages, by the measured cost of a message */
    uint32_t clock_every, until_clock; /* messages */
    uint64_t last_ns;
    uint32_t random;
    bool is_searching;
    bool leaves;  /* is to hand its actors over and watch */
    bool yields;  /* a generator has filled an outlet so far that serving it comes first */
    bool rescues; /* may steal from a cheap worker, this once */
    /* owner: the worker; see sharing.c */
    bool is_sharing, is_trying;
    uint32_t until_share; /* looks at the clock */
    uint64_t share_from_ns, share_until_ns, share_from_done;
    uint64_t share_hold_ns; /* after the next trial that pays */
    double speed_before;    /* messages in a nanosecond */
    pthread_t thread;
    /* any thread reads; owner: the worker */
    _Alignas(64) _Atomic(uint64_t) activated_count; /* tokens that this thread made */
    _Atomic(uint64_t) idled_count;                  /* tokens that it ended */
    _Atomic(uint64_t) dropped_count;                /* messages */
    _Atomic(uint64_t) done_count; /* messages and resumptions, by the look at the clock */
    _Atomic(bool) is_lent;        /* a guest stands in, see guest.c */
    _Atomic(bool) is_cheap;       /* its messages take no time to speak of */
    /* any thread */
    _Alignas(64) _Atomic(uint32_t) signal; /* 1: wake up */
};

/* What the actor layer asks of the layer above. */
struct rfi_runtime_hooks {
    /* An event that somebody subscribed to. Any thread; must not block. */
    void (*on_event)(void *user, const rf_event *event);
    /* The last reference of an actor is gone: free the memory that it is in. Any thread. */
    void (*free_actor)(struct rfi_actor *actor);
    /* Its name, borrowed from the actor. Any thread. */
    const char *(*id_of)(const struct rfi_actor *actor);
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): as above */
struct rfi_runtime {
    /* set once, then read by all */
    const struct rfi_runtime_hooks *hooks;
    void *user; /* of the hooks: the network */
    struct rfi_worker *workers;
    uint32_t worker_count;
    uint32_t capacity; /* of mailboxes */
    /* any thread, seldom written */
    _Alignas(64) _Atomic(uint32_t) event_mask;
    _Atomic(bool) is_stopping;
    _Atomic(uint32_t) drainers; /* threads in rfi_runtime_drain */
    /* any thread */
    _Alignas(64) _Atomic(uint64_t) sleepers; /* one bit a worker */
    _Atomic(uint32_t) searchers;
    _Atomic(bool) has_hung_guest;
    _Atomic(uint32_t) guests;  /* threads between guest_begin and guest_end */
    _Atomic(uint32_t) watcher; /* index + 1 of the worker that watches; see sharing.c, also below */
    _Atomic(uint32_t) sharers; /* workers that a trial allowed, or tries */
    _Atomic(bool) is_trial;    /* one of them tries */
    _Atomic(uint64_t) trial_at_ns; /* not before this */
    _Atomic(uint64_t) trial_pause_ns;
    struct rfi_inject inject;
    _Alignas(64) _Atomic(uint64_t) activated_count; /* by threads that are no workers */
    _Atomic(uint64_t) idled_count;
    _Atomic(uint64_t) dropped_count;
    _Atomic(uint64_t) past_received, past_emitted, past_failed; /* of actors that are gone */
    uint64_t idle_event_at; /* under drain_lock: tokens made when NetworkIdle was last told */
    struct rfi_timers timers;
    pthread_mutex_t drain_lock; /* over drained; leaf */
    pthread_cond_t drained;
};

/* workers 0: cores; capacity: of the mailboxes. RF_ENOMEM. */
RF_NODISCARD rf_err rfi_runtime_init(struct rfi_runtime *runtime, uint32_t workers,
                                     uint32_t capacity, const struct rfi_runtime_hooks *hooks,
                                     void *user);
RF_NODISCARD rf_err rfi_runtime_start(struct rfi_runtime *runtime); /* RF_ESYS */
/* Let the callbacks at hand end and join the workers. Not from a callback. Once. */
void rfi_runtime_stop(struct rfi_runtime *runtime);
void rfi_runtime_fini(struct rfi_runtime *runtime);
/* Wait until no token is out. RF_ETIMEOUT. */
RF_NODISCARD rf_err rfi_runtime_drain(struct rfi_runtime *runtime, uint64_t timeout_ms);
/* Was no token out at some moment during this call? Sound: see NOTE quiescence in scheduler.c. */
bool rfi_runtime_is_quiescent(struct rfi_runtime *runtime, uint64_t *out_activated);
uint64_t rfi_runtime_active_count(struct rfi_runtime *runtime);

/* The worker that this thread is, of whatever runtime; else NULL. */
struct rfi_worker *rfi_worker_current(void);
/* The worker that this thread is, in that runtime; else NULL. */
struct rfi_worker *rfi_worker_self(const struct rfi_runtime *runtime);
/* The token of `actor` goes into a run queue. Any thread. */
void rfi_runtime_schedule(struct rfi_runtime *runtime, struct rfi_actor *actor);
/* Worker: at the tail of the own ring. */
void rfi_worker_requeue(struct rfi_worker *worker, struct rfi_actor *actor);
/* A thread that is no worker stands in for one that sleeps: see guest.c. */
bool rfi_runtime_guest_begin(struct rfi_runtime *runtime);
enum rfi_guest_stop rfi_runtime_guest_run(struct rfi_runtime *runtime, uint64_t until_ns);
bool rfi_runtime_guest_has_work(const struct rfi_runtime *runtime);
void rfi_runtime_guest_end(struct rfi_runtime *runtime);
/* Do all workers sleep? A hint. */
bool rfi_runtime_is_resting(const struct rfi_runtime *runtime);

/* Wake a worker that sleeps, unless one searches already: there is work in a queue. */
void rfi_runtime_notify(struct rfi_runtime *runtime);
/* A guest hangs: its queue is for everybody. */
void rfi_runtime_guest_hangs(struct rfi_runtime *runtime);

static inline bool rfi_worker_is_lent(const struct rfi_worker *worker)
{
    return atomic_load_explicit(&worker->is_lent, memory_order_relaxed); /* a habit of thieves */
}

/* ---- scheduler.c for guest.c ---- */
void rfi_worker_enter(struct rfi_worker *worker); /* this thread is `worker`; NULL: no more */
struct rfi_actor *rfi_worker_find(struct rfi_worker *worker);
/* The worker's bit is with the sleepers again; it is woken when there is work. */
void rfi_worker_lie_down(struct rfi_worker *worker);
void rfi_worker_rouse(struct rfi_worker *worker);

/* Worker: run this one next. */
static inline void rfi_worker_schedule_next(struct rfi_worker *worker, struct rfi_actor *actor)
{
    /* The slot is ours and hidden from thieves: the actor will most likely find its message in this
     * core's cache. Who was in it goes where thieves see it. */
    struct rfi_actor *before = worker->next;
    worker->next = actor;
    if (before != NULL)
        rfi_worker_requeue(worker, before);
}
/* A token was made by this thread (before it is scheduled), or ended (after the release). `worker` NULL: the
 * calling thread is none. */
static inline void rfi_runtime_count_token(_Atomic(uint64_t) *of_others,
                                           _Atomic(uint64_t) *of_worker)
{
    /* [QU1] release: a token is counted before anybody can end it; who sees its end sees the tokens that its
     * run made */
    if (of_worker == NULL)
        (void)atomic_fetch_add_explicit(of_others, 1, memory_order_release);
    else
        atomic_store_explicit(of_worker,
                              atomic_load_explicit(of_worker, memory_order_relaxed) + 1, /* ours */
                              memory_order_release);
}
static inline void rfi_runtime_count_activated(struct rfi_runtime *runtime,
                                               struct rfi_worker *worker)
{
    rfi_runtime_count_token(&runtime->activated_count,
                            worker == NULL ? NULL : &worker->activated_count);
}
static inline void rfi_runtime_count_idled(struct rfi_runtime *runtime, struct rfi_worker *worker)
{
    rfi_runtime_count_token(&runtime->idled_count, worker == NULL ? NULL : &worker->idled_count);
}
void rfi_runtime_count_dropped(struct rfi_runtime *runtime, uint64_t count);
uint64_t rfi_runtime_dropped_count(const struct rfi_runtime *runtime);
/* Wake the drainers, for threads that are no workers. */
void rfi_runtime_notify_drain(struct rfi_runtime *runtime);

static inline bool rfi_runtime_wants_any(const struct rfi_runtime *runtime, uint32_t mask)
{
    /* relaxed: a subscriber sees events from some moment after it subscribed */
    return __builtin_expect(
        (atomic_load_explicit(&runtime->event_mask, memory_order_relaxed) & mask) != 0, 0);
}

static inline bool rfi_runtime_wants(const struct rfi_runtime *runtime, rf_event_type type)
{
    return rfi_runtime_wants_any(runtime, 1U << type);
}

static inline bool rfi_runtime_is_stopping(const struct rfi_runtime *runtime)
{
    return atomic_load_explicit(&runtime->is_stopping, memory_order_relaxed); /* a hint to hurry */
}

#endif
