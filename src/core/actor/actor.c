/* SPDX-License-Identifier: MIT */
/* One activation of an actor: take messages, call the component, stop in time, go idle or queue again.
 *
 * rfi_actor_run has the token; when it returns the token is somewhere else, so nothing of the actor
 * is touched after the step that gives it away (release, park, requeue, finish).
 *
 * Invariants (docs/concurrency.md): AC-1 callbacks of one actor never overlap; AC-2 create comes first,
 * destroy last, once each; AC-3 every message ends in exactly one of: a callback, a drop; its
 * receipt is consumed once and its reply answered once.
 *
 * Sending is in emit.c, failures in supervise.c, the functions for components in context.c. */
#include "core/actor/actor.h"
#include "core/actor/delivery.h"
#include "core/actor/sharing.h"
#include "core/base/clock.h"
#include "core/base/errand.h"

#include <stdlib.h>
#include <string.h>

static void activate(struct rfi_worker *worker, struct rfi_actor *actor);
static inline enum rfi_verdict run_one(rf_context *ctx, struct rfi_delivery *delivery);
static inline enum rfi_verdict after_callback(rf_context *ctx, rf_err err);

/* ---- life ---- */

static void schedule_box(struct rfi_mailbox *box)
{
    struct rfi_actor *actor = rfi_actor_of(box);
    rfi_runtime_count_activated(actor->runtime, rfi_worker_self(actor->runtime));
    rfi_runtime_schedule(actor->runtime, actor);
}

static void destroy_box(struct rfi_mailbox *box)
{
    struct rfi_actor *actor = rfi_actor_of(box);
    rfi_outs_free(actor->outs);
    rfi_outs_free(atomic_load_explicit(&actor->pending_outs, memory_order_relaxed)); /* alone */
    rfi_side_free(actor->side);
    actor->runtime->hooks->free_actor(actor);
}

static void describe_box(const struct rfi_mailbox *box, uint32_t port, const char **out_id,
                         const char **out_port)
{
    const struct rfi_actor *actor = (const struct rfi_actor *)(const void *)box;
    *out_id = rfi_actor_id(actor);
    *out_port = port < actor->component->inport_count ? actor->component->inports[port].name : NULL;
}

const struct rfi_mailbox_ops rfi_actor_mailbox_ops = {
    .schedule = schedule_box, .destroy = destroy_box, .describe = describe_box};

void rfi_actor_init(struct rfi_actor *actor, struct rfi_runtime *runtime,
                    const rf_component *component, uint32_t capacity, struct rfi_side *side,
                    bool is_resting, uint32_t refs)
{
    actor->runtime = runtime;
    actor->component = component;
    actor->side = side;
    if (side != NULL)
        side->actor = actor;
    actor->can_restart = side != NULL && side->policy == RFI_POLICY_RESTART;
    actor->is_created = is_resting;
    rfi_mailbox_init(&actor->box, &rfi_actor_mailbox_ops, capacity, !is_resting,
                     RFI_ACTOR_REFS + refs);
}

bool rfi_actor_can_rest(const struct rfi_runtime *runtime, const rf_component *component)
{
    return component->create == NULL && !rfi_runtime_wants(runtime, RF_EVENT_ACTOR_STARTED);
}

struct rfi_side *rfi_side_new(void)
{
    struct rfi_side *side = calloc(1, sizeof *side);
    if (side == NULL)
        return NULL;
    rfi_timer_init(&side->backoff, rfi_backoff_fire);
    side->policy = RFI_POLICY_RESUME;
    side->restarts_max = RFI_RESTARTS_MAX;
    side->backoff_ms = RFI_BACKOFF_MS;
    return side;
}

rf_err rfi_actor_need_side(struct rfi_actor *actor)
{
    if (actor->side != NULL)
        return RF_OK;
    actor->side = rfi_side_new();
    if (actor->side == NULL)
        return RF_ENOMEM;
    actor->side->actor = actor;
    return RF_OK;
}

void rfi_side_free(struct rfi_side *side)
{
    if (side == NULL)
        return;
    rfi_config_fini(&side->config);
    free(side->timers);
    free(side);
}

/* ---- one activation ---- */

static void take_outs(rf_context *ctx)
{
    struct rfi_actor *actor = ctx->actor;
    rfi_context_flush(ctx); /* what was emitted before takes the wires of before */
    /* [OU1] acquire: pairs with the release in rfi_actor_publish_outs */
    struct rfi_outs *outs =
        atomic_exchange_explicit(&actor->pending_outs, NULL, memory_order_acq_rel);
    if (outs == NULL)
        return;
    rfi_outs_free(actor->outs);
    actor->outs = outs;
    if (ctx->pressed != NULL) /* of a wire of before, which held it */
        ctx->pressed = rfi_actor_find_pressed(actor);
}

static inline void adopt_outs(rf_context *ctx)
{
    /* relaxed: a hint; the exchange decides. A change made before a message was sent is seen here because the
     * message itself was acquired ([MB1]). */
    if (__builtin_expect(
            atomic_load_explicit(&ctx->actor->pending_outs, memory_order_relaxed) != NULL, 0))
        take_outs(ctx);
}

void rfi_actor_publish_outs(struct rfi_actor *actor, struct rfi_outs *outs)
{
    /* [OU1] release: publishes the table; acquire: the one that nobody took up is ours again */
    rfi_outs_free(atomic_exchange_explicit(&actor->pending_outs, outs, memory_order_acq_rel));
}

/* Make the state that is not there. */
static enum rfi_verdict create_state(rf_context *ctx)
{
    struct rfi_actor *actor = ctx->actor;
    rf_err err = RF_OK;
    if (actor->component->create != NULL)
        err = actor->component->create(ctx, &actor->state);
    if (err != RF_OK) {
        actor->state = NULL;
        return rfi_supervise(ctx, err);
    }
    ctx->has_fail_text = false;
    actor->is_created = true;
    if (rfi_runtime_wants(ctx->runtime, RF_EVENT_ACTOR_STARTED))
        ctx->runtime->hooks->on_event(ctx->runtime->user,
                                      &(rf_event){.type = RF_EVENT_ACTOR_STARTED,
                                                  .actor = rfi_actor_id(actor),
                                                  .component = actor->component->name});
    /* `create` may have emitted, asked to resume or both. */
    return after_callback(ctx, RF_OK);
}

static inline enum rfi_verdict ensure_created(rf_context *ctx)
{
    return __builtin_expect(ctx->actor->is_created, 1) ? RFI_GO_ON : create_state(ctx);
}

/* The next delivery; NULL when the activation is over, and then the token is gone. */
static inline struct rfi_delivery *next_delivery(rf_context *ctx)
{
    struct rfi_actor *actor = ctx->actor;
    struct rfi_worker *worker = ctx->worker;
    struct rfi_mailbox *box = &actor->box;
    for (;;) {
        if (__builtin_expect(box->first != NULL, 1))
            return rfi_mailbox_pop(box);
        if (rfi_mailbox_take(box)) {
            adopt_outs(ctx);
            return rfi_mailbox_pop(box);
        }
        if (ctx->chained != NULL) {
            rfi_context_push_chains(ctx); /* perhaps to itself: look again */
            continue;
        }
        rfi_actor_set_status(actor, RFI_STATUS_READY);
        if (rfi_mailbox_release(box)) {
            rfi_runtime_count_idled(worker->runtime, worker);
            return NULL;
        }
        if (rfi_mailbox_is_closed(box)) {
            rfi_actor_retire(worker, actor, RFI_STATUS_STOPPED);
            return NULL;
        }
        rfi_actor_set_status(actor, RFI_STATUS_RUNNING);
        rfi_mailbox_check_waiters(box);
    }
}

/* Look at the clock now and then, and let batches be as long as RFI_BATCH_NS. */
static void measure(struct rfi_worker *worker)
{
    uint64_t now = rfi_clock_ns();
    if (now - worker->last_ns > RFI_BATCH_NS / 4)
        rfi_context_flush(worker->context); /* others may go on with it meanwhile */
    if (worker->last_ns != 0) {
        uint64_t elapsed = now - worker->last_ns;
        uint64_t batch =
            elapsed == 0 ? RFI_BATCH_MAX : (uint64_t)RFI_BATCH_NS * worker->clock_every / elapsed;
        worker->batch_max = batch < 1 ? 1 : batch > RFI_BATCH_MAX ? RFI_BATCH_MAX : (uint32_t)batch;
        atomic_store_explicit(&worker->is_cheap, worker->batch_max >= RFI_BATCH_CHEAP,
                              memory_order_relaxed); /* to look at */
    }
    rfi_count(&worker->done_count, worker->clock_every);
    worker->clock_every =
        worker->batch_max >= RFI_BATCH_CHEAP ? RFI_CLOCK_EVERY_MAX : RFI_CLOCK_EVERY;
    worker->until_clock = worker->clock_every;
    worker->last_ns = now;
    if (--worker->until_share == 0) {
        worker->until_share = RFI_SHARE_EVERY;
        rfi_share_look(worker, now);
    }
}

static enum rfi_verdict run_resume(rf_context *ctx)
{
    struct rfi_actor *actor = ctx->actor;
    actor->wants_resume = false;
    if (actor->component->on_resume == NULL)
        return RFI_GO_ON;
    adopt_outs(ctx); /* a generator may never look into its mailbox */
    return after_callback(ctx, actor->component->on_resume(ctx, actor->state));
}

/* Give the token to the target's list of waiters. */
static enum rfi_verdict park(rf_context *ctx, struct rfi_mailbox *target)
{
    struct rfi_actor *actor = ctx->actor;
    rfi_context_flush(ctx);
    ctx->pressed = NULL;
    rfi_actor_set_status(actor, RFI_STATUS_MUTED);
    rfi_mailbox_check_waiters(&actor->box);
    /* Both may go as soon as the actor can run elsewhere: the target with a change of wires. */
    rfi_mailbox_ref(target);
    rfi_mailbox_ref(&actor->box);
    rfi_mailbox_wait(target, actor);
    /* A removal of this actor, or of its connector to the target, wakes the target's waiters by an
     * exchange of their list after it closed the mailbox, or left the new wires ([MB5]): either that
     * exchange found us, or we see what was done before it. */
    if (rfi_mailbox_is_closed(&actor->box) ||
        atomic_load_explicit(&actor->pending_outs, memory_order_relaxed) != NULL)
        rfi_mailbox_wake_waiters(target);
    rfi_mailbox_unref(&actor->box);
    rfi_mailbox_unref(target);
    return RFI_TOKEN_GONE;
}

static void tell_consumed(rf_context *ctx)
{
    ctx->receipt->consumed(ctx->receipt, ctx->receipt_count, ctx->receipt_bytes);
    ctx->receipt = NULL;
    ctx->receipt_count = 0;
    ctx->receipt_bytes = 0;
}

/* Receipts of one pusher are summed up, as each one is an exchange with another thread. */
static inline void note_consumed(rf_context *ctx, struct rfi_receipt *receipt, size_t size)
{
    if (ctx->receipt != receipt && ctx->receipt != NULL)
        tell_consumed(ctx);
    ctx->receipt = receipt;
    ctx->receipt_count++;
    ctx->receipt_bytes += size;
}

void rfi_actor_run(struct rfi_worker *worker, struct rfi_actor *actor)
{
    activate(worker, actor);
    if (worker->context->receipt != NULL)
        tell_consumed(worker->context); /* of the worker: the actor may be gone */
}

static void activate(struct rfi_worker *worker, struct rfi_actor *actor)
{
    rf_context *ctx = worker->context;
    enum rfi_verdict verdict = RFI_GO_ON;
    if (rfi_mailbox_is_closed(&actor->box)) {
        rfi_actor_retire(worker, actor, RFI_STATUS_STOPPED);
        return;
    }
    ctx->actor = actor;
    ctx->pressed = NULL;
    worker->yields = false;
    ctx->looks = 0;
    ctx->has_fail_text = false;
    adopt_outs(ctx);
    /* relaxed: our own status */
    if (atomic_load_explicit(&actor->status, memory_order_relaxed) == RFI_STATUS_MUTED) {
        /* Woken for a change of wires, or all waiters at once and the first filled the box again. */
        struct rfi_mailbox *target = rfi_actor_find_pressed(actor);
        if (target != NULL) {
            (void)park(ctx, target);
            return;
        }
    }
    rfi_actor_set_status(actor, RFI_STATUS_RUNNING);
    verdict = ensure_created(ctx);
    for (uint32_t n = 0; verdict == RFI_GO_ON && n < worker->batch_max; n++) {
        if (rfi_runtime_is_stopping(worker->runtime))
            break;
        /* relaxed: a hint not to work through the run at hand; beside our own data, where looking is free */
        if (__builtin_expect(atomic_load_explicit(&actor->gone, memory_order_relaxed) != 0, 0)) {
            rfi_actor_retire(worker, actor, RFI_STATUS_STOPPED);
            return;
        }
        /* A failed create is tried again for each message; the message behind a failure is dropped. */
        if (__builtin_expect(!actor->is_created, 0) && n > 0 &&
            rfi_mailbox_depth(&actor->box) > 0) {
            verdict = ensure_created(ctx);
            if (verdict != RFI_GO_ON)
                break;
        }
        if (actor->wants_resume) {
            verdict = run_resume(ctx);
        } else {
            struct rfi_delivery *delivery = next_delivery(ctx);
            if (delivery == NULL)
                return;
            verdict = run_one(ctx, delivery);
        }
        /* What a generator made is warm in this core's cache now: let the target have its turn. */
        if (verdict == RFI_GO_ON && __builtin_expect(actor->wants_resume, 0) &&
            (worker->next != NULL || rfi_errands.count > 0 || worker->yields))
            break;
        if (--worker->until_clock == 0)
            measure(worker);
    }
    if (verdict != RFI_GO_ON)
        return;
    rfi_context_flush(ctx);
    rfi_mailbox_check_waiters(&actor->box);
    rfi_actor_set_status(actor, RFI_STATUS_READY);
    /* A batch that was just long enough: queueing it again for nothing would let the next run pile up. */
    if (actor->box.first == NULL && !actor->wants_resume && rfi_mailbox_release(&actor->box))
        rfi_runtime_count_idled(worker->runtime, worker);
    else if (worker->next == NULL && rfi_mailbox_is_long(&actor->box))
        rfi_worker_schedule_next(worker,
                                 actor); /* before those who would make it longer and be muted */
    else
        rfi_worker_requeue(worker, actor);
}

static enum rfi_verdict end_callback(rf_context *ctx, rf_err err)
{
    if (err != RF_OK) {
        enum rfi_verdict verdict = rfi_supervise(ctx, err);
        if (verdict != RFI_GO_ON)
            return verdict;
    }
    if (ctx->actor->wants_resume && ctx->pressed == NULL)
        ctx->pressed = rfi_actor_find_pressed(ctx->actor);
    return ctx->pressed != NULL ? park(ctx, ctx->pressed) : RFI_GO_ON;
}

static inline enum rfi_verdict after_callback(rf_context *ctx, rf_err err)
{
    if (__builtin_expect(err == RF_OK, 1)) {
        ctx->has_fail_text = false; /* rf_fail without an error code means nothing */
        if (__builtin_expect(!ctx->actor->wants_resume && ctx->pressed == NULL, 1))
            return RFI_GO_ON;
    }
    return end_callback(ctx, err);
}

/* ---- messages ---- */

static void answer(rf_context *ctx, rf_err err)
{
    rf_reply *reply = ctx->reply;
    rf_message *first = ctx->first_emitted;
    ctx->reply = NULL;
    ctx->first_emitted = NULL;
    if (reply == NULL) {
        rf_message_unref(first); /* the request was taken, or answered by hand */
    } else if (err != RF_OK) {
        rf_message_unref(first);
        rfi_reply_fail(reply, RF_EACTOR);
    } else {
        rf_reply_send(reply, first); /* none: RF_ENOREPLY */
    }
}

static void tell_completed(rf_context *ctx)
{
    ctx->runtime->hooks->on_event(ctx->runtime->user,
                                  &(rf_event){.type = RF_EVENT_ACTOR_COMPLETED,
                                              .actor = rfi_actor_id(ctx->actor),
                                              .component = ctx->actor->component->name});
}

static inline void note_success(rf_context *ctx)
{
    if (__builtin_expect(ctx->actor->can_restart, 0))
        ctx->actor->side->restarts_in_row = 0; /* of nobody else it is ever more */
    if (rfi_runtime_wants(ctx->runtime, RF_EVENT_ACTOR_COMPLETED))
        tell_completed(ctx);
}

/* RF_FIRE_ANY: the message at hand. Takes the delivery. */
static inline enum rfi_verdict fire_any(rf_context *ctx, struct rfi_delivery *delivery)
{
    struct rfi_actor *actor = ctx->actor;
    rf_message *msg = delivery->msg;
    struct rfi_receipt *receipt = delivery->receipt;
    rf_reply *reply = delivery->reply;
    uint32_t port = delivery->port;
    rfi_delivery_release(delivery, msg); /* before the callback, which may forward the message */
    ctx->reply = reply;
    rfi_lease_begin(msg);
    rf_err err = actor->component->on_message(ctx, actor->state, port, msg);
    if (__builtin_expect(reply != NULL, 0))
        answer(ctx, err);
    if (__builtin_expect(receipt != NULL, 0))
        note_consumed(ctx, receipt, msg->size);
    rfi_lease_end(msg);
    if (__builtin_expect(err == RF_OK, 1))
        note_success(ctx);
    return after_callback(ctx, err);
}

static bool is_packet_complete(const struct rfi_actor *actor)
{
    const rf_component *component = actor->component;
    for (size_t i = 0; i < component->inport_count; i++) {
        if (actor->side->inputs->slots[i].msg != NULL)
            continue;
        if (component->firing == RF_FIRE_ALL)
            return false;
        for (size_t k = 0; k < component->await_count; k++)
            if (strcmp(component->await[k], component->inports[i].name) == 0)
                return false;
    }
    return true;
}

static enum rfi_verdict fire_packet(rf_context *ctx)
{
    struct rfi_actor *actor = ctx->actor;
    const rf_component *component = actor->component;
    struct rfi_inputs *inputs = actor->side->inputs;
    rf_message **messages = (rf_message **)(void *)(inputs->slots + component->inport_count);
    for (size_t i = 0; i < component->inport_count; i++)
        messages[i] = inputs->slots[i].msg;
    rf_reply *reply = inputs->replies;
    inputs->replies = NULL;
    ctx->reply = reply;
    rf_err err = component->on_packet(ctx, actor->state, messages);
    if (reply != NULL)
        answer(ctx, err);
    rfi_actor_drop_inputs(actor, RF_ENOREPLY);
    if (err == RF_OK)
        note_success(ctx);
    return after_callback(ctx, err);
}

static void clear_input(struct rfi_input *input)
{
    if (input->receipt != NULL)
        input->receipt->consumed(input->receipt, 1, rf_message_size(input->msg));
    rf_message_unref(input->msg);
    *input = (struct rfi_input){.msg = NULL};
}

void rfi_actor_drop_inputs(struct rfi_actor *actor, rf_err err)
{
    if (actor->side == NULL || actor->side->inputs == NULL)
        return;
    for (size_t i = 0; i < actor->component->inport_count; i++)
        if (actor->side->inputs->slots[i].msg != NULL)
            clear_input(&actor->side->inputs->slots[i]);
    rf_reply *reply = actor->side->inputs->replies;
    actor->side->inputs->replies = NULL;
    rfi_reply_fail(reply, err);
}

/* RF_FIRE_ALL and RF_FIRE_SUBSET: keep the newest of each in-port until the packet is complete. */
static enum rfi_verdict gather(rf_context *ctx, struct rfi_delivery *delivery)
{
    struct rfi_actor *actor = ctx->actor;
    if (rfi_actor_need_side(actor) != RF_OK) {
        rfi_delivery_drop(delivery, RF_ENOMEM);
        return after_callback(ctx, RF_ENOMEM);
    }
    if (actor->side->inputs == NULL) {
        actor->side->inputs = calloc(1, sizeof *actor->side->inputs +
                                            actor->component->inport_count *
                                                (sizeof(struct rfi_input) + sizeof(rf_message *)));
        if (actor->side->inputs == NULL) {
            rfi_delivery_drop(delivery, RF_ENOMEM);
            return after_callback(ctx, RF_ENOMEM);
        }
    }
    struct rfi_input *input = &actor->side->inputs->slots[delivery->port];
    if (input->msg != NULL)
        clear_input(input);
    *input = (struct rfi_input){.msg = delivery->msg, .receipt = delivery->receipt};
    if (delivery->reply != NULL) {
        delivery->reply->next = actor->side->inputs->replies;
        actor->side->inputs->replies = delivery->reply;
    }
    rfi_delivery_release(delivery, delivery->msg);
    return is_packet_complete(actor) ? fire_packet(ctx) : RFI_GO_ON;
}

static inline enum rfi_verdict run_one(rf_context *ctx, struct rfi_delivery *delivery)
{
    struct rfi_actor *actor = ctx->actor;
    bool is_timer = delivery->kind == RFI_DELIVERY_TIMER;
    if (__builtin_expect(is_timer, 0))
        /* relaxed: a number to look at */
        (void)atomic_fetch_sub_explicit(&actor->box.system_count, 1, memory_order_relaxed);
    else
        rfi_count(&actor->received, 1);
    if (__builtin_expect(!actor->is_created, 0)) { /* and create has just failed */
        if (is_timer) {
            rfi_actor_timer_drop(delivery);
        } else {
            rfi_delivery_drop(delivery, RF_EACTOR);
            rfi_count_few(&actor->dropped, 1);
            rfi_runtime_count_dropped(ctx->runtime, 1);
        }
        return RFI_GO_ON;
    }
    if (__builtin_expect(is_timer, 0))
        return after_callback(ctx, rfi_actor_timer_run(ctx, delivery));
    return actor->component->firing == RF_FIRE_ANY ? fire_any(ctx, delivery)
                                                   : gather(ctx, delivery);
}

/* ---- the end ---- */

void rfi_actor_destroy_state(struct rfi_actor *actor)
{
    rfi_actor_timers_clear(actor);
    if (actor->is_created && actor->component->destroy != NULL)
        actor->component->destroy(actor->state);
    actor->is_created = false;
    actor->state = NULL;
    actor->wants_resume = false;
}

void rfi_actor_finish(struct rfi_actor *actor, enum rfi_status status)
{
    struct rfi_mailbox *box = &actor->box;
    uint64_t dropped = 0;
    if (actor->is_finished)
        return;
    actor->is_finished = true;
    rfi_mailbox_wake_waiters(box);
    for (struct rfi_delivery *delivery; (delivery = rfi_mailbox_pop(box)) != NULL;) {
        if (delivery->kind == RFI_DELIVERY_TIMER) {
            (void)atomic_fetch_sub_explicit(&box->system_count, 1, memory_order_relaxed);
            rfi_actor_timer_drop(delivery);
            continue;
        }
        rfi_delivery_drop(delivery, RF_ECLOSED);
        dropped++;
    }
    rfi_count_few(&actor->dropped, dropped);
    rfi_runtime_count_dropped(actor->runtime, dropped);
    rfi_actor_drop_inputs(actor, RF_ECLOSED);
    if (actor->side != NULL) {
        free(actor->side->inputs);
        actor->side->inputs = NULL;
    }
    rfi_actor_destroy_state(actor);
    rfi_outs_free(actor->outs); /* lets go of the targets */
    actor->outs = NULL;
    rfi_actor_publish_outs(actor, NULL);
    rfi_actor_set_status(actor, status);
    rfi_actor_note_gone(actor, RFI_GONE_FINISHED);
}

void rfi_actor_note_gone(struct rfi_actor *actor, enum rfi_gone how)
{
    struct rfi_runtime *runtime = actor->runtime;
    /* [GO1] acq_rel: the second to come sees the numbers, which nobody changes any more */
    if (atomic_fetch_or_explicit(&actor->gone, (uint8_t)how, memory_order_acq_rel) == 0)
        return;
    /* relaxed: numbers to look at */
    (void)atomic_fetch_add_explicit(&runtime->past_received,
                                    atomic_load_explicit(&actor->received, memory_order_relaxed),
                                    memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&runtime->past_emitted,
                                    atomic_load_explicit(&actor->emitted, memory_order_relaxed),
                                    memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&runtime->past_failed,
                                    atomic_load_explicit(&actor->failed, memory_order_relaxed),
                                    memory_order_relaxed);
}

void rfi_actor_retire(struct rfi_worker *worker, struct rfi_actor *actor, enum rfi_status status)
{
    struct rfi_runtime *runtime = worker->runtime;
    rfi_context_flush(worker->context);
    (void)rfi_mailbox_close(&actor->box, NULL); /* the token is ours in any case */
    rfi_actor_finish(actor, status);
    actor->is_retired = true;
    rfi_mailbox_unref(&actor->box); /* the token's */
    rfi_runtime_count_idled(runtime, worker);
}

void rfi_actor_close(struct rfi_actor *actor)
{
    struct rfi_runtime *runtime = actor->runtime;
    if (rfi_mailbox_close(&actor->box, NULL)) {
        schedule_box(&actor->box);
        return;
    }
    /* Somebody has the token and will see the bit; if that is the timer of a restart, do not wait. */
    if (actor->can_restart && rfi_timers_remove(&runtime->timers, &actor->side->backoff))
        rfi_runtime_schedule(runtime, actor);
}
