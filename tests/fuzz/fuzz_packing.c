/* SPDX-License-Identifier: MIT */
/* A session that takes compressed frames, and input that says what comes: the input's own bytes as they are, or behind the
 * head of a part, or compressed by us, whole or damaged; and frames that we send ourselves. Nothing may crash or leak,
 * no frame gets larger than its limit, what is refused has a reason, and what we send comes back the same. */
#include "net/packing.h"

#include <stdlib.h>
#include <string.h>

enum { FRAME_MAX = 300 * 1024, GROWTH = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rfi_packing packing;
static struct rfi_packing_stats stats;
static struct rfi_zstd zstd;
static struct rfi_buf scratch;

struct script {
    const uint8_t *at;
    size_t left;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static uint8_t next_byte(struct script *script)
{
    if (script->left == 0)
        return 0;
    script->left--;
    return *script->at++;
}

static size_t next_bytes(struct script *script, const uint8_t **out)
{
    size_t size = next_byte(script) | (size_t)next_byte(script) << 8;
    size = size < script->left ? size : script->left;
    *out = script->at;
    script->at += size;
    script->left -= size;
    return size;
}

static void start_session(void)
{
    rfi_packing_fini(&packing);
    rfi_packing_init(&packing, 1, 64, FRAME_MAX, &stats);
}

/* A copy of its own size, so that reading past its end is seen. NULL: refused, or not whole yet. */
static const uint8_t *take(const uint8_t *bytes, size_t size, size_t *out_size)
{
    const uint8_t *frame = NULL;
    rf_diag diag = {.text = ""};
    uint8_t *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    bool is_packed = size > 0 && copy[0] == RFI_PACKED_FRAME;
    rf_err err = rfi_packing_input(&packing, &zstd, copy, size, &scratch, &frame, out_size, &diag);
    free(copy);
    if (err != RF_OK) {
        require(err == RF_EPROTO || err == RF_ELIMIT || err == RF_ENOMEM);
        require(diag.text[0] != '\0');
        start_session();
        return NULL;
    }
    require(packing.in.size <= FRAME_MAX && scratch.size <= RFI_PACKED_PART_MAX);
    if (!is_packed)
        return NULL; /* it lies in the copy */
    require(frame == NULL ? packing.has_begun : *out_size > 0 && *out_size <= FRAME_MAX);
    return frame;
}

/* The input's bytes behind the head of a part that says any size. */
static void take_made_up(struct script *script)
{
    struct rfi_buf part = {.data = NULL};
    const uint8_t *bytes = NULL;
    rfi_buf_append_byte(&part, RFI_PACKED_FRAME);
    rfi_buf_append_byte(&part, next_byte(script) & 3);
    size_t size = next_bytes(script, &bytes);
    rfi_buf_append(&part, bytes, size);
    size_t frame_size = 0;
    (void)take(part.data, part.size, &frame_size);
    rfi_buf_fini(&part);
}

static void take_packed(struct script *script, bool has_more, bool is_damaged)
{
    struct rfi_buf part = {.data = NULL};
    const uint8_t *bytes = NULL;
    uint8_t how = next_byte(script);
    size_t at = next_byte(script) | (size_t)next_byte(script) << 8;
    size_t size = next_bytes(script, &bytes);
    if (size > 0 && rfi_zstd_pack(&zstd, 1 + how % 9, bytes, size, has_more, &part) == RF_OK) {
        if (is_damaged && how == 0)
            part.size = at % part.size;
        else if (is_damaged)
            part.data[at % part.size] ^= how;
        size_t frame_size = 0;
        (void)take(part.data, part.size, &frame_size);
    }
    rfi_buf_fini(&part);
}

static void note_release(void *owner)
{
    ++*(int *)owner;
}

/* Send what the input repeats, as head and tail, and take it in. */
static void pass_frame(struct script *script)
{
    struct rfi_buf all = {.data = NULL};
    struct rfi_buf frame = {.data = NULL};
    struct rfi_buf out = {.data = NULL};
    const uint8_t *bytes = NULL;
    size_t head_size = 1 + (size_t)next_byte(script) * 997;
    size_t times = 1 + next_byte(script) % GROWTH;
    size_t size = next_bytes(script, &bytes);
    for (size_t i = 0; i < times && all.size + size <= FRAME_MAX; i++)
        rfi_buf_append(&all, bytes, size);
    start_session();
    if (all.size > 0) {
        head_size = head_size < all.size ? head_size : all.size;
        rfi_buf_append(&frame, all.data, head_size);
        int released = 0;
        struct rfi_tail tail = {.data = NULL};
        if (head_size < all.size)
            tail = (struct rfi_tail){all.data + head_size, all.size - head_size, note_release,
                                     &released};
        size_t plain = 0;
        size_t got_size = 0;
        rf_err err = rfi_packing_begin(&packing, &zstd, &frame, &tail, &out, &plain);
        require(err == RF_OK || err == RF_EAGAIN);
        const uint8_t *got = NULL;
        while (err == RF_OK) {
            got = take(out.data, out.size, &got_size);
            if (!rfi_packing_has_next(&packing))
                break;
            require(got == NULL);
            rfi_buf_clear(&out);
            require(rfi_packing_next(&packing, &zstd, &out) == RF_OK);
        }
        if (err == RF_OK) {
            require(got != NULL && got_size == all.size && memcmp(got, all.data, got_size) == 0);
            require(frame.size == 0 && released == (tail.data != NULL ? 1 : 0));
        } else {
            require(frame.size == head_size && released == 0);
        }
    }
    rfi_buf_fini(&all);
    rfi_buf_fini(&frame);
    rfi_buf_fini(&out);
}

static void act(struct script *script)
{
    const uint8_t *bytes = NULL;
    uint8_t op = next_byte(script);
    size_t size = 0;
    size_t frame_size = 0;
    switch (op & 7) {
    case 0:
        size = next_bytes(script, &bytes);
        (void)take(bytes, size, &frame_size);
        break;
    case 1:
        take_made_up(script);
        break;
    case 2:
    case 3:
        take_packed(script, (op & 8) != 0, false);
        break;
    case 4:
    case 5:
        take_packed(script, (op & 8) != 0, true);
        break;
    case 6:
        pass_frame(script);
        break;
    default:
        start_session();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {data, size};
    rfi_zstd_init(&zstd);
    start_session();
    while (script.left > 0)
        act(&script);
    rfi_packing_fini(&packing);
    rfi_zstd_fini(&zstd);
    rfi_buf_fini(&scratch);
    return 0;
}
