/* SPDX-License-Identifier: MIT */
/* The inside of the HTTP server, shared by server.c (sockets, life cycle), exchange.c (one request from
 * head to answer), admit.c (may it pass?) and request.c (what handlers see).
 *
 * One lock, `struct rfi_http.lock`, guards everything that more than the serving thread touches. It is taken before
 * libmicrohttpd's own locks, never inside them. Handlers run without it. */
#ifndef RFI_HTTP_INTERNAL_H
#define RFI_HTTP_INTERNAL_H

#include "http/head.h"
#include "http/server.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>

enum {
    RFI_HTTP_CONNECTION_BYTES = 32768, /* head of one request inside libmicrohttpd */
    RFI_HTTP_HEAD_MS = 10000,          /* absolute: from the first byte to the whole head */
    RFI_HTTP_READ_MS = 30000,          /* absolute: from the request line to the whole body */
    RFI_HTTP_WRITE_MS = 60000,         /* absolute: to take the answer */
    RFI_HTTP_LINGER_MS = 1000          /* what stop waits for answers to leave */
};

/* One connection, for the deadlines. */
struct rfi_http_conn {
    struct rfi_http_conn *previous, *next;
    int fd;
    uint64_t deadline_ms; /* monotonic; 0: none */
};

struct rfi_http {
    /* set once, then read by all */
    uint32_t connections_max, body_bytes_max, idle_timeout_ms;
    const struct rfi_http_route *routes;
    void *user;
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* monotonic clock */
    uint32_t refs;          /* the owner, and each request */
    bool is_running, is_stopping, has_watch;
    struct MHD_Daemon **daemons;
    uint32_t daemon_count, next_daemon;
    pthread_t watch;
    struct rfi_http_conn *conns;
    uint32_t conn_count;
    struct rfi_http_request *suspended;
    uint32_t answering_count; /* given to a handler and not completed */
    char admin_token[RFI_HTTP_TOKEN_BYTES_MAX + 1];
};

struct rfi_http_request {
    /* serving thread, until a handler gets it; then read only */
    struct rfi_http *http; /* one reference */
    struct MHD_Connection *connection;
    struct rfi_http_conn *conn;
    struct rfi_http_target target;
    unsigned target_status; /* what rfi_http_target_parse said */
    const char *target_why;
    const struct rfi_http_route *route;
    size_t indexes[RFI_HTTP_SEGMENTS_MAX]; /* of the {} segments */
    size_t index_count;
    char caller[64];
    bool is_loopback, is_admin, is_admitted, is_body_too_long;
    struct rfi_buf body;
    size_t dropped_bytes; /* of a body that nobody wants */
    /* under the lock */
    uint32_t refs; /* the connection, and who owes the answer */
    bool is_given, is_suspended, is_answered;
    struct rfi_http_request *previous, *next; /* in http->suspended */
    unsigned status;
    bool must_close;
    char content_type[64];
    char allow[64];
    struct rfi_buf answer;
};

/* request.c */
struct rfi_http_request *rfi_http_request_new(struct rfi_http *http, const char *uri);
void rfi_http_request_unref(struct rfi_http_request *request);
/* Serving thread, before any handler: note the answer {"error":…}; it is sent by exchange.c. */
void rfi_http_request_refuse(struct rfi_http_request *request, unsigned status, const char *format,
                             ...) RF_PRINTF(3, 4);
void rfi_http_write_error(struct rfi_buf *buf, const char *code, const char *message);
const char *rfi_http_status_code_name(unsigned status);
void rfi_http_unref_locked(struct rfi_http *http); /* unlocks */

/* admit.c: every check between the head and the handler. Refuses or leaves request->route set. */
void rfi_http_admit(struct rfi_http_request *request, const char *method, const char *version);
void rfi_http_caller_of(const struct sockaddr *address, char out[64], bool *out_is_loopback);

/* exchange.c: libmicrohttpd's callbacks. */
void *rfi_http_on_uri(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result rfi_http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version,
                                    const char *upload_data, size_t *upload_size, void **context);
void rfi_http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                           enum MHD_RequestTerminationCode code);

#endif
