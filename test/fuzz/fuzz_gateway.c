/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A gateway between three segments, and whatever guests, wires and time bring. The input
 * is a sequence of records: where, a length, the bytes. Addresses that matter are put in
 * by a byte each, so that little needs to be guessed. Whatever it is: a virtual MAC is on no
 * wire and no guest sends from a reserved one; a closed segment hears nothing of another;
 * a guest sees no router MAC but in questions; and no frame is lost.
 */
#include "test/unit/gateway_case.h"

/* What fits in the second segment; its wire can cut nothing. */
#define MTU_B 100u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WIRES 2u
#define TICK  (GC_PORTS + WIRES)

static const char *const v4_addresses[] = {"10.1.0.1",	"10.1.0.10", "10.2.0.1", "10.2.0.20",
					   "10.3.0.30", "0.0.0.0",   "10.1.0.11"};
static const char *const v6_addresses[] = {"2001:db8:1::1",  "2001:db8:1::10", "2001:db8:2::1",
					   "2001:db8:2::20", "fe80::10",       "::"};

static struct mac a_mac(unsigned n)
{
	switch (n % 12) {
	case 0:
		return gateway_mac[A];
	case 1:
		return gateway_mac[B];
	case 2:
		return router;
	case 3:
		return other_router;
	case 4:
		return (struct mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	case 5:
		return (struct mac){{0x33, 0x33, 0, 0, 0, 1}};
	default:
		return guest(5 * (n % 12 - 4));
	}
}

static void put_address(struct frame *frame, size_t off, bool four, unsigned n)
{
	struct ipaddr addr = ip(four ? v4_addresses[n % 7] : v6_addresses[n % 6]);

	if (off + (four ? 4u : 16u) <= frame->len)
		memcpy(frame->data + off, addr.bytes, four ? 4 : 16);
}

static void sum_header(struct frame *frame)
{
	size_t len = frame->len > 14 ? (frame->data[14] & 0x0fu) * 4u : 0;
	uint16_t check = 0;

	if (len < sizeof(struct ipv4_header) || len > frame->len - ETH_HEADER_LEN)
		return;
	memcpy(frame->data + 24, &check, sizeof(check));
	check = checksum(frame->data + ETH_HEADER_LEN, len);
	memcpy(frame->data + 24, &check, sizeof(check));
}

/* A frame of the record's bytes, and what makes more of it. */
static struct frame *make_frame(const uint8_t *bytes, size_t len, const uint8_t how[6])
{
	struct frame *frame = frame_alloc(fx.sw.pool, len + ETH_HEADER_LEN);
	struct mac dst = a_mac(how[0]), src = a_mac(how[1]);
	bool four = !(how[2] & 1);

	FX_CHECK(frame);
	memcpy(frame->data, &dst, MAC_LEN);
	memcpy(frame->data + MAC_LEN, &src, MAC_LEN);
	frame->data[12] = how[2] & 2 ? 0x08 : (four ? 0x08 : 0x86);
	frame->data[13] = how[2] & 2 ? 0x06 : (four ? 0x00 : 0xdd);
	memcpy(frame->data + ETH_HEADER_LEN, bytes, len);
	frame->len = (uint32_t)(len + ETH_HEADER_LEN);
	if (how[2] & 4) {
		put_address(frame, how[2] & 2 ? 28 : four ? 26 : 22, four || how[2] & 2, how[3]);
		put_address(frame, how[2] & 2 ? 38 : four ? 30 : 38, four || how[2] & 2, how[4]);
		if (how[2] & 2 && frame->len >= 28)
			memcpy(frame->data + 22, &src, MAC_LEN);
		if (!(how[2] & 2) && !four)
			put_address(frame, 62, false, how[5]);
	}
	frame->offload.csum_valid = how[2] & 8;
	if (!(how[2] & 0x12) && four) /* else few get any further */
		sum_header(frame);
	return frame;
}

static void check_wire(const struct fx_log *log)
{
	for (unsigned i = 0; i < log->count; i++) {
		struct mac dst, src;

		memcpy(&dst, log->sent[i].bytes, MAC_LEN);
		memcpy(&src, log->sent[i].bytes + MAC_LEN, MAC_LEN);
		FX_CHECK(!gateway_mac_is_virtual(&dst) && !gateway_mac_is_virtual(&src));
		FX_CHECK(!mac_equal(&src, &other_router));
	}
}

/* From a router a guest gets questions and nothing else. */
static void check_guest(const struct fx_log *log)
{
	for (unsigned i = 0; i < log->count; i++) {
		struct arp_nd msg;
		struct mac src;

		memcpy(&src, log->sent[i].bytes + MAC_LEN, MAC_LEN);
		if (gateway_mac_is_router(&src))
			FX_CHECK(gc_said(&log->sent[i], &msg) >= ARP_ND_ASK);
	}
}

/* What was routed into the second segment is in pieces that fit; what the gateway says itself
 * is as long as it is. */
static void check_pieces(const struct fx_log *log)
{
	for (unsigned i = 0; i < log->count; i++) {
		struct packet packet = gc_parse(&log->sent[i]);

		if ((mac_equal(&packet.eth.src, &router) ||
		     mac_equal(&packet.eth.src, &gateway_mac[B])) &&
		    packet.ip_version == 4 && packet.protocol != IPPROTO_ICMP)
			FX_CHECK(packet.l3_len <= MTU_B);
	}
}

static void one_input(const uint8_t *data, size_t size)
{
	while (size >= 8) {
		unsigned where = data[0] % (TICK + 1);
		size_t len = data[1];
		const uint8_t *how = data + 2;

		data += 8;
		size -= 8;
		if (len > size)
			len = size;
		fx_forget(&fx);
		if (where == TICK) {
			fx.sw.now += how[0] * 100u;
			gateways_tick(&fx.sw);
			egress_flush(&fx.sw);
		} else if (where < GC_PORTS) {
			fx_send(port[where], make_frame(data, len, how));
		} else {
			fx_receive(where == GC_PORTS ? wire_a : wire_b, how[5] % 4,
				   make_frame(data, len, how));
		}
		check_wire(&wire_a->log);
		check_wire(&wire_b->log);
		for (unsigned i = 0; i < GC_PORTS; i++)
			check_guest(&port[i]->log);
		check_pieces(&port[PB]->log);
		check_pieces(&wire_b->log);
		/* Nobody but itself, and its gateway about itself. */
		FX_CHECK(where == PC || port[PC]->log.count == 0);
		if (where == PC)
			FX_CHECK(port[PC]->log.count == fx_total(&fx));
		data += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;

	if (size < 1)
		return 0;
	if (!made)
		gc_open("");
	made = true;
	seg[B]->mtu = MTU_B;
	wire_b->room = MTU_B + ETH_HEADER_LEN;
	wire_b->ops.no_fragments = true;
	/* As it was made, but for time, which goes on. */
	fx.sw.now += 1000000;
	for (unsigned i = 0; i < SEGMENTS; i++) {
		gateway_segment_gone(seg[i]);
		(void)fdb_flush(fx.sw.fdb, seg[i]->number, NULL, true);
	}
	gc_configure(data[0] & 1 ? "foreign = \"hostA\";" : "");
	one_input(data + 1, size - 1);
	for (unsigned i = 0; i < SEGMENTS; i++)
		gateway_segment_gone(seg[i]); /* with what still waits */
	fx_forget(&fx);
	FX_CHECK(fx_pool_empty(&fx));
	return 0;
}
