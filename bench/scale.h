/* SPDX-License-Identifier: MIT */
/* What a node costs when it is idle (idle.c), mixed (mixed.c) or large (large.c). */
#ifndef BENCH_SCALE_H
#define BENCH_SCALE_H

#include "bench.h"

void bench_idle(struct bench *bench);
void bench_mixed(struct bench *bench);
void bench_slow_consumer(struct bench *bench);
void bench_http_under_load(struct bench *bench);
void bench_remote_scale_links(struct bench *bench);
void bench_graph_1k(struct bench *bench);

#endif
