/* SPDX-License-Identifier: MIT */
/* The crowd (crowd.h). Its sockets block, which is why no frame of ours is larger than what a peer's buffers hold. */
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 128,     /* handshakes under way at a time: within the backlog of the listener */
    FRAME_HEAD = 26, /* length, opcode, and the head of a native frame */
    OPCODE_BINARY = 2,
    RECORD_CREDIT = 0x06,
    RECORD_HEARTBEAT = 0x0a,
    RUN_MESSAGES = 64,
    WINDOW = 4096,     /* flow_credit_messages */
    TURNS_UNHEARD = 16 /* runs that are sent between two looks at what came */
};

static size_t put_frame(uint8_t *out, struct bench_peer *peer, const uint8_t *record, size_t size)
{
    uint32_t length = (uint32_t)(FRAME_HEAD - 4 + size);
    uint64_t seq = peer->sent + 1;
    memset(out, 0, FRAME_HEAD);
    peer->frames++;
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(length >> 8 * i);
        out[6 + i] = (uint8_t)(peer->frames >> 8 * i);
    }
    for (int i = 0; i < 8; i++)
        out[10 + i] = (uint8_t)(seq >> 8 * i);
    out[4] = OPCODE_BINARY;
    out[5] = 1; /* native */
    memcpy(out + FRAME_HEAD, record, size);
    return FRAME_HEAD + size;
}

static void send_all(int fd, const void *data, size_t size)
{
    if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
        bench_die("the node took no bytes");
}

/* Preface, handshake and SETTINGS in one piece. */
static void open_peer(struct bench_peer *peer, uint16_t port, long index)
{
    static const uint8_t settings[] = {2, 8, 0x80, 0x20, 0x80, 0x80, 0x40, 0x80, 0x80, 4};
    uint8_t bytes[1024] = "RFLOW/1\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int size = snprintf((char *)bytes + 13, sizeof bytes - 64,
                        "{\"network_id\":\"idle-%ld\",\"instance_id\":\"idle-%ld-1\","
                        "\"protocol_version\":\"1.0\",\"auth_token\":null,"
                        "\"capabilities\":[\"actor_messaging\",\"reflow.native.1\"],"
                        "\"reflow_native\":{\"version\":1,\"incarnation\":\"%032lx\",\"boot\":1,"
                        "\"cursor\":0,\"cursor_of\":\"%032x\",\"max_message_bytes\":16777216}}",
                        index, index, index + 1, 0);
    for (int i = 0; i < 4; i++)
        bytes[8 + i] = (uint8_t)((uint32_t)(size + 1) >> 8 * i);
    bytes[12] = 1; /* text */
    size_t end = 13 + (size_t)size;
    end += put_frame(bytes + end, peer, settings, sizeof settings);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_die("peer %ld: %s", index, strerror(errno));
    send_all(peer->fd, bytes, end);
}

/* The answer to the handshake. */
static void greet_peer(const struct bench_crowd *crowd, struct bench_peer *peer)
{
    char text[1024];
    ssize_t size = recv(peer->fd, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    if (size < 6 || strncmp(text + 5, "{\"success\":true", 15) != 0)
        bench_die("the node refused a link: %s", size < 6 ? "it closed" : text + 5);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0)
        bench_die("epoll: %s", strerror(errno));
}

void bench_crowd_open(struct bench_crowd *crowd, uint16_t port, long count)
{
    *crowd = (struct bench_crowd){.peers = calloc((size_t)count, sizeof(struct bench_peer)),
                                  .count = count,
                                  .epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (crowd->peers == NULL || crowd->epoll < 0)
        bench_die("no memory for the peers");
    for (long first = 0; first < count; first += BATCH) {
        long end = first + BATCH < count ? first + BATCH : count;
        for (long i = first; i < end; i++)
            open_peer(&crowd->peers[i], port, i);
        for (long i = first; i < end; i++)
            greet_peer(crowd, &crowd->peers[i]);
    }
}

void bench_crowd_close(struct bench_crowd *crowd)
{
    for (long i = 0; i < crowd->count; i++)
        (void)close(crowd->peers[i].fd);
    (void)close(crowd->epoll);
    free(crowd->peers);
}

static uint64_t get_varint(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    bench_die("a varint of the node has no end");
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

static void echo(struct bench_crowd *crowd, struct bench_peer *peer, uint64_t number)
{
    uint8_t record[16] = {RECORD_HEARTBEAT};
    uint8_t out[64];
    size_t size = put_varint(record + 3, number); /* record[2]: no heartbeat of ours */
    record[1] = (uint8_t)(1 + size);
    send_all(peer->fd, out, put_frame(out, peer, record, 3 + size));
    crowd->heartbeats++;
}

/* The records of one native frame; those of a node that sends no messages. */
static void take_frame(struct bench_crowd *crowd, struct bench_peer *peer, const uint8_t *at,
                       const uint8_t *end)
{
    while (at < end) {
        uint8_t type = *at++;
        uint64_t size = get_varint(&at, end);
        const uint8_t *record = at;
        if (size > (uint64_t)(end - at))
            bench_die("a record of the node has no end");
        at += size;
        if (type == RECORD_HEARTBEAT) {
            echo(crowd, peer, get_varint(&record, at));
        } else if (type == RECORD_CREDIT) {
            (void)get_varint(&record, at); /* the flow: there is one */
            peer->consumed = get_varint(&record, at);
        }
    }
}

/* Frames so small come whole. */
static void hear_peer(struct bench_crowd *crowd, struct bench_peer *peer)
{
    uint8_t bytes[65536];
    ssize_t size = recv(peer->fd, bytes, sizeof bytes, 0);
    if (size <= 0)
        bench_die("the node closed a link");
    for (size_t at = 0; at + 5 < (size_t)size;) {
        const uint8_t *frame = bytes + at;
        at += 4 + (frame[0] | (size_t)frame[1] << 8);
        if (at > (size_t)size)
            bench_die("a frame came in pieces");
        if (frame[4] == OPCODE_BINARY)
            take_frame(crowd, peer, frame + FRAME_HEAD, bytes + at);
    }
}

static void hear(struct bench_crowd *crowd, int timeout_ms)
{
    struct epoll_event events[256];
    int count = epoll_wait(crowd->epoll, events, 256, timeout_ms);
    for (int i = 0; i < count; i++)
        hear_peer(crowd, events[i].data.ptr);
}

/* Let the peers be peers for so long. */
void bench_crowd_idle(struct bench_crowd *crowd, unsigned ms)
{
    uint64_t until = bench_now_ns() + (uint64_t)ms * 1000000;
    for (uint64_t now = 0; (now = bench_now_ns()) < until;)
        hear(crowd, (int)((until - now) / 1000000) + 1);
}

/* One frame of RUN_MESSAGES messages to the actor sink; the first one opens the flow. */
static void send_run(struct bench_peer *peer)
{
    static const uint8_t open[] = {3, 11, 0, 1, 0, 4, 's', 'i', 'n', 'k', 2, 'i', 'n'};
    uint8_t records[sizeof open + 8 + (size_t)RUN_MESSAGES * (1 + BENCH_SMALL_BYTES)];
    uint8_t out[sizeof records + FRAME_HEAD];
    size_t size = 0;
    if (peer->sent == 0) {
        memcpy(records, open, sizeof open);
        size = sizeof open;
    }
    const uint8_t head[] = {1 /* run */, 0 /* flow */, 8 /* Bytes */, 0, RUN_MESSAGES, 0};
    memcpy(records + size, head, sizeof head);
    size += sizeof head;
    for (int i = 0; i < RUN_MESSAGES; i++) {
        records[size++] = BENCH_SMALL_BYTES;
        memset(records + size, 'x', BENCH_SMALL_BYTES);
        size += BENCH_SMALL_BYTES;
    }
    size = put_frame(out, peer, records, size);
    peer->sent += RUN_MESSAGES;
    send_all(peer->fd, out, size);
}

long bench_crowd_send(struct bench_crowd *crowd, long runs)
{
    long sent = 0;
    for (long turn = 0; sent < runs; turn++) {
        struct bench_peer *peer = &crowd->peers[turn % crowd->count];
        while (peer->sent + RUN_MESSAGES - peer->consumed > WINDOW)
            hear(crowd, -1);
        send_run(peer);
        sent++;
        if (turn % TURNS_UNHEARD == 0)
            hear(crowd, 0);
    }
    for (long i = 0; i < crowd->count; i++)
        while (crowd->peers[i].consumed < crowd->peers[i].sent)
            hear(crowd, -1);
    return sent * RUN_MESSAGES;
}
