/* SPDX-License-Identifier: MIT */
/* One request from its first line to its answer: libmicrohttpd's callbacks, all on the thread of the
 * daemon that serves the connection.
 *
 *   on_uri ─► on_request: head ─► body … ─► whole ─► handler ─┬─► answered: queue it
 *                │ refused                                    └─► not yet: suspend ─► resumed: queue it
 *                └─► read a short body to its end first, so that the client sees the refusal
 *
 * libmicrohttpd must never be asked to stop with a suspended connection (it aborts then), so a request is
 * suspended under the server's lock and only while the server is not stopping.
 * A callback that takes no body bytes would make it spin: every byte is taken, or the connection ends. */
#include "http/http_internal.h"

#include "core/base/clock.h"

#include <stdlib.h>
#include <string.h>

/* A refused body of up to this many bytes is read and dropped. Closing with unread bytes would reset the
 * connection, and the client would not see why. */
enum { DROP_BYTES_MAX = 1048576 };

static char out_of_memory[] = "{\"error\":{\"code\":\"RF_ENOMEM\",\"message\":\"out of memory\"}}";

static void set_deadline(struct rfi_http_request *request, uint64_t delay_ms)
{
    struct rfi_http *http = request->http;
    if (request->conn == NULL)
        return;
    (void)pthread_mutex_lock(&http->lock);
    request->conn->deadline_ms = delay_ms != 0 ? rfi_clock_ms() + delay_ms : 0;
    (void)pthread_mutex_unlock(&http->lock);
}

void *rfi_http_on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct rfi_http_request *request = rfi_http_request_new(cls, uri != NULL ? uri : "");
    if (request == NULL)
        return NULL;
    request->connection = connection;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->conn = info != NULL ? info->socket_context : NULL;
    set_deadline(request, RFI_HTTP_READ_MS);
    return request;
}

static void add_headers(struct rfi_http_request *request, struct MHD_Response *response)
{
    /* Failing to add one leaves the answer right, so the results are not needed. */
    (void)MHD_add_response_header(response, "Content-Type", request->content_type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (request->status == 405)
        (void)MHD_add_response_header(response, "Allow", request->allow);
    if (request->status == 401)
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (request->status == 503)
        (void)MHD_add_response_header(response, "Retry-After", "1");
    if (request->must_close)
        (void)MHD_add_response_header(response, "Connection", "close");
}

/* The answer belongs to the serving thread from here on. */
static enum MHD_Result queue_answer(struct rfi_http_request *request)
{
    size_t size = 0;
    char *body = NULL;
    struct MHD_Response *response = NULL;
    if (!request->answer.is_failed)
        body = rfi_buf_take_text(&request->answer, &size);
    if (body != NULL) {
        response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    } else {
        request->status = 500;
        response = MHD_create_response_from_buffer(sizeof out_of_memory - 1, out_of_memory,
                                                   MHD_RESPMEM_PERSISTENT);
    }
    if (response == NULL) {
        free(body);
        return MHD_NO;
    }
    add_headers(request, response);
    set_deadline(request, RFI_HTTP_WRITE_MS);
    enum MHD_Result result = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* Should the refusal go out before the body is read? */
static bool must_answer_early(const struct rfi_http_request *request)
{
    const char *expect =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Expect");
    const char *encoding =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Transfer-Encoding");
    const char *length =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
    if (expect != NULL)
        return true;
    /* libmicrohttpd reads chunks or counted bytes; where both or neither is certain, it reads nothing. */
    if (encoding != NULL)
        return length != NULL || request->status == 400;
    return length != NULL && (request->status == 400 || strlen(length) > 6);
}

static enum MHD_Result take_body(struct rfi_http_request *request, const char *data, size_t *size)
{
    size_t taken = *size;
    *size = 0;
    if (!request->is_answered && taken > request->http->body_bytes_max - request->body.size) {
        rfi_http_request_refuse(request, 413, "the body is over the limit of %u bytes",
                                request->http->body_bytes_max);
        rfi_buf_fini(&request->body);
        rfi_buf_init(&request->body);
    }
    if (request->is_answered) {
        request->dropped_bytes += taken;
        return request->dropped_bytes > DROP_BYTES_MAX ? MHD_NO : MHD_YES;
    }
    rfi_buf_append(&request->body, data, taken);
    return request->body.is_failed ? MHD_NO : MHD_YES;
}

static void run_handler(struct rfi_http_request *request)
{
    struct rfi_http *http = request->http;
    (void)pthread_mutex_lock(&http->lock);
    request->is_given = true;
    request->refs++; /* whoever answers gives it back */
    http->answering_count++;
    (void)pthread_mutex_unlock(&http->lock);
    set_deadline(request, 0);
    request->route->handler(http->user, request);
}

/* Stopping: the answer that the handler still owes is dropped when it comes. */
static void set_stopped_locked(struct rfi_http_request *request)
{
    rfi_http_request_refuse(request, 503, "the node is stopping");
    request->must_close = true;
}

static enum MHD_Result finish(struct rfi_http_request *request)
{
    struct rfi_http *http = request->http;
    if (!request->is_given && !request->is_answered)
        run_handler(request);
    (void)pthread_mutex_lock(&http->lock);
    if (!request->is_answered && http->is_stopping)
        set_stopped_locked(request);
    bool is_answered = request->is_answered;
    if (!is_answered && !request->is_suspended) {
        MHD_suspend_connection(request->connection);
        request->is_suspended = true;
        request->previous = NULL;
        request->next = http->suspended;
        if (request->next != NULL)
            request->next->previous = request;
        http->suspended = request;
    }
    (void)pthread_mutex_unlock(&http->lock);
    return is_answered ? queue_answer(request) : MHD_YES;
}

enum MHD_Result rfi_http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version,
                                    const char *upload_data, size_t *upload_size, void **context)
{
    struct rfi_http_request *request = *context;
    (void)cls;
    (void)connection;
    (void)url;
    if (request == NULL)
        return MHD_NO;
    if (!request->is_admitted) {
        request->is_admitted = true;
        rfi_http_admit(request, method, version);
        if (request->is_answered && must_answer_early(request)) {
            request->must_close = true;
            return queue_answer(request);
        }
        return MHD_YES;
    }
    if (*upload_size > 0)
        return take_body(request, upload_data, upload_size);
    return finish(request);
}

void rfi_http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                           enum MHD_RequestTerminationCode code)
{
    struct rfi_http *http = cls;
    struct rfi_http_request *request = *context;
    (void)connection;
    (void)code;
    *context = NULL;
    if (request == NULL)
        return;
    (void)pthread_mutex_lock(&http->lock);
    if (request->is_given && --http->answering_count == 0)
        (void)pthread_cond_broadcast(&http->changed);
    if (request->conn != NULL)
        request->conn->deadline_ms = rfi_clock_ms() + http->idle_timeout_ms + RFI_HTTP_HEAD_MS;
    (void)pthread_mutex_unlock(&http->lock);
    rfi_http_request_unref(request);
}
