/* SPDX-License-Identifier: MIT */
/* The NetworkBridge: how it is put together, started, stopped, and called. What it does is in the files that
 * bridge_internal.h lists.
 *
 * Threads: the transport's I/O loops hand runs to the routing shards; shards own peers; one control thread dials. Start
 * goes from the inside out (shards, transport, control), the stop the other way round, so that nobody posts
 * to a thread that is gone. Core may call the bridge before the start and after the stop: items wait in the
 * inboxes before, and are refused after. */
#include "core/base/clock.h"
#include "core/base/diag.h"
#include "core/message/message_internal.h"
#include "net/bridge_internal.h"
#include "net/frame.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { STOP_LINGER_MS = 500, DRAIN_LOOK_MS = 2, DIALS_SPARE = 1024 };

/* ---- the transport's callbacks that concern sessions of a shard ---- */

static void on_pong(void *user, struct rfi_conn *conn)
{
    (void)user;
    struct rfi_session *session = rfi_conn_user(conn);
    /* [SE2] acquire: the item is out of the inbox; pairs with the release on the shard. */
    if (session != NULL && session->io == RFI_IO_PASS &&
        !atomic_exchange_explicit(&session->is_pong_posted, true, memory_order_acquire))
        (void)rfi_shard_post(session->peer->shard, &session->pong_item.node);
}

static void on_drain(void *user, struct rfi_conn *conn)
{
    (void)user;
    struct rfi_session *session = rfi_conn_user(conn);
    /* [SE2] acquire: as above. */
    if (session != NULL && session->io == RFI_IO_PASS &&
        !atomic_exchange_explicit(&session->is_drain_posted, true, memory_order_acquire))
        (void)rfi_shard_post(session->peer->shard, &session->drain_item.node);
}

static void on_http(void *user, int fd, const struct sockaddr *address, socklen_t address_size)
{
    struct rfi_bridge *bridge = user;
    bridge->hooks.on_http(bridge->user, fd, address, address_size);
}

static bool is_resting(void *user)
{
    struct rfi_bridge *bridge = user;
    for (uint32_t i = 0; i < bridge->shard_count; i++)
        if (!rfi_shard_is_resting(bridge->shards[i]))
            return false;
    return rfi_network_is_resting(bridge->net);
}

static void on_revoked(void *user, const void *borrower)
{
    struct rfi_bridge *bridge = user;
    for (uint32_t i = 0; i < bridge->shard_count; i++)
        rfi_shard_revoke(bridge->shards[i], borrower);
    rfi_network_guest_hangs(bridge->net);
}

static bool has_promise(void *user)
{
    struct rfi_bridge *bridge = user;
    bool has_some = false;
    for (uint32_t i = 0; i < bridge->shard_count; i++)
        has_some |= rfi_shard_has_promise(bridge->shards[i]);
    return has_some;
}

static const struct rfi_transport_ops transport_ops = {
    .on_open = rfi_admit_open,
    .on_run = rfi_admit_run,
    .find_body = rfi_frame_find_body,
    .on_pong = on_pong,
    .on_drain = on_drain,
    .on_closed = rfi_admit_closed,
    .is_resting = is_resting,
    .on_revoked = on_revoked,
    .has_promise = has_promise,
    .on_http = on_http,
};

/* ---- life ---- */

static rf_err make_transport(struct rfi_bridge *bridge)
{
    const rf_config *config = bridge->config;
    /* What we let peers send is cut to one WebSocket frame (rfi_native_message_bytes_max). */
    uint32_t websocket_bytes_max = config->websocket_frame_bytes_max;
    if (websocket_bytes_max > 0 && websocket_bytes_max < UINT32_MAX - RFI_LINK_FRAME_OVERHEAD)
        websocket_bytes_max += RFI_LINK_FRAME_OVERHEAD;
    struct rfi_transport_options options = {
        .io_threads = config->io_threads,
        .message_bytes_max = rfi_frame_bytes_max(config),
        .websocket_frame_bytes_max = websocket_bytes_max,
        .fragments_max = 1024,
        .handshake_timeout_ms = config->handshake_timeout_ms,
        .pending_connections_max = config->pending_connections_max,
        .pending_per_address_max = config->pending_per_address_max,
        .control_frames_per_second_max = 50,
        .poll_us = config->poll_us,
        .body_headroom = RFI_MESSAGE_HEADROOM,
        .has_http = bridge->hooks.on_http != NULL,
    };
    return rfi_transport_new(&options, &transport_ops, bridge, &bridge->transport);
}

static rf_err make_shards(struct rfi_bridge *bridge)
{
    uint32_t count = bridge->config->routing_threads > 0 ? bridge->config->routing_threads : 1;
    bridge->shards = calloc(count, sizeof(struct rfi_shard *));
    if (bridge->shards == NULL)
        return RF_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        rf_err err = rfi_shard_new(bridge, i, &bridge->shards[i]);
        if (err != RF_OK)
            return err;
        bridge->shard_count++;
    }
    return RF_OK;
}

static void init_atomics(struct rfi_bridge *bridge)
{
    rfi_dead_letters_init(&bridge->dead_letters);
    atomic_init(&bridge->connections_max, bridge->config->max_connections);
    atomic_init(&bridge->live_count, 0);
    atomic_init(&bridge->refused_count, 0);
    atomic_init(&bridge->auth_failed_count, 0);
    atomic_init(&bridge->is_closing, false);
    atomic_init(&bridge->is_stopped, false);
}

static rf_err init_locks(struct rfi_bridge *bridge)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return RF_ENOMEM;
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&bridge->dial_cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&bridge->dial_mutex, NULL);
    (void)pthread_mutex_init(&bridge->peers_mutex, NULL);
    (void)pthread_mutex_init(&bridge->secret_mutex, NULL);
    return RF_OK;
}

static void make_identity(struct rfi_bridge *bridge)
{
    const rf_config *config = bridge->config;
    bridge->boot = rfi_clock_wall_ns();
    if (config->instance_id != NULL && config->instance_id[0] != '\0')
        (void)snprintf(bridge->instance_id, sizeof bridge->instance_id, "%s", config->instance_id);
    else
        rfi_uuid4(bridge->instance_id);
}

rf_err rfi_bridge_new(const rf_config *config, rf_network *net,
                      const struct rfi_bridge_hooks *hooks, void *user, struct rfi_bridge **out)
{
    struct rfi_bridge *bridge = calloc(1, sizeof *bridge);
    if (bridge == NULL)
        return RF_ENOMEM;
    bridge->config = config;
    bridge->net = net;
    bridge->user = user;
    if (hooks != NULL)
        bridge->hooks = *hooks;
    init_atomics(bridge);
    rf_err err = init_locks(bridge);
    if (err != RF_OK) {
        free(bridge);
        return err;
    }
    rfi_dialer_init(&bridge->dialer, config->reconnect_min_ms, config->reconnect_max_ms,
                    config->max_connections + DIALS_SPARE);
    make_identity(bridge);
    rfi_bridge_reload(bridge, config);
    /* Who guesses an incarnation could pose as a process that comes back: no clock in place of the kernel's. */
    if (getrandom(bridge->incarnation, sizeof bridge->incarnation, 0) !=
        (ssize_t)sizeof bridge->incarnation)
        err = RF_ESYS;
    if (err == RF_OK)
        err = rfi_peers_init(bridge);
    if (err == RF_OK)
        err = make_shards(bridge);
    if (err == RF_OK)
        err = make_transport(bridge);
    if (err != RF_OK) {
        rfi_bridge_free(bridge);
        return err;
    }
    rfi_network_set_bridge(net, &rfi_bridge_core_ops, bridge);
    *out = bridge;
    return RF_OK;
}

rf_err rfi_bridge_start(struct rfi_bridge *bridge, rf_diag *out_diag)
{
    const rf_config *config = bridge->config;
    rf_err err = RF_OK;
    for (uint32_t i = 0; i < bridge->shard_count && err == RF_OK; i++)
        err = rfi_shard_start(bridge->shards[i]);
    if (err == RF_OK)
        err = rfi_transport_start(bridge->transport);
    if (err != RF_OK)
        return rfi_diag_set(out_diag, err, "the bridge's threads cannot be started: %s",
                            rf_err_text(err));
    bridge->is_started = true;
    err = rfi_transport_listen(bridge->transport, config->bind_address, (uint16_t)config->bind_port,
                               bridge->address, sizeof bridge->address, out_diag);
    if (err != RF_OK)
        return err;
    rf_log(RF_LOG_INFO, "NET-LISTEN", "network=%s instance=%s address=%s", config->network_id,
           bridge->instance_id, bridge->address);
    err = rfi_control_start(bridge);
    if (err != RF_OK)
        return rfi_diag_set(out_diag, err, "the dialling thread cannot be started");
    return RF_OK;
}

const char *rfi_bridge_address(const struct rfi_bridge *bridge)
{
    return bridge->address;
}

/* What peers send stays with them, and they know it. Else the drain would never end while they have more, and what came
 * behind the last look at the mailboxes would be acknowledged and gone. */
static void stop_taking(struct rfi_shard *shard, void *arg)
{
    (void)arg;
    for (struct rfi_peer *peer = shard->peers; peer != NULL; peer = peer->next)
        rfi_link_stop_taking(peer->link);
}

void rfi_bridge_close(struct rfi_bridge *bridge)
{
    if (atomic_exchange_explicit(&bridge->is_closing, true, memory_order_relaxed))
        return;
    /* The port stays open for HTTP until the stop, so that /ready can say why; handshakes are refused. */
    rfi_control_stop(bridge);
    for (uint32_t i = 0; i < bridge->shard_count; i++)
        rfi_shard_call(bridge->shards[i], stop_taking, NULL);
}

/* ---- drain ---- */

static void look_idle(struct rfi_shard *shard, void *arg)
{
    bool *is_idle = arg;
    for (struct rfi_peer *peer = shard->peers; peer != NULL && *is_idle; peer = peer->next) {
        if (peer->session == NULL)
            continue;
        struct rfi_link_stats stats;
        rfi_link_get_stats(peer->link, &stats);
        *is_idle = rfi_feeds_are_idle(peer) && rfi_conn_unsent(peer->session->conn) == 0 &&
                   (!peer->session->is_native || stats.unacknowledged_messages == 0);
    }
}

rf_err rfi_bridge_drain(struct rfi_bridge *bridge, uint64_t timeout_ms)
{
    uint64_t until_ns = rfi_clock_ns() + timeout_ms * RFI_NS_PER_MS;
    for (;;) {
        bool is_idle = true;
        for (uint32_t i = 0; i < bridge->shard_count && is_idle; i++)
            rfi_shard_call(bridge->shards[i], look_idle, &is_idle);
        if (is_idle)
            return RF_OK;
        if (rfi_clock_ns() >= until_ns)
            return RF_ETIMEOUT;
        const struct timespec pause = {.tv_nsec = DRAIN_LOOK_MS * (long)RFI_NS_PER_MS};
        (void)nanosleep(&pause, NULL);
    }
}

void rfi_bridge_stop(struct rfi_bridge *bridge)
{
    rfi_bridge_close(bridge);
    if (atomic_exchange_explicit(&bridge->is_stopped, true, memory_order_relaxed))
        return;
    if (bridge->transport != NULL && bridge->is_started)
        rfi_transport_stop(bridge->transport, STOP_LINGER_MS);
    for (uint32_t i = 0; i < bridge->shard_count; i++)
        rfi_shard_stop(bridge->shards[i]);
    rf_log(RF_LOG_INFO, "NET-STOPPED", "network=%s undelivered=%llu", bridge->config->network_id,
           (unsigned long long)rfi_dead_letters_total(&bridge->dead_letters));
}

void rfi_bridge_free(struct rfi_bridge *bridge)
{
    if (bridge == NULL)
        return;
    rfi_bridge_stop(bridge);
    if (bridge->transport != NULL)
        rfi_transport_free(bridge->transport);
    rfi_peers_fini(bridge);
    for (uint32_t i = 0; i < bridge->shard_count; i++)
        rfi_shard_unref(bridge->shards[i]);
    free(bridge->shards);
    rfi_dialer_fini(&bridge->dialer);
    (void)pthread_cond_destroy(&bridge->dial_cond);
    (void)pthread_mutex_destroy(&bridge->dial_mutex);
    (void)pthread_mutex_destroy(&bridge->peers_mutex);
    (void)pthread_mutex_destroy(&bridge->secret_mutex);
    explicit_bzero(bridge->token, sizeof bridge->token);
    free(bridge);
}

void rfi_bridge_reload(struct rfi_bridge *bridge, const rf_config *config)
{
    (void)pthread_mutex_lock(&bridge->secret_mutex);
    (void)snprintf(bridge->token, sizeof bridge->token, "%s",
                   config->auth_token != NULL ? config->auth_token : "");
    (void)pthread_mutex_unlock(&bridge->secret_mutex);
    atomic_store_explicit(&bridge->connections_max, config->max_connections, memory_order_relaxed);
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    bridge->dialer.min_ms = config->reconnect_min_ms;
    bridge->dialer.max_ms = config->reconnect_max_ms;
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
}

void rfi_bridge_copy_token(struct rfi_bridge *bridge, char out[RFI_TOKEN_SIZE])
{
    (void)pthread_mutex_lock(&bridge->secret_mutex);
    memcpy(out, bridge->token, RFI_TOKEN_SIZE);
    (void)pthread_mutex_unlock(&bridge->secret_mutex);
}

/* ---- calls ---- */

static void end_session(struct rfi_shard *shard, void *arg)
{
    (void)shard;
    struct rfi_peer *peer = arg;
    rfi_peer_list(peer);
    if (peer->session != NULL)
        rfi_session_end(peer->session, 1000, RF_ECLOSED, "disconnected on request");
    rfi_peer_release(peer);
}

rf_err rfi_bridge_disconnect(struct rfi_bridge *bridge, const char *network_id)
{
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    size_t removed = rfi_dialer_remove_network(&bridge->dialer, network_id, false);
    (void)pthread_cond_broadcast(&bridge->dial_cond);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    struct rfi_peer *peer = rfi_peer_find(bridge, network_id);
    if (peer == NULL)
        return removed > 0 ? RF_OK : RF_ENONETWORK;
    rfi_shard_call(peer->shard, end_session, peer);
    return RF_OK;
}

rf_err rfi_bridge_send(struct rfi_bridge *bridge, const char *network_id, const char *actor_id,
                       const char *port, rf_message *msg, rf_reply *reply)
{
    return rfi_feed_direct_push(bridge, actor_id, network_id, port, msg, reply);
}

bool rfi_bridge_is_connected(struct rfi_bridge *bridge, const char *network_id)
{
    (void)pthread_mutex_lock(&bridge->peers_mutex);
    struct rfi_peer *peer = rfi_map_get(bridge->peers, network_id);
    /* [PE1] acquire: pairs with the release in announce_up. */
    bool is_up = peer != NULL && atomic_load_explicit(&peer->is_up, memory_order_acquire);
    (void)pthread_mutex_unlock(&bridge->peers_mutex);
    return is_up;
}

size_t rfi_bridge_connected_count(struct rfi_bridge *bridge)
{
    return atomic_load_explicit(&bridge->live_count, memory_order_relaxed);
}
