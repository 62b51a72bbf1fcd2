/* SPDX-License-Identifier: MIT */
/* reflow-bench: measures a node on the work that bench/peers/ measures others on. This file finds what the
 * command line asks for; run.c and compare.c do it. */
#include "compare.h"
#include "options.h"
#include "run.h"

static void print_list(void)
{
    for (size_t i = 0; i < bench_workload_count; i++)
        printf("%-18s %s\n", bench_workloads[i].name, bench_workloads[i].summary);
}

int main(int argc, char **argv)
{
    struct bench_cli cli;
    if (!bench_options_read(&cli, argc, argv))
        return BENCH_USAGE;
    switch (cli.command) {
    case BENCH_COMMAND_HELP:
        bench_options_print_usage(stdout);
        return BENCH_OK;
    case BENCH_COMMAND_VERSION:
        printf("reflow-bench %s\n", rf_version());
        return BENCH_OK;
    case BENCH_COMMAND_LIST:
        print_list();
        return BENCH_OK;
    case BENCH_COMMAND_RUN:
        return (int)bench_run(&cli);
    case BENCH_COMMAND_COMPARE:
        return (int)bench_compare(&cli);
    }
    return BENCH_USAGE;
}
