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
#include "lib/packet.h"

LOG_MODULE("sender");

#define TX_BUFFER   (4 << 20)
#define TX_MESSAGES 64u
#define TX_TRAIN    64u /* datagrams in one message: what every kernel takes */
#define TRAIN_BYTES 65000u
#define PORT_TRIES  64u /* ports that others may have taken */

/* Not in every libc's headers. */
#ifndef IP_PMTUDISC_OMIT
#define IP_PMTUDISC_OMIT 5
#endif
#ifndef IPV6_PMTUDISC_OMIT
#define IPV6_PMTUDISC_OMIT 5
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
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
	unsigned room;			/* bytes of UDP that fit one packet */
	bool trains;			/* of UDP: the kernel cuts */
	bool checksums[SENDER_SOCKETS]; /* of UDP over IPv4: they are on */
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
	unsigned header = (sender->family == AF_INET6 ? IPV6_OVERHEAD : IPV4_OVERHEAD) +
			  (unsigned)sizeof(struct udp_header);
	char text[ADDR_STRLEN];
	int ret = 0;

	sender->room = uplink->mtu > header ? uplink->mtu - header : 0;
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
	memset(sender->checksums, 0, sizeof(sender->checksums));
	sender->trains = sender->kind->type == SOCK_DGRAM &&
			 socket_set_int(sender->fd[0], IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
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

/*
 * Messages that wait for one sendmmsg through one socket. Of UDP a message may be a
 * train: datagrams of one size, the last may be shorter, which the kernel cuts again
 * as late as it can (UDP_SEGMENT).
 */
struct tx_message {
	struct ipaddr dst;
	unsigned datagrams, bytes;
	unsigned size; /* of the first */
	struct sockaddr_storage addr;
	union {
		char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control;
};

struct tx_queue {
	struct encap *encap;
	const struct senders *senders;
	const struct sender_to *to;
	struct sender *sender;
	unsigned number; /* which of its sockets */
	unsigned count;
	unsigned frames; /* iovecs in use */
	struct mmsghdr hdr[TX_MESSAGES];
	struct tx_message message[TX_MESSAGES];
	struct iovec iov[TX_MESSAGES];
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

/* The message gets what it needs said beside its bytes. */
static void tx_set_control(struct tx_queue *q, unsigned i)
{
	struct tx_message *message = &q->message[i];
	struct msghdr *hdr = &q->hdr[i].msg_hdr;
	bool v6 = message->dst.family == AF_INET6;
	uint16_t size = (uint16_t)message->size;
	struct cmsghdr *c = &message->control.align;
	int ttl = (int)q->to->ttl;

	memset(&message->control, 0, sizeof(message->control));
	hdr->msg_control = &message->control;
	hdr->msg_controllen = 0;
	if (ttl) {
		c->cmsg_level = v6 ? SOL_IPV6 : SOL_IP;
		c->cmsg_type = v6 ? IPV6_HOPLIMIT : IP_TTL;
		c->cmsg_len = CMSG_LEN(sizeof(ttl));
		memcpy(CMSG_DATA(c), &ttl, sizeof(ttl));
		hdr->msg_controllen = CMSG_SPACE(sizeof(ttl));
		c = (struct cmsghdr *)(message->control.bytes + hdr->msg_controllen);
	}
	if (message->datagrams > 1) {
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
		hdr->msg_controllen += CMSG_SPACE(sizeof(size));
	}
}

/*
 * RFC 7348 wants no checksum in UDP over IPv4, since the frame inside has its own; but
 * the kernel cuts only what has one.
 */
static void tx_set_checksums(struct tx_queue *q)
{
	bool trains = false;

	if (!q->sender->trains || q->sender->family != AF_INET)
		return;
	for (unsigned i = 0; i < q->count; i++)
		trains |= q->message[i].datagrams > 1;
	if (trains != q->sender->checksums[q->number])
		(void)socket_set_int(q->sender->fd[q->number], SOL_SOCKET, SO_NO_CHECK, !trains);
	q->sender->checksums[q->number] = trains;
}

/* Sends what the kernel has refused as a train. What then fails is lost and counted. */
static void tx_singly(struct tx_queue *q, unsigned i)
{
	struct stats *stats = &q->encap->stats;
	struct msghdr *hdr = &q->hdr[i].msg_hdr;
	struct iovec *iov = hdr->msg_iov;
	unsigned datagrams = q->message[i].datagrams;

	q->message[i].datagrams = 1;
	tx_set_control(q, i);
	hdr->msg_iovlen = 1;
	for (unsigned k = 0; k < datagrams; k++) {
		hdr->msg_iov = &iov[k];
		if (sendmmsg(q->sender->fd[q->number], &q->hdr[i], 1, 0) == 1)
			stats->tx_segments++;
		else
			stats->tx_drops[reason_of_errno(errno)]++;
	}
}

static unsigned tx_datagrams(const struct tx_queue *q, unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned i = from; i < to; i++)
		n += q->message[i].datagrams;
	return n;
}

static void tx_failed(struct tx_queue *q, unsigned i, enum reason reason)
{
	if (q->message[i].datagrams > 1) {
		/* IPsec below, or a kernel that is too old. */
		if (reason != REASON_OVERSIZE) {
			log_info("uplink %s: the kernel does not cut datagrams here: %s",
				 q->encap->uplink->name, strerror(errno));
			q->sender->trains = false;
		}
		tx_singly(q, i);
		return;
	}
	if (reason == REASON_LINK_DOWN)
		log_limited(LOG_LEVEL_INFO, "segment %s: sending: %s", q->encap->segment_name,
			    strerror(errno));
	q->encap->stats.tx_drops[reason]++;
}

static void tx_flush(struct tx_queue *q)
{
	struct stats *stats = &q->encap->stats;
	unsigned done = 0;

	assert(q->sender); /* what is queued has one */
	for (unsigned i = 0; i < q->count; i++)
		tx_set_control(q, i);
	tx_set_checksums(q);
	while (done < q->count) {
		int n = sendmmsg(q->sender->fd[q->number], q->hdr + done, q->count - done,
				 0); /* @syscall sendmmsg */
		enum reason reason;

		if (n > 0) {
			stats->tx_segments += tx_datagrams(q, done, done + (unsigned)n);
			done += (unsigned)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		reason = reason_of_errno(errno);
		if (reason == REASON_QUEUE_FULL) { /* no use in trying the rest */
			stats->tx_drops[reason] += tx_datagrams(q, done, q->count);
			break;
		}
		tx_failed(q, done++, reason);
	}
	q->count = 0;
	q->frames = 0;
}

static void tx_set_address(struct tx_queue *q, struct tx_message *message, struct msghdr *hdr)
{
	struct sockaddr_storage *ss = &message->addr;

	hdr->msg_namelen = ipaddr_to_sockaddr(&message->dst, ss);
	hdr->msg_name = ss;
	if (message->dst.family == AF_INET6) {
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;

		sin6->sin6_port = htons(q->to->port);
		if (IN6_IS_ADDR_LINKLOCAL(&message->dst.v6) || ipaddr_is_multicast(&message->dst))
			sin6->sin6_scope_id = q->sender->ifindex;
	} else {
		((struct sockaddr_in *)ss)->sin_port = htons(q->to->port);
	}
}

/* Appends to the last message, where both can be one train. */
static bool tx_couple(struct tx_queue *q, const struct frame *frame, const struct ipaddr *dst)
{
	struct tx_message *last;

	if (q->count == 0 || !q->sender->trains)
		return false;
	last = &q->message[q->count - 1];
	if (last->datagrams == TX_TRAIN || frame->len > last->size ||
	    last->bytes != last->datagrams * last->size || last->bytes + frame->len > TRAIN_BYTES ||
	    last->size > q->sender->room || !ipaddr_equal(&last->dst, dst))
		return false;
	last->datagrams++;
	last->bytes += frame->len;
	q->hdr[q->count - 1].msg_hdr.msg_iovlen++;
	return true;
}

static void tx_add(struct tx_queue *q, const struct frame *frame, const struct ipaddr *dst)
{
	struct tx_message *message;
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
	if (q->frames == TX_MESSAGES)
		tx_flush(q);
	q->iov[q->frames] = (struct iovec){.iov_base = frame->data, .iov_len = frame->len};
	if (!tx_couple(q, frame, dst)) {
		message = &q->message[q->count];
		hdr = &q->hdr[q->count].msg_hdr;
		message->dst = *dst;
		message->datagrams = 1;
		message->size = message->bytes = frame->len;
		memset(hdr, 0, sizeof(*hdr));
		tx_set_address(q, message, hdr);
		hdr->msg_iov = &q->iov[q->frames];
		hdr->msg_iovlen = 1;
		q->count++;
	}
	q->frames++;
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
	q.frames = 0;
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
