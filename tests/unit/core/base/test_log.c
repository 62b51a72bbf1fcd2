/* SPDX-License-Identifier: MIT */
#include "core/base/json_doc.h"
#include "support/rf_test.h"

#include <errno.h>
#include <fcntl.h>
#include <reflow/log.h>
#include <unistd.h>

/* Each test logs under its own event id, as the rate limit counts by id. */
enum { LINES = 200 }; /* more than one summary for each event that is watched */

static char lines[LINES][9000];
static size_t line_count;
static rf_log_level last_level;

static void keep(void *user, rf_log_level level, const char *line)
{
    cr_assert_eq(user, &line_count);
    last_level = level;
    if (line_count < LINES)
        (void)snprintf(lines[line_count], sizeof lines[0], "%s", line);
    line_count++;
}

static void begin(void)
{
    line_count = 0;
    rf_log_set_level(RF_LOG_INFO);
    rf_log_set_json(false);
    rf_log_set_sink(keep, &line_count);
}

/* The line of an event. Summaries of what earlier tests held back may stand between ours. */
static const char *line_of(const char *event, size_t skip)
{
    for (size_t i = 0; i < line_count && i < LINES; i++)
        if (strstr(lines[i], event) != NULL && strstr(lines[i], "suppressed=") == NULL &&
            skip-- == 0)
            return lines[i];
    return "";
}

static const char *after_time(const char *event)
{
    const char *blank = strchr(line_of(event, 0), ' ');
    return blank != NULL ? blank : "";
}

Test(log, a_line_has_time_level_event_and_fields)
{
    begin();
    rf_log(RF_LOG_WARN, "TEST-LINE", "peer=%s n=%d", "a", 3);
    cr_assert_eq(last_level, RF_LOG_WARN);
    cr_assert_str_eq(after_time("TEST-LINE"), " warn TEST-LINE peer=a n=3");
    const char *line = line_of("TEST-LINE", 0);
    cr_assert_eq(line[4], '-');
    cr_assert_eq(line[10], 'T');
    cr_assert(strstr(line, "Z warn") != NULL);
    rf_log_set_sink(NULL, NULL);
}

Test(log, levels_are_read_and_filter)
{
    begin();
    rf_log_level level = RF_LOG_ERROR;
    cr_assert_eq(rf_log_level_parse("trace", &level), RF_OK);
    cr_assert_eq(level, RF_LOG_TRACE);
    cr_assert_eq(rf_log_level_parse("Trace", &level), RF_EINVAL);
    cr_assert_eq(rf_log_level_parse("", &level), RF_EINVAL);
    rf_log(RF_LOG_DEBUG, "TEST-LEVEL", "x");
    cr_assert_str_eq(line_of("TEST-LEVEL", 0), "");
    rf_log_set_level(RF_LOG_DEBUG);
    rf_log(RF_LOG_DEBUG, "TEST-LEVEL", "x");
    rf_log(RF_LOG_TRACE, "TEST-LEVEL", "x");
    cr_assert_str_eq(after_time("TEST-LEVEL"), " debug TEST-LEVEL x");
    cr_assert_str_eq(line_of("TEST-LEVEL", 1), "");
    rf_log_set_sink(NULL, NULL);
}

Test(log, one_call_is_one_line_whatever_a_peer_sent)
{
    begin();
    rf_log(RF_LOG_INFO, "TEST-ESCAPE", "%s",
           "a\nb\r\033[2J\x7f \xff \xe2\x80\xae \xc2\x9b \xe2\x80\xa8 \xc3\xa4 \t.");
    cr_assert_str_eq(after_time("TEST-ESCAPE"),
                     " info TEST-ESCAPE a\\nb\\u000d\\u001b[2J\\u007f \\xff \\u202e "
                     "\\u009b \\u2028 \xc3\xa4 \\t.");
    rf_log_set_sink(NULL, NULL);
}

Test(log, json_lines_are_json)
{
    begin();
    rf_log_set_json(true);
    rf_log(RF_LOG_ERROR, "TEST-JSON", "name=\"%s\"", "a\\b\n\xff\xe2\x80\xae");
    struct rfi_json_doc *doc = NULL;
    const char *line = line_of("TEST-JSON", 0);
    cr_assert_eq(rfi_json_doc_parse(line, strlen(line), 0, NULL, NULL, &doc, NULL), RF_OK);
    const struct rfi_json *root = rfi_json_root(doc);
    cr_assert_str_eq(rfi_json_get_string(root, "level", ""), "error");
    cr_assert_str_eq(rfi_json_get_string(root, "event", ""), "TEST-JSON");
    cr_assert_str_eq(rfi_json_get_string(root, "text", ""), "name=\"a\\b\n\\xff\xe2\x80\xae\"");
    cr_assert_null(strstr(line, "\xe2\x80\xae")); /* escaped in the raw line */
    rfi_json_doc_free(doc);
    rf_log_set_json(false);
    rf_log_set_sink(NULL, NULL);
}

Test(log, a_long_line_is_cut_and_still_json)
{
    begin();
    rf_log_set_json(true);
    char text[4000];
    memset(text, '"', sizeof text);
    text[3999] = '\0';
    rf_log(RF_LOG_INFO, "TEST-LONG", "%s", text);
    memset(text, '\x01', 3999);
    rf_log(RF_LOG_INFO, "TEST-LONG", "%s", text);
    for (size_t i = 0; i < 2; i++) {
        const char *line = line_of("TEST-LONG", i);
        cr_assert_eq(rfi_json_check(line, strlen(line), 0, NULL), RF_OK);
    }
    rf_log_set_json(false);
    rf_log_set_sink(NULL, NULL);
}

Test(log, a_flood_is_counted_and_told, .timeout = 30)
{
    begin();
    /* At most ten of a burst; another event still comes through. */
    for (int i = 0; i < 25; i++)
        rf_log(RF_LOG_INFO, "TEST-FLOOD", "i=%d", i);
    size_t written = 0;
    while (*line_of("TEST-FLOOD", written) != '\0')
        written++;
    cr_assert_leq(written, 20U); /* 10, and 10 more if a second ended in between */
    size_t before = line_count;
    rf_log(RF_LOG_INFO, "TEST-OTHER", "x");
    cr_assert_gt(line_count, before);
    /* Once the second is over, the next line of anything brings the count. */
    bool is_told = false;
    char event[32];
    for (int i = 0; !is_told; i++) {
        line_count = 0;
        (void)snprintf(event, sizeof event, "TEST-TICK-%d", i % 64);
        rf_log(RF_LOG_INFO, event, "x");
        for (size_t at = 0; at < line_count && at < LINES; at++)
            is_told = is_told || strstr(lines[at], "TEST-FLOOD suppressed=") != NULL;
    }
    cr_assert(is_told);
    rf_log_set_sink(NULL, NULL);
}

Test(log, stderr_gets_one_line_and_errno_survives)
{
    begin();
    rf_log_set_sink(NULL, NULL);
    int pipes[2];
    cr_assert_eq(pipe(pipes), 0);
    int kept = dup(STDERR_FILENO);
    cr_assert_geq(kept, 0);
    cr_assert_geq(dup2(pipes[1], STDERR_FILENO), 0);
    errno = EBADMSG;
    rf_log(RF_LOG_INFO, "TEST-STDERR", "x=1");
    int seen_errno = errno;
    (void)dup2(kept, STDERR_FILENO);
    char text[256] = "";
    ssize_t size = read(pipes[0], text, sizeof text - 1);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    (void)close(kept);
    cr_assert_eq(seen_errno, EBADMSG);
    cr_assert_gt(size, 20);
    cr_assert_eq(text[size - 1], '\n');
    cr_assert(strstr(text, " info TEST-STDERR x=1\n") != NULL);
}
