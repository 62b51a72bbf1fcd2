/* SPDX-License-Identifier: MIT */
/* Listening sockets. Loop 0 accepts and hands each socket to the loop whose turn it is; it reads
 * nothing from a new peer, so a silent one costs a descriptor and nothing else.
 *
 * When the process is out of descriptors, accept fails but the listener stays readable: it is taken
 * out of epoll for STARVED_MS, so that the loop neither spins nor stands still; the kernel keeps
 * the callers in the backlog meanwhile. The log hears of it once, until accepting works again. */
#include "net/listener.h"

#include "core/base/diag.h"
#include "net/io_loop.h"
#include <arpa/inet.h>
#include <errno.h>
#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BACKLOG = 511, ACCEPTS_PER_ROUND = 64, STARVED_MS = 100 };

void rfi_format_address(const struct sockaddr *address, char *out, size_t out_size)
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        (void)inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        (void)snprintf(out, out_size, "[%s]:%u", text, (unsigned)ntohs(v6.sin6_port));
        return;
    }
    struct sockaddr_in v4;
    memcpy(&v4, address, sizeof v4);
    (void)inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    (void)snprintf(out, out_size, "%s:%u", text, (unsigned)ntohs(v4.sin_port));
}

static void listen_to_events(struct rfi_loop *loop, struct rfi_listener *listener, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = listener};
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, listener->fd, &event);
}

static bool is_starving(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void starve(struct rfi_loop *loop, struct rfi_listener *listener, int error)
{
    if (!listener->is_starved)
        rf_log(RF_LOG_ERROR, "NET-ACCEPT-STARVED", "reason=\"%s\" pause_ms=%d",
               strerrordesc_np(error), (int)STARVED_MS);
    listener->is_starved = true;
    listener->rearm_at_ns = loop->now_ns + STARVED_MS * UINT64_C(1000000);
    listen_to_events(loop, listener, 0);
    rfi_loop_add_deadline(loop, listener->rearm_at_ns);
}

void rfi_listener_accept(struct rfi_loop *loop, struct rfi_listener *listener)
{
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
        socklen_t size = sizeof address;
        int fd =
            accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->is_starved = false;
            rfi_conn_set_socket_options(fd, (struct sockaddr *)&address);
            rfi_conn_accept(loop->transport, fd, (struct sockaddr *)&address, size);
        } else if (is_starving(errno)) {
            starve(loop, listener, errno);
            break;
        } else if (errno == EAGAIN) {
            break;
        }
        /* Other errors are of a caller that is gone already: the next one. */
    }
}

void rfi_listener_tick(struct rfi_loop *loop, struct rfi_listener *listener)
{
    if (listener->rearm_at_ns == 0)
        return;
    if (loop->now_ns < listener->rearm_at_ns) {
        rfi_loop_add_deadline(loop, listener->rearm_at_ns);
        return;
    }
    listener->rearm_at_ns = 0;
    listen_to_events(loop, listener, EPOLLIN);
}

/* A bound, listening socket, or -1 with errno. */
static int bind_socket(const struct addrinfo *at)
{
    int one = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

rf_err rfi_listener_open(const char *address, uint16_t port, struct rfi_listener **out,
                         char *out_address, size_t out_size, rf_diag *out_diag)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    rf_err err = RF_OK;
    const char *host = address != NULL && address[0] != '\0' ? address : "0.0.0.0";
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    struct rfi_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return RF_ENOMEM;
    listener->source = RFI_SOURCE_LISTENER;
    listener->fd = -1;
    int status = getaddrinfo(host, service, &hints, &found);
    if (status != 0) {
        err = rfi_diag_set(out_diag, RF_EINVAL, "cannot listen on \"%s\": %s", host,
                           gai_strerror(status));
        goto out;
    }
    listener->fd = bind_socket(found);
    if (listener->fd < 0) {
        err = rfi_diag_set(out_diag, RF_ESYS, "cannot listen on %s:%u: %s", host, (unsigned)port,
                           strerrordesc_np(errno));
        goto out;
    }
    struct sockaddr_storage bound = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof bound;
    if (getsockname(listener->fd, (struct sockaddr *)&bound, &size) != 0) {
        err = rfi_diag_set(out_diag, RF_ESYS, "getsockname: %s", strerrordesc_np(errno));
        goto out;
    }
    rfi_format_address((struct sockaddr *)&bound, out_address, out_size);
    *out = listener;
    listener = NULL;
out:
    if (found != NULL)
        freeaddrinfo(found);
    rfi_listener_close(listener);
    return err;
}

void rfi_listener_close(struct rfi_listener *listener)
{
    if (listener == NULL)
        return;
    if (listener->fd >= 0)
        (void)close(listener->fd);
    free(listener);
}
