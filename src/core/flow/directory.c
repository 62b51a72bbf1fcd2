/* SPDX-License-Identifier: MIT */
/* Names to nodes.
 *
 *   places   [ tag, node ][ 0 ][ GONE ][ tag, node ]    8 bytes each; a power of two, at most 5/8 of them not empty
 *   numbers  [ 1 ][   ][   ][ 0 ]                       for each place: where its node is in `entries`; for writers only
 *   entries  [ hash, node ][ hash, node ]               in the order of their making, which walks follow
 *
 * A look-up searches linearly from the place that the hash gives. The tag is 16 bits of the hash, so it looks at hardly any
 * node but the right one: one line of `places`, then the node. The hash is keyed, since peers choose the names.
 *
 * NOTE look-up. Readers have no lock and are in nobody's way. What makes it right:
 *   - A place is one word, written in one step when its node is complete ([DR1]).
 *   - The memory of an actor stays mapped, and its counter of references an atomic, until the network goes, whatever
 *     becomes of the actor (base/stable.h). So a reader may try to take a reference: it gets none when the counter is 0, and
 *     when it got one the actor is complete and stays ([DR2]). Then it compares the name, as the memory may be
 *     another actor's by now.
 *   - So what it finds is an actor of that name that is or was in the directory during the call. What it does not find may
 *     have been moved under its eyes, so it asks again under the lock.
 *   - A table that was replaced keeps its addresses until the network goes. Its memory goes back to the system if it is
 *     large; then it reads as zero: nothing is found there.
 * Proxies are marked in the lowest bit and left to the lock.
 *
 * NOTE made-up names. To enter a name costs the wait for a line of the table, which is cold when there are many; and whether it
 * is there already must be known at once. Not so for names that the directory makes up: they begin with a byte that no other
 * name may have, and a number. So their nodes wait as *young* until 16 others came, while the line is fetched, and are
 * entered then; readers that miss them ask under the lock, where all the young are entered first. */
#include "core/flow/directory.h"
#include "core/base/hash.h"
#include "core/flow/network_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    FIRST_SIZE = 16,
    HUGE_PAGE_BYTES = 2 << 20,
    GIVEN_BACK_BYTES =
        64 << 10, /* smaller tables keep their memory: less than twice this for all */
    PAGE_BYTES = 4096,
    AHEAD = 16 /* places that are fetched ahead when a table is made anew */
};
#define PLACE_GONE  UINT64_C(1) /* something was here, search on */
#define PLACE_PROXY UINT64_C(1) /* with a node */
#define PLACE_NODE  ((UINT64_C(1) << 48) - 2)
#define SIZE_MAX_   ((uint32_t)1 << 30)

struct place {
    _Atomic(uint64_t) word;
};

struct rfi_names {
    struct rfi_names *older;
    uint32_t mask;
    uint32_t *numbers; /* freed once the table is replaced */
    struct place *places;
};

/* ---- tables ---- */

static void free_names(struct rfi_names *names, bool is_in_use)
{
    if (is_in_use)
        free(names->numbers);
    free(names->places);
    free(names);
}

static void *alloc_zeroed(size_t bytes)
{
    if (bytes < GIVEN_BACK_BYTES)
        return calloc(1, bytes);
    /* powers of two, both */
    void *memory = aligned_alloc(bytes < HUGE_PAGE_BYTES ? PAGE_BYTES : HUGE_PAGE_BYTES, bytes);
    if (memory == NULL)
        return NULL;
    if (bytes >= HUGE_PAGE_BYTES)
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* without them it is slower, no more */
    return memset(memory, 0, bytes);
}

static struct rfi_names *make_names(uint32_t size)
{
    struct rfi_names *names = calloc(1, sizeof *names);
    if (names == NULL)
        return NULL;
    names->mask = size - 1;
    names->places = alloc_zeroed(size * sizeof *names->places);
    names->numbers = alloc_zeroed(size * sizeof *names->numbers);
    if (names->places != NULL && names->numbers != NULL)
        return names;
    free_names(names, true);
    return NULL;
}

/* Readers may still be in it. */
static void retire(struct rfi_names *names)
{
    size_t bytes = ((size_t)names->mask + 1) * sizeof *names->places;
    free(names->numbers);
    if (bytes >= GIVEN_BACK_BYTES)
        (void)madvise(names->places, bytes, MADV_DONTNEED); /* else it stays */
}

bool rfi_directory_init(struct rfi_directory *directory)
{
    *directory = (struct rfi_directory){.capacity = 0};
    struct rfi_names *names = rfi_hash_init() ? make_names(FIRST_SIZE) : NULL;
    atomic_init(&directory->names, names);
    return names != NULL;
}

void rfi_directory_fini(struct rfi_directory *directory)
{
    struct rfi_names *names = atomic_load_explicit(&directory->names, memory_order_relaxed);
    for (bool is_in_use = true; names != NULL; is_in_use = false) {
        struct rfi_names *older = names->older;
        free_names(names, is_in_use);
        names = older;
    }
    free(directory->entries);
}

static struct rfi_names *names_locked(const struct rfi_directory *directory)
{
    return atomic_load_explicit(&directory->names, memory_order_relaxed); /* written by us alone */
}

/* ---- words ---- */

static uint64_t tag_of(uint32_t hash)
{
    return (uint64_t)(hash >> 16) << 48;
}

static uint64_t word_of(const struct rfi_directory_entry *entry)
{
    return tag_of(entry->hash) | (uint64_t)entry->high << 32 | entry->low;
}

static struct rfi_node *node_of(uint64_t word)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): addresses of user space have 48 bits at most */
    return (struct rfi_node *)(uintptr_t)(word & PLACE_NODE);
}

static bool may_match(uint64_t word, uint32_t hash)
{
    return (word & ~(PLACE_NODE | PLACE_PROXY)) == tag_of(hash) && word > PLACE_GONE;
}

static struct rfi_node *node_at(const struct rfi_directory_entry *entry)
{
    return node_of((uint64_t)entry->high << 32 | entry->low);
}

struct rfi_name rfi_name_of(const char *text)
{
    size_t size = strlen(text);
    return (struct rfi_name){text, (uint32_t)size, rfi_hash_bytes(text, size)};
}

static bool has_name(const struct rfi_node *node, struct rfi_name name)
{
    return strcmp(rfi_node_id(node), name.text) == 0;
}

/* ---- without the lock ---- */

struct rfi_actor *rfi_directory_find(const struct rfi_directory *directory, const char *text)
{
    struct rfi_name name = rfi_name_of(text);
    /* [DR1] acquire: pairs with the release in replace */
    const struct rfi_names *names = atomic_load_explicit(&directory->names, memory_order_acquire);
    for (uint32_t place = name.hash & names->mask;; place = (place + 1) & names->mask) {
        /* [DR1] acquire: the node is complete; pairs with the release in enter */
        uint64_t word = atomic_load_explicit(&names->places[place].word, memory_order_acquire);
        if (word == 0)
            return NULL;
        if (!may_match(word, name.hash))
            continue;
        if ((word & PLACE_PROXY) != 0)
            return NULL;
        const struct rfi_node *node = node_of(word);
        struct rfi_actor *actor = rfi_node_actor_of(node);
        __builtin_prefetch(node);
        __builtin_prefetch(&actor->component);
        if (!rfi_mailbox_try_ref(&actor->box))
            return NULL;
        if (strcmp(rfi_actor_id(actor), name.text) == 0)
            return actor;
        rfi_mailbox_unref(&actor->box);
    }
}

/* ---- under the lock ---- */

void rfi_directory_prefetch(const struct rfi_directory *directory, struct rfi_name name)
{
    /* [DR1] acquire: as in rfi_directory_find */
    const struct rfi_names *names = atomic_load_explicit(&directory->names, memory_order_acquire);
    uint32_t place = name.hash & names->mask;
    __builtin_prefetch(&names->places[place], 1);
    __builtin_prefetch(&names->numbers[place], 1); /* gone memory is not prefetched, no more */
}

/* The place of the name; UINT32_MAX: it is not there. */
static uint32_t find_place(const struct rfi_names *names, struct rfi_name name)
{
    for (uint32_t place = name.hash & names->mask;; place = (place + 1) & names->mask) {
        uint64_t word =
            atomic_load_explicit(&names->places[place].word, memory_order_relaxed); /* ours */
        if (word == 0)
            return UINT32_MAX;
        if (may_match(word, name.hash) && has_name(node_of(word), name))
            return place;
    }
}

static void enter(struct rfi_directory *directory, struct rfi_names *names, uint32_t number);

static void settle(struct rfi_directory *directory)
{
    for (uint32_t i = 0; i < directory->young_count; i++)
        enter(directory, names_locked(directory), directory->young[i]);
    directory->young_count = 0;
}

struct rfi_node *rfi_directory_get_locked(struct rfi_directory *directory, struct rfi_name name)
{
    settle(directory);
    const struct rfi_names *names = names_locked(directory);
    uint32_t place = find_place(names, name);
    if (place == UINT32_MAX)
        return NULL;
    return node_of(
        atomic_load_explicit(&names->places[place].word, memory_order_relaxed)); /* ours */
}

static void enter(struct rfi_directory *directory, struct rfi_names *names, uint32_t number)
{
    const struct rfi_directory_entry *entry = &directory->entries[number];
    uint32_t place = entry->hash & names->mask;
    while (atomic_load_explicit(&names->places[place].word, memory_order_relaxed) != 0) /* ours */
        place = (place + 1) & names->mask;
    names->numbers[place] = number;
    /* [DR1] release: publishes the node; pairs with the acquire in rfi_directory_find */
    atomic_store_explicit(&names->places[place].word, word_of(entry), memory_order_release);
    directory->marked++;
}

static bool grow_entries(struct rfi_directory *directory)
{
    uint32_t capacity = directory->capacity == 0 ? FIRST_SIZE : directory->capacity * 2;
    struct rfi_directory_entry *entries = realloc(directory->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    directory->entries = entries;
    directory->capacity = capacity;
    return true;
}

/* Close the holes, and enter all into a table of that size, which may be the one in use: readers that miss what
 * is on its way ask again under the lock. */
static bool rebuild(struct rfi_directory *directory, uint32_t size)
{
    struct rfi_names *names = names_locked(directory);
    struct rfi_names *before = names;
    if (size != names->mask + 1) {
        names = make_names(size);
        if (names == NULL)
            return false;
        names->older = before;
    } else {
        for (uint32_t place = 0; place < size; place++)
            atomic_store_explicit(&names->places[place].word, 0,
                                  memory_order_relaxed); /* see above */
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < directory->used; i++)
        if (node_at(&directory->entries[i]) != NULL)
            directory->entries[used++] = directory->entries[i];
    directory->used = used;
    directory->marked = directory->young_count = 0;
    for (uint32_t i = 0; i < used; i++) {
        uint32_t ahead = directory->entries[i + AHEAD < used ? i + AHEAD : i].hash & names->mask;
        __builtin_prefetch(&names->places[ahead], 1);
        __builtin_prefetch(&names->numbers[ahead], 1);
        enter(directory, names, i);
    }
    /* [DR1] release: publishes the table; pairs with the acquire in rfi_directory_find */
    atomic_store_explicit(&directory->names, names, memory_order_release);
    if (names != before)
        retire(before);
    return true;
}

/* Room for one more. A table that is full of what is gone is made anew, one that is not is doubled. */
static bool make_room(struct rfi_directory *directory)
{
    uint32_t size = names_locked(directory)->mask + 1;
    uint32_t limit = size / 8 * 5;
    bool is_full = directory->marked + directory->young_count >= limit;
    bool has_holes =
        directory->used >= directory->capacity && directory->count < directory->used / 2;
    if (is_full && directory->count >= limit / 2)
        size *= 2;
    if (size > SIZE_MAX_ || ((is_full || has_holes) && !rebuild(directory, size)))
        return false;
    return directory->used < directory->capacity || grow_entries(directory);
}

rf_err rfi_directory_prepare_locked(struct rfi_directory *directory, struct rfi_name name)
{
    if (find_place(names_locked(directory), name) != UINT32_MAX)
        return RF_EEXISTS;
    return make_room(directory) ? RF_OK : RF_ENOMEM;
}

rf_err rfi_directory_prepare_young_locked(struct rfi_directory *directory)
{
    return make_room(directory) ? RF_OK : RF_ENOMEM;
}

static uint32_t append(struct rfi_directory *directory, struct rfi_name name,
                       const struct rfi_node *node)
{
    uint64_t address = (uint64_t)(uintptr_t)node | (node->is_proxy ? PLACE_PROXY : 0);
    directory->entries[directory->used] =
        (struct rfi_directory_entry){name.hash, (uint32_t)address, (uint32_t)(address >> 32)};
    directory->count++;
    return directory->used++;
}

void rfi_directory_enter_locked(struct rfi_directory *directory, struct rfi_name name,
                                struct rfi_node *node)
{
    enter(directory, names_locked(directory), append(directory, name, node));
}

void rfi_directory_enter_young_locked(struct rfi_directory *directory, struct rfi_name name,
                                      struct rfi_node *node)
{
    uint32_t *young = directory->young;
    if (directory->young_count == RFI_YOUNG_MAX) {
        enter(directory, names_locked(directory), young[0]);
        memmove(young, young + 1, (RFI_YOUNG_MAX - 1) * sizeof *young);
        directory->young_count--;
    }
    young[directory->young_count++] = append(directory, name, node);
}

struct rfi_name rfi_directory_make_up_locked(struct rfi_directory *directory,
                                             char out[RFI_MADE_UP_SIZE])
{
    enum { BITS = 5 };
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint64_t number = directory->made_up_count++;
    char *at = out + RFI_MADE_UP_SIZE - 1;
    *at = '\0';
    do
        *--at = digits[number & ((1 << BITS) - 1)];
    while ((number >>= BITS) != 0);
    *--at = RFI_MADE_UP_MARK;
    size_t size = (size_t)(out + RFI_MADE_UP_SIZE - 1 - at);
    return (struct rfi_name){at, (uint32_t)size, rfi_hash_bytes(at, size)};
}

struct rfi_node *rfi_directory_remove_locked(struct rfi_directory *directory, struct rfi_name name)
{
    settle(directory);
    struct rfi_names *names = names_locked(directory);
    uint32_t place = find_place(names, name);
    if (place == UINT32_MAX)
        return NULL;
    struct rfi_directory_entry *entry = &directory->entries[names->numbers[place]];
    struct rfi_node *node = node_at(entry);
    entry->low = entry->high = 0;
    /* relaxed: a reader that finds the node nevertheless finds it closed, or gone */
    atomic_store_explicit(&names->places[place].word, PLACE_GONE, memory_order_relaxed);
    directory->count--;
    while (directory->used > 0 && node_at(&directory->entries[directory->used - 1]) == NULL)
        directory->used--;
    return node;
}

struct rfi_node *rfi_directory_next_locked(const struct rfi_directory *directory, uint32_t *at)
{
    while (*at < directory->used) {
        struct rfi_node *node = node_at(&directory->entries[(*at)++]);
        if (node != NULL)
            return node;
    }
    return NULL;
}
