/* SPDX-License-Identifier: MIT */
/* Results of many measurements, by workload and peer: medians, spread, and who is better by how much. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

enum { BENCH_NAME_SIZE = 48 };

struct bench_sample {
    char workload[BENCH_NAME_SIZE];
    char peer[BENCH_NAME_SIZE];
    char unit[BENCH_NAME_SIZE];
    double value;
    double others_percent;
};

/* All samples of one peer in one workload. */
struct bench_group {
    const char *workload; /* these three live as long as the samples do */
    const char *peer;
    const char *unit;
    size_t count;
    double median, min, max;
    double others_percent;     /* mean */
    double others_percent_max; /* of one sample */
};

struct bench_samples {
    struct bench_sample *all; /* owned */
    size_t count, capacity;
};

/* A struct of zeros is empty. */
void bench_samples_fini(struct bench_samples *samples);

/* Keep one more. False without memory. */
bool bench_samples_add(struct bench_samples *samples, const struct bench_sample *sample);

/* Read `peer workload value unit [others]`. False if the line has not that form. */
bool bench_sample_parse(const char *line, struct bench_sample *out_sample);

/* Groups in the order in which their first sample came, those of a workload together. Returns owned, to be
 * freed with free(); NULL without memory or samples. */
struct bench_group *bench_samples_group(const struct bench_samples *samples, size_t *out_count);

enum bench_better { BENCH_BETTER_UNKNOWN, BENCH_BETTER_HIGHER, BENCH_BETTER_LOWER };

/* Which way a unit is better: rates are when they are higher, times and memory when they are lower. */
enum bench_better bench_unit_better(const char *unit);

/* How many times better `ours` is than `theirs`: above 1 when it is, whichever way the unit goes. 0 where that
 * cannot be said. */
double bench_ratio(const char *unit, double ours, double theirs);

#endif
