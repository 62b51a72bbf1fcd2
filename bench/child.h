/* SPDX-License-Identifier: MIT */
/* One measurement in a process of its own: bounded in time, its lines read as they come, and how much of the
 * machine others used meanwhile. A measurement so begins with a fresh memory and cannot end the others. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>

/* Above this share of the machine in the hands of others a result deserves no trust. */
enum { BENCH_OTHERS_PERCENT_MAX = 15 };

struct bench_child {
    /* set by the caller */
    void (*body)(void *arg); /* runs in the child, whose stdout is read; returning is exit code 0 */
    void *arg;
    unsigned limit_s;
    bool
        is_heard; /* the child's stderr stays where ours goes; else its last line says why it failed */
    void (*on_line)(void *user, char *line); /* without the end of line */
    void (*on_tick)(void *user);             /* a few times a second; may be NULL */
    void *user;

    /* set by bench_child_run */
    char why[200];         /* it failed; empty when all is well */
    bool is_late;          /* because it took too long */
    double others_percent; /* of the machine, used by processes that are not ours */
    double seconds;
};

/* Run it to its end. Before this process has any thread, since it forks. Nothing that the child started
 * is left when it returns. False if it failed. */
bool bench_child_run(struct bench_child *child);

/* From now on SIGINT and SIGTERM end the running child, and are remembered. */
void bench_child_watch_signals(void);
bool bench_child_is_interrupted(void);

#endif
