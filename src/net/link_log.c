/* SPDX-License-Identifier: MIT */
/* The log of a link: copies of small messages that wait for their acknowledgement (link_internal.h).
 *
 * Entries leave nearly in the order in which they came, so a chunk is full of life or empty. The last chunk starts anew
 * when nothing in it is needed any more: a link whose messages are acknowledged as fast as they come
 * writes over the same few kilobytes. A frame may leave many messages where they lie and point to them; the chunk
 * is not written over as long as somebody reads it. */
#include "net/link_internal.h"

#include <stdlib.h>

struct rfi_log_chunk *rfi_log_next_chunk(struct rfi_log *log, uint32_t size)
{
    struct rfi_log_chunk *chunk = log->current;
    if (chunk != NULL && RFI_LOG_CHUNK_BYTES - chunk->used >= size + RFI_LOG_HEAD_MAX)
        return chunk;
    chunk = log->spares;
    if (chunk != NULL) {
        log->spares = chunk->next;
        log->spare_count--;
    } else {
        chunk = malloc(sizeof *chunk);
        if (chunk == NULL)
            return NULL;
        atomic_init(&chunk->refs, 1);
    }
    chunk->used = chunk->live = 0;
    log->current = chunk; /* the one before belongs to its entries, and has some */
    return chunk;
}

void rfi_log_ref_chunk(struct rfi_log_chunk *chunk)
{
    /* relaxed: the log has one */
    (void)atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
}

void rfi_log_unref_chunk(void *pointer)
{
    struct rfi_log_chunk *chunk = pointer;
    /* [LG1] acq_rel: what was read of the bytes is over before they are written anew, or freed */
    if (atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) == 1)
        free(chunk);
}

void rfi_log_drop(struct rfi_log *log, struct rfi_log_chunk *chunk, uint32_t count)
{
    if (count == 0)
        return;
    chunk->live -= count;
    if (chunk->live > 0)
        return;
    /* [LG1] acquire: pairs with the one in rfi_log_unref_chunk */
    bool is_read = atomic_load_explicit(&chunk->refs, memory_order_acquire) > 1;
    if (chunk == log->current && !is_read) {
        chunk->used = 0;
    } else if (!is_read && log->spare_count < RFI_LOG_SPARES_MAX) {
        chunk->next = log->spares;
        log->spares = chunk;
        log->spare_count++;
    } else {
        log->current = chunk == log->current ? NULL : log->current;
        rfi_log_unref_chunk(chunk);
    }
}

void rfi_log_trim(struct rfi_log *log)
{
    while (log->spares != NULL) {
        struct rfi_log_chunk *chunk = log->spares;
        log->spares = chunk->next;
        rfi_log_unref_chunk(chunk);
    }
    log->spare_count = 0;
    if (log->current == NULL || log->current->live > 0)
        return;
    rfi_log_unref_chunk(log->current);
    log->current = NULL;
}
