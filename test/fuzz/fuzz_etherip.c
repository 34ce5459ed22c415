/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams from the wire: one byte of circumstances, then an outer IPv4 header or
 * not, the EtherIP header and a frame. What is accepted must be what some backend
 * is there for, and its bytes those of the end of the datagram.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "encap/etherip.h"

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
#define V6(last)                                                                                   \
	{                                                                                          \
		.family = AF_INET6, .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = (last) }             \
	}

static const struct encap_uplink uplink = {
    .ifindex = 1,
    .addr = {V4(192, 0, 2, 1), V6(1)},
    .prefix = {{V4(192, 0, 2, 0), 24}, {V6(0), 64}},
    .prefixes = 2,
};

/* Sorted. */
static struct ipaddr some_peers[] = {V4(192, 0, 2, 2), V4(198, 51, 100, 7), V6(2)};
static struct ipaddr plain_peers[] = {V4(192, 0, 2, 3), V6(3)};
static struct ipaddr swapped_peers[] = {V4(192, 0, 2, 4)};
static struct ipprefix some_sources[] = {{V4(10, 0, 0, 0), 8}};

static struct backend {
	uint16_t id;
	int nibbles, oversize;
	bool group;
	struct ipaddr *peers;
	unsigned peer_count;
	struct ipprefix *sources;
	struct etherip_conf conf;
	struct encap encap;
	struct etherip etherip;
} backends[] = {
    {.id = 1, .group = true},
    {.id = 2, .peers = some_peers, .peer_count = 3},
    {.id = 0x303, .nibbles = NIBBLES_SWAPPED, .group = true},
    {.id = 0x303, .peers = some_peers, .peer_count = 3, .oversize = OVERSIZE_DROP},
    {.id = 0, .peers = plain_peers, .peer_count = 2},
    {.id = 0, .nibbles = NIBBLES_SWAPPED, .peers = swapped_peers, .peer_count = 1},
    {.id = 0xfff, .group = true, .sources = some_sources},
};

static struct etherip_table table;

static void init(struct backend *be)
{
	be->conf.nibbles = be->nibbles;
	be->conf.oversize = be->oversize;
	be->conf.remotes.sources.items = be->sources;
	be->conf.remotes.sources.count = be->sources ? 1 : 0;
	be->encap.ops = &etherip_ops;
	be->encap.uplink = &uplink;
	be->encap.conf = &be->conf.common;
	be->encap.state = &be->etherip;
	be->encap.network_id = be->id;
	be->etherip.encap = &be->encap;
	be->etherip.conf = &be->conf;
	be->etherip.remotes.conf = &be->conf.remotes;
	be->etherip.remotes.peers = be->peers;
	be->etherip.remotes.peer_count = be->peer_count;
	if (be->group)
		be->etherip.remotes.group = etherip_group(AF_INET, be->id);
	CHECK(etherip_table_add(&table, &be->etherip) == 0);
}

static bool is_backend(const struct etherip *etherip)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (etherip == &backends[i].etherip)
			return true;
	}
	return false;
}

/* All that has to hold of a datagram that somebody gets. */
static void check_accepted(const struct etherip *etherip, const struct outer *outer,
			   const uint8_t *header)
{
	const struct backend *be =
	    (const struct backend *)(const void *)((const char *)etherip -
						   offsetof(struct backend, etherip));
	uint8_t want[ETHERIP_HEADER_LEN];
	bool known = false;

	etherip_header(be->id, (enum etherip_nibbles)be->nibbles, want);
	CHECK(memcmp(header, want, sizeof(want)) == 0);
	CHECK(outer->ifindex == uplink.ifindex);
	CHECK(!outer->fragmented || be->oversize != OVERSIZE_DROP);
	CHECK(ipaddr_equal(&outer->dst, &uplink.addr[0]) ||
	      ipaddr_equal(&outer->dst, &uplink.addr[1]) ||
	      (be->group && ipaddr_equal(&outer->dst, &etherip->remotes.group)));
	CHECK(!ipaddr_equal(&outer->src, &uplink.addr[0]));
	for (unsigned i = 0; i < be->peer_count; i++)
		known |= ipaddr_equal(&outer->src, &be->peers[i]);
	if (be->group && be->sources)
		known |= ipprefix_contains(be->sources, &outer->src);
	else if (be->group)
		known |= ipprefix_contains(&uplink.prefix[0], &outer->src) ||
			 ipprefix_contains(&uplink.prefix[1], &outer->src);
	CHECK(known);
}

static void classify(struct frame *frame, struct outer *outer, bool four, const uint8_t *data,
		     size_t size)
{
	uint8_t header[ETHERIP_HEADER_LEN];
	struct etherip *etherip, *blame = NULL;
	enum reason reason = REASON_COUNT;
	size_t start = 0, end = size;

	if (four) {
		enum reason bad = etherip_pull_ipv4(frame, outer);

		if (bad != REASON_NONE) {
			CHECK(bad == REASON_BAD_HEADER && frame->len == size);
			return;
		}
		start = (data[0] & 0x0fu) * 4u;
		end = (size_t)data[2] << 8 | data[3];
		CHECK(end <= size && start <= end && frame->len == end - start);
	}
	etherip = etherip_demux(&table, frame, 0, outer, &reason, &blame);
	CHECK(!blame || is_backend(blame));
	if (!etherip) {
		CHECK(reason > REASON_NONE && reason < REASON_COUNT);
		return;
	}
	CHECK(is_backend(etherip) && frame_peek(frame, 0, sizeof(header), header));
	check_accepted(etherip, outer, header);
	CHECK(etherip->encap->ops->pop(etherip->encap, frame) == REASON_NONE);
	CHECK(frame->len == end - start - ETHERIP_HEADER_LEN);
	CHECK(memcmp(frame->data, data + start + ETHERIP_HEADER_LEN, frame->len) == 0);
	CHECK(etherip->encap->ops->push(etherip->encap, frame) == REASON_NONE);
	CHECK(memcmp(frame->data, header, sizeof(header)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_pool *pool;
	struct outer outer;
	struct frame_pool_usage usage;
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
	outer.fragmented = how & 2;
	if (how & 4) { /* what the socket says of IPv6 */
		outer.src = (struct ipaddr)V6((uint8_t)(how >> 4));
		outer.dst = how & 8 ? (struct ipaddr)V6(1) : etherip_group(AF_INET6, 1);
	}
	frame = frame_alloc(pool, size - 1);
	CHECK(frame);
	memcpy(frame->data, data + 1, size - 1);
	frame->len = (uint32_t)size - 1;
	classify(frame, &outer, !(how & 4), data + 1, size - 1);
	frame_free(frame);
	usage = frame_pool_usage(pool);
	CHECK(usage.frames_used == 0 && usage.small_used == 0 && usage.large_used == 0);
	return 0;
}
