/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/port.h"

#include <string.h>

#include "switchd/port/tap.h"

static const struct port_ops *const types[] = {&tap_ops};

const struct port_ops *port_ops_find(const char *type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i]->type, type) == 0)
			return types[i];
	}
	return NULL;
}
