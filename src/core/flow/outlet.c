/* SPDX-License-Identifier: MIT */
/* Outlets: mailboxes that a thread outside the actor pool serves, for what leaves the local network.
 *
 * An outlet is the target of wires as an actor is, with the same mailbox and the same muting; only its consumer
 * is woken by a call instead of being scheduled. Deliveries carry the number of a route (port and
 * source), because a delivery has no room for the name of its sender; the tables of ports and routes
 * grow in chunks that never move, so the owner thread reads them without a lock.
 *
 * Taps are outlets at the end of an edge without a node. The outlets of proxies are woken in proxy.c.
 * It does not know what becomes of the messages. */
#include "core/actor/delivery.h"
#include "core/flow/network_internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK = 16, CHECK_EVERY = 32, PUBLIC_PORT = 1U << 30 };

static uint32_t port_locked(struct rfi_outlet *outlet, const char *port);

/* ---- the mailbox ---- */

static void schedule_box(struct rfi_mailbox *box)
{
    struct rfi_outlet *outlet = (struct rfi_outlet *)(void *)box; /* its first member */
    if (outlet->proxy != NULL)
        rfi_proxy_wake(outlet->proxy);
    else
        outlet->ops->wake(outlet->user);
    /* [OL1] release: the wake is over; pairs with the acquire in wait_for_wakes */
    (void)atomic_fetch_add_explicit(&outlet->wakes_done, 1, memory_order_release);
}

static void free_tables(struct rfi_outlet *outlet)
{
    for (size_t chunk = 0; chunk < sizeof outlet->ports / sizeof outlet->ports[0]; chunk++) {
        size_t size = (size_t)FIRST_CHUNK << chunk;
        size_t first = size - FIRST_CHUNK;
        /* relaxed: nobody else is here */
        struct rfi_outlet_route *routes =
            atomic_load_explicit(&outlet->routes[chunk], memory_order_relaxed);
        struct rfi_outlet_port *ports =
            atomic_load_explicit(&outlet->ports[chunk], memory_order_relaxed);
        for (size_t i = 0; routes != NULL && i < size && first + i < outlet->route_count; i++)
            free(routes[i].source);
        for (size_t i = 0; ports != NULL && i < size && first + i < outlet->port_count; i++)
            free(ports[i].name);
        free(routes);
        free(ports);
    }
    rfi_map_free(outlet->port_map);
    rfi_map_free(outlet->route_map);
}

static void destroy_box(struct rfi_mailbox *box)
{
    struct rfi_outlet *outlet = (struct rfi_outlet *)(void *)box; /* its first member */
    uint64_t dropped = 0;
    for (struct rfi_delivery *delivery; (delivery = rfi_mailbox_pop(box)) != NULL; dropped++)
        rfi_delivery_drop(delivery, RF_ECLOSED);
    if (dropped > 0)
        rfi_runtime_count_dropped(&outlet->net->runtime, dropped);
    free_tables(outlet);
    free(outlet);
}

static struct rfi_outlet_route *route_of(const struct rfi_outlet *outlet, uint32_t index);
static const char *name_of(const struct rfi_outlet *outlet, uint32_t port);

static void describe_box(const struct rfi_mailbox *box, uint32_t port, const char **out_id,
                         const char **out_port)
{
    const struct rfi_outlet *outlet = (const struct rfi_outlet *)(const void *)box;
    *out_id = outlet->proxy != NULL ? outlet->proxy->id : NULL;
    *out_port = name_of(outlet, route_of(outlet, port)->port);
}

const struct rfi_mailbox_ops rfi_outlet_mailbox_ops = {
    .schedule = schedule_box, .destroy = destroy_box, .describe = describe_box};

/* ---- life ---- */

rf_err rfi_outlet_make(rf_network *net, const struct rfi_outlet_ops *ops, void *user,
                       uint32_t capacity, struct rfi_outlet **out)
{
    struct rfi_outlet *outlet = calloc(1, sizeof *outlet);
    if (outlet == NULL)
        return RF_ENOMEM;
    rfi_mailbox_init(&outlet->box, &rfi_outlet_mailbox_ops,
                     capacity != 0 ? capacity : net->runtime.capacity, false, 1);
    outlet->net = net;
    outlet->ops = ops;
    outlet->user = user;
    *out = outlet;
    return RF_OK;
}

rf_err rfi_outlet_new(rf_network *net, const struct rfi_outlet_ops *ops, void *user,
                      uint32_t capacity, struct rfi_outlet **out)
{
    return rfi_outlet_make(net, ops, user, capacity, out);
}

rf_err rfi_outlet_tap(rf_network *net, const char *actor, const char *outport,
                      const struct rfi_outlet_ops *ops, void *user, uint32_t capacity,
                      struct rfi_outlet **out)
{
    struct rfi_outlet *outlet;
    rf_err err = rfi_outlet_make(net, ops, user, capacity, &outlet);
    if (err != RF_OK)
        return err;
    pthread_mutex_lock(&net->lock);
    struct rfi_node *node = rfi_node_find_locked(net, actor);
    if (node == NULL || rfi_node_actor(node) == NULL) {
        err = RF_ENOACTOR;
    } else {
        const rf_component *component = rfi_node_actor(node)->component;
        size_t number = rfi_port_find(component->outports, component->outport_count, outport);
        err = number == SIZE_MAX ? RF_ENOPORT
                                 : rfi_edge_tap_locked(net, node, (uint32_t)number, outlet);
    }
    pthread_mutex_unlock(&net->lock);
    if (err != RF_OK) {
        rfi_outlet_unref(outlet);
        return err;
    }
    *out = outlet;
    return RF_OK;
}

bool rfi_outlet_has_actor(struct rfi_outlet *outlet)
{
    pthread_mutex_lock(&outlet->net->lock);
    bool has_actor = outlet->tap != NULL;
    pthread_mutex_unlock(&outlet->net->lock);
    return has_actor;
}

struct rfi_outlet *rfi_outlet_ref(struct rfi_outlet *outlet)
{
    rfi_mailbox_ref(&outlet->box);
    return outlet;
}

void rfi_outlet_unref(struct rfi_outlet *outlet)
{
    if (outlet != NULL)
        rfi_mailbox_unref(&outlet->box);
}

void rfi_outlet_close(struct rfi_outlet *outlet)
{
    if (rfi_mailbox_close(&outlet->box, NULL))
        /* The token is with the closer: it needs no wake, and none is waited for. */
        (void)atomic_fetch_add_explicit(&outlet->wakes_done, 1, memory_order_release); /* [OL1] */
    pthread_mutex_lock(&outlet->net->lock);
    if (outlet->tap != NULL)
        rfi_edge_remove_locked(outlet->net, outlet->tap);
    pthread_mutex_unlock(&outlet->net->lock);
    rfi_mailbox_wake_waiters(&outlet->box);
}

/* ---- ports and routes ---- */

/* The chunk of an index, and the place in it. */
static size_t chunk_of(uint32_t index, size_t *out_place)
{
    uint64_t shifted = (uint64_t)index + FIRST_CHUNK;
    size_t chunk = (size_t)(63 - __builtin_clzll(shifted / FIRST_CHUNK));
    *out_place = (size_t)(shifted - ((uint64_t)FIRST_CHUNK << chunk));
    return chunk;
}

static struct rfi_outlet_route *route_of(const struct rfi_outlet *outlet, uint32_t index)
{
    size_t place;
    size_t chunk = chunk_of(index, &place);
    /* [OL2] acquire: pairs with the release where the chunk is made. The item itself was written before a wire
     * with its number was published. */
    return &atomic_load_explicit(&outlet->routes[chunk], memory_order_acquire)[place];
}

static const char *name_of(const struct rfi_outlet *outlet, uint32_t port)
{
    size_t place;
    size_t chunk = chunk_of(port, &place);
    /* [OL2] acquire: as above */
    return atomic_load_explicit(&outlet->ports[chunk], memory_order_acquire)[place].name;
}

const char *rfi_outlet_port_name(struct rfi_outlet *outlet, uint32_t port)
{
    return name_of(outlet, port);
}

static uint32_t port_locked(struct rfi_outlet *outlet, const char *port)
{
    if (outlet->port_map == NULL && (outlet->port_map = rfi_map_new()) == NULL)
        return UINT32_MAX;
    const struct rfi_outlet_port *known = rfi_map_get(outlet->port_map, port);
    if (known != NULL)
        return known->number;
    size_t place;
    size_t chunk = chunk_of(outlet->port_count, &place);
    struct rfi_outlet_port *ports =
        atomic_load_explicit(&outlet->ports[chunk], memory_order_relaxed);
    if (ports == NULL) {
        ports = calloc((size_t)FIRST_CHUNK << chunk, sizeof *ports);
        if (ports == NULL)
            return UINT32_MAX;
        /* [OL2] release: pairs with rfi_outlet_port_name */
        atomic_store_explicit(&outlet->ports[chunk], ports, memory_order_release);
    }
    char *copy = strdup(port);
    if (copy == NULL || rfi_map_add(outlet->port_map, port, &ports[place]) != RF_OK) {
        free(copy);
        return UINT32_MAX;
    }
    ports[place] = (struct rfi_outlet_port){.name = copy, .number = outlet->port_count};
    return outlet->port_count++;
}

uint32_t rfi_outlet_port(struct rfi_outlet *outlet, const char *port)
{
    pthread_mutex_lock(&outlet->net->lock);
    uint32_t number = port_locked(outlet, port);
    pthread_mutex_unlock(&outlet->net->lock);
    return number;
}

uint32_t rfi_outlet_route_locked(struct rfi_outlet *outlet, const char *source, const char *port)
{
    char key[288];
    int size = snprintf(key, sizeof key, "%s\n%s", source == NULL ? "" : source, port);
    uint32_t number = port_locked(outlet, port);
    if (number == UINT32_MAX || size < 0 || (size_t)size >= sizeof key ||
        (outlet->route_map == NULL && (outlet->route_map = rfi_map_new()) == NULL))
        return UINT32_MAX;
    const struct rfi_outlet_route *known = rfi_map_get(outlet->route_map, key);
    if (known != NULL)
        return known->number;
    size_t place;
    size_t chunk = chunk_of(outlet->route_count, &place);
    struct rfi_outlet_route *routes =
        atomic_load_explicit(&outlet->routes[chunk], memory_order_relaxed);
    if (routes == NULL) {
        routes = calloc((size_t)FIRST_CHUNK << chunk, sizeof *routes);
        if (routes == NULL)
            return UINT32_MAX;
        /* [OL2] release: pairs with route_of */
        atomic_store_explicit(&outlet->routes[chunk], routes, memory_order_release);
    }
    char *copy = source == NULL ? NULL : strdup(source);
    if ((source != NULL && copy == NULL) ||
        rfi_map_add(outlet->route_map, key, &routes[place]) != RF_OK) {
        free(copy);
        return UINT32_MAX;
    }
    routes[place] =
        (struct rfi_outlet_route){.port = number, .number = outlet->route_count, .source = copy};
    return outlet->route_count++;
}

/* ---- messages ---- */

rf_err rfi_outlet_push(struct rfi_outlet *outlet, uint32_t port, rf_message *msg, rf_reply *reply)
{
    return rfi_box_push(&outlet->box, port | PUBLIC_PORT, msg, NULL, reply, true);
}

/* A wake-up that was begun before the close must be over before the owner is told that none comes. */
static void wait_for_wakes(struct rfi_outlet *outlet)
{
    /* [OL1] acquire: pairs with schedule_box. The token in hand is one more than those given back. */
    while (atomic_load_explicit(&outlet->wakes_done, memory_order_acquire) < outlet->idle_count + 1)
        (void)sched_yield(); /* another thread is inside `wake`, which does not block */
}

bool rfi_outlet_pop(struct rfi_outlet *outlet, struct rfi_outlet_item *out)
{
    struct rfi_mailbox *box = &outlet->box;
    struct rfi_delivery *delivery = rfi_mailbox_pop(box);
    while (delivery == NULL) {
        uint64_t word = rfi_mailbox_word(box);
        if ((word & RFI_BOX_BUSY) == 0)
            return false; /* idle already: popped without a wake-up */
        if (rfi_mailbox_release(box)) {
            outlet->idle_count++;
            return false;
        }
        rfi_mailbox_check_waiters(box);
        delivery = rfi_mailbox_pop(box);
        if (delivery == NULL && rfi_mailbox_is_closed(box)) {
            wait_for_wakes(outlet);
            return false;
        }
    }
    rf_message *msg = delivery->msg;
    struct rfi_receipt *receipt = delivery->receipt;
    out->msg = msg;
    out->reply = delivery->reply;
    out->route = delivery->port;
    if ((delivery->port & PUBLIC_PORT) != 0) {
        out->port = delivery->port & ~(uint32_t)PUBLIC_PORT;
        out->source_actor = NULL;
    } else {
        const struct rfi_outlet_route *route = route_of(outlet, delivery->port);
        out->port = route->port;
        out->source_actor = route->source;
    }
    rfi_delivery_release(delivery, msg);
    if (receipt != NULL) /* from one proxy to another: it is the popper's now */
        receipt->consumed(receipt, 1, rf_message_size(msg));
    rfi_count(&outlet->popped_count, 1);
    /* relaxed: our own number */
    if (box->first == NULL ||
        atomic_load_explicit(&outlet->popped_count, memory_order_relaxed) % CHECK_EVERY == 0)
        rfi_mailbox_check_waiters(box);
    return true;
}

size_t rfi_outlet_pop_run(struct rfi_outlet *outlet, uint32_t route, size_t size_max,
                          rf_message **out, size_t most, size_t *bytes)
{
    struct rfi_mailbox *box = &outlet->box;
    size_t count = 0;
    size_t left = *bytes;
    *bytes = 0;
    if (size_max >= RFI_BOX_LARGE)
        size_max = RFI_BOX_LARGE - 1; /* larger ones are weighed */
    if (box->first == NULL && !rfi_mailbox_take(box))
        return 0;
    struct rfi_mpsc_node *node = box->first;
    for (; count < most && node != NULL; count++) {
        struct rfi_delivery *delivery = (struct rfi_delivery *)(void *)node;
        rf_message *msg = delivery->msg;
        if (delivery->port != route || delivery->reply != NULL || delivery->receipt != NULL ||
            msg->size > size_max || msg->size > left)
            break;
        node = atomic_load_explicit(&node->next, memory_order_relaxed); /* our own list */
        __builtin_prefetch(node);
        rfi_delivery_release(delivery, msg);
        left -= msg->size;
        *bytes += msg->size;
        out[count] = msg;
    }
    if (count == 0)
        return 0;
    box->first = node;
    uint32_t held = atomic_load_explicit(&box->held, memory_order_relaxed);
    /* relaxed: a number for others to look at */
    atomic_store_explicit(&box->held, held - (uint32_t)count, memory_order_relaxed);
    rfi_count(&outlet->popped_count, count);
    rfi_mailbox_check_waiters(box);
    return count;
}

bool rfi_outlet_peek(struct rfi_outlet *outlet, size_t *out_size)
{
    struct rfi_mailbox *box = &outlet->box;
    if (box->first == NULL && !rfi_mailbox_take(box))
        return false;
    *out_size = rf_message_size(((struct rfi_delivery *)(void *)box->first)->msg);
    return true;
}

size_t rfi_outlet_depth(const struct rfi_outlet *outlet)
{
    return rfi_mailbox_depth(&outlet->box);
}
