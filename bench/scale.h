/* SPDX-License-Identifier: MIT */
/* What a node costs when it is idle (idle.c), mixed (mixed.c) or large (large.c). */
#ifndef BENCH_SCALE_H
#define BENCH_SCALE_H

#include "bench.h"

void bench_idle(struct bench *bench);

#endif
