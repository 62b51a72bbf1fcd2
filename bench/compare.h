/* SPDX-License-Identifier: MIT */
/* `reflow-bench compare`: this node and the peers, interleaved. */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include "options.h"

enum bench_exit bench_compare(const struct bench_cli *cli);

#endif
