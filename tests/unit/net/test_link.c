/* SPDX-License-Identifier: MIT */
/* Two links back to back over queues of frames, under a clock of the test's own. Each test shows one rule of
 * docs/protocol.md; random faults are the simulation's business (tests/sim/sim_link.c). */
#include "net/link_internal.h"
#include "support/link_body.h"
#include "support/rf_test.h"

enum { MS = 1000000, LOG_MAX = 4096, FRAMES_MAX = 4096 };

struct taken { /* a message in a mailbox */
    uint32_t inflow;
    uint64_t request_id;
    int64_t value;
    size_t size;
};

struct node {
    struct rfi_link *link;
    uint64_t boot;
    uint8_t incarnation[RFI_INCARNATION_SIZE];
    struct taken taken[LOG_MAX];
    size_t taken_count, consumed_count;
    uint32_t flows_told, flows_closed, rooms;
    uint32_t last_inflow;
    char last_actor[RFI_NAME_SIZE], last_port[RFI_NAME_SIZE], last_source[RFI_SOURCE_SIZE];
    rf_err refuse_flow, refuse_message;
    bool consumes; /* at once */
    uint64_t rejected, lost, lost_fast;
    rf_err reject_reason;
    uint64_t answers;
    uint64_t last_answer_id;
    rf_err last_answer;
    int64_t last_answer_value;
    uint32_t subscribed, unsubscribed;
    char json[64];
    /* frames on their way to the peer */
    struct rfi_buf wire[FRAMES_MAX];
    size_t wire_count, wire_at;
};

static uint64_t now_ns;

static rf_err on_flow(void *owner, uint32_t inflow, enum rfi_flow_kind kind,
                      const char *source_actor, const char *actor, const char *port,
                      void **out_user)
{
    struct node *node = owner;
    (void)kind;
    node->flows_told++;
    node->last_inflow = inflow;
    (void)snprintf(node->last_source, sizeof node->last_source, "%s", source_actor);
    (void)snprintf(node->last_actor, sizeof node->last_actor, "%s", actor);
    (void)snprintf(node->last_port, sizeof node->last_port, "%s", port);
    *out_user = node;
    return node->refuse_flow;
}

static void on_flow_closed(void *owner, uint32_t inflow, void *user)
{
    struct node *node = owner;
    (void)inflow;
    cr_assert(user == owner);
    node->flows_closed++;
}

static rf_err on_message(void *owner, uint32_t inflow, void *user, rf_message *msg,
                         uint64_t request_id)
{
    struct node *node = owner;
    cr_assert(user == owner);
    if (node->refuse_message != RF_OK)
        return node->refuse_message;
    struct taken *taken = &node->taken[node->taken_count++];
    *taken = (struct taken){.inflow = inflow, .request_id = request_id};
    taken->value = rf_message_as_integer(msg);
    taken->size = rf_message_size(msg);
    rf_message_unref(msg);
    if (node->consumes) {
        node->consumed_count++;
        rfi_link_consumed(node->link, inflow, 1, taken->size);
    }
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
    struct node *node = owner;
    node->answers++;
    node->last_answer_id = request_id;
    node->last_answer = err;
    node->last_answer_value = msg != NULL ? rf_message_as_integer(msg) : -1;
    rf_message_unref(msg);
}

static void on_subscribe(void *owner, const char *actor, const char *port, bool is_wanted)
{
    struct node *node = owner;
    cr_assert_str_eq(actor, "a");
    cr_assert_str_eq(port, "out");
    if (is_wanted)
        node->subscribed++;
    else
        node->unsubscribed++;
}

static void on_reject(void *owner, struct rfi_outflow *flow, void *user, rf_err reason,
                      uint64_t count)
{
    struct node *node = owner;
    (void)flow;
    (void)user;
    node->rejected += count;
    node->reject_reason = reason;
}

static void on_room(void *owner, struct rfi_outflow *flow, void *user)
{
    struct node *node = owner;
    (void)user;
    node->rooms++;
    cr_assert(rfi_link_has_room(node->link, flow, 1));
}

static void on_lost(void *owner, struct rfi_outflow *flow, void *user, uint64_t count,
                    enum rfi_loss why)
{
    struct node *node = owner;
    cr_assert(user == (flow->is_closed ? NULL : owner));
    if (why == RFI_LOST_FAST)
        node->lost_fast += count;
    else
        node->lost += count;
}

static void on_json(void *owner, const char *text, size_t size)
{
    struct node *node = owner;
    (void)snprintf(node->json, sizeof node->json, "%.*s", (int)size, text);
}

static const struct rfi_link_sink sink = {on_flow,   on_flow_closed, on_message, on_messages,
                                          on_answer, on_subscribe,   on_reject,  on_room,
                                          on_lost,   on_json};

static const struct rfi_link_options plain_options = {
    .flow_credit_messages = 256,
    .flow_credit_bytes = 1024 * 1024,
    .link_credit_bytes = 8 * 1024 * 1024,
    .outbox_messages_max = 1024,
    .flows_max = 64,
    .message_bytes_max = 1024 * 1024,
    .batch_bytes_max = 64 * 1024,
    .heartbeat_interval_ms = 1000,
};

static struct node nodes[2];

static void start_node(struct node *node, const struct rfi_link_options *options, uint8_t life)
{
    *node = (struct node){.consumes = true};
    memset(node->incarnation, life, sizeof node->incarnation);
    node->link = rfi_link_new(options, node->incarnation, &sink, node);
    cr_assert_not_null(node->link);
}

static void drop_wires(struct node *node)
{
    for (; node->wire_at < node->wire_count; node->wire_at++)
        rfi_buf_fini(&node->wire[node->wire_at]);
    node->wire_at = 0;
    node->wire_count = 0;
}

static bool is_old; /* the second node does not know level fast */

static rf_err connect_nodes(void)
{
    struct rfi_native_hello hello[2] = {0};
    rfi_link_hello(nodes[0].link, NULL, &hello[0]);
    rfi_link_hello(nodes[1].link, nodes[0].incarnation, &hello[1]);
    hello[1].takes_fast = !is_old;
    rf_err err = rfi_link_up(nodes[0].link, &hello[1], now_ns);
    rf_err other = rfi_link_up(nodes[1].link, &hello[0], now_ns);
    return err != RF_OK ? err : other;
}

static void cut(void)
{
    for (int i = 0; i < 2; i++) {
        drop_wires(&nodes[i]);
        rfi_link_down(nodes[i].link);
    }
}

/* Poll all frames of a node onto its wire. */
static size_t poll_node(struct node *node)
{
    size_t count = 0;
    for (;;) {
        struct rfi_buf frame;
        rfi_buf_init(&frame);
        if (!rfi_link_poll(node->link, &frame, now_ns)) {
            rfi_buf_fini(&frame);
            return count;
        }
        cr_assert(node->wire_count < FRAMES_MAX);
        node->wire[node->wire_count++] = frame;
        count++;
    }
}

/* Hand the next frame of `from` to the other node. */
static bool pass_frame(struct node *from)
{
    struct node *to = from == &nodes[0] ? &nodes[1] : &nodes[0];
    if (from->wire_at == from->wire_count)
        return false;
    struct rfi_buf *frame = &from->wire[from->wire_at++];
    rf_diag diag = {0};
    rf_err err = frame->size % 2 == 0
                     ? rfi_link_input(to->link, frame->data, frame->size, now_ns, &diag)
                     : input_in_two(to->link, frame->data, frame->size, now_ns, &diag);
    cr_assert_eq(err, RF_OK);
    rfi_buf_fini(frame);
    if (from->wire_at == from->wire_count) {
        from->wire_at = 0;
        from->wire_count = 0;
    }
    return true;
}

/* Until nobody has anything to say at this moment. */
static void settle(void)
{
    bool is_busy = true;
    while (is_busy) {
        is_busy = poll_node(&nodes[0]) + poll_node(&nodes[1]) > 0;
        while (pass_frame(&nodes[0]) || pass_frame(&nodes[1]))
            is_busy = true;
    }
}

static void settle_later(void)
{
    settle();
    now_ns += 6 * MS;
    settle();
}

static void begin(const struct rfi_link_options *a, const struct rfi_link_options *b)
{
    now_ns = 1000 * (uint64_t)MS;
    start_node(&nodes[0], a, 0xa1);
    start_node(&nodes[1], b, 0xb1);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle();
}

static void end(void)
{
    for (int i = 0; i < 2; i++) {
        drop_wires(&nodes[i]);
        rfi_link_free(nodes[i].link);
    }
}

static struct rfi_outflow *open_to(const char *actor)
{
    struct rfi_outflow *flow =
        rfi_link_open_flow(nodes[0].link, RFI_FLOW_SEND, "src", actor, "in", &nodes[0]);
    cr_assert_not_null(flow);
    return flow;
}

static rf_err send_value(struct rfi_outflow *flow, int64_t value, uint64_t request_id)
{
    rf_message *msg = rf_message_integer(value);
    cr_assert_not_null(msg);
    rf_err err = rfi_link_send(nodes[0].link, flow, msg, request_id);
    if (err != RF_OK)
        rf_message_unref(msg);
    return err;
}

static rf_err send_bytes(struct rfi_outflow *flow, size_t size)
{
    char *bytes = calloc(1, size + 1);
    rf_message *msg = rf_message_bytes(bytes, size);
    free(bytes);
    cr_assert_not_null(msg);
    rf_err err = rfi_link_send(nodes[0].link, flow, msg, 0);
    if (err != RF_OK)
        rf_message_unref(msg);
    return err;
}

static struct rfi_link_stats stats_of(const struct node *node)
{
    struct rfi_link_stats stats;
    rfi_link_get_stats(node->link, &stats);
    return stats;
}

static void consume_all(struct node *node)
{
    for (; node->consumed_count < node->taken_count; node->consumed_count++)
        rfi_link_consumed(node->link, node->taken[node->consumed_count].inflow, 1,
                          node->taken[node->consumed_count].size);
}

/* ---- the plain way ---- */

Test(link, messages_of_several_flows_arrive_once_and_in_order)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *one = open_to("one");
    struct rfi_outflow *two = open_to("two");

    for (int64_t i = 0; i < 100; i++) {
        cr_assert(rfi_link_has_room(nodes[0].link, i % 3 == 0 ? two : one, 8));
        cr_assert_eq(send_value(i % 3 == 0 ? two : one, i, 0), RF_OK);
    }
    settle_later();

    cr_assert_eq(nodes[1].taken_count, 100);
    for (int64_t i = 0; i < 100; i++)
        cr_assert_eq(nodes[1].taken[i].value, i);
    cr_assert_eq(nodes[1].flows_told, 2);
    cr_assert_str_eq(nodes[1].last_source, "src");
    cr_assert_str_eq(nodes[1].last_port, "in");
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
    cr_assert_eq(stats_of(&nodes[0]).cursor_out, 100);
    cr_assert_eq(stats_of(&nodes[1]).cursor_in, 100);
    end();
}

Test(link, every_kind_arrives_byte_for_byte)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    rf_span items[2] = {{"1", 1}, {"\"x\"", 3}};
    rf_message *all[] = {rf_message_flow(),          rf_message_boolean(true),
                         rf_message_integer(-5),     rf_message_float(0.5),
                         rf_message_string("x", 1),  rf_message_bytes("", 0),
                         rf_message_array(items, 2), rf_message_optional(NULL, 0)};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        cr_assert_eq(rfi_link_send(nodes[0].link, flow, all[i], 0), RF_OK);
    settle();

    cr_assert_eq(nodes[1].taken_count, sizeof all / sizeof all[0]);
    cr_assert_eq(nodes[1].taken[2].value, -5);
    cr_assert_eq(nodes[1].taken[6].size, 4 + 1 + 4 + 3);
    end();
}

static void send_run(struct rfi_outflow *flow, const size_t *sizes, size_t count)
{
    rf_message *messages[64];
    static const uint8_t bytes[RFI_LOG_BODY_MAX];
    for (size_t i = 0; i < count; i++)
        messages[i] = rf_message_bytes(bytes, sizes[i]);
    rfi_link_send_run(nodes[0].link, flow, messages, count);
}

Test(link, a_run_arrives_between_single_messages_in_order_and_is_sent_again_from_any_place)
{
    static const size_t sizes[] = {0, 1, 127, 128, 300, RFI_LOG_BODY_MAX, 64, 64};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    size_t bytes = 0, size_max = 0;
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    cr_assert_eq(rfi_link_run_room(nodes[0].link, flow, COUNT, &bytes, &size_max), 0,
                 "a flow without a number has none");
    cr_assert_eq(send_value(flow, 7, 0), RF_OK);
    cr_assert_eq(rfi_link_run_room(nodes[0].link, flow, COUNT, &bytes, &size_max), COUNT);
    cr_assert_eq(size_max, RFI_LOG_BODY_MAX);
    send_run(flow, sizes, COUNT);
    cr_assert_eq(send_value(flow, 8, 5), RF_OK);
    send_run(flow, sizes, 3);
    cr_assert_eq(poll_node(&nodes[0]), 1);
    drop_wires(&nodes[0]);
    cut();
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[1].taken_count, COUNT + 5);
    cr_assert_eq(nodes[1].taken[0].value, 7);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(nodes[1].taken[1 + i].size, sizes[i]);
    cr_assert_eq(nodes[1].taken[1 + COUNT].value, 8);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(nodes[1].taken[2 + COUNT + i].size, sizes[i]);
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_bytes, 0);
    end();
}

/* Poll one frame whose end may stay in the log. */
static void poll_tail(struct rfi_buf *frame, struct rfi_tail *tail)
{
    *tail = (struct rfi_tail){.data = NULL};
    rfi_buf_init(frame);
    cr_assert(rfi_link_poll_tail(nodes[0].link, frame, tail, now_ns));
}

static void put_on_wire(struct rfi_buf *frame, const struct rfi_tail *tail)
{
    rfi_buf_append(frame, tail->data, tail->size);
    nodes[0].wire[nodes[0].wire_count++] = *frame;
}

Test(link, a_frame_may_point_at_its_messages_which_stay_until_it_lets_go)
{
    enum { COUNT = 64, SIZE = 200 };
    size_t sizes[COUNT];
    struct rfi_buf frame;
    struct rfi_tail tail;
    uint8_t *copy = malloc(RFI_LOG_CHUNK_BYTES);
    for (size_t i = 0; i < COUNT; i++)
        sizes[i] = SIZE;
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    cr_assert_eq(send_value(flow, 0, 0), RF_OK);
    settle_later();

    send_run(flow, sizes, COUNT);
    poll_tail(&frame, &tail);
    cr_assert_geq(tail.size, (size_t)(COUNT - 1) * SIZE, "all but the first lie there");
    memcpy(copy, tail.data, tail.size);
    put_on_wire(&frame, &tail);
    settle_later();
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
    for (int i = 0; i < 8; i++) { /* several chunks */
        memset(sizes, 0, sizeof sizes);
        for (size_t k = 0; k < COUNT; k++)
            cr_assert_eq(send_value(flow, (int64_t)k + 1, 0), RF_OK);
        send_run(flow, sizes, COUNT);
        settle_later();
    }
    cr_assert_arr_eq(tail.data, copy, tail.size, "nobody wrote over it");
    cr_assert_eq(nodes[1].taken_count, 1 + COUNT + 8 * 2 * COUNT);
    cr_assert_eq(nodes[1].taken[COUNT].size, SIZE);
    end(); /* the frame outlives its link */
    rfi_tail_release(&tail);
    free(copy);
}

Test(link, a_run_keeps_to_the_credit_of_its_flow_and_to_the_outbox)
{
    size_t bytes = 0, size_max = 0;
    struct rfi_link_options options = plain_options;
    options.flow_credit_messages = 10;
    options.flow_credit_bytes = 2000;
    struct rfi_link_options own = plain_options;
    own.outbox_messages_max = 12;
    begin(&own, &options);
    nodes[1].consumes = false;
    struct rfi_outflow *flow = open_to("a");
    struct rfi_outflow *other = open_to("b");
    cr_assert_eq(send_value(flow, 0, 0), RF_OK);
    cr_assert_eq(send_value(other, 0, 0), RF_OK);

    cr_assert_eq(rfi_link_run_room(nodes[0].link, flow, 64, &bytes, &size_max), 9);
    cr_assert_eq(bytes, 2000 - 8);
    send_run(flow, (const size_t[]){500, 500, 500}, 3);
    cr_assert_eq(rfi_link_run_room(nodes[0].link, flow, 64, &bytes, &size_max), 6);
    cr_assert_eq(bytes, 2000 - 8 - 1500);
    send_run(flow, (const size_t[]){0, 0, 0, 0, 0, 0}, 6);
    cr_assert_eq(rfi_link_run_room(nodes[0].link, flow, 64, &bytes, &size_max), 0);
    cr_assert_eq(rfi_link_run_room(nodes[0].link, other, 64, &bytes, &size_max), 1,
                 "of the twelve that the outbox keeps");
    settle_later();
    cr_assert_eq(nodes[1].taken_count, 11);
    cr_assert_not(rfi_link_has_room(nodes[0].link, flow, 1));
    consume_all(&nodes[1]);
    settle();
    cr_assert_eq(nodes[0].rooms, 1);
    cr_assert_eq(rfi_link_run_room(nodes[0].link, flow, 64, &bytes, &size_max), 10);
    end();
}

Test(link, a_burst_shares_frames)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");

    for (int64_t i = 0; i < 200; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);

    cr_assert_eq(poll_node(&nodes[0]), 1);
    cr_assert_lt(nodes[0].wire[0].size, 200 * 10 + 100);
    settle();
    cr_assert_eq(nodes[1].taken_count, 200);
    end();
}

Test(link, frames_keep_to_the_batch_size_and_a_large_message_goes_alone)
{
    struct rfi_link_options options = plain_options;
    options.batch_bytes_max = 2000;
    begin(&options, &options);
    struct rfi_outflow *flow = open_to("a");

    for (int i = 0; i < 50; i++)
        cr_assert_eq(send_bytes(flow, i == 20 ? 50000 : 300), RF_OK);
    (void)poll_node(&nodes[0]);

    for (size_t i = 0; i < nodes[0].wire_count; i++) {
        size_t size = nodes[0].wire[i].size;
        cr_assert(size <= 2000 || (size > 50000 && size < 50100));
    }
    settle();
    cr_assert_eq(nodes[1].taken_count, 50);
    cr_assert_eq(nodes[1].taken[20].size, 50000);
    end();
}

Test(link, a_message_of_the_largest_size_is_taken_and_one_more_byte_is_refused_at_the_sender)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");

    cr_assert(rfi_link_has_room(nodes[0].link, flow, plain_options.message_bytes_max + 1));
    cr_assert_eq(send_bytes(flow, plain_options.message_bytes_max + 1), RF_ELIMIT);
    cr_assert_eq(send_bytes(flow, plain_options.message_bytes_max), RF_OK);
    settle();

    cr_assert_eq(nodes[1].taken_count, 1);
    cr_assert_eq(nodes[1].taken[0].size, plain_options.message_bytes_max);
    end();
}

Test(link, a_name_that_cannot_go_over_the_wire_is_refused_at_the_sender)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("bad name");

    cr_assert(rfi_link_has_room(nodes[0].link, flow, 8));
    cr_assert_eq(send_value(flow, 1, 0), RF_EINVAL);
    cr_assert_eq(rfi_link_subscribe(nodes[0].link, "a", "bad name", true), RF_EINVAL);
    settle();

    cr_assert(rfi_link_is_up(nodes[1].link));
    end();
}

Test(link, a_proxy_may_be_the_source)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow =
        rfi_link_open_flow(nodes[0].link, RFI_FLOW_EMIT, "p@far", "a", "out", NULL);

    cr_assert_eq(send_value(flow, 1, 0), RF_OK);
    settle();

    cr_assert_str_eq(nodes[1].last_source, "p@far");
    end();
}

/* ---- acknowledgements ---- */

Test(link, an_acknowledgement_waits_at_most_five_milliseconds)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    cr_assert_eq(send_value(flow, 1, 0), RF_OK);
    settle();
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 1);
    cr_assert_leq(rfi_link_next_ns(nodes[1].link), now_ns + 5 * MS);

    now_ns = rfi_link_next_ns(nodes[1].link);
    settle();

    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
    end();
}

Test(link, sixty_four_messages_are_acknowledged_at_once)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 63; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    settle();
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 63);

    cr_assert_eq(send_value(flow, 63, 0), RF_OK);
    settle();

    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
    end();
}

/* ---- credits ---- */

Test(link, a_flow_without_credit_waits_and_does_not_stop_another)
{
    struct rfi_link_options options = plain_options;
    options.flow_credit_messages = 4;
    begin(&plain_options, &options);
    nodes[1].consumes = false;
    struct rfi_outflow *slow = open_to("slow");
    struct rfi_outflow *other = open_to("other");

    for (int64_t i = 0; i < 4; i++)
        cr_assert_eq(send_value(slow, i, 0), RF_OK);
    cr_assert_not(rfi_link_has_room(nodes[0].link, slow, 8));
    cr_assert_eq(send_value(slow, 4, 0), RF_EFULL);
    cr_assert_eq(send_value(other, 100, 0), RF_OK);
    settle_later();

    cr_assert_eq(nodes[1].taken_count, 5);
    cr_assert_eq(nodes[0].rooms, 0);
    consume_all(&nodes[1]);
    settle();
    cr_assert_eq(nodes[0].rooms, 1);
    end();
}

Test(link, credit_of_one_message_never_sticks)
{
    struct rfi_link_options options = plain_options;
    options.flow_credit_messages = 1;
    options.flow_credit_bytes = 1;
    begin(&options, &options);
    struct rfi_outflow *flow = open_to("a");

    for (int64_t i = 0; i < 50; i++) {
        if (!rfi_link_has_room(nodes[0].link, flow, 8))
            settle_later();
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    }
    settle_later();

    cr_assert_eq(nodes[1].taken_count, 50);
    end();
}

Test(link, a_message_above_the_flow_credit_goes_when_the_flow_is_empty)
{
    struct rfi_link_options options = plain_options;
    options.flow_credit_bytes = 1000;
    begin(&plain_options, &options);
    nodes[1].consumes = false;
    struct rfi_outflow *flow = open_to("a");
    cr_assert_eq(send_bytes(flow, 10), RF_OK);
    settle();
    cr_assert_not(rfi_link_has_room(nodes[0].link, flow, 5000));

    consume_all(&nodes[1]);
    settle_later();

    cr_assert_eq(nodes[0].rooms, 1);
    cr_assert_eq(send_bytes(flow, 5000), RF_OK);
    cr_assert_not(rfi_link_has_room(nodes[0].link, flow, 0));
    settle();
    cr_assert_eq(nodes[1].taken[1].size, 5000);
    end();
}

Test(link, the_link_credit_bounds_what_is_unacknowledged)
{
    struct rfi_link_options options = plain_options;
    options.link_credit_bytes = 1000;
    begin(&options, &plain_options);
    struct rfi_outflow *flow = open_to("a");

    cr_assert(rfi_link_has_room(nodes[0].link, flow, 5000));
    cr_assert_eq(send_bytes(flow, 5000), RF_OK);
    cr_assert_not(rfi_link_has_room(nodes[0].link, flow, 1));
    settle_later();

    cr_assert_eq(nodes[0].rooms, 1);
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_bytes, 0);
    end();
}

Test(link, nobody_passes_a_large_message_that_waits_for_the_link)
{
    struct rfi_link_options options = plain_options;
    options.link_credit_bytes = 1000;
    begin(&options, &plain_options);
    struct rfi_outflow *large = open_to("large");
    struct rfi_outflow *small = open_to("small");
    cr_assert_eq(send_bytes(small, 100), RF_OK);

    cr_assert_not(rfi_link_has_room(nodes[0].link, large, 950));
    cr_assert_not(rfi_link_has_room(nodes[0].link, small, 100));
    settle_later();

    cr_assert_eq(nodes[0].rooms, 2);
    end();
}

Test(link, the_outbox_is_bounded_by_messages_too)
{
    struct rfi_link_options options = plain_options;
    options.outbox_messages_max = 3;
    begin(&options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 3; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);

    cr_assert_eq(send_value(flow, 3, 0), RF_EFULL);
    end();
}

Test(link, kept_credit_outlives_a_session_so_reconnecting_never_fills_a_mailbox)
{
    struct rfi_link_options options = plain_options;
    options.flow_credit_messages = 8;
    options.is_credit_kept = true;
    begin(&plain_options, &options);
    nodes[1].consumes = false;
    struct rfi_outflow *flow = open_to("a");

    for (int round = 0; round < 10; round++) {
        while (rfi_link_has_room(nodes[0].link, flow, 8))
            cr_assert_eq(send_value(flow, 1, 0), RF_OK);
        settle_later();
        cut();
        cr_assert_eq(connect_nodes(), RF_OK);
        settle_later();
    }
    cr_assert_eq(nodes[1].taken_count, 8);

    cut();
    consume_all(&nodes[1]);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle();
    cr_assert(rfi_link_has_room(nodes[0].link, flow, 8));
    end();
}

Test(link, credit_that_is_not_kept_starts_anew_and_old_numbers_are_ignored)
{
    struct rfi_link_options options = plain_options;
    options.flow_credit_messages = 8;
    begin(&plain_options, &options);
    nodes[1].consumes = false;
    struct rfi_outflow *flow = open_to("a");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 8; i++)
            cr_assert_eq(send_value(flow, 1, 0), RF_OK);
        cr_assert_not(rfi_link_has_room(nodes[0].link, flow, 8));
        settle_later();
        if (round == 0) {
            cut();
            cr_assert_eq(connect_nodes(), RF_OK);
            settle();
        }
    }

    for (int i = 0; i < 8; i++)
        rfi_link_consumed(nodes[1].link, nodes[1].taken[0].inflow, 1, 8);
    settle_later();
    cr_assert_not(rfi_link_has_room(nodes[0].link, flow, 8));
    for (int i = 0; i < 8; i++)
        rfi_link_consumed(nodes[1].link, nodes[1].taken[8].inflow, 1, 8);
    settle_later();

    cr_assert(rfi_link_has_room(nodes[0].link, flow, 8));
    end();
}

/* ---- resume ---- */

Test(link, what_was_not_received_is_sent_again_after_a_cut)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 10; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    (void)poll_node(&nodes[0]);

    cut();
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[1].taken_count, 10);
    cr_assert_eq(stats_of(&nodes[0]).resent_messages, 10);
    cr_assert_eq(stats_of(&nodes[0]).lost_messages, 0);
    end();
}

Test(link, what_was_received_and_not_acknowledged_is_not_sent_again)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 10; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    (void)poll_node(&nodes[0]);
    cr_assert(pass_frame(&nodes[0]));
    cr_assert_eq(send_value(flow, 10, 0), RF_OK);

    cut();
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[1].taken_count, 11);
    cr_assert_eq(nodes[1].taken[10].value, 10);
    cr_assert_eq(stats_of(&nodes[0]).resent_messages, 0);
    end();
}

Test(link, an_old_cursor_in_the_handshake_is_mended_by_the_first_frame)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 10; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    (void)poll_node(&nodes[0]);
    struct rfi_native_hello old = {0};
    rfi_link_hello(nodes[1].link, nodes[0].incarnation, &old);
    cr_assert(pass_frame(&nodes[0]));

    cut();
    struct rfi_native_hello hello = {0};
    rfi_link_hello(nodes[0].link, NULL, &hello);
    cr_assert_eq(rfi_link_up(nodes[0].link, &old, now_ns), RF_OK);
    cr_assert_eq(rfi_link_up(nodes[1].link, &hello, now_ns), RF_OK);
    settle_later();

    cr_assert_eq(nodes[1].taken_count, 10);
    cr_assert_eq(stats_of(&nodes[0]).resent_messages, 0);
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
    end();
}

/* A frame to the second node whose message has its body elsewhere. */
static rf_err input_body(uint64_t seq, uint8_t kind, size_t said, struct rfi_body *body,
                         rf_diag *diag)
{
    struct rfi_buf frame;
    rfi_buf_init(&frame);
    rfi_frame_put_head(&frame, nodes[1].link->frames_in + 1, seq, 0);
    if (nodes[1].flows_told == 0)
        rfi_frame_put_open(&frame, 0, RFI_FLOW_SEND, "", "a", "in");
    size_t count_at = rfi_frame_begin_run(&frame, 0, kind, 0);
    rfi_frame_put_message(&frame, 0, 0, NULL, said);
    rfi_frame_set_run_count(&frame, count_at, 1);
    rf_err err = rfi_link_input_body(nodes[1].link, frame.data, frame.size, body, now_ns, diag);
    rfi_buf_fini(&frame);
    return err;
}

static struct rfi_body make_body(size_t size)
{
    struct rfi_body body = {.block = rfi_block_take(RFI_MESSAGE_HEADROOM + size), .size = size};
    cr_assert_not_null(body.block);
    memset(body.block + RFI_MESSAGE_HEADROOM, 7, size);
    return body;
}

Test(link, a_body_of_its_own_becomes_the_message)
{
    begin(&plain_options, &plain_options);
    struct rfi_body body = make_body(1000);
    cr_assert_eq(input_body(1, RF_KIND_BYTES, 1000, &body, NULL), RF_OK);
    cr_assert_null(body.block, "the message has it");
    cr_assert_eq(nodes[1].taken_count, 1);
    cr_assert_eq(nodes[1].taken[0].size, 1000);

    /* One that we have already, and one that nobody takes: the block stays with its owner. */
    body = make_body(1000);
    cr_assert_eq(input_body(1, RF_KIND_BYTES, 1000, &body, NULL), RF_OK);
    cr_assert_not_null(body.block);
    cr_assert_eq(nodes[1].taken_count, 1);
    nodes[1].refuse_message = RF_EACTOR;
    cr_assert_eq(input_body(2, RF_KIND_BYTES, 1000, &body, NULL), RF_OK);
    cr_assert_null(body.block, "the message had it, and was freed");
    cr_assert_eq(nodes[1].taken_count, 1);
    end();
}

Test(link, a_body_that_cannot_be_right_ends_the_session)
{
    static const struct {
        uint8_t kind;
        size_t said;
        const char *reason;
    } cases[] = {{RF_KIND_BYTES, 999, "the frame ends too early"},
                 {RF_KIND_BYTES, 0, "the end of the frame belongs to no message"},
                 {RF_KIND_BOOLEAN, 1000, "the body of a message is malformed"},
                 {RF_KIND_ARRAY, 1000, "the body of a message is malformed"},
                 {RF_KIND_COUNT, 1000, "a message of an unknown kind"},
                 {RF_KIND_BYTES, UINT32_MAX, "a message is larger than we take"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(&plain_options, &plain_options);
        struct rfi_body body = make_body(1000);
        rf_diag diag = {.text = ""};
        cr_assert_neq(input_body(1, cases[i].kind, cases[i].said, &body, &diag), RF_OK);
        cr_assert_not_null(strstr(diag.text, cases[i].reason), "%s", diag.text);
        cr_assert_not_null(body.block, "it stays with its owner");
        cr_assert_eq(nodes[1].taken_count, cases[i].said == 0 ? 1 : 0);
        rfi_block_put(body.block);
        end();
    }
}

/* Put a message with this number in a frame to the second node. */
static rf_err input_message(uint64_t seq, bool opens)
{
    struct rfi_buf frame;
    rfi_buf_init(&frame);
    rfi_frame_put_head(&frame, nodes[1].link->frames_in + 1, seq, 0);
    if (opens)
        rfi_frame_put_open(&frame, 0, RFI_FLOW_SEND, "", "a", "in");
    size_t count_at = rfi_frame_begin_run(&frame, 0, RF_KIND_FLOW, 0);
    rfi_frame_put_message(&frame, 0, 0, NULL, 0);
    rfi_frame_set_run_count(&frame, count_at, 1);
    rf_err err = rfi_link_input(nodes[1].link, frame.data, frame.size, now_ns, NULL);
    rfi_buf_fini(&frame);
    return err;
}

Test(link, duplicates_are_dropped_and_acknowledged_again)
{
    begin(&plain_options, &plain_options);
    uint64_t frames = stats_of(&nodes[1]).sent_frames;

    for (int i = 0; i < 3; i++) {
        cr_assert_eq(input_message(1, i == 0), RF_OK);
        now_ns += 6 * MS;
        (void)poll_node(&nodes[1]);
    }

    cr_assert_eq(nodes[1].taken_count, 1);
    cr_assert_eq(stats_of(&nodes[1]).sent_frames, frames + 3);
    end();
}

Test(link, a_frame_that_is_lost_or_doubled_is_noticed)
{
    for (int i = 0; i < 2; i++) {
        begin(&plain_options, &plain_options);
        nodes[1].link->frames_in += i == 0 ? 1 : UINT32_MAX;
        struct rfi_outflow *flow = open_to("a");
        cr_assert_eq(send_value(flow, 1, 0), RF_OK);
        (void)poll_node(&nodes[0]);
        rf_diag diag = {0};
        cr_assert_eq(rfi_link_input(nodes[1].link, nodes[0].wire[0].data, nodes[0].wire[0].size,
                                    now_ns, &diag),
                     RF_EPROTO);
        cr_assert_not_null(strstr(diag.text, "lost or came twice"));
        end();
    }
}

Test(link, an_impossible_cursor_is_a_protocol_error)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 10; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    settle_later();
    cut();
    struct rfi_native_hello hello = {0};
    rfi_link_hello(nodes[1].link, nodes[0].incarnation, &hello);

    hello.cursor = 11;
    cr_assert_eq(rfi_link_up(nodes[0].link, &hello, now_ns), RF_EPROTO);
    hello.cursor = 9;
    cr_assert_eq(rfi_link_up(nodes[0].link, &hello, now_ns), RF_EPROTO);
    cr_assert_not(rfi_link_is_up(nodes[0].link));
    hello.cursor = 10;
    cr_assert_eq(rfi_link_up(nodes[0].link, &hello, now_ns), RF_OK);
    end();
}

Test(link, a_restarted_peer_gets_only_what_was_never_transmitted)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 3; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    (void)poll_node(&nodes[0]);
    for (int64_t i = 3; i < 5; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);

    cut();
    rfi_link_free(nodes[1].link);
    start_node(&nodes[1], &plain_options, 0xb2);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[0].lost, 3);
    cr_assert_eq(stats_of(&nodes[0]).lost_messages, 3);
    cr_assert_eq(nodes[1].taken_count, 2);
    cr_assert_eq(nodes[1].taken[0].value, 3);
    cr_assert_eq(stats_of(&nodes[1]).cursor_in, 2);
    end();
}

Test(link, a_node_that_stops_leaves_messages_with_their_sender)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 3; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    settle_later();
    rfi_link_stop_taking(nodes[1].link);
    for (int64_t i = 3; i < 7; i++)
        cr_assert_eq(send_value(flow, i, i == 6 ? 9 : 0), RF_OK);
    settle_later();
    /* Behind what was left out: no hole to complain about. */
    cr_assert_eq(send_value(flow, 7, 0), RF_OK);
    settle_later();

    cr_assert_eq(nodes[1].taken_count, 3);
    cr_assert_eq(stats_of(&nodes[1]).cursor_in, 3);
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 5);
    cr_assert_eq(nodes[0].answers, 1);
    cr_assert_eq(nodes[0].last_answer, RF_ECLOSED);

    /* What it sent itself is still taken and acknowledged. */
    struct rfi_outflow *back =
        rfi_link_open_flow(nodes[1].link, RFI_FLOW_SEND, "", "b", "in", &nodes[1]);
    rf_message *msg = rf_message_integer(5);
    cr_assert_eq(rfi_link_send(nodes[1].link, back, msg, 0), RF_OK);
    settle_later();
    cr_assert_eq(nodes[0].taken_count, 1);
    cr_assert_eq(stats_of(&nodes[1]).unacknowledged_messages, 0);

    /* Its next life: all that was left is counted. */
    cut();
    rfi_link_free(nodes[1].link);
    start_node(&nodes[1], &plain_options, 0xb2);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();
    cr_assert_eq(nodes[0].lost, 5);
    end();
}

Test(link, a_restarted_sender_begins_a_new_cursor_space)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (int64_t i = 0; i < 3; i++)
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
    settle_later();

    cut();
    rfi_link_free(nodes[0].link);
    start_node(&nodes[0], &plain_options, 0xa2);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle();
    flow = open_to("a");
    cr_assert_eq(send_value(flow, 7, 0), RF_OK);
    settle();

    cr_assert_eq(nodes[1].taken_count, 4);
    cr_assert_eq(nodes[1].taken[3].value, 7);
    cr_assert_neq(nodes[1].taken[3].inflow, nodes[1].taken[0].inflow);
    end();
}

Test(link, what_a_smaller_restarted_peer_cannot_take_comes_back)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    struct rfi_outflow *other = open_to("b");
    cr_assert_eq(send_bytes(flow, 5000), RF_OK);
    cr_assert_eq(send_bytes(flow, 10), RF_OK);
    cr_assert_eq(send_bytes(other, 10), RF_OK);

    cut();
    rfi_link_free(nodes[1].link);
    struct rfi_link_options options = plain_options;
    options.message_bytes_max = 1000;
    options.flows_max = 1;
    start_node(&nodes[1], &options, 0xb2);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[0].rejected, 2);
    cr_assert_eq(nodes[0].reject_reason, RF_ELIMIT);
    cr_assert_eq(nodes[1].taken_count, 1);
    cr_assert_eq(nodes[1].taken[0].size, 10);
    end();
}

/* ---- level fast ---- */

static const struct rfi_link_options fast_options = {
    .flow_credit_messages = 16,
    .flow_credit_bytes = 64 * 1024,
    .link_credit_bytes = 8 * 1024 * 1024,
    .outbox_messages_max = 1024,
    .flows_max = 4,
    .message_bytes_max = 1024 * 1024,
    .batch_bytes_max = 64 * 1024,
    .heartbeat_interval_ms = 1000,
    .is_credit_kept = true,
    .is_fast = true,
};

/* Sizes that go different ways: copied, and not. */
static const size_t fast_sizes[] = {8, 2000};
enum { FAST_SIZES = sizeof fast_sizes / sizeof fast_sizes[0] };

static void send_all(struct rfi_outflow *flow, int count, size_t size)
{
    for (int i = 0; i < count; i++) {
        cr_assert(rfi_link_has_room(nodes[0].link, flow, size));
        cr_assert_eq(send_bytes(flow, size), RF_OK);
    }
}

static bool has_no_credit_under_way(const struct rfi_outflow *flow)
{
    const struct rfi_inflow *inflow = rfi_link_find_inflow(nodes[1].link, flow->id);
    return flow->sent == flow->consumed && flow->sent_bytes == flow->consumed_bytes &&
           inflow->received == flow->sent && inflow->received_bytes == flow->sent_bytes;
}

Test(link, level_fast_keeps_nothing_that_was_sent)
{
    for (size_t i = 0; i < FAST_SIZES; i++) {
        begin(&fast_options, &fast_options);
        struct rfi_outflow *flow = open_to("a");
        send_all(flow, 5, fast_sizes[i]);
        (void)poll_node(&nodes[0]);
        cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 5);
        cr_assert_eq(stats_of(&nodes[0]).unacknowledged_bytes, 0);
        settle_later();
        cr_assert_eq(nodes[1].taken_count, 5);
        cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
        cr_assert(has_no_credit_under_way(flow));
        end();
    }
}

Test(link, level_fast_is_acknowledged_more_seldom)
{
    struct rfi_link_options options = fast_options;
    options.flow_credit_messages = 2048;
    begin(&options, &options);
    struct rfi_outflow *flow = open_to("a");
    nodes[1].consumes = false;
    send_all(flow, 1023, 8);
    settle();
    cr_assert_eq(nodes[1].taken_count, 1023);
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 1023);
    send_all(flow, 1, 8);
    settle();
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
    end();
}

Test(link, level_fast_counts_what_a_cut_took_and_goes_on_behind_it)
{
    for (size_t i = 0; i < FAST_SIZES; i++) {
        begin(&fast_options, &fast_options);
        struct rfi_outflow *flow = open_to("a");
        send_all(flow, 3, fast_sizes[i]);
        settle();
        send_all(flow, 4, fast_sizes[i]);
        (void)poll_node(&nodes[0]);
        cut();
        cr_assert_eq(nodes[0].lost_fast, 0); /* it may have come through */
        cr_assert_eq(connect_nodes(), RF_OK);
        settle_later();

        cr_assert_eq(nodes[0].lost_fast, 4);
        cr_assert_eq(stats_of(&nodes[0]).lost_messages, 4);
        cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
        cr_assert_eq(stats_of(&nodes[1]).cursor_in, 7);
        cr_assert(has_no_credit_under_way(flow));
        send_all(flow, 16, fast_sizes[i]);
        settle_later();
        cr_assert_eq(nodes[1].taken_count, 19);
        cr_assert_eq(stats_of(&nodes[1]).cursor_in, 23);
        cr_assert(has_no_credit_under_way(flow));
        end();
    }
}

Test(link, level_fast_counts_only_what_did_not_come_through)
{
    begin(&fast_options, &fast_options);
    struct rfi_outflow *flow = open_to("a");
    send_all(flow, 10, 8);
    (void)poll_node(&nodes[0]);
    cr_assert_eq(nodes[0].wire_count, 1);
    /* The connection breaks in the middle of the frame: all but the last three messages came. */
    rf_diag diag = {0};
    struct rfi_buf *frame = &nodes[0].wire[0];
    cr_assert_eq(rfi_link_input(nodes[1].link, frame->data, frame->size - 3 * 9, now_ns, &diag),
                 RF_EPROTO);
    cr_assert_eq(nodes[1].taken_count, 7);
    cut();
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[0].lost_fast, 3);
    cr_assert_eq(stats_of(&nodes[1]).cursor_in, 10);
    cr_assert(has_no_credit_under_way(flow));
    end();
}

/* A frame and its tail, in one piece. */
static size_t join(const struct rfi_buf *head, const struct rfi_tail *tail, uint8_t *out)
{
    memcpy(out, head->data, head->size);
    memcpy(out + head->size, tail->data, tail->size);
    return head->size + tail->size;
}

Test(link, what_a_connection_reads_of_level_fast_is_not_written_over)
{
    enum { FRAMES = 6, COUNT = 40 }; /* more frames than blocks are kept */
    struct rfi_link_options options = fast_options;
    struct rfi_buf heads[FRAMES];
    struct rfi_tail tails[FRAMES];
    uint8_t frame[16384];
    options.flow_credit_messages = FRAMES * COUNT;
    begin(&options, &options);
    struct rfi_outflow *flow = open_to("a");
    for (int i = 0; i < FRAMES; i++) {
        rfi_buf_init(&heads[i]);
        tails[i] = (struct rfi_tail){.data = NULL};
        send_all(flow, COUNT, 100 + (size_t)i);
        cr_assert(rfi_link_poll_tail(nodes[0].link, &heads[i], &tails[i], now_ns));
        cr_assert_not_null(tails[i].data);
    }
    for (int i = 0; i < FRAMES; i++) {
        rf_diag diag = {0};
        size_t size = join(&heads[i], &tails[i], frame);
        cr_assert_eq(rfi_link_input(nodes[1].link, frame, size, now_ns, &diag), RF_OK);
        rfi_tail_release(&tails[i]);
        rfi_buf_fini(&heads[i]);
    }
    cr_assert_eq(nodes[1].taken_count, FRAMES * COUNT);
    for (size_t i = 0; i < FRAMES * COUNT; i++)
        cr_assert_eq(nodes[1].taken[i].size, 100 + i / COUNT);
    settle_later();
    cr_assert(has_no_credit_under_way(flow));
    end();
}

Test(link, both_levels_share_a_link)
{
    begin(&fast_options, &fast_options);
    struct rfi_outflow *fast = open_to("a");
    struct rfi_outflow *reliable = open_to("b");
    reliable->is_fast = false;
    for (int64_t i = 0; i < 3; i++) {
        cr_assert_eq(send_value(fast, i, 0), RF_OK);
        cr_assert_eq(send_value(fast, i, 0), RF_OK);
        cr_assert_eq(send_value(reliable, 10 + i, 0), RF_OK);
        cr_assert_eq(send_value(fast, 20 + i, (uint64_t)i + 1), RF_OK); /* a request */
        (void)poll_node(&nodes[0]);
    }
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_bytes, 6 * 8);
    cut();
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[0].lost_fast, 6);
    cr_assert_eq(stats_of(&nodes[0]).resent_messages, 6);
    cr_assert_eq(nodes[0].answers, 3);
    cr_assert_eq(nodes[1].taken_count, 6);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(nodes[1].taken[i].value, (int64_t)(i % 2 == 0 ? 10 : 20) + (int64_t)i / 2);
    cr_assert_eq(stats_of(&nodes[1]).cursor_in, 12);
    cr_assert(has_no_credit_under_way(fast));
    cr_assert(has_no_credit_under_way(reliable));
    end();
}

Test(link, nothing_goes_fast_before_a_skip_is_acknowledged)
{
    begin(&fast_options, &fast_options);
    struct rfi_outflow *flow = open_to("a");
    for (int round = 0; round < 3; round++) {
        if (round < 2)
            send_all(flow, 16, 8);
        (void)poll_node(&nodes[0]);
        cut();
        cr_assert_eq(connect_nodes(), RF_OK);
        (void)poll_node(&nodes[1]);
        cr_assert(pass_frame(&nodes[1])); /* its settings, and that is all */
    }
    cr_assert_eq(nodes[0].lost_fast, 16);
    cr_assert_eq(stats_of(&nodes[0]).lost_messages, 16);
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 16);
    settle_later();
    cr_assert_eq(nodes[1].taken_count, 16);
    cr_assert_eq(stats_of(&nodes[0]).unacknowledged_messages, 0);
    cr_assert_eq(stats_of(&nodes[0]).lost_messages, 16);
    end();
}

Test(link, a_peer_that_does_not_know_level_fast_gets_all)
{
    is_old = true;
    for (size_t i = 0; i < FAST_SIZES; i++) {
        begin(&fast_options, &plain_options);
        struct rfi_outflow *flow = open_to("a");
        send_all(flow, 5, fast_sizes[i]);
        (void)poll_node(&nodes[0]);
        cut();
        cr_assert_eq(connect_nodes(), RF_OK);
        settle_later();
        cr_assert_eq(nodes[1].taken_count, 5);
        cr_assert_eq(stats_of(&nodes[0]).lost_messages, 0);
        end();
    }
    is_old = false;
}

Test(link, one_life_of_a_peer_does_not_change_its_mind_about_level_fast)
{
    begin(&fast_options, &fast_options);
    cut();
    is_old = true;
    cr_assert_eq(connect_nodes(), RF_EPROTO);
    is_old = false;
    end();
}

Test(link, level_fast_counts_what_went_to_a_dead_peer)
{
    begin(&fast_options, &fast_options);
    struct rfi_outflow *flow = open_to("a");
    send_all(flow, 5, 8);
    (void)poll_node(&nodes[0]);
    cut();
    cr_assert_eq(connect_nodes(), RF_OK);
    (void)poll_node(&nodes[1]);
    cr_assert(pass_frame(&nodes[1]));
    cr_assert_eq(nodes[0].lost_fast, 5);
    send_all(flow, 2, 8);
    (void)poll_node(&nodes[0]);
    cut();
    rfi_link_free(nodes[1].link);
    start_node(&nodes[1], &fast_options, 0xb2);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[0].lost, 2); /* once each */
    cr_assert_eq(nodes[0].lost_fast, 5);
    cr_assert_eq(nodes[1].taken_count, 0);
    send_all(flow, 3, 8);
    settle_later();
    cr_assert_eq(nodes[1].taken_count, 3);
    cr_assert(has_no_credit_under_way(flow));
    end();
}

Test(link, a_closed_flow_of_level_fast_still_counts_its_losses)
{
    struct rfi_link_options options = fast_options;
    options.flows_max = 1;
    begin(&options, &options);
    struct rfi_outflow *flow = open_to("a");
    send_all(flow, 5, 8);
    rfi_link_close_flow(nodes[0].link, flow);
    (void)poll_node(&nodes[0]);
    cut();
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    cr_assert_eq(nodes[0].lost_fast, 5);
    struct rfi_outflow *other = open_to("b");
    send_all(other, 3, 8); /* it has the number now */
    settle_later();
    cr_assert_eq(nodes[1].taken_count, 3);
    end();
}

Test(link, level_fast_is_held_back_by_a_slow_receiver)
{
    for (size_t i = 0; i < FAST_SIZES; i++) {
        begin(&fast_options, &fast_options);
        nodes[1].consumes = false;
        struct rfi_outflow *flow = open_to("a");
        send_all(flow, 16, fast_sizes[i]);
        settle_later();
        cr_assert_not(rfi_link_has_room(nodes[0].link, flow, fast_sizes[i]));
        consume_all(&nodes[1]);
        settle_later();
        cr_assert_eq(nodes[0].rooms, 1);
        send_all(flow, 16, fast_sizes[i]);
        settle_later();
        cr_assert_eq(nodes[1].taken_count, 32);
        end();
    }
}

/* ---- flows ---- */

Test(link, flows_are_told_again_in_each_session)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    cr_assert_eq(send_value(flow, 0, 0), RF_OK);
    settle_later();
    cut();
    cr_assert_eq(nodes[1].flows_closed, 1);

    cr_assert_eq(connect_nodes(), RF_OK);
    settle();
    cr_assert_eq(send_value(flow, 1, 0), RF_OK);
    settle_later();

    cr_assert_eq(nodes[1].flows_told, 2);
    cr_assert_eq(nodes[1].taken_count, 2);
    end();
}

Test(link, a_closed_flow_delivers_what_is_under_way_and_its_number_comes_back)
{
    struct rfi_link_options options = plain_options;
    options.flows_max = 1;
    options.is_credit_kept = true;
    begin(&plain_options, &options);
    nodes[1].consumes = false;
    struct rfi_outflow *first = open_to("a");
    cr_assert_eq(send_value(first, 1, 0), RF_OK);
    rfi_link_close_flow(nodes[0].link, first);
    struct rfi_outflow *second = open_to("b");
    cr_assert_not(rfi_link_has_room(nodes[0].link, second, 8));
    settle_later();

    cr_assert_eq(nodes[1].taken_count, 1);
    cr_assert_eq(nodes[1].flows_closed, 1);
    cr_assert_eq(nodes[0].rooms, 0);
    consume_all(&nodes[1]);
    settle();
    cr_assert_eq(nodes[0].rooms, 1);
    cr_assert_eq(send_value(second, 2, 0), RF_OK);
    settle();
    cr_assert_eq(nodes[1].taken_count, 2);
    cr_assert_str_eq(nodes[1].last_actor, "b");
    end();
}

Test(link, a_flow_closed_while_the_link_is_down_gives_its_number_back)
{
    struct rfi_link_options options = plain_options;
    options.flows_max = 1;
    begin(&plain_options, &options);
    struct rfi_outflow *first = open_to("a");
    cr_assert_eq(send_value(first, 1, 0), RF_OK);
    (void)poll_node(&nodes[0]);
    cut();
    rfi_link_close_flow(nodes[0].link, first);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle_later();

    struct rfi_outflow *second = open_to("b");
    cr_assert(rfi_link_has_room(nodes[0].link, second, 8));
    cr_assert_eq(send_value(second, 2, 0), RF_OK);
    settle();

    cr_assert_eq(nodes[1].taken_count, 2);
    end();
}

Test(link, a_refused_flow_rejects_its_messages_and_keeps_its_credit)
{
    struct rfi_link_options options = plain_options;
    options.flow_credit_messages = 2;
    begin(&plain_options, &options);
    nodes[1].refuse_flow = RF_ENOACTOR;
    struct rfi_outflow *flow = open_to("nobody");

    for (int64_t i = 0; i < 6; i++) {
        cr_assert(rfi_link_has_room(nodes[0].link, flow, 8));
        cr_assert_eq(send_value(flow, i, 0), RF_OK);
        settle();
    }

    cr_assert_eq(nodes[0].rejected, 6);
    cr_assert_eq(nodes[0].reject_reason, RF_ENOACTOR);
    cr_assert_eq(nodes[1].taken_count, 0);
    cut();
    cr_assert_eq(nodes[1].flows_closed, 0);
    end();
}

Test(link, rejects_that_a_cut_swallowed_are_told_in_the_next_session)
{
    begin(&plain_options, &plain_options);
    nodes[1].refuse_message = RF_EFORMAT;
    struct rfi_outflow *flow = open_to("a");
    cr_assert_eq(send_value(flow, 0, 0), RF_OK);
    (void)poll_node(&nodes[0]);
    cr_assert(pass_frame(&nodes[0]));

    cut();
    cr_assert_eq(nodes[0].rejected, 0);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle();

    cr_assert_eq(nodes[0].rejected, 1);
    cr_assert_eq(nodes[0].reject_reason, RF_EFORMAT);
    end();
}

/* ---- requests, subscriptions, texts ---- */

Test(link, a_request_is_answered)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    cr_assert_eq(send_value(flow, 1, 77), RF_OK);
    settle();
    cr_assert_eq(nodes[1].taken[0].request_id, 77);

    rfi_link_answer(nodes[1].link, 77, RF_OK, rf_message_integer(42));
    rfi_link_answer(nodes[1].link, 77, RF_OK, rf_message_integer(43));
    rfi_link_answer(nodes[1].link, 78, RF_EACTOR, NULL);
    settle();

    cr_assert_eq(nodes[0].answers, 1);
    cr_assert_eq(nodes[0].last_answer_id, 77);
    cr_assert_eq(nodes[0].last_answer, RF_OK);
    cr_assert_eq(nodes[0].last_answer_value, 42);
    end();
}

Test(link, a_rejected_request_is_answered_with_the_reason)
{
    begin(&plain_options, &plain_options);
    nodes[1].refuse_flow = RF_ENOPORT;
    struct rfi_outflow *flow = open_to("a");
    cr_assert_eq(send_value(flow, 1, 5), RF_OK);
    settle();

    cr_assert_eq(nodes[0].answers, 1);
    cr_assert_eq(nodes[0].last_answer, RF_ENOPORT);
    end();
}

Test(link, requests_fail_when_the_link_goes_down_and_late_answers_are_ignored)
{
    begin(&plain_options, &plain_options);
    struct rfi_outflow *flow = open_to("a");
    for (uint64_t id = 1; id <= 40; id++)
        cr_assert_eq(send_value(flow, 1, id), RF_OK);

    cut();
    cr_assert_eq(nodes[0].answers, 40);
    cr_assert_eq(nodes[0].last_answer, RF_ENOTCONNECTED);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle();
    rfi_link_answer(nodes[1].link, 1, RF_OK, rf_message_integer(42));
    settle();

    cr_assert_eq(nodes[0].answers, 40);
    cr_assert_eq(nodes[1].taken_count, 40);
    cr_assert_eq(nodes[1].taken[0].request_id, 0);
    end();
}

Test(link, subscriptions_are_kept_over_sessions)
{
    begin(&plain_options, &plain_options);
    cr_assert_eq(rfi_link_subscribe(nodes[0].link, "a", "out", true), RF_OK);
    cr_assert_eq(rfi_link_subscribe(nodes[0].link, "a", "out", true), RF_OK);
    settle();
    cr_assert_eq(nodes[1].subscribed, 1);

    cut();
    cr_assert_eq(connect_nodes(), RF_OK);
    settle();
    cr_assert_eq(nodes[1].subscribed, 2);
    cr_assert_eq(rfi_link_subscribe(nodes[0].link, "a", "out", false), RF_OK);
    settle();

    cr_assert_eq(nodes[1].unsubscribed, 1);
    end();
}

Test(link, a_text_of_the_rust_wire_travels)
{
    begin(&plain_options, &plain_options);

    rfi_link_send_json(nodes[0].link, "{\"request_id\":\"x\"}", 18);
    settle();

    cr_assert_str_eq(nodes[1].json, "{\"request_id\":\"x\"}");
    end();
}

/* ---- heartbeats ---- */

Test(link, heartbeats_go_out_only_after_an_idle_interval_and_are_echoed)
{
    begin(&plain_options, &plain_options);
    now_ns += 999 * (uint64_t)MS;
    cr_assert_eq(poll_node(&nodes[0]), 0);
    now_ns += 1 * (uint64_t)MS;
    cr_assert_eq(poll_node(&nodes[0]), 1);
    settle();

    for (int i = 0; i < 20; i++) {
        now_ns += 1000 * (uint64_t)MS;
        cr_assert_eq(rfi_link_tick(nodes[0].link, now_ns), RF_OK);
        cr_assert_eq(rfi_link_tick(nodes[1].link, now_ns), RF_OK);
        settle();
    }
    cr_assert_lt(stats_of(&nodes[0]).sent_frames, 50);
    end();
}

Test(link, silence_of_three_intervals_ends_the_session)
{
    begin(&plain_options, &plain_options);
    now_ns += 2999 * (uint64_t)MS;
    cr_assert_eq(rfi_link_tick(nodes[0].link, now_ns), RF_OK);

    now_ns += 1 * (uint64_t)MS;
    cr_assert_eq(rfi_link_tick(nodes[0].link, now_ns), RF_ETIMEOUT);
    end();
}

Test(link, a_peer_that_talks_but_does_not_hear_us_is_found_by_the_missing_echo)
{
    begin(&plain_options, &plain_options);
    rf_err err = RF_OK;
    int intervals = 0;
    for (; intervals < 10 && err == RF_OK; intervals++) {
        now_ns += 1000 * (uint64_t)MS;
        (void)poll_node(&nodes[0]);
        drop_wires(&nodes[0]); /* our direction is dead */
        (void)poll_node(&nodes[1]);
        while (pass_frame(&nodes[1])) {
        }
        err = rfi_link_tick(nodes[0].link, now_ns);
    }

    cr_assert_eq(err, RF_ETIMEOUT);
    cr_assert_leq(intervals, 4);
    end();
}

/* ---- protocol errors ---- */

static rf_err input_records(const struct rfi_buf *records, uint64_t seq, uint64_t ack,
                            rf_diag *diag)
{
    struct rfi_buf frame;
    rfi_buf_init(&frame);
    rfi_frame_put_head(&frame, nodes[1].link->frames_in + 1, seq, ack);
    rfi_buf_append(&frame, records->data, records->size);
    rf_err err = rfi_link_input(nodes[1].link, frame.data, frame.size, now_ns, diag);
    rfi_buf_fini(&frame);
    return err;
}

/* A fresh pair, the records to the second, and what it says. */
static rf_err try_records(const struct rfi_buf *records, rf_diag *diag)
{
    begin(&plain_options, &plain_options);
    *diag = (rf_diag){0};
    rf_err err = input_records(records, 1, 0, diag);
    end();
    return err;
}

Test(link, a_hole_before_a_frame_is_found_even_without_messages)
{
    struct rfi_buf none;
    rfi_buf_init(&none);
    rf_diag diag = {0};
    begin(&plain_options, &plain_options);

    cr_assert_eq(input_records(&none, 2, 0, &diag), RF_EPROTO);
    cr_assert_not_null(strstr(diag.text, "missing"));
    end();
}

Test(link, an_acknowledgement_of_what_was_not_sent_is_refused)
{
    struct rfi_buf none;
    rfi_buf_init(&none);
    rf_diag diag = {0};
    begin(&plain_options, &plain_options);

    cr_assert_eq(input_records(&none, 1, 1, &diag), RF_EPROTO);
    end();
}

Test(link, a_peer_that_sends_beyond_its_credit_is_refused)
{
    struct rfi_buf records;
    rfi_buf_init(&records);
    rf_diag diag;
    rfi_frame_put_open(&records, 0, RFI_FLOW_SEND, "", "a", "in");
    size_t count_at = rfi_frame_begin_run(&records, 0, RF_KIND_FLOW, 0);
    for (int i = 0; i < 257; i++)
        rfi_frame_put_message(&records, 0, 0, NULL, 0);
    rfi_frame_set_run_count(&records, count_at, 257);

    begin(&plain_options, &plain_options);
    nodes[1].consumes = false;
    diag = (rf_diag){0};
    cr_assert_eq(input_records(&records, 1, 0, &diag), RF_EPROTO);

    cr_assert_not_null(strstr(diag.text, "credit"));
    cr_assert_eq(nodes[1].taken_count, 256);
    cr_assert_eq(stats_of(&nodes[1]).cursor_in, 256);
    end();
    rfi_buf_fini(&records);
}

Test(link, limits_are_enforced_before_memory_is_taken)
{
    struct rfi_buf records;
    rf_diag diag;

    rfi_buf_init(&records);
    rfi_frame_put_open(&records, plain_options.flows_max, RFI_FLOW_SEND, "", "a", "in");
    cr_assert_eq(try_records(&records, &diag), RF_ELIMIT);
    rfi_buf_clear(&records);
    rfi_frame_put_flow(&records, RFI_RECORD_CLOSE, UINT32_MAX);
    cr_assert_eq(try_records(&records, &diag), RF_ELIMIT);
    rfi_buf_clear(&records);
    rfi_frame_put_open(&records, 0, RFI_FLOW_SEND, "", "a", "in");
    size_t count_at = rfi_frame_begin_run(&records, 0, RF_KIND_BYTES, 0);
    rfi_frame_set_run_count(&records, count_at, 1);
    rfi_buf_append(&records, "\xff\xff\xff\xff\x0f", 5); /* 4 GiB - 1 */
    cr_assert_eq(try_records(&records, &diag), RF_ELIMIT);
    cr_assert_not_null(strstr(diag.text, "offset"));
    rfi_buf_fini(&records);
}

Test(link, records_that_cannot_be_right_are_refused)
{
    struct rfi_buf records;
    rf_diag diag;
    rfi_buf_init(&records);

    rfi_frame_put_settings(&records, 1, 1, 1); /* a second time */
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_clear(&records);
    rfi_frame_put_open(&records, 0, 9, "", "a", "in");
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_clear(&records);
    rfi_frame_put_open(&records, 0, RFI_FLOW_SEND, "", "../a b", "in");
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_clear(&records);
    rfi_frame_put_open(&records, 0, RFI_FLOW_SEND, "", "a", "in");
    rfi_frame_put_open(&records, 0, RFI_FLOW_SEND, "", "a", "in");
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_clear(&records);
    rfi_frame_put_flow(&records, RFI_RECORD_CLOSED, 0);
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_clear(&records);
    rfi_frame_put_credit(&records, 0, 1, 1);
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_clear(&records);
    rfi_frame_put_reject(&records, 0, RF_ENOACTOR, 1);
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_clear(&records);
    rfi_frame_put_heartbeat(&records, 1, 1);
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_clear(&records);
    (void)rfi_frame_begin_run(&records, 0, RF_KIND_FLOW, 0);
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_fini(&records);
}

Test(link, a_skip_that_cannot_be_right_is_refused)
{
    static const struct {
        uint64_t messages;
        rf_err err;
    } cases[] = {{0, RF_EPROTO},
                 {1, RF_OK},
                 {64 * 256, RF_OK}, /* flows times messages of plain_options */
                 {64 * 256 + 1, RF_ELIMIT},
                 {UINT64_MAX, RF_ELIMIT}};
    struct rfi_buf records;
    rf_diag diag;
    rfi_buf_init(&records);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rfi_buf_clear(&records);
        rfi_frame_put_skip(&records, cases[i].messages);
        cr_assert_eq(try_records(&records, &diag), cases[i].err);
    }
    /* All of a session together. */
    rfi_buf_clear(&records);
    rfi_frame_put_skip(&records, 64 * 256);
    rfi_frame_put_skip(&records, 1);
    cr_assert_eq(try_records(&records, &diag), RF_ELIMIT);
    cr_assert_not_null(strstr(diag.text, "credit"));

    begin(&plain_options, &plain_options);
    rfi_buf_clear(&records);
    rfi_frame_put_skip(&records, 5);
    diag = (rf_diag){0};
    cr_assert_eq(input_records(&records, 1, 0, &diag), RF_OK);
    cr_assert_eq(stats_of(&nodes[1]).cursor_in, 5);
    cr_assert_eq(input_records(&records, 3, 0, &diag), RF_EPROTO);
    cr_assert_not_null(strstr(diag.text, "that we have"));
    end();
    rfi_buf_fini(&records);
}

static void open_run(struct rfi_buf *records, uint8_t flags)
{
    rfi_buf_clear(records);
    rfi_frame_put_open(records, 0, RFI_FLOW_SEND, "", "a", "in");
    size_t count_at = rfi_frame_begin_run(records, 0, RF_KIND_FLOW, flags);
    rfi_frame_put_message(records, flags, 1, NULL, 0);
    rfi_frame_set_run_count(records, count_at, 1);
}

Test(link, level_fast_needs_the_consent_of_both)
{
    struct rfi_buf records;
    rf_diag diag = {0};
    rfi_buf_init(&records);
    open_run(&records, RFI_RUN_FAST);
    cr_assert_eq(try_records(&records, &diag), RF_OK);
    open_run(&records, RFI_RUN_FAST | RFI_RUN_REQUESTS);
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    open_run(&records, 0x04);
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);

    for (int i = 0; i < 2; i++) {
        begin(&plain_options, &plain_options);
        nodes[1].link->peer_takes_fast = false;
        if (i == 0)
            open_run(&records, RFI_RUN_FAST);
        else
            rfi_buf_clear(&records);
        if (i == 1)
            rfi_frame_put_skip(&records, 1);
        diag = (rf_diag){0};
        cr_assert_eq(input_records(&records, 1, 0, &diag), RF_EPROTO);
        cr_assert_not_null(strstr(diag.text, "not agreed on"));
        end();
    }
    rfi_buf_fini(&records);
}

Test(link, unknown_types_are_skipped_below_0x80_and_fatal_from_there)
{
    struct rfi_buf records;
    rf_diag diag;
    rfi_buf_init(&records);

    rfi_buf_append(&records, "\x7f\x03zzz", 5);
    cr_assert_eq(try_records(&records, &diag), RF_OK);
    rfi_buf_clear(&records);
    rfi_buf_append(&records, "\x81\x00", 2);
    cr_assert_eq(try_records(&records, &diag), RF_EPROTO);
    rfi_buf_fini(&records);
    begin(&plain_options, &plain_options);
    cr_assert_eq(rfi_link_input(nodes[1].link, (const uint8_t *)"\x7fxyz", 4, now_ns, &diag),
                 RF_OK);
    cr_assert_eq(rfi_link_input(nodes[1].link, (const uint8_t *)"\x80", 1, now_ns, &diag),
                 RF_EPROTO);
    end();
}

Test(link, settings_come_first)
{
    now_ns = 1;
    start_node(&nodes[0], &plain_options, 0xa1);
    start_node(&nodes[1], &plain_options, 0xb1);
    cr_assert_eq(connect_nodes(), RF_OK);
    struct rfi_buf records;
    rfi_buf_init(&records);
    rf_diag diag = {0};
    rfi_frame_put_heartbeat(&records, 1, 0);

    cr_assert_eq(input_records(&records, 1, 0, &diag), RF_EPROTO);
    cr_assert_eq(input_records(&records, 1, 0, &diag), RF_EPROTO); /* and it stays so */
    rfi_buf_fini(&records);
    end();
}

Test(link, nothing_goes_out_or_comes_in_without_a_session)
{
    now_ns = 1;
    start_node(&nodes[0], &plain_options, 0xa1);
    start_node(&nodes[1], &plain_options, 0xb1);
    struct rfi_outflow *flow = open_to("a");
    struct rfi_buf frame;
    rfi_buf_init(&frame);

    cr_assert_not(rfi_link_has_room(nodes[0].link, flow, 1));
    cr_assert_eq(send_value(flow, 1, 0), RF_ENOTCONNECTED);
    cr_assert_not(rfi_link_poll(nodes[0].link, &frame, now_ns));
    cr_assert_eq(rfi_link_next_ns(nodes[0].link), UINT64_MAX);
    cr_assert_eq(rfi_link_input(nodes[0].link, (const uint8_t *)"x", 1, now_ns, NULL), RF_ESTATE);
    cr_assert_eq(connect_nodes(), RF_OK);
    settle();
    cr_assert_eq(nodes[0].rooms, 1);
    rfi_buf_fini(&frame);
    end();
}
