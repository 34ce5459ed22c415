/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/shield.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "switchd/rtnl.h"
#include "switchd/tc.h"

LOG_MODULE("shield");

#define PRIORITY 1u /* before whatever others may have put there */
#define HANDLE	 1u

/* The former state. */
#define FORMER_ADDR_GEN	 0x0fu
#define FORMER_HAS_IPV6	 0x10u
#define FORMER_LINK_DOWN 0x40u

static struct tc_filter filter_on(unsigned ifindex, int side)
{
	static const uint32_t sides[] = {TC_INGRESS, TC_EGRESS};

	return (struct tc_filter){
	    .ifindex = ifindex,
	    .side = sides[side],
	    .priority = PRIORITY,
	    .handle = HANDLE,
	    .magic = TC_SHIELD,
	};
}

static int add_filter(struct rtnl *rtnl, unsigned ifindex, int side, uint32_t instance,
		      uint32_t former, struct err *err)
{
	static const struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, TC_ACT_SHOT);
	struct tc_filter filter = filter_on(ifindex, side);

	filter.instance = instance;
	filter.former = former;
	return tc_add(rtnl, &filter, &drop, 1, false, err);
}

static void del_filter(struct rtnl *rtnl, unsigned ifindex, int side, uint32_t handle)
{
	struct tc_filter filter = filter_on(ifindex, side);

	filter.handle = handle;
	tc_del(rtnl, &filter);
}

static uint32_t former_of(const struct rtnl_link *link, bool no_qdisc)
{
	uint32_t former = 0;

	if (link->addr_gen >= 0)
		former |= FORMER_HAS_IPV6 | ((uint32_t)link->addr_gen & FORMER_ADDR_GEN);
	if (no_qdisc)
		former |= TC_SHIELD_NO_QDISC;
	if (!link->up)
		former |= FORMER_LINK_DOWN;
	return former;
}

static int look_both(struct rtnl *rtnl, unsigned ifindex, struct tc_seen seen[2])
{
	int ret = 0;

	for (int i = 0; i < 2 && ret == 0; i++) {
		struct tc_filter kind = filter_on(ifindex, i);

		ret = tc_look(rtnl, &kind, &seen[i]);
	}
	return ret;
}

/* Changes what is not yet so. */
static int set_up(struct rtnl *rtnl, const struct rtnl_link *link, uint32_t instance,
		  uint32_t former, const struct tc_seen seen[2], struct err *err)
{
	struct rtnl_change change = {.netns_fd = -1, .up = true};
	int ret = 0;

	for (int i = 0; i < 2 && ret == 0; i++) {
		if (!seen[i].found)
			ret = add_filter(rtnl, link->ifindex, i, instance, former, err);
	}
	if (ret < 0)
		return ret;
	change.set_addr_gen = link->addr_gen >= 0 && link->addr_gen != IN6_ADDR_GEN_MODE_NONE;
	change.addr_gen = IN6_ADDR_GEN_MODE_NONE;
	return rtnl_set_link(rtnl, link->ifindex, &change, err);
}

int shield_raise(struct rtnl *rtnl, const struct rtnl_link *link, uint32_t instance,
		 struct err *err)
{
	unsigned ifindex = link->ifindex;
	struct err said = {""};
	struct tc_seen seen[2];
	bool added = false;
	uint32_t former;
	int ret = look_both(rtnl, ifindex, seen);

	for (int i = 0; i < 2 && ret == 0; i++) {
		if (seen[i].found && seen[i].instance != instance)
			ret = err_set(&said, EBUSY,
				      "another switchd has it (`tc qdisc del dev %s clsact` frees "
				      "it, should that one be gone for good)",
				      link->name);
	}
	if (ret == 0 && (seen[0].found || seen[1].found)) {
		former = seen[0].found ? seen[0].former : seen[1].former;
		log_info("interface %s: taking over what was left behind", link->name);
	} else if (ret == 0) {
		ret = tc_need_qdisc(rtnl, ifindex, &added, &said);
		former = former_of(link, added);
	}
	if (ret == 0) {
		ret = set_up(rtnl, link, instance, former, seen, &said);
		if (ret < 0)
			shield_lower(rtnl, ifindex, instance);
		if (ret < 0 && added)
			tc_del_qdisc(rtnl, ifindex);
	}
	if (ret < 0)
		return err_set(err, -ret, "%s", said.text[0] ? said.text : strerror(-ret));
	return 0;
}

bool shield_stands(struct rtnl *rtnl, unsigned ifindex, uint32_t instance)
{
	struct tc_seen seen[2];

	return look_both(rtnl, ifindex, seen) == 0 && seen[0].found && seen[1].found &&
	       seen[0].instance == instance && seen[1].instance == instance;
}

void shield_lower(struct rtnl *rtnl, unsigned ifindex, uint32_t instance)
{
	struct rtnl_change change = {.netns_fd = -1};
	struct tc_seen seen[2];
	uint32_t former;
	struct err err;

	if (look_both(rtnl, ifindex, seen) < 0 || (!seen[0].found && !seen[1].found))
		return;
	former = seen[0].found ? seen[0].former : seen[1].former;
	if ((seen[0].found ? seen[0].instance : seen[1].instance) != instance)
		return;
	/* The filters go last: until then another start could still do all this. */
	change.down = former & FORMER_LINK_DOWN;
	change.set_addr_gen = former & FORMER_HAS_IPV6;
	change.addr_gen = former & FORMER_ADDR_GEN;
	if ((change.down || change.set_addr_gen) && rtnl_set_link(rtnl, ifindex, &change, &err) < 0)
		log_warn("interface %u cannot be made what it was: %s", ifindex, err.text);
	for (int i = 0; i < 2; i++) {
		if (seen[i].found)
			del_filter(rtnl, ifindex, i, seen[i].handle);
	}
	if ((former & TC_SHIELD_NO_QDISC) && seen[0].others == 0 && seen[1].others == 0)
		tc_del_qdisc(rtnl, ifindex);
}

void shield_recover(struct rtnl *rtnl, uint32_t instance, shield_used_fn *used, void *arg)
{
	struct tc_qdiscs list;

	if (tc_list_qdiscs(rtnl, 0, &list) < 0)
		log_warn("interfaces cannot be listed: what was left behind may stay");
	for (size_t i = 0; i < list.count; i++) {
		struct tc_seen seen[2];

		if (used(arg, list.ifindex[i]) || look_both(rtnl, list.ifindex[i], seen) < 0 ||
		    !((seen[0].found && seen[0].instance == instance) ||
		      (seen[1].found && seen[1].instance == instance)))
			continue;
		log_info("interface %u was left behind: giving it back to the host",
			 list.ifindex[i]);
		shield_lower(rtnl, list.ifindex[i], instance);
	}
	free(list.ifindex);
}
