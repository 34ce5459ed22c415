/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/config_integrity.h"

#include <errno.h>
#include <string.h>

#include "lib/names.h"
#include "switchd/config_policy.h"
#include "switchd/port/port.h"

/* Its segments, to each the domain that asks; NULL: it does not. */
struct asking {
	const struct desired *desired;
	struct names *segments;
};

static const char *asking_domain(const struct desired *desired, const char *name)
{
	const struct domain_conf *domain = desired->domains.items;

	for (size_t i = 0; i < desired->domains.count; i++) {
		if (domain[i].integrity && strcmp(domain[i].name, name) == 0)
			return domain[i].name;
	}
	return NULL;
}

/* false when out of memory. Where nobody asks there is no need to look. */
static bool list_segments(struct asking *asking, struct err *err)
{
	const struct segment_conf *segment = asking->desired->segments.items;
	bool any = false;

	for (size_t i = 0; i < asking->desired->domains.count; i++)
		any |= ((const struct domain_conf *)asking->desired->domains.items)[i].integrity;
	if (!any)
		return true;
	asking->segments = names_create();
	for (size_t i = 0; asking->segments && i < asking->desired->segments.count; i++) {
		const char *domain = asking_domain(asking->desired, segment[i].domain);

		if (domain &&
		    names_add(asking->segments, segment[i].name, (void *)(uintptr_t)domain) < 0) {
			names_destroy(asking->segments);
			asking->segments = NULL;
		}
	}
	return asking->segments || err_set(err, ENOMEM, "out of memory") == 0;
}

/* The domain that asks for a port's integrity: of a trunk port, the first that does. */
static const char *domain_of(const struct asking *asking, const struct port_conf *port)
{
	const struct trunk_conf *trunk = port->trunk.items;
	const char *untagged = port_conf_untagged(port);
	const char *domain = NULL;

	if (!asking->segments)
		return NULL;
	if (untagged)
		domain = names_find(asking->segments, untagged);
	for (size_t i = 0; !domain && i < port->trunk.count; i++)
		domain = names_find(asking->segments, trunk[i].segment);
	return domain;
}

static void set_guards(struct guard_conf *guard, bool on)
{
	const struct {
		const char *name;
		bool *value;
	} guards[] = {
	    {"arp", &guard->arp}, {"dhcp", &guard->dhcp}, {"ra", &guard->ra},
	    {"mac", &guard->mac}, {"ip", &guard->ip},
	};

	for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
		if (!conf_given(&guard_schema, guard, guards[i].name))
			*guards[i].value = on;
	}
}

/* Only a TAP of ours has an address that we know to be the guest's. */
static bool knows_mac(const struct port_conf *port)
{
	return port->macs.count > 0 || strcmp(port->type, "tap") == 0;
}

static bool check_port(const struct port_conf *port, const char *domain, struct err *err)
{
	if (port->guard.ip && port->addresses.count == 0)
		return conf_fail(port, err,
				 "port \"%s\": domain \"%s\" asks for integrity, so the port needs "
				 "addresses, or says guard.ip = false",
				 port->name, domain);
	if (port->guard.mac && !knows_mac(port))
		return conf_fail(port, err,
				 "port \"%s\": domain \"%s\" asks for integrity, so the port needs "
				 "macs, or says guard.mac = false",
				 port->name, domain);
	return true;
}

bool config_integrity(struct desired *desired, struct err *err)
{
	struct asking asking = {.desired = desired};
	bool ok = list_segments(&asking, err);

	for (size_t i = 0; ok && i < desired->ports.count; i++) {
		struct port_conf *port = (struct port_conf *)(uintptr_t)desired_port_at(desired, i);
		const char *domain = domain_of(&asking, port);

		set_guards(&port->guard, domain != NULL);
		ok = !domain || check_port(port, domain, err);
	}
	names_destroy(asking.segments);
	return ok;
}
