// ZeroMQ (libzmq). PAIR sockets for one-to-one work, PUSH/PULL for the fan-in.
//   zmq        default options (high-water marks 1000, one I/O thread)
//   zmq-tuned  high-water marks 100000: senders are held back later
#include "../common/bench.h"
#include <zmq.h>

static const char *peer;
static char url[64];
static int high_water = 1000, go[2], stay[2];

static void *open_socket(void *ctx, int type)
{
    void *s = zmq_socket(ctx, type);
    check(s != NULL, "socket");
    zmq_setsockopt(s, ZMQ_SNDHWM, &high_water, sizeof high_water);
    zmq_setsockopt(s, ZMQ_RCVHWM, &high_water, sizeof high_water);
    return s;
}
static void *serve(void *ctx, int type)
{
    void *s = open_socket(ctx, type);
    check(zmq_bind(s, url) == 0, "bind");
    return s;
}
static void *dial(void *ctx, int type)
{
    void *s = open_socket(ctx, type);
    check(zmq_connect(s, url) == 0, "connect");
    return s;
}
static void finish(void *ctx, void *s)
{
    zmq_close(s);
    zmq_ctx_term(ctx);
}

static void echo_server(void *arg)
{
    void *ctx = zmq_ctx_new(), *s = serve(ctx, ZMQ_PAIR);
    char b[SMALL];
    for (long i = *(long *)arg; i > 0; i--) {
        check(zmq_recv(s, b, SMALL, 0) == SMALL, "recv");
        zmq_send(s, b, SMALL, 0);
    }
    finish(ctx, s);
}
static void rtt(void)
{
    long trips = scaled(RTT_TRIPS), all = trips + RTT_WARMUP;
    uint32_t *ns = malloc((size_t)trips * sizeof *ns);
    pid_t server = start_process(echo_server, &all);
    void *ctx = zmq_ctx_new(), *s = dial(ctx, ZMQ_PAIR);
    char b[SMALL] = {0};
    for (long i = -RTT_WARMUP; i < trips; i++) {
        uint64_t t = now_ns();
        zmq_send(s, b, SMALL, 0);
        check(zmq_recv(s, b, SMALL, 0) == SMALL, "recv");
        if (i >= 0)
            ns[i] = (uint32_t)(now_ns() - t);
    }
    finish(ctx, s);
    wait_process(server);
    emit_latency(peer, ns, (size_t)trips);
}

static int64_t take(void *s, size_t size)
{
    zmq_msg_t m;
    zmq_msg_init(&m);
    check(zmq_msg_recv(&m, s, 0) == (int)size, "recv");
    int64_t seq = get_seq(zmq_msg_data(&m));
    zmq_msg_close(&m);
    return seq;
}
static void give(void *s, size_t size, int64_t seq)
{
    zmq_msg_t m;
    zmq_msg_init_size(&m, size);
    if (size < ONE_MIB)
        memset(zmq_msg_data(&m), 0, size);
    put_seq(zmq_msg_data(&m), seq);
    check(zmq_msg_send(&m, s, 0) == (int)size, "send");
}
static void count_server(void *arg)
{
    stream_work *w = arg;
    void *ctx = zmq_ctx_new(), *s = serve(ctx, ZMQ_PAIR);
    int64_t count = 0, sum = 0;
    while (count < w->count) {
        sum += take(s, w->size);
        count++;
    }
    check(sum == seq_sum(count), "stream sum");
    zmq_send(s, &count, sizeof count, 0);
    finish(ctx, s);
}
static void stream(stream_work w)
{
    pid_t server = start_process(count_server, &w);
    void *ctx = zmq_ctx_new(), *s = dial(ctx, ZMQ_PAIR);
    int64_t counted = 0;
    usleep(200000); // connected before the clock starts
    uint64_t t = now_ns();
    for (long i = 0; i < w.count; i++)
        give(s, w.size, i);
    zmq_recv(s, &counted, sizeof counted, 0);
    t = now_ns() - t;
    check(counted == w.count, "ack");
    finish(ctx, s);
    wait_process(server);
    emit_stream(peer, w, t);
}

static void fanin_client(void *arg)
{
    enum { CONNS = RFANIN_CONNS / RFANIN_PROCS };
    long each = *(long *)arg / RFANIN_CONNS;
    void *ctx = zmq_ctx_new(), *s[CONNS];
    for (int c = 0; c < CONNS; c++)
        give(s[c] = dial(ctx, ZMQ_PUSH), SMALL, 0); // hello
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
    void *ctx = zmq_ctx_new(), *s = serve(ctx, ZMQ_PULL);
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
    if (!strcmp(peer, "zmq-tuned"))
        high_water = 100000;
    alarm(TIME_LIMIT_S);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", pick_port());
    if (!strcmp(argv[2], "remote_rtt"))
        rtt();
    else if (!strcmp(argv[2], "remote_fanin"))
        fanin();
    else
        stream(stream_named(argv[2]));
    return 0;
}
