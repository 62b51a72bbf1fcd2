/* SPDX-License-Identifier: MIT */
/* Any bytes as a graph: reading must end in a graph or a diagnosis with a place, and a graph that was
 * read must be written, in both forms, as one that can be read again. Sub-graph files are not looked
 * for: the name has a folder that does not exist. */
#include "core/flow/graph_model.h"
#include <reflow/graph.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const rf_graph *graph, rf_graph_form form)
{
    char *json = NULL;
    if (rf_graph_to_json(graph, form, &json) != RF_OK)
        abort();
    rf_graph *again = NULL;
    rf_diag diag = {0};
    if (rf_graph_parse(json, strlen(json), "/nonexistent/g", &again, &diag) != RF_OK)
        abort();
    if (again->node_count != graph->node_count ||
        again->connection_count != graph->connection_count ||
        again->initial_count != graph->initial_count)
        abort();
    rf_graph_free(again);
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    rf_err err = rf_graph_parse((const char *)data, size, "/nonexistent/g", &graph, &diag);
    if (err != RF_OK) {
        if (diag.text[0] == '\0')
            abort();
        return 0;
    }
    struct rfi_flat_graph flat;
    if (rfi_graph_flatten(graph, "p/", &flat, &diag) == RF_OK)
        rfi_flat_graph_fini(&flat);
    check_written(graph, RF_GRAPH_EXPORT);
    check_written(graph, RF_GRAPH_NOFLO);
    rf_graph_free(graph);
    return 0;
}
