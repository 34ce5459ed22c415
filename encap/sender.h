/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets to send from: for each uplink and family, bound to the uplink's address
 * and interface. They receive nothing. Backends of one type share them.
 */
#ifndef TVD_SENDER_H
#define TVD_SENDER_H

#include "encap/remotes.h"
#include "lib/list.h"

#define SENDER_TTL     64 /* to hosts; to groups it is 1 */
#define SENDER_SOCKETS 16u

/* What the sockets of a type of backend are like. */
struct sender_kind {
	int type, protocol; /* of socket() */
	/* How many an uplink and family have, up to SENDER_SOCKETS, and which of
	 * them sends a frame; NULL where there is one. */
	unsigned sockets;
	unsigned (*choose)(const struct frame *frame);
	uint16_t first_port; /* of UDP: where the ports to send from begin */
	bool fragment;	     /* what is too long is fragmented, instead of refused */
};

struct senders {
	struct list list;
	struct list bypasses;
	const struct sender_kind *kind;
};

static inline void senders_init(struct senders *senders, const struct sender_kind *kind)
{
	list_init(&senders->list);
	list_init(&senders->bypasses);
	senders->kind = kind;
}

/*
 * Makes sockets available for an uplink and a set of families (bit 0 IPv4, bit 1
 * IPv6), counted, as soon as the uplink has an address; and gives them back. 0, or
 * -ENOMEM with nothing to give back.
 */
int senders_get(struct senders *senders, const struct encap_uplink *uplink, unsigned families);
void senders_put(struct senders *senders, const struct encap_uplink *uplink, unsigned families);

/* The uplink's state or addresses may have changed: opens and closes sockets. */
void senders_follow(struct senders *senders, const struct encap_host *host,
		    const struct encap_uplink *uplink);

/* Leaves the way past the kernel's stack to another process, for a while. */
void senders_yield(struct senders *senders, const struct encap_host *host,
		   const struct encap_uplink *uplink);

/* To whom, and how. */
struct sender_to {
	const struct remotes *remotes;
	int64_t ttl;   /* 0: the default */
	uint16_t port; /* of UDP; else 0 */
};

/* encap_ops.send: each frame to its `peer`, or else to the group and to all peers. */
void senders_send(struct senders *senders, struct encap *encap, const struct sender_to *to,
		  struct frame_batch *batch);

#endif
