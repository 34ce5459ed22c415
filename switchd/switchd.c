/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/switchd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/ctl.h"
#include "lib/names.h"
#include "switchd/capture.h"
#include "switchd/commit.h"
#include "switchd/events.h"
#include "switchd/forward.h"
#include "switchd/hide.h"
#include "switchd/inherit.h"
#include "switchd/nexthop.h"
#include "switchd/policy/conn.h"
#include "switchd/policy/gateway.h"
#include "switchd/port/bulk.h"
#include "switchd/ports.h"
#include "switchd/ports_links.h"
#include "switchd/reload.h"
#include "switchd/rtnl.h"
#include "switchd/sieve.h"
#include "switchd/takeover.h"
#include "switchd/vde_mgmt.h"

/* Small buffers hold what segmentation makes of superframes until it is sent. */
#define POOL_SMALL   2048u
#define POOL_LARGE   256u
#define FDB_CAPACITY (4u << 20)
/* Until there is a configuration. */
#define CONNECTIONS_MAX 16u

struct uplink *switchd_uplink(const struct switchd *sw, const char *name)
{
	return names_find(sw->uplink_names, name);
}

struct segment *switchd_segment(const struct switchd *sw, const char *name)
{
	return names_find(sw->segment_names, name);
}

struct port *switchd_port(const struct switchd *sw, const char *name)
{
	return names_find(sw->port_names, name);
}

static bool next_hop(struct encap_host *host, const struct encap_uplink *uplink,
		     const struct ipaddr *dst, struct mac *mac)
{
	const struct switchd *sw = container_of(host, struct switchd, encap_host);

	return sw->nexthops && nexthops_get(sw->nexthops, host, uplink, dst, mac);
}

/* A station that says so must be one that a frame could come from. */
static void learn(struct encap *encap, const struct mac *mac, const struct ipaddr *peer)
{
	struct segment *segment = encap->segment;
	const struct fdb_where where = {.side = encap->side, .remote = *peer};

	if (!mac_is_group(mac) && !mac_is_zero(mac))
		(void)fdb_learn(segment->sw->fdb, segment->number, mac, &where, segment->sw->now);
}

static int hide(struct encap_host *host, const struct encap_uplink *uplink,
		const struct sock_filter *program, unsigned count, struct err *err)
{
	const struct switchd *sw = container_of(host, struct switchd, encap_host);
	const uint32_t instance = sw->port_host.instance;

	if (!sw->rtnl)
		return 0;
	if (count)
		return hide_put(sw->rtnl, uplink->ifindex, instance, program, count, err);
	hide_end(sw->rtnl, uplink->ifindex, instance);
	return 0;
}

static bool may_bypass(const struct encap_host *host)
{
	const struct switchd *sw =
	    container_of((struct encap_host *)(uintptr_t)host, struct switchd, encap_host);

	return sw->nexthops && !nexthops_policies(sw->nexthops);
}

/* A successor has set its own in the same place. */
static int sieve(struct encap_host *host, unsigned ifindex, uint16_t family,
		 const struct sock_filter *code, unsigned len)
{
	const struct switchd *sw = container_of(host, struct switchd, encap_host);

	if (!sw->sieves)
		return -EOPNOTSUPP;
	if (code)
		return sieves_set(sw->sieves, ifindex, family, code, len);
	if (host->handed_over)
		sieves_leave(sw->sieves, ifindex, family);
	else
		sieves_lift(sw->sieves, ifindex, family);
	return 0;
}

int switchd_init(struct switchd *sw, const char *config_file)
{
	const struct conn_limits limits = {.max = CONNECTIONS_MAX};
	struct hash_key key;

	memset(sw, 0, sizeof(*sw));
	sw->config_file = config_file;
	sw->now = sw->started = clock_ms();
	list_init(&sw->uplinks);
	list_init(&sw->segments);
	list_init(&sw->ports);
	list_init(&sw->dirty_ports);
	list_init(&sw->dirty_encaps);
	list_init(&sw->captures);
	list_init(&sw->consoles);
	hash_key_random(&key);
	sw->instance = key.word[0] | 1;
	hash_key_random(&key);
	sw->loop = ev_loop_new(EVFLAG_NOENV);
	sw->port_host.epoll = sw->loop ? takeover_epoll() : -1;
	sw->pool = frame_pool_create(POOL_SMALL, POOL_LARGE);
	sw->fdb = fdb_create(&key, FDB_CAPACITY);
	hash_key_random(&key);
	sw->conns = conns_create(&key, &limits);
	sw->uplink_names = names_create();
	sw->segment_names = names_create();
	sw->port_names = names_create();
	sw->segment_by_number = calloc(FDB_SEGMENTS_MAX, sizeof(struct segment *));
	if (!sw->loop || !sw->pool || !sw->fdb || !sw->conns || !sw->uplink_names ||
	    !sw->segment_names || !sw->port_names || !sw->segment_by_number)
		return -ENOMEM;
	if (reload_open(sw) < 0)
		return -ENOMEM;
	fdb_on_event(sw->fdb, event_fdb, sw);
	sw->encap_host.loop = sw->loop;
	sw->encap_host.now = &sw->now;
	sw->encap_host.pool = sw->pool;
	sw->encap_host.deliver = forward_from_encap;
	sw->encap_host.next_hop = next_hop;
	sw->encap_host.learn = learn;
	sw->encap_host.hide = hide;
	sw->encap_host.may_bypass = may_bypass;
	sw->encap_host.sieve = sieve;
	sw->encap_host.stray = sw->stray;
	sw->port_host.loop = sw->loop;
	sw->port_host.pool = sw->pool;
	sw->port_host.receive = forward_from_port;
	sw->port_host.changed = ports_changed;
	sw->port_host.lost = ports_lost;
	sw->port_host.descriptors_changed = ports_descriptors_changed;
	sw->port_host.interface_taken = ports_interface_taken;
	sw->port_host.find = ports_find;
	sw->port_host.join = ports_join;
	sw->port_host.leave = ports_leave;
	sw->port_host.manage = vde_mgmt_serve;
	sw->port_host.uid_now = sw->port_host.uid = geteuid();
	sw->port_host.gid = getegid();
	return 0;
}

void switchd_fini(struct switchd *sw)
{
	sw->ending = true;
	reload_close(sw);
	commit_clear(sw);
	takeover_abandon(sw);
	inherit_destroy(sw->inherit);
	ctl_server_close(sw->control);
	sw->control = NULL;
	capture_close(sw);
	nexthops_close(sw->nexthops);
	sieves_destroy(sw->sieves);
	rtnl_close(sw->rtnl);
	gateways_destroy(sw);
	conns_destroy(sw->conns);
	fdb_destroy(sw->fdb);
	names_destroy(sw->uplink_names);
	names_destroy(sw->segment_names);
	names_destroy(sw->port_names);
	free(sw->segment_by_number);
	free(sw->port_by_number);
	bulk_destroy(sw->port_host.bulk);
	frame_pool_destroy(sw->pool);
	if (sw->loop)
		ev_loop_destroy(sw->loop);
}
