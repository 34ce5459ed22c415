/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Superframes as guests make them, by recipes.
 */
#ifndef TVD_GSO_CASE_H
#define TVD_GSO_CASE_H

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

static inline int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(8, 4);
	return pool ? 0 : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

static inline void assert_empty(const struct frame_pool *of)
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
static inline void craft_extension(struct recipe *r, uint8_t kind, uint8_t next)
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

static inline void craft_super(struct recipe *r)
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

static inline struct frame *super_frame(struct recipe *r)
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

static inline struct recipe random_recipe(uint64_t *rnd)
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

static inline struct recipe plain(uint8_t gso, unsigned version)
{
	return (struct recipe){.gso = gso,
			       .version = version,
			       .chain = {0xff},
			       .payload = 4000,
			       .gso_size = 1400,
			       .flags = 0x10 | TCP_PSH | TCP_CWR,
			       .seq = 100};
}

static struct frame *kept;

static inline void keep_segment(void *arg, struct frame *segment)
{
	(void)arg;
	frame_free(kept);
	kept = segment;
}

#endif
