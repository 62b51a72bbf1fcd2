/* SPDX-License-Identifier: MIT */
/* The handshake of a connection, on its I/O thread: read who is there, check the token, find the peer, and hand the
 * session to the peer's shard, which decides (session.c). Nothing else of a connection is looked at before
 * that, and nothing here waits: the transport keeps the deadline until the connection is approved.
 *
 * A session belongs to the I/O thread of its connection until its claim is posted, and to the shard afterwards. A run
 * that comes later goes to the same inbox from the same thread, so it is seen after the claim. */
#include "core/base/diag.h"
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rfi_session *rfi_session_new(struct rfi_bridge *bridge)
{
    struct rfi_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->greeting = calloc(1, sizeof *session->greeting);
    if (session->greeting == NULL) {
        free(session);
        return NULL;
    }
    session->bridge = bridge;
    atomic_init(&session->refs, 1);
    atomic_init(&session->is_dial_reported, false);
    atomic_init(&session->is_drain_posted, false);
    atomic_init(&session->is_pong_posted, false);
    session->hello_item.handle = rfi_session_handle_hello;
    session->claim_item.handle = rfi_session_handle_claim;
    session->drain_item.handle = rfi_session_handle_drain;
    session->pong_item.handle = rfi_session_handle_pong;
    session->closed_item.handle = rfi_session_handle_closed;
    return session;
}

void rfi_session_unref(struct rfi_session *session)
{
    /* [SE1] acq_rel: what each holder did is before the free. */
    if (atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (session->conn != NULL)
        rfi_conn_unref(session->conn);
    free(session->greeting);
    free(session);
}

void rfi_session_report_dial(struct rfi_session *session, rf_err err, const char *error,
                             bool is_final)
{
    if (session->is_dialled &&
        !atomic_exchange_explicit(&session->is_dial_reported, true, memory_order_relaxed))
        rfi_control_failed(session->bridge, session->dial_id, err, error, is_final);
}

/* A peer is then to us what the Rust Reflow is, whatever it offers. */
static bool is_json_only(const struct rfi_bridge *bridge)
{
    return strcmp(bridge->config->wire, "json") == 0;
}

void rfi_session_fill_hello(struct rfi_bridge *bridge, const struct rfi_link *link,
                            const uint8_t *peer_incarnation, struct rfi_hello *out)
{
    memset(out, 0, sizeof *out);
    (void)snprintf(out->network_id, sizeof out->network_id, "%s", bridge->config->network_id);
    (void)snprintf(out->instance_id, sizeof out->instance_id, "%s", bridge->instance_id);
    out->is_success = true;
    out->is_native = true;
    out->has_actors = true;
    if (link != NULL && peer_incarnation != NULL)
        rfi_link_hello(link, peer_incarnation, &out->native);
    memcpy(out->native.incarnation, bridge->incarnation, RFI_INCARNATION_SIZE);
    out->native.boot = bridge->boot;
    out->native.message_bytes_max = rfi_native_message_bytes_max(bridge->config);
    out->native.takes_fast = true;
}

void rfi_session_send_request(struct rfi_session *session, struct rfi_hello *hello)
{
    rfi_bridge_copy_token(session->bridge, hello->token);
    hello->has_token = hello->token[0] != '\0';
    hello->has_zstd = rfi_packed_is_offered(session);
    session->greeting->sent = hello->native;
    struct rfi_buf text;
    rfi_buf_init(&text);
    rfi_handshake_write_request(hello, !is_json_only(session->bridge), &text);
    if (text.is_failed)
        rfi_conn_close(session->conn, 0, RF_ENOMEM, "out of memory");
    else
        rfi_conn_send(session->conn, RFI_TEXT, &text);
    rfi_buf_fini(&text);
    explicit_bzero(hello->token, sizeof hello->token);
}

/* Before the shard: no peer is known, or none is wanted. */
static void refuse_on_io(struct rfi_session *session, rf_err err, const char *reason)
{
    struct rfi_bridge *bridge = session->bridge;
    session->io = RFI_IO_DEAD;
    (void)atomic_fetch_add_explicit(&bridge->refused_count, 1, memory_order_relaxed);
    rfi_session_refuse(session, err, reason);
}

void rfi_session_refuse(struct rfi_session *session, rf_err err, const char *reason)
{
    /* Both sides dialled: that one is turned away is no event for an operator. */
    rf_log(err == RF_EAGAIN ? RF_LOG_DEBUG : RF_LOG_WARN, "NET-PEER-REFUSED",
           "address=%s network=%s reason=\"%s\"", rfi_conn_peer(session->conn),
           rfi_name_or_mark(session->greeting->hello.network_id), reason);
    struct rfi_hello hello;
    rfi_session_fill_hello(session->bridge, NULL, NULL, &hello);
    hello.is_success = false;
    (void)snprintf(hello.error, sizeof hello.error, "%s", reason);
    struct rfi_buf text;
    rfi_buf_init(&text);
    rfi_handshake_write_response(&hello, false, &text);
    if (!text.is_failed)
        rfi_conn_send(session->conn, RFI_TEXT, &text);
    rfi_buf_fini(&text);
    rfi_conn_close(session->conn, 1000, err, reason);
}

void rfi_admit_open(void *user, struct rfi_conn *conn)
{
    struct rfi_bridge *bridge = user;
    struct rfi_session *session = rfi_conn_user(conn);
    if (session == NULL) {
        session = rfi_session_new(bridge);
        if (session == NULL) {
            rfi_conn_close(conn, 1013, RF_ENOMEM, "out of memory");
            return;
        }
        rfi_conn_set_user(conn, session);
    }
    session->conn = rfi_conn_ref(conn);
    if (!session->is_dialled)
        return; /* the dialler speaks first */
    session->io = RFI_IO_RESPONSE;
    if (session->greeting->expected[0] != '\0' &&
        rfi_peer_acquire(bridge, session->greeting->expected, &session->hello_peer) == RF_OK) {
        (void)atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
        if (rfi_shard_post(session->hello_peer->shard, &session->hello_item.node))
            return;
        rfi_session_unref(session);
        rfi_conn_close(conn, 1001, RF_ECLOSED, "the node stops");
        return;
    }
    struct rfi_hello hello;
    rfi_session_fill_hello(bridge, NULL, NULL, &hello);
    rfi_session_send_request(session, &hello);
}

/* ---- the first message ---- */

static bool is_token_right(struct rfi_bridge *bridge, const struct rfi_hello *hello)
{
    char token[RFI_TOKEN_SIZE];
    rfi_bridge_copy_token(bridge, token);
    bool is_right =
        token[0] == '\0' || rfi_token_equal(token, hello->has_token ? hello->token : "");
    explicit_bzero(token, sizeof token);
    return is_right;
}

/* Is the dialler somebody whom we could take? The shard decides the rest. */
static bool admit_request(struct rfi_session *session)
{
    struct rfi_bridge *bridge = session->bridge;
    bool is_right = is_token_right(bridge, &session->greeting->hello);
    explicit_bzero(session->greeting->hello.token, sizeof session->greeting->hello.token);
    if (!is_right) {
        (void)atomic_fetch_add_explicit(&bridge->auth_failed_count, 1, memory_order_relaxed);
        refuse_on_io(session, RF_EAUTH, "auth_token mismatch");
        return false;
    }
    if (!rfi_name_is_valid(session->greeting->hello.network_id,
                           strlen(session->greeting->hello.network_id))) {
        refuse_on_io(session, RF_EINVAL, "network_id is not a name");
        return false;
    }
    if (strcmp(session->greeting->hello.network_id, bridge->config->network_id) == 0) {
        bool is_self = session->greeting->hello.is_native &&
                       memcmp(session->greeting->hello.native.incarnation, bridge->incarnation,
                              RFI_INCARNATION_SIZE) == 0;
        refuse_on_io(session, RF_EDUPLICATE, is_self ? "self_connection" : "duplicate_network_id");
        return false;
    }
    if (!session->greeting->hello.is_native && rfi_conn_wire(session->conn) == RFI_WIRE_TCP) {
        refuse_on_io(session, RF_EUNSUPPORTED, "TCP needs " RFI_CAPABILITY_NATIVE);
        return false;
    }
    if (atomic_load_explicit(&bridge->is_closing, memory_order_relaxed)) {
        refuse_on_io(session, RF_ECLOSED, "shutting_down");
        return false;
    }
    return true;
}

static rf_err refusal_of(const char *error)
{
    if (strstr(error, "auth") != NULL)
        return RF_EAUTH;
    if (strstr(error, "duplicate_network_id") != NULL)
        return RF_EDUPLICATE;
    if (strstr(error, "max_connections") != NULL)
        return RF_ELIMIT;
    return RF_EREFUSED;
}

static bool is_passing_refusal(const char *error)
{
    return strstr(error, "already_connected") != NULL || strstr(error, "stale_resume") != NULL ||
           strstr(error, "shutting_down") != NULL;
}

static void take_refusal(struct rfi_session *session)
{
    const char *error = session->greeting->hello.error[0] != '\0' ? session->greeting->hello.error
                                                                  : "no reason given";
    char text[RFI_DIAL_ERROR_SIZE];
    (void)snprintf(text, sizeof text, "refused by %.64s: %.80s",
                   session->greeting->hello.network_id, error);
    session->io = RFI_IO_DEAD;
    if (is_passing_refusal(error) &&
        rfi_name_is_valid(session->greeting->hello.network_id,
                          strlen(session->greeting->hello.network_id))) {
        if (!atomic_exchange_explicit(&session->is_dial_reported, true, memory_order_relaxed))
            rfi_control_again(session->bridge, session->dial_id,
                              session->greeting->hello.network_id);
    } else {
        rfi_session_report_dial(session, refusal_of(error), text, true);
    }
    rfi_conn_close(session->conn, 1000, refusal_of(error), text);
}

/* Is the acceptor whom we wanted to reach? */
static bool admit_response(struct rfi_session *session)
{
    struct rfi_bridge *bridge = session->bridge;
    const struct rfi_hello *hello = &session->greeting->hello;
    const char *trouble = NULL;
    bool is_final = true;
    if (!rfi_name_is_valid(hello->network_id, strlen(hello->network_id)))
        trouble = "the peer's network_id is not a name";
    else if (strcmp(hello->network_id, bridge->config->network_id) == 0)
        trouble = "the peer has our own network_id";
    else if (!hello->is_native && rfi_conn_wire(session->conn) == RFI_WIRE_TCP)
        trouble = "the peer does not speak " RFI_CAPABILITY_NATIVE;
    if (trouble == NULL && session->greeting->expected[0] != '\0' &&
        strcmp(session->greeting->expected, hello->network_id) != 0) {
        /* Our cursor was meant for another network. */
        if (!atomic_exchange_explicit(&session->is_dial_reported, true, memory_order_relaxed))
            rfi_control_again(bridge, session->dial_id, hello->network_id);
        session->io = RFI_IO_DEAD;
        rfi_conn_close(session->conn, 1000, RF_EREFUSED, "another network answered");
        return false;
    }
    if (trouble == NULL)
        return true;
    session->io = RFI_IO_DEAD;
    rfi_session_report_dial(session, RF_EREFUSED, trouble, is_final);
    rfi_conn_close(session->conn, 1000, RF_EREFUSED, trouble);
    return false;
}

static bool read_first(struct rfi_session *session, const struct rfi_run *run)
{
    const struct rfi_frame_span *frame = &run->frames[0];
    rf_diag diag = {.text = "the first message is no handshake"};
    rf_err err = RF_EFORMAT;
    if (frame->opcode == RFI_TEXT && frame->size <= RFI_HANDSHAKE_BYTES_MAX) {
        const char *text = (const char *)run->bytes + frame->offset;
        if (session->is_dialled)
            err = rfi_handshake_read_response(text, frame->size, &session->greeting->hello, &diag);
        else
            err = rfi_handshake_read_request(text, frame->size, &session->greeting->hello, &diag);
    }
    if (err == RF_OK) {
        if (is_json_only(session->bridge))
            session->greeting->hello.is_native = false;
        return true;
    }
    session->io = RFI_IO_DEAD;
    rf_log(RF_LOG_WARN, "NET-HANDSHAKE-BAD", "address=%s reason=\"%s\"",
           rfi_conn_peer(session->conn), diag.text);
    rfi_session_report_dial(session, RF_EPROTO, diag.text, false);
    rfi_conn_close(session->conn, 1002, RF_EPROTO, diag.text);
    return false;
}

/* Takes the run. */
static void handshake(struct rfi_session *session, struct rfi_run *run)
{
    bool is_admitted = false;
    if (read_first(session, run)) {
        if (!session->is_dialled)
            is_admitted = admit_request(session);
        else if (!session->greeting->hello.is_success)
            take_refusal(session);
        else
            is_admitted = admit_response(session);
    }
    if (!is_admitted) {
        rfi_run_free(run);
        return;
    }
    rf_err err =
        rfi_peer_acquire(session->bridge, session->greeting->hello.network_id, &session->peer);
    if (err != RF_OK) {
        session->peer = NULL;
        session->io = RFI_IO_DEAD;
        rfi_session_report_dial(session, err, rf_err_text(err), false);
        if (session->is_dialled)
            rfi_conn_close(session->conn, 1013, err, rf_err_text(err));
        else
            refuse_on_io(session, err, err == RF_ELIMIT ? "too many networks" : rf_err_text(err));
        rfi_run_free(run);
        return;
    }
    session->io = RFI_IO_PASS;
    if (!rfi_shard_post(session->peer->shard, &session->claim_item.node)) {
        session->peer = NULL; /* the bridge has stopped: its table is about to go */
        session->io = RFI_IO_DEAD;
    }
    run->frame_count--;
    if (run->frame_count == 0 || session->io == RFI_IO_DEAD) {
        rfi_run_free(run);
        return;
    }
    memmove(run->frames, run->frames + 1, run->frame_count * sizeof run->frames[0]);
    rfi_admit_run(session->bridge, session->conn, run);
}

void rfi_admit_run(void *user, struct rfi_conn *conn, struct rfi_run *run)
{
    (void)user;
    struct rfi_session *session = rfi_conn_user(conn);
    if (session == NULL || session->io == RFI_IO_DEAD || run->frame_count == 0) {
        rfi_run_free(run);
    } else if (session->io == RFI_IO_PASS) {
        run->tag = RFI_RUN_TAG;
        if (!rfi_shard_post(session->peer->shard, &run->node))
            rfi_run_free(run);
    } else {
        handshake(session, run);
    }
}

void rfi_admit_closed(void *user, struct rfi_conn *conn, rf_err err, const char *reason)
{
    (void)user;
    struct rfi_session *session = rfi_conn_user(conn);
    if (session == NULL)
        return;
    session->closed_err = err != RF_OK ? err : RF_ECLOSED;
    session->closed_reason = reason;
    if (session->peer != NULL && rfi_shard_post(session->peer->shard, &session->closed_item.node))
        return;
    rfi_session_report_dial(session, session->closed_err, session->closed_reason, false);
    rfi_session_unref(session);
}
