/* SPDX-License-Identifier: MIT */
/* Samples and what is worked out of them. Pure but for memory, which bench_samples owns. */
#include "samples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_samples_fini(struct bench_samples *samples)
{
    free(samples->all);
    *samples = (struct bench_samples){0};
}

bool bench_samples_add(struct bench_samples *samples, const struct bench_sample *sample)
{
    if (samples->count == samples->capacity) {
        size_t capacity = samples->capacity > 0 ? samples->capacity * 2 : 64;
        struct bench_sample *grown = realloc(samples->all, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        samples->all = grown;
        samples->capacity = capacity;
    }
    samples->all[samples->count++] = *sample;
    return true;
}

/* Names and units go into JSON, CSV, tables and SVG as they are. */
static bool is_harmless(const char *text)
{
    return text[strcspn(text, "\"\\,|<>&'")] == '\0';
}

bool bench_sample_parse(const char *line, struct bench_sample *out_sample)
{
    struct bench_sample sample = {.others_percent = 0};
    char value[BENCH_NAME_SIZE];
    char others[BENCH_NAME_SIZE] = "0";
    char rest[2];
    int count = sscanf(line, "%47s %47s %47s %47s %47s %1s", sample.peer, sample.workload, value,
                       sample.unit, others, rest);
    char *value_end = NULL;
    char *others_end = NULL;
    if (count != 4 && count != 5)
        return false;
    sample.value = strtod(value, &value_end);
    sample.others_percent = strtod(others, &others_end);
    if (*value_end != '\0' || *others_end != '\0' || !isfinite(sample.value) ||
        !isfinite(sample.others_percent) || !is_harmless(sample.peer) ||
        !is_harmless(sample.workload) || !is_harmless(sample.unit))
        return false;
    *out_sample = sample;
    return true;
}

static bool is_same_group(const struct bench_group *group, const struct bench_sample *sample)
{
    return strcmp(group->workload, sample->workload) == 0 &&
           strcmp(group->peer, sample->peer) == 0 && strcmp(group->unit, sample->unit) == 0;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Fill a group whose names are set; `values` has room for all samples. */
static void work_out(struct bench_group *group, const struct bench_samples *samples, double *values)
{
    double others = 0;
    for (size_t i = 0; i < samples->count; i++) {
        const struct bench_sample *sample = &samples->all[i];
        if (!is_same_group(group, sample))
            continue;
        values[group->count++] = sample->value;
        others += sample->others_percent;
        if (sample->others_percent > group->others_percent_max)
            group->others_percent_max = sample->others_percent;
    }
    size_t count = group->count;
    qsort(values, count, sizeof values[0], by_value);
    group->median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    group->min = values[0];
    group->max = values[count - 1];
    group->others_percent = others / (double)count;
}

static bool has_group(const struct bench_group *groups, size_t count,
                      const struct bench_sample *sample)
{
    for (size_t i = 0; i < count; i++)
        if (is_same_group(&groups[i], sample))
            return true;
    return false;
}

struct bench_group *bench_samples_group(const struct bench_samples *samples, size_t *out_count)
{
    size_t count = 0;
    if (samples->count == 0)
        return NULL;
    struct bench_group *groups = calloc(samples->count, sizeof *groups);
    double *values = calloc(samples->count, sizeof *values);
    if (groups == NULL || values == NULL) {
        free(groups);
        free(values);
        return NULL;
    }
    for (size_t i = 0; i < samples->count; i++) {
        if (has_group(groups, count, &samples->all[i]))
            continue;
        /* A new workload: all of its groups now, so that they stand together. */
        for (size_t k = i; k < samples->count; k++) {
            const struct bench_sample *sample = &samples->all[k];
            if (strcmp(sample->workload, samples->all[i].workload) != 0 ||
                has_group(groups, count, sample))
                continue;
            groups[count] = (struct bench_group){
                .workload = sample->workload, .peer = sample->peer, .unit = sample->unit};
            work_out(&groups[count++], samples, values);
        }
    }
    free(values);
    *out_count = count;
    return groups;
}

enum bench_better bench_unit_better(const char *unit)
{
    static const char *const lower[] = {"ns", "us", "ms", "s", "bytes", "KiB", "MiB", "KB", "MB"};
    size_t size = strlen(unit);
    if (size > 2 && strcmp(unit + size - 2, "/s") == 0)
        return BENCH_BETTER_HIGHER;
    /* What stands before the slash counts: bytes/actor, ns/message. */
    size_t head = strcspn(unit, "/");
    for (size_t i = 0; i < sizeof lower / sizeof lower[0]; i++)
        if (strlen(lower[i]) == head && memcmp(unit, lower[i], head) == 0)
            return BENCH_BETTER_LOWER;
    return BENCH_BETTER_UNKNOWN;
}

double bench_ratio(const char *unit, double ours, double theirs)
{
    enum bench_better better = bench_unit_better(unit);
    if (better == BENCH_BETTER_UNKNOWN || !(ours > 0) || !(theirs > 0))
        return 0;
    return better == BENCH_BETTER_HIGHER ? ours / theirs : theirs / ours;
}
