/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void hash_key_random(struct hash_key *key)
{
	if (getrandom(key, sizeof(*key), 0) != sizeof(*key)) /* @syscall getrandom */
		abort();
}

uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len)
{
	uint64_t v0 = key->word[0] ^ 0x736f6d6570736575u;
	uint64_t v1 = key->word[1] ^ 0x646f72616e646f6du;
	uint64_t v2 = key->word[0] ^ 0x6c7967656e657261u;
	uint64_t v3 = key->word[1] ^ 0x7465646279746573u;
	uint64_t last = (uint64_t)len << 56;
	const uint8_t *p = data;

	for (size_t left = len;; left -= 8, p += 8) {
		uint64_t word = 0;

		for (unsigned i = 0; i < 8 && i < left; i++)
			word |= (uint64_t)p[i] << (8 * i);
		if (left < 8) {
			last |= word;
			break;
		}
		v3 ^= word;
		HASH_ROUND(v0, v1, v2, v3);
		v0 ^= word;
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
