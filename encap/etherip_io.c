/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of EtherIP backends, and sending: per uplink and family one socket,
 * bound to the uplink's address and interface, that receives nothing.
 */
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/etherip_io.h"
#include "lib/list.h"
#include "lib/log.h"

LOG_MODULE("etherip");

#define TX_BUFFER   (4 << 20)
#define TX_MESSAGES 64u

/* Not in every libc's headers. */
#ifndef IP_PMTUDISC_OMIT
#define IP_PMTUDISC_OMIT 5
#endif
#ifndef IPV6_PMTUDISC_OMIT
#define IPV6_PMTUDISC_OMIT 5
#endif

struct sender {
	struct list link;
	const struct encap_uplink *uplink;
	uint16_t family;
	unsigned refs;
	int fd; /* -1: the uplink is away */
	struct ipaddr addr;
	unsigned ifindex;
};

static struct etherip_shared *shared_of(const struct encap *encap)
{
	return encap->host->shared[ENCAP_ETHERIP];
}

/* ---- options ---- */

/* @syscall setsockopt */
int etherip_set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A buffer beyond the system's limit needs a privilege that a user namespace lacks. */
void etherip_set_buffer(int fd, int force, int plain, int bytes)
{
	if (etherip_set_int(fd, SOL_SOCKET, force, bytes) < 0)
		(void)etherip_set_int(fd, SOL_SOCKET, plain, bytes);
}

/* @syscall socket close */
int etherip_drop_everything(int fd)
{
	struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {.len = 1, .filter = none};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

int etherip_raw_socket(uint16_t family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, ETHERIP_PROTOCOL);

	return fd < 0 ? -errno : fd;
}

/* ---- sending ---- */

static void sender_close(struct sender *sender)
{
	if (sender->fd >= 0)
		close(sender->fd);
	sender->fd = -1;
}

/* @syscall bind */
static int sender_configure(struct sender *sender, int fd)
{
	const struct encap_uplink *uplink = sender->uplink;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&sender->addr, &ss);
	struct ip_mreqn mreq = {.imr_ifindex = (int)sender->ifindex};
	int ret = etherip_drop_everything(fd);

	etherip_set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, TX_BUFFER);
	if (ret == 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, uplink->interface,
				   (socklen_t)strlen(uplink->interface)) < 0)
		ret = -errno;
	if (sender->family == AF_INET6) {
		if (IN6_IS_ADDR_LINKLOCAL(&sender->addr.v6))
			((struct sockaddr_in6 *)&ss)->sin6_scope_id = sender->ifindex;
		ret = ret ? ret
			  : etherip_set_int(fd, SOL_IPV6, IPV6_MULTICAST_IF, (int)sender->ifindex);
		ret = ret ? ret : etherip_set_int(fd, SOL_IPV6, IPV6_MULTICAST_LOOP, 0);
		ret = ret ? ret : etherip_set_int(fd, SOL_IPV6, IPV6_MULTICAST_HOPS, 1);
		ret = ret ? ret
			  : etherip_set_int(fd, SOL_IPV6, IPV6_UNICAST_HOPS, ETHERIP_TTL_UNICAST);
		(void)etherip_set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
	} else {
		if (ret == 0 && setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &mreq, sizeof(mreq)) < 0)
			ret = -errno;
		ret = ret ? ret : etherip_set_int(fd, SOL_IP, IP_MULTICAST_LOOP, 0);
		ret = ret ? ret : etherip_set_int(fd, SOL_IP, IP_MULTICAST_TTL, 1);
		ret = ret ? ret : etherip_set_int(fd, SOL_IP, IP_TTL, ETHERIP_TTL_UNICAST);
		/* RFC 3378 is silent on DF: clear, so that what is too long for a
		 * path is fragmented instead of lost. */
		ret = ret ? ret : etherip_set_int(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	}
	/* forwarding.md section 2: the source is pinned to the uplink's address. */
	if (ret == 0 && bind(fd, (struct sockaddr *)&ss, len) < 0)
		ret = -errno;
	return ret;
}

/* Follows the uplink: a new socket for a new address or interface. */
static void sender_update(struct sender *sender)
{
	const struct encap_uplink *uplink = sender->uplink;
	const struct ipaddr *addr = &uplink->addr[family_index(sender->family)];
	char text[ADDR_STRLEN];
	int fd, ret;

	if (sender->fd >= 0 && sender->ifindex == uplink->ifindex &&
	    ipaddr_equal(&sender->addr, addr))
		return;
	sender_close(sender);
	sender->addr = *addr;
	sender->ifindex = uplink->ifindex;
	if (uplink->ifindex == 0 || !ipaddr_is_set(addr))
		return;
	fd = etherip_raw_socket(sender->family);
	ret = fd < 0 ? fd : sender_configure(sender, fd);
	if (ret < 0) {
		if (fd >= 0)
			close(fd);
		log_limited(LOG_LEVEL_WARN, "uplink %s: cannot send from %s: %s; waiting",
			    uplink->name, ipaddr_format(addr, text), strerror(-ret));
		return;
	}
	sender->fd = fd;
}

static struct sender *sender_find(struct etherip_shared *shared, const struct encap_uplink *uplink,
				  uint16_t family)
{
	list_for_each (&shared->senders, it) {
		struct sender *sender = container_of(it, struct sender, link);

		if (sender->uplink == uplink && sender->family == family)
			return sender;
	}
	return NULL;
}

static int sender_get(struct etherip_shared *shared, const struct encap_uplink *uplink,
		      uint16_t family)
{
	struct sender *sender = sender_find(shared, uplink, family);

	if (!sender) {
		sender = calloc(1, sizeof(*sender));
		if (!sender)
			return -ENOMEM;
		sender->uplink = uplink;
		sender->family = family;
		sender->fd = -1;
		list_add_tail(&shared->senders, &sender->link);
	}
	sender->refs++;
	return 0;
}

static void sender_put(struct etherip_shared *shared, const struct encap_uplink *uplink,
		       uint16_t family)
{
	struct sender *sender = sender_find(shared, uplink, family);

	if (!sender || --sender->refs > 0)
		return;
	sender_close(sender);
	list_del(&sender->link);
	free(sender);
}

/* Which families a backend speaks: bit 0 IPv4, bit 1 IPv6. */
static unsigned families(const struct etherip *etherip)
{
	unsigned set = 0;

	if (ipaddr_is_set(&etherip->group))
		set |= 1u << family_index(etherip->group.family);
	for (unsigned i = 0; i < etherip->peer_count; i++)
		set |= 1u << family_index(etherip->peers[i].family);
	return set;
}

/* Messages that wait for one sendmmsg through one socket. */
struct tx_queue {
	struct encap *encap;
	struct sender *sender;
	int64_t ttl;
	unsigned count;
	struct mmsghdr msgs[TX_MESSAGES];
	struct iovec iov[TX_MESSAGES];
	struct sockaddr_storage to[TX_MESSAGES];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
};

static enum reason reason_of_errno(int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return REASON_QUEUE_FULL;
	case EMSGSIZE:
		return REASON_OVERSIZE;
	default:
		return REASON_LINK_DOWN;
	}
}

static void tx_flush(struct tx_queue *q)
{
	struct stats *stats = &q->encap->stats;
	unsigned done = 0;

	assert(q->sender); /* what is queued has one */
	while (done < q->count) {
		int n = sendmmsg(q->sender->fd, q->msgs + done, q->count - done,
				 0); /* @syscall sendmmsg */
		enum reason reason;

		if (n > 0) {
			stats->tx_segments += (unsigned)n;
			done += (unsigned)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		reason = reason_of_errno(errno);
		if (reason == REASON_LINK_DOWN)
			log_limited(LOG_LEVEL_INFO, "segment %s: sending: %s",
				    q->encap->segment_name, strerror(errno));
		if (reason == REASON_QUEUE_FULL) { /* no use in trying the rest */
			stats->tx_drops[reason] += q->count - done;
			break;
		}
		stats->tx_drops[reason]++;
		done++;
	}
	q->count = 0;
}

static void tx_add(struct tx_queue *q, const struct frame *frame, const struct ipaddr *dst)
{
	struct etherip_shared *shared = shared_of(q->encap);
	struct msghdr *hdr;

	if (!q->sender || q->sender->family != dst->family) {
		if (q->count)
			tx_flush(q);
		q->sender = sender_find(shared, q->encap->uplink, dst->family);
	}
	if (!q->sender || q->sender->fd < 0) {
		q->encap->stats.tx_drops[REASON_LINK_DOWN]++;
		return;
	}
	if (q->count == TX_MESSAGES)
		tx_flush(q);
	hdr = &q->msgs[q->count].msg_hdr;
	memset(hdr, 0, sizeof(*hdr));
	hdr->msg_namelen = ipaddr_to_sockaddr(dst, &q->to[q->count]);
	if (dst->family == AF_INET6 &&
	    (IN6_IS_ADDR_LINKLOCAL(&dst->v6) || ipaddr_is_multicast(dst)))
		((struct sockaddr_in6 *)&q->to[q->count])->sin6_scope_id = q->sender->ifindex;
	hdr->msg_name = &q->to[q->count];
	q->iov[q->count] = (struct iovec){.iov_base = frame->data, .iov_len = frame->len};
	hdr->msg_iov = &q->iov[q->count];
	hdr->msg_iovlen = 1;
	if (q->ttl) {
		bool v6 = dst->family == AF_INET6;
		int ttl = (int)q->ttl;
		struct cmsghdr *c = &q->control.align;

		c->cmsg_level = v6 ? SOL_IPV6 : SOL_IP;
		c->cmsg_type = v6 ? IPV6_HOPLIMIT : IP_TTL;
		c->cmsg_len = CMSG_LEN(sizeof(ttl));
		memcpy(CMSG_DATA(c), &ttl, sizeof(ttl));
		hdr->msg_control = &q->control;
		hdr->msg_controllen = sizeof(q->control);
	}
	q->count++;
}

void etherip_send(struct encap *encap, struct frame_batch *batch)
{
	const struct etherip *etherip = encap->state;
	struct tx_queue q;

	q.encap = encap;
	q.sender = NULL;
	q.ttl = etherip->conf->ttl;
	q.count = 0;
	for (unsigned i = 0; i < batch->count; i++) {
		const struct frame *frame = batch->frame[i];

		if (ipaddr_is_set(&frame->peer)) {
			tx_add(&q, frame, &frame->peer);
			continue;
		}
		if (ipaddr_is_set(&etherip->group))
			tx_add(&q, frame, &etherip->group);
		for (unsigned k = 0; k < etherip->peer_count; k++)
			tx_add(&q, frame, &etherip->peers[k]);
	}
	if (q.count)
		tx_flush(&q);
	frame_batch_free(batch);
}

/* ---- life ---- */

static struct etherip_shared *shared_get(struct encap_host *host)
{
	struct etherip_shared *shared = host->shared[ENCAP_ETHERIP];

	if (!shared) {
		shared = calloc(1, sizeof(*shared));
		if (!shared)
			return NULL;
		shared->host = host;
		shared->kernel_filter = host->ids_shared;
		list_init(&shared->senders);
		groups_init(&shared->groups);
		for (unsigned i = 0; i < 2; i++)
			shared->receiver[i] = (struct etherip_receiver){
			    .fd = -1,
			    .guard_fd = -1,
			    .family = i ? AF_INET6 : AF_INET,
			    .shared = shared,
			};
		host->shared[ENCAP_ETHERIP] = shared;
	}
	shared->users++;
	return shared;
}

static void shared_put(struct etherip_shared *shared)
{
	if (--shared->users > 0)
		return;
	etherip_receiver_close(&shared->receiver[0]);
	etherip_receiver_close(&shared->receiver[1]);
	shared->host->shared[ENCAP_ETHERIP] = NULL;
	free(shared);
}

static void leave(struct etherip *etherip)
{
	if (etherip->joined_ifindex)
		group_leave(&shared_of(etherip->encap)->groups, &etherip->group,
			    etherip->joined_ifindex);
	etherip->joined_ifindex = 0;
}

/*
 * Joins where the uplink is now. When it has been away the group is left and
 * joined again, which makes the kernel report it to snooping switches at once.
 */
void etherip_uplink_changed(struct encap *encap)
{
	struct etherip *etherip = encap->state;
	struct etherip_shared *shared = shared_of(encap);
	const struct encap_uplink *uplink = encap->uplink;
	bool came_up = uplink->up && !etherip->was_up;
	int ret;

	for (unsigned i = 0; i < 2; i++) {
		struct sender *sender = sender_find(shared, uplink, i ? AF_INET6 : AF_INET);

		if (sender)
			sender_update(sender);
	}
	if (etherip->joined_ifindex != uplink->ifindex || came_up)
		leave(etherip);
	etherip->was_up = uplink->up;
	if (!ipaddr_is_set(&etherip->group) || etherip->joined_ifindex || !uplink->ifindex)
		return;
	ret = group_join(&shared->groups, &etherip->group, uplink->ifindex);
	if (ret == 0)
		etherip->joined_ifindex = uplink->ifindex;
	else
		log_limited(LOG_LEVEL_WARN, "segment %s: cannot join its group on %s: %s",
			    encap->segment_name, uplink->interface, strerror(-ret));
}

static int compare_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ipaddr));
}

static int init_addresses(struct etherip *etherip)
{
	const struct etherip_conf *conf = etherip->conf;
	size_t count = conf->peers.count;

	etherip->group = conf->group;
	if (!ipaddr_is_set(&conf->group) && count == 0)
		etherip->group =
		    etherip_group(etherip->encap->uplink->family, etherip->encap->network_id);
	if (count == 0)
		return 0;
	etherip->peers = calloc(count, sizeof(*etherip->peers));
	if (!etherip->peers)
		return -ENOMEM;
	memcpy(etherip->peers, conf->peers.items, count * sizeof(*etherip->peers));
	qsort(etherip->peers, count, sizeof(*etherip->peers), compare_addr);
	etherip->peer_count = (unsigned)count;
	return 0;
}

static void put_senders(struct etherip *etherip, unsigned set)
{
	for (unsigned i = 0; i < 2; i++) {
		if (set & 1u << i)
			sender_put(shared_of(etherip->encap), etherip->encap->uplink,
				   i ? AF_INET6 : AF_INET);
	}
}

int etherip_open(struct encap *encap, struct err *err)
{
	struct etherip *etherip = calloc(1, sizeof(*etherip));
	struct etherip_shared *shared = etherip ? shared_get(encap->host) : NULL;
	unsigned opened = 0;
	int ret = -ENOMEM;

	if (!shared)
		goto fail_alloc;
	etherip->encap = encap;
	etherip->conf = (const struct etherip_conf *)encap->conf;
	ret = init_addresses(etherip);
	if (ret < 0)
		goto fail_shared;
	for (unsigned i = 0; i < 2; i++) {
		uint16_t family = i ? AF_INET6 : AF_INET;

		if (!(families(etherip) & 1u << i))
			continue;
		ret = etherip_receiver_open(shared, family);
		ret = ret ? ret : sender_get(shared, encap->uplink, family);
		if (ret < 0)
			goto fail_senders;
		opened |= 1u << i;
	}
	ret = etherip_table_add(&shared->table, etherip);
	if (ret < 0)
		goto fail_senders;
	encap->state = etherip;
	encap->clamp_mss = etherip->conf->clamp_mss;
	encap->oversize = (enum encap_oversize)etherip->conf->oversize;
	etherip_update_filter(shared);
	etherip_uplink_changed(encap);
	return 0;

fail_senders:
	put_senders(etherip, opened);
fail_shared:
	shared_put(shared);
fail_alloc:
	if (etherip)
		free(etherip->peers);
	free(etherip);
	return err_set(err, -ret, "EtherIP needs a raw socket of protocol 97: %s%s", strerror(-ret),
		       ret == -EPERM ? " (CAP_NET_RAW is missing)" : "");
}

/*
 * Everything but the group and the form of the header can change under way:
 * peers, sources, TTL, what to do with oversize. The group stays joined.
 */
int etherip_reconf(struct encap *encap, const struct encap_conf *common)
{
	const struct etherip_conf *conf = (const struct etherip_conf *)common;
	struct etherip *etherip = encap->state;
	struct etherip_shared *shared = shared_of(encap);
	struct etherip next = {.encap = encap, .conf = conf};
	unsigned before = families(etherip);

	if (!ipaddr_equal(&etherip->conf->group, &conf->group) ||
	    etherip->conf->nibbles != conf->nibbles || init_addresses(&next) < 0)
		return ENCAP_RESTART;
	if (families(&next) != before || !ipaddr_equal(&next.group, &etherip->group)) {
		free(next.peers);
		return ENCAP_RESTART;
	}
	etherip_table_del(&shared->table, etherip);
	free(etherip->peers);
	etherip->peers = next.peers;
	etherip->peer_count = next.peer_count;
	etherip->conf = conf;
	encap->clamp_mss = conf->clamp_mss;
	encap->oversize = (enum encap_oversize)conf->oversize;
	/* The identifier was in the table a moment ago; plain peers may need memory. */
	return etherip_table_add(&shared->table, etherip) < 0 ? ENCAP_RESTART : 0;
}

void etherip_close(struct encap *encap)
{
	struct etherip *etherip = encap->state;
	struct etherip_shared *shared = shared_of(encap);

	leave(etherip);
	etherip_table_del(&shared->table, etherip);
	etherip_update_filter(shared);
	put_senders(etherip, families(etherip));
	shared_put(shared);
	free(etherip->peers);
	free(etherip);
	encap->state = NULL;
}

void etherip_show_io(const struct encap *encap, json_t *object)
{
	const struct etherip *etherip = encap->state;

	json_object_set_new(object, "joined", json_boolean(etherip->joined_ifindex != 0));
	json_object_set_new(object, "kernel_filter", json_boolean(shared_of(encap)->kernel_filter));
}
