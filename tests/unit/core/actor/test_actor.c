/* SPDX-License-Identifier: MIT */
/* One activation by itself: the test's thread stands for the worker, so every step comes in a set order. */
#include "core/actor/actor.h"
#include "core/actor/delivery.h"
#include "core/flow/network_internal.h"
#include "support/rf_test.h"

enum { CAPACITY = 8 };

/* A target that no worker runs. It is not freed when its last reference goes, so that the test can look at it. */
struct target {
    struct rfi_mailbox box; /* first */
    int destroyed;
};

static void on_schedule(struct rfi_mailbox *box)
{
    (void)box;
}

static void on_destroy(struct rfi_mailbox *box)
{
    ((struct target *)(void *)box)->destroyed++;
}

static const struct rfi_mailbox_ops target_ops = {.schedule = on_schedule, .destroy = on_destroy};

static void free_actor(struct rfi_actor *actor)
{
    free(actor);
}

static const struct rfi_runtime_hooks hooks = {.free_actor = free_actor};

static struct target target;
static struct rfi_actor *actor;
static int calls;

static void push_integer(struct rfi_mailbox *box, int64_t number)
{
    cr_assert_eq(rfi_box_push(box, 0, rf_message_integer(number), NULL, NULL, false), RF_OK);
}

/* The first call leaves one message on the chain of the wire. Before the chain is pushed the target is filled, the
 * wire is cut, and the test's own reference to the target goes; then the second message is found. */
static rf_err emit_and_cut(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state;
    (void)port;
    if (++calls > 1)
        return RF_OK;
    rf_err err = rf_emit(ctx, 0, rf_message_ref(msg));
    for (int i = 0; i < CAPACITY; i++)
        push_integer(&target.box, i);
    rfi_actor_publish_outs(actor, rfi_outs_new(1, 0));
    rfi_mailbox_unref(&target.box);
    push_integer(&actor->box, 2);
    return err;
}

static const rf_port_def in_ports[] = {{.name = "in"}};
static const rf_port_def out_ports[] = {{.name = "out"}};
static const rf_component component = {.struct_size = sizeof component,
                                       .name = "EmitAndCut",
                                       .inports = in_ports,
                                       .inport_count = 1,
                                       .outports = out_ports,
                                       .outport_count = 1,
                                       .on_message = emit_and_cut};

Test(actor, a_cut_wire_to_a_full_target_does_not_mute)
{
    struct rfi_runtime runtime;
    cr_assert_eq(rfi_runtime_init(&runtime, 1, CAPACITY, &hooks, NULL), RF_OK);
    actor = calloc(1, sizeof *actor);
    cr_assert_not_null(actor);
    rfi_actor_init(actor, &runtime, &component, CAPACITY, NULL, false, 0);
    rfi_mailbox_init(&target.box, &target_ops, CAPACITY, false, 1);
    struct rfi_outs *outs = rfi_outs_new(1, 1);
    cr_assert_not_null(outs);
    outs->ports[0] = (struct rfi_out_range){.first = 0, .count = 1};
    outs->wires[0] = (struct rfi_wire){.target = &target.box};
    rfi_mailbox_ref(&target.box);
    rfi_actor_publish_outs(actor, outs);
    push_integer(&actor->box, 1);

    rfi_worker_enter(&runtime.workers[0]);
    rfi_actor_run(&runtime.workers[0], actor);

    cr_assert_eq(calls, 2);
    cr_assert_eq(target.destroyed, 1, "it was referred to after its end");
    cr_assert_null(atomic_load(&target.box.waiters));
    cr_assert_eq(atomic_load(&actor->status), RFI_STATUS_READY);
    cr_assert_eq(atomic_load(&actor->box.word), 0, "the token was not given back");

    int received = 0;
    for (struct rfi_delivery *delivery; (delivery = rfi_mailbox_pop(&target.box)) != NULL;) {
        rfi_delivery_drop(delivery, RF_ECLOSED);
        received++;
    }
    cr_assert_eq(received, CAPACITY + 1);
    rfi_actor_close(actor);
    rfi_actor_retire(&runtime.workers[0], actor, RFI_STATUS_STOPPED);
    rfi_mailbox_unref(&actor->box); /* the directory's */
    rfi_worker_enter(NULL);
    rfi_runtime_fini(&runtime);
}
