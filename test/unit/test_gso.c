/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Superframes of every kind are crafted from a random recipe, cut, and each
 * segment is compared with what the recipe says that it must be. Nothing of the
 * code under test is used to find out.
 */
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
	pool = frame_pool_create(8, 4);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

static void assert_empty(const struct frame_pool *of)
{
	struct frame_pool_usage usage = frame_pool_usage(of);

	assert_int_equal(usage.small_used + usage.large_used + usage.frames_used, 0);
}

struct recipe {
	uint8_t gso;
	unsigned version, tags, option_words, flags;
	uint8_t chain[4]; /* extension headers of IPv6, ended by 0xff */
	unsigned ip_option_words;
	size_t payload, padding;
	uint16_t gso_size;
	uint32_t seq;
	bool silent; /* the IP header does not tell its length */
	/* Where things went. */
	size_t l3, l4, header;
	const uint8_t *final; /* the destination that counts, if not the header's */
};

static const uint8_t routed_to[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x99};

/* One extension header; a routing header names a final destination. */
static void craft_extension(struct recipe *r, uint8_t kind, uint8_t next)
{
	craft_u8(&c, next);
	if (kind != IPPROTO_ROUTING) {
		craft_u8(&c, 1);
		craft_fill(&c, 0, 14);
		return;
	}
	craft_u8(&c, 4); /* two addresses; which is the last differs */
	craft_u8(&c, r->seq & 1 ? 4 : 0);
	craft_u8(&c, r->seq & 2 ? 1 : 0); /* segments left */
	craft_u32(&c, 0);
	craft_bytes(&c, r->seq & 1 ? routed_to : craft_ip6_src, 16);
	craft_bytes(&c, r->seq & 1 ? craft_ip6_src : routed_to, 16);
	if (r->seq & 2)
		r->final = routed_to;
}

static void craft_super(struct recipe *r)
{
	unsigned transport = r->gso == FRAME_GSO_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	size_t l4_len = (transport == IPPROTO_UDP ? 8 : 20 + r->option_words * 4) + r->payload;
	unsigned type = r->version == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;

	r->final = NULL;
	craft_eth(&c, r->tags ? ETHERTYPE_STAG : type);
	for (unsigned i = 1; i <= r->tags; i++) {
		craft_u16(&c, i);
		craft_u16(&c, i < r->tags ? ETHERTYPE_CTAG : type);
	}
	r->l3 = c.len;
	if (r->version == 4) {
		(void)craft_ipv4(&c, transport, r->ip_option_words, l4_len);
	} else {
		(void)craft_ipv6(&c, r->chain[0] == 0xff ? transport : r->chain[0], 0);
		for (unsigned i = 0; r->chain[i] != 0xff; i++)
			craft_extension(r, r->chain[i],
					r->chain[i + 1] == 0xff ? (uint8_t)transport
								: r->chain[i + 1]);
		craft_put16(&c, r->l3 + 4, (unsigned)(c.len - r->l3 - 40 + l4_len));
	}
	r->l4 = c.len;
	if (transport == IPPROTO_UDP)
		craft_udp(&c, 1000, 2000, r->payload);
	else
		craft_tcp(&c, r->flags, r->option_words, r->seq);
	/* What the guest left there must not matter. */
	craft_put16(&c, r->l4 + (transport == IPPROTO_UDP ? 6 : 16), 0xbeef);
	r->header = c.len;
	for (size_t i = 0; i < r->payload; i++)
		craft_u8(&c, (unsigned)(i * 7 + (i >> 8)) & 0xff);
	craft_fill(&c, 0xcc, r->padding);
	if (r->silent)
		craft_put16(&c, r->l3 + (r->version == 4 ? 2 : 4), 0);
}

static struct frame *super_frame(struct recipe *r)
{
	struct frame *frame;

	craft_super(r);
	frame = craft_frame(pool, &c);
	frame->offload = (struct frame_offload){
	    .csum_partial = true,
	    .gso = r->gso,
	    .gso_size = r->gso_size,
	    .csum_start = (uint16_t)r->l4,
	    .csum_offset = r->gso == FRAME_GSO_UDP ? 6 : 16,
	};
	frame->tag = (struct frame_tag){.tpid = ETHERTYPE_CTAG, .tci = 77};
	(void)ipaddr_parse("192.0.2.7", &frame->peer);
	return frame;
}

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

static struct recipe random_recipe(uint64_t *rnd)
{
	static const uint8_t chains[][4] = {
	    {0xff},
	    {IPPROTO_HOPOPTS, 0xff},
	    {IPPROTO_DSTOPTS, 0xff},
	    {IPPROTO_HOPOPTS, IPPROTO_ROUTING, 0xff},
	    {IPPROTO_ROUTING, 0xff},
	    {IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, 0xff},
	};
	struct recipe r = {
	    .gso = (uint8_t)(1 + craft_below(rnd, 3)),
	    .tags = craft_below(rnd, 4),
	    .option_words = craft_below(rnd, 11),
	    .ip_option_words = craft_below(rnd, 4) ? 0 : craft_below(rnd, 11),
	    .flags = craft_random(rnd) & 0xff & ~(unsigned)TCP_SYN,
	    .payload = craft_below(rnd, craft_below(rnd, 8) ? 6000 : 65000),
	    .padding = craft_below(rnd, 3) ? 0 : craft_below(rnd, 50),
	    .gso_size = (uint16_t)(1 + craft_below(rnd, craft_below(rnd, 8) ? 3000 : 60000)),
	    .seq = craft_below(rnd, 2) ? craft_random(rnd) : 0xfffffff0u + craft_below(rnd, 16),
	    .silent = craft_below(rnd, 8) == 0,
	};

	r.version = r.gso == FRAME_GSO_TCP4   ? 4
		    : r.gso == FRAME_GSO_TCP6 ? 6
		    : craft_below(rnd, 2)     ? 4
					      : 6;
	memcpy(r.chain, chains[craft_below(rnd, 6)], 4);
	if (r.silent) { /* then nothing tells padding from payload */
		r.padding = 0;
		if (r.chain[0] == IPPROTO_HOPOPTS)
			r.chain[0] = 0xff;
	}
	if (r.payload / r.gso_size > 2000)
		r.gso_size = (uint16_t)(1 + r.payload / 2000);
	return r;
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

static struct recipe plain(uint8_t gso, unsigned version)
{
	return (struct recipe){.gso = gso,
			       .version = version,
			       .chain = {0xff},
			       .payload = 4000,
			       .gso_size = 1400,
			       .flags = 0x10 | TCP_PSH | TCP_CWR,
			       .seq = 100};
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

static struct frame *kept;

static void keep_segment(void *arg, struct frame *segment)
{
	(void)arg;
	frame_free(kept);
	kept = segment;
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
	    cmocka_unit_test(test_random),	 cmocka_unit_test(test_edges),
	    cmocka_unit_test(test_udp_zero),	 cmocka_unit_test(test_fit),
	    cmocka_unit_test(test_no_buffer),	 cmocka_unit_test(test_needs),
	    cmocka_unit_test(test_lies),	 cmocka_unit_test(test_lies_of_headers),
	    cmocka_unit_test(test_partial),	 cmocka_unit_test(test_partial_generic),
	    cmocka_unit_test(test_partial_lies), cmocka_unit_test(test_too_many_segments),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
