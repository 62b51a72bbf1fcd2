/* SPDX-License-Identifier: MIT */
/* The dialler's table on a clock of the test's own. */
#include "net/dialer.h"
#include "support/rf_test.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

#define ALL UINT32_MAX

enum { MIN_MS = 100, MAX_MS = 30000 };

static struct rfi_dialer make_dialer(void)
{
    struct rfi_dialer dialer;
    rfi_dialer_init(&dialer, MIN_MS, MAX_MS, 16);
    return dialer;
}

static struct rfi_dial *add(struct rfi_dialer *dialer, enum rfi_dial_origin origin,
                            const char *endpoint, const char *network)
{
    struct rfi_dial *dial = NULL;
    cr_assert_eq(rfi_dialer_add(dialer, origin, endpoint, network, S, &dial), RF_OK);
    return dial;
}

Test(dialer, backoff_doubles_up_to_the_limit_with_full_jitter)
{
    for (uint32_t n = 0; n < 40; n++) {
        uint64_t most = rfi_dialer_backoff_ns(MIN_MS, MAX_MS, n, ALL);
        uint64_t limit = n < 9 ? (uint64_t)MIN_MS << n : MAX_MS;
        if (limit > MAX_MS)
            limit = MAX_MS;
        cr_assert_leq(most, limit * MS);
        cr_assert_geq(most, limit * MS - limit * MS / 1000);
        cr_assert_eq(rfi_dialer_backoff_ns(MIN_MS, MAX_MS, n, 0), 0);
        cr_assert_lt(rfi_dialer_backoff_ns(MIN_MS, MAX_MS, n, ALL / 2), limit * MS * 51 / 100);
    }
}

Test(dialer, a_new_entry_is_due_at_once_and_not_while_it_is_dialled)
{
    struct rfi_dialer dialer = make_dialer();
    cr_assert_eq(rfi_dialer_next_ns(&dialer), UINT64_MAX);
    struct rfi_dial *dial = add(&dialer, RFI_DIAL_CONFIGURED, "ws://a:1", "");
    cr_assert_eq(rfi_dialer_next_ns(&dialer), S);
    cr_assert_eq(rfi_dialer_due(&dialer, S), dial);
    rfi_dialer_started(dial);
    cr_assert_null(rfi_dialer_due(&dialer, 100 * S));
    cr_assert_eq(rfi_dialer_next_ns(&dialer), UINT64_MAX);
    rfi_dialer_fini(&dialer);
}

Test(dialer, equal_entries_are_one)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *first = add(&dialer, RFI_DIAL_CONFIGURED, "ws://a:1", "");
    cr_assert_eq(add(&dialer, RFI_DIAL_ASKED, "ws://a:1", ""), first);
    struct rfi_dial *wanted = add(&dialer, RFI_DIAL_WANTED, "", "b");
    cr_assert_eq(add(&dialer, RFI_DIAL_WANTED, "", "b"), wanted);
    cr_assert_neq(add(&dialer, RFI_DIAL_WANTED, "", "c"), wanted);
    cr_assert_eq(dialer.count, 3);
    rfi_dialer_fini(&dialer);
}

Test(dialer, the_table_has_a_limit)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *dial = NULL;
    for (int i = 0; i < 16; i++) {
        char network[16];
        (void)snprintf(network, sizeof network, "n%d", i);
        (void)add(&dialer, RFI_DIAL_WANTED, "", network);
    }
    cr_assert_eq(rfi_dialer_add(&dialer, RFI_DIAL_WANTED, "", "more", S, &dial), RF_ELIMIT);
    cr_assert_eq(rfi_dialer_remove_network(&dialer, "n3", true), 1);
    cr_assert_eq(rfi_dialer_add(&dialer, RFI_DIAL_WANTED, "", "more", S, &dial), RF_OK);
    rfi_dialer_fini(&dialer);
}

Test(dialer, failures_are_tried_again_for_ever)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *dial = add(&dialer, RFI_DIAL_ASKED, "ws://a:1", "");
    uint64_t now = S;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(rfi_dialer_due(&dialer, now), dial);
        rfi_dialer_started(dial);
        rfi_dialer_failed(&dialer, dial->id, RF_ESYS, "refused", false, now, ALL);
        cr_assert_leq(dial->next_ns, now + MAX_MS * MS);
        cr_assert_gt(dial->next_ns, now);
        now = dial->next_ns;
    }
    cr_assert_eq(dial->attempt_count, 100);
    cr_assert_eq(dial->last_err, RF_ESYS);
    rfi_dialer_fini(&dialer);
}

Test(dialer, a_final_refusal_ends_an_asked_entry_and_slows_a_configured_one)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *asked = add(&dialer, RFI_DIAL_ASKED, "ws://a:1", "");
    struct rfi_dial *configured = add(&dialer, RFI_DIAL_CONFIGURED, "ws://b:1", "");
    rfi_dialer_started(asked);
    rfi_dialer_started(configured);
    rfi_dialer_failed(&dialer, asked->id, RF_EAUTH, "auth_token mismatch", true, S, 0);
    rfi_dialer_failed(&dialer, configured->id, RF_EAUTH, "auth_token mismatch", true, S, 0);
    cr_assert_eq(asked->state, RFI_DIAL_ENDED);
    cr_assert_eq(configured->state, RFI_DIAL_WAITING);
    cr_assert_eq(configured->next_ns, S + MAX_MS * MS);
    cr_assert_null(rfi_dialer_due(&dialer, S + MAX_MS * MS - 1));
    rfi_dialer_fini(&dialer);
}

Test(dialer, one_link_satisfies_every_entry_of_its_network)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *endpoint = add(&dialer, RFI_DIAL_CONFIGURED, "ws://a:1", "");
    struct rfi_dial *wanted = add(&dialer, RFI_DIAL_WANTED, "", "net");
    rfi_dialer_started(endpoint);
    rfi_dialer_learn(&dialer, endpoint->id, "net");
    rfi_dialer_linked(&dialer, "net", S);
    cr_assert_eq(endpoint->state, RFI_DIAL_LINKED);
    cr_assert_eq(wanted->state, RFI_DIAL_LINKED);
    cr_assert_null(rfi_dialer_due(&dialer, 100 * S));
    rfi_dialer_failed(&dialer, wanted->id, RF_ESYS, "late", false, S, 0);
    cr_assert_eq(wanted->state, RFI_DIAL_LINKED);
    rfi_dialer_unlinked(&dialer, "net", 2 * S, ALL);
    cr_assert_eq(wanted->state, RFI_DIAL_WAITING);
    cr_assert_eq(endpoint->state, RFI_DIAL_WAITING);
    rfi_dialer_fini(&dialer);
}

Test(dialer, two_entries_of_one_network_are_not_dialled_at_once)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *first = add(&dialer, RFI_DIAL_CONFIGURED, "ws://a:1", "");
    struct rfi_dial *second = add(&dialer, RFI_DIAL_CONFIGURED, "ws://b:1", "");
    rfi_dialer_learn(&dialer, first->id, "net");
    rfi_dialer_learn(&dialer, second->id, "net");
    cr_assert_eq(rfi_dialer_due(&dialer, S), first);
    rfi_dialer_started(first);
    cr_assert_null(rfi_dialer_due(&dialer, S));
    rfi_dialer_failed(&dialer, first->id, RF_ESYS, "refused", false, S, ALL);
    cr_assert_eq(rfi_dialer_due(&dialer, S + MIN_MS * MS),
                 first->next_ns <= S + MIN_MS * MS ? first : second);
    rfi_dialer_fini(&dialer);
}

Test(dialer, a_session_that_lived_long_forgets_the_failures_before_it)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *dial = add(&dialer, RFI_DIAL_WANTED, "", "net");
    dial->failure_count = 6;
    rfi_dialer_linked(&dialer, "net", S);
    rfi_dialer_unlinked(&dialer, "net", 2 * S, ALL); /* lived a second */
    cr_assert_eq(dial->failure_count, 7);
    rfi_dialer_linked(&dialer, "net", 3 * S);
    rfi_dialer_unlinked(&dialer, "net", 33 * S, ALL);
    cr_assert_eq(dial->failure_count, 1);
    cr_assert_leq(dial->next_ns, 33 * S + MIN_MS * MS);
    rfi_dialer_fini(&dialer);
}

Test(dialer, news_from_discovery_make_wanted_networks_due)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *wanted = add(&dialer, RFI_DIAL_WANTED, "", "net");
    struct rfi_dial *fixed = add(&dialer, RFI_DIAL_CONFIGURED, "ws://a:1", "");
    wanted->failure_count = fixed->failure_count = 8;
    rfi_dialer_started(wanted);
    rfi_dialer_started(fixed);
    rfi_dialer_failed(&dialer, wanted->id, RF_ENONETWORK, "unknown", false, S, ALL);
    rfi_dialer_failed(&dialer, fixed->id, RF_ESYS, "refused", false, S, ALL);
    cr_assert_null(rfi_dialer_due(&dialer, 2 * S));
    rfi_dialer_hurry(&dialer, 2 * S);
    cr_assert_eq(rfi_dialer_due(&dialer, 2 * S), wanted);
    rfi_dialer_fini(&dialer);
}

Test(dialer, again_is_soon_and_no_failure)
{
    struct rfi_dialer dialer = make_dialer();
    struct rfi_dial *dial = add(&dialer, RFI_DIAL_ASKED, "ws://a:1", "");
    rfi_dialer_started(dial);
    rfi_dialer_again(&dialer, dial->id, S, ALL);
    cr_assert_eq(dial->state, RFI_DIAL_WAITING);
    cr_assert_eq(dial->failure_count, 0);
    cr_assert_leq(dial->next_ns, S + MIN_MS * MS);
    rfi_dialer_remove(&dialer, dial->id);
    cr_assert_eq(dialer.count, 0);
    rfi_dialer_again(&dialer, 1, S, ALL); /* an entry that is gone is nobody's trouble */
    rfi_dialer_failed(&dialer, 1, RF_ESYS, "x", false, S, ALL);
    rfi_dialer_fini(&dialer);
}
