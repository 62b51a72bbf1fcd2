/* SPDX-License-Identifier: MIT */
/* Checking a graph against the components that a network knows.
 *
 * Mistakes keep the graph from being applied: components and ports that do not exist, connections
 * that meet after sub-graphs are dissolved. Remarks do not: cycles, nodes that nothing reaches and
 * that reach nothing, port types that do not match, required configuration that is missing. An actor
 * of another network ("actor@network") may have any ports. The components are collected first,
 * because the network is locked while it lists them. */
#include "core/base/diag.h"
#include "core/base/suggest.h"
#include "core/flow/graph_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct validation {
    const rf_graph *graph;
    const struct rfi_flat_graph *flat;
    struct rfi_map *components; /* name to const rf_component */
    bool is_failed;             /* out of memory while the components were collected */
    void (*on_finding)(void *user, bool is_error, const rf_diag *diag);
    void *user;
    size_t error_count;
};

static void tell(struct validation *v, bool is_error, const rf_diag *diag)
{
    v->error_count += is_error;
    if (v->on_finding != NULL)
        v->on_finding(v->user, is_error, diag);
}

/* The map keeps pointers that may be written through; these never are. */
union component_pointer {
    const rf_component *component;
    void *pointer;
};

static bool collect_component(void *user, const rf_component *component)
{
    struct validation *v = user;
    union component_pointer value = {.component = component};
    rf_err err = rfi_map_set(v->components, component->name, value.pointer);
    v->is_failed = err != RF_OK;
    return !v->is_failed;
}

static const rf_component *component_of(const struct validation *v, size_t node)
{
    union component_pointer value = {
        .pointer = rfi_map_get(v->components, v->flat->nodes[node].node->component)};
    return value.component;
}

static bool is_remote(const char *component)
{
    return strchr(component, '@') != NULL;
}

static void check_component(struct validation *v, size_t number)
{
    const struct rfi_flat_node *item = &v->flat->nodes[number];
    const char *name = item->node->component;
    if (is_remote(name) || component_of(v, number) != NULL)
        return;
    struct rfi_suggest suggest;
    char hint[160];
    rfi_suggest_init(&suggest, name);
    for (struct rfi_map_entry *entry = rfi_map_next(v->components, NULL); entry != NULL;
         entry = rfi_map_next(v->components, entry))
        rfi_suggest_offer(&suggest, rfi_map_key(entry));
    rfi_suggest_text(&suggest, hint, sizeof hint);
    rf_diag diag = {0};
    (void)rfi_json_error(item->graph->doc, item->node->component_json, false, RF_ENOCOMPONENT,
                         &diag, "there is no component \"%s\"%s", name, hint);
    tell(v, true, &diag);
}

static void check_keys(struct validation *v, size_t number)
{
    const struct rfi_flat_node *item = &v->flat->nodes[number];
    const rf_component *component = component_of(v, number);
    if (component == NULL)
        return;
    const struct rfi_json *metadata = item->node->metadata;
    for (size_t i = 0; i < component->key_count; i++) {
        const char *key = component->keys[i].name;
        if (!component->keys[i].is_required || rfi_json_get(metadata, key) != NULL ||
            rfi_json_get(rfi_json_get(metadata, "propertyValues"), key) != NULL)
            continue;
        rf_diag diag = {0};
        (void)rfi_json_error(item->graph->doc, item->node->json, true, RF_EFORMAT, &diag,
                             "\"%s\" (%s) needs the key \"%s\" in its metadata, unless it comes "
                             "from the environment",
                             item->node->id, component->name, key);
        tell(v, false, &diag);
    }
}

static bool has_port(const rf_port_def *ports, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(ports[i].name, name) == 0 ||
            (ports[i].alias != NULL && strcmp(ports[i].alias, name) == 0))
            return true;
    return false;
}

static void check_port(struct validation *v, const struct rfi_flat_end *end, bool is_target)
{
    const rf_component *component = component_of(v, end->node);
    if (component == NULL)
        return;
    const rf_port_def *ports = is_target ? component->inports : component->outports;
    size_t count = is_target ? component->inport_count : component->outport_count;
    if (has_port(ports, count, end->port))
        return;
    struct rfi_suggest suggest;
    char hint[160];
    rfi_suggest_init(&suggest, end->port);
    for (size_t i = 0; i < count; i++) {
        rfi_suggest_offer(&suggest, ports[i].name);
        if (ports[i].alias != NULL)
            rfi_suggest_offer(&suggest, ports[i].alias);
    }
    rfi_suggest_text(&suggest, hint, sizeof hint);
    rf_diag diag = {0};
    (void)rfi_json_error(end->graph->doc, end->port_json, false, RF_ENOPORT, &diag,
                         "\"%s\" (%s) has no %s \"%s\"%s", v->flat->nodes[end->node].id,
                         component->name, is_target ? "in-port" : "out-port", end->port, hint);
    tell(v, true, &diag);
}

/* Down to what an option holds. */
static const struct rfi_json *unwrap_type(const struct rfi_json *type, const char **out_name)
{
    const char *name = rfi_json_get_string(type, "type", "any");
    while (strcmp(name, "option") == 0) {
        type = rfi_json_get(type, "value");
        name = rfi_json_get_string(type, "type", "any");
    }
    *out_name = name;
    return type;
}

/* The rules of the Rust Reflow: any and stream match all, an integer may go where a float is wanted,
 * an option is what it holds. */
static bool types_match(const struct rfi_json *from, const struct rfi_json *to)
{
    for (;;) {
        const char *from_name = NULL;
        const char *to_name = NULL;
        from = unwrap_type(from, &from_name);
        to = unwrap_type(to, &to_name);
        if (strcmp(from_name, "any") == 0 || strcmp(to_name, "any") == 0 ||
            strcmp(from_name, "stream") == 0 || strcmp(to_name, "stream") == 0)
            return true;
        if (strcmp(from_name, "integer") == 0 && strcmp(to_name, "float") == 0)
            return true;
        if (strcmp(from_name, to_name) != 0)
            return false;
        if (strcmp(from_name, "object") == 0)
            return strcmp(rfi_json_get_string(from, "value", ""),
                          rfi_json_get_string(to, "value", "")) == 0;
        if (strcmp(from_name, "array") != 0)
            return true;
        from = rfi_json_get(from, "value");
        to = rfi_json_get(to, "value");
    }
}

static void check_connection(struct validation *v, const struct rfi_flat_connection *item,
                             struct rfi_map *seen)
{
    const struct rfi_graph_connection *wire = item->connection;
    check_port(v, &item->from, false);
    check_port(v, &item->to, true);
    rf_diag diag = {0};
    if (!types_match(item->from.type, item->to.type)) {
        const char *from_name = NULL;
        const char *to_name = NULL;
        (void)unwrap_type(item->from.type, &from_name);
        (void)unwrap_type(item->to.type, &to_name);
        (void)rfi_json_error(item->graph->doc, wire->json, false, RF_EFORMAT, &diag,
                             "port types do not match: %s.%s gives %s, %s.%s takes %s",
                             wire->from.node, wire->from.port, from_name, wire->to.node,
                             wire->to.port, to_name);
        tell(v, false, &diag);
    }
    char *key = NULL;
    int size = asprintf(&key, "%zu\n%s\n%zu\n%s", item->from.node, item->from.port, item->to.node,
                        item->to.port);
    if (size < 0) {
        v->is_failed = true;
        return;
    }
    rf_err err = rfi_map_add_bytes(seen, key, (size_t)size, v);
    free(key);
    if (err == RF_EEXISTS) {
        (void)rfi_json_error(item->graph->doc, wire->json, false, RF_EEXISTS, &diag,
                             "this connection leads between the same ports as another one");
        tell(v, true, &diag);
    } else if (err != RF_OK) {
        v->is_failed = true;
    }
}

static void check_exported(struct validation *v, const rf_graph *graph,
                           const struct rfi_graph_ports *ports, bool is_target, bool *is_used)
{
    for (size_t i = 0; i < ports->count; i++) {
        const struct rfi_graph_edge *edge = &ports->items[i].edge;
        const struct rfi_flat_node *node = rfi_map_get(v->flat->node_map, edge->node);
        if (node == NULL) /* a sub-graph, whose own exported ports are checked by their use */
            continue;
        struct rfi_flat_end end = {(size_t)(node - v->flat->nodes), edge->port, NULL, graph,
                                   edge->port_json};
        is_used[end.node] = true;
        check_port(v, &end, is_target);
    }
}

static void check_orphans(struct validation *v, const bool *is_used)
{
    for (size_t i = 0; i < v->flat->node_count && v->flat->node_count > 1; i++) {
        if (is_used[i])
            continue;
        const struct rfi_flat_node *item = &v->flat->nodes[i];
        rf_diag diag = {0};
        (void)rfi_json_error(item->graph->doc, item->node->json, true, RF_EFORMAT, &diag,
                             "nothing is connected to \"%s\"", item->id);
        tell(v, false, &diag);
    }
}

/* Connections by their source: those of node n are order[first[n]] … order[first[n + 1] - 1]. */
static void sort_by_source(const struct rfi_flat_graph *flat, size_t *first, size_t *order)
{
    for (size_t i = 0; i < flat->connection_count; i++)
        first[flat->connections[i].from.node + 1]++;
    for (size_t i = 0; i < flat->node_count; i++)
        first[i + 1] += first[i];
    for (size_t i = flat->connection_count; i-- > 0;) {
        size_t source = flat->connections[i].from.node;
        order[--first[source + 1]] = i;
    }
    /* each first[n + 1] now holds the begin of n */
    for (size_t i = 0; i < flat->node_count; i++)
        first[i] = first[i + 1];
    first[flat->node_count] = flat->connection_count;
}

/* Walk all paths depth first with a stack of our own; a connection back onto the path at hand closes
 * a cycle, and is remarked upon. */
static void find_cycles(struct validation *v, const size_t *first, const size_t *order,
                        size_t *next, size_t *path)
{
    enum { UNSEEN, ON_PATH, DONE };
    const struct rfi_flat_graph *flat = v->flat;
    unsigned char *state = calloc(flat->node_count + 1, 1);
    if (state == NULL) {
        v->is_failed = true;
        return;
    }
    for (size_t start = 0; start < flat->node_count; start++) {
        size_t depth = 0;
        if (state[start] != UNSEEN)
            continue;
        path[depth++] = start;
        state[start] = ON_PATH;
        next[start] = first[start];
        while (depth > 0) {
            size_t node = path[depth - 1];
            if (next[node] == first[node + 1]) {
                state[node] = DONE;
                depth--;
                continue;
            }
            const struct rfi_flat_connection *item = &flat->connections[order[next[node]++]];
            size_t target = item->to.node;
            if (state[target] == UNSEEN) {
                state[target] = ON_PATH;
                next[target] = first[target];
                path[depth++] = target;
            } else if (state[target] == ON_PATH) {
                rf_diag diag = {0};
                (void)rfi_json_error(item->graph->doc, item->connection->json, false, RF_EFORMAT,
                                     &diag,
                                     "this connection closes a cycle: \"%s\" leads to \"%s\"",
                                     flat->nodes[target].id, flat->nodes[node].id);
                tell(v, false, &diag);
            }
        }
    }
    free(state);
}

static void check_cycles(struct validation *v)
{
    const struct rfi_flat_graph *flat = v->flat;
    size_t *first = calloc(flat->node_count + 2, sizeof *first);
    size_t *next = calloc(flat->node_count + 1, sizeof *next);
    size_t *path = calloc(flat->node_count + 1, sizeof *path);
    size_t *order = calloc(flat->connection_count + 1, sizeof *order);
    if (first != NULL && next != NULL && path != NULL && order != NULL) {
        sort_by_source(flat, first, order);
        find_cycles(v, first, order, next, path);
    } else {
        v->is_failed = true;
    }
    free(first);
    free(next);
    free(path);
    free(order);
}

static void check_all(struct validation *v)
{
    const struct rfi_flat_graph *flat = v->flat;
    bool *is_used = calloc(flat->node_count + 1, sizeof *is_used);
    struct rfi_map *seen = rfi_map_new();
    if (is_used == NULL || seen == NULL)
        v->is_failed = true;
    for (size_t i = 0; !v->is_failed && i < flat->node_count; i++) {
        check_component(v, i);
        check_keys(v, i);
    }
    for (size_t i = 0; !v->is_failed && i < flat->connection_count; i++) {
        is_used[flat->connections[i].from.node] = true;
        is_used[flat->connections[i].to.node] = true;
        check_connection(v, &flat->connections[i], seen);
    }
    for (size_t i = 0; !v->is_failed && i < flat->initial_count; i++) {
        const struct rfi_flat_initial *item = &flat->initials[i];
        is_used[item->to.node] = true;
        check_port(v, &item->to, true);
    }
    if (!v->is_failed) {
        check_exported(v, v->graph, &v->graph->inports, true, is_used);
        check_exported(v, v->graph, &v->graph->outports, false, is_used);
        check_orphans(v, is_used);
        check_cycles(v);
    }
    rfi_map_free(seen);
    free(is_used);
}

rf_err rf_graph_validate(const rf_graph *graph, rf_network *net,
                         void (*on_finding)(void *user, bool is_error, const rf_diag *diag),
                         void *user)
{
    struct rfi_flat_graph flat;
    rf_diag diag = {0};
    rf_err err = rfi_graph_flatten(graph, NULL, &flat, &diag);
    if (err != RF_OK) {
        if (err != RF_ENOMEM && on_finding != NULL)
            on_finding(user, true, &diag);
        return err == RF_ENOMEM ? err : RF_EFORMAT;
    }
    struct validation v = {.graph = graph,
                           .flat = &flat,
                           .components = rfi_map_new(),
                           .on_finding = on_finding,
                           .user = user};
    if (v.components == NULL)
        v.is_failed = true;
    else
        rf_network_each_component(net, collect_component, &v);
    if (!v.is_failed)
        check_all(&v);
    rfi_map_free(v.components);
    rfi_flat_graph_fini(&flat);
    if (v.is_failed)
        return RF_ENOMEM;
    return v.error_count > 0 ? RF_EFORMAT : RF_OK;
}
