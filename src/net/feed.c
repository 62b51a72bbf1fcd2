/* SPDX-License-Identifier: MIT */
/* Feeds: the mailboxes of the local network that a routing shard empties towards a peer. Three kinds: of a proxy node
 * and of direct sends to one remote actor (proxy.c), and taps of a local actor's out-port that the peer
 * subscribed (tap.c).
 *
 * A feed is served only while its peer has a session with room. So a lost link or a slow peer leaves messages in
 * the outlet, whose bound mutes the local producers. One message at most is popped ahead (`held`): the room is asked
 * per flow, and the flow is known once the message is. A feed that is blocked waits for on_room and holds back no
 * other feed.
 *
 * NOTE feed-end. Core promises no wake once the outlet is closed and pop said false; a wake that came just before may
 * still be in the inbox. So the memory goes by an item of its own that is posted afterwards. */
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEED_TURN = 64,
    FEED_TURN_BYTES = 64 * 1024, /* ends a turn, too: a feed of large messages is no better off */
    PEER_TURN = 1024,
    PEER_TURN_BYTES = 256 * 1024, /* then what was taken goes to the connection first */
    FEED_FLOWS_MAX = 4096
};

#define FEED_OF(pointer, member)                                                                   \
    ((struct rfi_feed *)(void *)((char *)(pointer)-offsetof(struct rfi_feed, member)))

/* ---- wake-ups: any thread ---- */

/* The shard also looks at outlets without a wake-up, when a session comes up. So it can find an outlet empty
 * while the wake-up of what it just took is still in its inbox, and a second one comes. */
void rfi_feed_wake(void *user)
{
    struct rfi_feed *feed = user;
    /* [FE1] acq_rel: the item is out of the inbox when false is found; pairs with handle_wake. When
     * true is found, handle_wake comes after this and sees the message. */
    if (!atomic_exchange_explicit(&feed->is_wake_posted, true, memory_order_acq_rel))
        (void)rfi_shard_post(feed->peer->shard, &feed->wake_item.node);
}

const struct rfi_outlet_ops rfi_feed_outlet_ops = {.wake = rfi_feed_wake};

static void handle_wake(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct rfi_feed *feed = FEED_OF(item, wake_item);
    /* [FE1] acq_rel exchange: before the outlet is looked at. */
    (void)atomic_exchange_explicit(&feed->is_wake_posted, false, memory_order_acq_rel);
    if (feed->is_closed)
        return;
    rfi_feed_set_ready(feed);
    rfi_peer_touch(feed->peer);
}

/* ---- life ---- */

static void free_flows(struct rfi_feed *feed)
{
    struct rfi_map_entry *entry = NULL;
    while (feed->flows != NULL && (entry = rfi_map_next(feed->flows, entry)) != NULL)
        free(rfi_map_value(entry));
    rfi_map_free(feed->flows);
    feed->flows = NULL;
    feed->last_flow = NULL;
}

void rfi_feed_free(struct rfi_feed *feed)
{
    free_flows(feed);
    while (feed->wanted != NULL) {
        struct rfi_feed_port *port = feed->wanted;
        feed->wanted = port->next;
        free(port);
    }
    rfi_outlet_unref(feed->outlet);
    free(feed);
}

static void handle_free(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct rfi_feed *feed = FEED_OF(item, free_item);
    struct rfi_peer *peer = feed->peer;
    rfi_feed_free(feed);
    rfi_peer_release(peer);
}

struct rfi_feed *rfi_feed_new(struct rfi_peer *peer, enum rfi_feed_kind kind, const char *actor,
                              const char *port)
{
    struct rfi_feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL)
        return NULL;
    feed->wake_item.handle = handle_wake;
    feed->free_item.handle = handle_free;
    atomic_init(&feed->is_wake_posted, false);
    feed->peer = peer;
    feed->kind = kind;
    (void)snprintf(feed->actor, sizeof feed->actor, "%s", actor);
    (void)snprintf(feed->port, sizeof feed->port, "%s", port);
    return feed;
}

void rfi_feed_attach(struct rfi_feed *feed)
{
    struct rfi_peer *peer = feed->peer;
    rfi_peer_list(peer);
    feed->next = peer->feeds;
    if (feed->next != NULL)
        feed->next->prev = feed;
    peer->feeds = feed;
    feed->is_attached = true;
}

static void detach(struct rfi_feed *feed)
{
    struct rfi_peer *peer = feed->peer;
    if (!feed->is_attached)
        return;
    if (feed->prev != NULL)
        feed->prev->next = feed->next;
    else
        peer->feeds = feed->next;
    if (feed->next != NULL)
        feed->next->prev = feed->prev;
    feed->prev = feed->next = NULL;
    feed->is_attached = false;
    if (!feed->is_ready)
        return;
    struct rfi_feed **at = &peer->ready;
    while (*at != feed)
        at = &(*at)->next_ready;
    *at = feed->next_ready;
    if (peer->ready_end == &feed->next_ready)
        peer->ready_end = at;
    feed->is_ready = false;
}

static void close_flows(struct rfi_feed *feed)
{
    struct rfi_map_entry *entry = NULL;
    while (feed->flows != NULL && (entry = rfi_map_next(feed->flows, entry)) != NULL) {
        struct rfi_feed_flow *flow = rfi_map_value(entry);
        rfi_link_close_flow(feed->peer->link, flow->outflow);
    }
    free_flows(feed);
}

static void drop_item(struct rfi_outlet_item *item)
{
    if (item->reply != NULL)
        rfi_reply_fail(item->reply, RF_ECLOSED);
    rf_message_unref(item->msg);
    *item = (struct rfi_outlet_item){.msg = NULL};
}

/* Close the outlet; what it still has is counted under `reason`. The shard. */
static void feed_close(struct rfi_feed *feed, enum rfi_dead_reason reason)
{
    if (feed->is_closed)
        return;
    struct rfi_peer *peer = feed->peer;
    feed->is_closed = true;
    detach(feed);
    if (peer->session != NULL)
        rfi_rust_forget(peer->session, feed);
    uint64_t count = 0;
    if (feed->has_held) {
        drop_item(&feed->held);
        feed->has_held = false;
        count++;
    }
    if (feed->outlet != NULL) {
        rfi_outlet_close(feed->outlet);
        struct rfi_outlet_item item;
        while (rfi_outlet_pop(feed->outlet, &item)) {
            drop_item(&item);
            count++;
        }
    }
    close_flows(feed);
    if (count == 0)
        return;
    rfi_dead_letters_add(&peer->bridge->dead_letters, reason, count, peer->id, feed->actor,
                         feed->port[0] != '\0' ? feed->port : NULL);
    rfi_network_count_dropped(peer->bridge->net, count);
}

void rfi_feed_lose_outlet(struct rfi_feed *feed)
{
    struct rfi_outlet_item item;
    if (feed->has_held || rfi_outlet_depth(feed->outlet) > 0)
        return; /* what the actor said before it went still goes out */
    rfi_outlet_close(feed->outlet);
    while (rfi_outlet_pop(feed->outlet, &item))
        drop_item(&item);
    rfi_outlet_unref(feed->outlet);
    feed->outlet = NULL;
}

void rfi_feed_end(struct rfi_feed *feed, enum rfi_dead_reason reason)
{
    struct rfi_shard *shard = feed->peer->shard;
    feed_close(feed, reason);
    if (!rfi_shard_post(shard, &feed->free_item.node))
        handle_free(shard, &feed->free_item);
}

/* ---- serving ---- */

void rfi_feed_set_ready(struct rfi_feed *feed)
{
    struct rfi_peer *peer = feed->peer;
    if (feed->is_ready || feed->is_closed || !feed->is_attached || feed->outlet == NULL)
        return;
    feed->is_ready = true;
    feed->next_ready = NULL;
    *peer->ready_end = feed;
    peer->ready_end = &feed->next_ready;
}

void rfi_feeds_set_all_ready(struct rfi_peer *peer)
{
    for (struct rfi_feed *feed = peer->feeds; feed != NULL; feed = feed->next)
        rfi_feed_set_ready(feed);
}

static struct rfi_feed_flow *open_flow(struct rfi_feed *feed, const char *source, uint32_t port)
{
    struct rfi_peer *peer = feed->peer;
    const char *port_name =
        feed->kind == RFI_FEED_TAP ? feed->port : rfi_outlet_port_name(feed->outlet, port);
    struct rfi_feed_flow *flow = calloc(1, sizeof *flow);
    if (flow == NULL || port_name == NULL) {
        free(flow);
        return NULL;
    }
    flow->feed = feed;
    flow->source = source;
    flow->port = port;
    bool is_emit = feed->kind == RFI_FEED_TAP;
    flow->outflow =
        rfi_link_open_flow(peer->link, is_emit ? RFI_FLOW_EMIT : RFI_FLOW_SEND,
                           source != NULL && !is_emit ? source : "", feed->actor, port_name, flow);
    if (flow->outflow == NULL) {
        free(flow);
        return NULL;
    }
    return flow;
}

static struct rfi_feed_flow *find_flow(struct rfi_feed *feed, const struct rfi_outlet_item *item)
{
    const char *source = feed->kind == RFI_FEED_TAP ? NULL : item->source_actor;
    struct rfi_feed_flow *flow = feed->last_flow;
    feed->last_route = item->route;
    if (flow != NULL && flow->source == source && flow->port == item->port)
        return flow;
    uint8_t key[sizeof source + sizeof item->port];
    memcpy(key, &source, sizeof source);
    memcpy(key + sizeof source, &item->port, sizeof item->port);
    if (feed->flows != NULL && rfi_map_count(feed->flows) >= FEED_FLOWS_MAX)
        close_flows(feed); /* what is under way stays so; the names are sent anew */
    if (feed->flows == NULL)
        feed->flows = rfi_map_new();
    if (feed->flows == NULL)
        return NULL;
    flow = rfi_map_get_bytes(feed->flows, key, sizeof key);
    if (flow == NULL) {
        flow = open_flow(feed, source, item->port);
        if (flow == NULL)
            return NULL;
        if (rfi_map_add_bytes(feed->flows, key, sizeof key, flow) != RF_OK) {
            rfi_link_close_flow(feed->peer->link, flow->outflow);
            free(flow);
            return NULL;
        }
    }
    feed->last_flow = flow;
    return flow;
}

enum served { SERVED, BLOCKED };

static void fail_item(struct rfi_feed *feed, struct rfi_outlet_item *item, rf_err err)
{
    struct rfi_peer *peer = feed->peer;
    rfi_dead_letters_add(&peer->bridge->dead_letters, rfi_dead_reason_of(err), 1, peer->id,
                         feed->actor, feed->port[0] != '\0' ? feed->port : NULL);
    rfi_network_count_dropped(peer->bridge->net, 1);
    if (item->reply != NULL)
        rfi_reply_fail(item->reply, err);
    rf_message_unref(item->msg);
    *item = (struct rfi_outlet_item){.msg = NULL};
}

/* The reply waits with the peer once the request is on its way. */
static rf_err send_request(struct rfi_peer *peer, struct rfi_feed_flow *flow,
                           struct rfi_outlet_item *item)
{
    if (!rfi_link_has_room(peer->link, flow->outflow, item->msg->size))
        return RF_EAGAIN;
    uint64_t request_id = rfi_native_add_reply(peer, item->reply);
    if (request_id == 0)
        return RF_ENOMEM;
    rf_err err = rfi_link_send(peer->link, flow->outflow, item->msg, request_id);
    if (err != RF_OK)
        item->reply = rfi_native_take_reply(peer, request_id);
    return err;
}

/* Takes the item unless BLOCKED. */
static enum served send_native(struct rfi_feed *feed, struct rfi_outlet_item *item)
{
    struct rfi_peer *peer = feed->peer;
    struct rfi_feed_flow *flow = find_flow(feed, item);
    if (flow == NULL) {
        fail_item(feed, item, RF_ENOMEM);
        return SERVED;
    }
    rf_err err = item->reply != NULL
                     ? send_request(peer, flow, item)
                     : rfi_link_send_when_room(peer->link, flow->outflow, item->msg);
    if (err == RF_EAGAIN)
        return BLOCKED;
    if (err == RF_OK)
        feed->sent++;
    else
        fail_item(feed, item, err);
    return SERVED;
}

/* Small messages that go where the one before went pass as a run. Returns how many did. */
static size_t send_run(struct rfi_feed *feed, size_t most, size_t *bytes)
{
    const struct rfi_feed_flow *flow = feed->last_flow;
    struct rfi_link *link = feed->peer->link;
    rf_message *messages[FEED_TURN];
    size_t size_max = 0;
    size_t run_bytes = 0;
    if (flow == NULL || feed->has_held)
        return 0;
    most = rfi_link_run_room(link, flow->outflow, most, &run_bytes, &size_max);
    if (most == 0)
        return 0;
    size_t count =
        rfi_outlet_pop_run(feed->outlet, feed->last_route, size_max, messages, most, &run_bytes);
    if (count == 0)
        return 0;
    rfi_link_send_run(link, flow->outflow, messages, count);
    feed->sent += count;
    *bytes += run_bytes;
    return count;
}

/* Serve one feed for its turn; adds up the bytes. True: it has more. */
static bool serve(struct rfi_feed *feed, size_t *bytes)
{
    size_t end = *bytes + FEED_TURN_BYTES;
    struct rfi_session *session = feed->peer->session;
    if (feed->outlet == NULL)
        return false; /* a tap that lost its actor */
    if (!session->is_native && feed->kind != RFI_FEED_TAP)
        return rfi_rust_serve(session, feed, FEED_TURN);
    for (size_t i = 0; i < FEED_TURN && *bytes < end; i++) {
        if (session->is_native)
            i += send_run(feed, FEED_TURN - i, bytes);
        if (i == FEED_TURN)
            break;
        if (!feed->has_held && !rfi_outlet_pop(feed->outlet, &feed->held))
            return false;
        feed->has_held = true;
        size_t size = feed->held.msg->size;
        if (session->is_native) {
            if (send_native(feed, &feed->held) == BLOCKED)
                return false; /* on_room makes it ready */
        } else {
            drop_item(&feed->held); /* nobody on the Rust wire can have asked for a tap */
        }
        feed->has_held = false;
        *bytes += size;
    }
    return true;
}

static bool serve_ready(struct rfi_peer *peer)
{
    int turns = PEER_TURN / FEED_TURN;
    size_t bytes = 0;
    while (peer->ready != NULL && peer->session != NULL) {
        if (rfi_conn_unsent(peer->session->conn) >= RFI_UNSENT_HIGH_BYTES)
            return false; /* on_drain goes on */
        if (bytes >= PEER_TURN_BYTES)
            return true;
        if (turns-- == 0) {
            rfi_peer_touch(peer);
            return false;
        }
        struct rfi_feed *feed = peer->ready;
        peer->ready = feed->next_ready;
        if (peer->ready == NULL)
            peer->ready_end = &peer->ready;
        feed->is_ready = false;
        if (serve(feed, &bytes))
            rfi_feed_set_ready(feed);
    }
    return false;
}

bool rfi_feeds_serve(struct rfi_peer *peer)
{
    bool has_more = serve_ready(peer);
    if (peer->session != NULL && !peer->session->is_native)
        rfi_rust_flush(peer->session);
    return has_more;
}

bool rfi_feeds_are_idle(const struct rfi_peer *peer)
{
    for (const struct rfi_feed *feed = peer->feeds; feed != NULL; feed = feed->next)
        if (feed->has_held || (feed->outlet != NULL && rfi_outlet_depth(feed->outlet) > 0))
            return false;
    return true;
}

void rfi_feeds_shut(struct rfi_peer *peer)
{
    struct rfi_feed *next = NULL;
    for (struct rfi_feed *feed = peer->feeds; feed != NULL; feed = next) {
        next = feed->next;
        /* The memory of the others waits for core, or for the end of the table. */
        if (feed->kind == RFI_FEED_TAP)
            rfi_feed_end(feed, RFI_DEAD_CANCELLED);
        else
            feed_close(feed, RFI_DEAD_CANCELLED);
    }
}
