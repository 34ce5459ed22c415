/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pure half of EtherIP: headers, configurations, whose a datagram is, and
 * outer IPv4 headers.
 */
#include <arpa/inet.h>

#include "encap/etherip.h"
#include "test/unit/encap_fixture.h"

static void parse_conf(struct etherip_conf *conf, const char *text)
{
	struct err err;

	if (!try_conf(&etherip_ops, conf, text, &err))
		fail_msg("%s: %s", text, err.text);
}

static void clear_conf(struct etherip_conf *conf)
{
	conf_clear(etherip_ops.schema, conf);
}

/* ---- header and group ---- */

static void the_header_holds_version_and_id(void **state)
{
	static const struct {
		uint16_t id;
		enum etherip_nibbles nibbles;
		uint8_t bytes[2];
	} cases[] = {
	    {0, NIBBLES_RFC, {0x30, 0x00}},	  {1, NIBBLES_RFC, {0x30, 0x01}},
	    {255, NIBBLES_RFC, {0x30, 0xff}},	  {257, NIBBLES_RFC, {0x31, 0x01}},
	    {0xabc, NIBBLES_RFC, {0x3a, 0xbc}},	  {4095, NIBBLES_RFC, {0x3f, 0xff}},
	    {0, NIBBLES_SWAPPED, {0x03, 0x00}},	  {1, NIBBLES_SWAPPED, {0x03, 0x01}},
	    {257, NIBBLES_SWAPPED, {0x13, 0x01}}, {0xabc, NIBBLES_SWAPPED, {0xa3, 0xbc}},
	    {0x305, NIBBLES_RFC, {0x33, 0x05}},	  {0x305, NIBBLES_SWAPPED, {0x33, 0x05}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[2];

		etherip_header(cases[i].id, cases[i].nibbles, out);
		assert_memory_equal(out, cases[i].bytes, 2);
	}
}

static void the_default_group_is_made_of_the_id(void **state)
{
	static const struct {
		uint16_t id;
		const char *v4, *v6;
	} cases[] = {
	    {1, "239.192.0.1", "ff18::5456:1"},
	    {255, "239.192.0.255", "ff18::5456:ff"},
	    {257, "239.192.1.1", "ff18::5456:101"},
	    {4095, "239.192.15.255", "ff18::5456:fff"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipaddr v4 = etherip_group(AF_INET, cases[i].id), want4 = addr(cases[i].v4);
		struct ipaddr v6 = etherip_group(AF_INET6, cases[i].id), want6 = addr(cases[i].v6);

		assert_true(ipaddr_equal(&v4, &want4));
		assert_true(ipaddr_equal(&v6, &want6));
	}
}

/* ---- configurations ---- */

static void a_configuration_is_checked(void **state)
{
	static const struct {
		const char *text;
		int64_t id;
		const char *error; /* NULL: good */
	} cases[] = {
	    {"{}", 1, NULL},
	    {"{}", 255, NULL},
	    {"{}", 257, NULL},
	    {"{}", 4095, NULL},
	    {"{}", -1, "needs an `id`"},
	    {"{}", 0, "needs `peers`"},
	    {"{}", 256, "not usable"},
	    {"{}", 512, "not usable"},
	    {"{}", 0xf00, "not usable"},
	    {"{}", 4096, "not usable"},
	    {"{}", 4097, "not usable"},
	    {"{}", INT64_MAX, "not usable"},
	    {"{}", INT64_MIN, "needs an `id`"},
	    {"{\"group\": \"239.1.2.3\"}", 5, NULL},
	    {"{\"group\": \"ff18::1\"}", 5, NULL},
	    {"{\"group\": \"224.0.1.0\"}", 5, NULL},
	    {"{\"group\": \"224.0.0.5\"}", 5, "reserved"},
	    {"{\"group\": \"224.0.0.251\"}", 5, "reserved"},
	    {"{\"group\": \"192.0.2.1\"}", 5, "not a multicast"},
	    {"{\"group\": \"2001:db8::1\"}", 5, "not a multicast"},
	    {"{\"group\": \"239.1.2.3\", \"peers\": \"192.0.2.2\"}", 0, "plain peers"},
	    {"{\"peers\": [\"192.0.2.2\", \"2001:db8::2\"]}", 5, NULL},
	    {"{\"peers\": [\"192.0.2.2\"]}", 0, NULL},
	    {"{\"peers\": [\"192.0.2.2\", \"192.0.2.3\", \"192.0.2.2\"]}", 5, "listed twice"},
	    {"{\"peers\": [\"239.192.0.1\"]}", 5, "not a unicast"},
	    {"{\"peers\": [\"ff18::1\"]}", 5, "not a unicast"},
	    {"{\"peers\": [\"0.0.0.0\"]}", 5, "not a unicast"},
	    {"{\"peers\": [\"::\"]}", 5, "not a unicast"},
	    {"{\"peers\": [\"255.255.255.255\"]}", 5, "not a unicast"},
	    {"{\"sources\": \"10.0.0.0/8\"}", 5, NULL},
	    {"{\"sources\": \"10.0.0.0/8\", \"group\": \"239.1.1.1\", \"peers\": \"10.1.1.1\"}", 5,
	     NULL},
	    {"{\"sources\": \"10.0.0.0/8\", \"peers\": \"10.1.1.1\"}", 5, "`sources` is for"},
	    {"{\"transport\": \"udp\"}", 5, NULL},
	    {"{\"transport\": \"udp\", \"port\": 4242}", 5, NULL},
	    {"{\"port\": 4242}", 5, "for transport"},
	    {"{\"nibbles\": \"swapped\", \"oversize\": \"drop\", \"ttl\": 7}", 5, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct etherip_conf conf;
		struct err err = {""};
		int ret;

		parse_conf(&conf, cases[i].text);
		ret = etherip_ops.check(&conf.common, cases[i].id, &err);
		if (ret != (cases[i].error ? -EINVAL : 0) ||
		    (cases[i].error && !strstr(err.text, cases[i].error)))
			fail_msg("%s with id %lld: %d, %s", cases[i].text, (long long)cases[i].id,
				 ret, err.text);
		clear_conf(&conf);
	}
}

static void encaps_that_cannot_be_told_apart_conflict(void **state)
{
	static const struct {
		const char *a, *b;
		int64_t id_a, id_b;
		bool conflict;
	} cases[] = {
	    {"{}", "{}", 1, 2, false},
	    {"{}", "{}", 1, 1, true},
	    {"{}", "{\"uplink\": \"wan\"}", 1, 1, false},
	    {"{}", "{\"peers\": \"192.0.2.2\"}", 1, 1, false},
	    {"{\"group\": \"239.1.1.1\"}", "{\"group\": \"239.1.1.2\"}", 1, 1, false},
	    {"{\"group\": \"239.1.1.1\"}", "{\"group\": \"239.1.1.1\"}", 1, 1, true},
	    {"{\"group\": \"239.1.1.1\"}", "{\"group\": \"239.1.1.1\"}", 1, 2, false},
	    {"{\"group\": \"239.192.0.1\"}", "{}", 1, 1, true}, /* the default */
	    {"{}", "{\"group\": \"ff18::5456:1\"}", 1, 1, true},
	    {"{\"group\": \"239.192.0.2\"}", "{}", 1, 1, false},
	    {"{\"peers\": \"192.0.2.2\"}", "{\"peers\": \"192.0.2.2\"}", 1, 1, true},
	    {"{\"peers\": \"192.0.2.2\"}", "{\"peers\": \"192.0.2.3\"}", 1, 1, false},
	    {"{\"peers\": \"192.0.2.2\"}", "{\"peers\": \"192.0.2.2\"}", 0, 0, true},
	    {"{\"peers\": \"192.0.2.2\"}", "{\"peers\": \"192.0.2.3\"}", 0, 0, false},
	    {"{\"peers\": \"192.0.2.2\"}", "{\"peers\": \"192.0.2.2\"}", 0, 1, false},
	    {"{\"peers\": [\"192.0.2.2\", \"192.0.2.3\"]}",
	     "{\"peers\": [\"192.0.2.4\", \"192.0.2.3\"]}", 0, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct etherip_conf a, b;

		parse_conf(&a, cases[i].a);
		parse_conf(&b, cases[i].b);
		if (etherip_ops.conflict(&a.common, cases[i].id_a, &b.common, cases[i].id_b) !=
			cases[i].conflict ||
		    etherip_ops.conflict(&b.common, cases[i].id_b, &a.common, cases[i].id_a) !=
			cases[i].conflict)
			fail_msg("%s and %s: conflict is not %d", cases[i].a, cases[i].b,
				 cases[i].conflict);
		clear_conf(&a);
		clear_conf(&b);
	}
}

/* ---- a few backends, as open leaves them ---- */

static struct encap_uplink lan, wan;

enum { G5, P6, S7, D8, N9, M9, R305, X305, PLAIN2, PLAIN3, PLAINX, V6, WAN5, M12, N12, BACKENDS };

static const struct recipe {
	const char *text;
	uint16_t id;
	const struct encap_uplink *uplink;
} recipes[BACKENDS] = {
    [G5] = {"{}", 5, &lan},
    [P6] = {"{\"peers\": [\"192.0.2.9\", \"192.0.2.2\", \"203.0.113.1\"]}", 6, &lan},
    [S7] = {"{\"sources\": [\"198.51.100.0/24\", \"192.0.2.2\"]}", 7, &lan},
    [D8] = {"{\"oversize\": \"drop\"}", 8, &lan},
    [N9] = {"{}", 9, &lan},
    [M9] = {"{\"peers\": \"203.0.113.1\"}", 9, &lan},
    [R305] = {"{\"peers\": \"192.0.2.2\"}", 0x305, &lan},
    [X305] = {"{\"nibbles\": \"swapped\", \"peers\": \"192.0.2.3\"}", 0x305, &lan},
    [PLAIN2] = {"{\"peers\": \"192.0.2.2\"}", 0, &lan},
    [PLAIN3] = {"{\"peers\": [\"192.0.2.3\", \"2001:db8::3\"]}", 0, &lan},
    [PLAINX] = {"{\"nibbles\": \"swapped\", \"peers\": \"192.0.2.4\"}", 0, &lan},
    [V6] = {"{\"group\": \"ff18::5456:a\"}", 10, &lan},
    [WAN5] = {"{\"peers\": \"203.0.113.9\"}", 5, &wan},
    [M12] = {"{\"peers\": [\"192.0.2.8\", \"203.0.113.1\"]}", 12, &lan},
    [N12] = {"{}", 12, &lan},
};

static struct backend {
	struct etherip_conf conf;
	struct encap encap;
	struct etherip etherip;
} backends[BACKENDS];

static struct etherip_table table;

static void make_backend(struct backend *be, const struct recipe *recipe)
{
	struct etherip *e = &be->etherip;

	parse_conf(&be->conf, recipe->text);
	memset(&be->encap, 0, sizeof(be->encap));
	memset(e, 0, sizeof(*e));
	be->encap.ops = &etherip_ops;
	be->encap.uplink = recipe->uplink;
	be->encap.conf = &be->conf.common;
	be->encap.state = e;
	be->encap.network_id = recipe->id;
	e->encap = &be->encap;
	e->conf = &be->conf;
	assert_int_equal(remotes_init(&e->remotes, &be->conf.remotes), 0);
	if (e->remotes.peer_count == 0 && !ipaddr_is_set(&e->remotes.group))
		e->remotes.group = etherip_group(AF_INET, recipe->id);
}

static int setup_backends(void **state)
{
	make_uplink(&lan, 3, "192.0.2.1", "192.0.2.0/24");
	lan.addr[1] = addr("2001:db8::1");
	assert_int_equal(ipprefix_parse("2001:db8::/64", &lan.prefix[lan.prefixes++]), 0);
	make_uplink(&wan, 4, "203.0.113.2", "203.0.113.0/24");
	memset(&table, 0, sizeof(table));
	for (unsigned i = 0; i < BACKENDS; i++) {
		make_backend(&backends[i], &recipes[i]);
		assert_int_equal(etherip_table_add(&table, &backends[i].etherip), 0);
	}
	return setup(state);
}

static int teardown_backends(void **state)
{
	/* In another order than they came. */
	for (unsigned i = 0; i < BACKENDS; i++)
		etherip_table_del(&table, &backends[(i * 7 + 3) % BACKENDS].etherip);
	for (unsigned i = 0; i < BACKENDS; i++) {
		remotes_fini(&backends[i].etherip.remotes);
		clear_conf(&backends[i].conf);
	}
	assert_int_equal(table.count[0] + table.count[1] + table.plain_count, 0);
	assert_null(table.plain);
	for (unsigned i = 0; i <= ETHERIP_ID_MAX; i++) {
		assert_null(table.by_id[0][i]);
		assert_null(table.by_id[1][i]);
	}
	return teardown(state);
}

/* ---- whose it is ---- */

struct demux_case {
	uint8_t header[2];
	const char *src, *dst;
	unsigned ifindex;
	bool fragmented;
	int who; /* -1: dropped */
	enum reason reason;
	int blame; /* -1: nobody's */
};

#define NOBODY -1
#define LAN    3
#define WAN    4

static const struct demux_case demux_cases[] = {
    /* A group: neighbours, to the group or to us. */
    {{0x30, 5}, "192.0.2.2", "239.192.0.5", LAN, false, G5, REASON_NONE, G5},
    {{0x30, 5}, "192.0.2.2", "192.0.2.1", LAN, false, G5, REASON_NONE, G5},
    {{0x30, 5}, "192.0.2.2", "239.192.0.6", LAN, false, NOBODY, REASON_NOT_HERE, G5},
    {{0x30, 5}, "192.0.2.2", "192.0.2.7", LAN, false, NOBODY, REASON_NOT_HERE, G5},
    {{0x30, 5}, "192.0.2.2", "239.192.0.5", 9, false, NOBODY, REASON_NOT_HERE, G5},
    {{0x30, 5}, "198.51.100.1", "239.192.0.5", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, G5},
    {{0x30, 5}, "192.0.2.1", "239.192.0.5", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, G5},
    {{0x30, 5}, "192.0.2.2", "239.192.0.5", LAN, true, G5, REASON_NONE, G5},
    /* Peers alone: nobody else, and no group. */
    {{0x30, 6}, "192.0.2.2", "192.0.2.1", LAN, false, P6, REASON_NONE, P6},
    {{0x30, 6}, "192.0.2.9", "192.0.2.1", LAN, false, P6, REASON_NONE, P6},
    {{0x30, 6}, "203.0.113.1", "192.0.2.1", LAN, false, P6, REASON_NONE, P6},
    {{0x30, 6}, "192.0.2.3", "192.0.2.1", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, P6},
    {{0x30, 6}, "192.0.2.2", "239.192.0.6", LAN, false, NOBODY, REASON_NOT_HERE, P6},
    /* `sources` stand instead of the uplink's prefixes. */
    {{0x30, 7}, "198.51.100.77", "239.192.0.7", LAN, false, S7, REASON_NONE, S7},
    {{0x30, 7}, "192.0.2.2", "239.192.0.7", LAN, false, S7, REASON_NONE, S7},
    {{0x30, 7}, "192.0.2.3", "239.192.0.7", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, S7},
    {{0x30, 7}, "198.51.101.1", "239.192.0.7", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, S7},
    /* Fragments. */
    {{0x30, 8}, "192.0.2.2", "239.192.0.8", LAN, false, D8, REASON_NONE, D8},
    {{0x30, 8}, "192.0.2.2", "239.192.0.8", LAN, true, NOBODY, REASON_FRAGMENT, D8},
    /* Two encaps of one segment. */
    {{0x30, 9}, "192.0.2.2", "239.192.0.9", LAN, false, N9, REASON_NONE, N9},
    {{0x30, 9}, "203.0.113.1", "192.0.2.1", LAN, false, M9, REASON_NONE, M9},
    /* A peer that is a neighbour, too: of who names it; the group is the group's. */
    {{0x30, 12}, "192.0.2.8", "192.0.2.1", LAN, false, M12, REASON_NONE, N12},
    {{0x30, 12}, "203.0.113.1", "192.0.2.1", LAN, false, M12, REASON_NONE, N12},
    {{0x30, 12}, "192.0.2.7", "192.0.2.1", LAN, false, N12, REASON_NONE, M12},
    {{0x30, 12}, "192.0.2.8", "239.192.0.12", LAN, false, N12, REASON_NONE, M12},
    {{0x30, 12}, "203.0.113.1", "239.192.0.12", LAN, false, NOBODY, REASON_NOT_HERE, M12},
    /* One segment on two uplinks: the interface tells. */
    {{0x30, 5}, "203.0.113.9", "203.0.113.2", WAN, false, WAN5, REASON_NONE, WAN5},
    {{0x30, 5}, "203.0.113.9", "203.0.113.2", LAN, false, NOBODY, REASON_NOT_HERE, G5},
    {{0x30, 5}, "192.0.2.2", "239.192.0.5", WAN, false, NOBODY, REASON_NOT_HERE, G5},
    /* IPv6. */
    {{0x30, 10}, "2001:db8::2", "ff18::5456:a", LAN, false, V6, REASON_NONE, V6},
    {{0x30, 10}, "2001:db8::2", "2001:db8::1", LAN, false, V6, REASON_NONE, V6},
    {{0x30, 10}, "2001:db8:1::2", "ff18::5456:a", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, V6},
    {{0x30, 10}, "2001:db8::1", "ff18::5456:a", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, V6},
    {{0x30, 10}, "2001:db8::2", "ff18::5456:b", LAN, false, NOBODY, REASON_NOT_HERE, V6},
    /* Plain peers are told apart by address. */
    {{0x30, 0}, "192.0.2.2", "192.0.2.1", LAN, false, PLAIN2, REASON_NONE, PLAIN2},
    {{0x30, 0}, "192.0.2.3", "192.0.2.1", LAN, false, PLAIN3, REASON_NONE, PLAIN3},
    {{0x30, 0}, "2001:db8::3", "2001:db8::1", LAN, false, PLAIN3, REASON_NONE, PLAIN3},
    {{0x30, 0}, "192.0.2.5", "192.0.2.1", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, NOBODY},
    {{0x30, 0}, "192.0.2.2", "239.192.0.5", LAN, false, NOBODY, REASON_NOT_HERE, PLAIN2},
    {{0x30, 0}, "192.0.2.2", "192.0.2.1", WAN, false, NOBODY, REASON_NOT_HERE, PLAIN2},
    {{0x03, 0}, "192.0.2.4", "192.0.2.1", LAN, false, PLAINX, REASON_NONE, PLAINX},
    {{0x30, 0}, "192.0.2.4", "192.0.2.1", LAN, false, NOBODY, REASON_BAD_VERSION, PLAINX},
    {{0x03, 0}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_BAD_VERSION, PLAIN2},
    /* 0x33 is a version either way round. */
    {{0x33, 5}, "192.0.2.2", "192.0.2.1", LAN, false, R305, REASON_NONE, R305},
    {{0x33, 5}, "192.0.2.3", "192.0.2.1", LAN, false, X305, REASON_NONE, X305},
    {{0x33, 5}, "192.0.2.4", "192.0.2.1", LAN, false, NOBODY, REASON_FOREIGN_SOURCE, X305},
    {{0x33, 6}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    {{0x03, 5}, "192.0.2.2", "239.192.0.5", LAN, false, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    /* What is not known at all. */
    {{0x30, 11}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    {{0x3f, 0xff}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    {{0x31, 0x00}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_UNKNOWN_ID, NOBODY},
    {{0x00, 5}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_BAD_VERSION, NOBODY},
    {{0x20, 5}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_BAD_VERSION, NOBODY},
    {{0x40, 5}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_BAD_VERSION, NOBODY},
    {{0xf4, 5}, "192.0.2.2", "192.0.2.1", LAN, false, NOBODY, REASON_BAD_VERSION, NOBODY},
};

static int number_of(const struct etherip *etherip)
{
	for (int i = 0; i < BACKENDS; i++) {
		if (etherip == &backends[i].etherip)
			return i;
	}
	return NOBODY;
}

static void whose_a_datagram_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(demux_cases) / sizeof(demux_cases[0]); i++) {
		const struct demux_case *t = &demux_cases[i];
		struct outer outer = {
		    .src = addr(t->src),
		    .dst = addr(t->dst),
		    .ifindex = t->ifindex,
		    .fragmented = t->fragmented,
		};
		struct frame *frame = frame_of(t->header, 2);
		enum reason reason = REASON_NONE;
		struct etherip *blame = &backends[0].etherip, *who;

		who = etherip_demux(&table, frame, 0, &outer, &reason, &blame);
		if (number_of(who) != t->who || (!who && number_of(blame) != t->blame) ||
		    (!who && reason != t->reason))
			fail_msg("%02x %02x from %s to %s on %u: %d, %s, blame %d", t->header[0],
				 t->header[1], t->src, t->dst, t->ifindex, number_of(who),
				 reason_name(reason), number_of(blame));
		frame_free(frame);
	}
}

static void without_swapped_peers_0x03_is_no_version(void **state)
{
	struct outer outer = {.src = addr("192.0.2.4"), .dst = addr("192.0.2.1"), LAN, 0};
	struct frame *frame = frame_of("\x03\x00", 2);
	struct etherip *blame;
	enum reason reason;

	(void)state;
	etherip_table_del(&table, &backends[PLAINX].etherip);
	etherip_table_del(&table, &backends[X305].etherip);
	assert_null(etherip_demux(&table, frame, 0, &outer, &reason, &blame));
	assert_int_equal(reason, REASON_BAD_VERSION);
	assert_int_equal(etherip_table_add(&table, &backends[PLAINX].etherip), 0);
	assert_int_equal(etherip_table_add(&table, &backends[X305].etherip), 0);
	frame_free(frame);
}

/* Peers agree on a transport: what comes by another, or at another port, is nobody's. */
static void a_segment_in_udp_takes_its_port_only(void **state)
{
	struct outer outer = {.src = addr("192.0.2.2"), .dst = addr("192.0.2.1"), LAN, 0};
	struct etherip *e = &backends[P6].etherip, *blame;
	struct frame *frame = frame_of("\x30\x06", 2);
	enum reason reason;

	(void)state;
	assert_null(etherip_demux(&table, frame, 9797, &outer, &reason, &blame));
	assert_int_equal(reason, REASON_UNKNOWN_ID);
	assert_null(blame);
	assert_int_equal(etherip_ops.room(&backends[P6].encap, NULL), 1478);
	backends[P6].conf.transport = TRANSPORT_UDP;
	backends[P6].conf.port = 9797;
	assert_ptr_equal(etherip_demux(&table, frame, 9797, &outer, &reason, &blame), e);
	assert_null(etherip_demux(&table, frame, 9798, &outer, &reason, &blame));
	assert_int_equal(reason, REASON_UNKNOWN_ID);
	assert_null(etherip_demux(&table, frame, 0, &outer, &reason, &blame));
	assert_null(blame);
	assert_int_equal(etherip_ops.room(&backends[P6].encap, NULL), 1470);
	frame_free(frame);
}

static void a_removed_backend_receives_nothing(void **state)
{
	struct outer outer = {.src = addr("192.0.2.2"), .dst = addr("192.0.2.1"), LAN, 0};
	static const uint8_t headers[3][2] = {{0x30, 6}, {0x30, 0}, {0x33, 5}};
	static const int who[3] = {P6, PLAIN2, R305};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct frame *frame = frame_of(headers[i], 2);
		struct etherip *e = &backends[who[i]].etherip, *blame;
		enum reason reason;

		assert_ptr_equal(etherip_demux(&table, frame, 0, &outer, &reason, &blame), e);
		etherip_table_del(&table, e);
		assert_null(etherip_demux(&table, frame, 0, &outer, &reason, &blame));
		assert_ptr_not_equal(blame, e);
		assert_int_equal(etherip_table_add(&table, e), 0);
		assert_ptr_equal(etherip_demux(&table, frame, 0, &outer, &reason, &blame), e);
		frame_free(frame);
	}
}

static void an_uplink_without_an_address_is_nobodys_destination(void **state)
{
	struct outer outer = {.src = addr("192.0.2.2"), .dst = addr("192.0.2.1"), LAN, 0};
	struct frame *frame = frame_of("\x30\x06", 2);
	struct etherip *blame;
	enum reason reason;

	(void)state;
	memset(&lan.addr[0], 0, sizeof(lan.addr[0]));
	assert_null(etherip_demux(&table, frame, 0, &outer, &reason, &blame));
	assert_int_equal(reason, REASON_NOT_HERE);
	frame_free(frame);
}

/* ---- outer IPv4 ---- */

/* An IPv4 packet with `words` of options around an EtherIP header and 60 bytes. */
static size_t craft_outer(struct craft *c, unsigned words)
{
	c->len = 0;
	craft_ipv4(c, ETHERIP_PROTOCOL, words, 62);
	craft_u16(c, 0x3005);
	for (unsigned i = 0; i < 60; i++)
		craft_u8(c, i);
	return c->len;
}

static void outer_ipv4_headers_are_taken_off(void **state)
{
	static struct craft c;
	struct ipaddr src = addr("10.0.0.1"), dst = addr("10.0.0.2");

	(void)state;
	for (unsigned words = 0; words <= 10; words++) {
		for (size_t trailing = 0; trailing < 3; trailing++) {
			size_t len = craft_outer(&c, words);
			struct outer outer;
			struct frame *frame;

			memset(&outer, 0, sizeof(outer));
			craft_fill(&c, 0xee, trailing * 7);
			frame = craft_frame(pool, &c);
			assert_int_equal(etherip_pull_ipv4(frame, &outer), REASON_NONE);
			assert_int_equal(frame->len, 62);
			assert_memory_equal(frame->data, c.b + len - 62, 62);
			assert_true(ipaddr_equal(&outer.src, &src));
			assert_true(ipaddr_equal(&outer.dst, &dst));
			frame_free(frame);
		}
	}
}

static void assert_bad_outer(const struct craft *c)
{
	struct frame *frame = craft_frame(pool, c);
	struct outer outer;

	memset(&outer, 0, sizeof(outer));
	assert_int_equal(etherip_pull_ipv4(frame, &outer), REASON_BAD_HEADER);
	frame_free(frame);
}

static void outer_ipv4_headers_that_lie_are_refused(void **state)
{
	static struct craft c;
	size_t len = craft_outer(&c, 3);

	(void)state;
	/* Cut at every byte: the length that it claims is not there. */
	for (c.len = 0; c.len < len; c.len++)
		assert_bad_outer(&c);
	for (unsigned version = 0; version < 16; version++) {
		craft_outer(&c, 3);
		c.b[0] = (uint8_t)(version << 4 | 8);
		if (version != 4)
			assert_bad_outer(&c);
	}
	for (unsigned ihl = 0; ihl < 5; ihl++) {
		craft_outer(&c, 3);
		c.b[0] = (uint8_t)(0x40 | ihl);
		assert_bad_outer(&c);
	}
	craft_outer(&c, 3);
	c.b[9] = 96;
	assert_bad_outer(&c);
	/* One byte more than there is, and one less than the header. */
	craft_outer(&c, 3);
	craft_put16(&c, 2, (unsigned)len + 1);
	assert_bad_outer(&c);
	craft_put16(&c, 2, 31);
	assert_bad_outer(&c);
	craft_put16(&c, 2, 0);
	assert_bad_outer(&c);
	/* A header longer than the packet. */
	craft_outer(&c, 0);
	c.len = 40;
	craft_put16(&c, 2, 40);
	c.b[0] = 0x4f;
	assert_bad_outer(&c);
}

/* A packet that ends within the EtherIP header passes the outer check, and no other. */
static void a_header_that_is_cut_off_is_bad(void **state)
{
	struct outer outer = {.src = addr("192.0.2.2"), .dst = addr("192.0.2.1"), LAN, 0};
	static struct craft c;

	(void)state;
	for (unsigned left = 0; left < 2; left++) {
		struct frame *frame;
		struct etherip *blame;
		enum reason reason;

		craft_outer(&c, 0);
		craft_put16(&c, 2, 20 + left);
		frame = craft_frame(pool, &c);
		assert_int_equal(etherip_pull_ipv4(frame, &outer), REASON_NONE);
		assert_int_equal(frame->len, left);
		assert_null(etherip_demux(&table, frame, 0, &outer, &reason, &blame));
		assert_int_equal(reason, REASON_BAD_HEADER);
		assert_null(blame);
		assert_int_equal(etherip_ops.pop(&backends[G5].encap, frame), REASON_BAD_HEADER);
		frame_free(frame);
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
		uint8_t want[2];

		frame->l3_off = 14;
		etherip_header(encap->network_id, (enum etherip_nibbles)backends[i].conf.nibbles,
			       want);
		assert_int_equal(etherip_ops.push(encap, frame), REASON_NONE);
		assert_int_equal(frame->len, 102);
		assert_memory_equal(frame->data, want, 2);
		assert_memory_equal(frame->data + 2, bytes, sizeof(bytes));
		assert_int_equal(frame->l3_off, FRAME_OFF_UNSET);
		assert_int_equal(etherip_ops.pop(encap, frame), REASON_NONE);
		assert_int_equal(frame->len, 100);
		assert_memory_equal(frame->data, bytes, sizeof(bytes));
		frame_free(frame);
	}
}

static void pop_takes_its_own_id_only(void **state)
{
	struct frame *frame = frame_of("\x30\x06rest", 6);

	(void)state;
	assert_int_equal(etherip_ops.pop(&backends[G5].encap, frame), REASON_UNKNOWN_ID);
	assert_int_equal(frame->len, 6);
	assert_int_equal(etherip_ops.pop(&backends[P6].encap, frame), REASON_NONE);
	assert_int_equal(frame->len, 4);
	frame_free(frame);
}

static void push_leaves_the_other_descriptors_alone(void **state)
{
	uint8_t bytes[64] = {1, 2, 3};
	struct frame *one = frame_of(bytes, sizeof(bytes));
	struct frame *two = frame_clone(one), *three = frame_clone(one);

	(void)state;
	assert_int_equal(etherip_ops.push(&backends[G5].encap, one), REASON_NONE);
	assert_int_equal(etherip_ops.push(&backends[P6].encap, two), REASON_NONE);
	assert_memory_equal(one->data, "\x30\x05", 2);
	assert_memory_equal(two->data, "\x30\x06", 2);
	assert_memory_equal(one->data + 2, bytes, sizeof(bytes));
	assert_memory_equal(two->data + 2, bytes, sizeof(bytes));
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
	assert_non_null(frame_push(frame, FRAME_HEADROOM - 1));
	assert_int_equal(etherip_ops.push(&backends[G5].encap, frame), REASON_NO_BUFFER);
	assert_int_equal(frame->len, FRAME_HEADROOM);
	frame_free(frame);
}

/* ---- room, readiness ---- */

static void room_is_what_the_outer_headers_leave(void **state)
{
	struct ipaddr v4 = addr("192.0.2.2"), v6 = addr("2001:db8::2"), all = {.family = 0};

	(void)state;
	assert_int_equal(etherip_ops.room(&backends[G5].encap, NULL), 1478);
	assert_int_equal(etherip_ops.room(&backends[G5].encap, &all), 1478);
	assert_int_equal(etherip_ops.room(&backends[G5].encap, &v4), 1478);
	assert_int_equal(etherip_ops.room(&backends[P6].encap, &all), 1478);
	assert_int_equal(etherip_ops.room(&backends[V6].encap, NULL), 1458);
	/* Peers of both families: everybody means the narrower. */
	assert_int_equal(etherip_ops.room(&backends[PLAIN3].encap, NULL), 1458);
	assert_int_equal(etherip_ops.room(&backends[PLAIN3].encap, &v4), 1478);
	assert_int_equal(etherip_ops.room(&backends[PLAIN3].encap, &v6), 1458);
	lan.mtu = 9000;
	assert_int_equal(etherip_ops.room(&backends[G5].encap, NULL), 8978);
	lan.mtu = 22;
	assert_int_equal(etherip_ops.room(&backends[G5].encap, NULL), 0);
	lan.mtu = 0;
	assert_int_equal(etherip_ops.room(&backends[V6].encap, NULL), 0);
}

static void ready_wants_an_uplink_and_an_address_to_send_from(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BACKENDS; i++)
		assert_true(etherip_ops.ready(&backends[i].encap));
	memset(&lan.addr[0], 0, sizeof(lan.addr[0]));
	assert_false(etherip_ops.ready(&backends[G5].encap));
	assert_false(etherip_ops.ready(&backends[P6].encap));
	assert_true(etherip_ops.ready(&backends[V6].encap));
	assert_true(etherip_ops.ready(&backends[PLAIN3].encap)); /* one peer has IPv6 */
	lan.up = false;
	assert_false(etherip_ops.ready(&backends[V6].encap));
}

#define CASE(fn) cmocka_unit_test(fn)
#define OPEN(fn) cmocka_unit_test_setup_teardown(fn, setup_backends, teardown_backends)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_header_holds_version_and_id),
	    CASE(the_default_group_is_made_of_the_id),
	    CASE(a_configuration_is_checked),
	    CASE(encaps_that_cannot_be_told_apart_conflict),
	    OPEN(whose_a_datagram_is),
	    OPEN(without_swapped_peers_0x03_is_no_version),
	    OPEN(a_segment_in_udp_takes_its_port_only),
	    OPEN(a_removed_backend_receives_nothing),
	    OPEN(an_uplink_without_an_address_is_nobodys_destination),
	    OPEN(outer_ipv4_headers_are_taken_off),
	    OPEN(outer_ipv4_headers_that_lie_are_refused),
	    OPEN(a_header_that_is_cut_off_is_bad),
	    OPEN(what_is_pushed_pops),
	    OPEN(pop_takes_its_own_id_only),
	    OPEN(push_leaves_the_other_descriptors_alone),
	    OPEN(push_without_room_in_front_is_no_buffer),
	    OPEN(room_is_what_the_outer_headers_leave),
	    OPEN(ready_wants_an_uplink_and_an_address_to_send_from),
	};

	return cmocka_run_group_tests_name("etherip", tests, NULL, NULL);
}
