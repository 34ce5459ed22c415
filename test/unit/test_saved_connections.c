// SPDX-License-Identifier: BSD-2-Clause
//
// Connections that one process leaves to the next: they come back as they were where
// their rules are in force, and nowhere else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those four first
#include <cmocka.h>

#include "lib/log.h"
#include "switchd/commit.h"
#include "switchd/policy/policy.h"
#include "switchd/rtnl.h"
#include "switchd/saved.h"
#include "test/unit/policy_case.h"

#define START 1000000u // ms

#define BEGIN                                                                                      \
	"host = \"h\"; uplinks = ({name = \"lan\"; interface = \"lo\"; address = "                 \
	"\"192.0.2.1\";});"                                                                        \
	"segments = ({name = \"alpha\"; id = 1; domain = \"alpha\";"                               \
	" encap = ({type = \"etherip\"; uplink = \"lan\"; group = \"239.192.0.1\";});},"           \
	"{name = \"beta\"; id = 2; domain = \"beta\";});"                                          \
	"ports = ({name = \"p1\"; type = \"tap\"; segment = \"alpha\"; netns = \"/none/1\";},"     \
	"{name = \"p2\"; type = \"tap\"; segment = \"beta\"; netns = \"/none/2\";});"              \
	"policy = ({from = \"alpha\"; to = \"beta\"; flow = \"controlled\"; allow = ("
#define END "); });"
#define WEB "{filter = \"tcp dst port 443\"; stateful = true;}"
#define DNS "{filter = \"udp dst port 53\"; stateful = true; port = \"p1\";}"

static void nobody(void *arg)
{
	(void)arg;
}

static void make(struct switchd *sw, const char *text)
{
	struct desired desired;
	struct err err = {""};

	assert_int_equal(switchd_init(sw, "none"), 0);
	assert_int_equal(rtnl_open(&sw->rtnl, sw->loop, nobody, NULL), 0);
	sw->port_host.rtnl = sw->rtnl;
	sw->now = START;
	memset(&desired, 0, sizeof(desired));
	if (desired_parse(&desired, text, "text", &err) < 0)
		fail_msg("%s", err.text);
	desired.log_level = LOG_LEVEL_ERROR;
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(commit(sw, &desired, &err), 0);
}

// A frame from p1, or from a remote host, to beta; or back.
static void say(struct switchd *sw, struct say s, const char *peer, bool back)
{
	const struct segment *alpha = switchd_segment(sw, "alpha");
	const struct segment *beta = switchd_segment(sw, "beta");
	struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = switchd_port(sw, "p1")->number};
	struct crossing crossing;
	struct packet packet;
	struct crossing_frame cf = {
	    .packet = &packet,
	    .from = back ? beta->number : alpha->number,
	    .to = back ? alpha->number : beta->number,
	    .sender = &where,
	    .from_port = back	? "p2"
			 : peer ? NULL
				: "p1",
	    .to_port = back ? (peer ? NULL : "p1") : "p2",
	    .now = sw->now,
	};

	if (peer) {
		where = (struct fdb_where){.side = alpha->encaps[0]->encap.side};
		assert_int_equal(ipaddr_parse(peer, &where.remote), 0);
	}
	assert_non_null(
	    policy_crossing(sw->policy, back ? beta : alpha, back ? alpha : beta, &crossing));
	cf.frame = say_frame(&s, &packet);
	assert_int_equal(decide(sw->conns, &crossing, &cf).reason, REASON_NONE);
}

static void fill(struct switchd *sw)
{
	const struct say syn = {.family = 4,
				.protocol = IPPROTO_TCP,
				.src = 1,
				.dst = 2,
				.sport = 4000,
				.dport = 443,
				.flags = TCP_SYN,
				.window = 100,
				.scale = 3,
				.seq = 10};
	const struct say answer = {.family = 4,
				   .protocol = IPPROTO_TCP,
				   .src = 2,
				   .dst = 1,
				   .sport = 443,
				   .dport = 4000,
				   .flags = TCP_SYN | TCP_ACK,
				   .window = 200,
				   .scale = 2,
				   .seq = 50,
				   .ack = 11};
	const struct say udp = {
	    .family = 6, .protocol = IPPROTO_UDP, .src = 1, .dst = 2, .sport = 4000, .dport = 53};
	struct say other = syn;

	other.src = 9;
	say(sw, syn, NULL, false);
	say(sw, answer, NULL, true);
	say(sw, udp, NULL, false);
	sw->now += 7000;
	say(sw, other, "192.0.2.9", false);
}

// All that a switch saves of connections, and into another's hands.
static struct saved *hand_over(const struct switchd *sw, size_t *connections)
{
	struct saved_walk walk = {.begun = false};
	struct saved *saved = saved_create();
	struct err err = {""};
	json_t *json;

	assert_non_null(saved);
	*connections = 0;
	while ((json = saved_next(&walk, sw))) {
		*connections += json_object_get(json, "connection") != NULL;
		if (saved_take(saved, json, &err) < 0)
			fail_msg("%s", err.text);
		json_decref(json);
	}
	return saved;
}

static size_t list(const struct switchd *sw, struct conn_info *info)
{
	uint32_t cursor = 0;
	bool end;

	return conns_list(sw->conns, -1, sw->now, &cursor, info, 4, 100, &end);
}

static void they_come_back(void **state)
{
	static struct switchd one, two;
	struct conn_info before[4], after[4];
	struct saved *saved;
	size_t count;

	(void)state;
	make(&one, BEGIN WEB "," DNS END);
	fill(&one);
	make(&two, BEGIN DNS "," WEB END);
	two.now = one.now + 500;
	saved = hand_over(&one, &count);
	assert_int_equal(count, 3);
	assert_int_equal(saved_connections(saved, &two), 3);
	assert_int_equal(list(&one, before), 3);
	assert_int_equal(list(&two, after), 3);
	for (unsigned i = 0; i < 3; i++) {
		bool found = false;

		for (unsigned k = 0; k < 3; k++) {
			struct conn_info info = after[k];

			if (memcmp(&info.src, &before[i].src, sizeof(info.src)) != 0 ||
			    info.kind != before[i].kind)
				continue;
			found = true;
			assert_int_equal(info.timeout_ms + 500, before[i].timeout_ms);
			assert_int_equal(info.state, before[i].state);
			assert_int_equal(info.frames[0], before[i].frames[0]);
			assert_int_equal(info.bytes[1], before[i].bytes[1]);
			assert_int_equal(info.tcp.peer[1].window, before[i].tcp.peer[1].window);
			assert_int_equal(info.tcp.peer[0].lost, before[i].tcp.peer[0].known);
			assert_int_equal(ipaddr_is_set(&info.where.remote),
					 ipaddr_is_set(&before[i].where.remote));
			assert_string_equal(info.rule[0]->filter, before[i].rule[0]->filter);
			assert_int_equal(info.word[1], CONN_WORD_RULE);
		}
		assert_true(found);
	}
	saved_destroy(saved);
	switchd_fini(&one);
	switchd_fini(&two);
}

static void not_without_their_rules(void **state)
{
	static struct switchd one, two;
	struct conn_info info[4];
	struct saved *saved;
	size_t count;

	(void)state;
	make(&one, BEGIN WEB "," DNS END);
	fill(&one);
	make(&two, BEGIN DNS END);
	two.now = one.now;
	saved = hand_over(&one, &count);
	assert_int_equal(saved_connections(saved, &two), 1);
	assert_int_equal(list(&two, info), 1);
	assert_int_equal(info[0].kind, FLOW_KIND_UDP);
	/* Twice is once; and after a new start of the machine there is nothing to go by. */
	assert_int_equal(saved_connections(saved, &two), 0);
	(void)conns_flush(two.conns, -1);
	two.now = 5;
	assert_int_equal(saved_connections(saved, &two), 0);
	/* What is too old stays away. */
	two.now = one.now + 30000;
	assert_int_equal(saved_connections(saved, &two), 0);
	saved_destroy(saved);
	switchd_fini(&one);
	switchd_fini(&two);
}

static void take_late(const struct switchd *from, bool established, struct saved *saved,
		      unsigned count)
{
	struct conn_info info;
	struct err err = {""};
	uint32_t cursor = 0;

	while (conns_late(from->conns, established, from->now, &cursor, &info)) {
		json_t *json = saved_late(from, &info);

		if (saved_take_late(saved, json, from->now, &err) < 0)
			fail_msg("%s", err.text);
		json_decref(json);
		count--;
	}
	assert_int_equal(count, 0);
}

/* What was told of before it was there, or before it was what it is. */
static void late_ones_come_back_too(void **state)
{
	static struct switchd one, two;
	struct say later = {.family = 4,
			    .protocol = IPPROTO_TCP,
			    .src = 1,
			    .dst = 2,
			    .sport = 4000,
			    .dport = 443,
			    .flags = TCP_ACK,
			    .window = 100,
			    .scale = -1,
			    .seq = 11,
			    .ack = 51};
	struct conn_info info[4];
	struct saved *saved;
	size_t count, established = 0;

	(void)state;
	make(&one, BEGIN WEB "," DNS END);
	make(&two, BEGIN DNS "," WEB END);
	fill(&one);
	/* Nobody asked to hear of late ones. */
	saved = hand_over(&one, &count);
	take_late(&one, true, saved, 0);
	saved_destroy(saved);

	assert_int_equal(conns_watch(one.conns), 0);
	saved = hand_over(&one, &count);
	assert_int_equal(count, 3);
	take_late(&one, true, saved, 0);
	take_late(&one, false, saved, 0);
	say(&one, later, NULL, false); /* that is established now */
	one.now += 100;
	later.sport++;
	later.flags = TCP_SYN;
	say(&one, later, NULL, false); /* that begins */
	take_late(&one, true, saved, 1);
	take_late(&one, false, saved, 1);
	conns_unwatch(one.conns);
	take_late(&one, false, saved, 0);

	two.now = one.now + 500;
	assert_int_equal(saved_connections(saved, &two), 4);
	assert_int_equal(list(&two, info), 4);
	for (unsigned i = 0; i < 4; i++) {
		const uint32_t timeout = conn_state_timeout((enum conn_state)info[i].state);

		if (info[i].state == TCP_STATE_ESTABLISHED) {
			established++;
			assert_int_equal(info[i].timeout_ms + 600, timeout);
		} else if (info[i].src.port == 4001) {
			assert_int_equal(info[i].timeout_ms + 500, timeout);
		}
	}
	assert_int_equal(established, 1);
	saved_destroy(saved);
	switchd_fini(&one);
	switchd_fini(&two);
}

#define GOOD                                                                                       \
	"\"connection\": \"new\", \"kind\": 4, \"protocol\": 17, \"timeout\": 5, \"from\": \"a\"," \
	"\"to\": \"b\", \"src\": \"10.0.0.1\", \"sport\": 1, \"dst\": \"10.0.0.2\", \"dport\": 2," \
	"\"count\": [1, 0, 60, 0], \"tcp\": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"                  \
	"\"words\": [null, [\"udp\", false, null]], \"port\": \"p\""

static void bad_ones_are_refused(void **state)
{
	static const char *const bad[] = {
	    "\"connection\": \"odd\"",
	    "\"connection\": 5",
	    "\"kind\": 99",
	    "\"kind\": -1",
	    "\"protocol\": 256",
	    "\"timeout\": \"5\"",
	    "\"from\": \"a b\"",
	    "\"to\": 7",
	    "\"src\": \"nowhere\"",
	    "\"src\": \"2001:db8::1\"",
	    "\"dport\": 65536",
	    "\"count\": [1, 2, 3]",
	    "\"count\": [1, 2, 3, -4]",
	    "\"tcp\": []",
	    "\"tcp\": [0,0,0,0,15,0,0,0,0,0,0,0,0,0,0,0,0]",
	    "\"tcp\": [0,0,0,4294967296,0,0,0,0,0,0,0,0,0,0,0,0,0]",
	    "\"words\": [null, 5]",
	    "\"words\": [\"else\", null]",
	    "\"words\": [null, [5, false, null]]",
	    "\"words\": [null, [\"udp\", false, 5]]",
	    "\"port\": \"p p\"",
	    "\"peer\": \"nowhere\"",
	};
	struct saved *saved = saved_create();
	json_t *head = json_pack("{s:i, s:i}", "saved", SAVED_VERSION, "now", 5);
	json_t *good = json_loads("{" GOOD "}", 0, NULL);
	struct err err = {""};

	(void)state;
	assert_non_null(good);
	assert_int_equal(saved_take(saved, head, &err), 0);
	assert_int_equal(saved_take(saved, good, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *json = json_deep_copy(good), *change;
		char text[256];

		(void)snprintf(text, sizeof(text), "{%s}", bad[i]);
		change = json_loads(text, 0, NULL);
		assert_non_null(change);
		assert_int_equal(json_object_update(json, change), 0);
		err.text[0] = '\0';
		if (saved_take(saved, json, &err) == 0)
			fail_msg("%s is taken", bad[i]);
		assert_true(err.text[0]);
		json_decref(change);
		json_decref(json);
	}
	json_decref(good);
	json_decref(head);
	saved_destroy(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(they_come_back),
	    cmocka_unit_test(not_without_their_rules),
	    cmocka_unit_test(late_ones_come_back_too),
	    cmocka_unit_test(bad_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
