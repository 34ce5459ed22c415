/* SPDX-License-Identifier: BSD-2-Clause */
/* All metrics of a switch with many segments, piece by piece, while segments come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switchd/control.h"
#include "test/unit/craft.h"
#include "test/unit/switch_fixture.h"

#define SEGMENTS      1000u
#define PIECE_LONGEST 65536u /* as much as the control channel asks for at once */
#define FAMILIES_MAX  128u

static struct fx fx;
static struct segment *segments[SEGMENTS];
static bool touched[SEGMENTS]; /* it was not there all the time */
static unsigned pieces;

static const char *name_of(unsigned i)
{
	static char name[16];

	(void)snprintf(name, sizeof(name), "s%u", i);
	return name;
}

/* One of those without ports and encaps goes, or comes back. */
static void change(uint64_t *rnd)
{
	unsigned i = 10 + craft_below(rnd, SEGMENTS - 10);

	touched[i] = true;
	if (segments[i]) {
		segment_destroy(segments[i]);
		segments[i] = NULL;
	} else {
		segments[i] = fx_segment(&fx, name_of(i), "");
	}
}

/* The whole text; to be freed. */
static char *walk(uint64_t *rnd)
{
	struct metrics_walk walk = {.step = 0};
	char *all = NULL;
	size_t len = 0;

	pieces = 0;
	while (!walk.end) {
		char *text = metrics_next(&fx.sw, &walk), *grown;

		assert_non_null(text);
		assert_in_range(strlen(text), 0, PIECE_LONGEST);
		grown = realloc(all, len + strlen(text) + 1);
		assert_non_null(grown);
		all = grown;
		memcpy(all + len, text, strlen(text) + 1);
		len += strlen(text);
		free(text);
		pieces++;
		if (rnd)
			change(rnd);
	}
	return all;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		n++;
	return n;
}

/* Each metric has one head, and behind it nothing but its own samples. */
static void well_formed(const char *text)
{
	static char seen[FAMILIES_MAX][64];
	char name[64] = "";
	unsigned families = 0;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		assert_non_null(strchr(line, '\n'));
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %63s ", name), 1);
			for (unsigned i = 0; i < families; i++)
				assert_string_not_equal(seen[i], name);
			assert_in_range(families, 0, FAMILIES_MAX - 1);
			memcpy(seen[families++], name, sizeof(name));
		} else if (strncmp(line, "# TYPE ", 7) != 0) {
			assert_int_equal(strncmp(line, name, strlen(name)), 0);
			assert_non_null(strchr("{ ", line[strlen(name)]));
		}
	}
	assert_in_range(families, 30, FAMILIES_MAX);
}

static void each_segment_once(void **state)
{
	uint64_t rnd = 3;
	char sample[64], *text;

	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		memset(touched, 0, sizeof(touched));
		text = walk(round ? &rnd : NULL);
		well_formed(text);
		assert_in_range(pieces, 6 * SEGMENTS / 256, 1000);
		for (unsigned i = 0; i < SEGMENTS; i++) {
			(void)snprintf(sample, sizeof(sample), "fdb_entries{segment=\"%s\"} ",
				       name_of(i));
			if (!touched[i])
				assert_int_equal(count(text, sample), segments[i] != NULL);
			/* The last of them, too. */
			(void)snprintf(sample, sizeof(sample), "fdb_moved_total{segment=\"%s\"} ",
				       name_of(i));
			if (!touched[i])
				assert_int_equal(count(text, sample), segments[i] != NULL);
		}
		free(text);
	}
}

static void ports_and_encaps(void **state)
{
	char *text;

	(void)state;
	fx.ports[0].port->stats.rx_frames = 7;
	fx.ports[0].port->stats.tx_drops[REASON_QUEUE_FULL] = 8;
	fx.encaps[1].encap->stats.tx_segments = 9;
	text = walk(NULL);
	assert_int_equal(count(text, "\ntvdswitch_rx_frames_total{port=\"p0\",segment=\"s0\"} 7\n"),
			 1);
	assert_int_equal(count(text, "\ntvdswitch_rx_frames_total{"), 4);
	assert_int_equal(count(text, "\ntvdswitch_drops_total{port=\"p0\",segment=\"s0\",direction="
				     "\"tx\",reason=\"queue_full\"} 8\n"),
			 1);
	assert_int_equal(count(text, "\ntvdswitch_drops_total{"), 1);
	assert_int_equal(count(text, "\ntvdswitch_tx_segments_total{encap=\"fake\",segment=\"s9\","
				     "uplink=\"lan\",side=\"1\"} 9\n"),
			 1);
	assert_int_equal(count(text, "\ntvdswitch_tx_bypassed_total{"), 2);
	assert_int_equal(count(text, "\ntvdswitch_port_up{"), 2);
	free(text);
}

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	for (unsigned i = 0; i < SEGMENTS; i++)
		segments[i] = fx_segment(&fx, name_of(i), "");
	(void)fx_port(&fx, segments[0], "p0", "");
	(void)fx_port(&fx, segments[1], "p1", "");
	(void)fx_encap(&fx, segments[0]);
	(void)fx_encap(&fx, segments[9]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fx_close(&fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_segment_once),
	    cmocka_unit_test(ports_and_encaps),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
