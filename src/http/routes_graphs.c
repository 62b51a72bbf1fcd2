/* SPDX-License-Identifier: MIT */
/* POST /graphs/validate and POST /graphs: a graph as the body of a request, in either form.
 * Text that is no JSON is a 400 with its place on both; whatever else is wrong with a graph is a list of
 * findings on the first and a refusal on the second, which changes nothing then.
 * Both are for administrators: a graph may name sub-graph files of this machine. */
#include "http/routes_internal.h"

#include "core/base/diag.h"
#include <reflow/graph.h>

#include <string.h>

/* Answers and returns false when the body is no JSON. (Too big for this check is left to the graph's own
 * limits.) */
static bool check_json(struct rfi_http_request *request, const char *body, size_t size)
{
    rf_diag diag = {.line = 0};
    struct rfi_json_doc *doc = NULL;
    rf_err err = rfi_json_doc_parse(body, size, RFI_JSON_COMMENTS, NULL, NULL, &doc, &diag);
    rfi_json_doc_free(doc);
    if (err != RF_EFORMAT)
        return true;
    rfi_route_answer_diag(request, err, &diag);
    return false;
}

static void write_finding(void *user, bool is_error, const rf_diag *diag)
{
    struct rfi_json_writer *w = user;
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_bool(w, "is_error", is_error);
    rfi_jsonw_kv_string(w, "file", diag->file);
    rfi_jsonw_kv_uint(w, "line", diag->line);
    rfi_jsonw_kv_uint(w, "column", diag->column);
    rfi_jsonw_kv_string(w, "text", diag->text);
    rfi_jsonw_end_object(w);
}

void rfi_route_graph_validate(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    rf_diag diag = {.line = 0};
    rf_graph *graph = NULL;
    size_t size = 0;
    const char *text = rfi_http_body(request, &size);
    if (!check_json(request, text, size))
        return;
    struct rfi_buf findings;
    struct rfi_json_writer list;
    rfi_buf_init(&findings);
    rfi_jsonw_init(&list, &findings);
    rfi_jsonw_begin_array(&list);
    rf_err err = rf_graph_parse(text, size, "body", &graph, &diag);
    if (err == RF_ENOMEM) {
        rfi_buf_fini(&findings);
        rfi_http_answer_error(request, err, "%s", rf_err_text(err));
        return;
    }
    if (err != RF_OK)
        write_finding(&list, true, &diag);
    else
        err = rf_graph_validate(graph, view->network, write_finding, &list);
    rfi_jsonw_end_array(&list);
    rf_graph_free(graph);

    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_bool(&w, "valid", err == RF_OK);
    rfi_jsonw_key(&w, "findings");
    rfi_jsonw_raw(&w, findings.data, findings.size);
    rfi_jsonw_end_object(&w);
    if (findings.is_failed)
        body.is_failed = true;
    rfi_buf_fini(&findings);
    rfi_route_answer_json(request, 200, &body);
}

/* A component or port that a graph names and that is not there is the graph's mistake: 400, not 404. */
static void answer_refusal(struct rfi_http_request *request, rf_err err, const rf_diag *diag)
{
    if (err == RF_ENOCOMPONENT || err == RF_ENOACTOR || err == RF_ENOPORT || err == RF_ENOENT) {
        rf_diag told = *diag;
        if (told.text[0] == '\0')
            (void)rfi_diag_set(&told, err, "%s", rf_err_text(err));
        rfi_route_answer_diag(request, RF_EFORMAT, &told);
        return;
    }
    rfi_route_answer_diag(request, err, diag);
}

void rfi_route_graph_apply(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    rf_diag diag = {.line = 0};
    rf_graph *graph = NULL;
    size_t size = 0;
    const char *text = rfi_http_body(request, &size);
    const char *prefix = rfi_http_query(request, "prefix");
    if (prefix != NULL && prefix[0] == '\0')
        prefix = NULL;
    if (prefix != NULL && !rfi_name_is_valid(prefix, strlen(prefix))) {
        rfi_http_answer_status(request, 400,
                               "prefix is not a name: 1 to 128 of A-Z a-z 0-9 . _ : / -");
        return;
    }
    if (!check_json(request, text, size))
        return;
    rf_err err = rf_graph_parse(text, size, "body", &graph, &diag);
    if (err == RF_OK)
        err = rf_graph_apply(graph, view->network, prefix, &diag);
    if (err != RF_OK) {
        answer_refusal(request, err, &diag);
        rf_graph_free(graph);
        return;
    }
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_bool(&w, "applied", true);
    rfi_jsonw_kv_string(&w, "name", rf_graph_name(graph));
    rfi_jsonw_end_object(&w);
    rf_graph_free(graph);
    rfi_route_answer_json(request, 200, &body);
}
