/* SPDX-License-Identifier: MIT */
/* The directory of a network's nodes: found with and without the lock, over growth, removals and the other way round. */
#include "core/flow/network_internal.h"
#include "unit/core/flow/net_fixture.h"
#include <reflow/address.h>

enum { MANY = 20000 };

static void name_of(char out[16], size_t number)
{
    (void)snprintf(out, 16, "node%zu", number);
}

static void add_many(rf_network *net, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char name[16];
        name_of(name, i);
        add_node(net, name, i % 2 == 0 ? "Sink" : "Pass");
    }
}

/* Found without the lock, as what it is. */
static bool is_found(rf_network *net, size_t number)
{
    char name[16];
    name_of(name, number);
    struct rfi_actor *actor = rfi_directory_find(&net->nodes, name);
    bool is_there = actor != NULL;
    if (is_there) {
        cr_assert_str_eq(rfi_actor_id(actor), name);
        cr_assert_str_eq(actor->component->name, number % 2 == 0 ? "Sink" : "Pass");
        rfi_mailbox_unref(&actor->box);
    }
    cr_assert_eq(rf_network_has_actor(net, name), is_there);
    return is_there;
}

Test(directory, every_name_is_found_while_it_grows, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    for (size_t to = 1; to <= MANY; to = to * 3 / 2 + 1) {
        add_many(net, net->nodes.count, to);
        for (size_t i = 0; i < to; i += 1 + to / 100)
            cr_assert(is_found(net, i));
        cr_assert(!is_found(net, to));
    }
    rf_network_free(net);
}

Test(directory, what_is_removed_is_not_found_and_may_come_again, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    add_many(net, 0, MANY);
    for (size_t i = 0; i < MANY; i++) {
        char name[16];
        name_of(name, i);
        if (i % 3 != 0)
            OK(rf_network_remove_node(net, name));
    }
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(is_found(net, i), i % 3 == 0);
    for (size_t i = 0; i < MANY; i++)
        if (i % 3 == 1)
            add_many(net, i, i + 1);
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(is_found(net, i), i % 3 != 2);
    rf_network_free(net);
}

/* Those whose names were made up wait a while before they are in the table. */
Test(directory, made_up_names_are_found_while_it_grows, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    for (size_t i = 0; i < MANY; i++) {
        rf_address address;
        OK(rf_network_spawn(net, NULL, i % 2 == 0 ? "Sink" : "Pass", NULL, "in", &address, NULL));
        rf_address_unref(address);
        if (i % 97 == 0)
            add_many(net, i, i + 1);
    }
    cr_assert_gt(net->nodes.young_count, 0U);
    uint32_t at = 0;
    size_t made_up = 0;
    for (const struct rfi_node *node;
         (node = rfi_directory_next_locked(&net->nodes, &at)) != NULL;) {
        made_up += rfi_name_is_made_up(rfi_node_id(node));
        cr_assert_eq(rfi_node_find_locked(net, rfi_node_id(node)), node);
    }
    cr_assert_eq(made_up, (size_t)MANY);
    for (size_t i = 0; i < MANY; i += 97)
        cr_assert(is_found(net, i));
    rf_network_free(net);
}

/* Names that come and go fill the table with marks, which a table of the same size gets rid of. */
Test(directory, a_table_that_is_full_of_what_is_gone_does_not_grow, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    add_many(net, 0, 4);
    for (size_t i = 4; i < MANY; i++) {
        char name[16];
        add_many(net, i, i + 1);
        name_of(name, i);
        OK(rf_network_remove_node(net, name));
    }
    cr_assert_leq(net->nodes.capacity, 64U);
    cr_assert_leq(net->nodes.marked, 64U);
    for (size_t i = 0; i < 4; i++)
        cr_assert(is_found(net, i));
    rf_network_free(net);
}

static bool note_id(void *user, const rf_actor_info *info)
{
    size_t *next = user;
    char name[16];
    while (*next % 2 == 1)
        (*next)++;
    name_of(name, (*next)++);
    cr_assert_str_eq(info->id, name);
    return true;
}

Test(directory, nodes_are_listed_in_the_order_of_their_making, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    add_many(net, 0, 200);
    for (size_t i = 1; i < 200; i += 2) {
        char name[16];
        name_of(name, i);
        OK(rf_network_remove_node(net, name));
    }
    size_t next = 0;
    rf_network_each_actor(net, note_id, &next);
    cr_assert_eq(next, 199U);
    add_many(net, 200, 201);
    next = 0;
    rf_network_each_actor(net, note_id, &next);
    cr_assert_eq(next, 201U);
    rf_network_free(net);
}

Test(directory, ids_of_every_length_have_their_place, .timeout = 60)
{
    rf_network *net = make_network(1, 0);
    char id[129];
    for (size_t size = 1; size <= 128; size++) {
        memset(id, 'a', size);
        id[size] = '\0';
        add_node(net, id, "Sink");
        cr_assert_eq(rf_network_add_node(net, id, "Sink", NULL, NULL), RF_EEXISTS);
    }
    for (size_t size = 1; size <= 128; size++) {
        memset(id, 'a', size);
        id[size] = '\0';
        cr_assert(rf_network_has_actor(net, id));
    }
    rf_network_free(net);
}
