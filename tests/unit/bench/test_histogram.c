/* SPDX-License-Identifier: MIT */
#include "bench/histogram.h"
#include "support/rf_test.h"

static struct bench_histogram *new_histogram(void)
{
    struct bench_histogram *histogram = malloc(sizeof *histogram);
    cr_assert_not_null(histogram);
    bench_histogram_reset(histogram);
    return histogram;
}

Test(bench_histogram, an_empty_one_answers_zero)
{
    struct bench_histogram *histogram = new_histogram();

    cr_assert_eq(bench_histogram_count(histogram), 0U);
    cr_assert_eq(bench_histogram_min(histogram), 0U);
    cr_assert_eq(bench_histogram_max(histogram), 0U);
    cr_assert_eq(bench_histogram_percentile(histogram, 50), 0U);
    cr_assert_float_eq(bench_histogram_mean(histogram), 0.0, 0.0);
    free(histogram);
}

Test(bench_histogram, small_values_are_exact)
{
    struct bench_histogram *histogram = new_histogram();
    for (uint64_t value = 1; value <= 100; value++)
        bench_histogram_record(histogram, value);

    cr_assert_eq(bench_histogram_count(histogram), 100U);
    cr_assert_eq(bench_histogram_min(histogram), 1U);
    cr_assert_eq(bench_histogram_max(histogram), 100U);
    cr_assert_eq(bench_histogram_percentile(histogram, 0), 1U);
    cr_assert_eq(bench_histogram_percentile(histogram, 1), 1U);
    cr_assert_eq(bench_histogram_percentile(histogram, 50), 50U);
    cr_assert_eq(bench_histogram_percentile(histogram, 99), 99U);
    cr_assert_eq(bench_histogram_percentile(histogram, 99.5), 100U);
    cr_assert_eq(bench_histogram_percentile(histogram, 100), 100U);
    cr_assert_float_eq(bench_histogram_mean(histogram), 50.5, 1e-9);
    free(histogram);
}

/* Both neighbours of every power of two, and values between, are found again within 1/64. */
Test(bench_histogram, every_magnitude_is_within_a_64th_and_never_flattered)
{
    struct bench_histogram *histogram = new_histogram();
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t power = UINT64_C(1) << bit;
        const uint64_t values[] = {power - 1, power, power + power / 3, power + power / 2 + 1};
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            uint64_t value = values[i];
            bench_histogram_reset(histogram);
            bench_histogram_record(histogram, value);
            bench_histogram_record(histogram, UINT64_MAX); /* so that the maximum bounds nothing */

            uint64_t found = bench_histogram_percentile(histogram, 50);
            cr_assert_geq(found, value);
            cr_assert_leq(found - value, value / 64);
        }
    }
    free(histogram);
}

Test(bench_histogram, the_largest_value_bounds_every_percentile)
{
    struct bench_histogram *histogram = new_histogram();
    bench_histogram_record(histogram, 1000000);

    cr_assert_eq(bench_histogram_percentile(histogram, 50), 1000000U);
    cr_assert_eq(bench_histogram_percentile(histogram, 99.9), 1000000U);
    cr_assert_eq(bench_histogram_percentile(histogram, -1), 1000000U);
    cr_assert_eq(bench_histogram_percentile(histogram, 101), 1000000U);
    free(histogram);
}

Test(bench_histogram, rare_values_show_in_the_last_percentiles_only)
{
    struct bench_histogram *histogram = new_histogram();
    for (int i = 0; i < 9990; i++)
        bench_histogram_record(histogram, 10);
    for (int i = 0; i < 10; i++)
        bench_histogram_record(histogram, 5000);

    cr_assert_eq(bench_histogram_percentile(histogram, 50), 10U);
    cr_assert_eq(bench_histogram_percentile(histogram, 99.9), 10U);
    cr_assert_geq(bench_histogram_percentile(histogram, 99.91), 4900U);
    free(histogram);
}

Test(bench_histogram, a_rank_that_is_whole_is_not_rounded_up)
{
    struct bench_histogram *histogram = new_histogram();
    for (uint64_t count = 1; count <= 50; count++) {
        bench_histogram_reset(histogram);
        for (uint64_t value = 0; value < count; value++)
            bench_histogram_record(histogram, value);
        for (uint64_t rank = 1; rank <= count; rank++) {
            double percent = 100.0 * (double)rank / (double)count;
            cr_assert_eq(bench_histogram_percentile(histogram, percent), rank - 1);
        }
    }
    free(histogram);
}

Test(bench_histogram, a_merge_is_as_if_one_had_seen_all)
{
    struct bench_histogram *low = new_histogram();
    struct bench_histogram *high = new_histogram();
    struct bench_histogram *both = new_histogram();
    for (uint64_t value = 1; value <= 1000; value++) {
        bench_histogram_record(low, value);
        bench_histogram_record(high, value * 1000);
        bench_histogram_record(both, value);
        bench_histogram_record(both, value * 1000);
    }

    bench_histogram_merge(low, high);

    cr_assert_eq(bench_histogram_count(low), 2000U);
    cr_assert_eq(bench_histogram_min(low), 1U);
    cr_assert_eq(bench_histogram_max(low), 1000000U);
    cr_assert_arr_eq(low->slots, both->slots, sizeof low->slots);
    for (int percent = 0; percent <= 100; percent++)
        cr_assert_eq(bench_histogram_percentile(low, percent),
                     bench_histogram_percentile(both, percent));
    free(low);
    free(high);
    free(both);
}

Test(bench_histogram, merging_an_empty_one_changes_nothing)
{
    struct bench_histogram *histogram = new_histogram();
    struct bench_histogram *empty = new_histogram();
    bench_histogram_record(histogram, 7);

    bench_histogram_merge(histogram, empty);

    cr_assert_eq(bench_histogram_count(histogram), 1U);
    cr_assert_eq(bench_histogram_min(histogram), 7U);
    cr_assert_eq(bench_histogram_max(histogram), 7U);
    free(histogram);
    free(empty);
}

/* One stall of 10 intervals: 9 others would have waited 9, 8, … 1 of them. */
Test(bench_histogram, a_correction_adds_what_a_stall_kept_from_being_sent)
{
    struct bench_histogram *histogram = new_histogram();
    bench_histogram_record_corrected(histogram, 100, 10);

    cr_assert_eq(bench_histogram_count(histogram), 10U);
    cr_assert_eq(bench_histogram_min(histogram), 10U);
    cr_assert_eq(bench_histogram_max(histogram), 100U);
    cr_assert_eq(bench_histogram_percentile(histogram, 50), 50U);
    free(histogram);
}

Test(bench_histogram, a_correction_leaves_times_within_the_interval_alone)
{
    struct bench_histogram *histogram = new_histogram();
    bench_histogram_record_corrected(histogram, 10, 10);
    bench_histogram_record_corrected(histogram, 19, 10);
    bench_histogram_record_corrected(histogram, 1000, 0);
    bench_histogram_record_corrected(histogram, 1000, UINT64_MAX);

    cr_assert_eq(bench_histogram_count(histogram), 4U);
    free(histogram);
}
