/* SPDX-License-Identifier: MIT */
/* The registry: what it takes, what it serves, and when it forgets. The clock is the test's. */
#include "core/base/map.h"
#include "discovery/registry.h"
#include "support/rf_test.h"

static struct rfi_registry *registry_of(uint32_t all, uint32_t per_address)
{
    struct rfi_registry_options options = {
        .ttl_ms = 1000, .entries_max = all, .entries_per_address_max = per_address};
    struct rfi_registry *registry = rfi_registry_new(&options);
    cr_assert_not_null(registry);
    return registry;
}

static rf_err put(struct rfi_registry *registry, const char *body, const char *caller,
                  uint64_t now_ms)
{
    rf_diag diag = {.line = 0};
    rf_err err = rfi_registry_register(registry, body, strlen(body), caller, now_ms, 0, &diag);
    if (err != RF_OK)
        cr_assert_neq(diag.text[0], '\0');
    return err;
}

#define ENTRY(network, instance, endpoint)                                                         \
    "{\"network_id\":\"" network "\",\"instance_id\":\"" instance "\",\"endpoint\":\"" endpoint    \
    "\",\"capabilities\":[\"actor_messaging\"]}"

/* What GET /networks would answer. */
static const char *list(struct rfi_registry *registry, uint64_t now_ms)
{
    static char text[16384];
    struct rfi_buf buf;
    struct rfi_json_writer w;
    rfi_buf_init(&buf);
    rfi_jsonw_init(&w, &buf);
    rfi_registry_write(registry, now_ms, &w);
    cr_assert_lt(buf.size, sizeof text);
    memcpy(text, buf.data, buf.size);
    text[buf.size] = '\0';
    rfi_buf_fini(&buf);
    return text;
}

static bool lists(struct rfi_registry *registry, uint64_t now_ms, const char *piece)
{
    return strstr(list(registry, now_ms), piece) != NULL;
}

Test(registry, an_entry_is_served_in_the_rust_shape)
{
    struct rfi_registry *registry = registry_of(10, 10);
    static const char body[] = ENTRY("alpha", "alpha-1", "10.0.0.1:9100");
    rf_diag diag;

    cr_assert_eq(rfi_registry_register(registry, body, sizeof body - 1, "10.0.0.1", 5,
                                       1700000000123000000u, &diag),
                 RF_OK);

    cr_assert_str_eq(list(registry, 5),
                     "[{\"network_id\":\"alpha\",\"instance_id\":\"alpha-1\",\"endpoint\":"
                     "\"10.0.0.1:9100\",\"capabilities\":[\"actor_messaging\"],\"last_seen\":"
                     "\"2023-11-14T22:13:20.123Z\"}]");
    rfi_registry_free(registry);
}

Test(registry, a_host_that_nobody_can_dial_becomes_the_callers_address)
{
    struct rfi_registry *registry = registry_of(10, 10);
    cr_assert_eq(put(registry, ENTRY("a", "1", "0.0.0.0:1"), "10.0.0.9", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("b", "1", "[::]:2"), "10.0.0.9", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("c", "1", ":3"), "2001:db8::5", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("d", "1", "tcp://0.0.0.0:4"), "10.0.0.9", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("e", "1", "host.example:5"), "10.0.0.9", 0), RF_OK);
    cr_assert(lists(registry, 0, "\"10.0.0.9:1\""));
    cr_assert(lists(registry, 0, "\"10.0.0.9:2\""));
    cr_assert(lists(registry, 0, "\"[2001:db8::5]:3\""));
    cr_assert(lists(registry, 0, "\"tcp://10.0.0.9:4\""));
    cr_assert(lists(registry, 0, "\"host.example:5\""));
    rfi_registry_free(registry);
}

Test(registry, a_malformed_body_is_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{\"network_id\":\"a\"}",
        "{\"network_id\":1,\"instance_id\":\"a\",\"endpoint\":\"h:1\"}",
        ENTRY("", "1", "h:1"),
        ENTRY("a b", "1", "h:1"),
        ENTRY("a@b", "1", "h:1"),
        ENTRY("a", ".x", "h:1"),
        ENTRY("a", "1", "h"),
        ENTRY("a", "1", "h:"),
        ENTRY("a", "1", "h:0"),
        ENTRY("a", "1", "h:65536"),
        ENTRY("a", "1", "h:1x"),
        ENTRY("a", "1", "h h:1"),
        ENTRY("a", "1", "[::1:1"),
        ENTRY("a", "1", "http://h:1"),
        "{\"network_id\":\"a\",\"instance_id\":\"1\",\"endpoint\":\"h:1\",\"capabilities\":\"x\"}",
        "{\"network_id\":\"a\",\"instance_id\":\"1\",\"endpoint\":\"h:1\",\"capabilities\":[1]}",
    };
    struct rfi_registry *registry = registry_of(10, 10);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(put(registry, bad[i], "10.0.0.1", 0), RF_EFORMAT, "%s", bad[i]);
    cr_assert_eq(rfi_registry_count(registry, 0), 0);
    rfi_registry_free(registry);
}

Test(registry, a_mistake_is_told_by_line_and_column)
{
    static const char body[] = "{\"network_id\":\"a\",\n \"instance_id\": 7}";
    struct rfi_registry *registry = registry_of(10, 10);
    rf_diag diag;
    cr_assert_eq(rfi_registry_register(registry, body, sizeof body - 1, "h", 0, 0, &diag),
                 RF_EFORMAT);
    cr_assert_eq(diag.line, 2);
    cr_assert_eq(diag.column, 17);
    rfi_registry_free(registry);
}

Test(registry, instances_of_one_network_stand_side_by_side_in_order)
{
    struct rfi_registry *registry = registry_of(10, 10);
    cr_assert_eq(put(registry, ENTRY("a", "2", "h:2"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("a", "1", "h:1"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("a", "2", "h:3"), "10.0.0.1", 1), RF_OK);
    cr_assert_eq(rfi_registry_count(registry, 1), 2);
    const char *text = list(registry, 1);
    cr_assert(strstr(text, "\"h:3\"") < strstr(text, "\"h:1\""));
    cr_assert_not(lists(registry, 1, "\"h:2\""));
    rfi_registry_free(registry);
}

Test(registry, entries_end_after_their_time_and_a_refresh_prolongs_it)
{
    struct rfi_registry *registry = registry_of(10, 10);
    cr_assert_eq(put(registry, ENTRY("a", "1", "h:1"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("b", "1", "h:1"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("a", "1", "h:1"), "10.0.0.1", 500), RF_OK);
    cr_assert_eq(rfi_registry_count(registry, 999), 2);
    cr_assert_eq(rfi_registry_count(registry, 1000), 1);
    cr_assert(lists(registry, 1499, "\"a\""));
    cr_assert_str_eq(list(registry, 1500), "[]");
    rfi_registry_free(registry);
}

Test(registry, a_live_key_belongs_to_its_address)
{
    struct rfi_registry *registry = registry_of(10, 10);
    cr_assert_eq(put(registry, ENTRY("a", "1", "h:1"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("a", "1", "h:2"), "10.0.0.2", 0), RF_EEXISTS);
    cr_assert(lists(registry, 0, "\"h:1\""));
    cr_assert_eq(put(registry, ENTRY("a", "1", "h:2"), "10.0.0.2", 1000), RF_OK);
    cr_assert(lists(registry, 1000, "\"h:2\""));
    cr_assert_eq(put(registry, ENTRY("l", "1", "h:1"), "127.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("l", "1", "h:1"), "::1", 0), RF_OK);
    rfi_registry_free(registry);
}

Test(registry, extra_members_are_kept_verbatim)
{
    struct rfi_registry *registry = registry_of(10, 10);
    cr_assert_eq(put(registry,
                     "{\"zone\": {\"a\" :[1, 2.50]},\"network_id\":\"a\",\"last_seen\":\"x\","
                     "\"instance_id\":\"1\",\"endpoint\":\"h:1\",\"we\\\"ird\":null}",
                     "10.0.0.1", 0),
                 RF_OK);
    cr_assert(lists(registry, 0,
                    ",\"last_seen\":\"1970-01-01T00:00:00Z\",\"zone\":{\"a\" :[1, 2.50]},"
                    "\"we\\\"ird\":null}]"));
    cr_assert(lists(registry, 0, "\"capabilities\":[]"));
    rfi_registry_free(registry);
}

Test(registry, size_and_numbers_are_bounded)
{
    static char body[8300];
    struct rfi_registry *registry = registry_of(3, 2);
    for (size_t size = 8192; size <= 8193; size++) {
        static const char head[] =
            "{\"network_id\":\"a\",\"instance_id\":\"1\",\"endpoint\":\"h:1\",\"x\":\"";
        memset(body, 'x', sizeof body);
        memcpy(body, head, sizeof head - 1);
        memcpy(body + size - 2, "\"}", 3);
        cr_assert_eq(put(registry, body, "10.0.0.1", 0), size > 8192 ? RF_ELIMIT : RF_OK);
    }
    cr_assert_eq(put(registry, ENTRY("b", "1", "h:1"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("c", "1", "h:1"), "10.0.0.1", 0), RF_ELIMIT);
    cr_assert_eq(put(registry, ENTRY("b", "1", "h:1"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("c", "1", "h:1"), "10.0.0.2", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("d", "1", "h:1"), "10.0.0.3", 0), RF_ELIMIT);
    cr_assert_eq(put(registry, ENTRY("d", "1", "h:1"), "10.0.0.3", 1000), RF_OK);
    cr_assert_eq(rfi_registry_count(registry, 1000), 1);
    rfi_registry_free(registry);
}

Test(registry, removal_is_for_the_address_that_registered)
{
    struct rfi_registry *registry = registry_of(10, 10);
    cr_assert_eq(put(registry, ENTRY("a", "1", "h:1"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("a", "2", "h:2"), "10.0.0.2", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("a", "3", "h:3"), "10.0.0.1", 0), RF_OK);
    cr_assert_eq(rfi_registry_remove(registry, "b", NULL, NULL, 0), RF_ENONETWORK);
    cr_assert_eq(rfi_registry_remove(registry, "a", "2", "10.0.0.1", 0), RF_EAUTH);
    cr_assert_eq(rfi_registry_remove(registry, "a", "1", "10.0.0.1", 0), RF_OK);
    cr_assert_eq(rfi_registry_remove(registry, "a", "1", "10.0.0.1", 0), RF_ENONETWORK);
    cr_assert_eq(rfi_registry_count(registry, 0), 2);
    cr_assert_eq(rfi_registry_remove(registry, "a", NULL, "10.0.0.1", 0), RF_OK);
    cr_assert(lists(registry, 0, "\"h:2\""));
    cr_assert_eq(rfi_registry_remove(registry, "a", NULL, NULL, 0), RF_OK);
    cr_assert_eq(rfi_registry_count(registry, 0), 0);
    rfi_registry_free(registry);
}

Test(registry, connected_networks_are_marked)
{
    struct rfi_registry *registry = registry_of(10, 10);
    struct rfi_map *connected = rfi_map_new();
    struct rfi_buf buf;
    struct rfi_json_writer w;
    rfi_buf_init(&buf);
    rfi_jsonw_init(&w, &buf);
    cr_assert_eq(put(registry, ENTRY("a", "1", "h:1"), "h", 0), RF_OK);
    cr_assert_eq(put(registry, ENTRY("b", "1", "h:1"), "h", 0), RF_OK);
    cr_assert_eq(rfi_map_add(connected, "b", connected), RF_OK);
    rfi_registry_write_connected(registry, 0, connected, &w);
    rfi_buf_append_byte(&buf, 0);
    const char *first = strstr((const char *)buf.data, "\"connected\":false");
    const char *second = strstr((const char *)buf.data, "\"connected\":true");
    cr_assert(first != NULL && second != NULL && first < second);
    rfi_buf_fini(&buf);
    rfi_map_free(connected);
    rfi_registry_free(registry);
}
