/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/json_text.h"

#include <string.h>

static void put(struct json_text *json, const char *bytes, size_t n)
{
	if (n > sizeof(json->text) - json->len) {
		json->cut = true;
		return;
	}
	memcpy(json->text + json->len, bytes, n);
	json->len += n;
}

static void put_key(struct json_text *json, const char *key)
{
	put(json, json->len > 1 ? ",\"" : "\"", json->len > 1 ? 2 : 1);
	put(json, key, strlen(key));
	put(json, "\":", 2);
}

void json_text_begin(struct json_text *json)
{
	json->cut = false;
	json->text[0] = '{';
	json->len = 1;
}

void json_text_string(struct json_text *json, const char *key, const char *value)
{
	put_key(json, key);
	if (!value) {
		put(json, "null", 4);
		return;
	}
	put(json, "\"", 1);
	while (*value && !json->cut) {
		size_t plain = 0;

		while (value[plain] >= ' ' && value[plain] < 0x7f && value[plain] != '"' &&
		       value[plain] != '\\')
			plain++;
		put(json, value, plain);
		value += plain;
		if (*value == '"' || *value == '\\') {
			put(json, "\\", 1);
			put(json, value++, 1);
		} else if (*value) {
			put(json, "?", 1);
			value++;
		}
	}
	put(json, "\"", 1);
}

void json_text_integer(struct json_text *json, const char *key, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	put_key(json, key);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(json, digits + at, sizeof(digits) - at);
}

void json_text_true(struct json_text *json, const char *key)
{
	put_key(json, key);
	put(json, "true", 4);
}

bool json_text_end(struct json_text *json)
{
	put(json, "}", 1);
	return !json->cut;
}
