/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reloads by difference. Without privileges no TAP can be made and no raw socket
 * opened, so ports and encaps stay down; all else of them is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/log.h"
#include "switchd/commit.h"
#include "switchd/membership.h"
#include "switchd/ports.h"
#include "switchd/rtnl.h"
#include "test/unit/craft.h"
#include "test/unit/unprivileged.h"

static struct switchd sw;

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	if (switchd_init(&sw, "nowhere") < 0 || rtnl_open(&sw.rtnl, sw.loop, on_links, NULL) < 0)
		return -1;
	sw.port_host.rtnl = sw.rtnl;
	sw.now = 1000000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	switchd_fini(&sw);
	return 0;
}

#define HEAD	"log_level = \"error\"; uplinks = ( { name = \"lan\"; interface = \"lo\"; } );"
#define WIRE_S	"{ name = \"s\"; id = 1; encap = ( { type = \"etherip\"; uplink = \"lan\"; } ); }"
#define PLAIN_T "{ name = \"t\"; }"
#define PORT(name, segment)                                                                        \
	"{ name = \"" name "\"; type = \"tap\"; segment = \"" segment "\"; netns = \"tvd-none\"; " \
	"}"
#define BASE                                                                                       \
	HEAD "segments = (" WIRE_S "," PLAIN_T ");"                                                \
	     "ports = (" PORT("a", "s") "," PORT("b", "s") "," PORT("c", "t") ");"

static int try_commit(const char *text, struct err *err)
{
	struct desired next;
	int ret;

	memset(&next, 0, sizeof(next));
	if (desired_parse(&next, text, "test", err) < 0)
		return -EINVAL;
	ret = commit(&sw, &next, err);
	if (ret < 0)
		desired_clear(&next);
	return ret;
}

static void load(const char *text)
{
	struct err err = {""};

	if (try_commit(text, &err) < 0)
		fail_msg("%s", err.text);
}

static struct mac station(unsigned n)
{
	return (struct mac){{2, 0, 0, 0, 0, (uint8_t)n}};
}

static void learn_at_port(const char *name, unsigned n)
{
	const struct port *port = switchd_port(&sw, name);
	struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = port->number};
	struct mac mac = station(n);

	assert_int_equal(fdb_learn(sw.fdb, port->untagged.segment->number, &mac, &where, sw.now),
			 FDB_NEW);
}

static void learn_at_wire(const char *segment, unsigned wire, const char *host, unsigned n)
{
	const struct segment *s = switchd_segment(&sw, segment);
	struct fdb_where where = {.side = s->encaps[wire]->encap.side};
	struct mac mac = station(n);

	assert_int_equal(ipaddr_parse(host, &where.remote), 0);
	assert_int_equal(fdb_learn(sw.fdb, s->number, &mac, &where, sw.now), FDB_NEW);
}

static const struct fdb_where *lookup(const char *segment, unsigned n)
{
	struct mac mac = station(n);

	return fdb_lookup(sw.fdb, switchd_segment(&sw, segment)->number, &mac, sw.now);
}

static size_t list_length(const struct list *head)
{
	size_t count = 0;

	list_for_each (head, it)
		count++;
	return count;
}

/* ---- what a commit makes ---- */

static void what_cannot_be_opened_is_down_and_says_why(void **state)
{
	const struct segment *s;

	(void)state;
	load(HEAD "segments = (" WIRE_S "); ports = (" PORT(
	    "a",
	    "s") ","
		 "{ name = \"h\"; type = \"tap\"; segment = \"s\"; ifname = \"tvdtest0\"; } );");
	s = switchd_segment(&sw, "s");
	assert_int_equal(s->encap_count, 1);
	assert_false(s->encaps[0]->open);
	assert_non_null(strstr(s->encaps[0]->why, "CAP_NET_RAW"));
	assert_null(switchd_port(&sw, "a")->state);
	assert_non_null(strstr(switchd_port(&sw, "a")->why, "waiting for namespace"));
	assert_null(switchd_port(&sw, "h")->state);
	assert_true(switchd_port(&sw, "h")->why[0] != '\0');
	assert_string_equal(port_state_name(switchd_port(&sw, "h")), "down");
	assert_true(ev_is_active(&switchd_port(&sw, "h")->runtime->retry));
}

static void everything_is_where_the_configuration_has_it(void **state)
{
	struct segment *s, *t;

	(void)state;
	load(BASE);
	s = switchd_segment(&sw, "s");
	t = switchd_segment(&sw, "t");
	assert_int_equal(list_length(&sw.uplinks), 1);
	assert_int_equal(list_length(&sw.segments), 2);
	assert_int_equal(list_length(&sw.ports), 3);
	assert_int_equal(list_length(&s->ports), 2);
	assert_int_equal(list_length(&t->ports), 1);
	assert_ptr_equal(switchd_port(&sw, "c")->untagged.segment, t);
	assert_ptr_equal(sw.segment_by_number[s->number], s);
	assert_ptr_equal(s->encaps[0]->uplink, switchd_uplink(&sw, "lan"));
	assert_int_equal(s->encaps[0]->encap.network_id, 1);
	assert_null(switchd_port(&sw, "nobody"));
	assert_null(switchd_segment(&sw, "a"));
}

/* ---- what a reload leaves alone ---- */

struct kept {
	const struct segment *s, *t;
	const struct port *a, *b, *c;
	const struct segment_encap *wire;
};

static struct kept see(void)
{
	struct kept kept = {
	    .s = switchd_segment(&sw, "s"),
	    .t = switchd_segment(&sw, "t"),
	    .a = switchd_port(&sw, "a"),
	    .b = switchd_port(&sw, "b"),
	    .c = switchd_port(&sw, "c"),
	};

	kept.wire = kept.s->encaps[0];
	return kept;
}

/* One station each at a, b, c and behind the wire; something in the counters. */
static void settle(void)
{
	load(BASE);
	learn_at_port("a", 1);
	learn_at_port("b", 2);
	learn_at_port("c", 3);
	learn_at_wire("s", 0, "192.0.2.9", 4);
	switchd_port(&sw, "a")->stats.rx_frames = 77;
	switchd_port(&sw, "c")->stats.rx_frames = 88;
	switchd_segment(&sw, "s")->encaps[0]->encap.stats.rx_frames = 99;
}

static void what_is_the_same_is_not_touched(void **state)
{
	struct kept before, after;

	(void)state;
	settle();
	before = see();
	for (unsigned i = 0; i < 100; i++)
		load(BASE);
	after = see();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(after.a->stats.rx_frames, 77);
	assert_int_equal(after.wire->encap.stats.rx_frames, 99);
	assert_int_equal(fdb_segment_count(sw.fdb, after.s->number), 3);
	assert_int_equal(fdb_segment_count(sw.fdb, after.t->number), 1);
}

static void a_port_that_goes_takes_its_stations_along(void **state)
{
	struct kept before;

	(void)state;
	settle();
	before = see();
	load(HEAD "segments = (" WIRE_S "," PLAIN_T
		  "); ports = (" PORT("b", "s") "," PORT("c", "t") ");");
	assert_null(switchd_port(&sw, "a"));
	assert_null(lookup("s", 1));
	assert_non_null(lookup("s", 2));
	assert_non_null(lookup("s", 4));
	assert_ptr_equal(switchd_port(&sw, "b"), before.b);
	load(BASE);
	assert_int_equal(switchd_port(&sw, "a")->stats.rx_frames, 0);
}

static void a_segment_that_goes_leaves_others_alone(void **state)
{
	const struct port *c;

	(void)state;
	settle();
	c = switchd_port(&sw, "c");
	load(HEAD "segments = (" PLAIN_T "); ports = (" PORT("c", "t") ");");
	assert_null(switchd_segment(&sw, "s"));
	assert_null(switchd_port(&sw, "a"));
	assert_ptr_equal(switchd_port(&sw, "c"), c);
	assert_int_equal(c->stats.rx_frames, 88);
	assert_non_null(lookup("t", 3));
	assert_true(list_empty(&switchd_uplink(&sw, "lan")->encaps));
}

static void an_uplink_may_go_with_the_wires_on_it(void **state)
{
	(void)state;
	settle();
	load("log_level = \"error\"; segments = ( { name = \"s\"; id = 1; }," PLAIN_T
	     "); ports = (" PORT("a", "s") ");");
	assert_null(switchd_uplink(&sw, "lan"));
	assert_int_equal(switchd_segment(&sw, "s")->encap_count, 0);
	assert_null(lookup("s", 4));
	assert_non_null(lookup("s", 1));
}

static void a_port_moves_between_segments(void **state)
{
	struct kept before;

	(void)state;
	settle();
	before = see();
	load(HEAD "segments = (" WIRE_S "," PLAIN_T ");"
		  "ports = (" PORT("a", "t") "," PORT("b", "s") "," PORT("c", "t") ");");
	assert_ptr_equal(switchd_port(&sw, "a"), before.a);
	assert_ptr_equal(before.a->untagged.segment, before.t);
	assert_int_equal(list_length(&before.s->ports), 1);
	assert_int_equal(list_length(&before.t->ports), 2);
	assert_int_equal(before.a->stats.rx_frames, 77);
	assert_null(lookup("s", 1));
	assert_null(lookup("t", 1));
	assert_non_null(lookup("s", 2));
	assert_non_null(lookup("t", 3));
}

/* The guests of its ports keep their interfaces. */
static void another_id_makes_a_segment_anew(void **state)
{
	const struct port *a, *c;

	(void)state;
	settle();
	a = switchd_port(&sw, "a");
	c = switchd_port(&sw, "c");
	load(HEAD "segments = ( { name = \"s\"; id = 2; encap = ( { type = \"etherip\"; uplink = "
		  "\"lan\"; } ); }," PLAIN_T "); ports = (" PORT("a", "s") "," PORT("c", "t") ");");
	assert_int_equal(switchd_segment(&sw, "s")->encaps[0]->encap.network_id, 2);
	assert_int_equal(fdb_segment_count(sw.fdb, switchd_segment(&sw, "s")->number), 0);
	assert_ptr_equal(switchd_port(&sw, "a"), a);
	assert_int_equal(a->stats.rx_frames, 77);
	assert_ptr_equal(a->untagged.segment, switchd_segment(&sw, "s"));
	assert_int_equal(list_length(&switchd_segment(&sw, "s")->ports), 1);
	assert_ptr_equal(switchd_port(&sw, "c"), c);
	assert_non_null(lookup("t", 3));
}

/* ---- trunk ports ---- */

#define TRUNK(list, more)                                                                          \
	"{ name = \"r\"; type = \"tap\"; netns = \"tvd-none\"; trunk = (" list "); " more " }"
#define VLAN(vid, segment) "{ vid = " #vid "; segment = \"" segment "\"; }"
#define PLAIN(name)	   "{ name = \"" name "\"; }"
#define TRUNKED(segments, port)                                                                    \
	"log_level = \"error\"; segments = (" segments "); ports = (" port ");"

static bool member(const char *segment, unsigned vid)
{
	struct segment *s = switchd_segment(&sw, segment);
	struct port *r = switchd_port(&sw, "r");
	const struct membership *m = membership_of(r, s);

	assert_true(!m || (m->port == r && m->segment == s && !list_empty(&m->by_segment)));
	if (m && vid)
		assert_ptr_equal(membership_of_vid(r, (uint16_t)vid), m);
	return m && m->vid == vid;
}

/* The station of that number is at the trunk port in this segment. */
static void learn_at_trunk(const char *segment, unsigned n)
{
	struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = switchd_port(&sw, "r")->number};
	struct mac mac = station(n);

	assert_int_equal(
	    fdb_learn(sw.fdb, switchd_segment(&sw, segment)->number, &mac, &where, sw.now),
	    FDB_NEW);
}

static void a_trunk_changes_only_where_its_list_does(void **state)
{
	const struct port *r;

	(void)state;
	load(TRUNKED(PLAIN("s") "," PLAIN("t") "," PLAIN("u"),
		     TRUNK(VLAN(101, "s") "," VLAN(100, "t"), "")));
	r = switchd_port(&sw, "r");
	assert_true(member("s", 101) && member("t", 100) && !member("u", 0));
	learn_at_trunk("s", 1);
	learn_at_trunk("t", 2);
	/* One goes, one comes, and the native segment; another number keeps the stations. */
	load(TRUNKED(PLAIN("s") "," PLAIN("t") "," PLAIN("u"),
		     TRUNK(VLAN(7, "s") "," VLAN(9, "u"), "native = \"t\";")));
	assert_ptr_equal(switchd_port(&sw, "r"), r);
	assert_true(member("s", 7) && member("u", 9) && member("t", 0));
	assert_null(membership_of_vid(r, 101));
	assert_non_null(lookup("s", 1));
	assert_non_null(lookup("t", 2));
	load(TRUNKED(PLAIN("s") "," PLAIN("t") "," PLAIN("u"), TRUNK(VLAN(9, "u"), "")));
	assert_ptr_equal(switchd_port(&sw, "r"), r);
	assert_null(lookup("s", 1));
	assert_null(lookup("t", 2));
	assert_true(list_empty(&switchd_segment(&sw, "s")->ports));
	/* An access port, and a trunk again. */
	load(TRUNKED(PLAIN("s") "," PLAIN("u"), PORT("r", "u")));
	assert_ptr_equal(switchd_port(&sw, "r"), r);
	assert_null(r->trunk);
	assert_true(member("u", 0));
	load(TRUNKED(PLAIN("s") "," PLAIN("u"), TRUNK(VLAN(1, "s"), "segment = \"u\";")));
	assert_ptr_equal(switchd_port(&sw, "r"), r);
	assert_true(member("s", 1) && member("u", 0));
}

static void a_segment_that_goes_leaves_the_rest_of_a_trunk(void **state)
{
	const struct port *r;

	(void)state;
	load(TRUNKED(PLAIN("s") ", { name = \"t\"; id = 5; }",
		     TRUNK(VLAN(101, "s") "," VLAN(102, "t"), "")));
	r = switchd_port(&sw, "r");
	learn_at_trunk("s", 1);
	learn_at_trunk("t", 2);
	load(TRUNKED(PLAIN("s") ", { name = \"t\"; id = 6; }",
		     TRUNK(VLAN(101, "s") "," VLAN(102, "t"), "")));
	assert_ptr_equal(switchd_port(&sw, "r"), r);
	assert_true(member("s", 101) && member("t", 102));
	assert_non_null(lookup("s", 1));
	assert_null(lookup("t", 2));
	learn_at_trunk("t", 2);
	load(TRUNKED(PLAIN("s"), TRUNK(VLAN(101, "s"), "")));
	assert_ptr_equal(switchd_port(&sw, "r"), r);
	assert_true(member("s", 101));
	assert_non_null(lookup("s", 1));
	load(TRUNKED(PLAIN("s"), PORT("q", "s")));
	assert_null(switchd_port(&sw, "r"));
	assert_null(lookup("s", 1));
	assert_int_equal(list_length(&switchd_segment(&sw, "s")->ports), 1);
}

static void a_trunk_fits_the_narrowest_of_its_segments(void **state)
{
	struct port *r;

	(void)state;
	load(TRUNKED(PLAIN("s") "," PLAIN("t"), TRUNK(VLAN(1, "s") "," VLAN(2, "t"), "")));
	r = switchd_port(&sw, "r");
	assert_int_equal(r->mtu, 0);
	/* What segment_update_mtu() finds with encaps that are open. */
	switchd_segment(&sw, "s")->mtu = 1464;
	switchd_segment(&sw, "s")->encap_count = 1;
	membership_update_mtu(r);
	assert_int_equal(r->mtu, 1464);
	switchd_segment(&sw, "t")->mtu = 1450;
	switchd_segment(&sw, "t")->encap_count = 1;
	membership_update_mtu(r);
	assert_int_equal(r->mtu, 1450);
	switchd_segment(&sw, "s")->encap_count = switchd_segment(&sw, "t")->encap_count = 0;
}

/* ---- what changes under way ---- */

static void options_of_a_segment_change_under_way(void **state)
{
	struct kept before, after;

	(void)state;
	settle();
	before = see();
	load(HEAD "segments = (" WIRE_S ", { name = \"t\"; ageing = 10; storm = 7; isolated = true;"
		  "reserved = [3]; tags = \"pass\"; domain = \"d\"; } );"
		  "ports = (" PORT("a", "s") "," PORT(
		      "b", "s") ", { name = \"c\"; type = \"tap\"; "
				"segment = \"t\"; netns = \"tvd-none\"; guest = \"c\"; } );");
	after = see();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(after.t->conf.storm, 7);
	assert_true(after.t->conf.isolated);
	assert_int_equal(after.t->reserved, 1u << 3);
	assert_int_equal(after.t->mtu, 65521);
	assert_non_null(lookup("t", 3));
	sw.now += 10000;
	assert_null(lookup("t", 3));
	assert_non_null(lookup("s", 1));
}

static void a_smaller_table_loses_the_oldest(void **state)
{
	(void)state;
	settle();
	sw.now += 1;
	learn_at_port("c", 5);
	load(HEAD "segments = (" WIRE_S ", { name = \"t\"; fdb_max = 1; fdb_port_max = 1; } );"
		  "ports = (" PORT("a", "s") "," PORT("b", "s") "," PORT("c", "t") ");");
	assert_null(lookup("t", 3));
	assert_non_null(lookup("t", 5));
	assert_int_equal(fdb_segment_counters(sw.fdb, switchd_segment(&sw, "t")->number).evicted,
			 1);
}

static void locking_a_port_forgets_who_is_there(void **state)
{
	const struct port *a;

	(void)state;
	settle();
	a = switchd_port(&sw, "a");
	load(HEAD "segments = (" WIRE_S "," PLAIN_T "); ports = ( { name = \"a\"; type = \"tap\";"
		  "segment = \"s\"; netns = \"tvd-none\"; state = \"locked\"; }," PORT(
		      "b", "s") "," PORT("c", "t") ");");
	assert_ptr_equal(switchd_port(&sw, "a"), a);
	assert_string_equal(port_state_name(a), "locked");
	assert_int_equal(a->stats.rx_frames, 77);
	assert_null(lookup("s", 1));
	assert_non_null(lookup("s", 2));
	load(BASE);
	assert_string_equal(port_state_name(a), "down");
}

/* ---- several wires ---- */

#define TWO_WIRES(first, second)                                                                   \
	HEAD "segments = ( { name = \"s\"; id = 1; encap = (" first "," second "); } );"
#define ONE_WIRE(only) HEAD "segments = ( { name = \"s\"; id = 1; encap = (" only "); } );"
#define GROUP(group)   "{ type = \"etherip\"; uplink = \"lan\"; group = \"" group "\"; }"
#define PEER(peer)     "{ type = \"etherip\"; uplink = \"lan\"; peers = \"" peer "\"; }"

static void wires_are_known_by_what_they_are_not_by_order(void **state)
{
	const struct segment_encap *group, *peer;
	const struct segment *s;

	(void)state;
	load(TWO_WIRES(GROUP("239.1.1.1"), PEER("192.0.2.2")));
	s = switchd_segment(&sw, "s");
	group = s->encaps[0];
	peer = s->encaps[1];
	learn_at_wire("s", 0, "127.0.0.9", 1);
	learn_at_wire("s", 1, "192.0.2.2", 2);
	load(TWO_WIRES(PEER("192.0.2.2"), GROUP("239.1.1.1")));
	assert_ptr_equal(s->encaps[0], peer);
	assert_ptr_equal(s->encaps[1], group);
	assert_int_equal(lookup("s", 1)->side, group->encap.side);
	assert_int_equal(lookup("s", 2)->side, peer->encap.side);
	/* The first goes: the other is who it was. */
	load(ONE_WIRE(GROUP("239.1.1.1")));
	assert_int_equal(s->encap_count, 1);
	assert_ptr_equal(s->encaps[0], group);
	assert_non_null(lookup("s", 1));
	assert_null(lookup("s", 2));
}

static void a_wire_that_begins_anew_forgets_who_was_behind_it(void **state)
{
	const struct segment_encap *group;

	(void)state;
	load(ONE_WIRE(GROUP("239.1.1.1")));
	group = switchd_segment(&sw, "s")->encaps[0];
	learn_at_wire("s", 0, "127.0.0.9", 1);
	load(ONE_WIRE(GROUP("239.1.1.2")));
	assert_ptr_equal(switchd_segment(&sw, "s")->encaps[0], group);
	assert_null(lookup("s", 1));
}

/* ---- refusals ---- */

static void what_fails_its_check_changes_nothing(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {HEAD "ports = (" PORT("a", "nowhere") ");", "there is no segment"},
	    {HEAD "segments = (" PLAIN_T "," PLAIN_T ");", "twice"},
	    {HEAD "segments = (" PLAIN_T "); ports = (" PORT("a", "t") "," PORT("a", "t") ");",
	     "twice"},
	    {HEAD "segments = ( { name = \"s\"; id = 256; } );", "low byte"},
	    {HEAD "segments = ( { name = \"s\"; id = 1; }, { name = \"t\"; id = 1; } );",
	     "already"},
	    {HEAD "segments = ( { name = \"s\"; encap = ( { type = \"etherip\"; uplink = "
		  "\"wan\"; } ); } );",
	     "no uplink"},
	    {HEAD "segments = ( { name = \"s\"; nonsense = 1; } );", "nonsense"},
	    {"this is no configuration", "syntax"},
	};
	struct kept before, after;

	(void)state;
	settle();
	before = see();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {""};

		assert_int_equal(try_commit(cases[i].text, &err), -EINVAL);
		if (!strstr(err.text, cases[i].error))
			fail_msg("case %zu: %s", i, err.text);
		after = see();
		assert_memory_equal(&before, &after, sizeof(before));
	}
	assert_int_equal(after.a->stats.rx_frames, 77);
	assert_int_equal(fdb_segment_count(sw.fdb, after.s->number), 3);
	assert_int_equal(sw.desired.segments.count, 2);
	assert_int_equal(sw.desired.ports.count, 3);
}

/* ---- at random ---- */

#define SEGMENTS 5u
#define PORTS	 12u

/* What was chosen: the port's segment, SEGMENTS for none. */
struct choice {
	bool segment[SEGMENTS];
	unsigned id[SEGMENTS], port[PORTS], wires[SEGMENTS];
	unsigned trunk[PORTS]; /* bit s: also in segment s, by VID 100 + s */
};

static void choose(struct choice *choice, uint64_t *rnd)
{
	for (unsigned i = 0; i < SEGMENTS; i++) {
		choice->segment[i] = craft_below(rnd, 5) != 0;
		choice->id[i] = craft_below(rnd, 8) ? i + 1 : i + 101;
		choice->wires[i] = craft_below(rnd, 3);
	}
	for (unsigned i = 0; i < PORTS; i++) {
		unsigned s = craft_below(rnd, SEGMENTS + 2);

		choice->port[i] = s < SEGMENTS && choice->segment[s] ? s : SEGMENTS;
		choice->trunk[i] = 0;
		for (unsigned t = 0; t < SEGMENTS && craft_below(rnd, 2); t++) {
			if (choice->segment[t] && t != s)
				choice->trunk[i] |= 1u << t;
		}
	}
}

static void write_choice(const struct choice *choice, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");
	const char *sep = "";

	assert_non_null(out);
	(void)fputs(HEAD " segments = (", out);
	for (unsigned i = 0; i < SEGMENTS; i++) {
		if (!choice->segment[i])
			continue;
		(void)fprintf(out, "%s{ name = \"s%u\"; id = %u; encap = (", sep, i, choice->id[i]);
		for (unsigned w = 0; w < choice->wires[i]; w++)
			(void)fprintf(out,
				      "%s{ type = \"etherip\"; uplink = \"lan\"; group = "
				      "\"239.1.%u.%u\"; }",
				      w ? "," : "", i, w);
		(void)fputs("); }", out);
		sep = ",";
	}
	(void)fputs("); ports = (", out);
	sep = "";
	for (unsigned i = 0; i < PORTS; i++) {
		if (choice->port[i] == SEGMENTS)
			continue;
		(void)fprintf(out,
			      "%s{ name = \"p%u\"; type = \"tap\"; segment = \"s%u\"; netns = "
			      "\"tvd-none-%u\"; trunk = (",
			      sep, i, choice->port[i], i);
		sep = "";
		for (unsigned t = 0; t < SEGMENTS; t++) {
			if (!(choice->trunk[i] & 1u << t))
				continue;
			(void)fprintf(out, "%s{ vid = %u; segment = \"s%u\"; }", sep, 100 + t, t);
			sep = ",";
		}
		(void)fputs("); }", out);
		sep = ",";
	}
	(void)fputs(");", out);
	assert_int_equal(fclose(out), 0);
}

static void check_choice(const struct choice *choice)
{
	size_t segments = 0, ports = 0, wires = 0, memberships = 0, listed = 0;
	char name[16];

	for (unsigned i = 0; i < SEGMENTS; i++) {
		struct segment *s;

		(void)snprintf(name, sizeof(name), "s%u", i);
		s = switchd_segment(&sw, name);
		assert_int_equal(s != NULL, choice->segment[i]);
		if (!s)
			continue;
		segments++;
		listed += list_length(&s->ports);
		wires += choice->wires[i];
		assert_int_equal(s->conf.id, choice->id[i]);
		assert_int_equal(s->encap_count, choice->wires[i]);
		assert_ptr_equal(sw.segment_by_number[s->number], s);
		for (unsigned w = 0; w < s->encap_count; w++) {
			assert_ptr_equal(s->encaps[w]->segment, s);
			assert_string_equal(s->encaps[w]->encap.segment_name, name);
		}
	}
	for (unsigned i = 0; i < PORTS; i++) {
		struct port *port;

		(void)snprintf(name, sizeof(name), "p%u", i);
		port = switchd_port(&sw, name);
		assert_int_equal(port != NULL, choice->port[i] != SEGMENTS);
		if (!port)
			continue;
		ports++;
		(void)snprintf(name, sizeof(name), "s%u", choice->port[i]);
		assert_ptr_equal(port->untagged.segment, switchd_segment(&sw, name));
		assert_ptr_equal(sw.port_by_number[port->number], port);
		memberships++;
		assert_int_equal(port->trunk != NULL, choice->trunk[i] != 0);
		for (unsigned t = 0; t < SEGMENTS; t++) {
			const struct membership *m =
			    port->trunk ? membership_of_vid(port, (uint16_t)(100 + t)) : NULL;

			assert_int_equal(m != NULL, (choice->trunk[i] & 1u << t) != 0);
			if (!m)
				continue;
			memberships++;
			(void)snprintf(name, sizeof(name), "s%u", t);
			assert_ptr_equal(m->segment, switchd_segment(&sw, name));
			assert_ptr_equal(membership_of(port, m->segment), m);
		}
	}
	assert_int_equal(listed, memberships);
	assert_int_equal(list_length(&sw.segments), segments);
	assert_int_equal(list_length(&sw.ports), ports);
	assert_int_equal(list_length(&switchd_uplink(&sw, "lan")->encaps), wires);
}

static void any_state_can_follow_any_other(void **state)
{
	static char text[8192];
	struct choice choice;
	uint64_t rnd = 7;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		choose(&choice, &rnd);
		write_choice(&choice, text, sizeof(text));
		load(text);
		check_choice(&choice);
	}
	commit_clear(&sw);
	assert_true(list_empty(&sw.ports) && list_empty(&sw.segments) && list_empty(&sw.uplinks));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(what_cannot_be_opened_is_down_and_says_why),
	    CASE(everything_is_where_the_configuration_has_it),
	    CASE(what_is_the_same_is_not_touched),
	    CASE(a_port_that_goes_takes_its_stations_along),
	    CASE(a_segment_that_goes_leaves_others_alone),
	    CASE(an_uplink_may_go_with_the_wires_on_it),
	    CASE(a_port_moves_between_segments),
	    CASE(another_id_makes_a_segment_anew),
	    CASE(a_trunk_changes_only_where_its_list_does),
	    CASE(a_segment_that_goes_leaves_the_rest_of_a_trunk),
	    CASE(a_trunk_fits_the_narrowest_of_its_segments),
	    CASE(options_of_a_segment_change_under_way),
	    CASE(a_smaller_table_loses_the_oldest),
	    CASE(locking_a_port_forgets_who_is_there),
	    CASE(wires_are_known_by_what_they_are_not_by_order),
	    CASE(a_wire_that_begins_anew_forgets_who_was_behind_it),
	    CASE(what_fails_its_check_changes_nothing),
	    CASE(any_state_can_follow_any_other),
	};

	return cmocka_run_group_tests_name("commit", tests, drop_privileges, NULL);
}
