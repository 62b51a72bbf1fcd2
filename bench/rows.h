/* SPDX-License-Identifier: MIT */
/* The rows of ours in a comparison, and who is compared with whom. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "samples.h"

enum bench_kind {
    BENCH_OURS,
    BENCH_PEER,
    BENCH_LIMIT,        /* plain C: what the machine allows, no peer */
    BENCH_SHARED_MEMORY /* between processes of one machine only: no peer over sockets */
};

/* What a row speaks decides who its rivals are. */
enum bench_wire { BENCH_WIRE_PLAIN, BENCH_WIRE_WS, BENCH_WIRE_JSON };

struct bench_row {
    const char *name;
    const char *workloads; /* names with a blank between them; one may end with * */
    enum bench_wire wire;
    const char *delivery;
    bool is_polling;    /* I/O threads look for more before they sleep */
    const char *unfair; /* peers and limits that it is not compared with */
};

extern const struct bench_row bench_rows[];
extern const size_t bench_row_count;

/* The row of this name; NULL: it is not one of ours. */
const struct bench_row *bench_row_find(const char *name);
bool bench_row_does(const struct bench_row *row, const char *workload);

/* What a result is, by its peer and workload. */
enum bench_kind bench_kind_of(const char *peer, const char *workload);
const char *bench_kind_name(enum bench_kind kind);

/* Is the peer one that the row has to beat? Is it a limit that the row can come near to? */
bool bench_is_rival(const struct bench_row *row, const char *peer, const char *workload);
bool bench_is_limit_of(const struct bench_row *row, const char *peer, const char *workload);

/* What peers call the work of our workload, and whether this peer does the same work. Only json_X differs: it is
 * remote_X of reflow-rust. */
void bench_their_workload(char text[BENCH_NAME_SIZE], const char *workload);
bool bench_may_do(const char *peer, const char *workload);
/* The other way round, for a result of theirs that was measured for our workload. */
void bench_our_result(char text[BENCH_NAME_SIZE], const char *workload, const char *result);

/* Put the groups of each workload, which stand together, in order: ours, peers, shared memory, limits; the best of
 * each first. */
void bench_groups_sort(struct bench_group *groups, size_t count);

/* The group that a row of ours is measured against: the best of its rivals, or of its limits. NULL: none. */
const struct bench_group *bench_best_rival(const struct bench_group *ours,
                                           const struct bench_group *groups, size_t count);
const struct bench_group *bench_best_limit(const struct bench_group *ours,
                                           const struct bench_group *groups, size_t count);

/* Is `word` in the list, whose words the separator parts? */
bool bench_list_has(const char *list, char separator, const char *word);

#endif
