/* SPDX-License-Identifier: MIT */
/* Tagged and plain JSON: what is read is written and read again to the same message, its body passes
 * the check for bodies from a peer, and a value survives the same way. */
#include "core/message/message_internal.h"

#include <stdlib.h>

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_accessors(const rf_message *msg)
{
    size_t count = rf_message_array_count(msg);
    for (size_t i = 0; i < count; i++)
        require(rf_message_array_item(msg, i).data != NULL);
    require(rf_message_array_item(msg, count).data == NULL);
    (void)rf_message_data(msg);
    rf_err err = rf_message_check(msg, NULL);
    require(err == RF_OK || err == RF_EFORMAT);
}

static void check_tagged(const char *text, size_t size)
{
    rf_message *msg = NULL;
    rf_message *again = NULL;
    rf_message *copy = NULL;
    char *json = NULL;
    size_t json_size = 0;
    rf_diag diag;
    if (rf_message_from_tagged(text, size, &msg, &diag) != RF_OK)
        return;
    check_accessors(msg);
    require(rfi_message_from_body(rf_message_kind(msg), msg->body, msg->size, &copy) == RF_OK);
    require(rf_message_equal(msg, copy));
    require(rf_message_to_tagged(msg, &json, &json_size) == RF_OK);
    require(rf_message_from_tagged(json, json_size, &again, NULL) == RF_OK);
    require(rf_message_equal(msg, again));
    free(json);
    require(rf_message_to_value(msg, &json, &json_size) == RF_OK);
    free(json);
    rf_message_unref(msg);
    rf_message_unref(again);
    rf_message_unref(copy);
}

static void check_value(const char *text, size_t size)
{
    rf_message *msg = NULL;
    rf_message *again = NULL;
    char *json = NULL;
    size_t json_size = 0;
    if (rf_message_from_value(text, size, &msg, NULL) != RF_OK)
        return;
    check_accessors(msg);
    require(rf_message_check(msg, NULL) == RF_OK);
    require(rf_message_to_value(msg, &json, &json_size) == RF_OK);
    require(rf_message_from_value(json, json_size, &again, NULL) == RF_OK);
    require(rf_message_equal(msg, again));
    free(json);
    rf_message_unref(msg);
    rf_message_unref(again);
}

/* The first byte as the kind, the rest as a body from a peer. */
static void check_body(const uint8_t *data, size_t size)
{
    rf_message *msg = NULL;
    char *json = NULL;
    size_t json_size = 0;
    if (size == 0 || rfi_message_from_body((rf_kind)data[0], data + 1, size - 1, &msg) != RF_OK)
        return;
    check_accessors(msg);
    if (rf_message_to_tagged(msg, &json, &json_size) == RF_OK) {
        require(json[json_size] == '\0');
        free(json);
    }
    require(rf_message_to_value(msg, &json, &json_size) == RF_OK);
    free(json);
    rf_message_unref(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_tagged((const char *)data, size);
    check_value((const char *)data, size);
    check_body(data, size);
    return 0;
}
