// SPDX-License-Identifier: BSD-2-Clause
//
// The pure parts of forwarding, each done many times, for a tool that counts
// instructions: unlike times, their number is the same in every run. Part of the
// bench, which runs
//
//	valgrind --tool=callgrind --toggle-collect=work instructions PART TIMES
//
// Frames are of 1400 bytes of IPv4 and TCP; segmentation and merging count per segment
// of a superframe of 44.
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encap/etherip.h"
#include "encap/gro.h"
#include "encap/gso.h"
#include "learn/fdb.h"
#include "lib/packet.h"
#include "switchd/policy/conn.h"
#include "switchd/policy/decide.h"
#include "test/unit/craft.h"

#define SEGMENTS 44u
#define PAYLOAD	 1388u
#define STATIONS 1000u
#define SEGMENT	 1u
#define ACROSS	 2u // the segment behind a controlled junction
#define OTHERS	 50000u

static struct frame_pool *pool;
static struct craft c;
static struct frame *superframe, *segment[SEGMENTS];
static unsigned segments;
static struct fdb *fdb;
static struct encap encap;
static struct etherip_conf etherip_conf;
static struct conns *conns;
static struct half half = {.name = "bench", .kind = HALF_CONTROLLED};
static const struct fdb_where place = {.side = FDB_SIDE_LOCAL, .port = 1};

void work(void (*part)(unsigned), unsigned times);

static void need(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "instructions: %s\n", what);
	exit(1);
}

// ---- the parts ----

static void parse(unsigned n)
{
	struct packet packet;

	need(packet_parse(segment[n % segments], &packet), "parse");
}

static struct mac station(unsigned n)
{
	n %= STATIONS;
	return (struct mac){{0x02, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

static void learn(unsigned n)
{
	struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = n % STATIONS % 10};
	struct mac mac = station(n);

	need(fdb_learn(fdb, SEGMENT, &mac, &where, 2) == FDB_KNOWN, "learn");
}

static void lookup(unsigned n)
{
	struct mac mac = station(n);

	need(fdb_lookup(fdb, SEGMENT, &mac, 2) != NULL, "lookup");
}

static void push(unsigned n)
{
	struct frame *frame = segment[n % segments];

	need(etherip_ops.push(&encap, frame) == REASON_NONE, "push");
	need(etherip_ops.pop(&encap, frame) == REASON_NONE, "pop");
}

// A frame of an established connection among many, its headers read included.
static void cross(struct frame *frame, enum decision_by by)
{
	const struct crossing crossing = {.out = &half, .in = &half};
	struct packet packet;
	const struct crossing_frame cf = {
	    .frame = frame,
	    .packet = &packet,
	    .from = SEGMENT,
	    .to = ACROSS,
	    .sender = &place,
	    .now = 1000,
	};
	struct decision decision;

	need(packet_parse(frame, &packet), "parse");
	decision = decide(conns, &crossing, &cf);
	need(decision.reason == REASON_NONE && decision.by == by, "decide");
}

static void known(unsigned n)
{
	cross(segment[n % segments], DECISION_BY_CONNECTION);
}

static void discard(void *arg, struct frame *frame)
{
	(void)arg;
	frame_free(frame);
}

static void cut(unsigned n)
{
	enum reason reason;

	(void)n;
	need(gso_segment(pool, frame_clone(superframe), PAYLOAD, discard, NULL, &reason) ==
		 SEGMENTS,
	     "segment");
}

static void merge(unsigned n)
{
	static struct gro gro;
	struct frame_batch batch = {0};

	(void)n;
	for (unsigned i = 0; i < segments; i++)
		need(gro_add(&gro, pool, &batch, frame_clone(segment[i])) != GRO_NO_BUFFER,
		     "merge");
	gro_finish(&gro, &batch);
	need(batch.count == 1, "merge all");
	frame_batch_free(&batch);
}

static const struct {
	const char *name;
	void (*run)(unsigned);
	unsigned frames; // of one call
} parts[] = {
    {"parse", parse, 1}, {"learn", learn, 1},	     {"lookup", lookup, 1},
    {"push", push, 1},	 {"segment", cut, SEGMENTS}, {"merge", merge, SEGMENTS},
    {"known", known, 1},
};

// ---- what they work on ----

static void collect(void *arg, struct frame *frame)
{
	(void)arg;
	segment[segments++] = frame;
}

static void make_frames(void)
{
	size_t l4_len = 32 + SEGMENTS * (size_t)PAYLOAD, l3;
	enum reason reason;

	craft_eth(&c, ETHERTYPE_IPV4);
	l3 = craft_ipv4(&c, IPPROTO_TCP, 0, l4_len);
	craft_put16(&c, l3 + 6, 0x4000);
	craft_put16(&c, l3 + 10, ~naive_sum(0, c.b + l3, c.len - l3) & 0xffff);
	craft_tcp(&c, 0x10, 3, 1);
	craft_put16(&c, l3 + 36,
		    naive_pseudo(c.b + l3 + 12, c.b + l3 + 16, 4, IPPROTO_TCP, l4_len));
	for (unsigned i = 0; i < SEGMENTS * PAYLOAD; i++)
		craft_u8(&c, i * 31 >> 3 & 0xff);
	superframe = craft_frame(pool, &c);
	need(superframe != NULL, "no frame");
	superframe->offload = (struct frame_offload){.csum_partial = true,
						     .gso = FRAME_GSO_TCP4,
						     .gso_size = PAYLOAD,
						     .csum_start = (uint16_t)(l3 + 20),
						     .csum_offset = 16};
	need(offload_check(superframe) == REASON_NONE, "the superframe is refused");
	gso_segment(pool, frame_clone(superframe), PAYLOAD, collect, NULL, &reason);
	need(segments == SEGMENTS, "no segments");
}

static void make_table(void)
{
	static const struct hash_key key = {{1, 2}};
	static const struct fdb_limits limits = {
	    .max = STATIONS, .holder_max = STATIONS, .remote_max = STATIONS};

	fdb = fdb_create(&key, STATIONS);
	need(fdb && fdb_segment_set(fdb, SEGMENT, &limits) == 0, "no table");
	for (unsigned n = 0; n < STATIONS; n++) {
		struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = n % 10};
		struct mac mac = station(n);

		need(fdb_learn(fdb, SEGMENT, &mac, &where, 1) == FDB_NEW, "fill");
	}
}

static void make_connections(void)
{
	// Two that do not match come first, as in most lists.
	static const struct rule_spec specs[] = {
	    {.filter = "arp", .stateful = true},
	    {.filter = "udp dst port 53 and dst net 10.3.0.0/24", .stateful = true},
	    {.filter = "tcp dst port 443", .stateful = true, .pickup = true},
	};
	static const struct hash_key key = {{3, 4}};
	static const struct conn_limits limits = {.max = 65536, .guest_max = 65536};
	static const struct conn_grant grant = {{CONN_WORD_AUDIT, CONN_WORD_AUDIT}, {NULL, NULL}};

	conns = conns_create(&key, &limits);
	half.rules = rules_create(specs, 3, NULL);
	need(conns && half.rules, "no connections");
	for (unsigned n = 0; n < OTHERS; n++) {
		struct flow_info flow = {.kind = FLOW_KIND_UDP, .family = 2, .protocol = 17};

		memcpy(flow.src.addr, &n, sizeof(n));
		(void)conns_open(conns, &flow, SEGMENT, ACROSS, &place, &grant, 60, 1000);
	}
	cross(segment[0], DECISION_BY_RULE);
}

// What is counted.
__attribute__((noinline)) void work(void (*part)(unsigned), unsigned times)
{
	for (unsigned n = 0; n < times; n++)
		part(n);
}

int main(int argc, char **argv)
{
	unsigned times = argc == 3 ? (unsigned)atoi(argv[2]) : 0;

	pool = frame_pool_create(256, 8);
	need(pool != NULL, "no pool");
	make_frames();
	make_table();
	make_connections();
	encap = (struct encap){.ops = &etherip_ops, .conf = &etherip_conf.common, .network_id = 1};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!times || strcmp(argv[1], parts[i].name) != 0)
			continue;
		work(parts[i].run, times);
		printf("{\"frames\": %u}\n", times * parts[i].frames);
		return 0;
	}
	fprintf(stderr, "usage: instructions parse|learn|lookup|push|segment|merge|known TIMES\n");
	return 2;
}
