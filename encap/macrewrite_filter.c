/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of an uplink's traffic is a farm's, as a classic BPF program: untagged frames to
 * a farm's Ethernet group, and ARP, IPv4 and IPv6 that has an address of a subnet. IPv4
 * addresses and groups are searched for by halves, IPv6 prefixes one after the other.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

#include "encap/macrewrite.h"

#define OFF_GROUP      2u /* farm and subnet in a farm's group address */
#define OFF_TYPE       12u
#define OFF_ARP_SENDER 28u
#define OFF_ARP_TARGET 38u
#define OFF_IP4_SRC    26u
#define OFF_IP4_DST    30u
#define OFF_IP6_NEXT   20u
#define OFF_IP6_SRC    22u
#define OFF_IP6_DST    38u
#define OFF_ICMP6      54u
#define OFF_ND_TARGET  62u
#define ND_SOLICIT     135u
#define ND_ADVERTISE   136u
#define GROUP_PREFIX   0x0354u

struct emitter {
	struct sock_filter *out;
	unsigned count, max;
	bool overflow;
	/* Jumps that wait for where the next test begins. */
	unsigned waiting[MACREWRITE_PROGRAM], waiters;
};

struct span {
	uint32_t low, high;
};

static unsigned emit(struct emitter *e, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (e->count == e->max) {
		e->overflow = true;
		return 0;
	}
	e->out[e->count] = (struct sock_filter){code, jt, jf, k};
	return e->count++;
}

static void load(struct emitter *e, uint16_t size, uint32_t off)
{
	emit(e, (uint16_t)(BPF_LD | size | BPF_ABS), 0, 0, off);
}

static void answer(struct emitter *e, bool take)
{
	emit(e, BPF_RET | BPF_K, 0, 0, take ? UINT32_MAX : 0);
}

static unsigned jump(struct emitter *e)
{
	return emit(e, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void land(struct emitter *e, unsigned from)
{
	if (!e->overflow)
		e->out[from].k = e->count - from - 1;
}

/* To the next test, wherever that begins. */
static void leave(struct emitter *e)
{
	unsigned from = jump(e);

	if (!e->overflow)
		e->waiting[e->waiters++] = from;
}

static void land_all(struct emitter *e)
{
	for (unsigned i = 0; i < e->waiters; i++)
		land(e, e->waiting[i]);
	e->waiters = 0;
}

/* Takes the frame if the accumulator is in one of the spans, which are sorted. */
static void search(struct emitter *e, const struct span *spans, unsigned count)
{
	unsigned middle = count / 2, right;

	if (e->overflow)
		return;
	if (count == 0) {
		leave(e);
	} else if (count > 1) {
		emit(e, BPF_JMP | BPF_JGE | BPF_K, 0, 1, spans[middle].low);
		right = jump(e);
		search(e, spans, middle);
		land(e, right);
		search(e, spans + middle, count - middle);
	} else {
		emit(e, BPF_JMP | BPF_JGE | BPF_K, 0, 2, spans->low);
		emit(e, BPF_JMP | BPF_JGT | BPF_K, 1, 0, spans->high);
		answer(e, true);
		leave(e);
	}
}

static void test_v4(struct emitter *e, uint32_t off, const struct span *spans, unsigned count)
{
	load(e, BPF_W, off);
	search(e, spans, count);
	land_all(e);
}

/* Takes the frame if the IPv6 address at `off` is in a prefix. */
static void test_v6(struct emitter *e, const struct macrewrite_table *table, uint32_t off)
{
	for (unsigned i = 0; i < table->range_count && !e->overflow; i++) {
		const struct ipprefix *prefix = &table->ranges[i].prefix;
		unsigned bits = prefix->len;
		uint32_t words[4];

		if (prefix->addr.family != AF_INET6)
			continue;
		memcpy(words, prefix->addr.bytes, sizeof(words));
		for (unsigned n = 0; n < 4 && bits > 0; n++) {
			unsigned here = bits < 32 ? bits : 32;

			load(e, BPF_W, off + 4 * n);
			if (here < 32)
				emit(e, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~(UINT32_MAX >> here));
			emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ntohl(words[n]));
			leave(e);
			bits -= here;
		}
		answer(e, true);
		land_all(e);
	}
}

/* Neighbours are joined, so that the default scheme's subnets of a farm take one search step. */
static unsigned spans_of(const struct macrewrite_table *table, struct span *out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < table->range_count; i++) {
		const struct ipprefix *prefix = &table->ranges[i].prefix;
		uint32_t low, size;

		if (prefix->addr.family != AF_INET)
			continue;
		low = ntohl(prefix->addr.v4.s_addr);
		size = prefix->len == 32 ? 0 : UINT32_MAX >> prefix->len;
		if (count && out[count - 1].high + 1 >= low && out[count - 1].high < UINT32_MAX) {
			if (low + size > out[count - 1].high)
				out[count - 1].high = low + size;
		} else {
			out[count++] = (struct span){low, low + size};
		}
	}
	return count;
}

/* Groups of subnets that are here, and of their whole farms. */
static unsigned groups_of(const struct macrewrite_table *table, struct span *out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < table->group_count; i++) {
		uint32_t key = table->groups[i].key, farm = key & 0xffff0000u;

		if (!count || (out[count - 1].high & 0xffff0000u) != farm)
			out[count++] = (struct span){farm, farm};
		if (out[count - 1].high + 1 == key)
			out[count - 1].high = key;
		else if (out[count - 1].high != key)
			out[count++] = (struct span){key, key};
	}
	return count;
}

static void test_group(struct emitter *e, const struct macrewrite_table *table, bool everybody,
		       struct span *spans)
{
	unsigned other;

	load(e, BPF_H, 0);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, GROUP_PREFIX);
	other = jump(e);
	if (everybody) {
		answer(e, true);
	} else {
		load(e, BPF_W, OFF_GROUP);
		search(e, spans, groups_of(table, spans));
		land_all(e);
		answer(e, false);
	}
	land(e, other);
}

/* Runs what follows only for an ethertype; returns what to land where that ends. */
static unsigned only_type(struct emitter *e, uint32_t type)
{
	load(e, BPF_H, OFF_TYPE);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, type);
	return jump(e);
}

static void test_nd(struct emitter *e, const struct macrewrite_table *table)
{
	load(e, BPF_B, OFF_IP6_NEXT);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, IPPROTO_ICMPV6);
	answer(e, false);
	load(e, BPF_B, OFF_ICMP6);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, ND_SOLICIT);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ND_ADVERTISE);
	answer(e, false);
	test_v6(e, table, OFF_ND_TARGET);
}

unsigned macrewrite_build_filter(const struct macrewrite_table *table, bool everybody,
				 struct sock_filter *out, unsigned max)
{
	struct emitter *e = calloc(1, sizeof(*e));
	struct span *spans =
	    calloc((size_t)table->range_count + 2 * table->group_count + 1, sizeof(*spans));
	unsigned count = 0, other;

	if (!e || !spans)
		goto out;
	e->out = out;
	e->max = max < MACREWRITE_PROGRAM ? max : MACREWRITE_PROGRAM;
	load(e, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
	answer(e, false);
	/* What a switch floods because it does not know where another host is. */
	load(e, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OTHERHOST);
	answer(e, false);
	test_group(e, table, everybody, spans);
	count = spans_of(table, spans);
	other = only_type(e, ETHERTYPE_IPV4);
	test_v4(e, OFF_IP4_DST, spans, count);
	test_v4(e, OFF_IP4_SRC, spans, count);
	answer(e, false);
	land(e, other);
	other = only_type(e, ETHERTYPE_IPV6);
	test_v6(e, table, OFF_IP6_DST);
	test_v6(e, table, OFF_IP6_SRC);
	test_nd(e, table);
	answer(e, false);
	land(e, other);
	other = only_type(e, ETHERTYPE_ARP);
	test_v4(e, OFF_ARP_TARGET, spans, count);
	test_v4(e, OFF_ARP_SENDER, spans, count);
	land(e, other);
	answer(e, false);
	count = e->overflow ? 0 : e->count;
out:
	free(e);
	free(spans);
	return count;
}
