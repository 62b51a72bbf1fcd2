/* SPDX-License-Identifier: MIT */
/* The nearest right name for a wrong one. The distance counts insertions, deletions, replacements
 * and swaps of neighbours (restricted Damerau-Levenshtein), with ASCII letters folded. Names longer
 * than SIZE_MAX_COMPARED are not compared: three rows on the stack are all the memory, and a long
 * name from a peer costs no time. Strings stay the caller's. Any thread. */
#include "core/base/suggest.h"

#include <stdio.h>
#include <string.h>

enum { SIZE_MAX_COMPARED = 128 };

static unsigned char fold(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][SIZE_MAX_COMPARED + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_size; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t cost = fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1;
            size_t best = least(last[j] + 1, row[j - 1] + 1);
            best = least(best, last[j - 1] + cost);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                best = least(best, before[j - 2] + 1);
            row[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_size];
}

void rfi_suggest_init(struct rfi_suggest *suggest, const char *wanted)
{
    *suggest = (struct rfi_suggest){.wanted = wanted, .best = NULL, .best_distance = (size_t)-1};
}

void rfi_suggest_offer(struct rfi_suggest *suggest, const char *candidate)
{
    size_t wanted_size = strlen(suggest->wanted);
    size_t size = strlen(candidate);
    if (wanted_size > SIZE_MAX_COMPARED || size > SIZE_MAX_COMPARED)
        return;
    size_t limit = size / 3;
    if (limit == 0 && size == 2)
        limit = 1;
    size_t gap = size > wanted_size ? size - wanted_size : wanted_size - size;
    if (gap > limit)
        return;
    size_t found = distance(suggest->wanted, wanted_size, candidate, size);
    if (found <= limit && found < suggest->best_distance) {
        suggest->best = candidate;
        suggest->best_distance = found;
    }
}

void rfi_suggest_text(const struct rfi_suggest *suggest, char *out, size_t out_size)
{
    if (out_size == 0)
        return;
    if (suggest->best == NULL)
        out[0] = '\0';
    else
        (void)snprintf(out, out_size, " (did you mean \"%s\"?)", suggest->best);
}
