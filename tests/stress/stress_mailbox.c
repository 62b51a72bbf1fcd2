/* SPDX-License-Identifier: MIT */
/* The state machine of the mailbox under many producers and consumers: one token, nothing lost, order kept,
 * an exact close. Arguments: [seconds, about] [seed]. Prints what it did; ends with 0 or aborts.
 *
 * Several boxes are shared by producers who push to them at random; a pool of consumers takes tokens from a
 * plain locked list, so that only the mailbox itself is under test. A second phase closes boxes under load and
 * checks that accepted = consumed. */
#include "core/actor/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BOXES = 4, PRODUCERS = 3, CONSUMERS = 3, BATCH = 7, ROUNDS = 8 };
enum { ITEMS_A_SECOND = 480000, REFUSALS = 500 }; /* of one producer */

struct item {
    struct rfi_delivery delivery; /* first */
    uint32_t producer;
    uint64_t number;
};

struct tested_box {
    struct rfi_mailbox box; /* first */
    struct tested_box *next;
    _Atomic(uint64_t) accepted, consumed;
    uint64_t seen[PRODUCERS]; /* owner: the token */
    _Atomic(int) runners;
    bool is_finished; /* owner: the token */
};

static struct tested_box boxes[BOXES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct tested_box *ready;
static bool is_over;
static sem_t loaded; /* posted by each producer that has pushed its share */
static unsigned seed;
static uint64_t share;

static void check(bool is_true, const char *text)
{
    if (is_true)
        return;
    (void)fprintf(stderr, "stress_mailbox: %s (seed %u)\n", text, seed);
    abort();
}

static void schedule(struct rfi_mailbox *box)
{
    struct tested_box *tested = (struct tested_box *)box;
    pthread_mutex_lock(&lock);
    tested->next = ready;
    ready = tested;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void destroy(struct rfi_mailbox *box)
{
    (void)box;
}

static const struct rfi_mailbox_ops ops = {.schedule = schedule, .destroy = destroy};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Pushes until the boxes have been closed for a while. */
static void *produce(void *arg)
{
    uint32_t id = *(const uint32_t *)arg;
    uint32_t random = seed + id * 977;
    uint64_t numbers[BOXES] = {0};
    uint64_t accepted = 0;
    for (int refused = 0; refused < REFUSALS;) {
        struct tested_box *tested = &boxes[next_random(&random) % BOXES];
        struct item *item = calloc(1, sizeof *item);
        uint32_t count;
        check(item != NULL, "out of memory");
        item->producer = id;
        item->number = numbers[tested - boxes] + 1;
        switch (rfi_mailbox_push(&tested->box, &item->delivery.node, &count)) {
        case RFI_PUSH_REFUSED:
            refused++;
            free(item);
            continue;
        case RFI_PUSH_FIRST:
            schedule(&tested->box);
            break;
        case RFI_PUSH_QUEUED:
            break;
        }
        numbers[tested - boxes]++;
        if (++accepted == share)
            (void)sem_post(&loaded);
        atomic_fetch_add(&tested->accepted, 1);
        if (rfi_mailbox_depth(&tested->box) > 2000)
            (void)sched_yield();
    }
    return NULL;
}

static void consume_box(struct tested_box *tested)
{
    check(atomic_fetch_add(&tested->runners, 1) == 0, "two runners of one box");
    for (int i = 0; i < BATCH;) {
        struct item *item = (struct item *)(void *)rfi_mailbox_pop(&tested->box);
        if (item != NULL) {
            check(item->number == tested->seen[item->producer] + 1, "out of order, or lost");
            tested->seen[item->producer]++;
            atomic_fetch_add(&tested->consumed, 1);
            free(item);
            i++;
            continue;
        }
        check(atomic_fetch_sub(&tested->runners, 1) == 1, "two runners of one box");
        if (rfi_mailbox_release(&tested->box))
            return;
        check(atomic_fetch_add(&tested->runners, 1) == 0, "two runners of one box");
        if (rfi_mailbox_is_closed(&tested->box) && !rfi_mailbox_take(&tested->box)) {
            tested->is_finished = true; /* the token ends here */
            atomic_fetch_sub(&tested->runners, 1);
            return;
        }
    }
    atomic_fetch_sub(&tested->runners, 1);
    schedule(&tested->box);
}

static void *consume(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    while (ready != NULL || !is_over) {
        struct tested_box *tested = ready;
        if (tested == NULL) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        ready = tested->next;
        pthread_mutex_unlock(&lock);
        consume_box(tested);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* One round: run, close every box under load, stop, count. */
static uint64_t run_round(void)
{
    pthread_t producers[PRODUCERS];
    pthread_t consumers[CONSUMERS];
    uint32_t ids[PRODUCERS];
    uint64_t consumed = 0;
    is_over = false;
    check(sem_init(&loaded, 0, 0) == 0, "no semaphore");
    for (int i = 0; i < BOXES; i++) {
        boxes[i] = (struct tested_box){.next = NULL};
        rfi_mailbox_init(&boxes[i].box, &ops, 100, false, 1);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        ids[i] = i;
        check(pthread_create(&producers[i], NULL, produce, &ids[i]) == 0, "no thread");
    }
    for (int i = 0; i < CONSUMERS; i++)
        check(pthread_create(&consumers[i], NULL, consume, NULL) == 0, "no thread");
    for (int i = 0; i < PRODUCERS; i++)
        while (sem_wait(&loaded) != 0)
            continue;
    for (int i = 0; i < BOXES; i++)
        if (rfi_mailbox_close(&boxes[i].box, NULL))
            schedule(&boxes[i].box);
    for (int i = 0; i < PRODUCERS; i++)
        (void)pthread_join(producers[i], NULL);
    pthread_mutex_lock(&lock);
    is_over = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < CONSUMERS; i++)
        (void)pthread_join(consumers[i], NULL);
    (void)sem_destroy(&loaded);
    for (int i = 0; i < BOXES; i++) {
        check(boxes[i].is_finished, "a closed box was not drained");
        check(atomic_load(&boxes[i].accepted) == atomic_load(&boxes[i].consumed),
              "accepted and consumed differ");
        check(rfi_mailbox_depth(&boxes[i].box) == 0, "the depth is not zero");
        consumed += atomic_load(&boxes[i].consumed);
    }
    return consumed;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    share = (uint64_t)(seconds * ITEMS_A_SECOND / ROUNDS) + 1;
    seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)time(NULL);
    uint64_t consumed = 0;
    for (int round = 0; round < ROUNDS; round++) {
        consumed += run_round();
        seed++;
    }
    printf("stress_mailbox: %llu messages, seed %u\n", (unsigned long long)consumed, seed - ROUNDS);
    return consumed > 0 ? 0 : 1;
}
