/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/sender.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/socket.h"
#include "lib/log.h"

LOG_MODULE("sender");

#define TX_BUFFER   (4 << 20)
#define TX_MESSAGES 64u
#define PORT_TRIES  64u /* ports that others may have taken */

/* Not in every libc's headers. */
#ifndef IP_PMTUDISC_OMIT
#define IP_PMTUDISC_OMIT 5
#endif
#ifndef IPV6_PMTUDISC_OMIT
#define IPV6_PMTUDISC_OMIT 5
#endif

struct sender {
	struct list link;
	const struct sender_kind *kind;
	const struct encap_uplink *uplink;
	uint16_t family;
	unsigned refs;
	bool open; /* else the uplink is away */
	int fd[SENDER_SOCKETS];
	struct ipaddr addr;
	unsigned ifindex;
};

/* ---- sockets ---- */

/* @syscall close */
static void sender_close(struct sender *sender)
{
	for (unsigned i = 0; i < sender->kind->sockets; i++) {
		if (sender->fd[i] >= 0)
			close(sender->fd[i]);
		sender->fd[i] = -1;
	}
	sender->open = false;
}

static int configure_ipv4(const struct sender *sender, int fd)
{
	struct ip_mreqn mreq = {.imr_ifindex = (int)sender->ifindex};
	bool fragment = sender->kind->fragment;
	int ret = 0;

	if (setsockopt(fd, SOL_IP, IP_MULTICAST_IF, &mreq, sizeof(mreq)) < 0)
		ret = -errno;
	ret = ret ? ret : socket_set_int(fd, SOL_IP, IP_MULTICAST_LOOP, 0);
	ret = ret ? ret : socket_set_int(fd, SOL_IP, IP_MULTICAST_TTL, 1);
	ret = ret ? ret : socket_set_int(fd, SOL_IP, IP_TTL, SENDER_TTL);
	/* PROBE sets DF, and both ignore what ICMP says of the path: anybody can
	 * say that. */
	ret = ret ? ret
		  : socket_set_int(fd, SOL_IP, IP_MTU_DISCOVER,
				   fragment ? IP_PMTUDISC_OMIT : IP_PMTUDISC_PROBE);
	/* RFC 7348 wants no checksum in UDP over IPv4: the frame inside has its own. */
	if (ret == 0 && sender->kind->type == SOCK_DGRAM)
		ret = socket_set_int(fd, SOL_SOCKET, SO_NO_CHECK, 1);
	return ret;
}

static int configure_ipv6(const struct sender *sender, int fd)
{
	bool fragment = sender->kind->fragment;
	int ret = socket_set_int(fd, SOL_IPV6, IPV6_MULTICAST_IF, (int)sender->ifindex);

	ret = ret ? ret : socket_set_int(fd, SOL_IPV6, IPV6_MULTICAST_LOOP, 0);
	ret = ret ? ret : socket_set_int(fd, SOL_IPV6, IPV6_MULTICAST_HOPS, 1);
	ret = ret ? ret : socket_set_int(fd, SOL_IPV6, IPV6_UNICAST_HOPS, SENDER_TTL);
	ret = ret ? ret
		  : socket_set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER,
				   fragment ? IPV6_PMTUDISC_OMIT : IPV6_PMTUDISC_PROBE);
	return ret;
}

/*
 * forwarding.md section 2: the source is pinned to the uplink's address. Ports of
 * UDP count up; one that somebody has taken is passed over in steps of all sockets,
 * so that each keeps its lowest bits, which is what networks spread flows by.
 *
 * @syscall bind
 */
static int sender_bind(const struct sender *sender, int fd, unsigned number)
{
	unsigned tries = sender->kind->first_port ? PORT_TRIES : 1;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&sender->addr, &ss);

	if (sender->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&sender->addr.v6))
		((struct sockaddr_in6 *)&ss)->sin6_scope_id = sender->ifindex;
	for (unsigned i = 0; i < tries; i++) {
		unsigned port = sender->kind->first_port;

		if (port)
			port += number + i * sender->kind->sockets;
		if (sender->family == AF_INET6)
			((struct sockaddr_in6 *)&ss)->sin6_port = htons((uint16_t)port);
		else
			((struct sockaddr_in *)&ss)->sin_port = htons((uint16_t)port);
		if (bind(fd, (struct sockaddr *)&ss, len) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

/* @syscall socket */
static int sender_open(struct sender *sender, unsigned number)
{
	const struct sender_kind *kind = sender->kind;
	const char *interface = sender->uplink->interface;
	int fd = socket(sender->family, kind->type | SOCK_CLOEXEC | SOCK_NONBLOCK, kind->protocol);
	int ret;

	if (fd < 0)
		return -errno;
	sender->fd[number] = fd;
	ret = socket_drop_everything(fd);
	socket_set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, TX_BUFFER);
	if (ret == 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
				   (socklen_t)strlen(interface)) < 0)
		ret = -errno;
	if (ret == 0)
		ret = sender->family == AF_INET6 ? configure_ipv6(sender, fd)
						 : configure_ipv4(sender, fd);
	return ret ? ret : sender_bind(sender, fd, number);
}

/* New sockets for a new address or interface. */
static void sender_update(struct sender *sender)
{
	const struct encap_uplink *uplink = sender->uplink;
	const struct ipaddr *addr = &uplink->addr[family_index(sender->family)];
	char text[ADDR_STRLEN];
	int ret = 0;

	if (sender->open && sender->ifindex == uplink->ifindex && ipaddr_equal(&sender->addr, addr))
		return;
	sender_close(sender);
	sender->addr = *addr;
	sender->ifindex = uplink->ifindex;
	if (uplink->ifindex == 0 || !ipaddr_is_set(addr))
		return;
	for (unsigned i = 0; ret == 0 && i < sender->kind->sockets; i++)
		ret = sender_open(sender, i);
	if (ret < 0) {
		sender_close(sender);
		log_limited(LOG_LEVEL_WARN, "uplink %s: cannot send from %s: %s; waiting",
			    uplink->name, ipaddr_format(addr, text), strerror(-ret));
		return;
	}
	sender->open = true;
}

/* ---- who uses them ---- */

static struct sender *sender_find(const struct senders *senders, const struct encap_uplink *uplink,
				  uint16_t family)
{
	list_for_each (&((struct senders *)(uintptr_t)senders)->list, it) {
		struct sender *sender = container_of(it, struct sender, link);

		if (sender->uplink == uplink && sender->family == family)
			return sender;
	}
	return NULL;
}

int senders_get(struct senders *senders, const struct encap_uplink *uplink, unsigned families)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sender *sender;

		if (!(families & 1u << i))
			continue;
		sender = sender_find(senders, uplink, family_at(i));
		if (!sender) {
			sender = calloc(1, sizeof(*sender));
			if (!sender) {
				senders_put(senders, uplink, families & ((1u << i) - 1));
				return -ENOMEM;
			}
			sender->kind = senders->kind;
			sender->uplink = uplink;
			sender->family = family_at(i);
			for (unsigned k = 0; k < SENDER_SOCKETS; k++)
				sender->fd[k] = -1;
			list_add_tail(&senders->list, &sender->link);
		}
		sender->refs++;
	}
	return 0;
}

void senders_put(struct senders *senders, const struct encap_uplink *uplink, unsigned families)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sender *sender = sender_find(senders, uplink, family_at(i));

		if (!(families & 1u << i) || !sender || --sender->refs > 0)
			continue;
		sender_close(sender);
		list_del(&sender->link);
		free(sender);
	}
}

void senders_follow(struct senders *senders, const struct encap_uplink *uplink)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sender *sender = sender_find(senders, uplink, family_at(i));

		if (sender)
			sender_update(sender);
	}
}

/* ---- sending ---- */

/* Messages that wait for one sendmmsg through one socket. */
struct tx_queue {
	struct encap *encap;
	const struct senders *senders;
	const struct sender_to *to;
	const struct sender *sender;
	unsigned number; /* which of its sockets */
	unsigned count;
	struct mmsghdr msgs[TX_MESSAGES];
	struct iovec iov[TX_MESSAGES];
	struct sockaddr_storage addr[TX_MESSAGES];
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
		int n = sendmmsg(q->sender->fd[q->number], q->msgs + done, q->count - done,
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

/* The time to live is the same for all that wait. */
static void tx_set_ttl(struct tx_queue *q, struct msghdr *hdr, bool v6)
{
	struct cmsghdr *c = &q->control.align;
	int ttl = (int)q->to->ttl;

	c->cmsg_level = v6 ? SOL_IPV6 : SOL_IP;
	c->cmsg_type = v6 ? IPV6_HOPLIMIT : IP_TTL;
	c->cmsg_len = CMSG_LEN(sizeof(ttl));
	memcpy(CMSG_DATA(c), &ttl, sizeof(ttl));
	hdr->msg_control = &q->control;
	hdr->msg_controllen = sizeof(q->control);
}

static void tx_set_address(struct tx_queue *q, struct msghdr *hdr, const struct ipaddr *dst)
{
	struct sockaddr_storage *ss = &q->addr[q->count];

	hdr->msg_namelen = ipaddr_to_sockaddr(dst, ss);
	hdr->msg_name = ss;
	if (dst->family == AF_INET6) {
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;

		sin6->sin6_port = htons(q->to->port);
		if (IN6_IS_ADDR_LINKLOCAL(&dst->v6) || ipaddr_is_multicast(dst))
			sin6->sin6_scope_id = q->sender->ifindex;
	} else {
		((struct sockaddr_in *)ss)->sin_port = htons(q->to->port);
	}
}

static void tx_add(struct tx_queue *q, const struct frame *frame, const struct ipaddr *dst)
{
	struct msghdr *hdr;

	if (!q->sender || q->sender->family != dst->family) {
		if (q->count)
			tx_flush(q);
		q->sender = sender_find(q->senders, q->encap->uplink, dst->family);
	}
	if (!q->sender || !q->sender->open) {
		q->encap->stats.tx_drops[REASON_LINK_DOWN]++;
		return;
	}
	if (q->count == TX_MESSAGES)
		tx_flush(q);
	hdr = &q->msgs[q->count].msg_hdr;
	memset(hdr, 0, sizeof(*hdr));
	tx_set_address(q, hdr, dst);
	q->iov[q->count] = (struct iovec){.iov_base = frame->data, .iov_len = frame->len};
	hdr->msg_iov = &q->iov[q->count];
	hdr->msg_iovlen = 1;
	if (q->to->ttl)
		tx_set_ttl(q, hdr, dst->family == AF_INET6);
	q->count++;
}

static void tx_add_all(struct tx_queue *q, const struct frame *frame)
{
	const struct remotes *remotes = q->to->remotes;

	if (ipaddr_is_set(&frame->peer)) {
		tx_add(q, frame, &frame->peer);
		return;
	}
	if (ipaddr_is_set(&remotes->group))
		tx_add(q, frame, &remotes->group);
	for (unsigned k = 0; k < remotes->peer_count; k++)
		tx_add(q, frame, &remotes->peers[k]);
}

/* Socket by socket, so that each needs one call; what one flow sends stays in order. */
void senders_send(struct senders *senders, struct encap *encap, const struct sender_to *to,
		  struct frame_batch *batch)
{
	uint8_t number[FRAME_BATCH_MAX] = {0};
	uint32_t used = 0;
	struct tx_queue q;

	q.encap = encap;
	q.senders = senders;
	q.to = to;
	q.sender = NULL;
	q.count = 0;
	for (unsigned i = 0; i < batch->count; i++) {
		if (senders->kind->choose)
			number[i] = (uint8_t)(senders->kind->choose(batch->frame[i]) %
					      senders->kind->sockets);
		used |= 1u << number[i];
	}
	for (q.number = 0; used >> q.number; q.number++) {
		for (unsigned i = 0; i < batch->count; i++) {
			if (number[i] == q.number)
				tx_add_all(&q, batch->frame[i]);
		}
		if (q.count)
			tx_flush(&q);
	}
	frame_batch_free(batch);
}
