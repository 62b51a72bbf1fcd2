/* SPDX-License-Identifier: MIT */
/* GET /status: what an operator must see of each link. Each shard writes its own peers while the asker waits, so the
 * numbers of one link belong together. What is dialled comes from the dialler's table. */
#include "core/base/clock.h"
#include "net/bridge_internal.h"

#include <string.h>

static const char *wire_of(const struct rfi_session *session)
{
    if (!session->is_native)
        return "rust-json";
    return rfi_conn_wire(session->conn) == RFI_WIRE_TCP ? "native-tcp" : "native-ws";
}

static const char *delivery_of(const struct rfi_peer *peer)
{
    if (!peer->session->is_native)
        return "v1-best-effort";
    return rfi_link_goes_fast(peer->link) ? "fast" : "reliable";
}

static const char *origin_name(enum rfi_dial_origin origin)
{
    static const char *const names[] = {[RFI_DIAL_CONFIGURED] = "configured",
                                        [RFI_DIAL_ASKED] = "asked",
                                        [RFI_DIAL_WANTED] = "discovery"};
    return names[origin];
}

static void write_dial_locked(const struct rfi_dial *dial, struct rfi_json_writer *w)
{
    uint64_t now_ns = rfi_clock_ns();
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_string(w, "endpoint", dial->endpoint[0] != '\0' ? dial->endpoint : NULL);
    rfi_jsonw_kv_string(w, "origin", origin_name(dial->origin));
    rfi_jsonw_kv_uint(w, "attempts", dial->attempt_count);
    rfi_jsonw_kv_uint(w, "failures", dial->failure_count);
    if (dial->state == RFI_DIAL_WAITING && dial->next_ns != UINT64_MAX)
        rfi_jsonw_kv_uint(w, "next_ms",
                          dial->next_ns > now_ns ? (dial->next_ns - now_ns) / RFI_NS_PER_MS : 0);
    rfi_jsonw_kv_string(w, "last_error", dial->last_error[0] != '\0' ? dial->last_error : NULL);
    rfi_jsonw_end_object(w);
}

/* The member "dials" of a link; returns whether there is any. */
static bool write_dials(struct rfi_bridge *bridge, const char *network_id,
                        struct rfi_json_writer *w)
{
    bool is_any = false;
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    rfi_jsonw_key(w, "dials");
    rfi_jsonw_begin_array(w);
    for (size_t i = 0; i < bridge->dialer.count; i++) {
        const struct rfi_dial *dial = bridge->dialer.items[i];
        if (strcmp(dial->network_id, network_id) != 0)
            continue;
        write_dial_locked(dial, w);
        is_any = true;
    }
    rfi_jsonw_end_array(w);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    return is_any;
}

static void write_counters(const struct rfi_peer *peer, struct rfi_json_writer *w)
{
    struct rfi_link_stats stats;
    rfi_link_get_stats(peer->link, &stats);
    rfi_jsonw_kv_uint(w, "sent_messages", stats.sent_messages + peer->rust_sent);
    rfi_jsonw_kv_uint(w, "sent_bytes", stats.sent_bytes);
    rfi_jsonw_kv_uint(w, "received_messages", stats.received_messages + peer->rust_received);
    rfi_jsonw_kv_uint(w, "received_bytes", stats.received_bytes);
    rfi_jsonw_kv_uint(w, "acknowledged", stats.cursor_out);
    rfi_jsonw_kv_uint(w, "received_cursor", stats.cursor_in);
    rfi_jsonw_kv_uint(w, "unacknowledged_messages", stats.unacknowledged_messages);
    rfi_jsonw_kv_uint(w, "unacknowledged_bytes", stats.unacknowledged_bytes);
    rfi_jsonw_kv_uint(w, "resent_messages", stats.resent_messages);
    rfi_jsonw_kv_uint(w, "rejected_messages", peer->rejected);
    rfi_jsonw_kv_uint(w, "lost_messages", peer->lost);
    rfi_jsonw_kv_uint(w, "duplicate_messages", peer->duplicates);
    rfi_jsonw_kv_uint(w, "sessions", peer->up_count);
    const struct rfi_packing_stats *packed = &peer->packing_stats;
    rfi_jsonw_key(w, "compressed");
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_uint(w, "sent_plain_bytes", packed->sent_plain);
    rfi_jsonw_kv_uint(w, "sent_bytes", packed->sent_packed);
    rfi_jsonw_kv_uint(w, "received_plain_bytes", packed->received_plain);
    rfi_jsonw_kv_uint(w, "received_bytes", packed->received_packed);
    rfi_jsonw_end_object(w);
}

static void write_outlets(const struct rfi_peer *peer, struct rfi_json_writer *w)
{
    static const char *const kinds[] = {
        [RFI_FEED_PROXY] = "proxy", [RFI_FEED_DIRECT] = "direct", [RFI_FEED_TAP] = "subscription"};
    rfi_jsonw_key(w, "outlets");
    rfi_jsonw_begin_array(w);
    for (const struct rfi_feed *feed = peer->feeds; feed != NULL; feed = feed->next) {
        rfi_jsonw_begin_object(w);
        rfi_jsonw_kv_string(w, "kind", kinds[feed->kind]);
        rfi_jsonw_kv_string(w, "actor", feed->actor);
        if (feed->kind == RFI_FEED_TAP)
            rfi_jsonw_kv_string(w, "port", feed->port);
        size_t depth = feed->outlet != NULL ? rfi_outlet_depth(feed->outlet) : 0;
        rfi_jsonw_kv_uint(w, "depth", depth + (feed->has_held ? 1 : 0));
        rfi_jsonw_kv_bool(w, "is_waiting_for_actor", feed->outlet == NULL);
        rfi_jsonw_end_object(w);
    }
    rfi_jsonw_end_array(w);
}

static void write_session(const struct rfi_peer *peer, struct rfi_json_writer *w)
{
    const struct rfi_session *session = peer->session;
    if (session == NULL) {
        rfi_jsonw_kv_string(w, "wire", NULL);
        rfi_jsonw_kv_string(w, "delivery", NULL);
        rfi_jsonw_kv_string(w, "direction", NULL);
        rfi_jsonw_kv_string(w, "address", NULL);
        rfi_jsonw_kv_string(w, "since", NULL);
        rfi_jsonw_kv_string(w, "compression", NULL);
        return;
    }
    char since[RFI_TIMESTAMP_SIZE];
    rfi_timestamp_format(session->up_wall_ns, since);
    rfi_jsonw_kv_string(w, "wire", wire_of(session));
    rfi_jsonw_kv_string(w, "delivery", delivery_of(peer));
    rfi_jsonw_kv_string(w, "direction", session->is_dialled ? "dialled" : "accepted");
    rfi_jsonw_kv_string(w, "address", rfi_conn_peer(session->conn));
    rfi_jsonw_kv_string(w, "since", since);
    rfi_jsonw_kv_string(w, "compression", session->packing != NULL ? "zstd" : NULL);
    rfi_jsonw_kv_uint(w, "unsent_bytes", rfi_conn_unsent(session->conn));
    rfi_jsonw_kv_bool(w, "is_paused", session->is_paused);
}

static void write_peers(struct rfi_shard *shard, void *arg)
{
    struct rfi_json_writer *w = arg;
    for (struct rfi_peer *peer = shard->peers; peer != NULL; peer = peer->next) {
        rfi_jsonw_begin_object(w);
        rfi_jsonw_kv_string(w, "network_id", peer->id);
        rfi_jsonw_kv_string(w, "instance_id", peer->instance_id);
        bool is_dialled = write_dials(shard->bridge, peer->id, w);
        rfi_jsonw_kv_string(w, "state",
                            peer->session != NULL ? "up" : (is_dialled ? "connecting" : "down"));
        write_session(peer, w);
        write_counters(peer, w);
        write_outlets(peer, w);
        rfi_jsonw_kv_string(w, "last_error", peer->last_error);
        rfi_jsonw_end_object(w);
    }
}

/* Endpoints of which it is not known yet whose they are. */
static void write_unknown(struct rfi_bridge *bridge, struct rfi_json_writer *w)
{
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    for (size_t i = 0; i < bridge->dialer.count; i++) {
        const struct rfi_dial *dial = bridge->dialer.items[i];
        if (dial->network_id[0] != '\0')
            continue;
        rfi_jsonw_begin_object(w);
        rfi_jsonw_kv_string(w, "network_id", NULL);
        rfi_jsonw_kv_string(w, "instance_id", NULL);
        rfi_jsonw_kv_string(w, "state", "connecting");
        rfi_jsonw_kv_string(w, "address", dial->endpoint);
        rfi_jsonw_key(w, "dials");
        rfi_jsonw_begin_array(w);
        write_dial_locked(dial, w);
        rfi_jsonw_end_array(w);
        rfi_jsonw_kv_string(w, "last_error", dial->last_error[0] != '\0' ? dial->last_error : NULL);
        rfi_jsonw_end_object(w);
    }
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
}

void rfi_bridge_write_status(struct rfi_bridge *bridge, struct rfi_json_writer *w)
{
    rfi_jsonw_key(w, "links");
    rfi_jsonw_begin_array(w);
    for (uint32_t i = 0; i < bridge->shard_count; i++)
        rfi_shard_call(bridge->shards[i], write_peers, w);
    write_unknown(bridge, w);
    rfi_jsonw_end_array(w);
    rfi_jsonw_key(w, "dead_letters");
    rfi_dead_letters_write(&bridge->dead_letters, w);
    rfi_jsonw_key(w, "handshakes");
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_uint(w, "pending", rfi_transport_pending_count(bridge->transport));
    rfi_jsonw_kv_uint(w, "refused",
                      atomic_load_explicit(&bridge->refused_count, memory_order_relaxed));
    rfi_jsonw_kv_uint(w, "auth_failed",
                      atomic_load_explicit(&bridge->auth_failed_count, memory_order_relaxed));
    rfi_jsonw_end_object(w);
}
