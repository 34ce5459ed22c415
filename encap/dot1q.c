/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/dot1q.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "encap/gso.h"
#include "lib/packet.h"

#define MACS_LEN (2 * MAC_LEN)

/* clang-format off */
static const struct conf_key dot1q_keys[] = {
	ENCAP_COMMON_KEYS(struct dot1q_conf),
	{.name = "vid", .type = CONF_INT, .offset = offsetof(struct dot1q_conf, vid), .required = true, .min = 1, .max = 4094},
	{.name = "priority", .type = CONF_INT, .offset = offsetof(struct dot1q_conf, priority), .max = 7},
	{.name = "outer_vid", .type = CONF_INT, .offset = offsetof(struct dot1q_conf, outer_vid), .min = 1, .max = 4094},
	{.name = "outer_tpid", .type = CONF_INT, .offset = offsetof(struct dot1q_conf, outer_tpid), .max = 0xffff, .initial = ETHERTYPE_STAG},
	{.name = "mvrp", .type = CONF_BOOL, .offset = offsetof(struct dot1q_conf, mvrp)},
	{.name = "gvrp", .type = CONF_BOOL, .offset = offsetof(struct dot1q_conf, gvrp)},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema dot1q_schema = {
    .kind = "dot1q",
    .size = sizeof(struct dot1q_conf),
    .keys = dot1q_keys,
};

static const struct dot1q_conf *conf_of(const struct encap_conf *conf)
{
	return (const struct dot1q_conf *)conf;
}

static enum dot1q_outer_type outer_type(int64_t tpid)
{
	switch (tpid) {
	case ETHERTYPE_CTAG:
		return OUTER_CTAG;
	case ETHERTYPE_STAG:
		return OUTER_STAG;
	case ETHERTYPE_OLD_QINQ:
		return OUTER_OLD;
	default:
		return OUTER_TYPES;
	}
}

static int dot1q_check(const struct encap_conf *common, int64_t id, struct err *err)
{
	const struct dot1q_conf *conf = conf_of(common);

	(void)id; /* the VLAN is the identifier on the wire */
	if (outer_type(conf->outer_tpid) == OUTER_TYPES) {
		conf_fail(conf, err, "dot1q: outer_tpid 0x%04x is none of 0x8100, 0x88a8, 0x9100",
			  (unsigned)conf->outer_tpid);
		return -EINVAL;
	}
	if (conf->outer_vid == 0 && conf_given(&dot1q_schema, conf, "outer_tpid")) {
		conf_fail(conf, err, "dot1q: `outer_tpid` needs `outer_vid`");
		return -EINVAL;
	}
	if (conf->outer_vid && conf->outer_tpid == ETHERTYPE_OLD_QINQ &&
	    (conf->mvrp || conf->gvrp)) {
		conf_fail(conf, err, "dot1q: no protocol declares VLANs of outer_tpid 0x9100");
		return -EINVAL;
	}
	if (conf->outer_vid && conf->outer_tpid == ETHERTYPE_STAG && conf->gvrp) {
		conf_fail(conf, err,
			  "dot1q: GVRP declares no VLANs of outer_tpid 0x88a8; "
			  "`mvrp` does");
		return -EINVAL;
	}
	return 0;
}

unsigned dot1q_declares(const struct dot1q_conf *conf)
{
	bool provider = conf->outer_vid && conf->outer_tpid == ETHERTYPE_STAG;
	unsigned protocols = 0;

	if (conf->mvrp)
		protocols |= 1u << (provider ? MRP_MVRP_PROVIDER : MRP_MVRP);
	if (conf->gvrp)
		protocols |= 1u << MRP_GVRP;
	return protocols;
}

unsigned dot1q_declared_vid(const struct dot1q_conf *conf)
{
	return (unsigned)(conf->outer_vid ? conf->outer_vid : conf->vid);
}

/* In the order of the tags on the wire: first a VLAN alone, then those inside it. */
static uint64_t dot1q_key(const struct encap_conf *common, int64_t id)
{
	const struct dot1q_conf *conf = conf_of(common);
	enum dot1q_outer_type type = conf->outer_vid ? outer_type(conf->outer_tpid) : OUTER_CTAG;

	(void)id;
	return (uint64_t)type << 24 |
	       (uint64_t)(conf->outer_vid ? conf->outer_vid : conf->vid) << 12 |
	       (uint64_t)(conf->outer_vid ? conf->vid : 0);
}

/*
 * The same VLAN twice; or one VLAN that is a segment's, and the outer one of
 * another's: a guest that may send tags would reach the other segment.
 */
static bool dot1q_conflict(const struct encap_conf *a, int64_t id_a, const struct encap_conf *b,
			   int64_t id_b)
{
	uint64_t key_a = dot1q_key(a, id_a), key_b = dot1q_key(b, id_b);

	if (strcmp(a->uplink, b->uplink) != 0 || key_a >> 12 != key_b >> 12)
		return false;
	return key_a == key_b || (key_a & VID_MASK) == 0 || (key_b & VID_MASK) == 0;
}

/* ---- whose a frame is ---- */

static struct dot1q **inner_slot(struct dot1q_outer *outer, uint16_t vid, unsigned *at)
{
	unsigned low = 0, high = outer ? outer->count : 0;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (outer->inner[middle].vid < vid)
			low = middle + 1;
		else
			high = middle;
	}
	*at = low;
	return outer && low < outer->count && outer->inner[low].vid == vid
		   ? &outer->inner[low].dot1q
		   : NULL;
}

/* Where the first backend of a VLAN stands; made if it is missing and `make`. */
static struct dot1q **slot_of(struct dot1q_table *table, const struct dot1q_conf *conf, bool make)
{
	struct dot1q_outer **outer, *grown;
	struct dot1q **slot;
	unsigned at, count;

	if (!conf->outer_vid)
		return &table->plain[conf->vid];
	outer = &table->outer[outer_type(conf->outer_tpid)][conf->outer_vid];
	slot = inner_slot(*outer, (uint16_t)conf->vid, &at);
	if (slot || !make)
		return slot;
	count = *outer ? (*outer)->count : 0;
	grown = realloc(*outer, sizeof(*grown) + (count + 1) * sizeof(grown->inner[0]));
	if (!grown)
		return NULL;
	memmove(&grown->inner[at + 1], &grown->inner[at], (count - at) * sizeof(grown->inner[0]));
	grown->inner[at] = (struct dot1q_inner){.vid = (uint16_t)conf->vid};
	grown->count = count + 1;
	*outer = grown;
	return &grown->inner[at].dot1q;
}

static void slot_remove(struct dot1q_table *table, const struct dot1q_conf *conf)
{
	struct dot1q_outer **outer =
	    &table->outer[outer_type(conf->outer_tpid)][conf->outer_vid & VID_MASK];
	unsigned at;

	if (!conf->outer_vid || !inner_slot(*outer, (uint16_t)conf->vid, &at))
		return;
	(*outer)->count--;
	memmove(&(*outer)->inner[at], &(*outer)->inner[at + 1],
		((*outer)->count - at) * sizeof((*outer)->inner[0]));
	if ((*outer)->count == 0) {
		free(*outer);
		*outer = NULL;
	}
}

int dot1q_table_add(struct dot1q_table *table, struct dot1q *dot1q)
{
	struct dot1q **slot = slot_of(table, dot1q->conf, true);

	if (!slot)
		return -ENOMEM;
	dot1q->next_same = *slot;
	*slot = dot1q;
	dot1q->listed = true;
	table->count++;
	return 0;
}

void dot1q_table_del(struct dot1q_table *table, struct dot1q *dot1q)
{
	struct dot1q **slot = dot1q->listed ? slot_of(table, dot1q->conf, false) : NULL;

	if (!slot)
		return;
	for (struct dot1q **p = slot; *p; p = &(*p)->next_same) {
		if (*p == dot1q) {
			*p = dot1q->next_same;
			break;
		}
	}
	dot1q->listed = false;
	table->count--;
	if (!*slot)
		slot_remove(table, dot1q->conf);
}

/* One tag in the bytes, whose type stands at `off`. */
static bool read_tag(const struct frame *frame, size_t off, uint16_t *tpid, uint16_t *vid)
{
	uint16_t tag[2];

	if (!frame_peek(frame, off, sizeof(tag), tag))
		return false;
	*tpid = ntohs(tag[0]);
	*vid = ntohs(tag[1]) & VID_MASK;
	return true;
}

/* The outermost tag, and where the type behind it stands: `*off`. */
static bool read_outermost(const struct frame *frame, uint16_t *tpid, uint16_t *vid, size_t *off)
{
	*off = MACS_LEN;
	if (frame->tag.tpid) {
		*tpid = frame->tag.tpid;
		*vid = frame->tag.tci & VID_MASK;
		return true;
	}
	*off += VLAN_TAG_LEN;
	return read_tag(frame, MACS_LEN, tpid, vid) && outer_type(*tpid) != OUTER_TYPES;
}

struct dot1q *dot1q_demux(const struct dot1q_table *table, const struct frame *frame)
{
	uint16_t tpid, vid, inner_tpid, inner_vid;
	struct dot1q_outer *outer = NULL;
	struct dot1q **slot;
	unsigned at;
	size_t off;

	if (!read_outermost(frame, &tpid, &vid, &off))
		return NULL;
	if (tpid == ETHERTYPE_CTAG && table->plain[vid])
		return table->plain[vid];
	if (outer_type(tpid) != OUTER_TYPES)
		outer = table->outer[outer_type(tpid)][vid];
	if (!outer || !read_tag(frame, off, &inner_tpid, &inner_vid) ||
	    inner_tpid != ETHERTYPE_CTAG)
		return NULL;
	slot = inner_slot(outer, inner_vid, &at);
	return slot ? *slot : NULL;
}

/* ---- one frame ---- */

/* What is sent untagged by a guest is never tagged here: the bytes may be shared
 * with other receivers. The tag goes beside them, and between them when sent. */
static enum reason dot1q_push(const struct encap *encap, struct frame *frame)
{
	const struct dot1q_conf *conf = conf_of(encap->conf);

	if (frame->len < ETH_HEADER_LEN)
		return REASON_TOO_SHORT;
	if (frame->tag.tpid) /* the pipeline puts guests' tags back into the bytes */
		return REASON_TAGGED;
	frame->tag.tpid = ETHERTYPE_CTAG;
	frame->tag.tci = (uint16_t)(conf->priority << 13 | conf->vid);
	return REASON_NONE;
}

unsigned dot1q_tags(const struct dot1q_conf *conf, const struct frame *frame,
		    uint8_t out[DOT1Q_TAGS_LEN])
{
	uint16_t tags[4];
	unsigned n = 0;

	if (conf->outer_vid) {
		tags[n++] = htons((uint16_t)conf->outer_tpid);
		tags[n++] = htons((uint16_t)(conf->priority << 13 | conf->outer_vid));
	}
	tags[n++] = htons(frame->tag.tpid);
	tags[n++] = htons(frame->tag.tci);
	memcpy(out, tags, n * sizeof(tags[0]));
	return n * (unsigned)sizeof(tags[0]);
}

/* Takes bytes off behind the MAC addresses. */
static enum reason cut_tags(struct frame *frame, size_t n)
{
	uint8_t macs[MACS_LEN];

	if (n == 0)
		return REASON_NONE;
	if (!frame_writable(frame))
		return REASON_NO_BUFFER;
	memcpy(macs, frame->data, sizeof(macs));
	memcpy(frame->data + n, macs, sizeof(macs));
	(void)frame_pull(frame, n);
	return REASON_NONE;
}

/* Takes our tags off. What is tagged inside is for the segment to judge. */
static enum reason dot1q_pop(const struct encap *encap, struct frame *frame)
{
	const struct dot1q_conf *conf = conf_of(encap->conf);
	uint16_t want_tpid = conf->outer_vid ? (uint16_t)conf->outer_tpid : ETHERTYPE_CTAG;
	uint16_t tpid, vid;
	enum reason reason;
	size_t off;

	if (frame->len < ETH_HEADER_LEN)
		return REASON_BAD_HEADER;
	if (!read_outermost(frame, &tpid, &vid, &off) || tpid != want_tpid ||
	    vid != (conf->outer_vid ? conf->outer_vid : conf->vid))
		return REASON_UNKNOWN_ID;
	if (conf->outer_vid) {
		if (!read_tag(frame, off, &tpid, &vid) || tpid != ETHERTYPE_CTAG ||
		    vid != conf->vid)
			return REASON_UNKNOWN_ID;
		off += VLAN_TAG_LEN;
	}
	reason = cut_tags(frame, off - MACS_LEN);
	if (reason == REASON_NONE)
		frame->tag = (struct frame_tag){0};
	return reason;
}

/*
 * An 802.1Q tag comes on top of what the interface's MTU says. Of a second tag,
 * and of an outermost one that is not of 802.1Q, the kernel and the wire know
 * nothing: they need room inside the MTU.
 */
static size_t dot1q_room(const struct encap *encap, const struct ipaddr *peer)
{
	const struct dot1q_conf *conf = conf_of(encap->conf);
	size_t room = encap->uplink->mtu + ETH_HEADER_LEN, tags = 0;

	(void)peer;
	if (conf->outer_vid)
		tags = conf->outer_tpid == ETHERTYPE_CTAG ? VLAN_TAG_LEN : 2 * VLAN_TAG_LEN;
	return room - tags;
}

static void dot1q_show(const struct encap *encap, json_t *object)
{
	const struct dot1q_conf *conf = conf_of(encap->conf);
	char tpid[8];

	json_object_set_new(object, "vid", json_integer(conf->vid));
	json_object_set_new(object, "priority", json_integer(conf->priority));
	if (conf->outer_vid) {
		(void)snprintf(tpid, sizeof(tpid), "0x%04x", (unsigned)conf->outer_tpid);
		json_object_set_new(object, "outer_vid", json_integer(conf->outer_vid));
		json_object_set_new(object, "outer_tpid", json_string(tpid));
	}
	dot1q_show_io(encap, object);
	dot1q_show_mrp(encap, object);
}

const struct encap_ops dot1q_ops = {
    .type = "dot1q",
    .kind = ENCAP_DOT1Q,
    .schema = &dot1q_schema,
    .offloads = OFFLOAD_ALL,
    .has_hosts = false,
    .no_fragments = true,
    .check = dot1q_check,
    .key = dot1q_key,
    .key_sorts = true,
    .conflict = dot1q_conflict,
    .open = dot1q_open,
    .reconf = dot1q_reconf,
    .uplink_changed = dot1q_uplink_changed,
    .close = dot1q_close,
    .room = dot1q_room,
    .push = dot1q_push,
    .pop = dot1q_pop,
    .send = dot1q_send,
    .ready = dot1q_ready,
    .show = dot1q_show,
    .pdus = dot1q_pdus,
};
