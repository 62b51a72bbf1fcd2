/* SPDX-License-Identifier: MIT */
/* Lists of actors, asked and given, with the frames of the Rust wire on both wires (on a native link they travel inside
 * a native frame). The list given is the true one: what the local network has, proxies left out. The asker waits on
 * its own thread; its place in the peer's list belongs to the shard, and it takes itself out before it goes. */
#include "net/bridge_internal.h"

#include "core/base/clock.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DISCOVERY_TIMEOUT_MAX_MS = 10000 };

struct rfi_discovery_wait {
    struct rfi_discovery_wait *next; /* the peer's list; its shard */
    struct rfi_peer *peer;           /* held */
    char request_id[37];
    bool is_listed; /* the shard */
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool is_done; /* mutex: these three */
    rf_err err;
    struct rfi_buf names; /* each terminated */
};

/* ---- answering ---- */

struct list_writer {
    struct rfi_buf *out;
    bool is_first;
};

static bool write_actor(void *user, const char *id, const rf_component *component)
{
    (void)component;
    struct list_writer *writer = user;
    rfi_rust_add_actor(id, writer->is_first, writer->out);
    writer->is_first = false;
    return true;
}

void rfi_discovery_answer(struct rfi_session *session, const char *request_id)
{
    struct rfi_buf text;
    rfi_buf_init(&text);
    rfi_rust_begin_actors_response(request_id, session->bridge->config->network_id, &text);
    struct list_writer writer = {.out = &text, .is_first = true};
    rfi_network_each_local(session->bridge->net, write_actor, &writer);
    rfi_rust_end_actors_response(&text);
    if (!text.is_failed && session->is_native)
        rfi_link_send_json(session->peer->link, text.data, text.size);
    else if (!text.is_failed)
        rfi_conn_send(session->conn, RFI_TEXT, &text);
    rfi_buf_fini(&text);
}

void rfi_discovery_json(struct rfi_peer *peer, const char *text, size_t size)
{
    struct rfi_rust_frame frame = {.type = RFI_RUST_IGNORED};
    if (peer->session == NULL || rfi_rust_read(text, size, &peer->shard->scratch, &frame) != RF_OK)
        return;
    if (frame.type == RFI_RUST_ACTORS_REQUEST)
        rfi_discovery_answer(peer->session, frame.request_id.text);
    else if (frame.type == RFI_RUST_ACTORS_RESPONSE)
        rfi_discovery_response(peer, &frame);
    else if (frame.type == RFI_RUST_MESSAGE)
        rf_message_unref(frame.payload); /* messages have frames of their own on this wire */
}

/* ---- asking: on the shard ---- */

static void finish(struct rfi_discovery_wait *wait, rf_err err)
{
    wait->is_listed = false;
    (void)pthread_mutex_lock(&wait->mutex);
    wait->err = err;
    wait->is_done = true;
    (void)pthread_cond_signal(&wait->cond);
    (void)pthread_mutex_unlock(&wait->mutex);
}

void rfi_discovery_response(struct rfi_peer *peer, const struct rfi_rust_frame *frame)
{
    if (peer->claim != NULL && strcmp(peer->claim->greeting->probe_id, frame->request_id.text) == 0)
        peer->is_probe_answered = true;
    struct rfi_discovery_wait **at = &peer->discoveries;
    while (*at != NULL && strcmp((*at)->request_id, frame->request_id.text) != 0)
        at = &(*at)->next;
    struct rfi_discovery_wait *wait = *at;
    if (wait == NULL)
        return; /* late, or nobody asked */
    *at = wait->next;
    for (size_t i = 0; i < frame->actor_count; i++)
        rfi_buf_append(&wait->names, frame->actors[i].text, strlen(frame->actors[i].text) + 1);
    finish(wait, wait->names.is_failed ? RF_ENOMEM : RF_OK);
}

void rfi_discovery_fail(struct rfi_peer *peer, rf_err err)
{
    while (peer->discoveries != NULL) {
        struct rfi_discovery_wait *wait = peer->discoveries;
        peer->discoveries = wait->next;
        finish(wait, err);
    }
}

static void ask(struct rfi_shard *shard, void *arg)
{
    (void)shard;
    struct rfi_discovery_wait *wait = arg;
    struct rfi_peer *peer = wait->peer;
    struct rfi_session *session = peer->session;
    rfi_peer_list(peer);
    if (session == NULL) {
        finish(wait, RF_ENOTCONNECTED);
        return;
    }
    wait->next = peer->discoveries;
    peer->discoveries = wait;
    wait->is_listed = true;
    struct rfi_buf text;
    rfi_buf_init(&text);
    rfi_rust_write_actors_request(wait->request_id, peer->bridge->config->network_id, &text);
    if (!text.is_failed && session->is_native)
        rfi_link_send_json(peer->link, text.data, text.size);
    else if (!text.is_failed)
        rfi_conn_send(session->conn, RFI_TEXT, &text);
    rfi_buf_fini(&text);
    rfi_peer_touch(peer);
}

static void leave(struct rfi_shard *shard, void *arg)
{
    (void)shard;
    struct rfi_discovery_wait *wait = arg;
    if (wait->is_listed) {
        struct rfi_discovery_wait **at = &wait->peer->discoveries;
        while (*at != wait)
            at = &(*at)->next;
        *at = wait->next;
    }
    rfi_peer_release(wait->peer);
}

/* ---- asking: the caller ---- */

static rf_err wait_done(struct rfi_discovery_wait *wait, uint64_t timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000 * RFI_NS_PER_MS);
    if (until.tv_nsec >= (long)RFI_NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= (long)RFI_NS_PER_S;
    }
    int code = 0;
    (void)pthread_mutex_lock(&wait->mutex);
    while (!wait->is_done && code == 0)
        code = pthread_cond_timedwait(&wait->cond, &wait->mutex, &until);
    rf_err err = wait->is_done ? wait->err : RF_ETIMEOUT;
    (void)pthread_mutex_unlock(&wait->mutex);
    return err;
}

rf_err rfi_bridge_discover_actors(struct rfi_bridge *bridge, const char *network_id,
                                  uint64_t timeout_ms,
                                  void (*visit)(void *user, const char *actor_id), void *user)
{
    struct rfi_discovery_wait wait = {.peer = rfi_peer_find(bridge, network_id)};
    if (wait.peer == NULL)
        return RF_ENOTCONNECTED;
    if (timeout_ms > DISCOVERY_TIMEOUT_MAX_MS)
        timeout_ms = DISCOVERY_TIMEOUT_MAX_MS;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&wait.cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&wait.mutex, NULL);
    rfi_buf_init(&wait.names);
    rfi_uuid4(wait.request_id);
    struct rfi_shard *shard = wait.peer->shard;
    rfi_shard_call(shard, ask, &wait);
    rf_err err = wait_done(&wait, timeout_ms);
    rfi_shard_call(shard, leave, &wait);
    if (err == RF_OK)
        for (size_t at = 0; at < wait.names.size;
             at += strlen((const char *)wait.names.data + at) + 1)
            visit(user, (const char *)wait.names.data + at);
    rfi_buf_fini(&wait.names);
    (void)pthread_cond_destroy(&wait.cond);
    (void)pthread_mutex_destroy(&wait.mutex);
    return err;
}
