/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reloads of a file, which take some turns of the loop, and what happens between these.
 * Without privileges no TAP can be made, so ports stay down; all else of them is there.
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
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "switchd/commit.h"
#include "switchd/reload.h"
#include "switchd/rtnl.h"
#include "test/unit/unprivileged.h"

static struct switchd sw;

#define HEAD	"log_level = \"error\"; uplinks = ( { name = \"lan\"; interface = \"lo\"; } );"
#define WIRE_S	"{ name = \"s\"; id = 1; encap = ( { type = \"etherip\"; uplink = \"lan\"; } ); }"
#define PLAIN_T "{ name = \"t\"; }"
#define PORT(name, segment)                                                                        \
	"{ name = \"" name "\"; type = \"tap\"; segment = \"" segment "\"; netns = \"tvd-none\"; " \
	"}"
#define BASE                                                                                       \
	HEAD "segments = (" WIRE_S "," PLAIN_T ");"                                                \
	     "ports = (" PORT("a", "s") "," PORT("b", "s") "," PORT("c", "t") ");"

static size_t list_length(const struct list *head)
{
	size_t n = 0;

	for (const struct list *it = head->next; it != head; it = it->next)
		n++;
	return n;
}

static char path[] = "/tmp/tvd-test-reload-XXXXXX";

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void add_by_hand(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct desired next;
	struct err err;

	assert_non_null(json);
	memset(&next, 0, sizeof(next));
	assert_int_equal(desired_copy(&next, &sw.desired, &err), 0);
	assert_int_equal(desired_add(&next, "port", json, OWNER_CLI, &err), 0);
	assert_int_equal(commit(&sw, &next, &err), 0);
	json_decref(json);
}

/* How it goes, and between which turns of the loop. */
static int reload_with(struct err *err, void (*between)(unsigned turn))
{
	const uint64_t number = reload_ask(&sw);
	unsigned turn = 0;
	int ret;

	while ((ret = reload_result(&sw, number, err)) == -EINPROGRESS) {
		assert_in_range(turn, 0, 100);
		ev_run(sw.loop, EVRUN_ONCE);
		if (between)
			between(turn++);
	}
	return ret;
}

static int reload(struct err *err)
{
	return reload_with(err, NULL);
}

static void a_reload_keeps_what_others_than_the_file_made(void **state)
{
	const struct port *mine;
	struct err err = {""};

	(void)state;
	write_file(BASE);
	assert_int_equal(reload(&err), 0);
	add_by_hand(
	    "{\"name\": \"mine\", \"type\": \"tap\", \"segment\": \"t\", \"netns\": \"n\"}");
	mine = switchd_port(&sw, "mine");
	write_file(HEAD "segments = (" PLAIN_T ");");
	assert_int_equal(reload(&err), 0);
	assert_ptr_equal(switchd_port(&sw, "mine"), mine);
	assert_string_equal(mine->conf->owner, OWNER_CLI);
	assert_int_equal(list_length(&sw.ports), 1);
	/* It needs a segment that the file takes away; a name may not be twice. */
	write_file(HEAD "segments = (" WIRE_S ");");
	assert_true(reload(&err) < 0);
	write_file(HEAD "segments = (" PLAIN_T "); ports = (" PORT("mine", "t") ");");
	assert_true(reload(&err) < 0);
	(void)unlink(path);
	assert_true(reload(&err) < 0);
	assert_ptr_equal(switchd_port(&sw, "mine"), mine);
	assert_int_equal(sw.reloads, 2);
	assert_int_equal(sw.reload_failures, 3);
}

static void add_one(unsigned turn)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
		       "{\"name\": \"made%u\", \"type\": \"tap\", \"segment\": \"t\", \"netns\": "
		       "\"n%u\"}",
		       turn, turn);
	add_by_hand(text);
}

static void add_once(unsigned turn)
{
	if (turn == 5)
		add_one(100);
}

static void a_reload_takes_turns(void **state)
{
	struct err err = {""};
	uint64_t first, second;

	(void)state;
	write_file(BASE);
	assert_int_equal(reload(&err), 0);
	/* What others change meanwhile stays, at whatever turn it comes... */
	write_file(HEAD "segments = (" PLAIN_T ");");
	assert_int_equal(reload_with(&err, add_once), 0);
	assert_non_null(switchd_port(&sw, "made100"));
	assert_null(switchd_port(&sw, "a"));
	assert_int_equal(list_length(&sw.ports), 1);
	/* ... and they cannot hold it up. */
	write_file(BASE);
	assert_int_equal(reload_with(&err, add_one), 0);
	assert_non_null(switchd_port(&sw, "a"));
	assert_non_null(switchd_port(&sw, "made0"));
	/* Who asks while one is under way gets what the file says afterwards. */
	first = reload_ask(&sw);
	for (unsigned turn = 0; turn < 3; turn++) /* it has read the file */
		ev_run(sw.loop, EVRUN_ONCE);
	write_file("this is none");
	second = reload_ask(&sw);
	while (reload_result(&sw, first, &err) == -EINPROGRESS)
		ev_run(sw.loop, EVRUN_ONCE);
	assert_int_equal(reload_result(&sw, first, &err), 0);
	assert_int_equal(reload_result(&sw, second, &err), -EINPROGRESS);
	while (reload_result(&sw, second, &err) == -EINPROGRESS)
		ev_run(sw.loop, EVRUN_ONCE);
	assert_int_equal(reload_result(&sw, second, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":1:"));
	assert_int_equal(sw.reload_failures, 1);
	/* Left in the midst of it. */
	(void)reload_ask(&sw);
	ev_run(sw.loop, EVRUN_ONCE);
	write_file(BASE);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fd = mkstemp(path);
	if (fd < 0 || switchd_init(&sw, path) < 0 ||
	    rtnl_open(&sw.rtnl, sw.loop, on_links, NULL) < 0)
		return -1;
	close(fd);
	sw.port_host.rtnl = sw.rtnl;
	sw.now = 1000000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	switchd_fini(&sw);
	(void)unlink(path);
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_reload_keeps_what_others_than_the_file_made),
	    CASE(a_reload_takes_turns),
	};

	return cmocka_run_group_tests_name("reload", tests, drop_privileges, NULL);
}
