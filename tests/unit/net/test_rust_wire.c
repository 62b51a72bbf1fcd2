/* SPDX-License-Identifier: MIT */
/* The JSON frames beyond the golden lines: what is taken out of a frame, what makes one of the four
 * parses fail and not the others, what we write and what we refuse to write. */
#include "net/rust_wire.h"
#include "support/rf_test.h"

#include <math.h>
#include <pthread.h>

#define TIME "\"2023-11-14T22:13:20Z\""
#define MESSAGE_HEAD                                                                               \
    "{\"message_id\":\"m\",\"source_network\":\"s\",\"source_actor\":\"sa\",\"target_network\":"   \
    "\"t\","                                                                                       \
    "\"target_actor\":\"a\",\"target_port\":\"in\""

struct reader {
    struct rfi_buf scratch;
    struct rfi_rust_frame frame;
};

static enum rfi_rust_frame_type read_frame(struct reader *r, const char *json)
{
    cr_assert_eq(rfi_rust_read(json, strlen(json), &r->scratch, &r->frame), RF_OK);
    return r->frame.type;
}

static void finish(struct reader *r)
{
    rf_message_unref(r->frame.payload);
    rfi_buf_fini(&r->scratch);
}

static enum rfi_rust_frame_type type_of(const char *json)
{
    struct reader r;
    rfi_buf_init(&r.scratch);
    enum rfi_rust_frame_type type = read_frame(&r, json);
    finish(&r);
    return type;
}

static bool text_is(struct rfi_rust_text text, const char *expected)
{
    return text.text != NULL && text.size == strlen(expected) && strcmp(text.text, expected) == 0;
}

Test(rust_wire, a_message_gives_its_texts_and_payload)
{
    struct reader r;
    rfi_buf_init(&r.scratch);
    cr_assert_eq(
        read_frame(&r, "{\"timestamp\":" TIME ",\"payload\":{\"data\":[1,2],\"type\":\"Stream\"},"
                       "\"target_port\":\"\\u00e9\\n\",\"x\":[{}],\"target_actor\":\"a@b\","
                       "\"target_network\":\"t\",\"source_actor\":\"\",\"source_network\":\"s\","
                       "\"message_\\u0069d\":\"m\"}"),
        RFI_RUST_MESSAGE);
    cr_assert(text_is(r.frame.message_id, "m") && text_is(r.frame.source_network, "s") &&
              text_is(r.frame.source_actor, "") && text_is(r.frame.target_network, "t") &&
              text_is(r.frame.target_actor, "a@b") && text_is(r.frame.target_port, "\xC3\xA9\n"));
    cr_assert(r.frame.has_stream_name);
    cr_assert_eq(rf_message_kind(r.frame.payload), RF_KIND_BYTES);
    cr_assert_eq(rf_message_size(r.frame.payload), 2U);
    rf_message_unref(r.frame.payload);
    /* the scratch is used again */
    cr_assert_eq(read_frame(&r, "{\"network_id\":\"other\",\"timestamp\":" TIME "}"),
                 RFI_RUST_HEARTBEAT);
    cr_assert(text_is(r.frame.network_id, "other") && r.frame.payload == NULL);
    finish(&r);
}

/* ---- messages as serde_json writes them ---- */

#define PLAIN(id, names, payload, time)                                                            \
    "{\"message_id\":\"" id "\"," names ",\"payload\":" payload ",\"timestamp\":\"" time "\"}"
#define NAMES(actor)                                                                               \
    "\"source_network\":\"s\",\"source_actor\":\"\",\"target_network\":\"t\",\"target_actor\":"    \
    "\"" actor "\",\"target_port\":\"in\""
#define FLOW   "{\"type\":\"Flow\"}"
#define SECOND "2026-11-30T07:16:08"

/* Is it read in the short way? Then also in the long one, and to the same parts. */
static bool is_plain(struct rfi_rust_memo *memo, const char *json, struct rfi_rust_plain *out)
{
    struct reader r;
    rfi_buf_init(&r.scratch);
    bool is_read = rfi_rust_read_plain(json, strlen(json), memo, out);
    if (is_read) {
        cr_assert_eq(read_frame(&r, json), RFI_RUST_MESSAGE, "%s", json);
        cr_assert(rf_message_equal(out->payload, r.frame.payload), "%s", json);
        cr_assert_eq(out->has_stream_name, r.frame.has_stream_name);
        cr_assert_eq(out->message_id.size, r.frame.message_id.size);
        rf_message_unref(out->payload);
        finish(&r);
    }
    return is_read;
}

Test(rust_wire, the_usual_form_is_read_in_the_short_way)
{
    struct rfi_rust_memo memo = {.names_size = 0};
    struct rfi_rust_plain plain;
    cr_assert(is_plain(&memo, PLAIN("1", NAMES("a"), FLOW, SECOND "Z"), &plain));
    cr_assert(plain.has_new_names);
    cr_assert(plain.target_actor.size == 1 && plain.target_actor.text[0] == 'a');
    cr_assert(plain.target_port.size == 2 && memcmp(plain.target_port.text, "in", 2) == 0);
    rfi_rust_remember(&memo, &plain);
    static const char *const payloads[] = {
        PLAIN("2", NAMES("a"), "{\"type\":\"Integer\",\"data\":-5}", SECOND ".5Z"),
        PLAIN("3", NAMES("a"), "{\"type\":\"String\",\"data\":\"\\u00e9\xC3\xA9\"}",
              SECOND ".123456789Z"),
        PLAIN("4", NAMES("a"), "{\"type\":\"Stream\",\"data\":[0,255]}", SECOND "+01:00"),
        PLAIN("5", NAMES("a"), "{\"data\":[1],\"type\":\"Bytes\"}", SECOND "Z"),
        PLAIN("6", NAMES("a"), "{\"type\":\"Object\",\"data\":{\"data\":[123,125]},\"x\":[{}]}",
              "2026-11-30 07:16:09Z")};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        cr_assert(is_plain(&memo, payloads[i], &plain), "%s", payloads[i]);
        cr_assert_not(plain.has_new_names);
    }
    cr_assert(is_plain(&memo, PLAIN("7", NAMES("b"), FLOW, SECOND "Z"), &plain));
    cr_assert(plain.has_new_names && plain.target_actor.text[0] == 'b');
    /* names too long to remember are read anew each time */
    char text[1200];
    char actor[700];
    memset(actor, 'x', sizeof actor - 1);
    actor[sizeof actor - 1] = '\0';
    (void)snprintf(text, sizeof text, PLAIN("8", NAMES("%s"), FLOW, SECOND "Z"), actor);
    cr_assert(is_plain(&memo, text, &plain));
    rfi_rust_remember(&memo, &plain);
    cr_assert(is_plain(&memo, text, &plain) && plain.has_new_names);
}

Test(rust_wire, the_short_way_leaves_the_rest_to_the_long_one)
{
    struct rfi_rust_memo memo = {.names_size = 0};
    struct rfi_rust_plain plain;
    cr_assert(is_plain(&memo, PLAIN("1", NAMES("a"), FLOW, SECOND "Z"), &plain));
    rfi_rust_remember(&memo, &plain);
    static const char *const other[] = {
        "",
        "{",
        "{\"message_id\":\"",
        "{\"network_id\":\"x\",\"timestamp\":" TIME "}",
        PLAIN("\\u0031", NAMES("a"), FLOW, SECOND "Z"),
        PLAIN("1", NAMES("\\u0061"), FLOW, SECOND "Z"),
        PLAIN("1", NAMES("\xC3\xA9"), FLOW, SECOND "Z"),
        PLAIN("1", NAMES("a"), "{\"type\":\"Bad\"}", SECOND "Z"),
        PLAIN("1", NAMES("a"), "{\"type\":\"Integer\",\"data\":5.0}", SECOND "Z"),
        PLAIN("1", NAMES("a"), "{\"type\":\"Integer\",\"data\":5,\"data\":5}", SECOND "Z"),
        PLAIN("1", NAMES("a"), "{\"type\":\"Integer\",\"data\":5,}", SECOND "Z"),
        PLAIN("1", NAMES("a"), FLOW, SECOND ".Z"),
        PLAIN("1", NAMES("a"), FLOW, SECOND ".5"),
        PLAIN("1", NAMES("a"), FLOW, SECOND "Zx"),
        PLAIN("1", NAMES("a"), FLOW, SECOND ".1x2Z"),
        PLAIN("1", NAMES("a"), FLOW, SECOND),
        PLAIN("1", NAMES("a"), FLOW, SECOND "Z") " ",
        PLAIN("1", NAMES("a"), FLOW, SECOND "Z\",\"x\":\"1")};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        cr_assert_not(is_plain(&memo, other[i], &plain), "%s", other[i]);
    /* a time that is good for its zone only vouches for no other */
    cr_assert(is_plain(&memo, PLAIN("1", NAMES("a"), FLOW, "1969-12-31T23:30:00-01:00"), &plain));
    cr_assert_not(is_plain(&memo, PLAIN("1", NAMES("a"), FLOW, "1969-12-31T23:30:00Z"), &plain));
}

Test(rust_wire, an_array_of_eight_is_a_message)
{
    cr_assert_eq(type_of("[\"m\",\"s\",\"\",\"t\",\"a\",\"in\",[\"Integer\",5]," TIME "]"),
                 RFI_RUST_MESSAGE);
    cr_assert_eq(type_of("[\"m\",\"s\",\"\",\"t\",\"a\",\"in\",[\"Integer\",5]," TIME ",1]"),
                 RFI_RUST_IGNORED);
    cr_assert_eq(type_of("[\"m\",\"s\",\"\",\"t\",\"a\",\"in\",[\"Nope\",5]," TIME "]"),
                 RFI_RUST_IGNORED);
    cr_assert_eq(type_of("[\"x\"," TIME "]"), RFI_RUST_HEARTBEAT);
    cr_assert_eq(type_of("[\"r\",\"n\"]"), RFI_RUST_ACTORS_REQUEST);
    cr_assert_eq(type_of("[\"r\",\"n\",[[\"a\",[\"c\"],null]]]"), RFI_RUST_ACTORS_RESPONSE);
    cr_assert_eq(type_of("[\"r\",\"n\",[[\"a\",[\"c\"]]]]"), RFI_RUST_IGNORED);
    cr_assert_eq(type_of("[\"r\"]"), RFI_RUST_IGNORED);
    cr_assert_eq(type_of("[]"), RFI_RUST_IGNORED);
    cr_assert_eq(type_of("[\"r\",\"n\"] "), RFI_RUST_ACTORS_REQUEST);
    cr_assert_eq(type_of("[\"r\",\"n\"]]"), RFI_RUST_IGNORED);
}

Test(rust_wire, a_member_counts_only_for_the_structs_that_know_it)
{
    /* wrong or double for a message, unknown to a heartbeat */
    cr_assert_eq(type_of("{\"network_id\":\"x\",\"timestamp\":" TIME
                         ",\"payload\":5,\"message_id\":[],"
                         "\"target_port\":\"\\ud800\"}"),
                 RFI_RUST_HEARTBEAT);
    cr_assert_eq(
        type_of("{\"network_id\":\"x\",\"timestamp\":" TIME ",\"payload\":1,\"payload\":2}"),
        RFI_RUST_HEARTBEAT);
    cr_assert_eq(type_of("{\"network_id\":\"x\",\"timestamp\":" TIME ",\"request_id\":1}"),
                 RFI_RUST_HEARTBEAT);
    /* double for heartbeat and response, unknown to a request */
    cr_assert_eq(type_of("{\"network_id\":\"x\",\"network_id\":\"x\",\"timestamp\":" TIME
                         ",\"request_id\":\"r\","
                         "\"requesting_network\":\"n\"}"),
                 RFI_RUST_ACTORS_REQUEST);
    cr_assert_eq(type_of(MESSAGE_HEAD ",\"payload\":{\"type\":\"Flow\"},\"timestamp\":" TIME
                                      ",\"network_id\":1,\"network_id\":2}"),
                 RFI_RUST_MESSAGE);
    /* a double payload spoils the message, and the first one is given back */
    cr_assert_eq(type_of(MESSAGE_HEAD ",\"payload\":{\"type\":\"Flow\"},\"timestamp\":" TIME
                                      ",\"payload\":{\"type\":\"Flow\"}}"),
                 RFI_RUST_IGNORED);
    cr_assert_eq(
        type_of(MESSAGE_HEAD ",\"payload\":{\"type\":\"Flow\"},\"timestamp\":\"yesterday\"}"),
        RFI_RUST_IGNORED);
    cr_assert_eq(type_of(MESSAGE_HEAD ",\"payload\":{\"type\":\"Flow\"},\"timestamp\":" TIME "}x"),
                 RFI_RUST_IGNORED);
    cr_assert_eq(type_of("{\"network_id\":\"x\",\"timestamp\":\"2023-11-14\\u005422:13:20Z\"}"),
                 RFI_RUST_HEARTBEAT);
    cr_assert_eq(type_of("{\"network_id\":null,\"timestamp\":" TIME "}"), RFI_RUST_IGNORED);
}

Test(rust_wire, a_response_lists_its_actors)
{
    struct reader r;
    rfi_buf_init(&r.scratch);
    cr_assert_eq(
        read_frame(&r, "{\"actors\":[{\"capabilities\":[\"c\"],\"actor_id\":\"\\u0061b\",\"x\":{}},"
                       "{\"actor_id\":\"\",\"capabilities\":[],\"description\":\"d\"},"
                       "[\"third\",[],null]],\"network_id\":\"n\",\"request_id\":\"r\"}"),
        RFI_RUST_ACTORS_RESPONSE);
    cr_assert_eq(r.frame.actor_count, 3U);
    cr_assert(text_is(r.frame.actors[0], "ab") && text_is(r.frame.actors[1], "") &&
              text_is(r.frame.actors[2], "third"));
    cr_assert(text_is(r.frame.network_id, "n") && text_is(r.frame.request_id, "r"));
    finish(&r);
    static const char *const bad[] = {
        "{}",
        "[5]",
        "[{\"actor_id\":\"a\"}]",
        "[{\"capabilities\":[]}]",
        "[{\"actor_id\":\"a\",\"capabilities\":[1]}]",
        "[{\"actor_id\":\"a\",\"capabilities\":[],\"description\":1}]",
        "[{\"actor_id\":\"a\",\"actor_id\":\"a\",\"capabilities\":[]}]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char json[256];
        (void)snprintf(json, sizeof json,
                       "{\"request_id\":\"r\",\"network_id\":\"n\",\"actors\":%s}", bad[i]);
        cr_assert_eq(type_of(json), RFI_RUST_IGNORED, "%s", json);
    }
}

Test(rust_wire, what_is_ignored_says_why)
{
    struct reader r;
    rfi_buf_init(&r.scratch);
    cr_assert_eq(
        read_frame(&r, MESSAGE_HEAD ",\"payload\":{\"type\":\"Bad\"},\"timestamp\":" TIME "}"),
        RFI_RUST_IGNORED);
    cr_assert_not_null(strstr(r.frame.why, "payload"));
    cr_assert_not_null(strstr(r.frame.why, "unknown message type"));
    cr_assert_eq(read_frame(&r, MESSAGE_HEAD ",\"payload\":{\"type\":\"Flow\"}}"),
                 RFI_RUST_IGNORED);
    cr_assert_not_null(strstr(r.frame.why, "`timestamp` is missing"));
    cr_assert_eq(read_frame(&r, "{\"a\":"), RFI_RUST_IGNORED);
    cr_assert_not_null(strstr(r.frame.why, "byte 5"));
    cr_assert_eq(read_frame(&r, "{}"), RFI_RUST_IGNORED);
    cr_assert(r.frame.why[0] != '\0');
    cr_assert_eq(read_frame(&r, ""), RFI_RUST_IGNORED);
    finish(&r);
}

Test(rust_wire, a_message_is_written_as_rust_writes_it)
{
    struct rfi_rust_header header = {.message_id = "m",
                                     .source_network = "a",
                                     .source_actor = "",
                                     .target_network = "b",
                                     .target_actor = "r\"",
                                     .target_port = "in",
                                     .wall_ns = UINT64_C(1700000000005000000)};
    static const char expected[] = "{\"message_id\":\"m\",\"source_network\":\"a\",\"source_"
                                   "actor\":\"\",\"target_network\":\"b\","
                                   "\"target_actor\":\"r\\\"\",\"target_port\":\"in\",\"payload\":{"
                                   "\"type\":\"Stream\",\"data\":[0,10,255]},"
                                   "\"timestamp\":\"2023-11-14T22:13:20.005Z\"}";
    struct rfi_buf out;
    struct reader r;
    rfi_buf_init(&out);
    rfi_buf_init(&r.scratch);
    rf_message *msg = rf_message_bytes("\x00\x0A\xFF", 3);
    cr_assert_eq(rfi_rust_write_message(&header, msg, "Stream", false, &out), RF_OK);
    cr_assert_eq(out.size, strlen(expected));
    cr_assert_arr_eq(out.data, expected, out.size);
    cr_assert_eq(rfi_rust_read((char *)out.data, out.size, &r.scratch, &r.frame), RF_OK);
    cr_assert(r.frame.type == RFI_RUST_MESSAGE && rf_message_equal(r.frame.payload, msg));
    cr_assert(text_is(r.frame.target_actor, "r\""));
    finish(&r);
    rf_message_unref(msg);
    rfi_buf_fini(&out);
}

static rf_err write_err(rf_message *msg, bool allow_encoded)
{
    struct rfi_rust_header header = {.message_id = "m",
                                     .source_network = "a",
                                     .source_actor = "",
                                     .target_network = "b",
                                     .target_actor = "r",
                                     .target_port = "in"};
    struct rfi_buf out;
    rfi_buf_init(&out);
    rfi_buf_append_text(&out, "x");
    rf_err err = rfi_rust_write_message(&header, msg, "Bytes", allow_encoded, &out);
    cr_assert_eq(err == RF_OK, out.size > 1);
    rf_message_unref(msg);
    rfi_buf_fini(&out);
    return err;
}

Test(rust_wire, what_rust_cannot_read_is_not_written)
{
    rf_network_notice good = {{"HeartbeatMissed", 15}, {"{}", 2}};
    rf_network_notice bad = {{"Nope", 4}, {"{}", 2}};
    cr_assert_eq(write_err(rf_message_float((double)NAN), false), RF_EINVAL);
    cr_assert_eq(write_err(rf_message_float((double)-INFINITY), false), RF_EINVAL);
    cr_assert_eq(write_err(rf_message_float(1.5), false), RF_OK);
    cr_assert_eq(write_err(rf_message_encoded("\1", 1), false), RF_EINVAL);
    cr_assert_eq(write_err(rf_message_encoded("\1", 1), true), RF_OK);
    cr_assert_eq(write_err(rf_message_network_event(&good), false), RF_OK);
    cr_assert_eq(write_err(rf_message_network_event(&bad), false), RF_EINVAL);
}

Test(rust_wire, the_list_of_actors_is_written_one_by_one)
{
    static const char expected[] =
        "{\"request_id\":\"r\",\"network_id\":\"n\",\"actors\":["
        "{\"actor_id\":\"a\",\"capabilities\":[\"actor_messaging\"],\"description\":null},"
        "{\"actor_id\":\"b\",\"capabilities\":[\"actor_messaging\"],\"description\":null}]}";
    struct rfi_buf out;
    rfi_buf_init(&out);
    rfi_rust_begin_actors_response("r", "n", &out);
    rfi_rust_add_actor("a", true, &out);
    rfi_rust_add_actor("b", false, &out);
    rfi_rust_end_actors_response(&out);
    cr_assert_eq(out.size, strlen(expected));
    cr_assert_arr_eq(out.data, expected, out.size);
    rfi_buf_fini(&out);
}

static bool is_uuid4(const char *id)
{
    for (size_t i = 0; i < 36; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? id[i] != '-' : strchr("0123456789abcdef", id[i]) == NULL)
            return false;
    }
    return id[36] == '\0' && id[14] == '4' && strchr("89ab", id[19]) != NULL;
}

enum { IDS = 200 };

static void *make_ids(void *arg)
{
    char(*ids)[37] = arg;
    for (size_t i = 0; i < IDS; i++)
        rfi_uuid4(ids[i]);
    return NULL;
}

Test(rust_wire, ids_are_random_uuids_on_every_thread, .timeout = 30)
{
    static char ids[2 * IDS][37];
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, make_ids, ids + IDS), 0);
    (void)make_ids(ids);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    for (size_t i = 0; i < (size_t)2 * IDS; i++) {
        cr_assert(is_uuid4(ids[i]), "%s", ids[i]);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(ids[i], ids[j]);
    }
}
