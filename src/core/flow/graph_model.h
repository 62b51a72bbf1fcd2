/* SPDX-License-Identifier: MIT */
/* A graph in memory, shared by the files graph_*.c.
 *
 * The parsed text stays with the graph: the model points into it for names, places and everything
 * that is only kept to be written back (metadata, properties, interfaces). A graph never changes once
 * it is loaded, so any number of threads may read it. Sub-graphs are loaded with their parent; one
 * that is written inside its parent's text shares the parent's document. */
#ifndef RFI_GRAPH_MODEL_H
#define RFI_GRAPH_MODEL_H

#include "core/base/json_doc.h"
#include "core/base/map.h"
#include <reflow/graph.h>
#include <sys/types.h>

enum {
    RFI_GRAPH_DEPTH_MAX = 16,       /* sub-graphs within sub-graphs */
    RFI_GRAPH_SUBGRAPHS_MAX = 4096, /* loaded for one graph, counting repetitions */
    RFI_GRAPH_FILE_BYTES_MAX = 64 << 20,
    RFI_GRAPH_JSON_NODES_MAX = 4 << 20,
    RFI_GRAPH_JSON_DEPTH_MAX = 128
};

/* One end of a connection, or what an exported port stands for. */
struct rfi_graph_edge {
    const char *node, *port;
    const struct rfi_json *json; /* the object in the text */
    const struct rfi_json *node_json, *port_json;
    const struct rfi_json *port_type; /* NULL: any */
    bool has_index;
    int64_t index;
};

struct rfi_graph_node {
    const char *id, *component;
    const struct rfi_json *json, *component_json;
    const struct rfi_json *metadata; /* an object, or NULL */
    rf_graph *subgraph;              /* NULL: an actor */
};

struct rfi_graph_connection {
    struct rfi_graph_edge from, to;
    const struct rfi_json *json, *metadata;
};

struct rfi_graph_initial {
    struct rfi_graph_edge to;
    const struct rfi_json *json, *metadata, *data;
};

struct rfi_graph_port {
    const char *name;
    struct rfi_graph_edge edge;
};

struct rfi_graph_ports {
    struct rfi_graph_port *items;
    size_t count;
};

struct rf_graph {
    struct rfi_json_doc *doc;
    bool is_doc_owned; /* false: the parent's */
    const struct rfi_json *root;
    rf_graph_form form;
    const char *name;
    bool is_case_sensitive;
    struct rfi_graph_node *nodes;
    size_t node_count;
    struct rfi_map *node_map; /* id to struct rfi_graph_node */
    struct rfi_graph_connection *connections;
    size_t connection_count;
    struct rfi_graph_initial *initials;
    size_t initial_count;
    struct rfi_graph_ports inports, outports;
    char **texts; /* names that are not in the document: lower-cased ports */
    size_t text_count, text_capacity;
};

/* Where a graph is being loaded: from the outermost graph inwards. Lives on the stack of the load. */
struct rfi_graph_source {
    const struct rfi_graph_source *parent; /* NULL: the outermost */
    const char *folder;                    /* of the file, with its slash; "" is the current one */
    bool is_file;
    dev_t device; /* identity of the file, to find one that holds itself */
    ino_t inode;
    unsigned depth;
    unsigned *subgraph_count; /* of the whole load */
};

/* graph_read.c: the graph that `root` of `doc` describes. Takes the document on RF_OK when
 * is_doc_owned. */
RF_NODISCARD rf_err rfi_graph_read(struct rfi_json_doc *doc, bool is_doc_owned,
                                   const struct rfi_json *root,
                                   const struct rfi_graph_source *source, rf_graph **out_graph,
                                   rf_diag *out_diag);
/* Read a file within the load that `parent` stands for (NULL: the outermost graph). */
RF_NODISCARD rf_err rfi_graph_read_file(const char *path, const struct rfi_graph_source *parent,
                                        rf_graph **out_graph, rf_diag *out_diag);

/* graph_sections.c: members that are checked and kept, but mean nothing to the local network. */
RF_NODISCARD rf_err rfi_graph_check_sections(const rf_graph *graph, rf_diag *out_diag);
RF_NODISCARD rf_err rfi_graph_check_port_type(const rf_graph *graph, const struct rfi_json *type,
                                              rf_diag *out_diag);

/* A member that must be there and have the type; reports what is wrong. */
RF_NODISCARD rf_err rfi_graph_member(const rf_graph *graph, const struct rfi_json *object,
                                     const char *key, enum rfi_json_type type,
                                     const struct rfi_json **out, rf_diag *out_diag);
/* A member that may be missing or null; `*out` is NULL then. */
RF_NODISCARD rf_err rfi_graph_member_optional(const rf_graph *graph, const struct rfi_json *object,
                                              const char *key, enum rfi_json_type type,
                                              const struct rfi_json **out, rf_diag *out_diag);
/* Report that there is no such node, with the nearest name. */
rf_err rfi_graph_no_node(const rf_graph *graph, const struct rfi_json *where, const char *id,
                         rf_diag *out_diag);

const struct rfi_graph_node *rfi_graph_find_node(const rf_graph *graph, const char *id);
const struct rfi_graph_port *rfi_graph_find_port(const struct rfi_graph_ports *ports,
                                                 const char *name);

/* graph_flat.c: a graph with its sub-graphs dissolved. Borrows the graph. */
struct rfi_flat_node {
    char *id; /* with prefix: "outer/inner" */
    const rf_graph *graph;
    const struct rfi_graph_node *node;
};

struct rfi_flat_end {
    size_t node; /* number of a flat node */
    const char *port;
    const struct rfi_json *type; /* as the innermost edge says; NULL: any */
    /* where the port is named: the innermost edge, and the graph that it stands in */
    const rf_graph *graph;
    const struct rfi_json *port_json;
};

struct rfi_flat_connection {
    struct rfi_flat_end from, to;
    const rf_graph *graph;
    const struct rfi_graph_connection *connection;
};

struct rfi_flat_initial {
    struct rfi_flat_end to;
    const rf_graph *graph;
    const struct rfi_graph_initial *initial;
};

struct rfi_flat_graph {
    struct rfi_flat_node *nodes;
    size_t node_count;
    struct rfi_map *node_map; /* id to struct rfi_flat_node */
    struct rfi_flat_connection *connections;
    size_t connection_count, connection_capacity;
    struct rfi_flat_initial *initials;
    size_t initial_count, initial_capacity;
};

RF_NODISCARD rf_err rfi_graph_flatten(const rf_graph *graph, const char *prefix,
                                      struct rfi_flat_graph *out, rf_diag *out_diag);
void rfi_flat_graph_fini(struct rfi_flat_graph *flat);

#endif
