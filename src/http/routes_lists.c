/* SPDX-License-Identifier: MIT */
/* GET /actors, /components and /connections: what the local network is made of.
 *
 * A network may hold millions of actors, so a page is picked while walking over them: a heap keeps the
 * `limit` + 1 smallest ids behind `after`, and nothing else is copied. Pages go by id, not by place, so that
 * actors that come and go between two pages make no gaps among the others.
 * The visitors run under the network's lock and only copy or write into their own buffer. */
#include "http/routes_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACTORS_DEFAULT = 100,
    ACTORS_MAX = 1000,
    CONNECTIONS_DEFAULT = 1000,
    CONNECTIONS_MAX = 10000
};

/* Reads ?key=N of 0..max; answers 400 and returns false when it is something else. */
static bool read_count(struct rfi_http_request *request, const char *key, uint64_t fallback,
                       uint64_t min, uint64_t max, uint64_t *out)
{
    const char *text = rfi_http_query(request, key);
    *out = fallback;
    if (text == NULL)
        return true;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min ||
        value > max) {
        rfi_http_answer_status(request, 400, "%s must be a number from %llu to %llu", key,
                               (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = value;
    return true;
}

/* ---- GET /actors ---- */

struct page_item {
    char *id, *component, *state;
    rf_actor_info info; /* its texts are the copies above */
};

struct page {
    const char *after, *prefix;
    size_t prefix_size;
    size_t max;             /* one more than the page, to see whether another follows */
    struct page_item *heap; /* the largest id is first */
    size_t count;
    bool is_failed;
};

static void item_fini(struct page_item *item)
{
    free(item->id);
    free(item->component);
    free(item->state);
}

static void swap_items(struct page_item *a, struct page_item *b)
{
    struct page_item held = *a;
    *a = *b;
    *b = held;
}

static void sift_up(struct page_item *heap, size_t at)
{
    while (at > 0 && strcmp(heap[(at - 1) / 2].id, heap[at].id) < 0) {
        swap_items(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct page_item *heap, size_t count)
{
    size_t at = 0;
    for (;;) {
        size_t largest = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            if (strcmp(heap[child].id, heap[largest].id) > 0)
                largest = child;
        }
        if (largest == at)
            return;
        swap_items(&heap[at], &heap[largest]);
        at = largest;
    }
}

static bool item_init(struct page_item *item, const rf_actor_info *info)
{
    item->info = *info;
    item->id = strdup(info->id);
    item->component = strdup(info->component != NULL ? info->component : "");
    item->state = strdup(info->state != NULL ? info->state : "");
    item->info.id = item->id;
    item->info.component = item->component;
    item->info.state = item->state;
    if (item->id != NULL && item->component != NULL && item->state != NULL)
        return true;
    item_fini(item);
    return false;
}

static bool offer_actor(void *user, const rf_actor_info *info)
{
    struct page *page = user;
    if (strncmp(info->id, page->prefix, page->prefix_size) != 0 ||
        (page->after != NULL && strcmp(info->id, page->after) <= 0))
        return true;
    bool is_full = page->count == page->max;
    if (is_full && strcmp(info->id, page->heap[0].id) >= 0)
        return true;
    struct page_item item;
    if (!item_init(&item, info)) {
        page->is_failed = true;
        return false;
    }
    if (is_full) {
        item_fini(&page->heap[0]);
        page->heap[0] = item;
        sift_down(page->heap, page->count);
    } else {
        page->heap[page->count] = item;
        sift_up(page->heap, page->count++);
    }
    return true;
}

static int compare_items(const void *a, const void *b)
{
    const struct page_item *left = a;
    const struct page_item *right = b;
    return strcmp(left->id, right->id);
}

static void write_actor(struct rfi_json_writer *w, const rf_actor_info *info)
{
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_string(w, "id", info->id);
    rfi_jsonw_kv_string(w, "component", info->component);
    rfi_jsonw_kv_string(w, "state", info->state);
    rfi_jsonw_kv_bool(w, "remote", info->is_remote);
    rfi_jsonw_kv_uint(w, "queue_length", info->queue_length);
    rfi_jsonw_kv_uint(w, "received", info->received_count);
    rfi_jsonw_kv_uint(w, "emitted", info->emitted_count);
    rfi_jsonw_kv_uint(w, "failed", info->failed_count);
    rfi_jsonw_kv_uint(w, "restarts", info->restart_count);
    rfi_jsonw_kv_uint(w, "dropped", info->dropped_count);
    rfi_jsonw_end_object(w);
}

static void answer_page(struct rfi_http_request *request, struct page *page)
{
    struct rfi_buf body;
    struct rfi_json_writer w;
    size_t shown = page->count < page->max ? page->count : page->max - 1;
    qsort(page->heap, page->count, sizeof *page->heap, compare_items);
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_key(&w, "actors");
    rfi_jsonw_begin_array(&w);
    for (size_t i = 0; i < shown; i++)
        write_actor(&w, &page->heap[i].info);
    rfi_jsonw_end_array(&w);
    rfi_jsonw_kv_string(&w, "next", page->count > shown ? page->heap[shown - 1].id : NULL);
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, 200, &body);
}

void rfi_route_actors(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    uint64_t limit = 0;
    if (!read_count(request, "limit", ACTORS_DEFAULT, 1, ACTORS_MAX, &limit))
        return;
    struct page page = {.after = rfi_http_query(request, "after"),
                        .prefix = rfi_http_query(request, "prefix"),
                        .max = (size_t)limit + 1};
    if (page.prefix == NULL)
        page.prefix = "";
    page.prefix_size = strlen(page.prefix);
    page.heap = calloc(page.max, sizeof *page.heap);
    page.is_failed = page.heap == NULL;
    if (!page.is_failed)
        rf_network_each_actor(view->network, offer_actor, &page);
    if (page.is_failed)
        rfi_http_answer_error(request, RF_ENOMEM, "out of memory");
    else
        answer_page(request, &page);
    for (size_t i = 0; i < page.count; i++)
        item_fini(&page.heap[i]);
    free(page.heap);
}

/* ---- GET /components ---- */

static void write_ports(struct rfi_json_writer *w, const char *key, const rf_port_def *ports,
                        size_t count)
{
    rfi_jsonw_key(w, key);
    rfi_jsonw_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        rfi_jsonw_begin_object(w);
        rfi_jsonw_kv_string(w, "name", ports[i].name);
        rfi_jsonw_kv_string(w, "alias", ports[i].alias);
        rfi_jsonw_kv_string(w, "summary", ports[i].summary);
        rfi_jsonw_end_object(w);
    }
    rfi_jsonw_end_array(w);
}

static void write_keys(struct rfi_json_writer *w, const rf_component *component)
{
    rfi_jsonw_key(w, "keys");
    rfi_jsonw_begin_array(w);
    for (size_t i = 0; i < component->key_count; i++) {
        const rf_key_def *key = &component->keys[i];
        const char *value = key->default_value;
        size_t offset = 0;
        rfi_jsonw_begin_object(w);
        rfi_jsonw_kv_string(w, "name", key->name);
        rfi_jsonw_kv_string(w, "type", key->type);
        rfi_jsonw_key(w, "default");
        if (value != NULL && rfi_json_check(value, strlen(value), 0, &offset) == RF_OK)
            rfi_jsonw_raw(w, value, strlen(value));
        else
            rfi_jsonw_string(w, value); /* null, or a text that is no JSON */
        rfi_jsonw_kv_bool(w, "required", key->is_required);
        rfi_jsonw_kv_string(w, "summary", key->summary);
        rfi_jsonw_end_object(w);
    }
    rfi_jsonw_end_array(w);
}

static const char *firing_name(rf_firing firing)
{
    switch (firing) {
    case RF_FIRE_ANY:
        return "any";
    case RF_FIRE_ALL:
        return "all";
    case RF_FIRE_SUBSET:
        return "subset";
    }
    return "any";
}

static bool write_component(void *user, const rf_component *component)
{
    struct rfi_json_writer *w = user;
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_string(w, "name", component->name);
    rfi_jsonw_kv_string(w, "summary", component->summary);
    rfi_jsonw_kv_string(w, "firing", firing_name(component->firing));
    write_ports(w, "inports", component->inports, component->inport_count);
    write_ports(w, "outports", component->outports, component->outport_count);
    write_keys(w, component);
    rfi_jsonw_end_object(w);
    return true;
}

void rfi_route_components(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    struct rfi_buf body;
    struct rfi_json_writer w;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_key(&w, "components");
    rfi_jsonw_begin_array(&w);
    rf_network_each_component(view->network, write_component, &w);
    rfi_jsonw_end_array(&w);
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, 200, &body);
}

/* ---- GET /connections ---- */

struct connection_list {
    struct rfi_json_writer *w;
    uint64_t index, first, limit;
    bool has_more;
};

static bool write_connection(void *user, const rf_connection_info *info)
{
    struct connection_list *list = user;
    if (list->index++ < list->first)
        return true;
    list->has_more = list->index > list->first + list->limit;
    if (list->has_more)
        return false;
    rfi_jsonw_begin_object(list->w);
    rfi_jsonw_kv_string(list->w, "from_actor", info->from_actor);
    rfi_jsonw_kv_string(list->w, "from_port", info->from_port);
    rfi_jsonw_kv_string(list->w, "to_actor", info->to_actor);
    rfi_jsonw_kv_string(list->w, "to_port", info->to_port);
    rfi_jsonw_end_object(list->w);
    return true;
}

void rfi_route_connections(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    struct rfi_buf body;
    struct rfi_json_writer w;
    struct connection_list list = {.w = &w};
    if (!read_count(request, "limit", CONNECTIONS_DEFAULT, 1, CONNECTIONS_MAX, &list.limit) ||
        !read_count(request, "after", 0, 0, UINT32_MAX, &list.first))
        return;
    rfi_buf_init(&body);
    rfi_jsonw_init(&w, &body);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_key(&w, "connections");
    rfi_jsonw_begin_array(&w);
    rf_network_each_connection(view->network, write_connection, &list);
    rfi_jsonw_end_array(&w);
    rfi_jsonw_key(&w, "next");
    if (list.has_more)
        rfi_jsonw_uint(&w, list.first + list.limit);
    else
        rfi_jsonw_null(&w);
    rfi_jsonw_end_object(&w);
    rfi_route_answer_json(request, 200, &body);
}
