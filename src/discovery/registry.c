/* SPDX-License-Identifier: MIT */
/* The table behind POST /register and GET /networks. One mutex; any thread. An entry is made of one
 * allocation each for its texts and lives until its time is over, it is removed, or the registry goes.
 *
 * Entries stand in the order of their first registration, and a refresh keeps the place, so that two
 * readers see the same list. Entries whose time is over are left out at once and swept when a
 * registration comes, at most once a second or when a limit is hit.
 * The registry calls nobody and dials nobody: an endpoint is text that others may dial. */
#include "discovery/registry.h"

#include "core/base/clock.h"
#include "core/base/diag.h"
#include "core/base/json_doc.h"
#include "core/base/map.h"
#include "discovery/hostport.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_BYTES_MAX = 8192, CAPABILITIES_MAX = 64, NAME_SIZE = 129, SWEEP_MS = 1000 };

struct entry {
    char network_id[NAME_SIZE], instance_id[NAME_SIZE];
    char endpoint[RFI_ENDPOINT_TEXT_SIZE];
    char caller_host[64];
    char *capabilities; /* JSON array */
    char *extra;        /* `,"key":value…` as it came, or "" */
    uint64_t expires_ms, seen_wall_ns;
};

struct rfi_registry {
    struct rfi_registry_options options;
    pthread_mutex_t lock;
    struct rfi_map *entries; /* key_of -> struct entry */
    uint64_t swept_ms;
};

struct key {
    char bytes[2 * NAME_SIZE];
    size_t size;
};

/* network_id NUL instance_id: NUL is in no name. */
static struct key key_of(const char *network_id, const char *instance_id)
{
    struct key key;
    int size = snprintf(key.bytes, sizeof key.bytes, "%s%c%s", network_id, '\0', instance_id);
    key.size = size > 0 ? (size_t)size : 0;
    return key;
}

static void entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    free(entry->capabilities);
    free(entry->extra);
    free(entry);
}

struct rfi_registry *rfi_registry_new(const struct rfi_registry_options *options)
{
    struct rfi_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL)
        return NULL;
    registry->options = *options;
    registry->entries = rfi_map_new();
    if (registry->entries == NULL) {
        free(registry);
        return NULL;
    }
    (void)pthread_mutex_init(&registry->lock, NULL);
    return registry;
}

void rfi_registry_free(struct rfi_registry *registry)
{
    if (registry == NULL)
        return;
    for (struct rfi_map_entry *at = rfi_map_next(registry->entries, NULL); at != NULL;
         at = rfi_map_next(registry->entries, at))
        entry_free(rfi_map_value(at));
    rfi_map_free(registry->entries);
    (void)pthread_mutex_destroy(&registry->lock);
    free(registry);
}

uint32_t rfi_registry_ttl_ms(const struct rfi_registry *registry)
{
    return registry->options.ttl_ms;
}

/* ---- reading a registration ---- */

static rf_err read_name(const struct rfi_json_doc *doc, const char *key, char out[NAME_SIZE],
                        rf_diag *out_diag)
{
    const struct rfi_json *root = rfi_json_root(doc);
    const struct rfi_json *node = rfi_json_get(root, key);
    if (node == NULL)
        return rfi_json_error(doc, root, false, RF_EFORMAT, out_diag, "\"%s\" is missing", key);
    if (node->type != RFI_JSON_STRING)
        return rfi_json_error(doc, node, false, RF_EFORMAT, out_diag,
                              "\"%s\" must be a string, not %s", key,
                              rfi_json_type_name(node->type));
    if (!rfi_name_is_valid(node->text, node->text_size))
        return rfi_json_error(doc, node, false, RF_EFORMAT, out_diag,
                              "\"%s\" is not a name: 1 to 128 of A-Z a-z 0-9 . _ : / -", key);
    memcpy(out, node->text, node->text_size + 1);
    return RF_OK;
}

static rf_err read_endpoint(const struct rfi_json_doc *doc, const char *caller_host,
                            char out[RFI_ENDPOINT_TEXT_SIZE], rf_diag *out_diag)
{
    const struct rfi_json *root = rfi_json_root(doc);
    const struct rfi_json *node = rfi_json_get(root, "endpoint");
    struct rfi_hostport at;
    if (node == NULL)
        return rfi_json_error(doc, root, false, RF_EFORMAT, out_diag, "\"endpoint\" is missing");
    if (node->type != RFI_JSON_STRING || strlen(node->text) != node->text_size ||
        !rfi_hostport_parse(node->text, &at))
        return rfi_json_error(doc, node, false, RF_EFORMAT, out_diag,
                              "\"endpoint\" must be \"host:port\" with a port of 1 to 65535");
    if (rfi_hostport_is_wildcard(&at))
        (void)snprintf(at.host, sizeof at.host, "%s", caller_host);
    rfi_hostport_format(&at, out);
    return RF_OK;
}

static rf_err read_capabilities(const struct rfi_json_doc *doc, char **out, rf_diag *out_diag)
{
    const struct rfi_json *node = rfi_json_get(rfi_json_root(doc), "capabilities");
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    if (node != NULL) {
        bool is_list = node->type == RFI_JSON_ARRAY && node->count <= CAPABILITIES_MAX;
        for (const struct rfi_json *item = node->first; is_list && item != NULL; item = item->next)
            is_list = item->type == RFI_JSON_STRING && item->text_size <= 64;
        if (!is_list)
            return rfi_json_error(doc, node, false, RF_EFORMAT, out_diag,
                                  "\"capabilities\" must be at most %d short strings",
                                  (int)CAPABILITIES_MAX);
        rfi_buf_append(&buf, rfi_json_doc_text(doc) + node->start, node->end - node->start);
    } else {
        rfi_buf_append_text(&buf, "[]");
    }
    *out = rfi_buf_take_text(&buf, NULL);
    return *out != NULL ? RF_OK : RF_ENOMEM;
}

static bool is_own_member(const char *key)
{
    static const char *const names[] = {"network_id",   "instance_id", "endpoint",
                                        "capabilities", "last_seen",   "connected"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(key, names[i]) == 0)
            return true;
    }
    return false;
}

static rf_err read_extra(const struct rfi_json_doc *doc, char **out)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    for (const struct rfi_json *node = rfi_json_root(doc)->first; node != NULL; node = node->next) {
        if (is_own_member(node->key))
            continue;
        rfi_buf_append_byte(&buf, ',');
        rfi_json_write_string(&buf, node->key, node->key_size);
        rfi_buf_append_byte(&buf, ':');
        rfi_buf_append(&buf, rfi_json_doc_text(doc) + node->start, node->end - node->start);
    }
    *out = rfi_buf_take_text(&buf, NULL);
    return *out != NULL ? RF_OK : RF_ENOMEM;
}

static rf_err entry_read(const char *body, size_t size, const char *caller_host,
                         struct entry **out_entry, rf_diag *out_diag)
{
    static const struct rfi_json_limits limits = {.depth_max = 16, .nodes_max = 1024};
    struct rfi_json_doc *doc = NULL;
    struct entry *entry = NULL;
    rf_err err = rfi_json_doc_parse(body, size, RFI_JSON_STRICT, &limits, NULL, &doc, out_diag);
    if (err == RF_ELIMIT)
        err = RF_EFORMAT; /* too deep is a bad text; RF_ELIMIT says that the table is full */
    if (err != RF_OK)
        goto out;
    const struct rfi_json *root = rfi_json_root(doc);
    if (root->type != RFI_JSON_OBJECT) {
        (void)rfi_json_error(doc, root, false, RF_EFORMAT, out_diag,
                             "a registration is an object, not %s", rfi_json_type_name(root->type));
        err = RF_EFORMAT;
        goto out;
    }
    entry = calloc(1, sizeof *entry);
    err = entry == NULL ? RF_ENOMEM : RF_OK;
    if (err == RF_OK)
        err = read_name(doc, "network_id", entry->network_id, out_diag);
    if (err == RF_OK)
        err = read_name(doc, "instance_id", entry->instance_id, out_diag);
    if (err == RF_OK)
        err = read_endpoint(doc, caller_host, entry->endpoint, out_diag);
    if (err == RF_OK)
        err = read_capabilities(doc, &entry->capabilities, out_diag);
    if (err == RF_OK)
        err = read_extra(doc, &entry->extra);
    if (err != RF_OK)
        goto out;
    (void)snprintf(entry->caller_host, sizeof entry->caller_host, "%s", caller_host);
    *out_entry = entry;
    entry = NULL;
out:
    entry_free(entry);
    rfi_json_doc_free(doc);
    return err;
}

/* ---- the table ---- */

static void sweep_locked(struct rfi_registry *registry, uint64_t now_ms)
{
    registry->swept_ms = now_ms;
    for (struct rfi_map_entry *at = rfi_map_next(registry->entries, NULL); at != NULL;
         at = rfi_map_next(registry->entries, at)) {
        struct entry *entry = rfi_map_value(at);
        if (entry->expires_ms > now_ms)
            continue;
        (void)rfi_map_remove_bytes(registry->entries, rfi_map_key(at), rfi_map_key_size(at));
        entry_free(entry);
    }
}

static rf_err check_limits_locked(struct rfi_registry *registry, const char *caller_host,
                                  uint64_t now_ms, rf_diag *out_diag)
{
    uint32_t all = 0;
    uint32_t same_address = 0;
    for (struct rfi_map_entry *at = rfi_map_next(registry->entries, NULL); at != NULL;
         at = rfi_map_next(registry->entries, at)) {
        const struct entry *entry = rfi_map_value(at);
        if (entry->expires_ms <= now_ms)
            continue;
        all++;
        same_address += rfi_host_is_same(entry->caller_host, caller_host) ? 1 : 0;
    }
    if (all >= registry->options.entries_max)
        return rfi_diag_set(out_diag, RF_ELIMIT, "the registry is full (%u entries)", all);
    if (same_address >= registry->options.entries_per_address_max)
        return rfi_diag_set(out_diag, RF_ELIMIT, "%u entries came from this address already",
                            same_address);
    return RF_OK;
}

static void entry_refresh(struct entry *entry, struct entry *fresh)
{
    char *capabilities = entry->capabilities;
    char *extra = entry->extra;
    *entry = *fresh;
    fresh->capabilities = capabilities;
    fresh->extra = extra;
}

static rf_err put_locked(struct rfi_registry *registry, struct entry **fresh, uint64_t now_ms,
                         rf_diag *out_diag)
{
    struct key key = key_of((*fresh)->network_id, (*fresh)->instance_id);
    struct entry *old = rfi_map_get_bytes(registry->entries, key.bytes, key.size);
    if (old != NULL && old->expires_ms > now_ms) {
        if (!rfi_host_is_same(old->caller_host, (*fresh)->caller_host))
            return rfi_diag_set(out_diag, RF_EEXISTS,
                                "network \"%s\", instance \"%s\" is registered from another "
                                "address",
                                old->network_id, old->instance_id);
        entry_refresh(old, *fresh);
        return RF_OK;
    }
    rf_err err = check_limits_locked(registry, (*fresh)->caller_host, now_ms, out_diag);
    if (err != RF_OK)
        return err;
    if (old != NULL) { /* its time was over: it goes to the end of the list */
        (void)rfi_map_remove_bytes(registry->entries, key.bytes, key.size);
        entry_free(old);
    }
    if (rfi_map_count(registry->entries) >= registry->options.entries_max)
        sweep_locked(registry, now_ms);
    err = rfi_map_add_bytes(registry->entries, key.bytes, key.size, *fresh);
    if (err == RF_OK)
        *fresh = NULL;
    return err;
}

rf_err rfi_registry_register(struct rfi_registry *registry, const char *body, size_t size,
                             const char *caller_host, uint64_t now_ms, uint64_t wall_ns,
                             rf_diag *out_diag)
{
    struct entry *entry = NULL;
    if (size > BODY_BYTES_MAX)
        return rfi_diag_set(out_diag, RF_ELIMIT, "a registration is at most %d bytes",
                            (int)BODY_BYTES_MAX);
    rf_err err = entry_read(body, size, caller_host, &entry, out_diag);
    if (err != RF_OK)
        return err;
    entry->expires_ms = now_ms + registry->options.ttl_ms;
    entry->seen_wall_ns = wall_ns;
    (void)pthread_mutex_lock(&registry->lock);
    if (now_ms - registry->swept_ms >= SWEEP_MS)
        sweep_locked(registry, now_ms);
    err = put_locked(registry, &entry, now_ms, out_diag);
    (void)pthread_mutex_unlock(&registry->lock);
    entry_free(entry);
    return err;
}

rf_err rfi_registry_remove(struct rfi_registry *registry, const char *network_id,
                           const char *instance_id, const char *caller_host, uint64_t now_ms)
{
    bool is_found = false;
    bool is_removed = false;
    (void)pthread_mutex_lock(&registry->lock);
    for (struct rfi_map_entry *at = rfi_map_next(registry->entries, NULL); at != NULL;
         at = rfi_map_next(registry->entries, at)) {
        struct entry *entry = rfi_map_value(at);
        bool is_meant = entry->expires_ms > now_ms && strcmp(entry->network_id, network_id) == 0 &&
                        (instance_id == NULL || strcmp(entry->instance_id, instance_id) == 0);
        is_found = is_found || is_meant;
        if (is_meant &&
            (caller_host == NULL || rfi_host_is_same(entry->caller_host, caller_host))) {
            (void)rfi_map_remove_bytes(registry->entries, rfi_map_key(at), rfi_map_key_size(at));
            entry_free(entry);
            is_removed = true;
        }
    }
    (void)pthread_mutex_unlock(&registry->lock);
    if (is_removed)
        return RF_OK;
    return is_found ? RF_EAUTH : RF_ENONETWORK;
}

static void write_entry(const struct entry *entry, const struct rfi_map *connected,
                        struct rfi_json_writer *w)
{
    char last_seen[RFI_TIMESTAMP_SIZE];
    rfi_timestamp_format(entry->seen_wall_ns, last_seen);
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_string(w, "network_id", entry->network_id);
    rfi_jsonw_kv_string(w, "instance_id", entry->instance_id);
    rfi_jsonw_kv_string(w, "endpoint", entry->endpoint);
    rfi_jsonw_key(w, "capabilities");
    rfi_jsonw_raw(w, entry->capabilities, strlen(entry->capabilities));
    rfi_jsonw_kv_string(w, "last_seen", last_seen);
    if (connected != NULL)
        rfi_jsonw_kv_bool(w, "connected", rfi_map_get(connected, entry->network_id) != NULL);
    rfi_buf_append_text(w->buf, entry->extra); /* brings its commas */
    rfi_jsonw_end_object(w);
}

void rfi_registry_write_connected(struct rfi_registry *registry, uint64_t now_ms,
                                  const struct rfi_map *connected, struct rfi_json_writer *w)
{
    rfi_jsonw_begin_array(w);
    (void)pthread_mutex_lock(&registry->lock);
    for (struct rfi_map_entry *at = rfi_map_next(registry->entries, NULL); at != NULL;
         at = rfi_map_next(registry->entries, at)) {
        const struct entry *entry = rfi_map_value(at);
        if (entry->expires_ms > now_ms)
            write_entry(entry, connected, w);
    }
    (void)pthread_mutex_unlock(&registry->lock);
    rfi_jsonw_end_array(w);
}

void rfi_registry_write(struct rfi_registry *registry, uint64_t now_ms, struct rfi_json_writer *w)
{
    rfi_registry_write_connected(registry, now_ms, NULL, w);
}

size_t rfi_registry_count(struct rfi_registry *registry, uint64_t now_ms)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&registry->lock);
    for (struct rfi_map_entry *at = rfi_map_next(registry->entries, NULL); at != NULL;
         at = rfi_map_next(registry->entries, at)) {
        const struct entry *entry = rfi_map_value(at);
        count += entry->expires_ms > now_ms ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&registry->lock);
    return count;
}
