/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/ports_links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/log.h"
#include "lib/names.h"
#include "switchd/accelerate.h"
#include "switchd/inherit.h"
#include "switchd/membership.h"
#include "switchd/ports.h"
#include "switchd/rtnl.h"

LOG_MODULE("port");

#define TRIES	    5 /* to list interfaces while they change */
#define UNSEEN_WARN 5 /* times that this may fail, one a second, before it is worth a word */

static const char *interface_of(const struct port *port)
{
	return port->ops->interface ? port->ops->interface(port->conf) : NULL;
}

bool port_is_wildcard(const struct port_ops *ops, const struct port_conf *conf)
{
	const char *interface = ops->link ? ops->interface(conf) : NULL;

	return interface && strchr(interface, '*');
}

bool port_serves_many(const struct port_ops *ops, const struct port_conf *conf)
{
	return ops->serves_many && ops->serves_many(conf);
}

struct port *ports_find(const struct port_host *host,
			bool (*match)(const struct port *port, void *arg), void *arg)
{
	const struct switchd *sw = container_of(host, struct switchd, port_host);

	list_for_each (&sw->ports, it) {
		struct port *port = container_of(it, struct port_runtime, link)->port;

		if (match(port, arg))
			return port;
	}
	return NULL;
}

bool ports_interface_taken(const struct port *port, const char *ifname, char *by, size_t size)
{
	struct switchd *sw = port->runtime->sw;

	list_for_each (&sw->uplinks, it) {
		const struct uplink *uplink = container_of(it, struct uplink, link);

		if (strcmp(uplink->conf.interface, ifname) != 0)
			continue;
		(void)snprintf(by, size, "uplink \"%s\"", uplink->conf.name);
		return true;
	}
	list_for_each (&sw->ports, it) {
		const struct port *other = container_of(it, struct port_runtime, link)->port;
		const char *theirs = other == port || !other->state ? NULL : interface_of(other);

		if (!theirs || strcmp(theirs, ifname) != 0)
			continue;
		(void)snprintf(by, size, "port \"%s\"", other->conf->name);
		return true;
	}
	return false;
}

/* ---- wildcards, and ports that serve many ---- */

static bool matches(const struct port *wildcard, const char *ifname)
{
	const char *pattern = interface_of(wildcard);

	return strncmp(pattern, ifname, strcspn(pattern, "*")) == 0 &&
	       strncmp(ifname, ACCELERATE_TAP, sizeof(ACCELERATE_TAP) - 1) != 0;
}

static void free_conf(const struct port *parent, void *conf)
{
	conf_clear(parent->ops->schema, conf);
	free(conf);
}

/* What a port for an interface has instead of its wildcard's configuration, and one for
 * a guest instead of that of the port that serves many. NULL when out of memory. */
static void *child_conf(const struct port *parent, const char *suffix)
{
	const struct conf_schema *schema = parent->ops->schema;
	struct port_conf *conf = calloc(1, schema->size);
	size_t size = strlen(parent->conf->name) + 1 + strlen(suffix) + 1;
	char *name = calloc(1, size);

	if (!conf || !name || !conf_copy(schema, conf, parent->conf)) {
		free(name);
		free(conf);
		return NULL;
	}
	(void)snprintf(name, size, "%s/%s", parent->conf->name, suffix);
	free(conf->name);
	conf->name = name;
	if (parent->runtime->many) {
		conf->owner = OWNER_CLIENT;
		parent->ops->set_guest(conf, suffix);
		return conf;
	}
	conf->owner = OWNER_WILDCARD;
	if (!conf_given(schema, parent->conf, "state"))
		conf->state = PORT_LOCKED;
	if (parent->ops->set_interface(conf, suffix) < 0) {
		free_conf(parent, conf);
		return NULL;
	}
	return conf;
}

/* What the port of a wildcard or guest has behind its parent's name. */
static const char *suffix_of(const struct port *child)
{
	return strrchr(child->conf->name, '/') + 1;
}

/* Whether a former process had a guest there. */
static bool is_kept(const struct switchd *sw, const struct port_conf *conf)
{
	char name[INHERIT_PORT_NAME];

	return inherit_port_name(conf, name) && inherit_has(sw->inherit, name);
}

int ports_join(struct port *many, const char *suffix, void *guest)
{
	struct switchd *sw = many->runtime->sw;
	struct port_conf *conf = child_conf(many, suffix);
	struct port *port = NULL;
	int ret = 0;

	if (!conf)
		return -ENOMEM;
	if (!guest && !is_kept(sw, conf))
		ret = -ENOENT;
	else if (switchd_port(sw, conf->name))
		ret = -EEXIST;
	else if (!(port = port_create_of(sw, conf, many, guest)))
		ret = -ENOMEM;
	free_conf(many, conf);
	if (ret == 0 && !port->state) {
		port_destroy(port);
		ret = guest ? -ENOMEM : -ENOENT;
	}
	return ret;
}

void ports_leave(struct port *port)
{
	if (port->runtime->of) {
		port_destroy(port);
		return;
	}
	membership_flush(port, false);
	ports_changed(port);
}

void ports_wildcard_changed(struct port *wildcard)
{
	struct switchd *sw = wildcard->runtime->sw;
	unsigned count = 0;

	list_for_each (&sw->ports, it)
		count += container_of(it, struct port_runtime, link)->of == wildcard;
	wildcard->up = count > 0;
	wildcard->why[0] = '\0';
	if (!wildcard->up)
		(void)snprintf(wildcard->why, sizeof(wildcard->why), "waiting for interfaces %s",
			       interface_of(wildcard));
	ports_changed(wildcard);
}

void ports_drop_children(struct port *parent)
{
	list_for_each_safe (&parent->runtime->sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);

		if (rt->of == parent)
			port_destroy(rt->port);
	}
}

void ports_reconf_children(struct port *parent)
{
	bool wildcard = parent->runtime->wildcard;

	list_for_each_safe (&parent->runtime->sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);
		void *conf;

		if (rt->of != parent)
			continue;
		if (wildcard && !matches(parent, interface_of(rt->port))) {
			port_destroy(rt->port);
			continue;
		}
		conf = child_conf(parent, suffix_of(rt->port));
		/* Never with what is no longer in force: then rather none. */
		if (!conf || port_reconf(rt->port, conf) < 0) {
			log_limited(LOG_LEVEL_ERROR, "port %s: out of memory",
				    rt->port->conf->name);
			port_destroy(rt->port);
		}
		if (conf)
			free_conf(parent, conf);
	}
	if (wildcard)
		ports_wildcard_changed(parent);
}

/* ---- following ---- */

struct links {
	struct rtnl_link *link;
	size_t count, room;
	bool cut; /* no memory for all of them: the rest is not gone */
	struct names *by_name;
};

static void on_link(void *arg, const struct rtnl_link *link)
{
	struct links *links = arg;
	struct rtnl_link *grown;

	grown = array_grow(links->link, links->count, &links->room, sizeof(*grown));
	if (!grown) {
		links->cut = true;
		return;
	}
	links->link = grown;
	links->link[links->count++] = *link;
}

static void links_free(struct links *links)
{
	names_destroy(links->by_name);
	free(links->link);
}

static int links_read(struct rtnl *rtnl, struct links *links)
{
	int ret = -EINTR;

	memset(links, 0, sizeof(*links));
	for (int tries = 0; ret == -EINTR && tries < TRIES; tries++) {
		links->count = 0;
		ret = rtnl_each_link(rtnl, on_link, links);
	}
	links->by_name = names_create();
	if (!links->by_name || links->cut)
		ret = -ENOMEM;
	for (size_t i = 0; ret == 0 && i < links->count; i++) {
		ret = names_add(links->by_name, links->link[i].name, &links->link[i]);
		if (ret == -EEXIST)
			ret = 0;
	}
	if (ret < 0)
		links_free(links);
	return ret;
}

/* Whether a port that names an interface is the one that gets it. */
static bool claims(const struct port *port, const struct links *links)
{
	const struct rtnl_link *link = names_find(links->by_name, interface_of(port));

	return !link || !port->ops->wants || port->ops->wants(port->conf, link);
}

/* Interfaces that are not for wildcards: those that uplinks and other ports name. */
static struct names *list_claims(struct switchd *sw, const struct links *links)
{
	struct names *claimed = names_create();

	if (!claimed)
		return NULL;
	list_for_each (&sw->uplinks, it) {
		struct uplink *uplink = container_of(it, struct uplink, link);

		(void)names_add(claimed, uplink->conf.interface, uplink);
	}
	list_for_each (&sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);
		const char *interface = interface_of(rt->port);

		if (interface && !rt->of && !rt->wildcard && claims(rt->port, links))
			(void)names_add(claimed, interface, rt->port);
	}
	return claimed;
}

/* A wildcard's ports whose interface is gone, or named by another now. */
static void remove_children(struct switchd *sw, const struct links *links,
			    const struct names *claimed)
{
	list_for_each_safe (&sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);
		const char *interface = interface_of(rt->port);
		struct port *wildcard = rt->of;

		if (!wildcard || !wildcard->runtime->wildcard ||
		    (names_find(links->by_name, interface) && !names_find(claimed, interface)))
			continue;
		port_destroy(rt->port);
		ports_wildcard_changed(wildcard);
	}
}

static void add_child(struct port *wildcard, const char *ifname)
{
	struct switchd *sw = wildcard->runtime->sw;
	struct port_conf *conf = child_conf(wildcard, ifname);

	if (!conf) {
		log_limited(LOG_LEVEL_ERROR, "port %s/%s: out of memory", wildcard->conf->name,
			    ifname);
		return;
	}
	if (!switchd_port(sw, conf->name)) {
		if (!port_create_of(sw, conf, wildcard, NULL))
			log_limited(LOG_LEVEL_ERROR, "port %s: out of memory", conf->name);
		ports_wildcard_changed(wildcard);
	}
	free_conf(wildcard, conf);
}

/* New ports are at the end of the list that is being walked, and no wildcards. */
static void add_children(struct switchd *sw, const struct links *links, const struct names *claimed)
{
	list_for_each (&sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);

		for (size_t i = 0; rt->wildcard && i < links->count; i++) {
			const char *ifname = links->link[i].name;

			if (matches(rt->port, ifname) && !names_find(claimed, ifname))
				add_child(rt->port, ifname);
		}
	}
}

/* Once is nothing: interfaces change all the time while a lot of guests start. */
static void unseen(struct switchd *sw)
{
	if (++sw->links_unseen == UNSEEN_WARN)
		log_warn("interfaces cannot be listed: ports on them may be behind the times; "
			 "trying again");
}

void ports_follow_links(struct switchd *sw)
{
	struct names *claimed;
	struct links links;
	bool any = false;

	list_for_each (&sw->ports, it)
		any |= container_of(it, struct port_runtime, link)->port->ops->link != NULL;
	if (!any || !sw->rtnl)
		return;
	if (links_read(sw->rtnl, &links) < 0) {
		unseen(sw);
		return;
	}
	claimed = list_claims(sw, &links);
	if (!claimed) {
		links_free(&links);
		unseen(sw);
		return;
	}
	sw->links_unseen = 0;
	remove_children(sw, &links, claimed);
	list_for_each (&sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);
		const struct rtnl_link *link;

		if (!rt->port->ops->link || rt->wildcard)
			continue;
		link = names_find(links.by_name, interface_of(rt->port));
		if (rt->port->state)
			rt->port->ops->link(rt->port, link);
		else if (link)
			port_retry(rt->port);
	}
	add_children(sw, &links, claimed);
	names_destroy(claimed);
	links_free(&links);
}

/* ---- after a kill ---- */

static bool in_use(void *arg, unsigned ifindex)
{
	const struct switchd *sw = arg;

	list_for_each (&sw->ports, it) {
		if (container_of(it, struct port_runtime, link)->port->ifindex == ifindex)
			return true;
	}
	return false;
}

void ports_recover(struct switchd *sw)
{
	const struct port_ops *ops;

	for (size_t i = 0; (ops = port_ops_at(i)); i++) {
		if (ops->recover)
			ops->recover(&sw->port_host, in_use, sw);
	}
}
