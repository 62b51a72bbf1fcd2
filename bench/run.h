/* SPDX-License-Identifier: MIT */
/* Workloads of this program, one after the other, each in a process of its own. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "options.h"

/* Run the workloads that the command line names, or a summary of all, and print their results. */
enum bench_exit bench_run(const struct bench_cli *cli);

/* The workload of this name; NULL: there is none. */
const struct bench_workload *bench_workload_find(const char *name);
/* For the other words: the one that may have been meant, or NULL. */
const char *bench_workload_nearest(const char *name);

/* Does this library have the delivery level? At best effort, `reliable` is what it always has. */
bool bench_has_delivery(const char *level);

#endif
