/* SPDX-License-Identifier: MIT */
/* Which known name somebody meant who wrote another one. */
#ifndef BENCH_NEAREST_H
#define BENCH_NEAREST_H

#include <stddef.h>

/* The name nearest to `word` of `count` that `name_of` gives; NULL when none is near enough to be meant. */
const char *bench_nearest(const char *word, size_t count, const char *(*name_of)(size_t index));

#endif
