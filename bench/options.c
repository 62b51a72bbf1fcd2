/* SPDX-License-Identifier: MIT */
/* The options of reflow-bench: one table says what each takes, where it goes, and what the help tells of it.
 * Nothing here starts anything; the texts belong to argv and the environment. */
#include "options.h"
#include "nearest.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, COMMAND, NUMBER, TEXT, WORD, CHOICE };
enum place { ANYWHERE, RUN_ONLY, COMPARE_ONLY };

struct option {
    const char *name;     /* without the dashes */
    const char *argument; /* as the help shows it; of a CHOICE: the words, with | between them */
    const char *help;
    enum kind kind;
    enum place place;
    size_t offset;     /* in struct bench_cli */
    unsigned min, max; /* of a NUMBER; of a COMMAND, min is the command */
};

#define AT(FIELD) offsetof(struct bench_cli, FIELD)

static const struct option options[] = {
    {"scale", "PERCENT", "of the work; also BENCH_SCALE (default 100)", NUMBER, ANYWHERE,
     AT(options.scale), 1, 10000},
    {"warmup-ms", "MS", "rounds before the clock counts (default 500)", NUMBER, ANYWHERE,
     AT(options.warmup_ms), 0, 600000},
    {"measure-ms", "MS", "rounds that count; their median is the result (default 1000)", NUMBER,
     ANYWHERE, AT(options.measure_ms), 0, 600000},
    {"workers", "N", "actor threads; 0: one a core (default 0)", NUMBER, ANYWHERE,
     AT(options.workers), 0, 1024},
    {"timeout-s", "S", "bound of one measurement (default 210)", NUMBER, ANYWHERE, AT(timeout_s), 1,
     86400},
    {"json", NULL, "print an array of objects", FLAG, ANYWHERE, AT(is_json), 0, 0},
    {"csv", NULL, "print comma-separated values with a head line", FLAG, ANYWHERE, AT(is_csv), 0,
     0},
    {"plot", "FILE.svg", "draw the results", TEXT, ANYWHERE, AT(plot), 0, 0},
    {"transport", "tcp|ws", "of remote workloads (default tcp)", CHOICE, RUN_ONLY,
     AT(options.transport), 0, 0},
    {"delivery", "reliable|fast", "level of remote workloads (default reliable)", CHOICE, RUN_ONLY,
     AT(options.delivery), 0, 0},
    {"poll-us", "US", "how long I/O threads look before they sleep (default 50)", NUMBER, RUN_ONLY,
     AT(options.poll_us), 0, 1000000},
    {"rate", "N", "open loop: so many messages a second; 0: closed loop (default 0)", NUMBER,
     RUN_ONLY, AT(options.rate), 0, 1000000000},
    {"peer", "NAME", "first word of the result lines (default reflow)", WORD, RUN_ONLY,
     AT(options.peer), 0, 0},
    {"rounds", "N", "measurements of each; 0: only those in --samples (default 3)", NUMBER,
     COMPARE_ONLY, AT(rounds), 0, 1000},
    {"peers", "A,B,…", "only these peers; - for none", TEXT, COMPARE_ONLY, AT(peers), 0, 0},
    {"rows", "A,B,…", "only these rows of ours", TEXT, COMPARE_ONLY, AT(rows), 0, 0},
    {"workloads", "A,B,…", "only these workloads", TEXT, COMPARE_ONLY, AT(workloads), 0, 0},
    {"peers-dir", "DIR", "where the peers' `run` is; also BENCH_PEERS", TEXT, COMPARE_ONLY,
     AT(peers_path), 0, 0},
    {"samples", "FILE", "add every sample to FILE and print all that are in it", TEXT, COMPARE_ONLY,
     AT(samples), 0, 0},
    {"list", NULL, "print the workloads, then exit", COMMAND, ANYWHERE, AT(command),
     BENCH_COMMAND_LIST, 0},
    {"version", NULL, "print the version, then exit", COMMAND, ANYWHERE, AT(command),
     BENCH_COMMAND_VERSION, 0},
    {"help", NULL, "print this text, then exit", COMMAND, ANYWHERE, AT(command), BENCH_COMMAND_HELP,
     0},
};

#define UNSET UINT_MAX

enum { OPTION_COUNT = sizeof options / sizeof options[0], WORD_MAX_SIZE = 40 };

static bool take(struct bench_cli *cli, const struct option *option, const char *value);
static bool read_environment(struct bench_cli *cli);
static void set_unset(struct bench_cli *cli);
static bool check_together(const struct bench_cli *cli, const bool *given);

void bench_usage_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("reflow-bench: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    fputs("\ntry: reflow-bench --help\n", stderr);
    va_end(arguments);
}

static void print_options(FILE *stream, enum place place)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char left[64];
        if (options[i].place != place)
            continue;
        (void)snprintf(left, sizeof left, "--%s %s", options[i].name,
                       options[i].argument != NULL ? options[i].argument : "");
        fprintf(stream, "  %-26s %s\n", left, options[i].help);
    }
}

void bench_options_print_usage(FILE *stream)
{
    fputs("usage: reflow-bench [OPTIONS] [WORKLOAD…]\n"
          "       reflow-bench compare [OPTIONS]\n\n"
          "Without a workload: a summary of all with a tenth of the work, in under a minute.\n"
          "compare: this node and the peers of bench/peers in turn; medians, spread, ratios.\n\n",
          stream);
    print_options(stream, ANYWHERE);
    fputs("\nwithout compare:\n", stream);
    print_options(stream, RUN_ONLY);
    fputs("\nwith compare:\n", stream);
    print_options(stream, COMPARE_ONLY);
    fputs("\nOn a terminal results are a table, else lines `peer workload value unit`.\n"
          "Exit codes: 0 done, 1 a measurement failed, 2 usage.\n",
          stream);
}

static const char *option_name(size_t index)
{
    return options[index].name;
}

/* An option by its name up to `=`; NULL, and an error, if there is none. */
static const struct option *find_option(const char *word)
{
    size_t size = strcspn(word, "=");
    char name[WORD_MAX_SIZE] = "";
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(options[i].name) == size && memcmp(options[i].name, word, size) == 0)
            return &options[i];
    (void)snprintf(name, sizeof name, "%.*s", (int)size, word);
    const char *meant = bench_nearest(name, OPTION_COUNT, option_name);
    if (meant != NULL)
        bench_usage_error("no option --%s; did you mean --%s?", name, meant);
    else
        bench_usage_error("no option --%s", name);
    return NULL;
}

static bool takes_value(const struct option *option)
{
    return option->kind != FLAG && option->kind != COMMAND;
}

/* Read the option at argv[*index] and go past its value. */
static bool read_option(struct bench_cli *cli, int argc, char **argv, int *index, bool *given)
{
    const char *word = argv[*index] + 2;
    const struct option *option = find_option(word);
    if (option == NULL)
        return false;
    given[option - options] = true;
    const char *value = strchr(word, '=');
    if (!takes_value(option)) {
        if (value != NULL) {
            bench_usage_error("--%s takes no value", option->name);
            return false;
        }
        return take(cli, option, NULL);
    }
    if (value != NULL)
        return take(cli, option, value + 1);
    if (*index + 1 >= argc) {
        bench_usage_error("--%s needs a value: --%s %s", option->name, option->name,
                          option->argument);
        return false;
    }
    return take(cli, option, argv[++*index]);
}

bool bench_options_read(struct bench_cli *cli, int argc, char **argv)
{
    bool given[OPTION_COUNT] = {false};
    *cli = (struct bench_cli){
        .options = {.peer = "reflow",
                    .transport = "tcp",
                    .delivery = "reliable",
                    .scale = UNSET,
                    .warmup_ms = UNSET,
                    .measure_ms = UNSET,
                    .poll_us = BENCH_POLL_US},
        .rounds = 3,
        .timeout_s = 210,
        .words = (const char *const *)argv,
    };
    if (!read_environment(cli))
        return false;
    bool is_plain = false; /* behind `--` */
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (is_plain || word[0] != '-') {
            argv[cli->word_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            is_plain = true;
        } else if (strncmp(word, "--", 2) == 0) {
            if (!read_option(cli, argc, argv, &i, given))
                return false;
        } else if (strcmp(word, "-h") == 0) {
            cli->command = BENCH_COMMAND_HELP;
        } else {
            bench_usage_error("no option %s", word);
            return false;
        }
    }
    if (cli->word_count > 0 && strcmp(cli->words[0], "compare") == 0) {
        if (cli->command == BENCH_COMMAND_RUN)
            cli->command = BENCH_COMMAND_COMPARE;
        cli->words++;
        cli->word_count--;
    }
    set_unset(cli);
    return check_together(cli, given);
}

/* A summary does less of everything, unless it is told how much. */
static void set_unset(struct bench_cli *cli)
{
    struct bench_options *set = &cli->options;
    cli->is_summary = cli->command == BENCH_COMMAND_RUN && cli->word_count == 0;
    if (set->scale == UNSET)
        set->scale = cli->is_summary ? 10 : 100;
    if (set->warmup_ms == UNSET)
        set->warmup_ms = cli->is_summary ? 100 : 500;
    if (set->measure_ms == UNSET)
        set->measure_ms = cli->is_summary ? 300 : 1000;
}

static bool is_word(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return size > 0 && size < WORD_MAX_SIZE && text[size] == '\0';
}

static bool read_number(const char *text, unsigned min, unsigned max, unsigned *out_number)
{
    char *end = NULL;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < min ||
        number > max)
        return false;
    *out_number = (unsigned)number;
    return true;
}

/* Is `value` one of the words of `choices`, which | parts? */
static bool is_choice(const char *choices, const char *value)
{
    size_t size = strlen(value);
    for (const char *at = choices; size > 0; at++) {
        size_t length = strcspn(at, "|");
        if (length == size && memcmp(at, value, size) == 0)
            return true;
        at += length;
        if (*at == '\0')
            return false;
    }
    return false;
}

static bool take(struct bench_cli *cli, const struct option *option, const char *value)
{
    void *field = (char *)cli + option->offset;
    switch (option->kind) {
    case FLAG:
        *(bool *)field = true;
        return true;
    case COMMAND:
        *(enum bench_command *)field = (enum bench_command)option->min;
        return true;
    case NUMBER:
        if (read_number(value, option->min, option->max, (unsigned *)field))
            return true;
        bench_usage_error("--%s takes a whole number from %u to %u, not \"%s\"", option->name,
                          option->min, option->max, value);
        return false;
    case WORD:
        if (!is_word(value)) {
            bench_usage_error("--%s takes letters, digits and . _ -, at most %d, not \"%s\"",
                              option->name, WORD_MAX_SIZE - 1, value);
            return false;
        }
        break;
    case CHOICE:
        if (!is_choice(option->argument, value)) {
            bench_usage_error("--%s takes %s, not \"%s\"", option->name, option->argument, value);
            return false;
        }
        break;
    case TEXT:
        if (value[0] == '\0') {
            bench_usage_error("--%s takes %s, not an empty text", option->name, option->argument);
            return false;
        }
        break;
    }
    *(const char **)field = value;
    return true;
}

static bool read_environment(struct bench_cli *cli)
{
    const char *scale = getenv("BENCH_SCALE");
    cli->peers_path = getenv("BENCH_PEERS");
    if (scale == NULL || read_number(scale, 1, 10000, &cli->options.scale))
        return true;
    bench_usage_error("BENCH_SCALE in the environment takes a whole number from 1 to 10000, not "
                      "\"%s\"",
                      scale);
    return false;
}

static bool check_together(const struct bench_cli *cli, const bool *given)
{
    bool is_compare = cli->command == BENCH_COMMAND_COMPARE;
    if (!is_compare && cli->command != BENCH_COMMAND_RUN)
        return true;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!given[i])
            continue;
        if (options[i].place == COMPARE_ONLY && !is_compare) {
            bench_usage_error("--%s belongs to compare: reflow-bench compare --%s %s",
                              options[i].name, options[i].name, options[i].argument);
            return false;
        }
        if (options[i].place == RUN_ONLY && is_compare) {
            bench_usage_error("--%s is chosen by compare itself, for each of its rows",
                              options[i].name);
            return false;
        }
    }
    if (cli->is_json && cli->is_csv) {
        bench_usage_error("--json and --csv exclude each other");
        return false;
    }
    if (is_compare && cli->word_count > 0) {
        bench_usage_error("compare takes its workloads as --workloads %s", cli->words[0]);
        return false;
    }
    if (is_compare && cli->rounds == 0 && cli->samples == NULL) {
        bench_usage_error("--rounds 0 needs the samples of earlier rounds: --samples FILE");
        return false;
    }
    return true;
}
