/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold of merging, whatever arrives: cut again, each flow comes out byte by
 * byte as it went in. For the unit test and the fuzz target.
 */
#ifndef TVD_TEST_GRO_MODEL_H
#define TVD_TEST_GRO_MODEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>

#include "encap/gro.h"
#include "encap/gso.h"
#include "lib/packet.h"
#include "test/unit/craft.h"

#define TAPE_MAX 4096u

/* Frames in the order in which they went in or came out. */
struct tape {
	struct frame *frame[TAPE_MAX];
	unsigned count;
};

static void tape_add(void *tape, struct frame *frame)
{
	struct tape *t = tape;

	if (!frame || t->count == TAPE_MAX)
		abort();
	t->frame[t->count++] = frame;
}

static void tape_clear(struct tape *tape)
{
	for (unsigned i = 0; i < tape->count; i++)
		frame_free(tape->frame[i]);
	tape->count = 0;
}

/* Empties the batch onto the tape, and cuts what was merged. Returns how many that
 * were, or -1 if one of them is no superframe by the switch's own rules. */
static int gro_unmerge(struct frame_pool *pool, struct frame_batch *batch, struct tape *out)
{
	int supers = 0;

	for (unsigned i = 0; i < batch->count; i++) {
		struct frame *frame = batch->frame[i];
		enum reason reason;

		if (frame->offload.gso == FRAME_GSO_NONE) {
			if (frame->offload.csum_partial &&
			    offload_complete_checksum(frame) != REASON_NONE)
				return -1;
			tape_add(out, frame);
			continue;
		}
		if (offload_check(frame) != REASON_NONE || frame->offload.gso == FRAME_GSO_NONE)
			return -1;
		supers++;
		(void)gso_segment(pool, frame, frame->offload.gso_size, tape_add, out, &reason);
		if (reason != REASON_NONE)
			return -1;
	}
	batch->count = 0;
	return supers;
}

static bool is_ipv4(const struct frame *frame)
{
	return frame->len >= 34 && get16(frame->data + 12) == ETHERTYPE_IPV4;
}

static bool is_ipv6(const struct frame *frame)
{
	return frame->len >= 54 && get16(frame->data + 12) == ETHERTYPE_IPV6;
}

/* The bytes that name its flow: addresses and ports of whole TCP in plain IP. What else
 * there is has no order to keep. */
static size_t flow_bytes(const struct frame *frame, const uint8_t **start)
{
	const uint8_t *b = frame->data;

	if (is_ipv4(frame) && b[14] == 0x45 && b[23] == IPPROTO_TCP &&
	    (get16(b + 20) & ~0x4000u) == 0 && get16(b + 16) >= 40 &&
	    get16(b + 16) <= frame->len - 14) {
		*start = b + 26;
		return 12;
	}
	if (is_ipv6(frame) && b[20] == IPPROTO_TCP && get16(b + 18) >= 20 &&
	    get16(b + 18) <= frame->len - 54) {
		*start = b + 22;
		return 36;
	}
	*start = b;
	return frame->len;
}

static bool same_flow(const struct frame *a, const struct frame *b)
{
	const uint8_t *pa, *pb;
	size_t na = flow_bytes(a, &pa), nb = flow_bytes(b, &pb);

	return na == nb && memcmp(pa, pb, na) == 0;
}

/* Where the packet ends: padding of Ethernet may go. */
static size_t packet_end(const struct frame *frame)
{
	size_t end = frame->len;

	if (is_ipv4(frame))
		end = 14 + get16(frame->data + 16);
	else if (is_ipv6(frame))
		end = 54 + get16(frame->data + 18);
	return end > frame->len ? frame->len : end;
}

/* The identification of what must not be fragmented is free (RFC 6864), and with it the
 * header's checksum. */
static bool same_bytes(const struct frame *was, const struct frame *is)
{
	size_t end = packet_end(was);

	if (is->len < end || is->len > was->len)
		return false;
	if (!is_ipv4(was) || was->data[20] != 0x40 || end < 34)
		return memcmp(was->data, is->data, end) == 0;
	return memcmp(was->data, is->data, 18) == 0 &&
	       memcmp(was->data + 20, is->data + 20, 4) == 0 &&
	       memcmp(was->data + 26, is->data + 26, end - 26) == 0;
}

/* Whether each flow of `in` is in `out`, in the same order, and nothing else. */
static bool tape_same(const struct tape *in, const struct tape *out)
{
	static bool seen[TAPE_MAX];

	memset(seen, 0, sizeof(seen));
	if (in->count != out->count)
		return false;
	for (unsigned i = 0; i < in->count; i++) {
		unsigned k = 0;

		while (k < out->count && (seen[k] || !same_flow(out->frame[k], in->frame[i])))
			k++;
		if (k == out->count || !same_bytes(in->frame[i], out->frame[k]))
			return false;
		seen[k] = true;
	}
	return true;
}

#endif
