/* SPDX-License-Identifier: MIT */
/* idle: what a reflowd costs that has nothing to do: resident memory, time to its ready line, memory of each of
 * 10,000 idle links, and the processor time that they take with heartbeats and without.
 *
 * The node is the reflowd beside this program. The peers are one thread with as many sockets that speaks as much of
 * the native wire as an idle link does: the handshake, SETTINGS, and an echo for each heartbeat. */
#include "scale.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LINKS = 10000,
    SPARE_DESCRIPTORS = 64, /* for all else than links, in either process */
    BATCH = 128,            /* handshakes under way at a time: within the backlog of the listener */
    STARTS = 7,             /* for the median time to ready */
    SILENT_MS = 2000,       /* how long the processor time is looked at without heartbeats */
    SPEAKING_MS = 5000,     /* and with those of the default interval */
    SETTLE_MS = 200,
    FRAME_HEAD = 26, /* length, opcode, and the head of a native frame */
    RECORD_HEARTBEAT = 0x0a
};

/* ---- the node ---- */

struct node {
    pid_t pid;
    int out;
    uint16_t port;
    uint64_t ready_ns; /* from the fork to the ready line */
};

static void exec_reflowd(int out, const char *heartbeat)
{
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof "reflowd");
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL || dup2(out, STDOUT_FILENO) < 0)
        bench_die("cannot tell where this program is");
    (void)strcpy(slash + 1,
                 "reflowd"); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy): room is kept */
    (void)execl(path, path, "--set", "network_id=node", "--set", "bind_port=0", "--set",
                "log_level=error", "--set", "max_connections=65536", "--set",
                "pending_connections_max=65536", "--set", "pending_per_address_max=65536", "--set",
                heartbeat, (char *)NULL);
    bench_die("%s: %s", path, strerror(errno));
}

static void start_node(struct node *node, const char *heartbeat)
{
    int fds[2];
    char line[256];
    size_t size = 0;
    pid_t parent = getpid();
    uint64_t begin = bench_now_ns();
    if (pipe2(fds, O_CLOEXEC) != 0 || (node->pid = fork()) < 0)
        bench_die("no child process");
    if (node->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        (void)alarm(BENCH_PROCESS_SECONDS);
        exec_reflowd(fds[1], heartbeat);
    }
    (void)close(fds[1]);
    while (size == 0 || line[size - 1] != '\n') {
        ssize_t got = read(fds[0], line + size, sizeof line - 1 - size);
        if (got <= 0)
            bench_die("reflowd did not start");
        size += (size_t)got;
    }
    node->ready_ns = bench_now_ns() - begin;
    line[size] = '\0';
    const char *colon = strrchr(line, ':');
    node->port = colon != NULL ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
    node->out = fds[0];
}

static void stop_node(struct node *node)
{
    (void)kill(node->pid, SIGTERM);
    (void)waitpid(node->pid, NULL, 0);
    (void)close(node->out);
}

static size_t rss_of(const struct node *node)
{
    char path[64];
    long pages = 0;
    long resident = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/statm", (long)node->pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        bench_die("cannot read %s", path);
    (void)fclose(file);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static double cpu_ns_of(const struct node *node)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(node->pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        bench_die("cannot read the processor time of reflowd");
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

/* ---- the peers ---- */

struct peer {
    int fd;
    uint32_t frames; /* sent */
};

struct crowd {
    struct peer *peers;
    long count;
    int epoll;
    unsigned long heartbeats; /* echoed */
};

static size_t put_frame(uint8_t *out, uint32_t number, const uint8_t *record, size_t size)
{
    static const uint8_t head[FRAME_HEAD] = {[4] = 2 /* binary */,
                                             [5] = 1 /* native */,
                                             [10] = 1 /* the next message would be the first */};
    uint32_t length = (uint32_t)(FRAME_HEAD - 4 + size);
    memcpy(out, head, sizeof head);
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(length >> 8 * i);
        out[6 + i] = (uint8_t)(number >> 8 * i);
    }
    memcpy(out + FRAME_HEAD, record, size);
    return FRAME_HEAD + size;
}

static void send_all(int fd, const void *data, size_t size)
{
    if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
        bench_die("reflowd took no bytes");
}

/* Preface, handshake and SETTINGS in one piece. */
static void open_peer(struct peer *peer, const struct node *node, long index)
{
    static const uint8_t settings[] = {2, 8, 0x80, 0x20, 0x80, 0x80, 0x40, 0x80, 0x80, 4};
    uint8_t bytes[1024] = "RFLOW/1\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(node->port)};
    int size = snprintf((char *)bytes + 13, sizeof bytes - 64,
                        "{\"network_id\":\"idle-%ld\",\"instance_id\":\"idle-%ld-1\","
                        "\"protocol_version\":\"1.0\",\"auth_token\":null,"
                        "\"capabilities\":[\"actor_messaging\",\"reflow.native.1\"],"
                        "\"reflow_native\":{\"version\":1,\"incarnation\":\"%032lx\",\"boot\":1,"
                        "\"cursor\":0,\"cursor_of\":\"%032x\",\"max_message_bytes\":16777216}}",
                        index, index, index + 1, 0);
    for (int i = 0; i < 4; i++)
        bytes[8 + i] = (uint8_t)((uint32_t)(size + 1) >> 8 * i);
    bytes[12] = 1; /* text */
    size_t end = 13 + (size_t)size;
    end += put_frame(bytes + end, ++peer->frames, settings, sizeof settings);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof address) != 0)
        bench_die("peer %ld: %s", index, strerror(errno));
    send_all(peer->fd, bytes, end);
}

/* The answer to the handshake. */
static void greet_peer(const struct crowd *crowd, struct peer *peer)
{
    char text[1024];
    ssize_t size = recv(peer->fd, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    if (size < 6 || strncmp(text + 5, "{\"success\":true", 15) != 0)
        bench_die("reflowd refused a link: %s", size < 6 ? "it closed" : text + 5);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0)
        bench_die("epoll: %s", strerror(errno));
}

static void open_crowd(struct crowd *crowd, const struct node *node, long count)
{
    *crowd = (struct crowd){.peers = calloc((size_t)count, sizeof(struct peer)),
                            .count = count,
                            .epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (crowd->peers == NULL || crowd->epoll < 0)
        bench_die("no memory for the peers");
    for (long first = 0; first < count; first += BATCH) {
        long end = first + BATCH < count ? first + BATCH : count;
        for (long i = first; i < end; i++)
            open_peer(&crowd->peers[i], node, i);
        for (long i = first; i < end; i++)
            greet_peer(crowd, &crowd->peers[i]);
    }
}

static void close_crowd(struct crowd *crowd)
{
    for (long i = 0; i < crowd->count; i++)
        (void)close(crowd->peers[i].fd);
    (void)close(crowd->epoll);
    free(crowd->peers);
}

/* Echo the heartbeats in what came; frames so small come whole. */
static void answer_peer(struct crowd *crowd, struct peer *peer)
{
    uint8_t bytes[4096];
    ssize_t size = recv(peer->fd, bytes, sizeof bytes, 0);
    if (size <= 0)
        bench_die("reflowd closed a link");
    for (size_t at = 0; at + 5 < (size_t)size;) {
        const uint8_t *frame = bytes + at;
        at += 4 + (frame[0] | (size_t)frame[1] << 8);
        if (at > (size_t)size)
            bench_die("a frame came in pieces");
        if (at < (size_t)(frame - bytes) + FRAME_HEAD + 4 || frame[FRAME_HEAD] != RECORD_HEARTBEAT)
            continue;
        uint8_t record[16] = {RECORD_HEARTBEAT, 1}; /* no heartbeat of ours: 0 */
        uint8_t out[64];
        for (size_t i = 0; i < 10; i++) { /* the varint of its number comes back */
            record[3 + i] = frame[FRAME_HEAD + 2 + i];
            record[1]++;
            if (record[3 + i] < 0x80)
                break;
        }
        send_all(peer->fd, out, put_frame(out, ++peer->frames, record, 2 + (size_t)record[1]));
        crowd->heartbeats++;
    }
}

/* Let the peers be peers for so long. */
static void idle_for(struct crowd *crowd, unsigned ms)
{
    uint64_t until = bench_now_ns() + (uint64_t)ms * 1000000;
    for (uint64_t now = 0; (now = bench_now_ns()) < until;) {
        struct epoll_event events[256];
        int count = epoll_wait(crowd->epoll, events, 256, (int)((until - now) / 1000000) + 1);
        for (int i = 0; i < count; i++)
            answer_peer(crowd, events[i].data.ptr);
    }
}

/* ---- the workload ---- */

static long link_count(const struct bench *bench)
{
    struct rlimit limit;
    long count = bench_scaled(bench, LINKS);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        bench_die("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max; /* reflowd inherits it */
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if ((rlim_t)count + SPARE_DESCRIPTORS > limit.rlim_cur)
        count = (long)limit.rlim_cur - SPARE_DESCRIPTORS;
    return count;
}

static int by_time(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void measure_start(struct bench *bench)
{
    struct node node;
    uint64_t times[STARTS];
    size_t rss = 0;
    for (size_t i = 0; i < STARTS; i++) {
        start_node(&node, "heartbeat_interval_ms=5000");
        times[i] = node.ready_ns;
        rss = rss_of(&node);
        stop_node(&node);
    }
    qsort(times, STARTS, sizeof times[0], by_time);
    bench_result(bench, "idle_ready", (double)times[STARTS / 2] / 1e6, "ms");
    bench_result(bench, "idle_rss", (double)rss / 1e6, "MB");
}

static void measure_links(struct bench *bench, long count)
{
    struct node node;
    struct crowd crowd;
    start_node(&node, "heartbeat_interval_ms=3600000");
    size_t before = rss_of(&node);
    uint64_t begin = bench_now_ns();
    double cpu = cpu_ns_of(&node);
    open_crowd(&crowd, &node, count);
    double seconds = (double)(bench_now_ns() - begin) / 1e9;
    idle_for(&crowd, SETTLE_MS);
    bench_result(bench, "idle_accept", (double)count / seconds, "links/s");
    bench_result(bench, "idle_accept_cpu", (cpu_ns_of(&node) - cpu) / (double)count / 1e3,
                 "us/link");
    bench_result(bench, "idle_link", (double)(rss_of(&node) - before) / (double)count,
                 "bytes/link");
    cpu = cpu_ns_of(&node);
    idle_for(&crowd, SILENT_MS);
    bench_result(bench, "idle_cpu_silent", (cpu_ns_of(&node) - cpu) / SILENT_MS / 1e4, "%");
    close_crowd(&crowd);
    stop_node(&node);
}

static void measure_heartbeats(struct bench *bench, long count)
{
    struct node node;
    struct crowd crowd;
    start_node(&node, "heartbeat_interval_ms=5000");
    open_crowd(&crowd, &node, count);
    idle_for(&crowd,
             SPEAKING_MS); /* the first heartbeats come together; these are counted from here on */
    crowd.heartbeats = 0;
    double cpu = cpu_ns_of(&node);
    idle_for(&crowd, SPEAKING_MS);
    cpu = cpu_ns_of(&node) - cpu;
    bench_result(bench, "idle_cpu", cpu / SPEAKING_MS / 1e4, "%");
    if (crowd.heartbeats > 0)
        bench_result(bench, "idle_heartbeat", cpu / (double)crowd.heartbeats / 1e3, "us");
    close_crowd(&crowd);
    stop_node(&node);
}

void bench_idle(struct bench *bench)
{
    long count = link_count(bench);
    measure_start(bench);
    measure_links(bench, count);
    measure_heartbeats(bench, count);
}
