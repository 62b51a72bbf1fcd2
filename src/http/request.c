/* SPDX-License-Identifier: MIT */
/* What a handler sees of a request, and how it answers.
 *
 * A request has up to two owners: the connection (until libmicrohttpd completes it) and whoever owes the
 * answer (from the call of the handler until rfi_http_answer). So a handler may answer after the client went away
 * and after the server was stopped: stop answers 503 in its place, and the late answer is dropped.
 * Exactly one answer is sent; is_answered under the server's lock decides which.
 * Nothing is sent here: the serving thread does that in exchange.c. */
#include "http/http_internal.h"

#include "core/base/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rfi_http_request *rfi_http_request_new(struct rfi_http *http, const char *uri)
{
    struct rfi_http_request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->http = http;
    request->refs = 1;
    rfi_buf_init(&request->body);
    rfi_buf_init(&request->answer);
    request->target_status = rfi_http_target_parse(uri, &request->target, &request->target_why);
    (void)pthread_mutex_lock(&http->lock);
    http->refs++;
    (void)pthread_mutex_unlock(&http->lock);
    return request;
}

void rfi_http_request_unref(struct rfi_http_request *request)
{
    struct rfi_http *http = request->http;
    (void)pthread_mutex_lock(&http->lock);
    bool is_last = --request->refs == 0;
    if (!is_last) {
        (void)pthread_mutex_unlock(&http->lock);
        return;
    }
    rfi_http_target_fini(&request->target);
    rfi_buf_fini(&request->body);
    rfi_buf_fini(&request->answer);
    free(request);
    rfi_http_unref_locked(http);
}

const char *rfi_http_segment(const struct rfi_http_request *request, size_t index)
{
    return index < request->index_count ? request->target.segments[request->indexes[index]] : NULL;
}

const char *rfi_http_query(const struct rfi_http_request *request, const char *key)
{
    for (size_t i = 0; i < request->target.query_count; i++) {
        if (strcmp(request->target.query[i].key, key) == 0)
            return request->target.query[i].value;
    }
    return NULL;
}

const char *rfi_http_body(const struct rfi_http_request *request, size_t *out_size)
{
    *out_size = request->body.size;
    return request->body.data != NULL ? (const char *)request->body.data : "";
}

const char *rfi_http_caller(const struct rfi_http_request *request)
{
    return request->caller;
}

bool rfi_http_is_admin(const struct rfi_http_request *request)
{
    return request->is_admin;
}

static void set_answer(struct rfi_http_request *request, unsigned status, const char *content_type,
                       struct rfi_buf *body)
{
    request->is_answered = true;
    request->status = status;
    (void)snprintf(request->content_type, sizeof request->content_type, "%s", content_type);
    rfi_buf_fini(&request->answer);
    request->answer = *body;
    rfi_buf_init(body);
    if (request->answer.is_failed)
        request->status = 500;
}

void rfi_http_answer(struct rfi_http_request *request, unsigned status, const char *content_type,
                     struct rfi_buf *body)
{
    struct rfi_http *http = request->http;
    (void)pthread_mutex_lock(&http->lock);
    if (!request->is_answered) {
        set_answer(request, status, content_type, body);
        if (request->is_suspended) {
            request->is_suspended = false;
            if (request->previous != NULL)
                request->previous->next = request->next;
            else
                http->suspended = request->next;
            if (request->next != NULL)
                request->next->previous = request->previous;
            MHD_resume_connection(request->connection);
        }
    }
    (void)pthread_mutex_unlock(&http->lock);
    rfi_buf_fini(body);
    rfi_http_request_unref(request);
}

void rfi_http_write_error(struct rfi_buf *buf, const char *code, const char *message)
{
    struct rfi_json_writer w;
    rfi_jsonw_init(&w, buf);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_key(&w, "error");
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_string(&w, "code", code);
    rfi_jsonw_kv_string(&w, "message", message);
    rfi_jsonw_end_object(&w);
    rfi_jsonw_end_object(&w);
}

static unsigned status_of(rf_err err)
{
    switch (err) {
    case RF_OK:
        return 200;
    case RF_EINVAL:
    case RF_EFORMAT:
        return 400;
    case RF_EAUTH:
        return 403;
    case RF_ENOACTOR:
    case RF_ENOPORT:
    case RF_ENOCOMPONENT:
    case RF_ENONETWORK:
    case RF_ENOENT:
        return 404;
    case RF_EEXISTS:
    case RF_ESTATE:
    case RF_EDUPLICATE:
        return 409;
    case RF_ELIMIT:
        return 413;
    case RF_EUNSUPPORTED:
        return 501;
    case RF_EREFUSED:
    case RF_EPROTO:
    case RF_ENOREPLY:
    case RF_EACTOR:
    case RF_ERESTARTED:
        return 502;
    case RF_ENOMEM:
    case RF_EFULL:
    case RF_EAGAIN:
    case RF_ECLOSED:
    case RF_ENOTCONNECTED:
        return 503;
    case RF_ETIMEOUT:
        return 504;
    case RF_ESYS:
    case RF_ERR_COUNT:
        break;
    }
    return 500;
}

const char *rfi_http_status_code_name(unsigned status)
{
    static const struct {
        unsigned status;
        const char *name;
    } names[] = {
        {400, "BAD_REQUEST"},        {401, "UNAUTHORIZED"},       {403, "FORBIDDEN"},
        {404, "NOT_FOUND"},          {405, "METHOD_NOT_ALLOWED"}, {408, "TIMEOUT"},
        {409, "CONFLICT"},           {413, "TOO_LARGE"},          {414, "URI_TOO_LONG"},
        {417, "EXPECTATION_FAILED"}, {429, "TOO_MANY"},           {431, "HEADERS_TOO_LARGE"},
        {501, "NOT_IMPLEMENTED"},    {503, "UNAVAILABLE"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].status == status)
            return names[i].name;
    }
    return "ERROR";
}

/* The body of an error: its code and a text of the caller's. Makes `out`. */
RF_PRINTF(3, 0)
static void format_error(struct rfi_buf *out, const char *code, const char *format, va_list args)
{
    char message[1024];
    (void)vsnprintf(message, sizeof message, format, args);
    rfi_buf_init(out);
    rfi_http_write_error(out, code, message);
}

void rfi_http_answer_error(struct rfi_http_request *request, rf_err err, const char *format, ...)
{
    struct rfi_buf body;
    va_list args;
    va_start(args, format);
    format_error(&body, rf_err_name(err), format, args);
    va_end(args);
    rfi_http_answer(request, status_of(err), "application/json", &body);
}

void rfi_http_answer_status(struct rfi_http_request *request, unsigned status, const char *format,
                            ...)
{
    struct rfi_buf body;
    va_list args;
    va_start(args, format);
    format_error(&body, rfi_http_status_code_name(status), format, args);
    va_end(args);
    rfi_http_answer(request, status, "application/json", &body);
}

void rfi_http_request_refuse(struct rfi_http_request *request, unsigned status, const char *format,
                             ...)
{
    struct rfi_buf body;
    va_list args;
    va_start(args, format);
    format_error(&body, rfi_http_status_code_name(status), format, args);
    va_end(args);
    set_answer(request, status, "application/json", &body);
    /* What follows such a request on the connection cannot be trusted. */
    request->must_close = status == 400 || status == 413 || status == 414 || status == 431;
}
