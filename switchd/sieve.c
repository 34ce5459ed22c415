/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/sieve.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/list.h"
#include "lib/log.h"
#include "switchd/rtnl.h"
#include "switchd/tc.h"

LOG_MODULE("sieve");

/* Behind what the operator may have there, and one for each version: the kernel has one
 * protocol at each priority. */
#define PRIORITY_V4 0xfe97u
#define PRIORITY_V6 0xfe98u

struct sieve {
	struct list link;
	unsigned ifindex;
	uint16_t family;
};

struct sieves {
	struct rtnl *rtnl;
	uint32_t instance;
	struct list list;
	bool unclean; /* something may have stayed that ought not to */
};

static struct tc_filter filter_on(const struct sieves *sieves, unsigned ifindex, uint16_t family)
{
	bool v6 = family == AF_INET6;

	return (struct tc_filter){
	    .ifindex = ifindex,
	    .side = TC_INGRESS,
	    .priority = v6 ? PRIORITY_V6 : PRIORITY_V4,
	    .protocol = v6 ? ETH_P_IPV6 : ETH_P_IP,
	    .magic = TC_SIEVE,
	    .instance = sieves->instance,
	};
}

struct sieves *sieves_create(struct rtnl *rtnl, uint32_t instance)
{
	struct sieves *sieves = calloc(1, sizeof(*sieves));

	if (!sieves)
		return NULL;
	sieves->rtnl = rtnl;
	sieves->instance = instance;
	list_init(&sieves->list);
	return sieves;
}

static struct sieve *find(struct sieves *sieves, unsigned ifindex, uint16_t family)
{
	list_for_each (&sieves->list, it) {
		struct sieve *sieve = container_of(it, struct sieve, link);

		if (sieve->ifindex == ifindex && sieve->family == family)
			return sieve;
	}
	return NULL;
}

static void forget(struct sieve *sieve)
{
	if (!sieve)
		return;
	list_del(&sieve->link);
	free(sieve);
}

void sieves_destroy(struct sieves *sieves)
{
	if (!sieves)
		return;
	list_for_each_safe (&sieves->list, it)
		forget(container_of(it, struct sieve, link));
	free(sieves);
}

void sieves_leave(struct sieves *sieves, unsigned ifindex, uint16_t family)
{
	forget(find(sieves, ifindex, family));
}

/* Takes it away if it is this instance's. 1; 0 if there is none; or negative errno. */
static int lift(const struct sieves *sieves, unsigned ifindex, uint16_t family)
{
	struct tc_filter filter = filter_on(sieves, ifindex, family);
	struct tc_seen seen = {.found = false}, egress = seen;
	int ret = tc_look_for(sieves->rtnl, &filter, &seen);

	if (ret < 0 || !seen.found)
		return ret;
	filter.handle = seen.handle;
	tc_del(sieves->rtnl, &filter);
	if (seen.former != TC_NO_QDISC || seen.others)
		return 1;
	filter.side = TC_EGRESS;
	if (tc_look(sieves->rtnl, &filter, &egress) == 0 && !egress.others)
		tc_del_qdisc(sieves->rtnl, ifindex);
	return 1;
}

static int put(const struct sieves *sieves, const struct sieve *sieve,
	       const struct sock_filter *code, unsigned len)
{
	struct tc_filter filter = filter_on(sieves, sieve->ifindex, sieve->family);
	struct tc_seen seen = {.found = false};
	struct err err = {""};
	bool added = false;
	int ret = tc_need_qdisc(sieves->rtnl, sieve->ifindex, &added, &err);

	if (ret == 0)
		ret = tc_look_for(sieves->rtnl, &filter, &seen);
	if (ret < 0)
		return ret;
	filter.former = added || tc_came_with_us(sieves->rtnl, sieve->ifindex) ? TC_NO_QDISC : 0;
	filter.handle = seen.found ? seen.handle : 0;
	return tc_add(sieves->rtnl, &filter, code, len, seen.found, &err);
}

int sieves_set(struct sieves *sieves, unsigned ifindex, uint16_t family,
	       const struct sock_filter *code, unsigned len)
{
	struct sieve *sieve = find(sieves, ifindex, family);
	int ret;

	if (!sieve) {
		sieve = calloc(1, sizeof(*sieve));
		if (!sieve)
			return -ENOMEM;
		sieve->ifindex = ifindex;
		sieve->family = family;
		list_add_tail(&sieves->list, &sieve->link);
	}
	ret = put(sieves, sieve, code, len);
	if (ret < 0)
		sieves_lift(sieves, ifindex, family);
	return ret;
}

void sieves_lift(struct sieves *sieves, unsigned ifindex, uint16_t family)
{
	int ret = lift(sieves, ifindex, family);

	sieves_leave(sieves, ifindex, family);
	/* With the interface it is gone. */
	if (ret < 0 && ret != -ENODEV)
		sieves->unclean = true;
}

/* ---- what was left behind ---- */

static void recover_one(struct sieves *sieves, unsigned ifindex)
{
	static const uint16_t families[] = {AF_INET, AF_INET6};

	for (unsigned i = 0; i < 2; i++) {
		int ret =
		    find(sieves, ifindex, families[i]) ? 0 : lift(sieves, ifindex, families[i]);

		if (ret > 0)
			log_info("interface %u: a sieve was left behind, and is lifted", ifindex);
		else if (ret < 0 && ret != -ENODEV)
			sieves->unclean = true;
	}
}

void sieves_recover(struct sieves *sieves)
{
	struct tc_qdiscs list;

	sieves->unclean = tc_list_qdiscs(sieves->rtnl, 0, &list) < 0;
	for (size_t i = 0; i < list.count; i++)
		recover_one(sieves, list.ifindex[i]);
	free(list.ifindex);
}

void sieves_retry(struct sieves *sieves)
{
	if (sieves && sieves->unclean)
		sieves_recover(sieves);
}
