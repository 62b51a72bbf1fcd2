/* SPDX-License-Identifier: MIT */
/* Events: what happens in a network, for whoever subscribed.
 *
 * Each subscription has a queue of its own, at most `capacity` long, under a lock of its own that is held
 * for a link or an unlink; what does not fit is counted and gone, so a slow reader costs an
 * actor nothing but that. Without subscribers nobody comes here: the maker looks at a mask first.
 *
 * An event is one block with its texts behind it, copied for each subscriber. */
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/json_writer.h"
#include "core/flow/network_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CAPACITY = 1024, TEXTS = 6 };

struct item {
    rf_event event; /* first: an event is its item */
    struct item *next;
    char texts[];
};

struct rf_subscription {
    rf_network *net;
    uint32_t mask, capacity;
    struct rf_subscription *next; /* under subs_lock */
    _Atomic(uint64_t) dropped;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    struct item *first, **end;
    uint32_t count;
    bool is_closed;
};

static const char *const names[RF_EVENT_TYPE_COUNT] = {
    "ActorEmit",       "ActorStarted",   "ActorCompleted", "ActorFailed",    "MessageSent",
    "MessageReceived", "NetworkStarted", "NetworkIdle",    "NetworkShutdown"};

const char *rf_event_type_name(rf_event_type type)
{
    return (unsigned)type < RF_EVENT_TYPE_COUNT ? names[type] : NULL;
}

/* ---- subscriptions ---- */

static void update_mask_locked(rf_network *net)
{
    uint32_t mask = 0;
    for (struct rf_subscription *sub = net->subs; sub != NULL; sub = sub->next)
        mask |= sub->mask;
    /* relaxed: a hint; the list itself is under its lock */
    atomic_store_explicit(&net->runtime.event_mask, mask, memory_order_relaxed);
}

rf_err rf_network_subscribe(rf_network *net, uint32_t type_mask, uint32_t capacity,
                            rf_subscription **out)
{
    if (type_mask == 0 || type_mask >> RF_EVENT_TYPE_COUNT != 0)
        return RF_EINVAL;
    struct rf_subscription *sub = calloc(1, sizeof *sub);
    pthread_condattr_t attr;
    if (sub == NULL)
        return RF_ENOMEM;
    if (pthread_condattr_init(&attr) != 0) {
        free(sub);
        return RF_ENOMEM;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a clock that always exists */
    (void)pthread_cond_init(&sub->changed, &attr);           /* cannot fail on this system */
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&sub->lock, NULL);
    sub->net = net;
    sub->mask = type_mask;
    sub->capacity = capacity != 0 ? capacity : CAPACITY;
    sub->end = &sub->first;
    pthread_rwlock_wrlock(&net->subs_lock);
    sub->next = net->subs;
    net->subs = sub;
    update_mask_locked(net);
    pthread_rwlock_unlock(&net->subs_lock);
    pthread_mutex_lock(&net->lock);
    bool is_stopped = net->life == RFI_LIFE_STOPPED;
    pthread_mutex_unlock(&net->lock);
    if (is_stopped)
        rfi_events_close(net);
    *out = sub;
    return RF_OK;
}

void rf_subscription_free(rf_subscription *sub)
{
    if (sub == NULL)
        return;
    rf_network *net = sub->net;
    pthread_rwlock_wrlock(&net->subs_lock);
    struct rf_subscription **at = &net->subs;
    while (*at != sub)
        at = &(*at)->next;
    *at = sub->next;
    update_mask_locked(net);
    pthread_rwlock_unlock(&net->subs_lock);
    while (sub->first != NULL) {
        struct item *next = sub->first->next;
        rf_event_free(&sub->first->event);
        sub->first = next;
    }
    (void)pthread_cond_destroy(&sub->changed);
    (void)pthread_mutex_destroy(&sub->lock);
    free(sub);
}

uint64_t rf_subscription_dropped(const rf_subscription *sub)
{
    return atomic_load_explicit(&sub->dropped, memory_order_relaxed); /* a number to look at */
}

void rfi_events_close(rf_network *net)
{
    pthread_rwlock_rdlock(&net->subs_lock);
    for (struct rf_subscription *sub = net->subs; sub != NULL; sub = sub->next) {
        pthread_mutex_lock(&sub->lock);
        sub->is_closed = true;
        pthread_cond_broadcast(&sub->changed);
        pthread_mutex_unlock(&sub->lock);
    }
    pthread_rwlock_unlock(&net->subs_lock);
}

/* ---- making ---- */

static struct item *copy_event(const rf_event *event)
{
    const char *texts[TEXTS] = {event->actor,    event->component, event->port,
                                event->to_actor, event->to_port,   event->error};
    const char *copies[TEXTS] = {NULL};
    size_t size = 0;
    for (int i = 0; i < TEXTS; i++)
        size += texts[i] == NULL ? 0 : strlen(texts[i]) + 1;
    struct item *item = malloc(sizeof *item + size);
    if (item == NULL)
        return NULL;
    char *at = item->texts;
    for (int i = 0; i < TEXTS; i++) {
        if (texts[i] == NULL)
            continue;
        size_t length = strlen(texts[i]) + 1;
        copies[i] = memcpy(at, texts[i], length);
        at += length;
    }
    item->next = NULL;
    item->event =
        (rf_event){.type = event->type,
                   .timestamp_ms = rfi_clock_wall_ns() / 1000000U,
                   .actor = copies[0],
                   .component = copies[1],
                   .port = copies[2],
                   .to_actor = copies[3],
                   .to_port = copies[4],
                   .error = copies[5],
                   .message = event->message == NULL ? NULL : rf_message_ref(event->message)};
    return item;
}

static void offer(struct rf_subscription *sub, const rf_event *event)
{
    bool is_taken = false;
    struct item *item = NULL;
    pthread_mutex_lock(&sub->lock);
    bool has_room = sub->count < sub->capacity;
    sub->count += has_room ? 1 : 0; /* the place is ours while we copy */
    pthread_mutex_unlock(&sub->lock);
    if (has_room)
        item = copy_event(event);
    if (has_room) {
        pthread_mutex_lock(&sub->lock);
        if (item == NULL) {
            sub->count--;
        } else {
            *sub->end = item;
            sub->end = &item->next;
            is_taken = true;
            pthread_cond_signal(&sub->changed);
        }
        pthread_mutex_unlock(&sub->lock);
    }
    if (!is_taken)
        (void)atomic_fetch_add_explicit(&sub->dropped, 1, memory_order_relaxed); /* a number */
}

void rfi_events_post(void *user, const rf_event *event)
{
    rf_network *net = user;
    pthread_rwlock_rdlock(&net->subs_lock);
    for (struct rf_subscription *sub = net->subs; sub != NULL; sub = sub->next)
        if ((sub->mask & (1U << event->type)) != 0)
            offer(sub, event);
    pthread_rwlock_unlock(&net->subs_lock);
}

/* ---- taking ---- */

rf_err rf_subscription_next(rf_subscription *sub, uint64_t timeout_ms, rf_event **out_event)
{
    enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };
    uint64_t now = rfi_clock_ns();
    uint64_t due = timeout_ms > (UINT64_MAX / 2 - now) / NS_PER_MS ? UINT64_MAX / 2
                                                                   : now + timeout_ms * NS_PER_MS;
    struct timespec until = {.tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S)};
    rf_err err = RF_OK;
    pthread_mutex_lock(&sub->lock);
    while (err == RF_OK && sub->first == NULL) {
        if (sub->is_closed)
            err = RF_ECLOSED;
        else if (pthread_cond_timedwait(&sub->changed, &sub->lock, &until) == ETIMEDOUT &&
                 sub->first == NULL)
            err = RF_ETIMEOUT;
    }
    if (err == RF_OK) {
        struct item *item = sub->first;
        sub->first = item->next;
        if (sub->first == NULL)
            sub->end = &sub->first;
        sub->count--;
        *out_event = &item->event;
    }
    pthread_mutex_unlock(&sub->lock);
    return err;
}

void rf_event_free(rf_event *event)
{
    if (event == NULL)
        return;
    rf_message_unref(event->message);
    free(event); /* the first member of its item */
}

/* ---- JSON ---- */

/* EncodableValue: {"data":[bytes of the plain JSON value]} */
static void write_message(struct rfi_json_writer *w, const rf_message *msg)
{
    struct rfi_buf value;
    rfi_buf_init(&value);
    rfi_message_write_value(msg, &value);
    rfi_jsonw_key(w, "message");
    rfi_jsonw_begin_object(w);
    rfi_jsonw_key(w, "data");
    rfi_jsonw_begin_array(w);
    for (size_t i = 0; i < value.size; i++)
        rfi_jsonw_uint(w, value.data[i]);
    rfi_jsonw_end_array(w);
    rfi_jsonw_end_object(w);
    if (value.is_failed)
        w->buf->is_failed = true;
    rfi_buf_fini(&value);
}

static void write_fields(struct rfi_json_writer *w, const rf_event *event)
{
    bool is_sent = event->type == RF_EVENT_MESSAGE_SENT;
    if (event->actor != NULL)
        rfi_jsonw_kv_string(w, is_sent ? "fromActor" : "actorId", event->actor);
    if (event->component != NULL && event->type != RF_EVENT_ACTOR_EMIT && !is_sent)
        rfi_jsonw_kv_string(w, "component", event->component);
    if (event->port != NULL && event->type != RF_EVENT_ACTOR_EMIT)
        rfi_jsonw_kv_string(w, is_sent ? "fromPort" : "port", event->port);
    if (is_sent) {
        rfi_jsonw_kv_string(w, "toActor", event->to_actor); /* NULL, a tap, is null */
        rfi_jsonw_kv_string(w, "toPort", event->to_port);
    }
    if (event->type == RF_EVENT_ACTOR_COMPLETED) {
        rfi_jsonw_key(w, "outputs"); /* emitted messages have events of their own */
        rfi_jsonw_begin_object(w);
        rfi_jsonw_end_object(w);
    }
    if (event->error != NULL)
        rfi_jsonw_kv_string(w, "error", event->error);
    if (event->message != NULL)
        write_message(w, event->message);
    if (event->type != RF_EVENT_ACTOR_EMIT) /* the Rust form of it has none */
        rfi_jsonw_kv_uint(w, "timestamp", event->timestamp_ms);
}

rf_err rf_event_to_json(const rf_event *event, char **out_json)
{
    struct rfi_buf buf;
    struct rfi_json_writer w;
    rfi_buf_init(&buf);
    rfi_jsonw_init(&w, &buf);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_string(&w, "_type", rf_event_type_name(event->type));
    write_fields(&w, event);
    rfi_jsonw_end_object(&w);
    char *json = rfi_buf_take_text(&buf, NULL);
    if (json == NULL)
        return RF_ENOMEM;
    *out_json = json;
    return RF_OK;
}
