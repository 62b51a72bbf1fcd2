/* SPDX-License-Identifier: MIT */
/* The inject queue: first come first served over many chunks, and what becomes of a token that finds its end locked. */
#include "core/actor/actor.h"
#include "core/actor/run_queue.h"
#include "support/rf_test.h"

enum { COUNT = 1000 };

static struct rfi_actor actors[COUNT];
static struct rfi_runtime runtime;

static void set_up(void)
{
    memset(&runtime, 0, sizeof runtime);
    cr_assert(rfi_inject_init(&runtime.inject));
}

/* All that a worker with an empty ring gets until nothing is left, in order. */
static size_t take_all(size_t first, size_t step)
{
    struct rfi_ring ring = {.head = 0};
    size_t count = 0;
    for (struct rfi_actor *actor; (actor = rfi_inject_take(&runtime, &ring)) != NULL;)
        for (; actor != NULL; actor = rfi_ring_pop(&ring), count++)
            cr_assert_eq(actor - actors, (ptrdiff_t)(first + count * step));
    return count;
}

Test(run_queue, tokens_come_out_in_their_order)
{
    set_up();
    cr_assert(!rfi_inject_has(&runtime));
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++)
            rfi_inject_push(&runtime, &actors[i]);
        cr_assert(rfi_inject_has(&runtime));
        cr_assert_eq(take_all(0, 1), (size_t)COUNT);
        cr_assert(!rfi_inject_has(&runtime));
    }
    rfi_inject_fini(&runtime.inject);
}

/* A thread that lost its processor while it was pushing holds up nobody. */
Test(run_queue, who_finds_the_end_locked_goes_by_the_stack)
{
    set_up();
    atomic_store(&runtime.inject.is_pushing, true);
    for (size_t i = 0; i < COUNT; i++)
        rfi_inject_push(&runtime, &actors[i]);
    cr_assert_eq(atomic_load(&runtime.inject.pushed), 0U);
    cr_assert_eq(take_all(0, 1), (size_t)COUNT);
    atomic_store(&runtime.inject.is_pushing, false);
    rfi_inject_fini(&runtime.inject);
}

Test(run_queue, chunks_and_stack_have_their_turns)
{
    struct rfi_ring ring = {.head = 0};
    set_up();
    for (size_t i = 0; i < COUNT; i++) {
        atomic_store(&runtime.inject.is_pushing, i % 2 == 1);
        rfi_inject_push(&runtime, &actors[i]);
    }
    size_t odd = 0;
    size_t even = 0;
    for (struct rfi_actor *actor; (actor = rfi_inject_take(&runtime, &ring)) != NULL;) {
        for (; actor != NULL; actor = rfi_ring_pop(&ring)) {
            if ((actor - actors) % 2 == 1)
                odd++;
            else
                even++;
        }
        cr_assert_eq(odd, even);
    }
    cr_assert_eq(odd + even, (size_t)COUNT);
    rfi_inject_fini(&runtime.inject);
}

Test(run_queue, a_ring_that_is_nearly_full_takes_no_more_than_it_has_room_for)
{
    struct rfi_ring ring = {.head = 0};
    set_up();
    for (size_t i = 0; i < RFI_RING_SIZE - 3; i++)
        cr_assert(rfi_ring_push(&ring, &actors[i]));
    for (size_t i = 0; i < 100; i++)
        rfi_inject_push(&runtime, &actors[500 + i]);
    cr_assert_eq(rfi_inject_take(&runtime, &ring), &actors[500]);
    cr_assert_eq(rfi_ring_length(&ring), (uint32_t)RFI_RING_SIZE);
    cr_assert_eq(rfi_inject_take(&runtime, &ring), &actors[504]); /* needs no room in the ring */
    for (size_t i = 0; i < RFI_RING_SIZE - 3; i++)
        cr_assert_eq(rfi_ring_pop(&ring), &actors[i]);
    for (size_t i = 1; i < 4; i++)
        cr_assert_eq(rfi_ring_pop(&ring), &actors[500 + i]);
    cr_assert_eq(take_all(505, 1), 95U);
    rfi_inject_fini(&runtime.inject);
}
