/* SPDX-License-Identifier: MIT */
/* What an HTTP client may write, checked byte by byte. libmicrohttpd folds lines, cuts values at NUL and
 * takes bare LF; a proxy in front may read such a head in another way, which is how requests are
 * smuggled. So the head is looked at here first, and the target is taken apart here once: the
 * route table and the access rule then see the same path.
 * Pure: bytes in, verdict out. Nothing here knows routes or sockets. */
#include "http/head.h"

#include "core/base/buf.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_token_byte(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_value_byte(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static unsigned fail(unsigned status, const char *why, const char **out_why)
{
    *out_why = why;
    return status;
}

bool rfi_http_token_is_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!is_token_byte((unsigned char)text[i]))
            return false;
    }
    return size > 0;
}

static unsigned check_request_line(const char *line, size_t size, const char **out_why)
{
    const char *blank = memchr(line, ' ', size);
    if (blank == NULL || !rfi_http_token_is_valid(line, (size_t)(blank - line)))
        return fail(400, "the request line has no valid method", out_why);
    const char *target = blank + 1;
    const char *end = memchr(target, ' ', size - (size_t)(target - line));
    if (end == NULL || end == target)
        return fail(400, "the request line is not `METHOD TARGET VERSION`", out_why);
    if ((size_t)(end - target) > RFI_HTTP_TARGET_BYTES_MAX)
        return fail(414, "the request target is too long", out_why);
    for (const char *at = target; at < end; at++) {
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f)
            return fail(400, "the request target holds a byte that must be escaped", out_why);
    }
    size_t left = size - (size_t)(end + 1 - line);
    if (left != 8 || memcmp(end + 1, "HTTP/1.", 7) != 0 || (end[8] != '0' && end[8] != '1'))
        return fail(400, "the version is not HTTP/1.0 or HTTP/1.1", out_why);
    return 0;
}

/* What the head has said about the length of the body. */
struct framing {
    bool has_length, has_encoding;
};

static unsigned check_length(const char *value, size_t size, const char **out_why)
{
    while (size > 0 && (value[0] == ' ' || value[0] == '\t')) {
        value++;
        size--;
    }
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        size--;
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9')
            return fail(400, "Content-Length is no number", out_why);
    }
    if (size == 0)
        return fail(400, "Content-Length is empty", out_why);
    return size > 19 ? fail(413, "Content-Length is over every limit", out_why) : 0;
}

/* libmicrohttpd 0.9.75 answers a bad Content-Length with two heads in a row, so it must not see one. */
static unsigned check_framing(const char *name, size_t name_size, const char *value,
                              size_t value_size, struct framing *framing, const char **out_why)
{
    bool is_length = name_size == 14 && strncasecmp(name, "Content-Length", 14) == 0;
    bool is_encoding = name_size == 17 && strncasecmp(name, "Transfer-Encoding", 17) == 0;
    if (!is_length && !is_encoding)
        return 0;
    if (framing->has_length || framing->has_encoding)
        return fail(400, "the length of the body is told twice (Content-Length, Transfer-Encoding)",
                    out_why);
    framing->has_length = is_length;
    framing->has_encoding = is_encoding;
    return is_length ? check_length(value, value_size, out_why) : 0;
}

static unsigned check_header_line(const char *line, size_t size, struct framing *framing,
                                  const char **out_why)
{
    if (line[0] == ' ' || line[0] == '\t')
        return fail(400, "a header line is folded", out_why);
    const char *colon = memchr(line, ':', size);
    if (colon == NULL || !rfi_http_token_is_valid(line, (size_t)(colon - line)))
        return fail(400, "a header line does not begin with `Name:`", out_why);
    for (const char *at = colon + 1; at < line + size; at++) {
        if (!is_value_byte((unsigned char)*at))
            return fail(400, "a header value holds a control byte", out_why);
    }
    return check_framing(line, (size_t)(colon - line), colon + 1, size - (size_t)(colon + 1 - line),
                         framing, out_why);
}

unsigned rfi_http_head_check(const char *bytes, size_t size, const char **out_why)
{
    size_t start = 0;
    struct framing framing = {.has_length = false};
    for (size_t line_index = 0; start < size; line_index++) {
        const char *line = bytes + start;
        const char *end = memchr(line, '\n', size - start);
        if (end == NULL)
            break;
        if (end == line || end[-1] != '\r')
            return fail(400, "a line does not end in CR LF", out_why);
        size_t line_size = (size_t)(end - line) - 1;
        if (line_index > 0 && line_size == 0)
            return 0;
        if (line_index > RFI_HTTP_HEADERS_MAX)
            return fail(431, "the request has too many header lines", out_why);
        unsigned status = line_index == 0 ? check_request_line(line, line_size, out_why)
                                          : check_header_line(line, line_size, &framing, out_why);
        if (status != 0)
            return status;
        start += line_size + 2;
    }
    if (size >= RFI_HTTP_HEAD_BYTES_MAX)
        return fail(431, "the head of the request is too long", out_why);
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decode percent escapes of [from, from + size) to `to`; returns where `to` ends, NULL when the text is bad. */
static char *decode(const char *from, size_t size, char *to)
{
    char *start = to;
    for (size_t i = 0; i < size; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < size ? hex_value(from[i + 1]) : -1;
            int low = high >= 0 ? hex_value(from[i + 2]) : -1;
            if (low < 0)
                return NULL;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return NULL;
        *to++ = c;
    }
    if (!rfi_utf8_is_valid(start, (size_t)(to - start)))
        return NULL;
    *to = '\0';
    return to;
}

/* Copies `size` bytes raw, then their decoded form behind; returns the end or NULL. */
static char *store(const char *from, size_t size, char *to, const char **out_raw,
                   const char **out_decoded)
{
    memcpy(to, from, size);
    to[size] = '\0';
    *out_raw = to;
    to += size + 1;
    *out_decoded = to;
    char *end = decode(from, size, to);
    return end == NULL ? NULL : end + 1;
}

static unsigned parse_path(const char *path, size_t size, struct rfi_http_target *out, char **to,
                           const char **out_why)
{
    const char *at = path + 1;
    const char *end = path + size;
    while (at < end || (size > 1 && at == end)) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash != NULL ? slash : end;
        if (out->segment_count == RFI_HTTP_SEGMENTS_MAX)
            return fail(404, "no such path", out_why);
        size_t i = out->segment_count++;
        char *next = store(at, (size_t)(stop - at), *to, &out->raw[i], &out->segments[i]);
        if (next == NULL)
            return fail(400, "the path holds a bad escape", out_why);
        const char *text = out->segments[i];
        if (text[0] == '\0' || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
            return fail(400, "the path is not canonical: it has an empty or a dot segment",
                        out_why);
        *to = next;
        at = stop + 1;
    }
    return 0;
}

static unsigned parse_query(const char *query, struct rfi_http_target *out, char *to,
                            const char **out_why)
{
    while (*query != '\0') {
        size_t size = strcspn(query, "&");
        const char *equals = memchr(query, '=', size);
        size_t key_size = equals != NULL ? (size_t)(equals - query) : size;
        if (out->query_count == RFI_HTTP_QUERY_MAX)
            return fail(400, "the query has too many members", out_why);
        size_t i = out->query_count;
        const char *raw = NULL;
        to = store(query, key_size, to, &raw, &out->query[i].key);
        if (to != NULL && equals != NULL)
            to = store(equals + 1, size - key_size - 1, to, &raw, &out->query[i].value);
        else
            out->query[i].value = "";
        if (to == NULL)
            return fail(400, "the query holds a bad escape", out_why);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(out->query[k].key, out->query[i].key) == 0)
                return fail(400, "the query has a key twice", out_why);
        }
        out->query_count++;
        query += size + (query[size] == '&' ? 1 : 0);
    }
    return 0;
}

unsigned rfi_http_target_parse(const char *uri, struct rfi_http_target *out, const char **out_why)
{
    memset(out, 0, sizeof *out);
    size_t size = strlen(uri);
    if (size > RFI_HTTP_TARGET_BYTES_MAX)
        return fail(414, "the request target is too long", out_why);
    if (uri[0] != '/')
        return fail(400, "the request target does not begin with /", out_why);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)uri[i] <= 0x20 || (unsigned char)uri[i] >= 0x7f || uri[i] == '#')
            return fail(400, "the request target holds a byte that must be escaped", out_why);
    }
    /* Each piece is kept twice, raw and decoded, with a NUL each: at most 2 bytes for each byte, and
     * 2 NULs for each separator. */
    out->storage = malloc(4 * size + 8);
    if (out->storage == NULL)
        return fail(500, "out of memory", out_why);
    char *to = out->storage;
    size_t path_size = strcspn(uri, "?");
    unsigned status = parse_path(uri, path_size, out, &to, out_why);
    if (status == 0 && uri[path_size] == '?')
        status = parse_query(uri + path_size + 1, out, to, out_why);
    return status;
}

void rfi_http_target_fini(struct rfi_http_target *target)
{
    free(target->storage);
    memset(target, 0, sizeof *target);
}

bool rfi_http_target_matches(const struct rfi_http_target *target, const char *pattern,
                             size_t out_indexes[RFI_HTTP_SEGMENTS_MAX], size_t *out_count)
{
    size_t count = 0;
    const char *at = pattern + 1;
    for (size_t i = 0; i < target->segment_count; i++) {
        size_t size = strcspn(at, "/");
        if (size == 0)
            return false;
        if (size == 2 && memcmp(at, "{}", 2) == 0)
            out_indexes[count++] = i;
        else if (strlen(target->raw[i]) != size || memcmp(at, target->raw[i], size) != 0)
            return false;
        at += size + (at[size] == '/' ? 1 : 0);
    }
    if (*at != '\0')
        return false;
    *out_count = count;
    return true;
}

/* Split "host:port" and "[v6]:port": copies the host without brackets. */
static bool split_host(const char *host, char out[256], bool *out_is_bracketed)
{
    const char *end = NULL;
    *out_is_bracketed = host[0] == '[';
    if (*out_is_bracketed) {
        host++;
        end = strchr(host, ']');
        if (end == NULL)
            return false;
    } else {
        end = host + strcspn(host, ":");
    }
    size_t size = (size_t)(end - host);
    if (size == 0 || size > 255)
        return false;
    memcpy(out, host, size);
    out[size] = '\0';
    const char *port = *out_is_bracketed ? end + 1 : end;
    if (*port == '\0')
        return true;
    if (*port != ':')
        return false;
    size_t digits = strspn(port + 1, "0123456789");
    return digits <= 5 && port[1 + digits] == '\0';
}

bool rfi_http_host_is_valid(const char *host)
{
    char name[256];
    bool is_bracketed = false;
    struct in6_addr address6;
    if (!split_host(host, name, &is_bracketed))
        return false;
    if (is_bracketed)
        return inet_pton(AF_INET6, name, &address6) == 1;
    for (const char *at = name; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_alnum && c != '.' && c != '-' && c != '_')
            return false;
    }
    return true;
}

bool rfi_http_host_is_local(const char *host)
{
    char name[256];
    bool is_bracketed = false;
    struct in_addr address4;
    struct in6_addr address6;
    if (!split_host(host, name, &is_bracketed))
        return false;
    if (is_bracketed)
        return inet_pton(AF_INET6, name, &address6) == 1;
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &address4) == 1;
}

bool rfi_http_secret_equal(const char *a, const char *b)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    if (a_size > RFI_HTTP_TOKEN_BYTES_MAX || b_size > RFI_HTTP_TOKEN_BYTES_MAX)
        return false;
    unsigned char left[RFI_HTTP_TOKEN_BYTES_MAX + 1] = {0};
    unsigned char right[RFI_HTTP_TOKEN_BYTES_MAX + 1] = {0};
    memcpy(left, a, a_size + 1);
    memcpy(right, b, b_size + 1);
    /* volatile: the compiler may not leave the loop early. */
    volatile size_t difference = a_size ^ b_size;
    for (size_t i = 0; i < RFI_HTTP_TOKEN_BYTES_MAX; i++)
        difference |= (size_t)(left[i] ^ right[i]);
    explicit_bzero(left, sizeof left);
    explicit_bzero(right, sizeof right);
    return difference == 0;
}
