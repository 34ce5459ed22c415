/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "encap/gso.h"
#include "lib/packet.h"
#include "test/unit/craft.h"

static struct frame_pool *pool;
static struct craft c;

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(4, 1);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

/* A TCP packet of either version with these option bytes and a right checksum. */
static size_t craft_syn(unsigned version, unsigned flags, const uint8_t *options, size_t n)
{
	size_t l3 = ETH_HEADER_LEN, l4, addr = version == 4 ? 4 : 16;
	unsigned words = (unsigned)(n + 3) / 4;

	craft_eth(&c, version == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	if (version == 4)
		(void)craft_ipv4(&c, IPPROTO_TCP, 0, 20 + words * 4);
	else
		(void)craft_ipv6(&c, IPPROTO_TCP, 20 + words * 4);
	l4 = c.len;
	craft_tcp(&c, flags, words, 1);
	memset(c.b + l4 + 20, 0, words * 4);
	memcpy(c.b + l4 + 20, options, n);
	craft_put16(&c, l4 + 16,
		    ~naive_sum(naive_pseudo(c.b + l3 + (version == 4 ? 12 : 8),
					    c.b + l3 + (version == 4 ? 16 : 24), addr, IPPROTO_TCP,
					    c.len - l4),
			       c.b + l4, c.len - l4) &
			0xffff);
	return l4;
}

static bool tcp_sum_right(const struct frame *frame, unsigned version, size_t l4)
{
	const uint8_t *ip = frame->data + ETH_HEADER_LEN;
	unsigned sum = naive_pseudo(ip + (version == 4 ? 12 : 8), ip + (version == 4 ? 16 : 24),
				    version == 4 ? 4 : 16, IPPROTO_TCP, frame->len - l4);

	return naive_sum(sum, frame->data + l4, frame->len - l4) == 0xffff;
}

static void test_clamps(void **state)
{
	/* The MSS option at every alignment. */
	static const uint8_t options[] = {1, 1, 1, 2, 4, 0xff, 0xff, 4, 2, 0, 0, 0};

	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		unsigned version = i & 1 ? 6 : 4, nops = i >> 2 & 3;
		unsigned flags = i & 2 ? TCP_SYN : TCP_SYN | 0x10;
		bool partial = i >> 4;
		size_t l4 = craft_syn(version, flags, options + 3 - nops, 6 + nops);
		struct frame *frame = craft_frame(pool, &c);

		frame->offload.csum_partial = partial;
		frame->offload.csum_start = (uint16_t)l4;
		frame->offload.csum_offset = 16;
		assert_true(mss_clamp(frame, 1464 + 14));
		assert_int_equal(get16(frame->data + l4 + 20 + nops + 2),
				 1464 - (version == 4 ? 40 : 60));
		if (partial)
			assert_int_equal(get16(frame->data + l4 + 16), get16(c.b + l4 + 16));
		else
			assert_true(tcp_sum_right(frame, version, l4));
		/* Nothing left to do. */
		assert_false(mss_clamp(frame, 1464 + 14));
		frame_free(frame);
	}
}

static void test_random_sums(void **state)
{
	uint64_t rnd = 1;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t options[] = {1, 2, 4, (uint8_t)craft_random(&rnd),
				     (uint8_t)craft_random(&rnd)};
		unsigned mss = get16(options + 3), room = 100 + craft_below(&rnd, 9000);
		size_t l4 = craft_syn(4, TCP_SYN, options, 5);
		struct frame *frame = craft_frame(pool, &c);
		unsigned limit = room - 54;

		(void)packet_parse(frame, &(struct packet){.tags = 0});
		assert_int_equal(mss_clamp(frame, room), mss > limit);
		assert_int_equal(get16(frame->data + l4 + 23), mss > limit ? limit : mss);
		assert_true(tcp_sum_right(frame, 4, l4));
		frame_free(frame);
	}
}

static void test_tagged_and_shared(void **state)
{
	static const uint8_t options[] = {2, 4, 5, 180};
	size_t l4 = craft_syn(4, TCP_SYN, options, 4);
	struct frame *frame, *clone;

	(void)state;
	memmove(c.b + 16, c.b + 12, c.len - 12);
	craft_put16(&c, 12, ETHERTYPE_CTAG);
	craft_put16(&c, 14, 5);
	c.len += 4;
	frame = craft_frame(pool, &c);
	clone = frame_clone(frame);
	assert_true(mss_clamp(clone, 1000));
	assert_int_equal(get16(clone->data + l4 + 4 + 22), 1000 - 18 - 40);
	/* The other descriptor's bytes are as they were. */
	assert_memory_equal(frame->data, c.b, c.len);
	frame_free(clone);
	frame_free(frame);
}

static void unchanged(size_t max_len, const char *what)
{
	struct frame *frame = craft_frame(pool, &c);

	if (mss_clamp(frame, max_len))
		fail_msg("%s was changed", what);
	assert_memory_equal(frame->data, c.b, c.len);
	frame_free(frame);
}

static void test_left_alone(void **state)
{
	static const uint8_t mss[] = {2, 4, 5, 180};
	static const struct {
		const char *what;
		uint8_t bytes[8];
	} malformed[] = {
	    {"an option of length 0", {3, 0, 2, 4, 5, 180}},
	    {"an option of length 1", {3, 1, 2, 4, 5, 180}},
	    {"an option past the end", {3, 9, 2, 4, 5, 180}},
	    {"an MSS of length 3", {2, 3, 5, 2, 3, 180}},
	    {"an MSS past the end", {1, 1, 1, 1, 1, 2, 4, 5}},
	    {"an MSS behind the end of options", {0, 2, 4, 5, 180}},
	    {"an option without a length", {1, 1, 1, 1, 1, 1, 1, 2}},
	};
	size_t l4;

	(void)state;
	for (unsigned i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		(void)craft_syn(4, TCP_SYN, malformed[i].bytes, 8);
		unchanged(600, malformed[i].what);
	}
	(void)craft_syn(4, 0x10, mss, 4);
	unchanged(600, "no SYN");
	l4 = craft_syn(4, TCP_SYN, mss, 4);
	unchanged(1460 + 54, "an MSS that fits");
	unchanged(54, "without room for a byte");
	unchanged(0, "without room");
	c.b[l4 + 12] = 0x40;
	unchanged(600, "a short header");
	c.b[l4 + 12] = 0x70;
	unchanged(600, "a header past the end");
	(void)craft_syn(4, TCP_SYN, mss, 4);
	craft_put16(&c, 20, 0x2000);
	unchanged(600, "a fragment");
	(void)craft_syn(4, TCP_SYN, mss, 4);
	c.b[23] = IPPROTO_UDP;
	unchanged(600, "UDP");
	(void)craft_syn(4, TCP_SYN, mss, 4);
	while (c.len-- > 0)
		unchanged(600, "a short frame");
}

static void test_no_memory(void **state)
{
	static const uint8_t mss[] = {2, 4, 5, 180};
	struct frame_pool *tiny = frame_pool_create(1, 0);
	struct frame *frame, *clone;

	(void)state;
	(void)craft_syn(6, TCP_SYN, mss, 4);
	frame = craft_frame(tiny, &c);
	clone = frame_clone(frame);
	assert_false(mss_clamp(clone, 600));
	assert_memory_equal(frame->data, c.b, c.len);
	frame_free(frame);
	assert_true(mss_clamp(clone, 600));
	frame_free(clone);
	frame_pool_destroy(tiny);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clamps),
	    cmocka_unit_test(test_random_sums),
	    cmocka_unit_test(test_tagged_and_shared),
	    cmocka_unit_test(test_left_alone),
	    cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
