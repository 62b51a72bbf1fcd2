/* SPDX-License-Identifier: MIT */
/* The table of peers, by network_id, under peers_mutex. A peer is made at first need (a handshake, a proxy, a
 * direct send) and stays while somebody holds it or while it has something to remember: how far its
 * messages came. So a stranger who connects under a thousand names and sends nothing leaves nothing behind, and what
 * remains is bounded by peers_max. When the table fills up, peers that are down and hold nothing but that number
 * are forgotten, the latest comers first, so that a thousand names that sent one message each cannot shut out the next one.
 *
 * The lock is held for a look-up or a counter, never over a call out. Message paths do not take it: they reach
 * the peer through a session or a feed. */
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS_SPARE = 1024, FORGET_INTERVALS = 3 };

rf_err rfi_peers_init(struct rfi_bridge *bridge)
{
    bridge->peers = rfi_map_new();
    if (bridge->peers == NULL)
        return RF_ENOMEM;
    bridge->peers_max = (size_t)bridge->config->max_connections * 4 + PEERS_SPARE;
    return RF_OK;
}

void rfi_peer_set_text(char **text, const char *value)
{
    free(*text);
    *text = value[0] != '\0' ? strdup(value) : NULL;
}

static void free_directs(struct rfi_peer *peer)
{
    struct rfi_map_entry *entry = NULL;
    while (peer->directs != NULL && (entry = rfi_map_next(peer->directs, entry)) != NULL)
        rfi_feed_free(rfi_map_value(entry));
    rfi_map_free(peer->directs);
    peer->directs = NULL;
}

static void peer_free(struct rfi_peer *peer)
{
    free_directs(peer);
    rfi_map_free(peer->replies);
    rfi_dedup_fini(&peer->dedup);
    rfi_link_free(peer->link);
    free(peer->instance_id);
    free(peer->last_error);
    free(peer);
}

void rfi_peers_fini(struct rfi_bridge *bridge)
{
    struct rfi_map_entry *entry = NULL;
    while (bridge->peers != NULL && (entry = rfi_map_next(bridge->peers, entry)) != NULL)
        peer_free(rfi_map_value(entry));
    rfi_map_free(bridge->peers);
    bridge->peers = NULL;
}

static uint32_t shard_index(const struct rfi_bridge *bridge, const char *network_id)
{
    uint32_t hash = UINT32_C(2166136261);
    for (const char *at = network_id; *at != '\0'; at++)
        hash = (hash ^ (uint8_t)*at) * UINT32_C(16777619);
    return hash % bridge->shard_count;
}

static struct rfi_peer *peer_new(struct rfi_bridge *bridge, const char *network_id)
{
    size_t id_size = strlen(network_id) + 1;
    struct rfi_peer *peer = calloc(1, sizeof *peer + id_size);
    if (peer == NULL)
        return NULL;
    memcpy(peer->id, network_id, id_size);
    peer->bridge = bridge;
    peer->shard = bridge->shards[shard_index(bridge, network_id)];
    atomic_init(&peer->is_up, false);
    peer->ready_end = &peer->ready;
    peer->next_request_id = 1;
    rfi_dedup_init(&peer->dedup, ((uint64_t)rfi_random_u32() << 32) | rfi_random_u32());
    peer->replies = rfi_map_new();
    peer->link = rfi_native_link_new(peer);
    if (peer->replies == NULL || peer->link == NULL) {
        peer_free(peer);
        return NULL;
    }
    return peer;
}

static rf_err acquire_locked(struct rfi_bridge *bridge, const char *network_id,
                             struct rfi_peer **out)
{
    struct rfi_peer *peer = rfi_map_get(bridge->peers, network_id);
    if (peer == NULL) {
        if (rfi_map_count(bridge->peers) >= bridge->peers_max)
            return RF_ELIMIT;
        peer = peer_new(bridge, network_id);
        if (peer == NULL)
            return RF_ENOMEM;
        rf_err err = rfi_map_add(bridge->peers, network_id, peer);
        if (err != RF_OK) {
            peer_free(peer);
            return err;
        }
    }
    peer->holds++;
    *out = peer;
    return RF_OK;
}

rf_err rfi_peer_acquire(struct rfi_bridge *bridge, const char *network_id, struct rfi_peer **out)
{
    (void)pthread_mutex_lock(&bridge->peers_mutex);
    rf_err err = acquire_locked(bridge, network_id, out);
    (void)pthread_mutex_unlock(&bridge->peers_mutex);
    return err;
}

struct rfi_peer *rfi_peer_find(struct rfi_bridge *bridge, const char *network_id)
{
    (void)pthread_mutex_lock(&bridge->peers_mutex);
    struct rfi_peer *peer = rfi_map_get(bridge->peers, network_id);
    if (peer != NULL)
        peer->holds++;
    (void)pthread_mutex_unlock(&bridge->peers_mutex);
    return peer;
}

void rfi_peer_release(struct rfi_peer *peer)
{
    (void)pthread_mutex_lock(&peer->bridge->peers_mutex);
    bool is_last = --peer->holds == 0;
    (void)pthread_mutex_unlock(&peer->bridge->peers_mutex);
    if (is_last)
        rfi_peer_check(peer);
}

void rfi_peer_want(struct rfi_peer *peer, bool is_wanted)
{
    struct rfi_bridge *bridge = peer->bridge;
    (void)pthread_mutex_lock(&bridge->peers_mutex);
    bool is_edge = is_wanted ? peer->wants++ == 0 : --peer->wants == 0;
    (void)pthread_mutex_unlock(&bridge->peers_mutex);
    if (is_edge)
        rfi_control_want(bridge, peer->id, is_wanted);
}

/* ---- on the peer's shard ---- */

void rfi_peer_list(struct rfi_peer *peer)
{
    if (peer->is_listed)
        return;
    struct rfi_shard *shard = peer->shard;
    peer->is_listed = true;
    peer->next = shard->peers;
    if (shard->peers != NULL)
        shard->peers->prev = peer;
    shard->peers = peer;
}

void rfi_peer_touch(struct rfi_peer *peer)
{
    if (peer->is_dirty)
        return;
    peer->is_dirty = true;
    peer->next_dirty = peer->shard->dirty;
    peer->shard->dirty = peer;
}

void rfi_peer_due_at(struct rfi_peer *peer, uint64_t at_ns)
{
    if (at_ns != UINT64_MAX && (!peer->due.is_in || at_ns < peer->due.at))
        rfi_heap_set(&peer->shard->due, &peer->due, at_ns);
}

void rfi_peer_check(struct rfi_peer *peer)
{
    if (peer->is_unneeded)
        return;
    peer->is_unneeded = true;
    peer->next_unneeded = peer->shard->unneeded;
    peer->shard->unneeded = peer;
}

static bool is_idle(const struct rfi_peer *peer, const struct rfi_link_stats *stats)
{
    return !peer->is_dirty && peer->session == NULL && peer->claim == NULL && peer->feeds == NULL &&
           peer->pending_count == 0 && peer->discoveries == NULL &&
           rfi_map_count(peer->replies) == 0 && stats->unacknowledged_messages == 0;
}

static bool has_nothing_to_remember(const struct rfi_link_stats *stats)
{
    return stats->cursor_in == 0 && stats->cursor_out == 0 && stats->sent_messages == 0;
}

/* Three quarters full. */
static bool is_crowded_locked(const struct rfi_bridge *bridge)
{
    return rfi_map_count(bridge->peers) >= bridge->peers_max - bridge->peers_max / 4;
}

/* And this one had its time to come back. */
static bool must_forget_locked(const struct rfi_peer *peer)
{
    const struct rfi_bridge *bridge = peer->bridge;
    uint64_t patience_ns =
        FORGET_INTERVALS * (uint64_t)bridge->config->heartbeat_interval_ms * RFI_NS_PER_MS;
    return is_crowded_locked(bridge) && peer->shard->now_ns >= peer->down_ns + patience_ns;
}

static void unlist(struct rfi_peer *peer)
{
    if (peer->prev != NULL)
        peer->prev->next = peer->next;
    else
        peer->shard->peers = peer->next;
    if (peer->next != NULL)
        peer->next->prev = peer->prev;
    rfi_heap_remove(&peer->shard->due, &peer->due);
}

/* Free it, if nobody holds it and it has nothing to remember. */
static void forget(struct rfi_peer *peer)
{
    struct rfi_link_stats stats;
    rfi_link_get_stats(peer->link, &stats);
    if (!is_idle(peer, &stats))
        return;
    bool is_blank = has_nothing_to_remember(&stats);
    (void)pthread_mutex_lock(&peer->bridge->peers_mutex);
    bool is_free = peer->holds == 0 && (is_blank || must_forget_locked(peer));
    if (is_free)
        (void)rfi_map_remove(peer->bridge->peers, peer->id);
    (void)pthread_mutex_unlock(&peer->bridge->peers_mutex);
    if (!is_free)
        return;
    if (!is_blank)
        rf_log(RF_LOG_INFO, "NET-PEER-FORGOTTEN", "network=%s reason=\"too many networks\"",
               peer->id);
    if (peer->is_listed)
        unlist(peer);
    peer_free(peer);
}

void rfi_peers_sweep(struct rfi_shard *shard)
{
    if (shard->unneeded == NULL)
        return;
    struct rfi_bridge *bridge = shard->bridge;
    (void)pthread_mutex_lock(&bridge->peers_mutex);
    bool is_crowded = is_crowded_locked(bridge);
    (void)pthread_mutex_unlock(&bridge->peers_mutex);
    struct rfi_peer *next = NULL;
    struct rfi_peer *unneeded = shard->unneeded;
    shard->unneeded = NULL;
    for (struct rfi_peer *peer = unneeded; peer != NULL; peer = peer->next_unneeded)
        peer->is_unneeded = false;
    for (struct rfi_peer *peer = is_crowded ? NULL : unneeded; peer != NULL; peer = next) {
        next = peer->next_unneeded;
        forget(peer);
    }
    /* A crowded table also asks those that had something to remember when it was their turn. */
    for (struct rfi_peer *peer = is_crowded ? shard->peers : NULL; peer != NULL; peer = next) {
        next = peer->next;
        forget(peer);
    }
}
