/* SPDX-License-Identifier: MIT */
/* The heap of deadlines, against a list that is searched. */
#include "core/base/heap.h"
#include "support/rf_test.h"

enum { NODES = 200, STEPS = 20000 };

static unsigned state = 1;

static unsigned pick(unsigned limit)
{
    state = state * 1103515245u + 12345u;
    return (state >> 16) % limit;
}

static uint64_t smallest(const struct rfi_heap_node *nodes)
{
    uint64_t at = UINT64_MAX;
    for (size_t i = 0; i < NODES; i++)
        if (nodes[i].is_in && nodes[i].at < at)
            at = nodes[i].at;
    return at;
}

Test(heap, an_empty_heap_is_never_due)
{
    struct rfi_heap heap = {NULL};
    struct rfi_heap_node node = {.at = 0};
    cr_assert_eq(rfi_heap_next(&heap), UINT64_MAX);
    cr_assert_null(rfi_heap_take(&heap, UINT64_MAX));
    rfi_heap_remove(&heap, &node); /* not in: nothing happens */
    rfi_heap_set(&heap, &node, 7);
    cr_assert_null(rfi_heap_take(&heap, 6));
    cr_assert_eq(rfi_heap_take(&heap, 7), &node);
    cr_assert_not(node.is_in);
    cr_assert_null(heap.first);
}

Test(heap, the_first_is_the_smallest_whatever_is_entered_moved_and_removed)
{
    static struct rfi_heap_node nodes[NODES];
    struct rfi_heap heap = {NULL};
    for (int step = 0; step < STEPS; step++) {
        struct rfi_heap_node *node = &nodes[pick(NODES)];
        switch (pick(4)) {
        case 0:
        case 1:
            rfi_heap_set(&heap, node, pick(1000));
            break;
        case 2:
            rfi_heap_remove(&heap, node);
            cr_assert_not(node->is_in);
            break;
        default: {
            uint64_t next = smallest(nodes);
            node = rfi_heap_take(&heap, 900);
            cr_assert_eq(node != NULL, next <= 900);
            if (node != NULL)
                cr_assert_eq(node->at, next);
            break;
        }
        }
        cr_assert_eq(rfi_heap_next(&heap), smallest(nodes));
    }
}

Test(heap, all_come_out_in_order)
{
    static struct rfi_heap_node nodes[NODES];
    struct rfi_heap heap = {NULL};
    uint64_t before = 0;
    size_t count = 0;
    for (size_t i = 0; i < NODES; i++)
        rfi_heap_set(&heap, &nodes[i], pick(50));
    for (const struct rfi_heap_node *node = NULL; (node = rfi_heap_take(&heap, UINT64_MAX)) != NULL;
         count++) {
        cr_assert_geq(node->at, before);
        before = node->at;
    }
    cr_assert_eq(count, NODES);
}
