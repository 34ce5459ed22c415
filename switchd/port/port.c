/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/port.h"

#include <net/if.h>
#include <string.h>

#include "switchd/port/netdev.h"
#include "switchd/port/tap.h"

static const struct port_ops *const types[] = {&tap_ops, &netdev_ops};

const struct port_ops *port_ops_find(const char *type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i]->type, type) == 0)
			return types[i];
	}
	return NULL;
}

const struct port_ops *port_ops_at(size_t i)
{
	return i < sizeof(types) / sizeof(types[0]) ? types[i] : NULL;
}

/* dev_valid_name() in the kernel, and no '%', which asks it to make up a number. */
bool port_ifname_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (const char *p = name; *p; p++) {
		if (*p <= ' ' || *p == '/' || *p == ':' || *p == '%' || *p == 0x7f)
			return false;
	}
	return true;
}
