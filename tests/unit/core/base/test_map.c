/* SPDX-License-Identifier: MIT */
#include "core/base/map.h"
#include "support/rf_test.h"

static int values[1000];

static struct rfi_map *make(size_t count)
{
    struct rfi_map *map = rfi_map_new();
    cr_assert_not_null(map);
    for (size_t i = 0; i < count; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key-%zu", i);
        cr_assert_eq(rfi_map_add(map, key, &values[i]), RF_OK);
    }
    return map;
}

Test(map, what_was_added_is_found)
{
    struct rfi_map *map = make(1000);
    cr_assert_eq(rfi_map_count(map), 1000U);
    cr_assert_eq(rfi_map_get(map, "key-0"), &values[0]);
    cr_assert_eq(rfi_map_get(map, "key-999"), &values[999]);
    cr_assert_null(rfi_map_get(map, "key-1000"));
    cr_assert_null(rfi_map_get(map, ""));
    rfi_map_free(map);
    rfi_map_free(NULL);
}

Test(map, a_key_is_added_once_and_set_often)
{
    struct rfi_map *map = make(2);
    cr_assert_eq(rfi_map_add(map, "key-1", &values[9]), RF_EEXISTS);
    cr_assert_eq(rfi_map_get(map, "key-1"), &values[1]);
    cr_assert_eq(rfi_map_set(map, "key-1", &values[9]), RF_OK);
    cr_assert_eq(rfi_map_get(map, "key-1"), &values[9]);
    cr_assert_eq(rfi_map_set(map, "new", &values[8]), RF_OK);
    cr_assert_eq(rfi_map_count(map), 3U);
    rfi_map_free(map);
}

Test(map, keys_are_bytes_and_copied)
{
    struct rfi_map *map = make(0);
    char key[] = {'a', '\0', 'b'};
    cr_assert_eq(rfi_map_add_bytes(map, key, 3, &values[1]), RF_OK);
    cr_assert_eq(rfi_map_add_bytes(map, "", 0, &values[2]), RF_OK);
    key[2] = 'c';
    cr_assert_null(rfi_map_get_bytes(map, key, 3));
    cr_assert_null(rfi_map_get(map, "a"));
    cr_assert_eq(rfi_map_get_bytes(map, "a\0b", 3), &values[1]);
    cr_assert_eq(rfi_map_get(map, ""), &values[2]);
    const struct rfi_map_entry *entry = rfi_map_next(map, NULL);
    cr_assert_eq(rfi_map_key_size(entry), 3U);
    cr_assert_eq(rfi_map_key(entry)[3], '\0');
    cr_assert_eq(rfi_map_remove_bytes(map, "a\0b", 3), &values[1]);
    cr_assert_null(rfi_map_remove_bytes(map, "a\0b", 3));
    rfi_map_free(map);
}

Test(map, a_walk_goes_in_the_order_of_insertion)
{
    struct rfi_map *map = make(300);
    cr_assert_eq(rfi_map_remove(map, "key-7"), &values[7]);
    cr_assert_eq(rfi_map_add(map, "key-7", &values[7]), RF_OK);
    size_t at = 0;
    for (struct rfi_map_entry *entry = rfi_map_next(map, NULL); entry != NULL;
         entry = rfi_map_next(map, entry)) {
        size_t expected = at < 7 ? at : at < 299 ? at + 1 : 7;
        cr_assert_eq(rfi_map_value(entry), &values[expected]);
        at++;
    }
    cr_assert_eq(at, 300U);
    rfi_map_free(map);
}

Test(map, a_walk_may_remove_what_it_stands_on)
{
    struct rfi_map *map = make(300);
    size_t at = 0;
    struct rfi_map_entry *entry = NULL;
    while ((entry = rfi_map_next(map, entry)) != NULL) {
        cr_assert_eq(rfi_map_value(entry), &values[at]);
        if (at % 3 != 0)
            cr_assert_eq(rfi_map_remove(map, rfi_map_key(entry)), &values[at]);
        at++;
    }
    cr_assert_eq(at, 300U);
    cr_assert_eq(rfi_map_count(map), 100U);
    entry = NULL;
    while ((entry = rfi_map_next(map, entry)) != NULL)
        cr_assert_not_null(rfi_map_remove(map, rfi_map_key(entry)));
    cr_assert_eq(rfi_map_count(map), 0U);
    cr_assert_null(rfi_map_next(map, NULL));
    cr_assert_eq(rfi_map_add(map, "again", &values[0]), RF_OK);
    cr_assert_eq(rfi_map_get(map, "again"), &values[0]);
    rfi_map_free(map);
}
