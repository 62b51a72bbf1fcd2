/* SPDX-License-Identifier: MIT */
/* The HTTP server: libmicrohttpd behind one table of routes. It gets its connections from the transport, which has
 * looked at the first bytes. A handler answers at once, or later from any thread. Requests are checked strictly before any
 * handler runs (one Host, Content-Length xor Transfer-Encoding, one canonical path). */
#ifndef RFI_HTTP_SERVER_H
#define RFI_HTTP_SERVER_H

#include "core/base/buf.h"
#include <sys/socket.h>

struct rfi_http;
struct rfi_http_request;

enum rfi_http_access {
    RFI_HTTP_PUBLIC, /* anyone */
    RFI_HTTP_ADMIN   /* loopback without Origin, or the admin token as `Authorization: Bearer` */
};

/* Answers with rfi_http_answer, now or later (then the connection is suspended meanwhile). */
typedef void (*rfi_http_handler)(void *user, struct rfi_http_request *request);

struct rfi_http_route {
    const char *method; /* "GET"; HEAD is answered by GET routes */
    const char *path;   /* "/actors/{}/send": each {} is one percent-decoded segment */
    enum rfi_http_access access;
    rfi_http_handler handler;
};

struct rfi_http_options {
    uint32_t threads;
    uint32_t connections_max;
    uint32_t body_bytes_max;
    uint32_t idle_timeout_ms;
    const char *admin_token;             /* NULL or empty: none */
    const struct rfi_http_route *routes; /* ended by method NULL; borrowed until free */
};

RF_NODISCARD rf_err rfi_http_new(const struct rfi_http_options *options, void *user,
                                 struct rfi_http **out);
RF_NODISCARD rf_err rfi_http_start(struct rfi_http *http);
/* Takes the socket, also on failure (it is closed then). Any thread. */
void rfi_http_add_connection(struct rfi_http *http, int fd, const struct sockaddr *address,
                             socklen_t address_size);
void rfi_http_stop(struct rfi_http *http); /* requests that wait are answered 503 */
void rfi_http_free(struct rfi_http *http);
void rfi_http_set_admin_token(struct rfi_http *http, const char *token);

/* Inside a handler or until answered: */
const char *rfi_http_segment(const struct rfi_http_request *request, size_t index); /* of {} */
const char *rfi_http_query(const struct rfi_http_request *request,
                           const char *key); /* NULL: none */
const char *rfi_http_body(const struct rfi_http_request *request, size_t *out_size);
const char *rfi_http_caller(const struct rfi_http_request *request); /* address without port */
bool rfi_http_is_admin(
    const struct rfi_http_request *request); /* would an ADMIN route let it in? */
/* Answer once; takes the contents of `body`. Any thread. */
void rfi_http_answer(struct rfi_http_request *request, unsigned status, const char *content_type,
                     struct rfi_buf *body);
/* {"error":{"code":"RF_…","message":"…"}} with the status that fits the error. */
void rfi_http_answer_error(struct rfi_http_request *request, rf_err err, const char *format, ...)
    RF_PRINTF(3, 4);
void rfi_http_answer_status(struct rfi_http_request *request, unsigned status, const char *format,
                            ...) RF_PRINTF(3, 4);

#endif
