/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving datagrams in batches from one socket, which is bound to no address (that
 * would lose multicast): where each came from and went to is asked of the kernel,
 * and the backend decides whose it is.
 */
#ifndef TVD_RECEIVER_H
#define TVD_RECEIVER_H

#include <ev.h>

#include "encap/remotes.h"

struct receiver_buffers;

struct receiver {
	/* ---- the owner's, before receiver_start() ---- */
	struct encap_host *host;
	uint16_t family;
	enum encap_kind kind; /* whose stray drops to count */
	bool udp;	      /* the kernel may join datagrams of one sender */
	void *owner;
	/*
	 * Finds whose a datagram is, and takes the headers off. `outer` is what the
	 * socket tells; a raw IPv4 socket's datagram begins with the IP header.
	 * NULL, with the reason, and with *blame the encap that the drop counts at,
	 * or NULL if it belongs to none.
	 */
	struct encap *(*classify)(struct receiver *receiver, struct frame *frame,
				  struct outer *outer, enum reason *reason, struct encap **blame);
	/* ---- its own ---- */
	ev_io io;
	int fd;		   /* -1: closed; so it begins */
	bool trains;	   /* it does */
	uint32_t overruns; /* of the socket, so far */
	struct receiver_buffers *buffers;
};

/* Starts receiving; the socket becomes its own, whatever happens. 0, or negative
 * errno with nothing left open. */
int receiver_start(struct receiver *receiver, int fd);

/* Closes the socket. It may be closed already. */
void receiver_stop(struct receiver *receiver);

#endif
