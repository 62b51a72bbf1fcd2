/* SPDX-License-Identifier: MIT */
/* What happens when a callback fails, and the timers of actors.
 *
 * A failure is told four times, to four readers: to the workflow by an Error message on the out-port `error`,
 * to subscribers by an event, to the operator by one log line, and to the policy, which
 * decides: go on, make the state anew after a pause that doubles each time, or stop for good.
 * All of it runs on the worker that has the token, but for the two `fire` functions (timer thread).
 *
 * A restarting actor's token is with its backoff timer. A timer of an actor has two references:
 * one of the actor's table, one of the heap or of the delivery that is on its way. */
#include "core/actor/actor.h"
#include "core/actor/delivery.h"
#include "core/base/clock.h"

#include <reflow/log.h>
#include <stdlib.h>
#include <string.h>

static void report(rf_context *ctx, rf_err err, const char *text);
static enum rfi_verdict restart(rf_context *ctx);
static enum rfi_verdict stop(rf_context *ctx);

enum rfi_verdict rfi_supervise(rf_context *ctx, rf_err err)
{
    struct rfi_actor *actor = ctx->actor;
    rfi_count_few(&actor->failed, 1);
    report(ctx, err, ctx->has_fail_text ? ctx->fail_text : rf_err_text(err));
    ctx->has_fail_text = false;
    switch (actor->side == NULL ? RFI_POLICY_RESUME : actor->side->policy) {
    case RFI_POLICY_RESUME:
        break;
    case RFI_POLICY_RESTART:
        return actor->side->restarts_in_row < actor->side->restarts_max ? restart(ctx) : stop(ctx);
    case RFI_POLICY_STOP:
        return stop(ctx);
    }
    return RFI_GO_ON;
}

static void report(rf_context *ctx, rf_err err, const char *text)
{
    struct rfi_actor *actor = ctx->actor;
    const rf_component *component = actor->component;
    for (size_t i = 0; i < component->outport_count; i++) {
        if (strcmp(component->outports[i].name, "error") != 0 || actor->outs == NULL ||
            actor->outs->ports[i].count == 0)
            continue;
        /* A loop that is full, or no memory: the log line below tells of the failure all the same. */
        (void)rf_emit(ctx, i, rf_message_error(text, strlen(text)));
    }
    if (rfi_runtime_wants(ctx->runtime, RF_EVENT_ACTOR_FAILED))
        ctx->runtime->hooks->on_event(ctx->runtime->user, &(rf_event){.type = RF_EVENT_ACTOR_FAILED,
                                                                      .actor = rfi_actor_id(actor),
                                                                      .component = component->name,
                                                                      .error = text});
    rf_log(RF_LOG_WARN, "ACTOR-FAILED", "actor=%s component=%s error=%s text=%s",
           rfi_actor_id(actor), component->name, rf_err_name(err), text);
}

static enum rfi_verdict stop(rf_context *ctx)
{
    struct rfi_actor *actor = ctx->actor;
    rf_log(RF_LOG_ERROR, "ACTOR-STOPPED", "actor=%s component=%s restarts=%u", rfi_actor_id(actor),
           actor->component->name,
           actor->can_restart ? atomic_load_explicit(&actor->side->restarts, memory_order_relaxed)
                              : 0); /* ours */
    rfi_actor_retire(ctx->worker, actor, RFI_STATUS_FAILED);
    return RFI_TOKEN_GONE;
}

static enum rfi_verdict restart(rf_context *ctx)
{
    struct rfi_actor *actor = ctx->actor;
    struct rfi_runtime *runtime = ctx->runtime;
    struct rfi_side *side = actor->side;
    rfi_context_flush(ctx);
    rfi_actor_destroy_state(actor);
    uint64_t delay_ms = side->backoff_ms;
    for (uint32_t i = 0; i < side->restarts_in_row && delay_ms < RFI_BACKOFF_MAX_MS; i++)
        delay_ms *= 2;
    if (delay_ms > RFI_BACKOFF_MAX_MS)
        delay_ms = RFI_BACKOFF_MAX_MS;
    side->restarts_in_row++;
    rfi_count_few(&side->restarts, 1);
    rfi_mailbox_check_waiters(&actor->box);
    rfi_actor_set_status(actor, RFI_STATUS_BACKOFF);
    rfi_mailbox_ref(&actor->box); /* once the timer is armed the token may end elsewhere */
    rf_err err =
        rfi_timers_arm(&runtime->timers, &side->backoff, rfi_clock_ns() + delay_ms * 1000000U);
    /* Without a timer the restart is at once; so it is when a closer came before the timer was armed and could
     * not take it out. The lock of the timers orders this with rfi_actor_close. */
    if (err != RF_OK ||
        (rfi_mailbox_is_closed(&actor->box) && rfi_timers_remove(&runtime->timers, &side->backoff)))
        rfi_worker_requeue(ctx->worker, actor);
    rfi_mailbox_unref(&actor->box);
    return RFI_TOKEN_GONE;
}

void rfi_backoff_fire(struct rfi_timer *timer, bool is_cancelled)
{
    struct rfi_side *side =
        (struct rfi_side *)(void *)((char *)timer - offsetof(struct rfi_side, backoff));
    /* Cancelled: the network is being stopped, and the actor is drained from the list of all. */
    if (!is_cancelled)
        rfi_runtime_schedule(side->actor->runtime, side->actor);
}

/* ---- timers of actors ---- */

struct rfi_actor_timer {
    struct rfi_timer timer;       /* first: a timer is its actor timer */
    struct rfi_delivery delivery; /* on its way once at a time */
    struct rfi_actor *actor;      /* one reference */
    uint64_t tag, period_ns;
    _Atomic(uint32_t) refs;
    bool is_cancelled; /* owner: the actor's token */
};

static void unref_timer(struct rfi_actor_timer *timer)
{
    /* [TM1] acq_rel: the last holder frees */
    if (atomic_fetch_sub_explicit(&timer->refs, 1, memory_order_acq_rel) != 1)
        return;
    rfi_mailbox_unref(&timer->actor->box);
    free(timer);
}

static void fire_actor_timer(struct rfi_timer *base, bool is_cancelled)
{
    struct rfi_actor_timer *timer = (struct rfi_actor_timer *)(void *)base;
    struct rfi_mailbox *box = &timer->actor->box;
    uint32_t count;
    if (!is_cancelled) {
        timer->delivery = (struct rfi_delivery){.kind = RFI_DELIVERY_TIMER};
        /* relaxed: a number to look at; counted first so that the length is not told too large */
        (void)atomic_fetch_add_explicit(&box->system_count, 1, memory_order_relaxed);
        /* once pushed, the timer may be freed with the actor's reference: keep one for the wake-up */
        rfi_mailbox_ref(box);
        enum rfi_push pushed = rfi_mailbox_push(box, &timer->delivery.node, &count);
        if (pushed == RFI_PUSH_FIRST)
            box->ops->schedule(box);
        if (pushed == RFI_PUSH_REFUSED)
            (void)atomic_fetch_sub_explicit(&box->system_count, 1, memory_order_relaxed);
        rfi_mailbox_unref(box);
        if (pushed != RFI_PUSH_REFUSED)
            return;
    }
    unref_timer(timer);
}

static struct rfi_actor_timer *timer_of(struct rfi_delivery *delivery)
{
    return (struct rfi_actor_timer *)(void *)((char *)delivery -
                                              offsetof(struct rfi_actor_timer, delivery));
}

/* Take the timer at `index` out of the table; no on_timer comes from it any more. */
static void cancel_at(struct rfi_actor *actor, size_t index)
{
    struct rfi_side *side = actor->side;
    struct rfi_actor_timer *timer = side->timers[index];
    side->timers[index] = side->timers[--side->timer_count];
    timer->is_cancelled = true;
    if (rfi_timers_remove(&actor->runtime->timers, &timer->timer))
        unref_timer(timer);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow counters */
    unref_timer(timer);
}

static size_t find_timer(const struct rfi_actor *actor, uint64_t tag)
{
    const struct rfi_side *side = actor->side;
    size_t count = side == NULL ? 0 : side->timer_count;
    for (size_t i = 0; i < count; i++)
        if (side->timers[i]->tag == tag)
            return i;
    return SIZE_MAX;
}

static rf_err reserve_timer(struct rfi_actor *actor)
{
    if (rfi_actor_need_side(actor) != RF_OK)
        return RF_ENOMEM;
    struct rfi_side *side = actor->side;
    if (side->timer_count == RFI_ACTOR_TIMERS_MAX)
        return RF_ELIMIT;
    if (side->timer_count < side->timer_capacity)
        return RF_OK;
    size_t capacity = side->timer_capacity == 0 ? 4 : side->timer_capacity * 2;
    struct rfi_actor_timer **timers =
        realloc(side->timers, capacity * sizeof(struct rfi_actor_timer *));
    if (timers == NULL)
        return RF_ENOMEM;
    side->timers = timers;
    side->timer_capacity = capacity;
    return RF_OK;
}

static uint64_t ms_to_ns(uint64_t ms)
{
    enum { NS_PER_MS = 1000000 };
    return ms > UINT64_MAX / 4 / NS_PER_MS ? UINT64_MAX / 4 : ms * NS_PER_MS;
}

rf_err rf_timer_start(rf_context *ctx, uint64_t tag, uint64_t delay_ms, uint64_t period_ms)
{
    struct rfi_actor *actor = ctx->actor;
    rf_timer_cancel(ctx, tag);
    rf_err err = reserve_timer(actor);
    if (err != RF_OK)
        return err;
    struct rfi_actor_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL)
        return RF_ENOMEM;
    rfi_timer_init(&timer->timer, fire_actor_timer);
    timer->actor = actor;
    timer->tag = tag;
    timer->period_ns = ms_to_ns(period_ms);
    atomic_init(&timer->refs, 2);
    rfi_mailbox_ref(&actor->box);
    err =
        rfi_timers_arm(&actor->runtime->timers, &timer->timer, rfi_clock_ns() + ms_to_ns(delay_ms));
    if (err != RF_OK) {
        unref_timer(timer);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow counters */
        unref_timer(timer);
        return err == RF_ECLOSED ? RF_OK : RF_ENOMEM; /* closed: nothing runs any more */
    }
    actor->side->timers[actor->side->timer_count++] = timer;
    return RF_OK;
}

void rf_timer_cancel(rf_context *ctx, uint64_t tag)
{
    size_t index = find_timer(ctx->actor, tag);
    if (index != SIZE_MAX)
        cancel_at(ctx->actor, index);
}

rf_err rfi_actor_timer_run(rf_context *ctx, struct rfi_delivery *delivery)
{
    struct rfi_actor_timer *timer = timer_of(delivery);
    struct rfi_actor *actor = ctx->actor;
    uint64_t tag = timer->tag;
    if (timer->is_cancelled) {
        unref_timer(timer);
        return RF_OK;
    }
    if (timer->period_ns == 0) {
        cancel_at(actor, find_timer(actor, tag));
        unref_timer(timer);
    } else {
        /* From the due time, not from now, so that periods do not drift; but ticks that were missed are not
         * made up for. */
        uint64_t now = rfi_clock_ns();
        uint64_t due = timer->timer.due_ns + timer->period_ns;
        if (rfi_timers_arm(&actor->runtime->timers, &timer->timer, due < now ? now : due) != RF_OK)
            unref_timer(timer); /* the network is being stopped */
    }
    if (actor->component->on_timer == NULL)
        return RF_OK;
    return actor->component->on_timer(ctx, actor->state, tag);
}

void rfi_actor_timer_drop(struct rfi_delivery *delivery)
{
    unref_timer(timer_of(delivery));
}

void rfi_actor_timers_clear(struct rfi_actor *actor)
{
    while (actor->side != NULL && actor->side->timer_count > 0)
        cancel_at(actor, actor->side->timer_count - 1);
}
