/* SPDX-License-Identifier: MIT */
/* Errands: what a thread has promised to do at its next pause, instead of waking another thread for it.
 *
 * Waking a sleeping thread costs a system call here and some ten microseconds there; running the next stage on the
 * thread that holds the message costs a function call. So a thread that comes back to its loop soon (an actor
 * worker after an activation, an I/O loop after a round of events) opens a list, and who would wake a
 * sleeping owner may leave an errand there. It runs when the thread pauses, with nothing of its own
 * half-done. No other thread sees the list. */
#ifndef RFI_ERRAND_H
#define RFI_ERRAND_H

#include <stdbool.h>

enum { RFI_ERRANDS_MAX = 8 };

struct rfi_errand {
    void (*run)(void *arg);
    void *arg;
};

struct rfi_errands {
    struct rfi_errand list[RFI_ERRANDS_MAX];
    unsigned count;
    bool is_open;
};

extern _Thread_local struct rfi_errands rfi_errands __attribute__((tls_model("initial-exec")));

enum rfi_errand_added {
    RFI_ERRAND_REFUSED, /* this thread runs none, or has too many: wake the owner */
    RFI_ERRAND_ADDED,
    RFI_ERRAND_KNOWN /* the same one is on the list already */
};

enum rfi_errand_added rfi_errands_add(void (*run)(void *arg), void *arg);
void rfi_errands_run_all(void);

/* At a pause: run what there is. */
static inline void rfi_errands_run(void)
{
    if (__builtin_expect(rfi_errands.count > 0, 0))
        rfi_errands_run_all();
}

#endif
