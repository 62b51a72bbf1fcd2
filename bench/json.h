/* SPDX-License-Identifier: MIT */
/* The workloads of the Rust wire (json.c). */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "bench.h"

void bench_json_stream(struct bench *bench);
void bench_json_stream_1k(struct bench *bench);
void bench_json_large(struct bench *bench);
void bench_json_rtt(struct bench *bench);
/* With a node of the Rust Reflow: BENCH_REFLOW_RUST in the environment names the program. */
void bench_json_to_rust(struct bench *bench);
void bench_json_from_rust(struct bench *bench);

#endif
