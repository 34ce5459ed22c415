/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small flat JSON object, written as text at once: for what is sent by the million,
 * where building objects first would cost ten times as much. Everything else is
 * written with jansson.
 */
#ifndef TVD_JSON_TEXT_H
#define TVD_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_TEXT_MAX 1024u

struct json_text {
	size_t len;
	bool cut; /* it did not fit: what is there is no object */
	char text[JSON_TEXT_MAX];
};

/* Begins an object; the keys follow, then its end. Keys are ours and need no quoting. */
void json_text_begin(struct json_text *json);

/* NULL is null. Of a text, what is not ASCII or controls a terminal becomes '?'. */
void json_text_string(struct json_text *json, const char *key, const char *value);
void json_text_integer(struct json_text *json, const char *key, uint64_t value);
void json_text_true(struct json_text *json, const char *key);

/* Whether all of it fitted. */
bool json_text_end(struct json_text *json);

#endif
