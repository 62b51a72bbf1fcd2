/* SPDX-License-Identifier: MIT */
/* The frame parser on any bytes. Input: one byte that picks the wire and the size of the pieces,
 * then the peer's bytes. The same bytes in one piece and in small ones must give the same events,
 * spans stay inside the buffer, and limits hold. */
#include "net/ws_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t digest; /* of all events */
    uint64_t message_count;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void mix(struct outcome *outcome, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        outcome->digest = (outcome->digest ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void note(struct outcome *outcome, const struct rfi_frame_parser *parser,
                 enum rfi_frame_event event, const uint8_t *in, size_t in_size)
{
    uint8_t kind = (uint8_t)event;
    mix(outcome, &kind, 1);
    if (event == RFI_FRAME_MESSAGE) {
        const struct rfi_frame_span *span = &parser->message;
        require((size_t)span->offset + span->size <= in_size);
        require(span->size <= parser->limits.message_bytes_max);
        require(span->opcode != RFI_TEXT || rfi_utf8_is_valid(in + span->offset, span->size));
        mix(outcome, in + span->offset, span->size);
        outcome->message_count++;
    } else if (event == RFI_FRAME_FAIL) {
        require(parser->fail_err != RF_OK && parser->fail_reason != NULL);
        mix(outcome, parser->fail_reason, strlen(parser->fail_reason));
    } else {
        require(parser->control_size <= RFI_WS_CONTROL_MAX);
        mix(outcome, parser->control, parser->control_size);
    }
}

static struct outcome run(enum rfi_frame_mode mode, const uint8_t *data, size_t size, size_t step,
                          bool is_discarding)
{
    static const struct rfi_frame_limits limits = {2000, 1500, 5};
    struct outcome outcome = {.digest = UINT64_C(0xcbf29ce484222325)};
    struct rfi_frame_parser parser;
    uint8_t *in = NULL;
    size_t in_size = 0;
    bool is_over = false;
    rfi_frame_parser_init(&parser, mode, &limits);
    parser.is_discarding = is_discarding;
    for (size_t at = 0; at < size && !is_over; at += step) {
        size_t count = size - at < step ? size - at : step;
        uint8_t *bigger = realloc(in, in_size + count);
        require(bigger != NULL);
        in = bigger;
        memcpy(in + in_size, data + at, count);
        in_size += count;
        for (;;) {
            enum rfi_frame_event event = rfi_frame_parse(&parser, in, in_size);
            if (event == RFI_FRAME_MORE)
                break;
            note(&outcome, &parser, event, in, in_size);
            is_over = event == RFI_FRAME_FAIL || event == RFI_FRAME_CLOSE;
            if (is_over)
                break;
        }
        if (is_over)
            break;
        in_size = rfi_frame_move_tail(&parser, in, in, in_size);
        require(in_size <= limits.message_bytes_max + RFI_WS_HEADER_MAX);
    }
    require(!is_discarding || outcome.message_count == 0);
    free(in);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    enum rfi_frame_mode mode = (enum rfi_frame_mode)(data[0] % 3);
    size_t step = 1 + (size_t)data[0] / 6;
    bool is_discarding = data[0] / 3 % 2 == 1;
    struct outcome whole = run(mode, data + 1, size - 1, size, is_discarding);
    struct outcome pieces = run(mode, data + 1, size - 1, step, is_discarding);
    require(whole.digest == pieces.digest && whole.message_count == pieces.message_count);
    return 0;
}
