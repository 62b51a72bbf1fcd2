/* SPDX-License-Identifier: MIT */
/* What core gives to net: targets, receipts, outlets, taps, proxies. The bridge here is a fake that remembers
 * what it was told; the test is the thread that owns its outlets. */
#include "core/flow/router.h"
#include "unit/core/flow/net_fixture.h"

enum { CAPACITY = 16 };

struct fake {
    struct rfi_proxy *proxy;
    struct rfi_outlet *outlet;
    _Atomic(int) opened, closed, wakes, sends;
    rf_err open_result;
    char log[512];
};

static struct fake fake;

static rf_err fake_open(void *bridge, struct rfi_proxy *proxy, struct rfi_outlet *outlet,
                        const char *actor, const char *network, void **out_handle)
{
    struct fake *self = bridge;
    cr_assert_str_eq(actor, "counter");
    cr_assert_str_eq(network, "far");
    self->proxy = proxy;
    self->outlet = outlet;
    *out_handle = self;
    atomic_fetch_add(&self->opened, 1);
    return self->open_result;
}

static void fake_subscribe(void *bridge, void *handle, const char *port, bool is_wanted)
{
    struct fake *self = handle;
    cr_assert_eq(bridge, handle);
    size_t used = strlen(self->log);
    (void)snprintf(self->log + used, sizeof self->log - used, "%s%s ", is_wanted ? "+" : "-", port);
}

static void fake_close(void *bridge, void *handle)
{
    (void)handle;
    atomic_fetch_add(&((struct fake *)bridge)->closed, 1);
}

static void fake_wake(void *bridge, void *handle)
{
    (void)handle;
    atomic_fetch_add(&((struct fake *)bridge)->wakes, 1);
}

static rf_err fake_send(void *bridge, const char *actor, const char *network, const char *port,
                        rf_message *msg, rf_reply *reply)
{
    cr_assert_str_eq(actor, "other");
    cr_assert_str_eq(network, "far");
    cr_assert_str_eq(port, "p");
    if (reply != NULL)
        rfi_reply_fail(reply, RF_ENOTCONNECTED);
    rf_message_unref(msg);
    atomic_fetch_add(&((struct fake *)bridge)->sends, 1);
    return RF_OK;
}

static const struct rfi_bridge_ops fake_ops = {.open = fake_open,
                                               .subscribe = fake_subscribe,
                                               .close = fake_close,
                                               .wake = fake_wake,
                                               .send = fake_send};

static rf_network *make_bridged(void)
{
    rf_network *net = make_network(2, CAPACITY);
    memset(&fake, 0, sizeof fake);
    rfi_network_set_bridge(net, &fake_ops, &fake);
    return net;
}

static struct rfi_outlet_item pop_one(struct rfi_outlet *outlet)
{
    struct rfi_outlet_item item = {.msg = NULL};
    WAIT_UNTIL(rfi_outlet_pop(outlet, &item));
    return item;
}

/* ---- targets and receipts ---- */

struct counted_receipt {
    struct rfi_receipt receipt; /* first */
    _Atomic(int) count;
    _Atomic(size_t) bytes;
};

static void count_receipt(struct rfi_receipt *receipt, uint32_t count, size_t size)
{
    struct counted_receipt *counted = (struct counted_receipt *)receipt;
    atomic_fetch_add(&counted->count, count);
    atomic_fetch_add(&counted->bytes, size);
}

Test(target, a_receipt_is_consumed_once_for_each_message, .timeout = 60)
{
    rf_network *net = make_network(2, CAPACITY);
    struct counted_receipt receipt = {.receipt = {.consumed = count_receipt}};
    struct rfi_target *target = NULL;
    add_node(net, "z", "Gated");
    cr_assert_eq(rfi_target_find(net, "y", "in", &target), RF_ENOACTOR);
    cr_assert_eq(rfi_target_find(net, "z", "nowhere", &target), RF_ENOPORT);
    OK(rfi_target_find(net, "z", "input", &target));
    gate_shut();
    OK(rf_network_start(net));

    for (int i = 0; i < 10 * CAPACITY; i++) /* never refused for fullness */
        OK(rfi_target_push(target, rf_message_integer(i), &receipt.receipt, NULL));
    cr_assert(gate_wait(1));
    cr_assert_eq(atomic_load(&receipt.count), 0);
    cr_assert_geq(rfi_target_depth(target), (size_t)10 * CAPACITY - 1);
    gate_open();
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(atomic_load(&receipt.count), 10 * CAPACITY);
    cr_assert_eq(atomic_load(&receipt.bytes), (size_t)80 * CAPACITY);
    rfi_target_unref(rfi_target_ref(target));
    rfi_target_unref(target);
    rf_network_free(net);
}

Test(target, receipts_of_dropped_messages_are_consumed_too, .timeout = 60)
{
    rf_network *net = make_network(1, CAPACITY);
    struct counted_receipt receipt = {.receipt = {.consumed = count_receipt}};
    struct rfi_target *target = NULL;
    add_node(net, "z", "Gated");
    OK(rfi_target_find(net, "z", "in", &target));
    gate_shut();
    OK(rf_network_start(net));
    for (int i = 0; i < 5; i++)
        OK(rfi_target_push(target, rf_message_integer(i), &receipt.receipt, NULL));
    cr_assert(gate_wait(1));

    OK(rf_network_remove_node(net, "z"));
    rf_message *late = rf_message_integer(9);
    cr_assert_eq(rfi_target_push(target, late, &receipt.receipt, NULL), RF_ECLOSED);
    rf_message_unref(late);
    gate_open();
    OK(rf_network_drain(net, WAIT_MS));

    cr_assert_eq(atomic_load(&receipt.count), 5);
    rfi_target_unref(target);
    rf_network_free(net);
}

static rf_err take_packet(rf_context *ctx, void *state, rf_message *const *inputs)
{
    (void)ctx;
    (void)state;
    probe_note(0, rf_message_as_integer(inputs[0]));
    return RF_OK;
}

COMPONENT(packet_component, "Packet", .firing = RF_FIRE_ALL, .on_packet = take_packet);

Test(target, receipts_of_gathered_messages_come_with_the_packet, .timeout = 60)
{
    rf_network *net = make_network(1, CAPACITY);
    struct counted_receipt receipt = {.receipt = {.consumed = count_receipt}};
    struct rfi_target *in = NULL;
    struct rfi_target *other = NULL;
    OK(rf_network_register(net, &packet_component));
    add_node(net, "p", "Packet");
    OK(rfi_target_find(net, "p", "in", &in));
    OK(rfi_target_find(net, "p", "other", &other));
    OK(rf_network_start(net));

    OK(rfi_target_push(in, rf_message_integer(1), &receipt.receipt, NULL));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(atomic_load(&receipt.count), 0);
    OK(rfi_target_push(in, rf_message_integer(2), &receipt.receipt, NULL)); /* replaces it */
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(atomic_load(&receipt.count), 1);
    OK(rfi_target_push(other, rf_message_integer(3), &receipt.receipt, NULL));
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(atomic_load(&receipt.count), 3);
    cr_assert_eq(probe.values[0], 2);
    OK(rfi_target_push(in, rf_message_integer(4), &receipt.receipt, NULL));
    OK(rf_network_drain(net, WAIT_MS));
    rfi_target_unref(in);
    rfi_target_unref(other);
    rf_network_free(net);

    cr_assert_eq(atomic_load(&receipt.count), 4);
}

/* ---- outlets and taps ---- */

static void count_wake(void *user)
{
    atomic_fetch_add((_Atomic(int) *)user, 1);
}

static const struct rfi_outlet_ops outlet_ops = {.wake = count_wake};

Test(outlet, it_wakes_once_until_it_was_found_empty)
{
    rf_network *net = make_network(1, 0);
    struct rfi_outlet *outlet = NULL;
    struct rfi_outlet_item item;
    _Atomic(int) wakes = 0;
    size_t size = 0;
    rf_message *msg = rf_message_integer(5);
    OK(rfi_outlet_new(net, &outlet_ops, &wakes, 2, &outlet));
    uint32_t port = rfi_outlet_port(outlet, "p");
    cr_assert_eq(rfi_outlet_port(outlet, "q"), port + 1);
    cr_assert_eq(rfi_outlet_port(outlet, "p"), port);
    cr_assert_str_eq(rfi_outlet_port_name(outlet, port), "p");
    cr_assert_not(rfi_outlet_pop(outlet, &item));
    cr_assert_not(rfi_outlet_peek(outlet, &size));

    OK(rfi_outlet_push(outlet, port, rf_message_integer(1), NULL));
    OK(rfi_outlet_push(outlet, port + 1, rf_message_integer(2), NULL));
    cr_assert_eq(rfi_outlet_push(outlet, port, msg, NULL), RF_EFULL);
    cr_assert_eq(atomic_load(&wakes), 1);
    cr_assert_eq(rfi_outlet_depth(outlet), 2);

    cr_assert(rfi_outlet_peek(outlet, &size));
    cr_assert_eq(size, 8);
    cr_assert(rfi_outlet_pop(outlet, &item));
    cr_assert_eq(item.port, port);
    cr_assert_null(item.source_actor);
    rf_message_unref(item.msg);
    OK(rfi_outlet_push(outlet, port, msg, NULL));
    cr_assert_eq(atomic_load(&wakes), 1);
    cr_assert(rfi_outlet_pop(outlet, &item));
    cr_assert_eq(item.port, port + 1);
    rf_message_unref(item.msg);
    cr_assert(rfi_outlet_pop(outlet, &item));
    rf_message_unref(item.msg);
    cr_assert_not(rfi_outlet_pop(outlet, &item));

    OK(rfi_outlet_push(outlet, port, rf_message_integer(4), NULL));
    cr_assert_eq(atomic_load(&wakes), 2);
    rfi_outlet_close(outlet);
    msg = rf_message_integer(6);
    cr_assert_eq(rfi_outlet_push(outlet, port, msg, NULL), RF_ECLOSED);
    rf_message_unref(msg);
    cr_assert(rfi_outlet_pop(outlet, &item));
    rf_message_unref(item.msg);
    cr_assert_not(rfi_outlet_pop(outlet, &item));
    rfi_outlet_unref(outlet);
    rf_network_free(net);
}

Test(outlet, a_run_is_what_follows_on_the_same_route_and_is_small_enough)
{
    rf_network *net = make_network(1, 0);
    struct rfi_outlet *outlet = NULL;
    struct rfi_outlet_item item;
    rf_message *run[8];
    _Atomic(int) wakes = 0;
    size_t bytes = 100;
    char text[64] = "";
    OK(rfi_outlet_new(net, &outlet_ops, &wakes, 0, &outlet));
    uint32_t port = rfi_outlet_port(outlet, "p");
    uint32_t other = rfi_outlet_port(outlet, "q");
    cr_assert_eq(rfi_outlet_pop_run(outlet, port, 50, run, 8, &bytes), 0);
    for (int64_t i = 0; i < 6; i++)
        OK(rfi_outlet_push(outlet, port, rf_message_integer(i), NULL));
    OK(rfi_outlet_push(outlet, other, rf_message_integer(6), NULL));
    OK(rfi_outlet_push(outlet, other, rf_message_bytes(text, 51), NULL));
    cr_assert(rfi_outlet_pop(outlet, &item));
    rf_message_unref(item.msg);

    bytes = 100;
    cr_assert_eq(rfi_outlet_pop_run(outlet, item.route, 50, run, 2, &bytes), 2, "as asked");
    cr_assert_eq(bytes, 16);
    cr_assert_eq(rf_message_as_integer(run[0]), 1);
    cr_assert_eq(rf_message_as_integer(run[1]), 2);
    bytes = 17;
    cr_assert_eq(rfi_outlet_pop_run(outlet, item.route, 50, run + 2, 6, &bytes), 2, "by bytes");
    bytes = 100;
    cr_assert_eq(rfi_outlet_pop_run(outlet, item.route, 50, run + 4, 4, &bytes), 1,
                 "up to the next route");
    cr_assert_eq(rfi_outlet_depth(outlet), 2);
    cr_assert_eq(rfi_outlet_pop_run(outlet, item.route, 50, run + 5, 3, &bytes), 0);
    for (int64_t i = 0; i < 5; i++) {
        cr_assert_eq(rf_message_as_integer(run[i]), i + 1);
        rf_message_unref(run[i]);
    }
    cr_assert(rfi_outlet_pop(outlet, &item));
    cr_assert_eq(item.port, other);
    rf_message_unref(item.msg);
    bytes = 100;
    cr_assert_eq(rfi_outlet_pop_run(outlet, item.route, 50, run, 8, &bytes), 0, "too large");
    cr_assert(rfi_outlet_pop(outlet, &item));
    rf_message_unref(item.msg);
    cr_assert_not(rfi_outlet_pop(outlet, &item));
    rfi_outlet_close(outlet);
    rfi_outlet_unref(outlet);
    rf_network_free(net);
}

Test(outlet, it_has_room_for_many_port_names)
{
    rf_network *net = make_network(1, 0);
    struct rfi_outlet *outlet = NULL;
    _Atomic(int) wakes = 0;
    char name[16];
    OK(rfi_outlet_new(net, &outlet_ops, &wakes, 0, &outlet));

    for (uint32_t i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "port%u", i);
        cr_assert_eq(rfi_outlet_port(outlet, name), i);
    }

    for (uint32_t i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "port%u", i);
        cr_assert_str_eq(rfi_outlet_port_name(outlet, i), name);
    }
    rfi_outlet_unref(outlet);
    rf_network_free(net);
}

Test(outlet, a_tap_hears_what_its_actor_emits_and_mutes_it_when_full, .timeout = 60)
{
    rf_network *net = make_network(2, CAPACITY);
    struct rfi_outlet *tap = NULL;
    _Atomic(int) wakes = 0;
    add_node(net, "a", "Pass");
    add_node(net, "z", "Sink");
    connect_ports(net, "a", "out", "z", "in");
    cr_assert_eq(rfi_outlet_tap(net, "b", "out", &outlet_ops, &wakes, 0, &tap), RF_ENOACTOR);
    cr_assert_eq(rfi_outlet_tap(net, "a", "oout", &outlet_ops, &wakes, 0, &tap), RF_ENOPORT);
    OK(rfi_outlet_tap(net, "a", "out", &outlet_ops, &wakes, 4, &tap));
    OK(rf_network_start(net));

    for (int i = 0; i < CAPACITY; i++)
        send_integer(net, "a", "in", i);
    WAIT_UNTIL(strcmp(info_of(net, "a").state, "muted") == 0);
    cr_assert_eq(atomic_load(&wakes), 1);
    cr_assert_leq(rfi_outlet_depth(tap), 6);
    for (int i = 0; i < CAPACITY; i++) {
        struct rfi_outlet_item item = pop_one(tap);
        cr_assert_eq(rf_message_as_integer(item.msg), i);
        cr_assert_str_eq(item.source_actor, "a");
        cr_assert_eq(item.port, 0);
        rf_message_unref(item.msg);
    }
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, CAPACITY);

    for (int i = 0; i < CAPACITY / 2; i++)
        send_integer(net, "a", "in", i);
    WAIT_UNTIL(strcmp(info_of(net, "a").state, "muted") == 0);
    rfi_outlet_close(tap); /* wakes it, and cuts the tap */
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, CAPACITY + CAPACITY / 2);
    rfi_outlet_unref(tap);
    rf_network_free(net);
}

/* A thread that serves an outlet: sleeps until it is woken, pops until it is empty. */
struct server {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct rfi_outlet *outlet;
    int wakes;
    bool is_over;
    int64_t next; /* owner: the thread */
};

static void wake_server(void *user)
{
    struct server *server = user;
    pthread_mutex_lock(&server->lock);
    server->wakes++;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void *serve_outlet(void *arg)
{
    struct server *server = arg;
    struct rfi_outlet_item item;
    pthread_mutex_lock(&server->lock);
    while (!server->is_over) {
        if (server->wakes == 0) {
            pthread_cond_wait(&server->changed, &server->lock);
            continue;
        }
        server->wakes = 0;
        pthread_mutex_unlock(&server->lock);
        while (rfi_outlet_pop(server->outlet, &item)) {
            cr_assert_eq(rf_message_as_integer(item.msg), server->next++);
            rf_message_unref(item.msg);
        }
        pthread_mutex_lock(&server->lock);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static const struct rfi_outlet_ops server_ops = {.wake = wake_server};

Test(outlet, a_served_tap_gets_all_in_order_through_many_mutes, .timeout = 60)
{
    enum { MANY = 20000 };
    rf_network *net = make_network(2, CAPACITY);
    struct server server = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    add_node(net, "a", "Pass");
    OK(rfi_outlet_tap(net, "a", "out", &server_ops, &server, 4, &server.outlet));
    OK(rf_network_start(net));
    cr_assert_eq(pthread_create(&thread, NULL, serve_outlet, &server), 0);

    for (int64_t i = 0; i < MANY; i++) {
        rf_message *msg = rf_message_integer(i);
        WAIT_UNTIL(rf_network_send(net, "a", "in", msg) == RF_OK);
    }
    OK(rf_network_drain(net, WAIT_MS));
    WAIT_UNTIL(rfi_outlet_depth(server.outlet) == 0);

    pthread_mutex_lock(&server.lock);
    server.is_over = true;
    pthread_cond_signal(&server.changed);
    pthread_mutex_unlock(&server.lock);
    (void)pthread_join(thread, NULL);
    cr_assert_eq(server.next, MANY);
    rfi_outlet_close(server.outlet);
    rfi_outlet_unref(server.outlet);
    rf_network_free(net);
}

Test(outlet, removing_the_node_cuts_its_tap, .timeout = 60)
{
    rf_network *net = make_network(1, CAPACITY);
    struct rfi_outlet *tap = NULL;
    struct rfi_outlet_item item;
    _Atomic(int) wakes = 0;
    add_node(net, "a", "Pass");
    OK(rfi_outlet_tap(net, "a", "out", &outlet_ops, &wakes, 0, &tap));
    OK(rf_network_start(net));

    OK(rf_network_remove_node(net, "a"));

    cr_assert_not(rfi_outlet_pop(tap, &item));
    rfi_outlet_close(tap);
    rfi_outlet_unref(tap);
    rf_network_free(net);
}

/* ---- proxies ---- */

Test(proxy, messages_to_a_remote_actor_end_in_its_outlet, .timeout = 60)
{
    rf_network *net = make_bridged();
    add_node(net, "c", "counter@far");
    add_node(net, "a", "Pass");
    connect_ports(net, "a", "out", "c", "words");
    connect_ports(net, "a", "side", "c", "flush");
    OK(rf_network_start(net));
    cr_assert_eq(atomic_load(&fake.opened), 1);

    send_integer(net, "a", "in", 1);
    send_integer(net, "a", "other", 2);
    send_integer(net, "c", "direct", 3);

    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(atomic_load(&fake.wakes), 1);
    cr_assert_eq(info_of(net, "c").queue_length, 3);
    cr_assert(info_of(net, "c").is_remote);
    static const char *const names[] = {NULL, "words", "flush", "direct"};
    for (int i = 1; i <= 3; i++) {
        struct rfi_outlet_item item = pop_one(fake.outlet);
        int64_t value = rf_message_as_integer(item.msg);
        cr_assert_str_eq(rfi_outlet_port_name(fake.outlet, item.port), names[value]);
        cr_assert_eq(item.source_actor == NULL, value == 3);
        rf_message_unref(item.msg);
    }
    rf_network_free(net);
    cr_assert_eq(atomic_load(&fake.closed), 1);
}

Test(proxy, a_full_outlet_mutes_and_frees_its_producers, .timeout = 60)
{
    rf_network *net = make_bridged();
    struct rfi_outlet_item item;
    add_node(net, "counter@far", "counter@far");
    add_node(net, "a", "Pass");
    connect_ports(net, "a", "out", "counter@far", "in");
    OK(rf_network_start(net));
    for (int i = 0; i < 2 * CAPACITY; i++) {
        rf_message *msg = rf_message_integer(i);
        WAIT_UNTIL(rf_network_send(net, "a", "in", msg) == RF_OK);
    }
    WAIT_UNTIL(strcmp(info_of(net, "a").state, "muted") == 0);
    cr_assert_leq(rfi_outlet_depth(fake.outlet), CAPACITY + 2);

    int next = 0;
    while (next < 2 * CAPACITY) {
        item = pop_one(fake.outlet);
        cr_assert_eq(rf_message_as_integer(item.msg), next++);
        rf_message_unref(item.msg);
    }

    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_not(rfi_outlet_pop(fake.outlet, &item));
    rf_network_free(net);
}

Test(proxy, what_comes_back_is_emitted_as_if_it_were_local, .timeout = 60)
{
    rf_network *net = make_bridged();
    struct counted_receipt receipt = {.receipt = {.consumed = count_receipt}};
    add_node(net, "c", "counter@far");
    add_node(net, "x", "Sink");
    add_node(net, "y", "Sink");
    cr_assert_eq(rfi_proxy_emit(fake.proxy, "counts", rf_message_integer(0), &receipt.receipt), 0);
    connect_ports(net, "c", "counts", "x", "in");
    connect_ports(net, "c", "counts", "y", "in");
    connect_ports(net, "c", "total", "y", "other");
    cr_assert_str_eq(fake.log, "+counts +total ");
    OK(rf_network_start(net));

    cr_assert_eq(rfi_proxy_emit(fake.proxy, "counts", rf_message_integer(1), &receipt.receipt), 2);
    cr_assert_eq(rfi_proxy_emit(fake.proxy, "total", rf_message_integer(2), &receipt.receipt), 1);
    cr_assert_eq(rfi_proxy_emit(fake.proxy, "unknown", rf_message_integer(3), NULL), 0);
    OK(rf_network_drain(net, WAIT_MS));
    cr_assert_eq(probe.count, 3);
    cr_assert_eq(atomic_load(&receipt.count), 3);

    OK(rf_network_remove_connection(net, "c", "counts", "x", "in"));
    cr_assert_str_eq(fake.log, "+counts +total ");
    OK(rf_network_remove_node(net, "y"));
    cr_assert_not_null(strstr(fake.log, "-counts"));
    cr_assert_not_null(strstr(fake.log, "-total"));
    cr_assert_eq(rfi_proxy_emit(fake.proxy, "counts", rf_message_integer(4), NULL), 0);

    OK(rf_network_remove_node(net, "c"));
    cr_assert_eq(atomic_load(&fake.closed), 1);
    rf_network_free(net);
}

static rf_err wake_during_open(void *bridge, struct rfi_proxy *proxy, struct rfi_outlet *outlet,
                               const char *actor, const char *network, void **out_handle)
{
    OK(rfi_outlet_push(outlet, rfi_outlet_port(outlet, "p"), rf_message_integer(1), NULL));
    cr_assert_eq(atomic_load(&fake.wakes), 0);
    return fake_open(bridge, proxy, outlet, actor, network, out_handle);
}

Test(proxy, a_message_before_the_bridge_is_ready_wakes_it_later)
{
    rf_network *net = make_network(1, CAPACITY);
    struct rfi_bridge_ops ops = fake_ops;
    ops.open = wake_during_open;
    memset(&fake, 0, sizeof fake);
    rfi_network_set_bridge(net, &ops, &fake);

    add_node(net, "c", "counter@far");

    cr_assert_eq(atomic_load(&fake.wakes), 1);
    rf_network_free(net);
}

Test(proxy, a_bridge_that_refuses_leaves_no_node)
{
    rf_network *net = make_bridged();
    rf_diag diag;
    fake.open_result = RF_ELIMIT;

    cr_assert_eq(rf_network_add_node(net, "c", "counter@far", NULL, &diag), RF_ELIMIT);
    cr_assert_not(rf_network_has_actor(net, "c"));
    cr_assert_eq(rf_network_add_node(net, "d", "@far", NULL, &diag), RF_EINVAL);

    rf_network_free(net);
    cr_assert_eq(atomic_load(&fake.closed), 0);
}

static void note_reply(void *user, rf_err err, rf_message *answer)
{
    (void)user;
    probe_note((size_t)err, 0);
    rf_message_unref(answer);
}

Test(proxy, names_without_a_node_go_to_the_bridge, .timeout = 60)
{
    rf_network *net = make_bridged();

    send_integer(net, "other@far", "p", 1);
    OK(rf_network_request(net, "other@far", "p", rf_message_integer(2), WAIT_MS, note_reply, NULL));

    cr_assert_eq(atomic_load(&fake.sends), 2);
    cr_assert_eq(probe.count, 1);
    cr_assert_eq(probe.ports[0], (size_t)RF_ENOTCONNECTED);
    rf_network_free(net);
}

Test(proxy, a_request_through_an_outlet_can_be_answered_or_failed, .timeout = 60)
{
    rf_network *net = make_bridged();
    rf_reply *reply = NULL;
    add_node(net, "c", "counter@far");
    OK(rf_network_request(net, "c", "p", rf_message_integer(2), WAIT_MS, note_reply, NULL));

    struct rfi_outlet_item item = pop_one(fake.outlet);
    cr_assert_not_null(item.reply);
    rfi_reply_fail(item.reply, RF_ENOTCONNECTED);
    rf_message_unref(item.msg);
    cr_assert_eq(probe.ports[0], (size_t)RF_ENOTCONNECTED);

    OK(rfi_reply_new(net, 0, note_reply, NULL, &reply));
    rf_reply_send(reply, rf_message_integer(1));
    cr_assert_eq(probe.ports[1], (size_t)RF_OK);
    OK(rfi_reply_new(net, 5, note_reply, NULL, &reply));
    cr_assert_eq(probe_wait(3), 3);
    cr_assert_eq(probe.ports[2], (size_t)RF_ETIMEOUT);
    rf_reply_send(reply, NULL);
    cr_assert_eq(probe.count, 3);
    rf_network_free(net);
}

static bool collect_id(void *user, const char *id, const rf_component *component)
{
    char *list = user;
    size_t used = strlen(list);
    (void)snprintf(list + used, 64 - used, "%s", id);
    return component != NULL;
}

Test(proxy, the_true_list_holds_local_nodes_only)
{
    rf_network *net = make_bridged();
    char list[64] = "";
    rf_network_stats stats;
    add_node(net, "z", "Sink");
    add_node(net, "c", "counter@far");
    add_node(net, "a", "Pass");

    rfi_network_each_local(net, collect_id, list);
    rfi_network_count_dropped(net, 5);
    rf_network_get_stats(net, &stats);

    cr_assert_str_eq(list, "za");
    cr_assert_eq(stats.dropped_count, 5);
    cr_assert_eq(stats.actor_count, 3);
    rf_network_free(net);
}
