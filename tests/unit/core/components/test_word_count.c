/* SPDX-License-Identifier: MIT */
/* The word count as one graph: reader, splitter, counter, report. What it writes must be what
 * tr | sort | uniq counts. */
#include "core/base/json_doc.h"
#include "unit/core/components/rig.h"
#include <reflow/graph.h>
#include <unistd.h>

static const char word_count_graph[] =
    "{\"processes\":{"
    "\"read\":{\"component\":\"tpl_file_reader\",\"metadata\":{\"mode\":\"chunks\"}},"
    "\"split\":{\"component\":\"tpl_split_words\",\"metadata\":{\"mailbox_capacity\":16}},"
    "\"count\":{\"component\":\"tpl_count_by_key\"},"
    "\"report\":{\"component\":\"tpl_count_report\",\"metadata\":{\"top\":0}}},"
    "\"connections\":["
    "{\"src\":{\"process\":\"read\",\"port\":\"output\"},"
    "\"tgt\":{\"process\":\"split\",\"port\":\"input\"}},"
    "{\"src\":{\"process\":\"read\",\"port\":\"error\"},"
    "\"tgt\":{\"process\":\"report\",\"port\":\"failure\"}},"
    "{\"src\":{\"process\":\"split\",\"port\":\"word\"},"
    "\"tgt\":{\"process\":\"count\",\"port\":\"input\"}},"
    "{\"src\":{\"process\":\"count\",\"port\":\"counts\"},"
    "\"tgt\":{\"process\":\"report\",\"port\":\"counts\"}}]}";

/* Run the graph over `path`; the answer of the report, owned. The counts are in `output`. */
static rf_message *count_words(const char *path, const char *output)
{
    rf_network *net = NULL;
    rf_graph *graph = NULL;
    rf_diag diag = {0};
    rf_network_options options = {.struct_size = sizeof options, .workers = 2};
    cr_assert_eq(rf_network_new(&options, &net), RF_OK);
    cr_assert_eq(rf_network_register_builtins(net), RF_OK);
    cr_assert_eq(
        rf_graph_parse(word_count_graph, sizeof word_count_graph - 1, "words", &graph, &diag),
        RF_OK, "%s", diag.text);
    cr_assert_eq(rf_graph_apply(graph, net, NULL, &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(rf_network_start(net), RF_OK);
    cr_assert_eq(
        rf_network_send(net, "report", "output_path", rf_message_string(output, strlen(output))),
        RF_OK);
    cr_assert_eq(rf_network_send(net, "read", "path", rf_message_string(path, strlen(path))),
                 RF_OK);
    rf_message *answer = NULL;
    cr_assert_eq(rf_network_request_wait(net, "report", "wait", rf_message_flow(), 100000, &answer),
                 RF_OK);
    rf_graph_free(graph);
    rf_network_free(net);
    return answer;
}

static char *read_all(FILE *file, size_t *out_size)
{
    size_t capacity = 1 << 20;
    size_t size = 0;
    char *text = malloc(capacity + 1);
    cr_assert_not_null(text);
    for (size_t got = 1; got > 0; size += got) {
        if (size == capacity) {
            capacity *= 2;
            text = realloc(text, capacity + 1);
            cr_assert_not_null(text);
        }
        got = fread(text + size, 1, capacity - size, file);
    }
    text[size] = '\0';
    *out_size = size;
    return text;
}

/* Compare with the classic pipe. Words of the test data hold no quotes and no NUL. */
static void check_against_pipe(const char *path)
{
    char *output = rig_file("", 0);
    rf_message *answer = count_words(path, output);
    cr_assert_eq(rf_message_kind(answer), RF_KIND_OBJECT);
    rf_message_unref(answer);

    FILE *file = fopen(output, "rb");
    cr_assert_not_null(file);
    size_t size = 0;
    char *json = read_all(file, &size);
    (void)fclose(file);
    struct rfi_json_doc *doc = NULL;
    struct rfi_json_limits limits = {0, 4 << 20};
    cr_assert_eq(rfi_json_doc_parse(json, size, 0, &limits, NULL, &doc, NULL), RF_OK);
    const struct rfi_json *item = rfi_json_root(doc)->first;

    char command[512];
    (void)snprintf(command, sizeof command,
                   "LC_ALL=C tr -s '[:space:]' '\\n' <'%s' | LC_ALL=C sort | uniq -c", path);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): our own command */
    cr_assert_not_null(pipe);
    size_t expected_size = 0;
    char *expected = read_all(pipe, &expected_size);
    cr_assert_eq(pclose(pipe), 0);
    size_t lines = 0;
    for (char *line = expected; *line != '\0';) {
        char *end = strchr(line, '\n');
        *end = '\0';
        unsigned long long count = strtoull(line, &line, 10);
        line++;
        if (*line != '\0') { /* the empty word in front of leading white space is none */
            int64_t ours = 0;
            cr_assert_not_null(item);
            cr_assert_str_eq(item->key, line);
            cr_assert(rfi_json_as_int(item, &ours));
            cr_assert_eq((unsigned long long)ours, count);
            item = item->next;
            lines++;
        }
        line = end + 1;
    }
    cr_assert_null(item);
    cr_assert_gt(lines, 0);
    free(expected);
    rfi_json_doc_free(doc);
    free(json);
    (void)unlink(output);
    free(output);
}

Test(word_count, equals_the_classic_pipe_on_a_generated_text, .timeout = 120)
{
    enum { SIZE = 3 << 20 };
    char *text = malloc(SIZE);
    cr_assert_not_null(text);
    uint64_t random = 42;
    for (size_t i = 0; i < SIZE; i++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        unsigned pick = (unsigned)(random >> 40);
        text[i] = pick % 5 == 0 ? " \n\t\r\v\f"[pick / 5 % 6] : (char)('a' + pick / 5 % 8);
    }
    char *path = rig_file(text, SIZE);

    check_against_pipe(path);

    (void)unlink(path);
    free(path);
    free(text);
}

Test(word_count, equals_the_classic_pipe_on_one_line_of_ten_megabytes, .timeout = 120)
{
    enum { SIZE = 10 << 20 };
    char *text = malloc(SIZE);
    cr_assert_not_null(text);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = i % 11 == 10 ? ' ' : (char)('a' + i / 11 % 26);
    char *path = rig_file(text, SIZE);

    check_against_pipe(path);

    (void)unlink(path);
    free(path);
    free(text);
}

Test(word_count, one_word_of_ten_megabytes_is_one_word, .timeout = 120)
{
    enum { SIZE = 10 << 20 };
    char *text = malloc(SIZE);
    cr_assert_not_null(text);
    memset(text, 'x', SIZE);
    char *path = rig_file(text, SIZE);
    char *output = rig_file("", 0);

    rf_message *answer = count_words(path, output);

    rf_span json = rf_message_data(answer);
    cr_assert_eq(strncmp(json.data, "{\"words\":1,\"unique\":1,", 22), 0);
    rf_message_unref(answer);
    (void)unlink(path);
    (void)unlink(output);
    free(path);
    free(output);
    free(text);
}

Test(word_count, an_empty_file_gives_no_words_and_a_missing_one_an_error, .timeout = 60)
{
    char *path = rig_file("", 0);
    char *output = rig_file("", 0);

    rf_message *empty = count_words(path, output);
    rf_message *missing = count_words("/no/such/file", output);

    cr_assert_eq(strncmp(rf_message_data(empty).data, "{\"words\":0,", 11), 0);
    cr_assert_eq(rf_message_kind(missing), RF_KIND_ERROR);
    rf_message_unref(empty);
    rf_message_unref(missing);
    (void)unlink(path);
    (void)unlink(output);
    free(path);
    free(output);
}
