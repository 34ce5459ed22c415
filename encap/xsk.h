/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending Ethernet frames through an AF_XDP socket in copy mode: no program is
 * attached, nothing is received, and any network device will do. The kernel takes many
 * frames for one call and hands each to the driver, past its own network stack and the
 * queue discipline.
 */
#ifndef TVD_XSK_H
#define TVD_XSK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest frame that fits. */
#define XSK_FRAME_MAX 4096u

struct xsk;

/*
 * Opens one for frames of up to frame_max bytes on an interface. 0, or negative errno:
 * -EBUSY when another process has all queues of the interface, -EPERM without
 * CAP_NET_RAW, -ENOBUFS where memory must not be locked, -EINVAL for frames that are
 * too long.
 */
int xsk_open(struct xsk **out, unsigned ifindex, size_t frame_max);
void xsk_close(struct xsk *xsk);

/* Where to write the next frame; NULL while all buffers are on their way. */
uint8_t *xsk_reserve(struct xsk *xsk);

/* The frame is there, of so many bytes. */
void xsk_commit(struct xsk *xsk, size_t len);

/* Has the kernel send what was committed, as far as the device takes it now. 0, or
 * negative errno when it is down or gone. */
int xsk_flush(struct xsk *xsk);

/* Whether the kernel has taken all that was committed. */
bool xsk_is_idle(const struct xsk *xsk);

#endif
