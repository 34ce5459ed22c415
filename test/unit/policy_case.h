/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of controlled flows have in common: packets between guests in two
 * segments, written byte by byte, and halves made of rules. Included once by each
 * test program.
 */
#ifndef TVD_TEST_POLICY_CASE_H
#define TVD_TEST_POLICY_CASE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow.h"
#include "switchd/policy/conn.h"
#include "switchd/policy/decide.h"
#include "test/unit/craft.h"

#define SEG_A 7u
#define SEG_B 3u

/* One packet. Guest n has the address 10.0.0.n, or 2001:db8::n, and MAC 02:..:n. */
struct say {
	unsigned family; /* 4 or 6 */
	unsigned protocol;
	unsigned src, dst;
	unsigned sport, dport;
	unsigned flags;
	uint32_t seq, ack;
	unsigned window;
	int scale; /* below 0: no option; only with SYN */
	unsigned payload;
	unsigned type, code;	  /* of ICMP */
	unsigned extension;	  /* bytes of a destination options header */
	unsigned fragment;	  /* IPv4: the field; IPv6: the field, with the M bit */
	bool multicast;		  /* to 01:00:5e:... */
	const struct say *inside; /* of an ICMP error */
};

static struct craft say_craft;

static inline void say_mac(struct craft *c, unsigned n, bool group)
{
	craft_u16(c, group ? 0x0100 : 0x0200);
	craft_u32(c, n);
}

static inline void say_transport(struct craft *c, const struct say *s)
{
	switch (s->protocol) {
	case IPPROTO_TCP:
		craft_u16(c, s->sport);
		craft_u16(c, s->dport);
		craft_u32(c, s->seq);
		craft_u32(c, s->ack);
		craft_u8(c, s->flags & TCP_SYN && s->scale >= 0 ? 0x60 : 0x50);
		craft_u8(c, s->flags);
		craft_u16(c, s->window);
		craft_u32(c, 0);
		if (s->flags & TCP_SYN && s->scale >= 0) {
			craft_u8(c, 1);
			craft_u8(c, 3);
			craft_u8(c, 3);
			craft_u8(c, (unsigned)s->scale);
		}
		break;
	case IPPROTO_UDP:
		craft_udp(c, s->sport, s->dport, s->payload);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		craft_u8(c, s->type);
		craft_u8(c, s->code);
		craft_u16(c, 0);
		craft_u16(c, s->inside ? 0 : s->sport);
		craft_u16(c, s->inside ? 0 : s->seq);
		break;
	default:
		break;
	}
}

static inline void say_ip(struct craft *c, const struct say *s);

static inline void say_body(struct craft *c, const struct say *s)
{
	size_t start = c->len;

	say_transport(c, s);
	if (s->inside) {
		say_ip(c, s->inside);
		if (c->len > start + 8 + 60) /* as much as a sender has to */
			c->len = start + 8 + 60;
	}
	craft_fill(c, 0x5a, s->payload);
}

static inline void say_ip(struct craft *c, const struct say *s)
{
	size_t at = c->len;

	if (s->family == 4) {
		craft_ipv4(c, s->protocol, 0, 0);
		craft_put16(c, at + 6, s->fragment);
		craft_put16(c, at + 14, s->src);
		craft_put16(c, at + 18, s->dst);
		say_body(c, s);
		craft_put16(c, at + 2, (unsigned)(c->len - at));
		return;
	}
	craft_ipv6(c, s->extension ? 60 : s->fragment ? 44 : s->protocol, 0);
	craft_put16(c, at + 22, s->src);
	craft_put16(c, at + 38, s->dst);
	if (s->extension) {
		craft_u8(c, s->fragment ? 44 : s->protocol);
		craft_u8(c, s->extension / 8 - 1);
		craft_fill(c, 0, s->extension - 2);
	}
	if (s->fragment) {
		craft_u8(c, s->protocol);
		craft_u8(c, 0);
		craft_u16(c, s->fragment);
		craft_u32(c, 1);
	}
	say_body(c, s);
	craft_put16(c, at + 4, (unsigned)(c->len - at - 40));
}

/* Writes the packet and looks at it; the frame is good until the next one. */
static inline struct frame *say_frame(const struct say *s, struct packet *packet)
{
	static struct frame frame;

	say_craft.len = 0;
	say_mac(&say_craft, s->dst, s->multicast);
	say_mac(&say_craft, s->src, false);
	craft_u16(&say_craft, s->family == 4 ? 0x0800 : 0x86dd);
	say_ip(&say_craft, s);
	frame_borrow(&frame, say_craft.b, say_craft.len);
	if (!packet_parse(&frame, packet))
		abort();
	return &frame;
}

/* An ARP packet; operation 1 asks, 2 answers. */
static inline struct frame *say_arp(unsigned operation, unsigned sender, unsigned target,
				    struct packet *packet)
{
	static struct frame frame;
	struct craft *c = &say_craft;

	c->len = 0;
	if (operation == 1)
		craft_fill(c, 0xff, 6);
	else
		say_mac(c, target, false);
	say_mac(c, sender, false);
	craft_u16(c, 0x0806);
	craft_u16(c, 1);
	craft_u16(c, 0x0800);
	craft_u16(c, 0x0604);
	craft_u16(c, operation);
	say_mac(c, sender, false);
	craft_u32(c, sender ? 0x0a000000 + sender : 0);
	craft_fill(c, 0, 6);
	craft_u32(c, target ? 0x0a000000 + target : 0);
	frame_borrow(&frame, c->b, c->len);
	if (!packet_parse(&frame, packet))
		abort();
	return &frame;
}

/* A neighbour solicitation (135) or advertisement (136); dst 0: to everybody. */
static inline struct frame *say_nd(unsigned type, unsigned src, unsigned dst, unsigned target,
				   struct packet *packet)
{
	struct say s = {.family = 6,
			.protocol = IPPROTO_ICMPV6,
			.src = src,
			.dst = dst,
			.type = type,
			.payload = 16,
			.multicast = type == 135};
	struct frame *frame = say_frame(&s, packet);
	uint8_t *ip = frame->data + packet->l3_off, *at = frame->data + packet->l4_off + 8;

	if (src == 0)
		memset(ip + 8, 0, 16);
	if (dst == 0) {
		memset(ip + 24, 0, 16);
		ip[24] = 0xff;
		ip[25] = 2;
		ip[39] = 1;
	}
	memcpy(at, craft_ip6_dst, 16);
	at[14] = (uint8_t)(target >> 8);
	at[15] = (uint8_t)target;
	return frame;
}

/* A half of these rules; ends the program where they are not good. */
static inline struct half *half_make(int kind, const struct rule_spec *specs, size_t count)
{
	struct half *half = calloc(1, sizeof(*half));
	struct err err = {""};

	if (!half)
		abort();
	half->name = "test";
	half->kind = kind;
	if (kind != HALF_CONTROLLED)
		return half;
	half->rules = rules_create(specs, count, &err);
	if (!half->rules) {
		(void)fprintf(stderr, "%s\n", err.text);
		abort();
	}
	return half;
}

static inline void half_free(struct half *half)
{
	if (half)
		rules_destroy(half->rules);
	free(half);
}

#endif
