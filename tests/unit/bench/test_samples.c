/* SPDX-License-Identifier: MIT */
#include "bench/samples.h"
#include "support/rf_test.h"

static void add(struct bench_samples *samples, const char *line)
{
    struct bench_sample sample;
    cr_assert(bench_sample_parse(line, &sample));
    cr_assert(bench_samples_add(samples, &sample));
}

Test(bench_samples, a_result_line_is_read)
{
    struct bench_sample sample;
    cr_assert(bench_sample_parse("zmq remote_rtt_p99.9 12.50 us", &sample));
    cr_assert_str_eq(sample.peer, "zmq");
    cr_assert_str_eq(sample.workload, "remote_rtt_p99.9");
    cr_assert_float_eq(sample.value, 12.5, 0.0);
    cr_assert_str_eq(sample.unit, "us");
    cr_assert_float_eq(sample.others_percent, 0.0, 0.0);
    cr_assert(bench_sample_parse("zmq remote_stream 4000000 msgs/s 17", &sample));
    cr_assert_float_eq(sample.others_percent, 17.0, 0.0);
}

Test(bench_samples, what_is_no_result_line_is_refused)
{
    struct bench_sample sample;
    const char *const lines[] = {"",
                                 "zmq",
                                 "zmq remote_rtt 12.5",
                                 "zmq remote_rtt fast us",
                                 "zmq remote_rtt 12.5x us",
                                 "zmq remote_rtt nan us",
                                 "zmq remote_rtt inf us",
                                 "zmq remote_rtt 1 us much",
                                 "zmq remote_rtt failed - 3",
                                 "zmq remote_rtt 1 us 2 3",
                                 "z\"mq remote_rtt 1 us",
                                 "zmq remote|rtt 1 us",
                                 "zmq remote_rtt 1 <us>"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_assert_not(bench_sample_parse(lines[i], &sample));
}

Test(bench_samples, medians_and_spread_of_odd_and_even_counts)
{
    struct bench_samples samples = {0};
    add(&samples, "a w 30 ns 1");
    add(&samples, "b w 4 ns");
    add(&samples, "a w 10 ns 20");
    add(&samples, "b w 2 ns");
    add(&samples, "a w 20 ns 0");
    size_t count = 0;
    struct bench_group *groups = bench_samples_group(&samples, &count);

    cr_assert_eq(count, 2U);
    cr_assert_str_eq(groups[0].peer, "a");
    cr_assert_eq(groups[0].count, 3U);
    cr_assert_float_eq(groups[0].median, 20.0, 0.0);
    cr_assert_float_eq(groups[0].min, 10.0, 0.0);
    cr_assert_float_eq(groups[0].max, 30.0, 0.0);
    cr_assert_float_eq(groups[0].others_percent, 7.0, 1e-9);
    cr_assert_float_eq(groups[0].others_percent_max, 20.0, 0.0);
    cr_assert_eq(groups[1].count, 2U);
    cr_assert_float_eq(groups[1].median, 3.0, 0.0);
    free(groups);
    bench_samples_fini(&samples);
}

Test(bench_samples, groups_of_a_workload_stand_together)
{
    struct bench_samples samples = {0};
    add(&samples, "a one 1 ns");
    add(&samples, "a two 1 ns");
    add(&samples, "b one 1 ns");
    add(&samples, "b two 1 ns");
    size_t count = 0;
    struct bench_group *groups = bench_samples_group(&samples, &count);

    cr_assert_eq(count, 4U);
    cr_assert_str_eq(groups[0].workload, "one");
    cr_assert_str_eq(groups[1].workload, "one");
    cr_assert_str_eq(groups[1].peer, "b");
    cr_assert_str_eq(groups[2].workload, "two");
    free(groups);
    bench_samples_fini(&samples);
}

Test(bench_samples, no_samples_give_no_groups)
{
    struct bench_samples samples = {0};
    size_t count = 0;
    cr_assert_null(bench_samples_group(&samples, &count));
    bench_samples_fini(&samples);
}

Test(bench_samples, many_are_kept)
{
    struct bench_samples samples = {0};
    for (int i = 0; i < 1000; i++)
        add(&samples, "a w 1 ns");
    size_t count = 0;
    struct bench_group *groups = bench_samples_group(&samples, &count);

    cr_assert_eq(count, 1U);
    cr_assert_eq(groups[0].count, 1000U);
    free(groups);
    bench_samples_fini(&samples);
}

Test(bench_samples, units_know_which_way_is_better)
{
    const char *const higher[] = {"msgs/s",   "hop-msgs/s", "hops/s",
                                  "actors/s", "MB/s",       "requests/s"};
    const char *const lower[] = {"ns",          "us",         "ms",    "s",
                                 "bytes/actor", "bytes/link", "bytes", "KiB"};
    const char *const unknown[] = {"percent", "", "/s", "x", "widgets"};
    for (size_t i = 0; i < sizeof higher / sizeof higher[0]; i++)
        cr_assert_eq(bench_unit_better(higher[i]), BENCH_BETTER_HIGHER);
    for (size_t i = 0; i < sizeof lower / sizeof lower[0]; i++)
        cr_assert_eq(bench_unit_better(lower[i]), BENCH_BETTER_LOWER);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        cr_assert_eq(bench_unit_better(unknown[i]), BENCH_BETTER_UNKNOWN);
}

Test(bench_samples, a_ratio_is_above_one_where_ours_is_better)
{
    cr_assert_float_eq(bench_ratio("msgs/s", 200, 100), 2.0, 1e-9);
    cr_assert_float_eq(bench_ratio("msgs/s", 50, 100), 0.5, 1e-9);
    cr_assert_float_eq(bench_ratio("us", 50, 100), 2.0, 1e-9);
    cr_assert_float_eq(bench_ratio("bytes/actor", 400, 100), 0.25, 1e-9);
    cr_assert_float_eq(bench_ratio("widgets", 400, 100), 0.0, 0.0);
    cr_assert_float_eq(bench_ratio("us", 0, 100), 0.0, 0.0);
    cr_assert_float_eq(bench_ratio("us", 100, 0), 0.0, 0.0);
}
