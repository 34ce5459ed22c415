/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a frame asks of whoever completes it: claims that are not true, and checksums that
 * are completed.
 */
#include "test/unit/gso_case.h"

static void lie_gso_size(struct frame *f, const struct recipe *r)
{
	(void)r;
	f->offload.gso_size = 0;
}

static void lie_no_partial(struct frame *f, const struct recipe *r)
{
	(void)r;
	f->offload.csum_partial = false;
}

static void lie_start(struct frame *f, const struct recipe *r)
{
	(void)r;
	f->offload.csum_start++;
}

static void lie_start_past_end(struct frame *f, const struct recipe *r)
{
	(void)r;
	f->offload.csum_start = 0xffff;
}

static void lie_offset(struct frame *f, const struct recipe *r)
{
	(void)r;
	f->offload.csum_offset ^= 2;
}

static void lie_gso_unknown(struct frame *f, const struct recipe *r)
{
	(void)r;
	f->offload.gso = FRAME_GSO_UDP + 1;
}

static void lie_gso_other(struct frame *f, const struct recipe *r)
{
	/* TCP for UDP and the reverse, with the other's field. */
	f->offload.gso = r->gso == FRAME_GSO_UDP ? FRAME_GSO_TCP4 : FRAME_GSO_UDP;
	f->offload.csum_offset = r->gso == FRAME_GSO_UDP ? 16 : 6;
}

static void lie_gso_version(struct frame *f, const struct recipe *r)
{
	f->offload.gso = r->version == 4 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4;
}

static void lie_ethertype(struct frame *f, const struct recipe *r)
{
	f->data[r->l3 - 2] ^= 0x40;
}

static void lie_ip_version(struct frame *f, const struct recipe *r)
{
	f->data[r->l3] ^= 0x20;
}

static void lie_protocol(struct frame *f, const struct recipe *r)
{
	f->data[r->l3 + (r->version == 4 ? 9 : 6)] = IPPROTO_SCTP;
}

static void lie_length(struct frame *f, const struct recipe *r)
{
	f->data[r->l3 + (r->version == 4 ? 2 : 4)] += 0x10;
}

static void lie_length_in_header(struct frame *f, const struct recipe *r)
{
	size_t off = r->l3 + (r->version == 4 ? 2 : 4);
	size_t len = r->header - 1 - r->l3 - (r->version == 4 ? 0 : 40);

	f->data[off] = (uint8_t)(len >> 8);
	f->data[off + 1] = (uint8_t)len;
}

static void lie_short(struct frame *f, const struct recipe *r)
{
	(void)r;
	f->len--;
}

static void lie_fragment(struct frame *f, const struct recipe *r)
{
	if (r->version == 4)
		f->data[r->l3 + 6] |= 0x20;
	else
		f->data[r->l3 + 6] = IPPROTO_FRAGMENT;
}

static void lie_tcp_short(struct frame *f, const struct recipe *r)
{
	if (r->gso != FRAME_GSO_UDP)
		f->data[r->l4 + 12] = 0x40;
	else
		f->offload.gso_size = 0;
}

static void lie_tcp_long(struct frame *f, const struct recipe *r)
{
	if (r->gso != FRAME_GSO_UDP)
		f->data[r->l4 + 12] = 0xf0;
	else
		f->offload.gso_size = 0;
	f->len = (uint32_t)(r->l4 + 59);
}

static void lie_syn(struct frame *f, const struct recipe *r)
{
	if (r->gso != FRAME_GSO_UDP)
		f->data[r->l4 + 13] |= TCP_SYN;
	else
		f->offload.gso_size = 0;
}

static void test_lies(void **state)
{
	static void (*const lies[])(struct frame *, const struct recipe *) = {
	    lie_gso_size,
	    lie_no_partial,
	    lie_start,
	    lie_start_past_end,
	    lie_offset,
	    lie_gso_unknown,
	    lie_gso_other,
	    lie_gso_version,
	    lie_ethertype,
	    lie_ip_version,
	    lie_protocol,
	    lie_length,
	    lie_short,
	    lie_fragment,
	    lie_tcp_short,
	    lie_tcp_long,
	    lie_syn,
	    NULL,
	    lie_length_in_header,
	};
	static const struct {
		uint8_t gso;
		unsigned version;
	} kinds[] = {
	    {FRAME_GSO_TCP4, 4}, {FRAME_GSO_TCP6, 6}, {FRAME_GSO_UDP, 4}, {FRAME_GSO_UDP, 6}};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		for (size_t j = 0; j < 4; j++) {
			struct recipe r = plain(kinds[j].gso, kinds[j].version);
			struct frame *frame = super_frame(&r);
			enum reason reason;

			if (lies[i])
				lies[i](frame, &r);
			if (offload_check(frame) != (lies[i] ? REASON_BAD_OFFLOAD : REASON_NONE))
				fail_msg("lie %zu of kind %zu", i, j);
			/* Nor does a frame that was never checked do harm. */
			(void)gso_fit(frame, 1000);
			if (lies[i]) {
				assert_int_equal(
				    gso_segment(pool, frame, 1400, keep_segment, NULL, &reason), 0);
				assert_int_equal(reason, REASON_BAD_OFFLOAD);
			} else {
				frame_free(frame);
			}
			assert_empty(pool);
		}
	}
}

/* What can be repeated before every segment, and what cannot. */
static void test_lies_of_headers(void **state)
{
	struct recipe r = plain(FRAME_GSO_TCP6, 6);
	struct frame *frame;

	(void)state;
	memcpy(r.chain, (uint8_t[]){IPPROTO_AH, 0xff}, 2);
	frame = super_frame(&r);
	frame->data[r.l3 + 41] = 2; /* AH counts in words: 16 bytes */
	assert_int_equal(offload_check(frame), REASON_BAD_OFFLOAD);
	/* One of 8 bytes, where both ways to count agree, before destination options. */
	frame->data[r.l3 + 40] = IPPROTO_DSTOPTS;
	frame->data[r.l3 + 41] = 0;
	frame->data[r.l3 + 48] = IPPROTO_TCP;
	assert_int_equal(offload_check(frame), REASON_BAD_OFFLOAD);
	frame->data[r.l3 + 6] = IPPROTO_DSTOPTS;
	assert_int_equal(offload_check(frame), REASON_NONE);
	frame_free(frame);

	/* A jumbogram: its length is in an option that segments must not have. */
	memcpy(r.chain, (uint8_t[]){IPPROTO_HOPOPTS, 0xff}, 2);
	r.silent = true;
	frame = super_frame(&r);
	assert_int_equal(offload_check(frame), REASON_BAD_OFFLOAD);
	frame_free(frame);

	/* A routing header whose final destination nobody knows, or that has no room for one. */
	r.silent = false;
	r.seq = 2;
	memcpy(r.chain, (uint8_t[]){IPPROTO_ROUTING, 0xff}, 2);
	frame = super_frame(&r);
	assert_int_equal(offload_check(frame), REASON_NONE);
	frame->data[r.l3 + 42] = 3;
	assert_int_equal(offload_check(frame), REASON_BAD_OFFLOAD);
	frame_free(frame);

	memcpy(r.chain, (uint8_t[]){IPPROTO_DSTOPTS, 0xff}, 2);
	frame = super_frame(&r);
	frame->data[r.l3 + 6] = IPPROTO_ROUTING;
	frame->data[r.l3 + 43] = 1;
	assert_int_equal(offload_check(frame), REASON_BAD_OFFLOAD);
	frame_free(frame);

	/* Segments that would be longer than an IP header can say. */
	r = plain(FRAME_GSO_TCP4, 4);
	r.silent = true;
	r.payload = 65536;
	r.gso_size = 65535;
	frame = super_frame(&r);
	assert_int_equal(offload_check(frame), REASON_BAD_OFFLOAD);
	frame->offload.gso_size = 65535 - 40;
	assert_int_equal(offload_check(frame), REASON_NONE);
	frame_free(frame);
	assert_empty(pool);
}

static void test_partial(void **state)
{
	uint64_t rnd = 9;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct recipe r = random_recipe(&rnd);
		bool udp = r.gso == FRAME_GSO_UDP, four = r.version == 4;
		const uint8_t *ip, *dst;
		struct frame *frame;
		unsigned sum;
		size_t len;

		r.payload = craft_below(&rnd, 1400);
		r.gso_size = 1400;
		r.silent = false;
		frame = super_frame(&r);
		frame->offload.gso = FRAME_GSO_NONE;
		ip = frame->data + r.l3;
		dst = r.final ? r.final : ip + (four ? 16 : 24);
		len = r.header - r.l4 + r.payload;
		sum = naive_pseudo(ip + (four ? 12 : 8), dst, four ? 4 : 16,
				   udp ? IPPROTO_UDP : IPPROTO_TCP, len);
		frame->data[r.l4 + (udp ? 6 : 16)] = (uint8_t)(sum >> 8);
		frame->data[r.l4 + (udp ? 7 : 17)] = (uint8_t)sum;
		assert_int_equal(offload_check(frame), REASON_NONE);
		assert_int_equal(offload_complete_checksum(frame), REASON_NONE);
		assert_false(frame->offload.csum_partial);
		assert_int_equal(naive_sum(sum, frame->data + r.l4, len), 0xffff);
		if (udp)
			assert_int_not_equal(get16(frame->data + r.l4 + 6), 0);
		/* Nothing else was touched. */
		frame->data[r.l4 + (udp ? 6 : 16)] = 0xbe;
		frame->data[r.l4 + (udp ? 7 : 17)] = 0xef;
		assert_memory_equal(frame->data, c.b, c.len);
		/* And again: there is nothing to do. */
		assert_int_equal(offload_complete_checksum(frame), REASON_NONE);
		frame_free(frame);
	}
	assert_empty(pool);
}

/* A superframe that the kernel has merged and verified is like one that a guest has sent: the
 * field gets what the recipe's pseudo-header adds up to, and nothing else changes. */
static void test_verified(void **state)
{
	uint64_t rnd = 5;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct recipe r = random_recipe(&rnd);
		bool udp = r.gso == FRAME_GSO_UDP, four = r.version == 4;
		const uint8_t *ip, *dst;
		struct frame *frame;
		size_t len;
		unsigned sum;

		r.padding = 0;
		r.payload += r.gso_size; /* one at least */
		if (r.payload > 65000)
			continue;
		frame = super_frame(&r);
		frame->offload = (struct frame_offload){
		    .csum_valid = true, .gso = r.gso, .gso_size = r.gso_size};
		ip = frame->data + r.l3;
		dst = r.final ? r.final : ip + (four ? 16 : 24);
		len = r.header - r.l4 + r.payload;
		sum = naive_pseudo(ip + (four ? 12 : 8), dst, four ? 4 : 16,
				   udp ? IPPROTO_UDP : IPPROTO_TCP, len);
		assert_int_equal(offload_check(frame), REASON_NONE);
		assert_true(frame->offload.csum_partial);
		assert_false(frame->offload.csum_valid);
		assert_int_equal(frame->offload.csum_start, r.l4);
		assert_int_equal(frame->offload.csum_offset, udp ? 6 : 16);
		assert_int_equal(get16(frame->data + r.l4 + (udp ? 6 : 16)), sum);
		frame->data[r.l4 + (udp ? 6 : 16)] = 0xbe;
		frame->data[r.l4 + (udp ? 7 : 17)] = 0xef;
		assert_memory_equal(frame->data, c.b, c.len);
		frame_free(frame);
	}
	assert_empty(pool);
}

/* What is neither IP nor TCP: one's complement from the start to the end of the frame. */
static void test_partial_generic(void **state)
{
	struct frame *frame;

	(void)state;
	craft_eth(&c, 0x88b5);
	craft_fill(&c, 0x11, 30);
	craft_put16(&c, 20, 0);
	frame = craft_frame(pool, &c);
	frame->offload.csum_partial = true;
	frame->offload.csum_start = 16;
	frame->offload.csum_offset = 4;
	assert_int_equal(offload_check(frame), REASON_NONE);
	assert_int_equal(offload_complete_checksum(frame), REASON_NONE);
	assert_int_equal(naive_sum(0, frame->data + 16, 28), 0xffff);
	frame_free(frame);
}

static void test_partial_lies(void **state)
{
	struct recipe r = plain(FRAME_GSO_TCP4, 4);
	size_t end;

	(void)state;
	r.tags = 1;
	r.payload = 100;
	r.padding = 10;
	craft_super(&r);
	end = r.header + r.payload;
	for (unsigned start = 0; start < 300; start++) {
		for (unsigned offset = 0; offset < 300; offset++) {
			struct frame *frame = craft_frame(pool, &c);
			bool good = start >= r.l4 && start + offset + 2 <= end;

			frame->offload.csum_partial = true;
			frame->offload.csum_start = (uint16_t)start;
			frame->offload.csum_offset = (uint16_t)offset;
			if (offload_check(frame) != (good ? REASON_NONE : REASON_BAD_OFFLOAD) ||
			    offload_complete_checksum(frame) !=
				(good ? REASON_NONE : REASON_BAD_OFFLOAD))
				fail_msg("start %u, offset %u", start, offset);
			if (!good)
				assert_memory_equal(frame->data, c.b, c.len);
			frame_free(frame);
		}
	}
	/* Values that would wrap, an empty frame, a superframe. */
	for (unsigned i = 0; i < 4; i++) {
		struct frame *frame = craft_frame(pool, &c);

		frame->offload.csum_partial = true;
		frame->offload.csum_start = i == 0 ? 0xffff : (uint16_t)r.l4;
		frame->offload.csum_offset = i == 1 ? 0xffff : 16;
		if (i == 2)
			frame->len = 13;
		if (i == 3)
			frame->offload.gso = FRAME_GSO_TCP4;
		assert_int_equal(offload_complete_checksum(frame), REASON_BAD_OFFLOAD);
		assert_int_equal(offload_check(frame), REASON_BAD_OFFLOAD);
		frame_free(frame);
	}
	assert_empty(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_lies_of_headers),
	    cmocka_unit_test(test_partial),
	    cmocka_unit_test(test_verified),
	    cmocka_unit_test(test_partial_generic),
	    cmocka_unit_test(test_partial_lies),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
