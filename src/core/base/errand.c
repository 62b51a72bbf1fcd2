/* SPDX-License-Identifier: MIT */
/* The list of errands of each thread (errand.h). It belongs to its thread; there is nothing to lock. */
#include "core/base/errand.h"

#include <stddef.h>
#include <string.h>

_Thread_local struct rfi_errands rfi_errands __attribute__((tls_model("initial-exec")));

enum rfi_errand_added rfi_errands_add(void (*run)(void *arg), void *arg)
{
    struct rfi_errands *errands = &rfi_errands;
    if (!errands->is_open)
        return RFI_ERRAND_REFUSED;
    for (unsigned i = 0; i < errands->count; i++)
        if (errands->list[i].arg == arg && errands->list[i].run == run)
            return RFI_ERRAND_KNOWN;
    if (errands->count == RFI_ERRANDS_MAX)
        return RFI_ERRAND_REFUSED;
    errands->list[errands->count++] = (struct rfi_errand){.run = run, .arg = arg};
    return RFI_ERRAND_ADDED;
}

void rfi_errands_run_all(void)
{
    struct rfi_errands *errands = &rfi_errands;
    struct rfi_errand due[RFI_ERRANDS_MAX];
    unsigned count = errands->count;
    /* Those that come meanwhile, or come back for more time, have their turn at the next pause. */
    memcpy(due, errands->list, count * sizeof due[0]);
    errands->count = 0;
    for (unsigned i = 0; i < count; i++)
        due[i].run(due[i].arg);
}

/* ---- watches ---- */

void rfi_watch_enter(void)
{
    struct rfi_watch *watch = rfi_errands.watch;
    if (watch == NULL)
        return;
    /* relaxed: the number is ours while we are not INSIDE; the watcher changes the low bits alone */
    uint64_t word = atomic_load_explicit(&watch->word, memory_order_relaxed);
    rfi_errands.inside = (word / RFI_WATCH_STATES + 1) * RFI_WATCH_STATES + RFI_WATCH_INSIDE;
    /* [WT1] release: what this thread did to all that it may lose; pairs with the acquire in revoke
     * [WT2] the exchange: pairs with the one in rest, which comes before and is seen, or after and sees us */
    word = atomic_exchange_explicit(&watch->word, rfi_errands.inside, memory_order_acq_rel);
    if (word % RFI_WATCH_STATES == RFI_WATCH_RESTING)
        watch->rouse(watch->watcher);
}

bool rfi_watch_leave(void)
{
    struct rfi_watch *watch = rfi_errands.watch;
    uint64_t word = rfi_errands.inside;
    rfi_errands.inside = 0;
    if (watch == NULL)
        return !rfi_errands.is_revoked;
    /* [WT1] relaxed: the word is as we left it, so nothing was taken from us; a successor's is another one */
    if (atomic_compare_exchange_strong_explicit(&watch->word, &word, word - RFI_WATCH_INSIDE,
                                                memory_order_relaxed, memory_order_relaxed))
        return true;
    rfi_errands.is_revoked = true;
    rfi_errands.watch = NULL;
    return false;
}

uint64_t rfi_watch_look(const struct rfi_watch *watch)
{
    return atomic_load_explicit(&watch->word, memory_order_relaxed); /* a number to compare */
}

bool rfi_watch_revoke(struct rfi_watch *watch, uint64_t word)
{
    /* [WT1] acquire: pairs with the release in enter */
    return word % RFI_WATCH_STATES == RFI_WATCH_INSIDE &&
           atomic_compare_exchange_strong_explicit(&watch->word, &word,
                                                   word - RFI_WATCH_INSIDE + RFI_WATCH_REVOKED,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

bool rfi_watch_rest(struct rfi_watch *watch)
{
    uint64_t word =
        atomic_load_explicit(&watch->word, memory_order_relaxed); /* the exchange decides */
    uint64_t state = word % RFI_WATCH_STATES;
    if (state == RFI_WATCH_RESTING)
        return true;
    /* [WT2] acq_rel: see enter */
    return state != RFI_WATCH_INSIDE && atomic_compare_exchange_strong_explicit(
                                            &watch->word, &word, word - state + RFI_WATCH_RESTING,
                                            memory_order_acq_rel, memory_order_relaxed);
}
