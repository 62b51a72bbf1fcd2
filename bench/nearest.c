/* SPDX-License-Identifier: MIT */
/* Names by their distance: how many letters to put in, take out or replace. Pure; owns nothing. */
#include "nearest.h"

#include <stdint.h>
#include <string.h>

enum { NAME_MAX_SIZE = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t two = a < b ? a : b;
    return two < c ? two : c;
}

/* One row of the table of distances at a time. */
static size_t distance(const char *left, const char *right)
{
    size_t row[NAME_MAX_SIZE + 1];
    size_t right_size = strlen(right);
    if (right_size > NAME_MAX_SIZE)
        return SIZE_MAX;
    for (size_t j = 0; j <= right_size; j++)
        row[j] = j;
    for (size_t i = 0; left[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < right_size; j++) {
            size_t above = row[j + 1];
            row[j + 1] = least(above + 1, row[j] + 1, diagonal + (left[i] != right[j]));
            diagonal = above;
        }
    }
    return row[right_size];
}

const char *bench_nearest(const char *word, size_t count, const char *(*name_of)(size_t index))
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2; /* what is farther was not meant */
    for (size_t i = 0; i < count; i++) {
        size_t far = distance(word, name_of(i));
        if (far < best) {
            best = far;
            nearest = name_of(i);
        }
    }
    return nearest;
}
