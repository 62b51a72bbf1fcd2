/* SPDX-License-Identifier: MIT */
/* The routing pool: threads ("shards") that own peers. A peer belongs to one shard for life, by a hash of its
 * network_id; what any other thread wants of it is posted to the shard's inbox. */
#ifndef RFI_ROUTING_H
#define RFI_ROUTING_H

#include "core/base/errand.h"
#include "core/base/heap.h"
#include "core/base/inbox.h"
#include "net/compress.h"
#include "net/transport.h"
#include <pthread.h>

struct rfi_bridge;
struct rfi_peer;
struct rfi_intake;
struct rfi_shard;

/* What an inbox holds: items, and runs of the transport, which begin with the same two members and carry
 * RFI_RUN_TAG. */
struct rfi_item {
    struct rfi_mpsc_node node;
    void *tag; /* NULL */
    void (*handle)(struct rfi_shard *shard, struct rfi_item *item);
};
#define RFI_RUN_TAG ((void *)1)

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): each zone has cache lines of its own */
struct rfi_shard {
    /* set once, then read by all */
    struct rfi_bridge *bridge; /* not after is_dead */
    uint32_t index;
    /* owner: this shard's thread (or who holds run_mutex while it does not run) */
    _Alignas(64) struct rfi_peer *peers; /* that the thread has met */
    struct rfi_peer *dirty;              /* to be pumped in this turn */
    struct rfi_intake *intakes;
    struct rfi_intake *gathered; /* those with a run to be pushed */
    struct rfi_peer *unneeded;   /* that may be forgotten, to be looked at in this turn */
    struct rfi_heap due;         /* peers, by when to look at them again */
    struct rfi_buf scratch, frame;
    struct rfi_zstd zstd;
    struct rfi_buf packed, unpacked; /* one part; one frame */
    uint64_t now_ns;
    uint64_t wake_ns; /* when the thread that sleeps will look by itself */
    /* any thread */
    _Alignas(64) struct rfi_inbox inbox;
    _Atomic(uint32_t) refs;
    _Atomic(uint32_t) posters; /* inside rfi_shard_post */
    _Atomic(bool) is_dead;     /* nobody takes from the inbox any more */
    _Atomic(bool) is_stopping;
    pthread_mutex_t run_mutex; /* guards is_running and thread */
    pthread_t thread;
    bool is_running;
    _Atomic(const void *) borrower; /* the errands of the thread that stands in, or NULL */
    bool is_late;                   /* owner: the watcher, see rfi_shard_has_promise */
};

RF_NODISCARD rf_err rfi_shard_new(struct rfi_bridge *bridge, uint32_t index,
                                  struct rfi_shard **out);
struct rfi_shard *rfi_shard_ref(struct rfi_shard *shard);
/* The last one frees; the shard is dead then. */
void rfi_shard_unref(struct rfi_shard *shard);
RF_NODISCARD rf_err rfi_shard_start(struct rfi_shard *shard);
/* Handle what is queued, end all peers, join. Afterwards posts answer false. */
void rfi_shard_stop(struct rfi_shard *shard);
/* Any thread. False: the shard is dead, the item still belongs to the caller. */
bool rfi_shard_post(struct rfi_shard *shard, struct rfi_mpsc_node *node);
/* The thread with these errands stood in for the shard, hangs in a callback, and was revoked: the shard goes back to its
 * own thread. By who revoked. */
void rfi_shard_revoke(struct rfi_shard *shard, const void *borrower);
/* Does the shard's thread sleep over work that another thread promised to look after? Said for the second time in a row,
 * it has woken that thread: who promised hangs in a callback. The watcher of the transport. */
bool rfi_shard_has_promise(struct rfi_shard *shard);
/* Does the shard's thread sleep now? A hint. */
bool rfi_shard_is_resting(const struct rfi_shard *shard);
/* Run `fn` on the shard's thread and wait for its return (inline while the shard does not run, and where the caller
 * stands in for it: then `fn` may come before what was posted earlier). Any thread but
 * a shard's own; a callback of an actor, too, whatever thread it is on. */
void rfi_shard_call(struct rfi_shard *shard, void (*fn)(struct rfi_shard *shard, void *arg),
                    void *arg);

#endif
