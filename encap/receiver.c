/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/receiver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/inbox.h"
#include "encap/socket.h"
#include "lib/log.h"
#include "lib/revive.h"

LOG_MODULE("receiver");

#define RX_MESSAGES  32u
#define RX_ROUNDS    4u
#define RX_TRAINS    4u /* messages at once where each may be 64 KiB */
#define TRAIN_ROUNDS 8u
#define RX_BUFFER    (8 << 20)

/* Not in every libc's headers. */
#ifndef IP_RECVFRAGSIZE
#define IP_RECVFRAGSIZE 25
#endif
#ifndef IPV6_RECVFRAGSIZE
#define IPV6_RECVFRAGSIZE 77
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* One datagram at a time may lie here; what is not taken waits for the next. */
struct rx_message {
	struct frame *frame; /* NULL: the pool was exhausted */
	struct iovec iov[2];
	struct sockaddr_storage from;
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 3 * CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
};

struct receiver_buffers {
	struct rx_message message[RX_MESSAGES];
	struct mmsghdr hdr[RX_MESSAGES];
	struct inbox inbox;
	uint8_t scratch; /* where a datagram goes for which there is no buffer */
	/* Where datagrams longer than a small buffer end; else never touched. */
	uint8_t overflow[RX_MESSAGES][FRAME_LARGE];
};

/* What the kernel says beside a datagram. Returns the size of each of those that it has
 * joined; 0: it is one. */
static unsigned read_control(struct receiver *receiver, const struct msghdr *msg,
			     struct outer *outer)
{
	uint64_t *overruns = &receiver->host->stray[receiver->kind].rx_drops[REASON_OVERRUN];

	int train = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			outer->ifindex = (unsigned)info.ipi_ifindex;
			outer->dst = ipaddr_v4(info.ipi_addr);
		} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			outer->ifindex = info.ipi6_ifindex;
			outer->dst = ipaddr_v6(&info.ipi6_addr);
		} else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVFRAGSIZE) ||
			   (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVFRAGSIZE)) {
			outer->fragmented = true;
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&train, CMSG_DATA(c), sizeof(train));
		} else {
			*overruns += socket_overruns(c, &receiver->overruns);
		}
	}
	return train > 0 ? (unsigned)train : 0;
}

static void read_source(const struct msghdr *msg, struct outer *outer)
{
	const struct sockaddr_storage *ss = msg->msg_name;

	if (msg->msg_namelen >= sizeof(struct sockaddr_in6) && ss->ss_family == AF_INET6)
		outer->src = ipaddr_v6(&((const struct sockaddr_in6 *)ss)->sin6_addr);
	else if (msg->msg_namelen >= sizeof(struct sockaddr_in) && ss->ss_family == AF_INET)
		outer->src = ipaddr_v4(((const struct sockaddr_in *)ss)->sin_addr);
}

/* A datagram that went past the small buffer is put together in a large one. */
static struct frame *join_overflow(struct receiver *receiver, struct frame *frame, size_t len,
				   const uint8_t *overflow)
{
	size_t head = FRAME_SMALL;
	struct frame *whole = frame_alloc(receiver->host->pool, len);

	if (whole) {
		memcpy(whole->data, frame->data, head);
		memcpy(whole->data + head, overflow, len - head);
		whole->len = (uint32_t)len;
	}
	frame_free(frame);
	return whole;
}

static void count(struct receiver *receiver, struct encap *blame, enum reason reason)
{
	struct stats *stats = blame ? &blame->stats : &receiver->host->stray[receiver->kind];

	stats->rx_drops[reason]++;
}

/* Takes a message's frame, whole; NULL when it was dropped. */
static struct frame *take(struct receiver *receiver, unsigned i)
{
	struct rx_message *message = &receiver->buffers->message[i];
	const struct mmsghdr *hdr = &receiver->buffers->hdr[i];
	struct frame *frame = message->frame;
	bool cut = hdr->msg_hdr.msg_flags & MSG_TRUNC;

	message->frame = NULL;
	if (frame && !cut && hdr->msg_len > FRAME_SMALL)
		frame = join_overflow(receiver, frame, hdr->msg_len, message->iov[1].iov_base);
	else if (frame && !cut)
		frame->len = hdr->msg_len;
	if (frame && !cut)
		return frame;
	count(receiver, NULL, frame ? REASON_TOO_LONG : REASON_NO_BUFFER);
	frame_free(frame);
	return NULL;
}

/* One datagram; takes ownership, unless it is borrowed. */
static void process_one(struct receiver *receiver, struct frame *frame, const struct outer *told)
{
	struct encap *encap, *blame = NULL;
	enum reason reason = REASON_NONE;
	struct outer outer = *told;

	encap = receiver->classify(receiver, frame, &outer, &reason, &blame);
	if (!encap) {
		count(receiver, blame, reason);
		if (!frame_is_borrowed(frame))
			frame_free(frame);
		return;
	}
	frame->peer = outer.src;
	frame->origin = &encap->stats;
	inbox_add(&receiver->buffers->inbox, encap, frame);
}

/* Datagrams of one size, the last may be shorter, that the kernel has joined. */
static void process_train(struct receiver *receiver, unsigned i, unsigned size,
			  const struct outer *outer)
{
	struct receiver_buffers *buffers = receiver->buffers;
	uint8_t *data = buffers->overflow[i];
	size_t left = buffers->hdr[i].msg_len;

	if (buffers->hdr[i].msg_hdr.msg_flags & MSG_TRUNC) {
		count(receiver, NULL, REASON_TOO_LONG);
		return;
	}
	do {
		struct frame frame;
		size_t n = size && size < left ? size : left;

		frame_borrow(&frame, data, n);
		process_one(receiver, &frame, outer);
		data += n;
		left -= n;
	} while (left);
}

static void process(struct receiver *receiver, unsigned messages)
{
	for (unsigned i = 0; i < messages; i++) {
		struct outer outer;
		struct frame *frame;
		unsigned train;

		memset(&outer, 0, sizeof(outer));
		train = read_control(receiver, &receiver->buffers->hdr[i].msg_hdr, &outer);
		read_source(&receiver->buffers->hdr[i].msg_hdr, &outer);
		if (receiver->trains) {
			process_train(receiver, i, train, &outer);
			continue;
		}
		frame = take(receiver, i);
		if (frame)
			process_one(receiver, frame, &outer);
	}
}

/* Gives every message a buffer again, and the room that the kernel has used. */
static void prepare(struct receiver *receiver, unsigned messages)
{
	struct receiver_buffers *buffers = receiver->buffers;

	for (unsigned i = 0; i < messages; i++) {
		struct rx_message *message = &buffers->message[i];
		struct msghdr *hdr = &buffers->hdr[i].msg_hdr;

		if (!message->frame && !receiver->trains) {
			message->frame = frame_alloc(receiver->host->pool, FRAME_SMALL);
			message->iov[0].iov_base =
			    message->frame ? message->frame->data : &buffers->scratch;
			message->iov[0].iov_len = message->frame ? FRAME_SMALL : 1;
		}
		message->iov[1].iov_base = buffers->overflow[i];
		message->iov[1].iov_len = FRAME_LARGE;
		hdr->msg_name = &message->from;
		hdr->msg_namelen = sizeof(message->from);
		hdr->msg_iov = receiver->trains ? &message->iov[1] : message->iov;
		hdr->msg_iovlen = receiver->trains ? 1 : 2;
		hdr->msg_control = &message->control;
		hdr->msg_controllen = sizeof(message->control);
		hdr->msg_flags = 0;
		buffers->hdr[i].msg_len = 0;
	}
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct receiver *receiver = io->data;
	unsigned messages = receiver->trains ? RX_TRAINS : RX_MESSAGES;
	unsigned rounds = receiver->trains ? TRAIN_ROUNDS : RX_ROUNDS;

	revive(loop, io, events);
	for (unsigned round = 0; round < rounds; round++) {
		int n;

		prepare(receiver, messages);
		n = recvmmsg(receiver->fd, receiver->buffers->hdr, messages, 0,
			     NULL); /* @syscall recvmmsg */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			log_limited(LOG_LEVEL_WARN, "receiving: %s", strerror(errno));
		if (n > 0)
			process(receiver, (unsigned)n);
		if (n < (int)messages)
			break;
	}
	inbox_flush(&receiver->buffers->inbox);
}

void receiver_stop(struct receiver *receiver)
{
	if (receiver->fd < 0)
		return;
	ev_io_stop(receiver->host->loop, &receiver->io);
	close(receiver->fd);
	receiver->fd = -1;
	for (unsigned i = 0; i < RX_MESSAGES; i++)
		frame_free(receiver->buffers->message[i].frame);
	free(receiver->buffers);
	receiver->buffers = NULL;
}

int receiver_start(struct receiver *receiver, int fd)
{
	int ret;

	receiver->buffers = calloc(1, sizeof(*receiver->buffers));
	if (!receiver->buffers) {
		close(fd);
		return -ENOMEM;
	}
	receiver->buffers->inbox.host = receiver->host;
	receiver->fd = fd;
	receiver->overruns = 0;
	(void)socket_set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	socket_set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RX_BUFFER);
	if (receiver->family == AF_INET) {
		ret = socket_set_int(fd, SOL_IP, IP_PKTINFO, 1);
		(void)socket_set_int(fd, SOL_IP, IP_RECVFRAGSIZE, 1);
	} else {
		ret = socket_set_int(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
		(void)socket_set_int(fd, SOL_IPV6, IPV6_RECVFRAGSIZE, 1);
	}
	receiver->trains = receiver->udp && socket_set_int(fd, IPPROTO_UDP, UDP_GRO, 1) == 0;
	ev_io_init(&receiver->io, on_readable, fd, EV_READ);
	receiver->io.data = receiver;
	ev_io_start(receiver->host->loop, &receiver->io);
	if (ret < 0)
		receiver_stop(receiver);
	return ret;
}
