/* SPDX-License-Identifier: MIT */
#include "unit/core/components/rig.h"

static void send_bytes(struct rig *rig, const void *data, size_t size)
{
    rig_send(rig, "input", rf_message_bytes(data, size));
}

Test(split_words, splits_at_every_ascii_white_space, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split_words", NULL);

    rig_send_text(rig, "input", "  one\ttwo\nTHREE\vfour\ffive\r\nsix ");
    rig_send_flow(rig, "input");

    static const char *const words[] = {"\"one\"",  "\"two\"",  "\"THREE\"",
                                        "\"four\"", "\"five\"", "\"six\""};
    for (size_t i = 0; i < 6; i++)
        rig_expect(rig, "word", RF_KIND_STRING, words[i]);
    rig_expect_flow(rig, "word");
    rig_expect(rig, "stats", RF_KIND_OBJECT, "{\"words\":6,\"bytes\":31,\"replaced_bytes\":0}");
    rig_close(rig);
}

Test(split_words, carries_words_and_characters_over_pieces, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split_words", NULL);

    send_bytes(rig, "ab", 2);
    send_bytes(rig, "c\xc3", 2);
    send_bytes(rig, "\xa9", 1);
    send_bytes(rig, " ", 1);
    send_bytes(rig, "d", 1);
    send_bytes(rig, "", 0);
    send_bytes(rig, "e", 1);
    rig_send_flow(rig, "input");

    rig_expect(rig, "word", RF_KIND_STRING, "\"abc\xc3\xa9\"");
    rig_expect(rig, "word", RF_KIND_STRING, "\"de\"");
    rig_expect_flow(rig, "word");
    rig_close(rig);
}

Test(split_words, keeps_nul_bytes_and_other_spaces_in_words, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split_words", NULL);

    send_bytes(rig, "a\0b\x1c \xc2\xa0", 7);
    rig_send_flow(rig, "input");

    rig_expect(rig, "word", RF_KIND_STRING, "\"a\\u0000b\\u001c\"");
    rig_expect(rig, "word", RF_KIND_STRING, "\"\xc2\xa0\"");
    rig_close(rig);
}

Test(split_words, replaces_and_counts_bytes_that_are_not_utf8, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split_words", NULL);

    send_bytes(rig, "\xff\xfe ok \xc3", 7);
    rig_send_flow(rig, "input");

    rig_expect(rig, "word", RF_KIND_STRING, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    rig_expect(rig, "word", RF_KIND_STRING, "\"ok\"");
    rig_expect(rig, "word", RF_KIND_STRING, "\"\xEF\xBF\xBD\"");
    rig_expect(rig, "stats", RF_KIND_OBJECT, "{\"words\":3,\"bytes\":7,\"replaced_bytes\":3}");
    rig_close(rig);
}

Test(split_words, nothing_but_white_space_is_only_a_flow, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split_words", NULL);

    rig_send_text(rig, "input", " \n\t ");
    rig_send_flow(rig, "input");

    rig_expect_flow(rig, "word");
    rig_expect(rig, "stats", RF_KIND_OBJECT, "{\"words\":0,\"bytes\":4,\"replaced_bytes\":0}");
    rig_close(rig);
}

Test(split_words, starts_afresh_behind_a_flow, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split_words", NULL);

    rig_send_text(rig, "input", "a");
    rig_send_flow(rig, "input");
    rig_send_text(rig, "input", "b");
    rig_send_flow(rig, "input");

    rig_expect(rig, "word", RF_KIND_STRING, "\"a\"");
    rig_expect_flow(rig, "word");
    rig_expect(rig, "word", RF_KIND_STRING, "\"b\"");
    rig_expect_flow(rig, "word");
    rig_close(rig);
}

Test(split_words, a_word_at_the_limit_passes_and_one_over_it_is_left_out, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split_words", "{\"propertyValues\":{\"word_bytes_max\":4}}");

    rig_send_text(rig, "input", "1234 12345 12");
    rig_send_text(rig, "input", "34 56");
    rig_send_text(rig, "input", "789 x");
    rig_send_flow(rig, "input");

    rig_expect(rig, "word", RF_KIND_STRING, "\"1234\"");
    rig_expect(rig, "word", RF_KIND_STRING, "\"1234\"");
    rig_expect(rig, "word", RF_KIND_STRING, "\"x\"");
    rig_expect_flow(rig, "word");
    rig_expect_holds(rig, "error", "longer than 4 bytes");
    rig_expect_holds(rig, "error", "longer than 4 bytes");
    rig_expect_none(rig, "error");
    rig_close(rig);
}

Test(split_words, refuses_what_is_no_text, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_split_words", NULL);

    rig_send(rig, "input", rf_message_integer(1));

    rig_expect_holds(rig, "error", "not Integer");
    rig_close(rig);
}

Test(split_words, stops_in_the_middle_of_a_piece_while_its_target_is_full, .timeout = 60)
{
    struct rig *rig = rig_open_with("tpl_split_words", NULL, "{\"mailbox_capacity\":8}");
    enum { WORDS = 30000 };
    char *text = malloc((size_t)2 * WORDS);
    cr_assert_not_null(text);
    for (size_t i = 0; i < WORDS; i++) {
        text[2 * i] = 'w';
        text[2 * i + 1] = ' ';
    }
    rig_hold(rig, true);

    send_bytes(rig, text, (size_t)2 * WORDS);
    rig_send_flow(rig, "input");
    rf_message *first = rig_next(rig, "word"); /* the probe is in its callback now */
    for (int i = 0; i < 20000; i++)
        (void)sched_yield();

    rf_network_stats stats;
    rf_network_get_stats(rig->net, &stats);
    cr_assert_lt(stats.queued_count, 128, "%llu", (unsigned long long)stats.queued_count);
    rig_hold(rig, false);
    rig_expect(rig, "stats", RF_KIND_OBJECT,
               "{\"words\":30000,\"bytes\":60000,\"replaced_bytes\":0}");
    cr_assert_eq(rf_network_drain(rig->net, RIG_WAIT_MS), RF_OK);
    cr_assert_eq(rig->taken_count, WORDS + 2);
    rf_message_unref(first);
    free(text);
    rig_close(rig);
}
