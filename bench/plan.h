/* SPDX-License-Identifier: MIT */
/* Who does which workload in a comparison, and who is left out of it. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "options.h"
#include "peers.h"
#include "rows.h"

#include <stdio.h>

enum { BENCH_PLAN_WORKLOADS_MAX = 64, BENCH_PLAN_ENTRIES_MAX = 1024, BENCH_WHY_SIZE = 200 };

/* One measurement of each round. */
struct bench_plan_entry {
    const char *workload;        /* by our name for it; of the plan */
    const char *peer;            /* or the row */
    const struct bench_row *row; /* NULL: a peer */
    unsigned failed;             /* measurements */
    char why[BENCH_WHY_SIZE];    /* the last one failed */
};

/* A plan of zeros is empty. It must not move: entries point into it. */
struct bench_plan {
    struct bench_peers peers;
    char workloads[BENCH_PLAN_WORKLOADS_MAX][BENCH_NAME_SIZE];
    size_t workload_count;
    struct bench_plan_entry entries[BENCH_PLAN_ENTRIES_MAX]; /* those of a workload together */
    size_t entry_count;
};

/* Make it from the command line and the lists of peers, which have been read. False, with the reason on
 * stderr, when the command line names what nobody has. */
bool bench_plan_make(struct bench_plan *plan, const struct bench_cli *cli);

/* Name what was chosen and cannot be measured here, one `left out: …` a line. */
void bench_plan_print_left_out(const struct bench_plan *plan, const struct bench_cli *cli,
                               FILE *stream);

#endif
