/* SPDX-License-Identifier: MIT */
/* The discovery thread: one libcurl multi handle, one transfer at a time for each registry.
 *
 *   idle ─ due ─► POST /register ─► GET /networks ─► merge ─► idle     (again after refresh_ms ± 10 %)
 *            └──── fails ─► idle (again after 1 s, 2 s, 4 s … at most refresh_ms)
 *   stopping: drop what is under way, DELETE /networks/{id} everywhere at once, within timeout_ms in all
 *
 * A registry is not trusted: only HTTP and HTTPS, no redirects, no proxy of the environment, answers
 * bounded in size and time. Names are resolved by libcurl's own threads, so a dead resolver holds nobody.
 * A change of a registry's state is logged once, its repetition is not. */
#include "discovery/client_internal.h"

#include "core/base/clock.h"
#include <reflow/log.h>

#include <stdio.h>
#include <string.h>

const char *rfi_registry_state_name(enum rfi_registry_state state)
{
    switch (state) {
    case RFI_REGISTRY_UNKNOWN:
        return "unknown";
    case RFI_REGISTRY_UP:
        return "up";
    case RFI_REGISTRY_REFUSED:
        return "refused";
    case RFI_REGISTRY_DOWN:
        return "down";
    }
    return "unknown";
}

static uint64_t with_jitter(struct rfi_discovery *discovery, uint64_t delay_ms)
{
    /* xorshift64: it only spreads the load, nothing is guarded by it */
    discovery->random ^= discovery->random << 13;
    discovery->random ^= discovery->random >> 7;
    discovery->random ^= discovery->random << 17;
    uint64_t span = delay_ms / 5 + 1;
    return delay_ms - delay_ms / 10 + discovery->random % span;
}

static size_t on_bytes(char *data, size_t size, size_t count, void *user)
{
    struct rfi_registry_peer *peer = user;
    (void)size; /* always 1 */
    if (count > RFI_DISCOVERY_REPLY_BYTES_MAX - peer->reply.size) {
        peer->is_reply_too_long = true;
        return 0;
    }
    rfi_buf_append(&peer->reply, data, count);
    return peer->reply.is_failed ? 0 : count;
}

/* An option that cannot be set leaves a transfer that fails, which is handled; so the results of setopt are
 * not needed. */
static void configure(struct rfi_registry_peer *peer, enum rfi_registry_step step)
{
    struct rfi_discovery *discovery = peer->discovery;
    CURL *easy = peer->easy;
    curl_easy_reset(easy);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, peer);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)discovery->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)discovery->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, (long)RFI_DISCOVERY_REPLY_BYTES_MAX);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, peer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, peer->error);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "reflow");
    if (step == RFI_STEP_REGISTER) {
        (void)curl_easy_setopt(easy, CURLOPT_URL, peer->register_url);
        (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, discovery->headers);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, discovery->body);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)discovery->body_size);
        return;
    }
    /* The last request of a round: do not hold one of the registry's connections until the next. */
    (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    if (step == RFI_STEP_REMOVE) {
        (void)curl_easy_setopt(easy, CURLOPT_URL, peer->remove_url);
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_URL, peer->networks_url);
    }
}

static void note_state(struct rfi_registry_peer *peer, enum rfi_registry_state state,
                       const char *error)
{
    struct rfi_discovery *discovery = peer->discovery;
    uint64_t now_ns = rfi_clock_wall_ns();
    (void)pthread_mutex_lock(&discovery->lock);
    bool is_changed = peer->state != state;
    peer->state = state;
    (void)snprintf(peer->last_error, sizeof peer->last_error, "%s", error);
    if (state == RFI_REGISTRY_UP)
        peer->last_ok_wall_ns = now_ns;
    (void)pthread_mutex_unlock(&discovery->lock);
    if (!is_changed)
        return;
    if (state == RFI_REGISTRY_UP)
        rf_log(RF_LOG_INFO, "DISCOVERY-UP", "url=\"%s\"", peer->shown_url);
    else if (state == RFI_REGISTRY_REFUSED)
        rf_log(RF_LOG_WARN, "DISCOVERY-REFUSED", "url=\"%s\" reason=\"%s\"", peer->shown_url,
               error);
    else
        rf_log(RF_LOG_WARN, "DISCOVERY-DOWN", "url=\"%s\" reason=\"%s\"", peer->shown_url, error);
}

static void end_round(struct rfi_registry_peer *peer, enum rfi_registry_state state,
                      const char *error)
{
    struct rfi_discovery *discovery = peer->discovery;
    uint64_t delay_ms = discovery->refresh_ms;
    peer->step = RFI_STEP_IDLE;
    if (state == RFI_REGISTRY_DOWN) {
        uint64_t backoff_ms = (uint64_t)RFI_DISCOVERY_PAUSE_MS
                              << (peer->failures < 20 ? peer->failures : 20);
        peer->failures++;
        if (backoff_ms < delay_ms)
            delay_ms = backoff_ms;
    } else {
        peer->failures = 0;
    }
    peer->due_ms = rfi_clock_ms() + with_jitter(discovery, delay_ms);
    note_state(peer, state, error);
}

static void start_step(struct rfi_registry_peer *peer, enum rfi_registry_step step)
{
    rfi_buf_fini(&peer->reply);
    rfi_buf_init(&peer->reply);
    peer->is_reply_too_long = false;
    peer->error[0] = '\0';
    peer->step = step;
    configure(peer, step);
    if (curl_multi_add_handle(peer->discovery->multi, peer->easy) != CURLM_OK)
        end_round(peer, RFI_REGISTRY_DOWN, "the transfer could not be started");
}

static void on_registered(struct rfi_registry_peer *peer, long status)
{
    peer->is_refused = status < 200 || status > 299;
    if (peer->is_refused) {
        size_t size = peer->reply.size < 160 ? peer->reply.size : 160;
        (void)snprintf(peer->error, sizeof peer->error, "POST /register answered %ld: %.*s", status,
                       (int)size, size > 0 ? (const char *)peer->reply.data : "");
        (void)pthread_mutex_lock(&peer->discovery->lock);
        (void)snprintf(peer->last_error, sizeof peer->last_error, "%s", peer->error);
        (void)pthread_mutex_unlock(&peer->discovery->lock);
    } else {
        peer->is_registered = true;
    }
    start_step(peer, RFI_STEP_LIST);
}

static void on_listed(struct rfi_registry_peer *peer, long status)
{
    struct rfi_discovery *discovery = peer->discovery;
    rf_diag diag = {.line = 0};
    bool is_changed = false;
    char refusal[sizeof peer->last_error] = "";
    if (status != 200) {
        (void)snprintf(refusal, sizeof refusal, "GET /networks answered %ld", status);
        end_round(peer, RFI_REGISTRY_DOWN, refusal);
        return;
    }
    const char *text = peer->reply.data != NULL ? (const char *)peer->reply.data : "";
    (void)pthread_mutex_lock(&discovery->lock);
    rf_err err =
        rfi_found_merge(&discovery->found, peer->index, text, peer->reply.size, &is_changed, &diag);
    (void)snprintf(refusal, sizeof refusal, "%s", peer->last_error);
    (void)pthread_mutex_unlock(&discovery->lock);
    rfi_buf_fini(&peer->reply);
    rfi_buf_init(&peer->reply);
    if (err != RF_OK) {
        (void)snprintf(refusal, sizeof refusal, "GET /networks gave no list: %.200s", diag.text);
        end_round(peer, RFI_REGISTRY_DOWN, refusal);
    } else if (peer->is_refused) {
        end_round(peer, RFI_REGISTRY_REFUSED, refusal);
    } else {
        end_round(peer, RFI_REGISTRY_UP, "");
    }
    if (is_changed && discovery->on_changed != NULL)
        discovery->on_changed(discovery->user);
}

static void on_done(struct rfi_registry_peer *peer, CURLcode result)
{
    long status = 0;
    enum rfi_registry_step step = peer->step;
    (void)curl_easy_getinfo(peer->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(peer->discovery->multi, peer->easy);
    if (step == RFI_STEP_REMOVE) {
        /* 404 and 405: it has forgotten us already, or knows no DELETE. */
        rf_log(RF_LOG_DEBUG, "DISCOVERY-REMOVED", "url=\"%s\" status=%ld", peer->shown_url, status);
        peer->step = RFI_STEP_IDLE;
    } else if (result != CURLE_OK) {
        const char *why = peer->error[0] != '\0' ? peer->error : curl_easy_strerror(result);
        end_round(peer, RFI_REGISTRY_DOWN,
                  peer->is_reply_too_long ? "the answer is too long" : why);
    } else if (step == RFI_STEP_REGISTER) {
        on_registered(peer, status);
    } else {
        on_listed(peer, status);
    }
}

static void take_done(struct rfi_discovery *discovery)
{
    int left = 0;
    int running = 0;
    (void)curl_multi_perform(discovery->multi, &running);
    for (CURLMsg *message = curl_multi_info_read(discovery->multi, &left); message != NULL;
         message = curl_multi_info_read(discovery->multi, &left)) {
        char *peer = NULL;
        CURLcode result = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &peer) == CURLE_OK)
            on_done((struct rfi_registry_peer *)(void *)peer, result);
    }
}

/* Start what is due; returns how long until the next is. */
static uint64_t start_due(struct rfi_discovery *discovery, bool is_refresh_wanted)
{
    uint64_t now_ms = rfi_clock_ms();
    uint64_t next_ms = now_ms + 60000;
    for (size_t i = 0; i < discovery->peer_count; i++) {
        struct rfi_registry_peer *peer = &discovery->peers[i];
        if (peer->step != RFI_STEP_IDLE)
            continue;
        uint64_t soonest_ms = peer->started_ms + RFI_DISCOVERY_PAUSE_MS;
        if (is_refresh_wanted && soonest_ms < peer->due_ms)
            peer->due_ms = soonest_ms;
        if (peer->due_ms > now_ms) {
            next_ms = peer->due_ms < next_ms ? peer->due_ms : next_ms;
            continue;
        }
        peer->started_ms = now_ms;
        (void)pthread_mutex_lock(&discovery->lock);
        peer->last_try_wall_ns = rfi_clock_wall_ns();
        (void)pthread_mutex_unlock(&discovery->lock);
        start_step(peer, RFI_STEP_REGISTER);
    }
    return next_ms - now_ms;
}

static void unregister_all(struct rfi_discovery *discovery)
{
    uint64_t until_ms = rfi_clock_ms() + discovery->timeout_ms;
    for (size_t i = 0; i < discovery->peer_count; i++) {
        struct rfi_registry_peer *peer = &discovery->peers[i];
        /* A registration that was under way may have arrived. */
        bool may_be_known = peer->is_registered || peer->step == RFI_STEP_REGISTER;
        if (peer->step != RFI_STEP_IDLE)
            (void)curl_multi_remove_handle(discovery->multi, peer->easy);
        peer->step = RFI_STEP_IDLE;
        if (may_be_known)
            start_step(peer, RFI_STEP_REMOVE);
    }
    for (;;) {
        size_t busy_count = 0;
        take_done(discovery);
        for (size_t i = 0; i < discovery->peer_count; i++)
            busy_count += discovery->peers[i].step != RFI_STEP_IDLE ? 1 : 0;
        uint64_t now_ms = rfi_clock_ms();
        if (busy_count == 0 || now_ms >= until_ms)
            break;
        (void)curl_multi_poll(discovery->multi, NULL, 0, (int)(until_ms - now_ms), NULL);
    }
    for (size_t i = 0; i < discovery->peer_count; i++) {
        if (discovery->peers[i].step != RFI_STEP_IDLE)
            (void)curl_multi_remove_handle(discovery->multi, discovery->peers[i].easy);
    }
}

void *rfi_discovery_main(void *cls)
{
    struct rfi_discovery *discovery = cls;
    for (;;) {
        (void)pthread_mutex_lock(&discovery->lock);
        bool is_stopping = discovery->is_stopping;
        bool is_refresh_wanted = discovery->is_refresh_wanted;
        discovery->is_refresh_wanted = false;
        (void)pthread_mutex_unlock(&discovery->lock);
        if (is_stopping)
            break;
        take_done(discovery);
        uint64_t wait_ms = start_due(discovery, is_refresh_wanted);
        /* Returns at once for transfers that were just started. */
        (void)curl_multi_poll(discovery->multi, NULL, 0, (int)(wait_ms < 60000 ? wait_ms : 60000),
                              NULL);
    }
    unregister_all(discovery);
    return NULL;
}
