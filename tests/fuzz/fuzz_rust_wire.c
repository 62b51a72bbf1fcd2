/* SPDX-License-Identifier: MIT */
/* A text frame: the classification never fails, a RemoteMessage that was read is written and read
 * again to the same parts, and every text is terminated. */
#include "net/rust_wire.h"

#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool is_c_text(struct rfi_rust_text text)
{
    require(text.text != NULL && text.text[text.size] == '\0');
    return strlen(text.text) == text.size;
}

static bool same_text(struct rfi_rust_text a, struct rfi_rust_text b)
{
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

static void check_message(const struct rfi_rust_frame *frame)
{
    const struct rfi_rust_text texts[] = {frame->message_id,   frame->source_network,
                                          frame->source_actor, frame->target_network,
                                          frame->target_actor, frame->target_port};
    bool is_plain = true;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        is_plain = is_c_text(texts[i]) && is_plain;
    require(frame->payload != NULL);
    if (!is_plain)
        return;
    struct rfi_rust_header header = {.message_id = frame->message_id.text,
                                     .source_network = frame->source_network.text,
                                     .source_actor = frame->source_actor.text,
                                     .target_network = frame->target_network.text,
                                     .target_actor = frame->target_actor.text,
                                     .target_port = frame->target_port.text,
                                     .wall_ns = UINT64_C(1700000000000000000)};
    struct rfi_buf out;
    struct rfi_buf scratch;
    struct rfi_rust_frame again;
    rfi_buf_init(&out);
    rfi_buf_init(&scratch);
    require(rfi_rust_write_message(&header, frame->payload, "Stream", true, &out) == RF_OK);
    require(rfi_rust_read((const char *)out.data, out.size, &scratch, &again) == RF_OK);
    require(again.type == RFI_RUST_MESSAGE && rf_message_equal(again.payload, frame->payload));
    require(same_text(again.message_id, frame->message_id));
    require(same_text(again.target_actor, frame->target_actor));
    require(same_text(again.target_port, frame->target_port));
    rf_message_unref(again.payload);
    rfi_buf_fini(&out);
    rfi_buf_fini(&scratch);
}

/* What the short way accepts, with or without a memo of the same text, the long way reads to the same parts. */
static void check_plain(const char *text, size_t size, const struct rfi_rust_frame *frame)
{
    struct rfi_rust_memo memo = {.names_size = 0};
    for (int round = 0; round < 2; round++) {
        struct rfi_rust_plain plain;
        if (!rfi_rust_read_plain(text, size, &memo, &plain)) {
            require(round == 0);
            return;
        }
        require(frame->type == RFI_RUST_MESSAGE);
        require(rf_message_equal(plain.payload, frame->payload));
        require(plain.has_stream_name == frame->has_stream_name);
        require(same_text(plain.message_id, frame->message_id));
        if (plain.has_new_names) {
            require(same_text(plain.target_actor, frame->target_actor));
            require(same_text(plain.target_port, frame->target_port));
        }
        rf_message_unref(plain.payload);
        rfi_rust_remember(&memo, &plain);
        require(plain.has_new_names == (round == 0 || memo.names_size == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rfi_buf scratch;
    struct rfi_rust_frame frame;
    rfi_buf_init(&scratch);
    require(rfi_rust_read((const char *)data, size, &scratch, &frame) == RF_OK);
    check_plain((const char *)data, size, &frame);
    switch (frame.type) {
    case RFI_RUST_MESSAGE:
        check_message(&frame);
        break;
    case RFI_RUST_HEARTBEAT:
        (void)is_c_text(frame.network_id);
        break;
    case RFI_RUST_ACTORS_REQUEST:
        (void)is_c_text(frame.request_id);
        (void)is_c_text(frame.requesting_network);
        break;
    case RFI_RUST_ACTORS_RESPONSE:
        (void)is_c_text(frame.request_id);
        (void)is_c_text(frame.network_id);
        for (size_t i = 0; i < frame.actor_count; i++)
            (void)is_c_text(frame.actors[i]);
        break;
    case RFI_RUST_IGNORED:
        require(frame.why[0] != '\0' && frame.payload == NULL);
        break;
    }
    rf_message_unref(frame.payload);
    rfi_buf_fini(&scratch);
    return 0;
}
