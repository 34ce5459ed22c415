/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/ports_links.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/names.h"
#include "switchd/capture.h"
#include "switchd/egress.h"
#include "switchd/events.h"
#include "switchd/inherit.h"
#include "switchd/membership.h"
#include "switchd/notify.h"
#include "switchd/policy/gateway.h"
#include "switchd/ports.h"
#include "switchd/vde_mgmt.h"

LOG_MODULE("port");

/* How soon a port is tried again, in seconds: guests come up quickly, and one
 * that stays away is not asked for often. */
#define RETRY_FIRST 0.1
#define RETRY_LAST  2.0

const char *port_state_name(const struct port *port)
{
	if (port->conf->state == PORT_LOCKED)
		return "locked";
	return port->up ? "up" : "down";
}

void ports_changed(struct port *port)
{
	struct port_runtime *rt = port->runtime;

	if (rt->counted_up == port->up)
		return;
	rt->counted_up = port->up;
	log_info("port %s: %s%s%s", port->conf->name, port->up ? "up" : "down",
		 port->why[0] ? ": " : "", port->why);
	event_port(port, port_state_name(port));
}

/* What systemd keeps of a port over a restart. */
static void store(struct port *port)
{
	struct port_runtime *rt = port->runtime;
	struct port_heritage heritage = {.count = 0};
	char name[INHERIT_PORT_NAME];

	if (!port->ops->storable || !notify_listened() || !inherit_port_name(port->conf, name))
		return;
	if (rt->stored)
		notify_unstore(name);
	port->ops->handover(port, &heritage);
	for (unsigned i = 0; i < heritage.count; i++)
		notify_store(name, heritage.fd[i]);
	rt->stored = heritage.count > 0;
	json_decref(heritage.state); /* that is written when all ends, see saved.h */
}

/* And no longer, unless it is the whole switch that ends. */
static void unstore(struct port *port)
{
	struct port_runtime *rt = port->runtime;
	char name[INHERIT_PORT_NAME];

	if (rt->stored && !rt->sw->ending && inherit_port_name(port->conf, name))
		notify_unstore(name);
	rt->stored = false;
}

void ports_descriptors_changed(struct port *port)
{
	if (port->state)
		store(port);
}

/* Goes on with what a former process had open, where there is such a thing. */
static int adopt(struct port *port)
{
	struct port_runtime *rt = port->runtime;
	struct port_heritage heritage;
	char name[INHERIT_PORT_NAME];
	bool stored = false, rest = false;
	int ret;

	if (!rt->sw->inherit || !inherit_port_name(port->conf, name) ||
	    inherit_take(rt->sw->inherit, name, &heritage, &stored) < 0)
		return -ENOENT;
	for (unsigned i = 0; i < heritage.count; i++) {
		int flags = fcntl(heritage.fd[i], F_GETFL);

		(void)fcntl(heritage.fd[i], F_SETFL, flags | O_NONBLOCK);
	}
	ret = port->ops->adopt(port, &heritage);
	for (unsigned i = 0; i < heritage.count; i++)
		rest |= heritage.fd[i] >= 0;
	port_heritage_clear(&heritage);
	if (ret < 0) {
		log_info("port %s: what was kept of it is of no use (%s): it is made anew",
			 port->conf->name, strerror(-ret));
		if (stored)
			notify_unstore(name);
		return ret;
	}
	port->shared = !stored;
	rt->stored = stored;
	if (!stored || rest)
		store(port);
	return 0;
}

static void try_open(struct port *port)
{
	struct port_runtime *rt = port->runtime;
	char before[sizeof(port->why)];
	int ret;

	memcpy(before, port->why, sizeof(before));
	membership_update_mtu(port);
	ret = adopt(port);
	if (ret < 0 && rt->of && rt->of->runtime->many && !port->guest)
		return; /* it was there for its guest alone */
	if (ret < 0) {
		ret = port->ops->open(port);
		if (ret == 0)
			store(port);
	}
	if (ret == 0) {
		rt->retry_after = RETRY_FIRST;
		ports_changed(port);
		membership_opened(port);
		return;
	}
	port->up = false;
	/* Said once for each cause: it may be tried for days. */
	if (strcmp(before, port->why) != 0)
		log_info("port %s: down: %s", port->conf->name, port->why);
	ev_timer_set(&rt->retry, rt->retry_after, 0.);
	ev_timer_start(rt->sw->loop, &rt->retry);
	rt->retry_after = rt->retry_after * 2 > RETRY_LAST ? RETRY_LAST : rt->retry_after * 2;
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	try_open(((struct port_runtime *)timer->data)->port);
}

void port_retry(struct port *port)
{
	struct port_runtime *rt = port->runtime;

	if (port->state || rt->wildcard)
		return;
	rt->retry_after = RETRY_FIRST;
	ev_timer_stop(rt->sw->loop, &rt->retry);
	try_open(port);
}

static void close_port(struct port *port)
{
	struct port_runtime *rt = port->runtime;

	egress_flush_port(port);
	ev_timer_stop(rt->sw->loop, &rt->retry);
	port->shared |= rt->stored && rt->sw->ending;
	unstore(port);
	if (rt->many)
		vde_mgmt_port_gone(port);
	if (port->state)
		port->ops->close(port);
	port->shared = false;
	port->up = false;
}

void ports_lost(struct port *port, const char *why)
{
	close_port(port);
	(void)snprintf(port->why, sizeof(port->why), "interface lost: %.100s", why);
	membership_flush(port, false);
	ports_changed(port);
	try_open(port);
}

/* The lowest free number, so that numbers stay small. */
static int take_number(struct switchd *sw, struct port *port)
{
	uint32_t n = 0, size = sw->port_numbers;

	while (n < size && sw->port_by_number[n])
		n++;
	if (n == size) {
		struct port **grown;

		size = size ? size * 2 : 64;
		grown = realloc(sw->port_by_number, size * sizeof(struct port *));
		if (!grown)
			return -ENOMEM;
		memset(grown + n, 0, (size - n) * sizeof(struct port *));
		sw->port_by_number = grown;
		sw->port_numbers = size;
	}
	sw->port_by_number[n] = port;
	port->number = n;
	return 0;
}

struct port *port_create(struct switchd *sw, const struct port_conf *conf)
{
	return port_create_of(sw, conf, NULL, NULL);
}

struct port *port_create_of(struct switchd *sw, const struct port_conf *conf, struct port *of,
			    void *guest)
{
	const struct port_ops *ops = port_ops_find(conf->type);
	struct port *port = calloc(1, sizeof(*port));
	struct port_runtime *rt = calloc(1, sizeof(*rt));
	void *copy = calloc(1, ops->schema->size);

	if (!port || !rt || !copy || take_number(sw, port) < 0)
		goto fail;
	if (names_add(sw->port_names, conf->name, port) < 0)
		goto fail_number;
	if (!conf_copy(ops->schema, copy, conf))
		goto fail_name;
	port->ops = ops;
	port->host = &sw->port_host;
	port->conf = copy;
	port->runtime = rt;
	list_init(&port->captures);
	rt->sw = sw;
	rt->of = of;
	rt->wildcard = port_is_wildcard(ops, conf);
	rt->many = port_serves_many(ops, conf);
	port->guest = guest;
	rt->port = port;
	rt->conf = copy;
	rt->retry_after = RETRY_FIRST;
	list_init(&rt->dirty);
	list_add_tail(&sw->ports, &rt->link);
	ev_timer_init(&rt->retry, on_retry, 0., 0.);
	rt->retry.data = rt;
	if (rt->wildcard) { /* gets no frames and sends none */
		ports_wildcard_changed(port);
		return port;
	}
	if (!rt->many)
		membership_update(port);
	try_open(port);
	return port;

fail_name:
	names_del(sw->port_names, conf->name);
fail_number:
	sw->port_by_number[port->number] = NULL;
fail:
	free(copy);
	free(rt);
	free(port);
	return NULL;
}

void port_destroy(struct port *port)
{
	struct port_runtime *rt;
	struct switchd *sw;

	if (!port)
		return;
	rt = port->runtime;
	sw = rt->sw;
	if (rt->wildcard || rt->many)
		ports_drop_children(port);
	egress_flush(sw); /* what came from here counts late drops here */
	close_port(port);
	ports_changed(port);
	capture_port_gone(port);
	gateway_port_gone(port);
	membership_clear(port);
	sw->port_by_number[port->number] = NULL;
	names_del(sw->port_names, port->conf->name);
	list_del(&rt->link);
	conf_clear(port->ops->schema, rt->conf);
	free(rt->conf);
	free(rt);
	free(port);
}

int port_reconf(struct port *port, const struct port_conf *conf)
{
	struct port_runtime *rt = port->runtime;
	void *copy = calloc(1, port->ops->schema->size);
	bool was_locked = port->conf->state == PORT_LOCKED;
	int ret = PORT_RESTART;

	/* Without memory the former configuration stays. */
	if (!copy || !conf_copy(port->ops->schema, copy, conf)) {
		free(copy);
		return -ENOMEM;
	}
	egress_flush_port(port);
	if (port->state && port->ops->reconf)
		ret = port->ops->reconf(port, copy);
	if (ret != 0 && !rt->wildcard) {
		if (rt->many)
			ports_drop_children(port);
		close_port(port);
		ports_changed(port);
	}
	conf_clear(port->ops->schema, rt->conf);
	free(rt->conf);
	rt->conf = copy;
	port->conf = copy;
	if (!rt->wildcard && !rt->many)
		membership_update(port);
	/* A locked port is nobody's location (reliability: learned 0). */
	if (!was_locked && port->conf->state == PORT_LOCKED)
		membership_flush(port, false);
	if (was_locked != (port->conf->state == PORT_LOCKED))
		event_port(port, port_state_name(port));
	if (rt->wildcard || rt->many)
		ports_reconf_children(port);
	if (!rt->wildcard)
		port_retry(port);
	return 0;
}
