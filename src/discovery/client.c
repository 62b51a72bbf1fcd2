/* SPDX-License-Identifier: MIT */
/* The DiscoveryService as others see it: life cycle, and reading what was found. The thread that talks
 * to the registries is in transfers.c; it alone touches libcurl handles while it runs.
 * The table and each registry's state are under one mutex, held for copies only: visitors
 * and on_changed run without it.
 * A registry's URL may hold a password; only the form without it is shown or logged. */
#include "discovery/client_internal.h"

#include "core/base/clock.h"
#include "net/handshake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state;

static void init_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void append_escaped(struct rfi_buf *buf, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || strchr("-._~", c) != NULL;
        if (is_plain)
            rfi_buf_append_byte(buf, c);
        else
            rfi_buf_printf(buf, "%%%02X", c);
    }
}

/* Cuts "user:password@" out. */
static char *redact(const char *url, size_t size)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    const char *host = strstr(url, "://") + 3;
    size_t authority = strcspn(host, "/?#");
    for (size_t i = authority; i > 0; i--) {
        if (host[i - 1] != '@')
            continue;
        rfi_buf_append(&buf, url, (size_t)(host - url));
        rfi_buf_append(&buf, host + i, size - (size_t)(host - url) - i);
        return rfi_buf_take_text(&buf, NULL);
    }
    rfi_buf_append(&buf, url, size);
    return rfi_buf_take_text(&buf, NULL);
}

static char *join(const char *url, size_t size, const char *rest)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_buf_append(&buf, url, size);
    rfi_buf_append_text(&buf, rest);
    return rfi_buf_take_text(&buf, NULL);
}

static rf_err peer_init(struct rfi_registry_peer *peer, struct rfi_discovery *discovery,
                        const char *url, const char *removal)
{
    size_t size = strlen(url);
    peer->discovery = discovery;
    rfi_buf_init(&peer->reply);
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return RF_EINVAL;
    while (size > 0 && url[size - 1] == '/')
        size--;
    if (strstr(url, "://") + 3 >= url + size)
        return RF_EINVAL;
    peer->register_url = join(url, size, "/register");
    peer->networks_url = join(url, size, "/networks");
    peer->remove_url = join(url, size, removal);
    peer->shown_url = redact(url, size);
    peer->easy = curl_easy_init();
    if (peer->register_url == NULL || peer->networks_url == NULL || peer->remove_url == NULL ||
        peer->shown_url == NULL || peer->easy == NULL)
        return RF_ENOMEM;
    return RF_OK;
}

static rf_err make_body(struct rfi_discovery *discovery,
                        const struct rfi_discovery_options *options)
{
    struct rfi_buf buf;
    struct rfi_json_writer w;
    rfi_buf_init(&buf);
    rfi_jsonw_init(&w, &buf);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_string(&w, "network_id", options->network_id);
    rfi_jsonw_kv_string(&w, "instance_id", options->instance_id);
    rfi_jsonw_kv_string(&w, "endpoint", options->endpoint);
    rfi_jsonw_key(&w, "capabilities");
    rfi_jsonw_begin_array(&w);
    rfi_jsonw_string(&w, RFI_CAPABILITY_ACTORS);
    rfi_jsonw_string(&w, RFI_CAPABILITY_NATIVE);
    rfi_jsonw_end_array(&w);
    rfi_jsonw_end_object(&w);
    discovery->body = rfi_buf_take_text(&buf, &discovery->body_size);
    return discovery->body != NULL ? RF_OK : RF_ENOMEM;
}

static rf_err make_peers(struct rfi_discovery *discovery,
                         const struct rfi_discovery_options *options)
{
    struct rfi_buf removal;
    rfi_buf_init(&removal);
    rfi_buf_append_text(&removal, "/networks/");
    append_escaped(&removal, options->network_id);
    rfi_buf_append_text(&removal, "?instance_id=");
    append_escaped(&removal, options->instance_id);
    char *text = rfi_buf_take_text(&removal, NULL);
    if (text == NULL)
        return RF_ENOMEM;
    rf_err err = RF_OK;
    if (options->url_count > 0) {
        discovery->peers = calloc(options->url_count, sizeof *discovery->peers);
        err = discovery->peers != NULL ? RF_OK : RF_ENOMEM;
    }
    for (size_t i = 0; err == RF_OK && i < options->url_count; i++) {
        struct rfi_registry_peer *peer = &discovery->peers[i];
        peer->index = i;
        discovery->peer_count++;
        err = peer_init(peer, discovery, options->urls[i], text);
    }
    free(text);
    return err;
}

rf_err rfi_discovery_new(const struct rfi_discovery_options *options, struct rfi_discovery **out)
{
    if (pthread_once(&curl_once, init_curl) != 0 || curl_state != CURLE_OK)
        return RF_ESYS;
    struct rfi_discovery *discovery = calloc(1, sizeof *discovery);
    if (discovery == NULL)
        return RF_ENOMEM;
    (void)pthread_mutex_init(&discovery->lock, NULL);
    discovery->refresh_ms = options->refresh_ms != 0 ? options->refresh_ms : 1000;
    discovery->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : 1000;
    discovery->on_changed = options->on_changed;
    discovery->user = options->user;
    discovery->multi = curl_multi_init();
    discovery->headers = curl_slist_append(NULL, "Content-Type: application/json");
    rf_err err = discovery->multi != NULL && discovery->headers != NULL ? RF_OK : RF_ENOMEM;
    if (err == RF_OK && getrandom(&discovery->random, sizeof discovery->random, 0) !=
                            (ssize_t)sizeof discovery->random)
        err = RF_ESYS;
    discovery->random |= 1;
    if (err == RF_OK)
        err = rfi_found_init(&discovery->found, options->network_id, options->instance_id);
    if (err == RF_OK)
        err = make_body(discovery, options);
    if (err == RF_OK)
        err = make_peers(discovery, options);
    if (err != RF_OK) {
        rfi_discovery_free(discovery);
        return err;
    }
    *out = discovery;
    return RF_OK;
}

rf_err rfi_discovery_start(struct rfi_discovery *discovery)
{
    rf_err err = RF_OK;
    (void)pthread_mutex_lock(&discovery->lock);
    if (discovery->is_started || discovery->is_stopping)
        err = RF_ESTATE;
    else if (pthread_create(&discovery->thread, NULL, rfi_discovery_main, discovery) != 0)
        err = RF_ESYS;
    else
        discovery->is_started = true;
    (void)pthread_mutex_unlock(&discovery->lock);
    return err;
}

void rfi_discovery_stop(struct rfi_discovery *discovery)
{
    (void)pthread_mutex_lock(&discovery->lock);
    bool must_join = discovery->is_started && !discovery->is_stopping;
    discovery->is_stopping = true;
    (void)pthread_mutex_unlock(&discovery->lock);
    if (!must_join)
        return;
    (void)curl_multi_wakeup(discovery->multi);
    (void)pthread_join(discovery->thread, NULL);
}

void rfi_discovery_free(struct rfi_discovery *discovery)
{
    if (discovery == NULL)
        return;
    rfi_discovery_stop(discovery);
    for (size_t i = 0; i < discovery->peer_count; i++) {
        struct rfi_registry_peer *peer = &discovery->peers[i];
        curl_easy_cleanup(peer->easy);
        rfi_buf_fini(&peer->reply);
        free(peer->register_url);
        free(peer->networks_url);
        free(peer->remove_url);
        free(peer->shown_url);
    }
    free(discovery->peers);
    if (discovery->multi != NULL)
        (void)curl_multi_cleanup(discovery->multi);
    curl_slist_free_all(discovery->headers);
    rfi_found_fini(&discovery->found);
    free(discovery->body);
    (void)pthread_mutex_destroy(&discovery->lock);
    free(discovery);
}

void rfi_discovery_refresh(struct rfi_discovery *discovery)
{
    (void)pthread_mutex_lock(&discovery->lock);
    discovery->is_refresh_wanted = true;
    (void)pthread_mutex_unlock(&discovery->lock);
    (void)curl_multi_wakeup(discovery->multi);
}

static struct rfi_found_entry *copy_found(struct rfi_discovery *discovery, size_t *out_count)
{
    (void)pthread_mutex_lock(&discovery->lock);
    struct rfi_found_entry *entries = rfi_found_copy(&discovery->found, out_count);
    (void)pthread_mutex_unlock(&discovery->lock);
    return entries;
}

static int compare_newest_first(const void *a, const void *b)
{
    const struct rfi_found_entry *left = a;
    const struct rfi_found_entry *right = b;
    if (left->seen_wall_ns != right->seen_wall_ns)
        return left->seen_wall_ns > right->seen_wall_ns ? -1 : 1;
    return strcmp(left->instance_id, right->instance_id);
}

size_t rfi_discovery_find(struct rfi_discovery *discovery, const char *network_id, char (*out)[320],
                          size_t max)
{
    size_t count = 0;
    size_t found_count = 0;
    struct rfi_found_entry *entries = copy_found(discovery, &count);
    if (count > 1)
        qsort(entries, count, sizeof *entries, compare_newest_first);
    for (size_t i = 0; i < count && found_count < max; i++) {
        if (strcmp(entries[i].network_id, network_id) != 0)
            continue;
        (void)snprintf(out[found_count++], sizeof out[0], "%s", entries[i].endpoint);
    }
    free(entries);
    return found_count;
}

void rfi_discovery_each(struct rfi_discovery *discovery,
                        bool (*visit)(void *user, const rf_network_info *info), void *user)
{
    size_t count = 0;
    struct rfi_found_entry *entries = copy_found(discovery, &count);
    bool is_going = true;
    for (size_t i = 0; i < count && is_going; i++) {
        char last_seen[RFI_TIMESTAMP_SIZE];
        rfi_timestamp_format(entries[i].seen_wall_ns, last_seen);
        rf_network_info info = {.network_id = entries[i].network_id,
                                .instance_id = entries[i].instance_id,
                                .endpoint = entries[i].endpoint,
                                .last_seen = last_seen,
                                .capabilities = entries[i].capabilities};
        is_going = visit(user, &info);
    }
    free(entries);
}

static void write_time(struct rfi_json_writer *w, const char *key, uint64_t wall_ns)
{
    char text[RFI_TIMESTAMP_SIZE];
    if (wall_ns != 0)
        rfi_timestamp_format(wall_ns, text);
    rfi_jsonw_kv_string(w, key, wall_ns != 0 ? text : NULL);
}

void rfi_discovery_write_status(struct rfi_discovery *discovery, struct rfi_json_writer *w)
{
    rfi_jsonw_key(w, "discovery");
    rfi_jsonw_begin_array(w);
    (void)pthread_mutex_lock(&discovery->lock);
    for (size_t i = 0; i < discovery->peer_count; i++) {
        const struct rfi_registry_peer *peer = &discovery->peers[i];
        rfi_jsonw_begin_object(w);
        rfi_jsonw_kv_string(w, "url", peer->shown_url);
        rfi_jsonw_kv_string(w, "state", rfi_registry_state_name(peer->state));
        rfi_jsonw_kv_string(w, "last_error", peer->last_error[0] != '\0' ? peer->last_error : NULL);
        write_time(w, "last_try", peer->last_try_wall_ns);
        write_time(w, "last_success", peer->last_ok_wall_ns);
        rfi_jsonw_end_object(w);
    }
    (void)pthread_mutex_unlock(&discovery->lock);
    rfi_jsonw_end_array(w);
}
