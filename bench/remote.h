/* SPDX-License-Identifier: MIT */
/* The workloads between two processes (remote.c, fanin.c). */
#ifndef BENCH_REMOTE_H
#define BENCH_REMOTE_H

#include "bench.h"

void bench_remote_rtt(struct bench *bench);
void bench_remote_stream(struct bench *bench);
void bench_remote_stream_1k(struct bench *bench);
void bench_remote_large(struct bench *bench);
void bench_remote_fanin(struct bench *bench);

#endif
