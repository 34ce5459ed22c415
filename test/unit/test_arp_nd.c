/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "lib/arp_nd.h"
#include "lib/checksum.h"

static struct frame_pool *pool;
static const struct mac a = {{0x02, 0, 0, 0, 0, 0xaa}}, b = {{0x02, 0, 0, 0, 0, 0xbb}};
static struct ipaddr ip4, peer4, ip6, peer6, all_nodes;

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(4, 0);
	(void)ipaddr_parse("10.1.0.1", &ip4);
	(void)ipaddr_parse("10.1.0.2", &peer4);
	(void)ipaddr_parse("2001:db8::1", &ip6);
	(void)ipaddr_parse("2001:db8::12:3456", &peer6);
	(void)ipaddr_parse("ff02::1", &all_nodes);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

static enum arp_nd_kind parse(struct frame *frame, struct arp_nd *msg)
{
	struct packet packet;

	assert_true(packet_parse(frame, &packet));
	return arp_nd_parse(frame, &packet, msg);
}

/* Whatever is built says when it is read what it was built from. */
static struct frame *build(const struct arp_nd *msg)
{
	struct frame *frame = arp_nd_build(pool, msg);
	struct arp_nd back;

	assert_non_null(frame);
	assert_true(frame->len >= 60);
	assert_int_equal(parse(frame, &back), msg->kind);
	assert_memory_equal(&back, msg, sizeof(back));
	return frame;
}

static void test_arp(void **state)
{
	struct arp_nd ask, answer;
	struct frame *frame;

	(void)state;
	arp_nd_ask(&ask, &a, NULL, &peer4, NULL);
	assert_true(arp_nd_is_probe(&ask) && !arp_nd_binds(&ask));
	assert_true(mac_is_broadcast(&ask.eth_dst));
	frame = build(&ask);
	assert_int_equal(frame->len, 60);
	frame_free(frame);
	arp_nd_answer(&answer, &ask, &b);
	assert_true(arp_nd_binds(&answer));
	assert_true(ipaddr_equal(&answer.owner, &peer4) && mac_equal(&answer.mac, &b));
	assert_true(mac_equal(&answer.eth_dst, &a) && mac_equal(&answer.asked_mac, &a));
	frame_free(build(&answer));
	arp_nd_ask(&ask, &a, &ip4, &peer4, &b);
	assert_true(!arp_nd_is_probe(&ask) && arp_nd_binds(&ask) && mac_equal(&ask.eth_dst, &b));
	frame_free(build(&ask));
	arp_nd_announce(&ask, &a, &ip4);
	assert_true(arp_nd_binds(&ask) && ipaddr_equal(&ask.owner, &ask.asked));
	frame_free(build(&ask));
	arp_nd_rarp(&ask, &a);
	assert_false(arp_nd_binds(&ask) || arp_nd_is_probe(&ask));
	frame_free(build(&ask));
}

static void test_nd(void **state)
{
	static const uint8_t group_mac[] = {0x33, 0x33, 0xff, 0x12, 0x34, 0x56};
	struct ipaddr own, none = {.family = AF_INET6};
	struct arp_nd ask, answer;

	(void)state;
	(void)ipaddr_parse("fe80::ff:fe00:aa", &own);
	arp_nd_ask(&ask, &a, NULL, &peer6, NULL);
	assert_true(ipaddr_equal(&ask.src, &own) && arp_nd_binds(&ask));
	assert_memory_equal(&ask.eth_dst, group_mac, sizeof(group_mac));
	frame_free(build(&ask));
	arp_nd_answer(&answer, &ask, &b);
	answer.router = true;
	assert_true(answer.solicited && answer.override && ipaddr_equal(&answer.dst, &own));
	assert_true(ipaddr_equal(&answer.owner, &peer6) && mac_equal(&answer.eth_dst, &a));
	frame_free(build(&answer));
	arp_nd_ask(&ask, &a, &ip6, &peer6, &b);
	assert_true(ipaddr_equal(&ask.dst, &peer6));
	frame_free(build(&ask));
	/* Duplicate address detection: no option, and the answer is for everybody. */
	arp_nd_ask(&ask, &a, &none, &peer6, NULL);
	memset(&ask.mac, 0, sizeof(ask.mac));
	assert_true(arp_nd_is_probe(&ask) && !arp_nd_binds(&ask));
	frame_free(build(&ask));
	arp_nd_answer(&answer, &ask, &b);
	assert_true(!answer.solicited && ipaddr_equal(&answer.dst, &all_nodes));
	frame_free(build(&answer));
	arp_nd_announce(&answer, &a, &ip6);
	assert_true(answer.kind == ARP_ND_ANSWER && answer.override && !answer.solicited);
	frame_free(build(&answer));
}

/* Each changes one byte of a good message, which is then nobody's. */
static void spoil(const struct arp_nd *msg, size_t off, uint8_t value, enum arp_nd_kind want)
{
	struct frame *frame = arp_nd_build(pool, msg);
	struct arp_nd back;

	assert_non_null(frame);
	frame->data[off] = value;
	if (msg->asked.family == AF_INET6 && off != 57) { /* but for the checksum itself */
		uint8_t *ip = frame->data + 14;
		uint32_t len = frame->len - 54;
		uint64_t sum = checksum_pseudo(ip + 8, ip + 24, 16, 58, len);
		uint16_t check = 0;

		memcpy(ip + 42, &check, 2);
		check = (uint16_t)~checksum_fold(checksum_add(sum, ip + 40, len));
		memcpy(ip + 42, &check, 2);
	}
	assert_int_equal(parse(frame, &back), want);
	frame_free(frame);
}

static void test_bad_arp(void **state)
{
	struct arp_nd msg;
	struct frame *frame;

	(void)state;
	arp_nd_ask(&msg, &a, &ip4, &peer4, NULL);
	spoil(&msg, 15, 6, ARP_ND_BAD); /* hardware */
	spoil(&msg, 16, 9, ARP_ND_BAD); /* protocol */
	spoil(&msg, 18, 8, ARP_ND_BAD); /* lengths */
	spoil(&msg, 19, 16, ARP_ND_BAD);
	spoil(&msg, 21, 8, ARP_ND_BAD);	  /* operation */
	spoil(&msg, 22, 1, ARP_ND_BAD);	  /* a group's MAC */
	spoil(&msg, 28, 224, ARP_ND_BAD); /* a group's address */
	spoil(&msg, 13, 0xdd, ARP_ND_NONE);
	frame = arp_nd_build(pool, &msg);
	assert_non_null(frame);
	frame->len = 41;
	assert_int_equal(parse(frame, &msg), ARP_ND_BAD);
	frame_free(frame);
	arp_nd_rarp(&msg, &a);
	spoil(&msg, 21, 1, ARP_ND_BAD);
	arp_nd_ask(&msg, &a, NULL, &peer4, NULL);
	arp_nd_answer(&msg, &msg, &b);
	memset(&msg.owner.bytes, 0, sizeof(msg.owner.bytes));
	spoil(&msg, 14, 0, ARP_ND_BAD); /* an answer for nobody */
}

static void test_bad_nd(void **state)
{
	struct ipaddr none = {.family = AF_INET6};
	struct arp_nd msg;

	(void)state;
	arp_nd_ask(&msg, &a, &ip6, &peer6, NULL);
	spoil(&msg, 14, 0x60, ARP_ND_ASK); /* nothing changed */
	spoil(&msg, 21, 254, ARP_ND_BAD);  /* hop limit */
	spoil(&msg, 57, 0x11, ARP_ND_BAD); /* checksum */
	spoil(&msg, 55, 1, ARP_ND_BAD);	   /* code */
	spoil(&msg, 62, 0xff, ARP_ND_BAD); /* target is a group */
	spoil(&msg, 79, 0, ARP_ND_BAD);	   /* option of no length */
	spoil(&msg, 79, 2, ARP_ND_BAD);	   /* option past the end */
	spoil(&msg, 80, 1, ARP_ND_BAD);	   /* a group's MAC */
	spoil(&msg, 22, 0xff, ARP_ND_BAD); /* source is a group */
	spoil(&msg, 54, 134, ARP_ND_NONE); /* router advertisement */
	spoil(&msg, 19, 24, ARP_ND_BAD);   /* option cut off: the checksum counts it */
	arp_nd_answer(&msg, &msg, &b);
	msg.asked = msg.dst = all_nodes;
	spoil(&msg, 14, 0x60, ARP_ND_BAD); /* solicited, to everybody */
	arp_nd_ask(&msg, &a, &none, &peer6, &b);
	memset(&msg.mac, 0, sizeof(msg.mac));
	spoil(&msg, 14, 0x60, ARP_ND_BAD); /* detection of duplicates asks the group */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arp),
	    cmocka_unit_test(test_nd),
	    cmocka_unit_test(test_bad_arp),
	    cmocka_unit_test(test_bad_nd),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
