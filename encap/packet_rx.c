/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving from an uplink, in batches. The kernel hands over superframes and
 * partial checksums as they are, with a virtio-net header, and the outermost tag
 * beside the frame.
 */
#include <errno.h>
#include <ev.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "encap/inbox.h"
#include "encap/packet_io.h"
#include "encap/socket.h"
#include "lib/log.h"
#include "lib/revive.h"
#include "lib/vnet.h"

LOG_MODULE("packet");

#define RX_MESSAGES 32u
#define RX_FEW	    4u	 /* superframes: their bytes are in the cache still when they are sent on */
#define RX_LARGE    8u	 /* messages with room for superframes while there are any */
#define RX_EXPECT   256u /* batches after one for which another is expected */
#define RX_ROUNDS   4u

struct rx_message {
	struct frame *frame; /* NULL: the pool was exhausted */
	size_t room;	     /* of the frame */
	uint8_t vnet[sizeof(struct vnet_header)];
	struct iovec iov[3];
	union {
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata)) +
			   CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr align;
	} control;
};

struct packet_rx {
	struct packet_receiver receiver;
	int fd;
	ev_io io;
	struct rx_message message[RX_MESSAGES];
	struct mmsghdr hdr[RX_MESSAGES];
	struct inbox inbox;
	uint32_t overruns;    /* of the socket, so far */
	unsigned superframes; /* batches for which more of them are expected */
	unsigned at_once;     /* messages that are asked for: what came last says */
	/* Where frames longer than their buffer end; else never touched. */
	uint8_t overflow[RX_MESSAGES][FRAME_LARGE];
};

static void count_stray(const struct packet_rx *rx, enum reason reason)
{
	rx->receiver.host->stray[rx->receiver.kind].rx_drops[reason]++;
}

static void read_control(struct packet_rx *rx, struct msghdr *msg, struct frame *frame)
{
	uint64_t *overruns = &rx->receiver.host->stray[rx->receiver.kind].rx_drops[REASON_OVERRUN];

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		*overruns += socket_overruns(c, &rx->overruns);
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID) ||
		    !(aux.tp_status & TP_STATUS_VLAN_TPID_VALID))
			continue;
		frame->tag.tpid = aux.tp_vlan_tpid;
		frame->tag.tci = aux.tp_vlan_tci;
	}
}

/* A frame that went past a small buffer is put together in a large one. */
static struct frame *join(const struct packet_rx *rx, struct rx_message *message, size_t len)
{
	struct frame *frame = message->frame, *whole = frame;

	message->frame = NULL;
	if (len > message->room) {
		whole = frame_alloc(rx->receiver.host->pool, len);
		if (whole) {
			memcpy(whole->data, frame->data, message->room);
			memcpy(whole->data + message->room, message->iov[2].iov_base,
			       len - message->room);
		}
		frame_free(frame);
	}
	if (whole)
		whole->len = (uint32_t)len;
	return whole;
}

/* Makes a frame of a message and hands it on. */
static void take(struct packet_rx *rx, struct rx_message *message, struct mmsghdr *received)
{
	struct msghdr *hdr = &received->msg_hdr;
	size_t len = received->msg_len;
	struct frame *frame = NULL;
	enum reason reason = REASON_TOO_LONG;

	if (len < sizeof(message->vnet))
		return;
	len -= sizeof(message->vnet);
	if (!(hdr->msg_flags & MSG_TRUNC) && len <= FRAME_LARGE) {
		reason = REASON_NO_BUFFER;
		if (message->frame)
			frame = join(rx, message, len);
	}
	if (!frame) {
		count_stray(rx, reason);
		return;
	}
	if (!vnet_read(message->vnet, frame)) {
		count_stray(rx, REASON_BAD_OFFLOAD);
		frame_free(frame);
		return;
	}
	read_control(rx, hdr, frame);
	rx->receiver.take(rx->receiver.arg, frame);
}

/* How many bytes came; the fewer messages are asked for next time, the longer they are. */
static size_t process(struct packet_rx *rx, unsigned count)
{
	size_t bytes = 0, fit;

	if (rx->superframes)
		rx->superframes--;
	for (unsigned i = 0; i < count; i++) {
		bytes += rx->hdr[i].msg_len;
		if (rx->hdr[i].msg_len > FRAME_SMALL)
			rx->superframes = RX_EXPECT;
		take(rx, &rx->message[i], &rx->hdr[i]);
	}
	fit = FRAME_TURN_BYTES / (bytes / count + 1);
	rx->at_once = fit < RX_FEW ? RX_FEW : fit > RX_MESSAGES ? RX_MESSAGES : (unsigned)fit;
	return bytes;
}

/* Gives a message a buffer again. While superframes arrive the first messages get
 * large ones, so that nothing has to be copied; for ordinary frames, that would be
 * waste. */
static void refill(struct packet_rx *rx, unsigned i)
{
	struct frame_pool *pool = rx->receiver.host->pool;
	struct rx_message *message = &rx->message[i];
	size_t want = rx->superframes && i < RX_LARGE ? FRAME_LARGE : FRAME_SMALL;
	struct frame *frame;

	if (message->frame && message->room == want)
		return;
	frame = frame_alloc(pool, want);
	if (!frame && message->frame)
		return; /* what is there will do */
	if (!frame && want == FRAME_LARGE) {
		want = FRAME_SMALL;
		frame = frame_alloc(pool, want);
	}
	frame_free(message->frame);
	message->frame = frame;
	message->room = frame ? want : 0;
}

static void prepare(struct packet_rx *rx)
{
	for (unsigned i = 0; i < rx->at_once; i++) {
		struct rx_message *message = &rx->message[i];
		struct msghdr *hdr = &rx->hdr[i].msg_hdr;

		refill(rx, i);
		message->iov[0] = (struct iovec){message->vnet, sizeof(message->vnet)};
		message->iov[1] =
		    (struct iovec){message->frame ? message->frame->data : NULL, message->room};
		message->iov[2] = (struct iovec){rx->overflow[i], FRAME_LARGE};
		memset(hdr, 0, sizeof(*hdr));
		hdr->msg_iov = message->iov;
		hdr->msg_iovlen = 3;
		hdr->msg_control = &message->control;
		hdr->msg_controllen = sizeof(message->control);
		rx->hdr[i].msg_len = 0;
	}
}

/* @syscall recvmmsg */
static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct packet_rx *rx = io->data;
	size_t bytes = 0;

	revive(loop, io, events);
	for (unsigned round = 0; round < RX_ROUNDS && bytes < FRAME_TURN_BYTES; round++) {
		unsigned want = rx->at_once;
		int n;

		prepare(rx);
		n = recvmmsg(rx->fd, rx->hdr, want, 0, NULL);
		if (n < 0 && errno == EINVAL) {
			/* A superframe that this kernel's virtio-net header has no word
			 * for: UDP before Linux 6.2. It is gone. */
			count_stray(rx, REASON_BAD_OFFLOAD);
			continue;
		}
		/* That the interface went down, the uplink says. */
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
			log_limited(LOG_LEVEL_WARN, "uplink %s: receiving: %s", rx->receiver.uplink,
				    strerror(errno));
		if (n > 0)
			bytes += process(rx, (unsigned)n);
		if (n < (int)want)
			break;
	}
	inbox_flush(&rx->inbox);
}

void packet_rx_add(struct packet_rx *rx, struct encap *encap, struct frame *frame)
{
	inbox_add(&rx->inbox, encap, frame);
}

void packet_rx_flush(struct packet_rx *rx)
{
	if (rx)
		inbox_flush(&rx->inbox);
}

void packet_rx_stop(struct packet_rx *rx)
{
	if (!rx)
		return;
	ev_io_stop(rx->receiver.host->loop, &rx->io);
	for (unsigned i = 0; i < RX_MESSAGES; i++)
		frame_free(rx->message[i].frame);
	free(rx);
}

int packet_rx_start(struct packet_rx **out, const struct packet_receiver *receiver, int fd)
{
	struct packet_rx *rx = calloc(1, sizeof(*rx));

	if (!rx)
		return -ENOMEM;
	rx->receiver = *receiver;
	rx->fd = fd;
	rx->inbox.host = receiver->host;
	rx->at_once = RX_MESSAGES;
	ev_io_init(&rx->io, on_readable, fd, EV_READ);
	rx->io.data = rx;
	ev_io_start(receiver->host->loop, &rx->io);
	*out = rx;
	return 0;
}
