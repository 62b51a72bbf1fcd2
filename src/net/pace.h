/* SPDX-License-Identifier: MIT */
/* How fast a socket takes bytes that wait for it. Values are the loop's; others get copies. */
#ifndef RFI_PACE_H
#define RFI_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* So much of what a watched socket has taken may still wait in the kernel: enough that it never runs dry before the next
 * look, and little, as it can no longer be compressed. */
enum { RFI_PACE_KERNEL_BYTES = 128 << 10 };

#define RFI_PACE_SLOWEST (UINT64_C(1000000000) * 1000)

struct rfi_pace {
    bool is_stuck;        /* bytes wait that the socket does not take */
    uint64_t stuck_at_ns; /* when it was last seen so; 0: never */
    uint64_t ns_per_mib;  /* that the network takes, at most RFI_PACE_SLOWEST; 0: not known */
};

/* Let little wait in the kernel. What cannot be set leaves the socket found to be behind later. */
void rfi_pace_limit_kernel(int fd);
/* How the network does, as TCP has measured it: bytes a second, 0: not yet; and whether it would have taken more than
 * it was given. */
void rfi_pace_ask(int fd, uint64_t *out_bytes_per_s, bool *out_was_idle);
/* Take a measurement in. */
void rfi_pace_add(struct rfi_pace *pace, uint64_t bytes_per_s, bool was_idle);

#endif
