/* SPDX-License-Identifier: MIT */
/* HTTP transfers on a thread of their own, for tpl_http_request: one thread for all of its actors,
 * started by the first and ended with the last.
 *
 * A transfer has two references: its maker's and the thread's. The maker fills the request part, hands
 * the transfer over with rfi_transfer_post, and touches nothing of it until rfi_transfer_is_done; the
 * thread touches nothing afterwards. */
#ifndef RFI_HTTP_TRANSFER_H
#define RFI_HTTP_TRANSFER_H

#include "core/base/buf.h"
#include "core/base/curl.h"
#include <stdatomic.h>

struct rfi_transfer {
    /* request: set before the post */
    char *url, *method;
    struct curl_slist *headers;
    struct rfi_buf body;
    bool has_body;
    long timeout_ms, redirects_max;
    size_t response_bytes_max;
    /* answer: to be read when it is done */
    CURLcode result;
    bool is_too_large;
    long status;
    struct rfi_buf response, response_headers; /* headers: raw lines of the last response */
    char error[CURL_ERROR_SIZE];
    /* any thread */
    _Atomic(unsigned) refs;
    _Atomic(bool) is_done, is_cancelled;
    /* owner: the thread */
    struct rfi_transfer *next, *previous;
    CURL *easy; /* NULL: not running */
};

/* Use the thread; it is there until the matching close. RF_ENOMEM, RF_ESYS. */
RF_NODISCARD rf_err rfi_transfers_open(void);
/* Blocks until the thread has ended if this was the last user. */
void rfi_transfers_close(void);

struct rfi_transfer *rfi_transfer_new(void); /* NULL: out of memory */
/* The request of an earlier transfer once more; takes it out of there. NULL: out of memory. */
struct rfi_transfer *rfi_transfer_again(struct rfi_transfer *transfer);
void rfi_transfer_post(struct rfi_transfer *transfer);
bool rfi_transfer_is_done(const struct rfi_transfer *transfer);
/* Give it up, done or not. NULL is allowed. */
void rfi_transfer_unref(struct rfi_transfer *transfer);
void rfi_transfer_cancel(struct rfi_transfer *transfer);

#endif
