/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machines that are in several segments at once, by a trunk port or by several ports: what
 * such a guest carries from one to the other no policy can see. Ports are one machine's if
 * they name the same guest, or else are in the same network namespace.
 */
#ifndef TVD_MACHINES_H
#define TVD_MACHINES_H

#include <stdbool.h>
#include <stddef.h>

#include "switchd/config.h"

struct machine {
	const char *what, *name;      /* for messages: "port" "t", or "guest" "vm1" */
	const struct port_conf *port; /* its last one */
	size_t count;
	const char **segments; /* names, two or more */
};

/*
 * Calls fn for each machine in several segments; what is in it lasts as long as the call.
 * Ports that say that what comes of them is meant (`indirect`) are left out. false if fn
 * returned false, which ends it, or memory ran out (*no_memory).
 */
typedef bool machine_fn(void *arg, const struct machine *machine);
bool machines_each(const struct desired *desired, machine_fn *fn, void *arg, bool *no_memory);

/* Whether there is any; cheap, however large the configuration is. When in doubt, true. */
bool machines_any(const struct desired *desired);

/* Who is at the other end of a port, as far as the configuration says it; NULL: somebody
 * else than at any other port. */
const char *machine_of_port(const struct port_conf *port);

#endif
