/* SPDX-License-Identifier: MIT */
/* The registry over HTTP, in the shapes of the Rust Reflow: POST /register, GET /networks, and DELETE
 * /networks/{id}, which that one does not have. A node that is no registry still answers GET /networks, from
 * what its own discovery found.
 * Nothing is kept here; the table is discovery/registry.c's. */
#include "http/routes_internal.h"

#include "core/base/clock.h"
#include "core/base/map.h"
#include <string.h>

static const char no_registry[] =
    "this node is no registry (config key \"registry\"); ask one of its discovery_endpoints";

static bool note_connected(void *user, const rf_network_info *info)
{
    struct rfi_map *connected = user; /* also the value of each key: any pointer but NULL */
    /* Without memory the rest is shown as not connected. */
    return !info->is_connected || rfi_map_set(connected, info->network_id, connected) == RF_OK;
}

static bool write_network(void *user, const rf_network_info *info)
{
    struct rfi_json_writer *w = user;
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_string(w, "network_id", info->network_id);
    rfi_jsonw_kv_string(w, "instance_id", info->instance_id);
    rfi_jsonw_kv_string(w, "endpoint", info->endpoint);
    rfi_jsonw_key(w, "capabilities");
    const char *capabilities = info->capabilities == NULL ? "[]" : info->capabilities;
    rfi_jsonw_raw(w, capabilities, strlen(capabilities));
    rfi_jsonw_kv_string(w, "last_seen", info->last_seen);
    rfi_jsonw_kv_bool(w, "connected", info->is_connected);
    rfi_jsonw_end_object(w);
    return true;
}

void rfi_route_networks(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    if (view->registry != NULL) {
        struct rfi_map *connected = rfi_map_new();
        if (connected != NULL)
            view->each_network(view->node, note_connected, connected);
        rfi_registry_write_connected(view->registry, rfi_clock_ms(), connected, &w);
        rfi_map_free(connected);
    } else {
        rfi_jsonw_begin_array(&w);
        view->each_network(view->node, write_network, &w);
        rfi_jsonw_end_array(&w);
    }
    rfi_route_answer_json(request, 200, &body);
}

void rfi_route_register(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    rf_diag diag = {.line = 0};
    size_t size = 0;
    const char *text = rfi_http_body(request, &size);
    if (view->registry == NULL) {
        rfi_http_answer_status(request, 404, "%s", no_registry);
        return;
    }
    rf_err err = rfi_registry_register(view->registry, text, size, rfi_http_caller(request),
                                       rfi_clock_ms(), rfi_clock_wall_ns(), &diag);
    if (err == RF_ELIMIT && size <= 8192) {
        rfi_http_answer_status(request, 429, "%s", diag.text); /* entries, not bytes */
        return;
    }
    if (err != RF_OK) {
        rfi_route_answer_diag(request, err, &diag);
        return;
    }
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_bool(&w, "registered", true);
    rfi_jsonw_kv_uint(&w, "ttl_ms", rfi_registry_ttl_ms(view->registry));
    rfi_jsonw_kv_string(&w, "registry", view->network_id(view->node));
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, 200, &body);
}

void rfi_route_unregister(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    const char *network_id = rfi_http_segment(request, 0);
    if (view->registry == NULL) {
        rfi_http_answer_status(request, 404, "%s", no_registry);
        return;
    }
    const char *caller = rfi_http_is_admin(request) ? NULL : rfi_http_caller(request);
    rf_err err = rfi_registry_remove(
        view->registry, network_id, rfi_http_query(request, "instance_id"), caller, rfi_clock_ms());
    if (err == RF_EAUTH) {
        rfi_http_answer_error(request, err, "network \"%s\" was registered from another address",
                              network_id);
        return;
    }
    if (err != RF_OK) {
        rfi_http_answer_error(request, err, "network \"%s\" is not registered", network_id);
        return;
    }
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_bool(&w, "removed", true);
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, 200, &body);
}
