/* SPDX-License-Identifier: MIT */
/* The thread behind tpl_http_request: libcurl's multi interface over a queue of transfers.
 *
 * One lock guards the queue and the count of users; it is held for a few steps only. A second one,
 * `life_lock`, orders starting and ending of the thread, and is held while the thread is joined; the
 * thread itself never takes it. The end cuts off what is still running: its actors are gone by then.
 * Only http and https are spoken, and nothing is decompressed. */
#include "core/components/http_transfer.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES_MAX = 65536, POLL_MS = 1000 };

static pthread_mutex_t life_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned user_count; /* under life_lock, as are these two */
static pthread_t thread;
static CURLM *multi;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rfi_transfer *queue_first, *queue_last; /* under lock */
static bool is_stopping;                              /* under lock */

struct rfi_transfer *rfi_transfer_new(void)
{
    struct rfi_transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer == NULL)
        return NULL;
    rfi_buf_init(&transfer->body);
    rfi_buf_init(&transfer->response);
    rfi_buf_init(&transfer->response_headers);
    atomic_init(&transfer->refs, 1);
    atomic_init(&transfer->is_done, false);
    atomic_init(&transfer->is_cancelled, false);
    return transfer;
}

struct rfi_transfer *rfi_transfer_again(struct rfi_transfer *transfer)
{
    struct rfi_transfer *again = rfi_transfer_new();
    if (again == NULL)
        return NULL;
    again->url = transfer->url;
    again->method = transfer->method;
    again->headers = transfer->headers;
    again->body = transfer->body;
    again->has_body = transfer->has_body;
    again->timeout_ms = transfer->timeout_ms;
    again->redirects_max = transfer->redirects_max;
    again->response_bytes_max = transfer->response_bytes_max;
    transfer->url = NULL;
    transfer->method = NULL;
    transfer->headers = NULL;
    rfi_buf_init(&transfer->body);
    return again;
}

void rfi_transfer_unref(struct rfi_transfer *transfer)
{
    if (transfer == NULL)
        return;
    /* [HT1] acq_rel: the last user sees what the other wrote before it frees */
    if (atomic_fetch_sub_explicit(&transfer->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(transfer->url);
    free(transfer->method);
    curl_slist_free_all(transfer->headers);
    rfi_buf_fini(&transfer->body);
    rfi_buf_fini(&transfer->response);
    rfi_buf_fini(&transfer->response_headers);
    free(transfer);
}

bool rfi_transfer_is_done(const struct rfi_transfer *transfer)
{
    /* [HT2] acquire: the answer; pairs with the release in finish_transfer */
    return atomic_load_explicit(&transfer->is_done, memory_order_acquire);
}

void rfi_transfer_cancel(struct rfi_transfer *transfer)
{
    /* relaxed: a wish; the thread acts on it when it sees it */
    atomic_store_explicit(&transfer->is_cancelled, true, memory_order_relaxed);
}

void rfi_transfer_post(struct rfi_transfer *transfer)
{
    /* relaxed: the lock below publishes the transfer */
    atomic_fetch_add_explicit(&transfer->refs, 1, memory_order_relaxed);
    transfer->next = NULL;
    (void)pthread_mutex_lock(&lock);
    if (queue_last != NULL)
        queue_last->next = transfer;
    else
        queue_first = transfer;
    queue_last = transfer;
    (void)pthread_mutex_unlock(&lock);
    (void)curl_multi_wakeup(multi);
}

/* ---- the thread ---- */

static struct rfi_transfer *running_first; /* owner: the thread */

static void add_running(struct rfi_transfer *transfer)
{
    transfer->previous = NULL;
    transfer->next = running_first;
    if (running_first != NULL)
        running_first->previous = transfer;
    running_first = transfer;
}

static void remove_running(struct rfi_transfer *transfer)
{
    if (transfer->previous != NULL)
        transfer->previous->next = transfer->next;
    else
        running_first = transfer->next;
    if (transfer->next != NULL)
        transfer->next->previous = transfer->previous;
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct rfi_transfer *transfer = user;
    size_t bytes = size * count; /* libcurl says that size is 1 */
    if (bytes > transfer->response_bytes_max - transfer->response.size) {
        transfer->is_too_large = true;
        return 0;
    }
    rfi_buf_append(&transfer->response, data, bytes);
    return transfer->response.is_failed ? 0 : bytes;
}

static size_t take_header(char *data, size_t size, size_t count, void *user)
{
    struct rfi_transfer *transfer = user;
    size_t bytes = size * count;
    struct rfi_buf *headers = &transfer->response_headers;
    if (bytes >= 5 && memcmp(data, "HTTP/", 5) == 0) { /* of a redirect, or an interim answer */
        rfi_buf_clear(headers);
        rfi_buf_clear(&transfer->response);
    }
    if (bytes > HEADER_BYTES_MAX - headers->size) {
        transfer->is_too_large = true;
        return 0;
    }
    rfi_buf_append(headers, data, bytes);
    return headers->is_failed ? 0 : bytes;
}

static int look_for_cancel(void *user, curl_off_t total_down, curl_off_t down, curl_off_t total_up,
                           curl_off_t up)
{
    (void)total_down;
    (void)down;
    (void)total_up;
    (void)up;
    const struct rfi_transfer *transfer = user;
    return atomic_load_explicit(&transfer->is_cancelled, memory_order_relaxed) ? 1 : 0; /* a wish */
}

static void finish_transfer(struct rfi_transfer *transfer, CURLcode result)
{
    if (transfer->easy != NULL) {
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->status);
        (void)curl_multi_remove_handle(multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        transfer->easy = NULL;
        remove_running(transfer);
    }
    transfer->result = result;
    /* [HT2] release: publishes the answer; pairs with the acquire in rfi_transfer_is_done */
    atomic_store_explicit(&transfer->is_done, true, memory_order_release);
    rfi_transfer_unref(transfer);
}

static CURLcode set_options(CURL *easy, struct rfi_transfer *transfer)
{
    CURLcode code = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(easy, option, value);                                          \
    } while (0)
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_URL, transfer->url);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, look_for_cancel);
    SET(CURLOPT_XFERINFODATA, transfer);
    SET(CURLOPT_FOLLOWLOCATION, transfer->redirects_max > 0 ? 1L : 0L);
    SET(CURLOPT_MAXREDIRS, transfer->redirects_max);
    SET(CURLOPT_TIMEOUT_MS, transfer->timeout_ms);
    SET(CURLOPT_USERAGENT, "reflow");
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_PRIVATE, transfer);
    if (transfer->has_body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.size);
        SET(CURLOPT_POSTFIELDS,
            transfer->body.data != NULL ? (const char *)transfer->body.data : "");
    }
    if (strcmp(transfer->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    else
        SET(CURLOPT_CUSTOMREQUEST, transfer->method);
#undef SET
    return code;
}

static void begin_transfer(struct rfi_transfer *transfer)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL) {
        finish_transfer(transfer, CURLE_OUT_OF_MEMORY);
        return;
    }
    CURLcode code = set_options(easy, transfer);
    if (code == CURLE_OK && curl_multi_add_handle(multi, easy) != CURLM_OK)
        code = CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK) {
        curl_easy_cleanup(easy);
        finish_transfer(transfer, code);
        return;
    }
    transfer->easy = easy;
    add_running(transfer);
}

static void finish_done(void)
{
    int left = 0;
    for (CURLMsg *msg = curl_multi_info_read(multi, &left); msg != NULL;
         msg = curl_multi_info_read(multi, &left)) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        char *transfer = NULL;
        CURLcode result = msg->data.result;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &transfer);
        finish_transfer((struct rfi_transfer *)(void *)transfer, result);
    }
}

/* Begin what was posted, unless the thread is to end: then false, and what was posted is cut off. */
static bool take_queue(void)
{
    (void)pthread_mutex_lock(&lock);
    struct rfi_transfer *transfer = queue_first;
    bool is_running = !is_stopping;
    queue_first = NULL;
    queue_last = NULL;
    (void)pthread_mutex_unlock(&lock);
    while (transfer != NULL) {
        struct rfi_transfer *next = transfer->next;
        if (is_running)
            begin_transfer(transfer);
        else
            finish_transfer(transfer, CURLE_ABORTED_BY_CALLBACK);
        transfer = next;
    }
    return is_running;
}

static void *run_transfers(void *user)
{
    (void)user;
    int running = 0;
    while (take_queue()) {
        (void)curl_multi_perform(multi, &running);
        finish_done();
        (void)curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
    }
    while (running_first != NULL)
        finish_transfer(running_first, CURLE_ABORTED_BY_CALLBACK);
    return NULL;
}

/* ---- its life ---- */

static CURLcode curl_state;

static void init_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

rf_err rfi_transfers_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
    if (curl_state != CURLE_OK)
        return RF_ESYS; /* the log has the reason */
    rf_err err = RF_OK;
    (void)pthread_mutex_lock(&life_lock);
    if (user_count == 0) {
        multi = curl_multi_init();
        if (multi == NULL) {
            err = RF_ENOMEM;
        } else if (pthread_create(&thread, NULL, run_transfers, NULL) != 0) {
            (void)curl_multi_cleanup(multi);
            multi = NULL;
            err = RF_ESYS;
        }
    }
    user_count += err == RF_OK;
    (void)pthread_mutex_unlock(&life_lock);
    return err;
}

void rfi_transfers_close(void)
{
    (void)pthread_mutex_lock(&life_lock);
    if (--user_count == 0) {
        (void)pthread_mutex_lock(&lock);
        is_stopping = true;
        (void)pthread_mutex_unlock(&lock);
        (void)curl_multi_wakeup(multi);
        (void)pthread_join(thread, NULL);
        is_stopping = false;
        (void)curl_multi_cleanup(multi);
        multi = NULL;
    }
    (void)pthread_mutex_unlock(&life_lock);
}
