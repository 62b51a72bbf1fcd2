/* SPDX-License-Identifier: MIT */
/* The open loop of a workload (pace.h): who sends, who takes the times, and the four lines that come of it.
 *
 * The plan and the times are in memory that children share, since the last actor may be in another process than the
 * sender; both read the same clock of one machine. Made before any fork. Sends are made from outside of the network, by
 * name, on the thread of the caller; one actor takes the times. */
#ifndef BENCH_OPEN_H
#define BENCH_OPEN_H

#include "bench.h"
#include "histogram.h"

struct bench_open {
    /* set by bench_open_new */
    uint64_t rate;      /* of all senders together */
    long count, warmup; /* messages; how many of them do not count */
    /* by the actor that receives */
    struct bench_histogram times;
    long arrived;
    uint64_t first_planned_ns, last_ns; /* of those that count */
    /* by the process of the first sender, before the first send */
    _Atomic(uint64_t) begin_ns;
};

/* `rate` messages a second for --measure-ms, with a tenth as many before them, which do not count. */
struct bench_open *bench_open_new(const struct bench *bench, unsigned rate);
void bench_open_free(struct bench_open *open);

/* Send what sender `index` of `senders` has to: each in its turn, at the moments of the plan that all share, an Integer with the
 * planned moment to "in" of that actor of network index, index + 1 … below `net_count`. Returns when the last one is sent. */
void bench_open_send(struct bench_open *open, rf_network *const *nets, size_t net_count,
                     const char *actor, unsigned index, unsigned senders);

/* A message that was planned for `planned_ns` is here. True: it was the last one. */
bool bench_open_arrive(struct bench_open *open, uint64_t planned_ns);

/* Give `name`_p50, _p99, _p99.9 in us, and `name`_rate, how many a second arrived in truth. */
void bench_open_result(struct bench *bench, const struct bench_open *open, const char *name);

#endif
