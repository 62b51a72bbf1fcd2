/* SPDX-License-Identifier: MIT */
/* tpl_delay and tpl_interval_trigger: messages by the clock.
 *
 * A delay keeps messages in a ring, in order, each with the time when it is due; one timer stands for
 * the first of them. The ring is bounded by `queue_max`: a message over it is a failure of the actor
 * (told and counted), since there is nobody to give it back to. A trigger sends a payload made of a
 * template each time its timer comes; a tick that meets a target over its limit is left out, because
 * ticks that pile up help nobody. */
#include "core/base/clock.h"
#include "core/components/component.h"
#include <stdlib.h>
#include <string.h>

enum { OUT_OUTPUT };
enum { TIMER = 1 };
enum { QUEUE_DEFAULT = 100000, QUEUE_MAX = 10000000, MESSAGES_PER_LOOK = 64 };

struct delayed {
    rf_message *msg;
    uint64_t due_ms;
};

struct delay {
    struct delayed *ring;
    size_t first, count, capacity; /* capacity: a power of two, or 0 */
    size_t queue_max;
    uint64_t delay_ms;
};

static rf_err delay_create(rf_context *ctx, void **out_state)
{
    struct delay *delay = calloc(1, sizeof *delay);
    if (delay == NULL)
        return RF_ENOMEM;
    const char *key = rfi_component_key(ctx, "delayMs", "delay_ms");
    if (key == NULL)
        key = "delayMs";
    delay->delay_ms = (uint64_t)rfi_component_integer(ctx, key, 1000, 0, INT32_MAX);
    delay->queue_max = (size_t)rfi_component_integer(ctx, "queue_max", QUEUE_DEFAULT, 1, QUEUE_MAX);
    *out_state = delay;
    return RF_OK;
}

static void delay_destroy(void *state)
{
    struct delay *delay = state;
    for (; delay->count > 0; delay->count--)
        rf_message_unref(delay->ring[delay->first++ & (delay->capacity - 1)].msg);
    free(delay->ring);
    free(delay);
}

static rf_err grow_ring(struct delay *delay)
{
    size_t capacity = delay->capacity == 0 ? 16 : delay->capacity * 2;
    struct delayed *ring = calloc(capacity, sizeof *ring);
    if (ring == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < delay->count; i++)
        ring[i] = delay->ring[(delay->first + i) & (delay->capacity - 1)];
    free(delay->ring);
    delay->ring = ring;
    delay->first = 0;
    delay->capacity = capacity;
    return RF_OK;
}

/* Send what is due, then wait for the next. */
static rf_err send_due(rf_context *ctx, struct delay *delay)
{
    uint64_t now_ms = rfi_clock_ms();
    for (size_t sent = 1; delay->count > 0; sent++) {
        struct delayed *item = &delay->ring[delay->first & (delay->capacity - 1)];
        if (item->due_ms > now_ms)
            return rf_timer_start(ctx, TIMER, item->due_ms - now_ms, 0);
        rf_message *msg = item->msg;
        delay->first++;
        delay->count--;
        rf_err err = rf_emit(ctx, OUT_OUTPUT, msg);
        if (err != RF_OK || (sent % MESSAGES_PER_LOOK == 0 && rf_is_pressed(ctx))) {
            rf_resume(ctx);
            return err;
        }
    }
    return RF_OK;
}

static rf_err delay_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    struct delay *delay = state;
    if (delay->count == delay->queue_max)
        return rf_fail(ctx, "%zu messages wait already (queue_max)", delay->count);
    if (delay->count == delay->capacity) {
        rf_err err = grow_ring(delay);
        if (err != RF_OK)
            return err;
    }
    delay->ring[(delay->first + delay->count) & (delay->capacity - 1)] =
        (struct delayed){rf_message_ref(msg), rfi_clock_ms() + delay->delay_ms};
    delay->count++;
    return delay->count == 1 ? rf_timer_start(ctx, TIMER, delay->delay_ms, 0) : RF_OK;
}

static rf_err delay_on_timer(rf_context *ctx, void *state, uint64_t tag)
{
    (void)tag;
    return send_due(ctx, state);
}

static rf_err delay_on_resume(rf_context *ctx, void *state)
{
    return send_due(ctx, state);
}

static const rf_port_def delay_inports[] = {{"input", NULL, "any message"}};
static const rf_port_def delay_outports[] = {{"output", NULL, "the same message, later"}};
static const rf_key_def delay_keys[] = {
    {"delayMs", "integer", "1000", false, "milliseconds (delay_ms is read as well)"},
    {"queue_max", "integer", "100000", false, "messages that may wait; one more is a failure"},
};

const rf_component rfi_component_delay = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_delay",
    .summary = "Passes each message on after a while, in order",
    RFI_INPORTS(delay_inports),
    RFI_OUTPORTS(delay_outports),
    RFI_KEYS(delay_keys),
    .create = delay_create,
    .on_message = delay_on_message,
    .on_timer = delay_on_timer,
    .on_resume = delay_on_resume,
    .destroy = delay_destroy,
};

/* ---- tpl_interval_trigger ---- */

enum { OUT_TRIGGER };

struct trigger {
    uint64_t executions_max; /* 0: no end */
    uint64_t execution_count;
    const char *payload; /* JSON text of the configuration, with ${...} in it */
};

static bool unit_in_ms(const char *unit, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {
        {"ms", 1},          {"millisecond", 1}, {"milliseconds", 1}, {"s", 1000},
        {"second", 1000},   {"seconds", 1000},  {"m", 60000},        {"minute", 60000},
        {"minutes", 60000}, {"h", 3600000},     {"hour", 3600000},   {"hours", 3600000},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i].name, unit) == 0) {
            *out = units[i].ms;
            return true;
        }
    }
    return false;
}

static rf_err trigger_create(rf_context *ctx, void **out_state)
{
    uint64_t unit_ms = 1;
    const char *unit = rf_config_string(ctx, "intervalUnit", "milliseconds");
    if (!unit_in_ms(unit, &unit_ms))
        return rf_fail(ctx,
                       "there is no interval unit \"%s\" (milliseconds, seconds, minutes, "
                       "hours)",
                       unit);
    double interval = rf_config_number(ctx, "interval", 60000.0) * (double)unit_ms;
    if (!(interval >= 1.0 && interval <= 1e12))
        return rf_fail(ctx, "the interval must be at least one millisecond");
    struct trigger *trigger = calloc(1, sizeof *trigger);
    if (trigger == NULL)
        return RF_ENOMEM;
    trigger->executions_max =
        (uint64_t)rfi_component_integer(ctx, "maxExecutions", 0, 0, INT64_MAX);
    trigger->payload = rf_config_json(ctx, "payload");
    if (trigger->payload == NULL)
        trigger->payload = "{\"timestamp\":${timestamp},\"executionCount\":${executionCount}}";
    uint64_t period_ms = (uint64_t)interval;
    bool is_immediate = rf_config_boolean(ctx, "startImmediately", true);
    rf_err err = rf_timer_start(ctx, TIMER, is_immediate ? 0 : period_ms, period_ms);
    if (err != RF_OK) {
        free(trigger);
        return err;
    }
    *out_state = trigger;
    return RF_OK;
}

/* The template with its variables filled in. */
static void fill_payload(const struct trigger *trigger, struct rfi_buf *out)
{
    static const char timestamp[] = "${timestamp}";
    static const char execution_count[] = "${executionCount}";
    const char *at = trigger->payload;
    for (const char *next = strstr(at, "${"); next != NULL; next = strstr(at, "${")) {
        rfi_buf_append(out, at, (size_t)(next - at));
        if (strncmp(next, timestamp, sizeof timestamp - 1) == 0) {
            rfi_buf_printf(out, "%llu", (unsigned long long)(rfi_clock_wall_ns() / 1000000));
            at = next + sizeof timestamp - 1;
        } else if (strncmp(next, execution_count, sizeof execution_count - 1) == 0) {
            rfi_buf_printf(out, "%llu", (unsigned long long)trigger->execution_count);
            at = next + sizeof execution_count - 1;
        } else {
            rfi_buf_append(out, next, 2);
            at = next + 2;
        }
    }
    rfi_buf_append_text(out, at);
}

static rf_err trigger_on_timer(rf_context *ctx, void *state, uint64_t tag)
{
    (void)tag;
    struct trigger *trigger = state;
    if (rf_is_pressed(ctx))
        return RF_OK;
    trigger->execution_count++;
    if (trigger->execution_count == trigger->executions_max)
        rf_timer_cancel(ctx, TIMER);
    struct rfi_buf json;
    rfi_buf_init(&json);
    fill_payload(trigger, &json);
    rf_err err = RF_ENOMEM;
    if (!json.is_failed)
        err = rfi_component_emit_json(ctx, OUT_TRIGGER, (rf_span){json.data, json.size});
    rfi_buf_fini(&json);
    return err == RF_EFORMAT ? rf_fail(ctx, "the payload is no JSON once it is filled in") : err;
}

/* The runtime wants a handler; without in-ports it is never called. */
static rf_err trigger_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)ctx;
    (void)state;
    (void)inport;
    (void)msg;
    return RF_OK;
}

static const rf_port_def trigger_outports[] = {{"trigger", NULL, "the payload, each time"}};
static const rf_key_def trigger_keys[] = {
    {"interval", "number", "60000", false, "time between two triggers, in units"},
    {"intervalUnit", "string", "\"milliseconds\"", false,
     "milliseconds, seconds, minutes or hours"},
    {"startImmediately", "boolean", "true", false, "send the first one at once"},
    {"maxExecutions", "integer", "0", false, "stop after so many; 0: never"},
    {"payload", "json", "{\"timestamp\":${timestamp},\"executionCount\":${executionCount}}", false,
     "what to send, with ${timestamp} (ms since 1970) and ${executionCount} filled in"},
};

const rf_component rfi_component_interval_trigger = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_interval_trigger",
    .summary = "Sends a message at a fixed interval",
    RFI_OUTPORTS(trigger_outports),
    RFI_KEYS(trigger_keys),
    .create = trigger_create,
    .on_message = trigger_on_message,
    .on_timer = trigger_on_timer,
    .destroy = free,
};
