/* SPDX-License-Identifier: MIT */
/* The log-linear histogram. A value below 64 has a slot of its own; of a larger one the leading bit names the
 * octave and the next 6 bits the slot in it:
 *
 *   value  0 … 63   64 … 127   128 … 255    256 … 511
 *   slots  0 … 63   64 … 127   128 … 191    192 … 255    …
 *   width  1        1          2            4
 *
 * The caller owns the memory; nothing here allocates or reads a clock. */
#include "histogram.h"

#include <math.h>
#include <string.h>

enum { SUB_COUNT = 1 << BENCH_HISTOGRAM_SUB_BITS };

static size_t slot_of(uint64_t value)
{
    if (value < SUB_COUNT)
        return (size_t)value;
    unsigned top = 63U - (unsigned)__builtin_clzll(value);
    unsigned shift = top - BENCH_HISTOGRAM_SUB_BITS;
    return ((size_t)(shift + 1) << BENCH_HISTOGRAM_SUB_BITS) +
           (size_t)((value >> shift) & (SUB_COUNT - 1));
}

/* The largest value of a slot. */
static uint64_t upper_end(size_t slot)
{
    if (slot < SUB_COUNT)
        return slot;
    unsigned shift = (unsigned)(slot >> BENCH_HISTOGRAM_SUB_BITS) - 1;
    uint64_t first = ((uint64_t)(slot & (SUB_COUNT - 1)) | SUB_COUNT) << shift;
    return first + ((UINT64_C(1) << shift) - 1);
}

void bench_histogram_reset(struct bench_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
    histogram->min = UINT64_MAX;
}

void bench_histogram_record(struct bench_histogram *histogram, uint64_t ns)
{
    histogram->slots[slot_of(ns)]++;
    histogram->count++;
    histogram->sum += (double)ns;
    if (ns < histogram->min)
        histogram->min = ns;
    if (ns > histogram->max)
        histogram->max = ns;
}

void bench_histogram_record_corrected(struct bench_histogram *histogram, uint64_t ns,
                                      uint64_t expected_interval_ns)
{
    bench_histogram_record(histogram, ns);
    if (expected_interval_ns == 0)
        return;
    /* In this form a time below one interval ends it at once and nothing overflows. */
    while (ns > expected_interval_ns && ns - expected_interval_ns >= expected_interval_ns) {
        ns -= expected_interval_ns;
        bench_histogram_record(histogram, ns);
    }
}

void bench_histogram_merge(struct bench_histogram *histogram, const struct bench_histogram *other)
{
    for (size_t i = 0; i < BENCH_HISTOGRAM_SLOTS; i++)
        histogram->slots[i] += other->slots[i];
    histogram->count += other->count;
    histogram->sum += other->sum;
    if (other->min < histogram->min)
        histogram->min = other->min;
    if (other->max > histogram->max)
        histogram->max = other->max;
}

uint64_t bench_histogram_percentile(const struct bench_histogram *histogram, double percent)
{
    if (histogram->count == 0)
        return 0;
    if (!(percent > 0))
        return histogram->min;
    if (percent >= 100)
        return histogram->max;
    /* A product that should be whole may come out a last bit above it: that is not one record more. */
    double exact = (double)histogram->count * percent / 100;
    uint64_t wanted = (uint64_t)ceil(exact - exact * 1e-12);
    if (wanted < 1)
        wanted = 1;
    uint64_t seen = 0;
    for (size_t i = 0; i < BENCH_HISTOGRAM_SLOTS; i++) {
        seen += histogram->slots[i];
        if (seen >= wanted) {
            uint64_t value = upper_end(i);
            return value < histogram->max ? value : histogram->max;
        }
    }
    return histogram->max;
}

uint64_t bench_histogram_count(const struct bench_histogram *histogram)
{
    return histogram->count;
}

uint64_t bench_histogram_min(const struct bench_histogram *histogram)
{
    return histogram->count > 0 ? histogram->min : 0;
}

uint64_t bench_histogram_max(const struct bench_histogram *histogram)
{
    return histogram->max;
}

double bench_histogram_mean(const struct bench_histogram *histogram)
{
    return histogram->count > 0 ? histogram->sum / (double)histogram->count : 0;
}
