/* SPDX-License-Identifier: MIT */
/** @file config.h  The configuration of a node: DistributedConfig and what goes beyond it.
 *
 *  Each key has a type, a default, a range and an environment variable REFLOW_<KEY>; the order is
 *  flags over environment over file over default. docs/config.md lists them all.
 */
#ifndef REFLOW_CONFIG_H
#define REFLOW_CONFIG_H

#include <reflow/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rf_config rf_config;

/** Make a configuration of defaults.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns owned; NULL when memory is out.
 *  Errors:  none else.
 */
RF_API rf_config *rf_config_new(void);

/** Free a configuration. NULL is allowed.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes `config`.
 *  Errors:  none.
 */
RF_API void rf_config_free(rf_config *config);

/** Read a JSON file (comments allowed) over what is there. Relative paths in it (graphs, token
 *  files) are taken from the file's folder.
 *
 *  Thread:  one at a time.  Blocks: on the file system.
 *  Owns:    borrows all.
 *  Errors:  RF_ESYS, RF_EFORMAT (an unknown key names the nearest), RF_ELIMIT (out of range).
 */
RF_API RF_NODISCARD rf_err rf_config_load(rf_config *config, const char *path, rf_diag *out_diag);

/** The same from memory; `name` stands for the file in messages, and relative paths are taken from
 *  the working directory. A refused text changes nothing, here and in rf_config_load.
 *
 *  Thread:  one at a time.  Blocks: on the file system when it names an auth_token_file.
 *  Owns:    borrows all.
 *  Errors:  as rf_config_load.
 */
RF_API RF_NODISCARD rf_err rf_config_parse(rf_config *config, const char *json, size_t size,
                                           const char *name, rf_diag *out_diag);

/** Take every REFLOW_... variable of the environment; an unknown one is an error with the nearest
 *  name (REFLOW_CONFIG, which names the file, and REFLOW_URL, which is reflowctl's, are let through).
 *
 *  Thread:  one at a time; nobody may change the environment meanwhile.   Blocks: on the
 *           file system when there is an auth_token_file.
 *  Owns:    borrows `config`.
 *  Errors:  RF_EFORMAT, RF_ELIMIT.
 */
RF_API RF_NODISCARD rf_err rf_config_load_environment(rf_config *config, rf_diag *out_diag);

/** Set one key from text: numbers and booleans as they are, strings without quotes, lists separated
 *  by commas.
 *
 *  Thread:  one at a time.  Blocks: on the file system for auth_token_file.
 *  Owns:    borrows all.
 *  Errors:  RF_ENOENT (the diag names the nearest), RF_EFORMAT, RF_ELIMIT.
 */
RF_API RF_NODISCARD rf_err rf_config_set(rf_config *config, const char *key, const char *value,
                                         rf_diag *out_diag);

/** Check what concerns several keys together.
 *
 *  Thread:  one at a time.  Blocks: never.
 *  Owns:    borrows all.
 *  Errors:  RF_EINVAL.
 */
RF_API RF_NODISCARD rf_err rf_config_check(const rf_config *config, rf_diag *out_diag);

/** Write the whole configuration as JSON; secrets are written as "***".
 *
 *  Thread:  one at a time.  Blocks: never.
 *  Owns:    returns owned, terminated text in `out_json`; free it with free().
 *  Errors:  RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_config_to_json(const rf_config *config, char **out_json);

/** The value of a key as text, in the form that rf_config_set takes; NULL: no such key.
 *
 *  Thread:  one at a time.  Blocks: never.
 *  Owns:    returns owned; free it with free().
 *  Errors:  none else.
 */
RF_API char *rf_config_get(const rf_config *config, const char *key);

/** One key of the configuration. */
typedef struct rf_config_key {
    const char *name;
    const char *type; /**< "string", "integer", "boolean", "strings", "object" */
    const char *unit; /**< "ms", "bytes", "" */
    const char *default_text;
    int64_t min, max; /**< integers; the length of a list or a string */
    bool is_secret;
    bool is_reloadable; /**< taken over by SIGHUP */
    const char *summary;
} rf_config_key;

/** Call `visit` for each key until it returns false.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows all.
 *  Errors:  none.
 */
RF_API void rf_config_each_key(bool (*visit)(void *user, const rf_config_key *key), void *user);

#ifdef __cplusplus
}
#endif
#endif
