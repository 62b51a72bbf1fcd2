/* SPDX-License-Identifier: MIT */
/* What core asks of the bridge (rfi_bridge_ops): proxy nodes, and sends to "actor@network" without a node. The calls
 * come from any thread; what concerns a peer is posted to its shard, in the order of the calls.
 *
 * A direct send needs a feed of (network, actor), made at the first send under peers_mutex and kept until the
 * bridge goes; their number is bounded. Everything that can fail is done before the feed is shown. */
#include "core/base/diag.h"
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEED_OF(pointer, member)                                                                   \
    ((struct rfi_feed *)(void *)((char *)(pointer)-offsetof(struct rfi_feed, member)))

/* ---- direct sends ---- */

static void handle_attach(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct rfi_feed *feed = FEED_OF(item, attach_item);
    /* A callback that runs in the place of the shard's thread closes its proxy at once, before this is taken up. */
    if (feed->is_closed)
        return;
    rfi_feed_attach(feed);
    rfi_feed_set_ready(feed);
    rfi_peer_touch(feed->peer);
}

static rf_err make_direct(struct rfi_bridge *bridge, const char *actor, const char *network,
                          struct rfi_feed **out)
{
    struct rfi_peer *peer = NULL;
    struct rfi_feed *feed = NULL, *other = NULL;
    rf_err err = rfi_peer_acquire(bridge, network, &peer);
    if (err == RF_OK) {
        feed = rfi_feed_new(peer, RFI_FEED_DIRECT, actor, "");
        err = feed != NULL
                  ? rfi_outlet_new(bridge->net, &rfi_feed_outlet_ops, feed, 0, &feed->outlet)
                  : RF_ENOMEM;
    }
    (void)pthread_mutex_lock(&bridge->peers_mutex);
    if (err == RF_OK && peer->directs == NULL) {
        peer->directs = rfi_map_new();
        if (peer->directs == NULL)
            err = RF_ENOMEM;
    }
    if (err == RF_OK) {
        other = rfi_map_get(peer->directs, actor);
        if (other == NULL)
            err = rfi_map_add(peer->directs, actor, feed);
    }
    bool is_made = err == RF_OK && other == NULL;
    if (!is_made)
        bridge->direct_count--;
    if (!is_made && peer != NULL)
        peer->holds--;
    (void)pthread_mutex_unlock(&bridge->peers_mutex);
    if (is_made) {
        feed->attach_item.handle = handle_attach;
        if (!rfi_shard_post(peer->shard, &feed->attach_item.node))
            rfi_outlet_close(feed->outlet);
        rfi_peer_want(peer, true);
        *out = feed;
        return RF_OK;
    }
    if (feed != NULL && feed->outlet != NULL)
        rfi_outlet_close(feed->outlet);
    if (feed != NULL)
        rfi_feed_free(feed);
    if (err == RF_OK)
        *out = other;
    return err;
}

/* The feed of (network, actor), made at first use. The peer is held by the feed for good. */
static rf_err find_direct(struct rfi_bridge *bridge, const char *actor, const char *network,
                          struct rfi_feed **out)
{
    struct rfi_peer *peer = NULL;
    struct rfi_feed *feed = NULL;
    (void)pthread_mutex_lock(&bridge->peers_mutex);
    peer = rfi_map_get(bridge->peers, network);
    if (peer != NULL && peer->directs != NULL)
        feed = rfi_map_get(peer->directs, actor);
    bool is_full = feed == NULL && bridge->direct_count >= RFI_DIRECT_FEEDS_MAX;
    if (feed == NULL && !is_full)
        bridge->direct_count++; /* reserved */
    (void)pthread_mutex_unlock(&bridge->peers_mutex);
    if (feed != NULL) {
        *out = feed;
        return RF_OK;
    }
    if (is_full)
        return RF_EFULL;
    return make_direct(bridge, actor, network, out);
}

rf_err rfi_feed_direct_push(struct rfi_bridge *bridge, const char *actor, const char *network,
                            const char *port, rf_message *msg, rf_reply *reply)
{
    if (!rfi_name_is_valid(network, strlen(network)) || !rfi_name_is_valid(actor, strlen(actor)) ||
        !rfi_name_is_valid(port, strlen(port)) || strcmp(network, bridge->config->network_id) == 0)
        return RF_EINVAL;
    struct rfi_feed *feed = NULL;
    rf_err err = find_direct(bridge, actor, network, &feed);
    if (err == RF_ELIMIT)
        err = RF_EFULL;
    if (err != RF_OK)
        return err;
    uint32_t number = rfi_outlet_port(feed->outlet, port);
    if (number == UINT32_MAX)
        return RF_ENOMEM;
    return rfi_outlet_push(feed->outlet, number, msg, reply);
}

/* ---- proxies: the calls of core ---- */

struct subscribe_item {
    struct rfi_item item;
    struct rfi_feed *feed;
    bool is_wanted;
    char port[RFI_NAME_SIZE];
};

static rf_err on_open(void *user, struct rfi_proxy *proxy, struct rfi_outlet *outlet,
                      const char *actor, const char *network, void **out_handle)
{
    struct rfi_bridge *bridge = user;
    if (!rfi_name_is_valid(network, strlen(network)) || !rfi_name_is_valid(actor, strlen(actor)) ||
        strcmp(network, bridge->config->network_id) == 0)
        return RF_EINVAL;
    struct rfi_peer *peer = NULL;
    rf_err err = rfi_peer_acquire(bridge, network, &peer);
    if (err != RF_OK)
        return err;
    struct rfi_feed *feed = rfi_feed_new(peer, RFI_FEED_PROXY, actor, "");
    if (feed != NULL) {
        feed->proxy = proxy;
        feed->outlet = rfi_outlet_ref(outlet);
        feed->attach_item.handle = handle_attach;
    }
    if (feed == NULL || !rfi_shard_post(peer->shard, &feed->attach_item.node)) {
        (void)pthread_mutex_lock(&bridge->peers_mutex);
        peer->holds--;
        (void)pthread_mutex_unlock(&bridge->peers_mutex);
        if (feed == NULL)
            return RF_ENOMEM;
        rfi_feed_free(feed);
        return RF_ECLOSED;
    }
    rfi_peer_want(peer, true);
    *out_handle = feed;
    return RF_OK;
}

static bool is_wanted_by_another(const struct rfi_feed *feed, const char *port)
{
    for (const struct rfi_feed *other = feed->peer->feeds; other != NULL; other = other->next) {
        if (other == feed || other->kind != RFI_FEED_PROXY ||
            strcmp(other->actor, feed->actor) != 0)
            continue;
        for (const struct rfi_feed_port *at = other->wanted; at != NULL; at = at->next)
            if (strcmp(at->name, port) == 0)
                return true;
    }
    return false;
}

static void tell_link(struct rfi_feed *feed, const char *port, bool is_wanted)
{
    struct rfi_peer *peer = feed->peer;
    if (is_wanted_by_another(feed, port))
        return;
    rf_err err = rfi_link_subscribe(peer->link, feed->actor, port, is_wanted);
    if (err != RF_OK)
        rf_log(RF_LOG_ERROR, "NET-SUBSCRIBE-FAILED", "network=%s actor=%s port=%s reason=\"%s\"",
               peer->id, feed->actor, port, rf_err_text(err));
    if (is_wanted)
        rfi_feeds_warn_rust(peer);
    rfi_peer_touch(peer);
}

static void handle_subscribe(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct subscribe_item *subscribe = (struct subscribe_item *)item;
    struct rfi_feed *feed = subscribe->feed;
    struct rfi_feed_port **at = &feed->wanted;
    while (*at != NULL && strcmp((*at)->name, subscribe->port) != 0)
        at = &(*at)->next;
    if (subscribe->is_wanted && *at == NULL && !feed->is_closed) {
        struct rfi_feed_port *port = calloc(1, sizeof *port);
        if (port != NULL) {
            (void)snprintf(port->name, sizeof port->name, "%s", subscribe->port);
            *at = port;
            tell_link(feed, port->name, true);
        }
    } else if (!subscribe->is_wanted && *at != NULL) {
        struct rfi_feed_port *port = *at;
        *at = port->next;
        if (!feed->is_closed)
            tell_link(feed, port->name, false);
        free(port);
    }
    free(subscribe);
}

static void on_subscribe(void *user, void *handle, const char *port, bool is_wanted)
{
    (void)user;
    struct rfi_feed *feed = handle;
    struct subscribe_item *subscribe = calloc(1, sizeof *subscribe);
    if (subscribe == NULL) {
        rf_log(RF_LOG_ERROR, "NET-SUBSCRIBE-FAILED", "network=%s actor=%s port=%s reason=\"%s\"",
               feed->peer->id, feed->actor, port, rf_err_text(RF_ENOMEM));
        return;
    }
    subscribe->item.handle = handle_subscribe;
    subscribe->feed = feed;
    subscribe->is_wanted = is_wanted;
    (void)snprintf(subscribe->port, sizeof subscribe->port, "%s", port);
    if (!rfi_shard_post(feed->peer->shard, &subscribe->item.node))
        free(subscribe);
}

static void close_proxy(struct rfi_shard *shard, void *arg)
{
    (void)shard;
    struct rfi_feed *feed = arg;
    while (feed->wanted != NULL) {
        struct rfi_feed_port *port = feed->wanted;
        feed->wanted = port->next;
        if (!feed->is_closed)
            tell_link(feed, port->name, false);
        free(port);
    }
    feed->proxy = NULL;
    rfi_feed_end(feed, RFI_DEAD_CANCELLED);
}

/* Waits for the shard: core frees the proxy when this returns. */
static void on_close(void *user, void *handle)
{
    (void)user;
    struct rfi_feed *feed = handle;
    struct rfi_shard *shard = feed->peer->shard;
    rfi_peer_want(feed->peer, false);
    rfi_shard_call(shard, close_proxy, feed);
}

static void on_wake(void *user, void *handle)
{
    (void)user;
    rfi_feed_wake(handle);
}

static rf_err on_send(void *user, const char *actor, const char *network, const char *port,
                      rf_message *msg, rf_reply *reply)
{
    return rfi_feed_direct_push(user, actor, network, port, msg, reply);
}

const struct rfi_bridge_ops rfi_bridge_core_ops = {
    .open = on_open,
    .subscribe = on_subscribe,
    .close = on_close,
    .wake = on_wake,
    .send = on_send,
};

void rfi_feeds_warn_rust(struct rfi_peer *peer)
{
    if (peer->session == NULL || peer->session->is_native || peer->is_tap_refusal_logged)
        return;
    for (const struct rfi_feed *feed = peer->feeds; feed != NULL; feed = feed->next)
        if (feed->wanted != NULL) {
            peer->is_tap_refusal_logged = true;
            rf_log(RF_LOG_WARN, "NET-NO-SUBSCRIPTIONS",
                   "network=%s actor=%s reason=\"a peer of the Rust wire sends nothing back "
                   "through a proxy's out-ports\"",
                   peer->id, feed->actor);
            return;
        }
}
