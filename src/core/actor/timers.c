/* SPDX-License-Identifier: MIT */
/* The timer thread: sleeps until the earliest deadline, fires what is due, one at a time.
 *
 * The heap is under `lock`, which is a leaf: nothing else is locked and nothing is called while it is
 * held. A timer that is taken out of the heap belongs to the thread that took it: either the timer
 * thread, which fires it, or the one for which rfi_timers_remove returned true.
 *
 * It is not on the message path: only timers, deadlines of requests and restarts come here. */
#include "core/actor/timers.h"
#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void *run_timers(void *arg);
static void sift_up(struct rfi_timers *timers, size_t place);
static void sift_down(struct rfi_timers *timers, size_t place);
static void take_out_locked(struct rfi_timers *timers, struct rfi_timer *timer);

rf_err rfi_timers_init(struct rfi_timers *timers)
{
    *timers = (struct rfi_timers){.heap = NULL};
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return RF_ENOMEM;
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a clock that always exists */
    int failed = pthread_cond_init(&timers->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (failed != 0)
        return RF_ENOMEM;
    if (pthread_mutex_init(&timers->lock, NULL) != 0) {
        (void)pthread_cond_destroy(&timers->changed);
        return RF_ENOMEM;
    }
    return RF_OK;
}

void rfi_timers_stop(struct rfi_timers *timers)
{
    pthread_mutex_lock(&timers->lock);
    timers->is_stopping = true;
    bool has_thread = timers->has_thread;
    timers->has_thread = false;
    pthread_cond_signal(&timers->changed);
    pthread_mutex_unlock(&timers->lock);
    if (has_thread)
        (void)pthread_join(timers->thread, NULL);
    for (;;) {
        pthread_mutex_lock(&timers->lock);
        struct rfi_timer *timer = timers->count > 0 ? timers->heap[1] : NULL;
        if (timer != NULL)
            take_out_locked(timers, timer);
        pthread_mutex_unlock(&timers->lock);
        if (timer == NULL)
            return;
        timer->fire(timer, true);
    }
}

void rfi_timers_fini(struct rfi_timers *timers)
{
    free(timers->heap);
    timers->heap = NULL;
    (void)pthread_mutex_destroy(&timers->lock);
    (void)pthread_cond_destroy(&timers->changed);
}

void rfi_timer_init(struct rfi_timer *timer, void (*fire)(struct rfi_timer *, bool is_cancelled))
{
    timer->due_ns = 0;
    timer->place = 0;
    timer->fire = fire;
}

/* Room for one more, and a thread to serve it. */
static rf_err prepare_locked(struct rfi_timers *timers)
{
    if (timers->is_stopping)
        return RF_ECLOSED;
    if (timers->count + 1 >= timers->capacity) {
        size_t capacity = timers->capacity == 0 ? 64 : timers->capacity * 2;
        struct rfi_timer **heap = realloc(timers->heap, capacity * sizeof(struct rfi_timer *));
        if (heap == NULL)
            return RF_ENOMEM;
        timers->heap = heap;
        timers->capacity = capacity;
    }
    if (!timers->has_thread) {
        if (pthread_create(&timers->thread, NULL, run_timers, timers) != 0)
            return RF_ESYS;
        timers->has_thread = true;
    }
    return RF_OK;
}

rf_err rfi_timers_arm(struct rfi_timers *timers, struct rfi_timer *timer, uint64_t due_ns)
{
    pthread_mutex_lock(&timers->lock);
    rf_err err = prepare_locked(timers);
    if (err == RF_OK) {
        timer->due_ns = due_ns;
        timers->heap[++timers->count] = timer;
        timer->place = timers->count;
        sift_up(timers, timers->count);
        if (timers->heap[1] == timer)
            pthread_cond_signal(&timers->changed);
    }
    pthread_mutex_unlock(&timers->lock);
    return err;
}

bool rfi_timers_remove(struct rfi_timers *timers, struct rfi_timer *timer)
{
    pthread_mutex_lock(&timers->lock);
    bool was_armed = timer->place != 0;
    if (was_armed)
        take_out_locked(timers, timer);
    pthread_mutex_unlock(&timers->lock);
    return was_armed;
}

static void *run_timers(void *arg)
{
    struct rfi_timers *timers = arg;
    pthread_mutex_lock(&timers->lock);
    while (!timers->is_stopping) {
        if (timers->count == 0) {
            pthread_cond_wait(&timers->changed, &timers->lock);
            continue;
        }
        struct rfi_timer *timer = timers->heap[1];
        if (timer->due_ns > rfi_clock_ns()) {
            struct timespec until = {.tv_sec = (time_t)(timer->due_ns / 1000000000U),
                                     .tv_nsec = (long)(timer->due_ns % 1000000000U)};
            /* a time-out, a change and a spurious return all lead to another look */
            (void)pthread_cond_timedwait(&timers->changed, &timers->lock, &until);
            continue;
        }
        take_out_locked(timers, timer);
        pthread_mutex_unlock(&timers->lock);
        timer->fire(timer, false);
        pthread_mutex_lock(&timers->lock);
    }
    pthread_mutex_unlock(&timers->lock);
    return NULL;
}

/* ---- the heap ---- */

static void put(struct rfi_timers *timers, size_t place, struct rfi_timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct rfi_timers *timers, size_t place)
{
    struct rfi_timer *timer = timers->heap[place];
    while (place > 1 && timers->heap[place / 2]->due_ns > timer->due_ns) {
        put(timers, place, timers->heap[place / 2]);
        place /= 2;
    }
    put(timers, place, timer);
}

static void sift_down(struct rfi_timers *timers, size_t place)
{
    struct rfi_timer *timer = timers->heap[place];
    for (;;) {
        size_t child = place * 2;
        if (child > timers->count)
            break;
        if (child < timers->count && timers->heap[child + 1]->due_ns < timers->heap[child]->due_ns)
            child++;
        if (timers->heap[child]->due_ns >= timer->due_ns)
            break;
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

static void take_out_locked(struct rfi_timers *timers, struct rfi_timer *timer)
{
    size_t place = timer->place;
    struct rfi_timer *last = timers->heap[timers->count--];
    timer->place = 0;
    if (last == timer)
        return;
    put(timers, place, last);
    sift_up(timers, place);
    sift_down(timers, last->place);
}
