/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/connections.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/log.h"
#include "switchd/config.h"
#include "switchd/events.h"
#include "switchd/policy/policy.h"

LOG_MODULE("policy");

#define AGED_AT_ONCE 2000u

struct conn_limits connections_limits(const struct desired *desired)
{
	return (struct conn_limits){
	    .max = (uint32_t)desired->connections_max,
	    .guest_max = (uint32_t)desired->connections_guest_max,
	};
}

int connections_apply(struct switchd *sw, const struct conn_limits *limits)
{
	struct conns *conns;

	if (sw->conns && conns_fit(sw->conns, limits))
		return 0;
	conns = conns_resize(sw->conns, limits, sw->now);
	if (!conns)
		return -ENOMEM;
	sw->conns = conns;
	return 0;
}

bool connections_age(struct switchd *sw)
{
	const bool swept = policy_sweep(sw);

	return conns_age(sw->conns, sw->now, AGED_AT_ONCE) < AGED_AT_ONCE && swept;
}

void connections_second(struct switchd *sw)
{
	const uint64_t evicted = conns_counters(sw->conns).evicted;
	const uint64_t more = evicted - sw->connections_evicted;

	if (more == 0)
		return;
	sw->connections_evicted = evicted;
	log_limited(LOG_LEVEL_INFO,
		    "%" PRIu64 " connections made way for others within a second; "
		    "the table has %zu of at most %u",
		    more, conns_count(sw->conns), conns_limits(sw->conns).max);
	event_connections(sw, more);
}

void connections_segment_gone(struct switchd *sw, uint16_t number)
{
	if (sw->conns && conns_count(sw->conns))
		(void)conns_flush(sw->conns, number);
}
