/* SPDX-License-Identifier: MIT */
/* What the files of reflowctl share: the arguments, calls over HTTP, exit codes. */
#ifndef CTL_H
#define CTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1,     /* the node said no, or the result is bad */
    CTL_USAGE = 2,      /* the command line is wrong */
    CTL_UNREACHABLE = 3 /* no node answers at the URL */
};

struct ctl {
    const char *url;   /* without a trailing slash */
    bool is_url_given; /* --url or REFLOW_URL named one */
    const char *token; /* admin token, NULL: none */
    bool is_json;      /* print the node's JSON, not a table */
    long timeout_ms;   /* of one call */
};

/* ---- http.c ---- */

struct ctl_response {
    long status;
    char *body; /* terminated; free with ctl_response_fini */
    size_t size;
};

/* Once, before anything else and at the end. */
bool ctl_http_init(void);
void ctl_http_fini(void);
/* Call `ctl->url` + `path`. CTL_OK when an answer came, whatever its status; CTL_UNREACHABLE, with a line on
 * stderr unless is_quiet. `body` NULL: none. */
enum ctl_exit ctl_call(const struct ctl *ctl, const char *method, const char *path,
                       const char *body, bool is_quiet, struct ctl_response *out);
void ctl_response_fini(struct ctl_response *response);
/* Call, and parse the JSON of a 2xx answer; another status prints the node's error and gives CTL_FAILED. The caller
 * owns *out (json_object_put). */
enum ctl_exit ctl_call_json(const struct ctl *ctl, const char *method, const char *path,
                            const char *body, struct json_object **out);
/* Percent-encode one path segment; free() it. NULL: out of memory. */
char *ctl_escape(const char *segment);

/* ---- commands.c: argv starts behind the command's name ---- */

enum ctl_exit ctl_status(const struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_networks(const struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_actors(const struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_components(const struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_send(const struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_request(const struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_graph(const struct ctl *ctl, int argc, char **argv);

/* ---- demo.c ---- */

enum ctl_exit ctl_demo(const struct ctl *ctl, int argc, char **argv);

#endif
