/* SPDX-License-Identifier: MIT */
/* The pace of a socket, from what TCP itself measures (the rate at which bytes were acknowledged, and whether the
 * sender had left it idle): a thread that comes late to a socket would measure itself. */
#include "net/pace.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { WEIGHT = 4, OUTLIER = 4 };

#define BYTES_PER_MIB UINT64_C(1048576)
#define NS_PER_S      UINT64_C(1000000000)

void rfi_pace_limit_kernel(int fd)
{
    int bytes = RFI_PACE_KERNEL_BYTES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

void rfi_pace_ask(int fd, uint64_t *out_bytes_per_s, bool *out_was_idle)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info); /* an older kernel knows less, and says 0 */
    (void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    *out_bytes_per_s = info.tcpi_delivery_rate;
    *out_was_idle = info.tcpi_delivery_rate_app_limited != 0;
}

void rfi_pace_add(struct rfi_pace *pace, uint64_t bytes_per_s, bool was_idle)
{
    if (bytes_per_s == 0)
        return;
    uint64_t seen = BYTES_PER_MIB * NS_PER_S / bytes_per_s + 1;
    seen = seen < RFI_PACE_SLOWEST ? seen : RFI_PACE_SLOWEST;
    uint64_t before = pace->ns_per_mib;
    if (was_idle && (before == 0 || seen >= before))
        return; /* at least so fast: nothing new */
    if (before == 0)
        before = seen;
    /* A burst that a queue swallowed, and the end of one, are many times off. */
    seen = seen > before / OUTLIER ? seen : before / OUTLIER;
    seen = seen < before * OUTLIER ? seen : before * OUTLIER;
    uint64_t mean = before - before / WEIGHT + seen / WEIGHT;
    mean = mean < RFI_PACE_SLOWEST ? mean : RFI_PACE_SLOWEST;
    pace->ns_per_mib = mean > 0 ? mean : 1;
}
