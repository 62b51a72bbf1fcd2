/* SPDX-License-Identifier: MIT */
/* Looks for lost wake-ups. Producers and the owner play ping-pong with a few items, so that the owner
 * falls asleep all the time and every post races with a falling asleep; another thread only sets a
 * flag and wakes. First each is alone with the owner, where no other can make up for a lost wake-up,
 * then all together. The owner sleeps without a deadline, by futex and by eventfd: one lost wake-up and it
 * never wakes again, which the watchdog (SIGALRM) reports. No randomness. Argument: posts for each
 * producer. Ends by itself. */
#include "core/base/inbox.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PRODUCERS_MAX = 2, POSTS_DEFAULT = 20000, WATCHDOG_S = 60 };

struct item {
    struct rfi_mpsc_node node; /* first: a node is an item */
    uint32_t producer, number;
    _Atomic(bool) is_free; /* the owner is through with it */
};

struct producer {
    struct rfi_inbox *inbox;
    struct item item;
    uint32_t id, posts;
    pthread_t thread;
};

struct waker {
    struct rfi_inbox *inbox;
    uint32_t wakes;
    _Atomic(uint32_t) asked, seen;
    pthread_t thread;
};

static void cry(int signal_number)
{
    (void)signal_number;
    static const char text[] = "stress_inbox: FAILED, a wake-up was lost\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}

/* Spin first, to be there while the owner falls asleep; then let others run. */
static void pause_after(uint32_t tries)
{
    if (tries > 2000)
        (void)sched_yield();
}

/* One item in flight: each post meets an owner that is about to sleep, or just did. */
static void *produce(void *user)
{
    struct producer *self = user;
    for (uint32_t i = 0; i < self->posts; i++) {
        for (uint32_t n = 0; !atomic_load_explicit(&self->item.is_free, memory_order_acquire); n++)
            pause_after(n);
        for (volatile uint32_t wait = i % 64; wait > 0; wait--) {
            /* a different distance to the owner's falling asleep each time */
        }
        atomic_store_explicit(&self->item.is_free, false, memory_order_relaxed);
        self->item.number = i;
        rfi_inbox_post(self->inbox, &self->item.node);
    }
    return NULL;
}

static void *wake(void *user)
{
    struct waker *self = user;
    for (uint32_t i = 1; i <= self->wakes; i++) {
        atomic_store_explicit(&self->asked, i, memory_order_relaxed); /* the wake publishes it */
        rfi_inbox_wake(self->inbox);
        for (uint32_t n = 0; atomic_load_explicit(&self->seen, memory_order_acquire) < i; n++)
            pause_after(n);
    }
    return NULL;
}

static void sleep_until_work(struct rfi_inbox *inbox)
{
    if (inbox->event_fd < 0) {
        rfi_inbox_wait(inbox, UINT64_MAX);
        return;
    }
    struct pollfd entry = {.fd = inbox->event_fd, .events = POLLIN};
    if (rfi_inbox_sleep_begin(inbox)) {
        (void)poll(&entry, 1, -1);
        rfi_inbox_sleep_end(inbox);
    }
}

static bool own(struct rfi_inbox *inbox, struct waker *waker, uint32_t count, uint32_t posts)
{
    uint32_t expected[PRODUCERS_MAX] = {0};
    uint64_t left = (uint64_t)posts * count;
    uint64_t sleeps = 0;
    for (;;) {
        uint32_t asked = atomic_load_explicit(&waker->asked, memory_order_relaxed);
        atomic_store_explicit(&waker->seen, asked, memory_order_release);
        struct item *item = (struct item *)(void *)rfi_inbox_take(inbox);
        if (item != NULL) {
            if (item->number != expected[item->producer]++)
                return false;
            left--;
            atomic_store_explicit(&item->is_free, true, memory_order_release);
        } else if (left == 0 && asked == waker->wakes) {
            break;
        } else {
            sleep_until_work(inbox);
            sleeps++;
        }
    }
    printf("stress_inbox: %s, %u producers, %u posts each, %u wakes, slept %llu times: ok\n",
           inbox->event_fd < 0 ? "futex" : "eventfd", count, posts, waker->wakes,
           (unsigned long long)sleeps);
    return true;
}

static bool run(bool with_event_fd, uint32_t count, uint32_t posts, uint32_t wakes)
{
    struct rfi_inbox inbox;
    if (rfi_inbox_init(&inbox, with_event_fd) != RF_OK)
        return false;
    struct producer producers[PRODUCERS_MAX];
    struct waker waker = {.inbox = &inbox, .wakes = wakes};
    bool is_good = pthread_create(&waker.thread, NULL, wake, &waker) == 0;
    for (uint32_t p = 0; p < count && is_good; p++) {
        producers[p] = (struct producer){.inbox = &inbox, .id = p, .posts = posts};
        producers[p].item.producer = p;
        atomic_init(&producers[p].item.is_free, true);
        is_good = pthread_create(&producers[p].thread, NULL, produce, &producers[p]) == 0;
    }
    is_good = is_good && own(&inbox, &waker, count, posts);
    if (!is_good)
        _Exit(1); /* threads may still use what is on this stack */
    for (uint32_t p = 0; p < count; p++)
        (void)pthread_join(producers[p].thread, NULL);
    (void)pthread_join(waker.thread, NULL);
    rfi_inbox_fini(&inbox);
    return true;
}

int main(int argc, char **argv)
{
    uint32_t posts = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : POSTS_DEFAULT;
    (void)signal(SIGALRM, cry);
    (void)alarm(WATCHDOG_S);
    bool is_good = true;
    for (int with_event_fd = 0; with_event_fd < 2 && is_good; with_event_fd++)
        is_good = run(with_event_fd == 1, 1, posts, 0) && run(with_event_fd == 1, 0, 0, posts) &&
                  run(with_event_fd == 1, PRODUCERS_MAX, posts, posts);
    if (!is_good)
        printf("stress_inbox: FAILED\n");
    return is_good ? 0 : 1;
}
