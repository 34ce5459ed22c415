/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/hash.h"

static const struct hash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};

/* SipHash-1-3 of 00 01 .. len-1 under the key 00 01 .. 0f. */
static void test_known_values(void **state)
{
	static const uint64_t expected[] = {
	    0xabac0158050fc4dcu, 0xc9f49bf37d57ca93u, 0x82cb9b024dc7d44du, 0x8bf80ab8e7ddf7fbu,
	    0xcf75576088d38328u, 0xdef9d52f49533b67u, 0xc50d2b50c59f22a7u, 0xd3927d989bb11140u,
	    0x369095118d299a8eu, 0x25a48eb36c063de4u, 0x79de85ee92ff097fu, 0x70c118c1f94dc352u,
	    0x78a384b157b4d9a2u, 0x306f760c1229ffa7u, 0x605aa111c0f95d34u, 0xd320d86d2a519956u,
	};
	uint8_t data[16];

	(void)state;
	for (size_t len = 0; len < sizeof(data); len++) {
		assert_true(hash_bytes(&key, data, len) == expected[len]);
		data[len] = (uint8_t)len;
	}
}

static uint64_t mix(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void test_word_is_eight_bytes(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		const uint64_t word = mix(&seed);
		uint8_t bytes[8];

		for (unsigned b = 0; b < 8; b++)
			bytes[b] = (uint8_t)(word >> (8 * b));
		assert_true(hash_u64(&key, word) == hash_bytes(&key, bytes, 8));
	}
}

/* Where the bytes lie, and what lies around them, makes no difference. */
static void test_alignment(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (size_t len = 0; len <= 64; len++) {
		uint8_t data[64], buf[64 + 16];
		uint64_t expected;

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)mix(&seed);
		expected = hash_bytes(&key, data, len);
		for (size_t shift = 0; shift < 16; shift++) {
			memset(buf, (int)(0x11 * shift), sizeof(buf));
			memcpy(buf + shift, data, len);
			assert_true(hash_bytes(&key, buf + shift, len) == expected);
		}
	}
}

static void test_length_and_key_matter(void **state)
{
	static const uint8_t zero[64];
	struct hash_key other = key;

	(void)state;
	for (size_t len = 0; len < sizeof(zero); len++)
		assert_true(hash_bytes(&key, zero, len) != hash_bytes(&key, zero, len + 1));
	other.word[1] ^= 1;
	assert_true(hash_u64(&key, 0) != hash_u64(&other, 0));
	hash_key_random(&other);
	assert_true(hash_u64(&key, 0) != hash_u64(&other, 0));
}

/* Consecutive MAC addresses: low, middle and high bits fill buckets evenly. */
static void test_distribution(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift <= 52; shift += 26) {
		enum { BUCKETS = 4096, ITEMS = BUCKETS * 64 };
		static unsigned bucket[BUCKETS];
		double chi = 0;

		memset(bucket, 0, sizeof(bucket));
		for (uint64_t i = 0; i < ITEMS; i++)
			bucket[(hash_u64(&key, i << 16) >> shift) % BUCKETS]++;
		for (unsigned i = 0; i < BUCKETS; i++)
			chi += ((double)bucket[i] - 64) * ((double)bucket[i] - 64) / 64;
		/* chi square of 4,095 degrees: mean 4,095, deviation 90 */
		assert_true(chi > 4095 - 6 * 90 && chi < 4095 + 6 * 90);
	}
}

/* Flipping one bit of the input flips half of the output. */
static void test_avalanche(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		unsigned flipped = 0;

		for (unsigned i = 0; i < 1000; i++) {
			const uint64_t word = mix(&seed);

			flipped += (unsigned)__builtin_popcountll(
			    hash_u64(&key, word) ^ hash_u64(&key, word ^ (uint64_t)1 << bit));
		}
		assert_in_range(flipped, 31000, 33000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known_values), cmocka_unit_test(test_word_is_eight_bytes),
	    cmocka_unit_test(test_alignment),	 cmocka_unit_test(test_length_and_key_matter),
	    cmocka_unit_test(test_distribution), cmocka_unit_test(test_avalanche),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
