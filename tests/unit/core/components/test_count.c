/* SPDX-License-Identifier: MIT */
/* tpl_count_by_key, tpl_count_report, and the table below both. */
#include "core/components/count_table.h"
#include "unit/core/components/rig.h"
#include <unistd.h>

Test(count_table, counts_exactly_and_tells_keys_by_their_bytes)
{
    struct rfi_count_table table;
    rfi_count_table_init(&table);

    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < 100000; i++)
            cr_assert_eq(rfi_count_table_add(&table, &i, sizeof i, i % 7), RF_OK);
    cr_assert_eq(rfi_count_table_add(&table, "", 0, 1), RF_OK);

    cr_assert_eq(table.count, 100001);
    uint64_t total = 1;
    for (uint32_t i = 0; i < 100000; i++) {
        const struct rfi_count *entry = rfi_count_table_at(&table, i);
        cr_assert_eq(entry->size, sizeof i);
        cr_assert_arr_eq(entry->key, &i, sizeof i);
        cr_assert_eq(entry->count, (uint64_t)(i % 7) * 3);
        total += entry->count;
    }
    cr_assert_eq(table.total, total);
    rfi_count_table_fini(&table);
}

Test(count_table, takes_keys_of_any_size_around_its_blocks)
{
    struct rfi_count_table table;
    rfi_count_table_init(&table);
    static const size_t sizes[] = {0, 1, 7, 8, 9, 16383, 16384, 16385, 65536, 1000000};
    uint8_t *key = calloc(1, 1000000);
    cr_assert_not_null(key);

    for (size_t i = 0; i < 10; i++)
        cr_assert_eq(rfi_count_table_add(&table, key, sizes[i], 1), RF_OK);
    for (size_t i = 0; i < 10; i++)
        cr_assert_eq(rfi_count_table_add(&table, key, sizes[i], 1), RF_OK);

    cr_assert_eq(table.count, 10);
    for (size_t i = 0; i < 10; i++) {
        cr_assert_eq(rfi_count_table_at(&table, i)->size, sizes[i]);
        cr_assert_eq(rfi_count_table_at(&table, i)->count, 2);
    }
    rfi_count_table_clear(&table);
    cr_assert_eq(table.count, 0);
    cr_assert_eq(rfi_count_table_add(&table, "x", 1, 1), RF_OK);
    cr_assert_eq(table.count, 1);
    free(key);
    rfi_count_table_fini(&table);
}

Test(count_by_key, tells_each_key_once_then_a_flow_and_forgets, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_by_key", NULL);

    rig_send_text(rig, "input", "b");
    rig_send_text(rig, "input", "a");
    rig_send_text(rig, "input", "b");
    rig_send_flow(rig, "input");
    rig_send_flow(rig, "input");

    rig_expect(rig, "counts", RF_KIND_OBJECT, "{\"b\":2,\"a\":1}");
    rig_expect_flow(rig, "counts");
    rig_expect_flow(rig, "counts");
    rig_close(rig);
}

Test(count_by_key, flush_tells_at_once, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_by_key", NULL);

    rig_send_text(rig, "input", "a");
    rig_send(rig, "flush", rf_message_boolean(true));

    rig_expect(rig, "counts", RF_KIND_OBJECT, "{\"a\":1}");
    rig_expect_flow(rig, "counts");
    rig_close(rig);
}

Test(count_by_key, keys_may_hold_nul_and_other_kinds_are_their_json, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_by_key", NULL);

    rig_send(rig, "input", rf_message_string("a\0b", 3));
    rig_send(rig, "input", rf_message_string("a", 1));
    rig_send(rig, "input", rf_message_integer(5));
    rig_send(rig, "input", rf_message_string("\xff", 1));
    rig_send(rig, "input", rf_message_bytes("\xfe", 1));
    rig_send(rig, "input", rf_message_string("", 0));
    rig_send_flow(rig, "input");

    rig_expect(rig, "counts", RF_KIND_OBJECT,
               "{\"a\\u0000b\":1,\"a\":1,\"5\":1,\"\xEF\xBF\xBD\":2,\"\":1}");
    rig_close(rig);
}

Test(count_by_key, batches_are_bounded_in_keys_and_bytes, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_by_key", "{\"propertyValues\":{\"batch_keys\":2}}");
    char *large = malloc(70000);
    cr_assert_not_null(large);
    memset(large, 'x', 70000);

    rig_send_text(rig, "input", "a");
    rig_send_text(rig, "input", "b");
    rig_send_text(rig, "input", "c");
    rig_send(rig, "input", rf_message_string(large, 70000));
    rig_send_text(rig, "input", "d");
    rig_send_flow(rig, "input");

    rig_expect(rig, "counts", RF_KIND_OBJECT, "{\"a\":1,\"b\":1}");
    rig_expect(rig, "counts", RF_KIND_OBJECT, "{\"c\":1}");
    rf_message *msg = rig_next(rig, "counts");
    cr_assert_eq(rf_message_data(msg).size, 70000 + 6);
    rf_message_unref(msg);
    rig_expect(rig, "counts", RF_KIND_OBJECT, "{\"d\":1}");
    rig_expect_flow(rig, "counts");
    free(large);
    rig_close(rig);
}

Test(count_by_key, goes_on_telling_when_its_target_has_room_again, .timeout = 60)
{
    struct rig *rig = rig_open_with("tpl_count_by_key", "{\"propertyValues\":{\"batch_keys\":1}}",
                                    "{\"mailbox_capacity\":8}");
    enum { KEYS = 5000 };
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        rig_send_text(rig, "input", key);
    }
    cr_assert_eq(rf_network_drain(rig->net, RIG_WAIT_MS), RF_OK);
    rig_hold(rig, true);

    rig_send_flow(rig, "input");
    rig_send_text(rig, "input", "next"); /* not counted before all is told */
    rig_send_flow(rig, "input");
    rf_message *first = rig_next(rig, "counts");
    for (int i = 0; i < 20000; i++)
        (void)sched_yield();

    rf_network_stats stats;
    rf_network_get_stats(rig->net, &stats);
    cr_assert_lt(stats.queued_count, 64, "%llu", (unsigned long long)stats.queued_count);
    rig_hold(rig, false);
    for (int i = 1; i < KEYS; i++)
        rf_message_unref(rig_next(rig, "counts"));
    rig_expect_flow(rig, "counts");
    rig_expect(rig, "counts", RF_KIND_OBJECT, "{\"next\":1}");
    rf_message_unref(first);
    rig_close(rig);
}

/* ---- the report ---- */

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    char *text = calloc(1, 100000);
    cr_assert_not_null(text);
    cr_assert_lt(fread(text, 1, 99999, file), 99999);
    (void)fclose(file);
    return text;
}

static struct rig *open_report(const char *path)
{
    char metadata[512];
    (void)snprintf(metadata, sizeof metadata,
                   "{\"propertyValues\":{\"top\":0,\"output_path\":\"%s\"}}", path);
    return rig_open("tpl_count_report", metadata);
}

Test(count_report, adds_up_and_writes_all_counts_in_order, .timeout = 60)
{
    char *path = rig_file("old", 3);
    struct rig *rig = open_report(path);

    rig_send_json(rig, "counts", "{\"b\":2,\"a\\u0000\":1}");
    rig_send_json(rig, "counts", "{\"b\":3,\"a\":7,\"\\\"\\n\":4}");
    rig_send_flow(rig, "counts");

    rf_message *done = rig_next(rig, "done");
    rf_span summary = rf_message_data(done);
    char expected[512];
    (void)snprintf(expected, sizeof expected,
                   "{\"words\":17,\"unique\":4,\"path\":\"%s\",\"messages\":2,\"seconds\":", path);
    cr_assert_eq(strncmp(summary.data, expected, strlen(expected)), 0);
    rf_message_unref(done);
    char *text = slurp(path);
    cr_assert_str_eq(text,
                     "{\n  \"\\\"\\n\": 4,\n  \"a\": 7,\n  \"a\\u0000\": 1,\n  \"b\": 5\n}\n");
    free(text);
    (void)unlink(path);
    free(path);
    rig_close(rig);
}

Test(count_report, an_empty_run_writes_an_empty_object, .timeout = 60)
{
    char *path = rig_file("", 0);
    struct rig *rig = open_report(path);

    rig_send_flow(rig, "counts");

    rig_expect_holds(rig, "done", "\"words\":0,\"unique\":0");
    char *text = slurp(path);
    cr_assert_str_eq(text, "{}\n");
    free(text);
    (void)unlink(path);
    free(path);
    rig_close(rig);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    rf_err err;
    rf_message *answer;
    bool is_answered;
};

static void take_answer(void *user, rf_err err, rf_message *answer)
{
    struct waiter *waiter = user;
    (void)pthread_mutex_lock(&waiter->lock);
    waiter->err = err;
    waiter->answer = answer;
    waiter->is_answered = true;
    (void)pthread_cond_broadcast(&waiter->changed);
    (void)pthread_mutex_unlock(&waiter->lock);
}

static void begin_wait(struct rig *rig, struct waiter *waiter)
{
    *waiter = (struct waiter){.err = RF_ETIMEOUT};
    (void)pthread_mutex_init(&waiter->lock, NULL);
    (void)pthread_cond_init(&waiter->changed, NULL);
    cr_assert_eq(rf_network_request(rig->net, "x", "wait", rf_message_flow(), RIG_WAIT_MS,
                                    take_answer, waiter),
                 RF_OK);
}

static rf_message *end_wait(struct waiter *waiter)
{
    struct timespec until;
    rig_deadline(&until);
    (void)pthread_mutex_lock(&waiter->lock);
    while (!waiter->is_answered &&
           pthread_cond_timedwait(&waiter->changed, &waiter->lock, &until) == 0)
        ;
    (void)pthread_mutex_unlock(&waiter->lock);
    cr_assert(waiter->is_answered);
    (void)pthread_mutex_destroy(&waiter->lock);
    (void)pthread_cond_destroy(&waiter->changed);
    return waiter->answer;
}

Test(count_report, answers_who_waits_when_the_end_comes_and_afterwards, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_report", "{\"propertyValues\":{\"top\":0}}");
    struct waiter early;
    begin_wait(rig, &early);

    rig_send_json(rig, "counts", "{\"a\":3}");
    rig_send_flow(rig, "counts");

    rf_message *answer = end_wait(&early);
    cr_assert_eq(early.err, RF_OK);
    cr_assert_not_null(memmem(rf_message_data(answer).data, rf_message_data(answer).size,
                              "\"words\":3,\"unique\":1,\"path\":null", 32));
    rf_message *late = NULL;
    cr_assert_eq(
        rf_network_request_wait(rig->net, "x", "wait", rf_message_flow(), RIG_WAIT_MS, &late),
        RF_OK);
    cr_assert(rf_message_equal(answer, late));
    rf_message_unref(answer);
    rf_message_unref(late);
    rig_close(rig);
}

Test(count_report, a_failure_upstream_ends_the_wait, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_report", "{\"propertyValues\":{\"top\":0}}");
    struct waiter waiter;
    begin_wait(rig, &waiter);

    rig_send(rig, "failure", rf_message_error("no such file", 12));

    rf_message *answer = end_wait(&waiter);
    cr_assert_eq(waiter.err, RF_OK);
    cr_assert_eq(rf_message_kind(answer), RF_KIND_ERROR);
    rf_message_unref(answer);
    rig_expect(rig, "error", RF_KIND_ERROR, "\"no such file\"");
    rig_close(rig);
}

Test(count_report, a_file_that_cannot_be_written_is_the_answer, .timeout = 60)
{
    struct rig *rig = open_report("/no/such/folder/counts.json");
    struct waiter waiter;
    begin_wait(rig, &waiter);

    rig_send_json(rig, "counts", "{\"a\":1}");
    rig_send_flow(rig, "counts");

    rf_message *answer = end_wait(&waiter);
    cr_assert_eq(rf_message_kind(answer), RF_KIND_ERROR);
    rf_message_unref(answer);
    rig_expect_holds(rig, "error", "cannot write \"/no/such/folder/counts.json\": No such file");
    rig_close(rig);
}

Test(count_report, who_waits_when_the_actor_goes_gets_an_error, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_report", "{\"propertyValues\":{\"top\":0}}");
    struct waiter waiter;
    begin_wait(rig, &waiter);
    cr_assert_eq(rf_network_drain(rig->net, RIG_WAIT_MS), RF_OK);

    cr_assert_eq(rf_network_remove_node(rig->net, "x"), RF_OK);

    cr_assert_null(end_wait(&waiter));
    cr_assert_neq(waiter.err, RF_OK);
    rig_close(rig);
}

Test(count_report, a_new_object_behind_the_end_and_a_reset_begin_a_new_run, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_report", "{\"propertyValues\":{\"top\":0}}");

    rig_send_json(rig, "counts", "{\"a\":1}");
    rig_send_flow(rig, "counts");
    rig_send_json(rig, "counts", "{\"a\":2}");
    rig_send_flow(rig, "counts");
    rig_send_json(rig, "counts", "{\"a\":9}");
    rig_send_flow(rig, "reset");
    rig_send_json(rig, "counts", "{\"a\":4}");
    rig_send_flow(rig, "counts");

    rig_expect_holds(rig, "done", "\"words\":1,");
    rig_expect_holds(rig, "done", "\"words\":2,");
    rig_expect_holds(rig, "done", "\"words\":4,");
    rig_close(rig);
}

Test(count_report, tells_what_holds_no_counts, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_count_report", "{\"propertyValues\":{\"top\":0}}");

    rig_send_json(rig, "counts", "[1]");
    rig_send_json(rig, "counts", "{\"a\":-1}");
    rig_send_json(rig, "counts", "{\"a\":\"x\"}");
    rig_send(rig, "counts", rf_message_object("{", 1));

    rig_expect_holds(rig, "error", "are no object");
    rig_expect_holds(rig, "error", "no count");
    rig_expect_holds(rig, "error", "no count");
    rig_expect_holds(rig, "error", "no JSON object");
    rig_close(rig);
}

/* What the report prints on stdout while `send` runs; free() it. */
static char *printed_by(void (*send)(struct rig *rig), const char *metadata)
{
    char *path = rig_file("", 0);
    (void)fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    cr_assert_geq(saved, 0);
    cr_assert_not_null(freopen(path, "w", stdout));
    struct rig *rig = rig_open("tpl_count_report", metadata);
    send(rig);
    rf_message_unref(rig_next(rig, "done"));
    rig_close(rig);
    (void)fflush(stdout);
    cr_assert_geq(dup2(saved, STDOUT_FILENO), 0);
    (void)close(saved);
    char *text = slurp(path);
    (void)unlink(path);
    free(path);
    return text;
}

static void send_ties(struct rig *rig)
{
    rig_send_json(rig, "counts",
                  "{\"b\":2,\"a\":2,\"c\":1,\"most\":10,\"\\u001b[1m\":3,\"\\u0085\":3}");
    rig_send_flow(rig, "counts");
}

Test(count_report, prints_the_largest_with_ties_in_byte_order_and_controls_escaped, .timeout = 60)
{
    char *text = printed_by(send_ties, "{\"propertyValues\":{\"top\":5}}");

    cr_assert_str_eq(text, "     count  word\n"
                           "        10  most\n"
                           "         3  \\x1b[1m\n"
                           "         3  \\u0085\n"
                           "         2  a\n"
                           "         2  b\n");
    free(text);
}

static void send_long_word(struct rig *rig)
{
    char json[256] = "{\"";
    memset(json + 2, 'x', 200);
    (void)snprintf(json + 202, sizeof json - 202, "\":1}");
    rig_send_json(rig, "counts", json);
    rig_send_flow(rig, "counts");
}

Test(count_report, cuts_long_words_in_the_table, .timeout = 60)
{
    char *text = printed_by(send_long_word, NULL);

    cr_assert_lt(strlen(text), 120);
    cr_assert_not_null(strstr(text, "xxx\xE2\x80\xA6\n"));
    free(text);
}
