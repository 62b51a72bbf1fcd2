/* SPDX-License-Identifier: MIT */
/* Running workloads. Each is done in a child process, which prints its results as lines for us to read, so that
 * one begins with the memory of a fresh process whatever went before, and may fail or hang alone.
 *
 * Owns the samples of the run. Knows nothing of peers: compare.c does. */
#include "run.h"
#include "child.h"
#include "nearest.h"
#include "plot.h"
#include "report.h"

#include <string.h>

/* Of a summary: together and one workload, so that it is over in a minute. */
enum { SUMMARY_S = 50, SUMMARY_ONE_S = 10 };

struct run {
    const struct bench_cli *cli;
    enum bench_format format;
    struct bench_samples samples;
    const struct bench_workload *current;
    size_t index, count; /* of workloads */
    uint64_t begin_ns;   /* of the current one */
    size_t failed;
    double others_percent_max;
};

static const char *workload_name(size_t index)
{
    return bench_workloads[index].name;
}

const struct bench_workload *bench_workload_find(const char *name)
{
    for (size_t i = 0; i < bench_workload_count; i++)
        if (strcmp(bench_workloads[i].name, name) == 0)
            return &bench_workloads[i];
    return NULL;
}

const char *bench_workload_nearest(const char *name)
{
    return bench_nearest(name, bench_workload_count, workload_name);
}

bool bench_has_delivery(const char *level)
{
    rf_diag diag;
    if (strcmp(level, "reliable") == 0)
        return true;
    rf_config *config = rf_config_new();
    bool has = config != NULL && rf_config_set(config, "delivery", level, &diag) == RF_OK;
    rf_config_free(config);
    return has;
}

/* ---- in the child ---- */

static void print_result(void *user, const char *workload, double value, const char *unit)
{
    const struct bench_options *options = user;
    printf("%s %s %.17g %s\n", options->peer, workload, value, unit);
    (void)fflush(stdout);
}

static void do_workload(void *arg)
{
    const struct run *run = arg;
    struct bench_options options = run->cli->options;
    struct bench bench = {.options = &options, .on_result = print_result, .user = &options};
    run->current->run(&bench);
}

/* ---- here ---- */

static void on_line(void *user, char *line)
{
    struct run *run = user;
    struct bench_sample sample;
    bench_progress_clear();
    if (!bench_sample_parse(line, &sample)) {
        fprintf(stderr, "%s: %s\n", run->current->name, line);
        return;
    }
    bench_report_sample(run->format, run->samples.count, &sample);
    if (!bench_samples_add(&run->samples, &sample))
        bench_die("out of memory");
}

static void on_tick(void *user)
{
    struct run *run = user;
    bench_progress_show(run->index, run->count, run->current->name,
                        (double)(bench_now_ns() - run->begin_ns) / 1e9);
}

static void run_one(struct run *run, const struct bench_workload *workload, unsigned limit_s)
{
    struct bench_child child = {.body = do_workload,
                                .arg = run,
                                .limit_s = limit_s,
                                .is_heard = true,
                                .on_line = on_line,
                                .on_tick = on_tick,
                                .user = run};
    size_t before = run->samples.count;
    run->current = workload;
    run->begin_ns = bench_now_ns();
    bool is_well = bench_child_run(&child);
    bench_progress_clear();
    if (child.others_percent > run->others_percent_max)
        run->others_percent_max = child.others_percent;
    if (is_well && run->samples.count > before)
        return;
    if (run->cli->is_summary && child.is_late) {
        fprintf(stderr,
                "reflow-bench: left out: %s, which takes longer than a summary may; "
                "for all of it: reflow-bench %s\n",
                workload->name, workload->name);
        return;
    }
    if (run->cli->is_summary && is_well)
        return; /* it has said what it lacks; who asks for it by name has nothing of that */
    fprintf(stderr, "reflow-bench: %s failed: %s\n", workload->name,
            is_well ? "it gave no result" : child.why);
    run->failed++;
}

static void run_summary(struct run *run)
{
    uint64_t begin = bench_now_ns();
    run->count = bench_workload_count;
    for (; run->index < run->count && !bench_child_is_interrupted(); run->index++) {
        const struct bench_workload *workload = &bench_workloads[run->index];
        uint64_t passed_s = (bench_now_ns() - begin) / 1000000000;
        unsigned left_s = passed_s < SUMMARY_S ? SUMMARY_S - (unsigned)passed_s : 0;
        if (left_s > 0)
            run_one(run, workload, left_s < SUMMARY_ONE_S ? left_s : SUMMARY_ONE_S);
        else
            fprintf(stderr,
                    "reflow-bench: left out: %s, since the time of a summary is over; "
                    "for all of it: reflow-bench %s\n",
                    workload->name, workload->name);
    }
}

static void run_named(struct run *run)
{
    run->count = run->cli->word_count;
    for (; run->index < run->count && !bench_child_is_interrupted(); run->index++)
        run_one(run, bench_workload_find(run->cli->words[run->index]), run->cli->timeout_s);
}

static bool check(const struct bench_cli *cli)
{
    for (size_t i = 0; i < cli->word_count; i++) {
        const char *word = cli->words[i];
        if (bench_workload_find(word) != NULL)
            continue;
        const char *meant = bench_workload_nearest(word);
        if (meant != NULL)
            bench_usage_error("no workload \"%s\"; did you mean %s?", word, meant);
        else
            bench_usage_error("no workload \"%s\"; all of them: reflow-bench --list", word);
        return false;
    }
    if (!bench_has_delivery(cli->options.delivery)) {
        bench_usage_error("--delivery %s: this libreflow has no such level", cli->options.delivery);
        return false;
    }
    return true;
}

enum bench_exit bench_run(const struct bench_cli *cli)
{
    struct run run = {.cli = cli, .format = bench_report_format(cli->is_json, cli->is_csv)};
    if (!check(cli))
        return BENCH_USAGE;
    bench_child_watch_signals();
    bench_report_begin(run.format);
    if (cli->is_summary)
        run_summary(&run);
    else
        run_named(&run);
    bench_report_end(run.format, run.samples.count);
    if (run.others_percent_max > BENCH_OTHERS_PERCENT_MAX)
        fprintf(stderr,
                "reflow-bench: others used up to %.0f %% of the machine meanwhile: do not trust "
                "these results\n",
                run.others_percent_max);
    if (cli->plot != NULL && !bench_plot_write(cli->plot, &run.samples))
        run.failed++;
    bench_samples_fini(&run.samples);
    if (bench_child_is_interrupted())
        return BENCH_INTERRUPTED;
    return run.failed > 0 ? BENCH_FAILED : BENCH_OK;
}
