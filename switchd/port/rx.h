/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving datagrams, each a frame, in batches.
 */
#ifndef TVD_PORT_RX_H
#define TVD_PORT_RX_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "lib/frame.h"

#define PORT_RX_MAX 32u

/* How many are asked for at once: what came the last times says. Zeroed at first. */
struct port_rx_pace {
	unsigned at_once;
	bool more; /* there may be more to read now */
};

struct port_rx {
	struct frame *frame[PORT_RX_MAX];
	struct mmsghdr hdr[PORT_RX_MAX]; /* msg_name is that of a UNIX socket */
	struct iovec iov[PORT_RX_MAX];
	struct sockaddr_un from[PORT_RX_MAX];
	union {
		char bytes[64];
		struct cmsghdr align;
	} control[PORT_RX_MAX];
};

/*
 * Reads up to `max` datagrams that begin with `header` bytes in front of the frame,
 * which come to lie before frame->data. How many, all of which must then be taken;
 * or negative errno. 0 also when the pool is exhausted: what is queued is sent before
 * the loop comes back.
 */
int port_rx_read(struct port_rx *rx, int fd, struct frame_pool *pool, struct port_rx_pace *pace,
		 size_t header, unsigned max);

/* The i-th frame, now the caller's. Its length is that of the datagram without the
 * header, or 0; see hdr[i].msg_len and MSG_TRUNC in msg_flags. */
struct frame *port_rx_take(struct port_rx *rx, unsigned i);

#endif
