/* SPDX-License-Identifier: MIT */
/* A connection until on_open. Loop's thread only, but for rfi_conn_resolved.
 *
 *   dialled:   RESOLVING -> CONNECTING (address by address) -> UPGRADING (WebSocket) -> OPEN
 *   accepted:  LOOKING (MSG_PEEK until the protocol is clear) -> OPEN, or to HTTP, or refused
 *
 * Each stage has one absolute deadline, set when it begins and never moved by what the peer sends.
 * The first bytes are looked at and not read, so that an HTTP server can take the socket as if it
 * had accepted it; the look waits for edges, since the bytes stay readable. An accepted connection
 * that never opens is told to nobody but the log. */
#include "net/conn.h"

#include "net/io_loop.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { USER_TIMEOUT_MS = 30000 };

/* ---- both ---- */

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
}

/* Nothing is lost and nobody else is in the way inside a machine. A congestion control that paces (bbr, where it is the
 * default) costs a timer interrupt for some packets there, and up to two thirds of the speed. Every kernel has reno, and
 * every process may ask for it. Best before the connection stands: what was paced once keeps the timer. */
static void avoid_pacing(int fd)
{
    static const char control[] = "reno";
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, control, sizeof control - 1);
}

void rfi_conn_set_socket_options(int fd, const struct sockaddr *peer)
{
    /* What cannot be set leaves the connection slower, not wrong. */
    int one = 1;
    unsigned timeout_ms = USER_TIMEOUT_MS; /* unacknowledged bytes: the path is dead */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    if (is_loopback(peer))
        avoid_pacing(fd);
}

/* The loopback interface carries what goes to 127.0.0.0/8, to ::1 and to an address of our own. */
static bool is_same_host(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } ours, theirs;
    socklen_t our_size = sizeof ours;
    socklen_t their_size = sizeof theirs;
    memset(&ours, 0, sizeof ours);
    memset(&theirs, 0, sizeof theirs);
    if (getsockname(fd, &ours.any, &our_size) != 0 ||
        getpeername(fd, &theirs.any, &their_size) != 0)
        return false;
    if (is_loopback(&theirs.any))
        return true;
    if (theirs.any.sa_family == AF_INET)
        return theirs.v4.sin_addr.s_addr == ours.v4.sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&theirs.v6.sin6_addr, &ours.v6.sin6_addr);
}

static void open_conn(struct rfi_conn *conn)
{
    struct rfi_transport *transport = conn->transport;
    enum rfi_frame_mode mode = RFI_FRAMES_TCP;
    if (conn->wire == RFI_WIRE_WEBSOCKET)
        mode = conn->is_dialled ? RFI_FRAMES_OF_SERVER : RFI_FRAMES_OF_CLIENT;
    rfi_frame_parser_init(&conn->parser, mode, &transport->limits);
    rfi_conn_forget_dial(conn);
    conn->state = RFI_CONN_OPEN;
    conn->has_opened = true;
    conn->is_same_host = is_same_host(conn->fd);
    if (conn->is_same_host)
        avoid_pacing(conn->fd);
    rfi_conn_set_deadline_in(conn, transport->options.handshake_timeout_ms);
    transport->ops.on_open(transport->user, conn);
    if (conn->out_first != NULL && !conn->is_blocked)
        rfi_conn_flush(conn);
    if (conn->state == RFI_CONN_OPEN && conn->in_size > 0)
        rfi_conn_parse(conn); /* frames that came with the answer to the upgrade */
    rfi_conn_update_events(conn);
}

/* ---- dialled ---- */

void rfi_conn_resolved(struct rfi_resolver_job *job, struct addrinfo *found, const char *failure)
{
    struct rfi_conn_dial *dial =
        (struct rfi_conn_dial *)(void *)((char *)job - offsetof(struct rfi_conn_dial, job));
    struct rfi_conn *conn = dial->conn;
    dial->found = found;
    dial->failure = failure;
    rfi_conn_poke(conn, RFI_WANT_CONNECT); /* the loop may forget `dial` from here on */
    rfi_conn_unref(conn);                  /* the job's */
}

static void note_failure(struct rfi_conn_dial *dial, const char *what, int error)
{
    dial->last_err = RF_ESYS;
    (void)snprintf(dial->last_error, sizeof dial->last_error, "%s: %s", what,
                   strerrordesc_np(error));
}

static bool try_address(struct rfi_conn *conn, const struct addrinfo *at)
{
    struct rfi_conn_dial *dial = conn->dial;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        note_failure(dial, "socket", errno);
        return false;
    }
    rfi_conn_set_socket_options(fd, at->ai_addr);
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS) {
        note_failure(dial, "connect", errno);
        (void)close(fd);
        return false;
    }
    conn->fd = fd;
    conn->is_in_epoll = false;
    return true;
}

void rfi_conn_connect_next(struct rfi_conn *conn)
{
    struct rfi_conn_dial *dial = conn->dial;
    if (conn->fd >= 0)
        (void)close(conn->fd);
    conn->fd = -1;
    while (dial->at != NULL && !try_address(conn, dial->at))
        dial->at = dial->at->ai_next;
    if (dial->at != NULL) {
        conn->state = RFI_CONN_CONNECTING;
        rfi_conn_set_deadline_in(conn, conn->transport->options.handshake_timeout_ms);
        rfi_conn_update_events(conn);
        return;
    }
    if (dial->found == NULL)
        rfi_conn_break(conn, RF_ESYS,
                       dial->failure != NULL ? dial->failure : "the name has no address");
    else
        rfi_conn_break(conn, dial->last_err, dial->last_error);
}

static void request_upgrade(struct rfi_conn *conn)
{
    struct rfi_buf request;
    uint8_t random[16];
    rfi_loop_random(conn->loop, random, sizeof random);
    rfi_ws_make_key(random, conn->dial->key);
    rfi_buf_init(&request);
    rfi_ws_write_request(&conn->dial->endpoint, conn->dial->key, &request);
    conn->state = RFI_CONN_UPGRADING;
    rfi_conn_set_deadline_in(conn, conn->transport->options.handshake_timeout_ms);
    rfi_conn_queue_raw(conn, &request);
    rfi_conn_flush(conn);
    rfi_conn_update_events(conn);
}

void rfi_conn_handle_connected(struct rfi_conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error != 0) {
        note_failure(conn->dial, "connect", error);
        conn->dial->at = conn->dial->at->ai_next;
        rfi_conn_connect_next(conn);
        return;
    }
    if (conn->wire == RFI_WIRE_WEBSOCKET) {
        request_upgrade(conn);
        return;
    }
    struct rfi_buf preface;
    rfi_buf_init(&preface);
    rfi_buf_append(&preface, RFI_TCP_PREFACE, RFI_TCP_PREFACE_SIZE);
    rfi_conn_queue_raw(conn, &preface);
    if (conn->state != RFI_CONN_CLOSED)
        open_conn(conn);
}

void rfi_conn_read_upgrade(struct rfi_conn *conn)
{
    if (!rfi_conn_reserve_in(conn)) {
        rfi_conn_break(conn, RF_ENOMEM, "out of memory");
        return;
    }
    ssize_t got = recv(conn->fd, conn->in + conn->in_size, conn->in_capacity - conn->in_size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        rfi_conn_break(conn, RF_EPROTO,
                       got == 0 ? "the peer closed during the WebSocket upgrade"
                                : strerrordesc_np(errno));
        return;
    }
    conn->in_size += (size_t)got;
    rf_diag diag;
    size_t head_size = 0;
    rf_err err = rfi_ws_read_response(conn->in, conn->in_size, conn->dial->key, &head_size, &diag);
    if (err == RF_EAGAIN)
        return;
    if (err != RF_OK) {
        rfi_conn_break(conn, err, diag.text);
        return;
    }
    conn->in_size -= head_size;
    memmove(conn->in, conn->in + head_size, conn->in_size);
    if (conn->in_size == 0)
        rfi_conn_drop_in(conn);
    open_conn(conn);
}

/* ---- accepted ---- */

static void log_refusal(const struct rfi_conn *conn, const char *reason)
{
    rf_log(RF_LOG_WARN, "NET-CONN-REFUSED", "peer=%s reason=\"%s\"", conn->peer, reason);
}

static void answer_and_close(struct rfi_conn *conn, int status, const char *reason)
{
    struct rfi_buf answer;
    rfi_buf_init(&answer);
    rfi_http_write_refusal(status, reason, &answer);
    rfi_conn_set_reason(conn, 0, RF_EPROTO, reason);
    rfi_conn_queue_raw(conn, &answer);
    rfi_conn_begin_close(conn, RFI_CLOSING_FAILED);
}

static void hand_to_http(struct rfi_conn *conn)
{
    if (!conn->transport->options.has_http) {
        answer_and_close(conn, 404, "this port speaks WebSocket only");
        return;
    }
    int fd = conn->fd;
    struct epoll_event unused = {.events = 0};
    if (epoll_ctl(conn->loop->epoll_fd, EPOLL_CTL_DEL, fd, &unused) != 0) {
        rfi_conn_finish(conn);
        return;
    }
    conn->fd = -1;
    rfi_conn_finish(conn); /* its memory stays for this round */
    conn->transport->ops.on_http(conn->transport->user, fd, &conn->address.any, conn->address_size);
}

/* Read what was looked at, out of the way of the frames. */
static bool consume(struct rfi_conn *conn, size_t size)
{
    uint8_t head[RFI_HTTP_HEAD_MAX];
    return recv(conn->fd, head, size, 0) == (ssize_t)size;
}

static void accept_websocket(struct rfi_conn *conn, const struct rfi_first *first)
{
    struct rfi_buf answer;
    if (!consume(conn, first->head_size)) {
        rfi_conn_finish(conn);
        return;
    }
    conn->wire = RFI_WIRE_WEBSOCKET;
    rfi_buf_init(&answer);
    rfi_ws_write_accept(first->accept, &answer);
    rfi_conn_queue_raw(conn, &answer);
    if (conn->state != RFI_CONN_CLOSED)
        open_conn(conn);
}

static void accept_tcp(struct rfi_conn *conn)
{
    if (!consume(conn, RFI_TCP_PREFACE_SIZE)) {
        rfi_conn_finish(conn);
        return;
    }
    conn->wire = RFI_WIRE_TCP;
    open_conn(conn);
}

void rfi_conn_look(struct rfi_conn *conn, uint32_t events)
{
    uint8_t bytes[RFI_HTTP_HEAD_MAX];
    struct rfi_first first;
    ssize_t got = recv(conn->fd, bytes, sizeof bytes, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        /* A probe: somebody asks whether the port is open. */
        rf_log(RF_LOG_DEBUG, "NET-CONN-EMPTY", "peer=%s", conn->peer);
        rfi_conn_finish(conn);
        return;
    }
    switch (rfi_first_look(bytes, (size_t)got, &first)) {
    case RFI_FIRST_MORE:
        if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
            log_refusal(conn, "ended within the first bytes");
            rfi_conn_finish(conn);
        }
        break;
    case RFI_FIRST_TCP:
        accept_tcp(conn);
        break;
    case RFI_FIRST_WEBSOCKET:
        accept_websocket(conn, &first);
        break;
    case RFI_FIRST_HTTP:
        hand_to_http(conn);
        break;
    case RFI_FIRST_REFUSED:
        log_refusal(conn, first.reason);
        answer_and_close(conn, first.status, first.reason);
        break;
    case RFI_FIRST_TLS:
    case RFI_FIRST_GARBAGE:
        log_refusal(conn, first.reason);
        rfi_conn_finish(conn);
        break;
    }
}
