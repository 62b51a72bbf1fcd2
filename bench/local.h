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
void bench_spawn(struct bench *bench);

#endif
