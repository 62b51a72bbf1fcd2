/* SPDX-License-Identifier: MIT */
/* Dissolving sub-graphs: every actor of a graph and of the graphs in it, under one list of ids.
 *
 *   outer node "clean" is a sub-graph with nodes "trim", "check"   →   "clean/trim", "clean/check"
 *   outer connection a.out → clean.in, where "in" is trim.input    →   a.out → clean/trim.input
 *
 * An end of a connection is followed through exported ports until it reaches an actor; the reader has
 * seen to it that each of these ports exists. The result borrows the graph and owns the ids. */
#include "core/base/diag.h"
#include "core/flow/graph_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rf_err out_of_memory(rf_diag *out_diag)
{
    return rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
}

/* Make room for one more item in a growing list. */
static bool grow(void **items, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count < *capacity)
        return true;
    size_t larger = *capacity == 0 ? 16 : *capacity * 2;
    size_t bytes = 0;
    if (__builtin_mul_overflow(larger, item_bytes, &bytes))
        return false;
    void *moved = realloc(*items, bytes);
    if (moved == NULL)
        return false;
    *items = moved;
    *capacity = larger;
    return true;
}

static rf_err add_node(struct rfi_flat_graph *flat, const rf_graph *graph,
                       const struct rfi_graph_node *node, const char *prefix, rf_diag *out_diag)
{
    struct rfi_flat_node added = {.graph = graph, .node = node};
    if (asprintf(&added.id, "%s%s", prefix, node->id) < 0)
        return out_of_memory(out_diag);
    rf_err err = rfi_map_add(flat->node_map, added.id, &flat->nodes[flat->node_count]);
    if (err != RF_OK) {
        if (err == RF_EEXISTS)
            (void)rfi_json_error(graph->doc, node->json, true, err, out_diag,
                                 "two nodes would get the id \"%s\"", added.id);
        free(added.id);
        return err == RF_EEXISTS ? err : out_of_memory(out_diag);
    }
    flat->nodes[flat->node_count++] = added;
    return RF_OK;
}

/* Follow an end inwards to the actor that it stands for. */
static rf_err resolve(const struct rfi_flat_graph *flat, const rf_graph *graph, const char *prefix,
                      const struct rfi_graph_edge *edge, bool is_target, struct rfi_flat_end *out,
                      rf_diag *out_diag)
{
    struct rfi_buf id;
    rfi_buf_init(&id);
    rfi_buf_append_text(&id, prefix);
    const struct rfi_graph_node *node = rfi_graph_find_node(graph, edge->node);
    const struct rfi_json *outer_type = edge->port_type;
    const rf_graph *at = graph; /* where `edge` stands */
    while (node != NULL && node->subgraph != NULL) {
        rfi_buf_append_text(&id, node->id);
        rfi_buf_append_byte(&id, '/');
        const rf_graph *inner = node->subgraph;
        const struct rfi_graph_port *port =
            rfi_graph_find_port(is_target ? &inner->inports : &inner->outports, edge->port);
        at = port != NULL ? inner : at;
        edge = port != NULL ? &port->edge : edge;
        node = port != NULL ? rfi_graph_find_node(inner, edge->node) : NULL;
    }
    rfi_buf_append_text(&id, edge->node);
    const struct rfi_flat_node *actor = NULL;
    if (!id.is_failed && node != NULL)
        actor = rfi_map_get_bytes(flat->node_map, id.data, id.size);
    bool is_failed = id.is_failed;
    rfi_buf_fini(&id);
    if (is_failed)
        return out_of_memory(out_diag);
    if (actor == NULL)
        return rfi_json_error(at->doc, edge->json, false, RF_EFORMAT, out_diag,
                              "this port leads to no actor");
    *out = (struct rfi_flat_end){(size_t)(actor - flat->nodes), edge->port,
                                 edge->port_type != NULL ? edge->port_type : outer_type, at,
                                 edge->port_json};
    return RF_OK;
}

static rf_err add_connection(struct rfi_flat_graph *flat, const rf_graph *graph, const char *prefix,
                             const struct rfi_graph_connection *connection, rf_diag *out_diag)
{
    void *items = flat->connections;
    bool is_grown =
        grow(&items, &flat->connection_capacity, flat->connection_count, sizeof *flat->connections);
    flat->connections = items;
    if (!is_grown)
        return out_of_memory(out_diag);
    struct rfi_flat_connection added = {.graph = graph, .connection = connection};
    rf_err err = resolve(flat, graph, prefix, &connection->from, false, &added.from, out_diag);
    if (err == RF_OK)
        err = resolve(flat, graph, prefix, &connection->to, true, &added.to, out_diag);
    if (err == RF_OK)
        flat->connections[flat->connection_count++] = added;
    return err;
}

static rf_err add_initial(struct rfi_flat_graph *flat, const rf_graph *graph, const char *prefix,
                          const struct rfi_graph_initial *initial, rf_diag *out_diag)
{
    void *items = flat->initials;
    bool is_grown =
        grow(&items, &flat->initial_capacity, flat->initial_count, sizeof *flat->initials);
    flat->initials = items;
    if (!is_grown)
        return out_of_memory(out_diag);
    struct rfi_flat_initial added = {.graph = graph, .initial = initial};
    rf_err err = resolve(flat, graph, prefix, &initial->to, true, &added.to, out_diag);
    if (err == RF_OK)
        flat->initials[flat->initial_count++] = added;
    return err;
}

/* At most RFI_GRAPH_DEPTH_MAX calls deep, as is add_graph. */
static size_t count_actors(const rf_graph *graph)
{
    size_t count = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        count += graph->nodes[i].subgraph != NULL ? count_actors(graph->nodes[i].subgraph) : 1;
    return count;
}

static rf_err add_graph(struct rfi_flat_graph *flat, const rf_graph *graph, const char *prefix,
                        rf_diag *out_diag)
{
    rf_err err = RF_OK;
    for (size_t i = 0; err == RF_OK && i < graph->node_count; i++) {
        const struct rfi_graph_node *node = &graph->nodes[i];
        if (node->subgraph == NULL) {
            err = add_node(flat, graph, node, prefix, out_diag);
            continue;
        }
        char *inner = NULL;
        if (asprintf(&inner, "%s%s/", prefix, node->id) < 0)
            return out_of_memory(out_diag);
        err = add_graph(flat, node->subgraph, inner, out_diag);
        free(inner);
    }
    for (size_t i = 0; err == RF_OK && i < graph->connection_count; i++)
        err = add_connection(flat, graph, prefix, &graph->connections[i], out_diag);
    for (size_t i = 0; err == RF_OK && i < graph->initial_count; i++)
        err = add_initial(flat, graph, prefix, &graph->initials[i], out_diag);
    return err;
}

rf_err rfi_graph_flatten(const rf_graph *graph, const char *prefix, struct rfi_flat_graph *out,
                         rf_diag *out_diag)
{
    struct rfi_flat_graph flat = {.node_map = rfi_map_new()};
    flat.nodes = calloc(count_actors(graph) + 1, sizeof *flat.nodes);
    rf_err err = RF_ENOMEM;
    if (flat.node_map == NULL || flat.nodes == NULL)
        (void)out_of_memory(out_diag);
    else
        err = add_graph(&flat, graph, prefix != NULL ? prefix : "", out_diag);
    if (err != RF_OK) {
        rfi_flat_graph_fini(&flat);
        return err;
    }
    *out = flat;
    return RF_OK;
}

void rfi_flat_graph_fini(struct rfi_flat_graph *flat)
{
    for (size_t i = 0; i < flat->node_count; i++)
        free(flat->nodes[i].id);
    free(flat->nodes);
    free(flat->connections);
    free(flat->initials);
    rfi_map_free(flat->node_map);
}
