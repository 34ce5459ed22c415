/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations: what begins with '{' is a JSON request as switchctl sends it,
 * everything else the text of a file. What is accepted has to survive a copy,
 * JSON and back, and another check.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth)
{
	if (!truth)
		abort();
}

static void fuzz_json(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = {"uplink", "segment", "port",
					    "domain", "policy",	 "junction"};
	json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
	struct desired desired = {.host = NULL};
	struct err err = {""};

	if (!json)
		return;
	if (!conf_parse_json(&desired_schema, json, &desired, &err))
		expect(err.text[0]);
	desired_clear(&desired);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct conf_head *object;

		err.text[0] = '\0';
		if (desired_add(&desired, kinds[i], json, OWNER_CLI, &err) < 0) {
			expect(err.text[0]);
			continue;
		}
		object = &desired_at(&desired, (enum desired_kind)i, 0)->head;
		expect(object->given != 0 && !object->file);
	}
	err.text[0] = '\0';
	if (desired_check(&desired, &err) < 0)
		expect(err.text[0]);
	desired_clear(&desired);
	json_decref(json);
}

static void fuzz_text(const char *text)
{
	struct desired desired = {.host = NULL}, other = {.host = NULL};
	struct err err = {""};
	json_t *json;

	if (desired_parse(&desired, text, "fuzz", &err) < 0) {
		/* One line, with a place. */
		expect(strncmp(err.text, "fuzz:", 5) == 0 && !strchr(err.text, '\n'));
		return;
	}
	json = conf_to_json(&desired_schema, &desired);
	expect(conf_parse_json(&desired_schema, json, &other, &err));
	json_decref(json);
	desired_clear(&other);
	(void)desired_copy(&other, &desired, NULL);
	expect(conf_equal(&desired_schema, &desired, &other));
	expect(desired_check(&other, &err) == 0);
	(void)desired_keep(&other, &desired, NULL);
	expect(other.ports.count == desired.ports.count);
	desired_clear(&other);
	desired_clear(&desired);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > 0 && data[0] == '{') {
		fuzz_json(data, size);
		return 0;
	}
	text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	fuzz_text(text);
	free(text);
	return 0;
}
