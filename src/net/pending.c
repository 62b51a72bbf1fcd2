/* SPDX-License-Identifier: MIT */
/* Counts connections that wait for approval, so that strangers cannot use up the descriptors.
 *
 * One table per transport, under one mutex: it is touched when a connection is accepted, approved
 * or lost, never for a message. An IPv6 host usually owns a whole /64 network, so that is what
 * counts as one address. A key is in the table exactly while its count is above 0. */
#include "net/pending.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

rf_err rfi_pending_init(struct rfi_pending *pending, uint32_t count_max, uint32_t per_address_max)
{
    pending->count_max = count_max;
    pending->per_address_max = per_address_max;
    atomic_init(&pending->count, 0);
    pending->counts = rfi_map_new();
    if (pending->counts == NULL)
        return RF_ENOMEM;
    if (pthread_mutex_init(&pending->mutex, NULL) != 0) {
        rfi_map_free(pending->counts);
        pending->counts = NULL;
        return RF_ENOMEM;
    }
    return RF_OK;
}

void rfi_pending_fini(struct rfi_pending *pending)
{
    if (pending->counts == NULL)
        return;
    rfi_map_free(pending->counts);
    (void)pthread_mutex_destroy(&pending->mutex);
}

void rfi_pending_key(const struct sockaddr *address, char out[RFI_PENDING_KEY_SIZE])
{
    out[0] = '\0';
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        (void)inet_ntop(AF_INET, &v4.sin_addr, out, RFI_PENDING_KEY_SIZE);
        return;
    }
    if (address->sa_family != AF_INET6)
        return;
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        (void)inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], out, RFI_PENDING_KEY_SIZE);
        return;
    }
    memset(&v6.sin6_addr.s6_addr[8], 0, 8);
    (void)inet_ntop(AF_INET6, &v6.sin6_addr, out, RFI_PENDING_KEY_SIZE);
}

static rf_err set_count(struct rfi_pending *pending, const char *key, uintptr_t count)
{
    /* A number goes where the map keeps a pointer; it is never followed. */
    return rfi_map_set(pending->counts, key, (void *)count); /* NOLINT(performance-no-int-to-ptr) */
}

rf_err rfi_pending_add(struct rfi_pending *pending, const char *key)
{
    rf_err err = RF_ELIMIT;
    (void)pthread_mutex_lock(&pending->mutex);
    uintptr_t of_address = (uintptr_t)rfi_map_get(pending->counts, key);
    /* relaxed: written under the mutex only; others just read a number */
    size_t count = atomic_load_explicit(&pending->count, memory_order_relaxed);
    bool is_full = pending->count_max > 0 && count >= pending->count_max;
    bool is_address_full = pending->per_address_max > 0 && of_address >= pending->per_address_max;
    if (!is_full && !is_address_full)
        err = set_count(pending, key, of_address + 1);
    if (err == RF_OK)
        atomic_store_explicit(&pending->count, count + 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&pending->mutex);
    return err;
}

void rfi_pending_remove(struct rfi_pending *pending, const char *key)
{
    (void)pthread_mutex_lock(&pending->mutex);
    uintptr_t of_address = (uintptr_t)rfi_map_get(pending->counts, key);
    rf_err err = RF_ENOMEM;
    if (of_address > 1)
        err = set_count(pending, key, of_address - 1);
    if (err != RF_OK) /* the last one; a replacement cannot fail */
        (void)rfi_map_remove(pending->counts, key);
    if (of_address > 0)
        (void)atomic_fetch_sub_explicit(&pending->count, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&pending->mutex);
}
