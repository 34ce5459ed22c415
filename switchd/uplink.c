/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/names.h"
#include "switchd/accelerate.h"
#include "switchd/announce.h"
#include "switchd/events.h"
#include "switchd/hide.h"
#include "switchd/relay.h"
#include "switchd/rtnl.h"
#include "switchd/segment.h"

LOG_MODULE("uplink");

#define MTU_UNKNOWN 1500

static uint16_t family_of(const struct uplink_conf *conf)
{
	const struct ipaddr *addr = conf->addresses.items;

	return conf->addresses.count ? addr[0].family : AF_INET;
}

struct uplink *uplink_create(struct switchd *sw, const struct uplink_conf *conf)
{
	struct uplink *uplink = calloc(1, sizeof(*uplink));

	if (!uplink || names_add(sw->uplink_names, conf->name, uplink) < 0) {
		free(uplink);
		return NULL;
	}
	uplink->sw = sw;
	if (!conf_copy(&uplink_schema, &uplink->conf, conf)) {
		names_del(sw->uplink_names, conf->name);
		free(uplink);
		return NULL;
	}
	list_init(&uplink->encaps);
	list_add_tail(&sw->uplinks, &uplink->link);
	uplink->view.name = uplink->conf.name;
	uplink->view.interface = uplink->conf.interface;
	uplink->view.mtu = MTU_UNKNOWN;
	uplink->view.family = family_of(&uplink->conf);
	uplink_refresh(uplink);
	if (!uplink->view.up && uplink->why[0])
		log_info("uplink %s: down: %s; waiting for it", uplink->view.name, uplink->why);
	return uplink;
}

void uplink_destroy(struct uplink *uplink)
{
	if (!uplink)
		return;
	accelerate_end(uplink);
	names_del(uplink->sw->uplink_names, uplink->conf.name);
	list_del(&uplink->link);
	conf_clear(&uplink_schema, &uplink->conf);
	free(uplink);
}

int uplink_reconf(struct uplink *uplink, const struct uplink_conf *conf)
{
	uint16_t family = uplink->view.family;

	if (!conf_replace(&uplink_schema, &uplink->conf, conf))
		return -ENOMEM;
	uplink->view.name = uplink->conf.name;
	uplink->view.interface = uplink->conf.interface;
	uplink->view.family = family_of(&uplink->conf);
	uplink_refresh(uplink);
	if (uplink->view.family != family)
		segment_encaps_restart(uplink);
	return 0;
}

struct look {
	const struct uplink *uplink;
	struct encap_uplink *view;
	bool global_v6;
};

/* Whether this address of the host is the one to send from. */
static bool wanted(const struct look *look, unsigned ifindex, const struct ipaddr *addr)
{
	const struct conf_list *list = &look->uplink->conf.addresses;
	const struct ipaddr *addresses = list->items;

	for (size_t i = 0; i < list->count; i++) {
		if (ipaddr_equal(&addresses[i], addr))
			return true; /* on whatever interface the operator put it */
	}
	return list->count == 0 && ifindex == look->view->ifindex;
}

static void add_prefix(struct encap_uplink *view, const struct ipaddr *addr, uint8_t len)
{
	struct ipprefix *prefix;

	if (view->prefixes == ENCAP_UPLINK_PREFIXES)
		return;
	prefix = &view->prefix[view->prefixes++];
	prefix->addr = *addr;
	prefix->len = len;
}

static void on_addr(void *arg, unsigned ifindex, const struct ipaddr *addr, uint8_t len)
{
	struct look *look = arg;
	bool v6 = addr->family == AF_INET6;
	bool global = v6 && !IN6_IS_ADDR_LINKLOCAL(&addr->v6);
	struct ipaddr *slot = &look->view->addr[v6];

	if (ifindex == look->view->ifindex)
		add_prefix(look->view, addr, len);
	if (!wanted(look, ifindex, addr))
		return;
	/* The first of each family; a link-local IPv6 address only for want of another. */
	if (!ipaddr_is_set(slot) || (global && !look->global_v6))
		*slot = *addr;
	look->global_v6 |= global;
}

/* 0; or negative errno when the kernel would not tell, and the view is half seen. */
static int look_at(const struct uplink *uplink, struct encap_uplink *view, char *why,
		   size_t why_size)
{
	struct look look = {.uplink = uplink, .view = view};
	struct rtnl_link link;
	int ret = rtnl_get_link(uplink->sw->rtnl, uplink->conf.interface, &link);

	view->ifindex = 0;
	view->bypass = uplink->conf.fast != FAST_OFF;
	view->bypass_in = view->bypass;
	view->unseen = uplink->conf.fast == FAST_XDP;
	view->up = false;
	view->prefixes = 0;
	memset(view->addr, 0, sizeof(view->addr));
	memset(view->prefix, 0, sizeof(view->prefix));
	if (ret < 0) {
		(void)snprintf(why, why_size, "no interface %s: %s", uplink->conf.interface,
			       strerror(-ret));
		return ret == -ENODEV ? 0 : ret;
	}
	view->ifindex = link.ifindex;
	view->mtu = link.mtu;
	view->mac = link.mac;
	/* Below a VRF the kernel tells sockets of another interface than packet sockets. */
	if (link.master)
		view->bypass_in = false;
	ret = rtnl_each_addr(uplink->sw->rtnl, on_addr, &look);
	if (ret < 0) {
		(void)snprintf(why, why_size, "addresses of interface %s: %s",
			       uplink->conf.interface, strerror(-ret));
		return ret;
	}
	if (!link.up)
		(void)snprintf(why, why_size, "interface %s is down", uplink->conf.interface);
	else if (!link.carrier)
		(void)snprintf(why, why_size, "interface %s has no carrier",
			       uplink->conf.interface);
	else
		view->up = true;
	/* Not every encapsulation needs an address: it is for them to say. */
	if (view->up && !ipaddr_is_set(&view->addr[0]) && !ipaddr_is_set(&view->addr[1]))
		(void)(uplink->conf.addresses.count
			   ? snprintf(why, why_size,
				      "the host has none of the configured addresses")
			   : snprintf(why, why_size, "interface %s has no address",
				      uplink->conf.interface));
	return 0;
}

static bool view_equal(const struct encap_uplink *a, const struct encap_uplink *b)
{
	return a->ifindex == b->ifindex && a->up == b->up && a->mtu == b->mtu &&
	       a->bypass == b->bypass && a->bypass_in == b->bypass_in && a->unseen == b->unseen &&
	       a->family == b->family && mac_equal(&a->mac, &b->mac) &&
	       a->prefixes == b->prefixes && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0 &&
	       memcmp(a->prefix, b->prefix, sizeof(a->prefix)) == 0;
}

static void report(const struct uplink *uplink, const struct encap_uplink *before)
{
	const struct encap_uplink *view = &uplink->view;
	bool v4 = ipaddr_is_set(&view->addr[0]), v6 = ipaddr_is_set(&view->addr[1]);
	const char *none = uplink->conf.addresses.count
			       ? "with none of the configured addresses yet"
			       : "without an address";
	char text4[ADDR_STRLEN], text6[ADDR_STRLEN];

	if (!view->up) {
		if (before->up)
			log_info("uplink %s: down: %s; waiting for it", view->name, uplink->why);
		return;
	}
	if (before->up && memcmp(before->addr, view->addr, sizeof(view->addr)) == 0)
		return;
	log_info("uplink %s: up on %s, %s%s%s%s, MTU %u", view->name, view->interface,
		 v4 || v6 ? "from " : none, v4 ? ipaddr_format(&view->addr[0], text4) : "",
		 v4 && v6 ? " and " : "", v6 ? ipaddr_format(&view->addr[1], text6) : "",
		 view->mtu);
}

void uplink_refresh(struct uplink *uplink)
{
	struct encap_uplink before = uplink->view, view = uplink->view;
	bool announce;

	uplink->why[0] = '\0';
	if (look_at(uplink, &view, uplink->why, sizeof(uplink->why)) < 0) {
		/* What was last known holds until it can be seen. */
		uplink->sw->uplinks_unseen = true;
		return;
	}
	uplink->view = view;
	accelerate_follow(uplink);
	if (view_equal(&before, &uplink->view))
		return;
	report(uplink, &before);
	event_uplink(uplink);
	announce = uplink->view.up &&
		   (!before.up || memcmp(before.addr, uplink->view.addr, sizeof(before.addr)) != 0);
	list_for_each (&uplink->encaps, it) {
		struct segment_encap *se = container_of(it, struct segment_encap, by_uplink);

		if (se->open)
			se->encap.ops->uplink_changed(&se->encap);
		segment_update_mtu(se->segment);
		relay_uplink_changed(se->segment);
		if (announce)
			announce_segment(se->segment);
	}
}

void uplinks_refresh(struct switchd *sw)
{
	sw->uplinks_unseen = false;
	list_for_each (&sw->uplinks, it)
		uplink_refresh(container_of(it, struct uplink, link));
}

static bool hides(void *arg, unsigned ifindex)
{
	const struct switchd *sw = arg;

	list_for_each (&sw->uplinks, it) {
		const struct uplink *uplink = container_of(it, struct uplink, link);

		if (uplink->view.ifindex != ifindex)
			continue;
		list_for_each (&uplink->encaps, at) {
			if (container_of(at, struct segment_encap, by_uplink)->encap.ops->kind ==
			    ENCAP_MACREWRITE)
				return true;
		}
	}
	return false;
}

void uplinks_recover(struct switchd *sw)
{
	hide_recover(sw->rtnl, sw->port_host.instance, hides, sw);
}
