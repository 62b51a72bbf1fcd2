/* SPDX-License-Identifier: MIT */
/* A listening socket. Loop 0 accepts for all and never waits for a peer. */
#ifndef RFI_LISTENER_H
#define RFI_LISTENER_H

#include "net/conn.h"

struct rfi_listener {
    enum rfi_source_kind source; /* first: epoll points here */
    int fd;
    struct rfi_listener *next;
    /* owner: loop 0 */
    uint64_t rearm_at_ns; /* out of descriptors: asleep until then; 0: listening */
    bool is_starved;      /* said so in the log, and not well since */
};

/* Accept what waits. */
void rfi_listener_accept(struct rfi_loop *loop, struct rfi_listener *listener);
/* Listen again after a pause for lack of descriptors. */
void rfi_listener_tick(struct rfi_loop *loop, struct rfi_listener *listener);
/* Bind and listen; `out_address` gets the bound address. */
RF_NODISCARD rf_err rfi_listener_open(const char *address, uint16_t port, struct rfi_listener **out,
                                      char *out_address, size_t out_size, rf_diag *out_diag);
void rfi_listener_close(struct rfi_listener *listener);
/* Write "address:port", IPv6 in brackets. */
void rfi_format_address(const struct sockaddr *address, char *out, size_t out_size);

#endif
