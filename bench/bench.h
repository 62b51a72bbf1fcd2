/* SPDX-License-Identifier: MIT */
/* What the parts of reflow-bench share: options, results, rounds, sizes of the workloads.
 *
 * A workload is one line of the table in workloads.c: a name and a function that does the work and
 * gives its results to bench_result. It uses the public API only, as any user could. */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <reflow/reflow.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The sizes of bench/peers/common/bench.h: the same work for every peer. `--scale` shrinks or grows them. */
enum {
    BENCH_PINGPONG_TRIPS = 1000000,
    BENCH_STREAM_MESSAGES = 10000000,
    BENCH_PIPE_STAGES = 8,
    BENCH_PIPE_MESSAGES = 1000000,
    BENCH_FANIN_ACTORS = 100,
    BENCH_FANIN_MESSAGES = 5000000,
    BENCH_RING_ACTORS = 503,
    BENCH_RING_HOPS = 5000000,
    BENCH_SPAWN_ACTORS = 1000000,
    BENCH_RTT_WARMUP = 5000,
    BENCH_RTT_TRIPS = 100000,
    BENCH_REMOTE_MESSAGES = 1000000,
    BENCH_LARGE_MESSAGES = 2000,
    BENCH_REMOTE_FANIN_CONNECTIONS = 100,
    BENCH_REMOTE_FANIN_PROCESSES = 2,
    BENCH_REMOTE_FANIN_BURST = 100,
    BENCH_SMALL_BYTES = 64,
    BENCH_KIB_BYTES = 1024,
    BENCH_MIB_BYTES = 1 << 20,
    BENCH_PROCESS_SECONDS = 180 /* any process of ours ends itself after this */
};

/* What `--poll-us` is when nobody says: what a node that cares for round trips would be given. */
enum { BENCH_POLL_US = 50 };

struct bench_options {
    const char *peer;      /* first word of the result lines */
    const char *transport; /* "tcp" or "ws" */
    const char *delivery;  /* "reliable" or "fast" */
    unsigned scale;        /* percent of the work */
    unsigned warmup_ms;    /* the work is done for so long before the clock starts */
    unsigned measure_ms;   /* rounds are repeated for so long; the median counts */
    unsigned workers;      /* actor threads; 0: one a core */
    unsigned poll_us;      /* I/O threads look for so long before they sleep */
    unsigned rate;         /* messages a second in open loop; read it with bench_rate */
};

struct bench {
    const struct bench_options *options;
    void (*on_result)(void *user, const char *workload, double value, const char *unit);
    void *user;
    bool has_open_loop; /* the workload asked for the rate */
};

struct bench_workload {
    const char *name;
    const char *summary;
    void (*run)(struct bench *bench);
};

extern const struct bench_workload bench_workloads[];
extern const size_t bench_workload_count;

/* Give a result away. */
void bench_result(struct bench *bench, const char *workload, double value, const char *unit);

/* The rate of `--rate`; 0: a closed loop. A workload that can do an open loop (pace.h) asks before its first
 * result; of one that does not, a run with a rate fails instead of giving a number of something else. */
unsigned bench_rate(struct bench *bench);

/* `count` scaled as the options say, at least 1. */
long bench_scaled(const struct bench *bench, long count);

/* Do `round`, which returns the nanoseconds that it took, until it is warm, then measure. The median. */
double bench_median_ns(struct bench *bench, uint64_t (*round)(void *arg), void *arg);

uint64_t bench_now_ns(void);
/* What is resident of this process, and of another one. */
size_t bench_rss_bytes(void);
size_t bench_rss_of(pid_t pid);

/* Print what went wrong and end the process: a benchmark that is not right has no result. */
_Noreturn void bench_die(const char *format, ...) RF_PRINTF(1, 2);
/* The same unless `err` is RF_OK. */
void bench_check(rf_err err, const char *what);

/* One thread waits until another one says that it is done. */
struct bench_gate {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    uint64_t count;
};
#define BENCH_GATE_INIT                                                                            \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                     \
    }
void bench_gate_open(struct bench_gate *gate);
void bench_gate_wait(struct bench_gate *gate); /* for one bench_gate_open */

#endif
