/* SPDX-License-Identifier: MIT */
/* Medians with their spread, and how ours stand to the best peer and to the limit. A ratio is above 1 where ours
 * are better. Borrows the groups; owns nothing. */
#include "comparison.h"
#include "child.h"
#include "rows.h"

#include <stdio.h>
#include <string.h>

enum { COLUMN_COUNT = 10, CELL_SIZE = 80 };

/* What a row of ours is measured against; NULL: nobody, and then its ratio is 0. */
struct verdict {
    const struct bench_group *rival;
    const struct bench_group *limit;
    double to_rival;
    double to_limit;
};

static struct verdict judge(const struct bench_group *group, const struct bench_group *groups,
                            size_t count)
{
    struct verdict verdict = {.rival = bench_best_rival(group, groups, count),
                              .limit = bench_best_limit(group, groups, count)};
    if (verdict.rival != NULL)
        verdict.to_rival = bench_ratio(group->unit, group->median, verdict.rival->median);
    if (verdict.limit != NULL)
        verdict.to_limit = bench_ratio(group->unit, group->median, verdict.limit->median);
    return verdict;
}

/* ---- Markdown that is aligned for terminals too ---- */

static void write_ratio(char *cell, double ratio, const struct bench_group *other)
{
    if (other != NULL && ratio > 0)
        (void)snprintf(cell, CELL_SIZE, "%.2f (%s)", ratio, other->peer);
}

static void write_row(char cells[COLUMN_COUNT][CELL_SIZE], const struct bench_group *group,
                      const struct verdict *verdict)
{
    enum bench_kind kind = bench_kind_of(group->peer, group->workload);
    bool is_noted = kind == BENCH_LIMIT || kind == BENCH_SHARED_MEMORY;
    memset(cells, 0, (size_t)COLUMN_COUNT * CELL_SIZE);
    (void)snprintf(cells[0], CELL_SIZE, "%s", group->workload);
    (void)snprintf(cells[1], CELL_SIZE, is_noted ? "%s (%s)" : "%s%s", group->peer,
                   is_noted ? bench_kind_name(kind) : "");
    bench_human(cells[2], group->median);
    bench_human(cells[3], group->min);
    bench_human(cells[4], group->max);
    (void)snprintf(cells[5], CELL_SIZE, "%s", group->unit);
    (void)snprintf(cells[6], CELL_SIZE, "%zu", group->count);
    (void)snprintf(cells[7], CELL_SIZE, "%.0f%s", group->others_percent,
                   group->others_percent_max > BENCH_OTHERS_PERCENT_MAX ? "!" : "");
    write_ratio(cells[8], verdict->to_rival, verdict->rival);
    write_ratio(cells[9], verdict->to_limit, verdict->limit);
}

static const char *const titles[COLUMN_COUNT] = {"workload",     "peer",  "median",  "min",
                                                 "max",          "unit",  "samples", "others %",
                                                 "to best peer", "to raw"};

static bool is_number_column(int column)
{
    return (column >= 2 && column <= 4) || column == 6 || column == 7;
}

static void print_cells(char cells[COLUMN_COUNT][CELL_SIZE], const int *widths)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        printf(is_number_column(i) ? "| %*s " : "| %-*s ", widths[i], cells[i]);
    puts("|");
}

static void print_rule(const int *widths)
{
    static const char dashes[CELL_SIZE] = "------------------------------------------"
                                          "------------------------------------";
    for (int i = 0; i < COLUMN_COUNT; i++)
        printf(is_number_column(i) ? "|%.*s:" : "|%.*s-", widths[i] + 1, dashes);
    puts("|");
}

static void print_table(const struct bench_group *groups, size_t count)
{
    char cells[COLUMN_COUNT][CELL_SIZE];
    int widths[COLUMN_COUNT];
    for (int i = 0; i < COLUMN_COUNT; i++)
        widths[i] = (int)strlen(titles[i]);
    for (size_t k = 0; k < count; k++) {
        struct verdict verdict = judge(&groups[k], groups, count);
        write_row(cells, &groups[k], &verdict);
        for (int i = 0; i < COLUMN_COUNT; i++)
            if ((int)strlen(cells[i]) > widths[i])
                widths[i] = (int)strlen(cells[i]);
    }
    for (int i = 0; i < COLUMN_COUNT; i++)
        (void)snprintf(cells[i], CELL_SIZE, "%s", titles[i]);
    print_cells(cells, widths);
    print_rule(widths);
    for (size_t k = 0; k < count; k++) {
        struct verdict verdict = judge(&groups[k], groups, count);
        write_row(cells, &groups[k], &verdict);
        print_cells(cells, widths);
    }
}

/* ---- for programs ---- */

static void print_json_ratio(const char *name, double ratio, const char *who_name,
                             const struct bench_group *who)
{
    if (who != NULL && ratio > 0)
        printf(", \"%s\": %.6g, \"%s\": \"%s\"", name, ratio, who_name, who->peer);
    else
        printf(", \"%s\": null, \"%s\": null", name, who_name);
}

static void print_json(const struct bench_group *groups, size_t count)
{
    fputs("[", stdout);
    for (size_t i = 0; i < count; i++) {
        const struct bench_group *group = &groups[i];
        enum bench_kind kind = bench_kind_of(group->peer, group->workload);
        printf(
            "%s\n  {\"workload\": \"%s\", \"peer\": \"%s\", \"kind\": \"%s\", \"median\": %.10g, "
            "\"min\": %.10g, \"max\": %.10g, \"unit\": \"%s\", \"samples\": %zu, "
            "\"others_percent\": %.1f, \"others_percent_max\": %.1f",
            i > 0 ? "," : "", group->workload, group->peer, bench_kind_name(kind), group->median,
            group->min, group->max, group->unit, group->count, group->others_percent,
            group->others_percent_max);
        if (kind == BENCH_OURS) {
            struct verdict verdict = judge(group, groups, count);
            print_json_ratio("ratio_to_best_peer", verdict.to_rival, "best_peer", verdict.rival);
            print_json_ratio("ratio_to_raw", verdict.to_limit, "raw", verdict.limit);
        }
        fputs("}", stdout);
    }
    puts(count > 0 ? "\n]" : "]");
}

static void print_csv(const struct bench_group *groups, size_t count)
{
    puts("workload,peer,kind,median,min,max,unit,samples,others_percent,others_percent_max,"
         "ratio_to_best_peer,best_peer,ratio_to_raw,raw");
    for (size_t i = 0; i < count; i++) {
        const struct bench_group *group = &groups[i];
        struct verdict verdict = judge(group, groups, count);
        printf("%s,%s,%s,%.10g,%.10g,%.10g,%s,%zu,%.1f,%.1f", group->workload, group->peer,
               bench_kind_name(bench_kind_of(group->peer, group->workload)), group->median,
               group->min, group->max, group->unit, group->count, group->others_percent,
               group->others_percent_max);
        if (verdict.to_rival > 0)
            printf(",%.6g,%s", verdict.to_rival, verdict.rival->peer);
        else
            fputs(",,", stdout);
        if (verdict.to_limit > 0)
            printf(",%.6g,%s\n", verdict.to_limit, verdict.limit->peer);
        else
            puts(",,");
    }
}

void bench_comparison_print(enum bench_format format, const struct bench_group *groups,
                            size_t count)
{
    switch (format) {
    case BENCH_JSON:
        print_json(groups, count);
        break;
    case BENCH_CSV:
        print_csv(groups, count);
        break;
    case BENCH_LINES:
    case BENCH_TABLE:
        print_table(groups, count);
        break;
    }
}
