/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random flows arrive in random order with random faults. Whatever was merged is cut
 * again, and each flow must come out byte by byte as it went in: nothing lost, nothing
 * out of order, nothing mended that was broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "test/unit/gro_model.h"

static struct frame_pool *pool;
static struct craft c;

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(256, 64);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

/* One segment of a flow, whose number is in its source port. */
struct recipe {
	unsigned version, flow, flags, option_words, ip_option_words;
	unsigned ip_id, tos, ttl, window;
	bool df;
	uint32_t seq;
	size_t payload, padding;
};

static void craft_segment(const struct recipe *r)
{
	size_t l3, l4, l4_len = 20 + r->option_words * 4 + r->payload;
	unsigned sum;

	craft_eth(&c, r->version == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	if (r->version == 4) {
		l3 = craft_ipv4(&c, IPPROTO_TCP, r->ip_option_words, l4_len);
		c.b[l3 + 1] = (uint8_t)r->tos;
		c.b[l3 + 8] = (uint8_t)r->ttl;
		craft_put16(&c, l3 + 4, r->ip_id);
		craft_put16(&c, l3 + 6, r->df ? 0x4000 : 0);
		craft_put16(&c, l3 + 10, ~naive_sum(0, c.b + l3, c.len - l3) & 0xffff);
		sum = naive_pseudo(c.b + l3 + 12, c.b + l3 + 16, 4, IPPROTO_TCP, l4_len);
	} else {
		l3 = craft_ipv6(&c, IPPROTO_TCP, l4_len);
		c.b[l3 + 7] = (uint8_t)r->ttl;
		sum = naive_pseudo(c.b + l3 + 8, c.b + l3 + 24, 16, IPPROTO_TCP, l4_len);
	}
	l4 = c.len;
	craft_tcp(&c, r->flags, r->option_words, r->seq);
	craft_put16(&c, l4, 1000 + r->flow);
	craft_put16(&c, l4 + 14, r->window);
	for (size_t i = 0; i < r->payload; i++)
		craft_u8(&c, (unsigned)(r->seq + i) * 31 >> 3 & 0xff);
	craft_put16(&c, l4 + 16, ~naive_sum(sum, c.b + l4, c.len - l4) & 0xffff);
	craft_fill(&c, 0xdd, r->padding);
}

/* As when the kernel that sent it has left the checksum to whoever needs one; to be
 * undone by offload_complete_checksum(). */
static struct frame_offload leave_checksum(unsigned version)
{
	size_t l3 = ETH_HEADER_LEN, l4 = l3 + (version == 4 ? 20 : 40);
	size_t l4_len = version == 4 ? get16(c.b + 16) - 20u : get16(c.b + 18);
	unsigned sum = version == 4
			   ? naive_pseudo(c.b + l3 + 12, c.b + l3 + 16, 4, IPPROTO_TCP, l4_len)
			   : naive_pseudo(c.b + l3 + 8, c.b + l3 + 24, 16, IPPROTO_TCP, l4_len);

	craft_put16(&c, l4 + 16, sum);
	return (struct frame_offload){
	    .csum_partial = true, .csum_start = (uint16_t)l4, .csum_offset = 16};
}

static struct tape in, out;
static unsigned supers;

static void unmerge(struct frame_batch *batch)
{
	int n = gro_unmerge(pool, batch, &out);

	assert_int_not_equal(n, -1);
	supers += (unsigned)n;
}

static void run(uint64_t *seed)
{
	struct recipe flow[24];
	struct frame_batch batch = {.count = 0};
	struct gro gro;

	memset(&gro, 0, sizeof(gro));
	for (unsigned i = 0; i < 24; i++)
		flow[i] = (struct recipe){
		    .version = craft_below(seed, 2) ? 4 : 6,
		    .flow = i,
		    .flags = 0x10,
		    .option_words = craft_below(seed, 3) ? 3 : 0,
		    .ip_id = craft_below(seed, 65536),
		    .ttl = 64,
		    .window = 500,
		    .df = craft_below(seed, 2),
		    .seq = craft_random(seed),
		    .payload = 100 + craft_below(seed, 1300),
		};
	for (unsigned n = 0; n < 200; n++) {
		struct recipe *r = &flow[craft_below(seed, 1 + craft_below(seed, 24))];
		struct recipe now = *r;
		unsigned fault = craft_below(seed, 40);
		struct frame *frame, borrowed;
		struct frame_offload offload;

		switch (fault) {
		case 0:
			now.seq += 1 + craft_below(seed, 5000);
			break;
		case 1:
			now.seq -= craft_below(seed, 5000);
			break;
		case 2:
			now.flags |= craft_below(seed, 256);
			break;
		case 3:
			now.payload = craft_below(seed, 1400);
			break;
		case 4:
			now.tos = craft_below(seed, 256);
			break;
		case 5:
			now.ttl = craft_below(seed, 256);
			break;
		case 6:
			now.window++;
			break;
		case 7:
			now.ip_id += 5;
			break;
		case 8:
			now.padding = craft_below(seed, 60);
			break;
		case 9:
			now.option_words = craft_below(seed, 10);
			break;
		case 10:
			now.ip_option_words = craft_below(seed, 3);
			break;
		case 11:
			now.flags |= TCP_PSH;
			break;
		case 12:
			now.df = !now.df;
			break;
		default:
			break;
		}
		craft_segment(&now);
		if (fault == 13) /* a wrong bit anywhere behind the ports */
			c.b[40 + craft_below(seed, (uint32_t)c.len - 40)] ^=
			    (uint8_t)(1u << craft_below(seed, 8));
		r->seq = now.seq + (uint32_t)now.payload;
		r->ip_id = now.ip_id + 1;
		tape_add(&in, craft_frame(pool, &c));
		/* Some were never on a wire, some a NIC has looked at. */
		offload = (struct frame_offload){.csum_valid = fault != 13 && fault % 3 == 0};
		if (fault > 13 && fault % 3 == 1)
			offload = leave_checksum(now.version);
		/* Half of them lie somewhere else, and are copied. */
		if (craft_below(seed, 2)) {
			frame_borrow(&borrowed, c.b, c.len);
			frame = &borrowed;
		} else {
			frame = craft_frame(pool, &c);
		}
		frame->offload = offload;
		assert_int_not_equal(gro_add(&gro, pool, &batch, frame), GRO_NO_BUFFER);
		if (frame_batch_full(&batch) || craft_below(seed, 50) == 0) {
			gro_finish(&gro, &batch);
			unmerge(&batch);
		}
	}
	gro_finish(&gro, &batch);
	unmerge(&batch);
	assert_true(tape_same(&in, &out));
	tape_clear(&in);
	tape_clear(&out);
}

static void test_random_flows(void **state)
{
	uint64_t seed = 97;

	(void)state;
	/* Both tapes and what is on its way need buffers. */
	frame_pool_destroy(pool);
	pool = frame_pool_create(2048, 128);
	for (unsigned i = 0; i < 500; i++)
		run(&seed);
	assert_true(supers > 1000);
}

/* `count` segments in order become one frame. */
static struct frame *merge_run(struct recipe r, unsigned count, unsigned *frames)
{
	struct frame_batch batch = {.count = 0};
	struct frame *first;
	struct gro gro;

	memset(&gro, 0, sizeof(gro));
	for (unsigned i = 0; i < count; i++) {
		craft_segment(&r);
		(void)gro_add(&gro, pool, &batch, craft_frame(pool, &c));
		r.seq += (uint32_t)r.payload;
		r.ip_id++;
	}
	gro_finish(&gro, &batch);
	*frames = batch.count;
	first = batch.frame[0];
	for (unsigned i = 1; i < batch.count; i++)
		frame_free(batch.frame[i]);
	return first;
}

static const struct recipe plain = {.version = 4,
				    .flags = 0x10,
				    .option_words = 3,
				    .ttl = 64,
				    .window = 9,
				    .seq = 0xfffffc00,
				    .payload = 1360};

static void test_run_becomes_one(void **state)
{
	struct frame *frame;
	unsigned frames;

	(void)state;
	frame = merge_run(plain, 40, &frames);
	assert_int_equal(frames, 1);
	assert_int_equal(frame->len, 14 + 20 + 32 + 40 * 1360);
	assert_int_equal(frame->offload.gso, FRAME_GSO_TCP4);
	assert_int_equal(frame->offload.gso_size, 1360);
	assert_true(frame->offload.csum_partial);
	assert_int_equal(frame->offload.csum_start, 34);
	assert_int_equal(get16(frame->data + 16), frame->len - 14);
	frame_free(frame);
}

/* Segments of which the kernel says something about their checksums: what they become. */
static void expect_merge(struct frame_offload offload, unsigned seed_off, bool merged)
{
	struct frame_batch batch = {.count = 0};
	struct recipe r = plain;
	struct gro gro;

	memset(&gro, 0, sizeof(gro));
	for (unsigned i = 0; i < 3; i++) {
		struct frame *frame;

		craft_segment(&r);
		(void)leave_checksum(4);
		craft_put16(&c, 50, (get16(c.b + 50) + seed_off) & 0xffff);
		frame = craft_frame(pool, &c);
		frame->offload = offload;
		(void)gro_add(&gro, pool, &batch, frame);
		r.seq += (uint32_t)r.payload;
		r.ip_id++;
	}
	gro_finish(&gro, &batch);
	assert_int_equal(batch.count, merged ? 1 : 3);
	if (!merged) { /* they go on as they came */
		for (unsigned i = 0; i < 3; i++)
			assert_memory_equal(&batch.frame[i]->offload, &offload, sizeof(offload));
	}
	frame_batch_free(&batch);
}

static void test_checksum_left_to_others(void **state)
{
	struct frame_offload left = {.csum_partial = true, .csum_start = 34, .csum_offset = 16};

	(void)state;
	expect_merge(left, 0, true);
	expect_merge(left, 1, false); /* not the sum of the pseudo-header */
	left.csum_start = 38;
	expect_merge(left, 0, false);
	left.csum_start = 34;
	left.csum_offset = 6;
	expect_merge(left, 0, false);
	/* What it says is the sum of the whole, and is not. */
	expect_merge((struct frame_offload){.csum_partial = false}, 0, false);
	/* But the NIC says that it is. */
	expect_merge((struct frame_offload){.csum_valid = true}, 0, true);
}

/* 64 KiB of IP are the end: 48 segments of 1360 fit. */
static void test_longest(void **state)
{
	unsigned frames;

	(void)state;
	frame_free(merge_run(plain, 48, &frames));
	assert_int_equal(frames, 1);
	frame_free(merge_run(plain, 49, &frames));
	assert_int_equal(frames, 2);
}

/* Nor more segments than the pipeline takes for honest. */
static void test_most_segments(void **state)
{
	struct recipe r = plain;
	struct frame *frame;
	unsigned frames;

	(void)state;
	r.payload = 8;
	frame = merge_run(r, OFFLOAD_SEGMENTS_MAX + 10, &frames);
	assert_int_equal(frames, 2);
	assert_int_equal(offload_check(frame), REASON_NONE);
	assert_int_equal(offload_segments(frame), OFFLOAD_SEGMENTS_MAX);
	frame_free(frame);
}

/* Another host at the other end of the wire is another place: not one frame. */
static void test_other_peer(void **state)
{
	struct frame_batch batch = {.count = 0};
	struct recipe r = plain;
	struct gro gro;

	(void)state;
	memset(&gro, 0, sizeof(gro));
	for (unsigned i = 0; i < 2; i++) {
		struct frame *frame;

		craft_segment(&r);
		frame = craft_frame(pool, &c);
		assert_int_equal(ipaddr_parse(i ? "192.0.2.1" : "192.0.2.2", &frame->peer), 0);
		(void)gro_add(&gro, pool, &batch, frame);
		r.seq += (uint32_t)r.payload;
		r.ip_id++;
	}
	gro_finish(&gro, &batch);
	assert_int_equal(batch.count, 2);
	frame_batch_free(&batch);
}

/* No large buffer: frames pass one by one. */
static void test_no_buffer(void **state)
{
	struct frame_pool *small = frame_pool_create(8, 0);
	struct frame_batch batch = {.count = 0};
	struct recipe r = plain;
	struct gro gro;

	(void)state;
	memset(&gro, 0, sizeof(gro));
	for (unsigned i = 0; i < 4; i++) {
		craft_segment(&r);
		assert_int_equal(gro_add(&gro, small, &batch, craft_frame(small, &c)), GRO_ADDED);
		r.seq += (uint32_t)r.payload;
		r.ip_id++;
	}
	gro_finish(&gro, &batch);
	assert_int_equal(batch.count, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(batch.frame[i]->offload.gso, FRAME_GSO_NONE);
	frame_batch_free(&batch);
	frame_pool_destroy(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_run_becomes_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_checksum_left_to_others, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_longest, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_most_segments, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_other_peer, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_buffer, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_random_flows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
