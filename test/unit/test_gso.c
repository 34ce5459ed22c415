/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Superframes of every kind are crafted from a random recipe, cut, and each
 * segment is compared with what the recipe says that it must be. Nothing of the
 * code under test is used to find out.
 */
#include "test/unit/gso_case.h"

/* Checks segments as they come, frees them, and remembers how far they got. */
struct judge {
	const struct recipe *r;
	size_t size, done;
	unsigned count;
	struct stats *origin;
};

static void judge_ip(const struct recipe *r, const struct frame *s, unsigned index)
{
	const uint8_t *ip = s->data + r->l3, *was = c.b + r->l3;

	if (r->version == 6) {
		assert_int_equal(get16(ip + 4), s->len - r->l3 - 40);
		assert_memory_equal(ip, was, 4);
		assert_memory_equal(ip + 6, was + 6, r->l4 - r->l3 - 6);
		return;
	}
	assert_int_equal(get16(ip + 2), s->len - r->l3);
	assert_int_equal(get16(ip + 4), (get16(was + 4) + index) & 0xffff);
	assert_int_equal(naive_sum(0, ip, r->l4 - r->l3), 0xffff);
	assert_memory_equal(ip + 6, was + 6, 4);
	assert_memory_equal(ip + 12, was + 12, r->l4 - r->l3 - 12);
}

static void judge_transport(const struct recipe *r, const struct frame *s, size_t done)
{
	bool udp = r->gso == FRAME_GSO_UDP, four = r->version == 4;
	const uint8_t *l4 = s->data + r->l4, *ip = s->data + r->l3, *was = c.b + r->l4;
	const uint8_t *dst = r->final ? r->final : ip + (four ? 16 : 24);
	size_t len = s->len - r->l4;
	unsigned sum = naive_pseudo(ip + (four ? 12 : 8), dst, four ? 4 : 16,
				    udp ? IPPROTO_UDP : IPPROTO_TCP, len);
	bool last = done + (s->len - r->header) == r->payload;
	unsigned flags = r->flags;

	assert_int_equal(naive_sum(sum, l4, len), 0xffff);
	assert_int_equal(get32(l4), get32(was)); /* ports */
	if (udp) {
		assert_int_equal(get16(l4 + 4), len);
		assert_int_not_equal(get16(l4 + 6), 0);
		return;
	}
	assert_int_equal(get32(l4 + 4), (uint32_t)(r->seq + done));
	assert_memory_equal(l4 + 8, was + 8, 5);
	if (done != 0)
		flags &= ~(unsigned)TCP_CWR;
	if (!last)
		flags &= ~(unsigned)(TCP_FIN | TCP_PSH);
	assert_int_equal(l4[13], flags);
	assert_int_equal(get16(l4 + 14), get16(was + 14));
	assert_int_equal(get16(l4 + 18), get16(was + 18));
	assert_memory_equal(l4 + 20, was + 20, r->header - r->l4 - 20);
}

static void judge_segment(void *arg, struct frame *s)
{
	struct judge *judge = arg;
	const struct recipe *r = judge->r;
	size_t left = r->payload - judge->done;
	size_t n = left < judge->size ? left : judge->size;

	assert_int_equal(s->len, r->header + n);
	assert_int_equal(s->offload.gso, FRAME_GSO_NONE);
	assert_false(s->offload.csum_partial);
	assert_int_equal(s->tag.tci, 77);
	assert_int_equal(s->peer.family, AF_INET);
	assert_ptr_equal(s->origin, judge->origin);
	assert_true(frame_is_private(s));
	assert_memory_equal(s->data, c.b, r->l3);
	assert_memory_equal(s->data + r->header, c.b + r->header + judge->done, n);
	judge_ip(r, s, judge->count);
	judge_transport(r, s, judge->done);
	judge->done += n;
	judge->count++;
	frame_free(s);
}

/* Checks, cuts and judges; `size` 0: as the guest wants. */
static unsigned run(struct recipe *r, unsigned size)
{
	struct frame *frame = super_frame(r), *other;
	struct stats stats = {.rx_frames = 0};
	struct judge judge = {.r = r, .size = size ? size : r->gso_size, .origin = &stats};
	enum reason reason;
	unsigned count;

	frame->origin = &stats;
	assert_int_equal(offload_check(frame), REASON_NONE);
	assert_int_equal(frame->len, r->header + r->payload);
	if (r->payload <= r->gso_size && !r->silent) {
		assert_int_equal(frame->offload.gso, FRAME_GSO_NONE);
		assert_true(frame->offload.csum_partial);
		assert_int_equal(offload_needs(frame), OFFLOAD_CSUM);
		frame_free(frame);
		return 0;
	}
	assert_int_equal(frame->offload.gso, r->gso);
	other = frame_clone(frame);
	count = gso_segment(pool, frame, (unsigned)judge.size, judge_segment, &judge, &reason);
	assert_int_equal(reason, REASON_NONE);
	assert_int_equal(count, judge.count);
	assert_int_equal(judge.done, r->payload);
	/* The superframe may be somebody else's too. */
	assert_memory_equal(other->data, c.b, r->header + r->payload);
	frame_free(other);
	assert_empty(pool);
	return count;
}

static void test_random(void **state)
{
	uint64_t rnd = 1;
	unsigned segments = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct recipe r = random_recipe(&rnd);
		unsigned size = 0;

		if (r.gso != FRAME_GSO_UDP && i % 3 == 0) {
			size = 1 + craft_below(&rnd, r.gso_size);
			if (r.payload / size > 2000)
				size = 0;
		}
		segments += run(&r, size);
		assert_empty(pool);
	}
	assert_true(segments > 10000);
}

/* One that would become a flood is nobody's honest superframe. */
static void test_too_many_segments(void **state)
{
	struct recipe r = plain(FRAME_GSO_TCP4, 4);

	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct frame *frame;

		r.gso_size = 20;
		r.payload = 20 * (size_t)OFFLOAD_SEGMENTS_MAX + more;
		frame = super_frame(&r);
		assert_int_equal(offload_check(frame), more ? REASON_BAD_OFFLOAD : REASON_NONE);
		frame_free(frame);
	}
	assert_empty(pool);
}

static void test_edges(void **state)
{
	struct recipe r = plain(FRAME_GSO_TCP4, 4);

	(void)state;
	assert_int_equal(run(&r, 0), 3);
	r.payload = 2800; /* no short last one */
	assert_int_equal(run(&r, 0), 2);
	r.payload = 1401;
	assert_int_equal(run(&r, 0), 2);
	assert_int_equal(run(&r, 1), 1401);
	r.payload = 1400;
	assert_int_equal(run(&r, 0), 0);
	r.payload = 0;
	assert_int_equal(run(&r, 0), 0);
	r.payload = 65535 - 40; /* the longest that IPv4 can say */
	assert_int_equal(run(&r, 0), 47);
	r.silent = true; /* and longer */
	r.payload = 65536 - 14;
	assert_int_equal(run(&r, 0), 47);
	r.payload = 0; /* a length that still has to be filled in */
	assert_int_equal(run(&r, 0), 1);
	r = plain(FRAME_GSO_TCP6, 6);
	r.payload = 65535 - 20;
	assert_int_equal(run(&r, 0), 47);
	r = plain(FRAME_GSO_UDP, 6);
	r.payload = 65535 - 8;
	assert_int_equal(run(&r, 0), 47);
	r.tags = PACKET_TAGS_MAX;
	r.payload = 5000;
	assert_int_equal(run(&r, 0), 4);
}

/* Two bytes of payload run through all values: one of them makes the sum come out as 0. */
static void test_udp_zero(void **state)
{
	struct recipe r = plain(FRAME_GSO_UDP, 4);
	unsigned full = 0;

	(void)state;
	r.payload = 4;
	r.gso_size = 2;
	for (unsigned v = 0; v <= 0xffff; v++) {
		struct frame *frame = super_frame(&r);
		enum reason reason;

		frame->data[r.header] = frame->data[r.header + 2] = (uint8_t)(v >> 8);
		frame->data[r.header + 1] = frame->data[r.header + 3] = (uint8_t)v;
		assert_int_equal(gso_segment(pool, frame, 2, keep_segment, NULL, &reason), 2);
		assert_int_not_equal(get16(kept->data + r.l4 + 6), 0);
		full += get16(kept->data + r.l4 + 6) == 0xffff;
	}
	frame_free(kept);
	kept = NULL;
	assert_true(full > 0);
	assert_empty(pool);
}

static void test_fit(void **state)
{
	struct recipe r = plain(FRAME_GSO_TCP4, 4);
	struct frame *frame;
	enum reason reason;

	(void)state;
	r.option_words = 3;
	frame = super_frame(&r);
	assert_int_equal(gso_fit(frame, 65536), 1400);
	assert_int_equal(gso_fit(frame, 14 + 20 + 32 + 1400), 1400);
	assert_int_equal(gso_fit(frame, 14 + 20 + 32 + 1399), 1399);
	assert_int_equal(gso_fit(frame, 67), 1);
	assert_int_equal(gso_fit(frame, 66), 0);
	assert_int_equal(gso_fit(frame, 0), 0);
	/* Without room for a byte there is nothing to send. */
	assert_int_equal(gso_segment(pool, frame, 0, keep_segment, NULL, &reason), 0);
	assert_int_equal(reason, REASON_OVERSIZE);

	r = plain(FRAME_GSO_UDP, 6);
	frame = super_frame(&r);
	assert_int_equal(gso_fit(frame, 62 + 1400), 1400);
	assert_int_equal(gso_fit(frame, 62 + 1399), 0);
	assert_int_equal(gso_segment(pool, frame, 1399, keep_segment, NULL, &reason), 0);
	assert_int_equal(reason, REASON_OVERSIZE);

	/* A size beyond what the guest asked for would be a segment that its peer refused. */
	r = plain(FRAME_GSO_TCP4, 4);
	frame = super_frame(&r);
	assert_int_equal(gso_segment(pool, frame, 9000, keep_segment, NULL, &reason), 3);
	frame_free(kept);
	kept = NULL;
	assert_empty(pool);
}

static void hold_segment(void *arg, struct frame *segment)
{
	struct frame_batch *batch = arg;

	frame_batch_add(batch, segment);
}

static void test_no_buffer(void **state)
{
	struct recipe r = plain(FRAME_GSO_TCP4, 4);
	struct frame_batch batch = {.count = 0};
	enum reason reason;

	(void)state;
	r.payload = 60000;
	/* 8 small and 4 large buffers, one of which the superframe is in. */
	assert_int_equal(gso_segment(pool, super_frame(&r), 1400, hold_segment, &batch, &reason),
			 11);
	assert_int_equal(reason, REASON_NO_BUFFER);
	assert_int_equal(batch.count, 11);
	frame_batch_free(&batch);
	assert_empty(pool);
}

static void test_needs(void **state)
{
	struct frame frame = {.len = 0};

	(void)state;
	assert_int_equal(offload_needs(&frame), OFFLOAD_NONE);
	frame.offload.csum_partial = true;
	assert_int_equal(offload_needs(&frame), OFFLOAD_CSUM);
	frame.offload.gso = FRAME_GSO_TCP4;
	assert_int_equal(offload_needs(&frame), OFFLOAD_CSUM | OFFLOAD_TSO4);
	frame.offload.gso = FRAME_GSO_TCP6;
	assert_int_equal(offload_needs(&frame), OFFLOAD_CSUM | OFFLOAD_TSO6);
	frame.offload.gso = FRAME_GSO_UDP;
	assert_int_equal(offload_needs(&frame), OFFLOAD_CSUM | OFFLOAD_USO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random), cmocka_unit_test(test_too_many_segments),
	    cmocka_unit_test(test_edges),  cmocka_unit_test(test_udp_zero),
	    cmocka_unit_test(test_fit),	   cmocka_unit_test(test_no_buffer),
	    cmocka_unit_test(test_needs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
