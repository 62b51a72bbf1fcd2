/* SPDX-License-Identifier: MIT */
/* A deterministic simulation of links: `sim_link FIRST_SEED COUNT`. Each seed draws a world (nodes, flows,
 * limits, which faults and how often), runs it through a time of faults and a time of healing under
 * virtual time, and checks what came out. One line per failed seed, and `N passed, M failed` at the end;
 * exit 0 when none failed. The first seed runs twice and must give the same history.
 *
 * Some worlds compress some of their frames. Flows are of level reliable or fast, on links of either level or of both,
 * between nodes of which some do not take level fast.
 *
 * Faults: cut connections, silence (frames vanish until somebody notices), sessions of which one side never hears
 * anything and that are cut soon, restarts, a handshake that overlaps an old session, frames lost, doubled or cut
 * short, slow consumers, refusals.
 *
 * Checked: each message is delivered at most once, whole, and in order per flow, with nothing
 * missing in between (I2 I3 I4 I14) but messages of level fast whose loss was told; what was sent is delivered,
 * refused, or told as lost, and nothing else is told as lost (I1); nothing is lost on a first connection; a protocol
 * error needs a fault; mailboxes keep to their window; requests get exactly one answer; and after the faults every
 * flow can send, all of it arrives (I10), and both sides agree on what was sent and have no credit under way. The
 * application asks again only after on_room, so a forgotten wake-up shows as a stuck flow. */
#include "net/link.h"
#include "net/link_internal.h"
#include "net/packing.h"
#include "support/link_body.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NODES = 3,
    FLOWS = 3,
    MESSAGES_MAX = 4000, /* per flow */
    MAILBOX_MAX = 1 << 15,
    WIRE_MAX = 1 << 12,
    REQUESTS_MAX = 1 << 14,
    BODY_MIN = 16,
    RUN_MAX = 40,
    FINAL_MESSAGES = 3,
    US = 1000,
    MS = 1000 * 1000,
    STUCK_MS = 4000
};

/* ---- chance ---- */

static uint64_t chance_state;

static uint64_t chance(void)
{
    uint64_t z = (chance_state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t limit)
{
    return limit == 0 ? 0 : (uint32_t)(chance() % limit);
}

static bool happens(uint32_t per_million)
{
    return below(1000000) < per_million;
}

static uint32_t pick(const uint32_t *values, size_t count)
{
    return values[below((uint32_t)count)];
}
#define PICK(...) pick((const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4)

/* ---- the world ---- */

enum fate { FATE_OPEN, FATE_TAKEN, FATE_REFUSED, FATE_EXCUSED };

struct flow { /* what node `from` sends to node `to` */
    struct rfi_outflow *outflow;
    int from, to;
    uint32_t index;
    uint8_t fate[MESSAGES_MAX];
    bool is_fast[MESSAGES_MAX]; /* may be lost */
    uint32_t skipped;           /* in between of what arrived */
    uint32_t sent, lost_told, refused, refused_told, final_left;
    int64_t last; /* highest number that arrived */
    uint32_t last_from_boot, last_to_boot;
    bool is_blocked, was_closed;
};

struct letter { /* in a mailbox */
    uint64_t due_ns, request_id;
    uint32_t inflow, size, from_boot;
    int from;
    int64_t value;
    bool is_current; /* its node and its peer's link still know it */
};

struct frame {
    uint8_t *bytes;
    size_t size;
    uint64_t due_ns;
    uint32_t epoch;
};

struct wire { /* one direction */
    struct frame frames[WIRE_MAX];
    size_t head, count;
};

struct end { /* one node's side of a pair */
    struct rfi_link *link;
    struct wire wire; /* to this end */
    struct rfi_native_hello hello;
    uint64_t up_at_ns; /* UINT64_MAX: no handshake under way */
    uint32_t epoch;    /* of the session that is up here */
    bool is_touched;
    int node, peer;
    struct rfi_packing packing; /* of the session that is up here */
    struct rfi_packing_stats packing_stats;
};

struct pair {
    struct end ends[2];
    uint64_t connect_at_ns;
    uint64_t cut_at_ns; /* UINT64_MAX: not known before */
    uint32_t epoch;
    uint32_t silent_sides; /* bits: whose frames vanish, until a side times out */
};

struct request {
    uint64_t id;
    int node;
    uint32_t boot;
    int64_t value;
    bool is_open;
};

static struct {
    uint64_t now_ns, progress_ns, hash;
    const char *failure;
    char detail[640];
    struct rfi_link_options options[NODES];
    bool takes_fast[NODES];
    uint32_t boot[NODES];
    struct pair pairs[NODES][NODES]; /* [low][high] */
    struct flow flows[NODES][NODES][FLOWS];
    struct letter mailbox[NODES][MAILBOX_MAX];
    size_t mailbox_head[NODES], mailbox_count[NODES];
    struct request requests[REQUESTS_MAX];
    size_t request_count;
    bool is_chaos, is_dirty, has_restarted, is_mixed;
    /* the faults of this seed, per million */
    uint32_t cut, silence, stillborn, restart, overlap, lose, twice, truncate, refuse, close, ask;
    uint32_t send, latency_us, slow_us, large, sizes, run;
    bool has_tails;
    uint32_t pack; /* of all frames: those that are compressed */
} world;

static struct rfi_zstd zstd;

static void fail(const char *what, int a, int b, int64_t c)
{
    if (world.failure != NULL)
        return;
    world.failure = what;
    (void)snprintf(world.detail, sizeof world.detail, "%d -> %d, %" PRId64 ", at %" PRIu64 " us", a,
                   b, c, world.now_ns / US);
}

static void note(uint64_t value)
{
    world.hash = (world.hash ^ value) * 0x100000001B3u;
}

static struct end *end_of(int node, int peer)
{
    struct pair *pair = node < peer ? &world.pairs[node][peer] : &world.pairs[peer][node];
    return &pair->ends[node < peer ? 0 : 1];
}

static struct pair *pair_of(int a, int b)
{
    return a < b ? &world.pairs[a][b] : &world.pairs[b][a];
}

static void incarnation_of(int node, uint8_t out[RFI_INCARNATION_SIZE])
{
    memset(out, node + 1, RFI_INCARNATION_SIZE);
    memcpy(out, &world.boot[node], sizeof world.boot[node]);
}

/* ---- what links tell ---- */

struct body {
    uint32_t flow, number, seed, size;
};
static_assert(sizeof(struct body) == BODY_MIN, "four numbers");

static uint8_t filler(const struct body *body, uint32_t at)
{
    return (uint8_t)(body->seed + at * 31 + body->number);
}

static rf_message *make_message(const struct flow *flow, uint32_t size)
{
    rf_message *msg = rfi_message_alloc(RF_KIND_BYTES, size);
    if (msg == NULL)
        return NULL;
    struct body body = {.flow = flow->index, .number = flow->sent, .size = size};
    body.seed = (uint32_t)flow->from * 7 + (uint32_t)flow->to;
    memcpy(msg->body, &body, sizeof body);
    for (uint32_t i = BODY_MIN; i < size; i++)
        msg->body[i] = filler(&body, i);
    return msg;
}

static bool is_whole(const rf_message *msg, int from, int to, struct body *out)
{
    if (msg->kind != RF_KIND_BYTES || msg->size < BODY_MIN)
        return false;
    memcpy(out, msg->body, sizeof *out);
    if (out->size != msg->size || out->flow >= FLOWS ||
        out->seed != (uint32_t)from * 7 + (uint32_t)to)
        return false;
    for (uint32_t i = BODY_MIN; i < msg->size; i++)
        if (msg->body[i] != filler(out, i))
            return false;
    return true;
}

static rf_err on_flow(void *owner, uint32_t inflow, enum rfi_flow_kind kind, const char *source,
                      const char *actor, const char *port, void **out_user)
{
    const struct end *end = owner;
    (void)inflow;
    (void)kind;
    (void)source;
    (void)port;
    *out_user = &world.flows[end->peer][end->node][actor[0] - 'a'];
    return RF_OK;
}

static void on_flow_closed(void *owner, uint32_t inflow, void *user)
{
    struct end *end = owner;
    (void)user;
    if (world.options[end->node].is_credit_kept)
        return;
    for (size_t i = 0; i < world.mailbox_count[end->node]; i++) {
        size_t at = (world.mailbox_head[end->node] + i) % MAILBOX_MAX;
        struct letter *letter = &world.mailbox[end->node][at];
        if (letter->from == end->peer && letter->inflow == inflow)
            letter->is_current = false;
    }
}

/* Only what a window allows may wait for one inflow. */
static void check_window(const struct end *end, uint32_t inflow)
{
    uint32_t held = 0;
    uint64_t all = 0;
    for (size_t i = 0; i < world.mailbox_count[end->node]; i++) {
        size_t at = (world.mailbox_head[end->node] + i) % MAILBOX_MAX;
        const struct letter *letter = &world.mailbox[end->node][at];
        if (letter->from != end->peer || letter->from_boot != world.boot[end->peer] ||
            !letter->is_current)
            continue;
        all++;
        if (letter->inflow == inflow)
            held++;
    }
    const struct rfi_link_options *options = &world.options[end->node];
    if (held > options->flow_credit_messages)
        fail("a mailbox holds more than the window", end->peer, end->node, held);
    if (options->is_credit_kept &&
        all > (uint64_t)options->flows_max * options->flow_credit_messages)
        fail("mailboxes hold more than all windows", end->peer, end->node, (int64_t)all);
}

/* Between the last one and this one of the same lives. */
static void check_missing(struct flow *flow, int64_t number)
{
    for (int64_t n = flow->last + 1; n < number; n++) {
        if (!flow->is_fast[n])
            fail("messages are missing in between", flow->from, flow->to, number);
        flow->skipped++;
    }
    if (flow->skipped > flow->lost_told)
        fail("messages went missing and nobody was told", flow->from, flow->to, number);
}

static rf_err arrive(struct end *end, struct flow *flow, const struct body *body)
{
    int64_t number = body->number;
    if (body->number >= flow->sent)
        fail("a message that was never sent", flow->from, flow->to, number);
    else if (flow->fate[number] == FATE_TAKEN || flow->fate[number] == FATE_REFUSED)
        fail("a message came twice", flow->from, flow->to, number);
    else if (flow->fate[number] == FATE_EXCUSED)
        fail("a message of a dead sender came late", flow->from, flow->to, number);
    else if (number <= flow->last)
        fail("a message came out of order", flow->from, flow->to, number);
    else if (number != flow->last + 1 && flow->last_from_boot == world.boot[flow->from] &&
             flow->last_to_boot == world.boot[flow->to])
        check_missing(flow, number);
    if (world.failure != NULL)
        return RF_OK;
    flow->last = number;
    flow->last_from_boot = world.boot[flow->from];
    flow->last_to_boot = world.boot[flow->to];
    world.progress_ns = world.now_ns;
    note((uint64_t)number << 8 | (uint64_t)(flow->from * NODES + flow->to));
    if (!happens(world.refuse)) {
        flow->fate[number] = FATE_TAKEN;
        return RF_OK;
    }
    (void)end;
    flow->fate[number] = FATE_REFUSED;
    flow->refused++;
    return happens(500000) ? RF_ENOACTOR : RF_ENOPORT;
}

static rf_err on_message(void *owner, uint32_t inflow, void *user, rf_message *msg,
                         uint64_t request_id)
{
    struct end *end = owner;
    struct body body;
    if (!is_whole(msg, end->peer, end->node, &body) ||
        user != &world.flows[end->peer][end->node][body.flow]) {
        fail("a message is damaged", end->peer, end->node, 0);
        rf_message_unref(msg);
        return RF_OK;
    }
    rf_err err = arrive(end, user, &body);
    if (err != RF_OK)
        return err;
    uint32_t size = msg->size;
    rf_message_unref(msg);
    if (world.mailbox_count[end->node] == MAILBOX_MAX) {
        fail("a mailbox of the simulation is full", end->peer, end->node, 0);
        return RF_OK;
    }
    size_t at = (world.mailbox_head[end->node] + world.mailbox_count[end->node]++) % MAILBOX_MAX;
    world.mailbox[end->node][at] =
        (struct letter){.due_ns = world.now_ns + (uint64_t)below(world.slow_us) * US,
                        .request_id = request_id,
                        .inflow = inflow,
                        .size = size,
                        .from = end->peer,
                        .from_boot = world.boot[end->peer],
                        .value = body.number,
                        .is_current = true};
    check_window(end, inflow);
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
    struct end *end = owner;
    struct request *request = &world.requests[(request_id - 1) % REQUESTS_MAX];
    if (request_id == 0 || request_id > world.request_count || !request->is_open ||
        request->node != end->node || request->boot != world.boot[end->node])
        fail("an answer that nobody waits for", end->node, end->peer, (int64_t)request_id);
    else if (err == RF_OK && rf_message_as_integer(msg) != request->value)
        fail("the answer of another request", end->node, end->peer, (int64_t)request_id);
    request->is_open = false;
    rf_message_unref(msg);
}

static void on_subscribe(void *owner, const char *actor, const char *port, bool is_wanted)
{
    (void)owner;
    (void)actor;
    (void)port;
    (void)is_wanted;
}

static void on_reject(void *owner, struct rfi_outflow *outflow, void *user, rf_err reason,
                      uint64_t count)
{
    struct flow *flow = user;
    (void)owner;
    (void)outflow;
    flow->refused_told += (uint32_t)count;
    if (reason != RF_ENOACTOR && reason != RF_ENOPORT)
        fail("a reject with a wrong reason", flow->from, flow->to, (int64_t)reason);
}

static void try_send(struct flow *flow);

static void on_room(void *owner, struct rfi_outflow *outflow, void *user)
{
    struct flow *flow = user;
    (void)owner;
    (void)outflow;
    if (!flow->is_blocked)
        fail("room for a flow that did not ask", flow->from, flow->to, 0);
    flow->is_blocked = false;
    if (happens(500000))
        try_send(flow);
}

static void on_lost(void *owner, struct rfi_outflow *outflow, void *user, uint64_t count,
                    enum rfi_loss why)
{
    const struct end *end = owner;
    struct flow *flow = &world.flows[end->node][end->peer][outflow->actor[0] - 'a'];
    if (user != (outflow->is_closed ? NULL : flow))
        fail("a loss of another flow", flow->from, flow->to, (int64_t)count);
    if (why == RFI_LOST_FAST ? pair_of(flow->from, flow->to)->epoch < 2 : !world.has_restarted)
        fail("a loss without a reason", flow->from, flow->to, (int64_t)count);
    flow->lost_told += (uint32_t)count;
}

static void on_json(void *owner, const char *text, size_t size)
{
    (void)owner;
    (void)text;
    (void)size;
}

static const struct rfi_link_sink sink = {on_flow,   on_flow_closed, on_message, on_messages,
                                          on_answer, on_subscribe,   on_reject,  on_room,
                                          on_lost,   on_json};

/* ---- the application ---- */

static void open_flow(struct flow *flow)
{
    char actor[2] = {(char)('a' + (int)flow->index), '\0'};
    flow->outflow = rfi_link_open_flow(end_of(flow->from, flow->to)->link, RFI_FLOW_SEND, "src",
                                       actor, "in", flow);
    if (world.is_mixed && world.takes_fast[flow->from])
        flow->outflow->is_fast = happens(500000);
    flow->is_blocked = false;
}

static uint64_t make_request(const struct flow *flow)
{
    if (!happens(world.ask) || world.request_count == REQUESTS_MAX)
        return 0;
    struct request *request = &world.requests[world.request_count++];
    *request = (struct request){.id = world.request_count,
                                .node = flow->from,
                                .boot = world.boot[flow->from],
                                .value = flow->sent,
                                .is_open = true};
    return request->id;
}

/* A run of small messages, where there is room for one. */
static bool try_run(struct end *end, struct flow *flow)
{
    rf_message *messages[RUN_MAX];
    size_t bytes = 0, size_max = 0, count = 0;
    size_t left = MESSAGES_MAX - flow->sent;
    if (!world.is_chaos && flow->final_left < left)
        left = flow->final_left;
    size_t most = 1 + below(RUN_MAX);
    most =
        rfi_link_run_room(end->link, flow->outflow, most < left ? most : left, &bytes, &size_max);
    while (count < most) {
        uint32_t size = BODY_MIN + below(world.sizes + world.sizes / 2);
        if (size > bytes || size > size_max)
            break;
        bytes -= size;
        messages[count++] = make_message(flow, size);
        flow->is_fast[flow->sent] = flow->outflow->is_fast;
        flow->fate[flow->sent++] = FATE_OPEN;
        if (!world.is_chaos)
            flow->final_left--;
    }
    if (count > 0)
        rfi_link_send_run(end->link, flow->outflow, messages, count);
    return count > 0;
}

static void try_send(struct flow *flow)
{
    struct end *end = end_of(flow->from, flow->to);
    if (flow->is_blocked || flow->sent == MESSAGES_MAX)
        return;
    if (!world.is_chaos && flow->final_left == 0)
        return;
    uint32_t size = BODY_MIN + below(world.sizes) + (happens(world.large) ? below(20000) : 0);
    end->is_touched = true;
    if (happens(world.run) && try_run(end, flow))
        return;
    if (!rfi_link_has_room(end->link, flow->outflow, size)) {
        flow->is_blocked = true;
        return;
    }
    rf_message *msg = make_message(flow, size);
    size_t before = world.request_count;
    uint64_t request_id = make_request(flow);
    /* The number is taken before: a message may arrive inside no call but it is counted as sent. */
    rf_err err = rfi_link_send(end->link, flow->outflow, msg, request_id);
    if (err != RF_OK) {
        rf_message_unref(msg);
        world.request_count = before;
        if (request_id == 0 || err != RF_EFULL)
            fail("a send failed although there was room", flow->from, flow->to, (int64_t)err);
        return;
    }
    flow->is_fast[flow->sent] = request_id == 0 && flow->outflow->is_fast;
    flow->fate[flow->sent++] = FATE_OPEN;
    if (!world.is_chaos)
        flow->final_left--;
}

static void consume(int node)
{
    while (world.mailbox_count[node] > 0) {
        struct letter *letter = &world.mailbox[node][world.mailbox_head[node]];
        if (letter->due_ns > world.now_ns)
            return;
        world.mailbox_head[node] = (world.mailbox_head[node] + 1) % MAILBOX_MAX;
        world.mailbox_count[node]--;
        struct end *end = end_of(node, letter->from);
        world.progress_ns = world.now_ns;
        end->is_touched = true;
        if (letter->request_id != 0)
            rfi_link_answer(end->link, letter->request_id, RF_OK,
                            rf_message_integer(letter->value));
        if (letter->is_current || happens(500000)) /* an old number is ignored */
            rfi_link_consumed(end->link, letter->inflow, 1, letter->size);
    }
}

/* ---- the network ---- */

static void clear_wire(struct wire *wire)
{
    while (wire->count > 0) {
        free(wire->frames[wire->head].bytes);
        wire->head = (wire->head + 1) % WIRE_MAX;
        wire->count--;
    }
}

static void cut(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        struct end *end = &pair->ends[i];
        clear_wire(&end->wire);
        rfi_link_down(end->link);
        end->up_at_ns = UINT64_MAX;
        end->is_touched = true;
    }
    pair->silent_sides = 0;
    pair->cut_at_ns = UINT64_MAX;
    pair->connect_at_ns = world.now_ns + (uint64_t)below(20000) * US;
}

/* The handshake: each side tells its cursor now, and starts its session a little later. */
static void handshake(struct pair *pair)
{
    pair->connect_at_ns = UINT64_MAX;
    pair->epoch++;
    uint8_t dialler[RFI_INCARNATION_SIZE];
    incarnation_of(pair->ends[0].node, dialler);
    rfi_link_hello(pair->ends[0].link, NULL, &pair->ends[0].hello);
    rfi_link_hello(pair->ends[1].link, dialler, &pair->ends[1].hello);
    for (int i = 0; i < 2; i++)
        pair->ends[i].hello.takes_fast = world.takes_fast[pair->ends[i].node];
    if (world.is_chaos && happens(world.stillborn)) {
        pair->silent_sides = 1 + below(2);
        pair->cut_at_ns = world.now_ns + (uint64_t)below(10000 + 4 * world.latency_us) * US;
    }
    for (int i = 0; i < 2; i++)
        pair->ends[i].up_at_ns = world.now_ns + (uint64_t)below(2 * world.latency_us) * US;
}

static void start_session(struct pair *pair, int side)
{
    struct end *end = &pair->ends[side];
    end->up_at_ns = UINT64_MAX;
    end->epoch = pair->epoch;
    end->is_touched = true;
    rfi_packing_fini(&end->packing);
    rfi_packing_init(&end->packing, 1, 1, 2 * 1024 * 1024, &end->packing_stats);
    rf_err err = rfi_link_up(end->link, &pair->ends[1 - side].hello, world.now_ns);
    if (err == RF_OK)
        return;
    if (world.overlap == 0 && !world.is_dirty)
        fail("a cursor was refused", end->node, end->peer, (int64_t)err);
    cut(pair);
}

static void push_frame(struct wire *wire, const uint8_t *bytes, size_t size, uint32_t epoch)
{
    if (wire->count == WIRE_MAX) {
        fail("a wire of the simulation is full", 0, 0, 0);
        return;
    }
    struct frame *frame = &wire->frames[(wire->head + wire->count) % WIRE_MAX];
    uint64_t due_ns =
        world.now_ns + (uint64_t)(world.latency_us / 2 + below(world.latency_us)) * US;
    if (wire->count > 0) {
        uint64_t before = wire->frames[(wire->head + wire->count - 1) % WIRE_MAX].due_ns;
        due_ns = due_ns < before ? before : due_ns;
    }
    *frame = (struct frame){.bytes = malloc(size + 1), .size = size, .due_ns = due_ns};
    frame->epoch = epoch;
    memcpy(frame->bytes, bytes, size);
    wire->count++;
}

/* What was sent, on its way with the faults of this world. */
static void send_bytes(struct pair *pair, int side, const struct rfi_buf *out)
{
    struct wire *wire = &pair->ends[1 - side].wire;
    size_t size = out->size;
    bool is_faulty = world.is_chaos && pair->silent_sides == 0;
    bool is_lost = (pair->silent_sides >> side & 1) != 0 || (is_faulty && happens(world.lose));
    if (is_faulty && happens(world.truncate))
        size = below((uint32_t)size);
    if (!is_lost)
        push_frame(wire, out->data, size, pair->ends[side].epoch);
    if (!is_lost && is_faulty && happens(world.twice))
        push_frame(wire, out->data, size, pair->ends[side].epoch);
}

static void send_frame(struct pair *pair, int side, struct rfi_buf *out)
{
    struct rfi_packing *packing = &pair->ends[side].packing;
    const struct rfi_tail none = {.data = NULL};
    struct rfi_buf part;
    size_t plain = 0;
    rfi_buf_init(&part);
    if (world.pack == 0 || !happens(world.pack) ||
        rfi_packing_begin(packing, &zstd, out, &none, &part, &plain) != RF_OK) {
        send_bytes(pair, side, out);
        rfi_buf_fini(&part);
        return;
    }
    send_bytes(pair, side, &part);
    while (rfi_packing_has_next(packing)) {
        rfi_buf_clear(&part);
        if (rfi_packing_next(packing, &zstd, &part) != RF_OK)
            fail("a part could not be made", side, 0, 0);
        send_bytes(pair, side, &part);
    }
    rfi_buf_fini(&part);
}

static void poll_end(struct pair *pair, int side)
{
    struct end *end = &pair->ends[side];
    if (!end->is_touched && rfi_link_next_ns(end->link) > world.now_ns)
        return;
    end->is_touched = false;
    rf_err err = rfi_link_tick(end->link, world.now_ns);
    if (err == RF_ETIMEOUT && pair->silent_sides == 0 && !world.is_dirty && world.overlap == 0)
        fail("a healthy session timed out", end->node, end->peer, 0);
    if (err != RF_OK) {
        cut(pair);
        return;
    }
    struct rfi_buf out;
    struct rfi_tail tail = {.data = NULL};
    rfi_buf_init(&out);
    for (int count = 0;
         rfi_link_poll_tail(end->link, &out, world.has_tails ? &tail : NULL, world.now_ns);
         count++) {
        if (tail.data != NULL)
            rfi_buf_append(&out, tail.data, tail.size);
        rfi_tail_release(&tail);
        tail = (struct rfi_tail){.data = NULL};
        if (count > 100000) {
            fail("polling does not end", end->node, end->peer, 0);
            break;
        }
        send_frame(pair, side, &out);
        rfi_buf_clear(&out);
    }
    rfi_buf_fini(&out);
}

static rf_err take_frame(struct end *end, const struct frame *frame, rf_diag *diag)
{
    static struct rfi_buf scratch;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    rf_err err = rfi_packing_input(&end->packing, &zstd, frame->bytes, frame->size, &scratch,
                                   &bytes, &size, diag);
    if (err == RF_OK && bytes != NULL)
        err = size % 2 == 0 ? rfi_link_input(end->link, bytes, size, world.now_ns, diag)
                            : input_in_two(end->link, bytes, size, world.now_ns, diag);
    return err;
}

static void deliver(struct pair *pair, int side)
{
    struct end *end = &pair->ends[side];
    struct wire *wire = &end->wire;
    while (wire->count > 0 && wire->frames[wire->head].due_ns <= world.now_ns) {
        struct frame frame = wire->frames[wire->head];
        /* A session that has not begun here yet: its frames wait behind the handshake. */
        if (frame.epoch == pair->epoch && end->up_at_ns != UINT64_MAX)
            return;
        wire->head = (wire->head + 1) % WIRE_MAX;
        wire->count--;
        rf_err err = RF_OK;
        rf_diag diag = {0};
        if (frame.epoch == end->epoch && rfi_link_is_up(end->link)) {
            err = take_frame(end, &frame, &diag);
            end->is_touched = true;
        }
        free(frame.bytes);
        if (err == RF_OK)
            continue;
        if (!world.is_dirty) {
            fail("a protocol error without a fault", end->peer, end->node, (int64_t)err);
            (void)snprintf(world.detail, sizeof world.detail, "%d -> %d, %s", end->peer, end->node,
                           diag.text);
        }
        cut(pair);
        return;
    }
}

static void start_node(int node)
{
    uint8_t incarnation[RFI_INCARNATION_SIZE];
    incarnation_of(node, incarnation);
    for (int peer = 0; peer < NODES; peer++) {
        if (peer == node)
            continue;
        struct end *end = end_of(node, peer);
        end->node = node;
        end->peer = peer;
        end->link = rfi_link_new(&world.options[node], incarnation, &sink, end);
        end->up_at_ns = UINT64_MAX;
        for (int i = 0; i < FLOWS; i++)
            open_flow(&world.flows[node][peer][i]);
    }
}

static void restart(int node)
{
    world.has_restarted = true;
    for (size_t i = 0; i < world.request_count; i++)
        if (world.requests[i].node == node)
            world.requests[i].is_open = false;
    for (int peer = 0; peer < NODES; peer++) {
        if (peer == node)
            continue;
        struct end *end = end_of(node, peer);
        rfi_link_free(end->link);
        end->link = NULL;
        for (int i = 0; i < FLOWS; i++) {
            struct flow *flow = &world.flows[node][peer][i];
            for (uint32_t n = 0; n < flow->sent; n++)
                if (flow->fate[n] == FATE_OPEN)
                    flow->fate[n] = FATE_EXCUSED;
        }
    }
    world.mailbox_count[node] = 0;
    world.boot[node]++;
    start_node(node);
    for (int peer = 0; peer < NODES; peer++)
        if (peer != node)
            cut(pair_of(node, peer));
}

/* ---- a run ---- */

static void draw_world(void)
{
    for (int node = 0; node < NODES; node++) {
        struct rfi_link_options *options = &world.options[node];
        options->flow_credit_messages = PICK(1, 2, 5, 64, 256);
        options->flow_credit_bytes = PICK(1, 200, 5000, 1024 * 1024);
        options->link_credit_bytes = PICK(1, 1000, 100000, 8 * 1024 * 1024);
        options->outbox_messages_max = PICK(1, 4, 64, 1024);
        options->flows_max = PICK(FLOWS, FLOWS + 2, 1024);
        options->message_bytes_max = 1024 * 1024;
        options->batch_bytes_max = PICK(1, 300, 4000, 64 * 1024);
        options->heartbeat_interval_ms = 50;
        options->is_credit_kept = happens(700000);
        world.takes_fast[node] = happens(850000); /* the others do not know it */
        options->is_fast = world.takes_fast[node] && happens(500000);
    }
    world.is_mixed = happens(300000);
    world.cut = PICK(0, 500, 5000);
    world.silence = PICK(0, 0, 1000);
    world.stillborn = PICK(0, 0, 700000);
    world.restart = PICK(0, 0, 300, 1500);
    world.overlap = PICK(0, 0, 2000);
    world.lose = PICK(0, 0, 0, 3000);
    world.twice = PICK(0, 0, 0, 3000);
    world.truncate = PICK(0, 0, 0, 3000);
    world.refuse = PICK(0, 0, 20000);
    world.close = PICK(0, 0, 1000, 10000);
    world.ask = PICK(0, 100000);
    world.send = PICK(20000, 200000, 800000);
    world.latency_us = PICK(10, 500, 5000);
    world.slow_us = PICK(1, 1000, 30000);
    world.large = PICK(0, 20000);
    world.sizes = PICK(1, 2, 100, 100); /* alike: many of them in a row */
    world.run = PICK(0, 300000, 900000);
    world.has_tails = PICK(false, true);
    world.pack = PICK(0, 0, 300000, 1000000);
    world.is_dirty = world.lose + world.twice + world.truncate > 0;
}

static void begin(uint64_t seed)
{
    memset(&world, 0, offsetof(__typeof__(world), mailbox));
    memset(world.mailbox_head, 0, sizeof world - offsetof(__typeof__(world), mailbox_head));
    chance_state = seed * 0x2545F4914F6CDD1Du + 99;
    world.hash = 0xCBF29CE484222325u;
    world.is_chaos = true;
    world.now_ns = 1000 * (uint64_t)MS;
    draw_world();
    for (int from = 0; from < NODES; from++)
        for (int to = 0; to < NODES; to++)
            for (uint32_t i = 0; i < FLOWS; i++)
                world.flows[from][to][i] =
                    (struct flow){.from = from, .to = to, .index = i, .last = -1};
    for (int a = 0; a < NODES; a++)
        for (int b = 0; b < NODES; b++)
            world.pairs[a][b].cut_at_ns = UINT64_MAX;
    for (int node = 0; node < NODES; node++)
        start_node(node);
}

static void do_faults(struct pair *pair)
{
    if (happens(world.cut) || world.now_ns >= pair->cut_at_ns)
        cut(pair);
    if (happens(world.silence) && pair->silent_sides == 0)
        pair->silent_sides = 1 + below(3);
    if (happens(world.overlap) && pair->connect_at_ns == UINT64_MAX)
        handshake(pair); /* while the old session goes on */
    if (happens(world.restart))
        restart(pair->ends[below(2)].node);
}

static void step_pair(struct pair *pair)
{
    if (world.is_chaos)
        do_faults(pair);
    if (world.now_ns >= pair->connect_at_ns)
        handshake(pair);
    for (int side = 0; side < 2; side++) {
        if (world.now_ns >= pair->ends[side].up_at_ns)
            start_session(pair, side);
        deliver(pair, side);
    }
    for (int side = 0; side < 2; side++)
        poll_end(pair, side);
}

static void step_flow(struct flow *flow)
{
    if (happens(world.send) || !world.is_chaos)
        try_send(flow);
    if (world.is_chaos && happens(world.close)) {
        struct rfi_link *link = end_of(flow->from, flow->to)->link;
        rfi_link_close_flow(link, flow->outflow);
        flow->was_closed = true;
        open_flow(flow);
    }
}

static void step(void)
{
    world.now_ns += (uint64_t)(100 + below(2000)) * US;
    for (int from = 0; from < NODES; from++)
        for (int to = 0; to < NODES; to++)
            for (int i = 0; i < FLOWS && from != to; i++)
                step_flow(&world.flows[from][to][i]);
    for (int node = 0; node < NODES; node++)
        consume(node);
    for (int a = 0; a < NODES; a++)
        for (int b = a + 1; b < NODES; b++)
            step_pair(&world.pairs[a][b]);
}

static void check_flow(const struct flow *flow)
{
    uint32_t missing = 0;
    for (uint32_t n = 0; n < flow->sent; n++)
        missing += flow->fate[n] == FATE_OPEN ? 1 : 0;
    if (missing > flow->lost_told)
        fail("messages were lost and nobody was told", flow->from, flow->to, missing);
    if (missing < flow->lost_told && !world.has_restarted)
        fail("messages were told as lost and arrived", flow->from, flow->to, missing);
    for (uint32_t n = 0; n < flow->sent && !world.has_restarted; n++)
        if (flow->fate[n] == FATE_OPEN && (!flow->is_fast[n] || !world.takes_fast[flow->to]))
            fail("messages were lost although nobody restarted", flow->from, flow->to, n);
    if (flow->refused != flow->refused_told && !world.has_restarted && !flow->was_closed)
        fail("refusals were not told", flow->from, flow->to, flow->refused);
}

/* Nothing is left of the flow, and both sides know. */
static bool is_settled(const struct flow *flow)
{
    const struct rfi_outflow *outflow = flow->outflow;
    struct rfi_link *link = end_of(flow->to, flow->from)->link;
    if (outflow->id == RFI_NO_FLOW)
        return true;
    const struct rfi_inflow *inflow = rfi_link_find_inflow(link, outflow->id);
    uint64_t received = inflow != NULL ? inflow->received : 0;
    return outflow->sent == outflow->consumed && outflow->sent_bytes == outflow->consumed_bytes &&
           outflow->sent == received;
}

/* Nothing is under way any more; otherwise `out` tells one thing that is. */
static bool is_quiet(char *out, size_t out_size)
{
    for (int from = 0; from < NODES; from++) {
        if (world.mailbox_count[from] > 0) {
            (void)snprintf(out, out_size, "node %d has %zu letters", from,
                           world.mailbox_count[from]);
            return false;
        }
        for (int to = 0; to < NODES; to++) {
            if (from == to)
                continue;
            struct rfi_link_stats stats;
            rfi_link_get_stats(end_of(from, to)->link, &stats);
            if (stats.unacknowledged_messages > 0 || !rfi_link_is_up(end_of(from, to)->link)) {
                (void)snprintf(out, out_size, "%d -> %d: up %d, %" PRIu64 " unacknowledged", from,
                               to, rfi_link_is_up(end_of(from, to)->link),
                               stats.unacknowledged_messages);
                return false;
            }
            for (int i = 0; i < FLOWS; i++) {
                const struct flow *flow = &world.flows[from][to][i];
                if (flow->final_left == 0 || flow->sent == MESSAGES_MAX) {
                    if (is_settled(flow))
                        continue;
                    (void)snprintf(out, out_size, "%d -> %d flow %d: credit is missing", from, to,
                                   i);
                    return false;
                }
                (void)snprintf(out, out_size, "%d -> %d flow %d: %u left to send, wait %d", from,
                               to, i, flow->final_left, (int)flow->outflow->wait);
                return false;
            }
        }
    }
    for (size_t i = 0; i < world.request_count; i++) {
        if (!world.requests[i].is_open)
            continue;
        (void)snprintf(out, out_size, "request %zu of node %d", i + 1, world.requests[i].node);
        return false;
    }
    return true;
}

static void heal(void)
{
    world.is_chaos = false;
    world.progress_ns = world.now_ns;
    for (int a = 0; a < NODES; a++)
        for (int b = a + 1; b < NODES; b++) {
            if (world.is_dirty || world.pairs[a][b].silent_sides != 0 || happens(500000))
                cut(&world.pairs[a][b]);
        }
    for (int from = 0; from < NODES; from++)
        for (int to = 0; to < NODES; to++)
            for (int i = 0; i < FLOWS; i++)
                world.flows[from][to][i].final_left = FINAL_MESSAGES;
    char what[128];
    while (world.failure == NULL && !is_quiet(what, sizeof what)) {
        step();
        if (world.now_ns - world.progress_ns <= STUCK_MS * (uint64_t)MS)
            continue;
        fail("stuck after the faults are over", 0, 0, 0);
        (void)snprintf(world.detail, sizeof world.detail, "%s", what);
    }
    for (int from = 0; from < NODES; from++)
        for (int to = 0; to < NODES; to++)
            for (int i = 0; i < FLOWS && from != to; i++)
                check_flow(&world.flows[from][to][i]);
}

static uint64_t run(uint64_t seed)
{
    begin(seed);
    for (int i = 0; i < 800 && world.failure == NULL; i++)
        step();
    if (world.failure == NULL)
        heal();
    for (int a = 0; a < NODES; a++)
        for (int b = 0; b < NODES; b++) {
            if (a == b)
                continue;
            struct rfi_link_stats stats;
            rfi_link_get_stats(end_of(a, b)->link, &stats);
            note(stats.sent_messages ^ stats.resent_messages << 20);
            clear_wire(&end_of(a, b)->wire);
            rfi_packing_fini(&end_of(a, b)->packing);
            rfi_link_free(end_of(a, b)->link);
            end_of(a, b)->link = NULL;
        }
    note(world.now_ns);
    return world.hash;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 500;
    uint64_t failed = 0;
    uint64_t messages = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        uint64_t hash = run(seed);
        if (seed == first && world.failure == NULL && run(seed) != hash)
            fail("the same seed gave another history", 0, 0, 0);
        for (int from = 0; from < NODES; from++)
            for (int to = 0; to < NODES; to++)
                for (int i = 0; i < FLOWS; i++)
                    messages += world.flows[from][to][i].sent;
        if (world.failure == NULL)
            continue;
        failed++;
        printf("seed %" PRIu64 ": %s (%s)\n", seed, world.failure, world.detail);
    }
    printf("%" PRIu64 " messages\n%" PRIu64 " passed, %" PRIu64 " failed\n", messages,
           count - failed, failed);
    return failed == 0 ? 0 : 1;
}
