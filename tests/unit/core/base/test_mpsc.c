/* SPDX-License-Identifier: MIT */
/* One thread's view of the queue; many threads are the business of tests/stress/stress_mpsc.c. */
#include "core/base/mpsc.h"
#include "support/rf_test.h"

Test(mpsc, an_empty_queue_gives_nothing)
{
    struct rfi_mpsc queue;
    rfi_mpsc_init(&queue);
    cr_assert(rfi_mpsc_is_empty(&queue));
    cr_assert_null(rfi_mpsc_pop(&queue));
    cr_assert_null(rfi_mpsc_pop(&queue));
}

Test(mpsc, nodes_come_out_in_order_and_can_be_used_again)
{
    struct rfi_mpsc queue;
    struct rfi_mpsc_node nodes[5];
    rfi_mpsc_init(&queue);
    for (int round = 0; round < 100; round++) {
        int count = 1 + round % 5;
        for (int i = 0; i < count; i++)
            cr_assert_eq(rfi_mpsc_push(&queue, &nodes[i]), i == 0);
        for (int i = 0; i < count; i++) {
            cr_assert_not(rfi_mpsc_is_empty(&queue));
            cr_assert_eq(rfi_mpsc_pop(&queue), &nodes[i]);
        }
        cr_assert(rfi_mpsc_is_empty(&queue));
        cr_assert_null(rfi_mpsc_pop(&queue));
    }
}

Test(mpsc, a_chain_is_pushed_at_once)
{
    struct rfi_mpsc queue;
    struct rfi_mpsc_node nodes[4];
    rfi_mpsc_init(&queue);
    for (int i = 0; i < 2; i++)
        atomic_init(&nodes[i].next, &nodes[i + 1]);
    cr_assert(rfi_mpsc_push_chain(&queue, &nodes[0], &nodes[2]));
    cr_assert_not(rfi_mpsc_push(&queue, &nodes[3]));
    for (int i = 0; i < 4; i++)
        cr_assert_eq(rfi_mpsc_pop(&queue), &nodes[i]);
    cr_assert(rfi_mpsc_is_empty(&queue));
}

Test(mpsc, a_node_between_the_two_steps_of_a_push_counts_as_there)
{
    struct rfi_mpsc queue;
    struct rfi_mpsc_node node;
    rfi_mpsc_init(&queue);
    /* The first step of a push, by hand. */
    atomic_init(&node.next, NULL);
    struct rfi_mpsc_node *before = atomic_exchange(&queue.head, &node);
    cr_assert_null(rfi_mpsc_pop(&queue));
    cr_assert_not(rfi_mpsc_is_empty(&queue));
    atomic_store(&before->next, &node);
    cr_assert_eq(rfi_mpsc_pop(&queue), &node);
    cr_assert(rfi_mpsc_is_empty(&queue));
}
