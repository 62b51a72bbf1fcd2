/* SPDX-License-Identifier: MIT */
/* Sessions on the shard of their peer: who may be the one connection of a network, the end of a session, and
 * the peer's clock.
 *
 * A peer has at most one session that is up. A claim (a connection whose handshake was read) is admitted when
 * there is none; when there is one, the same process coming back replaces it, both sides dialling at once
 * ends with the connection that the smaller network_id dialled, and anybody else waits while the session that is up
 * is probed: an answer within a second refuses the claim, silence lets it in.
 *
 * NOTE stale cursors: a handshake tells how far our side has read. When another connection was up between the
 * telling and the admission, or when the dialler did not know whom it dials, that number is old, and going on from it
 * would lose or repeat messages. Such a connection is closed and dialled again at once, now with the right number. */
#include "net/bridge_internal.h"

#include "core/base/clock.h"
#include "core/base/diag.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SILENT_INTERVALS = 3,
    BLOCKED_LOOK_MS = 5,
    UNDERWAY_MS = 100,
    TAP_TRIES = 2,
    SLACK_FROM_MS = 500,
    SLACK_MS = 20,
    PUMP_ROUNDS = 4
};

static void admit(struct rfi_session *session);

#define SESSION_OF(pointer, member)                                                                \
    ((struct rfi_session *)(void *)((char *)(pointer)-offsetof(struct rfi_session, member)))

/* A peer that lives may need three intervals to notice the loss, and waits up to reconnect_max_ms between its tries:
 * what it subscribed must outlast that, or a short cut of the network would lose messages between living nodes. */
static uint64_t tap_patience_ns(const struct rfi_bridge *bridge)
{
    const rf_config *config = bridge->config;
    return (SILENT_INTERVALS * (uint64_t)config->heartbeat_interval_ms +
            TAP_TRIES * (uint64_t)config->reconnect_max_ms) *
           RFI_NS_PER_MS;
}

/* ---- the handshake of a dialler that knows whom it dials ---- */

void rfi_session_handle_hello(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct rfi_session *session = SESSION_OF(item, hello_item);
    struct rfi_peer *peer = session->hello_peer;
    session->hello_peer = NULL;
    rfi_peer_list(peer);
    struct rfi_hello hello;
    rfi_session_fill_hello(session->bridge, peer->link,
                           peer->has_incarnation ? peer->incarnation : NULL, &hello);
    rfi_session_send_request(session, &hello);
    rfi_peer_release(peer);
    rfi_session_unref(session);
}

/* ---- claims ---- */

enum verdict { ADMIT, PROBE, YIELD };

static bool is_same_process(const struct rfi_peer *peer, const struct rfi_session *session)
{
    return session->is_native && peer->session->is_native &&
           memcmp(peer->incarnation, session->greeting->hello.native.incarnation,
                  RFI_INCARNATION_SIZE) == 0;
}

static enum verdict judge(const struct rfi_peer *peer, const struct rfi_session *session)
{
    const struct rfi_session *old = peer->session;
    if (old == NULL)
        return ADMIT;
    if (!is_same_process(peer, session))
        return PROBE;
    if (old->is_dialled == session->is_dialled)
        return ADMIT; /* who dialled the first one gave it up */
    bool is_ours_first = strcmp(peer->bridge->config->network_id, peer->id) < 0;
    if (session->is_dialled)
        return is_ours_first ? ADMIT : YIELD;
    return is_ours_first ? PROBE : ADMIT;
}

static void probe(struct rfi_peer *peer, struct rfi_session *claim)
{
    struct rfi_session *old = peer->session;
    claim->phase = RFI_SESSION_PROBING;
    claim->probed_ns = peer->shard->now_ns;
    claim->probe_until_ns = claim->probed_ns + RFI_PROBE_MS * RFI_NS_PER_MS;
    peer->claim = claim;
    peer->is_probe_answered = false;
    rfi_conn_ping(old->conn);
    if (old->is_native) { /* native TCP has no ping: any question will do */
        struct rfi_buf text;
        rfi_uuid4(claim->greeting->probe_id);
        rfi_buf_init(&text);
        rfi_rust_write_actors_request(claim->greeting->probe_id, peer->bridge->config->network_id,
                                      &text);
        if (!text.is_failed)
            rfi_link_send_json(peer->link, text.data, text.size);
        rfi_buf_fini(&text);
    }
    rfi_peer_due_at(peer, claim->probe_until_ns);
    rfi_peer_touch(peer);
}

/* A claim that is not taken. */
static void turn_away(struct rfi_session *session, rf_err err, const char *reason)
{
    if (session->is_dialled) {
        rfi_session_report_dial(session, err, reason, err == RF_EDUPLICATE);
        rfi_session_end(session, 1000, err, reason);
        return;
    }
    (void)atomic_fetch_add_explicit(&session->bridge->refused_count, 1, memory_order_relaxed);
    rfi_session_refuse(session, err, reason);
    rfi_session_end(session, 1000, err, reason);
}

void rfi_session_handle_claim(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct rfi_session *session = SESSION_OF(item, claim_item);
    struct rfi_peer *peer = session->peer;
    rfi_peer_list(peer);
    session->is_native = session->greeting->hello.is_native;
    if (atomic_load_explicit(&session->bridge->is_closing, memory_order_relaxed)) {
        turn_away(session, RF_ECLOSED, "shutting_down");
        return;
    }
    switch (judge(peer, session)) {
    case ADMIT:
        admit(session);
        break;
    case PROBE:
        if (peer->claim != NULL)
            turn_away(session, RF_EDUPLICATE, "duplicate_network_id");
        else
            probe(peer, session);
        break;
    case YIELD:
        if (!atomic_exchange_explicit(&session->is_dial_reported, true, memory_order_relaxed))
            (void)rfi_control_linked(session->bridge, session->dial_id, peer->id);
        rfi_session_end(session, 1000, RF_ECLOSED, "already_connected");
        break;
    }
}

/* Anything else than the answer itself may have been on its way when the peer died, at the very beginning. */
static bool is_alive(const struct rfi_peer *peer)
{
    return peer->session != NULL &&
           (peer->is_probe_answered ||
            peer->session->last_input_ns > peer->claim->probed_ns + UNDERWAY_MS * RFI_NS_PER_MS);
}

static void settle_claim(struct rfi_peer *peer)
{
    struct rfi_session *claim = peer->claim;
    if (claim == NULL)
        return;
    if (is_alive(peer)) {
        peer->claim = NULL;
        bool is_same = is_same_process(peer, claim);
        turn_away(claim, is_same ? RF_EAGAIN : RF_EDUPLICATE,
                  is_same ? "already_connected" : "duplicate_network_id");
    } else if (peer->session == NULL || peer->shard->now_ns >= claim->probe_until_ns) {
        peer->claim = NULL;
        admit(claim);
    }
}

/* ---- admission ---- */

static uint64_t known_cursor(const struct rfi_native_hello *hello, const uint8_t *incarnation)
{
    return memcmp(hello->cursor_of, incarnation, RFI_INCARNATION_SIZE) == 0 ? hello->cursor : 0;
}

/* See the note at the top. */
static bool is_stale(const struct rfi_session *session)
{
    const struct rfi_peer *peer = session->peer;
    const struct rfi_native_hello *theirs = &session->greeting->hello.native;
    if (!session->is_native)
        return false;
    if (session->is_dialled) {
        struct rfi_native_hello now = {.cursor = 0};
        rfi_link_hello(peer->link, theirs->incarnation, &now);
        return known_cursor(&now, theirs->incarnation) !=
               known_cursor(&session->greeting->sent, theirs->incarnation);
    }
    if (!peer->has_incarnation ||
        memcmp(peer->incarnation, theirs->incarnation, RFI_INCARNATION_SIZE) != 0)
        return false;
    struct rfi_link_stats stats;
    rfi_link_get_stats(peer->link, &stats);
    return known_cursor(theirs, peer->bridge->incarnation) < stats.cursor_out;
}

static void send_response(struct rfi_session *session)
{
    const struct rfi_peer *peer = session->peer;
    struct rfi_hello hello;
    rfi_session_fill_hello(session->bridge, session->is_native ? peer->link : NULL,
                           session->greeting->hello.native.incarnation, &hello);
    hello.has_zstd = session->greeting->hello.has_zstd && rfi_packed_is_offered(session);
    struct rfi_buf text;
    rfi_buf_init(&text);
    rfi_handshake_write_response(&hello, session->is_native, &text);
    if (!text.is_failed)
        rfi_conn_send(session->conn, RFI_TEXT, &text);
    rfi_buf_fini(&text);
}

static rf_err start_native(struct rfi_session *session)
{
    struct rfi_peer *peer = session->peer;
    const struct rfi_native_hello *hello = &session->greeting->hello.native;
    bool is_restarted = peer->has_incarnation &&
                        memcmp(peer->incarnation, hello->incarnation, RFI_INCARNATION_SIZE) != 0;
    if (is_restarted) {
        rf_log(RF_LOG_WARN, "NET-PEER-RESTARTED", "network=%s", peer->id);
        rfi_feeds_drop_taps(peer, RFI_DEAD_PEER_RESTARTED);
    }
    if (!session->is_dialled)
        send_response(session); /* before anything that the link says */
    rf_err err = rfi_link_up(peer->link, hello, peer->shard->now_ns);
    if (err == RF_OK)
        err = rfi_packed_start(session);
    if (err != RF_OK)
        return err;
    memcpy(peer->incarnation, hello->incarnation, RFI_INCARNATION_SIZE);
    peer->has_incarnation = true;
    return RF_OK;
}

static const char *wire_name(const struct rfi_session *session)
{
    if (!session->is_native)
        return "rust-json";
    return rfi_conn_wire(session->conn) == RFI_WIRE_TCP ? "native-tcp" : "native-ws";
}

/* False: the connection was dialled for an entry that is gone. */
static bool announce_up(struct rfi_session *session)
{
    struct rfi_peer *peer = session->peer;
    struct rfi_bridge *bridge = session->bridge;
    rfi_peer_set_text(&peer->instance_id, session->greeting->hello.instance_id);
    peer->up_count++;
    session->up_ns = session->last_input_ns = peer->shard->now_ns;
    session->up_wall_ns = rfi_clock_wall_ns();
    (void)atomic_fetch_add_explicit(&bridge->live_count, 1, memory_order_relaxed);
    /* [PE1] release: who sees the link up sees what made it so; pairs with rfi_bridge_is_connected. */
    atomic_store_explicit(&peer->is_up, true, memory_order_release);
    (void)atomic_exchange_explicit(&session->is_dial_reported, true, memory_order_relaxed);
    rf_log(RF_LOG_INFO, "NET-LINK-UP", "network=%s instance=%s address=%s wire=%s direction=%s",
           peer->id, rfi_name_or_mark(session->greeting->hello.instance_id),
           rfi_conn_peer(session->conn), wire_name(session),
           session->is_dialled ? "dialled" : "accepted");
    return rfi_control_linked(bridge, session->dial_id, peer->id);
}

static void take_kept_runs(struct rfi_session *session)
{
    struct rfi_run *run = session->kept;
    session->kept = NULL;
    while (run != NULL) {
        struct rfi_run *next = run->tag;
        run->tag = RFI_RUN_TAG;
        rfi_session_handle_run(session->peer->shard, run);
        run = next;
    }
}

static void admit(struct rfi_session *session)
{
    struct rfi_peer *peer = session->peer;
    struct rfi_bridge *bridge = session->bridge;
    if (atomic_load_explicit(&bridge->is_closing, memory_order_relaxed)) {
        turn_away(session, RF_ECLOSED, "shutting_down"); /* it waited for a probe meanwhile */
        return;
    }
    if (peer->session == NULL && !session->is_dialled &&
        atomic_load_explicit(&bridge->live_count, memory_order_relaxed) >=
            atomic_load_explicit(&bridge->connections_max, memory_order_relaxed)) {
        turn_away(session, RF_ELIMIT, "max_connections reached");
        return;
    }
    if (is_stale(session)) {
        if (session->is_dialled &&
            !atomic_exchange_explicit(&session->is_dial_reported, true, memory_order_relaxed))
            rfi_control_again(bridge, session->dial_id, peer->id);
        turn_away(session, RF_EAGAIN, "stale_resume");
        return;
    }
    struct rfi_session *claim = peer->claim;
    peer->claim = NULL; /* so that the end of the old session does not admit it */
    if (peer->session != NULL)
        rfi_session_end(peer->session, 1000, RF_ECLOSED, "replaced by a newer connection");
    peer->claim = claim;
    peer->session = session;
    session->phase = RFI_SESSION_UP;
    rf_err err = RF_OK;
    if (session->is_native) {
        err = start_native(session);
    } else {
        if (!session->is_dialled)
            send_response(session);
        err = rfi_rust_up(session);
    }
    bool is_wanted = announce_up(session);
    if (err != RF_OK || !is_wanted) {
        rfi_session_end(session, err != RF_OK ? 1002 : 1000, err != RF_OK ? err : RF_ECLOSED,
                        err != RF_OK ? "the link cannot go on" : "no longer wanted");
        return;
    }
    free(session->greeting);
    session->greeting = NULL;
    rfi_conn_approve(session->conn);
    rfi_feeds_set_all_ready(peer);
    rfi_peer_touch(peer);
    rfi_peer_due_at(peer, peer->shard->now_ns);
    take_kept_runs(session);
}

/* ---- the end ---- */

static void leave_peer(struct rfi_session *session, rf_err err, const char *reason)
{
    struct rfi_peer *peer = session->peer;
    struct rfi_bridge *bridge = session->bridge;
    peer->session = NULL;
    atomic_store_explicit(&peer->is_up, false, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&bridge->live_count, 1, memory_order_relaxed);
    peer->down_ns = peer->shard->now_ns;
    peer->last_err = err;
    rfi_peer_set_text(&peer->last_error, reason);
    if (session->is_native) {
        rfi_link_down(peer->link);
        rfi_packed_stop(session);
        rfi_native_fail_replies(peer, RF_ENOTCONNECTED);
    } else {
        rfi_rust_down(session);
    }
    rfi_discovery_fail(peer, RF_ENOTCONNECTED);
    rfi_peer_due_at(peer, peer->down_ns + tap_patience_ns(bridge));
    rf_log(RF_LOG_INFO, "NET-LINK-DOWN", "network=%s address=%s reason=\"%s\"", peer->id,
           rfi_conn_peer(session->conn), reason);
    rfi_control_unlinked(bridge, peer->id);
}

void rfi_session_end(struct rfi_session *session, uint16_t code, rf_err err, const char *reason)
{
    if (session->phase == RFI_SESSION_ENDED)
        return;
    struct rfi_peer *peer = session->peer;
    session->phase = RFI_SESSION_ENDED;
    while (session->kept != NULL) {
        struct rfi_run *run = session->kept;
        session->kept = run->tag;
        rfi_run_free(run);
    }
    rfi_conn_close(session->conn, code, err, reason);
    if (peer->claim == session)
        peer->claim = NULL;
    if (peer->session == session) {
        leave_peer(session, err, reason);
        settle_claim(peer);
    }
}

void rfi_session_handle_closed(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct rfi_session *session = SESSION_OF(item, closed_item);
    struct rfi_peer *peer = session->peer;
    rfi_session_report_dial(session, session->closed_err, session->closed_reason, false);
    rfi_session_end(session, 0, session->closed_err, session->closed_reason);
    rfi_session_unref(session);
    rfi_peer_release(peer);
}

/* ---- what comes in ---- */

void rfi_session_handle_run(struct rfi_shard *shard, struct rfi_run *run)
{
    struct rfi_session *session = rfi_conn_user(run->conn);
    struct rfi_peer *peer = session->peer;
    if (session->phase == RFI_SESSION_PROBING) {
        run->tag = NULL;
        if (session->kept == NULL)
            session->kept = run;
        else
            session->kept_last->tag = run;
        session->kept_last = run;
        return;
    }
    if (session->phase == RFI_SESSION_UP) {
        session->last_input_ns = shard->now_ns;
        if (session->is_native)
            rfi_native_input(session, run);
        else
            rfi_rust_input(session, run);
        rfi_peer_touch(peer);
        settle_claim(peer);
    }
    rfi_run_free(run);
}

void rfi_session_handle_drain(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct rfi_session *session = SESSION_OF(item, drain_item);
    /* [SE2] release: the item is out of the inbox; pairs with the acquire of the next poster. */
    atomic_store_explicit(&session->is_drain_posted, false, memory_order_release);
    rfi_peer_touch(session->peer);
}

void rfi_session_handle_pong(struct rfi_shard *shard, struct rfi_item *item)
{
    struct rfi_session *session = SESSION_OF(item, pong_item);
    /* [SE2] release: as above. */
    atomic_store_explicit(&session->is_pong_posted, false, memory_order_release);
    session->last_input_ns = shard->now_ns;
    if (session->peer->session == session)
        session->peer->is_probe_answered = true;
    settle_claim(session->peer);
}

/* ---- what goes out, and time ---- */

static bool may_write(const struct rfi_session *session)
{
    size_t limit = session->packing != NULL ? RFI_UNSENT_PACKED_BYTES : RFI_UNSENT_HIGH_BYTES;
    return rfi_conn_unsent(session->conn) < limit;
}

/* False: all that there is now is written, or the connection has enough. */
static bool write_native(struct rfi_peer *peer)
{
    struct rfi_session *session = peer->session;
    struct rfi_buf *frame = &peer->shard->frame;
    while (may_write(session)) {
        struct rfi_tail tail = {.data = NULL};
        if (session->packing != NULL && session->packed_left == 0)
            return true;
        if (session->packing != NULL && rfi_packed_go_on(session)) {
            if (peer->session != session)
                return false;
            continue;
        }
        rfi_buf_clear(frame);
        if (!rfi_link_poll_tail(peer->link, frame, &tail, peer->shard->now_ns))
            return false;
        if (frame->is_failed) {
            rfi_tail_release(&tail);
            rfi_buf_fini(frame);
            rfi_buf_init(frame);
            rfi_session_end(session, 1013, RF_ENOMEM, "out of memory");
            return false;
        }
        if (session->packing == NULL || !rfi_packed_send(session, frame, &tail))
            rfi_conn_send_tail(session->conn, RFI_BINARY, frame, &tail);
    }
    return false;
}

/* What is far away can wait a little longer: so the heartbeats of many idle links share a wake-up. */
static uint64_t with_slack(uint64_t at_ns, uint64_t now_ns)
{
    if (at_ns == UINT64_MAX || at_ns < now_ns + SLACK_FROM_MS * RFI_NS_PER_MS)
        return at_ns;
    return (at_ns / (SLACK_MS * RFI_NS_PER_MS) + 1) * (SLACK_MS * RFI_NS_PER_MS);
}

static void set_due(struct rfi_peer *peer)
{
    const struct rfi_session *session = peer->session;
    uint64_t now_ns = peer->shard->now_ns;
    if (session != NULL && session->is_native) {
        uint64_t next_ns = rfi_link_next_ns(peer->link);
        uint64_t soon_ns = now_ns + BLOCKED_LOOK_MS * RFI_NS_PER_MS;
        if (session->packing != NULL && rfi_packing_has_next(session->packing))
            next_ns = now_ns;
        if (next_ns < soon_ns && !may_write(session))
            next_ns = soon_ns; /* nothing can be written before on_drain */
        rfi_peer_due_at(peer, with_slack(next_ns, now_ns));
    } else if (session != NULL) {
        rfi_peer_due_at(peer, with_slack(rfi_rust_next_ns(session), now_ns));
    }
    if (peer->has_taps && session != NULL)
        rfi_peer_due_at(peer, peer->tap_look_ns);
    if (peer->claim != NULL)
        rfi_peer_due_at(peer, peer->claim->probe_until_ns);
}

void rfi_peer_pump(struct rfi_peer *peer)
{
    bool has_more = peer->session != NULL;
    bool is_cut_short = false;
    if (has_more && peer->session->packing != NULL)
        rfi_packed_begin_turn(peer->session);
    for (int i = 0; i < PUMP_ROUNDS && has_more && !is_cut_short; i++) {
        has_more = rfi_feeds_serve(peer);
        if (peer->session != NULL && peer->session->is_native)
            is_cut_short = write_native(peer);
    }
    if (has_more || is_cut_short)
        rfi_peer_touch(peer);
    set_due(peer);
}

void rfi_peer_tick(struct rfi_peer *peer)
{
    uint64_t now_ns = peer->shard->now_ns;
    struct rfi_session *session = peer->session;
    if (session != NULL) {
        rf_err err =
            session->is_native ? rfi_link_tick(peer->link, now_ns) : rfi_rust_tick(session, now_ns);
        if (err != RF_OK)
            rfi_session_end(session, 0, err,
                            err == RF_ETIMEOUT ? "no heartbeat for three intervals"
                                               : rf_err_text(err));
    }
    settle_claim(peer);
    if (peer->session == NULL)
        rfi_peer_check(peer); /* it may be time to forget this one */
    if (peer->session == NULL && peer->feeds != NULL) {
        uint64_t limit_ns = peer->down_ns + tap_patience_ns(peer->bridge);
        if (now_ns >= limit_ns)
            rfi_feeds_drop_taps(peer, RFI_DEAD_PEER_FORGOTTEN);
        else
            rfi_peer_due_at(peer, limit_ns);
    } else if (peer->has_taps && now_ns >= peer->tap_look_ns) {
        rfi_feeds_look_at_taps(peer);
    }
    rfi_peer_pump(peer);
}

/* They may or may not have arrived; nobody will tell us any more. */
static void count_unacknowledged(struct rfi_peer *peer)
{
    struct rfi_link_stats stats;
    rfi_link_get_stats(peer->link, &stats);
    if (stats.unacknowledged_messages == 0)
        return;
    peer->lost += stats.unacknowledged_messages;
    rfi_dead_letters_add(&peer->bridge->dead_letters, RFI_DEAD_CANCELLED,
                         stats.unacknowledged_messages, peer->id, "-", NULL);
    rfi_network_count_dropped(peer->bridge->net, stats.unacknowledged_messages);
}

void rfi_peer_shut(struct rfi_peer *peer)
{
    if (peer->session != NULL)
        rfi_session_end(peer->session, 1001, RF_ECLOSED, "the node stops");
    if (peer->claim != NULL)
        rfi_session_end(peer->claim, 1001, RF_ECLOSED, "the node stops");
    rfi_native_fail_replies(peer, RF_ECLOSED);
    rfi_discovery_fail(peer, RF_ECLOSED);
    rfi_feeds_shut(peer);
    count_unacknowledged(peer);
}
