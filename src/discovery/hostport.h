/* SPDX-License-Identifier: MIT */
/* The endpoint texts that registries hold: "host:port" or "[v6]:port", with "ws://" or "tcp://" in front or
 * without. Pure. */
#ifndef RFI_HOSTPORT_H
#define RFI_HOSTPORT_H

#include <stdbool.h>
#include <stdint.h>

enum { RFI_ENDPOINT_TEXT_SIZE = 320 };

struct rfi_hostport {
    const char *scheme; /* "", "ws://" or "tcp://"; static */
    char host[256];     /* without brackets; may be empty */
    uint16_t port;
};

/* False: no such form, a host with bytes that no host has, a port out of 1..65535, or too long. */
bool rfi_hostport_parse(const char *text, struct rfi_hostport *out);
/* Is the host one that nobody can dial (empty, 0.0.0.0, ::)? */
bool rfi_hostport_is_wildcard(const struct rfi_hostport *at);
/* Brackets around IPv6. */
void rfi_hostport_format(const struct rfi_hostport *at, char out[RFI_ENDPOINT_TEXT_SIZE]);
/* Same host? All loopback addresses are one. */
bool rfi_host_is_same(const char *a, const char *b);

#endif
