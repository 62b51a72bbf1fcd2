/* SPDX-License-Identifier: MIT */
/* What an idle link may cost: a node with ten thousand of them keeps these structs for each. */
#include "net/bridge_internal.h"
#include "net/conn.h"
#include "net/link_internal.h"

#include "support/rf_test.h"

Test(sizes, the_structs_of_an_idle_link_fit_3_kib)
{
    size_t sum = sizeof(struct rfi_conn) + sizeof(struct rfi_session) + sizeof(struct rfi_peer) +
                 sizeof(struct rfi_link);
    cr_assert_leq(sum, 3072, "%zu bytes", sum);
}
