/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/accelerate.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/accel.h"
#include "encap/accel_probe.h"
#include "encap/bpf.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "switchd/events.h"
#include "switchd/nexthop.h"
#include "switchd/rtnl.h"
#include "switchd/tc.h"

LOG_MODULE("accelerate");

#define TUN_DEVICE "/dev/net/tun"
#define PRIORITY   1u /* before whatever others may have put there */
#define HANDLE	   0x5456u

#define LOOK_MS	  900u
#define LOST	  64u	/* packets, of which none arrives until the next look... */
#define SILENT	  2u	/* twice in a row: something is wrong */
#define RETRY_MS  1000u /* at first; each failure doubles it */
#define RETRY_MAX 64000u

struct accelerator {
	struct uplink *uplink;
	unsigned ifindex;
	int memory, tap, link, program[3];
	unsigned tap_ifindex;
	struct accel_shared *shared;
	struct accel *accel; /* NULL: there is none now */
	bool filtered;
	bool sends, receives;
	uint64_t looked;	     /* when its state was last looked at */
	uint64_t stripped, received; /* up to then */
	unsigned silent;	     /* how often in a row nothing came of much */
	uint64_t dropped;	     /* by the helper TAP, up to then */
	uint64_t fallbacks, overruns;
	uint64_t next; /* when to try again */
	unsigned retry_ms;
	char why[160], said[160]; /* what it does not do, and what was last said of that */
};

/* ---- saying ---- */

static void say(struct accelerator *a)
{
	const char *name = a->uplink->conf.name;
	char now[sizeof(a->said)];

	(void)snprintf(now, sizeof(now), "%d%d%.150s", a->sends, a->receives, a->why);
	if (strcmp(now, a->said) == 0)
		return;
	memcpy(a->said, now, sizeof(now));
	if (!a->accel)
		log_info("uplink %s: no accelerator, all goes the default way: %s", name, a->why);
	else
		log_info("uplink %s: the accelerator %s%s%s", name,
			 a->sends && a->receives ? "sends and receives"
			 : a->sends		 ? "sends only"
			 : a->receives		 ? "receives only"
						 : "waits",
			 a->why[0] ? ": " : "", a->why);
	event_uplink(a->uplink);
}

static int fail(struct accelerator *a, int ret, const char *what)
{
	(void)snprintf(a->why, sizeof(a->why), "%.60s: %.80s", what, strerror(-ret));
	return ret;
}

/* ---- what the interface does ---- */

/* One of ethtool's flags; true also when it would not say. */
static bool feature(const char *interface, uint32_t command)
{
	struct ethtool_value value = {.cmd = command, .data = 1};
	struct ifreq ifr = {.ifr_data = (void *)&value};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return true;
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCETHTOOL, &ifr) < 0) /* @syscall ioctl */
		value.data = command != ETHTOOL_GGRO;
	close(fd);
	return value.data != 0;
}

/* What it may do from now on. */
static void adjust(struct accelerator *a)
{
	const struct encap_uplink *view = &a->uplink->view;
	const struct switchd *sw = a->uplink->sw;
	bool policies = nexthops_policies(sw->nexthops);
	bool tapped = nexthops_tapped(sw->nexthops, &sw->encap_host, view);
	/* Hardware would look for TCP behind the outer headers, where it is not. */
	bool hardware =
	    feature(view->interface, ETHTOOL_GTXCSUM) || feature(view->interface, ETHTOOL_GTSO);
	bool merges = feature(view->interface, ETHTOOL_GGRO);

	a->sends = !policies && !tapped && !hardware;
	a->receives = !policies && !tapped && merges;
	a->why[0] = '\0';
	if (policies)
		(void)snprintf(a->why, sizeof(a->why), "there are IPsec policies");
	else if (tapped)
		(void)snprintf(a->why, sizeof(a->why), "somebody captures on %s", view->interface);
	else if (hardware || !merges)
		(void)snprintf(a->why, sizeof(a->why), "%s%s%s: `ethtool -K %s%s%s`",
			       hardware ? "the interface would complete checksums or cut" : "",
			       hardware && !merges ? ", and " : "",
			       merges ? "" : "the kernel does not merge what arrives",
			       view->interface, hardware ? " tx off" : "", merges ? "" : " gro on");
	memcpy(a->shared->mac, &view->mac, sizeof(a->shared->mac));
	a->shared->address = view->addr[0].v4.s_addr;
	a->shared->out_ifindex = view->ifindex;
	accel_allow(a->accel, a->sends, a->receives);
}

/* ---- filters ---- */

static struct tc_filter filter_of(const struct switchd *sw, unsigned ifindex)
{
	return (struct tc_filter){
	    .ifindex = ifindex,
	    .side = TC_INGRESS,
	    .priority = PRIORITY,
	    .handle = HANDLE,
	    .magic = TC_ACCELERATOR,
	    .instance = sw->port_host.instance,
	};
}

/* Removes a filter of ours, or of any instance's, and the qdisc if it came with it and nobody
 * else uses it. Whether there was one. */
static bool remove_filter(struct switchd *sw, unsigned ifindex, bool anybody)
{
	struct tc_filter filter = filter_of(sw, ifindex);
	struct tc_seen seen = {.found = false}, out = {.found = false};
	int ret =
	    anybody ? tc_look(sw->rtnl, &filter, &seen) : tc_look_for(sw->rtnl, &filter, &seen);

	if (ret < 0 || !seen.found)
		return false;
	filter.handle = seen.handle;
	tc_del(sw->rtnl, &filter);
	filter.side = TC_EGRESS;
	if ((seen.former & TC_NO_QDISC) && seen.others == 0 &&
	    tc_look(sw->rtnl, &filter, &out) == 0 && !out.found && out.others == 0)
		tc_del_qdisc(sw->rtnl, ifindex);
	return true;
}

static int add_filter(struct accelerator *a, unsigned ifindex, int program)
{
	struct switchd *sw = a->uplink->sw;
	struct tc_filter filter = filter_of(sw, ifindex);
	struct err err = {""};
	bool added = false;
	int ret = tc_need_qdisc(sw->rtnl, ifindex, &added, &err);

	filter.former = added || tc_came_with_us(sw->rtnl, ifindex) ? TC_NO_QDISC : 0;
	if (ret == 0)
		ret = tc_add_program(sw->rtnl, &filter, program, &err);
	if (ret < 0) {
		(void)snprintf(a->why, sizeof(a->why), "a tc filter: %.100s",
			       err.text[0] ? err.text : strerror(-ret));
		if (added)
			tc_del_qdisc(sw->rtnl, ifindex);
	}
	return ret;
}

void accelerate_recover(struct switchd *sw)
{
	struct tc_qdiscs list;

	if (tc_list_qdiscs(sw->rtnl, 0, &list) < 0)
		log_warn("interfaces cannot be listed: a filter that was left behind may stay");
	for (size_t i = 0; i < list.count; i++) {
		if (remove_filter(sw, list.ifindex[i], false))
			log_info("interface %u: removing the filter of a former accelerator",
				 list.ifindex[i]);
	}
	free(list.ifindex);
}

/* ---- life ---- */

/* @syscall openat ioctl */
static int open_tap(struct accelerator *a)
{
	struct rtnl_change change = {
	    .netns_fd = -1, .up = true, .set_addr_gen = true, .addr_gen = IN6_ADDR_GEN_MODE_NONE};
	struct rtnl *rtnl = a->uplink->sw->rtnl;
	struct rtnl_link link;
	struct err err;
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int ret;

	a->tap = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (a->tap < 0)
		return fail(a, -errno, TUN_DEVICE);
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ACCELERATE_TAP "%d");
	/* Without offloads at first: for the probe the kernel is to cut. */
	if (ioctl(a->tap, TUNSETIFF, &ifr) < 0 || ioctl(a->tap, TUNSETOFFLOAD, 0) < 0)
		return fail(a, -errno, "the helper TAP");
	ret = rtnl_get_link(rtnl, ifr.ifr_name, &link);
	if (ret < 0)
		return fail(a, ret, "the helper TAP");
	a->tap_ifindex = link.ifindex;
	change.set_addr_gen = link.addr_gen >= 0;
	ret = rtnl_set_link(rtnl, link.ifindex, &change, &err);
	return ret < 0 ? fail(a, ret, "raising the helper TAP") : 0;
}

static int load(struct accelerator *a)
{
	static const struct {
		enum bpf_prog_type type;
		const char *name;
	} kinds[] = {
	    [ACCEL_STRIP] = {BPF_PROG_TYPE_XDP, "tvd_strip"},
	    [ACCEL_HAND] = {BPF_PROG_TYPE_SCHED_CLS, "tvd_hand"},
	    [ACCEL_PREPEND] = {BPF_PROG_TYPE_SCHED_CLS, "tvd_prepend"},
	};
	struct bpf_insn code[ACCEL_CODE_MAX];
	struct hash_key random;

	for (unsigned i = 0; i < 3; i++) {
		unsigned n = accel_program((enum accel_program)i, a->memory, a->tap_ifindex, code);

		a->program[i] = bpf_load(kinds[i].type, kinds[i].name, code, n);
		if (a->program[i] < 0)
			return fail(a, a->program[i], "the kernel refuses a program");
	}
	hash_key_random(&random);
	a->shared->cookie = random.word[0];
	return 0;
}

/* Everything but what touches the uplink's interface. */
static int prepare(struct accelerator *a)
{
	const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	void *memory = NULL;
	int ret;

	a->memory = bpf_memory(sizeof(*a->shared), &memory);
	a->shared = memory;
	if (a->memory < 0)
		return fail(a, a->memory,
			    a->memory == -EPERM ? "CAP_BPF is missing" : "a map for programs");
	ret = open_tap(a);
	ret = ret ? ret : load(a);
	ret = ret ? ret : add_filter(a, a->tap_ifindex, a->program[ACCEL_PREPEND]);
	if (ret < 0)
		return ret;
	ret = accel_probe_send(a->shared, a->tap, a->tap_ifindex, a->uplink->sw->pool);
	if (ret < 0)
		return fail(a, ret, "the kernel does not cut as it should");
	ret = accel_probe_strip(a->shared, a->program[ACCEL_STRIP]);
	if (ret < 0)
		return fail(a, ret, "the kernel does not strip as it should");
	return ioctl(a->tap, TUNSETOFFLOAD, offloads) < 0 ? fail(a, -errno, "the helper TAP") : 0;
}

static int attach(struct accelerator *a)
{
	struct uplink *uplink = a->uplink;
	int ret;

	a->link = bpf_attach_xdp(a->program[ACCEL_STRIP], a->ifindex);
	if (a->link < 0) {
		ret = fail(a, a->link, "an XDP program cannot be attached");
		if (a->link == -EBUSY || a->link == -EEXIST)
			(void)snprintf(a->why, sizeof(a->why),
				       "another XDP program, or another switchd's, is on %s",
				       uplink->conf.interface);
		else if (a->link == -EOPNOTSUPP)
			(void)snprintf(a->why, sizeof(a->why),
				       "the driver of %s knows no XDP, or not as it is set up",
				       uplink->conf.interface);
		return ret;
	}
	if (remove_filter(uplink->sw, a->ifindex, true))
		log_info("uplink %s: removing the filter of a former accelerator",
			 uplink->conf.name);
	ret = add_filter(a, a->ifindex, a->program[ACCEL_HAND]);
	if (ret < 0)
		return ret;
	a->filtered = true;
	ret = accel_open(&a->accel, &uplink->sw->encap_host, &uplink->view, a->shared, a->tap);
	return ret < 0 ? fail(a, ret, "out of memory") : 0;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The XDP program goes last, which strips nothing any more: until then no other process,
 * such as a successor, can come and take the filter and its qdisc for its own. */
static void detach(struct accelerator *a)
{
	a->uplink->view.accel = NULL;
	accel_close(a->accel);
	a->accel = NULL;
	a->sends = a->receives = false;
	if (a->filtered)
		(void)remove_filter(a->uplink->sw, a->ifindex, false);
	a->filtered = false;
	shut(&a->link);
	for (unsigned i = 0; i < 3; i++)
		shut(&a->program[i]);
	if (a->shared)
		munmap(a->shared, sizeof(*a->shared)); /* @syscall munmap */
	a->shared = NULL;
	shut(&a->memory);
	shut(&a->tap);
	a->ifindex = 0;
}

static void open_all(struct accelerator *a)
{
	struct uplink *uplink = a->uplink;

	a->ifindex = uplink->view.ifindex;
	if (prepare(a) == 0 && attach(a) == 0) {
		a->stripped = a->received = a->dropped = 0;
		a->silent = 0;
		a->looked = uplink->sw->now;
		a->retry_ms = RETRY_MS;
		uplink->view.accel = a->accel;
		return;
	}
	detach(a);
	a->fallbacks++;
	a->next = uplink->sw->now + a->retry_ms;
	a->retry_ms = a->retry_ms < RETRY_MAX ? 2 * a->retry_ms : RETRY_MAX;
}

/* ---- while it runs ---- */

/* Whether a filter of ours is there; true also when the kernel does not say. */
static bool hangs(const struct accelerator *a, unsigned ifindex)
{
	struct tc_filter filter = filter_of(a->uplink->sw, ifindex);
	struct tc_seen seen = {.found = false};

	return tc_look_for(a->uplink->sw->rtnl, &filter, &seen) != 0 || seen.found;
}

/* Packets that were taken from the wire, and for which there was no room because we did
 * not read: merged ones count once. */
static void count_overruns(struct accelerator *a, const struct rtnl_link *tap)
{
	const uint64_t more = tap->tx_dropped > a->dropped ? tap->tx_dropped - a->dropped : 0;

	a->dropped = tap->tx_dropped;
	a->overruns += more;
	a->uplink->sw->stray[ENCAP_ETHERIP].rx_drops[REASON_OVERRUN] += more;
}

/* What somebody has taken away of all that it is made of; NULL: nothing. */
static const char *missing(struct accelerator *a)
{
	struct rtnl_link tap;
	int ret = rtnl_get_link_at(a->uplink->sw->rtnl, a->tap_ifindex, &tap);

	if (ret == 0)
		count_overruns(a, &tap);
	if (accel_failed(a->accel) || ret == -ENODEV || (ret == 0 && !tap.up))
		return "somebody has removed its helper TAP, or set it down";
	if (!hangs(a, a->ifindex) || !hangs(a, a->tap_ifindex))
		return "somebody has removed its filter";
	if (!bpf_attached(a->link))
		return "somebody has detached its XDP program";
	return NULL;
}

/* Whether much is taken from the wire and nothing arrives; once in a while. */
static bool is_silent(struct accelerator *a)
{
	uint64_t stripped = __atomic_load_n(&a->shared->stripped, __ATOMIC_RELAXED);
	uint64_t received = accel_received(a->accel);
	bool lost = stripped - a->stripped >= LOST && received == a->received;

	a->silent = lost ? a->silent + 1 : 0;
	a->stripped = stripped;
	a->received = received;
	return a->silent >= SILENT;
}

/* Whether what it needs is still there, and works. */
static bool stands(struct accelerator *a)
{
	const char *what = NULL;

	if (!accel_failed(a->accel) && a->uplink->sw->now - a->looked < LOOK_MS)
		return true;
	a->looked = a->uplink->sw->now;
	what = missing(a);
	if (!what && is_silent(a))
		what = "what it receives does not arrive";
	if (what)
		(void)snprintf(a->why, sizeof(a->why), "%s", what);
	return !what;
}

static struct accelerator *create(struct uplink *uplink)
{
	struct accelerator *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->uplink = uplink;
	a->memory = a->tap = a->link = -1;
	a->program[0] = a->program[1] = a->program[2] = -1;
	a->retry_ms = RETRY_MS;
	return a;
}

void accelerate_follow(struct uplink *uplink)
{
	const struct encap_uplink *view = &uplink->view;
	struct accelerator *a = uplink->accelerator;

	if (uplink->conf.fast != FAST_BPF) {
		accelerate_end(uplink);
		return;
	}
	if (!a)
		a = uplink->accelerator = create(uplink);
	if (!a || !uplink->sw->rtnl || !uplink->sw->nexthops)
		return;
	/* While the interface is down all stays: some drivers take it down themselves for a
	 * moment when a program comes or goes. */
	if (a->accel && a->ifindex != view->ifindex) {
		detach(a);
		a->next = 0;
		a->retry_ms = RETRY_MS;
	} else if (a->accel && !stands(a)) {
		detach(a);
		a->fallbacks++;
		a->next = uplink->sw->now + a->retry_ms;
		say(a);
	}
	if (!a->accel && view->up && ipaddr_is_set(&view->addr[0]) && !mac_is_zero(&view->mac) &&
	    uplink->sw->now >= a->next) {
		open_all(a);
		if (!a->accel)
			say(a);
	}
	if (a->accel) {
		adjust(a);
		say(a);
	}
}

void accelerate_end(struct uplink *uplink)
{
	if (!uplink->accelerator)
		return;
	detach(uplink->accelerator);
	free(uplink->accelerator);
	uplink->accelerator = NULL;
}

void accelerate_yield(struct uplink *uplink)
{
	struct accelerator *a = uplink->accelerator;

	if (!a)
		return;
	detach(a);
	a->next = uplink->sw->now + RETRY_MS;
	a->retry_ms = RETRY_MS;
}

json_t *accelerate_show(const struct uplink *uplink)
{
	const struct accelerator *a = uplink->accelerator;

	if (!a)
		return NULL;
	return json_pack("{s:b, s:b, s:s, s:I, s:I, s:I}", "sends", a->sends, "receives",
			 a->receives, "why", a->why, "stripped",
			 (json_int_t)(a->shared ? a->shared->stripped : 0), "overruns",
			 (json_int_t)a->overruns, "fallbacks", (json_int_t)a->fallbacks);
}

bool accelerate_figures(const struct uplink *uplink, struct accelerate_figures *figures)
{
	const struct accelerator *a = uplink->accelerator;

	if (!a)
		return false;
	figures->on = a->accel != NULL;
	figures->fallbacks = a->fallbacks;
	figures->overruns = a->overruns;
	return true;
}
