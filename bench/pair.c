/* SPDX-License-Identifier: MIT */
/* The two processes of a workload that crosses a network (pair.h). */
#include "pair.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENDPOINT_SIZE = 320, LINK_TIMEOUT_MS = 10000, DRAIN_MS = 2000 };

static void set(rf_config *config, const char *key, const char *value)
{
    rf_diag diag;
    if (rf_config_set(config, key, value, &diag) != RF_OK)
        bench_die("%s: %s", key, diag.text);
}

static void set_number(rf_config *config, const char *key, unsigned value)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", value);
    set(config, key, text);
}

rf_distributed *bench_pair_node(struct bench *bench, const char *network_id,
                                const struct bench_pair_setup *setup,
                                void (*fill)(struct bench *bench, rf_distributed *node))
{
    rf_diag diag;
    rf_distributed *node = NULL;
    rf_config *config = rf_config_new();
    rf_log_set_level(RF_LOG_ERROR);
    if (config == NULL)
        bench_die("out of memory");
    set(config, "network_id", network_id);
    set(config, "bind_port", "0");
    set_number(config, "actor_threads", bench->options->workers);
    set_number(config, "poll_us", bench->options->poll_us);
    if (strcmp(bench->options->delivery, "reliable") != 0) /* which every library has */
        set(config, "delivery", bench->options->delivery);
    for (size_t i = 0; i < setup->setting_count; i++)
        set(config, setup->settings[i].key, setup->settings[i].value);
    if (rf_distributed_new(config, &node, &diag) != RF_OK)
        bench_die("%s: %s", network_id, diag.text);
    rf_config_free(config);
    if (fill != NULL)
        fill(bench, node);
    if (rf_distributed_start(node, &diag) != RF_OK)
        bench_die("%s: %s", network_id, diag.text);
    return node;
}

void bench_pair_link(rf_distributed *node, const char *endpoint)
{
    rf_diag diag;
    if (rf_distributed_connect(node, endpoint, LINK_TIMEOUT_MS, &diag) != RF_OK)
        bench_die("%s: %s", endpoint, diag.text);
}

/* The child: says where it listens, then waits for the end of the other end. */
static _Noreturn void run_server(struct bench *bench, const struct bench_pair_setup *setup, int fd)
{
    char end = 0;
    rf_distributed *node = bench_pair_node(bench, "server", setup, setup->fill_server);
    const char *address = rf_distributed_address(node);
    if (write(fd, address, strlen(address) + 1) < 0)
        bench_die("the client went away");
    (void)!read(fd, &end, 1); /* whatever ends it, it is the end */
    (void)rf_distributed_stop(node, DRAIN_MS);
    rf_distributed_free(node);
    _exit(0);
}

static void read_address(int fd, char *out, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, out + length, size - length);
        if (got <= 0)
            bench_die("the server did not start");
        length += (size_t)got;
        if (out[length - 1] == '\0')
            return;
    }
    bench_die("the server's address is too long");
}

void bench_pair_start(struct bench_pair *pair, struct bench *bench,
                      const struct bench_pair_setup *setup)
{
    int fds[2];
    char address[ENDPOINT_SIZE];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        bench_die("no socket pair");
    (void)alarm(BENCH_PROCESS_SECONDS);
    pair->server = fork();
    if (pair->server < 0)
        bench_die("no child process");
    if (pair->server == 0) {
        (void)close(fds[0]);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        (void)alarm(BENCH_PROCESS_SECONDS); /* a child inherits none */
        run_server(bench, setup, fds[1]);
    }
    (void)close(fds[1]);
    pair->server_fd = fds[0];
    read_address(fds[0], address, sizeof address);
    (void)snprintf(pair->endpoint, sizeof pair->endpoint, "%s://%s", bench->options->transport,
                   address);
    pair->node = bench_pair_node(bench, "client", setup, setup->fill_client);
    bench_pair_link(pair->node, pair->endpoint);
}

void bench_pair_stop(struct bench_pair *pair)
{
    int status = 0;
    (void)close(pair->server_fd);
    (void)rf_distributed_stop(pair->node, DRAIN_MS);
    rf_distributed_free(pair->node);
    if (waitpid(pair->server, &status, 0) != pair->server || status != 0)
        bench_die("the server did not end well");
    (void)alarm(0);
}
