/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memberships in multicast groups, more than one socket may have. Who joins here
 * makes the host receive the group; the socket that reads it is the backend's.
 */
#ifndef TVD_GROUP_H
#define TVD_GROUP_H

#include "lib/addr.h"
#include "lib/list.h"

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

/* Takes one join back. The interface may be gone. */
void group_leave(struct groups *groups, const struct ipaddr *group, unsigned ifindex);

#endif
