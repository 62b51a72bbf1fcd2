/* SPDX-License-Identifier: MIT */
#include "core/base/clock.h"
#include "support/rf_test.h"

static const char *format(uint64_t wall_ns)
{
    static char text[RFI_TIMESTAMP_SIZE];
    rfi_timestamp_format(wall_ns, text);
    return text;
}

static bool parse(const char *text, uint64_t *out)
{
    return rfi_timestamp_parse(text, strlen(text), out);
}

#define SECONDS(n) (UINT64_C(n) * UINT64_C(1000000000))

Test(clock, the_monotonic_clock_never_goes_back)
{
    uint64_t before = rfi_clock_ns();
    cr_assert_geq(rfi_clock_ns(), before);
    cr_assert_geq(rfi_clock_ms(), before / 1000000);
    cr_assert_gt(rfi_clock_wall_ns(), SECONDS(1600000000));
}

Test(clock, times_are_written_with_the_fewest_exact_digits)
{
    cr_assert_str_eq(format(0), "1970-01-01T00:00:00Z");
    cr_assert_str_eq(format(SECONDS(951782400)), "2000-02-29T00:00:00Z");
    cr_assert_str_eq(format(SECONDS(4107542400)), "2100-03-01T00:00:00Z");
    cr_assert_str_eq(format(SECONDS(1700000000) + 120000000), "2023-11-14T22:13:20.120Z");
    cr_assert_str_eq(format(SECONDS(1700000000) + 123456000), "2023-11-14T22:13:20.123456Z");
    cr_assert_str_eq(format(SECONDS(1700000000) + 1), "2023-11-14T22:13:20.000000001Z");
    cr_assert_str_eq(format(UINT64_MAX), "2554-07-21T23:34:33.709551615Z");
}

Test(clock, every_form_that_chrono_reads_is_read)
{
    static const char *const same[] = {
        "2023-11-14T22:13:20Z",      "2023-11-14T22:13:20z",      "2023-11-14 22:13:20Z",
        "2023-11-14T22:13:20.0Z",    "2023-11-14T22:13:20+00:00", "2023-11-14T22:13:20-0000",
        "2023-11-14T23:13:20+01:00", "2023-11-15T03:43:20+0530",  "2023-11-14T14:13:20-08:00",
        "2023-11-14 22:13:20 UTC",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        uint64_t ns = 0;
        cr_assert(parse(same[i], &ns), "%s", same[i]);
        cr_assert_eq(ns, SECONDS(1700000000), "%s", same[i]);
    }
    uint64_t ns = 0;
    cr_assert_not(parse("2023-11-14T22:12:80Z", &ns));
    cr_assert(parse("2016-12-31T23:59:60Z", &ns));
    cr_assert_eq(ns, SECONDS(1483228800));
    cr_assert(parse("2023-11-14T22:13:20.5Z", &ns));
    cr_assert_eq(ns, SECONDS(1700000000) + 500000000);
    cr_assert(parse("2023-11-14T22:13:20.1234567899Z", &ns));
    cr_assert_eq(ns, SECONDS(1700000000) + 123456789);
}

Test(clock, other_texts_are_refused)
{
    static const char *const wrong[] = {
        "",
        "2023-11-14",
        "2023-11-14T22:13:20",
        "2023-11-14T22:13:20.Z",
        "2023-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2023-00-10T00:00:00Z",
        "2023-01-00T00:00:00Z",
        "2023-01-01T24:00:00Z",
        "2023-01-01T00:60:00Z",
        "2023-01-01T00:00:61Z",
        "2023-01-01T00:00:00Zx",
        "2023-01-01T00:00:00+24:00",
        "2023-01-01T00:00:00+01:60",
        "2023-01-01T00:00:00 utc",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "2555-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "+2023-01-01T00:00:00Z",
        "2023-1-01T00:00:00Z",
        "2023-01-01T00:00:00+1:00",
        "2023/01/01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t ns = 7;
        cr_assert_not(parse(wrong[i], &ns), "%s", wrong[i]);
        cr_assert_eq(ns, 7U);
    }
}

Test(clock, what_is_written_is_read_back)
{
    uint64_t step = UINT64_C(86399123456789) * 3;
    for (uint64_t ns = 0; ns < UINT64_MAX - step; ns += step) {
        uint64_t again = 0;
        cr_assert(parse(format(ns), &again));
        cr_assert_eq(again, ns);
    }
}
