/* SPDX-License-Identifier: MIT */
/* Writing JSON text straight into a buffer: commas and escapes are taken care of. */
#ifndef RFI_JSON_WRITER_H
#define RFI_JSON_WRITER_H

#include "core/base/buf.h"

enum { RFI_JSON_WRITER_DEPTH = 64 };

struct rfi_json_writer {
    struct rfi_buf *buf;
    unsigned depth;
    bool has_item[RFI_JSON_WRITER_DEPTH];
    bool is_after_key;
};

void rfi_jsonw_init(struct rfi_json_writer *w, struct rfi_buf *buf);
void rfi_jsonw_begin_object(struct rfi_json_writer *w);
void rfi_jsonw_end_object(struct rfi_json_writer *w);
void rfi_jsonw_begin_array(struct rfi_json_writer *w);
void rfi_jsonw_end_array(struct rfi_json_writer *w);
void rfi_jsonw_key(struct rfi_json_writer *w, const char *key);
void rfi_jsonw_key_bytes(struct rfi_json_writer *w, const void *key, size_t size);
void rfi_jsonw_string(struct rfi_json_writer *w, const char *text); /* NULL writes null */
void rfi_jsonw_string_bytes(struct rfi_json_writer *w, const void *text, size_t size);
void rfi_jsonw_int(struct rfi_json_writer *w, int64_t value);
void rfi_jsonw_uint(struct rfi_json_writer *w, uint64_t value);
void rfi_jsonw_double(struct rfi_json_writer *w, double value); /* shortest; not finite: null */
void rfi_jsonw_bool(struct rfi_json_writer *w, bool value);
void rfi_jsonw_null(struct rfi_json_writer *w);
void rfi_jsonw_raw(struct rfi_json_writer *w, const void *json, size_t size); /* a whole value */
/* key and value in one call */
void rfi_jsonw_kv_string(struct rfi_json_writer *w, const char *key, const char *text);
void rfi_jsonw_kv_int(struct rfi_json_writer *w, const char *key, int64_t value);
void rfi_jsonw_kv_uint(struct rfi_json_writer *w, const char *key, uint64_t value);
void rfi_jsonw_kv_double(struct rfi_json_writer *w, const char *key, double value);
void rfi_jsonw_kv_bool(struct rfi_json_writer *w, const char *key, bool value);

/* The bare pieces: `"text"` with the escapes of serde_json (\b \f \n \r \t \" \\ \u00XX, nothing
 * else; bytes that are not UTF-8 become U+FFFD), and a double in serde_json's shortest form (1.0,
 * 0.1, 1e300, 1e-7, 1e16). */
void rfi_json_write_string(struct rfi_buf *buf, const void *text, size_t size);
void rfi_json_write_double(struct rfi_buf *buf, double value);

#endif
