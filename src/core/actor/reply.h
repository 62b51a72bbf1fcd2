/* SPDX-License-Identifier: MIT */
/* Who waits for an answer to a request: calls back exactly once, with the answer, an error, or at the
 * deadline, whichever comes first. Shared by its holder (one delivery, one callback or one component's
 * state) and its timer; the exchange of `is_done` decides who calls. */
#ifndef RFI_REPLY_H
#define RFI_REPLY_H

#include "core/actor/receipt.h"
#include "core/actor/timers.h"
#include <reflow/network.h>
#include <stdatomic.h>

struct rf_reply {
    struct rfi_timer timer; /* first: a timer is its reply */
    struct rfi_timers *timers;
    rf_reply_fn on_reply;
    void *user;
    struct rf_reply *next; /* owner: the holder; further requests with the same answer (packets) */
    _Atomic(uint32_t) refs;
    _Atomic(bool) is_done;
    _Atomic(bool) has_deadline;
};

/* A reply without deadline; one reference, the holder's. NULL: out of memory. */
rf_reply *rfi_reply_make(struct rfi_timers *timers, rf_reply_fn on_reply, void *user);
/* Give it a deadline. May be called after the holder's reference was given away if the caller has
 * taken one more. RF_ENOMEM, RF_ECLOSED, RF_ESYS. */
RF_NODISCARD rf_err rfi_reply_arm(rf_reply *reply, uint64_t due_ns);
void rfi_reply_ref(rf_reply *reply);
void rfi_reply_unref(rf_reply *reply);
/* Nobody is to be called any more. Takes the holder's reference. */
void rfi_reply_discard(rf_reply *reply);

#endif
