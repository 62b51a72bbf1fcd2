/* SPDX-License-Identifier: MIT */
/* The table of routes, and GET /, which lists it. docs/http.md describes each.
 * The handlers are grouped by what they look at: health.c, routes_registry.c, routes_lists.c,
 * routes_messages.c, routes_graphs.c. They see the node through struct rfi_node_view alone and keep no state. */
#include "http/routes_internal.h"

static void route_index(void *user, struct rfi_http_request *request);

static const struct rfi_http_route routes[] = {
    {"GET", "/", RFI_HTTP_PUBLIC, route_index},
    {"GET", "/health", RFI_HTTP_PUBLIC, rfi_route_health},
    {"GET", "/ready", RFI_HTTP_PUBLIC, rfi_route_ready},
    {"GET", "/status", RFI_HTTP_PUBLIC, rfi_route_status},
    {"GET", "/networks", RFI_HTTP_PUBLIC, rfi_route_networks},
    {"POST", "/register", RFI_HTTP_PUBLIC, rfi_route_register},
    {"DELETE", "/networks/{}", RFI_HTTP_PUBLIC, rfi_route_unregister},
    {"GET", "/networks/{}/actors", RFI_HTTP_ADMIN, rfi_route_peer_actors},
    {"GET", "/actors", RFI_HTTP_ADMIN, rfi_route_actors},
    {"GET", "/components", RFI_HTTP_ADMIN, rfi_route_components},
    {"GET", "/connections", RFI_HTTP_ADMIN, rfi_route_connections},
    {"POST", "/actors/{}/send", RFI_HTTP_ADMIN, rfi_route_send},
    {"POST", "/actors/{}/request", RFI_HTTP_ADMIN, rfi_route_request},
    {"POST", "/graphs", RFI_HTTP_ADMIN, rfi_route_graph_apply},
    {"POST", "/graphs/validate", RFI_HTTP_ADMIN, rfi_route_graph_validate},
    {NULL, NULL, RFI_HTTP_PUBLIC, NULL},
};

const struct rfi_http_route *rfi_http_routes(void)
{
    return routes;
}

static void route_index(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_string(&w, "network_id", view->network_id(view->node));
    rfi_jsonw_key(&w, "routes");
    rfi_jsonw_begin_array(&w);
    for (const struct rfi_http_route *route = routes; route->method != NULL; route++) {
        rfi_jsonw_begin_object(&w);
        rfi_jsonw_kv_string(&w, "method", route->method);
        rfi_jsonw_kv_string(&w, "path", route->path);
        rfi_jsonw_kv_string(&w, "access", route->access == RFI_HTTP_ADMIN ? "admin" : "public");
        rfi_jsonw_end_object(&w);
    }
    rfi_jsonw_end_array(&w);
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, 200, &body);
}
