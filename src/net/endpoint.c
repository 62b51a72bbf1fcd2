/* SPDX-License-Identifier: MIT */
/* Reading and writing where a node can be dialled. Endpoints come from configuration, from people and
 * from registries, so the reader is strict: a host of letters, digits, dots, underscores and hyphens
 * or an IPv6 address in brackets, a port in decimal, a printable path for WebSocket only, and no user
 * names. Pure text: names are not resolved here. Everything is the caller's; any thread. */
#include "net/endpoint.h"

#include "core/base/diag.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_host_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_';
}

static rf_err refuse(rf_diag *diag, const char *text, const char *why)
{
    (void)rfi_diag_set(diag, RF_EINVAL, "\"%.200s\" is no endpoint: %s", text, why);
    return RF_EINVAL;
}

/* Moves `*at` past the scheme. NULL, or what is wrong. */
static const char *take_scheme(const char **at, enum rfi_wire *wire, bool *has_scheme)
{
    const char *mark = strstr(*at, "://");
    *has_scheme = mark != NULL;
    if (mark == NULL)
        return NULL;
    size_t size = (size_t)(mark - *at);
    if (size == 2 && strncasecmp(*at, "ws", 2) == 0)
        *wire = RFI_WIRE_WEBSOCKET;
    else if (size == 3 && strncasecmp(*at, "tcp", 3) == 0)
        *wire = RFI_WIRE_TCP;
    else if (size == 3 && strncasecmp(*at, "wss", 3) == 0)
        return "TLS is not supported, write ws://";
    else
        return "its scheme must be ws:// or tcp://";
    *at = mark + 3;
    return NULL;
}

/* `[address]` with an optional %zone; the brackets are not kept. */
static const char *take_ipv6(const char **at, char *host, size_t host_size)
{
    const char *start = *at + 1;
    const char *close = strchr(start, ']');
    if (close == NULL)
        return "a ] is missing";
    size_t size = (size_t)(close - start);
    if (size < 2 || size >= host_size)
        return "no IPv6 address stands in its brackets";
    bool is_zone = false, has_colon = false;
    for (const char *c = start; c < close; c++) {
        has_colon = has_colon || *c == ':';
        bool is_good = is_zone ? is_host_char(*c) : is_hex(*c) || *c == ':' || *c == '.';
        if (*c == '%' && !is_zone && c > start)
            is_zone = true;
        else if (!is_good)
            return "no IPv6 address stands in its brackets";
    }
    if (!has_colon)
        return "no IPv6 address stands in its brackets";
    memcpy(host, start, size);
    host[size] = '\0';
    *at = close + 1;
    return NULL;
}

static const char *take_host(const char **at, char *host, size_t host_size)
{
    if (**at == '[')
        return take_ipv6(at, host, host_size);
    size_t size = 0;
    while (is_host_char((*at)[size]))
        size++;
    if (size == 0)
        return "the host is missing";
    if (size >= host_size)
        return "the host is longer than 255 bytes";
    memcpy(host, *at, size);
    host[size] = '\0';
    *at += size;
    return NULL;
}

static const char *take_port(const char **at, uint16_t *out_port)
{
    if (**at == '\0' || **at == '/')
        return "the port is missing, write host:port";
    if (**at != ':')
        return "a byte that no host name has";
    const char *digits = *at + 1;
    unsigned port = 0;
    size_t size = 0;
    for (; is_digit(digits[size]) && size < 5; size++)
        port = port * 10 + (unsigned)(digits[size] - '0');
    if (digits[size] == ':')
        return "an IPv6 address needs brackets, write [address]:port";
    bool is_over = digits[size] == '\0' || digits[size] == '/';
    if (size == 0 || !is_over || port == 0 || port > UINT16_MAX)
        return "the port must be a number from 1 to 65535";
    *out_port = (uint16_t)port;
    *at = digits + size;
    return NULL;
}

static const char *take_path(const char *at, struct rfi_endpoint *out)
{
    size_t size = strlen(at);
    if (size == 0) {
        memcpy(out->path, "/", 2);
        return NULL;
    }
    if (out->wire == RFI_WIRE_TCP && size > 1)
        return "tcp:// has no path";
    if (size >= sizeof out->path)
        return "the path is longer than 255 bytes";
    for (size_t i = 0; i < size; i++)
        if (at[i] <= 0x20 || at[i] >= 0x7f || at[i] == '#')
            return "a byte that no path has";
    memcpy(out->path, at, size + 1);
    return NULL;
}

rf_err rfi_endpoint_parse(const char *text, enum rfi_wire default_wire, struct rfi_endpoint *out,
                          rf_diag *out_diag)
{
    struct rfi_endpoint endpoint = {.wire = default_wire};
    const char *at = text;
    bool has_scheme;
    const char *why = take_scheme(&at, &endpoint.wire, &has_scheme);
    if (why == NULL)
        why = take_host(&at, endpoint.host, sizeof endpoint.host);
    if (why == NULL)
        why = take_port(&at, &endpoint.port);
    if (why == NULL && *at != '\0' && !has_scheme)
        why = "a path needs a scheme before it, write ws://host:port/path";
    if (why == NULL)
        why = take_path(at, &endpoint);
    if (why != NULL)
        return refuse(out_diag, text, why);
    *out = endpoint;
    return RF_OK;
}

void rfi_endpoint_format(const struct rfi_endpoint *endpoint, char *out, size_t out_size)
{
    bool is_tcp = endpoint->wire == RFI_WIRE_TCP;
    bool is_ipv6 = strchr(endpoint->host, ':') != NULL;
    bool has_path = !is_tcp && endpoint->path[0] != '\0' && strcmp(endpoint->path, "/") != 0;
    (void)snprintf(out, out_size, "%s://%s%s%s:%u%s", is_tcp ? "tcp" : "ws", is_ipv6 ? "[" : "",
                   endpoint->host, is_ipv6 ? "]" : "", (unsigned)endpoint->port,
                   has_path ? endpoint->path : "");
}
