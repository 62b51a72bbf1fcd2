/* SPDX-License-Identifier: MIT */
/* One I/O loop: a thread, an epoll set, an inbox of connections that want something, and deadlines.
 */
#ifndef RFI_IO_LOOP_H
#define RFI_IO_LOOP_H

#include "core/base/errand.h"
#include "core/base/inbox.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/transport_internal.h"

enum {
    RFI_READ_CHUNK_BYTES =
        RFI_CHUNK_BYTES, /* a read buffer, before a large message makes it grow */
    RFI_RANDOM_POOL_BYTES = 1024,
    RFI_ROUND_BYTES = 64 << 10 /* what a round of events should read, about */
};

struct rfi_retired { /* a thread that lost its place, and ends when its callback does */
    struct rfi_retired *next;
    pthread_t thread;
};

struct rfi_loop {
    /* any thread */
    struct rfi_inbox inbox;       /* rfi_conn.poke_node */
    _Atomic(bool) is_finished;    /* the thread is gone */
    pthread_mutex_t finish_mutex; /* what comes after that is handled by whoever posts it */

    /* set once, then read by all */
    struct rfi_transport *transport;
    int epoll_fd;
    pthread_t thread;

    struct rfi_watch watch;
    _Atomic(const void *) errands; /* of the thread: who it is, for on_revoked */
    unsigned index;                /* set once */
    pthread_cond_t finished;       /* with finish_mutex */
    bool is_over;                  /* finish_mutex: the loop has come to its end */
    /* the watcher; then who joins it */
    struct rfi_retired *retired;
    bool is_deserted; /* no thread could be made for it yet */

    /* owner: the loop's thread */
    enum rfi_source_kind inbox_source;
    struct rfi_conn *conns;         /* adopted and not closed */
    struct rfi_heap timed;          /* those with a deadline */
    struct rfi_conn *dead;          /* closed, kept until this round of events is over */
    struct rfi_listener *listeners; /* loop 0; under transport->mutex */
    uint64_t now_ns;                /* of this round */
    uint64_t next_deadline_ns;      /* no deadline is earlier */
    bool is_stopping, is_deaf;
    unsigned events_max;          /* of a round: a power of two */
    size_t round_bytes;           /* of messages handed up in this round */
    struct rfi_conn *alone;       /* the only one in the last round with events; NULL: not one */
    unsigned alone_in_row;        /* rounds before that in which it was */
    struct rfi_conn *lively;      /* it, when that was often; NULL: none */
    unsigned lively_looks;        /* at it alone, since the last look at all */
    uint64_t polled_ns;           /* since something came */
    unsigned idle_looks;          /* since something came, while it polls */
    bool has_read;                /* a socket had something to read, or its end */
    uint8_t *spare;               /* an idle read buffer, or NULL */
    struct rfi_frame_span *spans; /* of the read under way */
    size_t span_count, span_capacity;
    size_t random_left;
    uint8_t random[RFI_RANDOM_POOL_BYTES];
};

RF_NODISCARD rf_err rfi_loop_init(struct rfi_loop *loop, struct rfi_transport *transport);
RF_NODISCARD rf_err rfi_loop_start(struct rfi_loop *loop, unsigned index);
/* Its thread lost its place: another one goes on. RF_ESYS, RF_ENOMEM: try again. The watcher. */
RF_NODISCARD rf_err rfi_loop_replace(struct rfi_loop *loop);
/* Give back what the threads that lost their place and have ended since still hold. The watcher. */
void rfi_loop_reap(struct rfi_loop *loop);
/* After rfi_transport.is_stopping was set: wait for the end, whatever thread comes to it. */
void rfi_loop_await(struct rfi_loop *loop);
/* Then, when nobody watches any more. */
void rfi_loop_join(struct rfi_loop *loop);
void rfi_loop_fini(struct rfi_loop *loop);

/* Any thread: the connection's wants changed (it holds a reference for the way). */
void rfi_loop_post(struct rfi_loop *loop, struct rfi_mpsc_node *node);

/* Loop's thread only. */
void rfi_loop_add_deadline(struct rfi_loop *loop, uint64_t at_ns);
/* Random bytes out of a pool: masks and keys. */
void rfi_loop_random(struct rfi_loop *loop, uint8_t *out, size_t size);
/* A read buffer of RFI_READ_CHUNK_BYTES; NULL: no memory. And back. */
uint8_t *rfi_loop_take_buffer(struct rfi_loop *loop);
void rfi_loop_put_buffer(struct rfi_loop *loop, uint8_t *buffer);

#endif
