/* SPDX-License-Identifier: MIT */
/* Two small helpers of a link: the set of request ids that wait for an answer, and the form of a source
 * actor's name.
 *
 * The set is owned by its link. The ids are this node's own numbers, so a plain multiplicative hash will do:
 * no peer can choose what is put in, only ask for what is there. Removing shifts the followers back, so
 * there are no tombstones and a full life of requests leaves the table as it was. */
#include "core/base/diag.h"
#include "net/link_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t home_of(const struct rfi_id_set *set, uint64_t id)
{
    return (size_t)((id * 0x9E3779B97F4A7C15u) >> 32) & (set->capacity - 1);
}

/* Where the id is, or the free slot where it would go. */
static size_t find_slot(const struct rfi_id_set *set, uint64_t id)
{
    size_t at = home_of(set, id);
    while (set->slots[at] != 0 && set->slots[at] != id)
        at = (at + 1) & (set->capacity - 1);
    return at;
}

static rf_err grow(struct rfi_id_set *set)
{
    struct rfi_id_set bigger = {.capacity = set->capacity == 0 ? 16 : set->capacity * 2};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i] != 0)
            bigger.slots[find_slot(&bigger, set->slots[i])] = set->slots[i];
    bigger.count = set->count;
    free(set->slots);
    *set = bigger;
    return RF_OK;
}

rf_err rfi_id_set_add(struct rfi_id_set *set, uint64_t id)
{
    if (set->count * 2 >= set->capacity) {
        rf_err err = grow(set);
        if (err != RF_OK)
            return err;
    }
    size_t at = find_slot(set, id);
    if (set->slots[at] == id)
        return RF_EEXISTS;
    set->slots[at] = id;
    set->count++;
    return RF_OK;
}

bool rfi_id_set_has(const struct rfi_id_set *set, uint64_t id)
{
    return id != 0 && set->capacity > 0 && set->slots[find_slot(set, id)] == id;
}

bool rfi_id_set_remove(struct rfi_id_set *set, uint64_t id)
{
    if (!rfi_id_set_has(set, id))
        return false;
    size_t mask = set->capacity - 1;
    size_t hole = find_slot(set, id);
    for (size_t at = (hole + 1) & mask; set->slots[at] != 0; at = (at + 1) & mask) {
        /* It may move into the hole unless its home lies cyclically behind the hole. */
        size_t home = home_of(set, set->slots[at]);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            set->slots[hole] = set->slots[at];
            hole = at;
        }
    }
    set->slots[hole] = 0;
    set->count--;
    return true;
}

void rfi_id_set_fini(struct rfi_id_set *set)
{
    free(set->slots);
    *set = (struct rfi_id_set){0};
}

bool rfi_source_is_valid(const char *source)
{
    size_t size = strlen(source);
    if (size == 0)
        return true;
    const char *at_sign = memchr(source, '@', size);
    if (at_sign == NULL)
        return rfi_name_is_valid(source, size);
    size_t before = (size_t)(at_sign - source);
    return rfi_name_is_valid(source, before) && rfi_name_is_valid(at_sign + 1, size - before - 1);
}
