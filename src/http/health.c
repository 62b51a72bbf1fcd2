/* SPDX-License-Identifier: MIT */
/* GET /health, /ready and /status: what load balancers, people and reflowctl look at first. They read
 * counters and snapshots through the view and never wait for an actor. The full status tells names and
 * addresses of peers, so only an administrator gets it; others get ids and counts. */
#include "http/routes_internal.h"

#include "core/base/clock.h"
#include <reflow/reflow.h>

static uint64_t actor_count(const struct rfi_node_view *view)
{
    rf_network_stats stats = {0};
    rf_network_get_stats(view->network, &stats);
    return stats.actor_count;
}

static void write_identity(const struct rfi_node_view *view, struct rfi_json_writer *w)
{
    rfi_jsonw_kv_string(w, "network_id", view->network_id(view->node));
    rfi_jsonw_kv_string(w, "instance_id", view->instance_id(view->node));
    rfi_jsonw_kv_string(w, "version", rf_version());
    rfi_jsonw_kv_uint(w, "uptime_ms", view->uptime_ms(view->node));
    rfi_jsonw_kv_uint(w, "actors", actor_count(view));
    rfi_jsonw_kv_uint(w, "connected_networks", view->connected_count(view->node));
}

void rfi_route_health(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    const char *why_not = "";
    char now[RFI_TIMESTAMP_SIZE];
    bool is_ready = view->is_ready(view->node, &why_not);
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_timestamp_format(rfi_clock_wall_ns(), now);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_string(&w, "status", is_ready ? "healthy" : "degraded");
    if (!is_ready)
        rfi_jsonw_kv_string(&w, "reason", why_not);
    write_identity(view, &w);
    rfi_jsonw_kv_string(&w, "timestamp", now);
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, 200, &body);
}

void rfi_route_ready(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    const char *why_not = "";
    bool is_ready = view->is_ready(view->node, &why_not);
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_bool(&w, "ready", is_ready);
    if (!is_ready)
        rfi_jsonw_kv_string(&w, "reason", why_not);
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, is_ready ? 200 : 503, &body);
}

void rfi_route_status(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    if (rfi_http_is_admin(request)) {
        view->write_status(view->node, &w);
    } else {
        rfi_jsonw_begin_object(&w);
        write_identity(view, &w);
        rfi_jsonw_end_object(&w);
    }
    rfi_route_answer_json(request, 200, &body);
}
