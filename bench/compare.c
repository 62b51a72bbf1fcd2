/* SPDX-License-Identifier: MIT */
/* The comparison: what the plan says, measured round by round, A B C A B C, so that a slow minute of the
 * machine meets all of them. Every measurement is a process of its own with a bound in time; what fails or is
 * not there is named. With --samples every sample is kept in a file and all that are in it are printed, so
 * that a long comparison can be made in pieces.
 *
 * Owns the plan and the samples. */
#include "compare.h"
#include "child.h"
#include "comparison.h"
#include "plan.h"
#include "plot.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { PEER_GRACE_S = 10 }; /* a peer's script ends it first, more kindly */

struct compare {
    const struct bench_cli *cli;
    struct bench_plan plan;
    struct bench_samples samples;
    size_t old_count; /* samples that are not of this run */
    FILE *file;       /* where samples are added, or NULL */

    /* the measurement that runs */
    struct bench_plan_entry *current;
    size_t done, count;
    uint64_t begin_ns;
    size_t first_sample;
    unsigned distrusted; /* measurements while others were busy */
};

static void keep(struct compare *compare, const struct bench_sample *sample)
{
    if (!bench_samples_add(&compare->samples, sample))
        bench_die("out of memory");
}

/* ---- one measurement ---- */

static void print_result(void *user, const char *workload, double value, const char *unit)
{
    printf("%s %s %.17g %s\n", (const char *)user, workload, value, unit);
    (void)fflush(stdout);
}

static void do_row(const struct compare *compare)
{
    static char peer[BENCH_NAME_SIZE];
    const struct bench_row *row = compare->current->row;
    struct bench_options options = compare->cli->options;
    options.peer = row->name;
    options.delivery = row->delivery;
    if (row->wire == BENCH_WIRE_WS)
        options.transport = "ws";
    if (!row->is_polling)
        options.poll_us = 0;
    (void)snprintf(peer, sizeof peer, "%s", row->name);
    struct bench bench = {.options = &options, .on_result = print_result, .user = peer};
    bench_workload_find(compare->current->workload)->run(&bench);
}

/* In the child. */
static void do_entry(void *arg)
{
    const struct compare *compare = arg;
    char workload[BENCH_NAME_SIZE];
    if (compare->current->row != NULL) {
        do_row(compare);
        return;
    }
    bench_their_workload(workload, compare->current->workload);
    bench_peers_exec(compare->plan.peers.path, compare->current->peer, workload,
                     compare->cli->options.scale, compare->cli->timeout_s);
}

static void on_line(void *user, char *line)
{
    struct compare *compare = user;
    struct bench_sample sample;
    char result[BENCH_NAME_SIZE];
    if (!bench_sample_parse(line, &sample) || strcmp(sample.peer, compare->current->peer) != 0)
        return; /* some peers say more than results */
    bench_our_result(result, compare->current->workload, sample.workload);
    memcpy(sample.workload, result, sizeof sample.workload);
    keep(compare, &sample);
}

static void on_tick(void *user)
{
    const struct compare *compare = user;
    char what[2 * BENCH_NAME_SIZE + 2];
    (void)snprintf(what, sizeof what, "%s %s", compare->current->peer, compare->current->workload);
    bench_progress_show(compare->done, compare->count, what,
                        (double)(bench_now_ns() - compare->begin_ns) / 1e9);
}

/* The share of others is known when all is over; half a measurement is none. */
static void settle(struct compare *compare, const struct bench_child *child, bool is_well)
{
    struct bench_samples *samples = &compare->samples;
    struct bench_plan_entry *entry = compare->current;
    if (is_well && samples->count == compare->first_sample) {
        is_well = false;
        (void)snprintf(entry->why, sizeof entry->why, "it gave no result");
    } else if (!is_well) {
        (void)snprintf(entry->why, sizeof entry->why, "%s", child->why);
    }
    if (!is_well) {
        entry->failed++;
        samples->count = compare->first_sample;
        return;
    }
    compare->distrusted += child->others_percent > BENCH_OTHERS_PERCENT_MAX;
    for (size_t i = compare->first_sample; i < samples->count; i++) {
        struct bench_sample *sample = &samples->all[i];
        sample->others_percent = child->others_percent;
        if (compare->file != NULL)
            fprintf(compare->file, "%s %s %.10g %s %.0f\n", sample->peer, sample->workload,
                    sample->value, sample->unit, sample->others_percent);
    }
    if (compare->file != NULL)
        (void)fflush(compare->file);
}

static void measure(struct compare *compare)
{
    unsigned grace_s = compare->current->row == NULL ? PEER_GRACE_S : 0;
    struct bench_child child = {.body = do_entry,
                                .arg = compare,
                                .limit_s = compare->cli->timeout_s + grace_s,
                                .on_line = on_line,
                                .on_tick = on_tick,
                                .user = compare};
    compare->first_sample = compare->samples.count;
    compare->begin_ns = bench_now_ns();
    bool is_well = bench_child_run(&child);
    bench_progress_clear();
    settle(compare, &child, is_well);
}

static void measure_all(struct compare *compare)
{
    struct bench_plan *plan = &compare->plan;
    compare->count = plan->entry_count * compare->cli->rounds;
    for (unsigned round = 0; round < compare->cli->rounds; round++)
        for (size_t i = 0; i < plan->entry_count && !bench_child_is_interrupted(); i++) {
            compare->current = &plan->entries[i];
            measure(compare);
            compare->done++;
        }
}

/* ---- the file of samples ---- */

/* Lines of failed measurements, which bench/peers/run writes too, are no samples. */
static bool is_failure(const char *line)
{
    char word[BENCH_NAME_SIZE] = "";
    return sscanf(line, "%*s %*s %47s", word) == 1 && strcmp(word, "failed") == 0;
}

static bool read_samples(struct compare *compare)
{
    const char *path = compare->cli->samples;
    char line[512];
    FILE *file = fopen(path, "r");
    if (file == NULL && errno == ENOENT && compare->cli->rounds > 0)
        return true; /* it is about to be made */
    if (file == NULL) {
        fprintf(stderr, "reflow-bench: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool is_well = true;
    for (unsigned number = 1; is_well && fgets(line, sizeof line, file) != NULL; number++) {
        struct bench_sample sample;
        line[strcspn(line, "\n")] = '\0';
        if (bench_sample_parse(line, &sample)) {
            keep(compare, &sample);
        } else if (!is_failure(line)) {
            fprintf(stderr,
                    "reflow-bench: %s:%u: not a sample: \"%s\"; a line is "
                    "`peer workload value unit others`\n",
                    path, number, line);
            is_well = false;
        }
    }
    (void)fclose(file);
    compare->old_count = compare->samples.count;
    return is_well;
}

static bool open_samples(struct compare *compare)
{
    if (compare->cli->samples == NULL)
        return true;
    if (!read_samples(compare))
        return false;
    if (compare->cli->rounds == 0)
        return true;
    compare->file = fopen(compare->cli->samples, "a");
    if (compare->file != NULL)
        return true;
    fprintf(stderr, "reflow-bench: %s: %s\n", compare->cli->samples, strerror(errno));
    return false;
}

/* ---- what is printed beside the figures ---- */

static void print_option(FILE *stream, const char *name, const char *value)
{
    if (value != NULL)
        fprintf(stream, " --%s %s", name, value);
}

static void print_origin(const struct compare *compare, FILE *stream)
{
    const struct bench_cli *cli = compare->cli;
    struct utsname machine = {.release = "?"};
    char day[16] = "?";
    time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) != NULL)
        (void)strftime(day, sizeof day, "%Y-%m-%d", &parts);
    (void)uname(&machine);
    fprintf(stream, "\nmade by: reflow-bench compare --rounds %u --scale %u", cli->rounds,
            cli->options.scale);
    print_option(stream, "workloads", cli->workloads);
    print_option(stream, "rows", cli->rows);
    print_option(stream, "peers", cli->peers);
    fprintf(stream, "\non: %s, %ld cores, Linux %.*s; libreflow %s", day,
            sysconf(_SC_NPROCESSORS_ONLN), (int)strcspn(machine.release, "-"), machine.release,
            rf_version());
    if (compare->old_count > 0)
        fprintf(stream, "; %zu of %zu samples were there before", compare->old_count,
                compare->samples.count);
    fputs("\nraw* are limits, and what goes through shared memory (aeron-ipc, dora's large "
          "messages) is "
          "no peer over sockets: neither counts as best peer.\n"
          "Ratios are above 1 where ours are better.\n",
          stream);
}

static size_t print_failures(const struct compare *compare, FILE *stream)
{
    size_t ours = 0;
    for (size_t i = 0; i < compare->plan.entry_count; i++) {
        const struct bench_plan_entry *entry = &compare->plan.entries[i];
        if (entry->failed == 0)
            continue;
        ours += entry->row != NULL;
        fprintf(stream, "failed: %s %s (%u of %u): %s\n", entry->peer, entry->workload,
                entry->failed, compare->cli->rounds, entry->why);
    }
    return ours;
}

static enum bench_exit finish(struct compare *compare)
{
    const struct bench_cli *cli = compare->cli;
    enum bench_format format = bench_report_format(cli->is_json, cli->is_csv);
    bool is_text = format == BENCH_TABLE || format == BENCH_LINES;
    FILE *notes = is_text ? stdout : stderr;
    size_t count = 0;
    struct bench_group *groups = bench_samples_group(&compare->samples, &count);
    bool is_well = count > 0;
    bench_groups_sort(groups, count);
    bench_comparison_print(format, groups, count);
    if (is_text)
        print_origin(compare, notes);
    bench_plan_print_left_out(&compare->plan, cli, notes);
    is_well = print_failures(compare, notes) == 0 && is_well;
    if (compare->distrusted > 0)
        fprintf(notes,
                "warning: others used more than %d %% of the machine during %u of %zu measurements "
                "(marked ! in the table): do not trust them\n",
                BENCH_OTHERS_PERCENT_MAX, compare->distrusted, compare->done);
    if (count == 0)
        fputs("reflow-bench: there is no sample\n", stderr);
    if (cli->plot != NULL && !bench_plot_write(cli->plot, &compare->samples))
        is_well = false;
    free(groups);
    if (bench_child_is_interrupted())
        return BENCH_INTERRUPTED;
    return is_well ? BENCH_OK : BENCH_FAILED;
}

enum bench_exit bench_compare(const struct bench_cli *cli)
{
    static struct compare compare; /* too large for a stack */
    enum bench_exit status = BENCH_FAILED;
    bool is_alone = cli->rounds == 0 || (cli->peers != NULL && strcmp(cli->peers, "-") == 0);
    compare.cli = cli;
    bench_child_watch_signals();
    if (!is_alone && !bench_peers_read(&compare.plan.peers,
                                       cli->peers_path != NULL ? cli->peers_path : BENCH_PEERS_DIR))
        return BENCH_FAILED;
    if (cli->rounds > 0 && !bench_plan_make(&compare.plan, cli))
        return BENCH_USAGE;
    if (!open_samples(&compare))
        goto out;
    if (cli->rounds > 0)
        measure_all(&compare);
    status = finish(&compare);
out:
    if (compare.file != NULL && fclose(compare.file) != 0) {
        fprintf(stderr, "reflow-bench: %s: %s\n", cli->samples, strerror(errno));
        status = BENCH_FAILED;
    }
    bench_samples_fini(&compare.samples);
    return status;
}
