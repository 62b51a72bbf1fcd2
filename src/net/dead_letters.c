/* SPDX-License-Identifier: MIT */
/* Counters of undeliverable messages. Each is a relaxed atomic: nothing is published through it, and a
 * reader wants a number, not an order. The log line of one event is limited by rf_log itself, so that a
 * storm of bad messages costs the counter alone. The messages are not kept: who must have them back needs
 * a store with limits of its own, which is not this file's work. */
#include "net/dead_letters.h"

#include "core/base/diag.h"
#include <reflow/log.h>

static const char *const reason_names[] = {
#define RFI_DEAD_NAME(name, text) [RFI_DEAD_##name] = (text),
    RFI_DEAD_REASONS(RFI_DEAD_NAME)
#undef RFI_DEAD_NAME
};

void rfi_dead_letters_init(struct rfi_dead_letters *letters)
{
    for (size_t i = 0; i < RFI_DEAD_REASON_COUNT; i++)
        atomic_init(&letters->counts[i], 0);
}

void rfi_dead_letters_add(struct rfi_dead_letters *letters, enum rfi_dead_reason reason,
                          uint64_t count, const char *network, const char *actor, const char *port)
{
    if (count == 0 || (size_t)reason >= RFI_DEAD_REASON_COUNT)
        return;
    (void)atomic_fetch_add_explicit(&letters->counts[reason], count, memory_order_relaxed);
    rf_log(RF_LOG_WARN, "NET-DEAD-LETTER", "reason=%s count=%llu network=%s actor=%s port=%s",
           reason_names[reason], (unsigned long long)count, network, rfi_name_or_mark(actor),
           port != NULL ? rfi_name_or_mark(port) : "-");
}

uint64_t rfi_dead_letters_total(const struct rfi_dead_letters *letters)
{
    uint64_t total = 0;
    for (size_t i = 0; i < RFI_DEAD_REASON_COUNT; i++)
        total += atomic_load_explicit(&letters->counts[i], memory_order_relaxed);
    return total;
}

enum rfi_dead_reason rfi_dead_reason_of(rf_err err)
{
    if (err == RF_ENOACTOR || err == RF_ECLOSED)
        return RFI_DEAD_UNKNOWN_ACTOR;
    if (err == RF_ENOPORT)
        return RFI_DEAD_UNKNOWN_PORT;
    if (err == RF_ELIMIT)
        return RFI_DEAD_TOO_LARGE;
    if (err == RF_EFORMAT || err == RF_EINVAL)
        return RFI_DEAD_DECODE_ERROR;
    if (err == RF_ERESTARTED)
        return RFI_DEAD_PEER_RESTARTED;
    if (err == RF_EUNSUPPORTED)
        return RFI_DEAD_UNSUPPORTED;
    if (err == RF_EFULL || err == RF_ENOMEM)
        return RFI_DEAD_OUTBOX_OVERFLOW;
    return RFI_DEAD_CANCELLED;
}

void rfi_dead_letters_write(const struct rfi_dead_letters *letters, struct rfi_json_writer *w)
{
    rfi_jsonw_begin_object(w);
    for (size_t i = 0; i < RFI_DEAD_REASON_COUNT; i++)
        rfi_jsonw_kv_uint(w, reason_names[i],
                          atomic_load_explicit(&letters->counts[i], memory_order_relaxed));
    rfi_jsonw_kv_uint(w, "total", rfi_dead_letters_total(letters));
    rfi_jsonw_end_object(w);
}
