/* SPDX-License-Identifier: MIT */
/* The hash of byte strings that others choose. */
#ifndef RFI_HASH_H
#define RFI_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before the first hash. False: the system has no randomness. Any thread. */
bool rfi_hash_init(void);
uint32_t rfi_hash_bytes(const void *data, size_t size);

#endif
