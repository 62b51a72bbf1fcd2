/* SPDX-License-Identifier: MIT */
/* Messages that could not be delivered between networks: counted by reason, logged, not kept. */
#ifndef RFI_DEAD_LETTERS_H
#define RFI_DEAD_LETTERS_H

#include "core/base/json_writer.h"
#include <stdatomic.h>

/* name of the member, which is also the reason in the log */
#define RFI_DEAD_REASONS(X)                                                                        \
    X(UNKNOWN_ACTOR, "unknown_actor")                                                              \
    X(UNKNOWN_PORT, "unknown_port")                                                                \
    X(TOO_LARGE, "too_large")                                                                      \
    X(DECODE_ERROR, "decode_error")                                                                \
    X(PEER_RESTARTED, "peer_restarted")                                                            \
    X(PEER_FORGOTTEN, "peer_forgotten")                                                            \
    X(LEVEL_FAST, "level_fast")                                                                    \
    X(OUTBOX_OVERFLOW, "outbox_overflow")                                                          \
    X(UNSUPPORTED, "unsupported")                                                                  \
    X(CANCELLED, "cancelled")

enum rfi_dead_reason {
#define RFI_DEAD_ENUM(name, text) RFI_DEAD_##name,
    RFI_DEAD_REASONS(RFI_DEAD_ENUM)
#undef RFI_DEAD_ENUM
        RFI_DEAD_REASON_COUNT
};

struct rfi_dead_letters {
    _Atomic(uint64_t) counts[RFI_DEAD_REASON_COUNT]; /* any thread */
};

void rfi_dead_letters_init(struct rfi_dead_letters *letters);
/* Count and log. `port` may be NULL. Any thread. */
void rfi_dead_letters_add(struct rfi_dead_letters *letters, enum rfi_dead_reason reason,
                          uint64_t count, const char *network, const char *actor, const char *port);
uint64_t rfi_dead_letters_total(const struct rfi_dead_letters *letters);
enum rfi_dead_reason rfi_dead_reason_of(rf_err err);
/* One object: a number for each reason, and "total". */
void rfi_dead_letters_write(const struct rfi_dead_letters *letters, struct rfi_json_writer *w);

#endif
