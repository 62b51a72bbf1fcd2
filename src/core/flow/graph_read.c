/* SPDX-License-Identifier: MIT */
/* Reading a graph from parsed JSON, in both forms.
 *
 *   GraphExport  processes {id: {id, component, metadata}}   connections [{from, to, data}]
 *   NoFlo        processes {id: {component, metadata}}       connections [{src, tgt} | {data, tgt}]
 *
 * The form is told by the members that only one of them has. Every mistake is reported at its place
 * in the text, and the first one ends the reading. A node with metadata.graph is a sub-graph: a file
 * below the folder of this one, or an object in the same text. Sub-graphs are read here by recursion;
 * RFI_GRAPH_DEPTH_MAX bounds its depth and RFI_GRAPH_SUBGRAPHS_MAX its extent, since a few files that
 * name each other twice would grow without end. */
#include "core/base/diag.h"
#include "core/base/suggest.h"
#include "core/flow/graph_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rf_err out_of_memory(rf_diag *out_diag)
{
    return rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
}

static rf_err wrong_type(const rf_graph *graph, const struct rfi_json *node,
                         enum rfi_json_type wanted, rf_diag *out_diag)
{
    if (node->key != NULL)
        return rfi_json_error(graph->doc, node, false, RF_EFORMAT, out_diag,
                              "\"%s\" must be %s, not %s", node->key, rfi_json_type_name(wanted),
                              rfi_json_type_name(node->type));
    return rfi_json_error(graph->doc, node, false, RF_EFORMAT, out_diag, "this must be %s, not %s",
                          rfi_json_type_name(wanted), rfi_json_type_name(node->type));
}

rf_err rfi_graph_member_optional(const rf_graph *graph, const struct rfi_json *object,
                                 const char *key, enum rfi_json_type type,
                                 const struct rfi_json **out, rf_diag *out_diag)
{
    const struct rfi_json *member = rfi_json_get(object, key);
    if (member != NULL && member->type == RFI_JSON_NULL)
        member = NULL;
    if (member != NULL && member->type != type)
        return wrong_type(graph, member, type, out_diag);
    *out = member;
    return RF_OK;
}

rf_err rfi_graph_member(const rf_graph *graph, const struct rfi_json *object, const char *key,
                        enum rfi_json_type type, const struct rfi_json **out, rf_diag *out_diag)
{
    const struct rfi_json *member = rfi_json_get(object, key);
    if (member == NULL) {
        struct rfi_suggest suggest;
        char hint[160];
        rfi_suggest_init(&suggest, key);
        const struct rfi_json *item = object != NULL ? object->first : NULL;
        for (; item != NULL; item = item->next)
            rfi_suggest_offer(&suggest, item->key);
        rfi_suggest_text(&suggest, hint, sizeof hint);
        return rfi_json_error(graph->doc, object, false, RF_EFORMAT, out_diag,
                              "the field \"%s\" is missing%s", key, hint);
    }
    if (member->type != type)
        return wrong_type(graph, member, type, out_diag);
    *out = member;
    return RF_OK;
}

/* A text without NUL bytes: an id or a name. */
static rf_err read_name(const rf_graph *graph, const struct rfi_json *object, const char *key,
                        const struct rfi_json **out, rf_diag *out_diag)
{
    rf_err err = rfi_graph_member(graph, object, key, RFI_JSON_STRING, out, out_diag);
    if (err == RF_OK && strlen((*out)->text) != (*out)->text_size)
        err = rfi_json_error(graph->doc, *out, false, RF_EFORMAT, out_diag,
                             "\"%s\" must not hold a NUL character", key);
    return err;
}

/* The port's name as the graph uses it: lower case when the graph does not tell cases apart. */
static const char *port_name(rf_graph *graph, const char *name)
{
    if (graph->is_case_sensitive)
        return name;
    bool has_upper = false;
    for (const char *at = name; *at != '\0'; at++)
        has_upper = has_upper || (*at >= 'A' && *at <= 'Z');
    if (!has_upper)
        return name;
    if (graph->text_count == graph->text_capacity) {
        size_t capacity = graph->text_capacity == 0 ? 16 : graph->text_capacity * 2;
        char **texts = realloc(graph->texts, capacity * sizeof *texts);
        if (texts == NULL)
            return NULL;
        graph->texts = texts;
        graph->text_capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return NULL;
    for (char *at = copy; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    graph->texts[graph->text_count++] = copy;
    return copy;
}

static bool is_noflo(const struct rfi_json *root)
{
    const struct rfi_json *connections = rfi_json_get(root, "connections");
    if (connections != NULL)
        for (const struct rfi_json *item = connections->first; item != NULL; item = item->next) {
            if (rfi_json_get(item, "src") != NULL || rfi_json_get(item, "tgt") != NULL)
                return true;
            if (rfi_json_get(item, "from") != NULL || rfi_json_get(item, "to") != NULL)
                return false;
        }
    static const char *const port_maps[] = {"inports", "outports"};
    for (size_t i = 0; i < 2; i++) {
        const struct rfi_json *ports = rfi_json_get(root, port_maps[i]);
        if (ports != NULL && ports->first != NULL && rfi_json_get(ports->first, "process") != NULL)
            return true;
    }
    const struct rfi_json *processes = rfi_json_get(root, "processes");
    if (processes != NULL && processes->first != NULL)
        return rfi_json_get(processes->first, "id") == NULL;
    return rfi_json_get(root, "caseSensitive") == NULL ||
           rfi_json_get(rfi_json_get(root, "properties"), "name") == NULL;
}

/* ---- sub-graphs ---- */

/* May a graph name this file: below its own folder? */
static bool is_path_below(const char *path)
{
    if (*path == '/' || *path == '\0')
        return false;
    for (const char *at = path; at != NULL;) {
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return false;
        at = strchr(at, '/');
        if (at != NULL)
            at++;
    }
    return true;
}

static rf_err read_subgraph_file(const rf_graph *graph, const struct rfi_json *where,
                                 const struct rfi_graph_source *source, rf_graph **out_graph,
                                 rf_diag *out_diag)
{
    if (!is_path_below(where->text) || strlen(where->text) != where->text_size)
        return rfi_json_error(graph->doc, where, false, RF_EFORMAT, out_diag,
                              "a sub-graph must be a file in or below the folder of its graph, "
                              "not \"%s\"",
                              where->text);
    char *path = NULL;
    if (asprintf(&path, "%s%s", source->folder, where->text) < 0)
        return out_of_memory(out_diag);
    rf_diag inner = {0};
    rf_err err = rfi_graph_read_file(path, source, out_graph, &inner);
    free(path);
    if (err != RF_OK && inner.line != 0) {
        if (out_diag != NULL)
            *out_diag = inner; /* the mistake is inside that file */
    } else if (err != RF_OK) {
        err = rfi_json_error(graph->doc, where, false, err, out_diag, "%s", inner.text);
    }
    return err;
}

static rf_err read_subgraph(const rf_graph *graph, struct rfi_graph_node *node,
                            const struct rfi_graph_source *source, rf_diag *out_diag)
{
    const struct rfi_json *inner = rfi_json_get(node->metadata, "graph");
    bool is_named =
        strcmp(node->component, "graph") == 0 || strcmp(node->component, "subgraph") == 0;
    if (inner == NULL || (inner->type != RFI_JSON_STRING && inner->type != RFI_JSON_OBJECT)) {
        if (is_named)
            return rfi_json_error(graph->doc, node->component_json, false, RF_EFORMAT, out_diag,
                                  "the sub-graph \"%s\" needs metadata.graph: the name of a file, "
                                  "or a graph",
                                  node->id);
        return RF_OK;
    }
    if (source->depth + 1 > RFI_GRAPH_DEPTH_MAX)
        return rfi_json_error(graph->doc, inner, false, RF_ELIMIT, out_diag,
                              "sub-graphs are nested more than %d deep", RFI_GRAPH_DEPTH_MAX);
    if (++*source->subgraph_count > RFI_GRAPH_SUBGRAPHS_MAX)
        return rfi_json_error(graph->doc, inner, false, RF_ELIMIT, out_diag,
                              "there are more than %d sub-graphs", RFI_GRAPH_SUBGRAPHS_MAX);
    if (inner->type == RFI_JSON_STRING)
        return read_subgraph_file(graph, inner, source, &node->subgraph, out_diag);
    struct rfi_graph_source inside = *source;
    inside.parent = source;
    inside.is_file = false;
    inside.depth = source->depth + 1;
    return rfi_graph_read(graph->doc, false, inner, &inside, &node->subgraph, out_diag);
}

/* ---- nodes ---- */

static rf_err read_node(rf_graph *graph, const struct rfi_json *json,
                        const struct rfi_graph_source *source, rf_diag *out_diag)
{
    if (json->type != RFI_JSON_OBJECT)
        return wrong_type(graph, json, RFI_JSON_OBJECT, out_diag);
    struct rfi_graph_node *node = &graph->nodes[graph->node_count];
    *node = (struct rfi_graph_node){.id = json->key, .json = json};
    if (!rfi_name_is_valid(json->key, json->key_size))
        return rfi_json_error(graph->doc, json, true, RF_EFORMAT, out_diag,
                              "\"%s\" is no name for a node: 1 to 128 of A-Z a-z 0-9 . _ : / -, "
                              "and no dot in front",
                              json->key);
    rf_err err = RF_OK;
    if (graph->form == RF_GRAPH_EXPORT) {
        const struct rfi_json *id = NULL;
        err = read_name(graph, json, "id", &id, out_diag);
        if (err == RF_OK && strcmp(id->text, json->key) != 0)
            err = rfi_json_error(graph->doc, id, false, RF_EFORMAT, out_diag,
                                 "the id \"%s\" is not the key \"%s\" that it stands under",
                                 id->text, json->key);
    }
    if (err == RF_OK)
        err = read_name(graph, json, "component", &node->component_json, out_diag);
    if (err == RF_OK && node->component_json->text_size == 0)
        err = rfi_json_error(graph->doc, node->component_json, false, RF_EFORMAT, out_diag,
                             "the component of \"%s\" is empty", node->id);
    if (err == RF_OK)
        err = rfi_graph_member_optional(graph, json, "metadata", RFI_JSON_OBJECT, &node->metadata,
                                        out_diag);
    if (err != RF_OK)
        return err;
    node->component = node->component_json->text;
    err = rfi_map_add(graph->node_map, node->id, node);
    if (err != RF_OK)
        return rfi_json_error(graph->doc, json, true, err, out_diag, "%s: \"%s\"", rf_err_text(err),
                              node->id);
    graph->node_count++; /* from here on rf_graph_free sees its sub-graph */
    return read_subgraph(graph, node, source, out_diag);
}

static rf_err read_nodes(rf_graph *graph, const struct rfi_graph_source *source, rf_diag *out_diag)
{
    const struct rfi_json *processes = NULL;
    rf_err err = rfi_graph_member_optional(graph, graph->root, "processes", RFI_JSON_OBJECT,
                                           &processes, out_diag);
    if (err != RF_OK || processes == NULL)
        return err;
    graph->nodes = calloc(processes->count + 1, sizeof *graph->nodes);
    if (graph->nodes == NULL)
        return out_of_memory(out_diag);
    for (const struct rfi_json *item = processes->first; item != NULL; item = item->next) {
        err = read_node(graph, item, source, out_diag);
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

/* ---- edges ---- */

/* The members of a full GraphEdge; the names in it may still be empty. */
static rf_err read_export_edge(const rf_graph *graph, const struct rfi_json *json,
                               struct rfi_graph_edge *out, rf_diag *out_diag)
{
    const struct rfi_json *name = NULL;
    const struct rfi_json *id = NULL;
    const struct rfi_json *expose = NULL;
    const struct rfi_json *ignored = NULL;
    rf_err err = read_name(graph, json, "nodeId", &out->node_json, out_diag);
    if (err == RF_OK)
        err = read_name(graph, json, "portId", &id, out_diag);
    if (err == RF_OK)
        err = read_name(graph, json, "portName", &name, out_diag);
    if (err == RF_OK)
        err = rfi_graph_member(graph, json, "expose", RFI_JSON_BOOL, &expose, out_diag);
    if (err == RF_OK)
        err = rfi_graph_member(graph, json, "portType", RFI_JSON_OBJECT, &out->port_type, out_diag);
    if (err == RF_OK)
        err = rfi_graph_check_port_type(graph, out->port_type, out_diag);
    if (err == RF_OK)
        err =
            rfi_graph_member_optional(graph, json, "metadata", RFI_JSON_OBJECT, &ignored, out_diag);
    if (err != RF_OK)
        return err;
    out->port_json = id->text_size > 0 ? id : name;
    return RF_OK;
}

static rf_err read_noflo_edge(const rf_graph *graph, const struct rfi_json *json,
                              struct rfi_graph_edge *out, rf_diag *out_diag)
{
    rf_err err = read_name(graph, json, "process", &out->node_json, out_diag);
    if (err == RF_OK)
        err = read_name(graph, json, "port", &out->port_json, out_diag);
    return err;
}

/* An end as it stands in the text: its node must exist, and its port too if the node is a sub-graph. */
static rf_err read_edge(rf_graph *graph, const struct rfi_json *json, bool is_target,
                        struct rfi_graph_edge *out, rf_diag *out_diag)
{
    struct rfi_graph_edge edge = {.json = json};
    if (json->type != RFI_JSON_OBJECT)
        return wrong_type(graph, json, RFI_JSON_OBJECT, out_diag);
    rf_err err = graph->form == RF_GRAPH_EXPORT ? read_export_edge(graph, json, &edge, out_diag)
                                                : read_noflo_edge(graph, json, &edge, out_diag);
    const struct rfi_json *index = NULL;
    if (err == RF_OK)
        err = rfi_graph_member_optional(graph, json, "index", RFI_JSON_NUMBER, &index, out_diag);
    if (err != RF_OK)
        return err;
    if (index != NULL) {
        edge.has_index = true;
        if (!rfi_json_as_int(index, &edge.index) || edge.index < 0)
            return rfi_json_error(graph->doc, index, false, RF_EFORMAT, out_diag,
                                  "\"index\" must be a whole number from 0");
    }
    const struct rfi_graph_node *node = rfi_graph_find_node(graph, edge.node_json->text);
    if (node == NULL)
        return rfi_graph_no_node(graph, edge.node_json, edge.node_json->text, out_diag);
    if (edge.port_json->text_size == 0)
        return rfi_json_error(graph->doc, edge.port_json, false, RF_EFORMAT, out_diag,
                              "the port's name is empty");
    edge.node = node->id;
    edge.port = port_name(graph, edge.port_json->text);
    if (edge.port == NULL)
        return out_of_memory(out_diag);
    if (node->subgraph != NULL) {
        const struct rfi_graph_ports *ports =
            is_target ? &node->subgraph->inports : &node->subgraph->outports;
        if (rfi_graph_find_port(ports, edge.port) == NULL) {
            struct rfi_suggest suggest;
            char hint[160];
            rfi_suggest_init(&suggest, edge.port);
            for (size_t i = 0; i < ports->count; i++)
                rfi_suggest_offer(&suggest, ports->items[i].name);
            rfi_suggest_text(&suggest, hint, sizeof hint);
            return rfi_json_error(graph->doc, edge.port_json, false, RF_EFORMAT, out_diag,
                                  "the sub-graph \"%s\" exports no %s \"%s\"%s", node->id,
                                  is_target ? "in-port" : "out-port", edge.port, hint);
        }
    }
    *out = edge;
    return RF_OK;
}

/* ---- connections and initial packets ---- */

/* Remember a thing that must be there once; report the second one at its place. */
static rf_err add_once(const rf_graph *graph, struct rfi_map *seen, const char *key, size_t size,
                       const struct rfi_json *where, const char *what, rf_diag *out_diag)
{
    static char mark;
    rf_err err = rfi_map_add_bytes(seen, key, size, &mark);
    if (err == RF_EEXISTS)
        return rfi_json_error(graph->doc, where, false, RF_EFORMAT, out_diag, "%s", what);
    return err == RF_OK ? RF_OK : out_of_memory(out_diag);
}

static rf_err read_initial(rf_graph *graph, const struct rfi_json *json,
                           const struct rfi_json *data, struct rfi_map *seen, rf_diag *out_diag)
{
    struct rfi_graph_initial initial = {.json = json, .data = data};
    const struct rfi_json *to = NULL;
    rf_err err = RF_OK;
    if (graph->form == RF_GRAPH_EXPORT) {
        const struct rfi_json *from = NULL;
        struct rfi_graph_edge ignored;
        err = rfi_graph_member(graph, json, "from", RFI_JSON_OBJECT, &from, out_diag);
        if (err == RF_OK)
            err = read_export_edge(graph, from, &ignored, out_diag);
    }
    if (err == RF_OK)
        err = rfi_graph_member(graph, json, graph->form == RF_GRAPH_EXPORT ? "to" : "tgt",
                               RFI_JSON_OBJECT, &to, out_diag);
    if (err == RF_OK)
        err = rfi_graph_member_optional(graph, json, "metadata", RFI_JSON_OBJECT, &initial.metadata,
                                        out_diag);
    if (err == RF_OK)
        err = read_edge(graph, to, true, &initial.to, out_diag);
    if (err == RF_OK && initial.to.has_index) {
        char *key = NULL;
        int size = asprintf(&key, "%s\n%s\n%lld", initial.to.node, initial.to.port,
                            (long long)initial.to.index);
        if (size < 0)
            return out_of_memory(out_diag);
        err = add_once(graph, seen, key, (size_t)size, to,
                       "this port has an initial packet with the same index already", out_diag);
        free(key);
    }
    if (err == RF_OK)
        graph->initials[graph->initial_count++] = initial;
    return err;
}

static rf_err read_wire(rf_graph *graph, const struct rfi_json *json, struct rfi_map *seen,
                        rf_diag *out_diag)
{
    bool is_export = graph->form == RF_GRAPH_EXPORT;
    struct rfi_graph_connection connection = {.json = json};
    const struct rfi_json *from = NULL;
    const struct rfi_json *to = NULL;
    rf_err err =
        rfi_graph_member(graph, json, is_export ? "from" : "src", RFI_JSON_OBJECT, &from, out_diag);
    if (err == RF_OK)
        err =
            rfi_graph_member(graph, json, is_export ? "to" : "tgt", RFI_JSON_OBJECT, &to, out_diag);
    if (err == RF_OK)
        err = rfi_graph_member_optional(graph, json, "metadata", RFI_JSON_OBJECT,
                                        &connection.metadata, out_diag);
    if (err == RF_OK)
        err = read_edge(graph, from, false, &connection.from, out_diag);
    if (err == RF_OK)
        err = read_edge(graph, to, true, &connection.to, out_diag);
    if (err != RF_OK)
        return err;
    char *key = NULL;
    int size = asprintf(&key, "%s\n%s\n%s\n%s", connection.from.node, connection.from.port,
                        connection.to.node, connection.to.port);
    if (size < 0)
        return out_of_memory(out_diag);
    err = add_once(graph, seen, key, (size_t)size, json, "this connection is there already",
                   out_diag);
    free(key);
    if (err == RF_OK)
        graph->connections[graph->connection_count++] = connection;
    return err;
}

static rf_err read_connection(rf_graph *graph, const struct rfi_json *json, struct rfi_map *seen,
                              rf_diag *out_diag)
{
    if (json->type != RFI_JSON_OBJECT)
        return wrong_type(graph, json, RFI_JSON_OBJECT, out_diag);
    const struct rfi_json *data = rfi_json_get(json, "data");
    if (data != NULL && data->type != RFI_JSON_NULL)
        return read_initial(graph, json, data, seen, out_diag);
    if (data != NULL && graph->form == RF_GRAPH_NOFLO && rfi_json_get(json, "src") == NULL)
        return rfi_json_error(graph->doc, data, false, RF_EFORMAT, out_diag,
                              "an initial packet cannot be null");
    return read_wire(graph, json, seen, out_diag);
}

static rf_err read_connections(rf_graph *graph, rf_diag *out_diag)
{
    const struct rfi_json *list = NULL;
    rf_err err = rfi_graph_member_optional(graph, graph->root, "connections", RFI_JSON_ARRAY, &list,
                                           out_diag);
    if (err != RF_OK || list == NULL)
        return err;
    graph->connections = calloc(list->count + 1, sizeof *graph->connections);
    graph->initials = calloc(list->count + 1, sizeof *graph->initials);
    struct rfi_map *seen = rfi_map_new();
    if (graph->connections == NULL || graph->initials == NULL || seen == NULL)
        err = out_of_memory(out_diag);
    for (const struct rfi_json *item = list->first; err == RF_OK && item != NULL; item = item->next)
        err = read_connection(graph, item, seen, out_diag);
    rfi_map_free(seen);
    return err;
}

static rf_err read_port(rf_graph *graph, const struct rfi_json *json, bool is_target,
                        struct rfi_map *seen, struct rfi_graph_ports *out, rf_diag *out_diag)
{
    if (json->key_size == 0 || strlen(json->key) != json->key_size)
        return rfi_json_error(graph->doc, json, true, RF_EFORMAT, out_diag,
                              "an exported port needs a name without NUL characters");
    struct rfi_graph_port port = {.name = port_name(graph, json->key)};
    if (port.name == NULL)
        return out_of_memory(out_diag);
    rf_err err = add_once(graph, seen, port.name, strlen(port.name), json,
                          "this port is there already in another spelling", out_diag);
    if (err == RF_OK)
        err = read_edge(graph, json, is_target, &port.edge, out_diag);
    if (err == RF_OK)
        out->items[out->count++] = port;
    return err;
}

static rf_err read_ports(rf_graph *graph, const char *key, bool is_target,
                         struct rfi_graph_ports *out, rf_diag *out_diag)
{
    const struct rfi_json *map = NULL;
    rf_err err =
        rfi_graph_member_optional(graph, graph->root, key, RFI_JSON_OBJECT, &map, out_diag);
    if (err != RF_OK || map == NULL)
        return err;
    out->items = calloc(map->count + 1, sizeof *out->items);
    struct rfi_map *seen = rfi_map_new();
    if (out->items == NULL || seen == NULL)
        err = out_of_memory(out_diag);
    for (const struct rfi_json *item = map->first; err == RF_OK && item != NULL; item = item->next)
        err = read_port(graph, item, is_target, seen, out, out_diag);
    rfi_map_free(seen);
    return err;
}

static rf_err read_head(rf_graph *graph, rf_diag *out_diag)
{
    bool is_export = graph->form == RF_GRAPH_EXPORT;
    const struct rfi_json *case_sensitive = NULL;
    const struct rfi_json *properties = NULL;
    const struct rfi_json *name = NULL;
    rf_err err = RF_OK;
    if (is_export) {
        err = rfi_graph_member(graph, graph->root, "caseSensitive", RFI_JSON_BOOL, &case_sensitive,
                               out_diag);
        if (err == RF_OK)
            err = rfi_graph_member(graph, graph->root, "properties", RFI_JSON_OBJECT, &properties,
                                   out_diag);
        if (err == RF_OK)
            err = rfi_graph_member(graph, properties, "name", RFI_JSON_STRING, &name, out_diag);
    } else {
        err = rfi_graph_member_optional(graph, graph->root, "caseSensitive", RFI_JSON_BOOL,
                                        &case_sensitive, out_diag);
        if (err == RF_OK)
            err = rfi_graph_member_optional(graph, graph->root, "properties", RFI_JSON_OBJECT,
                                            &properties, out_diag);
        if (err == RF_OK && properties != NULL)
            err = rfi_graph_member_optional(graph, properties, "name", RFI_JSON_STRING, &name,
                                            out_diag);
    }
    if (err != RF_OK)
        return err;
    graph->is_case_sensitive = case_sensitive == NULL || case_sensitive->boolean;
    graph->name = name != NULL ? name->text : "";
    return RF_OK;
}

rf_err rfi_graph_read(struct rfi_json_doc *doc, bool is_doc_owned, const struct rfi_json *root,
                      const struct rfi_graph_source *source, rf_graph **out_graph,
                      rf_diag *out_diag)
{
    rf_graph *graph = calloc(1, sizeof *graph);
    if (graph == NULL)
        return out_of_memory(out_diag);
    graph->doc = doc;
    graph->root = root;
    graph->node_map = rfi_map_new();
    rf_err err = graph->node_map != NULL ? RF_OK : out_of_memory(out_diag);
    if (err == RF_OK && root->type != RFI_JSON_OBJECT)
        err = rfi_json_error(doc, root, false, RF_EFORMAT, out_diag,
                             "a graph must be an object, not %s", rfi_json_type_name(root->type));
    if (err == RF_OK) {
        graph->form = is_noflo(root) ? RF_GRAPH_NOFLO : RF_GRAPH_EXPORT;
        err = read_head(graph, out_diag);
    }
    if (err == RF_OK)
        err = read_nodes(graph, source, out_diag);
    if (err == RF_OK)
        err = read_connections(graph, out_diag);
    if (err == RF_OK)
        err = read_ports(graph, "inports", true, &graph->inports, out_diag);
    if (err == RF_OK)
        err = read_ports(graph, "outports", false, &graph->outports, out_diag);
    if (err == RF_OK)
        err = rfi_graph_check_sections(graph, out_diag);
    if (err != RF_OK) {
        rf_graph_free(graph); /* leaves the document, which the caller still owns */
        return err;
    }
    graph->is_doc_owned = is_doc_owned;
    *out_graph = graph;
    return RF_OK;
}
