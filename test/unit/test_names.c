/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/names.h"
#include "test/unit/craft.h"

static int objects[5000];

static void names_are_found_until_they_are_taken_out(void **state)
{
	struct names *names = names_create();

	(void)state;
	assert_non_null(names);
	assert_null(names_find(names, "a"));
	assert_null(names_del(names, "a"));
	assert_int_equal(names_add(names, "a", &objects[0]), 0);
	assert_int_equal(names_add(names, "ab", &objects[1]), 0);
	assert_int_equal(names_add(names, "", &objects[2]), 0);
	assert_int_equal(names_add(names, "a", &objects[3]), -EEXIST);
	assert_ptr_equal(names_find(names, "a"), &objects[0]);
	assert_ptr_equal(names_find(names, "ab"), &objects[1]);
	assert_ptr_equal(names_find(names, ""), &objects[2]);
	assert_null(names_find(names, "A"));
	assert_ptr_equal(names_del(names, "a"), &objects[0]);
	assert_null(names_find(names, "a"));
	assert_ptr_equal(names_find(names, "ab"), &objects[1]);
	assert_int_equal(names_add(names, "a", &objects[3]), 0);
	assert_ptr_equal(names_find(names, "a"), &objects[3]);
	names_destroy(names);
	names_destroy(NULL);
}

static void the_name_is_copied(void **state)
{
	struct names *names = names_create();
	char name[] = "one";

	(void)state;
	assert_int_equal(names_add(names, name, &objects[1]), 0);
	memcpy(name, "two", sizeof(name));
	assert_ptr_equal(names_find(names, "one"), &objects[1]);
	assert_null(names_find(names, "two"));
	names_destroy(names);
}

/* More than the first buckets hold, against an array of what is there. */
static void random_names_agree_with_an_array(void **state)
{
	static bool there[5000];
	struct names *names = names_create();
	uint64_t rnd = 1;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		unsigned n = craft_below(&rnd, 5000);
		char name[16];

		(void)snprintf(name, sizeof(name), "port-%u", n);
		assert_ptr_equal(names_find(names, name), there[n] ? &objects[n] : NULL);
		if (craft_below(&rnd, 3)) {
			assert_int_equal(names_add(names, name, &objects[n]),
					 there[n] ? -EEXIST : 0);
			there[n] = true;
		} else {
			assert_ptr_equal(names_del(names, name), there[n] ? &objects[n] : NULL);
			there[n] = false;
		}
	}
	names_destroy(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_found_until_they_are_taken_out),
	    cmocka_unit_test(the_name_is_copied),
	    cmocka_unit_test(random_names_agree_with_an_array),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
