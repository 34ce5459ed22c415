/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trunk ports in the pipeline: a router between segments, who hears whom, what
 * becomes of superframes under a tag, and what each segment keeps to itself. The
 * tables of tags are in test_tags.c, changes of the list in test_commit.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <netinet/in.h>

#include "lib/packet.h"
#include "switchd/capture.h"
#include "test/unit/craft.h"
#include "test/unit/switch_fixture.h"

static struct fx fx;
static struct segment *alpha, *beta, *native;
static struct fx_port *a, *b, *n; /* a guest in each */
static struct fx_port *r;	  /* the router: alpha is 101, beta 102 */
static struct fx_encap *wire;	  /* of alpha */

#define TRUNK_AB                                                                                   \
	"{\"trunk\": [{\"vid\": 102, \"segment\": \"beta\"}, {\"vid\": 101, \"segment\": "         \
	"\"alpha\"}]}"

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

#define A fx_mac(0xa)
#define B fx_mac(0xb)
#define R fx_mac(0x7)
#define X fx_mac(0xe) /* nobody's */

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	alpha = fx_segment(&fx, "alpha", "");
	beta = fx_segment(&fx, "beta", "");
	native = fx_segment(&fx, "native", "");
	a = fx_port(&fx, alpha, "a", "");
	b = fx_port(&fx, beta, "b", "");
	n = fx_port(&fx, native, "n", "");
	r = fx_port(&fx, native, "r", TRUNK_AB);
	wire = fx_encap(&fx, alpha);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(fx_pool_empty(&fx));
	fx_close(&fx);
	return 0;
}

/* Puts a tag into the bytes of a frame. */
static struct frame *tagged(unsigned vid, struct frame *frame)
{
	frame->tag = (struct frame_tag){ETHERTYPE_CTAG, (uint16_t)vid};
	FX_CHECK(packet_tag_put(frame));
	return frame;
}

static void assert_got(unsigned at_a, unsigned at_b, unsigned at_n, unsigned at_r, unsigned at_wire)
{
	assert_int_equal(a->log.count, at_a);
	assert_int_equal(b->log.count, at_b);
	assert_int_equal(n->log.count, at_n);
	assert_int_equal(r->log.count, at_r);
	assert_int_equal(wire->log.count, at_wire);
}

/* What was sent is the frame that fx_ether() makes, with this VLAN's tag; 0: none. */
static void assert_is(const struct fx_sent *sent, unsigned vid, struct mac dst, struct mac src,
		      size_t len)
{
	struct frame *want = fx_ether(&fx, dst, src, len);

	if (vid)
		tagged(vid, want);
	assert_int_equal(sent->len, want->len);
	assert_memory_equal(sent->bytes, want->data, want->len);
	assert_int_equal(sent->tag.tpid, 0);
	frame_free(want);
}

static void assert_dropped(struct fx_port *from, struct frame *frame, enum reason reason)
{
	const uint64_t *drops = from->port->stats.rx_drops;
	uint64_t before = drops[reason], all = fx_drops(drops);

	fx_forget(&fx);
	fx_send(from, frame);
	assert_int_equal(drops[reason], before + 1);
	assert_int_equal(fx_drops(drops), all + 1);
	assert_int_equal(fx_total(&fx), 0);
}

static const struct fdb_where *lookup(const struct segment *segment, struct mac mac)
{
	return fdb_lookup(fx.sw.fdb, segment->number, &mac, fx.sw.now);
}

/* The keys of a port as they are, with those of the text instead. */
static void reconf(struct fx_port *fp, const char *text)
{
	json_t *json = conf_to_json(fp->port->ops->schema, fp->port->conf);
	json_t *change = json_loads(text, 0, NULL);
	struct port_conf conf;
	struct err err = {""};

	FX_CHECK(json && change && json_object_update(json, change) == 0);
	memset(&conf, 0, sizeof(conf));
	if (!conf_parse_json(fp->port->ops->schema, json, &conf, &err))
		fail_msg("%s", err.text);
	conf.owner = OWNER_FILE;
	port_reconf(fp->port, &conf);
	conf_clear(fp->port->ops->schema, &conf);
	json_decref(change);
	json_decref(json);
}

/* ---- who hears whom ---- */

static void broadcasts_stay_in_the_vlan_they_came_in(void **state)
{
	(void)state;
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	assert_got(1, 0, 0, 0, 1);
	assert_is(&a->log.sent[0], 0, broadcast, R, 64);
	assert_is(&wire->log.sent[0], 0, broadcast, R, 64);
	fx_forget(&fx);
	fx_send(r, tagged(102, fx_ether(&fx, broadcast, R, 64)));
	assert_got(0, 1, 0, 0, 0);
	assert_is(&b->log.sent[0], 0, broadcast, R, 64);
	fx_forget(&fx);
	fx_send(r, fx_ether(&fx, broadcast, R, 64));
	assert_got(0, 0, 1, 0, 0);
}

static void what_goes_to_the_router_has_the_tag_of_its_segment(void **state)
{
	(void)state;
	fx_send(a, fx_ether(&fx, broadcast, A, 64));
	fx_send(b, fx_ether(&fx, broadcast, B, 64));
	fx_send(n, fx_ether(&fx, broadcast, X, 64));
	fx_receive(wire, 1, fx_ether(&fx, broadcast, fx_mac(9), 1500));
	assert_int_equal(r->log.count, 4);
	assert_is(&r->log.sent[0], 101, broadcast, A, 64);
	assert_is(&r->log.sent[1], 102, broadcast, B, 64);
	assert_is(&r->log.sent[2], 0, broadcast, X, 64);
	assert_is(&r->log.sent[3], 101, broadcast, fx_mac(9), 1500);
	/* The bytes that others shared have no tag. */
	assert_is(&wire->log.sent[0], 0, broadcast, A, 64);
	assert_is(&a->log.sent[0], 0, broadcast, fx_mac(9), 1500);
}

/* The same address in each segment, as VLAN interfaces have it that share a NIC. */
static void a_router_is_known_in_each_segment_by_itself(void **state)
{
	(void)state;
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	assert_int_equal(lookup(alpha, R)->port, r->port->number);
	assert_null(lookup(beta, R));
	assert_null(lookup(native, R));
	fx_send(r, tagged(102, fx_ether(&fx, broadcast, R, 64)));
	fx_send(a, fx_ether(&fx, broadcast, A, 64));
	fx_send(b, fx_ether(&fx, broadcast, B, 64));
	fx_forget(&fx);
	/* From alpha to the router, and from it into beta. */
	fx_send(a, fx_ether(&fx, R, A, 100));
	assert_got(0, 0, 0, 1, 0);
	assert_is(&r->log.sent[0], 101, R, A, 100);
	fx_send(r, tagged(102, fx_ether(&fx, B, R, 100)));
	assert_got(0, 1, 0, 1, 0);
	assert_is(&b->log.sent[0], 0, B, R, 100);
	/* Nobody of beta is in alpha: unknown there. */
	fx_forget(&fx);
	fx_send(r, tagged(101, fx_ether(&fx, B, R, 100)));
	assert_got(1, 0, 0, 0, 1);
	assert_int_equal(fdb_segment_counters(fx.sw.fdb, alpha->number).moved, 0);
	assert_int_equal(fdb_segment_counters(fx.sw.fdb, beta->number).moved, 0);
}

static void nothing_comes_back_in_another_vlan(void **state)
{
	(void)state;
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, X, 64)));
	assert_dropped(r, tagged(101, fx_ether(&fx, X, R, 64)), REASON_SAME_PORT);
	fx_forget(&fx);
	fx_send(r, tagged(102, fx_ether(&fx, X, R, 64)));
	assert_got(0, 1, 0, 0, 0);
}

static void counters_of_the_port_count_all_segments(void **state)
{
	(void)state;
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	fx_send(r, tagged(102, fx_ether(&fx, broadcast, R, 64)));
	fx_send(r, fx_ether(&fx, broadcast, R, 64));
	fx_send(r, tagged(103, fx_ether(&fx, broadcast, R, 64)));
	assert_int_equal(r->port->stats.rx_frames, 4);
	assert_int_equal(r->port->stats.rx_bytes, 3 * 68 + 64);
	assert_int_equal(r->port->stats.rx_drops[REASON_TAGGED], 1);
}

/* ---- what else is per port, per segment ---- */

static void locked_and_isolated_hold_in_every_segment(void **state)
{
	(void)state;
	reconf(a, "{\"isolated\": true}");
	reconf(r, "{\"isolated\": true}");
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	assert_got(0, 0, 0, 0, 1);
	fx_forget(&fx);
	fx_send(r, tagged(102, fx_ether(&fx, broadcast, R, 64)));
	assert_got(0, 1, 0, 0, 0);
	reconf(r, "{\"state\": \"locked\"}");
	assert_null(lookup(alpha, R));
	assert_null(lookup(beta, R));
	assert_dropped(r, tagged(101, fx_ether(&fx, broadcast, R, 64)), REASON_LOCKED);
	assert_dropped(r, tagged(102, fx_ether(&fx, broadcast, R, 64)), REASON_LOCKED);
	assert_dropped(r, fx_ether(&fx, broadcast, R, 64), REASON_LOCKED);
	assert_dropped(b, fx_ether(&fx, broadcast, B, 64), REASON_LOCKED);
}

/* An ARP answer that says "address is at mac", under a tag. */
static struct frame *arp_frame(unsigned vid, struct mac mac, uint8_t last)
{
	struct eth_header eth = {.dst = broadcast, .src = mac, .type = htons(ETHERTYPE_ARP)};
	struct arp_header arp = {
	    .hardware = htons(1),
	    .protocol = htons(ETHERTYPE_IPV4),
	    .hardware_len = MAC_LEN,
	    .protocol_len = 4,
	    .operation = htons(2),
	    .sender_mac = mac,
	    .sender_ip = {10, 0, 0, last},
	};
	uint8_t bytes[sizeof(eth) + sizeof(arp)];

	memcpy(bytes, &eth, sizeof(eth));
	memcpy(bytes + sizeof(eth), &arp, sizeof(arp));
	return tagged(vid, fx_frame(&fx, bytes, sizeof(bytes)));
}

static void admission_sees_behind_the_tag(void **state)
{
	(void)state;
	reconf(r, "{\"macs\": \"02:00:00:00:00:07\", \"addresses\": \"10.0.0.7\","
		  " \"guard\": {\"arp\": true}}");
	assert_dropped(r, tagged(101, fx_ether(&fx, broadcast, X, 64)), REASON_GUARD_MAC);
	assert_dropped(r, arp_frame(101, R, 8), REASON_GUARD_ARP);
	assert_dropped(r, arp_frame(102, R, 8), REASON_GUARD_ARP);
	assert_null(lookup(alpha, R));
	fx_send(r, arp_frame(101, R, 7));
	assert_got(1, 0, 0, 0, 1);
	assert_int_equal(a->log.sent[0].len, 42);
}

static void each_segment_has_its_own_storm_limit(void **state)
{
	uint64_t *storm = &r->port->stats.rx_drops[REASON_STORM];

	(void)state;
	alpha->conf.storm = 1;
	beta->conf.storm = 1000;
	for (unsigned i = 0; i < 100; i++)
		fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	assert_int_equal(a->log.count, 16);
	assert_int_equal(*storm, 84);
	/* Used up there, and here as much as there always is. */
	for (unsigned i = 0; i < 250; i++) {
		fx_send(r, tagged(102, fx_ether(&fx, broadcast, R, 64)));
		fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	}
	assert_int_equal(b->log.count, 250);
	assert_int_equal(a->log.count, 16);
	/* Another VID of the same segment is no new beginning. */
	reconf(r, "{\"trunk\": [{\"vid\": 7, \"segment\": \"alpha\"}]}");
	fx_send(r, tagged(7, fx_ether(&fx, broadcast, R, 64)));
	assert_int_equal(a->log.count, 16);
}

/* ---- changes ---- */

static void a_vlan_that_goes_leaves_the_others(void **state)
{
	void *opened = r->port->state;

	(void)state;
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	fx_send(r, tagged(102, fx_ether(&fx, broadcast, R, 64)));
	reconf(r, "{\"trunk\": [{\"vid\": 101, \"segment\": \"alpha\"}]}");
	assert_ptr_equal(r->port->state, opened);
	assert_non_null(lookup(alpha, R));
	assert_null(lookup(beta, R));
	assert_dropped(r, tagged(102, fx_ether(&fx, broadcast, R, 64)), REASON_TAGGED);
	assert_dropped(b, fx_ether(&fx, broadcast, B, 64), REASON_NO_RECEIVER);
	fx_send(a, fx_ether(&fx, R, A, 64));
	assert_got(0, 0, 0, 1, 0);
	assert_is(&r->log.sent[0], 101, R, A, 64);
	/* By another number from now on: the station is where it was. */
	reconf(r, "{\"trunk\": [{\"vid\": 4094, \"segment\": \"alpha\"}]}");
	fx_forget(&fx);
	fx_send(a, fx_ether(&fx, R, A, 64));
	assert_is(&r->log.sent[0], 4094, R, A, 64);
}

/* What was queued under the former list goes out as it was meant. */
static void frames_that_are_queued_keep_their_tag(void **state)
{
	(void)state;
	fx_queue(a, fx_ether(&fx, broadcast, A, 64));
	reconf(r, "{\"trunk\": [{\"vid\": 5, \"segment\": \"alpha\"}]}");
	assert_int_equal(r->log.count, 1);
	assert_is(&r->log.sent[0], 101, broadcast, A, 64);
	egress_flush(&fx.sw);
}

static void a_segment_that_is_joined_is_told_of_the_station(void **state)
{
	struct eth_header eth;

	(void)state;
	r->port->mac = R;
	reconf(r, "{\"trunk\": [{\"vid\": 102, \"segment\": \"beta\"}]}");
	egress_flush(&fx.sw);
	assert_int_equal(fx_total(&fx), 0);
	reconf(r, TRUNK_AB);
	egress_flush(&fx.sw);
	assert_got(0, 0, 0, 0, 1);
	memcpy(&eth, wire->log.sent[0].bytes, sizeof(eth));
	assert_int_equal(ntohs(eth.type), ETHERTYPE_RARP);
	assert_memory_equal(&eth.src, &r->port->mac, MAC_LEN);
}

/* ---- superframes ---- */

#define PAYLOAD 2500u
#define SIZE	1000u

/* A TCP superframe as a guest leaves it: the field holds the pseudo-header's sum. */
static struct frame *super_frame(struct mac dst, struct mac src)
{
	static struct craft super;
	struct frame *frame;
	unsigned sum;
	size_t ip;

	craft_eth(&super, ETHERTYPE_IPV4);
	memcpy(super.b, &dst, MAC_LEN);
	memcpy(super.b + MAC_LEN, &src, MAC_LEN);
	ip = craft_ipv4(&super, IPPROTO_TCP, 0, 20 + PAYLOAD);
	craft_tcp(&super, 0x18, 0, 1000);
	for (unsigned i = 0; i < PAYLOAD; i++)
		craft_u8(&super, (i * 13) & 0xff);
	sum = naive_pseudo(super.b + ip + 12, super.b + ip + 16, 4, IPPROTO_TCP, 20 + PAYLOAD);
	craft_put16(&super, ip + 20 + 16, sum);
	frame = craft_frame(fx.sw.pool, &super);
	FX_CHECK(frame);
	frame->offload = (struct frame_offload){
	    .csum_partial = true,
	    .gso = FRAME_GSO_TCP4,
	    .gso_size = SIZE,
	    .csum_start = 34,
	    .csum_offset = 16,
	};
	return frame;
}

/* Whole, with the offsets where they are behind this many bytes of tags. */
static void assert_whole(const struct fx_log *log, size_t tags)
{
	assert_int_equal(log->count, 1);
	assert_int_equal(log->sent[0].len, 54 + PAYLOAD + tags);
	assert_true(log->sent[0].offload.csum_partial);
	assert_int_equal(log->sent[0].offload.gso, FRAME_GSO_TCP4);
	assert_int_equal(log->sent[0].offload.gso_size, SIZE);
	assert_int_equal(log->sent[0].offload.csum_start, 34 + tags);
}

/* Cut into pieces that are right to the last bit, each with its tag. */
static void assert_pieces(const struct fx_log *log, uint32_t tag)
{
	size_t tags = tag ? VLAN_TAG_LEN : 0, seen = 0;

	assert_int_equal(log->count, (PAYLOAD + SIZE - 1) / SIZE);
	for (unsigned i = 0; i < log->count; i++) {
		const struct fx_sent *sent = &log->sent[i];
		const uint8_t *ip = sent->bytes + 14 + tags;
		size_t payload = sent->len - tags - 54;

		if (tag)
			assert_int_equal(get32(sent->bytes + 12), tag);
		assert_int_equal(get16(ip - 2), ETHERTYPE_IPV4);
		assert_int_equal(get16(ip + 2), 40 + payload);
		assert_int_equal(get32(ip + 24), 1000 + seen);
		assert_false(sent->offload.csum_partial);
		assert_int_equal(
		    naive_sum(naive_pseudo(ip + 12, ip + 16, 4, IPPROTO_TCP, 20 + payload), ip + 20,
			      20 + payload),
		    0xffff);
		seen += payload;
	}
	assert_int_equal(seen, PAYLOAD);
}

static void a_superframe_goes_out_whole_under_its_tag(void **state)
{
	(void)state;
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	fx_forget(&fx);
	r->port->offloads = OFFLOAD_ALL;
	fx_send(a, super_frame(R, A));
	assert_got(0, 0, 0, 1, 0);
	assert_whole(&r->log, VLAN_TAG_LEN);
	assert_int_equal(get32(r->log.sent[0].bytes + 12), 0x81000065);
}

static void for_a_guest_that_takes_none_each_piece_has_the_tag(void **state)
{
	(void)state;
	fx_send(a, super_frame(broadcast, A));
	assert_pieces(&r->log, 0x81000065);
}

static void a_superframe_under_a_tag_comes_in_right(void **state)
{
	(void)state;
	a->port->offloads = OFFLOAD_ALL;
	fx_send(r, tagged(101, super_frame(broadcast, R)));
	assert_whole(&a->log, 0);
	assert_int_equal(get16(a->log.sent[0].bytes + 12), ETHERTYPE_IPV4);
	a->port->offloads = OFFLOAD_NONE;
	fx_forget(&fx);
	fx_send(r, tagged(101, super_frame(broadcast, R)));
	assert_pieces(&a->log, 0);
	/* With the tag beside the bytes, the offsets are as they are without. */
	fx_forget(&fx);
	{
		struct frame *frame = super_frame(broadcast, R);

		frame->tag = (struct frame_tag){ETHERTYPE_CTAG, 101};
		fx_send(r, frame);
	}
	assert_pieces(&a->log, 0);
}

static void from_router_to_router_the_tag_is_exchanged(void **state)
{
	struct fx_port *q =
	    fx_port(&fx, NULL, "q", "{\"trunk\": [{\"vid\": 7, \"segment\": \"alpha\"}]}");

	(void)state;
	q->port->offloads = OFFLOAD_ALL;
	fx_send(r, tagged(101, super_frame(broadcast, R)));
	assert_whole(&q->log, VLAN_TAG_LEN);
	assert_int_equal(get32(q->log.sent[0].bytes + 12), 0x81000007);
	assert_pieces(&a->log, 0);
}

/* Offsets that point into the tag, or that the shift would take below zero. */
static void claims_about_the_tag_itself_are_refused(void **state)
{
	static const uint16_t starts[] = {0, 3, 4, 12, 14, 16, 17, 37, 39, 65535};

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct frame *frame = tagged(101, super_frame(broadcast, R));

		frame->offload.csum_start = starts[i];
		assert_dropped(r, frame, REASON_BAD_OFFLOAD);
	}
}

/* Two who want tags in bytes that they share, and no buffer for the first: the second
 * has them alone then. */
static void without_a_buffer_for_the_tag_the_frame_is_dropped(void **state)
{
	struct fx_port *q =
	    fx_port(&fx, NULL, "q", "{\"trunk\": [{\"vid\": 7, \"segment\": \"alpha\"}]}");
	struct frame *taken[8];
	unsigned count = 0;

	(void)state;
	frame_pool_destroy(fx.sw.pool);
	fx.sw.pool = frame_pool_create(4, 1);
	FX_CHECK(fx.sw.pool);
	fx.sw.encap_host.pool = fx.sw.port_host.pool = fx.sw.pool;
	fx_queue(a, fx_ether(&fx, broadcast, A, 64));
	while (count < 8 && (taken[count] = frame_alloc(fx.sw.pool, FRAME_LARGE)))
		count++;
	while (count < 8 && (taken[count] = frame_alloc(fx.sw.pool, 1)))
		count++;
	egress_flush(&fx.sw);
	assert_int_equal(wire->log.count, 1);
	assert_int_equal(r->log.count, 0);
	assert_int_equal(a->port->stats.rx_drops[REASON_NO_BUFFER], 1);
	assert_int_equal(q->log.count, 1);
	assert_is(&wire->log.sent[0], 0, broadcast, A, 64);
	while (count)
		frame_free(taken[--count]);
	assert_is(&q->log.sent[0], 7, broadcast, A, 64);
}

/* ---- what is shown ---- */

static json_t *trace(struct frame *frame)
{
	json_t *result = forward_trace(r->port, frame);

	assert_non_null(result);
	return result;
}

static bool says(const json_t *result, const char *what)
{
	json_t *steps = json_object_get(result, "steps"), *step;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		if (strstr(json_string_value(json_object_get(step, "what")), what))
			return true;
	}
	return false;
}

static void trace_knows_vlans(void **state)
{
	struct fx_port *q =
	    fx_port(&fx, NULL, "q", "{\"trunk\": [{\"vid\": 7, \"segment\": \"alpha\"}]}");
	json_t *result, *to;

	(void)state;
	result = trace(tagged(101, fx_ether(&fx, broadcast, R, 64)));
	assert_true(says(result, "VLAN 101: segment alpha"));
	assert_string_equal(json_string_value(json_object_get(result, "verdict")), "flood");
	to = json_object_get(result, "to");
	assert_int_equal(json_array_size(to), 3);
	assert_null(json_object_get(json_array_get(to, 0), "vid"));
	assert_string_equal(json_string_value(json_object_get(json_array_get(to, 1), "port")), "q");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(to, 1), "vid")), 7);
	json_decref(result);
	result = trace(tagged(103, fx_ether(&fx, broadcast, R, 64)));
	assert_true(says(result, "VLAN 103, which this trunk port does not list"));
	assert_string_equal(json_string_value(json_object_get(result, "reason")), "tagged");
	json_decref(result);
	result = forward_trace(q->port, fx_ether(&fx, broadcast, R, 64));
	assert_true(says(result, "no native segment"));
	assert_string_equal(json_string_value(json_object_get(result, "reason")), "untagged");
	json_decref(result);
	assert_null(lookup(alpha, R));
}

/* As on the guest's wire: with tags; a segment's without. */
static void mirrors_of_a_trunk_port_have_tags(void **state)
{
	struct fx_port *m = fx_port(&fx, native, "m", "{\"state\": \"locked\"}");
	struct capture_spec of_port = {.fd = -1, .name = "p", .port = r->port, .to_port = m->port};
	struct capture_spec of_segment = {
	    .fd = -1, .name = "s", .segment = alpha, .to_port = m->port};
	struct capture *port, *segment;
	struct err err;

	(void)state;
	assert_int_equal(capture_start(&fx.sw, &of_port, &port, &err), 0);
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	fx_send(b, fx_ether(&fx, broadcast, B, 64));
	fx_send(n, fx_ether(&fx, broadcast, X, 64));
	assert_int_equal(m->log.count, 3);
	assert_is(&m->log.sent[0], 101, broadcast, R, 64);
	assert_is(&m->log.sent[1], 102, broadcast, B, 64);
	assert_is(&m->log.sent[2], 0, broadcast, X, 64);
	capture_stop(port);
	fx_forget(&fx);
	assert_int_equal(capture_start(&fx.sw, &of_segment, &segment, &err), 0);
	fx_send(r, tagged(101, fx_ether(&fx, broadcast, R, 64)));
	fx_send(r, tagged(102, fx_ether(&fx, broadcast, R, 64)));
	assert_int_equal(m->log.count, 1);
	assert_is(&m->log.sent[0], 0, broadcast, R, 64);
	capture_stop(segment);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(broadcasts_stay_in_the_vlan_they_came_in),
	    CASE(what_goes_to_the_router_has_the_tag_of_its_segment),
	    CASE(a_router_is_known_in_each_segment_by_itself),
	    CASE(nothing_comes_back_in_another_vlan),
	    CASE(counters_of_the_port_count_all_segments),
	    CASE(locked_and_isolated_hold_in_every_segment),
	    CASE(admission_sees_behind_the_tag),
	    CASE(each_segment_has_its_own_storm_limit),
	    CASE(a_vlan_that_goes_leaves_the_others),
	    CASE(frames_that_are_queued_keep_their_tag),
	    CASE(a_segment_that_is_joined_is_told_of_the_station),
	    CASE(a_superframe_goes_out_whole_under_its_tag),
	    CASE(for_a_guest_that_takes_none_each_piece_has_the_tag),
	    CASE(a_superframe_under_a_tag_comes_in_right),
	    CASE(from_router_to_router_the_tag_is_exchanged),
	    CASE(claims_about_the_tag_itself_are_refused),
	    CASE(without_a_buffer_for_the_tag_the_frame_is_dropped),
	    CASE(trace_knows_vlans),
	    CASE(mirrors_of_a_trunk_port_have_tags),
	};

	return cmocka_run_group_tests_name("trunk", tests, NULL, NULL);
}
