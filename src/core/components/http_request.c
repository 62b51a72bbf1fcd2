/* SPDX-License-Identifier: MIT */
/* tpl_http_request: each message becomes an HTTP request, each answer an Object.
 *
 * The transfer itself runs on the thread of http_transfer.c. The actor owns the list of its requests
 * and looks after them with a timer while there are any: a done one is told on `response_out` or
 * `error_out`, or tried again after a pause. A request (request/reply) gets its answer from here when
 * the transfer is done. Only the configuration can name the place to go, unless it names none: then
 * the message does. Requests, answers and waiting requests are bounded. */
#include "core/base/clock.h"
#include "core/components/component.h"
#include "core/components/http_transfer.h"
#include <stdlib.h>
#include <string.h>

enum { IN_DATA, IN_HEADERS };
enum { OUT_RESPONSE, OUT_ERROR };

enum {
    LOOK_TIMER = 1,
    LOOK_MS = 5,
    PENDING_MAX = 1000,
    HEADERS_MAX = 200,
    RETRY_MAX = 10,
    RETRY_PAUSE_MS = 200,
    RESPONSE_BYTES_DEFAULT = 16 << 20,
    RESPONSE_BYTES_MAX = 1 << 30,
    TIMEOUT_DEFAULT_MS = 30000
};

struct request {
    struct request *next;
    struct rfi_transfer *transfer;
    rf_reply *reply; /* NULL: nobody waits for an answer */
    unsigned tries;
    uint64_t again_ms; /* 0: the transfer is on its way */
};

struct client {
    const char *url, *method; /* of the configuration, which outlives the state */
    long timeout_ms, redirects_max;
    unsigned retry_count;
    size_t response_bytes_max;
    char *header_json; /* newest of headers_in, or NULL */
    const char *configured_headers;
    struct request *first, *last;
    size_t pending;
};

static rf_err client_create(rf_context *ctx, void **out_state)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return RF_ENOMEM;
    client->url = rf_config_string(ctx, "url", "");
    client->method = rf_config_string(ctx, "method", "");
    client->timeout_ms =
        (long)rfi_component_integer(ctx, "timeout", TIMEOUT_DEFAULT_MS, 1, 3600000);
    client->redirects_max = (long)rfi_component_integer(ctx, "redirects_max", 0, 0, 20);
    client->retry_count = (unsigned)rfi_component_integer(ctx, "retryCount", 3, 0, RETRY_MAX);
    client->response_bytes_max = (size_t)rfi_component_integer(
        ctx, "response_bytes_max", RESPONSE_BYTES_DEFAULT, 0, RESPONSE_BYTES_MAX);
    client->configured_headers = rf_config_json(ctx, "headers");
    rf_err err = rfi_transfers_open();
    if (err != RF_OK) {
        free(client);
        return err;
    }
    *out_state = client;
    return RF_OK;
}

static void free_request(struct request *request)
{
    rfi_transfer_unref(request->transfer);
    if (request->reply != NULL)
        rf_reply_send(request->reply, NULL);
    free(request);
}

static void client_destroy(void *state)
{
    struct client *client = state;
    for (struct request *request = client->first; request != NULL;) {
        struct request *next = request->next;
        rfi_transfer_cancel(request->transfer);
        free_request(request);
        request = next;
    }
    free(client->header_json);
    free(client);
    rfi_transfers_close();
}

/* ---- making a request ---- */

/* No control characters: nothing may end a line of the request but us. */
static bool is_clean(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

static bool is_method(const char *method)
{
    size_t size = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return size > 0 && size <= 16 && method[size] == '\0';
}

/* Add the members of an object as header lines. A text that says what is wrong, or NULL. */
static const char *add_headers(struct rfi_transfer *transfer, const struct rfi_json *headers)
{
    if (headers == NULL || headers->type == RFI_JSON_NULL)
        return NULL;
    if (headers->type != RFI_JSON_OBJECT)
        return "headers must be an object of texts";
    for (const struct rfi_json *item = headers->first; item != NULL; item = item->next) {
        if (item->type != RFI_JSON_STRING && item->type != RFI_JSON_NUMBER)
            return "headers must be an object of texts";
        if (item->key_size == 0 || !is_clean(item->key, item->key_size) ||
            strpbrk(item->key, ": ") != NULL || !is_clean(item->text, item->text_size))
            return "a header has a character that does not belong there";
        struct rfi_buf line;
        rfi_buf_init(&line);
        /* libcurl takes "Name;" for a header without a value */
        rfi_buf_printf(&line, item->text_size > 0 ? "%s: %s" : "%s;%s", item->key, item->text);
        char *text = rfi_buf_take_text(&line, NULL);
        struct curl_slist *list = text != NULL ? curl_slist_append(transfer->headers, text) : NULL;
        free(text);
        if (list == NULL)
            return "out of memory";
        transfer->headers = list;
    }
    return NULL;
}

static const char *add_header_json(struct rfi_transfer *transfer, const char *json)
{
    if (json == NULL)
        return NULL;
    struct rfi_value value = {0};
    if (rfi_value_of_json(json, strlen(json), &value, NULL) != RF_OK)
        return "headers are no JSON";
    const char *mistake = add_headers(transfer, value.root);
    rfi_value_fini(&value);
    return mistake;
}

/* What the message says: {url, method, headers, body} in an Object that has one of them; else the
 * message itself is the body, and a Flow has none. */
static const char *read_message(const struct client *client, struct rfi_transfer *transfer,
                                const rf_message *msg, const char **url, const char **method,
                                struct rfi_value *value)
{
    if (rf_message_kind(msg) == RF_KIND_FLOW)
        return NULL;
    bool is_described = false;
    const struct rfi_json *body = NULL;
    if (rf_message_kind(msg) == RF_KIND_OBJECT) {
        if (rfi_value_of_message(msg, value, NULL) != RF_OK)
            return "the message holds no JSON";
        body = rfi_json_get(value->root, "body");
        is_described = body != NULL || rfi_json_get(value->root, "url") != NULL ||
                       rfi_json_get(value->root, "method") != NULL ||
                       rfi_json_get(value->root, "headers") != NULL;
    }
    if (!is_described) {
        transfer->has_body = true;
        return rfi_component_append_text(&transfer->body, msg) == RF_OK ? NULL : "out of memory";
    }
    if (*client->url == '\0')
        *url = rfi_json_get_string(value->root, "url", "");
    *method = rfi_json_get_string(value->root, "method", *method);
    if (body != NULL && body->type == RFI_JSON_STRING) {
        rfi_buf_append(&transfer->body, body->text, body->text_size);
    } else if (body != NULL && body->type != RFI_JSON_NULL) {
        rf_span text = rfi_value_text(value, body);
        rfi_buf_append(&transfer->body, text.data, text.size);
    }
    transfer->has_body = body != NULL && body->type != RFI_JSON_NULL;
    return add_headers(transfer, rfi_json_get(value->root, "headers"));
}

/* Fill in a transfer. A text that says what is wrong, or NULL. */
static const char *fill_transfer(const struct client *client, struct rfi_transfer *transfer,
                                 const rf_message *msg)
{
    const char *url = client->url;
    const char *method = client->method;
    struct rfi_value value = {0};
    const char *mistake = add_header_json(transfer, client->configured_headers);
    if (mistake == NULL)
        mistake = add_header_json(transfer, client->header_json);
    if (mistake == NULL)
        mistake = read_message(client, transfer, msg, &url, &method, &value);
    if (*method == '\0')
        method = transfer->has_body ? "POST" : "GET";
    if (mistake == NULL &&
        (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        mistake = "the url must begin with http:// or https://";
    if (mistake == NULL && (!is_clean(url, strlen(url)) || strchr(url, ' ') != NULL))
        mistake = "the url has a character that does not belong there";
    if (mistake == NULL && !is_method(method))
        mistake = "the method must be a word in upper case";
    if (mistake == NULL) {
        transfer->url = strdup(url);
        transfer->method = strdup(method);
        if (transfer->url == NULL || transfer->method == NULL || transfer->body.is_failed)
            mistake = "out of memory";
    }
    transfer->timeout_ms = client->timeout_ms;
    transfer->redirects_max = client->redirects_max;
    transfer->response_bytes_max = client->response_bytes_max;
    rfi_value_fini(&value);
    return mistake;
}

/* Tell a failure on the port, and to who waits for an answer. */
static rf_err tell_failure(rf_context *ctx, rf_reply *reply, const char *text)
{
    if (reply != NULL)
        rf_reply_send(reply, rf_message_error(text, strlen(text)));
    return rfi_component_emit_error(ctx, OUT_ERROR, "%s", text);
}

static rf_err begin_request(rf_context *ctx, struct client *client, const rf_message *msg)
{
    rf_reply *reply = rf_take_reply(ctx);
    if (client->pending == PENDING_MAX)
        return tell_failure(ctx, reply, "too many requests wait already");
    struct request *request = calloc(1, sizeof *request);
    struct rfi_transfer *transfer = rfi_transfer_new();
    const char *mistake = "out of memory";
    if (request != NULL && transfer != NULL)
        mistake = fill_transfer(client, transfer, msg);
    if (mistake == NULL && client->pending == 0 &&
        rf_timer_start(ctx, LOOK_TIMER, LOOK_MS, LOOK_MS) != RF_OK)
        mistake = "out of memory";
    if (mistake != NULL) {
        rfi_transfer_unref(transfer);
        free(request);
        return tell_failure(ctx, reply, mistake);
    }
    request->transfer = transfer;
    request->reply = reply;
    request->tries = 1;
    if (client->last != NULL)
        client->last->next = request;
    else
        client->first = request;
    client->last = request;
    client->pending++;
    rfi_transfer_post(transfer);
    return RF_OK;
}

static rf_err take_headers(rf_context *ctx, struct client *client, const rf_message *msg)
{
    struct rfi_value value = {0};
    rf_err err = rfi_value_of_message(msg, &value, NULL);
    if (err == RF_ENOMEM)
        return err;
    bool is_object = err == RF_OK && value.root->type == RFI_JSON_OBJECT;
    rf_span text = {NULL, 0};
    if (is_object)
        text = rfi_value_text(&value, value.root);
    char *json = is_object ? strndup(text.data, text.size) : NULL;
    rfi_value_fini(&value);
    if (!is_object)
        return rfi_component_emit_error(ctx, OUT_ERROR, "headers_in takes an Object");
    if (json == NULL)
        return RF_ENOMEM;
    free(client->header_json);
    client->header_json = json;
    return RF_OK;
}

static rf_err client_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    return inport == IN_HEADERS ? take_headers(ctx, state, msg) : begin_request(ctx, state, msg);
}

/* ---- telling an answer ---- */

/* The value of a header among raw lines; NULL: not there. Names match without regard to case. */
static const char *find_header(const char *lines, const char *name, size_t *out_size)
{
    size_t name_size = strlen(name);
    for (const char *line = lines; *line != '\0';) {
        size_t size = strcspn(line, "\r\n");
        if (size > name_size && line[name_size] == ':' && strncasecmp(line, name, name_size) == 0) {
            const char *value = line + name_size + 1;
            value += strspn(value, " \t");
            *out_size = (size_t)(line + size - value);
            return value;
        }
        line += size;
        line += strspn(line, "\r\n");
    }
    return NULL;
}

/* Headers as an object of lower-case names; the values of one name are joined with a comma. */
static void write_headers(struct rfi_json_writer *out, const char *lines)
{
    size_t left = HEADERS_MAX;
    rfi_jsonw_begin_object(out);
    for (const char *line = lines; *line != '\0' && left > 0; left--) {
        size_t size = strcspn(line, "\r\n");
        const char *colon = memchr(line, ':', size);
        char name[128];
        size_t name_size = colon != NULL ? (size_t)(colon - line) : 0;
        if (name_size > 0 && name_size < sizeof name) {
            for (size_t i = 0; i < name_size; i++)
                name[i] = (char)(line[i] >= 'A' && line[i] <= 'Z' ? line[i] + 'a' - 'A' : line[i]);
            name[name_size] = '\0';
            size_t value_size = 0;
            const char *value = find_header(lines, name, &value_size);
            if (value > line && value <= line + size) { /* the first of its name */
                struct rfi_buf joined;
                rfi_buf_init(&joined);
                for (; value != NULL; value = find_header(value + value_size, name, &value_size)) {
                    if (joined.size > 0)
                        rfi_buf_append_text(&joined, ", ");
                    rfi_buf_append(&joined, value, value_size);
                }
                rfi_jsonw_key(out, name);
                rfi_jsonw_string_bytes(out, joined.data != NULL ? (const void *)joined.data : "",
                                       joined.size);
                rfi_buf_fini(&joined);
            }
        }
        line += size;
        line += strspn(line, "\r\n");
    }
    rfi_jsonw_end_object(out);
}

static void write_body(struct rfi_json_writer *out, struct rfi_buf *body, const char *lines)
{
    size_t size = 0;
    size_t offset = 0;
    const char *type = find_header(lines, "content-type", &size);
    const char *text = body->data != NULL ? (const char *)body->data : "";
    bool is_json = type != NULL && memmem(type, size, "json", 4) != NULL &&
                   rfi_json_check(text, body->size, 64, &offset) == RF_OK;
    rfi_jsonw_key(out, "body");
    if (is_json)
        rfi_jsonw_raw(out, text, body->size);
    else
        rfi_jsonw_string_bytes(out, text, body->size);
}

static rf_err tell_response(rf_context *ctx, struct request *request)
{
    struct rfi_transfer *transfer = request->transfer;
    rfi_buf_append_byte(&transfer->response_headers, '\0');
    struct rfi_buf json;
    struct rfi_json_writer out;
    rfi_buf_init(&json);
    rfi_jsonw_init(&out, &json);
    rf_message *msg = NULL;
    if (!transfer->response_headers.is_failed) {
        const char *lines = (const char *)transfer->response_headers.data;
        rfi_jsonw_begin_object(&out);
        rfi_jsonw_kv_int(&out, "status", transfer->status);
        rfi_jsonw_key(&out, "headers");
        write_headers(&out, lines);
        write_body(&out, &transfer->response, lines);
        rfi_jsonw_kv_uint(&out, "tries", request->tries);
        rfi_jsonw_end_object(&out);
        if (!json.is_failed)
            msg = rf_message_object(json.data, json.size);
    }
    rfi_buf_fini(&json);
    if (msg == NULL)
        return RF_ENOMEM;
    if (request->reply != NULL)
        rf_reply_send(request->reply, rf_message_ref(msg));
    request->reply = NULL;
    return rf_emit(ctx, OUT_RESPONSE, msg);
}

/* May it be tried again? A request that may have been acted upon only if its method says that twice
 * is as good as once. */
static bool is_worth_retry(const struct rfi_transfer *transfer)
{
    if (transfer->result == CURLE_COULDNT_CONNECT || transfer->result == CURLE_COULDNT_RESOLVE_HOST)
        return true;
    bool is_repeatable =
        strcmp(transfer->method, "POST") != 0 && strcmp(transfer->method, "PATCH") != 0;
    if (transfer->result == CURLE_OK)
        return (transfer->status == 429 || transfer->status >= 502) && transfer->status <= 504 &&
               (is_repeatable || transfer->status == 429);
    return is_repeatable && !transfer->is_too_large &&
           (transfer->result == CURLE_OPERATION_TIMEDOUT || transfer->result == CURLE_SEND_ERROR ||
            transfer->result == CURLE_RECV_ERROR || transfer->result == CURLE_GOT_NOTHING);
}

static rf_err tell_transfer_failure(rf_context *ctx, struct request *request)
{
    const struct rfi_transfer *transfer = request->transfer;
    struct rfi_buf text;
    rfi_buf_init(&text);
    rfi_buf_printf(&text, "%s %s failed: ", transfer->method, transfer->url);
    if (transfer->is_too_large)
        rfi_buf_printf(&text, "the answer is larger than %zu bytes", transfer->response_bytes_max);
    else
        rfi_buf_append_text(&text, transfer->error[0] != '\0'
                                       ? transfer->error
                                       : curl_easy_strerror(transfer->result));
    char *sentence = rfi_buf_take_text(&text, NULL);
    rf_err err = tell_failure(ctx, request->reply, sentence != NULL ? sentence : "out of memory");
    request->reply = NULL;
    free(sentence);
    return err;
}

/* Look at one request. *out_keep: it is not over yet. */
static rf_err look_at(rf_context *ctx, const struct client *client, struct request *request,
                      bool *out_keep)
{
    *out_keep = true;
    if (request->again_ms != 0) {
        if (request->again_ms > rfi_clock_ms())
            return RF_OK;
        struct rfi_transfer *again = rfi_transfer_again(request->transfer);
        if (again == NULL)
            return RF_ENOMEM;
        rfi_transfer_unref(request->transfer);
        request->transfer = again;
        request->again_ms = 0;
        request->tries++;
        rfi_transfer_post(again);
        return RF_OK;
    }
    struct rfi_transfer *transfer = request->transfer;
    if (!rfi_transfer_is_done(transfer))
        return RF_OK;
    if (request->tries <= client->retry_count && is_worth_retry(transfer)) {
        request->again_ms = rfi_clock_ms() + ((uint64_t)RETRY_PAUSE_MS << (request->tries - 1));
        return RF_OK;
    }
    *out_keep = false;
    return transfer->result == CURLE_OK ? tell_response(ctx, request)
                                        : tell_transfer_failure(ctx, request);
}

static rf_err client_on_timer(rf_context *ctx, void *state, uint64_t tag)
{
    (void)tag;
    struct client *client = state;
    rf_err err = RF_OK;
    struct request **at = &client->first;
    client->last = NULL;
    while (*at != NULL) {
        struct request *request = *at;
        bool is_kept = true;
        if (err == RF_OK)
            err = look_at(ctx, client, request, &is_kept);
        if (is_kept) {
            client->last = request;
            at = &request->next;
            continue;
        }
        *at = request->next;
        free_request(request);
        client->pending--;
    }
    if (client->pending == 0)
        rf_timer_cancel(ctx, LOOK_TIMER);
    return err;
}

static const rf_port_def client_inports[] = {
    {"data_in", NULL, "the body; or an Object with some of url, method, headers, body; or a Flow"},
    {"headers_in", NULL, "Object: headers of the requests that follow"},
};
static const rf_port_def client_outports[] = {
    {"response_out", NULL, "Object {status, headers, body, tries}, whatever the status"},
    {"error_out", NULL, "Error: no answer, or one over the limit"},
};
static const rf_key_def client_keys[] = {
    {"url", "string", NULL, false, "http:// or https://; without it the message names it"},
    {"method", "string", NULL, false, "default: POST with a body, GET without"},
    {"headers", "json", NULL, false, "object of headers of every request"},
    {"timeout", "integer", "30000", false, "milliseconds for one try"},
    {"retryCount", "integer", "3", false,
     "further tries after 429, 502 to 504 or a lost connection, with growing pauses; what is not "
     "safe to repeat (POST, PATCH) only if it was not taken"},
    {"redirects_max", "integer", "0", false, "redirects to follow"},
    {"response_bytes_max", "integer", "16777216", false, "a larger answer is an error"},
};

const rf_component rfi_component_http_request = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_http_request",
    .summary = "Makes HTTP requests",
    RFI_INPORTS(client_inports),
    RFI_OUTPORTS(client_outports),
    RFI_KEYS(client_keys),
    .create = client_create,
    .on_message = client_on_message,
    .on_timer = client_on_timer,
    .destroy = client_destroy,
};
