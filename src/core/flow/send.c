/* SPDX-License-Identifier: MIT */
/* Sending to a node by its name: from outside, from a callback without a connector, and from links by
 * way of targets.
 *
 * A name is looked up without a lock (directory.h), but for that of a remote node. Links look up once and keep a target, and
 * so may others (address.c).
 * The push itself is that of the mailbox. Senders from outside are refused at the limit and keep their
 * message; targets and initial packets are never refused for fullness.
 *
 * A request is a push with a reply; its deadline is armed after the push, so that a push that fails has
 * nothing to take back. */
#include "core/actor/delivery.h"
#include "core/base/clock.h"
#include "core/flow/network_internal.h"

#include <stdlib.h>
#include <string.h>

struct rfi_target {
    _Atomic(uint32_t) refs;
    uint32_t port;
    struct rfi_actor *actor; /* one reference */
    rf_network *net;
};

static rf_err send_to(rf_network *net, const char *actor, const char *port, rf_message *msg,
                      rf_reply *reply, bool is_bounded);

/* ---- the push ---- */

rf_err rfi_box_push(struct rfi_mailbox *box, uint32_t port, rf_message *msg,
                    struct rfi_receipt *receipt, rf_reply *reply, bool is_bounded)
{
    uint32_t count;
    if (is_bounded &&
        (rfi_mailbox_length(box) >= box->capacity || rfi_mailbox_is_heavy(box, box->capacity)))
        return rfi_mailbox_is_closed(box) ? RF_ECLOSED : RF_EFULL;
    struct rfi_delivery *delivery = rfi_delivery_take(msg);
    if (delivery == NULL)
        return RF_ENOMEM;
    rfi_delivery_fill(delivery, msg, port, receipt, reply);
    switch (rfi_mailbox_push(box, &delivery->node, &count)) {
    case RFI_PUSH_REFUSED:
        rfi_delivery_release(delivery, msg);
        return RF_ECLOSED;
    case RFI_PUSH_FIRST:
        box->ops->schedule(box);
        break;
    case RFI_PUSH_QUEUED:
        break;
    }
    return RF_OK;
}

rf_err rfi_place_push(struct rfi_mailbox *box, uint32_t port, rf_message *msg,
                      struct rfi_receipt *receipt, rf_reply *reply, bool is_bounded)
{
    if (box->ops != &rfi_actor_mailbox_ops ||
        !rfi_runtime_wants(rfi_actor_of(box)->runtime, RF_EVENT_MESSAGE_RECEIVED))
        return rfi_box_push(box, port, msg, receipt, reply, is_bounded);
    rf_network *net = rfi_actor_of(box)->runtime->user;
    rf_event event = {.type = RF_EVENT_MESSAGE_RECEIVED, .message = rf_message_ref(msg)};
    box->ops->describe(box, port, &event.actor, &event.port);
    rf_err err = rfi_box_push(box, port, msg, receipt, reply, is_bounded);
    if (err == RF_OK)
        rfi_events_post(net, &event);
    rf_message_unref(event.message);
    return err;
}

/* ---- by name ---- */

/* Takes a reference to the actor, which is the place's on RF_OK. */
static rf_err place_at_actor(struct rfi_actor *actor, const char *port, struct rfi_place *out)
{
    const rf_component *component = actor->component;
    size_t number = rfi_port_find(component->inports, component->inport_count, port);
    if (number == SIZE_MAX) {
        rfi_mailbox_unref(&actor->box);
        return RF_ENOPORT;
    }
    *out = (struct rfi_place){.box = &actor->box, .port = (uint32_t)number};
    return RF_OK;
}

static rf_err place_at_node(struct rfi_node *node, const char *port, struct rfi_place *out)
{
    if (rfi_node_actor(node) != NULL) {
        rfi_mailbox_ref(&rfi_node_actor(node)->box);
        return place_at_actor(rfi_node_actor(node), port, out);
    }
    struct rfi_outlet *outlet = rfi_proxy_of(node)->outlet;
    uint32_t route = rfi_outlet_route_locked(outlet, NULL, port);
    if (route == UINT32_MAX)
        return RF_ENOMEM;
    rfi_mailbox_ref(&outlet->box);
    *out = (struct rfi_place){.box = &outlet->box, .port = route};
    return RF_OK;
}

rf_err rfi_place_find(rf_network *net, const char *actor, const char *port, struct rfi_place *out)
{
    struct rfi_actor *found = rfi_directory_find(&net->nodes, actor);
    if (found != NULL)
        return place_at_actor(found, port, out);
    pthread_mutex_lock(&net->lock);
    struct rfi_node *node = rfi_node_find_locked(net, actor);
    rf_err err = node == NULL ? RF_ENOACTOR : place_at_node(node, port, out);
    pthread_mutex_unlock(&net->lock);
    return err;
}

struct rfi_timers *rfi_place_timers(struct rfi_mailbox *box)
{
    return box->ops == &rfi_actor_mailbox_ops
               ? &rfi_actor_of(box)->runtime->timers
               : &((struct rfi_outlet *)(void *)box)->net->runtime.timers; /* its first member */
}

static rf_err send_by_bridge(rf_network *net, const char *actor, const char *port, rf_message *msg,
                             rf_reply *reply)
{
    void *bridge;
    const struct rfi_bridge_ops *ops = rfi_network_bridge(net, &bridge);
    if (ops == NULL)
        return RF_EUNSUPPORTED;
    char *remote_actor;
    char *remote_network;
    rf_err err = rfi_split_remote(actor, &remote_actor, &remote_network);
    if (err != RF_OK)
        return err == RF_EINVAL ? RF_ENOACTOR : err;
    err = ops->send(bridge, remote_actor, remote_network, port, msg, reply);
    free(remote_actor);
    free(remote_network);
    return err;
}

static rf_err send_to(rf_network *net, const char *actor, const char *port, rf_message *msg,
                      rf_reply *reply, bool is_bounded)
{
    struct rfi_place place;
    rfi_emit_flush(); /* a callback's message comes after what it emitted before */
    rf_err err = rfi_place_find(net, actor, port, &place);
    if (err == RF_ENOACTOR && strchr(actor, '@') != NULL)
        return send_by_bridge(net, actor, port, msg, reply);
    if (err != RF_OK)
        return err;
    err = rfi_place_push(place.box, place.port, msg, NULL, reply, is_bounded);
    rfi_mailbox_unref(place.box);
    return err;
}

rf_err rf_network_send(rf_network *net, const char *actor, const char *port, rf_message *msg)
{
    return msg == NULL ? RF_ENOMEM : send_to(net, actor, port, msg, NULL, true);
}

rf_err rf_network_add_initial(rf_network *net, const char *actor, const char *port, rf_message *msg)
{
    return msg == NULL ? RF_ENOMEM : send_to(net, actor, port, msg, NULL, false);
}

rf_err rf_send_to(rf_context *ctx, const char *actor, const char *port, rf_message *msg)
{
    rf_err err = rf_network_send(ctx->runtime->user, actor, port, msg);
    if (err != RF_OK)
        rf_message_unref(msg);
    return err;
}

/* ---- requests ---- */

rf_err rf_network_request(rf_network *net, const char *actor, const char *port, rf_message *msg,
                          uint64_t timeout_ms, rf_reply_fn on_reply, void *user)
{
    if (msg == NULL)
        return RF_ENOMEM;
    rf_reply *reply = rfi_reply_make(&net->runtime.timers, on_reply, user);
    if (reply == NULL)
        return RF_ENOMEM;
    rfi_reply_ref(reply); /* ours, while the other may be used up already */
    return rfi_request_sent(reply, send_to(net, actor, port, msg, reply, true), timeout_ms);
}

rf_err rfi_request_sent(rf_reply *reply, rf_err err, uint64_t timeout_ms)
{
    if (err != RF_OK) {
        rfi_reply_discard(reply);
        rfi_reply_unref(reply);
        return err;
    }
    enum { NS_PER_MS = 1000000 };
    uint64_t wait_ns =
        timeout_ms > UINT64_MAX / 4 / NS_PER_MS ? UINT64_MAX / 4 : timeout_ms * NS_PER_MS;
    err = rfi_reply_arm(reply, rfi_clock_ns() + wait_ns);
    if (err != RF_OK)
        rfi_reply_fail(reply, err); /* takes our reference; the holder's answer comes too late */
    else
        rfi_reply_unref(reply);
    return RF_OK;
}

rf_err rfi_reply_new(rf_network *net, uint64_t timeout_ms, rf_reply_fn on_reply, void *user,
                     rf_reply **out)
{
    enum { NS_PER_MS = 1000000 };
    rf_reply *reply = rfi_reply_make(&net->runtime.timers, on_reply, user);
    if (reply == NULL)
        return RF_ENOMEM;
    if (timeout_ms != 0) {
        rf_err err = rfi_reply_arm(reply, rfi_clock_ns() + timeout_ms * NS_PER_MS);
        if (err != RF_OK) {
            rfi_reply_discard(reply);
            return err;
        }
    }
    *out = reply;
    return RF_OK;
}

/* A thread that waits for its answer. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    rf_err err;
    rf_message *answer;
};

static void wake_waiter(void *user, rf_err err, rf_message *answer)
{
    struct waiter *waiter = user;
    pthread_mutex_lock(&waiter->lock);
    waiter->err = err;
    waiter->answer = answer;
    waiter->is_done = true;
    /* Under the lock: the waiter is on a stack, and gone once it can have the lock. */
    pthread_cond_signal(&waiter->done);
    pthread_mutex_unlock(&waiter->lock);
}

rf_err rf_network_request_wait(rf_network *net, const char *actor, const char *port,
                               rf_message *msg, uint64_t timeout_ms, rf_message **out_answer)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    rf_err err = rf_network_request(net, actor, port, msg, timeout_ms, wake_waiter, &waiter);
    if (err != RF_OK)
        return err;
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.is_done)
        pthread_cond_wait(&waiter.done, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    if (waiter.err == RF_OK)
        *out_answer = waiter.answer;
    return waiter.err;
}

/* ---- targets ---- */

rf_err rfi_target_find(rf_network *net, const char *actor, const char *port,
                       struct rfi_target **out)
{
    struct rfi_target *target = malloc(sizeof *target);
    if (target == NULL)
        return RF_ENOMEM;
    struct rfi_place place = {.box = NULL};
    pthread_mutex_lock(&net->lock);
    struct rfi_node *node = rfi_node_find_locked(net, actor);
    rf_err err = node == NULL || rfi_node_actor(node) == NULL ? RF_ENOACTOR
                                                              : place_at_node(node, port, &place);
    pthread_mutex_unlock(&net->lock);
    if (err != RF_OK) {
        free(target);
        return err;
    }
    atomic_init(&target->refs, 1);
    target->port = place.port;
    target->actor = rfi_actor_of(place.box);
    target->net = net;
    *out = target;
    return RF_OK;
}

struct rfi_target *rfi_target_ref(struct rfi_target *target)
{
    (void)atomic_fetch_add_explicit(&target->refs, 1, memory_order_relaxed); /* a copy */
    return target;
}

void rfi_target_unref(struct rfi_target *target)
{
    /* [TG1] acq_rel: the last holder frees */
    if (target == NULL || atomic_fetch_sub_explicit(&target->refs, 1, memory_order_acq_rel) != 1)
        return;
    rfi_mailbox_unref(&target->actor->box);
    free(target);
}

rf_err rfi_target_push(struct rfi_target *target, rf_message *msg, struct rfi_receipt *receipt,
                       rf_reply *reply)
{
    return rfi_place_push(&target->actor->box, target->port, msg, receipt, reply, false);
}

/* ---- runs for a target ---- */

rf_err rfi_target_run_add(struct rfi_target_run *run, struct rfi_target *target, rf_message *msg,
                          struct rfi_receipt *receipt)
{
    struct rfi_delivery *delivery = rfi_delivery_take(msg);
    if (delivery == NULL)
        return RF_ENOMEM;
    rfi_delivery_fill(delivery, msg, target->port, receipt, NULL);
    struct rfi_mpsc_node *node = &delivery->node;
    atomic_store_explicit(&node->next, NULL, memory_order_relaxed); /* ours, all of the run */
    if (run->length++ == 0)
        run->oldest = node;
    else
        atomic_store_explicit(&run->newest->next, node, memory_order_relaxed);
    run->newest = node;
    run->weight += rfi_box_weight(node);
    return RF_OK;
}

size_t rfi_target_run_add_many(struct rfi_target_run *run, struct rfi_target *target,
                               rf_message *const *messages, size_t count,
                               struct rfi_receipt *receipt)
{
    struct rfi_mpsc_node *newest = run->newest;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        rf_message *msg = messages[i];
        struct rfi_delivery *delivery = rfi_delivery_take(msg); /* the one in the message */
        rfi_delivery_fill(delivery, msg, target->port, receipt, NULL);
        struct rfi_mpsc_node *node = &delivery->node;
        if (run->length == 0 && i == 0)
            run->oldest = node;
        else
            atomic_store_explicit(&newest->next, node, memory_order_relaxed); /* ours */
        newest = node;
        run->weight += rfi_box_weight(node);
        bytes += msg->size;
    }
    atomic_store_explicit(&newest->next, NULL, memory_order_relaxed); /* ours */
    run->newest = newest;
    run->length += (uint32_t)count;
    return bytes;
}

rf_message *rfi_target_run_take(struct rfi_target_run *run)
{
    if (run->length == 0)
        return NULL;
    struct rfi_delivery *delivery = (struct rfi_delivery *)(void *)run->oldest;
    rf_message *msg = delivery->msg;
    run->weight -= rfi_box_weight(run->oldest);
    run->oldest = --run->length == 0
                      ? NULL
                      : atomic_load_explicit(&delivery->node.next, memory_order_relaxed);
    rfi_delivery_release(delivery, msg);
    return msg;
}

/* An idle target that this thread can run itself gets the run without a push: see push_chain in emit.c. */
static bool hand_over(struct rfi_runtime *runtime, struct rfi_actor *actor,
                      const struct rfi_target_run *run)
{
    struct rfi_worker *worker = rfi_worker_self(runtime);
    if (worker == NULL)
        return false;
    if (worker->next == actor && rfi_mailbox_is_taken(&actor->box)) {
        rfi_mailbox_append_run(&actor->box, run->oldest, run->newest, run->length);
        return true;
    }
    if (!rfi_mailbox_enter(&actor->box))
        return false;
    rfi_mailbox_append_run(&actor->box, run->oldest, run->newest, run->length);
    rfi_runtime_count_activated(runtime, worker);
    rfi_worker_schedule_next(worker, actor);
    return true;
}

/* Each message by itself, with its event. */
static rf_err push_each(struct rfi_target *target, struct rfi_target_run *run)
{
    while (run->length > 0) {
        struct rfi_target_run before = *run;
        struct rfi_receipt *receipt = ((struct rfi_delivery *)(void *)run->oldest)->receipt;
        rf_message *msg = rfi_target_run_take(run);
        rf_err err = rfi_target_push(target, msg, receipt, NULL);
        if (err == RF_OK)
            continue;
        struct rfi_delivery *delivery =
            rfi_delivery_take(msg); /* the one that was just given back */
        rfi_delivery_fill(delivery, msg, target->port, receipt, NULL);
        *run = before;
        return err;
    }
    return RF_OK;
}

rf_err rfi_target_push_run(struct rfi_target *target, struct rfi_target_run *run)
{
    struct rfi_runtime *runtime = &target->net->runtime;
    struct rfi_mailbox *box = &target->actor->box;
    uint32_t count;
    if (run->length == 0)
        return RF_OK;
    if (rfi_runtime_wants(runtime, RF_EVENT_MESSAGE_RECEIVED))
        return push_each(target, run);
    rfi_mailbox_weigh(box, run->weight);
    if (!hand_over(runtime, target->actor, run)) {
        struct rfi_mpsc_node *newest = rfi_run_turn(run->oldest, run->length);
        switch (rfi_mailbox_push_run(box, newest, run->oldest, run->length, &count)) {
        case RFI_PUSH_REFUSED:
            rfi_mailbox_weigh(box, -run->weight);
            (void)rfi_run_turn(newest, run->length);
            return RF_ECLOSED;
        case RFI_PUSH_FIRST:
            box->ops->schedule(box);
            break;
        case RFI_PUSH_QUEUED:
            break;
        }
    }
    *run = (struct rfi_target_run){.length = 0};
    return RF_OK;
}

size_t rfi_target_depth(const struct rfi_target *target)
{
    return rfi_mailbox_length(&target->actor->box);
}

void rfi_network_count_dropped(rf_network *net, uint64_t count)
{
    rfi_runtime_count_dropped(&net->runtime, count);
}
