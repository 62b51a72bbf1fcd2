/* SPDX-License-Identifier: MIT */
/* The table of networks that registries told of. A registry may be wrong or hostile: its list is bounded, each
 * name and endpoint is checked, and a bad entry costs only itself.
 *
 * An entry is dropped by the silence of the registry that listed it last, counted in lists that came, not in
 * time: while a registry is down, what it said stays, so that links can be made again without it.
 * Nothing here knows sockets, threads or the clock. */
#include "discovery/found.h"

#include "core/base/clock.h"
#include "core/base/diag.h"
#include "core/base/json_doc.h"
#include "core/base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rf_err rfi_found_init(struct rfi_found *found, const char *own_network_id,
                      const char *own_instance_id)
{
    memset(found, 0, sizeof *found);
    found->entries = rfi_map_new();
    if (found->entries == NULL)
        return RF_ENOMEM;
    (void)snprintf(found->own_network_id, sizeof found->own_network_id, "%s", own_network_id);
    (void)snprintf(found->own_instance_id, sizeof found->own_instance_id, "%s", own_instance_id);
    return RF_OK;
}

void rfi_found_fini(struct rfi_found *found)
{
    if (found->entries == NULL)
        return;
    for (struct rfi_map_entry *at = rfi_map_next(found->entries, NULL); at != NULL;
         at = rfi_map_next(found->entries, at))
        free(rfi_map_value(at));
    rfi_map_free(found->entries);
    found->entries = NULL;
}

static bool read_text(const struct rfi_json *item, const char *key, char *out, size_t out_size)
{
    const struct rfi_json *node = rfi_json_get(item, key);
    if (node == NULL || node->type != RFI_JSON_STRING || node->text_size >= out_size ||
        strlen(node->text) != node->text_size)
        return false;
    memcpy(out, node->text, node->text_size + 1);
    return true;
}

/* Capabilities are shown and not acted upon, so a list that is wrong or long is an empty one. */
static void read_capabilities(const struct rfi_json_doc *doc, const struct rfi_json *item,
                              char *out, size_t out_size)
{
    const struct rfi_json *node = rfi_json_get(item, "capabilities");
    bool is_good =
        node != NULL && node->type == RFI_JSON_ARRAY && node->end - node->start < out_size;
    for (const struct rfi_json *at = is_good ? node->first : NULL; at != NULL; at = at->next)
        is_good = is_good && at->type == RFI_JSON_STRING;
    if (is_good)
        (void)snprintf(out, out_size, "%.*s", (int)(node->end - node->start),
                       rfi_json_doc_text(doc) + node->start);
    else
        (void)snprintf(out, out_size, "[]");
}

static bool read_item(const struct rfi_json *item, struct rfi_found_entry *out)
{
    char last_seen[64];
    struct rfi_hostport at;
    memset(out, 0, sizeof *out);
    if (!read_text(item, "network_id", out->network_id, sizeof out->network_id) ||
        !rfi_name_is_valid(out->network_id, strlen(out->network_id)) ||
        !read_text(item, "instance_id", out->instance_id, sizeof out->instance_id) ||
        !rfi_name_is_valid(out->instance_id, strlen(out->instance_id)) ||
        !read_text(item, "endpoint", out->endpoint, sizeof out->endpoint) ||
        !rfi_hostport_parse(out->endpoint, &at) || rfi_hostport_is_wildcard(&at))
        return false;
    return read_text(item, "last_seen", last_seen, sizeof last_seen) &&
           rfi_timestamp_parse(last_seen, strlen(last_seen), &out->seen_wall_ns);
}

/* Returns whether something that matters has changed. */
static bool put(struct rfi_found *found, const struct rfi_found_entry *fresh)
{
    char key[2 * RFI_FOUND_NAME_SIZE];
    int size = snprintf(key, sizeof key, "%s%c%s", fresh->network_id, '\0', fresh->instance_id);
    struct rfi_found_entry *old = rfi_map_get_bytes(found->entries, key, (size_t)size);
    if (old != NULL) {
        old->listed_round = found->round;
        /* An older word of another registry counts only once the better one has gone silent. The same
         * registry is always believed: its clock may have been set back. */
        if (fresh->source != old->source && old->missed == 0 &&
            fresh->seen_wall_ns < old->seen_wall_ns)
            return false;
        bool is_changed = strcmp(old->endpoint, fresh->endpoint) != 0;
        *old = *fresh;
        old->listed_round = found->round;
        return is_changed;
    }
    if (rfi_map_count(found->entries) >= RFI_FOUND_MAX)
        return false;
    struct rfi_found_entry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return false;
    *entry = *fresh;
    entry->listed_round = found->round;
    if (rfi_map_add_bytes(found->entries, key, (size_t)size, entry) != RF_OK) {
        free(entry);
        return false;
    }
    return true;
}

static bool drop_missed(struct rfi_found *found, size_t source)
{
    bool is_changed = false;
    for (struct rfi_map_entry *at = rfi_map_next(found->entries, NULL); at != NULL;
         at = rfi_map_next(found->entries, at)) {
        struct rfi_found_entry *entry = rfi_map_value(at);
        if (entry->source != source || entry->listed_round == found->round)
            continue;
        if (++entry->missed < RFI_FOUND_MISSED_MAX)
            continue;
        (void)rfi_map_remove_bytes(found->entries, rfi_map_key(at), rfi_map_key_size(at));
        free(entry);
        is_changed = true;
    }
    return is_changed;
}

rf_err rfi_found_merge(struct rfi_found *found, size_t source, const char *body, size_t size,
                       bool *out_is_changed, rf_diag *out_diag)
{
    struct rfi_json_doc *doc = NULL;
    rf_err err = rfi_json_doc_parse(body, size, RFI_JSON_STRICT, NULL, NULL, &doc, out_diag);
    if (err != RF_OK)
        return err;
    const struct rfi_json *root = rfi_json_root(doc);
    if (root->type != RFI_JSON_ARRAY) {
        err = rfi_json_error(doc, root, false, RF_EFORMAT, out_diag,
                             "a list of networks is an array, not %s",
                             rfi_json_type_name(root->type));
        goto out;
    }
    bool is_changed = false;
    found->round++;
    for (const struct rfi_json *item = root->first; item != NULL; item = item->next) {
        struct rfi_found_entry entry;
        if (!read_item(item, &entry))
            continue;
        entry.source = source;
        read_capabilities(doc, item, entry.capabilities, sizeof entry.capabilities);
        bool is_own = strcmp(entry.network_id, found->own_network_id) == 0 &&
                      strcmp(entry.instance_id, found->own_instance_id) == 0;
        if (!is_own && put(found, &entry))
            is_changed = true;
    }
    if (drop_missed(found, source))
        is_changed = true;
    *out_is_changed = is_changed;
out:
    rfi_json_doc_free(doc);
    return err;
}

struct rfi_found_entry *rfi_found_copy(const struct rfi_found *found, size_t *out_count)
{
    size_t count = rfi_map_count(found->entries);
    *out_count = 0;
    if (count == 0)
        return NULL;
    struct rfi_found_entry *copy = calloc(count, sizeof *copy);
    if (copy == NULL)
        return NULL;
    for (struct rfi_map_entry *at = rfi_map_next(found->entries, NULL); at != NULL;
         at = rfi_map_next(found->entries, at)) {
        const struct rfi_found_entry *entry = rfi_map_value(at);
        copy[(*out_count)++] = *entry;
    }
    return copy;
}
