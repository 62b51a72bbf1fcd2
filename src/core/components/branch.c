/* SPDX-License-Identifier: MIT */
/* Choosing a way by what a message holds: tpl_switch and tpl_if_branch.
 *
 * Conditions are read from the configuration once, when the actor is made; a wrong one keeps the
 * actor from being made. They look at the decoded JSON of the message, so that fields of Objects are
 * found; values to compare with may be plain or tagged. The message itself goes on unchanged. */
#include "core/components/component.h"
#include <stdlib.h>
#include <string.h>

/* ---- tpl_switch ---- */

enum { CASE_COUNT = 4, SWITCH_DEFAULT = CASE_COUNT };

struct chooser {
    const char *field; /* of the configuration, which outlives the state */
    struct rfi_operand cases[CASE_COUNT];
    bool is_set[CASE_COUNT];
};

static void switch_destroy(void *state)
{
    struct chooser *chooser = state;
    for (size_t i = 0; i < CASE_COUNT; i++)
        rfi_operand_fini(&chooser->cases[i]);
    free(chooser);
}

static rf_err switch_create(rf_context *ctx, void **out_state)
{
    static const char *const keys[CASE_COUNT] = {"case1_value", "case2_value", "case3_value",
                                                 "case4_value"};
    struct chooser *chooser = calloc(1, sizeof *chooser);
    if (chooser == NULL)
        return RF_ENOMEM;
    const char *field_key = rfi_component_key(ctx, "switch_field", "field");
    chooser->field = field_key != NULL ? rf_config_string(ctx, field_key, "") : "";
    for (size_t i = 0; i < CASE_COUNT; i++) {
        const char *json = rf_config_json(ctx, keys[i]);
        if (json == NULL)
            continue;
        rf_err err = rfi_operand_init(&chooser->cases[i], json);
        if (err != RF_OK) {
            switch_destroy(chooser);
            return err == RF_EFORMAT ? rf_fail(ctx, "%s is no JSON", keys[i]) : err;
        }
        chooser->is_set[i] = true;
    }
    *out_state = chooser;
    return RF_OK;
}

static rf_err switch_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    const struct chooser *chooser = state;
    struct rfi_value value = {0};
    rf_err err = rfi_value_of_message(msg, &value, NULL);
    if (err == RF_ENOMEM)
        return err;
    size_t outport = SWITCH_DEFAULT;
    const struct rfi_json *found = err == RF_OK ? rfi_value_at(value.root, chooser->field) : NULL;
    for (size_t i = 0; found != NULL && i < CASE_COUNT; i++) {
        if (chooser->is_set[i] && rfi_operand_equal(&chooser->cases[i], found)) {
            outport = i;
            break;
        }
    }
    rfi_value_fini(&value);
    return rf_emit(ctx, outport, rf_message_ref(msg));
}

static const rf_port_def switch_inports[] = {{"data", NULL, "any message"}};
static const rf_port_def switch_outports[] = {
    {"case1", NULL, "the message, when it equals case1_value"},
    {"case2", NULL, "the message, when it equals case2_value"},
    {"case3", NULL, "the message, when it equals case3_value"},
    {"case4", NULL, "the message, when it equals case4_value"},
    {"default", NULL, "the message, when it equals none of them"},
};
static const rf_key_def switch_keys[] = {
    {"switch_field", "string", NULL, false,
     "path of the field to look at (field is read as well); without it the message itself"},
    {"case1_value", "json", NULL, false, "value of the first case, plain or tagged"},
    {"case2_value", "json", NULL, false, "value of the second case"},
    {"case3_value", "json", NULL, false, "value of the third case"},
    {"case4_value", "json", NULL, false, "value of the fourth case"},
};

const rf_component rfi_component_switch = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_switch",
    .summary = "Sends each message to the out-port of the first case that it equals",
    RFI_INPORTS(switch_inports),
    RFI_OUTPORTS(switch_outports),
    RFI_KEYS(switch_keys),
    .create = switch_create,
    .on_message = switch_on_message,
    .destroy = switch_destroy,
};

/* ---- tpl_if_branch ---- */

enum { IF_TRUE, IF_FALSE };

/* Rules in groups: a group holds when all of its rules do (connector AND) or one (OR); the whole
 * holds when all groups do (type IF) or one (type OR). A single condition is one group of one rule. */
struct group {
    size_t first, count; /* in conditions */
    bool is_any;
};

struct branch {
    struct rfi_condition *conditions;
    size_t condition_count;
    struct group *groups;
    size_t group_count;
    bool is_any;
};

static void branch_destroy(void *state)
{
    struct branch *branch = state;
    for (size_t i = 0; i < branch->condition_count; i++)
        rfi_condition_fini(&branch->conditions[i]);
    free(branch->conditions);
    free(branch->groups);
    free(branch);
}

static rf_err add_condition(rf_context *ctx, struct branch *branch, const char *test,
                            const char *field, const char *operand_json)
{
    char hint[160];
    rf_err err = rfi_condition_init(&branch->conditions[branch->condition_count], test, field,
                                    operand_json, hint, sizeof hint);
    if (err == RF_ENOENT)
        return rf_fail(ctx, "there is no condition \"%s\"%s", test, hint);
    if (err == RF_EFORMAT)
        return rf_fail(ctx, "the value to compare with is no JSON");
    if (err == RF_OK)
        branch->condition_count++;
    return err;
}

static rf_err add_rule(rf_context *ctx, struct branch *branch, const struct rfi_value *rules,
                       const struct rfi_json *rule)
{
    const struct rfi_json *operand = rfi_json_get(rule, "value");
    char *json = NULL;
    if (operand != NULL) {
        rf_span text = rfi_value_text(rules, operand);
        json = strndup(text.data, text.size);
        if (json == NULL)
            return RF_ENOMEM;
    }
    rf_err err = add_condition(ctx, branch, rfi_json_get_string(rule, "operator", "truthy"),
                               rfi_json_get_string(rule, "field", ""), json);
    free(json);
    return err;
}

static bool is_connector_any(const struct rfi_json *object, const char *key)
{
    return strcasecmp(rfi_json_get_string(object, key, ""), "OR") == 0;
}

static rf_err read_rules(rf_context *ctx, struct branch *branch, const struct rfi_value *rules)
{
    const struct rfi_json *groups = rfi_json_get(rules->root, "groups");
    if (groups == NULL || groups->type != RFI_JSON_ARRAY)
        return rf_fail(ctx, "decisionRules needs a list \"groups\"");
    size_t rule_count = 0;
    for (const struct rfi_json *group = groups->first; group != NULL; group = group->next) {
        const struct rfi_json *list = rfi_json_get(group, "rules");
        if (list == NULL || list->type != RFI_JSON_ARRAY)
            return rf_fail(ctx, "each group of decisionRules needs a list \"rules\"");
        rule_count += list->count;
    }
    branch->is_any = is_connector_any(rules->root, "type");
    branch->groups = calloc(groups->count + 1, sizeof *branch->groups);
    branch->conditions = calloc(rule_count + 1, sizeof *branch->conditions);
    if (branch->groups == NULL || branch->conditions == NULL)
        return RF_ENOMEM;
    for (const struct rfi_json *group = groups->first; group != NULL; group = group->next) {
        const struct rfi_json *list = rfi_json_get(group, "rules");
        branch->groups[branch->group_count++] = (struct group){
            branch->condition_count, list->count, is_connector_any(group, "connector")};
        for (const struct rfi_json *rule = list->first; rule != NULL; rule = rule->next) {
            rf_err err = add_rule(ctx, branch, rules, rule);
            if (err != RF_OK)
                return err;
        }
    }
    return RF_OK;
}

static rf_err read_single(rf_context *ctx, struct branch *branch)
{
    branch->groups = calloc(1, sizeof *branch->groups);
    branch->conditions = calloc(1, sizeof *branch->conditions);
    if (branch->groups == NULL || branch->conditions == NULL)
        return RF_ENOMEM;
    branch->groups[branch->group_count++] = (struct group){0, 1, false};
    const char *field_key = rfi_component_key(ctx, "condition_field", "field");
    const char *value_key = rfi_component_key(ctx, "condition_value", "value");
    return add_condition(ctx, branch, rf_config_string(ctx, "condition_type", "truthy"),
                         field_key != NULL ? rf_config_string(ctx, field_key, "") : "",
                         value_key != NULL ? rf_config_json(ctx, value_key) : NULL);
}

static rf_err branch_create(rf_context *ctx, void **out_state)
{
    struct branch *branch = calloc(1, sizeof *branch);
    if (branch == NULL)
        return RF_ENOMEM;
    const char *json = rf_config_json(ctx, "decisionRules");
    rf_err err = RF_OK;
    if (json == NULL) {
        err = read_single(ctx, branch);
    } else {
        struct rfi_value rules = {0};
        err = rfi_value_of_json(json, strlen(json), &rules, NULL);
        if (err == RF_OK)
            err = read_rules(ctx, branch, &rules);
        rfi_value_fini(&rules);
    }
    if (err != RF_OK) {
        branch_destroy(branch);
        return err;
    }
    *out_state = branch;
    return RF_OK;
}

static bool group_holds(const struct branch *branch, const struct group *group,
                        const struct rfi_json *value)
{
    for (size_t i = 0; i < group->count; i++) {
        bool holds = rfi_condition_holds(&branch->conditions[group->first + i], value);
        if (holds == group->is_any)
            return holds;
    }
    return !group->is_any;
}

static bool branch_holds(const struct branch *branch, const struct rfi_json *value)
{
    for (size_t i = 0; i < branch->group_count; i++) {
        bool holds = group_holds(branch, &branch->groups[i], value);
        if (holds == branch->is_any)
            return holds;
    }
    return !branch->is_any;
}

static rf_err branch_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    static const struct rfi_json nothing = {.type = RFI_JSON_NULL};
    struct rfi_value value = {0};
    rf_err err = rfi_value_of_message(msg, &value, NULL);
    if (err == RF_ENOMEM)
        return err;
    bool holds = branch_holds(state, err == RF_OK ? value.root : &nothing);
    rfi_value_fini(&value);
    return rf_emit(ctx, holds ? IF_TRUE : IF_FALSE, rf_message_ref(msg));
}

static const rf_port_def branch_inports[] = {{"data", NULL, "any message"}};
static const rf_port_def branch_outports[] = {
    {"true_output", "true-out", "the message, when the conditions hold"},
    {"false_output", "false-out", "the message, when they do not"},
};
static const rf_key_def branch_keys[] = {
    {"decisionRules", "json", NULL, false,
     "{type: IF|OR, groups: [{connector: AND|OR, rules: [{field, operator, value}]}]}"},
    {"condition_type", "string", "\"truthy\"", false,
     "without decisionRules: equals, greater_than, less_than, contains, is_empty or truthy"},
    {"condition_field", "string", NULL, false, "path of the field (field is read as well)"},
    {"condition_value", "json", "null", false, "what to compare with (value is read as well)"},
};

const rf_component rfi_component_if_branch = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_if_branch",
    .summary = "Sends each message one of two ways",
    RFI_INPORTS(branch_inports),
    RFI_OUTPORTS(branch_outports),
    RFI_KEYS(branch_keys),
    .create = branch_create,
    .on_message = branch_on_message,
    .destroy = branch_destroy,
};
