/* SPDX-License-Identifier: MIT */
/* The codec of native frames: what is written is read back, and no cut leaves the bytes. */
#include "net/frame.h"
#include "support/rf_test.h"
#include <reflow/message.h>

static struct rfi_frame_reader read_record(const struct rfi_buf *buf, uint8_t type)
{
    struct rfi_frame_reader reader, record;
    rfi_frame_reader_init(&reader, buf->data, buf->size);
    cr_assert_eq(rfi_frame_get_u8(&reader), type);
    rfi_frame_get_record(&reader, &record);
    cr_assert_null(reader.reason);
    cr_assert_eq(reader.at, buf->size);
    cr_assert_eq(rfi_frame_record_size(buf->data, buf->size), buf->size);
    return record;
}

Test(frame, numbers_of_every_length_come_back)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        for (uint64_t add = 0; add < 3; add++) {
            uint64_t value = ((uint64_t)1 << bits) + add - 1;
            struct rfi_buf buf;
            rfi_buf_init(&buf);
            rfi_frame_put_credit(&buf, 5, value, UINT64_MAX);
            struct rfi_frame_reader record = read_record(&buf, RFI_RECORD_CREDIT);
            cr_assert_eq(rfi_frame_get_varint(&record), 5);
            cr_assert_eq(rfi_frame_get_varint(&record), value);
            cr_assert_eq(rfi_frame_get_varint(&record), UINT64_MAX);
            cr_assert_null(record.reason);
            rfi_buf_fini(&buf);
        }
    }
}

Test(frame, a_number_of_more_than_64_bits_is_refused)
{
    struct rfi_frame_reader reader;
    rfi_frame_reader_init(&reader, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
    cr_assert_eq(rfi_frame_get_varint(&reader), 0);
    cr_assert_not_null(reader.reason);
    rfi_frame_reader_init(&reader, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    cr_assert_eq(rfi_frame_get_varint(&reader), 0);
    cr_assert_not_null(reader.reason);
}

Test(frame, the_longest_names_fit)
{
    char source[RFI_SOURCE_SIZE], name[RFI_NAME_SIZE];
    memset(source, 's', sizeof source - 1);
    source[sizeof source - 1] = '\0';
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct rfi_buf buf;
    rfi_buf_init(&buf);

    rfi_frame_put_open(&buf, UINT32_MAX, 1, source, name, name);

    cr_assert_leq(buf.size, RFI_OPEN_RECORD_MAX);
    char out[RFI_SOURCE_SIZE];
    struct rfi_frame_reader record = read_record(&buf, RFI_RECORD_OPEN);
    cr_assert_eq(rfi_frame_get_varint_max(&record, UINT32_MAX), UINT32_MAX);
    cr_assert_eq(rfi_frame_get_u8(&record), 1);
    rfi_frame_get_text(&record, out, sizeof out);
    cr_assert_str_eq(out, source);
    rfi_frame_get_text(&record, out, RFI_NAME_SIZE);
    cr_assert_str_eq(out, name);
    rfi_frame_get_text(&record, out, RFI_NAME_SIZE - 1); /* one byte too small */
    cr_assert_not_null(record.reason);
    rfi_buf_fini(&buf);
}

Test(frame, a_name_with_a_nul_is_refused)
{
    struct rfi_frame_reader reader;
    char out[8];
    rfi_frame_reader_init(&reader,
                          "\x03"
                          "a\0b",
                          4);
    rfi_frame_get_text(&reader, out, sizeof out);
    cr_assert_not_null(reader.reason);
    cr_assert_str_eq(out, "");
}

Test(frame, a_run_is_read_back)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    size_t count_at = rfi_frame_begin_run(&buf, 300, 7, RFI_RUN_REQUESTS);
    rfi_frame_put_message(&buf, RFI_RUN_REQUESTS, 0x1122334455667788u, "abc", 3);
    rfi_frame_set_run_count(&buf, count_at, 1);

    struct rfi_frame_reader reader;
    rfi_frame_reader_init(&reader, buf.data, buf.size);
    cr_assert_eq(rfi_frame_get_u8(&reader), RFI_RECORD_RUN);
    cr_assert_eq(rfi_frame_get_varint(&reader), 300);
    cr_assert_eq(rfi_frame_get_u8(&reader), 7);
    cr_assert_eq(rfi_frame_get_u8(&reader), RFI_RUN_REQUESTS);
    cr_assert_eq(rfi_frame_get_u16(&reader), 1);
    cr_assert_eq(rfi_frame_get_u64(&reader), 0x1122334455667788u);
    cr_assert_eq(rfi_frame_get_varint(&reader), 3);
    cr_assert_arr_eq(rfi_frame_get_bytes(&reader, 3), "abc", 3);
    cr_assert_null(reader.reason);
    cr_assert_eq(reader.at, reader.size);
    rfi_buf_fini(&buf);
}

/* A frame with one message of `size` bytes at its end, whose body is left out. */
static void put_large(struct rfi_buf *buf, uint8_t kind, uint8_t flags, size_t size)
{
    size_t count_at = rfi_frame_begin_run(buf, 70000, kind, flags);
    rfi_frame_put_message(buf, flags, 9, NULL, size);
    rfi_frame_set_run_count(buf, count_at, 1);
}

Test(frame, a_body_at_the_end_is_found_once_all_before_it_is_here)
{
    enum { SIZE = 100000 };
    for (int variant = 0; variant < 4; variant++) {
        struct rfi_buf buf;
        rfi_buf_init(&buf);
        rfi_frame_put_head(&buf, 1, 2, 3);
        if ((variant & 1) != 0) {
            rfi_frame_put_credit(&buf, 1, 2, 3);
            rfi_frame_put_open(&buf, 70000, 1, "source", "actor", "port");
        }
        put_large(&buf, RF_KIND_BYTES, (variant & 2) != 0 ? RFI_RUN_REQUESTS : 0, SIZE);
        size_t at = buf.size;
        for (size_t size = 0; size < at; size++)
            cr_assert_eq(rfi_frame_find_body(buf.data, size, at + SIZE), 0);
        cr_assert_eq(rfi_frame_find_body(buf.data, at, at + SIZE), at);
        rfi_buf_append(&buf, "some of the body", 16);
        cr_assert_eq(rfi_frame_find_body(buf.data, buf.size, at + SIZE), at);
        /* It must be the end of the frame. */
        cr_assert_eq(rfi_frame_find_body(buf.data, buf.size, at + SIZE + 1), 0);
        cr_assert_eq(rfi_frame_find_body(buf.data, buf.size, at + SIZE - 1), 0);
        rfi_buf_fini(&buf);
    }
}

Test(frame, no_body_is_found_in_other_frames)
{
    enum { SIZE = 100000 };
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    cr_assert_eq(rfi_frame_find_body((const uint8_t *)"", 0, SIZE), 0);
    cr_assert_eq(rfi_frame_find_body((const uint8_t *)"\2abc", 4, SIZE), 0);

    rfi_frame_put_head(&buf, 1, 2, 3); /* arrays have more in memory than their body */
    put_large(&buf, RF_KIND_ARRAY, 0, SIZE);
    cr_assert_eq(rfi_frame_find_body(buf.data, buf.size, buf.size + SIZE), 0);
    rfi_buf_clear(&buf);

    rfi_frame_put_head(&buf, 1, 2, 3); /* two messages */
    size_t count_at = rfi_frame_begin_run(&buf, 1, RF_KIND_BYTES, 0);
    rfi_frame_put_message(&buf, 0, 0, "a", 1);
    rfi_frame_put_message(&buf, 0, 0, NULL, SIZE);
    rfi_frame_set_run_count(&buf, count_at, 2);
    cr_assert_eq(rfi_frame_find_body(buf.data, buf.size, buf.size + SIZE), 0);
    rfi_buf_clear(&buf);

    rfi_frame_put_head(&buf, 1, 2, 3); /* a record that is large itself */
    uint8_t *text = calloc(1, SIZE);
    rfi_frame_put_json(&buf, text, SIZE);
    put_large(&buf, RF_KIND_BYTES, 0, SIZE);
    cr_assert_eq(rfi_frame_find_body(buf.data, buf.size, buf.size + SIZE), 0);
    free(text);
    rfi_buf_fini(&buf);
}

Test(frame, every_cut_of_a_record_is_noticed)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_frame_put_open(&buf, 1000, 1, "source", "actor", "port");
    for (size_t size = 0; size < buf.size; size++) {
        uint8_t *copy = malloc(size > 0 ? size : 1);
        memcpy(copy, buf.data, size);
        struct rfi_frame_reader reader, record;
        rfi_frame_reader_init(&reader, copy, size);
        (void)rfi_frame_get_u8(&reader);
        rfi_frame_get_record(&reader, &record);
        cr_assert_not_null(reader.reason);
        cr_assert_not_null(record.reason);
        cr_assert_null(rfi_frame_get_bytes(&record, 0));
        free(copy);
    }
    rfi_buf_fini(&buf);
}

Test(frame, reading_inside_a_record_stops_at_its_end)
{
    struct rfi_frame_reader reader, record;
    rfi_frame_reader_init(&reader,
                          "\x01"
                          "a"
                          "bc",
                          4);
    rfi_frame_get_record(&reader, &record);
    cr_assert_eq(rfi_frame_get_u8(&record), 'a');
    cr_assert_null(record.reason);
    (void)rfi_frame_get_u8(&record);
    cr_assert_not_null(record.reason);
    cr_assert_eq(rfi_frame_get_u8(&reader), 'b');
}

Test(frame, errors_keep_their_numbers)
{
    for (unsigned err = 0; err < RF_ERR_COUNT; err++)
        cr_assert_eq(rfi_frame_error_from_wire(rfi_frame_error_to_wire((rf_err)err)), (rf_err)err);
    cr_assert_eq(rfi_frame_error_to_wire(RF_OK), 0);
    cr_assert_eq(rfi_frame_error_to_wire(RF_ENOACTOR), 10);
    cr_assert_eq(rfi_frame_error_to_wire(RF_ESYS), 25);
    cr_assert_eq(rfi_frame_error_from_wire(60000), RF_EREFUSED);
}
