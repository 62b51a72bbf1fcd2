/* SPDX-License-Identifier: MIT */
/* Guests of a network (router.h): its runtime's, by the name that net knows. */
#include "core/flow/network_internal.h"

bool rfi_network_guest_begin(rf_network *net)
{
    return rfi_runtime_guest_begin(&net->runtime);
}

enum rfi_guest_stop rfi_network_guest_run(rf_network *net, uint64_t until_ns)
{
    return rfi_runtime_guest_run(&net->runtime, until_ns);
}

bool rfi_network_guest_has_work(rf_network *net)
{
    return rfi_runtime_guest_has_work(&net->runtime);
}

void rfi_network_guest_end(rf_network *net)
{
    rfi_runtime_guest_end(&net->runtime);
}

void rfi_network_guest_hangs(rf_network *net)
{
    rfi_runtime_guest_hangs(&net->runtime);
}

bool rfi_network_is_resting(rf_network *net)
{
    return rfi_runtime_is_resting(&net->runtime);
}
