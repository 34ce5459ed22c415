/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checksum.h"
#include "test/unit/craft.h"

/* +0 and -0 are one number to a receiver. */
static unsigned canonical(unsigned sum)
{
	return sum == 0xffff ? 0 : sum;
}

static void test_known(void **state)
{
	/* The example of RFC 1071, section 3. */
	static const uint8_t rfc1071[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	(void)state;
	assert_int_equal(ntohs(checksum_fold(checksum_add(0, rfc1071, sizeof(rfc1071)))), 0xddf2);
	assert_int_equal(ntohs(checksum(rfc1071, sizeof(rfc1071))), 0x220d);
	assert_int_equal(checksum(NULL, 0), 0xffff);
	assert_int_equal(checksum_fold(0), 0);
}

static void test_random_runs(void **state)
{
	static uint8_t bytes[70000];
	uint64_t rnd = 1;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t len = i < 200 ? i : craft_below(&rnd, i % 50 ? 2000 : 65600);
		size_t shift = craft_below(&rnd, 9);
		unsigned fill = i % 7 == 0 ? 0xff : i % 11 == 0 ? 0 : 0x100;

		for (size_t j = 0; j < len; j++)
			bytes[shift + j] =
			    (uint8_t)(fill < 0x100 ? fill : craft_random(&rnd) & 0xff);
		assert_int_equal(
		    canonical(ntohs(checksum_fold(checksum_add(0, bytes + shift, len)))),
		    canonical(naive_sum(0, bytes + shift, len)));
	}
}

static void test_parts(void **state)
{
	uint8_t bytes[512];
	uint64_t rnd = 2;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		size_t len = craft_below(&rnd, sizeof(bytes) + 1);
		size_t cut = craft_below(&rnd, (uint32_t)len / 2 + 1) * 2;
		uint64_t sum;

		for (size_t j = 0; j < len; j++)
			bytes[j] = (uint8_t)craft_random(&rnd);
		sum = checksum_add(0, bytes, cut);
		sum = checksum_add(sum, bytes + cut, len - cut);
		assert_int_equal(canonical(checksum_fold(sum)),
				 canonical((uint16_t)~checksum(bytes, len)));
	}
}

static void test_fold_extremes(void **state)
{
	(void)state;
	assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(checksum_fold(UINT64_C(0x100000000)), 1);
	assert_int_equal(checksum_fold(UINT64_C(0xffffffff00000001)), 1);
	assert_int_equal(checksum_fold(0x1ffff), 1);
}

static void test_pseudo(void **state)
{
	uint8_t src[16], dst[16];
	uint64_t rnd = 3;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		size_t addr_len = i % 2 ? 4 : 16;
		uint32_t len = craft_below(&rnd, 70000);
		uint8_t protocol = (uint8_t)craft_random(&rnd);

		for (size_t j = 0; j < 16; j++) {
			src[j] = (uint8_t)craft_random(&rnd);
			dst[j] = (uint8_t)craft_random(&rnd);
		}
		assert_int_equal(canonical(ntohs(checksum_fold(
				     checksum_pseudo(src, dst, addr_len, protocol, len)))),
				 canonical(naive_pseudo(src, dst, addr_len, protocol, len)));
	}
}

static void test_update(void **state)
{
	uint16_t words[10];
	uint64_t rnd = 4;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		uint16_t from, to = (uint16_t)craft_random(&rnd), check;
		unsigned at = craft_below(&rnd, 10);

		if (i % 5 == 0)
			to = i % 2 ? 0 : 0xffff;
		for (unsigned j = 0; j < 10; j++)
			words[j] = (uint16_t)craft_random(&rnd);
		words[(at + 1) % 10] |= 1; /* all zero is no packet */
		check = checksum(words, sizeof(words));
		from = words[at];
		words[at] = to;
		assert_int_equal(canonical(checksum_update(check, from, to)),
				 canonical(checksum(words, sizeof(words))));
		/* The whole, checksum included, must sum to "no error". */
		assert_int_equal(checksum_fold(checksum_add(checksum_update(check, from, to), words,
							    sizeof(words))),
				 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known),  cmocka_unit_test(test_random_runs),
	    cmocka_unit_test(test_parts),  cmocka_unit_test(test_fold_extremes),
	    cmocka_unit_test(test_pseudo), cmocka_unit_test(test_update),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
