/* SPDX-License-Identifier: MIT */
/* Bringing a graph into a network: nodes first, then connectors, then initial packets.
 *
 * All or nothing: when a step fails, the nodes that were added are removed again, and their
 * connectors go with them. The packets come last, so that no actor of the graph is given one before
 * the whole graph stands; all are made before the first node is added. No actor of the graph runs before
 * all connectors stand, so one that starts by itself (a timer, a configured file) loses nothing. */
#include "core/base/diag.h"
#include "core/flow/graph_model.h"
#include "core/flow/network_internal.h"
#include <stdlib.h>
#include <string.h>

/* Report what the network said, at the place in the graph that it is about. */
static rf_err report(const rf_graph *graph, const struct rfi_json *where, rf_err err,
                     const rf_diag *said, rf_diag *out_diag)
{
    return rfi_json_error(graph->doc, where, false, err, out_diag, "%s",
                          said->text[0] != '\0' ? said->text : rf_err_text(err));
}

static rf_err apply_nodes(const struct rfi_flat_graph *flat, rf_network *net,
                          struct rfi_actor **held, size_t *added_count, rf_diag *out_diag)
{
    for (size_t i = 0; i < flat->node_count; i++) {
        const struct rfi_flat_node *item = &flat->nodes[i];
        const struct rfi_json *metadata = item->node->metadata;
        char *text = NULL;
        if (metadata != NULL) {
            text = strndup(rfi_json_doc_text(item->graph->doc) + metadata->start,
                           metadata->end - metadata->start);
            if (text == NULL)
                return rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
        }
        rf_diag said = {0};
        rf_err err =
            rfi_network_add_held(net, item->id, item->node->component, text, &held[i], &said);
        free(text);
        if (err != RF_OK) {
            const struct rfi_json *where = item->node->component_json;
            if (metadata != NULL && (err == RF_EFORMAT || err == RF_ENOENT))
                where = metadata;
            else if (err == RF_EEXISTS || err == RF_EINVAL)
                where = item->node->json;
            return report(item->graph, where, err, &said, out_diag);
        }
        (*added_count)++;
    }
    return RF_OK;
}

static rf_err apply_connections(const struct rfi_flat_graph *flat, rf_network *net,
                                rf_diag *out_diag)
{
    for (size_t i = 0; i < flat->connection_count; i++) {
        const struct rfi_flat_connection *item = &flat->connections[i];
        rf_diag said = {0};
        rf_err err =
            rf_network_add_connection(net, flat->nodes[item->from.node].id, item->from.port,
                                      flat->nodes[item->to.node].id, item->to.port, &said);
        if (err != RF_OK)
            return report(item->graph, item->connection->json, err, &said, out_diag);
    }
    return RF_OK;
}

/* Make the packets; those that were made are in `messages` on failure too. */
static rf_err make_messages(const struct rfi_flat_graph *flat, rf_message **messages,
                            rf_diag *out_diag)
{
    for (size_t i = 0; i < flat->initial_count; i++) {
        const struct rfi_flat_initial *item = &flat->initials[i];
        const struct rfi_json *data = item->initial->data;
        rf_diag said = {0};
        rf_err err = rf_message_from_value(rfi_json_doc_text(item->graph->doc) + data->start,
                                           data->end - data->start, &messages[i], &said);
        if (err != RF_OK)
            return report(item->graph, data, err, &said, out_diag);
    }
    return RF_OK;
}

static rf_err apply_initials(const struct rfi_flat_graph *flat, rf_network *net,
                             rf_message **messages, rf_diag *out_diag)
{
    for (size_t i = 0; i < flat->initial_count; i++) {
        const struct rfi_flat_initial *item = &flat->initials[i];
        const char *id = flat->nodes[item->to.node].id;
        rf_err err = rf_network_add_initial(net, id, item->to.port, messages[i]);
        if (err != RF_OK)
            return rfi_json_error(item->graph->doc, item->initial->to.json, false, err, out_diag,
                                  "the initial packet of \"%s\" port \"%s\": %s", id, item->to.port,
                                  rf_err_text(err));
        messages[i] = NULL;
    }
    return RF_OK;
}

/* All steps. *added_count tells how many nodes stand, on failure too. */
static rf_err apply_flat(const struct rfi_flat_graph *flat, rf_network *net, rf_message **messages,
                         struct rfi_actor **held, size_t *added_count, rf_diag *out_diag)
{
    rf_err err = make_messages(flat, messages, out_diag);
    if (err == RF_OK)
        err = apply_nodes(flat, net, held, added_count, out_diag);
    if (err == RF_OK)
        err = apply_connections(flat, net, out_diag);
    if (err == RF_OK)
        err = apply_initials(flat, net, messages, out_diag);
    return err;
}

rf_err rf_graph_apply(const rf_graph *graph, rf_network *net, const char *prefix, rf_diag *out_diag)
{
    struct rfi_flat_graph flat;
    rf_err err = rfi_graph_flatten(graph, prefix, &flat, out_diag);
    if (err != RF_OK)
        return err;
    size_t added_count = 0;
    rf_message **messages = calloc(flat.initial_count + 1, sizeof(rf_message *));
    struct rfi_actor **held = calloc(flat.node_count + 1, sizeof(struct rfi_actor *));
    if (messages == NULL || held == NULL) {
        err = rfi_diag_set(out_diag, RF_ENOMEM, "%s", rf_err_text(RF_ENOMEM));
        goto out;
    }
    err = apply_flat(&flat, net, messages, held, &added_count, out_diag);
    if (err != RF_OK)
        for (size_t i = added_count; i > 0;
             i--) /* a node that went by itself meanwhile is as good */
            (void)rf_network_remove_node(net, flat.nodes[i - 1].id);
    rfi_network_release(net, held, added_count);
    for (size_t i = 0; i < flat.initial_count; i++)
        rf_message_unref(messages[i]);
out:
    free(messages);
    free(held);
    rfi_flat_graph_fini(&flat);
    return err;
}
