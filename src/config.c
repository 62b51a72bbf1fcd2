/* SPDX-License-Identifier: MIT */
/* The configuration as a whole: made of defaults, read from files, memory, the environment and flags,
 * written out, copied. Everything runs over the table in config_table.c. The caller owns a
 * configuration and uses it on one thread at a time. Whatever reads several values works on a copy
 * and takes it over when all went well, so a refused file changes nothing.
 * Secrets are never quoted in messages and never printed by rf_config_to_json. */
#include "config_internal.h"

#include "core/base/diag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1024 * 1024, VARIABLE_SIZE = 64 };

static const char variable_prefix[] = "REFLOW_";

static const void *value_at(const rf_config *config, const struct rfi_config_field *field)
{
    return (const char *)config + field->offset;
}

static const char *string_of(const rf_config *config, const struct rfi_config_field *field)
{
    const char *text;
    memcpy(&text, value_at(config, field), sizeof text);
    return text != NULL ? text : "";
}

static uint32_t integer_of(const rf_config *config, const struct rfi_config_field *field)
{
    uint32_t value;
    memcpy(&value, value_at(config, field), sizeof value);
    return value;
}

static bool boolean_of(const rf_config *config, const struct rfi_config_field *field)
{
    bool value;
    memcpy(&value, value_at(config, field), sizeof value);
    return value;
}

static const struct rfi_strings *strings_of(const rf_config *config,
                                            const struct rfi_config_field *field)
{
    return value_at(config, field);
}

rf_config *rf_config_new(void)
{
    rf_config *config = calloc(1, sizeof *config);
    const struct rfi_config_origin origin = {0};
    for (size_t i = 0; config != NULL && i < rfi_config_field_count; i++) {
        const struct rfi_config_field *field = &rfi_config_fields[i];
        if (rfi_config_assign_text(config, field, field->key.default_text, &origin) != RF_OK) {
            rf_config_free(config);
            return NULL;
        }
    }
    return config;
}

void rf_config_free(rf_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < rfi_config_field_count; i++)
        rfi_config_clear_field(config, &rfi_config_fields[i]);
    free(config);
}

static bool copy_strings(const struct rfi_strings *from, struct rfi_strings *to)
{
    *to = (struct rfi_strings){0};
    if (from->count == 0)
        return true;
    to->items = calloc(from->count, sizeof *to->items);
    if (to->items == NULL)
        return false;
    for (; to->count < from->count; to->count++) {
        to->items[to->count] = strdup(from->items[to->count]);
        if (to->items[to->count] == NULL)
            return false;
    }
    return true;
}

static bool copy_field(const rf_config *from, rf_config *to, const struct rfi_config_field *field)
{
    void *at = (char *)to + field->offset;
    char *text;
    struct rfi_strings list;
    bool is_good, boolean;
    uint32_t integer;
    switch (field->type) {
    case RFI_CONFIG_STRING:
    case RFI_CONFIG_OBJECT:
        text = strdup(string_of(from, field));
        memcpy(at, &text, sizeof text);
        return text != NULL;
    case RFI_CONFIG_STRINGS:
        is_good = copy_strings(strings_of(from, field), &list);
        memcpy(at, &list, sizeof list); /* what was copied is freed with the rest */
        return is_good;
    case RFI_CONFIG_INTEGER:
        integer = integer_of(from, field);
        memcpy(at, &integer, sizeof integer);
        return true;
    case RFI_CONFIG_BOOLEAN:
        break;
    }
    boolean = boolean_of(from, field);
    memcpy(at, &boolean, sizeof boolean);
    return true;
}

rf_config *rfi_config_copy(const rf_config *config)
{
    rf_config *copy = calloc(1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < rfi_config_field_count; i++) {
        if (!copy_field(config, copy, &rfi_config_fields[i])) {
            rf_config_free(copy);
            return NULL;
        }
    }
    return copy;
}

/* Give `config` the values of `changed`, which dies with the old ones. */
static void take_over(rf_config *config, rf_config *changed)
{
    rf_config old = *config;
    *config = *changed;
    *changed = old;
    rf_config_free(changed);
}

/* Each member of the root, in the order of the text. */
static rf_err assign_members(rf_config *config, const struct rfi_json_doc *doc, const char *folder,
                             rf_diag *diag)
{
    const struct rfi_json *root = rfi_json_root(doc);
    struct rfi_config_origin origin = {.doc = doc, .node = root, .folder = folder, .diag = diag};
    if (root->type != RFI_JSON_OBJECT)
        return rfi_config_fail(&origin, RF_EFORMAT, "a configuration is an object, not %s",
                               rfi_json_type_name(root->type));
    const struct rfi_json *token = rfi_json_get(root, "auth_token");
    const struct rfi_json *token_file = rfi_json_get(root, "auth_token_file");
    if (token != NULL && token->text_size > 0 && token_file != NULL && token_file->text_size > 0) {
        origin.node = token_file;
        return rfi_config_fail(&origin, RF_EFORMAT,
                               "auth_token and auth_token_file exclude each other: keep one");
    }
    rf_err err = RF_OK;
    for (origin.node = root->first; origin.node != NULL && err == RF_OK;
         origin.node = origin.node->next) {
        const struct rfi_config_field *field =
            rfi_config_find(origin.node->key, origin.node->key_size);
        if (field == NULL)
            err = rfi_config_fail_unknown(&origin, RF_EFORMAT, origin.node->key, false);
        else if (origin.node == token && token_file != NULL && token_file->text_size > 0)
            err = RF_OK; /* an empty token beside a file: the file counts, in either order */
        else
            err = rfi_config_assign_json(config, field, &origin);
    }
    return err;
}

static rf_err parse_from(rf_config *config, const char *json, size_t size, const char *name,
                         const char *folder, rf_diag *diag)
{
    struct rfi_json_doc *doc = NULL;
    rf_err err = rfi_json_doc_parse(json, size, RFI_JSON_COMMENTS, NULL, name, &doc, diag);
    if (err != RF_OK)
        return err;
    rf_config *changed = rfi_config_copy(config);
    if (changed == NULL) {
        err = rfi_diag_set(diag, RF_ENOMEM, "out of memory");
        goto out;
    }
    err = assign_members(changed, doc, folder, diag);
    if (err == RF_OK)
        take_over(config, changed);
    else
        rf_config_free(changed);
out:
    rfi_json_doc_free(doc);
    return err;
}

rf_err rf_config_load(rf_config *config, const char *path, rf_diag *out_diag)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rf_err err = rfi_config_read_file(path, FILE_BYTES_MAX, &buf);
    int saved_errno = errno;
    char *folder = NULL;
    if (err == RF_ESYS)
        (void)rfi_diag_at(out_diag, err, path, 0, 0, "cannot be read: %s",
                          strerrordesc_np(saved_errno));
    else if (err == RF_ELIMIT)
        (void)rfi_diag_at(out_diag, err, path, 0, 0, "is longer than %d bytes", FILE_BYTES_MAX);
    else if (err != RF_OK)
        (void)rfi_diag_at(out_diag, err, path, 0, 0, "out of memory");
    if (err != RF_OK)
        goto out;
    const char *slash = strrchr(path, '/');
    size_t folder_size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    folder = folder_size > 0 ? strndup(path, folder_size) : strdup(".");
    if (folder == NULL)
        err = rfi_diag_set(out_diag, RF_ENOMEM, "out of memory");
    else
        err = parse_from(config, (const char *)buf.data, buf.size, path, folder, out_diag);
out:
    free(folder);
    rfi_buf_fini(&buf);
    return err;
}

rf_err rf_config_parse(rf_config *config, const char *json, size_t size, const char *name,
                       rf_diag *out_diag)
{
    return parse_from(config, json, size, name, NULL, out_diag);
}

/* One NAME=value of the environment. */
static rf_err assign_variable(rf_config *config, const char *entry, rf_diag *diag)
{
    const char *equals = strchr(entry, '=');
    if (equals == NULL || strncmp(entry, variable_prefix, sizeof variable_prefix - 1) != 0)
        return RF_OK;
    char name[VARIABLE_SIZE], key[VARIABLE_SIZE];
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - entry), entry);
    if (strcmp(name, "REFLOW_CONFIG") == 0 || strcmp(name, "REFLOW_URL") == 0)
        return RF_OK;
    (void)snprintf(key, sizeof key, "%s", name + sizeof variable_prefix - 1);
    bool is_upper = true;
    for (char *c = key; *c != '\0'; c++) {
        is_upper = is_upper && (*c < 'a' || *c > 'z');
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    const struct rfi_config_origin origin = {.name = name, .diag = diag};
    const struct rfi_config_field *field = rfi_config_find(key, strlen(key));
    bool is_cut = (size_t)(equals - entry) >= sizeof name;
    if (field == NULL || !is_upper || is_cut)
        return rfi_config_fail_unknown(&origin, RF_EFORMAT, key, true);
    return rfi_config_assign_text(config, field, equals + 1, &origin);
}

rf_err rf_config_load_environment(rf_config *config, rf_diag *out_diag)
{
    rf_config *changed = rfi_config_copy(config);
    if (changed == NULL)
        return rfi_diag_set(out_diag, RF_ENOMEM, "out of memory");
    rf_err err = RF_OK;
    /* A token given outright counts more than one in a file, whatever the order of variables. */
    const char *token = getenv("REFLOW_AUTH_TOKEN");
    for (char **entry = environ; entry != NULL && *entry != NULL && err == RF_OK; entry++)
        err = assign_variable(changed, *entry, out_diag);
    if (err == RF_OK && token != NULL)
        err = rf_config_set(changed, "auth_token", token, out_diag);
    if (err == RF_OK)
        take_over(config, changed);
    else
        rf_config_free(changed);
    return err;
}

rf_err rf_config_set(rf_config *config, const char *key, const char *value, rf_diag *out_diag)
{
    const struct rfi_config_origin origin = {.diag = out_diag};
    const struct rfi_config_field *field = rfi_config_find(key, strlen(key));
    if (field == NULL)
        return rfi_config_fail_unknown(&origin, RF_ENOENT, key, false);
    return rfi_config_assign_text(config, field, value, &origin);
}

static void write_value(struct rfi_json_writer *w, const rf_config *config,
                        const struct rfi_config_field *field)
{
    const struct rfi_strings *list;
    const char *text;
    switch (field->type) {
    case RFI_CONFIG_STRING:
        text = string_of(config, field);
        rfi_jsonw_string(w, field->key.is_secret && text[0] != '\0' ? "***" : text);
        return;
    case RFI_CONFIG_OBJECT:
        text = string_of(config, field);
        rfi_jsonw_raw(w, text, strlen(text));
        return;
    case RFI_CONFIG_INTEGER:
        rfi_jsonw_uint(w, integer_of(config, field));
        return;
    case RFI_CONFIG_BOOLEAN:
        rfi_jsonw_bool(w, boolean_of(config, field));
        return;
    case RFI_CONFIG_STRINGS:
        break;
    }
    list = strings_of(config, field);
    rfi_jsonw_begin_array(w);
    for (size_t i = 0; i < list->count; i++)
        rfi_jsonw_string(w, list->items[i]);
    rfi_jsonw_end_array(w);
}

rf_err rf_config_to_json(const rf_config *config, char **out_json)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    /* One key a line, since people read it. */
    for (size_t i = 0; i < rfi_config_field_count; i++) {
        const struct rfi_config_field *field = &rfi_config_fields[i];
        rfi_buf_printf(&buf, "%s  \"%s\": ", i == 0 ? "{\n" : ",\n", field->key.name);
        struct rfi_json_writer w;
        rfi_jsonw_init(&w, &buf);
        write_value(&w, config, field);
    }
    rfi_buf_append_text(&buf, "\n}\n");
    char *json = rfi_buf_take_text(&buf, NULL);
    if (json == NULL)
        return RF_ENOMEM;
    *out_json = json;
    return RF_OK;
}

char *rf_config_get(const rf_config *config, const char *key)
{
    const struct rfi_config_field *field = rfi_config_find(key, strlen(key));
    if (field == NULL)
        return NULL;
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    const struct rfi_strings *list;
    switch (field->type) {
    case RFI_CONFIG_STRING:
    case RFI_CONFIG_OBJECT:
        rfi_buf_append_text(&buf, string_of(config, field));
        break;
    case RFI_CONFIG_INTEGER:
        rfi_buf_printf(&buf, "%u", (unsigned)integer_of(config, field));
        break;
    case RFI_CONFIG_BOOLEAN:
        rfi_buf_append_text(&buf, boolean_of(config, field) ? "true" : "false");
        break;
    case RFI_CONFIG_STRINGS:
        list = strings_of(config, field);
        for (size_t i = 0; i < list->count; i++)
            rfi_buf_printf(&buf, "%s%s", i == 0 ? "" : ",", list->items[i]);
        break;
    }
    return rfi_buf_take_text(&buf, NULL);
}

void rf_config_each_key(bool (*visit)(void *user, const rf_config_key *key), void *user)
{
    for (size_t i = 0; i < rfi_config_field_count; i++)
        if (!visit(user, &rfi_config_fields[i].key))
            return;
}
