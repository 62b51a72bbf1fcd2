/* SPDX-License-Identifier: MIT */
/* A thread that turns names into addresses, so that no I/O loop ever waits for a name server. */
#ifndef RFI_RESOLVER_H
#define RFI_RESOLVER_H

#include "core/base/mpsc.h"
#include <netdb.h>
#include <reflow/error.h>

struct rfi_resolver;

/* One question. The asker owns it and keeps it until on_done. */
struct rfi_resolver_job {
    struct rfi_mpsc_node node;
    char host[256];
    uint16_t port;
    /* On the resolver's thread (inside rfi_resolver_ask for a numeric host); takes `found`
     * (freeaddrinfo), NULL with `failure`. Called exactly once, also when the resolver stops. */
    void (*on_done)(struct rfi_resolver_job *job, struct addrinfo *found, const char *failure);
};

RF_NODISCARD rf_err rfi_resolver_start(struct rfi_resolver **out);
/* Answer what waits with a failure and end the thread. A look-up that hangs longer than `linger_ms`
 * ends by itself later; then its job is still told. Not called twice. NULL is allowed. */
void rfi_resolver_stop(struct rfi_resolver *resolver, uint32_t linger_ms);
/* Any thread, not after stop began. */
void rfi_resolver_ask(struct rfi_resolver *resolver, struct rfi_resolver_job *job);

#endif
