/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/policy/machines.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/port/port.h"

/* A port that counts, and whose it is. */
struct member {
	const struct port_conf *port;
	const char *guest; /* NULL: nobody else's */
	size_t order;	   /* in the configuration */
};

const char *machine_of_port(const struct port_conf *port)
{
	const struct port_ops *ops = port_ops_find(port->type);

	if (port->guest)
		return port->guest;
	return ops && ops->guest ? ops->guest(port) : NULL;
}

static int member_compare(const void *a, const void *b)
{
	const struct member *one = a, *two = b;
	int order = 0;

	if (one->guest && two->guest)
		order = strcmp(one->guest, two->guest);
	else
		order = (one->guest != NULL) - (two->guest != NULL);
	return order ? order : (one->order > two->order) - (one->order < two->order);
}

static bool same_guest(const struct member *one, const struct member *two)
{
	return one->guest && two->guest && strcmp(one->guest, two->guest) == 0;
}

/* All that count, those of one guest beside each other. NULL when out of memory. */
static struct member *list_members(const struct desired *desired, size_t *count)
{
	struct member *members = calloc(desired->ports.count + 1, sizeof(*members));

	*count = 0;
	for (size_t i = 0; members && i < desired->ports.count; i++) {
		const struct port_conf *port = desired_port_at(desired, i);

		if (!port->indirect)
			members[(*count)++] = (struct member){port, machine_of_port(port), i};
	}
	if (members && *count)
		qsort(members, *count, sizeof(*members), member_compare);
	return members;
}

/* How many segments a port is in. */
static size_t segments_of(const struct port_conf *port)
{
	return port->trunk.count + (port_conf_untagged(port) ? 1 : 0);
}

static void add_segments(struct machine *machine, const struct port_conf *port)
{
	const struct trunk_conf *trunk = port->trunk.items;
	const char *untagged = port_conf_untagged(port);

	if (untagged)
		machine->segments[machine->count++] = untagged;
	for (size_t i = 0; i < port->trunk.count; i++)
		machine->segments[machine->count++] = trunk[i].segment;
}

/* Tells of the ports of one guest. */
static bool tell(const struct member *members, size_t count, machine_fn *fn, void *arg,
		 bool *no_memory)
{
	struct machine machine = {
	    .what = count > 1 ? "guest" : "port",
	    .name = count > 1 ? members[0].guest : members[0].port->name,
	    .port = members[count - 1].port,
	};
	size_t segments = 0;
	bool ok;

	for (size_t i = 0; i < count; i++)
		segments += segments_of(members[i].port);
	if (segments < 2)
		return true;
	machine.segments = calloc(segments, sizeof(*machine.segments));
	if (!machine.segments) {
		*no_memory = true;
		return false;
	}
	for (size_t i = 0; i < count; i++)
		add_segments(&machine, members[i].port);
	ok = fn(arg, &machine);
	free(machine.segments);
	return ok;
}

bool machines_each(const struct desired *desired, machine_fn *fn, void *arg, bool *no_memory)
{
	size_t count, end;
	struct member *members = list_members(desired, &count);
	bool ok = members != NULL;

	*no_memory = !ok;
	for (size_t i = 0; ok && i < count; i = end) {
		for (end = i + 1; end < count && same_guest(&members[i], &members[end]);)
			end++;
		ok = tell(&members[i], end - i, fn, arg, no_memory);
	}
	free(members);
	return ok;
}

static bool is_one(void *arg, const struct machine *machine)
{
	(void)arg;
	(void)machine;
	return false;
}

bool machines_any(const struct desired *desired)
{
	bool no_memory;

	return !machines_each(desired, is_one, NULL, &no_memory);
}
