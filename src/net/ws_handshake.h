/* SPDX-License-Identifier: MIT */
/* The first bytes of a connection: which protocol they speak, and the WebSocket upgrade of both
 * sides (RFC 6455, section 4). Pure code on bytes. */
#ifndef RFI_WS_HANDSHAKE_H
#define RFI_WS_HANDSHAKE_H

#include "core/base/buf.h"
#include "net/endpoint.h"

#define RFI_TCP_PREFACE "RFLOW/1\n"

enum {
    RFI_TCP_PREFACE_SIZE = 8,
    RFI_HTTP_HEAD_MAX = 8192,
    RFI_HTTP_LINE_MAX = 4096,
    RFI_HTTP_HEADERS_MAX = 64,
    RFI_WS_KEY_SIZE = 25,   /* base64 of 16 bytes, terminated */
    RFI_WS_ACCEPT_SIZE = 29 /* base64 of a SHA-1, terminated */
};

enum rfi_first_kind {
    RFI_FIRST_MORE,      /* cannot tell yet */
    RFI_FIRST_TCP,       /* the native preface, RFI_TCP_PREFACE_SIZE bytes */
    RFI_FIRST_WEBSOCKET, /* a good upgrade: head_size, accept */
    RFI_FIRST_HTTP,      /* another whole, well-formed HTTP head */
    RFI_FIRST_REFUSED,   /* HTTP that must be answered with `status` and closed */
    RFI_FIRST_TLS,
    RFI_FIRST_GARBAGE
};

struct rfi_first {
    size_t head_size;
    char accept[RFI_WS_ACCEPT_SIZE];
    int status;
    const char *reason;
};

/* Look at all that has come so far. */
enum rfi_first_kind rfi_first_look(const uint8_t *bytes, size_t size, struct rfi_first *out);

/* The accept value for a key in its base64 form. */
RF_NODISCARD rf_err rfi_ws_accept_key(const char key[RFI_WS_KEY_SIZE],
                                      char out[RFI_WS_ACCEPT_SIZE]);
/* The base64 form of 16 random bytes. */
void rfi_ws_make_key(const uint8_t random[16], char out[RFI_WS_KEY_SIZE]);

/* Append: the 101 answer; an answer of another status with Connection: close; the client's request.
 */
void rfi_ws_write_accept(const char *accept, struct rfi_buf *out);
void rfi_http_write_refusal(int status, const char *reason, struct rfi_buf *out);
void rfi_ws_write_request(const struct rfi_endpoint *endpoint, const char *key,
                          struct rfi_buf *out);
/* Read the server's answer: RF_EAGAIN (more bytes), RF_EPROTO with the reason, RF_ELIMIT, or RF_OK
 * and the size of the head; frames may follow it. */
RF_NODISCARD rf_err rfi_ws_read_response(const uint8_t *bytes, size_t size, const char *key,
                                         size_t *out_head_size, rf_diag *out_diag);

#endif
