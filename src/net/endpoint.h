/* SPDX-License-Identifier: MIT */
/* Where a node can be dialled: "host:port", "ws://host:port[/path]" or "tcp://host:port". */
#ifndef RFI_ENDPOINT_H
#define RFI_ENDPOINT_H

#include <reflow/error.h>

enum rfi_wire { RFI_WIRE_WEBSOCKET, RFI_WIRE_TCP };

struct rfi_endpoint {
    enum rfi_wire wire;
    char host[256]; /* without brackets */
    uint16_t port;
    char path[256]; /* "/" by default */
};

/* `default_wire` counts where no scheme is given. RF_EINVAL with the reason in out_diag. */
RF_NODISCARD rf_err rfi_endpoint_parse(const char *text, enum rfi_wire default_wire,
                                       struct rfi_endpoint *out, rf_diag *out_diag);
/* Writes "ws://host:port" or "tcp://host:port" (IPv6 in brackets), and a path that is not "/". */
void rfi_endpoint_format(const struct rfi_endpoint *endpoint, char *out, size_t out_size);

#endif
