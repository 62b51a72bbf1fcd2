/* SPDX-License-Identifier: MIT */
/* How many accepted connections have not proved who they are: in all, and per address. */
#ifndef RFI_PENDING_H
#define RFI_PENDING_H

#include "core/base/map.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { RFI_PENDING_KEY_SIZE = 48 };

struct rfi_pending {
    /* set once, then read by all; 0: no limit */
    uint32_t count_max, per_address_max;
    /* under mutex */
    pthread_mutex_t mutex;
    struct rfi_map *counts; /* address key -> count as a pointer-sized number */
    /* any thread */
    _Atomic(size_t) count;
};

RF_NODISCARD rf_err rfi_pending_init(struct rfi_pending *pending, uint32_t count_max,
                                     uint32_t per_address_max);
void rfi_pending_fini(struct rfi_pending *pending);
/* The key of an address: IPv4 in full (mapped ones too), of IPv6 the /64 network. */
void rfi_pending_key(const struct sockaddr *address, char out[RFI_PENDING_KEY_SIZE]);
/* Count one more; RF_ELIMIT when there are too many. Any thread. */
RF_NODISCARD rf_err rfi_pending_add(struct rfi_pending *pending, const char *key);
void rfi_pending_remove(struct rfi_pending *pending, const char *key);

#endif
