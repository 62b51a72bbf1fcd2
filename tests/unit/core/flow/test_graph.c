/* SPDX-License-Identifier: MIT */
/* Reading and writing graphs: both forms, sub-graphs, and every mistake at its place. Programs run
 * from the top of the source tree, or find it in REFLOW_SOURCE_DIR. */
#include "core/flow/graph_model.h"
#include "support/rf_test.h"
#include <reflow/graph.h>
#include <sys/stat.h>
#include <unistd.h>

static char *vector(const char *name)
{
    const char *top = getenv("REFLOW_SOURCE_DIR");
    char *path = NULL;
    cr_assert_geq(asprintf(&path, "%s/tests/vectors/%s", top != NULL ? top : ".", name), 0);
    return path;
}

static rf_graph *load(const char *name)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    char *path = vector(name);
    rf_err err = rf_graph_load(path, &graph, &diag);
    if (err != RF_OK)
        fprintf(stderr, "%s:%u:%u: %s\n", diag.file, diag.line, diag.column, diag.text);
    cr_assert_eq(err, RF_OK, "%s: %s", name, diag.text);
    free(path);
    return graph;
}

static rf_graph *parse(const char *json)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    rf_err err = rf_graph_parse(json, strlen(json), "g", &graph, &diag);
    if (err != RF_OK)
        fprintf(stderr, "%s:%u:%u: %s\n%s\n", diag.file, diag.line, diag.column, diag.text, json);
    cr_assert_eq(err, RF_OK, "%s", diag.text);
    return graph;
}

/* The graph must be refused with this diagnosis. */
static void refuse(const char *json, rf_err expected_err, const char *expected)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    char text[1024];

    rf_err err = rf_graph_parse(json, strlen(json), "g", &graph, &diag);

    rf_diag_format(&diag, text, sizeof text);
    if (err != expected_err || strcmp(text, expected) != 0)
        fprintf(stderr, "%s\n  expected: %s\n  got:      %s (%s)\n", json, expected, text,
                rf_err_name(err));
    cr_assert_eq(err, expected_err);
    cr_assert_str_eq(text, expected);
    cr_assert_null(graph);
}

Test(graph, reads_the_example_of_the_rust_reflow)
{
    rf_graph *graph = load("example.graph.json");

    cr_assert_str_eq(rf_graph_name(graph), "order_flow");
    cr_assert_eq(graph->form, RF_GRAPH_EXPORT);
    cr_assert_eq(graph->node_count, 2);
    cr_assert_eq(graph->connection_count, 1);
    cr_assert_eq(graph->initial_count, 1);
    cr_assert_str_eq(graph->connections[0].to.node, "route");
    cr_assert_str_eq(graph->connections[0].to.port, "data");
    cr_assert_str_eq(graph->initials[0].to.port, "input");
    cr_assert_eq(graph->inports.count, 1);
    cr_assert_eq(graph->outports.count, 1);
    rf_graph_free(graph);
}

Test(graph, reads_subgraphs_from_files_and_from_within)
{
    rf_graph *graph = load("graphs/outer.graph.json");

    const struct rfi_graph_node *clean = rfi_graph_find_node(graph, "clean");
    const struct rfi_graph_node *boxed = rfi_graph_find_node(graph, "boxed");
    cr_assert_not_null(clean->subgraph);
    cr_assert_str_eq(rf_graph_name(clean->subgraph), "inner");
    cr_assert_eq(clean->subgraph->node_count, 2);
    cr_assert_not_null(boxed->subgraph);
    cr_assert_eq(boxed->subgraph->node_count, 1);
    cr_assert_str_eq(graph->connections[2].to.port, "input"); /* portId is empty: portName */
    rf_graph_free(graph);
}

Test(graph, dissolves_subgraphs)
{
    rf_graph *graph = load("graphs/outer.graph.json");
    struct rfi_flat_graph flat;

    cr_assert_eq(rfi_graph_flatten(graph, "pre.", &flat, NULL), RF_OK);

    static const char *const ids[] = {"pre.first", "pre.clean/trim", "pre.clean/check",
                                      "pre.boxed/deep", "pre.last"};
    cr_assert_eq(flat.node_count, 5);
    for (size_t i = 0; i < 5; i++)
        cr_assert_str_eq(flat.nodes[i].id, ids[i]);
    cr_assert_eq(flat.connection_count, 4);
    static const size_t ends[4][2] = {{1, 2}, {0, 1}, {2, 3}, {3, 4}};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(flat.connections[i].from.node, ends[i][0]);
        cr_assert_eq(flat.connections[i].to.node, ends[i][1]);
    }
    cr_assert_str_eq(flat.connections[1].to.port, "input");
    cr_assert_eq(flat.initial_count, 1);
    cr_assert_eq(flat.initials[0].to.node, 1);
    rfi_flat_graph_fini(&flat);
    rf_graph_free(graph);
}

/* Written and read again, a graph is written the same. */
static void check_round_trip(const rf_graph *graph, rf_graph_form form)
{
    char *first = NULL;
    char *second = NULL;
    rf_graph *again = NULL;
    rf_diag diag = {0};
    cr_assert_eq(rf_graph_to_json(graph, form, &first), RF_OK);
    char *name = vector("graphs/written.json"); /* for the sub-graphs beside it */
    rf_err err = rf_graph_parse(first, strlen(first), name, &again, &diag);
    free(name);
    if (err != RF_OK)
        fprintf(stderr, "%s:%u:%u: %s\n%s\n", diag.file, diag.line, diag.column, diag.text, first);
    cr_assert_eq(err, RF_OK, "%s", diag.text);
    cr_assert_eq(again->form, form);
    cr_assert_eq(again->node_count, graph->node_count);
    cr_assert_eq(again->connection_count, graph->connection_count);
    cr_assert_eq(again->initial_count, graph->initial_count);
    cr_assert_str_eq(again->name, graph->name);
    cr_assert_eq(rf_graph_to_json(again, form, &second), RF_OK);
    cr_assert_str_eq(first, second);
    free(first);
    free(second);
    rf_graph_free(again);
}

Test(graph, survives_being_written_in_both_forms)
{
    static const char *const names[] = {"example.graph.json", "graphs/outer.graph.json",
                                        "graphs/parts/inner.noflo.json"};
    for (size_t i = 0; i < 3; i++) {
        rf_graph *graph = load(names[i]);
        check_round_trip(graph, RF_GRAPH_EXPORT);
        check_round_trip(graph, RF_GRAPH_NOFLO);
        rf_graph_free(graph);
    }
    static const char *const texts[] = {"{}", "{\"properties\":{\"name\":\"n\"}}",
                                        "{\"caseSensitive\":true,\"properties\":{\"name\":\"\"}}"};
    for (size_t i = 0; i < 3; i++) {
        rf_graph *graph = parse(texts[i]);
        char *json = NULL;
        cr_assert_eq(rf_graph_to_json(graph, graph->form, &json), RF_OK);
        rf_graph *again = parse(json);
        cr_assert_str_eq(again->name, graph->name);
        rf_graph_free(again);
        free(json);
        rf_graph_free(graph);
    }
}

Test(graph, keeps_what_it_does_not_know)
{
    rf_graph *graph = load("graphs/outer.graph.json");
    char *json = NULL;

    cr_assert_eq(rf_graph_to_json(graph, RF_GRAPH_EXPORT, &json), RF_OK);

    static const char *const parts[] = {"\"x-editor\":{ \"zoom\": 1.50 }",
                                        "\"x-color\":\"red\"",
                                        "\"author\": \"kept\"",
                                        "\"requiredInterfaces\":",
                                        "\"providedInterfaces\":",
                                        "\"externalConnections\":",
                                        "\"graphDependencies\":",
                                        "{ \"type\": \"Integer\", \"data\": 5 }",
                                        "\"label\": \"both ends\"",
                                        "\"route\": 5",
                                        "\"index\":3"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        cr_assert_not_null(strstr(json, parts[i]), "%s not in %s", parts[i], json);
    free(json);
    rf_graph_free(graph);
}

Test(graph, port_names_are_lower_cased_when_cases_do_not_count)
{
    rf_graph *graph =
        parse("{\"caseSensitive\":false,\"processes\":{\"A\":{\"component\":\"c\"}},"
              "\"connections\":[{\"data\":1,\"tgt\":{\"process\":\"A\",\"port\":\"IN Put\"}}],"
              "\"inports\":{\"Go\":{\"process\":\"A\",\"port\":\"X\"}}}");

    cr_assert_str_eq(graph->initials[0].to.port, "in put");
    cr_assert_str_eq(graph->initials[0].to.node, "A");
    cr_assert_str_eq(graph->inports.items[0].name, "go");
    cr_assert_str_eq(graph->inports.items[0].edge.port, "x");
    rf_graph_free(graph);
}

#define EDGE(node, port)                                                                           \
    "{\"nodeId\":\"" node "\",\"portId\":\"" port "\",\"portName\":\"" port                        \
    "\",\"expose\":false,\"portType\":{\"type\":\"any\"}}"
#define HEAD "{\"caseSensitive\":true,\"properties\":{\"name\":\"n\"},\n"
#define NODES                                                                                      \
    "\"processes\":{\"reader\":{\"id\":\"reader\",\"component\":\"c\",\"metadata\":null},\n"       \
    "\"writer\":{\"id\":\"writer\",\"component\":\"c\"}},\n"

Test(graph, refuses_text_that_is_no_json)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};

    cr_assert_eq(rf_graph_parse("{\n  \"a\" 1}", 10, "file.json", &graph, &diag), RF_EFORMAT);
    cr_assert_str_eq(diag.file, "file.json");
    cr_assert_eq(diag.line, 2);
    cr_assert_eq(rf_graph_parse("", 0, NULL, &graph, &diag), RF_EFORMAT);
    cr_assert_eq(rf_graph_parse("[]", 2, NULL, &graph, NULL), RF_EFORMAT);
    refuse("[]", RF_EFORMAT, "g:1:1: a graph must be an object, not an array");
}

Test(graph, refuses_missing_and_mistyped_fields)
{
    refuse("{\"properties\":{\"name\":\"n\"},\"connections\":[{\"from\":1}]}", RF_EFORMAT,
           "g:1:1: the field \"caseSensitive\" is missing");
    refuse("{\"caseSensitive\":1,\"connections\":[{\"from\":1}]}", RF_EFORMAT,
           "g:1:18: \"caseSensitive\" must be a boolean, not a number");
    refuse("{\"caseSensitive\":true,\"processes\":{\"a\":{\"id\":\"a\"}}}", RF_EFORMAT,
           "g:1:1: the field \"properties\" is missing");
    refuse(HEAD "\"processes\":{\"a\":{\"id\":\"a\",\"compnent\":\"c\"}}}", RF_EFORMAT,
           "g:2:18: the field \"component\" is missing (did you mean \"compnent\"?)");
    refuse(HEAD "\"processes\":{\"a\":{\"id\":\"b\",\"component\":\"c\"}}}", RF_EFORMAT,
           "g:2:24: the id \"b\" is not the key \"a\" that it stands under");
    refuse(HEAD "\"processes\":{\"a\":{\"id\":\"a\",\"component\":\"c\",\"metadata\":[]}}}",
           RF_EFORMAT, "g:2:55: \"metadata\" must be an object, not an array");
    refuse(HEAD "\"processes\":{\".a\":{\"id\":\".a\",\"component\":\"c\"}}}", RF_EFORMAT,
           "g:2:14: \".a\" is no name for a node: 1 to 128 of A-Z a-z 0-9 . _ : / -, and no dot "
           "in front");
    refuse(HEAD NODES "\"connections\":[{\"from\":" EDGE("reader", "o") "}]}", RF_EFORMAT,
           "g:4:16: the field \"to\" is missing");
    refuse(HEAD NODES
           "\"connections\":[{\"from\":{\"nodeId\":\"reader\"},\"to\":" EDGE("writer", "i") "}]}",
           RF_EFORMAT, "g:4:24: the field \"portId\" is missing");
    refuse(HEAD NODES "\"connections\":[5]}", RF_EFORMAT,
           "g:4:16: this must be an object, not a number");
}

Test(graph, refuses_names_that_lead_nowhere)
{
    refuse(HEAD NODES
           "\"connections\":[{\"from\":" EDGE("raeder", "o") ",\n\"to\":" EDGE("writer", "i") "}]}",
           RF_EFORMAT, "g:4:34: there is no node \"raeder\" (did you mean \"reader\"?)");
    refuse(HEAD NODES "\"outports\":{\"x\":" EDGE("zzzzzzzzz", "o") "}}", RF_EFORMAT,
           "g:4:27: there is no node \"zzzzzzzzz\"");
    refuse(HEAD NODES "\"groups\":[{\"id\":\"g\",\"nodes\":[\"reader\",\"writr\"]}]}", RF_EFORMAT,
           "g:4:39: there is no node \"writr\" (did you mean \"writer\"?)");
    refuse(
        "{\"processes\":{\"s\":{\"component\":\"graph\",\"metadata\":{\"graph\":{\"processes\":"
        "{\"a\":{\"component\":\"c\"}},\"inports\":{\"input\":{\"process\":\"a\",\"port\":\"x\"}"
        "}}}}},\n\"connections\":[{\"data\":1,\"tgt\":{\"process\":\"s\",\"port\":\"inputt\"}}]}",
        RF_EFORMAT,
        "g:2:54: the sub-graph \"s\" exports no in-port \"inputt\" (did you mean \"input\"?)");
    refuse(HEAD NODES
           "\"connections\":[{\"from\":" EDGE("reader", "") ",\"to\":" EDGE("writer", "i") "}]}",
           RF_EFORMAT, "g:4:66: the port's name is empty");
}

Test(graph, refuses_what_is_there_twice)
{
    refuse(
        "{\"processes\":{\"a\":{\"component\":\"c\"}},\"connections\":[\n"
        "{\"src\":{\"process\":\"a\",\"port\":\"o\"},\"tgt\":{\"process\":\"a\",\"port\":\"i\"}},\n"
        "{\"src\":{\"process\":\"a\",\"port\":\"o\"},\"tgt\":{\"process\":\"a\",\"port\":\"i\"}}"
        "]}",
        RF_EFORMAT, "g:3:1: this connection is there already");
    refuse("{\"processes\":{\"a\":{\"component\":\"c\"}},\"connections\":[\n"
           "{\"data\":1,\"tgt\":{\"process\":\"a\",\"port\":\"i\",\"index\":2}},\n"
           "{\"data\":2,\"tgt\":{\"process\":\"a\",\"port\":\"i\",\"index\":2}}]}",
           RF_EFORMAT, "g:3:17: this port has an initial packet with the same index already");
    refuse("{\"caseSensitive\":false,\"processes\":{\"a\":{\"component\":\"c\"}},\"inports\":{\n"
           "\"X\":{\"process\":\"a\",\"port\":\"i\"},\n\"x\":{\"process\":\"a\",\"port\":\"i\"}}}",
           RF_EFORMAT, "g:3:5: this port is there already in another spelling");
}

Test(graph, several_packets_for_one_port_are_fine)
{
    rf_graph *graph =
        parse("{\"processes\":{\"a\":{\"component\":\"c\"}},\"connections\":["
              "{\"data\":1,\"tgt\":{\"process\":\"a\",\"port\":\"i\"}},"
              "{\"data\":1,\"tgt\":{\"process\":\"a\",\"port\":\"i\"}},"
              "{\"data\":0,\"tgt\":{\"process\":\"a\",\"port\":\"i\",\"index\":1}},"
              "{\"data\":0,\"tgt\":{\"process\":\"a\",\"port\":\"j\",\"index\":1}}]}");

    cr_assert_eq(graph->initial_count, 4);
    rf_graph_free(graph);
}

Test(graph, refuses_bad_packets_types_and_sections)
{
    refuse("{\"processes\":{\"a\":{\"component\":\"c\"}},\"connections\":[{\"data\":null,\"tgt\":{"
           "\"process\":\"a\",\"port\":\"i\"}}]}",
           RF_EFORMAT, "g:1:61: an initial packet cannot be null");
    refuse("{\"processes\":{\"a\":{\"component\":\"c\"}},\"connections\":[{\"data\":1,\"tgt\":{"
           "\"process\":\"a\",\"port\":\"i\",\"index\":-1}}]}",
           RF_EFORMAT, "g:1:103: \"index\" must be a whole number from 0");
    refuse(HEAD NODES
           "\"inports\":{\"x\":{\"nodeId\":\"reader\",\"portId\":\"i\",\"portName\":\"i\","
           "\"expose\":true,\"portType\":{\"type\":\"strng\"}}}}",
           RF_EFORMAT, "g:4:96: there is no port type \"strng\" (did you mean \"string\"?)");
    refuse(HEAD NODES
           "\"inports\":{\"x\":{\"nodeId\":\"reader\",\"portId\":\"i\",\"portName\":\"i\","
           "\"expose\":true,\"portType\":{\"type\":\"array\"}}}}",
           RF_EFORMAT, "g:4:88: the field \"value\" is missing");
    refuse(HEAD "\"graphDependencies\":[{\"graphName\":\"a\"}]}", RF_EFORMAT,
           "g:2:22: the field \"required\" is missing");
    refuse(HEAD "\"providedInterfaces\":{\"p\":{\"interfaceId\":\"p\",\"processName\":5}}}",
           RF_EFORMAT, "g:2:60: \"processName\" must be a string, not a number");
}

Test(graph, refuses_subgraphs_that_hold_themselves_or_lie_elsewhere)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    char *path = vector("graphs/self.noflo.json");

    cr_assert_eq(rf_graph_load(path, &graph, &diag), RF_EFORMAT);
    cr_assert_not_null(strstr(diag.text, "holds itself"), "%s", diag.text);
    cr_assert_not_null(strstr(diag.file, "parts/loop.noflo.json"), "%s", diag.file);
    cr_assert_eq(diag.line, 2);
    free(path);

    refuse("{\"processes\":{\"s\":{\"component\":\"subgraph\"}}}", RF_EFORMAT,
           "g:1:32: the sub-graph \"s\" needs metadata.graph: the name of a file, or a graph");
    refuse("{\"processes\":{\"s\":{\"component\":\"x\",\"metadata\":{\"graph\":\"/etc/passwd\"}}}}",
           RF_EFORMAT,
           "g:1:56: a sub-graph must be a file in or below the folder of its graph, not "
           "\"/etc/passwd\"");
    refuse("{\"processes\":{\"s\":{\"component\":\"x\",\"metadata\":{\"graph\":\"a/../../b\"}}}}",
           RF_EFORMAT,
           "g:1:56: a sub-graph must be a file in or below the folder of its graph, not "
           "\"a/../../b\"");
    refuse("{\"processes\":{\"s\":{\"component\":\"x\",\"metadata\":{\"graph\":\"no-such\"}}}}",
           RF_ESYS, "g:1:56: cannot read \"no-such\": No such file or directory");
}

Test(graph, a_mistake_inside_a_subgraph_is_told_at_its_place_there)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    char *path = vector("graphs/broken-part.noflo.json");

    cr_assert_eq(rf_graph_load(path, &graph, &diag), RF_EFORMAT);

    cr_assert_not_null(strstr(diag.file, "parts/broken.noflo.json"), "%s", diag.file);
    cr_assert_eq(diag.line, 2);
    cr_assert_str_eq(diag.text, "\"component\" must be a string, not a number");
    free(path);
}

Test(graph, subgraphs_are_bounded_in_depth)
{
    char json[8192] = "{}";
    for (int depth = 0; depth < 16; depth++) {
        char inner[8192];
        memcpy(inner, json, sizeof inner);
        (void)snprintf(
            json, sizeof json,
            "{\"processes\":{\"s\":{\"component\":\"graph\",\"metadata\":{\"graph\":%.7000s"
            "}}}}",
            inner);
    }
    rf_graph *graph = parse(json);
    rf_graph_free(graph);
    char deeper[9000];
    (void)snprintf(deeper, sizeof deeper,
                   "{\"processes\":{\"s\":{\"component\":\"graph\",\"metadata\":{\"graph\":%s}}}}",
                   json);
    rf_diag diag = {0};

    rf_err err = rf_graph_parse(deeper, strlen(deeper), "g", &graph, &diag);

    cr_assert(err == RF_ELIMIT || err == RF_EFORMAT, "%s", rf_err_name(err));
    cr_assert_not_null(strstr(diag.text, "deep"), "%s", diag.text);
}

Test(graph, load_says_why_a_file_cannot_be_read)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};

    cr_assert_eq(rf_graph_load("/no/such/graph.json", &graph, &diag), RF_ESYS);
    cr_assert_str_eq(diag.text, "cannot read \"/no/such/graph.json\": No such file or directory");
    cr_assert_eq(rf_graph_load("/tmp", &graph, &diag), RF_ESYS);
    cr_assert_str_eq(diag.text, "cannot read \"/tmp\": Is a directory");
}

Test(graph, save_replaces_a_file_and_leaves_nothing_beside_it)
{
    rf_graph *graph = load("example.graph.json");
    char folder[] = "/tmp/rf_graphXXXXXX";
    char path[64];
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/g.json", folder);
    rf_diag diag = {0};

    cr_assert_eq(rf_graph_save(graph, RF_GRAPH_EXPORT, path, &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(chmod(path, 0640), 0);
    cr_assert_eq(rf_graph_save(graph, RF_GRAPH_NOFLO, path, &diag), RF_OK, "%s", diag.text);

    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0640);
    rf_graph *again = NULL;
    cr_assert_eq(rf_graph_load(path, &again, &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(again->form, RF_GRAPH_NOFLO);
    cr_assert_str_eq(rf_graph_name(again), "order_flow");
    rf_graph_free(again);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rmdir(folder), 0); /* it is empty */
    cr_assert_eq(rf_graph_save(graph, RF_GRAPH_EXPORT, path, &diag), RF_ESYS);
    cr_assert_not_null(strstr(diag.text, "No such file or directory"));
    rf_graph_free(graph);
}
