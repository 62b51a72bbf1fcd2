/* SPDX-License-Identifier: MIT */
/* How results look. Names and units have been read as single words of harmless letters (samples.c,
 * options.c), so JSON and CSV need no quoting beyond the quotes. Owns nothing but whether the progress
 * line stands. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static bool is_progress_shown;

enum bench_format bench_report_format(bool is_json, bool is_csv)
{
    if (is_json)
        return BENCH_JSON;
    if (is_csv)
        return BENCH_CSV;
    return isatty(STDOUT_FILENO) ? BENCH_TABLE : BENCH_LINES;
}

void bench_report_begin(enum bench_format format)
{
    if (format == BENCH_TABLE)
        printf("%-24s %12s  %s\n", "workload", "result", "unit");
    if (format == BENCH_CSV)
        puts("peer,workload,value,unit");
    if (format == BENCH_JSON)
        fputs("[", stdout);
}

void bench_report_sample(enum bench_format format, size_t index, const struct bench_sample *sample)
{
    char text[BENCH_HUMAN_SIZE];
    switch (format) {
    case BENCH_LINES:
        printf(sample->value < 1000 ? "%s %s %.2f %s\n" : "%s %s %.0f %s\n", sample->peer,
               sample->workload, sample->value, sample->unit);
        break;
    case BENCH_TABLE:
        bench_human(text, sample->value);
        printf("%-24s %12s  %s\n", sample->workload, text, sample->unit);
        break;
    case BENCH_JSON:
        printf("%s\n  {\"peer\": \"%s\", \"workload\": \"%s\", \"value\": %.10g, \"unit\": \"%s\"}",
               index > 0 ? "," : "", sample->peer, sample->workload, sample->value, sample->unit);
        break;
    case BENCH_CSV:
        printf("%s,%s,%.10g,%s\n", sample->peer, sample->workload, sample->value, sample->unit);
        break;
    }
    (void)fflush(stdout);
}

void bench_report_end(enum bench_format format, size_t count)
{
    if (format == BENCH_JSON)
        puts(count > 0 ? "\n]" : "]");
}

void bench_human(char text[BENCH_HUMAN_SIZE], double value)
{
    double size = fabs(value);
    if (size >= 1e6)
        (void)snprintf(text, BENCH_HUMAN_SIZE, "%.2fM", value / 1e6);
    else if (size >= 1e4)
        (void)snprintf(text, BENCH_HUMAN_SIZE, "%.1fk", value / 1e3);
    else
        (void)snprintf(text, BENCH_HUMAN_SIZE, "%.*f", size >= 100 ? 0 : size >= 10 ? 1 : 2, value);
}

void bench_progress_show(size_t done, size_t count, const char *what, double seconds)
{
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[K[%zu/%zu] %s  %.0f s", done + 1, count, what, seconds);
    (void)fflush(stderr);
    is_progress_shown = true;
}

void bench_progress_clear(void)
{
    if (!is_progress_shown)
        return;
    fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    is_progress_shown = false;
}
