/* SPDX-License-Identifier: MIT */
/* Proxies: nodes that stand for actors of other networks.
 *
 * In: connectors to a proxy end in its outlet, which the bridge serves. Out: the bridge calls
 * rfi_proxy_emit on the thread that serves the outlet; the table of wires that it uses is that thread's
 * own, and a changed one is left in `pending` (as for actors).
 *
 * The bridge is told of nodes and subscriptions without the lock, one call at a time for each proxy
 * and in the order of the changes: changes queue notices under the lock, and one thread at a time
 * (`is_pumping`) delivers them. A removed proxy's memory stays until the network goes, because the bridge may be
 * slow to let go of it. */
#include "core/actor/delivery.h"
#include "core/base/diag.h"
#include "core/flow/network_internal.h"

#include <stdlib.h>
#include <string.h>

static void free_table(struct rfi_proxy_table *table);
static void pump(struct rfi_proxy *proxy);

void rfi_network_set_bridge(rf_network *net, const struct rfi_bridge_ops *ops, void *bridge)
{
    pthread_mutex_lock(&net->lock);
    /* [BR1] release: the bridge before its functions */
    atomic_store_explicit(&net->bridge, bridge, memory_order_release);
    atomic_store_explicit(&net->bridge_ops, ops, memory_order_release);
    pthread_mutex_unlock(&net->lock);
}

/* ---- life ---- */

static rf_err make_proxy(rf_network *net, const char *id, const char *component,
                         struct rfi_proxy **out)
{
    struct rfi_proxy *proxy = calloc(1, sizeof *proxy);
    if (proxy == NULL)
        return RF_ENOMEM;
    proxy->net = net;
    proxy->notices_end = &proxy->notices;
    proxy->is_pumping = true; /* until the bridge has opened it */
    char *copy = strdup(id);
    proxy->id = copy;
    proxy->node.is_proxy = true;
    rf_err err =
        copy == NULL ? RF_ENOMEM : rfi_split_remote(component, &proxy->actor, &proxy->network);
    if (err == RF_OK)
        err = rfi_outlet_make(net, NULL, NULL, 0, &proxy->outlet);
    if (err != RF_OK) {
        rfi_proxy_free(proxy);
        return err;
    }
    proxy->outlet->proxy = proxy;
    *out = proxy;
    return RF_OK;
}

static rf_err enter_locked(rf_network *net, struct rfi_proxy *proxy, rf_diag *out_diag)
{
    struct rfi_name name = rfi_name_of(proxy->id);
    void *bridge;
    if (rfi_network_bridge(net, &bridge) == NULL)
        return rfi_diag_set(out_diag, RF_EUNSUPPORTED,
                            "node \"%s\" is remote, and this network has no bridge", name.text);
    rf_err err = rfi_node_admit_locked(net, name, out_diag);
    if (err == RF_OK)
        rfi_directory_enter_locked(&net->nodes, name, &proxy->node);
    return err;
}

rf_err rfi_proxy_add(rf_network *net, const char *id, const char *component, rf_diag *out_diag)
{
    struct rfi_proxy *proxy;
    rf_err err = make_proxy(net, id, component, &proxy);
    if (err == RF_EINVAL)
        return rfi_diag_set(out_diag, err, "\"%s\" is not of the form actor@network", component);
    if (err != RF_OK)
        return err;
    pthread_mutex_lock(&net->lock);
    err = enter_locked(net, proxy, out_diag);
    void *bridge;
    const struct rfi_bridge_ops *ops = rfi_network_bridge(net, &bridge);
    pthread_mutex_unlock(&net->lock);
    if (err != RF_OK) {
        rfi_proxy_free(proxy);
        return err;
    }
    err = ops->open(bridge, proxy, proxy->outlet, proxy->actor, proxy->network, &proxy->handle);
    if (err != RF_OK) {
        pthread_mutex_lock(&net->lock);
        if (rfi_node_find_locked(net, id) == &proxy->node) {
            (void)rfi_directory_remove_locked(&net->nodes, rfi_name_of(id));
            rfi_node_cut_locked(net, &proxy->node);
        }
        proxy->next_removed = net->removed_proxies;
        net->removed_proxies = proxy;
        pthread_mutex_unlock(&net->lock);
        rfi_outlet_close(proxy->outlet);
        return rfi_diag_set(out_diag, err, "node \"%s\": %s", id, rf_err_text(err));
    }
    /* [PX1] seq_cst: from here on producers wake the bridge; one that came too early is made up for */
    atomic_store_explicit(&proxy->is_ready, true, memory_order_seq_cst);
    if (atomic_exchange_explicit(&proxy->is_wake_missed, false, memory_order_seq_cst))
        ops->wake(bridge, proxy->handle);
    pthread_mutex_lock(&net->lock);
    proxy->is_pumping = false;
    pthread_mutex_unlock(&net->lock);
    pump(proxy);
    return RF_OK;
}

/* Any thread: the outlet got a message and has no consumer. */
void rfi_proxy_wake(struct rfi_proxy *proxy)
{
    rf_network *net = proxy->net;
    /* [PX1] seq_cst: either we see is_ready, or the opener sees is_wake_missed; the exchange makes it
     * one wake-up if both do */
    if (!atomic_load_explicit(&proxy->is_ready, memory_order_seq_cst)) {
        atomic_store_explicit(&proxy->is_wake_missed, true, memory_order_seq_cst);
        if (!atomic_load_explicit(&proxy->is_ready, memory_order_seq_cst) ||
            !atomic_exchange_explicit(&proxy->is_wake_missed, false, memory_order_seq_cst))
            return;
    }
    void *bridge;
    const struct rfi_bridge_ops *ops = rfi_network_bridge(net, &bridge);
    if (ops != NULL)
        ops->wake(bridge, proxy->handle);
}

void rfi_proxy_close(struct rfi_proxy *proxy)
{
    rf_network *net = proxy->net;
    struct rfi_notice *notice = rfi_notice_new("");
    rfi_outlet_close(proxy->outlet);
    pthread_mutex_lock(&net->lock);
    if (notice != NULL) {
        notice->what = RFI_NOTICE_CLOSE;
        rfi_proxy_notify_locked(proxy, notice);
    }
    if (net->life != RFI_LIFE_STOPPED || rfi_node_find_locked(net, proxy->id) != &proxy->node) {
        proxy->next_removed = net->removed_proxies;
        net->removed_proxies = proxy;
    }
    pthread_mutex_unlock(&net->lock);
    rfi_network_pump(net);
}

void rfi_proxy_free(struct rfi_proxy *proxy)
{
    while (proxy->notices != NULL) {
        struct rfi_notice *next = proxy->notices->next;
        free(proxy->notices);
        proxy->notices = next;
    }
    free_table(proxy->table);
    free_table(atomic_load_explicit(&proxy->pending, memory_order_relaxed)); /* alone */
    if (proxy->outlet != NULL)
        proxy->outlet->proxy = NULL;
    rfi_outlet_unref(proxy->outlet);
    free(proxy->id);
    free(proxy->actor);
    free(proxy->network);
    free(proxy);
}

/* ---- telling the bridge ---- */

struct rfi_notice *rfi_notice_new(const char *port)
{
    size_t size = strlen(port) + 1;
    struct rfi_notice *notice = malloc(sizeof *notice + size);
    if (notice == NULL)
        return NULL;
    notice->next = NULL;
    notice->what = RFI_NOTICE_SUBSCRIBE;
    memcpy(notice->port, port, size);
    return notice;
}

void rfi_proxy_notify_locked(struct rfi_proxy *proxy, struct rfi_notice *notice)
{
    rf_network *net = proxy->net;
    *proxy->notices_end = notice;
    proxy->notices_end = &notice->next;
    if (!proxy->is_noticed) {
        proxy->is_noticed = true;
        proxy->next_noticed = net->noticed;
        net->noticed = proxy;
    }
}

void rfi_network_pump(rf_network *net)
{
    for (;;) {
        pthread_mutex_lock(&net->lock);
        struct rfi_proxy *proxy = net->noticed;
        if (proxy != NULL) {
            net->noticed = proxy->next_noticed;
            proxy->is_noticed = false;
        }
        pthread_mutex_unlock(&net->lock);
        if (proxy == NULL)
            return;
        pump(proxy);
    }
}

static void pump(struct rfi_proxy *proxy)
{
    rf_network *net = proxy->net;
    pthread_mutex_lock(&net->lock);
    if (proxy->is_pumping) { /* that thread will come to what we queued */
        pthread_mutex_unlock(&net->lock);
        return;
    }
    proxy->is_pumping = true;
    while (proxy->notices != NULL) {
        struct rfi_notice *notice = proxy->notices;
        proxy->notices = notice->next;
        if (proxy->notices == NULL)
            proxy->notices_end = &proxy->notices;
        void *bridge;
        const struct rfi_bridge_ops *ops = rfi_network_bridge(net, &bridge);
        pthread_mutex_unlock(&net->lock);
        if (ops != NULL && notice->what == RFI_NOTICE_CLOSE)
            ops->close(bridge, proxy->handle);
        else if (ops != NULL)
            ops->subscribe(bridge, proxy->handle, notice->port,
                           notice->what == RFI_NOTICE_SUBSCRIBE);
        free(notice);
        pthread_mutex_lock(&net->lock);
    }
    proxy->is_pumping = false;
    pthread_mutex_unlock(&net->lock);
}

/* ---- wires ---- */

static void free_table(struct rfi_proxy_table *table)
{
    if (table == NULL)
        return;
    for (uint32_t i = 0; i < table->port_count; i++)
        free(table->ports[i].name);
    rfi_outs_free(table->outs);
    free(table);
}

static struct rfi_proxy_port *find_port(struct rfi_proxy_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->port_count; i++)
        if (strcmp(table->ports[i].name, name) == 0)
            return &table->ports[i];
    return NULL;
}

/* The distinct ports of the edges, with the number of wires of each. */
static rf_err fill_ports(struct rfi_proxy_table *table, const struct rfi_node *node)
{
    for (const struct rfi_edge *edge = node->out_first; edge != NULL; edge = edge->out_next) {
        struct rfi_proxy_port *port = find_port(table, edge->from_port);
        if (port == NULL) {
            port = &table->ports[table->port_count];
            port->name = strdup(edge->from_port);
            if (port->name == NULL)
                return RF_ENOMEM;
            table->port_count++;
        }
        port->range.count++;
    }
    uint32_t first = 0;
    for (uint32_t i = 0; i < table->port_count; i++) {
        table->ports[i].range.first = first;
        first += table->ports[i].range.count;
        table->ports[i].range.count = 0;
    }
    return RF_OK;
}

rf_err rfi_proxy_publish_locked(struct rfi_proxy *proxy)
{
    struct rfi_node *node = &proxy->node;
    uint32_t count = 0;
    for (struct rfi_edge *edge = node->out_first; edge != NULL; edge = edge->out_next)
        count++;
    struct rfi_proxy_table *table = calloc(1, sizeof *table + count * sizeof table->ports[0]);
    if (table == NULL)
        return RF_ENOMEM;
    if (fill_ports(table, node) != RF_OK || (table->outs = rfi_outs_new(0, count)) == NULL) {
        free_table(table);
        return RF_ENOMEM;
    }
    for (struct rfi_edge *edge = node->out_first; edge != NULL; edge = edge->out_next) {
        struct rfi_out_range *range = &find_port(table, edge->from_port)->range;
        rfi_mailbox_ref(edge->target);
        table->outs->wires[range->first + range->count++] = (struct rfi_wire){
            .target = edge->target, .port = edge->to_number, .is_loop = rfi_edge_is_loop(edge)};
    }
    /* [PX2] acq_rel: publishes the table; one that nobody took up is ours again */
    free_table(atomic_exchange_explicit(&proxy->pending, table, memory_order_acq_rel));
    return RF_OK;
}

static void tell_sent(struct rfi_proxy *proxy, const char *port, const struct rfi_wire *wire,
                      rf_message *msg)
{
    rf_event event = {
        .type = RF_EVENT_MESSAGE_SENT, .actor = proxy->id, .port = port, .message = msg};
    wire->target->ops->describe(wire->target, wire->port, &event.to_actor, &event.to_port);
    rfi_events_post(proxy->net, &event);
}

size_t rfi_proxy_emit(struct rfi_proxy *proxy, const char *port, rf_message *msg,
                      struct rfi_receipt *receipt)
{
    struct rfi_runtime *runtime = &proxy->net->runtime;
    size_t taken = 0;
    if (msg == NULL)
        return 0;
    if (atomic_load_explicit(&proxy->pending, memory_order_relaxed) != NULL) { /* a hint */
        /* [PX2] acquire: pairs with the release in rfi_proxy_publish_locked */
        struct rfi_proxy_table *table =
            atomic_exchange_explicit(&proxy->pending, NULL, memory_order_acq_rel);
        if (table != NULL) {
            free_table(proxy->table);
            proxy->table = table;
        }
    }
    const struct rfi_proxy_port *found =
        proxy->table == NULL ? NULL : find_port(proxy->table, port);
    uint32_t count = found == NULL ? 0 : found->range.count;
    rfi_count(&proxy->emitted, 1);
    for (uint32_t i = 0; i < count; i++) {
        const struct rfi_wire *wire = &proxy->table->outs->wires[found->range.first + i];
        if (rfi_runtime_wants(runtime, RF_EVENT_MESSAGE_SENT))
            tell_sent(proxy, port, wire, msg);
        /* The pushed reference is one more than ours: `msg` stays ours until all have it. */
        if (rfi_box_push(wire->target, wire->port, rf_message_ref(msg), receipt, NULL, false) ==
            RF_OK) {
            taken++;
            continue;
        }
        rf_message_unref(msg);
        rfi_runtime_count_dropped(runtime, 1);
    }
    rf_message_unref(msg);
    return taken;
}
