/* SPDX-License-Identifier: MIT */
/* The configuration of one actor: metadata.propertyValues, then metadata, then environment variables that
 * metadata.env_vars names.
 *
 * Made by the thread that adds the node; from then on read by the actor's callbacks alone, so the memo of JSON
 * texts needs no lock. Values are converted on reading and only without loss; what cannot be
 * converted counts as absent for that reading. The environment is read once, at the beginning.
 *
 * It gives no meaning to any key but env_vars; `supervision` and the like are read by the network. */
#include "core/actor/actor.h"
#include "core/base/diag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static rf_err read_env(struct rfi_config *config, const char *name, rf_diag *out_diag);
static const struct rfi_json *find(const rf_context *ctx, const char *key);
static const char *find_env(const rf_context *ctx, const char *key);

rf_err rfi_config_init(struct rfi_config *config, const char *metadata_json, const char *name,
                       rf_diag *out_diag)
{
    rf_err err = rfi_json_doc_parse(metadata_json, strlen(metadata_json), RFI_JSON_STRICT, NULL,
                                    name, &config->doc, out_diag);
    if (err != RF_OK)
        return err;
    const struct rfi_json *root = rfi_json_root(config->doc);
    if (root->type == RFI_JSON_OBJECT)
        err = read_env(config, name, out_diag);
    else if (root->type != RFI_JSON_NULL)
        err = rfi_json_error(config->doc, root, false, RF_EFORMAT, out_diag,
                             "metadata is %s, must be an object", rfi_json_type_name(root->type));
    if (err != RF_OK)
        rfi_config_fini(config);
    return err;
}

void rfi_config_fini(struct rfi_config *config)
{
    for (size_t i = 0; i < config->env_count; i++) {
        free(config->env[i].name);
        free(config->env[i].value);
    }
    free(config->env);
    while (config->texts != NULL) {
        struct rfi_config_text *next = config->texts->next;
        free(config->texts);
        config->texts = next;
    }
    rfi_json_doc_free(config->doc);
    *config = (struct rfi_config){.doc = NULL};
}

const struct rfi_json *rfi_config_root(const struct rfi_config *config)
{
    return config->doc == NULL ? NULL : rfi_json_root(config->doc);
}

static rf_err add_env(struct rfi_config *config, const char *name, const char *value)
{
    struct rfi_config_env *env = &config->env[config->env_count];
    env->name = strdup(name);
    env->value = strdup(value);
    config->env_count++; /* from now on fini frees both */
    return env->name == NULL || env->value == NULL ? RF_ENOMEM : RF_OK;
}

/* {"NAME": "required…" | "optional:<default>" | anything else: taken if it is set} */
static rf_err read_env(struct rfi_config *config, const char *name, rf_diag *out_diag)
{
    static const char optional[] = "optional:";
    const struct rfi_json *vars = rfi_json_get(rfi_json_root(config->doc), "env_vars");
    if (vars == NULL || vars->type == RFI_JSON_NULL)
        return RF_OK;
    if (vars->type != RFI_JSON_OBJECT)
        return rfi_json_error(config->doc, vars, true, RF_EFORMAT, out_diag,
                              "env_vars is %s, must be an object", rfi_json_type_name(vars->type));
    if (vars->count == 0)
        return RF_OK;
    config->env = calloc(vars->count, sizeof *config->env);
    if (config->env == NULL)
        return RF_ENOMEM;
    for (const struct rfi_json *var = vars->first; var != NULL; var = var->next) {
        const char *rule = var->type == RFI_JSON_STRING ? var->text : "";
        const char *value = getenv(var->key);
        if (value == NULL && strncmp(rule, "required", 8) == 0)
            return rfi_json_error(config->doc, var, true, RF_ENOENT, out_diag,
                                  "node %s needs the environment variable %s, which is not set",
                                  name, var->key);
        if (value == NULL && strncmp(rule, optional, sizeof optional - 1) == 0)
            value = rule + sizeof optional - 1;
        if (value != NULL && add_env(config, var->key, value) != RF_OK)
            return RF_ENOMEM;
    }
    return RF_OK;
}

/* ---- reading ---- */

static const struct rfi_json *find(const rf_context *ctx, const char *key)
{
    const struct rfi_side *side = ctx->actor->side;
    const struct rfi_json *root = side == NULL ? NULL : rfi_config_root(&side->config);
    const struct rfi_json *value = rfi_json_get(rfi_json_get(root, "propertyValues"), key);
    return value != NULL ? value : rfi_json_get(root, key);
}

static const char *find_env(const rf_context *ctx, const char *key)
{
    const struct rfi_side *side = ctx->actor->side;
    size_t count = side == NULL ? 0 : side->config.env_count;
    for (size_t i = 0; i < count; i++)
        if (strcmp(side->config.env[i].name, key) == 0)
            return side->config.env[i].value;
    return NULL;
}

/* The text that a number or boolean is to be read from: that of a string value, or of the environment. */
static const char *find_text(const rf_context *ctx, const char *key, const struct rfi_json *value)
{
    if (value == NULL)
        return find_env(ctx, key);
    return value->type == RFI_JSON_STRING ? value->text : NULL;
}

bool rf_config_has(const rf_context *ctx, const char *key)
{
    return find(ctx, key) != NULL || find_env(ctx, key) != NULL;
}

const char *rf_config_string(const rf_context *ctx, const char *key, const char *fallback)
{
    const struct rfi_json *value = find(ctx, key);
    if (value == NULL) {
        const char *text = find_env(ctx, key);
        return text != NULL ? text : fallback;
    }
    switch (value->type) {
    case RFI_JSON_STRING:
    case RFI_JSON_NUMBER:
        return value->text;
    case RFI_JSON_BOOL:
        return value->boolean ? "true" : "false";
    case RFI_JSON_NULL:
    case RFI_JSON_ARRAY:
    case RFI_JSON_OBJECT:
        break;
    }
    return fallback;
}

int64_t rf_config_integer(const rf_context *ctx, const char *key, int64_t fallback)
{
    const struct rfi_json *value = find(ctx, key);
    int64_t number;
    if (rfi_json_as_int(value, &number))
        return number;
    const char *text = find_text(ctx, key, value);
    if (text == NULL || *text == '\0')
        return fallback;
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    return errno != 0 || *end != '\0' ? fallback : (int64_t)parsed;
}

double rf_config_number(const rf_context *ctx, const char *key, double fallback)
{
    const struct rfi_json *value = find(ctx, key);
    double number;
    if (rfi_json_as_double(value, &number))
        return number;
    const char *text = find_text(ctx, key, value);
    if (text == NULL || *text == '\0')
        return fallback;
    char *end;
    number = strtod(text, &end);
    return *end != '\0' ? fallback : number;
}

bool rf_config_boolean(const rf_context *ctx, const char *key, bool fallback)
{
    const struct rfi_json *value = find(ctx, key);
    if (value != NULL && value->type == RFI_JSON_BOOL)
        return value->boolean;
    const char *text = find_text(ctx, key, value);
    if (value != NULL && value->type == RFI_JSON_NUMBER)
        text = value->text;
    if (text == NULL)
        return fallback;
    if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
        return true;
    if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        return false;
    return fallback;
}

/* A copy of the bytes that the value has in the document, made once. */
static const char *memo_text(struct rfi_config *config, const struct rfi_json *value)
{
    for (struct rfi_config_text *text = config->texts; text != NULL; text = text->next)
        if (text->value == value)
            return text->text;
    size_t size = value->end - value->start;
    struct rfi_config_text *text = malloc(sizeof *text + size + 1);
    if (text == NULL)
        return NULL;
    memcpy(text->text, rfi_json_doc_text(config->doc) + value->start, size);
    text->text[size] = '\0';
    text->value = value;
    text->next = config->texts;
    config->texts = text;
    return text->text;
}

/* An environment variable as JSON: a string, kept behind a value of its own. */
static const char *memo_env(struct rfi_config *config, const char *env)
{
    const struct rfi_json *mark = (const struct rfi_json *)(const void *)env; /* only compared */
    for (struct rfi_config_text *text = config->texts; text != NULL; text = text->next)
        if (text->value == mark)
            return text->text;
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_json_write_string(&buf, env, strlen(env));
    rfi_buf_append_byte(&buf, 0);
    struct rfi_config_text *text = buf.is_failed ? NULL : malloc(sizeof *text + buf.size);
    if (text != NULL) {
        memcpy(text->text, buf.data, buf.size);
        text->value = mark;
        text->next = config->texts;
        config->texts = text;
    }
    rfi_buf_fini(&buf);
    return text == NULL ? NULL : text->text;
}

const char *rf_config_json(const rf_context *ctx, const char *key)
{
    struct rfi_side *side = ctx->actor->side;
    if (side == NULL)
        return NULL;
    const struct rfi_json *value = find(ctx, key);
    if (value != NULL)
        return memo_text(&side->config, value);
    const char *env = find_env(ctx, key);
    return env == NULL ? NULL : memo_env(&side->config, env);
}
