/* SPDX-License-Identifier: MIT */
/* An SVG without a library: one panel for each workload and unit, two beside each other, a horizontal bar for each
 * peer, whose length is the logarithm of the median, a line from the smallest sample to the largest, and the
 * figure behind it. A panel says which way is better, and has a scale of its own.
 *
 * Owns the groups while it draws. Names are harmless as text (samples.c). */
#include "plot.h"
#include "report.h"
#include "rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PANEL_WIDTH = 560,
    MARGIN = 20,
    TITLE_HEIGHT = 40,
    HEAD_HEIGHT = 26,
    AXIS_HEIGHT = 20,
    BAR_HEIGHT = 18,
    NAME_WIDTH = 130, /* left of the bars */
    VALUE_WIDTH = 70, /* right of them */
    COLUMNS = 2
};

/* Groups of one workload and unit. */
struct panel {
    const struct bench_group *groups;
    size_t count;
    double x, y;
    int low, high; /* the powers of ten where the scale begins and ends */
};

static const double bars_width = PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH;

static double panel_height(const struct panel *panel)
{
    return HEAD_HEIGHT + (double)panel->count * BAR_HEIGHT + AXIS_HEIGHT;
}

static const char *colour_of(const struct bench_group *group)
{
    static const char *const colours[] = {[BENCH_OURS] = "#1f6feb",
                                          [BENCH_PEER] = "#8c959f",
                                          [BENCH_LIMIT] = "#e6d9b8",
                                          [BENCH_SHARED_MEMORY] = "#d0d7de"};
    return colours[bench_kind_of(group->peer, group->workload)];
}

/* The range covers what is above 0; there is no logarithm of the rest. */
static void set_scale(struct panel *panel)
{
    double low = INFINITY;
    double high = 0;
    for (size_t i = 0; i < panel->count; i++) {
        if (panel->groups[i].min > 0 && panel->groups[i].min < low)
            low = panel->groups[i].min;
        if (panel->groups[i].max > high)
            high = panel->groups[i].max;
    }
    panel->low = isfinite(low) ? (int)floor(log10(low)) : 0;
    panel->high = high > 0 ? (int)ceil(log10(high)) : 1;
    /* The shortest bar can be seen and a full decade is there. */
    if (isfinite(low) && log10(low) - panel->low < 0.2)
        panel->low--;
    if (panel->high <= panel->low)
        panel->high = panel->low + 1;
}

static double place(const struct panel *panel, double value)
{
    double decades = panel->high - panel->low;
    double at = value > 0 ? (log10(value) - panel->low) / decades : 0;
    return panel->x + NAME_WIDTH + bars_width * (at < 0 ? 0 : at);
}

static void draw_bar(FILE *file, const struct panel *panel, size_t index)
{
    const struct bench_group *group = &panel->groups[index];
    double left = panel->x + NAME_WIDTH;
    double top = panel->y + HEAD_HEIGHT + (double)index * BAR_HEIGHT;
    double middle = top + BAR_HEIGHT / 2.0;
    bool is_ours = bench_kind_of(group->peer, group->workload) == BENCH_OURS;
    char text[BENCH_HUMAN_SIZE];
    bench_human(text, group->median);
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\"%s>%s</text>\n", left - 6,
            middle + 4, is_ours ? " font-weight=\"bold\"" : "", group->peer);
    fprintf(file, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", left,
            top + 2, place(panel, group->median) - left, BAR_HEIGHT - 4, colour_of(group));
    if (group->count > 1)
        fprintf(file,
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#24292f\"/>\n",
                place(panel, group->min), place(panel, group->max), middle, middle);
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", place(panel, group->max) + 5,
            middle + 4, is_ours ? " font-weight=\"bold\"" : "", text);
}

/* 10, 1k, 100k, … */
static void write_power(char text[BENCH_HUMAN_SIZE], int power)
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    if (power < 0 || power >= 15)
        (void)snprintf(text, BENCH_HUMAN_SIZE, "1e%d", power);
    else
        (void)snprintf(text, BENCH_HUMAN_SIZE, "%d%s",
                       power % 3 == 0   ? 1
                       : power % 3 == 1 ? 10
                                        : 100,
                       units[power / 3]);
}

static void draw_axis(FILE *file, const struct panel *panel)
{
    double top = panel->y + HEAD_HEIGHT;
    double bottom = top + (double)panel->count * BAR_HEIGHT;
    for (int power = panel->low; power <= panel->high; power++) {
        double x = panel->x + NAME_WIDTH +
                   bars_width * (power - panel->low) / (double)(panel->high - panel->low);
        char text[BENCH_HUMAN_SIZE];
        write_power(text, power);
        fprintf(file,
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#d8dee4\"/>\n"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#57606a\" "
                "font-size=\"10\">%s</text>\n",
                x, x, top, bottom, x, bottom + 12, text);
    }
}

static void draw_panel(FILE *file, const struct panel *panel)
{
    static const char *const better[] = {[BENCH_BETTER_UNKNOWN] = "",
                                         [BENCH_BETTER_HIGHER] = ", higher is better",
                                         [BENCH_BETTER_LOWER] = ", lower is better"};
    const char *unit = panel->groups[0].unit;
    fprintf(file,
            "<text x=\"%.1f\" y=\"%.1f\"><tspan font-weight=\"bold\" font-size=\"14\">%s</tspan>"
            "<tspan dx=\"8\" fill=\"#57606a\">%s%s</tspan></text>\n",
            panel->x, panel->y + 16, panel->groups[0].workload, unit,
            better[bench_unit_better(unit)]);
    draw_axis(file, panel);
    for (size_t i = 0; i < panel->count; i++)
        draw_bar(file, panel, i);
}

/* Cut the groups into panels; those of a workload stand together, and mostly have one unit. Each panel goes
 * into the column that is shorter. Returns the height of all. */
static double lay_out(struct panel *panels, size_t *out_count, const struct bench_group *groups,
                      size_t group_count)
{
    double heights[COLUMNS] = {TITLE_HEIGHT, TITLE_HEIGHT};
    size_t count = 0;
    for (size_t i = 0; i < group_count; count++) {
        struct panel *panel = &panels[count];
        size_t column = heights[0] <= heights[1] ? 0 : 1;
        *panel = (struct panel){.groups = &groups[i], .y = heights[column]};
        panel->x = MARGIN + (double)column * (PANEL_WIDTH + MARGIN);
        while (i < group_count && strcmp(groups[i].workload, panel->groups->workload) == 0 &&
               strcmp(groups[i].unit, panel->groups->unit) == 0) {
            panel->count++;
            i++;
        }
        set_scale(panel);
        heights[column] += panel_height(panel) + MARGIN;
    }
    *out_count = count;
    return heights[0] > heights[1] ? heights[0] : heights[1];
}

static void draw(FILE *file, const struct panel *panels, size_t count, double height)
{
    static const struct {
        const char *colour, *text;
    } legend[] = {{"#1f6feb", "ours"},
                  {"#8c959f", "peers"},
                  {"#d0d7de", "shared memory"},
                  {"#e6d9b8", "limits (plain C)"}};
    int width = COLUMNS * (PANEL_WIDTH + MARGIN) + MARGIN;
    fprintf(
        file,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
        "viewBox=\"0 0 %d %.0f\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#24292f\">\n"
        "<title>reflow-bench</title>\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
        width, height, width, height);
    for (size_t i = 0; i < sizeof legend / sizeof legend[0]; i++)
        fprintf(file,
                "<rect x=\"%zu\" y=\"12\" width=\"12\" height=\"12\" fill=\"%s\"/>"
                "<text x=\"%zu\" y=\"22\">%s</text>\n",
                MARGIN + i * 130, legend[i].colour, MARGIN + i * 130 + 18, legend[i].text);
    fprintf(file,
            "<text x=\"%d\" y=\"22\" text-anchor=\"end\" fill=\"#57606a\">logarithmic scales; bar: "
            "median, line: smallest to largest</text>\n",
            width - MARGIN);
    for (size_t i = 0; i < count; i++)
        draw_panel(file, &panels[i]);
    fputs("</svg>\n", file);
}

static bool complain(const char *path, const char *why)
{
    fprintf(stderr, "reflow-bench: %s: %s\n", path, why);
    return false;
}

bool bench_plot_write(const char *path, const struct bench_samples *samples)
{
    size_t group_count = 0;
    size_t count = 0;
    struct bench_group *groups = bench_samples_group(samples, &group_count);
    if (groups == NULL)
        return complain(path, "there is nothing to draw");
    bench_groups_sort(groups, group_count);
    struct panel *panels = calloc(group_count, sizeof *panels);
    FILE *file = panels != NULL ? fopen(path, "w") : NULL;
    bool is_well = file != NULL;
    if (is_well) {
        double height = lay_out(panels, &count, groups, group_count);
        draw(file, panels, count, height);
        is_well = ferror(file) == 0;
        is_well = fclose(file) == 0 && is_well;
    }
    if (!is_well)
        (void)complain(path, strerror(errno));
    free(panels);
    free(groups);
    return is_well;
}
