/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving packets from one interface through memory that the kernel writes to
 * (TPACKET_V2): no system call for what is there. What the socket sees goes to the
 * kernel's network stack, too.
 */
#ifndef TVD_RXRING_H
#define TVD_RXRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct encap_host;
struct rxring;
struct sock_fprog;

struct rxring_packet {
	uint8_t *data; /* from the IP header on; until rxring_release() */
	size_t len;    /* as much as the filter lets through and a slot holds */
};

/*
 * Opens one for packets of up to packet_max bytes that arrive on an interface and pass the
 * filter. The host learns that it is no capture. 0, or negative errno.
 */
int rxring_open(struct rxring **out, struct encap_host *host, unsigned ifindex, size_t packet_max,
		const struct sock_fprog *filter);
void rxring_close(struct rxring *ring);

/* Readable while there is a packet. */
int rxring_fd(const struct rxring *ring);

/* Changes the filter: 0 or negative errno. */
int rxring_set_filter(struct rxring *ring, const struct sock_fprog *filter);

/* The next packet, in place; false while there is none. */
bool rxring_next(struct rxring *ring, struct rxring_packet *packet);

/* Gives the packet's place back to the kernel. */
void rxring_release(struct rxring *ring);

/* Whether the interface has gone, or has been down: then nothing comes any more. */
bool rxring_failed(const struct rxring *ring);

/* How many packets found no room since it was last asked. */
uint64_t rxring_overruns(struct rxring *ring);

#endif
