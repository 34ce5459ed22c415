// SPDX-License-Identifier: BSD-2-Clause
//
// Random packets through controlled flows and through a naive model of them: what takes a
// lookup decides as what looks through everything. TVD_PACKETS says how many packets; the
// default is what every run can afford.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those four first
#include <cmocka.h>

#include "test/unit/decide_model.h"

#define PACKETS 1000000u

static void table_and_model_agree(void **state)
{
	const char *wish = getenv("TVD_PACKETS");
	uint64_t left = wish ? strtoull(wish, NULL, 10) : PACKETS, fast = 0, seed = 1, all = left;

	(void)state;
	/* Some at a time, so that a difference can be found again by its seed. */
	while (left > 0) {
		const uint64_t some = left < 10000 ? left : 10000;

		fast += model_run(NULL, 0, some, seed++);
		left -= some;
	}
	/* Enough of each. */
	assert_true(fast > all / 50);
	print_message("%llu packets, %llu of connections\n", (unsigned long long)all,
		      (unsigned long long)fast);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table_and_model_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
