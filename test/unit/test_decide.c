// SPDX-License-Identifier: BSD-2-Clause
//
// Controlled flows: halves, answers, what a connection lets through, audits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those four first
#include <cmocka.h>

#include "test/unit/policy_case.h"

static const struct hash_key key = {{1, 2}};
static const struct fdb_where guest = {.side = FDB_SIDE_LOCAL, .port = 1};

/* Domain alpha is in segment A, beta in B. */
static struct half *alpha_out, *alpha_in, *beta_out, *beta_in; /* to and from the other one */
static struct conns *conns;
static uint64_t now;
static bool probe;
static const char *from_port, *to_port;

static int setup(void **state)
{
	const struct conn_limits limits = {.max = 64};

	(void)state;
	alpha_out = alpha_in = beta_out = beta_in = NULL;
	from_port = to_port = NULL;
	probe = false;
	now = 100000;
	conns = conns_create(&key, &limits);
	return conns ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	conns_destroy(conns);
	half_free(alpha_out);
	half_free(alpha_in);
	half_free(beta_out);
	half_free(beta_in);
	return 0;
}

static struct half *stateful(const char *filter)
{
	const struct rule_spec spec = {.filter = filter, .stateful = true};

	return half_make(HALF_CONTROLLED, &spec, 1);
}

static struct half *stateless(const char *filter)
{
	const struct rule_spec spec = {.filter = filter};

	return half_make(HALF_CONTROLLED, &spec, 1);
}

static struct half *open_half(void)
{
	return half_make(HALF_OPEN, NULL, 0);
}

/* Alpha to beta by one stateful rule of both; nothing the other way. */
static void both(const char *filter)
{
	alpha_out = stateful(filter);
	beta_in = stateful(filter);
}

static struct decision ask(const struct frame *frame, const struct packet *packet, bool to_beta)
{
	const struct crossing ab = {alpha_out, beta_in, beta_out, alpha_in};
	const struct crossing ba = {beta_out, alpha_in, alpha_out, beta_in};
	const struct crossing_frame cf = {
	    .frame = frame,
	    .packet = packet,
	    .from = to_beta ? SEG_A : SEG_B,
	    .to = to_beta ? SEG_B : SEG_A,
	    .sender = &guest,
	    .from_port = from_port,
	    .to_port = to_port,
	    .now = now,
	    .probe = probe,
	};

	return decide(conns, to_beta ? &ab : &ba, &cf);
}

static enum reason say(struct say s, bool to_beta)
{
	struct packet packet;
	const struct frame *frame;

	if (!s.family)
		s.family = 4;
	if (!s.src)
		s.src = to_beta ? 1 : 2;
	if (!s.dst)
		s.dst = to_beta ? 2 : 1;
	frame = say_frame(&s, &packet);
	return ask(frame, &packet, to_beta).reason;
}

#define TO_BETA(...)  say((struct say){__VA_ARGS__}, true)
#define TO_ALPHA(...) say((struct say){__VA_ARGS__}, false)
#define PASSES(what)  assert_int_equal((what), REASON_NONE)
#define UDP(from, to) .protocol = IPPROTO_UDP, .sport = (from), .dport = (to)
#define TCP(from, to)                                                                              \
	.protocol = IPPROTO_TCP, .sport = (from), .dport = (to), .window = 1000, .scale = -1
#define UDP_TO	 UDP(4000, 53)
#define UDP_BACK UDP(53, 4000)
#define TCP_TO	 TCP(4000, 443)
#define TCP_BACK TCP(443, 4000)

/* ---- halves ---- */

static void closed_and_open(void **state)
{
	(void)state;
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_CLOSED);
	alpha_out = open_half();
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_IN);
	beta_in = half_make(HALF_CLOSED, NULL, 0);
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_IN);
	beta_in->kind = HALF_OPEN;
	PASSES(TO_BETA(UDP_TO));
	alpha_out->kind = HALF_CLOSED;
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_OUT);
	alpha_out->kind = HALF_OPEN;
	/* Open one way alone lets nothing back. */
	assert_int_equal(TO_ALPHA(UDP_BACK), REASON_POLICY_CLOSED);
	assert_int_equal(conns_count(conns), 0);
}

static void both_halves_must_match(void **state)
{
	(void)state;
	alpha_out = stateful("udp dst port 53");
	beta_in = stateful("udp dst port 53 and src host 10.0.0.9");
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_IN);
	assert_int_equal(conns_count(conns), 0);
	PASSES(TO_BETA(UDP_TO, .src = 9));
	assert_int_equal(TO_BETA(UDP(4000, 54)), REASON_POLICY_OUT);
	assert_int_equal(beta_in->refused_frames, 1);
	assert_int_equal(alpha_out->refused_frames, 1);
	assert_int_equal(alpha_out->rules->rule[0]->frames, 1);
	assert_int_equal(beta_in->rules->rule[0]->frames, 1);
}

static void answers_come_back(void **state)
{
	(void)state;
	both("udp dst port 53");
	assert_int_equal(TO_ALPHA(UDP_BACK), REASON_POLICY_CLOSED);
	PASSES(TO_BETA(UDP_TO));
	PASSES(TO_ALPHA(UDP_BACK));
	assert_int_equal(alpha_out->rules->rule[0]->frames, 2);
	assert_int_equal(TO_ALPHA(UDP(54, 4000)), REASON_POLICY_CLOSED);
	assert_int_equal(TO_ALPHA(UDP_BACK, .src = 3), REASON_POLICY_CLOSED);
	now += 179999;
	PASSES(TO_ALPHA(UDP_BACK));
	now += 180000;
	assert_int_equal(TO_ALPHA(UDP_BACK), REASON_POLICY_CLOSED);
}

static void without_state_nothing_comes_back(void **state)
{
	(void)state;
	alpha_out = stateless("udp");
	beta_in = stateless("udp");
	PASSES(TO_BETA(UDP_TO));
	assert_int_equal(TO_ALPHA(UDP_BACK), REASON_POLICY_CLOSED);
	assert_int_equal(conns_count(conns), 0);
	/* One whose word lasts is not enough. */
	half_free(beta_in);
	beta_in = stateful("udp");
	PASSES(TO_BETA(UDP_TO));
	assert_int_equal(conns_count(conns), 1);
	assert_int_equal(TO_ALPHA(UDP_BACK), REASON_POLICY_IN);
	alpha_in = stateless("udp src port 53");
	PASSES(TO_ALPHA(UDP_BACK));
	assert_int_equal(alpha_in->rules->rule[0]->frames, 1);
	/* And what does not last is asked each time. */
	alpha_out->kind = HALF_CLOSED;
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_OUT);
}

static void open_out_and_controlled_in(void **state)
{
	(void)state;
	alpha_out = open_half();
	beta_in = stateful("tcp dst port 443");
	PASSES(TO_BETA(TCP_TO, .flags = TCP_SYN));
	assert_int_equal(TO_BETA(TCP(4000, 80), .flags = TCP_SYN), REASON_POLICY_IN);
	/* Alpha has not said that it lets anything in. */
	assert_int_equal(TO_ALPHA(TCP_BACK, .flags = TCP_SYN | TCP_ACK, .ack = 1),
			 REASON_POLICY_IN);
	alpha_in = open_half();
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_SYN | TCP_ACK, .ack = 1));
}

/* ---- TCP ---- */

static void handshake(void)
{
	PASSES(TO_BETA(TCP_TO, .flags = TCP_SYN, .seq = 100));
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_SYN | TCP_ACK, .seq = 500, .ack = 101));
	PASSES(TO_BETA(TCP_TO, .flags = TCP_ACK, .seq = 101, .ack = 501));
}

static void tcp_in_the_window(void **state)
{
	(void)state;
	both("tcp dst port 443");
	handshake();
	PASSES(TO_BETA(TCP_TO, .flags = TCP_ACK, .seq = 101, .ack = 501, .payload = 500));
	assert_int_equal(TO_BETA(TCP_TO, .flags = TCP_ACK, .seq = 601, .ack = 501, .payload = 600),
			 REASON_STATE);
	assert_int_equal(TO_ALPHA(TCP_BACK, .flags = TCP_ACK, .seq = 501, .ack = 700),
			 REASON_STATE);
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_ACK, .seq = 501, .ack = 601));
	assert_int_equal(TO_ALPHA(TCP_BACK, .flags = TCP_SYN, .seq = 9), REASON_STATE);
	/* A reset that guesses. */
	assert_int_equal(TO_ALPHA(TCP_BACK, .flags = TCP_RST, .seq = 90000), REASON_STATE);
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_RST, .seq = 501));
	now += 10000;
	assert_int_equal(TO_ALPHA(TCP_BACK, .flags = TCP_ACK, .seq = 501, .ack = 601),
			 REASON_STATE);
}

static void tcp_in_the_middle(void **state)
{
	const struct rule_spec pickup = {.filter = "tcp", .stateful = true, .pickup = true};

	(void)state;
	both("tcp dst port 443");
	assert_int_equal(TO_BETA(TCP_TO, .flags = TCP_ACK, .seq = 5, .ack = 6), REASON_STATE);
	assert_int_equal(TO_BETA(TCP_TO, .flags = TCP_SYN | TCP_ACK, .seq = 5, .ack = 6),
			 REASON_STATE);
	half_free(alpha_out);
	alpha_out = half_make(HALF_CONTROLLED, &pickup, 1);
	assert_int_equal(TO_BETA(TCP_TO, .flags = TCP_ACK, .seq = 5, .ack = 6), REASON_STATE);
	half_free(beta_in);
	beta_in = half_make(HALF_CONTROLLED, &pickup, 1);
	assert_int_equal(TO_BETA(TCP_TO, .flags = TCP_RST, .seq = 5), REASON_STATE);
	PASSES(TO_BETA(TCP_TO, .flags = TCP_ACK, .seq = 5, .ack = 6));
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_ACK, .seq = 6, .ack = 5, .payload = 9000));
	/* Picked up, but still a connection. */
	assert_int_equal(TO_ALPHA(TCP_BACK, .flags = TCP_ACK, .seq = 6, .ack = 99), REASON_STATE);
	assert_int_equal(TO_BETA(TCP_TO, .flags = TCP_ACK, .seq = 0x90000000, .ack = 6),
			 REASON_STATE);
}

static void a_new_connection_in_place_of_an_old_one(void **state)
{
	(void)state;
	both("tcp dst port 443");
	handshake();
	PASSES(TO_BETA(TCP_TO, .flags = TCP_RST, .seq = 101));
	PASSES(TO_BETA(TCP_TO, .flags = TCP_SYN, .seq = 9000));
	assert_int_equal(conns_count(conns), 1);
	assert_int_equal(TO_ALPHA(TCP_BACK, .flags = TCP_SYN | TCP_ACK, .seq = 1, .ack = 101),
			 REASON_STATE);
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_SYN | TCP_ACK, .seq = 1, .ack = 9001));
	/* Nobody else may begin anew. */
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_RST, .seq = 2));
	assert_int_equal(TO_ALPHA(TCP_BACK, .flags = TCP_SYN, .seq = 1), REASON_POLICY_CLOSED);
	assert_int_equal(conns_count(conns), 1);
}

/* ---- ICMP, ARP, neighbour discovery ---- */

static void echoes(void **state)
{
	(void)state;
	both("icmp");
	assert_int_equal(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 0, .sport = 7), REASON_STATE);
	PASSES(TO_BETA(.protocol = IPPROTO_ICMP, .type = 8, .sport = 7));
	PASSES(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 0, .sport = 7));
	assert_int_equal(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 0, .sport = 8), REASON_STATE);
	assert_int_equal(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 8, .sport = 7),
			 REASON_POLICY_CLOSED);
	/* Who asks the same at the same time does so for himself. */
	beta_out = stateful("icmp");
	alpha_in = stateful("icmp");
	PASSES(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 8, .sport = 7));
	assert_int_equal(conns_count(conns), 2);
	PASSES(TO_BETA(.protocol = IPPROTO_ICMP, .type = 0, .sport = 7));
}

static void errors_about_connections(void **state)
{
	const struct say udp = {.family = 4, UDP_TO, .src = 1, .dst = 2};
	const struct say other = {.family = 4, UDP_TO, .src = 1, .dst = 3};
	const struct say tcp = {
	    .family = 4, TCP_TO, .src = 1, .dst = 2, .flags = TCP_ACK, .seq = 101, .ack = 501};
	const struct say guess = {
	    .family = 4, TCP_TO, .src = 1, .dst = 2, .flags = TCP_ACK, .seq = 0x70000000};

	(void)state;
	both("udp or tcp");
	PASSES(TO_BETA(UDP_TO));
	PASSES(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 3, .code = 3, .inside = &udp));
	/* Also from who stands between. */
	PASSES(TO_ALPHA(.src = 9, .protocol = IPPROTO_ICMP, .type = 11, .inside = &udp));
	assert_int_equal(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 5, .inside = &udp),
			 REASON_POLICY_CLOSED);
	assert_int_equal(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 3, .inside = &other),
			 REASON_STATE);
	/* To somebody who has sent nothing. */
	assert_int_equal(TO_ALPHA(.dst = 4, .protocol = IPPROTO_ICMP, .type = 3, .inside = &udp),
			 REASON_POLICY_CLOSED);
	handshake();
	PASSES(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 3, .code = 4, .inside = &tcp));
	assert_int_equal(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 3, .inside = &guess),
			 REASON_STATE);
}

static void errors_of_ipv6(void **state)
{
	const struct say udp = {.family = 6, UDP_TO, .src = 1, .dst = 2};

	(void)state;
	both("ip6 and udp");
	PASSES(TO_BETA(.family = 6, UDP_TO));
	PASSES(TO_ALPHA(.family = 6, UDP_BACK));
	PASSES(TO_ALPHA(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 2, .inside = &udp));
	assert_int_equal(
	    TO_BETA(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 2, .inside = &udp),
	    REASON_POLICY_OUT);
}

/* About a request they travel as its reply would, and about a reply as another request. */
static void errors_about_echoes(void **state)
{
	const struct say request = {
	    .family = 4, .protocol = IPPROTO_ICMP, .type = 8, .sport = 7, .src = 1, .dst = 2};
	const struct say reply = {
	    .family = 4, .protocol = IPPROTO_ICMP, .sport = 7, .src = 2, .dst = 1};
	const struct say request6 = {
	    .family = 6, .protocol = IPPROTO_ICMPV6, .type = 128, .sport = 7, .src = 1, .dst = 2};

	(void)state;
	both("icmp or icmp6");
	assert_int_equal(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 11, .inside = &request),
			 REASON_STATE);
	PASSES(TO_BETA(.protocol = IPPROTO_ICMP, .type = 8, .sport = 7));
	PASSES(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 11, .inside = &request));
	PASSES(TO_ALPHA(.src = 9, .protocol = IPPROTO_ICMP, .type = 3, .inside = &request));
	PASSES(TO_BETA(.protocol = IPPROTO_ICMP, .type = 3, .inside = &reply));
	/* Nobody here has sent a reply to beta. */
	assert_int_equal(TO_ALPHA(.protocol = IPPROTO_ICMP, .type = 3, .inside = &reply, .dst = 2),
			 REASON_STATE);
	PASSES(TO_BETA(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 128, .sport = 7));
	PASSES(TO_ALPHA(.family = 6, .protocol = IPPROTO_ICMPV6, .type = 3, .inside = &request6));
}

static void arp_asks(void **state)
{
	struct packet packet;
	struct frame *frame;

	(void)state;
	both("arp");
	frame = say_arp(2, 2, 1, &packet);
	assert_int_equal(ask(frame, &packet, false).reason, REASON_STATE);
	frame = say_arp(1, 1, 2, &packet);
	PASSES(ask(frame, &packet, true).reason);
	now += 4999;
	frame = say_arp(2, 2, 1, &packet);
	PASSES(ask(frame, &packet, false).reason);
	frame = say_arp(2, 3, 1, &packet);
	assert_int_equal(ask(frame, &packet, false).reason, REASON_STATE);
	now += 1;
	frame = say_arp(2, 2, 1, &packet);
	assert_int_equal(ask(frame, &packet, false).reason, REASON_STATE);
	/* Announcements ask nothing. */
	frame = say_arp(1, 1, 1, &packet);
	PASSES(ask(frame, &packet, true).reason);
	assert_int_equal(conns_age(conns, now, 10), 1);
	assert_int_equal(conns_count(conns), 0);
	/* A probe has no address yet. */
	frame = say_arp(1, 0, 2, &packet);
	PASSES(ask(frame, &packet, true).reason);
	frame = say_arp(2, 2, 0, &packet);
	PASSES(ask(frame, &packet, false).reason);
}

static void neighbours_ask(void **state)
{
	struct packet packet;
	struct frame *frame;

	(void)state;
	both("icmp6");
	frame = say_nd(136, 2, 1, 2, &packet);
	assert_int_equal(ask(frame, &packet, false).reason, REASON_STATE);
	frame = say_nd(135, 1, 2, 2, &packet);
	PASSES(ask(frame, &packet, true).reason);
	frame = say_nd(136, 2, 1, 2, &packet);
	PASSES(ask(frame, &packet, false).reason);
	frame = say_nd(136, 2, 1, 3, &packet);
	assert_int_equal(ask(frame, &packet, false).reason, REASON_STATE);
	frame = say_nd(135, 0, 2, 2, &packet);
	PASSES(ask(frame, &packet, true).reason);
	frame = say_nd(136, 2, 0, 2, &packet);
	PASSES(ask(frame, &packet, false).reason);
}

/* ---- form ---- */

static void fragments_and_extension_headers(void **state)
{
	(void)state;
	both("(ip6 and not tcp port 22) or (ip and udp)");
	assert_int_equal(TO_BETA(.family = 6, TCP(4000, 22), .flags = TCP_SYN), REASON_POLICY_OUT);
	assert_int_equal(TO_BETA(.family = 6, TCP(4000, 22), .flags = TCP_SYN, .extension = 16),
			 REASON_POLICY_OUT);
	PASSES(TO_BETA(.family = 6, TCP(4000, 23), .flags = TCP_SYN, .extension = 16));
	PASSES(TO_ALPHA(.family = 6, TCP(23, 4000), .flags = TCP_SYN | TCP_ACK, .ack = 1,
			.extension = 8));
	assert_int_equal(TO_BETA(.family = 6, UDP_TO, .fragment = 1), REASON_FRAGMENT);
	assert_int_equal(TO_BETA(.family = 6, UDP_TO, .fragment = 8), REASON_FRAGMENT);
	assert_int_equal(TO_BETA(.family = 6, UDP_TO, .fragment = 8, .extension = 8),
			 REASON_FRAGMENT);
	assert_int_equal(TO_BETA(UDP_TO, .fragment = 0x2000), REASON_FRAGMENT);
	assert_int_equal(TO_BETA(UDP_TO, .fragment = 1), REASON_FRAGMENT);
	PASSES(TO_BETA(UDP_TO, .fragment = 0x4000));
}

static void multicast_leaves_nothing(void **state)
{
	(void)state;
	both("udp");
	PASSES(TO_BETA(UDP_TO, .multicast = true));
	assert_int_equal(conns_count(conns), 0);
	assert_int_equal(TO_ALPHA(UDP_BACK), REASON_POLICY_CLOSED);
}

/* ---- rules ---- */

static void revoked_rules_end_connections(void **state)
{
	const struct crossing ab = {NULL, NULL, NULL, NULL};
	const struct rule_spec specs[] = {
	    {.filter = "tcp dst port 443", .stateful = true},
	    {.filter = "udp dst port 53", .stateful = true},
	};
	struct half *halves[2];
	struct conn_info info[4];
	struct crossing now_in_force = ab;
	uint32_t cursor = 0;
	bool end;

	(void)state;
	alpha_out = half_make(HALF_CONTROLLED, specs, 2);
	beta_in = half_make(HALF_CONTROLLED, specs, 2);
	PASSES(TO_BETA(UDP_TO));
	PASSES(TO_BETA(TCP_TO, .flags = TCP_SYN));
	/* The second rule alone, beside a new one. */
	halves[0] = half_make(HALF_CONTROLLED, &specs[1], 1);
	halves[1] = half_make(HALF_CONTROLLED, &specs[1], 1);
	rules_adopt(halves[0]->rules, alpha_out->rules);
	rules_adopt(halves[1]->rules, beta_in->rules);
	half_free(alpha_out);
	half_free(beta_in);
	alpha_out = halves[0];
	beta_in = halves[1];
	assert_int_equal(alpha_out->rules->rule[0]->frames, 1);
	now_in_force.out = alpha_out;
	now_in_force.in = beta_in;
	assert_int_equal(conns_list(conns, -1, now, &cursor, info, 4, 100, &end), 2);
	assert_true(end);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(crossing_keeps(&now_in_force, &info[i]),
				 info[i].kind == FLOW_KIND_UDP);
	assert_false(crossing_keeps(&ab, &info[0]));
}

static void rules_for_one_port(void **state)
{
	const struct rule_spec spec = {.filter = "udp", .port = "vm1", .stateful = true};

	(void)state;
	alpha_out = half_make(HALF_CONTROLLED, &spec, 1);
	beta_in = stateful("udp");
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_OUT);
	from_port = "vm2";
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_OUT);
	to_port = "vm1";
	PASSES(TO_BETA(UDP_TO));
	from_port = "vm1";
	to_port = "vm2";
	PASSES(TO_ALPHA(UDP_BACK));
	/* The same packet to another port is nobody's answer. */
	from_port = "vm3";
	assert_int_equal(TO_ALPHA(UDP_BACK), REASON_POLICY_CLOSED);
}

static void probes_change_nothing(void **state)
{
	(void)state;
	both("udp dst port 53");
	probe = true;
	PASSES(TO_BETA(UDP_TO));
	assert_int_equal(TO_BETA(UDP(4000, 1)), REASON_POLICY_OUT);
	assert_int_equal(conns_count(conns), 0);
	assert_int_equal(alpha_out->refused_frames, 0);
	assert_int_equal(alpha_out->rules->rule[0]->frames, 0);
	probe = false;
	PASSES(TO_BETA(UDP_TO));
	probe = true;
	now += 29999;
	PASSES(TO_ALPHA(UDP_BACK));
	assert_int_equal(alpha_out->rules->rule[0]->frames, 1);
	now += 1;
	assert_int_equal(TO_ALPHA(UDP_BACK), REASON_POLICY_CLOSED);
}

/* ---- audit ---- */

static void audits_drop_nothing(void **state)
{
	struct packet packet;
	struct say s = {.family = 4, UDP(4000, 99), .src = 1, .dst = 2};
	struct decision d;

	(void)state;
	both("tcp dst port 443");
	alpha_out->audit = true;
	/* One that enforces is enough to drop. */
	assert_int_equal(TO_BETA(UDP_TO), REASON_POLICY_IN);
	beta_in->audit = true;
	d = ask(say_frame(&s, &packet), &packet, true);
	PASSES(d.reason);
	assert_int_equal(d.audited, REASON_POLICY_OUT);
	assert_int_equal(alpha_out->refused_frames, 1);
	assert_int_equal(beta_in->refused_frames, 2);
	/* Answers to what passes pass, and count. */
	PASSES(TO_ALPHA(.protocol = IPPROTO_UDP, .sport = 99, .dport = 4000));
	assert_int_equal(alpha_out->refused_frames, 2);
	/* So do TCP connections that do not behave. */
	PASSES(TO_BETA(TCP_TO, .flags = TCP_ACK, .seq = 1, .ack = 1));
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_ACK, .seq = 1, .ack = 0x70000000));
	handshake();
	PASSES(TO_ALPHA(TCP_BACK, .flags = TCP_ACK, .seq = 1, .ack = 0x70000000));
}

static void texts(void **state)
{
	const struct crossing ab = {NULL, NULL, NULL, NULL};
	struct crossing x = ab;
	struct say s = {.family = 4, UDP_TO, .src = 1, .dst = 2};
	struct packet packet;
	struct decision d;
	char text[256];

	(void)state;
	both("udp dst port 53");
	x.out = alpha_out;
	x.in = beta_in;
	d = ask(say_frame(&s, &packet), &packet, true);
	assert_string_equal(decision_text(&d, &x, text, sizeof(text)),
			    "test: allowed by rule \"udp dst port 53\"");
	d = ask(say_frame(&s, &packet), &packet, true);
	assert_string_equal(decision_text(&d, &x, text, sizeof(text)),
			    "part of a connection by rule \"udp dst port 53\"");
	s.dport = 54;
	d = ask(say_frame(&s, &packet), &packet, true);
	assert_string_equal(decision_text(&d, &x, text, sizeof(text)),
			    "test: sender's domain does not let it out");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(closed_and_open),
	    TEST(both_halves_must_match),
	    TEST(answers_come_back),
	    TEST(without_state_nothing_comes_back),
	    TEST(open_out_and_controlled_in),
	    TEST(tcp_in_the_window),
	    TEST(tcp_in_the_middle),
	    TEST(a_new_connection_in_place_of_an_old_one),
	    TEST(echoes),
	    TEST(errors_about_connections),
	    TEST(errors_about_echoes),
	    TEST(errors_of_ipv6),
	    TEST(arp_asks),
	    TEST(neighbours_ask),
	    TEST(fragments_and_extension_headers),
	    TEST(multicast_leaves_nothing),
	    TEST(revoked_rules_end_connections),
	    TEST(rules_for_one_port),
	    TEST(probes_change_nothing),
	    TEST(audits_drop_nothing),
	    TEST(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
