/* SPDX-License-Identifier: MIT */
/* What the actor layer owes to whoever pushed a message: a word when it is consumed, and an answer or an
 * error when it was a request. Used by core/flow/router.h. */
#ifndef RFI_RECEIPT_H
#define RFI_RECEIPT_H

#include <reflow/actor.h>

/* Embedded in an object of the pusher, who keeps it alive until every push was consumed. */
struct rfi_receipt {
    /* For each message pushed with this receipt, after the actor's callback returned or when the message was dropped:
     * `count` of them with `size` bytes together, at the end of the activation at the latest. Any thread;
     * must not block. */
    void (*consumed)(struct rfi_receipt *receipt, uint32_t count, size_t size);
};

/* Fail a request: its callback gets `err` instead of a message. Takes `reply` (NULL is allowed). Any
 * thread. */
void rfi_reply_fail(rf_reply *reply, rf_err err);

#endif
