/* SPDX-License-Identifier: MIT */
/* The mailbox by itself: tokens, order, counting, closing. */
#include "core/actor/mailbox.h"
#include "support/rf_test.h"

struct fixture {
    struct rfi_mailbox box; /* first */
    int scheduled, destroyed;
};

static void on_schedule(struct rfi_mailbox *box)
{
    ((struct fixture *)box)->scheduled++;
}

static void on_destroy(struct rfi_mailbox *box)
{
    ((struct fixture *)box)->destroyed++;
}

static const struct rfi_mailbox_ops ops = {.schedule = on_schedule, .destroy = on_destroy};

static void init(struct fixture *fixture, uint32_t capacity)
{
    memset(fixture, 0, sizeof *fixture);
    rfi_mailbox_init(&fixture->box, &ops, capacity, false, 1);
}

Test(mailbox, the_first_push_gives_the_token_and_release_takes_it_back)
{
    struct fixture fixture;
    struct rfi_delivery items[2] = {{.port = 0}};
    uint32_t count = 0;
    init(&fixture, 4);

    cr_assert_eq(rfi_mailbox_push(&fixture.box, &items[0].node, &count), RFI_PUSH_FIRST);
    cr_assert_eq(count, 1);
    cr_assert_eq(rfi_mailbox_push(&fixture.box, &items[1].node, &count), RFI_PUSH_QUEUED);
    cr_assert_eq(count, 2);
    cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[0]);
    cr_assert_not(rfi_mailbox_is_closed(&fixture.box));
    cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[1]);
    cr_assert_null(rfi_mailbox_pop(&fixture.box));
    cr_assert(rfi_mailbox_release(&fixture.box));

    cr_assert_eq(rfi_mailbox_push(&fixture.box, &items[0].node, &count), RFI_PUSH_FIRST);
    cr_assert_not(rfi_mailbox_release(&fixture.box));
    cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[0]);
    cr_assert(rfi_mailbox_release(&fixture.box));
}

Test(mailbox, order_is_that_of_the_pushes_over_runs)
{
    struct fixture fixture;
    struct rfi_delivery items[6] = {{.port = 0}};
    uint32_t count = 0;
    init(&fixture, 4);
    for (int i = 0; i < 3; i++)
        (void)rfi_mailbox_push(&fixture.box, &items[i].node, &count);

    cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[0]);
    for (int i = 3; i < 6; i++)
        (void)rfi_mailbox_push(&fixture.box, &items[i].node, &count);

    cr_assert_eq(rfi_mailbox_depth(&fixture.box), 5);
    for (int i = 1; i < 6; i++)
        cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[i]);
    cr_assert_eq(rfi_mailbox_depth(&fixture.box), 0);
}

Test(mailbox, push_after_close_is_refused_and_what_was_accepted_is_there)
{
    struct fixture fixture;
    struct rfi_delivery items[2] = {{.port = 0}};
    uint32_t count = 0;
    bool was_closed = true;
    init(&fixture, 4);
    (void)rfi_mailbox_push(&fixture.box, &items[0].node, &count);

    cr_assert_not(rfi_mailbox_close(&fixture.box, &was_closed)); /* the token is out */
    cr_assert_not(was_closed);
    cr_assert_eq(rfi_mailbox_push(&fixture.box, &items[1].node, &count), RFI_PUSH_REFUSED);
    cr_assert_not(rfi_mailbox_close(&fixture.box, &was_closed));
    cr_assert(was_closed);
    cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[0]);
    cr_assert_not(rfi_mailbox_release(&fixture.box)); /* never again */
}

Test(mailbox, closing_an_idle_box_gives_the_token_to_the_closer)
{
    struct fixture fixture;
    init(&fixture, 4);

    cr_assert(rfi_mailbox_close(&fixture.box, NULL));

    cr_assert_not(rfi_mailbox_release(&fixture.box));
}

Test(mailbox, the_depth_is_exact_beyond_the_counter)
{
    struct fixture fixture;
    enum { MANY = 3 * RFI_BOX_COUNT_MAX };
    struct rfi_delivery *items = calloc(MANY, sizeof *items);
    uint32_t count = 0;
    cr_assert_not_null(items);
    init(&fixture, 4);

    for (size_t i = 0; i < MANY; i++) {
        (void)rfi_mailbox_push(&fixture.box, &items[i].node, &count);
        if (i % 10000 == 0)
            cr_assert_eq(rfi_mailbox_depth(&fixture.box), i + 1);
    }

    cr_assert_eq(rfi_mailbox_depth(&fixture.box), MANY);
    cr_assert(rfi_mailbox_is_over(&fixture.box));
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[i]);
    cr_assert_eq(rfi_mailbox_depth(&fixture.box), 0);
    cr_assert(rfi_mailbox_release(&fixture.box));
    free(items);
}

/* Link items first..last in the order of their making. */
static void link_run(struct rfi_delivery *items, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        atomic_init(&items[i].node.next, &items[i + 1].node);
}

Test(mailbox, a_run_is_pushed_as_one_step_and_keeps_its_order)
{
    struct fixture fixture;
    struct rfi_delivery items[6] = {{.port = 0}};
    uint32_t count = 0;
    init(&fixture, 4);
    link_run(items, 3);
    link_run(items + 3, 3);

    cr_assert_eq(rfi_mailbox_push_run(&fixture.box, rfi_run_turn(&items[0].node, 3), &items[0].node,
                                      3, &count),
                 RFI_PUSH_FIRST);
    cr_assert_eq(count, 3);
    cr_assert_eq(rfi_mailbox_push_run(&fixture.box, rfi_run_turn(&items[3].node, 3), &items[3].node,
                                      3, &count),
                 RFI_PUSH_QUEUED);

    cr_assert_eq(rfi_mailbox_depth(&fixture.box), 6);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[i]);
    cr_assert(rfi_mailbox_release(&fixture.box));
}

Test(mailbox, a_run_is_refused_as_a_whole)
{
    struct fixture fixture;
    struct rfi_delivery items[3] = {{.port = 0}};
    uint32_t count = 0;
    init(&fixture, 4);
    link_run(items, 3);
    cr_assert(rfi_mailbox_close(&fixture.box, NULL));

    cr_assert_eq(rfi_mailbox_push_run(&fixture.box, rfi_run_turn(&items[0].node, 3), &items[0].node,
                                      3, &count),
                 RFI_PUSH_REFUSED);
    cr_assert_eq(rfi_mailbox_depth(&fixture.box), 0);
    cr_assert_not(rfi_mailbox_enter(&fixture.box));
}

Test(mailbox, who_enters_an_idle_box_has_the_token_and_its_private_list)
{
    struct fixture fixture;
    struct rfi_delivery items[5] = {{.port = 0}};
    uint32_t count = 0;
    init(&fixture, 4);
    link_run(items, 2);
    link_run(items + 2, 2);

    cr_assert(rfi_mailbox_enter(&fixture.box));
    cr_assert_not(rfi_mailbox_enter(&fixture.box));
    cr_assert(rfi_mailbox_is_taken(&fixture.box));
    rfi_mailbox_append_run(&fixture.box, &items[0].node, &items[1].node, 2);
    rfi_mailbox_append_run(&fixture.box, &items[2].node, &items[3].node, 2);
    cr_assert_eq(rfi_mailbox_push(&fixture.box, &items[4].node, &count), RFI_PUSH_QUEUED);

    cr_assert_not(rfi_mailbox_is_taken(&fixture.box)); /* a run of ours would overtake it */
    cr_assert_eq(rfi_mailbox_depth(&fixture.box), 5);
    cr_assert(rfi_mailbox_is_over(&fixture.box));
    for (int i = 0; i < 5; i++)
        cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[i]);
    cr_assert(rfi_mailbox_release(&fixture.box));
}

Test(mailbox, runs_are_counted_beyond_the_counter)
{
    struct fixture fixture;
    enum { RUN = 1000, RUNS = 200 };
    struct rfi_delivery *items = calloc((size_t)RUN * RUNS, sizeof *items);
    uint32_t count = 0;
    cr_assert_not_null(items);
    init(&fixture, 4);

    for (size_t i = 0; i < RUNS; i++) {
        struct rfi_delivery *run = items + i * RUN;
        link_run(run, RUN);
        (void)rfi_mailbox_push_run(&fixture.box, rfi_run_turn(&run->node, RUN), &run->node, RUN,
                                   &count);
        cr_assert_eq(rfi_mailbox_depth(&fixture.box), (i + 1) * RUN);
    }
    for (size_t i = 0; i < (size_t)RUN * RUNS; i++)
        cr_assert_eq(rfi_mailbox_pop(&fixture.box), &items[i]);
    cr_assert_eq(rfi_mailbox_depth(&fixture.box), 0);
    cr_assert(rfi_mailbox_release(&fixture.box));
    free(items);
}

Test(mailbox, over_means_more_than_the_capacity_and_room_is_half_of_it)
{
    struct fixture fixture;
    struct rfi_delivery items[5] = {{.port = 0}};
    uint32_t count = 0;
    init(&fixture, 4);
    for (int i = 0; i < 4; i++)
        (void)rfi_mailbox_push(&fixture.box, &items[i].node, &count);

    cr_assert_not(rfi_mailbox_is_over(&fixture.box));
    (void)rfi_mailbox_push(&fixture.box, &items[4].node, &count);
    cr_assert(rfi_mailbox_is_over(&fixture.box));
    (void)rfi_mailbox_pop(&fixture.box);
    (void)rfi_mailbox_pop(&fixture.box);
    cr_assert_not(rfi_mailbox_has_room(&fixture.box));
    (void)rfi_mailbox_pop(&fixture.box);
    cr_assert(rfi_mailbox_has_room(&fixture.box));
}

Test(mailbox, the_last_reference_destroys)
{
    struct fixture fixture;
    init(&fixture, 4);

    rfi_mailbox_ref(&fixture.box);
    rfi_mailbox_unref(&fixture.box);
    cr_assert_eq(fixture.destroyed, 0);
    rfi_mailbox_unref(&fixture.box);

    cr_assert_eq(fixture.destroyed, 1);
}
