/* SPDX-License-Identifier: MIT */
/* Measurements in processes of their own.
 *
 * The child leads a process group, which is signalled as a whole. What leaves the group (timeout(1) makes
 * one of its own) comes to us when its parent ends, since we are the subreaper, and is ended then; its
 * processor time is counted as ours.
 *
 * One child at a time; all state is on the stack of bench_child_run, but for the flag of the signals. */
#include "child.h"
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_SIZE = 512, TICK_MS = 200, GRACE_MS = 3000 };

/* A pipe and the piece of a line that has not ended yet. */
struct stream {
    int fd; /* -1: at its end */
    char line[LINE_SIZE];
    size_t size;
};

struct run {
    struct bench_child *child;
    pid_t pid;
    int pidfd;
    struct stream out;
    struct stream err;
    char said[LINE_SIZE]; /* the last line on stderr */
    bool has_ended;
    int status;
    double own_s; /* processor time of all that was ours */
};

static volatile sig_atomic_t was_interrupted;

static void on_signal(int number)
{
    (void)number;
    was_interrupted = 1;
}

void bench_child_watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGINT, &action, NULL); /* fails for numbers that do not exist only */
    (void)sigaction(SIGTERM, &action, NULL);
}

bool bench_child_is_interrupted(void)
{
    return was_interrupted != 0;
}

/* ---- how busy the machine is ---- */

/* Of all cores together, from the first line of /proc/stat; 0 if it cannot be read. */
static double busy_seconds(void)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELD_COUNT };
    unsigned long long fields[FIELD_COUNT];
    char line[256] = "";
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL)
        return 0;
    char *at = fgets(line, sizeof line, file);
    (void)fclose(file);
    if (at == NULL || strncmp(at, "cpu ", 4) != 0)
        return 0;
    at += 4;
    for (int i = 0; i < FIELD_COUNT; i++)
        fields[i] = strtoull(at, &at, 10);
    return (double)(fields[USER] + fields[NICE] + fields[SYSTEM] + fields[IRQ] + fields[SOFTIRQ] +
                    fields[STEAL]) /
           (double)sysconf(_SC_CLK_TCK);
}

static double seconds_of(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

/* The kernel counts in ticks, so that two a core are rounding: of a short measurement they would be much. */
static double share_of_others(double busy_s, double own_s, double wall_s)
{
    double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    double rounding_s = 2 * cores / (double)sysconf(_SC_CLK_TCK);
    double machine_s = wall_s * cores;
    double percent = machine_s > 0 ? 100 * (busy_s - own_s - rounding_s) / machine_s : 0;
    return percent < 0 ? 0 : percent > 100 ? 100 : percent;
}

/* ---- the child ---- */

_Noreturn static void be_child(const struct bench_child *child, int out, int err)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        (!child->is_heard && dup2(err, STDERR_FILENO) < 0))
        bench_die("cannot set up a child process");
    child->body(child->arg);
    exit(0); /* not _exit: leaks are looked for at exit */
}

static bool start(struct run *run)
{
    int out[2];
    int err[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return false;
    if (pipe2(err, O_CLOEXEC) != 0) {
        (void)close(out[0]);
        (void)close(out[1]);
        return false;
    }
    (void)fflush(NULL); /* or the child would print again what waits here */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    run->pid = fork();
    if (run->pid == 0)
        be_child(run->child, out[1], err[1]);
    (void)close(out[1]);
    (void)close(err[1]);
    run->out.fd = out[0];
    run->err.fd = err[0];
    if (run->pid < 0)
        return false;
    (void)setpgid(run->pid, run->pid); /* both do it: whoever is first */
    run->pidfd = pidfd_open(run->pid, 0);
    return run->pidfd >= 0;
}

/* ---- its lines ---- */

static void give_line(struct run *run, struct stream *stream)
{
    stream->line[stream->size] = '\0';
    stream->size = 0;
    if (stream == &run->out)
        run->child->on_line(run->child->user, stream->line);
    else if (stream->line[0] != '\0')
        memcpy(run->said, stream->line, sizeof run->said);
}

static void read_stream(struct run *run, struct stream *stream)
{
    char bytes[4096];
    ssize_t count = read(stream->fd, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR)
        return;
    if (count <= 0) {
        (void)close(stream->fd);
        stream->fd = -1;
        if (stream->size > 0)
            give_line(run, stream);
        return;
    }
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            give_line(run, stream);
        else if (stream->size + 1 < LINE_SIZE) /* what is longer is no result */
            stream->line[stream->size++] = bytes[i];
    }
}

/* Whatever is in the pipes now; somebody else may still hold their other ends. */
static void drain(struct run *run)
{
    struct stream *streams[] = {&run->out, &run->err};
    for (size_t i = 0; i < 2; i++) {
        struct pollfd fd = {.fd = streams[i]->fd, .events = POLLIN};
        while (streams[i]->fd >= 0 && poll(&fd, 1, 0) > 0)
            read_stream(run, streams[i]);
        if (streams[i]->size > 0)
            give_line(run, streams[i]);
    }
}

/* ---- its end ---- */

/* Collect whatever has ended: the child, and what came to us from it. False when there is nobody left. */
static bool reap(struct run *run)
{
    for (;;) {
        struct rusage usage;
        int status = 0;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid == 0)
            return true;
        if (pid < 0)
            return false;
        run->own_s += seconds_of(&usage);
        if (pid == run->pid) {
            run->has_ended = true;
            run->status = status;
        }
    }
}

/* Signal every process whose parent we are. */
static void signal_children(int number)
{
    char path[64];
    char line[4096] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    char *at = fgets(line, sizeof line, file);
    (void)fclose(file);
    while (at != NULL) {
        char *end = at;
        long pid = strtol(at, &end, 10);
        if (end == at || pid <= 0)
            return;
        (void)kill((pid_t)pid, number); /* it may have ended: then there is nothing to do */
        at = end;
    }
}

/* End what is left, first politely. It is over when we have no child any more. */
static void end_all(struct run *run)
{
    uint64_t begin = bench_now_ns();
    bool is_polite = true;
    while (reap(run)) {
        bool is_late = bench_now_ns() - begin > (uint64_t)GRACE_MS * 1000000;
        if (is_polite || is_late) {
            if (!run->has_ended)
                (void)kill(-run->pid, is_late ? SIGKILL : SIGTERM);
            signal_children(is_late ? SIGKILL : SIGTERM);
            is_polite = false;
        }
        (void)poll(NULL, 0, 10); /* nothing tells of the end of a grandchild but asking */
    }
}

static void say(struct bench_child *child, const char *said, const char *format, ...)
    RF_PRINTF(3, 4);

static void say(struct bench_child *child, const char *said, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(child->why, sizeof child->why, format, arguments);
    va_end(arguments);
    if (size > 0 && (size_t)size < sizeof child->why && said[0] != '\0')
        (void)snprintf(child->why + size, sizeof child->why - (size_t)size, ": %s", said);
}

static void judge(const struct run *run)
{
    struct bench_child *child = run->child;
    if (bench_child_is_interrupted())
        say(child, "", "interrupted");
    else if (child->is_late)
        say(child, run->said, "not finished within %u s", child->limit_s);
    else if (WIFSIGNALED(run->status))
        say(child, run->said, "ended by signal %d (%s)", WTERMSIG(run->status),
            strsignal(WTERMSIG(run->status)));
    else if (WEXITSTATUS(run->status) != 0)
        say(child, run->said, "exit code %d", WEXITSTATUS(run->status));
}

bool bench_child_run(struct bench_child *child)
{
    struct run run = {.child = child, .pidfd = -1, .out.fd = -1, .err.fd = -1};
    uint64_t begin = bench_now_ns();
    uint64_t end = begin + (uint64_t)child->limit_s * 1000000000;
    double busy = busy_seconds();
    child->why[0] = '\0';
    child->is_late = false;
    if (!start(&run)) {
        say(child, strerror(errno), "cannot start a process");
        goto out;
    }
    while (!run.has_ended && bench_now_ns() < end && !bench_child_is_interrupted()) {
        struct pollfd fds[] = {{.fd = run.out.fd, .events = POLLIN},
                               {.fd = run.err.fd, .events = POLLIN},
                               {.fd = run.pidfd, .events = POLLIN}};
        int ready = poll(fds, 3, TICK_MS); /* an fd of -1 is passed over */
        if (ready > 0 && fds[0].revents != 0)
            read_stream(&run, &run.out);
        if (ready > 0 && fds[1].revents != 0)
            read_stream(&run, &run.err);
        if (ready > 0 && fds[2].revents != 0)
            (void)reap(&run);
        if (ready == 0 && child->on_tick != NULL)
            child->on_tick(child->user);
    }
    child->is_late = !run.has_ended;
    child->seconds = (double)(bench_now_ns() - begin) / 1e9;
    busy = busy_seconds() - busy;
    end_all(&run);
    drain(&run);
    child->others_percent = share_of_others(busy, run.own_s, child->seconds);
    judge(&run);
out:
    if (run.out.fd >= 0)
        (void)close(run.out.fd);
    if (run.err.fd >= 0)
        (void)close(run.err.fd);
    if (run.pidfd >= 0)
        (void)close(run.pidfd);
    return child->why[0] == '\0';
}
