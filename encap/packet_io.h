/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet sockets bound to an uplink's interface, for backends whose frames go out as
 * they are: with virtio-net headers, so that superframes and partial checksums pass
 * both ways untouched where the interface takes them.
 */
#ifndef TVD_PACKET_IO_H
#define TVD_PACKET_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "encap/encap.h"
#include "lib/vnet.h"

struct packet_mreq;
struct packet_rx;

#define PACKET_FRAME_MIN 60u /* of Ethernet, without FCS */
#define PACKET_TAIL_MAX	 8u  /* bytes of tags behind the MAC addresses */

/*
 * A socket that hears nothing but what its own filter, which set_filter() attaches
 * (0 or negative errno), takes; `members` are memberships that go with it. The
 * descriptor, or negative errno.
 */
struct packet_socket {
	unsigned ifindex;
	int (*set_filter)(void *arg, int fd);
	void *arg;
	const struct packet_mreq *members;
	unsigned member_count;
};
int packet_socket_open(const struct packet_socket *want);

/* Who receives from it. */
struct packet_receiver {
	struct encap_host *host;
	enum encap_kind kind; /* whose `stray` counts what is nobody's */
	const char *uplink;
	/* Takes a frame as it came from the wire, the tag that the kernel stripped beside
	 * it. Hands it on by packet_rx_add(), or frees it. */
	void (*take)(void *arg, struct frame *frame);
	void *arg;
};

/* Begins to receive from fd, which is bound already. 0 or -ENOMEM. */
int packet_rx_start(struct packet_rx **rx, const struct packet_receiver *receiver, int fd);
void packet_rx_stop(struct packet_rx *rx);

/* Hands a frame, decapsulated, to the host's encap, at the latest when all has been read
 * that there is. */
void packet_rx_add(struct packet_rx *rx, struct encap *encap, struct frame *frame);

/* Hands over now what was added outside of take(). NULL is fine. */
void packet_rx_flush(struct packet_rx *rx);

/* Whether packet sockets of this kernel take UDP superframes. */
bool packet_has_uso(void);

/* A frame on its way: virtio-net header, a head of its own, the rest, and padding. */
struct packet_message {
	struct vnet_header vnet;
	uint8_t head[ETH_HEADER_LEN + PACKET_TAIL_MAX];
	struct iovec iov[4];
};

/*
 * Sends frames, each with `head` bytes of its own, which prepare() has written, in
 * place of its first `cut` bytes. Counts tx_segments, or tx_drops by reason, of the
 * encap, and frees every frame.
 */
typedef unsigned packet_head_fn(const struct encap *encap, const struct frame *frame,
				uint8_t head[ETH_HEADER_LEN + PACKET_TAIL_MAX]);
void packet_send(struct encap *encap, int fd, struct frame_batch *batch, unsigned cut,
		 packet_head_fn *head);

#endif
