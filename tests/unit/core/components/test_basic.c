/* SPDX-License-Identifier: MIT */
/* tpl_passthrough, tpl_echo, tpl_log, tpl_recorder, tpl_delay, tpl_interval_trigger, and the list of
 * all components. */
#include "core/base/clock.h"
#include "unit/core/components/rig.h"
#include <reflow/log.h>
#include <unistd.h>

Test(builtin, every_component_says_what_it_is)
{
    size_t count = 0;
    const rf_component *const *all = rfi_builtin_components(&count);

    cr_assert_eq(count, 25);
    for (size_t i = 0; i < count; i++) {
        const rf_component *component = all[i];
        cr_assert_eq(component->struct_size, sizeof *component);
        cr_assert_eq(strncmp(component->name, "tpl_", 4), 0);
        cr_assert_gt(strlen(component->summary), 10);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(all[j]->name, component->name);
        for (size_t j = 0; j < component->inport_count; j++)
            cr_assert_gt(strlen(component->inports[j].summary), 2);
        for (size_t j = 0; j < component->outport_count; j++)
            cr_assert_gt(strlen(component->outports[j].summary), 2);
        for (size_t j = 0; j < component->key_count; j++)
            cr_assert_gt(strlen(component->keys[j].summary), 2);
    }
}

Test(basic, passthrough_passes_every_kind_unchanged, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_passthrough", NULL);
    rf_message *sent = rf_message_object("{ \"a\" : 1e400 }", 15);
    cr_assert_not_null(sent);

    rig_send(rig, "input", rf_message_ref(sent));
    rig_send_flow(rig, "input");

    rf_message *got = rig_next(rig, "output");
    cr_assert(rf_message_equal(sent, got));
    rf_message_unref(got);
    rf_message_unref(sent);
    rig_expect_flow(rig, "output");
    rig_close(rig);
}

Test(basic, echo_answers_a_request_and_passes_on, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_echo", NULL);
    rf_message *answer = NULL;

    rf_err err =
        rf_network_request_wait(rig->net, "x", "in", rf_message_integer(7), RIG_WAIT_MS, &answer);

    cr_assert_eq(err, RF_OK);
    cr_assert_eq(rf_message_as_integer(answer), 7);
    rf_message_unref(answer);
    rig_expect(rig, "out", RF_KIND_INTEGER, "7");
    rig_send_text(rig, "in", "plain");
    rig_expect(rig, "out", RF_KIND_STRING, "\"plain\"");
    rig_close(rig);
}

struct lines {
    pthread_mutex_t lock;
    char text[8192];
};

static void keep_line(void *user, rf_log_level level, const char *line)
{
    struct lines *lines = user;
    (void)level;
    (void)pthread_mutex_lock(&lines->lock);
    size_t used = strlen(lines->text);
    (void)snprintf(lines->text + used, sizeof lines->text - used, "%s\n", line);
    (void)pthread_mutex_unlock(&lines->lock);
}

Test(basic, log_writes_one_line_a_message_and_passes_on, .timeout = 60)
{
    static struct lines lines = {.lock = PTHREAD_MUTEX_INITIALIZER};
    rf_log_set_level(RF_LOG_INFO); /* another test of this process may have changed it */
    rf_log_set_sink(keep_line, &lines);
    struct rig *rig =
        rig_open("tpl_log", "{\"propertyValues\":{\"level\":\"warn\",\"prefix\":\"got: \"}}");

    rig_send_text(rig, "input", "two\nlines");

    rig_expect(rig, "output", RF_KIND_STRING, "\"two\\nlines\"");
    rig_close(rig);
    rf_log_set_sink(NULL, NULL);
    const char *line = strstr(lines.text, "ACTOR-LOG");
    cr_assert_not_null(line, "%s", lines.text);
    cr_assert_not_null(strstr(line, "got: two"));
    cr_assert_null(strstr(line, "two\nlines"));
}

Test(basic, recorder_appends_a_json_line_a_message, .timeout = 60)
{
    char *path = rig_file("first\n", 6);
    char metadata[512];
    (void)snprintf(metadata, sizeof metadata, "{\"propertyValues\":{\"path\":\"%s\"}}", path);
    struct rig *rig = rig_open("tpl_recorder", metadata);

    rig_send(rig, "in", rf_message_integer(5));
    rig_send_json(rig, "in", "{\"k\":1}");

    rig_expect(rig, "out", RF_KIND_INTEGER, "5");
    rig_expect(rig, "out", RF_KIND_OBJECT, "{\"k\":1}");
    rig_close(rig);
    char text[1024] = "";
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    (void)!fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    cr_assert_str_eq(text, "first\n"
                           "{\"port\":\"in\",\"message\":{\"type\":\"Integer\",\"data\":5}}\n"
                           "{\"port\":\"in\",\"message\":{\"type\":\"Object\",\"data\":{\"data\":"
                           "[123,34,107,34,58,49,125]}}}\n");
    (void)unlink(path);
    free(path);
}

Test(basic, delay_keeps_order_and_waits, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_delay", "{\"propertyValues\":{\"delayMs\":80}}");
    uint64_t begin_ms = rfi_clock_ms();

    for (int i = 0; i < 100; i++)
        rig_send(rig, "input", rf_message_integer(i));

    for (int i = 0; i < 100; i++) {
        rf_message *msg = rig_next(rig, "output");
        cr_assert_eq(rf_message_as_integer(msg), i);
        rf_message_unref(msg);
    }
    cr_assert_geq(rfi_clock_ms() - begin_ms, 80);
    rig_close(rig);
}

Test(basic, delay_frees_what_still_waits, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_delay", "{\"propertyValues\":{\"delay_ms\":3600000}}");

    rig_send_text(rig, "input", "never");

    rig_expect_none(rig, "output");
    rig_close(rig);
}

Test(basic, delay_over_its_bound_fails_and_goes_on, .timeout = 60)
{
    struct rig *rig =
        rig_open("tpl_delay", "{\"propertyValues\":{\"delayMs\":50,\"queue_max\":2}}");

    for (int i = 0; i < 3; i++)
        rig_send(rig, "input", rf_message_integer(i));

    rig_expect(rig, "output", RF_KIND_INTEGER, "0");
    rig_expect(rig, "output", RF_KIND_INTEGER, "1");
    rig_send(rig, "input", rf_message_integer(9));
    rig_expect(rig, "output", RF_KIND_INTEGER, "9");
    rig_close(rig);
}

Test(basic, trigger_sends_its_payload_so_many_times, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_interval_trigger",
                               "{\"propertyValues\":{\"interval\":2,\"maxExecutions\":3,"
                               "\"payload\":{\"n\":\"${executionCount}\",\"c\":\"${other}\"}}}");

    rig_expect(rig, "trigger", RF_KIND_OBJECT, "{\"n\":\"1\",\"c\":\"${other}\"}");
    rig_expect(rig, "trigger", RF_KIND_OBJECT, "{\"n\":\"2\",\"c\":\"${other}\"}");
    rig_expect(rig, "trigger", RF_KIND_OBJECT, "{\"n\":\"3\",\"c\":\"${other}\"}");
    rig_expect_none(rig, "trigger");
    rig_close(rig);
}

Test(basic, trigger_without_a_template_tells_time_and_count, .timeout = 60)
{
    struct rig *rig = rig_open("tpl_interval_trigger",
                               "{\"propertyValues\":{\"interval\":1,\"intervalUnit\":\"hours\"}}");

    rf_message *msg = rig_next(rig, "trigger");

    cr_assert_eq(rf_message_kind(msg), RF_KIND_OBJECT);
    cr_assert_not_null(
        memmem(rf_message_data(msg).data, rf_message_data(msg).size, "\"executionCount\":1}", 19));
    rf_message_unref(msg);
    rig_close(rig);
}
