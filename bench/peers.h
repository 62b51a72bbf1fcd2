/* SPDX-License-Identifier: MIT */
/* The peers' programs, through the script `run` of their folder. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "samples.h"

enum { BENCH_PEERS_MAX = 64, BENCH_PEER_TEXT_SIZE = 256 };

struct bench_peer {
    char name[BENCH_NAME_SIZE];
    char text
        [BENCH_PEER_TEXT_SIZE]; /* its workloads, with a blank between them; of a missing one: why */
};

/* A list of zeros is empty. */
struct bench_peer_list {
    struct bench_peer peers[BENCH_PEERS_MAX];
    size_t count;
};

struct bench_peers {
    const char *path; /* of the folder; borrowed */
    struct bench_peer_list present;
    struct bench_peer_list missing; /* this machine does not have them */
};

/* Ask `run list` and `run missing` of the folder. False, with the reason on stderr, if that fails. */
bool bench_peers_read(struct bench_peers *peers, const char *path);

/* The peer of this name; NULL: it is not in the list. */
const struct bench_peer *bench_peer_find(const struct bench_peer_list *list, const char *name);

/* For a child process: become the measurement. Ends the process if that cannot be. */
_Noreturn void bench_peers_exec(const char *path, const char *peer, const char *workload,
                                unsigned scale, unsigned limit_s);

#endif
