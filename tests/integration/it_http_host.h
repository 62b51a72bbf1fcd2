/* SPDX-License-Identifier: MIT */
/* For the integration tests of HTTP: a TCP listener on a free loopback port whose connections go to a
 * function, on a thread of its own. */
#ifndef RFT_HTTP_HOST_H
#define RFT_HTTP_HOST_H

#include "support/rf_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

struct host {
    int fd;
    uint16_t port;
    pthread_t thread;
    /* takes the socket */
    void (*on_client)(void *user, int fd, const struct sockaddr *address, socklen_t size);
    void *user;
};

static inline void *host_main(void *user)
{
    struct host *host = user;
    for (;;) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = accept4(host->fd, (struct sockaddr *)(void *)&address, &size, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL; /* shut down */
        host->on_client(host->user, fd, (const struct sockaddr *)(const void *)&address, size);
    }
}

/* Reserve a port on which nobody listens yet: clients are refused. */
static inline void host_bind(struct host *host)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    memset(host, 0, sizeof *host);
    host->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(host->fd, 0);
    cr_assert_eq(bind(host->fd, (const struct sockaddr *)(const void *)&in, sizeof in), 0);
    cr_assert_eq(getsockname(host->fd, (struct sockaddr *)(void *)&in, &size), 0);
    host->port = ntohs(in.sin_port);
}

static inline void host_serve(struct host *host,
                              void (*on_client)(void *user, int fd, const struct sockaddr *address,
                                                socklen_t size),
                              void *user)
{
    host->on_client = on_client;
    host->user = user;
    cr_assert_eq(listen(host->fd, 64), 0);
    cr_assert_eq(pthread_create(&host->thread, NULL, host_main, host), 0);
}

static inline void host_end(struct host *host)
{
    if (host->on_client != NULL) {
        (void)shutdown(host->fd, SHUT_RDWR);
        cr_assert_eq(pthread_join(host->thread, NULL), 0);
    }
    (void)close(host->fd);
}

#endif
