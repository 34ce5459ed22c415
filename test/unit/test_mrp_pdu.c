/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of MVRP and GVRP: bytes as the standards have them, what is malformed, and
 * what is written against what is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encap/mrp_pdu.h"
#include "test/unit/craft.h"

static const struct mac station = {{0x02, 0, 0, 0, 0, 0x01}};

static size_t from_hex(const char *text, uint8_t *out, size_t size)
{
	size_t n = 0;

	for (; *text; text++) {
		char two[3] = {text[0], text[0] ? text[1] : '\0', '\0'};

		if (*text == ' ')
			continue;
		assert_true(n < size);
		out[n++] = (uint8_t)strtoul(two, NULL, 16);
		text++;
	}
	return n;
}

/* What was heard, in words: "A" for LeaveAll, or a letter and the VID. */
static void note(void *arg, enum mrp_event event, unsigned vid)
{
	static const char letters[] = {
	    [MRP_R_NEW] = 'N',	      [MRP_R_JOIN_IN] = 'J', [MRP_R_IN] = 'I',
	    [MRP_R_JOIN_EMPTY] = 'j', [MRP_R_EMPTY] = 'e',   [MRP_R_LEAVE] = 'L',
	};
	char *text = arg, one[16];

	assert_int_equal(event == MRP_R_LEAVE_ALL, vid == 0);
	if (vid)
		(void)snprintf(one, sizeof(one), "%c%u ", letters[event], vid);
	else
		(void)snprintf(one, sizeof(one), "A ");
	if (strlen(text) + strlen(one) < 400)
		strcat(text, one);
}

#define MVRP	 "0180c2000021 020000000001 88f5 "
#define PROVIDER "0180c200000d 020000000001 88f5 "
#define GVRP	 "0180c2000021 020000000001 "

static void frames_are_as_the_standards_have_them(void **state)
{
	static const struct {
		enum mrp_protocol protocol;
		const char *bytes, *heard; /* NULL: malformed */
	} cases[] = {
	    /* One VID: version, type, length, a vector of one, JoinIn, two EndMarks. */
	    {MRP_MVRP, MVRP "00 01 02 0001 0066 24 0000 0000", "J102 "},
	    {MRP_MVRP, MVRP "00 01 02 0001 0066 24 0000 0000 000000000000", "J102 "},
	    {MRP_MVRP_PROVIDER, PROVIDER "00 01 02 0001 00c8 24 0000 0000", "J200 "},
	    /* Three in a byte, and the events in order: 36, 6, 1. */
	    {MRP_MVRP, MVRP "00 01 02 0003 0001 2b 0000 0000", "J1 J2 J3 "},
	    {MRP_MVRP, MVRP "00 01 02 0006 000a 08 8f 0000 0000", "N10 J11 I12 j13 L14 L15 "},
	    {MRP_MVRP, MVRP "00 01 02 0004 000a 1b b4 0000 0000", "N10 e11 j12 L13 "},
	    /* LeaveAll with and without values, once for all vectors, and first. */
	    {MRP_MVRP, MVRP "00 01 02 2000 0000 0000 0000", "A "},
	    {MRP_MVRP, MVRP "00 01 02 2001 0ffe 24 0000 0000", "A J4094 "},
	    {MRP_MVRP, MVRP "00 01 02 0001 0005 24 2000 0001 2001 0007 90 0000 0000", "A J5 e7 "},
	    /* The end of the frame is an EndMark, of one list or of both. */
	    {MRP_MVRP, MVRP "00 01 02 0001 0066 24 0000", "J102 "},
	    {MRP_MVRP, MVRP "00 01 02 0001 0066 24", "J102 "},
	    {MRP_MVRP, MVRP "00 0000", ""},
	    /* Of a later version: other types are skipped by their lengths. */
	    {MRP_MVRP, MVRP "01 02 06 0004 112233445566 ffff 0000 01 02 0001 0003 24 0000 0000",
	     "J3 "},
	    {MRP_MVRP, MVRP "", NULL},
	    {MRP_MVRP, MVRP "00", NULL},
	    {MRP_MVRP, MVRP "00 00", NULL},
	    {MRP_MVRP, MVRP "00 00 01", NULL},
	    {MRP_MVRP, MVRP "00 01 00 0000", NULL},
	    {MRP_MVRP, MVRP "00 01 01 0001 66 24 0000 0000", NULL},
	    {MRP_MVRP, MVRP "00 01 03 0001 000066 24 0000 0000", NULL},
	    {MRP_MVRP, MVRP "00 01 02 0001 0000 24 0000 0000", NULL}, /* VIDs 0, 4095, 4096 */
	    {MRP_MVRP, MVRP "00 01 02 0001 0fff 24 0000 0000", NULL},
	    {MRP_MVRP, MVRP "00 01 02 0001 1000 24 0000 0000", NULL},
	    {MRP_MVRP, MVRP "00 01 02 0002 0ffe 2a 0000 0000", NULL},
	    {MRP_MVRP, MVRP "00 01 02 0001 0066 d8 0000 0000", NULL}, /* 216 */
	    {MRP_MVRP, MVRP "00 01 02 0001 0066 ff 0000 0000", NULL},
	    {MRP_MVRP, MVRP "00 01 02 4001 0066 24 0000 0000", NULL},	 /* no such LeaveAll */
	    {MRP_MVRP, MVRP "00 01 02 1fff 0001 24 0000 0000", NULL},	 /* more than there are */
	    {MRP_MVRP, MVRP "00 01 02 0001 0005 24 0004 0007 24", NULL}, /* nor is the first one */

	    /* GVRP: an attribute is its length, an event and a VID. */
	    {MRP_GVRP, GVRP "000c 424203 0001 01 04 02 0066 00 00", "J102 "},
	    {MRP_GVRP, GVRP "000c 424203 0001 01 04 02 0066 00 00 ffffffff", "J102 "},
	    {MRP_GVRP, GVRP "000a 424203 0001 01 04 02 0066", "J102 "},
	    {MRP_GVRP,
	     GVRP "001e 424203 0001 01 04 01 0001 04 02 0002 04 03 0003 04 04 0004 04 05 0005 02 "
		  "00 00 00",
	     "A j1 J2 L3 L4 e5 "},
	    {MRP_GVRP, GVRP "000e 424203 0001 02 03 07 ff 00 01 02 00 00", "A "},
	    {MRP_GVRP, GVRP "0006 424203 0001 00", ""},
	    {MRP_GVRP, GVRP "000d 424203 0001 01 04 02 0066 00 00", NULL}, /* claims more */
	    {MRP_GVRP, GVRP "0009 424203 0001 01 04 02 0066", NULL},	   /* claims less */
	    {MRP_GVRP, GVRP "0003 424203", NULL},
	    {MRP_GVRP, GVRP "0005 424203 0001", NULL},
	    {MRP_GVRP, GVRP "000c 424203 0002 01 04 02 0066 00 00", NULL},
	    {MRP_GVRP, GVRP "000c 424203 0001 01 04 06 0066 00 00", NULL},
	    {MRP_GVRP, GVRP "000c 424203 0001 01 04 02 0000 00 00", NULL},
	    {MRP_GVRP, GVRP "000c 424203 0001 01 04 02 0fff 00 00", NULL},
	    {MRP_GVRP, GVRP "000c 424203 0001 01 04 00 0066 00 00", NULL},
	    {MRP_GVRP, GVRP "000b 424203 0001 01 03 02 66 00 00", NULL},
	    {MRP_GVRP, GVRP "0008 424203 0001 01 01 00", NULL},
	    {MRP_GVRP, GVRP "000c 424203 0001 01 ff 02 0066 00 00", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[128];
		size_t len = from_hex(cases[i].bytes, bytes, sizeof(bytes));
		char heard[512] = "";
		int ret;

		if (mrp_frame_protocol(bytes, len) != cases[i].protocol &&
		    strcmp(cases[i].bytes, MVRP) != 0)
			fail_msg("case %zu is none of the protocol", i);
		ret = mrp_frame_read(cases[i].protocol, bytes, len, note, heard);
		if (ret != (cases[i].heard ? 0 : -EINVAL) ||
		    strcmp(heard, cases[i].heard ? cases[i].heard : "") != 0)
			fail_msg("case %zu: %d, \"%s\"", i, ret, heard);
	}
}

static void other_frames_are_no_business_of_it(void **state)
{
	static const char *const cases[] = {
	    "",
	    "0180c2000021 020000000001 88",
	    "0180c2000020 020000000001 88f6 00",	     /* MMRP */
	    "0180c2000020 020000000001 88f5 00",	     /* its group */
	    "0180c2000000 020000000001 0026 424203 0000",    /* spanning tree */
	    "0180c200000d 020000000001 000c 424203 0001 01", /* no GVRP for providers */
	    "0180c2000021 020000000001 000c 4242",
	    "0180c2000021 020000000001 000c aaaa03 0001 01",
	    "0180c2000021 020000000001 000c 424200 0001 01",
	    "0180c2000021 020000000001 0800 424203 0001 01",
	    "ffffffffffff 020000000001 88f5 00 01 02 0001 0066 24",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[64];
		size_t len = from_hex(cases[i], bytes, sizeof(bytes));

		if (mrp_frame_protocol(bytes, len) != MRP_PROTOCOLS)
			fail_msg("case %zu", i);
	}
}

static void what_is_written_is_as_it_should_be(void **state)
{
	static const struct {
		enum mrp_protocol protocol;
		unsigned join[4], leave[4];
		const char *bytes;
	} cases[] = {
	    {MRP_MVRP, {102}, {0}, MVRP "00 01 02 0001 0066 24 0000 0000"},
	    {MRP_MVRP, {102, 103, 104}, {0}, MVRP "00 01 02 0003 0066 2b 0000 0000"},
	    {MRP_MVRP,
	     {1, 4094},
	     {3},
	     MVRP "00 01 02 0001 0001 24 0001 0003 b4 0001 0ffe 24 "
		  "0000 0000"},
	    {MRP_MVRP, {10, 12}, {11}, MVRP "00 01 02 0003 000a 43 0000 0000"},
	    {MRP_MVRP_PROVIDER, {200}, {0}, PROVIDER "00 01 02 0001 00c8 24 0000 0000"},
	    {MRP_GVRP, {102}, {103}, GVRP "0010 424203 0001 01 04 02 0066 04 03 0067 00 00"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t want[MRP_FRAME_MAX] = {0}, got[MRP_FRAME_MAX];
		struct mrp *mrp = malloc(sizeof(*mrp));
		unsigned vid = 1;

		mrp_init(mrp, true, false, 1);
		for (int k = 0; k < 4 && cases[i].leave[k]; k++)
			mrp_join(mrp, cases[i].leave[k], 0);
		mrp_said(mrp, 1, MRP_VID_MAX);
		mrp_said(mrp, 1, MRP_VID_MAX);
		for (int k = 0; k < 4 && cases[i].leave[k]; k++)
			mrp_leave(mrp, cases[i].leave[k], 0);
		for (int k = 0; k < 4 && cases[i].join[k]; k++)
			mrp_join(mrp, cases[i].join[k], 0);
		(void)from_hex(cases[i].bytes, want, sizeof(want));
		memset(got, 0xee, sizeof(got));
		/* Padded to the shortest frame, with zeros. */
		assert_int_equal(
		    mrp_frame_write(cases[i].protocol, &station, mrp, &vid, got, sizeof(got)), 60);
		assert_memory_equal(got, want, 60);
		assert_int_equal(vid, MRP_VID_MAX + 1);
		assert_int_equal(
		    mrp_frame_write(cases[i].protocol, &station, mrp, &vid, got, sizeof(got)), 0);
		free(mrp);
	}
}

struct round {
	const struct mrp *mrp;
	enum mrp_protocol protocol;
	unsigned last, count;
};

static void compare(void *arg, enum mrp_event event, unsigned vid)
{
	static const enum mrp_event want[] = {[MRP_SAY_NEW] = MRP_R_NEW,
					      [MRP_SAY_JOIN] = MRP_R_JOIN_IN,
					      [MRP_SAY_LEAVE] = MRP_R_LEAVE};
	struct round *round = arg;
	enum mrp_say say = mrp_say(round->mrp, vid);

	assert_true(vid > round->last);
	assert_int_not_equal(say, MRP_SAY_NOTHING);
	if (say == MRP_SAY_NEW && round->protocol == MRP_GVRP)
		say = MRP_SAY_JOIN;
	assert_int_equal(event, want[say]);
	round->last = vid;
	round->count++;
}

/* Everything that is to be said is read again, once and in order, however many frames
 * that takes, at whatever size. */
static void what_is_written_is_read(void **state)
{
	uint64_t seed = 1234;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct mrp *mrp = malloc(sizeof(*mrp));
		unsigned density = 1 + craft_below(&seed, 100), vid = 1, frames = 0;
		size_t size = round % 3 ? MRP_FRAME_MAX : 60 + craft_below(&seed, 300);
		enum mrp_protocol protocol = (enum mrp_protocol)(round % MRP_PROTOCOLS);
		struct round r = {.mrp = mrp, .protocol = protocol};
		uint8_t frame[MRP_FRAME_MAX];
		size_t len;

		mrp_init(mrp, true, false, 1);
		for (unsigned v = 1; v <= MRP_VID_MAX; v++) {
			if (craft_below(&seed, 100) >= density)
				continue;
			mrp->state[v] = (uint8_t)craft_below(&seed, MRP_STATES);
			mrp->pending += mrp_say(mrp, v) != MRP_SAY_NOTHING;
		}
		while ((len = mrp_frame_write(protocol, &station, mrp, &vid, frame, size))) {
			assert_true(len >= 60 && len <= size);
			assert_int_equal(mrp_frame_protocol(frame, len), protocol);
			assert_int_equal(mrp_frame_read(protocol, frame, len, compare, &r), 0);
			assert_true(r.last < vid);
			frames++;
		}
		assert_int_equal(r.count, mrp->pending);
		assert_true(frames <= 1 + mrp->pending * 6 / (size - 40));
		free(mrp);
	}
}

/* All VIDs there are fit one frame of MVRP, and eleven of GVRP. */
static void all_vlans_fit_few_frames(void **state)
{
	static const unsigned want[MRP_PROTOCOLS] = {1, 1, 11};

	(void)state;
	for (int protocol = 0; protocol < MRP_PROTOCOLS; protocol++) {
		struct mrp *mrp = malloc(sizeof(*mrp));
		unsigned vid = 1, frames = 0;
		uint8_t frame[MRP_FRAME_MAX];

		mrp_init(mrp, true, false, 1);
		for (unsigned v = 1; v <= MRP_VID_MAX; v++)
			mrp_join(mrp, v, 0);
		while (mrp_frame_write((enum mrp_protocol)protocol, &station, mrp, &vid, frame,
				       sizeof(frame)))
			frames++;
		assert_int_equal(frames, want[protocol]);
		free(mrp);
	}
}

static void ignore(void *arg, enum mrp_event event, unsigned vid)
{
	(void)event;
	assert_true(vid <= MRP_VID_MAX);
	(*(unsigned *)arg)++;
}

/* Cut at every byte, with room for no byte more: nothing is read that is not there, and
 * what is malformed says nothing at all. */
static void what_is_cut_is_read_to_its_end(void **state)
{
	static const char *const whole[] = {
	    MVRP "00 01 02 0006 000a 08 8f 2001 0ffe 24 0000 02 03 0002 aabbcc 24 0000 0000",
	    GVRP "001e 424203 0001 01 04 01 0001 04 02 0002 04 03 0003 04 04 0004 04 05 0005 02 "
		 "00 00 00",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		uint8_t bytes[128];
		size_t len = from_hex(whole[i], bytes, sizeof(bytes));

		for (size_t cut = 14; cut <= len; cut++) {
			enum mrp_protocol p = i ? MRP_GVRP : MRP_MVRP;
			uint8_t *copy = malloc(cut);
			unsigned said = 0;

			memcpy(copy, bytes, cut);
			if (mrp_frame_read(p, copy, cut, ignore, &said) < 0)
				assert_int_equal(said, 0);
			free(copy);
		}
		for (size_t at = 14; at < len; at++) {
			for (unsigned value = 0; value < 256; value++) {
				enum mrp_protocol p = i ? MRP_GVRP : MRP_MVRP;
				uint8_t *copy = malloc(len);
				unsigned said = 0;

				memcpy(copy, bytes, len);
				copy[at] = (uint8_t)value;
				if (mrp_frame_read(p, copy, len, ignore, &said) < 0)
					assert_int_equal(said, 0);
				free(copy);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_are_as_the_standards_have_them),
	    cmocka_unit_test(other_frames_are_no_business_of_it),
	    cmocka_unit_test(what_is_written_is_as_it_should_be),
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(all_vlans_fit_few_frames),
	    cmocka_unit_test(what_is_cut_is_read_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
