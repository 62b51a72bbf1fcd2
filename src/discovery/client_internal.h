/* SPDX-License-Identifier: MIT */
/* The inside of the discovery client: client.c (life cycle, what others read) and transfers.c (the thread
 * that talks to the registries). */
#ifndef RFI_DISCOVERY_CLIENT_INTERNAL_H
#define RFI_DISCOVERY_CLIENT_INTERNAL_H

#include "core/base/buf.h"
#include "discovery/client.h"
#include "discovery/found.h"

#include "core/base/curl.h"
#include <pthread.h>

enum { RFI_DISCOVERY_REPLY_BYTES_MAX = 4194304, RFI_DISCOVERY_PAUSE_MS = 1000 };

enum rfi_registry_state {
    RFI_REGISTRY_UNKNOWN, /* not asked yet */
    RFI_REGISTRY_UP,
    RFI_REGISTRY_REFUSED, /* it answers, and does not take our registration */
    RFI_REGISTRY_DOWN
};

enum rfi_registry_step {
    RFI_STEP_IDLE,
    RFI_STEP_REGISTER, /* POST /register */
    RFI_STEP_LIST,     /* GET /networks */
    RFI_STEP_REMOVE    /* DELETE /networks/{id}, at the end */
};

/* One entry of discovery_endpoints. */
struct rfi_registry_peer {
    /* set once, then read by all */
    char *register_url, *networks_url, *remove_url;
    char *shown_url; /* without user and password */
    size_t index;
    struct rfi_discovery *discovery;
    /* owner: the discovery thread */
    CURL *easy;
    enum rfi_registry_step step;
    struct rfi_buf reply;
    bool is_reply_too_long, is_registered, is_refused;
    char error[CURL_ERROR_SIZE];
    uint64_t due_ms, started_ms;
    uint32_t failures;
    /* under the lock */
    enum rfi_registry_state state;
    char last_error[CURL_ERROR_SIZE + 64];
    uint64_t last_try_wall_ns, last_ok_wall_ns;
    uint64_t listed_count;
};

struct rfi_discovery {
    /* set once, then read by all */
    char *body; /* of POST /register */
    size_t body_size;
    uint32_t refresh_ms, timeout_ms;
    void (*on_changed)(void *user);
    void *user;
    CURLM *multi;
    struct rfi_registry_peer *peers;
    size_t peer_count;
    /* owner: the discovery thread */
    struct curl_slist *headers;
    uint64_t random;
    /* under the lock */
    pthread_mutex_t lock;
    struct rfi_found found;
    bool is_started, is_stopping, is_refresh_wanted;
    pthread_t thread;
};

/* transfers.c */
void *rfi_discovery_main(void *discovery);
const char *rfi_registry_state_name(enum rfi_registry_state state);

#endif
