/* SPDX-License-Identifier: MIT */
/* Writing and reading the first text message each way, and comparing tokens.
 *
 * Pure code: no sockets, no clock, nothing kept. Reading is as liberal as serde (members in any order,
 * unknown members, arrays in field order) within our limits: 4 KiB, depth 4, 64 capabilities of 64
 * bytes, names of 128 bytes, tokens of 1,024 bytes. Texts that hold NUL are refused, since they would
 * read differently as C strings.
 *
 * Whether a name or a token is acceptable is decided by the link. */
#include "net/handshake.h"

#include "core/base/diag.h"
#include "core/base/json_writer.h"
#include "core/message/json_scan.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum {
    TEXT_SIZE_MAX = 4096,
    DEPTH_MAX = 4, /* the message itself counts as one */
    CAPABILITIES_MAX = 64,
    CAPABILITY_SIZE_MAX = 64,
    NATIVE_VERSION = 1,
    DIGEST_SIZE = 32
};

enum member {
    NETWORK_ID = 1,
    INSTANCE_ID = 2,
    PROTOCOL_VERSION = 4,
    AUTH_TOKEN = 8,
    CAPABILITIES = 16,
    NATIVE = 32,
    SUCCESS = 64,
    REFUSAL = 128
};

struct reading {
    struct rfi_scan scan;
    struct rfi_hello hello;
    unsigned seen;
    bool has_capability; /* RFI_CAPABILITY_NATIVE */
    bool has_fast;       /* RFI_CAPABILITY_FAST */
    bool has_native;     /* the object, of a version that we speak */
};

static void write_native(struct rfi_json_writer *w, const struct rfi_native_hello *native);
static void write_capabilities(struct rfi_json_writer *w, const struct rfi_hello *hello,
                               bool with_native);
static rf_err finish(struct reading *r, bool is_good, unsigned needed, struct rfi_hello *out,
                     rf_diag *out_diag);
static bool read_members(struct reading *r, bool is_request);
static bool read_request_array(struct reading *r);
static bool read_response_array(struct reading *r);
static bool take_member(struct reading *r, unsigned member);
static bool take_native(struct reading *r);

/* ---- writing ---- */

void rfi_handshake_write_request(const struct rfi_hello *hello, bool offer_native,
                                 struct rfi_buf *out)
{
    struct rfi_json_writer w;
    rfi_jsonw_init(&w, out);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_string(&w, "network_id", hello->network_id);
    rfi_jsonw_kv_string(&w, "instance_id", hello->instance_id);
    rfi_jsonw_kv_string(&w, "protocol_version", "1.0");
    rfi_jsonw_kv_string(&w, "auth_token", hello->has_token ? hello->token : NULL);
    write_capabilities(&w, hello, offer_native);
    if (offer_native)
        write_native(&w, &hello->native);
    rfi_jsonw_end_object(&w);
}

void rfi_handshake_write_response(const struct rfi_hello *hello, bool with_native,
                                  struct rfi_buf *out)
{
    struct rfi_json_writer w;
    rfi_jsonw_init(&w, out);
    rfi_jsonw_begin_object(&w);
    rfi_jsonw_kv_bool(&w, "success", hello->is_success);
    rfi_jsonw_kv_string(&w, "network_id", hello->network_id);
    rfi_jsonw_kv_string(&w, "instance_id", hello->instance_id);
    rfi_jsonw_kv_string(&w, "error", hello->error[0] != '\0' ? hello->error : NULL);
    if (with_native) {
        write_capabilities(&w, hello, true);
        write_native(&w, &hello->native);
    }
    rfi_jsonw_end_object(&w);
}

static void write_capabilities(struct rfi_json_writer *w, const struct rfi_hello *hello,
                               bool with_native)
{
    rfi_jsonw_key(w, "capabilities");
    rfi_jsonw_begin_array(w);
    rfi_jsonw_string(w, RFI_CAPABILITY_ACTORS);
    if (with_native)
        rfi_jsonw_string(w, RFI_CAPABILITY_NATIVE);
    if (with_native && hello->has_zstd)
        rfi_jsonw_string(w, RFI_CAPABILITY_ZSTD);
    if (with_native && hello->native.takes_fast)
        rfi_jsonw_string(w, RFI_CAPABILITY_FAST);
    rfi_jsonw_end_array(w);
}

static void write_incarnation(struct rfi_json_writer *w, const char *key, const uint8_t *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * RFI_INCARNATION_SIZE + 1];
    for (size_t i = 0; i < RFI_INCARNATION_SIZE; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[sizeof text - 1] = '\0';
    rfi_jsonw_kv_string(w, key, text);
}

static void write_native(struct rfi_json_writer *w, const struct rfi_native_hello *native)
{
    rfi_jsonw_key(w, "reflow_native");
    rfi_jsonw_begin_object(w);
    rfi_jsonw_kv_uint(w, "version", NATIVE_VERSION);
    write_incarnation(w, "incarnation", native->incarnation);
    rfi_jsonw_kv_uint(w, "boot", native->boot);
    rfi_jsonw_kv_uint(w, "cursor", native->cursor);
    write_incarnation(w, "cursor_of", native->cursor_of);
    rfi_jsonw_kv_uint(w, "max_message_bytes", native->message_bytes_max);
    rfi_jsonw_end_object(w);
}

/* ---- reading ---- */

rf_err rfi_handshake_read_request(const void *text, size_t size, struct rfi_hello *out,
                                  rf_diag *out_diag)
{
    struct reading r = {.seen = 0};
    if (size > TEXT_SIZE_MAX)
        return rfi_diag_set(out_diag, RF_EFORMAT, "handshake over %d bytes", TEXT_SIZE_MAX);
    rfi_scan_init(&r.scan, text, size);
    bool is_good = rfi_scan_peek(&r.scan) == '[' ? read_request_array(&r) : read_members(&r, true);
    return finish(&r, is_good, NETWORK_ID | INSTANCE_ID | PROTOCOL_VERSION | CAPABILITIES, out,
                  out_diag);
}

rf_err rfi_handshake_read_response(const void *text, size_t size, struct rfi_hello *out,
                                   rf_diag *out_diag)
{
    struct reading r = {.seen = 0};
    if (size > TEXT_SIZE_MAX)
        return rfi_diag_set(out_diag, RF_EFORMAT, "handshake over %d bytes", TEXT_SIZE_MAX);
    rfi_scan_init(&r.scan, text, size);
    bool is_good =
        rfi_scan_peek(&r.scan) == '[' ? read_response_array(&r) : read_members(&r, false);
    return finish(&r, is_good, SUCCESS | NETWORK_ID | INSTANCE_ID, out, out_diag);
}

static const struct {
    const char *name;
    unsigned member;
    bool in_request, in_response;
} member_names[] = {
    {"network_id", NETWORK_ID, true, true},
    {"instance_id", INSTANCE_ID, true, true},
    {"protocol_version", PROTOCOL_VERSION, true, false},
    {"auth_token", AUTH_TOKEN, true, false},
    {"capabilities", CAPABILITIES, true, true},
    {"reflow_native", NATIVE, true, true},
    {"success", SUCCESS, false, true},
    {"error", REFUSAL, false, true},
};

enum { MEMBER_COUNT = sizeof member_names / sizeof member_names[0] };

static rf_err finish(struct reading *r, bool is_good, unsigned needed, struct rfi_hello *out,
                     rf_diag *out_diag)
{
    if (is_good && !rfi_scan_is_done(&r->scan))
        is_good = rfi_scan_fail(&r->scan, "text behind the value");
    if (!is_good)
        return rfi_scan_report(&r->scan, out_diag);
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        if ((needed & ~r->seen & member_names[i].member) != 0)
            return rfi_diag_set(out_diag, RF_EFORMAT, "missing member `%s`", member_names[i].name);
    }
    r->hello.is_native = r->has_capability && r->has_native;
    r->hello.native.takes_fast = r->hello.is_native && r->has_fast;
    *out = r->hello;
    return RF_OK;
}

static bool read_members(struct reading *r, bool is_request)
{
    size_t count = 0;
    if (!rfi_scan_open(&r->scan, '{'))
        return false;
    for (;;) {
        struct rfi_scan_text key;
        bool is_more = false;
        if (!rfi_scan_next_key(&r->scan, &count, &key, &is_more))
            return false;
        if (!is_more)
            return true;
        unsigned member = 0;
        for (size_t i = 0; i < MEMBER_COUNT; i++) {
            bool is_known = is_request ? member_names[i].in_request : member_names[i].in_response;
            if (is_known && rfi_scan_text_is(&key, member_names[i].name))
                member = member_names[i].member;
        }
        if ((r->seen & member) != 0)
            return rfi_scan_fail(&r->scan, "duplicate member");
        if (!take_member(r, member))
            return false;
        r->seen |= member;
    }
}

static bool read_array(struct reading *r, const unsigned *members, size_t member_count)
{
    size_t count = 0;
    if (!rfi_scan_open(&r->scan, '['))
        return false;
    for (size_t i = 0; i < member_count; i++) {
        if (!rfi_scan_need_item(&r->scan, &count) || !take_member(r, members[i]))
            return false;
        r->seen |= members[i];
    }
    return rfi_scan_need_end(&r->scan, &count);
}

static bool read_request_array(struct reading *r)
{
    static const unsigned members[] = {NETWORK_ID, INSTANCE_ID, PROTOCOL_VERSION, AUTH_TOKEN,
                                       CAPABILITIES};
    return read_array(r, members, 5);
}

static bool read_response_array(struct reading *r)
{
    static const unsigned members[] = {SUCCESS, NETWORK_ID, INSTANCE_ID, REFUSAL};
    return read_array(r, members, 4);
}

/* Decode a text into `out` and terminate it. */
static bool take_text(struct rfi_scan *scan, char *out, size_t out_size)
{
    struct rfi_scan_text text;
    if (!rfi_scan_string(scan, &text))
        return false;
    if (text.size >= out_size)
        return rfi_scan_fail(scan, "text is too long");
    rfi_scan_decode(&text, out);
    out[text.size] = '\0';
    return memchr(out, '\0', text.size) == NULL || rfi_scan_fail(scan, "text holds a NUL");
}

static bool take_version(struct rfi_scan *scan)
{
    struct rfi_scan_text text;
    return rfi_scan_string(scan, &text);
}

static bool take_token(struct reading *r)
{
    if (rfi_scan_peek(&r->scan) == 'n')
        return rfi_scan_word(&r->scan, "null");
    r->hello.has_token = true;
    return take_text(&r->scan, r->hello.token, sizeof r->hello.token);
}

/* The reason of a refusal is for a person: a long one is cut at a whole character. */
static bool take_refusal(struct reading *r)
{
    char text[TEXT_SIZE_MAX];
    if (rfi_scan_peek(&r->scan) == 'n')
        return rfi_scan_word(&r->scan, "null");
    if (!take_text(&r->scan, text, sizeof text))
        return false;
    size_t size = strlen(text);
    if (size >= sizeof r->hello.error)
        size = rfi_utf8_valid_prefix(text, sizeof r->hello.error - 1);
    memcpy(r->hello.error, text, size);
    r->hello.error[size] = '\0';
    return true;
}

static bool take_capabilities(struct reading *r)
{
    size_t count = 0;
    if (!rfi_scan_open(&r->scan, '['))
        return false;
    for (;;) {
        struct rfi_scan_text text;
        bool is_more = false;
        if (!rfi_scan_next_item(&r->scan, &count, &is_more))
            return false;
        if (!is_more)
            return true;
        if (count > CAPABILITIES_MAX)
            return rfi_scan_fail(&r->scan, "too many capabilities");
        if (!rfi_scan_string(&r->scan, &text))
            return false;
        if (text.size > CAPABILITY_SIZE_MAX)
            return rfi_scan_fail(&r->scan, "capability is too long");
        if (rfi_scan_text_is(&text, RFI_CAPABILITY_NATIVE))
            r->has_capability = true;
        if (rfi_scan_text_is(&text, RFI_CAPABILITY_FAST))
            r->has_fast = true;
        if (rfi_scan_text_is(&text, RFI_CAPABILITY_ACTORS))
            r->hello.has_actors = true;
        if (rfi_scan_text_is(&text, RFI_CAPABILITY_ZSTD))
            r->hello.has_zstd = true;
    }
}

/* The value of a member; 0 is one that we do not know. */
static bool take_member(struct reading *r, unsigned member)
{
    switch (member) {
    case NETWORK_ID:
        return take_text(&r->scan, r->hello.network_id, sizeof r->hello.network_id);
    case INSTANCE_ID:
        return take_text(&r->scan, r->hello.instance_id, sizeof r->hello.instance_id);
    case PROTOCOL_VERSION:
        return take_version(&r->scan);
    case AUTH_TOKEN:
        return take_token(r);
    case CAPABILITIES:
        return take_capabilities(r);
    case NATIVE:
        return take_native(r);
    case SUCCESS:
        return rfi_scan_boolean(&r->scan, &r->hello.is_success);
    case REFUSAL:
        return take_refusal(r);
    default:
        return rfi_scan_skip(&r->scan, RFI_SCAN_IGNORED, DEPTH_MAX - 1);
    }
}

/* ---- reflow_native ---- */

enum native_member {
    N_VERSION = 1,
    N_INCARNATION = 2,
    N_BOOT = 4,
    N_CURSOR = 8,
    N_CURSOR_OF = 16,
    N_BYTES_MAX = 32,
    N_ALL = 63
};

static int hex_value(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = digit != '\0' ? strchr(digits, digit) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

static bool take_incarnation(struct rfi_scan *scan, uint8_t *out)
{
    char text[2 * RFI_INCARNATION_SIZE + 1] = {0};
    if (!take_text(scan, text, sizeof text))
        return false;
    if (strlen(text) != sizeof text - 1)
        return rfi_scan_fail(scan, "expected 32 hexadecimal digits");
    for (size_t i = 0; i < RFI_INCARNATION_SIZE; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return rfi_scan_fail(scan, "expected 32 hexadecimal digits");
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool take_unsigned(struct rfi_scan *scan, uint64_t *out)
{
    struct rfi_scan_number number;
    if (!rfi_scan_number(scan, &number))
        return false;
    if (number.type == RFI_SCAN_FLOAT || (number.type == RFI_SCAN_INTEGER && number.integer < 0))
        return rfi_scan_fail(scan, "expected an unsigned integer");
    *out = number.magnitude;
    return true;
}

static bool take_native_member(struct reading *r, unsigned member, uint64_t *out_version)
{
    struct rfi_native_hello *native = &r->hello.native;
    uint64_t value = 0;
    switch (member) {
    case N_VERSION:
        return take_unsigned(&r->scan, out_version);
    case N_INCARNATION:
        return take_incarnation(&r->scan, native->incarnation);
    case N_BOOT:
        return take_unsigned(&r->scan, &native->boot);
    case N_CURSOR:
        return take_unsigned(&r->scan, &native->cursor);
    case N_CURSOR_OF:
        return take_incarnation(&r->scan, native->cursor_of);
    case N_BYTES_MAX:
        if (!take_unsigned(&r->scan, &value))
            return false;
        native->message_bytes_max = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
        return true;
    default:
        return rfi_scan_skip(&r->scan, RFI_SCAN_IGNORED, DEPTH_MAX - 2);
    }
}

static bool take_native(struct reading *r)
{
    static const char *const names[] = {"version", "incarnation", "boot",
                                        "cursor",  "cursor_of",   "max_message_bytes"};
    unsigned seen = 0;
    uint64_t version = 0;
    size_t count = 0;
    if (!rfi_scan_open(&r->scan, '{'))
        return false;
    for (;;) {
        struct rfi_scan_text key;
        bool is_more = false;
        if (!rfi_scan_next_key(&r->scan, &count, &key, &is_more))
            return false;
        if (!is_more)
            break;
        unsigned member = 0;
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
            if (rfi_scan_text_is(&key, names[i]))
                member = 1U << i;
        }
        if ((seen & member) != 0)
            return rfi_scan_fail(&r->scan, "duplicate member");
        seen |= member;
        if (!take_native_member(r, member, &version))
            return false;
    }
    if (seen != N_ALL)
        return rfi_scan_fail(&r->scan, "missing member in reflow_native");
    r->has_native = version == NATIVE_VERSION;
    return true;
}

/* ---- tokens ---- */

bool rfi_token_equal(const char *a, const char *b)
{
    uint8_t digest_a[DIGEST_SIZE];
    uint8_t digest_b[DIGEST_SIZE];
    if (EVP_Digest(a, strlen(a), digest_a, NULL, EVP_sha256(), NULL) != 1 ||
        EVP_Digest(b, strlen(b), digest_b, NULL, EVP_sha256(), NULL) != 1)
        return false;
    return CRYPTO_memcmp(digest_a, digest_b, sizeof digest_a) == 0;
}
