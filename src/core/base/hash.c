/* SPDX-License-Identifier: MIT */
/* The hash of names: SipHash-1-3 under a key that this process draws once, since peers choose the names (without it they
 * could choose names that all fall into one place). */
#include "core/base/hash.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

static uint64_t process_key[2];
static bool is_key_drawn;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    is_key_drawn = getrandom(process_key, sizeof process_key, 0) == (ssize_t)sizeof process_key;
}

bool rfi_hash_init(void)
{
    return pthread_once(&key_once, draw_key) == 0 && is_key_drawn;
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein 2012, with one and three rounds), folded to 32 bits. */
uint32_t rfi_hash_bytes(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t v[4] = {process_key[0] ^ UINT64_C(0x736f6d6570736575),
                     process_key[1] ^ UINT64_C(0x646f72616e646f6d),
                     process_key[0] ^ UINT64_C(0x6c7967656e657261),
                     process_key[1] ^ UINT64_C(0x7465646279746573)};
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)size << 56;
    for (unsigned i = 0; at + i < size; i++)
        last |= (uint64_t)bytes[at + i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 3; i++)
        sip_round(v);
    uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (uint32_t)(hash ^ hash >> 32);
}
