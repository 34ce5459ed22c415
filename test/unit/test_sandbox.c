/* SPDX-License-Identifier: BSD-2-Clause */
/* In the sandbox, each in a process of its own: what goes on, and what ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "switchd/sandbox.h"

#define FINE	     10
#define NOT_AS_MEANT 11

/* How a child ends that does this in the sandbox: its status, or minus a signal. */
static int outcome(void (*act)(void))
{
	struct err err;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &none);
		if (sandbox_enter(&err) < 0)
			_exit(NOT_AS_MEANT);
		act();
		_exit(FINE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void expect(int ok)
{
	if (!ok)
		_exit(NOT_AS_MEANT);
}

static int compare(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

static void ordinary(void)
{
	unsigned char *bytes = malloc(1 << 20);
	int fd;

	expect(bytes != NULL);
	memset(bytes, 7, 1 << 20);
	qsort(bytes, 4000, 1, compare); /* more than glibc sorts in place */
	free(bytes);
	for (unsigned i = 0; i < 3; i++) {
		static const int families[] = {AF_INET, AF_INET6, AF_UNIX};

		fd = socket(families[i], SOCK_DGRAM, 0);
		expect(fd >= 0 || families[i] == AF_INET6);
		if (fd >= 0)
			close(fd);
	}
	fd = socket(AF_NETLINK, SOCK_RAW, 0);
	expect(fd >= 0);
	close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	expect(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
}

static void failed_assertion(void)
{
	abort();
}

static void other_family(void)
{
	(void)socket(AF_BLUETOOTH, SOCK_RAW, 0);
}

static void create_file(void)
{
	(void)open("/tmp/test_sandbox", O_WRONLY | O_CREAT, 0600);
}

static void create_nameless_file(void)
{
	(void)open("/tmp", O_WRONLY | O_TMPFILE, 0600);
}

static void truncate_file(void)
{
	(void)open("/dev/null", O_WRONLY | O_TRUNC);
}

static void change_user(void)
{
	(void)!setresuid(0, 0, 0);
}

static void change_root(void)
{
	(void)!chroot("/");
}

static void test_ordinary(void **state)
{
	(void)state;
	assert_int_equal(outcome(ordinary), FINE);
	assert_int_equal(outcome(failed_assertion), -SIGABRT);
}

static void test_killed(void **state)
{
	(void)state;
	assert_int_equal(outcome(other_family), -SIGSYS);
	assert_int_equal(outcome(create_file), -SIGSYS);
	assert_int_equal(outcome(create_nameless_file), -SIGSYS);
	assert_int_equal(outcome(truncate_file), -SIGSYS);
	assert_int_equal(outcome(change_user), -SIGSYS);
	assert_int_equal(outcome(change_root), -SIGSYS);
}

#ifndef TVD_SANITIZE /* whose run time does these */

static void execute(void)
{
	char *const none[] = {NULL};

	(void)execve("/bin/true", none, none);
}

static void new_process(void)
{
	(void)fork();
}

static void make_code(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
}

static void signal_somebody(void)
{
	(void)kill(getpid(), 0);
}

static void test_killed_but_for_sanitizers(void **state)
{
	(void)state;
	assert_int_equal(outcome(execute), -SIGSYS);
	assert_int_equal(outcome(new_process), -SIGSYS);
	assert_int_equal(outcome(make_code), -SIGSYS);
	assert_int_equal(outcome(signal_somebody), -SIGSYS);
}

#endif

/* Each once, and no more than promised. */
static void test_list(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sandbox_call_count; i++)
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(sandbox_calls[i], sandbox_calls[k]);
#ifndef TVD_SANITIZE
	assert_in_range(sandbox_call_count, 1, SANDBOX_CALLS_MAX);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ordinary),
	    cmocka_unit_test(test_killed),
#ifndef TVD_SANITIZE
	    cmocka_unit_test(test_killed_but_for_sanitizers),
#endif
	    cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
