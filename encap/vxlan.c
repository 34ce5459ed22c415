/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/vxlan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>

#include "encap/gso.h"
#include "lib/hash.h"
#include "lib/packet.h"

/* clang-format off */
static const struct conf_key vxlan_keys[] = {
	ENCAP_COMMON_KEYS(struct vxlan_conf),
	REMOTES_KEYS(struct vxlan_conf),
	{.name = "vni", .type = CONF_INT, .offset = offsetof(struct vxlan_conf, vni), .min = 1, .max = VXLAN_VNI_MAX, .required = true},
	{.name = "port", .type = CONF_INT, .offset = offsetof(struct vxlan_conf, port), .min = 1, .max = UDP_FIRST_SOURCE_PORT - 1, .initial = VXLAN_PORT},
	{.name = "ttl", .type = CONF_INT, .offset = offsetof(struct vxlan_conf, ttl), .min = 1, .max = 255},
	{.name = "clamp_mss", .type = CONF_BOOL, .offset = offsetof(struct vxlan_conf, clamp_mss), .initial = true},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema vxlan_schema = {
    .kind = "vxlan",
    .size = sizeof(struct vxlan_conf),
    .keys = vxlan_keys,
};

static const struct vxlan_conf *conf_of(const struct encap_conf *conf)
{
	return (const struct vxlan_conf *)conf;
}

static int vxlan_check(const struct encap_conf *common, int64_t id, struct err *err)
{
	const struct vxlan_conf *conf = conf_of(common);

	(void)id; /* of no use here: the VNI is the identifier */
	if (!ipaddr_is_set(&conf->remotes.group) && conf->remotes.peers.count == 0) {
		conf_fail(conf, err, "vxlan: it needs a `group` or `peers`");
		return -EINVAL;
	}
	return remotes_check(&conf->remotes, conf, "vxlan", err);
}

static uint64_t vxlan_key(const struct encap_conf *common, int64_t id)
{
	const struct vxlan_conf *conf = conf_of(common);

	(void)id;
	return (uint64_t)conf->port << 32 | (uint64_t)conf->vni;
}

/* The VNI alone says whose a frame is: sources may overlap, and a frame of one
 * segment must not turn up in another because a list has changed. */
static bool vxlan_conflict(const struct encap_conf *a, int64_t id_a, const struct encap_conf *b,
			   int64_t id_b)
{
	return vxlan_key(a, id_a) == vxlan_key(b, id_b) && strcmp(a->uplink, b->uplink) == 0;
}

/* ---- frames ---- */

void vxlan_header(uint32_t vni, uint8_t out[VXLAN_HEADER_LEN])
{
	memset(out, 0, VXLAN_HEADER_LEN);
	out[0] = VXLAN_FLAG_VNI;
	out[4] = (uint8_t)(vni >> 16);
	out[5] = (uint8_t)(vni >> 8);
	out[6] = (uint8_t)vni;
}

static uint32_t vni_of(const uint8_t header[VXLAN_HEADER_LEN])
{
	return (uint32_t)header[4] << 16 | (uint32_t)header[5] << 8 | header[6];
}

/* Whether a frame may not be in VXLAN because of its tag (RFC 7348 section 6.1). A
 * tag of VLAN 0 is no VLAN: the segment takes it off. */
static bool tag_forbids(const struct encap *encap, const struct frame *frame)
{
	uint16_t tpid, tci;

	return !encap->inner_tags && packet_tag(frame, &tpid, &tci) && (tci & 0xfff) != 0;
}

static size_t vxlan_room(const struct encap *encap, const struct ipaddr *peer)
{
	const struct vxlan *vxlan = encap->state;

	return remotes_room(&vxlan->remotes, encap->uplink, peer,
			    sizeof(struct udp_header) + VXLAN_HEADER_LEN);
}

static enum reason vxlan_push(const struct encap *encap, struct frame *frame)
{
	uint8_t *header;

	if (tag_forbids(encap, frame))
		return REASON_TAGGED;
	header = encap_push(frame, VXLAN_HEADER_LEN);
	if (!header)
		return REASON_NO_BUFFER;
	vxlan_header((uint32_t)conf_of(encap->conf)->vni, header);
	return REASON_NONE;
}

static enum reason vxlan_pop(const struct encap *encap, struct frame *frame)
{
	uint8_t header[VXLAN_HEADER_LEN];

	/* Every other bit of the first word, and the last byte, are to be ignored. */
	if (!frame_peek(frame, 0, sizeof(header), header) || !(header[0] & VXLAN_FLAG_VNI))
		return REASON_BAD_HEADER;
	if (vni_of(header) != (uint32_t)conf_of(encap->conf)->vni)
		return REASON_UNKNOWN_ID;
	(void)frame_pull(frame, VXLAN_HEADER_LEN);
	return tag_forbids(encap, frame) ? REASON_TAGGED : REASON_NONE;
}

unsigned vxlan_flow(const struct frame *frame)
{
	return udp_flow(frame, VXLAN_HEADER_LEN);
}

/* ---- whose a datagram is ---- */

/* Spreads also VNIs that are all multiples of something. */
static unsigned bucket_of(uint32_t vni)
{
	return (vni * 2654435769u) >> (32 - VXLAN_BUCKET_BITS);
}

void vxlan_table_add(struct vxlan_table *table, struct vxlan *vxlan)
{
	struct vxlan **bucket = &table->bucket[bucket_of((uint32_t)vxlan->conf->vni)];

	vxlan->next = *bucket;
	*bucket = vxlan;
}

void vxlan_table_del(struct vxlan_table *table, struct vxlan *vxlan)
{
	struct vxlan **p = &table->bucket[bucket_of((uint32_t)vxlan->conf->vni)];

	while (*p && *p != vxlan)
		p = &(*p)->next;
	if (*p)
		*p = vxlan->next;
}

struct vxlan *vxlan_demux(const struct vxlan_table *table, const struct frame *frame, uint16_t port,
			  const struct outer *outer, enum reason *reason, struct vxlan **blame)
{
	uint8_t header[VXLAN_HEADER_LEN];
	struct vxlan *found = NULL;
	uint32_t vni;

	*blame = NULL;
	*reason = REASON_BAD_HEADER;
	if (!frame_peek(frame, 0, sizeof(header), header) || !(header[0] & VXLAN_FLAG_VNI))
		return NULL;
	*reason = REASON_UNKNOWN_ID;
	vni = vni_of(header);
	/* The same VNI may be on several uplinks: the interface tells, and the one
	 * that it came in at is the one to blame. On one uplink a relay may have it twice:
	 * who names the source as its peer goes before who listens to a prefix. */
	for (struct vxlan *v = table->bucket[bucket_of(vni)]; v; v = v->next) {
		enum reason why;

		if (v->conf->vni != (int64_t)vni || v->conf->port != port)
			continue;
		why = remotes_accept(&v->remotes, v->encap->uplink, outer);
		if (why == REASON_NONE) {
			if (remotes_has_peer(&v->remotes, &outer->src))
				return v;
			found = found ? found : v;
			continue;
		}
		if (!*blame || outer->ifindex == v->encap->uplink->ifindex) {
			*blame = v;
			*reason = why;
		}
	}
	return found;
}

/* ---- the rest ---- */

static bool vxlan_ready(const struct encap *encap)
{
	const struct vxlan *vxlan = encap->state;

	return remotes_ready(&vxlan->remotes, encap->uplink);
}

static void vxlan_show(const struct encap *encap, json_t *object)
{
	const struct vxlan *vxlan = encap->state;

	json_object_set_new(object, "vni", json_integer(vxlan->conf->vni));
	json_object_set_new(object, "port", json_integer(vxlan->conf->port));
	remotes_show(&vxlan->remotes, object);
	json_object_set_new(object, "clamp_mss", json_boolean(vxlan->conf->clamp_mss));
	json_object_set_new(object, "reassembled", json_integer((json_int_t)vxlan->reassembled));
	json_object_set_new(object, "joined", json_boolean(vxlan->member.ifindex != 0));
}

static bool vxlan_reaches(const struct encap *encap, const struct ipaddr *host)
{
	const struct vxlan *vxlan = encap->state;

	return remotes_reach(&vxlan->remotes, encap->uplink, host);
}

static const struct ipaddr *vxlan_peers(const struct encap *encap, size_t *count)
{
	const struct vxlan *vxlan = encap->state;

	*count = vxlan->remotes.peer_count;
	return vxlan->remotes.peers;
}

/* A UDP port is one socket's. */
static bool vxlan_yield(struct encap *encap)
{
	(void)encap;
	return true;
}

const struct encap_ops vxlan_ops = {
    .type = "vxlan",
    .kind = ENCAP_VXLAN,
    .schema = &vxlan_schema,
    .offloads = OFFLOAD_NONE,
    .has_hosts = true,
    .no_fragments = true, /* RFC 7348 section 4.3 */
    .check = vxlan_check,
    .key = vxlan_key,
    .conflict = vxlan_conflict,
    .open = vxlan_open,
    .reconf = vxlan_reconf,
    .uplink_changed = vxlan_uplink_changed,
    .yield = vxlan_yield,
    .close = vxlan_close,
    .room = vxlan_room,
    .push = vxlan_push,
    .pop = vxlan_pop,
    .send = vxlan_send,
    .ready = vxlan_ready,
    .show = vxlan_show,
    .reaches = vxlan_reaches,
    .peers = vxlan_peers,
};
