/* SPDX-License-Identifier: MIT */
/* The results of a run as they come: lines, a table on a terminal, JSON or CSV; and the progress line. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "samples.h"

enum bench_format { BENCH_LINES, BENCH_TABLE, BENCH_JSON, BENCH_CSV };

/* What stdout is to get: a table where nobody asked for another form and somebody looks. */
enum bench_format bench_report_format(bool is_json, bool is_csv);

void bench_report_begin(enum bench_format format);
/* `index` counts from 0. */
void bench_report_sample(enum bench_format format, size_t index, const struct bench_sample *sample);
void bench_report_end(enum bench_format format, size_t count);

enum { BENCH_HUMAN_SIZE = 24 };

/* A number as people read it: 12.3, 4567, 12.3k, 45.67M. */
void bench_human(char text[BENCH_HUMAN_SIZE], double value);

/* The line that says what is being done, on stderr if that is a terminal: the first function shows it, for as
 * long as the work takes, the second one takes it away before something else is printed. */
void bench_progress_show(size_t done, size_t count, const char *what, double seconds);
void bench_progress_clear(void);

#endif
