/* SPDX-License-Identifier: MIT */
/* tpl_split_words: pieces of text in, one String per word out.
 *
 * A word is a run of bytes other than ASCII white space (tab, line feed, vertical tab, form feed,
 * carriage return, blank); case is kept. The state owns the begin of a word that the next piece goes
 * on with, and a reference to the piece at hand with the place in it: a piece of 64 KiB can hold
 * 32,768 words, so words are sent until a target is over its limit and the rest goes on in
 * on_resume, before the next piece. Pieces may cut characters anywhere, because only whole words are
 * looked at as UTF-8. A Flow ends the text: it is passed on behind the last word. */
#include "core/components/component.h"
#include <stdlib.h>
#include <string.h>

enum { OUT_WORD, OUT_ERROR, OUT_STATS };

enum {
    WORD_BYTES_DEFAULT = 16 << 20,
    WORD_BYTES_MAX = 1 << 30,
    WORDS_PER_LOOK = 16, /* words between two questions whether a target is over its limit */
    WORDS_PER_ACTIVATION = 4096,
    PARTIAL_KEPT_BYTES = 1 << 20 /* of the buffer of a word that is cut */
};

struct splitter {
    rf_message *piece; /* NULL: nothing is at hand */
    size_t at;         /* first byte of the piece that is not used up */
    struct rfi_buf partial;
    struct rfi_buf repaired; /* scratch: a word that was not UTF-8 */
    bool is_word_dropped;    /* the word at hand was over the limit: skip to its end */
    size_t word_bytes_max;
    uint64_t word_count, byte_count, replaced_count;
};

/* 1 for the bytes that separate words. */
static const uint8_t is_space[256] = {
    ['\t'] = 1, ['\n'] = 1, ['\v'] = 1, ['\f'] = 1, ['\r'] = 1, [' '] = 1,
};

static rf_err splitter_create(rf_context *ctx, void **out_state)
{
    struct splitter *splitter = calloc(1, sizeof *splitter);
    if (splitter == NULL)
        return RF_ENOMEM;
    rfi_buf_init(&splitter->partial);
    rfi_buf_init(&splitter->repaired);
    splitter->word_bytes_max =
        (size_t)rfi_component_integer(ctx, "word_bytes_max", WORD_BYTES_DEFAULT, 1, WORD_BYTES_MAX);
    *out_state = splitter;
    return RF_OK;
}

static void splitter_destroy(void *state)
{
    struct splitter *splitter = state;
    rf_message_unref(splitter->piece);
    rfi_buf_fini(&splitter->partial);
    rfi_buf_fini(&splitter->repaired);
    free(splitter);
}

static rf_err emit_word(rf_context *ctx, struct splitter *splitter, const void *data, size_t size)
{
    splitter->word_count++;
    if (rfi_utf8_is_valid(data, size))
        return rf_emit(ctx, OUT_WORD, rf_message_string(data, size));
    splitter->replaced_count += rfi_component_append_utf8(&splitter->repaired, data, size);
    return rfi_component_emit_string(ctx, OUT_WORD, &splitter->repaired);
}

/* Put the begin of a word aside; a word over the limit is dropped with one error. */
static rf_err keep_partial(rf_context *ctx, struct splitter *splitter, const uint8_t *data,
                           size_t size)
{
    if (splitter->is_word_dropped)
        return RF_OK;
    if (size > splitter->word_bytes_max - splitter->partial.size) {
        splitter->is_word_dropped = true;
        rfi_buf_clear(&splitter->partial);
        return rfi_component_emit_error(ctx, OUT_ERROR,
                                        "a word is longer than %zu bytes and was left out",
                                        splitter->word_bytes_max);
    }
    rfi_buf_append(&splitter->partial, data, size);
    return splitter->partial.is_failed ? RF_ENOMEM : RF_OK;
}

/* A word ends with these bytes (none: white space came right behind what was put aside). */
static rf_err end_word(rf_context *ctx, struct splitter *splitter, const uint8_t *data, size_t size)
{
    bool is_whole = splitter->partial.size == 0 && !splitter->is_word_dropped;
    if (is_whole && size <= splitter->word_bytes_max)
        return size > 0 ? emit_word(ctx, splitter, data, size) : RF_OK;
    rf_err err = size > 0 ? keep_partial(ctx, splitter, data, size) : RF_OK;
    if (err == RF_OK && !splitter->is_word_dropped)
        err = emit_word(ctx, splitter, splitter->partial.data, splitter->partial.size);
    splitter->is_word_dropped = false;
    if (splitter->partial.capacity > PARTIAL_KEPT_BYTES)
        rfi_buf_fini(&splitter->partial); /* one huge word must not stay in memory */
    rfi_buf_clear(&splitter->partial);
    return err;
}

static void drop_piece(struct splitter *splitter)
{
    rf_message_unref(splitter->piece);
    splitter->piece = NULL;
}

/* Send words of the piece at hand until it is used up, a target is over its limit, or others should
 * have their turn; then ask to go on. */
static rf_err send_words(rf_context *ctx, struct splitter *splitter)
{
    rf_span span = rf_message_data(splitter->piece);
    const uint8_t *data = span.data;
    size_t at = splitter->at;
    for (unsigned sent = 1; at < span.size; sent++) {
        size_t end = at;
        while (end < span.size && !is_space[data[end]])
            end++;
        bool is_cut = end == span.size;
        rf_err err = is_cut ? keep_partial(ctx, splitter, data + at, end - at)
                            : end_word(ctx, splitter, data + at, end - at);
        if (err != RF_OK) {
            drop_piece(splitter);
            return err;
        }
        at = end;
        while (at < span.size && is_space[data[at]])
            at++;
        if (at < span.size &&
            (sent == WORDS_PER_ACTIVATION || (sent % WORDS_PER_LOOK == 0 && rf_is_pressed(ctx)))) {
            splitter->at = at;
            rf_resume(ctx);
            return RF_OK;
        }
    }
    drop_piece(splitter);
    return RF_OK;
}

static rf_err end_text(rf_context *ctx, struct splitter *splitter, rf_message *flow)
{
    rf_err err = end_word(ctx, splitter, NULL, 0);
    struct rfi_buf json;
    rfi_buf_init(&json);
    rfi_buf_printf(&json, "{\"words\":%llu,\"bytes\":%llu,\"replaced_bytes\":%llu}",
                   (unsigned long long)splitter->word_count,
                   (unsigned long long)splitter->byte_count,
                   (unsigned long long)splitter->replaced_count);
    splitter->word_count = 0;
    splitter->byte_count = 0;
    splitter->replaced_count = 0;
    if (err == RF_OK)
        err = rfi_component_emit_object(ctx, OUT_STATS, &json);
    rfi_buf_fini(&json);
    if (err == RF_OK)
        err = rf_emit(ctx, OUT_WORD, rf_message_ref(flow));
    return err;
}

static rf_err splitter_on_message(rf_context *ctx, void *state, size_t inport, rf_message *msg)
{
    (void)inport;
    struct splitter *splitter = state;
    rf_kind kind = rf_message_kind(msg);
    if (kind == RF_KIND_FLOW)
        return end_text(ctx, splitter, msg);
    if (kind != RF_KIND_STRING && kind != RF_KIND_BYTES)
        return rfi_component_emit_error(ctx, OUT_ERROR, "text must be String or Bytes, not %s",
                                        rf_kind_name(kind));
    splitter->piece = rf_message_ref(msg);
    splitter->at = 0;
    splitter->byte_count += rf_message_data(msg).size;
    return send_words(ctx, splitter);
}

static rf_err splitter_on_resume(rf_context *ctx, void *state)
{
    struct splitter *splitter = state;
    return splitter->piece != NULL ? send_words(ctx, splitter) : RF_OK;
}

static const rf_port_def splitter_inports[] = {
    {"input", NULL, "pieces of text (String or Bytes, cut anywhere); a Flow ends the text"},
};
static const rf_port_def splitter_outports[] = {
    {"word", NULL, "String: each word in order; then the Flow"},
    {"error", NULL, "Error: a word over the limit, or a message that is no text"},
    {"stats", NULL, "Object at the end: words, bytes, replaced_bytes (not UTF-8, sent as U+FFFD)"},
};
static const rf_key_def splitter_keys[] = {
    {"word_bytes_max", "integer", "16777216", false, "a longer word is left out with an error"},
};

const rf_component rfi_component_split_words = {
    .struct_size = sizeof(rf_component),
    .name = "tpl_split_words",
    .summary = "Splits text into words at ASCII white space",
    RFI_INPORTS(splitter_inports),
    RFI_OUTPORTS(splitter_outports),
    RFI_KEYS(splitter_keys),
    .create = splitter_create,
    .on_message = splitter_on_message,
    .on_resume = splitter_on_resume,
    .destroy = splitter_destroy,
};
