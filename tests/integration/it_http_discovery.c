/* SPDX-License-Identifier: MIT */
/* The discovery client against registries in this process: our own server with the real routes of a
 * registry, and a scripted one that is down, silent, wrong, or like the Rust Reflow's. */
#include "core/base/clock.h"
#include "discovery/client.h"
#include "discovery/registry.h"
#include "http/routes_internal.h"
#include "it_http_host.h"

#include <stdatomic.h>
#include <time.h>

/* ---- a node that is a registry ---- */

struct node {
    struct host host;
    struct rfi_http *http;
    struct rfi_registry *registry;
    struct rfi_node_view view;
    char url[64];
};

static const char *node_id(void *node)
{
    (void)node;
    return "reg";
}

static void node_each(void *node, bool (*visit)(void *user, const rf_network_info *), void *user)
{
    (void)node;
    (void)visit;
    (void)user;
}

static void node_client(void *user, int fd, const struct sockaddr *address, socklen_t size)
{
    struct node *node = user;
    rfi_http_add_connection(node->http, fd, address, size);
}

static const struct rfi_http_route node_routes[] = {
    {"POST", "/register", RFI_HTTP_PUBLIC, rfi_route_register},
    {"GET", "/networks", RFI_HTTP_PUBLIC, rfi_route_networks},
    {"DELETE", "/networks/{}", RFI_HTTP_PUBLIC, rfi_route_unregister},
    {NULL, NULL, RFI_HTTP_PUBLIC, NULL},
};

/* The port is bound already. */
static void node_serve(struct node *node)
{
    struct rfi_registry_options entries = {
        .ttl_ms = 60000, .entries_max = 100, .entries_per_address_max = 100};
    struct rfi_http_options options = {.threads = 1,
                                       .connections_max = 64,
                                       .body_bytes_max = 65536,
                                       .idle_timeout_ms = 5000,
                                       .routes = node_routes};
    node->registry = rfi_registry_new(&entries);
    node->view = (struct rfi_node_view){
        .registry = node->registry, .network_id = node_id, .each_network = node_each};
    cr_assert_eq(rfi_http_new(&options, &node->view, &node->http), RF_OK);
    cr_assert_eq(rfi_http_start(node->http), RF_OK);
    host_serve(&node->host, node_client, node);
}

static void node_bind(struct node *node)
{
    memset(node, 0, sizeof *node);
    host_bind(&node->host);
    (void)snprintf(node->url, sizeof node->url, "http://127.0.0.1:%u/", node->host.port);
}

static void node_start(struct node *node)
{
    node_bind(node);
    node_serve(node);
}

static void node_end(struct node *node)
{
    host_end(&node->host);
    rfi_http_free(node->http);
    rfi_registry_free(node->registry);
}

static size_t node_count(struct node *node)
{
    return rfi_registry_count(node->registry, rfi_clock_ms());
}

/* ---- a client and what it tells ---- */

struct watch {
    struct rfi_discovery *discovery;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
};

static void on_changed(void *user)
{
    struct watch *watch = user;
    (void)pthread_mutex_lock(&watch->lock);
    watch->count++;
    (void)pthread_cond_broadcast(&watch->changed);
    (void)pthread_mutex_unlock(&watch->lock);
}

static void watch_start(struct watch *watch, const char *id, const char *const *urls, size_t count,
                        uint32_t refresh_ms)
{
    struct rfi_discovery_options options = {.network_id = id,
                                            .instance_id = "i/1",
                                            .endpoint = "0.0.0.0:7070",
                                            .urls = urls,
                                            .url_count = count,
                                            .refresh_ms = refresh_ms,
                                            .timeout_ms = 2000,
                                            .on_changed = on_changed,
                                            .user = watch};
    memset(watch, 0, sizeof *watch);
    (void)pthread_mutex_init(&watch->lock, NULL);
    (void)pthread_cond_init(&watch->changed, NULL);
    cr_assert_eq(rfi_discovery_new(&options, &watch->discovery), RF_OK);
    cr_assert_eq(rfi_discovery_start(watch->discovery), RF_OK);
}

static size_t watch_find(struct watch *watch, const char *id)
{
    char endpoints[4][320];
    return rfi_discovery_find(watch->discovery, id, endpoints, 4);
}

/* Waits until `id` is known (or not). */
static void watch_wait(struct watch *watch, const char *id, bool is_known)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    (void)pthread_mutex_lock(&watch->lock);
    while ((watch_find(watch, id) > 0) != is_known)
        cr_assert_eq(pthread_cond_timedwait(&watch->changed, &watch->lock, &until), 0, "%s", id);
    (void)pthread_mutex_unlock(&watch->lock);
}

static const char *watch_status(struct watch *watch)
{
    static char text[4096];
    struct rfi_buf buf;
    struct rfi_json_writer w;
    rfi_buf_init(&buf);
    rfi_jsonw_init(&w, &buf);
    rfi_jsonw_begin_object(&w);
    rfi_discovery_write_status(watch->discovery, &w);
    rfi_jsonw_end_object(&w);
    cr_assert_lt(buf.size, sizeof text);
    memcpy(text, buf.data, buf.size);
    text[buf.size] = '\0';
    rfi_buf_fini(&buf);
    return text;
}

static bool is_late(uint64_t until_ms)
{
    return rfi_clock_ms() > until_ms;
}

static void watch_wait_status(struct watch *watch, const char *piece)
{
    uint64_t until_ms = rfi_clock_ms() + 10000;
    while (strstr(watch_status(watch), piece) == NULL) {
        cr_assert_not(is_late(until_ms), "%s", watch_status(watch));
        (void)sched_yield();
    }
}

/* ---- a scripted registry ---- */

struct script {
    struct host host;
    char url[64];
    const char *networks_answer; /* a whole HTTP answer; NULL: never answers */
    char *long_answer;
    atomic_int register_count, list_count, remove_count;
    int silent[16];
    int silent_count;
};

static void script_answer(struct script *script, int fd, const char *request)
{
    const char *answer = "HTTP/1.1 405 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (strncmp(request, "POST /register ", 15) == 0) {
        atomic_fetch_add(&script->register_count, 1);
        answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    } else if (strncmp(request, "GET /networks ", 14) == 0) {
        atomic_fetch_add(&script->list_count, 1);
        answer = script->long_answer != NULL ? script->long_answer : script->networks_answer;
    } else if (strncmp(request, "DELETE /networks/me?instance_id=i%2F1 ", 38) == 0) {
        atomic_fetch_add(&script->remove_count, 1);
    }
    size_t left = strlen(answer);
    while (left > 0) {
        ssize_t sent = send(fd, answer, left, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        answer += sent;
        left -= (size_t)sent;
    }
}

static void script_client(void *user, int fd, const struct sockaddr *address, socklen_t size)
{
    struct script *script = user;
    char request[4096] = "";
    size_t got = 0;
    (void)address;
    (void)size;
    if (script->networks_answer == NULL && script->long_answer == NULL) {
        cr_assert_lt(script->silent_count, 16);
        script->silent[script->silent_count++] = fd;
        return;
    }
    for (;;) {
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strcasestr(request, "Content-Length:");
        size_t body = length != NULL ? strtoul(length + 15, NULL, 10) : 0;
        if (end != NULL && got >= (size_t)(end + 4 - request) + body)
            break;
        ssize_t more = recv(fd, request + got, sizeof request - 1 - got, 0);
        if (more <= 0)
            break;
        got += (size_t)more;
        request[got] = '\0';
    }
    script_answer(script, fd, request);
    (void)close(fd);
}

static void script_start(struct script *script, const char *networks_answer)
{
    memset(script, 0, sizeof *script);
    script->networks_answer = networks_answer;
    host_bind(&script->host);
    (void)snprintf(script->url, sizeof script->url, "http://127.0.0.1:%u", script->host.port);
    host_serve(&script->host, script_client, script);
}

static void script_end(struct script *script)
{
    host_end(&script->host);
    for (int i = 0; i < script->silent_count; i++)
        (void)close(script->silent[i]);
    free(script->long_answer);
}

#define ANSWER(status, type, body)                                                                 \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n" body

/* ---- the tests ---- */

Test(it_http_discovery, nodes_find_each_other_and_leave_nothing_behind, .timeout = 60)
{
    struct node node;
    struct watch a;
    struct watch b;
    char endpoints[2][320];
    node_start(&node);
    const char *urls[] = {node.url};
    watch_start(&a, "a", urls, 1, 50);
    watch_start(&b, "b", urls, 1, 50);

    watch_wait(&a, "b", true);
    watch_wait(&b, "a", true);
    cr_assert_eq(rfi_discovery_find(a.discovery, "b", endpoints, 2), 1);
    cr_assert_str_eq(endpoints[0], "127.0.0.1:7070");
    cr_assert_eq(watch_find(&a, "a"), 0); /* not ourselves */
    watch_wait_status(&a, "\"state\":\"up\",\"last_error\":null");

    rfi_discovery_stop(b.discovery);
    cr_assert_eq(node_count(&node), 1);
    watch_wait(&a, "b", false);
    rfi_discovery_free(b.discovery);
    rfi_discovery_free(a.discovery);
    cr_assert_eq(node_count(&node), 0);
    node_end(&node);
}

Test(it_http_discovery, a_dead_and_a_silent_registry_delay_nobody, .timeout = 60)
{
    struct node node;
    struct host dead;
    struct script silent;
    struct watch a;
    struct watch b;
    char dead_url[64];
    node_start(&node);
    host_bind(&dead);
    script_start(&silent, NULL);
    (void)snprintf(dead_url, sizeof dead_url, "http://127.0.0.1:%u", dead.port);
    const char *urls[] = {dead_url, silent.url, node.url};
    uint64_t start_ms = rfi_clock_ms();
    watch_start(&a, "a", urls, 3, 100);
    watch_start(&b, "b", urls + 2, 1, 100);

    watch_wait(&a, "b", true);
    cr_assert_lt(rfi_clock_ms() - start_ms, 1900); /* less than the time-out of the silent one */
    watch_wait_status(&a, "\"state\":\"down\"");
    rfi_discovery_free(a.discovery);
    rfi_discovery_free(b.discovery);
    cr_assert_eq(node_count(&node), 0);
    script_end(&silent);
    host_end(&dead);
    node_end(&node);
}

Test(it_http_discovery, a_registry_that_comes_later_is_used, .timeout = 60)
{
    struct node node;
    struct watch a;
    node_bind(&node);
    const char *urls[] = {node.url};
    watch_start(&a, "a", urls, 1, 100);
    watch_wait_status(&a, "\"state\":\"down\"");
    node_serve(&node);
    watch_wait_status(&a, "\"state\":\"up\"");
    cr_assert_eq(node_count(&node), 1);
    rfi_discovery_free(a.discovery);
    node_end(&node);
}

Test(it_http_discovery, what_two_registries_say_is_merged, .timeout = 60)
{
    struct script rust;
    struct node node;
    struct watch a;
    struct watch b;
    node_start(&node);
    script_start(&rust,
                 ANSWER("200 OK", "application/json",
                        "[{\"network_id\":\"c\",\"instance_id\":\"c\",\"endpoint\":\"10.0.0.1:1\","
                        "\"capabilities\":[],\"last_seen\":\"2026-01-01T00:00:00.5Z\"}]"));
    const char *urls[] = {rust.url, node.url};
    watch_start(&a, "me", urls, 2, 50);
    watch_start(&b, "b", urls + 1, 1, 50);
    watch_wait(&a, "b", true);
    watch_wait(&a, "c", true);
    cr_assert_gt(atomic_load(&rust.register_count), 0);
    rfi_discovery_free(a.discovery); /* the Rust registry knows no DELETE */
    cr_assert_eq(atomic_load(&rust.remove_count), 1);
    rfi_discovery_free(b.discovery);
    script_end(&rust);
    node_end(&node);
}

Test(it_http_discovery, wrong_answers_are_told_and_change_nothing, .timeout = 60)
{
    static const struct {
        const char *answer, *error;
    } wrong[] = {
        {ANSWER("200 OK", "text/html", "<html>"), "GET /networks gave no list"},
        {ANSWER("200 OK", "application/json", "{\"a\":1}"), "GET /networks gave no list"},
        {ANSWER("500 No", "text/plain", "[]"), "GET /networks answered 500"},
        {ANSWER("302 Found\r\nLocation: http://127.0.0.1:1/", "text/plain", ""),
         "GET /networks answered 302"},
        {"garbage\r\n\r\n", "\"state\":\"down\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct script script;
        struct watch a;
        script_start(&script, wrong[i].answer);
        const char *urls[] = {script.url};
        watch_start(&a, "me", urls, 1, 100);
        watch_wait_status(&a, wrong[i].error);
        rfi_discovery_free(a.discovery);
        script_end(&script);
    }
}

Test(it_http_discovery, an_endless_answer_is_cut, .timeout = 60)
{
    enum { LENGTH = 6 * 1024 * 1024 };
    static const char head[] = ANSWER("200 OK", "application/json", "");
    struct script script;
    struct watch a;
    script_start(&script, "");
    script.long_answer = malloc(LENGTH + 1);
    cr_assert_not_null(script.long_answer);
    memset(script.long_answer, ' ', LENGTH);
    memcpy(script.long_answer, head, sizeof head - 1);
    script.long_answer[LENGTH] = '\0';
    const char *urls[] = {script.url};
    watch_start(&a, "me", urls, 1, 100);
    watch_wait_status(&a, "the answer is too long");
    rfi_discovery_free(a.discovery);
    script_end(&script);
}

Test(it_http_discovery, a_registry_that_refuses_us_still_tells_of_others, .timeout = 60)
{
    struct node node;
    struct watch a;
    struct watch b;
    rf_diag diag;
    static const char taken[] =
        "{\"network_id\":\"a\",\"instance_id\":\"i/1\",\"endpoint\":\"10.0.0.1:1\"}";
    node_start(&node);
    cr_assert_eq(rfi_registry_register(node.registry, taken, sizeof taken - 1, "10.0.0.1",
                                       rfi_clock_ms(), rfi_clock_wall_ns(), &diag),
                 RF_OK);
    const char *urls[] = {node.url};
    watch_start(&b, "b", urls, 1, 50);
    watch_start(&a, "a", urls, 1, 50);
    watch_wait(&a, "b", true);
    watch_wait_status(&a, "\"state\":\"refused\",\"last_error\":\"POST /register answered 409");
    rfi_discovery_free(a.discovery);
    cr_assert_eq(node_count(&node), 2); /* the other's entry was not removed */
    rfi_discovery_free(b.discovery);
    node_end(&node);
}

Test(it_http_discovery, a_refresh_asks_at_once_and_at_most_once_a_second, .timeout = 60)
{
    struct script script;
    struct watch a;
    script_start(&script, ANSWER("200 OK", "application/json", "[]"));
    const char *urls[] = {script.url};
    uint64_t start_ms = rfi_clock_ms();
    watch_start(&a, "me", urls, 1, 3600000);
    watch_wait_status(&a, "\"state\":\"up\"");
    cr_assert_eq(atomic_load(&script.list_count), 1);
    while (atomic_load(&script.list_count) < 2) {
        cr_assert_not(is_late(start_ms + 10000));
        rfi_discovery_refresh(a.discovery);
        (void)sched_yield();
    }
    cr_assert_geq(rfi_clock_ms() - start_ms, 1000);
    rfi_discovery_free(a.discovery);
    script_end(&script);
}

Test(it_http_discovery, stop_is_bounded_when_a_registry_falls_silent, .timeout = 60)
{
    struct script silent;
    struct watch a;
    script_start(&silent, NULL);
    const char *urls[] = {silent.url};
    watch_start(&a, "me", urls, 1, 100);
    uint64_t start_ms = rfi_clock_ms();
    rfi_discovery_stop(a.discovery);
    cr_assert_lt(rfi_clock_ms() - start_ms, 4000);
    rfi_discovery_free(a.discovery);
    script_end(&silent);
}

Test(it_http_discovery, urls_are_checked_and_passwords_not_shown, .timeout = 30)
{
    static const char *const bad[] = {"",        "127.0.0.1:80", "ftp://h/", "file:///etc/passwd",
                                      "http://", "https:///"};
    struct rfi_discovery_options options = {.network_id = "a",
                                            .instance_id = "1",
                                            .endpoint = "h:1",
                                            .url_count = 1,
                                            .refresh_ms = 100,
                                            .timeout_ms = 100};
    struct watch watch = {.discovery = NULL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        options.urls = &bad[i];
        cr_assert_eq(rfi_discovery_new(&options, &watch.discovery), RF_EINVAL, "%s", bad[i]);
    }
    const char *url = "http://user:pa@ss@h.example:9/x//";
    options.urls = &url;
    cr_assert_eq(rfi_discovery_new(&options, &watch.discovery), RF_OK);
    cr_assert_not_null(
        strstr(watch_status(&watch), "\"url\":\"http://h.example:9/x\",\"state\":\"unknown\""));
    rfi_discovery_free(watch.discovery);
    rfi_discovery_free(NULL);
}
