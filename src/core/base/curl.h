/* SPDX-License-Identifier: MIT */
/* libcurl, loaded when it is first needed: with its own libraries it takes 2 MB of a node, and most nodes never ask
 * anybody anything over HTTP. The names of libcurl stand for functions of ours that go on to it.
 *
 * rfi_curl_global_init comes first, by any thread; when it fails, nothing else may be called. */
#ifndef RFI_CURL_H
#define RFI_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

CURLcode rfi_curl_global_init(long flags);
CURL *rfi_curl_easy_init(void);
void rfi_curl_easy_cleanup(CURL *easy);
void rfi_curl_easy_reset(CURL *easy);
/* The value is a long, a pointer or a curl_off_t, all of one size. */
CURLcode rfi_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode rfi_curl_easy_getinfo(CURL *easy, CURLINFO info, ...);
const char *rfi_curl_easy_strerror(CURLcode code);
CURLM *rfi_curl_multi_init(void);
CURLMcode rfi_curl_multi_cleanup(CURLM *multi);
CURLMcode rfi_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode rfi_curl_multi_remove_handle(CURLM *multi, CURL *easy);
CURLMcode rfi_curl_multi_perform(CURLM *multi, int *running);
CURLMcode rfi_curl_multi_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
                              int *out_count);
CURLMcode rfi_curl_multi_wakeup(CURLM *multi);
CURLMsg *rfi_curl_multi_info_read(CURLM *multi, int *left);
struct curl_slist *rfi_curl_slist_append(struct curl_slist *list, const char *text);
void rfi_curl_slist_free_all(struct curl_slist *list);

#undef curl_easy_setopt
#undef curl_easy_getinfo
#define curl_global_init         rfi_curl_global_init
#define curl_easy_init           rfi_curl_easy_init
#define curl_easy_cleanup        rfi_curl_easy_cleanup
#define curl_easy_reset          rfi_curl_easy_reset
#define curl_easy_setopt         rfi_curl_easy_setopt
#define curl_easy_getinfo        rfi_curl_easy_getinfo
#define curl_easy_strerror       rfi_curl_easy_strerror
#define curl_multi_init          rfi_curl_multi_init
#define curl_multi_cleanup       rfi_curl_multi_cleanup
#define curl_multi_add_handle    rfi_curl_multi_add_handle
#define curl_multi_remove_handle rfi_curl_multi_remove_handle
#define curl_multi_perform       rfi_curl_multi_perform
#define curl_multi_poll          rfi_curl_multi_poll
#define curl_multi_wakeup        rfi_curl_multi_wakeup
#define curl_multi_info_read     rfi_curl_multi_info_read
#define curl_slist_append        rfi_curl_slist_append
#define curl_slist_free_all      rfi_curl_slist_free_all

#endif
