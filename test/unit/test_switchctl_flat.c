/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Items that switchctl writes without reading them as JSON: whenever it does so, what it
 * writes is what the general way writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "switchd/switchctl_flat.c" /* NOLINT(bugprone-suspicious-include) */
#include "switchd/switchctl_show.c" /* NOLINT(bugprone-suspicious-include) */

static unsigned flat_items, items;

/* What is written for an item, one way or the other; false: not that way. */
static bool written(const char *kind, bool json, const char *text, size_t len, bool flat, char *out,
		    size_t size)
{
	struct output output = {.json = json};
	FILE *console = stdout;
	bool done = true;

	memset(out, 0, size);
	stdout = fmemopen(out, size, "w");
	assert_non_null(stdout);
	if (flat) {
		done = output_flat(&output, kind, text, len);
	} else {
		json_t *item = json_loadb(text, len, 0, NULL);

		/* What is no JSON was not written. */
		if (item)
			output_item(&output, kind, item);
		done = item != NULL;
		json_decref(item);
	}
	assert_int_equal(fclose(stdout), 0);
	stdout = console;
	return done;
}

/* Returns whether it went the short way. */
static bool compare(const char *kind, bool json, const char *text, size_t len)
{
	char flat[2048], general[2048];
	bool was_flat = written(kind, json, text, len, true, flat, sizeof(flat));

	items++;
	if (!was_flat) {
		assert_string_equal(flat, "");
		return false;
	}
	flat_items++;
	assert_true(written(kind, json, text, len, false, general, sizeof(general)));
	assert_string_equal(flat, general);
	return true;
}

static bool compare_text(const char *kind, bool json, const char *text)
{
	return compare(kind, json, text, strlen(text));
}

#define ENTRY                                                                                      \
	"{\"mac\":\"52:54:00:00:00:01\",\"segment\":\"alpha\",\"port\":\"vm1\","                   \
	"\"state\":\"learned\",\"age\":17}"
#define REMOTE                                                                                     \
	"{\"mac\":\"52:54:00:00:00:01\",\"segment\":\"alpha\",\"encap\":\"dot1q\",\"dst\":null,"   \
	"\"state\":\"static\",\"age\":0}"

static void entries(void **state)
{
	(void)state;
	for (unsigned json = 0; json < 2; json++) {
		assert_true(compare_text("fdb", json, ENTRY));
		assert_true(compare_text("fdb", json, REMOTE));
		assert_true(compare_text("fdb", json, "{\"mac\":\"a\",\"age\":999999999999}"));
	}
	/* Other lists have words of their own, but JSON is JSON. */
	assert_true(compare_text("peer", true, "{\"dst\":\"192.0.2.1\",\"last_seen\":null}"));
	assert_false(compare_text("peer", false, "{\"dst\":\"192.0.2.1\",\"last_seen\":null}"));
	/* What is not as plain as that. */
	assert_false(compare_text("fdb", false, "{\"mac\":\"a\",\"age\":1,\"pinned\":true}"));
	assert_false(compare_text("fdb", false, "{\"mac\":\"a\",\"colour\":\"blue\"}"));
	assert_false(compare_text("fdb", true, "{\"mac\":\"a\\u001b[2J\"}"));
	assert_false(compare_text("fdb", true, "{\"mac\":\"\x1b[2J\"}"));
	assert_false(compare_text("fdb", true, "{\"mac\":\"\xc3\xa4\"}"));
	assert_false(compare_text("fdb", true, "{\"mac\":{\"a\":1}}"));
	assert_false(compare_text("fdb", true, "{\"mac\":-1}"));
	assert_false(compare_text("fdb", true, "{\"mac\":01}"));
	assert_false(compare_text("fdb", true, "{}"));
	assert_false(compare_text("fdb", true, "{\"mac\":1"));
	assert_false(compare_text("fdb", true, "{\"mac\":1},{"));
	assert_false(compare_text("fdb", true, ""));
}

/* Any damage to an item: the same answer, or the general way's. */
static void damaged(void **state)
{
	static const char *const seeds[] = {ENTRY, REMOTE};
	static const char bytes[] = "{}[]:,\"\\ 0-9etnu.x\x1b\x7f\x80";
	char text[256];

	(void)state;
	srand(7);
	for (unsigned n = 0; n < 60000; n++) {
		const char *seed = seeds[n % 2];
		size_t len = strlen(seed);

		memcpy(text, seed, len);
		for (int k = rand() % 3; k >= 0; k--)
			text[(size_t)rand() % len] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
		if (rand() % 4 == 0)
			len = (size_t)rand() % len;
		(void)compare(n % 7 ? "fdb" : "peer", n % 3 == 0, text, len);
	}
	assert_true(flat_items > 500 && items - flat_items > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entries),
	    cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
