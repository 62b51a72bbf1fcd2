/* SPDX-License-Identifier: MIT */
/* Making, counting and reading messages, and bodies that come from a peer. */
#include "core/base/blocks.h"
#include "core/message/message_internal.h"
#include "support/rf_test.h"

#include <math.h>
#include <pthread.h>

static bool span_is(rf_span span, const char *text)
{
    return span.data != NULL && span.size == strlen(text) &&
           memcmp(span.data, text, span.size) == 0;
}

static rf_span span_of(const char *text)
{
    return (rf_span){text, strlen(text)};
}

Test(message, scalars_keep_their_value)
{
    static const int64_t integers[] = {0, 1, -1, INT64_MAX, INT64_MIN, 1234567890123};
    for (size_t i = 0; i < 6; i++) {
        rf_message *msg = rf_message_integer(integers[i]);
        cr_assert_eq(rf_message_kind(msg), RF_KIND_INTEGER);
        cr_assert_eq(rf_message_as_integer(msg), integers[i]);
        cr_assert_float_eq(rf_message_as_float(msg), (double)integers[i], 0.0);
        cr_assert_not(rf_message_as_boolean(msg));
        cr_assert_eq(rf_message_size(msg), 8U);
        rf_message_unref(msg);
    }
    rf_message *msg = rf_message_float(-0.5);
    cr_assert_float_eq(rf_message_as_float(msg), -0.5, 0.0);
    cr_assert_eq(rf_message_as_integer(msg), 0);
    rf_message_unref(msg);
    msg = rf_message_boolean(true);
    cr_assert(rf_message_as_boolean(msg));
    cr_assert_float_eq(rf_message_as_float(msg), 0.0, 0.0);
    rf_message_unref(msg);
    msg = rf_message_flow();
    cr_assert_eq(rf_message_size(msg), 0U);
    cr_assert_null(rf_message_data(msg).data);
    rf_message_unref(msg);
}

Test(message, texts_and_bytes_are_copied)
{
    char text[] = "h\0i";
    rf_message *(*const makers[])(const void *, size_t) = {
        rf_message_string, rf_message_error,  rf_message_bytes, rf_message_encoded,
        rf_message_event,  rf_message_object, rf_message_any};
    static const rf_kind kinds[] = {RF_KIND_STRING, RF_KIND_ERROR,  RF_KIND_BYTES, RF_KIND_ENCODED,
                                    RF_KIND_EVENT,  RF_KIND_OBJECT, RF_KIND_ANY};
    for (size_t i = 0; i < 7; i++) {
        rf_message *msg = makers[i](text, 3);
        cr_assert_eq(rf_message_kind(msg), kinds[i]);
        rf_span data = rf_message_data(msg);
        cr_assert(data.size == 3 && data.data != text && memcmp(data.data, "h\0i", 3) == 0);
        rf_message_unref(msg);
        msg = makers[i](NULL, 0);
        cr_assert(rf_message_data(msg).data != NULL && rf_message_data(msg).size == 0);
        rf_message_unref(msg);
    }
}

Test(message, none_and_an_empty_optional_differ)
{
    rf_message *none = rf_message_optional(NULL, 0);
    rf_message *empty = rf_message_optional("", 0);
    rf_message *some = rf_message_optional("null", 4);
    cr_assert_null(rf_message_data(none).data);
    cr_assert(rf_message_data(empty).data != NULL && rf_message_data(empty).size == 0);
    cr_assert(span_is(rf_message_data(some), "null"));
    cr_assert_not(rf_message_equal(none, empty));
    rf_message_unref(none);
    rf_message_unref(empty);
    rf_message_unref(some);
}

Test(message, an_array_gives_its_elements_in_any_order)
{
    enum { COUNT = 300 };
    char texts[COUNT][16];
    rf_span items[COUNT];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%d", i * i);
        items[i] = span_of(texts[i]);
    }
    rf_message *msg = rf_message_array(items, COUNT);
    cr_assert_eq(rf_message_array_count(msg), (size_t)COUNT);
    cr_assert_eq(rf_message_array_count(msg), (size_t)COUNT);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert(span_is(rf_message_array_item(msg, i), texts[i]));
    for (size_t i = COUNT; i-- > 0;)
        cr_assert(span_is(rf_message_array_item(msg, i), texts[i]));
    for (size_t i = 0; i < COUNT; i++)
        cr_assert(span_is(rf_message_array_item(msg, i * 7 % COUNT), texts[i * 7 % COUNT]));
    cr_assert_null(rf_message_array_item(msg, COUNT).data);
    cr_assert_null(rf_message_array_item(msg, SIZE_MAX).data);
    cr_assert_null(rf_message_data(msg).data);
    rf_message_unref(msg);
    msg = rf_message_array(NULL, 0);
    cr_assert_eq(rf_message_array_count(msg), 0U);
    cr_assert_null(rf_message_array_item(msg, 0).data);
    rf_message_unref(msg);
}

/* "If the memo of an array were not one word, walkers on two threads would meet wrong offsets." */
static void *walk_array(void *arg)
{
    rf_message *msg = arg;
    size_t good = 0;
    for (size_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < rf_message_array_count(msg); i++) {
            char expected[16];
            (void)snprintf(expected, sizeof expected, "%zu", i * 1001);
            good += span_is(rf_message_array_item(msg, i), expected) ? 1 : 0;
        }
    }
    return good == (size_t)200 * 50 ? msg : NULL;
}

Test(message, threads_may_walk_one_array_together, .timeout = 60)
{
    char texts[50][16];
    rf_span items[50];
    for (size_t i = 0; i < 50; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%zu", i * 1001);
        items[i] = span_of(texts[i]);
    }
    rf_message *msg = rf_message_array(items, 50);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, walk_array, msg), 0);
    for (int i = 0; i < 3; i++) {
        void *result = NULL;
        cr_assert_eq(pthread_join(threads[i], &result), 0);
        cr_assert_eq(result, msg);
    }
    rf_message_unref(msg);
}

static void *ref_and_unref(void *arg)
{
    rf_message *msg = arg;
    for (int i = 0; i < 20000; i++)
        rf_message_unref(rf_message_ref(msg));
    rf_message_unref(msg);
    return NULL;
}

Test(message, references_are_counted_over_threads, .timeout = 60)
{
    rf_message *msg = rf_message_string("shared", 6);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, ref_and_unref, rf_message_ref(msg)), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(atomic_load_explicit(&msg->refs, memory_order_relaxed), 1U);
    cr_assert(span_is(rf_message_data(msg), "shared"));
    rf_message_unref(msg);
    rf_message_unref(NULL);
}

Test(message, compound_kinds_give_their_parts)
{
    rf_stream_handle handle = {.stream_id = UINT64_MAX,
                               .origin_actor = span_of("actor"),
                               .origin_port = span_of(""),
                               .content_type = span_of("text/plain"),
                               .has_size_hint = true,
                               .size_hint = 1 << 20};
    rf_stream_handle got_handle;
    rf_message *msg = rf_message_stream_handle(&handle);
    cr_assert_eq(rf_message_as_stream_handle(msg, &got_handle), RF_OK);
    cr_assert(got_handle.stream_id == UINT64_MAX && got_handle.size_hint == 1 << 20 &&
              got_handle.has_size_hint);
    cr_assert(span_is(got_handle.origin_actor, "actor") && span_is(got_handle.origin_port, "") &&
              span_is(got_handle.content_type, "text/plain"));
    rf_message_unref(msg);

    handle.content_type = (rf_span){NULL, 0};
    handle.has_size_hint = false;
    msg = rf_message_stream_handle(&handle);
    cr_assert_eq(rf_message_as_stream_handle(msg, &got_handle), RF_OK);
    cr_assert(got_handle.content_type.data == NULL && !got_handle.has_size_hint &&
              got_handle.size_hint == 0);
    rf_message_unref(msg);

    rf_remote_reference reference = {span_of("n"), span_of("a"), span_of("p")};
    rf_remote_reference got_reference;
    msg = rf_message_remote_reference(&reference);
    cr_assert_eq(rf_message_as_remote_reference(msg, &got_reference), RF_OK);
    cr_assert(span_is(got_reference.network_id, "n") && span_is(got_reference.actor_id, "a") &&
              span_is(got_reference.port, "p"));
    cr_assert_eq(rf_message_as_stream_handle(msg, &got_handle), RF_EINVAL);
    rf_message_unref(msg);

    rf_network_notice notice = {span_of("HeartbeatMissed"), span_of("{}")};
    rf_network_notice got_notice;
    msg = rf_message_network_event(&notice);
    cr_assert_eq(rf_message_as_network_event(msg, &got_notice), RF_OK);
    cr_assert(span_is(got_notice.event_type, "HeartbeatMissed") && span_is(got_notice.data, "{}"));
    cr_assert_eq(rf_message_as_remote_reference(msg, &got_reference), RF_EINVAL);
    rf_message_unref(msg);
}

Test(message, sizes_over_four_gib_are_refused)
{
    rf_span item = {"x", (size_t)UINT32_MAX + 1};
    rf_span two[] = {{"x", UINT32_MAX / 2 + 1}, {"x", UINT32_MAX / 2 + 1}};
    cr_assert_null(rfi_message_alloc(RF_KIND_STRING, (size_t)UINT32_MAX + 1));
    cr_assert_null(rf_message_optional("x", UINT32_MAX));
    cr_assert_null(rf_message_array(&item, 1));
    cr_assert_null(rf_message_array(two, 2));
}

static rf_err from_body(rf_kind kind, const void *body, size_t size)
{
    rf_message *msg = NULL;
    rf_err err = rfi_message_from_body(kind, body, size, &msg);
    cr_assert_eq(err == RF_OK, msg != NULL);
    if (msg != NULL) {
        cr_assert_eq(rf_message_kind(msg), kind);
        cr_assert(msg->size == size && memcmp(msg->body, body, size) == 0);
    }
    rf_message_unref(msg);
    return err;
}

Test(message, bodies_from_a_peer_are_checked)
{
    uint8_t stream[29] = {7, 0, 0, 0, 0, 0, 0, 0, 0};
    cr_assert_eq(from_body(RF_KIND_FLOW, "", 0), RF_OK);
    cr_assert_eq(from_body(RF_KIND_FLOW, "x", 1), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_BOOLEAN, "\1", 1), RF_OK);
    cr_assert_eq(from_body(RF_KIND_BOOLEAN, "\2", 1), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_BOOLEAN, "", 0), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_INTEGER, "12345678", 8), RF_OK);
    cr_assert_eq(from_body(RF_KIND_INTEGER, "1234567", 7), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_FLOAT, "123456789", 9), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_STRING, "\xFF", 1), RF_OK);
    cr_assert_eq(from_body(RF_KIND_OPTIONAL, "", 0), RF_OK);
    cr_assert_eq(from_body(RF_KIND_OPTIONAL, "\1x", 2), RF_OK);
    cr_assert_eq(from_body(RF_KIND_OPTIONAL, "\0", 1), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_ARRAY, "\1\0\0\0x\0\0\0\0", 9), RF_OK);
    cr_assert_eq(from_body(RF_KIND_ARRAY, "\2\0\0\0x", 5), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_ARRAY, "\0\0\0", 3), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_ARRAY, "\xFF\xFF\xFF\xFF", 4), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_REMOTE_REFERENCE, "\0\0\0\0\0\0\0\0\0\0\0\0", 12), RF_OK);
    cr_assert_eq(from_body(RF_KIND_REMOTE_REFERENCE, "\0\0\0\0\0\0\0\0", 8), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_NETWORK_EVENT, "\0\0\0\0\0\0\0\0", 8), RF_OK);
    cr_assert_eq(from_body(RF_KIND_NETWORK_EVENT, "\0\0\0\0\0\0\0\0x", 9), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_STREAM_HANDLE, stream, 29), RF_OK);
    cr_assert_eq(from_body(RF_KIND_STREAM_HANDLE, stream, 28), RF_EFORMAT);
    stream[9] = 1; /* a hint, and no flag for it */
    cr_assert_eq(from_body(RF_KIND_STREAM_HANDLE, stream, 29), RF_EFORMAT);
    stream[8] = 2;
    cr_assert_eq(from_body(RF_KIND_STREAM_HANDLE, stream, 29), RF_OK);
    stream[8] = 4;
    cr_assert_eq(from_body(RF_KIND_STREAM_HANDLE, stream, 29), RF_EFORMAT);
    cr_assert_eq(from_body(RF_KIND_COUNT, "", 0), RF_EFORMAT);
    cr_assert_eq(from_body((rf_kind)200, "", 0), RF_EFORMAT);
}

Test(message, a_block_with_a_body_becomes_a_message)
{
    enum { SIZE = 100000 };
    rf_message *msg = NULL;
    uint8_t *block = rfi_block_take(RFI_MESSAGE_HEADROOM + SIZE);
    cr_assert_not_null(block);
    memset(block + RFI_MESSAGE_HEADROOM, 'b', SIZE);
    cr_assert_eq(rfi_message_adopt(RF_KIND_BOOLEAN, block, SIZE, &msg), RF_EFORMAT);
    cr_assert_eq(rfi_message_adopt(RF_KIND_ARRAY, block, SIZE, &msg), RF_EFORMAT);
    cr_assert_null(msg);

    cr_assert_eq(rfi_message_adopt(RF_KIND_BYTES, block, SIZE, &msg), RF_OK);

    rf_span span = rf_message_data(msg);
    cr_assert_eq(span.data, block + RFI_MESSAGE_HEADROOM);
    cr_assert_eq(span.size, SIZE);
    cr_assert_eq(rf_message_kind(msg), RF_KIND_BYTES);
    rf_message_unref(rf_message_ref(msg));
    rf_message_unref(msg);
}

Test(message, equality_is_of_kind_and_payload)
{
    rf_message *a = rf_message_string("x", 1);
    rf_message *b = rf_message_string("x", 1);
    rf_message *c = rf_message_error("x", 1);
    rf_message *d = rf_message_string("y", 1);
    cr_assert(rf_message_equal(a, a) && rf_message_equal(a, b));
    cr_assert_not(rf_message_equal(a, c));
    cr_assert_not(rf_message_equal(a, d));
    rf_message_unref(a);
    rf_message_unref(b);
    rf_message_unref(c);
    rf_message_unref(d);
}

Test(message, kinds_have_names_and_fixed_numbers)
{
    cr_assert_str_eq(rf_kind_name(RF_KIND_FLOW), "Flow");
    cr_assert_str_eq(rf_kind_name(RF_KIND_NETWORK_EVENT), "NetworkEvent");
    cr_assert_null(rf_kind_name(RF_KIND_COUNT));
    cr_assert_null(rf_kind_name((rf_kind)-1));
    for (int i = 0; i < RF_KIND_COUNT; i++)
        cr_assert_not_null(rf_kind_name((rf_kind)i));
    cr_assert_eq((int)RF_KIND_BYTES, 8);
    cr_assert_eq((int)RF_KIND_COUNT, 16);
}

Test(message, check_finds_bad_text_and_bad_json)
{
    rf_diag diag;
    rf_message *msg = rf_message_string("ab\xFF", 3);
    cr_assert_eq(rf_message_check(msg, &diag), RF_EFORMAT);
    cr_assert(diag.line == 1 && diag.column == 3);
    cr_assert_eq(rf_message_check(msg, NULL), RF_EFORMAT);
    rf_message_unref(msg);
    msg = rf_message_object("{\"a\":\n tru}", 11);
    cr_assert_eq(rf_message_check(msg, &diag), RF_EFORMAT);
    cr_assert(diag.line == 2 && diag.column == 2);
    rf_message_unref(msg);
    msg = rf_message_object(" {\"a\":[1,2.5e3,null,\"\\u00e9\"]} ", 30);
    cr_assert_eq(rf_message_check(msg, &diag), RF_OK);
    rf_message_unref(msg);
    msg = rf_message_bytes("\xFF", 1);
    cr_assert_eq(rf_message_check(msg, &diag), RF_OK);
    rf_message_unref(msg);
    rf_span items[] = {span_of("1"), span_of("[")};
    msg = rf_message_array(items, 2);
    cr_assert_eq(rf_message_check(msg, &diag), RF_EFORMAT);
    rf_message_unref(msg);
    msg = rf_message_optional("", 0);
    cr_assert_eq(rf_message_check(msg, &diag), RF_EFORMAT);
    rf_message_unref(msg);
    rf_network_notice notice = {span_of("HeartbeatMissed"), span_of("{]")};
    msg = rf_message_network_event(&notice);
    cr_assert_eq(rf_message_check(msg, &diag), RF_EFORMAT);
    rf_message_unref(msg);
    rf_remote_reference reference = {span_of("n"), span_of("\xC0\x80"), span_of("p")};
    msg = rf_message_remote_reference(&reference);
    cr_assert_eq(rf_message_check(msg, &diag), RF_EFORMAT);
    rf_message_unref(msg);
}
