/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/unit/gateway_case.h"

#define PA_DROPS(reason)	 (port[PA]->port->stats.rx_drops[REASON_##reason])
#define WIRE_DROPS(wire, reason) ((wire)->encap->stats.rx_drops[REASON_##reason])

static int setup(void **state)
{
	(void)state;
	gc_open("");
	return 0;
}

static int setup_foreign(void **state)
{
	(void)state;
	gc_open("foreign = \"hostA\";");
	return 0;
}

static int setup_elsewhere(void **state)
{
	(void)state;
	gc_open("at = [\"hostB\"];");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gc_close();
	return 0;
}

static void assert_mac(const uint8_t *at, const struct mac *mac)
{
	assert_memory_equal(at, mac, MAC_LEN);
}

/* Valid until the next call. */
static const struct mac *mac_of(unsigned n)
{
	static struct mac mac;

	mac = guest(n);
	return &mac;
}

/* Valid until the call after the next. */
static const struct ipaddr *addr_of(const char *text)
{
	static struct ipaddr addr[2];
	static unsigned next;

	next = !next;
	addr[next] = ip(text);
	return &addr[next];
}

static const struct ipaddr *host_of(unsigned n)
{
	static struct ipaddr addr;

	addr = fx_host(n);
	return &addr;
}

/* The neighbour 10.2.0.20 of station 20 answers a question, at pb or on the wire. */
static void neighbour_is_at_port(void)
{
	fx_send(port[PB], gc_answer(guest(20), "10.2.0.20", router));
	fx_send(port[PB], gc_answer(guest(20), "2001:db8:2::20", router));
}

static struct frame *from_a(unsigned ttl, size_t payload)
{
	return gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "10.2.0.20", ttl, payload);
}

/* Sends one through, so that all is known. */
static void make_known(void)
{
	fx_send(port[PA], from_a(64, 10));
	neighbour_is_at_port();
	assert_int_equal(port[PB]->log.count, 2);
	fx_forget(&fx);
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
	struct ipaddr six = ip("2001:db8:1::1"), four = ip("10.1.0.1");
	struct mac mac = gateway_virtual_mac(&six);

	(void)state;
	assert_false(mac_equal(&router, &other_router));
	assert_true(gateway_mac_is_router(&router) && !gateway_mac_is_virtual(&router));
	assert_false(mac_is_group(&router));
	assert_int_equal(router.octet[0] & 0x0f, 0x02);
	assert_true(gateway_mac_is_virtual(&mac) && !gateway_mac_is_router(&mac));
	mac = gateway_virtual_mac(&four);
	assert_mac((const uint8_t *)"\x72\x56\x0a\x01\x00\x01", &mac);
	assert_ptr_equal(gateway_of(seg[A]), gateway_of(seg[B]));
	assert_mac(gateway_of(seg[A])->octet, &router);
}

static void asks_gateway(const char *owner, const char *asked)
{
	struct arp_nd msg;

	fx_send(port[PA], gc_ask(guest(10), owner, asked));
	assert_int_equal(fx_total(&fx), 1);
	assert_int_equal(port[PA]->log.count, 1);
	assert_int_equal(gc_said(&port[PA]->log.sent[0], &msg), ARP_ND_ANSWER);
	assert_mac(msg.mac.octet, &gateway_mac[A]);
	assert_mac(msg.eth_src.octet, &gateway_mac[A]);
	assert_true(ipaddr_equal(&msg.owner, addr_of(asked)));
	fx_forget(&fx);
}

static void test_answers(void **state)
{
	struct arp_nd msg;

	(void)state;
	asks_gateway("10.1.0.10", "10.1.0.1");
	asks_gateway("0.0.0.0", "10.1.0.1"); /* detection of duplicates finds one */
	asks_gateway("2001:db8:1::10", "2001:db8:1::1");
	/* Others are asked as ever, */
	fx_send(port[PA], gc_ask(guest(10), "10.1.0.10", "10.1.0.11"));
	assert_int_equal(fx_total(&fx), 2);
	fx_forget(&fx);
	/* other subnets' gateway is none here, and wires get no answer. */
	fx_send(port[PA], gc_ask(guest(10), "10.1.0.10", "10.2.0.1"));
	assert_int_equal(port[PA]->log.count, 0);
	fx_forget(&fx);
	fx_receive(wire_a, 7, gc_ask(guest(11), "10.1.0.11", "10.1.0.1"));
	assert_int_equal(fx_total(&fx), 0);
	assert_int_equal(WIRE_DROPS(wire_a, NOT_HERE), 1);
	/* A trunk or a bridge may ask the MAC alone. */
	arp_nd_ask(&msg, mac_of(10), addr_of("10.1.0.10"), addr_of("10.1.0.1"), &gateway_mac[A]);
	fx_send(port[PA], arp_nd_build(fx.sw.pool, &msg));
	assert_int_equal(port[PA]->log.count, 1);
}

static void test_reserved_sources(void **state)
{
	(void)state;
	fx_send(port[PA], fx_ether(&fx, guest(11), gateway_mac[A], 60));
	fx_send(port[PA], fx_ether(&fx, guest(11), router, 60));
	fx_send(port[PA], fx_ether(&fx, guest(11), other_router, 60));
	assert_int_equal(PA_DROPS(GUARD_MAC), 3);
	fx_receive(wire_a, 7, fx_ether(&fx, guest(11), gateway_mac[A], 60));
	fx_receive(wire_a, 7, fx_ether(&fx, guest(11), router, 60));
	assert_int_equal(WIRE_DROPS(wire_a, GUARD_MAC), 2);
	/* Nor to a router: only answers go there. */
	fx_send(port[PA], fx_ether(&fx, other_router, guest(10), 60));
	fx_send(port[PA], fx_ether(&fx, router, guest(10), 60));
	assert_int_equal(PA_DROPS(NOT_HERE), 2);
	fx_receive(wire_a, 7, fx_ether(&fx, router, guest(11), 60));
	assert_int_equal(WIRE_DROPS(wire_a, NOT_IP), 1);
	fx_receive(wire_a, 7, gc_udp(router, guest(11), "10.1.0.11", "10.2.0.20", 64, 10));
	fx_receive(wire_a, 7, fx_ether(&fx, gateway_mac[A], guest(11), 60));
	assert_int_equal(WIRE_DROPS(wire_a, NOT_HERE), 2);
	assert_int_equal(fx_total(&fx), 0);
	/* Who says that it has the gateway's address. */
	fx_send(port[PA], gc_ask(guest(10), "10.1.0.1", "10.1.0.11"));
	fx_send(port[PA], gc_answer(guest(10), "2001:db8:1::1", guest(11)));
	assert_int_equal(PA_DROPS(GUARD_ARP), 1);
	assert_int_equal(PA_DROPS(GUARD_IP), 1);
	fx_receive(wire_a, 7, gc_ask(guest(11), "10.1.0.1", "10.1.0.1"));
	assert_int_equal(WIRE_DROPS(wire_a, GUARD_ARP), 1);
	assert_int_equal(fx_total(&fx), 0);
}

static void test_source_guard(void **state)
{
	static const char *const bad[] = {"10.2.0.10", "10.1.0.1", "192.0.2.1", "2001:db8:2::10",
					  "2001:db8:1::1"};
	struct fx_port *own = fx_port(&fx, seg[A], "own", "{\"addresses\": [\"10.1.0.9\"]}");

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		const char *to = strchr(bad[i], ':') ? "2001:db8:1::11" : "10.1.0.11";

		fx_send(port[PA], gc_udp(guest(11), guest(10), bad[i], to, 64, 10));
		assert_int_equal(PA_DROPS(GUARD_IP), i + 1);
	}
	assert_int_equal(fx_total(&fx), 0);
	fx_send(port[PA], gc_udp(guest(11), guest(10), "10.1.0.10", "10.1.0.11", 64, 10));
	fx_send(port[PA], gc_udp(guest(11), guest(10), "fe80::1", "fe80::2", 64, 10));
	fx_send(port[PA], gc_udp(guest(11), guest(10), "0.0.0.0", "10.1.0.11", 64, 10));
	assert_int_equal(PA_DROPS(GUARD_IP), 5);
	/* But what has no address of the subnet is not routed. */
	fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "fe80::1", "2001:db8:2::20", 64, 1));
	fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "0.0.0.0", "10.2.0.20", 64, 1));
	assert_int_equal(PA_DROPS(GUARD_IP), 7);
	/* A port's own list goes before its subnet. */
	fx_send(own, gc_udp(guest(11), guest(9), "10.1.0.10", "10.1.0.11", 64, 10));
	assert_int_equal(own->port->stats.rx_drops[REASON_GUARD_IP], 1);
	fx_send(own, gc_udp(guest(11), guest(9), "10.1.0.9", "10.1.0.11", 64, 10));
	assert_int_equal(own->port->stats.rx_drops[REASON_GUARD_IP], 1);
	/* A segment without IPv6 gateway does not care. */
	fx_send(port[PC], gc_udp(guest(31), guest(30), "2001:db8:9::1", "2001:db8:9::2", 64, 1));
	assert_int_equal(port[PC]->port->stats.rx_drops[REASON_GUARD_IP], 0);
}

/* ---- routing ---- */

static void test_local(void **state)
{
	const struct fx_sent *sent;
	struct frame *frame;
	struct arp_nd msg;

	(void)state;
	fx_send(port[PA], from_a(64, 10));
	/* The neighbour is asked for at the port and on the wire, in its segment alone. */
	assert_int_equal(fx_total(&fx), 2);
	assert_int_equal(port[PB]->log.count, 1);
	assert_int_equal(wire_b->log.count, 1);
	assert_int_equal(gc_said(&wire_b->log.sent[0], &msg), ARP_ND_ASK);
	assert_true(arp_nd_is_probe(&msg));
	assert_mac(msg.mac.octet, &router);
	assert_true(ipaddr_equal(&msg.asked, addr_of("10.2.0.20")));
	fx_forget(&fx);
	fx_send(port[PB], gc_answer(guest(20), "10.2.0.20", router));
	assert_int_equal(fx_total(&fx), 1);
	sent = &port[PB]->log.sent[0];
	assert_mac(sent->bytes, mac_of(20));
	assert_mac(sent->bytes + 6, &gateway_mac[B]);
	frame = from_a(63, 10);
	assert_int_equal(sent->len, frame->len);
	assert_memory_equal(sent->bytes + 14, frame->data + 14, sent->len - 14);
	frame_free(frame);
	/* The next one needs no question. */
	fx_forget(&fx);
	fx_send(port[PA], from_a(64, 10));
	assert_int_equal(fx_total(&fx), 1);
	assert_int_equal(port[PB]->log.count, 1);
	/* And back; pa's guest is known from having sent, but for its address. */
	fx_forget(&fx);
	fx_send(port[PB], gc_udp(gateway_mac[B], guest(20), "10.2.0.20", "10.1.0.10", 2, 10));
	fx_send(port[PA], gc_answer(guest(10), "10.1.0.10", router));
	assert_int_equal(port[PA]->log.count, 2); /* the question and the packet */
	assert_mac(port[PA]->log.sent[1].bytes + 6, &gateway_mac[A]);
	assert_int_equal(port[PA]->log.sent[1].bytes[22], 1);
}

static void test_ipv6(void **state)
{
	struct ipaddr link_local = nd_link_local(&router);
	struct arp_nd msg;

	(void)state;
	fx_send(port[PA],
		gc_udp(gateway_mac[A], guest(10), "2001:db8:1::10", "2001:db8:2::20", 64, 100));
	assert_int_equal(gc_said(&port[PB]->log.sent[0], &msg), ARP_ND_ASK);
	assert_true(ipaddr_equal(&msg.src, &link_local));
	fx_forget(&fx);
	fx_send(port[PB], gc_answer(guest(20), "2001:db8:2::20", router));
	assert_int_equal(port[PB]->log.count, 1);
	assert_int_equal(port[PB]->log.sent[0].bytes[21], 63);
	assert_mac(port[PB]->log.sent[0].bytes + 6, &gateway_mac[B]);
	/* The station asks back where the router is. */
	fx_forget(&fx);
	arp_nd_ask(&msg, mac_of(20), addr_of("2001:db8:2::20"), &link_local, &router);
	fx_send(port[PB], arp_nd_build(fx.sw.pool, &msg));
	assert_int_equal(port[PB]->log.count, 1);
	assert_int_equal(gc_said(&port[PB]->log.sent[0], &msg), ARP_ND_ANSWER);
}

static void test_remote(void **state)
{
	struct ipaddr host = fx_host(7);
	const struct fx_sent *sent;

	(void)state;
	fx_send(port[PA], from_a(64, 10));
	fx_forget(&fx);
	fx_receive(wire_b, 7, gc_answer(guest(20), "10.2.0.20", router));
	assert_int_equal(fx_total(&fx), 1);
	assert_int_equal(wire_b->log.count, 1);
	sent = &wire_b->log.sent[0];
	assert_mac(sent->bytes, mac_of(20));
	assert_mac(sent->bytes + 6, &router);
	assert_true(ipaddr_equal(&sent->peer, &host));
	/* It moves here. */
	fx_forget(&fx);
	gc_speak(port[PB], 20);
	fx_send(port[PA], from_a(64, 10));
	assert_int_equal(fx_total(&fx), 1);
	assert_int_equal(port[PB]->log.count, 1);
}

static struct frame *routed_to_b(const char *from)
{
	return gc_udp(guest(20), other_router, from, "10.2.0.20", 63, 10);
}

static void test_deliver(void **state)
{
	(void)state;
	fx_receive(wire_b, 7, routed_to_b("10.1.0.10"));
	assert_int_equal(WIRE_DROPS(wire_b, NOT_HERE), 1); /* nobody knows it */
	gc_speak(port[PB], 20);
	fx_receive(wire_b, 7, routed_to_b("10.1.0.10"));
	assert_int_equal(fx_total(&fx), 1);
	assert_int_equal(port[PB]->log.count, 1);
	assert_mac(port[PB]->log.sent[0].bytes + 6, &gateway_mac[B]);
	assert_int_equal(port[PB]->log.sent[0].bytes[22], 63);
	fx_receive(wire_b, 7, routed_to_b("10.3.0.10"));
	assert_int_equal(WIRE_DROPS(wire_b, POLICY_CLOSED), 1);
	fx_receive(wire_b, 7, routed_to_b("192.0.2.9"));
	fx_receive(wire_b, 7, routed_to_b("10.2.0.9"));
	assert_int_equal(WIRE_DROPS(wire_b, GUARD_IP), 2);
	fx_receive(wire_b, 7, fx_ether(&fx, guest(20), other_router, 60));
	assert_int_equal(WIRE_DROPS(wire_b, NOT_IP), 1);
	fx_receive(wire_b, 7, fx_ether(&fx, (struct mac){{1, 0, 0x5e, 1, 1, 1}}, other_router, 60));
	assert_int_equal(WIRE_DROPS(wire_b, NOT_HERE), 2);
	assert_int_equal(fx_total(&fx), 1);
	/* Other hosts' questions come through, and the answers find back. */
	fx_forget(&fx);
	fx_receive(wire_b, 7, gc_ask(other_router, "0.0.0.0", "10.2.0.20"));
	assert_int_equal(port[PB]->log.count, 1);
	fx_send(port[PB], gc_answer(guest(20), "10.2.0.20", other_router));
	assert_int_equal(wire_b->log.count, 1);
	assert_true(ipaddr_equal(&wire_b->log.sent[0].peer, host_of(7)));
}

static void test_superframe(void **state)
{
	struct frame *frame;
	const struct fx_sent *sent;

	(void)state;
	make_known();
	frame = from_a(64, 20000);
	frame->offload = (struct frame_offload){.csum_partial = true,
						.gso = FRAME_GSO_UDP,
						.gso_size = 1000,
						.csum_start = 34,
						.csum_offset = 6};
	fx_send(port[PA], frame);
	assert_int_equal(port[PB]->log.count, 1);
	sent = &port[PB]->log.sent[0];
	assert_int_equal(sent->len, 14 + 28 + 20000);
	assert_int_equal(sent->offload.gso, FRAME_GSO_UDP);
	assert_int_equal(sent->offload.gso_size, 1000);
	assert_int_equal(sent->offload.csum_start, 34);
	assert_int_equal(checksum(sent->bytes + 14, 20), 0);
}

/* ---- what is not routed ---- */

static unsigned icmp_type(const struct fx_log *log, unsigned i)
{
	const uint8_t *b = log->sent[i].bytes;

	return b[12] == 8 ? (unsigned)b[34] << 8 | b[35] : (unsigned)b[54] << 8 | b[55];
}

static void complains(struct frame *frame, unsigned type, const char *from)
{
	struct ipaddr addr = ip(from);
	const uint8_t *b;

	fx_forget(&fx);
	fx_send(port[PA], frame);
	assert_int_equal(fx_total(&fx), 1);
	assert_int_equal(port[PA]->log.count, 1);
	b = port[PA]->log.sent[0].bytes;
	assert_int_equal(icmp_type(&port[PA]->log, 0), type);
	assert_mac(b, mac_of(10));
	assert_mac(b + 6, &gateway_mac[A]);
	assert_memory_equal(b + (addr.family == AF_INET ? 26 : 22), addr.bytes,
			    addr.family == AF_INET ? 4 : 16);
}

static struct frame *six(const char *to, unsigned hops, size_t payload)
{
	return gc_udp(gateway_mac[A], guest(10), "2001:db8:1::10", to, hops, payload);
}

static void test_errors(void **state)
{
	(void)state;
	complains(from_a(1, 10), 0x0b00, "10.1.0.1");
	complains(from_a(0, 10), 0x0b00, "10.1.0.1");
	complains(six("2001:db8:2::20", 1, 10), 0x0300, "2001:db8:1::1");
	assert_int_equal(PA_DROPS(TTL), 3);
	complains(gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "192.0.2.1", 9, 9), 0x0300,
		  "10.1.0.1");
	complains(six("2001:db8:3::1", 9, 10), 0x0100, "2001:db8:1::1");
	complains(gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "10.3.0.30", 9, 9), 0x030d,
		  "10.1.0.1");
	assert_int_equal(PA_DROPS(POLICY_CLOSED), 3);
	/* In the segment itself they find each other without. */
	fx_forget(&fx);
	fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "10.1.0.11", 9, 9));
	assert_int_equal(PA_DROPS(SAME_PORT), 1);
	/* Groups do not cross, and nobody is told. */
	fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "239.1.1.1", 9, 9));
	fx_send(port[PA], fx_ether(&fx, gateway_mac[A], guest(10), 60));
	assert_int_equal(PA_DROPS(NOT_IP), 1);
	assert_int_equal(fx_total(&fx), 0);
	fx_send(port[PA], gc_udp((struct mac){{1, 0, 0x5e, 1, 1, 1}}, guest(10), "10.1.0.10",
				 "239.1.1.1", 9, 9));
	assert_int_equal(port[PB]->log.count + wire_b->log.count, 0);
}

/* The same datagram with four bytes of options. */
static struct frame *with_option(unsigned kind)
{
	struct frame *plain = from_a(64, 20), *frame = frame_alloc(fx.sw.pool, plain->len + 4u);
	const uint8_t option[4] = {(uint8_t)kind, 3, 4, 0};
	uint16_t check;

	memcpy(frame->data, plain->data, 34);
	memcpy(frame->data + 34, option, sizeof(option));
	memcpy(frame->data + 38, plain->data + 34, plain->len - 34);
	frame->len = plain->len + 4;
	frame->data[14] = 0x46;
	frame->data[17] = (uint8_t)(frame->data[17] + 4);
	memset(frame->data + 24, 0, 2);
	check = checksum(frame->data + 14, 24);
	memcpy(frame->data + 24, &check, 2);
	frame_free(plain);
	return frame;
}

static void test_strange(void **state)
{
	struct frame *frame;

	(void)state;
	make_known();
	/* Who says itself which way a packet goes; other options are the receiver's. */
	fx_send(port[PA], with_option(131));
	fx_send(port[PA], with_option(137));
	assert_int_equal(PA_DROPS(GUARD_IP), 2);
	assert_int_equal(fx_total(&fx), 0);
	fx_send(port[PA], with_option(130));
	assert_int_equal(port[PB]->log.count, 1);
	assert_int_equal(checksum(port[PB]->log.sent[0].bytes + 14, 24), 0);
	/* What is broken stays so, and its sender does not hear of it. */
	fx_forget(&fx);
	frame = from_a(1, 10);
	frame->data[25] ^= 1;
	fx_send(port[PA], frame);
	assert_int_equal(PA_DROPS(BAD_HEADER), 1);
	assert_int_equal(fx_total(&fx), 0);
	/* To and from all of a subnet; nobody is asked for or told. */
	fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "10.2.0.255", 9, 9));
	fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "10.2.0.0", 9, 9));
	assert_int_equal(PA_DROPS(POLICY_CLOSED), 2);
	fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "10.1.0.255", "10.2.0.20", 9, 9));
	assert_int_equal(PA_DROPS(GUARD_IP), 3);
	assert_int_equal(fx_total(&fx), 0);
}

static void test_error_limit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 500; i++)
		fx_send(port[PA], from_a(1, 10));
	assert_int_equal(PA_DROPS(TTL), 500);
	assert_in_range(port[PA]->log.count, 16, 30);
	/* It does not use up another's. */
	fx_send(port[PA2], gc_udp(gateway_mac[A], guest(11), "10.1.0.11", "10.2.0.20", 1, 1));
	assert_int_equal(port[PA2]->log.count, 1);
}

static void test_nobody(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		fx_send(port[PA], from_a(64, 10));
	assert_int_equal(PA_DROPS(NO_NEIGHBOUR), 2); /* eight wait */
	assert_int_equal(port[PB]->log.count, 1);
	for (unsigned i = 0; i < 2; i++) {
		fx.sw.now += 1000;
		gateways_tick(&fx.sw);
		egress_flush(&fx.sw);
		assert_int_equal(port[PB]->log.count, 2 + i);
	}
	assert_int_equal(port[PA]->log.count, 0);
	fx.sw.now += 1000;
	gateways_tick(&fx.sw);
	egress_flush(&fx.sw);
	assert_int_equal(PA_DROPS(NO_NEIGHBOUR), 10);
	assert_int_equal(port[PA]->log.count, 8);
	assert_int_equal(icmp_type(&port[PA]->log, 0), 0x0301);
	assert_true(fx_pool_empty(&fx));
}

/* A guest that scans a subnet makes no more noise than one that broadcasts. */
static void test_scan(void **state)
{
	char to[32];

	(void)state;
	seg[A]->conf.storm = 40;
	for (unsigned i = 2; i < 250; i++) {
		(void)snprintf(to, sizeof(to), "10.2.0.%u", i);
		fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "10.1.0.10", to, 9, 9));
	}
	assert_in_range(port[PB]->log.count, 10, 20);
	assert_int_equal(PA_DROPS(NO_NEIGHBOUR) + port[PB]->log.count, 248);
}

static void test_silent_station(void **state)
{
	(void)state;
	make_known();
	/* Its MAC has aged; what is for it is not shown to everybody. */
	(void)fdb_flush(fx.sw.fdb, seg[B]->number, NULL, true);
	fx_send(port[PA], from_a(64, 10));
	assert_int_equal(port[PB]->log.count, 1);
	assert_int_equal(port[PB]->log.sent[0].bytes[13], 0x06); /* ARP */
	assert_int_equal(wire_b->log.count, 1);
	fx_send(port[PB], gc_answer(guest(20), "10.2.0.20", router));
	assert_int_equal(port[PB]->log.count, 2);
}

static void test_echo(void **state)
{
	struct frame *frame = from_a(1, 32);
	uint16_t check;

	(void)state;
	/* To the gateway of either subnet, but to that of one that is closed only an error. */
	for (unsigned i = 1; i <= 3; i++) {
		frame->data[23] = IPPROTO_ICMP;
		frame->data[22] = 64;
		frame->data[30] = 10;
		frame->data[31] = (uint8_t)i;
		frame->data[33] = 1;
		memset(frame->data + 24, 0, 2);
		check = checksum(frame->data + 14, 20);
		memcpy(frame->data + 24, &check, 2);
		memcpy(frame->data + 34, "\x08\x00\x00\x00", 4);
		check = checksum(frame->data + 34, 40);
		memcpy(frame->data + 36, &check, 2);
		fx_forget(&fx);
		fx_send(port[PA], frame_copy(frame));
		assert_int_equal(fx_total(&fx), 1);
		assert_int_equal(icmp_type(&port[PA]->log, 0), i < 3 ? 0 : 0x030d);
		if (i < 3)
			assert_int_equal(port[PA]->log.sent[0].bytes[27], i);
	}
	frame_free(frame);
	/* All else that is for it is not. */
	fx_forget(&fx);
	fx_send(port[PA], gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "10.1.0.1", 9, 9));
	assert_int_equal(PA_DROPS(NOT_HERE), 1);
	assert_int_equal(fx_total(&fx), 0);
}

/* Without "do not fragment". */
static void let_cut(struct frame *frame)
{
	uint16_t check = 0;

	frame->data[20] = 0;
	memcpy(frame->data + 24, &check, sizeof(check));
	check = checksum(frame->data + 14, 20);
	memcpy(frame->data + 24, &check, sizeof(check));
}

static void test_too_big(void **state)
{
	struct frame *frame;

	(void)state;
	make_known();
	seg[B]->mtu = 1400; /* as if its wire took no more */
	complains(from_a(64, 1380), 0x0304, "10.1.0.1");
	assert_int_equal(port[PA]->log.sent[0].bytes[40] << 8 | port[PA]->log.sent[0].bytes[41],
			 1400);
	assert_int_equal(PA_DROPS(OVERSIZE), 1);
	fx_forget(&fx);
	fx_send(port[PA], six("2001:db8:2::20", 64, 1300));
	fx_send(port[PB], gc_answer(guest(20), "2001:db8:2::20", router));
	fx_forget(&fx);
	complains(six("2001:db8:2::20", 64, 1380), 0x0200, "2001:db8:1::1");
	fx_forget(&fx);
	fx_send(port[PA], from_a(64, 1372));
	assert_int_equal(port[PB]->log.count, 1);
	/* One that may be fragmented is. */
	fx_forget(&fx);
	frame = from_a(64, 1380);
	let_cut(frame);
	fx_send(port[PA], frame);
	assert_int_equal(port[PA]->log.count, 0);
	assert_int_equal(port[PB]->log.count, 2);
	assert_int_equal(port[PB]->log.sent[0].len, 14 + 20 + 1376);
	assert_int_equal(port[PB]->log.sent[1].len, 14 + 20 + 12);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *b = port[PB]->log.sent[i].bytes;

		assert_mac(b, mac_of(20));
		assert_mac(b + 6, &gateway_mac[B]);
		assert_int_equal(b[22], 63);
		assert_int_equal(checksum(b + 14, 20), 0);
	}
}

/* Superframes of packets that are too long and may be cut. */
static void test_too_big_superframe(void **state)
{
	struct frame *frame;

	(void)state;
	make_known();
	seg[B]->mtu = 800;
	frame = from_a(64, 3000);
	let_cut(frame);
	frame->offload = (struct frame_offload){.csum_partial = true,
						.gso = FRAME_GSO_UDP,
						.gso_size = 1400,
						.csum_start = 34,
						.csum_offset = 6};
	fx_send(port[PA], frame);
	/* Two datagrams of 1400 in two fragments each, and one of 200. */
	assert_int_equal(port[PB]->log.count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_true(port[PB]->log.sent[i].len <= 14 + 800);
	assert_int_equal(port[PB]->log.sent[4].len, 14 + 28 + 200);
	assert_int_equal(port[PB]->log.sent[2].bytes[20] >> 5, 1); /* more follow */
	/* A partial checksum is complete before that. */
	fx_forget(&fx);
	frame = from_a(64, 1200);
	let_cut(frame);
	frame->offload =
	    (struct frame_offload){.csum_partial = true, .csum_start = 34, .csum_offset = 6};
	fx_send(port[PA], frame);
	assert_int_equal(port[PB]->log.count, 2);
	assert_false(port[PB]->log.sent[0].offload.csum_partial);
	assert_true(fx_pool_empty(&fx));
}

/* To another host: a tunnel cuts by itself, a wire that cannot does not. */
static void test_too_big_remote(void **state)
{
	struct frame *frame;
	json_t *trace;

	(void)state;
	fx_send(port[PA], from_a(64, 10));
	fx_receive(wire_b, 7, gc_answer(guest(20), "10.2.0.20", router));
	fx_forget(&fx);
	seg[B]->mtu = 1000;
	wire_b->room = 1014;
	frame = from_a(64, 1380);
	let_cut(frame);
	fx_send(port[PA], frame_copy(frame));
	assert_int_equal(wire_b->log.count, 1);
	fx_forget(&fx);
	wire_b->ops.no_fragments = true;
	fx_send(port[PA], frame_copy(frame));
	assert_int_equal(wire_b->log.count, 2);
	assert_mac(wire_b->log.sent[1].bytes + 6, &router);
	trace = forward_trace(port[PA]->port, frame);
	assert_string_equal(json_string_value(json_object_get(trace, "verdict")), "forward");
	assert_int_equal(json_array_size(json_object_get(trace, "to")), 1);
	json_decref(trace);
	complains(from_a(64, 1380), 0x0304, "10.1.0.1");
}

/* ---- foreign members, other hosts ---- */

static void test_foreign(void **state)
{
	struct arp_nd msg;

	(void)state;
	fx_receive(wire_a, 7, gc_ask(guest(11), "10.1.0.11", "10.1.0.1"));
	assert_int_equal(fx_total(&fx), 1);
	assert_int_equal(wire_a->log.count, 1);
	assert_int_equal(gc_said(&wire_a->log.sent[0], &msg), ARP_ND_ANSWER);
	assert_mac(msg.mac.octet, &router);
	assert_mac(msg.eth_src.octet, &router);
	assert_true(ipaddr_equal(&wire_a->log.sent[0].peer, host_of(7)));
	fx_forget(&fx);
	fx_receive(wire_a, 7, gc_udp(router, guest(11), "10.1.0.11", "10.2.0.20", 64, 10));
	neighbour_is_at_port();
	assert_int_equal(port[PB]->log.count, 2);
	assert_mac(port[PB]->log.sent[1].bytes + 6, &gateway_mac[B]);
	/* It has to be of the subnet; errors go back to it; guests still see the virtual MAC. */
	fx_receive(wire_a, 7, gc_udp(router, guest(11), "10.3.0.11", "10.2.0.20", 64, 10));
	fx_receive(wire_a, 7, gc_udp(router, guest(11), "10.1.0.1", "10.2.0.20", 64, 10));
	assert_int_equal(WIRE_DROPS(wire_a, GUARD_IP), 2);
	fx_forget(&fx);
	fx_receive(wire_a, 7, gc_udp(router, guest(11), "10.1.0.11", "10.2.0.20", 1, 10));
	assert_int_equal(wire_a->log.count, 1);
	assert_int_equal(icmp_type(&wire_a->log, 0), 0x0b00);
	assert_mac(wire_a->log.sent[0].bytes + 6, &router);
	fx_forget(&fx);
	asks_gateway("10.1.0.10", "10.1.0.1");
	/* Not even here from another host's router. */
	fx_receive(wire_a, 7, gc_udp(router, other_router, "10.1.0.11", "10.2.0.20", 64, 10));
	assert_int_equal(WIRE_DROPS(wire_a, NOT_HERE), 1);
}

static void test_elsewhere(void **state)
{
	(void)state;
	assert_null(gateway_of(seg[A]));
	/* Here the gateway is a station like any other, but its addresses are nobody else's. */
	fx_send(port[PA], gc_ask(guest(10), "10.1.0.10", "10.1.0.1"));
	assert_int_equal(port[PA2]->log.count, 1);
	assert_int_equal(wire_a->log.count, 1);
	fx_send(port[PA], fx_ether(&fx, guest(11), other_router, 60));
	assert_int_equal(PA_DROPS(GUARD_MAC), 1);
	fx_forget(&fx);
	gc_speak(port[PB], 20);
	fx_receive(wire_b, 7, routed_to_b("10.1.0.10"));
	assert_int_equal(port[PB]->log.count, 1);
	assert_mac(port[PB]->log.sent[0].bytes + 6, &other_router);
}

/* ---- changes ---- */

static void test_gone(void **state)
{
	(void)state;
	fx_send(port[PA], from_a(64, 10));
	fx_send(port[PA2], gc_udp(gateway_mac[A], guest(11), "10.1.0.11", "10.2.0.20", 9, 1));
	gateway_port_gone(
	    port[PA]->port); /* what it waited for is gone, and all that waited there */
	assert_int_equal(PA_DROPS(NO_NEIGHBOUR), 1);
	assert_int_equal(port[PA2]->port->stats.rx_drops[REASON_NO_NEIGHBOUR], 1);
	fx_send(port[PA2], gc_udp(gateway_mac[A], guest(11), "10.1.0.11", "10.2.0.20", 9, 1));
	fx_send(port[PA], from_a(64, 10));
	gateway_port_gone(port[PA]->port);
	fx_forget(&fx);
	gc_configure("");
	neighbour_is_at_port();
	assert_int_equal(port[PB]->log.count, 2); /* a reload loses nothing */
	fx_forget(&fx);
	gateway_segment_gone(seg[B]);
	fx_send(port[PA], from_a(64, 10));
	assert_int_equal(icmp_type(&port[PA]->log, 0), 0x0300);
	assert_true(fx_pool_empty(&fx));
}

static void test_no_more_gateways(void **state)
{
	struct desired none;

	(void)state;
	make_known();
	memset(&none, 0, sizeof(none));
	assert_int_equal(gateways_update(&fx.sw, &none), 0);
	assert_null(seg[A]->gateway);
	fx_send(port[PA], from_a(64, 10));
	assert_int_equal(port[PA2]->log.count, 1); /* an unknown station like any other */
}

static void test_trace(void **state)
{
	struct neighbour_info info;
	uint32_t cursor = 0;
	json_t *trace;

	(void)state;
	trace = forward_trace(port[PA]->port, from_a(64, 10));
	assert_non_null(trace);
	assert_int_equal(neighbours_list(gateways_neighbours(&fx.sw), -1, 0, &cursor, &info, 1), 0);
	json_decref(trace);
	gc_speak(port[PA], 10);
	make_known();
	trace = forward_trace(port[PA]->port, from_a(64, 10));
	assert_string_equal(json_string_value(json_object_get(trace, "verdict")), "forward");
	assert_int_equal(json_array_size(json_object_get(trace, "to")), 1);
	json_decref(trace);
	trace = forward_trace(port[PA]->port, from_a(1, 10));
	assert_string_equal(json_string_value(json_object_get(trace, "reason")), "ttl");
	json_decref(trace);
	trace = forward_trace(port[PA]->port, gc_ask(guest(10), "10.1.0.10", "10.1.0.1"));
	assert_string_equal(json_string_value(json_object_get(trace, "verdict")), "consume");
	json_decref(trace);
	egress_flush(&fx.sw);
	assert_int_equal(fx_total(&fx), 0);
	assert_int_equal(fx_drops(port[PA]->port->stats.rx_drops), PA_DROPS(SAME_PORT));
}

int main(void)
{
#define CASE(name)	     cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_WITH(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(test_addresses),
	    CASE(test_answers),
	    CASE(test_reserved_sources),
	    CASE(test_source_guard),
	    CASE(test_local),
	    CASE(test_ipv6),
	    CASE(test_remote),
	    CASE(test_deliver),
	    CASE(test_superframe),
	    CASE(test_errors),
	    CASE(test_strange),
	    CASE(test_error_limit),
	    CASE(test_nobody),
	    CASE(test_scan),
	    CASE(test_silent_station),
	    CASE(test_echo),
	    CASE(test_too_big),
	    CASE(test_too_big_superframe),
	    CASE(test_too_big_remote),
	    CASE_WITH(test_foreign, setup_foreign),
	    CASE_WITH(test_elsewhere, setup_elsewhere),
	    CASE(test_gone),
	    CASE(test_no_more_gateways),
	    CASE(test_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
