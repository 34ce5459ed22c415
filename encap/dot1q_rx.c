/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving from an uplink, in batches. The kernel hands over superframes and
 * partial checksums as they are, with a virtio-net header, and the outermost tag
 * beside the frame.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "encap/dot1q_io.h"
#include "encap/inbox.h"
#include "lib/log.h"
#include "lib/revive.h"
#include "lib/vnet.h"

LOG_MODULE("dot1q");

#define RX_MESSAGES 32u
#define RX_LARGE    8u /* of them have room for superframes while there are any */
#define RX_ROUNDS   4u

struct rx_message {
	struct frame *frame; /* NULL: the pool was exhausted */
	size_t room;	     /* of the frame */
	uint8_t vnet[sizeof(struct vnet_header)];
	struct iovec iov[3];
	union {
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
};

struct dot1q_rx {
	struct rx_message message[RX_MESSAGES];
	struct mmsghdr hdr[RX_MESSAGES];
	struct inbox inbox;
	bool superframes; /* there was one in the last batch */
	/* Where frames longer than their buffer end; else never touched. */
	uint8_t overflow[RX_MESSAGES][FRAME_LARGE];
};

static void count_stray(struct dot1q_link *link, enum reason reason)
{
	link->host->stray[ENCAP_DOT1Q].rx_drops[reason]++;
}

static void read_control(struct msghdr *msg, struct frame *frame)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

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
static struct frame *join(struct dot1q_link *link, struct rx_message *message, size_t len)
{
	struct frame *frame = message->frame, *whole = frame;

	message->frame = NULL;
	if (len > message->room) {
		whole = frame_alloc(link->host->pool, len);
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

/* Finds whose frame it is and takes the tags off; NULL when it was dropped. */
static struct encap *take(struct dot1q_link *link, struct rx_message *message,
			  struct mmsghdr *received, struct frame **out)
{
	struct msghdr *hdr = &received->msg_hdr;
	size_t len = received->msg_len;
	struct frame *frame = NULL;
	struct dot1q *dot1q;
	enum reason reason = REASON_TOO_LONG;

	if (len < sizeof(message->vnet))
		return NULL;
	len -= sizeof(message->vnet);
	if (!(hdr->msg_flags & MSG_TRUNC) && len <= FRAME_LARGE) {
		reason = REASON_NO_BUFFER;
		if (message->frame)
			frame = join(link, message, len);
	}
	if (!frame) {
		count_stray(link, reason);
		return NULL;
	}
	if (!vnet_read(message->vnet, frame)) {
		count_stray(link, REASON_BAD_OFFLOAD);
		frame_free(frame);
		return NULL;
	}
	read_control(hdr, frame);
	dot1q = dot1q_demux(&link->table, frame);
	if (!dot1q) { /* another VLAN of the wire: no business of ours, and no drop */
		if (link->mrp && !frame->tag.tpid)
			(void)dot1q_mrp_receive(link, frame);
		frame_free(frame);
		return NULL;
	}
	reason = dot1q->encap->ops->pop(dot1q->encap, frame);
	if (reason != REASON_NONE) {
		dot1q->encap->stats.rx_drops[reason]++;
		frame_free(frame);
		return NULL;
	}
	frame->origin = &dot1q->encap->stats;
	*out = frame;
	return dot1q->encap;
}

static void process(struct dot1q_link *link, unsigned count)
{
	struct dot1q_rx *rx = link->rx;

	rx->superframes = false;
	for (unsigned i = 0; i < count; i++) {
		struct frame *frame = NULL;
		struct encap *encap;

		rx->superframes |= rx->hdr[i].msg_len > FRAME_SMALL;
		encap = take(link, &rx->message[i], &rx->hdr[i], &frame);
		if (!encap)
			continue;
		inbox_add(&rx->inbox, encap, frame);
	}
}

/* Gives a message a buffer again. While superframes arrive the first messages get
 * large ones, so that nothing has to be copied; for ordinary frames, that would be
 * waste. */
static void refill(struct dot1q_link *link, unsigned i)
{
	struct rx_message *message = &link->rx->message[i];
	size_t want = link->rx->superframes && i < RX_LARGE ? FRAME_LARGE : FRAME_SMALL;
	struct frame *frame;

	if (message->frame && message->room == want)
		return;
	frame = frame_alloc(link->host->pool, want);
	if (!frame && message->frame)
		return; /* what is there will do */
	if (!frame && want == FRAME_LARGE) {
		want = FRAME_SMALL;
		frame = frame_alloc(link->host->pool, want);
	}
	frame_free(message->frame);
	message->frame = frame;
	message->room = frame ? want : 0;
}

static void prepare(struct dot1q_link *link)
{
	struct dot1q_rx *rx = link->rx;

	for (unsigned i = 0; i < RX_MESSAGES; i++) {
		struct rx_message *message = &rx->message[i];
		struct msghdr *hdr = &rx->hdr[i].msg_hdr;

		refill(link, i);
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
	struct dot1q_link *link = io->data;

	revive(loop, io, events);
	for (unsigned round = 0; round < RX_ROUNDS; round++) {
		int n;

		prepare(link);
		n = recvmmsg(link->fd, link->rx->hdr, RX_MESSAGES, 0, NULL);
		if (n < 0 && errno == EINVAL) {
			/* A superframe that this kernel's virtio-net header has no word
			 * for: UDP before Linux 6.2. It is gone. */
			count_stray(link, REASON_BAD_OFFLOAD);
			continue;
		}
		/* That the interface went down, the uplink says. */
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
			log_limited(LOG_LEVEL_WARN, "uplink %s: receiving: %s", link->uplink->name,
				    strerror(errno));
		if (n > 0)
			process(link, (unsigned)n);
		if (n < (int)RX_MESSAGES)
			break;
	}
	inbox_flush(&link->rx->inbox);
}

void dot1q_rx_stop(struct dot1q_link *link)
{
	if (!link->rx)
		return;
	ev_io_stop(link->host->loop, &link->io);
	for (unsigned i = 0; i < RX_MESSAGES; i++)
		frame_free(link->rx->message[i].frame);
	free(link->rx);
	link->rx = NULL;
}

int dot1q_rx_start(struct dot1q_link *link)
{
	link->rx = calloc(1, sizeof(*link->rx));
	if (!link->rx)
		return -ENOMEM;
	link->rx->inbox.host = link->host;
	ev_io_init(&link->io, on_readable, link->fd, EV_READ);
	link->io.data = link;
	ev_io_start(link->host->loop, &link->io);
	return 0;
}
