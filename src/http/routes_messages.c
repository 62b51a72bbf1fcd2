/* SPDX-License-Identifier: MIT */
/* POST /actors/{id}/send and /actors/{id}/request: messages from outside into the network.
 *
 * The body is read here, the message goes to the network, and the HTTP thread is free again: the answer
 * to a request comes on whatever thread the reply does, and wakes the suspended connection. The reply comes
 * exactly once (at the deadline at the latest), so each HTTP request is answered exactly once.
 * A message is a plain JSON value ("message") or in the tagged form of the wire ("tagged"). */
#include "http/routes_internal.h"

#include "core/base/diag.h"
#include "core/base/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    char *port;
    rf_message *msg;
    uint64_t timeout_ms; /* 0: not told */
};

static void command_fini(struct command *command)
{
    free(command->port);
    rf_message_unref(command->msg);
    memset(command, 0, sizeof *command);
}

/* timeout_ms is let through by /send too, where it means nothing, so that one body fits both. */
static rf_err check_members(const struct rfi_json_doc *doc, rf_diag *out_diag)
{
    const struct rfi_json *root = rfi_json_root(doc);
    if (root->type != RFI_JSON_OBJECT)
        return rfi_json_error(doc, root, false, RF_EFORMAT, out_diag,
                              "the body is an object {\"port\":…,\"message\":…}, not %s",
                              rfi_json_type_name(root->type));
    for (const struct rfi_json *node = root->first; node != NULL; node = node->next) {
        bool is_known = strcmp(node->key, "port") == 0 || strcmp(node->key, "message") == 0 ||
                        strcmp(node->key, "tagged") == 0 || strcmp(node->key, "timeout_ms") == 0;
        if (!is_known)
            return rfi_json_error(
                doc, node, true, RF_EFORMAT, out_diag,
                "unknown member \"%s\"; there are port, message, tagged, timeout_ms", node->key);
    }
    return RF_OK;
}

static rf_err read_port(const struct rfi_json_doc *doc, char **out, rf_diag *out_diag)
{
    const struct rfi_json *root = rfi_json_root(doc);
    const struct rfi_json *node = rfi_json_get(root, "port");
    if (node == NULL || node->type != RFI_JSON_STRING || node->text_size == 0 ||
        strlen(node->text) != node->text_size)
        return rfi_json_error(doc, node != NULL ? node : root, false, RF_EFORMAT, out_diag,
                              "\"port\" must be the name of an in-port");
    *out = strdup(node->text);
    return *out != NULL ? RF_OK : RF_ENOMEM;
}

static rf_err read_message(const struct rfi_json_doc *doc, rf_message **out, rf_diag *out_diag)
{
    const struct rfi_json *root = rfi_json_root(doc);
    const struct rfi_json *plain = rfi_json_get(root, "message");
    const struct rfi_json *tagged = rfi_json_get(root, "tagged");
    if ((plain != NULL) == (tagged != NULL))
        return rfi_json_error(doc, root, false, RF_EFORMAT, out_diag,
                              "one of \"message\" (plain JSON) and \"tagged\" is needed");
    const struct rfi_json *node = plain != NULL ? plain : tagged;
    const char *text = rfi_json_doc_text(doc) + node->start;
    size_t size = node->end - node->start;
    rf_diag diag = {.line = 0};
    rf_err err = plain != NULL ? rf_message_from_value(text, size, out, &diag)
                               : rf_message_from_tagged(text, size, out, &diag);
    if (err == RF_OK || err == RF_ENOMEM)
        return err;
    return rfi_json_error(doc, node, false, err, out_diag, "%s", diag.text);
}

static rf_err read_timeout(const struct rfi_json_doc *doc, uint64_t *out, rf_diag *out_diag)
{
    const struct rfi_json *node = rfi_json_get(rfi_json_root(doc), "timeout_ms");
    int64_t value = 0;
    if (node == NULL)
        return RF_OK;
    if (!rfi_json_as_int(node, &value) || value < 1)
        return rfi_json_error(doc, node, false, RF_EFORMAT, out_diag,
                              "\"timeout_ms\" must be a whole number of 1 or more");
    *out = (uint64_t)value;
    return RF_OK;
}

static rf_err command_read(struct rfi_http_request *request, struct command *out, rf_diag *out_diag)
{
    struct rfi_json_doc *doc = NULL;
    size_t size = 0;
    const char *body = rfi_http_body(request, &size);
    memset(out, 0, sizeof *out);
    rf_err err = rfi_json_doc_parse(body, size, RFI_JSON_STRICT, NULL, NULL, &doc, out_diag);
    if (err == RF_OK)
        err = check_members(doc, out_diag);
    if (err == RF_OK)
        err = read_port(doc, &out->port, out_diag);
    if (err == RF_OK)
        err = read_timeout(doc, &out->timeout_ms, out_diag);
    if (err == RF_OK)
        err = read_message(doc, &out->msg, out_diag);
    if (err != RF_OK)
        command_fini(out);
    rfi_json_doc_free(doc);
    return err;
}

/* ---- a wrong name: the nearest right one ---- */

struct nearest {
    struct rfi_suggest suggest;
    char id[256]; /* the visitor's texts do not outlive the visit */
};

static bool offer_id(void *user, const rf_actor_info *info)
{
    struct nearest *nearest = user;
    rfi_suggest_offer(&nearest->suggest, info->id);
    if (nearest->suggest.best == info->id) {
        (void)snprintf(nearest->id, sizeof nearest->id, "%s", info->id);
        nearest->suggest.best = nearest->id;
    }
    return true;
}

static void answer_failure(const struct rfi_node_view *view, struct rfi_http_request *request,
                           rf_err err, const char *port)
{
    const char *actor = rfi_http_segment(request, 0);
    char hint[320] = "";
    if (err == RF_ENOACTOR && strchr(actor, '@') == NULL) {
        struct nearest nearest = {.id = ""};
        rfi_suggest_init(&nearest.suggest, actor);
        rf_network_each_actor(view->network, offer_id, &nearest);
        rfi_suggest_text(&nearest.suggest, hint, sizeof hint);
    }
    if (err == RF_ENOPORT)
        rfi_http_answer_error(request, err, "actor \"%s\" has no in-port \"%s\"", actor, port);
    else
        rfi_http_answer_error(request, err, "\"%s\": %s%s", actor, rf_err_text(err), hint);
}

void rfi_route_send(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    rf_diag diag = {.line = 0};
    struct command command;
    rf_err err = command_read(request, &command, &diag);
    if (err != RF_OK) {
        rfi_route_answer_diag(request, err, &diag);
        return;
    }
    err = rf_network_send(view->network, rfi_http_segment(request, 0), command.port, command.msg);
    if (err == RF_OK) {
        struct rfi_buf body;
        rfi_buf_init(&body);
        command.msg = NULL;
        rfi_buf_append_text(&body, "{\"sent\":true}");
        rfi_route_answer_json(request, 202, &body);
    } else {
        answer_failure(view, request, err, command.port);
    }
    command_fini(&command);
}

static void on_reply(void *user, rf_err err, rf_message *answer)
{
    struct rfi_http_request *request = user;
    char *plain = NULL;
    char *tagged = NULL;
    size_t plain_size = 0;
    size_t tagged_size = 0;
    if (err == RF_OK)
        err = rf_message_to_value(answer, &plain, &plain_size);
    if (err != RF_OK) {
        rfi_http_answer_error(request, err, "\"%s\": %s", rfi_http_segment(request, 0),
                              rf_err_text(err));
        goto out;
    }
    /* A float that is not finite has no tagged form: null then. */
    if (rf_message_to_tagged(answer, &tagged, &tagged_size) != RF_OK)
        tagged = NULL;
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_key(&w, "answer");
    rfi_jsonw_raw(&w, plain, plain_size);
    rfi_jsonw_key(&w, "tagged");
    if (tagged != NULL)
        rfi_jsonw_raw(&w, tagged, tagged_size);
    else
        rfi_jsonw_null(&w);
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, 200, &body);
out:
    free(plain);
    free(tagged);
    rf_message_unref(answer);
}

void rfi_route_request(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    rf_diag diag = {.line = 0};
    struct command command;
    rf_err err = command_read(request, &command, &diag);
    if (err != RF_OK) {
        rfi_route_answer_diag(request, err, &diag);
        return;
    }
    uint64_t timeout_ms = view->request_timeout_ms;
    if (command.timeout_ms != 0 && command.timeout_ms < timeout_ms)
        timeout_ms = command.timeout_ms;
    /* On RF_OK the reply may have come, and with it the request gone, before this returns. */
    err = rf_network_request(view->network, rfi_http_segment(request, 0), command.port, command.msg,
                             timeout_ms, on_reply, request);
    if (err == RF_OK)
        command.msg = NULL;
    else
        answer_failure(view, request, err, command.port);
    command_fini(&command);
}
