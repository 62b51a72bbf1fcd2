/* SPDX-License-Identifier: MIT */
/* Blocks taken here are freed there: some threads take blocks of all sizes and put them in a ring,
 * others take them out, check their bytes and free them; short threads come and go meanwhile.
 *
 *   stress_pool [SECONDS]
 *
 * Run it under ThreadSanitizer and AddressSanitizer, and plain (there the caches are real). */
#include "core/base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RING = 1024, MAKERS = 2, EATERS = 2, ROUNDS_MIN = 1000 };

struct item {
    uint8_t *block;
    size_t size;
    uint16_t size_class;
    uint8_t mark;
};

static pthread_mutex_t ring_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ring_changed = PTHREAD_COND_INITIALIZER;
static struct item ring[RING]; /* under ring_mutex */
static size_t ring_head, ring_count;
static bool is_stopping;
static atomic_size_t moved_count, bad_count;

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static bool make_item(uint32_t *random, struct item *out)
{
    out->size = 1 + next_random(random) % 1500;
    out->mark = (uint8_t)next_random(random);
    out->block = rfi_pool_alloc(out->size, &out->size_class);
    if (out->block == NULL)
        return false;
    memset(out->block, out->mark, out->size);
    return true;
}

static void eat_item(const struct item *item)
{
    for (size_t i = 0; i < item->size; i++) {
        if (item->block[i] != item->mark) {
            atomic_fetch_add_explicit(&bad_count, 1, memory_order_relaxed);
            break;
        }
    }
    rfi_pool_free(item->block, item->size_class);
    atomic_fetch_add_explicit(&moved_count, 1, memory_order_relaxed);
}

static void *make(void *arg)
{
    uint32_t random = *(const uint32_t *)arg;
    for (;;) {
        struct item item;
        if (!make_item(&random, &item))
            return NULL;
        (void)pthread_mutex_lock(&ring_mutex);
        while (ring_count == RING && !is_stopping)
            (void)pthread_cond_wait(&ring_changed, &ring_mutex);
        bool is_end = is_stopping;
        if (!is_end)
            ring[(ring_head + ring_count++) % RING] = item;
        (void)pthread_cond_broadcast(&ring_changed);
        (void)pthread_mutex_unlock(&ring_mutex);
        if (is_end) {
            eat_item(&item);
            return NULL;
        }
    }
}

static void *eat(void *arg)
{
    (void)arg;
    for (;;) {
        struct item batch[64];
        size_t count = 0;
        (void)pthread_mutex_lock(&ring_mutex);
        while (ring_count == 0 && !is_stopping)
            (void)pthread_cond_wait(&ring_changed, &ring_mutex);
        for (; count < 64 && ring_count > 0; count++, ring_count--) {
            batch[count] = ring[ring_head];
            ring_head = (ring_head + 1) % RING;
        }
        bool is_end = is_stopping && count == 0;
        (void)pthread_cond_broadcast(&ring_changed);
        (void)pthread_mutex_unlock(&ring_mutex);
        if (is_end)
            return NULL;
        for (size_t i = 0; i < count; i++)
            eat_item(&batch[i]);
    }
}

/* A thread with a short life: its cache must go back. */
static void *visit(void *arg)
{
    uint32_t random = *(const uint32_t *)arg;
    struct item items[100];
    size_t count = 0;
    while (count < 100 && make_item(&random, &items[count]))
        count++;
    for (size_t i = 0; i < count; i++)
        eat_item(&items[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 2;
    struct timespec now;
    struct timespec end;
    pthread_t threads[MAKERS + EATERS];
    uint32_t seeds[MAKERS + EATERS];
    size_t started = 0;
    for (; started < MAKERS + EATERS; started++) {
        void *(*run)(void *) = started < MAKERS ? make : eat;
        seeds[started] = 2654435761U * (uint32_t)(started + 1);
        if (pthread_create(&threads[started], NULL, run, &seeds[started]) != 0)
            break;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    uint32_t visits = 0;
    do {
        pthread_t visitor;
        uint32_t seed = ++visits;
        if (pthread_create(&visitor, NULL, visit, &seed) != 0)
            break;
        (void)pthread_join(visitor, NULL);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    (void)pthread_mutex_lock(&ring_mutex);
    is_stopping = true;
    (void)pthread_cond_broadcast(&ring_changed);
    (void)pthread_mutex_unlock(&ring_mutex);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    size_t moved = atomic_load_explicit(&moved_count, memory_order_relaxed);
    size_t bad = atomic_load_explicit(&bad_count, memory_order_relaxed);
    size_t idle = rfi_pool_depot_bytes();
    printf("pool: %zu blocks moved, %zu bad, %zu short threads, %zu bytes idle\n", moved, bad,
           (size_t)visits, idle);
    rfi_pool_trim();
    bool is_good = bad == 0 && moved >= ROUNDS_MIN && started == MAKERS + EATERS &&
                   idle <= (size_t)RFI_POOL_CLASS_COUNT * RFI_POOL_DEPOT_BYTES &&
                   rfi_pool_depot_bytes() == 0;
    return is_good ? 0 : 1;
}
