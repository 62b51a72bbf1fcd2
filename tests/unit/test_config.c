/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "core/base/json_doc.h"
#include "support/config_doc.h"
#include "support/rf_test.h"

#include <sys/stat.h>
#include <unistd.h>

static rf_config *defaults(void)
{
    rf_config *config = rf_config_new();
    cr_assert_not_null(config);
    return config;
}

static rf_err parse(rf_config *config, const char *json, rf_diag *diag)
{
    *diag = (rf_diag){0};
    return rf_config_parse(config, json, strlen(json), "c.json", diag);
}

static void assert_refused(const char *json, rf_err expected, const char *text)
{
    rf_config *config = defaults();
    rf_diag diag;
    char formatted[800];
    cr_assert_eq(parse(config, json, &diag), expected, "%s", json);
    rf_diag_format(&diag, formatted, sizeof formatted);
    cr_assert(strstr(formatted, text) != NULL, "%s gave %s", json, formatted);
    rf_config_free(config);
}

static void assert_value(const rf_config *config, const char *key, const char *expected)
{
    char *value = rf_config_get(config, key);
    cr_assert_not_null(value);
    cr_assert_str_eq(value, expected);
    free(value);
}

Test(config, the_defaults_are_as_documented_and_pass_the_check)
{
    rf_config *config = defaults();
    rf_diag diag;
    cr_assert_eq(rf_config_check(config, &diag), RF_OK);
    cr_assert_str_eq(config->network_id, "reflow");
    cr_assert_str_eq(config->bind_address, "127.0.0.1");
    cr_assert_eq(config->bind_port, 8080U);
    cr_assert_eq(config->max_connections, 100U);
    cr_assert_eq(config->message_bytes_max, 16U * 1024 * 1024);
    cr_assert_eq(config->registry_ttl_ms, 90000U);
    cr_assert_eq(config->graphs.count, 0U);
    cr_assert_not(config->is_registry);
    cr_assert_str_eq(config->auth_token, "");
    rf_config_free(config);
    rf_config_free(NULL);
}

static bool set_to_default(void *user, const rf_config_key *key)
{
    rf_config *config = user;
    rf_diag diag = {0};
    cr_assert_eq(rf_config_set(config, key->name, key->default_text, &diag), RF_OK, "%s: %s",
                 key->name, diag.text);
    assert_value(config, key->name, key->default_text);
    cr_assert_leq(key->min, key->max);
    cr_assert_gt(strlen(key->summary), 10U);
    return true;
}

Test(config, every_key_takes_and_gives_its_default)
{
    rf_config *config = defaults();
    rf_config_each_key(set_to_default, config);
    rf_config_free(config);
}

static bool try_edges(void *user, const rf_config_key *key)
{
    rf_config *config = user;
    if (strcmp(key->type, "integer") != 0)
        return true;
    char text[96];
    rf_diag diag;
    const int64_t good[] = {key->min, key->max};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof text, "%lld", (long long)good[i]);
        cr_assert_eq(rf_config_set(config, key->name, text, &diag), RF_OK, "%s", key->name);
        assert_value(config, key->name, text);
    }
    const int64_t wrong[] = {key->min - 1, key->max + 1};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof text, "%lld", (long long)wrong[i]);
        rf_err err = rf_config_set(config, key->name, text, &diag);
        cr_assert_eq(err, wrong[i] < 0 ? RF_EFORMAT : RF_ELIMIT, "%s", key->name);
        cr_assert(strstr(diag.text, key->name) != NULL);
        (void)snprintf(text, sizeof text, "{\"%s\": %lld}", key->name, (long long)wrong[i]);
        cr_assert_eq(parse(config, text, &diag), RF_ELIMIT);
        cr_assert_eq(diag.line, 1U);
        cr_assert_eq(diag.column, strlen(key->name) + 6);
    }
    return true;
}

Test(config, every_integer_is_held_in_its_range)
{
    rf_config *config = defaults();
    rf_config_each_key(try_edges, config);
    rf_config_free(config);
}

Test(config, a_rust_file_is_read_with_ours_beside)
{
    rf_config *config = defaults();
    rf_diag diag;
    rf_err err =
        parse(config,
              "// a comment\n{\"network_id\": \"n1\", \"instance_id\": \"n1-a\",\n"
              "\"bind_address\": \"0.0.0.0\", \"bind_port\": 0,\n"
              "\"discovery_endpoints\": [\"http://127.0.0.1:9000\"], \"auth_token\": null,"
              "\"max_connections\": 7, \"heartbeat_interval_ms\": 1000,\n"
              "\"local_network_config\": {\"compression\": {\"level\": 6}, \"tracing\": {}},"
              "\"registry\": true, \"connect\": [\"tcp://h:1\", \"h:2\"],}",
              &diag);
    cr_assert_eq(err, RF_OK, "%s", diag.text);
    cr_assert_str_eq(config->network_id, "n1");
    cr_assert_eq(config->bind_port, 0U);
    cr_assert_eq(config->max_connections, 7U);
    cr_assert_eq(config->heartbeat_interval_ms, 1000U);
    cr_assert(config->is_registry);
    cr_assert_eq(config->connect.count, 2U);
    cr_assert_str_eq(config->connect.items[1], "h:2");
    cr_assert_str_eq(config->local_network_config,
                     "{\"compression\": {\"level\": 6}, \"tracing\": {}}");
    assert_value(config, "connect", "tcp://h:1,h:2");
    cr_assert_eq(rf_config_check(config, &diag), RF_OK);
    rf_config_free(config);
}

Test(config, mistakes_are_told_with_place_and_remedy)
{
    assert_refused("[]", RF_EFORMAT, "c.json:1:1: a configuration is an object");
    assert_refused("{\"bind_port\": 1 \"x\": 2}", RF_EFORMAT, "c.json:1:17: expected a comma");
    assert_refused("{\n  \"bind_prot\": 1}", RF_EFORMAT,
                   "c.json:2:3: there is no key \"bind_prot\" (did you mean \"bind_port\"?)");
    assert_refused("{\"bind_port\": \"1\"}", RF_EFORMAT,
                   "c.json:1:15: bind_port must be a whole number from 0 to 65535, not a string");
    assert_refused("{\"bind_port\": 1.5}", RF_EFORMAT, "whole number from 0 to 65535, not 1.5");
    assert_refused("{\"bind_port\": 65536}", RF_ELIMIT, "must be from 0 to 65535, not 65536");
    assert_refused("{\"bind_port\": null}", RF_EFORMAT, "not null");
    assert_refused("{\"registry\": 1}", RF_EFORMAT, "registry must be true or false");
    assert_refused("{\"is_registry\": true}", RF_EFORMAT, "there is no key");
    assert_refused("{\"network_id\": 1}", RF_EFORMAT, "a string in double quotes, not a number");
    assert_refused("{\"network_id\": \"\"}", RF_ELIMIT, "must not be empty");
    assert_refused("{\"network_id\": \"a\\u0000b\"}", RF_EFORMAT, "zero byte");
    assert_refused("{\"connect\": \"h:1\"}", RF_EFORMAT, "an array of strings, not a string");
    assert_refused("{\"connect\": [\n1]}", RF_EFORMAT, "c.json:2:1: an item of connect must be");
    assert_refused("{\"connect\": [\"\"]}", RF_EFORMAT, "an item of connect is empty");
    assert_refused("{\"local_network_config\": []}", RF_EFORMAT, "an object in braces");
    assert_refused("{\"local_network_config\": {\"x\": 1}}", RF_EFORMAT, "not \"x\"");
    assert_refused("{\"local_network_config\": {/**/}}", RF_EFORMAT, "plain JSON");
    assert_refused("{\"network_id\": \"a\", \"network_id\": \"b\"}", RF_EFORMAT, "twice");
    assert_refused("{\"auth_token\": \"x\", \"auth_token_file\": \"y\"}", RF_EFORMAT,
                   "exclude each other");
    assert_refused("{\"auth_token_file\": \"/nonexistent/token\"}", RF_ESYS,
                   "c.json:1:21: auth_token_file /nonexistent/token cannot be read");
}

Test(config, a_refused_text_changes_nothing)
{
    rf_config *config = defaults();
    rf_diag diag;
    cr_assert_eq(
        parse(config, "{\"network_id\": \"other\", \"graphs\": [\"g\"], \"bind_port\": -1}", &diag),
        RF_ELIMIT);
    cr_assert_str_eq(config->network_id, "reflow");
    cr_assert_eq(config->graphs.count, 0U);
    rf_config_free(config);
}

Test(config, keys_are_set_from_text)
{
    rf_config *config = defaults();
    rf_diag diag;
    cr_assert_eq(rf_config_set(config, "graphs", " a.json , b.json", &diag), RF_OK);
    cr_assert_eq(config->graphs.count, 2U);
    cr_assert_str_eq(config->graphs.items[0], "a.json");
    cr_assert_str_eq(config->graphs.items[1], "b.json");
    cr_assert_eq(rf_config_set(config, "graphs", "a,,b", &diag), RF_EFORMAT);
    cr_assert_eq(config->graphs.count, 2U);
    cr_assert_eq(rf_config_set(config, "graphs", "", &diag), RF_OK);
    cr_assert_eq(config->graphs.count, 0U);
    cr_assert_eq(rf_config_set(config, "registry", "true", &diag), RF_OK);
    cr_assert(config->is_registry);
    cr_assert_eq(rf_config_set(config, "registry", "yes", &diag), RF_EFORMAT);
    cr_assert_eq(rf_config_set(config, "bind_port", "80 ", &diag), RF_EFORMAT);
    cr_assert_eq(rf_config_set(config, "bind_port", "+80", &diag), RF_EFORMAT);
    cr_assert_eq(rf_config_set(config, "bind_port", "", &diag), RF_EFORMAT);
    cr_assert_eq(rf_config_set(config, "bind_port", "99999999999999999999999", &diag), RF_ELIMIT);
    cr_assert_eq(rf_config_set(config, "local_network_config", "{\"tracing\":1}", &diag), RF_OK);
    cr_assert_eq(rf_config_set(config, "local_network_config", "7", &diag), RF_EFORMAT);
    cr_assert_eq(rf_config_set(config, "local_network_config", "{", &diag), RF_EFORMAT);
    cr_assert_eq(rf_config_set(config, "network_id", "a\xff", &diag), RF_EFORMAT);
    cr_assert_eq(rf_config_set(config, "nework_id", "x", &diag), RF_ENOENT);
    cr_assert(strstr(diag.text, "did you mean \"network_id\"?") != NULL);
    cr_assert_null(rf_config_get(config, "nework_id"));
    cr_assert_eq(rf_config_set(config, "bind_port", "x", NULL), RF_EFORMAT);
    rf_config_free(config);
}

/* Every test that reads the environment runs in it without what the test run itself has set. */
static void clear_environment(void)
{
    static const char *const names[] = {"REFLOW_SOURCE_DIR", "REFLOW_BIN", "REFLOW_TEST_DEADLINE_S",
                                        "REFLOW_CONFIG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unsetenv(names[i]);
}

/* The folder of the sources; asked for once, before anything clears it. */
static const char *source_folder(void)
{
    const char *folder = getenv("REFLOW_SOURCE_DIR");
    return folder != NULL ? folder : ".";
}

struct saved_environment {
    char *source_folder, *bin;
};

static struct saved_environment save_environment(void)
{
    const char *folder = getenv("REFLOW_SOURCE_DIR"), *bin = getenv("REFLOW_BIN");
    struct saved_environment saved = {folder != NULL ? strdup(folder) : NULL,
                                      bin != NULL ? strdup(bin) : NULL};
    clear_environment();
    return saved;
}

static void restore_environment(struct saved_environment saved)
{
    if (saved.source_folder != NULL)
        (void)setenv("REFLOW_SOURCE_DIR", saved.source_folder, 1);
    if (saved.bin != NULL)
        (void)setenv("REFLOW_BIN", saved.bin, 1);
    free(saved.source_folder);
    free(saved.bin);
}

Test(config, the_environment_sets_keys)
{
    struct saved_environment saved = save_environment();
    rf_config *config = defaults();
    rf_diag diag = {0};
    (void)setenv("REFLOW_BIND_PORT", "9001", 1);
    (void)setenv("REFLOW_CONNECT", "a:1,b:2", 1);
    (void)setenv("REFLOW_REGISTRY", "true", 1);
    (void)setenv("REFLOW_CONFIG", "/some/where", 1);
    cr_assert_eq(rf_config_load_environment(config, &diag), RF_OK, "%s", diag.text);
    cr_assert_eq(config->bind_port, 9001U);
    cr_assert_eq(config->connect.count, 2U);
    cr_assert(config->is_registry);
    (void)unsetenv("REFLOW_CONNECT");
    (void)unsetenv("REFLOW_REGISTRY");
    (void)unsetenv("REFLOW_CONFIG");
    (void)unsetenv("REFLOW_BIND_PORT");
    rf_config_free(config);
    restore_environment(saved);
}

Test(config, an_unknown_variable_names_the_nearest)
{
    struct saved_environment saved = save_environment();
    rf_config *config = defaults();
    rf_diag diag = {0};
    char text[800];
    (void)setenv("REFLOW_BIND_PROT", "9001", 1);
    cr_assert_eq(rf_config_load_environment(config, &diag), RF_EFORMAT);
    rf_diag_format(&diag, text, sizeof text);
    cr_assert_str_eq(text, "REFLOW_BIND_PROT: there is no such setting (did you mean "
                           "\"REFLOW_BIND_PORT\"?)");
    (void)unsetenv("REFLOW_BIND_PROT");
    (void)setenv("REFLOW_bind_port", "9001", 1);
    cr_assert_eq(rf_config_load_environment(config, &diag), RF_EFORMAT);
    (void)unsetenv("REFLOW_bind_port");
    (void)setenv("REFLOW_BIND_PORT", "70000", 1);
    (void)setenv("REFLOW_MAX_CONNECTIONS", "5", 1);
    cr_assert_eq(rf_config_load_environment(config, &diag), RF_ELIMIT);
    cr_assert_str_eq(diag.file, "REFLOW_BIND_PORT");
    cr_assert_eq(config->max_connections, 100U);
    (void)unsetenv("REFLOW_BIND_PORT");
    (void)unsetenv("REFLOW_MAX_CONNECTIONS");
    rf_config_free(config);
    restore_environment(saved);
}

static void assert_check(const char *key, const char *value, const char *text)
{
    rf_config *config = defaults();
    rf_diag diag = {0};
    cr_assert_eq(rf_config_set(config, key, value, &diag), RF_OK, "%s", diag.text);
    rf_err err = rf_config_check(config, &diag);
    cr_assert_eq(err, text != NULL ? RF_EINVAL : RF_OK, "%s=%s: %s", key, value, diag.text);
    if (text != NULL)
        cr_assert(strstr(diag.text, text) != NULL, "%s", diag.text);
    rf_config_free(config);
}

Test(config, level_fast_needs_the_native_wire)
{
    rf_config *config = defaults();
    rf_diag diag = {0};
    cr_assert_eq(rf_config_set(config, "delivery", "fast", &diag), RF_OK);
    cr_assert_eq(rf_config_set(config, "wire", "json", &diag), RF_OK);
    cr_assert_eq(rf_config_check(config, &diag), RF_EINVAL);
    cr_assert_str_eq(diag.text, "delivery fast goes over wire auto only");
    rf_config_free(config);
}

Test(config, keys_that_do_not_go_together_are_found)
{
    assert_check("network_id", "a@b", "network_id");
    assert_check("network_id", ".a", "network_id");
    assert_check("instance_id", "a b", "instance_id");
    assert_check("instance_id", "", NULL);
    assert_check("transport", "udp", "ws or tcp");
    assert_check("transport", "tcp", NULL);
    assert_check("wire", "rust", "auto or json");
    assert_check("wire", "json", NULL);
    assert_check("delivery", "exactly", "reliable or fast, not \"exactly\"");
    assert_check("delivery", "fast", NULL);
    assert_check("log_level", "loud!", "log_level");
    assert_check("log_format", "yaml", "text or json");
    assert_check("reconnect_min_ms", "30001", "reconnect_max_ms");
    assert_check("reconnect_min_ms", "30000", NULL);
    assert_check("websocket_frame_bytes_max", "65535", "batch_bytes_max");
    assert_check("discovery_endpoints", "http://a:1,ftp://b", "\"ftp://b\" is no URL");
    assert_check("discovery_endpoints", "http://", "is no URL");
    assert_check("discovery_endpoints", "http:// a", "is no URL");
    assert_check("discovery_endpoints", "HTTPS://a.b/c", NULL);
    assert_check("connect", "h", "the port is missing");
    assert_check("connect", "ws://h:1/x", NULL);
    assert_check("advertise_address", "http://x", "host or host:port");
    assert_check("bind_address", "ws://x", "bind_address");
    assert_check("admin_token", "a b", "admin_token");
}

static char *make_folder(char *name)
{
    char *folder = mkdtemp(name);
    cr_assert_not_null(folder);
    return folder;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    (void)fputs(text, file);
    cr_assert_eq(fclose(file), 0);
}

static rf_err load(rf_config *config, const char *folder, rf_diag *diag)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/c.json", folder);
    *diag = (rf_diag){0};
    return rf_config_load(config, path, diag);
}

static void remove_folder(const char *folder)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/c.json", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/token", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

Test(config, paths_in_a_file_start_at_its_folder)
{
    char name[] = "/tmp/reflow-config-XXXXXX";
    const char *folder = make_folder(name);
    rf_config *config = defaults();
    rf_diag diag;
    char expected[256];
    write_file(folder, "token", "secret-of-the-test\n");
    write_file(folder, "c.json",
               "{\"graphs\": [\"g/a.json\", \"/b.json\"],"
               " \"auth_token_file\": \"token\", \"auth_token\": \"\"}");
    cr_assert_eq(load(config, folder, &diag), RF_OK, "%s", diag.text);
    (void)snprintf(expected, sizeof expected, "%s/g/a.json", folder);
    cr_assert_str_eq(config->graphs.items[0], expected);
    cr_assert_str_eq(config->graphs.items[1], "/b.json");
    cr_assert_str_eq(config->auth_token, "secret-of-the-test");
    remove_folder(folder);
    rf_config_free(config);
}

Test(config, a_token_file_that_gives_no_token_is_refused)
{
    char name[] = "/tmp/reflow-config-XXXXXX";
    const char *folder = make_folder(name);
    rf_config *config = defaults();
    rf_diag diag;
    static const char *const wrong[] = {"", "\n", "\r\n", "a\nb\n", "\xff\n"};
    write_file(folder, "c.json", "{\"auth_token_file\": \"token\"}");
    cr_assert_eq(load(config, folder, &diag), RF_ESYS);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        write_file(folder, "token", wrong[i]);
        cr_assert_eq(load(config, folder, &diag), RF_EFORMAT, "%zu", i);
        cr_assert(strstr(diag.text, "auth_token_file") != NULL);
        cr_assert_str_eq(config->auth_token, "");
    }
    char longest[1027];
    memset(longest, 'x', sizeof longest);
    longest[1026] = '\0';
    write_file(folder, "token", longest);
    cr_assert_eq(load(config, folder, &diag), RF_ELIMIT);
    longest[1024] = '\0';
    write_file(folder, "token", longest);
    cr_assert_eq(load(config, folder, &diag), RF_OK);
    cr_assert_eq(strlen(config->auth_token), 1024U);
    remove_folder(folder);
    rf_config_free(config);
}

Test(config, a_file_that_cannot_be_read_is_named)
{
    rf_config *config = defaults();
    rf_diag diag = {0};
    cr_assert_eq(rf_config_load(config, "/nonexistent/c.json", &diag), RF_ESYS);
    cr_assert_str_eq(diag.file, "/nonexistent/c.json");
    cr_assert(strstr(diag.text, "No such file") != NULL);
    cr_assert_eq(rf_config_load(config, "/tmp", &diag), RF_ESYS);
    cr_assert(strstr(diag.text, "directory") != NULL);
    rf_config_free(config);
}

Test(config, what_is_printed_is_read_back_but_for_secrets)
{
    rf_config *config = defaults(), *again = defaults();
    rf_diag diag = {0};
    cr_assert_eq(rf_config_set(config, "auth_token", "top-secret-1", &diag), RF_OK);
    cr_assert_eq(rf_config_set(config, "admin_token", "top-secret-2", &diag), RF_OK);
    cr_assert_eq(rf_config_set(config, "connect", "a:1,b:2", &diag), RF_OK);
    cr_assert_eq(rf_config_set(config, "network_id", "n\"1", &diag), RF_OK);
    char *json = NULL;
    cr_assert_eq(rf_config_to_json(config, &json), RF_OK);
    cr_assert_null(strstr(json, "top-secret"));
    cr_assert_eq(parse(again, json, &diag), RF_OK, "%s", diag.text);
    assert_value(again, "connect", "a:1,b:2");
    assert_value(again, "network_id", "n\"1");
    assert_value(again, "auth_token", "***");
    assert_value(config, "auth_token", "top-secret-1");
    free(json);
    rf_config_free(again);
    rf_config_free(config);
}

static void assert_secret_is_not_told(const char *key)
{
    rf_config *config = defaults();
    rf_diag diag = {0};
    char secret[1100];
    memset(secret, 'S', sizeof secret);
    secret[1099] = '\0';
    cr_assert_eq(rf_config_set(config, key, secret, &diag), RF_ELIMIT);
    cr_assert_null(strstr(diag.text, "SSS"));
    cr_assert_eq(rf_config_set(config, key, "SSS\xff", &diag), RF_EFORMAT);
    cr_assert_null(strstr(diag.text, "SSS"));
    rf_config_free(config);
}

Test(config, messages_do_not_tell_secrets)
{
    assert_secret_is_not_told("auth_token");
    assert_secret_is_not_told("admin_token");
}

struct pair {
    const rf_config *a, *b;
};

static bool compare(void *user, const rf_config_key *key)
{
    const struct pair *pair = user;
    char *a = rf_config_get(pair->a, key->name), *b = rf_config_get(pair->b, key->name);
    cr_assert_str_eq(a, b);
    free(a);
    free(b);
    return true;
}

Test(config, a_copy_is_equal_and_apart)
{
    rf_config *config = defaults();
    rf_diag diag;
    cr_assert_eq(rf_config_set(config, "graphs", "a,b,c", &diag), RF_OK);
    cr_assert_eq(rf_config_set(config, "registry", "true", &diag), RF_OK);
    cr_assert_eq(rf_config_set(config, "bind_port", "1", &diag), RF_OK);
    rf_config *copy = rfi_config_copy(config);
    struct pair pair = {config, copy};
    rf_config_each_key(compare, &pair);
    cr_assert_eq(rf_config_set(config, "graphs", "", &diag), RF_OK);
    cr_assert_eq(copy->graphs.count, 3U);
    rf_config_free(config);
    cr_assert_str_eq(copy->graphs.items[2], "c");
    rf_config_free(copy);
}

Test(config, the_documentation_has_the_table_of_the_program)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/docs/config.md", source_folder());
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file, "%s", path);
    static char text[65536];
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    struct config_doc doc = {0};
    config_doc_build(&doc);
    cr_assert_not_null(doc.text);
    cr_assert(strstr(text, doc.text) != NULL, "docs/config.md: run print_config_doc");
    free(doc.text);
}
