/* SPDX-License-Identifier: MIT */
/* A comparison as people and programs read it. */
#ifndef BENCH_COMPARISON_H
#define BENCH_COMPARISON_H

#include "report.h"
#include "samples.h"

/* Print groups with the ratios of ours: BENCH_JSON, BENCH_CSV, else a table in Markdown. */
void bench_comparison_print(enum bench_format format, const struct bench_group *groups,
                            size_t count);

#endif
