/* SPDX-License-Identifier: MIT */
/* What the files of the configuration share: the table of fields and how values get into them. */
#ifndef RFI_CONFIG_INTERNAL_H
#define RFI_CONFIG_INTERNAL_H

#include "config.h"
#include "core/base/json_doc.h"

enum rfi_config_type {
    RFI_CONFIG_STRING,
    RFI_CONFIG_INTEGER,
    RFI_CONFIG_BOOLEAN,
    RFI_CONFIG_STRINGS,
    RFI_CONFIG_OBJECT
};

struct rfi_config_field {
    rf_config_key key;
    size_t offset; /* in struct rf_config: char *, uint32_t, bool, struct rfi_strings, char * */
    enum rfi_config_type type;
    bool is_path; /* relative ones are taken from the folder of the file */
};

extern const struct rfi_config_field rfi_config_fields[];
extern const size_t rfi_config_field_count;

/* Where a value comes from: a place in a document, or something with a name. */
struct rfi_config_origin {
    const struct rfi_json_doc *doc; /* with `node` */
    const struct rfi_json *node;
    const char *name;   /* else: the variable or key */
    const char *folder; /* relative paths start here; NULL: the working directory */
    rf_diag *diag;
};

/* Report a mistake at the origin. Returns `err`. */
rf_err rfi_config_fail(const struct rfi_config_origin *origin, rf_err err, const char *format, ...)
    RF_PRINTF(3, 4);
/* Report a key that does not exist; `prefix` and upper case for variables. */
rf_err rfi_config_fail_unknown(const struct rfi_config_origin *origin, rf_err err, const char *key,
                               bool is_variable);

const struct rfi_config_field *rfi_config_find(const char *key, size_t size);
/* Put a value in, replacing the old one; RF_EFORMAT, RF_ELIMIT, RF_ENOMEM, RF_ESYS (token file). */
RF_NODISCARD rf_err rfi_config_assign_text(rf_config *config, const struct rfi_config_field *field,
                                           const char *text,
                                           const struct rfi_config_origin *origin);
RF_NODISCARD rf_err rfi_config_assign_json(rf_config *config, const struct rfi_config_field *field,
                                           const struct rfi_config_origin *origin);
/* Free or wipe what a field holds. */
void rfi_config_clear_field(rf_config *config, const struct rfi_config_field *field);
/* Read a whole file of at most `size_max` bytes; RF_ESYS, RF_ELIMIT, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_config_read_file(const char *path, size_t size_max, struct rfi_buf *out);

#endif
