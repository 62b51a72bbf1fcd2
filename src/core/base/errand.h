/* SPDX-License-Identifier: MIT */
/* Errands: what a thread has promised to do at its next pause, instead of waking another thread for it.
 *
 * Waking a sleeping thread costs a system call here and some ten microseconds there; running the next stage on the
 * thread that holds the message costs a function call. So a thread that comes back to its loop soon (an actor
 * worker after an activation, an I/O loop after a round of events) opens a list, and who would wake a
 * sleeping owner may leave an errand there. It runs when the thread pauses, with nothing of its own
 * half-done. No other thread sees the list. */
#ifndef RFI_ERRAND_H
#define RFI_ERRAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RFI_ERRANDS_MAX = 8 };

/* Why a thread that runs actors in the place of a worker stops (core/flow/router.h). */
enum rfi_guest_stop {
    RFI_GUEST_DONE,
    RFI_GUEST_MORE,   /* the time is up, and there is more */
    RFI_GUEST_LEAVE,  /* the next actor is for a worker: end the guest */
    RFI_GUEST_REVOKED /* the thread has lost its place: end the guest, touch nothing else */
};

/* Over a thread that runs the callbacks of actors although others depend on it: a number that grows with every
 * callback, and in its low bits where the thread is.
 *
 * NOTE watch. Whoever finds the same word INSIDE for too long may turn it into REVOKED; then all that the thread had
 * but the actor is the finder's, and the thread finds out when the callback ends (rfi_watch_leave). One of the two
 * wins, since both exchange the word [WT1]. A watcher that wants to sleep turns the word of a thread that is OUTSIDE into
 * RESTING first; the thread finds that when it goes in, and rouses the watcher [WT2]. Only the thread makes it INSIDE, and
 * the number is the thread's own, so a word that was revoked or left never comes again. */
struct rfi_watch {
    _Atomic(uint64_t) word;
    /* set once: wakes who watches. Any thread */
    void (*rouse)(void *watcher);
    void *watcher;
};
enum {
    RFI_WATCH_OUTSIDE,
    RFI_WATCH_INSIDE,
    RFI_WATCH_REVOKED,
    RFI_WATCH_RESTING,
    RFI_WATCH_STATES = 4
};

struct rfi_errand {
    void (*run)(void *arg);
    void *arg;
};

struct rfi_errands {
    struct rfi_errand list[RFI_ERRANDS_MAX];
    unsigned count;
    bool is_open;
    bool may_linger; /* errands may stay on the list for another round, which comes at once */
    bool is_revoked; /* the thread has lost its place, see struct rfi_watch */
    struct rfi_watch *watch; /* NULL: nobody watches this thread */
    const void *
        home; /* with a watch: for whom alone it runs errands, as its watcher can revoke no others */
    uint64_t inside; /* the watch's word while this thread is in a callback, else 0 */
};

extern _Thread_local struct rfi_errands rfi_errands __attribute__((tls_model("initial-exec")));

enum rfi_errand_added {
    RFI_ERRAND_REFUSED, /* this thread runs none, or has too many: wake the owner */
    RFI_ERRAND_ADDED,
    RFI_ERRAND_KNOWN /* the same one is on the list already */
};

enum rfi_errand_added rfi_errands_add(void (*run)(void *arg), void *arg);
void rfi_errands_run_all(void);

/* At a pause: run what there is. What is added meanwhile waits for the next pause: a thread that would sleep runs until
 * nothing is left. */
static inline void rfi_errands_run(void)
{
    if (__builtin_expect(rfi_errands.count > 0, 0))
        rfi_errands_run_all();
}

/* This thread goes into a callback, and comes out of it. False: revoked, now or before. */
void rfi_watch_enter(void);
bool rfi_watch_leave(void);
/* Is this thread in a callback that is watched? */
static inline bool rfi_watch_is_inside(void)
{
    return rfi_errands.inside != 0;
}
/* Any thread: the word now; and take the place of who stands INSIDE with that very word. */
uint64_t rfi_watch_look(const struct rfi_watch *watch);
bool rfi_watch_revoke(struct rfi_watch *watch, uint64_t word);
/* Who watches: may it sleep? True: `rouse` is called when the thread goes into a callback. */
bool rfi_watch_rest(struct rfi_watch *watch);

#endif
