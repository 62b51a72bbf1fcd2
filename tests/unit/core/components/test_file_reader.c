/* SPDX-License-Identifier: MIT */
#include "unit/core/components/rig.h"
#include <sys/stat.h>
#include <unistd.h>

static void read_file(struct rig *rig, const void *data, size_t size)
{
    char *path = rig_file(data, size);
    rig_send_text(rig, "path", path);
    rf_message *done = rig_next(rig, "done");
    rf_message_unref(done);
    (void)unlink(path);
    free(path);
}

Test(file_reader, sends_lines_then_a_flow, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader", NULL);

    read_file(rig, "one\n\n  two\r\nlast", 16);

    rig_expect(rig, "output", RF_KIND_STRING, "\"one\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"  two\\r\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"last\"");
    rig_expect_flow(rig, "output");
    rig_close(rig);
}

Test(file_reader, joins_lines_over_chunk_borders, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader", "{\"propertyValues\":{\"chunk_bytes\":3}}");

    read_file(rig, "abcdefgh\nij\n\nk\n", 15);

    rig_expect(rig, "output", RF_KIND_STRING, "\"abcdefgh\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"ij\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"k\"");
    rig_expect_flow(rig, "output");
    rig_close(rig);
}

Test(file_reader, sends_chunks_of_bytes_unchanged, .timeout = 60)
{
    struct rig *rig =
        rig_open("tpl_file_reader", "{\"propertyValues\":{\"chunk_bytes\":4,\"mode\":\"chunks\"}}");

    read_file(rig,
              "a\0b\xff"
              "cd",
              6);

    rig_expect(rig, "output", RF_KIND_BYTES, "[97,0,98,255]");
    rig_expect(rig, "output", RF_KIND_BYTES, "[99,100]");
    rig_expect_flow(rig, "output");
    rig_close(rig);
}

Test(file_reader, repairs_lines_that_are_not_utf8, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader", NULL);

    read_file(rig,
              "a\xff"
              "b\xc3\n\xc3\xa9\n",
              8);

    rig_expect(rig, "output", RF_KIND_STRING,
               "\"a\xEF\xBF\xBD"
               "b\xEF\xBF\xBD\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"\xc3\xa9\"");
    rig_close(rig);
}

Test(file_reader, an_empty_file_is_only_a_flow, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader", NULL);

    read_file(rig, "", 0);

    rig_expect_flow(rig, "output");
    rig_expect_none(rig, "output");
    rig_expect_none(rig, "error");
    rig_close(rig);
}

Test(file_reader, tells_path_and_reason_when_it_cannot_read, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader", NULL);

    rig_send_text(rig, "path", "/no/such/file");
    rig_expect(rig, "error", RF_KIND_ERROR,
               "\"cannot read \\\"/no/such/file\\\": No such file or directory\"");
    rig_send_text(rig, "path", "/tmp");
    rig_expect(rig, "error", RF_KIND_ERROR, "\"cannot read \\\"/tmp\\\": Is a directory\"");
    rig_send_text(rig, "path", "/dev/null");
    rig_expect_holds(rig, "error", "not a regular file");
    rig_send_text(rig, "path", "");
    rig_expect_holds(rig, "error", "must not be empty");
    rig_send(rig, "path", rf_message_integer(5));
    rig_expect_holds(rig, "error", "must be a String, not Integer");

    rig_expect_none(rig, "output");
    rig_close(rig);
}

Test(file_reader, a_file_without_right_says_so, .timeout = 60)
{
    if (geteuid() == 0)
        return; /* root may read everything */
    struct rig *rig = rig_open("tpl_file_reader", NULL);
    char *path = rig_file("x", 1);
    cr_assert_eq(chmod(path, 0), 0);

    rig_send_text(rig, "path", path);

    rig_expect_holds(rig, "error", "Permission denied");
    (void)unlink(path);
    free(path);
    rig_close(rig);
}

Test(file_reader, a_pipe_does_not_hold_the_worker, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader", NULL);
    char *path = rig_file("", 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);

    rig_send_text(rig, "path", path);

    rig_expect_holds(rig, "error", "not a regular file");
    (void)unlink(path);
    free(path);
    rig_close(rig);
}

Test(file_reader, starts_by_itself_with_a_configured_path, .timeout = 60)
{
    char *path = rig_file("hello\n", 6);
    char metadata[512];
    (void)snprintf(metadata, sizeof metadata, "{\"propertyValues\":{\"path\":\"%s\"}}", path);

    struct rig *rig = rig_open("tpl_file_reader", metadata);

    rig_expect(rig, "output", RF_KIND_STRING, "\"hello\"");
    rig_expect_flow(rig, "output");
    (void)unlink(path);
    free(path);
    rig_close(rig);
}

Test(file_reader, reads_files_one_after_another, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader", "{\"propertyValues\":{\"chunk_bytes\":1}}");
    char *first = rig_file("a\nb\n", 4);
    char *second = rig_file("c\n", 2);

    rig_send_text(rig, "path", first);
    rig_send_text(rig, "path", second);

    rig_expect(rig, "output", RF_KIND_STRING, "\"a\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"b\"");
    rig_expect_flow(rig, "output");
    rig_expect(rig, "output", RF_KIND_STRING, "\"c\"");
    rig_expect_flow(rig, "output");
    (void)unlink(first);
    (void)unlink(second);
    free(first);
    free(second);
    rig_close(rig);
}

Test(file_reader, a_line_of_ten_megabytes_comes_whole, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader", NULL);
    enum { SIZE = 10 << 20 };
    char *data = malloc(SIZE + 1);
    cr_assert_not_null(data);
    memset(data, 'x', SIZE);
    data[SIZE] = '\n';

    read_file(rig, data, SIZE + 1);

    rf_message *line = rig_next(rig, "output");
    cr_assert_eq(rf_message_data(line).size, SIZE);
    rf_message_unref(line);
    rig_expect_flow(rig, "output");
    free(data);
    rig_close(rig);
}

Test(file_reader, a_line_over_the_limit_is_left_out_with_an_error, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_file_reader",
                               "{\"propertyValues\":{\"line_bytes_max\":4,\"chunk_bytes\":2}}");

    read_file(rig, "1234\n12345\n123\n123456", 21);

    rig_expect(rig, "output", RF_KIND_STRING, "\"1234\"");
    rig_expect(rig, "output", RF_KIND_STRING, "\"123\"");
    rig_expect_flow(rig, "output");
    rig_expect_holds(rig, "error", "longer than 4 bytes");
    rig_expect_holds(rig, "error", "longer than 4 bytes");
    rig_expect_none(rig, "error");
    rig_close(rig);
}

Test(file_reader, stops_while_its_target_is_over_its_limit, .timeout = 60)
{
    struct rig *rig = rig_open_with("tpl_file_reader",
                                    "{\"propertyValues\":{\"mode\":\"chunks\",\"chunk_bytes\":1}}",
                                    "{\"mailbox_capacity\":8}");
    enum { SIZE = 2000 };
    char data[SIZE];
    memset(data, 'x', sizeof data);
    rig_hold(rig, true);
    char *path = rig_file(data, sizeof data);

    rig_send_text(rig, "path", path);
    rf_message *first = rig_next(rig, "output"); /* the probe is in its callback now */
    for (int i = 0; i < 20000; i++)
        (void)sched_yield();

    rf_network_stats stats;
    rf_network_get_stats(rig->net, &stats);
    cr_assert_lt(stats.queued_count, 64, "%llu", (unsigned long long)stats.queued_count);
    rig_hold(rig, false);
    rf_message *done = rig_next(rig, "done");
    cr_assert_eq(rig->taken_count, SIZE + 2);
    rf_message_unref(done);
    rf_message_unref(first);
    (void)unlink(path);
    free(path);
    rig_close(rig);
}
