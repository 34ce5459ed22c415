/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memberships. The kernel allows only so many per socket (20
 * by default), so holder sockets take them, as many as it needs: any member makes
 * the host receive the group, whichever socket reads it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/encap.h"
#include "encap/group.h"
#include "lib/log.h"

LOG_MODULE("group");

struct holder {
	struct list link;
	int fd;
	uint16_t family;
	unsigned joins;
	bool full; /* until one leaves */
};

struct join {
	struct list link;
	struct ipaddr group;
	unsigned ifindex, refs;
	struct holder *holder;
};

/* ---- groups ---- */

static int membership(const struct join *join, int option)
{
	struct group_req req = {.gr_interface = join->ifindex};

	(void)ipaddr_to_sockaddr(&join->group, &req.gr_group);
	if (setsockopt(join->holder->fd, join->group.family == AF_INET6 ? SOL_IPV6 : SOL_IP, option,
		       &req, sizeof(req)) < 0)
		return -errno;
	return 0;
}

static struct holder *holder_create(struct groups *groups, uint16_t family)
{
	struct holder *holder = calloc(1, sizeof(*holder));

	if (!holder)
		return NULL;
	holder->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (holder->fd < 0) {
		free(holder);
		return NULL;
	}
	holder->family = family;
	list_add_tail(&groups->holders, &holder->link);
	return holder;
}

static void holder_destroy(struct holder *holder)
{
	list_del(&holder->link);
	close(holder->fd);
	free(holder);
}

int group_join(struct groups *groups, const struct ipaddr *group, unsigned ifindex)
{
	struct join *join;
	int ret;

	list_for_each (&groups->joins, it) {
		join = container_of(it, struct join, link);
		/* The analyzer does not see that list_del() takes a freed join out. */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (join->ifindex == ifindex && ipaddr_equal(&join->group, group)) {
			join->refs++;
			return 0;
		}
	}
	join = calloc(1, sizeof(*join));
	if (!join)
		return -ENOMEM;
	join->group = *group;
	join->ifindex = ifindex;
	join->refs = 1;
	list_for_each (&groups->holders, it) {
		join->holder = container_of(it, struct holder, link);
		if (join->holder->family != group->family || join->holder->full)
			continue;
		ret = membership(join, MCAST_JOIN_GROUP);
		if (ret == -EADDRINUSE) { /* left over from when it could not be left */
			(void)membership(join, MCAST_LEAVE_GROUP);
			ret = membership(join, MCAST_JOIN_GROUP);
		}
		if (ret == 0)
			goto joined;
		if (ret != -ENOBUFS && ret != -ENOMEM)
			goto fail;
		join->holder->full = true;
	}
	join->holder = holder_create(groups, group->family);
	ret = join->holder ? membership(join, MCAST_JOIN_GROUP) : -ENOMEM;
	if (ret < 0) {
		if (join->holder)
			holder_destroy(join->holder);
		goto fail;
	}
joined:
	join->holder->joins++;
	list_add_tail(&groups->joins, &join->link);
	return 0;
fail:
	free(join);
	return ret;
}

void group_leave(struct groups *groups, const struct ipaddr *group, unsigned ifindex)
{
	list_for_each_safe (&groups->joins, it) {
		struct join *join = container_of(it, struct join, link);

		if (join->ifindex != ifindex || !ipaddr_equal(&join->group, group))
			continue;
		if (--join->refs > 0)
			return;
		(void)membership(join, MCAST_LEAVE_GROUP); /* the interface may be gone */
		join->holder->full = false;
		if (--join->holder->joins == 0)
			holder_destroy(join->holder);
		list_del(&join->link);
		free(join);
		return;
	}
}

void group_unfollow(struct groups *groups, struct group_member *member, const struct ipaddr *group)
{
	if (member->ifindex)
		group_leave(groups, group, member->ifindex);
	member->ifindex = 0;
}

void group_follow(struct groups *groups, struct group_member *member, const struct ipaddr *group,
		  const struct encap *encap)
{
	const struct encap_uplink *uplink = encap->uplink;
	bool came_up = uplink->up && !member->was_up;
	int ret;

	if (member->ifindex != uplink->ifindex || came_up)
		group_unfollow(groups, member, group);
	member->was_up = uplink->up;
	if (!ipaddr_is_set(group) || member->ifindex || !uplink->ifindex)
		return;
	ret = group_join(groups, group, uplink->ifindex);
	if (ret == 0)
		member->ifindex = uplink->ifindex;
	else
		log_limited(LOG_LEVEL_WARN, "segment %s: cannot join its group on %s: %s",
			    encap->segment_name, uplink->interface, strerror(-ret));
}
