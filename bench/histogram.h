/* SPDX-License-Identifier: MIT */
/* A log-linear histogram of times: 64 slots for each power of two, so that a slot is never wider than 1/64
 * of the values in it. Its memory is fixed, one record is a few instructions, and two can be merged.
 * Percentiles are never flattered: they are the upper end of the slot, and at most the largest value seen.
 *
 * Whoever declares it owns it; one thread at a time. It knows nothing of clocks. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_HISTOGRAM_SUB_BITS = 6, /* 64 slots an octave */
    BENCH_HISTOGRAM_SLOTS = (64 - BENCH_HISTOGRAM_SUB_BITS + 1) << BENCH_HISTOGRAM_SUB_BITS
};

struct bench_histogram {
    uint64_t count;
    uint64_t min; /* UINT64_MAX as long as nothing was recorded */
    uint64_t max;
    double sum;
    uint64_t slots[BENCH_HISTOGRAM_SLOTS];
};

/* Forget everything; also how a new one begins. */
void bench_histogram_reset(struct bench_histogram *histogram);

void bench_histogram_record(struct bench_histogram *histogram, uint64_t ns);

/* For a closed loop that should have sent every `expected_interval_ns`: a time of n intervals kept n - 1
 * others from being sent, which would have waited one interval less each. They are recorded too. An
 * interval of 0 corrects nothing. Where sends are planned (pace.h) nothing is to be corrected. */
void bench_histogram_record_corrected(struct bench_histogram *histogram, uint64_t ns,
                                      uint64_t expected_interval_ns);

/* Add what is in `other`. */
void bench_histogram_merge(struct bench_histogram *histogram, const struct bench_histogram *other);

/* The value that `percent` of the records do not exceed; 0 of an empty one. 0 gives the smallest, 100 the
 * largest; what is outside counts as the nearer of both. */
uint64_t bench_histogram_percentile(const struct bench_histogram *histogram, double percent);

uint64_t bench_histogram_count(const struct bench_histogram *histogram);
uint64_t bench_histogram_min(const struct bench_histogram *histogram); /* 0 of an empty one */
uint64_t bench_histogram_max(const struct bench_histogram *histogram); /* 0 of an empty one */
double bench_histogram_mean(const struct bench_histogram *histogram);  /* 0 of an empty one */

#endif
