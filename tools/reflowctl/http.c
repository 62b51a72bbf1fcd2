/* SPDX-License-Identifier: MIT */
/* Calls over HTTP with libcurl: one at a time, with a deadline, no redirects, no proxy. An answer is read whole into
 * memory, up to a limit. */
#include "ctl.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_BYTES_MAX = 256 * 1024 * 1024 };

bool ctl_http_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

void ctl_http_fini(void)
{
    curl_global_cleanup();
}

static size_t collect(char *data, size_t item_size, size_t count, void *user)
{
    struct ctl_response *response = user;
    size_t size = item_size * count;
    if (response->size + size > BODY_BYTES_MAX)
        return 0;
    char *grown = realloc(response->body, response->size + size + 1);
    if (grown == NULL)
        return 0;
    memcpy(grown + response->size, data, size);
    response->body = grown;
    response->size += size;
    grown[response->size] = '\0';
    return size;
}

static struct curl_slist *make_headers(const struct ctl *ctl, bool has_body)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (has_body)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    if (ctl->token != NULL && ctl->token[0] != '\0') {
        char line[1200];
        (void)snprintf(line, sizeof line, "Authorization: Bearer %s", ctl->token);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

enum ctl_exit ctl_call(const struct ctl *ctl, const char *method, const char *path,
                       const char *body, bool is_quiet, struct ctl_response *out)
{
    struct ctl_response response = {0};
    char *url = NULL;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = make_headers(ctl, body != NULL);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (curl != NULL && asprintf(&url, "%s%s", ctl->url, path) >= 0) {
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response);
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ctl->timeout_ms);
        (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
        (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        if (body != NULL) {
            (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
            (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        }
        code = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(url);
    if (code == CURLE_OK) {
        *out = response;
        return CTL_OK;
    }
    if (!is_quiet)
        fprintf(stderr, "reflowctl: %s: %s\nIs the node running? Name it with --url.\n", ctl->url,
                curl_easy_strerror(code));
    free(response.body);
    return CTL_UNREACHABLE;
}

void ctl_response_fini(struct ctl_response *response)
{
    free(response->body);
    *response = (struct ctl_response){0};
}

/* The node's errors are {"error":{"code","message"}}. */
static void print_error(const struct ctl_response *response)
{
    struct json_object *json = response->body == NULL ? NULL : json_tokener_parse(response->body);
    struct json_object *error = NULL, *code = NULL, *message = NULL;
    if (json != NULL && json_object_object_get_ex(json, "error", &error) &&
        json_object_object_get_ex(error, "message", &message)) {
        (void)json_object_object_get_ex(error, "code", &code);
        fprintf(stderr, "reflowctl: %s%s%s%s\n", json_object_get_string(message),
                code != NULL ? " (" : "", code != NULL ? json_object_get_string(code) : "",
                code != NULL ? ")" : "");
    } else {
        fprintf(stderr, "reflowctl: the node answered with HTTP status %ld\n", response->status);
    }
    (void)json_object_put(json);
}

enum ctl_exit ctl_call_json(const struct ctl *ctl, const char *method, const char *path,
                            const char *body, struct json_object **out)
{
    struct ctl_response response = {0};
    enum ctl_exit status = ctl_call(ctl, method, path, body, false, &response);
    if (status != CTL_OK)
        return status;
    if (response.status < 200 || response.status > 299) {
        print_error(&response);
        status = CTL_FAILED;
    } else {
        enum json_tokener_error error = json_tokener_success;
        *out = json_tokener_parse_verbose(response.body == NULL ? "" : response.body, &error);
        if (error != json_tokener_success) {
            fprintf(stderr, "reflowctl: the answer is not JSON: %s; is %s a Reflow node?\n",
                    json_tokener_error_desc(error), ctl->url);
            status = CTL_FAILED;
        }
    }
    ctl_response_fini(&response);
    return status;
}

char *ctl_escape(const char *segment)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t size = strlen(segment);
    char *out = malloc(3 * size + 1);
    if (out == NULL)
        return NULL;
    char *end = out;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)segment[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || strchr("-._~@:", c) != NULL;
        if (is_plain) {
            *end++ = (char)c;
        } else {
            *end++ = '%';
            *end++ = hex[c >> 4];
            *end++ = hex[c & 15];
        }
    }
    *end = '\0';
    return out;
}
