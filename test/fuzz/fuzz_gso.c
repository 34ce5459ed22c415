/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Offload metadata against frames: twelve bytes of claims, then the frame. What
 * passes the check is cut and summed; segments must hold the same payload, stay
 * within their limits and carry right checksums, and the pool must be whole at
 * the end.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "encap/gso.h"
#include "lib/checksum.h"
#include "lib/packet.h"

#define CLAIMS	    12u
#define STRETCH_MAX 16384u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

struct sink {
	uint8_t payload[FRAME_LARGE];
	size_t len, max_segment, header_len;
	unsigned count;
};

static void check_sums(const struct frame *s, const struct packet *packet)
{
	const uint8_t *ip = s->data + packet->l3_off, *l4 = s->data + packet->l4_off;
	size_t len = packet->l3_len - ((size_t)packet->l4_off - packet->l3_off);
	bool four = packet->ip_version == 4;
	uint64_t sum;

	if (four)
		CHECK(checksum(ip, (ip[0] & 0x0fu) * 4u) == 0);
	/* A routing header's destination counts instead: the unit test has those. */
	if (!four && packet->l4_off != packet->l3_off + sizeof(struct ipv6_header))
		return;
	sum = checksum_pseudo(ip + (four ? 12 : 8), ip + (four ? 16 : 24), four ? 4 : 16,
			      packet->protocol, (uint32_t)len);
	CHECK(checksum_fold(checksum_add(sum, l4, len)) == 0xffff);
}

static void take(void *arg, struct frame *s)
{
	struct sink *sink = arg;
	struct packet packet;
	size_t header_len;

	CHECK(s->offload.gso == FRAME_GSO_NONE && !s->offload.csum_partial);
	CHECK(s->len <= sink->max_segment && s->tag.tci == 5);
	CHECK(packet_parse(s, &packet) && packet.ip_version != 0);
	CHECK(packet.l3_off + packet.l3_len == s->len && packet.l4_off != FRAME_OFF_UNSET);
	header_len = packet.l4_off + (packet.protocol == IPPROTO_UDP
					  ? sizeof(struct udp_header)
					  : (s->data[packet.l4_off + 12] >> 4) * 4u);
	CHECK(header_len <= s->len && s->len - header_len <= sizeof(sink->payload) - sink->len);
	check_sums(s, &packet);
	memcpy(sink->payload + sink->len, s->data + header_len, s->len - header_len);
	sink->len += s->len - header_len;
	sink->header_len = header_len;
	sink->count++;
	frame_free(s);
}

static void cut(struct frame_pool *pool, struct frame *frame, size_t max_len)
{
	static struct sink sink;
	struct frame *whole = frame_clone(frame);
	unsigned fit = gso_fit(frame, max_len), count;
	unsigned ask = fit ? fit : frame->offload.gso_size;
	enum reason reason;

	CHECK(fit <= frame->offload.gso_size);
	sink.len = sink.count = 0;
	sink.max_segment = fit ? max_len : FRAME_LARGE;
	count = gso_segment(pool, frame, ask, take, &sink, &reason);
	CHECK(reason == REASON_NONE && count == sink.count && count > 0);
	CHECK(sink.header_len + sink.len == whole->len);
	CHECK(memcmp(sink.payload, whole->data + sink.header_len, sink.len) == 0);
	frame_free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_pool *pool;
	struct frame_pool_usage usage;
	size_t stretch, max_len;
	struct frame *frame;

	if (!pool)
		pool = frame_pool_create(4, 2);
	if (size < CLAIMS || size - CLAIMS > FRAME_LARGE - STRETCH_MAX)
		return 0;
	stretch = get16(data + 10) % STRETCH_MAX;
	max_len = get16(data + 8);
	frame = frame_alloc(pool, size - CLAIMS + stretch);
	CHECK(frame);
	memcpy(frame->data, data + CLAIMS, size - CLAIMS);
	memset(frame->data + size - CLAIMS, 0x5a, stretch);
	frame->len = (uint32_t)(size - CLAIMS + stretch);
	frame->tag.tci = 5;
	frame->offload = (struct frame_offload){
	    .csum_partial = data[0] & 1,
	    .csum_valid = data[0] & 2,
	    .gso_ecn = data[0] & 4,
	    .gso = data[1] % 5,
	    .gso_size = (uint16_t)get16(data + 2),
	    .csum_start = (uint16_t)get16(data + 4),
	    .csum_offset = (uint16_t)get16(data + 6),
	};
	(void)offload_needs(frame);
	if (data[0] & 8) /* what is never checked must not do harm either */
		(void)gso_fit(frame, max_len);
	else if (offload_check(frame) != REASON_NONE)
		goto out;
	if (!(data[0] & 8) && frame->offload.gso != FRAME_GSO_NONE) {
		cut(pool, frame, max_len);
		frame = NULL;
	} else if (frame->offload.gso == FRAME_GSO_NONE) {
		enum reason reason = offload_complete_checksum(frame);

		CHECK((data[0] & 8) || reason == REASON_NONE);
		CHECK(reason != REASON_NONE || !frame->offload.csum_partial);
	}
out:
	frame_free(frame);
	usage = frame_pool_usage(pool);
	CHECK(usage.small_used == 0 && usage.large_used == 0 && usage.frames_used == 0);
	return 0;
}
