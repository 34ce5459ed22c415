/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "encap/sender_impl.h"
#include "encap/socket.h"
#include "lib/log.h"

LOG_MODULE("sender");

#define TX_MESSAGES 64u
#define TX_TRAIN    64u /* datagrams in one message: what every kernel takes */
#define TRAIN_BYTES 65000u

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
		/* IPsec below, no checksums there, or a kernel that is too old. What else fails,
		 * fails for all: no way, a packet filter. */
		if (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP) {
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

/* Whether the frame is taken care of, past the kernel's stack. */
static bool tx_bypass(struct tx_queue *q, const struct frame *frame, const struct ipaddr *dst)
{
	const struct sender_kind *kind = q->sender->kind;
	int64_t by_default = ipaddr_is_multicast(dst) ? 1 : SENDER_TTL;
	const struct bypass_to to = {
	    .protocol = (uint8_t)kind->protocol,
	    .ttl = (uint8_t)(q->to->ttl ? q->to->ttl : by_default),
	};
	enum bypass_result result =
	    bypass_add(q->sender->bypass, q->encap->host, q->encap->uplink, dst, &to, frame);

	if (result == BYPASS_FULL)
		q->encap->stats.tx_drops[REASON_QUEUE_FULL]++;
	return result != BYPASS_NOT;
}

static void tx_flush_bypass(struct tx_queue *q, struct sender *sender)
{
	struct encap *encap = q->encap;
	unsigned packets;
	int ret;

	if (!sender || !sender->bypass)
		return;
	ret = bypass_flush(sender->bypass, &packets);
	if (ret == 0) {
		encap->stats.tx_segments += packets;
		encap->bypassed += packets;
		return;
	}
	encap->stats.tx_drops[REASON_LINK_DOWN] += packets;
	log_limited(LOG_LEVEL_INFO, "segment %s: sending: %s", encap->segment_name, strerror(-ret));
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
	if (q->sender->bypass && tx_bypass(q, frame, dst))
		return;
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
	for (unsigned i = 0; i < 2; i++)
		tx_flush_bypass(&q, sender_find(senders, encap->uplink, family_at(i)));
	frame_batch_free(batch);
}
