/* SPDX-License-Identifier: MIT */
/* Results as a picture: bars for each workload, ours beside the peers, on a logarithmic scale. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "samples.h"

/* Write an SVG. False, with the reason on stderr, if that fails. */
bool bench_plot_write(const char *path, const struct bench_samples *samples);

#endif
