/* SPDX-License-Identifier: MIT */
/* The frame parser of both wires and the frame headers that we write: WebSocket (RFC 6455, section
 * 5) and native TCP (transport.h). Pure code on a buffer that the caller fills at its end: bytes
 * may come in any split, payloads are unmasked and joined in place. */
#ifndef RFI_WS_FRAME_H
#define RFI_WS_FRAME_H

#include "net/transport.h"

enum {
    RFI_WS_CONTROL_MAX = 125,
    RFI_WS_HEADER_MAX = 14,
    RFI_TCP_HEADER_SIZE = 5,
    /* What the Rust peer's library takes in one frame. Larger messages go out in pieces. */
    RFI_WS_FRAME_OUT_MAX = 16 << 20,
    RFI_WS_PIECE_OUT = 1 << 20
};

enum { RFI_WS_CONTINUATION = 0, RFI_WS_CLOSE = 8, RFI_WS_PING = 9, RFI_WS_PONG = 10 };

enum { /* close codes that we send */
       RFI_CLOSE_NORMAL = 1000,
       RFI_CLOSE_GOING_AWAY = 1001,
       RFI_CLOSE_PROTOCOL = 1002,
       RFI_CLOSE_BAD_TEXT = 1007,
       RFI_CLOSE_POLICY = 1008,
       RFI_CLOSE_TOO_LARGE = 1009,
       RFI_CLOSE_INTERNAL = 1011
};

enum rfi_frame_mode {
    RFI_FRAMES_TCP,
    RFI_FRAMES_OF_CLIENT, /* we are the WebSocket server: frames must be masked */
    RFI_FRAMES_OF_SERVER  /* we are the client: frames must not be masked */
};

enum rfi_frame_event {
    RFI_FRAME_MORE,    /* all bytes are used up as far as possible */
    RFI_FRAME_MESSAGE, /* parser->message */
    RFI_FRAME_PING,    /* parser->control */
    RFI_FRAME_PONG,
    RFI_FRAME_CLOSE, /* parser->close_code (0: none), its reason in control; feed nothing more */
    RFI_FRAME_FAIL   /* parser->fail_*, parser->close_code to answer with; feed nothing more */
};

struct rfi_frame_limits {
    uint32_t message_bytes_max, frame_bytes_max, fragments_max;
};

struct rfi_frame_parser {
    /* results, valid until the next call */
    struct rfi_frame_span message;
    uint8_t control[RFI_WS_CONTROL_MAX];
    size_t control_size;
    uint16_t close_code;
    rf_err fail_err;
    const char *fail_reason;
    /* Data is passed over without being kept, joined or judged: for a connection that closes and
     * looks only for the peer's Close. May be set at any time. */
    bool is_discarding;

    /* private */
    struct rfi_frame_limits limits;
    enum rfi_frame_mode mode;
    bool in_frame, in_message, is_final, is_control;
    bool is_ascii; /* the message under way, as far as it was unmasked */
    uint8_t frame_opcode, message_opcode;
    uint8_t mask[4];
    uint32_t fragment_count;
    uint64_t payload_left; /* of this frame, not yet here */
    size_t payload_taken;  /* of this frame */
    size_t start, write;   /* the message under way is bytes[start, write) */
    size_t read;           /* the next byte of the wire; write <= read */
};

void rfi_frame_parser_init(struct rfi_frame_parser *parser, enum rfi_frame_mode mode,
                           const struct rfi_frame_limits *limits);
/* Go on at bytes[parser->read]. `bytes` holds everything since the last rfi_frame_move_tail. Call
 * until it answers MORE. */
enum rfi_frame_event rfi_frame_parse(struct rfi_frame_parser *parser, uint8_t *bytes, size_t size);
/* After MORE: what must be kept of `bytes` (a message under way, a piece of a header), in bytes. */
size_t rfi_frame_tail_size(const struct rfi_frame_parser *parser, size_t size);
/* Move that to `to` (room for rfi_frame_tail_size; may be `bytes`), from where parsing goes on.
 * Returns its size. */
size_t rfi_frame_move_tail(struct rfi_frame_parser *parser, uint8_t *to, const uint8_t *bytes,
                           size_t size);

/* ---- a message whose end is kept elsewhere ---- */
/* Is a binary message under way that is one frame, with at least `rest_min` bytes of it not here? After MORE and
 * rfi_frame_move_tail, when it begins the buffer: out_frame_size gets its size. */
bool rfi_frame_is_under_way(const struct rfi_frame_parser *parser, size_t rest_min,
                            size_t *out_frame_size);
/* Of that message only the first `size` bytes stay in the buffer; all that comes of it goes by
 * rfi_frame_take_elsewhere. When its frame is whole, rfi_frame_parse goes on behind those bytes. */
void rfi_frame_cut(struct rfi_frame_parser *parser, size_t size);
/* The next bytes of its payload, unmasked in place. At most parser->payload_left. */
void rfi_frame_take_elsewhere(struct rfi_frame_parser *parser, uint8_t *bytes, size_t size);

/* XOR with the mask, whose byte `phase` % 4 meets bytes[0]. Is all that comes out ASCII? */
bool rfi_ws_mask(uint8_t *bytes, size_t size, const uint8_t mask[4], size_t phase);
/* The same on the way from one place to another. */
void rfi_ws_mask_copy(uint8_t *to, const uint8_t *from, size_t size, const uint8_t mask[4],
                      size_t phase);
/* Write a frame header; `mask` NULL: not masked. Returns its size. */
size_t rfi_ws_write_header(uint8_t out[RFI_WS_HEADER_MAX], uint8_t opcode, bool is_final,
                           uint64_t size, const uint8_t *mask);
size_t rfi_tcp_write_header(uint8_t out[RFI_TCP_HEADER_SIZE], uint8_t opcode, uint32_t size);
/* May a peer send this code in a Close frame? */
bool rfi_ws_close_code_is_valid(unsigned code);

#endif
