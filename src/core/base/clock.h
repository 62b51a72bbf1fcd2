/* SPDX-License-Identifier: MIT */
/* Time. Deadlines and intervals use the monotonic clock; the wall clock is for people and peers. */
#ifndef RFI_CLOCK_H
#define RFI_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t rfi_clock_ns(void);      /* CLOCK_MONOTONIC */
uint64_t rfi_clock_ms(void);      /* the same in ms */
uint64_t rfi_clock_wall_ns(void); /* since the Unix epoch */

enum { RFI_TIMESTAMP_SIZE = 40 };
/* RFC 3339 in UTC with `Z` and 0, 3, 6 or 9 fraction digits, the fewest that are exact.
 * Returns the size of the text, which is terminated. */
size_t rfi_timestamp_format(uint64_t wall_ns, char out[RFI_TIMESTAMP_SIZE]);
/* What chrono reads: any fraction of 1+ digits (cut at 9), `Z`/`z`/`+01:00`/`+0100`/` UTC`, blank
 * for `T`, second 60. */
bool rfi_timestamp_parse(const char *text, size_t size, uint64_t *out_wall_ns);

#endif
