/* SPDX-License-Identifier: MIT */
/* The last message ids of a peer, to drop what comes twice. Pure; one owner. */
#ifndef RFI_DEDUP_H
#define RFI_DEDUP_H

#include <reflow/error.h>

enum { RFI_DEDUP_WINDOW = 65536 };

struct rfi_dedup {
    uint64_t *ring;  /* hashes in the order of arrival */
    uint64_t *slots; /* open addressing, 0: free */
    size_t capacity; /* of the ring, a power of two; the slots are twice as many */
    size_t count, head;
    uint64_t key;
};

void rfi_dedup_init(struct rfi_dedup *dedup, uint64_t key);
void rfi_dedup_fini(struct rfi_dedup *dedup);
/* This id will be asked for soon. */
void rfi_dedup_expect(const struct rfi_dedup *dedup, const void *id, size_t size);
/* Was this id among the last RFI_DEDUP_WINDOW ones? Remembers it. Without memory the answer is no. */
bool rfi_dedup_seen(struct rfi_dedup *dedup, const void *id, size_t size);

#endif
