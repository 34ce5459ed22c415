/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames from an uplink: one byte of circumstances, four of a tag beside the frame,
 * and the frame. What is taken must have the tags of the segment that gets it, and
 * without them its bytes as they came; the kernel's filter must have let it through.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "encap/dot1q.h"
#include "lib/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

#define MACS 12u

static struct backend {
	int64_t outer_tpid, outer_vid, vid;
	struct dot1q_conf conf;
	struct encap encap;
	struct dot1q dot1q;
} backends[] = {
    {.vid = 1, .outer_tpid = 0x88a8},
    {.vid = 102, .outer_tpid = 0x88a8},
    {.vid = 103, .outer_tpid = 0x88a8},
    {.vid = 4094, .outer_tpid = 0x88a8},
    {.outer_tpid = 0x88a8, .outer_vid = 5, .vid = 7},
    {.outer_tpid = 0x88a8, .outer_vid = 5, .vid = 9},
    {.outer_tpid = 0x88a8, .outer_vid = 4094, .vid = 1},
    {.outer_tpid = 0x8100, .outer_vid = 200, .vid = 7},
    {.outer_tpid = 0x9100, .outer_vid = 5, .vid = 7},
    {.outer_tpid = 0x9100, .outer_vid = 5, .vid = 300},
};

#define BACKENDS (sizeof(backends) / sizeof(backends[0]))

static struct dot1q_table table;
static struct sock_filter filters[3][512];
static unsigned filter_len[3];

static void init(void)
{
	for (size_t i = 0; i < BACKENDS; i++) {
		struct backend *be = &backends[i];

		be->conf.vid = be->vid;
		be->conf.outer_vid = be->outer_vid;
		be->conf.outer_tpid = be->outer_tpid;
		be->encap.ops = &dot1q_ops;
		be->encap.conf = &be->conf.common;
		be->encap.state = &be->dot1q;
		be->dot1q.encap = &be->encap;
		be->dot1q.conf = &be->conf;
		CHECK(dot1q_table_add(&table, &be->dot1q) == 0);
	}
	table.mrp = 1u << MRP_MVRP | 1u << MRP_GVRP;
	for (int kind = 0; kind < 3; kind++) {
		filter_len[kind] =
		    dot1q_build_filter(&table, (enum dot1q_filter)kind, filters[kind], 512);
		CHECK(filter_len[kind] > 0);
	}
}

/* A classic BPF program, as far as filters of ours go. */
static bool passes(int kind, const struct frame *frame)
{
	uint32_t a = 0;

	for (unsigned pc = 0; pc < filter_len[kind]; pc++) {
		const struct sock_filter *i = &filters[kind][pc];
		uint16_t half;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k < FRAME_LARGE) {
				uint32_t word;

				if (!frame_peek(frame, i->k, sizeof(word), &word))
					return false;
				a = ntohl(word);
				break;
			}
			a = i->k == (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TAG ? frame->tag.tci
			    : i->k == (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TPID
				? frame->tag.tpid
				: frame->tag.tpid != 0;
			break;
		case BPF_LD | BPF_H | BPF_ABS:
			if (!frame_peek(frame, i->k, sizeof(half), &half))
				return false;
			a = ntohs(half);
			break;
		case BPF_LD | BPF_B | BPF_ABS:
			if (i->k >= frame->len)
				return false;
			a = frame->data[i->k];
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		default:
			CHECK(i->code == (BPF_RET | BPF_K));
			return i->k != 0;
		}
	}
	abort();
}

/* The tags as they would be on the wire: the one beside the bytes is the first. */
static unsigned wire_tags(const struct frame_tag *beside, const uint8_t *data, size_t size,
			  uint16_t out[4])
{
	unsigned n = 0;

	if (beside->tpid) {
		out[n++] = beside->tpid;
		out[n++] = beside->tci;
	}
	for (size_t at = MACS; n < 4 && size >= at + 4; at += 4) {
		out[n++] = (uint16_t)(data[at] << 8 | data[at + 1]);
		out[n++] = (uint16_t)(data[at + 2] << 8 | data[at + 3]);
	}
	return n;
}

static void check_taken(struct dot1q *dot1q, struct frame *frame, const uint8_t *data, size_t size)
{
	const struct dot1q_conf *conf = dot1q->conf;
	struct frame_tag beside = frame->tag;
	uint16_t tags[4];
	unsigned n = wire_tags(&beside, data, size, tags);
	size_t cut = (conf->outer_vid ? 8u : 4u) - (beside.tpid ? 4u : 0u);
	uint8_t out[DOT1Q_TAGS_LEN];
	enum reason reason;

	CHECK(n >= (conf->outer_vid ? 4u : 2u));
	CHECK(tags[0] == (conf->outer_vid ? conf->outer_tpid : 0x8100));
	CHECK((tags[1] & 0xfff) == (conf->outer_vid ? conf->outer_vid : conf->vid));
	if (conf->outer_vid)
		CHECK(tags[2] == 0x8100 && (tags[3] & 0xfff) == conf->vid);
	reason = dot1q->encap->ops->pop(dot1q->encap, frame);
	CHECK((reason == REASON_NONE) == (size >= ETH_HEADER_LEN));
	if (reason != REASON_NONE)
		return;
	CHECK(frame->tag.tpid == 0 && frame->len == size - cut);
	CHECK(memcmp(frame->data, data, MACS) == 0);
	CHECK(memcmp(frame->data + MACS, data + MACS + cut, frame->len - MACS) == 0);
	reason = dot1q->encap->ops->push(dot1q->encap, frame);
	CHECK((reason == REASON_NONE) == (frame->len >= ETH_HEADER_LEN));
	if (reason != REASON_NONE)
		return;
	CHECK(dot1q_tags(conf, frame, out) == (conf->outer_vid ? 8 : 4));
	CHECK((out[0] << 8 | out[1]) == tags[0] &&
	      ((out[2] << 8 | out[3]) & 0xfff) == (tags[1] & 0xfff));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_pool *pool;
	struct frame_pool_usage usage;
	struct frame *frame, *other = NULL;
	struct dot1q *dot1q;
	bool passed[3];

	if (!pool) {
		pool = frame_pool_create(4, 2);
		CHECK(pool);
		init();
	}
	if (size < 5 || size > FRAME_LARGE)
		return 0;
	frame = frame_alloc(pool, size - 5);
	CHECK(frame);
	memcpy(frame->data, data + 5, size - 5);
	frame->len = (uint32_t)size - 5;
	if (data[0] & 1) /* types that the kernel takes out of the bytes */
		frame->tag.tpid = data[0] & 2 ? 0x88a8 : 0x8100;
	frame->tag.tci = (uint16_t)(data[1] << 8 | data[2]);
	if (data[0] & 4)
		other = frame_clone(frame);
	for (int kind = 0; kind < 3; kind++)
		passed[kind] = passes(kind, frame);
	dot1q = dot1q_demux(&table, frame);
	/* A tag in the bytes that the kernel would have taken out has no filter. */
	if (dot1q && (frame->tag.tpid || dot1q->conf->outer_tpid == 0x9100))
		CHECK(passed[0] && passed[1] && passed[2]);
	if (!dot1q && !frame->tag.tpid) {
		enum mrp_protocol p = mrp_frame_protocol(frame->data, frame->len);

		CHECK(passed[0] == (p == MRP_MVRP || p == MRP_GVRP));
		CHECK(passed[1] || !passed[0]);
	} else {
		CHECK(!passed[0] || dot1q);
	}
	if (dot1q)
		check_taken(dot1q, frame, data + 5, size - 5);
	if (other)
		CHECK(memcmp(other->data, data + 5, size - 5) == 0);
	frame_free(other);
	frame_free(frame);
	usage = frame_pool_usage(pool);
	CHECK(usage.frames_used == 0 && usage.small_used == 0 && usage.large_used == 0);
	return 0;
}
