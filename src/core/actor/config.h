/* SPDX-License-Identifier: MIT */
/* The configuration of one actor: its node's metadata, parsed once when the node is added. Read by the
 * actor's callbacks only. */
#ifndef RFI_ACTOR_CONFIG_H
#define RFI_ACTOR_CONFIG_H

#include "core/base/json_doc.h"
#include <reflow/error.h>

struct rfi_config_env {
    char *name, *value;
};

struct rfi_config_text { /* the JSON text of a value, terminated, made when it was asked for */
    struct rfi_config_text *next;
    const struct rfi_json *value;
    char text[];
};

struct rfi_config {
    struct rfi_json_doc *doc; /* NULL: no metadata */
    struct rfi_config_env *env;
    size_t env_count;
    struct rfi_config_text *texts;
};

/* Parse metadata and read the environment variables that it names. `name` stands for the node in
 * messages. RF_EFORMAT, RF_ENOENT (a required variable), RF_ENOMEM. The config is zeroed before. */
RF_NODISCARD rf_err rfi_config_init(struct rfi_config *config, const char *metadata_json,
                                    const char *name, rf_diag *out_diag);
void rfi_config_fini(struct rfi_config *config);
/* The root of the metadata, or NULL. */
const struct rfi_json *rfi_config_root(const struct rfi_config *config);

#endif
