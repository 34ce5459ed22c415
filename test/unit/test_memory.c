/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is not there. Each allocation of ours fails once, one after the other,
 * while a configuration is read, committed and asked about. Nothing may crash or leak
 * (the sanitizers look), what is refused says why and changes nothing, and what could
 * be done in part only is whole with the next try. The linker puts the wrappers in
 * place of malloc and its kin (CMakeLists.txt); what libraries allocate for themselves
 * is theirs, except for jansson, which asks us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/json_memory.h"
#include "lib/log.h"
#include "switchd/commit.h"
#include "switchd/control.h"
#include "switchd/ports.h"
#include "switchd/rtnl.h"
#include "test/unit/unprivileged.h"

/* ---- the wrappers ---- */

static long countdown = -1; /* allocations until the one that fails; negative: none does */
static bool failed;

static bool fails(void)
{
	if (countdown < 0 || countdown-- != 0)
		return false;
	failed = true;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static void fail_at(long n)
{
	countdown = n;
	failed = false;
}

/* Whether there was an allocation to fail at all. */
static bool fail_end(void)
{
	countdown = -1;
	return failed;
}

/* ---- configurations ---- */

#define HEAD                                                                                       \
	"host = \"h\"; log_level = \"error\"; uplinks = ( { name = \"lan\"; interface = \"lo\"; "  \
	"address = [ \"192.0.2.1\", \"2001:db8::1\" ]; } );"
#define ONE                                                                                        \
	HEAD "segments = ("                                                                        \
	     "{ name = \"s\"; id = 1; domain = \"d\"; reserved = [ 0x0e ];"                        \
	     "  encap = ( { type = \"etherip\"; uplink = \"lan\"; peers = [ \"192.0.2.2\" ]; },"   \
	     "            { type = \"vxlan\"; uplink = \"lan\"; vni = 7; peers = \"192.0.2.3\"; "  \
	     "} ); },"                                                                             \
	     "{ name = \"t\"; encap = ( { type = \"dot1q\"; uplink = \"lan\"; vid = 5; } ); } );"  \
	     "ports = ("                                                                           \
	     "{ name = \"a\"; type = \"tap\"; segment = \"s\"; netns = \"tvd-none\";"              \
	     "  macs = [ \"02:00:00:00:00:01\" ]; addresses = [ \"10.0.0.0/24\" ];"                \
	     "  guard = { arp = true; }; },"                                                       \
	     "{ name = \"w\"; type = \"netdev\"; segment = \"t\"; interface = \"tvd-none*\"; },"   \
	     "{ name = \"r\"; type = \"tap\"; netns = \"tvd-none\"; indirect = true; native = "    \
	     "\"t\"; trunk = ( { "                                                                 \
	     "vid = 3; segment = \"s\"; } ); },"                                                   \
	     "{ name = \"d\"; type = \"dgram\"; segment = \"t\"; path = \"/nonexistent/a\";"       \
	     "  remote = \"/nonexistent/b\"; } );"
#define TWO                                                                                        \
	HEAD "segments = ("                                                                        \
	     "{ name = \"s\"; id = 1; ageing = 10;"                                                \
	     "  encap = ( { type = \"etherip\"; uplink = \"lan\"; group = \"239.1.1.1\"; } ); },"  \
	     "{ name = \"u\"; } );"                                                                \
	     "ports = ("                                                                           \
	     "{ name = \"a\"; type = \"tap\"; segment = \"u\"; netns = \"tvd-none\"; },"           \
	     "{ name = \"r\"; type = \"tap\"; netns = \"tvd-none\"; trunk = ( { vid = 4; segment " \
	     "= \"u\"; }, { vid = 3; segment = \"s\"; } ); },"                                     \
	     "{ name = \"b\"; type = \"tap\"; segment = \"s\"; netns = \"tvd-none\"; },"           \
	     "{ name = \"w\"; type = \"netdev\"; segment = \"s\"; interface = \"tvd-none*\"; } );"

static bool says_so(const struct err *err)
{
	return strstr(err->text, "out of memory") != NULL;
}

/* A configuration that was refused owns nothing and says nothing. */
static bool is_zero(const struct desired *desired)
{
	static const struct desired zero;

	return memcmp(desired, &zero, sizeof(zero)) == 0;
}

static void reading_a_configuration(void **state)
{
	long n = 0;
	bool more;

	(void)state;
	do {
		struct desired desired = {.host = NULL};
		struct err err = {""};
		int ret;

		fail_at(n++);
		ret = desired_parse(&desired, ONE, "one.conf", &err);
		more = fail_end();
		if (ret < 0) {
			assert_true(more);
			assert_true(says_so(&err));
			assert_true(is_zero(&desired));
		}
		desired_clear(&desired);
	} while (more);
	assert_true(n > 50);
}

static void copying_and_changing_one(void **state)
{
	struct desired base = {.host = NULL};
	struct err err = {""};
	json_t *port = json_loads("{\"name\":\"x\",\"type\":\"tap\",\"segment\":\"s\","
				  "\"macs\":\"02:00:00:00:00:09,02:00:00:00:00:0a\","
				  "\"guard\":\"arp,mac\",\"mtu\":\"1400\"}",
				  0, NULL);
	long n = 0;
	bool more;

	(void)state;
	assert_int_equal(desired_parse(&base, ONE, "one.conf", &err), 0);
	do {
		struct desired copy = {.host = NULL}, other = {.host = NULL};
		int ret, added = -1;

		err.text[0] = '\0';
		fail_at(n++);
		ret = desired_copy(&copy, &base, &err);
		if (ret == 0)
			added = desired_add(&copy, "port", port, OWNER_CLI, &err);
		if (added == 0)
			(void)desired_keep(&other, &copy, &err);
		more = fail_end();
		if (ret < 0) {
			assert_true(says_so(&err));
			assert_true(is_zero(&copy));
		} else {
			assert_int_equal(copy.ports.count, base.ports.count + (added == 0));
			assert_true(added == 0 || says_so(&err));
			assert_true(
			    conf_equal(&segment_schema, copy.segments.items, base.segments.items));
		}
		assert_true(other.ports.count <= 1);
		desired_clear(&copy);
		desired_clear(&other);
	} while (more);
	assert_true(n > 50);
	desired_clear(&base);
	json_decref(port);
}

static void one_as_json(void **state)
{
	struct desired base = {.host = NULL};
	struct err err = {""};
	json_t *whole;
	long n = 0;
	bool more;

	(void)state;
	assert_int_equal(desired_parse(&base, ONE, "one.conf", &err), 0);
	whole = conf_to_json(&desired_schema, &base);
	do {
		json_t *json;

		fail_at(n++);
		json = conf_to_json(&desired_schema, &base);
		more = fail_end();
		assert_true(json ? json_equal(json, whole) : more);
		json_decref(json);
	} while (more);
	assert_true(n > 50);
	json_decref(whole);
	desired_clear(&base);
}

/* ---- a switch ---- */

static struct switchd sw;
static char dir[32], path[64];

static int begin(void **state)
{
	struct err err;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	(void)snprintf(dir, sizeof(dir), "/tmp/tvd-memory.XXXXXX");
	if (!mkdtemp(dir) || drop_privileges(NULL) < 0 || switchd_init(&sw, "nowhere") < 0 ||
	    rtnl_open(&sw.rtnl, sw.loop, on_links, NULL) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	sw.port_host.rtnl = sw.rtnl;
	return ctl_server_open(&sw.control, sw.loop, path, control_request, &sw, &err);
}

static int end(void **state)
{
	(void)state;
	switchd_fini(&sw);
	(void)unlink(path);
	return rmdir(dir);
}

/* What is refused is as before, what is not is in force as far as memory went. */
static int load(const char *text, struct err *err)
{
	struct desired next = {.host = NULL};
	int ret = desired_parse(&next, text, "x", err);

	if (ret == 0)
		ret = commit(&sw, &next, err);
	desired_clear(&next);
	return ret;
}

static size_t count(const struct list *head)
{
	size_t n = 0;

	list_for_each (head, it)
		n++;
	return n;
}

static void check_whole(const struct desired *desired)
{
	const struct segment_conf *segments = desired->segments.items;

	assert_int_equal(count(&sw.uplinks), desired->uplinks.count);
	assert_int_equal(count(&sw.segments), desired->segments.count);
	assert_int_equal(count(&sw.ports), desired->ports.count);
	for (size_t i = 0; i < desired->segments.count; i++) {
		const struct segment *segment = switchd_segment(&sw, segments[i].name);

		assert_non_null(segment);
		assert_true(conf_equal(&segment_schema, &segment->conf, &segments[i]));
		assert_int_equal(segment->encap_count, segments[i].encaps.count);
		for (size_t k = 0; k < segment->encap_count; k++)
			assert_true(conf_equal(segment->encaps[k]->encap.ops->schema,
					       segment->encaps[k]->conf,
					       segment_conf_encap(&segments[i], k)));
	}
	for (size_t i = 0; i < desired->ports.count; i++) {
		const struct port_conf *conf = desired_port_at(desired, i);
		const struct port *port = switchd_port(&sw, conf->name);

		assert_non_null(port);
		assert_true(conf_equal(port->ops->schema, port->conf, conf));
		assert_false(port->runtime->astray);
		if (!port->runtime->wildcard && conf->segment)
			assert_ptr_equal(port->untagged.segment,
					 switchd_segment(&sw, conf->segment));
	}
}

static void committing(void **state)
{
	static const char *const texts[] = {ONE, TWO};
	long n = 0, tries = 0;
	bool more;

	(void)state;
	do {
		more = false;
		for (unsigned i = 0; i < 2; i++) {
			struct err err = {""};
			int ret;

			log_set_level(LOG_LEVEL_ERROR);
			fail_at(n);
			ret = load(texts[i], &err);
			more |= fail_end();
			assert_true(ret == 0 || says_so(&err));
			assert_int_equal(load(texts[i], &err), 0);
			check_whole(&sw.desired);
			tries++;
		}
		n++;
	} while (more);
	assert_true(tries > 200);
}

/* Sends one request; the answer is in `answer`, empty if there was none. */
static void ask(const char *request, char *answer, size_t size, long at)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t used = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	fail_at(at);
	for (unsigned i = 0; i < 200; i++) {
		ssize_t n;

		ev_run(sw.loop, EVRUN_NOWAIT);
		n = read(fd, answer + used, size - 1 - used);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		used += n > 0 ? (size_t)n : 0;
		answer[used] = '\0';
		if (strstr(answer, "\"ok\":"))
			break;
	}
	answer[used] = '\0';
	close(fd);
	for (unsigned i = 0; i < 3; i++)
		ev_run(sw.loop, EVRUN_NOWAIT);
}

/* The same answer as with memory, or the word that there was none, or no answer. */
static void answering(void **state)
{
	static const char *const requests[] = {
	    "{\"do\":\"port.show\"}\n",	   "{\"do\":\"port.show\",\"args\":{\"name\":\"a\"}}\n",
	    "{\"do\":\"segment.show\"}\n", "{\"do\":\"encap.show\"}\n",
	    "{\"do\":\"uplink.show\"}\n",  "{\"do\":\"version\"}\n",
	    "{\"do\":\"peer.show\"}\n",	   "{\"do\":\"fdb.show\"}\n",
	    "{\"do\":\"mirror.show\"}\n",
	};
	static char whole[1 << 16], answer[1 << 16];
	struct err err = {""};

	(void)state;
	assert_int_equal(load(ONE, &err), 0);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		unsigned refused = 0;
		long n = 0;
		bool more;

		ask(requests[i], whole, sizeof(whole), -1);
		assert_non_null(strstr(whole, "\"ok\":true"));
		do {
			ask(requests[i], answer, sizeof(answer), n++);
			more = fail_end();
			if (strcmp(answer, whole) == 0)
				continue;
			refused++;
			assert_true(more);
			if (answer[0] &&
			    !strstr(answer, "\"ok\":false,\"error\":\"out of memory\""))
				fail_msg("allocation %ld of %s: %s", n, requests[i], answer);
		} while (more);
		assert_true(refused > 0);
	}
}

/* What is refused changed nothing; what is not is done. */
static void changing(void **state)
{
	static const char add[] = "{\"do\":\"port.add\",\"args\":{\"name\":\"x\",\"type\":\"tap\","
				  "\"segment\":\"s\",\"netns\":\"tvd-none-x\",\"mtu\":1400,"
				  "\"macs\":\"02:00:00:00:00:09\"}}\n";
	static const char set[] = "{\"do\":\"port.set\",\"args\":{\"name\":\"x\",\"segment\":\"t\","
				  "\"mtu\":\"1300\"}}\n";
	static const char del[] = "{\"do\":\"port.del\",\"args\":{\"name\":\"x\"}}\n";
	static const char *const requests[] = {add, set, del};
	static char answer[1 << 16];
	struct err err = {""};
	unsigned refused = 0;

	(void)state;
	assert_int_equal(load(ONE, &err), 0);
	for (size_t i = 0; i < 3; i++) {
		long n = 0;
		bool more = true;

		while (more) {
			ask(requests[i], answer, sizeof(answer), n++);
			more = fail_end();
			if (strstr(answer, "\"ok\":true"))
				break;
			refused++;
			if (!more || (answer[0] && !strstr(answer, "out of memory")))
				fail_msg("allocation %ld of %s: %s", n, requests[i], answer);
		}
	}
	assert_true(refused > 100);
	assert_null(switchd_port(&sw, "x"));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reading_a_configuration),
	    cmocka_unit_test(copying_and_changing_one),
	    cmocka_unit_test(one_as_json),
	    CASE(committing),
	    CASE(answering),
	    CASE(changing),
	};

	json_memory_watch();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
