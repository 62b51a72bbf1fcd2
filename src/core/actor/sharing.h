/* SPDX-License-Identifier: MIT */
/* When a second worker pays: the watch that a worker without work keeps over those that have some. */
#ifndef RFI_SHARING_H
#define RFI_SHARING_H

#include "core/actor/scheduler.h"

enum {
    RFI_WATCH_NS = 500000,        /* between two looks of the watcher */
    RFI_SHARE_BASE_NS = 2000000,  /* the speed before is measured for so long at least */
    RFI_SHARE_SETTLE_NS = 500000, /* what was taken is warm in the other cache after this */
    RFI_SHARE_TRIAL_NS = 3000000, /* and the speed together for so long */
    RFI_SHARE_HOLD_NS = 64000000, /* until it is asked again whether sharing pays; doubles, */
    RFI_SHARE_HOLD_MAX_NS = 1024000000,
    RFI_SHARE_PAUSE_NS = 4000000, /* after a trial that did not pay; doubles */
    RFI_SHARE_PAUSE_MAX_NS = 512000000
};

/* May the worker take from that ring? */
bool rfi_share_may_steal(const struct rfi_worker *worker, const struct rfi_worker *victim);
/* Is there another worker at work whose messages are cheap? */
bool rfi_share_is_watchable(const struct rfi_worker *worker);
/* Watch. True: look for work again. False: another worker watches already. */
bool rfi_share_watch(struct rfi_worker *worker);
/* A worker looks at the clock, and may find that it had better leave: `leaves`. */
void rfi_share_look(struct rfi_worker *worker, uint64_t now);
/* The worker found nothing to do: it shares no more. */
void rfi_share_end(struct rfi_worker *worker);

#endif
