/* SPDX-License-Identifier: MIT */
/* The table of the discovery client: merging lists of several registries. */
#include "discovery/found.h"
#include "support/rf_test.h"

#define ITEM(network, instance, endpoint, second)                                                  \
    "{\"network_id\":\"" network "\",\"instance_id\":\"" instance "\",\"endpoint\":\"" endpoint    \
    "\",\"capabilities\":[],\"last_seen\":\"2026-01-01T00:00:" second "Z\"}"

static struct rfi_found found_of(void)
{
    struct rfi_found found;
    cr_assert_eq(rfi_found_init(&found, "me", "me-1"), RF_OK);
    return found;
}

/* Merges and tells whether something changed. */
static bool merge(struct rfi_found *found, size_t source, const char *body)
{
    bool is_changed = false;
    rf_diag diag;
    cr_assert_eq(rfi_found_merge(found, source, body, strlen(body), &is_changed, &diag), RF_OK);
    return is_changed;
}

/* "instance=endpoint …" in the order of the table. */
static const char *shown(const struct rfi_found *found)
{
    static char text[2048];
    size_t count = 0;
    size_t size = 0;
    struct rfi_found_entry *entries = rfi_found_copy(found, &count);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s=%s", i > 0 ? " " : "",
                                 entries[i].instance_id, entries[i].endpoint);
    free(entries);
    return text;
}

Test(found, lists_of_several_registries_are_merged_by_the_newest_word)
{
    struct rfi_found found = found_of();
    cr_assert(
        merge(&found, 0, "[" ITEM("a", "1", "h:1", "10") "," ITEM("a", "2", "h:2", "10") "]"));
    cr_assert(merge(&found, 1, "[" ITEM("a", "1", "h:9", "20") "]"));
    cr_assert_str_eq(shown(&found), "1=h:9 2=h:2");
    cr_assert_not(
        merge(&found, 0, "[" ITEM("a", "1", "h:1", "15") "," ITEM("a", "2", "h:2", "15") "]"));
    cr_assert_str_eq(shown(&found), "1=h:9 2=h:2");
    rfi_found_fini(&found);
}

Test(found, capabilities_are_kept_as_they_came_and_bad_ones_are_none)
{
    static const char *const given[] = {"[\"a\", \"b\"]", "[1]", "{}", "[]"};
    static const char *const kept[] = {"[\"a\", \"b\"]", "[]", "[]", "[]"};
    struct rfi_found found = found_of();
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        char body[512];
        (void)snprintf(body, sizeof body,
                       "[{\"network_id\":\"a\",\"instance_id\":\"1\",\"endpoint\":\"h:1\","
                       "\"capabilities\":%s,\"last_seen\":\"2026-01-01T00:00:10Z\"}]",
                       given[i]);
        (void)merge(&found, 0, body);
        size_t count = 0;
        struct rfi_found_entry *entries = rfi_found_copy(&found, &count);
        cr_assert_eq(count, 1);
        cr_assert_str_eq(entries[0].capabilities, kept[i]);
        free(entries);
    }
    rfi_found_fini(&found);
}

Test(found, a_newer_last_seen_alone_is_no_change)
{
    struct rfi_found found = found_of();
    cr_assert(merge(&found, 0, "[" ITEM("a", "1", "h:1", "10") "]"));
    cr_assert_not(merge(&found, 0, "[" ITEM("a", "1", "h:1", "11") "]"));
    cr_assert(merge(&found, 0, "[" ITEM("a", "1", "h:2", "12") "]"));
    /* the registry's clock was set back */
    cr_assert(merge(&found, 0, "[" ITEM("a", "1", "h:3", "01") "]"));
    cr_assert_str_eq(shown(&found), "1=h:3");
    rfi_found_fini(&found);
}

Test(found, ourselves_are_left_out_and_other_instances_are_not)
{
    struct rfi_found found = found_of();
    cr_assert(merge(&found, 0,
                    "[" ITEM("me", "me-1", "h:1", "10") "," ITEM("me", "me-2", "h:2", "10") "]"));
    cr_assert_str_eq(shown(&found), "me-2=h:2");
    rfi_found_fini(&found);
}

Test(found, an_entry_goes_after_three_lists_of_its_registry_without_it)
{
    struct rfi_found found = found_of();
    cr_assert(merge(&found, 0, "[" ITEM("a", "1", "h:1", "10") "]"));
    cr_assert_not(merge(&found, 0, "[]"));
    cr_assert_not(merge(&found, 0, "[]"));
    cr_assert_not(merge(&found, 0, "[" ITEM("a", "1", "h:1", "11") "]"));
    cr_assert_not(merge(&found, 0, "[]"));
    cr_assert_not(merge(&found, 1, "[]")); /* another registry's silence says nothing */
    cr_assert_not(merge(&found, 0, "[]"));
    cr_assert(merge(&found, 0, "[]"));
    cr_assert_str_eq(shown(&found), "");
    rfi_found_fini(&found);
}

Test(found, the_word_of_a_registry_that_fell_silent_gives_way)
{
    struct rfi_found found = found_of();
    cr_assert(merge(&found, 0, "[" ITEM("a", "1", "h:1", "30") "]"));
    cr_assert_not(merge(&found, 0, "[]"));
    cr_assert(merge(&found, 1, "[" ITEM("a", "1", "h:2", "20") "]"));
    cr_assert_str_eq(shown(&found), "1=h:2");
    rfi_found_fini(&found);
}

Test(found, a_bad_entry_costs_only_itself)
{
    struct rfi_found found = found_of();
    cr_assert(merge(&found, 0,
                    "[1,{},null,{\"network_id\":\"x\"}," ITEM("a b", "1", "h:1", "10") "," ITEM(
                        "a", "1", "0.0.0.0:1",
                        "10") "," ITEM("a", "1", "h:99999",
                                       "10") "," ITEM("a", "1", "h:1",
                                                      "99") "," ITEM("ok", "ok", "h:7", "10") "]"));
    cr_assert_str_eq(shown(&found), "ok=h:7");
    rfi_found_fini(&found);
}

Test(found, a_body_that_is_no_list_changes_nothing)
{
    static const char *const bad[] = {"", "{}", "[", "null", "[]x", "<html>"};
    struct rfi_found found = found_of();
    cr_assert(merge(&found, 0, "[" ITEM("a", "1", "h:1", "10") "]"));
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            bool is_changed = true;
            rf_diag diag;
            cr_assert_eq(rfi_found_merge(&found, 0, bad[i], strlen(bad[i]), &is_changed, &diag),
                         RF_EFORMAT);
        }
    }
    cr_assert_str_eq(shown(&found), "1=h:1");
    rfi_found_fini(&found);
}
