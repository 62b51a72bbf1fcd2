/* SPDX-License-Identifier: MIT */
#include "core/base/buf.h"
#include "support/rf_test.h"

Test(buf, what_is_appended_stands_in_order)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_buf_append_text(&buf, "ab");
    rfi_buf_append_byte(&buf, 'c');
    rfi_buf_printf(&buf, "%d-%s", 42, "x");
    rfi_buf_append(&buf, NULL, 0);
    size_t size = 0;
    char *text = rfi_buf_take_text(&buf, &size);
    cr_assert_str_eq(text, "abc42-x");
    cr_assert_eq(size, 7U);
    cr_assert_null(buf.data);
    free(text);
}

Test(buf, a_long_print_is_whole)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    char word[1000];
    memset(word, 'w', sizeof word);
    word[999] = '\0';
    rfi_buf_printf(&buf, "<%s>", word);
    cr_assert_eq(buf.size, 1001U);
    cr_assert_eq(buf.data[0], '<');
    cr_assert_eq(buf.data[1000], '>');
    rfi_buf_fini(&buf);
}

Test(buf, integers_are_little_endian_and_come_back)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_buf_append_byte(&buf, 0); /* unaligned from here */
    rfi_buf_append_u16(&buf, 0x1234);
    rfi_buf_append_u32(&buf, 0xdeadbeef);
    rfi_buf_append_u64(&buf, UINT64_C(0x0102030405060708));
    cr_assert_eq(buf.size, 15U);
    cr_assert_eq(buf.data[1], 0x34);
    cr_assert_eq(buf.data[3], 0xef);
    cr_assert_eq(rfi_load_u16(buf.data + 1), 0x1234);
    cr_assert_eq(rfi_load_u32(buf.data + 3), 0xdeadbeefU);
    cr_assert_eq(rfi_load_u64(buf.data + 7), UINT64_C(0x0102030405060708));
    rfi_buf_fini(&buf);
}

Test(buf, consume_drops_the_front)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_buf_append_text(&buf, "abcdef");
    rfi_buf_consume(&buf, 2);
    cr_assert_eq(buf.size, 4U);
    cr_assert(memcmp(buf.data, "cdef", 4) == 0);
    rfi_buf_consume(&buf, 0);
    cr_assert_eq(buf.size, 4U);
    rfi_buf_consume(&buf, 99);
    cr_assert_eq(buf.size, 0U);
    rfi_buf_fini(&buf);
}

Test(buf, failure_is_sticky_until_cleared)
{
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    rfi_buf_append_text(&buf, "a");
    cr_assert_null(rfi_buf_reserve(&buf, SIZE_MAX)); /* overflows */
    cr_assert(buf.is_failed);
    rfi_buf_append_text(&buf, "b");
    cr_assert_eq(buf.size, 1U);
    rfi_buf_clear(&buf);
    rfi_buf_append_text(&buf, "c");
    cr_assert_eq(buf.size, 1U);
    cr_assert_eq(buf.data[0], 'c');
    cr_assert_null(rfi_buf_reserve(&buf, SIZE_MAX));
    cr_assert_null(rfi_buf_take_text(&buf, NULL));
    cr_assert_not(buf.is_failed);
}

static size_t prefix(const char *text)
{
    return rfi_utf8_valid_prefix(text, strlen(text));
}

Test(utf8, whole_characters_are_valid)
{
    cr_assert(rfi_utf8_is_valid("", 0));
    cr_assert(rfi_utf8_is_valid("a\0b", 3));
    cr_assert_eq(prefix("12345678 ascii and more of it"), 29U);
    cr_assert_eq(
        prefix("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
        19U);
    cr_assert_eq(prefix("\xed\x9f\xbf\xee\x80\x80"), 6U); /* around the surrogates */
}

Test(utf8, overlong_surrogates_and_cut_are_not)
{
    cr_assert_eq(prefix("a\x80"), 1U);
    cr_assert_eq(prefix("\xc0\x80"), 0U);
    cr_assert_eq(prefix("\xc1\xbf"), 0U);
    cr_assert_eq(prefix("\xe0\x9f\xbf"), 0U);
    cr_assert_eq(prefix("\xed\xa0\x80"), 0U);
    cr_assert_eq(prefix("\xf0\x8f\xbf\xbf"), 0U);
    cr_assert_eq(prefix("\xf4\x90\x80\x80"), 0U);
    cr_assert_eq(prefix("\xf5\x80\x80\x80"), 0U);
    cr_assert_eq(prefix("12345678\xe2\x82"), 8U);
    cr_assert_eq(prefix("\xe2\x28\xa1"), 0U);
    cr_assert_eq(prefix("\xf0\x9f\x98"), 0U);
    cr_assert_eq(rfi_utf8_sequence((const uint8_t *)"\xe2\x82\xac", 3), 3U);
    cr_assert_eq(rfi_utf8_sequence((const uint8_t *)"\xe2\x82\xac", 2), 0U);
    cr_assert_eq(rfi_utf8_sequence((const uint8_t *)"", 0), 0U);
}
