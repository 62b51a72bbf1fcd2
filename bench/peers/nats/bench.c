// NATS: publisher -> nats-server -> subscriber, with the C client libnats. A broker is between
// the two processes, so every message crosses loopback twice. Core NATS drops what a slow
// consumer cannot take, so senders here keep at most a window of messages unacknowledged.
// Send-asap for the round trips (by default a client thread flushes about once a millisecond),
// 256 KiB client buffers for payloads of 1 KiB and more, default options for the rest.
#include "../common/bench.h"
#include <nats/nats.h>

enum { WINDOW_BYTES = 32 << 20, WINDOW_MSGS = 65536 };

static const char *peer;
static char url[64];
static int port, go[2], stay[2], asap, large;

static void ok(natsStatus s, const char *what)
{
    if (s != NATS_OK)
        fprintf(stderr, "nats: %s: %s\n", what, natsStatus_GetText(s)), exit(1);
}
static natsConnection *dial(void)
{
    natsOptions *o;
    natsConnection *c;
    ok(natsOptions_Create(&o), "options");
    natsOptions_SetURL(o, url);
    if (asap)
        natsOptions_SetSendAsap(o, true);
    if (large)
        natsOptions_SetIOBufSize(o, 256 << 10);
    for (int i = 0; i < 500; i++) {
        if (natsConnection_Connect(&c, o) == NATS_OK)
            return c;
        usleep(10000);
    }
    die("connect");
    return NULL;
}
static natsSubscription *subscribe(natsConnection *c, const char *subject)
{
    natsSubscription *s;
    ok(natsConnection_SubscribeSync(&s, c, subject), "subscribe");
    natsSubscription_SetPendingLimits(s, -1, -1);
    ok(natsConnection_Flush(c), "flush");
    return s;
}
static int64_t take(natsSubscription *s, size_t size)
{
    natsMsg *m;
    ok(natsSubscription_NextMsg(&m, s, TIME_LIMIT_S * 1000), "next");
    check((size_t)natsMsg_GetDataLength(m) == size, "size");
    int64_t seq = get_seq(natsMsg_GetData(m));
    natsMsg_Destroy(m);
    return seq;
}
static pid_t start_broker(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        char p[16];
        snprintf(p, sizeof p, "%d", port);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(126);
        execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", p, NULL);
        _exit(127);
    }
    return pid;
}
static void stop_broker(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static void echo_server(void *arg)
{
    natsConnection *c = dial();
    natsSubscription *s = subscribe(c, "ping");
    char b[SMALL] = {0};
    natsConnection_Publish(c, "ready", b, SMALL);
    for (long i = *(long *)arg; i > 0; i--) {
        take(s, SMALL);
        natsConnection_Publish(c, "pong", b, SMALL);
    }
    natsConnection_Flush(c);
}
static void rtt(void)
{
    asap = 1;
    long trips = scaled(RTT_TRIPS), all = trips + RTT_WARMUP;
    uint32_t *ns = malloc((size_t)trips * sizeof *ns);
    natsConnection *c = dial();
    natsSubscription *ready = subscribe(c, "ready"), *s = subscribe(c, "pong");
    pid_t server = start_process(echo_server, &all);
    char b[SMALL] = {0};
    take(ready, SMALL);
    for (long i = -RTT_WARMUP; i < trips; i++) {
        uint64_t t = now_ns();
        natsConnection_Publish(c, "ping", b, SMALL);
        take(s, SMALL);
        if (i >= 0)
            ns[i] = (uint32_t)(now_ns() - t);
    }
    wait_process(server);
    emit_latency(peer, ns, (size_t)trips);
}

static long window(size_t size)
{
    long w = WINDOW_BYTES / (long)size;
    return w < WINDOW_MSGS ? w : WINDOW_MSGS;
}
static void acknowledge(natsConnection *c, int64_t count)
{
    natsConnection_Publish(c, "ack", &count, sizeof count);
}
static void count_server(void *arg)
{
    stream_work *w = arg;
    natsConnection *c = dial();
    natsSubscription *s = subscribe(c, "data");
    int64_t sum = 0;
    long every = window(w->size) / 4;
    acknowledge(c, 0);
    for (long i = 1; i <= w->count; i++) {
        sum += take(s, w->size);
        if (i % every == 0 || i == w->count)
            acknowledge(c, i);
    }
    check(sum == seq_sum(w->count), "stream sum");
    natsConnection_Flush(c);
}
static void stream(stream_work w)
{
    large = w.size > SMALL;
    natsConnection *c = dial();
    natsSubscription *ack = subscribe(c, "ack");
    pid_t server = start_process(count_server, &w);
    char *payload = calloc(1, w.size);
    int64_t acked = take(ack, sizeof acked);
    uint64_t t = now_ns();
    for (long i = 0; i < w.count; i++) {
        while (i - acked >= window(w.size))
            acked = take(ack, sizeof acked);
        put_seq(payload, i);
        ok(natsConnection_Publish(c, "data", payload, (int)w.size), "publish");
    }
    while (acked < w.count)
        acked = take(ack, sizeof acked);
    t = now_ns() - t;
    wait_process(server);
    emit_stream(peer, w, t);
}

static void fanin_client(void *arg)
{
    enum { CONNS = RFANIN_CONNS / RFANIN_PROCS };
    long each = *(long *)arg / RFANIN_CONNS, share = window(SMALL) / RFANIN_PROCS, sent = 0;
    natsConnection *c[CONNS];
    char payload[SMALL] = {0}, byte;
    for (int i = 0; i < CONNS; i++)
        c[i] = dial();
    natsSubscription *ack = subscribe(c[0], "ack");
    int64_t acked = 0;
    for (int i = 0; i < CONNS; i++)
        natsConnection_Publish(c[i], "data", payload, SMALL); // hello
    check(read(go[0], &byte, 1) == 1, "go");
    for (long i = 0; i < each; i += RFANIN_BURST)
        for (int k = 0; k < CONNS; k++) {
            while (sent - acked / RFANIN_PROCS >= share)
                acked = take(ack, sizeof acked);
            for (long j = i; j < i + RFANIN_BURST && j < each; j++, sent++) {
                put_seq(payload, j);
                ok(natsConnection_Publish(c[k], "data", payload, SMALL), "publish");
            }
        }
    for (int k = 0; k < CONNS; k++)
        natsConnection_Flush(c[k]);
    check(read(stay[0], &byte, 1) == 1, "stay until counted");
}
static void fanin(void)
{
    long n = scaled(RFANIN_MSGS);
    int64_t sum = 0;
    pid_t client[RFANIN_PROCS];
    check(pipe(go) == 0 && pipe(stay) == 0, "pipe");
    for (int i = 0; i < RFANIN_PROCS; i++)
        client[i] = start_process(fanin_client, &n);
    natsConnection *c = dial();
    natsSubscription *s = subscribe(c, "data");
    for (int i = 0; i < RFANIN_CONNS; i++)
        take(s, SMALL);
    uint64_t t = now_ns();
    check(write(go[1], "gg", RFANIN_PROCS) == RFANIN_PROCS, "go");
    for (long i = 1; i <= n; i++) {
        sum += take(s, SMALL);
        if (i % (window(SMALL) / 8) == 0)
            acknowledge(c, i);
    }
    t = now_ns() - t;
    check(sum == RFANIN_CONNS * seq_sum(n / RFANIN_CONNS), "fanin sum");
    check(write(stay[1], "ss", RFANIN_PROCS) == RFANIN_PROCS, "end");
    for (int i = 0; i < RFANIN_PROCS; i++)
        wait_process(client[i]);
    emit(peer, "remote_fanin", per_second((double)n, t), "msgs/s");
}

int main(int argc, char **argv)
{
    check(argc == 3, "usage: bench PEER WORKLOAD");
    peer = argv[1];
    alarm(TIME_LIMIT_S);
    port = pick_port();
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    pid_t broker = start_broker();
    usleep(300000);
    if (!strcmp(argv[2], "remote_rtt"))
        rtt();
    else if (!strcmp(argv[2], "remote_fanin"))
        fanin();
    else
        stream(stream_named(argv[2]));
    stop_broker(broker);
    return 0;
}
