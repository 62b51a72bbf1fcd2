/* SPDX-License-Identifier: MIT */
/** @file log.h  The log of the library: one line an event, on stderr unless a sink is set. */
#ifndef REFLOW_LOG_H
#define REFLOW_LOG_H

#include <reflow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** From what wakes an operator to what only a developer wants to see. */
typedef enum rf_log_level {
    RF_LOG_ERROR,
    RF_LOG_WARN,
    RF_LOG_INFO,
    RF_LOG_DEBUG,
    RF_LOG_TRACE
} rf_log_level;

/** Receives one finished line without its newline. Called from any thread, one call at a time. */
typedef void (*rf_log_sink)(void *user, rf_log_level level, const char *line);

/** Set the level below which nothing is written (default RF_LOG_INFO).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    nothing.
 *  Errors:  none.
 */
RF_API void rf_log_set_level(rf_log_level level);

/** Read a level's name: error, warn, info, debug or trace.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `name`.
 *  Errors:  RF_EINVAL: not a level's name.
 */
RF_API RF_NODISCARD rf_err rf_log_level_parse(const char *name, rf_log_level *out_level);

/** Write JSON lines (true) or `time level event key=value` text (false, the default).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    nothing.
 *  Errors:  none.
 */
RF_API void rf_log_set_json(bool is_json);

/** Send lines to `sink` instead of stderr; NULL goes back to stderr.
 *
 *  Thread:  any, before other threads log.   Blocks: never.
 *  Owns:    borrows `user` until another sink is set.
 *  Errors:  none.
 */
RF_API void rf_log_set_sink(rf_log_sink sink, void *user);

/** Write one line. `event` is a stable upper-case id such as "NET-PEER-REJECTED"; the text after it
 *  is `key=value` fields. Control bytes, bad UTF-8 and bidirectional marks are escaped, so that one
 *  call is always one line. Lines of one event beyond 10 a second are counted, not written.
 *
 *  Thread:  any.            Blocks: on the sink.
 *  Owns:    borrows all.
 *  Errors:  none.
 */
RF_API void rf_log(rf_log_level level, const char *event, const char *format, ...) RF_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
