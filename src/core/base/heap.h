/* SPDX-License-Identifier: MIT */
/* What is due next, of many: a pairing heap whose nodes are part of what they stand for, so nothing is allocated and
 * nothing can fail. Entering, and looking at the first, take a few instructions; taking one out takes O(log n)
 * amortised. Not stable. One owner. */
#ifndef RFI_HEAP_H
#define RFI_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct rfi_heap_node { /* all zeros: in no heap */
    struct rfi_heap_node *child, *next;
    struct rfi_heap_node *before; /* the left sibling; of the leftmost one the parent */
    uint64_t at;                  /* the smallest comes first */
    bool is_in;
};

struct rfi_heap {
    struct rfi_heap_node *first; /* NULL: empty */
};

/* Enter, or move when it is in. */
void rfi_heap_set(struct rfi_heap *heap, struct rfi_heap_node *node, uint64_t at);
/* Take out; nothing when it is not in. */
void rfi_heap_remove(struct rfi_heap *heap, struct rfi_heap_node *node);
/* Take the first out if it is not after `until`; else NULL. */
struct rfi_heap_node *rfi_heap_take(struct rfi_heap *heap, uint64_t until);
/* UINT64_MAX: empty. */
uint64_t rfi_heap_next(const struct rfi_heap *heap);

#endif
