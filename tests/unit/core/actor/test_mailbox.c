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
    rfi_mailbox_init(&fixture->box, &ops, capacity, false);
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
    cr_assert(rfi_mailbox_is_over(&fixture.box, count));
    for (size_t i = 0; i < MANY; i++)
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

    cr_assert_not(rfi_mailbox_is_over(&fixture.box, count));
    (void)rfi_mailbox_push(&fixture.box, &items[4].node, &count);
    cr_assert(rfi_mailbox_is_over(&fixture.box, count));
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
