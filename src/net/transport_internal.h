/* SPDX-License-Identifier: MIT */
/* What the files of the transport share: the transport and its loops. */
#ifndef RFI_TRANSPORT_INTERNAL_H
#define RFI_TRANSPORT_INTERNAL_H

#include "core/base/heap.h"
#include "net/chunks.h"
#include "net/pending.h"
#include "net/resolver.h"
#include "net/transport.h"
#include "net/watcher.h"
#include "net/ws_frame.h"
#include <pthread.h>

struct rfi_loop;

enum { RFI_IO_THREADS_MAX = 64 };

struct rfi_transport {
    /* set once, then read by all */
    struct rfi_transport_options options; /* zeros replaced by defaults */
    struct rfi_frame_limits limits;
    struct rfi_transport_ops ops;
    void *user;
    struct rfi_loop *loops; /* options.io_threads of them; loops[0] listens */
    struct rfi_resolver *resolver;
    struct rfi_pending pending;
    struct rfi_watcher watcher;
    struct rfi_chunks chunks; /* any thread */

    /* under mutex: dials and stop exclude each other */
    pthread_mutex_t mutex;
    bool is_started, is_stopped;
    uint32_t running_count; /* loops whose thread was started */

    /* any thread */
    _Atomic(int) refs; /* the owner and each connection */
    _Atomic(bool) is_stopping;
    _Atomic(bool) is_deaf; /* listeners are to be closed */
    _Atomic(uint64_t) stop_deadline_ns;
    _Atomic(uint64_t) next_conn_id;
    _Atomic(uint32_t) next_loop;
};

struct rfi_transport *rfi_transport_ref(struct rfi_transport *transport);
void rfi_transport_unref(struct rfi_transport *transport);
/* The loop whose turn it is to get a connection. */
struct rfi_loop *rfi_transport_pick_loop(struct rfi_transport *transport);

#endif
