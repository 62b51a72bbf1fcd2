/* SPDX-License-Identifier: MIT */
/* Loading libcurl (curl.h). The table is written once under `once` and read by all after that; the library stays
 * loaded until the process ends. */
#include "core/base/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <reflow/log.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The ABI that the headers of libcurl 7.16 and later describe. */
static const char library[] = "libcurl.so.4";

static struct {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *easy);
    void (*easy_reset)(CURL *easy);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    const char *(*easy_strerror)(CURLcode code);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_perform)(CURLM *multi, int *running);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
                            int *out_count);
    CURLMcode (*multi_wakeup)(CURLM *multi);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
} curl;

/* In the order of the table, which consists of pointers to functions alone. */
static const char *const names[] = {
    "curl_global_init",      "curl_easy_init",           "curl_easy_cleanup",
    "curl_easy_reset",       "curl_easy_setopt",         "curl_easy_getinfo",
    "curl_easy_strerror",    "curl_multi_init",          "curl_multi_cleanup",
    "curl_multi_add_handle", "curl_multi_remove_handle", "curl_multi_perform",
    "curl_multi_poll",       "curl_multi_wakeup",        "curl_multi_info_read",
    "curl_slist_append",     "curl_slist_free_all",
};

enum { NAME_COUNT = sizeof names / sizeof names[0] };
_Static_assert(sizeof curl == NAME_COUNT * sizeof(void *), "one name for each member");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_loaded;

static void load(void)
{
    void *found[NAME_COUNT];
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    bool is_whole = handle != NULL;
    for (size_t i = 0; i < NAME_COUNT && is_whole; i++) {
        found[i] = dlsym(handle, names[i]);
        is_whole = found[i] != NULL;
    }
    if (!is_whole) {
        const char *reason = dlerror();
        rf_log(RF_LOG_ERROR, "HTTP-LIBRARY-MISSING", "library=%s reason=\"%s\"", library,
               reason != NULL ? reason : "it lacks a function");
        return;
    }
    memcpy(&curl, found, sizeof curl);
    is_loaded = true;
}

CURLcode rfi_curl_global_init(long flags)
{
    (void)pthread_once(&once, load);
    return is_loaded ? curl.global_init(flags) : CURLE_FAILED_INIT;
}

CURL *rfi_curl_easy_init(void)
{
    return curl.easy_init();
}

void rfi_curl_easy_cleanup(CURL *easy)
{
    if (easy != NULL)
        curl.easy_cleanup(easy);
}

void rfi_curl_easy_reset(CURL *easy)
{
    curl.easy_reset(easy);
}

CURLcode rfi_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list arguments;
    va_start(arguments, option);
    void *value = va_arg(arguments, void *);
    va_end(arguments);
    return curl.easy_setopt(easy, option, value);
}

CURLcode rfi_curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    va_list arguments;
    va_start(arguments, info);
    void *value = va_arg(arguments, void *);
    va_end(arguments);
    return curl.easy_getinfo(easy, info, value);
}

const char *rfi_curl_easy_strerror(CURLcode code)
{
    return curl.easy_strerror(code);
}

CURLM *rfi_curl_multi_init(void)
{
    return curl.multi_init();
}

CURLMcode rfi_curl_multi_cleanup(CURLM *multi)
{
    return multi == NULL ? CURLM_OK : curl.multi_cleanup(multi);
}

CURLMcode rfi_curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    return curl.multi_add_handle(multi, easy);
}

CURLMcode rfi_curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    return curl.multi_remove_handle(multi, easy);
}

CURLMcode rfi_curl_multi_perform(CURLM *multi, int *running)
{
    return curl.multi_perform(multi, running);
}

CURLMcode rfi_curl_multi_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
                              int *out_count)
{
    return curl.multi_poll(multi, fds, count, timeout_ms, out_count);
}

CURLMcode rfi_curl_multi_wakeup(CURLM *multi)
{
    return curl.multi_wakeup(multi);
}

CURLMsg *rfi_curl_multi_info_read(CURLM *multi, int *left)
{
    return curl.multi_info_read(multi, left);
}

struct curl_slist *rfi_curl_slist_append(struct curl_slist *list, const char *text)
{
    return curl.slist_append(list, text);
}

void rfi_curl_slist_free_all(struct curl_slist *list)
{
    if (list != NULL)
        curl.slist_free_all(list);
}
