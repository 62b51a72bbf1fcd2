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
