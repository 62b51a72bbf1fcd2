/* SPDX-License-Identifier: MIT */
/* The HTTP server: strict with requests, exact about access, and safe with answers that come late. */
#include "http/server.h"
#include "http_peer.h"

#include <pthread.h>
#include <time.h>

#define LOCAL     "127.0.0.1"
#define REMOTE    "203.0.113.5"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* Requests that a handler left open, for the test to answer. */
struct desk {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct rfi_http_request *open[8];
    size_t open_count;
};

static void answer_text(struct rfi_http_request *request, unsigned status, const char *text)
{
    struct rfi_buf body;
    rfi_buf_init(&body);
    rfi_buf_append_text(&body, text);
    rfi_http_answer(request, status, "application/json", &body);
}

static void on_hello(void *user, struct rfi_http_request *request)
{
    (void)user;
    answer_text(request, 200, "\"hello\"");
}

static void on_who(void *user, struct rfi_http_request *request)
{
    char text[128];
    (void)user;
    (void)snprintf(text, sizeof text, "%s %s", rfi_http_caller(request),
                   rfi_http_is_admin(request) ? "admin" : "guest");
    answer_text(request, 200, text);
}

static void on_echo(void *user, struct rfi_http_request *request)
{
    struct rfi_buf body;
    size_t size = 0;
    const char *key = rfi_http_query(request, "key");
    const char *bytes = rfi_http_body(request, &size);
    (void)user;
    rfi_buf_init(&body);
    rfi_buf_printf(&body, "[%s][%s]", rfi_http_segment(request, 0), key != NULL ? key : "-");
    rfi_buf_append(&body, bytes, size);
    cr_assert_null(rfi_http_segment(request, 1));
    rfi_http_answer(request, 200, "text/plain", &body);
}

static void on_later(void *user, struct rfi_http_request *request)
{
    struct desk *desk = user;
    (void)pthread_mutex_lock(&desk->lock);
    desk->open[desk->open_count++] = request;
    (void)pthread_cond_broadcast(&desk->changed);
    (void)pthread_mutex_unlock(&desk->lock);
}

static const char length_and_chunks[] = "POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                                        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

static const struct rfi_http_route routes[] = {
    {"GET", "/hello", RFI_HTTP_PUBLIC, on_hello},   {"GET", "/who", RFI_HTTP_PUBLIC, on_who},
    {"POST", "/echo/{}", RFI_HTTP_PUBLIC, on_echo}, {"GET", "/later", RFI_HTTP_PUBLIC, on_later},
    {"GET", "/admin", RFI_HTTP_ADMIN, on_who},      {"POST", "/admin", RFI_HTTP_ADMIN, on_who},
    {"POST", "/write", RFI_HTTP_PUBLIC, on_who},    {NULL, NULL, RFI_HTTP_PUBLIC, NULL},
};

static struct rfi_http *server_start(struct desk *desk, uint32_t threads, uint32_t connections_max,
                                     uint32_t idle_timeout_ms)
{
    struct rfi_http_options options = {.threads = threads,
                                       .connections_max = connections_max,
                                       .body_bytes_max = 1000,
                                       .idle_timeout_ms = idle_timeout_ms,
                                       .routes = routes};
    struct rfi_http *http = NULL;
    memset(desk, 0, sizeof *desk);
    (void)pthread_mutex_init(&desk->lock, NULL);
    (void)pthread_cond_init(&desk->changed, NULL);
    cr_assert_eq(rfi_http_new(&options, desk, &http), RF_OK);
    cr_assert_eq(rfi_http_start(http), RF_OK);
    return http;
}

static struct rfi_http *server(struct desk *desk)
{
    return server_start(desk, 1, 64, 15000);
}

static struct rfi_http_request *desk_wait(struct desk *desk, size_t index)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    (void)pthread_mutex_lock(&desk->lock);
    while (desk->open_count <= index)
        cr_assert_eq(pthread_cond_timedwait(&desk->changed, &desk->lock, &until), 0);
    struct rfi_http_request *request = desk->open[index];
    (void)pthread_mutex_unlock(&desk->lock);
    return request;
}

Test(http_server, answers_a_get_with_safe_headers, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;

    peer_ask(http, LOCAL, GET("/hello"), &answer);

    cr_assert_eq(answer.status, 200);
    cr_assert_str_eq(answer.body, "\"hello\"");
    cr_assert_not_null(strstr(answer.head, "Content-Type: application/json\r\n"));
    cr_assert_not_null(strstr(answer.head, "Cache-Control: no-store\r\n"));
    cr_assert_not_null(strstr(answer.head, "X-Content-Type-Options: nosniff\r\n"));
    cr_assert_not(answer.is_closed);
    rfi_http_free(http);
}

Test(http_server, head_is_answered_by_get_routes_without_a_body, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;

    peer_ask(http, LOCAL, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", &answer);

    cr_assert_eq(answer.status, 200);
    cr_assert_not_null(strstr(answer.head, "Content-Length: 7\r\n"));
    rfi_http_free(http);
}

Test(http_server, one_connection_carries_many_requests, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;
    int fd = peer_open(http, LOCAL, "", 0);

    for (int i = 0; i < 20; i++) {
        peer_write(fd, GET("/hello"), strlen(GET("/hello")));
        peer_read(fd, false, &answer);
        cr_assert_eq(answer.status, 200);
        peer_write(fd, GET("/none"), strlen(GET("/none")));
        peer_read(fd, false, &answer);
        cr_assert_eq(answer.status, 404);
    }
    (void)close(fd);
    rfi_http_free(http);
}

Test(http_server, wrong_paths_and_methods_have_their_own_answers, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;

    cr_assert_eq(peer_status(http, LOCAL, GET("/none")), 404);
    cr_assert_eq(peer_status(http, LOCAL, GET("/%68ello")), 404);
    cr_assert_eq(peer_status(http, LOCAL, GET("/hello?x=%41")), 200);
    peer_ask(http, LOCAL, "DELETE /admin HTTP/1.1\r\nHost: a\r\n\r\n", &answer);
    cr_assert_eq(answer.status, 405);
    cr_assert_not_null(strstr(answer.head, "Allow: GET, HEAD, POST\r\n"));
    cr_assert_eq(peer_status(http, LOCAL, "TRACE /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    rfi_http_free(http);
}

Test(http_server, a_doubtful_head_is_one_400_and_the_end, .timeout = 60)
{
    static const char *const bad[] = {
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET /hello HTTP/1.1\nHost: a\n\n",
        "GET /a/../hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET //hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hello%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/3.0\r\nHost: a\r\n\r\n",
        "POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
        "POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        length_and_chunks,
        "POST /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /echo/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    };
    struct desk desk;
    struct rfi_http *http = server(&desk);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct peer_answer answer;
        int fd = peer_open(http, LOCAL, bad[i], strlen(bad[i]));
        peer_read(fd, false, &answer);
        cr_assert_eq(answer.status, 400, "%zu: %d", i, answer.status);
        cr_assert(answer.is_closed, "%zu", i);
        cr_assert(peer_is_ended(fd), "%zu", i);
        (void)close(fd);
    }
    cr_assert_eq(peer_status(http, LOCAL, GET("/hello")), 200);
    rfi_http_free(http);
}

Test(http_server, a_later_head_on_the_connection_is_checked_too, .timeout = 30)
{
    static const char *const bad[] = {
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /he llo HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",
    };
    struct desk desk;
    struct rfi_http *http = server(&desk);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct peer_answer answer;
        int fd = peer_open(http, LOCAL, GET("/hello"), strlen(GET("/hello")));
        peer_read(fd, false, &answer);
        cr_assert_eq(answer.status, 200);
        peer_write(fd, bad[i], strlen(bad[i]));
        peer_read(fd, false, &answer);
        cr_assert_eq(answer.status, 400, "%zu", i);
        cr_assert(peer_is_ended(fd));
        (void)close(fd);
    }
    rfi_http_free(http);
}

Test(http_server, http_1_0_needs_no_host, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    cr_assert_eq(peer_status(http, LOCAL, "GET /hello HTTP/1.0\r\n\r\n"), 200);
    rfi_http_free(http);
}

Test(http_server, a_huge_head_is_refused, .timeout = 30)
{
    static char request[40000];
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;
    int size = snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: a\r\nX: ");
    memset(request + size, 'x', sizeof request - (size_t)size - 1);
    int fd = peer_open(http, LOCAL, request, strlen(request));
    peer_read(fd, false, &answer);
    cr_assert_eq(answer.status, 431);
    (void)close(fd);
    rfi_http_free(http);
}

Test(http_server, bodies_come_whole_by_length_and_in_chunks, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;

    peer_ask(http, LOCAL,
             "POST /echo/a%20b?key=%2B HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
             &answer);
    cr_assert_eq(answer.status, 200);
    cr_assert_str_eq(answer.body, "[a b][+]hello");
    peer_ask(http, LOCAL,
             "POST /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\n\r\n",
             &answer);
    cr_assert_eq(answer.status, 200);
    cr_assert_str_eq(answer.body, "[x][-]hello");
    rfi_http_free(http);
}

Test(http_server, a_body_may_reach_the_limit_and_not_pass_it, .timeout = 30)
{
    static char request[8192];
    struct desk desk;
    struct rfi_http *http = server(&desk);
    for (unsigned size = 999; size <= 1001; size++) {
        int head = snprintf(request, sizeof request,
                            "POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n", size);
        memset(request + head, 'b', size);
        request[(unsigned)head + size] = '\0';
        cr_assert_eq(peer_status(http, LOCAL, request), size > 1000 ? 413 : 200);
        head = snprintf(request, sizeof request,
                        "POST /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                        "chunked\r\n\r\n%x\r\n",
                        size);
        memset(request + head, 'b', size);
        (void)snprintf(request + head + size, sizeof request - (unsigned)head - size,
                       "\r\n0\r\n\r\n");
        cr_assert_eq(peer_status(http, LOCAL, request), size > 1000 ? 413 : 200);
    }
    cr_assert_eq(peer_status(http, LOCAL,
                             "POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: "
                             "99999999999999999999\r\n\r\n"),
                 413);
    cr_assert_eq(peer_status(http, LOCAL,
                             "POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: "
                             "9999999\r\nExpect: 100-continue\r\n\r\n"),
                 413);
    rfi_http_free(http);
}

Test(http_server, admin_routes_are_for_loopback_without_origin_or_foreign_host, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);

    cr_assert_eq(peer_status(http, LOCAL, GET("/admin")), 200);
    cr_assert_eq(peer_status(http, "127.8.8.8", GET("/admin")), 200);
    cr_assert_eq(peer_status(http, "::1", GET("/admin")), 200);
    cr_assert_eq(peer_status(http, "::ffff:127.0.0.1", GET("/admin")), 200);
    cr_assert_eq(peer_status(http, LOCAL, "GET /admin HTTP/1.0\r\n\r\n"), 200);
    cr_assert_eq(peer_status(http, LOCAL, "GET /admin HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 200);
    cr_assert_eq(peer_status(http, REMOTE, GET("/admin")), 403);
    cr_assert_eq(peer_status(http, "::ffff:203.0.113.5", GET("/admin")), 403);
    cr_assert_eq(peer_status(http, "2001:db8::1", GET("/admin")), 403);
    cr_assert_eq(peer_status(http, LOCAL, "GET /admin HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
                 403);
    cr_assert_eq(
        peer_status(http, LOCAL, "GET /admin HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n"),
        403);
    rfi_http_free(http);
}

Test(http_server, the_admin_token_lets_others_in, .timeout = 30)
{
    static const char right[] =
        "GET /admin HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer s3cret\r\n\r\n";
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;

    cr_assert_eq(peer_status(http, REMOTE, right), 403);
    rfi_http_set_admin_token(http, "s3cret");
    cr_assert_eq(peer_status(http, REMOTE, right), 200);
    cr_assert_eq(peer_status(http, LOCAL, right), 200);
    peer_ask(http, REMOTE, GET("/admin"), &answer);
    cr_assert_eq(answer.status, 401);
    cr_assert_not_null(strstr(answer.head, "WWW-Authenticate: Bearer\r\n"));
    cr_assert_eq(peer_status(http, REMOTE,
                             "GET /admin HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                             "s3creT\r\n\r\n"),
                 401);
    cr_assert_eq(peer_status(http, REMOTE,
                             "GET /admin HTTP/1.1\r\nHost: a\r\nAuthorization: Basic "
                             "s3cret\r\n\r\n"),
                 401);
    rfi_http_set_admin_token(http, NULL);
    cr_assert_eq(peer_status(http, REMOTE, right), 403);
    rfi_http_free(http);
}

Test(http_server, a_public_handler_learns_who_asks, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;
    peer_ask(http, REMOTE, GET("/who"), &answer);
    cr_assert_str_eq(answer.body, "203.0.113.5 guest");
    peer_ask(http, "::ffff:127.0.0.1", GET("/who"), &answer);
    cr_assert_str_eq(answer.body, "127.0.0.1 admin");
    rfi_http_free(http);
}

Test(http_server, a_web_page_writes_nowhere_and_may_read_public_routes, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    cr_assert_eq(peer_status(http, LOCAL,
                             "POST /write HTTP/1.1\r\nHost: localhost\r\nOrigin: "
                             "http://evil.example\r\nContent-Length: 0\r\n\r\n"),
                 403);
    cr_assert_eq(
        peer_status(http, REMOTE, "POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        200);
    cr_assert_eq(
        peer_status(http, LOCAL, "GET /who HTTP/1.1\r\nHost: a\r\nOrigin: http://x\r\n\r\n"), 200);
    rfi_http_free(http);
}

Test(http_server, a_handler_may_answer_later_from_another_thread, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;
    int fd = peer_open(http, LOCAL, GET("/later"), strlen(GET("/later")));

    struct rfi_http_request *request = desk_wait(&desk, 0);
    cr_assert_eq(peer_status(http, LOCAL, GET("/hello")), 200); /* others are served meanwhile */
    answer_text(request, 201, "\"late\"");
    peer_read(fd, false, &answer);

    cr_assert_eq(answer.status, 201);
    cr_assert_str_eq(answer.body, "\"late\"");
    peer_write(fd, GET("/hello"), strlen(GET("/hello")));
    peer_read(fd, false, &answer);
    cr_assert_eq(answer.status, 200);
    (void)close(fd);
    rfi_http_free(http);
}

Test(http_server, an_answer_for_a_client_that_left_goes_nowhere, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    int fd = peer_open(http, LOCAL, GET("/later"), strlen(GET("/later")));
    struct rfi_http_request *request = desk_wait(&desk, 0);
    (void)close(fd);
    answer_text(request, 200, "\"late\"");
    cr_assert_eq(peer_status(http, LOCAL, GET("/hello")), 200);
    rfi_http_free(http);
}

Test(http_server, stop_answers_503_and_a_later_answer_is_dropped, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server(&desk);
    struct peer_answer answer;
    int fd = peer_open(http, LOCAL, GET("/later"), strlen(GET("/later")));
    struct rfi_http_request *request = desk_wait(&desk, 0);

    rfi_http_stop(http);
    peer_read(fd, false, &answer);
    cr_assert_eq(answer.status, 503);
    (void)close(fd);
    cr_assert_eq(peer_status(http, LOCAL, GET("/hello")), 503);
    rfi_http_free(http);
    answer_text(request, 200, "\"too late\"");
}

static void *answer_all(void *user)
{
    struct desk *desk = user;
    for (size_t i = 0; i < 8; i++)
        answer_text(desk_wait(desk, i), 200, "\"raced\"");
    return NULL;
}

Test(http_server, answers_and_stop_may_race, .timeout = 60)
{
    for (int round = 0; round < 20; round++) {
        struct desk desk;
        struct rfi_http *http = server_start(&desk, 2, 64, 15000);
        pthread_t thread;
        int fds[8];
        cr_assert_eq(pthread_create(&thread, NULL, answer_all, &desk), 0);
        for (size_t i = 0; i < 8; i++)
            fds[i] = peer_open(http, LOCAL, GET("/later"), strlen(GET("/later")));
        (void)desk_wait(&desk, 7);
        rfi_http_stop(http);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        rfi_http_free(http);
        for (size_t i = 0; i < 8; i++) {
            struct peer_answer answer;
            peer_read(fds[i], false, &answer);
            cr_assert(answer.status == 200 || answer.status == 503);
            (void)close(fds[i]);
        }
    }
}

Test(http_server, connections_over_the_limit_are_told, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server_start(&desk, 1, 2, 15000);
    struct peer_answer answer;
    int fds[2];
    for (size_t i = 0; i < 2; i++) {
        fds[i] = peer_open(http, LOCAL, GET("/hello"), strlen(GET("/hello")));
        peer_read(fds[i], false, &answer);
        cr_assert_eq(answer.status, 200);
    }
    peer_ask(http, LOCAL, GET("/hello"), &answer);
    cr_assert_eq(answer.status, 503);
    cr_assert_not_null(strstr(answer.head, "Retry-After: 1\r\n"));
    (void)close(fds[0]);
    (void)close(fds[1]);
    do { /* until the server has seen that they are gone; the test's timeout bounds it */
        peer_ask(http, LOCAL, GET("/hello"), &answer);
    } while (answer.status == 503);
    cr_assert_eq(answer.status, 200);
    rfi_http_free(http);
}

Test(http_server, an_idle_connection_is_ended, .timeout = 30)
{
    struct desk desk;
    struct rfi_http *http = server_start(&desk, 1, 4, 1000);
    int fd = peer_open(http, LOCAL, "GET /hel", 8);
    cr_assert(peer_is_ended(fd));
    (void)close(fd);
    rfi_http_free(http);
}

Test(http_server, a_socket_that_comes_before_start_is_refused, .timeout = 30)
{
    struct rfi_http_options options = {
        .threads = 1, .connections_max = 4, .idle_timeout_ms = 1000, .routes = routes};
    struct rfi_http *http = NULL;
    cr_assert_eq(rfi_http_new(&options, NULL, &http), RF_OK);
    cr_assert_eq(peer_status(http, LOCAL, GET("/hello")), 503);
    rfi_http_free(http);
    rfi_http_free(NULL);
}
