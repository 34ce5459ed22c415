/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters of rules: a text that is taken has to be one to libpcap too, without asking
 * anybody, and its program has to end on any frame.
 */
#include <stdlib.h>
#include <string.h>

#include "switchd/policy/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rule_spec spec = {.filter = NULL};
	struct err err = {""};
	struct rules *rules;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	spec.filter = text;
	rules = rules_create(&spec, 1, &err);
	if (!rules && !err.text[0])
		abort();
	if (rules)
		(void)rules_match(rules, data, (uint32_t)size, (uint32_t)size, NULL, NULL);
	rules_destroy(rules);
	free(text);
	return 0;
}
