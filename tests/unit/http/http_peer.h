/* SPDX-License-Identifier: MIT */
/* A client for the tests of the HTTP server: raw bytes over a socket pair, so that a test can play any
 * caller address and any malformed request. Every wait has a deadline of 5 s. */
#ifndef RFT_HTTP_PEER_H
#define RFT_HTTP_PEER_H

#include "http/server.h"
#include "support/rf_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_MS = 5000, PEER_BYTES = 65536 };

struct peer_answer {
    int status;      /* 0: the connection ended without an answer */
    char head[8192]; /* the status line and headers */
    char body[PEER_BYTES];
    bool is_closed; /* the server ended the connection behind it */
};

static inline void peer_write(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the server may have closed: the answer tells */
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* Gives the server's end away; the first bytes are there before the server sees it. */
static inline int peer_open(struct rfi_http *http, const char *caller, const char *bytes,
                            size_t size)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer_write(fds[0], bytes, size);
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t address_size = sizeof(struct sockaddr_in);
    if (strchr(caller, ':') != NULL) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(4242)};
        cr_assert_eq(inet_pton(AF_INET6, caller, &in6.sin6_addr), 1);
        memcpy(&address, &in6, sizeof in6);
        address_size = sizeof in6;
    } else {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4242)};
        cr_assert_eq(inet_pton(AF_INET, caller, &in.sin_addr), 1);
        memcpy(&address, &in, sizeof in);
    }
    const struct sockaddr *any = (const struct sockaddr *)(const void *)&address;
    rfi_http_add_connection(http, fds[1], any, address_size);
    return fds[0];
}

/* One byte stream, read until `is_done` says so. Returns false at the end or the deadline. */
static inline bool peer_read_more(int fd, char *bytes, size_t *size, size_t max)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (*size + 1 >= max || poll(&ready, 1, PEER_MS) != 1)
        return false;
    ssize_t got = recv(fd, bytes + *size, max - 1 - *size, 0);
    if (got <= 0)
        return false;
    *size += (size_t)got;
    bytes[*size] = '\0';
    return true;
}

/* Reads one answer. With `is_head` no body is expected. */
static inline void peer_read(int fd, bool is_head, struct peer_answer *out)
{
    static _Thread_local char bytes[PEER_BYTES];
    size_t size = 0;
    char *end = NULL;
    memset(out, 0, sizeof *out);
    bytes[0] = '\0';
    for (;;) {
        while ((end = strstr(bytes, "\r\n\r\n")) == NULL &&
               peer_read_more(fd, bytes, &size, sizeof bytes))
            continue;
        if (end == NULL || strncmp(bytes, "HTTP/1.1 100", 12) != 0)
            break;
        size -= (size_t)(end + 4 - bytes);
        memmove(bytes, end + 4, size + 1);
    }
    if (end == NULL)
        return;
    size_t head_size = (size_t)(end + 4 - bytes);
    cr_assert_lt(head_size, sizeof out->head);
    memcpy(out->head, bytes, head_size);
    cr_assert_eq(sscanf(out->head, "HTTP/1.%*d %d", &out->status), 1);
    const char *length = strcasestr(out->head, "\r\nContent-Length:");
    size_t body_size = length != NULL && !is_head ? strtoul(length + 17, NULL, 10) : 0;
    while (size < head_size + body_size && peer_read_more(fd, bytes, &size, sizeof bytes))
        continue;
    cr_assert_eq(size, head_size + body_size, "%zu of %zu: %s", size, head_size + body_size, bytes);
    memcpy(out->body, bytes + head_size, body_size + 1);
    out->is_closed = strcasestr(out->head, "\r\nConnection: close") != NULL;
}

/* Does the server end the connection? */
static inline bool peer_is_ended(int fd)
{
    char byte;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, PEER_MS) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

/* One request on a connection of its own. */
static inline void peer_ask(struct rfi_http *http, const char *caller, const char *request,
                            struct peer_answer *out)
{
    int fd = peer_open(http, caller, request, strlen(request));
    peer_read(fd, strncmp(request, "HEAD ", 5) == 0, out);
    (void)close(fd);
}

static inline int peer_status(struct rfi_http *http, const char *caller, const char *request)
{
    struct peer_answer answer;
    peer_ask(http, caller, request, &answer);
    return answer.status;
}

#endif
