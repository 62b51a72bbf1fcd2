/* SPDX-License-Identifier: MIT */
/* Inbound flows, and the receipts of what they pushed into local mailboxes. A receipt comes from any actor
 * worker and must cost little: one addition to `credit`; only the one that finds 0 there posts the intake to its
 * shard, which takes the whole sum with one exchange.
 *
 * Life: an intake stays until its flow is closed (with its session, or by the peer) and all that it pushed was
 * consumed. When the bridge stops before
 * that, the shard is dead and messages may sit in mailboxes still; then the receipts count down `remaining`, which the
 * stop raises by what is out, and whoever brings it to 0 frees.
 *
 * NOTE intake-credit [IN1]. The exchange on the shard takes the item out of the inbox first. So a worker that finds 0
 * may post the item again: nobody else has it. */
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CREDIT_SHIFT = 40, GATHER_MAX = 512, GATHER_BYTES_MAX = 256 << 10 };
#define CREDIT_BYTES_MASK ((UINT64_C(1) << CREDIT_SHIFT) - 1)

#define INTAKE_OF(pointer, member)                                                                 \
    ((struct rfi_intake *)(void *)((char *)(pointer)-offsetof(struct rfi_intake, member)))

static void push_gathered(struct rfi_intake *intake);
static rf_err need_target(struct rfi_intake *intake);

static void intake_free(struct rfi_intake *intake)
{
    rfi_target_unref(intake->target);
    free(intake->fans);
    rfi_shard_unref(intake->shard);
    free(intake);
}

/* Any thread, once the shard is dead. */
static void consume_orphan(struct rfi_intake *intake)
{
    /* [IN1] acq_rel: the sums of other threads. */
    uint64_t taken = atomic_exchange_explicit(&intake->credit, 0, memory_order_acq_rel);
    int64_t messages = (int64_t)(taken >> CREDIT_SHIFT);
    /* [IN2] acq_rel: what every other thread did to the intake is before the free. */
    if (messages > 0 &&
        atomic_fetch_sub_explicit(&intake->remaining, messages, memory_order_acq_rel) == messages)
        intake_free(intake);
}

static void on_consumed(struct rfi_receipt *receipt, uint32_t count, size_t size)
{
    struct rfi_intake *intake = INTAKE_OF(receipt, receipt);
    uint64_t sum = ((uint64_t)count << CREDIT_SHIFT) | ((uint64_t)size & CREDIT_BYTES_MASK);
    /* [IN1] acq_rel: the item is free to be posted when 0 is found. */
    if (atomic_fetch_add_explicit(&intake->credit, sum, memory_order_acq_rel) == 0 &&
        !rfi_shard_post(intake->shard, &intake->item.node))
        consume_orphan(intake);
}

/* ---- on the shard ---- */

static void unlink_intake(struct rfi_intake *intake)
{
    if (intake->prev != NULL)
        intake->prev->next = intake->next;
    else if (intake->shard->intakes == intake)
        intake->shard->intakes = intake->next;
    if (intake->next != NULL)
        intake->next->prev = intake->prev;
    intake->prev = intake->next = NULL;
}

static void free_if_over(struct rfi_intake *intake)
{
    if (!intake->is_closed || intake->out_messages > 0)
        return;
    unlink_intake(intake);
    if (--intake->peer->pending_count == 0)
        rfi_peer_check(intake->peer);
    intake_free(intake);
}

/* Receipts of an emission: a message is consumed when all its takers have consumed it. They do so in the
 * order of the messages, so that counting receipts from the oldest message on is right in sum. */
static void match_fans(struct rfi_intake *intake, uint64_t receipts, uint32_t *out_messages,
                       size_t *out_bytes)
{
    intake->fan_credit += receipts;
    while (intake->fan_count > 0) {
        const struct rfi_fan *fan = &intake->fans[intake->fan_head];
        if (intake->fan_credit < fan->takers)
            break;
        intake->fan_credit -= fan->takers;
        (*out_messages)++;
        *out_bytes += fan->bytes;
        intake->fan_head = (intake->fan_head + 1) % intake->fan_capacity;
        intake->fan_count--;
    }
}

static void handle_intake(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct rfi_intake *intake = INTAKE_OF(item, item);
    /* [IN1] acq_rel: see the note at the top. */
    uint64_t taken = atomic_exchange_explicit(&intake->credit, 0, memory_order_acq_rel);
    uint64_t receipts = taken >> CREDIT_SHIFT;
    uint64_t bytes = taken & CREDIT_BYTES_MASK;
    intake->out_messages -= receipts < intake->out_messages ? receipts : intake->out_messages;
    intake->out_bytes -= bytes < intake->out_bytes ? bytes : intake->out_bytes;
    if (intake->kind == RFI_INTAKE_RUST) {
        if (intake->session != NULL)
            rfi_rust_consumed(intake->session);
    } else {
        /* After the flow's end too: its number, and the credit that goes with it, outlive a session. */
        uint32_t messages = (uint32_t)receipts;
        size_t freed_bytes = (size_t)bytes;
        if (intake->kind == RFI_INTAKE_EMIT) {
            messages = 0;
            freed_bytes = 0;
            match_fans(intake, receipts, &messages, &freed_bytes);
        }
        if (messages > 0) {
            rfi_link_consumed(intake->peer->link, intake->flow, messages, freed_bytes);
            rfi_peer_touch(intake->peer);
        }
    }
    free_if_over(intake);
}

rf_err rfi_intake_new(struct rfi_peer *peer, enum rfi_intake_kind kind, uint32_t flow,
                      const char *source, const char *actor, const char *port,
                      struct rfi_intake **out)
{
    struct rfi_intake *intake = aligned_alloc(64, (sizeof *intake + 63) & ~(size_t)63);
    if (intake == NULL)
        return RF_ENOMEM;
    *intake = (struct rfi_intake){.item = {.handle = handle_intake},
                                  .receipt = {.consumed = on_consumed},
                                  .shard = rfi_shard_ref(peer->shard),
                                  .kind = kind,
                                  .peer = peer,
                                  .flow = flow};
    (void)snprintf(intake->source, sizeof intake->source, "%s", source);
    (void)snprintf(intake->actor, sizeof intake->actor, "%s", actor);
    (void)snprintf(intake->port, sizeof intake->port, "%s", port);
    intake->next = peer->shard->intakes;
    if (intake->next != NULL)
        intake->next->prev = intake;
    peer->shard->intakes = intake;
    peer->pending_count++;
    *out = intake;
    return RF_OK;
}

void rfi_intake_close(struct rfi_intake *intake)
{
    push_gathered(intake);
    intake->is_closed = true;
    intake->session = NULL;
    rfi_target_unref(intake->target);
    intake->target = NULL;
    free_if_over(intake);
}

void rfi_intake_orphan(struct rfi_intake *intake)
{
    int64_t out = (int64_t)intake->out_messages;
    rfi_target_unref(intake->target);
    intake->target = NULL;
    /* [IN2] acq_rel: pairs with the one in consume_orphan. */
    if (atomic_fetch_add_explicit(&intake->remaining, out, memory_order_acq_rel) + out == 0)
        intake_free(intake);
}

/* ---- pushing ---- */

rf_err rfi_intake_push_to(struct rfi_intake *intake, struct rfi_target *target, rf_message *msg)
{
    size_t size = rf_message_size(msg);
    rf_err err = rfi_target_push(target, msg, &intake->receipt, NULL);
    if (err == RF_OK) {
        intake->out_messages++;
        intake->out_bytes += size;
    }
    return err;
}

static rf_err push_once(struct rfi_intake *intake, rf_message *msg, rf_reply *reply)
{
    rf_err err = need_target(intake);
    if (err != RF_OK)
        return err;
    size_t size = rf_message_size(msg);
    err = rfi_target_push(intake->target, msg, &intake->receipt, reply);
    if (err == RF_OK) {
        intake->out_messages++;
        intake->out_bytes += size;
    } else if (err == RF_ECLOSED) {
        rfi_target_unref(intake->target);
        intake->target = NULL;
    }
    return err;
}

static void unlist_gathered(struct rfi_intake *intake)
{
    struct rfi_intake **at = &intake->shard->gathered;
    while (*at != intake)
        at = &(*at)->next_gathered;
    *at = intake->next_gathered;
    intake->next_gathered = NULL;
}

static void refuse(struct rfi_intake *intake, rf_message *msg, rf_err err)
{
    struct rfi_peer *peer = intake->peer;
    rfi_dead_letters_add(&peer->bridge->dead_letters, rfi_dead_reason_of(err), 1, peer->id,
                         intake->actor, intake->port);
    rfi_network_count_dropped(peer->bridge->net, 1);
    rfi_link_refused(peer->link, intake->flow, rf_message_size(msg), err);
    rf_message_unref(msg);
}

/* Push what was gathered. When the node went, another one may have its name by now: each message looks. */
static void push_gathered(struct rfi_intake *intake)
{
    rf_message *msg;
    uint32_t count = intake->run.length;
    if (count == 0)
        return;
    unlist_gathered(intake);
    size_t bytes = intake->run_bytes;
    intake->run_bytes = 0;
    rf_err err = rfi_target_push_run(intake->target, &intake->run);
    intake->out_messages += count - intake->run.length;
    if (err == RF_OK) {
        intake->out_bytes += bytes;
        return;
    }
    struct rfi_target_run left = intake->run;
    intake->run = (struct rfi_target_run){.length = 0};
    for (struct rfi_target_run *run = &left; (msg = rfi_target_run_take(run)) != NULL;) {
        bytes -= rf_message_size(msg);
        err = rfi_intake_push(intake, msg, NULL);
        if (err != RF_OK)
            refuse(intake, msg, err);
    }
    intake->out_bytes += bytes; /* of those that went before the node did */
}

void rfi_intakes_push_gathered(struct rfi_shard *shard)
{
    while (shard->gathered != NULL)
        push_gathered(shard->gathered);
}

static rf_err need_target(struct rfi_intake *intake)
{
    return intake->target != NULL ? RF_OK
                                  : rfi_target_find(intake->peer->bridge->net, intake->actor,
                                                    intake->port, &intake->target);
}

/* The run has messages more. */
static void note_gathered(struct rfi_intake *intake, bool was_empty, size_t bytes)
{
    intake->run_bytes += bytes;
    if (was_empty) {
        intake->next_gathered = intake->shard->gathered;
        intake->shard->gathered = intake;
    }
    if (intake->run.length >= GATHER_MAX || intake->run_bytes >= GATHER_BYTES_MAX)
        push_gathered(intake);
}

rf_err rfi_intake_gather(struct rfi_intake *intake, rf_message *msg)
{
    size_t size = rf_message_size(msg);
    bool was_empty = intake->run.length == 0;
    rf_err err = need_target(intake);
    if (err == RF_OK)
        err = rfi_target_run_add(&intake->run, intake->target, msg, &intake->receipt);
    if (err == RF_OK)
        note_gathered(intake, was_empty, size);
    return err;
}

rf_err rfi_intake_gather_many(struct rfi_intake *intake, rf_message *const *messages, size_t count)
{
    bool was_empty = intake->run.length == 0;
    rf_err err = need_target(intake);
    if (err != RF_OK)
        return err;
    note_gathered(
        intake, was_empty,
        rfi_target_run_add_many(&intake->run, intake->target, messages, count, &intake->receipt));
    return RF_OK;
}

rf_err rfi_intake_push(struct rfi_intake *intake, rf_message *msg, rf_reply *reply)
{
    push_gathered(intake); /* first come, first served */
    rf_err err = push_once(intake, msg, reply);
    if (err == RF_ECLOSED) /* the node went: another one may have its name by now */
        err = push_once(intake, msg, reply);
    return err == RF_ECLOSED ? RF_ENOACTOR : err;
}

static bool add_fan(struct rfi_intake *intake, uint32_t takers, uint32_t bytes)
{
    if (intake->fan_count == intake->fan_capacity) {
        size_t capacity = intake->fan_capacity > 0 ? 2 * intake->fan_capacity : 16;
        struct rfi_fan *fans = malloc(capacity * sizeof *fans);
        if (fans == NULL)
            return false;
        for (size_t i = 0; i < intake->fan_count; i++)
            fans[i] = intake->fans[(intake->fan_head + i) % intake->fan_capacity];
        free(intake->fans);
        intake->fans = fans;
        intake->fan_head = 0;
        intake->fan_capacity = capacity;
    }
    size_t at = (intake->fan_head + intake->fan_count++) % intake->fan_capacity;
    intake->fans[at] = (struct rfi_fan){.takers = takers, .bytes = bytes};
    return true;
}

rf_err rfi_intake_emit(struct rfi_intake *intake, rf_message *msg)
{
    struct rfi_peer *peer = intake->peer;
    size_t size = rf_message_size(msg);
    /* Room for the fan before anything is given away: afterwards nothing may fail. */
    if (!add_fan(intake, 0, (uint32_t)size))
        return RF_ENOMEM;
    struct rfi_fan *fan =
        &intake->fans[(intake->fan_head + intake->fan_count - 1) % intake->fan_capacity];
    size_t takers = 0;
    for (struct rfi_feed *feed = peer->feeds; feed != NULL; feed = feed->next)
        if (feed->kind == RFI_FEED_PROXY && !feed->is_closed &&
            strcmp(feed->actor, intake->actor) == 0)
            takers +=
                rfi_proxy_emit(feed->proxy, intake->port, rf_message_ref(msg), &intake->receipt);
    if (takers == 0) {
        /* Nobody listens any more: the message is consumed here, by the ordinary way. */
        intake->out_messages++;
        intake->out_bytes += size;
        fan->takers = 1;
        on_consumed(&intake->receipt, 1, size);
    } else {
        intake->out_messages += takers;
        intake->out_bytes += takers * size;
        fan->takers = (uint32_t)takers;
    }
    rf_message_unref(msg);
    return RF_OK;
}
