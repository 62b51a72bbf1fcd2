/* SPDX-License-Identifier: MIT */
#include "bench/histogram.h"
#include "bench/pace.h"
#include "support/rf_test.h"

enum { BEGIN = 1000 };

Test(bench_pace, sends_are_planned_at_the_rate)
{
    struct bench_pace pace;
    bench_pace_init(&pace, BEGIN, 4);

    cr_assert_eq(bench_pace_take(&pace), BEGIN + 0U);
    cr_assert_eq(bench_pace_take(&pace), BEGIN + 250000000U);
    cr_assert_eq(bench_pace_take(&pace), BEGIN + 500000000U);
    cr_assert_eq(bench_pace_take(&pace), BEGIN + 750000000U);
    cr_assert_eq(bench_pace_take(&pace), BEGIN + 1000000000U);
}

Test(bench_pace, an_interval_that_is_no_whole_number_does_not_drift)
{
    struct bench_pace pace;
    bench_pace_init(&pace, BEGIN, 3);

    cr_assert_eq(bench_pace_planned_ns(&pace, 1), BEGIN + 333333333U);
    cr_assert_eq(bench_pace_planned_ns(&pace, 3000000), BEGIN + UINT64_C(1000000) * 1000000000);
}

Test(bench_pace, what_is_due_grows_with_time_and_shrinks_with_sends)
{
    struct bench_pace pace;
    bench_pace_init(&pace, BEGIN, 1000);

    cr_assert_eq(bench_pace_due(&pace, BEGIN - 1), 0U);
    cr_assert_eq(bench_pace_due(&pace, BEGIN), 1U);
    cr_assert_eq(bench_pace_due(&pace, BEGIN + 999999), 1U);
    cr_assert_eq(bench_pace_due(&pace, BEGIN + 1000000), 2U);
    (void)bench_pace_take(&pace);
    (void)bench_pace_take(&pace);
    cr_assert_eq(bench_pace_due(&pace, BEGIN + 1000000), 0U);
    cr_assert_eq(bench_pace_due(&pace, BEGIN + 5000000), 4U);
}

Test(bench_pace, due_and_planned_agree_at_every_edge)
{
    const uint64_t rates[] = {1, 3, 7, 999, 1000003, 999999937, 2000000000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct bench_pace pace;
        bench_pace_init(&pace, BEGIN, rates[i]);
        for (uint64_t number = 1; number < 50; number++) {
            uint64_t planned = bench_pace_planned_ns(&pace, number);
            cr_assert_geq(bench_pace_due(&pace, planned), number + 1);
            cr_assert_leq(bench_pace_due(&pace, planned - 1), number);
        }
    }
}

Test(bench_pace, the_wait_ends_when_the_next_is_due)
{
    struct bench_pace pace;
    bench_pace_init(&pace, BEGIN, 1000);

    cr_assert_eq(bench_pace_wait_ns(&pace, BEGIN - 10), 10U);
    cr_assert_eq(bench_pace_wait_ns(&pace, BEGIN), 0U);
    (void)bench_pace_take(&pace);
    cr_assert_eq(bench_pace_wait_ns(&pace, BEGIN + 400000), 600000U);
    cr_assert_eq(bench_pace_wait_ns(&pace, BEGIN + 2000000), 0U);
}

Test(bench_pace, a_rate_of_nothing_counts_as_one)
{
    struct bench_pace pace;
    bench_pace_init(&pace, BEGIN, 0);
    (void)bench_pace_take(&pace);

    cr_assert_eq(bench_pace_take(&pace), BEGIN + 1000000000U);
}

/* A server that answers at once but stands still for one second: of 2000 sends a half fell into it. A closed
 * loop would have seen one slow answer. */
Test(bench_pace, a_stall_costs_all_that_was_planned_during_it)
{
    struct bench_histogram *histogram = malloc(sizeof *histogram);
    cr_assert_not_null(histogram);
    bench_histogram_reset(histogram);
    struct bench_pace pace;
    bench_pace_init(&pace, 0, 1000);
    for (uint64_t now = 0; now < 2000000000; now += 1000000) {
        if (now < 1000000000)
            continue; /* nothing is answered in the first second */
        for (uint64_t left = bench_pace_due(&pace, now); left > 0; left--)
            bench_histogram_record(histogram, now - bench_pace_take(&pace));
    }

    cr_assert_eq(bench_histogram_count(histogram), 2000U);
    cr_assert_eq(bench_histogram_max(histogram), 1000000000U);
    cr_assert_geq(bench_histogram_percentile(histogram, 75), 490000000U);
    cr_assert_leq(bench_histogram_percentile(histogram, 25), 1000000U);
    free(histogram);
}
