/* SPDX-License-Identifier: MIT */
/* Endpoints as registries hold them. They come from strangers and are dialled later, so only the
 * characters of host names and addresses pass, and a port that can be dialled.
 * Pure: nothing is resolved here, and nothing is owned. */
#include "discovery/hostport.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_host_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_';
}

static bool parse_port(const char *text, uint16_t *out)
{
    unsigned value = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 5)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    if (value == 0 || value > 65535)
        return false;
    *out = (uint16_t)value;
    return true;
}

bool rfi_hostport_parse(const char *text, struct rfi_hostport *out)
{
    static const char *const schemes[] = {"ws://", "tcp://"};
    if (strlen(text) >= RFI_ENDPOINT_TEXT_SIZE - 64)
        return false;
    out->scheme = "";
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            out->scheme = schemes[i];
    }
    text += strlen(out->scheme);
    bool is_bracketed = text[0] == '[';
    const char *end = is_bracketed ? strchr(text, ']') : strchr(text, ':');
    if (end == NULL)
        return false;
    const char *start = is_bracketed ? text + 1 : text;
    size_t size = (size_t)(end - start);
    if (size > 255)
        return false;
    memcpy(out->host, start, size);
    out->host[size] = '\0';
    const char *colon = is_bracketed ? end + 1 : end;
    if (*colon != ':' || !parse_port(colon + 1, &out->port))
        return false;
    if (is_bracketed) {
        struct in6_addr address;
        return inet_pton(AF_INET6, out->host, &address) == 1;
    }
    for (size_t i = 0; i < size; i++) {
        if (!is_host_byte((unsigned char)out->host[i]))
            return false;
    }
    return true;
}

bool rfi_hostport_is_wildcard(const struct rfi_hostport *at)
{
    struct in_addr address4;
    struct in6_addr address6;
    if (at->host[0] == '\0')
        return true;
    if (inet_pton(AF_INET, at->host, &address4) == 1)
        return address4.s_addr == INADDR_ANY;
    return inet_pton(AF_INET6, at->host, &address6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&address6);
}

void rfi_hostport_format(const struct rfi_hostport *at, char out[RFI_ENDPOINT_TEXT_SIZE])
{
    bool is_v6 = strchr(at->host, ':') != NULL;
    (void)snprintf(out, RFI_ENDPOINT_TEXT_SIZE, "%s%s%s%s:%u", at->scheme, is_v6 ? "[" : "",
                   at->host, is_v6 ? "]" : "", at->port);
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

bool rfi_host_is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || (is_loopback(a) && is_loopback(b));
}
