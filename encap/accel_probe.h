/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the kernel does with the accelerator's programs what accel.h says of it, tried
 * before anything is attached to the uplink.
 */
#ifndef TVD_ACCEL_PROBE_H
#define TVD_ACCEL_PROBE_H

#include "encap/accel_bpf.h"

struct frame_pool;

/*
 * Writes superframes to the helper TAP, whose program sends them back into the TAP: it has
 * no offloads, so they come as segments, which must be those that our own segmentation
 * makes, each behind the same outer headers. 0 or negative errno; -EPROTO: they are not.
 */
int accel_probe_send(struct accel_shared *shared, int tap, unsigned tap_ifindex,
		     struct frame_pool *pool);

/* Runs the XDP program on a packet that it is to strip, and on one that it is to leave. */
int accel_probe_strip(struct accel_shared *shared, int program);

#endif
