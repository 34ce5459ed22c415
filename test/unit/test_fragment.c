/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "lib/fragment.h"
#include "test/unit/craft.h"

static struct frame_pool *pool;
static struct craft c;

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(128, 8);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

#define PIECES 128u

/* What came of one packet. */
struct pieces {
	struct frame *frame[PIECES];
	unsigned count;
};

static void keep(void *arg, struct frame *fragment)
{
	struct pieces *pieces = arg;

	assert_true(pieces->count < PIECES);
	pieces->frame[pieces->count++] = fragment;
}

static void drop(struct pieces *pieces)
{
	while (pieces->count > 0)
		frame_free(pieces->frame[--pieces->count]);
}

/* Cuts what was crafted, and gives it back. */
static enum reason cut(unsigned mtu, struct pieces *pieces)
{
	struct frame *frame = craft_frame(pool, &c);
	struct packet packet;
	enum reason reason;

	assert_non_null(frame);
	assert_true(packet_parse(frame, &packet));
	reason = fragment_ipv4(pool, frame, &packet, mtu, keep, pieces);
	frame_free(frame);
	return reason;
}

/* A packet with payload that tells its place, at `offset` (units of 8) of a longer one or not. */
static void craft_packet(unsigned option_words, size_t payload, unsigned flags)
{
	size_t start;

	craft_eth(&c, ETHERTYPE_IPV4);
	start = craft_ipv4(&c, 253, option_words, payload);
	for (size_t i = 0; i < payload; i++)
		craft_u8(&c, (unsigned)(i * 7 + i / 251));
	craft_put16(&c, start + 6, flags);
	craft_put16(&c, start + 10, 0);
	craft_put16(&c, start + 10, ~naive_sum(0, c.b + start, 20 + 4 * option_words) & 0xffff);
}

static unsigned header_len(const uint8_t *ip)
{
	return (ip[0] & 15u) * 4u;
}

/* Puts pieces together the naive way, and compares with what was crafted. */
static void check_pieces(const struct pieces *pieces, unsigned mtu, unsigned flags)
{
	const uint8_t *was = c.b + ETH_HEADER_LEN;
	unsigned at = header_len(was), end = get16(was + 2), expect = flags & 0x1fff;

	for (unsigned i = 0; i < pieces->count; i++) {
		const uint8_t *ip = pieces->frame[i]->data + ETH_HEADER_LEN;
		unsigned head = header_len(ip), len = get16(ip + 2), field = get16(ip + 6);
		bool last = i == pieces->count - 1;

		assert_memory_equal(pieces->frame[i]->data, c.b, ETH_HEADER_LEN);
		assert_int_equal(pieces->frame[i]->len, ETH_HEADER_LEN + len);
		assert_true(len <= mtu && len > head);
		assert_int_equal(naive_sum(0, ip, head), 0xffff);
		assert_int_equal(field & 0x1fff, expect);
		assert_int_equal(field & 0xe000, last ? flags & 0xe000 : (flags & 0xe000) | 0x2000);
		assert_memory_equal(ip + 4, was + 4, 2);	      /* id */
		assert_memory_equal(ip + 8, was + 8, 2);	      /* time to live, protocol */
		assert_memory_equal(ip + 12, was + 12, 8);	      /* addresses */
		assert_memory_equal(ip + head, was + at, len - head); /* data */
		if (!last)
			assert_int_equal((len - head) % 8, 0);
		at += len - head;
		expect += (len - head) / 8;
	}
	assert_int_equal(at, end);
}

static void test_two(void **state)
{
	struct pieces pieces = {.count = 0};

	(void)state;
	craft_packet(0, 1480, 0);
	assert_int_equal(cut(1400, &pieces), REASON_NONE);
	assert_int_equal(pieces.count, 2);
	assert_int_equal(pieces.frame[0]->len, ETH_HEADER_LEN + 20 + 1376); /* of eights */
	check_pieces(&pieces, 1400, 0);
	drop(&pieces);
}

static void test_fragment_of_fragment(void **state)
{
	struct pieces pieces = {.count = 0};

	(void)state;
	craft_packet(0, 1480, 0x2000 | 185);
	assert_int_equal(cut(700, &pieces), REASON_NONE);
	assert_int_equal(pieces.count, 3);
	check_pieces(&pieces, 700, 0x2000 | 185);
	drop(&pieces);
	craft_packet(0, 1480, 185); /* the last of it */
	assert_int_equal(cut(700, &pieces), REASON_NONE);
	check_pieces(&pieces, 700, 185);
	drop(&pieces);
}

/* Options with the copied bit are in each fragment, others in the first alone. */
static void test_options(void **state)
{
	static const uint8_t options[] = {7,	7, 4, 0, 0, 0, 0, /* record route */
					  1,			  /* nothing */
					  0x82, 3, 9,		  /* to be copied */
					  0};
	struct pieces pieces = {.count = 0};
	const uint8_t *ip;

	(void)state;
	craft_packet(3, 100, 0);
	memcpy(c.b + ETH_HEADER_LEN + 20, options, sizeof(options));
	assert_int_equal(cut(80, &pieces), REASON_NONE);
	assert_true(pieces.count >= 2);
	ip = pieces.frame[0]->data + ETH_HEADER_LEN;
	assert_int_equal(header_len(ip), 32);
	assert_memory_equal(ip + 20, options, sizeof(options));
	for (unsigned i = 1; i < pieces.count; i++) {
		ip = pieces.frame[i]->data + ETH_HEADER_LEN;
		assert_int_equal(header_len(ip), 24);
		assert_memory_equal(ip + 20, "\x82\x03\x09\x00", 4);
	}
	check_pieces(&pieces, 80, 0);
	drop(&pieces);
	/* One that says that it is longer than there is room ends them. */
	c.b[ETH_HEADER_LEN + 29] = 200;
	assert_int_equal(cut(80, &pieces), REASON_NONE);
	assert_int_equal(header_len(pieces.frame[1]->data + ETH_HEADER_LEN), 20);
	drop(&pieces);
}

static void test_refused(void **state)
{
	struct pieces pieces = {.count = 0};

	(void)state;
	craft_packet(0, 100, 0);
	assert_int_equal(cut(27, &pieces), REASON_OVERSIZE);
	assert_int_equal(pieces.count, 0);
	assert_int_equal(cut(28, &pieces), REASON_NONE);
	assert_int_equal(pieces.count, 13);
	drop(&pieces);
	craft_packet(0, 1480, 0x1fff); /* it would end behind the longest packet */
	assert_int_equal(cut(700, &pieces), REASON_OVERSIZE);
	assert_int_equal(pieces.count, 0);
}

static void test_random(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned flags = craft_below(&seed, 2) ? craft_below(&seed, 3000) : 0;
		unsigned words = craft_below(&seed, 3) ? 0 : craft_below(&seed, 11);
		unsigned payload = 1 + craft_below(&seed, 2000);
		unsigned mtu = 20 + 4 * words + 8 + craft_below(&seed, 1500);
		struct pieces pieces = {.count = 0};

		if (craft_below(&seed, 2))
			flags |= 0x2000;
		if (payload / (mtu - 20 - 4 * words) > PIECES / 2)
			continue;
		craft_packet(words, payload, flags);
		for (unsigned k = 0; k < 4 * words; k++)
			c.b[ETH_HEADER_LEN + 20 + k] = (uint8_t)craft_random(&seed);
		craft_put16(&c, ETH_HEADER_LEN + 10, 0);
		assert_int_equal(cut(mtu, &pieces), REASON_NONE);
		check_pieces(&pieces, mtu, flags);
		drop(&pieces);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_two),	    cmocka_unit_test(test_fragment_of_fragment),
	    cmocka_unit_test(test_options), cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
