/* SPDX-License-Identifier: MIT */
/* Checking graphs against a network and bringing them into it. Programs run from the top of the
 * source tree, or find it in REFLOW_SOURCE_DIR. */
#include "support/rf_test.h"
#include <reflow/graph.h>
#include <stdatomic.h>

struct findings {
    size_t error_count, remark_count;
    char text[16384];
};

static void keep_finding(void *user, bool is_error, const rf_diag *diag)
{
    struct findings *findings = user;
    char line[1024];
    *(is_error ? &findings->error_count : &findings->remark_count) += 1;
    rf_diag_format(diag, line, sizeof line);
    size_t used = strlen(findings->text);
    (void)snprintf(findings->text + used, sizeof findings->text - used, "%s%s\n",
                   is_error ? "error: " : "remark: ", line);
}

static rf_network *open_network(void)
{
    rf_network *net = NULL;
    rf_network_options options = {.struct_size = sizeof options, .workers = 2};
    cr_assert_eq(rf_network_new(&options, &net), RF_OK);
    cr_assert_eq(rf_network_register_builtins(net), RF_OK);
    return net;
}

static rf_graph *parse(const char *json)
{
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    rf_err err = rf_graph_parse(json, strlen(json), "g", &graph, &diag);
    if (err != RF_OK)
        fprintf(stderr, "%u:%u: %s\n", diag.line, diag.column, diag.text);
    cr_assert_eq(err, RF_OK, "%s", diag.text);
    return graph;
}

static rf_graph *load(const char *name)
{
    const char *top = getenv("REFLOW_SOURCE_DIR");
    char path[1024];
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    (void)snprintf(path, sizeof path, "%s/tests/vectors/%s", top != NULL ? top : ".", name);
    cr_assert_eq(rf_graph_load(path, &graph, &diag), RF_OK, "%s", diag.text);
    return graph;
}

static void check_findings(const char *json, rf_err expected_err, const char *expected)
{
    rf_network *net = open_network();
    rf_graph *graph = parse(json);
    struct findings findings = {0};

    rf_err err = rf_graph_validate(graph, net, keep_finding, &findings);

    if (err != expected_err || strcmp(findings.text, expected) != 0)
        fprintf(stderr, "%s\nexpected:\n%sgot (%s):\n%s", json, expected, rf_err_name(err),
                findings.text);
    cr_assert_eq(err, expected_err);
    cr_assert_str_eq(findings.text, expected);
    rf_graph_free(graph);
    rf_network_free(net);
}

/* Emits as soon as it is made. */
static rf_err herald_create(rf_context *ctx, void **out_state)
{
    *out_state = NULL;
    return rf_emit(ctx, 0, rf_message_integer(7));
}

static _Atomic(int) heard_count;

static rf_err listen(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)ctx, (void)state, (void)port, (void)msg;
    atomic_fetch_add(&heard_count, 1);
    return RF_OK;
}

static const rf_port_def in_port = {.name = "in"}, out_port = {.name = "out"};
static const rf_component herald = {.struct_size = sizeof herald,
                                    .name = "herald",
                                    .inports = &in_port,
                                    .inport_count = 1,
                                    .outports = &out_port,
                                    .outport_count = 1,
                                    .create = herald_create,
                                    .on_message = listen};
static const rf_component listener = {.struct_size = sizeof listener,
                                      .name = "listener",
                                      .inports = &in_port,
                                      .inport_count = 1,
                                      .on_message = listen};

#define WIRE(from, out, to, in)                                                                    \
    "{\"src\":{\"process\":\"" from "\",\"port\":\"" out "\"},\"tgt\":{\"process\":\"" to          \
    "\",\"port\":\"" in "\"}}"

Test(graph_validate, a_good_graph_has_no_findings)
{
    rf_network *net = open_network();
    static const char *const names[] = {"example.graph.json", "graphs/outer.graph.json",
                                        "graphs/parts/inner.noflo.json"};
    for (size_t i = 0; i < 3; i++) {
        rf_graph *graph = load(names[i]);
        struct findings findings = {0};
        cr_assert_eq(rf_graph_validate(graph, net, keep_finding, &findings), RF_OK, "%s",
                     findings.text);
        cr_assert_str_eq(findings.text, "");
        rf_graph_free(graph);
    }
    rf_network_free(net);
}

Test(graph_validate, names_the_nearest_component_and_port)
{
    check_findings(
        "{\"processes\":{\n\"a\":{\"component\":\"tpl_pasthrough\"},\n"
        "\"b\":{\"component\":\"tpl_switch\"}},\n\"connections\":[\n" WIRE(
            "a", "anything", "b",
            "dat") ",\n" WIRE("b", "case5", "a",
                              "x") ",\n"
                                   "{\"data\":1,\"tgt\":{\"process\":\"b\",\"port\":\"zzz\"}}],\n"
                                   "\"outports\":{\"o\":{\"process\":\"b\",\"port\":\"defalt\"}}}",
        RF_EFORMAT,
        "error: g:2:18: there is no component \"tpl_pasthrough\" (did you mean "
        "\"tpl_passthrough\"?)\n"
        "error: g:5:70: \"b\" (tpl_switch) has no in-port \"dat\" (did you mean "
        "\"data\"?)\n"
        "error: g:6:30: \"b\" (tpl_switch) has no out-port \"case5\" (did you mean "
        "\"case1\"?)\n"
        "error: g:7:39: \"b\" (tpl_switch) has no in-port \"zzz\"\n"
        "error: g:8:39: \"b\" (tpl_switch) has no out-port \"defalt\" (did you mean "
        "\"default\"?)\n"
        "remark: g:6:1: this connection closes a cycle: \"a\" leads to \"b\"\n");
}

Test(graph_validate, remarks_upon_cycles_orphans_types_and_missing_keys)
{
    check_findings("{\"processes\":{\n\"a\":{\"component\":\"tpl_passthrough\"},\n"
                   "\"lone\":{\"component\":\"tpl_passthrough\"},\n"
                   "\"w\":{\"component\":\"tpl_file_writer\"}},\n\"connections\":[\n" WIRE(
                       "a", "output", "a", "input") ",\n" WIRE("a", "output", "w", "input") "]}",
                   RF_OK,
                   "remark: g:4:1: \"w\" (tpl_file_writer) needs the key \"path\" in its metadata, "
                   "unless it comes from the environment\n"
                   "remark: g:3:1: nothing is connected to \"lone\"\n"
                   "remark: g:6:1: this connection closes a cycle: \"a\" leads to \"a\"\n");
}

#define TYPED(node, port, type)                                                                    \
    "{\"nodeId\":\"" node "\",\"portId\":\"" port "\",\"portName\":\"" port                        \
    "\",\"expose\":false,\"portType\":" type "}"

static void check_types(const char *from, const char *to, bool match)
{
    char json[2048];
    (void)snprintf(
        json, sizeof json,
        "{\"caseSensitive\":true,\"properties\":{\"name\":\"n\"},\"processes\":{"
        "\"a\":{\"id\":\"a\",\"component\":\"tpl_passthrough\"},"
        "\"b\":{\"id\":\"b\",\"component\":\"tpl_passthrough\"}},\"connections\":["
        "{\"from\":" TYPED("a", "output", "%s") ",\"to\":" TYPED("b", "input", "%s") "}]}",
        from, to);
    rf_network *net = open_network();
    rf_graph *graph = parse(json);
    struct findings findings = {0};
    cr_assert_eq(rf_graph_validate(graph, net, keep_finding, &findings), RF_OK);
    cr_assert_eq(findings.remark_count, match ? 0 : 1, "%s to %s", from, to);
    rf_graph_free(graph);
    rf_network_free(net);
}

Test(graph_validate, knows_which_port_types_match)
{
    check_types("{\"type\":\"any\"}", "{\"type\":\"string\"}", true);
    check_types("{\"type\":\"integer\"}", "{\"type\":\"float\"}", true);
    check_types("{\"type\":\"float\"}", "{\"type\":\"integer\"}", false);
    check_types("{\"type\":\"stream\"}", "{\"type\":\"boolean\"}", true);
    check_types("{\"type\":\"option\",\"value\":{\"type\":\"string\"}}", "{\"type\":\"string\"}",
                true);
    check_types("{\"type\":\"object\",\"value\":\"A\"}", "{\"type\":\"object\",\"value\":\"B\"}",
                false);
    check_types("{\"type\":\"array\",\"value\":{\"type\":\"integer\"}}",
                "{\"type\":\"array\",\"value\":{\"type\":\"float\"}}", true);
    check_types("{\"type\":\"array\",\"value\":{\"type\":\"string\"}}",
                "{\"type\":\"array\",\"value\":{\"type\":\"float\"}}", false);
    check_types("{\"type\":\"array\",\"value\":{\"type\":\"string\"}}", "{\"type\":\"string\"}",
                false);
}

Test(graph_validate, actors_of_other_networks_may_have_any_ports)
{
    check_findings("{\"processes\":{\"a\":{\"component\":\"tpl_passthrough\"},"
                   "\"r\":{\"component\":\"counter@count\"}},\"connections\":[" WIRE(
                       "a", "output", "r", "whatever") "," WIRE("r", "out", "a", "input") "]}",
                   RF_OK,
                   "remark: g:1:181: this connection closes a cycle: \"a\" leads to \"r\"\n");
}

Test(graph_validate, a_wrong_exported_port_is_told_where_it_stands)
{
    check_findings(
        "{\"processes\":{\"p\":{\"component\":\"tpl_passthrough\"},\"s\":{\"component\":"
        "\"subgraph\",\"metadata\":{\"graph\":\n"
        "{\"processes\":{\"t\":{\"component\":\"tpl_passthrough\"}},\"connections\":[],\"inports\":"
        "{\"in\":{\"process\":\"t\",\"port\":\"inptu\"}}}}}},\"connections\":[" WIRE(
            "p", "output", "s", "in") "]}",
        RF_EFORMAT,
        "error: g:2:107: \"s/t\" (tpl_passthrough) has no in-port \"inptu\" (did you mean "
        "\"input\"?)\n");
}

Test(graph_validate, connections_that_meet_inside_a_subgraph_are_mistakes)
{
    check_findings(
        "{\"processes\":{\"a\":{\"component\":\"tpl_passthrough\"},\"s\":{\"component\":\"graph\","
        "\"metadata\":{\"graph\":{\"processes\":{\"x\":{\"component\":\"tpl_passthrough\"}},"
        "\"inports\":{\"one\":{\"process\":\"x\",\"port\":\"input\"},"
        "\"two\":{\"process\":\"x\",\"port\":\"input\"}}}}}},\n\"connections\":[" WIRE(
            "a", "output", "s", "one") ",\n" WIRE("a", "output", "s", "two") "]}",
        RF_EFORMAT, "error: g:3:1: this connection leads between the same ports as another one\n");
}

/* ---- apply ---- */

static void expect_echo(rf_network *net, const char *actor, const char *port)
{
    rf_message *answer = NULL;
    cr_assert_eq(rf_network_request_wait(net, actor, port, rf_message_integer(5), 10000, &answer),
                 RF_OK);
    cr_assert_eq(rf_message_as_integer(answer), 5);
    rf_message_unref(answer);
}

static size_t count_actors(rf_network *net)
{
    rf_network_stats stats;
    rf_network_get_stats(net, &stats);
    return stats.actor_count;
}

Test(graph_apply, brings_nodes_of_subgraphs_under_their_names, .timeout = 60)
{
    rf_network *net = open_network();
    rf_graph *graph = load("graphs/outer.graph.json");
    rf_diag diag = {0};

    cr_assert_eq(rf_graph_apply(graph, net, "my.", &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(rf_network_start(net), RF_OK);

    static const char *const ids[] = {"my.first", "my.clean/trim", "my.clean/check",
                                      "my.boxed/deep", "my.last"};
    for (size_t i = 0; i < 5; i++)
        cr_assert(rf_network_has_actor(net, ids[i]));
    cr_assert_eq(count_actors(net), 5);
    rf_network_stats stats;
    rf_network_get_stats(net, &stats);
    cr_assert_eq(stats.connection_count, 4);
    rf_network_free(net);
    rf_graph_free(graph); /* the network borrows nothing of it */
}

Test(graph_apply, sends_initial_packets_as_plain_values, .timeout = 60)
{
    rf_network *net = open_network();
    rf_subscription *events = NULL;
    rf_diag diag = {0};
    cr_assert_eq(rf_network_subscribe(net, 1U << RF_EVENT_ACTOR_EMIT, 0, &events), RF_OK);
    rf_graph *graph =
        parse("{\"processes\":{\"a\":{\"component\":\"tpl_passthrough\"}},\"connections\":["
              "{\"data\":{\"type\":\"Integer\",\"data\":5},\"tgt\":{\"process\":\"a\",\"port\":"
              "\"input\"}},"
              "{\"data\":5,\"tgt\":{\"process\":\"a\",\"port\":\"input\"}}]}");

    cr_assert_eq(rf_graph_apply(graph, net, NULL, &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(rf_network_start(net), RF_OK);

    static const rf_kind kinds[] = {RF_KIND_OBJECT, RF_KIND_INTEGER};
    for (size_t i = 0; i < 2; i++) {
        rf_event *event = NULL;
        cr_assert_eq(rf_subscription_next(events, 10000, &event), RF_OK);
        cr_assert_eq(rf_message_kind(event->message), kinds[i]);
        rf_event_free(event);
    }
    rf_subscription_free(events);
    rf_graph_free(graph);
    rf_network_free(net);
}

/* The graph must be refused, and the network be left as it was. */
static void refuse(const char *json, rf_err expected_err, unsigned line, const char *part)
{
    rf_network *net = open_network();
    rf_diag diag = {0};
    cr_assert_eq(rf_network_add_node(net, "old", "tpl_echo", NULL, NULL), RF_OK);
    cr_assert_eq(rf_network_start(net), RF_OK);
    rf_graph *graph = parse(json);

    rf_err err = rf_graph_apply(graph, net, NULL, &diag);

    if (err != expected_err || diag.line != line || strstr(diag.text, part) == NULL)
        fprintf(stderr, "%s: %s:%u:%u: %s\n", rf_err_name(err), diag.file, diag.line, diag.column,
                diag.text);
    cr_assert_eq(err, expected_err);
    cr_assert_eq(diag.line, line);
    cr_assert_not_null(strstr(diag.text, part));
    cr_assert_eq(count_actors(net), 1);
    expect_echo(net, "old", "in");
    rf_graph_free(graph);
    rf_network_free(net);
}

Test(graph_apply, is_all_or_nothing, .timeout = 60)
{
    refuse(
        "{\"processes\":{\"a\":{\"component\":\"tpl_echo\"},\n\"b\":{\"component\":\"tpl_ehco\"}}}",
        RF_ENOCOMPONENT, 2, "tpl_echo");
    refuse("{\"processes\":{\"a\":{\"component\":\"tpl_echo\"},\n\"old\":{\"component\":\"tpl_"
           "echo\"}}}",
           RF_EEXISTS, 2, "");
    refuse(
        "{\"processes\":{\"a\":{\"component\":\"tpl_echo\"},\"b\":{\"component\":\"tpl_echo\"}},\n"
        "\"connections\":[" WIRE("a", "out", "b", "in") ",\n" WIRE("a", "owt", "b", "in") "]}",
        RF_ENOPORT, 3, "out");
    refuse("{\"processes\":{\"a\":{\"component\":\"tpl_echo\"}},\n\"connections\":["
           "{\"data\":1,\"tgt\":{\"process\":\"a\",\"port\":\"in\"}},\n"
           "{\"data\":1,\"tgt\":{\"process\":\"a\",\"port\":\"no\"}}]}",
           RF_ENOPORT, 3, "\"no\"");
}

Test(graph_apply, works_into_a_running_network, .timeout = 60)
{
    rf_network *net = open_network();
    cr_assert_eq(rf_network_start(net), RF_OK);
    rf_graph *graph = parse("{\"processes\":{\"a\":{\"component\":\"tpl_passthrough\"},"
                            "\"e\":{\"component\":\"tpl_echo\"}},\"connections\":[" WIRE(
                                "a", "output", "e", "in") "]}");
    rf_diag diag = {0};

    cr_assert_eq(rf_graph_apply(graph, net, "one/", &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(rf_graph_apply(graph, net, "two/", &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(rf_graph_apply(graph, net, "two/", &diag), RF_EEXISTS);

    cr_assert_eq(count_actors(net), 4);
    expect_echo(net, "one/e", "in");
    expect_echo(net, "two/e", "in");
    rf_graph_free(graph);
    rf_network_free(net);
}

/* A network that runs would otherwise let the first of many nodes emit before the last one is there. */
Test(graph_apply, no_actor_runs_before_the_connectors_of_its_graph_stand, .timeout = 60)
{
    enum { NODES = 3000, SIZE = NODES * 64 + 1024 };
    rf_network *net = open_network();
    cr_assert_eq(rf_network_register(net, &herald), RF_OK);
    cr_assert_eq(rf_network_register(net, &listener), RF_OK);
    cr_assert_eq(rf_network_start(net), RF_OK);
    char *text = malloc(SIZE);
    cr_assert_not_null(text);
    size_t used = (size_t)snprintf(text, SIZE, "{\"processes\":{\"h\":{\"component\":\"herald\"}");
    for (int i = 0; i < NODES; i++)
        used +=
            (size_t)snprintf(text + used, SIZE - used, ",\"l%d\":{\"component\":\"listener\"}", i);
    (void)snprintf(text + used, SIZE - used, "},\"connections\":[%s]}",
                   WIRE("h", "out", "l2999", "in"));
    rf_graph *graph = parse(text);
    rf_diag diag = {0};
    atomic_store(&heard_count, 0);
    cr_assert_eq(rf_graph_apply(graph, net, NULL, &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(rf_network_drain(net, 30000), RF_OK);
    cr_assert_eq(atomic_load(&heard_count), 1);
    rf_graph_free(graph);

    /* Nodes that were held back and are taken away again leave nothing behind. */
    graph =
        parse("{\"processes\":{\"x\":{\"component\":\"herald\"},\"y\":{\"component\":\"nope\"}},"
              "\"connections\":[]}");
    cr_assert_eq(rf_graph_apply(graph, net, NULL, &diag), RF_ENOCOMPONENT);
    cr_assert_not(rf_network_has_actor(net, "x"));
    cr_assert_eq(rf_network_drain(net, 30000), RF_OK);
    rf_graph_free(graph);
    free(text);
    rf_network_free(net);
}
