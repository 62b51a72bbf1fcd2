/* SPDX-License-Identifier: MIT */
/* Loops in the connector graph: sets of nodes that all reach each other (strongly connected components).
 *
 * Inside a loop muting would be a deadlock: every actor of it waits for the next. So connectors inside a
 * loop never mute, and the loop's nodes carry a common `loop_id`. Kept up to date at each change:
 *
 *   a new edge u -> v closes a loop only if v reaches u already. Two walks, forwards from v and backwards
 *   from u, go in turns and stop as soon as one is exhausted, so that building a large graph
 *   node by node in either direction costs a step or two for each edge;
 *   edges that leave a loop: its nodes alone are sorted anew (Tarjan, without recursion).
 *
 * Under the network's lock. Nodes whose wires have to be made anew are put on `dirty`. */
#include "core/flow/network_internal.h"

#include <stdlib.h>

/* A walk over the graph, breadth first; the nodes met are linked by walk_next in the order of their meeting. */
struct walk {
    struct rfi_node *first, *last; /* met */
    struct rfi_node *at;           /* the next whose edges are looked at */
    uint32_t mark;
    bool is_backwards;
};

static void meet(struct walk *walk, struct rfi_node *node)
{
    node->walk_mark = walk->mark;
    node->walk_next = NULL;
    if (walk->last != NULL)
        walk->last->walk_next = node;
    else
        walk->first = node;
    walk->last = node;
    if (walk->at == NULL)
        walk->at = node;
}

static struct rfi_edge *first_edge(const struct walk *walk, const struct rfi_node *node)
{
    return walk->is_backwards ? node->in_first : node->out_first;
}

static struct rfi_edge *next_edge(const struct walk *walk, const struct rfi_edge *edge)
{
    return walk->is_backwards ? edge->in_next : edge->out_next;
}

static struct rfi_node *far_end(const struct walk *walk, const struct rfi_edge *edge)
{
    return walk->is_backwards ? edge->from : edge->to;
}

/* Look at one node's edges. Returns true when a node of the other walk was found. */
static bool step(struct walk *walk, uint32_t other_mark)
{
    struct rfi_node *node = walk->at;
    bool is_met = false;
    walk->at = node->walk_next;
    for (struct rfi_edge *edge = first_edge(walk, node); edge != NULL;
         edge = next_edge(walk, edge)) {
        struct rfi_node *end = far_end(walk, edge);
        if (end == NULL || end->walk_mark == walk->mark)
            continue;
        if (end->walk_mark == other_mark)
            is_met = true;
        else
            meet(walk, end);
    }
    return is_met;
}

/* Does `to` reach `from`, by other ways than a mark tells? */
static bool is_reached(rf_network *net, struct rfi_node *from, struct rfi_node *to)
{
    struct walk forwards = {.mark = ++net->walk_mark};
    struct walk backwards = {.mark = ++net->walk_mark, .is_backwards = true};
    meet(&forwards, to);
    meet(&backwards, from);
    while (forwards.at != NULL && backwards.at != NULL)
        if (step(&forwards, backwards.mark) || step(&backwards, forwards.mark))
            return true;
    return false;
}

static uint32_t new_loop_id(rf_network *net)
{
    if (++net->loop_id > RFI_LOOP_ID_MAX)
        net->loop_id = 1;
    return net->loop_id;
}

static void set_loop(rf_network *net, struct rfi_node *node, uint32_t loop_id)
{
    node->loop_id = loop_id & RFI_LOOP_ID_MAX;
    node->walk_next = net->dirty;
    net->dirty = node;
}

void rfi_cycles_edge_added(rf_network *net, struct rfi_node *from, struct rfi_node *to)
{
    if (from == to) {
        if (from->loop_id == 0)
            set_loop(net, from, new_loop_id(net));
        return;
    }
    if ((from->loop_id != 0 && from->loop_id == to->loop_id) || !is_reached(net, from, to))
        return;
    /* The loop is what `to` reaches and what reaches `from`. */
    struct walk forwards = {.mark = ++net->walk_mark};
    meet(&forwards, to);
    while (forwards.at != NULL)
        (void)step(&forwards, forwards.mark); /* no other walk to meet */
    struct walk backwards = {.mark = ++net->walk_mark, .is_backwards = true};
    uint32_t loop_id = new_loop_id(net);
    struct rfi_node *members = NULL;
    meet(&backwards, from);
    while (backwards.at != NULL) {
        struct rfi_node *node = backwards.at;
        /* Only nodes that the first walk met: every way from `to` to `from` is within them. */
        backwards.at = node->walk_next;
        node->loop_id = loop_id & RFI_LOOP_ID_MAX;
        for (struct rfi_edge *edge = node->in_first; edge != NULL; edge = edge->in_next)
            if (edge->from->walk_mark == forwards.mark)
                meet(&backwards, edge->from);
    }
    for (struct rfi_node *node = backwards.first, *next; node != NULL; node = next) {
        next = node->walk_next;
        node->walk_next = members;
        members = node;
    }
    net->dirty = members;
}

/* ---- taking a loop apart ---- */

struct member {
    struct rfi_node *node;
    struct rfi_edge *edge; /* the next to look at */
    uint32_t low, order;   /* order 0: not met yet */
    uint32_t parent;       /* place in members */
    uint32_t stack_next;   /* place + 1 */
    bool is_stacked;
};

struct sorting {
    rf_network *net;
    struct member *members;
    uint32_t old_id, order, stack; /* stack: place + 1, 0: empty */
};

static bool is_inside(const struct sorting *sorting, const struct rfi_node *node)
{
    return node != NULL && node->loop_id == sorting->old_id;
}

/* The member at `place` is the root of a component: give its nodes their loop. */
static void close_component(struct sorting *sorting, uint32_t place)
{
    struct member *members = sorting->members;
    bool is_loop = sorting->stack != place + 1;
    for (struct rfi_edge *edge = members[place].node->out_first; edge != NULL && !is_loop;
         edge = edge->out_next)
        is_loop = edge->to == members[place].node; /* a loop of one */
    uint32_t loop_id = is_loop ? new_loop_id(sorting->net) : 0;
    uint32_t top;
    do {
        top = sorting->stack - 1;
        sorting->stack = members[top].stack_next;
        members[top].is_stacked = false;
        /* order stays: it tells that the node was met; the new id is set when all is over */
        members[top].low = loop_id;
    } while (top != place);
}

static void enter(struct sorting *sorting, uint32_t place, uint32_t parent)
{
    struct member *member = &sorting->members[place];
    member->order = member->low = ++sorting->order;
    member->parent = parent;
    member->edge = member->node->out_first;
    member->stack_next = sorting->stack;
    member->is_stacked = true;
    sorting->stack = place + 1;
}

static void lower(struct member *member, uint32_t low)
{
    if (low < member->low)
        member->low = low;
}

/* Tarjan's algorithm from one root, its recursion kept in `parent` and `edge`. */
static void sort_from(struct sorting *sorting, uint32_t root)
{
    struct member *members = sorting->members;
    uint32_t place = root;
    enter(sorting, root, UINT32_MAX);
    for (;;) {
        struct member *member = &members[place];
        struct rfi_edge *edge = member->edge;
        if (edge != NULL) {
            member->edge = edge->out_next;
            if (!is_inside(sorting, edge->to))
                continue;
            uint32_t end = edge->to->walk_mark; /* place in members */
            if (members[end].order == 0) {
                enter(sorting, end, place);
                place = end;
            } else if (members[end].is_stacked) {
                lower(member, members[end].order);
            }
            continue;
        }
        uint32_t parent = member->parent;
        uint32_t low = member->low;
        if (low == member->order)
            close_component(sorting, place);
        if (parent == UINT32_MAX)
            return;
        if (low != members[place].order)
            lower(&members[parent], low);
        place = parent;
    }
}

void rfi_cycles_edges_removed(rf_network *net, struct rfi_node *starts, uint32_t loop_id)
{
    /* All that is left of the loop, met from the starts. */
    struct walk walk = {.mark = ++net->walk_mark};
    uint32_t count = 0;
    while (starts != NULL) {
        struct rfi_node *next = starts->walk_next;
        if (starts->loop_id == loop_id && starts->walk_mark != walk.mark)
            meet(&walk, starts);
        starts = next;
    }
    for (struct rfi_node *node = walk.at; node != NULL; node = node->walk_next) {
        count++;
        for (struct rfi_edge *edge = node->out_first; edge != NULL; edge = edge->out_next)
            if (edge->to != NULL && edge->to->loop_id == loop_id &&
                edge->to->walk_mark != walk.mark)
                meet(&walk, edge->to);
    }
    struct sorting sorting = {.net = net, .old_id = loop_id};
    if (count == 0)
        return;
    sorting.members = calloc(count, sizeof *sorting.members);
    if (sorting.members == NULL)
        return; /* the nodes stay marked as a loop: they mute later than they could, no more */
    uint32_t place = 0;
    for (struct rfi_node *node = walk.first; node != NULL; node = node->walk_next) {
        sorting.members[place].node = node;
        node->walk_mark = place++;
    }
    for (uint32_t i = 0; i < count; i++)
        if (sorting.members[i].order == 0)
            sort_from(&sorting, i);
    for (uint32_t i = 0; i < count; i++) {
        sorting.members[i].node->walk_mark = 0;
        set_loop(net, sorting.members[i].node, sorting.members[i].low);
    }
    free(sorting.members);
}
