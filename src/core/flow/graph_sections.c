/* SPDX-License-Identifier: MIT */
/* The members of a graph that the local network does not act upon: port types, groups, dependencies
 * on other graphs, connections to them, interfaces. Their shape is checked, so that what we accept
 * the Rust Reflow accepts as well; they are kept as text and written back.
 *
 * The shapes are tables of fields. Nothing here is copied out of the document. */
#include "core/base/suggest.h"
#include "core/flow/graph_model.h"
#include <string.h>

struct field {
    const char *key;
    enum rfi_json_type type;
    bool is_required;
};

static const struct field dependency_fields[] = {
    {"graphName", RFI_JSON_STRING, true},          {"required", RFI_JSON_BOOL, true},
    {"namespace", RFI_JSON_STRING, false},         {"description", RFI_JSON_STRING, false},
    {"versionConstraint", RFI_JSON_STRING, false},
};
static const struct field external_fields[] = {
    {"connectionId", RFI_JSON_STRING, true}, {"targetGraph", RFI_JSON_STRING, true},
    {"fromProcess", RFI_JSON_STRING, true},  {"fromPort", RFI_JSON_STRING, true},
    {"toProcess", RFI_JSON_STRING, true},    {"toPort", RFI_JSON_STRING, true},
    {"description", RFI_JSON_STRING, false}, {"targetNamespace", RFI_JSON_STRING, false},
};
static const struct field interface_fields[] = {
    {"interfaceId", RFI_JSON_STRING, true}, {"processName", RFI_JSON_STRING, true},
    {"portName", RFI_JSON_STRING, true},    {"required", RFI_JSON_BOOL, true},
    {"dataType", RFI_JSON_STRING, false},   {"description", RFI_JSON_STRING, false},
};

static rf_err check_fields(const rf_graph *graph, const struct rfi_json *object,
                           const struct field *fields, size_t count, rf_diag *out_diag)
{
    if (object->type != RFI_JSON_OBJECT)
        return rfi_json_error(graph->doc, object, false, RF_EFORMAT, out_diag,
                              "this must be an object, not %s", rfi_json_type_name(object->type));
    for (size_t i = 0; i < count; i++) {
        const struct rfi_json *ignored = NULL;
        rf_err err =
            fields[i].is_required
                ? rfi_graph_member(graph, object, fields[i].key, fields[i].type, &ignored, out_diag)
                : rfi_graph_member_optional(graph, object, fields[i].key, fields[i].type, &ignored,
                                            out_diag);
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

static rf_err check_section(const rf_graph *graph, const char *key, enum rfi_json_type type,
                            const struct field *fields, size_t count, rf_diag *out_diag)
{
    const struct rfi_json *section = NULL;
    rf_err err = rfi_graph_member_optional(graph, graph->root, key, type, &section, out_diag);
    if (err != RF_OK || section == NULL)
        return err;
    for (const struct rfi_json *item = section->first; item != NULL; item = item->next) {
        err = check_fields(graph, item, fields, count, out_diag);
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

static rf_err check_group(const rf_graph *graph, const struct rfi_json *group, rf_diag *out_diag)
{
    const struct field fields[] = {
        {graph->form == RF_GRAPH_EXPORT ? "id" : "name", RFI_JSON_STRING, true},
        {"nodes", RFI_JSON_ARRAY, true},
        {"metadata", RFI_JSON_OBJECT, false},
    };
    rf_err err = check_fields(graph, group, fields, 3, out_diag);
    if (err != RF_OK)
        return err;
    const struct rfi_json *nodes = rfi_json_get(group, "nodes");
    for (const struct rfi_json *node = nodes->first; node != NULL; node = node->next) {
        if (node->type != RFI_JSON_STRING)
            return rfi_json_error(graph->doc, node, false, RF_EFORMAT, out_diag,
                                  "a group lists the ids of nodes, not %s",
                                  rfi_json_type_name(node->type));
        if (rfi_graph_find_node(graph, node->text) == NULL)
            return rfi_graph_no_node(graph, node, node->text, out_diag);
    }
    return RF_OK;
}

static rf_err check_groups(const rf_graph *graph, rf_diag *out_diag)
{
    const struct rfi_json *groups = NULL;
    rf_err err =
        rfi_graph_member_optional(graph, graph->root, "groups", RFI_JSON_ARRAY, &groups, out_diag);
    if (err != RF_OK || groups == NULL)
        return err;
    for (const struct rfi_json *group = groups->first; group != NULL; group = group->next) {
        err = check_group(graph, group, out_diag);
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

rf_err rfi_graph_check_sections(const rf_graph *graph, rf_diag *out_diag)
{
    enum {
        DEPENDENCY_COUNT = sizeof dependency_fields / sizeof dependency_fields[0],
        EXTERNAL_COUNT = sizeof external_fields / sizeof external_fields[0],
        INTERFACE_COUNT = sizeof interface_fields / sizeof interface_fields[0]
    };
    rf_err err = check_groups(graph, out_diag);
    if (err == RF_OK)
        err = check_section(graph, "graphDependencies", RFI_JSON_ARRAY, dependency_fields,
                            DEPENDENCY_COUNT, out_diag);
    if (err == RF_OK)
        err = check_section(graph, "externalConnections", RFI_JSON_ARRAY, external_fields,
                            EXTERNAL_COUNT, out_diag);
    if (err == RF_OK)
        err = check_section(graph, "providedInterfaces", RFI_JSON_OBJECT, interface_fields,
                            INTERFACE_COUNT, out_diag);
    if (err == RF_OK)
        err = check_section(graph, "requiredInterfaces", RFI_JSON_OBJECT, interface_fields,
                            INTERFACE_COUNT, out_diag);
    return err;
}

rf_err rfi_graph_check_port_type(const rf_graph *graph, const struct rfi_json *type,
                                 rf_diag *out_diag)
{
    static const char *const names[] = {"any",    "flow",   "event",  "boolean", "integer",
                                        "float",  "string", "stream", "encoded", "bytes",
                                        "object", "array",  "option"};
    enum { NAME_COUNT = sizeof names / sizeof names[0], OBJECT = 10 };
    for (;;) { /* down the types of elements */
        const struct rfi_json *name = NULL;
        rf_err err = rfi_graph_member(graph, type, "type", RFI_JSON_STRING, &name, out_diag);
        if (err != RF_OK)
            return err;
        struct rfi_suggest suggest;
        rfi_suggest_init(&suggest, name->text);
        size_t found = 0;
        while (found < NAME_COUNT && strcmp(names[found], name->text) != 0)
            rfi_suggest_offer(&suggest, names[found++]);
        if (found == NAME_COUNT) {
            char hint[160];
            rfi_suggest_text(&suggest, hint, sizeof hint);
            return rfi_json_error(graph->doc, name, false, RF_EFORMAT, out_diag,
                                  "there is no port type \"%s\"%s", name->text, hint);
        }
        if (found < OBJECT)
            return RF_OK;
        if (found == OBJECT)
            return rfi_graph_member(graph, type, "value", RFI_JSON_STRING, &name, out_diag);
        err = rfi_graph_member(graph, type, "value", RFI_JSON_OBJECT, &type, out_diag);
        if (err != RF_OK)
            return err;
    }
}
