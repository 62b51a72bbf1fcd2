/* SPDX-License-Identifier: MIT */
/* The one table of our rows, and the rules of a fair comparison:
 *
 *  - raw* are limits; nobody could use them instead of a node.
 *  - What goes through shared memory is no peer over sockets: aeron-ipc, and dora where it moves large messages.
 *  - A row over WebSocket has the peers over WebSocket, a row on the Rust wire the Rust Reflow.
 *  - A row that does not poll is not compared with what always polls.
 *
 * Pure; all data is constant. */
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct bench_row bench_rows[] = {
    {"reflow", "local_* spawn", BENCH_WIRE_PLAIN, "reliable", true, ""},
    {"reflow-tcp", "remote_*", BENCH_WIRE_PLAIN, "reliable", true, ""},
    {"reflow-tcp-nopoll", "remote_rtt", BENCH_WIRE_PLAIN, "reliable", false,
     "aeron raw-spin raw-onecore"},
    {"reflow-tcp-fast", "remote_*", BENCH_WIRE_PLAIN, "fast", true, ""},
    {"reflow-ws", "remote_*", BENCH_WIRE_WS, "reliable", true, ""},
    {"reflow-ws-nopoll", "remote_rtt", BENCH_WIRE_WS, "reliable", false, ""},
    {"reflow-ws-fast", "remote_*", BENCH_WIRE_WS, "fast", true, ""},
    {"reflow-json", "json_*", BENCH_WIRE_JSON, "reliable", true, ""},
};
const size_t bench_row_count = sizeof bench_rows / sizeof bench_rows[0];

static const char json_prefix[] = "json_";
static const char remote_prefix[] = "remote_";
static const char rust_peer[] = "reflow-rust";

const struct bench_row *bench_row_find(const char *name)
{
    for (size_t i = 0; i < bench_row_count; i++)
        if (strcmp(bench_rows[i].name, name) == 0)
            return &bench_rows[i];
    return NULL;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_size = strlen(text);
    size_t end_size = strlen(end);
    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

bool bench_list_has(const char *list, char separator, const char *word)
{
    const char parts[] = {separator, '\0'};
    size_t size = strlen(word);
    while (*list != '\0') {
        size_t length = strcspn(list, parts);
        bool is_pattern = length > 0 && list[length - 1] == '*';
        if (is_pattern ? strncmp(list, word, length - 1) == 0
                       : length == size && memcmp(list, word, size) == 0)
            return true;
        list += length;
        list += *list != '\0';
    }
    return false;
}

bool bench_row_does(const struct bench_row *row, const char *workload)
{
    return bench_list_has(row->workloads, ' ', workload);
}

enum bench_kind bench_kind_of(const char *peer, const char *workload)
{
    if (bench_row_find(peer) != NULL)
        return BENCH_OURS;
    if (starts_with(peer, "raw"))
        return BENCH_LIMIT;
    if (strcmp(peer, "aeron-ipc") == 0 ||
        (starts_with(peer, "dora") && strcmp(workload, "remote_large") == 0))
        return BENCH_SHARED_MEMORY;
    return BENCH_PEER;
}

const char *bench_kind_name(enum bench_kind kind)
{
    static const char *const names[] = {[BENCH_OURS] = "ours",
                                        [BENCH_PEER] = "peer",
                                        [BENCH_LIMIT] = "limit",
                                        [BENCH_SHARED_MEMORY] = "shared-memory"};
    return names[kind];
}

static enum bench_wire wire_of(const char *peer, const char *workload)
{
    if (starts_with(workload, json_prefix))
        return BENCH_WIRE_JSON;
    return ends_with(peer, "-ws") ? BENCH_WIRE_WS : BENCH_WIRE_PLAIN;
}

static bool is_comparable(const struct bench_row *row, const char *peer, const char *workload)
{
    return wire_of(peer, workload) == row->wire && !bench_list_has(row->unfair, ' ', peer);
}

bool bench_is_rival(const struct bench_row *row, const char *peer, const char *workload)
{
    return bench_kind_of(peer, workload) == BENCH_PEER && is_comparable(row, peer, workload);
}

bool bench_is_limit_of(const struct bench_row *row, const char *peer, const char *workload)
{
    return bench_kind_of(peer, workload) == BENCH_LIMIT && is_comparable(row, peer, workload);
}

/* With a node of the peer at one end: to be compared with two of them. */
static bool is_mixed(const char *workload)
{
    return strcmp(workload, "json_to_rust") == 0 || strcmp(workload, "json_from_rust") == 0;
}

void bench_their_workload(char text[BENCH_NAME_SIZE], const char *workload)
{
    if (is_mixed(workload))
        (void)snprintf(text, BENCH_NAME_SIZE, "remote_stream");
    else if (starts_with(workload, json_prefix))
        (void)snprintf(text, BENCH_NAME_SIZE, "%s%s", remote_prefix,
                       workload + strlen(json_prefix));
    else
        (void)snprintf(text, BENCH_NAME_SIZE, "%s", workload);
}

bool bench_may_do(const char *peer, const char *workload)
{
    return !starts_with(workload, json_prefix) || strcmp(peer, rust_peer) == 0;
}

void bench_our_result(char text[BENCH_NAME_SIZE], const char *workload, const char *result)
{
    if (is_mixed(workload))
        (void)snprintf(text, BENCH_NAME_SIZE, "%s", workload);
    else if (starts_with(workload, json_prefix) && starts_with(result, remote_prefix))
        (void)snprintf(text, BENCH_NAME_SIZE, "%s%s", json_prefix, result + strlen(remote_prefix));
    else
        (void)snprintf(text, BENCH_NAME_SIZE, "%s", result);
}

static int rank_of(const struct bench_group *group)
{
    static const int ranks[] = {
        [BENCH_OURS] = 0, [BENCH_PEER] = 1, [BENCH_SHARED_MEMORY] = 2, [BENCH_LIMIT] = 3};
    return ranks[bench_kind_of(group->peer, group->workload)];
}

static int by_rank(const void *left, const void *right)
{
    const struct bench_group *a = left;
    const struct bench_group *b = right;
    int unit = strcmp(a->unit, b->unit);
    if (unit != 0)
        return unit;
    if (rank_of(a) != rank_of(b))
        return rank_of(a) - rank_of(b);
    double ratio = bench_ratio(a->unit, a->median, b->median);
    if (ratio > 0 && ratio != 1)
        return ratio > 1 ? -1 : 1;
    return strcmp(a->peer, b->peer);
}

void bench_groups_sort(struct bench_group *groups, size_t count)
{
    for (size_t begin = 0, end = 0; begin < count; begin = end) {
        while (end < count && strcmp(groups[end].workload, groups[begin].workload) == 0)
            end++;
        qsort(&groups[begin], end - begin, sizeof *groups, by_rank);
    }
}

static const struct bench_group *
best(const struct bench_group *ours, const struct bench_group *groups, size_t count,
     bool (*is_one)(const struct bench_row *row, const char *peer, const char *workload))
{
    const struct bench_row *row = bench_row_find(ours->peer);
    const struct bench_group *found = NULL;
    for (size_t i = 0; row != NULL && i < count; i++) {
        const struct bench_group *group = &groups[i];
        if (strcmp(group->workload, ours->workload) != 0 || strcmp(group->unit, ours->unit) != 0 ||
            !is_one(row, group->peer, group->workload))
            continue;
        if (found == NULL || bench_ratio(group->unit, group->median, found->median) > 1)
            found = group;
    }
    return found;
}

const struct bench_group *bench_best_rival(const struct bench_group *ours,
                                           const struct bench_group *groups, size_t count)
{
    return best(ours, groups, count, bench_is_rival);
}

const struct bench_group *bench_best_limit(const struct bench_group *ours,
                                           const struct bench_group *groups, size_t count)
{
    return best(ours, groups, count, bench_is_limit_of);
}
