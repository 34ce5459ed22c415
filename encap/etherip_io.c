/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sockets of EtherIP. All segments share them:
 *
 *  - per family one raw socket receives. It is not bound to an address, which
 *    would lose multicast; etherip_demux() decides whose a datagram is;
 *  - per family a second raw socket takes and drops everything. It is there for
 *    the kernel's bookkeeping: a datagram that no raw socket takes, because the
 *    queue of the only one is full, is answered by "protocol unreachable";
 *  - per uplink and family one socket sends, bound to the uplink's address and
 *    interface, and receives nothing;
 *  - holder sockets join groups. The kernel allows only so many memberships per
 *    socket (20 by default), and any member makes the host receive the group.
 */
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/etherip.h"
#include "lib/list.h"
#include "lib/log.h"

LOG_MODULE("etherip");

#define SHARED_SLOT 0
#define RX_MESSAGES 32u
#define RX_ROUNDS   4u
#define RX_BUFFER   (8 << 20)
#define TX_BUFFER   (4 << 20)
#define TX_MESSAGES 64u
#define IPV4_ROOM   60u	  /* the longest IPv4 header */
#define FILTER_IDS  1024u /* more than this, and user space filters */

/* Not in every libc's headers. */
#ifndef IP_RECVFRAGSIZE
#define IP_RECVFRAGSIZE 25
#endif
#ifndef IPV6_RECVFRAGSIZE
#define IPV6_RECVFRAGSIZE 77
#endif
#ifndef IP_PMTUDISC_OMIT
#define IP_PMTUDISC_OMIT 5
#endif
#ifndef IPV6_PMTUDISC_OMIT
#define IPV6_PMTUDISC_OMIT 5
#endif

/* One family's receiving side. */
struct receiver {
	ev_io io;
	int fd, guard_fd;
	uint16_t family;
	struct shared *shared;
};

struct sender {
	struct list link;
	const struct encap_uplink *uplink;
	uint16_t family;
	unsigned refs;
	int fd; /* -1: the uplink is away */
	struct ipaddr addr;
	unsigned ifindex;
};

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

/* What all EtherIP backends of a host share; made with the first, gone with the last. */
struct shared {
	struct encap_host *host;
	struct etherip_table table;
	struct receiver receiver[2]; /* IPv4, IPv6 */
	struct list senders, holders, joins;
	unsigned users;
	bool kernel_filter;
	uint8_t *overflow; /* where datagrams longer than a small buffer end */
	uint8_t scratch;   /* where a datagram goes for which there is no buffer */
};

static unsigned family_index(uint16_t family)
{
	return family == AF_INET6;
}

static struct shared *shared_of(const struct encap *encap)
{
	return encap->host->shared[SHARED_SLOT];
}

/* ---- options ---- */

/* @syscall setsockopt */
static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A buffer beyond the system's limit needs a privilege that a user namespace lacks. */
static void set_buffer(int fd, int force, int plain, int bytes)
{
	if (set_int(fd, SOL_SOCKET, force, bytes) < 0)
		(void)set_int(fd, SOL_SOCKET, plain, bytes);
}

/* @syscall socket close */
static int drop_everything(int fd)
{
	struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {.len = 1, .filter = none};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static int raw_socket(uint16_t family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, ETHERIP_PROTOCOL);

	return fd < 0 ? -errno : fd;
}

/* ---- filter of identifiers ---- */

/*
 * Accepts the identifiers of the table and nothing else: one comparison and one
 * return for each. A raw IPv4 socket shows the filter the IP header first, a raw
 * IPv6 socket does not.
 */
static unsigned build_filter(const struct etherip_table *table, uint16_t family,
			     struct sock_filter *out)
{
	unsigned n = 0;

	if (family == AF_INET) {
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, 0);
	} else {
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0);
	}
	for (int nibbles = NIBBLES_RFC; nibbles <= NIBBLES_SWAPPED; nibbles++) {
		for (unsigned id = 0; id <= ETHERIP_ID_MAX; id++) {
			uint8_t h[ETHERIP_HEADER_LEN];

			if (id ? !table->by_id[nibbles][id] : !table->plain_count)
				continue;
			etherip_header((uint16_t)id, (enum etherip_nibbles)nibbles, h);
			out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								(uint32_t)h[0] << 8 | h[1], 0, 1);
			out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
		}
	}
	out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return n;
}

static void update_filter(struct shared *shared)
{
	unsigned ids = shared->table.count[0] + shared->table.count[1];
	struct sock_filter *code;
	bool filtered = shared->host->ids_shared && ids <= FILTER_IDS;

	code = filtered ? calloc(2 * (size_t)ids + 8, sizeof(*code)) : NULL;
	for (unsigned i = 0; i < 2; i++) {
		struct receiver *receiver = &shared->receiver[i];
		struct sock_fprog program = {.filter = code};

		if (receiver->fd < 0)
			continue;
		if (code) {
			program.len =
			    (unsigned short)build_filter(&shared->table, receiver->family, code);
			if (setsockopt(receiver->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
				       sizeof(program)) == 0)
				continue;
		}
		filtered = false;
		(void)set_int(receiver->fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
	}
	free(code);
	if (shared->host->ids_shared && shared->kernel_filter && !filtered)
		log_info("%u identifiers are too many for a kernel filter: filtering here", ids);
	shared->kernel_filter = filtered;
}

/* ---- receiving ---- */

struct rx_message {
	struct frame *frame;
	struct iovec iov[2];
	struct sockaddr_storage from;
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
};

/* The source of raw IPv4 stands in the header; IPv6 has it in the socket address. */
static void read_control(const struct msghdr *msg, struct etherip_outer *outer)
{
	memset(outer, 0, sizeof(*outer));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			outer->ifindex = (unsigned)info.ipi_ifindex;
		} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			outer->ifindex = info.ipi6_ifindex;
			outer->dst = ipaddr_v6(&info.ipi6_addr);
		} else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVFRAGSIZE) ||
			   (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVFRAGSIZE)) {
			outer->fragmented = true;
		}
	}
	if (msg->msg_namelen >= sizeof(struct sockaddr_in6) &&
	    ((const struct sockaddr_storage *)msg->msg_name)->ss_family == AF_INET6)
		outer->src = ipaddr_v6(&((const struct sockaddr_in6 *)msg->msg_name)->sin6_addr);
}

/* A datagram that went past the small buffer is put together in a large one. */
static struct frame *join_overflow(struct shared *shared, struct frame *frame, size_t len,
				   const uint8_t *overflow)
{
	size_t head = FRAME_SMALL;
	struct frame *whole = frame_alloc(shared->host->pool, len);

	if (whole) {
		memcpy(whole->data, frame->data, head);
		memcpy(whole->data + head, overflow, len - head);
		whole->len = (uint32_t)len;
	}
	frame_free(frame);
	return whole;
}

static void count_stray(struct shared *shared, struct etherip *blame, enum reason reason)
{
	struct stats *stats = blame ? &blame->encap->stats : shared->host->stray;

	/* A peer's other segments are no business of ours, and no drop. */
	stats->rx_drops[reason]++;
}

/* Finds whose frame it is and takes the headers off; NULL when it was dropped. */
static struct etherip *classify(struct shared *shared, uint16_t family, struct frame *frame,
				struct etherip_outer *outer)
{
	enum reason reason = REASON_NONE;
	struct etherip *etherip = NULL, *blame = NULL;

	if (family == AF_INET)
		reason = etherip_pull_ipv4(frame, outer);
	if (reason == REASON_NONE)
		etherip = etherip_demux(&shared->table, frame, outer, &reason, &blame);
	if (etherip) {
		blame = etherip;
		reason = etherip->encap->ops->pop(etherip->encap, frame);
	}
	if (reason != REASON_NONE) {
		count_stray(shared, blame, reason);
		frame_free(frame);
		return NULL;
	}
	if (outer->fragmented)
		etherip->reassembled++;
	frame->peer = outer->src;
	frame->origin = &etherip->encap->stats;
	return etherip;
}

/* Frames for one encap in a row travel together. */
static void deliver(struct shared *shared, struct etherip *to, struct frame_batch *batch)
{
	if (batch->count)
		shared->host->deliver(to->encap, batch);
}

static void process(struct receiver *receiver, struct rx_message *rx, struct mmsghdr *msgs,
		    unsigned count)
{
	struct shared *shared = receiver->shared;
	struct frame_batch batch = {.count = 0};
	struct etherip *current = NULL;

	for (unsigned i = 0; i < count; i++) {
		struct frame *frame = rx[i].frame;
		size_t len = msgs[i].msg_len;
		struct etherip_outer outer;
		struct etherip *etherip;

		rx[i].frame = NULL;
		if (!frame || msgs[i].msg_hdr.msg_flags & MSG_TRUNC) {
			shared->host->stray->rx_drops[frame ? REASON_TOO_LONG : REASON_NO_BUFFER]++;
			frame_free(frame);
			continue;
		}
		read_control(&msgs[i].msg_hdr, &outer);
		if (len > FRAME_SMALL)
			frame = join_overflow(shared, frame, len, rx[i].iov[1].iov_base);
		else
			frame->len = (uint32_t)len;
		if (!frame) {
			shared->host->stray->rx_drops[REASON_NO_BUFFER]++;
			continue;
		}
		etherip = classify(shared, receiver->family, frame, &outer);
		if (!etherip)
			continue;
		if (etherip != current || frame_batch_full(&batch)) {
			deliver(shared, current, &batch);
			current = etherip;
		}
		frame_batch_add(&batch, frame);
	}
	deliver(shared, current, &batch);
}

static void prepare(struct shared *shared, struct rx_message *rx, struct mmsghdr *msgs)
{
	for (unsigned i = 0; i < RX_MESSAGES; i++) {
		struct msghdr *hdr = &msgs[i].msg_hdr;

		rx[i].frame = frame_alloc(shared->host->pool, FRAME_SMALL);
		/* The outer header lies in the headroom's place, so that the frame
		 * behind it has headroom again once it is pulled. */
		rx[i].iov[0].iov_base = rx[i].frame ? rx[i].frame->data : &shared->scratch;
		rx[i].iov[0].iov_len = rx[i].frame ? FRAME_SMALL : sizeof(shared->scratch);
		rx[i].iov[1].iov_base = shared->overflow + (size_t)i * FRAME_LARGE;
		rx[i].iov[1].iov_len = FRAME_LARGE;
		memset(&msgs[i], 0, sizeof(msgs[i]));
		hdr->msg_name = &rx[i].from;
		hdr->msg_namelen = sizeof(rx[i].from);
		hdr->msg_iov = rx[i].iov;
		hdr->msg_iovlen = 2;
		hdr->msg_control = &rx[i].control;
		hdr->msg_controllen = sizeof(rx[i].control);
	}
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct receiver *receiver = (struct receiver *)io->data;
	struct shared *shared = receiver->shared;

	(void)loop;
	(void)events;
	for (unsigned round = 0; round < RX_ROUNDS; round++) {
		struct rx_message rx[RX_MESSAGES];
		struct mmsghdr msgs[RX_MESSAGES];
		int n;

		prepare(shared, rx, msgs);
		n = recvmmsg(receiver->fd, msgs, RX_MESSAGES, 0, NULL); /* @syscall recvmmsg */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			log_limited(LOG_LEVEL_WARN, "receiving: %s", strerror(errno));
		if (n > 0)
			process(receiver, rx, msgs, (unsigned)n);
		for (unsigned i = n > 0 ? (unsigned)n : 0; i < RX_MESSAGES; i++)
			frame_free(rx[i].frame);
		if (n < (int)RX_MESSAGES)
			return;
	}
}

static void receiver_close(struct receiver *receiver)
{
	if (receiver->fd >= 0) {
		ev_io_stop(receiver->shared->host->loop, &receiver->io);
		close(receiver->fd);
	}
	if (receiver->guard_fd >= 0)
		close(receiver->guard_fd);
	receiver->fd = receiver->guard_fd = -1;
}

static int receiver_open(struct shared *shared, uint16_t family)
{
	struct receiver *receiver = &shared->receiver[family_index(family)];
	int fd, ret;

	if (receiver->fd >= 0)
		return 0;
	receiver->guard_fd = raw_socket(family);
	if (receiver->guard_fd < 0)
		return receiver->guard_fd;
	ret = drop_everything(receiver->guard_fd);
	if (ret < 0)
		goto fail;
	fd = raw_socket(family);
	ret = fd;
	if (fd < 0)
		goto fail;
	receiver->fd = fd;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RX_BUFFER);
	if (family == AF_INET) {
		ret = set_int(fd, SOL_IP, IP_PKTINFO, 1);
		(void)set_int(fd, SOL_IP, IP_RECVFRAGSIZE, 1);
	} else {
		ret = set_int(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
		(void)set_int(fd, SOL_IPV6, IPV6_RECVFRAGSIZE, 1);
	}
	ev_io_init(&receiver->io, on_readable, fd, EV_READ);
	receiver->io.data = receiver;
	ev_io_start(shared->host->loop, &receiver->io);
	if (ret == 0)
		return 0;
fail:
	receiver_close(receiver);
	return ret;
}

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

static struct holder *holder_create(struct shared *shared, uint16_t family)
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
	list_add_tail(&shared->holders, &holder->link);
	return holder;
}

static void holder_destroy(struct holder *holder)
{
	list_del(&holder->link);
	close(holder->fd);
	free(holder);
}

static int group_join(struct shared *shared, const struct ipaddr *group, unsigned ifindex)
{
	struct join *join;
	int ret;

	list_for_each (&shared->joins, it) {
		join = container_of(it, struct join, link);
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
	list_for_each (&shared->holders, it) {
		join->holder = container_of(it, struct holder, link);
		if (join->holder->family != group->family || join->holder->full)
			continue;
		ret = membership(join, MCAST_JOIN_GROUP);
		if (ret == 0)
			goto joined;
		if (ret != -ENOBUFS && ret != -ENOMEM)
			goto fail;
		join->holder->full = true;
	}
	join->holder = holder_create(shared, group->family);
	ret = join->holder ? membership(join, MCAST_JOIN_GROUP) : -ENOMEM;
	if (ret < 0) {
		if (join->holder)
			holder_destroy(join->holder);
		goto fail;
	}
joined:
	join->holder->joins++;
	list_add_tail(&shared->joins, &join->link);
	return 0;
fail:
	free(join);
	return ret;
}

static void group_leave(struct shared *shared, const struct ipaddr *group, unsigned ifindex)
{
	list_for_each_safe (&shared->joins, it) {
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
	int ret = drop_everything(fd);

	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, TX_BUFFER);
	if (ret == 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, uplink->interface,
				   (socklen_t)strlen(uplink->interface)) < 0)
		ret = -errno;
	if (sender->family == AF_INET6) {
		if (IN6_IS_ADDR_LINKLOCAL(&sender->addr.v6))
			((struct sockaddr_in6 *)&ss)->sin6_scope_id = sender->ifindex;
		ret = ret ? ret : set_int(fd, SOL_IPV6, IPV6_MULTICAST_IF, (int)sender->ifindex);
		ret = ret ? ret : set_int(fd, SOL_IPV6, IPV6_MULTICAST_LOOP, 0);
		ret = ret ? ret : set_int(fd, SOL_IPV6, IPV6_MULTICAST_HOPS, 1);
		ret = ret ? ret : set_int(fd, SOL_IPV6, IPV6_UNICAST_HOPS, ETHERIP_TTL_UNICAST);
		(void)set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
	} else {
		if (ret == 0 && setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &mreq, sizeof(mreq)) < 0)
			ret = -errno;
		ret = ret ? ret : set_int(fd, SOL_IP, IP_MULTICAST_LOOP, 0);
		ret = ret ? ret : set_int(fd, SOL_IP, IP_MULTICAST_TTL, 1);
		ret = ret ? ret : set_int(fd, SOL_IP, IP_TTL, ETHERIP_TTL_UNICAST);
		/* RFC 3378 is silent on DF: clear, so that what is too long for a
		 * path is fragmented instead of lost. */
		ret = ret ? ret : set_int(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
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
	fd = raw_socket(sender->family);
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

static struct sender *sender_find(struct shared *shared, const struct encap_uplink *uplink,
				  uint16_t family)
{
	list_for_each (&shared->senders, it) {
		struct sender *sender = container_of(it, struct sender, link);

		if (sender->uplink == uplink && sender->family == family)
			return sender;
	}
	return NULL;
}

static int sender_get(struct shared *shared, const struct encap_uplink *uplink, uint16_t family)
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

static void sender_put(struct shared *shared, const struct encap_uplink *uplink, uint16_t family)
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
	struct shared *shared = shared_of(q->encap);
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

static struct shared *shared_get(struct encap_host *host)
{
	struct shared *shared = host->shared[SHARED_SLOT];

	if (!shared) {
		shared = calloc(1, sizeof(*shared));
		if (!shared)
			return NULL;
		/* Touched only by datagrams beyond a small buffer. */
		shared->overflow = malloc((size_t)RX_MESSAGES * FRAME_LARGE);
		if (!shared->overflow) {
			free(shared);
			return NULL;
		}
		shared->host = host;
		shared->kernel_filter = host->ids_shared;
		list_init(&shared->senders);
		list_init(&shared->holders);
		list_init(&shared->joins);
		for (unsigned i = 0; i < 2; i++)
			shared->receiver[i] = (struct receiver){
			    .fd = -1,
			    .guard_fd = -1,
			    .family = i ? AF_INET6 : AF_INET,
			    .shared = shared,
			};
		host->shared[SHARED_SLOT] = shared;
	}
	shared->users++;
	return shared;
}

static void shared_put(struct shared *shared)
{
	if (--shared->users > 0)
		return;
	receiver_close(&shared->receiver[0]);
	receiver_close(&shared->receiver[1]);
	shared->host->shared[SHARED_SLOT] = NULL;
	free(shared->overflow);
	free(shared);
}

static void leave(struct etherip *etherip)
{
	if (etherip->joined_ifindex)
		group_leave(shared_of(etherip->encap), &etherip->group, etherip->joined_ifindex);
	etherip->joined_ifindex = 0;
}

/*
 * Joins where the uplink is now. When it has been away the group is left and
 * joined again, which makes the kernel report it to snooping switches at once.
 */
void etherip_uplink_changed(struct encap *encap)
{
	struct etherip *etherip = encap->state;
	struct shared *shared = shared_of(encap);
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
	ret = group_join(shared, &etherip->group, uplink->ifindex);
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
	struct shared *shared = etherip ? shared_get(encap->host) : NULL;
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
		ret = receiver_open(shared, family);
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
	update_filter(shared);
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
	struct shared *shared = shared_of(encap);
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
	struct shared *shared = shared_of(encap);

	leave(etherip);
	etherip_table_del(&shared->table, etherip);
	update_filter(shared);
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
