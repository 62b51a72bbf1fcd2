/* SPDX-License-Identifier: MIT */
/* Connectors: the edges of the graph, and the tables of wires that are made of them.
 *
 * The edges are the truth and are under the network's lock. What actors and proxies use are tables made from the
 * edges of one node: a change links or unlinks an edge, then makes the tables of all nodes that it
 * concerns anew and publishes them. A muted actor whose wires changed is woken to look again.
 *
 * An edge holds one reference of its target; each wire of a table has its own. */
#include "core/base/diag.h"
#include "core/flow/network_internal.h"

#include <stdlib.h>
#include <string.h>

static rf_err publish_locked(struct rfi_node *node);
static void publish_dirty_locked(rf_network *net);
static void unlink_edge(rf_network *net, struct rfi_edge *edge);

/* ---- edges ---- */

static void link_edge(rf_network *net, struct rfi_edge *edge)
{
    struct rfi_edge *first = edge->from->out_first;
    if (first != NULL) {
        edge->out_prev = first->out_prev;
        first->out_prev->out_next = edge;
        first->out_prev = edge;
    } else {
        edge->out_prev = edge;
        edge->from->out_first = edge;
    }
    if (edge->to != NULL) {
        edge->in_next = edge->to->in_first;
        if (edge->in_next != NULL)
            edge->in_next->in_prev = edge;
        edge->to->in_first = edge;
        net->edge_count++;
    }
    rfi_mailbox_ref(edge->target);
}

static void unlink_edge(rf_network *net, struct rfi_edge *edge)
{
    struct rfi_edge *first = edge->from->out_first;
    if (edge->out_next != NULL)
        edge->out_next->out_prev = edge->out_prev;
    else if (edge != first)
        first->out_prev = edge->out_prev;
    if (edge == first)
        edge->from->out_first = edge->out_next;
    else
        edge->out_prev->out_next = edge->out_next;
    if (edge->to != NULL) {
        *(edge->in_prev != NULL ? &edge->in_prev->in_next : &edge->to->in_first) = edge->in_next;
        if (edge->in_next != NULL)
            edge->in_next->in_prev = edge->in_prev;
        net->edge_count--;
    }
    if (edge->tap != NULL)
        edge->tap->tap = NULL;
}

static void free_edge(struct rfi_edge *edge)
{
    rfi_mailbox_unref(edge->target);
    free(edge);
}

void rfi_node_free_edges(struct rfi_node *node)
{
    while (node->out_first != NULL) {
        struct rfi_edge *next = node->out_first->out_next;
        if (node->out_first->tap != NULL)
            node->out_first->tap->tap = NULL;
        free_edge(node->out_first);
        node->out_first = next;
    }
}

/* An edge with room for the names that no component keeps. */
static struct rfi_edge *new_edge(const char *from_port, const char *to_port)
{
    size_t from_size = strlen(from_port) + 1;
    size_t to_size = strlen(to_port) + 1;
    struct rfi_edge *edge = calloc(1, sizeof *edge + from_size + to_size);
    if (edge == NULL)
        return NULL;
    memcpy(edge->names, from_port, from_size);
    memcpy(edge->names + from_size, to_port, to_size);
    edge->from_port = edge->names;
    edge->to_port = edge->names + from_size;
    return edge;
}

static struct rfi_edge *find_edge(const struct rfi_node *from, const struct rfi_node *to,
                                  const char *from_port, const char *to_port)
{
    for (struct rfi_edge *edge = from->out_first; edge != NULL; edge = edge->out_next)
        if (edge->to == to && strcmp(edge->from_port, from_port) == 0 &&
            strcmp(edge->to_port, to_port) == 0)
            return edge;
    return NULL;
}

/* The port names as the component spells them; proxies take any valid name. */
static rf_err resolve_ports(const struct rfi_node *from, const struct rfi_node *to,
                            const char **from_port, const char **to_port, rf_diag *out_diag)
{
    if (rfi_node_actor(from) != NULL) {
        const rf_component *component = rfi_node_actor(from)->component;
        size_t number = rfi_port_find(component->outports, component->outport_count, *from_port);
        if (number == SIZE_MAX)
            return rfi_port_unknown("out-port", rfi_node_id(from), component->outports,
                                    component->outport_count, *from_port, out_diag);
        *from_port = component->outports[number].name;
    } else if (!rfi_name_is_valid(*from_port, strlen(*from_port))) {
        return rfi_diag_set(out_diag, RF_ENOPORT, "\"%s\" is no port name", *from_port);
    }
    if (rfi_node_actor(to) != NULL) {
        const rf_component *component = rfi_node_actor(to)->component;
        size_t number = rfi_port_find(component->inports, component->inport_count, *to_port);
        if (number == SIZE_MAX)
            return rfi_port_unknown("in-port", rfi_node_id(to), component->inports,
                                    component->inport_count, *to_port, out_diag);
        *to_port = component->inports[number].name;
    } else if (!rfi_name_is_valid(*to_port, strlen(*to_port))) {
        return rfi_diag_set(out_diag, RF_ENOPORT, "\"%s\" is no port name", *to_port);
    }
    return RF_OK;
}

static rf_err make_edge(struct rfi_node *from, struct rfi_node *to, const char *from_port,
                        const char *to_port, struct rfi_edge **out)
{
    struct rfi_edge *edge = new_edge(rfi_node_actor(from) == NULL ? from_port : "",
                                     rfi_node_actor(to) == NULL ? to_port : "");
    if (edge == NULL)
        return RF_ENOMEM;
    edge->from = from;
    edge->to = to;
    if (rfi_node_actor(from) != NULL) {
        const rf_component *component = rfi_node_actor(from)->component;
        edge->from_port = from_port;
        edge->from_number =
            (uint32_t)rfi_port_find(component->outports, component->outport_count, from_port);
    }
    if (rfi_node_actor(to) != NULL) {
        const rf_component *component = rfi_node_actor(to)->component;
        edge->to_port = to_port;
        edge->to_number =
            (uint32_t)rfi_port_find(component->inports, component->inport_count, to_port);
        edge->target = &rfi_node_actor(to)->box;
    } else {
        struct rfi_outlet *outlet = rfi_proxy_of(to)->outlet;
        edge->to_number = rfi_outlet_route_locked(outlet, rfi_node_id(from), to_port);
        edge->target = &outlet->box;
    }
    if (edge->to_number == UINT32_MAX) {
        free(edge);
        return RF_ENOMEM;
    }
    *out = edge;
    return RF_OK;
}

/* Has the proxy a connector from this port? */
static bool has_port(const struct rfi_node *proxy, const char *port)
{
    for (const struct rfi_edge *edge = proxy->out_first; edge != NULL; edge = edge->out_next)
        if (strcmp(edge->from_port, port) == 0)
            return true;
    return false;
}

static rf_err connect_locked(rf_network *net, struct rfi_node *from, struct rfi_node *to,
                             const char *from_port, const char *to_port)
{
    struct rfi_proxy *proxy = rfi_proxy_of(from);
    struct rfi_notice *notice = NULL;
    struct rfi_edge *edge = NULL;
    if (find_edge(from, to, from_port, to_port) != NULL)
        return RF_EEXISTS;
    if (proxy != NULL && !has_port(from, from_port)) {
        notice = rfi_notice_new(from_port);
        if (notice == NULL)
            return RF_ENOMEM;
    }
    rf_err err = make_edge(from, to, from_port, to_port, &edge);
    if (err == RF_OK) {
        link_edge(net, edge);
        rfi_cycles_edge_added(net, from, to);
        err = publish_locked(from);
        if (err != RF_OK) {
            /* Nodes that were marked as a loop stay so: they only mute later than they could. */
            unlink_edge(net, edge);
            free_edge(edge);
        }
        publish_dirty_locked(net);
    }
    if (err != RF_OK) {
        free(notice);
        return err;
    }
    if (notice != NULL) {
        notice->what = RFI_NOTICE_SUBSCRIBE;
        rfi_proxy_notify_locked(proxy, notice);
    }
    return RF_OK;
}

rf_err rf_network_add_connection(rf_network *net, const char *from_actor, const char *from_port,
                                 const char *to_actor, const char *to_port, rf_diag *out_diag)
{
    pthread_mutex_lock(&net->lock);
    struct rfi_node *from = rfi_node_find_locked(net, from_actor);
    struct rfi_node *to = rfi_node_find_locked(net, to_actor);
    rf_err err;
    if (from == NULL || to == NULL) {
        err = rfi_node_unknown_locked(net, from == NULL ? from_actor : to_actor, out_diag);
    } else {
        err = resolve_ports(from, to, &from_port, &to_port, out_diag);
        if (err == RF_OK)
            err = connect_locked(net, from, to, from_port, to_port);
    }
    if (err == RF_EEXISTS)
        (void)rfi_diag_set(out_diag, err, "%s.%s is connected to %s.%s already", from_actor,
                           from_port, to_actor, to_port);
    bool has_notices = net->noticed != NULL;
    pthread_mutex_unlock(&net->lock);
    if (has_notices)
        rfi_network_pump(net);
    return err;
}

rf_err rf_network_remove_connection(rf_network *net, const char *from_actor, const char *from_port,
                                    const char *to_actor, const char *to_port)
{
    pthread_mutex_lock(&net->lock);
    struct rfi_node *from = rfi_node_find_locked(net, from_actor);
    struct rfi_node *to = rfi_node_find_locked(net, to_actor);
    struct rfi_edge *edge = NULL;
    if (from != NULL && to != NULL && resolve_ports(from, to, &from_port, &to_port, NULL) == RF_OK)
        edge = find_edge(from, to, from_port, to_port);
    if (edge != NULL)
        rfi_edge_remove_locked(net, edge);
    bool has_notices = net->noticed != NULL;
    pthread_mutex_unlock(&net->lock);
    if (has_notices)
        rfi_network_pump(net);
    return edge == NULL ? RF_ENOENT : RF_OK;
}

rf_err rfi_edge_tap_locked(rf_network *net, struct rfi_node *from, uint32_t outport,
                           struct rfi_outlet *outlet)
{
    const char *name = rfi_node_actor(from)->component->outports[outport].name;
    struct rfi_edge *edge = new_edge("", "");
    if (edge == NULL)
        return RF_ENOMEM;
    edge->from = from;
    edge->from_port = edge->to_port = name;
    edge->from_number = outport;
    edge->tap = outlet;
    edge->target = &outlet->box;
    edge->to_number = rfi_outlet_route_locked(outlet, rfi_node_id(from), name);
    if (edge->to_number == UINT32_MAX) {
        free(edge);
        return RF_ENOMEM;
    }
    outlet->tap = edge;
    link_edge(net, edge);
    rf_err err = publish_locked(from);
    if (err != RF_OK) {
        unlink_edge(net, edge);
        free_edge(edge);
    }
    return err;
}

/* ---- taking away ---- */

/* The last connector of a proxy's port is gone. Without memory for the notice the bridge goes on
 * receiving what nobody takes, which rfi_proxy_emit tells it by its result. */
static void note_unwanted(struct rfi_node *from, const char *port)
{
    struct rfi_proxy *proxy = rfi_proxy_of(from);
    if (proxy == NULL || has_port(from, port))
        return;
    struct rfi_notice *notice = rfi_notice_new(port);
    if (notice == NULL)
        return;
    notice->what = RFI_NOTICE_UNSUBSCRIBE;
    rfi_proxy_notify_locked(proxy, notice);
}

void rfi_edge_remove_locked(rf_network *net, struct rfi_edge *edge)
{
    struct rfi_node *from = edge->from;
    uint32_t loop_id = rfi_edge_is_loop(edge) ? from->loop_id : 0;
    unlink_edge(net, edge);
    if (loop_id != 0) {
        edge->to->walk_next = NULL;
        rfi_cycles_edges_removed(net, edge->to, loop_id);
    }
    /* Without memory for a smaller table the old one stays in use: the connector is cut when the next change
     * finds memory. */
    (void)publish_locked(from);
    publish_dirty_locked(net);
    rfi_mailbox_wake_waiters(edge->target); /* after the publication: see park in actor.c */
    note_unwanted(from, edge->from_port);
    free_edge(edge);
}

void rfi_node_cut_locked(rf_network *net, struct rfi_node *node)
{
    uint32_t loop_id = node->loop_id;
    struct rfi_node *starts = NULL;
    net->walk_mark++;
    node->loop_id = 0;
    while (node->out_first != NULL) {
        struct rfi_edge *edge = node->out_first;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinking moved out_first on before the free */
        unlink_edge(net, edge);
        if (loop_id != 0 && edge->to != NULL && edge->to != node && edge->to->loop_id == loop_id &&
            edge->to->walk_mark != net->walk_mark) {
            edge->to->walk_mark = net->walk_mark; /* once in the list */
            edge->to->walk_next = starts;
            starts = edge->to;
        }
        rfi_mailbox_wake_waiters(edge->target); /* the node may be muted by it */
        free_edge(edge);
    }
    /* The in-edges of a fan-in come from many nodes, each of which gets a new table. */
    struct rfi_edge *in = node->in_first;
    struct rfi_edge *cut = NULL;
    while (in != NULL) {
        struct rfi_edge *next = in->in_next;
        unlink_edge(net, in);
        in->in_next = cut;
        cut = in;
        in = next;
    }
    if (loop_id != 0)
        rfi_cycles_edges_removed(net, starts, loop_id);
    while (cut != NULL) {
        struct rfi_edge *next = cut->in_next;
        (void)publish_locked(cut->from); /* on failure: refused by the closed mailbox */
        note_unwanted(cut->from, cut->from_port);
        free_edge(cut);
        cut = next;
    }
    publish_dirty_locked(net);
}

/* ---- tables ---- */

static rf_err publish_locked(struct rfi_node *node)
{
    struct rfi_actor *actor = rfi_node_actor(node);
    if (actor == NULL)
        return rfi_proxy_publish_locked(rfi_proxy_of(node));
    /* After the stop nobody takes a table up, and in a loop the wires of one would hold each other. */
    if (((const rf_network *)actor->runtime->user)->life == RFI_LIFE_STOPPED)
        return RF_OK;
    uint32_t ports = (uint32_t)actor->component->outport_count;
    uint32_t count = 0;
    for (struct rfi_edge *edge = node->out_first; edge != NULL; edge = edge->out_next)
        count++;
    struct rfi_outs *outs = rfi_outs_new(ports, count);
    if (outs == NULL)
        return RF_ENOMEM;
    for (struct rfi_edge *edge = node->out_first; edge != NULL; edge = edge->out_next)
        outs->ports[edge->from_number].count++;
    for (uint32_t i = 1; i < ports; i++)
        outs->ports[i].first = outs->ports[i - 1].first + outs->ports[i - 1].count;
    for (uint32_t i = 0; i < ports; i++)
        outs->ports[i].count = 0;
    for (struct rfi_edge *edge = node->out_first; edge != NULL; edge = edge->out_next) {
        struct rfi_out_range *range = &outs->ports[edge->from_number];
        rfi_mailbox_ref(edge->target);
        outs->wires[range->first + range->count++] = (struct rfi_wire){
            .target = edge->target, .port = edge->to_number, .is_loop = rfi_edge_is_loop(edge)};
    }
    rfi_actor_publish_outs(actor, outs);
    return RF_OK;
}

/* Nodes that came into a loop or out of one. */
static void publish_dirty_locked(rf_network *net)
{
    while (net->dirty != NULL) {
        struct rfi_node *node = net->dirty;
        net->dirty = node->walk_next;
        (void)publish_locked(node); /* on failure the old marks stay: safe, see connect_locked */
    }
}
