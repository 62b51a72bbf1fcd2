/* SPDX-License-Identifier: MIT */
/* Many producers push numbered nodes, singly and in chains; the consumer checks that each producer's
 * numbers come in order, none is lost and none comes twice. No randomness; argument: nodes for each
 * producer. Ends by itself. */
#include "core/base/clock.h"
#include "core/base/mpsc.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRODUCERS = 6, ROUNDS = 4, NODES_DEFAULT = 200000, CHAIN_MAX = 7, SECONDS_MAX = 60 };

struct item {
    struct rfi_mpsc_node node; /* first: a node is an item */
    uint32_t producer;
    uint32_t number;
};

struct producer {
    struct rfi_mpsc *queue;
    struct item *items;
    uint32_t id, count;
    pthread_t thread;
};

static _Atomic(bool) may_go;

static void *produce(void *user)
{
    struct producer *self = user;
    while (!atomic_load_explicit(&may_go, memory_order_acquire))
        (void)sched_yield();
    uint32_t at = 0;
    while (at < self->count) {
        uint32_t chain = 1 + at % CHAIN_MAX;
        if (chain > self->count - at)
            chain = self->count - at;
        for (uint32_t i = at; i < at + chain; i++) { /* plain writes that the push publishes */
            self->items[i].producer = self->id;
            self->items[i].number = i;
        }
        for (uint32_t i = at; i + 1 < at + chain; i++)
            atomic_store_explicit(&self->items[i].node.next, &self->items[i + 1].node,
                                  memory_order_relaxed);
        if (chain == 1)
            (void)rfi_mpsc_push(self->queue, &self->items[at].node);
        else
            (void)rfi_mpsc_push_chain(self->queue, &self->items[at].node,
                                      &self->items[at + chain - 1].node);
        at += chain;
    }
    return NULL;
}

static bool consume(struct rfi_mpsc *queue, uint32_t count)
{
    uint32_t expected[PRODUCERS] = {0};
    uint64_t left = (uint64_t)count * PRODUCERS;
    uint64_t deadline_ns = rfi_clock_ns() + SECONDS_MAX * UINT64_C(1000000000);
    while (left > 0) {
        struct item *item = (struct item *)(void *)rfi_mpsc_pop(queue);
        if (item == NULL) {
            if (rfi_clock_ns() > deadline_ns) {
                (void)fprintf(stderr, "lost: %llu nodes never came\n", (unsigned long long)left);
                return false;
            }
            (void)sched_yield();
            continue;
        }
        if (item->number != expected[item->producer]) {
            (void)fprintf(stderr, "producer %u: got %u, expected %u\n", item->producer,
                          item->number, expected[item->producer]);
            return false;
        }
        expected[item->producer]++;
        item->number = UINT32_MAX; /* ours at once: writing must not race */
        left--;
    }
    return rfi_mpsc_pop(queue) == NULL && rfi_mpsc_is_empty(queue);
}

static bool run_round(struct producer *producers, uint32_t count)
{
    struct rfi_mpsc queue;
    rfi_mpsc_init(&queue);
    atomic_store_explicit(&may_go, false, memory_order_relaxed);
    bool is_good = true;
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        producers[p].queue = &queue;
        if (pthread_create(&producers[p].thread, NULL, produce, &producers[p]) != 0) {
            perror("pthread_create");
            exit(1);
        }
    }
    atomic_store_explicit(&may_go, true, memory_order_release);
    is_good = consume(&queue, count);
    if (!is_good)
        _Exit(1); /* threads may still use what is on this stack */
    for (uint32_t p = 0; p < PRODUCERS; p++)
        (void)pthread_join(producers[p].thread, NULL);
    return is_good;
}

int main(int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : NODES_DEFAULT;
    struct producer producers[PRODUCERS] = {0};
    bool is_good = true;
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        producers[p].id = p;
        producers[p].count = count;
        producers[p].items = calloc(count, sizeof *producers[p].items);
        is_good = is_good && producers[p].items != NULL;
    }
    for (int round = 0; round < ROUNDS && is_good; round++)
        is_good = run_round(producers, count);
    for (uint32_t p = 0; p < PRODUCERS; p++)
        free(producers[p].items);
    printf("stress_mpsc: %d rounds, %d producers, %u nodes each: %s\n", ROUNDS, PRODUCERS, count,
           is_good ? "ok" : "FAILED");
    return is_good ? 0 : 1;
}
