/* SPDX-License-Identifier: MIT */
/* The look at the first bytes, and the WebSocket upgrade as server and as client.
 *
 * Pure code: it borrows bytes and keeps nothing. One strict head parser serves requests and
 * responses: lines end in CR LF, names are tokens with no blank before the colon, no folded lines,
 * no control bytes, limits on the head, a line and the number of headers. Heads that could be read
 * in two ways (two lengths, two hosts, a length beside a transfer coding) are refused here, before
 * any HTTP server sees them.
 *
 * It does not judge Origin or paths, and never sends a subprotocol or an extension: the Rust client
 * fails on one it did not ask for. */
#include "net/ws_handshake.h"

#include "core/base/diag.h"
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *at;
    size_t size;
};

/* What matters of a head. */
struct head {
    struct span method;     /* request */
    unsigned minor_version; /* of HTTP/1.x */
    unsigned status;        /* response */
    unsigned header_count, host_count, length_count, key_count, accept_count, version_count;
    bool has_transfer_coding, has_subprotocol, has_extension;
    bool is_upgrade_websocket, is_connection_upgrade, is_version_13;
    struct span key, accept;
};

static bool span_is(struct span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.at, text, span.size) == 0;
}

static bool span_is_nocase(struct span span, const char *text)
{
    return span.size == strlen(text) && strncasecmp(span.at, text, span.size) == 0;
}

static struct span trim(struct span span)
{
    while (span.size > 0 && (span.at[0] == ' ' || span.at[0] == '\t')) {
        span.at++;
        span.size--;
    }
    while (span.size > 0 && (span.at[span.size - 1] == ' ' || span.at[span.size - 1] == '\t'))
        span.size--;
    return span;
}

static bool is_token_byte(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

/* Does a comma-separated list hold this token? */
static bool list_has(struct span list, const char *token)
{
    while (list.size > 0) {
        const char *comma = memchr(list.at, ',', list.size);
        size_t size = comma != NULL ? (size_t)(comma - list.at) : list.size;
        if (span_is_nocase(trim((struct span){list.at, size}), token))
            return true;
        if (comma == NULL)
            break;
        list.at += size + 1;
        list.size -= size + 1;
    }
    return false;
}

static void note_header(struct head *head, struct span name, struct span value)
{
    if (span_is_nocase(name, "host")) {
        head->host_count++;
    } else if (span_is_nocase(name, "content-length")) {
        head->length_count++;
    } else if (span_is_nocase(name, "transfer-encoding")) {
        head->has_transfer_coding = true;
    } else if (span_is_nocase(name, "upgrade")) {
        head->is_upgrade_websocket |= list_has(value, "websocket");
    } else if (span_is_nocase(name, "connection")) {
        head->is_connection_upgrade |= list_has(value, "upgrade");
    } else if (span_is_nocase(name, "sec-websocket-version")) {
        head->version_count++;
        head->is_version_13 = span_is(value, "13");
    } else if (span_is_nocase(name, "sec-websocket-key")) {
        head->key_count++;
        head->key = value;
    } else if (span_is_nocase(name, "sec-websocket-accept")) {
        head->accept_count++;
        head->accept = value;
    } else if (span_is_nocase(name, "sec-websocket-protocol")) {
        head->has_subprotocol = true;
    } else if (span_is_nocase(name, "sec-websocket-extensions")) {
        head->has_extension = true;
    }
}

/* One header line without its CR LF. NULL, or what is wrong. */
static const char *read_header_line(struct head *head, struct span line)
{
    if (++head->header_count > RFI_HTTP_HEADERS_MAX)
        return "too many headers";
    size_t name_size = 0;
    while (name_size < line.size && is_token_byte(line.at[name_size]))
        name_size++;
    if (name_size == 0 || name_size == line.size || line.at[name_size] != ':')
        return "malformed header line";
    struct span value = {line.at + name_size + 1, line.size - name_size - 1};
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return "control byte in a header";
    }
    note_header(head, (struct span){line.at, name_size}, trim(value));
    return NULL;
}

static const char *read_version(struct head *head, struct span text)
{
    if (span_is(text, "HTTP/1.1"))
        head->minor_version = 1;
    else if (span_is(text, "HTTP/1.0"))
        head->minor_version = 0;
    else
        return "HTTP version is not 1.1 or 1.0";
    return NULL;
}

static const char *read_request_line(struct head *head, struct span line)
{
    const char *first = memchr(line.at, ' ', line.size);
    if (first == NULL)
        return "malformed request line";
    head->method = (struct span){line.at, (size_t)(first - line.at)};
    struct span rest = {first + 1, line.size - head->method.size - 1};
    const char *second = memchr(rest.at, ' ', rest.size);
    if (second == NULL || second == rest.at)
        return "malformed request line";
    for (const char *c = rest.at; c < second; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
            return "forbidden byte in the request target";
    size_t target_size = (size_t)(second - rest.at);
    return read_version(head, (struct span){second + 1, rest.size - target_size - 1});
}

static const char *read_status_line(struct head *head, struct span line)
{
    if (line.size < 12 || line.at[8] != ' ' || (line.size > 12 && line.at[12] != ' '))
        return "malformed status line";
    for (size_t i = 9; i < 12; i++) {
        if (line.at[i] < '0' || line.at[i] > '9')
            return "malformed status line";
        head->status = head->status * 10 + (unsigned)(line.at[i] - '0');
    }
    return read_version(head, (struct span){line.at, 8});
}

static const char line_too_long[] = "line is too long";

/* `size` is what find_head_end gave. NULL, or what is wrong. */
static const char *read_head(const uint8_t *bytes, size_t size, bool is_response, struct head *out)
{
    memset(out, 0, sizeof *out);
    const char *at = (const char *)bytes;
    const char *end = at + size - 2; /* the empty line */
    const char *wrong = NULL;
    for (bool is_first = true; at < end && wrong == NULL; is_first = false) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            return "malformed head";
        struct span line = {at, (size_t)(newline - at) - 1};
        at = newline + 1;
        if (line.size > RFI_HTTP_LINE_MAX)
            wrong = line_too_long;
        else if (!is_first)
            wrong = read_header_line(out, line);
        else
            wrong = is_response ? read_status_line(out, line) : read_request_line(out, line);
    }
    return wrong;
}

enum head_end { HEAD_MORE, HEAD_WHOLE, HEAD_BAD };

/* Find the empty line. BAD: a line that ends in LF alone, or a NUL. */
static enum head_end find_head_end(const uint8_t *bytes, size_t size, size_t *out_head_size)
{
    if (size > RFI_HTTP_HEAD_MAX)
        size = RFI_HTTP_HEAD_MAX;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\0')
            return HEAD_BAD;
        if (bytes[i] != '\n')
            continue;
        if (i == 0 || bytes[i - 1] != '\r')
            return HEAD_BAD;
        if (i >= 3 && bytes[i - 2] == '\n') {
            *out_head_size = i + 1;
            return HEAD_WHOLE;
        }
    }
    return HEAD_MORE;
}

static bool key_is_valid(struct span key)
{
    if (key.size != RFI_WS_KEY_SIZE - 1 || key.at[22] != '=' || key.at[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        char c = key.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return true;
}

static enum rfi_first_kind refuse(struct rfi_first *out, int status, const char *reason)
{
    out->status = status;
    out->reason = reason;
    return RFI_FIRST_REFUSED;
}

static enum rfi_first_kind judge_upgrade(const struct head *head, struct rfi_first *out)
{
    if (head->minor_version != 1)
        return refuse(out, 400, "WebSocket upgrade needs HTTP/1.1");
    if (!head->is_connection_upgrade)
        return refuse(out, 400, "WebSocket upgrade without Connection: Upgrade");
    if (head->has_transfer_coding || head->length_count > 0)
        return refuse(out, 400, "WebSocket upgrade with a body");
    if (head->version_count != 1 || !head->is_version_13)
        return refuse(out, 426, "WebSocket version is not 13");
    if (head->key_count != 1 || !key_is_valid(head->key))
        return refuse(out, 400, "WebSocket upgrade without a good Sec-WebSocket-Key");
    char key[RFI_WS_KEY_SIZE];
    memcpy(key, head->key.at, RFI_WS_KEY_SIZE - 1);
    key[RFI_WS_KEY_SIZE - 1] = '\0';
    if (rfi_ws_accept_key(key, out->accept) != RF_OK)
        return refuse(out, 500, "SHA-1 failed");
    return RFI_FIRST_WEBSOCKET;
}

/* Too long and too many have a status of their own. */
static int status_of_head(const struct head *head, const char *wrong)
{
    if (head->header_count > RFI_HTTP_HEADERS_MAX)
        return 431;
    if (wrong != line_too_long)
        return 400;
    return head->method.size == 0 ? 414 : 431;
}

static enum rfi_first_kind judge_http(const uint8_t *bytes, size_t size, struct rfi_first *out)
{
    switch (find_head_end(bytes, size, &out->head_size)) {
    case HEAD_BAD:
        return refuse(out, 400, "line that does not end in CR LF, or a NUL byte");
    case HEAD_MORE:
        if (size >= RFI_HTTP_HEAD_MAX)
            return refuse(out, 431, "HTTP head is over 8 KiB");
        return RFI_FIRST_MORE;
    case HEAD_WHOLE:
        break;
    }
    struct head head;
    const char *wrong = read_head(bytes, out->head_size, false, &head);
    if (wrong != NULL)
        return refuse(out, status_of_head(&head, wrong), wrong);
    if (head.host_count > 1 || (head.host_count == 0 && head.minor_version == 1))
        return refuse(out, 400, "HTTP head needs exactly one Host");
    if (head.length_count > 1 || (head.length_count > 0 && head.has_transfer_coding))
        return refuse(out, 400, "HTTP head with more than one body length");
    if (head.is_upgrade_websocket && span_is(head.method, "GET"))
        return judge_upgrade(&head, out);
    return RFI_FIRST_HTTP;
}

/* Are these bytes `text`, or (is_whole false) the beginning of it? */
static bool begins(const uint8_t *bytes, size_t size, const char *text, bool *is_whole)
{
    size_t text_size = strlen(text);
    *is_whole = size >= text_size;
    return memcmp(bytes, text, *is_whole ? text_size : size) == 0;
}

enum rfi_first_kind rfi_first_look(const uint8_t *bytes, size_t size, struct rfi_first *out)
{
    static const char *const methods[] = {"GET ",     "HEAD ",  "POST ",  "PUT ",    "DELETE ",
                                          "OPTIONS ", "PATCH ", "TRACE ", "CONNECT "};
    memset(out, 0, sizeof *out);
    if (size == 0)
        return RFI_FIRST_MORE;
    bool is_whole = false;
    if (begins(bytes, size, RFI_TCP_PREFACE, &is_whole))
        return is_whole ? RFI_FIRST_TCP : RFI_FIRST_MORE;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (begins(bytes, size, methods[i], &is_whole))
            return is_whole ? judge_http(bytes, size, out) : RFI_FIRST_MORE;
    if (bytes[0] == 0x16) {
        out->reason = "TLS on a port without TLS";
        return RFI_FIRST_TLS;
    }
    out->reason = "neither WebSocket, native TCP nor HTTP";
    return RFI_FIRST_GARBAGE;
}

rf_err rfi_ws_accept_key(const char key[RFI_WS_KEY_SIZE], char out[RFI_WS_ACCEPT_SIZE])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
    unsigned char text[RFI_WS_KEY_SIZE - 1 + sizeof guid - 1];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    memcpy(text, key, RFI_WS_KEY_SIZE - 1);
    memcpy(text + RFI_WS_KEY_SIZE - 1, guid, sizeof guid - 1);
    if (EVP_Digest(text, sizeof text, digest, &digest_size, EVP_sha1(), NULL) != 1 ||
        digest_size != 20)
        return RF_ESYS;
    (void)EVP_EncodeBlock((unsigned char *)out, digest, (int)digest_size);
    return RF_OK;
}

void rfi_ws_make_key(const uint8_t random[16], char out[RFI_WS_KEY_SIZE])
{
    (void)EVP_EncodeBlock((unsigned char *)out, random, 16);
}

void rfi_ws_write_accept(const char *accept, struct rfi_buf *out)
{
    rfi_buf_append_text(out, "HTTP/1.1 101 Switching Protocols\r\n"
                             "connection: Upgrade\r\n"
                             "upgrade: websocket\r\n"
                             "sec-websocket-accept: ");
    rfi_buf_append_text(out, accept);
    rfi_buf_append_text(out, "\r\n\r\n");
}

static const char *status_text(int status)
{
    switch (status) {
    case 404:
        return "Not Found";
    case 414:
        return "URI Too Long";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    default:
        return "Bad Request";
    }
}

void rfi_http_write_refusal(int status, const char *reason, struct rfi_buf *out)
{
    rfi_buf_printf(out, "HTTP/1.1 %d %s\r\n", status, status_text(status));
    if (status == 426)
        rfi_buf_append_text(out, "upgrade: websocket\r\nsec-websocket-version: 13\r\n");
    rfi_buf_printf(out,
                   "connection: %s\r\n"
                   "content-type: text/plain; charset=utf-8\r\n"
                   "content-length: %zu\r\n\r\n%s\n",
                   status == 426 ? "Upgrade, close" : "close", strlen(reason) + 1, reason);
}

void rfi_ws_write_request(const struct rfi_endpoint *endpoint, const char *key, struct rfi_buf *out)
{
    bool is_v6 = strchr(endpoint->host, ':') != NULL;
    rfi_buf_printf(out,
                   "GET %s HTTP/1.1\r\n"
                   "Host: %s%s%s:%u\r\n"
                   "Connection: Upgrade\r\n"
                   "Upgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: %s\r\n\r\n",
                   endpoint->path[0] != '\0' ? endpoint->path : "/", is_v6 ? "[" : "",
                   endpoint->host, is_v6 ? "]" : "", (unsigned)endpoint->port, key);
}

rf_err rfi_ws_read_response(const uint8_t *bytes, size_t size, const char *key,
                            size_t *out_head_size, rf_diag *out_diag)
{
    bool is_whole = false;
    size_t head_size = 0;
    if (!begins(bytes, size, "HTTP/1.", &is_whole))
        return rfi_diag_set(out_diag, RF_EPROTO, "the peer does not speak HTTP");
    switch (find_head_end(bytes, size, &head_size)) {
    case HEAD_BAD:
        return rfi_diag_set(out_diag, RF_EPROTO, "malformed HTTP response");
    case HEAD_MORE:
        if (size >= RFI_HTTP_HEAD_MAX)
            return rfi_diag_set(out_diag, RF_ELIMIT, "HTTP response head is over 8 KiB");
        return RF_EAGAIN;
    case HEAD_WHOLE:
        break;
    }
    struct head head;
    char accept[RFI_WS_ACCEPT_SIZE];
    const char *wrong = read_head(bytes, head_size, true, &head);
    if (wrong != NULL)
        return rfi_diag_set(out_diag, RF_EPROTO, "HTTP response: %s", wrong);
    if (head.status != 101)
        return rfi_diag_set(out_diag, RF_EPROTO, "upgrade refused with HTTP status %u",
                            head.status);
    if (!head.is_upgrade_websocket || !head.is_connection_upgrade || head.minor_version != 1)
        return rfi_diag_set(out_diag, RF_EPROTO, "the answer is not a WebSocket upgrade");
    rf_err err = rfi_ws_accept_key(key, accept);
    if (err != RF_OK)
        return rfi_diag_set(out_diag, err, "SHA-1 failed");
    if (head.accept_count != 1 || !span_is(head.accept, accept))
        return rfi_diag_set(out_diag, RF_EPROTO, "wrong Sec-WebSocket-Accept");
    if (head.has_subprotocol || head.has_extension)
        return rfi_diag_set(out_diag, RF_EPROTO, "the answer has a protocol that was not offered");
    *out_head_size = head_size;
    return RF_OK;
}
