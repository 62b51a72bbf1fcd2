/* SPDX-License-Identifier: MIT */
/* The HTTP server: life cycle and connections. Requests are exchange.c's.
 *
 * N daemons of libmicrohttpd, one thread each, without a listening socket: connections come by
 * rfi_http_add_connection (the library's own thread pool is documented as unsupported in this mode). A
 * new connection is looked at once more here: what has arrived of the first head is checked strictly
 * and refused before libmicrohttpd, which is lenient, reads it.
 * One more thread, the watch, ends connections that pass an absolute deadline (head, body, taking the answer);
 * libmicrohttpd's own timeout only knows idleness, which one byte now and then defeats.
 * The struct is counted: each request that is not answered keeps it, so a handler may answer after free. */
#include "http/http_internal.h"

#include "core/base/clock.h"
#include <reflow/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 64, WATCH_MS = 500 };

rf_err rfi_http_new(const struct rfi_http_options *options, void *user, struct rfi_http **out)
{
    if (options->threads > THREADS_MAX)
        return RF_ELIMIT;
    struct rfi_http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return RF_ENOMEM;
    http->daemon_count = options->threads != 0 ? options->threads : 1;
    http->daemons = calloc(http->daemon_count, sizeof(struct MHD_Daemon *));
    if (http->daemons == NULL) {
        free(http);
        return RF_ENOMEM;
    }
    http->connections_max = options->connections_max != 0 ? options->connections_max : 1;
    http->body_bytes_max = options->body_bytes_max;
    http->idle_timeout_ms = options->idle_timeout_ms != 0 ? options->idle_timeout_ms : 1000;
    http->routes = options->routes;
    http->user = user;
    http->refs = 1;
    (void)pthread_mutex_init(&http->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&http->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    rfi_http_set_admin_token(http, options->admin_token);
    *out = http;
    return RF_OK;
}

void rfi_http_set_admin_token(struct rfi_http *http, const char *token)
{
    (void)pthread_mutex_lock(&http->lock);
    explicit_bzero(http->admin_token, sizeof http->admin_token);
    /* A longer token cannot be shown, so it would lock everybody out: config.c bounds it. */
    if (token != NULL && strlen(token) <= RFI_HTTP_TOKEN_BYTES_MAX)
        (void)snprintf(http->admin_token, sizeof http->admin_token, "%s", token);
    (void)pthread_mutex_unlock(&http->lock);
}

static void __attribute__((format(printf, 2, 0)))
on_log(void *cls, const char *format, va_list args)
{
    char text[512];
    (void)cls;
    (void)vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\r\n")] = '\0';
    rf_log(RF_LOG_DEBUG, "HTTP-LIBRARY", "text=\"%s\"", text);
}

static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text); /* head.c decodes, once */
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct rfi_http *http = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct rfi_http_conn *conn = calloc(1, sizeof *conn);
        *socket_context = conn;
        if (conn == NULL || info == NULL)
            return; /* served without absolute deadlines */
        conn->fd = info->connect_fd;
        conn->deadline_ms = rfi_clock_ms() + RFI_HTTP_HEAD_MS;
        (void)pthread_mutex_lock(&http->lock);
        conn->next = http->conns;
        if (conn->next != NULL)
            conn->next->previous = conn;
        http->conns = conn;
        (void)pthread_cond_broadcast(&http->changed);
        (void)pthread_mutex_unlock(&http->lock);
        return;
    }
    struct rfi_http_conn *conn = *socket_context;
    *socket_context = NULL;
    (void)pthread_mutex_lock(&http->lock);
    http->conn_count--;
    if (conn != NULL && (conn->previous != NULL || http->conns == conn)) {
        if (conn->previous != NULL)
            conn->previous->next = conn->next;
        else
            http->conns = conn->next;
        if (conn->next != NULL)
            conn->next->previous = conn->previous;
    }
    (void)pthread_mutex_unlock(&http->lock);
    free(conn);
}

static void wait_changed_locked(struct rfi_http *http, uint64_t delay_ms)
{
    uint64_t until_ns = rfi_clock_ns() + delay_ms * 1000000;
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    (void)pthread_cond_timedwait(&http->changed, &http->lock, &until);
}

static void *watch_main(void *cls)
{
    struct rfi_http *http = cls;
    (void)pthread_mutex_lock(&http->lock);
    while (!http->is_stopping) {
        if (http->conns == NULL) {
            (void)pthread_cond_wait(&http->changed, &http->lock);
            continue;
        }
        unsigned ended_count = 0;
        uint64_t now_ms = rfi_clock_ms();
        for (struct rfi_http_conn *conn = http->conns; conn != NULL; conn = conn->next) {
            if (conn->deadline_ms == 0 || conn->deadline_ms > now_ms)
                continue;
            conn->deadline_ms = 0;
            /* The descriptor is open while the connection is in this list; closing stays with the
             * serving thread. */
            (void)shutdown(conn->fd, SHUT_RDWR);
            ended_count++;
        }
        if (ended_count == 0) {
            wait_changed_locked(http, WATCH_MS);
            continue;
        }
        (void)pthread_mutex_unlock(&http->lock);
        rf_log(RF_LOG_INFO, "HTTP-DEADLINE", "connections=%u", ended_count);
        (void)pthread_mutex_lock(&http->lock);
    }
    (void)pthread_mutex_unlock(&http->lock);
    return NULL;
}

static struct MHD_Daemon *start_daemon(struct rfi_http *http)
{
    unsigned flags = MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    unsigned timeout_s = http->idle_timeout_ms / 1000 + (http->idle_timeout_ms % 1000 != 0);
    /* The logger must be the first option. The limit of connections is kept in add_connection, over all
     * daemons; here it is only a fence. */
    return MHD_start_daemon(flags, 0, NULL, NULL, rfi_http_on_request, http,
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)RFI_HTTP_CONNECTION_BYTES,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)http->connections_max + 8,
                            MHD_OPTION_CONNECTION_TIMEOUT, timeout_s, MHD_OPTION_URI_LOG_CALLBACK,
                            rfi_http_on_uri, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
                            MHD_OPTION_NOTIFY_COMPLETED, rfi_http_on_completed, http,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
}

static void stop_daemons(struct rfi_http *http)
{
    for (uint32_t i = 0; i < http->daemon_count; i++) {
        if (http->daemons[i] != NULL)
            MHD_stop_daemon(http->daemons[i]);
        http->daemons[i] = NULL;
    }
}

rf_err rfi_http_start(struct rfi_http *http)
{
    (void)pthread_mutex_lock(&http->lock);
    bool is_new = !http->is_running && !http->is_stopping;
    (void)pthread_mutex_unlock(&http->lock);
    if (!is_new)
        return RF_ESTATE;
    for (uint32_t i = 0; i < http->daemon_count; i++) {
        http->daemons[i] = start_daemon(http);
        if (http->daemons[i] == NULL) {
            stop_daemons(http);
            return RF_ESYS;
        }
    }
    if (pthread_create(&http->watch, NULL, watch_main, http) != 0) {
        stop_daemons(http);
        return RF_ESYS;
    }
    (void)pthread_mutex_lock(&http->lock);
    http->has_watch = true;
    http->is_running = true;
    (void)pthread_mutex_unlock(&http->lock);
    return RF_OK;
}

/* Answer before libmicrohttpd has the socket, then close it. */
static void refuse_socket(int fd, unsigned status, const char *why)
{
    struct rfi_buf body;
    struct rfi_buf text;
    rfi_buf_init(&body);
    rfi_buf_init(&text);
    rfi_http_write_error(&body, rfi_http_status_code_name(status), why);
    rfi_buf_printf(&text,
                   "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
                   "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s"
                   "Content-Length: %zu\r\n\r\n",
                   status, rfi_http_status_code_name(status),
                   status == 503 ? "Retry-After: 1\r\n" : "", body.size);
    rfi_buf_append(&text, body.data, body.size);
    if (!body.is_failed && !text.is_failed)
        (void)send(fd, text.data, text.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    /* Take what has arrived, since closing over unread bytes resets the connection and may cost the
     * client our answer. */
    char unread[4096];
    for (int i = 0; i < 16 && recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0; i++)
        continue;
    (void)close(fd);
    rfi_buf_fini(&body);
    rfi_buf_fini(&text);
}

static unsigned check_first_head(int fd, const char **out_why)
{
    char *head = malloc(RFI_HTTP_HEAD_BYTES_MAX);
    if (head == NULL)
        return 0; /* libmicrohttpd still has its own limits */
    unsigned status = 0;
    ssize_t size = recv(fd, head, RFI_HTTP_HEAD_BYTES_MAX, MSG_PEEK | MSG_DONTWAIT);
    if (size > 0)
        status = rfi_http_head_check(head, (size_t)size, out_why);
    free(head);
    return status;
}

void rfi_http_add_connection(struct rfi_http *http, int fd, const struct sockaddr *address,
                             socklen_t address_size)
{
    const char *why = "";
    unsigned status = check_first_head(fd, &why);
    bool is_closed_by_us = status != 0;
    if (status != 0) {
        char caller[64];
        bool is_loopback = false;
        rfi_http_caller_of(address, caller, &is_loopback);
        rf_log(RF_LOG_INFO, "HTTP-BAD-HEAD", "caller=%s reason=\"%s\"", caller, why);
    }
    (void)pthread_mutex_lock(&http->lock);
    if (status == 0 && !http->is_running) {
        is_closed_by_us = true;
        status = 503;
        why = "the node is stopping";
    } else if (status == 0 && http->conn_count >= http->connections_max) {
        is_closed_by_us = true;
        status = 503;
        why = "too many HTTP connections";
    } else if (status == 0) {
        struct MHD_Daemon *daemon = http->daemons[http->next_daemon++ % http->daemon_count];
        /* Closes the socket on failure too. Under the lock, so that stop cannot free the daemon. */
        if (MHD_add_connection(daemon, fd, address, address_size) == MHD_YES)
            http->conn_count++;
    }
    (void)pthread_mutex_unlock(&http->lock);
    if (is_closed_by_us)
        refuse_socket(fd, status, why);
}

void rfi_http_stop(struct rfi_http *http)
{
    (void)pthread_mutex_lock(&http->lock);
    http->is_running = false;
    http->is_stopping = true;
    while (http->suspended != NULL) {
        struct rfi_http_request *request = http->suspended;
        http->suspended = request->next;
        if (request->next != NULL)
            request->next->previous = NULL;
        request->is_suspended = false;
        rfi_http_request_refuse(request, 503, "the node is stopping");
        request->must_close = true;
        MHD_resume_connection(request->connection);
    }
    (void)pthread_cond_broadcast(&http->changed);
    uint64_t now_ms = rfi_clock_ms();
    uint64_t until_ms = now_ms + RFI_HTTP_LINGER_MS;
    for (; http->answering_count > 0 && now_ms < until_ms; now_ms = rfi_clock_ms())
        wait_changed_locked(http, until_ms - now_ms);
    bool has_watch = http->has_watch;
    http->has_watch = false;
    (void)pthread_mutex_unlock(&http->lock);
    if (!has_watch)
        return;
    (void)pthread_join(http->watch, NULL);
    stop_daemons(http);
}

void rfi_http_unref_locked(struct rfi_http *http)
{
    bool is_last = --http->refs == 0;
    (void)pthread_mutex_unlock(&http->lock);
    if (!is_last)
        return;
    explicit_bzero(http->admin_token, sizeof http->admin_token);
    (void)pthread_cond_destroy(&http->changed);
    (void)pthread_mutex_destroy(&http->lock);
    free(http->daemons);
    free(http);
}

void rfi_http_free(struct rfi_http *http)
{
    if (http == NULL)
        return;
    rfi_http_stop(http);
    (void)pthread_mutex_lock(&http->lock);
    rfi_http_unref_locked(http);
}
