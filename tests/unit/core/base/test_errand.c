/* SPDX-License-Identifier: MIT */
/* Lists of errands, and the single steps of a watch; races are the business of tests/stress/stress_guest.c. */
#include "core/base/errand.h"
#include "support/rf_test.h"

static int ran[16];

static void run(void *arg)
{
    ++*(int *)arg;
}

static void run_and_add(void *arg)
{
    ++*(int *)arg;
    if (arg == &ran[0])
        cr_assert_eq(rfi_errands_add(run, &ran[1]), RFI_ERRAND_ADDED);
}

static void open_list(struct rfi_watch *watch)
{
    memset(ran, 0, sizeof ran);
    memset(&rfi_errands, 0, sizeof rfi_errands);
    rfi_errands.is_open = true;
    rfi_errands.watch = watch;
}

static void close_list(void)
{
    memset(&rfi_errands, 0, sizeof rfi_errands);
}

Test(errand, a_thread_that_comes_to_no_pause_takes_none)
{
    close_list();
    cr_assert_eq(rfi_errands_add(run, &ran[0]), RFI_ERRAND_REFUSED);
    rfi_errands_run();
    cr_assert_eq(rfi_errands.count, 0U);
}

Test(errand, each_runs_once_and_the_list_has_an_end)
{
    open_list(NULL);
    for (int i = 0; i < RFI_ERRANDS_MAX; i++) {
        cr_assert_eq(rfi_errands_add(run, &ran[i]), RFI_ERRAND_ADDED);
        cr_assert_eq(rfi_errands_add(run, &ran[i]), RFI_ERRAND_KNOWN);
    }
    cr_assert_eq(rfi_errands_add(run, &ran[RFI_ERRANDS_MAX]), RFI_ERRAND_REFUSED);
    rfi_errands_run();
    for (int i = 0; i < RFI_ERRANDS_MAX; i++)
        cr_assert_eq(ran[i], 1);
    cr_assert_eq(ran[RFI_ERRANDS_MAX], 0);
    close_list();
}

Test(errand, what_an_errand_adds_runs_at_the_next_pause)
{
    open_list(NULL);
    cr_assert_eq(rfi_errands_add(run_and_add, &ran[0]), RFI_ERRAND_ADDED);
    rfi_errands_run();
    cr_assert_eq(ran[0], 1);
    cr_assert_eq(ran[1], 0);
    cr_assert_eq(rfi_errands.count, 1U);
    rfi_errands_run();
    cr_assert_eq(ran[1], 1);
    cr_assert_eq(rfi_errands.count, 0U);
    close_list();
}

/* ---- watches ---- */

static int roused;

static void rouse(void *watcher)
{
    ++*(int *)watcher;
}

Test(watch, nobody_watches_a_worker)
{
    open_list(NULL);
    rfi_watch_enter();
    cr_assert_not(rfi_watch_is_inside());
    cr_assert(rfi_watch_leave());
    close_list();
}

Test(watch, every_callback_has_a_word_of_its_own)
{
    struct rfi_watch watch = {.word = 0};
    open_list(&watch);
    uint64_t before = rfi_watch_look(&watch);
    for (int i = 0; i < 3; i++) {
        rfi_watch_enter();
        cr_assert(rfi_watch_is_inside());
        uint64_t inside = rfi_watch_look(&watch);
        cr_assert_gt(inside, before);
        cr_assert_eq(inside % RFI_WATCH_STATES, RFI_WATCH_INSIDE);
        cr_assert(rfi_watch_leave());
        cr_assert_not(rfi_watch_is_inside());
        cr_assert_not(rfi_watch_revoke(&watch, inside)); /* too late */
        before = inside;
    }
    close_list();
}

Test(watch, only_who_is_inside_can_be_revoked_and_finds_out)
{
    struct rfi_watch watch = {.word = 0};
    open_list(&watch);
    cr_assert_not(rfi_watch_revoke(&watch, rfi_watch_look(&watch)));
    rfi_watch_enter();
    uint64_t word = rfi_watch_look(&watch);
    cr_assert(rfi_watch_revoke(&watch, word));
    cr_assert_not(rfi_watch_revoke(&watch, word));
    cr_assert_not(rfi_watch_revoke(&watch, rfi_watch_look(&watch)));
    cr_assert_not(rfi_watch_leave());
    cr_assert(rfi_errands.is_revoked);
    cr_assert_not(rfi_watch_leave()); /* it stays so */
    rfi_watch_enter();
    cr_assert_not(rfi_watch_is_inside());
    close_list();
}

Test(watch, a_successor_does_not_make_the_old_word_again)
{
    struct rfi_watch watch = {.word = 0};
    open_list(&watch);
    rfi_watch_enter();
    struct rfi_errands hung = rfi_errands;
    cr_assert(rfi_watch_revoke(&watch, rfi_watch_look(&watch)));
    open_list(&watch); /* the successor */
    rfi_watch_enter();
    cr_assert(rfi_watch_leave());
    rfi_watch_enter();
    struct rfi_errands next = rfi_errands;
    rfi_errands = hung;
    cr_assert_not(rfi_watch_leave());
    rfi_errands = next;
    cr_assert(rfi_watch_leave());
    close_list();
}

Test(watch, a_watcher_does_not_rest_over_a_callback_and_is_roused_by_the_next)
{
    struct rfi_watch watch = {.word = 0, .rouse = rouse, .watcher = &roused};
    roused = 0;
    open_list(&watch);
    rfi_watch_enter();
    cr_assert_not(rfi_watch_rest(&watch));
    cr_assert(rfi_watch_leave());
    cr_assert(rfi_watch_rest(&watch));
    cr_assert(rfi_watch_rest(&watch));
    cr_assert_eq(roused, 0);
    rfi_watch_enter();
    cr_assert_eq(roused, 1);
    cr_assert(rfi_watch_leave());
    rfi_watch_enter();
    cr_assert_eq(roused, 1); /* once */
    /* The place of a revoked thread is empty until its successor goes in. */
    cr_assert(rfi_watch_revoke(&watch, rfi_watch_look(&watch)));
    cr_assert(rfi_watch_rest(&watch));
    cr_assert_not(rfi_watch_leave());
    open_list(&watch);
    rfi_watch_enter();
    cr_assert_eq(roused, 2);
    cr_assert(rfi_watch_leave());
    close_list();
}
