/* SPDX-License-Identifier: MIT */
/* Reading a message of the Rust wire that looks as serde_json writes it: every byte between the values is known
 * beforehand, so that it is compared and not scanned. What is accepted here, rfi_rust_read would accept too, with
 * the same parts; whatever is unusual is left to it.
 *
 * The memo belongs to the caller. It holds names and a time that were found good once: the same bytes at the same place
 * are good again. */
#include "net/rust_wire.h"

#include "core/base/clock.h"
#include "core/base/text_scan.h"
#include "core/message/message_parts.h"

#include <string.h>

/* A later second could be one whose fraction does not fit in 64 bits of nanoseconds. */
#define MEMO_NS_MAX (UINT64_MAX / 2)

struct cursor {
    const char *at, *end;
};

static size_t left_of(const struct cursor *in)
{
    return (size_t)(in->end - in->at);
}

static bool take(struct cursor *in, const char *bytes, size_t size)
{
    if (left_of(in) < size || memcmp(in->at, bytes, size) != 0)
        return false;
    in->at += size;
    return true;
}

#define TAKE_LITERAL(in, text) take((in), (text), sizeof(text) - 1)

/* The rest of a string behind its opening quote, with the closing one. */
static bool take_plain(struct cursor *in, struct rfi_rust_text *out)
{
    size_t left = left_of(in);
    size_t size = rfi_text_plain(in->at, left);
    if (size == left || in->at[size] != '"')
        return false;
    *out = (struct rfi_rust_text){.text = in->at, .size = size};
    in->at += size + 1;
    return true;
}

static bool take_names(struct cursor *in, const struct rfi_rust_memo *memo,
                       struct rfi_rust_plain *out)
{
    struct rfi_rust_text other;
    const char *begin = in->at;
    out->has_new_names = memo->names_size == 0 || !take(in, memo->names, memo->names_size);
    if (out->has_new_names &&
        !(TAKE_LITERAL(in, ",\"source_network\":\"") && take_plain(in, &other) &&
          TAKE_LITERAL(in, ",\"source_actor\":\"") && take_plain(in, &other) &&
          TAKE_LITERAL(in, ",\"target_network\":\"") && take_plain(in, &other) &&
          TAKE_LITERAL(in, ",\"target_actor\":\"") && take_plain(in, &out->target_actor) &&
          TAKE_LITERAL(in, ",\"target_port\":\"") && take_plain(in, &out->target_port) &&
          TAKE_LITERAL(in, ",\"payload\":")))
        return false;
    out->names = (struct rfi_rust_text){.text = begin, .size = (size_t)(in->at - begin)};
    return true;
}

/* ".123456789Z" or "Z" behind a second. */
static bool is_fraction(const char *at, size_t size)
{
    if (size == 1)
        return *at == 'Z';
    if (size < 3 || at[0] != '.' || at[size - 1] != 'Z')
        return false;
    for (size_t i = 1; i + 1 < size; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
    }
    return true;
}

static bool is_time(const struct rfi_rust_text *time, struct rfi_rust_memo *memo)
{
    uint64_t wall_ns = 0;
    if (memo->has_second && time->size > RFI_RUST_SECOND_SIZE &&
        memcmp(time->text, memo->second, RFI_RUST_SECOND_SIZE) == 0 &&
        is_fraction(time->text + RFI_RUST_SECOND_SIZE, time->size - RFI_RUST_SECOND_SIZE))
        return true;
    if (!rfi_timestamp_parse(time->text, time->size, &wall_ns))
        return false;
    if (wall_ns <= MEMO_NS_MAX &&
        is_fraction(time->text + RFI_RUST_SECOND_SIZE, time->size - RFI_RUST_SECOND_SIZE)) {
        memcpy(memo->second, time->text, RFI_RUST_SECOND_SIZE);
        memo->has_second = true;
    }
    return true;
}

static bool take_payload(struct cursor *in, struct rfi_rust_plain *out)
{
    struct rfi_scan scan;
    rfi_scan_init(&scan, in->at, left_of(in));
    if (!rfi_message_scan_tagged(&scan, &out->payload, &out->has_stream_name))
        return false;
    in->at = scan.at;
    return true;
}

bool rfi_rust_read_plain(const char *text, size_t size, struct rfi_rust_memo *memo,
                         struct rfi_rust_plain *out)
{
    struct cursor in = {text, text + size};
    struct rfi_rust_text time;
    if (!TAKE_LITERAL(&in, "{\"message_id\":\"") || !take_plain(&in, &out->message_id) ||
        !take_names(&in, memo, out))
        return false;
    out->payload = NULL;
    out->has_stream_name = false;
    if (!take_payload(&in, out))
        return false;
    if (TAKE_LITERAL(&in, ",\"timestamp\":\"") && take_plain(&in, &time) && is_time(&time, memo) &&
        TAKE_LITERAL(&in, "}") && in.at == in.end)
        return true;
    rf_message_unref(out->payload);
    return false;
}

void rfi_rust_remember(struct rfi_rust_memo *memo, const struct rfi_rust_plain *plain)
{
    memo->names_size = 0;
    if (plain->names.size > sizeof memo->names)
        return;
    memcpy(memo->names, plain->names.text, plain->names.size);
    memo->names_size = plain->names.size;
}
