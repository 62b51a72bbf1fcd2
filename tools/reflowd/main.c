/* SPDX-License-Identifier: MIT */
/* reflowd: one node as a server.
 *
 * Reads its configuration (flags over environment over file over defaults), starts the node, prints one
 * line `ready NETWORK ADDRESS:PORT` on stdout, and then waits for signals: SIGTERM and SIGINT drain
 * and end (a second one ends at once), SIGHUP reads the configuration again. Only this thread takes
 * signals; all others have them blocked. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <reflow/reflow.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, SETTINGS_MAX = 64 };

enum option_id {
    OPTION_CONFIG = 256,
    OPTION_CHECK,
    OPTION_PRINT_CONFIG,
    OPTION_VERSION,
    OPTION_HELP,
    OPTION_MODE,
    OPTION_PORT,
    OPTION_DISCOVERY,
    OPTION_SET,
    OPTION_ID,
    OPTION_BIND,
    OPTION_CONNECT,
    OPTION_GRAPH,
    OPTION_LOG_LEVEL
};

/* A key that a flag sets, remembered so that a reload sets it again. */
struct setting {
    const char *key, *value; /* borrowed from argv */
};

struct arguments {
    const char *config_path;
    bool is_check, is_print;
    struct setting settings[SETTINGS_MAX];
    size_t setting_count;
};

static const char usage[] =
    "usage: reflowd [--config FILE] [options]\n"
    "\n"
    "Runs one node of a Reflow network.\n"
    "\n"
    "  --config FILE       read the configuration from FILE (JSON, comments allowed);\n"
    "                      default: the file that REFLOW_CONFIG names, else none\n"
    "  --check             check the configuration and the graphs it names, then exit\n"
    "  --print-config      print the configuration that results, then exit\n"
    "  --mode MODE         discovery: also serve as registry; worker: do not\n"
    "  --id NAME           network_id of this node\n"
    "  --bind ADDRESS      address to listen on (bind_address)\n"
    "  --port N            port to listen on, 0 for any free one (bind_port)\n"
    "  --discovery URL     register with this registry and find others there; repeatable\n"
    "  --connect ENDPOINT  link to the node at host:port, ws://… or tcp://…; repeatable\n"
    "  --graph FILE        load this graph at the start; repeatable\n"
    "  --log-level LEVEL   error, warn, info, debug or trace\n"
    "  --set KEY=VALUE     set any key of the configuration\n"
    "  --version           print the version, then exit\n"
    "  --help              print this text, then exit\n"
    "\n"
    "Every key can also be set by the environment variable REFLOW_<KEY>. When the node serves,\n"
    "it prints `ready NETWORK ADDRESS:PORT` on stdout; the log goes to stderr.\n"
    "SIGTERM drains and ends, a second one ends at once; SIGHUP reads the configuration again.\n";

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "reflowd: %s%s%s\ntry: reflowd --help\n", what, value[0] != '\0' ? ": " : "",
            value);
    return EXIT_USAGE;
}

/* Repeatable flags are joined with commas, as rf_config_set takes lists. Returns false when full. */
static bool add_setting(struct arguments *arguments, const char *key, const char *value)
{
    if (arguments->setting_count == SETTINGS_MAX)
        return false;
    arguments->settings[arguments->setting_count++] = (struct setting){key, value};
    return true;
}

/* Returns -1 to go on, else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"check", no_argument, NULL, OPTION_CHECK},
        {"print-config", no_argument, NULL, OPTION_PRINT_CONFIG},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, OPTION_HELP},
        {"mode", required_argument, NULL, OPTION_MODE},
        {"port", required_argument, NULL, OPTION_PORT},
        {"discovery", required_argument, NULL, OPTION_DISCOVERY},
        {"set", required_argument, NULL, OPTION_SET},
        {"id", required_argument, NULL, OPTION_ID},
        {"bind", required_argument, NULL, OPTION_BIND},
        {"connect", required_argument, NULL, OPTION_CONNECT},
        {"graph", required_argument, NULL, OPTION_GRAPH},
        {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
        {NULL, 0, NULL, 0}};
    bool is_ok = true;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case OPTION_CONFIG:
            arguments->config_path = optarg;
            break;
        case OPTION_CHECK:
            arguments->is_check = true;
            break;
        case OPTION_PRINT_CONFIG:
            arguments->is_print = true;
            break;
        case OPTION_VERSION:
            printf("reflowd %s\n", rf_version());
            return 0;
        case OPTION_HELP:
            fputs(usage, stdout);
            return 0;
        case OPTION_MODE:
            if (strcmp(optarg, "discovery") != 0 && strcmp(optarg, "worker") != 0)
                return usage_error("--mode is discovery or worker, not", optarg);
            is_ok = add_setting(arguments, "registry",
                                strcmp(optarg, "discovery") == 0 ? "true" : "false");
            break;
        case OPTION_PORT:
            is_ok = add_setting(arguments, "bind_port", optarg);
            break;
        case OPTION_DISCOVERY:
            is_ok = add_setting(arguments, "discovery_endpoints", optarg);
            break;
        case OPTION_SET:
            if (strchr(optarg, '=') == NULL)
                return usage_error("--set takes KEY=VALUE, not", optarg);
            is_ok = add_setting(arguments, NULL, optarg);
            break;
        case OPTION_ID:
            is_ok = add_setting(arguments, "network_id", optarg);
            break;
        case OPTION_BIND:
            is_ok = add_setting(arguments, "bind_address", optarg);
            break;
        case OPTION_CONNECT:
            is_ok = add_setting(arguments, "connect", optarg);
            break;
        case OPTION_GRAPH:
            is_ok = add_setting(arguments, "graphs", optarg);
            break;
        case OPTION_LOG_LEVEL:
            is_ok = add_setting(arguments, "log_level", optarg);
            break;
        default:
            fputs("try: reflowd --help\n", stderr);
            return EXIT_USAGE;
        }
        if (!is_ok)
            return usage_error("too many options", "");
    }
    if (optind < argc)
        return usage_error("unexpected argument", argv[optind]);
    return -1;
}

static bool is_list(const char *key)
{
    return strcmp(key, "discovery_endpoints") == 0 || strcmp(key, "connect") == 0 ||
           strcmp(key, "graphs") == 0;
}

/* Set all flags; those that may be given several times become one list. */
static rf_err apply_settings(rf_config *config, const struct arguments *arguments, rf_diag *diag)
{
    for (size_t i = 0; i < arguments->setting_count; i++) {
        const struct setting *setting = &arguments->settings[i];
        rf_err err;
        if (setting->key == NULL) { /* --set KEY=VALUE */
            char *copy = strdup(setting->value);
            if (copy == NULL)
                return RF_ENOMEM;
            char *equals = strchr(copy, '=');
            *equals = '\0';
            err = rf_config_set(config, copy, equals + 1, diag);
            free(copy);
        } else if (!is_list(setting->key)) {
            err = rf_config_set(config, setting->key, setting->value, diag);
        } else {
            bool is_first = true;
            for (size_t j = 0; j < i; j++)
                is_first &= arguments->settings[j].key == NULL ||
                            strcmp(arguments->settings[j].key, setting->key) != 0;
            if (!is_first)
                continue; /* joined with the first of its kind */
            char *joined = NULL;
            size_t size = 0;
            FILE *stream = open_memstream(&joined, &size);
            if (stream == NULL)
                return RF_ENOMEM;
            for (size_t j = i; j < arguments->setting_count; j++)
                if (arguments->settings[j].key != NULL &&
                    strcmp(arguments->settings[j].key, setting->key) == 0)
                    fprintf(stream, "%s%s", j > i ? "," : "", arguments->settings[j].value);
            err =
                fclose(stream) == 0 ? rf_config_set(config, setting->key, joined, diag) : RF_ENOMEM;
            free(joined);
        }
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

/* Defaults, file, environment, flags, check. Prints what is wrong; NULL then. */
static rf_config *read_config(const struct arguments *arguments)
{
    rf_diag diag = {0};
    rf_config *config = rf_config_new();
    if (config == NULL) {
        fputs("reflowd: out of memory\n", stderr);
        return NULL;
    }
    const char *path = arguments->config_path;
    if (path == NULL)
        path = getenv("REFLOW_CONFIG");
    rf_err err = path == NULL ? RF_OK : rf_config_load(config, path, &diag);
    if (err == RF_OK)
        err = rf_config_load_environment(config, &diag);
    if (err == RF_OK)
        err = apply_settings(config, arguments, &diag);
    if (err == RF_OK)
        err = rf_config_check(config, &diag);
    if (err == RF_OK)
        return config;
    char text[1024];
    rf_diag_format(&diag, text, sizeof text);
    fprintf(stderr, "reflowd: %s\n", diag.text[0] != '\0' ? text : rf_err_text(err));
    rf_config_free(config);
    return NULL;
}

static int print_config(const rf_config *config)
{
    char *json = NULL;
    if (rf_config_to_json(config, &json) != RF_OK) {
        fputs("reflowd: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    puts(json);
    free(json);
    return 0;
}

static void set_log(const rf_config *config)
{
    rf_log_level level = RF_LOG_INFO;
    char *name = rf_config_get(config, "log_level");
    char *format = rf_config_get(config, "log_format");
    if (name != NULL && rf_log_level_parse(name, &level) == RF_OK)
        rf_log_set_level(level);
    rf_log_set_json(format != NULL && strcmp(format, "json") == 0);
    free(name);
    free(format);
}

static void print_finding(void *user, bool is_error, const rf_diag *diag)
{
    (void)user;
    char text[1024];
    rf_diag_format(diag, text, sizeof text);
    fprintf(stderr, "%s: %s\n", is_error ? "error" : "remark", text);
}

/* --check: the graphs that the configuration names, against the components that a node has. */
static int check_graphs(const rf_config *config)
{
    char *graphs = rf_config_get(config, "graphs");
    rf_network *network = NULL;
    int status = 0;
    if (graphs == NULL || rf_network_new(NULL, &network) != RF_OK ||
        rf_network_register_builtins(network) != RF_OK) {
        fputs("reflowd: out of memory\n", stderr);
        status = EXIT_FAILED;
        goto out;
    }
    char *rest = NULL;
    for (char *path = strtok_r(graphs, ",", &rest); path != NULL;
         path = strtok_r(NULL, ",", &rest)) {
        rf_graph *graph = NULL;
        rf_diag diag = {0};
        if (rf_graph_load(path, &graph, &diag) != RF_OK) {
            print_finding(NULL, true, &diag);
            status = EXIT_FAILED;
            continue;
        }
        if (rf_graph_validate(graph, network, print_finding, NULL) != RF_OK)
            status = EXIT_FAILED;
        rf_graph_free(graph);
    }
    if (status == 0)
        puts("the configuration is fine");
out:
    rf_network_free(network);
    free(graphs);
    return status;
}

static void reload(rf_distributed *node, const struct arguments *arguments)
{
    rf_config *config = read_config(arguments);
    rf_diag diag = {0};
    if (config == NULL) {
        rf_log(RF_LOG_ERROR, "NODE-RELOAD-REFUSED", "reason=\"the configuration is wrong\"");
        return;
    }
    if (rf_distributed_reload(node, config, &diag) != RF_OK)
        rf_log(RF_LOG_ERROR, "NODE-RELOAD-REFUSED", "reason=\"%s\"", diag.text);
    rf_config_free(config);
}

struct stopping {
    rf_distributed *node;
    uint64_t drain_ms;
    rf_err result;
};

static void *stop_node(void *argument)
{
    struct stopping *stopping = argument;
    stopping->result = rf_distributed_stop(stopping->node, stopping->drain_ms);
    (void)kill(getpid(), SIGUSR1); /* wakes the main thread */
    return NULL;
}

/* Drain on a thread of its own, so that a second signal can end the process at once. */
static int drain(rf_distributed *node, const rf_config *config, const sigset_t *signals)
{
    char *text = rf_config_get(config, "drain_timeout_ms");
    struct stopping stopping = {node, text == NULL ? 0 : strtoull(text, NULL, 10), RF_OK};
    free(text);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, stop_node, &stopping);
    if (error != 0) {
        rf_log(RF_LOG_WARN, "NODE-DRAIN-SKIPPED", "reason=\"%s\"", strerror(error));
        return 0;
    }
    for (;;) {
        int number = 0;
        if (sigwait(signals, &number) != 0)
            continue;
        if (number == SIGUSR1)
            break;
        if (number == SIGTERM || number == SIGINT) {
            rf_network_stats stats;
            rf_network_get_stats(rf_distributed_network(node), &stats);
            rf_log(RF_LOG_WARN, "NODE-ENDED-AT-ONCE", "lost_messages=%llu",
                   (unsigned long long)stats.queued_count);
            _exit(0);
        }
    }
    (void)pthread_join(thread, NULL);
    return 0;
}

static int serve(rf_config *config, const struct arguments *arguments)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);

    rf_diag diag = {0};
    rf_distributed *node = NULL;
    rf_err err = rf_distributed_new(config, &node, &diag);
    if (err == RF_OK)
        err = rf_distributed_start(node, &diag);
    if (err != RF_OK) {
        char text[1024];
        rf_diag_format(&diag, text, sizeof text);
        fprintf(stderr, "reflowd: %s\n", diag.text[0] != '\0' ? text : rf_err_text(err));
        rf_distributed_free(node);
        return EXIT_FAILED;
    }
    char *network_id = rf_config_get(config, "network_id");
    printf("ready %s %s\n", network_id == NULL ? "" : network_id, rf_distributed_address(node));
    (void)fflush(stdout);
    free(network_id);

    int status = 0;
    for (bool is_running = true; is_running;) {
        int number = 0;
        if (sigwait(&signals, &number) != 0)
            continue;
        if (number == SIGHUP) {
            reload(node, arguments);
        } else if (number == SIGTERM || number == SIGINT) {
            status = drain(node, config, &signals);
            is_running = false;
        }
    }
    rf_distributed_free(node);
    return status;
}

int main(int argc, char **argv)
{
    /* Blocks for huge messages go back to the system when they are freed, instead of raising the threshold
     * and staying in the heap; smaller ones are worth keeping. */
    (void)mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
    struct arguments arguments = {0};
    int status = parse_arguments(argc, argv, &arguments);
    if (status >= 0)
        return status;
    rf_config *config = read_config(&arguments);
    if (config == NULL)
        return EXIT_FAILED;
    if (arguments.is_print) {
        status = print_config(config);
    } else if (arguments.is_check) {
        status = check_graphs(config);
    } else {
        set_log(config);
        status = serve(config, &arguments);
    }
    rf_config_free(config);
    return status;
}
