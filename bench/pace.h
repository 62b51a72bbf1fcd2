/* SPDX-License-Identifier: MIT */
/* An open loop: sends are planned at a fixed rate, whether the answers have come or not, and a time is taken
 * from the moment that was planned. A stall so costs all that would have been sent during it, as it costs
 * the users of a service; a closed loop would not send meanwhile and not see them (coordinated omission).
 *
 * A plan is a pure rule: nothing here reads a clock or sends. Whoever declares it owns it. */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include <stdint.h>

struct bench_pace {
    uint64_t begin_ns;
    uint64_t rate; /* sends a second, at least 1 */
    uint64_t sent; /* how many were taken */
};

/* Plan `rate` sends a second, the first at `begin_ns`. A rate of 0 counts as 1. */
void bench_pace_init(struct bench_pace *pace, uint64_t begin_ns, uint64_t rate);

/* When the send of this number, from 0, is planned. No error grows with the number. */
uint64_t bench_pace_planned_ns(const struct bench_pace *pace, uint64_t number);

/* How many sends are due at `now_ns` and not taken yet: they are sent at once, however late. */
uint64_t bench_pace_due(const struct bench_pace *pace, uint64_t now_ns);

/* Take the next send; returns the moment that it was planned for, from which its time is measured. */
uint64_t bench_pace_take(struct bench_pace *pace);

/* How long until the next send is due; 0: it is. */
uint64_t bench_pace_wait_ns(const struct bench_pace *pace, uint64_t now_ns);

#endif
