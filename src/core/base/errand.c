/* SPDX-License-Identifier: MIT */
/* The list of errands of each thread (errand.h). It belongs to its thread; there is nothing to lock. */
#include "core/base/errand.h"

_Thread_local struct rfi_errands rfi_errands __attribute__((tls_model("initial-exec")));

enum rfi_errand_added rfi_errands_add(void (*run)(void *arg), void *arg)
{
    struct rfi_errands *errands = &rfi_errands;
    if (!errands->is_open)
        return RFI_ERRAND_REFUSED;
    for (unsigned i = 0; i < errands->count; i++)
        if (errands->list[i].arg == arg && errands->list[i].run == run)
            return RFI_ERRAND_KNOWN;
    if (errands->count == RFI_ERRANDS_MAX)
        return RFI_ERRAND_REFUSED;
    errands->list[errands->count++] = (struct rfi_errand){.run = run, .arg = arg};
    return RFI_ERRAND_ADDED;
}

void rfi_errands_run_all(void)
{
    struct rfi_errands *errands = &rfi_errands;
    while (errands->count > 0) {
        struct rfi_errand errand = errands->list[--errands->count];
        errand.run(errand.arg);
    }
}
