/* SPDX-License-Identifier: MIT */
/* idle: what a reflowd costs that has nothing to do: resident memory, time to its ready line, memory of each of
 * 10,000 idle links, and the processor time that they take with heartbeats and without.
 *
 * The node is the reflowd beside this program, the peers are crowd.c's. */
#include "crowd.h"
#include "scale.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LINKS = 10000,
    SPARE_DESCRIPTORS = 64, /* for all else than links, in either process */
    STARTS = 7,             /* for the median time to ready */
    MIDDLE = STARTS / 2,
    SILENT_MS = 2000,   /* how long the processor time is looked at without heartbeats */
    SPEAKING_MS = 5000, /* and with those of the default interval */
    SETTLE_MS = 200,
};

/* ---- the node ---- */

struct node {
    pid_t pid;
    int out;
    uint16_t port;
    uint64_t ready_ns; /* from the fork to the ready line */
};

/* Settings of who started us are none of the node's. */
static void clear_settings(void)
{
    for (char **at = environ; *at != NULL;) {
        char name[128] = "";
        size_t size = strcspn(*at, "=");
        if (strncmp(*at, "REFLOW_", 7) == 0 && size < sizeof name) {
            memcpy(name, *at, size);
            (void)unsetenv(name); /* moves the others up */
        } else {
            at++;
        }
    }
}

static void exec_reflowd(int out, const char *heartbeat)
{
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof "reflowd");
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL || dup2(out, STDOUT_FILENO) < 0)
        bench_die("cannot tell where this program is");
    static const char name[] = "reflowd";
    memcpy(slash + 1, name, sizeof name); /* there is room: see readlink */
    clear_settings();
    (void)execl(path, path, "--set", "network_id=node", "--set", "bind_port=0", "--set",
                "log_level=error", "--set", "max_connections=65536", "--set",
                "pending_connections_max=65536", "--set", "pending_per_address_max=65536", "--set",
                heartbeat, (char *)NULL);
    bench_die("%s: %s", path, strerror(errno));
}

static void start_node(struct node *node, const char *heartbeat)
{
    int fds[2];
    char line[256];
    size_t size = 0;
    pid_t parent = getpid();
    uint64_t begin = bench_now_ns();
    if (pipe2(fds, O_CLOEXEC) != 0 || (node->pid = fork()) < 0)
        bench_die("no child process");
    if (node->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        (void)alarm(BENCH_PROCESS_SECONDS);
        exec_reflowd(fds[1], heartbeat);
    }
    (void)close(fds[1]);
    while (size == 0 || line[size - 1] != '\n') {
        ssize_t got = read(fds[0], line + size, sizeof line - 1 - size);
        if (got <= 0)
            bench_die("reflowd did not start");
        size += (size_t)got;
    }
    node->ready_ns = bench_now_ns() - begin;
    line[size] = '\0';
    const char *colon = strrchr(line, ':');
    node->port = colon != NULL ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
    node->out = fds[0];
}

static void stop_node(struct node *node)
{
    (void)kill(node->pid, SIGTERM);
    (void)waitpid(node->pid, NULL, 0);
    (void)close(node->out);
}

static double cpu_ns_of(const struct node *node)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(node->pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        bench_die("cannot read the processor time of reflowd");
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

/* ---- the workload ---- */

static long link_count(const struct bench *bench)
{
    struct rlimit limit;
    long count = bench_scaled(bench, LINKS);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_die("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max; /* reflowd inherits it */
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if ((rlim_t)count + SPARE_DESCRIPTORS > limit.rlim_cur)
        count = (long)limit.rlim_cur - SPARE_DESCRIPTORS;
    return count;
}

static int by_time(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void measure_start(struct bench *bench)
{
    struct node node;
    uint64_t times[STARTS];
    size_t rss = 0;
    for (size_t i = 0; i < STARTS; i++) {
        start_node(&node, "heartbeat_interval_ms=5000");
        times[i] = node.ready_ns;
        rss = bench_rss_of(node.pid);
        stop_node(&node);
    }
    qsort(times, STARTS, sizeof times[0], by_time);
    bench_result(bench, "idle_ready", (double)times[MIDDLE] / 1e6, "ms");
    bench_result(bench, "idle_rss", (double)rss / 1e6, "MB");
}

static void measure_links(struct bench *bench, long count)
{
    struct node node;
    struct bench_crowd crowd;
    start_node(&node, "heartbeat_interval_ms=3600000");
    size_t before = bench_rss_of(node.pid);
    uint64_t begin = bench_now_ns();
    double cpu = cpu_ns_of(&node);
    bench_crowd_open(&crowd, node.port, count);
    double seconds = (double)(bench_now_ns() - begin) / 1e9;
    bench_crowd_idle(&crowd, SETTLE_MS);
    bench_result(bench, "idle_accept", (double)count / seconds, "links/s");
    bench_result(bench, "idle_accept_cpu", (cpu_ns_of(&node) - cpu) / (double)count / 1e3,
                 "us/link");
    bench_result(bench, "idle_link", (double)(bench_rss_of(node.pid) - before) / (double)count,
                 "bytes/link");
    cpu = cpu_ns_of(&node);
    bench_crowd_idle(&crowd, SILENT_MS);
    bench_result(bench, "idle_cpu_silent", (cpu_ns_of(&node) - cpu) / SILENT_MS / 1e4, "%");
    bench_crowd_close(&crowd);
    stop_node(&node);
}

static void measure_heartbeats(struct bench *bench, long count)
{
    struct node node;
    struct bench_crowd crowd;
    start_node(&node, "heartbeat_interval_ms=5000");
    bench_crowd_open(&crowd, node.port, count);
    bench_crowd_idle(
        &crowd,
        SPEAKING_MS); /* the first heartbeats come together; these are counted from here on */
    crowd.heartbeats = 0;
    double cpu = cpu_ns_of(&node);
    bench_crowd_idle(&crowd, SPEAKING_MS);
    cpu = cpu_ns_of(&node) - cpu;
    bench_result(bench, "idle_cpu", cpu / SPEAKING_MS / 1e4, "%");
    if (crowd.heartbeats > 0)
        bench_result(bench, "idle_heartbeat", cpu / (double)crowd.heartbeats / 1e3, "us");
    bench_crowd_close(&crowd);
    stop_node(&node);
}

void bench_idle(struct bench *bench)
{
    long count = link_count(bench);
    measure_start(bench);
    measure_links(bench, count);
    measure_heartbeats(bench, count);
}
