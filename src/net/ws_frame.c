/* SPDX-License-Identifier: MIT */
/* Frames of both wires, as a pure state machine over the connection's read buffer.
 *
 * Owned by the connection, used on its I/O loop. The bytes of the message under way are joined
 * where they lie: bytes[start, write), while `read` runs ahead over headers and interleaved control
 * frames. So a message that came in one frame is never copied, and fragments move down by the size
 * of the headers between them. Invariants: start <= write <= read <= size; without a message under
 * way the three are equal; after MORE, less than one header is unread.
 *
 * Every limit is compared when a header is read, before anything is kept. It allocates nothing,
 * knows no socket, and counts no rates: the connection does. */
#include "net/ws_frame.h"

#include <string.h>

enum header_result { HEADER_MORE, HEADER_DONE, HEADER_BAD };

static enum rfi_frame_event fail(struct rfi_frame_parser *parser, uint16_t code, rf_err err,
                                 const char *reason)
{
    parser->close_code = code;
    parser->fail_err = err;
    parser->fail_reason = reason;
    return RFI_FRAME_FAIL;
}

static enum header_result bad(struct rfi_frame_parser *parser, uint16_t code, rf_err err,
                              const char *reason)
{
    (void)fail(parser, code, err, reason);
    return HEADER_BAD;
}

void rfi_frame_parser_init(struct rfi_frame_parser *parser, enum rfi_frame_mode mode,
                           const struct rfi_frame_limits *limits)
{
    memset(parser, 0, sizeof *parser);
    parser->mode = mode;
    parser->limits = *limits;
}

/* The first frame of a message, or its only one. */
static void begin_message(struct rfi_frame_parser *parser, uint8_t opcode)
{
    parser->in_message = true;
    parser->message_opcode = opcode;
    parser->fragment_count = 1;
    parser->is_ascii = true; /* as long as nothing else was seen, or not looked for */
    parser->start = parser->write = parser->read;
}

static enum header_result read_tcp_header(struct rfi_frame_parser *parser, const uint8_t *bytes,
                                          size_t size)
{
    if (size - parser->read < RFI_TCP_HEADER_SIZE)
        return HEADER_MORE;
    const uint8_t *at = bytes + parser->read;
    uint32_t length = rfi_load_u32(at);
    if (length == 0)
        return bad(parser, 0, RF_EPROTO, "native frame without an opcode");
    if (at[4] != RFI_TEXT && at[4] != RFI_BINARY)
        return bad(parser, 0, RF_EPROTO, "native frame with an unknown opcode");
    if (length - 1 > parser->limits.message_bytes_max && !parser->is_discarding)
        return bad(parser, 0, RF_ELIMIT, "message is larger than message_bytes_max");
    parser->read += RFI_TCP_HEADER_SIZE;
    parser->payload_left = length - 1;
    parser->is_final = true;
    parser->is_control = false;
    begin_message(parser, at[4]);
    return HEADER_DONE;
}

/* The first two bytes of a WebSocket header: everything that does not depend on the length. */
static enum header_result check_ws_start(struct rfi_frame_parser *parser, uint8_t b0, uint8_t b1)
{
    uint8_t opcode = b0 & 0x0f;
    bool is_masked = (b1 & 0x80) != 0;
    if ((b0 & 0x70) != 0)
        return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "reserved bit set");
    if (is_masked != (parser->mode == RFI_FRAMES_OF_CLIENT))
        return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO,
                   is_masked ? "masked frame from a server" : "unmasked frame from a client");
    if (opcode >= RFI_WS_CLOSE) {
        if (opcode > RFI_WS_PONG)
            return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "unknown control opcode");
        if ((b0 & 0x80) == 0)
            return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "fragmented control frame");
        if ((b1 & 0x7f) > RFI_WS_CONTROL_MAX)
            return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "control frame over 125 bytes");
        return HEADER_DONE;
    }
    if (opcode > RFI_BINARY)
        return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "unknown data opcode");
    if (opcode == RFI_WS_CONTINUATION && !parser->in_message)
        return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "continuation without a message");
    if (opcode != RFI_WS_CONTINUATION && parser->in_message)
        return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "new message inside a fragmented one");
    return HEADER_DONE;
}

static enum header_result check_ws_length(struct rfi_frame_parser *parser, uint64_t length)
{
    size_t before = parser->in_message ? parser->write - parser->start : 0;
    if (length > parser->limits.frame_bytes_max)
        return bad(parser, RFI_CLOSE_TOO_LARGE, RF_ELIMIT,
                   "frame is larger than websocket_frame_bytes_max");
    if (length > parser->limits.message_bytes_max ||
        before > parser->limits.message_bytes_max - length)
        return bad(parser, RFI_CLOSE_TOO_LARGE, RF_ELIMIT,
                   "message is larger than message_bytes_max");
    if (parser->in_message && parser->fragment_count >= parser->limits.fragments_max)
        return bad(parser, RFI_CLOSE_POLICY, RF_ELIMIT, "message has more fragments than allowed");
    return HEADER_DONE;
}

/* The length field behind the first two bytes. False: not minimal, or its top bit is set. */
static bool read_ws_length(const uint8_t *at, size_t field_size, uint64_t *out_length)
{
    if (field_size == 0) {
        *out_length = at[1] & 0x7f;
        return true;
    }
    uint64_t length = 0;
    for (size_t i = 0; i < field_size; i++)
        length = length << 8 | at[2 + i];
    *out_length = length;
    return field_size == 2 ? length > 125 : length > UINT16_MAX && length <= INT64_MAX;
}

static enum header_result read_ws_header(struct rfi_frame_parser *parser, const uint8_t *bytes,
                                         size_t size)
{
    size_t here = size - parser->read;
    const uint8_t *at = bytes + parser->read;
    if (here < 2)
        return HEADER_MORE;
    enum header_result result = check_ws_start(parser, at[0], at[1]);
    if (result != HEADER_DONE)
        return result;
    size_t field_size = (at[1] & 0x7f) == 127 ? 8 : (at[1] & 0x7f) == 126 ? 2 : 0;
    size_t mask_size = (at[1] & 0x80) != 0 ? 4 : 0;
    if (here < 2 + field_size + mask_size)
        return HEADER_MORE;
    uint64_t length = 0;
    if (!read_ws_length(at, field_size, &length))
        return bad(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "length is not in its shortest form");
    uint8_t opcode = at[0] & 0x0f;
    bool is_control = opcode >= RFI_WS_CLOSE;
    if (!is_control && !parser->is_discarding && check_ws_length(parser, length) != HEADER_DONE)
        return HEADER_BAD;
    memcpy(parser->mask, at + 2 + field_size, mask_size);
    parser->read += 2 + field_size + mask_size;
    parser->payload_left = length;
    parser->payload_taken = 0;
    parser->frame_opcode = opcode;
    parser->is_control = is_control;
    parser->is_final = (at[0] & 0x80) != 0;
    if (is_control)
        parser->control_size = 0;
    else if (parser->in_message)
        parser->fragment_count++;
    else
        begin_message(parser, opcode);
    return HEADER_DONE;
}

/* Use up what is here of the frame's payload. */
static void take_payload(struct rfi_frame_parser *parser, uint8_t *bytes, size_t size)
{
    size_t count = size - parser->read;
    if (count > parser->payload_left)
        count = (size_t)parser->payload_left;
    if (count == 0)
        return;
    uint8_t *to = NULL;
    bool is_ascii = false;
    if (parser->is_control) {
        to = parser->control + parser->control_size;
        memcpy(to, bytes + parser->read, count);
        parser->control_size += count;
    } else if (!parser->is_discarding) {
        to = bytes + parser->write;
        if (parser->write != parser->read)
            memmove(to, bytes + parser->read, count);
        parser->write += count;
    }
    if (to != NULL && parser->mode == RFI_FRAMES_OF_CLIENT)
        is_ascii = rfi_ws_mask(to, count, parser->mask, parser->payload_taken);
    if (!parser->is_control && !is_ascii)
        parser->is_ascii = false;
    parser->read += count;
    parser->payload_left -= count;
    parser->payload_taken += count;
}

bool rfi_ws_close_code_is_valid(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

static enum rfi_frame_event finish_control(struct rfi_frame_parser *parser)
{
    if (!parser->in_message)
        parser->start = parser->write = parser->read;
    if (parser->frame_opcode == RFI_WS_PING)
        return RFI_FRAME_PING;
    if (parser->frame_opcode == RFI_WS_PONG)
        return RFI_FRAME_PONG;
    parser->close_code = 0;
    if (parser->control_size == 0)
        return RFI_FRAME_CLOSE;
    if (parser->control_size == 1)
        return fail(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "Close frame with half a code");
    unsigned code = (unsigned)parser->control[0] << 8 | parser->control[1];
    if (!rfi_ws_close_code_is_valid(code))
        return fail(parser, RFI_CLOSE_PROTOCOL, RF_EPROTO, "Close frame with a forbidden code");
    parser->control_size -= 2;
    memmove(parser->control, parser->control + 2, parser->control_size);
    if (!rfi_utf8_is_valid(parser->control, parser->control_size))
        return fail(parser, RFI_CLOSE_BAD_TEXT, RF_EPROTO, "Close reason is not UTF-8");
    parser->close_code = (uint16_t)code;
    return RFI_FRAME_CLOSE;
}

/* The last frame of a message is whole. MORE: go on, nothing to hand up. */
static enum rfi_frame_event finish_message(struct rfi_frame_parser *parser, const uint8_t *bytes)
{
    size_t start = parser->start;
    size_t size = parser->write - start;
    parser->in_message = false;
    parser->start = parser->write = parser->read;
    if (parser->is_discarding)
        return RFI_FRAME_MORE;
    if (parser->message_opcode == RFI_TEXT && !parser->is_ascii &&
        !rfi_utf8_is_valid(bytes + start, size))
        return fail(parser, RFI_CLOSE_BAD_TEXT, RF_EPROTO, "text message is not UTF-8");
    parser->message.offset = (uint32_t)start;
    parser->message.size = (uint32_t)size;
    parser->message.opcode = parser->message_opcode;
    return RFI_FRAME_MESSAGE;
}

enum rfi_frame_event rfi_frame_parse(struct rfi_frame_parser *parser, uint8_t *bytes, size_t size)
{
    for (;;) {
        if (!parser->in_frame) {
            enum header_result result = parser->mode == RFI_FRAMES_TCP
                                            ? read_tcp_header(parser, bytes, size)
                                            : read_ws_header(parser, bytes, size);
            if (result == HEADER_BAD)
                return RFI_FRAME_FAIL;
            if (result == HEADER_MORE)
                return RFI_FRAME_MORE;
            parser->in_frame = true;
        }
        take_payload(parser, bytes, size);
        if (parser->payload_left > 0)
            return RFI_FRAME_MORE;
        parser->in_frame = false;
        if (parser->is_control)
            return finish_control(parser);
        if (parser->is_final) {
            enum rfi_frame_event event = finish_message(parser, bytes);
            if (event != RFI_FRAME_MORE)
                return event;
        }
    }
}

size_t rfi_frame_tail_size(const struct rfi_frame_parser *parser, size_t size)
{
    return (parser->write - parser->start) + (size - parser->read);
}

size_t rfi_frame_move_tail(struct rfi_frame_parser *parser, uint8_t *to, const uint8_t *bytes,
                           size_t size)
{
    size_t message_size = parser->write - parser->start;
    size_t unread_size = size - parser->read;
    if (message_size > 0 && to != bytes + parser->start)
        memmove(to, bytes + parser->start, message_size);
    if (unread_size > 0)
        memmove(to + message_size, bytes + parser->read, unread_size);
    parser->start = 0;
    parser->write = parser->read = message_size;
    return message_size + unread_size;
}

bool rfi_frame_is_under_way(const struct rfi_frame_parser *parser, size_t rest_min,
                            size_t *out_frame_size)
{
    if (!parser->in_frame || !parser->in_message || parser->is_control || !parser->is_final ||
        parser->fragment_count != 1 || parser->message_opcode != RFI_BINARY ||
        parser->is_discarding || parser->payload_left < rest_min)
        return false;
    *out_frame_size = parser->write - parser->start + (size_t)parser->payload_left;
    return true;
}

void rfi_frame_cut(struct rfi_frame_parser *parser, size_t size)
{
    parser->write = parser->read = parser->start + size;
}

void rfi_frame_take_elsewhere(struct rfi_frame_parser *parser, uint8_t *bytes, size_t size)
{
    if (parser->mode == RFI_FRAMES_OF_CLIENT)
        (void)rfi_ws_mask(bytes, size, parser->mask, parser->payload_taken);
    parser->payload_left -= size;
    parser->payload_taken += size;
}

/* Two words at a time, which every machine that matters has an instruction for. */
typedef uint64_t pair __attribute__((vector_size(16)));

/* The mask four times, from the byte on that `phase` says. */
static pair turn_mask(const uint8_t mask[4], size_t phase)
{
    unsigned turn = 8 * (unsigned)(phase & 3);
    uint32_t word = 0;
    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        turn = (32 - turn) & 31;
    memcpy(&word, mask, sizeof word);
    word = word >> turn | word << ((32 - turn) & 31);
    uint64_t twice = (uint64_t)word << 32 | word;
    return (pair){twice, twice};
}

void rfi_ws_mask_copy(uint8_t *to, const uint8_t *from, size_t size, const uint8_t mask[4],
                      size_t phase)
{
    pair word = turn_mask(mask, phase);
    size_t i = 0;
    for (; size - i >= 2 * sizeof(pair); i += 2 * sizeof(pair)) {
        pair low, high;
        memcpy(&low, from + i, sizeof low);
        memcpy(&high, from + i + sizeof low, sizeof high);
        low ^= word;
        high ^= word;
        memcpy(to + i, &low, sizeof low);
        memcpy(to + i + sizeof low, &high, sizeof high);
    }
    for (; i < size; i++)
        to[i] = from[i] ^ mask[(phase + i) & 3];
}

bool rfi_ws_mask(uint8_t *bytes, size_t size, const uint8_t mask[4], size_t phase)
{
    pair word = turn_mask(mask, phase);
    pair seen[2] = {{0, 0}, {0, 0}};
    size_t i = 0;
    for (; size - i >= 2 * sizeof(pair); i += 2 * sizeof(pair)) {
        pair low, high;
        memcpy(&low, bytes + i, sizeof low);
        memcpy(&high, bytes + i + sizeof low, sizeof high);
        low ^= word;
        high ^= word;
        seen[0] |= low;
        seen[1] |= high;
        memcpy(bytes + i, &low, sizeof low);
        memcpy(bytes + i + sizeof low, &high, sizeof high);
    }
    uint64_t all = 0;
    for (; size - i >= sizeof all; i += sizeof all) {
        uint64_t part = 0;
        memcpy(&part, bytes + i, sizeof part);
        part ^= word[0];
        all |= part;
        memcpy(bytes + i, &part, sizeof part);
    }
    for (; i < size; i++) {
        bytes[i] ^= mask[(phase + i) & 3];
        all |= bytes[i];
    }
    seen[0] |= seen[1];
    all |= seen[0][0] | seen[0][1];
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

size_t rfi_ws_write_header(uint8_t out[RFI_WS_HEADER_MAX], uint8_t opcode, bool is_final,
                           uint64_t size, const uint8_t *mask)
{
    size_t at = 2;
    out[0] = (uint8_t)((is_final ? 0x80U : 0U) | opcode);
    uint8_t mask_bit = mask != NULL ? 0x80 : 0;
    size_t field_size = size <= 125 ? 0 : size <= UINT16_MAX ? 2 : 8;
    if (field_size == 0)
        out[1] = (uint8_t)(mask_bit | size);
    else
        out[1] = (uint8_t)(mask_bit | (field_size == 2 ? 126U : 127U));
    for (size_t i = field_size; i > 0; i--)
        out[at++] = (uint8_t)(size >> (8 * (i - 1)));
    if (mask != NULL) {
        memcpy(out + at, mask, 4);
        at += 4;
    }
    return at;
}

size_t rfi_tcp_write_header(uint8_t out[RFI_TCP_HEADER_SIZE], uint8_t opcode, uint32_t size)
{
    uint32_t length = size + 1;
    for (size_t i = 0; i < 4; i++)
        out[i] = (uint8_t)(length >> (8 * i));
    out[4] = opcode;
    return RFI_TCP_HEADER_SIZE;
}
