/* SPDX-License-Identifier: MIT */
/* The assembly of a node: the one file that sees every folder.
 *
 * It owns one local network, one bridge, one discovery client, one HTTP server and, when configured, one
 * registry, and it knows the order in which they start (core, http, net, discovery) and stop (the
 * reverse). It runs no thread of its own and is called from the threads of its owner; `mutex` keeps
 * start, stop and reload apart. What others read without it (`is_serving`) is atomic. */
#include "config.h"
#include "core/base/clock.h"
#include "core/base/diag.h"
#include "discovery/client.h"
#include "discovery/registry.h"
#include "http/routes.h"
#include "net/bridge.h"
#include <pthread.h>
#include <reflow/reflow.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { ADDRESS_SIZE = 320, HTTP_URL_SIZE = 352 };

/* A component that was registered under the id of its only node. */
struct local_component {
    rf_component component;
    struct local_component *next;
    char name[];
};

struct rf_distributed {
    /* set once, then read by all */
    rf_config *config;
    rf_network *network;
    struct rfi_bridge *bridge;
    struct rfi_registry *registry;
    struct rfi_http *http;
    struct rfi_node_view view;
    struct rfi_peer_questions questions;
    char *instance_id;
    uint64_t started_ms;
    char address[ADDRESS_SIZE]; /* written by start; others read it once has_address is true */
    /* under mutex */
    pthread_mutex_t mutex;
    rf_config *given; /* the newest configuration as its owner gave it, for the next reload */
    struct local_component *components;
    bool is_started, is_stopped;
    /* any thread */
    _Atomic(struct rfi_discovery *) discovery; /* made at the start, when the port is known */
    atomic_bool is_serving, has_address;
};

static rf_err make_parts(struct rf_distributed *node);
static void free_parts(struct rf_distributed *node);
static rf_err load_graphs(struct rf_distributed *node, rf_diag *out_diag);
static rf_err start_discovery(struct rf_distributed *node);
static void write_status(void *user, struct rfi_json_writer *w);

const char *rf_version(void)
{
    return RFI_VERSION;
}

rf_err rf_distributed_new(const rf_config *config, rf_distributed **out, rf_diag *out_diag)
{
    rf_err err = rf_config_check(config, out_diag);
    if (err != RF_OK)
        return err;
    struct rf_distributed *node = calloc(1, sizeof *node);
    if (node == NULL)
        return rfi_diag_set(out_diag, RF_ENOMEM, "out of memory");
    (void)pthread_mutex_init(&node->mutex, NULL); /* cannot fail with default attributes */
    (void)pthread_mutex_init(&node->questions.mutex, NULL);
    (void)pthread_cond_init(&node->questions.ended, NULL);
    node->started_ms = rfi_clock_ms();
    node->config = rfi_config_copy(config);
    node->given = rfi_config_copy(config);
    err = node->config == NULL || node->given == NULL ? RF_ENOMEM : make_parts(node);
    if (err != RF_OK) {
        rf_distributed_free(node);
        return rfi_diag_set(out_diag, err, "the node cannot be made: %s", rf_err_text(err));
    }
    *out = node;
    return RF_OK;
}

rf_err rf_distributed_start(rf_distributed *node, rf_diag *out_diag)
{
    (void)pthread_mutex_lock(&node->mutex);
    rf_err err = node->is_started ? RF_ESTATE : RF_OK;
    if (err != RF_OK) {
        (void)rfi_diag_set(out_diag, err, "the node was started already");
        goto out;
    }
    err = load_graphs(node, out_diag);
    if (err != RF_OK)
        goto out;
    node->is_started = true;
    err = rf_network_start(node->network);
    if (err == RF_OK)
        err = rfi_http_start(node->http);
    if (err != RF_OK) {
        (void)rfi_diag_set(out_diag, err, "a thread cannot be started: %s", rf_err_text(err));
        goto out;
    }
    err = rfi_bridge_start(node->bridge, out_diag);
    if (err != RF_OK)
        goto out;
    (void)snprintf(node->address, sizeof node->address, "%s", rfi_bridge_address(node->bridge));
    /* [DN1] release: the address is whole; pairs with the acquire in write_status. */
    atomic_store_explicit(&node->has_address, true, memory_order_release);
    err = start_discovery(node);
    if (err != RF_OK) {
        (void)rfi_diag_set(out_diag, err, "discovery cannot be started: %s", rf_err_text(err));
        goto out;
    }
    atomic_store_explicit(&node->is_serving, true, memory_order_release);
out:
    (void)pthread_mutex_unlock(&node->mutex);
    return err;
}

rf_err rf_distributed_stop(rf_distributed *node, uint64_t drain_ms)
{
    (void)pthread_mutex_lock(&node->mutex);
    if (!node->is_started || node->is_stopped) {
        (void)pthread_mutex_unlock(&node->mutex);
        return RF_OK;
    }
    node->is_stopped = true;
    (void)pthread_mutex_unlock(&node->mutex);
    atomic_store_explicit(&node->is_serving, false, memory_order_release);

    /* Close: nobody new comes in, registries forget us. */
    rfi_bridge_close(node->bridge);
    struct rfi_discovery *discovery = atomic_load_explicit(&node->discovery, memory_order_acquire);
    if (discovery != NULL)
        rfi_discovery_stop(discovery);

    /* Drain: actors first, since they feed the links; then what the links still hold. */
    uint64_t deadline_ms = rfi_clock_ms() + drain_ms;
    rf_err err = rf_network_drain(node->network, drain_ms);
    uint64_t now_ms = rfi_clock_ms();
    rf_err link_err =
        rfi_bridge_drain(node->bridge, now_ms < deadline_ms ? deadline_ms - now_ms : 0);
    if (err == RF_OK)
        err = link_err;
    rf_network_stats stats;
    rf_network_get_stats(node->network, &stats);
    if (err != RF_OK && drain_ms > 0)
        rf_log(RF_LOG_WARN, "NODE-DRAIN-CUT", "queued_messages=%llu drain_ms=%llu",
               (unsigned long long)stats.queued_count, (unsigned long long)drain_ms);

    /* Stop: in the reverse order of the start. */
    rfi_http_wait_peers(&node->questions);
    rfi_bridge_stop(node->bridge);
    rfi_http_stop(node->http);
    rf_network_stop(node->network);
    return err;
}

void rf_distributed_free(rf_distributed *node)
{
    if (node == NULL)
        return;
    (void)rf_distributed_stop(node, 0); /* what is left was not to be waited for */
    free_parts(node);
    while (node->components != NULL) {
        struct local_component *first = node->components;
        node->components = first->next;
        free(first);
    }
    rf_config_free(node->config);
    rf_config_free(node->given);
    free(node->instance_id);
    (void)pthread_cond_destroy(&node->questions.ended);
    (void)pthread_mutex_destroy(&node->questions.mutex);
    (void)pthread_mutex_destroy(&node->mutex);
    free(node);
}

struct reload_check {
    const rf_config *before, *after;
    const char *changed; /* a key that needs a restart */
};

static bool check_key(void *user, const rf_config_key *key)
{
    struct reload_check *check = user;
    if (key->is_reloadable)
        return true;
    char *before = rf_config_get(check->before, key->name);
    char *after = rf_config_get(check->after, key->name);
    if (before == NULL || after == NULL || strcmp(before, after) != 0)
        check->changed = key->name;
    free(before);
    free(after);
    return check->changed == NULL;
}

rf_err rf_distributed_reload(rf_distributed *node, const rf_config *config, rf_diag *out_diag)
{
    rf_err err = rf_config_check(config, out_diag);
    if (err != RF_OK)
        return err;
    (void)pthread_mutex_lock(&node->mutex);
    struct reload_check check = {.before = node->given, .after = config};
    rf_config_each_key(check_key, &check);
    rf_config *copy = NULL;
    if (check.changed != NULL) {
        err = rfi_diag_set(
            out_diag, RF_ESTATE,
            "%s cannot change while the node runs: restart it, or put the old value back",
            check.changed);
        goto out;
    }
    copy = rfi_config_copy(config);
    rf_log_level level;
    err = copy == NULL ? RF_ENOMEM : rf_log_level_parse(copy->log_level, &level);
    if (err != RF_OK)
        goto out;
    rf_log_set_level(level);
    rf_log_set_json(strcmp(copy->log_format, "json") == 0);
    rfi_bridge_reload(node->bridge, copy);
    rfi_http_set_admin_token(node->http, copy->admin_token);
    rf_config_free(node->given);
    node->given = copy;
    copy = NULL;
    rf_log(RF_LOG_INFO, "NODE-RELOADED", "network_id=%s", node->config->network_id);
out:
    rf_config_free(copy);
    (void)pthread_mutex_unlock(&node->mutex);
    return err;
}

rf_network *rf_distributed_network(rf_distributed *node)
{
    return node->network;
}

const char *rf_distributed_address(const rf_distributed *node)
{
    return node->address;
}

rf_err rf_distributed_register_local_actor(rf_distributed *node, const char *id,
                                           const rf_component *component, const char *metadata_json,
                                           rf_diag *out_diag)
{
    size_t size = strlen(id) + 1;
    struct local_component *local = malloc(sizeof *local + size);
    if (local == NULL)
        return rfi_diag_set(out_diag, RF_ENOMEM, "out of memory");
    memcpy(local->name, id, size);
    local->component = *component;
    local->component.name = local->name;
    rf_err err = rf_network_register(node->network, &local->component);
    if (err != RF_OK) {
        free(local);
        return rfi_diag_set(out_diag, err, "actor \"%s\": %s", id, rf_err_text(err));
    }
    /* The network borrows the component for ever now, whatever becomes of the node. */
    (void)pthread_mutex_lock(&node->mutex);
    local->next = node->components;
    node->components = local;
    (void)pthread_mutex_unlock(&node->mutex);
    return rf_network_add_node(node->network, id, id, metadata_json, out_diag);
}

rf_err rf_distributed_connect(rf_distributed *node, const char *endpoint, uint64_t timeout_ms,
                              rf_diag *out_diag)
{
    return rfi_bridge_connect(node->bridge, endpoint, timeout_ms, out_diag);
}

rf_err rf_distributed_disconnect(rf_distributed *node, const char *network_id)
{
    return rfi_bridge_disconnect(node->bridge, network_id);
}

rf_err rf_distributed_register_remote_actor(rf_distributed *node, const char *actor_id,
                                            const char *network_id)
{
    char id[2 * 128 + 2];
    int size = snprintf(id, sizeof id, "%s@%s", actor_id, network_id);
    if (size < 0 || (size_t)size >= sizeof id)
        return RF_EINVAL;
    return rf_network_add_node(node->network, id, id, NULL, NULL);
}

rf_err rf_distributed_send(rf_distributed *node, const char *network_id, const char *actor_id,
                           const char *port, rf_message *msg)
{
    return rfi_bridge_send(node->bridge, network_id, actor_id, port, msg, NULL);
}

rf_err rf_distributed_discover_actors(rf_distributed *node, const char *network_id,
                                      uint64_t timeout_ms,
                                      void (*visit)(void *user, const char *actor_id), void *user)
{
    return rfi_bridge_discover_actors(node->bridge, network_id, timeout_ms, visit, user);
}

/* A copy of what discovery knows, so that no lock of discovery is held while the bridge is asked. */
struct network_list {
    struct network_copy {
        char network_id[129], instance_id[129], endpoint[ADDRESS_SIZE];
        char last_seen[RFI_TIMESTAMP_SIZE];
        char *capabilities; /* owned; NULL: no memory for it */
    } * items;
    size_t count, capacity;
};

static bool copy_network(void *user, const rf_network_info *info)
{
    struct network_list *list = user;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct network_copy *items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    struct network_copy *copy = &list->items[list->count++];
    (void)snprintf(copy->network_id, sizeof copy->network_id, "%s", info->network_id);
    (void)snprintf(copy->instance_id, sizeof copy->instance_id, "%s", info->instance_id);
    (void)snprintf(copy->endpoint, sizeof copy->endpoint, "%s", info->endpoint);
    (void)snprintf(copy->last_seen, sizeof copy->last_seen, "%s", info->last_seen);
    copy->capabilities = strdup(info->capabilities);
    return true;
}

void rf_distributed_each_network(rf_distributed *node,
                                 bool (*visit)(void *user, const rf_network_info *), void *user)
{
    struct rfi_discovery *discovery = atomic_load_explicit(&node->discovery, memory_order_acquire);
    if (discovery == NULL)
        return;
    struct network_list list = {0};
    rfi_discovery_each(discovery, copy_network, &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct network_copy *copy = &list.items[i];
        rf_network_info info = {
            .network_id = copy->network_id,
            .instance_id = copy->instance_id,
            .endpoint = copy->endpoint,
            .last_seen = copy->last_seen,
            .capabilities = copy->capabilities == NULL ? "[]" : copy->capabilities,
            .is_connected = rfi_bridge_is_connected(node->bridge, copy->network_id)};
        if (!visit(user, &info))
            break;
    }
    for (size_t i = 0; i < list.count; i++)
        free(list.items[i].capabilities);
    free(list.items);
}

bool rf_distributed_is_connected(rf_distributed *node, const char *network_id)
{
    return rfi_bridge_is_connected(node->bridge, network_id);
}

rf_err rf_distributed_status(rf_distributed *node, char **out_json)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    struct rfi_json_writer w;
    rfi_jsonw_init(&w, &buf);
    write_status(node, &w);
    char *text = rfi_buf_take_text(&buf, NULL);
    rfi_buf_fini(&buf);
    if (text == NULL)
        return RF_ENOMEM;
    *out_json = text;
    return RF_OK;
}

/* ---- what the parts ask of the node ---- */

static size_t find_endpoints(void *user, const char *network_id, char (*out)[320], size_t max)
{
    struct rf_distributed *node = user;
    struct rfi_discovery *discovery = atomic_load_explicit(&node->discovery, memory_order_acquire);
    if (discovery == NULL)
        return 0;
    size_t count = rfi_discovery_find(discovery, network_id, out, max);
    if (count == 0)
        rfi_discovery_refresh(discovery); /* it may have come up since the last round */
    return count;
}

static void on_http(void *user, int fd, const struct sockaddr *address, socklen_t address_size)
{
    struct rf_distributed *node = user;
    rfi_http_add_connection(node->http, fd, address, address_size);
}

static void on_discovery_changed(void *user)
{
    struct rf_distributed *node = user;
    rfi_bridge_endpoints_changed(node->bridge);
}

static bool is_ready(void *user, const char **out_why_not)
{
    struct rf_distributed *node = user;
    if (atomic_load_explicit(&node->is_serving, memory_order_acquire))
        return true;
    *out_why_not = "the node is starting or stopping";
    return false;
}

static void view_each_network(void *user, bool (*visit)(void *user, const rf_network_info *),
                              void *visit_user)
{
    rf_distributed_each_network(user, visit, visit_user);
}

static size_t view_connected_count(void *user)
{
    struct rf_distributed *node = user;
    return rfi_bridge_connected_count(node->bridge);
}

static const char *view_network_id(void *user)
{
    struct rf_distributed *node = user;
    return node->config->network_id;
}

static const char *view_instance_id(void *user)
{
    struct rf_distributed *node = user;
    return node->instance_id;
}

static uint64_t view_uptime_ms(void *user)
{
    struct rf_distributed *node = user;
    return rfi_clock_ms() - node->started_ms;
}

static rf_err view_discover_actors(void *user, const char *network_id, uint64_t timeout_ms,
                                   void (*visit)(void *user, const char *actor_id),
                                   void *visit_user)
{
    return rf_distributed_discover_actors(user, network_id, timeout_ms, visit, visit_user);
}

static void write_status(void *user, struct rfi_json_writer *w)
{
    struct rf_distributed *node = user;
    const char *why_not = NULL;
    rf_network_stats stats;
    rf_network_get_stats(node->network, &stats);
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_string(w, "network_id", node->config->network_id);
    rfi_jsonw_kv_string(w, "instance_id", node->instance_id);
    rfi_jsonw_kv_string(w, "version", rf_version());
    /* [DN1] acquire: the port answers before the start has ended; pairs with rf_distributed_start. */
    bool has_address = atomic_load_explicit(&node->has_address, memory_order_acquire);
    rfi_jsonw_kv_string(w, "address", has_address ? node->address : "");
    rfi_jsonw_kv_int(w, "pid", getpid());
    rfi_jsonw_kv_uint(w, "uptime_ms", view_uptime_ms(node));
    rfi_jsonw_kv_string(w, "state", is_ready(node, &why_not) ? "serving" : "not serving");
    rfi_jsonw_kv_bool(w, "registry", node->registry != NULL);
    rfi_jsonw_key(w, "network");
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_uint(w, "actors", stats.actor_count);
    rfi_jsonw_kv_uint(w, "connections", stats.connection_count);
    rfi_jsonw_kv_uint(w, "received", stats.received_count);
    rfi_jsonw_kv_uint(w, "emitted", stats.emitted_count);
    rfi_jsonw_kv_uint(w, "failed", stats.failed_count);
    rfi_jsonw_kv_uint(w, "dropped", stats.dropped_count);
    rfi_jsonw_kv_uint(w, "queued", stats.queued_count);
    rfi_jsonw_kv_uint(w, "active_actors", stats.active_count);
    rfi_jsonw_end_object(w);
    rfi_bridge_write_status(node->bridge, w);
    struct rfi_discovery *discovery = atomic_load_explicit(&node->discovery, memory_order_acquire);
    if (discovery != NULL)
        rfi_discovery_write_status(discovery, w);
    rfi_jsonw_end_object(w);
}

/* ---- parts ---- */

static rf_err make_instance_id(struct rf_distributed *node)
{
    const rf_config *config = node->config;
    if (config->instance_id[0] != '\0') {
        node->instance_id = strdup(config->instance_id);
    } else {
        uint32_t random = 0;
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
            return RF_ESYS;
        /* The whole must stay a valid name of at most 128 bytes. */
        if (asprintf(&node->instance_id, "%.100s-%08x", config->network_id, random) < 0)
            node->instance_id = NULL;
        free(node->config->instance_id);
        node->config->instance_id = node->instance_id == NULL ? NULL : strdup(node->instance_id);
        if (node->config->instance_id == NULL)
            return RF_ENOMEM;
    }
    return node->instance_id == NULL ? RF_ENOMEM : RF_OK;
}

static rf_err make_http(struct rf_distributed *node)
{
    const rf_config *config = node->config;
    node->view = (struct rfi_node_view){.node = node,
                                        .network = node->network,
                                        .registry = node->registry,
                                        .request_timeout_ms = config->request_timeout_ms,
                                        .is_ready = is_ready,
                                        .write_status = write_status,
                                        .each_network = view_each_network,
                                        .connected_count = view_connected_count,
                                        .network_id = view_network_id,
                                        .instance_id = view_instance_id,
                                        .uptime_ms = view_uptime_ms,
                                        .discover_actors = view_discover_actors,
                                        .questions = &node->questions};
    struct rfi_http_options options = {.threads = config->http_threads,
                                       .connections_max = config->http_connections_max,
                                       .body_bytes_max = config->http_body_bytes_max,
                                       .idle_timeout_ms = config->http_idle_timeout_ms,
                                       .admin_token = config->admin_token,
                                       .routes = rfi_http_routes()};
    return rfi_http_new(&options, &node->view, &node->http);
}

static rf_err make_parts(struct rf_distributed *node)
{
    rf_err err = make_instance_id(node);
    if (err != RF_OK)
        return err;
    const rf_config *config = node->config;
    rf_network_options options = {.struct_size = sizeof options,
                                  .network_id = config->network_id,
                                  .workers = config->actor_threads,
                                  .mailbox_capacity = config->mailbox_capacity,
                                  .actors_max = config->actors_max};
    err = rf_network_new(&options, &node->network);
    if (err == RF_OK)
        err = rf_network_register_builtins(node->network);
    if (err == RF_OK && config->is_registry) {
        struct rfi_registry_options registry = {.ttl_ms = config->registry_ttl_ms,
                                                .entries_max = config->registry_entries_max,
                                                .entries_per_address_max =
                                                    config->registry_entries_per_address_max};
        node->registry = rfi_registry_new(&registry);
        err = node->registry == NULL ? RF_ENOMEM : RF_OK;
    }
    if (err == RF_OK)
        err = make_http(node);
    static const struct rfi_bridge_hooks hooks = {.find_endpoints = find_endpoints,
                                                  .on_http = on_http};
    if (err == RF_OK)
        err = rfi_bridge_new(config, node->network, &hooks, node, &node->bridge);
    return err;
}

static void free_parts(struct rf_distributed *node)
{
    struct rfi_discovery *discovery = atomic_load_explicit(&node->discovery, memory_order_acquire);
    if (discovery != NULL)
        rfi_discovery_free(discovery);
    /* The network goes first: its nodes still know the bridge as the owner of their outlets. */
    rf_network_free(node->network);
    if (node->bridge != NULL)
        rfi_bridge_free(node->bridge);
    if (node->http != NULL)
        rfi_http_free(node->http);
    if (node->registry != NULL)
        rfi_registry_free(node->registry);
}

static rf_err load_graphs(struct rf_distributed *node, rf_diag *out_diag)
{
    for (size_t i = 0; i < node->config->graphs.count; i++) {
        rf_graph *graph = NULL;
        rf_err err = rf_graph_load(node->config->graphs.items[i], &graph, out_diag);
        if (err != RF_OK)
            return err;
        err = rf_graph_apply(graph, node->network, NULL, out_diag);
        if (err == RF_OK)
            rf_log(RF_LOG_INFO, "NODE-GRAPH-LOADED", "file=%s name=%s",
                   node->config->graphs.items[i], rf_graph_name(graph));
        rf_graph_free(graph);
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

/* The port of "address:port". */
static const char *port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon == NULL ? "" : colon + 1;
}

/* What we tell registries: advertise_address with our port behind it where it names none. */
static void own_endpoint(const struct rf_distributed *node, char *out, size_t out_size)
{
    const char *advertised = node->config->advertise_address;
    if (advertised[0] == '\0') {
        (void)snprintf(out, out_size, "%s", node->address);
        return;
    }
    const char *last_colon = strrchr(advertised, ':');
    const char *bracket = strrchr(advertised, ']');
    bool has_port = last_colon != NULL && (bracket == NULL || last_colon > bracket) &&
                    (bracket != NULL || strchr(advertised, ':') == last_colon);
    if (has_port)
        (void)snprintf(out, out_size, "%s", advertised);
    else
        (void)snprintf(out, out_size, "%s:%s", advertised, port_of(node->address));
}

static rf_err start_discovery(struct rf_distributed *node)
{
    const rf_config *config = node->config;
    char endpoint[ADDRESS_SIZE];
    char own_url[HTTP_URL_SIZE];
    own_endpoint(node, endpoint, sizeof endpoint);
    size_t count = config->discovery_endpoints.count;
    const char **urls = calloc(count + 1, sizeof *urls);
    if (urls == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < count; i++)
        urls[i] = config->discovery_endpoints.items[i];
    if (config->is_registry) {
        /* A registry finds others where they register: at itself. */
        bool is_any = strncmp(node->address, "0.0.0.0:", 8) == 0;
        bool is_any6 = strncmp(node->address, "[::]:", 5) == 0;
        if (is_any || is_any6)
            (void)snprintf(own_url, sizeof own_url, "http://%s:%s", is_any ? "127.0.0.1" : "[::1]",
                           port_of(node->address));
        else
            (void)snprintf(own_url, sizeof own_url, "http://%s", node->address);
        bool is_listed = false;
        for (size_t i = 0; i < count; i++)
            is_listed |= strcmp(urls[i], own_url) == 0;
        if (!is_listed)
            urls[count++] = own_url;
    }
    struct rfi_discovery *discovery = NULL;
    struct rfi_discovery_options options = {.network_id = config->network_id,
                                            .instance_id = node->instance_id,
                                            .endpoint = endpoint,
                                            .urls = urls,
                                            .url_count = count,
                                            .refresh_ms = config->discovery_refresh_ms,
                                            .timeout_ms = config->discovery_timeout_ms,
                                            .on_changed = on_discovery_changed,
                                            .user = node};
    rf_err err = count == 0 ? RF_OK : rfi_discovery_new(&options, &discovery);
    free(urls);
    if (err != RF_OK || discovery == NULL)
        return err;
    atomic_store_explicit(&node->discovery, discovery, memory_order_release);
    return rfi_discovery_start(discovery);
}
