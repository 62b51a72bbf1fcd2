/* SPDX-License-Identifier: MIT */
/* The JSON wire of the Rust Reflow on a live session, on the peer's shard: heartbeats, actor lists, and messages both
 * ways. It has no acknowledgements, so it promises no more than the Rust nodes do among themselves.
 *
 * Heartbeats. A Rust node evicts a peer from which no heartbeat came for three of its own intervals, and tells
 * nobody that interval. So we send one a second until its cadence is known from its own heartbeats, then one per
 * cadence, and answer each of its heartbeats with one (at most five a second). In turn we take it for dead after three of its intervals
 * without any sign of life. Before the cadence is known, a minute is taken for one.
 *
 * Back pressure. The messages that local mailboxes hold for this peer are counted; above a limit the socket is not
 * read. A peer that we do not read cannot send signs of life, so it counts as alive meanwhile. */
#include "core/base/clock.h"
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CADENCE_MS = 60000,
    FAST_BEAT_MS = 1000,
    ANSWER_GAP_MS = 200,
    SILENT_INTERVALS = 3,
    CADENCE_MIN_MS = 100
};

enum {
    BATCH_BYTES = 64 << 10, /* texts are gathered up to this size */
    ALONE_BYTES = 16 << 10, /* a payload above this is sent alone */
    SMALL_BYTES = 1024
};

/* ---- life ---- */

rf_err rfi_rust_up(struct rfi_session *session)
{
    struct rfi_peer *peer = session->peer;
    session->targets = rfi_map_new();
    session->rust_in = calloc(1, sizeof *session->rust_in);
    session->rust_out = calloc(1, sizeof *session->rust_out);
    if (session->targets == NULL || session->rust_in == NULL || session->rust_out == NULL)
        return RF_ENOMEM;
    rf_err err = rfi_intake_new(peer, RFI_INTAKE_RUST, 0, "", "", "", &session->gauge);
    if (err != RF_OK)
        return err;
    session->gauge->session = session;
    session->beat_received_ns = peer->shard->now_ns;
    session->beat_sent_ns = 0; /* one is due at once */
    rfi_feeds_warn_rust(peer);
    return RF_OK;
}

static void forget_targets(struct rfi_session *session)
{
    session->rust_in->target = NULL;
    const struct rfi_map_entry *entry = NULL;
    while ((entry = rfi_map_next(session->targets, NULL)) != NULL)
        rfi_target_unref(
            rfi_map_remove_bytes(session->targets, rfi_map_key(entry), rfi_map_key_size(entry)));
}

void rfi_rust_down(struct rfi_session *session)
{
    if (session->targets != NULL && session->rust_in != NULL)
        forget_targets(session);
    rfi_map_free(session->targets);
    session->targets = NULL;
    free(session->rust_in);
    session->rust_in = NULL;
    if (session->rust_out != NULL) {
        rfi_buf_fini(&session->rust_out->names);
        rfi_buf_fini(&session->rust_out->tail);
        rfi_buf_fini(&session->rust_out->batch);
        free(session->rust_out);
        session->rust_out = NULL;
    }
    if (session->gauge != NULL)
        rfi_intake_close(session->gauge);
    session->gauge = NULL;
}

/* ---- heartbeats ---- */

static void send_beat(struct rfi_session *session)
{
    struct rfi_buf text;
    rfi_buf_init(&text);
    rfi_rust_write_heartbeat(session->bridge->config->network_id, rfi_clock_wall_ns(), &text);
    if (!text.is_failed)
        rfi_conn_send(session->conn, RFI_TEXT, &text);
    rfi_buf_fini(&text);
    session->beat_sent_ns = session->peer->shard->now_ns;
}

static uint64_t own_interval_ns(const struct rfi_session *session)
{
    uint64_t own_ns = (uint64_t)session->bridge->config->heartbeat_interval_ms * RFI_NS_PER_MS;
    uint64_t fast_ns = FAST_BEAT_MS * RFI_NS_PER_MS;
    if (session->beat_cadence_ns == 0)
        return own_ns < fast_ns ? own_ns : fast_ns;
    return own_ns < session->beat_cadence_ns ? own_ns : session->beat_cadence_ns;
}

static uint64_t silence_limit_ns(const struct rfi_session *session)
{
    uint64_t interval_ns = (uint64_t)session->bridge->config->heartbeat_interval_ms * RFI_NS_PER_MS;
    uint64_t theirs_ns =
        session->beat_cadence_ns > 0 ? session->beat_cadence_ns : FIRST_CADENCE_MS * RFI_NS_PER_MS;
    if (theirs_ns > interval_ns)
        interval_ns = theirs_ns;
    return SILENT_INTERVALS * interval_ns;
}

static void take_beat(struct rfi_session *session)
{
    uint64_t now_ns = session->peer->shard->now_ns;
    /* The first one comes at any phase of the peer's timer; the time between two is the cadence. After a
     * stall several come together, so a much shorter time than before is not believed at once. */
    if (session->beat_count > 0 && !session->is_paused) {
        uint64_t gap_ns = now_ns - session->beat_received_ns;
        uint64_t least_ns = session->beat_cadence_ns / 2;
        if (least_ns < CADENCE_MIN_MS * RFI_NS_PER_MS)
            least_ns = CADENCE_MIN_MS * RFI_NS_PER_MS;
        session->beat_cadence_ns = gap_ns > least_ns ? gap_ns : least_ns;
    }
    session->beat_count++;
    session->beat_received_ns = now_ns;
    if (now_ns - session->beat_sent_ns >= ANSWER_GAP_MS * RFI_NS_PER_MS)
        send_beat(session);
}

rf_err rfi_rust_tick(struct rfi_session *session, uint64_t now_ns)
{
    if (!session->is_paused) {
        uint64_t alive_ns = session->last_input_ns;
        if (session->beat_received_ns > alive_ns)
            alive_ns = session->beat_received_ns;
        if (now_ns - alive_ns > silence_limit_ns(session))
            return RF_ETIMEOUT;
    }
    if (now_ns - session->beat_sent_ns >= own_interval_ns(session))
        send_beat(session);
    return RF_OK;
}

uint64_t rfi_rust_next_ns(const struct rfi_session *session)
{
    return session->beat_sent_ns + own_interval_ns(session);
}

/* ---- messages in ---- */

static void measure(struct rfi_session *session)
{
    const struct rfi_intake *gauge = session->gauge;
    bool is_over =
        gauge->out_messages > RFI_RUST_PAUSE_MESSAGES || gauge->out_bytes > RFI_RUST_PAUSE_BYTES;
    bool is_under = gauge->out_messages <= RFI_RUST_PAUSE_MESSAGES / 2 &&
                    gauge->out_bytes <= RFI_RUST_PAUSE_BYTES / 2;
    if (!session->is_paused && is_over) {
        session->is_paused = true;
        rfi_conn_pause(session->conn, true);
    } else if (session->is_paused && is_under) {
        session->is_paused = false;
        session->last_input_ns = session->peer->shard->now_ns;
        rfi_conn_pause(session->conn, false);
    }
}

void rfi_rust_consumed(struct rfi_session *session)
{
    if (session->phase == RFI_SESSION_UP)
        measure(session);
}

static rf_err find_target(struct rfi_session *session, const char *key, size_t key_size,
                          const char *actor, const char *port, struct rfi_target **out)
{
    struct rfi_target *target = rfi_map_get_bytes(session->targets, key, key_size);
    if (target == NULL) {
        rf_err err = rfi_target_find(session->bridge->net, actor, port, &target);
        if (err != RF_OK)
            return err;
        if (rfi_map_count(session->targets) >= RFI_RUST_TARGETS_MAX)
            forget_targets(session);
        err = rfi_map_add_bytes(session->targets, key, key_size, target);
        if (err != RF_OK) {
            rfi_target_unref(target);
            return err;
        }
    }
    *out = target;
    return RF_OK;
}

/* `out_target` gets the target for the next message, borrowed from the table. */
static rf_err push(struct rfi_session *session, const char *actor, const char *port,
                   rf_message *msg, struct rfi_target **out_target)
{
    char key[2 * RFI_NAME_SIZE];
    int length = snprintf(key, sizeof key, "%s%c%s", actor, 0, port);
    if (length < 0 || (size_t)length >= sizeof key)
        return RF_ENOACTOR;
    struct rfi_target *target = NULL;
    rf_err err = RF_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        err = find_target(session, key, (size_t)length, actor, port, &target);
        if (err != RF_OK)
            return err;
        err = rfi_intake_push_to(session->gauge, target, msg);
        if (err != RF_ECLOSED) {
            *out_target = target;
            return err;
        }
        /* The node went: another one may have its name by now. */
        session->rust_in->target = NULL;
        rfi_target_unref(rfi_map_remove_bytes(session->targets, key, (size_t)length));
    }
    return RF_ENOACTOR;
}

/* Takes the message. */
static void count_message(struct rfi_session *session, rf_err err, const char *actor,
                          const char *port, rf_message *msg)
{
    if (err == RF_OK) {
        measure(session);
        return;
    }
    rf_message_unref(msg);
    rfi_dead_letters_add(&session->bridge->dead_letters, rfi_dead_reason_of(err), 1,
                         session->peer->id, actor, port);
    rfi_network_count_dropped(session->bridge->net, 1);
}

/* Is this message one that came before? Takes it then. */
static bool drop_duplicate(struct rfi_peer *peer, const struct rfi_rust_text *id, rf_message *msg)
{
    if (!rfi_dedup_seen(&peer->dedup, id->text, id->size)) {
        peer->rust_received++;
        return false;
    }
    peer->duplicates++;
    rf_message_unref(msg);
    return true;
}

static void take_message(struct rfi_session *session, struct rfi_rust_frame *frame)
{
    struct rfi_target *target = NULL;
    if (frame->has_stream_name)
        session->peer->uses_stream_name = true;
    if (drop_duplicate(session->peer, &frame->message_id, frame->payload))
        return;
    rf_err err =
        push(session, frame->target_actor.text, frame->target_port.text, frame->payload, &target);
    count_message(session, err, frame->target_actor.text, frame->target_port.text, frame->payload);
}

static void copy_name(char out[RFI_NAME_SIZE], const struct rfi_rust_text *name)
{
    memcpy(out, name->text, name->size);
    out[name->size] = '\0';
}

/* A message in its usual form, for the target of the message before or for another one. False: it is none. */
static bool take_plain(struct rfi_session *session, const char *text, size_t size)
{
    struct rfi_rust_in *in = session->rust_in;
    struct rfi_rust_plain plain;
    if (!rfi_rust_read_plain(text, size, &in->memo, &plain))
        return false;
    if (plain.has_new_names &&
        (plain.target_actor.size >= RFI_NAME_SIZE || plain.target_port.size >= RFI_NAME_SIZE)) {
        rf_message_unref(plain.payload);
        return false;
    }
    if (plain.has_stream_name)
        session->peer->uses_stream_name = true;
    if (drop_duplicate(session->peer, &plain.message_id, plain.payload))
        return true;
    if (plain.has_new_names) {
        copy_name(in->actor, &plain.target_actor);
        copy_name(in->port, &plain.target_port);
        in->target = NULL;
        rfi_rust_remember(&in->memo, &plain);
    }
    rf_err err = RF_ECLOSED;
    if (in->target != NULL)
        err = rfi_intake_push_to(session->gauge, in->target, plain.payload);
    if (err == RF_ECLOSED)
        err = push(session, in->actor, in->port, plain.payload, &in->target);
    count_message(session, err, in->actor, in->port, plain.payload);
    return true;
}

static void take_text(struct rfi_session *session, const char *text, size_t size)
{
    struct rfi_peer *peer = session->peer;
    struct rfi_rust_frame frame = {.type = RFI_RUST_IGNORED};
    if (take_plain(session, text, size))
        return;
    if (rfi_rust_read(text, size, &peer->shard->scratch, &frame) != RF_OK) {
        rfi_session_end(session, 1013, RF_ENOMEM, "out of memory");
        return;
    }
    switch (frame.type) {
    case RFI_RUST_MESSAGE:
        take_message(session, &frame);
        break;
    case RFI_RUST_HEARTBEAT:
        take_beat(session);
        break;
    case RFI_RUST_ACTORS_REQUEST:
        rfi_discovery_answer(session, frame.request_id.text);
        break;
    case RFI_RUST_ACTORS_RESPONSE:
        rfi_discovery_response(peer, &frame);
        break;
    case RFI_RUST_IGNORED:
        rf_log(RF_LOG_DEBUG, "NET-FRAME-IGNORED", "network=%s reason=\"%s\"", peer->id, frame.why);
        break;
    }
}

/* The id of a message in its usual form: the table of ids is larger than the nearest cache. */
static void expect_id(struct rfi_session *session, const struct rfi_run *run, size_t i)
{
    enum { ID_AT = sizeof "{\"message_id\":\"" - 1, ID_SIZE = 36 };
    if (i < run->frame_count && run->frames[i].size >= ID_AT + ID_SIZE)
        rfi_dedup_expect(&session->peer->dedup, run->bytes + run->frames[i].offset + ID_AT,
                         ID_SIZE);
}

void rfi_rust_input(struct rfi_session *session, const struct rfi_run *run)
{
    for (size_t i = 0; i < run->frame_count && session->phase == RFI_SESSION_UP; i++) {
        const struct rfi_frame_span *frame = &run->frames[i];
        expect_id(session, run, i + 1);
        if (frame->opcode == RFI_TEXT)
            take_text(session, (const char *)run->bytes + frame->offset, frame->size);
        else
            rf_log(RF_LOG_DEBUG, "NET-FRAME-IGNORED", "network=%s reason=\"binary\"",
                   session->peer->id);
    }
}

/* ---- messages out ----
 *
 * Texts are written one behind the other into `batch`, framed, and given to the connection when there is no more to send for
 * now or the batch is large enough. What the messages of one sender share is kept in `names`. Large texts go alone: their
 * buffer is not copied. */

static bool is_named_as_before(const struct rfi_rust_out *out, const struct rfi_feed *feed,
                               const struct rfi_outlet_item *item)
{
    return out->names.size > 0 && out->feed == feed && out->source == item->source_actor &&
           out->port == item->port;
}

static void write_names(struct rfi_session *session, const struct rfi_feed *feed,
                        const struct rfi_outlet_item *item)
{
    struct rfi_rust_out *out = session->rust_out;
    const char *port = rfi_outlet_port_name(feed->outlet, item->port);
    const struct rfi_rust_header header = {
        .source_network = session->bridge->config->network_id,
        .source_actor = item->source_actor != NULL ? item->source_actor : "unknown",
        .target_network = session->peer->id,
        .target_actor = feed->actor,
        .target_port = port != NULL ? port : "",
    };
    rfi_buf_clear(&out->names);
    rfi_rust_write_names(&header, &out->names);
    if (out->names.is_failed)
        rfi_buf_clear(&out->names);
    out->feed = feed;
    out->source = item->source_actor;
    out->port = item->port;
}

static rf_err write_text(struct rfi_session *session, const rf_message *msg, struct rfi_buf *text)
{
    struct rfi_rust_out *out = session->rust_out;
    rf_err err = rfi_rust_write_next(&out->names, &out->tail, msg,
                                     session->peer->uses_stream_name ? "Stream" : "Bytes", text);
    if (err == RF_EINVAL)
        return RF_EUNSUPPORTED;
    return err == RF_OK && text->is_failed ? RF_ENOMEM : err;
}

static rf_err send_alone(struct rfi_session *session, const rf_message *msg)
{
    struct rfi_buf text;
    rfi_buf_init(&text);
    rfi_rust_flush(session);
    /* Room for most texts at once: they grow by what they escape. */
    (void)rfi_buf_reserve(&text, rf_message_size(msg) + rf_message_size(msg) / 16 + SMALL_BYTES);
    rf_err err = write_text(session, msg, &text);
    if (err == RF_OK)
        rfi_conn_send(session->conn, RFI_TEXT, &text);
    rfi_buf_fini(&text);
    return err;
}

static rf_err send_in_batch(struct rfi_session *session, const rf_message *msg)
{
    struct rfi_rust_out *out = session->rust_out;
    struct rfi_buf *batch = &out->batch;
    size_t begin = rfi_frames_begin(session->conn, batch);
    rf_err err = write_text(session, msg, batch);
    if (err == RF_OK) {
        rfi_frames_end(session->conn, batch, begin);
        err = batch->is_failed ? RF_ENOMEM : RF_OK;
    }
    if (err != RF_OK) {
        batch->size = begin;
        batch->is_failed = false;
    }
    if (batch->size >= BATCH_BYTES)
        rfi_rust_flush(session);
    return err;
}

void rfi_rust_flush(struct rfi_session *session)
{
    struct rfi_rust_out *out = session->rust_out;
    if (out == NULL || out->batch.data == NULL)
        return;
    rfi_conn_send_frames(session->conn, &out->batch);
}

static void send_item(struct rfi_session *session, struct rfi_feed *feed,
                      struct rfi_outlet_item *item)
{
    struct rfi_peer *peer = session->peer;
    struct rfi_rust_out *out = session->rust_out;
    rf_err err = RF_OK;
    if (item->reply != NULL)
        err = RF_EUNSUPPORTED;
    if (err == RF_OK && !is_named_as_before(out, feed, item))
        write_names(session, feed, item);
    if (err == RF_OK && out->names.size == 0)
        err = RF_ENOMEM;
    if (err == RF_OK)
        err = rf_message_size(item->msg) > ALONE_BYTES ? send_alone(session, item->msg)
                                                       : send_in_batch(session, item->msg);
    if (err == RF_OK) {
        peer->rust_sent++;
    } else {
        rfi_dead_letters_add(&session->bridge->dead_letters, rfi_dead_reason_of(err), 1, peer->id,
                             feed->actor, rfi_outlet_port_name(feed->outlet, item->port));
        rfi_network_count_dropped(session->bridge->net, 1);
    }
    if (item->reply != NULL)
        rfi_reply_fail(item->reply, RF_EUNSUPPORTED);
    rf_message_unref(item->msg);
    *item = (struct rfi_outlet_item){.msg = NULL};
}

void rfi_rust_forget(struct rfi_session *session, const struct rfi_feed *feed)
{
    if (session->rust_out != NULL && session->rust_out->feed == feed)
        rfi_buf_clear(&session->rust_out->names); /* another feed may get its address */
}

bool rfi_rust_serve(struct rfi_session *session, struct rfi_feed *feed, int turn)
{
    struct rfi_rust_out *out = session->rust_out;
    rfi_buf_clear(&out->tail);
    rfi_rust_write_tail(rfi_clock_wall_ns(), &out->tail);
    for (int i = 0; i < turn; i++) {
        if (rfi_conn_unsent(session->conn) >= RFI_UNSENT_HIGH_BYTES)
            return true; /* on_drain goes on */
        if (!feed->has_held && !rfi_outlet_pop(feed->outlet, &feed->held))
            return false;
        feed->has_held = false;
        send_item(session, feed, &feed->held);
    }
    return true;
}
