/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gateways whose flow is open one way and controlled the other: answers on the open way are
 * noted where their connection is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switchd/policy/conn.h"
#include "test/unit/gateway_case.h"

#define OPEN_BACK "{ from = \"beta\"; to = \"alpha\"; flow = \"open\"; }"
#define CONTROLLED_BACK                                                                            \
	"{ from = \"beta\"; to = \"alpha\"; flow = \"controlled\"; allow = ( { filter = \"udp "    \
	"dst port 2000\"; "                                                                        \
	"stateful = true; } ); }"

/* In place of the case's flow from beta to alpha. */
static void configure(void)
{
	static const char text[] = GC_CONFIG;
	const char *back = strstr(text, OPEN_BACK);
	struct desired desired;
	char whole[4096];
	struct err err;

	assert_non_null(back);
	memset(&desired, 0, sizeof(desired));
	(void)snprintf(whole, sizeof(whole), "%.*s" CONTROLLED_BACK "%s });", (int)(back - text),
		       text, back + strlen(OPEN_BACK));
	if (desired_parse(&desired, whole, "test", &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(policy_apply(&fx.sw, &desired), 0);
	assert_int_equal(gateways_update(&fx.sw, &desired), 0);
	desired_clear(&fx.sw.desired);
	fx.sw.desired = desired;
}

static enum conn_state state_of_the_one(void)
{
	struct conn_info info[2];
	uint32_t cursor = 0;
	bool end;

	assert_int_equal(conns_list(fx.sw.conns, -1, fx.sw.now, &cursor, info, 2, 1000, &end), 1);
	return (enum conn_state)info[0].state;
}

static void test_answers(void **state)
{
	static const uint8_t ports[4] = {2000 >> 8, 2000 & 0xff, 1000 >> 8, 1000 & 0xff};
	struct frame *frame;

	(void)state;
	gc_open("");
	configure();
	fx_send(port[PB], gc_udp(gateway_mac[B], guest(20), "10.2.0.20", "10.1.0.10", 64, 10));
	fx_send(port[PA], gc_answer(guest(10), "10.1.0.10", router));
	assert_int_equal(port[PA]->log.count, 2); /* the question and the packet */
	assert_int_equal(state_of_the_one(), CONN_NEW);
	frame = gc_udp(gateway_mac[A], guest(10), "10.1.0.10", "10.2.0.20", 64, 10);
	memcpy(frame->data + 34, ports, sizeof(ports));
	fx_send(port[PA], frame);
	fx_send(port[PB], gc_answer(guest(20), "10.2.0.20", router));
	assert_int_equal(port[PB]->log.count, 2);
	assert_int_equal(state_of_the_one(), CONN_REPLIED);
	gc_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
