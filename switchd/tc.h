/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters of ours on the clsact qdisc of an interface, by rtnetlink: classic BPF
 * programs that decide whether the kernel drops a frame, and others. Each begins with constants
 * that it loads for nobody: what it is, whose, and what has to be undone. So it is
 * found again after a kill, by whoever runs as the same instance, and is gone with the
 * interface.
 */
#ifndef TVD_TC_H
#define TVD_TC_H

#include <linux/filter.h>
#include <linux/pkt_sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct rtnl;

#define TC_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define TC_EGRESS  TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

/* Who hangs filters, and the bit of `former` by which each says that the qdisc came with
 * its filter, and goes with it if it is the last. */
#define TC_SHIELD	   0x74766473u /* "tvds" */
#define TC_SHIELD_NO_QDISC 0x20u
#define TC_HIDE		   0x74766468u /* "tvdh" */
#define TC_SIEVE	   0x74766466u /* "tvdf" */
#define TC_ACCELERATOR	   0x74766461u /* "tvda" */
#define TC_NO_QDISC	   0x01u       /* of the other three */

#define TC_MARK_LEN    3u    /* instructions in front of a program: the constants */
#define TC_PROGRAM_MAX 1000u /* instructions that come after them */

/* Where a filter hangs, and what marks it. */
struct tc_filter {
	unsigned ifindex;
	uint32_t side;	   /* TC_INGRESS, TC_EGRESS */
	uint16_t priority; /* lower ones see a frame first */
	uint16_t protocol; /* the Ethernet type of what it sees; 0: all */
	uint32_t handle;   /* among those of its priority; 0: the kernel finds one */
	uint32_t magic, instance, former;
};

/* What there is at such a place. */
struct tc_seen {
	bool found; /* one with this magic */
	uint32_t instance, former, handle;
	unsigned others; /* filters, anybody's */
};

/* Looks for one of a kind (ifindex, side, priority, protocol, magic): 0 or negative errno. */
int tc_look(struct rtnl *rtnl, const struct tc_filter *kind, struct tc_seen *seen);

/* The same, of one instance's among those of several. */
int tc_look_for(struct rtnl *rtnl, const struct tc_filter *kind, struct tc_seen *seen);

/* Puts up one that bpf(2) has loaded, by its descriptor: its name marks it then. 0 or
 * negative errno; -EEXIST when there is one of this handle. */
int tc_add_program(struct rtnl *rtnl, const struct tc_filter *filter, int program, struct err *err);

/* Puts one up; `replace`: in the place of one with its handle. 0 or negative errno. */
int tc_add(struct rtnl *rtnl, const struct tc_filter *filter, const struct sock_filter *program,
	   unsigned count, bool replace, struct err *err);
void tc_del(struct rtnl *rtnl, const struct tc_filter *filter);

/* Sees to it that filters can hang there. Sets *added if nothing could before. */
int tc_need_qdisc(struct rtnl *rtnl, unsigned ifindex, bool *added, struct err *err);
/* Whether the qdisc came with filters of ours, of whichever switchd, that are there still: who
 * hangs another says the same, so that the last takes the qdisc along. */
bool tc_came_with_us(struct rtnl *rtnl, unsigned ifindex);
void tc_del_qdisc(struct rtnl *rtnl, unsigned ifindex);

/* Interfaces that have a clsact qdisc; `only` this one unless 0. The caller frees `ifindex`. */
struct tc_qdiscs {
	unsigned *ifindex;
	size_t count, room;
	unsigned only;
};
int tc_list_qdiscs(struct rtnl *rtnl, unsigned only, struct tc_qdiscs *list);

#endif
