/* SPDX-License-Identifier: MIT */
/* Putting values into the fields of a configuration, from JSON or from text, with type and range
 * checked against the table and every mistake told with its place and how to mend it. Each field owns
 * its memory; old values are freed, secrets are wiped first. A value that is refused leaves the field
 * as it was. What concerns several keys is in config_check.c. */
#include "config_internal.h"

#include "core/base/diag.h"
#include "core/base/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_SIZE = 512, TOKEN_FILE_BYTES_MAX = 4096, STRING_BYTES_MAX = 4096 };

static char **string_at(rf_config *config, const struct rfi_config_field *field)
{
    return (char **)(void *)((char *)config + field->offset);
}

static struct rfi_strings *strings_at(rf_config *config, const struct rfi_config_field *field)
{
    return (struct rfi_strings *)(void *)((char *)config + field->offset);
}

rf_err rfi_config_fail(const struct rfi_config_origin *origin, rf_err err, const char *format, ...)
{
    char text[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (origin->node != NULL)
        (void)rfi_json_error(origin->doc, origin->node, false, err, origin->diag, "%s", text);
    else
        (void)rfi_diag_at(origin->diag, err, origin->name, 0, 0, "%s", text);
    return err;
}

rf_err rfi_config_fail_unknown(const struct rfi_config_origin *origin, rf_err err, const char *key,
                               bool is_variable)
{
    struct rfi_suggest suggest;
    rfi_suggest_init(&suggest, key);
    for (size_t i = 0; i < rfi_config_field_count; i++)
        rfi_suggest_offer(&suggest, rfi_config_fields[i].key.name);
    char nearest[64] = "";
    if (suggest.best != NULL && is_variable) {
        (void)snprintf(nearest, sizeof nearest, "REFLOW_%s", suggest.best);
        for (char *c = nearest; *c != '\0'; c++)
            if (*c >= 'a' && *c <= 'z')
                *c = (char)(*c - 'a' + 'A');
        suggest.best = nearest;
    }
    char hint[96];
    rfi_suggest_text(&suggest, hint, sizeof hint);
    char text[MESSAGE_SIZE];
    (void)snprintf(text, sizeof text, "%s%.100s%s%s",
                   is_variable ? "there is no such setting" : "there is no key \"",
                   is_variable ? "" : key, is_variable ? "" : "\"", hint);
    if (origin->node != NULL)
        (void)rfi_json_error(origin->doc, origin->node, true, err, origin->diag, "%s", text);
    else
        (void)rfi_diag_at(origin->diag, err, origin->name, 0, 0, "%s", text);
    return err;
}

const struct rfi_config_field *rfi_config_find(const char *key, size_t size)
{
    for (size_t i = 0; i < rfi_config_field_count; i++) {
        const char *name = rfi_config_fields[i].key.name;
        if (strlen(name) == size && memcmp(name, key, size) == 0)
            return &rfi_config_fields[i];
    }
    return NULL;
}

static void free_text(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text)); /* cheap, and then no secret is forgotten */
    free(text);
}

static void free_strings(struct rfi_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct rfi_strings){0};
}

void rfi_config_clear_field(rf_config *config, const struct rfi_config_field *field)
{
    switch (field->type) {
    case RFI_CONFIG_STRING:
    case RFI_CONFIG_OBJECT:
        free_text(*string_at(config, field));
        *string_at(config, field) = NULL;
        return;
    case RFI_CONFIG_STRINGS:
        free_strings(strings_at(config, field));
        return;
    case RFI_CONFIG_INTEGER:
    case RFI_CONFIG_BOOLEAN:
        return;
    }
}

static rf_err fail_memory(const struct rfi_config_origin *origin)
{
    return rfi_config_fail(origin, RF_ENOMEM, "out of memory");
}

static rf_err fail_type(const struct rfi_config_field *field,
                        const struct rfi_config_origin *origin)
{
    const rf_config_key *key = &field->key;
    const char *got = origin->node != NULL ? rfi_json_type_name(origin->node->type) : "that";
    switch (field->type) {
    case RFI_CONFIG_INTEGER:
        return rfi_config_fail(origin, RF_EFORMAT,
                               "%s must be a whole number from %lld to %lld, not %s", key->name,
                               (long long)key->min, (long long)key->max, got);
    case RFI_CONFIG_BOOLEAN:
        return rfi_config_fail(origin, RF_EFORMAT, "%s must be true or false, not %s", key->name,
                               got);
    case RFI_CONFIG_STRING:
        return rfi_config_fail(origin, RF_EFORMAT, "%s must be a string in double quotes, not %s",
                               key->name, got);
    case RFI_CONFIG_STRINGS:
        return rfi_config_fail(origin, RF_EFORMAT, "%s must be an array of strings, not %s",
                               key->name, got);
    case RFI_CONFIG_OBJECT:
        break;
    }
    return rfi_config_fail(origin, RF_EFORMAT, "%s must be an object in braces, not %s", key->name,
                           got);
}

static rf_err assign_integer(rf_config *config, const struct rfi_config_field *field, int64_t value,
                             const struct rfi_config_origin *origin)
{
    const rf_config_key *key = &field->key;
    if (value < key->min || value > key->max)
        return rfi_config_fail(origin, RF_ELIMIT, "%s must be from %lld to %lld%s%s, not %lld",
                               key->name, (long long)key->min, (long long)key->max,
                               key->unit[0] != '\0' ? " " : "", key->unit, (long long)value);
    uint32_t fitting = (uint32_t)value;
    memcpy((char *)config + field->offset, &fitting, sizeof fitting);
    return RF_OK;
}

static void assign_boolean(rf_config *config, const struct rfi_config_field *field, bool value)
{
    memcpy((char *)config + field->offset, &value, sizeof value);
}

static rf_err check_length(const struct rfi_config_field *field, size_t size,
                           const struct rfi_config_origin *origin)
{
    const rf_config_key *key = &field->key;
    if (size < (size_t)key->min && size == 0)
        return rfi_config_fail(origin, RF_ELIMIT, "%s must not be empty", key->name);
    if (size < (size_t)key->min || size > (size_t)key->max)
        return rfi_config_fail(origin, RF_ELIMIT,
                               "%s must have from %lld to %lld bytes, but has %zu", key->name,
                               (long long)key->min, (long long)key->max, size);
    return RF_OK;
}

/* A copy, joined to the folder of the file when it is a relative path. */
static char *copy_text(const char *text, const struct rfi_config_field *field,
                       const struct rfi_config_origin *origin)
{
    bool is_relative = field->is_path && text[0] != '/' && text[0] != '\0';
    if (!is_relative || origin->folder == NULL || strcmp(origin->folder, ".") == 0)
        return strdup(text);
    struct rfi_buf path;
    rfi_buf_init(&path);
    rfi_buf_append_text(&path, origin->folder);
    if (path.size > 0 && path.data[path.size - 1] != '/')
        rfi_buf_append_byte(&path, '/');
    rfi_buf_append_text(&path, text);
    return rfi_buf_take_text(&path, NULL);
}

rf_err rfi_config_read_file(const char *path, size_t size_max, struct rfi_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return RF_ESYS;
    rf_err err = RF_OK;
    int saved_errno = 0;
    for (;;) {
        enum { STEP = 4096 };
        uint8_t *to = rfi_buf_reserve(out, STEP);
        if (to == NULL) {
            err = RF_ENOMEM;
            break;
        }
        ssize_t got = read(fd, to, STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            err = RF_ESYS;
            saved_errno = errno;
        }
        if (got <= 0)
            break;
        out->size += (size_t)got;
        if (out->size > size_max) {
            err = RF_ELIMIT;
            break;
        }
    }
    (void)close(fd); /* only read */
    errno = saved_errno;
    return err;
}

/* The file's one line becomes the auth_token. Never without one: that would leave the door open. */
static rf_err read_token(rf_config *config, const char *path,
                         const struct rfi_config_origin *origin)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rf_err err = rfi_config_read_file(path, TOKEN_FILE_BYTES_MAX, &buf);
    int saved_errno = errno;
    char *token = NULL;
    size_t size = 0;
    if (err == RF_ESYS) {
        err = rfi_config_fail(origin, err, "auth_token_file %.200s cannot be read: %s", path,
                              strerrordesc_np(saved_errno));
        goto out;
    }
    size = buf.size;
    if (size > 0 && buf.data[size - 1] == '\n')
        size--;
    if (size > 0 && buf.data[size - 1] == '\r')
        size--;
    const struct rfi_config_field *field = rfi_config_find("auth_token", strlen("auth_token"));
    if (err == RF_ELIMIT || size > (size_t)field->key.max) {
        err = rfi_config_fail(origin, RF_ELIMIT, "auth_token_file %.200s is longer than %lld bytes",
                              path, (long long)field->key.max);
        goto out;
    }
    if (err == RF_OK && size == 0) {
        err = rfi_config_fail(origin, RF_EFORMAT, "auth_token_file %.200s is empty", path);
        goto out;
    }
    if (err == RF_OK &&
        (memchr(buf.data, '\0', size) != NULL || memchr(buf.data, '\n', size) != NULL ||
         !rfi_utf8_is_valid(buf.data, size))) {
        err = rfi_config_fail(origin, RF_EFORMAT, "auth_token_file %.200s must be one line of text",
                              path);
        goto out;
    }
    if (err == RF_OK)
        token = strndup((const char *)buf.data, size);
    if (token == NULL) {
        err = fail_memory(origin);
        goto out;
    }
    free_text(config->auth_token);
    config->auth_token = token;
out:
    if (buf.data != NULL)
        explicit_bzero(buf.data, buf.size);
    rfi_buf_fini(&buf);
    return err;
}

static rf_err assign_string(rf_config *config, const struct rfi_config_field *field,
                            const char *text, const struct rfi_config_origin *origin)
{
    rf_err err = check_length(field, strlen(text), origin);
    if (err != RF_OK)
        return err;
    if (!rfi_utf8_is_valid(text, strlen(text)))
        return rfi_config_fail(origin, RF_EFORMAT, "%s must be UTF-8", field->key.name);
    char *copy = copy_text(text, field, origin);
    if (copy == NULL)
        return fail_memory(origin);
    if (field->offset == offsetof(struct rf_config, auth_token_file) && copy[0] != '\0') {
        err = read_token(config, copy, origin);
        if (err != RF_OK) {
            free(copy);
            return err;
        }
    }
    free_text(*string_at(config, field));
    *string_at(config, field) = copy;
    return RF_OK;
}

static rf_err add_item(struct rfi_strings *list, const char *text,
                       const struct rfi_config_field *field, const struct rfi_config_origin *origin)
{
    const rf_config_key *key = &field->key;
    if (text[0] == '\0')
        return rfi_config_fail(origin, RF_EFORMAT, "an item of %s is empty", key->name);
    if (strlen(text) > STRING_BYTES_MAX)
        return rfi_config_fail(origin, RF_ELIMIT, "an item of %s is longer than %d bytes",
                               key->name, (int)STRING_BYTES_MAX);
    if (!rfi_utf8_is_valid(text, strlen(text)))
        return rfi_config_fail(origin, RF_EFORMAT, "%s must be UTF-8", key->name);
    if (list->count >= (size_t)key->max)
        return rfi_config_fail(origin, RF_ELIMIT, "%s must have at most %lld items", key->name,
                               (long long)key->max);
    char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return fail_memory(origin);
    list->items = items;
    items[list->count] = copy_text(text, field, origin);
    if (items[list->count] == NULL)
        return fail_memory(origin);
    list->count++;
    return RF_OK;
}

static void replace_strings(rf_config *config, const struct rfi_config_field *field,
                            const struct rfi_strings *list)
{
    free_strings(strings_at(config, field));
    *strings_at(config, field) = *list;
}

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        text[--size] = '\0';
    return text;
}

static rf_err assign_strings_text(rf_config *config, const struct rfi_config_field *field,
                                  const char *text, const struct rfi_config_origin *origin)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return fail_memory(origin);
    struct rfi_strings list = {0};
    rf_err err = RF_OK;
    char *rest = trim(copy)[0] == '\0' ? NULL : copy;
    while (rest != NULL && err == RF_OK) {
        char *item = strsep(&rest, ",");
        err = add_item(&list, trim(item), field, origin);
    }
    free(copy);
    if (err != RF_OK)
        free_strings(&list);
    else
        replace_strings(config, field, &list);
    return err;
}

static rf_err assign_strings_json(rf_config *config, const struct rfi_config_field *field,
                                  const struct rfi_config_origin *origin)
{
    struct rfi_strings list = {0};
    rf_err err = RF_OK;
    struct rfi_config_origin item = *origin;
    for (item.node = origin->node->first; item.node != NULL && err == RF_OK;
         item.node = item.node->next) {
        if (item.node->type != RFI_JSON_STRING || strlen(item.node->text) != item.node->text_size)
            err = rfi_config_fail(&item, RF_EFORMAT, "an item of %s must be a string, not %s",
                                  field->key.name, rfi_json_type_name(item.node->type));
        else
            err = add_item(&list, item.node->text, field, &item);
    }
    if (err != RF_OK)
        free_strings(&list);
    else
        replace_strings(config, field, &list);
    return err;
}

/* The object is kept as its text; what it may hold is known. */
static rf_err assign_object(rf_config *config, const struct rfi_config_field *field,
                            const struct rfi_config_origin *origin)
{
    const struct rfi_json *node = origin->node;
    struct rfi_config_origin member = *origin;
    for (member.node = node->first; member.node != NULL; member.node = member.node->next) {
        const char *key = member.node->key;
        if (strcmp(key, "compression") != 0 && strcmp(key, "tracing") != 0)
            return rfi_config_fail(&member, RF_EFORMAT,
                                   "%s may have \"compression\" and \"tracing\", not \"%.100s\"",
                                   field->key.name, key);
    }
    rf_err err = check_length(field, node->end - node->start, origin);
    if (err != RF_OK)
        return err;
    char *copy = strndup(rfi_json_doc_text(origin->doc) + node->start, node->end - node->start);
    if (copy == NULL)
        return fail_memory(origin);
    /* Comments are good in a file, but what is kept is handed on as plain JSON. */
    if (rfi_json_check(copy, strlen(copy), 0, NULL) != RF_OK) {
        free(copy);
        return rfi_config_fail(origin, RF_EFORMAT,
                               "%s must be plain JSON, without comments and spare commas",
                               field->key.name);
    }
    free(*string_at(config, field));
    *string_at(config, field) = copy;
    return RF_OK;
}

static rf_err assign_object_text(rf_config *config, const struct rfi_config_field *field,
                                 const char *text, const struct rfi_config_origin *origin)
{
    struct rfi_json_doc *doc = NULL;
    rf_err err = rfi_json_doc_parse(text, strlen(text), RFI_JSON_STRICT, NULL, origin->name, &doc,
                                    origin->diag);
    if (err != RF_OK)
        return err;
    struct rfi_config_origin inner = *origin;
    inner.doc = doc;
    inner.node = rfi_json_root(doc);
    err = inner.node->type == RFI_JSON_OBJECT ? assign_object(config, field, &inner)
                                              : fail_type(field, &inner);
    rfi_json_doc_free(doc);
    return err;
}

static rf_err assign_integer_text(rf_config *config, const struct rfi_config_field *field,
                                  const char *text, const struct rfi_config_origin *origin)
{
    size_t size = strlen(text);
    size_t digits = strspn(text, "0123456789");
    if (size == 0 || digits != size)
        return rfi_config_fail(
            origin, RF_EFORMAT, "%s must be a whole number from %lld to %lld, not \"%.40s\"",
            field->key.name, (long long)field->key.min, (long long)field->key.max, text);
    /* Numbers too long for the type are too large for every range. */
    int64_t value = size > 18 ? INT64_MAX : strtoll(text, NULL, 10);
    return assign_integer(config, field, value, origin);
}

rf_err rfi_config_assign_text(rf_config *config, const struct rfi_config_field *field,
                              const char *text, const struct rfi_config_origin *origin)
{
    switch (field->type) {
    case RFI_CONFIG_STRING:
        return assign_string(config, field, text, origin);
    case RFI_CONFIG_INTEGER:
        return assign_integer_text(config, field, text, origin);
    case RFI_CONFIG_STRINGS:
        return assign_strings_text(config, field, text, origin);
    case RFI_CONFIG_OBJECT:
        return assign_object_text(config, field, text, origin);
    case RFI_CONFIG_BOOLEAN:
        break;
    }
    bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0)
        return rfi_config_fail(origin, RF_EFORMAT, "%s must be true or false, not \"%.40s\"",
                               field->key.name, text);
    assign_boolean(config, field, is_true);
    return RF_OK;
}

/* null means none where empty means none. */
static bool is_null_allowed(const struct rfi_config_field *field)
{
    return field->type == RFI_CONFIG_STRING && field->key.min == 0;
}

rf_err rfi_config_assign_json(rf_config *config, const struct rfi_config_field *field,
                              const struct rfi_config_origin *origin)
{
    static const enum rfi_json_type wanted[] = {
        [RFI_CONFIG_STRING] = RFI_JSON_STRING, [RFI_CONFIG_INTEGER] = RFI_JSON_NUMBER,
        [RFI_CONFIG_BOOLEAN] = RFI_JSON_BOOL,  [RFI_CONFIG_STRINGS] = RFI_JSON_ARRAY,
        [RFI_CONFIG_OBJECT] = RFI_JSON_OBJECT,
    };
    const struct rfi_json *node = origin->node;
    if (node->type == RFI_JSON_NULL && is_null_allowed(field))
        return assign_string(config, field, "", origin);
    if (node->type != wanted[field->type])
        return fail_type(field, origin);
    int64_t value;
    switch (field->type) {
    case RFI_CONFIG_STRING:
        if (strlen(node->text) != node->text_size)
            return rfi_config_fail(origin, RF_EFORMAT, "%s must not have a zero byte",
                                   field->key.name);
        return assign_string(config, field, node->text, origin);
    case RFI_CONFIG_INTEGER:
        if (!rfi_json_as_int(node, &value))
            return rfi_config_fail(
                origin, RF_EFORMAT, "%s must be a whole number from %lld to %lld, not %.40s",
                field->key.name, (long long)field->key.min, (long long)field->key.max, node->text);
        return assign_integer(config, field, value, origin);
    case RFI_CONFIG_STRINGS:
        return assign_strings_json(config, field, origin);
    case RFI_CONFIG_OBJECT:
        return assign_object(config, field, origin);
    case RFI_CONFIG_BOOLEAN:
        break;
    }
    assign_boolean(config, field, node->boolean);
    return RF_OK;
}
