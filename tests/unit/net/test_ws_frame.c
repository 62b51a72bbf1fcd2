/* SPDX-License-Identifier: MIT */
/* The frame parser, fed in every split, and the frame headers that we write. */
#include "net/ws_frame.h"
#include "support/rf_test.h"

#include <stdarg.h>

enum { MESSAGE_MAX = 70000, FRAME_MAX = 66000, FRAGMENTS_MAX = 8 };

/* A peer's bytes, the parser under test, and what came out of it. */
struct bench {
    struct rfi_frame_parser parser;
    uint8_t *in;
    size_t in_size, in_capacity;
    struct rfi_buf sent; /* what the test writes */
    struct rfi_buf seen; /* one line per event */
    struct rfi_buf messages;
    bool is_over;
};

static void bench_init(struct bench *bench, enum rfi_frame_mode mode)
{
    static const struct rfi_frame_limits limits = {MESSAGE_MAX, FRAME_MAX, FRAGMENTS_MAX};
    memset(bench, 0, sizeof *bench);
    rfi_frame_parser_init(&bench->parser, mode, &limits);
    rfi_buf_init(&bench->sent);
    rfi_buf_init(&bench->seen);
    rfi_buf_init(&bench->messages);
}

static void bench_fini(struct bench *bench)
{
    rfi_buf_fini(&bench->sent);
    rfi_buf_fini(&bench->seen);
    rfi_buf_fini(&bench->messages);
    free(bench->in);
}

/* Append one frame to what the peer sends. */
static void put(struct bench *bench, uint8_t opcode, bool is_final, const void *data, size_t size)
{
    static const uint8_t mask[4] = {0x12, 0x00, 0xff, 0x9a};
    bool is_masked = bench->parser.mode == RFI_FRAMES_OF_CLIENT;
    uint8_t header[RFI_WS_HEADER_MAX];
    size_t header_size =
        rfi_ws_write_header(header, opcode, is_final, size, is_masked ? mask : NULL);
    rfi_buf_append(&bench->sent, header, header_size);
    size_t at = bench->sent.size;
    rfi_buf_append(&bench->sent, data, size);
    if (is_masked && size > 0)
        (void)rfi_ws_mask(bench->sent.data + at, size, mask, 0);
}

static void put_text(struct bench *bench, uint8_t opcode, bool is_final, const char *text)
{
    put(bench, opcode, is_final, text, strlen(text));
}

static void put_bytes(struct bench *bench, const void *bytes, size_t size)
{
    rfi_buf_append(&bench->sent, bytes, size);
}

static void note(struct bench *bench, enum rfi_frame_event event)
{
    struct rfi_frame_parser *parser = &bench->parser;
    switch (event) {
    case RFI_FRAME_MORE:
        break;
    case RFI_FRAME_MESSAGE:
        rfi_buf_printf(&bench->seen, "message %u %u\n", parser->message.opcode,
                       parser->message.size);
        rfi_buf_append(&bench->messages, bench->in + parser->message.offset, parser->message.size);
        break;
    case RFI_FRAME_PING:
    case RFI_FRAME_PONG:
        rfi_buf_printf(&bench->seen, "%s %.*s\n", event == RFI_FRAME_PING ? "ping" : "pong",
                       (int)parser->control_size, (const char *)parser->control);
        break;
    case RFI_FRAME_CLOSE:
        rfi_buf_printf(&bench->seen, "close %u %.*s\n", parser->close_code,
                       (int)parser->control_size, (const char *)parser->control);
        bench->is_over = true;
        break;
    case RFI_FRAME_FAIL:
        rfi_buf_printf(&bench->seen, "fail %u %s\n", parser->close_code,
                       rf_err_name(parser->fail_err));
        bench->is_over = true;
        break;
    }
}

static void feed(struct bench *bench, const uint8_t *bytes, size_t size)
{
    if (bench->is_over)
        return;
    /* Exactly as much memory as there are bytes: a sanitizer sees one read too far. */
    bench->in = realloc(bench->in, bench->in_size + size + 1);
    cr_assert_not_null(bench->in);
    memcpy(bench->in + bench->in_size, bytes, size);
    bench->in_size += size;
    enum rfi_frame_event event = RFI_FRAME_MORE;
    do {
        event = rfi_frame_parse(&bench->parser, bench->in, bench->in_size);
        note(bench, event);
    } while (event != RFI_FRAME_MORE && !bench->is_over);
    if (bench->is_over)
        return;
    size_t tail_size = rfi_frame_tail_size(&bench->parser, bench->in_size);
    bench->in_size = rfi_frame_move_tail(&bench->parser, bench->in, bench->in, bench->in_size);
    cr_assert_eq(bench->in_size, tail_size);
}

static void run(struct bench *bench, size_t step)
{
    for (size_t at = 0; at < bench->sent.size; at += step) {
        size_t left = bench->sent.size - at;
        feed(bench, bench->sent.data + at, left < step ? left : step);
    }
    rfi_buf_append_byte(&bench->seen, 0);
}

static void expect_seen(struct bench *bench, const char *expected)
{
    cr_assert_str_eq((const char *)bench->seen.data, expected, "saw:\n%s",
                     (const char *)bench->seen.data);
}

/* Write with `fill`, feed in several splits, and compare what was seen. */
static void check(enum rfi_frame_mode mode, void (*fill)(struct bench *), const char *expected)
{
    static const size_t steps[] = {1, 2, 3, 7, 100000};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct bench bench;
        bench_init(&bench, mode);
        fill(&bench);
        run(&bench, steps[i]);
        expect_seen(&bench, expected);
        bench_fini(&bench);
    }
}

static void fill_two_messages(struct bench *bench)
{
    put_text(bench, RFI_TEXT, true, "hello");
    put(bench, RFI_BINARY, true, "\x00\xff", 2);
}

Test(ws_frame, whole_messages_come_in_any_split)
{
    check(RFI_FRAMES_OF_CLIENT, fill_two_messages, "message 1 5\nmessage 2 2\n");
    check(RFI_FRAMES_OF_SERVER, fill_two_messages, "message 1 5\nmessage 2 2\n");
}

/* One binary message of `size` bytes, fed in `step`s: comes out as it went in, or not at all. */
static void check_size(size_t size, size_t step, enum rfi_frame_mode mode, const char *expected)
{
    struct bench bench;
    uint8_t *data = malloc(size + 1);
    cr_assert_not_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 31 + i / 251);
    bench_init(&bench, mode);
    put(&bench, RFI_BINARY, true, data, size);
    run(&bench, step);
    if (expected != NULL) {
        expect_seen(&bench, expected);
    } else {
        cr_assert_eq(bench.messages.size, size);
        cr_assert(size == 0 || memcmp(bench.messages.data, data, size) == 0);
    }
    bench_fini(&bench);
    free(data);
}

Test(ws_frame, sizes_at_every_border_of_the_length_field_pass)
{
    static const size_t sizes[] = {0,   1,   3,     7,     8,     31,  32,  33,    124,   125,  126,
                                   127, 128, 65534, 65535, 65536, 255, 256, 65537, 65999, 66000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_size(sizes[i], 1, RFI_FRAMES_OF_CLIENT, NULL);
        check_size(sizes[i], 1000, RFI_FRAMES_OF_SERVER, NULL);
        check_size(sizes[i], 5, RFI_FRAMES_OF_CLIENT, NULL);
        check_size(sizes[i], 200000, RFI_FRAMES_OF_CLIENT, NULL);
    }
}

Test(ws_frame, a_frame_over_its_limit_fails_with_1009)
{
    check_size(FRAME_MAX, 4096, RFI_FRAMES_OF_CLIENT, "message 2 66000\n");
    check_size(FRAME_MAX + 1, 4096, RFI_FRAMES_OF_CLIENT, "fail 1009 RF_ELIMIT\n");
}

static void fill_huge_header(struct bench *bench)
{
    put_bytes(bench, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", 14);
}

Test(ws_frame, a_huge_length_fails_on_the_header_alone)
{
    check(RFI_FRAMES_OF_CLIENT, fill_huge_header, "fail 1009 RF_ELIMIT\n");
}

static void fill_at_message_limit(struct bench *bench)
{
    static uint8_t zeros[MESSAGE_MAX];
    put(bench, RFI_BINARY, false, zeros, MESSAGE_MAX - 10000);
    put(bench, RFI_WS_CONTINUATION, true, zeros, 10000);
}

static void fill_over_message_limit(struct bench *bench)
{
    static uint8_t zeros[MESSAGE_MAX];
    put(bench, RFI_BINARY, false, zeros, MESSAGE_MAX - 10000);
    put(bench, RFI_WS_CONTINUATION, true, zeros, 10001);
}

Test(ws_frame, the_message_limit_counts_all_fragments)
{
    check(RFI_FRAMES_OF_CLIENT, fill_at_message_limit, "message 2 70000\n");
    check(RFI_FRAMES_OF_CLIENT, fill_over_message_limit, "fail 1009 RF_ELIMIT\n");
}

static void fill_fragments(struct bench *bench, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put_text(bench, i == 0 ? RFI_TEXT : RFI_WS_CONTINUATION, i + 1 == count, "ab");
}

static void fill_most_fragments(struct bench *bench)
{
    fill_fragments(bench, FRAGMENTS_MAX);
}

static void fill_too_many_fragments(struct bench *bench)
{
    fill_fragments(bench, FRAGMENTS_MAX + 1);
}

Test(ws_frame, fragments_are_counted)
{
    check(RFI_FRAMES_OF_CLIENT, fill_most_fragments, "message 1 16\n");
    check(RFI_FRAMES_OF_CLIENT, fill_too_many_fragments, "fail 1008 RF_ELIMIT\n");
}

static void fill_interleaved(struct bench *bench)
{
    put_text(bench, RFI_TEXT, false, "one ");
    put_text(bench, RFI_WS_PING, true, "p1");
    put_text(bench, RFI_WS_CONTINUATION, false, "");
    put_text(bench, RFI_WS_PONG, true, "p2");
    put_text(bench, RFI_WS_CONTINUATION, true, "two");
    put_text(bench, RFI_TEXT, true, "three");
}

Test(ws_frame, control_frames_pass_between_fragments)
{
    check(RFI_FRAMES_OF_CLIENT, fill_interleaved, "ping p1\npong p2\nmessage 1 7\nmessage 1 5\n");
    for (size_t step = 1; step < 40; step++) {
        struct bench bench;
        bench_init(&bench, RFI_FRAMES_OF_CLIENT);
        fill_interleaved(&bench);
        run(&bench, step);
        cr_assert_eq(bench.messages.size, 12);
        cr_assert_arr_eq(bench.messages.data, "one twothree", 12);
        bench_fini(&bench);
    }
}

/* ---- what is forbidden ---- */

struct bad_case {
    const char *bytes;
    size_t size;
    const char *seen;
};

static void check_bad(enum rfi_frame_mode mode, const struct bad_case *bad)
{
    for (size_t step = 1; step <= bad->size; step++) {
        struct bench bench;
        bench_init(&bench, mode);
        put_bytes(&bench, bad->bytes, bad->size);
        run(&bench, step);
        expect_seen(&bench, bad->seen);
        bench_fini(&bench);
    }
}

#define BAD(bytes, seen)                                                                           \
    {                                                                                              \
        (bytes), sizeof(bytes) - 1, (seen)                                                         \
    }

Test(ws_frame, forbidden_frames_from_a_server_fail)
{
    static const struct bad_case cases[] = {
        BAD("\xc1\x00", "fail 1002 RF_EPROTO\n"), /* RSV1 */
        BAD("\xa1\x00", "fail 1002 RF_EPROTO\n"), /* RSV2 */
        BAD("\x91\x00", "fail 1002 RF_EPROTO\n"), /* RSV3 */
        BAD("\xc9\x00", "fail 1002 RF_EPROTO\n"), /* RSV1 on a ping */
        BAD("\x83\x00", "fail 1002 RF_EPROTO\n"), /* opcodes 3 .. 7 */
        BAD("\x84\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x85\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x86\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x87\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x8b\x00", "fail 1002 RF_EPROTO\n"), /* opcodes 11 .. 15 */
        BAD("\x8c\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x8d\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x8e\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x8f\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x09\x00", "fail 1002 RF_EPROTO\n"),         /* fragmented ping */
        BAD("\x08\x00", "fail 1002 RF_EPROTO\n"),         /* fragmented Close */
        BAD("\x89\x7e\x00\x7e", "fail 1002 RF_EPROTO\n"), /* ping of 126 bytes */
        BAD("\x80\x00", "fail 1002 RF_EPROTO\n"),         /* continuation of nothing */
        BAD("\x01\x01"
            "a"
            "\x81\x00",
            "fail 1002 RF_EPROTO\n"), /* text inside a text */
        BAD("\x82\x00\x80\x00", "message 2 0\nfail 1002 RF_EPROTO\n"),
        BAD("\x82\x7e\x00\x7d", "fail 1002 RF_EPROTO\n"),             /* 125 in 16 bits */
        BAD("\x82\x7f\0\0\0\0\0\0\xff\xff", "fail 1002 RF_EPROTO\n"), /* 65535 in 64 bits */
        BAD("\x82\x7f\x80\0\0\0\0\0\0\0", "fail 1002 RF_EPROTO\n"),   /* top bit */
        BAD("\x81\x80\1\2\3\4", "fail 1002 RF_EPROTO\n"),             /* masked */
        BAD("\x88\x01\x03", "fail 1002 RF_EPROTO\n"),                 /* half a code */
        BAD("\x88\x02\x03\xe7", "fail 1002 RF_EPROTO\n"),             /* 999 */
        BAD("\x88\x02\x03\xec", "fail 1002 RF_EPROTO\n"),             /* 1004 */
        BAD("\x88\x02\x03\xed", "fail 1002 RF_EPROTO\n"),             /* 1005 */
        BAD("\x88\x02\x03\xee", "fail 1002 RF_EPROTO\n"),             /* 1006 */
        BAD("\x88\x02\x03\xf7", "fail 1002 RF_EPROTO\n"),             /* 1015 */
        BAD("\x88\x02\x0b\xb7", "fail 1002 RF_EPROTO\n"),             /* 2999 */
        BAD("\x88\x02\x13\x88", "fail 1002 RF_EPROTO\n"),             /* 5000 */
        BAD("\x88\x03\x03\xe8\xff", "fail 1007 RF_EPROTO\n"),         /* reason not UTF-8 */
        BAD("\x81\x01\xff", "fail 1007 RF_EPROTO\n"),                 /* text not UTF-8 */
        BAD("\x81\x02\xc3\x28", "fail 1007 RF_EPROTO\n"),
        BAD("\x81\x03\xed\xa0\x80", "fail 1007 RF_EPROTO\n"),                      /* surrogate */
        BAD("\x81\x02\xc3\xa9\x81\x01\xc3", "message 1 2\nfail 1007 RF_EPROTO\n"), /* cut short */
        BAD("\x01\x01\xc3\x80\x01\xa9", "message 1 2\n"), /* a character over two fragments */
        BAD("\x01\x01\xc3\x80\x01\x28", "fail 1007 RF_EPROTO\n"),
        BAD("\x82\x01\xff", "message 2 1\n"), /* binary is free */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_bad(RFI_FRAMES_OF_SERVER, &cases[i]);
}

Test(ws_frame, an_unmasked_frame_from_a_client_fails)
{
    static const struct bad_case cases[] = {
        BAD("\x81\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x89\x00", "fail 1002 RF_EPROTO\n"),
        BAD("\x88\x00", "fail 1002 RF_EPROTO\n"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_bad(RFI_FRAMES_OF_CLIENT, &cases[i]);
}

Test(ws_frame, good_close_frames_tell_code_and_reason)
{
    static const struct bad_case cases[] = {
        BAD("\x88\x00", "close 0 \n"),
        BAD("\x88\x02\x03\xe8", "close 1000 \n"),
        BAD("\x88\x05\x03\xe9"
            "bye",
            "close 1001 bye\n"),
        BAD("\x88\x02\x03\xeb", "close 1003 \n"),
        BAD("\x88\x02\x03\xef", "close 1007 \n"),
        BAD("\x88\x02\x03\xf6", "close 1014 \n"),
        BAD("\x88\x02\x0b\xb8", "close 3000 \n"),
        BAD("\x88\x04\x13\x87\xc3\xa9", "close 4999 \xc3\xa9\n"),
        BAD("\x88\x00\x81\x01"
            "x",
            "close 0 \n"), /* what follows is not looked at */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_bad(RFI_FRAMES_OF_SERVER, &cases[i]);
}

static void fill_full_control(struct bench *bench)
{
    char data[125];
    memset(data, 'c', sizeof data);
    put(bench, RFI_WS_PING, true, data, sizeof data);
    put(bench, RFI_WS_PONG, true, NULL, 0);
}

Test(ws_frame, a_control_frame_may_have_125_bytes)
{
    struct bench bench;
    bench_init(&bench, RFI_FRAMES_OF_CLIENT);
    fill_full_control(&bench);
    run(&bench, 1);
    cr_assert_eq(bench.seen.size, 5 + 125 + 1 + 6 + 1);
    bench_fini(&bench);
}

Test(ws_frame, discarding_passes_over_data_and_still_sees_the_close)
{
    struct bench bench;
    uint8_t *data = calloc(1, 200000);
    cr_assert_not_null(data);
    bench_init(&bench, RFI_FRAMES_OF_CLIENT);
    put_text(&bench, RFI_TEXT, false, "begun");
    run(&bench, 4);
    rfi_buf_clear(&bench.seen);
    rfi_buf_clear(&bench.sent);
    bench.parser.is_discarding = true;
    put(&bench, RFI_WS_CONTINUATION, true, data, 200000); /* above every limit */
    put_text(&bench, RFI_TEXT, true, "\xff");
    put(&bench, RFI_WS_CLOSE, true, "\x03\xe8", 2);
    run(&bench, 1000);
    expect_seen(&bench, "close 1000 \n");
    cr_assert_lt(bench.in_size, 1100);
    bench_fini(&bench);
    free(data);
}

Test(ws_frame, the_tail_holds_no_headers_of_fragments)
{
    struct bench bench;
    bench_init(&bench, RFI_FRAMES_OF_CLIENT);
    put_text(&bench, RFI_TEXT, false, "abc");
    for (int i = 0; i < 50; i++)
        put_text(&bench, RFI_WS_PING, true, "a ping that must leave no trace");
    put_text(&bench, RFI_WS_CONTINUATION, false, "def");
    run(&bench, 11);
    cr_assert_eq(bench.in_size, 6);
    cr_assert_arr_eq(bench.in, "abcdef", 6);
    bench_fini(&bench);
}

/* ---- native TCP ---- */

static void fill_tcp(struct bench *bench)
{
    put_bytes(bench, "\x06\0\0\0\x01hello\x01\0\0\0\x02\x03\0\0\0\x02\x00\xff", 10 + 5 + 7);
}

Test(ws_frame, native_frames_come_in_any_split)
{
    check(RFI_FRAMES_TCP, fill_tcp, "message 1 5\nmessage 2 0\nmessage 2 2\n");
}

Test(ws_frame, forbidden_native_frames_fail)
{
    static const struct bad_case cases[] = {
        BAD("\0\0\0\0\x01", "fail 0 RF_EPROTO\n"),
        BAD("\x02\0\0\0\x00", "fail 0 RF_EPROTO\n"),
        BAD("\x02\0\0\0\x03", "fail 0 RF_EPROTO\n"),
        BAD("\xff\xff\xff\xff\x02", "fail 0 RF_ELIMIT\n"),
        BAD("\x72\x11\x01\0\x02", "fail 0 RF_ELIMIT\n"), /* 70001 bytes */
        BAD("\x02\0\0\0\x01\xff", "fail 1007 RF_EPROTO\n"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_bad(RFI_FRAMES_TCP, &cases[i]);
}

/* ---- writing ---- */

Test(ws_frame, headers_have_the_shortest_length_field)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    uint8_t out[RFI_WS_HEADER_MAX];

    cr_assert_eq(rfi_ws_write_header(out, RFI_TEXT, true, 125, NULL), 2);
    cr_assert_arr_eq(out, "\x81\x7d", 2);
    cr_assert_eq(rfi_ws_write_header(out, RFI_BINARY, false, 126, NULL), 4);
    cr_assert_arr_eq(out, "\x02\x7e\x00\x7e", 4);
    cr_assert_eq(rfi_ws_write_header(out, RFI_WS_CONTINUATION, true, 65535, mask), 8);
    cr_assert_arr_eq(out, "\x80\xfe\xff\xff\x01\x02\x03\x04", 8);
    cr_assert_eq(rfi_ws_write_header(out, RFI_BINARY, true, 65536, mask), 14);
    cr_assert_arr_eq(out, "\x82\xff\0\0\0\0\0\1\0\0\x01\x02\x03\x04", 14);
    cr_assert_eq(rfi_tcp_write_header(out, RFI_TEXT, 65535), 5);
    cr_assert_arr_eq(out, "\0\0\1\0\1", 5);
}

static void check_elsewhere(enum rfi_frame_mode mode)
{
    enum { SIZE = 50000, HERE = 100, KEPT = 10, STEP = 777 };
    static uint8_t data[SIZE], rest[SIZE];
    struct bench bench;
    size_t frame_size = 0;
    bench_init(&bench, mode);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i % 251);
    put(&bench, RFI_BINARY, true, data, SIZE);
    size_t end = bench.sent.size;
    size_t head_size = end - SIZE;
    put_text(&bench, RFI_TEXT, true, "next");

    feed(&bench, bench.sent.data, head_size + HERE);
    cr_assert_not(rfi_frame_is_under_way(&bench.parser, SIZE, &frame_size));
    cr_assert(rfi_frame_is_under_way(&bench.parser, SIZE - HERE, &frame_size));
    cr_assert_eq(frame_size, SIZE);
    rfi_frame_cut(&bench.parser, KEPT);
    bench.in_size = KEPT;
    memcpy(rest, bench.sent.data + head_size + HERE, SIZE - HERE);
    for (size_t at = 0; at < SIZE - HERE; at += STEP)
        rfi_frame_take_elsewhere(&bench.parser, rest + at,
                                 STEP < SIZE - HERE - at ? STEP : SIZE - HERE - at);
    cr_assert_eq(bench.parser.payload_left, 0);
    cr_assert_arr_eq(rest, data + HERE, SIZE - HERE);
    feed(&bench, bench.sent.data + end, bench.sent.size - end);

    rfi_buf_append_byte(&bench.seen, 0);
    expect_seen(&bench, "message 2 10\nmessage 1 4\n");
    cr_assert_arr_eq(bench.messages.data, data, KEPT);
    bench_fini(&bench);
}

Test(ws_frame, the_end_of_a_large_message_may_go_elsewhere)
{
    check_elsewhere(RFI_FRAMES_OF_CLIENT);
    check_elsewhere(RFI_FRAMES_OF_SERVER);
}

Test(ws_frame, only_a_binary_message_of_one_frame_may_go_elsewhere)
{
    static const uint8_t opcodes[] = {RFI_TEXT, RFI_BINARY, RFI_BINARY, RFI_WS_PING};
    static uint8_t data[125];
    for (size_t i = 0; i < 4; i++) {
        struct bench bench;
        size_t frame_size = 0;
        bench_init(&bench, RFI_FRAMES_OF_CLIENT);
        cr_assert_not(rfi_frame_is_under_way(&bench.parser, 0, &frame_size), "no frame");
        if (i == 1) /* the second frame of a message */
            put(&bench, RFI_BINARY, false, data, sizeof data);
        put(&bench, i == 1 ? RFI_WS_CONTINUATION : opcodes[i], i != 2, data, sizeof data);
        feed(&bench, bench.sent.data, bench.sent.size - 50);
        cr_assert_not(rfi_frame_is_under_way(&bench.parser, 50, &frame_size), "case %zu", i);
        bench_fini(&bench);
    }
}

Test(ws_frame, masking_tells_ascii_wherever_another_byte_stands)
{
    static const uint8_t mask[4] = {0x11, 0x92, 0x73, 0xf4};
    for (size_t size = 0; size <= 80; size++) {
        for (size_t odd = 0; odd <= size; odd++) { /* size: nowhere */
            uint8_t data[80];
            memset(data, 'x', sizeof data);
            if (odd < size)
                data[odd] = 0x80;
            (void)rfi_ws_mask(data, size, mask, 3);
            cr_assert_eq(rfi_ws_mask(data, size, mask, 3), odd == size);
        }
    }
}

Test(ws_frame, masking_agrees_with_the_byte_by_byte_rule)
{
    static const uint8_t mask[4] = {0xa1, 0x02, 0x7f, 0x80};
    uint8_t data[100];
    for (size_t size = 0; size <= sizeof data; size++) {
        for (size_t phase = 0; phase < 9; phase++) {
            for (size_t i = 0; i < sizeof data; i++)
                data[i] = (uint8_t)i;
            bool is_ascii = true;
            for (size_t i = 0; i < size; i++)
                is_ascii = is_ascii && (i ^ mask[(phase + i) % 4]) < 0x80;
            cr_assert_eq(rfi_ws_mask(data, size, mask, phase), is_ascii);
            for (size_t i = 0; i < sizeof data; i++) {
                uint8_t expected = (uint8_t)i;
                if (i < size)
                    expected ^= mask[(phase + i) % 4];
                cr_assert_eq(data[i], expected);
            }
            uint8_t copy[sizeof data + 1];
            memset(copy, 0xee, sizeof copy);
            rfi_ws_mask_copy(copy, data, size, mask, phase);
            for (size_t i = 0; i < size; i++)
                cr_assert_eq(copy[i], (uint8_t)i);
            cr_assert_eq(copy[size], 0xee);
        }
    }
}
