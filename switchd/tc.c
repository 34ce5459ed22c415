/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/tc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "switchd/rtnl_impl.h"

#define QDISC_HANDLE TC_H_MAKE(TC_H_CLSACT, 0)

static uint32_t priority_and_type(const struct tc_filter *filter)
{
	uint16_t protocol = filter->protocol ? filter->protocol : ETH_P_ALL;

	return TC_H_MAKE((uint32_t)filter->priority << 16, htons(protocol));
}

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

void tc_del_qdisc(struct rtnl *rtnl, unsigned ifindex)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct tcmsg *tcm;
	struct nlmsghdr *nlh =
	    put_request(buf, RTM_DELQDISC, NLM_F_ACK, ifindex, TC_H_CLSACT, &tcm);

	tcm->tcm_handle = QDISC_HANDLE;
	(void)rtnl_transact(rtnl, nlh, NULL, NULL, NULL);
}

/* Notes interfaces with a clsact qdisc. */
static int on_qdisc(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	struct tc_qdiscs *list = arg;
	const struct nlattr *attr;
	bool clsact = false;
	unsigned *grown;

	rtnl_each_attr(attr, nlh, sizeof(*tcm))
	{
		if (mnl_attr_get_type(attr) == TCA_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			clsact = strcmp(mnl_attr_get_str(attr), "clsact") == 0;
	}
	if (!clsact || (list->only && list->only != (unsigned)tcm->tcm_ifindex))
		return MNL_CB_OK;
	grown = array_grow(list->ifindex, list->count, &list->room, sizeof(*grown));
	if (!grown)
		return MNL_CB_OK;
	list->ifindex = grown;
	list->ifindex[list->count++] = (unsigned)tcm->tcm_ifindex;
	return MNL_CB_OK;
}

int tc_list_qdiscs(struct rtnl *rtnl, unsigned only, struct tc_qdiscs *list)
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

int tc_need_qdisc(struct rtnl *rtnl, unsigned ifindex, bool *added, struct err *err)
{
	int ret = add_qdisc(rtnl, ifindex, err);
	struct tc_qdiscs list;

	*added = ret == 0;
	if (ret != -EEXIST)
		return ret;
	ret = tc_list_qdiscs(rtnl, ifindex, &list);
	free(list.ifindex);
	if (ret < 0)
		return ret;
	if (list.count == 0)
		return err_set(err, EEXIST, "somebody else has a tc ingress qdisc there");
	return 0;
}

/* ---- filters ---- */

struct search {
	const struct tc_filter *kind; /* without a magic: whatever the qdisc came with */
	bool one;		      /* of the instance alone */
	struct tc_seen *seen;
};

/* The name of a program that was loaded: this, and three numbers. */
#define NAME	 "tvdswitch"
#define NAME_LEN sizeof(NAME ":01234567:01234567:01234567")

static bool came_with(uint32_t magic, uint32_t former)
{
	if (magic == TC_SHIELD)
		return former & TC_SHIELD_NO_QDISC;
	return (magic == TC_HIDE || magic == TC_SIEVE || magic == TC_ACCELERATOR) &&
	       (former & TC_NO_QDISC);
}

/* Whether a filter of this magic and instance, with what is to be undone, is one of those. */
static bool note(const struct search *search, uint32_t magic, uint32_t instance, uint32_t former)
{
	if (!search->kind->magic)
		return came_with(magic, former);
	if (magic != search->kind->magic || (search->one && instance != search->kind->instance))
		return false;
	search->seen->instance = instance;
	search->seen->former = former;
	return true;
}

static bool read_name(const struct nlattr *attr, const struct search *search)
{
	uint32_t value[3];
	const char *at;

	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return false;
	at = mnl_attr_get_str(attr);
	if (strncmp(at, NAME, sizeof(NAME) - 1) != 0)
		return false;
	at += sizeof(NAME) - 1;
	for (unsigned i = 0; i < 3; i++) {
		char *end;

		if (*at++ != ':')
			return false;
		value[i] = (uint32_t)strtoul(at, &end, 16);
		if (end == at)
			return false;
		at = end;
	}
	return *at == '\0' && note(search, value[0], value[1], value[2]);
}

/* Whether these are the options of such a filter. */
static bool read_program(const struct nlattr *options, const struct search *search)
{
	struct sock_filter code[TC_MARK_LEN];
	const struct nlattr *attr;

	rtnl_each_nested(attr, options)
	{
		if (mnl_attr_get_type(attr) == TCA_BPF_NAME && read_name(attr, search))
			return true;
		if (mnl_attr_get_type(attr) != TCA_BPF_OPS ||
		    mnl_attr_get_payload_len(attr) <= sizeof(code))
			continue;
		memcpy(code, mnl_attr_get_payload(attr), sizeof(code));
		if (code[0].code == (BPF_LD | BPF_IMM) &&
		    note(search, code[0].k, code[1].k, code[2].k))
			return true;
	}
	return false;
}

static int on_filter(const struct nlmsghdr *nlh, void *arg)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *options = NULL;
	struct search *search = arg;
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
	if (bpf && options &&
	    (!search->kind->magic || tcm->tcm_info == priority_and_type(search->kind)) &&
	    read_program(options, search)) {
		search->seen->found = true;
		search->seen->handle = tcm->tcm_handle;
	} else {
		search->seen->others++;
	}
	return MNL_CB_OK;
}

static int look(struct rtnl *rtnl, const struct tc_filter *kind, bool one, struct tc_seen *seen)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct search search = {kind, one, seen};
	struct tcmsg *tcm;

	memset(seen, 0, sizeof(*seen));
	return rtnl_transact(
	    rtnl, put_request(buf, RTM_GETTFILTER, NLM_F_DUMP, kind->ifindex, kind->side, &tcm),
	    on_filter, &search, NULL);
}

int tc_look(struct rtnl *rtnl, const struct tc_filter *kind, struct tc_seen *seen)
{
	return look(rtnl, kind, false, seen);
}

int tc_look_for(struct rtnl *rtnl, const struct tc_filter *kind, struct tc_seen *seen)
{
	return look(rtnl, kind, true, seen);
}

bool tc_came_with_us(struct rtnl *rtnl, unsigned ifindex)
{
	struct tc_filter any = {.ifindex = ifindex, .side = TC_INGRESS};
	struct tc_seen seen = {.found = false}, out = seen;

	if (tc_look(rtnl, &any, &seen) < 0)
		return false;
	any.side = TC_EGRESS;
	return seen.found || (tc_look(rtnl, &any, &out) == 0 && out.found);
}

int tc_add(struct rtnl *rtnl, const struct tc_filter *filter, const struct sock_filter *program,
	   unsigned count, bool replace, struct err *err)
{
	const struct sock_filter mark[TC_MARK_LEN] = {
	    BPF_STMT(BPF_LD | BPF_IMM, filter->magic),
	    BPF_STMT(BPF_LD | BPF_IMM, filter->instance),
	    BPF_STMT(BPF_LD | BPF_IMM, filter->former),
	};
	struct sock_filter code[TC_MARK_LEN + TC_PROGRAM_MAX];
	char buf[512 + sizeof(code)] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlattr *options;
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;

	if (count > TC_PROGRAM_MAX)
		return -E2BIG;
	memcpy(code, mark, sizeof(mark));
	memcpy(code + TC_MARK_LEN, program, count * sizeof(*program));
	nlh = put_request(buf, RTM_NEWTFILTER,
			  (uint16_t)(NLM_F_ACK | NLM_F_CREATE | (replace ? 0 : NLM_F_EXCL)),
			  filter->ifindex, filter->side, &tcm);
	tcm->tcm_handle = filter->handle;
	tcm->tcm_info = priority_and_type(filter);
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	options = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	mnl_attr_put_u16(nlh, TCA_BPF_OPS_LEN, (uint16_t)(TC_MARK_LEN + count));
	mnl_attr_put(nlh, TCA_BPF_OPS, (TC_MARK_LEN + count) * sizeof(*code), code);
	mnl_attr_put_u32(nlh, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(nlh, options);
	return rtnl_transact(rtnl, nlh, NULL, NULL, err);
}

int tc_add_program(struct rtnl *rtnl, const struct tc_filter *filter, int program, struct err *err)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO))), name[NAME_LEN];
	struct nlattr *options;
	struct nlmsghdr *nlh;
	struct tcmsg *tcm;

	nlh = put_request(buf, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
			  filter->ifindex, filter->side, &tcm);
	tcm->tcm_handle = filter->handle;
	tcm->tcm_info = priority_and_type(filter);
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	options = mnl_attr_nest_start(nlh, TCA_OPTIONS);
	(void)snprintf(name, sizeof(name), NAME ":%08x:%08x:%08x", filter->magic, filter->instance,
		       filter->former);
	mnl_attr_put_u32(nlh, TCA_BPF_FD, (uint32_t)program);
	mnl_attr_put_strz(nlh, TCA_BPF_NAME, name);
	mnl_attr_put_u32(nlh, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(nlh, options);
	return rtnl_transact(rtnl, nlh, NULL, NULL, err);
}

void tc_del(struct rtnl *rtnl, const struct tc_filter *filter)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct tcmsg *tcm;
	struct nlmsghdr *nlh =
	    put_request(buf, RTM_DELTFILTER, NLM_F_ACK, filter->ifindex, filter->side, &tcm);

	tcm->tcm_handle = filter->handle;
	tcm->tcm_info = priority_and_type(filter);
	mnl_attr_put_strz(nlh, TCA_KIND, "bpf");
	(void)rtnl_transact(rtnl, nlh, NULL, NULL, NULL);
}
