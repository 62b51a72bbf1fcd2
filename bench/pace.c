/* SPDX-License-Identifier: MIT */
/* The plan of an open loop: send n belongs to begin + n seconds / rate, worked out anew for each n, so that
 * an interval that is no whole number of nanoseconds adds up to nothing. The caller owns the plan. */
#include "pace.h"

static const uint64_t second_ns = 1000000000;

void bench_pace_init(struct bench_pace *pace, uint64_t begin_ns, uint64_t rate)
{
    *pace = (struct bench_pace){.begin_ns = begin_ns, .rate = rate > 0 ? rate : 1};
}

uint64_t bench_pace_planned_ns(const struct bench_pace *pace, uint64_t number)
{
    uint64_t seconds = number / pace->rate;
    uint64_t rest = number % pace->rate;
    return pace->begin_ns + seconds * second_ns + rest * second_ns / pace->rate;
}

uint64_t bench_pace_due(const struct bench_pace *pace, uint64_t now_ns)
{
    if (now_ns < pace->begin_ns)
        return 0;
    uint64_t passed = now_ns - pace->begin_ns;
    uint64_t number = passed / second_ns * pace->rate + passed % second_ns * pace->rate / second_ns;
    /* Rounding may place the last one a nanosecond too early or too late. */
    while (bench_pace_planned_ns(pace, number) > now_ns)
        number--;
    while (bench_pace_planned_ns(pace, number + 1) <= now_ns)
        number++;
    return number + 1 > pace->sent ? number + 1 - pace->sent : 0;
}

uint64_t bench_pace_take(struct bench_pace *pace)
{
    return bench_pace_planned_ns(pace, pace->sent++);
}

uint64_t bench_pace_wait_ns(const struct bench_pace *pace, uint64_t now_ns)
{
    uint64_t planned = bench_pace_planned_ns(pace, pace->sent);
    return planned > now_ns ? planned - now_ns : 0;
}
