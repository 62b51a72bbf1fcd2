/* SPDX-License-Identifier: MIT */
/* reflowctl demo: three reflowd processes find each other and count the words of a file.
 *
 * `registry` serves discovery, `text` reads and splits the file, `count` counts; each runs from its
 * configuration in examples/wordcount. The demo starts them, tells the reader which file to read over HTTP, waits for the
 * actor that gets the results, and ends the nodes. The nodes' logs go to files in a folder of their own. */
#include "ctl.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    NODE_COUNT = 3,
    READY_TIMEOUT_MS = 30000,
    REPORT_POLL_MS = 1000,
    STALL_TIMEOUT_MS = 60000, /* without any progress: give up */
    STOP_TIMEOUT_MS = 15000
};

struct node {
    const char *name;
    pid_t pid;     /* 0: not running */
    int output;    /* its stdout, -1 when closed */
    char url[128]; /* http://address:port */
    char config[PATH_MAX];
    char log[PATH_MAX];
};

struct demo {
    const char *file;
    char file_path[PATH_MAX];
    const char *out;
    char out_path[PATH_MAX];
    bool is_kept;
    char reflowd[PATH_MAX];
    char examples[PATH_MAX];
    char log_dir[PATH_MAX];
    struct node nodes[NODE_COUNT];
    unsigned long long words; /* in the file */
    size_t bad_offset;        /* of the first byte that is not UTF-8; SIZE_MAX: none */
};

enum { REGISTRY, COUNT, TEXT };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static long long now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum ctl_exit fail(const char *what, const char *why)
{
    fprintf(stderr, "reflowctl demo: %s: %s\n", what, why);
    return CTL_FAILED;
}

static enum ctl_exit parse_arguments(struct demo *demo, int argc, char **argv)
{
    demo->file = NULL;
    demo->out = "wordcount.json";
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--keep") == 0) {
            demo->is_kept = true;
        } else if (strcmp(argv[i], "--out") == 0 && i + 1 < argc) {
            demo->out = argv[++i];
        } else if (strncmp(argv[i], "--out=", 6) == 0) {
            demo->out = argv[i] + 6;
        } else if (argv[i][0] == '-' || demo->file != NULL) {
            fprintf(stderr,
                    "reflowctl demo: unexpected argument: %s\n"
                    "usage: reflowctl demo [FILE] [--out COUNTS.json] [--keep]\n",
                    argv[i]);
            return CTL_USAGE;
        } else {
            demo->file = argv[i];
        }
    }
    if (demo->out[0] == '\0') {
        fputs("reflowctl demo: --out takes the name of a file\n", stderr);
        return CTL_USAGE;
    }
    if (demo->file == NULL)
        demo->file = "/usr/share/common-licenses/GPL-3";
    return CTL_OK;
}

/* ---- the file ---- */

/* The length of the UTF-8 sequence at `at`, 0 when it is none (RFC 3629). */
static size_t sequence_size(const unsigned char *at, size_t left)
{
    unsigned char c = at[0];
    if (c < 0x80)
        return 1;
    size_t size = c >= 0xc2 && c <= 0xdf   ? 2
                  : (c & 0xf0) == 0xe0     ? 3
                  : c >= 0xf0 && c <= 0xf4 ? 4
                                           : 0;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool is_bad = (c == 0xe0 && at[1] < 0xa0) || (c == 0xed && at[1] > 0x9f) ||
                  (c == 0xf0 && at[1] < 0x90) || (c == 0xf4 && at[1] > 0x8f);
    return is_bad ? 0 : size;
}

/* Count the words and look for bytes that are not UTF-8: what the nodes find is held against this. */
static void scan_text(struct demo *demo, const unsigned char *text, size_t size)
{
    bool is_in_word = false;
    demo->bad_offset = SIZE_MAX;
    for (size_t i = 0; i < size;) {
        unsigned char c = text[i];
        bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
        demo->words += !is_space && !is_in_word;
        is_in_word = !is_space;
        size_t step = sequence_size(text + i, size - i);
        if (step == 0) {
            if (demo->bad_offset == SIZE_MAX)
                demo->bad_offset = i;
            step = 1;
        }
        i += step;
    }
}

static enum ctl_exit check_file(struct demo *demo)
{
    struct stat info;
    /* O_NONBLOCK: a pipe is refused below, not waited for. */
    int fd = open(demo->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(demo->file, errno == ENOENT   ? "no such file"
                                : errno == EACCES ? "no right to read it"
                                                  : strerror(errno));
    enum ctl_exit status = CTL_OK;
    if (fstat(fd, &info) != 0)
        status = fail(demo->file, strerror(errno));
    else if (S_ISDIR(info.st_mode))
        status = fail(demo->file, "is a folder; name a text file");
    else if (!S_ISREG(info.st_mode))
        status = fail(demo->file, "is not a regular file");
    else if (info.st_size == 0)
        status = fail(demo->file, "is empty: there is nothing to count");
    if (status == CTL_OK) {
        size_t size = (size_t)info.st_size;
        void *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text == MAP_FAILED) {
            status = fail(demo->file, strerror(errno));
        } else {
            (void)madvise(text, size, MADV_SEQUENTIAL);
            scan_text(demo, text, size);
            (void)munmap(text, size);
            if (demo->words == 0)
                status = fail(demo->file, "holds white space only: there is no word to count");
            else if (demo->bad_offset != SIZE_MAX)
                fprintf(stderr, "%s: byte %zu is not UTF-8; such bytes are counted as U+FFFD\n",
                        demo->file, demo->bad_offset);
        }
    }
    (void)close(fd);
    if (status == CTL_OK && realpath(demo->file, demo->file_path) == NULL)
        status = fail(demo->file, strerror(errno));
    return status;
}

/* The folder of --out must be there; its absolute path goes to a process of another working folder. */
static enum ctl_exit check_out(struct demo *demo)
{
    char copy[PATH_MAX], dir[PATH_MAX], copy2[PATH_MAX];
    if (strlen(demo->out) >= sizeof copy)
        return fail("--out", "the path is too long");
    (void)snprintf(copy, sizeof copy, "%s", demo->out);
    (void)snprintf(copy2, sizeof copy2, "%s", demo->out);
    if (realpath(dirname(copy), dir) == NULL)
        return fail(demo->out, "its folder is not there");
    struct stat info, source;
    if (stat(demo->out, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            return fail(demo->out, "is a folder; --out takes a file");
        if (stat(demo->file_path, &source) == 0 && info.st_dev == source.st_dev &&
            info.st_ino == source.st_ino)
            return fail(demo->out, "is the file to count; --out takes another one");
    }
    if (access(dir, W_OK) != 0)
        return fail(demo->out, "no right to write into its folder");
    int size = snprintf(demo->out_path, sizeof demo->out_path, "%s/%s",
                        strcmp(dir, "/") == 0 ? "" : dir, basename(copy2));
    return size > 0 && (size_t)size < sizeof demo->out_path ? CTL_OK
                                                            : fail("--out", "the path is too long");
}

/* ---- the nodes ---- */

static enum ctl_exit find_programs(struct demo *demo)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size < 0)
        return fail("/proc/self/exe", strerror(errno));
    self[size] = '\0';
    const char *bin = dirname(self);
    if (snprintf(demo->reflowd, sizeof demo->reflowd, "%s/reflowd", bin) >=
            (int)sizeof demo->reflowd ||
        access(demo->reflowd, X_OK) != 0)
        return fail(demo->reflowd, "is not there; it belongs beside reflowctl");
    /* In the tree that was built, beside an installation wherever it was moved, where it was installed. */
    static const char *const places[] = {"/../../../examples/wordcount",
                                         "/../share/reflow/examples/wordcount"};
    char path[2 * PATH_MAX];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", bin, places[i]);
        if (realpath(path, demo->examples) != NULL)
            return CTL_OK;
    }
    return realpath(REFLOW_EXAMPLES_DIR "/wordcount", demo->examples) != NULL
               ? CTL_OK
               : fail(REFLOW_EXAMPLES_DIR, "the example's configuration is not there");
}

/* The nodes run from their files alone: REFLOW_ variables, which would reach all three, are taken away. */
static void clear_environment(void)
{
    for (char **variable = environ; *variable != NULL;) {
        char name[256];
        const char *equals = strchr(*variable, '=');
        size_t size = equals == NULL ? 0 : (size_t)(equals - *variable);
        if (strncmp(*variable, "REFLOW_", 7) == 0 && size > 0 && size < sizeof name) {
            memcpy(name, *variable, size);
            name[size] = '\0';
            if (unsetenv(name) == 0)
                continue; /* the next one has moved here */
        }
        variable++;
    }
}

static void exec_node(const struct demo *demo, const struct node *node, int output,
                      const char *discovery)
{
    int log = open(node->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    if (log < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        _exit(127);
    clear_environment();
    (void)setsid(); /* the terminal's ^C is for the demo, which ends us */
    if (!demo->is_kept)
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    const char *arguments[] = {demo->reflowd, "--config",
                               node->config,  discovery == NULL ? NULL : "--discovery",
                               discovery,     NULL};
    (void)execv(demo->reflowd, (char *const *)(void *)arguments);
    _exit(127);
}

/* Read what a node printed; lines behind `ready` go to our stdout. Returns false at the end of its output. */
static bool forward_output(struct node *node, int timeout_ms)
{
    struct pollfd waiting = {.fd = node->output, .events = POLLIN};
    while (poll(&waiting, 1, timeout_ms) > 0) {
        char chunk[4096];
        ssize_t size = read(node->output, chunk, sizeof chunk);
        if (size <= 0)
            return false;
        (void)fwrite(chunk, 1, (size_t)size, stdout);
        timeout_ms = 0;
    }
    (void)fflush(stdout);
    return true;
}

static void show_log(const struct node *node)
{
    FILE *stream = fopen(node->log, "r");
    char line[1024];
    if (stream == NULL)
        return;
    for (int i = 0; i < 20 && fgets(line, sizeof line, stream) != NULL; i++)
        fprintf(stderr, "  %s", line);
    (void)fclose(stream);
}

/* `ready NETWORK ADDRESS:PORT` is the first line. */
static enum ctl_exit wait_ready(struct node *node)
{
    char line[256];
    size_t used = 0;
    long long deadline = now_ms() + READY_TIMEOUT_MS;
    while (used < sizeof line - 1) {
        struct pollfd waiting = {.fd = node->output, .events = POLLIN};
        long long left = deadline - now_ms();
        if (left <= 0 || interrupted || poll(&waiting, 1, (int)left) <= 0 ||
            read(node->output, line + used, 1) != 1)
            break;
        if (line[used] == '\n') {
            line[used] = '\0';
            char network[140], address[140];
            if (sscanf(line, "ready %139s %139s", network, address) != 2)
                break;
            (void)snprintf(node->url, sizeof node->url, "http://%.115s", address);
            return CTL_OK;
        }
        used++;
    }
    if (interrupted)
        return fail("interrupted", "the nodes are stopped");
    fprintf(stderr, "reflowctl demo: node %s did not start; its log %s says:\n", node->name,
            node->log);
    show_log(node);
    return CTL_FAILED;
}

static enum ctl_exit start_node(struct demo *demo, struct node *node, const char *discovery)
{
    int size =
        snprintf(node->config, sizeof node->config, "%s/%s.json", demo->examples, node->name);
    int log_size = snprintf(node->log, sizeof node->log, "%s/%s.log", demo->log_dir, node->name);
    int ends[2];
    if (size >= (int)sizeof node->config || log_size >= (int)sizeof node->log)
        return fail(node->name, "a path is too long");
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail("pipe", strerror(errno));
    node->pid = fork();
    if (node->pid == 0)
        exec_node(demo, node, ends[1], discovery);
    (void)close(ends[1]);
    node->output = ends[0];
    if (node->pid < 0) {
        node->pid = 0;
        return fail("fork", strerror(errno));
    }
    return wait_ready(node);
}

static void stop_nodes(struct demo *demo)
{
    for (int i = NODE_COUNT - 1; i >= 0; i--)
        if (demo->nodes[i].pid > 0)
            (void)kill(demo->nodes[i].pid, SIGTERM);
    long long deadline = now_ms() + STOP_TIMEOUT_MS;
    for (int i = NODE_COUNT - 1; i >= 0; i--) {
        struct node *node = &demo->nodes[i];
        while (node->pid > 0 && waitpid(node->pid, NULL, WNOHANG) == 0) {
            if (now_ms() > deadline) {
                (void)kill(node->pid, SIGKILL);
                (void)waitpid(node->pid, NULL, 0);
                break;
            }
            struct timespec pause = {.tv_nsec = 10000000};
            (void)nanosleep(&pause, NULL);
        }
        node->pid = 0;
    }
}

/* Tell about nodes that ended by themselves. */
static void watch_nodes(struct demo *demo)
{
    for (int i = 0; i < NODE_COUNT; i++) {
        struct node *node = &demo->nodes[i];
        int status = 0;
        if (node->pid <= 0 || waitpid(node->pid, &status, WNOHANG) != node->pid)
            continue;
        node->pid = 0;
        fprintf(stderr, "node %s ended (%s %d); start it again with:\n  %s --config %s", node->name,
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), demo->reflowd,
                node->config);
        fprintf(stderr, i == REGISTRY ? "\n" : " --discovery %s\n", demo->nodes[REGISTRY].url);
    }
}

/* ---- the run ---- */

static enum ctl_exit call_text(const struct demo *demo, const struct ctl *ctl, const char *path,
                               const char *port, const char *text, struct json_object **out)
{
    struct ctl node = *ctl;
    node.url = demo->nodes[TEXT].url;
    struct json_object *body = json_object_new_object();
    if (body == NULL)
        return CTL_FAILED;
    (void)json_object_object_add(body, "port", json_object_new_string(port));
    (void)json_object_object_add(body, "message",
                                 text == NULL ? NULL : json_object_new_string(text));
    enum ctl_exit status =
        ctl_call_json(&node, "POST", path, json_object_to_json_string(body), out);
    (void)json_object_put(body);
    return status;
}

/* Messages that `text` has sent to and got from other networks so far, and what its links lost. */
struct traffic {
    long long sent, received, lost;
    bool is_linked;
};

static struct traffic get_traffic(const struct demo *demo, const struct ctl *ctl)
{
    struct traffic traffic = {0};
    struct ctl node = *ctl;
    node.url = demo->nodes[TEXT].url;
    struct ctl_response response = {0};
    if (ctl_call(&node, "GET", "/status", NULL, true, &response) != CTL_OK)
        return traffic;
    struct json_object *json = json_tokener_parse(response.body == NULL ? "" : response.body);
    struct json_object *links = NULL, *value = NULL;
    if (json != NULL && json_object_object_get_ex(json, "links", &links) &&
        json_object_is_type(links, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(links); i++) {
            struct json_object *link = json_object_array_get_idx(links, i);
            if (json_object_object_get_ex(link, "state", &value))
                traffic.is_linked |= strcmp(json_object_get_string(value), "up") == 0;
            if (json_object_object_get_ex(link, "sent_messages", &value))
                traffic.sent += json_object_get_int64(value);
            if (json_object_object_get_ex(link, "received_messages", &value))
                traffic.received += json_object_get_int64(value);
            if (json_object_object_get_ex(link, "lost_messages", &value))
                traffic.lost += json_object_get_int64(value);
        }
    }
    (void)json_object_put(json);
    ctl_response_fini(&response);
    return traffic;
}

static enum ctl_exit wait_linked(const struct demo *demo, const struct ctl *ctl)
{
    long long deadline = now_ms() + READY_TIMEOUT_MS;
    while (now_ms() < deadline && !interrupted) {
        if (get_traffic(demo, ctl).is_linked)
            return CTL_OK;
        struct timespec pause = {.tv_nsec = 20000000};
        (void)nanosleep(&pause, NULL);
    }
    return interrupted ? fail("interrupted", "the nodes are stopped")
                       : fail("text and count", "did not find each other through the registry");
}

/* Ask the reporting actor until it has the counts; look after the nodes meanwhile. */
static enum ctl_exit wait_report(struct demo *demo, const struct ctl *ctl,
                                 struct json_object **out_summary)
{
    struct ctl node = *ctl;
    node.url = demo->nodes[TEXT].url;
    node.timeout_ms = REPORT_POLL_MS + 5000;
    char body[96];
    (void)snprintf(body, sizeof body, "{\"port\":\"wait\",\"message\":null,\"timeout_ms\":%d}",
                   REPORT_POLL_MS);
    struct traffic last = {0};
    long long last_progress = now_ms(), last_line = now_ms();
    while (!interrupted) {
        struct ctl_response response = {0};
        if (ctl_call(&node, "POST", "/actors/report/request", body, true, &response) == CTL_OK &&
            response.status == 200) {
            struct json_object *json = json_tokener_parse(response.body), *answer = NULL;
            if (json_object_object_get_ex(json, "answer", &answer))
                *out_summary = json_object_get(answer);
            (void)json_object_put(json);
            ctl_response_fini(&response);
            return *out_summary == NULL ? fail("report", "its answer is not understood") : CTL_OK;
        }
        ctl_response_fini(&response);
        (void)forward_output(&demo->nodes[TEXT], 0);
        watch_nodes(demo);
        if (demo->nodes[TEXT].pid == 0)
            return fail("node text", "ended before the counts were there");
        struct traffic traffic = get_traffic(demo, ctl);
        if (traffic.sent != last.sent || traffic.received != last.received)
            last_progress = now_ms();
        else if (now_ms() - last_progress > STALL_TIMEOUT_MS)
            return fail("the nodes", "made no progress for a minute; see /status of each");
        if (now_ms() - last_line >= 3000) {
            fprintf(stderr, "%lld of %llu words sent to count\n", traffic.sent, demo->words);
            last_line = now_ms();
        }
        last = traffic;
    }
    return fail("interrupted", "the nodes are stopped");
}

static enum ctl_exit print_summary(const struct demo *demo, const struct ctl *ctl,
                                   struct json_object *summary, double seconds)
{
    struct json_object *words = NULL, *unique = NULL;
    if (!json_object_is_type(summary, json_type_object)) /* a text: what went wrong */
        return fail("no counts", json_object_get_string(summary));
    (void)json_object_object_get_ex(summary, "words", &words);
    (void)json_object_object_get_ex(summary, "unique", &unique);
    unsigned long long counted = (unsigned long long)json_object_get_int64(words);
    struct traffic traffic = get_traffic(demo, ctl);
    printf("\n%llu words, %lld of them different, in %.2f s: %.0f words/s, %.0f messages/s between "
           "the nodes\ncounts: %s\n",
           counted, (long long)json_object_get_int64(unique), seconds, (double)counted / seconds,
           (double)(traffic.sent + traffic.received) / seconds, demo->out);
    if (counted == demo->words)
        return CTL_OK;
    fprintf(
        stderr,
        "the counts are incomplete: %llu of %llu words. A node that restarts loses the counts it "
        "held and the messages on their way to it (%lld known as lost: lost_messages in "
        "%s/status)\n",
        counted, demo->words, traffic.lost, demo->nodes[TEXT].url);
    return CTL_FAILED;
}

static void print_nodes(const struct demo *demo)
{
    static const char *const roles[NODE_COUNT] = {
        "discovery", "counts the words: counter",
        "reads, splits and reports: reader, split, report"};
    for (int i = 0; i < NODE_COUNT; i++)
        printf("%-8s pid %-7d %s\n         %s/health  %s/status\n", demo->nodes[i].name,
               (int)demo->nodes[i].pid, roles[i], demo->nodes[i].url, demo->nodes[i].url);
    printf("wires    reader -> split -> counter@count -> report\n\n");
    (void)fflush(stdout);
}

static enum ctl_exit run(struct demo *demo, const struct ctl *ctl)
{
    struct node *nodes = demo->nodes;
    enum ctl_exit status = start_node(demo, &nodes[REGISTRY], NULL);
    for (int i = COUNT; status == CTL_OK && i <= TEXT; i++)
        status = start_node(demo, &nodes[i], nodes[REGISTRY].url);
    if (status != CTL_OK)
        return status;
    print_nodes(demo);
    status = wait_linked(demo, ctl);
    struct json_object *answer = NULL, *summary = NULL;
    if (status == CTL_OK)
        status =
            call_text(demo, ctl, "/actors/report/send", "output_path", demo->out_path, &answer);
    (void)json_object_put(answer);
    answer = NULL;
    long long started = now_ms();
    if (status == CTL_OK)
        status = call_text(demo, ctl, "/actors/reader/send", "path", demo->file_path, &answer);
    (void)json_object_put(answer);
    if (status == CTL_OK)
        status = wait_report(demo, ctl, &summary);
    double seconds = (double)(now_ms() - started) / 1000.0;
    if (nodes[TEXT].output >= 0)
        (void)forward_output(&nodes[TEXT], 0);
    if (status == CTL_OK)
        status = print_summary(demo, ctl, summary, seconds > 0 ? seconds : 0.001);
    (void)json_object_put(summary);
    return status;
}

static void remove_logs(const struct demo *demo)
{
    for (int i = 0; i < NODE_COUNT; i++)
        if (demo->nodes[i].log[0] != '\0')
            (void)unlink(demo->nodes[i].log);
    (void)rmdir(demo->log_dir);
}

enum ctl_exit ctl_demo(const struct ctl *ctl, int argc, char **argv)
{
    static struct demo demo; /* large */
    static const char *const names[NODE_COUNT] = {"registry", "count", "text"};
    for (int i = 0; i < NODE_COUNT; i++)
        demo.nodes[i] = (struct node){.name = names[i], .output = -1};
    enum ctl_exit status = parse_arguments(&demo, argc, argv);
    if (status == CTL_OK)
        status = check_file(&demo);
    if (status == CTL_OK)
        status = check_out(&demo);
    if (status == CTL_OK)
        status = find_programs(&demo);
    if (status != CTL_OK)
        return status;
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(demo.log_dir, sizeof demo.log_dir, "%.3000s/reflow-demo-XXXXXX",
                   tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);
    if (mkdtemp(demo.log_dir) == NULL)
        return fail(demo.log_dir, strerror(errno));
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);

    status = run(&demo, ctl);
    if (demo.is_kept && status == CTL_OK) {
        printf("the nodes go on; stop them with: kill %d %d %d\nlogs: %s\n",
               (int)demo.nodes[TEXT].pid, (int)demo.nodes[COUNT].pid, (int)demo.nodes[REGISTRY].pid,
               demo.log_dir);
        return status;
    }
    stop_nodes(&demo);
    if (status == CTL_OK || interrupted)
        remove_logs(&demo);
    else
        fprintf(stderr, "logs: %s\n", demo.log_dir);
    return status;
}
