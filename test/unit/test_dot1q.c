/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pure half of VLANs: configurations and what cannot be together, whose a
 * frame is, tags put on and taken off, and the kernel's filter, which an
 * interpreter of our own compares with what is taken in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "encap/dot1q.h"
#include "encap/gso.h"
#include "lib/packet.h"
#include "switchd/config.h"
#include "test/unit/craft.h"

static struct frame_pool *pool;

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(8, 2);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool); /* aborts if a frame has leaked */
	return 0;
}

/* ---- configurations ---- */

static bool parse(struct dot1q_conf *conf, const char *text, struct err *err)
{
	json_t *json = json_loads(text, 0, NULL);
	bool ok;

	assert_non_null(json);
	json_object_set_new(json, "type", json_string("dot1q"));
	if (!json_object_get(json, "uplink"))
		json_object_set_new(json, "uplink", json_string("lan"));
	memset(conf, 0, sizeof(*conf));
	ok = conf_parse_json(dot1q_ops.schema, json, conf, err) &&
	     dot1q_ops.check(&conf->common, -1, err) == 0;
	json_decref(json);
	return ok;
}

static void a_configuration_is_checked(void **state)
{
	static const struct {
		const char *text, *error; /* NULL: good */
	} cases[] = {
	    {"{\"vid\": 1}", NULL},
	    {"{\"vid\": 4094}", NULL},
	    {"{\"vid\": 0}", "vid"},
	    {"{\"vid\": 4095}", "vid"},
	    {"{\"vid\": -1}", "vid"},
	    {"{\"vid\": 4096}", "vid"},
	    {"{}", "vid"},
	    {"{\"vid\": 1, \"priority\": 0}", NULL},
	    {"{\"vid\": 1, \"priority\": 7}", NULL},
	    {"{\"vid\": 1, \"priority\": 8}", "priority"},
	    {"{\"vid\": 1, \"outer_vid\": 1}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 4094}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 0}", "outer_vid"},
	    {"{\"vid\": 1, \"outer_vid\": 4095}", "outer_vid"},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"outer_tpid\": 33024}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"outer_tpid\": 34984}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"outer_tpid\": 37120}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"outer_tpid\": \"0x9100\"}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"outer_tpid\": 2048}", "0x0800 is none of"},
	    {"{\"vid\": 1, \"outer_tpid\": 34984}", "needs `outer_vid`"},
	    {"{\"vid\": 1, \"mvrp\": true, \"gvrp\": true}", NULL},
	    {"{\"vid\": 1, \"mvrp\": \"gvrp\"}", "mvrp"},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"mvrp\": true}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"gvrp\": true}", "0x88a8"},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"gvrp\": false}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"outer_tpid\": 33024, \"gvrp\": true}", NULL},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"outer_tpid\": 37120, \"mvrp\": true}", "0x9100"},
	    {"{\"vid\": 1, \"outer_vid\": 2, \"outer_tpid\": 37120, \"gvrp\": true}", "0x9100"},
	    {"{\"vid\": 1, \"group\": \"239.1.1.1\"}", "group"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {""};
		struct dot1q_conf conf;
		bool ok = parse(&conf, cases[i].text, &err);

		if (ok != !cases[i].error || (cases[i].error && !strstr(err.text, cases[i].error)))
			fail_msg("%s: \"%s\"", cases[i].text, err.text);
		conf_clear(dot1q_ops.schema, &conf);
	}
}

/* The outer type is that of 802.1ad unless it is given; without an outer VLAN it is nothing. */
static void an_outer_tag_is_an_s_tag_by_default(void **state)
{
	struct dot1q_conf conf;
	struct err err;

	(void)state;
	assert_true(parse(&conf, "{\"vid\": 7, \"outer_vid\": 200}", &err));
	assert_int_equal(conf.outer_tpid, 0x88a8);
	assert_int_equal(conf.outer_vid, 200);
	conf_clear(dot1q_ops.schema, &conf);
	assert_true(parse(&conf, "{\"vid\": 7}", &err));
	assert_int_equal(conf.outer_vid, 0);
	assert_int_equal(conf.priority, 0);
	conf_clear(dot1q_ops.schema, &conf);
}

/* Switches on the way look at the outer tag only; nothing is declared unless asked for. */
static void the_outermost_vlan_is_declared(void **state)
{
	static const struct {
		const char *text;
		unsigned protocols, vid;
	} cases[] = {
	    {"{\"vid\": 7}", 0, 7},
	    {"{\"vid\": 7, \"mvrp\": false, \"gvrp\": false}", 0, 7},
	    {"{\"vid\": 7, \"mvrp\": true}", 1u << MRP_MVRP, 7},
	    {"{\"vid\": 7, \"gvrp\": true}", 1u << MRP_GVRP, 7},
	    {"{\"vid\": 7, \"mvrp\": true, \"gvrp\": true}", 1u << MRP_MVRP | 1u << MRP_GVRP, 7},
	    {"{\"vid\": 7, \"outer_vid\": 200, \"mvrp\": true}", 1u << MRP_MVRP_PROVIDER, 200},
	    {"{\"vid\": 7, \"outer_vid\": 200, \"outer_tpid\": 33024, \"mvrp\": true}",
	     1u << MRP_MVRP, 200},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dot1q_conf conf;
		struct err err;

		assert_true(parse(&conf, cases[i].text, &err));
		assert_int_equal(dot1q_declares(&conf), cases[i].protocols);
		assert_int_equal(dot1q_declared_vid(&conf), cases[i].vid);
		conf_clear(dot1q_ops.schema, &conf);
	}
}

#define VLAN(vid)	  "vid = " #vid ";"
#define STACK(outer, vid) "outer_vid = " #outer "; vid = " #vid ";"
#define CTAGS(outer, vid) STACK(outer, vid) " outer_tpid = 0x8100;"
#define OLD(outer, vid)	  STACK(outer, vid) " outer_tpid = 0x9100;"

static void a_vlan_is_one_segments(void **state)
{
	static const struct {
		const char *a, *b;
		bool good;
	} cases[] = {
	    {VLAN(102), VLAN(103), true},      {VLAN(102), VLAN(102), false},
	    {STACK(5, 7), STACK(5, 8), true},  {STACK(5, 7), STACK(6, 7), true},
	    {STACK(5, 7), STACK(5, 7), false}, {STACK(5, 7), VLAN(5), true},
	    {STACK(5, 7), VLAN(7), true},      {CTAGS(5, 7), VLAN(7), true},
	    {CTAGS(5, 7), VLAN(5), false},     {CTAGS(5, 4094), VLAN(5), false},
	    {CTAGS(5, 1), VLAN(6), true},      {CTAGS(5, 7), STACK(5, 7), true},
	    {CTAGS(5, 7), CTAGS(5, 7), false}, {CTAGS(5, 7), CTAGS(7, 5), true},
	    {OLD(5, 7), STACK(5, 7), true},    {OLD(5, 7), VLAN(5), true},
	    {OLD(5, 7), OLD(5, 7), false},
	};
	static const char form[] =
	    "uplinks = ( { name = \"u\"; interface = \"e\"; }, { name = \"w\"; interface = \"f\"; "
	    "} "
	    ");\n"
	    "segments = ( { name = \"a\"; encap = ( { type = \"dot1q\"; uplink = \"%s\"; %s } ); "
	    "},\n"
	    "{ name = \"x\"; encap = ( { type = \"dot1q\"; uplink = \"u\"; vid = 2000; } ); },\n"
	    "{ name = \"b\"; encap = ( { type = \"dot1q\"; uplink = \"u\"; %s } ); } );\n";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 4; i++) {
		const char *a = cases[i / 4].a, *b = cases[i / 4].b;
		bool swapped = i & 1, apart = i & 2;
		struct desired desired = {.host = NULL};
		char text[1024];
		struct err err = {""};
		int r;

		(void)snprintf(text, sizeof(text), form, apart ? "w" : "u", swapped ? b : a,
			       swapped ? a : b);
		r = desired_parse(&desired, text, "t", &err);
		if ((r == 0) != (cases[i / 4].good || apart))
			fail_msg("%s and %s: %s", a, b, err.text);
		if (r < 0 && !strstr(err.text, "cannot both be"))
			fail_msg("%s", err.text);
		if (r == 0)
			desired_clear(&desired);
	}
}

/* 4094 VLANs and as many inside one other take no time worth mentioning to compare. */
static void very_many_vlans_are_compared_at_once(void **state)
{
	const size_t count = 4093, room = count * 2 * 160 + 400;
	struct desired desired = {.host = NULL};
	char *text = malloc(room);
	struct err err = {""};
	size_t n;
	clock_t begun;

	(void)state;
	assert_non_null(text);
	n = (size_t)snprintf(text, room, "%s",
			     "uplinks = ( { name = \"u\"; interface = \"e\"; } ); segments = ( ");
	for (size_t i = 1; i <= count; i++) {
		n += (size_t)snprintf(text + n, room - n,
				      "{ name = \"p%zu\"; encap = ( { type = \"dot1q\"; uplink = "
				      "\"u\"; vid = %zu; } ); },\n"
				      "{ name = \"q%zu\"; encap = ( { type = \"dot1q\"; uplink = "
				      "\"u\"; vid = %zu; outer_vid = 4094; outer_tpid = 0x8100; } "
				      "); },\n",
				      i, i, i, i);
	}
	(void)snprintf(text + n - 2, room - n, " );");
	begun = clock();
	assert_int_equal(desired_parse(&desired, text, "t", &err), 0);
	/* All with all would be 8 million comparisons of text; parsing is the most of this. */
	assert_true((clock() - begun) / CLOCKS_PER_SEC < 20);
	desired_clear(&desired);
	free(text);
}

/* ---- backends without sockets ---- */

static struct encap_uplink uplink = {.name = "lan", .mtu = 1500};

struct backend {
	struct dot1q_conf conf;
	struct encap encap;
	struct dot1q dot1q;
};

static void backend_init(struct backend *be, int64_t outer_tpid, int64_t outer_vid, int64_t vid)
{
	memset(be, 0, sizeof(*be));
	be->conf.vid = vid;
	be->conf.outer_vid = outer_vid;
	be->conf.outer_tpid = outer_tpid;
	be->encap.ops = &dot1q_ops;
	be->encap.uplink = &uplink;
	be->encap.conf = &be->conf.common;
	be->encap.state = &be->dot1q;
	be->dot1q.encap = &be->encap;
	be->dot1q.conf = &be->conf;
}

static void room_is_what_the_kernel_takes(void **state)
{
	struct backend be;

	(void)state;
	backend_init(&be, 0x88a8, 0, 5);
	assert_int_equal(dot1q_ops.room(&be.encap, NULL), 1514);
	backend_init(&be, 0x8100, 9, 5);
	assert_int_equal(dot1q_ops.room(&be.encap, NULL), 1510);
	backend_init(&be, 0x88a8, 9, 5);
	assert_int_equal(dot1q_ops.room(&be.encap, NULL), 1506);
	backend_init(&be, 0x9100, 9, 5);
	assert_int_equal(dot1q_ops.room(&be.encap, NULL), 1506);
}

/* ---- whose a frame is ---- */

enum { V102, V103, S5_7, S5_9, C200_7, O5_7, BACKENDS, NOBODY = BACKENDS };

static struct backend backends[BACKENDS];
static struct dot1q_table *table;

static void table_open(void)
{
	table = calloc(1, sizeof(*table));
	assert_non_null(table);
	backend_init(&backends[V102], 0x88a8, 0, 102);
	backend_init(&backends[V103], 0x88a8, 0, 103);
	backend_init(&backends[S5_7], 0x88a8, 5, 7);
	backend_init(&backends[S5_9], 0x88a8, 5, 9);
	backend_init(&backends[C200_7], 0x8100, 200, 7);
	backend_init(&backends[O5_7], 0x9100, 5, 7);
	for (int i = 0; i < BACKENDS; i++)
		assert_int_equal(dot1q_table_add(table, &backends[i].dot1q), 0);
}

static void table_close(void)
{
	for (int i = 0; i < BACKENDS; i++)
		dot1q_table_del(table, &backends[i].dot1q);
	assert_int_equal(table->count, 0);
	for (int type = 0; type < OUTER_TYPES; type++) {
		for (unsigned vid = 0; vid < VIDS; vid++)
			assert_null(table->outer[type][vid]);
	}
	free(table);
}

/* A frame as the socket hands it over; tags[0] beside the bytes if it is one that the
 * kernel knows. `tail` is what follows the tags: a type and a payload. */
static struct frame *tagged_frame(const uint32_t *tags, unsigned count, bool kernel, size_t tail)
{
	struct craft *c = calloc(1, sizeof(*c));
	struct frame *frame;
	unsigned i = 0;

	assert_non_null(c);
	craft_eth(c, 0);
	c->len -= 2;
	if (kernel && count && (tags[0] >> 16 == 0x8100 || tags[0] >> 16 == 0x88a8))
		i = 1;
	for (unsigned k = i; k < count; k++)
		craft_u32(c, tags[k]);
	if (tail >= 2)
		craft_u16(c, 0x88b5);
	for (size_t k = 2; k < tail; k++)
		craft_u8(c, (unsigned)(k * 3));
	frame = craft_frame(pool, c);
	assert_non_null(frame);
	if (i) {
		frame->tag.tpid = (uint16_t)(tags[0] >> 16);
		frame->tag.tci = (uint16_t)tags[0];
	}
	free(c);
	return frame;
}

#define C 0x81000001

static const struct {
	uint32_t tags[8];
	unsigned count;
	int whose;
	unsigned left; /* of the tags, when ours are off */
} table_cases[] = {
    {{0}, 0, NOBODY, 0},
    {{0x81000066}, 1, V102, 0},
    {{0x81000067}, 1, V103, 0},
    {{0x8100e066}, 1, V102, 0}, /* priority 7 */
    {{0x8100f066}, 1, V102, 0}, /* and drop eligible */
    {{0x81000068}, 1, NOBODY, 0},
    {{0x81000000}, 1, NOBODY, 0}, /* priority only */
    {{0x8100a000}, 1, NOBODY, 0},
    {{0x81000fff}, 1, NOBODY, 0},
    {{0x8100ffff}, 1, NOBODY, 0},
    {{0x88a80066}, 1, NOBODY, 0}, /* another type on a C-tag segment */
    {{0x91000066}, 1, NOBODY, 0},
    {{0x92000066}, 1, NOBODY, 0},
    {{0x81000066, 0x81000067}, 2, V102, 1}, /* the guest's own tag, for the segment to judge */
    {{0x81000066, 0x88a80005, 0x81000007}, 3, V102, 2},
    {{0x81000000, 0x81000066}, 2, NOBODY, 0}, /* only the outermost counts */
    {{0x88a80005, 0x81000007}, 2, S5_7, 0},
    {{0x88a8f005, 0x8100e007}, 2, S5_7, 0},
    {{0x88a80005, 0x81000009}, 2, S5_9, 0},
    {{0x88a80005, 0x81000008}, 2, NOBODY, 0},
    {{0x88a80006, 0x81000007}, 2, NOBODY, 0},
    {{0x88a80005, 0x88a80007}, 2, NOBODY, 0},
    {{0x88a80005, 0x81000000}, 2, NOBODY, 0},
    {{0x88a80005, 0x81000fff}, 2, NOBODY, 0},
    {{0x88a80005}, 1, NOBODY, 0},
    {{0x88a80005, 0x81000007, 0x81000066}, 3, S5_7, 1},
    {{0x810000c8, 0x81000007}, 2, C200_7, 0},
    {{0x810000c8}, 1, NOBODY, 0},
    {{0x81000005, 0x81000007}, 2, NOBODY, 0}, /* the right VLANs, the wrong type */
    {{0x91000005, 0x81000007}, 2, O5_7, 0},
    {{0x91000005, 0x81000008}, 2, NOBODY, 0},
    {{0x91000005}, 1, NOBODY, 0},
    {{0x91000005, 0x81000007, 0x91000005, 0x81000007}, 4, O5_7, 2},
    {{0x81000fff, 0x81000066}, 2, NOBODY, 0},
    {{0x88a80fff, 0x81000007}, 2, NOBODY, 0},
    /* Stacks of eight. */
    {{0x81000066, 0x81000066, 0x81000fff, 0x88a80005, 0x81000007, C, C, C}, 8, V102, 7},
    {{0x88a80005, 0x81000007, 0x88a80005, 0x81000007, C, C, C, C}, 8, S5_7, 6},
    {{C, 0x81000066, C, C, C, C, C, C}, 8, NOBODY, 0},
};

#define TABLE_CASES (sizeof(table_cases) / sizeof(table_cases[0]))

static void the_outermost_tags_say_whose_a_frame_is(void **state)
{
	(void)state;
	table_open();
	for (size_t i = 0; i < TABLE_CASES * 2; i++) {
		const uint32_t *tags = table_cases[i / 2].tags;
		unsigned count = table_cases[i / 2].count, left = table_cases[i / 2].left;
		int whose = table_cases[i / 2].whose;
		struct frame *frame = tagged_frame(tags, count, i & 1, 48);
		struct dot1q *dot1q = dot1q_demux(table, frame);

		if (dot1q != (whose == NOBODY ? NULL : &backends[whose].dot1q))
			fail_msg("case %zu", i / 2);
		for (int b = 0; b < BACKENDS; b++) {
			struct frame *copy = frame_copy(frame), *want;
			enum reason reason = dot1q_ops.pop(&backends[b].encap, copy);

			assert_int_equal(reason, b == whose ? REASON_NONE : REASON_UNKNOWN_ID);
			if (b == whose) {
				want = tagged_frame(tags + count - left, left, false, 48);
				assert_int_equal(copy->tag.tpid, 0);
				assert_int_equal(copy->len, want->len);
				assert_memory_equal(copy->data, want->data, want->len);
				frame_free(want);
			}
			frame_free(copy);
		}
		frame_free(frame);
	}
	table_close();
}

/* Cut off at every length: nothing is read that is not there. */
static void short_frames_are_nobodys_or_too_short(void **state)
{
	(void)state;
	table_open();
	for (size_t i = 0; i < TABLE_CASES * 2; i++) {
		struct frame *frame =
		    tagged_frame(table_cases[i / 2].tags, table_cases[i / 2].count, i & 1, 2);

		while (frame->len > 0) {
			uint32_t len;
			struct dot1q *dot1q;

			frame->len--;
			len = frame->len;
			dot1q = dot1q_demux(table, frame);
			if (dot1q && dot1q_ops.pop(dot1q->encap, frame) == REASON_NONE)
				assert_true(len >= ETH_HEADER_LEN && frame->len <= len);
			if (frame->len != len)
				break; /* the tags are off; the pipeline judges the rest */
		}
		frame_free(frame);
	}
	table_close();
}

/* While a reload exchanges two VLANs, one has two segments. */
static void two_of_one_vlan_may_meet_for_a_moment(void **state)
{
	struct backend a, b;
	struct dot1q_table *t = calloc(1, sizeof(*t));
	static const uint32_t tags[] = {0x88a80005, 0x81000007};
	struct frame *frame = tagged_frame(tags, 2, true, 48);

	(void)state;
	assert_non_null(t);
	backend_init(&a, 0x88a8, 5, 7);
	backend_init(&b, 0x88a8, 5, 7);
	assert_int_equal(dot1q_table_add(t, &a.dot1q), 0);
	assert_int_equal(dot1q_table_add(t, &b.dot1q), 0);
	assert_ptr_equal(dot1q_demux(t, frame), &b.dot1q);
	dot1q_table_del(t, &b.dot1q);
	assert_ptr_equal(dot1q_demux(t, frame), &a.dot1q);
	dot1q_table_del(t, &a.dot1q);
	dot1q_table_del(t, &a.dot1q); /* twice does no harm */
	assert_null(dot1q_demux(t, frame));
	assert_int_equal(t->count, 0);
	frame_free(frame);
	free(t);
}

/* ---- tags put on ---- */

static void tags_go_beside_the_shared_bytes(void **state)
{
	static const struct {
		int64_t outer_tpid, outer_vid, vid, priority;
		unsigned len;
		uint8_t bytes[8];
	} cases[] = {
	    {0x88a8, 0, 102, 0, 4, {0x81, 0x00, 0x00, 0x66}},
	    {0x88a8, 0, 4094, 7, 4, {0x81, 0x00, 0xef, 0xfe}},
	    {0x88a8, 200, 7, 5, 8, {0x88, 0xa8, 0xa0, 0xc8, 0x81, 0x00, 0xa0, 0x07}},
	    {0x8100, 4094, 1, 0, 8, {0x81, 0x00, 0x0f, 0xfe, 0x81, 0x00, 0x00, 0x01}},
	    {0x9100, 1, 4094, 1, 8, {0x91, 0x00, 0x20, 0x01, 0x81, 0x00, 0x2f, 0xfe}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame *frame = tagged_frame(NULL, 0, false, 48);
		struct frame *clone = frame_clone(frame);
		uint8_t *bytes = frame->data, tags[DOT1Q_TAGS_LEN];
		uint32_t len = frame->len;
		struct backend be;

		backend_init(&be, cases[i].outer_tpid, cases[i].outer_vid, cases[i].vid);
		be.conf.priority = cases[i].priority;
		assert_int_equal(dot1q_ops.push(&be.encap, clone), REASON_NONE);
		assert_ptr_equal(clone->data, bytes);
		assert_int_equal(clone->len, len);
		assert_int_equal(frame->tag.tpid, 0);
		assert_int_equal(dot1q_tags(&be.conf, clone, tags), cases[i].len);
		assert_memory_equal(tags, cases[i].bytes, cases[i].len);
		/* One that has a tag beside it already was not for us. */
		assert_int_equal(dot1q_ops.push(&be.encap, clone), REASON_TAGGED);
		frame_free(frame);
		frame_free(clone);
	}
}

/* Superframes and partial checksums stay what they are when tags in the bytes go. */
static void offload_metadata_moves_with_the_bytes(void **state)
{
	static const uint32_t tags[] = {0x91000005, 0x81000007};
	struct frame *frame = tagged_frame(tags, 2, true, 48);
	struct backend be;

	(void)state;
	backend_init(&be, 0x9100, 5, 7);
	frame->offload.csum_partial = true;
	frame->offload.csum_start = 42;
	frame->offload.csum_offset = 6;
	assert_int_equal(dot1q_ops.pop(&be.encap, frame), REASON_NONE);
	assert_true(frame->offload.csum_partial);
	assert_int_equal(frame->offload.csum_start, 34);
	assert_int_equal(frame->offload.csum_offset, 6);
	frame_free(frame);
	assert_int_equal(dot1q_ops.offloads, OFFLOAD_ALL);
}

/* ---- the filter ---- */

/* What the kernel answers: 0 refuses. Fails on what the kernel's verifier refuses. */
static uint32_t run_filter(const struct sock_filter *code, unsigned count,
			   const struct frame *frame)
{
	uint32_t a = 0;

	for (unsigned pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &code[pc];
		uint8_t bytes[4];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k < FRAME_LARGE) {
				if (!frame_peek(frame, i->k, 4, bytes))
					return 0;
				a = get32(bytes);
			} else if (i->k == (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)
				a = frame->tag.tpid != 0;
			else if (i->k == (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TPID)
				a = frame->tag.tpid;
			else if (i->k == (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TAG)
				a = frame->tag.tci;
			else
				fail_msg("load of %#x", i->k);
			break;
		case BPF_LD | BPF_H | BPF_ABS:
			if (!frame_peek(frame, i->k, 2, bytes))
				return 0; /* beyond the end */
			a = get16(bytes);
			break;
		case BPF_LD | BPF_B | BPF_ABS:
			if (!frame_peek(frame, i->k, 1, bytes))
				return 0;
			a = bytes[0];
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("the program runs off its end");
	return 0;
}

/* Every jump forward and inside, a return at the end. */
static void check_structure(const struct sock_filter *code, unsigned count)
{
	assert_true(count > 0 && count <= BPF_MAXINSNS);
	assert_int_equal(code[count - 1].code, BPF_RET | BPF_K);
	for (unsigned pc = 0; pc < count; pc++) {
		if (BPF_CLASS(code[pc].code) != BPF_JMP)
			continue;
		if (BPF_OP(code[pc].code) == BPF_JA)
			assert_true(code[pc].k < count - pc - 1);
		else
			assert_true(code[pc].jt < count - pc - 1 && code[pc].jf < count - pc - 1);
	}
}

/* Whether a filter must let the frame through, may, or must not. */
static bool filter_is_right(const struct dot1q_table *t, enum dot1q_filter kind,
			    const struct frame *frame, bool taken)
{
	bool ours = dot1q_demux(t, frame);
	uint16_t type;

	if (kind == DOT1Q_FILTER_EXACT)
		return taken == ours;
	if (ours && !taken)
		return false;
	/* Untagged frames cost nothing, whatever the filter. */
	if (!frame->tag.tpid && frame_peek(frame, 12, 2, &type) && ntohs(type) != 0x9100)
		return !taken;
	return true;
}

static void the_filter_takes_what_is_ours(void **state)
{
	static struct sock_filter code[BPF_MAXINSNS];

	(void)state;
	table_open();
	for (int kind = DOT1Q_FILTER_EXACT; kind <= DOT1Q_FILTER_TAGS; kind++) {
		unsigned count =
		    dot1q_build_filter(table, (enum dot1q_filter)kind, code, BPF_MAXINSNS);

		check_structure(code, count);
		for (size_t i = 0; i < TABLE_CASES; i++) {
			for (size_t tail = 0; tail < 40; tail++) {
				struct frame *frame = tagged_frame(
				    table_cases[i].tags, table_cases[i].count, true, tail);
				bool taken = run_filter(code, count, frame);

				if (!filter_is_right(table, (enum dot1q_filter)kind, frame, taken))
					fail_msg("filter %d, case %zu", kind, i);
				frame_free(frame);
			}
		}
		/* One instruction less has no room: refused, never cut short. */
		assert_int_equal(
		    dot1q_build_filter(table, (enum dot1q_filter)kind, code, count - 1), 0);
	}
	table_close();
}

/* Frames of each protocol, and such as differ in a bit of what matters, or in another,
 * for each choice of what is listened to; and VLANs as before, those of group addresses
 * too. */
static void the_filter_takes_pdus_where_they_are_read(void **state)
{
	static const uint8_t frames[][24] = {
	    {1, 0x80, 0xc2, 0, 0, 0x21, 2, 0, 0, 0, 0, 1, 0x88, 0xf5, 0, 1, 2},
	    {1, 0x80, 0xc2, 0, 0, 0x0d, 2, 0, 0, 0, 0, 1, 0x88, 0xf5, 0, 1, 2},
	    {1, 0x80, 0xc2, 0, 0, 0x21, 2, 0, 0, 0, 0, 1, 0, 8, 0x42, 0x42, 3, 0, 1},
	    {1, 0x80, 0xc2, 0, 0, 0x21, 2, 0, 0, 0, 0, 1, 0x91, 0, 0, 5, 0x81, 0, 0, 7, 8, 0},
	};
	static struct sock_filter code[BPF_MAXINSNS];

	(void)state;
	table_open();
	for (unsigned mrp = 0; mrp < 1u << MRP_PROTOCOLS; mrp++) {
		for (int kind = DOT1Q_FILTER_EXACT; kind <= DOT1Q_FILTER_TAGS; kind++) {
			unsigned count;

			table->mrp = mrp;
			count =
			    dot1q_build_filter(table, (enum dot1q_filter)kind, code, BPF_MAXINSNS);
			check_structure(code, count);
			for (size_t i = 0; i < 4 * 24 * 8; i++) {
				struct frame *frame = frame_alloc(pool, 64);
				enum mrp_protocol p;
				bool ours;

				assert_non_null(frame);
				frame->len = 24;
				memcpy(frame->data, frames[i / (24 * 8)], 24);
				frame->data[i / 8 % 24] ^= (uint8_t)(1u << i % 8);
				if (i % 24 == 0)
					memcpy(frame->data, frames[i / (24 * 8)], 24);
				p = mrp_frame_protocol(frame->data, frame->len);
				ours = (p < MRP_PROTOCOLS && mrp & 1u << p) ||
				       dot1q_demux(table, frame);
				/* A tag in the bytes that the kernel would have taken out. */
				if (frame->data[12] != 0x81 && frame->data[12] != 0x88 &&
				    (kind == DOT1Q_FILTER_EXACT || ours))
					assert_int_equal(run_filter(code, count, frame) != 0, ours);
				else if (p < MRP_PROTOCOLS)
					assert_int_equal(run_filter(code, count, frame) != 0, ours);
				frame_free(frame);
			}
		}
	}
	table->mrp = 0;
	table_close();
}

static void an_empty_filter_takes_nothing(void **state)
{
	struct dot1q_table *t = calloc(1, sizeof(*t));
	struct sock_filter code[4];

	(void)state;
	assert_non_null(t);
	assert_int_equal(dot1q_build_filter(t, DOT1Q_FILTER_EXACT, code, 4), 1);
	assert_int_equal(code[0].code, BPF_RET | BPF_K);
	assert_int_equal(code[0].k, 0);
	free(t);
}

/* Random tables against frames with random tags of those VLANs and their neighbours. */
static void random_filters_agree_with_the_table(void **state)
{
	static const uint16_t tpids[] = {0x8100, 0x88a8, 0x9100, 0x0800};
	static struct sock_filter code[BPF_MAXINSNS];
	static struct backend many[300];
	uint64_t seed = 4711;

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct dot1q_table *t = calloc(1, sizeof(*t));
		unsigned n = 1 + craft_below(&seed, 300), vids = round % 3 ? 4094 : 20;

		assert_non_null(t);
		for (unsigned i = 0; i < n; i++) {
			unsigned outer = craft_below(&seed, 3) ? 0 : 1 + craft_below(&seed, vids);

			backend_init(&many[i], tpids[craft_below(&seed, 3)], outer,
				     1 + craft_below(&seed, vids));
			assert_int_equal(dot1q_table_add(t, &many[i].dot1q), 0);
		}
		for (int kind = DOT1Q_FILTER_EXACT; kind <= DOT1Q_FILTER_TAGS; kind++) {
			unsigned count =
			    dot1q_build_filter(t, (enum dot1q_filter)kind, code, BPF_MAXINSNS);

			check_structure(code, count);
			for (int k = 0; k < 400; k++) {
				const struct backend *be = &many[craft_below(&seed, n)];
				uint32_t tags[2] = {(uint32_t)be->conf.outer_tpid << 16 |
							(uint32_t)be->conf.outer_vid,
						    0x81000000u | (uint32_t)be->conf.vid};
				unsigned first = be->conf.outer_vid ? 0 : 1;
				struct frame *frame;

				if (craft_below(&seed, 4) == 0)
					tags[first] ^= 1u << craft_below(&seed, 16);
				if (craft_below(&seed, 4) == 0)
					tags[1] += 1;
				frame = tagged_frame(tags + first, 2 - first, true, 48);
				if (!filter_is_right(t, (enum dot1q_filter)kind, frame,
						     run_filter(code, count, frame)))
					fail_msg("round %d, filter %d, tags %08x %08x", round, kind,
						 tags[0], tags[1]);
				frame_free(frame);
			}
		}
		for (unsigned i = 0; i < n; i++)
			dot1q_table_del(t, &many[i].dot1q);
		free(t);
	}
}

/* Every other VID is the worst there is: too long, until outer tags or all are taken. */
static void a_filter_that_is_too_long_is_refused(void **state)
{
	static struct sock_filter code[BPF_MAXINSNS];
	static struct backend many[VIDS];
	struct dot1q_table *t = calloc(1, sizeof(*t));

	(void)state;
	assert_non_null(t);
	for (unsigned vid = 1; vid <= 4094; vid += 2) {
		backend_init(&many[vid], 0x88a8, 0, vid);
		assert_int_equal(dot1q_table_add(t, &many[vid].dot1q), 0);
	}
	assert_int_equal(dot1q_build_filter(t, DOT1Q_FILTER_EXACT, code, BPF_MAXINSNS), 0);
	assert_int_equal(dot1q_build_filter(t, DOT1Q_FILTER_OUTER, code, BPF_MAXINSNS), 0);
	assert_true(dot1q_build_filter(t, DOT1Q_FILTER_TAGS, code, BPF_MAXINSNS) < 10);
	/* All of them are one range. */
	for (unsigned vid = 2; vid <= 4094; vid += 2) {
		backend_init(&many[vid], 0x88a8, 0, vid);
		assert_int_equal(dot1q_table_add(t, &many[vid].dot1q), 0);
	}
	assert_true(dot1q_build_filter(t, DOT1Q_FILTER_EXACT, code, BPF_MAXINSNS) < 24);
	for (unsigned vid = 1; vid <= 4094; vid++)
		dot1q_table_del(t, &many[vid].dot1q);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_configuration_is_checked),
	    cmocka_unit_test(an_outer_tag_is_an_s_tag_by_default),
	    cmocka_unit_test(the_outermost_vlan_is_declared),
	    cmocka_unit_test(a_vlan_is_one_segments),
	    cmocka_unit_test(very_many_vlans_are_compared_at_once),
	    cmocka_unit_test(room_is_what_the_kernel_takes),
	    cmocka_unit_test_setup_teardown(the_outermost_tags_say_whose_a_frame_is, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(short_frames_are_nobodys_or_too_short, setup, teardown),
	    cmocka_unit_test_setup_teardown(two_of_one_vlan_may_meet_for_a_moment, setup, teardown),
	    cmocka_unit_test_setup_teardown(tags_go_beside_the_shared_bytes, setup, teardown),
	    cmocka_unit_test_setup_teardown(offload_metadata_moves_with_the_bytes, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_filter_takes_what_is_ours, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_filter_takes_pdus_where_they_are_read, setup,
					    teardown),
	    cmocka_unit_test(an_empty_filter_takes_nothing),
	    cmocka_unit_test_setup_teardown(random_filters_agree_with_the_table, setup, teardown),
	    cmocka_unit_test(a_filter_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
