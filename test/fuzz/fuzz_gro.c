/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames as they arrive, each behind its length; an odd length has its TCP checksum put
 * right first, so that merging is ever reached; or, if its second bit is set as well, left
 * to whoever needs it, as by a kernel whose frame was never on a wire. See gro_model.h for what
 * must hold.
 */
#include <netinet/in.h>

#include "lib/checksum.h"
#include "test/unit/gro_model.h"

#define FRAMES_MAX FRAME_BATCH_MAX
#define LEN_MAX	   1500u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of TCP in IPv4 without options; the IP header's too. */
static bool put_right(struct frame *frame)
{
	size_t total = is_ipv4(frame) ? get16(frame->data + 16) : 0;
	uint16_t check;
	uint64_t sum;

	if (total < 40 || total > frame->len - 14 || frame->data[14] != 0x45)
		return false;
	memset(frame->data + 24, 0, 2);
	check = checksum(frame->data + 14, 20);
	memcpy(frame->data + 24, &check, sizeof(check));
	memset(frame->data + 50, 0, 2);
	sum = checksum_pseudo(frame->data + 26, frame->data + 30, 4, IPPROTO_TCP,
			      (uint32_t)total - 20);
	check = (uint16_t)~checksum_fold(checksum_add(sum, frame->data + 34, total - 20));
	memcpy(frame->data + 50, &check, sizeof(check));
	return frame->data[23] == IPPROTO_TCP;
}

/* What put_right() has put right is undone. */
static void leave(struct frame *frame)
{
	uint16_t check = checksum_fold(checksum_pseudo(frame->data + 26, frame->data + 30, 4,
						       IPPROTO_TCP, get16(frame->data + 16) - 20u));

	memcpy(frame->data + 50, &check, sizeof(check));
	frame->offload =
	    (struct frame_offload){.csum_partial = true, .csum_start = 34, .csum_offset = 16};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_pool *pool;
	static struct tape in, out;
	struct frame_batch batch = {.count = 0};
	struct frame_pool_usage usage;
	struct gro gro;

	if (!pool)
		pool = frame_pool_create(4 * FRAMES_MAX, FRAMES_MAX);
	memset(&gro, 0, sizeof(gro));
	for (unsigned n = 0; n < FRAMES_MAX && size >= 2; n++) {
		unsigned odd = get16(data);
		size_t len = odd % LEN_MAX;
		struct frame *frame;
		bool whole;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		frame = frame_alloc(pool, FRAME_SMALL);
		memcpy(frame->data, data, len);
		frame->len = (uint32_t)len;
		data += len;
		size -= len;
		whole = odd & 1 && put_right(frame);
		tape_add(&in, frame_copy(frame));
		if (whole && odd & 2)
			leave(frame);
		(void)gro_add(&gro, pool, &batch, frame);
	}
	gro_finish(&gro, &batch);
	if (gro_unmerge(pool, &batch, &out) < 0 || !tape_same(&in, &out))
		abort();
	tape_clear(&in);
	tape_clear(&out);
	usage = frame_pool_usage(pool);
	if (usage.small_used || usage.large_used || usage.frames_used)
		abort();
	return 0;
}
