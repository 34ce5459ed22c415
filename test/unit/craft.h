/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes frames for tests byte by byte, and sums them the slow way: nothing here
 * uses what it helps to test. Included once by each test program.
 */
#ifndef TVD_TEST_CRAFT_H
#define TVD_TEST_CRAFT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/frame.h"

struct craft {
	size_t len;
	uint8_t b[FRAME_LARGE];
};

static inline void craft_u8(struct craft *c, unsigned v)
{
	c->b[c->len++] = (uint8_t)v;
}

static inline void craft_u16(struct craft *c, unsigned v)
{
	craft_u8(c, v >> 8);
	craft_u8(c, v & 0xff);
}

static inline void craft_u32(struct craft *c, uint32_t v)
{
	craft_u16(c, v >> 16);
	craft_u16(c, v & 0xffff);
}

static inline void craft_bytes(struct craft *c, const void *data, size_t n)
{
	memcpy(c->b + c->len, data, n);
	c->len += n;
}

static inline void craft_fill(struct craft *c, unsigned v, size_t n)
{
	memset(c->b + c->len, (int)v, n);
	c->len += n;
}

static inline void craft_put16(struct craft *c, size_t off, unsigned v)
{
	c->b[off] = (uint8_t)(v >> 8);
	c->b[off + 1] = (uint8_t)v;
}

static inline unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* Source 02:00:00:00:00:01, destination ...:02. */
static inline void craft_eth(struct craft *c, unsigned type)
{
	c->len = 0;
	craft_u16(c, 0x0200);
	craft_u32(c, 2);
	craft_u16(c, 0x0200);
	craft_u32(c, 1);
	craft_u16(c, type);
}

/* An IPv4 header from 10.0.0.1 to 10.0.0.2 for `payload` bytes; returns its offset. */
static inline size_t craft_ipv4(struct craft *c, unsigned protocol, unsigned option_words,
				size_t payload)
{
	size_t start = c->len;

	craft_u8(c, 0x40 | (5 + option_words));
	craft_u8(c, 0);
	craft_u16(c, (unsigned)(20 + option_words * 4 + payload));
	craft_u16(c, 0xfffe); /* id */
	craft_u16(c, 0);      /* fragment */
	craft_u8(c, 64);
	craft_u8(c, protocol);
	craft_u16(c, 0);
	craft_u32(c, 0x0a000001);
	craft_u32(c, 0x0a000002);
	craft_fill(c, 1, option_words * 4ul);
	return start;
}

static const uint8_t craft_ip6_src[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t craft_ip6_dst[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};

/* An IPv6 header from 2001:db8::1 to ::2 for `payload` bytes; returns its offset. */
static inline size_t craft_ipv6(struct craft *c, unsigned next, size_t payload)
{
	size_t start = c->len;

	craft_u32(c, 0x60012345);
	craft_u16(c, (unsigned)payload);
	craft_u8(c, next);
	craft_u8(c, 64);
	craft_bytes(c, craft_ip6_src, 16);
	craft_bytes(c, craft_ip6_dst, 16);
	return start;
}

static inline void craft_udp(struct craft *c, unsigned sport, unsigned dport, size_t payload)
{
	craft_u16(c, sport);
	craft_u16(c, dport);
	craft_u16(c, (unsigned)(8 + payload));
	craft_u16(c, 0);
}

static inline void craft_tcp(struct craft *c, unsigned flags, unsigned option_words, uint32_t seq)
{
	craft_u16(c, 1234);
	craft_u16(c, 443);
	craft_u32(c, seq);
	craft_u32(c, 0x01020304);
	craft_u8(c, (5 + option_words) << 4);
	craft_u8(c, flags);
	craft_u16(c, 0x7fff);
	craft_u16(c, 0);
	craft_u16(c, 0);
	craft_fill(c, 1, option_words * 4ul);
}

/* The folded sum of big-endian 16-bit words, with what came before. */
static inline unsigned naive_sum(unsigned sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? p[i] : (unsigned)p[i] << 8;
		while (sum > 0xffff)
			sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The sum over a pseudo-header. */
static inline unsigned naive_pseudo(const uint8_t *src, const uint8_t *dst, size_t addr_len,
				    unsigned protocol, size_t len)
{
	uint8_t tail[8] = {0};
	unsigned sum = naive_sum(naive_sum(0, src, addr_len), dst, addr_len);

	tail[1] = (uint8_t)(len >> 16);
	tail[2] = (uint8_t)(len >> 8);
	tail[3] = (uint8_t)len;
	tail[7] = (uint8_t)protocol;
	return naive_sum(sum, tail, sizeof(tail));
}

/* A frame with the crafted bytes; NULL when the pool is exhausted. */
static inline struct frame *craft_frame(struct frame_pool *pool, const struct craft *c)
{
	struct frame *frame = frame_alloc(pool, c->len);

	if (frame) {
		memcpy(frame->data, c->b, c->len);
		frame->len = (uint32_t)c->len;
	}
	return frame;
}

/* A generator whose numbers are the same in every run. */
static inline uint32_t craft_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* A number from 0 to n - 1. */
static inline uint32_t craft_below(uint64_t *state, uint32_t n)
{
	return craft_random(state) % n;
}

#endif
