/* SPDX-License-Identifier: MIT */
/* Two nodes in two processes, for the workloads that cross a network: this process is the client, a child the server.
 *
 * The networks are named "client" and "server". The child is forked before this process has threads, so
 * bench_pair_start may only be called while no node and no network of it lives; the child ends with its parent,
 * with bench_pair_stop, or after BENCH_PROCESS_SECONDS. */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include "bench.h"

#include <sys/types.h>

struct bench_pair_setting {
    const char *key, *value; /* as rf_config_set takes them */
};

struct bench_pair_setup {
    const struct bench_pair_setting *settings; /* of both nodes; NULL: none */
    size_t setting_count;
    /* Register actors, add nodes and connectors; before the node starts. NULL: nothing. `fill_server` runs in the
     * child, which has a copy of this process's memory. */
    void (*fill_server)(struct bench *bench, rf_distributed *node);
    void (*fill_client)(struct bench *bench, rf_distributed *node);
};

struct bench_pair {
    rf_distributed *node; /* the client, started and linked */
    pid_t server;
    int server_fd;      /* the server ends when this is closed */
    char endpoint[336]; /* of the server, for further nodes */
};

/* Start both and link them by bench->options->transport, with workers and poll_us of the options. */
void bench_pair_start(struct bench_pair *pair, struct bench *bench,
                      const struct bench_pair_setup *setup);
/* Stop both and wait for the child. */
void bench_pair_stop(struct bench_pair *pair);

/* A node with these settings over "network_id" and the options; filled and started. */
rf_distributed *bench_pair_node(struct bench *bench, const char *network_id,
                                const struct bench_pair_setup *setup,
                                void (*fill)(struct bench *bench, rf_distributed *node));
/* Link it to "host:port". */
void bench_pair_link(rf_distributed *node, const char *endpoint);

#endif
