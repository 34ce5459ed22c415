/* SPDX-License-Identifier: BSD-2-Clause */
/* Who captures, read from a list of packet sockets as the kernel writes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "encap/encap.h"
#include "encap/socket.h"
#include "switchd/taps.h"

#define HEADING			  "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"
#define LINE(proto, iface, inode) LINE_OF("3", proto, iface, inode)
#define LINE_OF(type, proto, iface, inode)                                                         \
	"0000000000000000 3      " type "    " proto "   " iface "     1 0      0      " inode "\n"

static bool in(const char *text, unsigned ifindex, const struct encap_host *host)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	bool tapped;

	assert_non_null(file);
	tapped = taps_in(file, host, ifindex);
	(void)fclose(file);
	return tapped;
}

static void lists(void **state)
{
	static const struct {
		const char *text;
		bool tapped;
	} cases[] = {
	    {HEADING, false},
	    {HEADING LINE("0003", "7", "100"), true},
	    {HEADING LINE("0003", "8", "100"), false},
	    {HEADING LINE("0003", "0", "100"), true}, /* on all interfaces */
	    {HEADING LINE("0800", "7", "100"), false},
	    {HEADING LINE_OF("2", "0003", "7", "100"), false}, /* a receive ring */
	    {HEADING LINE_OF("2", "0003", "0", "100"), true},
	    {HEADING LINE("888e", "7", "100") LINE("0003", "7", "101"), true},
	    {HEADING "what this is\n\n" LINE("0003", "7", "9"), true},
	    {HEADING "0003 7\n", false},
	};
	struct encap_host host;

	(void)state;
	memset(&host, 0, sizeof(host));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(in(cases[i].text, 7, &host), cases[i].tapped);
}

/* Our own sockets are no captures, as long as they are ours. */
static void own_sockets(void **state)
{
	struct socket_own a = {.inode = 0}, b = {.inode = 0};
	struct encap_host host;
	char text[256];
	int fd[2];

	(void)state;
	memset(&host, 0, sizeof(host));
	assert_int_equal(pipe(fd), 0);
	socket_own(&host, &a, fd[0]);
	socket_own(&host, &b, fd[1]);
	assert_true(socket_is_own(&host, a.inode));
	assert_false(socket_is_own(&host, a.inode + 100000));
	(void)snprintf(text, sizeof(text), HEADING LINE("0003", "7", "%llu"),
		       (unsigned long long)a.inode);
	assert_false(in(text, 7, &host));
	socket_disown(&a);
	socket_disown(&a);
	close(fd[0]);
	/* Both ends of a pipe have one inode: the other still has it. */
	assert_false(in(text, 7, &host));
	socket_disown(&b);
	close(fd[1]);
	assert_true(in(text, 7, &host));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists),
	    cmocka_unit_test(own_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
