/* SPDX-License-Identifier: MIT */
/* GET /networks/{id}/actors: what a peer says it has. The question goes over the link and takes its time, so each one has
 * a thread of its own, few at a time; the connection is suspended meanwhile. The threads touch the node: whoever stops it
 * waits for them with rfi_http_wait_peers before the links go. */
#include "http/routes_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTIONS_MAX = 8, QUESTION_TIMEOUT_MS = 5000 };

struct question {
    const struct rfi_node_view *view;
    struct rfi_http_request *request;
    struct rfi_buf body;
    struct rfi_json_writer w;
    char network_id[129];
};

static void write_actor(void *user, const char *actor_id)
{
    struct question *question = user;
    rfi_jsonw_string(&question->w, actor_id);
}

static void *ask(void *arg)
{
    struct question *question = arg;
    const struct rfi_node_view *view = question->view;
    rfi_jsonw_begin_object(&question->w);
    rfi_jsonw_kv_string(&question->w, "network_id", question->network_id);
    rfi_jsonw_key(&question->w, "actors");
    rfi_jsonw_begin_array(&question->w);
    rf_err err = view->discover_actors(view->node, question->network_id, QUESTION_TIMEOUT_MS,
                                       write_actor, question);
    rfi_jsonw_end_array(&question->w);
    rfi_jsonw_end_object(&question->w);
    if (err == RF_OK)
        rfi_route_answer_json(question->request, 200, &question->body);
    else
        rfi_http_answer_error(question->request, err, "network \"%s\": %s", question->network_id,
                              rf_err_text(err));
    rfi_buf_fini(&question->body);
    free(question);
    struct rfi_peer_questions *questions = view->questions;
    (void)pthread_mutex_lock(&questions->mutex);
    questions->count--;
    (void)pthread_cond_broadcast(&questions->ended);
    (void)pthread_mutex_unlock(&questions->mutex);
    return NULL;
}

/* Count one question more, unless there are too many or the node stops. */
static bool admit(struct rfi_peer_questions *questions)
{
    (void)pthread_mutex_lock(&questions->mutex);
    bool is_admitted = !questions->is_closed && questions->count < QUESTIONS_MAX;
    questions->count += is_admitted;
    (void)pthread_mutex_unlock(&questions->mutex);
    return is_admitted;
}

void rfi_route_peer_actors(void *user, struct rfi_http_request *request)
{
    const struct rfi_node_view *view = user;
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL || !admit(view->questions)) {
        free(question);
        rfi_http_answer_status(request, 503, "too many such questions at once, try again");
        return;
    }
    question->view = view;
    question->request = request;
    rfi_buf_init(&question->body);
    rfi_jsonw_init(&question->w, &question->body);
    (void)snprintf(question->network_id, sizeof question->network_id, "%s",
                   rfi_http_segment(request, 0));
    pthread_t thread;
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attr, ask, question);
    (void)pthread_attr_destroy(&attr);
    if (failed == 0)
        return;
    (void)pthread_mutex_lock(&view->questions->mutex);
    view->questions->count--;
    (void)pthread_mutex_unlock(&view->questions->mutex);
    free(question);
    rfi_http_answer_status(request, 503, "no thread can be made: %s", strerror(failed));
}

void rfi_http_wait_peers(struct rfi_peer_questions *questions)
{
    (void)pthread_mutex_lock(&questions->mutex);
    questions->is_closed = true;
    while (questions->count > 0)
        (void)pthread_cond_wait(&questions->ended, &questions->mutex);
    (void)pthread_mutex_unlock(&questions->mutex);
}
