/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IGMP and MLD messages, and the table of who wants what: a row of frames, each with
 * two bytes of circumstances (place, time; its checksum is made good or not) and two of
 * length.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "learn/snoop.h"
#include "lib/checksum.h"
#include "lib/mcast.h"

#define HEAD	  4u
#define PLACE_MAX 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static struct frame_pool *pool;

/* So that what is behind the checksum is reached, too. */
static void mend_checksum(struct frame *frame, const struct packet *packet)
{
	uint64_t sum = 0;
	size_t len;
	uint16_t check;

	if (packet->ip_version == 0 || packet->l4_off == FRAME_OFF_UNSET)
		return;
	len = packet->l3_len - ((size_t)packet->l4_off - packet->l3_off);
	if (len < 4)
		return;
	memset(frame->data + packet->l4_off + 2, 0, 2);
	if (packet->ip_version == 6)
		sum = checksum_pseudo(frame->data + packet->l3_off + 8,
				      frame->data + packet->l3_off + 24, 16, IPPROTO_ICMPV6,
				      (uint32_t)len);
	check = (uint16_t)~checksum_fold(checksum_add(sum, frame->data + packet->l4_off, len));
	memcpy(frame->data + packet->l4_off + 2, &check, sizeof(check));
}

static void count(void *arg, const struct snoop_info *info)
{
	unsigned *counts = arg;

	CHECK(info->where.port < 4 && info->where.side == 0);
	CHECK(info->expires_ms > 0);
	if (!info->group)
		return;
	CHECK(ipaddr_is_multicast(info->group));
	counts[info->where.port]++;
}

static void hear(struct snoop *snoop, const struct snoop_where *where, const uint8_t *bytes,
		 size_t len, bool mend, uint64_t now)
{
	struct frame *frame = frame_alloc(pool, len);
	struct mcast_message message;
	struct mcast_record record;
	struct packet packet;
	unsigned records = 0;

	CHECK(frame);
	memcpy(frame->data, bytes, len);
	frame->len = (uint32_t)len;
	if (packet_parse(frame, &packet)) {
		if (mend)
			mend_checksum(frame, &packet);
		mcast_parse(frame, &packet, &message);
		if (message.kind == MCAST_QUERY)
			snoop_query(snoop, where, &message, now);
		while (message.kind == MCAST_REPORT && mcast_next(frame, &message, &record)) {
			(void)snoop_record(snoop, where, &record, now);
			CHECK(++records <= len / 8);
		}
	}
	frame_free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hash_key key;
	struct snoop *snoop = snoop_create(&key, PLACE_MAX);
	unsigned counts[4] = {0};
	uint64_t now = 1000;

	if (!pool)
		pool = frame_pool_create(8, 2);
	CHECK(pool && snoop);
	while (size >= HEAD) {
		struct snoop_where where = {0, data[0] & 3};
		size_t len = (size_t)data[2] << 8 | data[3];

		now += (uint64_t)data[1] * 100;
		if (len > size - HEAD)
			len = size - HEAD;
		if (data[0] & 8)
			snoop_forget(snoop, &where);
		if (data[0] & 16)
			snoop_age(snoop, now);
		hear(snoop, &where, data + HEAD, len, data[0] & 4, now);
		data += HEAD + len;
		size -= HEAD + len;
	}
	snoop_each(snoop, now, count, counts);
	for (unsigned i = 0; i < 4; i++)
		CHECK(counts[i] <= PLACE_MAX);
	snoop_destroy(snoop);
	return 0;
}
