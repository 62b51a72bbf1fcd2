/* SPDX-License-Identifier: MIT */
/* Copies of small bodies without a call: what most messages are. */
#ifndef RFI_COPY_H
#define RFI_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { RFI_COPY_STEP = 16, RFI_COPY_INLINE_MAX = 128 };

/* As memcpy; `size` may be 0 with NULL. In steps whose last one overlaps the one before. */
static inline void rfi_copy(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size - RFI_COPY_STEP > RFI_COPY_INLINE_MAX - RFI_COPY_STEP) { /* smaller ones, too */
        if (size > 0)
            memcpy(to, from, size);
        return;
    }
    size_t last = size - RFI_COPY_STEP;
    for (size_t at = 0; at < last; at += RFI_COPY_STEP) {
        memcpy(to + at, from + at, RFI_COPY_STEP);
        __asm__ volatile("" ::: "memory"); /* or the compiler makes a call of the loop */
    }
    memcpy(to + last, from + last, RFI_COPY_STEP);
}

#endif
