/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/commit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/names.h"
#include "switchd/connections.h"
#include "switchd/membership.h"
#include "switchd/policy/gateway.h"
#include "switchd/policy/policy.h"
#include "switchd/ports.h"
#include "switchd/ports_links.h"
#include "switchd/segment.h"
#include "switchd/uplink.h"

LOG_MODULE("commit");

/* ---- what goes ---- */

/* Names of the next state, to look up in a moment what stays. */
struct next_names {
	struct names *uplinks, *segments, *ports;
};

static void next_names_fini(struct next_names *names)
{
	names_destroy(names->uplinks);
	names_destroy(names->segments);
	names_destroy(names->ports);
}

static int next_names_init(struct next_names *names, const struct desired *next)
{
	struct uplink_conf *uplinks = next->uplinks.items;
	struct segment_conf *segments = next->segments.items;
	int ret = 0;

	names->uplinks = names_create();
	names->segments = names_create();
	names->ports = names_create();
	if (!names->uplinks || !names->segments || !names->ports)
		ret = -ENOMEM;
	for (size_t i = 0; ret == 0 && i < next->uplinks.count; i++)
		ret = names_add(names->uplinks, uplinks[i].name, &uplinks[i]);
	for (size_t i = 0; ret == 0 && i < next->segments.count; i++)
		ret = names_add(names->segments, segments[i].name, &segments[i]);
	for (size_t i = 0; ret == 0 && i < next->ports.count; i++) {
		const struct port_conf *port = desired_port_at(next, i);

		ret = names_add(names->ports, port->name, (void *)port);
	}
	if (ret < 0)
		next_names_fini(names);
	return ret;
}

/* A port goes with its name, or when it becomes another type's. */
static bool port_stays(const struct port *port, const struct next_names *names)
{
	const struct port_conf *want = names_find(names->ports, port->conf->name);

	return want && strcmp(want->type, port->conf->type) == 0 &&
	       port_is_wildcard(port->ops, want) == port->runtime->wildcard &&
	       port_serves_many(port->ops, want) == port->runtime->many;
}

/* A wildcard takes its ports along, so that they have to go before it. */
static void remove_ports(struct switchd *sw, const struct next_names *names)
{
	list_for_each_safe (&sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);

		if (rt->of && !port_stays(rt->of, names))
			port_destroy(rt->port);
	}
	list_for_each_safe (&sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);

		if (!rt->of && !port_stays(rt->port, names))
			port_destroy(rt->port);
	}
}

/* Its ports that stay are in no segment, or in fewer, until they are put where they are
 * to be: the guest keeps its interface. */
static void remove_segment(struct segment *segment)
{
	list_for_each_safe (&segment->ports, it)
		membership_leave(container_of(it, struct membership, by_segment)->port, segment);
	segment_destroy(segment);
}

static void remove_what_goes(struct switchd *sw, const struct next_names *names)
{
	remove_ports(sw, names);
	list_for_each_safe (&sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);
		const struct segment_conf *want = names_find(names->segments, segment->conf.name);

		if (!want || segment_must_restart(segment, want))
			remove_segment(segment);
	}
	list_for_each_safe (&sw->uplinks, it) {
		struct uplink *uplink = container_of(it, struct uplink, link);

		if (names_find(names->uplinks, uplink->conf.name))
			continue;
		/* Encaps that stay in name move to another uplink in a moment. */
		segment_encaps_close(uplink);
		uplink_destroy(uplink);
	}
}

/* ---- what comes, and what changes ---- */

static int apply_uplinks(struct switchd *sw, const struct desired *next)
{
	const struct uplink_conf *confs = next->uplinks.items;

	for (size_t i = 0; i < next->uplinks.count; i++) {
		struct uplink *uplink = switchd_uplink(sw, confs[i].name);

		if (!uplink) {
			if (!uplink_create(sw, &confs[i]))
				return -ENOMEM;
		} else if (!conf_equal(&uplink_schema, &uplink->conf, &confs[i])) {
			if (uplink_reconf(uplink, &confs[i]) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int apply_segments(struct switchd *sw, const struct desired *next)
{
	const struct segment_conf *confs = next->segments.items;

	for (size_t i = 0; i < next->segments.count; i++) {
		struct segment *segment = switchd_segment(sw, confs[i].name);

		if (!segment) {
			if (!segment_create(sw, &confs[i]))
				return -ENOMEM;
		} else if (!conf_equal(&segment_schema, &segment->conf, &confs[i]) ||
			   segment->encap_count != confs[i].encaps.count || segment->unfinished) {
			if (segment_reconf(segment, &confs[i]) < 0)
				return -ENOMEM;
		} else {
			segment->conf.owner = confs[i].owner;
		}
	}
	return 0;
}

/* To a wildcard's ports a default that is said is another than one that is not. */
static bool port_changes(const struct port *port, const struct port_conf *conf)
{
	return !conf_equal(port->ops->schema, port->conf, conf) ||
	       (port->runtime->wildcard && port->conf->head.given != conf->head.given);
}

static int apply_ports(struct switchd *sw, const struct desired *next)
{
	int ret = 0;

	for (size_t i = 0; i < next->ports.count; i++) {
		const struct port_conf *conf = desired_port_at(next, i);
		struct port *port = switchd_port(sw, conf->name);

		if (!port) {
			if (!port_create(sw, conf))
				return -ENOMEM;
		} else if (port_changes(port, conf)) {
			if (port_reconf(port, conf) < 0)
				return -ENOMEM;
		}
	}
	/* Those whose segment was made anew. */
	list_for_each (&sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);

		if (rt->astray)
			membership_update(rt->port);
		if (rt->astray)
			ret = -ENOMEM;
	}
	return ret;
}

static void warn(const char *text)
{
	log_warn("%s", text);
}

static void note(const char *text)
{
	log_info("%s", text);
}

/* What is read once, at start. */
static void warn_of_fixed(const struct desired *now, const struct desired *next)
{
	if (strcmp(now->control, next->control) != 0 || strcmp(now->user, next->user) != 0 ||
	    strcmp(now->run_dir, next->run_dir) != 0 || now->ids != next->ids ||
	    now->seccomp != next->seccomp || now->yield != next->yield)
		log_warn("control, user, run_dir, ids, seccomp and yield take effect at the next "
			 "start");
}

/* Brings what is live in line with a checked configuration. 0, or -ENOMEM with a part of
 * it done, from which any other can be applied. */
static int apply(struct switchd *sw, const struct desired *next)
{
	const struct conn_limits limits = connections_limits(next);
	struct next_names names;
	int ret = next_names_init(&names, next);

	if (ret < 0)
		return ret;
	(void)snprintf(sw->host, sizeof(sw->host), "%s", next->host ? next->host : "");
	remove_what_goes(sw, &names);
	next_names_fini(&names);
	ret = connections_apply(sw, &limits);
	ret = ret ? ret : apply_uplinks(sw, next);
	ret = ret ? ret : apply_segments(sw, next);
	ret = ret ? ret : apply_ports(sw, next);
	ret = ret ? ret : policy_apply(sw, next);
	return ret ? ret : gateways_update(sw, next);
}

/* Back to what was in force. Ports that went meanwhile are made anew. */
static void go_back(struct switchd *sw)
{
	if (apply(sw, &sw->desired) == 0)
		log_error("out of memory: the former configuration is in force again");
	else
		log_error("out of memory: the configuration is in force only in part; the next "
			  "reload goes on with it");
}

int commit(struct switchd *sw, struct desired *next, struct err *err)
{
	int ret = desired_check(next, err);

	return ret < 0 ? ret : commit_checked(sw, next, err);
}

int commit_checked(struct switchd *sw, struct desired *next, struct err *err)
{
	int ret;

	if (sw->handover)
		return err_set(err, EBUSY, "a successor is about to take over");
	sw->commits++;
	if (sw->desired.control)
		warn_of_fixed(&sw->desired, next);
	desired_warn(next, &sw->desired, warn);
	if (!conf_key_equal(&desired_schema, next, &sw->desired, "policy"))
		config_policy_note(next, note);
	ret = apply(sw, next);
	if (ret < 0)
		go_back(sw);
	ports_follow_links(sw);
	if (ret < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (sw->desired.log_level != next->log_level || !sw->desired.control)
		log_set_level((enum log_level)next->log_level);
	desired_clear(&sw->desired);
	sw->desired = *next;
	memset(next, 0, sizeof(*next));
	return 0;
}

void commit_clear(struct switchd *sw)
{
	while (!list_empty(&sw->ports))
		port_destroy(container_of(sw->ports.next, struct port_runtime, link)->port);
	list_for_each_safe (&sw->segments, it)
		segment_destroy(container_of(it, struct segment, link));
	list_for_each_safe (&sw->uplinks, it) {
		struct uplink *uplink = container_of(it, struct uplink, link);

		segment_encaps_close(uplink);
		uplink_destroy(uplink);
	}
	policy_clear(sw);
	desired_clear(&sw->desired);
}
