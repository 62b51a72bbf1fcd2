/* SPDX-License-Identifier: MIT */
/* Nodes in one process for the tests of the bridge: a real local network and a real bridge on a free loopback port,
 * components that record what they get, and a relay that cuts connections the hard way. */
#ifndef IT_NODE_H
#define IT_NODE_H

#include "config.h"
#include "net/bridge.h"
#include <pthread.h>

enum { IT_DEADLINE_MS = 20000 };

/* ---- what arrived: one for each sink actor ---- */

struct it_log {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int64_t *values; /* of integer messages, in the order of arrival */
    size_t count, capacity;
    bool is_shut; /* the sink's callback waits while this is true */
    uint64_t bytes;
};

void it_log_init(struct it_log *log);
void it_log_fini(struct it_log *log);
/* Wait until at least `count` messages came; false: not before the deadline. */
bool it_log_wait(struct it_log *log, size_t count);
size_t it_log_count(struct it_log *log);
void it_log_shut(struct it_log *log, bool is_shut);
/* Are the values first, first + 1, … without a hole or a repetition? */
bool it_log_is_sequence(struct it_log *log, int64_t first, size_t count);

/* ---- nodes ---- */

struct it_node {
    rf_config config;
    char id[64], connect[96];
    char *connects[1];
    rf_network *net;
    struct rfi_bridge *bridge;
    rf_component sink, plus, source, silent; /* `user` of the sink: `log` */
    struct it_log log;
    char known_endpoint[96]; /* what discovery answers for any network; empty: nothing */
    uint16_t port;
};

/* Fill in `node->config` (change it before the start). */
void it_node_init(struct it_node *node, const char *id);
/* Make network and bridge, register the components sink, plus, source and silent, start. */
void it_node_start(struct it_node *node);
void it_node_make(struct it_node *node); /* the first half: nothing runs yet */
void it_node_run(struct it_node *node);
void it_node_stop(struct it_node *node); /* and free; the log stays */
void it_node_fini(struct it_node *node);
void it_add(struct it_node *node, const char *id, const char *component);
void it_wire(struct it_node *node, const char *from, const char *from_port, const char *to,
             const char *to_port);
void it_connect(struct it_node *from, const struct it_node *to, const char *scheme);
bool it_wait_link(struct it_node *node, const char *network, bool is_up);
/* rfi_bridge_send of one integer, waiting while the outlet is full. */
void it_send(struct it_node *node, const char *network, const char *actor, int64_t value);
/* Tell a source actor to emit 0 … count - 1. */
void it_go(struct it_node *node, const char *actor, int64_t count);
/* The text of the status object; free() it. */
char *it_status(struct it_node *node);
uint64_t it_deadline_ns(void);
bool it_is_over(uint64_t deadline_ns); /* gives up the processor */

/* ---- a relay: listens, and carries bytes to another port, until it is cut ---- */

struct it_relay {
    int listener;
    uint16_t port, target;
    pthread_t thread;
    _Atomic(bool) is_over;
    _Atomic(uint64_t) cut_asked, cut_done;
    _Atomic(uint64_t) carried_bytes, connections;
    _Atomic(bool) is_stall_asked, is_stalled; /* carries nothing, closes nothing */
};

void it_relay_start(struct it_relay *relay, uint16_t target);
/* Reset all connections that it carries, with whatever is in them. */
void it_relay_cut(struct it_relay *relay);
void it_relay_stall(struct it_relay *relay, bool is_stalled);
void it_relay_stop(struct it_relay *relay);

#endif
