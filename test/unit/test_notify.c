/* SPDX-License-Identifier: BSD-2-Clause */
/* What a service manager hears at its socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ev.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switchd/notify.h"

static struct ev_loop *loop;
static char path[64], said[1024];
static int manager = -1;

/* '@' for a name that is in no file system. */
static int listen_at(const char *where)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(where);

	memcpy(addr.sun_path, where, len + 1);
	if (where[0] == '@')
		addr.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (manager < 0)
		return -1;
	(void)setenv("NOTIFY_SOCKET", where, 1);
	return bind(manager, (const struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (where[0] == '/')));
}

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR); /* warnings are provoked */
	(void)snprintf(path, sizeof(path), "/tmp/test_notify.%ld", (long)getpid());
	loop = ev_loop_new(EVFLAG_NOENV);
	return loop ? listen_at(path) : -1;
}

static int teardown(void **state)
{
	(void)state;
	notify_close();
	close(manager);
	(void)unlink(path);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	ev_loop_destroy(loop);
	return 0;
}

static const char *heard(void)
{
	ssize_t n = recv(manager, said, sizeof(said) - 1, 0);

	said[n < 0 ? 0 : n] = '\0';
	return said;
}

static void test_states(void **state)
{
	unsigned long long usec, before = clock_ms() * 1000;
	char rest[64];

	(void)state;
	notify_init(loop);
	notify_ready("serving 3 ports");
	assert_string_equal(heard(), "READY=1\nSTATUS=serving 3 ports");
	notify_status("waiting");
	assert_string_equal(heard(), "STATUS=waiting");
	notify_reloading();
	assert_int_equal(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%llu\n%63s", &usec, rest), 2);
	assert_true(usec >= before && usec <= (clock_ms() + 1) * 1000);
	notify_stopping();
	assert_string_equal(heard(), "STOPPING=1\nSTATUS=ending");
	notify_close();
	notify_stopping();
	assert_string_equal(heard(), "");
}

static void test_long_status(void **state)
{
	char status[2000];

	(void)state;
	memset(status, 'x', sizeof(status) - 1);
	status[sizeof(status) - 1] = '\0';
	notify_init(loop);
	notify_ready(status);
	assert_int_equal(strlen(heard()), 511);
}

static void test_abstract(void **state)
{
	char name[64];

	(void)state;
	close(manager);
	(void)snprintf(name, sizeof(name), "@test_notify.%ld", (long)getpid());
	assert_int_equal(listen_at(name), 0);
	notify_init(loop);
	notify_ready("serving");
	assert_string_equal(heard(), "READY=1\nSTATUS=serving");
}

/* For a socket's address, which takes 107 bytes. */
#define TEN_BYTES "/234567890"
#define TOO_LONG                                                                                   \
	TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES  \
	    TEN_BYTES TEN_BYTES

static void test_nobody(void **state)
{
	static const char *const none[] = {"", "relative", "vsock:2:1", "/nonexistent/socket",
					   TOO_LONG};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		(void)setenv("NOTIFY_SOCKET", none[i], 1);
		notify_init(loop);
		notify_ready("serving");
	}
	(void)unsetenv("NOTIFY_SOCKET");
	notify_init(loop);
	notify_ready("serving");
	assert_string_equal(heard(), "");
}

/* A manager that does not read must not stop the switch. */
static void test_full(void **state)
{
	(void)state;
	notify_init(loop);
	for (unsigned i = 0; i < 10000; i++)
		notify_ready("serving");
	assert_string_equal(heard(), "READY=1\nSTATUS=serving");
}

/* Whether a sign of life comes; a loop that waits for nothing returns at once. */
static bool watchdog(const char *usec, const char *pid)
{
	bool fed;

	(void)setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		(void)setenv("WATCHDOG_PID", pid, 1);
	notify_init(loop);
	ev_run(loop, EVRUN_ONCE);
	fed = strcmp(heard(), "WATCHDOG=1") == 0;
	notify_close();
	return fed;
}

static void test_watchdog(void **state)
{
	char pid[32];

	(void)state;
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	assert_true(watchdog("2000", NULL));
	assert_true(watchdog("2000", pid));
	assert_false(watchdog("2000", "1"));
	assert_false(watchdog("2000 ", pid));
	assert_false(watchdog("-1", pid));
	assert_false(watchdog("0", pid));
	assert_false(watchdog("", pid));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_states), TEST(test_long_status), TEST(test_abstract),
	    TEST(test_nobody), TEST(test_full),	       TEST(test_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
