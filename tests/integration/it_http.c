/* SPDX-License-Identifier: MIT */
/* The routes of a node over a real local network: what each answers, and which status each mistake gets. */
#include "core/base/json_doc.h"
#include "http/routes.h"
#include "it_http_host.h"
#include "unit/http/http_peer.h"
#include <reflow/reflow.h>

#include <stdatomic.h>
#include <time.h>

#define LOCAL  "127.0.0.1"
#define REMOTE "203.0.113.5"

/* ---- actors ---- */

struct inbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char last[256];
    unsigned count;
};

static rf_err echo_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    return rf_emit(ctx, 0, rf_message_ref(msg));
}

static rf_err mute_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)ctx;
    (void)state;
    (void)inport;
    (void)msg;
    return RF_OK;
}

static rf_err fail_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)state;
    (void)inport;
    (void)msg;
    return rf_fail(ctx, "never works");
}

/* Keeps the replies and never sends them. */
static rf_err hold_create(rf_context *ctx, void **out_state)
{
    (void)ctx;
    *out_state = calloc(16, sizeof(rf_reply *));
    return *out_state != NULL ? RF_OK : RF_ENOMEM;
}

static rf_err hold_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    rf_reply **replies = state;
    (void)inport;
    (void)msg;
    for (size_t i = 0; i < 16; i++) {
        if (replies[i] == NULL) {
            replies[i] = rf_take_reply(ctx);
            break;
        }
    }
    return RF_OK;
}

static void hold_destroy(void *state)
{
    rf_reply **replies = state;
    for (size_t i = 0; i < 16; i++) {
        if (replies[i] != NULL)
            rf_reply_send(replies[i], NULL);
    }
    free(replies);
}

static rf_err sink_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    struct inbox *inbox = rf_context_user(ctx);
    char *text = NULL;
    size_t size = 0;
    (void)state;
    (void)inport;
    rf_err err = rf_message_to_tagged(msg, &text, &size);
    if (err != RF_OK)
        return err;
    (void)pthread_mutex_lock(&inbox->lock);
    (void)snprintf(inbox->last, sizeof inbox->last, "%s", text);
    inbox->count++;
    (void)pthread_cond_broadcast(&inbox->changed);
    (void)pthread_mutex_unlock(&inbox->lock);
    free(text);
    return RF_OK;
}

static const rf_port_def in_port[] = {{"in", "input", "what comes"}};
static const rf_port_def out_port[] = {{"out", NULL, "what goes"}};
static const rf_key_def echo_keys[] = {{"times", "integer", "1", false, "how often"}};

#define COMPONENT(component_name, handler)                                                         \
    {                                                                                              \
        .struct_size = sizeof(rf_component), .name = (component_name), .summary = "for tests",     \
        .inports = in_port, .inport_count = 1, .outports = out_port, .outport_count = 1,           \
        .on_message = (handler)                                                                    \
    }

/* ---- a node ---- */

struct node {
    rf_network *network;
    struct rfi_http *http;
    struct rfi_registry *registry;
    struct rfi_node_view view;
    struct inbox inbox;
    rf_component components[5];
    atomic_bool is_ready;
};

static bool node_is_ready(void *user, const char **out_why_not)
{
    struct node *node = user;
    *out_why_not = "still starting";
    return atomic_load(&node->is_ready);
}

static void node_write_status(void *user, struct rfi_json_writer *w)
{
    (void)user;
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_string(w, "secret", "for admins");
    rfi_jsonw_end_object(w);
}

static void node_each_network(void *user, bool (*visit)(void *user, const rf_network_info *),
                              void *visit_user)
{
    rf_network_info info = {.network_id = "beta",
                            .instance_id = "beta-1",
                            .endpoint = "10.0.0.2:7070",
                            .last_seen = "2026-01-01T00:00:00Z",
                            .capabilities = "[\"actor_messaging\"]",
                            .is_connected = true};
    (void)user;
    (void)visit(visit_user, &info);
}

static size_t node_connected(void *user)
{
    (void)user;
    return 1;
}

static const char *node_network_id(void *user)
{
    (void)user;
    return "alpha";
}

static const char *node_instance_id(void *user)
{
    (void)user;
    return "alpha-1";
}

static uint64_t node_uptime(void *user)
{
    (void)user;
    return 1234;
}

static void node_start(struct node *node, bool is_registry)
{
    static const char *const nodes[][2] = {{"echo", "t_echo"}, {"mute", "t_mute"},
                                           {"fail", "t_fail"}, {"hold", "t_hold"},
                                           {"sink", "t_sink"}, {"sub/echo", "t_echo"}};
    const rf_component components[] = {
        COMPONENT("t_echo", echo_on_message), COMPONENT("t_mute", mute_on_message),
        COMPONENT("t_fail", fail_on_message), COMPONENT("t_hold", hold_on_message),
        COMPONENT("t_sink", sink_on_message)};
    struct rfi_registry_options entries = {
        .ttl_ms = 60000, .entries_max = 10, .entries_per_address_max = 2};
    rf_network_options options = {
        .struct_size = sizeof options, .network_id = "alpha", .workers = 2};
    rf_diag diag;

    memset(node, 0, sizeof *node);
    atomic_store(&node->is_ready, true);
    (void)pthread_mutex_init(&node->inbox.lock, NULL);
    (void)pthread_cond_init(&node->inbox.changed, NULL);
    memcpy(node->components, components, sizeof components);
    node->components[0].keys = echo_keys;
    node->components[0].key_count = 1;
    node->components[3].create = hold_create;
    node->components[3].destroy = hold_destroy;
    node->components[4].user = &node->inbox;
    cr_assert_eq(rf_network_new(&options, &node->network), RF_OK);
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(rf_network_register(node->network, &node->components[i]), RF_OK);
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
        cr_assert_eq(rf_network_add_node(node->network, nodes[i][0], nodes[i][1], NULL, &diag),
                     RF_OK);
    cr_assert_eq(rf_network_add_connection(node->network, "echo", "out", "sink", "in", &diag),
                 RF_OK);
    cr_assert_eq(rf_network_start(node->network), RF_OK);

    node->registry = is_registry ? rfi_registry_new(&entries) : NULL;
    node->view = (struct rfi_node_view){.node = node,
                                        .network = node->network,
                                        .registry = node->registry,
                                        .request_timeout_ms = 5000,
                                        .is_ready = node_is_ready,
                                        .write_status = node_write_status,
                                        .each_network = node_each_network,
                                        .connected_count = node_connected,
                                        .network_id = node_network_id,
                                        .instance_id = node_instance_id,
                                        .uptime_ms = node_uptime};
    struct rfi_http_options http = {.threads = 2,
                                    .connections_max = 64,
                                    .body_bytes_max = 65536,
                                    .idle_timeout_ms = 15000,
                                    .routes = rfi_http_routes()};
    cr_assert_eq(rfi_http_new(&http, &node->view, &node->http), RF_OK);
    cr_assert_eq(rfi_http_start(node->http), RF_OK);
}

static void node_end(struct node *node)
{
    rfi_http_stop(node->http);
    rf_network_free(node->network);
    rfi_http_free(node->http);
    rfi_registry_free(node->registry);
}

static struct peer_answer answer; /* of the last request; each test is one thread */

static int ask_as(struct node *node, const char *caller, const char *method, const char *path,
                  const char *body)
{
    char request[4096];
    (void)snprintf(request, sizeof request,
                   "%s %s HTTP/1.1\r\nHost: 127.0.0.1:7070\r\nContent-Length: %zu\r\n\r\n%s",
                   method, path, strlen(body), body);
    peer_ask(node->http, caller, request, &answer);
    if (answer.body[0] != '\0') { /* whatever it is, it is JSON */
        struct rfi_json_doc *doc = NULL;
        rf_diag diag;
        cr_assert_eq(rfi_json_doc_parse(answer.body, strlen(answer.body), RFI_JSON_STRICT, NULL,
                                        NULL, &doc, &diag),
                     RF_OK, "%s", answer.body);
        rfi_json_doc_free(doc);
    }
    return answer.status;
}

static int get(struct node *node, const char *path)
{
    return ask_as(node, LOCAL, "GET", path, "");
}

static int post(struct node *node, const char *path, const char *body)
{
    return ask_as(node, LOCAL, "POST", path, body);
}

static bool says(const char *piece)
{
    return strstr(answer.body, piece) != NULL;
}

/* ---- the tests ---- */

Test(it_http, health_ready_and_index_answer_everybody, .timeout = 60)
{
    struct node node;
    node_start(&node, false);
    cr_assert_eq(ask_as(&node, REMOTE, "GET", "/health", ""), 200);
    cr_assert(says("{\"status\":\"healthy\",\"network_id\":\"alpha\",\"instance_id\":\"alpha-1\""));
    cr_assert(says("\"uptime_ms\":1234,\"actors\":6,\"connected_networks\":1,\"timestamp\":\"20"));
    cr_assert_eq(ask_as(&node, REMOTE, "GET", "/ready", ""), 200);
    cr_assert(says("{\"ready\":true}"));
    atomic_store(&node.is_ready, false);
    cr_assert_eq(ask_as(&node, REMOTE, "GET", "/health", ""), 200);
    cr_assert(says("{\"status\":\"degraded\",\"reason\":\"still starting\""));
    cr_assert_eq(ask_as(&node, REMOTE, "GET", "/ready", ""), 503);
    cr_assert(says("\"reason\":\"still starting\""));
    cr_assert_eq(ask_as(&node, REMOTE, "GET", "/", ""), 200);
    cr_assert(says("{\"method\":\"POST\",\"path\":\"/actors/{}/send\",\"access\":\"admin\"}"));
    node_end(&node);
}

Test(it_http, status_is_full_for_admins_only, .timeout = 60)
{
    struct node node;
    node_start(&node, false);
    cr_assert_eq(get(&node, "/status"), 200);
    cr_assert(says("for admins"));
    cr_assert_eq(ask_as(&node, REMOTE, "GET", "/status", ""), 200);
    cr_assert_not(says("for admins"));
    cr_assert(says("\"network_id\":\"alpha\""));
    node_end(&node);
}

Test(it_http, everything_that_acts_or_lists_actors_is_for_admins, .timeout = 60)
{
    static const char *const paths[][2] = {{"POST", "/actors/echo/send"},
                                           {"POST", "/actors/echo/request"},
                                           {"POST", "/graphs"},
                                           {"POST", "/graphs/validate"},
                                           {"GET", "/actors"},
                                           {"GET", "/components"},
                                           {"GET", "/connections"}};
    struct node node;
    node_start(&node, false);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        cr_assert_eq(ask_as(&node, REMOTE, paths[i][0], paths[i][1], ""), 403);
        cr_assert(says("\"code\":\"FORBIDDEN\""));
    }
    node_end(&node);
}

Test(it_http, a_registry_takes_serves_and_removes_networks, .timeout = 60)
{
    static const char beta[] = "{\"network_id\":\"beta\",\"instance_id\":\"b1\",\"endpoint\":"
                               "\"0.0.0.0:7\",\"capabilities\":[\"actor_messaging\"]}";
    static const char gamma[] = "{\"network_id\":\"gamma\",\"instance_id\":\"g/1\",\"endpoint\":"
                                "\"h:7\",\"zone\":\"x\"}";
    struct node node;
    node_start(&node, true);
    cr_assert_eq(ask_as(&node, REMOTE, "POST", "/register", beta), 200);
    cr_assert(says("{\"registered\":true,\"ttl_ms\":60000"));
    cr_assert_eq(ask_as(&node, "198.51.100.1", "POST", "/register", beta), 409);
    cr_assert(says("RF_EEXISTS"));
    cr_assert_eq(ask_as(&node, REMOTE, "POST", "/register", gamma), 200);
    cr_assert_eq(ask_as(&node, REMOTE, "POST", "/register",
                        "{\"network_id\":\"d\",\"instance_id\":\"d\",\"endpoint\":\"h:1\"}"),
                 429);
    cr_assert_eq(ask_as(&node, REMOTE, "POST", "/register", "{\n \"network_id\": }"), 400);
    cr_assert(says("line 2, column"));
    cr_assert_eq(ask_as(&node, REMOTE, "GET", "/networks", ""), 200);
    cr_assert(says("[{\"network_id\":\"beta\",\"instance_id\":\"b1\",\"endpoint\":"
                   "\"203.0.113.5:7\",\"capabilities\":[\"actor_messaging\"],\"last_seen\":\"20"));
    cr_assert(says("\"connected\":true},{\"network_id\":\"gamma\""));
    cr_assert(says("\"connected\":false,\"zone\":\"x\"}]"));
    cr_assert_eq(ask_as(&node, "198.51.100.1", "DELETE", "/networks/beta", ""), 403);
    cr_assert_eq(ask_as(&node, REMOTE, "DELETE", "/networks/gamma?instance_id=g%2F1", ""), 200);
    cr_assert_eq(ask_as(&node, LOCAL, "DELETE", "/networks/beta", ""), 200); /* admin */
    cr_assert_eq(ask_as(&node, REMOTE, "DELETE", "/networks/beta", ""), 404);
    cr_assert_eq(ask_as(&node, REMOTE, "GET", "/networks", ""), 200);
    cr_assert_str_eq(answer.body, "[]\n");
    node_end(&node);
}

Test(it_http, a_node_that_is_no_registry_says_so_and_tells_what_it_found, .timeout = 60)
{
    struct node node;
    node_start(&node, false);
    cr_assert_eq(post(&node, "/register", "{}"), 404);
    cr_assert(says("this node is no registry"));
    cr_assert_eq(ask_as(&node, LOCAL, "DELETE", "/networks/x", ""), 404);
    cr_assert_eq(get(&node, "/networks"), 200);
    cr_assert_str_eq(answer.body,
                     "[{\"network_id\":\"beta\",\"instance_id\":\"beta-1\",\"endpoint\":"
                     "\"10.0.0.2:7070\",\"capabilities\":[\"actor_messaging\"],\"last_seen\":"
                     "\"2026-01-01T00:00:00Z\",\"connected\":true}]\n");
    node_end(&node);
}

Test(it_http, actors_come_in_pages, .timeout = 60)
{
    struct node node;
    node_start(&node, false);
    cr_assert_eq(get(&node, "/actors?limit=2"), 200);
    cr_assert(says("{\"actors\":[{\"id\":\"echo\",\"component\":\"t_echo\",\"state\":\""));
    cr_assert(says("\"id\":\"fail\""));
    cr_assert(says("],\"next\":\"fail\"}"));
    cr_assert_eq(get(&node, "/actors?limit=3&after=fail"), 200);
    cr_assert(says("[{\"id\":\"hold\"") && says("\"id\":\"mute\"") && says("],\"next\":\"sink\"}"));
    cr_assert_eq(get(&node, "/actors?limit=3&after=sink"), 200);
    cr_assert(says("[{\"id\":\"sub/echo\"") && says("],\"next\":null}"));
    cr_assert_eq(get(&node, "/actors?prefix=sub%2F"), 200);
    cr_assert(says("[{\"id\":\"sub/echo\"") && !says("\"hold\""));
    cr_assert_eq(get(&node, "/actors?prefix=none"), 200);
    cr_assert_str_eq(answer.body, "{\"actors\":[],\"next\":null}\n");
    cr_assert_eq(get(&node, "/actors?limit=0"), 400);
    cr_assert_eq(get(&node, "/actors?limit=1001"), 400);
    cr_assert_eq(get(&node, "/actors?limit=-1"), 400);
    cr_assert_eq(get(&node, "/actors?limit="), 400);
    node_end(&node);
}

Test(it_http, components_and_connections_are_listed, .timeout = 60)
{
    struct node node;
    node_start(&node, false);
    cr_assert_eq(get(&node, "/components"), 200);
    cr_assert(says("{\"name\":\"t_echo\",\"summary\":\"for tests\",\"firing\":\"any\",\"inports\":"
                   "[{\"name\":\"in\",\"alias\":\"input\",\"summary\":\"what comes\"}]"));
    cr_assert(says("{\"name\":\"times\",\"type\":\"integer\",\"default\":1,\"required\":false"));
    cr_assert_eq(get(&node, "/connections"), 200);
    cr_assert_str_eq(
        answer.body,
        "{\"connections\":[{\"from_actor\":\"echo\",\"from_port\":\"out\",\"to_actor\":"
        "\"sink\",\"to_port\":\"in\"}],\"next\":null}\n");
    cr_assert_eq(get(&node, "/connections?after=1"), 200);
    cr_assert_str_eq(answer.body, "{\"connections\":[],\"next\":null}\n");
    node_end(&node);
}

static void wait_for(struct node *node, unsigned count, const char *last)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    (void)pthread_mutex_lock(&node->inbox.lock);
    while (node->inbox.count < count)
        cr_assert_eq(pthread_cond_timedwait(&node->inbox.changed, &node->inbox.lock, &until), 0);
    cr_assert_str_eq(node->inbox.last, last);
    (void)pthread_mutex_unlock(&node->inbox.lock);
}

Test(it_http, send_takes_plain_and_tagged_messages, .timeout = 60)
{
    struct node node;
    node_start(&node, false);
    cr_assert_eq(post(&node, "/actors/sink/send", "{\"port\":\"in\",\"message\":7}"), 202);
    cr_assert_str_eq(answer.body, "{\"sent\":true}\n");
    wait_for(&node, 1, "{\"type\":\"Integer\",\"data\":7}");
    cr_assert_eq(post(&node, "/actors/sink/send",
                      "{\"tagged\":{\"type\":\"Error\",\"data\":\"e\"},\"port\":\"input\","
                      "\"timeout_ms\":5}"),
                 202);
    wait_for(&node, 2, "{\"type\":\"Error\",\"data\":\"e\"}");
    cr_assert_eq(post(&node, "/actors/sub%2Fecho/send", "{\"port\":\"in\",\"message\":null}"), 202);
    node_end(&node);
}

Test(it_http, a_mistake_in_a_message_is_told_with_its_place, .timeout = 60)
{
    static const char *const bad[][2] = {
        {"", "line 1"},
        {"{\"port\":\"in\",\n\"message\":x}", "line 2, column 11"},
        {"[]", "the body is an object"},
        {"{\"message\":1}", "\\\"port\\\" must be"},
        {"{\"port\":7,\"message\":1}", "\\\"port\\\" must be"},
        {"{\"port\":\"in\"}", "one of"},
        {"{\"port\":\"in\",\"message\":1,\"tagged\":{\"type\":\"Flow\"}}", "one of"},
        {"{\"port\":\"in\",\"tagged\":{\"type\":\"Nope\"}}", "line 1, column"},
        {"{\"port\":\"in\",\"message\":1,\n\"mesage\":2}", "line 2, column 1: unknown member"},
    };
    struct node node;
    node_start(&node, false);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(post(&node, "/actors/sink/send", bad[i][0]), 400, "%zu", i);
        cr_assert(says(bad[i][1]), "%zu: %s", i, answer.body);
        cr_assert(says("RF_EFORMAT"));
    }
    cr_assert_eq(post(&node, "/actors/sinc/send", "{\"port\":\"in\",\"message\":1}"), 404);
    cr_assert(says("RF_ENOACTOR") && says("did you mean \\\"sink\\\"?"));
    cr_assert_eq(post(&node, "/actors/sink/send", "{\"port\":\"inn\",\"message\":1}"), 404);
    cr_assert(says("RF_ENOPORT"));
    node_end(&node);
}

Test(it_http, a_request_gets_its_answer_or_the_reason, .timeout = 60)
{
    static const char one[] = "{\"port\":\"in\",\"message\":{\"a\":[1]}}";
    struct node node;
    node_start(&node, false);
    cr_assert_eq(post(&node, "/actors/echo/request", one), 200);
    cr_assert(says("{\"answer\":{\"a\":[1]},\"tagged\":{\"type\":\"Object\",\"data\":{\"data\":["));
    cr_assert_eq(post(&node, "/actors/mute/request", one), 502);
    cr_assert(says("RF_ENOREPLY"));
    cr_assert_eq(post(&node, "/actors/fail/request", one), 502);
    cr_assert(says("RF_EACTOR"));
    cr_assert_eq(post(&node, "/actors/none/request", one), 404);
    cr_assert_eq(
        post(&node, "/actors/hold/request", "{\"port\":\"in\",\"message\":1,\"timeout_ms\":20}"),
        504);
    cr_assert(says("RF_ETIMEOUT"));
    cr_assert_eq(
        post(&node, "/actors/echo/request", "{\"port\":\"in\",\"message\":1,\"timeout_ms\":0}"),
        400);
    node_end(&node);
}

Test(it_http, stopping_answers_requests_that_wait, .timeout = 60)
{
    static const char request[] = "POST /actors/hold/request HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Length: 25\r\n\r\n{\"port\":\"in\",\"message\":1}";
    struct node node;
    node_start(&node, false);
    int fd = peer_open(node.http, LOCAL, request, sizeof request - 1);
    uint64_t received = 0;
    while (received == 0) { /* bounded by the test's timeout */
        rf_network_stats stats;
        rf_network_get_stats(node.network, &stats);
        received = stats.received_count;
    }
    rfi_http_stop(node.http);
    peer_read(fd, false, &answer);
    cr_assert_eq(answer.status, 503);
    (void)close(fd);
    node_end(&node);
}

#define EDGE(node, port)                                                                           \
    "{\"nodeId\":\"" node "\",\"portId\":\"" port "\",\"portName\":\"" port                        \
    "\",\"expose\":false,\"portType\":{\"type\":\"any\"}}"
#define GRAPH(component)                                                                           \
    "{\"caseSensitive\":true,\"properties\":{\"name\":\"g\"},\"processes\":{"                      \
    "\"one\":{\"id\":\"one\",\"component\":\"" component "\",\"metadata\":{}},"                    \
    "\"two\":{\"id\":\"two\",\"component\":\"t_mute\",\"metadata\":{}}},"                          \
    "\"connections\":[{\"from\":" EDGE("one", "out") ",\"to\":" EDGE(                              \
        "two", "in") ",\"metadata\":null,\"data\":null}]}"

Test(it_http, graphs_are_checked_and_applied, .timeout = 60)
{
    struct node node;
    node_start(&node, false);
    cr_assert_eq(post(&node, "/graphs/validate", GRAPH("t_echo")), 200);
    cr_assert(says("{\"valid\":true,\"findings\":["));
    cr_assert_eq(post(&node, "/graphs/validate", GRAPH("t_ecko")), 200);
    cr_assert(says("{\"valid\":false,\"findings\":[{\"is_error\":true"));
    cr_assert(says("t_ecko"));
    cr_assert_eq(post(&node, "/graphs/validate", "{\"processes\":7}"), 200);
    cr_assert(says("{\"valid\":false"));
    cr_assert_eq(post(&node, "/graphs/validate", "{\n  nope"), 400);
    cr_assert(says("line 2, column 3"));
    cr_assert_eq(post(&node, "/graphs", GRAPH("t_ecko")), 400);
    cr_assert_not(rf_network_has_actor(node.network, "two"));
    cr_assert_eq(post(&node, "/graphs?prefix=x.", GRAPH("t_echo")), 200);
    cr_assert(says("{\"applied\":true,\"name\":\"g\"}"));
    cr_assert(rf_network_has_actor(node.network, "x.one"));
    cr_assert_eq(post(&node, "/graphs?prefix=x.", GRAPH("t_echo")), 409);
    cr_assert_eq(post(&node, "/graphs?prefix=%20", GRAPH("t_echo")), 400);
    node_end(&node);
}

static void give(void *user, int fd, const struct sockaddr *address, socklen_t size)
{
    rfi_http_add_connection(user, fd, address, size);
}

Test(it_http, the_same_over_tcp, .timeout = 60)
{
    struct node node;
    struct host host;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    node_start(&node, false);
    host_bind(&host);
    host_serve(&host, give, node.http);
    in.sin_port = htons(host.port);
    for (int i = 0; i < 50; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(fd, (const struct sockaddr *)(const void *)&in, sizeof in), 0);
        for (int k = 0; k < 3; k++) {
            peer_write(fd, request, sizeof request - 1);
            peer_read(fd, false, &answer);
            cr_assert_eq(answer.status, 200);
        }
        (void)close(fd);
    }
    host_end(&host);
    node_end(&node);
}
