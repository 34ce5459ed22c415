/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams from the wire: one byte of circumstances, then the VXLAN header and a
 * frame. What is accepted must be what some backend is there for, its bytes those
 * of the end of the datagram, and without a tag where none may be.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "encap/vxlan.h"
#include "lib/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

#define V4(a, b, c, d)                                                                             \
	{                                                                                          \
		.family = AF_INET, .bytes = { a, b, c, d }                                         \
	}
#define V6(first, last)                                                                            \
	{                                                                                          \
		.family = AF_INET6, .bytes = { first, 0x01, 0x0d, 0xb8, [15] = (last) }            \
	}

static const struct encap_uplink uplink = {
    .ifindex = 1,
    .addr = {V4(192, 0, 2, 1), V6(0x20, 1)},
    .prefix = {{V4(192, 0, 2, 0), 24}, {V6(0x20, 0), 64}},
    .prefixes = 2,
};

static struct ipaddr some_peers[] = {V4(198, 51, 100, 7), V6(0x20, 2)};

static struct backend {
	uint32_t vni;
	uint16_t port;
	bool tags;
	struct ipaddr group;
	unsigned peers;
	struct vxlan_conf conf;
	struct encap encap;
	struct vxlan vxlan;
} backends[] = {
    {.vni = 1, .port = VXLAN_PORT, .group = V4(239, 1, 1, 1)},
    {.vni = 2, .port = VXLAN_PORT, .peers = 2, .tags = true},
    {.vni = 2, .port = 8472, .group = V6(0xff, 1), .peers = 1},
    {.vni = 0xffffff, .port = VXLAN_PORT, .group = V4(239, 1, 1, 1), .tags = true},
};

/* What a datagram may have come from and gone to. */
static const struct ipaddr sources[] = {V4(192, 0, 2, 2), V4(198, 51, 100, 7), V6(0x20, 2),
					V4(192, 0, 2, 1)};
static const struct ipaddr destinations[] = {V4(192, 0, 2, 1), V4(239, 1, 1, 1), V6(0x20, 1),
					     V6(0xff, 1)};

static struct vxlan_table table;

static void init(struct backend *be)
{
	be->conf.vni = be->vni;
	be->conf.port = be->port;
	be->conf.remotes.group = be->group;
	be->conf.remotes.peers.items = some_peers;
	be->conf.remotes.peers.count = be->peers;
	be->encap.ops = &vxlan_ops;
	be->encap.uplink = &uplink;
	be->encap.conf = &be->conf.common;
	be->encap.state = &be->vxlan;
	be->encap.inner_tags = be->tags;
	be->vxlan.encap = &be->encap;
	be->vxlan.conf = &be->conf;
	CHECK(remotes_init(&be->vxlan.remotes, &be->conf.remotes) == 0);
	vxlan_table_add(&table, &be->vxlan);
}

static const struct backend *backend_of(const struct vxlan *vxlan)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (vxlan == &backends[i].vxlan)
			return &backends[i];
	}
	return NULL;
}

/* All that has to hold of a datagram that somebody gets. */
static void check_accepted(const struct backend *be, uint16_t port, const struct outer *outer,
			   const uint8_t *header)
{
	bool known = be->group.family == outer->src.family &&
		     (ipprefix_contains(&uplink.prefix[0], &outer->src) ||
		      ipprefix_contains(&uplink.prefix[1], &outer->src));

	for (unsigned i = 0; i < be->peers; i++)
		known |= ipaddr_equal(&some_peers[i], &outer->src);
	CHECK(known && port == be->port && outer->ifindex == uplink.ifindex);
	CHECK(header[0] & 0x08);
	CHECK(((uint32_t)header[4] << 16 | (uint32_t)header[5] << 8 | header[6]) == be->vni);
	CHECK(ipaddr_equal(&outer->dst, &uplink.addr[0]) ||
	      ipaddr_equal(&outer->dst, &uplink.addr[1]) || ipaddr_equal(&outer->dst, &be->group));
	CHECK(!ipaddr_equal(&outer->src, &uplink.addr[0]));
}

static void classify(struct frame *frame, uint16_t port, const struct outer *outer,
		     const uint8_t *data, size_t size)
{
	struct vxlan *blame, *vxlan;
	enum reason reason = REASON_COUNT;
	const struct backend *be;
	uint8_t want[VXLAN_HEADER_LEN];
	uint16_t tpid, tci;

	(void)vxlan_flow(frame);
	CHECK(frame->len == size && memcmp(frame->data, data, size) == 0);
	vxlan = vxlan_demux(&table, frame, port, outer, &reason, &blame);
	CHECK(!blame || backend_of(blame));
	if (!vxlan) {
		CHECK(reason > REASON_NONE && reason < REASON_COUNT);
		return;
	}
	be = backend_of(vxlan);
	CHECK(be && size >= VXLAN_HEADER_LEN);
	check_accepted(be, port, outer, data);
	reason = vxlan_ops.pop(&be->encap, frame);
	CHECK(frame->len == size - VXLAN_HEADER_LEN);
	CHECK(memcmp(frame->data, data + VXLAN_HEADER_LEN, frame->len) == 0);
	if (reason != REASON_NONE) {
		CHECK(reason == REASON_TAGGED && !be->tags && packet_tag(frame, &tpid, &tci));
		return;
	}
	CHECK(be->tags || !packet_tag(frame, &tpid, &tci) || (tci & 0xfff) == 0);
	CHECK(vxlan_ops.push(&be->encap, frame) == REASON_NONE);
	vxlan_header(be->vni, want);
	CHECK(frame->len == size && memcmp(frame->data, want, sizeof(want)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_pool *pool;
	struct frame_pool_usage usage;
	struct outer outer;
	struct frame *frame;
	uint8_t how;

	if (!pool) {
		pool = frame_pool_create(2, 2);
		CHECK(pool);
		for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
			init(&backends[i]);
	}
	if (size < 1 || size > FRAME_LARGE)
		return 0;
	how = data[0];
	memset(&outer, 0, sizeof(outer));
	outer.ifindex = how & 1 ? 2 : 1;
	outer.src = sources[how >> 2 & 3];
	outer.dst = destinations[how >> 4 & 3];
	outer.fragmented = how & 0x40;
	if (outer.src.family != outer.dst.family)
		return 0; /* no socket says so */
	frame = frame_alloc(pool, size - 1);
	CHECK(frame);
	memcpy(frame->data, data + 1, size - 1);
	frame->len = (uint32_t)size - 1;
	classify(frame, how & 2 ? 8472 : VXLAN_PORT, &outer, data + 1, size - 1);
	frame_free(frame);
	usage = frame_pool_usage(pool);
	CHECK(usage.frames_used == 0 && usage.small_used == 0 && usage.large_used == 0);
	return 0;
}
