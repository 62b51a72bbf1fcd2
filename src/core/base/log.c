/* SPDX-License-Identifier: MIT */
/* The log: one call, one line, one write(2). Level and form are atomics that any thread may set; the
 * sink and the table of events are under one lock, which also keeps lines whole and in order. Lines
 * are made on the stack and cut when too long: logging never allocates and never fails its caller,
 * and errno survives it. What peers sent may be in a line, so it is escaped here, once, for every
 * caller. It does not rotate, buffer or forward: that is the business of who reads stderr. */
#include <reflow/log.h>

#include "core/base/buf.h"
#include "core/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    TEXT_SIZE = 2048, /* before escaping */
    LINE_SIZE = 8192, /* after it */
    EVENT_SIZE = 48,  /* of an id, terminated */
    EVENTS_MAX = 128, /* ids watched at a time */
    LINES_PER_WINDOW = 10
};

#define WINDOW_NS UINT64_C(1000000000)

struct event {
    uint64_t window_start_ns;
    uint64_t suppressed; /* lines not written in this window */
    rf_log_level level;
    unsigned written;
    char id[EVENT_SIZE];
};

static _Atomic(int) level_max = RF_LOG_INFO;
static _Atomic(bool) is_json_form;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* under `lock` */
static rf_log_sink current_sink;
static void *current_user;
static struct event events[EVENTS_MAX];
static size_t event_count;
static size_t suppressed_events; /* events with suppressed > 0 */

static void write_line_locked(rf_log_level level, const char *event, const char *text);

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

void rf_log_set_level(rf_log_level level)
{
    /* relaxed: a line more or less around the change is no harm */
    atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

rf_err rf_log_level_parse(const char *name, rf_log_level *out_level)
{
    for (int i = RF_LOG_ERROR; name != NULL && i <= RF_LOG_TRACE; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *out_level = (rf_log_level)i;
            return RF_OK;
        }
    return RF_EINVAL;
}

void rf_log_set_json(bool is_json)
{
    atomic_store_explicit(&is_json_form, is_json, memory_order_relaxed); /* as for the level */
}

void rf_log_set_sink(rf_log_sink sink, void *user)
{
    (void)pthread_mutex_lock(&lock);
    current_sink = sink;
    current_user = user;
    (void)pthread_mutex_unlock(&lock);
}

static void end_window_locked(struct event *event)
{
    if (event->suppressed == 0)
        return;
    char text[64];
    (void)snprintf(text, sizeof text, "suppressed=%llu window_ms=1000",
                   (unsigned long long)event->suppressed);
    event->suppressed = 0;
    suppressed_events--;
    write_line_locked(event->level, event->id, text);
}

/* Tell of what was held back in windows that are over, of this event or of others. */
static void end_old_windows_locked(uint64_t now_ns)
{
    for (size_t i = 0; i < event_count && suppressed_events > 0; i++)
        if (now_ns - events[i].window_start_ns >= WINDOW_NS)
            end_window_locked(&events[i]);
}

/* The record of an id; a new one takes a free place, or that of the oldest window. */
static struct event *find_event_locked(const char *id)
{
    char cut[EVENT_SIZE];
    (void)snprintf(cut, sizeof cut, "%s", id);
    struct event *oldest = &events[0];
    for (size_t i = 0; i < event_count; i++) {
        if (strcmp(events[i].id, cut) == 0)
            return &events[i];
        if (events[i].window_start_ns < oldest->window_start_ns)
            oldest = &events[i];
    }
    if (event_count < EVENTS_MAX)
        oldest = &events[event_count++];
    else
        end_window_locked(oldest);
    *oldest = (struct event){0};
    memcpy(oldest->id, cut, sizeof cut);
    return oldest;
}

static bool is_admitted_locked(rf_log_level level, const char *id)
{
    uint64_t now_ns = rfi_clock_ns();
    if (suppressed_events > 0)
        end_old_windows_locked(now_ns);
    struct event *event = find_event_locked(id);
    if (event->window_start_ns == 0 || now_ns - event->window_start_ns >= WINDOW_NS) {
        event->window_start_ns = now_ns;
        event->written = 0;
    }
    event->level = level;
    if (event->written < LINES_PER_WINDOW) {
        event->written++;
        return true;
    }
    if (event->suppressed++ == 0)
        suppressed_events++;
    return false;
}

void rf_log(rf_log_level level, const char *event, const char *format, ...)
{
    /* relaxed: see rf_log_set_level */
    if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed))
        return;
    int saved_errno = errno;
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0)
        text[0] = '\0';
    else if ((size_t)size >= sizeof text)
        memcpy(text + sizeof text - 4, "...", 4);
    (void)pthread_mutex_lock(&lock);
    if (is_admitted_locked(level, event))
        write_line_locked(level, event, text);
    (void)pthread_mutex_unlock(&lock);
    errno = saved_errno;
}

struct line {
    char *data;
    size_t size;  /* room for the newline and the end is kept */
    bool is_full; /* something did not fit: the line ends there */
};

static void append(struct line *line, const char *bytes, size_t size)
{
    if (line->is_full || size > LINE_SIZE - 8 - line->size) {
        line->is_full = true;
        return;
    }
    memcpy(line->data + line->size, bytes, size);
    line->size += size;
}

static void append_text(struct line *line, const char *text)
{
    append(line, text, strlen(text));
}

static uint32_t decode(const uint8_t *at, size_t size)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = at[0] & masks[size];
    for (size_t i = 1; i < size; i++)
        code = code << 6 | (at[i] & 0x3fU);
    return code;
}

/* Control characters, line ends of Unicode, and the marks that turn the direction of writing. */
static bool is_dangerous(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c ||
           (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static void append_escaped(struct line *line, const char *text, bool is_json)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t left = strlen(text);
    while (left > 0) {
        char escape[16];
        size_t step = rfi_utf8_sequence(bytes, left);
        uint32_t code = step > 0 ? decode(bytes, step) : 0;
        if (step == 0) {
            step = 1;
            (void)snprintf(escape, sizeof escape, is_json ? "\\\\x%02x" : "\\x%02x", bytes[0]);
            append_text(line, escape);
        } else if (is_dangerous(code)) {
            (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
            append_text(line, code == '\n' ? "\\n" : code == '\t' ? "\\t" : escape);
        } else {
            if (is_json && code == '"')
                append_text(line, "\\\"");
            else if (is_json && code == '\\')
                append_text(line, "\\\\");
            else
                append(line, (const char *)bytes, step);
        }
        bytes += step;
        left -= step;
    }
}

static void write_stderr(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* nowhere left to complain */
        data += written;
        size -= (size_t)written;
    }
}

static void write_line_locked(rf_log_level level, const char *event, const char *text)
{
    bool is_json = atomic_load_explicit(&is_json_form, memory_order_relaxed); /* as set */
    const char *name = level_names[(unsigned)level <= RF_LOG_TRACE ? level : RF_LOG_TRACE];
    char time[RFI_TIMESTAMP_SIZE];
    uint64_t wall_ns = rfi_clock_wall_ns();
    rfi_timestamp_format(wall_ns - wall_ns % UINT64_C(1000000), time);
    char data[LINE_SIZE];
    struct line line = {data, 0, false};
    append_text(&line, is_json ? "{\"time\":\"" : "");
    append_text(&line, time);
    append_text(&line, is_json ? "\",\"level\":\"" : " ");
    append_text(&line, name);
    append_text(&line, is_json ? "\",\"event\":\"" : " ");
    append_escaped(&line, event, is_json);
    append_text(&line, is_json ? "\",\"text\":\"" : text[0] != '\0' ? " " : "");
    append_escaped(&line, text, is_json);
    if (is_json) {
        memcpy(data + line.size, "\"}", 2); /* within the room that append keeps */
        line.size += 2;
    }
    if (current_sink != NULL) {
        data[line.size] = '\0';
        current_sink(current_user, level, data);
    } else {
        data[line.size] = '\n';
        write_stderr(data, line.size + 1);
    }
}
