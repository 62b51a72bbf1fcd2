/* SPDX-License-Identifier: MIT */
/* Deliveries: what a mailbox queues. The first delivery of a message is a part of it; a message that is in
 * several mailboxes at once takes further ones from the pool.
 *
 * A delivery belongs to who made it until it is pushed, then to the mailbox, then to the consumer, who
 * gives it back before it looks at the message, so that a forwarded message uses the same one. */
#ifndef RFI_DELIVERY_H
#define RFI_DELIVERY_H

#include "core/base/pool.h"
#include "core/message/message_internal.h"

/* rfi_delivery.kind */
enum {
    RFI_DELIVERY_MESSAGE = 0,
    RFI_DELIVERY_TIMER /* the delivery of a struct rfi_actor_timer; msg is NULL */
};

/* Try to get the delivery that is part of the message. */
static inline bool rfi_delivery_try_embedded(rf_message *msg)
{
    if (rfi_message_is_exclusive(msg)) {
        /* relaxed: nobody else sees the message */
        atomic_store_explicit(&msg->is_first_taken, 1, memory_order_relaxed);
        return true;
    }
    /* [DL2] acquire: the fields are free; pairs with the release in rfi_delivery_release */
    return atomic_exchange_explicit(&msg->is_first_taken, 1, memory_order_acquire) == 0;
}

/* A delivery that is no part of a message; NULL: out of memory. */
static inline struct rfi_delivery *rfi_delivery_take_further(void)
{
    uint16_t size_class;
    struct rfi_delivery *delivery = rfi_pool_alloc(sizeof *delivery, &size_class);
    if (delivery != NULL)
        delivery->is_embedded = 0;
    return delivery;
}

/* A delivery for `msg`, whose reference it will hold; NULL: out of memory. Port and the rest are unset. */
static inline struct rfi_delivery *rfi_delivery_take(rf_message *msg)
{
    if (__builtin_expect(rfi_delivery_try_embedded(msg), 1)) {
        msg->first.is_embedded = 1;
        return &msg->first;
    }
    return rfi_delivery_take_further();
}

/* Give the delivery back, not the reference to the message. */
static inline void rfi_delivery_release(struct rfi_delivery *delivery, rf_message *msg)
{
    if (__builtin_expect(delivery->is_embedded != 0, 1))
        /* [DL2] release: our reads of the fields are done */
        atomic_store_explicit(&msg->is_first_taken, 0, memory_order_release);
    else
        rfi_pool_free(delivery, rfi_pool_class(sizeof *delivery));
}

static inline void rfi_delivery_fill(struct rfi_delivery *delivery, rf_message *msg, uint32_t port,
                                     struct rfi_receipt *receipt, rf_reply *reply)
{
    delivery->msg = msg;
    delivery->receipt = receipt;
    delivery->reply = reply;
    delivery->port = port;
    delivery->kind = RFI_DELIVERY_MESSAGE;
}

/* Throw a message delivery away: its receipt is consumed, its reply fails with `err`. */
void rfi_delivery_drop(struct rfi_delivery *delivery, rf_err err);

#endif
