/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/mrp_pdu.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lib/packet.h"

#define OFF_TYPE    (2u * MAC_LEN)
#define FRAME_MIN   60u
#define LENGTH_MAX  1500u /* of 802.3; what is larger in its place is a type */
#define LLC_LEN	    3u
#define TYPE_VID    1u /* the only type of attribute, of both protocols */
#define VID_LEN	    2u
#define END_LEN	    2u /* an EndMark of MVRP */
#define COUNT_MASK  0x1fffu
#define LEAVE_ALL   1u
#define PACKED_MAX  215u /* three events of 0 to 5 */
#define GVRP_ID	    1u
#define GVRP_ATTR   4u /* its length, an event, a VID */
#define GVRP_ALL    2u /* without a VID */
#define VECTOR_HEAD 4u

const struct mac mrp_group[MRP_PROTOCOLS] = {
    [MRP_MVRP] = {{0x01, 0x80, 0xc2, 0x00, 0x00, 0x21}},
    [MRP_MVRP_PROVIDER] = {{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0d}},
    [MRP_GVRP] = {{0x01, 0x80, 0xc2, 0x00, 0x00, 0x21}},
};

static const char *const names[MRP_PROTOCOLS] = {"mvrp", "mvrp-provider", "gvrp"};

/* Events on the wire, in the order of their numbers. */
static const uint8_t mvrp_events[] = {MRP_R_NEW,	MRP_R_JOIN_IN, MRP_R_IN,
				      MRP_R_JOIN_EMPTY, MRP_R_EMPTY,   MRP_R_LEAVE};
static const uint8_t gvrp_events[] = {MRP_R_LEAVE_ALL, MRP_R_JOIN_EMPTY, MRP_R_JOIN_IN,
				      MRP_R_LEAVE,     MRP_R_LEAVE,	 MRP_R_EMPTY};

#define MVRP_EVENTS (sizeof(mvrp_events) / sizeof(mvrp_events[0]))
#define GVRP_EVENTS (sizeof(gvrp_events) / sizeof(gvrp_events[0]))

/*
 * A Join is said as JoinIn, "and I have heard of it", as do other participants without
 * a Registrar: two that said JoinEmpty would ask each other to declare again for ever.
 * GVRP has no New.
 */
static const uint8_t mvrp_words[] = {[MRP_SAY_NEW] = 0, [MRP_SAY_JOIN] = 1, [MRP_SAY_LEAVE] = 5};
static const uint8_t gvrp_words[] = {[MRP_SAY_NEW] = 2, [MRP_SAY_JOIN] = 2, [MRP_SAY_LEAVE] = 3};

const char *mrp_protocol_name(enum mrp_protocol protocol)
{
	return protocol < MRP_PROTOCOLS ? names[protocol] : "?";
}

/* ---- writing ---- */

static void put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The vector of VIDs in a row that begins at *vid; returns its length, 0 without room. */
static size_t write_vector(const struct mrp *mrp, unsigned *vid, uint8_t *out, size_t room)
{
	uint8_t *events = out + VECTOR_HEAD;
	unsigned first = *vid, count = 0;

	while (*vid <= MRP_VID_MAX && mrp_say(mrp, *vid) != MRP_SAY_NOTHING) {
		static const uint8_t place[] = {36, 6, 1};

		if (count % 3 == 0 && room - VECTOR_HEAD - count / 3 < 1)
			break;
		if (count % 3 == 0)
			events[count / 3] = 0;
		events[count / 3] = (uint8_t)(events[count / 3] +
					      mvrp_words[mrp_say(mrp, *vid)] * place[count % 3]);
		count++;
		(*vid)++;
	}
	put_u16(out, count);
	put_u16(out + 2, first);
	return VECTOR_HEAD + (count + 2) / 3;
}

static size_t write_mvrp(const struct mrp *mrp, unsigned *vid, uint8_t *out, size_t room)
{
	static const uint8_t head[] = {0, TYPE_VID, VID_LEN};
	size_t len = sizeof(head), end = 2 * (size_t)END_LEN;

	memcpy(out, head, sizeof(head));
	for (; *vid <= MRP_VID_MAX; (*vid)++) {
		if (mrp_say(mrp, *vid) == MRP_SAY_NOTHING)
			continue;
		if (room - len < VECTOR_HEAD + 1 + end)
			break;
		len += write_vector(mrp, vid, out + len, room - len - end);
		(*vid)--; /* the loop moves on to the first one not in it */
	}
	if (len == sizeof(head))
		return 0;
	memset(out + len, 0, end);
	return len + end;
}

static size_t write_gvrp(const struct mrp *mrp, unsigned *vid, uint8_t *out, size_t room)
{
	static const uint8_t head[] = {
	    (uint8_t)(GVRP_LLC >> 16), GVRP_LLC >> 8 & 0xff, GVRP_LLC & 0xff, 0, GVRP_ID, TYPE_VID};
	size_t len = sizeof(head), end = 2;

	memcpy(out, head, sizeof(head));
	for (; *vid <= MRP_VID_MAX; (*vid)++) {
		if (mrp_say(mrp, *vid) == MRP_SAY_NOTHING)
			continue;
		if (room - len < GVRP_ATTR + end)
			break;
		out[len] = GVRP_ATTR;
		out[len + 1] = gvrp_words[mrp_say(mrp, *vid)];
		put_u16(out + len + 2, *vid);
		len += GVRP_ATTR;
	}
	if (len == sizeof(head))
		return 0;
	memset(out + len, 0, end);
	return len + end;
}

size_t mrp_frame_write(enum mrp_protocol protocol, const struct mac *src, const struct mrp *mrp,
		       unsigned *vid, uint8_t *out, size_t size)
{
	size_t len;

	assert(size >= FRAME_MIN);
	size = size < MRP_FRAME_MAX ? size : MRP_FRAME_MAX;
	memcpy(out, &mrp_group[protocol], MAC_LEN);
	memcpy(out + MAC_LEN, src, MAC_LEN);
	if (protocol == MRP_GVRP) {
		len = write_gvrp(mrp, vid, out + ETH_HEADER_LEN, size - ETH_HEADER_LEN);
		put_u16(out + OFF_TYPE, (unsigned)len);
	} else {
		len = write_mvrp(mrp, vid, out + ETH_HEADER_LEN, size - ETH_HEADER_LEN);
		put_u16(out + OFF_TYPE, ETHERTYPE_MVRP);
	}
	if (len == 0)
		return 0;
	len += ETH_HEADER_LEN;
	if (len < FRAME_MIN) {
		memset(out + len, 0, FRAME_MIN - len);
		len = FRAME_MIN;
	}
	return len;
}

/* ---- reading ---- */

/* Its error sticks: after the first every read gives zero. */
struct cursor {
	const uint8_t *data;
	size_t left;
	bool bad;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *at = c->data;

	if (c->bad || n > c->left) {
		c->bad = true;
		return NULL;
	}
	c->data += n;
	c->left -= n;
	return at;
}

static unsigned take_u8(struct cursor *c)
{
	const uint8_t *at = take(c, 1);

	return at ? *at : 0;
}

static unsigned take_u16(struct cursor *c)
{
	const uint8_t *at = take(c, 2);

	return at ? (unsigned)(at[0] << 8 | at[1]) : 0;
}

static bool more(const struct cursor *c)
{
	return !c->bad && c->left > 0;
}

/* A walk without a function is one that checks. */
struct walk {
	struct cursor c;
	bool leave_all;
	mrp_heard_fn *fn;
	void *arg;
};

static void say(const struct walk *walk, unsigned event, unsigned vid)
{
	if (walk->fn)
		walk->fn(walk->arg, (enum mrp_event)event, vid);
}

static bool vids_ok(unsigned first, unsigned count)
{
	return first >= 1 && first <= MRP_VID_MAX && count <= MRP_VID_MAX - first + 1;
}

/* The events of one vector of VIDs. */
static void read_events(struct walk *walk, unsigned first, unsigned count)
{
	const uint8_t *packed = take(&walk->c, (count + 2) / 3);

	if (!packed)
		return;
	for (unsigned i = 0; i < count; i++) {
		static const uint8_t place[] = {36, 6, 1};
		uint8_t three = packed[i / 3];

		if (three > PACKED_MAX) {
			walk->c.bad = true;
			return;
		}
		say(walk, mvrp_events[three / place[i % 3] % MVRP_EVENTS], first + i);
	}
}

/* One vector, of whatever type; false: this was the end of the list. */
static bool read_vector(struct walk *walk, unsigned type, unsigned value_len)
{
	struct cursor *c = &walk->c;
	unsigned head = take_u16(c), count = head & COUNT_MASK, all = head >> 13, first;

	if (c->bad || head == 0)
		return false;
	if (type != TYPE_VID) { /* of another version: as long as all are */
		(void)take(c, value_len);
		(void)take(c, (count + 2) / 3);
		return true;
	}
	first = take_u16(c);
	/* Where there are no values the first one is there all the same, and is nothing. */
	if (all > LEAVE_ALL || (count && !vids_ok(first, count))) {
		c->bad = true;
		return false;
	}
	walk->leave_all |= all == LEAVE_ALL;
	read_events(walk, first, count);
	return true;
}

static void walk_mvrp(struct walk *walk)
{
	struct cursor *c = &walk->c;

	(void)take_u8(c); /* the version: what is added later is skipped by its length */
	if (!c->bad && c->left == 0)
		c->bad = true;
	while (more(c)) {
		unsigned type = take_u8(c), len = take_u8(c);

		if (type == 0) { /* the EndMark: what follows is padding */
			c->bad |= len != 0;
			return;
		}
		if (len == 0 || (type == TYPE_VID && len != VID_LEN)) {
			c->bad = true;
			return;
		}
		/* The end of the frame is as good as an EndMark. */
		while (more(c) && read_vector(walk, type, len))
			;
	}
}

static void read_attribute(struct walk *walk, unsigned type, unsigned len)
{
	struct cursor *c = &walk->c;
	unsigned event, vid;

	if (len < GVRP_ALL) {
		c->bad = true;
		return;
	}
	event = take_u8(c);
	if (type != TYPE_VID) {
		(void)take(c, len - GVRP_ALL);
		return;
	}
	if (event >= GVRP_EVENTS || len != (event == 0 ? GVRP_ALL : GVRP_ATTR)) {
		c->bad = true;
		return;
	}
	if (event == 0) {
		walk->leave_all = true;
		return;
	}
	vid = take_u16(c);
	if (c->bad || !vids_ok(vid, 1)) {
		c->bad = true;
		return;
	}
	say(walk, gvrp_events[event], vid);
}

static void walk_gvrp(struct walk *walk)
{
	struct cursor *c = &walk->c;

	(void)take(c, LLC_LEN);
	if (take_u16(c) != GVRP_ID)
		c->bad = true;
	if (!c->bad && c->left == 0)
		c->bad = true;
	while (more(c)) {
		unsigned type = take_u8(c);

		if (type == 0)
			return;
		while (more(c)) {
			unsigned len = take_u8(c);

			if (len == 0)
				break;
			read_attribute(walk, type, len);
		}
	}
}

enum mrp_protocol mrp_frame_protocol(const uint8_t *data, size_t len)
{
	unsigned type;

	if (len < ETH_HEADER_LEN)
		return MRP_PROTOCOLS;
	type = (unsigned)(data[OFF_TYPE] << 8 | data[OFF_TYPE + 1]);
	if (type == ETHERTYPE_MVRP) {
		for (int p = MRP_MVRP; p <= MRP_MVRP_PROVIDER; p++) {
			if (memcmp(data, &mrp_group[p], MAC_LEN) == 0)
				return (enum mrp_protocol)p;
		}
		return MRP_PROTOCOLS;
	}
	if (type <= LENGTH_MAX && len - ETH_HEADER_LEN >= LLC_LEN &&
	    memcmp(data, &mrp_group[MRP_GVRP], MAC_LEN) == 0 &&
	    data[ETH_HEADER_LEN] == GVRP_LLC >> 16 &&
	    data[ETH_HEADER_LEN + 1] == (GVRP_LLC >> 8 & 0xff) &&
	    data[ETH_HEADER_LEN + 2] == (GVRP_LLC & 0xff))
		return MRP_GVRP;
	return MRP_PROTOCOLS;
}

static bool walk_frame(struct walk *walk, enum mrp_protocol protocol, const uint8_t *data,
		       size_t len)
{
	size_t claimed = (size_t)(data[OFF_TYPE] << 8 | data[OFF_TYPE + 1]);

	walk->c.data = data + ETH_HEADER_LEN;
	walk->c.left = len - ETH_HEADER_LEN;
	if (protocol != MRP_GVRP) {
		walk_mvrp(walk);
		return !walk->c.bad;
	}
	if (claimed > walk->c.left)
		return false;
	walk->c.left = claimed;
	walk_gvrp(walk);
	return !walk->c.bad;
}

int mrp_frame_read(enum mrp_protocol protocol, const uint8_t *data, size_t len, mrp_heard_fn *fn,
		   void *arg)
{
	struct walk check = {.fn = NULL}, walk = {.fn = fn, .arg = arg};

	assert(len >= ETH_HEADER_LEN);
	if (!walk_frame(&check, protocol, data, len))
		return -EINVAL;
	if (check.leave_all)
		fn(arg, MRP_R_LEAVE_ALL, 0);
	(void)walk_frame(&walk, protocol, data, len);
	return 0;
}
