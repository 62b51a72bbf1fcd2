/* SPDX-License-Identifier: MIT */
/* Replies: one callback for each request, whoever comes first of the answer, the failure and the
 * deadline.
 *
 * References: one of the holder, one of the armed timer. The winner of `is_done` calls back; if it is
 * not the timer it also takes the timer out of the heap. A reply that is done never touches the timers again,
 * because a component may answer after the network, and with it the timers, is gone: stopping the timers
 * completes every reply that was armed.
 *
 * It does not know what the answer is for; chains (`next`) are requests that came in one packet. */
#include "core/actor/reply.h"
#include "core/actor/actor.h"

#include <stdlib.h>

static bool win(rf_reply *reply);
static void disarm(rf_reply *reply);
static void complete(rf_reply *reply, rf_err err, rf_message *answer);
static void on_deadline(struct rfi_timer *timer, bool is_cancelled);

rf_reply *rfi_reply_make(struct rfi_timers *timers, rf_reply_fn on_reply, void *user)
{
    rf_reply *reply = malloc(sizeof *reply);
    if (reply == NULL)
        return NULL;
    rfi_timer_init(&reply->timer, on_deadline);
    reply->timers = timers;
    reply->on_reply = on_reply;
    reply->user = user;
    reply->next = NULL;
    atomic_init(&reply->refs, 1);
    atomic_init(&reply->is_done, false);
    atomic_init(&reply->has_deadline, false);
    return reply;
}

rf_err rfi_reply_arm(rf_reply *reply, uint64_t due_ns)
{
    rfi_reply_ref(reply); /* the timer's */
    /* [RP3] seq_cst: before is_done is read below */
    atomic_store_explicit(&reply->has_deadline, true, memory_order_seq_cst);
    rf_err err = rfi_timers_arm(reply->timers, &reply->timer, due_ns);
    if (err != RF_OK) {
        rfi_reply_unref(reply);
        return err;
    }
    /* The answer may have come before the timer was armed: then nobody else takes it out. */
    /* [RP3] seq_cst: either this sees is_done, or disarm sees has_deadline and takes the timer out */
    if (atomic_load_explicit(&reply->is_done, memory_order_seq_cst) &&
        rfi_timers_remove(reply->timers, &reply->timer))
        rfi_reply_unref(reply);
    return RF_OK;
}

void rfi_reply_ref(rf_reply *reply)
{
    atomic_fetch_add_explicit(&reply->refs, 1, memory_order_relaxed); /* a copy of a reference */
}

void rfi_reply_unref(rf_reply *reply)
{
    /* [RP2] acq_rel: the last holder sees what all the others did */
    if (atomic_fetch_sub_explicit(&reply->refs, 1, memory_order_acq_rel) == 1)
        free(reply);
}

void rfi_reply_discard(rf_reply *reply)
{
    if (win(reply))
        disarm(reply);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow counters */
    rfi_reply_unref(reply);
}

void rfi_reply_fail(rf_reply *reply, rf_err err)
{
    while (reply != NULL) {
        rf_reply *next = reply->next;
        complete(reply, err, NULL);
        reply = next;
    }
}

void rf_reply_send(rf_reply *reply, rf_message *msg)
{
    if (reply == NULL)
        rf_message_unref(msg);
    while (reply != NULL) {
        rf_reply *next = reply->next;
        if (msg == NULL)
            complete(reply, RF_ENOREPLY, NULL);
        else
            complete(reply, RF_OK, next != NULL ? rf_message_ref(msg) : msg);
        reply = next;
    }
}

static bool win(rf_reply *reply)
{
    /* [RP1] seq_cst: one winner; see [RP3] */
    return !atomic_exchange_explicit(&reply->is_done, true, memory_order_seq_cst);
}

/* The winner takes the timer out, if there ever was one: the network may be gone if not. */
static void disarm(rf_reply *reply)
{
    /* [RP3] seq_cst: see rfi_reply_arm */
    if (atomic_load_explicit(&reply->has_deadline, memory_order_seq_cst) &&
        rfi_timers_remove(reply->timers, &reply->timer))
        rfi_reply_unref(reply);
}

/* Takes the holder's reference and the answer. */
static void complete(rf_reply *reply, rf_err err, rf_message *answer)
{
    if (win(reply)) {
        rfi_emit_flush(); /* who has the answer may rely on what a callback emitted before */
        disarm(reply);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow counters */
        reply->on_reply(reply->user, err, answer);
    } else {
        rf_message_unref(answer);
    }
    rfi_reply_unref(reply);
}

static void on_deadline(struct rfi_timer *timer, bool is_cancelled)
{
    rf_reply *reply = (rf_reply *)(void *)timer;
    if (win(reply))
        reply->on_reply(reply->user, is_cancelled ? RF_ECLOSED : RF_ETIMEOUT, NULL);
    rfi_reply_unref(reply);
}
