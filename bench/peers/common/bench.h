// Shared by every C and C++ bench program here: sizes of the workloads, clock,
// result lines, and starting a second OS process.
#ifndef BENCH_H
#define BENCH_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The same work for every peer. BENCH_SCALE (percent) shrinks or grows it.
enum {
    PINGPONG_TRIPS = 1000000,
    STREAM_MSGS = 10000000,
    PIPE_STAGES = 8,
    PIPE_MSGS = 1000000,
    FANIN_ACTORS = 100,
    FANIN_MSGS = 5000000, // all producers together
    RING_ACTORS = 503,
    RING_HOPS = 5000000,
    SPAWN_ACTORS = 1000000,
    RTT_WARMUP = 5000,
    RTT_TRIPS = 100000,
    RSTREAM_MSGS = 1000000,
    RLARGE_MSGS = 2000,
    RFANIN_CONNS = 100,
    RFANIN_PROCS = 2,
    RFANIN_MSGS = 1000000, // all connections together
    RFANIN_BURST = 100,    // messages on one connection before the next one
    SMALL = 64,
    ONE_KIB = 1024,
    ONE_MIB = 1 << 20,
    TIME_LIMIT_S = 180, // any bench process ends itself after this
};

static inline long scaled(long n)
{
    const char *s = getenv("BENCH_SCALE");
    return s ? n * atol(s) / 100 : n;
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline void check(int ok, const char *what)
{
    if (!ok)
        die(what);
}

// One result: `peer workload value unit`.
static inline void emit(const char *peer, const char *workload, double value, const char *unit)
{
    printf(value < 1000 ? "%s %s %.2f %s\n" : "%s %s %.0f %s\n", peer, workload, value, unit);
    fflush(stdout);
}

static inline double per_second(double count, uint64_t ns)
{
    return count * 1e9 / (double)ns;
}

static inline int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static inline void emit_latency(const char *peer, uint32_t *ns, size_t n)
{
    qsort(ns, n, sizeof *ns, by_value);
    emit(peer, "remote_rtt_p50", ns[n / 2] / 1e3, "us");
    emit(peer, "remote_rtt_p99", ns[n * 99 / 100] / 1e3, "us");
    emit(peer, "remote_rtt_p99.9", ns[n * 999 / 1000] / 1e3, "us");
}

static inline size_t rss_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    check(f && fscanf(f, "%ld %ld", &pages, &resident) == 2, "statm");
    fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

// A second OS process. It ends with its parent and never outlives the time limit.
static inline pid_t start_process(void (*body)(void *), void *arg)
{
    pid_t pid = fork();
    check(pid >= 0, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(TIME_LIMIT_S);
        body(arg);
        _exit(0);
    }
    return pid;
}

static inline void wait_process(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    check(status == 0, "the other process failed");
}

// A loopback port that differs from run to run, below the ephemeral range.
static inline int pick_port(void)
{
    return 20000 + (int)(getpid() % 10000);
}

// First 8 bytes of each payload carry a sequence number, which the receiver adds up:
// so it has to look at every message, and a lost or doubled one is noticed.
static inline void put_seq(void *payload, int64_t seq)
{
    memcpy(payload, &seq, 8);
}
static inline int64_t get_seq(const void *payload)
{
    int64_t seq;
    memcpy(&seq, payload, 8);
    return seq;
}
static inline int64_t seq_sum(int64_t n)
{
    return n * (n - 1) / 2;
}

// What the three one-way workloads have in common.
typedef struct {
    const char *name;
    size_t size;
    long count;
} stream_work;
static inline stream_work stream_named(const char *name)
{
    stream_work w = {name, SMALL, scaled(RSTREAM_MSGS)};
    if (!strcmp(name, "remote_stream_1k"))
        w.size = ONE_KIB;
    if (!strcmp(name, "remote_large")) {
        w.size = ONE_MIB;
        w.count = scaled(RLARGE_MSGS);
    }
    return w;
}
static inline void emit_stream(const char *peer, stream_work w, uint64_t ns)
{
    if (w.size == ONE_MIB)
        emit(peer, w.name, (double)w.count * w.size * 1e3 / (double)ns, "MB/s");
    else
        emit(peer, w.name, per_second((double)w.count, ns), "msgs/s");
}
#endif
