/* SPDX-License-Identifier: MIT */
/* The workloads of the Rust wire (json.c). */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "bench.h"

void bench_json_stream(struct bench *bench);
void bench_json_stream_1k(struct bench *bench);
void bench_json_large(struct bench *bench);
void bench_json_rtt(struct bench *bench);

#endif
