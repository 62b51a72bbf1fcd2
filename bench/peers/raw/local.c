// The physical limit inside one process, in plain C.
//   raw-1t    one thread: actors with mailboxes on a run queue, no atomics, no locks
//   raw-2t    two spinning threads, single-producer/single-consumer rings
//   raw-mpsc  two spinning threads, linked many-producer queue, malloc/free per message
//   raw-park  two threads that sleep in the kernel when they have nothing to do
#include "../common/bench.h"
#include <immintrin.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

static const char *peer;

// ---------------------------------------------------------------- raw-1t

typedef struct msg {
    struct msg *next;
    int64_t value;
} msg;
typedef struct actor {
    msg *head, **tail;
    struct actor *run_next;
    void (*receive)(struct actor *, int64_t);
    struct actor *to;
    int64_t left, sum;
    bool queued;
} actor;

enum { TURN = 256 }; // messages a producer sends before it lets others run

static _Thread_local msg *spare;
static _Thread_local actor *run_head, **run_tail;

static msg *new_msg(int64_t value)
{
    msg *m = spare;
    if (m)
        spare = m->next;
    else
        check((m = malloc(sizeof *m)) != NULL, "malloc");
    m->next = NULL;
    m->value = value;
    return m;
}

static void actor_init(actor *a, void (*receive)(actor *, int64_t), actor *to, int64_t left)
{
    *a = (actor){.receive = receive, .to = to, .left = left};
    a->tail = &a->head;
}

static void post(actor *a, int64_t value)
{
    msg *m = new_msg(value);
    *a->tail = m;
    a->tail = &m->next;
    if (!a->queued) {
        a->queued = true;
        a->run_next = NULL;
        *run_tail = a;
        run_tail = &a->run_next;
    }
}

static void run_actors(void)
{
    while (run_head) {
        actor *a = run_head;
        if (!(run_head = a->run_next))
            run_tail = &run_head;
        msg *m = a->head;
        a->head = NULL;
        a->tail = &a->head;
        a->queued = false;
        while (m) {
            msg *next = m->next;
            int64_t value = m->value;
            m->next = spare;
            spare = m;
            a->receive(a, value);
            m = next;
        }
    }
}

static void on_bounce(actor *a, int64_t v)
{
    if (a->left-- > 0)
        post(a->to, v + 1);
}
static void on_count(actor *a, int64_t v)
{
    a->sum += v;
    a->left--;
}
static void on_forward(actor *a, int64_t v)
{
    post(a->to, v);
}
static void on_produce(actor *a, int64_t v)
{
    (void)v;
    for (int i = 0; i < TURN && a->left > 0; i++)
        post(a->to, --a->left);
    if (a->left > 0)
        post(a, 0);
}

static actor *new_actors(long n)
{
    actor *a = calloc((size_t)n, sizeof *a);
    check(a != NULL, "calloc");
    return a;
}

static void one_pingpong(void)
{
    long n = scaled(PINGPONG_TRIPS) * 10;
    actor *a = new_actors(2);
    actor_init(&a[0], on_bounce, &a[1], n);
    actor_init(&a[1], on_bounce, &a[0], n);
    uint64_t t = now_ns();
    post(&a[0], 0);
    run_actors();
    emit(peer, "local_pingpong", (double)(now_ns() - t) / n, "ns");
}

static void one_stream(const char *name, long producers, long n)
{
    actor *a = new_actors(producers + 1);
    actor_init(&a[0], on_count, NULL, n);
    for (long i = 1; i <= producers; i++)
        actor_init(&a[i], on_produce, &a[0], n / producers);
    uint64_t t = now_ns();
    for (long i = 1; i <= producers; i++)
        post(&a[i], 0);
    run_actors();
    t = now_ns() - t;
    check(a[0].left == 0 && a[0].sum == producers * seq_sum(n / producers), "stream sum");
    emit(peer, name, per_second((double)n, t), "msgs/s");
}

static void one_pipeline(void)
{
    long n = scaled(PIPE_MSGS) * 5;
    actor *a = new_actors(PIPE_STAGES + 1);
    actor_init(&a[0], on_produce, &a[1], n);
    for (int i = 1; i < PIPE_STAGES; i++)
        actor_init(&a[i], on_forward, &a[i + 1], 0);
    actor_init(&a[PIPE_STAGES], on_count, NULL, n);
    uint64_t t = now_ns();
    post(&a[0], 0);
    run_actors();
    t = now_ns() - t;
    check(a[PIPE_STAGES].sum == seq_sum(n), "pipeline sum");
    emit(peer, "local_pipeline", per_second((double)n * PIPE_STAGES, t), "hop-msgs/s");
}

static void on_token(actor *a, int64_t v)
{
    if (v > 0)
        post(a->to, v - 1);
}
static void one_ring(void)
{
    long n = scaled(RING_HOPS) * 10;
    actor *a = new_actors(RING_ACTORS);
    for (int i = 0; i < RING_ACTORS; i++)
        actor_init(&a[i], on_token, &a[(i + 1) % RING_ACTORS], 0);
    uint64_t t = now_ns();
    post(&a[0], n);
    run_actors();
    emit(peer, "local_ring", per_second((double)n, now_ns() - t), "hops/s");
}

static _Atomic long spawned_done;
static pthread_barrier_t spawn_gate;
static size_t spawn_rss;
static void on_once(actor *a, int64_t v)
{
    a->sum += v;
    a->left--;
}
static void *spawn_part(void *arg)
{
    long n = *(long *)arg;
    run_tail = &run_head;
    actor **all = malloc((size_t)n * sizeof *all);
    for (long i = 0; i < n; i++) {
        check((all[i] = malloc(sizeof **all)) != NULL, "malloc");
        actor_init(all[i], on_once, NULL, 1);
    }
    if (pthread_barrier_wait(&spawn_gate) == PTHREAD_BARRIER_SERIAL_THREAD)
        spawn_rss = rss_bytes();
    for (long i = 0; i < n; i++)
        post(all[i], i);
    run_actors();
    long done = 0;
    for (long i = 0; i < n; i++)
        done += all[i]->left == 0;
    spawned_done += done;
    return NULL;
}
static void raw_spawn(int threads)
{
    long n = scaled(SPAWN_ACTORS), part = n / threads;
    pthread_barrier_init(&spawn_gate, NULL, (unsigned)threads);
    size_t before = rss_bytes();
    uint64_t t = now_ns();
    pthread_t other;
    if (threads == 2)
        pthread_create(&other, NULL, spawn_part, &part);
    spawn_part(&part);
    if (threads == 2)
        pthread_join(other, NULL);
    t = now_ns() - t;
    check(spawned_done == part * threads, "spawn count");
    emit(peer, "spawn", per_second((double)n, t), "actors/s");
    emit(peer, "spawn_rss", (double)(spawn_rss - before) / n, "bytes/actor");
}

// ---------------------------------------------------------------- raw-2t

enum { RING_SLOTS = 4096, LINE = 128 }; // 128: the prefetcher pulls lines in pairs
typedef struct {
    alignas(LINE) _Atomic size_t head; // written by the consumer
    size_t tail_seen;
    alignas(LINE) _Atomic size_t tail; // written by the producer
    size_t head_seen;
    alignas(LINE) int64_t slot[RING_SLOTS];
} ring;

static bool ring_put(ring *r, int64_t v)
{
    size_t t = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (t - r->head_seen == RING_SLOTS) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        if (t - r->head_seen == RING_SLOTS)
            return false;
    }
    r->slot[t % RING_SLOTS] = v;
    atomic_store_explicit(&r->tail, t + 1, memory_order_release);
    return true;
}

static bool ring_get(ring *r, int64_t *v)
{
    size_t h = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (h == r->tail_seen) {
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (h == r->tail_seen)
            return false;
    }
    *v = r->slot[h % RING_SLOTS];
    atomic_store_explicit(&r->head, h + 1, memory_order_release);
    return true;
}

static ring rings[PIPE_STAGES];
static long total;

static void *two_pong(void *arg)
{
    int64_t v;
    for (long i = 0; i < total; i++) {
        while (!ring_get(&rings[0], &v))
            _mm_pause();
        ring_put(&rings[1], v + 1);
    }
    return arg;
}
static void two_pingpong(void)
{
    total = scaled(PINGPONG_TRIPS) * 5;
    pthread_t other;
    pthread_create(&other, NULL, two_pong, NULL);
    uint64_t t = now_ns();
    int64_t v = 0;
    for (long i = 0; i < total; i++) {
        ring_put(&rings[0], v);
        while (!ring_get(&rings[1], &v))
            _mm_pause();
    }
    t = now_ns() - t;
    pthread_join(other, NULL);
    emit(peer, "local_pingpong", (double)t / total, "ns");
}

static void *two_producer(void *arg)
{
    for (long i = 0; i < total; i++)
        while (!ring_put(&rings[0], i))
            _mm_pause();
    return arg;
}
static void two_stream(void)
{
    total = scaled(STREAM_MSGS) * 2;
    int64_t v, sum = 0;
    pthread_t other;
    uint64_t t = now_ns();
    pthread_create(&other, NULL, two_producer, NULL);
    for (long i = 0; i < total; i++) {
        while (!ring_get(&rings[0], &v))
            _mm_pause();
        sum += v;
    }
    t = now_ns() - t;
    pthread_join(other, NULL);
    check(sum == seq_sum(total), "stream sum");
    emit(peer, "local_stream", per_second((double)total, t), "msgs/s");
}

// Stages 0-3 on one thread with the source, 4-7 on the other.
static bool stage_turn(int i)
{
    int64_t v;
    int n = 0;
    while (n < TURN && ring_get(&rings[i], &v)) {
        while (!ring_put(&rings[i + 1], v))
            _mm_pause();
        n++;
    }
    return n > 0;
}
static void *two_pipe_front(void *arg)
{
    bool busy = true;
    for (long i = 0; i < total || busy;) {
        for (int n = 0; n < TURN && i < total && ring_put(&rings[0], i); n++)
            i++;
        busy = false;
        for (int s = 0; s < PIPE_STAGES / 2; s++)
            busy |= stage_turn(s);
    }
    return arg;
}
static void two_pipeline(void)
{
    total = scaled(PIPE_MSGS) * 5;
    int64_t v, sum = 0;
    long got = 0;
    pthread_t other;
    uint64_t t = now_ns();
    pthread_create(&other, NULL, two_pipe_front, NULL);
    while (got < total) {
        for (int s = PIPE_STAGES / 2; s < PIPE_STAGES - 1; s++)
            stage_turn(s);
        while (ring_get(&rings[PIPE_STAGES - 1], &v)) {
            sum += v;
            got++;
        }
    }
    t = now_ns() - t;
    pthread_join(other, NULL);
    check(sum == seq_sum(total), "pipeline sum");
    emit(peer, "local_pipeline", per_second((double)total * PIPE_STAGES, t), "hop-msgs/s");
}

// ---------------------------------------------------------------- raw-mpsc

typedef struct node {
    _Atomic(struct node *) next;
    int64_t value;
} node;
typedef struct {
    alignas(LINE) _Atomic(node *) tail; // producers swap themselves in here
    alignas(LINE) node *head;           // consumer only; its value is already taken
} mpsc;

static void mpsc_init(mpsc *q)
{
    node *stub = calloc(1, sizeof *stub);
    q->head = stub;
    atomic_store(&q->tail, stub);
}
static void mpsc_put(mpsc *q, int64_t v)
{
    node *n = malloc(sizeof *n);
    n->value = v;
    atomic_store_explicit(&n->next, NULL, memory_order_relaxed);
    node *before = atomic_exchange_explicit(&q->tail, n, memory_order_acq_rel);
    atomic_store_explicit(&before->next, n, memory_order_release);
}
static bool mpsc_get(mpsc *q, int64_t *v)
{
    node *old = q->head, *n = atomic_load_explicit(&old->next, memory_order_acquire);
    if (!n)
        return false;
    *v = n->value;
    q->head = n;
    free(old);
    return true;
}

static mpsc queue;
static void *mpsc_producer(void *arg)
{
    for (long i = 0; i < total; i++)
        mpsc_put(&queue, i);
    return arg;
}
static void mpsc_stream(const char *name, long n)
{
    total = n;
    mpsc_init(&queue);
    int64_t v, sum = 0;
    pthread_t other;
    uint64_t t = now_ns();
    pthread_create(&other, NULL, mpsc_producer, NULL);
    for (long i = 0; i < n; i++) {
        while (!mpsc_get(&queue, &v))
            _mm_pause();
        sum += v;
    }
    t = now_ns() - t;
    pthread_join(other, NULL);
    check(sum == seq_sum(n), "stream sum");
    emit(peer, name, per_second((double)n, t), "msgs/s");
}

// ---------------------------------------------------------------- raw-park

static sem_t ping, pong;
static void *park_pong(void *arg)
{
    for (long i = 0; i < total; i++) {
        sem_wait(&ping);
        sem_post(&pong);
    }
    return arg;
}
static void park_pingpong(void)
{
    total = scaled(PINGPONG_TRIPS);
    sem_init(&ping, 0, 0);
    sem_init(&pong, 0, 0);
    pthread_t other;
    pthread_create(&other, NULL, park_pong, NULL);
    uint64_t t = now_ns();
    for (long i = 0; i < total; i++) {
        sem_post(&ping);
        sem_wait(&pong);
    }
    t = now_ns() - t;
    pthread_join(other, NULL);
    emit(peer, "local_pingpong", (double)t / total, "ns");
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int64_t box[RING_SLOTS];
static size_t box_head, box_tail;
static void *park_producer(void *arg)
{
    for (long i = 0; i < total; i++) {
        pthread_mutex_lock(&lock);
        while (box_tail - box_head == RING_SLOTS)
            pthread_cond_wait(&not_full, &lock);
        box[box_tail++ % RING_SLOTS] = i;
        if (box_tail - box_head == 1)
            pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&lock);
    }
    return arg;
}
static void park_stream(void)
{
    total = scaled(STREAM_MSGS);
    int64_t sum = 0;
    pthread_t other;
    uint64_t t = now_ns();
    pthread_create(&other, NULL, park_producer, NULL);
    for (long i = 0; i < total; i++) {
        pthread_mutex_lock(&lock);
        while (box_tail == box_head)
            pthread_cond_wait(&not_empty, &lock);
        sum += box[box_head++ % RING_SLOTS];
        if (box_tail - box_head == RING_SLOTS - 1)
            pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&lock);
    }
    t = now_ns() - t;
    pthread_join(other, NULL);
    check(sum == seq_sum(total), "stream sum");
    emit(peer, "local_stream", per_second((double)total, t), "msgs/s");
}

int main(int argc, char **argv)
{
    check(argc == 3, "usage: local_bench PEER WORKLOAD");
    peer = argv[1];
    const char *w = argv[2];
    alarm(TIME_LIMIT_S);
    run_tail = &run_head;
#define IS(p, x) (!strcmp(peer, p) && !strcmp(w, x))
    if (IS("raw-1t", "local_pingpong"))
        one_pingpong();
    else if (IS("raw-1t", "local_stream"))
        one_stream(w, 1, scaled(STREAM_MSGS) * 2);
    else if (IS("raw-1t", "local_fanin"))
        one_stream(w, FANIN_ACTORS, scaled(FANIN_MSGS) * 4);
    else if (IS("raw-1t", "local_pipeline"))
        one_pipeline();
    else if (IS("raw-1t", "local_ring"))
        one_ring();
    else if (IS("raw-1t", "spawn"))
        raw_spawn(1);
    else if (IS("raw-2t", "spawn"))
        raw_spawn(2);
    else if (IS("raw-2t", "local_pingpong"))
        two_pingpong();
    else if (IS("raw-2t", "local_stream"))
        two_stream();
    else if (IS("raw-2t", "local_pipeline"))
        two_pipeline();
    else if (IS("raw-mpsc", "local_stream") || IS("raw-mpsc", "local_fanin"))
        mpsc_stream(w, scaled(STREAM_MSGS));
    else if (IS("raw-park", "local_pingpong"))
        park_pingpong();
    else if (IS("raw-park", "local_stream"))
        park_stream();
    else
        die("no such peer/workload");
    return 0;
}
