/* SPDX-License-Identifier: MIT */
/* Clock, rounds, gates: what every workload needs and none is about. */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MIN = 3, ROUNDS_MAX = 1000 };

uint64_t bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* a clock that always exists */
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

size_t bench_rss_of(pid_t pid)
{
    char path[64];
    char line[128] = "";
    (void)snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        bench_die("cannot read %s", path);
    (void)fclose(file);
    long resident = strtol(line + strcspn(line, " "), NULL, 10); /* the second number */
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

size_t bench_rss_bytes(void)
{
    return bench_rss_of(getpid());
}

void bench_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("reflow-bench: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(1);
}

void bench_check(rf_err err, const char *what)
{
    if (err != RF_OK)
        bench_die("%s: %s", what, rf_err_text(err));
}

void bench_result(struct bench *bench, const char *workload, double value, const char *unit)
{
    if (bench->options->rate > 0 && !bench->has_open_loop)
        bench_die("%s has no open loop: leave --rate out", workload);
    bench->on_result(bench->user, workload, value, unit);
}

unsigned bench_rate(struct bench *bench)
{
    bench->has_open_loop = true;
    return bench->options->rate;
}

long bench_scaled(const struct bench *bench, long count)
{
    long scaled = count / 100 * (long)bench->options->scale + /* in two parts: no overflow */
                  count % 100 * (long)bench->options->scale / 100;
    return scaled < 1 ? 1 : scaled;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_median_ns(struct bench *bench, uint64_t (*round)(void *arg), void *arg)
{
    static double times[ROUNDS_MAX];
    size_t count = 0;
    uint64_t start = bench_now_ns();
    do
        (void)round(arg);
    while (bench_now_ns() - start < (uint64_t)bench->options->warmup_ms * 1000000);
    start = bench_now_ns();
    do
        times[count++] = (double)round(arg);
    while (count < ROUNDS_MAX &&
           (count < ROUNDS_MIN ||
            bench_now_ns() - start < (uint64_t)bench->options->measure_ms * 1000000));
    qsort(times, count, sizeof times[0], by_value);
    return (times[(count - 1) / 2] + times[count / 2]) / 2;
}

void bench_gate_open(struct bench_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->count++;
    (void)pthread_cond_signal(&gate->opened);
    (void)pthread_mutex_unlock(&gate->mutex);
}

void bench_gate_wait(struct bench_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    while (gate->count == 0)
        (void)pthread_cond_wait(&gate->opened, &gate->mutex);
    gate->count--;
    (void)pthread_mutex_unlock(&gate->mutex);
}
