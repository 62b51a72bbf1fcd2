/* SPDX-License-Identifier: MIT */
/* Large blocks of memory: the bodies of large messages, mostly. malloc gives blocks of this size back to the system
 * when they are freed, whole or with the end of its heap, and the next one is faulted in again page by page: for a stream
 * of 1-MiB messages that costs more than all else. So a few are kept idle, for any thread.
 *
 *   put: newest ->  [ oldest … newest ]  -> take: the newest one that fits
 *
 * Every block is a malloc of its own: realloc and free take it too. Kept are blocks of RFI_BLOCK_MIN to RFI_BLOCK_MAX
 * bytes, RFI_BLOCKS_BYTES in all; the oldest ones give way. Under a sanitizer none is kept. */
#ifndef RFI_BLOCKS_H
#define RFI_BLOCKS_H

#include <stddef.h>

enum {
    RFI_BLOCK_MIN = 32 << 10,
    RFI_BLOCK_MAX = 4 << 20,
    RFI_BLOCKS_BYTES = 16 << 20,
    RFI_BLOCKS_MAX = 64
};

/* At least `size` bytes, of any size; NULL: no memory. Any thread; blocks but for a short lock. */
void *rfi_block_take(size_t size);
/* Takes what rfi_block_take, malloc or realloc gave. NULL is allowed. Any thread. */
void rfi_block_put(void *block);
/* Free all that is idle. Any thread. */
void rfi_blocks_trim(void);
/* What is idle now. Any thread. */
size_t rfi_blocks_idle_bytes(void);

#endif
