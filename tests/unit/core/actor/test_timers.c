/* SPDX-License-Identifier: MIT */
/* The timers of the local network: order, removal, the end. */
#include "core/actor/timers.h"
#include "core/base/clock.h"
#include "support/rf_test.h"

#include <stdatomic.h>

enum { COUNT = 200 };

struct entry {
    struct rfi_timer timer; /* first */
    int number;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int fired[COUNT], fired_count, cancelled_count;

static void on_fire(struct rfi_timer *timer, bool is_cancelled)
{
    pthread_mutex_lock(&lock);
    if (is_cancelled)
        cancelled_count++;
    else
        fired[fired_count++] = ((struct entry *)timer)->number;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_fired(int count)
{
    pthread_mutex_lock(&lock);
    while (fired_count < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void start(struct rfi_timers *timers)
{
    fired_count = cancelled_count = 0;
    cr_assert_eq(rfi_timers_init(timers), RF_OK);
}

Test(timers, they_fire_in_the_order_of_their_deadlines, .timeout = 30)
{
    struct rfi_timers timers;
    static struct entry entries[COUNT];
    uint64_t base = rfi_clock_ns() + 20000000;
    start(&timers);

    for (int i = 0; i < COUNT; i++) {
        int number = i * 77 % COUNT; /* every number once, in no order */
        entries[i].number = number;
        rfi_timer_init(&entries[i].timer, on_fire);
        cr_assert_eq(rfi_timers_arm(&timers, &entries[i].timer, base + (uint64_t)number * 10000),
                     RF_OK);
    }
    wait_fired(COUNT);

    cr_assert_geq(rfi_clock_ns(), base);
    for (int i = 0; i < COUNT; i++)
        cr_assert_eq(fired[i], i);
    rfi_timers_stop(&timers);
    rfi_timers_fini(&timers);
}

Test(timers, a_removed_timer_does_not_fire, .timeout = 30)
{
    struct rfi_timers timers;
    struct entry entries[3];
    uint64_t now = rfi_clock_ns();
    start(&timers);
    for (int i = 0; i < 3; i++) {
        entries[i].number = i;
        rfi_timer_init(&entries[i].timer, on_fire);
    }
    cr_assert_eq(rfi_timers_arm(&timers, &entries[0].timer, now + 3600000000000U), RF_OK);
    cr_assert_eq(rfi_timers_arm(&timers, &entries[1].timer, now + 3600000000000U), RF_OK);

    cr_assert(rfi_timers_remove(&timers, &entries[0].timer));
    cr_assert_not(rfi_timers_remove(&timers, &entries[0].timer));
    cr_assert_eq(rfi_timers_arm(&timers, &entries[2].timer, now), RF_OK);
    wait_fired(1);
    cr_assert_eq(fired[0], 2);
    cr_assert_not(rfi_timers_remove(&timers, &entries[2].timer));

    rfi_timers_stop(&timers); /* what is left is fired as cancelled */
    cr_assert_eq(cancelled_count, 1);
    cr_assert_eq(rfi_timers_arm(&timers, &entries[0].timer, now), RF_ECLOSED);
    rfi_timers_stop(&timers);
    rfi_timers_fini(&timers);
}
