/* SPDX-License-Identifier: MIT */
/* The first text message each way (protocol note, 1.2), with our extra members behind the Rust ones:
 *
 *   dialler:  {"network_id","instance_id","protocol_version":"1.0","auth_token","capabilities":[…],
 *              "reflow_native":{"version":1,"incarnation":"32 hex","boot":N,"cursor":N,
 *                               "cursor_of":"32 hex","max_message_bytes":N}}
 *   acceptor: {"success","network_id","instance_id","error", "capabilities":[…], "reflow_native":{…}}
 *             where the last two appear only when the dialler offered RFI_CAPABILITY_NATIVE.
 *
 * `cursor` is the highest contiguous sequence number that the writer has handed to mailboxes out of the
 * incarnation `cursor_of` of the reader (0 and zeros when it knows none). The acceptor may know the cursor only once it
 * has read the dialler's identity, which it has. Pure code. */
#ifndef RFI_HANDSHAKE_H
#define RFI_HANDSHAKE_H

#include "core/base/buf.h"

#define RFI_CAPABILITY_ACTORS "actor_messaging"
#define RFI_CAPABILITY_NATIVE "reflow.native.1"
#define RFI_CAPABILITY_ZSTD   "reflow.native.zstd"
#define RFI_CAPABILITY_FAST   "reflow.native.fast"

enum { RFI_INCARNATION_SIZE = 16, RFI_NAME_SIZE = 129, RFI_TOKEN_SIZE = 1025 };

struct rfi_native_hello {
    uint8_t incarnation[RFI_INCARNATION_SIZE];
    uint64_t boot;
    uint64_t cursor;
    uint8_t cursor_of[RFI_INCARNATION_SIZE];
    uint32_t message_bytes_max;
    bool takes_fast; /* RFI_CAPABILITY_FAST */
};

struct rfi_hello { /* both directions */
    char network_id[RFI_NAME_SIZE];
    char instance_id[RFI_NAME_SIZE];
    bool has_token;
    char token[RFI_TOKEN_SIZE]; /* dialler */
    bool is_success;            /* acceptor */
    char error[256];            /* acceptor; empty: null */
    bool is_native;             /* capability and reflow_native are both there */
    bool has_actors;            /* RFI_CAPABILITY_ACTORS */
    bool has_zstd;              /* RFI_CAPABILITY_ZSTD; written with the native offer only */
    struct rfi_native_hello native;
};

/* Write the text message. `offer_native` false gives exactly the Rust bytes. */
void rfi_handshake_write_request(const struct rfi_hello *hello, bool offer_native,
                                 struct rfi_buf *out);
void rfi_handshake_write_response(const struct rfi_hello *hello, bool with_native,
                                  struct rfi_buf *out);
/* Read one, as liberally as serde does (members in any order, extra members, an array in field order).
 * At most 4 KiB. RF_EFORMAT with the reason. */
RF_NODISCARD rf_err rfi_handshake_read_request(const void *text, size_t size, struct rfi_hello *out,
                                               rf_diag *out_diag);
RF_NODISCARD rf_err rfi_handshake_read_response(const void *text, size_t size,
                                                struct rfi_hello *out, rf_diag *out_diag);
/* Are the tokens the same? SHA-256 of both, CRYPTO_memcmp: the time tells nothing. */
bool rfi_token_equal(const char *a, const char *b);

#endif
