/* SPDX-License-Identifier: MIT */
/* The command line of reflow-bench: one table of options, read into one struct. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "bench.h"

#include <stdio.h>

enum bench_exit { BENCH_OK = 0, BENCH_FAILED = 1, BENCH_USAGE = 2, BENCH_INTERRUPTED = 130 };

enum bench_command {
    BENCH_COMMAND_RUN,
    BENCH_COMMAND_COMPARE,
    BENCH_COMMAND_HELP,
    BENCH_COMMAND_VERSION,
    BENCH_COMMAND_LIST
};

/* Texts are borrowed from argv. */
struct bench_cli {
    enum bench_command command;
    struct bench_options options;
    const char *const *words; /* the workloads to run, borrowed from argv */
    size_t word_count;
    bool is_summary; /* no workload was named: less of all */
    bool is_json;
    bool is_csv;
    unsigned timeout_s; /* of one measurement */
    const char *plot;   /* file for an SVG, or NULL */

    /* compare */
    unsigned rounds;
    const char *peers;      /* A,B,…; NULL: all */
    const char *rows;       /* rows of ours; NULL: all */
    const char *workloads;  /* NULL: all that a peer has too */
    const char *peers_path; /* the folder with `run` */
    const char *samples;    /* file to add samples to, or NULL */
};

/* Read the command line and BENCH_SCALE, BENCH_PEERS of the environment. False when it is wrong, which is
 * then on stderr. It moves the words that are no options to the front of argv. */
bool bench_options_read(struct bench_cli *cli, int argc, char **argv);

void bench_options_print_usage(FILE *stream);

/* Print what is wrong with the command line, and where to read on. */
void bench_usage_error(const char *format, ...) RF_PRINTF(1, 2);

#endif
