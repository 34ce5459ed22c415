// SPDX-License-Identifier: BSD-2-Clause
//
// What a frame says of its conversation: lengths that lie, headers that are cut,
// superframes, options, extension headers, and packets inside of errors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those four first
#include <cmocka.h>

#include "test/unit/policy_case.h"

static struct flow_info flow_of(const struct frame *frame, const struct packet *packet)
{
	struct flow_info flow;

	flow_parse(frame, packet, &flow);
	return flow;
}

static struct flow_info say_flow(struct say s)
{
	struct packet packet;
	const struct frame *frame;

	s.src = s.src ? s.src : 1;
	s.dst = s.dst ? s.dst : 2;
	frame = say_frame(&s, &packet);
	return flow_of(frame, &packet);
}

#define SAY(...) say_flow((struct say){__VA_ARGS__})

static void tcp(void **state)
{
	struct flow_info flow =
	    SAY(.family = 4, .protocol = IPPROTO_TCP, .sport = 1000, .dport = 443, .flags = TCP_SYN,
		.seq = 0x01020304, .ack = 0xfffffffe, .window = 5000, .scale = 7, .payload = 10);

	(void)state;
	assert_int_equal(flow.kind, FLOW_KIND_TCP);
	assert_int_equal(flow.family, AF_INET);
	assert_int_equal(flow.src.port, 1000);
	assert_int_equal(flow.dst.port, 443);
	assert_int_equal(flow.src.addr[3], 1);
	assert_int_equal(flow.dst.addr[3], 2);
	assert_int_equal(flow.seq, 0x01020304);
	assert_int_equal(flow.ack, 0xfffffffe);
	assert_int_equal(flow.window, 5000);
	assert_int_equal(flow.scale, 7);
	assert_int_equal(flow.payload, 10);
	/* RFC 7323: more than 14 counts as 14; without SYN there is none. */
	flow = SAY(.family = 6, .protocol = IPPROTO_TCP, .flags = TCP_SYN, .scale = 99);
	assert_int_equal(flow.scale, 14);
	assert_int_equal(flow.family, AF_INET6);
	flow = SAY(.family = 6, .protocol = IPPROTO_TCP, .flags = TCP_ACK, .scale = 9);
	assert_int_equal(flow.scale, FLOW_NO_SCALE);
}

static void lengths(void **state)
{
	struct say s = {.family = 4,
			.protocol = IPPROTO_TCP,
			.src = 1,
			.dst = 2,
			.flags = TCP_ACK,
			.payload = 4,
			.scale = -1};
	struct packet packet;
	struct frame *frame;
	struct flow_info flow;

	(void)state;
	/* What pads a short frame is no data. */
	frame = say_frame(&s, &packet);
	memset(frame->data + frame->len, 0xee, 6);
	frame->len += 6;
	assert_true(packet_parse(frame, &packet));
	assert_int_equal(flow_of(frame, &packet).payload, 4);
	/* Whatever is cut off the end: broken, or less of it, and never more than there is. */
	for (uint32_t len = frame->len; len > 14; len--) {
		frame->len = len;
		assert_true(packet_parse(frame, &packet));
		flow = flow_of(frame, &packet);
		if (len < 14 + 40 + 4)
			assert_int_equal(flow.kind, FLOW_KIND_BROKEN);
		else
			assert_int_equal(flow.kind, FLOW_KIND_TCP);
	}
	/* A header of TCP that claims to be longer than the packet, or too short. */
	frame = say_frame(&s, &packet);
	frame->data[14 + 20 + 12] = 0xf0;
	assert_int_equal(flow_of(frame, &packet).kind, FLOW_KIND_BROKEN);
	frame->data[14 + 20 + 12] = 0x40;
	assert_int_equal(flow_of(frame, &packet).kind, FLOW_KIND_BROKEN);
}

static void superframes(void **state)
{
	struct say s = {.family = 4,
			.protocol = IPPROTO_TCP,
			.src = 1,
			.dst = 2,
			.flags = TCP_ACK,
			.payload = 65000,
			.scale = -1};
	struct packet packet;
	struct frame *frame;

	(void)state;
	frame = say_frame(&s, &packet);
	frame->offload.gso = FRAME_GSO_TCP4;
	frame->offload.gso_size = 1448;
	assert_true(packet_parse(frame, &packet));
	assert_int_equal(flow_of(frame, &packet).payload, 65000);
	/* RFC 791 has no room for the length of the largest. */
	frame->data[16] = frame->data[17] = 0;
	assert_true(packet_parse(frame, &packet));
	assert_int_equal(flow_of(frame, &packet).payload, 65000);
	s.family = 6;
	frame = say_frame(&s, &packet);
	frame->offload.gso = FRAME_GSO_TCP6;
	frame->data[18] = frame->data[19] = 0;
	assert_true(packet_parse(frame, &packet));
	assert_int_equal(flow_of(frame, &packet).payload, 65000);
	frame->offload.gso = FRAME_GSO_NONE;
}

static void options(void **state)
{
	static const struct {
		uint8_t bytes[4];
		unsigned scale;
	} cases[] = {
	    {{3, 3, 5, 0}, 5},
	    {{1, 3, 3, 6}, 6},
	    {{0, 3, 3, 6}, FLOW_NO_SCALE},
	    {{3, 3, 0, 0}, 0},
	    {{3, 4, 5, 0}, FLOW_NO_SCALE},
	    {{3, 9, 5, 0}, FLOW_NO_SCALE},
	    {{3, 0, 5, 0}, FLOW_NO_SCALE},
	    {{8, 1, 3, 3}, FLOW_NO_SCALE},
	    {{1, 1, 1, 3}, FLOW_NO_SCALE},
	    {{1, 1, 3, 3}, FLOW_NO_SCALE},
	};
	struct say s = {
	    .family = 4, .protocol = IPPROTO_TCP, .src = 1, .dst = 2, .flags = TCP_SYN, .scale = 1};
	struct packet packet;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame *frame = say_frame(&s, &packet);

		memcpy(frame->data + 14 + 20 + 20, cases[i].bytes, 4);
		assert_int_equal(flow_of(frame, &packet).scale, cases[i].scale);
	}
}

static void other_protocols(void **state)
{
	static const struct {
		unsigned protocol;
		enum flow_kind kind;
	} cases[] = {
	    {IPPROTO_UDP, FLOW_KIND_UDP},
	    {47, FLOW_KIND_IP},
	    {50, FLOW_KIND_IP},
	    {IPPROTO_ICMPV6, FLOW_KIND_IP}, /* in IPv4 it is nothing known */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    SAY(.family = 4, .protocol = cases[i].protocol, .payload = 30).kind,
		    cases[i].kind);
	assert_int_equal(SAY(.family = 6, .protocol = IPPROTO_ICMP, .payload = 30).kind,
			 FLOW_KIND_IP);
	/* Router advertisements, redirects, and what reports groups have no answer. */
	assert_int_equal(SAY(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 134).kind,
			 FLOW_KIND_OTHER);
	assert_int_equal(SAY(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 137).kind,
			 FLOW_KIND_OTHER);
	assert_int_equal(SAY(.family = 4, .protocol = IPPROTO_ICMP, .type = 5).kind,
			 FLOW_KIND_OTHER);
	/* Half a solicitation. */
	assert_int_equal(
	    SAY(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 135, .payload = 15).kind,
	    FLOW_KIND_BROKEN);
}

static void extension_headers(void **state)
{
	struct flow_info flow =
	    SAY(.family = 6, .protocol = IPPROTO_UDP, .sport = 5, .dport = 6, .extension = 24);
	struct flow_info plain = SAY(.family = 6, .protocol = IPPROTO_UDP, .sport = 5, .dport = 6);

	(void)state;
	assert_true(flow.moved);
	assert_false(plain.moved);
	flow.moved = false;
	assert_memory_equal(&flow, &plain, sizeof(flow));
	assert_int_equal(SAY(.family = 6, .protocol = IPPROTO_UDP, .fragment = 8).kind,
			 FLOW_KIND_FRAGMENT);
	assert_int_equal(SAY(.family = 4, .protocol = IPPROTO_UDP, .fragment = 0x2000).kind,
			 FLOW_KIND_FRAGMENT);
	/* "Do not fragment" is none. */
	assert_int_equal(SAY(.family = 4, .protocol = IPPROTO_UDP, .fragment = 0x4000).kind,
			 FLOW_KIND_UDP);
}

static void errors(void **state)
{
	const struct say inside = {.family = 6,
				   .protocol = IPPROTO_TCP,
				   .src = 1,
				   .dst = 2,
				   .sport = 7,
				   .dport = 8,
				   .seq = 99,
				   .extension = 8,
				   .scale = -1};
	struct say fragment = inside;
	struct flow_info flow = SAY(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 2, .src = 5,
				    .dst = 1, .inside = &inside);

	(void)state;
	assert_int_equal(flow.kind, FLOW_KIND_ERROR);
	assert_int_equal(flow.inside, FLOW_KIND_TCP);
	assert_int_equal(flow.protocol, IPPROTO_TCP);
	assert_int_equal(flow.src.port, 8);
	assert_int_equal(flow.dst.port, 7);
	assert_int_equal(flow.seq, 99);
	assert_int_equal(flow.src.addr[15], 2);
	assert_int_equal(flow.dst.addr[15], 1);
	/* To somebody else than who has sent it. */
	assert_int_equal(SAY(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 2, .src = 5, .dst = 3,
			     .inside = &inside)
			     .kind,
			 FLOW_KIND_OTHER);
	fragment.family = 4;
	fragment.extension = 0;
	fragment.fragment = 1;
	assert_int_equal(SAY(.family = 4, .protocol = IPPROTO_ICMP, .type = 3, .src = 5, .dst = 1,
			     .inside = &fragment)
			     .kind,
			 FLOW_KIND_OTHER);
}

static void questions(void **state)
{
	struct packet packet;
	struct frame *frame = say_arp(1, 1, 2, &packet);
	struct flow_info flow = flow_of(frame, &packet);

	(void)state;
	assert_int_equal(flow.kind, FLOW_KIND_ARP);
	assert_false(flow.answer);
	assert_int_equal(flow.src.addr[3], 1);
	assert_int_equal(flow.dst.addr[3], 2);
	frame = say_arp(2, 2, 1, &packet);
	assert_true(flow_of(frame, &packet).answer);
	frame = say_arp(3, 2, 1, &packet);
	assert_int_equal(flow_of(frame, &packet).kind, FLOW_KIND_OTHER);
	frame = say_arp(1, 2, 2, &packet);
	assert_int_equal(flow_of(frame, &packet).kind, FLOW_KIND_OTHER);
	frame = say_arp(1, 1, 2, &packet);
	frame->len--;
	assert_int_equal(flow_of(frame, &packet).kind, FLOW_KIND_BROKEN);
	frame = say_nd(135, 1, 2, 3, &packet);
	flow = flow_of(frame, &packet);
	assert_int_equal(flow.kind, FLOW_KIND_ND);
	assert_int_equal(flow.dst.addr[15], 3);
	frame = say_nd(136, 3, 0, 3, &packet);
	flow = flow_of(frame, &packet);
	assert_true(flow.answer);
	assert_int_equal(flow.dst.addr[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tcp),
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(superframes),
	    cmocka_unit_test(options),
	    cmocka_unit_test(other_protocols),
	    cmocka_unit_test(extension_headers),
	    cmocka_unit_test(errors),
	    cmocka_unit_test(questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
