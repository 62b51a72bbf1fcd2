/* SPDX-License-Identifier: MIT */
/* reflowctl: look at a node and talk to it over HTTP, and the demo of two nodes that count words. This
 * file reads the options that all commands share and finds the command in one table. */
#include "ctl.h"
#include <reflow/reflow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name, *arguments, *summary;
    enum ctl_exit (*run)(const struct ctl *ctl, int argc, char **argv);
};

static const struct command commands[] = {
    {"status", "", "what the node is and does", ctl_status},
    {"networks", "", "networks that the node knows of", ctl_networks},
    {"actors", "", "actors of the node, with their queues", ctl_actors},
    {"components", "[NAME]", "components with their ports and configuration keys", ctl_components},
    {"send", "ACTOR[@NETWORK] PORT JSON", "send a message", ctl_send},
    {"request", "ACTOR[@NETWORK] PORT JSON", "send a message and print the answer", ctl_request},
    {"graph", "validate FILE", "check a graph file", ctl_graph},
    {"demo", "[FILE] [--out COUNTS.json] [--keep]", "count words with three nodes", ctl_demo},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *stream)
{
    fputs("usage: reflowctl [--url http://HOST:PORT] [--json] COMMAND [ARGUMENTS]\n\n", stream);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char left[80];
        (void)snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].arguments);
        fprintf(stream, "  %-42s %s\n", left, commands[i].summary);
    }
    fputs("\n"
          "  --url URL        the node; default: REFLOW_URL, else http://127.0.0.1:8080\n"
          "  --json           print JSON for programs instead of text for people\n"
          "  --timeout MS     how long one call may take (default 10000)\n"
          "  --version        print the version, then exit\n"
          "  --help           print this text, then exit\n"
          "\n"
          "The admin token, where a node wants one, is read from REFLOW_ADMIN_TOKEN.\n"
          "Exit codes: 0 done, 1 failed, 2 usage, 3 the node cannot be reached.\n",
          stream);
}

static enum ctl_exit usage_error(const char *what, const char *value)
{
    fprintf(stderr, "reflowctl: %s%s%s\ntry: reflowctl --help\n", what,
            value[0] != '\0' ? ": " : "", value);
    return CTL_USAGE;
}

/* Take the options that may stand anywhere out of argv; what is left are the command and its arguments. */
static enum ctl_exit take_options(struct ctl *ctl, int *argc, char **argv)
{
    int kept = 0;
    bool is_plain = false; /* behind `--` */
    for (int i = 1; i < *argc; i++) {
        char *word = argv[i];
        bool is_option = !is_plain && strncmp(word, "--", 2) == 0;
        if (is_option && word[2] == '\0') {
            is_plain = true;
        } else if (is_option && strcmp(word, "--json") == 0) {
            ctl->is_json = true;
        } else if (is_option && (strcmp(word, "--url") == 0 || strcmp(word, "--timeout") == 0)) {
            if (i + 1 == *argc)
                return usage_error("a value is missing after", word);
            char *value = argv[++i];
            if (strcmp(word, "--url") == 0) {
                ctl->url = value;
                ctl->is_url_given = true;
                continue;
            }
            char *end = NULL;
            ctl->timeout_ms = strtol(value, &end, 10);
            if (end == value || *end != '\0' || ctl->timeout_ms <= 0)
                return usage_error("--timeout takes milliseconds, not", value);
        } else {
            argv[kept++] =
                word; /* of the command, which complains about options it does not know */
        }
    }
    *argc = kept;
    return CTL_OK;
}

static bool is_http_url(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {
        .url = getenv("REFLOW_URL"), .token = getenv("REFLOW_ADMIN_TOKEN"), .timeout_ms = 10000};
    ctl.is_url_given = ctl.url != NULL;
    if (ctl.url == NULL)
        ctl.url = "http://127.0.0.1:8080";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_usage(stdout);
            return CTL_OK;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("reflowctl %s\n", rf_version());
            return CTL_OK;
        }
    }
    enum ctl_exit status = take_options(&ctl, &argc, argv);
    if (status != CTL_OK)
        return (int)status;
    if (argc == 0) {
        print_usage(stderr);
        return CTL_USAGE;
    }
    if (!is_http_url(ctl.url))
        return (int)usage_error("--url takes http://HOST:PORT, not", ctl.url);
    char *url = strdup(ctl.url);
    if (url == NULL || !ctl_http_init()) {
        fputs("reflowctl: out of memory\n", stderr);
        free(url);
        return CTL_FAILED;
    }
    for (size_t size = strlen(url); size > 0 && url[size - 1] == '/'; size--)
        url[size - 1] = '\0';
    ctl.url = url;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[0], commands[i].name) == 0) {
            status = commands[i].run(&ctl, argc - 1, argv + 1);
            goto out;
        }
    }
    status = usage_error("unknown command", argv[0]);
out:
    ctl_http_fini();
    free(url);
    return (int)status;
}
