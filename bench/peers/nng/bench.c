// nng (nanomsg next generation). PAIR0 for one-to-one work, PUSH0/PULL0 for the fan-in;
// nng_msg is handed over, not copied; socket queues are deepened (they default to 0 or 1).
//   nng     tcp:// transport
//   nng-ws  ws:// transport (WebSocket)
#include "../common/bench.h"
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

enum { QUEUE = 4096, QUEUE_LARGE = 16 };

static const char *peer;
static char url[64];
static int go[2], stay[2], depth = QUEUE;

static void deepen(nng_socket s)
{ // PULL has no send queue and so on: errors do not matter
    nng_socket_set_int(s, NNG_OPT_SENDBUF, depth);
    nng_socket_set_int(s, NNG_OPT_RECVBUF, depth);
    nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, 0);
}
static void serve(nng_socket s)
{
    deepen(s);
    check(nng_listen(s, url, NULL, 0) == 0, "listen");
}
static void dial(nng_socket s)
{
    deepen(s);
    for (int i = 0; i < 500; i++) {
        if (nng_dial(s, url, NULL, 0) == 0)
            return;
        usleep(10000);
    }
    die("dial");
}
static void give(nng_socket s, size_t size, int64_t seq)
{
    nng_msg *m;
    check(nng_msg_alloc(&m, size) == 0, "msg_alloc");
    put_seq(nng_msg_body(m), seq);
    check(nng_sendmsg(s, m, 0) == 0, "send");
}
static int64_t take(nng_socket s, size_t size)
{
    nng_msg *m;
    check(nng_recvmsg(s, &m, 0) == 0 && nng_msg_len(m) == size, "recv");
    int64_t seq = get_seq(nng_msg_body(m));
    nng_msg_free(m);
    return seq;
}

static void echo_server(void *arg)
{
    nng_socket s;
    nng_pair0_open(&s);
    serve(s);
    nng_msg *m;
    for (long i = *(long *)arg; i > 0; i--)
        check(nng_recvmsg(s, &m, 0) == 0 && nng_sendmsg(s, m, 0) == 0, "echo");
    usleep(300000); // nng drops what is still queued when it closes
}
static void rtt(void)
{
    long trips = scaled(RTT_TRIPS), all = trips + RTT_WARMUP;
    uint32_t *ns = malloc((size_t)trips * sizeof *ns);
    pid_t server = start_process(echo_server, &all);
    nng_socket s;
    nng_pair0_open(&s);
    dial(s);
    nng_msg *m;
    check(nng_msg_alloc(&m, SMALL) == 0, "msg_alloc");
    for (long i = -RTT_WARMUP; i < trips; i++) {
        uint64_t t = now_ns();
        check(nng_sendmsg(s, m, 0) == 0 && nng_recvmsg(s, &m, 0) == 0, "trip");
        if (i >= 0)
            ns[i] = (uint32_t)(now_ns() - t);
    }
    emit_latency(peer, ns, (size_t)trips);
    wait_process(server);
}

static void count_server(void *arg)
{
    stream_work *w = arg;
    nng_socket s;
    nng_pair0_open(&s);
    serve(s);
    int64_t count = 0, sum = 0;
    while (count < w->count) {
        sum += take(s, w->size);
        count++;
    }
    check(sum == seq_sum(count), "stream sum");
    give(s, sizeof count, count);
    usleep(300000);
}
static void stream(stream_work w)
{
    if (w.size == ONE_MIB)
        depth = QUEUE_LARGE;
    pid_t server = start_process(count_server, &w);
    nng_socket s;
    nng_pair0_open(&s);
    dial(s);
    uint64_t t = now_ns();
    for (long i = 0; i < w.count; i++)
        give(s, w.size, i);
    int64_t counted = take(s, sizeof counted);
    t = now_ns() - t;
    check(counted == w.count, "ack");
    wait_process(server);
    emit_stream(peer, w, t);
}

static void fanin_client(void *arg)
{
    enum { CONNS = RFANIN_CONNS / RFANIN_PROCS };
    long each = *(long *)arg / RFANIN_CONNS;
    nng_socket s[CONNS];
    for (int c = 0; c < CONNS; c++) {
        nng_push0_open(&s[c]);
        dial(s[c]);
        give(s[c], SMALL, 0); // hello
    }
    char byte;
    check(read(go[0], &byte, 1) == 1, "go");
    for (long i = 0; i < each; i += RFANIN_BURST)
        for (int c = 0; c < CONNS; c++)
            for (long k = i; k < i + RFANIN_BURST && k < each; k++)
                give(s[c], SMALL, k);
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
    nng_socket s;
    nng_pull0_open(&s);
    serve(s);
    for (int i = 0; i < RFANIN_CONNS; i++)
        take(s, SMALL);
    uint64_t t = now_ns();
    check(write(go[1], "gg", RFANIN_PROCS) == RFANIN_PROCS, "go");
    for (long i = 0; i < n; i++)
        sum += take(s, SMALL);
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
    snprintf(url, sizeof url, "%s://127.0.0.1:%d/bench", strcmp(peer, "nng-ws") ? "tcp" : "ws",
             pick_port());
    if (!strcmp(peer, "nng"))
        *strrchr(url, '/') = 0;
    if (!strcmp(argv[2], "remote_rtt"))
        rtt();
    else if (!strcmp(argv[2], "remote_fanin"))
        fanin();
    else
        stream(stream_named(argv[2]));
    return 0;
}
