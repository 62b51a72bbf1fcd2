/* SPDX-License-Identifier: MIT */
/* The names of a network's nodes: read by any thread without a lock, changed under the network's. */
#ifndef RFI_DIRECTORY_H
#define RFI_DIRECTORY_H

#include <reflow/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rfi_actor;
struct rfi_node;
struct rfi_names;

struct rfi_directory_entry { /* low, high: the node, marked as in the table; 0: a hole */
    uint32_t hash, low, high;
};

#define RFI_MADE_UP_MARK '#' /* no good name begins with it */
enum { RFI_YOUNG_MAX = 16, RFI_MADE_UP_SIZE = 16 };

struct rfi_directory {
    _Atomic(struct rfi_names *)
        names; /* the table in use; older ones stay behind it until the end */
    /* under the lock of the network */
    struct rfi_directory_entry *entries; /* in the order of their making */
    uint32_t capacity, used, count;      /* of entries; used: with holes */
    uint32_t marked;                     /* places of the table that are not empty */
    /* entries that are not in the table yet, the oldest first: see NOTE made-up names */
    uint32_t young[RFI_YOUNG_MAX], young_count;
    uint64_t made_up_count;
};

/* False: out of memory. */
bool rfi_directory_init(struct rfi_directory *directory);
void rfi_directory_fini(struct rfi_directory *directory);

/* Any thread: the actor of that name, with a reference. NULL: there is none, or it is a proxy, or the table was just
 * changed: ask again under the lock. */
struct rfi_actor *rfi_directory_find(const struct rfi_directory *directory, const char *name);

/* What the functions below know of a name. Any thread. */
struct rfi_name {
    const char *text;
    uint32_t size, hash;
};
struct rfi_name rfi_name_of(const char *text);
/* Get the lines of the name from memory while something else is done. Any thread. */
void rfi_directory_prefetch(const struct rfi_directory *directory, struct rfi_name name);
struct rfi_node *rfi_directory_get_locked(struct rfi_directory *directory, struct rfi_name name);
/* See to it that the name can be entered. RF_EEXISTS, RF_ENOMEM. */
RF_NODISCARD rf_err rfi_directory_prepare_locked(struct rfi_directory *directory,
                                                 struct rfi_name name);
/* Enter a node that is ready to be found, right after the name was prepared. */
void rfi_directory_enter_locked(struct rfi_directory *directory, struct rfi_name name,
                                struct rfi_node *node);
/* A name that no other node has, had, or can be given. */
struct rfi_name rfi_directory_make_up_locked(struct rfi_directory *directory,
                                             char out[RFI_MADE_UP_SIZE]);
/* The same as prepare and enter for such a name, in two steps; the second one may come when the table has the line. */
RF_NODISCARD rf_err rfi_directory_prepare_young_locked(struct rfi_directory *directory);
void rfi_directory_enter_young_locked(struct rfi_directory *directory, struct rfi_name name,
                                      struct rfi_node *node);
/* Returns the node that was there, or NULL. */
struct rfi_node *rfi_directory_remove_locked(struct rfi_directory *directory, struct rfi_name name);
/* Nodes in the order of their making: *at 0 begins, NULL ends. The one that was returned last may be removed. */
struct rfi_node *rfi_directory_next_locked(const struct rfi_directory *directory, uint32_t *at);

#endif
