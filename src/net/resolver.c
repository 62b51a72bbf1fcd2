/* SPDX-License-Identifier: MIT */
/* Name look-ups on a thread of their own, one after the other.
 *
 * getaddrinfo blocks for as long as name servers keep silent and cannot be cancelled. So the thread
 * and its owner share this object by count: an owner that stops waits a little, and then leaves a
 * hanging look-up to end on its own. A numeric host asks no server and is answered on the spot, on
 * the asker's thread; it never stands behind a slow name. */
#include "net/resolver.h"

#include "core/base/inbox.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct rfi_resolver {
    struct rfi_inbox inbox; /* struct rfi_resolver_job */
    pthread_t thread;
    _Atomic(bool) is_stopping;
    _Atomic(int) refs; /* owner and thread */
};

static void resolver_unref(struct rfi_resolver *resolver)
{
    /* [RS1] acq_rel: the last one sees what the other one did */
    if (atomic_fetch_sub_explicit(&resolver->refs, 1, memory_order_acq_rel) != 1)
        return;
    rfi_inbox_fini(&resolver->inbox);
    free(resolver);
}

static void look_up(struct rfi_resolver_job *job, int flags)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    hints.ai_flags = AI_NUMERICSERV | flags;
    (void)snprintf(service, sizeof service, "%u", (unsigned)job->port);
    int status = getaddrinfo(job->host, service, &hints, &found);
    if (status == 0)
        job->on_done(job, found, NULL);
    else
        job->on_done(job, NULL, gai_strerror(status));
}

static void *resolver_main(void *argument)
{
    struct rfi_resolver *resolver = argument;
    for (;;) {
        struct rfi_mpsc_node *node = rfi_inbox_take(&resolver->inbox);
        /* [RS2] acquire: pairs with the release in rfi_resolver_stop */
        bool is_stopping = atomic_load_explicit(&resolver->is_stopping, memory_order_acquire);
        if (node == NULL) {
            if (is_stopping)
                break;
            rfi_inbox_wait(&resolver->inbox, UINT64_MAX);
            continue;
        }
        struct rfi_resolver_job *job = (struct rfi_resolver_job *)node; /* node is its first */
        if (is_stopping)
            job->on_done(job, NULL, "shutting down");
        else
            look_up(job, 0);
    }
    resolver_unref(resolver);
    return NULL;
}

rf_err rfi_resolver_start(struct rfi_resolver **out)
{
    struct rfi_resolver *resolver = aligned_alloc(_Alignof(struct rfi_resolver), sizeof *resolver);
    if (resolver == NULL)
        return RF_ENOMEM;
    rf_err err = rfi_inbox_init(&resolver->inbox, false);
    if (err != RF_OK) {
        free(resolver);
        return err;
    }
    atomic_init(&resolver->is_stopping, false);
    atomic_init(&resolver->refs, 2);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&resolver->thread, NULL, resolver_main, resolver);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0) {
        rfi_inbox_fini(&resolver->inbox);
        free(resolver);
        return RF_ESYS;
    }
    (void)pthread_setname_np(resolver->thread, "rf-resolver");
    *out = resolver;
    return RF_OK;
}

void rfi_resolver_stop(struct rfi_resolver *resolver, uint32_t linger_ms)
{
    if (resolver == NULL)
        return;
    /* [RS2] release: jobs that were asked before are there; pairs with the acquire in resolver_main
     */
    atomic_store_explicit(&resolver->is_stopping, true, memory_order_release);
    rfi_inbox_wake(&resolver->inbox);
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(linger_ms / 1000) + 1;
    if (pthread_timedjoin_np(resolver->thread, NULL, &until) != 0)
        (void)pthread_detach(resolver->thread);
    resolver_unref(resolver);
}

void rfi_resolver_ask(struct rfi_resolver *resolver, struct rfi_resolver_job *job)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, job->host, &address) == 1 ||
        inet_pton(AF_INET6, job->host, &address) == 1) {
        look_up(job, AI_NUMERICHOST);
        return;
    }
    rfi_inbox_post(&resolver->inbox, &job->node);
}
