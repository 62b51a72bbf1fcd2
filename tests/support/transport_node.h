/* SPDX-License-Identifier: MIT */
/* A transport under test and all that its callbacks told, for the tests of the transport. Nothing
 * sleeps: every wait is for an event with a deadline. */
#ifndef TRANSPORT_NODE_H
#define TRANSPORT_NODE_H

#include "core/base/clock.h"
#include "net/transport.h"
#include "support/rf_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_S = 25, CONNS_MAX = 64, HELD_MAX = 4096 };

/* One transport and all that its callbacks told. */
struct node {
    struct rfi_transport *transport;
    char address[80];
    /* what to do; set before start */
    bool approves, echoes, holds_runs;
    /* under mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct rfi_conn *conns[CONNS_MAX]; /* opened, in order; one reference each */
    struct rfi_run *held[HELD_MAX];
    size_t held_count;
    unsigned open_count, closed_count, http_count, pong_count, drain_count;
    rf_err last_err;
    char last_reason[256];
    int http_fd;
    size_t message_count, message_bytes;
    uint64_t next_number[8]; /* of each sender */
    bool is_out_of_order;
    uint8_t last_opcode;
    size_t last_size;
};

/* Wait for a condition on the node, under its mutex. */
#define WAIT(node, condition)                                                                      \
    do {                                                                                           \
        struct timespec until = wait_deadline();                                                   \
        int status = 0;                                                                            \
        (void)pthread_mutex_lock(&(node)->mutex);                                                  \
        while (!(condition) && status == 0)                                                        \
            status = pthread_cond_timedwait(&(node)->changed, &(node)->mutex, &until);             \
        bool is_met = (condition);                                                                 \
        (void)pthread_mutex_unlock(&(node)->mutex);                                                \
        cr_assert(is_met, "never came: %s", #condition);                                           \
    } while (0)

static inline struct timespec wait_deadline(void)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    return until;
}

static inline void node_lock(struct node *node)
{
    (void)pthread_mutex_lock(&node->mutex);
}

static inline void node_unlock(struct node *node)
{
    (void)pthread_cond_broadcast(&node->changed);
    (void)pthread_mutex_unlock(&node->mutex);
}

static inline void on_open(void *user, struct rfi_conn *conn)
{
    struct node *node = user;
    node_lock(node);
    if (node->approves)
        rfi_conn_approve(conn);
    cr_assert_lt(node->open_count, CONNS_MAX);
    node->conns[node->open_count++] = rfi_conn_ref(conn);
    node_unlock(node);
}

static inline void send_bytes(struct rfi_conn *conn, enum rfi_opcode opcode, const void *data,
                              size_t size)
{
    struct rfi_buf message;
    rfi_buf_init(&message);
    rfi_buf_append(&message, data, size);
    rfi_conn_send(conn, opcode, &message);
    cr_assert_null(message.data);
}

/* Numbered messages: u32 sender, u64 number, then filling. */
static inline void send_number(struct rfi_conn *conn, uint32_t sender, uint64_t number,
                               size_t filling)
{
    struct rfi_buf message;
    rfi_buf_init(&message);
    rfi_buf_append_u32(&message, sender);
    rfi_buf_append_u64(&message, number);
    for (size_t i = 0; i < filling; i++)
        rfi_buf_append_byte(&message, (uint8_t)number);
    rfi_conn_send(conn, RFI_BINARY, &message);
}

static inline void note_message(struct node *node, const uint8_t *bytes, size_t size,
                                uint8_t opcode)
{
    node->message_count++;
    node->message_bytes += size;
    node->last_opcode = opcode;
    node->last_size = size;
    if (opcode != RFI_BINARY || size < 12 || rfi_load_u32(bytes) >= 8)
        return;
    uint32_t sender = rfi_load_u32(bytes);
    uint64_t number = rfi_load_u64(bytes + 4);
    if (number != node->next_number[sender]++ || (size > 12 && bytes[size - 1] != (uint8_t)number))
        node->is_out_of_order = true;
}

static inline void on_run(void *user, struct rfi_conn *conn, struct rfi_run *run)
{
    struct node *node = user;
    node_lock(node);
    for (size_t i = 0; i < run->frame_count; i++) {
        const struct rfi_frame_span *span = &run->frames[i];
        cr_assert((size_t)span->offset + span->size <= run->size);
        note_message(node, run->bytes + span->offset, span->size, span->opcode);
        if (node->echoes)
            send_bytes(conn, span->opcode == RFI_TEXT ? RFI_TEXT : RFI_BINARY,
                       run->bytes + span->offset, span->size);
    }
    if (node->holds_runs && node->held_count < HELD_MAX)
        node->held[node->held_count++] = run;
    else
        rfi_run_free(run);
    node_unlock(node);
}

static inline void on_pong(void *user, struct rfi_conn *conn)
{
    struct node *node = user;
    (void)conn;
    node_lock(node);
    node->pong_count++;
    node_unlock(node);
}

static inline void on_drain(void *user, struct rfi_conn *conn)
{
    struct node *node = user;
    (void)conn;
    node_lock(node);
    node->drain_count++;
    node_unlock(node);
}

static inline void on_closed(void *user, struct rfi_conn *conn, rf_err err, const char *reason)
{
    struct node *node = user;
    (void)conn;
    node_lock(node);
    node->closed_count++;
    node->last_err = err;
    (void)snprintf(node->last_reason, sizeof node->last_reason, "%s", reason);
    node_unlock(node);
}

static inline void on_http(void *user, int fd, const struct sockaddr *address,
                           socklen_t address_size)
{
    struct node *node = user;
    node_lock(node);
    cr_assert_eq(address->sa_family, AF_INET);
    cr_assert_eq(address_size, sizeof(struct sockaddr_in));
    node->http_fd = fd;
    node->http_count++;
    node_unlock(node);
}

static inline struct rfi_transport_options small_options(void)
{
    return (struct rfi_transport_options){.io_threads = 2,
                                          .message_bytes_max = 64 << 20,
                                          .handshake_timeout_ms = 20000,
                                          .has_http = true};
}

static inline void node_start(struct node *node, const struct rfi_transport_options *options)
{
    static const struct rfi_transport_ops ops = {.on_open = on_open,
                                                 .on_run = on_run,
                                                 .on_pong = on_pong,
                                                 .on_drain = on_drain,
                                                 .on_closed = on_closed,
                                                 .on_http = on_http};
    (void)pthread_mutex_init(&node->mutex, NULL);
    (void)pthread_cond_init(&node->changed, NULL);
    cr_assert_eq(rfi_transport_new(options, &ops, node, &node->transport), RF_OK);
    cr_assert_eq(rfi_transport_start(node->transport), RF_OK);
    cr_assert_eq(rfi_transport_listen(node->transport, "127.0.0.1", 0, node->address,
                                      sizeof node->address, NULL),
                 RF_OK);
}

static inline void node_free_held(struct node *node)
{
    node_lock(node);
    for (size_t i = 0; i < node->held_count; i++)
        rfi_run_free(node->held[i]);
    node->held_count = 0;
    node->holds_runs = false;
    node_unlock(node);
}

static inline void node_stop(struct node *node)
{
    node_free_held(node);
    rfi_transport_stop(node->transport, 2000);
    node_lock(node);
    cr_assert_leq(node->open_count, node->closed_count);
    for (unsigned i = 0; i < node->open_count; i++)
        rfi_conn_unref(node->conns[i]);
    node_unlock(node);
    cr_assert_eq(rfi_transport_pending_count(node->transport), 0);
    rfi_transport_free(node->transport);
    (void)pthread_cond_destroy(&node->changed);
    (void)pthread_mutex_destroy(&node->mutex);
}

static inline uint16_t node_port(const struct node *node)
{
    return (uint16_t)strtoul(strrchr(node->address, ':') + 1, NULL, 10);
}

static inline struct rfi_conn *dial_port(struct node *from, const char *host, uint16_t port,
                                         enum rfi_wire wire)
{
    struct rfi_endpoint endpoint = {.wire = wire, .port = port, .path = "/"};
    struct rfi_conn *conn = NULL;
    (void)snprintf(endpoint.host, sizeof endpoint.host, "%s", host);
    cr_assert_eq(rfi_transport_dial(from->transport, &endpoint, from, &conn), RF_OK);
    return conn;
}

/* A server and a client with one open connection. */
struct pair {
    struct node server, client;
    struct rfi_conn *conn; /* the client's */
};

static inline void pair_open(struct pair *pair, enum rfi_wire wire,
                             const struct rfi_transport_options *options)
{
    pair->server.approves = pair->client.approves = true;
    node_start(&pair->server, options);
    node_start(&pair->client, options);
    pair->conn = dial_port(&pair->client, "127.0.0.1", node_port(&pair->server), wire);
    WAIT(&pair->client, pair->client.open_count == 1);
    WAIT(&pair->server, pair->server.open_count == 1);
}

static inline void pair_close(struct pair *pair)
{
    rfi_conn_unref(pair->conn);
    node_stop(&pair->client);
    node_stop(&pair->server);
}

#endif
