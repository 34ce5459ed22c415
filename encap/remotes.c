/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/remotes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

int remotes_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ipaddr));
}

/* ---- configurations ---- */

/* 1: a peer is there twice; 0: none is; -ENOMEM: that cannot be known. */
static int find_double(const struct conf_list *peers, struct ipaddr *twice)
{
	struct ipaddr *sorted;
	int found = 0;

	if (peers->count < 2)
		return 0;
	sorted = calloc(peers->count, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, peers->items, peers->count * sizeof(*sorted));
	qsort(sorted, peers->count, sizeof(*sorted), remotes_compare);
	for (size_t i = 1; i < peers->count && !found; i++) {
		if (ipaddr_equal(&sorted[i - 1], &sorted[i])) {
			*twice = sorted[i];
			found = 1;
		}
	}
	free(sorted);
	return found;
}

static int check_peers(const struct remotes_conf *conf, const void *object, const char *type,
		       struct err *err)
{
	const struct ipaddr *peers = conf->peers.items;
	struct ipaddr twice;
	char text[ADDR_STRLEN];
	int ret;

	for (size_t i = 0; i < conf->peers.count; i++) {
		if (ipaddr_is_multicast(&peers[i]) || ipaddr_is_unspecified(&peers[i]) ||
		    (peers[i].family == AF_INET && peers[i].v4.s_addr == INADDR_BROADCAST)) {
			conf_fail(object, err, "%s: peer %s is not a unicast address", type,
				  ipaddr_format(&peers[i], text));
			return -EINVAL;
		}
	}
	ret = find_double(&conf->peers, &twice);
	if (ret == -ENOMEM)
		return err_set(err, ENOMEM, "out of memory");
	if (ret) {
		conf_fail(object, err, "%s: peer %s is listed twice", type,
			  ipaddr_format(&twice, text));
		return -EINVAL;
	}
	return 0;
}

static int check_group(const struct remotes_conf *conf, const void *object, const char *type,
		       struct err *err)
{
	char text[ADDR_STRLEN];

	if (!ipaddr_is_set(&conf->group))
		return 0;
	ipaddr_format(&conf->group, text);
	if (!ipaddr_is_multicast(&conf->group)) {
		conf_fail(object, err, "%s: group %s is not a multicast address", type, text);
		return -EINVAL;
	}
	/* Every host has joined some of these, and routers never forward them. */
	if (conf->group.family == AF_INET && ntohl(conf->group.v4.s_addr) >> 8 == 0xe00000) {
		conf_fail(object, err, "%s: group %s is reserved for routing protocols", type,
			  text);
		return -EINVAL;
	}
	return 0;
}

int remotes_check(const struct remotes_conf *conf, const void *object, const char *type,
		  struct err *err)
{
	if (conf->sources.count != 0 && conf->peers.count != 0 && !ipaddr_is_set(&conf->group)) {
		conf_fail(object, err, "%s: `sources` is for a group; here only `peers` count",
			  type);
		return -EINVAL;
	}
	if (check_group(conf, object, type, err) < 0)
		return -EINVAL;
	return check_peers(conf, object, type, err);
}

bool remotes_share_a_peer(const struct remotes_conf *a, const struct remotes_conf *b)
{
	const struct ipaddr *pa = a->peers.items, *pb = b->peers.items;

	for (size_t i = 0; i < a->peers.count; i++) {
		for (size_t k = 0; k < b->peers.count; k++) {
			if (ipaddr_equal(&pa[i], &pb[k]))
				return true;
		}
	}
	return false;
}

/* ---- live ---- */

int remotes_init(struct remotes *remotes, const struct remotes_conf *conf)
{
	size_t count = conf->peers.count;

	memset(remotes, 0, sizeof(*remotes));
	remotes->conf = conf;
	remotes->group = conf->group;
	if (count == 0)
		return 0;
	remotes->peers = calloc(count, sizeof(*remotes->peers));
	if (!remotes->peers)
		return -ENOMEM;
	memcpy(remotes->peers, conf->peers.items, count * sizeof(*remotes->peers));
	qsort(remotes->peers, count, sizeof(*remotes->peers), remotes_compare);
	remotes->peer_count = (unsigned)count;
	return 0;
}

void remotes_fini(struct remotes *remotes)
{
	free(remotes->peers);
	memset(remotes, 0, sizeof(*remotes));
}

int remotes_reconf(struct remotes *remotes, const struct remotes_conf *conf,
		   const struct ipaddr *group)
{
	struct remotes next;
	int ret = remotes_init(&next, conf);

	if (ret < 0)
		return ret;
	next.group = *group;
	if (remotes_families(&next) != remotes_families(remotes) ||
	    !ipaddr_equal(&next.group, &remotes->group)) {
		remotes_fini(&next);
		return -EBUSY;
	}
	remotes_fini(remotes);
	*remotes = next;
	return 0;
}

bool remotes_has_peer(const struct remotes *remotes, const struct ipaddr *addr)
{
	return remotes->peer_count &&
	       bsearch(addr, remotes->peers, remotes->peer_count, sizeof(*addr), remotes_compare);
}

static bool source_counts(const struct remotes *remotes, const struct encap_uplink *uplink,
			  const struct ipaddr *src)
{
	const struct ipprefix *sources = remotes->conf->sources.items;

	if (remotes_has_peer(remotes, src))
		return true;
	/* Who is in the group speaks its version of IP. */
	if (remotes->group.family != src->family)
		return false;
	for (size_t i = 0; i < remotes->conf->sources.count; i++) {
		if (ipprefix_contains(&sources[i], src))
			return true;
	}
	if (remotes->conf->sources.count)
		return false;
	for (unsigned i = 0; i < uplink->prefixes; i++) {
		if (ipprefix_contains(&uplink->prefix[i], src))
			return true;
	}
	return false;
}

enum reason remotes_accept(const struct remotes *remotes, const struct encap_uplink *uplink,
			   const struct outer *outer)
{
	const struct ipaddr *own = &uplink->addr[family_index(outer->dst.family)];

	if (outer->ifindex != uplink->ifindex || !ipaddr_is_set(&outer->dst))
		return REASON_NOT_HERE;
	if (!ipaddr_equal(&outer->dst, own) && !ipaddr_equal(&outer->dst, &remotes->group))
		return REASON_NOT_HERE;
	if (ipaddr_equal(&outer->src, own) || !source_counts(remotes, uplink, &outer->src))
		return REASON_FOREIGN_SOURCE;
	return REASON_NONE;
}

bool remotes_reach(const struct remotes *remotes, const struct encap_uplink *uplink,
		   const struct ipaddr *host)
{
	return source_counts(remotes, uplink, host);
}

unsigned remotes_families(const struct remotes *remotes)
{
	unsigned set = 0;

	if (ipaddr_is_set(&remotes->group))
		set |= 1u << family_index(remotes->group.family);
	for (unsigned i = 0; i < remotes->peer_count; i++)
		set |= 1u << family_index(remotes->peers[i].family);
	return set;
}

size_t remotes_room(const struct remotes *remotes, const struct encap_uplink *uplink,
		    const struct ipaddr *peer, size_t header)
{
	bool v6 = peer && ipaddr_is_set(peer) ? peer->family == AF_INET6
					      : remotes_families(remotes) & 1u << 1;
	size_t overhead = header + (v6 ? IPV6_OVERHEAD : IPV4_OVERHEAD);

	return uplink->mtu > overhead ? uplink->mtu - overhead : 0;
}

bool remotes_ready(const struct remotes *remotes, const struct encap_uplink *uplink)
{
	unsigned set = remotes_families(remotes);

	return uplink->up && ((set & 1u << 0 && ipaddr_is_set(&uplink->addr[0])) ||
			      (set & 1u << 1 && ipaddr_is_set(&uplink->addr[1])));
}

void remotes_show(const struct remotes *remotes, json_t *object)
{
	json_t *peers = json_array();
	char text[ADDR_STRLEN];

	for (unsigned i = 0; i < remotes->peer_count; i++)
		json_array_append_new(peers, json_string(ipaddr_format(&remotes->peers[i], text)));
	if (ipaddr_is_set(&remotes->group))
		json_object_set_new(object, "group",
				    json_string(ipaddr_format(&remotes->group, text)));
	json_object_set_new(object, "peers", peers);
}
