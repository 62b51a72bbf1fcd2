/* SPDX-License-Identifier: MIT */
/* The control thread: it dials what the dialler's table says is due, and sleeps in between. The table is under
 * dial_mutex; sessions report to it from their shards and from I/O threads, rarely. An entry's fate is told by exactly
 * one report per connection: linked, failed, or again.
 *
 * Under dial_mutex it is asked whether a network is linked, and a session changes that before it reports. So a
 * report that comes while an entry is being added is either seen in the answer or comes after. */
#include "core/base/clock.h"
#include "core/base/diag.h"
#include "net/bridge_internal.h"

#include <reflow/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { ENDPOINTS_MAX = 8 };

uint32_t rfi_random_u32(void)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
        value = (uint32_t)rfi_clock_ns(); /* jitter only: any number will do */
    return value;
}

static void mark_if_linked_locked(struct rfi_bridge *bridge, struct rfi_dial *dial)
{
    if (dial->network_id[0] != '\0' && dial->state != RFI_DIAL_LINKED &&
        rfi_bridge_is_connected(bridge, dial->network_id))
        rfi_dialer_linked(&bridge->dialer, dial->network_id, rfi_clock_ns());
}

/* ---- dialling ---- */

static bool choose_endpoint(struct rfi_bridge *bridge, const struct rfi_dial *dial, char *out,
                            size_t out_size)
{
    if (dial->endpoint[0] != '\0') {
        (void)snprintf(out, out_size, "%s", dial->endpoint);
        return true;
    }
    char found[ENDPOINTS_MAX][RFI_DIAL_ENDPOINT_SIZE];
    size_t count = 0;
    if (bridge->hooks.find_endpoints != NULL)
        count = bridge->hooks.find_endpoints(bridge->user, dial->network_id, found, ENDPOINTS_MAX);
    if (count == 0)
        return false;
    (void)snprintf(out, out_size, "%s", found[(dial->turn - 1) % count]);
    return true;
}

static enum rfi_wire default_wire(const struct rfi_bridge *bridge)
{
    const char *transport = bridge->config->transport;
    return transport != NULL && strcmp(transport, "tcp") == 0 ? RFI_WIRE_TCP : RFI_WIRE_WEBSOCKET;
}

/* `dial` is a copy: the table may change meanwhile. */
static void dial_one(struct rfi_bridge *bridge, const struct rfi_dial *dial)
{
    char text[RFI_DIAL_ENDPOINT_SIZE];
    if (!choose_endpoint(bridge, dial, text, sizeof text)) {
        rfi_control_failed(bridge, dial->id, RF_ENONETWORK, "no endpoint of this network is known",
                           false);
        return;
    }
    rf_diag diag = {.text = ""};
    struct rfi_endpoint endpoint;
    rf_err err = rfi_endpoint_parse(text, default_wire(bridge), &endpoint, &diag);
    if (err != RF_OK) {
        rfi_control_failed(bridge, dial->id, err, diag.text, true);
        return;
    }
    struct rfi_session *session = rfi_session_new(bridge);
    if (session == NULL) {
        rfi_control_failed(bridge, dial->id, RF_ENOMEM, rf_err_text(RF_ENOMEM), false);
        return;
    }
    session->is_dialled = true;
    session->dial_id = dial->id;
    session->io = RFI_IO_RESPONSE;
    (void)snprintf(session->greeting->expected, sizeof session->greeting->expected, "%s",
                   dial->network_id);
    struct rfi_conn *conn = NULL;
    err = rfi_transport_dial(bridge->transport, &endpoint, session, &conn);
    if (err == RF_OK) {
        rfi_conn_unref(conn); /* the session takes its own reference in on_open */
        return;
    }
    rfi_session_report_dial(session, err, rf_err_text(err), false);
    rfi_session_unref(session);
}

static void wait_locked(struct rfi_bridge *bridge, uint64_t until_ns)
{
    if (until_ns == UINT64_MAX) {
        (void)pthread_cond_wait(&bridge->dial_cond, &bridge->dial_mutex);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)(until_ns / RFI_NS_PER_S),
                             .tv_nsec = (long)(until_ns % RFI_NS_PER_S)};
    (void)pthread_cond_timedwait(&bridge->dial_cond, &bridge->dial_mutex, &until);
}

static void *run_control(void *arg)
{
    struct rfi_bridge *bridge = arg;
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    while (!bridge->is_dialling_over) {
        struct rfi_dial *dial = rfi_dialer_due(&bridge->dialer, rfi_clock_ns());
        if (dial == NULL) {
            wait_locked(bridge, rfi_dialer_next_ns(&bridge->dialer));
            continue;
        }
        rfi_dialer_started(dial);
        struct rfi_dial copy = *dial;
        (void)pthread_mutex_unlock(&bridge->dial_mutex);
        dial_one(bridge, &copy);
        (void)pthread_mutex_lock(&bridge->dial_mutex);
    }
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    return NULL;
}

rf_err rfi_control_start(struct rfi_bridge *bridge)
{
    const struct rfi_strings *endpoints = &bridge->config->connect;
    for (size_t i = 0; i < endpoints->count; i++) {
        rf_err err = rfi_bridge_connect(bridge, endpoints->items[i], 0, NULL);
        if (err != RF_OK)
            rf_log(RF_LOG_ERROR, "NET-DIAL-FAILED", "endpoint=%s reason=\"%s\"",
                   endpoints->items[i], rf_err_text(err));
    }
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    for (size_t i = 0; i < bridge->dialer.count; i++)
        if (bridge->dialer.items[i]->origin == RFI_DIAL_ASKED)
            bridge->dialer.items[i]->origin = RFI_DIAL_CONFIGURED;
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    if (pthread_create(&bridge->control_thread, NULL, run_control, bridge) != 0)
        return RF_ESYS;
    bridge->has_control_thread = true;
    return RF_OK;
}

void rfi_control_stop(struct rfi_bridge *bridge)
{
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    bridge->is_dialling_over = true;
    (void)pthread_cond_broadcast(&bridge->dial_cond);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    if (bridge->has_control_thread)
        (void)pthread_join(bridge->control_thread, NULL);
    bridge->has_control_thread = false;
}

/* ---- reports ---- */

void rfi_control_want(struct rfi_bridge *bridge, const char *network_id, bool is_wanted)
{
    struct rfi_dial *dial = NULL;
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    if (!is_wanted) {
        (void)rfi_dialer_remove_network(&bridge->dialer, network_id, true);
    } else if (rfi_dialer_add(&bridge->dialer, RFI_DIAL_WANTED, "", network_id, rfi_clock_ns(),
                              &dial) == RF_OK) {
        mark_if_linked_locked(bridge, dial);
    } else {
        rf_log(RF_LOG_ERROR, "NET-DIAL-FAILED", "network=%s reason=\"too many networks to dial\"",
               network_id);
    }
    (void)pthread_cond_broadcast(&bridge->dial_cond);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
}

bool rfi_control_linked(struct rfi_bridge *bridge, uint64_t dial_id, const char *network_id)
{
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    bool is_known = dial_id == 0 || rfi_dialer_find(&bridge->dialer, dial_id) != NULL;
    rfi_dialer_learn(&bridge->dialer, dial_id, network_id);
    rfi_dialer_linked(&bridge->dialer, network_id, rfi_clock_ns());
    (void)pthread_cond_broadcast(&bridge->dial_cond);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    return is_known;
}

void rfi_control_unlinked(struct rfi_bridge *bridge, const char *network_id)
{
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    rfi_dialer_unlinked(&bridge->dialer, network_id, rfi_clock_ns(), rfi_random_u32());
    (void)pthread_cond_broadcast(&bridge->dial_cond);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
}

void rfi_control_failed(struct rfi_bridge *bridge, uint64_t dial_id, rf_err err, const char *error,
                        bool is_final)
{
    char where[RFI_DIAL_ENDPOINT_SIZE] = "";
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    const struct rfi_dial *dial = rfi_dialer_find(&bridge->dialer, dial_id);
    /* A failure that repeats itself is one event. */
    if (dial != NULL && dial->state != RFI_DIAL_LINKED &&
        strncmp(dial->last_error, error, sizeof dial->last_error - 1) != 0)
        (void)snprintf(where, sizeof where, "%s",
                       dial->endpoint[0] != '\0' ? dial->endpoint : dial->network_id);
    rfi_dialer_failed(&bridge->dialer, dial_id, err, error, is_final, rfi_clock_ns(),
                      rfi_random_u32());
    (void)pthread_cond_broadcast(&bridge->dial_cond);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    if (where[0] != '\0') /* that discovery does not know a network yet is no trouble by itself */
        rf_log(err == RF_ENONETWORK ? RF_LOG_DEBUG : RF_LOG_WARN, "NET-DIAL-FAILED",
               "endpoint=%s error=%s reason=\"%s\"", where, rf_err_name(err), error);
}

/* Found in a registry: the next try would meet the same stranger. An endpoint that was configured has another network
 * now, and the next try expects it. */
static bool is_misled(struct rfi_bridge *bridge, uint64_t dial_id, const char *network_id)
{
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    const struct rfi_dial *dial = rfi_dialer_find(&bridge->dialer, dial_id);
    bool is_misled =
        dial != NULL && dial->endpoint[0] == '\0' && strcmp(dial->network_id, network_id) != 0;
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    return is_misled;
}

void rfi_control_again(struct rfi_bridge *bridge, uint64_t dial_id, const char *network_id)
{
    if (is_misled(bridge, dial_id, network_id)) {
        char text[RFI_DIAL_ERROR_SIZE];
        (void)snprintf(text, sizeof text, "another network answered: %.80s", network_id);
        rfi_control_failed(bridge, dial_id, RF_EREFUSED, text, false);
        return;
    }
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    rfi_dialer_learn(&bridge->dialer, dial_id, network_id);
    rfi_dialer_again(&bridge->dialer, dial_id, rfi_clock_ns(), rfi_random_u32());
    struct rfi_dial *dial = rfi_dialer_find(&bridge->dialer, dial_id);
    if (dial != NULL)
        mark_if_linked_locked(bridge, dial);
    (void)pthread_cond_broadcast(&bridge->dial_cond);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
}

/* ---- public calls ---- */

void rfi_bridge_endpoints_changed(struct rfi_bridge *bridge)
{
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    rfi_dialer_hurry(&bridge->dialer, rfi_clock_ns());
    (void)pthread_cond_broadcast(&bridge->dial_cond);
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
}

static bool is_final_error(rf_err err)
{
    return err == RF_EAUTH || err == RF_EREFUSED || err == RF_EDUPLICATE || err == RF_ELIMIT;
}

/* Under dial_mutex, which is given up while waiting. */
static rf_err wait_linked_locked(struct rfi_bridge *bridge, uint64_t dial_id, uint64_t timeout_ms,
                                 rf_diag *out_diag)
{
    uint64_t until_ns = rfi_clock_ns() + timeout_ms * RFI_NS_PER_MS;
    const struct rfi_dial *dial = rfi_dialer_find(&bridge->dialer, dial_id);
    uint64_t attempts = dial->attempt_count - (dial->state == RFI_DIAL_DIALLING ? 1 : 0);
    for (;;) {
        dial = rfi_dialer_find(&bridge->dialer, dial_id);
        if (dial == NULL || bridge->is_dialling_over)
            return rfi_diag_set(out_diag, RF_ECLOSED, "the node disconnects");
        if (dial->state == RFI_DIAL_LINKED)
            return RF_OK;
        bool is_tried = dial->attempt_count > attempts && dial->state != RFI_DIAL_DIALLING;
        bool is_over = rfi_clock_ns() >= until_ns;
        if (dial->state == RFI_DIAL_ENDED || (is_tried && is_final_error(dial->last_err)))
            return rfi_diag_set(out_diag, dial->last_err, "%s", dial->last_error);
        if (is_over && is_tried && dial->last_err == RF_ESYS)
            return rfi_diag_set(out_diag, RF_ESYS, "%s", dial->last_error);
        if (is_over)
            return rfi_diag_set(out_diag, RF_ETIMEOUT, "no link to %s within %llu ms%s%s",
                                dial->endpoint, (unsigned long long)timeout_ms,
                                dial->last_error[0] != '\0' ? ": " : "", dial->last_error);
        wait_locked(bridge, until_ns);
    }
}

rf_err rfi_bridge_connect(struct rfi_bridge *bridge, const char *endpoint, uint64_t timeout_ms,
                          rf_diag *out_diag)
{
    struct rfi_endpoint parsed;
    rf_err err = rfi_endpoint_parse(endpoint, default_wire(bridge), &parsed, out_diag);
    if (err != RF_OK)
        return err;
    char text[RFI_DIAL_ENDPOINT_SIZE];
    rfi_endpoint_format(&parsed, text, sizeof text);
    struct rfi_dial *dial = NULL;
    (void)pthread_mutex_lock(&bridge->dial_mutex);
    err = rfi_dialer_add(&bridge->dialer, RFI_DIAL_ASKED, text, "", rfi_clock_ns(), &dial);
    if (err == RF_OK) {
        (void)pthread_cond_broadcast(&bridge->dial_cond);
        uint64_t id = dial->id;
        if (timeout_ms > 0)
            err = wait_linked_locked(bridge, id, timeout_ms, out_diag);
        dial = rfi_dialer_find(&bridge->dialer, id);
        if (dial != NULL && dial->state == RFI_DIAL_ENDED)
            rfi_dialer_remove(&bridge->dialer, id);
    } else {
        (void)rfi_diag_set(out_diag, err, "endpoint %s cannot be added: %s", text,
                           rf_err_text(err));
    }
    (void)pthread_mutex_unlock(&bridge->dial_mutex);
    return err;
}
