/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A keyed hash for tables that outsiders can fill: SipHash-1-3 (Aumasson and
 * Bernstein, 2012, with fewer rounds) under a secret drawn at start-up.
 */
#ifndef TVD_HASH_H
#define TVD_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t word[2];
};

/* Draws a key from the kernel; aborts if the kernel has no randomness to give. */
void hash_key_random(struct hash_key *key);

#define HASH_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define HASH_ROUND(v0, v1, v2, v3)                                                                 \
	do {                                                                                       \
		(v0) += (v1);                                                                      \
		(v1) = HASH_ROTL(v1, 13) ^ (v0);                                                   \
		(v0) = HASH_ROTL(v0, 32);                                                          \
		(v2) += (v3);                                                                      \
		(v3) = HASH_ROTL(v3, 16) ^ (v2);                                                   \
		(v0) += (v3);                                                                      \
		(v3) = HASH_ROTL(v3, 21) ^ (v0);                                                   \
		(v2) += (v1);                                                                      \
		(v1) = HASH_ROTL(v1, 17) ^ (v2);                                                   \
		(v2) = HASH_ROTL(v2, 32);                                                          \
	} while (0)

/* The hash of one 64-bit word (its eight bytes in little-endian order). */
static inline uint64_t hash_u64(const struct hash_key *key, uint64_t word)
{
	uint64_t v0 = key->word[0] ^ 0x736f6d6570736575u;
	uint64_t v1 = key->word[1] ^ 0x646f72616e646f6du;
	uint64_t v2 = key->word[0] ^ 0x6c7967656e657261u;
	uint64_t v3 = key->word[1] ^ 0x7465646279746573u;
	const uint64_t last = (uint64_t)8 << 56;

	v3 ^= word;
	HASH_ROUND(v0, v1, v2, v3);
	v0 ^= word;
	v3 ^= last;
	HASH_ROUND(v0, v1, v2, v3);
	v0 ^= last;
	v2 ^= 0xff;
	HASH_ROUND(v0, v1, v2, v3);
	HASH_ROUND(v0, v1, v2, v3);
	HASH_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

/* The hash of n words, as if of their bytes in little-endian order. */
static inline uint64_t hash_words(const struct hash_key *key, const uint64_t *word, unsigned n)
{
	uint64_t v0 = key->word[0] ^ 0x736f6d6570736575u;
	uint64_t v1 = key->word[1] ^ 0x646f72616e646f6du;
	uint64_t v2 = key->word[0] ^ 0x6c7967656e657261u;
	uint64_t v3 = key->word[1] ^ 0x7465646279746573u;
	const uint64_t last = (uint64_t)n << 59; /* 8 * n, in the uppermost byte */

	for (unsigned i = 0; i < n; i++) {
		v3 ^= word[i];
		HASH_ROUND(v0, v1, v2, v3);
		v0 ^= word[i];
	}
	v3 ^= last;
	HASH_ROUND(v0, v1, v2, v3);
	v0 ^= last;
	v2 ^= 0xff;
	HASH_ROUND(v0, v1, v2, v3);
	HASH_ROUND(v0, v1, v2, v3);
	HASH_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

/* The hash of len bytes; equal to hash_u64 for eight of them. */
uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len);

#endif
