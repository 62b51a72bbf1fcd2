/* SPDX-License-Identifier: MIT */
/* May this request pass? Every check between the whole head and the handler, in one order: form of the
 * headers, size of the body, route, method, and who asks. Runs on the serving thread; refuses by
 * rfi_http_request_refuse. The order matters: nothing about routes is said to a request whose
 * framing is doubtful.
 *
 * Who is an administrator: a loopback caller whose request carries no Origin (no web page sent it) and
 * whose Host is localhost or an address (no foreign name was rebound to us); or who shows the admin token. */
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The headers that decide something. */
struct heads {
    size_t count, hosts, lengths, encodings, authorizations, origins, expects;
    const char *host, *length, *encoding, *authorization, *expect;
    bool is_bad;
};

static enum MHD_Result note_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                   size_t key_size, const char *value, size_t value_size)
{
    struct heads *heads = cls;
    (void)kind;
    heads->count++;
    if (value == NULL)
        value = "";
    if (!rfi_http_token_is_valid(key, key_size))
        heads->is_bad = true;
    for (size_t i = 0; i < value_size; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            heads->is_bad = true;
    }
    struct {
        const char *name;
        size_t *count;
        const char **value;
    } known[] = {
        {"Host", &heads->hosts, &heads->host},
        {"Content-Length", &heads->lengths, &heads->length},
        {"Transfer-Encoding", &heads->encodings, &heads->encoding},
        {"Authorization", &heads->authorizations, &heads->authorization},
        {"Expect", &heads->expects, &heads->expect},
        {"Origin", &heads->origins, NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcasecmp(known[i].name, key) != 0)
            continue;
        (*known[i].count)++;
        if (known[i].value != NULL)
            *known[i].value = value;
    }
    return MHD_YES;
}

void rfi_http_caller_of(const struct sockaddr *address, char out[64], bool *out_is_loopback)
{
    (void)snprintf(out, 64, "unknown");
    *out_is_loopback = false;
    if (address == NULL)
        return;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        (void)inet_ntop(AF_INET, &in.sin_addr, out, 64);
        *out_is_loopback = (ntohl(in.sin_addr.s_addr) >> 24) == 127;
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            const uint8_t *bytes = in6.sin6_addr.s6_addr + 12;
            (void)inet_ntop(AF_INET, bytes, out, 64);
            *out_is_loopback = bytes[0] == 127;
        } else {
            (void)inet_ntop(AF_INET6, &in6.sin6_addr, out, 64);
            *out_is_loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
        }
    } else if (address->sa_family == AF_UNIX) {
        (void)snprintf(out, 64, "127.0.0.1");
        *out_is_loopback = true;
    }
}

/* Digits only; false when it does not fit. */
static bool parse_length(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

/* The framing of the request: a doubt here is always a 400 and the end of the connection. */
static bool check_form(struct rfi_http_request *request, const struct heads *heads,
                       bool is_http_1_0)
{
    if (heads->is_bad)
        rfi_http_request_refuse(request, 400, "a header is malformed");
    else if (heads->count > RFI_HTTP_HEADERS_MAX)
        rfi_http_request_refuse(request, 431, "more than %d headers", (int)RFI_HTTP_HEADERS_MAX);
    else if (heads->hosts > 1 || (heads->hosts == 0 && !is_http_1_0))
        rfi_http_request_refuse(request, 400, "exactly one Host header is needed");
    else if (heads->hosts == 1 && !rfi_http_host_is_valid(heads->host))
        rfi_http_request_refuse(request, 400, "the Host header is malformed");
    else if (heads->lengths > 1 || heads->encodings > 1 ||
             (heads->lengths != 0 && heads->encodings != 0))
        rfi_http_request_refuse(request, 400,
                                "the length of the body is told twice (Content-Length, "
                                "Transfer-Encoding)");
    else if (heads->encodings == 1 && (is_http_1_0 || strcasecmp(heads->encoding, "chunked") != 0))
        rfi_http_request_refuse(request, 400, "the only Transfer-Encoding is chunked, in HTTP/1.1");
    else if (heads->authorizations > 1 || heads->origins > 1)
        rfi_http_request_refuse(request, 400, "Authorization or Origin is there twice");
    else if (heads->expects > 1 ||
             (heads->expects == 1 && strcasecmp(heads->expect, "100-continue") != 0))
        rfi_http_request_refuse(request, 417, "the only expectation is 100-continue");
    else if (request->target_status != 0)
        rfi_http_request_refuse(request, request->target_status, "%s", request->target_why);
    return !request->is_answered;
}

static bool check_length(struct rfi_http_request *request, const struct heads *heads)
{
    uint64_t length = 0;
    if (heads->lengths == 0)
        return true;
    if (!parse_length(heads->length, &length)) {
        rfi_http_request_refuse(request, 400, "Content-Length is no number");
        return false;
    }
    if (length > request->http->body_bytes_max) {
        rfi_http_request_refuse(request, 413, "the body is over the limit of %u bytes",
                                request->http->body_bytes_max);
        return false;
    }
    return true;
}

static void add_allow(struct rfi_http_request *request, const char *method)
{
    size_t size = strlen(request->allow);
    (void)snprintf(request->allow + size, sizeof request->allow - size, "%s%s",
                   size > 0 ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        add_allow(request, "HEAD");
}

static bool find_route(struct rfi_http_request *request, const char *method)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    bool is_path_known = false;
    for (const struct rfi_http_route *route = request->http->routes; route->method != NULL;
         route++) {
        size_t indexes[RFI_HTTP_SEGMENTS_MAX];
        size_t count = 0;
        if (!rfi_http_target_matches(&request->target, route->path, indexes, &count))
            continue;
        is_path_known = true;
        add_allow(request, route->method);
        if (request->route != NULL || strcmp(route->method, wanted) != 0)
            continue;
        request->route = route;
        memcpy(request->indexes, indexes, sizeof indexes);
        request->index_count = count;
    }
    if (request->route != NULL) {
        request->allow[0] = '\0';
        return true;
    }
    if (is_path_known)
        rfi_http_request_refuse(request, 405, "this path answers %s", request->allow);
    else
        rfi_http_request_refuse(request, 404, "no such path; GET / lists what there is");
    return false;
}

static bool check_access(struct rfi_http_request *request, const struct heads *heads)
{
    char token[RFI_HTTP_TOKEN_BYTES_MAX + 1];
    (void)pthread_mutex_lock(&request->http->lock);
    memcpy(token, request->http->admin_token, sizeof token);
    (void)pthread_mutex_unlock(&request->http->lock);
    bool has_token = token[0] != '\0';
    bool is_token_right = false;
    if (has_token && heads->authorizations == 1 &&
        strncasecmp(heads->authorization, "Bearer ", 7) == 0)
        is_token_right = rfi_http_secret_equal(heads->authorization + 7, token);
    explicit_bzero(token, sizeof token);
    bool is_host_ours = heads->hosts == 0 || rfi_http_host_is_local(heads->host);
    bool is_local = request->is_loopback && heads->origins == 0 && is_host_ours;
    request->is_admin = is_local || is_token_right;
    /* A web page may send a POST to any address without being asked; it must not register networks. */
    bool is_page_writing = heads->origins != 0 && strcmp(request->route->method, "GET") != 0;
    if (request->is_admin || (request->route->access == RFI_HTTP_PUBLIC && !is_page_writing))
        return true;
    if (has_token && request->route->access == RFI_HTTP_ADMIN)
        rfi_http_request_refuse(request, 401, "this needs `Authorization: Bearer ADMIN_TOKEN`");
    else if (!request->is_loopback && !is_page_writing)
        rfi_http_request_refuse(request, 403,
                                "this is served to loopback clients only; set admin_token to "
                                "allow others");
    else if (heads->origins != 0)
        rfi_http_request_refuse(request, 403, "this is not served to web pages (Origin header)");
    else
        rfi_http_request_refuse(request, 403,
                                "this is served under localhost or an address, not under another "
                                "Host");
    return false;
}

void rfi_http_admit(struct rfi_http_request *request, const char *method, const char *version)
{
    struct heads heads = {0};
    (void)MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, note_header, &heads);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    rfi_http_caller_of(info != NULL ? info->client_addr : NULL, request->caller,
                       &request->is_loopback);
    if (!rfi_http_token_is_valid(method, strlen(method))) {
        rfi_http_request_refuse(request, 400, "the method is malformed");
        return;
    }
    if (!check_form(request, &heads, strcmp(version, "HTTP/1.0") == 0))
        return;
    if (check_length(request, &heads) && find_route(request, method))
        (void)check_access(request, &heads);
}
