/* SPDX-License-Identifier: MIT */
/* Large messages whose end is read into a block of its own: between two transports, and from a peer that announces one and
 * then stops, drips, or goes away. The layer above is a few lines here: a message that begins with "BODY" has a body
 * from its eighth byte on. */
#include "core/base/blocks.h"
#include "core/base/pool.h"
#include "support/transport_node.h"

#include <netinet/tcp.h>
#include <stdatomic.h>

enum { HEAD = 8, HEADROOM = 48, MIB = 1 << 20, PATTERN = 251 };

static size_t find_body(const uint8_t *head, size_t size, size_t frame_size)
{
    cr_assert_leq(size, frame_size);
    return size >= HEAD && memcmp(head, "BODY", 4) == 0 ? HEAD : 0;
}

/* What the runs of a node brought. */
struct taker {
    struct node node;
    size_t bodies, bodies_alone; /* with a body; of them, of a block of its own */
    size_t sum;                  /* of their sizes */
};

static bool is_pattern(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (uint8_t)(i % PATTERN))
            return false;
    return true;
}

static void take_run(void *user, struct rfi_conn *conn, struct rfi_run *run)
{
    struct taker *taker = user;
    node_lock(&taker->node);
    for (size_t i = 0; i < run->frame_count; i++) {
        const struct rfi_frame_span *span = &run->frames[i];
        const uint8_t *bytes = run->bytes + span->offset;
        taker->node.message_count++;
        if (span->size < HEAD || memcmp(bytes, "BODY", 4) != 0)
            continue;
        size_t size = span->size - HEAD;
        bytes += HEAD;
        if (i == 0 && run->body.block != NULL) {
            cr_assert_eq(size, 0, "the body is elsewhere, all of it");
            size = run->body.size;
            bytes = run->body.block + HEADROOM;
            taker->bodies_alone++;
        }
        if (!is_pattern(bytes, size))
            taker->node.is_out_of_order = true;
        taker->bodies++;
        taker->sum += size;
    }
    if (run->body.block != NULL && taker->bodies % 2 == 0) { /* every other one is taken */
        rfi_block_put(run->body.block);
        run->body.block = NULL;
    }
    rfi_run_free(run);
    node_unlock(&taker->node);
    (void)conn;
}

static void taker_start(struct taker *taker, uint32_t read_budget_bytes)
{
    static const struct rfi_transport_ops ops = {.on_open = on_open,
                                                 .on_run = take_run,
                                                 .find_body = find_body,
                                                 .on_pong = on_pong,
                                                 .on_drain = on_drain,
                                                 .on_closed = on_closed};
    struct rfi_transport_options options = small_options();
    struct node *node = &taker->node;
    options.body_headroom = HEADROOM;
    options.has_http = false;
    options.websocket_frame_bytes_max = 64 << 20;
    options.read_budget_bytes = read_budget_bytes;
    memset(taker, 0, sizeof *taker);
    node->approves = true;
    (void)pthread_mutex_init(&node->mutex, NULL);
    (void)pthread_cond_init(&node->changed, NULL);
    cr_assert_eq(rfi_transport_new(&options, &ops, taker, &node->transport), RF_OK);
    cr_assert_eq(rfi_transport_start(node->transport), RF_OK);
    cr_assert_eq(rfi_transport_listen(node->transport, "127.0.0.1", 0, node->address,
                                      sizeof node->address, NULL),
                 RF_OK);
}

static uint8_t *make_pattern(size_t size)
{
    uint8_t *bytes = malloc(size);
    cr_assert_not_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i % PATTERN);
    return bytes;
}

static void release_nothing(void *owner)
{
    (void)owner;
}

static void send_body(struct rfi_conn *conn, uint8_t *bytes, size_t size)
{
    struct rfi_tail tail = {bytes, size, release_nothing, NULL};
    struct rfi_buf head;
    rfi_buf_init(&head);
    rfi_buf_append(&head, "BODYxxxx", HEAD);
    rfi_conn_send_tail(conn, RFI_BINARY, &head, &tail);
}

/* ---- between two transports ---- */

static const size_t sizes[] = {1, 30000, 64 << 10, 100000, MIB, MIB + 1, 5000000, 16 << 20};
enum { SIZES = sizeof sizes / sizeof sizes[0], ROUNDS = 3 };

static void check_bodies(enum rfi_wire wire, bool is_dialler, uint32_t budget)
{
    static struct taker server, client;
    taker_start(&server, budget);
    taker_start(&client, budget);
    struct rfi_conn *dialled = dial_port(&client.node, "127.0.0.1", node_port(&server.node), wire);
    WAIT(&client.node, client.node.open_count == 1);
    WAIT(&server.node, server.node.open_count == 1);
    struct rfi_conn *conn = is_dialler ? dialled : server.node.conns[0];
    struct taker *to = is_dialler ? &server : &client;
    uint8_t *bytes = make_pattern(sizes[SIZES - 1]);
    size_t sum = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < SIZES; i++) {
            send_body(conn, bytes, sizes[i]);
            for (size_t k = 0; k < 3; k++)
                send_bytes(conn, RFI_BINARY, "small", 5);
            send_bytes(conn, RFI_TEXT, "text", 4);
            rfi_conn_ping(conn);
            sum += sizes[i];
        }
    }
    WAIT(&to->node, to->node.message_count == (size_t)ROUNDS * SIZES * 5);
    while (rfi_conn_unsent(conn) != 0) /* the loop takes it off just behind the write */
        (void)sched_yield();
    node_lock(&to->node);
    cr_assert_eq(to->bodies, (size_t)ROUNDS * SIZES);
    cr_assert_eq(to->sum, sum);
    cr_assert_geq(to->bodies_alone, (size_t)ROUNDS * 4, "those far over one read");
    cr_assert_not(to->node.is_out_of_order);
    node_unlock(&to->node);
    rfi_conn_unref(dialled);
    node_stop(&client.node);
    node_stop(&server.node);
    free(bytes);
}

Test(transport_bodies, large_ones_come_whole_and_in_order, .timeout = 60)
{
    check_bodies(RFI_WIRE_TCP, true, 0);
    check_bodies(RFI_WIRE_WEBSOCKET, true, 0); /* masked */
    check_bodies(RFI_WIRE_WEBSOCKET, false, 0);
    check_bodies(RFI_WIRE_WEBSOCKET, true, 1); /* every run stops the reading until it is freed */
}

/* ---- a peer by hand ---- */

static int connect_raw(const struct node *node)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(node_port(node))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        cr_assert_gt(sent, 0);
        at += sent;
        size -= (size_t)sent;
    }
}

/* A native TCP connection on which a body of `size` bytes is announced, and `here` bytes of it are sent. */
static int announce(const struct node *node, const uint8_t *bytes, uint32_t size, size_t here)
{
    uint8_t head[8 + 5 + HEAD];
    uint32_t length = 1 + HEAD + size;
    int fd = connect_raw(node);
    memcpy(head, "RFLOW/1\n", 8);
    for (size_t i = 0; i < 4; i++)
        head[8 + i] = (uint8_t)(length >> (8 * i));
    head[12] = RFI_BINARY;
    memcpy(head + 13, "BODYxxxx", HEAD);
    write_all(fd, head, sizeof head);
    write_all(fd, bytes, here);
    return fd;
}

/* So large that whatever the first read brings, a body's worth is missing. */
Test(transport_bodies, a_body_may_come_in_pieces_of_any_size, .timeout = 60)
{
    enum { SIZE = 100000, SLOW = 3000 };
    static struct taker server;
    uint8_t *bytes = make_pattern(SIZE);
    int one = 1;
    taker_start(&server, 0);
    int fd = announce(&server.node, bytes, SIZE, 0);
    cr_assert_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    for (size_t at = 0, size = 1; at < SIZE; at += size) {
        size = at < SLOW || at >= SIZE - SLOW ? 1 : size * 5 % 4099;
        size = size < SIZE - at ? size : SIZE - at;
        write_all(fd, bytes + at, size);
    }
    WAIT(&server.node, server.node.message_count == 1);
    cr_assert_eq(server.sum, SIZE);
    cr_assert_eq(server.bodies_alone, 1);
    cr_assert_not(server.node.is_out_of_order);
    (void)close(fd);
    WAIT(&server.node, server.node.closed_count == 1);
    node_stop(&server.node);
    free(bytes);
}

/* What is held follows what came, not what was said; and it is free again when the peer is gone. */
Test(transport_bodies, a_peer_that_announces_much_and_sends_little_holds_little, .timeout = 60)
{
    enum { PEERS = 8, SIZE = 60 << 20, HERE = 100 };
    static struct taker server;
    int fds[PEERS];
    uint8_t *bytes = make_pattern(HERE);
    rfi_blocks_trim();
    taker_start(&server, 0);
    for (size_t i = 0; i < PEERS; i++)
        fds[i] = announce(&server.node, bytes, SIZE, i * HERE / PEERS);
    WAIT(&server.node, server.node.open_count == PEERS);
    for (size_t i = 0; i < PEERS; i++) {
        if (i % 2 == 0)
            (void)shutdown(fds[i], SHUT_WR);
        else
            (void)close(fds[i]);
    }
    WAIT(&server.node, server.node.closed_count == PEERS);
    cr_assert_eq(server.node.message_count, 0);
    cr_assert_str_eq(server.node.last_reason, "the peer closed the connection");
    for (size_t i = 0; i < PEERS; i += 2)
        (void)close(fds[i]);
    node_stop(&server.node);
#ifndef RFI_POOL_PLAIN /* what they held is idle now: a MiB for each */
    cr_assert_leq(rfi_blocks_idle_bytes(), (size_t)PEERS * (MIB + 8192));
    cr_assert_geq(rfi_blocks_idle_bytes(), (size_t)PEERS * MIB);
#endif
    rfi_blocks_trim();
    free(bytes);
}

Test(transport_bodies, a_connection_may_be_closed_in_the_middle_of_one, .timeout = 60)
{
    enum { SIZE = 8 << 20, HERE = 2 << 20 };
    static struct taker server;
    uint8_t *bytes = make_pattern(SIZE);
    taker_start(&server, 0);
    for (unsigned i = 0; i < 2; i++) {
        int fd = announce(&server.node, bytes, SIZE, HERE);
        WAIT(&server.node, server.node.open_count == i + 1);
        rfi_conn_close(server.node.conns[i], 1000, RF_ECLOSED, "enough");
        if (i == 0)
            write_all(fd, bytes + HERE, SIZE - HERE); /* what comes now is thrown away */
        (void)shutdown(fd, SHUT_WR);
        WAIT(&server.node, server.node.closed_count == i + 1);
        cr_assert_str_eq(server.node.last_reason, "enough");
        (void)close(fd);
    }
    cr_assert_eq(server.bodies, 0);
    node_stop(&server.node);
    free(bytes);
}
