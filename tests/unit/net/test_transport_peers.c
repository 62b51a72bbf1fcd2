/* SPDX-License-Identifier: MIT */
/* The transport against raw sockets that play ill-behaved peers. */
#include "support/transport_node.h"

#include <fcntl.h>
#include <poll.h>
#include <reflow/log.h>
#include <sys/resource.h>

static int connect_raw(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void write_raw(int fd, const void *data, size_t size)
{
    cr_assert_eq(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Read until the peer ends, `size` bytes are there, or the deadline. */
static size_t read_raw(int fd, void *out, size_t size)
{
    size_t count = 0;
    while (count < size) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        cr_assert_gt(poll(&wait, 1, WAIT_S * 1000), 0, "nothing to read");
        ssize_t got = recv(fd, (char *)out + count, size - count, 0);
        if (got <= 0)
            break;
        count += (size_t)got;
    }
    return count;
}

/* The peer ended the connection (what it sent before is thrown away). */
static void expect_end(int fd)
{
    char bytes[4096];
    (void)read_raw(fd, bytes, sizeof bytes);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    cr_assert_gt(poll(&wait, 1, WAIT_S * 1000), 0, "the peer does not end");
    cr_assert_leq(recv(fd, bytes, sizeof bytes, 0), 0);
    (void)close(fd);
}

#define UPGRADE                                                                                    \
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"                   \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
enum { ANSWER_SIZE = 129 }; /* of the 101 */

static int upgrade_raw(uint16_t port)
{
    char answer[ANSWER_SIZE + 1] = {0};
    int fd = connect_raw(port);
    write_raw(fd, UPGRADE, strlen(UPGRADE));
    cr_assert_eq(read_raw(fd, answer, ANSWER_SIZE), ANSWER_SIZE);
    cr_assert_not_null(strstr(answer, " 101 "));
    cr_assert_str_eq(answer + ANSWER_SIZE - 4, "\r\n\r\n");
    return fd;
}

static void lone_server(struct node *server, const struct rfi_transport_options *options)
{
    memset(server, 0, sizeof *server);
    server->approves = true;
    node_start(server, options);
}

Test(transport_peers, silent_peers_die_at_the_deadline, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node server;
    options.handshake_timeout_ms = 60;
    lone_server(&server, &options);
    server.approves = false;
    uint64_t start_ms = rfi_clock_ms();

    int silent = connect_raw(node_port(&server));
    int partial = connect_raw(node_port(&server));
    write_raw(partial, "GET / HTTP/1.1\r\n", 16);
    int unapproved = upgrade_raw(node_port(&server));
    expect_end(silent);
    expect_end(partial);
    expect_end(unapproved);

    cr_assert_geq(rfi_clock_ms() - start_ms, 60);
    cr_assert_lt(rfi_clock_ms() - start_ms, 15000);
    WAIT(&server, server.closed_count == 1);
    cr_assert_eq(server.last_err, RF_ETIMEOUT);
    node_stop(&server);
}

Test(transport_peers, a_slow_head_does_not_move_the_deadline, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node server;
    options.handshake_timeout_ms = 100;
    lone_server(&server, &options);
    int fd = connect_raw(node_port(&server));
    write_raw(fd, "GET /", 5);
    uint64_t end_ms = rfi_clock_ms() + 15000;
    bool has_ended = false;
    while (!has_ended && rfi_clock_ms() < end_ms) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        has_ended = send(fd, "x", 1, MSG_NOSIGNAL) < 0 || poll(&wait, 1, 5) > 0;
    }
    cr_assert(has_ended);
    (void)close(fd);
    node_stop(&server);
}

Test(transport_peers, pending_limits_hold_until_approval, .timeout = 30)
{
    enum { LIMIT = 3 };
    struct rfi_transport_options options = small_options();
    static struct node server;
    int fds[LIMIT];
    options.pending_per_address_max = LIMIT;
    lone_server(&server, &options);
    server.approves = false;
    for (int i = 0; i < LIMIT; i++)
        fds[i] = upgrade_raw(node_port(&server));
    WAIT(&server, server.open_count == LIMIT);
    cr_assert_eq(rfi_transport_pending_count(server.transport), LIMIT);

    expect_end(connect_raw(node_port(&server))); /* one too many */
    rfi_conn_approve(server.conns[0]);
    rfi_conn_approve(server.conns[0]); /* counts once */
    cr_assert_eq(rfi_transport_pending_count(server.transport), LIMIT - 1);
    int next = upgrade_raw(node_port(&server));
    expect_end(connect_raw(node_port(&server)));

    (void)close(next);
    WAIT(&server, server.closed_count == 1);
    cr_assert_eq(rfi_transport_pending_count(server.transport), LIMIT - 1);
    for (int i = 0; i < LIMIT; i++)
        (void)close(fds[i]);
    WAIT(&server, server.closed_count == LIMIT + 1);
    node_stop(&server);
}

Test(transport_peers, the_limit_of_all_pending_connections_holds, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node server;
    options.pending_connections_max = 1;
    lone_server(&server, &options);
    server.approves = false;
    int first = upgrade_raw(node_port(&server));
    expect_end(connect_raw(node_port(&server)));
    (void)close(first);
    WAIT(&server, server.closed_count == 1);
    (void)close(upgrade_raw(node_port(&server)));
    node_stop(&server);
}

Test(transport_peers, http_gets_the_socket_with_all_its_bytes, .timeout = 30)
{
    const char *text = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    struct rfi_transport_options options = small_options();
    static struct node server;
    char bytes[64] = {0};
    lone_server(&server, &options);
    int fd = connect_raw(node_port(&server));
    for (size_t i = 0; i < strlen(text); i++)
        write_raw(fd, text + i, 1);

    WAIT(&server, server.http_count == 1);
    cr_assert_eq(read_raw(server.http_fd, bytes, strlen(text)), strlen(text));
    cr_assert_str_eq(bytes, text);
    cr_assert_eq(rfi_transport_pending_count(server.transport), 0);
    write_raw(server.http_fd, "hi", 2);
    cr_assert_eq(read_raw(fd, bytes, 2), 2);

    (void)close(server.http_fd);
    (void)close(fd);
    cr_assert_eq(server.open_count + server.closed_count, 0);
    node_stop(&server);
}

static void expect_status(uint16_t port, const char *text, const char *status)
{
    char bytes[512] = {0};
    int fd = connect_raw(port);
    write_raw(fd, text, strlen(text));
    (void)read_raw(fd, bytes, sizeof bytes - 1);
    cr_assert_not_null(strstr(bytes, status), "%s", bytes);
    (void)close(fd);
}

Test(transport_peers, http_that_nobody_takes_is_answered, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node server;
    options.has_http = false;
    lone_server(&server, &options);
    uint16_t port = node_port(&server);
    expect_status(port, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 ");
    expect_status(port, "GET / HTTP/1.1\nHost: a\n\n", "HTTP/1.1 400 ");
    expect_status(port,
                  "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 7\r\n\r\n",
                  "sec-websocket-version: 13");
    node_stop(&server);
}

Test(transport_peers, strange_bytes_end_the_connection_and_nothing_else, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    pair.server.echoes = true;
    pair_open(&pair, RFI_WIRE_WEBSOCKET, &options);
    uint16_t port = node_port(&pair.server);

    int garbage = connect_raw(port);
    write_raw(garbage, "\xde\xad\xbe\xef", 4);
    int tls = connect_raw(port);
    write_raw(tls, "\x16\x03\x01\x02\x00\x01", 6);
    (void)close(connect_raw(port)); /* a probe */
    int half = connect_raw(port);
    write_raw(half, "GET /", 5);
    (void)shutdown(half, SHUT_WR);
    expect_end(garbage);
    expect_end(tls);
    expect_end(half);

    send_number(pair.conn, 0, 0, 5);
    WAIT(&pair.client, pair.client.message_count == 1);
    cr_assert_eq(pair.server.closed_count, 0);
    pair_close(&pair);
}

Test(transport_peers, a_peer_that_vanishes_is_told, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    static struct node server;
    lone_server(&server, &options);

    (void)close(upgrade_raw(node_port(&server)));
    WAIT(&server, server.closed_count == 1);
    cr_assert_eq(server.last_err, RF_ECLOSED);
    int reset = upgrade_raw(node_port(&server));
    (void)setsockopt(reset, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    (void)close(reset);
    WAIT(&server, server.closed_count == 2);
    cr_assert_eq(server.last_err, RF_ECLOSED);
    /* A paused one notices a reset too. */
    reset = upgrade_raw(node_port(&server));
    WAIT(&server, server.open_count == 3);
    rfi_conn_pause(server.conns[2], true);
    (void)setsockopt(reset, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    (void)close(reset);
    WAIT(&server, server.closed_count == 3);
    node_stop(&server);
}

Test(transport_peers, a_native_peer_may_write_byte_by_byte, .timeout = 30)
{
    static const char bytes[] = "RFLOW/1\n\x06\0\0\0\x01hello\x01\0\0\0\x02";
    struct rfi_transport_options options = small_options();
    static struct node server;
    char answer[15];
    lone_server(&server, &options);
    server.echoes = true;
    int fd = connect_raw(node_port(&server));
    for (size_t i = 0; i < sizeof bytes - 1; i++)
        write_raw(fd, bytes + i, 1);
    cr_assert_eq(read_raw(fd, answer, sizeof answer), sizeof answer);
    cr_assert_arr_eq(answer, "\x06\0\0\0\x01hello\x01\0\0\0\x02", sizeof answer);
    (void)close(fd);
    WAIT(&server, server.closed_count == 1);
    node_stop(&server);
}

Test(transport_peers, protocol_errors_get_a_close_frame_with_their_code, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node server;
    uint8_t answer[4];
    lone_server(&server, &options);
    int fd = upgrade_raw(node_port(&server));
    write_raw(fd, "\x81\x82\0\0\0\0ok\x81\x00", 10); /* a good one, then one without a mask */
    cr_assert_eq(read_raw(fd, answer, sizeof answer), sizeof answer);
    cr_assert_arr_eq(answer, "\x88\x02\x03\xea", sizeof answer);
    expect_end(fd);
    WAIT(&server, server.closed_count == 1);
    cr_assert_eq(server.last_err, RF_EPROTO);
    cr_assert_eq(server.message_count, 1);
    node_stop(&server);
}

Test(transport_peers, pings_are_answered_and_a_flood_of_them_is_not, .timeout = 30)
{
    static const char ping[] = "\x89\x82\0\0\0\0hi";
    struct rfi_transport_options options = small_options();
    static struct node server;
    uint8_t answer[4];
    options.control_frames_per_second_max = 20;
    lone_server(&server, &options);
    int fd = upgrade_raw(node_port(&server));
    write_raw(fd, ping, sizeof ping - 1);
    cr_assert_eq(read_raw(fd, answer, sizeof answer), sizeof answer);
    cr_assert_arr_eq(answer, "\x8a\x02hi", sizeof answer);
    for (int i = 0; i < 100; i++)
        (void)send(fd, ping, sizeof ping - 1, MSG_NOSIGNAL);
    expect_end(fd);
    WAIT(&server, server.closed_count == 1);
    cr_assert_eq(server.last_err, RF_ELIMIT);
    node_stop(&server);
}

Test(transport_peers, a_peer_that_never_answers_our_close_is_left, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node server;
    uint8_t answer[4];
    lone_server(&server, &options);
    int fd = upgrade_raw(node_port(&server));
    WAIT(&server, server.open_count == 1);
    rfi_conn_close(server.conns[0], 1000, RF_ESTATE, "enough");
    cr_assert_eq(read_raw(fd, answer, sizeof answer), sizeof answer);
    cr_assert_arr_eq(answer, "\x88\x02\x03\xe8", sizeof answer);
    write_raw(fd, "\x81\x82\0\0\0\0ok", 8); /* too late to be heard */
    WAIT(&server, server.closed_count == 1);
    cr_assert_eq(server.last_err, RF_ESTATE);
    cr_assert_eq(server.message_count, 0);
    (void)close(fd);
    node_stop(&server);
}

static _Atomic(bool) has_starved;

static void look_for_starvation(void *user, rf_log_level level, const char *line)
{
    (void)user;
    if (level == RF_LOG_ERROR && strstr(line, "NET-ACCEPT-STARVED") != NULL)
        atomic_store(&has_starved, true);
}

Test(transport_peers, accepting_goes_on_after_descriptors_ran_out, .timeout = 30)
{
    enum { FDS_MAX = 512 };
    rf_log_set_sink(look_for_starvation, NULL);
    struct rfi_transport_options options = small_options();
    struct rlimit before;
    static struct node server;
    static int fds[FDS_MAX];
    int count = 0;
    lone_server(&server, &options);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = FDS_MAX - 100, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (count < FDS_MAX && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    cr_assert(count > 0 && count < FDS_MAX);

    (void)close(fds[--count]);
    int fd = connect_raw(node_port(&server)); /* takes the last one; the server finds none */
    write_raw(fd, UPGRADE, strlen(UPGRADE));
    uint64_t end_ms = rfi_clock_ms() + WAIT_S * UINT64_C(1000);
    while (!atomic_load(&has_starved) && rfi_clock_ms() < end_ms)
        (void)sched_yield();
    cr_assert(atomic_load(&has_starved), "accepted without a descriptor?");
    while (count > 0)
        (void)close(fds[--count]);

    WAIT(&server, server.open_count == 1);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    (void)close(fd);
    WAIT(&server, server.closed_count == 1);
    node_stop(&server);
    rf_log_set_sink(NULL, NULL);
}

Test(transport_peers, a_bad_address_to_listen_on_is_explained, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node server;
    char address[80];
    rf_diag diag = {.text = ""};
    lone_server(&server, &options);
    cr_assert_eq(rfi_transport_listen(server.transport, "127.0.0.1", node_port(&server), address,
                                      sizeof address, &diag),
                 RF_ESYS);
    cr_assert_not_null(strstr(diag.text, "in use"));
    cr_assert_eq(
        rfi_transport_listen(server.transport, "300.1.2.x", 0, address, sizeof address, &diag),
        RF_EINVAL);
    cr_assert_eq(rfi_transport_listen(server.transport, "::1", 0, address, 10, &diag), RF_EINVAL);
    node_stop(&server);
}
