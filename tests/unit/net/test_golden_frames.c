/* SPDX-License-Identifier: MIT */
/* Every line of tests/vectors/golden-frames.txt, which serde_json and chrono wrote: payloads to the
 * byte, what is accepted, control frames, times, and the classification of frames. A line that no
 * section understands fails the test, and so does a section with fewer lines than the file has. */
#include "core/base/clock.h"
#include "net/handshake.h"
#include "net/rust_wire.h"
#include "support/rf_test.h"

#include <ctype.h>
#include <math.h>

enum { LINE_SIZE = 2048 };

enum section { PAYLOADS, ACCEPTANCE, CONTROL, CLASSIFICATION, SECTION_COUNT };

typedef void check_line(char *line);

static FILE *open_vectors(void)
{
    const char *folder = getenv("REFLOW_SOURCE_DIR");
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/tests/vectors/golden-frames.txt",
                   folder != NULL ? folder : ".");
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "cannot open %s", path);
    return file;
}

/* Call `check` for each line of a section; returns how many. */
static size_t each_line(enum section wanted, check_line *check)
{
    static const char *const titles[] = {"--- payload acceptance", "--- control frames",
                                         "--- classification"};
    FILE *file = open_vectors();
    char line[LINE_SIZE];
    size_t count = 0;
    size_t section = PAYLOADS;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strncmp(line, "---", 3) == 0) {
            cr_assert_lt(section + 1, (size_t)SECTION_COUNT, "unknown section: %s", line);
            cr_assert_str_eq(line, titles[section]);
            section++;
            continue;
        }
        if (section == (size_t)wanted && line[0] != '\0') {
            check(line);
            count++;
        }
    }
    (void)fclose(file);
    return count;
}

/* Cut `line` before the word `mark`, blanks in front of it included, and return what stands behind. */
static char *cut_at(char *line, const char *mark)
{
    char *found = strstr(line, mark);
    cr_assert_not_null(found, "no %s in: %s", mark, line);
    char *end = found;
    while (end > line && end[-1] == ' ')
        end--;
    *end = '\0';
    return found + strlen(mark);
}

static bool reads(const char *json)
{
    rf_message *msg = NULL;
    rf_err err = rf_message_from_tagged(json, strlen(json), &msg, NULL);
    rf_message_unref(msg);
    return err == RF_OK;
}

/* ---- payloads ---- */

static void check_payload(char *line)
{
    const char *verdict = cut_at(line, " roundtrip=");
    rf_message *msg = NULL;
    if (strncmp(verdict, "ERR", 3) == 0) {
        /* what Rust writes of a float that is not finite, and cannot read */
        cr_assert_not(reads(line), "%s", line);
        return;
    }
    cr_assert_str_eq(verdict, "true");
    cr_assert_eq(rf_message_from_tagged(line, strlen(line), &msg, NULL), RF_OK, "%s", line);
    cr_assert_eq(rf_message_check(msg, NULL), RF_OK, "%s", line);
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    bool is_stream = strstr(line, "\"type\":\"Stream\"") != NULL;
    cr_assert_eq(rfi_message_write_tagged(msg, is_stream ? "Stream" : "Bytes", &buf), RF_OK);
    cr_assert_eq(buf.size, strlen(line), "%s", line);
    cr_assert_arr_eq(buf.data, line, buf.size);
    rfi_buf_fini(&buf);
    rf_message_unref(msg);
}

Test(golden_frames, payloads_round_trip_to_the_byte)
{
    cr_assert_eq(each_line(PAYLOADS, check_payload), 25U);
    /* the two lines that fail are what a float that is not finite would become: we do not write them */
    double values[] = {(double)NAN, (double)INFINITY};
    for (int i = 0; i < 2; i++) {
        rf_message *msg = rf_message_float(values[i]);
        char *json = NULL;
        size_t size = 0;
        cr_assert_eq(rf_message_to_tagged(msg, &json, &size), RF_EINVAL);
        rf_message_unref(msg);
    }
}

/* ---- acceptance ---- */

/* The Rust debug text behind OK starts with the name of the kind. */
static void check_kind(const rf_message *msg, const char *expected, const char *line)
{
    (void)line; /* the plain macros drop the texts */
    const char *name = rf_kind_name(rf_message_kind(msg));
    char kind[64];
    size_t size = 0;
    while (isalpha((unsigned char)expected[size]) && size + 1 < sizeof kind) {
        kind[size] = expected[size];
        size++;
    }
    kind[size] = '\0';
    cr_assert_str_eq(strcmp(kind, "Stream") == 0 ? "Bytes" : kind, name, "%s", line);
    if (strcmp(expected, "Integer(5)") == 0)
        cr_assert_eq(rf_message_as_integer(msg), 5);
    else if (strcmp(expected, "Float(5.0)") == 0)
        cr_assert_float_eq(rf_message_as_float(msg), 5.0, 0.0);
    else if (strcmp(expected, "Optional(None)") == 0)
        cr_assert_null(rf_message_data(msg).data);
    else if (strcmp(expected, "Object(Ev { data: [123, 125] })") == 0)
        cr_assert(rf_message_size(msg) == 2 && memcmp(rf_message_data(msg).data, "{}", 2) == 0);
}

static void check_acceptance(char *line)
{
    char *ok = strstr(line, " OK ");
    char *err = strstr(line, " ERR ");
    cr_assert((ok != NULL) != (err != NULL), "neither OK nor ERR: %s", line);
    const char *expected = cut_at(line, ok != NULL ? " OK " : " ERR ");
    rf_message *msg = NULL;
    rf_diag diag;
    memset(&diag, 0, sizeof diag);
    rf_err result = rf_message_from_tagged(line, strlen(line), &msg, &diag);
    if (err != NULL) {
        cr_assert_eq(result, RF_EFORMAT, "%s", line);
        cr_assert_null(msg);
        cr_assert(diag.text[0] != '\0' && diag.line == 1 && diag.column > 0, "%s", line);
        return;
    }
    cr_assert_eq(result, RF_OK, "%s: %s", line, diag.text);
    check_kind(msg, expected, line);
    rf_message_unref(msg);
}

Test(golden_frames, payloads_are_accepted_as_serde_does)
{
    cr_assert_eq(each_line(ACCEPTANCE, check_acceptance), 29U);
}

/* ---- control frames and times ---- */

static struct rfi_hello golden_hello(void)
{
    struct rfi_hello hello;
    memset(&hello, 0, sizeof hello);
    (void)snprintf(hello.network_id, sizeof hello.network_id, "n");
    (void)snprintf(hello.instance_id, sizeof hello.instance_id, "i");
    hello.is_success = true;
    hello.has_actors = true;
    return hello;
}

/* Write the frame that the line shows. */
static void write_frame(const char *name, struct rfi_buf *buf)
{
    struct rfi_hello hello = golden_hello();
    if (strcmp(name, "handshake") == 0) {
        rfi_handshake_write_request(&hello, false, buf);
    } else if (strcmp(name, "hs-resp") == 0) {
        rfi_handshake_write_response(&hello, false, buf);
    } else if (strcmp(name, "heartbeat") == 0) {
        uint64_t wall_ns = 0;
        const char *time = "2026-11-23T04:09:26.439462677Z";
        cr_assert(rfi_timestamp_parse(time, strlen(time), &wall_ns));
        rfi_rust_write_heartbeat("local", wall_ns, buf);
    } else if (strcmp(name, "disc-req") == 0) {
        rfi_rust_write_actors_request("r", "n", buf);
    } else if (strcmp(name, "disc-resp") == 0) {
        /* Rust's own list has the capability; the line shows an actor without any */
        struct rfi_buf with;
        rfi_buf_init(&with);
        rfi_rust_begin_actors_response("r", "n", &with);
        rfi_rust_add_actor("a", true, &with);
        rfi_rust_end_actors_response(&with);
        rfi_buf_append_byte(&with, 0);
        char *text = (char *)with.data;
        char *capability = strstr(text, "\"actor_messaging\"");
        cr_assert_not_null(capability);
        rfi_buf_append(buf, text, (size_t)(capability - text));
        rfi_buf_append_text(buf, capability + strlen("\"actor_messaging\""));
        rfi_buf_fini(&with);
    } else {
        cr_assert_fail("unknown control frame %s", name);
    }
}

static void check_frame_read(const char *name, const char *json)
{
    struct rfi_hello hello;
    if (strcmp(name, "handshake") == 0) {
        cr_assert_eq(rfi_handshake_read_request(json, strlen(json), &hello, NULL), RF_OK);
        cr_assert(hello.has_actors && !hello.is_native && !hello.has_token);
        return;
    }
    if (strcmp(name, "hs-resp") == 0) {
        cr_assert_eq(rfi_handshake_read_response(json, strlen(json), &hello, NULL), RF_OK);
        cr_assert(hello.is_success && strcmp(hello.network_id, "n") == 0);
        return;
    }
    struct rfi_buf scratch;
    struct rfi_rust_frame frame;
    rfi_buf_init(&scratch);
    cr_assert_eq(rfi_rust_read(json, strlen(json), &scratch, &frame), RF_OK);
    if (strcmp(name, "heartbeat") == 0)
        cr_assert(frame.type == RFI_RUST_HEARTBEAT && strcmp(frame.network_id.text, "local") == 0);
    else if (strcmp(name, "disc-req") == 0)
        cr_assert(frame.type == RFI_RUST_ACTORS_REQUEST &&
                  strcmp(frame.requesting_network.text, "n") == 0);
    else
        cr_assert(frame.type == RFI_RUST_ACTORS_RESPONSE && frame.actor_count == 1 &&
                  strcmp(frame.actors[0].text, "a") == 0);
    rfi_buf_fini(&scratch);
}

/* parse TEXT   Ok(TEXT) or Err(…) */
static void check_time_parse(char *line)
{
    if (strncmp(line, "number", 6) == 0) {
        /* a timestamp that is a JSON number makes no heartbeat */
        static const char json[] = "{\"network_id\":\"x\",\"timestamp\":1700000000}";
        struct rfi_buf scratch;
        struct rfi_rust_frame frame;
        rfi_buf_init(&scratch);
        cr_assert_eq(rfi_rust_read(json, strlen(json), &scratch, &frame), RF_OK);
        cr_assert_eq(frame.type, RFI_RUST_IGNORED);
        rfi_buf_fini(&scratch);
        return;
    }
    bool is_ok = strstr(line, " Ok(") != NULL;
    char *expected = cut_at(line, is_ok ? " Ok(" : " Err(");
    uint64_t wall_ns = 0;
    bool is_parsed = rfi_timestamp_parse(line, strlen(line), &wall_ns);
    cr_assert_eq(is_parsed, is_ok, "%s", line);
    if (!is_ok)
        return;
    char text[RFI_TIMESTAMP_SIZE];
    expected[strlen(expected) - 1] = '\0';
    rfi_timestamp_format(wall_ns, text);
    /* a leap second is the second that follows it: wall time has no room for it */
    cr_assert_str_eq(text, strcmp(expected, "2023-11-14T22:13:60Z") == 0 ? "2023-11-14T22:14:00Z"
                                                                         : expected);
}

static void check_time_format(const char *quoted)
{
    char expected[64];
    char text[RFI_TIMESTAMP_SIZE];
    uint64_t wall_ns = 0;
    (void)snprintf(expected, sizeof expected, "%.*s", (int)strlen(quoted) - 2, quoted + 1);
    cr_assert(rfi_timestamp_parse(expected, strlen(expected), &wall_ns), "%s", quoted);
    rfi_timestamp_format(wall_ns, text);
    cr_assert_str_eq(text, expected);
}

static void check_control(char *line)
{
    char *space = strchr(line, ' ');
    cr_assert_not_null(space, "%s", line);
    *space = '\0';
    char *rest = space + 1 + strspn(space + 1, " ");
    if (strcmp(line, "parse") == 0) {
        check_time_parse(rest);
        return;
    }
    if (strcmp(line, "ts") == 0 || strcmp(line, "leap") == 0) {
        check_time_format(rest);
        return;
    }
    struct rfi_buf buf;
    rfi_buf_init(&buf);
    write_frame(line, &buf);
    cr_assert_eq(buf.size, strlen(rest), "%s", rest);
    cr_assert_arr_eq(buf.data, rest, buf.size);
    rfi_buf_fini(&buf);
    check_frame_read(line, rest);
}

Test(golden_frames, control_frames_and_times)
{
    cr_assert_eq(each_line(CONTROL, check_control), 26U);
    /* the five times of the file, from numbers */
    static const struct {
        uint64_t fraction_ns;
        const char *text;
    } times[] = {{0, "2023-11-14T22:13:20Z"},
                 {5000000, "2023-11-14T22:13:20.005Z"},
                 {123456000, "2023-11-14T22:13:20.123456Z"},
                 {123456789, "2023-11-14T22:13:20.123456789Z"},
                 {100, "2023-11-14T22:13:20.000000100Z"}};
    for (size_t i = 0; i < 5; i++) {
        char text[RFI_TIMESTAMP_SIZE];
        rfi_timestamp_format(UINT64_C(1700000000000000000) + times[i].fraction_ns, text);
        cr_assert_str_eq(text, times[i].text);
    }
}

/* ---- classification ---- */

static enum rfi_rust_frame_type classify(const char *text, size_t size)
{
    struct rfi_buf scratch;
    struct rfi_rust_frame frame;
    rfi_buf_init(&scratch);
    cr_assert_eq(rfi_rust_read(text, size, &scratch, &frame), RF_OK);
    cr_assert_eq(frame.payload != NULL, frame.type == RFI_RUST_MESSAGE);
    cr_assert_eq(frame.why[0] != '\0', frame.type == RFI_RUST_IGNORED);
    rf_message_unref(frame.payload);
    rfi_buf_fini(&scratch);
    return frame.type;
}

static bool accepts_request(const char *json)
{
    struct rfi_hello hello;
    return rfi_handshake_read_request(json, strlen(json), &hello, NULL) == RF_OK;
}

static bool is_heartbeat(const char *json)
{
    return classify(json, strlen(json)) == RFI_RUST_HEARTBEAT;
}

static void check_deep(void)
{
    char json[1024];
    size_t at = (size_t)snprintf(
        json, sizeof json, "{\"network_id\":\"x\",\"timestamp\":\"2023-11-14T22:13:20Z\",\"k\":");
    memset(json + at, '[', 200);
    memset(json + at + 200, ']', 200);
    (void)snprintf(json + at + 400, sizeof json - at - 400, "}");
    cr_assert(is_heartbeat(json));
}

/* The lines that tell of a case in words. Returns false for a line of another form. */
static bool check_words(const char *line)
{
    static const char heartbeat[] = "{\"network_id\":\"x\",\"timestamp\":\"2023-11-14T22:13:20Z\"}";
    char text[256];
    if (strcmp(line, "hs w/o auth_token: true") == 0) {
        cr_assert(accepts_request("{\"network_id\":\"n\",\"instance_id\":\"i\","
                                  "\"protocol_version\":\"1.0\",\"capabilities\":[]}"));
    } else if (strncmp(line, "hs w/o capabilities: Err", 24) == 0) {
        cr_assert_not(accepts_request("{\"network_id\":\"n\",\"instance_id\":\"i\","
                                      "\"protocol_version\":\"1.0\"}"));
    } else if (strcmp(line, "hs as array: true") == 0) {
        cr_assert(accepts_request("[\"n\",\"i\",\"1.0\",null,[]]"));
    } else if (strcmp(line, "trailing ws/garbage: true false") == 0) {
        (void)snprintf(text, sizeof text, " \n%s \t\r\n", heartbeat);
        cr_assert(is_heartbeat(text));
        (void)snprintf(text, sizeof text, "%sx", heartbeat);
        cr_assert_not(is_heartbeat(text));
    } else if (strcmp(line, "BOM: false") == 0) {
        (void)snprintf(text, sizeof text, "\xEF\xBB\xBF%s", heartbeat);
        cr_assert_not(is_heartbeat(text));
    } else if (strncmp(line, "lone surrogate: Err", 19) == 0) {
        cr_assert_not(
            is_heartbeat("{\"network_id\":\"\\ud800\",\"timestamp\":\"2023-11-14T22:13:20Z\"}"));
        cr_assert_not(reads("{\"type\":\"String\",\"data\":\"\\ud800\"}"));
    } else if (strncmp(line, "raw control char: Err", 21) == 0) {
        cr_assert_not(
            is_heartbeat("{\"network_id\":\"\n\",\"timestamp\":\"2023-11-14T22:13:20Z\"}"));
        cr_assert_not(reads("{\"type\":\"String\",\"data\":\"\x01\"}"));
    } else if (strcmp(line, "deep 200 in unknown field: \"Heartbeat\"") == 0) {
        check_deep();
    } else {
        return false;
    }
    return true;
}

static void check_classification(char *line)
{
    static const char *const names[] = {"IGNORED", "RemoteMessage", "Heartbeat", "DiscoveryRequest",
                                        "DiscoveryResponse"};
    if (check_words(line))
        return;
    for (size_t i = 0; i < 5; i++) {
        size_t size = strlen(names[i]);
        if (strncmp(line, names[i], size) == 0 && line[size] == ' ') {
            const char *json = line + size + strspn(line + size, " ");
            cr_assert_eq((size_t)classify(json, strlen(json)), i, "%s", line);
            return;
        }
    }
    cr_assert_fail("line not understood: %s", line);
}

Test(golden_frames, frames_are_classified_as_the_bridge_does)
{
    cr_assert_eq(each_line(CLASSIFICATION, check_classification), 22U);
}
