/* SPDX-License-Identifier: MIT */
/* Looks for two owners of one inbox, and for items that nobody takes. Two threads post quietly and then try to stand in
 * for the owner, which falls asleep all the time; whoever owns the inbox says so in `inside`, and takes what is
 * there. One item of each thread is on its way, so a lost one stops the program, which the watchdog (SIGALRM) reports.
 * Argument: posts for each thread. */
#include "core/base/inbox.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LENDERS = 2, POSTS_DEFAULT = 100000, WATCHDOG_S = 60 };

struct item {
    struct rfi_mpsc_node node; /* first: a node is an item */
    _Atomic(bool) is_free;
};

static struct rfi_inbox inbox;
static struct item items[LENDERS];
static _Atomic(bool) is_over, inside;
static uint64_t taken; /* owner: who owns the inbox */
static uint64_t lent;  /* likewise */
static uint32_t posts = POSTS_DEFAULT;

static _Noreturn void cry(const char *text, size_t size)
{
    (void)!write(STDERR_FILENO, text, size);
    _exit(1);
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    static const char text[] = "stress_lending: FAILED, an item was lost\n";
    cry(text, sizeof text - 1);
}

/* By the owner, or who stands in for it. */
static void take_all(bool is_lent)
{
    static const char text[] = "stress_lending: FAILED, two owners\n";
    if (atomic_exchange_explicit(&inside, true, memory_order_relaxed))
        cry(text, sizeof text - 1);
    struct rfi_mpsc_node *node = NULL;
    while ((node = rfi_inbox_take(&inbox)) != NULL) {
        taken++;
        lent += is_lent;
        atomic_store_explicit(&((struct item *)(void *)node)->is_free, true, memory_order_release);
    }
    atomic_store_explicit(&inside, false, memory_order_relaxed);
}

static void *post(void *arg)
{
    struct item *item = arg;
    for (uint32_t i = 0; i < posts; i++) {
        for (uint32_t n = 0; !atomic_load_explicit(&item->is_free, memory_order_acquire); n++)
            if (n > 2000)
                (void)sched_yield();
        atomic_store_explicit(&item->is_free, false, memory_order_relaxed);
        for (volatile uint32_t wait = i % 64; wait > 0; wait--) {
            /* a different distance to the owner's falling asleep each time */
        }
        rfi_inbox_post_quietly(&inbox, &item->node);
        if (!rfi_inbox_has(&inbox) || !rfi_inbox_borrow(&inbox))
            continue; /* somebody is awake, and sees it */
        do
            take_all(true);
        while (!rfi_inbox_give_back(&inbox, i % 8 == 0));
    }
    return NULL;
}

static void *own(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&is_over, memory_order_acquire)) {
        take_all(false);
        rfi_inbox_wait(&inbox, UINT64_MAX);
    }
    take_all(false);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t owner;
    pthread_t threads[LENDERS];
    if (argc > 1)
        posts = (uint32_t)strtoul(argv[1], NULL, 10);
    (void)signal(SIGALRM, on_alarm);
    (void)alarm(WATCHDOG_S);
    if (rfi_inbox_init(&inbox, false) != RF_OK || pthread_create(&owner, NULL, own, NULL) != 0)
        return 1;
    for (int i = 0; i < LENDERS; i++) {
        atomic_init(&items[i].is_free, true);
        if (pthread_create(&threads[i], NULL, post, &items[i]) != 0)
            return 1;
    }
    for (int i = 0; i < LENDERS; i++)
        (void)pthread_join(threads[i], NULL);
    atomic_store_explicit(&is_over, true, memory_order_release);
    rfi_inbox_wake(&inbox);
    (void)pthread_join(owner, NULL);
    rfi_inbox_fini(&inbox);
    bool is_good = taken == (uint64_t)posts * LENDERS;
    printf("stress_lending: %u posts each, %llu taken, %llu of them by who stood in: %s\n", posts,
           (unsigned long long)taken, (unsigned long long)lent, is_good ? "ok" : "FAILED");
    return is_good ? 0 : 1;
}
