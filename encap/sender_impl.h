/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of senders share: sender.c (sockets and their life), sender_tx.c
 * (sending).
 */
#ifndef TVD_SENDER_IMPL_H
#define TVD_SENDER_IMPL_H

#include "encap/bypass.h"
#include "encap/sender.h"

/* Not in every libc's headers. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

struct sender {
	struct list link;
	const struct sender_kind *kind;
	const struct encap_uplink *uplink;
	uint16_t family;
	unsigned refs;
	bool open; /* else the uplink is away */
	int fd[SENDER_SOCKETS];
	struct ipaddr addr;
	unsigned ifindex;
	/* Past the kernel's network stack, where that is allowed and possible. */
	struct bypass *bypass;
	int bypass_error;		/* why it was not, the last time */
	unsigned bypass_failures;	/* with this error, in a row */
	uint64_t bypass_tried;		/* in ms; 0: not since it is possible */
	unsigned room;			/* bytes of UDP that fit one packet */
	bool trains;			/* of UDP: the kernel cuts */
	bool checksums[SENDER_SOCKETS]; /* of UDP over IPv4: they are on */
};

/* That of an uplink and family; NULL: nobody has asked for it. */
struct sender *sender_find(const struct senders *senders, const struct encap_uplink *uplink,
			   uint16_t family);

#endif
