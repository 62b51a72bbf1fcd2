/* SPDX-License-Identifier: MIT */
/* The sink of a link: what the native wire's state machine asks of a node. Runs on the peer's shard, inside
 * rfi_link_input, _up, _down and _tick. Nothing here ends the session: the machine is in the middle of its work.
 *
 * Inbound flows become intakes (intake.c); outbound ones belong to feeds (proxy.c). Requests of ours that wait for an
 * answer are kept here by number, bounded: the oldest one gives way, since its asker had a deadline. Requests of the
 * peer travel as inquiries, whose answer comes back through the inbox from any thread. */
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request of the peer that a local actor has. */
struct inquiry {
    struct rfi_item item;
    struct rfi_shard *shard; /* one reference */
    struct rfi_peer *peer;   /* not once the shard is dead */
    uint64_t request_id, up_count;
    rf_err err;
    rf_message *msg;
};

/* ---- requests of ours ---- */

uint64_t rfi_native_add_reply(struct rfi_peer *peer, rf_reply *reply)
{
    if (rfi_map_count(peer->replies) >= RFI_REPLIES_MAX) {
        const struct rfi_map_entry *oldest = rfi_map_next(peer->replies, NULL);
        const struct rfi_reply_wait *wait = rfi_map_value(oldest);
        rfi_reply_fail(rfi_native_take_reply(peer, wait->id), RF_ETIMEOUT);
    }
    struct rfi_reply_wait *wait = malloc(sizeof *wait);
    if (wait == NULL)
        return 0;
    *wait = (struct rfi_reply_wait){.id = peer->next_request_id++, .reply = reply};
    if (rfi_map_add_bytes(peer->replies, &wait->id, sizeof wait->id, wait) != RF_OK) {
        free(wait);
        return 0;
    }
    return wait->id;
}

rf_reply *rfi_native_take_reply(struct rfi_peer *peer, uint64_t id)
{
    struct rfi_reply_wait *wait = rfi_map_remove_bytes(peer->replies, &id, sizeof id);
    if (wait == NULL)
        return NULL;
    rf_reply *reply = wait->reply;
    free(wait);
    return reply;
}

void rfi_native_fail_replies(struct rfi_peer *peer, rf_err err)
{
    const struct rfi_map_entry *entry = NULL;
    while ((entry = rfi_map_next(peer->replies, NULL)) != NULL) {
        const struct rfi_reply_wait *wait = rfi_map_value(entry);
        rfi_reply_fail(rfi_native_take_reply(peer, wait->id), err);
    }
}

static void on_answer(void *owner, uint64_t request_id, rf_err err, rf_message *msg)
{
    rf_reply *reply = rfi_native_take_reply(owner, request_id);
    if (reply == NULL)
        rf_message_unref(msg);
    else if (err == RF_OK)
        rf_reply_send(reply, msg);
    else
        rfi_reply_fail(reply, err);
}

/* ---- requests of the peer ---- */

static void inquiry_free(struct inquiry *inquiry)
{
    rf_message_unref(inquiry->msg);
    rfi_shard_unref(inquiry->shard);
    free(inquiry);
}

static void handle_inquiry(struct rfi_shard *shard, struct rfi_item *item)
{
    (void)shard;
    struct inquiry *inquiry = (struct inquiry *)item;
    struct rfi_peer *peer = inquiry->peer;
    peer->pending_count--;
    rfi_peer_check(peer);
    /* An answer belongs to the session of its question; a question that found no actor (0) was
     * answered by the link. */
    if (inquiry->request_id != 0 && peer->up_count == inquiry->up_count &&
        rfi_link_is_up(peer->link)) {
        rfi_link_answer(peer->link, inquiry->request_id, inquiry->err, inquiry->msg);
        inquiry->msg = NULL;
        rfi_peer_touch(peer);
    }
    inquiry_free(inquiry);
}

/* Any thread: the actor answered, failed, or went. */
static void on_local_reply(void *user, rf_err err, rf_message *answer)
{
    struct inquiry *inquiry = user;
    inquiry->err = err;
    inquiry->msg = answer;
    if (!rfi_shard_post(inquiry->shard, &inquiry->item.node))
        inquiry_free(inquiry);
}

static rf_err make_inquiry(struct rfi_peer *peer, uint64_t request_id, struct inquiry **out,
                           rf_reply **out_reply)
{
    struct inquiry *inquiry = calloc(1, sizeof *inquiry);
    if (inquiry == NULL)
        return RF_ENOMEM;
    inquiry->item.handle = handle_inquiry;
    inquiry->shard = rfi_shard_ref(peer->shard);
    inquiry->peer = peer;
    inquiry->request_id = request_id;
    inquiry->up_count = peer->up_count;
    rf_err err = rfi_reply_new(peer->bridge->net, 0, on_local_reply, inquiry, out_reply);
    if (err != RF_OK) {
        inquiry_free(inquiry);
        return err;
    }
    peer->pending_count++;
    *out = inquiry;
    return RF_OK;
}

/* ---- flows ---- */

static rf_err on_flow(void *owner, uint32_t inflow, enum rfi_flow_kind kind,
                      const char *source_actor, const char *actor, const char *port,
                      void **out_user)
{
    struct rfi_intake *intake = NULL;
    rf_err err = rfi_intake_new(owner, kind == RFI_FLOW_EMIT ? RFI_INTAKE_EMIT : RFI_INTAKE_SEND,
                                inflow, source_actor, actor, port, &intake);
    if (err == RF_OK)
        *out_user = intake;
    return err; /* a missing actor refuses messages, not the flow: it may come yet */
}

static void on_flow_closed(void *owner, uint32_t inflow, void *user)
{
    (void)owner;
    (void)inflow;
    if (user != NULL)
        rfi_intake_close(user);
}

static void refuse_one(const struct rfi_intake *intake, rf_err err)
{
    struct rfi_peer *peer = intake->peer;
    rfi_dead_letters_add(&peer->bridge->dead_letters, rfi_dead_reason_of(err), 1, peer->id,
                         intake->actor, intake->port);
    rfi_network_count_dropped(peer->bridge->net, 1);
}

static rf_err on_message(void *owner, uint32_t inflow, void *user, rf_message *msg,
                         uint64_t request_id)
{
    (void)inflow;
    struct rfi_peer *peer = owner;
    struct rfi_intake *intake = user;
    if (intake == NULL)
        return RF_ENOMEM;
    rf_err err = RF_OK;
    rf_reply *reply = NULL;
    struct inquiry *inquiry = NULL;
    if (intake->kind == RFI_INTAKE_EMIT) {
        err = rfi_intake_emit(intake, msg);
    } else {
        if (request_id != 0)
            err = make_inquiry(peer, request_id, &inquiry, &reply);
        if (err == RF_OK)
            err = request_id != 0 ? rfi_intake_push(intake, msg, reply)
                                  : rfi_intake_gather(intake, msg);
    }
    if (err == RF_OK)
        return RF_OK;
    if (inquiry != NULL) {
        inquiry->request_id = 0;
        rfi_reply_fail(reply, err);
    }
    refuse_one(intake, err);
    return err;
}

static size_t on_messages(void *owner, uint32_t inflow, void *user, rf_message *const *messages,
                          size_t count, rf_err *out_err)
{
    (void)owner, (void)inflow;
    struct rfi_intake *intake = user;
    *out_err = RF_ENOMEM;
    if (intake == NULL)
        return 0;
    *out_err = rfi_intake_gather_many(intake, messages, count);
    if (*out_err == RF_OK)
        return count;
    refuse_one(intake, *out_err);
    return 0;
}

static void on_reject(void *owner, struct rfi_outflow *flow, void *user, rf_err reason,
                      uint64_t count)
{
    (void)flow;
    struct rfi_peer *peer = owner;
    const struct rfi_feed_flow *feed_flow = user;
    const struct rfi_feed *feed = feed_flow != NULL ? feed_flow->feed : NULL;
    peer->rejected += count;
    rfi_dead_letters_add(&peer->bridge->dead_letters, rfi_dead_reason_of(reason), count, peer->id,
                         feed != NULL ? feed->actor : "?", NULL);
    rfi_network_count_dropped(peer->bridge->net, count);
}

static void on_lost(void *owner, struct rfi_outflow *flow, void *user, uint64_t count,
                    enum rfi_loss why)
{
    (void)flow;
    struct rfi_peer *peer = owner;
    const struct rfi_feed_flow *feed_flow = user;
    const struct rfi_feed *feed = feed_flow != NULL ? feed_flow->feed : NULL;
    peer->lost += count;
    rfi_dead_letters_add(&peer->bridge->dead_letters,
                         why == RFI_LOST_FAST ? RFI_DEAD_LEVEL_FAST : RFI_DEAD_PEER_RESTARTED,
                         count, peer->id, feed != NULL ? feed->actor : "?", NULL);
    rfi_network_count_dropped(peer->bridge->net, count);
}

static void on_room(void *owner, struct rfi_outflow *flow, void *user)
{
    (void)flow;
    const struct rfi_feed_flow *feed_flow = user;
    if (feed_flow != NULL)
        rfi_feed_set_ready(feed_flow->feed);
    rfi_peer_touch(owner);
}

static void on_subscribe(void *owner, const char *actor, const char *port, bool is_wanted)
{
    if (is_wanted)
        rfi_feed_tap(owner, actor, port);
    else
        rfi_feed_untap(owner, actor, port);
}

static void on_json(void *owner, const char *text, size_t size)
{
    rfi_discovery_json(owner, text, size);
}

const struct rfi_link_sink rfi_bridge_link_sink = {
    .on_flow = on_flow,
    .on_flow_closed = on_flow_closed,
    .on_message = on_message,
    .on_messages = on_messages,
    .on_answer = on_answer,
    .on_subscribe = on_subscribe,
    .on_reject = on_reject,
    .on_room = on_room,
    .on_lost = on_lost,
    .on_json = on_json,
};

/* ---- the link and its input ---- */

uint32_t rfi_native_message_bytes_max(const rf_config *config)
{
    uint32_t frame_bytes_max = config->websocket_frame_bytes_max;
    if (frame_bytes_max > 0 && frame_bytes_max < config->message_bytes_max)
        return frame_bytes_max;
    return config->message_bytes_max;
}

struct rfi_link *rfi_native_link_new(struct rfi_peer *peer)
{
    const rf_config *config = peer->bridge->config;
    struct rfi_link_options options = {
        .flow_credit_messages = config->flow_credit_messages,
        .flow_credit_bytes = config->flow_credit_bytes,
        .link_credit_bytes = config->link_credit_bytes,
        .outbox_messages_max = config->outbox_messages_max,
        .flows_max = config->flows_max,
        .message_bytes_max = rfi_native_message_bytes_max(config),
        .batch_bytes_max = config->batch_bytes_max,
        .heartbeat_interval_ms = config->heartbeat_interval_ms,
        .is_credit_kept = true,
        .is_fast = strcmp(config->delivery, "fast") == 0,
    };
    return rfi_link_new(&options, peer->bridge->incarnation, &rfi_bridge_link_sink, peer);
}

void rfi_native_input(struct rfi_session *session, struct rfi_run *run)
{
    struct rfi_peer *peer = session->peer;
    struct rfi_shard *shard = peer->shard;
    for (size_t i = 0; i < run->frame_count && session->phase == RFI_SESSION_UP; i++) {
        const struct rfi_frame_span *frame = &run->frames[i];
        if (frame->opcode != RFI_BINARY) {
            rf_log(RF_LOG_DEBUG, "NET-FRAME-IGNORED", "network=%s reason=\"text on a native link\"",
                   peer->id);
            continue;
        }
        rf_diag diag = {.text = ""};
        const uint8_t *bytes = run->bytes + frame->offset;
        size_t size = frame->size;
        rf_err err = RF_OK;
        if (session->packing != NULL)
            err = rfi_packing_input(session->packing, &shard->zstd, bytes, size, &shard->unpacked,
                                    &bytes, &size, &diag);
        if (err == RF_OK && bytes != NULL)
            err = rfi_link_input_body(peer->link, bytes, size,
                                      i == 0 && run->body.block != NULL ? &run->body : NULL,
                                      shard->now_ns, &diag);
        if (err != RF_OK) {
            const char *reason = diag.text[0] != '\0' ? diag.text : rf_err_text(err);
            rf_log(RF_LOG_WARN, "NET-PROTOCOL-ERROR", "network=%s address=%s reason=\"%s\"",
                   peer->id, rfi_conn_peer(session->conn), reason);
            rfi_session_end(session, 1002, err, reason);
        }
    }
    rfi_intakes_push_gathered(shard);
}
