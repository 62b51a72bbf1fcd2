/* SPDX-License-Identifier: MIT */
/* Handshakes: what is read is written and read again to the same hello. */
#include "net/handshake.h"

#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void require_same(const struct rfi_hello *a, const struct rfi_hello *b)
{
    require(strcmp(a->network_id, b->network_id) == 0);
    require(strcmp(a->instance_id, b->instance_id) == 0);
    require(a->has_token == b->has_token && strcmp(a->token, b->token) == 0);
    require(a->is_success == b->is_success && strcmp(a->error, b->error) == 0);
    require(a->is_native == b->is_native);
    if (!a->is_native)
        return;
    require(memcmp(a->native.incarnation, b->native.incarnation, RFI_INCARNATION_SIZE) == 0);
    require(memcmp(a->native.cursor_of, b->native.cursor_of, RFI_INCARNATION_SIZE) == 0);
    require(a->native.boot == b->native.boot && a->native.cursor == b->native.cursor);
    require(a->native.message_bytes_max == b->native.message_bytes_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rfi_hello hello;
    struct rfi_hello again;
    struct rfi_buf out;
    rf_diag diag;
    rfi_buf_init(&out);
    if (rfi_handshake_read_request(data, size, &hello, &diag) == RF_OK) {
        rfi_handshake_write_request(&hello, hello.is_native, &out);
        /* escapes may make the text longer than what a reader takes */
        if (rfi_handshake_read_request(out.data, out.size, &again, NULL) == RF_OK)
            require_same(&hello, &again);
        else
            require(out.size > 4096);
    }
    rfi_buf_clear(&out);
    if (rfi_handshake_read_response(data, size, &hello, &diag) == RF_OK) {
        rfi_handshake_write_response(&hello, hello.is_native, &out);
        require(rfi_handshake_read_response(out.data, out.size, &again, NULL) == RF_OK);
        require_same(&hello, &again);
    }
    rfi_buf_fini(&out);
    return 0;
}
