/* SPDX-License-Identifier: MIT */
/* The workloads inside one process (local.c). */
#ifndef BENCH_LOCAL_H
#define BENCH_LOCAL_H

#include "bench.h"

void bench_local_pingpong(struct bench *bench);
void bench_local_stream(struct bench *bench);
void bench_local_pipeline(struct bench *bench);
void bench_local_fanin(struct bench *bench);
void bench_local_ring(struct bench *bench);
/* How it grows. local_scale_actors_N: ns a hop of a token in a ring of 10 out of N living actors that all have
 * received a message before. local_scale_actors_all_N: the same with the token going through all of them.
 * local_scale_names_N: ns of rf_network_send to names in turn, until it was received, among N.
 * local_scale_workers_N: hop-msgs/s of 8 pipelines of a source and 8 stages on N workers. */
void bench_scale_actors(struct bench *bench);
void bench_scale_names(struct bench *bench);
void bench_scale_workers(struct bench *bench);
void bench_spawn(struct bench *bench);

#endif
