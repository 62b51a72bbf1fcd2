/* SPDX-License-Identifier: MIT */
/* The message path out of an actor: from an out-port to the mailboxes behind it.
 *
 * Runs on the worker that has the actor's token, inside a callback; the table of wires is the actor's
 * own. In the steady state nothing here allocates, locks or looks up: the delivery is a part of the
 * message, and it is put on the wire's chain. A chain goes into the mailbox as one step, at the end of the
 * activation at the latest, so that a run of messages costs one exchange; an idle target is
 * taken over (rfi_mailbox_enter) and goes into the worker's own slot.
 *
 * Order: all that an actor emits to one target is in one chain; a second wire to the same target is
 * chained only when the first one's chain was pushed.
 *
 * All or nothing: what can fail (deliveries of a fan-out, the limit in loops) is done before anything is
 * chained. It never waits: a target over its limit is remembered in `pressed`, and the actor is
 * parked after the callback (actor.c). */
#include "core/actor/actor.h"
#include "core/actor/delivery.h"

#include <stdlib.h>

/* So much in an outlet is worth a turn of who serves it, while it is in the cache. */
enum { OUTLET_TURN = 256 };

static rf_err emit_many(rf_context *ctx, struct rfi_wire *wires, uint32_t count, rf_message *msg);
static void tell_emit(rf_context *ctx, size_t outport, rf_message *msg);

/* ---- chains ---- */

static void drop_run(rf_context *ctx, struct rfi_mpsc_node *newest, uint32_t length)
{
    rfi_runtime_count_dropped(ctx->runtime, length);
    while (length-- > 0) {
        struct rfi_delivery *delivery = (struct rfi_delivery *)(void *)newest;
        newest = atomic_load_explicit(&newest->next, memory_order_relaxed); /* ours */
        rfi_delivery_drop(delivery, RF_ECLOSED);
    }
}

static inline void schedule(rf_context *ctx, struct rfi_mailbox *target)
{
    if (__builtin_expect(target->ops == &rfi_actor_mailbox_ops, 1)) {
        rfi_runtime_count_activated(ctx->runtime, ctx->worker);
        rfi_worker_schedule_next(ctx->worker, rfi_actor_of(target));
    } else {
        target->ops->schedule(target);
    }
}

/* The way by the stack of the mailbox: somebody else has the token, or nobody. False: refused and dropped. */
static bool push_run(rf_context *ctx, struct rfi_mailbox *target, struct rfi_mpsc_node *oldest,
                     uint32_t length)
{
    uint32_t count;
    struct rfi_mpsc_node *newest = rfi_run_turn(oldest, length);
    enum rfi_push pushed = rfi_mailbox_push_run(target, newest, oldest, length, &count);
    if (pushed == RFI_PUSH_FIRST)
        schedule(ctx, target);
    if (__builtin_expect(pushed != RFI_PUSH_REFUSED, 1))
        return true;
    rfi_mailbox_weigh(target, -rfi_box_weight(newest));
    drop_run(ctx, newest, length);
    return false;
}

/* Push what is on the wire's chain, which is not in the list of the context any more.
 *
 * Who has the target's token may put the run into its private list without a push: this thread has it
 * when it finds the target idle and takes it over, and as long as the target waits in its slot. The private list is
 * read before the stack, so nothing may be on the stack: a run of ours is there already if it came by a push. */
static inline void push_chain(rf_context *ctx, struct rfi_wire *wire)
{
    struct rfi_mailbox *target = wire->target;
    struct rfi_mpsc_node *newest = wire->newest;
    uint32_t length = wire->chain_length;
    wire->newest = NULL;
    wire->chain_length = 0;
    rfi_mailbox_weigh(target, rfi_box_weight(newest)); /* a large one ends its chain */
    bool is_actor = __builtin_expect(target->ops == &rfi_actor_mailbox_ops, 1);
    if (is_actor && ctx->worker->next == rfi_actor_of(target) && rfi_mailbox_is_taken(target)) {
        rfi_mailbox_append_run(target, wire->oldest, newest, length);
    } else if (is_actor && rfi_mailbox_enter(target)) {
        rfi_mailbox_append_run(target, wire->oldest, newest, length);
        schedule(ctx, target);
    } else if (!push_run(ctx, target, wire->oldest, length)) {
        return;
    }
    if (__builtin_expect(rfi_mailbox_is_over(target), 0) && !wire->is_loop && ctx->pressed == NULL)
        ctx->pressed = target;
    if (!is_actor && rfi_mailbox_depth_at(target, rfi_mailbox_glance(target)) >= OUTLET_TURN)
        ctx->worker->yields = true;
}

void rfi_context_push_chains(rf_context *ctx)
{
    struct rfi_wire *wires = ctx->chained;
    ctx->chained = NULL;
    ctx->chained_count = 0;
    ctx->looks = 0;
    rfi_lease.parked = 0; /* published, or dropped */
    if (__builtin_expect(wires != NULL && wires->next_chained != NULL, 0)) {
        /* In the order in which the chains began: the last target goes into the slot and runs next. */
        struct rfi_wire *turned = NULL;
        while (wires != NULL) {
            struct rfi_wire *next = wires->next_chained;
            wires->next_chained = turned;
            turned = wires;
            wires = next;
        }
        wires = turned;
    }
    while (wires != NULL) {
        struct rfi_wire *next = wires->next_chained;
        push_chain(ctx, wires);
        wires = next;
    }
}

void rfi_emit_flush(void)
{
    struct rfi_worker *worker = rfi_worker_current();
    if (worker != NULL)
        rfi_context_flush(worker->context);
}

/* The wire's chain begins: at most one chain for each target, and not too many of them. */
static inline void begin_chain(rf_context *ctx, struct rfi_wire *wire, struct rfi_mpsc_node *node)
{
    struct rfi_mailbox *target = wire->target;
    bool has_other = ctx->chained_count >= RFI_CHAINS_MAX;
    for (struct rfi_wire *other = ctx->chained; other != NULL && !has_other;
         other = other->next_chained)
        has_other = other->target == target;
    if (__builtin_expect(has_other, 0))
        rfi_context_push_chains(ctx);
    uint32_t limit = target->capacity / 4;
    uint32_t depth = (uint32_t)rfi_mailbox_depth_at(target, rfi_mailbox_glance(target));
    if (__builtin_expect(depth + limit > target->capacity, 0))
        limit = depth < target->capacity ? target->capacity - depth : 1;
    wire->chain_limit = limit > RFI_CHAIN_MAX ? RFI_CHAIN_MAX : limit;
    wire->oldest = node;
    wire->next_chained = ctx->chained;
    ctx->chained = wire;
    ctx->chained_count++;
}

/* Takes the delivery, which is filled. */
static inline void chain(rf_context *ctx, struct rfi_wire *wire, struct rfi_delivery *delivery)
{
    const rf_message *msg = delivery->msg;
    struct rfi_mpsc_node *node = &delivery->node;
    if (wire->newest == NULL)
        begin_chain(ctx, wire, node);
    else
        atomic_store_explicit(&wire->newest->next, node, memory_order_relaxed); /* ours */
    wire->newest = node;
    rfi_lease.parked += msg == rfi_lease.msg;
    if (__builtin_expect(++wire->chain_length >= wire->chain_limit || msg->size >= RFI_BOX_LARGE,
                         0))
        rfi_context_push_chains(ctx);
}

/* ---- emitting ---- */

/* In a loop: is the target far over its limit? */
static inline bool is_loop_full(const struct rfi_wire *wire)
{
    if (!wire->is_loop)
        return false;
    const struct rfi_mailbox *target = wire->target;
    uint64_t limit = (uint64_t)target->capacity * RFI_LOOP_FACTOR;
    return rfi_mailbox_depth_at(target, rfi_mailbox_glance(target)) + wire->chain_length > limit;
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
    if (rfi_runtime_wants_any(ctx->runtime,
                              1U << RF_EVENT_ACTOR_EMIT | 1U << RF_EVENT_MESSAGE_SENT))
        tell_emit(ctx, outport, msg);
    const struct rfi_outs *outs = actor->outs;
    if (outs == NULL || outs->ports[outport].count == 0) {
        rf_message_unref(msg);
        return RF_OK;
    }
    struct rfi_wire *wire = &outs->wires[outs->ports[outport].first];
    if (__builtin_expect(outs->ports[outport].count > 1, 0))
        return emit_many(ctx, wire, outs->ports[outport].count, msg);
    if (__builtin_expect(is_loop_full(wire), 0)) {
        rf_message_unref(msg);
        return RF_EFULL;
    }
    struct rfi_delivery *delivery = rfi_delivery_take(msg);
    if (__builtin_expect(delivery == NULL, 0)) {
        rf_message_unref(msg);
        return RF_ENOMEM;
    }
    rfi_delivery_fill(delivery, msg, wire->port, NULL, NULL);
    chain(ctx, wire, delivery); /* a refusal is counted when it is pushed */
    return RF_OK;
}

/* Take a delivery for each target, linked by next; false: out of memory, nothing is held. */
static bool take_deliveries(rf_message *msg, uint32_t count, struct rfi_delivery **out)
{
    struct rfi_mpsc_node *list = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct rfi_delivery *delivery =
            i == 0 ? rfi_delivery_take(msg) : rfi_delivery_take_further();
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

static rf_err emit_many(rf_context *ctx, struct rfi_wire *wires, uint32_t count, rf_message *msg)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_loop_full(&wires[i])) {
            rf_message_unref(msg);
            return RF_EFULL;
        }
    }
    struct rfi_delivery *list = NULL;
    if (!take_deliveries(msg, count, &list)) {
        rf_message_unref(msg);
        return RF_ENOMEM;
    }
    rfi_message_ref_more(msg, count - 1);
    for (uint32_t i = 0; i < count; i++) {
        struct rfi_delivery *delivery = list;
        list = (struct rfi_delivery *)(void *)atomic_load_explicit(&delivery->node.next,
                                                                   memory_order_relaxed);
        rfi_delivery_fill(delivery, msg, wires[i].port, NULL, NULL);
        chain(ctx, &wires[i], delivery); /* a refusal is counted when it is pushed */
    }
    return RF_OK;
}

static void tell_emit(rf_context *ctx, size_t outport, rf_message *msg)
{
    struct rfi_runtime *runtime = ctx->runtime;
    struct rfi_actor *actor = ctx->actor;
    rf_event event = {.type = RF_EVENT_ACTOR_EMIT,
                      .actor = rfi_actor_id(actor),
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
        if (!outs->wires[i].is_loop && rfi_mailbox_is_over(target))
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
        receipt->consumed(receipt, 1, rf_message_size(msg));
    rf_message_unref(msg);
    rfi_reply_fail(reply, err);
}
