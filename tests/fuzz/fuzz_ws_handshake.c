/* SPDX-License-Identifier: MIT */
/* The look at the first bytes, and the client's reading of the answer to its upgrade, on any bytes.
 * A verdict on a prefix stays: more bytes never change it. */
#include "net/ws_handshake.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void look(const uint8_t *data, size_t size)
{
    struct rfi_first first;
    struct rfi_first later;
    enum rfi_first_kind kind = rfi_first_look(data, size, &first);
    if (kind == RFI_FIRST_WEBSOCKET)
        require(strlen(first.accept) == RFI_WS_ACCEPT_SIZE - 1);
    if (kind == RFI_FIRST_WEBSOCKET || kind == RFI_FIRST_HTTP)
        require(first.head_size <= size && first.head_size <= RFI_HTTP_HEAD_MAX);
    if (kind == RFI_FIRST_REFUSED)
        require(first.status >= 400 && first.reason != NULL);
    enum rfi_first_kind half = rfi_first_look(data, size / 2, &later);
    require(half == RFI_FIRST_MORE || half == kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Memory of exactly this size: a read past the end is seen. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    memcpy(copy, data, size);
    look(copy, size);
    size_t head_size = 0;
    rf_diag diag;
    rf_err err = rfi_ws_read_response(copy, size, "dGhlIHNhbXBsZSBub25jZQ==", &head_size, &diag);
    require(err != RF_OK || head_size <= size);
    free(copy);
    return 0;
}
