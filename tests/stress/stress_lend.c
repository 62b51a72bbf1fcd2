/* SPDX-License-Identifier: MIT */
/* All that happens to an inbox that is lent, at once: posters that wake, posters that promise and stand in, posters that
 * promise and leave it to a watcher, wakes without an item, and an owner with deadlines. One owner at a time, each
 * item taken once; a lost one stops the program, which the watchdog (SIGALRM) reports. stress_lending has the same with
 * fewer parts, for a sharper aim. Argument: posts for each thread. */
#include "core/base/clock.h"
#include "core/base/inbox.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOUD, LENDER, OTHER_LENDER, FORGETFUL, POSTERS, POSTS_DEFAULT = 30000, WATCHDOG_S = 100 };

struct item {
    struct rfi_mpsc_node node; /* first: a node is an item */
    uint32_t number, seen;     /* seen: owner: who owns the inbox */
    _Atomic(bool) is_free;
};

struct poster {
    struct item item;
    int kind;
    pthread_t thread;
};

static struct rfi_inbox inbox;
static struct poster posters[POSTERS];
static _Atomic(bool) is_over, are_posters_over, inside;
static _Atomic(uint64_t) wishes, seen_wishes;
static uint64_t taken, lent, timed_out; /* owner: who owns the inbox */
static uint32_t posts = POSTS_DEFAULT;

static _Noreturn void cry(const char *text, size_t size)
{
    (void)!write(STDERR_FILENO, text, size);
    _exit(1);
}
#define CRY(text) cry("stress_lend: FAILED, " text "\n", sizeof "stress_lend: FAILED, " text)

static void on_alarm(int signal_number)
{
    (void)signal_number;
    CRY("an item was lost");
}

/* By the owner, or who stands in for it. */
static void take_all(bool is_lent)
{
    if (atomic_exchange_explicit(&inside, true, memory_order_relaxed))
        CRY("two owners");
    struct rfi_mpsc_node *node = NULL;
    while ((node = rfi_inbox_take(&inbox)) != NULL) {
        struct item *item = (struct item *)(void *)node;
        if (item->number != ++item->seen)
            CRY("an item came twice, or too late");
        taken++;
        lent += is_lent;
        atomic_store_explicit(&item->is_free, true, memory_order_release);
    }
    atomic_store_explicit(&inside, false, memory_order_relaxed);
}

static void stand_in(uint32_t turn)
{
    if (!rfi_inbox_has(&inbox) || !rfi_inbox_borrow(&inbox))
        return; /* somebody is awake, and sees it */
    do
        take_all(true);
    while (!rfi_inbox_give_back(&inbox, turn % 16 == 0));
}

static void *post(void *arg)
{
    struct poster *poster = arg;
    struct item *item = &poster->item;
    for (uint32_t i = 0; i < posts; i++) {
        for (uint32_t n = 0; !atomic_load_explicit(&item->is_free, memory_order_acquire); n++)
            if (n > 500)
                (void)sched_yield();
        atomic_store_explicit(&item->is_free, false, memory_order_relaxed);
        item->number++;
        for (volatile uint32_t wait = i % 64; wait > 0; wait--) {
            /* a different distance to the owner's falling asleep each time */
        }
        if (poster->kind == LOUD) {
            rfi_inbox_post(&inbox, &item->node);
        } else {
            rfi_inbox_post_quietly(&inbox, &item->node);
            if (poster->kind != FORGETFUL)
                stand_in(i);
        }
    }
    return NULL;
}

/* What is late at two looks is taken out of the hands of who promised it. */
static void *watch(void *arg)
{
    bool was_late = false;
    (void)arg;
    while (!atomic_load_explicit(&are_posters_over, memory_order_acquire)) {
        bool is_late = rfi_inbox_is_late(&inbox);
        if (was_late && is_late)
            rfi_inbox_wake(&inbox);
        was_late = is_late;
        (void)sched_yield();
    }
    return NULL;
}

/* Wishes are no items: the owner itself must see each, whoever stands in. */
static void *wish(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&are_posters_over, memory_order_acquire)) {
        uint64_t mine = atomic_fetch_add_explicit(&wishes, 1, memory_order_relaxed) + 1;
        rfi_inbox_wake(&inbox);
        while (atomic_load_explicit(&seen_wishes, memory_order_relaxed) < mine)
            (void)sched_yield();
    }
    return NULL;
}

static void *own(void *arg)
{
    (void)arg;
    for (uint32_t turn = 0; !atomic_load_explicit(&is_over, memory_order_acquire); turn++) {
        take_all(false);
        atomic_store_explicit(&seen_wishes, atomic_load_explicit(&wishes, memory_order_relaxed),
                              memory_order_relaxed);
        uint64_t until_ns = turn % 3 == 0   ? UINT64_MAX
                            : turn % 3 == 1 ? rfi_clock_ns() + 20000
                                            : rfi_clock_ns() + 1000;
        rfi_inbox_wait(&inbox, until_ns);
        timed_out += until_ns != UINT64_MAX && rfi_clock_ns() >= until_ns;
    }
    take_all(false);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t owner;
    pthread_t watcher;
    pthread_t wisher;
    if (argc > 1)
        posts = (uint32_t)strtoul(argv[1], NULL, 10);
    (void)signal(SIGALRM, on_alarm);
    (void)alarm(WATCHDOG_S);
    if (rfi_inbox_init(&inbox, false) != RF_OK || pthread_create(&owner, NULL, own, NULL) != 0 ||
        pthread_create(&watcher, NULL, watch, NULL) != 0 ||
        pthread_create(&wisher, NULL, wish, NULL) != 0)
        return 1;
    for (int i = 0; i < POSTERS; i++) {
        posters[i].kind = i;
        atomic_init(&posters[i].item.is_free, true);
        if (pthread_create(&posters[i].thread, NULL, post, &posters[i]) != 0)
            return 1;
    }
    for (int i = 0; i < POSTERS; i++) {
        (void)pthread_join(posters[i].thread, NULL);
        while (!atomic_load_explicit(&posters[i].item.is_free, memory_order_acquire))
            (void)sched_yield();
    }
    atomic_store_explicit(&are_posters_over, true, memory_order_release);
    (void)pthread_join(watcher, NULL);
    (void)pthread_join(wisher, NULL);
    atomic_store_explicit(&is_over, true, memory_order_release);
    rfi_inbox_wake(&inbox);
    (void)pthread_join(owner, NULL);
    rfi_inbox_fini(&inbox);
    bool is_good = taken == (uint64_t)posts * POSTERS;
    printf("stress_lend: %u posts each, %llu taken, %llu of them by who stood in, %llu deadlines: "
           "%s\n",
           posts, (unsigned long long)taken, (unsigned long long)lent,
           (unsigned long long)timed_out, is_good ? "ok" : "FAILED");
    return is_good ? 0 : 1;
}
