/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control channel: server and clients in one process and one loop. The
 * server's file is included, so that its patience can be short and its queues
 * can be looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned idle_ms, stall_ms, spare_ms; /* each test's own patience */
#define CTL_IDLE_MS  idle_ms
#define CTL_STALL_MS stall_ms
#define CTL_SPARE_MS spare_ms
#include "lib/ctl_server.c" /* NOLINT(bugprone-suspicious-include) */

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

static struct ev_loop *loop;
static struct ctl_server *server;
static char dir[32], path[64];
static unsigned done_calls, hangup_calls;

/* ---- what the server does in these tests ---- */

struct counting {
	unsigned next, end;
};

static bool count_next(void *state, struct ctl_conn *conn)
{
	struct counting *counting = state;

	for (int i = 0; i < 100 && counting->next < counting->end; i++)
		ctl_item(conn, json_pack("{s:i, s:s}", "n", (int)counting->next++, "text",
					 "some text that makes an item as long as a usual one"));
	return counting->next < counting->end;
}

static bool fail_next(void *state, struct ctl_conn *conn)
{
	(void)state;
	ctl_fail(conn, "it went away");
	return false;
}

static void count_done(void *state)
{
	done_calls++;
	free(state);
}

static void on_hangup(void *arg)
{
	assert_ptr_equal(arg, &hangup_calls);
	hangup_calls++;
}

static void handle(void *arg, struct ctl_conn *conn, const char *command, json_t *args, int *fd)
{
	assert_ptr_equal(arg, &server);
	assert_int_equal(ctl_conn_pid(conn), getpid());
	if (strcmp(command, "echo") == 0) {
		ctl_ok(conn, json_incref(args));
	} else if (strcmp(command, "items") == 0) {
		ctl_item(conn, json_pack("{s:i}", "n", 1));
		ctl_item(conn, json_pack("{s:i}", "n", 2));
		ctl_ok(conn, NULL);
	} else if (strcmp(command, "count") == 0) {
		struct counting *counting = calloc(1, sizeof(*counting));

		counting->end = (unsigned)json_integer_value(json_object_get(args, "to"));
		ctl_generate(conn, count_next, count_done, counting);
	} else if (strcmp(command, "vanish") == 0) {
		ctl_generate(conn, fail_next, NULL, NULL);
	} else if (strcmp(command, "subscribe") == 0) {
		ctl_subscribe(conn);
	} else if (strcmp(command, "hold") == 0) {
		ctl_on_hangup(conn, on_hangup, &hangup_calls);
		ctl_ok(conn, NULL);
	} else if (strcmp(command, "hold-fail") == 0) {
		ctl_on_hangup(conn, on_hangup, &hangup_calls);
		ctl_fail(conn, "no");
	} else if (strcmp(command, "fd") == 0) {
		if (*fd >= 0)
			assert_int_equal(write(*fd, "hello", 5), 5);
		ctl_ok(conn, json_boolean(*fd >= 0));
	} else if (strcmp(command, "take-fd") == 0) {
		(void)close(*fd);
		*fd = -1;
		ctl_ok(conn, NULL);
	} else if (strcmp(command, "bad-utf8") == 0) {
		ctl_fail(conn, "no \xff\xfe here");
	} else if (strcmp(command, "twice") == 0) {
		ctl_ok(conn, NULL);
		ctl_fail(conn, "this is not sent");
	} else if (strcmp(command, "nothing") != 0) {
		ctl_fail(conn, "unknown command '%s'", command);
	}
}

/* ---- helpers ---- */

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

static void turn(unsigned times)
{
	while (times--)
		(void)ev_run(loop, EVRUN_NOWAIT);
}

static int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			turn(1);
			continue;
		}
		text += n;
		len -= (size_t)n;
	}
}

/* The next line, or NULL at the end; the loop runs meanwhile. */
static const char *hear(int fd)
{
	static char line[8192];
	ev_tstamp until = ev_time() + 5;
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_true(ev_time() < until);
			turn(1);
			continue;
		}
		if (line[len] == '\n') {
			line[len] = '\0';
			return line;
		}
		len++;
		assert_true(len < sizeof(line));
	}
}

#define assert_hears(fd, expected)                                                                 \
	do {                                                                                       \
		const char *heard_ = hear(fd);                                                     \
                                                                                                   \
		assert_non_null(heard_);                                                           \
		assert_string_equal(heard_, expected);                                             \
	} while (0)

#define assert_hears_part(fd, part)                                                                \
	do {                                                                                       \
		const char *heard_ = hear(fd);                                                     \
                                                                                                   \
		assert_non_null(heard_);                                                           \
		if (!strstr(heard_, part))                                                         \
			fail_msg("'%s' is not in '%s'", part, heard_);                             \
	} while (0)

/* Runs the loop until every connection is gone. */
static void drain(void)
{
	ev_tstamp until = ev_time() + 5;

	while (ctl_server_counters(server).connections) {
		assert_true(ev_time() < until);
		turn(1);
	}
}

static int start(void **state)
{
	struct err err;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	(void)snprintf(dir, sizeof(dir), "/tmp/test_ctl.XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	loop = ev_loop_new(EVFLAG_AUTO);
	done_calls = hangup_calls = 0;
	idle_ms = stall_ms = spare_ms = 60000;
	assert_int_equal(ctl_server_open(&server, loop, path, handle, &server, &err), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	ctl_server_close(server);
	assert_int_equal(access(path, F_OK), -1);
	ev_loop_destroy(loop);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* ---- requests ---- */

static void answers(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"do\":\"echo\",\"args\":{\"a\":[1,\"x\\n\"]}}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{\"a\":[1,\"x\\n\"]}}");
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	say(fd, "{\"do\":\"items\"}\r\n");
	assert_hears(fd, "{\"item\":{\"n\":1}}");
	assert_hears(fd, "{\"item\":{\"n\":2}}");
	assert_hears(fd, "{\"ok\":true}");
	say(fd, "{\"do\":\"nonsense\"}\n");
	assert_hears(fd, "{\"ok\":false,\"error\":\"unknown command 'nonsense'\"}");
	say(fd, "{\"do\":\"vanish\"}\n");
	assert_hears(fd, "{\"ok\":false,\"error\":\"it went away\"}");
	say(fd, "{\"do\":\"bad-utf8\"}\n");
	assert_hears(fd, "{\"ok\":false,\"error\":\"no ?? here\"}");
	assert_int_equal(ctl_server_counters(server).bad_requests, 0);
	assert_int_equal(ctl_server_counters(server).requests, 6);
	(void)close(fd);
	drain();
}

/* A handler's mistakes are logged and do not upset the client's count of answers. */
static void handler_mistakes(void **state)
{
	int fd = dial();
	int log = dup(STDERR_FILENO);

	(void)state;
	(void)!freopen("/dev/null", "w", stderr);
	say(fd, "{\"do\":\"twice\"}\n");
	assert_hears(fd, "{\"ok\":true}");
	say(fd, "{\"do\":\"nothing\"}\n");
	assert_hears_part(fd, "internal error");
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	(void)dup2(log, STDERR_FILENO);
	(void)close(log);
	(void)close(fd);
	drain();
}

static void pipelined(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"do\":\"count\",\"args\":{\"to\":3}}\n{\"do\":\"items\"}\n{\"do\":\"echo\"}\n");
	(void)shutdown(fd, SHUT_WR);
	for (int i = 0; i < 3; i++)
		assert_hears_part(fd, "{\"item\":{\"n\":");
	assert_hears(fd, "{\"ok\":true}");
	assert_hears(fd, "{\"item\":{\"n\":1}}");
	assert_hears(fd, "{\"item\":{\"n\":2}}");
	assert_hears(fd, "{\"ok\":true}");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	assert_null(hear(fd));
	(void)close(fd);
	drain();
}

/* Cut at every byte, a request means the same. */
static void split(void **state)
{
	static const char request[] = "{\"do\":\"echo\",\"args\":{\"k\":\"v\"}}\n";
	int fd = dial();

	(void)state;
	for (size_t cut = 0; cut < sizeof(request) - 1; cut++) {
		assert_int_equal(send(fd, request, cut, 0), cut);
		turn(3);
		say(fd, request + cut);
		assert_hears(fd, "{\"ok\":true,\"result\":{\"k\":\"v\"}}");
	}
	for (const char *c = request; *c; c++) {
		assert_int_equal(send(fd, c, 1, 0), 1);
		turn(2);
	}
	assert_hears(fd, "{\"ok\":true,\"result\":{\"k\":\"v\"}}");
	(void)close(fd);
	drain();
}

static void malformed(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
	    {"\n", "not JSON"},
	    {"hello\n", "not JSON"},
	    {"{\"do\":\"echo\"\n", "not JSON"},
	    {"{\"do\":\"echo\"} x\n", "not JSON"},
	    {"{\"do\":\"echo\",\"do\":\"echo\"}\n", "not JSON"},
	    {"{\"do\":\"\\ud800\"}\n", "not JSON"},
	    {"{\"do\":\"\xff\"}\n", "not JSON"},
	    {"{\"do\":\"a\\u0000b\"}\n", "not JSON"},
	    {"[]\n", "not a JSON object"},
	    {"\"do\"\n", "not JSON"},
	    {"{}\n", "no \\\"do\\\""},
	    {"{\"do\":7}\n", "no \\\"do\\\""},
	    {"{\"args\":{}}\n", "no \\\"do\\\""},
	    {"{\"do\":\"echo\",\"args\":[]}\n", "not an object"},
	    {"{\"do\":\"echo\",\"args\":null}\n", "not an object"},
	    {"{\"do\":\"echo\",\"arg\":{}}\n", "key other than"},
	};
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(fd, cases[i].line);
		assert_hears_part(fd, cases[i].why);
		assert_int_equal(ctl_server_counters(server).bad_requests, i + 1);
	}
	/* The connection is still good. */
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	(void)close(fd);
	drain();
}

static void nested(void **state)
{
	char *line = malloc(CTL_REQUEST_MAX + 1);
	int fd = dial();

	(void)state;
	memset(line, '[', CTL_REQUEST_MAX - 1);
	line[CTL_REQUEST_MAX - 1] = '\n';
	line[CTL_REQUEST_MAX] = '\0';
	say(fd, line);
	assert_hears_part(fd, "depth");
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	(void)close(fd);
	free(line);
	drain();
}

/* The longest request is served; one byte more is refused, whole or not. */
static void oversized(void **state)
{
	static const char head[] = "{\"do\":\"unknown\",\"args\":{\"k\":\"", tail[] = "\"}}";
	char *line = malloc(CTL_REQUEST_MAX + 2);
	size_t k = CTL_REQUEST_MAX - strlen(head) - strlen(tail);
	int fd = dial();

	(void)state;
	memset(line, 'x', CTL_REQUEST_MAX);
	memcpy(line, head, strlen(head));
	memcpy(line + strlen(head) + k, tail, sizeof(tail));
	say(fd, line);
	say(fd, "\n");
	assert_hears_part(fd, "unknown command");
	say(fd, line);
	say(fd, " \n");
	assert_hears_part(fd, "longer than 262144 bytes");
	assert_null(hear(fd));
	(void)close(fd);
	fd = dial();
	say(fd, line);
	say(fd, " ");
	assert_hears_part(fd, "longer than 262144 bytes");
	assert_null(hear(fd));
	assert_int_equal(ctl_server_counters(server).bad_requests, 2);
	(void)close(fd);
	free(line);
	drain();
}

static void truncated(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"do\":\"ec");
	(void)shutdown(fd, SHUT_WR);
	assert_hears_part(fd, "without a newline");
	assert_null(hear(fd));
	(void)close(fd);
	fd = dial();
	say(fd, "{\"do\":\"ec");
	(void)close(fd);
	turn(3);
	drain();
	assert_int_equal(ctl_server_counters(server).bad_requests, 2);
}

/* ---- clients that do not read ---- */

static struct ctl_conn *only_conn(void)
{
	assert_int_equal(server->counters.connections, 1);
	return container_of(server->conns.next, struct ctl_conn, by_server);
}

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
		ctl_publish(server, json_pack("{s:s, s:i}", "event", "n", "n", (int)published++));
		if (published % 64 == 0)
			turn(1);
	}
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

/* ---- the socket, and the client's functions ---- */

static void the_socket(void **state)
{
	struct ctl_server *second = NULL;
	struct stat st;
	struct err err;
	char longer[200], plain[160];
	int leftover;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	/* One that answers is not replaced; something else than a socket neither. */
	assert_int_equal(ctl_server_open(&second, loop, path, handle, NULL, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "in use"));
	(void)snprintf(plain, sizeof(plain), "%s/plain", dir);
	(void)close(open(plain, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(ctl_server_open(&second, loop, plain, handle, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.text, "not a socket"));
	(void)unlink(plain);
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(ctl_server_open(&second, loop, longer, handle, NULL, &err), -ENAMETOOLONG);
	assert_int_equal(ctl_server_open(&second, loop, "", handle, NULL, &err), -ENAMETOOLONG);
	assert_int_equal(ctl_server_open(&second, loop, "/nonexistent/x", handle, NULL, &err),
			 -ENOENT);
	assert_null(second);
	/* A leftover is. */
	ctl_server_close(server);
	leftover = socket(AF_UNIX, SOCK_STREAM, 0);
	{
		struct sockaddr_un addr = {.sun_family = AF_UNIX};

		(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
		assert_int_equal(bind(leftover, (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
	(void)close(leftover);
	assert_int_equal(ctl_server_open(&server, loop, path, handle, &server, &err), 0);
	ctl_server_close(NULL);
}

static void client(void **state)
{
	struct ctl_client *client = NULL;
	json_t *line;
	struct err err;
	int pipes[2];
	char *big;

	(void)state;
	assert_int_equal(ctl_client_open(&client, "/nonexistent/x", &err), -ENOENT);
	assert_int_equal(ctl_client_open(&client, "", &err), -ENAMETOOLONG);
	assert_int_equal(ctl_client_open(&client, path, &err), 0);
	assert_int_equal(ctl_client_send(client, "echo", json_pack("{s:s}", "a", "b"), -1, &err),
			 0);
	turn(10);
	line = ctl_client_read(client, &err);
	assert_non_null(line);
	assert_true(json_is_true(json_object_get(line, "ok")));
	json_decref(line);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(ctl_client_send(client, "fd", NULL, pipes[1], &err), 0);
	idle_ms = 100;
	turn(10);
	line = ctl_client_read(client, &err);
	assert_true(json_is_true(json_object_get(line, "result")));
	json_decref(line);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	big = calloc(1, CTL_REQUEST_MAX + 1);
	memset(big, 'x', CTL_REQUEST_MAX);
	assert_int_equal(ctl_client_send(client, "echo", json_pack("{s:s}", "a", big), -1, &err),
			 -EMSGSIZE);
	free(big);
	/* The server's last line is read even when sending has failed by then. */
	while (server->counters.connections)
		turn(1);
	assert_int_equal(ctl_client_send(client, "echo", NULL, -1, &err), 0);
	line = ctl_client_read(client, &err);
	assert_non_null(strstr(json_string_value(json_object_get(line, "error")), "silent"));
	json_decref(line);
	assert_null(ctl_client_read(client, &err));
	assert_string_equal(err.text, "");
	ctl_client_close(client);
	ctl_client_close(NULL);
}

/* The server goes while everything is under way. */
static void close_amidst(void **state)
{
	int count = dial(), half = dial(), hold = dial(), sub = dial();
	struct err err;

	(void)state;
	say(count, "{\"do\":\"count\",\"args\":{\"to\":100000}}\n");
	say(half, "{\"do\":");
	say(hold, "{\"do\":\"hold\"}\n");
	say(sub, "{\"do\":\"subscribe\"}\n");
	turn(30);
	ctl_server_close(server);
	assert_int_equal(done_calls, 1);
	assert_int_equal(hangup_calls, 1);
	assert_hears(sub, "{\"ok\":true,\"stream\":true}");
	assert_null(hear(sub));
	(void)close(count);
	(void)close(half);
	(void)close(hold);
	(void)close(sub);
	assert_int_equal(ctl_server_open(&server, loop, path, handle, &server, &err), 0);
}

/* Random bytes that are almost requests, in random pieces. */
static void noise(void **state)
{
	static const char letters[] = "{}[]\",:\n\\ doargsecho\"do\":\"echo\"";
	unsigned seed = 1;
	int fd = dial();
	char text[64], sink[4096];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)(rand_r(&seed) % (int)sizeof(text));

		for (size_t k = 0; k < n; k++)
			text[k] = letters[rand_r(&seed) % (int)(sizeof(letters) - 1)];
		if (send(fd, text, n, MSG_NOSIGNAL) < 0 && errno == EPIPE) {
			(void)close(fd);
			fd = dial();
		}
		turn(1);
		while (recv(fd, sink, sizeof(sink), 0) > 0)
			;
	}
	assert_true(ctl_server_counters(server).bad_requests > 1000);
	(void)close(fd);
	drain();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(answers),
	    TEST(handler_mistakes),
	    TEST(pipelined),
	    TEST(split),
	    TEST(malformed),
	    TEST(nested),
	    TEST(oversized),
	    TEST(truncated),
	    TEST(generator),
	    TEST(events),
	    TEST(subscriber_limits),
	    TEST(hangup),
	    TEST(silence),
	    TEST(crowd),
	    TEST(crowd_of_subscribers),
	    TEST(no_descriptors),
	    TEST(descriptors),
	    TEST(the_socket),
	    TEST(client),
	    TEST(close_amidst),
	    TEST(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
