/* SPDX-License-Identifier: MIT */
/* Writing a graph back, in either form.
 *
 * Members that the reader does not know are written back when the graph goes out in the form that it
 * came in; the ones that it knows are written from the model, so that a graph may change its form.
 * Ports keep their types on the way through GraphExport; the NoFlo form has none. A sub-graph stays
 * what it was: the name of a file, or a graph inside the metadata of its node. */
#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/base/file.h"
#include "core/base/json_writer.h"
#include "core/flow/graph_model.h"
#include <stdlib.h>
#include <string.h>

struct output {
    struct rfi_json_writer json;
    const rf_graph *graph;
    rf_graph_form form;
};

static void write_raw(struct output *out, const struct rfi_json *value)
{
    if (value == NULL)
        rfi_jsonw_null(&out->json);
    else
        rfi_jsonw_raw(&out->json, rfi_json_doc_text(out->graph->doc) + value->start,
                      value->end - value->start);
}

static void write_member(struct output *out, const char *key, const struct rfi_json *value)
{
    rfi_jsonw_key(&out->json, key);
    write_raw(out, value);
}

static void write_member_if(struct output *out, const char *key, const struct rfi_json *value)
{
    if (value != NULL)
        write_member(out, key, value);
}

/* The members of `source` that are not in the list, when source and target have one form. */
static void write_others(struct output *out, const struct rfi_json *source,
                         const char *const *known)
{
    if (out->form != out->graph->form)
        return;
    for (const struct rfi_json *item = source->first; item != NULL; item = item->next) {
        const char *const *key = known;
        while (*key != NULL && strcmp(*key, item->key) != 0)
            key++;
        if (*key != NULL && strlen(*key) == item->key_size)
            continue;
        rfi_jsonw_key_bytes(&out->json, item->key, item->key_size);
        write_raw(out, item);
    }
}

static void write_export_edge(struct output *out, const struct rfi_graph_edge *edge, bool expose)
{
    static const char *const known[] = {"nodeId",   "portId", "portName", "expose",
                                        "portType", "index",  NULL};
    bool is_same = out->form == out->graph->form;
    const struct rfi_json *was_exposed = is_same ? rfi_json_get(edge->json, "expose") : NULL;
    rfi_jsonw_begin_object(&out->json);
    rfi_jsonw_kv_string(&out->json, "nodeId", edge->node);
    rfi_jsonw_kv_string(&out->json, "portId", edge->port);
    rfi_jsonw_kv_string(&out->json, "portName", edge->port);
    rfi_jsonw_kv_bool(&out->json, "expose", was_exposed != NULL ? was_exposed->boolean : expose);
    rfi_jsonw_key(&out->json, "portType");
    if (edge->port_type != NULL) {
        write_raw(out, edge->port_type);
    } else {
        rfi_jsonw_begin_object(&out->json);
        rfi_jsonw_kv_string(&out->json, "type", "any");
        rfi_jsonw_end_object(&out->json);
    }
    if (edge->has_index)
        rfi_jsonw_kv_int(&out->json, "index", edge->index);
    write_others(out, edge->json, known);
    rfi_jsonw_end_object(&out->json);
}

static void write_noflo_edge(struct output *out, const struct rfi_graph_edge *edge)
{
    static const char *const known[] = {"process", "port", "index", NULL};
    rfi_jsonw_begin_object(&out->json);
    rfi_jsonw_kv_string(&out->json, "process", edge->node);
    rfi_jsonw_kv_string(&out->json, "port", edge->port);
    if (edge->has_index)
        rfi_jsonw_kv_int(&out->json, "index", edge->index);
    write_others(out, edge->json, known);
    rfi_jsonw_end_object(&out->json);
}

static void write_edge(struct output *out, const char *key, const struct rfi_graph_edge *edge,
                       bool expose)
{
    rfi_jsonw_key_bytes(&out->json, key, strlen(key));
    if (out->form == RF_GRAPH_EXPORT)
        write_export_edge(out, edge, expose);
    else
        write_noflo_edge(out, edge);
}

static void write_processes(struct output *out)
{
    static const char *const known[] = {"id", "component", "metadata", NULL};
    static const char *const known_noflo[] = {"component", "metadata", NULL};
    bool is_export = out->form == RF_GRAPH_EXPORT;
    rfi_jsonw_key(&out->json, "processes");
    rfi_jsonw_begin_object(&out->json);
    for (size_t i = 0; i < out->graph->node_count; i++) {
        const struct rfi_graph_node *node = &out->graph->nodes[i];
        rfi_jsonw_key(&out->json, node->id);
        rfi_jsonw_begin_object(&out->json);
        if (is_export)
            rfi_jsonw_kv_string(&out->json, "id", node->id);
        rfi_jsonw_kv_string(&out->json, "component", node->component);
        if (is_export || node->metadata != NULL)
            write_member(out, "metadata", node->metadata);
        write_others(out, node->json, is_export ? known : known_noflo);
        rfi_jsonw_end_object(&out->json);
    }
    rfi_jsonw_end_object(&out->json);
}

static void write_connections(struct output *out)
{
    static const char *const known[] = {"from", "to", "metadata", "data", NULL};
    static const char *const known_noflo[] = {"src", "tgt", "metadata", NULL};
    bool is_export = out->form == RF_GRAPH_EXPORT;
    for (size_t i = 0; i < out->graph->connection_count; i++) {
        const struct rfi_graph_connection *connection = &out->graph->connections[i];
        rfi_jsonw_begin_object(&out->json);
        write_edge(out, is_export ? "from" : "src", &connection->from, false);
        write_edge(out, is_export ? "to" : "tgt", &connection->to, false);
        if (is_export || connection->metadata != NULL)
            write_member(out, "metadata", connection->metadata);
        write_others(out, connection->json, is_export ? known : known_noflo);
        rfi_jsonw_end_object(&out->json);
    }
}

/* A packet has no source; the Rust reader wants a full edge all the same. */
static void write_empty_edge(struct output *out)
{
    static const char edge[] =
        "{\"nodeId\":\"\",\"portId\":\"\",\"portName\":\"\",\"expose\":false,"
        "\"portType\":{\"type\":\"any\"}}";
    rfi_jsonw_key(&out->json, "from");
    rfi_jsonw_raw(&out->json, edge, sizeof edge - 1);
}

static void write_initials(struct output *out)
{
    static const char *const known[] = {"from", "to", "metadata", "data", NULL};
    static const char *const known_noflo[] = {"data", "tgt", "metadata", NULL};
    bool is_export = out->form == RF_GRAPH_EXPORT;
    for (size_t i = 0; i < out->graph->initial_count; i++) {
        const struct rfi_graph_initial *initial = &out->graph->initials[i];
        rfi_jsonw_begin_object(&out->json);
        if (is_export)
            write_empty_edge(out);
        write_edge(out, is_export ? "to" : "tgt", &initial->to, false);
        if (is_export || initial->metadata != NULL)
            write_member(out, "metadata", initial->metadata);
        write_member(out, "data", initial->data);
        write_others(out, initial->json, is_export ? known : known_noflo);
        rfi_jsonw_end_object(&out->json);
    }
}

static void write_ports(struct output *out, const char *key, const struct rfi_graph_ports *ports)
{
    rfi_jsonw_key(&out->json, key);
    rfi_jsonw_begin_object(&out->json);
    for (size_t i = 0; i < ports->count; i++)
        write_edge(out, ports->items[i].name, &ports->items[i].edge, true);
    rfi_jsonw_end_object(&out->json);
}

static void write_groups(struct output *out)
{
    static const char *const known[] = {"id", "name", "nodes", "metadata", NULL};
    const struct rfi_json *groups = rfi_json_get(out->graph->root, "groups");
    const char *from = out->graph->form == RF_GRAPH_EXPORT ? "id" : "name";
    const char *to = out->form == RF_GRAPH_EXPORT ? "id" : "name";
    rfi_jsonw_key(&out->json, "groups");
    rfi_jsonw_begin_array(&out->json);
    const struct rfi_json *item = groups != NULL ? groups->first : NULL;
    for (; item != NULL; item = item->next) {
        rfi_jsonw_begin_object(&out->json);
        write_member(out, to, rfi_json_get(item, from));
        write_member(out, "nodes", rfi_json_get(item, "nodes"));
        write_member_if(out, "metadata", rfi_json_get(item, "metadata"));
        write_others(out, item, known);
        rfi_jsonw_end_object(&out->json);
    }
    rfi_jsonw_end_array(&out->json);
}

static void write_properties(struct output *out)
{
    const struct rfi_json *properties = rfi_json_get(out->graph->root, "properties");
    bool is_whole = properties != NULL && properties->type == RFI_JSON_OBJECT;
    bool has_name = rfi_json_get(properties, "name") != NULL &&
                    rfi_json_get(properties, "name")->type == RFI_JSON_STRING;
    rfi_jsonw_key(&out->json, "properties");
    if (is_whole && (has_name || out->form == RF_GRAPH_NOFLO)) {
        write_raw(out, properties);
        return;
    }
    rfi_jsonw_begin_object(&out->json);
    if (out->form == RF_GRAPH_EXPORT)
        rfi_jsonw_kv_string(&out->json, "name", out->graph->name);
    const struct rfi_json *item = is_whole ? properties->first : NULL;
    for (; item != NULL; item = item->next) {
        if (strcmp(item->key, "name") == 0)
            continue;
        rfi_jsonw_key_bytes(&out->json, item->key, item->key_size);
        write_raw(out, item);
    }
    rfi_jsonw_end_object(&out->json);
}

static void write_graph(struct output *out)
{
    static const char *const kept[] = {"graphDependencies", "externalConnections",
                                       "providedInterfaces", "requiredInterfaces", NULL};
    static const char *const known[] = {"caseSensitive",
                                        "properties",
                                        "processes",
                                        "connections",
                                        "inports",
                                        "outports",
                                        "groups",
                                        "graphDependencies",
                                        "externalConnections",
                                        "providedInterfaces",
                                        "requiredInterfaces",
                                        NULL};
    rfi_jsonw_begin_object(&out->json);
    rfi_jsonw_kv_bool(&out->json, "caseSensitive", out->graph->is_case_sensitive);
    write_properties(out);
    write_processes(out);
    rfi_jsonw_key(&out->json, "connections");
    rfi_jsonw_begin_array(&out->json);
    write_connections(out);
    write_initials(out);
    rfi_jsonw_end_array(&out->json);
    write_ports(out, "inports", &out->graph->inports);
    write_ports(out, "outports", &out->graph->outports);
    write_groups(out);
    for (const char *const *key = kept; *key != NULL; key++) {
        const struct rfi_json *section = rfi_json_get(out->graph->root, *key);
        if (section != NULL && section->type != RFI_JSON_NULL)
            write_member(out, *key, section);
    }
    write_others(out, out->graph->root, known);
    rfi_jsonw_end_object(&out->json);
}

rf_err rf_graph_to_json(const rf_graph *graph, rf_graph_form form, char **out_json)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    struct output out = {.graph = graph, .form = form};
    rfi_jsonw_init(&out.json, &buf);
    write_graph(&out);
    char *json = rfi_buf_take_text(&buf, NULL);
    rfi_buf_fini(&buf);
    if (json == NULL)
        return RF_ENOMEM;
    *out_json = json;
    return RF_OK;
}

rf_err rf_graph_save(const rf_graph *graph, rf_graph_form form, const char *path, rf_diag *out_diag)
{
    char *json = NULL;
    rf_err err = rf_graph_to_json(graph, form, &json);
    if (err != RF_OK)
        return rfi_diag_set(out_diag, err, "%s", rf_err_text(err));
    struct rfi_new_file file = {-1, NULL, NULL};
    err = rfi_new_file_open(&file, path, out_diag);
    if (err == RF_OK) {
        err = rfi_new_file_write(&file, json, strlen(json), out_diag);
        if (err == RF_OK)
            err = rfi_new_file_write(&file, "\n", 1, out_diag);
        if (err == RF_OK)
            err = rfi_new_file_commit(&file, out_diag);
        else
            rfi_new_file_discard(&file);
    }
    free(json);
    return err;
}
