/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/port.h"

#include <net/if.h>
#include <string.h>

#include "switchd/port/dgram.h"
#include "switchd/port/netdev.h"
#include "switchd/port/stream.h"
#include "switchd/port/tap.h"

static const struct port_ops *const types[] = {&tap_ops, &netdev_ops, &stream_ops, &dgram_ops,
					       &udp_ops};

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

bool port_own_keys_equal(const struct port *port, const struct port_conf *other)
{
	const struct conf_schema *schema = port->ops->schema;

	/* Their members are those behind the common ones. */
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		if (key->offset >= sizeof(struct port_conf) &&
		    !conf_key_equal(schema, port->conf, other, key->name))
			return false;
	}
	return true;
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
