/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A switch in memory with gateways, for the tests of them: three subnets, of which the
 * first two are open to each other and the third is closed to both; in the first two a
 * wire each.
 */
#ifndef TVD_TEST_GATEWAY_CASE_H
#define TVD_TEST_GATEWAY_CASE_H

#include "learn/neighbour.h"
#include "lib/arp_nd.h"
#include "lib/checksum.h"
#include "lib/packet.h"
#include "switchd/policy/gateway.h"
#include "switchd/policy/policy.h"
#include "test/unit/switch_fixture.h"

enum { A, B, C, SEGMENTS };
enum { PA, PA2, PB, PC, GC_PORTS };

/* FOREIGN and AT stand for keys of the junction. */
#define GC_CONFIG                                                                                  \
	"host = \"hostA\";"                                                                        \
	"segments = ({ name = \"a\"; domain = \"alpha\"; }, { name = \"b\"; domain = \"beta\"; }," \
	"            { name = \"c\"; domain = \"gamma\"; });"                                      \
	"policy = ({ from = \"alpha\"; to = \"beta\"; flow = \"open\"; },"                         \
	"          { from = \"beta\"; to = \"alpha\"; flow = \"open\"; });"                        \
	"junctions = ({ name = \"gw\"; type = \"gateway\"; segments = [\"a\", \"b\", \"c\"];"      \
	"  gateway = ({ segment = \"a\"; address = \"10.1.0.1/24\"; },"                            \
	"             { segment = \"b\"; address = \"10.2.0.1/24\"; },"                            \
	"             { segment = \"c\"; address = \"10.3.0.1/24\"; },"                            \
	"             { segment = \"a\"; address = \"2001:db8:1::1/64\"; },"                       \
	"             { segment = \"b\"; address = \"2001:db8:2::1/64\"; });"

static struct fx fx;
static struct segment *seg[SEGMENTS];
static struct fx_port *port[GC_PORTS];
static struct fx_encap *wire_a, *wire_b;
static struct mac router, other_router, gateway_mac[SEGMENTS];

static inline struct mac guest(unsigned n)
{
	return fx_mac(n);
}

static inline struct ipaddr ip(const char *text)
{
	struct ipaddr addr;

	FX_CHECK(ipaddr_parse(text, &addr) == 0);
	return addr;
}

static inline void gc_configure(const char *keys)
{
	struct desired desired;
	char text[4096];
	struct err err;

	memset(&desired, 0, sizeof(desired));
	(void)snprintf(text, sizeof(text), "%s %s });", GC_CONFIG, keys);
	if (desired_parse(&desired, text, "test", &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		abort();
	}
	FX_CHECK(policy_apply(&fx.sw, &desired) == 0);
	FX_CHECK(gateways_update(&fx.sw, &desired) == 0);
	desired_clear(&fx.sw.desired);
	fx.sw.desired = desired;
}

static inline void gc_open(const char *keys)
{
	static const char *const names[] = {"a", "b", "c"};
	static const char *const domains[] = {"alpha", "beta", "gamma"};
	struct ipaddr four;
	char text[64];

	fx_open(&fx);
	(void)snprintf(fx.sw.host, sizeof(fx.sw.host), "hostA");
	for (unsigned i = 0; i < SEGMENTS; i++) {
		(void)snprintf(text, sizeof(text), "{\"domain\": \"%s\"}", domains[i]);
		seg[i] = fx_segment(&fx, names[i], text);
	}
	port[PA] = fx_port(&fx, seg[A], "pa", "");
	port[PA2] = fx_port(&fx, seg[A], "pa2", "");
	port[PB] = fx_port(&fx, seg[B], "pb", "");
	port[PC] = fx_port(&fx, seg[C], "pc", "");
	for (unsigned i = 0; i < GC_PORTS; i++)
		port[i]->port->offloads = OFFLOAD_ALL;
	wire_a = fx_encap(&fx, seg[A]);
	wire_b = fx_encap(&fx, seg[B]);
	wire_a->ops.offloads = wire_b->ops.offloads = OFFLOAD_ALL;
	gc_configure(keys);
	router = gateway_router_mac("hostA");
	other_router = gateway_router_mac("hostB");
	four = ip("10.1.0.1");
	gateway_mac[A] = gateway_virtual_mac(&four);
	four = ip("10.2.0.1");
	gateway_mac[B] = gateway_virtual_mac(&four);
	four = ip("10.3.0.1");
	gateway_mac[C] = gateway_virtual_mac(&four);
}

static inline void gc_close(void)
{
	fx_close(&fx);
}

/* A UDP datagram with `payload` bytes. */
static inline struct frame *gc_udp(struct mac dst, struct mac src, const char *from, const char *to,
				   unsigned ttl, size_t payload)
{
	struct ipaddr s = ip(from), d = ip(to);
	bool four = s.family == AF_INET;
	size_t header = four ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
	struct frame *frame = frame_alloc(fx.sw.pool, ETH_HEADER_LEN + header + 8 + payload);
	struct eth_header eth = {dst, src, htons(four ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6)};
	struct udp_header udp = {htons(1000), htons(2000), htons((uint16_t)(8 + payload)), 0};

	FX_CHECK(frame);
	memcpy(frame->data, &eth, sizeof(eth));
	if (four) {
		struct ipv4_header h = {.version_ihl = 0x45,
					.total_len = htons((uint16_t)(header + 8 + payload)),
					.fragment = htons(0x4000),
					.ttl = (uint8_t)ttl,
					.protocol = IPPROTO_UDP};

		memcpy(h.src, s.bytes, 4);
		memcpy(h.dst, d.bytes, 4);
		h.checksum = checksum(&h, sizeof(h));
		memcpy(frame->data + ETH_HEADER_LEN, &h, sizeof(h));
	} else {
		struct ipv6_header h = {.version_class_label = htonl(6u << 28),
					.payload_len = htons((uint16_t)(8 + payload)),
					.next_header = IPPROTO_UDP,
					.hop_limit = (uint8_t)ttl};

		memcpy(h.src, s.bytes, 16);
		memcpy(h.dst, d.bytes, 16);
		memcpy(frame->data + ETH_HEADER_LEN, &h, sizeof(h));
	}
	memcpy(frame->data + ETH_HEADER_LEN + header, &udp, sizeof(udp));
	memset(frame->data + ETH_HEADER_LEN + header + sizeof(udp), 0x5a, payload);
	frame->len = (uint32_t)(ETH_HEADER_LEN + header + 8 + payload);
	return frame;
}

/* What a station says by ARP or neighbour discovery. */
static inline struct frame *gc_ask(struct mac from, const char *owner, const char *asked)
{
	struct ipaddr o = ip(owner), a = ip(asked);
	struct arp_nd msg;

	arp_nd_ask(&msg, &from, &o, &a, NULL);
	return arp_nd_build(fx.sw.pool, &msg);
}

static inline struct frame *gc_answer(struct mac who, const char *owner, struct mac to)
{
	struct ipaddr o = ip(owner), none = {.family = o.family};
	struct arp_nd ask, msg;

	arp_nd_ask(&ask, &to, o.family == AF_INET ? &none : NULL, &o, NULL);
	arp_nd_answer(&msg, &ask, &who);
	return arp_nd_build(fx.sw.pool, &msg);
}

/* Parses what somebody has got. */
static inline struct packet gc_parse(const struct fx_sent *sent)
{
	struct frame *frame = fx_frame(&fx, sent->bytes, sent->len);
	struct packet packet;

	FX_CHECK(packet_parse(frame, &packet));
	frame_free(frame);
	return packet;
}

static inline enum arp_nd_kind gc_said(const struct fx_sent *sent, struct arp_nd *msg)
{
	struct frame *frame = fx_frame(&fx, sent->bytes, sent->len);
	struct packet packet;

	FX_CHECK(packet_parse(frame, &packet));
	(void)arp_nd_parse(frame, &packet, msg);
	frame_free(frame);
	return msg->kind;
}

/* A guest lets its switch know where it is. */
static inline void gc_speak(struct fx_port *from, unsigned n)
{
	fx_send(from, fx_ether(&fx, guest(n), guest(n), 60));
	fx_forget(&fx);
}

#endif
