/* SPDX-License-Identifier: MIT */
/* The table of what to dial. One owner at a time (the bridge's dial lock); no clock, no sockets.
 *
 * Invariants: two entries never have the same endpoint, or the same wanted network; of the entries that
 * lead to one network at most one is dialling; an entry whose network has a link is not due.
 *
 * The backoff is min * 2^n with full jitter, so that nodes which lost the same peer at the same moment do not
 * come back at the same moment. A link that lived long forgets the failures before it. */
#include "net/dialer.h"

#include "core/base/diag.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

enum { SETTLED_MS = 30000 }; /* a session that lived so long was a good one */

void rfi_dialer_init(struct rfi_dialer *dialer, uint32_t min_ms, uint32_t max_ms,
                     uint32_t entries_max)
{
    *dialer = (struct rfi_dialer){
        .next_id = 1, .min_ms = min_ms, .max_ms = max_ms, .entries_max = entries_max};
}

void rfi_dialer_fini(struct rfi_dialer *dialer)
{
    for (size_t i = 0; i < dialer->count; i++)
        free(dialer->items[i]);
    free(dialer->items);
    dialer->items = NULL;
    dialer->count = dialer->capacity = 0;
}

uint64_t rfi_dialer_backoff_ns(uint32_t min_ms, uint32_t max_ms, uint32_t failure_count,
                               uint32_t random)
{
    uint64_t limit_ms = min_ms > 0 ? min_ms : 1;
    for (uint32_t i = 0; i < failure_count && limit_ms < max_ms; i++)
        limit_ms *= 2;
    if (limit_ms > max_ms)
        limit_ms = max_ms;
    /* In two steps, so that neither the product nor the quotient loses anything for any 32-bit limit. */
    return limit_ms * random / UINT32_MAX * NS_PER_MS +
           limit_ms * random % UINT32_MAX * NS_PER_MS / UINT32_MAX;
}

static rf_err append(struct rfi_dialer *dialer, struct rfi_dial *dial)
{
    if (dialer->count == dialer->capacity) {
        size_t capacity = dialer->capacity > 0 ? dialer->capacity * 2 : 8;
        struct rfi_dial **items = realloc(dialer->items, capacity * sizeof(struct rfi_dial *));
        if (items == NULL)
            return RF_ENOMEM;
        dialer->items = items;
        dialer->capacity = capacity;
    }
    dialer->items[dialer->count++] = dial;
    return RF_OK;
}

static struct rfi_dial *find_same(struct rfi_dialer *dialer, const char *endpoint,
                                  const char *network_id)
{
    for (size_t i = 0; i < dialer->count; i++) {
        struct rfi_dial *dial = dialer->items[i];
        if (strcmp(dial->endpoint, endpoint) != 0)
            continue;
        if (endpoint[0] != '\0' || strcmp(dial->network_id, network_id) == 0)
            return dial;
    }
    return NULL;
}

rf_err rfi_dialer_add(struct rfi_dialer *dialer, enum rfi_dial_origin origin, const char *endpoint,
                      const char *network_id, uint64_t now_ns, struct rfi_dial **out)
{
    struct rfi_dial *same = find_same(dialer, endpoint, network_id);
    if (same != NULL) {
        if (same->state == RFI_DIAL_WAITING || same->state == RFI_DIAL_ENDED) {
            same->state = RFI_DIAL_WAITING;
            same->next_ns = now_ns;
        }
        *out = same;
        return RF_OK;
    }
    if (dialer->count >= dialer->entries_max)
        return RF_ELIMIT;
    if (strlen(endpoint) >= RFI_DIAL_ENDPOINT_SIZE || strlen(network_id) >= RFI_NAME_SIZE)
        return RF_EINVAL;
    struct rfi_dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL)
        return RF_ENOMEM;
    dial->id = dialer->next_id++;
    dial->origin = origin;
    dial->state = RFI_DIAL_WAITING;
    dial->next_ns = now_ns;
    (void)snprintf(dial->endpoint, sizeof dial->endpoint, "%s", endpoint);
    (void)snprintf(dial->network_id, sizeof dial->network_id, "%s", network_id);
    rf_err err = append(dialer, dial);
    if (err != RF_OK) {
        free(dial);
        return err;
    }
    *out = dial;
    return RF_OK;
}

struct rfi_dial *rfi_dialer_find(struct rfi_dialer *dialer, uint64_t id)
{
    for (size_t i = 0; i < dialer->count; i++)
        if (dialer->items[i]->id == id)
            return dialer->items[i];
    return NULL;
}

static void remove_at(struct rfi_dialer *dialer, size_t at)
{
    free(dialer->items[at]);
    dialer->count--;
    memmove(&dialer->items[at], &dialer->items[at + 1],
            (dialer->count - at) * sizeof(struct rfi_dial *));
}

void rfi_dialer_remove(struct rfi_dialer *dialer, uint64_t id)
{
    for (size_t i = 0; i < dialer->count; i++)
        if (dialer->items[i]->id == id) {
            remove_at(dialer, i);
            return;
        }
}

size_t rfi_dialer_remove_network(struct rfi_dialer *dialer, const char *network_id,
                                 bool only_wanted)
{
    size_t removed = 0;
    for (size_t i = dialer->count; i-- > 0;) {
        const struct rfi_dial *dial = dialer->items[i];
        if (strcmp(dial->network_id, network_id) == 0 &&
            (!only_wanted || dial->origin == RFI_DIAL_WANTED)) {
            remove_at(dialer, i);
            removed++;
        }
    }
    return removed;
}

static bool is_dialled_elsewhere(const struct rfi_dialer *dialer, const struct rfi_dial *dial)
{
    if (dial->network_id[0] == '\0')
        return false;
    for (size_t i = 0; i < dialer->count; i++) {
        const struct rfi_dial *other = dialer->items[i];
        if (other != dial && other->state == RFI_DIAL_DIALLING &&
            strcmp(other->network_id, dial->network_id) == 0)
            return true;
    }
    return false;
}

struct rfi_dial *rfi_dialer_due(struct rfi_dialer *dialer, uint64_t now_ns)
{
    for (size_t i = 0; i < dialer->count; i++) {
        struct rfi_dial *dial = dialer->items[i];
        if (dial->state != RFI_DIAL_WAITING || dial->next_ns > now_ns)
            continue;
        if (!is_dialled_elsewhere(dialer, dial))
            return dial;
        dial->next_ns = now_ns + (dialer->min_ms > 0 ? dialer->min_ms : 1) * NS_PER_MS;
    }
    return NULL;
}

uint64_t rfi_dialer_next_ns(const struct rfi_dialer *dialer)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < dialer->count; i++) {
        const struct rfi_dial *dial = dialer->items[i];
        if (dial->state == RFI_DIAL_WAITING && dial->next_ns < next_ns)
            next_ns = dial->next_ns;
    }
    return next_ns;
}

void rfi_dialer_started(struct rfi_dial *dial)
{
    dial->state = RFI_DIAL_DIALLING;
    dial->attempt_count++;
    dial->turn++;
}

void rfi_dialer_failed(struct rfi_dialer *dialer, uint64_t id, rf_err err, const char *error,
                       bool is_final, uint64_t now_ns, uint32_t random)
{
    struct rfi_dial *dial = rfi_dialer_find(dialer, id);
    if (dial == NULL || dial->state == RFI_DIAL_LINKED)
        return; /* another connection made the link meanwhile */
    dial->last_err = err;
    (void)snprintf(dial->last_error, sizeof dial->last_error, "%s", error);
    if (is_final && dial->origin == RFI_DIAL_ASKED && !dial->was_linked) {
        dial->state = RFI_DIAL_ENDED;
        return;
    }
    dial->state = RFI_DIAL_WAITING;
    if (is_final)
        dial->next_ns = now_ns + dialer->max_ms * NS_PER_MS;
    else
        dial->next_ns = now_ns + rfi_dialer_backoff_ns(dialer->min_ms, dialer->max_ms,
                                                       dial->failure_count, random);
    if (dial->failure_count < 31)
        dial->failure_count++;
}

void rfi_dialer_again(struct rfi_dialer *dialer, uint64_t id, uint64_t now_ns, uint32_t random)
{
    struct rfi_dial *dial = rfi_dialer_find(dialer, id);
    if (dial == NULL || dial->state != RFI_DIAL_DIALLING)
        return;
    dial->state = RFI_DIAL_WAITING;
    dial->next_ns = now_ns + rfi_dialer_backoff_ns(dialer->min_ms, dialer->max_ms, 0, random);
}

void rfi_dialer_learn(struct rfi_dialer *dialer, uint64_t id, const char *network_id)
{
    struct rfi_dial *dial = rfi_dialer_find(dialer, id);
    if (dial != NULL && dial->endpoint[0] != '\0')
        (void)snprintf(dial->network_id, sizeof dial->network_id, "%s", network_id);
}

void rfi_dialer_linked(struct rfi_dialer *dialer, const char *network_id, uint64_t now_ns)
{
    for (size_t i = 0; i < dialer->count; i++) {
        struct rfi_dial *dial = dialer->items[i];
        if (strcmp(dial->network_id, network_id) != 0)
            continue;
        dial->state = RFI_DIAL_LINKED;
        dial->linked_ns = now_ns;
        dial->was_linked = true;
        dial->last_err = RF_OK;
        dial->last_error[0] = '\0';
    }
}

void rfi_dialer_unlinked(struct rfi_dialer *dialer, const char *network_id, uint64_t now_ns,
                         uint32_t random)
{
    for (size_t i = 0; i < dialer->count; i++) {
        struct rfi_dial *dial = dialer->items[i];
        if (dial->state != RFI_DIAL_LINKED || strcmp(dial->network_id, network_id) != 0)
            continue;
        uint64_t lived_ms = (now_ns - dial->linked_ns) / NS_PER_MS;
        if (lived_ms >= SETTLED_MS || lived_ms > dialer->max_ms)
            dial->failure_count = 0;
        dial->state = RFI_DIAL_WAITING;
        dial->next_ns = now_ns + rfi_dialer_backoff_ns(dialer->min_ms, dialer->max_ms,
                                                       dial->failure_count, random);
        if (dial->failure_count < 31)
            dial->failure_count++;
    }
}

void rfi_dialer_hurry(struct rfi_dialer *dialer, uint64_t now_ns)
{
    for (size_t i = 0; i < dialer->count; i++) {
        struct rfi_dial *dial = dialer->items[i];
        if (dial->origin == RFI_DIAL_WANTED && dial->state == RFI_DIAL_WAITING)
            dial->next_ns = now_ns;
    }
}
