/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pure half of VXLAN: headers, configurations, whose a datagram is, tags, and
 * flows.
 */
#include "test/unit/encap_fixture.h"

#include <arpa/inet.h>

#include "encap/vxlan.h"

/* ---- the header ---- */

static void the_header_holds_the_vni(void **state)
{
	static const struct {
		uint32_t vni;
		uint8_t bytes[8];
	} cases[] = {
	    {1, {8, 0, 0, 0, 0, 0, 1, 0}},
	    {0x100, {8, 0, 0, 0, 0, 1, 0, 0}},
	    {5001, {8, 0, 0, 0, 0, 0x13, 0x89, 0}},
	    {0xabcdef, {8, 0, 0, 0, 0xab, 0xcd, 0xef, 0}},
	    {VXLAN_VNI_MAX, {8, 0, 0, 0, 0xff, 0xff, 0xff, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[8];

		memset(out, 0x55, sizeof(out));
		vxlan_header(cases[i].vni, out);
		assert_memory_equal(out, cases[i].bytes, 8);
	}
}

/* ---- configurations ---- */

static void a_configuration_is_checked(void **state)
{
	static const struct {
		const char *text;
		const char *error; /* NULL: good */
	} cases[] = {
	    {"{\"vni\": 1, \"group\": \"239.1.2.3\"}", NULL},
	    {"{\"vni\": 16777215, \"peers\": \"192.0.2.2\"}", NULL},
	    {"{\"vni\": 5, \"group\": \"ff18::1\", \"peers\": [\"192.0.2.2\", \"2001:db8::2\"]}",
	     NULL},
	    {"{\"vni\": 5, \"group\": \"239.1.2.3\", \"sources\": \"10.0.0.0/8\"}", NULL},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"port\": 8472, \"ttl\": 7, \"clamp_mss\": "
	     "false}",
	     NULL},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"port\": 49151}", NULL},
	    /* What the table of keys refuses. */
	    {"{\"group\": \"239.1.2.3\"}", "vni"},
	    {"{\"vni\": 0, \"group\": \"239.1.2.3\"}", "vni"},
	    {"{\"vni\": 16777216, \"group\": \"239.1.2.3\"}", "vni"},
	    {"{\"vni\": -1, \"group\": \"239.1.2.3\"}", "vni"},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"port\": 0}", "port"},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"port\": 49152}", "port"},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"port\": 65536}", "port"},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"ttl\": 0}", "ttl"},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"ttl\": 256}", "ttl"},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"nibbles\": \"rfc\"}", "nibbles"},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"oversize\": \"clip\"}", "oversize"},
	    /* And what check() does. */
	    {"{\"vni\": 5}", "needs a `group` or `peers`"},
	    {"{\"vni\": 5, \"sources\": \"10.0.0.0/8\"}", "needs a `group` or `peers`"},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"sources\": \"10.0.0.0/8\"}",
	     "vxlan: `sources` is for"},
	    {"{\"vni\": 5, \"group\": \"192.0.2.1\"}", "not a multicast"},
	    {"{\"vni\": 5, \"group\": \"224.0.0.251\"}", "reserved"},
	    {"{\"vni\": 5, \"peers\": \"239.1.1.1\"}", "not a unicast"},
	    {"{\"vni\": 5, \"peers\": [\"192.0.2.2\", \"192.0.2.2\"]}", "listed twice"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vxlan_conf conf;
		struct err err = {""};
		bool ok = try_conf(&vxlan_ops, &conf, cases[i].text, &err) &&
			  vxlan_ops.check(&conf.common, -1, &err) == 0;

		if (ok != !cases[i].error || (!ok && !strstr(err.text, cases[i].error)))
			fail_msg("%s: %d, %s", cases[i].text, ok, err.text);
		conf_clear(vxlan_ops.schema, &conf);
	}
}

static void parse_conf(struct vxlan_conf *conf, const char *text)
{
	struct err err;

	if (!try_conf(&vxlan_ops, conf, text, &err))
		fail_msg("%s: %s", text, err.text);
}

static void a_vni_is_one_encaps(void **state)
{
	static const char five[] = "{\"vni\": 5, \"peers\": \"192.0.2.2\"}";
	static const struct {
		const char *other;
		bool same_key, conflict;
	} cases[] = {
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\"}", true, true},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.3\"}", true, true},
	    {"{\"vni\": 5, \"group\": \"239.1.1.1\"}", true, true},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"uplink\": \"wan\"}", true, false},
	    {"{\"vni\": 5, \"peers\": \"192.0.2.2\", \"port\": 8472}", false, false},
	    {"{\"vni\": 6, \"peers\": \"192.0.2.2\"}", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vxlan_conf a, b;

		parse_conf(&a, five);
		parse_conf(&b, cases[i].other);
		assert_int_equal(vxlan_ops.key(&a.common, -1) == vxlan_ops.key(&b.common, 7),
				 cases[i].same_key);
		assert_int_equal(vxlan_ops.conflict(&a.common, -1, &b.common, 7),
				 cases[i].conflict);
		assert_int_equal(vxlan_ops.conflict(&b.common, 7, &a.common, -1),
				 cases[i].conflict);
		conf_clear(vxlan_ops.schema, &a);
		conf_clear(vxlan_ops.schema, &b);
	}
}

/* ---- a few backends, as open leaves them ---- */

static struct encap_uplink lan, wan;

enum { GROUP, PEERS, SOURCES, BOTH, PORT, SIX, FAR_LAN, FAR_WAN, RELAY_WAN, RELAY_LAN, BACKENDS };

static const struct recipe {
	const char *text;
	const struct encap_uplink *uplink;
	bool tags;
} recipes[BACKENDS] = {
    [GROUP] = {"{\"vni\": 5, \"group\": \"239.1.1.1\"}", &lan, false},
    [PEERS] = {"{\"vni\": 6, \"peers\": [\"192.0.2.9\", \"192.0.2.2\", \"203.0.113.1\"]}", &lan,
	       true},
    [SOURCES] = {"{\"vni\": 7, \"group\": \"239.1.1.1\", \"sources\": [\"198.51.100.0/24\", "
		 "\"192.0.2.2\"]}",
		 &lan, false},
    [BOTH] = {"{\"vni\": 16777215, \"group\": \"239.1.1.2\", \"peers\": [\"198.51.100.9\", "
	      "\"2001:db8::9\"]}",
	      &lan, false},
    [PORT] = {"{\"vni\": 5, \"port\": 8472, \"peers\": \"192.0.2.3\"}", &lan, false},
    [SIX] = {"{\"vni\": 8, \"group\": \"ff18::5:1\"}", &lan, false},
    [FAR_LAN] = {"{\"vni\": 9, \"peers\": \"192.0.2.2\"}", &lan, false},
    [FAR_WAN] = {"{\"vni\": 9, \"peers\": \"203.0.113.9\"}", &wan, false},
    [RELAY_WAN] = {"{\"vni\": 12, \"peers\": \"192.0.2.8\"}", &lan, false},
    [RELAY_LAN] = {"{\"vni\": 12, \"group\": \"239.1.1.12\"}", &lan, false},
};

static struct backend {
	struct vxlan_conf conf;
	struct encap encap;
	struct vxlan vxlan;
} backends[BACKENDS];

static struct vxlan_table table;

static int setup_backends(void **state)
{
	make_uplink(&lan, 3, "192.0.2.1", "192.0.2.0/24");
	lan.addr[1] = addr("2001:db8::1");
	assert_int_equal(ipprefix_parse("2001:db8::/64", &lan.prefix[lan.prefixes++]), 0);
	make_uplink(&wan, 4, "203.0.113.2", "203.0.113.0/24");
	memset(&table, 0, sizeof(table));
	for (unsigned i = 0; i < BACKENDS; i++) {
		struct backend *be = &backends[i];

		parse_conf(&be->conf, recipes[i].text);
		memset(&be->encap, 0, sizeof(be->encap));
		memset(&be->vxlan, 0, sizeof(be->vxlan));
		be->encap.ops = &vxlan_ops;
		be->encap.uplink = recipes[i].uplink;
		be->encap.conf = &be->conf.common;
		be->encap.state = &be->vxlan;
		be->encap.inner_tags = recipes[i].tags;
		be->vxlan.encap = &be->encap;
		be->vxlan.conf = &be->conf;
		assert_int_equal(remotes_init(&be->vxlan.remotes, &be->conf.remotes), 0);
		vxlan_table_add(&table, &be->vxlan);
	}
	return setup(state);
}

static int teardown_backends(void **state)
{
	/* In another order than they came. */
	for (unsigned i = 0; i < BACKENDS; i++)
		vxlan_table_del(&table, &backends[(i * 3 + 3) % BACKENDS].vxlan);
	for (unsigned i = 0; i < BACKENDS; i++) {
		remotes_fini(&backends[i].vxlan.remotes);
		conf_clear(vxlan_ops.schema, &backends[i].conf);
	}
	for (unsigned i = 0; i < 1u << VXLAN_BUCKET_BITS; i++)
		assert_null(table.bucket[i]);
	return teardown(state);
}

/* ---- whose it is ---- */

#define NOBODY -1
#define LAN    3
#define WAN    4

struct demux_case {
	uint32_t vni;
	uint16_t port;
	const char *src, *dst;
	unsigned ifindex;
	int who; /* NOBODY: dropped */
	enum reason reason;
	int blame;
};

static const struct demux_case demux_cases[] = {
    /* A group: neighbours, to the group or to us. */
    {5, 4789, "192.0.2.2", "239.1.1.1", LAN, GROUP, REASON_NONE, GROUP},
    {5, 4789, "192.0.2.2", "192.0.2.1", LAN, GROUP, REASON_NONE, GROUP},
    {5, 4789, "192.0.2.2", "239.1.1.2", LAN, NOBODY, REASON_NOT_HERE, GROUP},
    {5, 4789, "192.0.2.2", "192.0.2.7", LAN, NOBODY, REASON_NOT_HERE, GROUP},
    {5, 4789, "192.0.2.2", "239.1.1.1", 9, NOBODY, REASON_NOT_HERE, GROUP},
    {5, 4789, "198.51.100.1", "239.1.1.1", LAN, NOBODY, REASON_FOREIGN_SOURCE, GROUP},
    {5, 4789, "192.0.2.1", "239.1.1.1", LAN, NOBODY, REASON_FOREIGN_SOURCE, GROUP},
    /* A neighbour, but the group is of the other version. */
    {5, 4789, "2001:db8::2", "2001:db8::1", LAN, NOBODY, REASON_FOREIGN_SOURCE, GROUP},
    {8, 4789, "192.0.2.2", "192.0.2.1", LAN, NOBODY, REASON_FOREIGN_SOURCE, SIX},
    /* The port is part of who it is. */
    {5, 8472, "192.0.2.3", "192.0.2.1", LAN, PORT, REASON_NONE, PORT},
    {5, 8472, "192.0.2.2", "192.0.2.1", LAN, NOBODY, REASON_FOREIGN_SOURCE, PORT},
    {6, 8472, "192.0.2.2", "192.0.2.1", LAN, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    {5, 4790, "192.0.2.2", "192.0.2.1", LAN, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    /* Peers alone: nobody else, and no group. */
    {6, 4789, "192.0.2.2", "192.0.2.1", LAN, PEERS, REASON_NONE, PEERS},
    {6, 4789, "203.0.113.1", "192.0.2.1", LAN, PEERS, REASON_NONE, PEERS},
    {6, 4789, "192.0.2.3", "192.0.2.1", LAN, NOBODY, REASON_FOREIGN_SOURCE, PEERS},
    {6, 4789, "192.0.2.2", "239.1.1.1", LAN, NOBODY, REASON_NOT_HERE, PEERS},
    /* `sources` stand instead of the uplink's prefixes. */
    {7, 4789, "198.51.100.77", "239.1.1.1", LAN, SOURCES, REASON_NONE, SOURCES},
    {7, 4789, "192.0.2.3", "239.1.1.1", LAN, NOBODY, REASON_FOREIGN_SOURCE, SOURCES},
    /* A group and peers that it does not reach. */
    {0xffffff, 4789, "192.0.2.2", "239.1.1.2", LAN, BOTH, REASON_NONE, BOTH},
    {0xffffff, 4789, "198.51.100.9", "192.0.2.1", LAN, BOTH, REASON_NONE, BOTH},
    {0xffffff, 4789, "2001:db8::9", "2001:db8::1", LAN, BOTH, REASON_NONE, BOTH},
    {0xffffff, 4789, "2001:db8::8", "2001:db8::1", LAN, NOBODY, REASON_FOREIGN_SOURCE, BOTH},
    /* IPv6. */
    {8, 4789, "2001:db8::2", "ff18::5:1", LAN, SIX, REASON_NONE, SIX},
    {8, 4789, "2001:db8::2", "2001:db8::1", LAN, SIX, REASON_NONE, SIX},
    {8, 4789, "2001:db8::1", "ff18::5:1", LAN, NOBODY, REASON_FOREIGN_SOURCE, SIX},
    {8, 4789, "2001:db8:1::2", "ff18::5:1", LAN, NOBODY, REASON_FOREIGN_SOURCE, SIX},
    /* One VNI on two uplinks: the interface tells, and says whom to blame. */
    {9, 4789, "192.0.2.2", "192.0.2.1", LAN, FAR_LAN, REASON_NONE, FAR_LAN},
    {9, 4789, "203.0.113.9", "203.0.113.2", WAN, FAR_WAN, REASON_NONE, FAR_WAN},
    {9, 4789, "203.0.113.9", "192.0.2.1", LAN, NOBODY, REASON_FOREIGN_SOURCE, FAR_LAN},
    {9, 4789, "192.0.2.2", "203.0.113.2", WAN, NOBODY, REASON_FOREIGN_SOURCE, FAR_WAN},
    /* A peer that is a neighbour, too: of who names it; the group is the group's. */
    {12, 4789, "192.0.2.8", "192.0.2.1", LAN, RELAY_WAN, REASON_NONE, NOBODY},
    {12, 4789, "192.0.2.7", "192.0.2.1", LAN, RELAY_LAN, REASON_NONE, RELAY_WAN},
    {12, 4789, "192.0.2.8", "239.1.1.12", LAN, RELAY_LAN, REASON_NONE, RELAY_WAN},
    /* What is not known at all. */
    {0, 4789, "192.0.2.2", "192.0.2.1", LAN, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    {10, 4789, "192.0.2.2", "192.0.2.1", LAN, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    {0x10005, 4789, "192.0.2.2", "192.0.2.1", LAN, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    {5 << 8, 4789, "192.0.2.2", "192.0.2.1", LAN, NOBODY, REASON_UNKNOWN_ID, NOBODY},
};

static int number_of(const struct vxlan *vxlan)
{
	for (int i = 0; i < BACKENDS; i++) {
		if (vxlan == &backends[i].vxlan)
			return i;
	}
	return NOBODY;
}

static void whose_a_datagram_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(demux_cases) / sizeof(demux_cases[0]); i++) {
		const struct demux_case *t = &demux_cases[i];
		struct outer outer = {addr(t->src), addr(t->dst), t->ifindex, false};
		struct vxlan *blame = &backends[0].vxlan, *who;
		enum reason reason = REASON_NONE;
		uint8_t header[8];
		struct frame *frame;

		vxlan_header(t->vni, header);
		frame = frame_of(header, sizeof(header));
		who = vxlan_demux(&table, frame, t->port, &outer, &reason, &blame);
		if (number_of(who) != t->who ||
		    (!who && (number_of(blame) != t->blame || reason != t->reason)))
			fail_msg("%u:%u from %s to %s on %u: %d, %s, blame %d", t->vni, t->port,
				 t->src, t->dst, t->ifindex, number_of(who), reason_name(reason),
				 number_of(blame));
		frame_free(frame);
	}
}

static void a_removed_backend_receives_nothing(void **state)
{
	struct outer outer = {addr("192.0.2.2"), addr("192.0.2.1"), LAN, false};
	struct frame *frame = frame_of("\x08\0\0\0\0\0\x06", 8);
	struct vxlan *v = &backends[PEERS].vxlan, *blame;
	enum reason reason;

	(void)state;
	assert_ptr_equal(vxlan_demux(&table, frame, 4789, &outer, &reason, &blame), v);
	vxlan_table_del(&table, v);
	assert_null(vxlan_demux(&table, frame, 4789, &outer, &reason, &blame));
	assert_int_equal(reason, REASON_UNKNOWN_ID);
	assert_null(blame);
	vxlan_table_del(&table, v); /* again: nothing happens */
	vxlan_table_add(&table, v);
	assert_ptr_equal(vxlan_demux(&table, frame, 4789, &outer, &reason, &blame), v);
	frame_free(frame);
}

static void an_uplink_without_an_address_is_nobodys_destination(void **state)
{
	struct outer outer = {addr("192.0.2.2"), addr("192.0.2.1"), LAN, false};
	struct frame *frame = frame_of("\x08\0\0\0\0\0\x06", 8);
	struct vxlan *blame;
	enum reason reason;

	(void)state;
	memset(&lan.addr[0], 0, sizeof(lan.addr[0]));
	assert_null(vxlan_demux(&table, frame, 4789, &outer, &reason, &blame));
	assert_int_equal(reason, REASON_NOT_HERE);
	memset(&outer.dst, 0, sizeof(outer.dst)); /* of whom the kernel did not tell */
	assert_null(vxlan_demux(&table, frame, 4789, &outer, &reason, &blame));
	frame_free(frame);
}

/* ---- headers that are received ---- */

static enum reason demux_bytes(const uint8_t *bytes, size_t len, struct vxlan **who)
{
	struct outer outer = {addr("192.0.2.2"), addr("192.0.2.1"), LAN, false};
	struct frame *frame = frame_of(bytes, len);
	enum reason reason = REASON_NONE, popped;
	struct vxlan *blame;

	*who = vxlan_demux(&table, frame, 4789, &outer, &reason, &blame);
	popped = vxlan_ops.pop(&backends[GROUP].encap, frame);
	if (*who == &backends[GROUP].vxlan) {
		assert_int_equal(popped, REASON_NONE);
		assert_int_equal(frame->len, len - 8);
		assert_memory_equal(frame->data, bytes + 8, len - 8);
		reason = REASON_NONE;
	} else {
		assert_int_not_equal(popped, REASON_NONE);
		assert_int_equal(frame->len, len);
	}
	frame_free(frame);
	return reason;
}

static void reserved_bits_are_ignored_and_the_flag_is_not(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		for (unsigned fill = 0; fill < 256; fill += 51) {
			uint8_t b = (uint8_t)fill;
			uint8_t bytes[] = {(uint8_t)flags, b, b, b, 0, 0, 5, b, 1, 2, 3};
			struct vxlan *who;
			enum reason reason = demux_bytes(bytes, sizeof(bytes), &who);

			if (flags & 8)
				assert_ptr_equal(who, &backends[GROUP].vxlan);
			else
				assert_int_equal(reason, REASON_BAD_HEADER);
		}
	}
}

static void a_header_that_is_cut_off_is_bad(void **state)
{
	static const uint8_t bytes[8] = {8, 0, 0, 0, 0, 0, 5, 0};

	(void)state;
	for (size_t len = 0; len < sizeof(bytes); len++) {
		struct vxlan *who;

		assert_int_equal(demux_bytes(bytes, len, &who), REASON_BAD_HEADER);
		assert_null(who);
	}
}

/* ---- push and pop ---- */

static void what_is_pushed_pops(void **state)
{
	uint8_t bytes[100];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (unsigned i = 0; i < BACKENDS; i++) {
		const struct encap *encap = &backends[i].encap;
		struct frame *frame = frame_of(bytes, sizeof(bytes));
		uint8_t want[8];

		frame->l3_off = 14;
		vxlan_header((uint32_t)backends[i].conf.vni, want);
		assert_int_equal(vxlan_ops.push(encap, frame), REASON_NONE);
		assert_int_equal(frame->len, 108);
		assert_memory_equal(frame->data, want, 8);
		assert_memory_equal(frame->data + 8, bytes, sizeof(bytes));
		assert_int_equal(frame->l3_off, FRAME_OFF_UNSET);
		assert_int_equal(vxlan_ops.pop(&backends[(i + 1) % BACKENDS].encap, frame),
				 backends[i].conf.vni == backends[(i + 1) % BACKENDS].conf.vni
				     ? REASON_NONE
				     : REASON_UNKNOWN_ID);
		if (frame->len == 108)
			assert_int_equal(vxlan_ops.pop(encap, frame), REASON_NONE);
		assert_int_equal(frame->len, 100);
		assert_memory_equal(frame->data, bytes, sizeof(bytes));
		frame_free(frame);
	}
}

static void push_leaves_the_other_descriptors_alone(void **state)
{
	uint8_t bytes[64] = {1, 2, 3};
	struct frame *one = frame_of(bytes, sizeof(bytes));
	struct frame *two = frame_clone(one), *three = frame_clone(one);

	(void)state;
	assert_int_equal(vxlan_ops.push(&backends[GROUP].encap, one), REASON_NONE);
	assert_int_equal(vxlan_ops.push(&backends[PEERS].encap, two), REASON_NONE);
	assert_int_equal(one->data[6], 5);
	assert_int_equal(two->data[6], 6);
	assert_memory_equal(one->data + 8, bytes, sizeof(bytes));
	assert_memory_equal(two->data + 8, bytes, sizeof(bytes));
	assert_int_equal(three->len, sizeof(bytes));
	assert_memory_equal(three->data, bytes, sizeof(bytes));
	frame_free(one);
	frame_free(two);
	frame_free(three);
}

static void push_without_room_in_front_is_no_buffer(void **state)
{
	struct frame *frame = frame_of("x", 1);

	(void)state;
	assert_non_null(frame_push(frame, FRAME_HEADROOM - 7));
	assert_int_equal(vxlan_ops.push(&backends[GROUP].encap, frame), REASON_NO_BUFFER);
	assert_int_equal(frame->len, FRAME_HEADROOM - 6);
	frame_free(frame);
}

static void tagged_frames_stay_out_unless_tags_pass(void **state)
{
	static const struct {
		uint16_t type, tci;
		bool vlan;
	} cases[] = {
	    {0x0800, 0x0001, false}, {0x8100, 0x0001, true},  {0x8100, 0x0fff, true},
	    {0x88a8, 0x0065, true},  {0x8100, 0xe000, false}, {0x88a8, 0xe001, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned beside = 0; beside < 2; beside++) {
			enum reason want = cases[i].vlan ? REASON_TAGGED : REASON_NONE;
			uint8_t bytes[26] = {8, 0, 0, 0, 0, 0, 5};
			struct frame *frame;

			bytes[20] = (uint8_t)(cases[i].type >> 8);
			bytes[21] = (uint8_t)cases[i].type;
			bytes[22] = (uint8_t)(cases[i].tci >> 8);
			bytes[23] = (uint8_t)cases[i].tci;
			frame = frame_of(bytes + 8, sizeof(bytes) - 8);
			if (beside && cases[i].type != 0x0800) {
				frame->data[12] = 8;
				frame->data[13] = 0;
				frame->tag.tpid = cases[i].type;
				frame->tag.tci = cases[i].tci;
			}
			assert_int_equal(vxlan_ops.push(&backends[GROUP].encap, frame), want);
			frame->len = want == REASON_NONE ? frame->len : 0;
			if (want != REASON_NONE) {
				frame_free(frame);
				frame = frame_of(bytes, sizeof(bytes));
			}
			assert_int_equal(vxlan_ops.pop(&backends[GROUP].encap, frame), want);
			frame_free(frame);
			/* This one's segment passes them. */
			bytes[6] = 6;
			frame = frame_of(bytes, sizeof(bytes));
			assert_int_equal(vxlan_ops.pop(&backends[PEERS].encap, frame), REASON_NONE);
			assert_int_equal(vxlan_ops.push(&backends[PEERS].encap, frame),
					 REASON_NONE);
			frame_free(frame);
		}
	}
}

/* ---- flows ---- */

/* A pushed IPv4 frame; what it is of is in the arguments. */
static unsigned flow_of(unsigned host, unsigned protocol, unsigned sport, bool fragment,
			unsigned fill)
{
	static struct craft c;
	struct frame *frame;
	unsigned hash;

	c.len = 0;
	craft_fill(&c, 8, 8);
	craft_fill(&c, 2, 12);
	craft_u16(&c, 0x0800);
	craft_ipv4(&c, protocol, 0, 40);
	c.b[8 + 14 + 15] = (uint8_t)host;
	if (fragment)
		c.b[8 + 14 + 6] |= 0x20;
	craft_u16(&c, sport);
	craft_u16(&c, 80);
	craft_fill(&c, fill, 36);
	if (protocol == 6)
		c.b[8 + 14 + 20 + 12] = 0x50;
	frame = craft_frame(pool, &c);
	hash = vxlan_flow(frame);
	assert_int_equal(frame->len, c.len); /* it only looks */
	assert_memory_equal(frame->data, c.b, c.len);
	frame_free(frame);
	return hash;
}

static void a_flow_is_addresses_and_ports(void **state)
{
	unsigned one = flow_of(1, 6, 1000, false, 0);
	unsigned seen = 0;

	(void)state;
	assert_int_equal(flow_of(1, 6, 1000, false, 0xff), one); /* not the data */
	assert_int_not_equal(flow_of(2, 6, 1000, false, 0), one);
	assert_int_not_equal(flow_of(1, 17, 1000, false, 0), one);
	assert_int_not_equal(flow_of(1, 6, 1001, false, 0), one);
	/* Fragments, and what has no ports, are one flow for two addresses. */
	assert_int_equal(flow_of(1, 17, 1000, true, 0), flow_of(1, 17, 1001, true, 7));
	assert_int_equal(flow_of(1, 1, 1000, false, 0), flow_of(1, 1, 1001, false, 7));
	/* They spread: 200 flows use all of 16. */
	for (unsigned port = 0; port < 200; port++)
		seen |= 1u << flow_of(1, 6, port, false, 0) % 16;
	assert_int_equal(seen, 0xffff);
}

static void a_flow_can_be_told_of_any_bytes(void **state)
{
	uint8_t bytes[80];

	(void)state;
	memset(bytes, 0x45, sizeof(bytes));
	bytes[20] = 8;
	bytes[21] = 0;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		struct frame *frame = frame_of(bytes, len);

		(void)vxlan_flow(frame);
		frame_free(frame);
	}
}

/* ---- room, readiness ---- */

static void room_is_what_the_outer_headers_leave(void **state)
{
	struct ipaddr v4 = addr("192.0.2.2"), v6 = addr("2001:db8::2"), all = {.family = 0};

	(void)state;
	/* Guests' MTU is 14 less: 1450 and 1430. */
	assert_int_equal(vxlan_ops.room(&backends[GROUP].encap, NULL), 1464);
	assert_int_equal(vxlan_ops.room(&backends[GROUP].encap, &all), 1464);
	assert_int_equal(vxlan_ops.room(&backends[PEERS].encap, &v4), 1464);
	assert_int_equal(vxlan_ops.room(&backends[SIX].encap, NULL), 1444);
	/* Both versions: everybody means the narrower. */
	assert_int_equal(vxlan_ops.room(&backends[BOTH].encap, &all), 1444);
	assert_int_equal(vxlan_ops.room(&backends[BOTH].encap, &v4), 1464);
	assert_int_equal(vxlan_ops.room(&backends[BOTH].encap, &v6), 1444);
	lan.mtu = 36;
	assert_int_equal(vxlan_ops.room(&backends[GROUP].encap, NULL), 0);
	lan.mtu = 0;
	assert_int_equal(vxlan_ops.room(&backends[SIX].encap, NULL), 0);
}

static void ready_wants_an_uplink_and_an_address_to_send_from(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BACKENDS; i++)
		assert_true(vxlan_ops.ready(&backends[i].encap));
	memset(&lan.addr[0], 0, sizeof(lan.addr[0]));
	assert_false(vxlan_ops.ready(&backends[GROUP].encap));
	assert_false(vxlan_ops.ready(&backends[PEERS].encap));
	assert_true(vxlan_ops.ready(&backends[SIX].encap));
	assert_true(vxlan_ops.ready(&backends[BOTH].encap)); /* one peer has IPv6 */
	lan.up = false;
	assert_false(vxlan_ops.ready(&backends[SIX].encap));
}

#define CASE(fn) cmocka_unit_test(fn)
#define OPEN(fn) cmocka_unit_test_setup_teardown(fn, setup_backends, teardown_backends)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_header_holds_the_vni),
	    CASE(a_configuration_is_checked),
	    CASE(a_vni_is_one_encaps),
	    OPEN(whose_a_datagram_is),
	    OPEN(a_removed_backend_receives_nothing),
	    OPEN(an_uplink_without_an_address_is_nobodys_destination),
	    OPEN(reserved_bits_are_ignored_and_the_flag_is_not),
	    OPEN(a_header_that_is_cut_off_is_bad),
	    OPEN(what_is_pushed_pops),
	    OPEN(push_leaves_the_other_descriptors_alone),
	    OPEN(push_without_room_in_front_is_no_buffer),
	    OPEN(tagged_frames_stay_out_unless_tags_pass),
	    OPEN(a_flow_is_addresses_and_ports),
	    OPEN(a_flow_can_be_told_of_any_bytes),
	    OPEN(room_is_what_the_outer_headers_leave),
	    OPEN(ready_wants_an_uplink_and_an_address_to_send_from),
	};

	return cmocka_run_group_tests_name("vxlan", tests, NULL, NULL);
}
