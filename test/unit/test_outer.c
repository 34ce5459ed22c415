/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outer IP headers of what comes past the kernel's stack, and the programs that decide
 * between ring and socket: against a naive model, on random packets, by an interpreter of
 * classic BPF.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "encap/etherip_filter.h"
#include "encap/outer.h"
#include "test/unit/encap_fixture.h"

#define MAX	1500u
#define IFINDEX 7u
#define ROUNDS	40000u

/* ---- packets ---- */

struct made {
	bool v6;
	uint8_t protocol, pkttype;
	uint16_t vlan_tci;
	unsigned ifindex, option_bytes, len; /* of the IP packet */
	unsigned fragment;		     /* 0: none, 1: more follow, 2: the last */
	unsigned offset;		     /* of it, in bytes */
	struct ipaddr dst;
	uint16_t id;
	struct craft bytes; /* from the Ethernet header on */
};

/* The bytes of what is described; `claimed` more than there are in the IP header's length. */
static void make(struct made *m, unsigned claimed)
{
	struct craft *c = &m->bytes;
	size_t ip;

	c->len = 0;
	for (unsigned i = 0; i < 12; i++)
		craft_u8(c, i);
	craft_u16(c, m->v6 ? 0x86dd : 0x0800);
	ip = c->len;
	if (m->v6) {
		craft_u32(c, 6u << 28);
		craft_u16(c, m->len - 40 + claimed);
		craft_u8(c, m->fragment ? 44 : m->protocol);
		craft_u8(c, 64);
		for (unsigned i = 0; i < 16; i++)
			craft_u8(c, i == 15 ? 2 : 0xfd);
		craft_bytes(c, m->dst.bytes, 16);
		if (m->fragment) {
			craft_u8(c, m->protocol);
			craft_u8(c, 0);
			craft_u16(c, m->offset | (m->fragment == 1));
			craft_u32(c, 1);
		}
	} else {
		craft_u8(c, 0x45 + m->option_bytes / 4);
		craft_u8(c, 0);
		craft_u16(c, m->len + claimed);
		craft_u16(c, 1);
		craft_u16(c, (m->fragment == 1 ? 0x2000u : 0) | m->offset / 8);
		craft_u8(c, 64);
		craft_u8(c, m->protocol);
		craft_u16(c, 0);
		craft_u32(c, 0xc0000202);
		craft_bytes(c, m->dst.bytes, 4);
		for (unsigned i = 0; i < m->option_bytes; i++)
			craft_u8(c, 1);
		{
			uint32_t sum = 0;

			for (size_t i = ip; i < c->len; i += 2)
				sum += (uint32_t)c->b[i] << 8 | c->b[i + 1];
			sum = (sum & 0xffff) + (sum >> 16);
			sum = ~((sum & 0xffff) + (sum >> 16));
			c->b[ip + 10] = (uint8_t)(sum >> 8);
			c->b[ip + 11] = (uint8_t)sum;
		}
	}
	craft_u16(c, 0x3000u | m->id);
	while (c->len < ip + m->len)
		craft_u8(c, 0xa5);
}

static struct made plain(bool v6)
{
	struct made m = {
	    .v6 = v6,
	    .protocol = 97,
	    .pkttype = PACKET_HOST,
	    .ifindex = IFINDEX,
	    .len = 100,
	    .id = 1,
	    .dst = addr(v6 ? "2001:db8::1" : "192.0.2.1"),
	};

	return m;
}

/* The frame that a ring hands over: from the IP header on. */
static struct frame shown(struct made *m)
{
	struct frame frame;

	frame_borrow(&frame, m->bytes.b + 14, m->bytes.len - 14);
	return frame;
}

/* ---- headers ---- */

static enum reason pull(struct made *m, struct outer *outer, struct frame *frame)
{
	memset(outer, 0, sizeof(*outer));
	*frame = shown(m);
	return outer_pull(frame, m->v6 ? AF_INET6 : AF_INET, 97, outer);
}

static void whole_packets(void **state)
{
	static struct made m;
	struct outer outer;
	struct frame frame;

	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		m = plain(v6);
		make(&m, 0);
		for (unsigned i = 0; i < 9; i++) /* padding */
			craft_u8(&m.bytes, 0xee);
		assert_int_equal(pull(&m, &outer, &frame), REASON_NONE);
		assert_int_equal(frame.len, 100 - (v6 ? 40 : 20));
		assert_int_equal(frame.data[0], 0x30);
		assert_true(ipaddr_equal(&outer.dst, &m.dst));
		assert_int_equal(outer.src.family, v6 ? AF_INET6 : AF_INET);
		/* Cut off anywhere it is not whole. */
		for (size_t len = 0; len < 100; len++) {
			frame = shown(&m);
			frame.len = (uint32_t)len;
			assert_int_equal(outer_pull(&frame, v6 ? AF_INET6 : AF_INET, 97, &outer),
					 REASON_BAD_HEADER);
		}
		make(&m, 1);
		assert_int_equal(pull(&m, &outer, &frame), REASON_BAD_HEADER);
		m.protocol = 47;
		make(&m, 0);
		assert_int_equal(pull(&m, &outer, &frame), REASON_BAD_HEADER);
	}
}

/* Every bit of an IPv4 header counts, by its checksum. */
static void flipped_bits(void **state)
{
	static struct made m;
	struct outer outer;
	struct frame frame;

	(void)state;
	for (unsigned bit = 0; bit < 160; bit++) {
		m = plain(false);
		make(&m, 0);
		m.bytes.b[14 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(pull(&m, &outer, &frame), REASON_BAD_HEADER);
	}
	m = plain(false);
	m.option_bytes = 4;
	make(&m, 0);
	assert_int_equal(pull(&m, &outer, &frame), REASON_BAD_HEADER);
}

static void parts(void **state)
{
	static const struct {
		unsigned fragment, offset, len;
		size_t v4, v6;
	} cases[] = {
	    {1, 0, 100, 0, 0},		{1, 64, 100, 0, 0},	      {2, 64, 100, 164, 156},
	    {2, 1480, 520, 2000, 1992}, {2, 65528, 60, 65588, 65580},
	};
	static struct made m;
	struct outer outer;
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			m = plain(v6);
			m.fragment = cases[i].fragment;
			m.offset = cases[i].offset;
			m.len = cases[i].len;
			make(&m, 0);
			assert_int_equal(pull(&m, &outer, &frame), REASON_FRAGMENT);
			assert_int_equal(outer_whole_len(&frame, v6 ? AF_INET6 : AF_INET),
					 v6 ? cases[i].v6 : cases[i].v4);
			/* A filter shows no more than the beginning. */
			frame.len = FILTER_FRAGMENT_LEN;
			assert_int_equal(outer_whole_len(&frame, v6 ? AF_INET6 : AF_INET),
					 v6 ? cases[i].v6 : cases[i].v4);
			frame.len = 3;
			assert_int_equal(outer_whole_len(&frame, v6 ? AF_INET6 : AF_INET), 0);
		}
	}
}

/* ---- programs ---- */

/* The value at an offset as the kernel has it; false: the program ends and takes nothing. */
static bool value_at(const struct made *m, size_t start, uint32_t k, unsigned size, uint32_t *value)
{
	size_t at = start + k;

	switch (k) {
	case (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL):
		*value = m->v6 ? 0x86dd : 0x0800;
		return true;
	case (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE):
		*value = m->pkttype;
		return true;
	case (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX):
		*value = m->ifindex;
		return true;
	case (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG):
		*value = m->vlan_tci;
		return true;
	default:
		break;
	}
	if ((int32_t)k < 0) {
		assert_true((int32_t)k >= SKF_NET_OFF);
		at = 14 + (size_t)((int32_t)k - SKF_NET_OFF);
	}
	*value = 0;
	for (unsigned i = 0; i < size; i++) {
		if (at + i >= m->bytes.len)
			return false;
		*value = *value << 8 | m->bytes.b[at + i];
	}
	return true;
}

static unsigned size_of(uint16_t code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

static uint32_t interpret(const struct sock_filter *code, unsigned len, const struct made *m,
			  size_t start)
{
	uint32_t a = 0, x = 0;

	for (unsigned pc = 0; pc < len; pc++) {
		uint32_t k = code[pc].k;
		bool holds;

		switch (code[pc].code &
			~(unsigned)(BPF_CLASS(code[pc].code) == BPF_LD ? 0x18 : 0)) {
		case BPF_LD | BPF_ABS:
			if (!value_at(m, start, k, size_of(code[pc].code), &a))
				return 0;
			break;
		case BPF_LD | BPF_IND:
			if (!value_at(m, start, x + k, size_of(code[pc].code), &a))
				return 0;
			break;
		case BPF_LDX | BPF_B | BPF_MSH:
			if (!value_at(m, start, k, 1, &x))
				return 0;
			x = (x & 0xf) * 4;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= k;
			break;
		case BPF_JMP | BPF_JA:
			pc += k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			holds = BPF_OP(code[pc].code) == BPF_JEQ   ? a == k
				: BPF_OP(code[pc].code) == BPF_JGT ? a > k
								   : (a & k) != 0;
			pc += holds ? code[pc].jt : code[pc].jf;
			break;
		case BPF_RET | BPF_K:
			return k;
		default:
			fail_msg("an instruction that nobody wrote: %u", code[pc].code);
		}
	}
	fail_msg("the program runs over its end");
	return 0;
}

static uint32_t random_state = 1;

static unsigned draw(unsigned below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
}

static const char *const destinations[2][5] = {
    {"192.0.2.1", "192.0.2.2", "239.192.0.1", "239.192.0.2", "239.192.0.99"},
    {"2001:db8::1", "2001:db8::2", "ff18::5456:1", "ff18::5456:2", "ff18::5456:99"},
};
enum { TO_US, TO_OTHER, TO_GROUP, TO_SECOND_GROUP, TO_FOREIGN_GROUP };

static void draw_packet(struct made *m, unsigned *to)
{
	*to = draw(3) ? TO_US : draw(5);
	*m = plain(draw(2));
	m->dst = addr(destinations[m->v6][*to]);
	if (draw(5) == 0)
		m->protocol = (uint8_t)(draw(2) ? 47 : 44);
	if (draw(5) == 0)
		m->pkttype = (uint8_t)draw(4);
	if (draw(5) == 0)
		m->vlan_tci = (uint16_t)(draw(2) ? 0xe000 : 0x2005);
	if (draw(5) == 0)
		m->ifindex = 8;
	if (draw(5) == 0 && !m->v6)
		m->option_bytes = 4 * (1 + draw(5));
	if (draw(5) == 0) {
		m->fragment = 1 + draw(2);
		m->offset = m->fragment == 2 ? 8 * (1 + draw(200)) : 8 * draw(200);
	}
	m->len = draw(3) ? 100 + draw(300) : MAX - 2 + draw(5);
	m->id = (uint16_t)(draw(2) ? 1 : 1 + draw(4));
	make(m, 0);
}

/* What the programs are for, said anew. */
static bool is_ours(const struct made *m, unsigned to, bool all_groups)
{
	return m->pkttype != PACKET_OTHERHOST && (m->vlan_tci & 0xfff) == 0 && m->protocol == 97 &&
	       m->option_bytes == 0 && to != TO_OTHER && (to != TO_FOREIGN_GROUP || all_groups);
}

static void programs(const struct etherip_table *table, bool all_groups)
{
	static struct sock_filter raw[2][FILTER_LEN], ring[2][FILTER_RING_LEN],
	    sieve[2][FILTER_RING_LEN];
	unsigned raw_len[2], ring_len[2], sieve_len[2], taken = 0, left = 0, seen = 0;
	struct etherip_take take[2];
	static struct made m;

	memset(take, 0, sizeof(take));
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct etherip_take *one = &take[v6];

		take[v6].ifindex = IFINDEX;
		take[v6].max = MAX;
		take[v6].addr = addr(destinations[v6][TO_US]);
		take[v6].group[0] = addr(destinations[v6][TO_GROUP]);
		take[v6].group[1] = addr(destinations[v6][TO_SECOND_GROUP]);
		take[v6].groups = all_groups ? FILTER_GROUPS + 1 : 2;
		raw_len[v6] = etherip_filter_raw(table, v6 ? AF_INET6 : AF_INET, &one, 1, raw[v6]);
		ring_len[v6] = etherip_filter_ring(table, &take[v6], ring[v6]);
		sieve_len[v6] = etherip_filter_sieve(table, &take[v6], sieve[v6]);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t in_ring, in_sieve, in_raw;
		bool ours, known, ring_takes, socket_is_shown;
		unsigned to;

		draw_packet(&m, &to);
		known = !table || m.id == 1 || m.id == 3;
		ours = is_ours(&m, to, all_groups);
		ring_takes = ours && !m.fragment && m.len <= MAX && known;
		in_ring = interpret(ring[m.v6], ring_len[m.v6], &m, 14);
		in_sieve = interpret(sieve[m.v6], sieve_len[m.v6], &m, 0);
		assert_int_equal(in_ring, ring_takes	       ? UINT32_MAX
					  : ours && m.fragment ? FILTER_FRAGMENT_LEN
							       : 0);
		assert_int_equal(in_sieve, ring_takes ? TC_ACT_STOLEN : (uint32_t)TC_ACT_UNSPEC);
		taken += ring_takes;
		seen += in_ring == FILTER_FRAGMENT_LEN;
		/* A socket is shown what is whole, for this host, and of its protocol. */
		socket_is_shown = !m.fragment && m.protocol == 97;
		if (!socket_is_shown)
			continue;
		in_raw = interpret(raw[m.v6], raw_len[m.v6], &m, m.v6 ? 54 : 14);
		assert_int_equal(in_raw != 0,
				 known && !(m.ifindex == IFINDEX && m.option_bytes == 0 &&
					    m.len <= MAX && to != TO_OTHER));
		left += in_raw != 0;
		/* Of each of ours one gets it. */
		if (m.ifindex == IFINDEX && known &&
		    (to == TO_US || to == TO_GROUP || to == TO_SECOND_GROUP) &&
		    m.pkttype != PACKET_OTHERHOST && (m.vlan_tci & 0xfff) == 0)
			assert_int_equal((in_raw != 0) + (in_ring == UINT32_MAX), 1);
	}
	assert_true(taken > ROUNDS / 20 && left > ROUNDS / 20 && seen > ROUNDS / 100);
}

static void ring_or_socket(void **state)
{
	(void)state;
	programs(NULL, false);
	programs(NULL, true);
}

static void ring_or_socket_by_id(void **state)
{
	struct etherip_table *table = calloc(1, sizeof(*table));
	struct etherip someone;

	(void)state;
	assert_non_null(table);
	table->by_id[NIBBLES_RFC][1] = table->by_id[NIBBLES_RFC][3] = &someone;
	table->count[NIBBLES_RFC] = 2;
	programs(table, false);
	programs(table, true);
	free(table);
}

/* As many of everything as there can be fit where they are written to. */
static void longest_programs(void **state)
{
	static struct sock_filter code[FILTER_LEN], small[FILTER_RING_LEN];
	static struct etherip_take take;
	struct etherip_table *table = calloc(1, sizeof(*table));
	const struct etherip_take *all[FILTER_RINGS];
	struct etherip someone;

	(void)state;
	assert_non_null(table);
	take = (struct etherip_take){
	    .ifindex = IFINDEX, .max = MAX, .addr = addr("2001:db8::1"), .groups = FILTER_GROUPS};
	for (unsigned i = 0; i < FILTER_GROUPS; i++)
		take.group[i] = addr("ff18::5456:1");
	for (unsigned i = 0; i < FILTER_RINGS; i++)
		all[i] = &take;
	for (unsigned id = 1; id <= FILTER_RING_IDS; id++)
		table->by_id[NIBBLES_RFC][id] = &someone;
	assert_true(etherip_filter_ring(table, &take, small) <= FILTER_RING_LEN);
	for (unsigned id = 1; id <= FILTER_IDS; id++)
		table->by_id[NIBBLES_RFC][id] = &someone;
	assert_true(etherip_filter_raw(table, AF_INET6, all, FILTER_RINGS, code) <= FILTER_LEN);
	assert_true(FILTER_LEN <= BPF_MAXINSNS);
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_packets),
	    cmocka_unit_test(flipped_bits),
	    cmocka_unit_test(parts),
	    cmocka_unit_test(ring_or_socket),
	    cmocka_unit_test(ring_or_socket_by_id),
	    cmocka_unit_test(longest_programs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
