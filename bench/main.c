/* SPDX-License-Identifier: MIT */
/* reflow-bench: measures a node on the work that bench/peers/ measures others on. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_line(void *user, const char *workload, double value, const char *unit)
{
    printf(value < 1000 ? "%s %s %.2f %s\n" : "%s %s %.0f %s\n", (const char *)user, workload,
           value, unit);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bench_options options = {
        .peer = "reflow", .transport = "tcp", .scale = 100, .warmup_ms = 500, .measure_ms = 1000};
    struct bench bench = {.options = &options, .on_result = print_line, .user = "reflow"};
    const char *scale = getenv("BENCH_SCALE");
    if (scale != NULL)
        options.scale = (unsigned)strtoul(scale, NULL, 10);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc) {
            options.workers = (unsigned)strtoul(argv[++i], NULL, 10);
            continue;
        }
        if (strcmp(argv[i], "--poll-us") == 0 && i + 1 < argc) {
            options.poll_us = (unsigned)strtoul(argv[++i], NULL, 10);
            continue;
        }
        if (strcmp(argv[i], "--transport") == 0 && i + 1 < argc) {
            options.transport = argv[++i];
            continue;
        }
        for (size_t k = 0; k < bench_workload_count; k++)
            if (strcmp(argv[i], bench_workloads[k].name) == 0)
                bench_workloads[k].run(&bench);
    }
    return 0;
}
