/* SPDX-License-Identifier: MIT */
/* The commands that ask one node. Each calls one route, and prints the node's JSON as it came (--json) or a table of
 * it. Texts from the node are printed with control characters replaced, so that no name can act on the terminal. */
#include "ctl.h"
#include <reflow/reflow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum ctl_exit usage_error(const char *text)
{
    fprintf(stderr, "reflowctl: usage: reflowctl %s\n", text);
    return CTL_USAGE;
}

static enum ctl_exit print_json(struct json_object *json)
{
    puts(json_object_to_json_string_ext(json,
                                        JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(json);
    return CTL_OK;
}

/* A member as text for a table: strings as they are, others as JSON, "-" when absent. */
static void print_cell(struct json_object *object, const char *key, int width)
{
    struct json_object *value = NULL;
    const char *text = "-";
    if (json_object_object_get_ex(object, key, &value) && value != NULL)
        text = json_object_get_string(value);
    char safe[256];
    size_t used = 0;
    for (; text[used] != '\0' && used < sizeof safe - 1; used++)
        safe[used] = (unsigned char)text[used] < 0x20 || text[used] == 0x7f ? '?' : text[used];
    safe[used] = '\0';
    printf("%-*s ", width, safe);
}

struct column {
    const char *title, *key;
    int width;
};

static void print_table(struct json_object *rows, const struct column *columns, size_t count)
{
    for (size_t c = 0; c < count; c++)
        printf("%-*s ", columns[c].width, columns[c].title);
    putchar('\n');
    size_t row_count =
        json_object_is_type(rows, json_type_array) ? json_object_array_length(rows) : 0;
    for (size_t r = 0; r < row_count; r++) {
        struct json_object *row = json_object_array_get_idx(rows, r);
        for (size_t c = 0; c < count; c++)
            print_cell(row, columns[c].key, columns[c].width);
        putchar('\n');
    }
}

/* One member of the status: lists with an item a line, objects on one line. */
static void print_member(struct json_object *json, const char *key, struct json_object *value)
{
    if (json_object_is_type(value, json_type_array)) {
        printf("%s:\n", key);
        for (size_t i = 0; i < json_object_array_length(value); i++)
            printf("  %s\n", json_object_to_json_string_ext(json_object_array_get_idx(value, i),
                                                            JSON_C_TO_STRING_SPACED |
                                                                JSON_C_TO_STRING_NOSLASHESCAPE));
    } else if (json_object_is_type(value, json_type_object)) {
        printf("%-16s %s\n", key,
               json_object_to_json_string_ext(value, JSON_C_TO_STRING_SPACED |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE));
    } else {
        printf("%-16s ", key);
        print_cell(json, key, 0);
        putchar('\n');
    }
}

enum ctl_exit ctl_status(const struct ctl *ctl, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return usage_error("status");
    struct json_object *json = NULL;
    enum ctl_exit status = ctl_call_json(ctl, "GET", "/status", NULL, &json);
    if (status != CTL_OK)
        return status;
    if (ctl->is_json)
        return print_json(json);
    struct json_object_iterator at = json_object_iter_begin(json);
    struct json_object_iterator end = json_object_iter_end(json);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
        print_member(json, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at));
    (void)json_object_put(json);
    return CTL_OK;
}

static bool has_network(struct json_object *list, const char *network_id)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *id = NULL;
        if (json_object_object_get_ex(json_object_array_get_idx(list, i), "network_id", &id) &&
            id != NULL && strcmp(json_object_get_string(id), network_id) == 0)
            return true;
    }
    return false;
}

/* Networks that the node is linked to and that no registry told of, from the links of its status. */
static void add_linked(struct json_object *list, struct json_object *node_status)
{
    static const char *const members[][2] = {
        {"network_id", "network_id"}, {"instance_id", "instance_id"}, {"endpoint", "address"}};
    struct json_object *links = NULL, *value = NULL;
    if (!json_object_is_type(list, json_type_array) ||
        !json_object_object_get_ex(node_status, "links", &links) ||
        !json_object_is_type(links, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(links); i++) {
        struct json_object *link = json_object_array_get_idx(links, i);
        if (!json_object_object_get_ex(link, "network_id", &value) || value == NULL ||
            has_network(list, json_object_get_string(value)))
            continue;
        struct json_object *row = json_object_new_object();
        for (size_t m = 0; m < sizeof members / sizeof members[0]; m++) {
            (void)json_object_object_get_ex(link, members[m][1], &value);
            (void)json_object_object_add(row, members[m][0], json_object_get(value));
        }
        bool is_up = json_object_object_get_ex(link, "state", &value) && value != NULL &&
                     strcmp(json_object_get_string(value), "up") == 0;
        (void)json_object_object_add(row, "connected", json_object_new_boolean(is_up));
        (void)json_object_array_add(list, row);
    }
}

enum ctl_exit ctl_networks(const struct ctl *ctl, int argc, char **argv)
{
    static const struct column columns[] = {{"NETWORK", "network_id", 24},
                                            {"INSTANCE", "instance_id", 28},
                                            {"ENDPOINT", "endpoint", 24},
                                            {"CONNECTED", "connected", 10},
                                            {"LAST SEEN", "last_seen", 0}};
    (void)argv;
    if (argc != 0)
        return usage_error("networks");
    struct json_object *json = NULL;
    enum ctl_exit status = ctl_call_json(ctl, "GET", "/networks", NULL, &json);
    struct json_object *node_status = NULL;
    if (status == CTL_OK)
        status = ctl_call_json(ctl, "GET", "/status", NULL, &node_status);
    if (status != CTL_OK) {
        (void)json_object_put(json);
        return status;
    }
    add_linked(json, node_status);
    (void)json_object_put(node_status);
    if (ctl->is_json)
        return print_json(json);
    print_table(json, columns, sizeof columns / sizeof columns[0]);
    (void)json_object_put(json);
    return CTL_OK;
}

/* All pages of GET /actors as one array. */
static enum ctl_exit get_actors(const struct ctl *ctl, struct json_object **out)
{
    struct json_object *all = json_object_new_array();
    char *path = strdup("/actors?limit=1000");
    enum ctl_exit status = all == NULL || path == NULL ? CTL_FAILED : CTL_OK;
    while (status == CTL_OK && path != NULL) {
        struct json_object *page = NULL, *actors = NULL, *next = NULL;
        status = ctl_call_json(ctl, "GET", path, NULL, &page);
        free(path);
        path = NULL;
        if (status != CTL_OK)
            break;
        (void)json_object_object_get_ex(page, "actors", &actors);
        size_t count =
            json_object_is_type(actors, json_type_array) ? json_object_array_length(actors) : 0;
        for (size_t i = 0; i < count; i++)
            (void)json_object_array_add(all, json_object_get(json_object_array_get_idx(actors, i)));
        if (json_object_object_get_ex(page, "next", &next) && next != NULL && count > 0) {
            char *after = ctl_escape(json_object_get_string(next));
            if (after == NULL || asprintf(&path, "/actors?limit=1000&after=%s", after) < 0)
                status = CTL_FAILED;
            free(after);
        }
        (void)json_object_put(page);
    }
    free(path);
    if (status != CTL_OK) {
        (void)json_object_put(all);
        return status;
    }
    *out = all;
    return CTL_OK;
}

enum ctl_exit ctl_actors(const struct ctl *ctl, int argc, char **argv)
{
    static const struct column columns[] = {
        {"ACTOR", "id", 28},          {"COMPONENT", "component", 24}, {"STATE", "state", 8},
        {"QUEUE", "queue_length", 8}, {"RECEIVED", "received", 12},   {"EMITTED", "emitted", 12},
        {"FAILED", "failed", 0}};
    (void)argv;
    if (argc != 0)
        return usage_error("actors");
    struct json_object *json = NULL;
    enum ctl_exit status = get_actors(ctl, &json);
    if (status != CTL_OK)
        return status;
    if (ctl->is_json)
        return print_json(json);
    print_table(json, columns, sizeof columns / sizeof columns[0]);
    (void)json_object_put(json);
    return CTL_OK;
}

static void print_names(struct json_object *component, const char *key, const char *title)
{
    struct json_object *items = NULL;
    if (!json_object_object_get_ex(component, key, &items) ||
        !json_object_is_type(items, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        printf("  %-5s ", title);
        print_cell(item, "name", 20);
        struct json_object *type = NULL;
        if (json_object_object_get_ex(item, "type", &type))
            print_cell(item, "type", 8);
        print_cell(item, "summary", 0);
        struct json_object *alias = NULL;
        if (json_object_object_get_ex(item, "alias", &alias) && alias != NULL) {
            fputs("also: ", stdout);
            print_cell(item, "alias", 0);
        }
        putchar('\n');
    }
}

enum ctl_exit ctl_components(const struct ctl *ctl, int argc, char **argv)
{
    if (argc > 1)
        return usage_error("components [NAME]");
    struct json_object *json = NULL;
    enum ctl_exit status = ctl_call_json(ctl, "GET", "/components", NULL, &json);
    if (status != CTL_OK)
        return status;
    struct json_object *list = json;
    if (json_object_is_type(json, json_type_object))
        (void)json_object_object_get_ex(json, "components", &list);
    if (ctl->is_json && argc == 0)
        return print_json(json);
    bool is_found = argc == 0;
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *component = json_object_array_get_idx(list, i), *name = NULL;
        (void)json_object_object_get_ex(component, "name", &name);
        if (argc == 1 && (name == NULL || strcmp(json_object_get_string(name), argv[0]) != 0))
            continue;
        is_found = true;
        if (ctl->is_json) {
            (void)print_json(json_object_get(component));
            continue;
        }
        print_cell(component, "name", 24);
        print_cell(component, "summary", 0);
        putchar('\n');
        print_names(component, "inports", "in");
        print_names(component, "outports", "out");
        print_names(component, "keys", "key");
    }
    (void)json_object_put(json);
    if (!is_found) {
        fprintf(stderr, "reflowctl: the node has no component \"%s\"\n", argv[0]);
        return CTL_FAILED;
    }
    return CTL_OK;
}

/* POST /actors/ACTOR/{send,request} with {"port","message"}; the JSON is checked here, so that a
 * mistake is shown with its place. */
static enum ctl_exit post_message(const struct ctl *ctl, const char *verb, char **argv,
                                  struct json_object **out)
{
    rf_message *message = NULL;
    rf_diag diag = {0};
    if (rf_message_from_value(argv[2], strlen(argv[2]), &message, &diag) != RF_OK) {
        fprintf(stderr,
                "reflowctl: not JSON at column %u: %s (a text needs its quotes: '\"text\"')\n",
                diag.column, diag.text);
        return CTL_USAGE;
    }
    rf_message_unref(message);
    struct json_object *port = json_object_new_string(argv[1]);
    char *actor = ctl_escape(argv[0]);
    char *path = NULL, *body = NULL;
    enum ctl_exit status = CTL_FAILED;
    /* The node's deadline is --timeout; the call waits a little longer, to hear that it passed. */
    struct ctl patient = *ctl;
    patient.timeout_ms += 2000;
    if (actor != NULL && port != NULL && asprintf(&path, "/actors/%s/%s", actor, verb) >= 0 &&
        asprintf(&body, "{\"port\":%s,\"message\":%s,\"timeout_ms\":%ld}",
                 json_object_to_json_string_ext(port, JSON_C_TO_STRING_PLAIN), argv[2],
                 ctl->timeout_ms) >= 0)
        status = ctl_call_json(&patient, "POST", path, body, out);
    (void)json_object_put(port);
    free(actor);
    free(path);
    free(body);
    return status;
}

enum ctl_exit ctl_send(const struct ctl *ctl, int argc, char **argv)
{
    if (argc != 3)
        return usage_error("send ACTOR[@NETWORK] PORT JSON");
    struct json_object *json = NULL;
    enum ctl_exit status = post_message(ctl, "send", argv, &json);
    if (status == CTL_OK && ctl->is_json)
        return print_json(json);
    (void)json_object_put(json);
    return status;
}

enum ctl_exit ctl_request(const struct ctl *ctl, int argc, char **argv)
{
    if (argc != 3)
        return usage_error("request ACTOR[@NETWORK] PORT JSON");
    struct json_object *json = NULL, *answer = NULL;
    enum ctl_exit status = post_message(ctl, "request", argv, &json);
    if (status != CTL_OK)
        return status;
    if (ctl->is_json)
        return print_json(json);
    (void)json_object_object_get_ex(json, "answer", &answer);
    puts(json_object_to_json_string_ext(answer,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(json);
    return CTL_OK;
}

/* `user` is the list of findings for --json, or NULL for text. */
static void print_finding(void *user, bool is_error, const rf_diag *diag)
{
    struct json_object *findings = user;
    if (findings == NULL) {
        char text[1024];
        rf_diag_format(diag, text, sizeof text);
        printf("%s: %s\n", is_error ? "error" : "remark", text);
        return;
    }
    struct json_object *finding = json_object_new_object();
    (void)json_object_object_add(finding, "is_error", json_object_new_boolean(is_error));
    (void)json_object_object_add(finding, "file", json_object_new_string(diag->file));
    (void)json_object_object_add(finding, "line", json_object_new_int64(diag->line));
    (void)json_object_object_add(finding, "column", json_object_new_int64(diag->column));
    (void)json_object_object_add(finding, "text", json_object_new_string(diag->text));
    (void)json_object_array_add(findings, finding);
}

/* Without a URL the file is checked here, against the components that every node has. */
static enum ctl_exit validate_here(const struct ctl *ctl, const char *path)
{
    rf_graph *graph = NULL;
    rf_network *network = NULL;
    rf_diag diag = {0};
    struct json_object *findings = ctl->is_json ? json_object_new_array() : NULL;
    rf_err err = rf_graph_load(path, &graph, &diag);
    if (err != RF_OK) {
        print_finding(findings, true, &diag);
    } else {
        err = rf_network_new(NULL, &network);
        if (err == RF_OK)
            err = rf_network_register_builtins(network);
        if (err == RF_OK)
            err = rf_graph_validate(graph, network, print_finding, findings);
    }
    if (findings != NULL) { /* the form of POST /graphs/validate */
        struct json_object *json = json_object_new_object();
        (void)json_object_object_add(json, "valid", json_object_new_boolean(err == RF_OK));
        (void)json_object_object_add(json, "findings", findings);
        (void)print_json(json);
    } else if (err == RF_OK) {
        printf("%s: the graph is fine\n", path);
    }
    rf_network_free(network);
    rf_graph_free(graph);
    return err == RF_OK ? CTL_OK : CTL_FAILED;
}

static char *read_file(const char *path)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        return NULL;
    char *text = NULL;
    size_t size = 0;
    ssize_t got = getdelim(&text, &size, '\0', stream);
    (void)fclose(stream);
    if (got < 0) {
        free(text);
        return NULL;
    }
    return text;
}

enum ctl_exit ctl_graph(const struct ctl *ctl, int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[0], "validate") != 0)
        return usage_error("graph validate FILE");
    if (!ctl->is_url_given)
        return validate_here(ctl, argv[1]);
    char *text = read_file(argv[1]);
    if (text == NULL) {
        perror(argv[1]);
        return CTL_FAILED;
    }
    struct json_object *json = NULL, *valid = NULL, *findings = NULL;
    enum ctl_exit status = ctl_call_json(ctl, "POST", "/graphs/validate", text, &json);
    free(text);
    if (status != CTL_OK)
        return status;
    (void)json_object_object_get_ex(json, "valid", &valid);
    status = json_object_get_boolean(valid) ? CTL_OK : CTL_FAILED;
    if (ctl->is_json) {
        (void)print_json(json);
        return status;
    }
    (void)json_object_object_get_ex(json, "findings", &findings);
    size_t count =
        json_object_is_type(findings, json_type_array) ? json_object_array_length(findings) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *finding = json_object_array_get_idx(findings, i);
        struct json_object *is_error = NULL, *line = NULL, *column = NULL;
        (void)json_object_object_get_ex(finding, "is_error", &is_error);
        (void)json_object_object_get_ex(finding, "line", &line);
        (void)json_object_object_get_ex(finding, "column", &column);
        printf("%s: %s:%d:%d: ", json_object_get_boolean(is_error) ? "error" : "remark", argv[1],
               json_object_get_int(line), json_object_get_int(column));
        print_cell(finding, "text", 0);
        putchar('\n');
    }
    if (status == CTL_OK)
        printf("%s: the graph is fine\n", argv[1]);
    (void)json_object_put(json);
    return status;
}
