/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/json_memory.h"

#include <jansson.h>
#include <stdlib.h>

static bool was_short;

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	was_short |= !memory;
	return memory;
}

void json_memory_watch(void)
{
	json_set_alloc_funcs(allocate, free);
}

bool json_memory_short(void)
{
	bool short_now = was_short;

	was_short = false;
	return short_now;
}
