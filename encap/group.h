/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memberships in multicast groups, more than one socket may have. Who joins here
 * makes the host receive the group; the socket that reads it is the backend's.
 */
#ifndef TVD_GROUP_H
#define TVD_GROUP_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/list.h"

struct encap;

struct groups {
	struct list holders, joins;
};

static inline void groups_init(struct groups *groups)
{
	list_init(&groups->holders);
	list_init(&groups->joins);
}

/* Joins a group on an interface; counted. 0 or negative errno. */
int group_join(struct groups *groups, const struct ipaddr *group, unsigned ifindex);

/* Where a backend is in its group; zero to begin with. */
struct group_member {
	unsigned ifindex; /* 0: nowhere */
	bool was_up;
};

/*
 * Joins a backend's group (which may be unset) where its uplink is now. When the
 * uplink has been away the group is left and joined again, which makes the kernel
 * report it to snooping switches at once. What fails is logged.
 */
void group_follow(struct groups *groups, struct group_member *member, const struct ipaddr *group,
		  const struct encap *encap);
void group_unfollow(struct groups *groups, struct group_member *member, const struct ipaddr *group);

/* Takes one join back. The interface may be gone. */
void group_leave(struct groups *groups, const struct ipaddr *group, unsigned ifindex);

#endif
