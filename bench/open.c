/* SPDX-License-Identifier: MIT */
/* Sending by plan, and what the plan met. A time begins at the planned moment, however late its send was: the wait
 * for a full mailbox, and for a thread that got no processor, are part of it. */
#include "open.h"

#include "pace.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

enum { WARMUP_PART = 10, START_NS = 20000000 };

struct bench_open *bench_open_new(const struct bench *bench, unsigned rate)
{
    struct bench_open *open =
        mmap(NULL, sizeof *open, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (open == MAP_FAILED)
        bench_die("out of memory");
    long counted = (long)((uint64_t)rate * bench->options->measure_ms / 1000) + 1;
    open->rate = rate;
    open->warmup = counted / WARMUP_PART + 1;
    open->count = counted + open->warmup;
    bench_histogram_reset(&open->times);
    return open;
}

void bench_open_free(struct bench_open *open)
{
    (void)munmap(open, sizeof *open);
}

static void send_one(rf_network *net, const char *actor, uint64_t planned_ns)
{
    rf_message *msg = rf_message_integer((int64_t)planned_ns);
    rf_err err;
    while ((err = rf_network_send(net, actor, "in", msg)) == RF_EFULL)
        (void)sched_yield();
    bench_check(err, actor);
}

static void wait_for(const struct bench_pace *pace)
{
    uint64_t wait_ns = bench_pace_wait_ns(pace, bench_now_ns());
    const struct timespec pause = {.tv_sec = (time_t)(wait_ns / 1000000000),
                                   .tv_nsec = (long)(wait_ns % 1000000000)};
    if (wait_ns > 0)
        (void)nanosleep(&pause, NULL);
}

/* The first sender sets the time for all: soon, so that none is late from the start. */
static uint64_t begin_of(struct bench_open *open)
{
    uint64_t unset = 0;
    uint64_t soon = bench_now_ns() + START_NS;
    /* relaxed: the number is all there is */
    if (atomic_compare_exchange_strong_explicit(&open->begin_ns, &unset, soon, memory_order_relaxed,
                                                memory_order_relaxed))
        return soon;
    return unset;
}

void bench_open_send(struct bench_open *open, rf_network *const *nets, size_t net_count,
                     const char *actor, unsigned index, unsigned senders)
{
    struct bench_pace pace;
    size_t at = 0;
    (void)prctl(PR_SET_TIMERSLACK, 1); /* ns, of this thread; else it wakes up to 50 us late */
    bench_pace_init(&pace, begin_of(open), open->rate);
    for (long number = 0; number < open->count;) {
        wait_for(&pace);
        uint64_t due = bench_pace_due(&pace, bench_now_ns());
        for (; due > 0 && number < open->count; due--, number++) {
            uint64_t planned_ns = bench_pace_take(&pace);
            if (number % senders != index)
                continue;
            send_one(nets[at], actor, planned_ns);
            at = (at + 1) % net_count;
        }
    }
}

bool bench_open_arrive(struct bench_open *open, uint64_t planned_ns)
{
    uint64_t now_ns = bench_now_ns();
    if (open->arrived >= open->warmup) {
        if (open->arrived == open->warmup)
            open->first_planned_ns = planned_ns;
        open->last_ns = now_ns;
        bench_histogram_record(&open->times, now_ns - planned_ns);
    }
    return ++open->arrived == open->count;
}

void bench_open_result(struct bench *bench, const struct bench_open *open, const char *name)
{
    static const struct {
        const char *suffix;
        double percent;
    } points[] = {{"p50", 50}, {"p99", 99}, {"p99.9", 99.9}};
    char line[64];
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        (void)snprintf(line, sizeof line, "%s_%s", name, points[i].suffix);
        double ns = (double)bench_histogram_percentile(&open->times, points[i].percent);
        bench_result(bench, line, ns / 1e3, "us");
    }
    uint64_t ns = open->last_ns - open->first_planned_ns;
    (void)snprintf(line, sizeof line, "%s_rate", name);
    bench_result(bench, line, (double)bench_histogram_count(&open->times) * 1e9 / (double)ns,
                 "msgs/s");
}
