/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interfaces, by rtnetlink: to look at those of uplinks and be told when they
 * change, and to name, address, move and raise those of guests.
 */
#ifndef TVD_RTNL_H
#define TVD_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/err.h"

struct ev_loop;
struct rtnl;

/* What a link is now. */
struct rtnl_link {
	char name[IFNAMSIZ];
	unsigned ifindex;
	bool up;      /* administratively */
	bool carrier; /* and the wire is there */
	unsigned mtu;
	struct mac mac;	 /* zero: it has none, or one of another length */
	unsigned master; /* the bridge or bond that it is a port of; 0: none */
	int addr_gen;	 /* how it makes IPv6 addresses of itself; -1: it has no IPv6 */
	/* Packets that it was given to send, and had no room for; 0 in a list of all links. */
	uint64_t tx_dropped;
};

/* One change to a link; members that are zero are left alone. */
struct rtnl_change {
	const char *name;
	const struct mac *mac;
	unsigned mtu;
	int netns_fd; /* -1: stay; else move there first */
	bool up, down;
	bool set_addr_gen;
	uint8_t addr_gen; /* IN6_ADDR_GEN_MODE_ */
};

/* Called, at most once a turn of the loop, after links or addresses have changed. */
typedef void rtnl_changed_fn(void *arg);

/* 0 and *rtnl, or negative errno. `fn` may be called from then on. */
int rtnl_open(struct rtnl **rtnl, struct ev_loop *loop, rtnl_changed_fn *fn, void *arg);
void rtnl_close(struct rtnl *rtnl);

/* 0; -ENODEV when there is no such interface; or another negative errno. */
int rtnl_get_link(struct rtnl *rtnl, const char *ifname, struct rtnl_link *link);
int rtnl_get_link_at(struct rtnl *rtnl, unsigned ifindex, struct rtnl_link *link);

/*
 * Called for each link of this network namespace. 0; -EINTR when links changed
 * under way, so that some were not, or twice, reported; or another negative errno.
 */
typedef void rtnl_link_fn(void *arg, const struct rtnl_link *link);
int rtnl_each_link(struct rtnl *rtnl, rtnl_link_fn *fn, void *arg);

/*
 * Changes a link in one message, so that nothing of it is seen half done. The
 * kernel's own words, where it has any, are in err. 0 or negative errno.
 */
int rtnl_set_link(struct rtnl *rtnl, unsigned ifindex, const struct rtnl_change *change,
		  struct err *err);

/* Called for each usable address of this network namespace. */
typedef void rtnl_addr_fn(void *arg, unsigned ifindex, const struct ipaddr *addr,
			  uint8_t prefix_len);
int rtnl_each_addr(struct rtnl *rtnl, rtnl_addr_fn *fn, void *arg);

/*
 * To whom the kernel hands what goes from src to dst through this interface: a gateway,
 * or dst itself. 0; -ENETUNREACH when it goes another way, or not as it is; or another
 * negative errno.
 */
int rtnl_get_via(struct rtnl *rtnl, unsigned ifindex, const struct ipaddr *src,
		 const struct ipaddr *dst, struct ipaddr *via);

/*
 * The Ethernet address of a neighbour; has the kernel verify one that is stale. 0;
 * -ENOENT when the kernel has none that is good; or another negative errno.
 */
int rtnl_get_neighbour(struct rtnl *rtnl, unsigned ifindex, const struct ipaddr *addr,
		       struct mac *mac);

#endif
