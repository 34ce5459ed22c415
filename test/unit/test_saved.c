/* SPDX-License-Identifier: BSD-2-Clause */
/* What one process leaves to the next: state and descriptors, also bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "switchd/commit.h"
#include "switchd/inherit.h"
#include "switchd/ports.h"
#include "switchd/rtnl.h"
#include "switchd/saved.h"
#include "switchd/segment.h"
#include "switchd/takeover.h"

#define CONFIG                                                                                     \
	"host = \"h\"; uplinks = ({name = \"lan\"; interface = \"lo\"; address = "                 \
	"\"192.0.2.1\";});"                                                                        \
	"segments = ({name = \"alpha\"; id = 1; ageing = 100;"                                     \
	" encap = ({type = \"etherip\"; uplink = \"lan\"; group = \"239.192.0.1\";});},"           \
	"{name = \"beta\"; id = 2;});"                                                             \
	"ports = ({name = \"p1\"; type = \"tap\"; segment = \"alpha\"; netns = \"/none/1\";},"     \
	"{name = \"p2\"; type = \"tap\"; segment = \"beta\"; netns = \"/none/2\";});"

#define START 1000000u /* ms */

static void nobody(void *arg)
{
	(void)arg;
}

static void make(struct switchd *sw, const char *text)
{
	struct desired desired;
	struct err err;

	assert_int_equal(switchd_init(sw, "none"), 0);
	assert_int_equal(rtnl_open(&sw->rtnl, sw->loop, nobody, NULL), 0);
	sw->port_host.rtnl = sw->rtnl;
	sw->now = START;
	memset(&desired, 0, sizeof(desired));
	assert_int_equal(desired_parse(&desired, text, "text", &err), 0);
	desired.log_level = LOG_LEVEL_ERROR;
	assert_int_equal(commit(sw, &desired, &err), 0);
}

static void add(struct switchd *sw, const char *segment, uint8_t last, const char *port,
		const char *peer, enum fdb_state state, uint64_t when)
{
	struct mac mac = {{2, 0, 0, 0, 0, last}};
	struct fdb_where where = {.side = FDB_SIDE_LOCAL};

	if (port)
		where.port = switchd_port(sw, port)->number;
	else
		where.side = switchd_segment(sw, segment)->encaps[0]->encap.side;
	if (peer)
		assert_int_equal(ipaddr_parse(peer, &where.remote), 0);
	assert_int_equal(
	    fdb_add(sw->fdb, switchd_segment(sw, segment)->number, &mac, &where, state, when), 0);
}

/* All that a switch saves, as text. */
static char *text_of(const struct switchd *sw, struct saved *into)
{
	struct saved_walk walk = {.begun = false};
	json_t *all = json_array(), *json;
	struct err err;
	char *text;

	while ((json = saved_next(&walk, sw))) {
		if (into)
			assert_int_equal(saved_take(into, json, &err), 0);
		if (!json_object_get(json, "saved"))
			json_array_append(all, json);
		json_decref(json);
	}
	text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(all);
	return text;
}

static void fill(struct switchd *sw)
{
	struct desired next;
	struct err err;
	json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "name", "p3", "type", "tap", "segment",
				 "beta", "netns", "/none/3");
	json_t *guest = json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", "vm1.0", "type", "netdev",
				  "segment", "beta", "interface", "none0", "ifindex", 7);

	memset(&next, 0, sizeof(next));
	assert_int_equal(desired_copy(&next, &sw->desired, &err), 0);
	assert_int_equal(desired_add(&next, "port", json, OWNER_CLI, &err), 0);
	assert_int_equal(desired_add(&next, "port", guest, OWNER_HOOK, &err), 0);
	json_decref(guest);
	json_decref(json);
	assert_int_equal(commit(sw, &next, &err), 0);
	add(sw, "alpha", 1, "p1", NULL, FDB_LEARNED, START - 30000);
	add(sw, "alpha", 2, "p1", NULL, FDB_STATIC, START);
	add(sw, "alpha", 3, NULL, "192.0.2.9", FDB_LEARNED, START);
	add(sw, "beta", 4, "p2", NULL, FDB_STICKY, START);
	add(sw, "beta", 5, "p3", NULL, FDB_LEARNED, START);
}

static void test_round_trip(void **state)
{
	struct saved *saved = saved_create();
	struct switchd one, two;
	char *before, *after;
	struct err err;
	int fd = memfd_create("test", 0);

	(void)state;
	make(&one, CONFIG);
	fill(&one);
	before = text_of(&one, NULL);
	assert_int_equal(saved_write(&one, fd), 0);
	assert_int_equal(saved_read(saved, fd, &err), 0);
	close(fd);
	{
		struct desired desired;

		assert_int_equal(switchd_init(&two, "none"), 0);
		assert_int_equal(rtnl_open(&two.rtnl, two.loop, nobody, NULL), 0);
		two.port_host.rtnl = two.rtnl;
		two.now = START;
		memset(&desired, 0, sizeof(desired));
		assert_int_equal(desired_parse(&desired, CONFIG, "text", &err), 0);
		desired.log_level = LOG_LEVEL_ERROR;
		assert_int_equal(saved_objects(saved, &desired, &err), 0);
		assert_int_equal(commit(&two, &desired, &err), 0);
	}
	assert_string_equal(desired_port(&two.desired, "p3")->owner, OWNER_CLI);
	assert_string_equal(desired_port(&two.desired, "vm1.0")->owner, OWNER_HOOK);
	assert_int_equal(saved_fdb(saved, &two), 5);
	after = text_of(&two, NULL);
	/* In the order of the table, which has a key of its own. */
	assert_int_equal(strlen(before), strlen(after));
	for (const char *p = strstr(before, "{\"age\""); p; p = strstr(p + 1, "{\"age\"")) {
		char *entry = strndup(p, strcspn(p, "}"));

		assert_non_null(strstr(after, entry));
		free(entry);
	}
	assert_non_null(strstr(after, "\"p3\""));
	free(before);
	free(after);
	saved_destroy(saved);
	switchd_fini(&one);
	switchd_fini(&two);
}

/* How many entries come into a switch of another configuration, at another time. */
static size_t kept(struct saved *saved, const char *text, uint64_t now)
{
	struct switchd sw;
	size_t count;

	make(&sw, text);
	sw.now = now;
	count = saved_fdb(saved, &sw);
	switchd_fini(&sw);
	return count;
}

static void test_other_configuration(void **state)
{
	struct saved *saved = saved_create();
	struct switchd one;

	(void)state;
	make(&one, CONFIG);
	fill(&one);
	free(text_of(&one, saved));
	switchd_fini(&one);
	assert_int_equal(kept(saved, CONFIG, START), 4); /* p3 is not there */
	assert_int_equal(kept(saved, CONFIG, START + 69999), 4);
	assert_int_equal(kept(saved, CONFIG, START + 70000), 3); /* 30 s old before */
	assert_int_equal(kept(saved, CONFIG, START + 100000), 2);
	assert_int_equal(kept(saved, CONFIG, START - 1), 0); /* another boot */
	/* Another id; no encap; a port elsewhere, locked, gone. */
	assert_int_equal(kept(saved, "segments = ({name = \"alpha\"; id = 3;});", START), 0);
	assert_int_equal(kept(saved,
			      "segments = ({name = \"alpha\"; id = 1;});"
			      "ports = ({name = \"p1\"; type = \"tap\"; segment = \"alpha\";"
			      " netns = \"/none/1\"; state = \"locked\";});",
			      START),
			 1);
	assert_int_equal(
	    kept(saved,
		 "segments = ({name = \"alpha\"; id = 1;}, {name = \"beta\"; id = 2;});"
		 "ports = ({name = \"p1\"; type = \"tap\"; segment = \"beta\";"
		 " netns = \"/none/1\";});",
		 START),
	    0);
	/* In the same segment still, though by a VLAN, and in one that it leaves. */
	assert_int_equal(
	    kept(saved,
		 "segments = ({name = \"alpha\"; id = 1;}, {name = \"beta\"; id = 2;});"
		 "ports = ({name = \"p1\"; type = \"tap\"; native = \"beta\"; netns = \"/none/1\";"
		 " trunk = ({vid = 5; segment = \"alpha\";});},"
		 "{name = \"p2\"; type = \"tap\"; netns = \"/none/2\";"
		 " trunk = ({vid = 5; segment = \"alpha\";});});",
		 START),
	    2);
	saved_destroy(saved);
}

static void test_conflict(void **state)
{
	struct saved *saved = saved_create();
	struct desired desired;
	struct switchd one;
	struct err err;

	(void)state;
	make(&one, CONFIG);
	fill(&one);
	free(text_of(&one, saved));
	switchd_fini(&one);
	memset(&desired, 0, sizeof(desired));
	assert_int_equal(desired_parse(&desired,
				       "segments = ({name = \"beta\";}); ports = ({name = \"p3\";"
				       "type = \"tap\"; segment = \"beta\"; netns = \"/x\";});",
				       "text", &err),
			 0);
	assert_true(saved_objects(saved, &desired, &err) < 0);
	assert_non_null(strstr(err.text, "p3"));
	assert_int_equal(desired.ports.count, 1);
	desired_clear(&desired);
	saved_destroy(saved);
}

static void refuse_text(const char *text)
{
	struct saved *saved = saved_create();
	int fd = memfd_create("test", 0);
	struct err err;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_true(saved_read(saved, fd, &err) < 0);
	close(fd);
	saved_destroy(saved);
}

/* Ports that stand for one interface of many have a name of this form. */
static void test_wildcard(void **state)
{
	struct saved *saved = saved_create();
	json_t *head = json_pack("{s:i, s:i}", "saved", SAVED_VERSION, "now", 5);
	json_t *json =
	    json_pack("{s:s, s:s, s:i, s:s, s:i, s:s}", "fdb", "02:00:00:00:00:01", "segment", "a",
		      "id", 1, "state", "learned", "age", 1, "port", "guests/vnet0");
	struct err err;

	(void)state;
	assert_int_equal(saved_take(saved, head, &err), 0);
	assert_int_equal(saved_take(saved, json, &err), 0);
	json_decref(json);
	json_decref(head);
	saved_destroy(saved);
}

#define HEAD	  "{\"saved\":3,\"now\":5}\n"
#define FDB(more) HEAD "{\"fdb\":\"02:00:00:00:00:01\"," more "}\n"

static void test_hostile_state(void **state)
{
	struct saved *saved = saved_create();
	int pair[2], fd = memfd_create("test", 0);
	struct err err;

	(void)state;
	refuse_text("x");
	refuse_text("{}\n");
	refuse_text("[]\n");
	refuse_text("{\"saved\":1,\"now\":5}\n");
	refuse_text("{\"saved\":4,\"now\":5}\n");
	refuse_text("{\"saved\":3,\"now\":-5}\n");
	refuse_text("{\"saved\":3}\n");
	refuse_text(HEAD "{\"fdb\"");
	refuse_text(HEAD "{}\n");
	refuse_text(HEAD "\"fdb\"\n");
	refuse_text(HEAD "{\"object\":{}}\n");
	refuse_text(HEAD "{\"object\":{},\"kind\":\"port\"}\n");
	refuse_text(HEAD "{\"object\":{},\"kind\":\"port\",\"owner\":\"file\"}\n");
	refuse_text(HEAD "{\"descriptor\":\"x\"}\n");
	refuse_text(HEAD "{\"descriptor\":\"x\",\"state\":7}\n");
	refuse_text(HEAD "{\"descriptor\":7,\"state\":{}}\n");
	refuse_text(HEAD "{\"object\":[],\"kind\":\"port\"}\n");
	refuse_text(HEAD "{\"object\":{},\"kind\":\"port\",\"owner\":\"file\"}\n");
	refuse_text(HEAD "{\"object\":{},\"kind\":\"port\",\"owner\":1}\n");
	refuse_text(HEAD "{\"fdb\":\"ff:ff:ff:ff:ff:ff\",\"state\":\"static\",\"age\":1,\"id\":1,"
			 "\"segment\":\"a\",\"port\":\"p\"}\n");
	refuse_text(FDB("\"state\":\"odd\",\"age\":1,\"id\":1,\"segment\":\"a\",\"port\":\"p\""));
	refuse_text(
	    FDB("\"state\":\"static\",\"age\":-1,\"id\":1,\"segment\":\"a\",\"port\":\"p\""));
	refuse_text(
	    FDB("\"state\":\"static\",\"age\":1,\"id\":\"1\",\"segment\":\"a\",\"port\":\"p\""));
	refuse_text(
	    FDB("\"state\":\"static\",\"age\":1,\"id\":1,\"segment\":\"a b\",\"port\":\"p\""));
	refuse_text(
	    FDB("\"state\":\"static\",\"age\":1,\"id\":1,\"segment\":\"a\",\"encap\":\"x\""));
	refuse_text(FDB("\"state\":\"static\",\"age\":1,\"id\":1,\"segment\":\"a\",\"encap\":\"x\","
			"\"uplink\":\"u\",\"peer\":\"nowhere\""));
	refuse_text(FDB("\"state\":\"static\",\"age\":1,\"id\":1,\"segment\":\"a\",\"encap\":\"x\","
			"\"uplink\":\"u\",\"peer\":7"));
	assert_int_equal(saved_read(saved, fd, &err), 0); /* empty: a crash */
	close(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(saved_read(saved, pair[0], &err) < 0);
	close(pair[0]);
	close(pair[1]);
	saved_destroy(saved);
}

/* Objects of any content: refused as switchctl's are. */
static void test_hostile_objects(void **state)
{
	static const char *const texts[] = {
	    "{\"kind\":\"planet\",\"owner\":\"cli\",\"object\":{}}",
	    "{\"kind\":\"port\",\"owner\":\"cli\",\"object\":{}}",
	    "{\"kind\":\"port\",\"owner\":\"cli\",\"object\":{\"name\":\"x\",\"type\":\"tap\","
	    "\"segment\":\"none\"}}",
	    "{\"kind\":\"port\",\"owner\":\"cli\",\"object\":{\"name\":\"x\",\"type\":\"odd\","
	    "\"segment\":\"none\"}}",
	    "{\"kind\":\"segment\",\"owner\":\"cli\",\"object\":{\"name\":\"../x\"}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct saved *saved = saved_create();
		json_t *json = json_loads(texts[i], 0, NULL);
		json_t *head = json_pack("{s:i, s:i}", "saved", SAVED_VERSION, "now", 5);
		struct desired desired;
		struct err err;

		memset(&desired, 0, sizeof(desired));
		assert_int_equal(desired_parse(&desired, CONFIG, "text", &err), 0);
		assert_int_equal(saved_take(saved, head, &err), 0);
		assert_int_equal(saved_take(saved, json, &err), 0);
		assert_true(saved_objects(saved, &desired, &err) < 0);
		assert_int_equal(desired.ports.count, 2);
		desired_clear(&desired);
		json_decref(json);
		json_decref(head);
		saved_destroy(saved);
	}
}

/* ---- descriptors ---- */

static int listen_to(struct inherit *inherit, const char *count, const char *names, int first)
{
	char pid[16];
	struct err err;

	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	return inherit_listen(inherit, pid, count, names, first, &err);
}

static void test_listen(void **state)
{
	struct inherit *inherit = inherit_create();
	struct err err;
	struct port_heritage heritage;
	bool stored = false;
	const int first = 900;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(dup2(0, first + i), first + i);
	assert_int_equal(inherit_listen(inherit, NULL, NULL, NULL, first, &err), 0);
	assert_int_equal(inherit_listen(inherit, "1", "4", "a:b:c:d", first, &err), 0);
	assert_true(inherit_listen(inherit, "x", "4", "a:b:c:d", first, &err) < 0);
	assert_true(listen_to(inherit, "-1", "a", first) < 0);
	assert_true(listen_to(inherit, "99999999999999999999", "a", first) < 0);
	assert_true(listen_to(inherit, "4", "a:b:c", first) < 0);
	assert_true(listen_to(inherit, "4", NULL, first) < 0);
	assert_true(listen_to(inherit, "5", "a:b:c:d:e", first) < 0); /* not open */
	assert_int_equal(inherit_left(inherit), 0);
	assert_int_equal(listen_to(inherit, "4", "a:a:b\n:c", first), 0);
	assert_int_equal(inherit_left(inherit), 2);
	assert_int_equal(fcntl(first + 2, F_GETFD), -1); /* no name */
	assert_int_equal(fcntl(first, F_GETFD), FD_CLOEXEC);
	assert_int_equal(inherit_take(inherit, "b", &heritage, &stored), -ENOENT);
	assert_int_equal(inherit_take(inherit, "a", &heritage, &stored), 0);
	assert_int_equal(heritage.count, 2);
	assert_int_equal(heritage.fd[0], first);
	assert_int_equal(heritage.fd[1], first + 1);
	assert_null(heritage.state);
	assert_true(stored);
	assert_int_equal(inherit_take(inherit, "a", &heritage, &stored), -ENOENT);
	assert_int_equal(inherit_add(inherit, "a", dup(0), false), -ENOSPC);
	assert_int_equal(port_heritage_take(&heritage, 0), first);
	port_heritage_clear(&heritage);
	assert_int_equal(fcntl(first, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(first + 1, F_GETFD), -1);
	close(first);
	inherit_destroy(inherit);
	assert_int_equal(fcntl(first + 3, F_GETFD), -1);
}

static void note_left(void *arg, const char *name)
{
	(void)snprintf(arg, 100, "%s", name);
}

/* Several descriptors of one port, and a state, which goes with them or not at all. */
static void test_heritage(void **state)
{
	struct inherit *inherit = inherit_create();
	json_t *json = json_pack("{s:s}", "in", "00ff");
	struct port_heritage heritage;
	char left[100] = "";
	bool stored = true;

	(void)state;
	inherit_set_state(inherit, "x", json); /* without descriptors: of no use */
	assert_int_equal(inherit_left(inherit), 0);
	for (unsigned i = 0; i < PORT_HERITAGE_FDS; i++)
		assert_int_equal(inherit_add(inherit, "x", dup(0), false), 0);
	assert_int_equal(inherit_add(inherit, "x", dup(0), false), -ENOSPC);
	assert_int_equal(inherit_add(inherit, "y", dup(0), false), 0);
	inherit_set_state(inherit, "x", json);
	inherit_set_state(inherit, "x", json);
	assert_int_equal(inherit_take(inherit, "x", &heritage, &stored), 0);
	assert_false(stored);
	assert_int_equal(heritage.count, PORT_HERITAGE_FDS);
	assert_ptr_equal(heritage.state, json);
	port_heritage_clear(&heritage);
	assert_int_equal(inherit_left(inherit), 1);
	inherit_each_left(inherit, note_left, left);
	assert_string_equal(left, "y");
	json_decref(json);
	inherit_destroy(inherit);
}

static void test_bytes(void **state)
{
	static const char *const bad[] = {"0", "0g", "0G", "FF", "000000", " 1"};
	const uint8_t bytes[] = {0, 0x7f, 0x80, 0xff};
	json_t *json = port_bytes_to_json(bytes, sizeof(bytes));
	uint8_t back[4] = {0};

	(void)state;
	assert_string_equal(json_string_value(json), "007f80ff");
	assert_int_equal(port_bytes_from_json(json, back, sizeof(back)), 4);
	assert_memory_equal(back, bytes, sizeof(bytes));
	assert_int_equal(port_bytes_from_json(json, back, 3), -1);
	json_decref(json);
	json = port_bytes_to_json(NULL, 0);
	assert_int_equal(port_bytes_from_json(json, back, 0), 0);
	json_decref(json);
	assert_int_equal(port_bytes_from_json(NULL, back, 4), -1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json = json_string(bad[i]);
		assert_int_equal(port_bytes_from_json(json, back, 2), -1);
		json_decref(json);
	}
}

/* A port does not adopt what is no TAP; it is opened as ever. */
static void test_no_tap(void **state)
{
	struct desired desired;
	char name[INHERIT_PORT_NAME];
	struct switchd sw;
	struct err err;
	int pair[2];

	(void)state;
	assert_int_equal(switchd_init(&sw, "none"), 0);
	assert_int_equal(rtnl_open(&sw.rtnl, sw.loop, nobody, NULL), 0);
	sw.port_host.rtnl = sw.rtnl;
	sw.inherit = inherit_create();
	memset(&desired, 0, sizeof(desired));
	assert_int_equal(desired_parse(&desired, CONFIG, "text", &err), 0);
	desired.log_level = LOG_LEVEL_ERROR;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(inherit_port_name(desired_port_at(&desired, i), name));
		assert_int_equal(
		    inherit_add(sw.inherit, name, i ? open("/dev/null", O_RDWR) : pair[0], false),
		    0);
	}
	assert_int_equal(commit(&sw, &desired, &err), 0);
	assert_int_equal(inherit_left(sw.inherit), 0);
	assert_int_equal(fcntl(pair[0], F_GETFD), -1);
	assert_false(switchd_port(&sw, "p1")->up);
	assert_false(switchd_port(&sw, "p2")->up);
	close(pair[1]);
	switchd_fini(&sw);
}

static void name_of(const char *keys, char name[INHERIT_PORT_NAME])
{
	struct desired desired;
	struct err err;
	char text[400];

	(void)snprintf(
	    text, sizeof(text),
	    "segments = ({name = \"a\";}, {name = \"b\";}); ports = ({name = \"p\"; type = "
	    "\"tap\"; %s});",
	    keys);
	memset(&desired, 0, sizeof(desired));
	assert_int_equal(desired_parse(&desired, text, "text", &err), 0);
	assert_true(inherit_port_name(desired_port_at(&desired, 0), name));
	desired_clear(&desired);
}

static void test_identity(void **state)
{
	static const char *const others[] = {
	    "segment = \"a\"; netns = \"y\"; ifname = \"x\";",
	    "segment = \"a\"; netns = \"x\"; ifname = \"y\";",
	    "segment = \"a\"; ifname = \"x\";",
	    "segment = \"a\"; netns = \"x\"; ifname = \"x\"; mac = \"02:00:00:00:00:01\";",
	    "segment = \"a\"; netns = \"x\"; ifname = \"x\"; mtu = 1400;",
	};
	char one[INHERIT_PORT_NAME], two[INHERIT_PORT_NAME];

	(void)state;
	name_of("segment = \"a\"; netns = \"x\"; ifname = \"x\";", one);
	name_of("segment = \"b\"; state = \"locked\"; netns = \"x\"; ifname = \"x\";", two);
	assert_string_equal(one, two);
	name_of(
	    "trunk = ({vid = 9; segment = \"b\";}); native = \"a\"; netns = \"x\"; ifname = \"x\";",
	    two);
	assert_string_equal(one, two);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		name_of(others[i], two);
		assert_string_not_equal(one, two);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),	  cmocka_unit_test(test_other_configuration),
	    cmocka_unit_test(test_conflict),	  cmocka_unit_test(test_wildcard),
	    cmocka_unit_test(test_hostile_state), cmocka_unit_test(test_hostile_objects),
	    cmocka_unit_test(test_listen),	  cmocka_unit_test(test_heritage),
	    cmocka_unit_test(test_bytes),	  cmocka_unit_test(test_no_tap),
	    cmocka_unit_test(test_identity),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
