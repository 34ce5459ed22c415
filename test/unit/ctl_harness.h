/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of the control channel share: server and clients in one process and
 * one loop. The server's file is included, so that its patience can be short and
 * its queues can be looked at.
 */
#ifndef TVD_CTL_HARNESS_H
#define TVD_CTL_HARNESS_H

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

#include <fcntl.h>

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

#endif
