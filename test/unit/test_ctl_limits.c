/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control channel's limits: who does not read, is silent, comes in crowds, or
 * passes descriptors.
 */
#include "test/unit/ctl_harness.h"

#include <dirent.h>
#include <sys/resource.h>

static unsigned open_files(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(fds);
	while (readdir(fds))
		n++;
	(void)closedir(fds);
	return n;
}

static struct ctl_conn *only_conn(void)
{
	assert_int_equal(server->counters.connections, 1);
	return container_of(server->conns.next, struct ctl_conn, by_server);
}

/* ---- clients that do not read ---- */

static void generator(void **state)
{
	static const char request[] = "{\"do\":\"count\",\"args\":{\"to\":50000}}\n";
	char part[32];
	int fd = dial();

	(void)state;
	say(fd, request);
	turn(200);
	assert_non_null(only_conn()->next);
	assert_true(ctl_buffer_len(&only_conn()->out) < GENERATE_BELOW + 100 * 256);
	for (int i = 0; i < 50000; i++) {
		(void)snprintf(part, sizeof(part), "{\"item\":{\"n\":%d,", i);
		assert_hears_part(fd, part);
	}
	assert_hears(fd, "{\"ok\":true}");
	assert_int_equal(done_calls, 1);
	/* What the queue grew to is given back. */
	assert_true(only_conn()->out.cap <= 64 * 1024);
	/* A client that leaves in the middle frees the generator. */
	say(fd, request);
	turn(50);
	(void)close(fd);
	drain();
	assert_int_equal(done_calls, 2);
	/* And one that stays without reading is cut. */
	stall_ms = 250;
	fd = dial();
	say(fd, request);
	turn(50);
	assert_int_equal(server->counters.connections, 1);
	drain();
	assert_int_equal(done_calls, 3);
	assert_int_equal(ctl_server_counters(server).timeouts, 1);
	(void)close(fd);
}

static void events(void **state)
{
	unsigned published = 0, heard = 0, lost = 0;
	int fd = dial(), other = dial();

	(void)state;
	assert_false(ctl_has_subscribers(server));
	assert_false(ctl_has_subscribers(NULL));
	assert_false(ctl_event_wanted(server));
	assert_false(ctl_event_wanted(NULL));
	ctl_publish(server, json_pack("{s:s}", "event", "nobody listens"));
	say(fd, "{\"do\":\"subscribe\"}\n");
	assert_hears(fd, "{\"ok\":true,\"stream\":true}");
	say(other, "{\"do\":\"echo\"}\n");
	assert_hears(other, "{\"ok\":true,\"result\":{}}");
	assert_true(ctl_has_subscribers(server));
	ctl_publish(server, json_pack("{s:s}", "event", "first"));
	assert_hears(fd, "{\"event\":{\"event\":\"first\"}}");
	say(other, "{\"do\":\"echo\"}\n"); /* nobody else hears it */
	assert_hears(other, "{\"ok\":true,\"result\":{}}");
	while (ctl_server_counters(server).events_lost < 1000) {
		if (ctl_event_wanted(server))
			ctl_publish(server,
				    json_pack("{s:s, s:i}", "event", "n", "n", (int)published));
		published++;
		if (published % 64 == 0)
			turn(1);
	}
	assert_false(ctl_event_wanted(server)); /* nobody has room: it need not be made */
	published++;
	while (heard + lost < published) {
		json_t *line = json_loads(hear(fd), 0, NULL);
		json_t *event = json_object_get(line, "event");

		if (strcmp(json_string_value(json_object_get(event, "event")), "lost") == 0)
			lost += (unsigned)json_integer_value(json_object_get(event, "count"));
		else
			heard++;
		json_decref(line);
	}
	assert_int_equal(heard + lost, published);
	assert_int_equal(lost, ctl_server_counters(server).events_lost);
	assert_true(ctl_event_wanted(server));
	ctl_publish(server, json_pack("{s:s}", "event", "last"));
	assert_hears(fd, "{\"event\":{\"event\":\"last\"}}");
	(void)close(other);
	(void)close(fd);
	drain();
	assert_false(ctl_has_subscribers(server));
}

/* A subscriber may be silent for ever, must not ask again, and must read. */
static void subscriber_limits(void **state)
{
	ev_tstamp until;
	int fd = dial();

	(void)state;
	idle_ms = 50;
	say(fd, "{\"do\":\"subscribe\"}\n");
	assert_hears(fd, "{\"ok\":true,\"stream\":true}");
	until = ev_time() + 2 * CTL_IDLE_MS / 1000.;
	while (ev_time() < until)
		turn(1);
	assert_int_equal(server->counters.connections, 1);
	say(fd, "{\"do\":\"echo\"}\n");
	assert_null(hear(fd));
	(void)close(fd);
	drain();
	fd = dial();
	say(fd, "{\"do\":\"subscribe\"}\n");
	assert_hears(fd, "{\"ok\":true,\"stream\":true}");
	stall_ms = 250;
	while (ctl_server_counters(server).events_lost == 0)
		ctl_publish(server, json_pack("{s:s}", "event", "n"));
	drain();
	assert_int_equal(ctl_server_counters(server).timeouts, 1);
	(void)close(fd);
}

static void hangup(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"do\":\"hold-fail\"}\n");
	assert_hears(fd, "{\"ok\":false,\"error\":\"no\"}");
	(void)close(fd);
	drain();
	assert_int_equal(hangup_calls, 0);
	fd = dial();
	say(fd, "{\"do\":\"hold\"}\n");
	assert_hears(fd, "{\"ok\":true}");
	turn(10);
	assert_int_equal(hangup_calls, 0);
	(void)close(fd);
	drain();
	assert_int_equal(hangup_calls, 1);
	/* Taken back: an ordinary connection again, with an ordinary end. */
	fd = dial();
	say(fd, "{\"do\":\"hold\"}\n");
	assert_hears(fd, "{\"ok\":true}");
	idle_ms = 250;
	ctl_on_hangup(only_conn(), NULL, NULL);
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	assert_hears_part(fd, "silent");
	assert_null(hear(fd));
	(void)close(fd);
	drain();
	assert_int_equal(hangup_calls, 1);
}

/* ---- time and number ---- */

static void silence(void **state)
{
	ev_tstamp begin;
	int fd = dial(), half = dial();

	(void)state;
	idle_ms = 150;
	turn(2);
	begin = ev_time();
	/* A byte now and then does not lengthen the time for a request. */
	while (ctl_server_counters(server).timeouts < 2) {
		(void)send(half, " ", 1, MSG_NOSIGNAL);
		turn(1);
		assert_true(ev_time() < begin + 5);
	}
	assert_hears_part(fd, "silent");
	assert_hears_part(half, "in time");
	assert_null(hear(fd));
	assert_true(ev_time() >= begin + CTL_IDLE_MS / 1000. * 0.8);
	(void)close(fd);
	(void)close(half);
	drain();
}

static void crowd(void **state)
{
	enum { CROWD = 1000 };
	struct rlimit limit;
	unsigned before = open_files();
	struct ctl_server_counters counters;
	static int fds[CROWD];
	int refused = 0;
	char c;

	(void)state;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 2 * CROWD) {
		limit.rlim_cur = limit.rlim_max < 2 * CROWD ? limit.rlim_max : 2 * CROWD;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < 2 * CROWD)
		skip();
	for (int i = 0; i < CROWD; i++) {
		fds[i] = dial();
		turn(1);
	}
	turn(20);
	counters = ctl_server_counters(server);
	assert_int_equal(counters.connections, CTL_CONNECTIONS_MAX);
	for (int i = 0; i < CROWD; i++)
		refused += recv(fds[i], &c, 1, 0) > 0;
	assert_int_equal(refused + (int)counters.connections, CROWD);
	assert_int_equal(refused, counters.refused);
	/* Once those that are left have been silent long enough, somebody with a request gets in.
	 */
	spare_ms = 0;
	refused = dial();
	say(refused, "{\"do\":\"echo\"}\n");
	assert_hears(refused, "{\"ok\":true,\"result\":{}}");
	assert_true(ctl_server_counters(server).refused > counters.refused);
	(void)close(refused);
	for (int i = 0; i < CROWD; i++)
		(void)close(fds[i]);
	drain();
	assert_int_equal(open_files(), before);
}

/* Streams and answers keep their place, whoever else wants in. */
static void crowd_of_subscribers(void **state)
{
	int fds[CTL_CONNECTIONS_MAX], more;

	(void)state;
	for (unsigned i = 0; i < CTL_CONNECTIONS_MAX; i++) {
		fds[i] = dial();
		say(fds[i], "{\"do\":\"subscribe\"}\n");
		assert_hears(fds[i], "{\"ok\":true,\"stream\":true}");
	}
	more = dial();
	assert_hears_part(more, "too many connections");
	assert_null(hear(more));
	(void)close(more);
	ctl_publish(server, json_pack("{s:s}", "event", "e"));
	for (unsigned i = 0; i < CTL_CONNECTIONS_MAX; i++) {
		assert_hears(fds[i], "{\"event\":{\"event\":\"e\"}}");
		(void)close(fds[i]);
	}
	drain();
}

static void no_descriptors(void **state)
{
	struct rlimit limit, small;
	int fd = dial(), log = dup(STDERR_FILENO);

	(void)state;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	small = limit;
	(void)!freopen("/dev/null", "w", stderr);
	small.rlim_cur = 3; /* below what is open: no accept can succeed */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	turn(3);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	(void)dup2(log, STDERR_FILENO);
	(void)close(log);
	assert_int_equal(server->counters.connections, 0);
	assert_false(ev_is_active(&server->readable)); /* it waits rather than spins */
	assert_true(ev_is_active(&server->pause));
	ev_invoke(loop, &server->pause, EV_TIMER);
	assert_false(ev_is_active(&server->pause));
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	(void)close(fd);
	drain();
}

/* ---- descriptors ---- */

static void send_descriptors(int fd, const char *text, const int *passed, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 64)];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(cmsg), passed, sizeof(int) * n);
	assert_int_equal(sendmsg(fd, &msg, 0), strlen(text));
}

static void descriptors(void **state)
{
	int fd = dial(), pipes[2], many[64];
	unsigned before;
	char text[8];

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	turn(3);
	before = open_files();
	send_descriptors(fd, "{\"do\":\"fd\"}\n", &pipes[1], 1);
	assert_hears(fd, "{\"ok\":true,\"result\":true}");
	assert_int_equal(read(pipes[0], text, sizeof(text)), 5);
	say(fd, "{\"do\":\"fd\"}\n"); /* it is gone with its request */
	assert_hears(fd, "{\"ok\":true,\"result\":false}");
	send_descriptors(fd, "{\"do\":\"take-fd\"}\n", &pipes[1], 1);
	assert_hears(fd, "{\"ok\":true}");
	assert_int_equal(open_files(), before);
	/* Too many, in one message and in several of one request. */
	for (size_t i = 0; i < 64; i++)
		many[i] = pipes[1];
	send_descriptors(fd, "{\"do\":", many, 64);
	turn(3);
	send_descriptors(fd, "\"f", many, 2);
	turn(3);
	send_descriptors(fd, "d\"}\n", many, 1);
	assert_hears(fd, "{\"ok\":true,\"result\":true}");
	assert_int_equal(open_files(), before);
	/* With half a request, with a bad one, and with one that is never read. */
	send_descriptors(fd, "x\n", many, 3);
	assert_hears_part(fd, "not JSON");
	assert_int_equal(open_files(), before);
	send_descriptors(fd, "x", many, 3);
	turn(3);
	(void)close(fd);
	drain();
	assert_int_equal(open_files(), before - 2);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(generator),   TEST(events), TEST(subscriber_limits),	 TEST(hangup),
	    TEST(silence),     TEST(crowd),  TEST(crowd_of_subscribers), TEST(no_descriptors),
	    TEST(descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
