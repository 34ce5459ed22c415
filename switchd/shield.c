/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/shield.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "switchd/rtnl_impl.h"

LOG_MODULE("shield");

#define MAGIC	 0x74766473u /* "tvds" */
#define PRIORITY 1u	     /* before whatever others may have put there */
#define HANDLE	 1u
#define PROGRAM	 4u /* instructions: magic, instance, former state, drop */

/* The former state. */
#define FORMER_ADDR_GEN	  0x0fu
#define FORMER_HAS_IPV6	  0x10u
#define FORMER_NO_QDISC	  0x20u
#define FORMER_LINK_DOWN  0x40u
#define QDISC_HANDLE	  TC_H_MAKE(TC_H_CLSACT, 0)
#define SIDE(minor)	  TC_H_MAKE(TC_H_CLSACT, (minor))
#define PRIORITY_AND_TYPE TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL))

static const uint32_t sides[] = {SIDE(TC_H_MIN_INGRESS), SIDE(TC_H_MIN_EGRESS)};

/* What filters there are on one side. */
struct seen {
	bool found; /* a shield */
	uint32_t instance, former, handle;
	unsigned others;
};

static struct nlmsghdr *put_request(char *buf, uint16_t type, uint16_t flags, unsigned ifindex,
				    uint32_t parent, struct tcmsg **tcm)
{
	struct nlmsghdr *nlh = rtnl_put_header(buf, type, flags, sizeof(**tcm), (void **)tcm);

	(*tcm)->tcm_ifindex = (int)ifindex;
	(*tcm)->tcm_parent = parent;
	return nlh;
}

/* ---- qdiscs ---- */

/* 0; 1 if there is a clsact qdisc already; or negative errno. */
static int add_qdisc(struct rtnl *rtnl, unsigned ifindex, struct err *err)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct tcmsg *tcm;
	struct nlmsghdr *nlh = put_request(buf, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
					   ifindex, TC_H_CLSACT, &tcm);

	tcm->tcm_handle = QDISC_HANDLE;
	mnl_attr_put_strz(nlh, TCA_KIND, "clsact");
	return rtnl_transact(rtnl, nlh, NULL, NULL, err);
}

static void del_qdisc(struct rtnl *rtnl, unsigned ifindex)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct tcmsg *tcm;
	struct nlmsghdr *nlh =
	    put_request(buf, RTM_DELQDISC, NLM_F_ACK, ifindex, TC_H_CLSACT, &tcm);

	tcm->tcm_handle = QDISC_HANDLE;
	(void)rtnl_transact(rtnl, nlh, NULL, NULL, NULL);
}

struct qdiscs {
	unsigned *ifindex;
	size_t count, room;
	unsigned only; /* this interface's; 0: all */
};

/* Notes interfaces with a clsact qdisc. */
static int on_qdisc(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	struct qdiscs *list = arg;
	const struct nlattr *attr;
	bool clsact = false;

	rtnl_each_attr(attr, nlh, sizeof(*tcm))
	{
		if (mnl_attr_get_type(attr) == TCA_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			clsact = strcmp(mnl_attr_get_str(attr), "clsact") == 0;
	}
	if (!clsact || (list->only && list->only != (unsigned)tcm->tcm_ifindex))
		return MNL_CB_OK;
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 16;
		unsigned *grown = realloc(list->ifindex, room * sizeof(*grown));

		if (!grown)
			return MNL_CB_OK;
		list->ifindex = grown;
		list->room = room;
	}
	list->ifindex[list->count++] = (unsigned)tcm->tcm_ifindex;
	return MNL_CB_OK;
}

static int list_qdiscs(struct rtnl *rtnl, unsigned only, struct qdiscs *list)
{
	int ret = -EINTR;

	memset(list, 0, sizeof(*list));
	list->only = only;
	for (int tries = 0; ret == -EINTR && tries < 5; tries++) {
		char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
		struct tcmsg *tcm;

		list->count = 0;
		ret = rtnl_transact(rtnl, put_request(buf, RTM_GETQDISC, NLM_F_DUMP, only, 0, &tcm),
				    on_qdisc, list, NULL);
	}
	return ret;
}

/* ---- filters ---- */

/* Whether these are the options of a shield. */
static bool read_program(const struct nlattr *options, struct seen *seen)
{
	struct sock_filter code[PROGRAM];
	const struct nlattr *attr;

	rtnl_each_nested(attr, options)
	{
		if (mnl_attr_get_type(attr) != TCA_BPF_OPS ||
		    mnl_attr_get_payload_len(attr) != sizeof(code))
			continue;
		memcpy(code, mnl_attr_get_payload(attr), sizeof(code));
		if (code[0].code != (BPF_LD | BPF_IMM) || code[0].k != MAGIC)
			continue;
		seen->instance = code[1].k;
		seen->former = code[2].k;
		return true;
	}
	return false;
}

static int on_filter(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *options = NULL;
	struct seen *seen = arg;
	bool bpf = false;

	/* One without a handle only heads those of its priority. */
	if (nlh->nlmsg_type != RTM_NEWTFILTER || tcm->tcm_handle == 0)
		return MNL_CB_OK;
	rtnl_each_attr(attr, nlh, sizeof(*tcm))
	{
		if (mnl_attr_get_type(attr) == TCA_OPTIONS)
			options = attr;
		else if (mnl_attr_get_type(attr) == TCA_KIND &&
			 mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			bpf = strcmp(mnl_attr_get_str(attr), "bpf") == 0;
	}
	if (bpf && options && tcm->tcm_info == PRIORITY_AND_TYPE && read_program(options, seen)) {
		seen->found = true;
		seen->handle = tcm->tcm_handle;
	} else {
		seen->others++;
	}
	return MNL_CB_OK;
}

static int look(struct rtnl *rtnl, unsigned ifindex, uint32_t side, struct seen *seen)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct tcmsg *tcm;

	memset(seen, 0, sizeof(*seen));
	return rtnl_transact(rtnl,
			     put_request(buf, RTM_GETTFILTER, NLM_F_DUMP, ifindex, side, &tcm),
			     on_filter, seen, NULL);
}

static int add_filter(struct rtnl *rtnl, unsigned ifindex, uint32_t side, uint32_t instance,
		      uint32_t former, struct err *err)
{
	const struct sock_filter code[PROGRAM] = {
	    BPF_STMT(BPF_LD | BPF_IMM, MAGIC),
	    BPF_STMT(BPF_LD | BPF_IMM, instance),
	    BPF_STMT(BPF_LD | BPF_IMM, former),
	    BPF_STMT(BPF_RET | BPF_K, TC_ACT_SHOT),
	};
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlattr *options;
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;

	nlh = put_request(buf, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ifindex, side,
			  &tcm);
	tcm->tcm_handle = HANDLE;
	tcm->tcm_info = PRIORITY_AND_TYPE;
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	options = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	mnl_attr_put_u16(nlh, TCA_BPF_OPS_LEN, PROGRAM);
	mnl_attr_put(nlh, TCA_BPF_OPS, sizeof(code), code);
	mnl_attr_put_u32(nlh, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(nlh, options);
	return rtnl_transact(rtnl, nlh, NULL, NULL, err);
}

static void del_filter(struct rtnl *rtnl, unsigned ifindex, uint32_t side, uint32_t handle)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct tcmsg *tcm;
	struct nlmsghdr *nlh = put_request(buf, RTM_DELTFILTER, NLM_F_ACK, ifindex, side, &tcm);

	tcm->tcm_handle = handle;
	tcm->tcm_info = PRIORITY_AND_TYPE;
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	(void)rtnl_transact(rtnl, nlh, NULL, NULL, NULL);
}

/* ---- shields ---- */

static uint32_t former_of(const struct rtnl_link *link, bool no_qdisc)
{
	uint32_t former = 0;

	if (link->addr_gen >= 0)
		former |= FORMER_HAS_IPV6 | ((uint32_t)link->addr_gen & FORMER_ADDR_GEN);
	if (no_qdisc)
		former |= FORMER_NO_QDISC;
	if (!link->up)
		former |= FORMER_LINK_DOWN;
	return former;
}

/* Where filters can hang. Sets *added. */
static int need_qdisc(struct rtnl *rtnl, unsigned ifindex, bool *added, struct err *err)
{
	int ret = add_qdisc(rtnl, ifindex, err);
	struct qdiscs list;

	*added = ret == 0;
	if (ret != -EEXIST)
		return ret;
	ret = list_qdiscs(rtnl, ifindex, &list);
	free(list.ifindex);
	if (ret < 0)
		return ret;
	if (list.count == 0)
		return err_set(err, EEXIST, "somebody else has a tc ingress qdisc there");
	return 0;
}

static int look_both(struct rtnl *rtnl, unsigned ifindex, struct seen seen[2])
{
	int ret = look(rtnl, ifindex, sides[0], &seen[0]);

	return ret < 0 ? ret : look(rtnl, ifindex, sides[1], &seen[1]);
}

/* Changes what is not yet so. */
static int set_up(struct rtnl *rtnl, const struct rtnl_link *link, uint32_t instance,
		  uint32_t former, const struct seen seen[2], struct err *err)
{
	struct rtnl_change change = {.netns_fd = -1, .up = true};
	int ret = 0;

	for (int i = 0; i < 2 && ret == 0; i++) {
		if (!seen[i].found)
			ret = add_filter(rtnl, link->ifindex, sides[i], instance, former, err);
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
	struct seen seen[2];
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
		ret = need_qdisc(rtnl, ifindex, &added, &said);
		former = former_of(link, added);
	}
	if (ret == 0) {
		ret = set_up(rtnl, link, instance, former, seen, &said);
		if (ret < 0)
			shield_lower(rtnl, ifindex, instance);
		if (ret < 0 && added)
			del_qdisc(rtnl, ifindex);
	}
	if (ret < 0)
		return err_set(err, -ret, "%s", said.text[0] ? said.text : strerror(-ret));
	return 0;
}

bool shield_stands(struct rtnl *rtnl, unsigned ifindex, uint32_t instance)
{
	struct seen seen[2];

	return look_both(rtnl, ifindex, seen) == 0 && seen[0].found && seen[1].found &&
	       seen[0].instance == instance && seen[1].instance == instance;
}

void shield_lower(struct rtnl *rtnl, unsigned ifindex, uint32_t instance)
{
	struct rtnl_change change = {.netns_fd = -1};
	struct seen seen[2];
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
			del_filter(rtnl, ifindex, sides[i], seen[i].handle);
	}
	if ((former & FORMER_NO_QDISC) && seen[0].others == 0 && seen[1].others == 0)
		del_qdisc(rtnl, ifindex);
}

void shield_recover(struct rtnl *rtnl, uint32_t instance, shield_used_fn *used, void *arg)
{
	struct qdiscs list;

	if (list_qdiscs(rtnl, 0, &list) < 0)
		log_warn("interfaces cannot be listed: what was left behind may stay");
	for (size_t i = 0; i < list.count; i++) {
		struct seen seen[2];

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
