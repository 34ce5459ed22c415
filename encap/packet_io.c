/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening packet sockets, and sending through them. Frames are sent by reference:
 * their bytes are shared with other receivers and stay as they are.
 */
#include "encap/packet_io.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encap/gso.h"
#include "encap/socket.h"
#include "lib/log.h"
#include "lib/machine.h"

LOG_MODULE("packet");

#define RX_BUFFER   (8 << 20)
#define TX_BUFFER   (16 << 20) /* a batch of superframes, as the kernel counts them */
#define TX_MESSAGES 64u

/* Not in every libc's headers. */
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* ---- the socket ---- */

/* Memberships end with the socket.
 * @syscall setsockopt */
static int join(int fd, const struct packet_socket *want)
{
	for (unsigned i = 0; i < want->member_count; i++) {
		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &want->members[i],
			       sizeof(want->members[i])) < 0)
			return -errno;
	}
	return 0;
}

/* @syscall bind */
static int setup(int fd, const struct packet_socket *want)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)want->ifindex};
	int ret = socket_set_int(fd, SOL_PACKET, PACKET_VNET_HDR, 1);

	ret = ret ? ret : socket_set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	(void)socket_set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	ret = ret ? ret : socket_set_int(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	ret = ret ? ret : want->set_filter(want->arg, fd);
	ret = ret ? ret : join(fd, want);
	socket_set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RX_BUFFER);
	socket_set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, TX_BUFFER);
	/* Not before here does it receive anything: it was made without a protocol. */
	if (ret == 0 && bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		ret = -errno;
	return ret;
}

/* @syscall socket close */
int packet_socket_open(const struct packet_socket *want)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd < 0)
		return -errno;
	ret = setup(fd, want);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

bool packet_has_uso(void)
{
	return machine_kernel_is(6, 2);
}

/* ---- sending ---- */

struct tx_queue {
	struct mmsghdr msgs[TX_MESSAGES];
	struct packet_message message[TX_MESSAGES];
};

static void prepare(struct packet_message *message, unsigned head, const struct frame *frame,
		    unsigned cut, struct msghdr *hdr)
{
	static uint8_t zeros[PACKET_FRAME_MIN];
	size_t len = frame->len - cut + head;
	unsigned n = 0;

	vnet_write(frame, head - cut, &message->vnet);
	message->iov[n++] = (struct iovec){&message->vnet, sizeof(message->vnet)};
	message->iov[n++] = (struct iovec){message->head, head};
	message->iov[n++] = (struct iovec){frame->data + cut, frame->len - cut};
	/* Behind a superframe it would be cut and sent as payload. */
	if (len < PACKET_FRAME_MIN && frame->offload.gso == FRAME_GSO_NONE)
		message->iov[n++] = (struct iovec){zeros, PACKET_FRAME_MIN - len};
	memset(hdr, 0, sizeof(*hdr));
	hdr->msg_iov = message->iov;
	hdr->msg_iovlen = n;
}

/* @syscall sendmmsg */
static void flush(struct encap *encap, int fd, struct tx_queue *queue,
		  const struct frame_batch *batch)
{
	struct stats *stats = &encap->stats;
	unsigned done = 0;

	while (done < batch->count) {
		int n = sendmmsg(fd, queue->msgs + done, batch->count - done, 0);
		enum reason reason;

		for (int i = 0; i < n; i++)
			stats->tx_segments += offload_segments(batch->frame[done++]);
		if (n > 0 || errno == EINTR)
			continue;
		reason = errno == EINVAL ? REASON_BAD_OFFLOAD : reason_of_errno(errno);
		if (reason == REASON_LINK_DOWN)
			log_limited(LOG_LEVEL_INFO, "segment %s: sending: %s", encap->segment_name,
				    strerror(errno));
		if (reason == REASON_QUEUE_FULL) { /* no use in trying the rest */
			stats->tx_drops[reason] += batch->count - done;
			break;
		}
		stats->tx_drops[reason]++;
		done++;
	}
}

void packet_send(struct encap *encap, int fd, struct frame_batch *batch, unsigned cut,
		 packet_head_fn *head)
{
	static_assert(TX_MESSAGES == FRAME_BATCH_MAX, "a batch is sent at once");
	struct tx_queue queue;

	if (fd < 0) {
		encap->stats.tx_drops[REASON_LINK_DOWN] += batch->count;
		frame_batch_free(batch);
		return;
	}
	for (unsigned i = 0; i < batch->count; i++) {
		unsigned n = head(encap, batch->frame[i], queue.message[i].head);

		prepare(&queue.message[i], n, batch->frame[i], cut, &queue.msgs[i].msg_hdr);
	}
	flush(encap, fd, &queue, batch);
	frame_batch_free(batch);
}
