/* SPDX-License-Identifier: MIT */
/* The message path out of an actor: from an out-port to the mailboxes behind it.
 *
 * Runs on the worker that has the actor's token, inside a callback; the table of wires is the actor's
 * own. In the steady state nothing here allocates, locks or looks up: the delivery is a part of the
 * message, the woken target goes into the worker's own slot.
 *
 * All or nothing: what can fail (deliveries of a fan-out, the limit in loops) is done before the first
 * push. It never waits: a target over its limit is remembered in `pressed`, and the actor is
 * parked after the callback (actor.c). */
#include "core/actor/actor.h"
#include "core/actor/delivery.h"

#include <stdlib.h>

static rf_err emit_many(rf_context *ctx, const struct rfi_wire *wires, uint32_t count,
                        rf_message *msg);
static void tell_emit(rf_context *ctx, size_t outport, rf_message *msg);

static inline bool push(rf_context *ctx, const struct rfi_wire *wire, struct rfi_delivery *delivery)
{
    struct rfi_mailbox *target = wire->target;
    uint32_t count = 0;
    enum rfi_push pushed = rfi_mailbox_push(target, &delivery->node, &count);
    if (pushed == RFI_PUSH_FIRST) {
        if (__builtin_expect(target->ops == &rfi_actor_mailbox_ops, 1)) {
            rfi_runtime_count_activated(ctx->runtime, ctx->worker);
            rfi_worker_schedule_next(ctx->worker, rfi_actor_of(target));
        } else {
            target->ops->schedule(target);
        }
    } else if (__builtin_expect(pushed == RFI_PUSH_REFUSED, 0)) {
        rfi_runtime_count_dropped(ctx->runtime, 1);
        rfi_delivery_drop(delivery, RF_ECLOSED);
        return false;
    }
    if (__builtin_expect(rfi_mailbox_is_over(target, count), 0) && !wire->is_loop &&
        ctx->pressed == NULL)
        ctx->pressed = target;
    return true;
}

bool rfi_wire_push(rf_context *ctx, const struct rfi_wire *wire, struct rfi_delivery *delivery)
{
    return push(ctx, wire, delivery);
}

rf_err rf_emit(rf_context *ctx, size_t outport, rf_message *msg)
{
    struct rfi_actor *actor = ctx->actor;
    if (msg == NULL)
        return RF_ENOMEM;
    if (__builtin_expect(outport >= actor->component->outport_count, 0)) {
        rf_message_unref(msg);
        return RF_ENOPORT;
    }
    rfi_count(&actor->emitted, 1);
    if (__builtin_expect(ctx->reply != NULL, 0) && ctx->first_emitted == NULL)
        ctx->first_emitted = rf_message_ref(msg);
    if (rfi_runtime_wants(ctx->runtime, RF_EVENT_ACTOR_EMIT) ||
        rfi_runtime_wants(ctx->runtime, RF_EVENT_MESSAGE_SENT))
        tell_emit(ctx, outport, msg);
    const struct rfi_outs *outs = actor->outs;
    if (outs == NULL || outs->ports[outport].count == 0) {
        rf_message_unref(msg);
        return RF_OK;
    }
    const struct rfi_wire *wire = &outs->wires[outs->ports[outport].first];
    if (outs->ports[outport].count > 1 || wire->is_loop)
        return emit_many(ctx, wire, outs->ports[outport].count, msg);
    struct rfi_delivery *delivery = rfi_delivery_take(msg);
    if (__builtin_expect(delivery == NULL, 0)) {
        rf_message_unref(msg);
        return RF_ENOMEM;
    }
    rfi_delivery_fill(delivery, msg, wire->port, NULL, NULL);
    (void)push(ctx, wire, delivery); /* a refusal is counted there */
    return RF_OK;
}

/* Take a delivery for each target, chained by next; false: out of memory, nothing is held. The caller has two
 * references, or the embedded delivery would look free each time. */
static bool take_deliveries(rf_message *msg, uint32_t count, struct rfi_delivery **out)
{
    struct rfi_mpsc_node *list = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct rfi_delivery *delivery = rfi_delivery_take(msg);
        if (delivery == NULL) {
            while (list != NULL) {
                struct rfi_delivery *held = (struct rfi_delivery *)(void *)list;
                list = atomic_load_explicit(&list->next, memory_order_relaxed); /* ours */
                rfi_delivery_release(held, msg);
            }
            return false;
        }
        atomic_store_explicit(&delivery->node.next, list, memory_order_relaxed); /* ours */
        list = &delivery->node;
    }
    *out = (struct rfi_delivery *)(void *)list;
    return true;
}

static rf_err emit_many(rf_context *ctx, const struct rfi_wire *wires, uint32_t count,
                        rf_message *msg)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct rfi_mailbox *target = wires[i].target;
        if (wires[i].is_loop &&
            rfi_mailbox_length(target) > (size_t)target->capacity * RFI_LOOP_FACTOR) {
            rf_message_unref(msg);
            return RF_EFULL;
        }
    }
    struct rfi_delivery *list = NULL;
    (void)rf_message_ref(msg);
    if (!take_deliveries(msg, count, &list)) {
        rf_message_unref(msg);
        rf_message_unref(msg); /* the second */
        return RF_ENOMEM;
    }
    /* We have two of the `count` references that are needed; with one target, one is too many. */
    if (count > 2)
        /* relaxed: copies of a reference that we hold */
        (void)atomic_fetch_add_explicit(&msg->refs, count - 2, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        struct rfi_delivery *delivery = list;
        list = (struct rfi_delivery *)(void *)atomic_load_explicit(&delivery->node.next,
                                                                   memory_order_relaxed);
        rfi_delivery_fill(delivery, msg, wires[i].port, NULL, NULL);
        (void)push(ctx, &wires[i], delivery); /* a refusal is counted there */
    }
    if (count == 1)
        rf_message_unref(msg);
    return RF_OK;
}

static void tell_emit(rf_context *ctx, size_t outport, rf_message *msg)
{
    struct rfi_runtime *runtime = ctx->runtime;
    struct rfi_actor *actor = ctx->actor;
    rf_event event = {.type = RF_EVENT_ACTOR_EMIT,
                      .actor = actor->id,
                      .component = actor->component->name,
                      .port = actor->component->outports[outport].name,
                      .message = msg};
    if (rfi_runtime_wants(runtime, RF_EVENT_ACTOR_EMIT))
        runtime->hooks->on_event(runtime->user, &event);
    if (actor->outs == NULL || !rfi_runtime_wants(runtime, RF_EVENT_MESSAGE_SENT))
        return;
    event.type = RF_EVENT_MESSAGE_SENT;
    const struct rfi_out_range *range = &actor->outs->ports[outport];
    for (uint32_t i = range->first; i < range->first + range->count; i++) {
        const struct rfi_wire *wire = &actor->outs->wires[i];
        wire->target->ops->describe(wire->target, wire->port, &event.to_actor, &event.to_port);
        runtime->hooks->on_event(runtime->user, &event);
    }
}

struct rfi_mailbox *rfi_actor_find_pressed(const struct rfi_actor *actor)
{
    const struct rfi_outs *outs = actor->outs;
    for (uint32_t i = 0; outs != NULL && i < outs->wire_count; i++) {
        struct rfi_mailbox *target = outs->wires[i].target;
        if (!outs->wires[i].is_loop &&
            rfi_mailbox_is_over(target, rfi_box_count(rfi_mailbox_word(target))))
            return target;
    }
    return NULL;
}

/* ---- tables of wires ---- */

struct rfi_outs *rfi_outs_new(uint32_t port_count, uint32_t wire_count)
{
    size_t head = sizeof(struct rfi_outs) + port_count * sizeof(struct rfi_out_range);
    head = (head + _Alignof(struct rfi_wire) - 1) & ~(_Alignof(struct rfi_wire) - 1);
    struct rfi_outs *outs = calloc(1, head + wire_count * sizeof(struct rfi_wire));
    if (outs == NULL)
        return NULL;
    outs->wires = (struct rfi_wire *)(void *)((char *)outs + head);
    outs->port_count = port_count;
    outs->wire_count = wire_count;
    return outs;
}

void rfi_outs_free(struct rfi_outs *outs)
{
    if (outs == NULL)
        return;
    for (uint32_t i = 0; i < outs->wire_count; i++)
        rfi_mailbox_unref(outs->wires[i].target);
    free(outs);
}

/* ---- throwing away ---- */

void rfi_delivery_drop(struct rfi_delivery *delivery, rf_err err)
{
    rf_message *msg = delivery->msg;
    struct rfi_receipt *receipt = delivery->receipt;
    rf_reply *reply = delivery->reply;
    rfi_delivery_release(delivery, msg);
    if (receipt != NULL)
        receipt->consumed(receipt, rf_message_size(msg));
    rf_message_unref(msg);
    rfi_reply_fail(reply, err);
}
