/* SPDX-License-Identifier: MIT */
/* Taps: feeds of what local actors emit, for peers that subscribed. A subscription may name an actor that does not
 * exist yet, or that is removed and made anew: each second the shard looks, and opens what can be opened. So a
 * new actor is heard within a second of its making.
 *
 * While its peer is down a tap holds messages back, and mutes the actor when it is full. A subscriber that stays away
 * for three heartbeat intervals and two of the longest waits between tries is given up (rfi_peer_tick) and what was held is
 * counted as dead: else one lost peer would stop a local actor for ever. Proxies and direct sends wait without end: there the producer asked
 * for delivery. */
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <string.h>

enum { TAP_LOOK_MS = 1000 };

static struct rfi_feed *find_tap(struct rfi_peer *peer, const char *actor, const char *port)
{
    struct rfi_feed *feed = peer->feeds;
    while (feed != NULL && (feed->kind != RFI_FEED_TAP || strcmp(feed->actor, actor) != 0 ||
                            strcmp(feed->port, port) != 0))
        feed = feed->next;
    return feed;
}

static void open_tap(struct rfi_feed *feed)
{
    struct rfi_peer *peer = feed->peer;
    rf_err err = rfi_outlet_tap(peer->bridge->net, feed->actor, feed->port, &rfi_feed_outlet_ops,
                                feed, 0, &feed->outlet);
    if (err == RF_OK)
        return;
    feed->outlet = NULL;
    rf_log(RF_LOG_DEBUG, "NET-TAP-WAITS", "network=%s actor=%s port=%s reason=\"%s\"", peer->id,
           feed->actor, feed->port, rf_err_text(err));
}

void rfi_feed_tap(struct rfi_peer *peer, const char *actor, const char *port)
{
    if (find_tap(peer, actor, port) != NULL)
        return;
    size_t count = 0;
    for (const struct rfi_feed *feed = peer->feeds; feed != NULL; feed = feed->next)
        count += feed->kind == RFI_FEED_TAP;
    struct rfi_feed *feed = NULL;
    struct rfi_peer *held = NULL;
    if (count < peer->bridge->config->flows_max &&
        rfi_peer_acquire(peer->bridge, peer->id, &held) == RF_OK)
        feed = rfi_feed_new(held, RFI_FEED_TAP, actor, port);
    if (feed == NULL) {
        if (held != NULL)
            rfi_peer_release(held);
        rf_log(RF_LOG_WARN, "NET-TAP-REFUSED", "network=%s actor=%s port=%s", peer->id, actor,
               port);
        return;
    }
    rfi_feed_attach(feed);
    open_tap(feed);
    peer->has_taps = true;
    peer->tap_look_ns = peer->shard->now_ns + TAP_LOOK_MS * RFI_NS_PER_MS;
    rfi_peer_due_at(peer, peer->tap_look_ns);
}

void rfi_feed_untap(struct rfi_peer *peer, const char *actor, const char *port)
{
    struct rfi_feed *feed = find_tap(peer, actor, port);
    if (feed != NULL)
        rfi_feed_end(feed, RFI_DEAD_CANCELLED);
}

void rfi_feeds_look_at_taps(struct rfi_peer *peer)
{
    peer->has_taps = false;
    peer->tap_look_ns = peer->shard->now_ns + TAP_LOOK_MS * RFI_NS_PER_MS;
    for (struct rfi_feed *feed = peer->feeds; feed != NULL; feed = feed->next) {
        if (feed->kind != RFI_FEED_TAP)
            continue;
        peer->has_taps = true;
        if (feed->outlet != NULL && !rfi_outlet_has_actor(feed->outlet))
            rfi_feed_lose_outlet(feed);
        if (feed->outlet == NULL)
            open_tap(feed);
    }
}

void rfi_feeds_drop_taps(struct rfi_peer *peer, enum rfi_dead_reason reason)
{
    struct rfi_feed *next = NULL;
    for (struct rfi_feed *feed = peer->feeds; feed != NULL; feed = next) {
        next = feed->next;
        if (feed->kind == RFI_FEED_TAP)
            rfi_feed_end(feed, reason);
    }
    peer->has_taps = false;
}
