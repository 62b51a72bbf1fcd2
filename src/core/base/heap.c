/* SPDX-License-Identifier: MIT */
/* The pairing heap of Fredman, Sedgewick, Sleator and Tarjan (1986), two-pass. The memory of a node is its owner's. */
#include "core/base/heap.h"

#include <stddef.h>

static struct rfi_heap_node *merge(struct rfi_heap_node *a, struct rfi_heap_node *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (b->at < a->at) {
        struct rfi_heap_node *smaller = b;
        b = a;
        a = smaller;
    }
    b->before = a;
    b->next = a->child;
    if (b->next != NULL)
        b->next->before = b;
    a->child = b;
    return a;
}

/* One tree of a list of siblings. */
static struct rfi_heap_node *merge_all(struct rfi_heap_node *list)
{
    struct rfi_heap_node *pairs = NULL;
    struct rfi_heap_node *tree = NULL;
    while (list != NULL) {
        struct rfi_heap_node *a = list;
        struct rfi_heap_node *b = a->next;
        list = b != NULL ? b->next : NULL;
        a->next = NULL;
        if (b != NULL)
            b->next = NULL;
        a = merge(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct rfi_heap_node *next = pairs->next;
        pairs->next = NULL;
        tree = merge(tree, pairs);
        pairs = next;
    }
    if (tree != NULL)
        tree->before = NULL;
    return tree;
}

void rfi_heap_remove(struct rfi_heap *heap, struct rfi_heap_node *node)
{
    if (!node->is_in)
        return;
    struct rfi_heap_node *below = merge_all(node->child);
    if (heap->first == node) {
        heap->first = below;
    } else {
        if (node->before->child == node)
            node->before->child = node->next;
        else
            node->before->next = node->next;
        if (node->next != NULL)
            node->next->before = node->before;
        heap->first = merge(heap->first, below);
    }
    *node = (struct rfi_heap_node){.at = node->at};
}

void rfi_heap_set(struct rfi_heap *heap, struct rfi_heap_node *node, uint64_t at)
{
    rfi_heap_remove(heap, node);
    *node = (struct rfi_heap_node){.at = at, .is_in = true};
    heap->first = merge(heap->first, node);
}

struct rfi_heap_node *rfi_heap_take(struct rfi_heap *heap, uint64_t until)
{
    struct rfi_heap_node *first = heap->first;
    if (first == NULL || first->at > until)
        return NULL;
    rfi_heap_remove(heap, first);
    return first;
}

uint64_t rfi_heap_next(const struct rfi_heap *heap)
{
    return heap->first != NULL ? heap->first->at : UINT64_MAX;
}
