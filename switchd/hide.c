/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/hide.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "switchd/rtnl.h"
#include "switchd/tc.h"

LOG_MODULE("hide");

#define PRIORITY 2u

/* Several processes may share an interface: each has a handle of its own. */
static struct tc_filter filter_on(unsigned ifindex, uint32_t instance)
{
	return (struct tc_filter){
	    .ifindex = ifindex,
	    .side = TC_INGRESS,
	    .priority = PRIORITY,
	    .handle = (instance & 0x7fffffffu) | 1,
	    .magic = TC_HIDE,
	    .instance = instance,
	};
}

/* What is not dropped is for other filters to judge. */
static void set_verdicts(struct sock_filter *code, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (code[i].code == (BPF_RET | BPF_K))
			code[i].k = code[i].k ? TC_ACT_SHOT : (uint32_t)TC_ACT_UNSPEC;
	}
}

int hide_put(struct rtnl *rtnl, unsigned ifindex, uint32_t instance,
	     const struct sock_filter *program, unsigned count, struct err *err)
{
	struct tc_filter filter = filter_on(ifindex, instance);
	struct sock_filter code[TC_PROGRAM_MAX];
	struct err said = {""};
	struct tc_seen seen = {false, 0, 0, 0, 0};
	bool added = false;
	int ret;

	if (count > TC_PROGRAM_MAX)
		return err_set(err, E2BIG, "the filter of what the host is not to see is too long");
	memcpy(code, program, count * sizeof(*program));
	set_verdicts(code, count);
	ret = tc_look_for(rtnl, &filter, &seen);
	if (ret == 0 && seen.found)
		filter.former = seen.former;
	else if (ret == 0)
		ret = tc_need_qdisc(rtnl, ifindex, &added, &said);
	if (added || (ret == 0 && !seen.found && tc_came_with_us(rtnl, ifindex)))
		filter.former = TC_NO_QDISC;
	if (ret == 0)
		ret = tc_add(rtnl, &filter, code, count, true, &said);
	if (ret < 0 && added)
		tc_del_qdisc(rtnl, ifindex);
	if (ret < 0)
		return err_set(err, -ret, "nothing can be kept from the host's stack: %s",
			       said.text[0] ? said.text : strerror(-ret));
	return 0;
}

void hide_end(struct rtnl *rtnl, unsigned ifindex, uint32_t instance)
{
	struct tc_filter filter = filter_on(ifindex, instance);
	struct tc_seen seen = {false, 0, 0, 0, 0}, other = seen;

	if (tc_look_for(rtnl, &filter, &seen) < 0 || !seen.found)
		return;
	filter.handle = seen.handle;
	tc_del(rtnl, &filter);
	filter.side = TC_EGRESS;
	if ((seen.former & TC_NO_QDISC) && seen.others == 0 &&
	    tc_look(rtnl, &filter, &other) == 0 && other.others == 0)
		tc_del_qdisc(rtnl, ifindex);
}

void hide_recover(struct rtnl *rtnl, uint32_t instance, hide_used_fn *used, void *arg)
{
	struct tc_qdiscs list;

	if (tc_list_qdiscs(rtnl, 0, &list) < 0)
		log_warn("interfaces cannot be listed: what was left behind may stay");
	for (size_t i = 0; i < list.count; i++) {
		struct tc_filter filter = filter_on(list.ifindex[i], instance);
		struct tc_seen seen = {false, 0, 0, 0, 0};

		if (used(arg, list.ifindex[i]) || tc_look_for(rtnl, &filter, &seen) < 0 ||
		    !seen.found)
			continue;
		log_info("interface %u was left behind: the host hears all of it again",
			 list.ifindex[i]);
		hide_end(rtnl, list.ifindex[i], instance);
	}
	free(list.ifindex);
}
