/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "lib/packet.h"
#include "test/unit/craft.h"

static struct frame_pool *pool;
static struct craft c;

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(2, 1);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

/* Parses what was crafted, as a superframe or not, and checks that the frame agrees. */
static struct packet parse(bool gso)
{
	struct frame *frame = craft_frame(pool, &c);
	struct packet packet;

	frame->offload.gso = gso ? FRAME_GSO_TCP4 : FRAME_GSO_NONE;
	frame->l3_off = 1;
	frame->l4_off = 2;
	assert_int_equal(packet_parse(frame, &packet), c.len >= ETH_HEADER_LEN);
	assert_int_equal(frame->l3_off, packet.l3_off);
	assert_int_equal(frame->l4_off, packet.l4_off);
	frame_free(frame);
	return packet;
}

static void test_ethernet(void **state)
{
	struct packet packet;

	(void)state;
	craft_eth(&c, ETHERTYPE_ARP);
	packet = parse(false);
	assert_int_equal(packet.ethertype, ETHERTYPE_ARP);
	assert_int_equal(packet.eth.src.octet[5], 1);
	assert_int_equal(packet.eth.dst.octet[5], 2);
	assert_int_equal(packet.l3_off, 14);
	assert_int_equal(packet.ip_version, 0);
	c.len = 13;
	packet = parse(false);
	assert_int_equal(packet.l3_off, FRAME_OFF_UNSET);
	c.len = 0;
	(void)parse(false);
}

static void test_tags(void **state)
{
	(void)state;
	for (unsigned tags = 0; tags <= PACKET_TAGS_MAX + 2; tags++) {
		struct packet packet;

		craft_eth(&c, tags ? ETHERTYPE_STAG : ETHERTYPE_IPV4);
		for (unsigned i = 1; i <= tags; i++) {
			craft_u16(&c, i);
			craft_u16(&c, i < tags ? ETHERTYPE_CTAG : ETHERTYPE_IPV4);
		}
		(void)craft_ipv4(&c, IPPROTO_UDP, 0, 8);
		craft_udp(&c, 1, 2, 0);
		packet = parse(false);
		if (tags <= PACKET_TAGS_MAX) {
			assert_int_equal(packet.tags, tags);
			assert_int_equal(packet.ethertype, ETHERTYPE_IPV4);
			assert_int_equal(packet.l3_off, 14 + tags * 4);
			assert_int_equal(packet.l4_off, 34 + tags * 4);
		} else {
			assert_int_equal(packet.ethertype, ETHERTYPE_CTAG);
			assert_int_equal(packet.ip_version, 0);
		}
	}
	/* A tag that the frame does not hold, and no stale offsets behind it. */
	craft_eth(&c, ETHERTYPE_CTAG);
	craft_u16(&c, 1);
	assert_int_equal(parse(false).l3_off, FRAME_OFF_UNSET);
}

static void test_ipv4(void **state)
{
	struct packet packet;
	size_t ip;

	(void)state;
	craft_eth(&c, ETHERTYPE_IPV4);
	ip = craft_ipv4(&c, IPPROTO_TCP, 3, 20);
	craft_tcp(&c, 0, 0, 1);
	craft_fill(&c, 0, 6); /* Ethernet padding */
	packet = parse(false);
	assert_int_equal(packet.ip_version, 4);
	assert_int_equal(packet.protocol, IPPROTO_TCP);
	assert_int_equal(packet.l4_off, 14 + 32);
	assert_int_equal(packet.l3_len, 52);
	assert_false(packet.fragment);

	craft_put16(&c, ip + 6, 0x4000); /* DF is no fragment */
	assert_false(parse(false).fragment);
	craft_put16(&c, ip + 6, 0x2000);
	packet = parse(false);
	assert_true(packet.fragment);
	assert_int_equal(packet.l4_off, 46);
	craft_put16(&c, ip + 6, 0x0001);
	packet = parse(false);
	assert_true(packet.fragment);
	assert_int_equal(packet.l4_off, FRAME_OFF_UNSET);
	craft_put16(&c, ip + 6, 0);

	craft_put16(&c, ip + 2, 59); /* one more than is there */
	assert_int_equal(parse(false).ip_version, 0);
	craft_put16(&c, ip + 2, 31); /* less than the header */
	assert_int_equal(parse(false).ip_version, 0);
	craft_put16(&c, ip + 2, 32);
	packet = parse(false);
	assert_int_equal(packet.l3_len, 32);
	assert_int_equal(packet.l4_off, 46);
	craft_put16(&c, ip + 2, 0); /* only superframes may be silent */
	assert_int_equal(parse(false).ip_version, 0);
	assert_int_equal(parse(true).l3_len, 58);
	craft_put16(&c, ip + 2, 58);
	c.b[ip] = 0x44;
	assert_int_equal(parse(false).ip_version, 0);
	c.b[ip] = 0x65;
	assert_int_equal(parse(false).ip_version, 0);
}

/* Crafts an IPv6 frame with the extension headers named by protocol number, each of 8 bytes. */
static void craft_chain(const uint8_t *chain, size_t n, size_t payload)
{
	craft_eth(&c, ETHERTYPE_IPV6);
	(void)craft_ipv6(&c, chain[0], (n - 1) * 8 + payload);
	for (size_t i = 1; i < n; i++) {
		craft_u8(&c, chain[i]);
		craft_fill(&c, 0, 7);
	}
	craft_fill(&c, 0xee, payload);
}

static void test_ipv6(void **state)
{
	static const uint8_t chain[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS,
					IPPROTO_FRAGMENT, IPPROTO_UDP};
	static const uint8_t none[] = {IPPROTO_DSTOPTS, IPPROTO_NONE};
	static const uint8_t ah[] = {IPPROTO_AH, IPPROTO_UDP};
	struct packet packet;

	(void)state;
	craft_chain(chain, 5, 8);
	packet = parse(false);
	assert_int_equal(packet.ip_version, 6);
	assert_int_equal(packet.protocol, IPPROTO_UDP);
	assert_int_equal(packet.l4_off, 14 + 40 + 32);
	assert_int_equal(packet.l3_len, 80);
	assert_true(packet.fragment);
	assert_false(packet.chain_cut);

	craft_put16(&c, 14 + 40 + 24 + 2, 0x0008); /* the second eight bytes */
	packet = parse(false);
	assert_true(packet.fragment);
	assert_int_equal(packet.l4_off, FRAME_OFF_UNSET);
	assert_int_equal(packet.protocol, IPPROTO_UDP);
	assert_false(packet.chain_cut);

	craft_chain(none, 2, 0);
	packet = parse(false);
	assert_int_equal(packet.l4_off, FRAME_OFF_UNSET);
	assert_false(packet.chain_cut);

	craft_chain(ah, 2, 8);
	c.b[55] = 0; /* (0 + 2) * 4 bytes */
	assert_int_equal(parse(false).l4_off, 62);
	c.b[55] = 2;
	assert_int_equal(parse(false).l4_off, 70);
	c.b[55] = 3;
	assert_true(parse(false).chain_cut);
}

static void test_ipv6_cut(void **state)
{
	static const uint8_t two[] = {IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_ICMPV6};
	uint8_t many[10];
	struct packet packet;

	(void)state;
	/* The chain ends where the packet says that it ends, whatever follows. */
	craft_chain(two, 3, 8);
	for (unsigned payload = 0; payload <= 24; payload++) {
		craft_put16(&c, 18, payload);
		packet = parse(false);
		assert_int_equal(packet.ip_version, 6);
		assert_int_equal(packet.chain_cut, payload < 16);
		assert_int_equal(packet.l4_off, payload < 16 ? FRAME_OFF_UNSET : 70);
	}
	craft_put16(&c, 18, 25);
	assert_int_equal(parse(false).ip_version, 0);
	craft_put16(&c, 18, 0);
	packet = parse(true);
	assert_int_equal(packet.l3_len, 64);
	assert_int_equal(packet.l4_off, 70);
	craft_put16(&c, 18, 24);
	c.b[14] = 0x40;
	assert_int_equal(parse(false).ip_version, 0);

	for (size_t n = 1; n <= sizeof(many); n++) {
		memset(many, IPPROTO_DSTOPTS, sizeof(many));
		many[n - 1] = IPPROTO_TCP;
		craft_chain(many, n, 20);
		packet = parse(false);
		assert_int_equal(packet.chain_cut, n > 8);
		assert_int_equal(packet.l4_off, n > 8 ? FRAME_OFF_UNSET : 54 + (n - 1) * 8);
	}
}

/* The payload length of a superframe goes up to the last value, 40 bytes past 16 bits. */
static void test_longest(void **state)
{
	struct packet packet;

	(void)state;
	craft_eth(&c, ETHERTYPE_CTAG);
	craft_u16(&c, 1);
	craft_u16(&c, ETHERTYPE_IPV6);
	(void)craft_ipv6(&c, IPPROTO_TCP, 65535);
	craft_fill(&c, 0, 65535);
	packet = parse(true);
	assert_int_equal(packet.ip_version, 6);
	assert_int_equal(packet.l3_len, 65575);
}

static void test_truncation(void **state)
{
	static const uint8_t chain[] = {IPPROTO_HOPOPTS, IPPROTO_FRAGMENT, IPPROTO_UDP};

	(void)state;
	craft_chain(chain, 3, 8);
	for (size_t len = c.len; len-- > 0;) {
		c.len = len;
		assert_int_equal(parse(false).ip_version, 0);
		(void)parse(true);
	}
}

static void test_tag(void **state)
{
	uint16_t tpid = 0, tci = 0;
	struct frame *frame;

	(void)state;
	craft_eth(&c, ETHERTYPE_STAG);
	craft_u16(&c, 0x2123);
	craft_u16(&c, ETHERTYPE_IPV4);
	frame = craft_frame(pool, &c);
	assert_true(packet_tag(frame, &tpid, &tci));
	assert_int_equal(tpid, ETHERTYPE_STAG);
	assert_int_equal(tci, 0x2123);
	/* The one beside the bytes was in front of it. */
	frame->tag.tpid = ETHERTYPE_CTAG;
	frame->tag.tci = 7;
	assert_true(packet_tag(frame, &tpid, &tci));
	assert_int_equal(tpid, ETHERTYPE_CTAG);
	assert_int_equal(tci, 7);
	frame->tag.tpid = 0;
	frame->len = 15;
	assert_true(packet_tag(frame, &tpid, &tci));
	assert_int_equal(tci, 0xffff);
	frame->len = 13;
	assert_false(packet_tag(frame, &tpid, &tci));
	frame->len = 14;
	frame->data[12] = 0x08;
	frame->data[13] = 0;
	assert_false(packet_tag(frame, &tpid, &tci));
	frame_free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ethernet), cmocka_unit_test(test_tags),
	    cmocka_unit_test(test_ipv4),     cmocka_unit_test(test_ipv6),
	    cmocka_unit_test(test_ipv6_cut), cmocka_unit_test(test_longest),
	    cmocka_unit_test(test_tag),	     cmocka_unit_test(test_truncation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
