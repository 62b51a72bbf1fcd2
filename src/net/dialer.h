/* SPDX-License-Identifier: MIT */
/* Whom to dial and when: a table with backoff. Pure: the clock and the random numbers come from the caller,
 * who also holds the lock. An entry is either an endpoint (from the configuration or the API) whose network is
 * learned from the first handshake, or a wanted network whose endpoints discovery knows. */
#ifndef RFI_DIALER_H
#define RFI_DIALER_H

#include "net/handshake.h"

enum { RFI_DIAL_ENDPOINT_SIZE = 320, RFI_DIAL_ERROR_SIZE = 160 };

enum rfi_dial_origin {
    RFI_DIAL_CONFIGURED, /* dialled for ever */
    RFI_DIAL_ASKED,      /* by the API: a final refusal before the first link ends it */
    RFI_DIAL_WANTED      /* a network that a proxy or a send needs */
};

enum rfi_dial_state {
    RFI_DIAL_WAITING, /* until next_ns */
    RFI_DIAL_DIALLING,
    RFI_DIAL_LINKED, /* its network has a link, whoever dialled it */
    RFI_DIAL_ENDED   /* refused for good; kept so that who waits can read why */
};

struct rfi_dial {
    uint64_t id; /* never reused */
    enum rfi_dial_origin origin;
    enum rfi_dial_state state;
    char endpoint[RFI_DIAL_ENDPOINT_SIZE]; /* empty: whatever discovery says */
    char network_id[RFI_NAME_SIZE];        /* empty: not yet known */
    uint32_t failure_count;                /* in a row: the exponent of the backoff */
    uint32_t turn;                         /* which of several endpoints comes next */
    uint64_t attempt_count;
    uint64_t next_ns;
    uint64_t linked_ns;
    bool was_linked;
    rf_err last_err;
    char last_error[RFI_DIAL_ERROR_SIZE];
};

struct rfi_dialer {
    struct rfi_dial **items;
    size_t count, capacity;
    uint64_t next_id;
    uint32_t min_ms, max_ms;
    uint32_t entries_max;
};

void rfi_dialer_init(struct rfi_dialer *dialer, uint32_t min_ms, uint32_t max_ms,
                     uint32_t entries_max);
void rfi_dialer_fini(struct rfi_dialer *dialer);
/* The wait before attempt number `failure_count`: full jitter under min * 2^n, at most max. */
uint64_t rfi_dialer_backoff_ns(uint32_t min_ms, uint32_t max_ms, uint32_t failure_count,
                               uint32_t random);

/* Add an entry, due at `now_ns`; an equal one is returned instead (and made due unless it is linked).
 * RF_ELIMIT, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_dialer_add(struct rfi_dialer *dialer, enum rfi_dial_origin origin,
                                   const char *endpoint, const char *network_id, uint64_t now_ns,
                                   struct rfi_dial **out);
struct rfi_dial *rfi_dialer_find(struct rfi_dialer *dialer, uint64_t id);
void rfi_dialer_remove(struct rfi_dialer *dialer, uint64_t id);
/* Remove what would dial this network; `only_wanted`: only the entries by network. Returns how many. */
size_t rfi_dialer_remove_network(struct rfi_dialer *dialer, const char *network_id,
                                 bool only_wanted);
/* The entry to dial now, or NULL. The caller sets it going with rfi_dialer_started. */
struct rfi_dial *rfi_dialer_due(struct rfi_dialer *dialer, uint64_t now_ns);
uint64_t rfi_dialer_next_ns(const struct rfi_dialer *dialer); /* UINT64_MAX: never */
void rfi_dialer_started(struct rfi_dial *dial);
/* An attempt failed. `is_final`: the peer will say the same again, so the next one is a long way off. */
void rfi_dialer_failed(struct rfi_dialer *dialer, uint64_t id, rf_err err, const char *error,
                       bool is_final, uint64_t now_ns, uint32_t random);
/* Try again soon without counting a failure (the answer said who is there). */
void rfi_dialer_again(struct rfi_dialer *dialer, uint64_t id, uint64_t now_ns, uint32_t random);
/* This endpoint leads to that network. */
void rfi_dialer_learn(struct rfi_dialer *dialer, uint64_t id, const char *network_id);
/* A network has a link now; has it no more. */
void rfi_dialer_linked(struct rfi_dialer *dialer, const char *network_id, uint64_t now_ns);
void rfi_dialer_unlinked(struct rfi_dialer *dialer, const char *network_id, uint64_t now_ns,
                         uint32_t random);
/* Discovery knows something new: wanted networks are due at once. */
void rfi_dialer_hurry(struct rfi_dialer *dialer, uint64_t now_ns);

#endif
