/* SPDX-License-Identifier: MIT */
/** @file error.h  Every failure that the library reports, and where input went wrong. */
#ifndef REFLOW_ERROR_H
#define REFLOW_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RF_API       __attribute__((visibility("default")))
#define RF_NODISCARD __attribute__((warn_unused_result))
#define RF_PRINTF(format_index, first_index)                                                       \
    __attribute__((format(printf, format_index, first_index)))
#else
#define RF_API
#define RF_NODISCARD
#define RF_PRINTF(format_index, first_index)
#endif

/* name, stable text for a person */
#define RF_ERRORS(X)                                                                               \
    X(OK, "success")                                                                               \
    X(ENOMEM, "out of memory")                                                                     \
    X(EINVAL, "invalid argument")                                                                  \
    X(EFORMAT, "malformed input")                                                                  \
    X(ELIMIT, "over a configured limit")                                                           \
    X(EFULL, "mailbox is full")                                                                    \
    X(EAGAIN, "try again")                                                                         \
    X(ECLOSED, "closed")                                                                           \
    X(ESTATE, "not possible in this state")                                                        \
    X(EEXISTS, "name is already taken")                                                            \
    X(ENOACTOR, "actor not found")                                                                 \
    X(ENOPORT, "port not found")                                                                   \
    X(ENOCOMPONENT, "component not found")                                                         \
    X(ENONETWORK, "network not found")                                                             \
    X(ENOTCONNECTED, "network not connected")                                                      \
    X(ENOENT, "not found")                                                                         \
    X(ETIMEOUT, "timed out")                                                                       \
    X(EAUTH, "authentication failed")                                                              \
    X(EREFUSED, "refused by the peer")                                                             \
    X(EDUPLICATE, "network_id is in use by a live peer")                                           \
    X(EPROTO, "protocol error")                                                                    \
    X(EUNSUPPORTED, "not supported by the peer")                                                   \
    X(ENOREPLY, "the actor gave no reply")                                                         \
    X(EACTOR, "the actor failed")                                                                  \
    X(ERESTARTED, "the peer restarted")                                                            \
    X(ESYS, "operating system error")

/** What went wrong. RF_OK is 0; every other value is a failure. */
typedef enum rf_err {
#define RF_ERROR_ENUM(name, text) RF_##name,
    RF_ERRORS(RF_ERROR_ENUM)
#undef RF_ERROR_ENUM
        RF_ERR_COUNT
} rf_err;

/** Where an input is wrong, what is wrong, and how to mend it. Filled on failure only. */
typedef struct rf_diag {
    char file[256];  /**< name of the input, empty when it has none */
    unsigned line;   /**< from 1; 0 when the input has no lines */
    unsigned column; /**< from 1, in bytes */
    char text[512];  /**< one sentence for a person */
} rf_diag;

/** The name of an error, such as "RF_ENOACTOR".
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns borrowed for ever.
 *  Errors:  none; an unknown value gives "RF_E?".
 */
RF_API const char *rf_err_name(rf_err err);

/** The text of an error for a person, such as "actor not found".
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns borrowed for ever.
 *  Errors:  none; an unknown value gives "unknown error".
 */
RF_API const char *rf_err_text(rf_err err);

/** Write `diag` as `file:line:column: text` into `out` (always terminated).
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows both.
 *  Errors:  none; a text that does not fit is cut.
 */
RF_API void rf_diag_format(const rf_diag *diag, char *out, size_t out_size);

#ifdef __cplusplus
}
#endif
#endif
