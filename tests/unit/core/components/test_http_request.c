/* SPDX-License-Identifier: MIT */
/* tpl_http_request against a small server on the loopback, one connection at a time, that keeps what
 * it was asked and answers from a list. */
#include "unit/core/components/rig.h"
#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUESTS_MAX = 16 };

struct server {
    int fd;
    uint16_t port;
    const char *const *answers; /* the last one again and again */
    pthread_t thread;
    pthread_mutex_t lock;
    char requests[REQUESTS_MAX][8192];
    size_t request_count;
    _Atomic(bool) is_stopping;
};

/* Read head and body; false: the peer closed or is late. */
static bool read_request(int fd, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (;;) {
        const char *end = strstr(out, "\r\n\r\n");
        if (end != NULL) {
            const char *length = strcasestr(out, "content-length:");
            size_t body = length != NULL ? strtoul(length + 15, NULL, 10) : 0;
            if (used >= (size_t)(end + 4 - out) + body)
                return true;
        }
        struct pollfd wait = {fd, POLLIN, 0};
        if (used + 1 >= size || poll(&wait, 1, 5000) != 1)
            return false;
        ssize_t got = read(fd, out + used, size - 1 - used);
        if (got <= 0)
            return false;
        used += (size_t)got;
        out[used] = '\0';
    }
}

static void *serve(void *user)
{
    struct server *server = user;
    while (!atomic_load(&server->is_stopping)) {
        struct pollfd wait = {server->fd, POLLIN, 0};
        if (poll(&wait, 1, 20) != 1)
            continue;
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            continue;
        char request[8192];
        if (read_request(fd, request, sizeof request)) {
            (void)pthread_mutex_lock(&server->lock);
            size_t number = server->request_count;
            if (number < REQUESTS_MAX)
                memcpy(server->requests[server->request_count++], request, sizeof request);
            (void)pthread_mutex_unlock(&server->lock);
            size_t answer = 0;
            while (answer < number && server->answers[answer + 1] != NULL)
                answer++;
            const char *text = server->answers[answer];
            if (strcmp(text, "hang") == 0) {
                while (!atomic_load(&server->is_stopping))
                    (void)poll(NULL, 0, 5);
            } else {
                (void)!write(fd, text, strlen(text));
            }
        }
        (void)close(fd);
    }
    return NULL;
}

static struct server *open_server(const char *const *answers)
{
    struct server *server = calloc(1, sizeof *server);
    cr_assert_not_null(server);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    server->answers = answers;
    (void)pthread_mutex_init(&server->lock, NULL);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(server->fd, 0);
    cr_assert_eq(bind(server->fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(server->fd, 8), 0);
    cr_assert_eq(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&server->thread, NULL, serve, server), 0);
    return server;
}

static void close_server(struct server *server)
{
    atomic_store(&server->is_stopping, true);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->fd);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

static struct rig *open_client(const struct server *server, const char *more)
{
    char metadata[1024];
    (void)snprintf(metadata, sizeof metadata,
                   "{\"propertyValues\":{\"url\":\"http://127.0.0.1:%u/path?q=1\"%s}}",
                   server->port, more);
    return rig_open("tpl_http_request", metadata);
}

static void expect_request(struct server *server, size_t number, const char *part)
{
    (void)pthread_mutex_lock(&server->lock);
    bool holds = number < server->request_count && strstr(server->requests[number], part) != NULL;
    if (!holds)
        fprintf(stderr, "request %zu: no \"%s\" in:\n%s\n", number, part,
                number < server->request_count ? server->requests[number] : "(none)");
    (void)pthread_mutex_unlock(&server->lock);
    cr_assert(holds);
}

Test(http_request, posts_a_message_and_gives_the_answer, .timeout = 60)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-A: 1\r\nx-a: 2\r\n"
        "Content-Length: 7\r\n\r\n{\"k\":1}",
        NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, ",\"headers\":{\"X-Key\":\"secret\"}");

    rig_send_json(rig, "headers_in", "{\"X-More\":5}");
    rig_send_json(rig, "data_in", "{\"hello\":[1]}");

    rig_expect(
        rig, "response_out", RF_KIND_OBJECT,
        "{\"status\":200,\"headers\":{\"content-type\":\"application/json\",\"x-a\":\"1, 2\","
        "\"content-length\":\"7\"},\"body\":{\"k\":1},\"tries\":1}");
    expect_request(server, 0, "POST /path?q=1 HTTP/1.1\r\n");
    expect_request(server, 0, "X-Key: secret\r\n");
    expect_request(server, 0, "X-More: 5\r\n");
    expect_request(server, 0, "\r\n\r\n{\"hello\":[1]}");
    rig_close(rig);
    close_server(server);
}

Test(http_request, a_flow_gets_and_other_bodies_are_text, .timeout = 60)
{
    static const char *const answers[] = {"HTTP/1.1 404 Not Found\r\nContent-Type: "
                                          "application/json\r\nContent-Length: 4\r\n\r\n{x\xff}",
                                          NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, "");

    rig_send_flow(rig, "data_in");

    rig_expect(rig, "response_out", RF_KIND_OBJECT,
               "{\"status\":404,\"headers\":{\"content-type\":\"application/json\","
               "\"content-length\":\"4\"},\"body\":\"{x\xEF\xBF\xBD}\",\"tries\":1}");
    expect_request(server, 0, "GET /path?q=1 HTTP/1.1\r\n");
    rig_close(rig);
    close_server(server);
}

Test(http_request, the_message_may_say_method_headers_and_body_but_not_where_to, .timeout = 60)
{
    static const char *const answers[] = {"HTTP/1.1 204 No Content\r\n\r\n", NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, "");

    rig_send_json(rig, "data_in",
                  "{\"url\":\"http://127.0.0.1:1/\",\"method\":\"PUT\",\"headers\":{\"X-B\":\"b\"},"
                  "\"body\":\"text\"}");

    rig_expect_holds(rig, "response_out", "\"status\":204");
    expect_request(server, 0, "PUT /path?q=1 HTTP/1.1\r\n");
    expect_request(server, 0, "X-B: b\r\n");
    expect_request(server, 0, "\r\n\r\ntext");
    rig_close(rig);
    close_server(server);
}

Test(http_request, tries_again_what_is_safe_to_repeat, .timeout = 60)
{
    static const char *const answers[] = {"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", "",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, ",\"method\":\"GET\"");

    rig_send_flow(rig, "data_in");

    rig_expect(
        rig, "response_out", RF_KIND_OBJECT,
        "{\"status\":200,\"headers\":{\"content-length\":\"2\"},\"body\":\"ok\",\"tries\":3}");
    rig_send_json(rig, "data_in", "{\"method\":\"POST\",\"body\":\"once\"}");
    rig_expect_holds(rig, "response_out", "\"tries\":1");
    rig_close(rig);
    close_server(server);
}

Test(http_request, a_post_is_not_repeated_after_it_may_have_been_taken, .timeout = 60)
{
    static const char *const answers[] = {"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, "");

    rig_send_text(rig, "data_in", "once");

    rig_expect_holds(rig, "response_out", "\"status\":503");
    (void)pthread_mutex_lock(&server->lock);
    cr_assert_eq(server->request_count, 1);
    (void)pthread_mutex_unlock(&server->lock);
    rig_close(rig);
    close_server(server);
}

Test(http_request, answers_a_request_when_the_transfer_is_done, .timeout = 60)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, "");
    rf_message *answer = NULL;

    cr_assert_eq(
        rf_network_request_wait(rig->net, "x", "data_in", rf_message_flow(), RIG_WAIT_MS, &answer),
        RF_OK);

    cr_assert_eq(rf_message_kind(answer), RF_KIND_OBJECT);
    rf_message_unref(answer);
    rig_close(rig);
    close_server(server);
}

Test(http_request, refuses_what_is_no_http_and_what_would_break_a_line, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_http_request", NULL);

    rig_send_json(rig, "data_in", "{\"url\":\"file:///etc/passwd\"}");
    rig_expect_holds(rig, "error_out", "must begin with http");
    rig_send_json(rig, "data_in", "{\"url\":\"http://127.0.0.1/\\r\\nX: y\"}");
    rig_expect_holds(rig, "error_out", "does not belong");
    rig_send_json(rig, "data_in",
                  "{\"url\":\"http://127.0.0.1/\",\"headers\":{\"A\":\"b\\r\\nC: d\"}}");
    rig_expect_holds(rig, "error_out", "does not belong");
    rig_send_json(rig, "data_in", "{\"url\":\"http://127.0.0.1/\",\"method\":\"GET / HTTP\"}");
    rig_expect_holds(rig, "error_out", "upper case");
    rig_send_json(rig, "headers_in", "[1]");
    rig_expect_holds(rig, "error_out", "headers_in takes an Object");
    rig_close(rig);
}

Test(http_request, does_not_follow_redirects_unless_told, .timeout = 60)
{
    static const char *const answers[] = {
        "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, "");
    rig_send_flow(rig, "data_in");
    rig_expect_holds(rig, "response_out", "\"status\":302");
    rig_close(rig);
    close_server(server);

    server = open_server(answers);
    rig = open_client(server, ",\"redirects_max\":2");
    rig_send_flow(rig, "data_in");
    rig_expect(
        rig, "response_out", RF_KIND_OBJECT,
        "{\"status\":200,\"headers\":{\"content-length\":\"2\"},\"body\":\"ok\",\"tries\":1}");
    rig_close(rig);
    close_server(server);
}

Test(http_request, an_answer_at_the_limit_passes_and_one_over_it_fails, .timeout = 60)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n1234",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345",
                                          NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, ",\"response_bytes_max\":4,\"retryCount\":0");

    rig_send_flow(rig, "data_in");
    rig_expect_holds(rig, "response_out", "\"body\":\"1234\"");
    rig_send_flow(rig, "data_in");

    rig_expect_holds(rig, "error_out", "larger than 4 bytes");
    rig_close(rig);
    close_server(server);
}

Test(http_request, a_silent_server_is_a_timeout, .timeout = 60)
{
    static const char *const answers[] = {"hang", NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, ",\"timeout\":100,\"retryCount\":0");

    rig_send_flow(rig, "data_in");

    rig_expect_holds(rig, "error_out", "failed: ");
    rig_close(rig);
    close_server(server);
}

Test(http_request, an_actor_that_goes_leaves_its_transfers_behind, .timeout = 60)
{
    static const char *const answers[] = {"hang", NULL};
    struct server *server = open_server(answers);
    struct rig *rig = open_client(server, "");
    rig_send_flow(rig, "data_in");
    for (size_t seen = 0; seen == 0;) {
        (void)pthread_mutex_lock(&server->lock);
        seen = server->request_count;
        (void)pthread_mutex_unlock(&server->lock);
        (void)sched_yield();
    }

    rig_close(rig);

    close_server(server);
}
