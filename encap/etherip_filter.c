/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/etherip_filter.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "lib/packet.h"

#define WITHOUT_OPTIONS 0x45u
#define IPV6_FRAG	44u
#define V4_FRAGMENT	0x3fffu /* more of them, or an offset */

#define VID 0x0fffu

/* A program that is being written. */
struct writer {
	struct sock_filter *out;
	unsigned n;
	uint16_t family;
	uint32_t ip;		    /* where the IP header begins */
	uint32_t yes, no, fragment; /* what it says of a packet */
};

/* Where something stands in the IP header. */
#define V4(member) (w->ip + (uint32_t)offsetof(struct ipv4_header, member))
#define V6(member) (w->ip + (uint32_t)offsetof(struct ipv6_header, member))

static void put(struct writer *w, unsigned code, uint32_t k)
{
	w->out[w->n++] = (struct sock_filter){.code = (uint16_t)code, .k = k};
}

static void load(struct writer *w, unsigned size, uint32_t offset)
{
	put(w, BPF_LD | size | BPF_ABS, offset);
}

static void stop(struct writer *w, uint32_t bytes)
{
	put(w, BPF_RET | BPF_K, bytes);
}

/* Goes on behind the next `skip` instructions if the comparison fails, or else if it holds. */
static void unless(struct writer *w, unsigned compare, uint32_t k, unsigned skip)
{
	w->out[w->n++] =
	    (struct sock_filter)BPF_JUMP(BPF_JMP | compare | BPF_K, k, 0, (uint8_t)skip);
}

static void when(struct writer *w, unsigned compare, uint32_t k, unsigned skip)
{
	w->out[w->n++] =
	    (struct sock_filter)BPF_JUMP(BPF_JMP | compare | BPF_K, k, (uint8_t)skip, 0);
}

/* Has the conditional jump or the jump at `from` go on here. */
static void land(struct writer *w, unsigned from)
{
	w->out[from].k = w->n - from - 1;
}

/* A jump whose end is not known yet. */
static unsigned leap(struct writer *w)
{
	put(w, BPF_JMP | BPF_JA, 0);
	return w->n - 1;
}

/* Leaps if the destination is that address; else goes on. Returns the leap. */
static unsigned leap_if_to(struct writer *w, const struct ipaddr *addr)
{
	unsigned words = w->family == AF_INET6 ? 4 : 1;
	uint32_t first = w->family == AF_INET6 ? V6(dst) : V4(dst);

	for (unsigned i = 0; i < words; i++) {
		uint32_t word;

		memcpy(&word, addr->bytes + 4 * (size_t)i, sizeof(word));
		load(w, BPF_W, first + 4 * i);
		/* To behind the leap: two instructions for each word that is left. */
		unless(w, BPF_JEQ, ntohl(word), 2 * (words - 1 - i) + 1);
	}
	return leap(w);
}

static unsigned leap_if_to_group(struct writer *w)
{
	if (w->family == AF_INET6) {
		load(w, BPF_B, V6(dst));
		unless(w, BPF_JEQ, 0xff, 1);
	} else {
		load(w, BPF_B, V4(dst));
		put(w, BPF_ALU | BPF_AND | BPF_K, 0xf0);
		unless(w, BPF_JEQ, 0xe0, 1);
	}
	return leap(w);
}

/*
 * What stands behind the IP header: accepts the identifiers of the table and nothing
 * else, one comparison and one return for each. A raw IPv4 socket shows the filter the IP
 * header first, which may have options; a raw IPv6 socket does not.
 */
static void put_ids(struct writer *w, const struct etherip_table *table, bool raw)
{
	if (!table) {
		stop(w, w->yes);
		return;
	}
	if (raw && w->family == AF_INET) {
		put(w, BPF_LDX | BPF_B | BPF_MSH, 0);
		put(w, BPF_LD | BPF_H | BPF_IND, 0);
	} else if (raw) {
		load(w, BPF_H, 0);
	} else {
		load(w, BPF_H,
		     w->ip + (uint32_t)(w->family == AF_INET6 ? sizeof(struct ipv6_header)
							      : sizeof(struct ipv4_header)));
	}
	for (int nibbles = NIBBLES_RFC; nibbles <= NIBBLES_SWAPPED; nibbles++) {
		for (unsigned id = 0; id <= ETHERIP_ID_MAX; id++) {
			uint8_t h[ETHERIP_HEADER_LEN];

			if (id ? !table->by_id[nibbles][id] : !table->plain_count)
				continue;
			etherip_header((uint16_t)id, (enum etherip_nibbles)nibbles, h);
			unless(w, BPF_JEQ, (uint32_t)h[0] << 8 | h[1], 1);
			stop(w, w->yes);
		}
	}
	stop(w, w->no);
}

/* Stops what that ring takes. */
static void put_not(struct writer *w, const struct etherip_take *take)
{
	bool v6 = w->family == AF_INET6;
	unsigned pass[4], passes = 0, own, group;

	load(w, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX));
	when(w, BPF_JEQ, take->ifindex, 1);
	pass[passes++] = leap(w);
	/* An extension header, or options: not what a ring takes. */
	load(w, BPF_B, v6 ? V6(next_header) : V4(version_ihl));
	when(w, BPF_JEQ, v6 ? ETHERIP_PROTOCOL : WITHOUT_OPTIONS, 1);
	pass[passes++] = leap(w);
	load(w, BPF_H, v6 ? V6(payload_len) : V4(total_len));
	unless(w, BPF_JGT, take->max - (v6 ? (unsigned)sizeof(struct ipv6_header) : 0), 1);
	pass[passes++] = leap(w);
	own = leap_if_to(w, &take->addr);
	group = leap_if_to_group(w);
	pass[passes++] = leap(w);
	land(w, own);
	land(w, group);
	stop(w, w->no);
	while (passes)
		land(w, pass[--passes]);
}

unsigned etherip_filter_raw(const struct etherip_table *table, uint16_t family,
			    const struct etherip_take *const *take, unsigned takes,
			    struct sock_filter *out)
{
	struct writer w = {
	    .out = out, .family = family, .ip = (uint32_t)SKF_NET_OFF, .yes = UINT32_MAX};

	for (unsigned i = 0; i < takes; i++)
		put_not(&w, take[i]);
	put_ids(&w, table, true);
	assert(w.n <= FILTER_LEN);
	return w.n;
}

/* Stops what is to nobody here. */
static void put_destinations(struct writer *w, const struct etherip_take *take)
{
	unsigned ours[FILTER_GROUPS + 1], n = 0;

	ours[n++] = leap_if_to(w, &take->addr);
	if (take->groups > FILTER_GROUPS) {
		ours[n++] = leap_if_to_group(w);
	} else {
		for (unsigned i = 0; i < take->groups; i++)
			ours[n++] = leap_if_to(w, &take->group[i]);
	}
	stop(w, w->no);
	while (n)
		land(w, ours[--n]);
}

/* Of a fragment the first bytes, and of what is too long or not ours nothing. */
static void put_whole(struct writer *w, const struct etherip_take *take)
{
	if (w->family == AF_INET6) {
		load(w, BPF_B, V6(next_header));
		unless(w, BPF_JEQ, IPV6_FRAG, 3);
		load(w, BPF_B, w->ip + (uint32_t)sizeof(struct ipv6_header));
		unless(w, BPF_JEQ, ETHERIP_PROTOCOL, 4);
		stop(w, w->fragment);
		unless(w, BPF_JEQ, ETHERIP_PROTOCOL, 2);
		load(w, BPF_H, V6(payload_len));
		unless(w, BPF_JGT, take->max - (unsigned)sizeof(struct ipv6_header), 1);
		stop(w, w->no);
		return;
	}
	load(w, BPF_B, V4(version_ihl));
	unless(w, BPF_JEQ, WITHOUT_OPTIONS, 7);
	load(w, BPF_B, V4(protocol));
	unless(w, BPF_JEQ, ETHERIP_PROTOCOL, 5);
	load(w, BPF_H, V4(fragment));
	unless(w, BPF_JSET, V4_FRAGMENT, 1);
	stop(w, w->fragment);
	load(w, BPF_H, V4(total_len));
	unless(w, BPF_JGT, take->max, 1);
	stop(w, w->no);
}

static void put_ring(struct writer *w, const struct etherip_table *table,
		     const struct etherip_take *take)
{
	load(w, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
	when(w, BPF_JEQ, w->family == AF_INET6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, 1);
	stop(w, w->no);
	load(w, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	unless(w, BPF_JEQ, PACKET_OTHERHOST, 1);
	stop(w, w->no);
	/* Another VLAN's; one of VID 0 carries a priority and nothing else. */
	load(w, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG));
	unless(w, BPF_JSET, VID, 1);
	stop(w, w->no);
	put_destinations(w, take);
	put_whole(w, take);
	put_ids(w, table, false);
	assert(w->n <= FILTER_RING_LEN);
}

unsigned etherip_filter_ring(const struct etherip_table *table, const struct etherip_take *take,
			     struct sock_filter *out)
{
	struct writer w = {
	    .out = out,
	    .family = take->addr.family,
	    .yes = UINT32_MAX,
	    .fragment = FILTER_FRAGMENT_LEN,
	};

	put_ring(&w, table, take);
	return w.n;
}

unsigned etherip_filter_sieve(const struct etherip_table *table, const struct etherip_take *take,
			      struct sock_filter *out)
{
	struct writer w = {
	    .out = out,
	    .family = take->addr.family,
	    .ip = ETH_HEADER_LEN,
	    .yes = TC_ACT_STOLEN, /* it is used elsewhere: no drop */
	    .no = (uint32_t)TC_ACT_UNSPEC,
	    .fragment = (uint32_t)TC_ACT_UNSPEC,
	};

	put_ring(&w, table, take);
	return w.n;
}
