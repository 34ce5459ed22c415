/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of VLAN tags that come from guests and from behind a wire: exact
 * tables of tag stacks, at access and at trunk ports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/unit/forward_case.h"

/* ---- at an access port, and behind a wire ---- */

#define NO_TAG 0u
#define C0     0x8100e000u /* type and tag; of VID 0 with a priority */
#define C1     0x81002001u
#define C4095  0x81000fffu
#define S0     0x88a80000u
#define S1     0x88a80001u
#define S4095  0x88a80fffu
#define EIGHT  C1, C0, S1, C4095, C1, C1, S0, C1
#define ALL    0 /* as long as it is */

#define IN_MAX	9
#define OUT_MAX 10

struct tag_case {
	uint32_t beside;	/* the tag reported beside the bytes */
	uint32_t in[IN_MAX];	/* tags in the bytes */
	size_t cut;		/* how much of the frame is there */
	enum reason drop, pass; /* what becomes of it where tags are dropped, or passed */
	uint32_t out[OUT_MAX];	/* the tags of what passes where tags pass */
};

#define OK  REASON_NONE
#define TAG REASON_TAGGED

/* Where tags are dropped, all that passes is untagged. */
static const struct tag_case tag_cases[] = {
    {NO_TAG, {0}, ALL, OK, OK, {0}},
    {NO_TAG, {C0}, ALL, OK, OK, {0}},
    {NO_TAG, {C1}, ALL, TAG, OK, {C1}},
    {NO_TAG, {C4095}, ALL, TAG, TAG, {0}},
    {NO_TAG, {S0}, ALL, TAG, OK, {S0}},
    {NO_TAG, {S1}, ALL, TAG, OK, {S1}},
    {NO_TAG, {S4095}, ALL, TAG, TAG, {0}},
    {NO_TAG, {C0, C0}, ALL, TAG, OK, {C0}},
    {NO_TAG, {C0, C1}, ALL, TAG, OK, {C1}},
    {NO_TAG, {C0, C4095}, ALL, TAG, TAG, {0}},
    {NO_TAG, {C0, S1}, ALL, TAG, OK, {S1}},
    {NO_TAG, {C0, S4095}, ALL, TAG, TAG, {0}},
    {NO_TAG, {C1, C0}, ALL, TAG, OK, {C1, C0}},
    {NO_TAG, {C1, C4095}, ALL, TAG, OK, {C1, C4095}},
    {NO_TAG, {S1, C1}, ALL, TAG, OK, {S1, C1}},
    {NO_TAG, {S0, C0}, ALL, TAG, OK, {S0, C0}},
    {NO_TAG, {S4095, C1}, ALL, TAG, TAG, {0}},
    /* Cut off within the tag, or before the type behind it; then within the second. */
    {NO_TAG, {C0}, 14, TAG, TAG, {0}},
    {NO_TAG, {C0}, 15, TAG, TAG, {0}},
    {NO_TAG, {C0}, 16, TAG, TAG, {0}},
    {NO_TAG, {C0}, 17, TAG, TAG, {0}},
    {NO_TAG, {C0}, 18, OK, OK, {0}},
    {NO_TAG, {C1}, 14, TAG, TAG, {0}},
    {NO_TAG, {C1}, 16, TAG, TAG, {0}},
    {NO_TAG, {C1}, 17, TAG, TAG, {0}},
    {NO_TAG, {C1}, 18, TAG, OK, {C1}},
    {NO_TAG, {S1}, 15, TAG, TAG, {0}},
    {NO_TAG, {S1}, 17, TAG, TAG, {0}},
    {NO_TAG, {S1}, 18, TAG, OK, {S1}},
    {NO_TAG, {C0, C1}, 18, TAG, TAG, {0}},
    {NO_TAG, {C0, C1}, 21, TAG, TAG, {0}},
    {NO_TAG, {C0, C1}, 22, TAG, OK, {C1}},
    /* The tag that somebody has taken out of the bytes counts like one in them. */
    {C0, {0}, ALL, OK, OK, {0}},
    {C0, {0}, 14, OK, OK, {0}},
    {C1, {0}, ALL, TAG, OK, {C1}},
    {C1, {0}, 14, TAG, OK, {C1}},
    {C4095, {0}, ALL, TAG, TAG, {0}},
    {S0, {0}, ALL, TAG, OK, {S0}},
    {S1, {0}, ALL, TAG, OK, {S1}},
    {S4095, {0}, ALL, TAG, TAG, {0}},
    {C0, {C0}, ALL, TAG, OK, {C0}},
    {C0, {C1}, ALL, TAG, OK, {C1}},
    {C0, {C1}, 17, TAG, TAG, {0}},
    {C0, {C4095}, ALL, TAG, TAG, {0}},
    {C1, {C0}, ALL, TAG, OK, {C1, C0}},
    {S1, {C1}, ALL, TAG, OK, {S1, C1}},
    {S1, {C1, C1}, ALL, TAG, OK, {S1, C1, C1}},
    {C4095, {C1}, ALL, TAG, TAG, {0}},
    /* Stacks of eight, and of nine. */
    {NO_TAG, {EIGHT}, ALL, TAG, OK, {EIGHT}},
    {NO_TAG, {C0, EIGHT}, ALL, TAG, OK, {EIGHT}},
    {NO_TAG, {C4095, EIGHT}, ALL, TAG, TAG, {0}},
    {NO_TAG, {S1, EIGHT}, ALL, TAG, OK, {S1, EIGHT}},
    {C1, {EIGHT}, ALL, TAG, OK, {C1, EIGHT}},
    {C0, {EIGHT}, ALL, TAG, OK, {EIGHT}},
};

static void craft_tagged(struct craft *out, const uint32_t *tags, size_t count)
{
	craft_eth(out, 0);
	out->len = 12;
	for (size_t i = 0; i < count; i++) {
		if (tags[i])
			craft_u32(out, tags[i]);
	}
	craft_u16(out, 0x88b5);
	for (unsigned i = 0; i < 50; i++)
		craft_u8(out, i);
}

static size_t bytes_of_tags(const uint32_t *tags, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += tags[i] ? VLAN_TAG_LEN : 0;
	return bytes;
}

static struct frame *tagged_frame(const struct tag_case *t, struct craft *in)
{
	struct frame *frame;

	craft_tagged(in, t->in, IN_MAX);
	if (t->cut)
		in->len = t->cut;
	frame = craft_frame(fx.sw.pool, in);
	assert_non_null(frame);
	frame->tag.tpid = (uint16_t)(t->beside >> 16);
	frame->tag.tci = (uint16_t)t->beside;
	return frame;
}

static void check_tag_case(const struct tag_case *t, enum reason want, bool pass)
{
	static struct craft in, out;
	const struct fx_sent *sent;
	struct frame *frame = tagged_frame(t, &in);

	if (want != REASON_NONE) {
		assert_dropped(a, frame, want);
		assert_wire_drops(wire, tagged_frame(t, &in), want);
		return;
	}
	fx_forget(&fx);
	fx.sw.now += 1000; /* the station moves to and fro */
	fx_send(a, frame);
	fx_receive(wire, 1, tagged_frame(t, &in));
	assert_got(1, 2, 2, 1);
	craft_tagged(&out, t->out, pass ? OUT_MAX : 0);
	/* What of the end was cut off is missing still. */
	if (t->cut)
		out.len = t->cut - bytes_of_tags(t->in, IN_MAX) +
			  (pass ? bytes_of_tags(t->out, OUT_MAX) : 0);
	sent = &b->log.sent[0];
	assert_int_equal(sent->len, out.len);
	assert_memory_equal(sent->bytes, out.b, out.len);
	assert_int_equal(sent->tag.tpid, 0);
	sent = &wire->log.sent[0];
	assert_int_equal(sent->len, out.len);
	assert_memory_equal(sent->bytes, out.b, out.len);
	assert_int_equal(sent->tag.tpid, 0);
}

static void tags_are_dropped_but_for_priority_tags(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tag_cases) / sizeof(tag_cases[0]); i++)
		check_tag_case(&tag_cases[i], tag_cases[i].drop, false);
}

static void tags_pass_where_the_segment_says_so(void **state)
{
	(void)state;
	seg->conf.tags = TAGS_PASS;
	for (size_t i = 0; i < sizeof(tag_cases) / sizeof(tag_cases[0]); i++)
		check_tag_case(&tag_cases[i], tag_cases[i].pass, true);
}

/* ---- at a trunk port ---- */

/*
 * Three segments, each with a guest that sees what is in it, and trunk ports: two
 * that have alpha (tags dropped) as VLAN 101 and beta (tags passed) as 102, one of
 * them with native as what its name says, and one with other VLANs that only listens.
 */
static struct fx_port *in_alpha, *in_beta, *in_native, *full, *bare, *listener;

#define C101 0x81000065u
#define P101 0x8100e065u /* with a priority, which ends at the port */
#define C102 0x81000066u
#define C103 0x81000067u
#define C201 0x810000c9u
#define C202 0x810000cau
#define S101 0x88a80065u
#define UNT  REASON_UNTAGGED

static int trunk_setup(void **state)
{
	static const char *const list = "{\"trunk\": [{\"vid\": 101, \"segment\": \"alpha\"},"
					" {\"vid\": 102, \"segment\": \"beta\"}]}";
	struct segment *alpha, *beta, *native;

	(void)state;
	fx_open(&fx);
	alpha = fx_segment(&fx, "alpha", "");
	beta = fx_segment(&fx, "beta", "{\"tags\": \"pass\"}");
	native = fx_segment(&fx, "native", "");
	in_alpha = fx_port(&fx, alpha, "a", "");
	in_beta = fx_port(&fx, beta, "b", "");
	in_native = fx_port(&fx, native, "n", "");
	full = fx_port(&fx, native, "full", list);
	bare = fx_port(&fx, NULL, "bare", list);
	listener = fx_port(&fx, NULL, "listener",
			   "{\"trunk\": [{\"vid\": 202, \"segment\": \"beta\"},"
			   " {\"vid\": 201, \"segment\": \"alpha\"}]}");
	return 0;
}

struct trunk_case {
	uint32_t beside, in[IN_MAX];
	size_t cut;
	enum reason full, bare; /* what becomes of it from the port with and without native */
	char where;		/* the segment that it is in */
	uint32_t out[OUT_MAX];	/* its tags there */
};

static const struct trunk_case trunk_cases[] = {
    {NO_TAG, {0}, ALL, OK, UNT, 'n', {0}},
    {NO_TAG, {C0}, ALL, OK, UNT, 'n', {0}},
    {NO_TAG, {C101}, ALL, OK, OK, 'a', {0}},
    {NO_TAG, {P101}, ALL, OK, OK, 'a', {0}},
    {NO_TAG, {C102}, ALL, OK, OK, 'b', {0}},
    {NO_TAG, {C103}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C1}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C201}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C4095}, ALL, TAG, TAG, 0, {0}},
    /* Tags of 802.1ad are none of the trunk's. */
    {NO_TAG, {S101}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {S0}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {S4095}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {S101, C101}, ALL, TAG, TAG, 0, {0}},
    /* What is inside is the segment's to judge. */
    {NO_TAG, {C101, C0}, ALL, OK, OK, 'a', {0}},
    {NO_TAG, {C101, C101}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C101, C102}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C101, S1}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C101, C4095}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C102, C0}, ALL, OK, OK, 'b', {0}},
    {NO_TAG, {C102, C101}, ALL, OK, OK, 'b', {C101}},
    {NO_TAG, {C102, S1, C101}, ALL, OK, OK, 'b', {S1, C101}},
    {NO_TAG, {C102, C4095}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C0, C101}, ALL, TAG, UNT, 0, {0}},
    {NO_TAG, {C0, C0}, ALL, TAG, UNT, 0, {0}},
    {NO_TAG, {C103, C101}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C4095, C101}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C101, EIGHT}, ALL, TAG, TAG, 0, {0}},
    {NO_TAG, {C102, EIGHT}, ALL, OK, OK, 'b', {EIGHT}},
    {NO_TAG, {C0, EIGHT}, ALL, TAG, UNT, 0, {0}},
    {NO_TAG, {EIGHT}, ALL, TAG, TAG, 0, {0}},
    /* Cut off within the tag, or before the type behind it; then within the second. */
    {NO_TAG, {C101}, 14, TAG, TAG, 0, {0}},
    {NO_TAG, {C101}, 15, TAG, TAG, 0, {0}},
    {NO_TAG, {C101}, 16, TAG, TAG, 0, {0}},
    {NO_TAG, {C101}, 17, TAG, TAG, 0, {0}},
    {NO_TAG, {C101}, 18, OK, OK, 'a', {0}},
    {NO_TAG, {C0}, 14, TAG, TAG, 0, {0}},
    {NO_TAG, {C0}, 17, TAG, TAG, 0, {0}},
    {NO_TAG, {C0}, 18, OK, UNT, 'n', {0}},
    {NO_TAG, {S1}, 15, TAG, TAG, 0, {0}},
    {NO_TAG, {C102, C1}, 18, TAG, TAG, 0, {0}},
    {NO_TAG, {C102, C1}, 21, TAG, TAG, 0, {0}},
    {NO_TAG, {C102, C1}, 22, OK, OK, 'b', {C1}},
    {NO_TAG, {C101, C0}, 21, TAG, TAG, 0, {0}},
    {NO_TAG, {C101, C0}, 22, OK, OK, 'a', {0}},
    {NO_TAG, {0}, 14, OK, UNT, 'n', {0}},
    {NO_TAG, {0}, 13, REASON_TOO_SHORT, REASON_TOO_SHORT, 0, {0}},
    /* The tag that the kernel has taken out of the bytes counts like one in them. */
    {C0, {0}, ALL, OK, UNT, 'n', {0}},
    {P101, {0}, ALL, OK, OK, 'a', {0}},
    {C102, {0}, ALL, OK, OK, 'b', {0}},
    {C101, {0}, 14, OK, OK, 'a', {0}},
    {C101, {0}, 13, REASON_TOO_SHORT, REASON_TOO_SHORT, 0, {0}},
    {C103, {0}, ALL, TAG, TAG, 0, {0}},
    {C4095, {0}, ALL, TAG, TAG, 0, {0}},
    {S101, {0}, ALL, TAG, TAG, 0, {0}},
    {C101, {C101}, ALL, TAG, TAG, 0, {0}},
    {C101, {C0}, ALL, OK, OK, 'a', {0}},
    {C101, {C1}, 17, TAG, TAG, 0, {0}},
    {C102, {C101}, ALL, OK, OK, 'b', {C101}},
    {C102, {S1, C1}, ALL, OK, OK, 'b', {S1, C1}},
    {C102, {EIGHT}, ALL, OK, OK, 'b', {EIGHT}},
    {C0, {C101}, ALL, TAG, UNT, 0, {0}},
};

/* This receiver has got just that frame, with this tag in front of its others. */
static void assert_tagged(const struct fx_port *at, const struct trunk_case *t, uint32_t front)
{
	static struct craft want;
	uint32_t tags[OUT_MAX + 1] = {front};

	memcpy(tags + 1, t->out, sizeof(t->out));
	craft_tagged(&want, tags, OUT_MAX + 1);
	if (t->cut)
		want.len = t->cut - bytes_of_tags(t->in, IN_MAX) + bytes_of_tags(tags, OUT_MAX + 1);
	assert_int_equal(at->log.count, 1);
	assert_int_equal(at->log.sent[0].len, want.len);
	assert_memory_equal(at->log.sent[0].bytes, want.b, want.len);
	assert_int_equal(at->log.sent[0].tag.tpid, 0);
}

static void check_trunk_case(const struct trunk_case *t, struct fx_port *from, enum reason want)
{
	const struct tag_case frame = {.beside = t->beside, .cut = t->cut};
	struct fx_port *other = from == full ? bare : full;
	struct tag_case sent = frame;
	static struct craft in;

	memcpy(sent.in, t->in, sizeof(t->in));
	if (want != REASON_NONE) {
		assert_dropped(from, tagged_frame(&sent, &in), want);
		return;
	}
	fx_forget(&fx);
	fx.sw.now += 1000; /* the station moves to and fro */
	fx_send(from, tagged_frame(&sent, &in));
	assert_int_equal(from->log.count, 0);
	switch (t->where) {
	case 'a':
		assert_tagged(in_alpha, t, 0);
		assert_tagged(listener, t, C201);
		assert_tagged(other, t, C101);
		break;
	case 'b':
		assert_tagged(in_beta, t, 0);
		assert_tagged(listener, t, C202);
		assert_tagged(other, t, C102);
		break;
	default:
		assert_tagged(in_native, t, 0);
	}
	assert_int_equal(fx_total(&fx), t->where == 'n' ? 1 : 3);
}

static void a_trunk_port_goes_by_the_first_tag(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(trunk_cases) / sizeof(trunk_cases[0]); i++) {
		check_trunk_case(&trunk_cases[i], full, trunk_cases[i].full);
		check_trunk_case(&trunk_cases[i], bare, trunk_cases[i].bare);
	}
}

/* All 4096, untagged ones to the native segment and listed ones to theirs, and no others. */
static void every_vlan_but_those_listed_is_dropped(void **state)
{
	struct trunk_case t = {.full = TAG, .bare = TAG};

	(void)state;
	for (unsigned vid = 1; vid < 4096; vid++) {
		if (vid == 101 || vid == 102)
			continue;
		t.in[0] = C0 | vid;
		check_trunk_case(&t, full, TAG);
		check_trunk_case(&t, bare, TAG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(tags_are_dropped_but_for_priority_tags),
	    CASE(tags_pass_where_the_segment_says_so),
	    cmocka_unit_test_setup_teardown(a_trunk_port_goes_by_the_first_tag, trunk_setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(every_vlan_but_those_listed_is_dropped, trunk_setup,
					    teardown),
	};

	return cmocka_run_group_tests_name("tags", tests, NULL, NULL);
}
