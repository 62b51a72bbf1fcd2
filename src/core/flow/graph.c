/* SPDX-License-Identifier: MIT */
/* Graphs: loading, freeing and finding things in them.
 *
 * This file holds the ends of a graph's life; reading it from JSON is in graph_read.c and
 * graph_sections.c, dissolving sub-graphs in graph_flat.c, checking it against a network in
 * graph_validate.c, bringing it into one in graph_apply.c, and writing it back in graph_write.c. A
 * graph is made in one go and constant afterwards. */
#include "core/base/diag.h"
#include "core/base/file.h"
#include "core/base/suggest.h"
#include "core/flow/graph_model.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The folder of a path with its slash; "" when it has none. free() it; NULL: out of memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strndup(path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
}

static rf_err parse_text(const char *json, size_t size, const char *name,
                         const struct rfi_graph_source *source, rf_graph **out_graph,
                         rf_diag *out_diag)
{
    static const struct rfi_json_limits limits = {RFI_GRAPH_JSON_DEPTH_MAX,
                                                  RFI_GRAPH_JSON_NODES_MAX};
    struct rfi_json_doc *doc = NULL;
    rf_err err = rfi_json_doc_parse(json, size, RFI_JSON_STRICT, &limits, name, &doc, out_diag);
    if (err != RF_OK)
        return err;
    err = rfi_graph_read(doc, true, rfi_json_root(doc), source, out_graph, out_diag);
    if (err != RF_OK)
        rfi_json_doc_free(doc);
    return err;
}

rf_err rf_graph_parse(const char *json, size_t size, const char *name, rf_graph **out_graph,
                      rf_diag *out_diag)
{
    if (size > RFI_GRAPH_FILE_BYTES_MAX)
        return rfi_diag_at(out_diag, RF_ELIMIT, name != NULL ? name : "", 0, 0,
                           "the graph is larger than %d bytes", RFI_GRAPH_FILE_BYTES_MAX);
    char *folder = folder_of(name != NULL ? name : "");
    if (folder == NULL)
        return rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
    unsigned subgraph_count = 0;
    struct rfi_graph_source source = {.folder = folder, .subgraph_count = &subgraph_count};
    rf_err err = parse_text(json, size, name, &source, out_graph, out_diag);
    free(folder);
    return err;
}

rf_err rf_graph_load(const char *path, rf_graph **out_graph, rf_diag *out_diag)
{
    return rfi_graph_read_file(path, NULL, out_graph, out_diag);
}

rf_err rfi_graph_read_file(const char *path, const struct rfi_graph_source *parent,
                           rf_graph **out_graph, rf_diag *out_diag)
{
    unsigned own_count = 0;
    struct rfi_graph_source source = {.parent = parent,
                                      .is_file = true,
                                      .depth = parent != NULL ? parent->depth + 1 : 0,
                                      .subgraph_count =
                                          parent != NULL ? parent->subgraph_count : &own_count};
    struct stat status;
    if (stat(path, &status) == 0) {
        source.device = status.st_dev;
        source.inode = status.st_ino;
        for (const struct rfi_graph_source *up = parent; up != NULL; up = up->parent)
            if (up->is_file && up->device == source.device && up->inode == source.inode)
                return rfi_diag_set(out_diag, RF_EFORMAT, "the graph \"%s\" holds itself", path);
    }
    char *folder = folder_of(path);
    if (folder == NULL)
        return rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
    source.folder = folder;
    char *text = NULL;
    size_t size = 0;
    rf_err err = rfi_file_read(path, RFI_GRAPH_FILE_BYTES_MAX, &text, &size, out_diag);
    if (err == RF_OK)
        err = parse_text(text, size, path, &source, out_graph, out_diag);
    free(text);
    free(folder);
    return err;
}

void rf_graph_free(rf_graph *graph)
{
    if (graph == NULL)
        return;
    /* At most RFI_GRAPH_DEPTH_MAX calls deep: the reader saw to it. */
    for (size_t i = 0; i < graph->node_count; i++)
        rf_graph_free(graph->nodes[i].subgraph);
    for (size_t i = 0; i < graph->text_count; i++)
        free(graph->texts[i]);
    free(graph->texts);
    free(graph->nodes);
    free(graph->connections);
    free(graph->initials);
    free(graph->inports.items);
    free(graph->outports.items);
    rfi_map_free(graph->node_map);
    if (graph->is_doc_owned)
        rfi_json_doc_free(graph->doc);
    free(graph);
}

const char *rf_graph_name(const rf_graph *graph)
{
    return graph->name;
}

const struct rfi_graph_node *rfi_graph_find_node(const rf_graph *graph, const char *id)
{
    return rfi_map_get(graph->node_map, id);
}

const struct rfi_graph_port *rfi_graph_find_port(const struct rfi_graph_ports *ports,
                                                 const char *name)
{
    for (size_t i = 0; i < ports->count; i++)
        if (strcmp(ports->items[i].name, name) == 0)
            return &ports->items[i];
    return NULL;
}

rf_err rfi_graph_no_node(const rf_graph *graph, const struct rfi_json *where, const char *id,
                         rf_diag *out_diag)
{
    struct rfi_suggest suggest;
    char hint[160];
    rfi_suggest_init(&suggest, id);
    for (size_t i = 0; i < graph->node_count; i++)
        rfi_suggest_offer(&suggest, graph->nodes[i].id);
    rfi_suggest_text(&suggest, hint, sizeof hint);
    return rfi_json_error(graph->doc, where, false, RF_EFORMAT, out_diag,
                          "there is no node \"%s\"%s", id, hint);
}
