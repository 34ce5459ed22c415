/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/rx.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#define FIRST 4u

static unsigned prepare(struct port_rx *rx, struct frame_pool *pool, size_t header, unsigned want)
{
	unsigned n = 0;

	assert(header <= FRAME_HEADROOM);
	for (; n < want; n++) {
		struct frame *frame = frame_alloc(pool, FRAME_LARGE);

		if (!frame)
			break;
		rx->frame[n] = frame;
		rx->iov[n] = (struct iovec){frame->data - header, header + FRAME_LARGE};
		rx->hdr[n].msg_hdr = (struct msghdr){
		    .msg_name = &rx->from[n],
		    .msg_namelen = sizeof(rx->from[n]),
		    .msg_iov = &rx->iov[n],
		    .msg_iovlen = 1,
		    .msg_control = &rx->control[n],
		    .msg_controllen = sizeof(rx->control[n]),
		};
	}
	return n;
}

int port_rx_read(struct port_rx *rx, int fd, struct frame_pool *pool, struct port_rx_pace *pace,
		 size_t header, unsigned max)
{
	unsigned want, got;
	size_t bytes = 0;
	int n;

	if (pace->at_once < FIRST)
		pace->at_once = FIRST;
	want = prepare(rx, pool, header, pace->at_once < max ? pace->at_once : max);
	pace->more = false;
	if (want == 0)
		return 0;
	n = recvmmsg(fd, rx->hdr, want, MSG_DONTWAIT, NULL); /* @syscall recvmmsg */
	if (n < 0)
		n = -errno;
	got = n > 0 ? (unsigned)n : 0;
	for (unsigned i = got; i < want; i++)
		frame_free(rx->frame[i]);
	for (unsigned i = 0; i < got; i++)
		bytes += rx->hdr[i].msg_len;
	pace->more = got == want;
	if (got < pace->at_once / 2 || bytes > FRAME_TURN_BYTES)
		pace->at_once /= 2;
	else if (pace->more && pace->at_once < PORT_RX_MAX && bytes <= FRAME_TURN_BYTES / 2)
		pace->at_once *= 2;
	return n;
}

struct frame *port_rx_take(struct port_rx *rx, unsigned i)
{
	struct frame *frame = rx->frame[i];
	size_t header = (size_t)(frame->data - (uint8_t *)rx->iov[i].iov_base);
	size_t len = rx->hdr[i].msg_len;

	frame->len = len > header ? (uint32_t)(len - header) : 0;
	return frame;
}
