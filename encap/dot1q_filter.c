/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filter of an uplink's VLANs, as a classic BPF program. The kernel takes the
 * outermost tag out of the bytes before it asks a packet socket's filter, whatever
 * the interface does; so it is looked up beside them. VIDs are searched for by
 * halves.
 */
#include <linux/filter.h>
#include <stddef.h>

#include "encap/dot1q.h"
#include "encap/mrp_pdu.h"
#include "lib/packet.h"

#define OFF_TYPE   (2u * MAC_LEN)
#define OFF_LLC	   (OFF_TYPE + 2u)
#define LENGTH_MAX 1500u /* of 802.3 */

struct emitter {
	struct sock_filter *out;
	unsigned count, max;
	bool overflow;
	bool exact; /* look at inner tags, too */
};

/* VIDs that are treated alike: taken, or searched for an inner tag. */
struct range {
	uint16_t low, high;
	const struct dot1q_outer *outer;
};

static unsigned emit(struct emitter *e, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (e->count == e->max) {
		e->overflow = true;
		return 0;
	}
	e->out[e->count] = (struct sock_filter){code, jt, jf, k};
	return e->count++;
}

static void load(struct emitter *e, uint32_t metadata)
{
	emit(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)SKF_AD_OFF + metadata);
}

/* A jump whose target is set later: conditional ones reach no further than 255. */
static unsigned jump(struct emitter *e)
{
	return emit(e, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void land(struct emitter *e, unsigned from)
{
	if (!e->overflow)
		e->out[from].k = e->count - from - 1;
}

static void answer(struct emitter *e, bool take)
{
	emit(e, BPF_RET | BPF_K, 0, 0, take ? UINT32_MAX : 0);
}

/* Refuses the frame unless the comparison holds. */
static void require(struct emitter *e, uint16_t comparison, uint32_t k)
{
	emit(e, (uint16_t)(BPF_JMP | comparison | BPF_K), 1, 0, k);
	answer(e, false);
}

static void search(struct emitter *e, const struct range *ranges, unsigned count, size_t off);

/* Takes the frame whose outer VID is right if the inner one, at `off`, is. */
static void search_inner(struct emitter *e, const struct dot1q_outer *outer, size_t off)
{
	static struct range ranges[VIDS]; /* too large for the stack; one thread */
	unsigned count = 0;

	for (unsigned i = 0; i < outer->count; i++) {
		uint16_t vid = outer->inner[i].vid;

		if (count && ranges[count - 1].high + 1 == vid)
			ranges[count - 1].high = vid;
		else
			ranges[count++] = (struct range){vid, vid, NULL};
	}
	emit(e, BPF_LD | BPF_H | BPF_ABS, 0, 0, (uint32_t)off);
	require(e, BPF_JEQ, ETHERTYPE_CTAG);
	emit(e, BPF_LD | BPF_H | BPF_ABS, 0, 0, (uint32_t)off + 2);
	emit(e, BPF_ALU | BPF_AND | BPF_K, 0, 0, VID_MASK);
	search(e, ranges, count, 0);
}

/* Searches for the VID in the accumulator; an inner tag would stand at `off`. */
static void search(struct emitter *e, const struct range *ranges, unsigned count, size_t off)
{
	unsigned middle = count / 2, right;

	if (e->overflow)
		return;
	if (count > 1) {
		emit(e, BPF_JMP | BPF_JGE | BPF_K, 0, 1, ranges[middle].low);
		right = jump(e);
		search(e, ranges, middle, off);
		land(e, right);
		search(e, ranges + middle, count - middle, off);
		return;
	}
	if (ranges->low == ranges->high) {
		require(e, BPF_JEQ, ranges->low);
	} else {
		require(e, BPF_JGE, ranges->low);
		emit(e, BPF_JMP | BPF_JGT | BPF_K, 0, 1, ranges->high);
		answer(e, false);
	}
	if (ranges->outer)
		search_inner(e, ranges->outer, off);
	else
		answer(e, true);
}

/* All that begins with a tag of this type, whose VID is in the accumulator. */
static void search_type(struct emitter *e, const struct dot1q_table *table,
			enum dot1q_outer_type type, size_t off)
{
	static struct range ranges[VIDS];
	unsigned count = 0;

	for (unsigned vid = 0; vid < VIDS; vid++) {
		bool plain = type == OUTER_CTAG && table->plain[vid];
		const struct dot1q_outer *outer = plain ? NULL : table->outer[type][vid];
		struct range *last = count ? &ranges[count - 1] : NULL;

		if (!plain && !outer)
			continue;
		if (!e->exact)
			outer = NULL;
		if (last && !outer && !last->outer && last->high + 1u == vid)
			last->high = (uint16_t)vid;
		else
			ranges[count++] = (struct range){(uint16_t)vid, (uint16_t)vid, outer};
	}
	emit(e, BPF_ALU | BPF_AND | BPF_K, 0, 0, VID_MASK);
	if (count)
		search(e, ranges, count, off);
	else
		answer(e, false);
}

static bool has_outer(const struct dot1q_table *table, enum dot1q_outer_type type)
{
	for (unsigned vid = 0; vid < VIDS; vid++) {
		if (table->outer[type][vid])
			return true;
	}
	return false;
}

/* Frames with a tag beside the bytes. */
static void tagged(struct emitter *e, const struct dot1q_table *table)
{
	static const uint16_t tpids[] = {
	    [OUTER_CTAG] = ETHERTYPE_CTAG, [OUTER_STAG] = ETHERTYPE_STAG};

	load(e, SKF_AD_VLAN_TPID);
	for (enum dot1q_outer_type type = OUTER_CTAG; type <= OUTER_STAG; type++) {
		unsigned next;

		emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, tpids[type]);
		next = jump(e);
		load(e, SKF_AD_VLAN_TAG);
		search_type(e, table, type, OFF_TYPE);
		land(e, next);
	}
	answer(e, false);
}

/* The last two bytes of an address whose first four are compared already. */
static void take_group(struct emitter *e, enum mrp_protocol protocol)
{
	const uint8_t *octet = mrp_group[protocol].octet;

	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)(octet[4] << 8 | octet[5]));
	answer(e, true);
}

static bool speaks(const struct dot1q_table *table, enum mrp_protocol protocol)
{
	return table->mrp & 1u << protocol;
}

/* What switches say of VLANs, as mrp_frame_protocol() knows it; goes on with all else. */
static void take_mrp(struct emitter *e, const struct dot1q_table *table)
{
	const uint8_t *octet = mrp_group[MRP_MVRP].octet;
	unsigned other, next;

	emit(e, BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0,
	     (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 | (uint32_t)octet[2] << 8 |
		 octet[3]);
	other = jump(e);
	emit(e, BPF_LD | BPF_H | BPF_ABS, 0, 0, OFF_TYPE);
	emit(e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ETHERTYPE_MVRP);
	next = jump(e);
	emit(e, BPF_LD | BPF_H | BPF_ABS, 0, 0, 4);
	if (speaks(table, MRP_MVRP))
		take_group(e, MRP_MVRP);
	if (speaks(table, MRP_MVRP_PROVIDER))
		take_group(e, MRP_MVRP_PROVIDER);
	answer(e, false);
	land(e, next);
	if (speaks(table, MRP_GVRP)) {
		emit(e, BPF_JMP | BPF_JGT | BPF_K, 0, 1, LENGTH_MAX);
		next = jump(e);
		emit(e, BPF_LD | BPF_H | BPF_ABS, 0, 0, OFF_LLC);
		require(e, BPF_JEQ, GVRP_LLC >> 8);
		emit(e, BPF_LD | BPF_B | BPF_ABS, 0, 0, OFF_LLC + 2);
		require(e, BPF_JEQ, GVRP_LLC & 0xff);
		emit(e, BPF_LD | BPF_H | BPF_ABS, 0, 0, 4);
		take_group(e, MRP_GVRP);
		answer(e, false);
		land(e, next);
	}
	land(e, other);
}

/* Frames without: of an outer tag that the kernel does not know as one. */
static void untagged(struct emitter *e, const struct dot1q_table *table, bool vids)
{
	if (table->mrp)
		take_mrp(e, table);
	if (!has_outer(table, OUTER_OLD)) {
		answer(e, false);
		return;
	}
	emit(e, BPF_LD | BPF_H | BPF_ABS, 0, 0, OFF_TYPE);
	require(e, BPF_JEQ, ETHERTYPE_OLD_QINQ);
	if (!vids) {
		answer(e, true);
		return;
	}
	emit(e, BPF_LD | BPF_H | BPF_ABS, 0, 0, OFF_TYPE + 2);
	search_type(e, table, OUTER_OLD, OFF_TYPE + VLAN_TAG_LEN);
}

unsigned dot1q_build_filter(const struct dot1q_table *table, enum dot1q_filter kind,
			    struct sock_filter *out, unsigned max)
{
	struct emitter e = {.out = out, .max = max, .exact = kind == DOT1Q_FILTER_EXACT};
	unsigned with_tag;

	if (table->count) {
		load(&e, SKF_AD_VLAN_TAG_PRESENT);
		emit(&e, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
		with_tag = jump(&e);
		untagged(&e, table, kind != DOT1Q_FILTER_TAGS);
		land(&e, with_tag);
		if (kind == DOT1Q_FILTER_TAGS)
			answer(&e, true);
		else
			tagged(&e, table);
	} else {
		answer(&e, false);
	}
	return e.overflow ? 0 : e.count;
}
