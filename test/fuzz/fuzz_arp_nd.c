/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading ARP and neighbour discovery, and what a router says about any frame: whatever is
 * believed can be said again in the same words, is answered to who asked, and an error is
 * never about an error.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "lib/arp_nd.h"
#include "lib/icmp_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static struct frame_pool *pool;
static const struct mac mac = {{0x02, 0, 0, 0, 0, 1}};

static struct arp_nd reread(const struct arp_nd *msg)
{
	struct frame *frame = arp_nd_build(pool, msg);
	struct packet packet;
	struct arp_nd back;

	CHECK(frame && packet_parse(frame, &packet));
	CHECK(arp_nd_parse(frame, &packet, &back) == msg->kind);
	frame_free(frame);
	return back;
}

static void believe(const struct arp_nd *msg)
{
	struct arp_nd back = reread(msg), answer;

	CHECK(memcmp(&back, msg, sizeof(back)) == 0);
	CHECK(!arp_nd_binds(msg) || !mac_is_group(&msg->mac));
	if (msg->kind != ARP_ND_ASK || ipaddr_is_multicast(&msg->asked) ||
	    ipaddr_is_unspecified(&msg->asked) ||
	    (msg->asked.family == AF_INET && msg->asked.bytes[0] >= 224))
		return; /* nobody answers to such an address */
	arp_nd_answer(&answer, msg, &mac);
	back = reread(&answer);
	CHECK(memcmp(&back, &answer, sizeof(back)) == 0);
	CHECK(ipaddr_equal(&back.owner, &msg->asked));
}

static void complain(struct frame *frame, const struct packet *packet, enum icmp_error error)
{
	struct ipaddr from = {.family = packet->ip_version == 4 ? AF_INET : AF_INET6};
	struct packet again;
	struct frame *out;

	if (!icmp_error_may(frame, packet))
		return;
	from.bytes[0] = 10;
	out = icmp_error_build(pool, frame, packet, error, 1280, &from, &mac);
	CHECK(out && packet_parse(out, &again) && again.ip_version == packet->ip_version);
	CHECK(again.l3_len == out->len - ETH_HEADER_LEN && again.l3_len <= 1280);
	CHECK(!icmp_error_may(out, &again));
	frame_free(out);
	if (!icmp_is_echo(frame, packet))
		return;
	CHECK(icmp_echo_answer(frame, packet, &mac));
	CHECK(packet_parse(frame, &again) && !icmp_is_echo(frame, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet packet;
	struct frame *frame;
	struct arp_nd msg;

	if (!pool)
		pool = frame_pool_create(4, 4);
	if (size < 1 || size > FRAME_LARGE)
		return 0;
	frame = frame_alloc(pool, size);
	CHECK(frame);
	memcpy(frame->data, data + 1, size - 1);
	frame->len = (uint32_t)(size - 1);
	frame->offload.csum_valid = data[0] & 1; /* so that sums need not be guessed */
	if (packet_parse(frame, &packet)) {
		if (arp_nd_parse(frame, &packet, &msg) >= ARP_ND_ASK && packet.tags == 0)
			believe(&msg);
		complain(frame, &packet, (enum icmp_error)(data[0] / 2 % ICMP_ERROR_COUNT));
		if (packet.ip_version != 0 && packet_hop(frame, &packet) == REASON_NONE)
			CHECK(packet_parse(frame, &packet));
	}
	frame_free(frame);
	CHECK(frame_pool_usage(pool).frames_used == 0);
	return 0;
}
