/* SPDX-License-Identifier: MIT */
/* Two links, a wire between them, and input that says what happens: messages, frames passed on whole or
 * damaged, frames made of the input's own bytes, cuts, restarts, time. Nothing may crash or leak, mailboxes
 * keep to their windows, and a link that refused a frame goes on after the next handshake. */
#include "net/link_internal.h"
#include "support/link_body.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 4, FLOWS = 3, MAILBOX_MAX = 1024, MS = 1000 * 1000, MESSAGE_MAX = 4096 };

struct letter {
    uint32_t inflow;
    size_t size;
    uint64_t request_id;
};

struct node {
    struct rfi_link *link;
    struct rfi_outflow *flows[FLOWS];
    uint8_t incarnation[RFI_INCARNATION_SIZE];
    struct letter letters[MAILBOX_MAX];
    size_t letter_count;
};

static struct node nodes[2];
static uint64_t now_ns, request_ids;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static rf_err on_flow(void *owner, uint32_t inflow, enum rfi_flow_kind kind, const char *source,
                      const char *actor, const char *port, void **out_user)
{
    (void)inflow;
    require(kind == RFI_FLOW_SEND || kind == RFI_FLOW_EMIT);
    require(strlen(source) < RFI_SOURCE_SIZE && strlen(actor) < RFI_NAME_SIZE);
    *out_user = owner;
    return port[0] == 'x' ? RF_ENOPORT : RF_OK;
}

static void on_flow_closed(void *owner, uint32_t inflow, void *user)
{
    (void)inflow;
    require(user == owner);
}

static rf_err on_message(void *owner, uint32_t inflow, void *user, rf_message *msg,
                         uint64_t request_id)
{
    struct node *node = owner;
    require(user == owner);
    require(rf_message_size(msg) <= MESSAGE_MAX);
    if (rf_message_size(msg) == 3)
        return RF_EACTOR;
    if (node->letter_count < MAILBOX_MAX)
        node->letters[node->letter_count++] =
            (struct letter){inflow, rf_message_size(msg), request_id};
    rf_message_unref(msg);
    uint32_t held = 0;
    for (size_t i = 0; i < node->letter_count; i++)
        held += node->letters[i].inflow == inflow ? 1 : 0;
    require(held <= WINDOW);
    return RF_OK;
}

static size_t on_messages(void *owner, uint32_t inflow, void *user, rf_message *const *messages,
                          size_t count, rf_err *out_err)
{
    for (size_t i = 0; i < count; i++)
        if ((*out_err = on_message(owner, inflow, user, messages[i], 0)) != RF_OK)
            return i;
    return count;
}

static void on_answer(void *owner, uint64_t request_id, rf_err err, rf_message *msg)
{
    (void)owner;
    require(request_id != 0 && request_id <= request_ids);
    require(err == RF_OK || msg == NULL);
    rf_message_unref(msg);
}

static void on_subscribe(void *owner, const char *actor, const char *port, bool is_wanted)
{
    (void)owner;
    (void)is_wanted;
    require(strlen(actor) > 0 && strlen(port) > 0);
}

static void on_reject(void *owner, struct rfi_outflow *flow, void *user, rf_err reason,
                      uint64_t count)
{
    (void)owner;
    (void)flow;
    (void)user;
    (void)reason;
    require(count > 0);
}

static void on_room(void *owner, struct rfi_outflow *flow, void *user)
{
    struct node *node = owner;
    (void)user;
    rf_message *msg = rf_message_integer(1);
    if (rfi_link_send(node->link, flow, msg, 0) != RF_OK)
        rf_message_unref(msg);
}

static void on_lost(void *owner, struct rfi_outflow *flow, void *user, uint64_t count,
                    enum rfi_loss why)
{
    (void)owner;
    (void)why;
    (void)flow;
    (void)user;
    require(count > 0);
}

static void on_json(void *owner, const char *text, size_t size)
{
    (void)owner;
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (unsigned char)text[i];
    require(sum <= 255 * size); /* all of it can be read */
}

static const struct rfi_link_sink sink = {on_flow,   on_flow_closed, on_message, on_messages,
                                          on_answer, on_subscribe,   on_reject,  on_room,
                                          on_lost,   on_json};

static void start_node(int which)
{
    struct node *node = &nodes[which];
    static const struct rfi_link_options options = {.flow_credit_messages = WINDOW,
                                                    .flow_credit_bytes = 2000,
                                                    .link_credit_bytes = 4000,
                                                    .outbox_messages_max = 16,
                                                    .flows_max = 4,
                                                    .message_bytes_max = MESSAGE_MAX,
                                                    .batch_bytes_max = 1500,
                                                    .heartbeat_interval_ms = 100,
                                                    .is_credit_kept = true,
                                                    .is_fast = true};
    rfi_link_free(node->link);
    node->letter_count = 0;
    for (int i = 0; i < 8; i++) {
        node->incarnation[i]++;
        if (node->incarnation[i] != 0)
            break;
    }
    node->incarnation[15] = (uint8_t)(which + 1);
    node->link = rfi_link_new(&options, node->incarnation, &sink, node);
    require(node->link != NULL);
    for (int i = 0; i < FLOWS; i++)
        node->flows[i] =
            rfi_link_open_flow(node->link, RFI_FLOW_SEND, "", "actor", i == 0 ? "x" : "in", node);
    node->flows[2]->is_fast = false;
}

static void reconnect(void)
{
    struct rfi_native_hello hello[2] = {0};
    for (int i = 0; i < 2; i++)
        rfi_link_down(nodes[i].link);
    for (int i = 0; i < 2; i++)
        rfi_link_hello(nodes[i].link, nodes[1 - i].incarnation, &hello[i]);
    /* Made up frames may have moved a cursor to where it cannot be: then only a restart helps. */
    if (rfi_link_up(nodes[0].link, &hello[1], now_ns) == RF_OK &&
        rfi_link_up(nodes[1].link, &hello[0], now_ns) == RF_OK)
        return;
    start_node(0);
    start_node(1);
}

/* False: the session ended. */
static bool take(int which, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* so that reading past the end is seen */
    require(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    rf_diag diag = {0};
    bool was_up = rfi_link_is_up(nodes[which].link);
    rf_err err = size % 2 == 0 ? rfi_link_input(nodes[which].link, copy, size, now_ns, &diag)
                               : input_in_two(nodes[which].link, copy, size, now_ns, &diag);
    free(copy);
    if (err == RF_OK)
        return true;
    require(diag.text[0] != '\0');
    require(!was_up || err == RF_EPROTO || err == RF_ELIMIT || err == RF_ENOMEM);
    reconnect();
    return false;
}

struct script {
    const uint8_t *at;
    size_t left;
};

static uint8_t next_byte(struct script *script)
{
    if (script->left == 0)
        return 0;
    script->left--;
    return *script->at++;
}

/* A frame whose head is right and whose records are the input's. */
static void take_made_up(struct script *script, int which)
{
    struct rfi_link *link = nodes[which].link;
    size_t size = next_byte(script);
    size = size < script->left ? size : script->left;
    struct rfi_buf frame;
    rfi_buf_init(&frame);
    rfi_frame_put_head(&frame, link->frames_in + 1, link->cursor_in + 1, link->base_seq - 1);
    if (!link->has_settings)
        rfi_frame_put_settings(&frame, WINDOW, 2000, 4);
    rfi_buf_append(&frame, script->at, size);
    script->at += size;
    script->left -= size;
    (void)take(which, frame.data, frame.size);
    rfi_buf_fini(&frame);
}

static void pass_frames(struct script *script, int from, bool is_damaged)
{
    struct rfi_buf frame;
    rfi_buf_init(&frame);
    bool goes_on = true;
    while (goes_on && rfi_link_poll(nodes[from].link, &frame, now_ns)) {
        require(frame.size <= MESSAGE_MAX + RFI_LINK_FRAME_OVERHEAD);
        if (is_damaged && frame.size > 0) {
            size_t at = (next_byte(script) | (size_t)next_byte(script) << 8) % frame.size;
            uint8_t how = next_byte(script);
            if (how == 0)
                frame.size = at;
            else
                frame.data[at] ^= how;
        }
        goes_on = take(1 - from, frame.data, frame.size);
        rfi_buf_clear(&frame);
    }
    rfi_buf_fini(&frame);
}

static void send_one(struct script *script, int which)
{
    struct node *node = &nodes[which];
    uint8_t how = next_byte(script);
    static const uint8_t zeros[MESSAGE_MAX];
    size_t size = (size_t)next_byte(script) * ((how & 0x40) != 0 ? 16 : 1);
    rf_message *msg = rf_message_bytes(zeros, size);
    require(msg != NULL);
    struct rfi_outflow *flow = node->flows[how % FLOWS];
    if (!rfi_link_has_room(node->link, flow, size) ||
        rfi_link_send(node->link, flow, msg, (how & 0x80) != 0 ? ++request_ids : 0) != RF_OK)
        rf_message_unref(msg);
}

static void consume_one(int which)
{
    struct node *node = &nodes[which];
    if (node->letter_count == 0)
        return;
    struct letter letter = node->letters[--node->letter_count];
    if (letter.request_id != 0)
        rfi_link_answer(node->link, letter.request_id, RF_OK, rf_message_integer(1));
    rfi_link_consumed(node->link, letter.inflow, 1, letter.size);
}

static void act(struct script *script)
{
    uint8_t op = next_byte(script);
    int which = op & 1;
    switch (op >> 1 & 0x0f) {
    case 0: {
        size_t size = next_byte(script);
        size = size < script->left ? size : script->left;
        (void)take(which, script->at, size);
        script->at += size;
        script->left -= size;
        break;
    }
    case 1:
    case 2:
        take_made_up(script, which);
        break;
    case 3:
    case 4:
    case 5:
        send_one(script, which);
        break;
    case 6:
    case 7:
    case 8:
        pass_frames(script, which, false);
        break;
    case 9:
        pass_frames(script, which, true);
        break;
    case 10:
    case 11:
        consume_one(which);
        break;
    case 12:
        now_ns += (uint64_t)next_byte(script) * 2 * MS;
        for (int i = 0; i < 2; i++)
            if (rfi_link_tick(nodes[i].link, now_ns) != RF_OK)
                reconnect();
        break;
    case 13:
        reconnect();
        break;
    case 14:
        rfi_link_close_flow(nodes[which].link, nodes[which].flows[1]);
        nodes[which].flows[1] =
            rfi_link_open_flow(nodes[which].link, RFI_FLOW_EMIT, "a@b", "actor", "out", NULL);
        if (rfi_link_subscribe(nodes[which].link, "actor", "out", (op & 0x20) != 0) != RF_OK)
            return; /* the outbox of subscriptions is full, which is an answer as good as any */
        rfi_link_send_json(nodes[which].link, "{}", 2);
        break;
    default:
        start_node(which);
        reconnect();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {data, size};
    now_ns = 1000 * (uint64_t)MS;
    request_ids = 0;
    start_node(0);
    start_node(1);
    reconnect();
    while (script.left > 0)
        act(&script);
    for (int i = 0; i < 2; i++) {
        rfi_link_free(nodes[i].link);
        nodes[i].link = NULL;
    }
    return 0;
}
