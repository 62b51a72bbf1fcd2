/* SPDX-License-Identifier: MIT */
/** @file graph.h  Graphs as files: the Rust GraphExport JSON, and the short NoFlo form. */
#ifndef REFLOW_GRAPH_H
#define REFLOW_GRAPH_H

#include <reflow/network.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A graph in memory: nodes, connections, initial packets, exported ports, groups. */
typedef struct rf_graph rf_graph;

/** Read a graph; the form (GraphExport or NoFlo) is recognised by its members. Shape mistakes
 *  (types, missing fields, connections to nodes that do not exist, ports twice) are errors here.
 *  Sub-graphs named by file are read relative to the folder of `path`.
 *
 *  Thread:  any.            Blocks: on the file system.
 *  Owns:    borrows the texts; returns owned in `out_graph`.
 *  Errors:  RF_ESYS (cannot be read), RF_EFORMAT, RF_ELIMIT, RF_ENOMEM; `out_diag` says where.
 */
RF_API RF_NODISCARD rf_err rf_graph_load(const char *path, rf_graph **out_graph, rf_diag *out_diag);

/** Read a graph from memory; `name` stands for the file in messages.
 *
 *  Thread:  any.            Blocks: never (sub-graph files: on the file system).
 *  Owns:    borrows the texts; returns owned in `out_graph`.
 *  Errors:  as rf_graph_load.
 */
RF_API RF_NODISCARD rf_err rf_graph_parse(const char *json, size_t size, const char *name,
                                          rf_graph **out_graph, rf_diag *out_diag);

/** Free a graph. NULL is allowed.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes `graph`.
 *  Errors:  none.
 */
RF_API void rf_graph_free(rf_graph *graph);

/** The graph's properties.name, or "".
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns borrowed until the graph goes.
 *  Errors:  none.
 */
RF_API const char *rf_graph_name(const rf_graph *graph);

/** Check components and ports against those that `net` knows. Calls `on_finding` for every mistake
 *  (is_error) and every remark (a cycle, an orphan, port types that do not match).
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all; the diag is borrowed for the call.
 *  Errors:  RF_EFORMAT: at least one mistake was reported.
 */
RF_API RF_NODISCARD rf_err rf_graph_validate(const rf_graph *graph, rf_network *net,
                                             void (*on_finding)(void *user, bool is_error,
                                                                const rf_diag *diag),
                                             void *user);

/** Add the graph's nodes, connectors and initial packets to `net`; all or nothing. Every id gets
 *  `prefix` in front (NULL: none). A node whose component is a sub-graph becomes its nodes, named
 *  `node/inner`, wired through the sub-graph's exported ports. No actor of the graph runs before all
 *  of its connectors stand.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all.
 *  Errors:  those of rf_network_add_node and rf_network_add_connection; `out_diag` says where.
 */
RF_API RF_NODISCARD rf_err rf_graph_apply(const rf_graph *graph, rf_network *net,
                                          const char *prefix, rf_diag *out_diag);

typedef enum rf_graph_form { RF_GRAPH_EXPORT, RF_GRAPH_NOFLO } rf_graph_form;

/** Write a graph as JSON text that rf_graph_parse reads back to the same graph.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns owned, terminated text in `out_json`; free it with free().
 *  Errors:  RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_graph_to_json(const rf_graph *graph, rf_graph_form form,
                                            char **out_json);

/** Write a graph to a file: to a new file beside it first, then renamed over it.
 *
 *  Thread:  any.            Blocks: on the file system.
 *  Owns:    borrows all.
 *  Errors:  RF_ESYS, RF_ENOMEM; `out_diag` says why.
 */
RF_API RF_NODISCARD rf_err rf_graph_save(const rf_graph *graph, rf_graph_form form,
                                         const char *path, rf_diag *out_diag);

#ifdef __cplusplus
}
#endif
#endif
