/* SPDX-License-Identifier: MIT */
/* The handlers behind the table in routes.c, and what they share. `user` is a struct rfi_node_view. */
#ifndef RFI_HTTP_ROUTES_INTERNAL_H
#define RFI_HTTP_ROUTES_INTERNAL_H

#include "core/base/json_doc.h"
#include "http/routes.h"

/* health.c */
void rfi_route_health(void *user, struct rfi_http_request *request);
void rfi_route_ready(void *user, struct rfi_http_request *request);
void rfi_route_status(void *user, struct rfi_http_request *request);
/* routes_registry.c */
void rfi_route_networks(void *user, struct rfi_http_request *request);
void rfi_route_register(void *user, struct rfi_http_request *request);
void rfi_route_unregister(void *user, struct rfi_http_request *request);
/* routes_lists.c */
void rfi_route_actors(void *user, struct rfi_http_request *request);
void rfi_route_components(void *user, struct rfi_http_request *request);
void rfi_route_connections(void *user, struct rfi_http_request *request);
/* routes_messages.c */
void rfi_route_send(void *user, struct rfi_http_request *request);
void rfi_route_request(void *user, struct rfi_http_request *request);
/* routes_graphs.c */
void rfi_route_graph_validate(void *user, struct rfi_http_request *request);
void rfi_route_graph_apply(void *user, struct rfi_http_request *request);

/* routes_peers.c */
void rfi_route_peer_actors(void *user, struct rfi_http_request *request);

/* Answer 200 with what was written; takes the contents of `body`. */
void rfi_route_answer_json(struct rfi_http_request *request, unsigned status, struct rfi_buf *body);
/* Answer with "line L, column C: text" when the diag has a place. */
void rfi_route_answer_diag(struct rfi_http_request *request, rf_err err, const rf_diag *diag);

#endif
