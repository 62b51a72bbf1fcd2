/* SPDX-License-Identifier: MIT */
/* Many peers of a node in one thread: raw sockets that speak as much of the native wire as the workloads need (handshake,
 * SETTINGS, an echo for each heartbeat, one flow to the actor `sink`, credit). They cost next to nothing, so that what is
 * measured is the node. Their networks are named idle-0, idle-1 …. */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "bench.h"

struct bench_peer {
    int fd;
    uint32_t frames;         /* sent */
    uint64_t sent, consumed; /* messages */
};

struct bench_crowd {
    struct bench_peer *peers;
    long count;
    int epoll;
    unsigned long heartbeats; /* echoed */
};

/* Link `count` peers to the node on that port of the loopback. */
void bench_crowd_open(struct bench_crowd *crowd, uint16_t port, long count);
void bench_crowd_close(struct bench_crowd *crowd);
/* Echo heartbeats for so long. */
void bench_crowd_idle(struct bench_crowd *crowd, unsigned ms);
/* Send so many runs of 64 messages of 64 bytes, the peers in turn, and wait until the actor has consumed all. How many
 * messages they were. */
long bench_crowd_send(struct bench_crowd *crowd, long runs);

#endif
