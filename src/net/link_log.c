/* SPDX-License-Identifier: MIT */
/* The log of a link: copies of small messages that wait for their acknowledgement (link_internal.h).
 *
 * Entries leave nearly in the order in which they came, so a chunk is full of life or empty. The last chunk starts anew
 * when nothing in it is needed any more: a link whose messages are acknowledged as fast as they come
 * writes over the same few kilobytes. */
#include "net/link_internal.h"

#include <stdlib.h>

struct rfi_log_chunk *rfi_log_next_chunk(struct rfi_log *log, uint32_t size)
{
    struct rfi_log_chunk *chunk = log->current;
    if (chunk != NULL && RFI_LOG_CHUNK_BYTES - chunk->used >= size + RFI_LOG_HEAD_MAX)
        return chunk;
    chunk = log->spare;
    log->spare = NULL;
    if (chunk == NULL)
        chunk = malloc(sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    chunk->used = chunk->live = 0;
    log->current = chunk; /* the one before belongs to its entries, and has some */
    return chunk;
}

void rfi_log_drop(struct rfi_log *log, struct rfi_log_chunk *chunk, uint32_t count)
{
    if (count == 0)
        return;
    chunk->live -= count;
    if (chunk->live > 0)
        return;
    if (chunk == log->current)
        chunk->used = 0;
    else if (log->spare == NULL)
        log->spare = chunk;
    else
        free(chunk);
}

void rfi_log_trim(struct rfi_log *log)
{
    free(log->spare);
    log->spare = NULL;
    if (log->current == NULL || log->current->live > 0)
        return;
    free(log->current);
    log->current = NULL;
}
