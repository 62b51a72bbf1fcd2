/* SPDX-License-Identifier: MIT */
/* Pairs of our own transports over loopback: order, sizes, back pressure, closing, dialling. */
#include "core/base/errand.h"
#include "net/conn.h"
#include "support/transport_node.h"

#include <netinet/tcp.h>

/* ---- pairs, on both wires ---- */

static void check_order(enum rfi_wire wire)
{
    enum { COUNT = 10000 };
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    pair_open(&pair, wire, &options);
    cr_assert_eq(rfi_conn_wire(pair.server.conns[0]), wire);

    for (uint64_t i = 0; i < COUNT; i++) {
        send_number(pair.conn, 0, i, i % 700);
        send_number(pair.server.conns[0], 1, i, (i * 7) % 900);
    }

    WAIT(&pair.server, pair.server.message_count == COUNT);
    WAIT(&pair.client, pair.client.message_count == COUNT);
    cr_assert_not(pair.server.is_out_of_order);
    cr_assert_not(pair.client.is_out_of_order);
    pair_close(&pair);
}

Test(transport, ten_thousand_messages_both_ways_keep_their_order, .timeout = 60)
{
    check_order(RFI_WIRE_WEBSOCKET);
    check_order(RFI_WIRE_TCP);
}

static void check_sizes(enum rfi_wire wire)
{
    static const size_t sizes[] = {0,      1,       125,     126,      65535,           65536,
                                   131072, 1 << 20, 5000000, 16 << 20, (16U << 20) + 1, 64 << 20};
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    pair.server.echoes = true;
    pair_open(&pair, wire, &options);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *data = malloc(sizes[i] + 1);
        cr_assert_not_null(data);
        memset(data, 'a' + (int)i, sizes[i]);
        send_bytes(pair.conn, i % 2 == 0 ? RFI_TEXT : RFI_BINARY, data, sizes[i]);
        WAIT(&pair.client, pair.client.message_count == i + 1);
        cr_assert_eq(pair.client.last_size, sizes[i]);
        cr_assert_eq(pair.client.last_opcode, i % 2 == 0 ? RFI_TEXT : RFI_BINARY);
        free(data);
    }
    while (rfi_conn_unsent(pair.conn) != 0) /* the loop takes it off just behind the write */
        (void)sched_yield();
    pair_close(&pair);
}

Test(transport, messages_of_all_sizes_come_back, .timeout = 60)
{
    check_sizes(RFI_WIRE_WEBSOCKET);
    check_sizes(RFI_WIRE_TCP);
}

static void count_release(void *owner)
{
    atomic_fetch_add((_Atomic(unsigned) *)owner, 1);
}

/* A frame of which the end lies elsewhere comes whole, and what lies there is not changed. */
static void check_tails(enum rfi_wire wire, bool is_dialler)
{
    static const size_t heads[] = {1, 100, 70000};
    static const size_t tails[] = {1, 40000, 131072, 1000000, (16U << 20) + 5};
    enum { PATTERN = 251 };
    struct rfi_transport_options options = small_options();
    _Atomic(unsigned) released = 0;
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    pair_open(&pair, wire, &options);
    struct node *to = is_dialler ? &pair.server : &pair.client;
    struct rfi_conn *conn = is_dialler ? pair.conn : pair.server.conns[0];
    uint8_t *bytes = malloc(tails[4]);
    unsigned count = 0;
    cr_assert_not_null(bytes);
    to->holds_runs = true;
    for (size_t i = 0; i < tails[4]; i++)
        bytes[i] = (uint8_t)(i % PATTERN);
    for (size_t h = 0; h < 3; h++) {
        for (size_t t = 0; t < 5; t++) {
            struct rfi_tail tail = {bytes, tails[t], count_release, &released};
            struct rfi_buf head;
            rfi_buf_init(&head);
            rfi_buf_append(&head, bytes, heads[h]);
            rfi_conn_send_tail(conn, RFI_BINARY, &head, &tail);
            send_number(conn, 0, count++, 20);
            WAIT(to, to->message_count == 2 * (size_t)count);
            node_lock(to);
            const struct rfi_run *run = to->held[0];
            cr_assert_eq(run->frames[0].size, heads[h] + tails[t]);
            const uint8_t *came = run->bytes + run->frames[0].offset;
            cr_assert_eq(memcmp(came, bytes, heads[h]), 0);
            cr_assert_eq(memcmp(came + heads[h], bytes, tails[t]), 0);
            for (size_t i = 0; i < to->held_count; i++)
                rfi_run_free(to->held[i]);
            to->held_count = 0;
            node_unlock(to);
        }
    }
    for (size_t i = 0; i < tails[4]; i++)
        cr_assert_eq(bytes[i], i % PATTERN);
    cr_assert_not(to->is_out_of_order);
    pair_close(&pair);
    cr_assert_eq(released, count);
    free(bytes);
}

Test(transport, a_tail_comes_behind_its_head, .timeout = 60)
{
    check_tails(RFI_WIRE_TCP, true);
    check_tails(RFI_WIRE_WEBSOCKET, true); /* masked on its way */
    check_tails(RFI_WIRE_WEBSOCKET, false);
}

static void add_text(struct rfi_conn *conn, struct rfi_buf *frames, size_t size)
{
    size_t begin = rfi_frames_begin(conn, frames);
    uint8_t *text = rfi_buf_reserve(frames, size);
    cr_assert_not_null(text);
    memset(text, 'a', size);
    frames->size += size;
    rfi_frames_end(conn, frames, begin);
}

/* Texts that the sender frames itself come like any others. */
static void check_frames(struct rfi_conn *conn, struct node *to)
{
    static const size_t sizes[] = {0, 1, 125, 126, 40000, 65535, 65536, 200000, 3};
    struct rfi_buf frames;
    rfi_buf_init(&frames);
    rfi_conn_send_frames(conn, &frames); /* nothing */
    size_t count = to->message_count;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        add_text(conn, &frames, 7);
        add_text(conn, &frames, sizes[i]);
        size_t dropped = rfi_frames_begin(conn, &frames);
        rfi_buf_append_text(&frames, "half");
        frames.size = dropped;
        rfi_conn_send_frames(conn, &frames);
        cr_assert_eq(frames.size, 0);
        count += 2;
        WAIT(to, to->message_count == count);
        cr_assert_eq(to->last_size, sizes[i]);
        cr_assert_eq(to->last_opcode, RFI_TEXT);
    }
    while (rfi_conn_unsent(conn) != 0) /* the loop takes it off just behind the write */
        (void)sched_yield();
    rfi_conn_close(conn, 1000, RF_OK, "enough");
    add_text(conn, &frames, 9);
    rfi_conn_send_frames(conn, &frames); /* too late: thrown away */
    cr_assert_null(frames.data);
}

Test(transport, texts_in_one_buffer_come_one_by_one, .timeout = 60)
{
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    for (int i = 0; i < 2; i++) {
        memset(&pair, 0, sizeof pair);
        pair_open(&pair, RFI_WIRE_WEBSOCKET, &options);
        if (i == 0)
            check_frames(pair.conn, &pair.server);
        else
            check_frames(pair.server.conns[0], &pair.client);
        pair_close(&pair);
    }
}

struct sender {
    pthread_t thread;
    struct rfi_conn *conn;
    uint32_t number;
    uint64_t count;
};

static void *send_many(void *argument)
{
    const struct sender *sender = argument;
    for (uint64_t i = 0; i < sender->count; i++)
        send_number(sender->conn, sender->number, i, i % 50);
    return NULL;
}

Test(transport, senders_on_many_threads_each_keep_their_order, .timeout = 60)
{
    enum { THREADS = 4, COUNT = 5000 };
    struct rfi_transport_options options = small_options();
    struct sender senders[THREADS];
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    options.poll_us = 50;
    pair_open(&pair, RFI_WIRE_WEBSOCKET, &options);

    for (uint32_t i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.conn = pair.conn, .number = i, .count = COUNT};
        cr_assert_eq(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        (void)pthread_join(senders[i].thread, NULL);

    WAIT(&pair.server, pair.server.message_count == (size_t)THREADS * COUNT);
    cr_assert_not(pair.server.is_out_of_order);
    pair_close(&pair);
}

/* The loop asks the one connection that it heard of alone, for a while. */
Test(transport, a_loop_that_polls_a_lively_connection_hears_the_others_and_outlives_it,
     .timeout = 60)
{
    enum { ROUNDS = 20, BURST = 10 };
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    options.io_threads = 1;
    options.poll_us = 10000000;
    pair_open(&pair, RFI_WIRE_TCP, &options);
    struct rfi_conn *other =
        dial_port(&pair.client, "127.0.0.1", node_port(&pair.server), RFI_WIRE_TCP);
    WAIT(&pair.client, pair.client.open_count == 2);

    size_t count = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < BURST; i++) {
            send_number(pair.conn, 0, round * BURST + i, 50);
            count++;
            WAIT(&pair.server, pair.server.message_count == count);
        }
        send_number(other, 1, round, 50);
        count++;
        WAIT(&pair.server, pair.server.message_count == count);
    }
    send_number(pair.conn, 0, ROUNDS * BURST, 50);
    WAIT(&pair.server, pair.server.message_count == count + 1);
    rfi_conn_close(pair.conn, 1000, RF_OK, "done");
    WAIT(&pair.server, pair.server.closed_count == 1);
    send_number(other, 1, ROUNDS, 50);
    WAIT(&pair.server, pair.server.message_count == count + 2);
    cr_assert_not(pair.server.is_out_of_order);
    rfi_conn_unref(other);
    pair_close(&pair);
}

/* ---- back pressure ---- */

/* A round trip on another connection of the same, only loop: it has seen all that was there before.
 */
static void turn_loop(struct pair *pair, struct rfi_conn *other, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        node_lock(&pair->client);
        unsigned before = pair->client.pong_count;
        node_unlock(&pair->client);
        rfi_conn_ping(other);
        WAIT(&pair->client, pair->client.pong_count > before);
    }
}

static void fill_pipe(struct rfi_conn *conn, uint64_t count, size_t size)
{
    for (uint64_t i = 0; i < count; i++)
        send_number(conn, 0, i, size - 12);
}

Test(transport, a_paused_connection_reads_nothing_and_goes_on_later, .timeout = 60)
{
    enum { COUNT = 300, SIZE = 64 << 10 };
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    options.io_threads = 1;
    pair_open(&pair, RFI_WIRE_WEBSOCKET, &options);
    struct rfi_conn *other =
        dial_port(&pair.client, "127.0.0.1", node_port(&pair.server), RFI_WIRE_WEBSOCKET);
    WAIT(&pair.server, pair.server.open_count == 2);
    WAIT(&pair.client, pair.client.open_count == 2);

    rfi_conn_pause(pair.server.conns[0], true);
    turn_loop(&pair, other, 1);
    fill_pipe(pair.conn, COUNT, SIZE);
    turn_loop(&pair, other, 20);
    WAIT(&pair.server, pair.server.message_count == 0);
    cr_assert_gt(rfi_conn_unsent(pair.conn), options.write_low_bytes);
    /* While the pipe filled, the loop may have caught up now and then. */
    node_lock(&pair.client);
    unsigned drains = pair.client.drain_count;
    node_unlock(&pair.client);

    rfi_conn_pause(pair.server.conns[0], false);
    WAIT(&pair.server, pair.server.message_count == COUNT);
    WAIT(&pair.client, pair.client.drain_count == drains + 1);
    turn_loop(&pair, other, 2);
    cr_assert_eq(rfi_conn_unsent(pair.conn), 0);
    WAIT(&pair.client, pair.client.drain_count == drains + 1);
    cr_assert_not(pair.server.is_out_of_order);
    rfi_conn_unref(other);
    pair_close(&pair);
}

Test(transport, runs_that_are_not_freed_stop_the_reading, .timeout = 60)
{
    enum { COUNT = 300, SIZE = 64 << 10, BUDGET = 256 << 10 };
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    options.io_threads = 1;
    options.read_budget_bytes = BUDGET;
    pair.server.holds_runs = true;
    pair_open(&pair, RFI_WIRE_TCP, &options);
    struct rfi_conn *other =
        dial_port(&pair.client, "127.0.0.1", node_port(&pair.server), RFI_WIRE_WEBSOCKET);
    WAIT(&pair.client, pair.client.open_count == 2);

    fill_pipe(pair.conn, COUNT, SIZE);
    WAIT(&pair.server, pair.server.message_bytes >= BUDGET / 4);
    turn_loop(&pair, other, 30);
    node_lock(&pair.server);
    /* One read more than the budget, and what a buffer may hold. */
    cr_assert_lt(pair.server.message_bytes, BUDGET + (512U << 10));
    node_unlock(&pair.server);

    node_free_held(&pair.server);
    WAIT(&pair.server, pair.server.message_count == COUNT);
    cr_assert_not(pair.server.is_out_of_order);
    rfi_conn_unref(other);
    pair_close(&pair);
}

/* A loop reads little in a round when much comes, so the sockets have to take turns. */
Test(transport, connections_that_are_all_busy_take_turns, .timeout = 60)
{
    enum { CONNS = 8, COUNT = 64, SIZE = 32 << 10 };
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    struct rfi_conn *conns[CONNS];
    memset(&pair, 0, sizeof pair);
    options.io_threads = 1;
    options.read_budget_bytes = 64 << 20;
    pair.server.holds_runs = true;
    pair_open(&pair, RFI_WIRE_TCP, &options);
    for (size_t c = 0; c < CONNS; c++)
        conns[c] = dial_port(&pair.client, "127.0.0.1", node_port(&pair.server), RFI_WIRE_TCP);
    WAIT(&pair.server, pair.server.open_count == CONNS + 1);
    WAIT(&pair.client, pair.client.open_count == CONNS + 1);

    node_lock(&pair.server); /* its loop stands in on_run until all have something to read */
    for (uint32_t c = 0; c < CONNS; c++)
        for (uint64_t i = 0; i < COUNT; i++)
            send_number(conns[c], c, i, SIZE - 12);
    for (uint32_t c = 0; c < CONNS; c++)
        while (rfi_conn_unsent(conns[c]) > (COUNT - 1) * SIZE)
            (void)sched_yield();
    node_unlock(&pair.server);
    WAIT(&pair.server, pair.server.message_count == CONNS * COUNT);

    size_t taken[CONNS] = {0};
    size_t most = 0;
    for (size_t i = 0; i < pair.server.held_count && most < COUNT / 2; i++) {
        const struct rfi_run *run = pair.server.held[i];
        size_t *of_sender = &taken[rfi_load_u32(run->bytes + run->frames[0].offset)];
        *of_sender += run->frame_count;
        most = *of_sender > most ? *of_sender : most;
    }
    for (size_t c = 0; c < CONNS; c++) {
        cr_assert_gt(taken[c], 0, "connection %zu had to wait", c);
        rfi_conn_unref(conns[c]);
    }
    cr_assert_not(pair.server.is_out_of_order);
    pair_close(&pair);
}

/* ---- closing ---- */

static void check_close(enum rfi_wire wire, bool server_closes)
{
    enum { COUNT = 2000 };
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    pair_open(&pair, wire, &options);
    struct node *here = server_closes ? &pair.server : &pair.client;
    struct node *there = server_closes ? &pair.client : &pair.server;

    for (uint64_t i = 0; i < COUNT; i++)
        send_number(here->conns[0], 0, i, 1000);
    rfi_conn_close(here->conns[0], 4001, RF_EDUPLICATE, "one too many");
    rfi_conn_close(here->conns[0], 4002, RF_EAUTH, "too late");
    send_number(here->conns[0], 0, COUNT, 0);

    WAIT(here, here->closed_count == 1);
    WAIT(there, there->closed_count == 1);
    cr_assert_eq(there->message_count, COUNT);
    cr_assert_eq(here->last_err, RF_EDUPLICATE);
    cr_assert_str_eq(here->last_reason, "one too many");
    cr_assert_eq(there->last_err, RF_ECLOSED);
    if (wire == RFI_WIRE_WEBSOCKET)
        cr_assert_str_eq(there->last_reason, "closed by the peer (4001)");
    cr_assert_eq(rfi_conn_unsent(here->conns[0]), 0);
    pair_close(&pair);
}

Test(transport, close_flushes_and_tells_both_sides, .timeout = 60)
{
    check_close(RFI_WIRE_WEBSOCKET, true);
    check_close(RFI_WIRE_WEBSOCKET, false);
    check_close(RFI_WIRE_TCP, true);
    check_close(RFI_WIRE_TCP, false);
}

Test(transport, every_function_may_be_called_after_the_close, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    pair_open(&pair, RFI_WIRE_WEBSOCKET, &options);
    struct rfi_conn *conn = rfi_conn_ref(pair.conn);
    rfi_conn_close(conn, 1000, RF_ECLOSED, NULL);
    WAIT(&pair.client, pair.client.closed_count == 1);

    for (int i = 0; i < 2; i++) {
        send_number(conn, 0, 0, 10);
        rfi_conn_pause(conn, true);
        rfi_conn_ping(conn);
        rfi_conn_approve(conn);
        rfi_conn_close(conn, 1000, RF_ECLOSED, "again");
        cr_assert_eq(rfi_conn_unsent(conn), 0);
        cr_assert_eq(rfi_conn_user(conn), &pair.client);
        cr_assert(rfi_conn_is_dialled(conn));
        if (i == 0)
            pair_close(&pair);
    }
    rfi_conn_unref(conn);
}

Test(transport, stop_closes_every_connection, .timeout = 30)
{
    enum { COUNT = 40 };
    struct rfi_transport_options options = small_options();
    struct rfi_conn *conns[COUNT];
    static struct node server;
    static struct node client;
    memset(&server, 0, sizeof server);
    memset(&client, 0, sizeof client);
    server.approves = client.approves = true;
    node_start(&server, &options);
    node_start(&client, &options);
    for (int i = 0; i < COUNT; i++)
        conns[i] = dial_port(&client, "127.0.0.1", node_port(&server),
                             i % 2 == 0 ? RFI_WIRE_WEBSOCKET : RFI_WIRE_TCP);
    WAIT(&server, server.open_count == COUNT);

    rfi_transport_stop(server.transport, 5000);

    cr_assert_eq(server.closed_count, COUNT);
    cr_assert_str_eq(server.last_reason, "shutting down");
    WAIT(&client, client.closed_count == COUNT);
    struct rfi_endpoint endpoint = {.host = "127.0.0.1", .port = 1};
    struct rfi_conn *late = NULL;
    cr_assert_eq(rfi_transport_dial(server.transport, &endpoint, NULL, &late), RF_ECLOSED);
    for (int i = 0; i < COUNT; i++)
        rfi_conn_unref(conns[i]);
    node_stop(&client);
    node_stop(&server);
}

Test(transport, closed_listeners_take_nobody_and_keep_the_open_ones, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct pair pair;
    memset(&pair, 0, sizeof pair);
    pair.server.echoes = true;
    pair_open(&pair, RFI_WIRE_TCP, &options);

    rfi_transport_close_listeners(pair.server.transport);
    for (unsigned i = 1; pair.client.last_err != RF_ESYS; i++) {
        rfi_conn_unref(
            dial_port(&pair.client, "127.0.0.1", node_port(&pair.server), RFI_WIRE_WEBSOCKET));
        /* A dial that was quicker than the loop opens, and is closed again. */
        WAIT(&pair.client, pair.client.open_count + pair.client.closed_count > i);
        if (pair.client.open_count > pair.client.closed_count + 1)
            rfi_conn_close(pair.client.conns[pair.client.open_count - 1], 0, RF_ECLOSED, "late");
        WAIT(&pair.client, pair.client.closed_count == i);
    }
    send_number(pair.conn, 0, 0, 0);
    WAIT(&pair.client, pair.client.message_count == 1);
    pair_close(&pair);
}

/* ---- dialling ---- */

static void check_dial_fails(const char *host, uint16_t port, rf_err expected)
{
    struct rfi_transport_options options = small_options();
    static struct node client;
    memset(&client, 0, sizeof client);
    options.handshake_timeout_ms = expected == RF_ETIMEOUT ? 100 : 20000;
    node_start(&client, &options);

    struct rfi_conn *conn = dial_port(&client, host, port, RFI_WIRE_WEBSOCKET);

    WAIT(&client, client.closed_count == 1);
    cr_assert_eq(client.open_count, 0);
    cr_assert_eq(client.last_err, expected, "%s", client.last_reason);
    cr_assert_neq(client.last_reason[0], 0);
    rfi_conn_unref(conn);
    node_stop(&client);
}

/* A listening socket that answers nothing. */
static int listen_raw(uint16_t *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

Test(transport, a_dial_that_fails_says_why, .timeout = 60)
{
    uint16_t port = 0;
    int fd = listen_raw(&port); /* bound, not listening: refused */
    check_dial_fails("127.0.0.1", port, RF_ESYS);
    check_dial_fails("no-such-host.invalid", 80, RF_ESYS);
    cr_assert_eq(listen(fd, 5), 0); /* takes the connection and stays silent */
    check_dial_fails("127.0.0.1", port, RF_ETIMEOUT);
    (void)close(fd);
}

Test(transport, a_dial_by_name_opens, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node server;
    static struct node client;
    memset(&server, 0, sizeof server);
    memset(&client, 0, sizeof client);
    server.approves = client.approves = true;
    node_start(&server, &options);
    node_start(&client, &options);
    /* localhost may be ::1 first, where nobody listens: the next address is tried. */
    struct rfi_conn *conn = dial_port(&client, "localhost", node_port(&server), RFI_WIRE_WEBSOCKET);
    WAIT(&client, client.open_count == 1);
    rfi_conn_unref(conn);
    node_stop(&client);
    node_stop(&server);
}

Test(transport, a_dial_is_closed_by_stop_wherever_it_stands, .timeout = 30)
{
    struct rfi_transport_options options = small_options();
    static struct node client;
    uint16_t port = 0;
    int fd = listen_raw(&port);
    cr_assert_eq(listen(fd, 5), 0);
    memset(&client, 0, sizeof client);
    node_start(&client, &options);
    struct rfi_conn *a = dial_port(&client, "127.0.0.1", port, RFI_WIRE_WEBSOCKET);
    struct rfi_conn *b = dial_port(&client, "no-such-host.invalid", port, RFI_WIRE_TCP);

    rfi_transport_stop(client.transport, 100);

    cr_assert_eq(client.closed_count, 2);
    rfi_conn_unref(a);
    rfi_conn_unref(b);
    node_stop(&client);
    (void)close(fd);
}

/* What the kernel does against congestion on a socket that was made ready for a peer of that address. */
static void control_for(const char *text, char out[32])
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    void *at = &((struct sockaddr_in *)&address)->sin_addr;
    socklen_t size = 31;
    if (strchr(text, ':') != NULL) {
        address.ss_family = AF_INET6;
        at = &((struct sockaddr_in6 *)&address)->sin6_addr;
    }
    cr_assert_eq(inet_pton(address.ss_family, text, at), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(out, 0, 32);
    rfi_conn_set_socket_options(fd, (struct sockaddr *)&address);
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, out, &size), 0);
    (void)close(fd);
}

Test(transport, nothing_paces_what_stays_inside_the_machine)
{
    static const char *const inside[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const outside[] = {"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"};
    char usual[32], control[32];
    control_for("198.51.100.7", usual);
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        control_for(inside[i], control);
        cr_assert_str_eq(control, "reno", "%s", inside[i]);
    }
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        control_for(outside[i], control);
        cr_assert_str_eq(control, usual, "%s", outside[i]);
    }
}

/* ---- errands ---- */

struct flusher {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_open, is_run;
    enum rfi_errand_added added;
};

static void tell(struct flusher *flusher, bool *flag)
{
    (void)pthread_mutex_lock(&flusher->mutex);
    *flag = true;
    (void)pthread_cond_broadcast(&flusher->changed);
    (void)pthread_mutex_unlock(&flusher->mutex);
}

static void flusher_open(void *user, struct rfi_conn *conn)
{
    struct flusher *flusher = user;
    rfi_conn_approve(conn);
    tell(flusher, &flusher->is_open);
}

static void flusher_run(void *user, struct rfi_conn *conn, struct rfi_run *run)
{
    (void)user;
    (void)conn;
    rfi_run_free(run);
}

static void flusher_errand(void *arg)
{
    struct flusher *flusher = arg;
    tell(flusher, &flusher->is_run);
}

static void flusher_drain(void *user, struct rfi_conn *conn)
{
    struct flusher *flusher = user;
    (void)conn;
    flusher->added = rfi_errands_add(flusher_errand, flusher);
}

static void flusher_closed(void *user, struct rfi_conn *conn, rf_err err, const char *reason)
{
    (void)user;
    (void)conn;
    (void)err;
    (void)reason;
}

/* A flush at the top of the round tells of room, and who hears it leaves an errand. No event follows, as the other side
 * is silent: the loop must run it before it goes to sleep. */
Test(transport, what_a_flush_leaves_to_the_loop_is_done_before_it_sleeps, .timeout = 60)
{
    static const struct rfi_transport_ops ops = {.on_open = flusher_open,
                                                 .on_run = flusher_run,
                                                 .on_drain = flusher_drain,
                                                 .on_closed = flusher_closed};
    static struct node server;
    struct flusher flusher = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                              .changed = PTHREAD_COND_INITIALIZER};
    struct rfi_transport_options options = small_options();
    struct rfi_transport *transport = NULL;
    struct rfi_endpoint endpoint;
    struct rfi_conn *conn = NULL;
    char url[96];
    uint8_t data[100] = {0};
    memset(&server, 0, sizeof server);
    server.approves = true;
    node_start(&server, &options);
    options.write_low_bytes = 1;
    cr_assert_eq(rfi_transport_new(&options, &ops, &flusher, &transport), RF_OK);
    cr_assert_eq(rfi_transport_start(transport), RF_OK);
    (void)snprintf(url, sizeof url, "tcp://%s", server.address);
    cr_assert_eq(rfi_endpoint_parse(url, RFI_WIRE_WEBSOCKET, &endpoint, NULL), RF_OK);
    cr_assert_eq(rfi_transport_dial(transport, &endpoint, NULL, &conn), RF_OK);
    WAIT(&flusher, flusher.is_open);
    for (int i = 0; i < 100; i++) {
        flusher.is_run = false;
        send_bytes(conn, RFI_BINARY, data, sizeof data);
        WAIT(&flusher, flusher.is_run);
        cr_assert_eq(flusher.added, RFI_ERRAND_ADDED);
    }
    rfi_conn_unref(conn);
    rfi_transport_stop(transport, 1000);
    rfi_transport_free(transport);
    node_stop(&server);
}
