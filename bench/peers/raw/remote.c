// The physical limit between two OS processes over loopback TCP, in plain C.
//   raw-block    blocking sockets                     (remote_rtt)
//   raw-epoll    non-blocking sockets and epoll       (remote_rtt)
//   raw-onecore  as raw-block, both processes on core 0    (remote_rtt)
//   raw-spin     non-blocking sockets, busy polling   (remote_rtt)
//   raw-nobatch  one send per message                 (the others)
//   raw-batch    messages gathered into 64 KiB sends  (the others)
//   raw-ws       as raw-batch, with WebSocket framing and client masking, no handshake
// Frames are a 4-byte length and the payload, except for raw-ws.
#include "../common/bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { GATHER = 64 << 10, READ_BUF = 256 << 10 };

static const char *peer;
static bool batch, websocket, spin, use_epoll;
static int port;

// ---------------------------------------------------------------- sockets

static struct sockaddr_in loopback(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}
static void set_nodelay(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}
static int listen_here(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    struct sockaddr_in a = loopback();
    check(bind(fd, (void *)&a, sizeof a) == 0 && listen(fd, 256) == 0, "listen");
    return fd;
}
static int accept_one(int listener)
{
    int fd = accept(listener, NULL, NULL);
    check(fd >= 0, "accept");
    set_nodelay(fd);
    return fd;
}
static int connect_there(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = loopback();
    check(connect(fd, (void *)&a, sizeof a) == 0, "connect");
    set_nodelay(fd);
    return fd;
}
static void write_flags(int fd, const void *data, size_t n, int flags)
{
    for (const char *p = data; n > 0;) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL | flags);
        if (k < 0 && errno == EAGAIN)
            continue;
        check(k > 0, "send");
        p += k;
        n -= (size_t)k;
    }
}
static void write_all(int fd, const void *data, size_t n)
{
    write_flags(fd, data, n, 0);
}
static int poller = -1;
static void read_exactly(int fd, void *data, size_t n)
{
    for (char *p = data; n > 0;) {
        ssize_t k = recv(fd, p, n, 0);
        if (k < 0 && errno == EAGAIN) {
            struct epoll_event e;
            if (use_epoll)
                epoll_wait(poller, &e, 1, -1);
            continue;
        }
        check(k > 0, "recv");
        p += k;
        n -= (size_t)k;
    }
}

// ---------------------------------------------------------------- frames

static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};

static void xor_mask(unsigned char *to, const unsigned char *from, size_t n)
{
    uint64_t m8, x;
    memcpy(&m8, mask, 4);
    memcpy((char *)&m8 + 4, mask, 4);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&x, from + i, 8);
        x ^= m8;
        memcpy(to + i, &x, 8);
    }
    for (; i < n; i++)
        to[i] = from[i] ^ mask[i % 4];
}

// Writes one frame to `to` and returns its size.
static size_t encode(unsigned char *to, const unsigned char *payload, size_t n)
{
    size_t h = 4;
    if (!websocket) {
        memcpy(to, &(uint32_t){(uint32_t)n}, 4);
        memcpy(to + h, payload, n);
        return h + n;
    }
    to[0] = 0x82;
    if (n < 126) {
        to[1] = (unsigned char)(0x80 | n);
        h = 2;
    } else if (n < 65536) {
        to[1] = 0x80 | 126;
        to[2] = (unsigned char)(n >> 8);
        to[3] = (unsigned char)n;
    } else {
        to[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            to[2 + i] = (unsigned char)((uint64_t)n >> (56 - 8 * i));
        h = 10;
    }
    memcpy(to + h, mask, 4);
    xor_mask(to + h + 4, payload, n);
    return h + 4 + n;
}

// The size of the whole frame at `p`, or 0 if `have` bytes do not hold all of it
// (`frame` then says how large it will be, as soon as that is known).
static size_t decode(unsigned char *p, size_t have, size_t *frame, unsigned char **payload)
{
    size_t h = 4, n;
    if (have < 4)
        return 0;
    if (!websocket) {
        uint32_t n32;
        memcpy(&n32, p, 4);
        n = n32;
    } else {
        n = p[1] & 127u;
        h = n < 126 ? 6 : n == 126 ? 8 : 14;
        if (have < h)
            return 0;
        if (n == 126)
            n = (size_t)p[2] << 8 | p[3];
        else if (n == 127) {
            n = 0;
            for (int i = 0; i < 8; i++)
                n = n << 8 | p[2 + i];
        }
    }
    *frame = h + n;
    if (have < h + n)
        return 0;
    *payload = p + h;
    if (websocket)
        xor_mask(p + h, p + h, n);
    return h + n;
}

typedef struct {
    int fd;
    unsigned char *buf;
    size_t have, size, frame;
} reader;

static reader new_reader(int fd, size_t size)
{
    reader r = {fd, malloc(size), 0, size, 0};
    check(r.buf != NULL, "malloc");
    return r;
}
// One recv; counts the frames that are complete now.
static long read_frames(reader *r, int64_t *sum)
{
    size_t upto =
        r->frame >= GATHER ? r->frame : r->size; // a large frame ends where the buffer starts anew
    ssize_t k = recv(r->fd, r->buf + r->have, upto - r->have, 0);
    check(k > 0, "recv");
    r->have += (size_t)k;
    long count = 0;
    size_t at = 0, n;
    unsigned char *payload;
    while ((n = decode(r->buf + at, r->have - at, &r->frame, &payload)) > 0) {
        r->frame = 0;
        *sum += get_seq(payload);
        count++;
        at += n;
    }
    if (at > 0 && r->have > at)
        memmove(r->buf, r->buf + at, r->have - at);
    r->have -= at;
    return count;
}

typedef struct {
    int fd;
    unsigned char *buf;
    size_t have, size;
} writer;

static writer new_writer(int fd, size_t largest)
{
    writer w = {fd, malloc(GATHER + largest + 16), 0, GATHER};
    check(w.buf != NULL, "malloc");
    return w;
}
static void writer_flush(writer *w)
{
    if (w->have)
        write_all(w->fd, w->buf, w->have);
    w->have = 0;
}
static void writer_put(writer *w, const unsigned char *payload, size_t n)
{
    if (n >= GATHER && !websocket) { // large: not copied
        writer_flush(w);
        write_flags(w->fd, &(uint32_t){(uint32_t)n}, 4, MSG_MORE);
        write_all(w->fd, payload, n);
        return;
    }
    w->have += encode(w->buf + w->have, payload, n);
    if (!batch || w->have >= w->size)
        writer_flush(w);
}

// ---------------------------------------------------------------- remote_rtt

static int listener;
static void make_waiting(int fd)
{
    if (spin || use_epoll)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    if (use_epoll) {
        poller = epoll_create1(0);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN});
    }
}
static void echo_server(void *arg)
{
    unsigned char frame[4 + SMALL];
    int fd = accept_one(listener);
    make_waiting(fd);
    for (long i = *(long *)arg; i > 0; i--) {
        read_exactly(fd, frame, sizeof frame);
        write_all(fd, frame, sizeof frame);
    }
}
static void rtt(void)
{
    long trips = scaled(RTT_TRIPS), all = trips + RTT_WARMUP;
    uint32_t *ns = malloc((size_t)trips * sizeof *ns);
    pid_t server = start_process(echo_server, &all);
    unsigned char frame[4 + SMALL] = {SMALL};
    int fd = connect_there();
    make_waiting(fd);
    for (long i = -RTT_WARMUP; i < trips; i++) {
        uint64_t t = now_ns();
        write_all(fd, frame, sizeof frame);
        read_exactly(fd, frame, sizeof frame);
        if (i >= 0)
            ns[i] = (uint32_t)(now_ns() - t);
    }
    wait_process(server);
    emit_latency(peer, ns, (size_t)trips);
}

// ---------------------------------------------------------------- one-way streams

static void count_server(void *arg)
{
    stream_work *w = arg;
    reader r = new_reader(accept_one(listener), READ_BUF + w->size + 16);
    int64_t count = 0, sum = 0;
    while (count < w->count)
        count += read_frames(&r, &sum);
    check(sum == seq_sum(count), "stream sum");
    write_all(r.fd, &count, sizeof count);
}
static void stream(stream_work work)
{
    if (work.size == SMALL)
        work.count *= 5;
    pid_t server = start_process(count_server, &work);
    unsigned char *payload = calloc(1, work.size);
    int64_t counted = 0;
    writer w = new_writer(connect_there(), work.size);
    uint64_t t = now_ns();
    for (long i = 0; i < work.count; i++) {
        put_seq(payload, i);
        writer_put(&w, payload, work.size);
    }
    writer_flush(&w);
    read_exactly(w.fd, &counted, sizeof counted);
    t = now_ns() - t;
    check(counted == work.count, "ack");
    wait_process(server);
    emit_stream(peer, work, t);
}

// ---------------------------------------------------------------- remote_fanin

static int go[2], stay[2];
static void fanin_client(void *arg)
{
    enum { CONNS = RFANIN_CONNS / RFANIN_PROCS };
    long each = *(long *)arg / RFANIN_CONNS;
    writer w[CONNS];
    unsigned char payload[SMALL] = {0};
    for (int c = 0; c < CONNS; c++)
        w[c] = new_writer(connect_there(), SMALL);
    char byte;
    check(read(go[0], &byte, 1) == 1, "go");
    for (long i = 0; i < each; i += RFANIN_BURST)
        for (int c = 0; c < CONNS; c++) {
            for (long k = i; k < i + RFANIN_BURST && k < each; k++) {
                put_seq(payload, k);
                writer_put(&w[c], payload, SMALL);
            }
            writer_flush(&w[c]);
        }
    check(read(stay[0], &byte, 1) == 1, "stay until counted");
}
static void fanin(void)
{
    long n = scaled(RFANIN_MSGS) * 3, count = 0;
    int64_t sum = 0;
    pid_t client[RFANIN_PROCS];
    reader r[RFANIN_CONNS];
    struct epoll_event events[RFANIN_CONNS];
    int ep = epoll_create1(0);
    check(pipe(go) == 0 && pipe(stay) == 0, "pipe");
    for (int i = 0; i < RFANIN_PROCS; i++)
        client[i] = start_process(fanin_client, &n);
    for (int i = 0; i < RFANIN_CONNS; i++) {
        r[i] = new_reader(accept_one(listener), GATHER);
        epoll_ctl(ep, EPOLL_CTL_ADD, r[i].fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.ptr = &r[i]});
    }
    uint64_t t = now_ns();
    check(write(go[1], "gg", RFANIN_PROCS) == RFANIN_PROCS, "go");
    while (count < n) {
        int k = epoll_wait(ep, events, RFANIN_CONNS, -1);
        for (int i = 0; i < k; i++)
            count += read_frames(events[i].data.ptr, &sum);
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
    check(argc == 3, "usage: remote_bench PEER WORKLOAD");
    peer = argv[1];
    const char *w = argv[2];
    alarm(TIME_LIMIT_S);
    batch = !strcmp(peer, "raw-batch") || !strcmp(peer, "raw-ws");
    websocket = !strcmp(peer, "raw-ws");
    spin = !strcmp(peer, "raw-spin");
    use_epoll = !strcmp(peer, "raw-epoll");
    if (!strcmp(peer, "raw-onecore")) {
        cpu_set_t core;
        CPU_ZERO(&core);
        CPU_SET(0, &core);
        sched_setaffinity(0, sizeof core, &core);
    }
    port = pick_port();
    listener = listen_here();
    if (!strcmp(w, "remote_rtt"))
        rtt();
    else if (!strcmp(w, "remote_fanin"))
        fanin();
    else
        stream(stream_named(w));
    return 0;
}
