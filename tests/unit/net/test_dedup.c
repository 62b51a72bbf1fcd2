/* SPDX-License-Identifier: MIT */
/* The window of message ids. */
#include "net/dead_letters.h"
#include "net/dedup.h"
#include "support/rf_test.h"

static bool seen(struct rfi_dedup *dedup, unsigned number)
{
    char id[37];
    (void)snprintf(id, sizeof id, "%08x-0000-4000-8000-%012x", number, number * 7);
    return rfi_dedup_seen(dedup, id, 36);
}

Test(dedup, an_id_is_seen_the_second_time)
{
    struct rfi_dedup dedup;
    rfi_dedup_init(&dedup, 42);
    cr_assert_not(rfi_dedup_seen(&dedup, "a", 1));
    cr_assert(rfi_dedup_seen(&dedup, "a", 1));
    cr_assert_not(rfi_dedup_seen(&dedup, "", 0));
    cr_assert(rfi_dedup_seen(&dedup, "", 0));
    cr_assert_not(rfi_dedup_seen(&dedup, "aa", 2));
    rfi_dedup_fini(&dedup);
}

Test(dedup, remembers_exactly_its_window, .timeout = 30)
{
    struct rfi_dedup dedup;
    rfi_dedup_init(&dedup, 7);
    const unsigned count = 3 * RFI_DEDUP_WINDOW + 17;
    for (unsigned i = 0; i < count; i++)
        cr_assert_not(seen(&dedup, i));
    cr_assert_eq(dedup.count, RFI_DEDUP_WINDOW);
    cr_assert_eq(dedup.capacity, RFI_DEDUP_WINDOW);
    for (unsigned i = count - RFI_DEDUP_WINDOW; i < count; i++)
        cr_assert(seen(&dedup, i));
    cr_assert_not(seen(&dedup, count - RFI_DEDUP_WINDOW - 1));
    rfi_dedup_fini(&dedup);
}

Test(dedup, is_small_for_a_peer_that_sends_little)
{
    struct rfi_dedup dedup;
    rfi_dedup_init(&dedup, 7);
    for (unsigned i = 0; i < 100; i++)
        (void)seen(&dedup, i);
    cr_assert_leq(dedup.capacity, 256);
    rfi_dedup_fini(&dedup);
}

Test(dead_letters, are_counted_by_reason)
{
    struct rfi_dead_letters letters;
    rfi_dead_letters_init(&letters);
    rfi_dead_letters_add(&letters, RFI_DEAD_UNKNOWN_ACTOR, 2, "n", "a", "p");
    rfi_dead_letters_add(&letters, rfi_dead_reason_of(RF_ERESTARTED), 3, "n", "a", NULL);
    rfi_dead_letters_add(&letters, RFI_DEAD_TOO_LARGE, 0, "n", "a", NULL);
    cr_assert_eq(rfi_dead_letters_total(&letters), 5);
    struct rfi_buf text;
    struct rfi_json_writer w;
    rfi_buf_init(&text);
    rfi_jsonw_init(&w, &text);
    rfi_dead_letters_write(&letters, &w);
    rfi_buf_append_byte(&text, 0);
    cr_assert_not_null(strstr((char *)text.data, "\"unknown_actor\":2"));
    cr_assert_not_null(strstr((char *)text.data, "\"peer_restarted\":3"));
    cr_assert_not_null(strstr((char *)text.data, "\"too_large\":0"));
    cr_assert_not_null(strstr((char *)text.data, "\"total\":5"));
    rfi_buf_fini(&text);
}
