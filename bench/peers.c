/* SPDX-License-Identifier: MIT */
/* What the machine has of the peers, and how one is measured: all through `run`, which alone knows how their
 * programs are built and started. Owns nothing; bench_peers holds the lists. */
#include "peers.h"
#include "bench.h"
#include "child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_LIMIT_S = 20 };

struct question {
    const char *path;
    const char *verb;
    struct bench_peer_list *list;
};

/* Run the script with up to three words; the first NULL ends them. */
_Noreturn static void become(const char *path, const char *first, const char *second,
                             const char *third)
{
    char program[4096];
    int size = snprintf(program, sizeof program, "%s/run", path);
    if (size > 0 && (size_t)size < sizeof program)
        (void)execl(program, program, first, second, third, (char *)NULL);
    bench_die("%s: %s", program, strerror(errno));
}

static void ask(void *arg)
{
    const struct question *question = arg;
    become(question->path, question->verb, NULL, NULL);
}

/* `peer: text` */
static void on_peer(void *user, char *line)
{
    struct bench_peer_list *list = ((const struct question *)user)->list;
    char *colon = strchr(line, ':');
    if (colon == NULL || list->count == BENCH_PEERS_MAX)
        return;
    struct bench_peer *peer = &list->peers[list->count++];
    *colon = '\0';
    (void)snprintf(peer->name, sizeof peer->name, "%s", line);
    (void)snprintf(peer->text, sizeof peer->text, "%s", colon + 1 + strspn(colon + 1, " "));
}

static bool read_list(const char *path, const char *verb, struct bench_peer_list *list)
{
    struct question question = {.path = path, .verb = verb, .list = list};
    struct bench_child child = {.body = ask,
                                .arg = &question,
                                .limit_s = LIST_LIMIT_S,
                                .on_line = on_peer,
                                .user = &question};
    list->count = 0;
    if (bench_child_run(&child))
        return true;
    fprintf(stderr, "reflow-bench: %s/run %s failed: %s\n", path, verb, child.why);
    return false;
}

bool bench_peers_read(struct bench_peers *peers, const char *path)
{
    char program[4096];
    peers->path = path;
    (void)snprintf(program, sizeof program, "%s/run", path);
    if (access(program, X_OK) != 0) {
        fprintf(stderr,
                "reflow-bench: %s: %s; name the folder of the peers with --peers-dir DIR or "
                "BENCH_PEERS, or compare without them: --peers -\n",
                program, strerror(errno));
        return false;
    }
    /* For the workloads that have a node of the Rust Reflow at one end. */
    (void)snprintf(program, sizeof program, "%s/reflow-rust/bench", path);
    if (access(program, X_OK) == 0)
        (void)setenv("BENCH_REFLOW_RUST", program, 0);
    return read_list(path, "list", &peers->present) && read_list(path, "missing", &peers->missing);
}

const struct bench_peer *bench_peer_find(const struct bench_peer_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->peers[i].name, name) == 0)
            return &list->peers[i];
    return NULL;
}

_Noreturn void bench_peers_exec(const char *path, const char *peer, const char *workload,
                                unsigned scale, unsigned limit_s)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%u", scale);
    (void)setenv("BENCH_SCALE", number, 1);
    (void)snprintf(number, sizeof number, "%u", limit_s);
    (void)setenv("BENCH_LIMIT_S", number, 1);
    become(path, "measure", peer, workload);
}
