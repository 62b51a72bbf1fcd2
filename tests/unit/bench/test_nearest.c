/* SPDX-License-Identifier: MIT */
#include "bench/nearest.h"
#include "support/rf_test.h"

static const char *const names[] = {"local_stream", "local_ring", "spawn", "remote_stream"};

static const char *name_of(size_t index)
{
    return names[index];
}

static const char *nearest(const char *word)
{
    return bench_nearest(word, sizeof names / sizeof names[0], name_of);
}

Test(bench_nearest, slips_are_understood)
{
    cr_assert_str_eq(nearest("local_strem"), "local_stream");
    cr_assert_str_eq(nearest("locl_ring"), "local_ring");
    cr_assert_str_eq(nearest("spwan"), "spawn");
    cr_assert_str_eq(nearest("remote_streams"), "remote_stream");
    cr_assert_str_eq(nearest("spawn"), "spawn");
}

Test(bench_nearest, what_is_far_from_everything_means_nothing)
{
    cr_assert_null(nearest("xyz"));
    cr_assert_null(nearest("http_under_load"));
    cr_assert_null(nearest(""));
    char word[300];
    memset(word, 'x', sizeof word);
    word[299] = '\0';
    cr_assert_null(nearest(word));
}
