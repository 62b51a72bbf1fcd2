/* SPDX-License-Identifier: MIT */
/* Single steps of the sleep protocol; races are the business of tests/stress/stress_inbox.c. */
#include "core/base/clock.h"
#include "core/base/inbox.h"
#include "support/rf_test.h"

#include <poll.h>
#include <pthread.h>

static bool is_signalled(const struct rfi_inbox *inbox)
{
    struct pollfd entry = {.fd = inbox->event_fd, .events = POLLIN};
    return poll(&entry, 1, 0) == 1;
}

Test(inbox, an_awake_owner_costs_no_signal)
{
    struct rfi_inbox inbox;
    struct rfi_mpsc_node node;
    cr_assert_eq(rfi_inbox_init(&inbox, true), RF_OK);
    rfi_inbox_post(&inbox, &node);
    cr_assert_not(is_signalled(&inbox));
    cr_assert_eq(rfi_inbox_take(&inbox), &node);
    cr_assert_null(rfi_inbox_take(&inbox));
    rfi_inbox_fini(&inbox);
}

Test(inbox, there_is_no_sleep_over_an_item)
{
    struct rfi_inbox inbox;
    struct rfi_mpsc_node node;
    cr_assert_eq(rfi_inbox_init(&inbox, true), RF_OK);
    rfi_inbox_post(&inbox, &node);
    cr_assert_not(rfi_inbox_sleep_begin(&inbox));
    cr_assert_eq(rfi_inbox_take(&inbox), &node);
    cr_assert(rfi_inbox_sleep_begin(&inbox));
    rfi_inbox_sleep_end(&inbox);
    rfi_inbox_fini(&inbox);
}

Test(inbox, a_sleeping_owner_is_signalled_once)
{
    struct rfi_inbox inbox;
    struct rfi_mpsc_node nodes[3];
    cr_assert_eq(rfi_inbox_init(&inbox, true), RF_OK);
    cr_assert(rfi_inbox_sleep_begin(&inbox));
    for (int i = 0; i < 3; i++)
        rfi_inbox_post(&inbox, &nodes[i]);
    rfi_inbox_wake(&inbox);
    cr_assert(is_signalled(&inbox));
    rfi_inbox_sleep_end(&inbox);
    cr_assert_not(is_signalled(&inbox));
    cr_assert_eq(inbox.signals_due, 0U);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(rfi_inbox_take(&inbox), &nodes[i]);
    cr_assert(rfi_inbox_sleep_begin(&inbox)); /* the wake-up was taken with the rest */
    rfi_inbox_sleep_end(&inbox);
    rfi_inbox_fini(&inbox);
}

Test(inbox, a_wake_of_an_awake_owner_keeps_it_from_sleeping_once)
{
    for (int with_event_fd = 0; with_event_fd < 2; with_event_fd++) {
        struct rfi_inbox inbox;
        cr_assert_eq(rfi_inbox_init(&inbox, with_event_fd == 1), RF_OK);
        rfi_inbox_wake(&inbox);
        rfi_inbox_wake(&inbox);
        cr_assert_not(rfi_inbox_sleep_begin(&inbox));
        rfi_inbox_sleep_end(&inbox); /* does nothing: there was no sleep */
        cr_assert(rfi_inbox_sleep_begin(&inbox));
        rfi_inbox_sleep_end(&inbox);
        rfi_inbox_fini(&inbox);
    }
}

Test(inbox, waiting_ends_at_the_deadline, .timeout = 30)
{
    struct rfi_inbox inbox;
    cr_assert_eq(rfi_inbox_init(&inbox, false), RF_OK);
    uint64_t deadline_ns = rfi_clock_ns() + 2000000;
    rfi_inbox_wait(&inbox, deadline_ns);
    cr_assert_geq(rfi_clock_ns(), deadline_ns);
    rfi_inbox_wait(&inbox, 0); /* long over */
    rfi_inbox_fini(&inbox);
}

static void *post_one(void *user)
{
    struct rfi_inbox *inbox = user;
    static struct rfi_mpsc_node node;
    rfi_inbox_post(inbox, &node);
    return NULL;
}

Test(inbox, waiting_ends_with_an_item, .timeout = 30)
{
    struct rfi_inbox inbox;
    cr_assert_eq(rfi_inbox_init(&inbox, false), RF_OK);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, post_one, &inbox), 0);
    struct rfi_mpsc_node *item;
    while ((item = rfi_inbox_take(&inbox)) == NULL)
        rfi_inbox_wait(&inbox, UINT64_MAX);
    cr_assert_not_null(item);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    rfi_inbox_fini(&inbox);
}

/* ---- lending ---- */

/* An owner that has fallen asleep, as far as others can see: this thread plays all parts. */
static void fall_asleep(struct rfi_inbox *inbox)
{
    cr_assert_eq(rfi_inbox_init(inbox, false), RF_OK);
    cr_assert(rfi_inbox_sleep_begin(inbox));
    cr_assert(rfi_inbox_is_asleep(inbox));
}

Test(inbox, only_an_owner_that_sleeps_is_stood_in_for_and_by_one)
{
    struct rfi_inbox inbox;
    cr_assert_eq(rfi_inbox_init(&inbox, false), RF_OK);
    cr_assert_not(rfi_inbox_borrow(&inbox));
    rfi_inbox_fini(&inbox);
    fall_asleep(&inbox);
    cr_assert(rfi_inbox_borrow(&inbox));
    cr_assert_not(rfi_inbox_is_asleep(&inbox));
    cr_assert_not(rfi_inbox_borrow(&inbox));
    cr_assert(rfi_inbox_give_back(&inbox, false));
    cr_assert(rfi_inbox_is_asleep(&inbox));
    cr_assert(rfi_inbox_borrow(&inbox));
    cr_assert(rfi_inbox_give_back(&inbox, true));
    cr_assert_not(rfi_inbox_borrow(&inbox)); /* it is woken, and will look */
    rfi_inbox_sleep_end(&inbox);
    rfi_inbox_fini(&inbox);
}

Test(inbox, what_is_posted_to_who_stands_in_is_taken_before_the_place_goes_back)
{
    struct rfi_inbox inbox;
    struct rfi_mpsc_node nodes[2];
    fall_asleep(&inbox);
    rfi_inbox_post_quietly(&inbox, &nodes[0]);
    cr_assert(rfi_inbox_is_asleep(&inbox));
    cr_assert(rfi_inbox_is_late(&inbox));
    cr_assert(rfi_inbox_has(&inbox));
    cr_assert(rfi_inbox_borrow(&inbox));
    cr_assert_not(rfi_inbox_is_late(&inbox));
    cr_assert_eq(rfi_inbox_take(&inbox), &nodes[0]);
    rfi_inbox_post(&inbox, &nodes[1]); /* wakes nobody */
    cr_assert_not(rfi_inbox_give_back(&inbox, false));
    cr_assert_eq(rfi_inbox_take(&inbox), &nodes[1]);
    cr_assert(rfi_inbox_give_back(&inbox, false));
    cr_assert(rfi_inbox_is_asleep(&inbox));
    cr_assert_not(rfi_inbox_has(&inbox));
    rfi_inbox_sleep_end(&inbox);
    rfi_inbox_fini(&inbox);
}

Test(inbox, a_wake_while_somebody_stands_in_reaches_the_owner)
{
    struct rfi_inbox inbox;
    fall_asleep(&inbox);
    cr_assert(rfi_inbox_borrow(&inbox));
    rfi_inbox_wake(&inbox);
    rfi_inbox_wake(&inbox);
    cr_assert_not(rfi_inbox_borrow(&inbox));
    cr_assert(rfi_inbox_give_back(&inbox, false));
    cr_assert_not(rfi_inbox_is_asleep(&inbox)); /* notified, not asleep again */
    cr_assert_not(rfi_inbox_borrow(&inbox));
    rfi_inbox_sleep_end(&inbox);
    cr_assert(rfi_inbox_sleep_begin(&inbox)); /* and that was all */
    rfi_inbox_sleep_end(&inbox);
    rfi_inbox_fini(&inbox);
}

struct lender {
    struct rfi_inbox inbox;
    uint64_t deadline_ns;
    _Atomic(bool) is_back;
};

static void *sleep_until_deadline(void *user)
{
    struct lender *lender = user;
    rfi_inbox_wait(&lender->inbox, lender->deadline_ns);
    atomic_store_explicit(&lender->is_back, true, memory_order_release);
    return NULL;
}

/* The deadline passes while somebody stands in: the owner asks for its place, and has it only then. */
Test(inbox, an_owner_whose_deadline_passes_waits_for_who_stands_in, .timeout = 30)
{
    struct lender lender = {.deadline_ns = rfi_clock_ns() + 5000000};
    pthread_t thread;
    cr_assert_eq(rfi_inbox_init(&lender.inbox, false), RF_OK);
    cr_assert_eq(pthread_create(&thread, NULL, sleep_until_deadline, &lender), 0);
    /* When the deadline passes before we come, it is back already: nothing to see then. */
    while (!rfi_inbox_borrow(&lender.inbox))
        if (atomic_load_explicit(&lender.is_back, memory_order_acquire))
            goto out;
    while (rfi_clock_ns() <
           lender.deadline_ns + 1000000) /* not asleep, nor waited for: the clock goes on */
        continue;
    cr_assert_not(atomic_load_explicit(&lender.is_back, memory_order_acquire));
    while (!rfi_inbox_give_back(&lender.inbox, false))
        continue;
out:
    cr_assert_eq(pthread_join(thread, NULL), 0);
    rfi_inbox_fini(&lender.inbox);
}
