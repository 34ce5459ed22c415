/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header parsing, port admission and MSS clamping: six bytes of circumstances,
 * then the frame.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "encap/gso.h"
#include "lib/checksum.h"
#include "lib/packet.h"
#include "switchd/admission.h"

#define CIRCUMSTANCES 6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static void check_layers(const struct frame *frame, const struct packet *packet)
{
	CHECK(frame->l3_off == packet->l3_off && frame->l4_off == packet->l4_off);
	CHECK(packet->tags <= PACKET_TAGS_MAX);
	CHECK(packet->l3_off == FRAME_OFF_UNSET || packet->l3_off <= frame->len);
	if (packet->ip_version == 0) {
		CHECK(packet->l4_off == FRAME_OFF_UNSET && !packet->fragment);
		return;
	}
	CHECK(packet->l3_len <= frame->len - packet->l3_off);
	CHECK(packet->l4_off == FRAME_OFF_UNSET ||
	      (packet->l4_off > packet->l3_off &&
	       packet->l4_off - packet->l3_off <= (int)packet->l3_len));
	CHECK(!packet->chain_cut || packet->l4_off == FRAME_OFF_UNSET);
}

static void admit(const uint8_t *how, const struct frame *frame, const struct packet *packet)
{
	static struct mac macs[] = {{{2, 0, 0, 0, 0, 1}}};
	static struct ipprefix prefixes[3];
	struct port_conf conf = {
	    .state = how[0] & 1 ? PORT_LOCKED : PORT_OPEN,
	    .macs = {how[0] & 2 ? 1 : 0, macs},
	    .addresses = {how[0] >> 2 & 3, prefixes},
	    .guard = {.arp = how[1] & 1,
		      .dhcp = how[1] & 2,
		      .ra = how[1] & 4,
		      .mac = how[1] & 8,
		      .ip = how[1] & 16},
	};
	enum reason reason;

	(void)ipprefix_parse("10.0.0.1", &prefixes[0]);
	(void)ipprefix_parse("2001:db8::1", &prefixes[1]);
	(void)ipprefix_parse("fe80::1", &prefixes[2]);
	reason = admission_check(&conf, how[1] & 32 ? macs : NULL, frame, packet);
	CHECK(reason == REASON_NONE || admission_applies(&conf));
	/* Whatever else it is, a readable advertisement does not get past its guard. */
	if (conf.guard.ra && packet->ip_version == 6 && packet->protocol == IPPROTO_ICMPV6 &&
	    packet->l4_off != FRAME_OFF_UNSET &&
	    packet->l4_off - packet->l3_off < (int)packet->l3_len &&
	    frame->data[packet->l4_off] == 134)
		CHECK(reason != REASON_NONE);
}

/* The sum over the transport header and payload, -0 taken for 0. */
static unsigned sum_of(const struct frame *frame, const struct packet *packet)
{
	size_t len = packet->l3_len - ((size_t)packet->l4_off - packet->l3_off);
	unsigned sum = checksum_fold(checksum_add(0, frame->data + packet->l4_off, len));

	return sum == 0xffff ? 0 : sum;
}

static void clamp(struct frame *frame, const struct packet *packet, size_t max_len,
		  const uint8_t *bytes)
{
	uint32_t len = frame->len;
	struct frame *clone = frame_clone(frame);

	CHECK(clone);
	if (mss_clamp(clone, max_len)) {
		CHECK(frame_is_private(clone) && packet->protocol == IPPROTO_TCP);
		if (!frame->offload.csum_partial)
			CHECK(sum_of(clone, packet) == sum_of(frame, packet));
		CHECK(!mss_clamp(clone, max_len));
	}
	CHECK(clone->len == len && frame->len == len);
	/* The one that shared the bytes sees nothing of it. */
	CHECK(len == 0 || memcmp(frame->data, bytes, len) == 0);
	frame_free(clone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_pool *pool;
	struct packet packet;
	struct frame *frame;
	uint16_t tpid, tci;

	if (!pool)
		pool = frame_pool_create(2, 2);
	if (size < CIRCUMSTANCES || size - CIRCUMSTANCES > FRAME_LARGE)
		return 0;
	frame = frame_alloc(pool, size - CIRCUMSTANCES);
	CHECK(frame);
	memcpy(frame->data, data + CIRCUMSTANCES, size - CIRCUMSTANCES);
	frame->len = (uint32_t)(size - CIRCUMSTANCES);
	frame->offload.gso = data[2] & 3;
	frame->offload.csum_partial = data[2] & 4;
	frame->offload.csum_start = 34;
	frame->offload.csum_offset = 16;
	frame->tag.tpid = data[2] & 8 ? ETHERTYPE_CTAG : 0;
	if (packet_tag(frame, &tpid, &tci))
		CHECK(tpid == ETHERTYPE_CTAG || tpid == ETHERTYPE_STAG);
	if (packet_parse(frame, &packet)) {
		check_layers(frame, &packet);
		admit(data, frame, &packet);
		clamp(frame, &packet, (size_t)data[4] << 8 | data[5], data + CIRCUMSTANCES);
	} else {
		CHECK(size - CIRCUMSTANCES < ETH_HEADER_LEN);
	}
	frame_free(frame);
	CHECK(frame_pool_usage(pool).frames_used == 0);
	return 0;
}
