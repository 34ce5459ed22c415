/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects that are written as text: whatever is in them, jansson reads what was meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "lib/json_text.h"

static void objects(void **state)
{
	struct json_text json;
	json_t *read;

	(void)state;
	json_text_begin(&json);
	assert_true(json_text_end(&json));
	assert_memory_equal(json.text, "{}", json.len);
	json_text_begin(&json);
	json_text_string(&json, "text", "a \"quoted\" \\ one");
	json_text_string(&json, "none", NULL);
	json_text_string(&json, "empty", "");
	json_text_integer(&json, "zero", 0);
	json_text_integer(&json, "most", INT64_MAX);
	json_text_true(&json, "word");
	assert_true(json_text_end(&json));
	read = json_loadb(json.text, json.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(read);
	assert_int_equal(json_object_size(read), 6);
	assert_string_equal(json_string_value(json_object_get(read, "text")),
			    "a \"quoted\" \\ one");
	assert_true(json_is_null(json_object_get(read, "none")));
	assert_string_equal(json_string_value(json_object_get(read, "empty")), "");
	assert_int_equal(json_integer_value(json_object_get(read, "zero")), 0);
	assert_int_equal(json_integer_value(json_object_get(read, "most")), INT64_MAX);
	assert_true(json_is_true(json_object_get(read, "word")));
	json_decref(read);
}

/* Each byte in a text comes out as itself or, where it could do harm, as '?'. */
static void bytes(void **state)
{
	(void)state;
	for (unsigned byte = 1; byte < 256; byte++) {
		const char text[] = {'a', (char)byte, 'z', '\0'};
		const bool plain = byte >= ' ' && byte < 0x7f;
		const char expected[] = {'a', plain ? (char)byte : '?', 'z', '\0'};
		struct json_text json;
		json_t *read;

		json_text_begin(&json);
		json_text_string(&json, "key", text);
		assert_true(json_text_end(&json));
		read = json_loadb(json.text, json.len, 0, NULL);
		assert_string_equal(json_string_value(json_object_get(read, "key")), expected);
		json_decref(read);
	}
}

/* What does not fit is told, at every length. */
static void too_long(void **state)
{
	char text[JSON_TEXT_MAX + 8];

	(void)state;
	for (size_t len = JSON_TEXT_MAX - 40; len < sizeof(text); len++) {
		const size_t needed = strlen("{\"key\":\"\",\"n\":12}") + len;
		struct json_text json;

		memset(text, 'x', len);
		text[len - 1] = '\0';
		json_text_begin(&json);
		json_text_string(&json, "key", text);
		json_text_integer(&json, "n", 12);
		assert_int_equal(json_text_end(&json), needed - 1 <= JSON_TEXT_MAX);
		assert_true(json.len <= JSON_TEXT_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(objects),
	    cmocka_unit_test(bytes),
	    cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
