/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "encap/etherip_io.h"
#include "encap/outer.h"
#include "lib/log.h"
#include "lib/revive.h"

LOG_MODULE("ring");

#define AT_ONCE	     256u  /* packets before others have their turn */
#define LEFT_MAX     4096u /* when it is shut */
#define REMAKE_MS    5000u /* a sieve that somebody has removed is missed for no longer */
#define RETRY_MS     900u
#define FRAGMENTS_MS 60000u /* for so long the socket takes all, for what the ring cannot */

static void take(struct etherip_ring *ring, const struct rxring_packet *packet)
{
	struct outer outer = {.ifindex = ring->uplink->ifindex};
	struct encap_host *host = ring->shared->host;
	struct encap *encap, *blame = NULL;
	struct frame frame;
	enum reason reason;
	struct stats *stats;

	frame_borrow(&frame, packet->data, packet->len);
	reason = outer_pull(&frame, ring->family, ETHERIP_PROTOCOL, &outer);
	if (reason == REASON_FRAGMENT) {
		size_t whole = outer_whole_len(&frame, ring->family);

		ring->fragments++;
		/* What the socket gets is what is longer. */
		if (whole != 0 && whole <= ring->take.max)
			ring->not_before = *host->now + FRAGMENTS_MS;
		return;
	}
	encap = reason == REASON_NONE
		    ? etherip_classify(ring->shared, &frame, 0, &outer, &reason, &blame)
		    : NULL;
	if (!encap) {
		stats = blame ? &blame->stats : &host->stray[ENCAP_ETHERIP];
		stats->rx_drops[reason]++;
		return;
	}
	frame.peer = outer.src;
	frame.origin = &encap->stats;
	inbox_add(&ring->inbox, encap, &frame);
}

/* Returns how many packets there were. */
static unsigned take_some(struct etherip_ring *ring, struct rxring *from, unsigned max)
{
	struct rxring_packet packet;
	unsigned n = 0;

	for (; n < max && rxring_next(from, &packet); n++) {
		take(ring, &packet);
		rxring_release(from);
	}
	ring->packets += n;
	inbox_flush(&ring->inbox);
	return n;
}

static bool may_bypass(const struct etherip_ring *ring)
{
	const struct encap_host *host = ring->shared->host;

	return host->may_bypass && host->may_bypass(host);
}

static int set_sieve(const struct etherip_ring *ring, const struct sock_filter *code, unsigned len)
{
	struct encap_host *host = ring->shared->host;

	return host->sieve ? host->sieve(host, ring->take.ifindex, ring->family, code, len)
			   : -EOPNOTSUPP;
}

/* The socket goes on first, so that nothing is lost between. What is in the ring still
 * comes, unless the kernel would have had to look at it. */
static void shut(struct etherip_ring *ring)
{
	struct rxring *former = ring->ring;

	if (!former)
		return;
	(void)set_sieve(ring, NULL, 0);
	ev_io_stop(ring->shared->host->loop, &ring->io);
	ring->ring = NULL;
	(void)etherip_update_raw(ring->shared, ring->family);
	ring->overruns += rxring_overruns(former);
	if (may_bypass(ring))
		(void)take_some(ring, former, LEFT_MAX);
	rxring_close(former);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct etherip_ring *ring = io->data;
	bool may = may_bypass(ring), fragments;
	unsigned n;

	revive(loop, io, events);
	ring->wakeups++;
	n = may ? take_some(ring, ring->ring, AT_ONCE) : 0;
	fragments = *ring->shared->host->now < ring->not_before;
	/* Nothing: another processor is about to write what comes next. */
	if (may && !fragments && (n > 0 || !rxring_failed(ring->ring)))
		return;
	if (fragments)
		log_limited(LOG_LEVEL_INFO,
			    "uplink %s: fragments of short packets: all come through the kernel's "
			    "network stack for a while",
			    ring->uplink->name);
	ring->fallbacks++;
	shut(ring);
}

/* ---- life ---- */

static unsigned table_ids(const struct etherip_table *table)
{
	return table->count[NIBBLES_RFC] + table->count[NIBBLES_SWAPPED];
}

static bool wanted(const struct etherip_ring *ring)
{
	const struct encap_uplink *uplink = ring->uplink;
	const struct encap_host *host = ring->shared->host;

	/* Without a MAC address it is no Ethernet. */
	return uplink->bypass_in && uplink->up && uplink->ifindex && !mac_is_zero(&uplink->mac) &&
	       ipaddr_is_set(&uplink->addr[family_index(ring->family)]) && may_bypass(ring) &&
	       (!host->ids_shared || table_ids(&ring->shared->table) <= FILTER_RING_IDS) &&
	       *host->now >= ring->not_before;
}

static bool fits(const struct etherip_ring *ring)
{
	const struct encap_uplink *uplink = ring->uplink;

	return ring->take.ifindex == uplink->ifindex && ring->take.max == uplink->mtu &&
	       ipaddr_equal(&ring->take.addr, &uplink->addr[family_index(ring->family)]);
}

static void collect_groups(struct etherip_ring *ring)
{
	struct etherip_take *take = &ring->take;

	take->groups = 0;
	list_for_each (&ring->users, it) {
		const struct etherip_ring_user *user =
		    container_of(it, struct etherip_ring_user, link);
		const struct ipaddr *group = &user->etherip->remotes.group;

		if (group->family != ring->family)
			continue;
		if (take->groups == FILTER_GROUPS) {
			take->groups++;
			return;
		}
		take->group[take->groups++] = *group;
	}
}

static unsigned open_ones(const struct etherip_shared *shared, uint16_t family)
{
	unsigned n = 0;

	list_for_each (&((struct etherip_shared *)(uintptr_t)shared)->rings, it) {
		const struct etherip_ring *ring = container_of(it, struct etherip_ring, link);

		n += ring->family == family && ring->ring;
	}
	return n;
}

static const struct etherip_table *filtered_table(const struct etherip_ring *ring)
{
	return ring->shared->host->ids_shared ? &ring->shared->table : NULL;
}

/* Makes the programs anew, if they change. First the ring takes, then the socket leaves it
 * its part, then the stack loses it. */
static int update(struct etherip_ring *ring)
{
	const struct etherip_table *table = filtered_table(ring);
	struct sock_filter code[FILTER_RING_LEN];
	struct sock_fprog program = {.filter = code};
	int ret;

	collect_groups(ring);
	program.len = (unsigned short)etherip_filter_ring(table, &ring->take, code);
	if (program.len == ring->code_len &&
	    memcmp(code, ring->code, program.len * sizeof(*code)) == 0)
		return 0;
	ret = rxring_set_filter(ring->ring, &program);
	ret = ret ? ret : etherip_update_raw(ring->shared, ring->family);
	if (ret < 0)
		return ret;
	memcpy(ring->code, code, program.len * sizeof(*code));
	ret = set_sieve(ring, code, etherip_filter_sieve(table, &ring->take, code));
	ring->code_len = ret < 0 ? 0 : program.len;
	ring->made = *ring->shared->host->now;
	return ret;
}

static int try_open(struct etherip_ring *ring)
{
	const struct encap_uplink *uplink = ring->uplink;
	const struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = {1, (struct sock_filter *)(uintptr_t)&none};
	int ret;

	if (open_ones(ring->shared, ring->family) == FILTER_RINGS)
		return -ENOSPC;
	ring->take.ifindex = uplink->ifindex;
	ring->take.addr = uplink->addr[family_index(ring->family)];
	ring->take.max = uplink->mtu;
	ring->code_len = 0;
	ret = rxring_open(&ring->ring, ring->shared->host, uplink->ifindex, uplink->mtu, &program);
	if (ret < 0)
		return ret;
	ev_io_init(&ring->io, on_readable, rxring_fd(ring->ring), EV_READ);
	ring->io.data = ring;
	ev_io_start(ring->shared->host->loop, &ring->io);
	ret = update(ring);
	if (ret < 0)
		shut(ring);
	return ret;
}

static void open_soon(struct etherip_ring *ring)
{
	uint64_t now = *ring->shared->host->now;
	int ret;

	if (ring->tried && now - ring->tried < RETRY_MS)
		return;
	ring->tried = now;
	ret = try_open(ring);
	if (ret < 0 && ret != ring->error)
		log_info("uplink %s: packets come through the kernel's network stack: no packet "
			 "ring: %s",
			 ring->uplink->name, strerror(-ret));
	ring->error = ret;
}

static void give_up(struct etherip_ring *ring)
{
	ring->fallbacks++;
	shut(ring);
}

static void follow(struct etherip_ring *ring)
{
	uint64_t now = *ring->shared->host->now;
	bool want = wanted(ring);

	if (ring->ring && want && fits(ring)) {
		if (now - ring->made >= REMAKE_MS)
			ring->code_len = 0;
		if (ring->code_len == 0 && update(ring) < 0)
			give_up(ring);
		else if (now - ring->tried >= RETRY_MS) {
			ring->tried = now;
			ring->overruns += rxring_overruns(ring->ring);
		}
		return;
	}
	if (ring->ring || !want)
		ring->tried = 0;
	shut(ring);
	if (want)
		open_soon(ring);
}

void etherip_rings_follow(struct etherip *etherip)
{
	for (unsigned i = 0; etherip->user && i < 2; i++) {
		if (etherip->user[i].ring)
			follow(etherip->user[i].ring);
	}
}

void etherip_rings_update(struct etherip_shared *shared)
{
	list_for_each (&shared->rings, it) {
		struct etherip_ring *ring = container_of(it, struct etherip_ring, link);

		if (ring->ring && (!wanted(ring) || update(ring) < 0))
			give_up(ring);
	}
}

void etherip_rings_yield(struct etherip *etherip)
{
	for (unsigned i = 0; etherip->user && i < 2; i++) {
		if (etherip->user[i].ring)
			etherip->user[i].ring->code_len = 0;
	}
}

/* ---- who uses them ---- */

static struct etherip_ring *get(struct etherip_shared *shared, const struct encap_uplink *uplink,
				uint16_t family)
{
	struct etherip_ring *ring;

	list_for_each (&shared->rings, it) {
		ring = container_of(it, struct etherip_ring, link);
		if (ring->uplink == uplink && ring->family == family)
			return ring;
	}
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return NULL;
	list_init(&ring->users);
	ring->shared = shared;
	ring->uplink = uplink;
	ring->family = family;
	ring->inbox.host = shared->host;
	list_add_tail(&shared->rings, &ring->link);
	return ring;
}

static void put(struct etherip_ring_user *user)
{
	struct etherip_ring *ring = user->ring;

	if (!ring)
		return;
	list_del(&user->link);
	user->ring = NULL;
	if (!list_empty(&ring->users))
		return;
	list_del(&ring->link);
	shut(ring);
	free(ring);
}

int etherip_rings_join(struct etherip_shared *shared, struct etherip *etherip)
{
	unsigned families = remotes_families(&etherip->remotes);

	etherip->user = calloc(2, sizeof(*etherip->user));
	if (!etherip->user)
		return -ENOMEM;
	for (unsigned i = 0; i < 2; i++) {
		struct etherip_ring_user *user = &etherip->user[i];

		if (!(families & 1u << i))
			continue;
		user->ring = get(shared, etherip->encap->uplink, family_at(i));
		if (!user->ring) {
			etherip_rings_leave(etherip);
			return -ENOMEM;
		}
		user->etherip = etherip;
		list_add_tail(&user->ring->users, &user->link);
	}
	return 0;
}

void etherip_rings_leave(struct etherip *etherip)
{
	for (unsigned i = 0; etherip->user && i < 2; i++)
		put(&etherip->user[i]);
	free(etherip->user);
	etherip->user = NULL;
}

/* ---- counters ---- */

void etherip_rings_count(const struct encap_host *host, encap_count_fn *fn, void *arg)
{
	struct etherip_shared *shared = host->shared[ENCAP_ETHERIP];

	if (!shared)
		return;
	list_for_each (&shared->rings, it) {
		const struct etherip_ring *ring = container_of(it, struct etherip_ring, link);
		unsigned version = ring->family == AF_INET6 ? 6 : 4;
		const char *uplink = ring->uplink->name;

		fn(arg, uplink, version, "open", ring->ring != NULL);
		fn(arg, uplink, version, "packets", ring->packets);
		fn(arg, uplink, version, "wakeups", ring->wakeups);
		fn(arg, uplink, version, "overruns", ring->overruns);
		fn(arg, uplink, version, "fragments", ring->fragments);
		fn(arg, uplink, version, "fallbacks", ring->fallbacks);
	}
}
